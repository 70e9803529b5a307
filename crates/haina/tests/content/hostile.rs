//! Uploads that lie. Each is refused with a reason, and nothing of it stays.

use axum::body::Body;
use haina_cas::shard::{ShardWriter, TermEntry};
use haina_types::{Visibility, XetHash};
use http::{Method, Request};

use crate::rig::{Client, Hub, Made, noise, xorb};

on_both!(xorbs, a_body_that_breaks_off, shards, shards_that_are_too_long);

async fn nothing_stays(hub: &Hub) {
    assert!(hub.objects("cas").is_empty());
    hub.no_rest();
    let findings = haina_app::content::fsck(&hub.app, Default::default(), |_| {}).await.unwrap();
    assert_eq!((findings.xorbs, findings.files, findings.recipes), (0, 0, 0));
}

async fn xorbs(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let text = b"a chunk that compresses, compresses, compresses, compresses, compresses. ".repeat(300);
    let (hash, body, _) = xorb(&[&noise(1, 20_000), &text, &noise(2, 9000)]);
    let change = |at: usize, to: u8| {
        let mut body = body.clone();
        body[at] = to;
        body
    };
    let second = 8 + 20_000;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("cut in a header", body[..5].to_vec()),
        ("cut in a payload", body[..body.len() - 1].to_vec()),
        ("cut between frames", body[..second].to_vec()),
        ("a byte too many", [body.as_slice(), &[0]].concat()),
        ("a changed byte", change(100, body[100] ^ 1)),
        ("a version to come", change(0, 1)),
        ("an unknown scheme", change(4, 3)),
        ("a raw length that is too small", change(second + 5, body[second + 5].wrapping_sub(1))),
        ("a raw length that is too large", change(second + 5, body[second + 5].wrapping_add(1))),
        ("a raw length over the limit", change(second + 7, 0xff)),
        ("a payload length over the limit", change(3, 0xff)),
        ("nonsense", noise(3, 100_000)),
        ("zeros", vec![0; 100_000]),
    ];
    for (what, body) in &cases {
        let answer = up.upload_xorb(&hash, body).await.expect(400);
        assert!(answer.json()["error"].as_str().unwrap().contains("xorb"), "{what}: {}", answer.text());
    }
    up.upload_xorb(&XetHash([1; 32]), &body).await.expect(400);
    nothing_stays(&hub).await;

    // Too long by its own word is not even read.
    let request = Request::builder()
        .method(Method::POST)
        .uri(up.path(&format!("/v1/xorbs/default/{hash}")))
        .header("authorization", format!("Bearer {}", up.grant.token))
        .header("content-length", "67174401")
        .body(Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>()))
        .unwrap();
    hub.send(request).await.expect(413);
    // And without a word it is cut off.
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0u8; 1 << 20])));
    let answer = up.call(Method::POST, &format!("/v1/xorbs/default/{hash}"), None, Body::from_stream(endless)).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
    nothing_stays(&hub).await;

    up.upload_xorb(&hash, &body).await.expect(200);
}

async fn a_body_that_breaks_off(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let (hash, body, _) = xorb(&[&noise(1, 20_000), &noise(2, 9000)]);
    let cut = futures_util::stream::iter([
        Ok(bytes::Bytes::copy_from_slice(&body[..15_000])),
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
    ]);
    let answer = up.call(Method::POST, &format!("/v1/xorbs/default/{hash}"), None, Body::from_stream(cut)).await;
    answer.expect(400);
    nothing_stays(&hub).await;
}

fn shard_of(hash: XetHash, terms: &[TermEntry], made: &Made) -> Vec<u8> {
    let mut writer = ShardWriter::default();
    writer.file(hash, terms, Some(made.sha256));
    for (hash, _, index) in &made.xorbs {
        writer.xorb(*hash, index);
    }
    writer.finish()
}

async fn refused(up: &Client<'_>, made: &Made, what: &str, shard: &[u8]) {
    for route in ["/v1/shards", "/v2/shards"] {
        let answer = up.call(Method::POST, route, None, shard.to_vec()).await;
        assert_eq!(answer.status.as_u16(), 400, "{what} at {route}: {}", answer.text());
        assert!(answer.json()["error"].as_str().unwrap().starts_with("The shard was refused: "), "{what}");
    }
    up.reconstruct(&made.hash, None).await.expect(404);
    assert!(up.hub.objects("cas/r").is_empty(), "{what}: nothing is kept of a refused shard");
}

async fn shards(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::noise(1, 400_000);
    for (hash, body, _) in &made.xorbs {
        up.upload_xorb(hash, body).await.expect(200);
    }
    let good = made.shard();
    let other = XetHash([9; 32]);
    let with = |i: usize, change: &dyn Fn(&mut TermEntry)| {
        let mut terms = made.terms.clone();
        change(&mut terms[i]);
        shard_of(made.hash, &terms, &made)
    };
    let mut shorter = made.terms.clone();
    shorter.pop();
    let mut swapped = made.terms.clone();
    swapped.swap(0, 1);
    let mut huge = good.clone();
    huge[48 + 36..48 + 40].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("nonsense", noise(2, 10_000)),
        ("a cut one", good[..good.len() - 48].to_vec()),
        ("trailing bytes", [good.as_slice(), &[1; 48]].concat()),
        ("a count beyond the body", huge),
        ("another file's id", shard_of(other, &made.terms, &made)),
        ("a term left out", shard_of(made.hash, &shorter, &made)),
        ("terms in another order", shard_of(made.hash, &swapped, &made)),
        ("a xorb that is not stored", with(0, &|t| t.xorb = other)),
        ("chunks beyond the xorb", with(0, &|t| t.end += 1)),
        ("no chunks", with(0, &|t| t.end = t.start)),
        ("chunks backwards", with(0, &|t| (t.start, t.end) = (5, 2))),
        ("another length", with(1, &|t| t.raw_len += 1)),
        ("a wrong proof", with(1, &|t| t.range_hash = other)),
        ("a proof of other chunks", with(1, &|t| t.range_hash = made.terms[0].range_hash)),
    ];
    for (what, shard) in &cases {
        refused(&up, &made, what, shard).await;
    }
    // A listed xorb that says something else than what was uploaded.
    let mut writer = ShardWriter::default();
    writer.file(made.hash, &made.terms, Some(made.sha256));
    writer.xorb(made.xorbs[0].0, &made.xorbs[1].2);
    refused(&up, &made, "the chunks of another xorb", &writer.finish()).await;
    // One bad file takes the good ones with it.
    let mut writer = ShardWriter::default();
    writer.file(made.hash, &made.terms, Some(made.sha256));
    writer.file(other, &made.terms, Some(made.sha256));
    refused(&up, &made, "a good and a bad file", &writer.finish()).await;

    up.upload_shard(&good).await.expect(200);
    assert_eq!(up.download(&made.hash, None).await, made.bytes);
    // Without a SHA-256, as for buckets.
    up.upload_shard(&made.shard_claiming(None)).await.expect(200);
}

async fn shards_that_are_too_long(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let request = Request::builder()
        .method(Method::POST)
        .uri(up.path("/v2/shards"))
        .header("authorization", format!("Bearer {}", up.grant.token))
        .header("content-length", (haina_app::content::SHARD_BYTES_MAX + 1).to_string())
        .body(Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>()))
        .unwrap();
    hub.send(request).await.expect(413);
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0u8; 1 << 20])));
    up.call(Method::POST, "/v2/shards", None, Body::from_stream(endless)).await.expect(413);
}
