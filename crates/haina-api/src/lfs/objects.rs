//! `/api/lfs/objects/{oid}`: transfers by addresses that a batch gave. No credential is needed, and none is looked at.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body as HttpBody, BodyDataStream};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use haina_app::App;
use haina_app::content::ByteStream;
use haina_app::lfs::DonePart;
use haina_types::{Code, Error, Result as TypesResult};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::answer::{Lfs, LfsError};
use crate::cas::body;
use crate::error::Result;
use crate::hub::resolve::{Asked, parse_range};
use crate::request::{Body, Query};

/// Most bytes of a refused body that are read and dropped, so that the client hears why.
const DRAIN_BYTES_MAX: u64 = 64 << 20;

fn grant(query: &Query) -> &str {
    query.get("grant").unwrap_or("")
}

fn value(text: &str) -> Result<HeaderValue> {
    Ok(HeaderValue::from_str(text).map_err(Error::internal)?)
}

/// Fetches an object, whole or a range.
#[utoipa::path(get, path = "/api/lfs/objects/{oid}", tag = "lfs", operation_id = "lfs_object_download",
    params(("oid" = String, Path), ("grant" = String, Query), ("Range" = Option<String>, Header)),
    responses((status = 200, description = "Done", content_type = "application/octet-stream", body = Vec<u8>), (status = 206, description = "The range", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 403, body = LfsError, description = "The address is too old, or for something else"),
        (status = 404, description = "Not there, or not to be known", body = LfsError), (status = 416, description = "Past the end", body = LfsError)))]
pub async fn download(
    State(app): State<App>,
    Path(oid): Path<String>,
    query: Query,
    method: Method,
    asked: HeaderMap,
) -> Result<Response> {
    let object = app.lfs_get_address(&oid, grant(&query)).await?;
    let size = object.size;
    let range = match parse_range(asked.get(header::RANGE), size) {
        Asked::All => None,
        Asked::Part(range) => Some(range),
        Asked::Nothing => {
            let error = Error::new(
                Code::RangeNotSatisfiable,
                format!("The object has {size} bytes: the range lies past its end."),
            );
            return Err(error.with_detail(size.to_string()).into());
        }
    };
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ETAG, value(&format!("\"{oid}\""))?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    let (status, length) = match &range {
        None => (StatusCode::OK, size),
        Some(range) => {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes {}-{}/{size}", range.start, range.end - 1))?);
            (StatusCode::PARTIAL_CONTENT, range.end - range.start)
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if method == Method::HEAD {
        return Ok((status, headers).into_response());
    }
    if range.as_ref().is_none_or(|r| r.start == 0) {
        object.count();
    }
    let bytes = object.open(range).await?;
    Ok((status, headers, HttpBody::from_stream(bytes)).into_response())
}

/// A body on its way in, of which a hand is kept on what is not read.
struct Upload {
    declared: Option<u64>,
    stream: Arc<Mutex<BodyDataStream>>,
}

impl Upload {
    fn new(headers: &HeaderMap, body: HttpBody) -> Self {
        let declared = headers.get(header::CONTENT_LENGTH).and_then(|n| n.to_str().ok()?.parse().ok());
        Self { declared, stream: Arc::new(Mutex::new(body.into_data_stream())) }
    }

    fn bytes(&self) -> ByteStream {
        let body = self.stream.clone();
        let pieces = stream::poll_fn(move |cx| body.lock().unwrap_or_else(PoisonError::into_inner).poll_next_unpin(cx));
        Box::pin(pieces.map(|piece| {
            let broke = "The body broke off, so nothing was kept. Please send it again.";
            piece.map_err(|e| Error::invalid(broke).because(e))
        }))
    }

    /// If the upload was refused, what is left of the body is read and dropped, within limits: a client that is cut
    /// off while it sends never hears the reason.
    async fn end<T>(self, outcome: TypesResult<T>) -> Result<T> {
        if outcome.is_err()
            && self.declared.is_none_or(|n| n <= DRAIN_BYTES_MAX)
            && let Some(stream) = Arc::into_inner(self.stream)
        {
            let mut stream = stream.into_inner().unwrap_or_else(PoisonError::into_inner);
            body::drain(&mut stream, DRAIN_BYTES_MAX).await;
        }
        Ok(outcome?)
    }
}

/// Sends an object whole. Nothing is kept unless it is what its id says.
#[utoipa::path(put, path = "/api/lfs/objects/{oid}", tag = "lfs", operation_id = "lfs_object_upload",
    params(("oid" = String, Path), ("grant" = String, Query)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "Done"), (status = 400, body = LfsError, description = "Not what its id or size says"), (status = 403, description = "Not allowed", body = LfsError)))]
pub async fn upload(
    State(app): State<App>,
    Path(oid): Path<String>,
    query: Query,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<StatusCode> {
    let upload = Upload::new(&headers, body);
    let outcome = match app.lfs_put_address(&oid, grant(&query)).await {
        Ok(to) => app.lfs_put(&to, upload.declared, upload.bytes()).await,
        Err(e) => Err(e),
    };
    upload.end(outcome).await?;
    Ok(StatusCode::OK)
}

/// Sends a part of an object. The answer's `ETag` names it in the list that completes the upload.
#[utoipa::path(put, path = "/api/lfs/objects/{oid}/parts/{number}", tag = "lfs", operation_id = "lfs_object_upload_part",
    params(("oid" = String, Path), ("number" = u32, Path), ("grant" = String, Query)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "Done", headers(("ETag" = String))), (status = 400, description = "A value is wrong", body = LfsError), (status = 403, description = "Not allowed", body = LfsError)))]
pub async fn upload_part(
    State(app): State<App>,
    Path((oid, number)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
    body: HttpBody,
) -> Result<Response> {
    let upload = Upload::new(&headers, body);
    let outcome = match app.lfs_part_address(&oid, &number, grant(&query)).await {
        Ok(to) => app.lfs_put_part(&to, upload.declared, upload.bytes()).await,
        Err(e) => Err(e),
    };
    let etag = upload.end(outcome).await?;
    Ok((StatusCode::OK, [(header::ETAG, value(&format!("\"{etag}\""))?)]).into_response())
}

/// The parts that were sent.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct Complete {
    oid: String,
    parts: Vec<CompletePart>,
}

/// One of them.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CompletePart {
    part_number: u32,
    /// As the answer to its PUT had it.
    etag: String,
}

/// Nothing more to say.
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Done {}

/// Puts an object together from its parts.
#[utoipa::path(post, path = "/api/lfs/objects/{oid}/complete", tag = "lfs", operation_id = "lfs_object_complete", request_body = Complete,
    params(("oid" = String, Path), ("grant" = String, Query)),
    responses((status = 200, description = "Done", body = Done), (status = 400, body = LfsError, description = "A part is missing, or the whole is not what its id says"),
        (status = 403, description = "Not allowed", body = LfsError)))]
pub async fn complete(
    State(app): State<App>,
    Path(oid): Path<String>,
    query: Query,
    Body(said): Body<Complete>,
) -> Result<Lfs<Done>> {
    let to = app.lfs_complete_address(&oid, grant(&query)).await?;
    let parts = said.parts.into_iter().map(|p| {
        let etag = p.etag.strip_prefix("W/").unwrap_or(&p.etag).trim_matches('"').to_owned();
        DonePart { number: p.part_number, etag }
    });
    app.lfs_complete(&to, &said.oid, parts.collect()).await?;
    Ok(Lfs(StatusCode::OK, Done {}))
}

/// What was sent.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct Verify {
    oid: String,
    size: u64,
}

/// Asks whether an object came.
#[utoipa::path(post, path = "/api/lfs/objects/{oid}/verify", tag = "lfs", operation_id = "lfs_object_verify", request_body = Verify,
    params(("oid" = String, Path), ("grant" = String, Query)),
    responses((status = 200, description = "Done", body = Done), (status = 403, description = "Not allowed", body = LfsError), (status = 404, description = "Not there, or not to be known", body = LfsError)))]
pub async fn verify(
    State(app): State<App>,
    Path(oid): Path<String>,
    query: Query,
    Body(said): Body<Verify>,
) -> Result<Lfs<Done>> {
    app.lfs_verify(&oid, grant(&query), (&said.oid, said.size)).await?;
    Ok(Lfs(StatusCode::OK, Done {}))
}
