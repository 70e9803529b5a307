//! The recipe of a file: which chunks of which xorbs, in order.

use std::collections::HashMap;
use std::ops::Range;

use bytes::{BufMut, Bytes};
use haina_types::XetHash;

/// One run of chunks of one xorb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The xorb.
    pub xorb: XetHash,
    /// Its chunks, end-exclusive.
    pub chunks: Range<u32>,
    /// Which bytes of the file they are, end-exclusive.
    pub bytes: Range<u64>,
}

/// The terms of a file, as a compact blob: `u32 x | x × xorb hash (32) | n × (u32 xorb, u32 start, u32 end, u64 end
/// in the file)`, little-endian; 20 bytes for each term. Cheap to clone; accessors read the blob in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTerms {
    blob: Bytes,
    xorbs: usize,
}

/// A stored recipe is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a list of file terms")]
pub struct TermsError;

const TERM_BYTES: usize = 20;

fn u32_at(blob: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&blob[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(blob: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&blob[at..at + 8]);
    u64::from_le_bytes(word)
}

impl FileTerms {
    /// Of the empty file.
    pub fn empty() -> Self {
        FileTermsBuilder::default().finish()
    }

    /// From what [`FileTerms::as_blob`] gave; checked once, in linear time.
    pub fn from_blob(blob: Bytes) -> Result<Self, TermsError> {
        let xorbs = blob.get(..4).map(|b| u32_at(b, 0) as usize).ok_or(TermsError)?;
        let head = xorbs.checked_mul(32).and_then(|n| n.checked_add(4)).ok_or(TermsError)?;
        if blob.len() < head || !(blob.len() - head).is_multiple_of(TERM_BYTES) {
            return Err(TermsError);
        }
        let terms = Self { blob, xorbs };
        let mut end = 0;
        for i in 0..terms.len() {
            let at = terms.at(i);
            let b = &terms.blob;
            let (xorb, from, to, next) = (u32_at(b, at), u32_at(b, at + 4), u32_at(b, at + 8), u64_at(b, at + 12));
            if xorb as usize >= xorbs || from >= to || next <= end {
                return Err(TermsError);
            }
            end = next;
        }
        Ok(terms)
    }

    /// The recipe as it is stored.
    pub fn as_blob(&self) -> &Bytes {
        &self.blob
    }

    /// How many terms.
    pub fn len(&self) -> usize {
        (self.blob.len() - 4 - 32 * self.xorbs) / TERM_BYTES
    }

    /// Whether the file is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of the file, in bytes.
    pub fn size(&self) -> u64 {
        self.end(self.len())
    }

    /// The distinct xorbs, in order of first use: the file's edges for collection.
    pub fn xorbs(&self) -> impl ExactSizeIterator<Item = XetHash> + '_ {
        (0..self.xorbs).map(|i| self.xorb(i))
    }

    fn xorb(&self, i: usize) -> XetHash {
        let mut hash = XetHash::ZERO;
        hash.0.copy_from_slice(&self.blob[4 + 32 * i..36 + 32 * i]);
        hash
    }

    fn at(&self, i: usize) -> usize {
        4 + 32 * self.xorbs + TERM_BYTES * i
    }

    /// Where term `i` begins in the file.
    fn end(&self, i: usize) -> u64 {
        if i == 0 { 0 } else { u64_at(&self.blob, self.at(i - 1) + 12) }
    }

    /// A term.
    ///
    /// # Panics
    /// If there is no term `i`.
    pub fn term(&self, i: usize) -> Term {
        let at = self.at(i);
        Term {
            xorb: self.xorb(u32_at(&self.blob, at) as usize),
            chunks: u32_at(&self.blob, at + 4)..u32_at(&self.blob, at + 8),
            bytes: self.end(i)..self.end(i + 1),
        }
    }

    /// The first term.
    pub fn first(&self) -> Option<Term> {
        (!self.is_empty()).then(|| self.term(0))
    }

    /// All terms in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Term> + '_ {
        (0..self.len()).map(|i| self.term(i))
    }

    /// Which terms a window of the file touches (binary search); empty if it is past the end or empty.
    pub fn touching(&self, window: &Range<u64>) -> Range<usize> {
        if window.start >= window.end || window.start >= self.size() {
            return 0..0;
        }
        // Terms whose end is at or before `bound` come first.
        let ends_by = |bound: u64| {
            let (mut low, mut high) = (0, self.len());
            while low < high {
                let mid = low + (high - low) / 2;
                if self.end(mid + 1) <= bound { low = mid + 1 } else { high = mid }
            }
            low
        };
        let first = ends_by(window.start);
        let last = ends_by(window.end - 1).min(self.len() - 1);
        first..last + 1
    }

    /// The distinct xorbs that a window touches: what a lookup must know before [`crate::plan::plan`].
    pub fn xorbs_touching(&self, window: &Range<u64>) -> Vec<XetHash> {
        let mut seen = std::collections::HashSet::new();
        self.touching(window).map(|i| self.term(i).xorb).filter(|x| seen.insert(*x)).collect()
    }
}

/// Collects terms into [`FileTerms`].
#[derive(Debug, Default)]
pub struct FileTermsBuilder {
    rows: HashMap<XetHash, u32>,
    hashes: Vec<XetHash>,
    terms: Vec<(u32, u32, u32, u64)>,
    size: u64,
}

impl FileTermsBuilder {
    /// Adds a run of chunks that holds `len` raw bytes. A run that goes on where the last one stopped is joined
    /// with it. Empty runs are ignored.
    pub fn push(&mut self, xorb: XetHash, chunks: Range<u32>, len: u64) {
        if chunks.is_empty() || len == 0 {
            return;
        }
        let row = *self.rows.entry(xorb).or_insert_with(|| {
            self.hashes.push(xorb);
            (self.hashes.len() - 1) as u32
        });
        self.size += len;
        match self.terms.last_mut() {
            Some(last) if last.0 == row && last.2 == chunks.start => {
                last.2 = chunks.end;
                last.3 = self.size;
            }
            _ => self.terms.push((row, chunks.start, chunks.end, self.size)),
        }
    }

    /// Bytes of the file so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The recipe.
    pub fn finish(self) -> FileTerms {
        let mut blob = Vec::with_capacity(4 + 32 * self.hashes.len() + TERM_BYTES * self.terms.len());
        blob.put_u32_le(self.hashes.len() as u32);
        self.hashes.iter().for_each(|h| blob.put_slice(h.as_bytes()));
        for (row, start, end, bytes) in self.terms {
            blob.put_u32_le(row);
            blob.put_u32_le(start);
            blob.put_u32_le(end);
            blob.put_u64_le(bytes);
        }
        FileTerms { blob: blob.into(), xorbs: self.hashes.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blob_and_search() {
        let (a, b) = (XetHash([1; 32]), XetHash([2; 32]));
        let mut builder = FileTermsBuilder::default();
        builder.push(a, 0..2, 10);
        builder.push(a, 2..3, 5);
        builder.push(b, 7..9, 20);
        builder.push(a, 1..2, 1);
        let terms = builder.finish();
        assert_eq!((terms.len(), terms.size()), (3, 36));
        assert_eq!(terms.xorbs().collect::<Vec<_>>(), [a, b]);
        assert_eq!(terms.term(1), Term { xorb: b, chunks: 7..9, bytes: 15..35 });
        assert_eq!(FileTerms::from_blob(terms.as_blob().clone()).unwrap(), terms);
        for (window, want) in [
            (0..1, 0..1),
            (0..15, 0..1),
            (0..16, 0..2),
            (14..15, 0..1),
            (15..16, 1..2),
            (34..36, 1..3),
            (35..99, 2..3),
            (36..99, 0..0),
            (3..3, 0..0),
        ] {
            assert_eq!(terms.touching(&window), want, "{window:?}");
        }
        assert_eq!(terms.xorbs_touching(&(0..100)), [a, b]);
        for cut in 0..terms.as_blob().len() {
            let cut_blob = terms.as_blob().slice(..cut);
            if let Ok(t) = FileTerms::from_blob(cut_blob) {
                assert!(t.len() < 3);
            }
        }
        assert!(FileTerms::from_blob(FileTerms::empty().as_blob().clone()).unwrap().is_empty());
    }
}
