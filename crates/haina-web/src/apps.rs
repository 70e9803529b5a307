//! `/settings/applications`: applications that the person registers, to sign people in here.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::oauth::{NewApp, RegisteredApp};
use haina_types::{Code, Error, Timestamp};
use http::{HeaderValue, StatusCode, header};

use crate::form::{Posted, Problem, problem_of};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// The page of applications.
#[derive(Template)]
#[template(path = "apps.html")]
pub(crate) struct AppsPage {
    pub l: Words,
    pub page: Layout,
    /// What was just registered, its secret shown this once.
    pub created: Option<RegisteredApp>,
    pub removed: bool,
    pub apps: Vec<Row>,
    pub problems: Vec<Problem>,
    pub name: String,
    pub redirect_uris: String,
    pub confidential: bool,
    pub device: bool,
    pub issuer: String,
}

/// An application in the list.
pub(crate) struct Row {
    pub client_id: String,
    pub name: String,
    pub redirect_uris: Vec<String>,
    pub confidential: bool,
    pub device: bool,
    pub created: Timestamp,
}

impl AppsPage {
    fn uris_wrong(&self) -> bool {
        problem_of(&self.problems, "redirect_uris").is_some()
    }
}

async fn page(app: &App, visit: &Visit) -> Result<AppsPage, Error> {
    let apps = app.list_apps(visit.caller()).await?;
    Ok(AppsPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        created: None,
        removed: false,
        apps: apps
            .into_iter()
            .map(|a| Row {
                client_id: a.client_id,
                name: a.name,
                redirect_uris: a.redirect_uris,
                confidential: a.confidential,
                device: a.device,
                created: a.created_at,
            })
            .collect(),
        problems: Vec::new(),
        name: String::new(),
        redirect_uris: String::new(),
        confidential: false,
        device: false,
        issuer: app.base_url().to_owned(),
    })
}

/// The page with a secret on it, which no cache keeps.
fn with_secret(page: &AppsPage) -> axum::response::Response {
    let mut response = render(StatusCode::OK, page);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /settings/applications`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    visit.caller().require_user()?;
    show(&AppsPage { removed: !query.get("removed").is_empty(), ..page(&app, &visit).await? })
}

/// `POST /settings/applications`. The answer is the page itself: the secret must stand in no address.
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    let new = NewApp {
        name: form.get("name").trim().to_owned(),
        redirect_uris: form.get("redirect_uris").split_whitespace().map(str::to_owned).collect(),
        confidential: form.get("kind") == "confidential",
        device: form.get("device") == "1",
        client_id: None,
        scope: None,
    };
    let problem = if new.name.is_empty() || new.name.chars().count() > 100 {
        Problem::new("name", visit.words().t("problem-app-name"))
    } else if new.redirect_uris.is_empty() && !new.device {
        Problem::new("redirect_uris", visit.words().t("problem-app-address"))
    } else {
        match app.register_app(visit.caller(), new).await {
            Ok(created) => return Ok(with_secret(&AppsPage { created: Some(created), ..page(&app, visit).await? })),
            Err(e) if e.code == Code::Invalid => Problem::in_english("redirect_uris", e.message),
            Err(e) => return Err(e.into()),
        }
    };
    let page = AppsPage {
        problems: vec![problem],
        name: form.get("name").to_owned(),
        redirect_uris: form.get("redirect_uris").to_owned(),
        confidential: form.get("kind") == "confidential",
        device: form.get("device") == "1",
        ..page(&app, visit).await?
    };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// `POST /settings/applications/secret`
pub(crate) async fn secret(State(app): State<App>, form: Posted) -> Answer {
    let client_id = form.get("client_id").to_owned();
    let client_secret = Some(app.renew_app_secret(form.visit.caller(), &client_id).await?);
    let created = Some(RegisteredApp { client_id, client_secret });
    Ok(with_secret(&AppsPage { created, ..page(&app, &form.visit).await? }))
}

/// `POST /settings/applications/remove`
pub(crate) async fn remove(State(app): State<App>, form: Posted) -> Answer {
    app.remove_own_app(form.visit.caller(), form.get("client_id")).await?;
    Ok(go("/settings/applications?removed=1", []))
}
