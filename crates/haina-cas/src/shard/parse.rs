//! The strict parser.

use std::collections::HashSet;

use bytes::Bytes;
use haina_types::{Sha256, XetHash};

use super::{ENTRY_BYTES, FLAG_METADATA, FLAG_VERIFICATION, FOOTER_BYTES, HEADER_BYTES, TAG};
use crate::SHARD_BYTES_MAX;

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
        self.terms.len() / ENTRY_BYTES
    }

    /// All terms in order.
    pub fn terms(&self) -> impl ExactSizeIterator<Item = ShardTerm> + '_ {
        (0..self.term_count()).map(|i| {
            let entry = Entry(&self.terms[i * ENTRY_BYTES..]);
            ShardTerm {
                xorb: entry.hash(),
                raw_len: entry.u32(36),
                start: entry.u32(40),
                end: entry.u32(44),
                range_hash: self.proofs.as_ref().map(|p| Entry(&p[i * ENTRY_BYTES..]).hash()),
            }
        })
    }

    /// Whether it proves its ranges.
    pub fn has_verification(&self) -> bool {
        self.proofs.is_some()
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
        self.chunks.chunks_exact(ENTRY_BYTES).map(|bytes| {
            let entry = Entry(bytes);
            ChunkEntry {
                hash: entry.hash(),
                raw_offset: entry.u32(32),
                raw_len: entry.u32(36),
                eligible: entry.u32(40) & super::FLAG_ELIGIBLE != 0,
            }
        })
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

/// One 48-byte entry, or more; readers never look past the first.
struct Entry<'a>(&'a [u8]);

impl Entry<'_> {
    fn hash(&self) -> XetHash {
        let mut hash = XetHash::ZERO;
        hash.0.copy_from_slice(&self.0[..32]);
        hash
    }

    fn u32(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.0[at..at + 4]);
        u32::from_le_bytes(word)
    }

    fn u64(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.0[at..at + 8]);
        u64::from_le_bytes(word)
    }

    fn is_bookend(&self) -> bool {
        self.0[..32].iter().all(|b| *b == 0xff)
    }
}

struct Input {
    bytes: Bytes,
    at: usize,
}

impl Input {
    fn malformed<T>(&self, what: &'static str) -> Result<T, ShardError> {
        Err(ShardError::Malformed { at: self.at, what })
    }

    /// `n` entries. The count is compared with what is left before anything is made of it.
    fn entries(&mut self, n: u32) -> Result<Bytes, ShardError> {
        let Some(len) = (n as usize).checked_mul(ENTRY_BYTES).filter(|len| *len <= self.bytes.len() - self.at) else {
            return self.malformed("more entries than bytes");
        };
        let entries = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        Ok(entries)
    }

    fn file(&mut self, first: &Bytes) -> Result<ShardFile, ShardError> {
        let head = Entry(first);
        let (flags, n) = (head.u32(32), head.u32(36));
        if flags & !(FLAG_VERIFICATION | FLAG_METADATA) != 0 {
            return self.malformed("unknown flags of a file");
        }
        let terms = self.entries(n)?;
        let proofs = if flags & FLAG_VERIFICATION != 0 { Some(self.entries(n)?) } else { None };
        let sha256 = if flags & FLAG_METADATA != 0 { Some(Entry(&self.entries(1)?).hash().to_sha256()) } else { None };
        Ok(ShardFile { hash: head.hash(), sha256, terms, proofs })
    }

    fn xorb(&mut self, first: &Bytes) -> Result<ShardXorb, ShardError> {
        let head = Entry(first);
        let chunks = self.entries(head.u32(36))?;
        Ok(ShardXorb { hash: head.hash(), raw_len: head.u32(40), disk_len: head.u32(44), chunks })
    }

    /// The footer and the lookup tables before it, of which only the place is checked.
    fn footer(&mut self, files_at: usize, xorbs_at: usize) -> Result<ShardFooter, ShardError> {
        let tables = self.at;
        let Some(start) = self.bytes.len().checked_sub(FOOTER_BYTES).filter(|s| *s >= tables) else {
            return self.malformed("no room for the footer");
        };
        self.at = start;
        let footer = Entry(&self.bytes[start..]);
        if footer.u64(0) != 1 || footer.u64(192) != start as u64 {
            return self.malformed("not a footer");
        }
        if footer.u64(8) != files_at as u64 || footer.u64(16) != xorbs_at as u64 {
            return self.malformed("the footer's sections are elsewhere");
        }
        let mut next = tables as u64;
        // (offset, count, bytes of an entry) of the lookups by file, xorb and chunk.
        for (at, size) in [(24, 12), (40, 12), (56, 16)] {
            let (from, n) = (footer.u64(at), footer.u64(at + 8));
            // JavaScript's client leaves zeros here, as the public description ("reserved") has it.
            if (from, n) == (0, 0) {
                continue;
            }
            let end = n.checked_mul(size).and_then(|len| from.checked_add(len));
            match end {
                Some(end) if from >= next && end <= start as u64 => next = end,
                _ => return self.malformed("a lookup table is outside"),
            }
        }
        let mut hmac_key = [0; 32];
        hmac_key.copy_from_slice(&footer.0[72..104]);
        Ok(ShardFooter { hmac_key, created: footer.u64(104), expires: footer.u64(112) })
    }
}

impl Shard {
    /// Parses a whole shard, with or without footer. Both upload routes take the same bytes.
    pub fn parse(bytes: Bytes) -> Result<Self, ShardError> {
        let mut input = Input { bytes, at: 0 };
        if input.bytes.len() > SHARD_BYTES_MAX {
            return input.malformed("larger than 64 MiB");
        }
        if input.bytes.len() < HEADER_BYTES || input.bytes[..32] != TAG {
            return input.malformed("not a shard");
        }
        let head = Entry(&input.bytes);
        let (version, footer_len) = (head.u64(32), head.u64(40));
        input.at = 32;
        if version != 2 {
            return input.malformed("only version 2 is known");
        }
        if footer_len != 0 && footer_len != FOOTER_BYTES as u64 {
            return input.malformed("unknown length of footer");
        }
        input.at = HEADER_BYTES;
        let (mut files, mut seen) = (Vec::new(), HashSet::new());
        let mut proven = None;
        loop {
            let first = input.entries(1)?;
            if Entry(&first).is_bookend() {
                break;
            }
            let file = input.file(&first)?;
            // A file without terms has nothing to prove.
            if file.term_count() > 0 && *proven.get_or_insert(file.has_verification()) != file.has_verification() {
                return Err(ShardError::MixedVerification);
            }
            if seen.insert(file.hash) {
                files.push(file);
            }
        }
        let xorbs_at = input.at;
        let mut xorbs = Vec::new();
        seen.clear();
        loop {
            let first = input.entries(1)?;
            if Entry(&first).is_bookend() {
                break;
            }
            let xorb = input.xorb(&first)?;
            if seen.insert(xorb.hash) {
                xorbs.push(xorb);
            }
        }
        let footer = if footer_len == 0 { None } else { Some(input.footer(HEADER_BYTES, xorbs_at)?) };
        if footer.is_none() && input.at != input.bytes.len() {
            return input.malformed("bytes after the end");
        }
        Ok(Self { files, xorbs, footer })
    }

    /// Every distinct xorb that a file refers to or that is listed: what a lookup must know before validation.
    pub fn referenced_xorbs(&self) -> Vec<XetHash> {
        let mut seen = HashSet::new();
        let of_files = self.files.iter().flat_map(ShardFile::terms).map(|t| t.xorb);
        of_files.chain(self.xorbs.iter().map(|x| x.hash)).filter(|x| seen.insert(*x)).collect()
    }
}
