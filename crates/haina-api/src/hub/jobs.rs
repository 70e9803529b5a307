//! `/api/jobs/…`, `/api/scheduled-jobs/…`: a hub without machines runs no jobs, and says so to every verb.

use axum::response::{IntoResponse, Response};
use haina_types::{Code, Error};
use http::HeaderValue;

use super::spaces::Drained;
use crate::error::{ApiError, X_ERROR_CODE};
use crate::request::Who;

/// That there are none, in the form in which clients read errors.
pub async fn none(_: Who, _: Drained) -> Response {
    let words = "This hub has no machines to run jobs on, so it has no jobs and no hardware for them.";
    let mut response = ApiError(Error::new(Code::NotFound, words)).into_response();
    response.headers_mut().insert(X_ERROR_CODE, HeaderValue::from_static("JobsNotOffered"));
    response
}
