//! Who may do what, and what others may know of.

use axum::body::Body;
use haina_types::{RepoKind, Visibility};
use http::{Method, Request};

use crate::rig::{Client, Hub, Made, URL};

on_both!(
    tokens,
    another_hubs_token_is_refused,
    files_of_other_repositories_do_not_exist,
    xorbs_of_other_namespaces_cannot_be_referred_to,
    signed_addresses,
    a_deleted_repository_takes_nothing_and_gives_nothing,
    uploads_without_a_commit_end
);

async fn tokens(hub: Hub) {
    let ada = hub.user("ada").await;
    let bob = hub.user("bob").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let theirs = hub.repo(&bob, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::noise(1, 100_000);
    up.upload(&made).await;
    let (xorb, body, _) = &made.xorbs[0];
    let routes: [(Method, String, Vec<u8>, bool); 10] = [
        (Method::GET, format!("/v1/chunks/default/{}", made.chunk(0)), vec![], false),
        (Method::POST, format!("/v1/xorbs/default/{xorb}"), body.clone(), true),
        (Method::HEAD, format!("/v1/xorbs/default/{xorb}"), vec![], false),
        (Method::POST, "/v1/shards".into(), made.shard(), true),
        (Method::POST, "/v2/shards".into(), made.shard(), true),
        (Method::GET, format!("/v1/reconstructions/{}", made.hash), vec![], false),
        (Method::GET, format!("/v2/reconstructions/{}", made.hash), vec![], false),
        (Method::GET, format!("/v1/reconstructions?file_id={}", made.hash), vec![], false),
        (Method::POST, "/v1/reconstructions".into(), b"[]".to_vec(), false),
        (Method::HEAD, format!("/v1/files/{}", made.hash), vec![], false),
    ];
    let with = |token: &str| {
        let grant = haina_app::content::CasGrant { token: token.into(), ..up.grant.clone() };
        Client { hub: &hub, grant }
    };
    let read_only = hub.reader(&ada, &path).await;
    let other = hub.writer(&bob, &theirs).await;
    let at = |client: &Client<'_>, store: &str, domain: &str| {
        let mut grant = client.grant.clone();
        let mut parts: Vec<&str> = grant.cas_url.split('/').collect();
        let n = parts.len();
        if !store.is_empty() {
            parts[n - 2] = store;
        }
        if !domain.is_empty() {
            parts[n - 1] = domain;
        }
        grant.cas_url = parts.join("/");
        Client { hub: &hub, grant }
    };
    for (method, route, body, writes) in &routes {
        let call =
            async |client: &Client<'_>| client.call(method.clone(), route, None, body.clone()).await.status.as_u16();
        assert_eq!(call(&up).await, 200, "{method} {route}");
        assert_eq!(call(&read_only).await, if *writes { 403 } else { 200 }, "{method} {route} with a token that reads");
        let mut flipped = up.grant.token.clone().into_bytes();
        flipped[20] ^= 1;
        for bad in ["", "x", "hf_abcdef", &"A".repeat(10_000), std::str::from_utf8(&flipped).unwrap()] {
            assert_eq!(call(&with(bad)).await, 401, "{method} {route} with {bad:?}");
        }
        let bare = Request::builder().method(method).uri(up.path(route)).body(Body::from(body.clone())).unwrap();
        assert_eq!(hub.send(bare).await.status.as_u16(), 401, "{method} {route} without a token");
        let domain = other.grant.cas_url.rsplit('/').next().unwrap();
        assert_eq!(call(&at(&up, "", domain)).await, 403, "{method} {route} at another domain");
        assert_eq!(call(&at(&up, "", "0")).await, 403, "{method} {route} at everyone's domain");
        assert_eq!(call(&at(&up, "", "nonsense")).await, 403, "{method} {route} at no domain");
        assert_eq!(
            call(&at(&up, "11111111-2222-4333-8444-555555555555-1", "")).await,
            404,
            "{method} {route} elsewhere"
        );
    }
    // Clients refresh by their own clocks, and a 401 ends their transfer.
    hub.wait(haina_app::content::TOKEN_SECONDS + 599);
    up.reconstruct(&made.hash, None).await.expect(200);
    hub.wait(2);
    up.reconstruct(&made.hash, None).await.expect(401);
    hub.writer(&ada, &path).await.reconstruct(&made.hash, None).await.expect(200);
}

async fn another_hubs_token_is_refused(one: Hub) {
    let two = Hub::sqlite().await;
    let (ada, bob) = (one.user("ada").await, two.user("ada").await);
    let (a, b) = (one.repo(&ada, "m", Visibility::Private).await, two.repo(&bob, "m", Visibility::Private).await);
    let (a, b) = (one.writer(&ada, &a).await, two.writer(&bob, &b).await);
    let mixed = haina_app::content::CasGrant { token: a.grant.token.clone(), ..b.grant.clone() };
    let answer = Client { hub: &two, grant: mixed }.dedup(&haina_types::XetHash([1; 32])).await;
    answer.expect(401);
}

async fn files_of_other_repositories_do_not_exist(hub: Hub) {
    let ada = hub.user("ada").await;
    let (one, two) =
        (hub.repo(&ada, "one", Visibility::Private).await, hub.repo(&ada, "two", Visibility::Private).await);
    let made = Made::noise(2, 100_000);
    hub.writer(&ada, &one).await.upload(&made).await;
    let other = hub.writer(&ada, &two).await;
    other.reconstruct(&made.hash, None).await.expect(404);
    other.get(&format!("/v1/reconstructions/{}", made.hash)).await.expect(404);
    other.call(Method::HEAD, &format!("/v1/files/{}", made.hash), None, Body::empty()).await.expect(404);
    let access = hub.read(&ada, &two).await;
    assert!(hub.app.open_content(&access, &made.hash, None).await.is_err());
    // Nor under their digest.
    assert!(hub.commit(&ada, &two, "f.bin", made.sha256).await.is_err());
    // Whoever has the bytes may say so, without sending them again in the same namespace.
    other.upload_shard(&made.shard()).await.expect(200);
    assert_eq!(other.download(&made.hash, None).await, made.bytes);
    hub.commit(&ada, &two, "f.bin", made.sha256).await.unwrap();
}

async fn xorbs_of_other_namespaces_cannot_be_referred_to(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let (hers, his) = (hub.repo(&ada, "m", Visibility::Private).await, hub.repo(&bob, "m", Visibility::Private).await);
    let made = Made::noise(3, 100_000);
    hub.writer(&ada, &hers).await.upload(&made).await;
    let bobs = hub.writer(&bob, &his).await;
    let answer = bobs.upload_shard(&made.shard()).await.expect(400);
    assert!(answer.json()["error"].as_str().unwrap().contains(&made.xorbs[0].0.to_string()), "{}", answer.text());
    bobs.reconstruct(&made.hash, None).await.expect(404);
    let (xorb, body, _) = &made.xorbs[0];
    bobs.call(Method::HEAD, &format!("/v1/xorbs/default/{xorb}"), None, Body::empty()).await.expect(404);
    // He is not told that somebody has it: his own bytes are taken as new.
    let answer = bobs.upload_xorb(xorb, body).await.expect(200);
    assert_eq!(answer.json(), serde_json::json!({"was_inserted": true}));
    // And they must be right: knowing a name is not having the bytes.
    let wrong = bobs.upload_xorb(&made.xorbs[0].0, b"nonsense").await;
    assert!(wrong.status.as_u16() == 400 || wrong.status.as_u16() == 200);
    let second = Made::noise(4, 50_000);
    hub.writer(&ada, &hers).await.upload(&second).await;
    bobs.upload_xorb(&second.xorbs[0].0, b"nonsense").await.expect(400);
    bobs.upload_shard(&second.shard()).await.expect(400);

    // What a public repository has, everyone may refer to.
    let public = hub.repo(&ada, "public", Visibility::Public).await;
    hub.writer(&ada, &public).await.upload(&second).await;
    bobs.upload_shard(&second.shard()).await.expect(400);
    hub.commit(&ada, &public, "f.bin", second.sha256).await.unwrap();
    bobs.upload_shard(&second.shard()).await.expect(200);
    assert_eq!(bobs.download(&second.hash, None).await, second.bytes);
    // But a public xorb is no way to claim all of it unseen.
    let answer = bobs.upload_xorb(&second.xorbs[0].0, b"nonsense").await.expect(400);
    assert!(answer.json()["error"].is_string());
}

async fn signed_addresses(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::new(crate::rig::noise(5, 400_000), 100);
    up.upload(&made).await;
    let index = &made.xorbs[0].2;
    let frames = index.frame_range(3..6);
    let raw = index.raw_range(3..6);
    let plan =
        up.reconstruct(&made.hash, Some(&format!("bytes={}-{}", raw.start, raw.end - 1))).await.expect(200).json();
    let fetch = &plan["xorbs"][made.xorbs[0].0.to_string()][0];
    let url = fetch["url"].as_str().unwrap();
    let (start, end) = (u64::from(frames.start), u64::from(frames.end));
    assert_eq!(fetch["ranges"][0]["bytes"], serde_json::json!({"start": start, "end": end - 1}));
    let body = &made.xorbs[0].1;

    let whole = hub.fetch(url, Some(&format!("bytes={start}-{}", end - 1))).await.expect(206);
    assert_eq!(whole.body, body[start as usize..end as usize]);
    assert_eq!(whole.header("content-range"), format!("bytes {start}-{}/{}", end - 1, body.len()));
    assert_eq!(whole.header("content-length"), (end - start).to_string());
    let part = hub.fetch(url, Some(&format!("bytes={}-{}", start + 7, start + 9))).await.expect(206);
    assert_eq!(part.body, body[start as usize + 7..start as usize + 10]);
    for outside in [
        format!("bytes={}-{}", start - 1, end - 1),
        format!("bytes={start}-{end}"),
        format!("bytes={end}-{}", end + 5),
        "bytes=0-0".to_owned(),
        "bytes=0-".to_owned(),
        "bytes=-1".to_owned(),
        format!("bytes={start}-{},0-1", end - 1),
    ] {
        hub.fetch(url, Some(&outside)).await.expect(403);
    }
    hub.fetch(url, None).await.expect(403);
    hub.fetch(url, Some("bytes=9-1")).await.expect(400);

    // Several ranges come framed.
    let (a, b) = ((start, start + 10), (start + 100, end - 1));
    let multi = hub.fetch(url, Some(&format!("bytes={}-{}, {}-{}", a.0, a.1, b.0, b.1))).await.expect(206);
    let kind = multi.header("content-type").to_owned();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut want = Vec::new();
    for (first, last) in [a, b] {
        want.extend_from_slice(
            format!("--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {first}-{last}/{}\r\n\r\n", body.len())
                .as_bytes(),
        );
        want.extend_from_slice(&body[first as usize..=last as usize]);
        want.extend_from_slice(b"\r\n");
    }
    want.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    assert!(multi.body == want);
    assert_eq!(multi.header("content-length"), want.len().to_string());
    assert_eq!(multi.header("content-range"), "");

    // Another xorb, another store, no grant, a changed grant, too late.
    let range = format!("bytes={start}-{}", end - 1);
    let swapped = url.replace(&made.xorbs[0].0.to_string(), &haina_types::XetHash([1; 32]).to_string());
    hub.fetch(&swapped, Some(&range)).await.expect(403);
    hub.fetch(url.split('?').next().unwrap(), Some(&range)).await.expect(403);
    hub.fetch(&url.replace("grant=", "grant=A"), Some(&range)).await.expect(403);
    hub.fetch(&format!("{URL}/xet/other-1/fetch/{}?grant=x", made.xorbs[0].0), Some(&range)).await.expect(404);
    hub.wait(3590);
    hub.fetch(url, Some(&range)).await.expect(206);
    hub.wait(20);
    hub.fetch(url, Some(&range)).await.expect(403);
    // All of a xorb may be asked for without a range by whoever may have all of it.
    let up = hub.writer(&ada, &path).await;
    let plan = up.reconstruct(&made.hash, None).await.expect(200).json();
    let fetches = plan["xorbs"][made.xorbs[0].0.to_string()].as_array().unwrap();
    if let [one] = fetches.as_slice() {
        let all = hub.fetch(one["url"].as_str().unwrap(), None).await.expect(200);
        assert!(all.body == *body);
    }
}

async fn a_deleted_repository_takes_nothing_and_gives_nothing(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let up = hub.writer(&ada, &path).await;
    let made = Made::noise(6, 50_000);
    up.upload(&made).await;
    hub.commit(&ada, &path, "f.bin", made.sha256).await.unwrap();
    let admin = hub.app.administer(&ada, RepoKind::Model, &path).await.unwrap();
    hub.app.delete_repo(&admin).await.unwrap();
    up.reconstruct(&made.hash, None).await.expect(404);
    let answer = up.upload_shard(&made.shard()).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
}

async fn uploads_without_a_commit_end(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let (kept, lost) = (Made::noise(7, 50_000), Made::noise(8, 50_000));
    let up = hub.writer(&ada, &path).await;
    up.upload(&kept).await;
    up.upload(&lost).await;
    hub.commit(&ada, &path, "f.bin", kept.sha256).await.unwrap();
    hub.wait(7 * 86_400 + 1);
    assert_eq!(hub.app.expire_uploads().await.unwrap(), 1);
    let down = hub.reader(&ada, &path).await;
    down.reconstruct(&kept.hash, None).await.expect(200);
    down.reconstruct(&lost.hash, None).await.expect(404);
    assert!(hub.commit(&ada, &path, "g.bin", lost.sha256).await.is_err());
    // The bytes are still there: saying it again is enough.
    hub.writer(&ada, &path).await.upload_shard(&lost.shard()).await.expect(200);
    hub.commit(&ada, &path, "g.bin", lost.sha256).await.unwrap();
}
