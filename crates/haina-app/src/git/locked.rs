//! Paths that others have locked: no commit of a push may change them.
//!
//! A commit changes a path if it has something else there than each of its parents. So a merge that brings what the
//! lock's owner did changes nothing, and neither does a branch that begins at an old version.

use std::collections::HashMap;
use std::sync::Arc;

use haina_db::git;
use haina_git::{EMPTY_TREE, Mode, Tree};
use haina_types::{Error, Oid, Result};

use super::push::{Push, Refusal};
use crate::lfs::Lock;

/// Trees that are remembered.
const TREES_MAX: usize = 4096;
/// Paths that are named in a refusal.
const NAMED_MAX: usize = 10;

/// What stands at each of the locked paths.
type Standing = Arc<Vec<Option<(Mode, Oid)>>>;

struct Look<'a> {
    push: &'a Push<'a>,
    locks: &'a [Lock],
    trees: HashMap<Oid, Arc<Tree>>,
    /// By the tree of a commit.
    seen: HashMap<Oid, Standing>,
}

impl Look<'_> {
    async fn tree(&mut self, oid: &Oid) -> Result<Arc<Tree>> {
        if let Some(tree) = self.trees.get(oid) {
            return Ok(tree.clone());
        }
        let tree = match self.push.pack.by_oid.get(oid) {
            Some(i) => {
                let raw = self.push.pack.raw(*i).map_err(Error::internal)?;
                Arc::new(Tree::parse(raw).map_err(Error::internal)?)
            }
            None if *oid == EMPTY_TREE => Arc::new(Tree::parse(Vec::new()).map_err(Error::internal)?),
            None => {
                let mut s = self.push.app.db().read().await?;
                self.push.app.load_tree(&mut s, self.push.access.repo().id, oid).await?
            }
        };
        if self.trees.len() >= TREES_MAX {
            self.trees.clear();
        }
        self.trees.insert(*oid, tree.clone());
        Ok(tree)
    }

    async fn entry(&mut self, root: Oid, path: &str) -> Result<Option<(Mode, Oid)>> {
        let mut at = (Mode::Tree, root);
        for name in path.split('/') {
            if !at.0.is_tree() {
                return Ok(None);
            }
            let tree = self.tree(&at.1).await?;
            match tree.get(name.as_bytes()) {
                Some(entry) => at = (entry.mode, entry.oid),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    async fn standing(&mut self, root: Oid) -> Result<Standing> {
        if let Some(known) = self.seen.get(&root) {
            return Ok(known.clone());
        }
        let locks = self.locks;
        let mut found = Vec::with_capacity(locks.len());
        for lock in locks {
            found.push(self.entry(root, &lock.path).await?);
        }
        let found: Standing = Arc::new(found);
        self.seen.insert(root, found.clone());
        // One commit after the other, so that others get their turn.
        tokio::task::yield_now().await;
        Ok(found)
    }

    async fn root_of(&self, commit: &Oid) -> Result<Option<Oid>> {
        if let Some(facts) = self.push.pack.commits.get(commit) {
            return Ok(Some(facts.tree));
        }
        let mut s = self.push.app.db().read().await?;
        Ok(git::find_commit(&mut s, self.push.access.repo().id, commit).await?.map(|c| c.tree))
    }
}

impl Push<'_> {
    /// Refuses commits that change what others have locked.
    pub(super) async fn check_locks(&self) -> Result<(), Refusal> {
        let locks = self.app.locks_of_others(self.access.repo().id, self.access.actor()).await?;
        if locks.is_empty() || self.walk.commits.is_empty() {
            return Ok(());
        }
        let mut look = Look { push: self, locks: &locks, trees: HashMap::new(), seen: HashMap::new() };
        let mut changed = vec![false; locks.len()];
        for commit in &self.walk.commits {
            let Some(facts) = self.pack.commits.get(commit) else { continue };
            let now = look.standing(facts.tree).await?;
            let mut before = Vec::with_capacity(facts.parents.len());
            for parent in &facts.parents {
                if let Some(root) = look.root_of(parent).await? {
                    before.push(look.standing(root).await?);
                }
            }
            for (i, changed) in changed.iter_mut().enumerate() {
                // The first commit of a history changes what it has.
                *changed |= before.iter().all(|b| b[i] != now[i]) && !(before.is_empty() && now[i].is_none());
            }
        }
        let mut named = locks.iter().zip(changed).filter(|(_, changed)| *changed).map(|(lock, _)| lock);
        let Some(first) = named.next() else { return Ok(()) };
        let reason = format!("'{}' is locked by {}", first.path, first.owner);
        let mut advice = vec!["These files are locked, and this push changes them:".to_owned()];
        advice.push(format!("  {} (locked by {})", first.path, first.owner));
        advice.extend(named.by_ref().take(NAMED_MAX).map(|l| format!("  {} (locked by {})", l.path, l.owner)));
        advice.push("Ask them to unlock (git lfs unlock), then push again.".to_owned());
        Err(Refusal::Policy { reason, advice })
    }
}
