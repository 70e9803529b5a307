//! Who asks, as the store's tokens say, and what about.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use haina_app::App;
use haina_app::content::{CasAddress, CasRead, CasWrite};
use haina_types::{Error, XetHash};
use http::header;

use crate::error::ApiError;

/// The right to read through the store.
pub struct Reads(pub CasRead);

/// The right to write through the store.
pub struct Writes(pub CasWrite);

/// The hash at the end of the path.
pub struct Hash(pub XetHash);

/// The segment of the path that names the store.
pub struct Store(pub String);

/// The segment before a hash.
pub struct Prefix(pub String);

async fn params(parts: &mut Parts, app: &App) -> Result<RawPathParams, ApiError> {
    RawPathParams::from_request_parts(parts, app)
        .await
        .map_err(|e| ApiError(Error::invalid("The path is not valid UTF-8.").because(e)))
}

fn param<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

fn bearer(parts: &Parts) -> Option<&str> {
    let text = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

impl FromRequestParts<App> for Reads {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let at = CasAddress { store: param(&params, "store"), domain: param(&params, "domain") };
        Ok(Self(app.cas_read(at, bearer(parts))?))
    }
}

impl FromRequestParts<App> for Writes {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        let at = CasAddress { store: param(&params, "store"), domain: param(&params, "domain") };
        Ok(Self(app.cas_write(at, bearer(parts))?))
    }
}

impl FromRequestParts<App> for Hash {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let params = params(parts, app).await?;
        Ok(Self(parse_hash(param(&params, "hash"))?))
    }
}

macro_rules! segment {
    ($type:ident, $name:literal) => {
        impl FromRequestParts<App> for $type {
            type Rejection = ApiError;

            async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
                Ok(Self(param(&params(parts, app).await?, $name).to_owned()))
            }
        }
    };
}
segment!(Store, "store");
segment!(Prefix, "prefix");

/// A hash of the protocol.
pub fn parse_hash(text: &str) -> Result<XetHash, ApiError> {
    text.parse().map_err(|e| ApiError(Error::invalid("A hash has 64 hexadecimal digits.").because(e)))
}
