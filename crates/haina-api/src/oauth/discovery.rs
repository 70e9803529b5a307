//! `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server`, `/oauth/jwks`

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use haina_app::App;
use haina_app::oauth::Scope;
use http::{HeaderValue, header};
use serde_json::{Value, json};

use crate::error::Result;

fn metadata(base: &str) -> Value {
    let at = |path: &str| format!("{base}{path}");
    let authentication = ["none", "client_secret_basic", "client_secret_post"];
    json!({
        "issuer": base,
        "authorization_endpoint": at("/oauth/authorize"),
        "token_endpoint": at("/oauth/token"),
        "device_authorization_endpoint": at("/oauth/device"),
        "userinfo_endpoint": at("/oauth/userinfo"),
        "revocation_endpoint": at("/oauth/revoke"),
        "jwks_uri": at("/oauth/jwks"),
        "scopes_supported": Scope::ALL.map(Scope::as_str),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported":
            [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": authentication,
        "revocation_endpoint_auth_methods_supported": authentication,
        "authorization_response_iss_parameter_supported": true,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "prompt_values_supported": ["none", "consent"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "nonce", "at_hash",
            "name", "preferred_username", "profile", "picture", "email", "email_verified", "orgs",
        ],
        "ui_locales_supported": ["zh-Hans", "zh-Hant", "en"],
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    })
}

fn cached(value: Value) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))], Json(value))
}

/// What this hub offers as a provider of OpenID Connect.
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "sign-in", responses((status = 200, body = serde_json::Value)))]
pub async fn configuration(State(app): State<App>) -> impl IntoResponse {
    cached(metadata(app.base_url()))
}

/// The same under the name that OAuth 2 gives it (RFC 8414).
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "sign-in", responses((status = 200, body = serde_json::Value)))]
pub async fn authorization_server(State(app): State<App>) -> impl IntoResponse {
    cached(metadata(app.base_url()))
}

/// The public keys that id tokens are checked with (RFC 7517).
#[utoipa::path(get, path = "/oauth/jwks", tag = "sign-in", responses((status = 200, body = serde_json::Value)))]
pub async fn jwks(State(app): State<App>) -> Result<impl IntoResponse> {
    let key = |k: haina_app::oauth::Jwk| json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": k.kid, "n": k.n, "e": k.e});
    let keys: Vec<Value> = app.jwks().await?.into_iter().map(key).collect();
    Ok(cached(json!({"keys": keys})))
}
