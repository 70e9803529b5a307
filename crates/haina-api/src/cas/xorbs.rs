//! `POST` and `HEAD /v1/xorbs/default/{hash}`: xorbs come in.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::content::XORB_BODY_BYTES_MAX;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;

use super::access::{Hash, Reads, Writes};
use super::body;
use crate::error::{ErrorBody, Result};

/// What became of a xorb.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct XorbUploaded {
    /// Whether it was new to the repository's namespace.
    was_inserted: bool,
}

/// Uploads a xorb: frames back to back. Every frame is decoded and hashed before the answer.
#[utoipa::path(post, path = "/xet/{store}/{domain}/v1/xorbs/default/{hash}", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("hash" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = XorbUploaded),
        (status = 400, body = ErrorBody, description = "Not what its hash says, or malformed"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 413, body = ErrorBody)))]
pub async fn upload(
    State(app): State<App>,
    access: Result<Writes>,
    hash: Result<Hash>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<XorbUploaded>> {
    let was_inserted = body::upload(&headers, body, XORB_BODY_BYTES_MAX, async |declared, body| {
        let (Writes(access), Hash(hash)) = (access.map_err(|e| e.0)?, hash.map_err(|e| e.0)?);
        app.store_xorb(&access, &hash, declared, body).await
    })
    .await?;
    Ok(Json(XorbUploaded { was_inserted }))
}

/// The serialized length of a xorb.
#[utoipa::path(head, path = "/xet/{store}/{domain}/v1/xorbs/default/{hash}", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path), ("hash" = String, Path)),
    responses((status = 200, description = "Its length is in Content-Length"), (status = 404, body = ErrorBody)))]
pub async fn size(State(app): State<App>, Reads(access): Reads, Hash(hash): Hash) -> Result<Response> {
    let size = app.cas_xorb_size(&access, &hash).await?;
    Ok(length_only(size))
}

/// The answer to a HEAD request.
pub fn length_only(bytes: u64) -> Response {
    ([(header::CONTENT_LENGTH, HeaderValue::from(bytes))], ()).into_response()
}
