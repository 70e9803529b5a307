//! Access tokens and signed byte ranges: BLAKE3 keyed MACs over a fixed binary layout, in URL-safe base64.

use std::ops::Range;

use haina_types::{Timestamp, XetHash};

/// Seconds that a token is accepted after its expiry: clients refresh by their own clock, and a 401 is fatal to them.
pub const TOKEN_GRACE_SECONDS: i64 = 600;

/// What a bearer of the content store may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The repository.
    pub repo_id: i64,
    /// Who asked for the token, if not anonymous.
    pub user_id: Option<i64>,
    /// The dedup domain.
    pub domain: i64,
    /// Whether uploads are allowed.
    pub write: bool,
    /// Expiry, in seconds since the epoch.
    pub expires: i64,
}

/// One byte range of one xorb in one layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchGrant {
    /// The xorb.
    pub xorb: XetHash,
    /// How its bytes are laid out in the answer.
    pub layout: u8,
    /// Which object of it.
    pub generation: u64,
    /// The bytes, end-exclusive.
    pub bytes: Range<u32>,
    /// Expiry, in seconds since the epoch.
    pub expires: i64,
}

/// Why a token or grant was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not ours, or changed.
    #[error("the signature is wrong")]
    Signature,
    /// Too old.
    #[error("it has expired")]
    Expired,
    /// The asked bytes are not inside the signed ones.
    #[error("the range is outside the signed one")]
    OutsideRange,
}

/// Signs with its first key, accepts all: put a new key in front and keep the old one until what it signed has
/// expired.
pub struct Signer {}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// With the newest key first. `None` without any key.
    pub fn new(keys: &[[u8; 32]]) -> Option<Self> {
        (!keys.is_empty()).then_some(Self {})
    }

    /// The text of a token: letters, digits, `-` and `_`.
    pub fn token(&self, token: &AccessToken) -> String {
        let _ = token;
        todo!()
    }

    /// Checks the text of a token; accepted until [`TOKEN_GRACE_SECONDS`] after its expiry.
    pub fn verify_token(&self, text: &str, now: Timestamp) -> Result<AccessToken, SignError> {
        let _ = (text, now);
        todo!()
    }

    /// The text of a grant, to be put into a URL: letters, digits, `-` and `_`.
    pub fn grant(&self, grant: &FetchGrant) -> String {
        let _ = grant;
        todo!()
    }

    /// Checks the text of a grant.
    pub fn verify_grant(&self, text: &str, now: Timestamp) -> Result<FetchGrant, SignError> {
        let _ = (text, now);
        todo!()
    }
}

impl FetchGrant {
    /// The asked bytes (`None` for all of the grant, end-exclusive) if they lie inside the signed ones. A request
    /// that ends after them is refused, not cut: clients ask exactly for what they were given.
    pub fn narrow(&self, asked: Option<Range<u64>>) -> Result<Range<u64>, SignError> {
        let _ = asked;
        todo!()
    }
}
