//! Answers as LFS clients read them.

use axum::Json;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::error::{ErrorBody, X_ERROR_CODE};
use crate::trace::RequestId;

const LFS_AUTHENTICATE: HeaderName = HeaderName::from_static("lfs-authenticate");
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.git-lfs+json");
/// Most bytes of an error on its way out.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// JSON under LFS' own media type.
pub struct Lfs<T>(pub StatusCode, pub T);

impl<T: Serialize> IntoResponse for Lfs<T> {
    fn into_response(self) -> Response {
        let mut response = (self.0, Json(self.1)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, MEDIA_TYPE);
        response
    }
}

/// The body of every error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LfsError {
    /// What happened and what to do next.
    pub message: String,
    /// The same as the header `X-Request-Id`.
    pub request_id: String,
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes().starts_with(b"application/json"))
}

/// Puts errors into the shape that LFS clients show, and asks for a credential in the way that they understand.
pub async fn speak_lfs(request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().map_or_else(String::new, |id| id.0.clone());
    let anonymous = !request.headers().contains_key(header::AUTHORIZATION);
    let response = next.run(request).await;
    let mut status = response.status();
    // A lock that is in the way says more than an error does.
    let said = response.headers().get(header::CONTENT_TYPE).is_some_and(|t| *t == MEDIA_TYPE);
    if said || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let message = match is_json(&parts.headers) {
        true => axum::body::to_bytes(body, ERROR_BYTES_MAX).await.ok(),
        false => None,
    };
    let message = message.and_then(|bytes| serde_json::from_slice::<ErrorBody>(&bytes).ok()).map(|body| body.error);
    let message = message.unwrap_or_else(|| match status {
        StatusCode::METHOD_NOT_ALLOWED => "This address does not take this method.".to_owned(),
        _ => status.canonical_reason().unwrap_or("The request was refused.").to_owned(),
    });
    let code = parts.headers.get(X_ERROR_CODE).map(http::HeaderValue::as_bytes);
    if anonymous && matches!(code, Some(b"RepoNotFound" | b"GatedRepo")) {
        status = StatusCode::UNAUTHORIZED;
    }
    if status == StatusCode::UNAUTHORIZED {
        let basic = HeaderValue::from_static("Basic realm=\"Haina\"");
        parts.headers.insert(header::WWW_AUTHENTICATE, basic.clone());
        parts.headers.insert(LFS_AUTHENTICATE, basic);
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
    parts.status = status;
    let body = LfsError { message, request_id: id };
    Response::from_parts(parts, Body::from(serde_json::to_vec(&body).unwrap_or_default()))
}
