//! Settings, moving, copying, gates, and what is left of history.

use std::collections::BTreeMap;

use haina_app::content::Expect;
use haina_app::history::{BranchStart, CommitHeader};
use haina_app::repos::{Duplicate, Gating, Settings};
use haina_app::requests::{Standing, Status, Which};
use haina_types::{Code, OrgRole, RepoKind, RepoPath, Revision, Sha256, TokenRole, Visibility};
use sha2::Digest;

use crate::hub::{Hub, both};

const MODEL: RepoKind = RepoKind::Model;

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

async fn where_is(hub: &Hub, name: &str) -> Option<String> {
    let someone = hub.writer("someone").await;
    match hub.app.read(&someone, MODEL, &path(name)).await {
        Ok(access) => Some(access.repo().path().to_string()),
        Err(e) => {
            assert_eq!(e.code, Code::RepoNotFound);
            None
        }
    }
}

/// Stores a large file and commits it to a branch; its digest.
async fn large(hub: &Hub, alice: &haina_app::Caller, repo: &RepoPath, rev: &str, name: &str, text: &str) -> Sha256 {
    let app = &hub.app;
    let access = app.write(alice, MODEL, repo).await.unwrap();
    let bytes = bytes::Bytes::from(text.repeat(5000));
    let sha256 = Sha256(sha2::Sha256::digest(&bytes).into());
    let size = bytes.len() as u64;
    let body = Box::pin(futures_util::stream::iter([Ok(bytes)]));
    app.store_content(&access.upload(), body, Expect { sha256: Some(sha256), size: Some(size) }).await.unwrap();
    let header = CommitHeader { summary: format!("add {name}"), ..CommitHeader::default() };
    let mut writer = app.begin_commit(&access, &Revision::new(rev), header).await.unwrap();
    writer.put_large(name, sha256, Some(size)).await.unwrap();
    writer.finish().await.unwrap();
    sha256
}

fn manual() -> Settings {
    Settings { gating: Some(Gating::Manual), ..Settings::default() }
}

both! {
    async fn old_names_lead_on_until_they_are_taken(hub: Hub) {
        let alice = hub.writer("alice").await;
        hub.org("lab", "alice", &[]).await;
        hub.repo(&alice, "alice/one", Visibility::Public).await;
        let app = &hub.app;
        let moving = async |from: &str, to: &str| app.move_repo(&alice, MODEL, &path(from), &path(to)).await;
        assert_eq!(moving("alice/one", "lab/Two").await.unwrap().to_string(), "lab/Two");
        assert_eq!(where_is(&hub, "alice/one").await.as_deref(), Some("lab/Two"));
        // By a name of the past, too; and what leads here leads to the repository, not to that name.
        moving("ALICE/One", "alice/three").await.unwrap();
        for name in ["alice/one", "lab/two", "alice/three"] {
            assert_eq!(where_is(&hub, name).await.as_deref(), Some("alice/three"), "{name}");
        }
        // Back again: the name is its own, and the others lead to it.
        moving("alice/three", "alice/one").await.unwrap();
        for name in ["alice/one", "lab/two", "alice/three"] {
            assert_eq!(where_is(&hub, name).await.as_deref(), Some("alice/one"), "{name}");
        }
        // Another repository takes a name that led here, by being made or moved there.
        hub.repo(&alice, "lab/two", Visibility::Public).await;
        assert_eq!(where_is(&hub, "lab/two").await.as_deref(), Some("lab/two"));
        moving("lab/two", "alice/three").await.unwrap();
        assert_eq!(where_is(&hub, "alice/three").await.as_deref(), Some("alice/three"));
        assert_eq!(where_is(&hub, "lab/two").await.as_deref(), Some("alice/three"));
        // A name that is in use is not taken, and its owner is not told that it would be nothing.
        let e = moving("alice/one", "alice/Three").await.unwrap_err();
        assert_eq!((e.code, e.message.as_str()), (Code::Conflict, "A model repository called alice/Three already exists"));
        assert_eq!(moving("alice/one", "alice/one").await.unwrap_err().code, Code::Conflict);
        // Only the letters' case.
        assert_eq!(moving("alice/one", "alice/ONE").await.unwrap().to_string(), "alice/ONE");
        assert_eq!(where_is(&hub, "alice/one").await.as_deref(), Some("alice/ONE"));
        // What is deleted leads nowhere.
        let access = app.administer(&alice, MODEL, &path("alice/three")).await.unwrap();
        app.delete_repo(&access).await.unwrap();
        assert_eq!(where_is(&hub, "lab/two").await, None);
        hub.assert_sound().await;
    }

    async fn of_many_who_move_to_one_name_one_arrives(hub: Hub) {
        let alice = hub.writer("alice").await;
        for i in 0..6 {
            hub.repo(&alice, &format!("alice/m{i}"), Visibility::Public).await;
        }
        let tasks: Vec<_> = (0..6)
            .map(|i| {
                let (app, alice) = (hub.app.clone(), alice.clone());
                tokio::spawn(async move { app.move_repo(&alice, MODEL, &path(&format!("alice/m{i}")), &path("alice/goal")).await })
            })
            .collect();
        let mut won = 0;
        for task in tasks {
            match task.await.unwrap() {
                Ok(_) => won += 1,
                Err(e) => assert_eq!(e.code, Code::Conflict, "{e:?}"),
            }
        }
        assert_eq!(won, 1);
        // And of many who move one repository to different places.
        let tasks: Vec<_> = (0..6)
            .map(|i| {
                let (app, alice) = (hub.app.clone(), alice.clone());
                tokio::spawn(async move { app.move_repo(&alice, MODEL, &path("alice/goal"), &path(&format!("alice/end{i}"))).await })
            })
            .collect();
        let mut ended = Vec::new();
        for task in tasks {
            match task.await.unwrap() {
                Ok(to) => ended.push(to.to_string()),
                Err(e) => assert_eq!(e.code, Code::Conflict, "{e:?}"),
            }
        }
        // Some may have looked after an earlier move, and then moved it on: by whatever name, it is in one place.
        let last = where_is(&hub, "alice/goal").await.unwrap();
        assert!(ended.contains(&last), "{ended:?} without {last}");
        for name in &ended {
            assert_eq!(where_is(&hub, name).await.as_ref(), Some(&last));
        }
    }

    async fn a_gate_lets_in_whom_it_should(hub: Hub) {
        let (alice, bob, carol) = (hub.writer("alice").await, hub.writer("bob").await, hub.writer("carol").await);
        hub.org("lab", "alice", &[("carol", OrgRole::Read)]).await;
        let repo = hub.repo(&alice, "lab/m", Visibility::Public).await;
        let app = &hub.app;
        let admin = app.administer(&alice, MODEL, &repo).await.unwrap();
        let write = app.write(&alice, MODEL, &repo).await.unwrap();
        let none = BTreeMap::new();
        assert_eq!(app.ask_access(&bob, MODEL, &repo, &none).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.change_settings(&admin, manual()).await.unwrap(), (Visibility::Public, Gating::Manual));
        let write = { drop(write); app.write(&alice, MODEL, &repo).await.unwrap() };
        let open = async |caller: &haina_app::Caller| app.read_content(caller, MODEL, &repo).await.map(drop).map_err(|e| e.code);
        let standing = async |caller: &haina_app::Caller| {
            app.gate_standing(caller, &app.read(caller, MODEL, &repo).await.unwrap()).await.unwrap()
        };
        let nobody = haina_app::Caller::anonymous();
        for caller in [&nobody, &bob] {
            assert_eq!(open(caller).await, Err(Code::GatedRepo));
            app.list_content(caller, MODEL, &repo).await.unwrap();
        }
        // Whoever has a part in it is behind the gate already.
        assert_eq!(open(&carol).await, Ok(()));
        assert_eq!((standing(&nobody).await, standing(&bob).await, standing(&carol).await),
                   (Standing::Unknown, Standing::Outside, Standing::Free));
        assert_eq!(app.ask_access(&carol, MODEL, &repo, &none).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.ask_access(&nobody, MODEL, &repo, &none).await.unwrap_err().code, Code::Unauthenticated);
        let reads = hub.user("bob", TokenRole::Read).await;
        assert_eq!(app.ask_access(&reads, MODEL, &repo, &none).await.unwrap_err().code, Code::Forbidden);

        // Asking, taking back, asking again, being let in, thrown out, refused.
        assert_eq!(app.ask_access(&bob, MODEL, &repo, &none).await.unwrap(), Status::Pending);
        assert_eq!(app.ask_access(&bob, MODEL, &repo, &none).await.unwrap_err().code, Code::Conflict);
        app.withdraw_request(&bob, MODEL, &repo).await.unwrap();
        assert_eq!(app.ask_access(&bob, MODEL, &repo, &none).await.unwrap(), Status::Pending);
        assert_eq!((open(&bob).await, standing(&bob).await), (Err(Code::GatedRepo), Standing::Pending));
        let of_bob = Which::Of("bob".parse().unwrap());
        let decide = async |status, reason| app.decide_request(&write, &of_bob, status, reason).await.map_err(|e| e.code);
        assert_eq!(decide(Status::Pending, None).await, Err(Code::NotFound));
        assert_eq!(decide(Status::Accepted, Some("why")).await, Err(Code::Invalid));
        decide(Status::Accepted, None).await.unwrap();
        assert_eq!(open(&bob).await, Ok(()));
        assert_eq!(open(&reads).await, Ok(()));
        assert_eq!(app.withdraw_request(&bob, MODEL, &repo).await.unwrap_err().code, Code::Conflict);
        decide(Status::Pending, None).await.unwrap();
        assert_eq!(open(&bob).await, Err(Code::GatedRepo));
        decide(Status::Rejected, Some(" not for you ")).await.unwrap();
        assert_eq!(standing(&bob).await, Standing::Rejected(Some("not for you".into())));
        let listed = app.list_requests(&write, Status::Rejected, None, None).await.unwrap().items;
        assert_eq!((listed.len(), listed[0].user.as_str(), listed[0].by_hand), (1, "bob", false));
        let by_id = Which::Id(listed[0].public_id.clone());
        app.decide_request(&write, &by_id, Status::Accepted, None).await.unwrap();
        assert_eq!(standing(&bob).await, Standing::Accepted);
        assert_eq!(app.grant_access(&write, &"bob".parse().unwrap()).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.grant_access(&write, &"nobody-here".parse().unwrap()).await.unwrap_err().code, Code::NotFound);
        let dora = hub.writer("dora").await;
        assert!(app.grant_access(&write, &"dora".parse().unwrap()).await.unwrap().by_hand);
        assert_eq!(open(&dora).await, Ok(()));
        let first = app.list_requests(&write, Status::Accepted, None, Some(1)).await.unwrap();
        let second = app.list_requests(&write, Status::Accepted, first.next.as_deref(), Some(1)).await.unwrap();
        assert_eq!((first.items[0].user.as_str(), second.items[0].user.as_str(), second.next), ("bob", "dora", None));
        let report = app.request_report(&write).await.unwrap();
        assert_eq!(report.lines().count(), 3, "{report}");

        // Moving keeps the gate; a gate that opens by itself lets in whoever asks.
        app.move_repo(&alice, MODEL, &repo, &path("lab/renamed")).await.unwrap();
        assert_eq!((open(&bob).await, open(&nobody).await), (Ok(()), Err(Code::GatedRepo)));
        app.change_settings(&admin, Settings { gating: Some(Gating::Auto), ..Settings::default() }).await.unwrap();
        let eve = hub.writer("eve").await;
        assert_eq!(app.ask_access(&eve, MODEL, &repo, &none).await.unwrap(), Status::Accepted);
        assert_eq!(open(&eve).await, Ok(()));
        // Closed to the public, it is nothing to those who were let in.
        app.change_settings(&admin, Settings { visibility: Some(Visibility::Private), ..Settings::default() }).await.unwrap();
        assert_eq!(open(&eve).await, Err(Code::RepoNotFound));
        let all = Settings { visibility: Some(Visibility::Public), gating: Some(Gating::Open) };
        assert_eq!(app.change_settings(&admin, all).await.unwrap(), (Visibility::Public, Gating::Open));
        assert_eq!(open(&nobody).await, Ok(()));
    }

    async fn squashing_leaves_the_files_and_the_others(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        for (name, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
            hub.commit(&alice, &repo, None, &[(name, Some(text))]).await.unwrap();
        }
        let app = &hub.app;
        let access = app.write(&alice, MODEL, &repo).await.unwrap();
        app.create_branch(&access, "kept", BranchStart::At(Revision::main()), false).await.unwrap();
        app.squash_history(&access, &Revision::main(), "All in one\n\nWith words.").await.unwrap();
        let count = async |rev: &str| {
            let head = app.resolve_revision(&access.content(), &Revision::new(rev)).await.unwrap();
            let (commits, total) = app.list_commits(&access.content(), head, 0, 9).await.unwrap();
            (commits[0].title.clone(), commits[0].message.trim().to_owned(), total)
        };
        assert_eq!(count("main").await, ("All in one".into(), "With words.".into(), 1));
        assert_eq!(count("kept").await.2, 4);
        assert_eq!(hub.paths(&alice, &repo, "main").await, [".gitattributes", "a", "b"]);
        for (rev, message, code) in [("nowhere", "x", Code::RevisionNotFound), ("refs/tags/kept", "x", Code::RevisionNotFound), ("main", " ", Code::Invalid)] {
            assert_eq!(app.squash_history(&access, &Revision::new(rev), message).await.unwrap_err().code, code);
        }
        hub.assert_sound().await;
    }

    async fn large_files_are_deleted_from_all_of_history(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        hub.commit(&alice, &repo, None, &[("d/keep", Some("1"))]).await.unwrap();
        let app = &hub.app;
        let write = app.write(&alice, MODEL, &repo).await.unwrap();
        app.create_branch(&write, "early", BranchStart::At(Revision::main()), false).await.unwrap();
        let first = large(&hub, &alice, &repo, "main", "d/deep/one.bin", "one").await;
        let second = large(&hub, &alice, &repo, "main", "d/two.bin", "two").await;
        app.create_tag(&write, "v1", &Revision::main(), None).await.unwrap();
        app.create_tag(&write, "v1-signed", &Revision::main(), Some("Words.\n-----BEGIN PGP SIGNATURE-----\nx\n")).await.unwrap();
        hub.commit(&alice, &repo, None, &[("d/deep/one.bin", None), ("e", Some("2"))]).await.unwrap();
        let third = large(&hub, &alice, &repo, "early", "three.bin", "three").await;
        let content = write.content();
        let tip = async |rev: &str| app.resolve_revision(&content, &Revision::new(rev)).await.unwrap();
        let (main, tag, early) = (tip("main").await, tip("v1").await, tip("early").await);
        let listed = async |limit: usize| {
            let mut found = BTreeMap::new();
            let mut cursor = None;
            loop {
                let page = app.list_large_files(&write, cursor.as_deref(), Some(limit)).await.unwrap();
                for f in page.items {
                    found.insert(f.sha256.to_string(), (f.path.unwrap_or_default(), f.reference.map(|r| r.to_string()).unwrap_or_default()));
                }
                cursor = page.next;
                if cursor.is_none() {
                    return found;
                }
            }
        };
        let name = |p: &str, r: &str| (p.to_owned(), r.to_owned());
        let all: BTreeMap<_, _> = [
            (first.to_string(), name("d/deep/one.bin", "refs/tags/v1")),
            (second.to_string(), name("d/two.bin", "refs/heads/main")),
            (third.to_string(), name("three.bin", "refs/heads/early")),
        ].into();
        assert_eq!(listed(1).await, all);
        assert_eq!(listed(9).await, all);

        let admin = app.administer(&alice, MODEL, &repo).await.unwrap();
        assert_eq!(app.delete_large_files(&admin, &[first, Sha256([7; 32])], true).await.unwrap(), 1);
        assert_eq!(hub.paths(&alice, &repo, "v1").await, [".gitattributes", "d/keep", "d/two.bin"]);
        assert_eq!(hub.paths(&alice, &repo, "v1-signed").await, [".gitattributes", "d/keep", "d/two.bin"]);
        assert_eq!(hub.paths(&alice, &repo, "main").await, [".gitattributes", "d/keep", "d/two.bin", "e"]);
        // What never led to it keeps its id; all the rest has its commits still, under other ids.
        assert_eq!(tip("early").await, early);
        assert_ne!(tip("v1").await, tag);
        let (commits, total) = app.list_commits(&content, tip("main").await, 0, 9).await.unwrap();
        let titles: Vec<_> = commits.iter().map(|c| (c.title.as_str(), c.author.as_str())).collect();
        assert_eq!(titles, [("change", "alice"), ("add d/two.bin", "alice"), ("add d/deep/one.bin", "alice"), ("change", "alice"), ("initial commit", "alice")]);
        assert_eq!(total, 5);
        // By an old id its pointer is there, and its content is not.
        let old = app.find_entry(&content, tag, &"d/deep/one.bin".parse().unwrap()).await.unwrap();
        assert!(old.lfs.is_some() && old.xet.is_none());
        assert!(app.find_entry(&content, main, &"d/two.bin".parse().unwrap()).await.unwrap().xet.is_some());
        hub.assert_sound().await;

        // Without rewriting, history goes on pointing to it; that is no damage.
        assert_eq!(app.delete_large_files(&admin, &[second], false).await.unwrap(), 1);
        let kept = app.find_entry(&content, tip("main").await, &"d/two.bin".parse().unwrap()).await.unwrap();
        assert!(kept.lfs.is_some() && kept.xet.is_none());
        assert_eq!(listed(9).await.len(), 1);
        hub.assert_sound().await;
        // And it may come again.
        assert_eq!(large(&hub, &alice, &repo, "main", "d/two.bin", "two").await, second);
        assert_eq!(listed(9).await.len(), 2);
        // A copy holds what its original holds.
        let made = app.duplicate_repo(&alice, &content, Duplicate { to: path("alice/copy"), visibility: None, group: None }).await.unwrap();
        app.delete_repo(&admin).await.unwrap();
        let copy = app.read_content(&alice, MODEL, &made.path).await.unwrap();
        let head = app.resolve_revision(&copy, &Revision::main()).await.unwrap();
        assert!(app.find_entry(&copy, head, &"d/two.bin".parse().unwrap()).await.unwrap().xet.is_some());
        hub.assert_sound().await;
    }

    async fn a_copy_is_a_repository_of_its_own(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        hub.commit(&alice, &repo, None, &[("a/b/c", Some("1")), ("d", Some("2"))]).await.unwrap();
        let app = &hub.app;
        let from = app.read_content(&bob, MODEL, &repo).await.unwrap();
        let copy = async |to: &str, visibility| app.duplicate_repo(&bob, &from, Duplicate { to: path(to), visibility, group: None }).await;
        let made = copy("bob/copy", None).await.unwrap();
        assert_eq!(hub.paths(&bob, &made.path, "main").await, [".gitattributes", "a/b/c", "d"]);
        let e = copy("bob/COPY", None).await.unwrap_err();
        assert_eq!((e.code, e.detail.as_deref()), (Code::Conflict, Some("http://hub.test/bob/copy")));
        assert_eq!(copy("alice/copy", None).await.unwrap_err().code, Code::Forbidden);
        assert!(app.read(&alice, MODEL, &path("bob/copy")).await.is_ok());
        copy("bob/hidden", Some(Visibility::Private)).await.unwrap();
        assert!(app.read(&alice, MODEL, &path("bob/hidden")).await.is_err());
        // Neither needs the other.
        app.delete_repo(&app.administer(&alice, MODEL, &repo).await.unwrap()).await.unwrap();
        hub.commit(&bob, &made.path, None, &[("d", Some("3"))]).await.unwrap();
        hub.assert_sound().await;
    }
}
