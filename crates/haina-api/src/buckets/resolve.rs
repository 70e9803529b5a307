//! `HEAD` and `GET /buckets/{ns}/{name}/resolve/{path}`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use haina_app::App;
use haina_types::{Code, Error, FilePath, RepoKind, Visibility, XetHash};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::target::Target;
use crate::answer::path as encode_path;
use crate::error::{ErrorBody, Result};
use crate::hub::resolve::{
    X_LINKED_ETAG, X_LINKED_SIZE, asks_file_info, choose_range, file_headers, file_info, matches, respond, value,
    xet_headers,
};
use crate::request::Who;

/// Clients take 64 hexadecimal digits for a SHA-256, which nobody knows here.
fn etag_of(hash: &XetHash) -> String {
    format!("xet-{hash}")
}

/// A file of a bucket: its headers, and with GET its bytes, whole or a range.
#[utoipa::path(get, path = "/buckets/{namespace}/{repo}/resolve/{path}", tag = "buckets", operation_id = "bucket_file",
    params(("namespace" = String, Path), ("repo" = String, Path), ("path" = String, Path),
        ("Range" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", headers(("ETag" = String), ("X-Linked-Size" = u64), ("X-Xet-Hash" = String))),
        (status = 206), (status = 304), (status = 404, body = ErrorBody), (status = 416, body = ErrorBody)))]
pub async fn resolve(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    method: Method,
    asked: HeaderMap,
) -> Result<Response> {
    let access = app.read_bucket(&caller, &target.path(&caller)?).await?;
    let file = app.find_bucket_file(&access, &target.rest).await?;
    let repo = access.repo();
    let etag = etag_of(&file.hash);
    let path: FilePath = file.path.parse().map_err(|e| Error::new(Code::InvalidPath, "A bad path").because(e))?;
    let mut headers = file_headers(&etag, repo.visibility == Visibility::Public, &path)?;
    headers.insert(header::LAST_MODIFIED, value(&file.uploaded_at.http())?);
    headers.insert(X_LINKED_ETAG, value(&format!("\"{etag}\""))?);
    headers.insert(X_LINKED_SIZE, HeaderValue::from(file.bytes));
    let id = encode_path(&repo.path().to_string());
    let route = format!("{}/api/{}/{id}/xet-read-token", app.base_url(), RepoKind::Bucket.plural());
    xet_headers(&mut headers, &file.hash, &route, &app.bucket_cas_url(&access))?;
    if asks_file_info(&asked) {
        return file_info(headers, &file.hash, file.bytes, &etag);
    }
    if matches(&asked, &etag) {
        headers.remove(header::CONTENT_TYPE);
        return respond(StatusCode::NOT_MODIFIED, headers, Body::empty());
    }
    let (status, range) = choose_range(&asked, &mut headers, &etag, file.bytes)?;
    if method == Method::HEAD {
        return respond(status, headers, Body::empty());
    }
    respond(status, headers, Body::from_stream(app.open_bucket_file(&access, &file, range).await?))
}
