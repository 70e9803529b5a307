//! `GET /v1/chunks/{prefix}/{hash}`: is this chunk stored already?

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_types::{Code, Error};
use http::{HeaderValue, header};

use super::access::{Hash, Prefix, Reads};
use crate::error::{ApiError, ErrorBody, Result};

/// Where a chunk is stored: a shard with keyed chunk hashes.
#[utoipa::path(get, path = "/xet/{store}/{domain}/v1/chunks/{prefix}/{hash}", tag = "content",
    params(
        ("store" = String, Path), ("domain" = String, Path), ("hash" = String, Path),
        ("prefix" = String, Path, description = "`default` or `default-merkledb`")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 404, body = ErrorBody, description = "Not stored, or not to be told")))]
pub async fn find(
    State(app): State<App>,
    Reads(access): Reads,
    Prefix(prefix): Prefix,
    Hash(chunk): Hash,
) -> Result<Response> {
    let known = matches!(prefix.as_str(), "default" | "default-merkledb");
    let shard = if known { app.find_dedup(&access, &chunk).await } else { None };
    let shard = shard.ok_or_else(|| ApiError(Error::new(Code::NotFound, "No such chunk here.")))?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))], shard).into_response())
}
