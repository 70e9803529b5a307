//! Invitations to organizations. Whoever has an account is invited by name, and finds it there; anyone else by a link,
//! which is good for one person, whoever they are: an e-mail address says where it was to be sent, and is no proof.

use haina_db::{orgs, people};
use haina_types::{Code, Error, OrgRole, Result, Slug, Timestamp};
use serde_json::json;

use super::{check_email, secret_hash};
use crate::gate::OrgAdmin;
use crate::{App, Caller};

pub use haina_db::orgs::OrgInvite;

/// How long an invitation is open unless somebody says otherwise, in days.
pub const INVITE_DAYS: i64 = 14;
/// The longest.
const DAYS_MAX: i64 = 90;
/// Most open invitations of one organization.
const OPEN_MAX: usize = 500;

/// Who is invited.
#[derive(Debug, Clone)]
pub enum Invitee {
    /// Somebody with an account.
    User(Slug),
    /// Somebody at this address.
    Email(String),
}

/// An invitation just made; its link's secret is not kept.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// The invitation.
    pub invite: OrgInvite,
    /// The link, for whoever sends it on.
    pub url: String,
}

/// Which invitation is answered.
#[derive(Debug, Clone)]
pub enum Which {
    /// One of the caller's own, by its id.
    Id(i64),
    /// The one whose link has this secret.
    Secret(String),
}

fn not_found() -> Error {
    Error::new(
        Code::NotFound,
        "There is no such invitation, or it was answered, taken back or has ended. Ask who invited you for a new one.",
    )
}

impl App {
    /// Where an invitation is answered.
    fn invite_url(&self, secret: &str) -> String {
        format!("{}/settings/invitations/{secret}", self.base_url())
    }

    /// Invites somebody. An open invitation of the same person ends.
    pub async fn invite_member(
        &self,
        access: &OrgAdmin,
        whom: &Invitee,
        role: OrgRole,
        days: Option<i64>,
    ) -> Result<NewInvite> {
        let days = days.unwrap_or(INVITE_DAYS);
        if !(1..=DAYS_MAX).contains(&days) {
            return Err(Error::invalid(format!("\"days\": an invitation is open for 1 to {DAYS_MAX} days.")));
        }
        if let Invitee::Email(email) = whom {
            check_email(email)?;
        }
        let secret = self.rng().alphanumeric(40);
        let (now, org) = (self.now(), access.org());
        let mut tx = self.db().begin().await?;
        orgs::lock_org(&mut tx, org.id).await?;
        let user = match whom {
            Invitee::Email(_) => None,
            Invitee::User(name) => {
                let user = people::find_user(&mut tx, &name.fold())
                    .await?
                    .filter(|u| u.disabled_at.is_none() && u.service_of.is_none());
                let user = user.ok_or_else(|| Error::new(Code::NotFound, format!("There is no user '{name}'.")))?;
                if people::find_org_role(&mut tx, org.id, user.id).await?.is_some() {
                    let text = format!("'{}' is a member of '{}' already.", user.name, org.name);
                    return Err(Error::new(Code::Conflict, text));
                }
                orgs::revoke_invites_of_user(&mut tx, org.id, user.id, now).await?;
                Some(user)
            }
        };
        if orgs::list_invites_of_org(&mut tx, org.id, now, OPEN_MAX).await?.len() >= OPEN_MAX {
            return Err(Error::invalid(format!("At most {OPEN_MAX} invitations are open at once: take some back.")));
        }
        let new = orgs::NewOrgInvite {
            hash: &secret_hash(&secret),
            org_id: org.id,
            user_id: user.as_ref().map(|u| u.id),
            email: match whom {
                Invitee::Email(email) => Some(email),
                Invitee::User(_) => None,
            },
            role,
            created_by: access.actor(),
            now,
            expires_at: now.plus_seconds(days * 86_400),
        };
        let id = orgs::insert_invite(&mut tx, &new).await?;
        // Whose the address is, the ledger need not know.
        let data = json!({"invite": id, "user": user.map(|u| u.name), "role": role});
        self.append(&mut tx, access.actor(), "org.invite", None, Some(org.id), data).await?;
        let invite = orgs::find_invite(&mut tx, id).await?.ok_or_else(not_found)?;
        tx.commit().await?;
        Ok(NewInvite { invite, url: self.invite_url(&secret) })
    }

    /// Open invitations of an organization.
    pub async fn list_invites(&self, access: &OrgAdmin) -> Result<Vec<OrgInvite>> {
        let mut s = self.db().read().await?;
        Ok(orgs::list_invites_of_org(&mut s, access.org().id, self.now(), OPEN_MAX).await?)
    }

    /// Takes an invitation back.
    pub async fn revoke_invite(&self, access: &OrgAdmin, id: i64) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let invite = orgs::find_invite(&mut tx, id).await?.filter(|i| i.org_id == access.org().id);
        if invite.is_none() || !orgs::decide_invite(&mut tx, id, "revoked", self.now(), access.actor()).await? {
            return Err(not_found());
        }
        let data = json!({"invite": id});
        self.append(&mut tx, access.actor(), "org.invite.revoke", None, Some(access.org().id), data).await?;
        Ok(tx.commit().await?)
    }

    /// The caller's own open invitations: those by name.
    pub async fn own_invites(&self, caller: &Caller) -> Result<Vec<OrgInvite>> {
        let me = self.act(caller).await?;
        let mut s = self.db().read().await?;
        Ok(orgs::list_invites_of_user(&mut s, me.user().id, self.now(), OPEN_MAX).await?)
    }

    /// An open invitation that the caller may answer.
    pub async fn invite_of(&self, caller: &Caller, which: &Which) -> Result<OrgInvite> {
        let me = self.act(caller).await?;
        let mut s = self.db().read().await?;
        self.open_invite(&mut s, me.user().id, which).await
    }

    async fn open_invite(&self, s: &mut haina_db::Session, me: i64, which: &Which) -> Result<OrgInvite> {
        let now: Timestamp = self.now();
        let found = match which {
            // One that is for whoever holds its link is not had by its number.
            Which::Id(id) => orgs::find_invite(s, *id).await?.filter(|i| i.user_id == Some(me)),
            Which::Secret(secret) if secret.len() <= 256 => orgs::find_invite_by_hash(s, &secret_hash(secret)).await?,
            Which::Secret(_) => None,
        };
        // A link that was meant for somebody else is nobody else's.
        found.filter(|i| i.is_open(now) && i.user_id.is_none_or(|id| id == me)).ok_or_else(not_found)
    }

    /// Accepts or declines an invitation.
    pub async fn answer_invite(&self, caller: &Caller, which: &Which, accept: bool) -> Result<OrgInvite> {
        let me = self.act(caller).await?;
        let mut tx = self.db().begin().await?;
        let invite = self.open_invite(&mut tx, me.user().id, which).await?;
        orgs::lock_org(&mut tx, invite.org_id).await?;
        let org = people::find_namespace_by_id(&mut tx, invite.org_id).await?.ok_or_else(not_found)?;
        let outcome = if accept { "accepted" } else { "declined" };
        if accept && people::find_org_role(&mut tx, org.id, me.user().id).await?.is_some() {
            return Err(Error::new(Code::Conflict, format!("You are a member of '{}' already.", org.name)));
        }
        // One of two who hold the same link is too late.
        if !orgs::decide_invite(&mut tx, invite.id, outcome, self.now(), Some(me.user().id)).await? {
            return Err(not_found());
        }
        if accept {
            self.put_member(&mut tx, &org, me.user(), invite.role, Some(me.user().id)).await?;
        } else {
            let data = json!({"invite": invite.id});
            self.append(&mut tx, Some(me.user().id), "org.invite.decline", None, Some(org.id), data).await?;
        }
        tx.commit().await?;
        Ok(invite)
    }
}
