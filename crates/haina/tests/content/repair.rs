//! What fsck finds, and what uploads heal.

use haina_app::content::{Findings, FsckOptions, fsck};
use haina_types::Visibility;

use crate::rig::{Hub, Made};

on_both!(
    a_sound_store_has_no_findings,
    a_flipped_bit_is_found_and_never_served,
    a_lost_object_is_found_and_healed_by_an_upload,
    orphans_are_waste_once_they_are_old,
    content_outlives_a_restart
);

async fn check(hub: &Hub, deep: bool) -> Findings {
    fsck(&hub.app, FsckOptions { deep }, |_| {}).await.unwrap()
}

async fn with_content(hub: &Hub) -> (haina_app::Caller, haina_types::RepoPath, Made) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Public).await;
    let made = Made::noise(1, 900_000);
    hub.writer(&ada, &path).await.upload(&made).await;
    hub.commit(&ada, &path, "f.bin", made.sha256).await.unwrap();
    hub.app.verify_claim(&made.hash).await.unwrap();
    (ada, path, made)
}

async fn a_sound_store_has_no_findings(hub: Hub) {
    let (_, _, made) = with_content(&hub).await;
    for deep in [false, true] {
        let found = check(&hub, deep).await;
        assert!(found.list.is_empty(), "{:?}", found.list);
        assert_eq!((found.xorbs, found.files, found.recipes), (made.xorbs.len() as u64, 1, 1));
        assert_eq!(found.objects, made.xorbs.len() as u64 + 1);
        assert!(found.eligible >= 2, "in the namespace and for everyone");
    }
}

async fn a_flipped_bit_is_found_and_never_served(hub: Hub) {
    let (ada, path, made) = with_content(&hub).await;
    let object = &hub.objects("cas/x")[0];
    let mut bytes = std::fs::read(object).unwrap();
    bytes[5000] ^= 0x10;
    std::fs::remove_file(object).unwrap();
    std::fs::write(object, bytes).unwrap();
    let found = check(&hub, true).await;
    let id = hub.write(&ada, &path).await.repo().id;
    assert!(found.damaged >= 1);
    assert!(
        found.list.iter().any(|f| f.damage && f.subject.starts_with("xorb ") && f.repos == [id]),
        "{:?}",
        found.list
    );
    use futures_util::TryStreamExt;
    let access = hub.read(&ada, &path).await;
    let outcome: Result<Vec<_>, _> = hub.app.open_content(&access, &made.hash, None).await.unwrap().try_collect().await;
    assert!(outcome.is_err());
}

async fn a_lost_object_is_found_and_healed_by_an_upload(hub: Hub) {
    let (ada, path, made) = with_content(&hub).await;
    let object = hub.objects("cas/x")[0].clone();
    std::fs::remove_file(&object).unwrap();
    let found = check(&hub, false).await;
    assert_eq!(found.damaged, 1, "{:?}", found.list);
    let up = hub.writer(&ada, &path).await;
    hub.wait(5);
    for (hash, body, _) in &made.xorbs {
        up.upload_xorb(hash, body).await.expect(200);
    }
    let found = check(&hub, true).await;
    assert!(found.list.is_empty(), "{:?}", found.list);
    assert_eq!(up.download(&made.hash, None).await, made.bytes);
    assert_eq!(hub.objects("cas/x").len(), made.xorbs.len());
    assert!(!object.exists(), "a key is never used twice");
}

async fn orphans_are_waste_once_they_are_old(hub: Hub) {
    with_content(&hub).await;
    let object = hub.objects("cas/x")[0].clone();
    let name = object.file_name().unwrap().to_str().unwrap();
    let orphan = object.with_file_name(format!("{}.7", name.split('.').next().unwrap()));
    std::fs::copy(&object, &orphan).unwrap();
    // The rig's clock is ahead of the files' times.
    let found = check(&hub, false).await;
    assert_eq!((found.damaged, found.wasted), (0, 1), "{:?}", found.list);
    assert!(!found.list[0].damage);
}

async fn content_outlives_a_restart(hub: Hub) {
    let (_, path, made) = with_content(&hub).await;
    let app = haina_app::App::open(hub.options.clone()).await.unwrap();
    let access = app.read_content(&haina_app::Caller::anonymous(), haina_types::RepoKind::Model, &path).await.unwrap();
    let bytes = crate::transfer::collect(app.open_content(&access, &made.hash, None).await.unwrap()).await;
    assert!(bytes == made.bytes);
}
