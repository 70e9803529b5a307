//! LZ4 frames (`lz4_Frame_format.md` 1.6.4) into a slice of known length, without allocating.
//!
//! The decoder takes every legal frame that needs no dictionary: independent or linked blocks of any size,
//! uncompressed blocks, content size and all checksums, which it checks. The encoder writes what `lz4_flex` and
//! therefore HF's client writes: independent blocks of 64 KiB and no checksums.

use lz4_flex::block::{
    CompressTable, compress_into_with_table, decompress_into, decompress_into_with_dict, get_maximum_output_size,
};
use twox_hash::XxHash32;

use super::FrameError;

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// Version 1 in its place, with the reserved bit.
const VERSION_MASK: u8 = 0b1100_0010;
const VERSION: u8 = 0b0100_0000;
const INDEPENDENT: u8 = 0b0010_0000;
const BLOCK_CHECKSUM: u8 = 0b0001_0000;
const CONTENT_SIZE: u8 = 0b0000_1000;
const CONTENT_CHECKSUM: u8 = 0b0000_0100;
const DICTIONARY: u8 = 0b0000_0001;
/// How far back a block may refer.
const WINDOW_BYTES: usize = 65_536;
/// Blocks of the encoder.
const BLOCK_BYTES: usize = 65_536;
/// Magic, independent blocks without checksums, 64 KiB, and the checksum of the two.
const HEADER: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];

/// A cursor that ends with an error.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], FrameError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(FrameError::Lz4("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32, FrameError> {
        self.array().map(u32::from_le_bytes)
    }
}

/// Decodes a frame that must fill `out` exactly; `wrong_length` if it does not.
pub(super) fn decode(payload: &[u8], out: &mut [u8], wrong_length: FrameError) -> Result<(), FrameError> {
    let mut input = Input(payload);
    if input.array()? != MAGIC {
        return Err(FrameError::Lz4("wrong magic number"));
    }
    let descriptor = input.0;
    let [flags, sizes] = input.array()?;
    if flags & VERSION_MASK != VERSION || sizes & 0b1000_1111 != 0 {
        return Err(FrameError::Lz4("unknown version or reserved bits"));
    }
    let block_max = match sizes >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return Err(FrameError::Lz4("unknown block size")),
    };
    if flags & CONTENT_SIZE != 0 && u64::from_le_bytes(input.array()?) != out.len() as u64 {
        return Err(wrong_length);
    }
    if flags & DICTIONARY != 0 {
        return Err(FrameError::Lz4("it needs a dictionary"));
    }
    let descriptor = &descriptor[..descriptor.len() - input.0.len()];
    if input.array()? != [(XxHash32::oneshot(0, descriptor) >> 8) as u8] {
        return Err(FrameError::Lz4("wrong header checksum"));
    }
    let mut done = 0;
    loop {
        let word = input.u32()?;
        if word == 0 {
            break;
        }
        let block = input.take((word & 0x7fff_ffff) as usize)?;
        if flags & BLOCK_CHECKSUM != 0 && input.u32()? != XxHash32::oneshot(0, block) {
            return Err(FrameError::Lz4("wrong block checksum"));
        }
        let (before, after) = out.split_at_mut(done);
        let room = after.len().min(block_max);
        let after = &mut after[..room];
        let written = if word >> 31 != 0 {
            after.get_mut(..block.len()).ok_or(wrong_length)?.copy_from_slice(block);
            block.len()
        } else {
            let result = if flags & INDEPENDENT != 0 || before.is_empty() {
                decompress_into(block, after)
            } else {
                decompress_into_with_dict(block, after, &before[before.len().saturating_sub(WINDOW_BYTES)..])
            };
            result.map_err(|e| match e {
                lz4_flex::block::DecompressError::OutputTooSmall { .. } => wrong_length,
                _ => FrameError::Lz4("a block is damaged"),
            })?
        };
        done += written;
    }
    if done != out.len() {
        return Err(wrong_length);
    }
    if flags & CONTENT_CHECKSUM != 0 && input.u32()? != XxHash32::oneshot(0, out) {
        return Err(FrameError::Lz4("wrong content checksum"));
    }
    if !input.0.is_empty() {
        return Err(FrameError::Lz4("bytes after its end"));
    }
    Ok(())
}

/// Replaces `out` by the frame of `raw`.
pub(super) fn encode(raw: &[u8], table: &mut CompressTable, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&HEADER);
    for block in raw.chunks(BLOCK_BYTES) {
        let head = out.len();
        out.resize(head + 4 + get_maximum_output_size(block.len()), 0);
        let compressed = compress_into_with_table(block, &mut out[head + 4..], table).unwrap_or(usize::MAX);
        let (word, len) = if compressed < block.len() {
            (compressed as u32, compressed)
        } else {
            out[head + 4..head + 4 + block.len()].copy_from_slice(block);
            (block.len() as u32 | 1 << 31, block.len())
        };
        out[head..head + 4].copy_from_slice(&word.to_le_bytes());
        out.truncate(head + 4 + len);
    }
    out.extend_from_slice(&[0; 4]);
}
