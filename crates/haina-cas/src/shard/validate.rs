//! Comparing what a shard says with what is stored.

use haina_types::{Sha256, XetHash};

use super::{Shard, ShardError, ShardFile, ShardXorb};
use crate::terms::FileTerms;
use crate::xorb::XorbIndex;

/// A file whose every statement but the SHA-256 has been proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedFile {
    /// Its id, recomputed.
    pub hash: XetHash,
    /// Its size in bytes.
    pub size: u64,
    /// The client's claim; to be verified by streaming the content.
    pub sha256_claim: Option<Sha256>,
    /// Its recipe.
    pub terms: FileTerms,
    /// Chunks eligible for global deduplication whatever their hash: `(chunk, xorb, chunk index)` of the first one.
    pub first_chunk: Option<(XetHash, XetHash, u32)>,
}

/// Validates the files and xorbs of one shard under a common limit of work.
#[derive(Debug)]
pub struct Validator {}

impl Validator {
    /// Chunks that [`Validator::default`] looks at in one shard: a file of a tebibyte.
    pub const CHUNKS_MAX: u64 = 16 << 20;

    /// With another limit.
    pub fn with_limit(chunks_max: u64) -> Self {
        let _ = chunks_max;
        Self {}
    }

    /// Everything: all files, then all xorb entries. The lookup gives the index of a xorb that the uploader's dedup
    /// domain may refer to; it is asked for each term, so it should be cheap (load
    /// [`Shard::referenced_xorbs`] first, or keep a cache).
    pub fn shard(
        &mut self,
        shard: &Shard,
        lookup: &dyn Fn(&XetHash) -> Option<XorbIndex>,
    ) -> Result<Vec<ValidatedFile>, ShardError> {
        let _ = (shard, lookup);
        todo!()
    }

    /// One file.
    pub fn file(
        &mut self,
        file: &ShardFile,
        lookup: &dyn Fn(&XetHash) -> Option<XorbIndex>,
    ) -> Result<ValidatedFile, ShardError> {
        let _ = (file, lookup);
        todo!()
    }

    /// One xorb entry. Its eligible chunks (first of a file, `hash mod 1024 == 0`, or flagged by the client) are
    /// returned as `(index, chunk hash)`.
    pub fn xorb(&mut self, xorb: &ShardXorb, index: &XorbIndex) -> Result<Vec<(u32, XetHash)>, ShardError> {
        let _ = (xorb, index);
        todo!()
    }
}
