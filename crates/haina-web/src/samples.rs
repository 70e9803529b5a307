//! Every page with sample data in every language, and what must hold for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use haina_types::{Code, RepoKind, Timestamp};

use crate::address::RepoAddress;
use crate::form::Problem;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::{Words, catalogue};
use crate::parts::{CommitLine, FileRow, RepoHead, RepoRow, Tab, crumbs, publish_commands};
use crate::*;

const NOW: Timestamp = Timestamp(1_772_719_500_000);
const BASE: &str = "https://hub.example.org";
const COMMIT: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";

fn words(locale: Locale) -> Words {
    Words { locale, now: NOW }
}

fn layout(section: Section, viewer: Option<&str>) -> Layout {
    Layout {
        viewer: viewer.map(str::to_owned),
        csrf: "0123456789abcdef".repeat(4),
        here: "/models?search=a&tag=<b>".into(),
        section,
        is_section: true,
    }
}

fn address(kind: RepoKind) -> RepoAddress {
    RepoAddress { kind, namespace: "qingyun-lab".into(), name: "Canghai-8B-Instruct".into() }
}

fn row(i: u64, kind: RepoKind) -> RepoRow {
    RepoRow {
        address: RepoAddress {
            kind,
            namespace: "qingyun-lab".into(),
            name: format!("Canghai-{i}-Some-Very-Long-Name-With-Quantization-GGUF-Q4_K_M"),
        },
        private: i == 1,
        summary: (i != 2).then(|| "面向中文科研写作的 8B 指令模型 <script>alert(1)</script>".to_owned()),
        task: Some(if i.is_multiple_of(2) { "text-generation" } else { "mind-reading" }.to_owned()),
        library: (i != 3).then(|| "transformers".to_owned()),
        licence: (i != 3).then(|| "apache-2.0".to_owned()),
        downloads: i * 12_345,
        likes: i,
        updated: NOW.plus_seconds(-(i as i64).pow(4) * 60),
    }
}

fn rows(n: u64, kind: RepoKind) -> Vec<RepoRow> {
    (0..n).map(|i| row(i, kind)).collect()
}

fn files() -> Vec<FileRow> {
    let commit = Some(CommitLine { title: "上传权重 & <config>".into(), at: NOW.plus_seconds(-86_400) });
    vec![
        FileRow {
            name: "训练日志".into(),
            path: "训练日志".into(),
            is_folder: true,
            size: 0,
            mark: None,
            commit: commit.clone(),
        },
        FileRow {
            name: "config.json".into(),
            path: "config.json".into(),
            is_folder: false,
            size: 1200,
            mark: None,
            commit,
        },
        FileRow {
            name: "model.safetensors".into(),
            path: "model.safetensors".into(),
            is_folder: false,
            size: 4_982_131_536,
            mark: Some("Xet"),
            commit: None,
        },
    ]
}

fn head(kind: RepoKind, tab: Tab) -> RepoHead {
    let mut head = RepoHead::new(address(kind), true, "refs/pr/1", tab);
    head.summary = Some("An <instruction> model".into());
    head.set_tags((0..20).map(|i| format!("tag:{i}")).collect());
    head.has_use = tab == Tab::Card;
    head.likes = (tab == Tab::Card).then(|| likes::Likes {
        count: 3,
        is_liked: kind == RepoKind::Dataset,
        csrf: (kind != RepoKind::Space).then(|| "0123456789abcdef".repeat(4)),
        sign_in_url: "/login?next=%2Fx".into(),
    });
    head
}

fn collection_rows(n: u64) -> Vec<collections::Row> {
    (0..n)
        .map(|i| collections::Row {
            url: format!("/collections/lin/title-{i:024}"),
            title: format!("第 {i} 个 <合集>"),
            owner: "lin".into(),
            description: (i > 0).then(|| "A line <b>".to_owned()),
            private: i == 1,
            items: i,
            upvotes: i,
            updated: NOW,
        })
        .collect()
}

fn people(n: u64) -> Vec<people::PersonLine> {
    (0..n)
        .map(|i| people::PersonLine { name: format!("p{i}"), full_name: "林 <x>".into(), is_org: i == 0, at: NOW })
        .collect()
}

fn collection(l: Words, n: u64, may_edit: bool, editing: bool) -> collections::CollectionPage {
    let item = |i: u64| collections::Item {
        id: format!("{i:024}"),
        kind_key: collections::KINDS[i as usize % collections::KINDS.len()],
        url: (i != 3).then(|| format!("/lin/m{i}")),
        name: format!("lin/m{i} <x>"),
        private: i == 1,
        note: "a *note*".into(),
        note_html: (i != 2).then(|| "<p>a <em>note</em></p>".into()),
        position: i as usize,
    };
    collections::CollectionPage {
        l,
        page: layout(Section::Collections, may_edit.then_some("lin")),
        url: format!("/collections/lin/title-{:024}", 7),
        title: "Good <things>".into(),
        owner: "lin".into(),
        description: if n > 0 { "A line".into() } else { String::new() },
        private: !may_edit,
        upvotes: n,
        is_upvoted: editing,
        updated: NOW,
        items: (0..n).map(item).collect(),
        may_edit,
        editing,
        problems: if editing {
            vec![
                Problem::new("id", l.t("problem-item-missing")),
                Problem::new("title", l.t("problem-collection-taken")),
            ]
        } else {
            vec![]
        },
    }
}

fn hook(disabled: Option<&str>, failing: bool) -> webhooks::Line {
    webhooks::Line {
        id: "0".repeat(24),
        url: "https://hook.example/a?b=<c>".into(),
        watched: vec!["user lin".into(), "model lin/m".into()],
        state_key: webhooks::state_key(disabled, failing),
        is_on: disabled.is_none(),
    }
}

fn sent(i: usize) -> webhooks::Sent {
    let states = ["delivered", "failed", "dropped", "queued"];
    webhooks::Sent {
        id: format!("{i:024}"),
        what: "repo.content update".into(),
        subject: "datasets/lin/rows".into(),
        state_key: webhooks::delivery_key(states[i % states.len()]),
        status: (i != 1).then_some(200),
        duration_ms: (i != 1).then_some(12),
        attempts: i as u64,
        at: NOW,
    }
}

/// The pages of likes, follows, collections and webhooks.
fn community(l: Words) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, page: &dyn askama::DynTemplate| out.push((name.to_owned(), page.dyn_render().unwrap()));
    for n in [0, 3] {
        let likers = likes::LikersPage {
            l,
            page: layout(Section::Models, None),
            address: address(RepoKind::Model),
            total: n,
            people: people(n),
            next: (n > 0).then(|| "1.2".into()),
            is_first: n == 0,
        };
        add(&format!("likers-{n}"), &likers);
        for listing in people::Listing::ALL {
            let is_likes = listing == people::Listing::Likes;
            let page = people::PeoplePage {
                l,
                page: layout(Section::None, None),
                name: "lin".into(),
                full_name: "林".into(),
                listing,
                people: if is_likes { vec![] } else { people(n) },
                repos: if is_likes { rows(n, RepoKind::Dataset) } else { vec![] },
                next: (n > 0).then(|| "1.2".into()),
                is_first: n == 0,
            };
            add(&format!("people-{}-{n}", listing.name()), &page);
        }
        let list = collections::CollectionsPage {
            l,
            page: layout(Section::Collections, (n > 0).then_some("lin")),
            search: if n > 0 { "a \"b\"".into() } else { String::new() },
            owner: if n > 0 { "lin".into() } else { String::new() },
            by_votes: n > 0,
            rows: collection_rows(n),
            next: (n > 0).then(|| "1.2".into()),
            is_first: n == 0,
            deleted: n == 0,
        };
        add(&format!("collections-{n}"), &list);
        add(&format!("collection-{n}"), &collection(l, n, n > 0, false));
        let new = collections::NewPage {
            l,
            page: layout(Section::Collections, Some("lin")),
            problems: if n > 0 { vec![Problem::new("title", l.t("problem-collection-taken"))] } else { vec![] },
            owners: vec!["lin".into(), "lab".into()],
            owner: "lab".into(),
            title: "<t>".into(),
            description: String::new(),
            private: n > 0,
        };
        add(&format!("collection-new-{n}"), &new);
        let wrong = || {
            if n > 0 {
                vec![Problem::new("watched", l.t("problem-watched")), Problem::in_english("url", "\"url\" is refused.")]
            } else {
                vec![]
            }
        };
        let fields = || webhooks::Fields {
            url: "https://a.example/".into(),
            watched: "user lin".into(),
            repo: true,
            discussion: n > 0,
            secret: "s".into(),
        };
        let hooks = webhooks::WebhooksPage {
            l,
            page: layout(Section::Webhooks, Some("lin")),
            hooks: if n > 0 {
                vec![
                    hook(None, false),
                    hook(None, true),
                    hook(Some("failing"), true),
                    hook(Some("overflow"), true),
                    hook(Some("owner"), false),
                ]
            } else {
                vec![]
            },
            deleted: n == 0,
            problems: wrong(),
            fields: fields(),
            example: "user lin".into(),
        };
        add(&format!("webhooks-{n}"), &hooks);
        let one = webhooks::WebhookPage {
            l,
            page: layout(Section::Webhooks, Some("lin")),
            hook: hook((n > 0).then_some("owner"), false),
            problems: wrong(),
            fields: fields(),
            example: "user lin".into(),
            log: (0..n as usize + 1).take(n as usize * 2).map(sent).collect(),
            next: (n > 0).then(|| "17".into()),
            is_first: n == 0,
            saved: n == 0,
        };
        add(&format!("webhook-{n}"), &one);
        let delivery = webhooks::DeliveryPage {
            l,
            page: layout(Section::Webhooks, Some("lin")),
            webhook: "0".repeat(24),
            is_on: n > 0,
            url: "https://a.example/".into(),
            sent: sent(n as usize),
            error: (n > 0).then(|| "cannot connect: <refused>".into()),
            answer: (n > 0).then(|| "<b>no</b>".into()),
            body: "{\n  \"a\": \"<b>\"\n}".into(),
            next_try: (n > 0).then_some(NOW),
        };
        add(&format!("delivery-{n}"), &delivery);
    }
    add("collection-editing", &collection(l, 5, true, true));
    out
}

fn repo(l: Words, kind: RepoKind, full: bool) -> repo::RepoPage {
    let at = address(kind);
    repo::RepoPage {
        l,
        page: layout(Section::Models, full.then_some("lin")),
        head: RepoHead { has_use: full, ..head(kind, Tab::Card) },
        facts: repo::Facts {
            licence: full.then(|| "apache-2.0".into()),
            size: full.then_some(21_100_000_000),
            task: full.then(|| "text-generation".into()),
            library: full.then(|| "transformers".into()),
            base_models: if full {
                vec![repo::Link::to(RepoKind::Model, "qingyun-lab/Canghai-8B"), repo::Link::to(RepoKind::Model, "gpt2")]
            } else {
                vec![]
            },
            datasets: if full { vec![repo::Link::to(RepoKind::Dataset, "qingyun-lab/keyan-sft")] } else { vec![] },
            languages: if full { vec!["zh".into(), "en".into(), "tlh".into()] } else { vec![] },
            downloads: full.then_some(24_310),
            updated: NOW.plus_seconds(-3 * 86_400),
            commit: full.then(|| COMMIT.into()),
        },
        uses: if full {
            repo::ways(BASE, Some("ssh://git@hub.example:2222"), &at, true, Some("transformers"), Some("config.json"))
        } else {
            vec![]
        },
        has_readme: full,
        card: full.then(|| "<h2 id=\"card-x\">用途</h2><p>本模型用于辅助撰写与润色中文科研论文。</p>".into()),
        files: if full { files() } else { vec![] },
        files_total: 14,
        is_empty: !full,
        gate: repo::gate_key(&haina_app::requests::Standing::Outside, true).filter(|_| full),
        publish: Some(publish_commands(BASE, None, Some(&at))),
    }
}

fn blob(l: Words, view: blob::View) -> blob::BlobPage {
    blob::BlobPage {
        l,
        page: layout(Section::Models, None),
        head: RepoHead { is_tab_root: false, ..head(RepoKind::Model, Tab::Files) },
        path: "a/<b>/配置.json".into(),
        name: "配置.json".into(),
        crumbs: crumbs("a/<b>/配置.json"),
        commit: COMMIT.into(),
        size: 1234,
        mark: Some("LFS"),
        view,
        checksum: blob::Checksum { label: "SHA-256", value: "00".repeat(32) },
        last: Some(CommitLine { title: "Add".into(), at: NOW }),
        command: "curl -L -O https://hub.example.org/x".into(),
    }
}

fn problems(l: Words) -> Vec<Problem> {
    vec![Problem::new("name", l.t("problem-name-taken")), Problem::in_english("", "Something in English.")]
}

fn discussion(l: Words, full: bool) -> discussion::DiscussionPage {
    use discussion::{Comment, Earlier, Event, What};
    let comment = |text: &str, hidden: bool| {
        What::Comment(Comment {
            html: "<p>Because</p>".into(),
            text: text.into(),
            is_empty: text.is_empty(),
            edited: Some(NOW),
            hidden,
            earlier: vec![Earlier { text: "<i>".into(), author: None, at: NOW }],
            may_change: full && !hidden,
        })
    };
    let mut whats = vec![comment("<b>", false), comment("x", true), comment("", false)];
    whats.extend(["event-draft", "event-opened", "event-closed", "event-merged"].map(What::Status));
    whats.push(What::Title { from: "<a>".into(), to: "b".into() });
    whats.push(What::Commit { subject: "Upload <x>".into(), oid: COMMIT.into() });
    let events = whats.into_iter().enumerate().map(|(i, what)| Event {
        id: format!("{i:024x}"),
        author: (i != 1).then(|| "lin".into()),
        at: NOW,
        what,
    });
    discussion::DiscussionPage {
        l,
        page: layout(Section::Models, full.then_some("lin")),
        head: head(RepoKind::Model, Tab::Discussions),
        number: 7,
        title: "A <title>".into(),
        author: Some("lin".into()),
        created: NOW,
        state_key: "state-open",
        is_open: full,
        events: events.collect(),
        pull: full.then(|| discussion::Pull {
            base: "main".into(),
            reference: "refs/pr/7".into(),
            merge_commit: Some(COMMIT.into()),
            conflicts: vec!["a/<b>.txt".into()],
            conflicts_unknown: false,
            commands: "git fetch".into(),
        }),
        may: discussion::May { talk: full, close: full, open: full, publish: full, merge: full, rename: full },
        draft: "<draft>".into(),
        problems: if full { vec![Problem::in_english("", "Not so.")] } else { vec![] },
    }
}

fn changes(l: Words, full: bool) -> changes::ChangesPage {
    use haina_app::discussions::{FileDiff, FileView, PullDiff};
    let file = |view: FileView, old: bool, new: bool| {
        let side = |on: bool| on.then_some((0o100_644, COMMIT.parse().unwrap()));
        FileDiff { path: "a <b>/c.txt".into(), old: side(old), new: side(new), view }
    };
    let files = vec![
        file(FileView::Lines("@@ -1 +1 @@\n-<a>\n+b\n".into()), true, true),
        file(FileView::Lines(String::new()), true, true),
        file(FileView::Large { old: Some(5), new: Some(7_000_000), pointer: String::new() }, true, true),
        file(FileView::Binary, false, true),
        file(FileView::TooLong, true, false),
    ];
    let diff = std::sync::Arc::new(PullDiff { files: if full { files } else { vec![] }, truncated: full });
    changes::ChangesPage {
        l,
        page: layout(Section::Models, None),
        head: head(RepoKind::Model, Tab::Discussions),
        number: 7,
        title: "A <title>".into(),
        files: changes::files(&diff),
        truncated: full,
    }
}

/// Every page in the states that look different, with a name.
fn pages(locale: Locale) -> Vec<(String, String)> {
    let l = words(locale);
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, page: &dyn askama::DynTemplate| out.push((name.to_owned(), page.dyn_render().unwrap()));

    let columns =
        |n| home::columns([rows(n, RepoKind::Model), rows(n.min(1), RepoKind::Dataset), rows(0, RepoKind::Space)]);
    let home = |n, viewer| home::Home {
        l,
        page: layout(Section::None, viewer),
        columns: columns(n),
        publish: publish_commands(BASE, viewer, None),
    };
    add("home", &home(6, None));
    add("home-empty", &home(0, Some("lin")));

    for kind in [RepoKind::Model, RepoKind::Dataset, RepoKind::Space] {
        let list = |n, filtered: bool| list::List {
            l,
            page: layout(Section::Models, None),
            kind,
            search: if filtered { "a \"b\" <c>".into() } else { String::new() },
            chips: if filtered {
                vec![list::Chip { tag: "text-generation".into() }, list::Chip { tag: "x&y".into() }]
            } else {
                vec![]
            },
            author: if filtered { "lin".into() } else { String::new() },
            sort: list::Sort::Downloads,
            rows: rows(n, kind),
            is_first: !filtered,
            next: filtered.then(|| "c/1".into()),
        };
        add(&format!("list-{kind}"), &list(30, true));
        add(&format!("list-{kind}-no-result"), &list(0, true));
        add(&format!("list-{kind}-empty"), &list(0, false));
        add(&format!("repo-{kind}"), &repo(l, kind, true));
        add(&format!("repo-{kind}-empty"), &repo(l, kind, false));
        let mut bare = repo(l, kind, true);
        (bare.card, bare.facts.licence) = (None, None);
        add(&format!("repo-{kind}-card-not-shown"), &bare);
        bare.has_readme = false;
        add(&format!("repo-{kind}-no-card"), &bare);
    }
    use haina_app::requests::{FieldKind, FormField, GateForm, Standing, Status};
    let manage = |full: bool| manage::ManagePage {
        l,
        page: layout(Section::Models, Some("lin")),
        head: RepoHead { manage: true, ..head(RepoKind::Model, Tab::Settings) },
        saved: full,
        gating: if full { haina_app::repos::Gating::Manual } else { haina_app::repos::Gating::Open },
        owners: vec!["lin".into(), "qingyun-lab".into()],
        owner: "lin".into(),
        name: "<x>".into(),
        problems: if full {
            vec![]
        } else {
            vec![
                Problem::new("name", l.with2("problem-repo-taken", "owner", "lin", "name", "x")),
                Problem::new("confirm", l.with("problem-confirm", "name", "lin/x")),
            ]
        },
    };
    add("settings", &manage(true));
    add("settings-problems", &manage(false));
    let field = |label: &str, kind| FormField { label: label.into(), kind };
    let ask = |standing, full: bool| access::AskPage {
        l,
        page: layout(Section::Models, None),
        head: head(RepoKind::Model, Tab::Settings),
        standing,
        automatic: full,
        form: if full {
            GateForm {
                heading: Some("使用前请阅读 <b>".into()),
                prompt: Some("一\n二".into()),
                description: Some("说明".into()),
                button: Some("同意".into()),
                fields: vec![
                    field("单位", FieldKind::Text),
                    field("Country", FieldKind::Country),
                    field("Day", FieldKind::Date),
                    field("I agree", FieldKind::Checkbox),
                    field("For", FieldKind::Select(vec![("a".into(), "A <x>".into()), ("b".into(), "B".into())])),
                ],
            }
        } else {
            GateForm::default()
        },
        answers: vec!["x".into(), String::new(), "2026-01-31".into(), "on".into(), "b".into()],
        problems: if full { vec![Problem::in_english("", "\"单位\" is required.")] } else { vec![] },
    };
    add("access-ask", &ask(Standing::Outside, true));
    for (name, standing) in [
        ("outside", Standing::Outside),
        ("unknown", Standing::Unknown),
        ("pending", Standing::Pending),
        ("accepted", Standing::Accepted),
        ("free", Standing::Free),
        ("rejected", Standing::Rejected(Some("不合规 <x>".into()))),
    ] {
        assert!(repo::gate_key(&standing, true).is_some());
        add(&format!("access-{name}"), &ask(standing, false));
    }
    for status in Status::ALL {
        let requests = |full: bool| access::RequestsPage {
            l,
            page: layout(Section::Models, Some("lin")),
            head: RepoHead { manage: true, ..head(RepoKind::Model, Tab::Settings) },
            status,
            rows: (0..if full { 2 } else { 0 })
                .map(|i| access::Row {
                    id: format!("{i:024}"),
                    name: format!("lin-{i}"),
                    full_name: "林 <x>".into(),
                    email: (i == 0).then(|| "lin@example.org".into()),
                    at: NOW,
                    answers: vec![("单位".into(), "<lab>".into())],
                    reason: (status == Status::Rejected).then(|| "因为".into()),
                })
                .collect(),
            next: full.then(|| "7".into()),
            user: "wei".into(),
            problems: if full {
                vec![]
            } else {
                vec![
                    Problem::new("user", l.with("problem-no-user", "name", "wei")),
                    Problem::new("user", l.with("problem-has-access", "name", "wei")),
                ]
            },
        };
        add(&format!("requests-{}", status.as_str()), &requests(true));
        add(&format!("requests-{}-none", status.as_str()), &requests(false));
    }
    let tree = |full: bool| tree::TreePage {
        l,
        page: layout(Section::Models, None),
        head: head(RepoKind::Model, Tab::Files),
        path: if full { "a/b".into() } else { String::new() },
        name: if full { "b".into() } else { String::new() },
        crumbs: if full { crumbs("a/b") } else { vec![] },
        commit: COMMIT.into(),
        is_empty: !full,
        last: full.then(|| tree::LastCommit {
            author: "lin".into(),
            title: "Upload <weights>".into(),
            at: NOW,
            total: 1234,
        }),
        files: if full { files() } else { vec![] },
        is_first: !full,
        next: full.then(|| "a/b/c".into()),
        publish: None,
    };
    let bucket = |full: bool| bucket::BucketPage {
        l,
        page: layout(Section::None, None),
        at: bucket::BucketAddress(address(RepoKind::Bucket)),
        private: !full,
        files: if full { 3 } else { 0 },
        bytes: if full { 5_000_000_000 } else { 0 },
        updated: NOW,
        path: if full { "a/<b>".into() } else { String::new() },
        name: if full { "<b>".into() } else { String::new() },
        crumbs: if full { crumbs("a/<b>") } else { vec![] },
        rows: if full {
            files()
                .into_iter()
                .map(|f| bucket::Row {
                    name: f.name,
                    path: f.path,
                    is_folder: f.is_folder,
                    size: f.size,
                    changed: f.mark.map(|_| NOW.plus_seconds(-9000)),
                    uploaded: Some(NOW),
                })
                .collect()
        } else {
            vec![]
        },
        is_first: !full,
        next: full.then(|| "fa/b/c".into()),
        command: bucket::command(BASE, "lin/runs", full),
    };
    add("bucket", &bucket(true));
    add("bucket-empty", &bucket(false));
    add("tree", &tree(true));
    add("tree-empty", &tree(false));
    add("tree-empty-folder", &tree::TreePage { files: vec![], ..tree(true) });
    add("blob-text", &blob(l, blob::text_view("{\n  \"a\": \"<script>\"\n}\n".as_bytes()).unwrap()));
    add("blob-long", &blob(l, blob::text_view(&b"line\n".repeat(3000)).unwrap()));
    add("blob-image", &blob(l, blob::View::Image));
    add("blob-link", &blob(l, blob::View::Link("../x".into())));
    add("blob-large", &blob(l, blob::View::TooLarge(blob::TEXT_BYTES_MAX)));
    add("blob-binary", &blob(l, blob::View::Binary));
    let commits = |total: u64, at: u64| commits::CommitsPage {
        l,
        page: layout(Section::Models, None),
        head: head(RepoKind::Model, Tab::History),
        commits: (0..total.min(5))
            .map(|i| commits::Commit {
                id: COMMIT.into(),
                title: format!("Commit {i} <x>"),
                body: if i == 0 { "Why.\n\n<b>".into() } else { String::new() },
                author: "lin".into(),
                at: NOW,
            })
            .collect(),
        total,
        at,
    };
    add("commits", &commits(123, 1));
    add("commits-none", &commits(0, 0));
    let discussions = |n: u64| discussions::DiscussionsPage {
        l,
        page: layout(Section::Models, (n > 0).then_some("lin")),
        head: head(RepoKind::Model, Tab::Discussions),
        kind: haina_app::discussions::Kind::PullRequest,
        state: haina_app::discussions::OpenState::Closed,
        rows: (1..=n.min(4))
            .map(|i| discussions::Row {
                number: i as i64,
                title: "Why <b>?".into(),
                author: (i > 1).then(|| "lin".into()),
                created: NOW,
                comments: i - 1,
                state_key: ["state-draft", "state-open", "state-closed", "state-merged"][i as usize - 1],
                is_open: i < 3,
                is_pull: i != 2,
            })
            .collect(),
        open: n,
        closed: 1,
        count: n,
        at: u64::from(n > 0),
        may_talk: n > 0,
    };
    add("discussions", &discussions(123));
    add("discussions-none", &discussions(0));
    for full in [true, false] {
        add(if full { "discussion-pull" } else { "discussion" }, &discussion(l, full));
    }
    add(
        "discussion-new",
        &discussions::NewPage {
            l,
            page: layout(Section::Models, Some("lin")),
            head: head(RepoKind::Model, Tab::Discussions),
            title: "x\"".into(),
            text: "<textarea>".into(),
            propose: "hf upload".into(),
            problems: vec![Problem::new("title", l.t("problem-title")), Problem::new("text", l.t("problem-comment"))],
        },
    );
    for full in [true, false] {
        add(if full { "changes" } else { "changes-none" }, &changes(l, full));
    }
    for is_org in [true, false] {
        let profile = |n| profile::ProfilePage {
            l,
            page: layout(Section::Profile, Some("lin")),
            name: "qingyun-lab".into(),
            full_name: "青云实验室".into(),
            is_org,
            since: NOW,
            may_create: n > 0,
            followers: n * 7,
            following: 1,
            likes: 2,
            followed: (n > 0).then_some(is_org),
            collections: collection_rows(n),
            groups: vec![
                profile::Group { kind: RepoKind::Model, count: n * 2, rows: rows(n, RepoKind::Model) },
                profile::Group { kind: RepoKind::Dataset, count: 0, rows: vec![] },
            ],
            buckets: (0..n)
                .map(|i| bucket::BucketRow {
                    url: "/buckets/qingyun-lab/runs".into(),
                    id: format!("qingyun-lab/runs-{i}"),
                    private: i == 1,
                    files: i,
                    bytes: i * 1_000_000,
                    updated: NOW,
                })
                .collect(),
            links: [
                haina_types::OrgRole::Read,
                haina_types::OrgRole::Contributor,
                haina_types::OrgRole::Write,
                haina_types::OrgRole::Admin,
            ]
            .into_iter()
            .filter(|_| n > 0)
            .map(|r| profile::Person { name: "lin".into(), full_name: "Lin".into(), role_key: profile::role_key(r) })
            .collect(),
        };
        add(&format!("profile-{is_org}"), &profile(3));
        add(&format!("profile-{is_org}-none"), &profile(0));
    }
    for (i, signup) in
        [haina_app::people::Signup::Open, haina_app::people::Signup::Invite, haina_app::people::Signup::Closed]
            .into_iter()
            .enumerate()
    {
        let problems = if i == 0 { vec![] } else { problems(l) };
        add(
            &format!("login-{i}"),
            &login::LoginPage {
                l,
                page: layout(Section::SignIn, None),
                next: "/new?a=\"".into(),
                name: "lin".into(),
                problems,
                choices: if signup == haina_app::people::Signup::Open {
                    vec![login::Choice { url: "/login/with/x".into(), title: "学校".into() }]
                } else {
                    vec![]
                },
                signup,
            },
        );
    }
    add("logout", &logout::LogoutPage { l, page: layout(Section::None, Some("lin")) });
    add("logout-done", &logout::LogoutPage { l, page: layout(Section::None, None) });
    for (i, gate) in [
        join::Gate::Form { action: "/join", secret_name: "invite" },
        join::Gate::Form { action: "/setup", secret_name: "token" },
        join::Gate::Closed,
        join::Gate::NeedsInvite,
        join::Gate::SetupEnded,
    ]
    .into_iter()
    .enumerate()
    {
        let problems = if i == 0 { problems(l) } else { vec![] };
        add(
            &format!("join-{i}"),
            &join::JoinPage {
                l,
                page: layout(Section::SignIn, None),
                gate,
                secret: "s".into(),
                name: "lin".into(),
                full_name: String::new(),
                email: String::new(),
                problems,
            },
        );
    }
    let tokens = |full: bool| tokens::TokensPage {
        l,
        page: layout(Section::Settings, Some("lin")),
        created: full.then(|| "hf_secret".into()),
        login_command: format!("HF_ENDPOINT={BASE} hf auth login"),
        revoked: full,
        ended: full,
        grants: [1, 2]
            .into_iter()
            .filter(|_| full)
            .map(|id| tokens::Grant {
                id,
                application: "hf <b>".into(),
                may: haina_app::oauth::Scope::ALL.map(device::scope_key).to_vec(),
                created: NOW,
                used: (id == 1).then_some(NOW),
            })
            .collect(),
        tokens: [
            haina_types::TokenRole::Read,
            haina_types::TokenRole::Write,
            haina_types::TokenRole::FineGrained(tokens::parse_scopes("lab write\nlab/x admin\nlab/y").unwrap()),
        ]
        .into_iter()
        .filter(|_| full)
        .map(|role| tokens::Token {
            id: 7,
            name: "实验室".into(),
            hint: "abcd".into(),
            role_key: tokens::role_key(&role),
            scopes: tokens::scopes_of(&role),
            created: NOW,
            used: None,
            ends: (role == haina_types::TokenRole::Write).then_some(NOW),
        })
        .collect(),
        namespaces: ["lin", "qingyun-lab"]
            .map(|n| tokens::Choice { namespace: n.into(), chosen: "write".into() })
            .into(),
        days: "30".into(),
        problems: if full {
            vec![]
        } else {
            vec![Problem::new("scopes", l.t("problem-scopes")), Problem::new("name", l.t("problem-token-name"))]
        },
        name: String::new(),
        role: "read".into(),
        scopes: "<x".into(),
        scopes_example: "lin".into(),
    };
    add("tokens", &tokens(true));
    add("tokens-none", &tokens(false));
    let keys = |full: bool| keys::KeysPage {
        l,
        page: layout(Section::Settings, Some("lin")),
        added: full,
        removed: full,
        keys: ["实验室 <1>", "laptop"]
            .into_iter()
            .filter(|_| full)
            .map(|name| keys::Key {
                id: 7,
                name: name.into(),
                kind: "ssh-ed25519".into(),
                fingerprint: "SHA256:UCUiLr7Pjs9wFFJMDByLgc3NrtdU344OgUM45wZPcIQ".into(),
                added: NOW,
                used: (name == "laptop").then_some(NOW),
            })
            .collect(),
        clone: full.then(|| "git clone ssh://git@hub.example:2222/lin/my-model".into()),
        problems: if full { vec![] } else { vec![Problem::new("key", l.t("problem-key-taken"))] },
        name: String::new(),
        key: "ssh-ed25519 <x".into(),
    };
    add("keys", &keys(true));
    add("keys-none", &keys(false));
    signing_in(l, &mut add);
    add(
        "new",
        &new::NewPage {
            l,
            page: layout(Section::New, Some("lin")),
            kind: RepoKind::Dataset,
            owners: vec!["lin".into(), "qingyun-lab".into()],
            owner: "qingyun-lab".into(),
            name: "x".into(),
            private: true,
            licence: "mit".into(),
            problems: problems(l),
        },
    );
    for code in CODES {
        let page = error::ErrorPage {
            l,
            page: layout(Section::None, None),
            status: 404,
            code,
            key: code.key(),
            detail: Some("In English.".into()),
            guess: "bert".into(),
        };
        if error::fault_key(code).is_none() {
            add(&format!("error-{}", code.key()), &page);
        } else {
            let all = Locale::ALL.map(words);
            add(
                &format!("fault-{}", code.key()),
                &error::FaultPage {
                    first: l,
                    all,
                    status: 500,
                    key: error::fault_key(code).unwrap(),
                    id: "7F3K".into(),
                },
            );
        }
    }
    add(
        "error-form-expired",
        &error::ErrorPage {
            l,
            page: layout(Section::None, Some("lin")),
            status: 403,
            code: Code::Forbidden,
            key: "form-expired",
            detail: None,
            guess: String::new(),
        },
    );
    out.extend(community(l));
    out
}

/// Pages of applications and machines that sign in.
fn signing_in(l: Words, add: &mut dyn FnMut(&str, &dyn askama::DynTemplate)) {
    let may = || haina_app::oauth::Scope::ALL.map(device::scope_key).to_vec();
    for (name, done, asked) in
        [("code", None, false), ("asked", None, true), ("in", Some(true), false), ("out", Some(false), false)]
    {
        let asked = asked.then(|| device::Asked {
            code: "BCDF-GHJK".into(),
            application: "hf".into(),
            agent: "unknown/None; hf_hub/2.4.0; <python>".into(),
            since: NOW.plus_seconds(-60),
            may: may(),
            may_change: true,
        });
        let problems =
            if name == "code" { vec![Problem::new("user_code", l.t("problem-device-code"))] } else { vec![] };
        let page = layout(Section::Settings, Some("lin"));
        add(&format!("device-{name}"), &device::DevicePage { l, page, code: "BCDF".into(), asked, done, problems });
    }
    let choice = || login::Choice { url: "/login/with/keycloak".into(), title: "学校统一认证".into() };
    for (name, viewer, signup) in [
        ("link", Some("lin"), haina_app::people::Signup::Open),
        ("open", None, haina_app::people::Signup::Open),
        ("invite", None, haina_app::people::Signup::Invite),
        ("closed", None, haina_app::people::Signup::Closed),
    ] {
        add(
            &format!("identity-{name}"),
            &identity::IdentityPage {
                l,
                page: layout(Section::SignIn, viewer),
                provider: "学校统一认证".into(),
                label: "ada@example.org".into(),
                signup,
                next: "/device?user_code=BCDF-GHJK".into(),
                sign_in_url: "/login?next=%2Flogin%2Fidentity".into(),
                name: "ada".into(),
                full_name: "Ada <b>".into(),
                email: "ada@example.org".into(),
                invite: String::new(),
                problems: if name == "invite" { problems(l) } else { vec![] },
            },
        );
    }
    for full in [true, false] {
        let way = || identity::Way { id: 1, provider: "学校".into(), label: "ada".into(), created: NOW, used: NOW };
        add(
            &format!("ways-{full}"),
            &identity::WaysPage {
                l,
                page: layout(Section::Settings, Some("lin")),
                linked: full,
                removed: full,
                ways: if full { vec![way()] } else { vec![] },
                choices: if full { vec![choice()] } else { vec![] },
            },
        );
        add(
            &format!("directory-{full}"),
            &signin::DirectoryPage {
                l,
                page: layout(Section::SignIn, None),
                title: "LDAP <b>".into(),
                action: "/login/with/ldap".into(),
                next: "/".into(),
                name: "ada".into(),
                problems: if full { vec![Problem::new("name", l.t("problem-sign-in"))] } else { vec![] },
            },
        );
    }
    for full in [true, false] {
        add(
            &format!("authorize-{full}"),
            &authorize::AuthorizePage {
                l,
                page: layout(Section::None, Some("lin")),
                application: "评测平台 <b>".into(),
                owner: full.then(|| "qingyun-lab".into()),
                destination: "app.example.org".into(),
                may: if full { may() } else { vec![] },
                may_change: full,
                fields: vec![("state", "{\"a\": \"<\"}".into())],
            },
        );
        let row = |n: u8| apps::Row {
            client_id: format!("{n}6be6b09"),
            name: "评测平台".into(),
            redirect_uris: vec!["https://app.example.org/callback".into()],
            confidential: n == 1,
            device: n == 2,
            created: NOW,
        };
        let problems = vec![
            Problem::new("name", l.t("problem-app-name")),
            Problem::new("redirect_uris", l.t("problem-app-address")),
        ];
        add(
            &format!("apps-{full}"),
            &apps::AppsPage {
                l,
                page: layout(Section::Settings, Some("lin")),
                created: full.then(|| haina_app::oauth::RegisteredApp {
                    client_id: "26be6b09".into(),
                    client_secret: Some("hfo_secret".into()),
                }),
                removed: full,
                apps: if full { vec![row(1), row(2)] } else { vec![] },
                problems: if full { vec![] } else { problems },
                name: "x".into(),
                redirect_uris: "<x".into(),
                confidential: full,
                device: full,
                issuer: BASE.into(),
            },
        );
    }
}

const CODES: [Code; 20] = [
    Code::BadCredentials,
    Code::Unauthenticated,
    Code::Forbidden,
    Code::RepoNotFound,
    Code::RevisionNotFound,
    Code::EntryNotFound,
    Code::NotFound,
    Code::GatedRepo,
    Code::Disabled,
    Code::Conflict,
    Code::Stale,
    Code::Invalid,
    Code::InvalidPath,
    Code::TooLarge,
    Code::RangeNotSatisfiable,
    Code::RateLimited,
    Code::StorageFull,
    Code::Unsupported,
    Code::Unavailable,
    Code::Internal,
];

/// A tag with its attributes, as our own templates write them: lower case, values in double quotes or none.
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "wbr"];
/// Elements of SVG that close themselves.
const SELF_CLOSING: [&str; 2] = ["path", "rect"];

/// Opening tags in order; panics where elements do not nest or an attribute is not quoted.
fn parse(name: &str, html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html.strip_prefix("<!doctype html>").unwrap_or_else(|| panic!("{name}: no doctype"));
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "{name}: stray '>' before {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').unwrap_or_else(|| panic!("{name}: tag does not end"));
        let inner = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(closing) = inner.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closing), "{name}: </{closing}> closes something else");
            continue;
        }
        let (inner, closed) = inner.strip_suffix('/').map_or((inner, false), |i| (i, true));
        let (tag, mut attributes) = inner.split_once([' ', '\n']).unwrap_or((inner, ""));
        let mut found = BTreeMap::new();
        loop {
            attributes = attributes.trim_start();
            if attributes.is_empty() {
                break;
            }
            let stop = attributes.find(['=', ' ']).unwrap_or(attributes.len());
            let key = attributes[..stop].to_owned();
            let value = match attributes[stop..].strip_prefix("=\"") {
                Some(quoted) => {
                    let close = quoted.find('"').unwrap_or_else(|| panic!("{name}: quote of {key} is open"));
                    attributes = &quoted[close + 1..];
                    quoted[..close].to_owned()
                }
                None => {
                    assert!(!attributes[stop..].starts_with('='), "{name}: {key} has no quotes");
                    attributes = &attributes[stop..];
                    String::new()
                }
            };
            assert!(found.insert(key.clone(), value).is_none(), "{name}: {key} twice in <{tag}>");
        }
        let is_open = !VOID.contains(&tag) && (!closed || !SELF_CLOSING.contains(&tag));
        if is_open {
            open.push(tag.to_owned());
        }
        tags.push(Tag { name: tag.to_owned(), attributes: found });
    }
    assert!(open.is_empty(), "{name}: never closed: {open:?}");
    tags
}

fn each_page(check: impl Fn(Locale, &str, &str, &[Tag])) {
    for locale in Locale::ALL {
        for (name, html) in pages(locale) {
            let name = format!("{name} ({})", locale.tag());
            check(locale, &name, &html, &parse(&name, &html));
        }
    }
}

#[test]
fn every_word_is_there() {
    each_page(|locale, name, html, tags| {
        assert!(
            !html.contains('⟦'),
            "{name}: missing message {:?}",
            html.split('⟦').nth(1).map(|s| &s[..s.len().min(60)])
        );
        assert!(!html.contains("{$") && !html.contains("{ $"), "{name}: argument not given");
        assert!(!html.contains("/assets/missing"), "{name}: missing asset");
        assert_eq!(tags.iter().find(|t| t.name == "html").and_then(|t| t.get("lang")), Some(locale.tag()), "{name}");
        let title = html.split("<title>").nth(1).and_then(|t| t.split("</title>").next()).unwrap();
        let site = words(locale).t("site-name");
        assert!(title.contains(&site) && title.len() > site.len(), "{name}: title {title:?}");
    });
}

#[test]
fn nothing_needs_an_inline_style_or_script() {
    each_page(|_, name, html, tags| {
        for tag in tags {
            for key in tag.attributes.keys() {
                assert!(key != "style" && !key.starts_with("on"), "{name}: <{} {key}>", tag.name);
            }
            assert!(tag.name != "style", "{name}: <style>");
            if tag.name == "script" {
                assert_eq!(tag.get("type"), Some("module"), "{name}");
                assert!(tag.get("src").is_some_and(|s| s.starts_with("/assets/copy.")), "{name}");
            }
            for key in ["src", "href", "action", "formaction"] {
                if let Some(value) = tag.get(key) {
                    assert!(value.starts_with('/') || value.starts_with('#'), "{name}: {key} leads away: {value}");
                    assert!(!value.starts_with("//"), "{name}: {value}");
                }
            }
        }
        assert!(!html.contains("<script>alert"), "{name}: text was not escaped");
        let bodies: Vec<_> = html.split("<script").skip(1).map(|s| s.split_once('>').unwrap().1).collect();
        assert!(bodies.iter().all(|b| b.starts_with("</script>")), "{name}: script with a body");
    });
}

#[test]
fn only_what_the_application_sanitized_is_not_escaped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        found.extend(
            text.split("{{")
                .skip(1)
                .map(|e| e.split("}}").next().unwrap())
                .filter(|e| e.contains('|'))
                .map(str::to_owned),
        );
        assert!(!text.contains("{% filter") && !text.contains("escape=\"none\""));
    }
    found.sort();
    assert_eq!(found, [" card|safe ", " comment.html|safe ", " note|safe "]);
}

#[test]
fn pages_are_built_for_every_reader() {
    each_page(|_, name, html, tags| {
        let count = |what: &str| tags.iter().filter(|t| t.name == what).count();
        assert_eq!(count("h1"), 1, "{name}: headings");
        assert_eq!(count("main"), 1, "{name}: main");
        let filled = tags.iter().filter(|t| t.get("class").is_some_and(|c| c.split(' ').eq(["btn", "main"]))).count();
        assert!(filled <= 1, "{name}: {filled} primary buttons");

        let mut ids = BTreeSet::new();
        for tag in tags {
            if let Some(id) = tag.get("id") {
                assert!(ids.insert(id), "{name}: id {id} twice");
            }
        }
        for tag in tags {
            if let Some(id) = tag.get("href").and_then(|h| h.strip_prefix('#')) {
                assert!(ids.contains(id) || !name.starts_with("login"), "{name}: #{id} leads nowhere");
            }
            for key in ["for", "aria-labelledby"] {
                if let Some(id) = tag.get(key) {
                    assert!(ids.contains(id), "{name}: {key}={id} names nothing");
                }
            }
            for id in tag.get("aria-describedby").unwrap_or("").split_whitespace() {
                assert!(ids.contains(id), "{name}: aria-describedby={id} names nothing");
            }
            if tag.name == "img" {
                assert!(tag.get("alt").is_some(), "{name}: image without alt");
            }
            if tag.name == "nav" {
                assert!(tag.get("aria-label").is_some(), "{name}: nav without a name");
            }
            if tag.get("tabindex") == Some("0") && tag.name != "pre" {
                assert!(tag.get("role").is_some() && tag.get("aria-label").is_some(), "{name}: nameless stop");
            }
        }
        let labelled: BTreeSet<_> = tags.iter().filter_map(|t| t.get("for")).collect();
        for tag in tags.iter().filter(|t| matches!(t.name.as_str(), "input" | "select" | "textarea")) {
            let kind = tag.get("type").unwrap_or("");
            if !matches!(kind, "hidden" | "radio") {
                assert!(tag.get("id").is_some_and(|id| labelled.contains(id)), "{name}: field without label");
            }
        }
        if !name.starts_with("fault") {
            assert!(tags.iter().any(|t| t.get("class") == Some("skip")), "{name}: skip link");
            assert!(count("header") >= 1 && count("footer") == 1, "{name}: landmarks");
        }
        // Every form that changes something carries the token.
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            if form.contains("method=\"post\"") {
                assert!(form.contains("name=\"csrf\" value=\"0123456789abcdef"), "{name}: form without token");
            }
        }
    });
}

#[test]
fn pages_are_light() {
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap().len()
    };
    each_page(|_, name, html, tags| {
        assert!(gzip(html.as_bytes()) <= 12 * 1024, "{name}: {} bytes of gzip", gzip(html.as_bytes()));
        if !name.starts_with("blob-") {
            assert!(tags.len() <= 1500, "{name}: {} elements", tags.len());
        }
    });
    assert!(gzip(include_bytes!("../assets/haina.css")) <= 12 * 1024);
    assert!(gzip(include_bytes!("../assets/copy.js")) <= 1024);
}

/// Keys of a catalogue with the arguments that each uses.
fn keys(locale: Locale) -> BTreeMap<String, BTreeSet<String>> {
    let resource = fluent_bundle::FluentResource::try_new(catalogue(locale).to_owned())
        .unwrap_or_else(|(_, e)| panic!("{}: {e:?}", locale.tag()));
    drop(resource);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in catalogue(locale).lines().filter(|l| !l.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '}'])) {
            current = key.to_owned();
            assert!(found.insert(current.clone(), BTreeSet::new()).is_none(), "{}: {current} twice", locale.tag());
        }
        let args = line.split('$').skip(1).map(|a| a.chars().take_while(char::is_ascii_lowercase).collect());
        found.entry(current.clone()).or_default().extend(args);
    }
    found.remove("");
    found
}

#[test]
fn catalogues_say_the_same_things() {
    let english = keys(Locale::En);
    for locale in [Locale::ZhHans, Locale::ZhHant] {
        let other = keys(locale);
        assert!(english.keys().eq(other.keys()), "{}", locale.tag());
        for (key, args) in &english {
            assert_eq!(args, &other[key], "{} {key}", locale.tag());
        }
    }
}

#[test]
fn catalogues_hold_no_dead_words() {
    let mut sources = String::new();
    for folder in ["src", "templates"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in std::fs::read_dir(folder).unwrap() {
            sources += &std::fs::read_to_string(file.unwrap().path()).unwrap();
        }
    }
    for key in keys(Locale::En).keys() {
        let dynamic = ["task-", "language-", "error-"].iter().any(|p| key.starts_with(p));
        let by_kind =
            ["models", "datasets", "spaces", "kernels", "model", "dataset", "space", "kernel"].contains(&key.as_str());
        assert!(dynamic || by_kind || sources.contains(&format!("\"{key}\"")), "{key} is never used");
    }
}

#[test]
fn words_are_those_of_the_glossary() {
    // Words that belong to the other script's region, or that the glossary rules out.
    for (locale, banned) in [
        (
            Locale::ZhHant,
            &[
                "数",
                "仓",
                "数据",
                "數據",
                "軟件",
                "默認",
                "文件夾",
                "用戶",
                "令牌",
                "登錄",
                "鏈接",
                "搜索",
                "服務器",
                "倉庫",
                "賬",
            ][..],
        ),
        (Locale::ZhHans, &["請", "檔案", "資料", "儲存", "權杖", "拉取", "您", "糟糕", "！"][..]),
    ] {
        for line in catalogue(locale).lines().filter(|l| !l.starts_with('#')) {
            for word in banned {
                assert!(!line.contains(word), "{}: {word} in {line}", locale.tag());
            }
        }
    }
    for line in catalogue(Locale::En).lines().filter(|l| !l.starts_with('#')) {
        for word in ["!", "Oops", "log in", "Log in", "lease", "can't", "don't"] {
            assert!(!line.contains(word), "en: {word} in {line}");
        }
    }
}

#[test]
fn numbers_of_colours_are_readable() {
    let css = include_str!("../assets/haina.css");
    let blocks: Vec<&str> = css.split("{color-scheme:").skip(1).map(|b| b.split('}').next().unwrap()).collect();
    assert_eq!(blocks.len(), 3, "light, dark by system, dark by choice");
    assert_eq!(
        blocks[1].split(';').map(str::trim).collect::<Vec<_>>(),
        blocks[2].split(';').map(str::trim).collect::<Vec<_>>(),
        "both darks are one",
    );
    for block in &blocks[..2] {
        let tokens: BTreeMap<&str, f64> = block
            .split(';')
            .filter_map(|d| d.trim().split_once(':'))
            .filter_map(|(name, hex)| Some((name.strip_prefix("--")?, luminance(hex.trim()))))
            .collect();
        let contrast = |a: &str, b: &str| {
            let (a, b) = (tokens[a].max(tokens[b]), tokens[a].min(tokens[b]));
            (a + 0.05) / (b + 0.05)
        };
        let mut pairs = vec![("on-fill", "fill", 4.5)];
        for ground in ["bg", "surface", "sunken"] {
            pairs.extend(["ink", "ink-2", "ink-3", "link"].map(|t| (t, ground, 4.5)));
            pairs.extend(["edge", "focus"].map(|t| (t, ground, 3.0)));
        }
        for state in ["ok", "warn", "bad", "info"] {
            let tint =
                ["ok-tint", "warn-tint", "bad-tint", "info-tint"].into_iter().find(|t| t.starts_with(state)).unwrap();
            pairs.extend([(state, tint, 4.5), ("ink", tint, 4.5), ("link", tint, 4.5), (state, "surface", 4.5)]);
        }
        for (text, ground, least) in pairs {
            let found = contrast(text, ground);
            assert!(found >= least, "{text} on {ground}: {found:.2}");
        }
    }
}

/// Relative luminance of `#rrggbb` (WCAG 2.2).
fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let v = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// Writes every page to `$HAINA_PAGES`, to be looked at.
#[test]
fn write_pages_when_asked() {
    let Some(folder) = std::env::var_os("HAINA_PAGES").map(std::path::PathBuf::from) else { return };
    for locale in Locale::ALL {
        let folder = folder.join(locale.tag());
        std::fs::create_dir_all(&folder).unwrap();
        for (name, html) in pages(locale) {
            let html = html.replace(assets::url("haina.css"), "../haina.css");
            std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
        }
    }
    std::fs::write(folder.join("haina.css"), include_str!("../assets/haina.css")).unwrap();
}
