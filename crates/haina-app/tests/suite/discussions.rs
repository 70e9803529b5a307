//! Discussions and pull requests: who may do what, what is merged and what is not, and who wins.

use haina_app::discussions::{Conflicts, EventKind, FileView, Kind, ListDiscussions, OpenState, Said, Status};
use haina_app::gate::{TalkAccess, WriteAccess};
use haina_app::history::CommitHeader;
use haina_app::{App, Caller};
use haina_types::{Code, Error, Oid, OrgRole, RepoKind, RepoPath, Revision, TokenRole, Visibility};

use crate::hub::{Hub, both};

async fn talk(app: &App, caller: &Caller, repo: &RepoPath) -> TalkAccess {
    app.talk(caller, RepoKind::Model, repo).await.unwrap()
}

async fn write(app: &App, caller: &Caller, repo: &RepoPath) -> WriteAccess {
    app.write(caller, RepoKind::Model, repo).await.unwrap()
}

fn header(summary: &str) -> CommitHeader {
    CommitHeader { summary: summary.into(), ..CommitHeader::default() }
}

/// Opens a pull request with one commit; its number.
async fn propose(hub: &Hub, by: &TalkAccess, files: &[(&str, Option<&str>)]) -> Result<i64, Error> {
    propose_from(hub, by, None, files).await
}

async fn propose_from(
    hub: &Hub,
    by: &TalkAccess,
    parent: Option<Oid>,
    files: &[(&str, Option<&str>)],
) -> Result<i64, Error> {
    let header = CommitHeader { parent: parent.map(|p| p.to_string()), ..header("A proposal") };
    let mut writer = hub.app.begin_new_pull(by, &Revision::main(), header).await?;
    for (path, text) in files {
        match text {
            Some(text) => writer.put_file(path, text.as_bytes().to_vec()).await?,
            None => writer.delete_entry(path)?,
        }
    }
    let done = writer.finish().await?;
    Ok(done.opened.expect("because a new pull request was asked for"))
}

/// Adds a file to a pull request.
async fn add(app: &App, by: &TalkAccess, number: i64, path: &str, text: &str) -> Result<Oid, Error> {
    let at = Revision::new(format!("refs/pr/{number}"));
    let mut writer = app.begin_pull_commit(by, &at, header("More")).await?;
    writer.put_file(path, text.as_bytes().to_vec()).await?;
    Ok(writer.finish().await?.id)
}

async fn read(hub: &Hub, caller: &Caller, repo: &RepoPath, rev: &str, path: &str) -> Option<String> {
    let access = hub.app.read_content(caller, RepoKind::Model, repo).await.unwrap();
    let commit = hub.app.resolve_revision(&access, &Revision::new(rev)).await.unwrap();
    let bytes = hub.app.read_small(&access, commit, &path.parse().unwrap(), 1 << 20).await.unwrap();
    bytes.map(|b| String::from_utf8(b).unwrap())
}

fn statuses(events: &[Said]) -> Vec<Status> {
    let status = |said: &Said| match &said.event.kind {
        EventKind::Status(status) => Some(*status),
        _ => None,
    };
    events.iter().filter_map(status).collect()
}

both! {
    async fn talk_is_kept_edited_and_hidden(hub: Hub) {
        let (alice, bob) = (hub.writer("alice").await, hub.writer("bob").await);
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let app = &hub.app;
        let (owner, guest) = (talk(app, &alice, &repo).await, talk(app, &bob, &repo).await);
        let number = app.create_discussion(&guest, "  A question ", "**Why**? <script>x</script>").await.unwrap();
        assert_eq!(number, 1);
        let thread = app.discussion(&guest.content(), 1).await.unwrap();
        assert_eq!((thread.discussion.title.as_str(), thread.discussion.status), ("A question", Status::Open));
        assert_eq!(thread.discussion.author.as_deref(), Some("bob"));
        let [first] = thread.events.as_slice() else { panic!("{:?}", thread.events) };
        assert!(first.html.contains("<strong>Why</strong>") && !first.html.contains("<script"), "{}", first.html);

        let answer = app.comment(&owner, 1, "Because.").await.unwrap();
        let edited = app.edit_comment(&owner, 1, answer.event.id, "Because of *this*.").await.unwrap();
        assert_eq!(edited.earlier.iter().map(|e| e.text.as_str()).collect::<Vec<_>>(), ["Because."]);
        let again = app.discussion(&guest.content(), 1).await.unwrap();
        assert_eq!(again.events.last(), Some(&edited));
        // Others do not, but who may write does.
        let e = app.edit_comment(&guest, 1, answer.event.id, "No.").await.unwrap_err();
        assert_eq!(e.code, Code::Forbidden);
        assert_eq!(app.hide_comment(&guest, 1, answer.event.id).await.unwrap_err().code, Code::Forbidden);
        let hidden = app.hide_comment(&owner, 1, first.event.id).await.unwrap();
        assert!(matches!(&hidden.event.kind, EventKind::Comment { text, hidden: true, .. } if text.is_empty()));
        assert!(hidden.html.is_empty() && hidden.earlier.is_empty());
        assert_eq!(app.edit_comment(&guest, 1, first.event.id, "Back").await.unwrap_err().code, Code::Conflict);
        assert_eq!(app.hide_comment(&owner, 1, 999_999).await.unwrap_err().code, Code::NotFound);

        app.rename_discussion(&guest, 1, "An answered question").await.unwrap();
        app.set_discussion_status(&guest, 1, Status::Closed, Some("Thanks!")).await.unwrap();
        let e = app.set_discussion_status(&owner, 1, Status::Closed, None).await.unwrap_err();
        assert_eq!(e.code, Code::Conflict);
        app.set_discussion_status(&owner, 1, Status::Open, None).await.unwrap();
        for to in [Status::Merged, Status::Draft] {
            assert_eq!(app.set_discussion_status(&owner, 1, to, None).await.unwrap_err().code, Code::Invalid);
        }
        let thread = app.discussion(&guest.content(), 1).await.unwrap();
        assert_eq!(statuses(&thread.events), [Status::Closed, Status::Open]);
        assert_eq!((thread.discussion.comments, thread.events.len()), (3, 6));
        for bad in ["", " \n", &"x".repeat(70_000), "a\0b"] {
            assert!(app.comment(&owner, 1, bad).await.is_err(), "{bad:.10}");
        }
        for bad in ["", "a\nb", &"x".repeat(201)] {
            assert_eq!(app.create_discussion(&owner, bad, "").await.unwrap_err().code, Code::Invalid);
        }
        assert_eq!(app.merge_pull_request(&write(app, &alice, &repo).await, 1, None).await.unwrap_err().code, Code::Invalid);
        assert_eq!(app.discussion(&guest.content(), 2).await.unwrap_err().code, Code::NotFound);
    }

    async fn who_may_read_may_talk_and_propose_and_nothing_else(hub: Hub) {
        let alice = hub.writer("alice").await;
        for name in ["bob", "carol", "oscar"] {
            hub.writer(name).await;
        }
        hub.org("acme", "alice", &[("bob", OrgRole::Read), ("carol", OrgRole::Write)]).await;
        let repo = hub.repo(&alice, "acme/secret", Visibility::Private).await;
        let (bob, carol, oscar) = (hub.writer("bob").await, hub.writer("carol").await, hub.writer("oscar").await);
        let app = &hub.app;
        let code = async |caller: &Caller| app.talk(caller, RepoKind::Model, &repo).await.map(drop).unwrap_err().code;
        assert_eq!(code(&oscar).await, Code::RepoNotFound);
        assert_eq!(code(&Caller::anonymous()).await, Code::RepoNotFound);
        assert_eq!(code(&hub.user("bob", TokenRole::Read).await).await, Code::Forbidden);
        let guest = talk(app, &bob, &repo).await;
        assert!(!guest.is_writer() && talk(app, &carol, &repo).await.is_writer());
        let number = propose(&hub, &guest, &[("b.txt", Some("b"))]).await.unwrap();
        assert_eq!(hub.paths(&bob, &repo, "refs/pr/1").await, [".gitattributes", "b.txt"]);
        assert_eq!(hub.paths(&bob, &repo, "main").await, [".gitattributes"]);
        // Their own pull request takes more, the branch nothing.
        add(app, &guest, number, "c.txt", "c").await.unwrap();
        let e = app.begin_pull_commit(&guest, &Revision::main(), header("x")).await.map(drop).unwrap_err();
        assert_eq!(e.code, Code::RevisionNotFound);
        assert_eq!(app.write(&bob, RepoKind::Model, &repo).await.unwrap_err().code, Code::Forbidden);
        // Who may write adds to others' pull requests; others do not.
        add(app, &talk(app, &carol, &repo).await, number, "d.txt", "d").await.unwrap();
        let theirs = propose(&hub, &talk(app, &carol, &repo).await, &[("e.txt", Some("e"))]).await.unwrap();
        assert_eq!(add(app, &guest, theirs, "f.txt", "f").await.unwrap_err().code, Code::Forbidden);
        let e = app.set_discussion_status(&guest, theirs, Status::Closed, None).await.unwrap_err();
        assert_eq!(e.code, Code::Forbidden);
        assert_eq!(app.rename_discussion(&guest, theirs, "Mine").await.unwrap_err().code, Code::Forbidden);
        assert_eq!(add(app, &guest, 99, "f.txt", "f").await.unwrap_err().code, Code::RevisionNotFound);
        // A discussion is no pull request.
        let plain = app.create_discussion(&guest, "Words", "only").await.unwrap();
        assert_eq!(add(app, &guest, plain, "f.txt", "f").await.unwrap_err().code, Code::RevisionNotFound);
        let thread = app.discussion(&guest.content(), number).await.unwrap();
        let commits = thread.events.iter().filter(|s| matches!(s.event.kind, EventKind::Commit { .. })).count();
        assert_eq!((commits, thread.discussion.base.unwrap().as_str()), (3, "refs/heads/main"));
        hub.assert_sound().await;
    }

    async fn drafts_are_opened_and_merged(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let before = hub.commit(&alice, &repo, None, &[("a.txt", Some("1\n2\n3\n4\n5\n"))]).await.unwrap().id;
        let app = &hub.app;
        let (bob, owner) = (hub.writer("bob").await, write(app, &alice, &repo).await);
        let guest = talk(app, &bob, &repo).await;
        let number = app.create_pull_request(&guest, "Better", "As said.").await.unwrap();
        let thread = app.discussion(&guest.content(), number).await.unwrap();
        assert_eq!((thread.discussion.status, thread.events.len()), (Status::Draft, 1));
        let access = owner.content();
        assert_eq!(app.resolve_revision(&access, &Revision::new("refs/pr/1")).await.unwrap(), before);
        add(app, &guest, number, "b.txt", "new\n").await.unwrap();
        add(app, &guest, number, "a.txt", "1\n2\n3\n4\nfive\n").await.unwrap();
        let moved = hub.commit(&alice, &repo, None, &[("a.txt", Some("one\n2\n3\n4\n5\n"))]).await.unwrap().id;
        let e = app.merge_pull_request(&owner, number, None).await.unwrap_err();
        assert!(e.code == Code::Conflict && e.message.contains("draft"), "{e:?}");
        app.set_discussion_status(&guest, number, Status::Open, None).await.unwrap();
        let pull = app.discussion(&access, number).await.unwrap().discussion;
        assert_eq!(*app.pull_conflicts(&access, &pull).await.unwrap(), Conflicts::Files(vec![]));
        let diff = app.pull_diff(&access, &pull).await.unwrap();
        assert_eq!(diff.files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["a.txt", "b.txt"]);
        assert!(matches!(&diff.files[0].view, FileView::Lines(text) if text.contains("-5\n+five\n")), "{diff:?}");

        let merged = app.merge_pull_request(&owner, number, Some("Thanks.")).await.unwrap();
        assert_eq!(read(&hub, &alice, &repo, "main", "a.txt").await.unwrap(), "one\n2\n3\n4\nfive\n");
        assert_eq!(read(&hub, &alice, &repo, "main", "b.txt").await.unwrap(), "new\n");
        let (log, _) = app.list_commits(&access, merged, 0, 10).await.unwrap();
        assert_eq!((log[0].title.as_str(), log[0].author.as_str(), log[1].id), ("Better (#1)", "bob", moved));
        assert!(log[0].message.contains("- More ("), "{}", log[0].message);
        let thread = app.discussion(&access, number).await.unwrap();
        assert_eq!((thread.discussion.status, thread.discussion.merge_commit), (Status::Merged, Some(merged)));
        assert_eq!(statuses(&thread.events), [Status::Open, Status::Merged]);
        // What was merged stays as it was, and what it changed can still be seen.
        assert_eq!(add(app, &guest, number, "c.txt", "c").await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.set_discussion_status(&guest, number, Status::Closed, None).await.unwrap_err().code, Code::Conflict);
        assert_eq!(app.merge_pull_request(&owner, number, None).await.unwrap_err().code, Code::Conflict);
        assert_eq!(app.pull_diff(&access, &thread.discussion).await.unwrap(), diff);
        hub.assert_sound().await;
    }

    async fn conflicts_are_named_and_nothing_is_done(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let files = [("same", "1\n"), ("gone", "1\n"), ("kept", "1\n"), ("bin", "\u{0}1"), ("file", "1\n")];
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, Some(*text))).collect();
        let fork = hub.commit(&alice, &repo, None, &files).await.unwrap().id;
        let ours = [
            ("same", Some("ours\n")), ("gone", Some("ours\n")), ("kept", None), ("bin", Some("\u{0}2")),
            ("file", None), ("file/below", Some("x")), ("both", Some("a\n")), ("alike", Some("z\n")),
        ];
        let head = hub.commit(&alice, &repo, None, &ours).await.unwrap().id;
        let app = &hub.app;
        let guest = talk(app, &hub.writer("bob").await, &repo).await;
        let theirs = [
            ("same", Some("theirs\n")), ("gone", None), ("kept", Some("theirs\n")), ("bin", Some("\u{0}3")),
            ("file", Some("2\n")), ("both", Some("b\n")), ("alike", Some("z\n")), ("free", Some("f\n")),
        ];
        let number = propose_from(&hub, &guest, Some(fork), &theirs).await.unwrap();
        let owner = write(app, &alice, &repo).await;
        let e = app.merge_pull_request(&owner, number, None).await.unwrap_err();
        assert_eq!(e.code, Code::Conflict);
        let pull = app.discussion(&owner.content(), number).await.unwrap().discussion;
        let found = app.pull_conflicts(&owner.content(), &pull).await.unwrap();
        let Conflicts::Files(files) = &*found else { panic!("{found:?}") };
        assert_eq!(files, &["bin", "both", "file", "gone", "kept", "same"]);
        assert!(files.iter().all(|f| e.message.contains(f.as_str())), "{e:?}");
        assert_eq!((pull.status, pull.merge_commit), (Status::Open, None));
        assert_eq!(app.resolve_revision(&owner.content(), &Revision::main()).await.unwrap(), head);
        // A file where the branch has a folder, and the other way round.
        let number = propose_from(&hub, &guest, Some(fork), &[("both/x", Some("1")), ("alike", None)]).await;
        assert_eq!(number.unwrap_err().code, Code::EntryNotFound);
        let number = propose_from(&hub, &guest, Some(fork), &[("both/x", Some("1"))]).await.unwrap();
        let e = app.merge_pull_request(&owner, number, None).await.unwrap_err();
        assert!(e.code == Code::Conflict && e.message.contains("both"), "{e:?}");
        // Deleted here and there is agreement; what is not touched stays.
        let number = propose_from(&hub, &guest, Some(fork), &[("kept", None), ("free", Some("f\n"))]).await.unwrap();
        app.merge_pull_request(&owner, number, None).await.unwrap();
        assert_eq!(hub.paths(&alice, &repo, "main").await, [".gitattributes", "alike", "bin", "both", "file/below", "free", "gone", "same"]);
        hub.assert_sound().await;
    }

    async fn of_two_merges_one_wins(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let app = &hub.app;
        let owner = write(app, &alice, &repo).await;
        let guest = talk(app, &hub.writer("bob").await, &repo).await;
        let before = app.list_commits(&owner.content(), app.resolve_revision(&owner.content(), &Revision::main()).await.unwrap(), 0, 1).await.unwrap().1;
        let mut numbers = Vec::new();
        for i in 0..4 {
            numbers.push(propose(&hub, &guest, &[(&format!("f{i}"), Some("x"))]).await.unwrap());
        }
        // Each of them three times, and the branch moves as well.
        let tries = numbers.iter().flat_map(|n| [*n; 3]).map(|number| {
            let (app, owner) = (app.clone(), owner.clone());
            tokio::spawn(async move { (number, app.merge_pull_request(&owner, number, None).await) })
        });
        let mut wins = Vec::new();
        let tries: Vec<_> = tries.collect();
        for i in 0..3 {
            hub.commit(&alice, &repo, None, &[(&format!("main{i}"), Some("x"))]).await.unwrap();
        }
        for done in tries {
            match done.await.unwrap() {
                (number, Ok(_)) => wins.push(number),
                (_, Err(e)) => assert_eq!(e.code, Code::Conflict, "{e:?}"),
            }
        }
        wins.sort_unstable();
        assert_eq!(wins, numbers);
        let head = app.resolve_revision(&owner.content(), &Revision::main()).await.unwrap();
        assert_eq!(app.list_commits(&owner.content(), head, 0, 1).await.unwrap().1, before + 7);
        for number in numbers {
            let thread = app.discussion(&owner.content(), number).await.unwrap();
            assert_eq!(statuses(&thread.events), [Status::Merged], "{number}");
        }
        hub.assert_sound().await;
    }

    async fn numbers_are_given_once(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let guest = talk(&hub.app, &hub.writer("bob").await, &repo).await;
        let tasks: Vec<_> = (0..12)
            .map(|i| {
                let (app, guest) = (hub.app.clone(), guest.clone());
                tokio::spawn(async move {
                    match i % 2 {
                        0 => app.create_discussion(&guest, "a", "b").await,
                        _ => app.create_pull_request(&guest, "a", "b").await,
                    }
                })
            })
            .collect();
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.push(task.await.unwrap().unwrap());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=12).collect::<Vec<i64>>());
        let app = &hub.app;
        app.set_discussion_status(&guest, 1, Status::Closed, None).await.unwrap();
        let list = async |kind, state, author: Option<&str>, page| {
            let query = ListDiscussions { kind, state, author: author.map(str::to_owned), page };
            app.list_discussions(&guest.content(), &query).await.unwrap()
        };
        let all = list(Kind::All, OpenState::All, None, 0).await;
        assert_eq!((all.count, all.open, all.closed, all.items[0].number), (12, 11, 1, 12));
        let pulls = list(Kind::PullRequest, OpenState::Open, Some("BOB"), 0).await;
        assert!(pulls.count == 6 || pulls.count == 5, "{pulls:?}");
        assert!(pulls.items.iter().all(|d| d.is_pull_request() && d.status == Status::Draft));
        assert_eq!(list(Kind::All, OpenState::Closed, None, 0).await.items.iter().map(|d| d.number).collect::<Vec<_>>(), [1]);
        assert_eq!(list(Kind::All, OpenState::All, Some("nobody"), 0).await.count, 0);
        let past = list(Kind::All, OpenState::All, None, usize::MAX).await;
        assert!(past.items.is_empty() && past.count == 12);
    }

    async fn attachments_are_what_their_bytes_say(hub: Hub) {
        let alice = hub.writer("alice").await;
        let app = &hub.app;
        let body = |bytes: Vec<u8>| -> haina_app::content::ByteStream {
            Box::pin(futures_util::stream::iter([Ok(bytes::Bytes::from(bytes))]))
        };
        let png = [&b"\x89PNG\r\n\x1a\n"[..], &[7; 1000]].concat();
        let url = app.attach(&alice, "image/png", body(png.clone())).await.unwrap();
        let name = url.strip_prefix("http://hub.test/uploads/").unwrap();
        let found = app.attachment(name).await.unwrap();
        assert_eq!((found.media_type.as_str(), found.bytes), ("image/png", 1008));
        assert_eq!(app.read_attachment(&found, 0..found.bytes).await.unwrap(), png);
        for (declared, bytes) in [("image/svg+xml", b"<svg/>".to_vec()), ("text/html", png.clone()), ("", png.clone())] {
            let e = app.attach(&alice, declared, body(bytes)).await.unwrap_err();
            assert_eq!(e.code, Code::Invalid, "{declared}");
        }
        let large = [&png[..], &vec![0; 10 << 20]].concat();
        assert_eq!(app.attach(&alice, "image/png", body(large)).await.unwrap_err().code, Code::TooLarge);
        let e = app.attach(&Caller::anonymous(), "image/png", body(png.clone())).await.unwrap_err();
        assert_eq!(e.code, Code::Unauthenticated);
        let reads = hub.user("alice", TokenRole::Read).await;
        assert_eq!(app.attach(&reads, "image/png", body(png)).await.unwrap_err().code, Code::Forbidden);
        assert_eq!(app.attachment("nothing.png").await.unwrap_err().code, Code::NotFound);
    }
}
