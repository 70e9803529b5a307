//! The ledger: complete, in order, never changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use haina_db::ledger::{self, EventFilter, NewEvent};
use haina_db::{Error, meta};
use serde_json::json;

use crate::rig::{Hub, NOW};

on_both!(
    events_come_back,
    nothing_is_missed_by_who_follows,
    an_event_belongs_to_its_transaction,
    times_and_families_of_events
);

fn event(kind: &str, repo: Option<i64>, ns: Option<i64>, n: i64) -> NewEvent<'_> {
    NewEvent { at: NOW, actor_id: Some(n % 2), kind, repo_id: repo, ns_id: ns, data: json!({"n": n, "名": "值"}) }
}

async fn events_come_back(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    for n in 0..10 {
        let kind = if n % 5 == 0 { "repo.create" } else { "commit" };
        ledger::append_event(&mut tx, &event(kind, Some(n % 3), (n > 7).then_some(4), n)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let list = async |s: &mut haina_db::Session, filter: EventFilter, limit: usize| -> Vec<i64> {
        let events = ledger::list_events(s, &filter, limit).await.unwrap();
        events.iter().map(|e| e.data["n"].as_i64().unwrap()).collect()
    };
    let all = EventFilter::default();
    assert_eq!(list(&mut s, all.clone(), 100).await, (0..10).collect::<Vec<_>>());
    assert_eq!(list(&mut s, EventFilter { newest_first: true, ..all.clone() }, 3).await, [9, 8, 7]);
    assert_eq!(list(&mut s, EventFilter { kind: Some("repo.create".into()), ..all.clone() }, 9).await, [0, 5]);
    assert_eq!(list(&mut s, EventFilter { repo_id: Some(1), ..all.clone() }, 9).await, [1, 4, 7]);
    assert_eq!(list(&mut s, EventFilter { ns_id: Some(4), actor_id: Some(1), ..all.clone() }, 9).await, [9]);
    let events = ledger::list_events(&mut s, &all, 4).await.unwrap();
    assert_eq!((events[1].kind.as_str(), events[1].at, events[1].actor_id), ("commit", NOW, Some(1)));
    assert_eq!(events[1].data, json!({"n": 1, "名": "值"}));
    let after = EventFilter { after: events[3].id, ..all.clone() };
    assert_eq!(list(&mut s, after, 2).await, [4, 5]);
    let before = EventFilter { after: events[3].id, newest_first: true, ..all };
    assert_eq!(list(&mut s, before, 2).await, [2, 1]);
    assert!(ledger::last_event(&mut s).await.unwrap() > events[3].id);
}

async fn an_event_belongs_to_its_transaction(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    ledger::append_event(&mut tx, &event("a", None, None, 1)).await.unwrap();
    drop(tx);
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(ledger::last_event(&mut s).await.unwrap(), 0);
    let refused = ledger::append_event(&mut s, &event("a", None, None, 1)).await;
    assert!(matches!(refused, Err(Error::ReadOnly)));
}

async fn nothing_is_missed_by_who_follows(hub: Hub) {
    let hub = Arc::new(hub);
    let busy = Arc::new(AtomicBool::new(true));
    let follower = tokio::spawn({
        let (hub, busy) = (hub.clone(), busy.clone());
        async move {
            let mut seen = Vec::new();
            let mut filter = EventFilter::default();
            loop {
                let last_round = !busy.load(Ordering::SeqCst);
                let mut s = hub.db.read().await.unwrap();
                for e in ledger::list_events(&mut s, &filter, 1000).await.unwrap() {
                    filter.after = e.id;
                    seen.push(e.data["n"].as_i64().unwrap());
                }
                if last_round {
                    return seen;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let writers: Vec<_> = (0..8_i64)
        .map(|w| {
            let hub = hub.clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    let mut tx = hub.db.begin().await.unwrap();
                    let number = w * 1000 + n;
                    ledger::append_event(&mut tx, &event("a", None, None, number)).await.unwrap();
                    meta::put_setting(&mut tx, &format!("k{w}"), "1").await.unwrap();
                    if n % 2 == 0 {
                        tokio::task::yield_now().await;
                    }
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    busy.store(false, Ordering::SeqCst);
    let mut seen = follower.await.unwrap();
    assert_eq!(seen.len(), 200, "events were missed or came twice");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 200);
}

#[tokio::test]
async fn sqlite_refuses_to_change_the_past() {
    let hub = Hub::sqlite().await;
    let mut tx = hub.db.begin().await.unwrap();
    ledger::append_event(&mut tx, &event("a", None, None, 1)).await.unwrap();
    tx.commit().await.unwrap();
    let haina_db::Config::Sqlite(path) = &hub.config else { panic!() };
    let conn = rusqlite::Connection::open(path).unwrap();
    for change in ["update event set kind = 'b'", "delete from event"] {
        let e = conn.execute(change, []).unwrap_err();
        assert!(e.to_string().contains("append-only"), "{e}");
    }
}

#[tokio::test]
async fn postgres_refuses_to_change_the_past() {
    let hub = Hub::postgres().await;
    let mut tx = hub.db.begin().await.unwrap();
    ledger::append_event(&mut tx, &event("a", None, None, 1)).await.unwrap();
    tx.commit().await.unwrap();
    let url = hub.server.as_ref().unwrap().url();
    let (client, line) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(line);
    for change in ["update event set kind = 'b'", "delete from event", "truncate event"] {
        let e = client.execute(change, &[]).await.unwrap_err();
        assert!(e.as_db_error().unwrap().message().contains("append-only"), "{e}");
    }
}

async fn times_and_families_of_events(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    for n in 0..200 {
        let kind = if n % 2 == 0 { "repo.create" } else { "report" };
        let at = NOW.plus_seconds(n * 3600);
        ledger::append_event(&mut tx, &NewEvent { at, ..event(kind, None, None, n) }).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let at = |n: i64| NOW.plus_seconds(n * 3600);
    for n in [0, 1, 50, 199] {
        let id = ledger::seek_event(&mut s, at(n)).await.unwrap();
        let filter = EventFilter { floor: id, since: Some(at(n)), until: Some(at(n + 2)), ..EventFilter::default() };
        let found = ledger::list_events(&mut s, &filter, 10).await.unwrap();
        let numbers: Vec<i64> = found.iter().map(|e| e.data["n"].as_i64().unwrap()).collect();
        assert_eq!(numbers, (n..200.min(n + 2)).collect::<Vec<_>>());
        assert!(found[0].id - id <= 1, "seeking is exact but for the hour that events may be out of order");
    }
    assert!(ledger::seek_event(&mut s, at(10_000)).await.unwrap() > ledger::last_event(&mut s).await.unwrap());
    let filter = EventFilter { family: Some("repo.".into()), newest_first: true, ..EventFilter::default() };
    let found = ledger::list_events(&mut s, &filter, 3).await.unwrap();
    assert_eq!(found.iter().map(|e| e.data["n"].as_i64().unwrap()).collect::<Vec<_>>(), [198, 196, 194]);
}
