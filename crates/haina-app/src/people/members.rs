//! Who belongs to an organization, and in which role. It is never without an administrator.

use haina_db::people::Namespace;
use haina_db::{Session, orgs, people};
use haina_types::{Code, Error, OrgRole, Result, Slug};
use serde_json::json;

use crate::gate::OrgAdmin;
use crate::gate::org_not_found;
use crate::{App, Caller};

/// Most members of one organization.
const MEMBERS_MAX: usize = 10_000;

fn last_admin(org: &Slug) -> Error {
    Error::new(
        Code::Conflict,
        format!("The organization '{org}' would be without an administrator. Make somebody else one first."),
    )
}

pub(super) fn not_a_member(user: &Slug, org: &Slug) -> Error {
    Error::new(Code::NotFound, format!("'{user}' is not a member of '{org}'."))
}

impl App {
    /// Gives a member another role.
    pub async fn change_role(&self, access: &OrgAdmin, user: &Slug, role: OrgRole) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let user = self.lock_member(&mut tx, access.org(), user).await?;
        self.put_member(&mut tx, access.org(), &user, role, access.actor()).await?;
        Ok(tx.commit().await?)
    }

    /// Ends somebody's membership.
    pub async fn expel(&self, access: &OrgAdmin, user: &Slug) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let user = self.lock_member(&mut tx, access.org(), user).await?;
        self.drop_member(&mut tx, access.org(), &user, access.actor()).await?;
        Ok(tx.commit().await?)
    }

    /// Ends the caller's own membership.
    pub async fn leave_org(&self, caller: &Caller, org: &Slug) -> Result<()> {
        let me = self.act(caller).await?;
        let mut tx = self.db().begin().await?;
        let found = people::find_namespace(&mut tx, &org.fold()).await?.filter(Namespace::is_org);
        let org = found.ok_or_else(org_not_found)?;
        let user = self.lock_member(&mut tx, &org, &me.user().name).await?;
        self.drop_member(&mut tx, &org, &user, Some(me.user().id)).await?;
        Ok(tx.commit().await?)
    }

    /// A member, while nobody else changes the members.
    async fn lock_member(&self, tx: &mut Session, org: &Namespace, user: &Slug) -> Result<people::User> {
        orgs::lock_org(tx, org.id).await?;
        let found = people::find_user(tx, &user.fold()).await?.ok_or_else(|| not_a_member(user, &org.name))?;
        match people::find_org_role(tx, org.id, found.id).await? {
            Some(_) => Ok(found),
            None => Err(not_a_member(&found.name, &org.name)),
        }
    }

    /// Makes somebody a member, or changes their role. Whoever calls has locked the organization.
    pub(super) async fn put_member(
        &self,
        tx: &mut Session,
        org: &Namespace,
        user: &people::User,
        role: OrgRole,
        actor: Option<i64>,
    ) -> Result<()> {
        let had = people::find_org_role(tx, org.id, user.id).await?;
        if had == Some(role) {
            return Ok(());
        }
        if had.is_none() && people::list_members(tx, org.id).await?.len() >= MEMBERS_MAX {
            return Err(Error::invalid(format!("An organization has at most {MEMBERS_MAX} members.")));
        }
        if user.service_of.is_some_and(|of| of != org.id) {
            return Err(Error::invalid(format!("'{}' is a service account of another organization.", user.name)));
        }
        if user.service_of.is_some() && role == OrgRole::Admin {
            return Err(Error::invalid("A service account may have the role read, contributor or write."));
        }
        self.leave_admins(tx, org, user, had).await?;
        people::put_org_member(tx, org.id, user.id, role, self.now()).await?;
        orgs::revoke_invites_of_user(tx, org.id, user.id, self.now()).await?;
        let mut data = json!({"user": user.name, "role": role});
        if let Some(had) = had {
            data["old"] = json!(had);
        }
        self.append(tx, actor, "org.member", None, Some(org.id), data).await
    }

    /// Ends a membership. Whoever calls has locked the organization.
    pub(super) async fn drop_member(
        &self,
        tx: &mut Session,
        org: &Namespace,
        user: &people::User,
        actor: Option<i64>,
    ) -> Result<()> {
        let had = people::find_org_role(tx, org.id, user.id).await?;
        self.leave_admins(tx, org, user, had).await?;
        if !people::remove_org_member(tx, org.id, user.id).await? {
            return Err(not_a_member(&user.name, &org.name));
        }
        if user.service_of == Some(org.id) {
            // It is there for the organization alone. Its name stays taken, since history names it.
            people::set_disabled(tx, user.id, Some(self.now())).await?;
            people::revoke_tokens_of_user(tx, user.id, self.now()).await?;
        }
        self.append(tx, actor, "org.leave", None, Some(org.id), json!({"user": user.name})).await
    }

    /// Whoever is an administrator no longer: another must be left, and whom they invited is invited no longer.
    async fn leave_admins(
        &self,
        tx: &mut Session,
        org: &Namespace,
        user: &people::User,
        had: Option<OrgRole>,
    ) -> Result<()> {
        if had != Some(OrgRole::Admin) {
            return Ok(());
        }
        if orgs::count_admins(tx, org.id).await? <= 1 {
            return Err(last_admin(&org.name));
        }
        orgs::revoke_invites_by(tx, org.id, user.id, self.now()).await?;
        Ok(())
    }
}
