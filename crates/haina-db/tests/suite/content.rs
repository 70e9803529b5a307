//! Large content: who holds what, what claims become, where chunks are found.

use haina_db::content::{self, NewFile, NewXorb, PUBLIC, ShaState};
use haina_db::{Error, Session};
use haina_types::{Sha256, Timestamp, XetHash};

use crate::rig::{Hub, NOW};

on_both!(
    xorbs_and_domains,
    a_lost_object_is_replaced,
    files_belong_to_repositories,
    uploads_expire_unless_committed,
    claims_become_facts,
    a_committed_digest_keeps_its_file,
    digests_of_files_that_were_streamed_before,
    chunks_are_found_where_they_may_be,
    publishing_tells_only_public_chunks,
    keeping_what_is_gone_is_no_error,
    lending_between_repositories,
    deleting_a_repository_takes_its_edges,
    many_at_once,
    pages_for_fsck,
    two_uploads_of_one_xorb,
);

fn hash(n: u8) -> XetHash {
    XetHash([n; 32])
}

fn sha(n: u8) -> Sha256 {
    Sha256([n; 32])
}

const LATER: Timestamp = Timestamp(NOW.0 + 7 * 86_400_000);

fn xorb(n: u8, index: &[u8]) -> NewXorb<'_> {
    NewXorb {
        hash: hash(n),
        chunks: 10,
        raw_bytes: 1000,
        index,
        layout: 0,
        generation: 1_800_000_000_000,
        bytes: 1100,
        checksums: &[1, 2, 3, 4],
    }
}

async fn add_xorb(s: &mut Session, n: u8, domain: i64) -> bool {
    content::insert_xorb(s, &xorb(n, &[n; 40]), domain, NOW).await.unwrap()
}

async fn add_file(s: &mut Session, repo: i64, n: u8, xorbs: &[u8], claimed: Option<Sha256>) -> Option<ShaState> {
    let xorbs: Vec<XetHash> = xorbs.iter().map(|n| hash(*n)).collect();
    let new =
        NewFile { hash: hash(n), bytes: u64::from(n) * 10, verified: None, claimed, terms: &[n; 20], xorbs: &xorbs };
    content::register_file(s, repo, &new, NOW, LATER).await.unwrap()
}

async fn xorbs_and_domains(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    assert!(!content::touch_xorb(&mut tx, &hash(1), 7, NOW).await.unwrap());
    assert!(add_xorb(&mut tx, 1, 7).await);
    assert!(!add_xorb(&mut tx, 1, 8).await, "the second is told that it is the second");
    assert!(add_xorb(&mut tx, 2, 8).await);
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    let found = content::find_xorb(&mut s, &hash(1)).await.unwrap().unwrap();
    assert_eq!((found.hash, found.index, found.layout), (hash(1), vec![1; 40], 0));
    assert_eq!((found.generation, found.bytes, found.checksums), (1_800_000_000_000, 1100, vec![1, 2, 3, 4]));
    assert_eq!(content::find_xorb(&mut s, &hash(3)).await.unwrap(), None);
    for (n, domain, want) in [(1, 7, true), (1, 8, true), (2, 7, false), (2, 8, true), (2, PUBLIC, false)] {
        assert_eq!(content::has_xorb(&mut s, &hash(n), domain).await.unwrap(), want, "{n} in {domain}");
    }
    let visible = content::list_visible_xorbs(&mut s, &[hash(1), hash(2), hash(3)], 7).await.unwrap();
    assert_eq!(visible.into_iter().collect::<Vec<_>>(), [hash(1)]);
    assert!(content::list_visible_xorbs(&mut s, &[], 7).await.unwrap().is_empty());
    drop(s);

    let mut tx = hub.db.begin().await.unwrap();
    assert!(content::touch_xorb(&mut tx, &hash(1), 9, LATER).await.unwrap());
    assert!(content::has_xorb(&mut tx, &hash(1), 9).await.unwrap());
    let missing = content::touch_xorbs(&mut tx, &[hash(1), hash(9), hash(2)], NOW).await.unwrap();
    assert_eq!(missing, [hash(9)]);
    assert!(content::touch_xorbs(&mut tx, &[], NOW).await.unwrap().is_empty());
}

async fn a_lost_object_is_replaced(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, 7).await;
    let index = [9; 40];
    let other = NewXorb { generation: 5, bytes: 900, checksums: &[7, 7, 7, 7], ..xorb(1, &index) };
    content::replace_object(&mut tx, &other, LATER).await.unwrap();
    let found = content::find_xorb(&mut tx, &hash(1)).await.unwrap().unwrap();
    assert_eq!((found.generation, found.bytes, found.checksums), (5, 900, vec![7; 4]));
    assert_eq!(found.index, index, "frames may lie otherwise in the new object");
    assert!(content::is_object_known(&mut tx, &hash(1), 5).await.unwrap());
    assert!(!content::is_object_known(&mut tx, &hash(1), 1_800_000_000_000).await.unwrap());
}

async fn files_belong_to_repositories(hub: Hub) {
    let ada = hub.user("ada").await;
    let (one, two) = (hub.repo(ada, "one").await, hub.repo(ada, "two").await);
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    add_xorb(&mut tx, 2, ada).await;
    assert_eq!(add_file(&mut tx, one, 10, &[1, 2], Some(sha(1))).await, Some(ShaState::Claimed));
    // Repeated, as clients do.
    assert_eq!(add_file(&mut tx, one, 10, &[1, 2], Some(sha(1))).await, Some(ShaState::Claimed));
    assert_eq!(add_file(&mut tx, one, 11, &[2], None).await, None);
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    let file = content::find_repo_file(&mut s, one, &hash(10)).await.unwrap().unwrap();
    assert_eq!((file.bytes, file.sha256, &file.terms), (100, None, &vec![10; 20]));
    assert_eq!(content::find_file(&mut s, &hash(10)).await.unwrap(), Some(file));
    assert_eq!(content::find_repo_file(&mut s, two, &hash(10)).await.unwrap(), None, "another repository's");
    assert!(content::has_repo_file(&mut s, one, &hash(10)).await.unwrap());
    assert!(!content::has_repo_file(&mut s, two, &hash(10)).await.unwrap());
    let stored = content::find_stored(&mut s, one, &sha(1)).await.unwrap().unwrap();
    assert_eq!((stored.sha256, stored.file, stored.bytes, stored.state), (sha(1), hash(10), 100, ShaState::Claimed));
    assert_eq!(content::find_stored(&mut s, two, &sha(1)).await.unwrap(), None);
    assert_eq!(content::list_stored(&mut s, one, &[sha(1), sha(2)]).await.unwrap(), [stored]);
    assert!(content::list_stored(&mut s, one, &[]).await.unwrap().is_empty());
    let mut edges = content::list_xorbs_of_file(&mut s, &hash(10)).await.unwrap();
    edges.sort();
    assert_eq!(edges, [hash(1), hash(2)]);
    assert_eq!(content::list_files_using(&mut s, &hash(2), 9).await.unwrap(), [hash(10), hash(11)]);
    assert_eq!(content::list_files_using(&mut s, &hash(2), 1).await.unwrap(), [hash(10)]);
    assert_eq!(content::list_repos_of_file(&mut s, &hash(10), 9).await.unwrap(), [one]);
    let files = content::list_files(&mut s, &[hash(10), hash(11), hash(12)]).await.unwrap();
    assert_eq!(files.len(), 2);
    drop(s);

    // A file of a xorb that is not stored, or of a repository that is gone, is refused by the tables themselves.
    let mut tx = hub.db.begin().await.unwrap();
    let new = NewFile { hash: hash(20), bytes: 1, verified: None, claimed: None, terms: &[], xorbs: &[hash(99)] };
    assert!(matches!(content::register_file(&mut tx, one, &new, NOW, LATER).await, Err(Error::Dangling(_))));
    drop(tx);
    let mut tx = hub.db.begin().await.unwrap();
    let new = NewFile { xorbs: &[], ..new };
    let outcome = content::register_file(&mut tx, 4711, &new, NOW, LATER).await;
    assert!(matches!(outcome, Err(Error::Dangling(_))), "{outcome:?}");
}

async fn uploads_expire_unless_committed(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    for n in 10..15 {
        add_file(&mut tx, repo, n, &[1], Some(sha(n))).await;
    }
    assert!(content::commit_files(&mut tx, repo, &[hash(10), hash(12)]).await.unwrap());
    assert!(content::commit_files(&mut tx, repo, &[hash(10)]).await.unwrap(), "again");
    assert!(content::commit_files(&mut tx, repo, &[]).await.unwrap());
    assert!(!content::commit_files(&mut tx, repo, &[hash(10), hash(99)]).await.unwrap());
    // An upload of what is committed already does not lend it for a while only.
    add_file(&mut tx, repo, 12, &[1], Some(sha(12))).await;
    tx.commit().await.unwrap();

    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(content::expire_uploads(&mut tx, LATER, 10).await.unwrap(), 0, "not yet");
    let after = Timestamp(LATER.0 + 1);
    assert_eq!(content::expire_uploads(&mut tx, after, 2).await.unwrap(), 2);
    assert_eq!(content::expire_uploads(&mut tx, after, 2).await.unwrap(), 1);
    assert_eq!(content::expire_uploads(&mut tx, after, 2).await.unwrap(), 0);
    for n in 10..15 {
        let kept = n == 10 || n == 12;
        assert_eq!(content::has_repo_file(&mut tx, repo, &hash(n)).await.unwrap(), kept, "{n}");
        assert_eq!(content::find_stored(&mut tx, repo, &sha(n)).await.unwrap().is_some(), kept, "{n}");
    }
    assert!(!content::commit_files(&mut tx, repo, &[hash(11)]).await.unwrap(), "too late");
    let committed = content::list_committed_files(&mut tx, repo, &XetHash::ZERO, 1).await.unwrap();
    assert_eq!(committed, [hash(10)]);
    let committed = content::list_committed_files(&mut tx, repo, &hash(10), 9).await.unwrap();
    assert_eq!(committed, [hash(12)]);
}

async fn claims_become_facts(hub: Hub) {
    let ada = hub.user("ada").await;
    let (one, two) = (hub.repo(ada, "one").await, hub.repo(ada, "two").await);
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    add_file(&mut tx, one, 10, &[1], Some(sha(1))).await;
    add_file(&mut tx, two, 10, &[1], Some(sha(2))).await;
    assert!(content::has_claims(&mut tx, &hash(10)).await.unwrap());
    let refuted = content::settle_claims(&mut tx, &hash(10), &sha(1)).await.unwrap();
    assert_eq!(refuted, [(two, sha(2))]);
    assert!(!content::has_claims(&mut tx, &hash(10)).await.unwrap());
    assert!(content::settle_claims(&mut tx, &hash(10), &sha(1)).await.unwrap().is_empty(), "again");
    let state = async |s: &mut Session, repo, n| content::find_stored(s, repo, &sha(n)).await.unwrap().map(|s| s.state);
    assert_eq!(state(&mut tx, one, 1).await, Some(ShaState::Verified));
    assert_eq!(state(&mut tx, two, 2).await, Some(ShaState::Refuted));
    assert_eq!(content::find_file(&mut tx, &hash(10)).await.unwrap().unwrap().sha256, Some(sha(1)));
    // The right content under the refuted digest takes its place.
    assert_eq!(add_file(&mut tx, two, 11, &[1], Some(sha(2))).await, Some(ShaState::Claimed));
    assert_eq!(content::find_stored(&mut tx, two, &sha(2)).await.unwrap().unwrap().file, hash(11));
}

async fn a_committed_digest_keeps_its_file(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    let file = async |s: &mut Session| content::find_stored(s, repo, &sha(1)).await.unwrap().unwrap().file;
    add_file(&mut tx, repo, 10, &[1], Some(sha(1))).await;
    // Uncommitted claims follow the latest upload.
    add_file(&mut tx, repo, 11, &[1], Some(sha(1))).await;
    assert_eq!(file(&mut tx).await, hash(11));
    assert!(content::commit_files(&mut tx, repo, &[hash(11)]).await.unwrap());
    // What a commit names does not change under it …
    add_file(&mut tx, repo, 12, &[1], Some(sha(1))).await;
    assert_eq!(file(&mut tx).await, hash(11));
    // … except for content that the server itself has hashed.
    let verified =
        NewFile { hash: hash(13), bytes: 5, verified: Some(sha(1)), claimed: None, terms: &[], xorbs: &[hash(1)] };
    let state = content::register_file(&mut tx, repo, &verified, NOW, LATER).await.unwrap();
    assert_eq!((state, file(&mut tx).await), (Some(ShaState::Verified), hash(13)));
    add_file(&mut tx, repo, 12, &[1], Some(sha(1))).await;
    assert_eq!(file(&mut tx).await, hash(13), "a claim does not replace a fact");
}

async fn digests_of_files_that_were_streamed_before(hub: Hub) {
    let ada = hub.user("ada").await;
    let (one, two) = (hub.repo(ada, "one").await, hub.repo(ada, "two").await);
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    add_file(&mut tx, one, 10, &[1], Some(sha(1))).await;
    content::settle_claims(&mut tx, &hash(10), &sha(1)).await.unwrap();
    assert_eq!(add_file(&mut tx, two, 10, &[1], Some(sha(1))).await, Some(ShaState::Verified));
    assert_eq!(add_file(&mut tx, two, 10, &[1], Some(sha(2))).await, Some(ShaState::Refuted));
    assert_eq!(content::find_stored(&mut tx, two, &sha(2)).await.unwrap(), None, "a known lie is not even noted");
    assert!(!content::has_claims(&mut tx, &hash(10)).await.unwrap());
    // A claim that was never checked, then the same file through a door that hashes.
    add_file(&mut tx, one, 11, &[1], Some(sha(5))).await;
    let verified =
        NewFile { hash: hash(11), bytes: 110, verified: Some(sha(5)), claimed: None, terms: &[], xorbs: &[hash(1)] };
    content::register_file(&mut tx, one, &verified, NOW, LATER).await.unwrap();
    assert_eq!(content::find_stored(&mut tx, one, &sha(5)).await.unwrap().unwrap().state, ShaState::Verified);
    assert_eq!(content::find_file(&mut tx, &hash(11)).await.unwrap().unwrap().sha256, Some(sha(5)));
}

async fn chunks_are_found_where_they_may_be(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, 7).await;
    add_xorb(&mut tx, 2, 8).await;
    content::insert_eligible(&mut tx, 7, &[(hash(50), hash(1), 3), (hash(51), hash(1), 4)]).await.unwrap();
    content::insert_eligible(&mut tx, 8, &[(hash(50), hash(2), 0)]).await.unwrap();
    // The first place stays.
    add_xorb(&mut tx, 3, 7).await;
    content::insert_eligible(&mut tx, 7, &[(hash(50), hash(3), 9)]).await.unwrap();
    let find = async |s: &mut Session, domain, n| {
        content::find_eligible(s, domain, &hash(n)).await.unwrap().map(|hit| (hit.xorb, hit.own))
    };
    assert_eq!(find(&mut tx, 7, 50).await, Some((hash(1), true)));
    assert_eq!(find(&mut tx, 8, 50).await, Some((hash(2), true)));
    assert_eq!(find(&mut tx, 8, 51).await, None, "another namespace's");
    assert_eq!(find(&mut tx, 9, 50).await, None);
    assert_eq!(find(&mut tx, 7, 52).await, None);
}

async fn publishing_tells_only_public_chunks(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, 7).await;
    let chunks = [(hash(50), hash(1), 0), (hash(51), hash(1), 5), (hash(52), hash(1), 6)];
    content::insert_eligible(&mut tx, 7, &chunks).await.unwrap();
    content::publish_chunks(&mut tx, &[]).await.unwrap();
    content::publish_chunks(&mut tx, &[(hash(1), 0..3), (hash(1), 2..6)]).await.unwrap();
    content::publish_chunks(&mut tx, &[(hash(1), 0..3)]).await.unwrap();
    let find = async |s: &mut Session, domain, n| {
        content::find_eligible(s, domain, &hash(n)).await.unwrap().map(|hit| (hit.xorb, hit.own))
    };
    assert_eq!(find(&mut tx, 8, 50).await, Some((hash(1), false)));
    assert_eq!(find(&mut tx, 8, 51).await, Some((hash(1), false)));
    assert_eq!(find(&mut tx, 8, 52).await, None, "after the public run");
    assert_eq!(find(&mut tx, 7, 50).await, Some((hash(1), true)));
    let mut runs = content::list_public_chunks(&mut tx, &hash(1)).await.unwrap();
    runs.sort_by_key(|r| r.start);
    assert_eq!(runs, [0..3, 2..6]);
    assert!(content::list_public_chunks(&mut tx, &hash(2)).await.unwrap().is_empty());
    assert!(content::list_visible_xorbs(&mut tx, &[hash(1)], 8).await.unwrap().contains(&hash(1)));
    assert!(!content::has_xorb(&mut tx, &hash(1), 8).await.unwrap(), "not all of it is theirs");
}

async fn keeping_what_is_gone_is_no_error(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, 7).await;
    content::keep_xorbs(&mut tx, &[(hash(1), LATER), (hash(9), LATER)]).await.unwrap();
    content::keep_xorbs(&mut tx, &[(hash(1), NOW)]).await.unwrap();
    content::keep_xorbs(&mut tx, &[]).await.unwrap();
}

async fn lending_between_repositories(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let (from, to) = (hub.repo(ada, "one").await, hub.repo(bob, "two").await);
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    add_file(&mut tx, from, 10, &[1], Some(sha(1))).await;
    let stored = content::find_stored(&mut tx, from, &sha(1)).await.unwrap().unwrap();
    content::lend_file(&mut tx, to, &stored, NOW, LATER).await.unwrap();
    assert_eq!(content::find_stored(&mut tx, to, &sha(1)).await.unwrap(), Some(stored));
    assert_eq!(content::settle_claims(&mut tx, &hash(10), &sha(2)).await.unwrap().len(), 2, "refuted in both");
}

async fn deleting_a_repository_takes_its_edges(hub: Hub) {
    let ada = hub.user("ada").await;
    let (one, two) = (hub.repo(ada, "one").await, hub.repo(ada, "two").await);
    let mut tx = hub.db.begin().await.unwrap();
    add_xorb(&mut tx, 1, ada).await;
    for repo in [one, two] {
        add_file(&mut tx, repo, 10, &[1], Some(sha(1))).await;
        assert!(content::commit_files(&mut tx, repo, &[hash(10)]).await.unwrap());
    }
    content::forget_repo(&mut tx, one).await.unwrap();
    assert!(!content::has_repo_file(&mut tx, one, &hash(10)).await.unwrap());
    assert_eq!(content::find_stored(&mut tx, one, &sha(1)).await.unwrap(), None);
    assert!(content::has_repo_file(&mut tx, two, &hash(10)).await.unwrap());
    assert!(haina_db::repos::delete_repo(&mut tx, two).await.unwrap());
    assert!(!content::has_repo_file(&mut tx, two, &hash(10)).await.unwrap(), "the tables see to it");
    assert!(content::find_file(&mut tx, &hash(10)).await.unwrap().is_some(), "bytes stay until they are collected");
}

async fn many_at_once(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let wide = |n: u16| XetHash(std::array::from_fn(|i| n.to_be_bytes()[i % 2] ^ i as u8));
    let hashes: Vec<XetHash> = (0..3000).map(wide).collect();
    let mut tx = hub.db.begin().await.unwrap();
    for hash in &hashes {
        let new = NewXorb { hash: *hash, ..xorb(0, &[0; 40]) };
        content::insert_xorb(&mut tx, &new, ada, NOW).await.unwrap();
    }
    assert!(content::touch_xorbs(&mut tx, &hashes, NOW).await.unwrap().is_empty());
    assert_eq!(content::list_visible_xorbs(&mut tx, &hashes, ada).await.unwrap().len(), 3000);
    let new = NewFile { hash: hash(1), bytes: 1, verified: None, claimed: Some(sha(1)), terms: &[], xorbs: &hashes };
    content::register_file(&mut tx, repo, &new, NOW, LATER).await.unwrap();
    assert_eq!(content::list_xorbs_of_file(&mut tx, &hash(1)).await.unwrap().len(), 3000);
    let runs: Vec<_> = hashes.iter().map(|h| (*h, 0..10)).collect();
    content::insert_eligible(&mut tx, ada, &hashes.iter().map(|h| (*h, *h, 1)).collect::<Vec<_>>()).await.unwrap();
    content::publish_chunks(&mut tx, &runs).await.unwrap();
    assert_eq!(content::find_eligible(&mut tx, 999, &hashes[2999]).await.unwrap().map(|h| h.xorb), Some(hashes[2999]));
    let digests: Vec<Sha256> = (0..=255).map(sha).collect();
    assert_eq!(content::list_stored(&mut tx, repo, &digests).await.unwrap().len(), 1);
    tx.commit().await.unwrap();
}

async fn pages_for_fsck(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    for n in [0, 1, 2] {
        add_xorb(&mut tx, n, ada).await;
    }
    for n in [0, 10, 11] {
        add_file(&mut tx, repo, n, &[1], None).await;
    }
    content::insert_eligible(&mut tx, 3, &[(hash(0), hash(1), 0), (hash(9), hash(1), 1)]).await.unwrap();
    content::insert_eligible(&mut tx, 4, &[(hash(5), hash(2), 2)]).await.unwrap();
    for key in ["cas/r/aa/1.mdb", "cas/r/bb/2.mdb"] {
        content::insert_recipe(&mut tx, key, repo, ada, 12, NOW).await.unwrap();
        content::insert_recipe(&mut tx, key, repo, ada, 12, NOW).await.unwrap();
    }
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    let (mut xorbs, mut after) = (Vec::new(), None);
    while let Some(row) = content::page_xorbs(&mut s, after.as_ref(), 1).await.unwrap().pop() {
        assert!(row.xorb.is_some());
        after = Some(row.hash);
        xorbs.push(row.hash);
    }
    assert_eq!(xorbs, [hash(0), hash(1), hash(2)], "the zero hash too");
    let (mut files, mut after) = (Vec::new(), None);
    while let Some(row) = content::page_files(&mut s, after.as_ref(), 1).await.unwrap().pop() {
        after = Some(row.hash);
        files.push(row.hash);
    }
    assert_eq!(files, [hash(0), hash(10), hash(11)]);
    let (mut chunks, mut after) = (Vec::new(), (i64::MIN, XetHash::ZERO));
    while let Some(row) = content::page_eligible(&mut s, after, 1).await.unwrap().pop() {
        after = (row.0, row.1.0);
        chunks.push(after);
    }
    assert_eq!(chunks, [(3, hash(0)), (3, hash(9)), (4, hash(5))]);
    let recipes = content::page_recipes(&mut s, "", 10).await.unwrap();
    assert_eq!(recipes, [("cas/r/aa/1.mdb".to_owned(), 12), ("cas/r/bb/2.mdb".to_owned(), 12)]);
    assert!(content::page_recipes(&mut s, "cas/r/bb/2.mdb", 10).await.unwrap().is_empty());
    assert!(content::is_recipe_known(&mut s, "cas/r/aa/1.mdb").await.unwrap());
    assert!(!content::is_recipe_known(&mut s, "cas/r/aa/2.mdb").await.unwrap());
}

async fn two_uploads_of_one_xorb(hub: Hub) {
    let db = hub.reopen().await;
    let mut first = hub.db.begin().await.unwrap();
    assert!(add_xorb(&mut first, 1, 7).await);
    let second = tokio::spawn(async move {
        let mut tx = db.begin().await.unwrap();
        let fresh = add_xorb(&mut tx, 1, 8).await;
        tx.commit().await.unwrap();
        fresh
    });
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    first.commit().await.unwrap();
    assert!(!second.await.unwrap(), "it waited, and saw that it was the second");
    let mut s = hub.db.read().await.unwrap();
    assert!(content::has_xorb(&mut s, &hash(1), 7).await.unwrap());
    assert!(content::has_xorb(&mut s, &hash(1), 8).await.unwrap());
}
