//! Sending people to a provider and taking them back: what OpenID Connect and plain OAuth 2 have in common.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use haina_types::{Code, Error, Result};
use reqwest::Url;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::http::{self, faulty};
use super::{Arrival, Claims, Kind, OAuth2};
use crate::App;

/// Characters of a state: 256 bits.
const STATE_CHARS: usize = 43;

/// Somebody is about to be sent to a provider.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where to.
    pub address: String,
    /// What their browser must bring back.
    pub state: String,
}

/// The secrets of one way to a provider and back. They follow from the state and the hub's own key, so nothing is kept;
/// the state is bound to the browser by its cookie.
pub(super) struct Secrets {
    pub verifier: String,
    pub nonce: String,
}

impl App {
    pub(super) fn way_secrets(&self, provider: &str, state: &str) -> Secrets {
        let derive = |what: &str| {
            let bytes = self.oauth().derive(what, &format!("{provider}\0{state}"));
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        };
        Secrets { verifier: derive("sign-in verifier"), nonce: derive("sign-in nonce") }
    }

    pub(super) fn way_back(&self, provider: &str) -> String {
        format!("{}/login/callback/{provider}", self.base_url())
    }

    /// Where to send somebody who wants to come by a provider.
    pub async fn begin_provider(&self, name: &str) -> Result<Begun> {
        let name = name.to_ascii_lowercase();
        let (_, provider) = self.provider(&name).await?;
        let state = self.rng().alphanumeric(STATE_CHARS);
        let secrets = self.way_secrets(&name, &state);
        let (address, client_id, scopes, nonce) = match &provider.kind {
            Kind::Oidc(oidc) => {
                let place = self.oidc_endpoint(oidc, "authorization_endpoint").await?;
                (place, &oidc.client_id, &oidc.scopes, Some(secrets.nonce))
            }
            Kind::OAuth2(oauth) => (oauth.authorize_url.clone(), &oauth.client_id, &oauth.scopes, None),
            Kind::Ldap(_) => return Err(Error::invalid("This provider takes a name and a password.")),
        };
        let mut address = Url::parse(&address).map_err(faulty)?;
        {
            let mut query = address.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", client_id)
                .append_pair("redirect_uri", &self.way_back(&name))
                .append_pair("scope", scopes)
                .append_pair("state", &state)
                .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(secrets.verifier)))
                .append_pair("code_challenge_method", "S256");
            if let Some(nonce) = &nonce {
                query.append_pair("nonce", nonce);
            }
        }
        Ok(Begun { address: address.into(), state })
    }

    /// Takes back somebody whom a provider sent: `code` and `iss` as they stand in the address. That the state is the
    /// one of this browser, the door has seen.
    pub async fn finish_provider(&self, name: &str, state: &str, code: &str, issuer: Option<&str>) -> Result<Arrival> {
        let name = name.to_ascii_lowercase();
        let (id, provider) = self.provider(&name).await?;
        if code.is_empty() || code.len() > 4096 {
            return Err(Error::new(Code::Forbidden, "The sign-in provider sent no usable code."));
        }
        let _turn = self.signin().asking.acquire().await.map_err(Error::internal)?;
        let claims = match &provider.kind {
            Kind::Oidc(oidc) => {
                // RFC 9207: an answer of another provider is not for this one.
                if issuer.is_some_and(|i| i.trim_end_matches('/') != oidc.issuer.trim_end_matches('/')) {
                    return Err(Error::new(Code::Forbidden, "The answer came from another provider than was asked."));
                }
                self.finish_oidc(oidc, &name, state, code).await?
            }
            Kind::OAuth2(oauth) => self.finish_oauth2(oauth, &name, state, code).await?,
            Kind::Ldap(_) => return Err(Error::invalid("This provider takes a name and a password.")),
        };
        self.arrive(id, &name, &provider, claims.checked()?).await
    }

    /// Exchanges a code at a provider.
    pub(super) async fn exchange_at(
        &self,
        token_url: &str,
        name: &str,
        state: &str,
        code: &str,
        (client_id, client_secret): (&str, Option<&str>),
        basic: bool,
    ) -> Result<Value> {
        let secrets = self.way_secrets(name, state);
        let back = self.way_back(name);
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", back.as_str()),
            ("code_verifier", secrets.verifier.as_str()),
        ];
        let mut request = self.signin().http.post(http::checked(token_url)?);
        match client_secret {
            Some(secret) if basic => {
                let encode = |t: &str| form_urlencoded::byte_serialize(t.as_bytes()).collect::<String>();
                request = request.basic_auth(encode(client_id), Some(encode(secret)));
            }
            secret => {
                pairs.push(("client_id", client_id));
                if let Some(secret) = secret {
                    pairs.push(("client_secret", secret));
                }
            }
        }
        http::json_ok(http::form(request, &pairs), "the exchange of a code").await
    }

    async fn finish_oauth2(&self, oauth: &OAuth2, name: &str, state: &str, code: &str) -> Result<Claims> {
        let client = (oauth.client_id.as_str(), oauth.client_secret.as_deref());
        let tokens = self.exchange_at(&oauth.token_url, name, state, code, client, false).await?;
        // GitHub says 200 to a wrong code too.
        let access = tokens["access_token"].as_str().ok_or_else(|| faulty("it gave no access token"))?;
        let request = self.signin().http.get(http::checked(&oauth.userinfo_url)?).bearer_auth(access);
        let info = http::json_ok(request, "the description of a person").await?;
        let text = |field: &str| match &info[field] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Ok(Claims {
            subject: text(&oauth.subject_field).unwrap_or_default(),
            name: text(&oauth.name_field),
            full_name: text("name"),
            email: text("email"),
            groups: None,
        })
    }
}
