//! `GET /xet/{store}/fetch/{hash}?grant=…`: signed ranges of a xorb.

use std::ops::Range;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use haina_app::App;
use haina_app::content::{ByteStream, Fetch};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::access::{Hash, Store};
use super::range::ranges;
use crate::error::{ErrorBody, Result};
use crate::request::Query;

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// Parts cannot contain it by chance in any lifetime, and clients go by lengths anyway.
const BOUNDARY: &str = "haina-7Qm2vKxW9rTzL4bNcYd8";

fn content_range(range: &Range<u64>, total: u64) -> String {
    // Ranges that were allowed are not empty.
    format!("bytes {}-{}/{total}", range.start, range.end - 1)
}

/// Several ranges as `multipart/byteranges` (RFC 9110, 14.6): its length, and its bytes.
fn multipart(fetch: &Fetch) -> (u64, ByteStream) {
    let mut len = 0;
    let mut pieces: Vec<ByteStream> = Vec::new();
    let text = |text: String, pieces: &mut Vec<ByteStream>| {
        pieces.push(Box::pin(stream::once(async { Ok(Bytes::from(text)) })));
    };
    for range in fetch.ranges() {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Type: application/octet-stream\r\nContent-Range: {}\r\n\r\n",
            content_range(range, fetch.total())
        );
        len += head.len() as u64 + (range.end - range.start) + 2;
        text(head, &mut pieces);
        pieces.push(fetch.stream(range.clone()));
        text("\r\n".to_owned(), &mut pieces);
    }
    let tail = format!("--{BOUNDARY}--\r\n");
    len += tail.len() as u64;
    text(tail, &mut pieces);
    (len, Box::pin(stream::iter(pieces).flatten()))
}

/// Bytes of a xorb that a reconstruction gave the address of.
#[utoipa::path(get, path = "/xet/{store}/fetch/{hash}", tag = "content",
    params(("store" = String, Path), ("hash" = String, Path), ("grant" = String, Query)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>, description = "The whole xorb"),
        (status = 206, content_type = "application/octet-stream", body = Vec<u8>),
        (status = 403, body = ErrorBody, description = "The address is too old, or was not made for this range")))]
pub async fn fetch(
    State(app): State<App>,
    Store(store): Store,
    Hash(hash): Hash,
    query: Query,
    headers: HeaderMap,
) -> Result<Response> {
    let asked = ranges(&headers)?;
    let fetch = app.open_fetch(&store, &hash, query.get("grant").unwrap_or(""), asked.as_deref()).await?;
    let (status, kind, range, len, bytes) = match fetch.ranges() {
        [all] if asked.is_none() => (StatusCode::OK, BYTES, None, all.end - all.start, fetch.stream(all.clone())),
        [one] => {
            let range = content_range(one, fetch.total());
            (StatusCode::PARTIAL_CONTENT, BYTES, Some(range), one.end - one.start, fetch.stream(one.clone()))
        }
        _ => {
            let (len, bytes) = multipart(&fetch);
            let kind = HeaderValue::from_str(&format!("multipart/byteranges; boundary={BOUNDARY}")).unwrap_or(BYTES);
            (StatusCode::PARTIAL_CONTENT, kind, None, len, bytes)
        }
    };
    let mut response = (status, Body::from_stream(bytes)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600, immutable"));
    if let Some(range) = range.and_then(|r| HeaderValue::from_str(&r).ok()) {
        headers.insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}
