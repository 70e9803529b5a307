//! Bodies of requests, perhaps compressed.

use std::io::Read;

use axum::body::Body;
use bytes::Bytes;
use haina_types::{Code, Error, Result};
use http::{HeaderMap, header};

use crate::request::read_body;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// `gzip`
    Gzip,
}

/// What a request says of its body; `None` for what is not understood here.
pub fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    match headers.get(header::CONTENT_ENCODING).map(http::HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Some(Encoding::Plain),
        Some(b"gzip" | b"x-gzip") => Some(Encoding::Gzip),
        Some(_) => None,
    }
}

/// Reads a whole body, of which at most `bytes_max` may be left when it is inflated.
pub async fn read(encoding: Encoding, body: Body, bytes_max: usize) -> Result<Bytes> {
    let raw = read_body(body, bytes_max).await?;
    if encoding == Encoding::Plain {
        return Ok(raw);
    }
    let inflate = move || {
        let mut out = Vec::new();
        let limit = bytes_max as u64 + 1;
        let outcome = flate2::read::GzDecoder::new(raw.as_ref()).take(limit).read_to_end(&mut out);
        match outcome {
            Ok(_) if out.len() > bytes_max => {
                Err(Error::new(Code::TooLarge, format!("The request body may have at most {bytes_max} bytes.")))
            }
            Ok(_) => Ok(Bytes::from(out)),
            Err(e) => Err(Error::invalid("The request body is not valid gzip.").because(e)),
        }
    };
    tokio::task::spawn_blocking(inflate).await.map_err(Error::internal)?
}
