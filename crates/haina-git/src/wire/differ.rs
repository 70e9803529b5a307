//! Making deltas: what of one object is also in another.

use super::window::room;

/// Bytes of which a piece in common has at least this many; also how far apart the blocks of a base are.
const BLOCK: usize = 16;
/// Blocks of one hash that are tried; a base of zeros has nothing but such.
const TRIES_MAX: usize = 64;
/// A piece in common of this many bytes is good enough.
const ENOUGH: usize = 8192;
/// Most bytes of one insertion.
const INSERT_MAX: usize = 127;
/// Most bytes of one copy.
const COPY_MAX: usize = 0x10000;

/// The factor of the rolling hash: any odd number with its bits spread out.
const FACTOR: u32 = 0x0810_4225;
/// What a byte counts in the hash when it leaves the window.
const LEAVING: u32 = FACTOR.wrapping_pow(BLOCK as u32);

fn hash_of(block: &[u8]) -> u32 {
    block.iter().fold(0u32, |hash, byte| hash.wrapping_mul(FACTOR).wrapping_add(u32::from(*byte) + 1))
}

fn roll(hash: u32, out: u8, into: u8) -> u32 {
    hash.wrapping_mul(FACTOR).wrapping_add(u32::from(into) + 1).wrapping_sub(LEAVING.wrapping_mul(u32::from(out) + 1))
}

/// How many bytes two slices have in common at their beginnings.
fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count() * 8;
    words + a[words..].iter().zip(&b[words..]).take_while(|(a, b)| a == b).count()
}

#[derive(Debug, Clone, Copy)]
struct Block {
    hash: u32,
    /// The next block of the same bucket, counted from 1; 0 at the end.
    next: u32,
}

/// Where the blocks of a base are.
#[derive(Debug)]
pub struct DeltaIndex {
    blocks: Vec<Block>,
    /// The first block of a bucket, counted from 1.
    buckets: Vec<u32>,
    shift: u32,
}

impl DeltaIndex {
    /// Looks through a base. Takes about as much memory as it has bytes.
    pub fn new(base: &[u8]) -> Self {
        // Below 2^32 blocks, because objects have less than that many bytes.
        let count = base.len().min(u32::MAX as usize) / BLOCK;
        let bits = (count.next_power_of_two().trailing_zeros()).clamp(4, 24);
        let shift = 32 - bits;
        let mut buckets = vec![0u32; 1 << bits];
        let mut blocks = vec![Block { hash: 0, next: 0 }; count];
        // From the end, so that of equal blocks the first is tried first.
        for i in (0..count).rev() {
            let hash = hash_of(&base[i * BLOCK..(i + 1) * BLOCK]);
            let bucket = &mut buckets[bucket(hash, shift)];
            blocks[i] = Block { hash, next: *bucket };
            *bucket = i as u32 + 1;
        }
        Self { blocks, buckets, shift }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * size_of::<Block>() + self.buckets.len() * size_of::<u32>()
    }

    /// The longest piece (where in the base, how long) that begins as `target` does and lies at a block's start.
    fn find(&self, base: &[u8], target: &[u8], hash: u32) -> (usize, usize) {
        let mut best = (0, 0);
        let mut next = self.buckets[bucket(hash, self.shift)];
        for _ in 0..TRIES_MAX {
            let Some(at) = next.checked_sub(1) else { break };
            let block = self.blocks[at as usize];
            if block.hash == hash {
                let from = at as usize * BLOCK;
                let len = common(&base[from..], target);
                if len > best.1 {
                    best = (from, len);
                }
                if len >= ENOUGH {
                    break;
                }
            }
            next = block.next;
        }
        best
    }

    /// The delta that makes `target` of the base that this is the index of, if it has at most `most` bytes.
    pub fn delta(&self, base: &[u8], target: &[u8], most: usize) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(room(most, target.len()));
        size_to(&mut out, base.len());
        size_to(&mut out, target.len());
        // Where in the target we are, and up to where it is written.
        let (mut at, mut done) = (0, 0);
        if target.len() >= BLOCK {
            let mut hash = hash_of(&target[..BLOCK]);
            loop {
                let (from, len) = self.find(base, &target[at..], hash);
                if len >= BLOCK {
                    let before = base[..from].iter().rev().zip(target[done..at].iter().rev());
                    let back = before.take_while(|(a, b)| a == b).count();
                    insert_to(&mut out, &target[done..at - back]);
                    copy_to(&mut out, from - back, len + back);
                    at += len;
                    done = at;
                    if out.len() > most {
                        return None;
                    }
                    match target.get(at..at + BLOCK) {
                        Some(block) => hash = hash_of(block),
                        None => break,
                    }
                } else {
                    let Some(into) = target.get(at + BLOCK) else { break };
                    hash = roll(hash, target[at], *into);
                    at += 1;
                    // A piece in common may still reach back over a block, not further in what cannot be found.
                    if out.len() + (at - done) > most + BLOCK {
                        return None;
                    }
                }
            }
        }
        insert_to(&mut out, &target[done..]);
        (out.len() <= most).then_some(out)
    }
}

fn bucket(hash: u32, shift: u32) -> usize {
    (hash.wrapping_mul(0x9e37_79b1) >> shift) as usize
}

fn size_to(out: &mut Vec<u8>, mut size: usize) {
    while size >= 0x80 {
        out.push((size & 0x7f) as u8 | 0x80);
        size >>= 7;
    }
    out.push(size as u8);
}

fn insert_to(out: &mut Vec<u8>, bytes: &[u8]) {
    for piece in bytes.chunks(INSERT_MAX) {
        // At most 127.
        out.push(piece.len() as u8);
        out.extend_from_slice(piece);
    }
}

fn copy_to(out: &mut Vec<u8>, mut from: usize, mut len: usize) {
    while len > 0 {
        let now = len.min(COPY_MAX);
        let op = out.len();
        out.push(0x80);
        for (i, byte) in (from as u32).to_le_bytes().into_iter().enumerate().filter(|(_, byte)| *byte != 0) {
            out[op] |= 1 << i;
            out.push(byte);
        }
        // No size at all is the largest one.
        let size = if now == COPY_MAX { 0 } else { now as u32 };
        for (i, byte) in size.to_le_bytes().into_iter().take(2).enumerate().filter(|(_, byte)| *byte != 0) {
            out[op] |= 0x10 << i;
            out.push(byte);
        }
        from += now;
        len -= now;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{apply_delta, delta_sizes};

    fn made(base: &[u8], target: &[u8]) -> Vec<u8> {
        let delta = DeltaIndex::new(base).delta(base, target, usize::MAX / 2).unwrap();
        assert_eq!(delta_sizes(&delta).unwrap(), (base.len() as u64, target.len() as u64));
        assert_eq!(apply_delta(base, &delta).unwrap(), target);
        delta
    }

    #[test]
    fn known_pairs() {
        let text: Vec<u8> = (0..5000u32).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        let mut changed = text.clone();
        changed.splice(20_000..20_003, *b"something else");
        assert!(made(&text, &changed).len() < 48);
        assert!(made(&text, &text).len() < 16);
        // An insertion at the front, a cut at the end, and what is repeated.
        let moved = [b"new first line\n".as_slice(), &text[..30_000]].concat();
        assert!(made(&text, &moved).len() < 48);
        made(&text, &[&text[..], &text[..]].concat());
        made(&[0; 300_000], &[0; 300_001]);
        for (a, b) in [(&b""[..], &b""[..]), (b"", b"x"), (b"x", b""), (b"0123456789abcdef", b"0123456789abcdef")] {
            made(a, b);
        }
    }

    #[test]
    fn what_is_too_long_is_not_made() {
        let base = vec![1u8; 1000];
        let other: Vec<u8> = (0..1000u32).map(|i| ((i * i) >> 3) as u8).collect();
        assert_eq!(DeltaIndex::new(&base).delta(&base, &other, 400), None);
        let delta = made(&base, &other);
        assert_eq!(DeltaIndex::new(&base).delta(&base, &other, delta.len()), Some(delta.clone()));
        assert_eq!(DeltaIndex::new(&base).delta(&base, &other, delta.len() - 1), None);
    }

    #[test]
    fn rolling_is_hashing() {
        let bytes: Vec<u8> = (0..200u32).map(|i| (i * 31) as u8).collect();
        let mut hash = hash_of(&bytes[..BLOCK]);
        for at in 0..bytes.len() - BLOCK {
            hash = roll(hash, bytes[at], bytes[at + BLOCK]);
            assert_eq!(hash, hash_of(&bytes[at + 1..at + 1 + BLOCK]));
        }
    }

    /// An edit: where, how much is cut, what is put there.
    fn edit() -> impl Strategy<Value = (usize, usize, Vec<u8>)> {
        (any::<usize>(), 0usize..200, proptest::collection::vec(any::<u8>(), 0..100))
    }

    proptest! {
        #[test]
        fn deltas_give_their_target(
            base in proptest::collection::vec(0u8..4, 0..4000),
            target in proptest::collection::vec(0u8..4, 0..4000),
        ) {
            made(&base, &target);
        }

        #[test]
        fn edits_are_small(
            base in proptest::collection::vec(any::<u8>(), 2000..100_000),
            edits in proptest::collection::vec(edit(), 0..5),
        ) {
            let mut target = base.clone();
            let mut most = 40;
            for (at, cut, new) in edits {
                let at = at % (target.len() + 1);
                let end = (at + cut).min(target.len());
                most += new.len() + 64;
                target.splice(at..end, new);
            }
            let delta = made(&base, &target);
            prop_assert!(delta.len() <= most, "{} > {}", delta.len(), most);
        }
    }
}
