//! What people allowed applications: begun, listed, ended.

use haina_db::oauth as db;
use haina_db::people::{self, User};
use haina_types::{Code, Error, Result, Timestamp};
use serde_json::json;

use super::exchange::Issued;
use super::{Answer, Refusal, Scope, Scopes, TokenRequest};
use crate::people::{RANDOM_CHARS, secret_hash};
use crate::{App, Caller};

/// How long an application's access token works, in seconds.
const ACCESS_SECONDS: i64 = 8 * 3600;
/// The same of a machine let in by the device flow: the Hub's client refreshes a day before the end.
const DEVICE_ACCESS_SECONDS: i64 = 30 * 86_400;
/// How long a refresh token works, in seconds. Each is good for one more.
const REFRESH_SECONDS: i64 = 180 * 86_400;
/// Most grants of one user; the oldest ends for a newer one.
const GRANTS_MAX: usize = 200;

/// A grant as its person sees it in a list.
#[derive(Debug, Clone)]
pub struct GrantSummary {
    /// Its id.
    pub id: i64,
    /// The application's name.
    pub application: String,
    /// What it may do.
    pub scopes: Scopes,
    /// Since when.
    pub created_at: Timestamp,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

impl App {
    /// The person on whose behalf something is issued, if they may still use the hub.
    pub(super) async fn granting_user(&self, s: &mut haina_db::Session, id: i64) -> Answer<User> {
        let user = people::find_user_by_id(s, id).await?.filter(|u| u.disabled_at.is_none());
        Ok(user.ok_or_else(|| Refusal::new("invalid_grant", "The account does not exist any more, or is disabled."))?)
    }

    /// Notes what a person allows an application.
    pub(super) async fn begin_grant(
        &self,
        s: &mut haina_db::Session,
        client: &db::Client,
        user: &User,
        scopes: &Scopes,
    ) -> Answer<db::Grant> {
        let now = self.now();
        let scope = scopes.to_string();
        let id = db::insert_grant(s, client.id, user.id, &scope, now, now).await?;
        if let Some(oldest) = db::find_surplus_grant(s, user.id, now, GRANTS_MAX).await? {
            db::end_grant(s, oldest, now).await?;
        }
        let data = json!({"grant": id, "application": client.client_id, "scope": scope});
        self.append(s, Some(user.id), "oauth.grant", None, Some(user.id), data).await?;
        Ok(db::Grant {
            id,
            user_id: user.id,
            scope,
            created_at: now,
            expires_at: now,
            revoked_at: None,
            client: client.clone(),
        })
    }

    /// Makes an access token, and a refresh token if it is to go on.
    pub(super) async fn issue(
        &self,
        s: &mut haina_db::Session,
        grant: &db::Grant,
        client: &db::Client,
        user: &User,
        scopes: &Scopes,
        refreshable: bool,
    ) -> Answer<Issued> {
        let now = self.now();
        let expires_in = if client.device { DEVICE_ACCESS_SECONDS } else { ACCESS_SECONDS };
        let expires_at = now.plus_seconds(expires_in);
        let access_token = format!("hf_{}", self.rng().alphanumeric(RANDOM_CHARS));
        let new = people::NewToken {
            user_id: user.id,
            name: &client.name,
            hash: &secret_hash(&access_token),
            hint: &access_token[access_token.len() - 4..],
            role: &scopes.role(),
            created_at: now,
            expires_at: Some(expires_at),
            grant_id: Some(grant.id),
        };
        people::insert_token(s, &new).await?;
        let mut ends = expires_at;
        let refresh_token = match refreshable {
            false => None,
            true => {
                let secret = format!("hfr_{}", self.rng().alphanumeric(43));
                ends = now.plus_seconds(REFRESH_SECONDS);
                db::insert_refresh(s, &secret_hash(&secret), grant.id, now, ends).await?;
                Some(secret)
            }
        };
        db::extend_grant(s, grant.id, ends).await?;
        Ok(Issued { access_token, expires_in, refresh_token })
    }

    /// A secret came twice: whoever has it, the grant ends.
    pub(super) async fn end_stolen(&self, grant: i64, what: &str) -> Answer<()> {
        let mut tx = self.db().begin().await?;
        if db::end_grant(&mut tx, grant, self.now()).await? {
            let user = db::find_grant(&mut tx, grant).await?.map(|g| g.user_id);
            let data = json!({"grant": grant, "why": format!("a {what} was used twice")});
            self.append(&mut tx, None, "oauth.revoke", None, user, data).await?;
            tracing::warn!(grant, what, "a secret of an application was used twice; what was issued on it ended");
        }
        tx.commit().await?;
        Ok(())
    }

    /// What the caller allows applications at present, newest first.
    pub async fn list_grants(&self, caller: &Caller) -> Result<Vec<GrantSummary>> {
        let user = caller.require_user()?;
        let mut s = self.db().read().await?;
        let grants = db::list_grants(&mut s, user.id, self.now(), GRANTS_MAX).await?;
        Ok(grants
            .into_iter()
            .map(|(g, last_used_at)| GrantSummary {
                id: g.id,
                application: g.client.name,
                scopes: Scopes::parse(&g.scope),
                created_at: g.created_at,
                last_used_at,
                expires_at: g.expires_at,
            })
            .collect())
    }

    /// Takes back what the caller allowed an application.
    pub async fn end_grant(&self, caller: &Caller, id: i64) -> Result<()> {
        let user = caller.require_user()?;
        if !caller.token_may_manage_account() {
            return Err(Error::new(Code::Forbidden, "Only a signed-in person or a write token can do this."));
        }
        let mut tx = self.db().begin().await?;
        let own = db::find_grant(&mut tx, id).await?.is_some_and(|g| g.user_id == user.id);
        if !own || !db::end_grant(&mut tx, id, self.now()).await? {
            return Err(Error::new(Code::NotFound, "This application has no access any more."));
        }
        self.append(&mut tx, Some(user.id), "oauth.revoke", None, Some(user.id), json!({"grant": id})).await?;
        Ok(tx.commit().await?)
    }

    /// Ends an access token, or with a refresh token its grant, at the wish of its application (RFC 7009). A token
    /// that is not there, or another's, is no error.
    pub async fn revoke_by_application(&self, request: &TokenRequest, token: &str) -> Answer<()> {
        let client = self.require_client(request).await?;
        let hash = secret_hash(token);
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if let Some(refresh) = db::find_refresh(&mut tx, &hash).await? {
            let grant = db::find_grant(&mut tx, refresh.grant_id).await?;
            if let Some(grant) = grant.filter(|g| g.client.id == client.id)
                && db::end_grant(&mut tx, grant.id, now).await?
            {
                let data = json!({"grant": grant.id, "by": client.client_id});
                self.append(&mut tx, None, "oauth.revoke", None, Some(grant.user_id), data).await?;
            }
        } else if let Some((token, user)) = people::find_token_by_hash(&mut tx, &hash).await?
            && let Some(grant) = token.grant_id
            && db::find_grant(&mut tx, grant).await?.is_some_and(|g| g.client.id == client.id)
            && people::revoke_token(&mut tx, user.id, token.id, now).await?
        {
            let data = json!({"token": token.id, "by": client.client_id});
            self.append(&mut tx, None, "token.revoke", None, Some(user.id), data).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    /// What a token may tell of its person, if it is an application's.
    pub(crate) async fn scopes_of_grant(&self, grant: i64) -> Result<Scopes> {
        let mut s = self.db().read().await?;
        Ok(db::find_grant(&mut s, grant).await?.map(|g| Scopes::parse(&g.scope)).unwrap_or_default())
    }

    /// Whether a token on this grant may tell the e-mail address.
    pub(crate) async fn grant_tells_email(&self, grant: i64) -> Result<bool> {
        Ok(self.scopes_of_grant(grant).await?.has(Scope::Email))
    }
}
