//! `/settings/webhooks`: make, see, change and switch webhooks; look at what was sent and send it again.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::webhooks::{DeliveryView, Domain, Watched, WatchedKind, WebhookChange, WebhookView};
use haina_types::{Code, Error, Timestamp};
use http::StatusCode;

use crate::address::with_query;
use crate::form::{Posted, Problem, problem_of};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// Deliveries of one page.
const DELIVERIES: usize = 30;

/// A webhook in a list.
pub(crate) struct Line {
    pub id: String,
    pub url: String,
    pub watched: Vec<String>,
    pub state_key: &'static str,
    pub is_on: bool,
}

/// The fields of a webhook's form.
#[derive(Default)]
pub(crate) struct Fields {
    pub url: String,
    pub watched: String,
    pub repo: bool,
    pub discussion: bool,
    pub secret: String,
}

/// What is to be said of a webhook's state.
pub(crate) fn state_key(disabled: Option<&str>, failing: bool) -> &'static str {
    match (disabled, failing) {
        (None, false) => "webhook-on",
        (None, true) => "webhook-failing",
        (Some("failing"), _) => "webhook-off-failing",
        (Some("overflow"), _) => "webhook-off-overflow",
        (Some(_), _) => "webhook-off",
    }
}

/// What is to be said of a delivery's state.
pub(crate) fn delivery_key(state: &str) -> &'static str {
    match state {
        "delivered" => "delivery-delivered",
        "failed" => "delivery-failed",
        "dropped" => "delivery-dropped",
        _ => "delivery-queued",
    }
}

fn line_of(watched: &Watched) -> String {
    format!("{} {}", watched.kind.as_str(), watched.name)
}

impl From<WebhookView> for Line {
    fn from(hook: WebhookView) -> Self {
        Self {
            watched: hook.watched.iter().map(line_of).collect(),
            state_key: state_key(hook.disabled.as_deref(), hook.failing_since.is_some()),
            is_on: hook.disabled.is_none(),
            id: hook.id,
            url: hook.url,
        }
    }
}

impl Fields {
    fn of(hook: &WebhookView) -> Self {
        Self {
            url: hook.url.clone(),
            watched: hook.watched.iter().map(line_of).collect::<Vec<_>>().join("\n"),
            repo: hook.domains.contains(&Domain::Repo),
            discussion: hook.domains.contains(&Domain::Discussion),
            secret: hook.secret.clone().unwrap_or_default(),
        }
    }

    fn sent(form: &Posted) -> Self {
        Self {
            url: form.get("url").trim().to_owned(),
            watched: form.get("watched").to_owned(),
            repo: form.get("repo") == "1",
            discussion: form.get("discussion") == "1",
            secret: form.get("secret").trim().to_owned(),
        }
    }

    /// What the fields say; `None` if what is watched is not written as it should be.
    fn change(&self) -> Option<WebhookChange> {
        let mut domains = Vec::new();
        domains.extend(self.repo.then_some(Domain::Repo));
        domains.extend(self.discussion.then_some(Domain::Discussion));
        Some(WebhookChange {
            url: Some(self.url.clone()),
            watched: parse_watched(&self.watched)?,
            domains: Some(domains),
            secret: Some(self.secret.clone()),
        })
    }
}

/// What is watched as the form has it: on each line a type and a name.
pub(crate) fn parse_watched(text: &str) -> Option<Vec<Watched>> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let watched: Option<Vec<Watched>> = lines
        .map(|line| {
            let (kind, name) = line.split_once(char::is_whitespace)?;
            let kind = WatchedKind::ALL.into_iter().find(|k| k.as_str() == kind)?;
            Some(Watched { kind, name: name.trim().to_owned() })
        })
        .collect();
    watched.filter(|w| !w.is_empty())
}

/// The page of one's webhooks.
#[derive(Template)]
#[template(path = "webhooks.html")]
pub(crate) struct WebhooksPage {
    pub l: Words,
    pub page: Layout,
    pub hooks: Vec<Line>,
    pub deleted: bool,
    pub problems: Vec<Problem>,
    pub fields: Fields,
    pub example: String,
}

async fn list_page(app: &App, visit: &Visit) -> Result<WebhooksPage, Error> {
    let by = app.act(visit.caller()).await?;
    let name = visit.viewer().unwrap_or_default();
    Ok(WebhooksPage {
        l: visit.words(),
        page: visit.layout(Section::Webhooks, true),
        hooks: app.list_webhooks(&by).await?.into_iter().map(Line::from).collect(),
        deleted: false,
        problems: Vec::new(),
        fields: Fields { repo: true, discussion: true, ..Fields::default() },
        example: format!("user {name}\nmodel {name}/my-model"),
    })
}

/// `GET /settings/webhooks`
pub(crate) async fn list(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let page = list_page(&app, &visit).await?;
    show(&WebhooksPage { deleted: !query.get("deleted").is_empty(), ..page })
}

/// What is wrong with the form; other errors are pages of their own.
fn problem(e: Error) -> Result<Problem, Error> {
    let field = ["url", "watched", "secret"].into_iter().find(|f| e.message.starts_with(&format!("\"{f}")));
    match e.code {
        Code::Invalid => Ok(Problem::in_english(field.unwrap_or(""), e.message)),
        _ => Err(e),
    }
}

/// `POST /settings/webhooks`
pub(crate) async fn create(State(app): State<App>, form: Posted) -> Answer {
    let by = app.act(form.visit.caller()).await?;
    let fields = Fields::sent(&form);
    let problem = match fields.change() {
        None => Problem::new("watched", form.visit.words().t("problem-watched")),
        Some(change) => match app.create_webhook(&by, change).await {
            Ok(made) => return Ok(go(&format!("/settings/webhooks/{}", made.id), [])),
            Err(e) => problem(e)?,
        },
    };
    let page = WebhooksPage { problems: vec![problem], fields, ..list_page(&app, &form.visit).await? };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// A delivery in the log.
pub(crate) struct Sent {
    pub id: String,
    pub what: String,
    pub subject: String,
    pub state_key: &'static str,
    pub status: Option<i64>,
    pub duration_ms: Option<i64>,
    pub attempts: u64,
    pub at: Timestamp,
}

impl From<DeliveryView> for Sent {
    fn from(d: DeliveryView) -> Self {
        Self {
            id: d.public_id,
            what: format!("{} {}", d.scope, d.action),
            subject: d.subject,
            state_key: delivery_key(&d.state),
            status: d.status,
            duration_ms: d.duration_ms,
            attempts: d.attempts,
            at: d.sent_at.unwrap_or(d.created_at),
        }
    }
}

/// The page of one webhook and its log.
#[derive(Template)]
#[template(path = "webhook.html")]
pub(crate) struct WebhookPage {
    pub l: Words,
    pub page: Layout,
    pub hook: Line,
    pub problems: Vec<Problem>,
    pub fields: Fields,
    pub example: String,
    pub log: Vec<Sent>,
    pub next: Option<String>,
    pub is_first: bool,
    pub saved: bool,
}

impl WebhookPage {
    fn more(&self, cursor: &str) -> String {
        with_query(&format!("/settings/webhooks/{}", self.hook.id), [("cursor", cursor)])
    }
}

async fn one_page(app: &App, visit: &Visit, id: &str, cursor: Option<String>) -> Result<WebhookPage, Error> {
    let by = app.act(visit.caller()).await?;
    let hook = app.get_webhook(&by, id).await?;
    let found = app.list_deliveries(&by, id, Some(DELIVERIES), cursor.as_deref()).await?;
    let name = visit.viewer().unwrap_or_default();
    Ok(WebhookPage {
        l: visit.words(),
        page: visit.layout(Section::Webhooks, false),
        fields: Fields::of(&hook),
        hook: hook.into(),
        problems: Vec::new(),
        example: format!("user {name}\nmodel {name}/my-model"),
        log: found.items.into_iter().map(Sent::from).collect(),
        next: found.next,
        is_first: cursor.is_none(),
        saved: false,
    })
}

/// `GET /settings/webhooks/{id}`
pub(crate) async fn get(State(app): State<App>, visit: Visit, Path(id): Path<String>, query: Query) -> Answer {
    let page = one_page(&app, &visit, &id, query.find("cursor")).await?;
    show(&WebhookPage { saved: !query.get("saved").is_empty(), ..page })
}

/// `POST /settings/webhooks/{id}`: `do` is change, enable, disable or delete.
pub(crate) async fn post(State(app): State<App>, Path(id): Path<String>, form: Posted) -> Answer {
    let by = app.act(form.visit.caller()).await?;
    let here = format!("/settings/webhooks/{id}");
    match form.get("do") {
        "enable" => app.switch_webhook(&by, &id, true).await.map(drop)?,
        "disable" => app.switch_webhook(&by, &id, false).await.map(drop)?,
        "delete" => {
            app.delete_webhook(&by, &id).await?;
            return Ok(go("/settings/webhooks?deleted=1", []));
        }
        _ => {
            let fields = Fields::sent(&form);
            let problem = match fields.change() {
                None => Problem::new("watched", form.visit.words().t("problem-watched")),
                Some(change) => match app.update_webhook(&by, &id, change).await {
                    Ok(_) => return Ok(go(&format!("{here}?saved=1"), [])),
                    Err(e) => problem(e)?,
                },
            };
            let page = WebhookPage { problems: vec![problem], fields, ..one_page(&app, &form.visit, &id, None).await? };
            return Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    }
    Ok(go(&here, []))
}

/// The page of one delivery.
#[derive(Template)]
#[template(path = "delivery.html")]
pub(crate) struct DeliveryPage {
    pub l: Words,
    pub page: Layout,
    pub webhook: String,
    pub is_on: bool,
    pub url: String,
    pub sent: Sent,
    pub error: Option<String>,
    pub answer: Option<String>,
    pub body: String,
    pub next_try: Option<Timestamp>,
}

/// `GET /settings/webhooks/{id}/deliveries/{delivery}`
pub(crate) async fn delivery(
    State(app): State<App>,
    visit: Visit,
    Path((id, which)): Path<(String, String)>,
) -> Answer {
    let by = app.act(visit.caller()).await?;
    let hook = app.get_webhook(&by, &id).await?;
    let found = app.get_delivery(&by, &id, &which).await?;
    let body: serde_json::Value = serde_json::from_str(&found.body).map_err(Error::internal)?;
    let d = found.delivery;
    show(&DeliveryPage {
        l: visit.words(),
        page: visit.layout(Section::Webhooks, false),
        webhook: hook.id,
        is_on: hook.disabled.is_none(),
        url: hook.url,
        error: d.error.clone(),
        answer: d.answer.clone(),
        body: serde_json::to_string_pretty(&body).map_err(Error::internal)?,
        next_try: (d.state == "queued").then_some(d.run_at),
        sent: d.into(),
    })
}

/// `POST /settings/webhooks/{id}/deliveries/{delivery}`: sends it again.
pub(crate) async fn replay(State(app): State<App>, Path((id, which)): Path<(String, String)>, form: Posted) -> Answer {
    let by = app.act(form.visit.caller()).await?;
    let again = app.replay_delivery(&by, &id, &which).await?;
    Ok(go(&format!("/settings/webhooks/{id}/deliveries/{again}"), []))
}

/// For the fields of both forms: whether what is watched is wrong.
fn watched_is_wrong(problems: &[Problem]) -> bool {
    problem_of(problems, "watched").is_some()
}

impl WebhooksPage {
    fn watched_wrong(&self) -> bool {
        watched_is_wrong(&self.problems)
    }
}

impl WebhookPage {
    fn watched_wrong(&self) -> bool {
        watched_is_wrong(&self.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_watched_is_one_a_line() {
        let watched = parse_watched("user alice\n\n  model   lab/one \n").unwrap();
        assert_eq!(watched[0], Watched { kind: WatchedKind::User, name: "alice".into() });
        assert_eq!(watched[1], Watched { kind: WatchedKind::Model, name: "lab/one".into() });
        for bad in ["", "alice", "cat alice", "user"] {
            assert!(parse_watched(bad).is_none(), "{bad}");
        }
    }
}
