//! Haina's content store: chunks, xorbs, shards, reconstruction, objects on files or in memory.
//!
//! Everything here speaks the Xet protocol's vocabulary and knows nothing of repositories, people, SQL or HTTP.
//! The layers, from pure to busy:
//!
//! * [`hash`], [`chunk`], [`frame`]: the primitives. Pure, no allocation in the hot paths.
//! * [`xorb`], [`footer`], [`shard`], [`terms`], [`dedup`]: the formats, parsed strictly and with limits.
//! * [`plan`]: what to send for a window of a file. Pure; [`wire`] has the JSON of both reconstruction versions.
//! * [`sign`]: access tokens and signed byte ranges.
//! * [`objects`]: where bytes rest, durable and never overwritten. [`crc`] guards them against silent corruption.
//! * [`ingest`], [`pack`]: bytes coming in, as xorbs or as plain files. [`read`]: bytes going out. [`fsck`]: proof.
//!
//! Linux and other Unix systems only: objects at rest rely on atomic renames and directory fsync.

pub mod chunk;
pub mod crc;
pub mod dedup;
mod error;
pub mod footer;
pub mod frame;
pub mod fsck;
pub mod hash;
pub mod ingest;
pub mod objects;
pub mod pack;
pub mod plan;
mod pool;
pub mod read;
pub mod shard;
pub mod sign;
pub mod terms;
pub mod wire;
pub mod xorb;

pub use crc::CrcTable;
pub use error::CasError;
pub use ingest::{StagedXorb, XorbIngest};
pub use objects::{FileObjects, MemoryObjects, ObjectKey, Objects, StoreError};
pub use pack::{BuiltFile, FileIngest};
pub use terms::{FileTerms, Term};
pub use xorb::{StoredXorb, XorbIndex};

/// Most raw bytes of one chunk; every frame decodes to at most this.
pub const CHUNK_BYTES_MAX: usize = 131_072;
/// Most payload bytes of one frame.
pub const FRAME_PAYLOAD_BYTES_MAX: usize = 262_144;
/// Most chunks of one xorb.
pub const XORB_CHUNKS_MAX: usize = 8192;
/// Most raw bytes of one xorb, the sum over its chunks.
pub const XORB_RAW_BYTES_MAX: u64 = 67_108_864;
/// Most bytes of one xorb as uploaded: all raw bytes stored plus one header for each chunk.
pub const XORB_BODY_BYTES_MAX: u64 = 67_174_400;
/// Most bytes of one shard.
pub const SHARD_BYTES_MAX: usize = 64 << 20;
