//! Branches, tags and other references.

use haina_db::git;
use haina_types::{Oid, RefName, Result};

use crate::App;
use crate::gate::ContentAccess;

/// A reference and where it points.
#[derive(Debug, Clone)]
pub struct RefTarget {
    /// The full name.
    pub name: RefName,
    /// The commit, behind any annotated tag.
    pub commit: Oid,
}

/// All references of a repository, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Refs {
    /// `refs/heads/…`; `main` first.
    pub branches: Vec<RefTarget>,
    /// `refs/tags/…`.
    pub tags: Vec<RefTarget>,
    /// `refs/convert/…`.
    pub converts: Vec<RefTarget>,
    /// `refs/pr/…`.
    pub pull_requests: Vec<RefTarget>,
}

impl App {
    /// All references of a repository.
    pub async fn list_refs(&self, access: &ContentAccess) -> Result<Refs> {
        let mut s = self.db().read().await?;
        let mut refs = Refs::default();
        for found in git::list_refs(&mut s, access.repo().id).await? {
            let target = RefTarget { commit: found.oid, name: found.name };
            let name = target.name.as_str();
            if name == "refs/heads/main" {
                refs.branches.insert(0, target);
            } else if name.starts_with("refs/heads/") {
                refs.branches.push(target);
            } else if name.starts_with("refs/tags/") {
                refs.tags.push(target);
            } else if name.starts_with("refs/convert/") {
                refs.converts.push(target);
            } else if name.starts_with("refs/pr/") {
                refs.pull_requests.push(target);
            }
        }
        Ok(refs)
    }
}
