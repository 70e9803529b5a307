//! Passes: what somebody may do with one repository, lent to a program for a short time.

use std::sync::Arc;

use haina_db::people::User;
use haina_db::repos::Repo;
use haina_types::Action;

use super::Caller;

/// The right that a pass carries. It only lessens what its user may do, like a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The repository; all others are as for nobody.
    pub(crate) repo_id: i64,
    /// The most that is allowed there.
    pub(crate) action: Action,
}

impl Pass {
    pub(super) fn limit(&self, repo: &Repo) -> Option<Action> {
        (repo.id == self.repo_id).then_some(self.action)
    }
}

impl Caller {
    /// A person through a pass.
    pub(crate) fn pass(user: User, pass: Pass) -> Self {
        Self { user: Some(Arc::new(user)), token: None, pass: Some(pass) }
    }
}
