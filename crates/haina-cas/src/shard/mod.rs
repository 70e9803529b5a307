//! Shards: what a client says of the files and xorbs that it uploaded, and what we answer to dedup queries.
//!
//! `header | files | bookend | xorbs | bookend | [lookup tables] | [footer]`, in entries of 48 bytes; the
//! header's second word says whether there is a footer. [`Shard`] only parses; [`Validator`] compares with what is
//! stored.

mod parse;
mod validate;
mod write;

pub use parse::{ChunkEntry, Shard, ShardError, ShardFile, ShardFooter, ShardTerm, ShardXorb};
pub use validate::{ValidatedFile, Validator};
pub use write::{DedupAnswer, ShardWriter, TermEntry};

/// Bytes of every entry.
const ENTRY_BYTES: usize = 48;
/// Bytes of the header.
const HEADER_BYTES: usize = 48;
/// Bytes of the footer.
const FOOTER_BYTES: usize = 200;
/// How a shard begins.
const TAG: [u8; 32] = *b"HFRepoMetaData\0\x55\x69\x67\x45\x6a\x7b\x81\x57\x83\xa5\xbd\xd9\x5c\xcd\xd1\x4a\xa9";
/// A file has verification entries.
const FLAG_VERIFICATION: u32 = 1 << 31;
/// A file has a metadata entry.
const FLAG_METADATA: u32 = 1 << 30;
/// A chunk is eligible for global deduplication.
const FLAG_ELIGIBLE: u32 = 1 << 31;
