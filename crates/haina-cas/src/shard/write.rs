//! Writing shards.

use bytes::BufMut;
use haina_types::{Sha256, XetHash};

use super::{ENTRY_BYTES, FLAG_ELIGIBLE, FLAG_METADATA, FLAG_VERIFICATION, FOOTER_BYTES, HEADER_BYTES, TAG};
use crate::dedup;
use crate::hash::{keyed_chunk_hash, range_hash};
use crate::xorb::XorbIndex;

/// A term to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermEntry {
    /// The xorb.
    pub xorb: XetHash,
    /// First chunk.
    pub start: u32,
    /// After the last chunk.
    pub end: u32,
    /// Raw bytes.
    pub raw_len: u32,
    /// The proof.
    pub range_hash: XetHash,
}

impl TermEntry {
    /// The term of some chunks, with the right length and proof.
    pub fn new(xorb: XetHash, index: &XorbIndex, chunks: std::ops::Range<u32>) -> Self {
        let hashes: Vec<_> = chunks.clone().map(|i| index.hash(i)).collect();
        let raw_len = index.raw_len(chunks.clone());
        Self { xorb, start: chunks.start, end: chunks.end, raw_len, range_hash: range_hash(&hashes) }
    }
}

fn header(footer_len: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    out.put_slice(&TAG);
    out.put_u64_le(2);
    out.put_u64_le(footer_len);
    out
}

fn bookend(out: &mut Vec<u8>) {
    out.put_bytes(0xff, 32);
    out.put_bytes(0, ENTRY_BYTES - 32);
}

fn entry(out: &mut Vec<u8>, hash: &XetHash, words: [u32; 4]) {
    out.put_slice(hash.as_bytes());
    words.into_iter().for_each(|w| out.put_u32_le(w));
}

/// Writes shards as clients do: for tests and for the recipes of files that came in by other doors.
#[derive(Debug, Default)]
pub struct ShardWriter {
    files: Vec<u8>,
    xorbs: Vec<u8>,
}

impl ShardWriter {
    /// Adds a file with its proofs.
    pub fn file(&mut self, hash: XetHash, terms: &[TermEntry], sha256: Option<Sha256>) {
        let flags = FLAG_VERIFICATION | if sha256.is_some() { FLAG_METADATA } else { 0 };
        let out = &mut self.files;
        entry(out, &hash, [flags, terms.len() as u32, 0, 0]);
        terms.iter().for_each(|t| entry(out, &t.xorb, [0, t.raw_len, t.start, t.end]));
        terms.iter().for_each(|t| entry(out, &t.range_hash, [0; 4]));
        if let Some(sha) = sha256 {
            entry(out, &XetHash::from_sha256(&sha), [0; 4]);
        }
    }

    /// Adds a xorb.
    pub fn xorb(&mut self, hash: XetHash, index: &XorbIndex) {
        let out = &mut self.xorbs;
        entry(out, &hash, [0, index.chunk_count(), index.raw_total(), 0]);
        for (i, chunk) in (0..).zip(index.hashes()) {
            let raw = index.raw_range(i..i + 1);
            let flags = if dedup::is_eligible(&chunk) { FLAG_ELIGIBLE } else { 0 };
            entry(out, &chunk, [raw.start, raw.end - raw.start, flags, 0]);
        }
    }

    /// The bytes, without a footer.
    pub fn finish(self) -> Vec<u8> {
        let mut out = header(0);
        out.extend_from_slice(&self.files);
        bookend(&mut out);
        out.extend_from_slice(&self.xorbs);
        bookend(&mut out);
        out
    }
}

/// The answer to a dedup query: whole chunk lists of some xorbs, chunk hashes keyed.
///
/// Clients read the footer and take `file_lookup_offset` for the end of the xorbs: without that they abort their
/// whole process, so all lookups are empty and stand at the footer.
#[derive(Debug)]
pub struct DedupAnswer {
    key: [u8; 32],
    created: u64,
    expires: u64,
    xorbs: Vec<u8>,
    raw_total: u64,
}

impl DedupAnswer {
    /// `key`: random, one for each domain and day; zero leaves hashes bare. `created`, `expires`: seconds since the
    /// epoch; clients use the answer until then, so the xorbs must be kept longer.
    pub fn new(key: [u8; 32], created: u64, expires: u64) -> Self {
        Self { key, created, expires, xorbs: Vec::new(), raw_total: 0 }
    }

    /// Adds a xorb of which the asker may know the chunks for which `visible(chunk index)` holds. The others are
    /// blanked: a hash that no content has, no length; the positions of the rest stay.
    pub fn xorb(&mut self, hash: XetHash, index: &XorbIndex, visible: &dyn Fn(u32) -> bool) {
        let out = &mut self.xorbs;
        entry(out, &hash, [0, index.chunk_count(), index.raw_total(), index.frames_len()]);
        for (i, chunk) in (0..).zip(index.hashes()) {
            let raw = index.raw_range(i..i + 1);
            if visible(i) {
                let flags = if dedup::is_eligible(&chunk) { FLAG_ELIGIBLE } else { 0 };
                entry(out, &keyed_chunk_hash(&chunk, &self.key), [raw.start, raw.end - raw.start, flags, 0]);
            } else {
                entry(out, &blank(&hash, i, &self.key), [raw.start, 0, 0, 0]);
            }
        }
        self.raw_total += u64::from(index.raw_total());
    }

    /// The bytes, with the footer that clients demand.
    pub fn finish(self) -> Vec<u8> {
        let mut out = header(FOOTER_BYTES as u64);
        bookend(&mut out);
        let xorbs_at = out.len() as u64;
        out.extend_from_slice(&self.xorbs);
        bookend(&mut out);
        let footer_at = out.len() as u64;
        out.put_u64_le(1);
        out.put_u64_le(HEADER_BYTES as u64);
        out.put_u64_le(xorbs_at);
        for _ in 0..3 {
            out.put_u64_le(footer_at);
            out.put_u64_le(0);
        }
        out.put_slice(&self.key);
        out.put_u64_le(self.created);
        out.put_u64_le(self.expires);
        out.put_bytes(0, 48);
        // Bytes on disk, materialized and stored; only statistics to a client.
        for _ in 0..3 {
            out.put_u64_le(self.raw_total);
        }
        out.put_u64_le(footer_at);
        out
    }
}

/// A hash in place of one that the asker may not learn: the same on every call, and that of no content.
fn blank(xorb: &XetHash, i: u32, key: &[u8; 32]) -> XetHash {
    let mut hasher = blake3::Hasher::new_derive_key("haina-cas 2026-11 blanked chunk of a dedup answer");
    hasher.update(key).update(xorb.as_bytes()).update(&i.to_le_bytes());
    XetHash(*hasher.finalize().as_bytes())
}
