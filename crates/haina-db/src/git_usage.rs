//! How much a repository's history takes. Counted as objects come, and counted anew before anything is refused for it.

use std::collections::BTreeMap;

use crate::sql::{statements, values};
use crate::{Result, Session};

statements! {
    ADD_USAGE = point(
        "insert into git_usage (repo_id, objects, bytes) values ($1, $2, $3)
         on conflict (repo_id) do update set
           objects = git_usage.objects + excluded.objects, bytes = git_usage.bytes + excluded.bytes"
    );
    PUT_USAGE = point(
        "insert into git_usage (repo_id, objects, bytes) values ($1, $2, $3)
         on conflict (repo_id) do update set objects = excluded.objects, bytes = excluded.bytes"
    );
    FIND_USAGE = point("select objects, bytes from git_usage where repo_id = $1");
    COUNT_USAGE = long(
        "select count(*), coalesce(cast(sum(length(z)) as bigint), 0) from git_object where repo_id = $1"
    );
    COUNT_REFS = long("select count(*) from git_ref where repo_id = $1");
}

/// What a repository's history takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Their bytes, as they are kept.
    pub bytes: u64,
}

/// What came in a transaction, by repository.
pub(crate) type Added = BTreeMap<i64, Usage>;

/// Writes what came, in one order: the last locks of a transaction but those of the ledger.
pub(crate) async fn flush(s: &mut Session) -> Result<()> {
    for (repo, more) in std::mem::take(&mut s.added) {
        s.exec(&ADD_USAGE, &values![repo, more.objects, more.bytes]).await?;
    }
    Ok(())
}

impl Session {
    /// Notes that `new` of `given` objects came, which have `bytes` together: of the new ones alone the bytes are not
    /// known, and much that is sent again is rare.
    pub(crate) fn note_objects(&mut self, repo: i64, new: u64, given: usize, bytes: u64) {
        if new > 0 {
            let share = (u128::from(bytes) * u128::from(new) / given.max(1) as u128) as u64;
            let added = self.added.entry(repo).or_default();
            added.objects += new;
            added.bytes += share;
        }
    }
}

/// What a repository's history takes, as far as it was counted.
pub async fn find_usage(s: &mut Session, repo: i64) -> Result<Usage> {
    match s.opt(&FIND_USAGE, &values![repo]).await? {
        Some(row) => Ok(Usage { objects: row.size(0)?, bytes: row.size(1)? }),
        None => Ok(Usage::default()),
    }
}

/// Counts it anew. Reads every row.
pub async fn recount_usage(s: &mut Session, repo: i64) -> Result<Usage> {
    let row = s.one(&COUNT_USAGE, &values![repo]).await?;
    let usage = Usage { objects: row.size(0)?, bytes: row.size(1)? };
    s.exec(&PUT_USAGE, &values![repo, usage.objects, usage.bytes]).await?;
    Ok(usage)
}

/// How many references a repository has.
pub async fn count_refs(s: &mut Session, repo: i64) -> Result<u64> {
    s.one(&COUNT_REFS, &values![repo]).await?.size(0)
}
