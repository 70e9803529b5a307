//! Locks on paths, for people who work on files that cannot be merged: nobody else changes them meanwhile.

use haina_db::lfs as db;
use haina_types::{Code, Error, FilePath, Result};
use serde_json::json;

use super::Lock;
use crate::App;
use crate::gate::{AdminAccess, ContentAccess, WriteAccess};

/// Longest path of a lock, in bytes.
const PATH_BYTES_MAX: usize = 1024;
/// Most locks of a repository.
const LOCKS_MAX: u64 = 10_000;
/// Most locks of one page.
pub const LOCKS_PAGE_MAX: usize = 1000;

/// Some locks of a repository.
pub type LockPage = crate::Page<Lock>;

fn parse_path(text: &str) -> Result<String> {
    let bad = |why: String| Error::invalid(format!("This path cannot be locked: {why}."));
    if text.len() > PATH_BYTES_MAX {
        return Err(bad(format!("it has more than {PATH_BYTES_MAX} bytes")));
    }
    let path: FilePath = text.parse().map_err(|e| bad(format!("{e}")))?;
    Ok(path.as_str().to_owned())
}

fn not_found() -> Error {
    Error::new(Code::NotFound, "No such lock in this repository.")
}

impl App {
    /// Locks a path. If it is locked already, whose lock that is.
    pub async fn lfs_lock(&self, access: &WriteAccess, path: &str) -> Result<std::result::Result<Lock, Lock>> {
        let (repo, path) = (access.repo(), parse_path(path)?);
        let owner = access.actor().ok_or_else(|| Error::new(Code::Unauthenticated, "Only people can lock paths."))?;
        let mut tx = self.db().begin().await?;
        if db::count_locks(&mut tx, repo.id).await? >= LOCKS_MAX {
            return Err(Error::new(Code::TooLarge, format!("A repository has at most {LOCKS_MAX} locks.")));
        }
        let gone = || Error::new(Code::Unavailable, "The lock was released just now. Please try again.");
        let Some(id) = db::insert_lock(&mut tx, repo.id, &path, owner, self.now()).await? else {
            return Ok(Err(db::find_lock_on(&mut tx, repo.id, &path).await?.ok_or_else(gone)?));
        };
        let lock = db::find_lock(&mut tx, repo.id, id).await?.ok_or_else(gone)?;
        self.append(
            &mut tx,
            Some(owner),
            "lfs.lock",
            Some(repo.id),
            Some(repo.namespace.id),
            json!({"id": id, "path": path}),
        )
        .await?;
        tx.commit().await?;
        Ok(Ok(lock))
    }

    /// The locks of a repository, in the order in which they were made.
    pub async fn lfs_locks(&self, access: &ContentAccess, cursor: Option<&str>, limit: usize) -> Result<LockPage> {
        let after = match cursor {
            None | Some("") => 0,
            Some(text) => text.parse().map_err(|_| Error::invalid("This is not a cursor of this list."))?,
        };
        let limit = limit.clamp(1, LOCKS_PAGE_MAX);
        let mut items = {
            let mut s = self.db().read().await?;
            db::list_locks(&mut s, access.repo().id, after, limit + 1).await?
        };
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|l| l.id.to_string());
        Ok(LockPage { items, next })
    }

    /// Every lock of a repository that is not `actor`'s.
    pub(crate) async fn locks_of_others(&self, repo: i64, actor: Option<i64>) -> Result<Vec<Lock>> {
        let mut s = self.db().read().await?;
        let mut locks = Vec::new();
        let mut after = 0;
        loop {
            let page = db::list_locks(&mut s, repo, after, LOCKS_PAGE_MAX).await?;
            let Some(last) = page.last() else { return Ok(locks) };
            after = last.id;
            locks.extend(page.into_iter().filter(|l| Some(l.owner_id) != actor));
        }
    }

    /// The lock on a path, or with an id.
    pub async fn find_lfs_lock(
        &self,
        access: &ContentAccess,
        path: Option<&str>,
        id: Option<&str>,
    ) -> Result<Option<Lock>> {
        let mut s = self.db().read().await?;
        let repo = access.repo().id;
        let found = match (path, id.map(str::parse)) {
            (_, Some(Err(_))) => None,
            (None, Some(Ok(id))) => db::find_lock(&mut s, repo, id).await?,
            (Some(path), id) => {
                let id = id.and_then(std::result::Result::ok);
                db::find_lock_on(&mut s, repo, path).await?.filter(|l| id.is_none_or(|id| l.id == id))
            }
            (None, None) => None,
        };
        Ok(found)
    }

    /// Releases a lock of one's own.
    pub async fn lfs_unlock(&self, access: &WriteAccess, id: &str) -> Result<Lock> {
        self.unlock(access, id, false).await
    }

    /// Releases anyone's lock.
    pub async fn lfs_force_unlock(&self, access: &AdminAccess, id: &str) -> Result<Lock> {
        self.unlock(&access.write(), id, true).await
    }

    async fn unlock(&self, access: &WriteAccess, id: &str, force: bool) -> Result<Lock> {
        let repo = access.repo();
        let id: i64 = id.parse().map_err(|_| not_found())?;
        let mut tx = self.db().begin().await?;
        let lock = db::find_lock(&mut tx, repo.id, id).await?.ok_or_else(not_found)?;
        if !force && access.actor() != Some(lock.owner_id) {
            return Err(Error::new(
                Code::Forbidden,
                format!(
                    "This lock is {}'s. An administrator of the repository can release it with --force.",
                    lock.owner
                ),
            ));
        }
        if !db::delete_lock(&mut tx, repo.id, id).await? {
            return Err(not_found());
        }
        let data = json!({"id": id, "path": lock.path, "owner": lock.owner, "force": force});
        self.append(&mut tx, access.actor(), "lfs.unlock", Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        Ok(lock)
    }
}
