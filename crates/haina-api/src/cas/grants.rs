//! `POST /v1/xorb-grants/…`: direct uploads, which are not offered.

use axum::body::Body;

use super::body::drain;
use crate::error::{ApiError, ErrorBody};

/// Asks for another place to upload a xorb to: there is none, and clients then send it here.
#[utoipa::path(post, path = "/xet/{store}/{domain}/v1/xorb-grants/{prefix}/{hash}", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("prefix" = String, Path), ("hash" = String, Path)),
    responses((status = 404, body = ErrorBody, description = "Not offered; upload the xorb itself")))]
pub async fn request(body: Body) -> ApiError {
    // Every upload of a xorb begins with this: the connection must stay usable for it.
    drain(&mut body.into_data_stream(), 64 << 10).await;
    super::not_found()
}
