//! The strict parser.

use bytes::Bytes;
use haina_types::{Sha256, XetHash};

/// Why a shard was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is not a shard, or a damaged one.
    #[error("malformed at byte {at}: {what}")]
    Malformed {
        /// Where, in bytes from the start.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Some files prove their ranges and some do not.
    #[error("either all files or none must have verification entries")]
    MixedVerification,
    /// A file does not prove its ranges.
    #[error("file {file} has no verification entries")]
    NoVerification {
        /// The file.
        file: XetHash,
    },
    /// A xorb that is not stored, or not visible here.
    #[error("xorb {xorb} is not stored here; upload it first")]
    MissingXorb {
        /// The xorb.
        xorb: XetHash,
    },
    /// A term that the xorb does not have.
    #[error("file {file}, term {term}: chunks {start} to {end} are not in xorb {xorb}")]
    ChunkRange {
        /// The file.
        file: XetHash,
        /// The term's position.
        term: usize,
        /// The xorb.
        xorb: XetHash,
        /// First chunk.
        start: u32,
        /// After the last chunk.
        end: u32,
    },
    /// A term's stated length is wrong.
    #[error("file {file}, term {term}: {stated} bytes stated, {actual} found")]
    TermLength {
        /// The file.
        file: XetHash,
        /// The term's position.
        term: usize,
        /// As stated.
        stated: u32,
        /// As computed.
        actual: u32,
    },
    /// A term's proof is wrong.
    #[error("file {file}, term {term}: the verification hash is wrong")]
    RangeHash {
        /// The file.
        file: XetHash,
        /// The term's position.
        term: usize,
    },
    /// A file's id is not that of its chunks.
    #[error("the chunks of file {stated} have the id {actual}")]
    FileHash {
        /// As stated.
        stated: XetHash,
        /// As computed.
        actual: XetHash,
    },
    /// What the shard says of a xorb is not so.
    #[error("the chunk list of xorb {xorb} is not that of the stored xorb")]
    XorbMismatch {
        /// The xorb.
        xorb: XetHash,
    },
    /// More chunks than this server is willing to check at once.
    #[error("more than {limit} chunks in one shard")]
    TooManyChunks {
        /// The limit.
        limit: u64,
    },
}

/// A term of a file, as stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardTerm {
    /// The xorb.
    pub xorb: XetHash,
    /// Raw bytes of the term.
    pub raw_len: u32,
    /// First chunk.
    pub start: u32,
    /// After the last chunk.
    pub end: u32,
    /// The proof of knowing the chunks.
    pub range_hash: Option<XetHash>,
}

/// A file, as stated. Reads the shard's bytes in place.
#[derive(Debug, Clone)]
pub struct ShardFile {
    /// Its id.
    pub hash: XetHash,
    /// The SHA-256 that the client claims for it.
    pub sha256: Option<Sha256>,
    pub(crate) terms: Bytes,
    pub(crate) proofs: Option<Bytes>,
}

impl ShardFile {
    /// How many terms.
    pub fn term_count(&self) -> usize {
        todo!()
    }
    /// All terms in order.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = ShardTerm> + '_ {
        std::iter::empty()
    }
}

/// A chunk of a xorb, as stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkEntry {
    /// Its hash; keyed in dedup answers.
    pub hash: XetHash,
    /// Where it begins in the xorb's raw bytes.
    pub raw_offset: u32,
    /// Its raw bytes.
    pub raw_len: u32,
    /// Whether the client marks it as eligible for global deduplication.
    pub eligible: bool,
}

/// A xorb, as stated. Reads the shard's bytes in place.
#[derive(Debug, Clone)]
pub struct ShardXorb {
    /// Its hash.
    pub hash: XetHash,
    /// Its raw bytes.
    pub raw_len: u32,
    /// Its serialized bytes; clients send 0.
    pub disk_len: u32,
    pub(crate) chunks: Bytes,
}

impl ShardXorb {
    /// All chunks in order.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = ChunkEntry> + '_ {
        std::iter::empty()
    }
}

/// What the footer says; uploads have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFooter {
    /// The key of the chunk hashes; zero for none.
    pub hmac_key: [u8; 32],
    /// Creation, in seconds since the epoch.
    pub created: u64,
    /// Until when the answer may be used, in seconds since the epoch.
    pub expires: u64,
}

/// A parsed shard. Nothing in it has been compared with what is stored: see [`crate::shard::Validator`].
#[derive(Debug, Clone)]
pub struct Shard {
    /// The files, the first of each hash.
    pub files: Vec<ShardFile>,
    /// The xorbs, the first of each hash.
    pub xorbs: Vec<ShardXorb>,
    /// The footer, if there is one.
    pub footer: Option<ShardFooter>,
}

impl Shard {
    /// Parses a whole shard, with or without footer. Both upload routes take the same bytes.
    pub fn parse(bytes: Bytes) -> Result<Self, ShardError> {
        let _ = bytes;
        todo!()
    }

    /// Every distinct xorb that a file refers to or that is listed: what a lookup must know before validation.
    pub fn referenced_xorbs(&self) -> Vec<XetHash> {
        todo!()
    }
}
