//! Facets of lists, the audit log, and commits that come again: the same on both databases.

use haina_app::Caller;
use haina_app::audit::AuditQuery;
use haina_app::history::CommitHeader;
use haina_app::repos::{Facets, ListQuery};
use haina_types::{Code, OrgRole, RepoKind, Revision, Visibility};

use crate::hub::both;

fn card(front: &str) -> String {
    format!("---\n{front}\n---\n# A card\n")
}

fn count(facets: &Facets, group: &str, tag: &str) -> u64 {
    let found = facets.groups.iter().find(|g| g.name == group);
    found.and_then(|g| g.tags.iter().find(|t| t.id == tag)).map_or(0, |t| t.count)
}

both! {
    async fn facets_count_what_the_asker_may_know(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        for (name, visibility, front) in [
            ("alice/a", Visibility::Public, "license: mit\npipeline_tag: text-generation\nlanguage: [zh, en]"),
            ("alice/b", Visibility::Public, "license: mit\nlibrary_name: transformers"),
            ("alice/c", Visibility::Public, "license: apache-2.0\nlanguage: zh"),
            ("alice/d", Visibility::Private, "license: mit\nlibrary_name: diffusers"),
        ] {
            let repo = hub.repo(&alice, name, visibility).await;
            hub.commit(&alice, &repo, None, &[("README.md", Some(&card(front)))]).await.unwrap();
        }
        let ask = async |caller: &Caller, tags: &[&str]| {
            let tags = tags.iter().map(|t| (*t).to_owned()).collect();
            hub.app.facets(caller, RepoKind::Model, ListQuery { tags, ..ListQuery::default() }).await.unwrap()
        };
        // The first who asks is told at once; later ones what was remembered. Both are the same here.
        for _ in 0..3 {
            let everyone = ask(&Caller::anonymous(), &[]).await;
            assert!(everyone.complete && everyone.counted == 3, "{everyone:?}");
            assert_eq!(count(&everyone, "license", "license:mit"), 2);
            assert_eq!((count(&everyone, "language", "zh"), count(&everyone, "pipeline_tag", "text-generation")), (2, 1));
            assert_eq!(count(&everyone, "library", "diffusers"), 0);
            assert_eq!(count(&ask(&bob, &[]).await, "license", "license:mit"), 2);
            let own = ask(&alice, &[]).await;
            assert_eq!((own.counted, count(&own, "license", "license:mit"), count(&own, "library", "diffusers")), (4, 3, 1));
            let mit = ask(&Caller::anonymous(), &["license:mit", "zh"]).await;
            assert_eq!((mit.counted, count(&mit, "language", "en"), count(&mit, "license", "license:apache-2.0")), (1, 1, 0));
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let none = hub.app.facets(&alice, RepoKind::Dataset, ListQuery::default()).await.unwrap();
        assert!(none.complete && none.counted == 0 && none.groups.is_empty());
        hub.assert_sound().await;
    }

    async fn the_ledger_is_shown_to_those_who_answer_for_it(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let reader = hub.user("bob", haina_types::TokenRole::Read).await;
        hub.org("lab", "bob", &[("alice", OrgRole::Write)]).await;
        let repo = hub.repo(&bob, "lab/m", Visibility::Public).await;
        hub.commit(&alice, &repo, None, &[("a", Some("a"))]).await.unwrap();
        hub.repo(&alice, "alice/own", Visibility::Private).await;
        let lab = "lab".parse().unwrap();
        let kinds = |page: haina_app::Page<haina_app::audit::AuditEvent>| page.items.into_iter().map(|e| e.action).collect::<Vec<_>>();
        let access = hub.app.audit_namespace(&bob, &lab).await.unwrap();
        let all = hub.app.audit(&access, &AuditQuery::default()).await.unwrap();
        assert!(all.next.is_none() && all.items.iter().all(|e| e.namespace.as_deref() == Some("lab")));
        assert_eq!(all.items[0].action, "repo.commit");
        assert_eq!(all.items[0].actor.as_deref(), Some("alice"));
        assert_eq!(all.items[0].repo.as_ref().unwrap().name.as_deref(), Some("lab/m"));
        let query = AuditQuery { actor: Some("alice".into()), action: Some("repo.*".into()), ..AuditQuery::default() };
        assert_eq!(kinds(hub.app.audit(&access, &query).await.unwrap()), ["repo.commit"]);
        let query = AuditQuery { target: Some("alice/own".into()), ..AuditQuery::default() };
        assert!(kinds(hub.app.audit(&access, &query).await.unwrap()).is_empty());
        let first = hub.app.audit(&access, &AuditQuery { limit: Some(2), ..AuditQuery::default() }).await.unwrap();
        let rest = AuditQuery { cursor: first.next.clone(), limit: Some(1000), ..AuditQuery::default() };
        assert_eq!(first.items.len() + hub.app.audit(&access, &rest).await.unwrap().items.len(), all.items.len());
        for (caller, code) in [(&alice, Code::Forbidden), (&reader, Code::Forbidden), (&Caller::anonymous(), Code::Unauthenticated)] {
            assert_eq!(hub.app.audit_namespace(caller, &lab).await.unwrap_err().code, code);
            assert_eq!(hub.app.audit_all(caller).await.unwrap_err().code, code);
        }
        assert_eq!(hub.app.audit_repo(&alice, RepoKind::Model, &repo).await.unwrap_err().code, Code::Forbidden);
        let of_repo = hub.app.audit_repo(&bob, RepoKind::Model, &repo).await.unwrap();
        assert_eq!(kinds(hub.app.audit(&of_repo, &AuditQuery::default()).await.unwrap()).len(), 3);
    }

    async fn a_commit_that_comes_again_is_the_same(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        hub.org("lab", "bob", &[("alice", OrgRole::Write)]).await;
        let repo = hub.repo(&bob, "lab/m", Visibility::Public).await;
        let parent = hub.commit(&bob, &repo, None, &[("a", Some("a"))]).await.unwrap().id.to_string();
        let send = async |caller: &Caller, text: &str| hub.commit(caller, &repo, Some(&parent), &[("b", Some(text))]).await;
        let made = send(&alice, "b").await.unwrap().id;
        for _ in 0..2 {
            assert_eq!(send(&alice, "b").await.unwrap().id, made);
        }
        assert_eq!(send(&alice, "c").await.unwrap_err().code, Code::Stale);
        assert_eq!(send(&bob, "b").await.unwrap_err().code, Code::Stale);
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let header = CommitHeader { summary: "another".into(), description: String::new(), parent: Some(parent.clone()) };
        let refused = hub.app.begin_commit(&access, &Revision::main(), header).await.err().unwrap();
        assert_eq!(refused.code, Code::Stale);
        // Many at once, each a request by itself.
        let parent = made.to_string();
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let (app, alice, repo, parent) = (hub.app.clone(), alice.clone(), repo.clone(), parent.clone());
            tasks.push(tokio::spawn(async move {
                let access = app.write(&alice, RepoKind::Model, &repo).await.unwrap();
                let header = CommitHeader { summary: "once".into(), description: "x".into(), parent: Some(parent) };
                let mut writer = app.begin_commit(&access, &Revision::main(), header).await.unwrap();
                writer.put_file("d", b"d".to_vec()).await.unwrap();
                writer.finish().await.unwrap().id
            }));
        }
        let mut ids = std::collections::HashSet::new();
        for task in tasks {
            ids.insert(task.await.unwrap());
        }
        assert_eq!(ids.len(), 1);
        hub.assert_sound().await;
    }
}
