//! Collections: who may see and change them, what is in them, and what becomes of it.

use haina_app::Caller;
use haina_app::buckets::NewBucket;
use haina_app::collections::{
    CollectionChange, CollectionQuery, CollectionSort, ItemChange, NewCollection, NewItem, View, ViewTarget, slug,
};
use haina_types::{Code, OrgRole, RepoKind, Result, Slug, TokenRole, Visibility};

use crate::hub::{Hub, both};

async fn make(hub: &Hub, caller: &Caller, owner: &str, title: &str, private: bool) -> Result<String> {
    let owner: Slug = owner.parse().unwrap();
    let access = hub.app.collect_in(caller, Some(&owner)).await?;
    hub.app.create_collection(&access, NewCollection { title: title.into(), private, ..NewCollection::default() }).await
}

async fn view(hub: &Hub, caller: &Caller, id: &str) -> Result<View> {
    let access = hub.app.read_collection(caller, id).await?;
    hub.app.view_collection(caller, &access).await
}

async fn add(hub: &Hub, caller: &Caller, id: &str, kind: &str, item: &str) -> Result<()> {
    let access = hub.app.write_collection(caller, id).await?;
    let new = NewItem { kind: kind.into(), id: item.into(), note: Some(format!("about *{item}*")) };
    hub.app.add_collection_item(caller, &access, new).await
}

/// What is in a collection, in words.
fn names(view: &View) -> Vec<String> {
    view.items
        .iter()
        .map(|i| match &i.target {
            ViewTarget::Repo(r, _) => r.repo.path().to_string(),
            ViewTarget::Collection(c) => c.title.clone(),
            ViewTarget::Paper(id) => id.clone(),
        })
        .collect()
}

both! {
    async fn who_may_do_what(hub: Hub) {
        let alice = hub.writer("alice").await;
        let people = [("reader", OrgRole::Read), ("helper", OrgRole::Contributor), ("writer", OrgRole::Write)];
        let mut callers = Vec::new();
        for (name, _) in people {
            callers.push(hub.writer(name).await);
        }
        let outsider = hub.writer("outsider").await;
        let only_reads = hub.user("alice", TokenRole::Read).await;
        hub.org("lab", "alice", &people).await;
        let open = make(&hub, &alice, "lab", "Open", false).await.unwrap();
        let closed = make(&hub, &alice, "lab", "Closed", true).await.unwrap();
        assert_eq!(make(&hub, &callers[0], "lab", "X", false).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(make(&hub, &callers[1], "lab", "X", false).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(make(&hub, &only_reads, "lab", "X", false).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(make(&hub, &outsider, "nosuch", "X", false).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(make(&hub, &Caller::anonymous(), "lab", "X", false).await.unwrap_err().code, Code::Unauthenticated);
        make(&hub, &callers[2], "lab", "By a writer", false).await.unwrap();
        for caller in callers.iter().chain([&only_reads]) {
            view(&hub, caller, &closed).await.unwrap();
        }
        for caller in [&outsider, &Caller::anonymous()] {
            view(&hub, caller, &open).await.unwrap();
            assert_eq!(view(&hub, caller, &closed).await.unwrap_err().code, Code::NotFound);
            assert_eq!(hub.app.write_collection(caller, &closed).await.unwrap_err().code, Code::NotFound);
        }
        assert_eq!(hub.app.write_collection(&outsider, &open).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.write_collection(&callers[1], &open).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.write_collection(&only_reads, &open).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.write_collection(&Caller::anonymous(), &open).await.unwrap_err().code, Code::Unauthenticated);
        hub.app.write_collection(&callers[2], &closed).await.unwrap();
        let titles = async |caller: &Caller| {
            let query = CollectionQuery { owners: vec!["LAB".into()], ..CollectionQuery::default() };
            let page = hub.app.list_collections(caller, query).await.unwrap();
            page.items.iter().map(|v| v.collection.title.clone()).collect::<Vec<_>>()
        };
        assert_eq!(titles(&outsider).await, ["By a writer", "Open"]);
        assert_eq!(titles(&callers[0]).await, ["By a writer", "Closed", "Open"]);
    }

    async fn titles_slugs_and_places(hub: Hub) {
        let alice = hub.writer("alice").await;
        let first = make(&hub, &alice, "alice", " My cool stuff ", false).await.unwrap();
        let e = make(&hub, &alice, "alice", "My cool stuff", false).await.unwrap_err();
        assert_eq!(e.code, Code::Conflict);
        assert_eq!(e.detail, Some(format!("alice/my-cool-stuff-{first}")));
        let second = make(&hub, &alice, "alice", "另一个", false).await.unwrap();
        let access = hub.app.write_collection(&alice, &second).await.unwrap();
        assert_eq!(slug(access.collection()), format!("alice/{second}"));
        assert_eq!(access.collection().position, 1);
        let change = |title: &str| CollectionChange { title: Some(title.into()), ..CollectionChange::default() };
        assert_eq!(hub.app.update_collection(&access, change("My cool stuff")).await.unwrap_err().code, Code::Conflict);
        for bad in ["", "a\nb", &"x".repeat(101)] {
            assert_eq!(hub.app.update_collection(&access, change(bad)).await.unwrap_err().code, Code::Invalid);
        }
        let bad = CollectionChange { theme: Some("mauve".into()), ..CollectionChange::default() };
        assert!(hub.app.update_collection(&access, bad).await.unwrap_err().message.contains("theme"));
        let all = CollectionChange {
            title: Some("Better".into()),
            description: Some("A line".into()),
            private: Some(true),
            theme: Some("pink".into()),
            position: Some(0),
        };
        hub.app.update_collection(&access, all).await.unwrap();
        let now = view(&hub, &alice, &second).await.unwrap().collection;
        assert_eq!((now.title.as_str(), now.description.as_deref(), now.private, now.theme.as_str(), now.position),
            ("Better", Some("A line"), true, "pink", 0));
        assert_eq!(view(&hub, &alice, &first).await.unwrap().collection.position, 1);
        hub.app.delete_collection(&hub.app.write_collection(&alice, &second).await.unwrap()).await.unwrap();
        assert_eq!(view(&hub, &alice, &second).await.unwrap_err().code, Code::NotFound);
        assert_eq!(hub.app.delete_collection(&access).await.unwrap_err().code, Code::NotFound);
    }

    async fn items_come_and_go(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        for (name, visibility) in [("alice/a", Visibility::Public), ("alice/b", Visibility::Private), ("alice/c", Visibility::Public)] {
            hub.repo(&alice, name, visibility).await;
        }
        let id = make(&hub, &alice, "alice", "Mine", false).await.unwrap();
        let hidden = make(&hub, &alice, "alice", "Hidden", true).await.unwrap();
        for (kind, item) in [("model", "alice/a"), ("model", "Alice/B"), ("paper", "2311.12983v2"), ("collection", &hidden), ("model", "alice/c")] {
            add(&hub, &alice, &id, kind, item).await.unwrap();
            assert_eq!(add(&hub, &alice, &id, kind, item).await.unwrap_err().code, Code::Conflict, "{item}");
        }
        for (kind, item, code) in [("dataset", "alice/a", Code::NotFound), ("model", "alice/none", Code::NotFound), ("paper", "x", Code::NotFound),
            ("collection", "x", Code::NotFound), ("collection", id.as_str(), Code::Invalid), ("thing", "x", Code::Invalid), ("model", "", Code::NotFound)] {
            assert_eq!(add(&hub, &alice, &id, kind, item).await.unwrap_err().code, code, "{kind} {item}");
        }
        let mine = view(&hub, &alice, &id).await.unwrap();
        assert_eq!(names(&mine), ["alice/a", "alice/b", "2311.12983", "Hidden", "alice/c"]);
        assert_eq!(mine.items[0].note.as_ref().unwrap().1.trim(), "<p>about <em>alice/a</em></p>");
        assert_eq!(names(&view(&hub, &bob, &id).await.unwrap()), ["alice/a", "2311.12983", "alice/c"]);
        assert_eq!(names(&view(&hub, &Caller::anonymous(), &id).await.unwrap()), ["alice/a", "2311.12983", "alice/c"]);

        // Bob cannot learn what is private by putting it into a collection of his, nor by looking for it.
        let bobs = make(&hub, &bob, "bob", "Bob's", false).await.unwrap();
        assert_eq!(add(&hub, &bob, &bobs, "model", "alice/b").await.unwrap_err().code, Code::NotFound);
        assert_eq!(add(&hub, &bob, &bobs, "collection", &hidden).await.unwrap_err().code, Code::NotFound);
        let with = async |caller: &Caller, item: &str| {
            let query = CollectionQuery { items: vec![item.into()], ..CollectionQuery::default() };
            hub.app.list_collections(caller, query).await.unwrap().items.len()
        };
        assert_eq!((with(&alice, "models/alice/b").await, with(&bob, "models/alice/b").await), (1, 0));
        assert_eq!((with(&bob, "models/alice/a").await, with(&bob, "papers/2311.12983").await), (1, 1));
        let bad = CollectionQuery { items: vec!["nonsense".into()], ..CollectionQuery::default() };
        assert_eq!(hub.app.list_collections(&bob, bad).await.unwrap_err().code, Code::Invalid);

        let access = hub.app.write_collection(&alice, &id).await.unwrap();
        let change = ItemChange { note: Some("new".into()), position: Some(1) };
        hub.app.update_collection_item(&access, &mine.items[4].id, change).await.unwrap();
        let change = ItemChange { note: Some(String::new()), position: Some(99) };
        hub.app.update_collection_item(&access, &mine.items[0].id, change).await.unwrap();
        let moved = view(&hub, &alice, &id).await.unwrap();
        assert_eq!(names(&moved), ["alice/c", "alice/b", "2311.12983", "Hidden", "alice/a"]);
        assert_eq!(moved.items[0].note.as_ref().unwrap().0, "new");
        assert_eq!(moved.items[4].note, None);
        hub.app.remove_collection_item(&access, &mine.items[2].id).await.unwrap();
        assert_eq!(hub.app.remove_collection_item(&access, &mine.items[2].id).await.unwrap_err().code, Code::NotFound);
        let other = hub.app.write_collection(&bob, &bobs).await.unwrap();
        assert_eq!(hub.app.remove_collection_item(&other, &mine.items[0].id).await.unwrap_err().code, Code::NotFound);

        // What is deleted leaves.
        let gone = hub.app.administer(&alice, RepoKind::Model, &"alice/c".parse().unwrap()).await.unwrap();
        hub.app.delete_repo(&gone).await.unwrap();
        hub.app.delete_collection(&hub.app.write_collection(&alice, &hidden).await.unwrap()).await.unwrap();
        assert_eq!(names(&view(&hub, &alice, &id).await.unwrap()), ["alice/b", "alice/a"]);
        let longest = ItemChange { note: Some("x".repeat(501)), ..ItemChange::default() };
        assert_eq!(hub.app.update_collection_item(&access, &mine.items[0].id, longest).await.unwrap_err().code, Code::Invalid);
        hub.assert_sound().await;
    }

    async fn votes_and_lists(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let mut ids = Vec::new();
        for i in 0..5 {
            ids.push(make(&hub, &alice, "alice", &format!("Collection {i} of 科研"), i == 4).await.unwrap());
        }
        for (caller, i) in [(&bob, 1), (&alice, 1), (&bob, 1), (&bob, 3)] {
            let access = hub.app.read_collection(caller, &ids[i]).await.unwrap();
            hub.app.vote_for_collection(&access, &hub.app.act(caller).await.unwrap(), true).await.unwrap();
        }
        assert!(view(&hub, &bob, &ids[1]).await.unwrap().is_upvoted);
        assert_eq!(view(&hub, &bob, &ids[1]).await.unwrap().collection.upvotes, 2);
        assert_eq!(hub.app.standing(&bob, alice.user().unwrap().id).await.unwrap().upvotes, 3);
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let query = CollectionQuery { sort: CollectionSort::Upvotes, limit: Some(2), cursor, text: Some("科研".into()), ..CollectionQuery::default() };
            let page = hub.app.list_collections(&bob, query).await.unwrap();
            seen.extend(page.items.iter().map(|v| ids.iter().position(|id| *id == v.collection.public_id).unwrap()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, [1, 3, 2, 0]);
        let access = hub.app.read_collection(&bob, &ids[3]).await.unwrap();
        hub.app.vote_for_collection(&access, &hub.app.act(&bob).await.unwrap(), false).await.unwrap();
        hub.app.delete_collection(&hub.app.write_collection(&alice, &ids[1]).await.unwrap()).await.unwrap();
        assert_eq!(hub.app.standing(&bob, alice.user().unwrap().id).await.unwrap().upvotes, 0);
        let nobody = CollectionQuery { owners: vec!["nobody".into()], ..CollectionQuery::default() };
        assert!(hub.app.list_collections(&bob, nobody).await.unwrap().items.is_empty());
    }

    async fn buckets_are_items_too(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        for (name, visibility) in [("open", Visibility::Public), ("closed", Visibility::Private)] {
            let new = NewBucket { namespace: None, name: name.parse().unwrap(), visibility: Some(visibility), group: None };
            hub.app.create_bucket(&alice, new).await.unwrap();
        }
        let id = make(&hub, &alice, "alice", "Buckets", false).await.unwrap();
        add(&hub, &alice, &id, "bucket", "alice/open").await.unwrap();
        add(&hub, &alice, &id, "bucket", "buckets/alice/closed").await.unwrap();
        assert_eq!(add(&hub, &alice, &id, "model", "alice/open").await.unwrap_err().code, Code::NotFound);
        assert_eq!(names(&view(&hub, &alice, &id).await.unwrap()), ["alice/open", "alice/closed"]);
        assert_eq!(names(&view(&hub, &bob, &id).await.unwrap()), ["alice/open"]);
        let bobs = make(&hub, &bob, "bob", "Bob's", false).await.unwrap();
        assert_eq!(add(&hub, &bob, &bobs, "bucket", "alice/closed").await.unwrap_err().code, Code::NotFound);
        let query = CollectionQuery { items: vec!["buckets/alice/open".into()], ..CollectionQuery::default() };
        assert_eq!(hub.app.list_collections(&bob, query).await.unwrap().items.len(), 1);
    }
}
