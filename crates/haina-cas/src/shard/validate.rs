//! Comparing what a shard says with what is stored.

use haina_types::{Sha256, XetHash};

use super::{Shard, ShardError, ShardFile, ShardXorb};
use crate::dedup;
use crate::hash::{Merkle, RangeHasher};
use crate::terms::{FileTerms, FileTermsBuilder};
use crate::xorb::XorbIndex;

/// A file whose every statement but the SHA-256 has been proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatedFile {
    /// Its id, recomputed.
    pub hash: XetHash,
    /// Its size in bytes.
    pub size: u64,
    /// The client's claim; to be verified by streaming the content. The empty file's is all zeros.
    pub sha256_claim: Option<Sha256>,
    /// Its recipe.
    pub terms: FileTerms,
    /// The file's first chunk, eligible for global deduplication whatever its hash: `(chunk, xorb, chunk index)`.
    pub first_chunk: Option<(XetHash, XetHash, u32)>,
}

/// Validates the files and xorbs of one shard under a common limit of work.
#[derive(Debug)]
pub struct Validator {
    limit: u64,
    chunks_left: u64,
    range: RangeHasher,
}

impl Default for Validator {
    fn default() -> Self {
        Self::with_limit(Self::CHUNKS_MAX)
    }
}

impl Validator {
    /// Chunks that [`Validator::default`] looks at in one shard: a file of a tebibyte, some seconds of work.
    pub const CHUNKS_MAX: u64 = 16 << 20;

    /// With another limit.
    pub fn with_limit(chunks_max: u64) -> Self {
        Self { limit: chunks_max, chunks_left: chunks_max, range: RangeHasher::default() }
    }

    fn spend(&mut self, chunks: u32) -> Result<(), ShardError> {
        let left = self.chunks_left.checked_sub(chunks.into());
        self.chunks_left = left.ok_or(ShardError::TooManyChunks { limit: self.limit })?;
        Ok(())
    }

    /// Everything: all files, then all xorb entries. The lookup gives the index of a xorb that the uploader's dedup
    /// domain may refer to; it is asked for each term, so it should be cheap (load
    /// [`Shard::referenced_xorbs`] first, or keep a cache).
    pub fn shard(
        &mut self,
        shard: &Shard,
        lookup: &dyn Fn(&XetHash) -> Option<XorbIndex>,
    ) -> Result<Vec<ValidatedFile>, ShardError> {
        let files = shard.files.iter().map(|f| self.file(f, lookup)).collect::<Result<_, _>>()?;
        for xorb in &shard.xorbs {
            let index = lookup(&xorb.hash).ok_or(ShardError::MissingXorb { xorb: xorb.hash })?;
            self.xorb(xorb, &index)?;
        }
        Ok(files)
    }

    /// One file: its xorbs are known, its chunks exist, lengths and proofs are right, and the id is that of its
    /// chunks.
    pub fn file(
        &mut self,
        file: &ShardFile,
        lookup: &dyn Fn(&XetHash) -> Option<XorbIndex>,
    ) -> Result<ValidatedFile, ShardError> {
        let mut merkle = Merkle::default();
        let mut terms = FileTermsBuilder::default();
        let mut first_chunk = None;
        for (i, term) in file.terms().enumerate() {
            let index = lookup(&term.xorb).ok_or(ShardError::MissingXorb { xorb: term.xorb })?;
            if term.start >= term.end || term.end > index.chunk_count() {
                let (start, end) = (term.start, term.end);
                return Err(ShardError::ChunkRange { file: file.hash, term: i, xorb: term.xorb, start, end });
            }
            let actual = index.raw_len(term.start..term.end);
            if actual != term.raw_len {
                return Err(ShardError::TermLength { file: file.hash, term: i, stated: term.raw_len, actual });
            }
            let proof = term.range_hash.ok_or(ShardError::NoVerification { file: file.hash })?;
            self.spend(term.end - term.start)?;
            for chunk in term.start..term.end {
                let hash = index.hash(chunk);
                self.range.push(&hash);
                merkle.push(hash, index.raw_len(chunk..chunk + 1).into());
            }
            if self.range.finish() != proof {
                return Err(ShardError::RangeHash { file: file.hash, term: i });
            }
            first_chunk.get_or_insert_with(|| (index.hash(term.start), term.xorb, term.start));
            terms.push(term.xorb, term.start..term.end, actual.into());
        }
        let actual = merkle.file_hash();
        if actual != file.hash {
            return Err(ShardError::FileHash { stated: file.hash, actual });
        }
        let terms = terms.finish();
        Ok(ValidatedFile { hash: actual, size: terms.size(), sha256_claim: file.sha256, terms, first_chunk })
    }

    /// One xorb entry: its chunks, offsets and lengths are those of the stored xorb (the serialized length, which
    /// clients leave 0, is not looked at). Gives the chunks eligible by their hash or by the client's flag as
    /// `(index, chunk hash)`.
    pub fn xorb(&mut self, xorb: &ShardXorb, index: &XorbIndex) -> Result<Vec<(u32, XetHash)>, ShardError> {
        let wrong = ShardError::XorbMismatch { xorb: xorb.hash };
        self.spend(index.chunk_count())?;
        if xorb.chunks().len() != index.chunk_count() as usize || xorb.raw_len != index.raw_total() {
            return Err(wrong);
        }
        let mut eligible = Vec::new();
        for (i, chunk) in (0..).zip(xorb.chunks()) {
            let raw = index.raw_range(i..i + 1);
            if chunk.hash != index.hash(i) || chunk.raw_offset != raw.start || chunk.raw_len != raw.end - raw.start {
                return Err(wrong);
            }
            if chunk.eligible || dedup::is_eligible(&chunk.hash) {
                eligible.push((i, chunk.hash));
            }
        }
        Ok(eligible)
    }
}
