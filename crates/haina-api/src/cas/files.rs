//! `HEAD /v1/files/{hash}`

use axum::extract::State;
use axum::response::Response;
use haina_app::App;

use super::access::{Hash, Reads};
use super::xorbs::length_only;
use crate::error::{ErrorBody, Result};

/// The size of a file.
#[utoipa::path(head, path = "/xet/{store}/{domain}/v1/files/{hash}", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("hash" = String, Path)),
    responses((status = 200, description = "Its size is in Content-Length"), (status = 404, body = ErrorBody)))]
pub async fn size(State(app): State<App>, Reads(access): Reads, Hash(file): Hash) -> Result<Response> {
    Ok(length_only(app.cas_file_size(&access, &file).await?))
}
