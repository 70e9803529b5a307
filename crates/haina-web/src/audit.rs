//! `…/settings/audit-log` and `/admin/audit-log`: what the ledger says, for those who answer for it.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::audit::{AuditEvent, AuditQuery, parse_moment};
use haina_app::gate::AuditAccess;
use haina_types::{Code, Error, RepoPath, Slug, Timestamp};
use http::StatusCode;

use crate::address::{RepoAddress, with_query};
use crate::form::Problem;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, render};

/// Events on a page.
const PAGE_LEN: usize = 50;
/// Most characters of an event's own data that are shown.
const DATA_CHARS_MAX: usize = 400;

/// What one may choose to see: kinds, and families of them.
const ACTIONS: [&str; 24] = [
    "repo.*",
    "repo.create",
    "repo.delete",
    "repo.move",
    "repo.settings",
    "repo.commit",
    "repo.push",
    "ref.*",
    "ref.delete",
    "ref.rewrite",
    "lfs.*",
    "access.*",
    "bucket.*",
    "discussion.*",
    "collection.*",
    "org.*",
    "org.member",
    "token.*",
    "key.*",
    "webhook.*",
    "oauth.*",
    "identity.*",
    "user.*",
    "setting.change",
];

/// The audit log of something.
#[derive(Template)]
#[template(path = "audit.html")]
pub(crate) struct AuditPage {
    pub l: Words,
    pub page: Layout,
    /// Of a repository.
    pub head: Option<RepoHead>,
    /// Of an organization.
    pub org: Option<String>,
    /// Of one's own account.
    pub is_own: bool,
    /// Whether the visitor may see that of the whole hub, which this is not.
    pub offers_all: bool,
    /// The page's address.
    pub here: String,
    /// The same on the API.
    pub api: String,
    pub filter: Filter,
    pub rows: Vec<Row>,
    pub is_first: bool,
    pub next: Option<String>,
    pub problems: Vec<Problem>,
}

/// What was asked for, as it was written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub actor: String,
    pub action: String,
    pub target: String,
    pub since: String,
    pub until: String,
}

/// One event.
pub(crate) struct Row {
    pub id: i64,
    pub at: Timestamp,
    pub action: String,
    pub actor: Option<String>,
    /// The name of what it is about, and its page if there is one.
    pub about: Option<(String, Option<String>)>,
    pub gone: bool,
    pub data: String,
}

impl From<AuditEvent> for Row {
    fn from(event: AuditEvent) -> Self {
        let gone = event.repo.as_ref().is_some_and(|repo| repo.gone);
        let about = match event.repo {
            Some(repo) => {
                let path: Option<RepoPath> = repo.name.as_deref().and_then(|name| name.parse().ok());
                let link =
                    repo.kind.zip(path).filter(|_| !gone).map(|(kind, path)| RepoAddress::new(kind, &path).url());
                Some((repo.name.unwrap_or_else(|| format!("repo:{}", repo.id)), link))
            }
            None => event.namespace.map(|name| {
                let link = (!name.starts_with('#')).then(|| format!("/{name}"));
                (name, link)
            }),
        };
        let data = match &event.data {
            serde_json::Value::Object(map) if map.is_empty() => String::new(),
            data => data.to_string(),
        };
        let short: String = data.chars().take(DATA_CHARS_MAX).collect();
        Self {
            id: event.id,
            at: event.date,
            action: event.action,
            actor: event.actor,
            about,
            gone,
            data: if short.len() < data.len() { format!("{short}…") } else { short },
        }
    }
}

impl AuditPage {
    fn pairs<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let f = &self.filter;
        let filter = [
            ("actor", &f.actor),
            ("action", &f.action),
            ("target", &f.target),
            ("since", &f.since),
            ("until", &f.until),
        ];
        filter.into_iter().map(|(key, value)| (key, value.as_str())).chain(more.iter().copied()).collect()
    }

    fn first(&self) -> String {
        with_query(&self.here, self.pairs(&[]))
    }

    fn after(&self, cursor: &str) -> String {
        with_query(&self.here, self.pairs(&[("cursor", cursor)]))
    }

    fn export(&self, format: &str) -> String {
        with_query(&self.api, self.pairs(&[("format", format)]))
    }

    /// An action in words, where we have them.
    fn word(&self, action: &str) -> String {
        word(self.l, action)
    }

    fn has_targets(&self) -> bool {
        self.head.is_none()
    }

    fn actions(&self) -> &'static [&'static str] {
        &ACTIONS
    }

    fn lead_key(&self) -> &'static str {
        match (&self.head, &self.org, self.is_own) {
            (Some(_), _, _) => "audit-of-repository",
            (_, Some(_), _) => "audit-of-organization",
            (_, _, true) => "audit-of-account",
            _ => "audit-of-hub",
        }
    }
}

fn word(l: Words, action: &str) -> String {
    let key = match action.strip_suffix(".*") {
        Some(family) => format!("did-all-{family}"),
        None => format!("did-{}", action.replace(['.', '_'], "-")),
    };
    l.maybe(&key).unwrap_or_else(|| action.to_owned())
}

/// The field that a message of the application names at its beginning.
fn field_of(message: &str) -> &'static str {
    ["actor", "action", "target"].into_iter().find(|field| message.starts_with(&format!("\"{field}\""))).unwrap_or("")
}

/// What a page is of.
struct Of {
    head: Option<RepoHead>,
    org: Option<String>,
    is_own: bool,
    here: String,
    api: String,
    section: Section,
}

async fn page(app: &App, visit: &Visit, access: &AuditAccess, of: Of, query: &Query) -> Answer {
    let l = visit.words();
    let filter = Filter {
        actor: query.get("actor").to_owned(),
        action: query.get("action").to_owned(),
        target: query.get("target").to_owned(),
        since: query.get("since").to_owned(),
        until: query.get("until").to_owned(),
    };
    let mut problems = Vec::new();
    let mut moment = |field: &'static str, text: &str| {
        let found = parse_moment(text);
        if found.is_none() && !text.is_empty() {
            problems.push(Problem::new(field, l.t("problem-date")));
        }
        found
    };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let asked = AuditQuery {
        actor: some(&filter.actor),
        action: some(&filter.action),
        target: some(&filter.target),
        since: moment("since", &filter.since),
        until: moment("until", &filter.until),
        limit: Some(PAGE_LEN),
        cursor: query.find("cursor"),
    };
    let is_first = asked.cursor.is_none();
    let (mut rows, mut next) = (Vec::new(), None);
    if problems.is_empty() {
        match app.audit(access, &asked).await {
            Ok(found) => {
                rows = found.items.into_iter().map(Row::from).collect();
                next = found.next;
            }
            Err(e) if e.code == Code::Invalid => {
                problems.push(Problem::in_english(field_of(&e.message), e.message.clone()))
            }
            Err(e) => return Err(e.into()),
        }
    }
    let is_all = of.head.is_none() && of.org.is_none() && !of.is_own;
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = AuditPage {
        l,
        page: visit.layout(of.section, false),
        head: of.head,
        org: of.org,
        is_own: of.is_own,
        offers_all: !is_all && visit.caller().user().is_some_and(|user| user.is_admin),
        here: of.here,
        api: of.api,
        filter,
        rows,
        is_first,
        next,
        problems,
    };
    Ok(render(status, &page))
}

/// `GET …/settings/audit-log` of a repository
pub(crate) async fn repository(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    visit.caller().require_user()?;
    let admin = app.administer(visit.caller(), target.kind, &target.path).await?;
    let repo = admin.repo();
    if let Some(now) = target.moved(repo) {
        return Ok(go(&now.audit_log(), []));
    }
    let access = app.audit_repo(visit.caller(), target.kind, &target.path).await?;
    let address = RepoAddress::new(repo.kind, &repo.path());
    let of = Of {
        org: None,
        is_own: false,
        here: address.audit_log(),
        api: format!("/api/{}/{}/audit-log", repo.kind.plural(), address.id()),
        section: target.section(),
        head: Some({
            let private = repo.visibility == haina_types::Visibility::Private;
            RepoHead { manage: true, ..RepoHead::new(address, private, "main", Tab::Settings) }
        }),
    };
    page(&app, &visit, &access, of, &query).await
}

/// `GET /organizations/{name}/settings/audit-log`
pub(crate) async fn organization(
    State(app): State<App>,
    visit: Visit,
    name: Option<Path<String>>,
    query: Query,
) -> Answer {
    let name: Option<Slug> = name.and_then(|Path(name)| name.parse().ok());
    let name = name.ok_or_else(|| Error::new(Code::NotFound, "There is no such organization."))?;
    let access = app.audit_namespace(visit.caller(), &name).await?;
    let of = Of {
        head: None,
        is_own: false,
        here: format!("/organizations/{name}/settings/audit-log"),
        api: format!("/api/organizations/{name}/audit-log"),
        section: Section::None,
        org: Some(name.to_string()),
    };
    page(&app, &visit, &access, of, &query).await
}

/// `GET /settings/audit-log`
pub(crate) async fn own(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let name = visit.caller().require_user()?.name.clone();
    let access = app.audit_namespace(visit.caller(), &name).await?;
    let of = Of {
        head: None,
        org: None,
        is_own: true,
        here: "/settings/audit-log".to_owned(),
        api: "/api/settings/audit-log".to_owned(),
        section: Section::Settings,
    };
    page(&app, &visit, &access, of, &query).await
}

/// `GET /admin/audit-log`
pub(crate) async fn all(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let access = app.audit_all(visit.caller()).await?;
    let of = Of {
        head: None,
        org: None,
        is_own: false,
        here: "/admin/audit-log".to_owned(),
        api: "/api/audit-log".to_owned(),
        section: Section::None,
    };
    page(&app, &visit, &access, of, &query).await
}
