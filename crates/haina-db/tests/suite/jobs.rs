//! The job queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use haina_db::jobs::{self, Failed, Job, NewJob};
use haina_types::Timestamp;
use serde_json::{Value, json};

use crate::rig::{Hub, NOW};

on_both!(a_jobs_life, one_like_it_is_enough, leases_end, a_job_that_kills_is_buried, each_job_goes_to_one_worker);

const LEASE: Duration = Duration::from_secs(60);

fn later(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

fn job<'a>(kind: &'a str, payload: &'a Value, dedup_key: Option<&'a str>) -> NewJob<'a> {
    NewJob { kind, payload, dedup_key, run_at: NOW, attempts_max: 3, created_at: NOW }
}

async fn enqueue(hub: &Hub, new: &NewJob<'_>) -> Option<i64> {
    let mut tx = hub.db.begin().await.unwrap();
    let id = jobs::enqueue(&mut tx, new).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn claim(hub: &Hub, now: Timestamp, limit: usize) -> Vec<Job> {
    let mut tx = hub.db.begin().await.unwrap();
    let jobs = jobs::claim(&mut tx, &["mail", "index"], now, LEASE, limit).await.unwrap();
    tx.commit().await.unwrap();
    jobs
}

async fn counts(hub: &Hub) -> Vec<(String, u64)> {
    let mut s = hub.db.read().await.unwrap();
    jobs::count_jobs(&mut s).await.unwrap().into_iter().map(|(kind, state, n)| (format!("{kind} {state}"), n)).collect()
}

async fn a_jobs_life(hub: Hub) {
    let payload = json!({"to": "爱达"});
    let id = enqueue(&hub, &job("mail", &payload, None)).await.unwrap();
    enqueue(&hub, &job("unknown", &payload, None)).await.unwrap();
    enqueue(&hub, &NewJob { run_at: later(100), ..job("mail", &payload, None) }).await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(jobs::next_run(&mut s, &["mail"]).await.unwrap(), Some(NOW));
    assert_eq!(jobs::next_run(&mut s, &["none"]).await.unwrap(), None);
    let claimed = claim(&hub, NOW, 10).await;
    assert_eq!(claimed.len(), 1, "only those of our kinds that are due");
    let one = &claimed[0];
    assert_eq!((one.id, one.kind.as_str(), &one.payload, one.attempt), (id, "mail", &payload, 1));
    assert_eq!(claim(&hub, later(59), 10).await, [], "leased");
    let mut tx = hub.db.begin().await.unwrap();
    let again = jobs::fail(&mut tx, one, later(1), "no route to host").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(again, Failed::Again(later(6)));
    assert_eq!(claim(&hub, later(5), 10).await, []);
    let two = claim(&hub, later(6), 10).await.remove(0);
    assert_eq!((two.id, two.attempt), (id, 2));
    let mut tx = hub.db.begin().await.unwrap();
    assert!(!jobs::finish(&mut tx, one, later(7)).await.unwrap(), "the first try is over");
    assert_eq!(jobs::fail(&mut tx, one, later(7), "x").await.unwrap(), Failed::Lost);
    assert!(jobs::extend(&mut tx, &two, later(7), LEASE).await.unwrap());
    assert!(jobs::finish(&mut tx, &two, later(8)).await.unwrap());
    assert!(!jobs::finish(&mut tx, &two, later(8)).await.unwrap());
    tx.commit().await.unwrap();
    let wanted = [("mail done".to_owned(), 1), ("mail queued".into(), 1), ("unknown queued".into(), 1)];
    assert_eq!(counts(&hub).await, wanted);
    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(jobs::delete_finished(&mut tx, later(8)).await.unwrap(), 0);
    assert_eq!(jobs::delete_finished(&mut tx, later(9)).await.unwrap(), 1);
    drop(tx);
    // A job is only as real as the transaction that needs it.
    let mut tx = hub.db.begin().await.unwrap();
    jobs::enqueue(&mut tx, &job("mail", &payload, None)).await.unwrap();
    drop(tx);
    assert_eq!(counts(&hub).await, wanted);
}

async fn one_like_it_is_enough(hub: Hub) {
    let payload = json!(null);
    assert!(enqueue(&hub, &job("index", &payload, Some("repo 1"))).await.is_some());
    assert!(enqueue(&hub, &job("index", &payload, Some("repo 1"))).await.is_none());
    assert!(enqueue(&hub, &job("index", &payload, Some("repo 2"))).await.is_some());
    assert!(enqueue(&hub, &job("mail", &payload, Some("repo 1"))).await.is_some());
    let running = claim(&hub, NOW, 1).await.remove(0);
    // What changed after the worker began needs another run.
    assert!(enqueue(&hub, &job("index", &payload, Some("repo 1"))).await.is_some());
    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(jobs::fail(&mut tx, &running, NOW, "x").await.unwrap(), Failed::Superseded);
    tx.commit().await.unwrap();
    assert_eq!(
        counts(&hub).await,
        [("index queued".to_owned(), 2), ("index superseded".into(), 1), ("mail queued".into(), 1)]
    );
}

async fn leases_end(hub: Hub) {
    let payload = json!(null);
    enqueue(&hub, &job("mail", &payload, None)).await.unwrap();
    let first = claim(&hub, NOW, 1).await.remove(0);
    let second = claim(&hub, later(60), 1).await.remove(0);
    assert_eq!((second.id, second.attempt), (first.id, 2));
    let mut tx = hub.db.begin().await.unwrap();
    assert!(!jobs::extend(&mut tx, &first, later(61), LEASE).await.unwrap());
    assert!(!jobs::finish(&mut tx, &first, later(61)).await.unwrap());
    assert!(jobs::finish(&mut tx, &second, later(61)).await.unwrap());
}

async fn a_job_that_kills_is_buried(hub: Hub) {
    let payload = json!(null);
    enqueue(&hub, &job("mail", &payload, None)).await.unwrap();
    for attempt in 1..=3 {
        let claimed = claim(&hub, later(attempt * 1000), 1).await;
        assert_eq!(claimed[0].attempt, attempt);
    }
    assert_eq!(claim(&hub, later(9000), 1).await, []);
    assert_eq!(counts(&hub).await, [("mail dead".to_owned(), 1)]);
    enqueue(&hub, &NewJob { attempts_max: 1, ..job("index", &payload, None) }).await.unwrap();
    let only = claim(&hub, NOW, 1).await.remove(0);
    let mut tx = hub.db.begin().await.unwrap();
    assert_eq!(jobs::fail(&mut tx, &only, NOW, "x").await.unwrap(), Failed::Dead);
}

async fn each_job_goes_to_one_worker(hub: Hub) {
    let hub = Arc::new(hub);
    let payload = json!(1);
    let mut tx = hub.db.begin().await.unwrap();
    for n in 0..200 {
        let new = NewJob { run_at: Timestamp(NOW.0 - n % 17), ..job("mail", &payload, None) };
        jobs::enqueue(&mut tx, &new).await.unwrap();
    }
    tx.commit().await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let mut done = Vec::new();
                loop {
                    let claimed = claim(&hub, NOW, 1 + n % 4).await;
                    if claimed.is_empty() {
                        return done;
                    }
                    for one in claimed {
                        let mut tx = hub.db.begin().await.unwrap();
                        assert!(jobs::finish(&mut tx, &one, NOW).await.unwrap());
                        tx.commit().await.unwrap();
                        done.push(one.id);
                    }
                }
            })
        })
        .collect();
    let mut times: HashMap<i64, usize> = HashMap::new();
    for worker in workers {
        for id in worker.await.unwrap() {
            *times.entry(id).or_default() += 1;
        }
    }
    assert_eq!(times.len(), 200);
    assert!(times.values().all(|n| *n == 1));
}
