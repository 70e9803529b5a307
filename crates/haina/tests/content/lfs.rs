//! Git LFS: batch, signed addresses, parts, locks, on both databases.

use axum::body::Body;
use haina_app::Caller;
use haina_types::{RepoPath, TokenRole, Visibility};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::rig::{Answer, Hub, Made, URL, noise, sha256};

on_both!(
    whole_objects,
    objects_in_parts,
    parts_end_after_a_day,
    one_content_by_every_door,
    what_is_refused_leaves_nothing,
    rights_are_looked_at_again,
    locks,
);

/// Bytes of a part.
const PART: usize = haina_app::lfs::PART_BYTES as usize;

struct Person {
    caller: Caller,
    token: String,
}

async fn person(hub: &Hub, name: &str) -> Person {
    let caller = hub.user(name).await;
    let token = hub.app.add_token(&name.parse().unwrap(), "lfs", TokenRole::Write).await.unwrap().secret;
    Person { caller, token }
}

async fn call(hub: &Hub, method: Method, url: &str, token: Option<&str>, body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri(url.strip_prefix(URL).unwrap_or(url));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    hub.send(request.body(body.into()).unwrap()).await
}

async fn post(hub: &Hub, url: &str, who: &Person, body: Value) -> Answer {
    call(hub, Method::POST, url, Some(&who.token), body.to_string()).await
}

async fn put(hub: &Hub, url: &str, body: impl Into<Body>) -> Answer {
    call(hub, Method::PUT, url, None, body).await
}

/// What a batch is told of one object.
async fn batch(hub: &Hub, who: &Person, path: &RepoPath, operation: &str, data: &[u8]) -> Value {
    let body = json!({"operation": operation, "transfers": ["basic", "multipart"],
        "objects": [{"oid": sha256(data), "size": data.len()}]});
    let answer = post(hub, &format!("/{path}.git/info/lfs/objects/batch"), who, body).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/vnd.git-lfs+json");
    answer.json()["objects"][0].clone()
}

fn href<'a>(told: &'a Value, action: &str) -> &'a str {
    told["actions"][action]["href"].as_str().unwrap_or_else(|| panic!("no {action} in {told}"))
}

/// A part's address.
fn part(told: &Value, number: usize) -> &str {
    told["actions"]["upload"]["header"][format!("{number:05}")].as_str().unwrap()
}

async fn complete(hub: &Hub, told: &Value, data: &[u8], etags: &[&str]) -> Answer {
    let parts: Vec<Value> = (1..).zip(etags).map(|(n, etag)| json!({"partNumber": n, "etag": etag})).collect();
    let body = json!({"oid": sha256(data), "parts": parts});
    call(hub, Method::POST, href(told, "upload"), None, body.to_string()).await
}

async fn get(hub: &Hub, who: &Person, path: &RepoPath, data: &[u8]) -> Vec<u8> {
    let told = batch(hub, who, path, "download", data).await;
    hub.fetch(href(&told, "download"), None).await.expect(200).body.to_vec()
}

async fn whole_objects(hub: Hub) {
    let ada = person(&hub, "ada").await;
    let path = hub.repo(&ada.caller, "m", Visibility::Private).await;
    let data = noise(1, 3_000_000);
    let told = batch(&hub, &ada, &path, "upload", &data).await;
    let verify = json!({"oid": sha256(&data), "size": data.len()}).to_string();
    call(&hub, Method::POST, href(&told, "verify"), None, verify.clone()).await.expect(404);
    put(&hub, href(&told, "upload"), data.clone()).await.expect(200);
    call(&hub, Method::POST, href(&told, "verify"), None, verify).await.expect(200);
    // Sent again, it does no harm.
    put(&hub, href(&told, "upload"), data.clone()).await.expect(200);
    assert!(batch(&hub, &ada, &path, "upload", &data).await.get("actions").is_none());
    hub.commit(&ada.caller, &path, "f.bin", sha256(&data)).await.unwrap();
    assert!(get(&hub, &ada, &path, &data).await == data);
    let told = batch(&hub, &ada, &path, "download", &data).await;
    let some = hub.fetch(href(&told, "download"), Some("bytes=1000000-1999999")).await.expect(206);
    assert!(some.body == data[1_000_000..2_000_000]);
    // An address has its time.
    hub.wait(haina_app::lfs::ADDRESS_SECONDS - 1);
    hub.fetch(href(&told, "download"), None).await.expect(200);
    hub.wait(2);
    let late = hub.fetch(href(&told, "download"), None).await.expect(403);
    assert!(late.json()["message"].as_str().unwrap().contains("expired"), "{}", late.text());
    hub.no_rest();
}

async fn objects_in_parts(hub: Hub) {
    let ada = person(&hub, "ada").await;
    let path = hub.repo(&ada.caller, "m", Visibility::Private).await;
    let data = noise(2, PART + 100_000);
    let told = batch(&hub, &ada, &path, "upload", &data).await;
    let etag = async |n: usize, bytes: &[u8]| {
        put(&hub, part(&told, n), bytes.to_vec()).await.expect(200).header("etag").to_owned()
    };
    let second = etag(2, &data[PART..]).await;
    complete(&hub, &told, &data, &["\"x\"", &second]).await.expect(400);
    let wrong = etag(1, &vec![0; PART]).await;
    // The whole is not what its id says: nothing of it is kept, and the right parts are taken afterwards.
    complete(&hub, &told, &data, &[&wrong, &second]).await.expect(400);
    assert_eq!(hub.objects("lfs"), [""; 0].map(std::path::PathBuf::from));
    let first = etag(1, &data[..PART]).await;
    let second = etag(2, &data[PART..]).await;
    let again = etag(2, &data[PART..]).await;
    assert_eq!(second, again);
    assert_eq!(hub.objects("lfs").len(), 2);
    // Two completions at once: both are told that it is there.
    let etags = [first.as_str(), second.as_str()];
    let (one, two) = futures_util::join!(complete(&hub, &told, &data, &etags), complete(&hub, &told, &data, &etags));
    one.expect(200);
    two.expect(200);
    assert_eq!(hub.objects("lfs").len(), 0);
    assert!(get(&hub, &ada, &path, &data).await == data);
    // Another person's parts are their own.
    let root = person(&hub, "eve").await;
    let other = hub.repo(&root.caller, "m", Visibility::Private).await;
    let theirs = batch(&hub, &root, &other, "upload", &data).await;
    complete(&hub, &theirs, &data, &etags).await.expect(400);
    hub.no_rest();
}

async fn parts_end_after_a_day(hub: Hub) {
    let ada = person(&hub, "ada").await;
    let path = hub.repo(&ada.caller, "m", Visibility::Private).await;
    let data = noise(3, PART + 10);
    let told = batch(&hub, &ada, &path, "upload", &data).await;
    put(&hub, part(&told, 2), data[PART..].to_vec()).await.expect(200);
    hub.wait(haina_app::lfs::ADDRESS_SECONDS - 1);
    hub.app.expire_lfs_parts().await.unwrap();
    assert_eq!(hub.objects("lfs").len(), 1);
    hub.wait(2);
    hub.app.expire_lfs_parts().await.unwrap();
    assert_eq!(hub.objects("lfs").len(), 0);
    put(&hub, part(&told, 2), data[PART..].to_vec()).await.expect(403);
    // Rows can go without their objects, with the repository: age alone finds these.
    let told = batch(&hub, &ada, &path, "upload", &data).await;
    put(&hub, part(&told, 2), data[PART..].to_vec()).await.expect(200);
    let admin = hub.app.administer(&ada.caller, haina_types::RepoKind::Model, &path).await.unwrap();
    hub.app.delete_repo(&admin).await.unwrap();
    assert_eq!(hub.objects("lfs").len(), 1);
    hub.wait(i64::from(u32::MAX));
    hub.app.expire_lfs_parts().await.unwrap();
    assert_eq!(hub.objects("lfs").len(), 0);
}

async fn one_content_by_every_door(hub: Hub) {
    let ada = person(&hub, "ada").await;
    let path = hub.repo(&ada.caller, "m", Visibility::Private).await;
    // In by LFS, out by Xet.
    let data = noise(4, 500_000);
    put(&hub, href(&batch(&hub, &ada, &path, "upload", &data).await, "upload"), data.clone()).await.expect(200);
    let id = hub.write(&ada.caller, &path).await.repo().id;
    let db = haina_db::Db::open(&hub.options.database).await.unwrap();
    let stored = {
        let mut s = db.read().await.unwrap();
        haina_app::content::find_stored(&mut s, id, &sha256(&data)).await.unwrap().unwrap()
    };
    assert_eq!(stored.state, haina_app::content::ShaState::Verified);
    assert!(hub.reader(&ada.caller, &path).await.download(&stored.file, None).await == data);
    // In by Xet, out by LFS.
    let made = Made::noise(5, 500_000);
    hub.writer(&ada.caller, &path).await.upload(&made).await;
    assert!(batch(&hub, &ada, &path, "upload", &made.bytes).await.get("actions").is_none());
    assert!(get(&hub, &ada, &path, &made.bytes).await == made.bytes);
    // Not what it was said to be: no longer served, and it may be sent again.
    let liar = Made::noise(6, 100_000);
    let honest = noise(7, 100_000);
    let up = hub.writer(&ada.caller, &path).await;
    for (hash, body, _) in &liar.xorbs {
        up.upload_xorb(hash, body).await.expect(200);
    }
    up.upload_shard(&liar.shard_claiming(Some(sha256(&honest)))).await.expect(200);
    hub.app.verify_claim(&liar.hash).await.unwrap();
    assert_eq!(batch(&hub, &ada, &path, "download", &honest).await["error"]["code"], 404);
    put(&hub, href(&batch(&hub, &ada, &path, "upload", &honest).await, "upload"), honest.clone()).await.expect(200);
    assert!(get(&hub, &ada, &path, &honest).await == honest);
}

async fn what_is_refused_leaves_nothing(hub: Hub) {
    let ada = person(&hub, "ada").await;
    let path = hub.repo(&ada.caller, "m", Visibility::Private).await;
    let data = noise(8, 200_000);
    let told = batch(&hub, &ada, &path, "upload", &data).await;
    let put_url = href(&told, "upload");
    for wrong in [noise(9, 200_000), data[..199_999].to_vec(), [&data[..], b"x"].concat(), vec![]] {
        put(&hub, put_url, wrong).await.expect(400);
    }
    let broken = futures_util::stream::iter([
        Ok(bytes::Bytes::copy_from_slice(&data[..100])),
        Err(std::io::Error::other("gone")),
    ]);
    put(&hub, put_url, Body::from_stream(broken)).await.expect(400);
    let grant = put_url.split_once("grant=").unwrap().1;
    let verify = href(&told, "verify").split_once("grant=").unwrap().1.to_owned();
    let mut flipped = grant.as_bytes().to_vec();
    for at in (0..flipped.len()).step_by(5) {
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        let bad = String::from_utf8(flipped.clone()).unwrap();
        put(&hub, &put_url.replace(grant, &bad), data.clone()).await.expect(403);
        flipped[at] = grant.as_bytes()[at];
    }
    put(&hub, &put_url.replace(grant, &verify), data.clone()).await.expect(403);
    put(&hub, &put_url.replace(grant, ""), data.clone()).await.expect(403);
    let other = sha256(b"other").to_string();
    put(&hub, &put_url.replace(&sha256(&data).to_string(), &other), data.clone()).await.expect(403);
    assert!(batch(&hub, &ada, &path, "upload", &data).await.get("actions").is_some());
    assert_eq!(batch(&hub, &ada, &path, "download", &data).await["error"]["code"], 404);
    assert!(hub.commit(&ada.caller, &path, "f.bin", sha256(&data)).await.is_err());
    hub.no_rest();
}

async fn rights_are_looked_at_again(hub: Hub) {
    let (ada, bob) = (person(&hub, "ada").await, person(&hub, "bob").await);
    let path = hub.repo(&ada.caller, "m", Visibility::Private).await;
    let data = noise(10, 1000);
    let door = format!("/{path}.git/info/lfs/objects/batch");
    let body = json!({"operation": "download", "objects": [{"oid": sha256(&data), "size": 1000}]});
    // A stranger is told nothing, nobody is asked who they are.
    post(&hub, &door, &bob, body.clone()).await.expect(404);
    let asked = call(&hub, Method::POST, &door, None, body.to_string()).await.expect(401);
    assert_eq!(asked.header("www-authenticate"), "Basic realm=\"Haina\"");
    assert_eq!(asked.header("lfs-authenticate"), "Basic realm=\"Haina\"");
    let told = batch(&hub, &ada, &path, "upload", &data).await;
    put(&hub, href(&told, "upload"), data.clone()).await.expect(200);
    let down = batch(&hub, &ada, &path, "download", &data).await;
    let admin = hub.app.administer(&ada.caller, haina_types::RepoKind::Model, &path).await.unwrap();
    hub.app.delete_repo(&admin).await.unwrap();
    for answer in [put(&hub, href(&told, "upload"), data).await, hub.fetch(href(&down, "download"), None).await] {
        // The signature names a repository that is gone.
        answer.expect(401);
    }
}

async fn locks(hub: Hub) {
    let ada = person(&hub, "ada").await;
    let eve = person(&hub, "eve").await;
    let path = hub.repo(&ada.caller, "m", Visibility::Public).await;
    let door = format!("/{path}.git/info/lfs/locks");
    let mut ids = Vec::new();
    for n in 0..5 {
        let made = post(&hub, &door, &ada, json!({"path": format!("f{n}.bin")})).await.expect(201).json();
        ids.push(made["lock"]["id"].as_str().unwrap().to_owned());
        assert_eq!(made["lock"]["owner"]["name"], "ada");
    }
    let taken = post(&hub, &door, &ada, json!({"path": "f0.bin"})).await.expect(409).json();
    assert_eq!(taken["lock"]["id"], ids[0].as_str());
    post(&hub, &door, &eve, json!({"path": "g.bin"})).await.expect(403);
    // Pages.
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let url = format!("{door}?limit=2&cursor={cursor}");
        let page = call(&hub, Method::GET, &url, Some(&eve.token), Body::empty()).await.expect(200).json();
        let locks = page["locks"].as_array().unwrap();
        seen.extend(locks.iter().map(|l| l["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let mine = post(&hub, &format!("{door}/verify"), &ada, json!({})).await.expect(200).json();
    assert_eq!((mine["ours"].as_array().unwrap().len(), mine["theirs"].as_array().unwrap().len()), (5, 0));
    post(&hub, &format!("{door}/{}/unlock", ids[0]), &eve, json!({"force": true})).await.expect(403);
    post(&hub, &format!("{door}/{}/unlock", ids[0]), &ada, json!({"force": false})).await.expect(200);
    post(&hub, &format!("{door}/{}/unlock", ids[0]), &ada, json!({})).await.expect(404);
    post(&hub, &door, &ada, json!({"path": "f0.bin"})).await.expect(201);
}
