//! `…/discussions/{number}`: one discussion with all that was said, and forms to go on with it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::discussions::{Conflicts, EventKind, Said, Status, Thread};
use haina_app::gate::{ContentAccess, TalkAccess};
use haina_types::{Code, Error, Result, Timestamp, Visibility};
use http::StatusCode;

use crate::address::RepoAddress;
use crate::discussions::state_key;
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::target::Target;
use crate::visit::{Answer, Visit, go, render, show};

/// A discussion.
#[derive(Template)]
#[template(path = "discussion.html")]
pub(crate) struct DiscussionPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub number: i64,
    pub title: String,
    pub author: Option<String>,
    pub created: Timestamp,
    pub state_key: &'static str,
    pub is_open: bool,
    pub events: Vec<Event>,
    pub pull: Option<Pull>,
    pub may: May,
    /// What was written and not taken.
    pub draft: String,
    pub problems: Vec<Problem>,
}

/// What is said of a pull request.
pub(crate) struct Pull {
    pub base: String,
    pub reference: String,
    pub merge_commit: Option<String>,
    pub conflicts: Vec<String>,
    pub conflicts_unknown: bool,
    /// The commands that fetch it.
    pub commands: String,
}

/// What the visitor may do.
#[derive(Default)]
pub(crate) struct May {
    pub talk: bool,
    pub close: bool,
    pub open: bool,
    pub publish: bool,
    pub merge: bool,
    pub rename: bool,
}

/// Something that happened.
pub(crate) struct Event {
    pub id: String,
    pub author: Option<String>,
    pub at: Timestamp,
    pub what: What,
}

/// What happened.
pub(crate) enum What {
    Comment(Comment),
    Status(&'static str),
    Title { from: String, to: String },
    Commit { subject: String, oid: String },
}

/// What somebody said.
pub(crate) struct Comment {
    /// Sanitized by the application, like a card.
    pub html: Arc<str>,
    pub text: String,
    pub is_empty: bool,
    pub edited: Option<Timestamp>,
    pub hidden: bool,
    pub earlier: Vec<Earlier>,
    pub may_change: bool,
}

/// What they said before they edited it.
pub(crate) struct Earlier {
    pub text: String,
    pub author: Option<String>,
    pub at: Timestamp,
}

impl Event {
    fn new(said: Said, talk: Option<&TalkAccess>) -> Self {
        let event = said.event;
        let may_change = talk.is_some_and(|t| t.is_writer() || event.author_id == Some(t.actor()));
        let what = match event.kind {
            EventKind::Comment { text, edited, hidden } => What::Comment(Comment {
                html: said.html,
                is_empty: text.trim().is_empty(),
                text,
                edited: edited.map(|e| e.at),
                hidden,
                may_change: may_change && !hidden,
                earlier: said
                    .earlier
                    .into_iter()
                    .map(|e| Earlier { text: e.text, author: e.author, at: e.at })
                    .collect(),
            }),
            EventKind::Status(status) => What::Status(event_key(status)),
            EventKind::Title { from, to } => What::Title { from, to },
            EventKind::Commit { subject, oid } => What::Commit { subject, oid },
        };
        Self { id: format!("{:024x}", event.id), author: event.author, at: event.at, what }
    }
}

/// The sentence for a change of state.
fn event_key(status: Status) -> &'static str {
    match status {
        Status::Draft => "event-draft",
        Status::Open => "event-opened",
        Status::Closed => "event-closed",
        Status::Merged => "event-merged",
    }
}

/// The number of an address's discussion.
fn number_of(target: &Target) -> Result<i64> {
    let missing = || Error::new(Code::NotFound, "There is no such discussion.");
    target.number.as_deref().and_then(|n| n.parse().ok()).filter(|n| *n > 0).ok_or_else(missing)
}

async fn page(app: &App, visit: &Visit, target: &Target, access: &ContentAccess) -> Result<DiscussionPage> {
    let Thread { discussion: d, events } = app.discussion(access, number_of(target)?).await?;
    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    let talk = match visit.caller().user() {
        Some(_) => app.talk(visit.caller(), target.kind, &target.path).await.ok(),
        None => None,
    };
    let own = talk.as_ref().is_some_and(|t| t.is_writer() || d.author_id == Some(t.actor()));
    let writer = talk.as_ref().is_some_and(TalkAccess::is_writer);
    let pull = match &d.base {
        None => None,
        Some(base) => {
            let reference = format!("refs/pr/{}", d.number);
            let (conflicts, conflicts_unknown) = match &*app.pull_conflicts(access, &d).await? {
                Conflicts::Files(files) => (files.clone(), false),
                Conflicts::Unknown => (Vec::new(), true),
            };
            Some(Pull {
                base: base.as_branch().unwrap_or(base.as_str()).to_owned(),
                commands: format!("git fetch {}{} {reference}\ngit checkout FETCH_HEAD", app.base_url(), address.url()),
                reference,
                merge_commit: d.merge_commit.map(|c| c.to_string()),
                conflicts,
                conflicts_unknown,
            })
        }
    };
    let is_pull = pull.is_some();
    let can_merge = pull.as_ref().is_some_and(|p| p.conflicts.is_empty() && !p.conflicts_unknown);
    let may = May {
        talk: talk.is_some(),
        close: own && d.status.is_open(),
        open: own && d.status == Status::Closed,
        publish: own && d.status == Status::Draft,
        merge: writer && is_pull && d.status == Status::Open && can_merge,
        rename: own,
    };
    let mut head = RepoHead::new(address, repo.visibility == Visibility::Private, "main", Tab::Discussions);
    head.is_tab_root = false;
    Ok(DiscussionPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        number: d.number,
        title: d.title,
        author: d.author,
        created: d.created_at,
        state_key: state_key(d.status),
        is_open: d.status.is_open(),
        events: events.into_iter().map(|said| Event::new(said, talk.as_ref())).collect(),
        pull,
        may,
        draft: String::new(),
        problems: Vec::new(),
    })
}

/// `GET …/discussions/{number}`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target) -> Answer {
    let access = app.read_content(visit.caller(), target.kind, &target.path).await?;
    show(&page(&app, &visit, &target, &access).await?)
}

/// Does what a form asks for; the event to show, if there is one.
async fn act(app: &App, target: &Target, form: &Posted) -> Result<Option<i64>> {
    let caller = form.visit.caller();
    let number = number_of(target)?;
    let talk = app.talk(caller, target.kind, &target.path).await?;
    let event = || {
        let text = form.get("event");
        let id = (text.len() == 24).then(|| i64::from_str_radix(text, 16).ok()).flatten();
        id.ok_or_else(|| Error::new(Code::NotFound, "There is no such comment in this discussion."))
    };
    let text = form.get("text");
    let comment = Some(text).filter(|t| !t.trim().is_empty());
    let said = match form.get("do") {
        "comment" => app.comment(&talk, number, text).await?,
        "close" => app.set_discussion_status(&talk, number, Status::Closed, comment).await?,
        "open" => app.set_discussion_status(&talk, number, Status::Open, comment).await?,
        "rename" => app.rename_discussion(&talk, number, form.get("title")).await?,
        "edit" => app.edit_comment(&talk, number, event()?, text).await?,
        "hide" => app.hide_comment(&talk, number, event()?).await?,
        "merge" => {
            let write = app.write(caller, target.kind, &target.path).await?;
            app.merge_pull_request(&write, number, comment).await?;
            return Ok(None);
        }
        _ => return Err(Error::invalid("The form asks for nothing that is known here.")),
    };
    Ok(Some(said.event.id))
}

/// `POST …/discussions/{number}`
pub(crate) async fn post(State(app): State<App>, target: Target, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    let problem = match act(&app, &target, &form).await {
        Ok(event) => {
            let anchor = event.map(|id| format!("#{id:024x}")).unwrap_or_default();
            let address = target.address().discussion(number_of(&target)?);
            return Ok(go(&format!("{address}{anchor}"), []));
        }
        // What was written is not lost.
        Err(e) if matches!(e.code, Code::Invalid | Code::TooLarge | Code::Conflict | Code::Stale) => {
            Problem::in_english("", e.message)
        }
        Err(e) => return Err(e.into()),
    };
    let access = app.read_content(visit.caller(), target.kind, &target.path).await?;
    let page = page(&app, visit, &target, &access).await?;
    let page = DiscussionPage { draft: form.get("text").to_owned(), problems: vec![problem], ..page };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
