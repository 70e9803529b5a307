//! Likes, follows and the attention that follows from them.

use std::collections::HashSet;

use haina_app::repos::{ListQuery, ListSort};
use haina_types::{Code, OrgRole, RepoKind, RepoPath, Slug, TokenRole, Visibility};

use crate::hub::{Hub, both};

fn slug(name: &str) -> Slug {
    name.parse().unwrap()
}

async fn likes(hub: &Hub, caller: &haina_app::Caller, path: &RepoPath) -> u64 {
    let access = hub.app.read(caller, RepoKind::Model, path).await.unwrap();
    access.repo().likes
}

both! {
    async fn likes_count_once(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.read(&bob, RepoKind::Model, &path).await.unwrap();
        let me = hub.app.act(&bob).await.unwrap();
        for _ in 0..3 {
            hub.app.like(&access, &me).await.unwrap();
        }
        hub.app.like(&access, &hub.app.act(&alice).await.unwrap()).await.unwrap();
        assert_eq!(likes(&hub, &alice, &path).await, 2);
        let found = hub.app.likers(&access, None, None).await.unwrap();
        assert_eq!(found.items.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
        assert!(hub.app.likes(&bob, &access).await.unwrap());
        for _ in 0..2 {
            hub.app.unlike(&access, &me).await.unwrap();
        }
        assert_eq!(likes(&hub, &alice, &path).await, 1);
        assert!(!hub.app.likes(&bob, &access).await.unwrap());
        let liked = hub.app.liked_repos(&bob, &slug("alice"), None, None, None).await.unwrap();
        assert_eq!(liked.items.len(), 1);
        let standing = hub.app.standing(&bob, alice.user().unwrap().id).await.unwrap();
        assert_eq!(standing.likes, 1);
        // A repository that goes takes its likes along.
        let admin = hub.app.administer(&alice, RepoKind::Model, &path).await.unwrap();
        hub.app.delete_repo(&admin).await.unwrap();
        assert_eq!(hub.app.standing(&bob, alice.user().unwrap().id).await.unwrap().likes, 0);
        assert_eq!(hub.app.like(&access, &me).await.unwrap_err().code, Code::RepoNotFound);
        hub.assert_sound().await;
    }

    async fn many_like_at_once(hub: Hub) {
        let alice = hub.writer("alice").await;
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let mut tasks = Vec::new();
        for i in 0..8 {
            let caller = hub.writer(&format!("fan{i}")).await;
            for _ in 0..2 {
                let (app, caller, path) = (hub.app.clone(), caller.clone(), path.clone());
                tasks.push(tokio::spawn(async move {
                    let access = app.read(&caller, RepoKind::Model, &path).await.unwrap();
                    app.like(&access, &app.act(&caller).await.unwrap()).await.unwrap();
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(likes(&hub, &alice, &path).await, 8);
        hub.assert_sound().await;
    }

    async fn likes_of_what_one_may_not_know_stay_hidden(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let reader = hub.user("alice", TokenRole::Read).await;
        let secret = hub.repo(&alice, "alice/secret", Visibility::Private).await;
        let open = hub.repo(&alice, "alice/open", Visibility::Public).await;
        let me = hub.app.act(&alice).await.unwrap();
        for path in [&secret, &open] {
            hub.app.like(&hub.app.read(&alice, RepoKind::Model, path).await.unwrap(), &me).await.unwrap();
        }
        let seen = async |caller: &haina_app::Caller| {
            let page = hub.app.liked_repos(caller, &slug("alice"), None, None, None).await.unwrap();
            page.items.iter().map(|l| l.repo.path().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(seen(&alice).await, ["alice/open", "alice/secret"]);
        assert_eq!(seen(&bob).await, ["alice/open"]);
        assert_eq!(seen(&haina_app::Caller::anonymous()).await, ["alice/open"]);
        assert_eq!(hub.app.act(&reader).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.act(&haina_app::Caller::anonymous()).await.unwrap_err().code, Code::Unauthenticated);
        assert_eq!(hub.app.liked_repos(&bob, &slug("nobody"), None, None, None).await.unwrap_err().code, Code::NotFound);
    }

    async fn lists_come_in_pages(hub: Hub) {
        let alice = hub.writer("alice").await;
        let path = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.read(&alice, RepoKind::Model, &path).await.unwrap();
        for i in 0..5 {
            let fan = hub.writer(&format!("fan{i}")).await;
            let me = hub.app.act(&fan).await.unwrap();
            hub.app.like(&access, &me).await.unwrap();
            hub.app.follow(&me, &slug("alice"), Some(false)).await.unwrap();
        }
        let (mut seen, mut followers, mut cursor) = (Vec::new(), Vec::new(), None);
        loop {
            let page = hub.app.likers(&access, Some(2), cursor.as_deref()).await.unwrap();
            let same = hub.app.followers(&slug("alice"), None, Some(2), None).await.unwrap();
            assert_eq!(same.items.len(), 2);
            seen.extend(page.items.into_iter().map(|p| p.name));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["fan4", "fan3", "fan2", "fan1", "fan0"]);
        loop {
            let page = hub.app.followers(&slug("alice"), Some(false), Some(3), cursor.as_deref()).await.unwrap();
            followers.extend(page.items.into_iter().map(|p| p.name));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(followers.iter().collect::<HashSet<_>>().len(), 5);
        assert_eq!(hub.app.likers(&access, None, Some("x")).await.unwrap_err().code, Code::Invalid);
    }

    async fn people_follow_people_and_organizations(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        hub.org("lab", "alice", &[("bob", OrgRole::Read)]).await;
        let (a, b) = (hub.app.act(&alice).await.unwrap(), hub.app.act(&bob).await.unwrap());
        for _ in 0..2 {
            hub.app.follow(&b, &slug("Alice"), Some(false)).await.unwrap();
            hub.app.follow(&a, &slug("bob"), None).await.unwrap();
            hub.app.follow(&b, &slug("lab"), Some(true)).await.unwrap();
        }
        let bobs = hub.app.standing(&alice, b.user().id).await.unwrap();
        assert_eq!((bobs.followers, bobs.following, bobs.is_followed), (1, 2, true));
        let names = |page: haina_app::Page<haina_app::social::PersonRow>| {
            page.items.into_iter().map(|p| (p.name, p.is_org)).collect::<Vec<_>>()
        };
        let following = hub.app.following(&slug("bob"), None, None).await.unwrap();
        assert_eq!(names(following), [("lab".to_owned(), true), ("alice".to_owned(), false)]);
        assert_eq!(names(hub.app.followers(&slug("lab"), Some(true), None, None).await.unwrap()), [("bob".to_owned(), false)]);
        for (name, is_org, code) in [("bob", Some(false), Code::Invalid), ("lab", Some(false), Code::NotFound),
            ("alice", Some(true), Code::NotFound), ("nobody", None, Code::NotFound)] {
            assert_eq!(hub.app.follow(&b, &slug(name), is_org).await.unwrap_err().code, code, "{name}");
        }
        hub.app.unfollow(&b, &slug("lab"), None).await.unwrap();
        hub.app.unfollow(&b, &slug("lab"), None).await.unwrap();
        let bobs = hub.app.standing(&bob, b.user().id).await.unwrap();
        assert_eq!((bobs.followers, bobs.following, bobs.is_followed), (1, 1, false));
    }

    async fn what_is_liked_trends(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        for name in ["alice/one", "alice/two", "alice/three"] {
            hub.repo(&alice, name, Visibility::Public).await;
        }
        let read = async |name: &str| hub.app.read(&bob, RepoKind::Model, &name.parse().unwrap()).await.unwrap();
        let (a, b) = (hub.app.act(&alice).await.unwrap(), hub.app.act(&bob).await.unwrap());
        hub.app.like(&read("alice/two").await, &a).await.unwrap();
        hub.app.like(&read("alice/two").await, &b).await.unwrap();
        hub.app.like(&read("alice/one").await, &b).await.unwrap();
        assert_eq!(hub.app.refresh_trending().await.unwrap(), 2);
        let order = async || {
            let query = ListQuery { kinds: vec![RepoKind::Model], sort: ListSort::Trending, ..ListQuery::default() };
            let page = hub.app.list_repos(&bob, query).await.unwrap();
            page.items.iter().map(|r| r.repo.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(order().await, ["two", "one", "three"]);
        hub.app.unlike(&read("alice/two").await, &a).await.unwrap();
        hub.app.unlike(&read("alice/two").await, &b).await.unwrap();
        assert_eq!(hub.app.refresh_trending().await.unwrap(), 1);
        assert_eq!(order().await[0], "one");
        assert_eq!(read("alice/two").await.repo().trending, 0);
    }
}
