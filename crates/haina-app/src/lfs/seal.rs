//! Text that only we can have written: a BLAKE3 keyed MAC over a fixed binary layout, in URL-safe base64.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MAC_BYTES: usize = 32;

/// Seals with its first key, opens what any of them sealed.
pub(super) struct Sealer {
    keys: Vec<[u8; 32]>,
}

impl Sealer {
    /// With the newest secret first; `None` without any. What one context sealed no other opens.
    pub(super) fn new(context: &str, secrets: &[[u8; 32]]) -> Option<Self> {
        let keys = secrets.iter().map(|s| blake3::derive_key(context, s));
        (!secrets.is_empty()).then(|| Self { keys: keys.collect() })
    }

    pub(super) fn seal(&self, payload: &[u8]) -> String {
        let mac = blake3::keyed_hash(&self.keys[0], payload);
        URL_SAFE_NO_PAD.encode([payload, mac.as_bytes()].concat())
    }

    /// What was sealed; `None` if we did not write it.
    pub(super) fn open<const N: usize>(&self, text: &str) -> Option<[u8; N]> {
        // Looked at before anything is decoded.
        if text.len() != (N + MAC_BYTES) * 4 / 3 + usize::from(!(N + MAC_BYTES).is_multiple_of(3)) {
            return None;
        }
        // The decoder refuses other alphabets, padding and stray bits, so that a payload has one text only.
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (payload, mac) = bytes.split_first_chunk::<N>()?;
        let mac: [u8; MAC_BYTES] = mac.try_into().ok()?;
        let mac = blake3::Hash::from_bytes(mac);
        // All keys are tried, and comparison takes the same time for every MAC.
        let ours = self.keys.iter().fold(false, |found, key| found | (blake3::keyed_hash(key, payload) == mac));
        ours.then_some(*payload)
    }
}
