//! The authorization endpoint: an application asks, its person agrees, a code travels back.

use haina_db::oauth as db;
use haina_types::{Error, Result};
use reqwest::Url;
use serde_json::json;

use super::apps::{URI_BYTES_MAX, is_loopback};
use super::{Refusal, Scopes};
use crate::people::secret_hash;
use crate::{App, Caller};

/// How long a code works, in seconds.
const CODE_SECONDS: i64 = 60;
/// Longest `state` and `nonce`, in bytes.
const ECHO_BYTES_MAX: usize = 4000;

/// What an application asks, as it stands in the address.
#[derive(Debug, Clone, Default)]
pub struct AuthorizeRequest {
    /// Who asks.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Must be `code`.
    pub response_type: String,
    /// Must be `query`, or absent.
    pub response_mode: String,
    /// What it wants.
    pub scope: String,
    /// Returned as it is.
    pub state: String,
    /// Put into the id token.
    pub nonce: String,
    /// The PKCE challenge.
    pub code_challenge: String,
    /// Must be `S256`.
    pub code_challenge_method: String,
    /// `none` shows nothing.
    pub prompt: String,
    /// Not offered.
    pub request: String,
    /// Not offered.
    pub request_uri: String,
}

/// What the person is asked.
#[derive(Debug, Clone)]
pub struct Consent {
    /// The application's name.
    pub application: String,
    /// The user who registered it; nobody if the operator did.
    pub owner: Option<String>,
    /// What it wants.
    pub scopes: Scopes,
    /// The place that the answer goes to, for people.
    pub destination: String,
    /// The same as browsers compare it: a scheme and a host.
    pub origin: String,
}

/// What to do about a request.
#[derive(Debug, Clone)]
pub enum Authorize {
    /// Ask the person, once they are signed in.
    Ask(Consent),
    /// Send the browser back at once: the request is wrong in a way that its application is told.
    Back(String),
}

/// A request that may be answered at its address.
struct Checked {
    client: db::Client,
    scopes: Scopes,
    challenge: Option<String>,
}

/// Compares addresses to the letter; on the same machine any port will do (RFC 8252, 7.3).
fn is_registered(registered: &[String], asked: &str) -> bool {
    if registered.iter().any(|r| r == asked) {
        return true;
    }
    let without_port = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let is_address = is_loopback(&url) && url.host_str() != Some("localhost");
        (url.scheme() == "http" && is_address && url.set_port(None).is_ok()).then(|| url.to_string())
    };
    let plain = asked.bytes().all(|b| b.is_ascii_graphic()) && !asked.contains(['#', '@', '\\']);
    plain
        && without_port(asked).is_some_and(|asked| registered.iter().any(|r| without_port(r).as_ref() == Some(&asked)))
}

/// An address with more in its query.
fn with_pairs(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(key, value);
    }
    format!("{uri}{}{}", if uri.contains('?') { "&" } else { "?" }, query.finish())
}

impl AuthorizeRequest {
    /// The address that tells the application no.
    fn refused(&self, refusal: &Refusal, issuer: &str) -> String {
        let pairs = [
            ("error", refusal.code),
            ("error_description", &refusal.description),
            ("state", &self.state),
            ("iss", issuer),
        ];
        with_pairs(&self.redirect_uri, &pairs)
    }

    fn check(&self, client: &db::Client) -> std::result::Result<(Scopes, Option<String>), Refusal> {
        let refuse = |code, words: &str| Err(Refusal::new(code, words));
        if !self.request.is_empty() {
            return refuse("request_not_supported", "Request objects are not offered.");
        }
        if !self.request_uri.is_empty() {
            return refuse("request_uri_not_supported", "Request objects are not offered.");
        }
        match self.response_type.as_str() {
            "code" => {}
            "" => return refuse("invalid_request", "The parameter response_type is missing."),
            _ => return refuse("unsupported_response_type", "The only response_type is code."),
        }
        if !matches!(self.response_mode.as_str(), "" | "query") {
            return refuse("invalid_request", "The only response_mode is query.");
        }
        if self.nonce.len() > ECHO_BYTES_MAX {
            return refuse("invalid_request", "The nonce is too long.");
        }
        let challenge = match (self.code_challenge.as_str(), self.code_challenge_method.as_str()) {
            ("", "") if client.secret_hash.is_some() => None,
            ("", "") => {
                return refuse("invalid_request", "An application without a secret needs a code_challenge (PKCE).");
            }
            (challenge, "S256") => {
                let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
                if challenge.len() != 43 || !challenge.bytes().all(allowed) {
                    return refuse(
                        "invalid_request",
                        "The code_challenge is not a SHA-256 in base64url without padding.",
                    );
                }
                Some(challenge.to_owned())
            }
            _ => return refuse("invalid_request", "The only code_challenge_method is S256."),
        };
        let asked = if self.scope.trim().is_empty() { &client.scope } else { &self.scope };
        let scopes = Scopes::parse(asked);
        if scopes.is_empty() {
            return refuse("invalid_scope", "None of these scopes exists here.");
        }
        Ok((scopes, challenge))
    }
}

impl App {
    /// Whether the request may be answered at its address at all; if not, the person sees the error and no
    /// application does.
    async fn check_authorize(&self, request: &AuthorizeRequest) -> Result<std::result::Result<Checked, String>> {
        let client = {
            let mut s = self.db().read().await?;
            db::find_client(&mut s, &request.client_id).await?
        };
        let client = client.ok_or_else(|| {
            Error::invalid("The application that sent you here is not registered on this hub (unknown client_id).")
        })?;
        let uri = &request.redirect_uri;
        if uri.len() > URI_BYTES_MAX || !is_registered(&client.redirect_uris, uri) {
            return Err(Error::invalid(
                "The application that sent you here asks to be answered at an address that is not registered (redirect_uri).",
            ));
        }
        if request.state.len() > ECHO_BYTES_MAX {
            return Err(Error::invalid(format!("The state has at most {ECHO_BYTES_MAX} bytes.")));
        }
        Ok(match request.check(&client) {
            Ok((scopes, challenge)) => Ok(Checked { client, scopes, challenge }),
            Err(refusal) => Err(request.refused(&refusal, self.base_url())),
        })
    }

    /// An application asks.
    pub async fn authorize(&self, caller: &Caller, request: &AuthorizeRequest) -> Result<Authorize> {
        let checked = match self.check_authorize(request).await? {
            Ok(checked) => checked,
            Err(back) => return Ok(Authorize::Back(back)),
        };
        if request.prompt.split_ascii_whitespace().any(|word| word == "none") {
            // Consent is asked for each time, so nothing can be done without showing a page.
            let refusal = if caller.is_anonymous() {
                Refusal::new("login_required", "The person is not signed in.")
            } else {
                Refusal::new("consent_required", "The person must be asked.")
            };
            return Ok(Authorize::Back(request.refused(&refusal, self.base_url())));
        }
        let owner = match checked.client.owner_id {
            None => None,
            Some(id) => {
                let mut s = self.db().read().await?;
                haina_db::people::find_namespace_by_id(&mut s, id).await?.map(|n| n.name.to_string())
            }
        };
        let url = Url::parse(&request.redirect_uri).map_err(Error::internal)?;
        let origin = match url.origin() {
            origin if origin.is_tuple() => origin.ascii_serialization(),
            _ => format!("{}:", url.scheme()),
        };
        Ok(Authorize::Ask(Consent {
            application: checked.client.name,
            owner,
            scopes: checked.scopes,
            destination: url.host_str().map_or_else(|| origin.clone(), str::to_owned),
            origin,
        }))
    }

    /// The person answers: where to send the browser.
    pub async fn consent(
        &self,
        caller: &Caller,
        request: &AuthorizeRequest,
        approve: bool,
        reading_only: bool,
    ) -> Result<String> {
        let user = caller.require_person()?;
        let checked = match self.check_authorize(request).await? {
            Ok(checked) => checked,
            Err(back) => return Ok(back),
        };
        if !approve {
            let refusal = Refusal::new("access_denied", "The person said no.");
            return Ok(request.refused(&refusal, self.base_url()));
        }
        let scopes = if reading_only { checked.scopes.reading_only() } else { checked.scopes };
        let code = self.rng().alphanumeric(43);
        let now = self.now();
        let scope = scopes.to_string();
        let new = db::NewCode {
            hash: &secret_hash(&code),
            client_id: checked.client.id,
            user_id: user.id,
            redirect_uri: &request.redirect_uri,
            scope: &scope,
            challenge: checked.challenge.as_deref(),
            nonce: Some(request.nonce.as_str()).filter(|n| !n.is_empty()),
            created_at: now,
            expires_at: now.plus_seconds(CODE_SECONDS),
        };
        let mut tx = self.db().begin().await?;
        db::insert_code(&mut tx, &new).await?;
        let data = json!({"application": checked.client.client_id, "scope": scope});
        self.append(&mut tx, Some(user.id), "oauth.consent", None, Some(user.id), data).await?;
        tx.commit().await?;
        let pairs = [("code", code.as_str()), ("state", request.state.as_str()), ("iss", self.base_url())];
        Ok(with_pairs(&request.redirect_uri, &pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_compared_to_the_letter() {
        let registered = [
            "https://app.example/cb".to_owned(),
            "http://127.0.0.1/cb".to_owned(),
            "http://localhost:8000/cb".to_owned(),
        ];
        for good in ["https://app.example/cb", "http://127.0.0.1:5000/cb", "http://localhost:8000/cb"] {
            assert!(is_registered(&registered, good), "{good}");
        }
        for bad in [
            "https://app.example/cb/",
            "https://app.example/cb?x",
            "https://app.example/CB",
            "https://app.example.evil.example/cb",
            "https://app.example@evil.example/cb",
            "https://app.example:8443/cb",
            "http://app.example/cb",
            "http://127.0.0.1:5000/other",
            "http://127.0.0.1:5000@evil.example/cb",
            "http://127.0.0.1:5000\\@evil.example/cb",
            "http://localhost:9000/cb",
            "",
        ] {
            assert!(!is_registered(&registered, bad), "{bad}");
        }
    }

    #[test]
    fn an_address_keeps_its_query() {
        assert_eq!(
            with_pairs("https://a/?x=1", &[("code", "c"), ("state", "{\"a\"}")]),
            "https://a/?x=1&code=c&state=%7B%22a%22%7D"
        );
        assert_eq!(with_pairs("org.example:/a", &[("error", "no"), ("state", "")]), "org.example:/a?error=no");
    }
}
