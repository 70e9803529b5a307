//! One chunk as it lies in a xorb: an 8-byte header and a payload, stored, LZ4 or byte-grouped LZ4.

use crate::{CHUNK_BYTES_MAX, FRAME_PAYLOAD_BYTES_MAX};

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 8;

/// How a payload is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// As it is.
    Stored = 0,
    /// One LZ4 frame.
    Lz4 = 1,
    /// Bytes 0, 4, 8…, then 1, 5, 9… and so on, as one LZ4 frame.
    Bg4Lz4 = 2,
}

/// Why a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A version that is not 0.
    #[error("frame version {0} is unknown")]
    Version(u8),
    /// A scheme that is not 0, 1 or 2.
    #[error("compression scheme {0} is unknown")]
    Scheme(u8),
    /// The payload is larger than allowed.
    #[error("a payload of {0} bytes is more than {FRAME_PAYLOAD_BYTES_MAX}")]
    PayloadTooLarge(u32),
    /// The chunk is larger than allowed.
    #[error("a chunk of {0} bytes is more than {CHUNK_BYTES_MAX}")]
    ChunkTooLarge(u32),
    /// The chunk has no bytes.
    #[error("a chunk has no bytes")]
    EmptyChunk,
    /// The payload decodes to another length than the header says.
    #[error("the payload does not decode to the {0} bytes that its header says")]
    RawLength(u32),
    /// The payload is not one whole LZ4 frame.
    #[error("the payload is not one LZ4 frame: {0}")]
    Lz4(&'static str),
}

/// A frame's header: `u8 version = 0 | u24 payload length | u8 scheme | u24 raw length`, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the payload after the header.
    pub payload_len: u32,
    /// How the payload is encoded.
    pub scheme: Scheme,
    /// Bytes of the chunk, 1 to 131072.
    pub raw_len: u32,
}

impl Header {
    /// Reads and checks a header.
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let [version, p0, p1, p2, scheme, r0, r1, r2] = *bytes;
        if version != 0 {
            return Err(FrameError::Version(version));
        }
        let scheme = match scheme {
            0 => Scheme::Stored,
            1 => Scheme::Lz4,
            2 => Scheme::Bg4Lz4,
            other => return Err(FrameError::Scheme(other)),
        };
        let payload_len = u32::from_le_bytes([p0, p1, p2, 0]);
        let raw_len = u32::from_le_bytes([r0, r1, r2, 0]);
        if payload_len as usize > FRAME_PAYLOAD_BYTES_MAX {
            return Err(FrameError::PayloadTooLarge(payload_len));
        }
        if raw_len as usize > CHUNK_BYTES_MAX {
            return Err(FrameError::ChunkTooLarge(raw_len));
        }
        if raw_len == 0 {
            return Err(FrameError::EmptyChunk);
        }
        if scheme == Scheme::Stored && payload_len != raw_len {
            return Err(FrameError::RawLength(raw_len));
        }
        Ok(Self { payload_len, scheme, raw_len })
    }

    /// The bytes of the header.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [p0, p1, p2, _] = self.payload_len.to_le_bytes();
        let [r0, r1, r2, _] = self.raw_len.to_le_bytes();
        [0, p0, p1, p2, self.scheme as u8, r0, r1, r2]
    }
}
