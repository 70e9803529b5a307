//! What applications send: a form, or JSON as the Hub's client does, with the secret in it or in a Basic header.

use axum::extract::{FromRequest, Request};
use base64::Engine;
use haina_app::oauth::{Failure, Refusal, TokenRequest};
use http::{HeaderMap, header};

use super::OAuthError;
use crate::request::read_body;

/// Most bytes of a body: the longest thing in it is a signed statement of a few thousand.
const BYTES_MAX: usize = 64 << 10;
/// Most parameters.
const PAIRS_MAX: usize = 100;

/// Parameters, each at most once.
pub struct Form(Vec<(String, String)>);

fn refused(words: impl Into<String>) -> OAuthError {
    OAuthError(Failure::Refused(Refusal::new("invalid_request", words)))
}

impl Form {
    /// A parameter that is there and not empty.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let found = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.swap_remove(found).1).filter(|v| !v.is_empty())
    }
}

/// The application's id and secret of a Basic header, form-encoded inside (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = base64::engine::general_purpose::STANDARD.decode(rest.trim()).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decode = |text: &str| {
        let plain = text.replace('+', " ");
        percent_encoding::percent_decode_str(&plain).decode_utf8().ok().map(|t| t.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

/// Reads the parameters of a request; those of a Basic header count as if they stood in the body.
async fn read(request: Request) -> Result<Form, OAuthError> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let bytes = read_body(body, BYTES_MAX).await?;
    let mut pairs: Vec<(String, String)> = match kind.as_str() {
        "application/json" => {
            let map: serde_json::Map<String, serde_json::Value> =
                serde_json::from_slice(&bytes).map_err(|e| refused(format!("The body is no JSON object: {e}")))?;
            let mut pairs = Vec::new();
            for (key, value) in map {
                match value {
                    serde_json::Value::String(value) => pairs.push((key, value)),
                    serde_json::Value::Null => {}
                    _ => return Err(refused(format!("The parameter {key} must be text."))),
                }
            }
            pairs
        }
        "application/x-www-form-urlencoded" | "" => form_urlencoded::parse(&bytes).into_owned().collect(),
        _ => return Err(refused("The body must be application/x-www-form-urlencoded.")),
    };
    if pairs.len() > PAIRS_MAX {
        return Err(refused(format!("There are at most {PAIRS_MAX} parameters.")));
    }
    pairs.sort_unstable();
    if let Some(twice) = pairs.windows(2).find(|w| w[0].0 == w[1].0) {
        return Err(refused(format!("The parameter {} is there twice.", twice[0].0)));
    }
    if let Some((id, secret)) = basic(&parts.headers) {
        let differs = |name: &str, value: &str| pairs.iter().any(|(k, v)| k == name && v != value);
        if differs("client_id", &id) || differs("client_secret", &secret) {
            return Err(refused("The application names itself twice, and differently."));
        }
        pairs.retain(|(k, _)| k != "client_id" && k != "client_secret");
        pairs.push(("client_id".into(), id));
        if !secret.is_empty() {
            pairs.push(("client_secret".into(), secret));
        }
    }
    Ok(Form(pairs))
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = OAuthError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, OAuthError> {
        read(request).await
    }
}

impl From<&mut Form> for TokenRequest {
    fn from(form: &mut Form) -> Self {
        Self {
            grant_type: form.take("grant_type").unwrap_or_default(),
            client_id: form.take("client_id"),
            client_secret: form.take("client_secret"),
            code: form.take("code"),
            redirect_uri: form.take("redirect_uri"),
            code_verifier: form.take("code_verifier"),
            refresh_token: form.take("refresh_token"),
            device_code: form.take("device_code"),
            scope: form.take("scope"),
            subject_token: form.take("subject_token"),
            subject_token_type: form.take("subject_token_type"),
            resource: form.take("resource"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(kind: &str, basic: Option<&str>, body: &str) -> Request {
        let mut request = Request::post("/oauth/token").header(header::CONTENT_TYPE, kind);
        if let Some(pair) = basic {
            let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
            request = request.header(header::AUTHORIZATION, value);
        }
        request.body(axum::body::Body::from(body.to_owned())).unwrap()
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn forms_json_and_basic_say_the_same() {
        for (kind, pair, body) in [
            (FORM, None, "client_id=a%20b&client_secret=c"),
            ("application/json", None, "{\"client_id\": \"a b\", \"client_secret\": \"c\"}"),
            (FORM, Some("a+b:c"), ""),
            (FORM, Some("a%20b:c"), "client_id=a+b"),
        ] {
            let mut form = read(request(kind, pair, body)).await.ok().unwrap();
            assert_eq!(form.take("client_id").as_deref(), Some("a b"), "{body}");
            assert_eq!(form.take("client_secret").as_deref(), Some("c"), "{body}");
        }
    }

    #[tokio::test]
    async fn nothing_is_there_twice() {
        for (kind, pair, body) in [
            (FORM, None, "code=a&code=b"),
            (FORM, Some("a:b"), "client_id=c"),
            ("application/json", None, "{\"code\": [1]}"),
            ("application/json", None, "[]"),
            ("text/plain", None, "code=a"),
        ] {
            assert!(read(request(kind, pair, body)).await.is_err(), "{body}");
        }
    }
}
