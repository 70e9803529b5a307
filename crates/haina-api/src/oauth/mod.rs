//! The doors for applications: device flow, tokens, who the person is, and the description of all that. What people
//! see of it (consent, codes) are pages.

mod device;
mod discovery;
mod form;
mod revoke;
mod token;
mod userinfo;

use axum::Json;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::oauth::{Failure, Refusal};
use haina_types::Code;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;

/// Every route for applications.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(device::begin))
        .routes(routes!(token::token))
        .routes(routes!(revoke::revoke))
        .routes(routes!(userinfo::userinfo, userinfo::userinfo_post))
        .routes(routes!(discovery::configuration))
        .routes(routes!(discovery::authorization_server))
        .routes(routes!(discovery::jwks))
}

/// Why an application gets no answer, on its way out.
pub struct OAuthError(Failure);

impl<E: Into<Failure>> From<E> for OAuthError {
    fn from(e: E) -> Self {
        Self(e.into())
    }
}

/// The body of a refusal (RFC 6749, 5.2).
#[derive(Serialize, utoipa::ToSchema)]
pub struct RefusalBody {
    /// `invalid_grant` and its kin.
    error: &'static str,
    /// For the developer.
    error_description: String,
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let refusal = match self.0 {
            Failure::Refused(refusal) => refusal,
            Failure::Failed(e) if matches!(e.code, Code::Invalid | Code::TooLarge) => {
                Refusal::new("invalid_request", e.message)
            }
            Failure::Failed(e) => return ApiError(e).into_response(),
        };
        let status = if refusal.code == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        let body = RefusalBody { error: refusal.code, error_description: refusal.description };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth\""));
        }
        secret(headers);
        response
    }
}

/// No cache keeps an answer with secrets in it.
fn secret(headers: &mut http::HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
