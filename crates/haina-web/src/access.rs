//! `…/access`: the gate of a repository. Strangers ask here; whoever may write decides.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::requests::{AccessRequest, FieldKind, GateForm, Standing, Status, Which};
use haina_types::{Code, Error, Timestamp, Visibility};
use http::StatusCode;

use crate::address::{RepoAddress, with_query};
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, render, show};

/// Requests on a page.
const PAGE_LEN: usize = 50;

/// The side of those who ask.
#[derive(Template)]
#[template(path = "access.html")]
pub(crate) struct AskPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub standing: Standing,
    pub automatic: bool,
    pub form: GateForm,
    /// What was written, by the number of the field.
    pub answers: Vec<String>,
    pub problems: Vec<Problem>,
}

impl AskPage {
    fn answer(&self, index: &usize) -> &str {
        self.answers.get(*index).map_or("", String::as_str)
    }

    fn reason(&self) -> Option<&str> {
        match &self.standing {
            Standing::Rejected(reason) => reason.as_deref(),
            _ => None,
        }
    }
}

/// The side of those who decide.
#[derive(Template)]
#[template(path = "requests.html")]
pub(crate) struct RequestsPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub status: Status,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub user: String,
    pub problems: Vec<Problem>,
}

/// A request in the list.
pub(crate) struct Row {
    pub id: String,
    pub name: String,
    pub full_name: String,
    pub email: Option<String>,
    pub at: Timestamp,
    pub answers: Vec<(String, String)>,
    pub reason: Option<String>,
}

impl From<AccessRequest> for Row {
    fn from(r: AccessRequest) -> Self {
        let fields: BTreeMap<String, serde_json::Value> =
            r.fields.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let text = |value: serde_json::Value| match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Bool(true) => "✓".to_owned(),
            other => other.to_string(),
        };
        Self {
            id: r.public_id,
            name: r.user.to_string(),
            full_name: r.full_name,
            email: r.email.filter(|_| !r.by_hand),
            at: r.created_at,
            answers: fields.into_iter().map(|(label, value)| (label, text(value))).collect(),
            reason: r.reason,
        }
    }
}

/// The words for requests of a status.
pub(crate) fn status_key(status: Status) -> &'static str {
    match status {
        Status::Pending => "requests-pending",
        Status::Accepted => "requests-accepted",
        Status::Rejected => "requests-rejected",
    }
}

impl RequestsPage {
    fn is(&self, status: impl std::borrow::Borrow<Status>) -> bool {
        self.status == *status.borrow()
    }

    fn word(&self, status: &Status) -> String {
        self.l.t(status_key(*status))
    }

    fn of(&self, status: &Status) -> String {
        with_query(&self.head.address.access(), [("status", status.as_str())])
    }

    fn after(&self, cursor: &str) -> String {
        with_query(&self.head.address.access(), [("status", self.status.as_str()), ("cursor", cursor)])
    }

    fn report(&self) -> String {
        format!("{}/user-access-report", self.head.address.url())
    }
}

fn head(repo: &haina_app::repos::Repo, manage: bool) -> RepoHead {
    let address = RepoAddress::new(repo.kind, &repo.path());
    let mut head = RepoHead::new(address, repo.visibility == Visibility::Private, "main", Tab::Settings);
    head.manage = manage;
    head.is_tab_root = false;
    head
}

async fn requests(
    app: &App,
    visit: &Visit,
    target: &Target,
    status: Status,
    cursor: Option<&str>,
) -> Result<RequestsPage, Error> {
    let access = app.write(visit.caller(), target.kind, &target.path).await?;
    let manage = app.administer(visit.caller(), target.kind, &target.path).await.is_ok();
    let found = app.list_requests(&access, status, cursor, Some(PAGE_LEN)).await?;
    Ok(RequestsPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head: head(access.repo(), manage),
        status,
        rows: found.items.into_iter().map(Row::from).collect(),
        next: found.next,
        user: String::new(),
        problems: Vec::new(),
    })
}

/// `GET …/access`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    let access = app.read(visit.caller(), target.kind, &target.path).await?;
    if let Some(now) = target.moved(access.repo()) {
        return Ok(go(&now.access(), []));
    }
    if access.repo().gated.is_none() {
        return Ok(go(&target.address().url(), []));
    }
    if app.write(visit.caller(), target.kind, &target.path).await.is_ok() {
        let status = query.get("status").parse().unwrap_or(Status::Pending);
        return show(&requests(&app, &visit, &target, status, query.find("cursor").as_deref()).await?);
    }
    show(&ask_page(&app, &visit, &target).await?)
}

async fn ask_page(app: &App, visit: &Visit, target: &Target) -> Result<AskPage, Error> {
    let access = app.read(visit.caller(), target.kind, &target.path).await?;
    let form = app.gate_form(&access).await?;
    Ok(AskPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head: head(access.repo(), false),
        standing: app.gate_standing(visit.caller(), &access).await?,
        automatic: access.repo().gated.as_deref() == Some("auto"),
        answers: vec![String::new(); form.fields.len()],
        form,
        problems: Vec::new(),
    })
}

/// `POST …/access`
pub(crate) async fn post(State(app): State<App>, target: Target, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    match form.get("action") {
        "ask" => ask(&app, &target, &form).await,
        "withdraw" => match app.withdraw_request(visit.caller(), target.kind, &target.path).await {
            // Decided meanwhile: the page says what.
            Ok(()) => Ok(go(&target.address().access(), [])),
            Err(e) if e.code == Code::Conflict => Ok(go(&target.address().access(), [])),
            Err(e) => Err(e.into()),
        },
        action => decide(&app, &target, &form, action).await,
    }
}

async fn ask(app: &App, target: &Target, form: &Posted) -> Answer {
    let visit = &form.visit;
    let mut page = ask_page(app, visit, target).await?;
    let written: Vec<String> =
        (0..page.form.fields.len()).map(|i| form.get(&format!("field-{i}")).trim().to_owned()).collect();
    let labels = page.form.fields.iter().map(|f| f.label.clone());
    let answers: BTreeMap<String, String> = labels.zip(written.iter().cloned()).collect();
    match app.ask_access(visit.caller(), target.kind, &target.path, &answers).await {
        Ok(_) => Ok(go(&target.address().access(), [])),
        Err(e) if e.code == Code::Conflict => Ok(go(&target.address().access(), [])),
        Err(e) if e.code == Code::Invalid => {
            page.answers = written;
            page.problems = vec![Problem::in_english("", e.message)];
            Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(e) => Err(e.into()),
    }
}

async fn decide(app: &App, target: &Target, form: &Posted, action: &str) -> Answer {
    let visit = &form.visit;
    let access = app.write(visit.caller(), target.kind, &target.path).await?;
    let shown: Status = form.get("status").parse().unwrap_or(Status::Pending);
    let which = Which::Id(form.get("request").to_owned());
    let back = with_query(&target.address().access(), [("status", shown.as_str())]);
    let done = match action {
        "accept" => app.decide_request(&access, &which, Status::Accepted, None).await,
        "reject" => app.decide_request(&access, &which, Status::Rejected, Some(form.get("reason"))).await,
        "cancel" => app.decide_request(&access, &which, Status::Pending, None).await,
        "grant" => {
            let name = form.get("user").trim();
            let granted = match name.parse() {
                Ok(slug) => app.grant_access(&access, &slug).await.map(drop),
                Err(_) => Err(Error::new(Code::NotFound, "There is no such user.")),
            };
            match granted {
                Ok(()) => return Ok(go(&with_query(&target.address().access(), [("status", "accepted")]), [])),
                Err(e) if matches!(e.code, Code::NotFound | Code::Invalid) => {
                    let key = if e.code == Code::NotFound { "problem-no-user" } else { "problem-has-access" };
                    let mut page = requests(app, visit, target, shown, None).await?;
                    page.problems = vec![Problem::new("user", visit.words().with(key, "name", name))];
                    name.clone_into(&mut page.user);
                    return Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page));
                }
                Err(e) => return Err(e.into()),
            }
        }
        _ => return Err(Error::invalid("This form is not one of ours.").into()),
    };
    match done {
        Ok(()) => Ok(go(&back, [])),
        // Somebody else was quicker: the list says what they did.
        Err(e) if matches!(e.code, Code::NotFound | Code::Conflict) => Ok(go(&back, [])),
        Err(e) => Err(e.into()),
    }
}
