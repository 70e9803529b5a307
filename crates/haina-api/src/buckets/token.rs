//! `GET /api/buckets/{ns}/{name}/xet-read-token` and `…/xet-write-token`

use axum::extract::State;
use axum::response::Response;
use haina_app::App;

use super::target::Target;
use crate::error::{ErrorBody, Result};
use crate::hub::xet_token::{XetToken, answer};
use crate::request::Who;

/// A token to read a bucket's files from the content store.
#[utoipa::path(get, path = "/api/buckets/{namespace}/{repo}/xet-read-token", tag = "buckets", operation_id = "bucket_read_token",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = XetToken), (status = 404, body = ErrorBody)))]
pub async fn read(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Response> {
    let access = app.read_bucket(&caller, &target.path(&caller)?).await?;
    answer(app.bucket_read_grant(&access))
}

/// A token to upload files to a bucket.
#[utoipa::path(get, path = "/api/buckets/{namespace}/{repo}/xet-write-token", tag = "buckets", operation_id = "bucket_write_token",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = XetToken), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn write(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Response> {
    let access = app.write_bucket(&caller, &target.path(&caller)?).await?;
    answer(app.bucket_write_grant(&access).await?)
}
