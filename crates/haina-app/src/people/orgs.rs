//! Organizations and their members.

use haina_db::people;
use haina_types::{Code, Error, OrgRole, Result, Slug};
use serde_json::json;

use super::accounts::check_full_name;
use crate::App;

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

    /// Makes `user` a member of `org` with `role`, or changes their role.
    pub async fn set_member(&self, org: &Slug, user: &Slug, role: OrgRole) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let org = people::find_namespace(&mut tx, &org.fold()).await?.filter(|n| n.is_org());
        let org = org.ok_or_else(|| Error::new(Code::NotFound, "There is no such organization."))?;
        let user = self.get_user(&mut tx, user).await?;
        people::put_org_member(&mut tx, org.id, user.id, role, self.now()).await?;
        let data = json!({"user": user.name, "role": role});
        self.append(&mut tx, None, "org.member", None, Some(org.id), data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends `user`'s membership in `org`.
    pub async fn remove_member(&self, org: &Slug, user: &Slug) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let org = people::find_namespace(&mut tx, &org.fold()).await?.filter(|n| n.is_org());
        let org = org.ok_or_else(|| Error::new(Code::NotFound, "There is no such organization."))?;
        let user = self.get_user(&mut tx, user).await?;
        if !people::remove_org_member(&mut tx, org.id, user.id).await? {
            let text = format!("'{}' is not a member of '{}'.", user.name, org.name);
            return Err(Error::new(Code::NotFound, text));
        }
        let data = json!({"user": user.name});
        self.append(&mut tx, None, "org.leave", None, Some(org.id), data).await?;
        tx.commit().await?;
        Ok(())
    }

    pub(crate) async fn get_user(&self, s: &mut haina_db::Session, name: &Slug) -> Result<people::User> {
        people::find_user(s, &name.fold()).await?.ok_or_else(|| {
            Error::new(Code::NotFound, format!("There is no user '{name}'. Make one with: haina admin user add {name}"))
        })
    }
}
