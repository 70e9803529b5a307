//! What clients are told of stored chunks.

use haina_cas::hash::keyed_chunk_hash;
use haina_cas::shard::Shard;
use haina_types::{Visibility, XetHash};

use crate::rig::{Hub, Made, noise};

on_both!(a_namespace_finds_its_own, others_find_only_public_chunks, what_was_told_may_be_referred_to);

async fn a_namespace_finds_its_own(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let (one, two) =
        (hub.repo(&ada, "one", Visibility::Private).await, hub.repo(&ada, "two", Visibility::Private).await);
    let his = hub.repo(&bob, "m", Visibility::Private).await;
    let made = Made::noise(1, 3_000_000);
    hub.writer(&ada, &one).await.upload(&made).await;
    let hers = hub.reader(&ada, &two).await;
    let answer = hers.dedup(&made.chunk(0)).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let shard = Shard::parse(answer.body.clone()).unwrap();
    let footer = shard.footer.as_ref().unwrap();
    assert_eq!((footer.created, footer.expires), (1_800_000_000, 1_800_086_400));
    assert_ne!(footer.hmac_key, [0; 32]);
    assert!(shard.files.is_empty());
    // The xorb with the chunk and those that follow it in the file, hashes keyed.
    assert!(made.xorbs.len() > 8);
    assert_eq!(shard.xorbs.len(), made.xorbs.len());
    for (told, (hash, _, index)) in shard.xorbs.iter().zip(&made.xorbs) {
        assert_eq!((told.hash, told.raw_len), (*hash, index.raw_total()));
        let want: Vec<_> = index.hashes().map(|h| keyed_chunk_hash(&h, &footer.hmac_key)).collect();
        assert_eq!(told.chunks().map(|c| c.hash).collect::<Vec<_>>(), want);
    }
    // Raw hashes never leave, and each answer has its own key.
    let raw = made.chunk(1).0;
    assert!(!answer.body.windows(32).any(|w| w == raw));
    let again = Shard::parse(hers.dedup(&made.chunk(0)).await.expect(200).body).unwrap();
    assert_ne!(again.footer.unwrap().hmac_key, footer.hmac_key);
    // The old prefix too.
    hers.get(&format!("/v1/chunks/default-merkledb/{}", made.chunk(0))).await.expect(200);

    hers.dedup(&made.chunk(1)).await.expect(404);
    hers.dedup(&XetHash([1; 32])).await.expect(404);
    hub.reader(&bob, &his).await.dedup(&made.chunk(0)).await.expect(404);
}

async fn others_find_only_public_chunks(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let (secret, public) =
        (hub.repo(&ada, "s", Visibility::Private).await, hub.repo(&ada, "p", Visibility::Public).await);
    let his = hub.repo(&bob, "m", Visibility::Private).await;
    // One xorb with the chunks of a private and of a public file, as a client makes it in one session.
    let (a, b) = (Made::new(noise(1, 60_000), 100), Made::new(noise(2, 60_000), 100));
    let n = a.xorbs[0].2.chunk_count();
    let chunks: Vec<Vec<u8>> = [&a, &b].into_iter().flat_map(|m| crate::rig::decode(&m.xorbs[0].1)).collect();
    let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
    let (mixed, body, index) = crate::rig::xorb(&chunks);
    let up = hub.writer(&ada, &secret).await;
    up.upload_xorb(&mixed, &body).await.expect(200);
    let file = |made: &Made, run: std::ops::Range<u32>| {
        let mut writer = haina_cas::shard::ShardWriter::default();
        writer.file(made.hash, &[haina_cas::shard::TermEntry::new(mixed, &index, run)], Some(made.sha256));
        writer.finish()
    };
    up.upload_shard(&file(&a, 0..n)).await.expect(200);
    hub.commit(&ada, &secret, "a.bin", a.sha256).await.unwrap();
    let up = hub.writer(&ada, &public).await;
    up.upload_shard(&file(&b, n..index.chunk_count())).await.expect(200);
    let bobs = hub.reader(&bob, &his).await;
    bobs.dedup(&b.chunk(0)).await.expect(404);
    hub.commit(&ada, &public, "b.bin", b.sha256).await.unwrap();

    bobs.dedup(&a.chunk(0)).await.expect(404);
    let shard = Shard::parse(bobs.dedup(&b.chunk(0)).await.expect(200).body).unwrap();
    let key = shard.footer.as_ref().unwrap().hmac_key;
    let told: Vec<_> = shard.xorbs[0].chunks().collect();
    assert_eq!(told.len() as u32, index.chunk_count(), "positions stay");
    for (i, chunk) in (0..).zip(&told) {
        let keyed = keyed_chunk_hash(&index.hash(i), &key);
        assert_eq!(chunk.hash == keyed, i >= n, "chunk {i}");
    }
    // Her own namespace is told all of it.
    let own = Shard::parse(hub.reader(&ada, &public).await.dedup(&b.chunk(0)).await.expect(200).body).unwrap();
    let key = own.footer.as_ref().unwrap().hmac_key;
    assert!((0..).zip(own.xorbs[0].chunks()).all(|(i, c)| c.hash == keyed_chunk_hash(&index.hash(i), &key)));
    hub.app.flush_kept().await.unwrap();
}

async fn what_was_told_may_be_referred_to(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let (hers, his) = (hub.repo(&ada, "m", Visibility::Public).await, hub.repo(&bob, "m", Visibility::Private).await);
    let made = Made::noise(3, 500_000);
    hub.writer(&ada, &hers).await.upload(&made).await;
    hub.commit(&ada, &hers, "f.bin", made.sha256).await.unwrap();
    let bobs = hub.writer(&bob, &his).await;
    bobs.dedup(&made.chunk(0)).await.expect(200);
    let before = hub.objects("cas/x").len();
    bobs.upload_shard(&made.shard()).await.expect(200);
    assert_eq!(hub.objects("cas/x").len(), before);
    assert_eq!(bobs.download(&made.hash, None).await, made.bytes);
}
