//! Organizations and their members.

use haina_db::{orgs, people};
use haina_types::{Code, Error, OrgRole, Result, Slug};
use serde_json::json;

use super::accounts::check_full_name;
use super::profile::{Membership, members_of};
use crate::App;
use crate::gate::{OrgAdmin, OrgMember};

/// An organization to make.
#[derive(Debug, Clone)]
pub struct NewOrg {
    /// Unique name, also the namespace of its repositories.
    pub name: Slug,
    /// Name for people; the name when absent.
    pub full_name: Option<String>,
    /// The user who becomes its first administrator.
    pub owner: Slug,
}

impl App {
    /// Makes an organization (the operator's `haina admin org add`).
    pub async fn add_org(&self, org: NewOrg) -> Result<i64> {
        let full_name = org.full_name.as_deref().unwrap_or(org.name.as_str()).trim();
        check_full_name(full_name)?;
        let mut tx = self.db().begin().await?;
        let owner = self.get_user(&mut tx, &org.owner).await?;
        let now = self.now();
        let id = people::insert_org(&mut tx, &org.name, full_name, now).await.map_err(|e| match e {
            haina_db::Error::Conflict(_) => {
                Error::new(Code::Conflict, format!("The name '{}' is already taken.", org.name))
            }
            e => e.into(),
        })?;
        people::put_org_member(&mut tx, id, owner.id, OrgRole::Admin, now).await?;
        let data = json!({"name": org.name, "owner": owner.name});
        self.append(&mut tx, None, "org.create", None, Some(id), data).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// Makes `user` a member of `org` with `role`, or changes their role, without asking them. For the operator.
    pub async fn set_member(&self, org: &Slug, user: &Slug, role: OrgRole) -> Result<()> {
        let access = self.operate_org(org).await?;
        let mut tx = self.db().begin().await?;
        orgs::lock_org(&mut tx, access.org().id).await?;
        let user = self.get_user(&mut tx, user).await?;
        self.put_member(&mut tx, access.org(), &user, role, None).await?;
        Ok(tx.commit().await?)
    }

    /// Ends `user`'s membership in `org`. For the operator.
    pub async fn remove_member(&self, org: &Slug, user: &Slug) -> Result<()> {
        let access = self.operate_org(org).await?;
        self.expel(&access, user).await
    }

    /// The members of an organization, by name.
    pub async fn list_members(&self, access: &OrgMember) -> Result<Vec<Membership>> {
        self.members_of(access.org().id).await
    }

    /// The same for whoever manages it.
    pub async fn list_members_of(&self, access: &OrgAdmin) -> Result<Vec<Membership>> {
        self.members_of(access.org().id).await
    }

    async fn members_of(&self, org: i64) -> Result<Vec<Membership>> {
        let mut s = self.db().read().await?;
        members_of(&mut s, org).await
    }

    pub(crate) async fn get_user(&self, s: &mut haina_db::Session, name: &Slug) -> Result<people::User> {
        people::find_user(s, &name.fold()).await?.ok_or_else(|| {
            Error::new(Code::NotFound, format!("There is no user '{name}'. Make one with: haina admin user add {name}"))
        })
    }
}
