//! The footer written after a xorb's frames at rest, from which its tables can be rebuilt without the database.
//!
//! `"XETBLOB" u8=1 xorb hash (32) | "XBLBHSH" u8=0 u32 n, n × hash (32) | "XBLBBND" u8=1 u32 n, n × u32 frame end,
//! n × u32 raw end | u32 n, u32 hashes_from_end, u32 bounds_from_end, 16 zero bytes | u32 footer length`, all
//! little-endian; "from end" counts from the end of the zero bytes, and the last word is not part of the footer.

use bytes::{BufMut, Bytes};
use haina_types::XetHash;

use crate::XORB_CHUNKS_MAX;
use crate::xorb::XorbIndex;

/// How a footer begins; no frame can begin so, since its first byte is not version 0.
pub const FOOTER_IDENT: [u8; 7] = *b"XETBLOB";
const HASHES_IDENT: [u8; 7] = *b"XBLBHSH";
const BOUNDS_IDENT: [u8; 7] = *b"XBLBBND";
/// Both section offsets are counted from the end of this.
const TAIL_BYTES: usize = 28;

/// A footer that cannot be read, or that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a xorb footer")]
pub struct FooterError;

/// Bytes of the footer and its length word for a number of chunks.
pub fn footer_len(chunks: u32) -> usize {
    40 + 12 + 32 * chunks as usize + 12 + 8 * chunks as usize + TAIL_BYTES + 4
}

/// The longest footer with its length word.
pub const FOOTER_BYTES_MAX: usize = 96 + 40 * XORB_CHUNKS_MAX;

/// The bytes to put after the frames, length word included.
pub fn write_footer(hash: &XetHash, index: &XorbIndex) -> Vec<u8> {
    let n = index.chunk_count();
    let mut out = Vec::with_capacity(footer_len(n));
    out.put_slice(&FOOTER_IDENT);
    out.put_u8(1);
    out.put_slice(hash.as_bytes());
    let hashes = out.len();
    out.put_slice(&HASHES_IDENT);
    out.put_u8(0);
    out.put_u32_le(n);
    index.hashes().for_each(|h| out.put_slice(h.as_bytes()));
    let bounds = out.len();
    out.put_slice(&BOUNDS_IDENT);
    out.put_u8(1);
    out.put_u32_le(n);
    (0..n).for_each(|i| out.put_u32_le(index.frame_range(0..i + 1).end));
    (0..n).for_each(|i| out.put_u32_le(index.raw_range(0..i + 1).end));
    let end = out.len() + TAIL_BYTES;
    out.put_u32_le(n);
    out.put_u32_le((end - hashes) as u32);
    out.put_u32_le((end - bounds) as u32);
    out.put_bytes(0, 16);
    out.put_u32_le(end as u32);
    out
}

/// Reads a footer from the end of an object: `tail` is its last bytes, [`FOOTER_BYTES_MAX`] or the whole object.
/// Gives the xorb's hash and index; every redundant number must agree.
pub fn read_footer(tail: &[u8]) -> Result<(XetHash, XorbIndex), FooterError> {
    let (rest, word) = tail.split_last_chunk::<4>().ok_or(FooterError)?;
    let len = u32::from_le_bytes(*word) as usize;
    let footer = rest.len().checked_sub(len).map(|from| &rest[from..]).ok_or(FooterError)?;
    let n = len.checked_sub(92).filter(|n| n.is_multiple_of(40)).ok_or(FooterError)? / 40;
    if n == 0 || n > XORB_CHUNKS_MAX {
        return Err(FooterError);
    }
    let hash = footer.get(8..40).and_then(XetHash::from_slice).ok_or(FooterError)?;
    let hashes = footer.get(52..52 + 32 * n).ok_or(FooterError)?;
    let bounds = footer.get(64 + 32 * n..64 + 40 * n).ok_or(FooterError)?;
    let (frame_ends, raw_ends) = bounds.split_at(4 * n);
    let mut blob = Vec::with_capacity(40 * n);
    for ((h, f), r) in hashes.chunks_exact(32).zip(frame_ends.chunks_exact(4)).zip(raw_ends.chunks_exact(4)) {
        blob.put_slice(h);
        blob.put_slice(f);
        blob.put_slice(r);
    }
    let index = XorbIndex::from_blob(Bytes::from(blob)).map_err(|_| FooterError)?;
    // The nonce in the last 16 bytes is the only freedom that a footer has.
    let expected = write_footer(&hash, &index);
    let fixed = len - 16;
    if footer[..fixed] != expected[..fixed] {
        return Err(FooterError);
    }
    Ok((hash, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xorb::IndexBuilder;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let mut builder = IndexBuilder::default();
        for i in 0..5u8 {
            builder.push(crate::hash::chunk_hash(&[i]), 100, 50).unwrap();
        }
        let (hash, index) = builder.finish().unwrap();
        let footer = write_footer(&hash, &index);
        assert_eq!(footer.len(), footer_len(5));
        assert_eq!(footer_len(XORB_CHUNKS_MAX as u32), FOOTER_BYTES_MAX);
        let mut object = vec![7; 1000];
        object.extend_from_slice(&footer);
        assert_eq!(read_footer(&object), Ok((hash, index)));
        for at in 1000..object.len() {
            let mut bad = object.clone();
            bad[at] ^= 1;
            let in_hash = |range: std::ops::Range<usize>| range.contains(&(at - 1000));
            let free = in_hash(8..40) || in_hash(52..52 + 160) || in_hash(footer.len() - 20..footer.len() - 4);
            // Hashes and end offsets are data; a flip there is found by other means or is a valid other index.
            if !free && !in_hash(64 + 160..64 + 200) {
                assert_eq!(read_footer(&bad), Err(FooterError), "byte {at}");
            }
        }
        for cut in 0..footer.len() {
            assert_eq!(read_footer(&footer[cut + 1..]), Err(FooterError));
        }
        assert_eq!(read_footer(&[]), Err(FooterError));
    }
}
