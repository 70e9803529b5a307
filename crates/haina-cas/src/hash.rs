//! The hashes of the protocol, all BLAKE3 with a fixed key for each purpose.
//!
//! The aggregation of chunk hashes into a xorb or file hash is a Merkle tree of 3 to 9 children whose cuts depend on
//! the hashes themselves, so that lists sharing a run of chunks share nodes. [`Merkle`] computes it in one pass with
//! a few hundred bytes of state.

use haina_types::XetHash;

const DATA_KEY: [u8; 32] = [
    102, 151, 245, 119, 91, 149, 80, 222, 49, 53, 203, 172, 165, 151, 24, 28, 157, 228, 33, 16, 155, 235, 43, 88, 180,
    208, 176, 75, 147, 173, 242, 41,
];
const NODE_KEY: [u8; 32] = [
    1, 126, 197, 199, 165, 71, 41, 150, 253, 148, 102, 102, 180, 138, 2, 230, 93, 221, 83, 111, 55, 199, 109, 210, 248,
    99, 82, 230, 74, 83, 113, 63,
];
const VERIFY_KEY: [u8; 32] = [
    127, 24, 87, 214, 206, 86, 237, 102, 18, 127, 249, 19, 231, 165, 195, 243, 164, 205, 38, 213, 181, 219, 73, 230,
    65, 36, 152, 127, 40, 251, 148, 195,
];

/// The hash of one chunk's raw bytes.
pub fn chunk_hash(raw: &[u8]) -> XetHash {
    XetHash(*blake3::keyed_hash(&DATA_KEY, raw).as_bytes())
}

/// A chunk hash under a secret key, as dedup answers carry it; the zero key means unkeyed.
pub fn keyed_chunk_hash(chunk: &XetHash, key: &[u8; 32]) -> XetHash {
    if key == &[0; 32] { *chunk } else { XetHash(*blake3::keyed_hash(key, chunk.as_bytes()).as_bytes()) }
}

/// The proof that a term's author knows its chunks: over their hashes in order.
pub fn range_hash<'a>(chunks: impl IntoIterator<Item = &'a XetHash>) -> XetHash {
    let mut hasher = RangeHasher::default();
    chunks.into_iter().for_each(|c| hasher.push(c));
    hasher.finish()
}

/// Incremental [`range_hash`]; may be used again after [`RangeHasher::finish`].
#[derive(Debug, Default)]
pub struct RangeHasher {
    // One call over all hashes lets BLAKE3 work on many of its blocks at once; 8192 chunks need 256 KiB.
    joined: Vec<u8>,
}

impl RangeHasher {
    /// Adds the next chunk.
    pub fn push(&mut self, chunk: &XetHash) {
        self.joined.extend_from_slice(chunk.as_bytes());
    }

    /// The hash of all chunks since the last call.
    pub fn finish(&mut self) -> XetHash {
        let hash = XetHash(*blake3::keyed_hash(&VERIFY_KEY, &self.joined).as_bytes());
        self.joined.clear();
        hash
    }
}

/// The hash of a xorb: the root over its `(chunk hash, raw length)`; zero for none.
pub fn xorb_hash(chunks: impl IntoIterator<Item = (XetHash, u64)>) -> XetHash {
    let mut merkle = Merkle::default();
    chunks.into_iter().for_each(|(h, n)| merkle.push(h, n));
    merkle.xorb_hash()
}

/// The hash (id) of a file: the root over all its chunks, hashed once more; zero for the empty file.
pub fn file_hash(chunks: impl IntoIterator<Item = (XetHash, u64)>) -> XetHash {
    let mut merkle = Merkle::default();
    chunks.into_iter().for_each(|(h, n)| merkle.push(h, n));
    merkle.file_hash()
}

/// Most children of a node.
const GROUP_MAX: usize = 9;

/// Nodes of one level that are not yet in a group.
#[derive(Debug, Clone, Default)]
struct Level {
    pending: Vec<(XetHash, u64)>,
    /// Whether this level has passed a node on, so that a lone rest is a group and not the root.
    emitted: bool,
}

/// A Merkle root computed in one pass.
///
/// A group ends after the first node at position 2 to 8 whose hash is a multiple of 4, or after 9 nodes; the last
/// group of a level takes what is left. Whether a group is complete therefore never depends on later nodes.
#[derive(Debug, Clone, Default)]
pub struct Merkle {
    levels: Vec<Level>,
    text: String,
}

impl Merkle {
    /// Adds the next chunk and its length in raw bytes.
    pub fn push(&mut self, hash: XetHash, len: u64) {
        self.push_at(0, hash, len);
    }

    fn push_at(&mut self, mut depth: usize, mut hash: XetHash, mut len: u64) {
        loop {
            if depth == self.levels.len() {
                self.levels.push(Level::default());
            }
            let pending = &mut self.levels[depth].pending;
            let position = pending.len();
            pending.push((hash, len));
            let cut = position >= 2 && hash.last_word().is_multiple_of(4) || position + 1 == GROUP_MAX;
            if !cut {
                return;
            }
            (hash, len) = self.close(depth);
            depth += 1;
        }
    }

    /// The node over all pending nodes of a level.
    fn close(&mut self, depth: usize) -> (XetHash, u64) {
        let level = &mut self.levels[depth];
        let len = level.pending.iter().map(|(_, n)| n).sum();
        self.text.clear();
        for (hash, n) in &level.pending {
            write_child(&mut self.text, hash, *n);
        }
        level.pending.clear();
        level.emitted = true;
        (XetHash(*blake3::keyed_hash(&NODE_KEY, self.text.as_bytes()).as_bytes()), len)
    }

    /// The root: zero for no chunk, the chunk's own hash for one.
    pub fn xorb_hash(mut self) -> XetHash {
        let mut depth = 0;
        while depth < self.levels.len() {
            let last = depth + 1 == self.levels.len();
            let level = &self.levels[depth];
            if last && !level.emitted && level.pending.len() == 1 {
                return level.pending[0].0;
            }
            if !level.pending.is_empty() {
                let (hash, len) = self.close(depth);
                self.push_at(depth + 1, hash, len);
            }
            depth += 1;
        }
        XetHash::ZERO
    }

    /// The file id over the same chunks: zero for no chunk.
    pub fn file_hash(self) -> XetHash {
        if self.levels.is_empty() {
            return XetHash::ZERO;
        }
        let root = self.xorb_hash();
        XetHash(*blake3::keyed_hash(&[0; 32], root.as_bytes()).as_bytes())
    }
}

/// `"<hash> : <len>\n"`, without the formatting machinery: this is most of the time of a Merkle tree.
fn write_child(text: &mut String, hash: &XetHash, len: u64) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for word in hash.as_bytes().chunks_exact(8) {
        for byte in word.iter().rev() {
            text.push(char::from(HEX[usize::from(byte >> 4)]));
            text.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    text.push_str(" : ");
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = len;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    digits[at..].iter().for_each(|d| text.push(char::from(*d)));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rule as the reference states it: level by level over whole lists.
    fn reference(mut nodes: Vec<(XetHash, u64)>) -> XetHash {
        if nodes.is_empty() {
            return XetHash::ZERO;
        }
        while nodes.len() > 1 {
            let mut next = Vec::new();
            let mut rest = &nodes[..];
            while !rest.is_empty() {
                let most = rest.len().min(9);
                let size = if rest.len() <= 2 {
                    rest.len()
                } else {
                    (2..most).find(|j| rest[*j].0.last_word().is_multiple_of(4)).map_or(most, |j| j + 1)
                };
                let text: String = rest[..size].iter().map(|(h, n)| format!("{h} : {n}\n")).collect();
                let hash = XetHash(*blake3::keyed_hash(&NODE_KEY, text.as_bytes()).as_bytes());
                next.push((hash, rest[..size].iter().map(|n| n.1).sum()));
                rest = &rest[size..];
            }
            nodes = next;
        }
        nodes[0].0
    }

    #[test]
    fn one_pass_equals_level_by_level() {
        for n in (0..200).chain([511, 512, 513, 1000, 4097, 8192]) {
            let nodes: Vec<_> = (0..n as u64).map(|i| (chunk_hash(&i.to_le_bytes()), i * 977 % 131_072)).collect();
            assert_eq!(xorb_hash(nodes.iter().copied()), reference(nodes), "{n} chunks");
        }
    }

    #[test]
    fn ends_of_the_scale() {
        assert_eq!(xorb_hash([]), XetHash::ZERO);
        assert_eq!(file_hash([]), XetHash::ZERO);
        let chunk = chunk_hash(b"one");
        assert_eq!(xorb_hash([(chunk, 3)]), chunk);
        assert_ne!(file_hash([(chunk, 3)]), chunk);
        assert_eq!(keyed_chunk_hash(&chunk, &[0; 32]), chunk);
        assert_ne!(keyed_chunk_hash(&chunk, &[1; 32]), chunk);
        let mut text = String::new();
        write_child(&mut text, &chunk, u64::MAX);
        assert_eq!(text, format!("{chunk} : {}\n", u64::MAX));
    }
}
