//! Buckets: who may do what, batches that partly fail, lists of every shape, and following.

use std::collections::BTreeSet;

use haina_app::Caller;
use haina_app::buckets::{
    Action, BatchDone, BucketEntry, BucketFile, BucketTreeOptions, ChangeOp, FeedEvent, NewBucket, Operation, Resume,
    Source,
};
use haina_app::content::Expect;
use haina_app::history::CommitHeader;
use haina_app::repos::NewRepo;
use haina_types::{
    Action as Right, Code, OrgRole, RepoKind, RepoPath, Result, Revision, TokenRole, TokenScope, Visibility,
};

use crate::hub::{Hub, both};

const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

async fn bucket(hub: &Hub, caller: &Caller, id: &str, visibility: Visibility) -> RepoPath {
    try_bucket(hub, caller, id, visibility).await.unwrap()
}

async fn try_bucket(hub: &Hub, caller: &Caller, id: &str, visibility: Visibility) -> Result<RepoPath> {
    let path: RepoPath = id.parse().unwrap();
    let new = NewBucket { namespace: Some(path.namespace), name: path.name, visibility: Some(visibility), group: None };
    Ok(hub.app.create_bucket(caller, new).await?.path)
}

/// Commits large files to a model; their contents' ids.
async fn large(hub: &Hub, caller: &Caller, model: &RepoPath, contents: &[&str]) -> Vec<String> {
    let access = hub.app.write(caller, RepoKind::Model, model).await.unwrap();
    let header = CommitHeader { summary: "large".into(), description: String::new(), parent: None };
    let mut writer = hub.app.begin_commit(&access, &Revision::main(), header).await.unwrap();
    let mut ids = Vec::new();
    for (i, text) in contents.iter().enumerate() {
        let bytes = bytes::Bytes::from((*text).to_owned());
        let body = Box::pin(futures_util::stream::iter([Ok(bytes.clone())]));
        let stored = hub.app.store_content(&access.upload(), body, Expect::default()).await.unwrap();
        let sha256 = haina_types::Sha256(<sha2::Sha256 as sha2::Digest>::digest(&bytes).into());
        writer.put_large(&format!("large{i}.bin"), sha256, Some(bytes.len() as u64)).await.unwrap();
        ids.push(stored.file.to_string());
    }
    writer.finish().await.unwrap();
    ids
}

fn put(path: &str, hash: &str, from: Option<(&str, &str)>) -> Operation {
    let from = from.map(|(kind, id)| Source { kind: kind.into(), id: id.into() });
    let action = Action::Put { hash: hash.into(), mtime: Some(1_700_000_000_123), content_type: None, from };
    Operation { path: path.into(), action }
}

fn empty(path: &str) -> Operation {
    put(path, ZERO, None)
}

fn delete(path: &str) -> Operation {
    Operation { path: path.into(), action: Action::Delete }
}

async fn change(hub: &Hub, caller: &Caller, bucket: &RepoPath, operations: &[Operation]) -> Result<BatchDone> {
    let access = hub.app.write_bucket(caller, bucket).await?;
    hub.app.change_bucket(caller, &access, operations).await
}

fn failed(done: &BatchDone) -> Vec<&str> {
    done.failed.iter().map(|f| f.path.as_str()).collect()
}

/// What a list shows, over pages of `limit`; folders end with a slash.
async fn list(
    hub: &Hub,
    caller: &Caller,
    bucket: &RepoPath,
    prefix: &str,
    recursive: bool,
    limit: usize,
) -> Vec<String> {
    let access = hub.app.read_bucket(caller, bucket).await.unwrap();
    let mut options = BucketTreeOptions { recursive, limit: Some(limit), cursor: None };
    let mut all = Vec::new();
    loop {
        let page = hub.app.list_bucket(&access, prefix, &options).await.unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items.iter().map(|e| match e {
            BucketEntry::File(f) => f.path.clone(),
            BucketEntry::Folder { path, uploaded_at } => {
                assert!(uploaded_at.is_some(), "{path} has no time");
                format!("{path}/")
            }
        }));
        match page.next {
            Some(next) => options.cursor = Some(next),
            None => return all,
        }
    }
}

async fn file(hub: &Hub, caller: &Caller, bucket: &RepoPath, path: &str) -> Result<BucketFile> {
    let access = hub.app.read_bucket(caller, bucket).await?;
    hub.app.find_bucket_file(&access, path).await
}

async fn totals(hub: &Hub, caller: &Caller, bucket: &RepoPath) -> (u64, u64) {
    let access = hub.app.read_bucket(caller, bucket).await.unwrap();
    let info = hub.app.bucket_info(&access).await.unwrap();
    (info.files, info.bytes)
}

fn fine(scopes: &[(&str, Right)]) -> TokenRole {
    TokenRole::FineGrained(scopes.iter().map(|(e, a)| TokenScope { entity: (*e).to_owned(), action: *a }).collect())
}

async fn power(hub: &Hub, caller: &Caller, id: &str) -> Option<Right> {
    let path: RepoPath = id.parse().unwrap();
    let read = hub.app.read_bucket(caller, &path).await;
    let (write, admin) = (hub.app.write_bucket(caller, &path).await, hub.app.administer_bucket(caller, &path).await);
    let refused = match (read.is_ok(), caller.is_anonymous()) {
        (false, _) => Code::RepoNotFound,
        (true, true) => Code::Unauthenticated,
        (true, false) => Code::Forbidden,
    };
    for e in [write.as_ref().err(), admin.as_ref().err()].into_iter().flatten() {
        assert_eq!(e.code, refused, "{id}: {e:?}");
    }
    match (admin.is_ok(), write.is_ok(), read.is_ok()) {
        (true, true, true) => Some(Right::Admin),
        (false, true, true) => Some(Right::Write),
        (false, false, true) => Some(Right::Read),
        (false, false, false) => None,
        other => panic!("{id}: rights that do not include the lesser ones: {other:?}"),
    }
}

both! {
    async fn rights_by_role_and_token(hub: Hub) {
        use Right::{Admin, Read, Write};
        let owner = hub.writer("owner").await;
        for name in ["reader", "maker", "writer", "stranger"] {
            hub.writer(name).await;
        }
        hub.org("lab", "owner", &[
            ("reader", OrgRole::Read), ("maker", OrgRole::Contributor), ("writer", OrgRole::Write),
        ]).await;
        bucket(&hub, &owner, "lab/open", Visibility::Public).await;
        bucket(&hub, &owner, "lab/shut", Visibility::Private).await;
        let maker = hub.writer("maker").await;
        bucket(&hub, &maker, "lab/made", Visibility::Private).await;
        type Row<'a> = (&'a str, TokenRole, [Option<Right>; 3]);
        let rows: [Row<'_>; 9] = [
            ("owner", TokenRole::Write, [Some(Admin), Some(Admin), Some(Admin)]),
            ("owner", TokenRole::Read, [Some(Read), Some(Read), Some(Read)]),
            ("writer", TokenRole::Write, [Some(Write), Some(Write), Some(Write)]),
            ("maker", TokenRole::Write, [Some(Read), Some(Read), Some(Admin)]),
            ("reader", TokenRole::Write, [Some(Read), Some(Read), Some(Read)]),
            ("stranger", TokenRole::Write, [Some(Read), None, None]),
            ("owner", fine(&[("buckets/LAB/shut", Write)]), [Some(Read), Some(Write), None]),
            ("owner", fine(&[("datasets/lab/shut", Write)]), [Some(Read), None, None]),
            ("stranger", fine(&[("lab", Admin), ("buckets/lab/shut", Admin)]), [Some(Read), None, None]),
        ];
        for (name, role, expected) in rows {
            let caller = hub.user(name, role.clone()).await;
            for (id, want) in ["lab/open", "lab/shut", "lab/made"].iter().zip(expected) {
                assert_eq!(power(&hub, &caller, id).await, want, "{name} with {role:?} on {id}");
            }
        }
        let nobody = Caller::anonymous();
        assert_eq!(power(&hub, &nobody, "LAB/Open").await, Some(Read));
        assert_eq!(power(&hub, &nobody, "lab/shut").await, None);
        assert_eq!(power(&hub, &nobody, "lab/none").await, None);
        // Who may make one is who may make a repository.
        for (name, allowed) in [("reader", false), ("maker", true), ("writer", true), ("stranger", false)] {
            let caller = hub.writer(name).await;
            let made = try_bucket(&hub, &caller, &format!("lab/by-{name}"), Visibility::Private).await;
            assert_eq!(made.is_ok(), allowed, "{name}: {made:?}");
        }
        assert_eq!(try_bucket(&hub, &nobody, "lab/x", Visibility::Public).await.unwrap_err().code, Code::Unauthenticated);
        let again = try_bucket(&hub, &owner, "lab/OPEN", Visibility::Public).await.unwrap_err();
        assert_eq!((again.code, again.detail.as_deref()), (Code::Conflict, Some("http://hub.test/buckets/lab/open")));
    }

    /// A bucket and a repository of one name are two things, and no value for the one opens the other.
    async fn a_bucket_is_no_repository(hub: Hub) {
        let alice = hub.writer("alice").await;
        let path = bucket(&hub, &alice, "alice/x", Visibility::Public).await;
        for kind in RepoKind::ALL.into_iter().chain([RepoKind::Bucket]) {
            assert_eq!(hub.app.read(&alice, kind, &path).await.unwrap_err().code, Code::RepoNotFound);
            assert_eq!(hub.app.write(&alice, kind, &path).await.unwrap_err().code, Code::RepoNotFound);
            assert_eq!(hub.app.administer(&alice, kind, &path).await.unwrap_err().code, Code::RepoNotFound);
        }
        hub.repo(&alice, "alice/x", Visibility::Public).await;
        let new = NewRepo {
            kind: RepoKind::Bucket, namespace: None, name: "y".parse().unwrap(), visibility: None, license: None, group: None, sdk: None, files: Vec::new(),
        };
        assert_eq!(hub.app.create_repo(&alice, new).await.unwrap_err().code, Code::Invalid);
        let found = hub.app.list_repos(&alice, Default::default()).await.unwrap();
        assert_eq!(found.items.len(), 1, "lists of repositories have no buckets");
        let access = hub.app.administer_bucket(&alice, &path).await.unwrap();
        hub.app.delete_bucket(&access).await.unwrap();
        assert_eq!(power(&hub, &alice, "alice/x").await, None);
        assert!(hub.app.read(&alice, RepoKind::Model, &path).await.is_ok());
        bucket(&hub, &alice, "alice/x", Visibility::Private).await;
        hub.assert_sound().await;
    }

    async fn batches_partly_succeed_and_counters_follow(hub: Hub) {
        let alice = hub.writer("alice").await;
        let bob = hub.writer("bob").await;
        let model = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let secret = hub.repo(&bob, "bob/secret", Visibility::Private).await;
        let ids = large(&hub, &alice, &model, &["first content", "second"]).await;
        let hidden = large(&hub, &bob, &secret, &["bob's own"]).await;
        let b = bucket(&hub, &alice, "alice/b", Visibility::Public).await;
        let from = Some(("model", "alice/m"));

        let done = change(&hub, &alice, &b, &[
            put("data/one.bin", &ids[0], from),
            put("data/two.bin", &ids[1], from),
            empty("data/sub/empty"),
            // Uploaded to the model, not to this bucket.
            put("not-uploaded", &ids[0], None),
            put("../up", &ids[0], from),
            put("a//b", ZERO, None),
            put(".git/config", ZERO, None),
            put("hash", "xyz", None),
            put("long/".repeat(300).as_str(), ZERO, None),
            // Held by a repository that is not hers to read, by none, or not by the one named.
            put("s1", &hidden[0], Some(("model", "bob/secret"))),
            put("s2", &hidden[0], from),
            put("s3", ZERO, from),
            put("s4", &ids[0], Some(("bucket", "alice/none"))),
            put("s5", &ids[0], Some(("planet", "alice/m"))),
            delete("never-was"),
        ]).await.unwrap();
        assert_eq!(done.processed, 15);
        assert_eq!(done.failed.len(), 11, "{:#?}", done.failed);
        assert!(done.failed.iter().all(|f| !f.error.is_empty()));
        let secrets: Vec<_> = done.failed.iter().filter(|f| ["s1", "s4"].contains(&f.path.as_str())).map(|f| &f.error).collect();
        assert_eq!(secrets[0], secrets[1], "what may not be known looks like nothing");
        assert_eq!(totals(&hub, &alice, &b).await, (3, 19));
        let one = file(&hub, &alice, &b, "data/one.bin").await.unwrap();
        assert_eq!((one.bytes, one.mtime.unwrap().0), (13, 1_700_000_000_123));
        assert_eq!(file(&hub, &alice, &b, "data").await.unwrap_err().code, Code::EntryNotFound);

        // From a bucket to another one, the empty file too; then what is held there is enough.
        let other = bucket(&hub, &alice, "alice/other", Visibility::Private).await;
        let from_b = Some(("bucket", "alice/b"));
        let done = change(&hub, &alice, &other, &[
            put("x", &ids[0], from_b), put("e", ZERO, from_b), put("n", &hidden[0], from_b),
        ]).await.unwrap();
        assert_eq!(failed(&done), ["n"]);
        let done = change(&hub, &alice, &b, &[put("e", ZERO, Some(("bucket", "alice/other"))), put("again", &ids[0], None)]).await.unwrap();
        assert_eq!(failed(&done), [""; 0]);
        // Others may copy from what they may read.
        let bobs = bucket(&hub, &bob, "bob/b", Visibility::Public).await;
        let done = change(&hub, &bob, &bobs, &[put("x", &ids[0], from_b), put("y", &ids[0], Some(("bucket", "alice/other")))]).await.unwrap();
        assert_eq!(failed(&done), ["y"]);

        // The last operation on a path counts; what goes away is no longer counted.
        let done = change(&hub, &alice, &b, &[
            delete("data/one.bin"), put("data/two.bin", &ids[0], from), delete("data/two.bin"), empty("again"),
            put("data/sub/empty", &ids[1], from), delete("data/sub/empty"), empty("data/sub/empty"),
        ]).await.unwrap();
        assert_eq!(failed(&done), [""; 0]);
        assert_eq!(list(&hub, &alice, &b, "", true, 100).await, ["again", "data/sub/empty", "e"]);
        assert_eq!(totals(&hub, &alice, &b).await, (3, 0));
        // Nothing of the bucket refers to them now, but another bucket does.
        let done = change(&hub, &bob, &bobs, &[put("z", &ids[0], from_b)]).await.unwrap();
        assert_eq!(failed(&done), ["z"]);
        hub.assert_sound().await;
        hub.app.administer_bucket(&alice, &b).await.unwrap();
        let many: Vec<_> = (0..1001).map(|i| empty(&format!("f{i}"))).collect();
        assert_eq!(change(&hub, &alice, &b, &many).await.unwrap_err().code, Code::Invalid);
        assert_eq!(change(&hub, &bob, &b, &[empty("x")]).await.unwrap_err().code, Code::Forbidden);
    }

    async fn batches_at_once_do_not_lose_each_other(hub: Hub) {
        let alice = hub.writer("alice").await;
        let b = bucket(&hub, &alice, "alice/b", Visibility::Public).await;
        let tasks = (0..12).map(|i| {
            let (hub, alice, b) = (&hub, &alice, &b);
            async move {
                for round in 0..4 {
                    let mut operations: Vec<_> = (0..20).map(|f| empty(&format!("d{}/f{f}", (i + f) % 5))).collect();
                    if round % 2 == 1 {
                        operations.extend((0..10).map(|f| delete(&format!("d{}/f{f}", (i + f) % 5))));
                    }
                    assert_eq!(failed(&change(hub, alice, b, &operations).await.unwrap()), [""; 0]);
                }
            }
        });
        futures_util::future::join_all(tasks).await;
        let all = list(&hub, &alice, &b, "", true, 1000).await;
        assert_eq!(totals(&hub, &alice, &b).await, (all.len() as u64, 0));
        hub.assert_sound().await;
    }

    async fn lists_of_every_shape(hub: Hub) {
        let alice = hub.writer("alice").await;
        let b = bucket(&hub, &alice, "alice/b", Visibility::Public).await;
        let mut paths = vec![
            "a.txt", "logs", "logs.json", "logs/a.txt", "logs/sub/b.txt", "logs/sub/c.txt", "logs-old/x", "logs_old/x", "logs0",
            "模型/权重.bin", "模型/配置/a", "z/z/z/z", "z/z/z0", "z/y", "~",
        ].into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
        paths.extend((0..40).map(|i| format!("many/{:02}/f", i)));
        paths.extend((0..40).map(|i| format!("deep/one/{i:02}")));
        change(&hub, &alice, &b, &paths.iter().map(|p| empty(p)).collect::<Vec<_>>()).await.unwrap();
        for prefix in ["", "logs", "logs/", "log", "logs/sub", "logs/a.txt", "模", "模型", "z/z", "many", "many/", "deep/one", "none", "/logs/", "a\0b", "~~", "\u{10ffff}"] {
            let plain = prefix.trim_start_matches('/');
            let below: Vec<&String> = paths.iter().filter(|p| p.starts_with(plain)).collect();
            let mut level: Vec<String> = below.iter().map(|p| {
                let rest = &p[plain.len()..];
                let skip = usize::from(rest.starts_with('/') && !plain.is_empty());
                match rest[skip..].find('/') {
                    Some(at) => p[..=plain.len() + skip + at].to_owned(),
                    None => (*p).clone(),
                }
            }).collect();
            level.dedup();
            for limit in [1, 2, 7, 1000] {
                let flat = list(&hub, &alice, &b, prefix, true, limit).await;
                assert_eq!(flat.iter().collect::<Vec<_>>(), below, "{prefix:?} by {limit}");
                assert_eq!(list(&hub, &alice, &b, prefix, false, limit).await, level, "{prefix:?} by {limit}");
            }
        }
        let access = hub.app.read_bucket(&alice, &b).await.unwrap();
        let asked = ["z/y", "none", "a.txt", "../x", "logs/sub", "a\0"].map(str::to_owned);
        let found = hub.app.list_bucket_paths(&access, &asked).await.unwrap();
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a.txt", "z/y"]);
        let options = BucketTreeOptions { recursive: true, limit: None, cursor: Some("nonsense".into()) };
        assert_eq!(hub.app.list_bucket(&access, "", &options).await.unwrap_err().code, Code::Invalid);
        // Folders vanish with their last file.
        change(&hub, &alice, &b, &paths.iter().filter(|p| p.contains('/')).map(|p| delete(p)).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(list(&hub, &alice, &b, "", false, 9).await, ["a.txt", "logs", "logs.json", "logs0", "~"]);
        hub.assert_sound().await;
    }

    async fn lists_of_buckets_show_what_one_may_know(hub: Hub) {
        let owner = hub.writer("owner").await;
        hub.writer("reader").await;
        hub.org("lab", "owner", &[("reader", OrgRole::Read)]).await;
        for (name, visibility) in [("lab/Open", Visibility::Public), ("lab/shut", Visibility::Private), ("lab/a_b", Visibility::Public)] {
            bucket(&hub, &owner, name, visibility).await;
        }
        let stranger = hub.writer("stranger").await;
        let reader = hub.user("reader", TokenRole::Read).await;
        for (caller, expected) in [
            (&Caller::anonymous(), vec!["lab/a_b", "lab/Open"]),
            (&stranger, vec!["lab/a_b", "lab/Open"]),
            (&reader, vec!["lab/a_b", "lab/Open", "lab/shut"]),
            (&owner, vec!["lab/a_b", "lab/Open", "lab/shut"]),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = hub.app.list_buckets(caller, &"LAB".parse().unwrap(), "", Some(1), cursor.as_deref()).await.unwrap();
                seen.extend(page.items.iter().map(|b| b.path.to_string()));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected);
        }
        let search = async |text: &str| {
            let page = hub.app.list_buckets(&owner, &"lab".parse().unwrap(), text, None, None).await.unwrap();
            page.items.iter().map(|b| b.path.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(search("PEN").await, ["lab/Open"]);
        assert_eq!(search("_").await, ["lab/a_b"]);
        assert_eq!(search("lab/sh").await, ["lab/shut"]);
        let e = hub.app.list_buckets(&owner, &"nobody".parse().unwrap(), "", None, None).await.unwrap_err();
        assert_eq!(e.code, Code::NotFound);
        let access = hub.app.administer_bucket(&owner, &"lab/shut".parse().unwrap()).await.unwrap();
        hub.app.set_bucket_visibility(&access, Visibility::Public).await.unwrap();
        assert_eq!(power(&hub, &stranger, "lab/shut").await, Some(Right::Read));
        hub.app.set_bucket_visibility(&access, Visibility::Private).await.unwrap();
        assert_eq!(power(&hub, &stranger, "lab/shut").await, None);
    }

    async fn followers_hear_everything_once(hub: Hub) {
        let alice = hub.writer("alice").await;
        let b = bucket(&hub, &alice, "alice/b", Visibility::Public).await;
        let follow = async |resume: Resume| {
            let access = hub.app.read_bucket(&alice, &b).await.unwrap();
            hub.app.follow_bucket(&alice, access, resume).await
        };
        let told = |event: Option<FeedEvent>| match event {
            Some(FeedEvent::Changes { cursor, changes }) => {
                let all = changes.iter().map(|c| format!("{} {}", c.op.as_str(), c.path)).collect::<Vec<_>>();
                assert!(changes.iter().all(|c| c.hash.is_some() == (c.op != ChangeOp::Delete)));
                (cursor, all)
            }
            other => panic!("{other:?}"),
        };
        let mut live = follow(Resume::Live).await.unwrap();
        let Some(FeedEvent::Ready { cursor: start }) = live.next().await else { panic!() };
        change(&hub, &alice, &b, &[empty("a"), empty("b")]).await.unwrap();
        assert_eq!(told(live.next().await).1, ["add a", "add b"]);
        let since = file(&hub, &alice, &b, "b").await.unwrap().uploaded_at.plus_seconds(1);
        change(&hub, &alice, &b, &[empty("a"), delete("b"), delete("none")]).await.unwrap();
        change(&hub, &alice, &b, &[empty("c")]).await.unwrap();
        let (middle, mut rest) = told(live.next().await);
        let mut cursor = middle.clone();
        while rest.len() < 3 {
            let (at, more) = told(live.next().await);
            rest.extend(more);
            cursor = at;
        }
        assert_eq!(rest, ["update a", "delete b", "add c"]);

        // Who comes back hears what they missed, then that they are up to date.
        let mut back = follow(Resume::Cursor(start.clone())).await.unwrap();
        assert_eq!(told(back.next().await).1, ["add a", "add b", "update a", "delete b", "add c"]);
        assert!(matches!(back.next().await, Some(FeedEvent::Ready { cursor: at }) if at == cursor));
        let mut back = follow(Resume::Since(since)).await.unwrap();
        assert_eq!(told(back.next().await).1, ["update a", "delete b", "add c"]);
        let mut back = follow(Resume::Since(since.plus_seconds(86_400))).await.unwrap();
        assert!(matches!(back.next().await, Some(FeedEvent::Ready { .. })));
        // Cursors that say nothing here.
        for bad in ["", "x", "5", "x-y"] {
            assert_eq!(follow(Resume::Cursor(bad.into())).await.unwrap_err().code, Code::Invalid, "{bad}");
        }
        for foreign in ["0123456789abcdef01234567-1".to_owned(), format!("{}9999", start.trim_end_matches(char::is_numeric))] {
            let mut feed = follow(Resume::Cursor(foreign)).await.unwrap();
            assert!(matches!(feed.next().await, Some(FeedEvent::Reset)));
            assert!(feed.next().await.is_none());
        }
        // More than is kept for those who come back.
        for i in 0..24 {
            let many: Vec<_> = (0..1000).map(|f| empty(&format!("many/{i}/{f}"))).collect();
            change(&hub, &alice, &b, &many).await.unwrap();
        }
        let mut late = follow(Resume::Cursor(start)).await.unwrap();
        assert!(matches!(late.next().await, Some(FeedEvent::Reset)));
        let mut late = follow(Resume::Since(since)).await.unwrap();
        assert!(matches!(late.next().await, Some(FeedEvent::Reset)));
        let mut seen = 0;
        let end = loop {
            match live.next().await {
                Some(FeedEvent::Changes { changes, .. }) => seen += changes.len(),
                other => break other,
            }
            if seen == 24_000 {
                hub.app.end_feeds();
            }
        };
        // It fell behind what is kept, or was told to come back when all was told.
        match end {
            Some(FeedEvent::Reset) => assert!(seen < 24_000),
            Some(FeedEvent::Reconnect { .. }) => assert_eq!(seen, 24_000),
            other => panic!("{other:?} after {seen}"),
        }
        hub.assert_sound().await;
    }

    async fn a_moved_bucket_is_found_by_both_names(hub: Hub) {
        let alice = hub.writer("alice").await;
        let bob = hub.writer("bob").await;
        hub.org("lab", "alice", &[]).await;
        let old = bucket(&hub, &alice, "alice/b", Visibility::Public).await;
        change(&hub, &alice, &old, &[empty("f")]).await.unwrap();
        let new: RepoPath = "lab/B2".parse().unwrap();
        assert_eq!(hub.app.move_bucket(&bob, &old, &new).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.move_bucket(&alice, &old, &"bob/b".parse().unwrap()).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(hub.app.move_repo(&alice, RepoKind::Bucket, &old, &new).await.unwrap_err().code, Code::RepoNotFound);
        assert_eq!(hub.app.move_bucket(&alice, &old, &new).await.unwrap(), new);
        for name in [&old, &new] {
            assert!(file(&hub, &alice, name, "f").await.is_ok());
            change(&hub, &alice, name, &[empty(&format!("by {name}").replace('/', " "))]).await.unwrap();
        }
        assert_eq!(totals(&hub, &alice, &old).await, (3, 0));
        let other = bucket(&hub, &alice, "alice/c", Visibility::Public).await;
        assert_eq!(hub.app.move_bucket(&alice, &other, &new).await.unwrap_err().code, Code::Conflict);
        // A new bucket takes the old name.
        bucket(&hub, &alice, "alice/b", Visibility::Public).await;
        assert_eq!(totals(&hub, &alice, &old).await, (0, 0));
        hub.assert_sound().await;
    }

    async fn who_follows_a_deleted_bucket_is_let_go(hub: Hub) {
        let alice = hub.writer("alice").await;
        let b = bucket(&hub, &alice, "alice/b", Visibility::Private).await;
        let access = hub.app.read_bucket(&alice, &b).await.unwrap();
        let mut feed = hub.app.follow_bucket(&alice, access, Resume::Live).await.unwrap();
        assert!(matches!(feed.next().await, Some(FeedEvent::Ready { .. })));
        let access = hub.app.administer_bucket(&alice, &b).await.unwrap();
        hub.app.delete_bucket(&access).await.unwrap();
        assert!(matches!(feed.next().await, Some(FeedEvent::Reconnect { .. })));
        assert!(feed.next().await.is_none());
    }
}
