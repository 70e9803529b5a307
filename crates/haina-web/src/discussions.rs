//! `…/discussions` and `…/discussions/new`: what is talked about, and a form to begin.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::discussions::{Discussion, Kind, ListDiscussions, OpenState, Status};
use haina_types::{Code, Timestamp, Visibility};
use http::StatusCode;

use crate::address::{RepoAddress, with_query};
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::{Locale, Plain};
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, render, show};

/// A repository's discussions and pull requests.
#[derive(Template)]
#[template(path = "discussions.html")]
pub(crate) struct DiscussionsPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub kind: Kind,
    pub state: OpenState,
    pub rows: Vec<Row>,
    pub open: u64,
    pub closed: u64,
    /// How many were asked for, and the page, from 0.
    pub count: u64,
    pub at: u64,
    pub may_talk: bool,
}

/// A discussion in the list.
pub(crate) struct Row {
    pub number: i64,
    pub title: String,
    pub author: Option<String>,
    pub created: Timestamp,
    pub comments: u64,
    pub state_key: &'static str,
    pub is_open: bool,
    pub is_pull: bool,
}

/// The word for a state.
pub(crate) fn state_key(status: Status) -> &'static str {
    match status {
        Status::Draft => "state-draft",
        Status::Open => "state-open",
        Status::Closed => "state-closed",
        Status::Merged => "state-merged",
    }
}

impl From<Discussion> for Row {
    fn from(d: Discussion) -> Self {
        Self {
            number: d.number,
            is_pull: d.is_pull_request(),
            title: d.title,
            author: d.author,
            created: d.created_at,
            comments: d.comments,
            state_key: state_key(d.status),
            is_open: d.status.is_open(),
        }
    }
}

/// Discussions on a page, as the application lists them.
const PAGE_LEN: u64 = haina_app::discussions::PAGE_LEN as u64;

impl DiscussionsPage {
    fn address(&self, kind: Kind, state: OpenState, page: u64) -> String {
        let page = if page == 0 { String::new() } else { page.to_string() };
        let pairs = [("type", kind_name(kind)), ("status", state_name(state)), ("p", page.as_str())];
        with_query(&self.head.address.discussions(), pairs)
    }

    fn of_kind(&self, name: &str) -> String {
        self.address(kind_of(name), self.state, 0)
    }

    fn of_state(&self, name: &str) -> String {
        self.address(self.kind, state_of(name), 0)
    }

    fn is_kind(&self, name: &str) -> bool {
        self.kind == kind_of(name)
    }

    fn is_state(&self, name: &str) -> bool {
        self.state == state_of(name)
    }

    fn newer(&self) -> Option<u64> {
        self.at.checked_sub(1)
    }

    fn older(&self) -> Option<u64> {
        (self.at.saturating_add(1).saturating_mul(PAGE_LEN) < self.count).then(|| self.at + 1)
    }

    fn at_page(&self, page: impl Plain<u64>) -> String {
        self.address(self.kind, self.state, page.plain())
    }

    fn position(&self) -> String {
        let pages = self.count.div_ceil(PAGE_LEN).max(1);
        self.l.with2("page-position", "page", self.l.locale.number(self.at + 1), "pages", self.l.locale.number(pages))
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::All => "",
        Kind::Discussion => "discussion",
        Kind::PullRequest => "pull_request",
    }
}

fn kind_of(name: &str) -> Kind {
    match name {
        "discussion" => Kind::Discussion,
        "pull_request" => Kind::PullRequest,
        _ => Kind::All,
    }
}

fn state_name(state: OpenState) -> &'static str {
    match state {
        OpenState::All => "all",
        OpenState::Open => "",
        OpenState::Closed => "closed",
    }
}

fn state_of(name: &str) -> OpenState {
    match name {
        "all" => OpenState::All,
        "closed" => OpenState::Closed,
        _ => OpenState::Open,
    }
}

/// `GET …/discussions?type=&status=&p=`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    let access = app.read_content(visit.caller(), target.kind, &target.path).await?;
    let (kind, state) = (kind_of(query.get("type")), state_of(query.get("status")));
    let at: u32 = query.get("p").parse().unwrap_or(0);
    let asked = ListDiscussions { kind, state, author: query.find("author"), page: at as usize };
    let found = app.list_discussions(&access, &asked).await?;
    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    show(&DiscussionsPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head: RepoHead::new(address, repo.visibility == Visibility::Private, "main", Tab::Discussions),
        kind,
        state,
        rows: found.items.into_iter().map(Row::from).collect(),
        open: found.open,
        closed: found.closed,
        count: found.count,
        at: at.into(),
        may_talk: app.talk(visit.caller(), target.kind, &target.path).await.is_ok(),
    })
}

/// The form to begin a discussion.
#[derive(Template)]
#[template(path = "discussion_new.html")]
pub(crate) struct NewPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub title: String,
    pub text: String,
    /// The command that proposes a change.
    pub propose: String,
    pub problems: Vec<Problem>,
}

impl NewPage {
    fn text_wrong(&self) -> bool {
        crate::form::problem_of(&self.problems, "text").is_some()
    }
}

async fn new_page(app: &App, visit: &Visit, target: &Target) -> Result<NewPage, haina_types::Error> {
    let access = app.talk(visit.caller(), target.kind, &target.path).await?;
    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    let mut head = RepoHead::new(address.clone(), repo.visibility == Visibility::Private, "main", Tab::Discussions);
    head.is_tab_root = false;
    let kind = if target.kind == haina_types::RepoKind::Model {
        String::new()
    } else {
        format!(" --repo-type {}", target.kind)
    };
    Ok(NewPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        title: String::new(),
        text: String::new(),
        propose: format!("HF_ENDPOINT={} hf upload {} ./my-folder . --create-pr{kind}", app.base_url(), address.id()),
        problems: Vec::new(),
    })
}

/// `GET …/discussions/new`
pub(crate) async fn new(State(app): State<App>, visit: Visit, target: Target) -> Answer {
    visit.caller().require_user()?;
    show(&new_page(&app, &visit, &target).await?)
}

/// `POST …/discussions`
pub(crate) async fn post(State(app): State<App>, target: Target, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    let access = app.talk(visit.caller(), target.kind, &target.path).await?;
    let (title, text) = (form.get("title").trim(), form.get("text"));
    let l = visit.words();
    let mut problems = Vec::new();
    if title.is_empty() || title.chars().count() > haina_app::discussions::TITLE_CHARS_MAX {
        problems.push(Problem::new("title", l.t("problem-title")));
    }
    if text.trim().is_empty() || text.len() > haina_app::discussions::COMMENT_BYTES_MAX {
        problems.push(Problem::new("text", l.t("problem-comment")));
    }
    if problems.is_empty() {
        match app.create_discussion(&access, title, text).await {
            Ok(number) => {
                let address = RepoAddress::new(target.kind, &access.repo().path());
                return Ok(go(&address.discussion(number), []));
            }
            Err(e) if matches!(e.code, Code::Invalid | Code::TooLarge) => {
                problems.push(Problem::in_english("", e.message));
            }
            Err(e) => return Err(e.into()),
        }
    }
    let page = new_page(&app, visit, &target).await?;
    let page = NewPage { title: title.to_owned(), text: text.to_owned(), problems, ..page };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
