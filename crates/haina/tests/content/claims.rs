//! A SHA-256 is a claim until the bytes were read.

use haina_app::content::{self, ShaState};
use haina_types::{Code, Visibility};

use crate::rig::{Hub, Made, sha256};

on_both!(
    true_claims_become_facts,
    false_claims_are_refuted_and_not_served,
    claims_are_the_repositorys_own,
    the_queue_does_it
);

async fn state(hub: &Hub, repo: i64, digest: &haina_types::Sha256) -> Option<ShaState> {
    let db = haina_db::Db::open(&hub.options.database).await.unwrap();
    let mut s = db.read().await.unwrap();
    content::find_stored(&mut s, repo, digest).await.unwrap().map(|s| s.state)
}

async fn true_claims_become_facts(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let id = hub.write(&ada, &path).await.repo().id;
    let made = Made::noise(1, 2_000_000);
    hub.writer(&ada, &path).await.upload(&made).await;
    assert_eq!(state(&hub, id, &made.sha256).await, Some(ShaState::Claimed));
    hub.commit(&ada, &path, "f.bin", made.sha256).await.unwrap();
    hub.app.verify_claim(&made.hash).await.unwrap();
    assert_eq!(state(&hub, id, &made.sha256).await, Some(ShaState::Verified));
    hub.app.verify_claim(&made.hash).await.unwrap();
    // Known now: a false claim is refused at once.
    let up = hub.writer(&ada, &path).await;
    let answer = up.upload_shard(&made.shard_claiming(Some(sha256(b"other")))).await.expect(400);
    assert!(answer.text().contains("sha256"), "{}", answer.text());
    assert_eq!(state(&hub, id, &sha256(b"other")).await, None);
}

async fn false_claims_are_refuted_and_not_served(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let id = hub.write(&ada, &path).await.repo().id;
    let (made, right) = (Made::noise(2, 300_000), Made::noise(3, 200_000));
    let up = hub.writer(&ada, &path).await;
    for (hash, body, _) in &made.xorbs {
        up.upload_xorb(hash, body).await.expect(200);
    }
    up.upload_shard(&made.shard_claiming(Some(right.sha256))).await.expect(200);
    hub.commit(&ada, &path, "early.bin", right.sha256).await.unwrap();
    hub.app.verify_claim(&made.hash).await.unwrap();
    assert_eq!(state(&hub, id, &right.sha256).await, Some(ShaState::Refuted));
    let e = hub.commit(&ada, &path, "late.bin", right.sha256).await.unwrap_err();
    assert_eq!(e.code, Code::Invalid);
    let db = haina_db::Db::open(&hub.options.database).await.unwrap();
    let filter = haina_db::ledger::EventFilter { kind: Some("content.refuted".into()), ..Default::default() };
    let events = haina_db::ledger::list_events(&mut db.read().await.unwrap(), &filter, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].repo_id, Some(id));
    assert_eq!(events[0].data["claimed"], right.sha256.to_string());
    assert_eq!(events[0].data["sha256"], made.sha256.to_string());
    // The right content heals what was committed.
    up.upload(&right).await;
    assert_eq!(state(&hub, id, &right.sha256).await, Some(ShaState::Claimed));
    hub.commit(&ada, &path, "late.bin", right.sha256).await.unwrap();
    hub.app.verify_claim(&right.hash).await.unwrap();
    assert_eq!(state(&hub, id, &right.sha256).await, Some(ShaState::Verified));
}

async fn claims_are_the_repositorys_own(hub: Hub) {
    let (ada, eve) = (hub.user("ada").await, hub.user("eve").await);
    let (hers, evil) = (hub.repo(&ada, "m", Visibility::Public).await, hub.repo(&eve, "m", Visibility::Public).await);
    let (made, bad) = (Made::noise(4, 100_000), Made::noise(5, 100_000));
    let eves = hub.writer(&eve, &evil).await;
    for (hash, body, _) in &bad.xorbs {
        eves.upload_xorb(hash, body).await.expect(200);
    }
    eves.upload_shard(&bad.shard_claiming(Some(made.sha256))).await.expect(200);
    hub.commit(&eve, &evil, "f.bin", made.sha256).await.unwrap();
    // Nobody else gets what she says it is.
    assert!(hub.commit(&ada, &hers, "f.bin", made.sha256).await.is_err());
    hub.writer(&ada, &hers).await.upload(&made).await;
    hub.commit(&ada, &hers, "f.bin", made.sha256).await.unwrap();
    let id = hub.write(&ada, &hers).await.repo().id;
    assert_eq!(state(&hub, id, &made.sha256).await, Some(ShaState::Claimed));
    hub.app.verify_claim(&bad.hash).await.unwrap();
    assert_eq!(state(&hub, id, &made.sha256).await, Some(ShaState::Claimed));
    hub.app.verify_claim(&made.hash).await.unwrap();
    assert_eq!(state(&hub, id, &made.sha256).await, Some(ShaState::Verified));
}

async fn the_queue_does_it(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let id = hub.write(&ada, &path).await.repo().id;
    let made = Made::noise(6, 100_000);
    hub.writer(&ada, &path).await.upload(&made).await;
    let jobs = hub.app.start_jobs();
    for _ in 0..100 {
        if state(&hub, id, &made.sha256).await == Some(ShaState::Verified) {
            return jobs.stop().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the claim was not checked");
}
