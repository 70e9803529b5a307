//! Who somebody is: for themselves (`whoami`) and for others (a profile).

use haina_db::{people, repos};
use haina_types::{Code, Error, OrgRole, RepoKind, Result, Slug, Timestamp};

use crate::gate::TokenInfo;
use crate::{App, Caller};

/// A person's membership in an organization.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The organization's id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub full_name: String,
    /// The person's role there.
    pub role: OrgRole,
    /// Whether it is a service account.
    pub is_service: bool,
}

/// The caller, as they know themselves.
#[derive(Debug, Clone)]
pub struct Identity {
    /// User id.
    pub id: i64,
    /// User name.
    pub name: String,
    /// Name for people.
    pub full_name: String,
    /// E-mail address, if the caller may be told.
    pub email: Option<String>,
    /// Site administrator.
    pub is_admin: bool,
    /// Organizations, by name.
    pub orgs: Vec<Membership>,
    /// The token that was used; none for a browser session.
    pub token: Option<TokenInfo>,
}

/// A user or an organization, as others see it.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Namespace id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Name for people.
    pub full_name: String,
    /// Whether it is an organization.
    pub is_org: bool,
    /// Since when.
    pub created_at: Timestamp,
    /// An organization's members, or a user's organizations: name, full name, role.
    pub links: Vec<Membership>,
    /// How many repositories of each kind the caller may see.
    pub counts: Vec<(RepoKind, u64)>,
}

impl App {
    /// Who the caller is.
    pub async fn identity(&self, caller: &Caller) -> Result<Identity> {
        let user = caller.require_user()?;
        let tells_email = match caller.token_info().and_then(|t| t.grant) {
            Some(grant) => self.grant_tells_email(grant).await?,
            None => true,
        };
        let mut s = self.db().read().await?;
        let orgs = people::list_orgs_of_user(&mut s, user.id).await?;
        Ok(Identity {
            id: user.id,
            name: user.name.to_string(),
            full_name: user.full_name.clone(),
            email: user.email.clone().filter(|_| tells_email),
            is_admin: user.is_admin,
            orgs: orgs.into_iter().map(membership).collect(),
            token: caller.token_info().cloned(),
        })
    }

    /// The names under which the caller may create: their own, then their organizations'.
    pub async fn namespaces_of(&self, caller: &Caller) -> Result<Vec<String>> {
        let me = self.identity(caller).await?;
        let orgs = me.orgs.into_iter().filter(|o| o.role >= OrgRole::Contributor).map(|o| o.name);
        Ok(std::iter::once(me.name).chain(orgs).collect())
    }

    /// A user's or organization's profile.
    pub async fn profile(&self, caller: &Caller, name: &Slug) -> Result<Profile> {
        let viewer = self.viewer(caller).await?;
        let mut s = self.db().read().await?;
        let ns = people::find_namespace(&mut s, &name.fold())
            .await?
            .ok_or_else(|| Error::new(Code::NotFound, "There is no such user or organization."))?;
        let links = if ns.is_org() {
            members_of(&mut s, ns.id).await?
        } else {
            people::list_orgs_of_user(&mut s, ns.id).await?.into_iter().map(membership).collect()
        };
        let mut counts = Vec::new();
        for kind in RepoKind::ALL {
            counts.push((kind, repos::count_repos(&mut s, ns.id, kind, &viewer).await?));
        }
        Ok(Profile {
            id: ns.id,
            name: ns.name.to_string(),
            is_org: ns.is_org(),
            full_name: ns.full_name,
            created_at: ns.created_at,
            links,
            counts,
        })
    }
}

pub(super) fn membership((ns, role): (people::Namespace, OrgRole)) -> Membership {
    Membership { id: ns.id, name: ns.name.to_string(), full_name: ns.full_name, role, is_service: false }
}

/// The members of an organization, by name.
pub(super) async fn members_of(s: &mut haina_db::Session, org: i64) -> Result<Vec<Membership>> {
    let services: Vec<i64> = people::list_services(s, org).await?.into_iter().map(|u| u.id).collect();
    let members = people::list_members(s, org).await?.into_iter().map(membership);
    Ok(members.map(|m| Membership { is_service: services.contains(&m.id), ..m }).collect())
}
