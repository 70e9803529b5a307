//! Commits: all or nothing, one winner for each head, and what is refused.

use haina_app::history::CommitHeader;
use haina_types::{Code, RepoKind, Revision, Sha256, Visibility};

use crate::hub::both;

both! {
    /// Thirty commits without a parent all land, whatever their order; each is on top of the one before.
    async fn commits_that_race_all_land(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let tasks = (0..30).map(|i| {
            let (hub, alice, repo) = (&hub, &alice, &repo);
            async move {
                let (name, text) = (format!("f{i}.txt"), i.to_string());
                hub.commit(alice, repo, None, &[(&name, Some(&text))]).await.unwrap()
            }
        });
        let done = futures_util::future::join_all(tasks).await;
        let paths = hub.paths(&alice, &repo, "main").await;
        assert_eq!(paths.len(), 31, "{paths:?}");
        let access = hub.app.read_content(&alice, RepoKind::Model, &repo).await.unwrap();
        let head = hub.app.resolve_revision(&access, &Revision::main()).await.unwrap();
        let (commits, total) = hub.app.list_commits(&access, head, 0, 100).await.unwrap();
        assert_eq!((commits.len(), total), (31, 31));
        assert!(done.iter().all(|d| commits.iter().any(|c| c.id == d.id)));
        hub.assert_sound().await;
    }

    /// Of commits that name the same parent exactly one lands; the others are told that the branch moved.
    async fn one_winner_for_each_parent(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let first = hub.commit(&alice, &repo, None, &[("a", Some("0"))]).await.unwrap().id.to_string();
        let tasks = (0..12).map(|i| {
            let (hub, alice, repo, parent) = (&hub, &alice, &repo, &first);
            async move { hub.commit(alice, repo, Some(parent), &[("a", Some(&i.to_string()))]).await }
        });
        let outcomes = futures_util::future::join_all(tasks).await;
        assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
        assert!(outcomes.iter().filter_map(|o| o.as_ref().err()).all(|e| e.code == Code::Stale), "{outcomes:?}");
        let e = hub.commit(&alice, &repo, Some(&first[..7]), &[("a", Some("late"))]).await.unwrap_err();
        assert_eq!(e.code, Code::Stale);
    }

    async fn bad_operations_change_nothing(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        hub.commit(&alice, &repo, None, &[("dir/a", Some("1")), ("b", Some("2"))]).await.unwrap();
        type Files<'a> = &'a [(&'a str, Option<&'a str>)];
        let cases: &[(Files<'_>, Code)] = &[
            (&[("x", Some("1")), ("../up", Some("2"))], Code::InvalidPath),
            (&[("x", Some("1")), (".git/config", Some("2"))], Code::InvalidPath),
            (&[("x", Some("1")), ("/abs", Some("2"))], Code::InvalidPath),
            (&[("x", Some("1")), ("..\\ddd", Some("2"))], Code::InvalidPath),
            (&[("x", Some("1")), ("none", None)], Code::EntryNotFound),
            (&[("b/below", Some("1"))], Code::InvalidPath),
            (&[("dir", Some("1"))], Code::InvalidPath),
        ];
        for (files, code) in cases {
            let e = hub.commit(&alice, &repo, None, files).await.unwrap_err();
            assert_eq!(e.code, *code, "{files:?}: {e:?}");
        }
        assert_eq!(hub.paths(&alice, &repo, "main").await, [".gitattributes", "b", "dir/a"]);
        // The last writer of a path wins within one commit, and a folder without files is gone.
        hub.commit(&alice, &repo, None, &[("b", Some("3")), ("b", Some("4")), ("dir/a", None)]).await.unwrap();
        assert_eq!(hub.paths(&alice, &repo, "main").await, [".gitattributes", "b"]);
        hub.assert_sound().await;
    }

    async fn a_large_file_must_be_stored_here(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let header = CommitHeader { summary: "large".into(), ..CommitHeader::default() };
        let mut writer = hub.app.begin_commit(&access, &Revision::main(), header.clone()).await.unwrap();
        writer.put_large("model.bin", Sha256([7; 32]), Some(10)).await.unwrap();
        let e = writer.finish().await.unwrap_err();
        assert_eq!(e.code, Code::Invalid, "{e:?}");
        // The same as text: a pointer is a large file, whoever wrote it.
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 10\n", Sha256([7; 32]));
        let mut writer = hub.app.begin_commit(&access, &Revision::main(), header.clone()).await.unwrap();
        writer.put_file("model.bin", pointer.into_bytes()).await.unwrap();
        assert_eq!(writer.finish().await.unwrap_err().code, Code::Invalid);
        // Content of another repository of the same owner does not count, until it is stored here too.
        let other = hub.repo(&alice, "alice/other", Visibility::Private).await;
        let theirs = hub.app.write(&alice, RepoKind::Model, &other).await.unwrap();
        let body = futures_util::stream::iter([Ok(bytes::Bytes::from_static(b"ten bytes!"))]);
        let stored = hub.app.store_content(&theirs.upload(), Box::pin(body), Default::default()).await.unwrap();
        let sha256: Sha256 = {
            use sha2::Digest;
            Sha256(sha2::Sha256::digest(b"ten bytes!").into())
        };
        assert_eq!(stored.size, 10);
        let mut writer = hub.app.begin_commit(&access, &Revision::main(), header.clone()).await.unwrap();
        writer.put_large("model.bin", sha256, Some(10)).await.unwrap();
        assert_eq!(writer.finish().await.unwrap_err().code, Code::Invalid);
        let mut writer = hub.app.begin_commit(&theirs, &Revision::main(), header.clone()).await.unwrap();
        writer.put_large("model.bin", sha256, Some(11)).await.unwrap();
        assert_eq!(writer.finish().await.unwrap_err().code, Code::Invalid, "a wrong size");
        let mut writer = hub.app.begin_commit(&theirs, &Revision::main(), header).await.unwrap();
        writer.put_large("model.bin", sha256, None).await.unwrap();
        writer.finish().await.unwrap();
        let access = hub.app.read_content(&alice, RepoKind::Model, &other).await.unwrap();
        let head = hub.app.resolve_revision(&access, &Revision::main()).await.unwrap();
        let path = "model.bin".parse().unwrap();
        assert_eq!(hub.app.read_small(&access, head, &path, 100).await.unwrap().unwrap(), b"ten bytes!");
        hub.assert_sound().await;
    }
}
