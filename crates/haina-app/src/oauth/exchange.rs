//! The token endpoint: a code, a device code or a refresh token becomes an access token.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use haina_db::oauth as db;
use haina_db::people::User;
use sha2::{Digest, Sha256};

use super::{Answer, Refusal, Scope, Scopes};
use crate::App;
use crate::people::secret_hash;

/// Wrong secrets that one application may send before a pause.
const TRIES_MAX: u32 = 50;
/// How long an access token outlives its refreshing, in seconds: requests under way use it still.
const OVERLAP_SECONDS: i64 = 3600;

/// What an application sends to the token endpoint.
#[derive(Debug, Clone, Default)]
pub struct TokenRequest {
    /// How it asks.
    pub grant_type: String,
    /// Who it is.
    pub client_id: Option<String>,
    /// That it is.
    pub client_secret: Option<String>,
    /// An authorization code.
    pub code: Option<String>,
    /// Where the code was sent.
    pub redirect_uri: Option<String>,
    /// What the PKCE challenge was made from.
    pub code_verifier: Option<String>,
    /// A refresh token.
    pub refresh_token: Option<String>,
    /// A device code.
    pub device_code: Option<String>,
    /// Less than was granted.
    pub scope: Option<String>,
    /// A statement of another provider.
    pub subject_token: Option<String>,
    /// What kind of statement that is.
    pub subject_token_type: Option<String>,
    /// What a token is wanted for.
    pub resource: Option<String>,
}

/// What the application gets.
#[derive(Debug, Clone)]
pub struct TokenAnswer {
    /// A token like all others.
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// For the next one.
    pub refresh_token: Option<String>,
    /// What it may do.
    pub scope: String,
    /// Who the person is.
    pub id_token: Option<String>,
    /// Whether it was given for another provider's statement, which the answer must say.
    pub is_exchanged: bool,
}

/// Tokens just made.
pub(super) struct Issued {
    pub access_token: String,
    pub expires_in: i64,
    pub refresh_token: Option<String>,
}

fn need<'a>(value: &'a Option<String>, name: &str) -> Result<&'a str, Refusal> {
    let value = value.as_deref().filter(|v| !v.is_empty());
    let value = value.ok_or_else(|| Refusal::new("invalid_request", format!("The parameter {name} is missing.")))?;
    if value.len() > 4096 {
        return Err(Refusal::new("invalid_request", format!("The parameter {name} is too long.")));
    }
    Ok(value)
}

/// Whether a verifier is what a challenge was made from (RFC 7636, 4.6, S256 only).
fn fits(verifier: &str, challenge: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(allowed)
        && BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) == challenge
}

impl App {
    /// Answers the token endpoint.
    pub async fn exchange_token(&self, request: &TokenRequest) -> Answer<TokenAnswer> {
        match request.grant_type.as_str() {
            "authorization_code" => self.exchange_code(request).await,
            "refresh_token" => self.exchange_refresh(request).await,
            "urn:ietf:params:oauth:grant-type:device_code" => {
                let client = self.require_client(request).await?;
                if !client.device {
                    let words = "This application is not registered for the device flow.";
                    return Err(Refusal::new("unauthorized_client", words).into());
                }
                self.exchange_device_code(&client, need(&request.device_code, "device_code")?).await
            }
            "urn:ietf:params:oauth:grant-type:token-exchange" => self.exchange_statement(request).await,
            "" => Err(Refusal::new("invalid_request", "The parameter grant_type is missing.").into()),
            _ => Err(Refusal::new(
                "unsupported_grant_type",
                "The grant types are authorization_code, refresh_token, and device_code and token-exchange by their long names.",
            )
            .into()),
        }
    }

    /// The application that a request comes from, by its id and, if it has one, its secret.
    pub(super) async fn require_client(&self, request: &TokenRequest) -> Answer<db::Client> {
        let client_id = need(&request.client_id, "client_id")?;
        let client = {
            let mut s = self.db().read().await?;
            db::find_client(&mut s, client_id).await?
        };
        let client = client.ok_or_else(|| Refusal::new("invalid_client", "There is no such application."))?;
        self.authenticate(&client, request)?;
        Ok(client)
    }

    fn authenticate(&self, client: &db::Client, request: &TokenRequest) -> Answer<()> {
        let Some(kept) = &client.secret_hash else { return Ok(()) };
        let now = self.now();
        let attempts = self.attempts();
        attempts.check("client secret", &client.client_id, TRIES_MAX, now)?;
        let sent = secret_hash(request.client_secret.as_deref().unwrap_or(""));
        if verify_slices_are_equal(&sent, kept).is_err() {
            attempts.miss("client secret", &client.client_id, now);
            return Err(Refusal::new("invalid_client", "The secret of the application is missing or wrong.").into());
        }
        Ok(())
    }

    /// The application that a code or refresh token belongs to. One that has no secret need not name itself, but must
    /// not name itself wrongly.
    fn require_owner(&self, owner: &db::Client, request: &TokenRequest) -> Answer<()> {
        if request.client_id.as_deref().is_some_and(|id| id != owner.client_id) {
            return Err(Refusal::new("invalid_grant", "This was issued to another application.").into());
        }
        self.authenticate(owner, request)
    }

    async fn exchange_code(&self, request: &TokenRequest) -> Answer<TokenAnswer> {
        let hash = secret_hash(need(&request.code, "code")?);
        let redirect_uri = need(&request.redirect_uri, "redirect_uri")?;
        let used = || Refusal::new("invalid_grant", "The code is wrong, was used, or has expired.");
        let found = {
            let mut s = self.db().read().await?;
            db::find_code(&mut s, &hash).await?
        };
        let code = found.ok_or_else(used)?;
        let client = &code.client;
        self.require_owner(client, request)?;
        if let Some(grant) = code.grant_id {
            self.end_stolen(grant, "code").await?;
            return Err(used().into());
        }
        if code.expires_at <= self.now() {
            return Err(used().into());
        }
        if code.redirect_uri != redirect_uri {
            return Err(
                Refusal::new("invalid_grant", "The redirect_uri is not the one that the code was sent to.").into()
            );
        }
        match (&code.challenge, request.code_verifier.as_deref()) {
            (Some(challenge), Some(verifier)) if fits(verifier, challenge) => {}
            (None, None) => {}
            (None, Some(_)) => {
                let words = "There is a code_verifier, but the code was asked for without a code_challenge.";
                return Err(Refusal::new("invalid_grant", words).into());
            }
            (Some(_), _) => {
                return Err(Refusal::new("invalid_grant", "The code_verifier does not fit the code_challenge.").into());
            }
        }
        let scopes = Scopes::parse(&code.scope);
        let mut tx = self.db().begin().await?;
        let user = self.granting_user(&mut tx, code.user_id).await?;
        let grant = self.begin_grant(&mut tx, client, &user, &scopes).await?;
        if !db::use_code(&mut tx, &hash, grant.id).await? {
            // Somebody was quicker; one of the two is a thief.
            drop(tx);
            let mut s = self.db().read().await?;
            let winner = db::find_code(&mut s, &hash).await?.and_then(|c| c.grant_id);
            drop(s);
            if let Some(grant) = winner {
                self.end_stolen(grant, "code").await?;
            }
            return Err(used().into());
        }
        let refreshable = scopes.has(Scope::OfflineAccess);
        let issued = self.issue(&mut tx, &grant, client, &user, &scopes, refreshable).await?;
        tx.commit().await?;
        self.answer(issued, client, &user, &scopes, code.nonce).await
    }

    async fn exchange_refresh(&self, request: &TokenRequest) -> Answer<TokenAnswer> {
        let hash = secret_hash(need(&request.refresh_token, "refresh_token")?);
        let ended = || {
            Refusal::new("invalid_grant", "The refresh token is wrong, was used, or has ended. Please sign in again.")
        };
        let found = {
            let mut s = self.db().read().await?;
            match db::find_refresh(&mut s, &hash).await? {
                Some(refresh) => db::find_grant(&mut s, refresh.grant_id).await?.map(|g| (refresh, g)),
                None => None,
            }
        };
        let (refresh, grant) = found.ok_or_else(ended)?;
        let client = &grant.client;
        self.require_owner(client, request)?;
        if refresh.used_at.is_some() {
            self.end_stolen(grant.id, "refresh token").await?;
            return Err(ended().into());
        }
        let now = self.now();
        if refresh.expires_at <= now || grant.revoked_at.is_some() {
            return Err(ended().into());
        }
        let granted = Scopes::parse(&grant.scope);
        let scopes = match request.scope.as_deref().filter(|s| !s.trim().is_empty()) {
            None => granted.clone(),
            Some(less) => Scopes::parse(less),
        };
        if scopes.is_empty() || !scopes.is_subset(&granted) {
            return Err(Refusal::new("invalid_scope", "More was asked for than was granted.").into());
        }
        let mut tx = self.db().begin().await?;
        let user = self.granting_user(&mut tx, grant.user_id).await?;
        if !db::use_refresh(&mut tx, &hash, now).await? {
            drop(tx);
            self.end_stolen(grant.id, "refresh token").await?;
            return Err(ended().into());
        }
        db::shorten_tokens(&mut tx, grant.id, now.plus_seconds(OVERLAP_SECONDS)).await?;
        let issued = self.issue(&mut tx, &grant, client, &user, &scopes, true).await?;
        tx.commit().await?;
        self.answer(issued, client, &user, &scopes, None).await
    }

    /// Puts together what the application gets.
    pub(super) async fn answer(
        &self,
        issued: Issued,
        client: &db::Client,
        user: &User,
        scopes: &Scopes,
        nonce: Option<String>,
    ) -> Answer<TokenAnswer> {
        let id_token = match scopes.has(Scope::OpenId) {
            true => Some(self.id_token(client, user, scopes, nonce.as_deref(), &issued.access_token).await?),
            false => None,
        };
        Ok(TokenAnswer {
            access_token: issued.access_token,
            expires_in: issued.expires_in,
            refresh_token: issued.refresh_token,
            scope: scopes.to_string(),
            id_token,
            is_exchanged: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_fit_as_in_the_rfc() {
        // RFC 7636, appendix B.
        let (verifier, challenge) =
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!(fits(verifier, challenge));
        assert!(!fits(challenge, challenge), "plain is not taken");
        assert!(!fits("short", challenge) && !fits(&"a".repeat(129), challenge) && !fits(&"ä".repeat(30), challenge));
    }
}
