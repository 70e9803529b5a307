//! Up and down again.

use axum::body::Body;
use futures_util::TryStreamExt;
use haina_app::content::{ByteStream, Expect, ShaState};
use haina_types::{Code, Visibility, XetHash};
use http::Method;

use crate::rig::{Hub, Made, URL, noise, sha256};

on_both!(
    up_and_down,
    windows_and_the_end_of_the_file,
    versions_and_batches_agree,
    a_file_of_shared_and_repeated_chunks,
    the_empty_file,
    many_files_in_one_shard,
    one_xorb_uploaded_by_many_at_once_is_kept_once,
    whole_files_by_other_doors
);

pub async fn collect(stream: ByteStream) -> Vec<u8> {
    stream
        .try_fold(Vec::new(), async |mut all, part| {
            all.extend_from_slice(&part);
            Ok(all)
        })
        .await
        .unwrap()
}

async fn up_and_down(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::noise(1, 1_000_000);
    assert!(made.xorbs.len() > 3);
    for (hash, body, index) in &made.xorbs {
        up.call(Method::HEAD, &format!("/v1/xorbs/default/{hash}"), None, Body::empty()).await.expect(404);
        let answer = up.upload_xorb(hash, body).await.expect(200);
        assert_eq!(answer.json(), serde_json::json!({"was_inserted": true}));
        let answer = up.upload_xorb(hash, body).await.expect(200);
        assert_eq!(answer.json(), serde_json::json!({"was_inserted": false}));
        let head = up.call(Method::HEAD, &format!("/v1/xorbs/default/{hash}"), None, Body::empty()).await.expect(200);
        assert_eq!(head.header("content-length"), index.frames_len().to_string());
    }
    let lines = up.upload_shard(&made.shard()).await.expect(200);
    assert_eq!(lines.header("content-type"), "application/x-ndjson");
    let last: serde_json::Value = serde_json::from_str(lines.text().lines().last().unwrap()).unwrap();
    assert_eq!(last, serde_json::json!({"type": "result", "result": 1}));
    assert!(lines.text().ends_with('\n'));
    let again = up.call(Method::POST, "/v1/shards", None, made.shard()).await.expect(200);
    assert_eq!(again.json(), serde_json::json!({"result": 1}));

    let down = hub.reader(&ada, &path).await;
    assert_eq!(down.download(&made.hash, None).await, made.bytes);
    for range in [0..1, 0..999_999, 5..9, 300_000..700_001, 999_999..1_000_000, 123_456..123_457] {
        let want = &made.bytes[range.start as usize..range.end as usize];
        assert_eq!(down.download(&made.hash, Some(range.clone())).await, want, "{range:?}");
        let access = hub.read(&ada, &path).await;
        assert_eq!(collect(hub.app.open_content(&access, &made.hash, Some(range)).await.unwrap()).await, want);
    }
    let head = down.call(Method::HEAD, &format!("/v1/files/{}", made.hash), None, Body::empty()).await.expect(200);
    assert_eq!(head.header("content-length"), "1000000");
    // Nothing of the protocol is kept but objects and recipes.
    assert_eq!(hub.objects("cas/x").len(), made.xorbs.len());
    assert_eq!(hub.objects("cas/r").len(), 1);
    hub.no_rest();
}

async fn windows_and_the_end_of_the_file(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::noise(2, 500_000);
    up.upload(&made).await;
    // Past the end is told by 416 with the size, also in the first version.
    for version in ["v1", "v2"] {
        let of = |range: &'static str| {
            up.call(Method::GET, leak(format!("/{version}/reconstructions/{}", made.hash)), Some(range), Body::empty())
        };
        for range in ["bytes=500000-600000", "bytes=999999999999-", "bytes=18446744073709551615-"] {
            let answer = of(range).await.expect(416);
            assert_eq!(answer.header("content-range"), "bytes */500000", "{range}");
            assert!(answer.json()["error"].is_string());
        }
        // An end after the file's is normal.
        of("bytes=499999-999999999").await.expect(200);
        of("bytes=0-18446744073709551615").await.expect(200);
        of("bytes=0-").await.expect(200);
        let last = of("bytes=-10").await.expect(200).json();
        assert_eq!(last["terms"].as_array().unwrap().len(), 1);
        for bad in ["bytes=2-1", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1"] {
            of(bad).await.expect(400);
        }
    }
    // The same window is answered the same way but for addresses, so that a refreshed one fits what was fetched.
    let strip = |mut plan: serde_json::Value| {
        for fetches in plan["xorbs"].as_object_mut().unwrap().values_mut() {
            fetches.as_array_mut().unwrap().iter_mut().for_each(|f| f["url"] = "".into());
        }
        plan
    };
    let one = up.reconstruct(&made.hash, Some("bytes=1000-400000")).await.json();
    hub.wait(100);
    let two = up.reconstruct(&made.hash, Some("bytes=1000-400000")).await.json();
    assert_ne!(one, two);
    assert_eq!(strip(one), strip(two));
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

async fn versions_and_batches_agree(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let (a, b) = (Made::noise(3, 400_000), Made::noise(4, 100_000));
    up.upload(&a).await;
    up.upload(&b).await;
    let v2 = up.reconstruct(&a.hash, None).await.expect(200).json();
    let v1 = up.get(&format!("/v1/reconstructions/{}", a.hash)).await.expect(200).json();
    assert_eq!(v1["terms"], v2["terms"]);
    assert_eq!(v1["offset_into_first_range"], 0);
    for (xorb, fetches) in v1["fetch_info"].as_object().unwrap() {
        for (one, two) in fetches.as_array().unwrap().iter().zip(v2["xorbs"][xorb].as_array().unwrap()) {
            assert_eq!((&one["range"], &one["url_range"]), (&two["ranges"][0]["chunks"], &two["ranges"][0]["bytes"]));
            assert!(one["url"].as_str().unwrap().starts_with(&format!("{URL}/xet/")));
        }
    }
    let query = up.get(&format!("/v1/reconstructions?file_id={}&file_id={}", a.hash, b.hash)).await.expect(200).json();
    assert_eq!(query["files"][a.hash.to_string()], v1["terms"]);
    assert_eq!(query["files"].as_object().unwrap().len(), 2);
    assert_eq!(query["fetch_info"].as_object().unwrap().len(), a.xorbs.len() + b.xorbs.len());
    let body = serde_json::json!([{"prefix": "default", "hash": a.hash}, {"prefix": "default", "hash": b.hash}]);
    let posted = up.call(Method::POST, "/v1/reconstructions", None, body.to_string()).await.expect(200).json();
    assert_eq!(posted["files"], query["files"]);
    up.get(&format!("/v1/reconstructions?file_id={}&file_id={}", a.hash, XetHash([7; 32]))).await.expect(404);
    up.get("/v1/reconstructions?file_id=zz").await.expect(400);
    let many = format!("/v1/reconstructions?{}", vec![format!("file_id={}", a.hash); 257].join("&"));
    up.get(&many).await.expect(413);
    up.call(Method::POST, "/v1/reconstructions", None, "[{]").await.expect(400);
}

async fn a_file_of_shared_and_repeated_chunks(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let base = Made::noise(5, 300_000);
    up.upload(&base).await;
    // Refers to what is stored already, back and forth, without listing any xorb.
    let (xorb, _, index) = &base.xorbs[0];
    let runs = [3..5, 0..8, 4..5, 4..6];
    let terms: Vec<_> = runs.iter().map(|r| haina_cas::shard::TermEntry::new(*xorb, index, r.clone())).collect();
    let bytes: Vec<u8> = runs
        .iter()
        .flat_map(|r| {
            let raw = index.raw_range(r.clone());
            base.bytes[raw.start as usize..raw.end as usize].to_vec()
        })
        .collect();
    let chunks = runs.iter().flat_map(|r| r.clone()).map(|i| (index.hash(i), u64::from(index.raw_len(i..i + 1))));
    let made =
        Made { hash: haina_cas::hash::file_hash(chunks), sha256: sha256(&bytes), bytes, xorbs: Vec::new(), terms };
    up.upload(&made).await;
    assert_eq!(up.download(&made.hash, None).await, made.bytes);
    assert_eq!(up.download(&made.hash, Some(50_000..150_000)).await, made.bytes[50_000..150_000]);
    hub.app.verify_claim(&made.hash).await.unwrap();
}

async fn the_empty_file(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::new(Vec::new(), 8);
    assert_eq!(made.hash, XetHash::ZERO);
    // Clients say that its SHA-256 is all zeros.
    up.upload_shard(&made.shard_claiming(Some(haina_types::Sha256::ZERO))).await.expect(200);
    for range in [None, Some("bytes=0-255")] {
        let plan = up.reconstruct(&made.hash, range).await.expect(200).json();
        assert_eq!(plan, serde_json::json!({"offset_into_first_range": 0, "terms": [], "xorbs": {}}));
    }
    up.reconstruct(&made.hash, Some("bytes=1-5")).await.expect(416);
    let access = hub.read(&ada, &path).await;
    assert!(collect(hub.app.open_content(&access, &made.hash, None).await.unwrap()).await.is_empty());
    hub.commit(&ada, &path, "empty.bin", sha256(b"")).await.unwrap();
}

async fn many_files_in_one_shard(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let up = hub.writer(&ada, &path).await;
    let mut writer = haina_cas::shard::ShardWriter::default();
    let all: Vec<Made> = (0..200).map(|i| Made::noise(1000 + i, 3000 + i as usize)).collect();
    for made in &all {
        for (hash, body, index) in &made.xorbs {
            up.upload_xorb(hash, body).await.expect(200);
            writer.xorb(*hash, index);
        }
        writer.file(made.hash, &made.terms, Some(made.sha256));
        // Twice, as clients may.
        writer.file(made.hash, &made.terms, Some(made.sha256));
    }
    up.upload_shard(&writer.finish()).await.expect(200);
    for made in all.iter().step_by(37) {
        assert_eq!(up.download(&made.hash, None).await, made.bytes);
    }
}

async fn one_xorb_uploaded_by_many_at_once_is_kept_once(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::noise(6, 200_000);
    let (hash, body, _) = &made.xorbs[0];
    let answers = futures_util::future::join_all((0..16).map(|_| up.upload_xorb(hash, body))).await;
    answers.into_iter().for_each(|a| drop(a.expect(200)));
    assert_eq!(hub.objects("cas/x").len(), 1);
    hub.no_rest();
}

fn stream(bytes: &[u8], piece: usize) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(piece).map(|p| Ok(bytes::Bytes::copy_from_slice(p))).collect();
    Box::pin(futures_util::stream::iter(pieces))
}

async fn whole_files_by_other_doors(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let access = hub.write(&ada, &path).await;
    let bytes = noise(7, 3_000_000);
    let digest = sha256(&bytes);
    let expect = |sha256, size| Expect { sha256, size };
    for wrong in [expect(Some(sha256(b"x")), None), expect(None, Some(2_999_999)), expect(None, Some(3_000_001))] {
        let e = hub.app.store_content(&access.upload(), stream(&bytes, 70_000), wrong).await.unwrap_err();
        assert_eq!(e.code, Code::Invalid, "{wrong:?}");
    }
    assert!(hub.commit(&ada, &path, "f.bin", digest).await.is_err(), "nothing was registered");

    let stored = hub
        .app
        .store_content(&access.upload(), stream(&bytes, 70_000), expect(Some(digest), Some(3_000_000)))
        .await
        .unwrap();
    assert_eq!((stored.size, stored.state), (3_000_000, ShaState::Verified));
    hub.commit(&ada, &path, "f.bin", digest).await.unwrap();
    let again = hub.app.store_content(&access.upload(), stream(&bytes, 1_000_000), Expect::default()).await.unwrap();
    assert_eq!(again.file, stored.file, "the id does not depend on the door");
    let down = hub.reader(&ada, &path).await;
    assert_eq!(down.download(&stored.file, None).await, bytes);
    let access = hub.read(&ada, &path).await;
    assert_eq!(collect(hub.app.open_content(&access, &stored.file, None).await.unwrap()).await, bytes);

    let empty =
        hub.app.store_content(&hub.write(&ada, &path).await.upload(), stream(b"", 1), Expect::default()).await.unwrap();
    assert_eq!((empty.file, empty.size), (XetHash::ZERO, 0));
    // A broken body leaves nothing.
    let broken: ByteStream = Box::pin(futures_util::stream::iter([
        Ok(bytes::Bytes::from(noise(8, 100_000))),
        Err(haina_types::Error::invalid("cut")),
    ]));
    assert!(hub.app.store_content(&hub.write(&ada, &path).await.upload(), broken, Expect::default()).await.is_err());
    hub.no_rest();
}
