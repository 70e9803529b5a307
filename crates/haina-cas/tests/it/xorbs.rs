//! Every lie that a xorb can tell (T4).

use haina_cas::footer::write_footer;
use haina_cas::frame::{FrameError, HEADER_BYTES, Header, Scheme};
use haina_cas::hash::chunk_hash;
use haina_cas::xorb::{XorbError, XorbVerifier};
use haina_cas::{XORB_CHUNKS_MAX, XorbIndex};
use haina_types::XetHash;
use proptest::prelude::*;

use crate::data::{Dice, vectors, xorb};

fn verify(body: &[u8], expected: &XetHash) -> Result<XorbIndex, XorbError> {
    let mut verifier = XorbVerifier::default();
    verifier.feed(body)?;
    verifier.finish(expected)
}

fn sample() -> (Vec<u8>, XetHash, XorbIndex) {
    let mut dice = Dice(1);
    xorb(&[
        (dice.noise(9000), Scheme::Stored),
        (dice.text(70_001), Scheme::Lz4),
        (dice.text(8195), Scheme::Bg4Lz4),
        (dice.noise(10), Scheme::Stored),
    ])
}

fn frame(payload: &[u8], scheme: Scheme, raw_len: u32) -> Vec<u8> {
    let header = Header { payload_len: payload.len() as u32, scheme, raw_len };
    [&header.to_bytes(), payload].concat()
}

#[test]
fn an_honest_xorb_in_any_slices() {
    let (body, hash, index) = sample();
    assert_eq!(verify(&body, &hash).unwrap(), index);
    assert_eq!(XorbIndex::from_blob(index.as_blob().clone()).unwrap(), index);
    assert_eq!(index.root(), hash);
    let mut verifier = XorbVerifier::default();
    for byte in &body {
        assert_eq!(verifier.feed(std::slice::from_ref(byte)), Ok(1));
    }
    assert_eq!(verifier.finish(&hash).unwrap(), index);
}

#[test]
fn a_footer_is_dropped_wherever_it_is_cut() {
    let (body, hash, index) = sample();
    let whole = [&body[..], &write_footer(&hash, &index)].concat();
    for step in [1, 7, 1000, whole.len()] {
        let mut verifier = XorbVerifier::default();
        let kept: usize = whole.chunks(step).map(|part| verifier.feed(part).unwrap()).sum();
        assert_eq!(kept, body.len());
        assert_eq!(verifier.finish(&hash).unwrap(), index);
    }
    // Only a footer is: something else with its first letters is not.
    for tail in [&b"XETBLOC"[..], b"XX"] {
        let e = verify(&[&body[..], tail].concat(), &hash).unwrap_err();
        assert_eq!(e, XorbError::Frame { chunk: 4, error: FrameError::Version(b'X') });
    }
    assert_eq!(verify(&[&body[..], b"XET"].concat(), &hash), Err(XorbError::Trailing { bytes: 3 }));
    let endless = [&body[..], b"XETBLOB", &vec![0; 2 << 20]].concat();
    assert_eq!(verify(&endless, &hash), Err(XorbError::BodyTooLarge));
}

#[test]
fn lies_and_damage() {
    let (body, hash, index) = sample();
    let other = XetHash([3; 32]);
    assert_eq!(verify(&body, &other), Err(XorbError::Hash { expected: other, actual: hash }));
    assert_eq!(verify(&[], &XetHash::ZERO), Err(XorbError::Empty));
    assert_eq!(verify(&[&body[..], b"\0"].concat(), &hash), Err(XorbError::Trailing { bytes: 1 }));
    assert_eq!(verify(&body[..body.len() - 1], &hash), Err(XorbError::Truncated { chunk: 3 }));
    let at = index.frame_range(1..2).start as usize;
    for (offset, value, error) in [
        (0, 1, FrameError::Version(1)),
        (4, 3, FrameError::Scheme(3)),
        (4, 255, FrameError::Scheme(255)),
        (3, 9, FrameError::PayloadTooLarge(u32::from_le_bytes([body[at + 1], body[at + 2], 9, 0]))),
        (7, 2, FrameError::ChunkTooLarge(u32::from_le_bytes([body[at + 5], body[at + 6], 2, 0]))),
    ] {
        let mut bad = body.clone();
        bad[at + offset] = value;
        assert_eq!(verify(&bad, &hash), Err(XorbError::Frame { chunk: 1, error }));
    }
    // A raw length that is one too small or large.
    for step in [1i32, -1] {
        let mut bad = body.clone();
        let raw_len = (70_001 + step) as u32;
        bad[at + 5..at + 8].copy_from_slice(&raw_len.to_le_bytes()[..3]);
        assert_eq!(verify(&bad, &hash), Err(XorbError::Frame { chunk: 1, error: FrameError::RawLength(raw_len) }));
    }
    // A chunk exchanged for another of the same length.
    let mut bad = body.clone();
    bad[HEADER_BYTES] ^= 1;
    assert!(matches!(verify(&bad, &hash), Err(XorbError::Hash { .. })));
    // A stored frame whose two lengths disagree.
    let e = verify(&frame(&[1, 2, 3], Scheme::Stored, 2), &hash).unwrap_err();
    assert_eq!(e, XorbError::Frame { chunk: 0, error: FrameError::RawLength(2) });
    let e = verify(&frame(&[], Scheme::Stored, 0), &hash).unwrap_err();
    assert_eq!(e, XorbError::Frame { chunk: 0, error: FrameError::EmptyChunk });
}

#[test]
fn bombs() {
    // 4 MiB of zeros in one LZ4 frame, said to be 131072 bytes.
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    std::io::Write::write_all(&mut lz4, &vec![0; 4 << 20]).unwrap();
    let payload = lz4.finish().unwrap();
    for raw_len in [131_072, 1] {
        let e = verify(&frame(&payload, Scheme::Lz4, raw_len), &XetHash::ZERO).unwrap_err();
        assert_eq!(e, XorbError::Frame { chunk: 0, error: FrameError::RawLength(raw_len) });
    }
    // More chunks than allowed, refused at the header of the first one too many.
    let many = frame(&[1], Scheme::Stored, 1).repeat(XORB_CHUNKS_MAX);
    let hashes = std::iter::repeat_n((chunk_hash(&[1]), 1), XORB_CHUNKS_MAX);
    let hash = haina_cas::hash::xorb_hash(hashes);
    assert_eq!(verify(&many, &hash).unwrap().chunk_count(), 8192);
    let one_more = [&many[..], &frame(&[1], Scheme::Stored, 1)[..8]].concat();
    let mut verifier = XorbVerifier::default();
    assert_eq!(verifier.feed(&one_more), Err(XorbError::TooManyChunks));
    assert!(XorbError::TooManyChunks.is_limit());
    assert_eq!(verifier.feed(&[]), Err(XorbError::TooManyChunks), "an error stays");
    // 64 MiB and one byte of zeros: 66 KiB of compressed frames.
    let (full, ..) = xorb(&[(vec![0; 131_072], Scheme::Lz4)]);
    let mut verifier = XorbVerifier::default();
    for _ in 0..512 {
        verifier.feed(&full).unwrap();
    }
    assert_eq!(verifier.feed(&frame(&[1], Scheme::Stored, 1)), Err(XorbError::TooMuchRaw));
}

#[test]
fn a_body_longer_than_any_honest_one() {
    // Payloads may be longer than what they decode to, but not all of them: empty LZ4 blocks as ballast.
    let mut payload = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    // Each block of one token byte decodes to nothing.
    payload.extend(std::iter::repeat_n([1, 0, 0, 0, 0], 52_000).flatten());
    payload.extend([1, 0, 0, 0x80, b'x', 0, 0, 0, 0]);
    let big = frame(&payload, Scheme::Lz4, 1);
    let mut verifier = XorbVerifier::default();
    let refused = (0..300).find_map(|_| verifier.feed(&big).err());
    assert_eq!(refused, Some(XorbError::BodyTooLarge));
}

#[test]
fn damaged_indexes_are_not_believed() {
    let (.., index) = sample();
    for at in 0..index.as_blob().len() {
        let mut blob = index.as_blob().to_vec();
        blob[at] ^= 0x80;
        if let Ok(read) = XorbIndex::from_blob(blob.into()) {
            // Accessors do not panic on whatever is accepted.
            assert_eq!(read.chunks().map(|(_, n)| n).sum::<u32>(), read.raw_total());
            (0..read.raw_total()).step_by(1000).for_each(|o| assert!(read.chunk_at(o).is_some()));
        }
    }
    assert!(XorbIndex::from_blob(bytes::Bytes::new()).is_err());
    assert!(XorbIndex::from_blob(index.as_blob().slice(1..)).is_err());
    for i in 0..4 {
        let raw = index.raw_range(i..i + 1);
        assert_eq!((index.chunk_at(raw.start), index.chunk_at(raw.end - 1)), (Some(i), Some(i)));
    }
    assert_eq!(index.chunk_at(index.raw_total()), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn slices_do_not_matter(seed: u64, cuts in prop::collection::vec(1usize..5000, 1..60)) {
        let vectors = vectors();
        let v = &vectors[(seed % vectors.len() as u64) as usize];
        if let Some((hash, body)) = &v.xorb {
            let mut verifier = XorbVerifier::default();
            let (mut rest, mut cuts) = (&body[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (now, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                prop_assert_eq!(verifier.feed(now), Ok(now.len()));
                rest = after;
            }
            prop_assert_eq!(verifier.finish(hash), verify(body, hash));
        }
    }

    #[test]
    fn the_chunker_does_not_see_slices(seed: u64, len in 0usize..600_000, cuts in prop::collection::vec(1usize..100_000, 1..20)) {
        use haina_cas::chunk::{CHUNK_BYTES_MIN, Chunker};
        let data = Dice(seed).mixture(len);
        let whole = Chunker::default().push(&data);
        let (mut chunker, mut ends, mut at, mut cuts) = (Chunker::default(), Vec::new(), 0, cuts.iter().cycle());
        while at < len {
            let next = len.min(at + cuts.next().unwrap());
            ends.extend(chunker.push(&data[at..next]).into_iter().map(|e| e + at));
            at = next;
        }
        prop_assert_eq!(&ends, &whole);
        prop_assert_eq!(chunker.open_len(), len - ends.last().copied().unwrap_or(0));
        let starts = std::iter::once(&0).chain(&ends);
        prop_assert!(starts.zip(&ends).all(|(a, b)| (CHUNK_BYTES_MIN..=131_072).contains(&(b - a))));
        // The rule itself, byte by byte.
        let (mut naive, mut h, mut size) = (Vec::new(), 0u64, 0);
        for (i, byte) in data.iter().enumerate() {
            h = (h << 1).wrapping_add(gearhash::DEFAULT_TABLE[usize::from(*byte)]);
            size += 1;
            if size >= 8192 && h & 0xffff_0000_0000_0000 == 0 || size == 131_072 {
                naive.push(i + 1);
                (h, size) = (0, 0);
            }
        }
        prop_assert_eq!(ends, naive);
    }
}
