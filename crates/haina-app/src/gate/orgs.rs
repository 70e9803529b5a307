//! The gate's part for organizations as such: who sees what their members see, and who manages them.

use haina_db::people::{self, Namespace};
use haina_types::{Action, Code, Error, OrgRole, Result, Slug};

use super::Caller;
use crate::App;

/// The right to see what an organization's members see.
#[derive(Debug, Clone)]
pub struct OrgMember {
    org: Namespace,
    actor: i64,
    role: Option<OrgRole>,
    may_manage: bool,
}

impl OrgMember {
    /// The organization.
    pub fn org(&self) -> &Namespace {
        &self.org
    }

    /// The acting user's id.
    pub fn actor(&self) -> i64 {
        self.actor
    }

    /// Their role; none for an administrator of the site.
    pub fn role(&self) -> Option<OrgRole> {
        self.role
    }

    /// Whether they may also manage it.
    pub fn may_manage(&self) -> bool {
        self.may_manage
    }
}

/// The right to manage an organization: its members and its settings.
#[derive(Debug, Clone)]
pub struct OrgAdmin {
    org: Namespace,
    actor: Option<i64>,
}

impl OrgAdmin {
    /// The organization.
    pub fn org(&self) -> &Namespace {
        &self.org
    }

    /// The acting user's id; nobody if it is the operator.
    pub fn actor(&self) -> Option<i64> {
        self.actor
    }
}

pub(crate) fn org_not_found() -> Error {
    Error::new(Code::NotFound, "There is no such organization.")
}

impl App {
    async fn find_org(&self, name: &Slug) -> Result<Namespace> {
        let mut s = self.db().read().await?;
        people::find_namespace(&mut s, &name.fold()).await?.filter(Namespace::is_org).ok_or_else(org_not_found)
    }

    /// May `caller` see what the members of this organization see?
    pub async fn org_member(&self, caller: &Caller, name: &Slug) -> Result<OrgMember> {
        let user = caller.require_user()?;
        let org = self.find_org(name).await?;
        let role = {
            let mut s = self.db().read().await?;
            people::find_org_role(&mut s, org.id, user.id).await?
        };
        let right = self.namespace_right(caller, &org).await?;
        if right.is_none() {
            let text = if role.is_some() || user.is_admin {
                format!("This access token does not reach the organization '{}'.", org.name)
            } else {
                format!("You are not a member of '{}'.", org.name)
            };
            return Err(Error::new(Code::Forbidden, text));
        }
        Ok(OrgMember { org, actor: user.id, role, may_manage: right == Some(Action::Admin) })
    }

    /// May `caller` manage this organization?
    pub async fn administer_org(&self, caller: &Caller, name: &Slug) -> Result<OrgAdmin> {
        let member = self.org_member(caller, name).await?;
        if !member.may_manage {
            return Err(Error::new(
                Code::Forbidden,
                format!(
                    "Only administrators of '{}' manage it, by a session or a token with the role 'write'. Ask one of them.",
                    member.org.name
                ),
            ));
        }
        Ok(OrgAdmin { org: member.org, actor: Some(member.actor) })
    }

    /// The same for the operator at the command line.
    pub async fn operate_org(&self, name: &Slug) -> Result<OrgAdmin> {
        Ok(OrgAdmin { org: self.find_org(name).await?, actor: None })
    }
}
