//! Every page, full and empty.

use haina_types::{Code, RepoKind};

use super::things::*;
use crate::form::Problem;
use crate::layout::Section;
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoHead, Tab, crumbs, publish_commands};
use crate::*;

/// Every page in the states that look different, with a name.
pub(super) fn pages(locale: Locale) -> Vec<(String, String)> {
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
            facets: if filtered {
                let link = |id: &str, count| list::FacetLink {
                    id: id.into(),
                    label: format!("<{id}>"),
                    count,
                    url: format!("/{}?tag={id}", kind.plural()),
                };
                let names = ["pipeline_tag", "task_categories", "library", "language", "license", "dataset"];
                let names = names.into_iter().chain(["base_model", "modality", "size_categories", "format", "other"]);
                names.map(|name| list::FacetGroup { name, tags: vec![link("x", 12_345), link("y", 1)] }).collect()
            } else {
                Vec::new()
            },
            counted_only: filtered.then_some(1000),
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
    for (name, full) in [("audit", true), ("audit-none", false)] {
        add(name, &audit_page(l, full));
    }
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
            may_manage: n > 0 && is_org,
            may_audit: n > 0,
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
    for (name, org, most) in [("usage", None, None), ("usage-org", Some("qingyun-lab".to_owned()), Some(10))] {
        let page = usage::UsagePage {
            l,
            page: layout(Section::Settings, Some("lin")),
            org,
            git_bytes: 3,
            large_bytes: 4_000_000,
            bytes: 4_000_003,
            bytes_most: most.map(|n| n << 30),
            repos: 10,
            repos_most: most,
        };
        add(name, &page);
    }
    let invitation = |org: &str| orgs::Invitation {
        id: 3,
        org: org.into(),
        whom: "<wen>@example.org".into(),
        by: (org != "lab").then(|| "lin".into()),
        role_key: profile::role_key(haina_types::OrgRole::Write),
        ends: NOW,
    };
    add(
        "invitation",
        &orgs::InvitationPage {
            l,
            page: layout(Section::Settings, Some("mo")),
            invitation: invitation("lab"),
            action: "/settings/invitations/abc".into(),
        },
    );
    for full in [true, false] {
        let page = orgs::OrgsPage {
            l,
            page: layout(Section::Settings, Some("lin")),
            orgs: [profile::Person {
                name: "qingyun-lab".into(),
                full_name: "青云 <实验室>".into(),
                role_key: profile::role_key(haina_types::OrgRole::Admin),
            }]
            .into_iter()
            .filter(|_| full)
            .collect(),
            invitations: ["lab", "qingyun-lab"].into_iter().filter(|_| full).map(invitation).collect(),
        };
        add(if full { "orgs" } else { "orgs-none" }, &page);
        let page = orgs::MembersPage {
            l,
            page: layout(Section::Settings, Some("lin")),
            org: "qingyun-lab".into(),
            may_manage: full,
            is_member: true,
            saved: full,
            link: full.then(|| "https://hub.example/settings/invitations/abc".into()),
            members: [haina_types::OrgRole::Admin, haina_types::OrgRole::Read]
                .into_iter()
                .map(|role| orgs::Member {
                    name: role.as_str().into(),
                    full_name: "<x>".into(),
                    role,
                    is_service: role == haina_types::OrgRole::Read,
                    role_key: profile::role_key(role),
                })
                .collect(),
            invitations: ["lab"].into_iter().filter(|_| full).map(invitation).collect(),
            problems: if full {
                vec![Problem::new("whom", l.t("problem-invitee")), Problem::new("", l.t("problem-member"))]
            } else {
                vec![Problem::new("", l.t("problem-last-admin"))]
            },
            whom: "<".into(),
        };
        add(if full { "members-managed" } else { "members" }, &page);
        let page = groups::GroupsPage {
            l,
            page: layout(Section::Settings, Some("lin")),
            org: "qingyun-lab".into(),
            may_manage: full,
            saved: full,
            groups: ["<内部>", "b"]
                .into_iter()
                .filter(|_| full)
                .map(|name| groups::Group {
                    id: "0123456789abcdef01234567".into(),
                    name: name.into(),
                    description: "<x>".into(),
                    users: vec![("lin".into(), profile::role_key(haina_types::OrgRole::Read))],
                    repos: vec!["datasets/qingyun-lab/rows".into()],
                })
                .collect(),
            problems: if full {
                vec![
                    Problem::new("name", l.t("problem-group-taken")),
                    Problem::new("", l.t("problem-no-member")),
                    Problem::new("", l.t("problem-no-repo")),
                    Problem::new("", l.t("problem-group-full")),
                ]
            } else {
                vec![]
            },
            name: "<".into(),
            description: String::new(),
        };
        add(if full { "groups" } else { "groups-none" }, &page);
        let page = services::ServicesPage {
            l,
            page: layout(Section::Settings, Some("lin")),
            org: "qingyun-lab".into(),
            saved: full,
            created: full.then(|| "hf_abc".into()),
            services: ["robot", "runner"]
                .into_iter()
                .filter(|_| full)
                .map(|name| services::Account {
                    name: name.into(),
                    full_name: "<x>".into(),
                    role_key: profile::role_key(haina_types::OrgRole::Write),
                    tokens: vec![services::Token {
                        id: 7,
                        name: "<ci>".into(),
                        hint: "abcd".into(),
                        role_key: tokens::role_key(&haina_types::TokenRole::Write),
                        ends: (name == "robot").then_some(NOW),
                    }],
                })
                .collect(),
            problems: if full { problems(l) } else { vec![Problem::new("name", l.t("problem-name-rule"))] },
            name: "<".into(),
        };
        add(if full { "services" } else { "services-none" }, &page);
        let page = activity::ActivityPage {
            l,
            page: layout(Section::Settings, Some("lin")),
            org: "qingyun-lab".into(),
            may_manage: full,
            private: full,
            saved: full,
            rows: [
                "repo.create",
                "repo.delete",
                "repo.move",
                "bucket.files",
                "discussion.create",
                "discussion.merge",
                "org.member",
                "org.leave",
                "org.invite",
                "group.member",
                "repo.settings",
            ]
            .into_iter()
            .filter(|_| full)
            .map(|kind| activity::Row {
                at: NOW,
                actor: (kind != "org.leave").then(|| "lin".into()),
                what_key: activity::what_key(kind),
                repo: kind.starts_with("repo").then(|| "datasets/qingyun-lab/<rows>".into()),
                user: kind.starts_with("org").then(|| "mo".into()),
            })
            .collect(),
            next: full.then(|| "/settings/organizations/qingyun-lab/activity?cursor=7".into()),
        };
        add(if full { "activity" } else { "activity-none" }, &page);
    }
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
            wait_seconds: (code == Code::RateLimited).then_some(42),
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
            wait_seconds: None,
        },
    );
    out.extend(community(l));
    out
}

/// Pages of applications and machines that sign in.
pub(super) fn signing_in(l: Words, add: &mut dyn FnMut(&str, &dyn askama::DynTemplate)) {
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

pub(super) const CODES: [Code; 20] = [
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

/// The audit log of a repository, or of the hub with nothing in it and a date that is none.
fn audit_page(l: Words, full: bool) -> audit::AuditPage {
    let row = |action: &str, about: Option<(&str, Option<&str>)>, gone: bool| audit::Row {
        id: 17,
        at: haina_types::Timestamp(1_700_000_000_000),
        action: action.into(),
        actor: (!gone).then(|| "lin".into()),
        about: about.map(|(name, link)| (name.into(), link.map(Into::into))),
        gone,
        data: if gone { String::new() } else { "{\"name\":\"<x>\"}".into() },
    };
    let rows = vec![
        row("repo.commit", Some(("lin/x", Some("/lin/x"))), false),
        row("repo.delete", Some(("lin/<y>", None)), true),
        row("never.heard-of", None, false),
    ];
    audit::AuditPage {
        l,
        page: layout(Section::None, Some("lin")),
        head: full.then(|| RepoHead { manage: true, ..head(RepoKind::Model, Tab::Settings) }),
        org: (!full).then(|| "qingyun-lab".into()),
        is_own: false,
        offers_all: full,
        here: "/lin/x/settings/audit-log".into(),
        api: "/api/models/lin/x/audit-log".into(),
        filter: audit::Filter { action: "repo.*".into(), since: "<y>".into(), ..audit::Filter::default() },
        rows: if full { rows } else { Vec::new() },
        is_first: !full,
        next: full.then(|| "17".into()),
        problems: if full { Vec::new() } else { vec![Problem::new("since", l.t("problem-date"))] },
    }
}
