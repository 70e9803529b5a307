//! What must hold for any bytes whatever. Used by the fuzz targets and, with seeded mutations, by an ordinary test of
//! the store.

use haina_cas::footer::{read_footer, write_footer};
use haina_cas::frame::{Decoder, HEADER_BYTES, Header};
use haina_cas::hash::chunk_hash;
use haina_cas::plan::plan;
use haina_cas::shard::{DedupAnswer, Shard, Validator};
use haina_cas::sign::{AccessToken, FetchGrant, Signer};
use haina_cas::terms::FileTermsBuilder;
use haina_cas::xorb::{IndexBuilder, XorbVerifier};
use haina_cas::{FileTerms, ObjectKey, XorbIndex};
use haina_types::{Timestamp, XetHash};

thread_local! {
    static DECODER: std::cell::RefCell<Decoder> = std::cell::RefCell::default();
}

/// One frame: exactly the bytes that its header says, twice the same whatever the scratch held before, or an error.
pub fn frames(data: &[u8]) {
    let Some((head, payload)) = data.split_first_chunk::<HEADER_BYTES>() else { return };
    let Ok(header) = Header::parse(head) else { return };
    assert_eq!(header.to_bytes(), *head);
    let decode = |decoder: &mut Decoder| decoder.decode(&header, payload).map(chunk_hash);
    let first = DECODER.with_borrow_mut(|d| {
        if let Ok(raw) = d.decode(&header, payload) {
            assert_eq!(raw.len(), header.raw_len as usize);
        }
        decode(d)
    });
    let mut out = vec![0x55; header.raw_len as usize];
    let second = DECODER.with_borrow_mut(|d| d.decode_into(&header, payload, &mut out)).map(|()| chunk_hash(&out));
    assert_eq!(first, second, "old bytes of a buffer shine through");
}

/// A whole xorb: the same verdict in one slice and in many; an accepted one has a footer that reads back.
pub fn xorb(data: &[u8]) {
    let mut whole = XorbVerifier::default();
    let whole = whole.feed(data).and_then(|_| whole.finish_any());
    let mut parts = XorbVerifier::default();
    let step = 1 + data.len() / 7;
    let parts = data.chunks(step).try_for_each(|p| parts.feed(p).map(|_| ())).and_then(|()| parts.finish_any());
    assert_eq!(whole, parts);
    if let Ok((hash, index)) = whole {
        assert_eq!(index.root(), hash);
        assert_eq!(XorbIndex::from_blob(index.as_blob().clone()).as_ref(), Ok(&index));
        assert_eq!(read_footer(&write_footer(&hash, &index)), Ok((hash, index)));
    }
}

fn some_index() -> (XetHash, XorbIndex) {
    let mut builder = IndexBuilder::default();
    for i in 0..9u8 {
        builder.push(chunk_hash(&[i]), 100, 50 + u32::from(i)).expect("because nine small chunks fit");
    }
    builder.finish().expect("because it has chunks")
}

/// A shard: what is parsed can be walked, and what is valid has a recipe that plans.
pub fn shard(data: &[u8]) {
    let Ok(shard) = Shard::parse(data.to_vec().into()) else { return };
    for xorb in &shard.xorbs {
        xorb.chunks().for_each(drop);
    }
    shard.referenced_xorbs();
    let (_, index) = some_index();
    let mut validator = Validator::with_limit(10_000);
    let lookup = |_: &XetHash| Some(index.clone());
    for file in &shard.files {
        if let Ok(valid) = validator.file(file, &lookup) {
            assert_eq!(valid.size, valid.terms.size());
            assert_eq!(FileTerms::from_blob(valid.terms.as_blob().clone()).as_ref(), Ok(&valid.terms));
            if valid.size > 0 {
                plan(&valid.terms, 0..valid.size, &lookup).expect("because its terms were checked");
            }
        }
    }
    for xorb in &shard.xorbs {
        let _ = validator.xorb(xorb, &index);
    }
}

fn signer() -> Signer {
    Signer::new(&[[7; 32], [8; 32]]).expect("because it has keys")
}

/// Signed texts and keys of objects: what is accepted has one text only.
pub fn tokens(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let now = Timestamp(0);
    if let Ok(token) = signer().verify_token(text, now) {
        assert_eq!(signer().token(&token), text);
    }
    if let Ok(grant) = signer().verify_grant(text, now) {
        assert_eq!(signer().grant(&grant), text);
        let _ = grant.narrow(Some(0..u64::MAX));
    }
    if let Ok(key) = text.parse::<ObjectKey>() {
        assert_eq!(key.as_str(), text);
        assert!(!text.contains("..") || !text.split('/').any(|s| s.starts_with('.')));
        let _ = key.as_xorb();
    }
}

/// Stored tables: damaged ones are refused or harmless.
pub fn blobs_parse(data: &[u8]) {
    let blob = bytes::Bytes::copy_from_slice(data);
    let _ = read_footer(data);
    if let Ok(index) = XorbIndex::from_blob(blob.clone()) {
        index.chunks().for_each(drop);
        assert_eq!(index.chunk_at(index.raw_total()), None);
        assert_eq!(index.chunk_at(index.raw_total() - 1), Some(index.chunk_count() - 1));
    }
    if let Ok(terms) = FileTerms::from_blob(blob) {
        terms.iter().for_each(drop);
        terms.xorbs().for_each(drop);
        let (_, index) = some_index();
        let _ = plan(&terms, 0..u64::MAX, &|_| Some(index.clone()));
        let _ = plan(&terms, terms.size() / 2..terms.size(), &|_| Some(index.clone()));
    }
}

/// Seeds of [`blobs_parse`].
pub fn blobs() -> Vec<Vec<u8>> {
    let (hash, index) = some_index();
    let mut terms = FileTermsBuilder::default();
    for run in [0..9, 2..3, 4..8] {
        terms.push(hash, run.clone(), index.raw_len(run).into());
    }
    vec![write_footer(&hash, &index), index.as_blob().to_vec(), terms.finish().as_blob().to_vec()]
}

/// Seeds of [`tokens`].
pub fn signed_texts() -> Vec<Vec<u8>> {
    let token = AccessToken { repo_id: 1, user_id: Some(2), domain: 3, write: true, proposed: false, expires: 4 };
    let grant = FetchGrant { xorb: XetHash([1; 32]), layout: 0, generation: 2, bytes: 3..4, expires: 5 };
    let key = ObjectKey::xorb(&XetHash([0xcd; 32]), 7);
    [signer().token(&token), signer().grant(&grant), key.to_string()].map(String::into_bytes).to_vec()
}

/// A seed of [`shard`].
pub fn dedup_answer() -> Vec<u8> {
    let (hash, index) = some_index();
    let mut answer = DedupAnswer::new([3; 32], 1, 2);
    answer.xorb(hash, &index, &|i| i != 4);
    answer.finish()
}

/// A seed of [`frames`]: LZ4 with linked blocks and every checksum.
pub fn linked_frame(raw: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    use lz4_flex::frame::{BlockMode, FrameEncoder, FrameInfo};
    let info = FrameInfo::new().block_mode(BlockMode::Linked).block_checksums(true).content_checksum(true);
    let mut lz4 = FrameEncoder::with_frame_info(info, Vec::new());
    for part in raw.chunks(raw.len() / 3 + 1) {
        lz4.write_all(part).expect("because memory does not fail");
        lz4.flush().expect("because memory does not fail");
    }
    let payload = lz4.finish().expect("because memory does not fail");
    let header =
        Header { payload_len: payload.len() as u32, scheme: haina_cas::frame::Scheme::Lz4, raw_len: raw.len() as u32 };
    [&header.to_bytes(), &payload[..]].concat()
}
