//! `/oauth/userinfo`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use http::{HeaderValue, header};

use super::secret;
use crate::error::{ApiError, ErrorBody, Result};
use crate::request::Who;

async fn answer(app: &App, caller: &haina_app::Caller) -> Response {
    let mut response = match app.userinfo(caller).await {
        Ok(info) => Json(info.to_json(app.base_url())).into_response(),
        Err(e) => {
            let mut response = ApiError(e).into_response();
            // RFC 6750, 3: what a client library looks for.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer scope=\"openid\""));
            response
        }
    };
    secret(response.headers_mut());
    response
}

/// Who the person behind an access token is, as far as its scopes tell (OpenID Connect Core, 5.3).
#[utoipa::path(get, path = "/oauth/userinfo", tag = "sign-in",
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn userinfo(State(app): State<App>, Who(caller): Who) -> Result<Response> {
    Ok(answer(&app, &caller).await)
}

/// The same by POST, which OpenID Connect wants too.
#[utoipa::path(post, path = "/oauth/userinfo", tag = "sign-in",
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn userinfo_post(State(app): State<App>, Who(caller): Who) -> Result<Response> {
    Ok(answer(&app, &caller).await)
}
