//! Which chunks may be asked for across files (global deduplication).

use haina_types::XetHash;

use crate::terms::FileTerms;
use crate::xorb::XorbIndex;

/// One chunk hash in this many is eligible.
pub const ELIGIBLE_MODULUS: u64 = 1024;

/// Whether a chunk is eligible by its hash alone, wherever it stands.
pub fn is_eligible(chunk: &XetHash) -> bool {
    chunk.last_word().is_multiple_of(ELIGIBLE_MODULUS)
}

/// The chunks of a xorb that are eligible by their hash: `(index in the xorb, chunk hash)`.
pub fn eligible_chunks(index: &XorbIndex) -> impl Iterator<Item = (u32, XetHash)> + '_ {
    index.hashes().enumerate().filter(|(_, h)| is_eligible(h)).map(|(i, h)| (i as u32, h))
}

/// Where the first chunk of a file lies: `(xorb, chunk index)`. It is eligible whatever its hash; its hash is in the
/// xorb's index.
pub fn first_chunk(terms: &FileTerms) -> Option<(XetHash, u32)> {
    terms.first().map(|t| (t.xorb, t.chunks.start))
}
