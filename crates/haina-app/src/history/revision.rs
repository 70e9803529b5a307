//! From what a caller wrote to a commit.

use haina_db::git;
use haina_types::{Code, Error, Oid, Result, Revision};

use crate::App;
use crate::gate::Listing;

/// The error for a revision that does not exist, in the words clients expect.
pub(crate) fn revision_not_found(revision: &Revision) -> Error {
    Error::new(Code::RevisionNotFound, format!("Invalid rev id: {revision}"))
}

/// Tries a revision as branch, tag, full commit id, and unique prefix of one.
pub(crate) async fn resolve(s: &mut haina_db::Session, repo: i64, revision: &Revision) -> Result<Oid> {
    for name in revision.candidates() {
        if let Some(found) = git::find_ref(s, repo, &name).await? {
            if name.as_tag().is_none() {
                return Ok(found.oid);
            }
            if let Some(commit) = super::refs::peel(s, repo, found.oid).await? {
                return Ok(commit);
            }
        }
    }
    if let Some(oid) = revision.as_oid()
        && git::find_commit(s, repo, &oid).await?.is_some()
    {
        return Ok(oid);
    }
    if let Some(prefix) = revision.as_oid_prefix()
        && let [only] = git::find_commits_by_prefix(s, repo, &prefix, 2).await?.as_slice()
    {
        return Ok(*only);
    }
    Err(revision_not_found(revision))
}

impl App {
    /// The commit that a revision names.
    pub async fn resolve_revision(&self, access: &impl Listing, revision: &Revision) -> Result<Oid> {
        let mut s = self.db().read().await?;
        resolve(&mut s, access.repo().id, revision).await
    }
}
