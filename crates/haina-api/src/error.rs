//! Errors as clients read them: a status, a JSON body, and the same in headers, since a HEAD answer has no body.

use axum::Json;
use axum::response::{IntoResponse, Response};
use haina_types::{Code, Error};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// Names the error for clients: `RepoNotFound` and its kin.
pub const X_ERROR_CODE: &str = "x-error-code";
/// The message again, in ASCII.
pub const X_ERROR_MESSAGE: &str = "x-error-message";
/// The commit that an answer was made from.
pub const X_REPO_COMMIT: &str = "x-repo-commit";

/// An application error on its way out.
#[derive(Debug)]
pub struct ApiError(pub Error);

/// The result of every handler.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;

/// The body of every error.
#[derive(Debug, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// What happened and what to do next.
    pub error: String,
    /// Of a conflict: the address of what exists already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl From<Error> for ApiError {
    fn from(e: Error) -> Self {
        Self(e)
    }
}

/// The status for a code.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::BadCredentials | Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::GatedRepo | Code::Disabled => StatusCode::FORBIDDEN,
        Code::RepoNotFound | Code::RevisionNotFound | Code::EntryNotFound | Code::NotFound => StatusCode::NOT_FOUND,
        Code::Conflict => StatusCode::CONFLICT,
        Code::Stale => StatusCode::PRECONDITION_FAILED,
        Code::Invalid => StatusCode::BAD_REQUEST,
        Code::InvalidPath => StatusCode::UNPROCESSABLE_ENTITY,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The names that clients know; other errors carry none.
fn client_code(code: Code) -> Option<&'static str> {
    match code {
        Code::RepoNotFound => Some("RepoNotFound"),
        Code::RevisionNotFound => Some("RevisionNotFound"),
        Code::EntryNotFound => Some("EntryNotFound"),
        Code::GatedRepo => Some("GatedRepo"),
        _ => None,
    }
}

/// A header value of the printable ASCII of `text`; the rest becomes `?`.
fn ascii(text: &str) -> Option<HeaderValue> {
    let text: String = text.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).take(1000).collect();
    HeaderValue::from_str(&text).ok()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let ApiError(e) = self;
        let status = status(e.code);
        if status.is_server_error() && e.code != Code::Unsupported {
            tracing::error!(code = e.code.key(), cause = %e.chain(), "request failed");
        }
        let url = (e.code == Code::Conflict).then(|| e.detail.clone()).flatten();
        let mut response = (status, Json(ErrorBody { error: e.message.clone(), url })).into_response();
        let headers = response.headers_mut();
        if let Some(code) = client_code(e.code) {
            headers.insert(X_ERROR_CODE, HeaderValue::from_static(code));
        }
        if let Some(message) = ascii(&e.message) {
            headers.insert(X_ERROR_MESSAGE, message);
        }
        if let Some(commit) = e.commit.and_then(|c| HeaderValue::from_str(&c.to_string()).ok()) {
            headers.insert(X_REPO_COMMIT, commit);
        }
        if let Some(rate) = &e.rate {
            crate::rates::tell(headers, rate);
        }
        if e.code == Code::RangeNotSatisfiable
            && let Some(size) = e.detail.and_then(|size| HeaderValue::from_str(&format!("bytes */{size}")).ok())
        {
            headers.insert(header::CONTENT_RANGE, size);
        }
        response
    }
}
