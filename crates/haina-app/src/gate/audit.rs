//! The gate's value for looking into the ledger: whoever administers something sees what happened to it, and no more.

use haina_db::people;
use haina_types::{Action, Code, Error, RepoKind, RepoPath, Result, Slug, TokenRole};

use super::Caller;
use crate::App;

/// What an access lets one see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Events of one repository.
    Repo(i64),
    /// Events of a user or an organization, and of their repositories while they were theirs.
    Namespace(i64),
    /// Everything.
    All,
}

/// The right to see what the ledger says of something.
#[derive(Debug, Clone)]
pub struct AuditAccess {
    scope: Scope,
}

impl AuditAccess {
    /// For the operator at the command line.
    pub fn of_operator() -> Self {
        Self { scope: Scope::All }
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }
}

impl App {
    /// May `caller` see what happened to this repository or bucket? Its administrators may.
    pub async fn audit_repo(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<AuditAccess> {
        let repo = self.admit_any(caller, kind, path, Action::Admin).await?;
        Ok(AuditAccess { scope: Scope::Repo(repo.id) })
    }

    /// May `caller` see what happened in this organization, or to this user? An organization's administrators may, and
    /// the user themselves.
    pub async fn audit_namespace(&self, caller: &Caller, name: &Slug) -> Result<AuditAccess> {
        caller.require_user()?;
        let found = {
            let mut s = self.db().read().await?;
            people::find_namespace(&mut s, &name.fold()).await?
        };
        let namespace = found.ok_or_else(|| Error::new(Code::NotFound, "There is no such user or organization."))?;
        if self.namespace_right(caller, &namespace).await? < Some(Action::Admin) {
            return Err(Error::new(
                Code::Forbidden,
                format!("Only administrators of '{}' see its audit log, and tokens that may write.", namespace.name),
            ));
        }
        Ok(AuditAccess { scope: Scope::Namespace(namespace.id) })
    }

    /// May `caller` see everything that happened? Administrators of the site may.
    pub async fn audit_all(&self, caller: &Caller) -> Result<AuditAccess> {
        let user = caller.require_user()?;
        let is_full = caller.pass.is_none() && matches!(caller.token_role(), None | Some(TokenRole::Write));
        if !user.is_admin || !is_full {
            let text = "Only administrators of this hub see its whole audit log, and their tokens that may write.";
            return Err(Error::new(Code::Forbidden, text));
        }
        Ok(AuditAccess { scope: Scope::All })
    }
}
