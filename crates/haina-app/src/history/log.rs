//! Commits, newest first, and the last commit of each path.

use std::collections::{BinaryHeap, HashMap, HashSet};

use haina_db::git;
use haina_git::Mode;
use haina_types::{FilePath, Oid, Result, Timestamp};

use super::entry::{Entry, LastCommit};
use super::objects::load_commit;
use crate::App;
use crate::gate::Listing;

/// How far back the last commit of a path is looked for; older ones are shown as the oldest one looked at.
const LOOK_BACK_COMMITS_MAX: usize = 2000;

/// A commit in a log.
#[derive(Debug, Clone)]
pub struct LoggedCommit {
    /// Its id.
    pub id: Oid,
    /// The hub's name of its author, or the name that git carries.
    pub author: String,
    /// When.
    pub date: Timestamp,
    /// First line of the message.
    pub title: String,
    /// The rest of the message.
    pub message: String,
}

/// Names in a folder → the last commit that changed each.
pub(super) type FolderHistory = HashMap<Vec<u8>, LastCommit>;

/// Commits reachable from `head`, newest first, parents never before children of a straight line.
pub(super) async fn walk(s: &mut haina_db::Session, repo: i64, head: Oid) -> Result<Vec<Oid>> {
    let mut heap = BinaryHeap::new();
    let mut seen = HashSet::from([head]);
    let mut order = Vec::new();
    let push = |heap: &mut BinaryHeap<_>, commit: git::CommitRow| {
        heap.push((commit.gen_number, commit.committed_at, commit.oid, commit.parents));
    };
    if let Some(commit) = git::find_commit(s, repo, &head).await? {
        push(&mut heap, commit);
    }
    while let Some((_, _, oid, parents)) = heap.pop() {
        order.push(oid);
        for parent in parents {
            if seen.insert(parent)
                && let Some(commit) = git::find_commit(s, repo, &parent).await?
            {
                push(&mut heap, commit);
            }
        }
    }
    Ok(order)
}

impl App {
    /// Page `page` (from 0) of the commits reachable from `head`, newest first, and how many there are.
    pub async fn list_commits(
        &self,
        access: &impl Listing,
        head: Oid,
        page: usize,
        limit: usize,
    ) -> Result<(Vec<LoggedCommit>, usize)> {
        let repo = access.repo().id;
        let mut s = self.db().read().await?;
        let order = walk(&mut s, repo, head).await?;
        let mut commits = Vec::new();
        for oid in order.iter().skip(page.saturating_mul(limit)).take(limit) {
            let commit = load_commit(&mut s, repo, oid).await?;
            commits.push(LoggedCommit {
                id: *oid,
                author: commit.author.name_text().into_owned(),
                date: Timestamp(commit.committer.seconds.saturating_mul(1000)),
                title: commit.title(),
                message: commit.description(),
            });
        }
        Ok((commits, order.len()))
    }

    /// The folder at `path` in a commit; `None` when it is not a folder there.
    async fn folder_at(&self, s: &mut haina_db::Session, repo: i64, root: Oid, path: &str) -> Result<Option<Oid>> {
        let mut oid = root;
        for name in path.split('/').filter(|n| !n.is_empty()) {
            let tree = self.load_tree(s, repo, &oid).await?;
            match tree.get(name.as_bytes()) {
                Some(found) if found.mode == Mode::Tree => oid = found.oid,
                _ => return Ok(None),
            }
        }
        Ok(Some(oid))
    }

    /// The last commit of every name in a folder: follows the first parents until each name's object changes.
    async fn folder_history(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        commit: Oid,
        folder: &str,
    ) -> Result<std::sync::Arc<FolderHistory>> {
        let key = (repo, commit, folder.into());
        if let Some(known) = self.history().last_commits.get(&key) {
            return Ok(known);
        }
        let mut open: HashMap<Vec<u8>, Oid> = HashMap::new();
        let mut done = FolderHistory::new();
        let mut at = git::find_commit(s, repo, &commit).await?;
        if let Some(c) = &at
            && let Some(folder) = self.folder_at(s, repo, c.tree, folder).await?
        {
            let tree = self.load_tree(s, repo, &folder).await?;
            open = tree.iter().map(|e| (e.name.to_vec(), e.oid)).collect();
        }
        let mut looked = 0;
        while let (Some(c), false) = (at.take(), open.is_empty()) {
            looked += 1;
            let parent = match c.parents.first() {
                Some(p) if looked < LOOK_BACK_COMMITS_MAX => git::find_commit(s, repo, p).await?,
                _ => None,
            };
            let before = match &parent {
                None => None,
                Some(p) if p.tree == c.tree => {
                    at = parent;
                    continue;
                }
                Some(p) => match self.folder_at(s, repo, p.tree, folder).await? {
                    Some(oid) => Some(self.load_tree(s, repo, &oid).await?),
                    None => None,
                },
            };
            let last = LastCommit { id: c.oid, title: c.title.clone(), date: c.committed_at };
            open.retain(|name, oid| {
                let same = before.as_ref().and_then(|t| t.get(name)).is_some_and(|e| e.oid == *oid);
                if !same {
                    done.insert(name.clone(), last.clone());
                }
                same
            });
            at = parent;
        }
        let done = std::sync::Arc::new(done);
        self.history().last_commits.insert(key, done.clone());
        Ok(done)
    }

    /// Fills the last commit of each entry.
    pub(super) async fn fill_last_commits(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        commit: Oid,
        entries: &mut [Entry],
    ) -> Result<()> {
        for entry in entries {
            let (folder, name) = FilePath::split(&entry.path);
            let history = self.folder_history(s, repo, commit, folder).await?;
            entry.last_commit = history.get(name.as_bytes()).cloned();
        }
        Ok(())
    }
}
