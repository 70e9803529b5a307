//! Listing folders, finding files, revisions, last commits, facts.

use haina_app::history::{EntryKind, TreeOptions};
use haina_types::{Code, RepoKind, Revision, Visibility};

use crate::hub::both;

both! {
    async fn pages_of_a_listing_add_up(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let names: Vec<String> = (0..40).map(|i| format!("d{}/e{}/f{i}.txt", i % 3, i % 2)).collect();
        let files: Vec<(&str, Option<&str>)> = names.iter().map(|n| (n.as_str(), Some("x"))).collect();
        hub.commit(&alice, &repo, None, &files).await.unwrap();
        let access = hub.app.read_content(&alice, RepoKind::Model, &repo).await.unwrap();
        let commit = hub.app.resolve_revision(&access, &Revision::main()).await.unwrap();
        for recursive in [true, false] {
            let whole = hub.app.list_tree(&access, commit, None, &TreeOptions { recursive, ..Default::default() }).await.unwrap();
            assert!(whole.next.is_none());
            let whole: Vec<String> = whole.items.iter().map(|e| e.path.to_string()).collect();
            assert_eq!(whole.len(), if recursive { 1 + 40 + 3 + 6 } else { 4 });
            for limit in [1, 3, 7] {
                let mut options = TreeOptions { recursive, limit: Some(limit), ..Default::default() };
                let mut seen = Vec::new();
                loop {
                    let page = hub.app.list_tree(&access, commit, None, &options).await.unwrap();
                    assert!(page.items.len() <= limit);
                    seen.extend(page.items.iter().map(|e| e.path.to_string()));
                    match page.next {
                        Some(next) => options.cursor = Some(next),
                        None => break,
                    }
                }
                assert_eq!(seen, whole, "limit {limit}");
            }
        }
        let below = "d1/e0".parse().unwrap();
        let page = hub.app.list_tree(&access, commit, Some(&below), &TreeOptions { limit: Some(2), ..Default::default() }).await.unwrap();
        assert!(page.items.iter().all(|e| e.path.as_str().starts_with("d1/e0/f")) && page.next.is_some());
        for cursor in ["", "nope", "../x", "d1/nope", "d1/e0/f1.txt/deeper"] {
            let options = TreeOptions { recursive: true, cursor: Some(cursor.into()), ..Default::default() };
            assert_eq!(hub.app.list_tree(&access, commit, None, &options).await.unwrap_err().code, Code::Invalid, "{cursor:?}");
        }
        for missing in ["nope", "d1/nope", "d1/e0/f4.txt"] {
            let e = hub.app.list_tree(&access, commit, Some(&missing.parse().unwrap()), &TreeOptions::default()).await;
            let e = e.unwrap_err();
            assert_eq!((e.code, e.commit), (Code::EntryNotFound, Some(commit)), "{missing}");
        }
    }

    async fn the_last_commit_of_each_path(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let first = hub.commit(&alice, &repo, None, &[("a", Some("1")), ("d/x", Some("1")), ("d/y", Some("1"))]).await.unwrap();
        let second = hub.commit(&alice, &repo, None, &[("d/x", Some("2"))]).await.unwrap();
        let third = hub.commit(&alice, &repo, None, &[("b", Some("3"))]).await.unwrap();
        let access = hub.app.read_content(&alice, RepoKind::Model, &repo).await.unwrap();
        let options = TreeOptions { recursive: true, expand: true, ..Default::default() };
        let page = hub.app.list_tree(&access, third.id, None, &options).await.unwrap();
        let last = |path: &str| page.items.iter().find(|e| e.path.as_str() == path).unwrap().last_commit.clone().unwrap().id;
        assert_eq!(last("a"), first.id);
        assert_eq!(last("d"), second.id);
        assert_eq!(last("d/x"), second.id);
        assert_eq!(last("d/y"), first.id);
        assert_eq!(last("b"), third.id);
        assert_ne!(last(".gitattributes"), first.id);
        let old = hub.app.list_tree(&access, first.id, None, &options).await.unwrap();
        assert!(old.items.iter().all(|e| e.path.as_str() != "b"));
    }

    async fn what_a_revision_can_be(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let done = hub.commit(&alice, &repo, None, &[("a", Some("1"))]).await.unwrap();
        let access = hub.app.read_content(&alice, RepoKind::Model, &repo).await.unwrap();
        let id = done.id.to_string();
        for good in ["main", "HEAD", "refs/heads/main", &id, &id[..7], &id[..20].to_uppercase()] {
            assert_eq!(hub.app.resolve_revision(&access, &Revision::new(good)).await.unwrap(), done.id, "{good}");
        }
        for bad in ["", "nope", "refs/pr/1", &id[..6], "0000000000000000000000000000000000000000", "a\0b", "main~1", "../main"] {
            let e = hub.app.resolve_revision(&access, &Revision::new(bad)).await.unwrap_err();
            assert_eq!((e.code, e.message), (Code::RevisionNotFound, format!("Invalid rev id: {bad}")));
        }
        // Another repository's commit is no revision of this one.
        let other = hub.repo(&alice, "alice/n", Visibility::Private).await;
        let secret = hub.commit(&alice, &other, None, &[("s", Some("1"))]).await.unwrap();
        let e = hub.app.resolve_revision(&access, &Revision::new(secret.id.to_string())).await.unwrap_err();
        assert_eq!(e.code, Code::RevisionNotFound);
    }

    async fn facts_follow_the_main_branch(hub: Hub) {
        use haina_app::repos::ListQuery;
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let card = "---\nlicense: apache-2.0\nlanguage: [zh, en]\ntags: [marine]\npipeline_tag: text-generation\n---\n# 海\n";
        hub.commit(&alice, &repo, None, &[("README.md", Some(card)), ("config.json", Some("{\"model_type\":\"bert\",\"architectures\":[\"BertModel\"]}"))]).await.unwrap();
        let by_tag = |tag: &str| ListQuery { tags: vec![tag.to_owned()], ..ListQuery::default() };
        for tag in ["license:apache-2.0", "zh", "marine"] {
            assert_eq!(hub.app.list_repos(&alice, by_tag(tag)).await.unwrap().items.len(), 1, "{tag}");
        }
        let access = hub.app.read(&alice, RepoKind::Model, &repo).await.unwrap();
        let info = hub.app.repo_info(&access).await.unwrap();
        assert_eq!(info.facts.pipeline_tag.as_deref(), Some("text-generation"));
        assert_eq!(info.facts.config.as_ref().unwrap()["model_type"], "bert");
        hub.commit(&alice, &repo, None, &[("README.md", None)]).await.unwrap();
        assert!(hub.app.list_repos(&alice, by_tag("marine")).await.unwrap().items.is_empty());
        let access = hub.app.read(&alice, RepoKind::Model, &repo).await.unwrap();
        assert_eq!(hub.app.repo_info(&access).await.unwrap().facts.card, None);
    }

    async fn found_entries_say_what_they_are(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let done = hub.commit(&alice, &repo, None, &[("d/模型.txt", Some("水"))]).await.unwrap();
        let access = hub.app.read_content(&alice, RepoKind::Model, &repo).await.unwrap();
        let file = hub.app.find_entry(&access, done.id, &"d/模型.txt".parse().unwrap()).await.unwrap();
        assert_eq!((file.kind, file.size, file.lfs, file.xet), (EntryKind::File, 3, None, None));
        assert_eq!(hub.app.read_blob(&access, &file).await.unwrap(), "水".as_bytes());
        let folder = hub.app.find_entry(&access, done.id, &"d".parse().unwrap()).await.unwrap();
        assert_eq!((folder.kind, folder.size), (EntryKind::Directory, 0));
        let paths = ["d/模型.txt", "d/", "none", "../x", "d/模型.txt/below"].map(str::to_owned);
        let found = hub.app.list_paths(&access, done.id, &paths, true).await.unwrap();
        assert_eq!(found.iter().map(|e| e.path.as_str()).collect::<Vec<_>>(), ["d/模型.txt", "d"]);
    }
}
