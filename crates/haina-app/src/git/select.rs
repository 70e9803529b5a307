//! Which objects a pack must hold, and no more than needed of what the client has already.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use haina_db::git;
use haina_git::wire::{Filter, NameKey};
use haina_git::{EMPTY_TREE, ObjectKind, Tree};
use haina_types::{Error, Oid, Result};

use super::feed::Feed;
use super::graph::Graph;
use super::refs::{STEP, kind_of};
use crate::App;
use crate::history::Bodies;

/// What was asked for by id, and what tags among it are of.
#[derive(Default)]
pub(super) struct Wants {
    /// All of it: no filter applies.
    pub(super) asked: HashSet<Oid>,
    pub(super) tips: Vec<Oid>,
    pub(super) tags: Vec<Oid>,
    pub(super) trees: Vec<Oid>,
    pub(super) blobs: Vec<Oid>,
}

/// An object of the pack.
pub(super) struct Chosen {
    pub(super) oid: Oid,
    pub(super) kind: ObjectKind,
    /// Of its content.
    pub(super) size: u64,
    /// Of its zlib stream.
    pub(super) stored: u64,
    /// Where it was first met.
    pub(super) name: NameKey,
}

/// The ids of objects that are sent anyway, one after the other in order.
#[derive(Default)]
pub(super) struct Sent(pub(super) Vec<u8>);

impl Sent {
    pub(super) fn contains(&self, oid: &Oid) -> bool {
        let (mut from, mut to) = (0, self.0.len() / Oid::LEN);
        while from < to {
            let middle = usize::midpoint(from, to);
            match self.0[middle * Oid::LEN..(middle + 1) * Oid::LEN].cmp(&oid.0[..]) {
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Less => from = middle + 1,
                std::cmp::Ordering::Greater => to = middle,
            }
        }
        false
    }
}

/// A tree to look into, and the trees at the same path that the client has, or gets from another commit.
struct Open {
    tree: Oid,
    known: Vec<Oid>,
    /// Of its path, with a slash at the end.
    name: NameKey,
    /// How deep its entries are; a commit's tree is at 0, and so are the entries of a tree that was asked for.
    below: u32,
}

pub(super) struct Selection<'a> {
    app: &'a App,
    repo: i64,
    filter: Filter,
    /// With all that is below them: neither looked into nor sent again.
    sent: Sent,
    seen: HashSet<Oid>,
    commits: Vec<(Oid, NameKey)>,
    trees: Vec<(Oid, NameKey)>,
    asked: HashSet<Oid>,
    blobs: Vec<(Oid, NameKey)>,
    bodies: Bodies,
}

impl<'a> Selection<'a> {
    pub(super) fn new(app: &'a App, repo: i64, filter: Filter) -> Self {
        Self {
            app,
            repo,
            filter,
            sent: Sent::default(),
            seen: HashSet::new(),
            commits: Vec::new(),
            trees: Vec::new(),
            asked: HashSet::new(),
            blobs: Vec::new(),
            bodies: Bodies::default(),
        }
    }

    /// Leaves out what is sent anyway, which has all that it links to.
    pub(super) fn without(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    /// Whether an object is met for the first time and not sent anyway.
    fn meet(&mut self, oid: Oid) -> bool {
        self.seen.insert(oid) && !self.sent.contains(&oid)
    }

    fn count(&self) -> usize {
        self.commits.len() + self.trees.len() + self.blobs.len()
    }

    /// Adds what was asked for by id, apart from commits.
    pub(super) async fn add_wants(&mut self, s: &mut haina_db::Session, wants: &Wants, feed: &mut Feed) -> Result<()> {
        self.asked.clone_from(&wants.asked);
        for tag in &wants.tags {
            if self.meet(*tag) && (self.filter.takes(ObjectKind::Tag) || self.asked.contains(tag)) {
                self.commits.push((*tag, NameKey::default()));
            }
        }
        for blob in &wants.blobs {
            if (self.filter.takes_blobs(0) || self.asked.contains(blob)) && self.meet(*blob) {
                self.blobs.push((*blob, NameKey::default()));
            }
        }
        for tree in &wants.trees {
            self.descend(s, Open { tree: *tree, known: Vec::new(), name: NameKey::default(), below: 0 }, feed).await?;
        }
        Ok(())
    }

    /// Adds commits and what is new in them. `list` has children before parents; below `stops` the client gets nothing.
    pub(super) async fn add_commits(
        &mut self,
        s: &mut haina_db::Session,
        graph: &Graph,
        list: &[Oid],
        stops: &HashSet<Oid>,
        feed: &mut Feed,
    ) -> Result<()> {
        for oid in list {
            if self.meet(*oid) && (self.filter.takes(ObjectKind::Commit) || self.asked.contains(oid)) {
                self.commits.push((*oid, NameKey::default()));
            }
        }
        if !self.filter.looks_into(0) {
            return Ok(());
        }
        // The oldest first, so that the trees of parents are at hand when their children are compared with them.
        for oid in list.iter().rev() {
            let Some(node) = graph.get(oid) else { continue };
            let mut known = Vec::new();
            if !stops.contains(oid) {
                known.extend(node.parents.iter().filter_map(|p| graph.get(p)).map(|n| n.tree));
            }
            self.descend(s, Open { tree: node.tree, known, name: NameKey::default(), below: 1 }, feed).await?;
        }
        Ok(())
    }

    async fn load(&mut self, s: &mut haina_db::Session, oid: &Oid) -> Result<Arc<Tree>> {
        self.app.load_tree_with(s, self.repo, oid, &mut self.bodies).await
    }

    async fn descend(&mut self, s: &mut haina_db::Session, from: Open, feed: &mut Feed) -> Result<()> {
        let mut open = vec![from];
        while let Some(Open { tree: oid, known, name, below }) = open.pop() {
            // Whoever has a tree has all that is below it; whoever will get it gets that too.
            if known.contains(&oid) || !self.meet(oid) {
                continue;
            }
            if below == 0 || self.filter.takes_tree(below - 1) || self.asked.contains(&oid) {
                self.trees.push((oid, name));
            }
            if !self.filter.looks_into(below) {
                continue;
            }
            feed.tick(self.count()).await?;
            let tree = self.load(s, &oid).await?;
            let mut others = Vec::with_capacity(known.len());
            for other in &known {
                others.push(self.load(s, other).await?);
            }
            for entry in tree.iter().filter(|e| e.mode != haina_git::Mode::Gitlink) {
                let mut known = Vec::new();
                let mut is_known = false;
                for other in others.iter().filter_map(|t| t.get(entry.name)) {
                    is_known |= other.oid == entry.oid;
                    if other.mode.is_tree() {
                        known.push(other.oid);
                    }
                }
                if is_known {
                    continue;
                }
                let name = name.then(entry.name);
                if entry.mode.is_tree() {
                    open.push(Open { tree: entry.oid, known, name: name.then(b"/"), below: below + 1 });
                } else if self.filter.takes_blobs(below) && self.meet(entry.oid) {
                    self.blobs.push((entry.oid, name));
                }
            }
        }
        Ok(())
    }

    /// Adds the annotated tags (outermost object, chain, target) whose target is in the pack.
    pub(super) fn add_tags(&mut self, chains: &[Arc<super::refs::Chain>]) {
        for chain in chains {
            if !self.seen.contains(&chain.target) && !self.sent.contains(&chain.target) {
                continue;
            }
            for tag in &chain.tags {
                if self.meet(*tag) && self.filter.takes(ObjectKind::Tag) {
                    self.commits.push((*tag, NameKey::default()));
                }
            }
        }
    }

    /// Ends the selection: what the pack holds, in its order, with sizes.
    pub(super) async fn finish(self, s: &mut haina_db::Session, feed: &mut Feed) -> Result<Vec<Chosen>> {
        let mut out = Vec::with_capacity(self.count());
        let groups = [(self.commits, None), (self.trees, Some(ObjectKind::Tree)), (self.blobs, Some(ObjectKind::Blob))];
        for (group, kind) in groups {
            for part in group.chunks(STEP) {
                feed.tick(out.len()).await?;
                let oids: Vec<Oid> = part.iter().map(|(oid, _)| *oid).collect();
                let infos = git::list_object_info(s, self.repo, &oids).await?;
                let infos: HashMap<Oid, git::ObjectInfo> = infos.into_iter().map(|i| (i.oid, i)).collect();
                for (oid, name) in part {
                    let (oid, name) = (*oid, *name);
                    let Some(info) = infos.get(&oid) else {
                        if oid == EMPTY_TREE {
                            out.push(Chosen { oid, kind: ObjectKind::Tree, size: 0, stored: 8, name });
                            continue;
                        }
                        return Err(Error::internal(format!("object {oid} of repository {} is missing", self.repo)));
                    };
                    let own = kind_of(info.kind)?;
                    if kind.is_some_and(|kind| own != kind) {
                        return Err(Error::internal(format!("object {oid} is of another kind than its link says")));
                    }
                    let sized = kind != Some(ObjectKind::Blob)
                        || self.filter.takes_size(info.size)
                        || self.asked.contains(&oid);
                    if sized {
                        out.push(Chosen { oid, kind: own, size: info.size, stored: info.stored, name });
                    }
                }
            }
        }
        Ok(out)
    }
}
