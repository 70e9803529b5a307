//! `GET /v2/reconstructions/{hash}` and its older kin: how to put files together.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use haina_app::App;
use haina_app::content::{BATCH_FILES_MAX, Batch, Reconstruction, Version};
use haina_types::{Error, XetHash};
use http::HeaderMap;
use serde::Deserialize;

use super::access::{Hash, Reads, parse_hash};
use super::range::range;
use crate::error::{ApiError, ErrorBody, Result};
use crate::request::{Query, read_body};

/// The whole-file reconstructions that one request asks for, in bytes of its body.
const BATCH_BODY_BYTES_MAX: usize = 64 << 10;

/// How to put a file, or the window that `Range` names, together.
#[utoipa::path(get, path = "/xet/{store}/{domain}/v2/reconstructions/{hash}", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("hash" = String, Path)),
    responses(
        (status = 200, body = serde_json::Value, description = "`offset_into_first_range`, `terms`, `xorbs`"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 416, body = ErrorBody, description = "The window begins after the end of the file")))]
pub async fn v2(
    State(app): State<App>,
    Reads(access): Reads,
    Hash(file): Hash,
    headers: HeaderMap,
) -> Result<Json<Reconstruction>> {
    Ok(Json(app.reconstruct(&access, &file, range(&headers)?, Version::V2).await?))
}

/// The same in the older form.
#[utoipa::path(get, path = "/xet/{store}/{domain}/v1/reconstructions/{hash}", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("hash" = String, Path)),
    responses(
        (status = 200, body = serde_json::Value, description = "`offset_into_first_range`, `terms`, `fetch_info`"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 416, body = ErrorBody, description = "The window begins after the end of the file")))]
pub async fn v1(
    State(app): State<App>,
    Reads(access): Reads,
    Hash(file): Hash,
    headers: HeaderMap,
) -> Result<Json<Reconstruction>> {
    Ok(Json(app.reconstruct(&access, &file, range(&headers)?, Version::V1).await?))
}

async fn batch(app: &App, access: &Reads, ids: Vec<String>) -> Result<Json<Batch>> {
    if ids.len() > BATCH_FILES_MAX {
        return Err(
            Error::new(haina_types::Code::TooLarge, format!("At most {BATCH_FILES_MAX} files at a time.")).into()
        );
    }
    let files = ids.iter().map(|id| parse_hash(id)).collect::<Result<Vec<XetHash>>>()?;
    Ok(Json(app.reconstruct_batch(&access.0, &files).await?))
}

/// How to put several whole files together, by repeated `file_id`.
#[utoipa::path(get, path = "/xet/{store}/{domain}/v1/reconstructions", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("file_id" = Vec<String>, Query)),
    responses(
        (status = 200, body = serde_json::Value, description = "`files`, `fetch_info`"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn batch_by_query(State(app): State<App>, access: Reads, query: Query) -> Result<Json<Batch>> {
    batch(&app, &access, query.all("file_id")).await
}

/// A file, as a request names it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct FileKey {
    /// `default`.
    #[serde(rename = "prefix")]
    _prefix: Option<String>,
    /// Its id.
    hash: String,
}

/// How to put several whole files together.
#[utoipa::path(post, path = "/xet/{store}/{domain}/v1/reconstructions", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path)), request_body = Vec<FileKey>,
    responses(
        (status = 200, body = serde_json::Value, description = "`files`, `fetch_info`"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn batch_by_body(State(app): State<App>, access: Reads, body: Body) -> Result<Json<Batch>> {
    let bytes = read_body(body, BATCH_BODY_BYTES_MAX).await?;
    let keys: Vec<FileKey> = serde_json::from_slice(&bytes)
        .map_err(|e| ApiError(Error::invalid(format!("The body is not the JSON expected here: {e}"))))?;
    batch(&app, &access, keys.into_iter().map(|k| k.hash).collect()).await
}
