//! `POST /oauth/revoke`

use axum::extract::State;
use haina_app::App;
use haina_app::oauth::{Refusal, TokenRequest};

use super::form::Form;
use super::{OAuthError, RefusalBody};

/// Ends an access token, or with a refresh token all that was issued with it (RFC 7009).
#[utoipa::path(post, path = "/oauth/revoke", tag = "sign-in",
    request_body(content_type = "application/x-www-form-urlencoded", description = "`token` and who the application is"),
    responses((status = 200), (status = 400, body = RefusalBody), (status = 401, body = RefusalBody)))]
pub async fn revoke(State(app): State<App>, mut form: Form) -> Result<(), OAuthError> {
    let token = form.take("token");
    let token = token.ok_or_else(|| Refusal::new("invalid_request", "The parameter token is missing."))?;
    Ok(app.revoke_by_application(&TokenRequest::from(&mut form), &token).await?)
}
