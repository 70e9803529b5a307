//! Plans: what a client puts together from one is exactly the window, and the descriptors obey the client's rules.

use std::collections::HashMap;
use std::ops::Range;

use haina_cas::frame::{Decoder, HEADER_BYTES, Header, Scheme};
use haina_cas::plan::{DESCRIPTOR_CHUNKS, DESCRIPTOR_WHOLE_BYTES, Plan, PlanError, plan};
use haina_cas::terms::FileTermsBuilder;
use haina_cas::wire::{ReconstructionV1, ReconstructionV2};
use haina_cas::xorb::IndexBuilder;
use haina_cas::{FileTerms, XorbIndex};
use haina_types::XetHash;
use proptest::prelude::*;

use crate::data::{Dice, xorb};

/// Some xorbs of small chunks, with their bodies.
struct World {
    xorbs: Vec<(XetHash, XorbIndex, Vec<u8>)>,
    chunks: HashMap<XetHash, Vec<Vec<u8>>>,
}

impl World {
    fn new(seed: u64, counts: &[usize]) -> Self {
        let mut dice = Dice(seed);
        let (mut xorbs, mut chunks) = (Vec::new(), HashMap::new());
        for n in counts {
            let list: Vec<_> = (0..*n)
                .map(|_| {
                    let len = 1 + dice.below(60);
                    (dice.noise(len), [Scheme::Stored, Scheme::Lz4][dice.below(2)])
                })
                .collect();
            let (body, hash, index) = xorb(&list);
            xorbs.push((hash, index, body));
            chunks.insert(hash, list.into_iter().map(|(raw, _)| raw).collect());
        }
        Self { xorbs, chunks }
    }

    fn lookup(&self, hash: &XetHash) -> Option<XorbIndex> {
        self.xorbs.iter().find(|x| x.0 == *hash).map(|x| x.1.clone())
    }

    /// A file of these runs, and its content.
    fn file(&self, runs: &[(usize, u32, u32)]) -> (FileTerms, Vec<u8>) {
        let (mut terms, mut content) = (FileTermsBuilder::default(), Vec::new());
        for (x, start, len) in runs {
            let (hash, index, _) = &self.xorbs[x % self.xorbs.len()];
            let start = start % index.chunk_count();
            let end = index.chunk_count().min(start + len);
            terms.push(*hash, start..end, index.raw_len(start..end).into());
            content.extend(self.chunks[hash][start as usize..end as usize].concat());
        }
        (terms.finish(), content)
    }

    /// What the client does with a plan: fetch every descriptor, decode its frames, copy terms, cut both ends.
    fn assemble(&self, plan: &Plan) -> Vec<u8> {
        let mut blocks = HashMap::new();
        for d in &plan.descriptors {
            let body = &self.xorbs.iter().find(|x| x.0 == d.xorb).unwrap().2;
            let mut rest = &body[d.bytes.start as usize..d.bytes.end as usize];
            let (mut decoder, mut list) = (Decoder::default(), Vec::new());
            while let Some((head, after)) = rest.split_first_chunk::<HEADER_BYTES>() {
                let header = Header::parse(head).unwrap();
                let (payload, after) = after.split_at(header.payload_len as usize);
                list.push(decoder.decode(&header, payload).unwrap().to_vec());
                rest = after;
            }
            assert_eq!(list.len(), d.chunks.len());
            assert_eq!(list.iter().map(Vec::len).sum::<usize>(), d.raw_len as usize);
            let clash = blocks.insert((d.xorb, d.chunks.start), (d.chunks.clone(), list));
            assert!(clash.is_none(), "two descriptors of one xorb begin at one chunk");
        }
        let mut out = Vec::new();
        for t in &plan.terms {
            let holders: Vec<_> = blocks
                .iter()
                .filter(|((x, _), (c, _))| *x == t.xorb && c.start <= t.chunks.start && t.chunks.end <= c.end)
                .collect();
            assert_eq!(holders.len(), 1, "every term lies inside exactly one descriptor");
            let (chunks, list) = holders[0].1;
            let from = (t.chunks.start - chunks.start) as usize;
            let bytes = list[from..from + t.chunks.len()].concat();
            assert_eq!(bytes.len(), t.raw_len as usize);
            out.extend(bytes);
        }
        let from = plan.offset_into_first_range as usize;
        let len = (plan.window.end - plan.window.start) as usize;
        // Whole chunks only, and none that the window does not need.
        assert!(plan.terms.is_empty() || from < 60 && out.len() - from - len < 60);
        out[from..from + len].to_vec()
    }
}

fn rules(world: &World, plan: &Plan) {
    for (i, d) in plan.descriptors.iter().enumerate() {
        assert!(d.raw_len <= DESCRIPTOR_WHOLE_BYTES || d.chunks.len() <= DESCRIPTOR_CHUNKS as usize);
        assert_eq!(d.bytes, world.lookup(&d.xorb).unwrap().frame_range(d.chunks.clone()));
        let others = plan.descriptors[i + 1..].iter().filter(|o| o.xorb == d.xorb);
        for other in others {
            let apart = d.chunks.end <= other.chunks.start || other.chunks.end <= d.chunks.start;
            assert!(apart, "descriptors of one xorb do not overlap");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_window_of_any_file(
        seed: u64,
        counts in prop::collection::vec(1usize..40, 1..4),
        runs in prop::collection::vec((0usize..4, 0u32..40, 1u32..12), 1..20),
        window in (0.0..1.0f64, 0.0..1.2f64),
    ) {
        let world = World::new(seed, &counts);
        let (terms, content) = world.file(&runs);
        let size = content.len() as u64;
        prop_assert_eq!(terms.size(), size);
        let a = (window.0 * size as f64) as u64;
        let b = (a + 1).max((window.1 * size as f64) as u64);
        let lookup = |h: &XetHash| world.lookup(h);
        let made = plan(&terms, a..b, &lookup).unwrap();
        let end = b.min(size);
        prop_assert_eq!(made.window.clone(), a..end);
        prop_assert_eq!(world.assemble(&made), &content[a as usize..end as usize]);
        rules(&world, &made);
        prop_assert_eq!(plan(&terms, a..b, &lookup).unwrap(), made);
    }
}

/// An index of chunks that exist nowhere: plans only look at lengths.
fn index(lens: &[(usize, u32)]) -> (XetHash, XorbIndex) {
    let mut builder = IndexBuilder::default();
    for (i, (frame, raw)) in lens.iter().enumerate() {
        builder.push(haina_cas::hash::chunk_hash(&i.to_le_bytes()), *frame, *raw).unwrap();
    }
    builder.finish().unwrap()
}

fn chunks_of(plan: &Plan) -> Vec<Range<u32>> {
    plan.descriptors.iter().map(|d| d.chunks.clone()).collect()
}

#[test]
fn long_runs_are_split_at_fixed_chunks_and_short_ones_are_not() {
    let (hash, big) = index(&[(60_000, 65_536); 1000]);
    let mut terms = FileTermsBuilder::default();
    terms.push(hash, 10..1000, 990 * 65_536);
    let terms = terms.finish();
    let lookup = |_: &XetHash| Some(big.clone());
    let whole = plan(&terms, 0..u64::MAX, &lookup).unwrap();
    assert_eq!(chunks_of(&whole), [10..256, 256..512, 512..768, 768..1000]);
    assert_eq!(whole.terms.len(), 4);
    // Across a boundary, but only 16 MiB: one request.
    let part = plan(&terms, 200 * 65_536..(200 + 256) * 65_536, &lookup).unwrap();
    assert_eq!(chunks_of(&part), std::slice::from_ref(&(210..466)));
    assert_eq!(part.offset_into_first_range, 0);
}

#[test]
fn the_same_blocks_whatever_happened_at_rest() {
    // Q4: chunks compressed otherwise; bytes move, blocks do not.
    let (hash, before) = index(&[(100_000, 130_000); 500]);
    let (_, after) = index(&[(70, 130_000); 500]);
    let mut terms = FileTermsBuilder::default();
    for run in [0..300, 250..500, 20..30] {
        terms.push(hash, run.clone(), 130_000 * run.len() as u64);
    }
    let terms = terms.finish();
    for window in [0..u64::MAX, 1_000_000..40_000_000, 5..6] {
        let a = plan(&terms, window.clone(), &|_| Some(before.clone())).unwrap();
        let b = plan(&terms, window, &|_| Some(after.clone())).unwrap();
        assert_eq!((&a.terms, chunks_of(&a)), (&b.terms, chunks_of(&b)));
        assert_ne!(a.descriptors, b.descriptors);
    }
}

#[test]
fn ends_and_errors() {
    let world = World::new(5, &[10]);
    let (terms, content) = world.file(&[(0, 0, 10)]);
    let size = content.len() as u64;
    let lookup = |h: &XetHash| world.lookup(h);
    for start in [size, size + 1, u64::MAX - 1] {
        assert_eq!(plan(&terms, start..u64::MAX, &lookup), Err(PlanError::PastEnd { size }));
    }
    assert_eq!(plan(&terms, 3..3, &lookup), Err(PlanError::PastEnd { size }));
    let empty = plan(&FileTerms::empty(), 0..100, &lookup).unwrap();
    assert!(empty.terms.is_empty() && empty.window.is_empty() && empty.file_size == 0);
    assert_eq!(plan(&FileTerms::empty(), 1..100, &lookup), Err(PlanError::PastEnd { size: 0 }));
    let (hash, ..) = &world.xorbs[0];
    assert_eq!(plan(&terms, 0..1, &|_| None), Err(PlanError::MissingXorb(*hash)));
    let (_, other) = index(&[(100, 7); 10]);
    assert_eq!(plan(&terms, 0..1, &|_| Some(other.clone())), Err(PlanError::Damaged(*hash)));
    let (_, short) = index(&[(100, 7); 3]);
    assert_eq!(plan(&terms, 0..1, &|_| Some(short.clone())), Err(PlanError::Damaged(*hash)));
    let error = haina_types::Error::from(PlanError::PastEnd { size });
    assert_eq!(error.code, haina_types::Code::RangeNotSatisfiable);
    assert_eq!(error.detail, Some(size.to_string()));
}

#[test]
fn the_json_of_both_versions() {
    let (hash, index) = index(&[(100, 50), (108, 100), (58, 50)]);
    let mut terms = FileTermsBuilder::default();
    terms.push(hash, 0..3, 200);
    let plan = plan(&terms.finish(), 60..120, &|_| Some(index.clone())).unwrap();
    let url = |d: &haina_cas::plan::Descriptor| format!("http://hub/f?{}", d.chunks.start);
    let v2 = serde_json::to_value(ReconstructionV2::new(&plan, url)).unwrap();
    let hex = hash.to_string();
    let terms = serde_json::json!([{"hash": hex, "unpacked_length": 100, "range": {"start": 1, "end": 2}}]);
    assert_eq!(
        v2,
        serde_json::json!({
            "offset_into_first_range": 10,
            "terms": terms,
            "xorbs": {hex.clone(): [{
                "url": "http://hub/f?1",
                "ranges": [{"chunks": {"start": 1, "end": 2}, "bytes": {"start": 100, "end": 207}}],
            }]},
        })
    );
    let v1 = serde_json::to_value(ReconstructionV1::new(&plan, url)).unwrap();
    assert_eq!(
        v1,
        serde_json::json!({
            "offset_into_first_range": 10,
            "terms": terms,
            "fetch_info": {hex: [{
                "range": {"start": 1, "end": 2}, "url": "http://hub/f?1", "url_range": {"start": 100, "end": 207},
            }]},
        })
    );
}
