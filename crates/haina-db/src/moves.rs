//! Former names of repositories.

use haina_types::{RepoKind, Timestamp};

use crate::people::namespace_columns;
use crate::repos::{Repo, repo_columns};
use crate::sql::{statements, values};
use crate::{Result, Session};

statements! {
    FIND_MOVED = point(concat!(
        "select ", repo_columns!(), " from namespace w join repo_alias a on a.ns_id = w.id
         join repo r on r.id = a.repo_id join namespace n on n.id = r.ns_id
         where a.kind = $1 and w.fold = $2 and a.fold = $3"
    ));
    PUT_ALIAS = point(
        "insert into repo_alias (kind, ns_id, fold, repo_id, moved_at) values ($1, $2, $3, $4, $5)
         on conflict (kind, ns_id, fold) do update set repo_id = excluded.repo_id, moved_at = excluded.moved_at"
    );
    DELETE_ALIAS = point("delete from repo_alias where kind = $1 and ns_id = $2 and fold = $3");
}

/// The repository that had this name, if no other has it now.
pub async fn find_moved(s: &mut Session, kind: RepoKind, ns_fold: &str, name_fold: &str) -> Result<Option<Repo>> {
    s.opt(&FIND_MOVED, &values![kind, ns_fold, name_fold]).await?.map(|r| Repo::from_row(&r)).transpose()
}

/// Lets a name lead to a repository that had it.
pub async fn put_alias(
    s: &mut Session,
    kind: RepoKind,
    ns_id: i64,
    fold: &str,
    repo: i64,
    now: Timestamp,
) -> Result<()> {
    s.exec(&PUT_ALIAS, &values![kind, ns_id, fold, repo, now]).await.map(drop)
}

/// A name leads nowhere any more, because a repository has it; whether it led anywhere.
pub async fn end_alias(s: &mut Session, kind: RepoKind, ns_id: i64, fold: &str) -> Result<bool> {
    Ok(s.exec(&DELETE_ALIAS, &values![kind, ns_id, fold]).await? > 0)
}
