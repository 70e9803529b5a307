//! `POST /oauth/device`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::oauth::Refusal;
use http::{HeaderMap, header};
use serde::Serialize;

use super::form::Form;
use super::{OAuthError, RefusalBody, secret};

/// What the machine shows, and what it asks with.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    expires_in: i64,
    interval: i64,
}

/// A machine without a browser wants to sign in (RFC 8628): its person types the short code at the address.
#[utoipa::path(post, path = "/oauth/device", tag = "sign-in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "`client_id`, and `scope` if it wants something in particular"),
    responses((status = 200, body = Started), (status = 400, body = RefusalBody), (status = 401, body = RefusalBody)))]
pub async fn begin(State(app): State<App>, headers: HeaderMap, mut form: Form) -> Result<Response, OAuthError> {
    let client = form.take("client_id");
    let client = client.ok_or_else(|| Refusal::new("invalid_request", "The parameter client_id is missing."))?;
    let scope = form.take("scope").unwrap_or_default();
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or("");
    let started = app.begin_device(&client, &scope, agent).await?;
    let body = Started {
        device_code: started.device_code,
        user_code: started.user_code,
        verification_uri: started.verification_uri,
        verification_uri_complete: started.verification_uri_complete,
        expires_in: started.expires_in,
        interval: started.interval,
    };
    let mut response = Json(body).into_response();
    secret(response.headers_mut());
    Ok(response)
}
