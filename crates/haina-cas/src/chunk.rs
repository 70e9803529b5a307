//! Content-defined chunking with the Gear rolling hash: where a file is cut depends on its content alone, so equal
//! runs of bytes become equal chunks wherever they stand.

use gearhash::Hasher;

use crate::CHUNK_BYTES_MAX;

/// No chunk but a file's last is shorter, in bytes.
pub const CHUNK_BYTES_MIN: usize = 8192;
const MASK: u64 = 0xffff_0000_0000_0000;
/// A hash depends on the last 64 bytes alone, so the start of a chunk need not be hashed.
const SKIP: usize = CHUNK_BYTES_MIN - 64 - 1;

/// Cuts a stream of bytes into chunks of 8192 to 131072 bytes, about 64 KiB on average.
#[derive(Debug, Clone, Default)]
pub struct Chunker {
    hasher: Hasher<'static>,
    len: usize,
}

impl Chunker {
    /// Bytes of the chunk that is open.
    pub fn open_len(&self) -> usize {
        self.len
    }

    /// Takes bytes up to the next boundary: how many of `data` it took, and whether a chunk ends there. Without a
    /// boundary it took all of `data`.
    pub fn next_boundary(&mut self, data: &[u8]) -> (usize, bool) {
        let mut taken = 0;
        while taken < data.len() {
            if self.len < SKIP {
                let skip = (SKIP - self.len).min(data.len() - taken);
                self.len += skip;
                taken += skip;
                continue;
            }
            let most = (CHUNK_BYTES_MAX - self.len).min(data.len() - taken);
            let found = self.hasher.next_match(&data[taken..taken + most], MASK);
            let step = found.unwrap_or(most);
            self.len += step;
            taken += step;
            if found.is_some() && self.len >= CHUNK_BYTES_MIN || self.len == CHUNK_BYTES_MAX {
                self.len = 0;
                self.hasher.set_hash(0);
                return (taken, true);
            }
        }
        (taken, false)
    }

    /// Takes all of `data` and returns where chunks end, as offsets in `data`. What is after the last of them stays
    /// open for the next call; the end of the file ends it.
    pub fn push(&mut self, data: &[u8]) -> Vec<usize> {
        let mut ends = Vec::with_capacity(data.len() / 49_152 + 1);
        let mut at = 0;
        while at < data.len() {
            let (taken, boundary) = self.next_boundary(&data[at..]);
            at += taken;
            if boundary {
                ends.push(at);
            }
        }
        ends
    }
}
