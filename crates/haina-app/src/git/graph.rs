//! The commits of one repository as far as a request looked at them.

use std::collections::{BinaryHeap, HashMap, HashSet};

use haina_db::git;
use haina_git::wire::Negotiation;
use haina_types::{Oid, Result};

use super::refs::STEP;

/// After this many look-ups one by one, everything is read at once: that is as quick.
const POINTS_MAX: usize = 256;
/// Larger histories are always read as far as needed only.
const WHOLE_COMMITS_MAX: u64 = 2_000_000;

/// Commits walked over before other tasks get their turn.
const TURN: u32 = 1024;

/// Lets others work, from time to time, in walks that find all they need in memory.
#[derive(Default)]
pub(super) struct Turns(u32);

impl Turns {
    pub(super) async fn tick(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
    }
}

/// A commit.
pub(super) struct Node {
    pub(super) tree: Oid,
    pub(super) parents: Box<[Oid]>,
    /// One more than the largest of its parents', so it falls on every way down.
    pub(super) generation: i64,
    /// The committer's time.
    pub(super) seconds: i64,
}

/// Commits by id, read when they are needed.
pub(super) struct Graph {
    repo: i64,
    nodes: HashMap<Oid, Node>,
    missing: HashSet<Oid>,
    looked_up: usize,
    may_be_whole: bool,
}

impl Graph {
    pub(super) fn new(repo: i64) -> Self {
        Self { repo, nodes: HashMap::new(), missing: HashSet::new(), looked_up: 0, may_be_whole: true }
    }

    pub(super) fn get(&self, oid: &Oid) -> Option<&Node> {
        self.nodes.get(oid)
    }

    fn parents(&self, oid: &Oid) -> &[Oid] {
        self.nodes.get(oid).map_or(&[], |n| &n.parents)
    }

    /// Reads those of these commits that were not looked for before.
    pub(super) async fn load(&mut self, s: &mut haina_db::Session, oids: &[Oid]) -> Result<()> {
        let unknown = |g: &Self, oid: &Oid| !g.nodes.contains_key(oid) && !g.missing.contains(oid);
        let mut wanted: Vec<Oid> = oids.iter().copied().filter(|oid| unknown(self, oid)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.looked_up += 1;
        if self.looked_up > POINTS_MAX && self.may_be_whole {
            self.may_be_whole = false;
            if git::count_commits(s, self.repo).await? <= WHOLE_COMMITS_MAX {
                for c in git::list_all_commits(s, self.repo).await? {
                    let node = Node {
                        tree: c.tree,
                        parents: c.parents.into(),
                        generation: c.gen_number,
                        seconds: c.committed_at.seconds(),
                    };
                    self.nodes.insert(c.oid, node);
                }
                wanted.retain(|oid| unknown(self, oid));
            }
        }
        for part in wanted.chunks(STEP) {
            for c in git::list_commits_by_oid(s, self.repo, part).await? {
                let node = Node {
                    tree: c.tree,
                    parents: c.parents.into(),
                    generation: c.gen_number,
                    seconds: c.committed_at.seconds(),
                };
                self.nodes.insert(c.oid, node);
            }
        }
        let absent: Vec<Oid> = wanted.into_iter().filter(|oid| !self.nodes.contains_key(oid)).collect();
        self.missing.extend(absent);
        Ok(())
    }

    /// Reads everything below these commits down to a generation; what was found, these commits included.
    pub(super) async fn load_below(
        &mut self,
        s: &mut haina_db::Session,
        from: &[Oid],
        generation_min: i64,
    ) -> Result<HashSet<Oid>> {
        let mut seen = HashSet::new();
        let mut level: Vec<Oid> = from.to_vec();
        let mut turns = Turns::default();
        while !level.is_empty() {
            turns.tick().await;
            self.load(s, &level).await?;
            let mut next = Vec::new();
            for oid in level {
                let Some(node) = self.nodes.get(&oid) else { continue };
                if node.generation < generation_min || !seen.insert(oid) {
                    continue;
                }
                next.extend(node.parents.iter().copied().filter(|p| !seen.contains(p)));
            }
            next.sort_unstable();
            next.dedup();
            level = next;
        }
        Ok(seen)
    }
}

/// What is asked of history while client and server find out what they share.
pub(super) struct Shared<'a> {
    pub(super) graph: &'a Graph,
    /// The commits wanted, behind any tags.
    pub(super) tips: &'a [Oid],
}

impl Negotiation for Shared<'_> {
    fn has(&self, oid: &Oid) -> bool {
        self.graph.nodes.contains_key(oid)
    }

    fn enough(&self, common: &HashSet<Oid>) -> bool {
        let generation = |oid: &Oid| self.graph.get(oid).map(|n| n.generation);
        let Some(lowest) = common.iter().filter_map(generation).min() else { return false };
        // Everything between the tips and what is in common, then from the oldest up: who reaches it?
        let mut seen: HashSet<Oid> = HashSet::new();
        let mut open: Vec<Oid> = self.tips.to_vec();
        let mut order: Vec<(i64, Oid)> = Vec::new();
        while let Some(oid) = open.pop() {
            let Some(own) = generation(&oid).filter(|own| *own >= lowest) else { continue };
            if seen.insert(oid) {
                order.push((own, oid));
                if !common.contains(&oid) {
                    open.extend_from_slice(self.graph.parents(&oid));
                }
            }
        }
        order.sort_unstable();
        let mut reach: HashSet<Oid> = HashSet::new();
        for (_, oid) in order {
            if common.contains(&oid) || self.graph.parents(&oid).iter().any(|p| reach.contains(p)) {
                reach.insert(oid);
            }
        }
        self.tips.iter().all(|tip| reach.contains(tip))
    }
}

/// Which commits to send.
pub(super) struct Ends<'a> {
    /// Where to begin.
    pub(super) tips: Vec<Oid>,
    /// What the client has, with all that is below it.
    pub(super) haves: Vec<Oid>,
    /// Commits below which the client has nothing.
    pub(super) client: &'a HashSet<Oid>,
    /// Commits below which nothing is sent.
    pub(super) stops: &'a HashSet<Oid>,
}

const WANT: u8 = 1;
const HAVE: u8 = 2;

impl Graph {
    /// The commits that the tips reach and what the client has does not, the newest generation first.
    pub(super) async fn list_new(&mut self, s: &mut haina_db::Session, ends: &Ends<'_>) -> Result<Vec<Oid>> {
        let mut flags: HashMap<Oid, u8> = HashMap::new();
        let mut heap: BinaryHeap<(i64, Oid)> = BinaryHeap::new();
        // Commits in the heap that are wanted and not known to be had.
        let mut open = 0usize;
        let mut out = Vec::new();
        let starts: Vec<Oid> = ends.tips.iter().chain(&ends.haves).copied().collect();
        self.load(s, &starts).await?;
        let mut paint = |graph: &Self, heap: &mut BinaryHeap<(i64, Oid)>, open: &mut usize, oid: Oid, flag: u8| {
            let Some(node) = graph.get(&oid) else { return 0 };
            let old = *flags.entry(oid).or_insert(0);
            let new = old | flag;
            if flag != 0 && old != new {
                flags.insert(oid, new);
                if old == 0 {
                    heap.push((node.generation, oid));
                }
                *open += usize::from(new == WANT);
                *open -= usize::from(old == WANT);
            }
            new
        };
        for oid in &ends.haves {
            paint(self, &mut heap, &mut open, *oid, HAVE);
        }
        for oid in &ends.tips {
            paint(self, &mut heap, &mut open, *oid, WANT);
        }
        let mut turns = Turns::default();
        // A generation falls on every way down, so when a commit's turn comes, everything above it has been seen.
        while open > 0
            && let Some((_, oid)) = heap.pop()
        {
            turns.tick().await;
            let painted = paint(self, &mut heap, &mut open, oid, 0);
            let had = painted & HAVE != 0;
            if !had {
                open -= 1;
                out.push(oid);
            }
            let parents: Vec<Oid> = self.parents(&oid).to_vec();
            let ends_here = if had { ends.client.contains(&oid) } else { ends.stops.contains(&oid) };
            if ends_here {
                continue;
            }
            self.load(s, &parents).await?;
            for parent in parents {
                paint(self, &mut heap, &mut open, parent, if had { HAVE } else { WANT });
            }
        }
        Ok(out)
    }
}
