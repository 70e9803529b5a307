//! Bodies of uploads.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use http::{HeaderMap, header};

use crate::error::ApiError;

/// What a request says of its body's length.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Runs an upload over a body and its declared length. If it is refused, the rest is read and dropped, unless more
/// than `bytes_max` was declared: a client that is cut off while it sends sees a broken connection, tries again for
/// minutes, and never hears the reason.
pub async fn upload<T>(
    headers: &HeaderMap,
    body: Body,
    bytes_max: u64,
    use_body: impl AsyncFnOnce(Option<u64>, &mut BodyDataStream) -> Result<T, haina_types::Error>,
) -> Result<T, ApiError> {
    let declared = declared(headers);
    let mut stream = body.into_data_stream();
    let outcome = use_body(declared, &mut stream).await;
    if outcome.is_err() && declared.is_none_or(|n| n <= bytes_max) {
        drain(&mut stream, bytes_max).await;
    }
    outcome.map_err(ApiError)
}

/// Reads a body and drops it, up to `bytes_max`, and not for long.
pub async fn drain(stream: &mut BodyDataStream, bytes_max: u64) {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
    let all = async {
        let mut left = bytes_max;
        while let Some(Ok(piece)) = stream.next().await {
            match left.checked_sub(piece.len() as u64) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whatever is left unread closes the connection.
    let _ = tokio::time::timeout(PATIENCE, all).await;
}
