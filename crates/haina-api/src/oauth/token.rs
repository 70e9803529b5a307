//! `POST /oauth/token`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::oauth::TokenRequest;
use serde::Serialize;

use super::form::Form;
use super::{OAuthError, RefusalBody, secret};

/// An access token and what belongs to it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Token {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
    /// Of an exchange of another provider's statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// Exchanges a code, a device code, a refresh token or a job's statement for an access token (RFC 6749, 7636, 8628, 8693).
#[utoipa::path(post, path = "/oauth/token", tag = "sign-in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "`grant_type` and what it needs; the application's secret here or in a Basic header"),
    responses((status = 200, body = Token), (status = 400, body = RefusalBody), (status = 401, body = RefusalBody)))]
pub async fn token(State(app): State<App>, mut form: Form) -> Result<Response, OAuthError> {
    let answer = app.exchange_token(&TokenRequest::from(&mut form)).await?;
    let body = Token {
        access_token: answer.access_token,
        token_type: "bearer",
        expires_in: answer.expires_in,
        refresh_token: answer.refresh_token,
        scope: answer.scope,
        issued_token_type: answer.is_exchanged.then_some("urn:ietf:params:oauth:token-type:access_token"),
        id_token: answer.id_token,
    };
    let mut response = Json(body).into_response();
    secret(response.headers_mut());
    Ok(response)
}
