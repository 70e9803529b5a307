//! Quotas: the last place goes to one, bytes are counted where they are, and what is set is what holds.

use haina_app::quotas::{Bound, Quota, QuotaOf, QuotaSettings};
use haina_app::repos::Duplicate;
use haina_types::{Code, OrgRole, RepoKind, Visibility};

use crate::hub::both;

const MODEL: RepoKind = RepoKind::Model;

fn own(name: &str) -> QuotaOf {
    QuotaOf::Name(name.parse().unwrap())
}

both! {
    async fn the_last_place_goes_to_one(hub: Hub) {
        let alice = hub.writer("alice").await;
        hub.repo(&alice, "alice/first", Visibility::Private).await;
        hub.app.set_quota(&own("alice"), |q| q.repos = Some(Bound::Most(2))).await.unwrap();
        let racing = (0..8).map(|i| {
            let (app, alice) = (hub.app.clone(), alice.clone());
            tokio::spawn(async move {
                let name: haina_types::RepoName = format!("m{i}").parse().unwrap();
                if i % 2 == 0 {
                    let new = haina_app::buckets::NewBucket { namespace: None, name, visibility: None, group: None };
                    return app.create_bucket(&alice, new).await.map(drop);
                }
                let new = haina_app::repos::NewRepo {
                    kind: MODEL,
                    namespace: None,
                    name,
                    visibility: None,
                    license: None,
                    group: None,
                    sdk: None,
                    files: Vec::new(),
                };
                app.create_repo(&alice, new).await.map(drop)
            })
        });
        let mut made = 0;
        for task in racing.collect::<Vec<_>>() {
            match task.await.unwrap() {
                Ok(()) => made += 1,
                Err(e) => {
                    assert_eq!(e.code, Code::TooLarge, "{e:?}");
                    assert!(e.message.contains("user 'alice' has 2 of 2 repositories"), "{e:?}");
                    assert!(e.message.contains("ask the administrator"), "{e:?}");
                }
            }
        }
        assert_eq!(made, 1, "one place was left");
        assert_eq!(hub.app.quota(&alice, None).await.unwrap().used.repos, 2);
        // A place that becomes free can be taken again.
        let first = hub.app.administer(&alice, MODEL, &"alice/first".parse().unwrap()).await.unwrap();
        hub.app.delete_repo(&first).await.unwrap();
        hub.repo(&alice, "alice/again", Visibility::Private).await;
        hub.assert_sound().await;
    }

    async fn the_operator_sets_it_for_all_or_for_one(hub: Hub) {
        let alice = hub.writer("alice").await;
        let bob = hub.writer("bob").await;
        hub.org("lab", "bob", &[("alice", OrgRole::Read)]).await;
        let lab = "lab".parse().unwrap();
        assert_eq!(hub.app.quota(&alice, None).await.unwrap().quota, Quota::default(), "none unless set");
        hub.app.set_quota(&QuotaOf::Users, |q| *q = QuotaSettings { bytes: Some(Bound::Most(10)), repos: Some(Bound::Most(3)) }).await.unwrap();
        hub.app.set_quota(&QuotaOf::Orgs, |q| q.repos = Some(Bound::Most(0))).await.unwrap();
        hub.app.set_quota(&own("BOB"), |q| *q = QuotaSettings { bytes: Some(Bound::Unlimited), repos: Some(Bound::Most(5)) }).await.unwrap();
        let quota = async |who, org| hub.app.quota(who, org).await.unwrap().quota;
        assert_eq!(quota(&alice, None).await, Quota { bytes: Some(10), repos: Some(3) });
        assert_eq!(quota(&bob, None).await, Quota { bytes: None, repos: Some(5) });
        assert_eq!(quota(&alice, Some(&lab)).await, Quota { bytes: None, repos: Some(0) }, "every member may look");
        let e = hub.try_repo(&bob, "lab/m", Visibility::Private).await.unwrap_err();
        assert!(e.code == Code::TooLarge && e.message.contains("organization 'lab' has 0 of 0"), "{e:?}");
        // Bytes were not set for all organizations, and one of its own may have more places.
        hub.app.set_quota(&own("lab"), |q| q.repos = Some(Bound::Most(1))).await.unwrap();
        hub.repo(&bob, "lab/m", Visibility::Private).await;
        hub.app.set_quota(&own("bob"), |q| *q = QuotaSettings::default()).await.unwrap();
        assert_eq!(quota(&bob, None).await, Quota { bytes: Some(10), repos: Some(3) });
        // Nobody else is told.
        let carol = hub.writer("carol").await;
        assert_eq!(hub.app.quota(&carol, Some(&lab)).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.quota(&haina_app::Caller::anonymous(), Some(&lab)).await.unwrap_err().code, Code::Unauthenticated);
        assert_eq!(hub.app.quota(&carol, Some(&"bob".parse().unwrap())).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.set_quota(&own("nobody"), |_| {}).await.unwrap_err().code, Code::NotFound);
    }

    async fn what_moves_is_counted_where_it_goes(hub: Hub) {
        let alice = hub.writer("alice").await;
        hub.org("lab", "alice", &[]).await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Private).await;
        let noise: String = (0..20_000u32).map(|i| char::from(b'!' + (i.wrapping_mul(2_654_435_761) >> 24) as u8 % 90)).collect();
        hub.commit(&alice, &repo, None, &[("noise", Some(&noise))]).await.unwrap();
        let lab = "lab".parse().unwrap();
        let used = async |org| hub.app.quota(&alice, org).await.unwrap().used;
        let before = used(None).await;
        assert!(before.repos == 1 && before.git_bytes > 1000, "{before:?}");
        // No room where it should go: nothing moves, nothing is copied.
        hub.app.set_quota(&own("lab"), |q| q.bytes = Some(Bound::Most(before.git_bytes - 1))).await.unwrap();
        let to = "lab/m".parse().unwrap();
        let e = hub.app.move_repo(&alice, MODEL, &repo, &to).await.unwrap_err();
        assert!(e.code == Code::TooLarge && e.message.contains("organization 'lab' uses 0 bytes of"), "{e:?}");
        let content = hub.app.read_content(&alice, MODEL, &repo).await.unwrap();
        let copy = || Duplicate { to: "lab/copy".parse().unwrap(), visibility: None, group: None };
        hub.app.set_quota(&own("lab"), |q| q.bytes = Some(Bound::Most(1000))).await.unwrap();
        assert_eq!(hub.app.duplicate_repo(&alice, &content, copy()).await.unwrap_err().code, Code::TooLarge);
        assert_eq!((used(Some(&lab)).await.repos, used(None).await), (0, before));
        hub.app.set_quota(&own("lab"), |q| q.bytes = Some(Bound::Most(before.git_bytes))).await.unwrap();
        hub.app.move_repo(&alice, MODEL, &repo, &to).await.unwrap();
        assert_eq!(used(None).await, haina_db::git_usage::Held::default());
        assert_eq!(used(Some(&lab)).await, before);
        // It is full now: nothing more comes in, but what takes no room may be done.
        let e = hub.commit(&alice, &to, None, &[("more", Some("x"))]).await.unwrap_err();
        assert!(e.code == Code::TooLarge && e.message.starts_with("Storage quota"), "{e:?}");
        let access = hub.app.administer(&alice, MODEL, &to).await.unwrap();
        let open = haina_app::repos::Settings { visibility: Some(Visibility::Public), gating: None };
        hub.app.change_settings(&access, open).await.unwrap();
        hub.app.move_repo(&alice, MODEL, &to, &"lab/named".parse().unwrap()).await.unwrap();
        hub.commit(&alice, &"lab/named".parse().unwrap(), None, &[("noise", None)]).await.unwrap();
        let access = hub.app.administer(&alice, MODEL, &"lab/named".parse().unwrap()).await.unwrap();
        hub.app.delete_repo(&access).await.unwrap();
        assert_eq!(used(Some(&lab)).await, haina_db::git_usage::Held::default());
        hub.assert_sound().await;
    }

    /// Commits and moves of one repository, all at once: each byte is counted once, at the owner it ended with.
    async fn counters_survive_races(hub: Hub) {
        let alice = hub.writer("alice").await;
        hub.org("lab", "alice", &[]).await;
        for i in 0..3 {
            hub.repo(&alice, &format!("alice/r{i}"), Visibility::Private).await;
        }
        let mut tasks = Vec::new();
        for i in 0..3 {
            for turn in 0..4 {
                let (app, alice) = (hub.app.clone(), alice.clone());
                tasks.push(tokio::spawn(async move {
                    let home: haina_types::RepoPath = format!("alice/r{i}").parse().unwrap();
                    if turn == 3 {
                        app.move_repo(&alice, MODEL, &home, &format!("lab/r{i}").parse().unwrap()).await.unwrap();
                        return;
                    }
                    // The old name leads on, so it does not matter where it is.
                    let access = app.write(&alice, MODEL, &home).await.unwrap();
                    let header = haina_app::history::CommitHeader {
                        summary: "x".into(),
                        description: String::new(),
                        parent: None,
                    };
                    let main = haina_types::Revision::main();
                    let mut commit = app.begin_commit(&access, &main, header).await.unwrap();
                    commit.put_file(&format!("f{turn}"), vec![turn; 5000]).await.unwrap();
                    commit.finish().await.unwrap();
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        let lab = "lab".parse().unwrap();
        assert_eq!(hub.app.quota(&alice, None).await.unwrap().used, haina_db::git_usage::Held::default());
        assert_eq!(hub.app.quota(&alice, Some(&lab)).await.unwrap().used.repos, 3);
        hub.assert_sound().await;
    }
}
