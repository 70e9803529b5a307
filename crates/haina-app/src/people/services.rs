//! Service accounts: an organization's own, for machines. Nobody signs in to one; administrators of the organization make
//! and revoke its tokens. It makes nothing under its own name, and goes with its membership.

use haina_db::{Session, orgs, people};
use haina_types::{Code, Error, OrgRole, Result, Slug, TokenRole};
use serde_json::json;

use super::tokens::tokens_of;
use super::{NewToken, TokenSummary, check_full_name, taken};
use crate::App;
use crate::gate::OrgAdmin;

/// Most service accounts of one organization.
const SERVICES_MAX: usize = 100;

/// A service account.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its unique name, among those of users and organizations.
    pub name: Slug,
    /// Its name for people.
    pub full_name: String,
    /// Its role in the organization.
    pub role: Option<OrgRole>,
    /// Its tokens.
    pub tokens: Vec<TokenSummary>,
}

impl App {
    /// The service accounts of an organization, by name.
    pub async fn list_services(&self, access: &OrgAdmin) -> Result<Vec<Service>> {
        let mut s = self.db().read().await?;
        let mut out = Vec::new();
        for user in people::list_services(&mut s, access.org().id).await? {
            out.push(Service {
                role: people::find_org_role(&mut s, access.org().id, user.id).await?,
                tokens: tokens_of(&mut s, user.id).await?,
                name: user.name,
                full_name: user.full_name,
            });
        }
        Ok(out)
    }

    /// Makes a service account.
    pub async fn create_service(
        &self,
        access: &OrgAdmin,
        name: &Slug,
        full_name: Option<&str>,
        role: OrgRole,
    ) -> Result<()> {
        let full_name = full_name.map(str::trim).filter(|t| !t.is_empty()).unwrap_or(name.as_str());
        check_full_name(full_name)?;
        let org = access.org();
        let mut tx = self.db().begin().await?;
        orgs::lock_org(&mut tx, org.id).await?;
        if people::list_services(&mut tx, org.id).await?.len() >= SERVICES_MAX {
            return Err(Error::invalid(format!("An organization has at most {SERVICES_MAX} service accounts.")));
        }
        let new = people::NewUser {
            name,
            full_name,
            email: None,
            password_hash: None,
            is_admin: false,
            created_at: self.now(),
            service_of: Some(org.id),
        };
        let id = people::insert_user(&mut tx, &new).await.map_err(taken)?;
        let data = json!({"name": name, "by": "organization", "organization": org.name});
        self.append(&mut tx, access.actor(), "user.create", None, Some(id), data).await?;
        let user = people::find_user_by_id(&mut tx, id)
            .await?
            .ok_or_else(|| Error::internal("an account just made is gone"))?;
        self.put_member(&mut tx, org, &user, role, access.actor()).await?;
        Ok(tx.commit().await?)
    }

    async fn find_service(&self, s: &mut Session, access: &OrgAdmin, name: &Slug) -> Result<people::User> {
        let found = people::find_user(s, &name.fold()).await?;
        found.filter(|u| u.service_of == Some(access.org().id) && u.disabled_at.is_none()).ok_or_else(|| {
            Error::new(Code::NotFound, format!("'{}' has no service account '{name}'.", access.org().name))
        })
    }

    /// Makes a token for a service account.
    pub async fn create_service_token(
        &self,
        access: &OrgAdmin,
        service: &Slug,
        name: &str,
        role: TokenRole,
        days: Option<i64>,
    ) -> Result<NewToken> {
        let user = {
            let mut s = self.db().read().await?;
            self.find_service(&mut s, access, service).await?
        };
        self.issue_token(user.id, name, role, days, access.actor()).await
    }

    /// Revokes a token of a service account.
    pub async fn revoke_service_token(&self, access: &OrgAdmin, service: &Slug, id: i64) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let user = self.find_service(&mut tx, access, service).await?;
        if !people::revoke_token(&mut tx, user.id, id, self.now()).await? {
            return Err(Error::new(Code::NotFound, "There is no such token."));
        }
        let data = json!({"token": id});
        self.append(&mut tx, access.actor(), "token.revoke", None, Some(user.id), data).await?;
        Ok(tx.commit().await?)
    }

    /// Ends a service account with all its tokens. Its name stays taken, since history names it.
    pub async fn delete_service(&self, access: &OrgAdmin, service: &Slug) -> Result<()> {
        let mut tx = self.db().begin().await?;
        orgs::lock_org(&mut tx, access.org().id).await?;
        let user = self.find_service(&mut tx, access, service).await?;
        self.drop_member(&mut tx, access.org(), &user, access.actor()).await?;
        Ok(tx.commit().await?)
    }
}
