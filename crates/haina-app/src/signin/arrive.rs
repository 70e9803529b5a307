//! Somebody whom a provider vouched for: known, or about to say who they are here.

use haina_db::identity as db;
use haina_db::people;
use haina_types::{Code, Error, NameError, OrgRole, Result, Slug, Timestamp};
use serde_json::json;

use super::{Claims, Provider};
use crate::people::{NewSession, Signup, secret_hash};
use crate::{App, Caller};

/// How long somebody may take to say which account is theirs, in seconds.
const PENDING_SECONDS: i64 = 30 * 60;
/// Most ways in of one account.
const IDENTITIES_MAX: usize = 20;

/// What becomes of somebody whom a provider vouched for.
#[derive(Debug, Clone)]
pub enum Arrival {
    /// They are known: here is their session.
    Known(NewSession),
    /// They are not: here is what their browser keeps until they have said which account is theirs.
    New {
        /// The secret.
        secret: String,
        /// Until when it counts.
        expires_at: Timestamp,
    },
}

/// Somebody who is about to say which account is theirs.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The provider's name for people.
    pub provider: String,
    /// What they are called there.
    pub label: String,
    /// A user name that may do.
    pub name: String,
    /// Their name for people.
    pub full_name: String,
    /// Their e-mail address.
    pub email: String,
    /// Whether they may make an account, and whether that takes an invitation.
    pub signup: Signup,
}

/// A way in of an account.
#[derive(Debug, Clone)]
pub struct Way {
    /// Its id.
    pub id: i64,
    /// The provider's name for people.
    pub provider: String,
    /// What they are called there.
    pub label: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When they last came this way.
    pub last_used_at: Timestamp,
}

fn gone() -> Error {
    Error::new(Code::Forbidden, "This sign-in has expired or was finished already. Please begin again.")
}

/// A name that the rules here allow, from one that a provider gave.
fn suggested(claims: &Claims) -> String {
    let from = claims.name.as_deref().or(claims.email.as_deref()).unwrap_or("");
    let from = from.split('@').next().unwrap_or("");
    let plain: String = from.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    let name = plain.split('-').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("-");
    name.chars().take(96).collect()
}

impl App {
    /// A provider vouched for somebody.
    pub(super) async fn arrive(&self, id: i64, name: &str, provider: &Provider, claims: Claims) -> Result<Arrival> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let known = db::find_identity(&mut tx, id, &claims.subject).await?;
        if let Some(known) = known {
            let user = people::find_user_by_id(&mut tx, known.user_id).await?.filter(|u| u.disabled_at.is_none());
            let user = user.ok_or_else(|| Error::new(Code::Forbidden, "This account is disabled."))?;
            db::touch_identity(&mut tx, known.id, now, &claims.label()).await?;
            self.follow_groups(&mut tx, name, provider, &claims, &user).await?;
            let session = self.new_session(&mut tx, user.id).await?;
            tx.commit().await?;
            return Ok(Arrival::Known(session));
        }
        let secret = self.rng().alphanumeric(43);
        let expires_at = now.plus_seconds(PENDING_SECONDS);
        let text = serde_json::to_string(&claims).map_err(Error::internal)?;
        db::insert_pending(&mut tx, &secret_hash(&secret), id, &text, now, expires_at).await?;
        tx.commit().await?;
        Ok(Arrival::New { secret, expires_at })
    }

    async fn find_pending(&self, secret: &str) -> Result<(i64, String, Provider, Claims)> {
        let pending = {
            let mut s = self.db().read().await?;
            db::find_pending(&mut s, &secret_hash(secret)).await?
        };
        let pending = pending.filter(|p| p.expires_at > self.now()).ok_or_else(gone)?;
        let claims = serde_json::from_str(&pending.claims).map_err(Error::internal)?;
        let (name, provider) = self.provider_by_id(pending.provider_id).await?;
        Ok((pending.provider_id, name, provider, claims))
    }

    /// Somebody who is about to say which account is theirs.
    pub async fn pending_identity(&self, secret: &str) -> Result<Pending> {
        let (_, _, provider, claims) = self.find_pending(secret).await?;
        Ok(Pending {
            label: claims.label(),
            name: suggested(&claims),
            full_name: claims.full_name.unwrap_or_default(),
            email: claims.email.unwrap_or_default(),
            signup: if provider.accounts { Signup::Open } else { self.signup_mode().await? },
            provider: provider.title,
        })
    }

    /// They say that the account that they are signed in with is theirs.
    pub async fn link_identity(&self, caller: &Caller, secret: &str) -> Result<()> {
        let user = caller.require_person()?.clone();
        let (id, name, provider, claims) = self.find_pending(secret).await?;
        let mut tx = self.db().begin().await?;
        self.settle(&mut tx, id, &name, &provider, &claims, secret, &user).await?;
        Ok(tx.commit().await?)
    }

    /// They make an account, and are signed in.
    pub async fn join_by_identity(
        &self,
        secret: &str,
        name: &str,
        full_name: Option<&str>,
        email: Option<&str>,
        invite: Option<&str>,
    ) -> Result<NewSession> {
        let (id, provider_name, provider, claims) = self.find_pending(secret).await?;
        let invite = match (provider.accounts, self.signup_mode().await?, invite) {
            (true, _, _) | (false, Signup::Open, _) => None,
            (false, Signup::Invite, Some(invite)) => Some(invite),
            (false, Signup::Invite, None) => {
                return Err(Error::new(
                    Code::Forbidden,
                    "Signing up needs an invitation. Ask an administrator for one.",
                ));
            }
            (false, Signup::Closed, _) => {
                return Err(Error::new(Code::Forbidden, "Signing up is closed. Ask an administrator for an account."));
            }
        };
        let name: Slug = name.parse().map_err(|e: NameError| Error::invalid(e.to_string()))?;
        let full_name = full_name.unwrap_or(name.as_str()).trim();
        crate::people::check_full_name(full_name)?;
        if let Some(email) = email {
            crate::people::check_email(email)?;
        }
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let new = people::NewUser {
            name: &name,
            full_name,
            email,
            password_hash: None,
            is_admin: false,
            created_at: now,
            service_of: None,
        };
        let user = people::insert_user(&mut tx, &new).await.map_err(crate::people::taken)?;
        if let Some(invite) = invite
            && !people::use_invite(&mut tx, &secret_hash(invite), people::InvitePurpose::Signup, user, now).await?
        {
            let words = "This invitation was already used or has expired. Ask for a new one.";
            return Err(Error::new(Code::Forbidden, words));
        }
        let data = json!({"name": name, "by": format!("provider {provider_name}")});
        self.append(&mut tx, Some(user), "user.create", None, Some(user), data).await?;
        let user = people::find_user_by_id(&mut tx, user).await?.ok_or_else(|| Error::internal("a user just made"))?;
        self.settle(&mut tx, id, &provider_name, &provider, &claims, secret, &user).await?;
        let session = self.new_session(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok(session)
    }

    /// Somebody at a provider is this account here from now on.
    #[expect(clippy::too_many_arguments, reason = "everything that is known of one arrival")]
    async fn settle(
        &self,
        s: &mut haina_db::Session,
        id: i64,
        provider_name: &str,
        provider: &Provider,
        claims: &Claims,
        secret: &str,
        user: &people::User,
    ) -> Result<()> {
        if !db::take_pending(s, &secret_hash(secret)).await? {
            return Err(gone());
        }
        if db::list_identities(s, user.id).await?.len() >= IDENTITIES_MAX {
            return Err(Error::invalid(format!("An account has at most {IDENTITIES_MAX} ways in: remove one first.")));
        }
        let made = db::insert_identity(s, id, &claims.subject, user.id, &claims.label(), self.now()).await;
        made.map_err(|e| match e {
            haina_db::Error::Conflict(_) => {
                Error::new(Code::Conflict, "This is already the way in of another account.")
            }
            e => e.into(),
        })?;
        self.append(s, Some(user.id), "identity.link", None, Some(user.id), json!({"provider": provider_name})).await?;
        self.follow_groups(s, provider_name, provider, claims, user).await
    }

    /// Membership in organizations that stand for groups follows the groups. Administrators stay: nobody must lose an
    /// organization to a slip in a directory.
    async fn follow_groups(
        &self,
        s: &mut haina_db::Session,
        provider_name: &str,
        provider: &Provider,
        claims: &Claims,
        user: &people::User,
    ) -> Result<()> {
        let Some(groups) = &claims.groups else { return Ok(()) };
        let mut wanted: Vec<(&Slug, Option<OrgRole>)> = Vec::new();
        for rule in &provider.groups {
            let role = groups.contains(&rule.group).then_some(rule.role);
            match wanted.iter_mut().find(|(org, _)| org.fold() == rule.org.fold()) {
                Some((_, before)) => *before = (*before).max(role),
                None => wanted.push((&rule.org, role)),
            }
        }
        for (org, role) in wanted {
            // An organization that is gone is no reason to keep somebody out.
            let Some(org) = people::find_namespace(s, &org.fold()).await?.filter(|n| n.is_org()) else { continue };
            let have = people::find_org_role(s, org.id, user.id).await?;
            if have == role || have == Some(OrgRole::Admin) {
                continue;
            }
            match role {
                Some(role) => people::put_org_member(s, org.id, user.id, role, self.now()).await?,
                None => {
                    people::remove_org_member(s, org.id, user.id).await?;
                }
            }
            let data = json!({"user": user.name, "role": role, "by": format!("provider {provider_name}")});
            self.append(s, None, "org.member", None, Some(org.id), data).await?;
        }
        Ok(())
    }

    /// By which ways the caller comes in besides a password.
    pub async fn list_ways_in(&self, caller: &Caller) -> Result<Vec<Way>> {
        let user = caller.require_user()?;
        let found = {
            let mut s = self.db().read().await?;
            db::list_identities(&mut s, user.id).await?
        };
        let mut ways = Vec::new();
        for identity in found {
            let (_, provider) = self.provider_by_id(identity.provider_id).await?;
            ways.push(Way {
                id: identity.id,
                provider: provider.title,
                label: identity.label,
                created_at: identity.created_at,
                last_used_at: identity.last_used_at,
            });
        }
        Ok(ways)
    }

    /// Ends a way in; not the last one.
    pub async fn remove_way_in(&self, caller: &Caller, id: i64) -> Result<()> {
        let user = caller.require_person()?;
        let mut tx = self.db().begin().await?;
        let others = db::list_identities(&mut tx, user.id).await?.len() > 1;
        let password = people::find_user_by_id(&mut tx, user.id).await?.is_some_and(|u| u.password_hash.is_some());
        if !others && !password {
            let words =
                "This is the only way into your account. Add another one, or ask an administrator for a password.";
            return Err(Error::new(Code::Forbidden, words));
        }
        if !db::delete_identity(&mut tx, user.id, id).await? {
            return Err(Error::new(Code::NotFound, "This is no way into your account."));
        }
        self.append(&mut tx, Some(user.id), "identity.unlink", None, Some(user.id), json!({"identity": id})).await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_to_fit() {
        for (name, fits) in [("Ada.Lovelace", "Ada-Lovelace"), ("ada@x.org", "ada"), ("--a..b--", "a-b"), ("张三", "")]
        {
            let claims = Claims { name: Some(name.into()), ..Claims::default() };
            assert_eq!(suggested(&claims), fits, "{name}");
        }
    }
}
