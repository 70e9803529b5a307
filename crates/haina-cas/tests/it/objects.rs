//! One contract for every store of objects.

use std::sync::Arc;

use bytes::Bytes;
use haina_cas::crc::{CRC_BLOCK_BYTES, CrcBuilder};
use haina_cas::objects::{Committed, get, put};
use haina_cas::{CrcTable, FileObjects, MemoryObjects, ObjectKey, Objects, StoreError};
use haina_types::XetHash;

use crate::data::Dice;

/// Flips a bit of an object at an offset.
type Tamper = Box<dyn Fn(&ObjectKey, usize)>;

/// A store, whatever keeps it alive, and a way to change bytes behind its back.
struct Subject {
    objects: Arc<dyn Objects>,
    tamper: Tamper,
    leftovers: Box<dyn Fn() -> usize>,
    _root: Option<tempfile::TempDir>,
}

fn files() -> Subject {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    let tmp = path.join("tmp");
    Subject {
        objects: Arc::new(FileObjects::open(&path).unwrap()),
        tamper: Box::new(move |key, at| {
            let file = path.join(key.as_str());
            let mut bytes = std::fs::read(&file).unwrap();
            bytes[at] ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }),
        leftovers: Box::new(move || std::fs::read_dir(&tmp).unwrap().count() - 1),
        _root: Some(root),
    }
}

fn memory() -> Subject {
    let objects = MemoryObjects::default();
    let same = objects.clone();
    Subject {
        objects: Arc::new(objects),
        tamper: Box::new(move |key, at| assert!(same.tamper(key, |b| b[at] ^= 1))),
        leftovers: Box::new(|| 0),
        _root: None,
    }
}

/// Every test of the contract on every store.
macro_rules! contract {
    ($($test:ident),* $(,)?) => {
        mod on_files {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::files()).await })*
        }
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::memory()).await })*
        }
    };
}

contract!(
    written_in_pieces_read_in_ranges,
    nothing_is_overwritten,
    one_of_many_wins,
    abandoned_bytes_leave_nothing,
    absent_objects,
    ranges_outside,
    flipped_bits_are_noticed,
    listing_is_in_order_and_paged,
);

fn key(text: &str) -> ObjectKey {
    text.parse().unwrap()
}

async fn written_in_pieces_read_in_ranges(s: Subject) {
    let mut dice = Dice(1);
    let content = dice.noise(3_500_000);
    let mut staged = s.objects.begin().await.unwrap();
    let mut rest = Bytes::from(content.clone());
    while !rest.is_empty() {
        let parts = (0..dice.below(5)).map(|_| rest.split_to(rest.len().min(dice.below(400_000)))).collect();
        staged.append(parts).await.unwrap();
    }
    let key = ObjectKey::xorb(&XetHash([0xab; 32]), 3);
    assert_eq!(s.objects.len(&key).await.unwrap(), None, "nothing is there before the commit");
    assert_eq!(staged.commit(&key).await.unwrap(), Committed::Stored);
    drop(staged);
    assert_eq!(s.objects.len(&key).await.unwrap(), Some(3_500_000));
    for (a, b) in [(0, 3_500_000), (0, 0), (5, 6), (3_499_999, 3_500_000), (1_000_000, 2_500_001)] {
        let read = s.objects.read(&key, a as u64..b as u64, None).await.unwrap();
        assert!(read == content[a..b], "{a}..{b}");
    }
    assert_eq!((s.leftovers)(), 0);
    // The empty object and the small one.
    for (name, content) in [("e", &b""[..]), ("s", b"small")] {
        let key = name.parse().unwrap();
        assert_eq!(put(&*s.objects, &key, Bytes::from_static(content)).await.unwrap(), Committed::Stored);
        assert_eq!(get(&*s.objects, &key).await.unwrap().unwrap(), content);
    }
}

async fn nothing_is_overwritten(s: Subject) {
    let (a, b) = (key("cas/r/a.mdb"), key("cas/r/b.mdb"));
    assert_eq!(put(&*s.objects, &a, Bytes::from_static(b"first")).await.unwrap(), Committed::Stored);
    let mut staged = s.objects.begin().await.unwrap();
    staged.append(vec![Bytes::from_static(b"second")]).await.unwrap();
    assert_eq!(staged.commit(&a).await.unwrap(), Committed::Exists);
    assert_eq!(get(&*s.objects, &a).await.unwrap().unwrap(), "first");
    // What was staged is still there for another key.
    assert_eq!(staged.commit(&b).await.unwrap(), Committed::Stored);
    drop(staged);
    assert_eq!(get(&*s.objects, &b).await.unwrap().unwrap(), "second");
    // After a deletion the key is free again.
    assert!(s.objects.delete(&a).await.unwrap());
    assert_eq!(put(&*s.objects, &a, Bytes::from_static(b"third")).await.unwrap(), Committed::Stored);
    assert_eq!(get(&*s.objects, &a).await.unwrap().unwrap(), "third");
    assert_eq!((s.leftovers)(), 0);
}

async fn one_of_many_wins(s: Subject) {
    let mut tasks = Vec::new();
    for i in 0..16u8 {
        let objects = s.objects.clone();
        tasks.push(tokio::spawn(async move {
            let content = Bytes::from(vec![i; 10_000]);
            put(&*objects, &"cas/x/00/11/same.0".parse().unwrap(), content).await.unwrap()
        }));
    }
    let mut stored = 0;
    for task in tasks {
        stored += usize::from(task.await.unwrap() == Committed::Stored);
    }
    assert_eq!(stored, 1);
    let content = get(&*s.objects, &key("cas/x/00/11/same.0")).await.unwrap().unwrap();
    assert!(content.len() == 10_000 && content.iter().all(|b| *b == content[0]), "one writer's bytes, whole");
}

async fn abandoned_bytes_leave_nothing(s: Subject) {
    let mut staged = s.objects.begin().await.unwrap();
    staged.append(vec![Bytes::from(vec![1; 2 << 20])]).await.unwrap();
    drop(staged);
    for _ in 0..200 {
        if (s.leftovers)() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!((s.leftovers)(), 0);
    assert!(s.objects.list("", None, 10).await.unwrap().is_empty());
}

async fn absent_objects(s: Subject) {
    let absent = key("cas/x/no");
    assert_eq!(s.objects.len(&absent).await.unwrap(), None);
    assert!(!s.objects.delete(&absent).await.unwrap());
    assert!(get(&*s.objects, &absent).await.unwrap().is_none());
    let e = s.objects.read(&absent, 0..1, None).await.unwrap_err();
    assert!(matches!(&e, StoreError::NotFound(k) if *k == absent), "{e:?}");
    assert!(s.objects.list("nothing/here", None, 10).await.unwrap().is_empty());
}

async fn ranges_outside(s: Subject) {
    let key = key("k");
    put(&*s.objects, &key, Bytes::from_static(b"0123456789")).await.unwrap();
    #[expect(clippy::reversed_empty_ranges, reason = "a wrong range is the point")]
    for range in [0..11, 10..11, 11..12, 5..4, 0..u64::MAX, u64::MAX - 1..u64::MAX] {
        let e = s.objects.read(&key, range.clone(), None).await.unwrap_err();
        assert!(matches!(e, StoreError::OutOfBounds { .. }), "{range:?} {e:?}");
    }
}

async fn flipped_bits_are_noticed(s: Subject) {
    let content = Dice(2).noise(900_000);
    let mut builder = CrcBuilder::default();
    builder.push(&content);
    let crc = builder.finish();
    let key = key("cas/x/a.0");
    put(&*s.objects, &key, Bytes::from(content.clone())).await.unwrap();
    let block = CRC_BLOCK_BYTES as u64;
    assert!(s.objects.read(&key, 0..900_000, Some(&crc)).await.unwrap() == content);
    (s.tamper)(&key, 700_000);
    assert!(s.objects.read(&key, 0..2 * block, Some(&crc)).await.is_ok());
    for range in [0..900_000, 2 * block..900_000, 2 * block..3 * block] {
        let e = s.objects.read(&key, range, Some(&crc)).await.unwrap_err();
        assert!(matches!(&e, StoreError::Corrupt { block: 2, key: k } if *k == key), "{e:?}");
    }
    let e = s.objects.read(&key, 0..block, Some(&CrcTable::default())).await.unwrap_err();
    assert!(matches!(e, StoreError::Corrupt { block: 0, .. }), "a table that is too short proves nothing");
}

async fn listing_is_in_order_and_paged(s: Subject) {
    let mut names =
        vec!["a", "a-b/c", "a/b", "a/b.1", "a/b-2/x", "a/c/d", "ab/c", "b", "cas/r/00/x.mdb", "cas/x/00/y.0"];
    for name in &names {
        put(&*s.objects, &key(&format!("{name}/leaf")), Bytes::from_static(b"xy")).await.unwrap();
    }
    names.sort_by_key(|n| format!("{n}/leaf"));
    let all = s.objects.list("", None, 100).await.unwrap();
    assert_eq!(
        all.iter().map(|o| o.key.to_string()).collect::<Vec<_>>(),
        names.iter().map(|n| format!("{n}/leaf")).collect::<Vec<_>>()
    );
    assert!(all.iter().all(|o| o.len == 2 && o.modified > 1_600_000_000));
    for limit in [1, 2, 3, 100] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = s.objects.list("a", after.as_ref(), limit).await.unwrap();
            after = page.last().map(|o| o.key.clone());
            let ended = page.len() < limit;
            seen.extend(page);
            if ended {
                break;
            }
        }
        let inside: Vec<_> = all.iter().filter(|o| o.key.as_str().starts_with("a/")).cloned().collect();
        assert_eq!(seen, inside, "pages of {limit}");
    }
}

#[test]
fn keys() {
    let hash = XetHash([0xab; 32]);
    let xorb = ObjectKey::xorb(&hash, 12);
    assert_eq!(xorb.as_str(), format!("cas/x/ab/ab/{hash}.12"));
    assert_eq!(xorb.as_xorb(), Some((hash, 12)));
    assert_eq!(xorb.as_str().parse::<ObjectKey>().unwrap(), xorb);
    assert_eq!(key(&format!("cas/x/00/ab/{hash}.12")).as_xorb(), None, "in another folder");
    assert_eq!(key(&format!("cas/x/ab/ab/{hash}.012")).as_xorb(), None);
    assert!(ObjectKey::shard(b"x").as_str().ends_with(".mdb"));
    for bad in
        ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "A", "a b", "tmp", "tmp/1-0", "a\0", &"a".repeat(201)]
    {
        assert!(bad.parse::<ObjectKey>().is_err(), "{bad:?}");
    }
}
