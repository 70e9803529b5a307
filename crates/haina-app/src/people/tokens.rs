//! Access tokens: made once, shown once, kept as a hash.

use haina_db::people;
use haina_types::{Code, Error, Result, Slug, Timestamp, TokenRole};
use serde_json::json;

use super::secret_hash;
use crate::gate::TokenInfo;
use crate::{App, Caller};

/// Random characters after `hf_`: llama.cpp drops tokens of any other prefix or fewer than 34.
pub(crate) const RANDOM_CHARS: usize = 37;
/// Most tokens of one user.
const TOKENS_MAX: usize = 200;
/// Longest life of a token that ends by itself, in days.
const DAYS_MAX: i64 = 3650;
/// Most scopes of one fine-grained token.
const SCOPES_MAX: usize = 100;

/// A token just made; the secret is not kept.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its id.
    pub id: i64,
    /// What the client sends.
    pub secret: String,
}

/// A token as its owner sees it in a list.
#[derive(Debug, Clone)]
pub struct TokenSummary {
    /// Its id.
    pub id: i64,
    /// The owner's name for it.
    pub name: String,
    /// The last four characters.
    pub hint: String,
    /// Its power.
    pub role: TokenRole,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the hour.
    pub last_used_at: Option<Timestamp>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

/// What a wrong token is told, on every route: clients look for exactly these words.
pub(crate) fn bad_token() -> Error {
    Error::new(Code::BadCredentials, "Invalid credentials in Authorization header")
}

impl App {
    /// Who a token stands for. A token that is present and wrong is an error, never anonymous.
    pub async fn caller_by_token(&self, secret: &str) -> Result<Caller> {
        if secret.len() > 256 {
            return Err(bad_token());
        }
        let found = {
            let mut s = self.db().read().await?;
            people::find_token_by_hash(&mut s, &secret_hash(secret)).await?
        };
        let now = self.now();
        let (token, user) = found
            .filter(|(token, user)| {
                token.revoked_at.is_none() && token.expires_at.is_none_or(|end| end > now) && user.disabled_at.is_none()
            })
            .ok_or_else(bad_token)?;
        // Written at most once an hour for each token: enough to find forgotten ones, cheap enough for every request.
        if token.last_used_at.is_none_or(|last| now.0 - last.0 > 3_600_000) {
            let app = self.clone();
            tokio::spawn(async move {
                let touched = async {
                    let mut tx = app.db().begin().await?;
                    people::touch_token(&mut tx, token.id, now).await?;
                    tx.commit().await
                };
                if let Err(e) = touched.await {
                    tracing::warn!(error = %e, "could not note the use of a token");
                }
            });
        }
        let info = TokenInfo {
            name: token.name,
            role: token.role,
            created_at: token.created_at,
            expires_at: token.expires_at,
            grant: token.grant_id,
        };
        Ok(Caller::token(user, info))
    }

    /// Makes a token for the caller.
    pub async fn create_token(&self, caller: &Caller, name: &str, role: TokenRole) -> Result<NewToken> {
        let user = caller.require_user()?;
        if !caller.token_may_manage_account() {
            return Err(Error::new(Code::Forbidden, "Only a signed-in person or a write token can make tokens."));
        }
        self.issue_token(user.id, name, role, None, Some(user.id)).await
    }

    /// The same for a token that ends by itself after some days.
    pub async fn create_token_for_days(
        &self,
        caller: &Caller,
        name: &str,
        role: TokenRole,
        days: i64,
    ) -> Result<NewToken> {
        let user = caller.require_user()?;
        if !caller.token_may_manage_account() {
            return Err(Error::new(Code::Forbidden, "Only a signed-in person or a write token can make tokens."));
        }
        self.issue_token(user.id, name, role, Some(days), Some(user.id)).await
    }

    /// Makes a token for `user` (the operator's `haina admin token add`).
    pub async fn add_token(&self, user: &Slug, name: &str, role: TokenRole) -> Result<NewToken> {
        self.add_token_for_days(user, name, role, None).await
    }

    /// The same for a token that may end by itself after some days.
    pub async fn add_token_for_days(
        &self,
        user: &Slug,
        name: &str,
        role: TokenRole,
        days: Option<i64>,
    ) -> Result<NewToken> {
        let user = {
            let mut s = self.db().read().await?;
            self.get_user(&mut s, user).await?
        };
        self.issue_token(user.id, name, role, days, None).await
    }

    pub(super) async fn issue_token(
        &self,
        user: i64,
        name: &str,
        role: TokenRole,
        days: Option<i64>,
        actor: Option<i64>,
    ) -> Result<NewToken> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(Error::invalid("A token's name is one line of 1 to 100 characters."));
        }
        if let TokenRole::FineGrained(scopes) = &role {
            if scopes.len() > SCOPES_MAX {
                return Err(Error::invalid(format!("A token has at most {SCOPES_MAX} scopes.")));
            }
            if let Some(wrong) = scopes.iter().find(|s| !s.is_well_formed()) {
                return Err(Error::invalid(format!(
                    "The scope '{}' is neither a namespace nor a repository such as datasets/lab/rows.",
                    wrong.entity
                )));
            }
        }
        if days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            return Err(Error::invalid(format!("A token ends after 1 to {DAYS_MAX} days, or never.")));
        }
        let secret = format!("hf_{}", self.rng().alphanumeric(RANDOM_CHARS));
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if people::list_tokens(&mut tx, user).await?.len() >= TOKENS_MAX {
            return Err(Error::invalid(format!("A user has at most {TOKENS_MAX} tokens: revoke one first.")));
        }
        let new = people::NewToken {
            user_id: user,
            name,
            hash: &secret_hash(&secret),
            hint: &secret[secret.len() - 4..],
            role: &role,
            created_at: now,
            expires_at: days.map(|days| now.plus_seconds(days * 86_400)),
            grant_id: None,
        };
        let id = people::insert_token(&mut tx, &new).await?;
        let data = json!({"token": id, "name": name, "role": role.as_str()});
        self.append(&mut tx, actor, "token.create", None, Some(user), data).await?;
        tx.commit().await?;
        Ok(NewToken { id, secret })
    }

    /// The caller's own tokens, newest first.
    pub async fn list_tokens(&self, caller: &Caller) -> Result<Vec<TokenSummary>> {
        let user = caller.require_user()?;
        let mut s = self.db().read().await?;
        tokens_of(&mut s, user.id).await
    }

    /// Revokes one of the caller's own tokens.
    pub async fn revoke_token(&self, caller: &Caller, id: i64) -> Result<()> {
        let user = caller.require_user()?;
        if !caller.token_may_manage_account() {
            return Err(Error::new(Code::Forbidden, "Only a signed-in person or a write token can revoke tokens."));
        }
        let mut tx = self.db().begin().await?;
        if !people::revoke_token(&mut tx, user.id, id, self.now()).await? {
            return Err(Error::new(Code::NotFound, "There is no such token."));
        }
        self.append(&mut tx, Some(user.id), "token.revoke", None, Some(user.id), json!({"token": id})).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// The tokens of a user that work.
pub(super) async fn tokens_of(s: &mut haina_db::Session, user: i64) -> Result<Vec<TokenSummary>> {
    let summary = |t: people::Token| TokenSummary {
        id: t.id,
        name: t.name,
        hint: t.hint,
        role: t.role,
        created_at: t.created_at,
        last_used_at: t.last_used_at,
        expires_at: t.expires_at,
    };
    Ok(people::list_tokens(s, user).await?.into_iter().map(summary).collect())
}
