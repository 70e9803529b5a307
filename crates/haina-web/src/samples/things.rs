//! What is shown on sample pages.

use haina_types::{RepoKind, Timestamp};

use crate::address::RepoAddress;
use crate::form::Problem;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{CommitLine, FileRow, RepoHead, RepoRow, Tab, crumbs, publish_commands};
use crate::*;

pub(super) const NOW: Timestamp = Timestamp(1_772_719_500_000);
pub(super) const BASE: &str = "https://hub.example.org";
pub(super) const COMMIT: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";

pub(super) fn words(locale: Locale) -> Words {
    Words { locale, now: NOW }
}

pub(super) fn layout(section: Section, viewer: Option<&str>) -> Layout {
    Layout {
        viewer: viewer.map(str::to_owned),
        csrf: "0123456789abcdef".repeat(4),
        here: "/models?search=a&tag=<b>".into(),
        section,
        is_section: true,
    }
}

pub(super) fn address(kind: RepoKind) -> RepoAddress {
    RepoAddress { kind, namespace: "qingyun-lab".into(), name: "Canghai-8B-Instruct".into() }
}

pub(super) fn row(i: u64, kind: RepoKind) -> RepoRow {
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

pub(super) fn rows(n: u64, kind: RepoKind) -> Vec<RepoRow> {
    (0..n).map(|i| row(i, kind)).collect()
}

pub(super) fn files() -> Vec<FileRow> {
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

pub(super) fn head(kind: RepoKind, tab: Tab) -> RepoHead {
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

pub(super) fn collection_rows(n: u64) -> Vec<collections::Row> {
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

pub(super) fn people(n: u64) -> Vec<people::PersonLine> {
    (0..n)
        .map(|i| people::PersonLine { name: format!("p{i}"), full_name: "林 <x>".into(), is_org: i == 0, at: NOW })
        .collect()
}

pub(super) fn collection(l: Words, n: u64, may_edit: bool, editing: bool) -> collections::CollectionPage {
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

pub(super) fn hook(disabled: Option<&str>, failing: bool) -> webhooks::Line {
    webhooks::Line {
        id: "0".repeat(24),
        url: "https://hook.example/a?b=<c>".into(),
        watched: vec!["user lin".into(), "model lin/m".into()],
        state_key: webhooks::state_key(disabled, failing),
        is_on: disabled.is_none(),
    }
}

pub(super) fn sent(i: usize) -> webhooks::Sent {
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
pub(super) fn community(l: Words) -> Vec<(String, String)> {
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

pub(super) fn repo(l: Words, kind: RepoKind, full: bool) -> repo::RepoPage {
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

pub(super) fn blob(l: Words, view: blob::View) -> blob::BlobPage {
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

pub(super) fn problems(l: Words) -> Vec<Problem> {
    vec![Problem::new("name", l.t("problem-name-taken")), Problem::in_english("", "Something in English.")]
}

pub(super) fn discussion(l: Words, full: bool) -> discussion::DiscussionPage {
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

pub(super) fn changes(l: Words, full: bool) -> changes::ChangesPage {
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
