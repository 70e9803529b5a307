//! SQLite's shared commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use haina_db::{Config, Error, meta};
use haina_types::Code;
use tokio::sync::Barrier;

use crate::rig::Hub;

fn file(hub: &Hub) -> &std::path::Path {
    match &hub.config {
        Config::Sqlite(path) => path,
        Config::Postgres(_) => panic!(),
    }
}

/// What another program sees.
fn look(hub: &Hub, key: &str) -> Option<String> {
    let conn = rusqlite::Connection::open(file(hub)).unwrap();
    let mut statement = conn.prepare("select value from setting where key = ?1").unwrap();
    statement.query_map([key], |r| r.get(0)).unwrap().next().map(Result::unwrap)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_means_in_the_file() {
    let hub = Arc::new(Hub::sqlite().await);
    let together = Arc::new(Barrier::new(100));
    let mut tasks = Vec::new();
    for n in 0..100 {
        let (hub, together) = (hub.clone(), together.clone());
        tasks.push(tokio::spawn(async move {
            together.wait().await;
            for round in 0..3 {
                let key = format!("{n}-{round}");
                let mut tx = hub.db.begin().await.unwrap();
                meta::put_setting(&mut tx, &key, "1").await.unwrap();
                tx.commit().await.unwrap();
                assert_eq!(look(&hub, &key).as_deref(), Some("1"), "{key} was acknowledged");
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_member_harms_nobody() {
    let hub = Arc::new(Hub::sqlite().await);
    let user = hub.user("ada").await;
    hub.repo(user, "taken").await;
    let failed = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for n in 0..90 {
        let (hub, failed) = (hub.clone(), failed.clone());
        tasks.push(tokio::spawn(async move {
            let mut tx = hub.db.begin().await.unwrap();
            meta::put_setting(&mut tx, &format!("k{n}"), "1").await.unwrap();
            match n % 3 {
                0 => tx.commit().await.unwrap(),
                1 => drop(tx),
                _ => {
                    let kind = haina_types::RepoKind::Model;
                    let public = haina_types::Visibility::Public;
                    let e = crate::rig::insert_repo(&mut tx, user, kind, "taken", public).await.unwrap_err();
                    assert!(e.is_conflict_on("repo"));
                    assert!(tx.commit().await.is_err());
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(failed.load(Ordering::Relaxed), 30);
    let mut s = hub.db.read().await.unwrap();
    let kept = meta::list_settings(&mut s).await.unwrap();
    let mut wanted: Vec<String> = (0..90).step_by(3).map(|n| format!("k{n}")).collect();
    wanted.sort();
    assert_eq!(kept.into_iter().map(|k| k.0).collect::<Vec<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lock_is_not_held_when_idle() {
    let hub = Hub::sqlite().await;
    let outside = rusqlite::Connection::open(file(&hub)).unwrap();
    outside.busy_timeout(Duration::from_millis(300)).unwrap();
    let write = || outside.execute_batch("begin immediate; rollback");
    for _ in 0..20 {
        // One who commits while another waits and then goes away before its turn.
        let first = hub.db.begin().await.unwrap();
        let db = hub.db.clone();
        let waiting = tokio::spawn(async move {
            let tx = db.begin().await.unwrap();
            std::future::pending::<()>().await;
            tx.commit().await
        });
        tokio::time::sleep(Duration::from_millis(2)).await;
        let committing = tokio::spawn(async move {
            let mut first = first;
            meta::put_setting(&mut first, "first", "1").await.unwrap();
            first.commit().await
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        waiting.abort();
        tokio::time::timeout(Duration::from_secs(5), committing).await.unwrap().unwrap().unwrap();
        assert_eq!(look(&hub, "first").as_deref(), Some("1"));
        write().unwrap();
    }
    // All who wait go away, also the one who committed.
    let mut tasks = Vec::new();
    for n in 0..30 {
        let db = hub.db.clone();
        tasks.push(tokio::spawn(async move {
            let mut tx = db.begin().await.unwrap();
            meta::put_setting(&mut tx, &format!("gone{n}"), "1").await.unwrap();
            tokio::time::sleep(Duration::from_micros(200)).await;
            tx.commit().await
        }));
    }
    tokio::time::sleep(Duration::from_millis(3)).await;
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _ = task.await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    write().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_programs_write_one_file() {
    let hub = Arc::new(Hub::sqlite().await);
    let other = hub.reopen().await;
    let busy = Arc::new(AtomicBool::new(true));
    let mut server = Vec::new();
    for n in 0..8 {
        let (hub, busy) = (hub.clone(), busy.clone());
        server.push(tokio::spawn(async move {
            let mut rounds = 0;
            while busy.load(Ordering::Relaxed) {
                let mut tx = hub.db.begin().await.unwrap();
                meta::put_setting(&mut tx, &format!("server{n}"), &rounds.to_string()).await.unwrap();
                tx.commit().await.unwrap();
                rounds += 1;
            }
            rounds
        }));
    }
    let start = std::time::Instant::now();
    for n in 0..40 {
        let mut tx = other.begin().await.unwrap();
        meta::put_setting(&mut tx, &format!("admin{n}"), "1").await.unwrap();
        tx.commit().await.unwrap();
        // Like a person's commands, one after the other: without a pause it is the server that may never get a turn.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = start.elapsed();
    busy.store(false, Ordering::Relaxed);
    let mut rounds = 0;
    for task in server {
        rounds += task.await.unwrap();
    }
    assert!(took < Duration::from_secs(8), "the other program waited {took:?}");
    assert!(rounds > 20, "the server did not get on: {rounds}");
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(meta::list_settings(&mut s).await.unwrap().len(), 48);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_held_outside_is_waited_for() {
    let hub = Hub::sqlite().await;
    let outside = rusqlite::Connection::open(file(&hub)).unwrap();
    outside.execute_batch("begin immediate").unwrap();
    let db = hub.db.clone();
    let write = tokio::spawn(async move {
        let mut tx = db.begin().await?;
        meta::put_setting(&mut tx, "a", "1").await?;
        tx.commit().await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!write.is_finished());
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap(), None, "readers do not wait");
    outside.execute_batch("rollback").unwrap();
    write.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_said_and_survived() {
    let hub = Hub::sqlite().await;
    let limit = |pages: i64| {
        let db = hub.db.clone();
        async move { db.set_pages_max(pages).await.unwrap() }
    };
    let write = |key: String, bytes: usize| {
        let db = hub.db.clone();
        async move {
            let mut tx = db.begin().await?;
            meta::get_or_insert(&mut tx, &key, &vec![7; bytes]).await?;
            tx.commit().await
        }
    };
    write("before".into(), 10).await.unwrap();
    let pages = limit(1).await;
    let e = write("large".into(), 1 << 20).await.unwrap_err();
    assert!(matches!(e, Error::Full(_)), "{e:?}");
    let e = haina_types::Error::from(e);
    assert_eq!(e.code, Code::StorageFull);
    assert!(e.message.contains("no room"));
    // Many at once: each is either acknowledged and there, or refused and not there.
    let all = (0..40).map(|n| tokio::spawn(write(format!("many{n}"), 3000)));
    let outcomes: Vec<_> = futures(all).await;
    let mut s = hub.db.read().await.unwrap();
    for (n, outcome) in outcomes.iter().enumerate() {
        let there = meta::find_meta(&mut s, &format!("many{n}")).await.unwrap().is_some();
        assert_eq!(outcome.is_ok(), there, "many{n}: {outcome:?}");
        assert!(matches!(outcome, Ok(()) | Err(Error::Full(_))), "{outcome:?}");
    }
    assert!(outcomes.iter().any(Result::is_err));
    limit(pages.max(1_000_000)).await;
    write("after".into(), 1 << 20).await.unwrap();
    assert_eq!(meta::find_meta(&mut s, "before").await.unwrap().map(|v| v.len()), Some(10));
    assert_eq!(meta::find_meta(&mut s, "large").await.unwrap(), None);
    assert_eq!(meta::find_meta(&mut s, "after").await.unwrap().map(|v| v.len()), Some(1 << 20));
}

async fn futures<T>(tasks: impl Iterator<Item = tokio::task::JoinHandle<T>>) -> Vec<T> {
    let tasks: Vec<_> = tasks.collect();
    let mut out = Vec::new();
    for task in tasks {
        out.push(task.await.unwrap());
    }
    out
}
