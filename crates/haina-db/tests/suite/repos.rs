//! Repositories and lists of them.

use std::collections::BTreeSet;

use haina_db::repos::{self, Card, Cursor, RepoFilter, Sort, Viewer};
use haina_db::search::{self, Term};
use haina_db::{git, ledger, people};
use haina_types::{RefName, RepoKind, RepoName, Visibility};

use crate::rig::{Hub, NOW, insert_repo, oid};

on_both!(
    names_and_kinds,
    changes,
    deleting_takes_all_but_the_ledger,
    cards_and_tags,
    filters,
    found_by_parts_of_names_and_by_words,
    words_that_many_have,
    what_a_viewer_sees,
    pages_join_up_while_rows_arrive,
    downloads,
);

fn names(page: &repos::Page) -> Vec<&str> {
    page.items.iter().map(|l| l.repo.name.as_str()).collect()
}

async fn names_and_kinds(hub: Hub) {
    let ada = hub.user("Ada").await;
    let id = hub.repo(ada, "My.Model").await;
    let set = hub.repo_of(ada, RepoKind::Dataset, "my.model", Visibility::Private).await;
    let mut s = hub.db.read().await.unwrap();
    let repo = repos::find_repo(&mut s, RepoKind::Model, "ada", "my.model").await.unwrap().unwrap();
    assert_eq!((repo.id, repo.path().to_string(), repo.namespace.id), (id, "Ada/My.Model".to_owned(), ada));
    assert_eq!((repo.visibility, repo.created_at, repo.updated_at), (Visibility::Public, NOW, NOW));
    let found = repos::find_repo(&mut s, RepoKind::Dataset, "ada", "my.model").await.unwrap().unwrap();
    assert_eq!((found.id, found.visibility), (set, Visibility::Private));
    assert_eq!(repos::find_repo(&mut s, RepoKind::Space, "ada", "my.model").await.unwrap(), None);
    assert_eq!(repos::find_repo_by_id(&mut s, id).await.unwrap().as_ref(), Some(&repo));
    assert_eq!(repos::find_repo_by_public_id(&mut s, &repo.public_id).await.unwrap().as_ref(), Some(&repo));

    let main = RefName::main();
    let find = async |s: &mut haina_db::Session| {
        repos::find_repo_with_ref(s, RepoKind::Model, "ada", "my.model", &RefName::main()).await.unwrap()
    };
    assert_eq!(find(&mut s).await, Some((repo.clone(), None)));
    let mut tx = hub.db.begin().await.unwrap();
    assert!(git::put_ref(&mut tx, id, &main, None, Some(&oid(1)), NOW).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(find(&mut s).await, Some((repo, Some(oid(1)))));
    let none = repos::find_repo_with_ref(&mut s, RepoKind::Model, "ada", "other", &main).await.unwrap();
    assert_eq!(none, None);
}

async fn changes(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let id = hub.repo(ada, "one").await;
    hub.repo(bob, "taken").await;
    let late = NOW.plus_seconds(5);
    let mut tx = hub.db.begin().await.unwrap();
    assert!(repos::set_visibility(&mut tx, id, Visibility::Private, late).await.unwrap());
    assert!(repos::set_gated(&mut tx, id, Some("manual"), late).await.unwrap());
    assert!(repos::set_disabled(&mut tx, id, Some("court order")).await.unwrap());
    repos::set_trending(&mut tx, id, -3).await.unwrap();
    repos::add_used_bytes(&mut tx, id, 100).await.unwrap();
    repos::add_used_bytes(&mut tx, id, -40).await.unwrap();
    repos::touch_repo(&mut tx, id, NOW.plus_seconds(6)).await.unwrap();
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let repo = repos::find_repo_by_id(&mut s, id).await.unwrap().unwrap();
    assert_eq!((repo.visibility, repo.gated.as_deref()), (Visibility::Private, Some("manual")));
    assert_eq!((repo.disabled_reason.as_deref(), repo.trending, repo.used_bytes), (Some("court order"), -3, 60));
    assert_eq!(repo.updated_at, NOW.plus_seconds(6));

    let name: RepoName = "Two".parse().unwrap();
    let mut tx = hub.db.begin().await.unwrap();
    assert!(repos::rename_repo(&mut tx, id, bob, &name, late).await.unwrap());
    tx.commit().await.unwrap();
    let repo = repos::find_repo(&mut s, RepoKind::Model, "bob", "two").await.unwrap().unwrap();
    assert_eq!((repo.id, repo.path().to_string()), (id, "bob/Two".to_owned()));
    let search = RepoFilter { search: vec!["bob/tw".into()], viewer: Viewer::All, ..RepoFilter::default() };
    assert_eq!(names(&repos::list_repos(&mut s, &search).await.unwrap()), ["Two"]);
    let mut tx = hub.db.begin().await.unwrap();
    let e = repos::rename_repo(&mut tx, id, bob, &"TAKEN".parse().unwrap(), late).await.unwrap_err();
    assert!(e.is_conflict_on("repo"), "{e:?}");
}

async fn deleting_takes_all_but_the_ledger(hub: Hub) {
    let ada = hub.user("ada").await;
    let (id, other) = (hub.repo(ada, "one").await, hub.repo(ada, "other").await);
    let mut tx = hub.db.begin().await.unwrap();
    for repo in [id, other] {
        repos::put_card(&mut tx, repo, &Card::default()).await.unwrap();
        repos::put_tags(&mut tx, repo, &["a", "b"]).await.unwrap();
        repos::add_downloads(&mut tx, repo, 1, 2).await.unwrap();
        let object = git::NewObject { oid: oid(1), kind: 3, size: 1, delta: None, z: b"z" };
        git::insert_objects(&mut tx, repo, &[object]).await.unwrap();
        git::insert_pointer(&mut tx, repo, &oid(1), &haina_types::Sha256([1; 32]), 5).await.unwrap();
        git::put_ref(&mut tx, repo, &RefName::main(), None, Some(&oid(2)), NOW).await.unwrap();
        let moved = git::RefMove { old: None, new: Some(oid(2)), actor_id: None, at: NOW };
        git::append_reflog(&mut tx, repo, &RefName::main(), &moved).await.unwrap();
        let event = ledger::NewEvent {
            at: NOW,
            actor_id: None,
            kind: "repo.create",
            repo_id: Some(repo),
            ns_id: None,
            data: serde_json::json!({}),
        };
        ledger::append_event(&mut tx, &event).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut tx = hub.db.begin().await.unwrap();
    assert!(repos::delete_repo(&mut tx, id).await.unwrap());
    assert!(!repos::delete_repo(&mut tx, id).await.unwrap());
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(repos::find_repo_by_id(&mut s, id).await.unwrap(), None);
    assert_eq!(git::find_object(&mut s, id, &oid(1)).await.unwrap(), None);
    assert_eq!(git::list_refs(&mut s, id).await.unwrap(), []);
    assert_eq!(repos::list_repo_tags(&mut s, id).await.unwrap(), [""; 0]);
    assert_eq!(ledger::list_events(&mut s, &Default::default(), 10).await.unwrap().len(), 2);
    assert!(git::find_object(&mut s, other, &oid(1)).await.unwrap().is_some());
    assert_eq!(repos::list_repo_tags(&mut s, other).await.unwrap(), ["a", "b"]);
    // An id that events speak of is not given to another.
    let next = hub.repo(ada, "one").await;
    assert!(next > other, "{next}");
}

async fn cards_and_tags(hub: Hub) {
    let ada = hub.user("ada").await;
    let id = hub.repo(ada, "one").await;
    let card = Card {
        commit: oid(7),
        card: Some(r#"{"license": "mit", "语言": ["zh"]}"#.into()),
        pipeline_tag: Some("text-generation".into()),
        ..Card::default()
    };
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(repos::find_card(&mut s, id).await.unwrap(), None);
    for card in [Card::default(), card.clone()] {
        let mut tx = hub.db.begin().await.unwrap();
        repos::put_card(&mut tx, id, &card).await.unwrap();
        repos::put_tags(&mut tx, id, &["zeta", "alpha", "zeta", "license:mit"]).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert_eq!(repos::find_card(&mut s, id).await.unwrap(), Some(card.clone()));
    assert_eq!(repos::list_repo_tags(&mut s, id).await.unwrap(), ["zeta", "alpha", "license:mit"]);
    let page = repos::list_repos(&mut s, &RepoFilter::default()).await.unwrap();
    assert_eq!((page.items[0].card.as_ref(), page.items[0].head), (Some(&card), None));
    assert_eq!(page.items[0].tags, ["zeta", "alpha", "license:mit"]);
    let counted = repos::count_tagged(&mut s, RepoKind::Model, "license:", 9).await.unwrap();
    assert_eq!(counted, [("license:mit".to_owned(), 1)]);
    let mut tx = hub.db.begin().await.unwrap();
    repos::put_tags::<&str>(&mut tx, id, &[]).await.unwrap();
    assert_eq!(repos::list_repo_tags(&mut tx, id).await.unwrap(), [""; 0]);
}

async fn found_by_parts_of_names_and_by_words(hub: Hub) {
    let (ada, bob) = (hub.user("Ada").await, hub.user("bob").await);
    let bert = hub.repo(ada, "distilBERT-base.v1").await;
    let qwen = hub.repo(bob, "Qwen3_8B").await;
    let secret = hub.repo_of(bob, RepoKind::Model, "bert-secret", Visibility::Private).await;
    let mut tx = hub.db.begin().await.unwrap();
    search::put_text(&mut tx, qwen, &["语言", "言模", "模型", "languag"], 1).await.unwrap();
    search::put_text(&mut tx, secret, &["模型"], 1).await.unwrap();
    for (repo, parameters) in [(qwen, Some(8_000)), (bert, None)] {
        repos::put_card(&mut tx, repo, &Card { parameters, ..Card::default() }).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let all = RepoFilter { sort: Sort::Created, ascending: true, ..RepoFilter::default() };
    let named = |part: &str| RepoFilter { search: vec![part.to_owned()], ..all.clone() };
    let whole = |word: &str| RepoFilter { words: vec![Term::Whole(word.to_owned())], ..all.clone() };
    let (b, q): (&[&str], &[&str]) = (&["distilBERT-base.v1"], &["Qwen3_8B"]);
    let cases: Vec<(RepoFilter, &[&str])> = vec![
        (named("bert"), b),
        (named("BERT-"), b),
        (named("a/d"), b),
        (named(".v1"), b),
        (named("1"), b),
        (named("b"), &["distilBERT-base.v1", "Qwen3_8B"]),
        (named("3_"), q),
        (named("en3_8b"), q),
        (named("ber-"), &[]),
        (named("\"' OR"), &[]),
        (named("模型"), &[]),
        (named("'"), &[]),
        (RepoFilter { viewer: Viewer::All, ..named("bert") }, &["distilBERT-base.v1", "bert-secret"]),
        (whole("模型"), q),
        (whole("模"), &[]),
        (whole("lang'uag"), q),
        (whole("x\" OR \"languag"), &[]),
        (RepoFilter { words: vec![Term::Prefix("模".into()), Term::Whole("languag".into())], ..all.clone() }, q),
        (RepoFilter { words: vec![Term::Prefix("模".into()), Term::Whole("none".into())], ..all.clone() }, &[]),
        // Either the name or the words.
        (RepoFilter { search: vec!["bert".into()], ..whole("languag") }, &["distilBERT-base.v1", "Qwen3_8B"]),
        (RepoFilter { tags: vec!["x".into()], ..whole("模型") }, &[]),
        (RepoFilter { parameters: (Some(8_000), None), ..all.clone() }, q),
        (RepoFilter { parameters: (Some(8_001), None), ..all.clone() }, &[]),
        (RepoFilter { parameters: (Some(1), Some(8_000)), ..all.clone() }, q),
    ];
    for (filter, wanted) in &cases {
        assert_eq!(names(&repos::list_repos(&mut s, filter).await.unwrap()), *wanted, "{filter:?}");
    }
    assert_eq!(search::text_version(&mut s, qwen).await.unwrap(), Some(1));
    assert_eq!(search::list_without_text(&mut s, 0, 1, 9).await.unwrap(), [bert]);
    assert_eq!(search::list_without_text(&mut s, bert, 2, 1).await.unwrap(), [qwen]);

    // Renamed, told anew, and deleted.
    let mut tx = hub.db.begin().await.unwrap();
    repos::rename_repo(&mut tx, bert, bob, &"albert".parse().unwrap(), NOW).await.unwrap();
    search::put_text(&mut tx, qwen, &[], 1).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(names(&repos::list_repos(&mut s, &named("distil")).await.unwrap()), [""; 0]);
    assert_eq!(names(&repos::list_repos(&mut s, &named("b/alb")).await.unwrap()), ["albert"]);
    assert_eq!(names(&repos::list_repos(&mut s, &whole("模型")).await.unwrap()), [""; 0]);
    let mut tx = hub.db.begin().await.unwrap();
    repos::delete_repo(&mut tx, secret).await.unwrap();
    tx.commit().await.unwrap();
    let everything = RepoFilter { viewer: Viewer::All, ..named("secret") };
    assert_eq!(names(&repos::list_repos(&mut s, &everything).await.unwrap()), [""; 0]);
    hub.repo(bob, "secret").await;
    assert_eq!(names(&repos::list_repos(&mut s, &everything).await.unwrap()), ["secret"]);
}

async fn words_that_many_have(hub: Hub) {
    let ada = hub.user("ada").await;
    let mut tx = hub.db.begin().await.unwrap();
    for i in 0..4100 {
        let id = insert_repo(&mut tx, ada, RepoKind::Model, &format!("m-{i}"), Visibility::Public).await.unwrap();
        let words: &[&str] = if i % 50 == 0 { &["common", "seldom"] } else { &["common"] };
        search::put_text(&mut tx, id, words, 1).await.unwrap();
    }
    let secret = insert_repo(&mut tx, ada, RepoKind::Model, "secret", Visibility::Private).await.unwrap();
    search::put_text(&mut tx, secret, &["common"], 1).await.unwrap();
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let whole = |word: &str| Term::Whole(word.to_owned());
    let all = RepoFilter { sort: Sort::Created, limit: 1000, ..RepoFilter::default() };
    let mut filter = RepoFilter { words: vec![whole("common")], ..all.clone() };
    let mut found = BTreeSet::new();
    loop {
        let page = repos::list_repos(&mut s, &filter).await.unwrap();
        found.extend(page.items.iter().map(|l| l.repo.id));
        let Some(next) = page.next else { break };
        filter.after = Some(next);
    }
    assert_eq!(found.len(), 4100);
    let few = RepoFilter { words: vec![whole("common"), whole("seldom")], ..all.clone() };
    assert_eq!(repos::list_repos(&mut s, &few).await.unwrap().items.len(), 82);
    // Either all that have the word, or the one of that name.
    let one = RepoFilter { search: vec!["m-4099".into()], words: vec![whole("common")], limit: 1, ..all.clone() };
    assert_eq!(names(&repos::list_repos(&mut s, &one).await.unwrap()), ["m-4099"]);
    let none = RepoFilter { words: vec![whole("common"), whole("none")], ..all.clone() };
    assert_eq!(names(&repos::list_repos(&mut s, &none).await.unwrap()), [""; 0]);
    // What has just been begun, alone and after a whole word, rare or not.
    let begun = |words: Vec<Term>| RepoFilter { words, ..all.clone() };
    let prefix = |word: &str| Term::Prefix(word.to_owned());
    for (words, count) in [
        (vec![prefix("comm")], 1000),
        (vec![prefix("sel")], 82),
        (vec![prefix("selx")], 0),
        (vec![prefix("eldom")], 0),
        (vec![whole("common"), prefix("se")], 82),
        (vec![whole("seldom"), prefix("comm")], 82),
        (vec![whole("seldom"), prefix("commons")], 0),
        (vec![whole("comm")], 0),
    ] {
        let page = repos::list_repos(&mut s, &begun(words.clone())).await.unwrap();
        assert_eq!(page.items.len(), count, "{words:?}");
    }
    // Pages go on where they ended, also among rows that are looked at one by one.
    let mut filter = RepoFilter { limit: 30, ascending: true, ..begun(vec![whole("common"), prefix("se")]) };
    let mut found = BTreeSet::new();
    loop {
        let page = repos::list_repos(&mut s, &filter).await.unwrap();
        found.extend(page.items.iter().map(|l| l.repo.id));
        let Some(next) = page.next else { break };
        filter.after = Some(next);
    }
    assert_eq!(found.len(), 82);
    let tagged = RepoFilter { words: vec![whole("common")], tags: vec!["none".into()], ..all };
    assert_eq!(names(&repos::list_repos(&mut s, &tagged).await.unwrap()), [""; 0]);
}

async fn filters(hub: Hub) {
    let (ada, bob) = (hub.user("Ada").await, hub.user("bob").await);
    let qwen = hub.repo(ada, "Qwen3_8B").await;
    let llama = hub.repo(ada, "llama-8b").await;
    let other = hub.repo(bob, "qwen3x8b").await;
    let set = hub.repo_of(bob, RepoKind::Dataset, "corpus", Visibility::Public).await;
    let mut tx = hub.db.begin().await.unwrap();
    repos::put_tags(&mut tx, qwen, &["gguf", "zh"]).await.unwrap();
    repos::put_tags(&mut tx, llama, &["gguf"]).await.unwrap();
    repos::set_gated(&mut tx, llama, Some("auto"), NOW).await.unwrap();
    let task = Some("text-generation".to_owned());
    let card = Card { pipeline_tag: task.clone(), library_name: Some("mlx".into()), ..Card::default() };
    repos::put_card(&mut tx, other, &card).await.unwrap();
    git::put_ref(&mut tx, set, &RefName::main(), None, Some(&oid(5)), NOW).await.unwrap();
    tx.commit().await.unwrap();

    let mut s = hub.db.read().await.unwrap();
    let all = RepoFilter { sort: Sort::Created, ascending: true, ..RepoFilter::default() };
    let cases: Vec<(RepoFilter, &[&str])> = vec![
        (all.clone(), &["Qwen3_8B", "llama-8b", "qwen3x8b", "corpus"]),
        (RepoFilter { kinds: vec![RepoKind::Model], ..all.clone() }, &["Qwen3_8B", "llama-8b", "qwen3x8b"]),
        (RepoFilter { kinds: vec![RepoKind::Space, RepoKind::Dataset], ..all.clone() }, &["corpus"]),
        (RepoFilter { author: Some("ada".into()), ..all.clone() }, &["Qwen3_8B", "llama-8b"]),
        (RepoFilter { author: Some("nobody".into()), ..all.clone() }, &[]),
        (RepoFilter { search: vec!["QWEN".into()], ..all.clone() }, &["Qwen3_8B", "qwen3x8b"]),
        (RepoFilter { search: vec!["n3_8".into()], ..all.clone() }, &["Qwen3_8B"]),
        (RepoFilter { search: vec!["8b".into(), "ada/".into()], ..all.clone() }, &["Qwen3_8B", "llama-8b"]),
        (RepoFilter { search: vec!["%".into()], ..all.clone() }, &[]),
        (RepoFilter { search: vec!["!".into()], ..all.clone() }, &[]),
        (RepoFilter { tags: vec!["gguf".into()], ..all.clone() }, &["Qwen3_8B", "llama-8b"]),
        (RepoFilter { tags: vec!["gguf".into(), "zh".into()], ..all.clone() }, &["Qwen3_8B"]),
        (RepoFilter { gated: Some(true), ..all.clone() }, &["llama-8b"]),
        (RepoFilter { gated: Some(false), kinds: vec![RepoKind::Model], ..all.clone() }, &["Qwen3_8B", "qwen3x8b"]),
        (RepoFilter { pipeline_tag: task, ..all.clone() }, &["qwen3x8b"]),
        (RepoFilter { library: Some("mlx".into()), ..all.clone() }, &["qwen3x8b"]),
        (RepoFilter { library: Some("jax".into()), ..all.clone() }, &[]),
        (RepoFilter { ids: Some(vec![set, qwen, 99]), ..all.clone() }, &["Qwen3_8B", "corpus"]),
        (RepoFilter { ids: Some(vec![]), ..all.clone() }, &[]),
    ];
    for (filter, wanted) in cases {
        let page = repos::list_repos(&mut s, &filter).await.unwrap();
        assert_eq!(names(&page), wanted, "{filter:?}");
        assert_eq!(page.next, None);
    }
    let page = repos::list_repos(&mut s, &RepoFilter { kinds: vec![RepoKind::Dataset], ..all }).await.unwrap();
    assert_eq!(page.items[0].head, Some(oid(5)));
}

async fn what_a_viewer_sees(hub: Hub) {
    let (ada, bob) = (hub.user("ada").await, hub.user("bob").await);
    let mut tx = hub.db.begin().await.unwrap();
    let lab = people::insert_org(&mut tx, &"lab".parse().unwrap(), "Lab", NOW).await.unwrap();
    tx.commit().await.unwrap();
    for (owner, name) in [(ada, "a"), (bob, "b"), (lab, "l")] {
        hub.repo(owner, &format!("{name}-open")).await;
        hub.repo_of(owner, RepoKind::Model, &format!("{name}-closed"), Visibility::Private).await;
    }
    let mut s = hub.db.read().await.unwrap();
    let user = |ns_ids: Vec<i64>| Viewer::User { user_id: ada, ns_ids, group_ids: Vec::new() };
    for (viewer, wanted, of_lab) in [
        (Viewer::Everyone, vec!["a-open", "b-open", "l-open"], 1),
        (user(vec![]), vec!["a-open", "b-open", "l-open"], 1),
        (user(vec![ada]), vec!["a-open", "a-closed", "b-open", "l-open"], 1),
        (user(vec![ada, lab]), vec!["a-open", "a-closed", "b-open", "l-open", "l-closed"], 2),
        (Viewer::All, vec!["a-open", "a-closed", "b-open", "b-closed", "l-open", "l-closed"], 2),
    ] {
        let filter = RepoFilter { ascending: true, viewer: viewer.clone(), ..RepoFilter::default() };
        assert_eq!(names(&repos::list_repos(&mut s, &filter).await.unwrap()), wanted, "{viewer:?}");
        assert_eq!(repos::count_repos(&mut s, lab, RepoKind::Model, &viewer).await.unwrap(), of_lab, "{viewer:?}");
        assert_eq!(repos::count_repos(&mut s, lab, RepoKind::Space, &viewer).await.unwrap(), 0);
    }
}

async fn pages_join_up_while_rows_arrive(hub: Hub) {
    let ada = hub.user("ada").await;
    let mut tx = hub.db.begin().await.unwrap();
    let mut wanted = BTreeSet::new();
    for n in 0..60 {
        let id = insert_repo(&mut tx, ada, RepoKind::Model, &format!("r{n}"), Visibility::Public).await.unwrap();
        // Many with the same value: the id decides between them.
        repos::set_trending(&mut tx, id, n / 7).await.unwrap();
        repos::add_downloads(&mut tx, id, 1, (n as u64 * 37) % 11).await.unwrap();
        wanted.insert(id);
    }
    tx.commit().await.unwrap();
    for sort in Sort::ALL {
        for ascending in [false, true] {
            let mut filter =
                RepoFilter { kinds: vec![RepoKind::Model], sort, ascending, limit: 7, ..RepoFilter::default() };
            let mut seen = Vec::new();
            loop {
                let mut s = hub.db.read().await.unwrap();
                let page = repos::list_repos(&mut s, &filter).await.unwrap();
                drop(s);
                seen.extend(page.items.iter().map(|l| l.repo.id));
                hub.repo(ada, &format!("new-{sort:?}-{ascending}-{}", seen.len())).await;
                let Some(next) = page.next else { break };
                assert_eq!(page.items.len(), 7);
                assert_eq!(next.to_string().parse::<Cursor>(), Ok(next));
                filter.after = Some(next);
                assert!(seen.len() < 500, "it does not end");
            }
            let unique: BTreeSet<i64> = seen.iter().copied().collect();
            assert_eq!(unique.len(), seen.len(), "{sort:?}: a row came twice");
            assert!(unique.is_superset(&wanted), "{sort:?}: a row was left out");
        }
    }
    assert!("".parse::<Cursor>().is_err() && "1".parse::<Cursor>().is_err() && "1.x".parse::<Cursor>().is_err());
}

async fn downloads(hub: Hub) {
    let ada = hub.user("ada").await;
    let id = hub.repo(ada, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    for (day, count) in [(100, 5), (100, 1), (120, 2), (131, 10)] {
        repos::add_downloads(&mut tx, id, day, count).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let repo = repos::find_repo_by_id(&mut s, id).await.unwrap().unwrap();
    assert_eq!((repo.downloads, repo.downloads_all), (18, 18));
    assert_eq!(repos::list_downloads(&mut s, id, 120).await.unwrap(), [(120, 2), (131, 10)]);
    for (first, left) in [(101, 12), (121, 10), (132, 0)] {
        let mut tx = hub.db.begin().await.unwrap();
        assert_eq!(repos::recount_downloads(&mut tx, first, 30).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let repo = repos::find_repo_by_id(&mut s, id).await.unwrap().unwrap();
        assert_eq!((repo.downloads, repo.downloads_all), (left, 18), "from day {first}");
    }
}
