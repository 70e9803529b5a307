//! Bodies of uploads.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use http::{HeaderMap, header};

use crate::error::ApiError;

/// What a request says of its body's length.
pub fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Runs an upload over a body. If it is refused, the rest is read and dropped, up to `bytes_max`: a client that is
/// cut off while it sends sees a broken connection, tries again for minutes, and never hears the reason.
pub async fn upload<T>(
    body: Body,
    bytes_max: u64,
    use_body: impl AsyncFnOnce(&mut BodyDataStream) -> Result<T, haina_types::Error>,
) -> Result<T, ApiError> {
    let mut stream = body.into_data_stream();
    let outcome = use_body(&mut stream).await;
    if outcome.is_err() {
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
