//! Which objects a pack must hold, and no more than needed of what the client has already.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use haina_db::git;
use haina_git::wire::Filter;
use haina_git::{EMPTY_TREE, ObjectKind, Tree};
use haina_types::{Error, Oid, Result};

use super::feed::Feed;
use super::graph::Graph;
use super::refs::{STEP, kind_of};
use crate::App;

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

/// An object of the pack, and how many bytes it has there.
pub(super) struct Chosen {
    pub(super) oid: Oid,
    pub(super) stored: u64,
}

/// A tree to look into, and the trees at the same path that the client has, or gets from another commit.
struct Open {
    tree: Oid,
    known: Vec<Oid>,
    /// How deep its entries are; a commit's tree is at 0, and so are the entries of a tree that was asked for.
    below: u32,
}

pub(super) struct Selection<'a> {
    app: &'a App,
    repo: i64,
    filter: Filter,
    seen: HashSet<Oid>,
    commits: Vec<Oid>,
    trees: Vec<Oid>,
    asked: HashSet<Oid>,
    blobs: Vec<Oid>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(app: &'a App, repo: i64, filter: Filter) -> Self {
        Self {
            app,
            repo,
            filter,
            seen: HashSet::new(),
            commits: Vec::new(),
            trees: Vec::new(),
            asked: HashSet::new(),
            blobs: Vec::new(),
        }
    }

    fn count(&self) -> usize {
        self.commits.len() + self.trees.len() + self.blobs.len()
    }

    /// Adds what was asked for by id, apart from commits.
    pub(super) async fn add_wants(&mut self, s: &mut haina_db::Session, wants: &Wants, feed: &mut Feed) -> Result<()> {
        self.asked.clone_from(&wants.asked);
        for tag in &wants.tags {
            if self.seen.insert(*tag) && (self.filter.takes(ObjectKind::Tag) || self.asked.contains(tag)) {
                self.commits.push(*tag);
            }
        }
        for blob in &wants.blobs {
            if (self.filter.takes_blobs(0) || self.asked.contains(blob)) && self.seen.insert(*blob) {
                self.blobs.push(*blob);
            }
        }
        for tree in &wants.trees {
            self.descend(s, Open { tree: *tree, known: Vec::new(), below: 0 }, feed).await?;
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
            if self.seen.insert(*oid) && (self.filter.takes(ObjectKind::Commit) || self.asked.contains(oid)) {
                self.commits.push(*oid);
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
            self.descend(s, Open { tree: node.tree, known, below: 1 }, feed).await?;
        }
        Ok(())
    }

    async fn load(&self, s: &mut haina_db::Session, oid: &Oid) -> Result<Arc<Tree>> {
        self.app.load_tree(s, self.repo, oid).await
    }

    async fn descend(&mut self, s: &mut haina_db::Session, from: Open, feed: &mut Feed) -> Result<()> {
        let mut open = vec![from];
        while let Some(Open { tree: oid, known, below }) = open.pop() {
            // Whoever has a tree has all that is below it; whoever will get it gets that too.
            if known.contains(&oid) || !self.seen.insert(oid) {
                continue;
            }
            if below == 0 || self.filter.takes_tree(below - 1) || self.asked.contains(&oid) {
                self.trees.push(oid);
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
                if entry.mode.is_tree() {
                    open.push(Open { tree: entry.oid, known, below: below + 1 });
                } else if self.filter.takes_blobs(below) && self.seen.insert(entry.oid) {
                    self.blobs.push(entry.oid);
                }
            }
        }
        Ok(())
    }

    /// Adds the annotated tags (outermost object, chain, target) whose target is in the pack.
    pub(super) fn add_tags(&mut self, chains: &[Arc<super::refs::Chain>]) {
        for chain in chains {
            if !self.seen.contains(&chain.target) {
                continue;
            }
            for tag in &chain.tags {
                if self.seen.insert(*tag) && self.filter.takes(ObjectKind::Tag) {
                    self.commits.push(*tag);
                }
            }
        }
    }

    /// Ends the selection: what the pack holds, in its order, with sizes.
    pub(super) async fn finish(self, s: &mut haina_db::Session, feed: &mut Feed) -> Result<Vec<Chosen>> {
        let mut out = Vec::with_capacity(self.count());
        let groups = [(self.commits, None), (self.trees, Some(ObjectKind::Tree)), (self.blobs, Some(ObjectKind::Blob))];
        for (oids, kind) in groups {
            for part in oids.chunks(STEP) {
                feed.tick(out.len()).await?;
                let infos = git::list_object_info(s, self.repo, part).await?;
                let infos: HashMap<Oid, git::ObjectInfo> = infos.into_iter().map(|i| (i.oid, i)).collect();
                for oid in part {
                    let Some(info) = infos.get(oid) else {
                        if *oid == EMPTY_TREE {
                            out.push(Chosen { oid: *oid, stored: 8 });
                            continue;
                        }
                        return Err(Error::internal(format!("object {oid} of repository {} is missing", self.repo)));
                    };
                    if kind.is_some_and(|kind| kind_of(info.kind).ok() != Some(kind)) {
                        return Err(Error::internal(format!("object {oid} is of another kind than its link says")));
                    }
                    let sized =
                        kind != Some(ObjectKind::Blob) || self.filter.takes_size(info.size) || self.asked.contains(oid);
                    if sized {
                        out.push(Chosen { oid: *oid, stored: info.stored });
                    }
                }
            }
        }
        Ok(out)
    }
}
