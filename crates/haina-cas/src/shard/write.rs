//! Writing shards.

use haina_types::{Sha256, XetHash};

use crate::xorb::XorbIndex;

/// A term to be written: with its index, so that length and proof are right by construction.
#[derive(Debug, Clone)]
pub struct TermEntry {
    /// The xorb.
    pub xorb: XetHash,
    /// First chunk.
    pub start: u32,
    /// After the last chunk.
    pub end: u32,
    /// Raw bytes.
    pub raw_len: u32,
    /// The proof.
    pub range_hash: XetHash,
}

/// Writes shards as clients do: for tests and for recipes of files that came in by other doors.
#[derive(Debug, Default)]
pub struct ShardWriter {}

impl ShardWriter {
    /// Adds a file.
    pub fn file(&mut self, hash: XetHash, terms: &[TermEntry], sha256: Option<Sha256>) {
        let _ = (hash, terms, sha256);
        todo!()
    }
    /// Adds a xorb.
    pub fn xorb(&mut self, hash: XetHash, index: &XorbIndex) {
        let _ = (hash, index);
        todo!()
    }
    /// The bytes, without a footer.
    pub fn finish(self) -> Vec<u8> {
        todo!()
    }
}

/// The answer to a dedup query: whole chunk lists of some xorbs, chunk hashes keyed.
#[derive(Debug)]
pub struct DedupAnswer {}

impl DedupAnswer {
    /// `key`: random, one for each domain and day; zero leaves hashes bare. `created`, `expires`: seconds since the
    /// epoch; clients use the answer until then, so the xorbs must be kept longer.
    pub fn new(key: [u8; 32], created: u64, expires: u64) -> Self {
        let _ = (key, created, expires);
        Self {}
    }

    /// Adds a xorb of which the asker may know the chunks for which `visible(chunk index)` holds; the others are
    /// blanked, their positions stay.
    pub fn xorb(&mut self, hash: XetHash, index: &XorbIndex, visible: &dyn Fn(u32) -> bool) {
        let _ = (hash, index, visible);
        todo!()
    }

    /// The bytes, with the footer that clients demand.
    pub fn finish(self) -> Vec<u8> {
        todo!()
    }
}
