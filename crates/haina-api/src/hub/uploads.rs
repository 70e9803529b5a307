//! `POST /uploads`, and what it made: pictures, sounds and films for comments.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use haina_app::App;
use haina_types::{Code, Error};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::resolve::{Asked, parse_range};
use crate::error::Result;
use crate::request::Who;

fn value(text: &str) -> Result<HeaderValue> {
    Ok(HeaderValue::from_str(text).map_err(Error::internal)?)
}

/// Keeps a picture, sound or film; its address, as text.
#[utoipa::path(post, path = "/uploads", tag = "discussions", operation_id = "upload_attachment",
    request_body(content = Vec<u8>, content_type = "image/png"),
    responses((status = 200, body = String), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody),
        (status = 413, body = crate::error::ErrorBody), (status = 429, body = crate::error::ErrorBody)))]
pub async fn upload(State(app): State<App>, Who(caller): Who, request: Request) -> Result<Response> {
    let declared = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let declared = declared.to_owned();
    let body = request.into_body().into_data_stream();
    let body = body.map(|piece| piece.map_err(|e| Error::invalid("The request body ended early.").because(e)));
    Ok(app.attach(&caller, &declared, Box::pin(body)).await?.into_response())
}

/// Shows a picture, sound or film. Whoever knows its address may see it.
#[utoipa::path(get, path = "/uploads/{name}", tag = "discussions", operation_id = "attachment",
    params(("name" = String, Path), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "image/png"), (status = 206), (status = 404, body = crate::error::ErrorBody), (status = 416, body = crate::error::ErrorBody)))]
pub async fn show(
    State(app): State<App>,
    Path(name): Path<String>,
    method: Method,
    asked: HeaderMap,
) -> Result<Response> {
    let attached = app.attachment(&name).await?;
    let size = attached.bytes;
    let mut headers = HeaderMap::with_capacity(10);
    headers.insert(header::CONTENT_TYPE, value(&attached.media_type)?);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let (status, range) = match parse_range(asked.get(header::RANGE), size) {
        Asked::All => (StatusCode::OK, 0..size),
        Asked::Part(range) => {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes {}-{}/{size}", range.start, range.end - 1))?);
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Asked::Nothing => {
            let error = Error::new(Code::RangeNotSatisfiable, format!("The upload has {size} bytes."));
            return Err(error.with_detail(size.to_string()).into());
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if method == Method::HEAD {
        return Ok((status, headers).into_response());
    }
    // Read in pieces, so that few bytes are in memory for each who looks.
    let pieces = range.clone().step_by(PIECE_BYTES as usize).map(move |at| at..(at + PIECE_BYTES).min(range.end));
    let stream = futures_util::stream::iter(pieces).then(move |piece| {
        let (app, attached) = (app.clone(), attached.clone());
        async move { app.read_attachment(&attached, piece).await }
    });
    Ok((status, headers, Body::from_stream(stream)).into_response())
}

/// Bytes that are read at once.
const PIECE_BYTES: u64 = 256 << 10;
