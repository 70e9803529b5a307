//! Objects, commits, references.

use std::sync::Arc;

use haina_db::git::{self, CommitRow, NewObject, RefMove};
use haina_db::{Error, git_usage, repos};
use haina_types::{Oid, RefName, Sha256};

use crate::rig::{Hub, NOW, oid};

on_both!(
    objects,
    blobs_and_pointers,
    commits,
    references,
    one_winner_per_round,
    names_in_the_way,
    two_pushes_of_the_same
);

async fn objects(hub: Hub) {
    let ada = hub.user("ada").await;
    let (repo, other) = (hub.repo(ada, "one").await, hub.repo(ada, "two").await);
    // Some of them larger than a page, more than one statement's worth, and one of them empty.
    let bodies: Vec<Vec<u8>> =
        (0..3000_u32).map(|n| vec![n as u8; if n % 500 == 0 { n as usize * 10 } else { 20 }]).collect();
    let new: Vec<NewObject<'_>> = bodies
        .iter()
        .enumerate()
        .map(|(n, z)| NewObject { oid: oid(n as u32), kind: 1 + n as i64 % 3, size: n as u64 * 2, delta: None, z })
        .collect();
    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(git::insert_objects(&mut tx, repo, &new[..100]).await.unwrap(), 100);
    assert_eq!(git::insert_objects(&mut tx, repo, &new).await.unwrap(), 2900);
    assert_eq!(git::insert_objects(&mut tx, repo, &new).await.unwrap(), 0);
    assert_eq!(git::insert_objects(&mut tx, repo, &[]).await.unwrap(), 0);
    let changed = NewObject { z: b"other", ..new[5] };
    assert_eq!(git::insert_objects(&mut tx, repo, &[changed, changed]).await.unwrap(), 0);
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    for n in [0, 5, 500, 2500, 2999] {
        let object = git::find_object(&mut s, repo, &oid(n as u32)).await.unwrap().unwrap();
        assert_eq!((object.kind, object.size, &object.z), (1 + n as i64 % 3, n as u64 * 2, &bodies[n]));
    }
    assert_eq!(git::find_object(&mut s, other, &oid(5)).await.unwrap(), None, "membership is the read barrier");
    assert_eq!(git::find_object(&mut s, repo, &Oid::ZERO).await.unwrap(), None);
    let total: usize = bodies.iter().map(Vec::len).sum();
    assert_eq!(git::used_bytes(&mut s, repo).await.unwrap(), total as u64);
    assert_eq!(git::used_bytes(&mut s, other).await.unwrap(), 0);
    // What was counted on the way is near, where some came again; counted anew it is exact.
    let usage = git_usage::find_usage(&mut s, repo).await.unwrap();
    assert_eq!(usage.objects, 3000);
    assert!(usage.bytes.abs_diff(total as u64) < total as u64 / 10, "{usage:?}, {total}");
    assert_eq!(git_usage::find_usage(&mut s, other).await.unwrap(), git_usage::Usage::default());
    drop(s);
    let mut tx = hub.db.begin().await.unwrap();
    let exact = git_usage::Usage { objects: 3000, bytes: total as u64 };
    assert_eq!(git_usage::recount_usage(&mut tx, repo).await.unwrap(), exact);
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(git_usage::find_usage(&mut s, repo).await.unwrap(), exact);
    let present = git::list_objects_present(&mut s, repo, &[oid(1), oid(9999), oid(2)]).await.unwrap();
    assert_eq!(present.len(), 2);
    assert_eq!(git::list_objects_present(&mut s, repo, &[]).await.unwrap(), []);
}

async fn blobs_and_pointers(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let new: Vec<_> =
        (0..200).map(|n| NewObject { oid: oid(n), kind: 3, size: u64::from(n), delta: None, z: b"z" }).collect();
    let sha = |n: u32| Sha256([n as u8; 32]);
    let mut tx = hub.db.begin().await.unwrap();
    git::insert_objects(&mut tx, repo, &new).await.unwrap();
    for n in (0..200).step_by(3) {
        git::insert_pointer(&mut tx, repo, &oid(n), &sha(n), 1 << 40).await.unwrap();
        git::insert_pointer(&mut tx, repo, &oid(n), &sha(n), 1 << 40).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    // Both ways of SQLite: a few one by one, many at once.
    for count in [0, 1, 20, 32, 33, 200] {
        let mut oids: Vec<Oid> = (0..count).map(oid).collect();
        oids.push(oid(100_000));
        let infos = git::list_blob_info(&mut s, repo, &oids).await.unwrap();
        assert_eq!(infos.len(), count as usize);
        for n in 0..count {
            let info = infos[&oid(n)];
            assert_eq!(info.size, u64::from(n));
            assert_eq!(info.pointer, (n % 3 == 0).then_some((sha(n), 1 << 40)));
        }
    }
    assert!(git::has_pointer(&mut s, repo, &sha(3)).await.unwrap());
    assert!(!git::has_pointer(&mut s, repo, &sha(4)).await.unwrap());
    assert!(!git::has_pointer(&mut s, repo + 1, &sha(3)).await.unwrap());
}

fn commit(n: u32, parents: &[u32]) -> CommitRow {
    CommitRow {
        oid: oid(n),
        tree: oid(n + 1000),
        parents: parents.iter().map(|p| oid(*p)).collect(),
        gen_number: i64::from(n),
        author_user_id: (n.is_multiple_of(2)).then_some(7),
        committed_at: NOW.plus_seconds(i64::from(n)),
        title: format!("标题 {n}"),
    }
}

async fn commits(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    for n in 0..100 {
        let parents: &[u32] = if n == 0 { &[] } else { &[n - 1, 50] };
        git::insert_commit(&mut tx, repo, &commit(n, parents)).await.unwrap();
        git::insert_commit(&mut tx, repo, &commit(n, &[])).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(git::find_commit(&mut s, repo, &oid(0)).await.unwrap(), Some(commit(0, &[])));
    assert_eq!(git::find_commit(&mut s, repo, &oid(9)).await.unwrap(), Some(commit(9, &[8, 50])));
    assert_eq!(git::find_commit(&mut s, repo, &oid(100)).await.unwrap(), None);
    assert_eq!(git::count_commits(&mut s, repo).await.unwrap(), 100);
    for count in [0, 5, 90] {
        let oids: Vec<Oid> = (0..count).chain([5000]).map(oid).collect();
        let mut found = git::list_commits_by_oid(&mut s, repo, &oids).await.unwrap();
        found.sort_by_key(|c| c.gen_number);
        assert_eq!(found.len(), count as usize);
        assert!(found.iter().zip(0..).all(|(c, n)| c.oid == oid(n)));
    }
    for n in [0, 33, 99] {
        let text = oid(n).to_string();
        for len in [39, 12, 11, 7] {
            let found = git::find_commits_by_prefix(&mut s, repo, &text[..len], 2).await.unwrap();
            assert!(found.contains(&oid(n)), "{len}");
        }
    }
    assert_eq!(git::find_commits_by_prefix(&mut s, repo, "", 2).await.unwrap().len(), 2);
    assert_eq!(git::find_commits_by_prefix(&mut s, repo, "xyz", 2).await.unwrap(), []);
    assert_eq!(git::find_commits_by_prefix(&mut s, repo, &"0".repeat(50), 2).await.unwrap(), []);
}

async fn references(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let main = RefName::main();
    let mut tx = hub.db.begin().await.unwrap();
    let mut put = async |old: Option<u32>, new: Option<u32>| {
        let (old, new) = (old.map(oid), new.map(oid));
        git::put_ref(&mut tx, repo, &main, old.as_ref(), new.as_ref(), NOW).await.unwrap()
    };
    assert!(!put(Some(1), Some(2)).await, "nothing to move");
    assert!(put(None, None).await);
    assert!(put(None, Some(1)).await);
    assert!(!put(None, Some(1)).await, "it exists");
    assert!(!put(None, None).await);
    assert!(!put(Some(3), Some(2)).await, "stale");
    assert!(put(Some(1), Some(2)).await);
    assert!(!put(Some(1), None).await, "stale");
    assert!(put(Some(2), None).await);
    assert!(put(None, Some(4)).await);
    assert!(put(Some(4), Some(5)).await);
    for name in ["refs/tags/v1", "refs/heads/Z", "refs/heads/a", "refs/pr/1", "refs/heads/模型"] {
        let name: RefName = name.parse().unwrap();
        assert!(git::put_ref(&mut tx, repo, &name, None, Some(&oid(1)), NOW).await.unwrap());
    }
    for n in 0..3 {
        let moved = RefMove { old: (n > 0).then(|| oid(n)), new: Some(oid(n + 1)), actor_id: Some(ada), at: NOW };
        git::append_reflog(&mut tx, repo, &main, &moved).await.unwrap();
    }
    assert!(!git::put_ref(&mut tx, 999, &main, None, Some(&oid(1)), NOW).await.unwrap(), "no such repository");
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let found = git::find_ref(&mut s, repo, &main).await.unwrap().unwrap();
    assert_eq!((found.oid, found.version, &found.name), (oid(5), 2, &main));
    let refs = git::list_refs(&mut s, repo).await.unwrap();
    let names: Vec<&str> = refs.iter().map(|r| r.name.as_str()).collect();
    let bytewise = ["refs/heads/Z", "refs/heads/a", "refs/heads/main", "refs/heads/模型", "refs/pr/1", "refs/tags/v1"];
    assert_eq!(names, bytewise);
    let log = git::list_reflog(&mut s, repo, &main, 2).await.unwrap();
    assert_eq!(log.iter().map(|m| m.new).collect::<Vec<_>>(), [Some(oid(3)), Some(oid(2))]);
}

async fn one_winner_per_round(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let hub = Arc::new(hub);
    let mut current: Option<Oid> = None;
    for round in 0..12_u32 {
        let deletes = round % 5 == 4;
        let tasks: Vec<_> = (0..32_u32)
            .map(|n| {
                let hub = hub.clone();
                tokio::spawn(async move {
                    let new = (!deletes).then(|| oid(round * 100 + n));
                    let mut tx = hub.db.begin().await.unwrap();
                    let won = git::put_ref(&mut tx, repo, &RefName::main(), current.as_ref(), new.as_ref(), NOW)
                        .await
                        .unwrap();
                    if won {
                        repos::add_used_bytes(&mut tx, repo, 1).await.unwrap();
                    }
                    tx.commit().await.unwrap();
                    won.then_some(new)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for task in tasks {
            winners.extend(task.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "round {round}");
        current = winners[0];
        let mut s = hub.db.read().await.unwrap();
        assert_eq!(git::find_ref(&mut s, repo, &RefName::main()).await.unwrap().map(|r| r.oid), current);
    }
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(repos::find_repo_by_id(&mut s, repo).await.unwrap().unwrap().used_bytes, 12);
}

async fn names_in_the_way(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let put = |name: &str| {
        let (db, name) = (hub.db.clone(), RefName::branch(name).unwrap());
        async move {
            let mut tx = db.begin().await?;
            let done = git::put_ref(&mut tx, repo, &name, None, Some(&oid(1)), NOW).await?;
            tx.commit().await?;
            Ok::<bool, Error>(done)
        }
    };
    assert!(put("a/b").await.unwrap());
    assert!(
        put("a-b").await.unwrap() && put("a.b").await.unwrap() && put("a0").await.unwrap() && put("ab").await.unwrap()
    );
    for clash in ["a", "a/b/c", "a/b/c/d"] {
        let e = put(clash).await.unwrap_err();
        assert!(e.is_conflict_on("git_ref"), "{clash}: {e:?}");
    }
    assert!(put("a/c").await.unwrap());
    // Whoever comes first wins, whatever the order of the two.
    for round in 0..10 {
        let (one, two) = (format!("r{round}"), format!("r{round}/x"));
        let (one, two) = (tokio::spawn(put(&one)), tokio::spawn(put(&two)));
        let outcomes = [one.await.unwrap(), two.await.unwrap()];
        assert_eq!(outcomes.iter().filter(|o| matches!(o, Ok(true))).count(), 1, "{outcomes:?}");
    }
}

async fn two_pushes_of_the_same(hub: Hub) {
    let ada = hub.user("ada").await;
    let repo = hub.repo(ada, "one").await;
    let hub = Arc::new(hub);
    let tasks: Vec<_> = (0..6_u32)
        .map(|task| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let mut new: Vec<_> =
                    (0..400).map(|n| NewObject { oid: oid(n), kind: 3, size: 1, delta: None, z: b"z" }).collect();
                new.rotate_left(task as usize * 50);
                let mut tx = hub.db.begin().await.unwrap();
                let mut count = 0;
                for part in [&new[..], &new[..10]] {
                    count += git::insert_objects(&mut tx, repo, part).await.unwrap();
                }
                tx.commit().await.unwrap();
                count
            })
        })
        .collect();
    let mut total = 0;
    for task in tasks {
        total += task.await.unwrap();
    }
    assert_eq!(total, 400);
}
