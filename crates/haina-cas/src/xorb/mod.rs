//! Xorbs: the verifier of uploads and the table of chunks that it leaves.

mod verify;

use std::ops::Range;

use bytes::Bytes;
use haina_types::XetHash;

use crate::crc::CrcTable;
use crate::frame::FrameError;
use crate::objects::ObjectKey;
use crate::{XORB_BODY_BYTES_MAX, XORB_CHUNKS_MAX, XORB_RAW_BYTES_MAX};

pub use verify::{IndexBuilder, XorbVerifier};

/// Bytes of a chunk in an index.
pub const INDEX_ENTRY_BYTES: usize = 40;

/// A stored index is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an index of a xorb")]
pub struct IndexError;

/// The chunks of a xorb, in order, as a compact blob: `n × (hash (32), u32 end of its frame, u32 end of its raw
/// bytes)`, little-endian, both ends counted from the xorb's start. Cheap to clone; accessors read the blob in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XorbIndex {
    blob: Bytes,
}

fn u32_at(blob: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&blob[at..at + 4]);
    u32::from_le_bytes(word)
}

impl XorbIndex {
    /// From what [`XorbIndex::as_blob`] gave; checked once, in linear time.
    pub fn from_blob(blob: Bytes) -> Result<Self, IndexError> {
        let n = blob.len() / INDEX_ENTRY_BYTES;
        if n == 0 || n > XORB_CHUNKS_MAX || !blob.len().is_multiple_of(INDEX_ENTRY_BYTES) {
            return Err(IndexError);
        }
        let (mut frame, mut raw) = (0u32, 0u32);
        for entry in blob.chunks_exact(INDEX_ENTRY_BYTES) {
            let (frame_end, raw_end) = (u32_at(entry, 32), u32_at(entry, 36));
            if frame_end <= frame.saturating_add(8)
                || raw_end <= raw
                || (raw_end - raw) as usize > crate::CHUNK_BYTES_MAX
                || (frame_end - frame) as usize > crate::FRAME_PAYLOAD_BYTES_MAX + 8
            {
                return Err(IndexError);
            }
            (frame, raw) = (frame_end, raw_end);
        }
        if u64::from(frame) > XORB_BODY_BYTES_MAX || u64::from(raw) > XORB_RAW_BYTES_MAX {
            return Err(IndexError);
        }
        Ok(Self { blob })
    }

    /// The index as it is stored.
    pub fn as_blob(&self) -> &Bytes {
        &self.blob
    }

    /// How many chunks, 1 to 8192.
    pub fn chunk_count(&self) -> u32 {
        (self.blob.len() / INDEX_ENTRY_BYTES) as u32
    }

    /// The hash of chunk `i`.
    ///
    /// # Panics
    /// If there is no chunk `i`; so do the other accessors.
    pub fn hash(&self, i: u32) -> XetHash {
        let at = i as usize * INDEX_ENTRY_BYTES;
        let mut hash = XetHash::ZERO;
        hash.0.copy_from_slice(&self.blob[at..at + 32]);
        hash
    }

    fn end(&self, i: u32, field: usize) -> u32 {
        if i == 0 { 0 } else { u32_at(&self.blob, (i as usize - 1) * INDEX_ENTRY_BYTES + field) }
    }

    /// Where chunks lie among the frames as they were uploaded, headers included, in bytes.
    pub fn frame_range(&self, chunks: Range<u32>) -> Range<u32> {
        self.end(chunks.start, 32)..self.end(chunks.end, 32)
    }

    /// Where chunks lie in the xorb's raw bytes.
    pub fn raw_range(&self, chunks: Range<u32>) -> Range<u32> {
        self.end(chunks.start, 36)..self.end(chunks.end, 36)
    }

    /// Raw bytes of a run of chunks.
    pub fn raw_len(&self, chunks: Range<u32>) -> u32 {
        let range = self.raw_range(chunks);
        range.end - range.start
    }

    /// Bytes of all frames: the xorb as uploaded, without a footer.
    pub fn frames_len(&self) -> u32 {
        self.end(self.chunk_count(), 32)
    }

    /// Raw bytes of all chunks.
    pub fn raw_total(&self) -> u32 {
        self.end(self.chunk_count(), 36)
    }

    /// The chunk that holds a raw offset, by binary search.
    pub fn chunk_at(&self, raw_offset: u32) -> Option<u32> {
        if raw_offset >= self.raw_total() {
            return None;
        }
        let (mut low, mut high) = (0, self.chunk_count() - 1);
        while low < high {
            let mid = low + (high - low) / 2;
            if self.end(mid + 1, 36) <= raw_offset { low = mid + 1 } else { high = mid }
        }
        Some(low)
    }

    /// All chunk hashes in order.
    pub fn hashes(&self) -> impl ExactSizeIterator<Item = XetHash> + '_ {
        (0..self.chunk_count()).map(|i| self.hash(i))
    }

    /// All chunks in order: hash and raw length in bytes.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = (XetHash, u32)> + '_ {
        (0..self.chunk_count()).map(|i| (self.hash(i), self.raw_len(i..i + 1)))
    }

    /// The xorb's hash, computed.
    pub fn root(&self) -> XetHash {
        crate::hash::xorb_hash(self.chunks().map(|(h, n)| (h, u64::from(n))))
    }
}

/// A xorb at rest: what the database remembers of it. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredXorb {
    /// Its name.
    pub hash: XetHash,
    /// How its bytes lie in the object; [`StoredXorb::LAYOUT_FRAMES`] is the only one so far.
    pub layout: u8,
    /// Tells objects of one xorb apart; an object is never overwritten.
    pub generation: u64,
    /// Bytes of the object, footer included.
    pub len: u64,
    /// Checksums of the object's blocks.
    pub crc: CrcTable,
    /// Its chunks.
    pub index: XorbIndex,
}

impl StoredXorb {
    /// The frames as they were uploaded, then a footer.
    pub const LAYOUT_FRAMES: u8 = 0;

    /// Where the object is.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::xorb(&self.hash, self.generation)
    }
}

/// Why a xorb was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XorbError {
    /// A frame is wrong.
    #[error("chunk {chunk}: {error}")]
    Frame {
        /// Its position, from 0.
        chunk: u32,
        /// What is wrong.
        error: FrameError,
    },
    /// The body ends inside a frame.
    #[error("the body ends inside chunk {chunk}")]
    Truncated {
        /// The chunk's position, from 0.
        chunk: u32,
    },
    /// After the last whole frame there are bytes that cannot be one.
    #[error("{bytes} bytes follow the last chunk")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// No chunk at all.
    #[error("a xorb must have at least one chunk")]
    Empty,
    /// More chunks than allowed.
    #[error("more than {XORB_CHUNKS_MAX} chunks")]
    TooManyChunks,
    /// More raw bytes than allowed.
    #[error("more than {XORB_RAW_BYTES_MAX} bytes when decoded")]
    TooMuchRaw,
    /// A longer body than allowed.
    #[error("the body is longer than {XORB_BODY_BYTES_MAX} bytes")]
    BodyTooLarge,
    /// The content is not what its name says.
    #[error("the content's hash is {actual}, not {expected}")]
    Hash {
        /// The hash in the request.
        expected: XetHash,
        /// The hash of what was sent.
        actual: XetHash,
    },
}

impl XorbError {
    /// Whether a limit was exceeded (and not something false said).
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::TooManyChunks | Self::TooMuchRaw | Self::BodyTooLarge)
    }
}
