//! Every lie that a shard can tell (T5), and what we answer to dedup queries (Q7).

use std::collections::HashMap;

use bytes::Bytes;
use haina_cas::XorbIndex;
use haina_cas::dedup;
use haina_cas::frame::Scheme;
use haina_cas::hash::{file_hash, keyed_chunk_hash};
use haina_cas::shard::{DedupAnswer, Shard, ShardError, ShardWriter, TermEntry, Validator};
use haina_types::{Sha256, XetHash};
use proptest::prelude::*;

use crate::data::{Dice, vectors, xorb};

const ENTRY: usize = 48;

struct World {
    a: (XetHash, XorbIndex),
    b: (XetHash, XorbIndex),
}

impl World {
    fn new() -> Self {
        let mut dice = Dice(7);
        let mut make = |n: usize| {
            let chunks: Vec<_> = (0..n).map(|i| (dice.noise(100 + i), Scheme::Stored)).collect();
            let (_, hash, index) = xorb(&chunks);
            (hash, index)
        };
        Self { a: make(10), b: make(5) }
    }

    fn lookup(&self, hash: &XetHash) -> Option<XorbIndex> {
        [&self.a, &self.b].into_iter().find(|(h, _)| h == hash).map(|(_, i)| i.clone())
    }

    fn terms(&self) -> Vec<TermEntry> {
        vec![
            TermEntry::new(self.a.0, &self.a.1, 2..6),
            TermEntry::new(self.b.0, &self.b.1, 0..5),
            TermEntry::new(self.a.0, &self.a.1, 0..1),
        ]
    }

    fn id(&self, terms: &[TermEntry]) -> XetHash {
        file_hash(terms.iter().flat_map(|t| {
            let index = self.lookup(&t.xorb).unwrap();
            (t.start..t.end).map(move |i| (index.hash(i), u64::from(index.raw_len(i..i + 1)))).collect::<Vec<_>>()
        }))
    }

    /// Two files and both xorbs: entries at known places.
    fn shard(&self) -> Vec<u8> {
        let mut writer = ShardWriter::default();
        let terms = self.terms();
        writer.file(self.id(&terms), &terms, Some(Sha256([5; 32])));
        writer.file(self.id(&terms[1..2]), &terms[1..2], None);
        writer.xorb(self.a.0, &self.a.1);
        writer.xorb(self.b.0, &self.b.1);
        writer.finish()
    }

    fn check(&self, bytes: Vec<u8>) -> Result<usize, ShardError> {
        let shard = Shard::parse(bytes.into())?;
        Validator::default().shard(&shard, &|h| self.lookup(h)).map(|files| files.len())
    }

    fn check_changed(&self, at: usize, bytes: &[u8]) -> Result<usize, ShardError> {
        let mut shard = self.shard();
        shard[at..at + bytes.len()].copy_from_slice(bytes);
        self.check(shard)
    }
}

#[test]
fn an_honest_shard() {
    let world = World::new();
    let shard = Shard::parse(world.shard().into()).unwrap();
    assert_eq!(shard.referenced_xorbs(), [world.a.0, world.b.0]);
    let files = Validator::default().shard(&shard, &|h| world.lookup(h)).unwrap();
    let [first, second] = &files[..] else { panic!("two files") };
    assert_eq!(first.sha256_claim, Some(Sha256([5; 32])));
    assert_eq!((second.sha256_claim, second.size), (None, 510));
    assert_eq!(first.size, (102 + 103 + 104 + 105) + 510 + 100);
    assert_eq!(first.terms.iter().map(|t| t.chunks).collect::<Vec<_>>(), [2..6, 0..5, 0..1]);
    assert_eq!(first.first_chunk, Some((world.a.1.hash(2), world.a.0, 2)));
    assert_eq!(dedup::first_chunk(&first.terms), Some((world.a.0, 2)));
}

#[test]
fn lies_about_files() {
    let world = World::new();
    // Entries: 0 header of file 1, 1-3 its terms, 4-6 its proofs, 7 its SHA-256, 8 header of file 2, 9, 10, 11 bookend.
    let at = |entry: usize| 48 + entry * ENTRY;
    let word = |n: u32| n.to_le_bytes();
    assert_eq!(world.check(world.shard()), Ok(2));
    assert!(matches!(world.check_changed(at(0), &[1]), Err(ShardError::FileHash { .. })));
    let e = world.check_changed(at(1), &[9; 32]).unwrap_err();
    assert_eq!(e, ShardError::MissingXorb { xorb: XetHash([9; 32]) });
    assert!(matches!(world.check_changed(at(1) + 36, &word(415)), Err(ShardError::TermLength { actual: 414, .. })));
    for (start, end) in [(6, 6), (7, 6), (2, 11), (10, 11), (0, u32::MAX), (u32::MAX, 0)] {
        let range = [word(start), word(end)].concat();
        let e = world.check_changed(at(1) + 40, &range).unwrap_err();
        assert!(matches!(e, ShardError::ChunkRange { term: 0, .. }), "{start}..{end}: {e:?}");
    }
    // A proof of other chunks than those of the term.
    assert!(matches!(world.check_changed(at(5), &[1]), Err(ShardError::RangeHash { term: 1, .. })));
    // Another file's terms under this file's id: terms 2 and 3 in the other order, with their right proofs.
    let mut swapped = world.shard();
    for block in [2, 5] {
        let (a, b) = swapped.split_at_mut(at(block + 1));
        a[at(block)..].swap_with_slice(&mut b[..ENTRY]);
    }
    assert!(matches!(world.check(swapped), Err(ShardError::FileHash { .. })));
    // The SHA-256 is a claim: it is handed on, not checked.
    assert_eq!(world.check_changed(at(7), &[1]), Ok(2));
    // Without verification: the second file's entry goes too, so that the shard stays well-formed.
    let mut mixed = world.shard();
    mixed[at(8) + 32..at(8) + 36].copy_from_slice(&word(0));
    mixed.drain(at(10)..at(11));
    assert_eq!(world.check(mixed), Err(ShardError::MixedVerification));
    let mut bare = world.shard();
    bare.drain(at(4)..at(7));
    bare[at(0) + 32..at(0) + 36].copy_from_slice(&word(1 << 30));
    bare[at(5) + 32..at(5) + 36].copy_from_slice(&word(0));
    bare.drain(at(7)..at(8));
    assert!(matches!(world.check(bare), Err(ShardError::NoVerification { .. })));
}

#[test]
fn lies_about_xorbs() {
    let world = World::new();
    let at = |entry: usize| 48 + (12 + entry) * ENTRY;
    let e = ShardError::XorbMismatch { xorb: world.a.0 };
    for (offset, len) in [(40, 4), (ENTRY, 32), (ENTRY + 32, 4), (ENTRY + 36, 4), (5 * ENTRY + 3, 1)] {
        assert_eq!(world.check_changed(at(0) + offset, &vec![0x77; len]), Err(e.clone()), "{offset}");
    }
    assert!(matches!(world.check_changed(at(0), &[0x77; 32]), Err(ShardError::MissingXorb { .. })));
    // Its length on disk is anything; a flag makes a chunk eligible.
    assert_eq!(world.check_changed(at(0) + 44, &[1, 2, 3, 4]), Ok(2));
    let mut flagged = world.shard();
    flagged[at(3) + 43] = 0x80;
    let shard = Shard::parse(flagged.into()).unwrap();
    let eligible = Validator::default().xorb(&shard.xorbs[0], &world.a.1).unwrap();
    assert!(eligible.contains(&(2, world.a.1.hash(2))));
}

#[test]
fn damaged_shards() {
    let world = World::new();
    let whole = world.shard();
    let malformed = |bytes: Vec<u8>| matches!(Shard::parse(bytes.into()), Err(ShardError::Malformed { .. }));
    for cut in 0..whole.len() {
        assert!(malformed(whole[..cut].to_vec()), "cut at {cut}");
    }
    assert!(malformed([&whole[..], &[0]].concat()));
    assert!(malformed([&whole[..], &[0; 200]].concat()));
    // Huge counts are refused before anything is allocated.
    for n in [u32::MAX, 1 << 31, 1_000_000] {
        for at in [48 + 36, 48 + 12 * ENTRY + 36] {
            let mut bad = whole.clone();
            bad[at..at + 4].copy_from_slice(&n.to_le_bytes());
            assert!(malformed(bad));
        }
    }
    for (at, value) in [(0, 0), (20, 0), (32, 1), (32, 3), (40, 1), (40, 200), (48 + 32, 1)] {
        let mut bad = whole.clone();
        bad[at] = value;
        assert!(malformed(bad), "byte {at} = {value}");
    }
}

#[test]
fn the_first_of_two_equal_ids_counts() {
    let world = World::new();
    let terms = world.terms();
    let mut writer = ShardWriter::default();
    writer.file(world.id(&terms), &terms, Some(Sha256([1; 32])));
    writer.file(world.id(&terms), &terms[..1], Some(Sha256([2; 32])));
    let shard = Shard::parse(writer.finish().into()).unwrap();
    assert_eq!(shard.files.len(), 1);
    assert_eq!(shard.files[0].sha256, Some(Sha256([1; 32])));
}

#[test]
fn the_empty_file() {
    let mut writer = ShardWriter::default();
    writer.file(XetHash::ZERO, &[], Some(Sha256::default()));
    let shard = Shard::parse(writer.finish().into()).unwrap();
    let files = Validator::default().shard(&shard, &|_| None).unwrap();
    assert_eq!((files[0].size, files[0].hash, files[0].first_chunk), (0, XetHash::ZERO, None));
}

#[test]
fn work_is_limited() {
    let world = World::new();
    let terms = vec![world.terms().remove(0); 50];
    let mut writer = ShardWriter::default();
    writer.file(world.id(&terms), &terms, None);
    let shard = Shard::parse(writer.finish().into()).unwrap();
    let lookup = |h: &XetHash| world.lookup(h);
    assert!(Validator::with_limit(200).shard(&shard, &lookup).is_ok());
    let e = Validator::with_limit(199).shard(&shard, &lookup).unwrap_err();
    assert_eq!(e, ShardError::TooManyChunks { limit: 199 });
}

#[test]
fn a_dedup_answer_is_what_the_client_demands() {
    let world = World::new();
    let key = [8; 32];
    let mut answer = DedupAnswer::new(key, 1000, 2000);
    answer.xorb(world.a.0, &world.a.1, &|i| i != 3);
    answer.xorb(world.b.0, &world.b.1, &|_| true);
    let bytes = answer.finish();
    let footer = bytes.len() - 200;
    let word = |at: usize| u64::from_le_bytes(bytes[footer + at..footer + at + 8].try_into().unwrap());
    // Every lookup table is empty and stands at the footer: the client takes the first for the end of the xorbs.
    for at in [24, 40, 56, 192] {
        assert_eq!(word(at), footer as u64);
    }
    assert_eq!([word(0), word(8), word(16), word(32), word(48), word(64)], [1, 48, 96, 0, 0, 0]);
    let again = bytes.clone();
    let shard = Shard::parse(Bytes::from(bytes)).unwrap();
    let told = shard.footer.unwrap();
    assert_eq!((told.hmac_key, told.created, told.expires), (key, 1000, 2000));
    assert!(shard.files.is_empty());
    let chunks: Vec<_> = shard.xorbs[0].chunks().collect();
    assert_eq!(chunks.len(), 10);
    for (i, chunk) in (0..).zip(&chunks) {
        let hash = world.a.1.hash(i);
        let shown = chunk.hash == keyed_chunk_hash(&hash, &key);
        assert_eq!(shown, i != 3);
        assert!(chunk.hash != hash);
    }
    assert_eq!(chunks[3].raw_len, 0);
    // JavaScript's client leaves zeros where the tables are named.
    let mut zeros = again;
    zeros[footer + 24..footer + 72].fill(0);
    assert!(Shard::parse(Bytes::from(zeros.clone())).is_ok());
    zeros[footer + 24] = 1;
    assert!(Shard::parse(Bytes::from(zeros)).is_err());
    // Without a key the hashes are bare.
    let mut bare = DedupAnswer::new([0; 32], 0, 1);
    bare.xorb(world.b.0, &world.b.1, &|_| true);
    let shard = Shard::parse(bare.finish().into()).unwrap();
    assert_eq!(shard.xorbs[0].chunks().map(|c| c.hash).collect::<Vec<_>>(), world.b.1.hashes().collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn round_trip(files in prop::collection::vec(prop::collection::vec((any::<bool>(), 0u32..10, 1u32..10), 0..6), 0..5)) {
        let world = World::new();
        let mut writer = ShardWriter::default();
        let mut wanted = HashMap::new();
        for file in &files {
            let terms: Vec<_> = file
                .iter()
                .map(|(first, start, len)| {
                    let (hash, index) = if *first { &world.a } else { &world.b };
                    let n = index.chunk_count();
                    let start = start % n;
                    TermEntry::new(*hash, index, start..n.min(start + len))
                })
                .collect();
            let id = world.id(&terms);
            writer.file(id, &terms, None);
            wanted.entry(id).or_insert_with(|| terms.iter().map(|t| u64::from(t.raw_len)).sum::<u64>());
        }
        let shard = Shard::parse(writer.finish().into()).unwrap();
        let valid = Validator::default().shard(&shard, &|h| world.lookup(h)).unwrap();
        prop_assert_eq!(valid.iter().map(|f| (f.hash, f.size)).collect::<HashMap<_, _>>(), wanted);
    }
}

#[test]
fn vectors_with_one_wrong_byte_are_refused() {
    for v in vectors() {
        let index = v.index();
        let lookup = |h: &XetHash| index.as_ref().filter(|(name, _)| name == h).map(|(_, i)| i.clone());
        let mut dice = Dice(3);
        for _ in 0..200 {
            let at = dice.below(v.shard.len());
            let mut bad = v.shard.to_vec();
            bad[at] ^= 1 << dice.below(8);
            let result = Shard::parse(bad.into()).and_then(|s| Validator::default().shard(&s, &lookup));
            if let Ok(files) = result {
                // What is left free: the SHA-256, flags of chunks, lengths on disk and unused words.
                let ids: Vec<_> = files.iter().map(|f| f.hash).collect();
                assert!(v.files.iter().all(|(id, ..)| ids.contains(id)), "{} byte {at}", v.name);
            }
        }
    }
}
