//! One chunk as it lies in a xorb: an 8-byte header and a payload, stored, LZ4 or byte-grouped LZ4.

mod bg4;
mod lz4;

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

/// Decodes frames, reusing its buffers.
#[derive(Debug)]
pub struct Decoder {
    raw: Box<[u8]>,
    grouped: Box<[u8]>,
}

impl Default for Decoder {
    fn default() -> Self {
        let scratch = || vec![0; CHUNK_BYTES_MAX].into_boxed_slice();
        Self { raw: scratch(), grouped: scratch() }
    }
}

impl Decoder {
    /// Decodes one payload; a stored one is returned as it is. Exactly `header.raw_len` bytes or an error: neither
    /// more nor less is ever written.
    pub fn decode<'a>(&'a mut self, header: &Header, payload: &'a [u8]) -> Result<&'a [u8], FrameError> {
        if header.scheme == Scheme::Stored {
            return if payload.len() == header.raw_len as usize {
                Ok(payload)
            } else {
                Err(FrameError::RawLength(header.raw_len))
            };
        }
        let out = &mut self.raw[..header.raw_len as usize];
        decode(header, payload, out, &mut self.grouped)?;
        Ok(out)
    }

    /// Decodes one payload to the place where it is wanted, which must be `header.raw_len` bytes.
    pub fn decode_into(&mut self, header: &Header, payload: &[u8], out: &mut [u8]) -> Result<(), FrameError> {
        if out.len() != header.raw_len as usize {
            return Err(FrameError::RawLength(header.raw_len));
        }
        decode(header, payload, out, &mut self.grouped)
    }
}

fn decode(header: &Header, payload: &[u8], out: &mut [u8], grouped: &mut [u8]) -> Result<(), FrameError> {
    let wrong_length = FrameError::RawLength(header.raw_len);
    match header.scheme {
        Scheme::Stored if payload.len() == out.len() => out.copy_from_slice(payload),
        Scheme::Stored => return Err(wrong_length),
        Scheme::Lz4 => lz4::decode(payload, out, wrong_length)?,
        Scheme::Bg4Lz4 => {
            let grouped = &mut grouped[..out.len()];
            lz4::decode(payload, grouped, wrong_length)?;
            bg4::ungroup(grouped, out);
        }
    }
    Ok(())
}

/// Encodes chunks, reusing its buffers.
pub struct Encoder {
    table: lz4_flex::block::CompressTable,
    scratch: Vec<u8>,
    grouped: Vec<u8>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self { table: lz4_flex::block::CompressTable::large(), scratch: Vec::new(), grouped: Vec::new() }
    }
}

/// Bytes of a chunk that are tried before all of it is compressed.
const SAMPLE_BYTES: usize = 4096;

impl Encoder {
    /// Appends the frame of a chunk of 1 to 131072 bytes to `out`: LZ4 if that makes it smaller, else stored.
    pub fn encode(&mut self, scheme: Scheme, raw: &[u8], out: &mut Vec<u8>) {
        debug_assert!(!raw.is_empty() && raw.len() <= CHUNK_BYTES_MAX);
        let payload: &[u8] = match scheme {
            Scheme::Stored => raw,
            Scheme::Lz4 => {
                lz4::encode(raw, &mut self.table, &mut self.scratch);
                &self.scratch
            }
            Scheme::Bg4Lz4 => {
                self.grouped.resize(raw.len(), 0);
                bg4::group(raw, &mut self.grouped);
                lz4::encode(&self.grouped, &mut self.table, &mut self.scratch);
                &self.scratch
            }
        };
        let (scheme, payload) = if payload.len() < raw.len() { (scheme, payload) } else { (Scheme::Stored, raw) };
        let header = Header { payload_len: payload.len() as u32, scheme, raw_len: raw.len() as u32 };
        out.extend_from_slice(&header.to_bytes());
        out.extend_from_slice(payload);
    }

    /// A guess from a sample in the middle of a chunk: LZ4 where it saves at least a tenth, stored otherwise.
    pub fn choose(&mut self, raw: &[u8]) -> Scheme {
        let from = raw.len().saturating_sub(SAMPLE_BYTES) / 2;
        let sample = &raw[from..raw.len().min(from + SAMPLE_BYTES)];
        lz4::encode(sample, &mut self.table, &mut self.scratch);
        if self.scratch.len() * 10 < sample.len() * 9 { Scheme::Lz4 } else { Scheme::Stored }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    use super::*;

    fn text(len: usize) -> Vec<u8> {
        let mut state = 1u32;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            format!("word{} ", state >> 28)
        })
        .flat_map(String::into_bytes)
        .take(len)
        .collect()
    }

    fn parse(frame: &[u8]) -> (Header, &[u8]) {
        let (head, payload) = frame.split_first_chunk().unwrap();
        let header = Header::parse(head).unwrap();
        assert_eq!(header.payload_len as usize, payload.len());
        (header, payload)
    }

    #[test]
    fn every_scheme_round_trips_at_every_length_mod_4() {
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        for len in (1..70).chain([1000, 1001, 1002, 1003, 65_535, 65_536, 65_537, 131_071, 131_072]) {
            let raw = text(len);
            for scheme in [Scheme::Stored, Scheme::Lz4, Scheme::Bg4Lz4] {
                let mut frame = Vec::new();
                encoder.encode(scheme, &raw, &mut frame);
                let (header, payload) = parse(&frame);
                assert_eq!(decoder.decode(&header, payload).unwrap(), raw, "{scheme:?} {len}");
                let mut out = vec![0; len];
                decoder.decode_into(&header, payload, &mut out).unwrap();
                assert_eq!(out, raw);
            }
        }
    }

    #[test]
    fn the_reference_decodes_ours_and_every_legal_frame_of_its_decodes_here() {
        let raw = text(131_072);
        let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
        let mut frame = Vec::new();
        encoder.encode(Scheme::Lz4, &raw, &mut frame);
        let mut back = Vec::new();
        std::io::Read::read_to_end(&mut lz4_flex::frame::FrameDecoder::new(&frame[8..]), &mut back).unwrap();
        assert_eq!(back, raw);
        for mode in [BlockMode::Independent, BlockMode::Linked] {
            for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max1MB, BlockSize::Max4MB] {
                for checks in 0..8 {
                    let info = FrameInfo::new()
                        .block_mode(mode)
                        .block_size(size)
                        .block_checksums(checks & 1 > 0)
                        .content_checksum(checks & 2 > 0)
                        .content_size((checks & 4 > 0).then_some(raw.len() as u64));
                    let mut lz4 = FrameEncoder::with_frame_info(info, Vec::new());
                    // Several writes with flushes make several blocks that refer to each other.
                    for part in raw.chunks(20_000) {
                        lz4.write_all(part).unwrap();
                        lz4.flush().unwrap();
                    }
                    let mut payload = lz4.finish().unwrap();
                    let header =
                        Header { payload_len: payload.len() as u32, scheme: Scheme::Lz4, raw_len: raw.len() as u32 };
                    assert_eq!(decoder.decode(&header, &payload).unwrap(), raw, "{mode:?} {size:?} {checks}");
                    for raw_len in [raw.len() as u32 - 1, 65_536, 1] {
                        let lie = Header { raw_len, ..header };
                        assert!(decoder.decode(&lie, &payload).is_err(), "a bomb");
                    }
                    payload.push(0);
                    assert_eq!(decoder.decode(&header, &payload), Err(FrameError::Lz4("bytes after its end")));
                }
            }
        }
    }

    #[test]
    fn lies_are_told_apart() {
        let mut decoder = Decoder::default();
        let mut frame = Vec::new();
        Encoder::default().encode(Scheme::Lz4, &text(5000), &mut frame);
        let (header, payload) = parse(&frame);
        for (raw_len, len) in [(5001, payload.len()), (4999, payload.len()), (5000, payload.len() - 1), (5000, 3)] {
            assert!(decoder.decode(&Header { raw_len, ..header }, &payload[..len]).is_err());
        }
        let head = |b: [u8; 8]| Header::parse(&b).unwrap_err();
        assert_eq!(head([1, 1, 0, 0, 0, 1, 0, 0]), FrameError::Version(1));
        assert_eq!(head([0, 1, 0, 0, 3, 1, 0, 0]), FrameError::Scheme(3));
        assert_eq!(head([0, 1, 0, 4, 1, 1, 0, 0]), FrameError::PayloadTooLarge(262_145));
        assert_eq!(head([0, 1, 0, 0, 1, 1, 0, 2]), FrameError::ChunkTooLarge(131_073));
        assert_eq!(head([0, 0, 0, 0, 0, 0, 0, 0]), FrameError::EmptyChunk);
        assert_eq!(head([0, 2, 0, 0, 0, 1, 0, 0]), FrameError::RawLength(1));
    }

    #[test]
    fn a_sample_decides() {
        let mut encoder = Encoder::default();
        assert_eq!(encoder.choose(&text(100_000)), Scheme::Lz4);
        let noise: Vec<u8> = (0..3000u32).flat_map(|i| *blake3::hash(&i.to_le_bytes()).as_bytes()).collect();
        assert_eq!(encoder.choose(&noise), Scheme::Stored);
        assert_eq!(encoder.choose(&[1]), Scheme::Stored);
    }
}
