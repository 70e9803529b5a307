//! How much repositories take, and so the users and organizations that own them.
//!
//! Whatever comes or goes is noted in its transaction and written just before the commit, always in one order: first
//! the repositories' rows, then their owners'. A repository's row is locked before its owner is looked up, so that what
//! comes while it moves is counted where it goes. What a history takes is rough, and counted anew before anything is
//! refused for it; everything else is exact.

use std::collections::BTreeMap;

use crate::sql::{statements, values};
use crate::{Result, Session};

statements! {
    ADD_USAGE = point(
        "insert into git_usage (repo_id, objects, bytes, large_bytes) values ($1, $2, $3, $4)
         on conflict (repo_id) do update set objects = git_usage.objects + excluded.objects,
           bytes = git_usage.bytes + excluded.bytes, large_bytes = git_usage.large_bytes + excluded.large_bytes
         returning bytes, large_bytes"
    );
    PUT_USAGE = point("update git_usage set objects = $2, bytes = $3 where repo_id = $1");
    FIND_USAGE = point("select objects, bytes from git_usage where repo_id = $1");
    FIND_BYTES = point("select bytes, large_bytes from git_usage where repo_id = $1");
    COUNT_USAGE = long(
        "select count(*), coalesce(cast(sum(length(z)) as bigint), 0) from git_object where repo_id = $1"
    );
    COUNT_REFS = long("select count(*) from git_ref where repo_id = $1");
    FIND_OWNER = point("select ns_id from repo where id = $1");
    LOCK_OWNED = pair(
        "select ns_id from repo where id = $1",
        "select ns_id from repo where id = $1 for update"
    );
    ADD_NAMESPACE = point(
        "insert into ns_usage (ns_id, repos, git_bytes, large_bytes) values ($1, $2, $3, $4)
         on conflict (ns_id) do update set repos = ns_usage.repos + excluded.repos,
           git_bytes = ns_usage.git_bytes + excluded.git_bytes,
           large_bytes = ns_usage.large_bytes + excluded.large_bytes"
    );
    FIND_NAMESPACE = point("select repos, git_bytes, large_bytes from ns_usage where ns_id = $1");
    WRONG_REPOS = long(
        "select r.id from repo r left join git_usage u on u.repo_id = r.id where coalesce(u.large_bytes, 0) <>
           (select coalesce(cast(sum(f.bytes) as bigint), 0) from repo_file w join file f on f.hash = w.file_hash
            where w.repo_id = r.id) order by r.id limit $1"
    );
    WRONG_NAMESPACES = long(
        "select n.id from namespace n left join ns_usage h on h.ns_id = n.id
         left join (select r.ns_id, count(*) as repos, coalesce(cast(sum(u.bytes) as bigint), 0) as git_bytes,
             coalesce(cast(sum(u.large_bytes) as bigint), 0) as large_bytes
             from repo r left join git_usage u on u.repo_id = r.id group by r.ns_id) c on c.ns_id = n.id
         where coalesce(h.repos, 0) <> coalesce(c.repos, 0) or coalesce(h.git_bytes, 0) <> coalesce(c.git_bytes, 0)
            or coalesce(h.large_bytes, 0) <> coalesce(c.large_bytes, 0) order by n.id limit $1"
    );
}

/// What a repository's history takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Their bytes, as they are kept.
    pub bytes: u64,
}

/// What a user or an organization has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Repositories, buckets among them.
    pub repos: u64,
    /// Bytes of their histories, as they are kept.
    pub git_bytes: u64,
    /// Bytes of their large files, each once for each repository.
    pub large_bytes: u64,
}

impl Held {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.git_bytes.saturating_add(self.large_bytes)
    }
}

/// What came to a user or an organization, or left it, in a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Change {
    /// Repositories.
    pub repos: i64,
    /// Bytes of histories.
    pub git_bytes: i64,
    /// Bytes of large files.
    pub large_bytes: i64,
}

impl Change {
    /// All bytes.
    pub fn bytes(&self) -> i64 {
        self.git_bytes.saturating_add(self.large_bytes)
    }

    fn add(&mut self, other: Self) {
        self.repos += other.repos;
        self.git_bytes += other.git_bytes;
        self.large_bytes += other.large_bytes;
    }
}

/// What came to a repository, or left it.
#[derive(Debug, Default)]
struct RepoChange {
    objects: i64,
    bytes: i64,
    large_bytes: i64,
    /// Whose it was when the transaction began, if it moved.
    moved_from: Option<i64>,
}

/// What came and went in a transaction.
#[derive(Debug, Default)]
pub(crate) struct Added {
    repos: BTreeMap<i64, RepoChange>,
    namespaces: BTreeMap<i64, Change>,
}

/// Writes what came and went: the last locks of a transaction but those of the ledger. Whoever compares with a quota
/// calls this first and commits at once: from then on the rows of the owners are held, and exact. What changed for whom.
pub async fn settle(s: &mut Session) -> Result<BTreeMap<i64, Change>> {
    let Added { repos, mut namespaces } = std::mem::take(&mut s.added);
    for (repo, more) in repos {
        let row = s.one(&ADD_USAGE, &values![repo, more.objects, more.bytes, more.large_bytes]).await?;
        let (git_bytes, large_bytes) = (row.int(0)?, row.int(1)?);
        let owner = s.one(&FIND_OWNER, &values![repo]).await?.int(0)?;
        let mut change = Change { repos: 0, git_bytes: more.bytes, large_bytes: more.large_bytes };
        if let Some(from) = more.moved_from.filter(|from| *from != owner) {
            // What was there before comes along.
            let (git_bytes, large_bytes) = (git_bytes - more.bytes, large_bytes - more.large_bytes);
            let left = Change { repos: -1, git_bytes: -git_bytes, large_bytes: -large_bytes };
            namespaces.entry(from).or_default().add(left);
            change.add(Change { repos: 1, git_bytes, large_bytes });
        }
        namespaces.entry(owner).or_default().add(change);
    }
    namespaces.retain(|_, change| *change != Change::default());
    for (ns, change) in &namespaces {
        s.exec(&ADD_NAMESPACE, &values![*ns, change.repos, change.git_bytes, change.large_bytes]).await?;
    }
    Ok(namespaces)
}

impl Session {
    /// Notes that `new` of `given` objects came, which have `bytes` together: of the new ones alone the bytes are not
    /// known, and much that is sent again is rare.
    pub(crate) fn note_objects(&mut self, repo: i64, new: u64, given: usize, bytes: u64) {
        if new > 0 {
            let share = (u128::from(bytes) * u128::from(new) / given.max(1) as u128) as u64;
            let added = self.added.repos.entry(repo).or_default();
            added.objects += new.cast_signed();
            added.bytes += share.cast_signed();
        }
    }

    /// Notes that a large file came to a repository, or (less than nothing) left it.
    pub(crate) fn note_large(&mut self, repo: i64, bytes: i64) {
        self.added.repos.entry(repo).or_default().large_bytes += bytes;
    }

    /// Notes a new repository.
    pub(crate) fn note_repo(&mut self, owner: i64) {
        self.added.namespaces.entry(owner).or_default().repos += 1;
    }
}

/// Notes that a repository is about to get another owner.
pub(crate) async fn note_move(s: &mut Session, repo: i64) -> Result<()> {
    if let Some(row) = s.opt(&FIND_OWNER, &values![repo]).await? {
        let owner = row.int(0)?;
        s.added.repos.entry(repo).or_default().moved_from.get_or_insert(owner);
    }
    Ok(())
}

/// Notes that a repository is about to be deleted with all that it holds. Nothing more comes to it from here on.
pub(crate) async fn note_deletion(s: &mut Session, repo: i64) -> Result<()> {
    let Some(row) = s.opt(&LOCK_OWNED, &values![repo]).await? else { return Ok(()) };
    let owner = s.added.repos.remove(&repo).and_then(|c| c.moved_from).map_or_else(|| row.int(0), Ok)?;
    let (git_bytes, large_bytes) = match s.opt(&FIND_BYTES, &values![repo]).await? {
        Some(row) => (row.int(0)?, row.int(1)?),
        None => (0, 0),
    };
    let gone = Change { repos: -1, git_bytes: -git_bytes, large_bytes: -large_bytes };
    s.added.namespaces.entry(owner).or_default().add(gone);
    Ok(())
}

/// Holds a repository so that it can be moved or deleted in this transaction; `false` if it is gone. Nobody else adds
/// anything to it until then. This must come first: whoever held less, and then wanted this, could wait for somebody
/// who adds something, who waits for them.
pub async fn lock_whole(s: &mut Session, repo: i64) -> Result<bool> {
    s.check_writes()?;
    Ok(s.opt(&LOCK_OWNED, &values![repo]).await?.is_some())
}

/// What a repository's history takes, as far as it was counted.
pub async fn find_usage(s: &mut Session, repo: i64) -> Result<Usage> {
    match s.opt(&FIND_USAGE, &values![repo]).await? {
        Some(row) => Ok(Usage { objects: row.size(0)?, bytes: row.size(1)? }),
        None => Ok(Usage::default()),
    }
}

/// Counts it anew, for its owner, too. Reads every row.
pub async fn recount_usage(s: &mut Session, repo: i64) -> Result<Usage> {
    // Adds nothing, so that the row is there, and held.
    let was = s.one(&ADD_USAGE, &values![repo, 0_i64, 0_i64, 0_i64]).await?.int(0)?;
    let row = s.one(&COUNT_USAGE, &values![repo]).await?;
    let usage = Usage { objects: row.size(0)?, bytes: row.size(1)? };
    s.exec(&PUT_USAGE, &values![repo, usage.objects, usage.bytes]).await?;
    let owner = s.one(&FIND_OWNER, &values![repo]).await?.int(0)?;
    if let Some(noted) = s.added.repos.get_mut(&repo) {
        (noted.objects, noted.bytes) = (0, 0);
    }
    s.added.namespaces.entry(owner).or_default().git_bytes += usage.bytes.cast_signed() - was;
    Ok(usage)
}

/// How many references a repository has.
pub async fn count_refs(s: &mut Session, repo: i64) -> Result<u64> {
    s.one(&COUNT_REFS, &values![repo]).await?.size(0)
}

/// What a user or an organization has.
pub async fn find_held(s: &mut Session, ns: i64) -> Result<Held> {
    match s.opt(&FIND_NAMESPACE, &values![ns]).await? {
        Some(row) => Ok(Held { repos: row.size(0)?, git_bytes: row.size(1)?, large_bytes: row.size(2)? }),
        None => Ok(Held::default()),
    }
}

/// For fsck: repositories whose large files are not what is counted, and namespaces whose repositories are not.
pub async fn list_wrong(s: &mut Session, limit: usize) -> Result<(Vec<i64>, Vec<i64>)> {
    let mut found = (Vec::new(), Vec::new());
    for row in s.rows(&WRONG_REPOS, &values![limit]).await? {
        found.0.push(row.int(0)?);
    }
    for row in s.rows(&WRONG_NAMESPACES, &values![limit]).await? {
        found.1.push(row.int(0)?);
    }
    Ok(found)
}
