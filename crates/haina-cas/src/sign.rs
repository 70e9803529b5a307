//! Access tokens and signed byte ranges: BLAKE3 keyed MACs over a fixed binary layout, in URL-safe base64.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    /// Whether they are for a proposal, so that nothing that the bearer says of content is taken for granted.
    pub proposed: bool,
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
pub struct Signer {
    keys: Vec<Keys>,
}

/// One secret, as two keys, so that a token can never pass for a grant.
struct Keys {
    token: [u8; 32],
    grant: [u8; 32],
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({} keys)", self.keys.len())
    }
}

const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
const TOKEN_BYTES: usize = 34;
const GRANT_BYTES: usize = 58;
const FLAG_WRITE: u8 = 1;
const FLAG_USER: u8 = 2;
const FLAG_PROPOSED: u8 = 4;

/// `version | payload | mac` in base64.
fn seal(key: &[u8; 32], mut payload: Vec<u8>) -> String {
    let mac = blake3::keyed_hash(key, &payload);
    payload.extend_from_slice(mac.as_bytes());
    URL_SAFE_NO_PAD.encode(payload)
}

/// The payload of a text of exactly the right length that one of the keys signed. All keys are tried, and comparison
/// takes the same time for every MAC.
fn open<'k, const N: usize>(keys: impl Iterator<Item = &'k [u8; 32]>, text: &str) -> Result<[u8; N], SignError> {
    // The decoder refuses other alphabets, padding and stray bits, so that a payload has one text only.
    let mut bytes = [0; 128];
    let len = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| SignError::Signature)?;
    let (payload, mac) = bytes[..len].split_first_chunk::<N>().ok_or(SignError::Signature)?;
    let mac: [u8; MAC_BYTES] = mac.try_into().map_err(|_| SignError::Signature)?;
    let mac = blake3::Hash::from_bytes(mac);
    let signed = keys.fold(false, |found, key| found | (blake3::keyed_hash(key, payload) == mac));
    if signed && payload[0] == VERSION { Ok(*payload) } else { Err(SignError::Signature) }
}

/// Reads fixed fields from a payload.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let (head, rest) = self.0.split_at(N);
        out.copy_from_slice(head);
        self.0 = rest;
        out
    }
}

impl Signer {
    /// With the newest key first; each a secret of 32 random bytes. `None` without any key.
    pub fn new(keys: &[[u8; 32]]) -> Option<Self> {
        let derive = |secret: &[u8; 32]| Keys {
            token: blake3::derive_key("haina-cas 2026-11 access token", secret),
            grant: blake3::derive_key("haina-cas 2026-11 fetch grant", secret),
        };
        (!keys.is_empty()).then(|| Self { keys: keys.iter().map(derive).collect() })
    }

    /// The text of a token: letters, digits, `-` and `_`.
    pub fn token(&self, token: &AccessToken) -> String {
        let mut payload = Vec::with_capacity(TOKEN_BYTES + MAC_BYTES);
        payload.push(VERSION);
        let flags = [(token.write, FLAG_WRITE), (token.user_id.is_some(), FLAG_USER), (token.proposed, FLAG_PROPOSED)];
        payload.push(flags.iter().filter(|(on, _)| *on).map(|(_, flag)| flag).sum());
        payload.extend_from_slice(&token.repo_id.to_le_bytes());
        payload.extend_from_slice(&token.user_id.unwrap_or(0).to_le_bytes());
        payload.extend_from_slice(&token.domain.to_le_bytes());
        payload.extend_from_slice(&token.expires.to_le_bytes());
        seal(&self.keys[0].token, payload)
    }

    /// Checks the text of a token; accepted until [`TOKEN_GRACE_SECONDS`] after its expiry.
    pub fn verify_token(&self, text: &str, now: Timestamp) -> Result<AccessToken, SignError> {
        let payload: [u8; TOKEN_BYTES] = open(self.keys.iter().map(|k| &k.token), text)?;
        let mut fields = Fields(&payload[1..]);
        let [flags] = fields.take();
        let repo_id = i64::from_le_bytes(fields.take());
        let user_id = i64::from_le_bytes(fields.take());
        let domain = i64::from_le_bytes(fields.take());
        let expires = i64::from_le_bytes(fields.take());
        if now.seconds() > expires.saturating_add(TOKEN_GRACE_SECONDS) {
            return Err(SignError::Expired);
        }
        let user_id = (flags & FLAG_USER != 0).then_some(user_id);
        let (write, proposed) = (flags & FLAG_WRITE != 0, flags & FLAG_PROPOSED != 0);
        Ok(AccessToken { repo_id, user_id, domain, write, proposed, expires })
    }

    /// The text of a grant, to be put into a URL: letters, digits, `-` and `_`.
    pub fn grant(&self, grant: &FetchGrant) -> String {
        let mut payload = Vec::with_capacity(GRANT_BYTES + MAC_BYTES);
        payload.push(VERSION);
        payload.push(grant.layout);
        payload.extend_from_slice(grant.xorb.as_bytes());
        payload.extend_from_slice(&grant.generation.to_le_bytes());
        payload.extend_from_slice(&grant.bytes.start.to_le_bytes());
        payload.extend_from_slice(&grant.bytes.end.to_le_bytes());
        payload.extend_from_slice(&grant.expires.to_le_bytes());
        seal(&self.keys[0].grant, payload)
    }

    /// Checks the text of a grant, by our own clock.
    pub fn verify_grant(&self, text: &str, now: Timestamp) -> Result<FetchGrant, SignError> {
        let payload: [u8; GRANT_BYTES] = open(self.keys.iter().map(|k| &k.grant), text)?;
        let mut fields = Fields(&payload[1..]);
        let [layout] = fields.take();
        let xorb = XetHash(fields.take());
        let generation = u64::from_le_bytes(fields.take());
        let start = u32::from_le_bytes(fields.take());
        let end = u32::from_le_bytes(fields.take());
        let expires = i64::from_le_bytes(fields.take());
        if now.seconds() > expires {
            return Err(SignError::Expired);
        }
        Ok(FetchGrant { xorb, layout, generation, bytes: start..end, expires })
    }
}

impl FetchGrant {
    /// The asked bytes (`None` for all of the grant, end-exclusive) if they lie inside the signed ones. A request
    /// that ends after them is refused, not cut: clients ask exactly for what they were given.
    pub fn narrow(&self, asked: Option<Range<u64>>) -> Result<Range<u64>, SignError> {
        let signed = u64::from(self.bytes.start)..u64::from(self.bytes.end);
        let asked = asked.unwrap_or(signed.clone());
        if asked.start < signed.start || asked.end > signed.end || asked.is_empty() {
            return Err(SignError::OutsideRange);
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp(1_000_000_000)
    }

    fn token() -> AccessToken {
        AccessToken {
            repo_id: 7,
            user_id: Some(-1),
            domain: i64::MAX,
            write: true,
            proposed: false,
            expires: 1_000_000,
        }
    }

    fn grant() -> FetchGrant {
        FetchGrant { xorb: XetHash([9; 32]), layout: 1, generation: 3, bytes: 100..200, expires: 1_000_000 }
    }

    #[test]
    fn round_trip_with_key_overlap() {
        let (old, new) = (Signer::new(&[[1; 32]]).unwrap(), Signer::new(&[[2; 32], [1; 32]]).unwrap());
        for t in
            [token(), AccessToken { user_id: None, write: false, ..token() }, AccessToken { proposed: true, ..token() }]
        {
            assert_eq!(new.verify_token(&old.token(&t), now()), Ok(t.clone()));
            assert_eq!(old.verify_token(&new.token(&t), now()), Err(SignError::Signature));
        }
        let text = old.grant(&grant());
        assert!(text.len() == 120 && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c)));
        assert_eq!(new.verify_grant(&text, now()), Ok(grant()));
        assert!(Signer::new(&[]).is_none());
    }

    #[test]
    fn clock_skew_is_forgiven_to_tokens_only() {
        let signer = Signer::new(&[[1; 32]]).unwrap();
        let (t, g) = (signer.token(&token()), signer.grant(&grant()));
        assert!(signer.verify_token(&t, now().plus_seconds(600)).is_ok());
        assert_eq!(signer.verify_token(&t, now().plus_seconds(601)), Err(SignError::Expired));
        assert!(signer.verify_grant(&g, now()).is_ok());
        assert_eq!(signer.verify_grant(&g, now().plus_seconds(1)), Err(SignError::Expired));
        let odd = AccessToken { expires: i64::MAX, ..token() };
        assert_eq!(signer.verify_token(&signer.token(&odd), now()), Ok(odd));
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let signer = Signer::new(&[[1; 32]]).unwrap();
        let (t, g) = (signer.token(&token()), signer.grant(&grant()));
        for text in [&t, &g] {
            for at in 0..text.len() {
                for new in ["A", "b", "-", "=", "é", ""] {
                    let mut changed = text.clone();
                    changed.replace_range(at..at + 1, new);
                    if changed != *text {
                        assert_eq!(signer.verify_token(&changed, now()), Err(SignError::Signature));
                        assert_eq!(signer.verify_grant(&changed, now()), Err(SignError::Signature));
                    }
                }
            }
        }
        assert_eq!(signer.verify_token(&g, now()), Err(SignError::Signature));
        assert_eq!(signer.verify_grant(&t, now()), Err(SignError::Signature));
        assert_eq!(signer.verify_token(&"A".repeat(5000), now()), Err(SignError::Signature));
    }

    #[test]
    fn only_inside_the_signed_range() {
        assert_eq!(grant().narrow(None), Ok(100..200));
        assert_eq!(grant().narrow(Some(150..200)), Ok(150..200));
        for bad in [99..200, 100..201, 0..10, 300..400, 150..150, u64::MAX - 1..u64::MAX] {
            assert_eq!(grant().narrow(Some(bad)), Err(SignError::OutsideRange));
        }
    }
}
