//! Reading git objects, through caches that need no invalidation: an object never changes, and every key carries the
//! repository, so that membership stays the read barrier.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use haina_db::git;
use haina_git::{Commit, ObjectKind, Tree};
use haina_types::{Error, Oid, Result};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::OwnedMutexGuard;

use super::body::{Bodies, find_raw};
use super::entry::Entry;
use crate::App;

/// Bytes of parsed trees kept.
const TREE_CACHE_BYTES: u64 = 16 << 20;
/// Paths kept, and the bytes that they may take.
const ENTRY_CACHE_ITEMS: usize = 32_768;

#[derive(Clone)]
struct ByTreeSize;

impl Weighter<(i64, Oid), Arc<Tree>> for ByTreeSize {
    fn weight(&self, _key: &(i64, Oid), tree: &Arc<Tree>) -> u64 {
        // The raw bytes and about as much again for the index over them.
        2 * tree.raw().len() as u64 + 128
    }
}

/// What the history use cases keep between requests.
pub struct State {
    trees: Cache<(i64, Oid), Arc<Tree>, ByTreeSize>,
    /// (repository, commit, path) → what stands there; content state is looked up each time.
    pub(super) entries: Cache<(i64, Oid, Box<str>), Arc<Entry>>,
    turns: Mutex<HashMap<i64, Weak<tokio::sync::Mutex<()>>>>,
    pub(super) last_commits: Cache<(i64, Oid, Box<str>), Arc<super::log::FolderHistory>>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            trees: Cache::with_weighter(4096, TREE_CACHE_BYTES, ByTreeSize),
            entries: Cache::new(ENTRY_CACHE_ITEMS),
            last_commits: Cache::new(256),
            turns: Mutex::default(),
        }
    }

    /// Waits for this process's turn to move a branch of a repository. What decides is the compare-and-swap in the
    /// database; taking turns only spares the work of those who would lose it.
    pub(crate) async fn turn(&self, repo: i64) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            match turns.get(&repo).and_then(Weak::upgrade) {
                Some(turn) => turn,
                None => {
                    turns.retain(|_, turn| turn.strong_count() > 0);
                    let turn = Arc::default();
                    turns.insert(repo, Arc::downgrade(&turn));
                    turn
                }
            }
        };
        turn.lock_owned().await
    }
}

/// An object that history links to is not there: its repository was deleted a moment ago, or the database was damaged.
pub(super) async fn missing(s: &mut haina_db::Session, repo: i64, kind: ObjectKind, oid: &Oid) -> Error {
    match haina_db::repos::find_repo_by_id(s, repo).await {
        Ok(None) => crate::gate::repo_not_found(),
        Ok(Some(_)) => Error::internal(format!("{} {oid} is missing or damaged", kind.as_str())),
        Err(e) => e.into(),
    }
}

/// The raw bytes of an object of the given kind.
pub(crate) async fn load_raw(s: &mut haina_db::Session, repo: i64, kind: ObjectKind, oid: &Oid) -> Result<Vec<u8>> {
    let found = find_raw(s, repo, oid).await?.filter(|(own, _)| *own == i64::from(kind.number()));
    match found {
        Some((_, raw)) => Ok(raw),
        None => Err(missing(s, repo, kind, oid).await),
    }
}

/// A commit.
pub(super) async fn load_commit(s: &mut haina_db::Session, repo: i64, oid: &Oid) -> Result<Commit> {
    let raw = load_raw(s, repo, ObjectKind::Commit, oid).await?;
    Commit::parse(&raw).map_err(Error::internal)
}

impl App {
    /// A tree, from the cache or the database.
    pub(crate) async fn load_tree(&self, s: &mut haina_db::Session, repo: i64, oid: &Oid) -> Result<Arc<Tree>> {
        self.load_tree_with(s, repo, oid, &mut Bodies::default()).await
    }

    /// The same for many trees: what was made on the way to one is at hand for the next.
    pub(crate) async fn load_tree_with(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        oid: &Oid,
        bodies: &mut Bodies,
    ) -> Result<Arc<Tree>> {
        if *oid == haina_git::EMPTY_TREE {
            return Tree::parse(Vec::new()).map(Arc::new).map_err(Error::internal);
        }
        let key = (repo, *oid);
        if let Some(tree) = self.history().trees.get(&key) {
            return Ok(tree);
        }
        let is_tree = |kind: i64| kind == i64::from(ObjectKind::Tree.number());
        let Some((_, raw)) = bodies.find(s, repo, oid).await?.filter(|(kind, _)| is_tree(*kind)) else {
            return Err(missing(s, repo, ObjectKind::Tree, oid).await);
        };
        let tree = Arc::new(Tree::parse(Arc::unwrap_or_clone(raw)).map_err(Error::internal)?);
        self.history().trees.insert(key, tree.clone());
        Ok(tree)
    }

    /// The tree of a commit.
    pub(super) async fn tree_of(&self, s: &mut haina_db::Session, repo: i64, commit: &Oid) -> Result<Oid> {
        let found = git::find_commit(s, repo, commit).await?;
        match found {
            Some(found) => Ok(found.tree),
            None => Err(missing(s, repo, ObjectKind::Commit, commit).await),
        }
    }
}
