//! OpenID Connect: a provider's description, its keys, and its signed statements of who somebody is.

use std::sync::{Arc, PoisonError};

use haina_types::{Code, Error, Result};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::http::{self, faulty};
use super::{Claims, Oidc};
use crate::App;

/// How long a description or a set of keys is good for, in seconds.
const FRESH_SECONDS: i64 = 600;
/// How soon keys are read again for one that is not there, in seconds.
const AGAIN_SECONDS: i64 = 30;
/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 120;
/// Most documents that are kept.
const DOCUMENTS_MAX: usize = 200;
/// By whose private key only the provider can sign; never a shared secret.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Who signed a statement, as it says itself.
pub(crate) fn unverified_issuer(token: &str) -> Option<String> {
    let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).ok()?.claims;
    claims["iss"].as_str().map(str::to_owned)
}

fn not_believed(why: impl std::fmt::Display) -> Error {
    Error::new(Code::Forbidden, "The sign-in provider's statement could not be believed. Please try again.")
        .because(format!("an id token: {why}"))
}

impl App {
    /// A JSON document of a provider, read again when it is older than `seconds`.
    async fn document(&self, url: &str, seconds: i64) -> Result<Arc<Value>> {
        let now = self.now();
        {
            let kept = self.signin().documents.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, value)) = kept.get(url)
                && now.seconds() - at.seconds() < seconds
            {
                return Ok(value.clone());
            }
        }
        let request = self.signin().http.get(http::checked(url)?);
        let value = Arc::new(http::json_ok(request, url).await?);
        let mut kept = self.signin().documents.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= DOCUMENTS_MAX {
            kept.clear();
        }
        kept.insert(url.to_owned(), (now, value.clone()));
        Ok(value)
    }

    async fn description(&self, issuer: &str) -> Result<Arc<Value>> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found = self.document(&url, FRESH_SECONDS).await?;
        // OpenID Connect Discovery, 4.3: the description must be of whom was asked.
        if found["issuer"].as_str() != Some(issuer) {
            return Err(faulty(format!("{url} is the description of {}, not of {issuer}", found["issuer"])));
        }
        Ok(found)
    }

    pub(super) async fn oidc_endpoint(&self, oidc: &Oidc, name: &str) -> Result<String> {
        let description = self.description(&oidc.issuer).await?;
        let place = description[name].as_str().ok_or_else(|| faulty(format!("it has no {name}")))?;
        http::checked(place)?;
        Ok(place.to_owned())
    }

    /// Checks a statement signed by `issuer` for `audience`: signature, who, for whom, when.
    pub(crate) async fn verify_statement(&self, issuer: &str, token: &str, audience: &str) -> Result<Value> {
        if token.len() > 32 << 10 {
            return Err(not_believed("it is too long"));
        }
        let head = jsonwebtoken::decode_header(token).map_err(not_believed)?;
        if !ALGORITHMS.contains(&head.alg) {
            return Err(not_believed(format!("it is signed by {:?}", head.alg)));
        }
        let description = self.description(issuer).await?;
        let place = description["jwks_uri"].as_str().ok_or_else(|| faulty("it has no jwks_uri"))?;
        let mut claims = None;
        for seconds in [FRESH_SECONDS, AGAIN_SECONDS] {
            let keys = self.document(place, seconds).await?;
            let keys: JwkSet = serde_json::from_value((*keys).clone()).map_err(faulty)?;
            let fits = |k: &&jsonwebtoken::jwk::Jwk| head.kid.is_none() || k.common.key_id == head.kid;
            // Without a name each key may be the one; providers have a few.
            let mut candidates = keys.keys.iter().filter(fits).take(20).peekable();
            if candidates.peek().is_none() {
                continue;
            }
            let mut why = None;
            for key in candidates {
                match check_signature(token, head.alg, key) {
                    Ok(found) => claims = Some(found),
                    Err(e) => why = Some(e),
                }
            }
            match (claims.is_some(), why) {
                (false, Some(why)) => return Err(why),
                _ => break,
            }
        }
        let claims = claims.ok_or_else(|| not_believed("no key of the provider fits"))?;
        check_claims(&claims, issuer, audience, self.now().seconds())?;
        Ok(claims)
    }

    pub(super) async fn finish_oidc(&self, oidc: &Oidc, name: &str, state: &str, code: &str) -> Result<Claims> {
        let description = self.description(&oidc.issuer).await?;
        let place = self.oidc_endpoint(oidc, "token_endpoint").await?;
        let methods = description["token_endpoint_auth_methods_supported"].as_array();
        let has = |method: &str| methods.is_some_and(|m| m.iter().any(|v| v.as_str() == Some(method)));
        // Basic is what a provider takes that says nothing (Discovery, 3).
        let basic = methods.is_none() || has("client_secret_basic") || !has("client_secret_post");
        let client = (oidc.client_id.as_str(), oidc.client_secret.as_deref());
        let tokens = self.exchange_at(&place, name, state, code, client, basic).await?;
        let token = tokens["id_token"].as_str().ok_or_else(|| faulty("it gave no id token"))?;
        let mut claims = self.verify_statement(&oidc.issuer, token, &oidc.client_id).await?;
        if claims["nonce"].as_str() != Some(self.way_secrets(name, state).nonce.as_str()) {
            return Err(not_believed("the nonce is not the one that was sent"));
        }
        // Providers may say who in the id token and the rest elsewhere.
        let complete = ["preferred_username", "email", "name"].iter().all(|c| claims[*c].is_string())
            && oidc.groups_claim.as_ref().is_none_or(|c| !claims[c.as_str()].is_null());
        if let (false, Some(place), Some(access)) =
            (complete, description["userinfo_endpoint"].as_str(), tokens["access_token"].as_str())
        {
            let request = self.signin().http.get(http::checked(place)?).bearer_auth(access);
            if let Value::Object(more) = http::json_ok(request, "userinfo").await? {
                if more.get("sub") != claims.get("sub") {
                    return Err(not_believed("userinfo is about somebody else"));
                }
                if let Some(claims) = claims.as_object_mut() {
                    for (key, value) in more {
                        claims.entry(key).or_insert(value);
                    }
                }
            }
        }
        let text = |claim: &str| claims[claim].as_str().map(str::to_owned);
        let groups = oidc.groups_claim.as_ref().map(|claim| {
            let listed = claims[claim.as_str()].as_array().map_or(&[][..], Vec::as_slice);
            listed.iter().filter_map(|g| g.as_str().map(str::to_owned)).collect()
        });
        Ok(Claims {
            subject: text("sub").unwrap_or_default(),
            name: text("preferred_username").or_else(|| text("nickname")),
            full_name: text("name"),
            email: text("email"),
            groups,
        })
    }
}

fn check_signature(token: &str, algorithm: Algorithm, key: &jsonwebtoken::jwk::Jwk) -> Result<Value> {
    if key.common.key_algorithm.is_some_and(|a| a.to_string() != format!("{algorithm:?}")) {
        return Err(not_believed("the key is for another algorithm"));
    }
    let mut rules = Validation::new(algorithm);
    // Who, for whom and when are checked by our own clock below.
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_aud = false;
    let key = DecodingKey::from_jwk(key).map_err(not_believed)?;
    jsonwebtoken::decode::<Value>(token, &key, &rules).map(|t| t.claims).map_err(not_believed)
}

/// OpenID Connect Core, 3.1.3.7.
fn check_claims(claims: &Value, issuer: &str, audience: &str, now: i64) -> Result<()> {
    if claims["iss"].as_str() != Some(issuer) {
        return Err(not_believed(format!("it is of {}", claims["iss"])));
    }
    let for_us = match &claims["aud"] {
        Value::String(one) => one == audience,
        Value::Array(many) => {
            many.iter().any(|a| a.as_str() == Some(audience))
                && (many.len() == 1 || claims["azp"].as_str() == Some(audience))
        }
        _ => false,
    };
    if !for_us || claims["azp"].as_str().is_some_and(|azp| azp != audience) {
        return Err(not_believed(format!("it is for {}", claims["aud"])));
    }
    let at = |claim: &str| claims[claim].as_f64().map(|t| t as i64);
    if at("exp").is_none_or(|end| end + LEEWAY < now) {
        return Err(not_believed("it has ended"));
    }
    if at("iat").is_some_and(|begin| begin - LEEWAY > now) || at("nbf").is_some_and(|begin| begin - LEEWAY > now) {
        return Err(not_believed("it has not begun"));
    }
    if claims["sub"].as_str().is_none_or(str::is_empty) {
        return Err(not_believed("it names nobody"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statements_are_of_whom_and_for_whom_and_now() {
        let good = json!({"iss": "https://idp", "aud": "hub", "exp": 2000, "iat": 1000, "sub": "1"});
        let with = |change: Value| {
            let mut claims = good.clone();
            let (Some(claims_map), Value::Object(change)) = (claims.as_object_mut(), change) else { unreachable!() };
            claims_map.extend(change);
            check_claims(&claims, "https://idp", "hub", 1500).is_ok()
        };
        assert!(with(json!({})));
        assert!(with(json!({"aud": ["hub"]})));
        assert!(with(json!({"aud": ["hub", "other"], "azp": "hub"})));
        for bad in [
            json!({"iss": "https://idp/"}),
            json!({"iss": null}),
            json!({"aud": "other"}),
            json!({"aud": null}),
            json!({"aud": []}),
            json!({"aud": ["hub", "other"]}),
            json!({"azp": "other"}),
            json!({"exp": 1000}),
            json!({"exp": null}),
            json!({"exp": "2000"}),
            json!({"iat": 9000}),
            json!({"nbf": 9000}),
            json!({"sub": ""}),
            json!({"sub": 7}),
        ] {
            assert!(!with(bad.clone()), "{bad}");
        }
    }
}
