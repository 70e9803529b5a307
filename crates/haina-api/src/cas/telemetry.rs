//! `POST /v1/telemetry`: reports of transfers, accepted and dropped. Clients send them to the origin's root, whatever
//! the path of the store's address.

use axum::body::Body;
use http::StatusCode;

use super::body::drain;

const BODY_BYTES_MAX: u64 = 1 << 20;

/// Reports of transfers.
#[utoipa::path(post, path = "/v1/telemetry", tag = "content", responses((status = 200)))]
pub async fn at_root(body: Body) -> StatusCode {
    drain(&mut body.into_data_stream(), BODY_BYTES_MAX).await;
    StatusCode::OK
}

/// The same at the store's own address.
#[utoipa::path(post, path = "/xet/{store}/{domain}/v1/telemetry", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path)), responses((status = 200)))]
pub async fn at_store(body: Body) -> StatusCode {
    at_root(body).await
}
