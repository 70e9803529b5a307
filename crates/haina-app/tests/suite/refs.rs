//! Branches and tags.

use haina_app::history::BranchStart;
use haina_types::{Code, RepoKind, Revision, Visibility};

use crate::hub::both;

both! {
    async fn branches_and_tags_come_and_go(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let first = hub.commit(&alice, &repo, None, &[("a", Some("1"))]).await.unwrap().id;
        let second = hub.commit(&alice, &repo, None, &[("b", Some("2"))]).await.unwrap().id;
        let app = &hub.app;
        let access = app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let at = |rev: &str| BranchStart::At(Revision::new(rev));
        app.create_branch(&access, "old", at(&first.to_string()), false).await.unwrap();
        assert_eq!(hub.paths(&alice, &repo, "old").await, [".gitattributes", "a"]);
        let e = app.create_branch(&access, "old", at("main"), false).await.unwrap_err();
        assert_eq!((e.code, e.message.as_str()), (Code::Conflict, "Reference refs/heads/old already exists"));
        app.create_branch(&access, "old", at("main"), true).await.unwrap();
        assert_eq!(app.resolve_revision(&access.content(), &Revision::new("old")).await.unwrap(), second);
        app.create_branch(&access, "bare", BranchStart::Empty, false).await.unwrap();
        assert!(hub.paths(&alice, &repo, "bare").await.is_empty());
        for bad in ["", "a..b", "a b", "-x", "HEAD", "x.lock", "old/below"] {
            let e = app.create_branch(&access, bad, at("main"), false).await.unwrap_err();
            assert!(matches!(e.code, Code::Invalid | Code::Conflict), "{bad}: {e:?}");
        }
        let e = app.create_branch(&access, "new", at("nowhere"), false).await.unwrap_err();
        assert_eq!(e.code, Code::RevisionNotFound);

        app.create_tag(&access, "v1", &Revision::new(&first.to_string()[..8]), None).await.unwrap();
        app.create_tag(&access, "v2", &Revision::main(), Some("The second.\n\nWith words.")).await.unwrap();
        app.create_tag(&access, "old", &Revision::main(), None).await.expect("a tag may have a branch's name");
        assert_eq!(app.create_tag(&access, "v2", &Revision::main(), None).await.unwrap_err().code, Code::Conflict);
        let refs = app.list_refs(&access.content()).await.unwrap();
        let tags: Vec<_> = refs.tags.iter().map(|t| (t.name.as_str(), t.commit)).collect();
        assert_eq!(tags, [("refs/tags/old", second), ("refs/tags/v1", first), ("refs/tags/v2", second)]);
        assert_eq!(app.resolve_revision(&access.content(), &Revision::new("v2")).await.unwrap(), second);
        hub.assert_sound().await;

        assert_eq!(app.delete_branch(&access, "main").await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.delete_branch(&access, "v1").await.unwrap_err().code, Code::RevisionNotFound);
        assert_eq!(app.delete_tag(&access, "bare").await.unwrap_err().code, Code::RevisionNotFound);
        app.delete_branch(&access, "bare").await.unwrap();
        app.delete_tag(&access, "v2").await.unwrap();
        assert_eq!(app.delete_tag(&access, "v2").await.unwrap_err().code, Code::RevisionNotFound);
        let e = app.resolve_revision(&access.content(), &Revision::new("bare")).await.unwrap_err();
        assert_eq!(e.code, Code::RevisionNotFound);
        hub.assert_sound().await;
    }
}
