//! Bytes coming in and going out, over files and memory, honest and damaged.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;
use haina_cas::frame::Scheme;
use haina_cas::fsck::{Fault, Level, read_tables, rebuild, verify_object};
use haina_cas::hash::file_hash;
use haina_cas::pack::{ChunkLookup, FileIngest, NoLookup, build_xorbs};
use haina_cas::read::{ReadOptions, Reader};
use haina_cas::shard::{Shard, Validator};
use haina_cas::terms::FileTermsBuilder;
use haina_cas::xorb::XorbError;
use haina_cas::{CasError, FileObjects, MemoryObjects, ObjectKey, Objects, StoredXorb, XorbIndex, XorbIngest};
use haina_types::XetHash;

use crate::data::{Dice, Known, sha256, vectors};

async fn collect(mut stream: BoxStream<'static, Result<Bytes, CasError>>) -> Result<Vec<u8>, CasError> {
    let mut out = Vec::new();
    while let Some(part) = stream.try_next().await? {
        assert!(!part.is_empty());
        out.extend_from_slice(&part);
    }
    Ok(out)
}

fn memory() -> (MemoryObjects, Arc<dyn Objects>) {
    let objects = MemoryObjects::default();
    (objects.clone(), Arc::new(objects))
}

async fn ingest(objects: &Arc<dyn Objects>, body: &[u8], step: usize, hash: &XetHash) -> Result<StoredXorb, CasError> {
    let mut ingest = XorbIngest::begin(objects).await?;
    for part in body.chunks(step) {
        ingest.feed(Bytes::copy_from_slice(part)).await?;
    }
    ingest.finish(hash).await?.commit(0).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_client_uploads_comes_out_again() {
    let root = tempfile::tempdir().unwrap();
    let objects: Arc<dyn Objects> = Arc::new(FileObjects::open(root.path()).unwrap());
    let reader = Reader::new(objects.clone(), ReadOptions { step_bytes: 30_000, ..ReadOptions::default() });
    for v in vectors() {
        let mut known = Known::default();
        if let Some((hash, body)) = &v.xorb {
            let stored = ingest(&objects, body, 1000, hash).await.unwrap();
            assert_eq!(verify_object(&*objects, &stored, Level::Content).await.unwrap(), None);
            assert_eq!(rebuild(&*objects, &stored.key()).await.unwrap(), stored);
            let range = 0..u64::from(stored.index.frames_len());
            let read = reader.range_stream(stored.key(), stored.crc.clone(), stored.len, range);
            assert_eq!(collect(read).await.unwrap(), *body);
            known.0.insert(*hash, stored);
        }
        let known = Arc::new(known);
        let shard = Shard::parse(v.shard.clone()).unwrap();
        for file in Validator::default().shard(&shard, &|h| known.index(h)).unwrap() {
            let (_, size, sha) = v.files.iter().find(|(id, ..)| *id == file.hash).unwrap();
            assert_eq!(reader.sha256_of(file.terms.clone(), known.clone()).await.unwrap(), *sha, "{}", v.name);
            let content = collect(reader.assemble(file.terms.clone(), known.clone(), 0..*size)).await.unwrap();
            assert_eq!(sha256(&content), *sha);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slices_of_an_upload_do_not_matter_and_footers_are_replaced() {
    let (_, objects) = memory();
    let vectors = vectors();
    let (hash, body) = vectors.iter().find(|v| v.name == "mixed").unwrap().xorb.clone().unwrap();
    let first = ingest(&objects, &body, body.len(), &hash).await.unwrap();
    for (i, step) in [1, 7, 4096, 20_000, 65_536].into_iter().enumerate() {
        let again = ingest(&objects, &body, step, &hash).await.unwrap();
        // The same bytes under the next free generation: an object is never overwritten.
        assert_eq!(again, StoredXorb { generation: i as u64 + 1, ..first.clone() });
    }
    // A client's own footer is dropped, ours is written.
    let own = [&body[..], b"XETBLOB and whatever an old client may add"].concat();
    let again = ingest(&objects, &own, 777, &hash).await.unwrap();
    assert_eq!((again.len, &again.crc), (first.len, &first.crc));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upload_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let objects: Arc<dyn Objects> = Arc::new(FileObjects::open(root.path()).unwrap());
    let (hash, body) = vectors().iter().find(|v| v.name == "text").unwrap().xorb.clone().unwrap();
    let wrong = XetHash([1; 32]);
    let e = ingest(&objects, &body, 9000, &wrong).await.unwrap_err();
    assert!(matches!(e, CasError::Xorb(XorbError::Hash { .. })), "{e:?}");
    let e = ingest(&objects, &body[..body.len() - 1], 9000, &hash).await.unwrap_err();
    assert!(matches!(e, CasError::Xorb(XorbError::Truncated { .. })), "{e:?}");
    // Refused early: long before the body ends, an error is there.
    let mut ingest = XorbIngest::begin(&objects).await.unwrap();
    let mut refused = None;
    for _ in 0..20 {
        if let Err(e) = ingest.feed(Bytes::from(vec![0xff; 1 << 20])).await {
            refused = Some(e);
            break;
        }
    }
    assert!(matches!(refused, Some(CasError::Xorb(XorbError::Frame { chunk: 0, .. }))), "{refused:?}");
    assert!(ingest.feed(Bytes::from(vec![0; 2 << 20])).await.is_err(), "and it stays refused");
    drop(ingest);
    // Dropped in the middle of its work.
    let mut dropped = XorbIngest::begin(&objects).await.unwrap();
    dropped.feed(Bytes::from(Dice(1).noise(3 << 20))).await.unwrap();
    drop(dropped);
    let tmp = root.path().join("tmp");
    for _ in 0..400 {
        if std::fs::read_dir(&tmp).unwrap().count() == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 1, "only the lock");
    assert!(objects.list("", None, 10).await.unwrap().is_empty());
    let error = haina_types::Error::from(e);
    assert_eq!(error.code, haina_types::Code::Invalid);
    assert!(error.message.contains("ends inside chunk"), "{}", error.message);
}

/// A file of several xorbs' worth of pieces, with a recipe that goes back and forth.
async fn a_file(objects: &Arc<dyn Objects>, scheme: Option<Scheme>) -> (Arc<Known>, haina_cas::FileTerms, Vec<u8>) {
    let mut dice = Dice(42);
    let (a, b) = (dice.mixture(3_000_000), dice.mixture(1_500_000));
    let (stored_a, file_a) = build_xorbs(objects.clone(), a.clone().into(), scheme).await.unwrap();
    let (stored_b, file_b) = build_xorbs(objects.clone(), b.clone().into(), Some(Scheme::Bg4Lz4)).await.unwrap();
    let known = Known::new(stored_a.into_iter().chain(stored_b));
    let (mut terms, mut content) = (FileTermsBuilder::default(), Vec::new());
    for (file, data) in [(&file_a, &a), (&file_b, &b), (&file_a, &a)] {
        for t in file.terms.iter() {
            terms.push(t.xorb, t.chunks.clone(), t.bytes.end - t.bytes.start);
            content.extend_from_slice(&data[t.bytes.start as usize..t.bytes.end as usize]);
        }
    }
    (known, terms.finish(), content)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_range_is_put_together_exactly() {
    for scheme in [None, Some(Scheme::Stored), Some(Scheme::Lz4)] {
        let (_, objects) = memory();
        let (known, terms, content) = a_file(&objects, scheme).await;
        let size = content.len() as u64;
        for (step_bytes, prefetch_steps, memory_bytes, verify_chunks) in
            [(1, 1, 1, true), (100_000, 3, 1 << 20, true), (2 << 20, 4, 64 << 20, false), (300_000, 4, 2 << 20, false)]
        {
            let options = ReadOptions { step_bytes, prefetch_steps, memory_bytes, verify_chunks };
            let reader = Reader::new(objects.clone(), options.clone());
            let mut dice = Dice(9);
            let mut ranges = vec![0..size, 0..1, size - 1..size, 0..0, 77..77];
            ranges.extend((0..20).map(|_| {
                let a = dice.below(content.len());
                a as u64..(a + dice.below(content.len() - a)) as u64
            }));
            for range in ranges {
                let got = collect(reader.assemble(terms.clone(), known.clone(), range.clone())).await.unwrap();
                assert!(got == content[range.start as usize..range.end as usize], "{range:?} {options:?}");
            }
            assert_eq!(reader.sha256_of(terms.clone(), known.clone()).await.unwrap(), sha256(&content));
        }
        let reader = Reader::new(objects.clone(), ReadOptions::default());
        let past = collect(reader.assemble(terms.clone(), known, 0..size + 1)).await;
        assert!(matches!(past, Err(CasError::Plan(_))));
        let missing = collect(reader.assemble(terms, Arc::new(Known::default()), 0..1)).await;
        assert!(matches!(missing, Err(CasError::MissingXorb(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_do_not_stop_others() {
    let (_, objects) = memory();
    let (known, terms, content) = a_file(&objects, None).await;
    let options = ReadOptions { memory_bytes: 16 << 20, ..ReadOptions::default() };
    let reader = Reader::new(objects, options);
    let mut slow = Vec::new();
    for _ in 0..6 {
        // Each takes one part and then stalls, holding it.
        let mut stream = reader.assemble(terms.clone(), known.clone(), 0..content.len() as u64);
        let part = stream.try_next().await.unwrap();
        slow.push((stream, part));
    }
    let all = collect(reader.assemble(terms, known, 0..content.len() as u64));
    let all = tokio::time::timeout(std::time::Duration::from_secs(20), all).await.expect("because it must not stall");
    assert!(all.unwrap() == content);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn corruption_ends_a_stream_and_never_passes() {
    let mut dice = Dice(11);
    for scheme in [Scheme::Stored, Scheme::Lz4, Scheme::Bg4Lz4] {
        for verify_chunks in [true, false] {
            for _ in 0..12 {
                let (raw_objects, objects) = memory();
                let content = dice.text(700_000);
                let (stored, file) = build_xorbs(objects.clone(), content.clone().into(), Some(scheme)).await.unwrap();
                let xorb = &stored[0];
                let at = dice.below(xorb.index.frames_len() as usize);
                raw_objects.tamper(&xorb.key(), |b| b[at] ^= 1 << dice.below(8));
                let known = Known::new(stored.clone());
                let reader = Reader::new(
                    objects.clone(),
                    ReadOptions { verify_chunks, step_bytes: 200_000, ..Default::default() },
                );
                let mut stream = reader.assemble(file.terms.clone(), known, 0..file.size);
                let mut seen = Vec::new();
                let error = loop {
                    match stream.try_next().await {
                        Ok(Some(part)) => seen.extend_from_slice(&part),
                        Ok(None) => panic!("corruption at {at} passed"),
                        Err(e) => break e,
                    }
                };
                assert!(content.starts_with(&seen), "never wrong bytes");
                let key = xorb.key().to_string();
                let chain = haina_types::Error::from(error).chain();
                assert!(chain.contains(&key), "{chain}");

                let range = 0..u64::from(xorb.index.frames_len());
                let fetched = collect(reader.range_stream(xorb.key(), xorb.crc.clone(), xorb.len, range)).await;
                assert!(fetched.is_err());
                let fault = verify_object(&*objects, xorb, Level::Blocks).await.unwrap();
                assert_eq!(fault, Some(Fault::Block(at / (256 << 10))));
                assert_eq!(verify_object(&*objects, xorb, Level::Footer).await.unwrap(), None);
                assert!(rebuild(&*objects, &xorb.key()).await.is_err());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ranges_of_objects() {
    let (_, objects) = memory();
    let (stored, _) =
        build_xorbs(objects.clone(), Dice(3).noise(3_000_000).into(), Some(Scheme::Stored)).await.unwrap();
    let xorb = &stored[0];
    let whole = objects.read(&xorb.key(), 0..xorb.len, None).await.unwrap();
    let reader = Reader::new(objects, ReadOptions::default());
    let read = |range: Range<u64>| collect(reader.range_stream(xorb.key(), xorb.crc.clone(), xorb.len, range));
    let mut dice = Dice(4);
    for _ in 0..50 {
        let a = dice.below(whole.len());
        let b = a + dice.below(whole.len() - a + 1);
        assert!(read(a as u64..b as u64).await.unwrap() == whole[a..b], "{a}..{b}");
    }
    assert!(read(0..xorb.len + 1).await.is_err());
    let short = haina_cas::CrcTable::default();
    assert!(collect(reader.range_stream(xorb.key(), short, xorb.len, 0..1)).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_an_object_has_its_level() {
    let (raw, objects) = memory();
    let (stored, _) = build_xorbs(objects.clone(), Dice(3).noise(400_000).into(), None).await.unwrap();
    let xorb = &stored[0];
    let key = xorb.key();
    let check = async |x: &StoredXorb, level| verify_object(&*objects, x, level).await.unwrap();
    for level in [Level::Length, Level::Footer, Level::Blocks, Level::Content] {
        assert_eq!(check(xorb, level).await, None);
    }
    assert_eq!(read_tables(&*objects, &key).await.unwrap(), (xorb.hash, xorb.index.clone()));
    let longer = StoredXorb { len: xorb.len + 1, ..xorb.clone() };
    let fault = Fault::Length { expected: xorb.len + 1, actual: xorb.len };
    assert_eq!(check(&longer, Level::Length).await, Some(fault));
    let elsewhere = StoredXorb { generation: 9, ..xorb.clone() };
    assert_eq!(check(&elsewhere, Level::Length).await, Some(Fault::Missing));
    let no_crc = StoredXorb { crc: Default::default(), ..xorb.clone() };
    assert_eq!(check(&no_crc, Level::Footer).await, Some(Fault::Row));
    let (other, _) = build_xorbs(objects.clone(), Dice(5).noise(400_000).into(), None).await.unwrap();
    let mixed_up = StoredXorb { index: other[0].index.clone(), ..xorb.clone() };
    assert_eq!(check(&mixed_up, Level::Footer).await, Some(Fault::Footer));
    // Bytes that were wrong before the checksums were made: only the content tells.
    raw.tamper(&key, |b| b[1000] ^= 1);
    let mut crc = haina_cas::crc::CrcBuilder::default();
    crc.push(&objects.read(&key, 0..xorb.len, None).await.unwrap());
    let sealed_wrong = StoredXorb { crc: crc.finish(), ..xorb.clone() };
    assert_eq!(check(&sealed_wrong, Level::Blocks).await, None);
    let fault = check(&sealed_wrong, Level::Content).await;
    assert!(matches!(fault, Some(Fault::Content(XorbError::Hash { .. }))), "{fault:?}");
    raw.tamper(&key, |b| b.truncate(100));
    assert!(matches!(check(xorb, Level::Length).await, Some(Fault::Length { actual: 100, .. })));
    assert!(rebuild(&*objects, &key).await.is_err());
    let stray: ObjectKey = "cas/x/stray".parse().unwrap();
    assert!(rebuild(&*objects, &stray).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_files_become_xorbs() {
    for (len, seed) in [(0, 1), (1, 2), (8191, 3), (131_073, 4), (5_000_000, 5)] {
        let (_, objects) = memory();
        let content = Dice(seed).mixture(len);
        let mut ingest = FileIngest::begin(objects.clone(), Arc::new(NoLookup));
        let mut staged = Vec::new();
        for part in content.chunks(100_000) {
            staged.extend(ingest.feed(Bytes::copy_from_slice(part)).await.unwrap());
        }
        let (rest, file) = ingest.finish().await.unwrap();
        staged.extend(rest);
        assert_eq!((file.size, file.sha256), (len as u64, sha256(&content)));
        let mut stored = Vec::new();
        for xorb in staged {
            stored.push(xorb.commit(0).await.unwrap());
        }
        for xorb in &stored {
            assert_eq!(verify_object(&*objects, xorb, Level::Content).await.unwrap(), None);
        }
        let known = Known::new(stored);
        let chunks = file.terms.iter().flat_map(|t| {
            let index = known.index(&t.xorb).unwrap();
            t.chunks.map(move |i| (index.hash(i), u64::from(index.raw_len(i..i + 1)))).collect::<Vec<_>>()
        });
        assert_eq!(file_hash(chunks), file.hash);
        if let Some((chunk, xorb, i)) = file.first_chunk {
            assert_eq!(known.index(&xorb).unwrap().hash(i), chunk);
        }
        let reader = Reader::new(objects, ReadOptions::default());
        assert!(collect(reader.assemble(file.terms, known, 0..file.size)).await.unwrap() == content);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_fills_several_xorbs() {
    let (_, objects) = memory();
    let content = Bytes::from(Dice(1).noise(140 << 20));
    let (stored, file) = build_xorbs(objects.clone(), content.clone(), None).await.unwrap();
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|x| x.index.raw_total() <= 64 << 20));
    assert_eq!(stored.iter().map(|x| u64::from(x.index.raw_total())).sum::<u64>(), file.size);
    let reader = Reader::new(objects, ReadOptions::default());
    let known = Known::new(stored);
    assert_eq!(reader.sha256_of(file.terms, known).await.unwrap(), file.sha256);
}

/// Finds any chunk of one xorb.
#[derive(Debug)]
struct One(StoredXorb);

impl ChunkLookup for One {
    fn find(&self, chunk: &XetHash) -> Option<(XetHash, XorbIndex)> {
        self.0.index.hashes().any(|h| h == *chunk).then(|| (self.0.hash, self.0.index.clone()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_already_is_not_stored_again() {
    let (_, objects) = memory();
    let mut dice = Dice(8);
    let content = dice.noise(3_000_000);
    let (stored, _) = build_xorbs(objects.clone(), content.clone().into(), None).await.unwrap();
    // The same start, something new in the middle, the same end; then all of the new part again.
    let new = dice.noise(500_000);
    let changed = [&content[..1_000_000], &new, &content[1_000_000..], &new].concat();
    let mut ingest = FileIngest::begin(objects.clone(), Arc::new(One(stored[0].clone())));
    assert!(ingest.feed(changed.clone().into()).await.unwrap().is_empty());
    let (staged, file) = ingest.finish().await.unwrap();
    let added: u32 = staged.iter().map(|x| x.index.raw_total()).sum();
    assert!((500_000..900_000).contains(&added), "{added} new bytes for 1000000 that differ");
    let mut all = stored;
    for xorb in staged {
        all.push(xorb.commit(0).await.unwrap());
    }
    assert!(file.terms.len() >= 3 && file.terms.xorbs().len() == 2);
    let reader = Reader::new(objects, ReadOptions::default());
    assert!(collect(reader.assemble(file.terms, Known::new(all), 0..file.size)).await.unwrap() == changed);
}
