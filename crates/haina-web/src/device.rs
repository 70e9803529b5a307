//! `/device`: type the code that a machine shows, see what it asks for, let it in or not.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::oauth::{Decision, Scope, Scopes};
use haina_types::{Code, Timestamp};
use http::StatusCode;

use crate::address::with_query;
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// The page of codes.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage {
    pub l: Words,
    pub page: Layout,
    /// What was typed.
    pub code: String,
    /// The machine that waits with this code.
    pub asked: Option<Asked>,
    /// Whether a machine was just let in.
    pub done: Option<bool>,
    pub problems: Vec<Problem>,
}

/// What a machine asks for.
pub(crate) struct Asked {
    pub code: String,
    pub application: String,
    pub agent: String,
    pub since: Timestamp,
    pub may: Vec<&'static str>,
    pub may_change: bool,
}

/// The words for what an application may do.
pub(crate) fn scope_key(scope: Scope) -> &'static str {
    match scope {
        Scope::OpenId => "may-openid",
        Scope::Profile => "may-profile",
        Scope::Email => "may-email",
        Scope::ReadRepos => "may-read",
        Scope::WriteRepos => "may-write",
        Scope::ManageRepos => "may-manage",
        Scope::OfflineAccess => "may-offline",
    }
}

/// The words for all of it. That somebody has an id goes without saying beside their profile.
pub(crate) fn scope_keys(scopes: &Scopes) -> Vec<&'static str> {
    let plain = scopes.has(Scope::Profile);
    scopes.iter().filter(|s| !(plain && *s == Scope::OpenId)).map(scope_key).collect()
}

fn page(visit: &Visit, code: &str) -> DevicePage {
    DevicePage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        code: code.to_owned(),
        asked: None,
        done: None,
        problems: Vec::new(),
    }
}

async fn asked(app: &App, visit: &Visit, code: &str) -> Result<DevicePage, haina_types::Error> {
    let mut page = page(visit, code);
    match app.device_request(visit.caller(), code).await {
        Ok(request) => {
            page.asked = Some(Asked {
                code: request.user_code,
                application: request.application,
                agent: request.agent,
                since: request.created_at,
                may: scope_keys(&request.scopes),
                may_change: request.scopes.may_change(),
            });
        }
        Err(e) if e.code == Code::NotFound => {
            page.problems.push(Problem::new("user_code", visit.words().t("problem-device-code")));
        }
        Err(e) => return Err(e),
    }
    Ok(page)
}

/// `GET /device`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    visit.caller().require_user()?;
    let code = query.get("user_code");
    let page = match query.get("done") {
        "approve" => DevicePage { done: Some(true), ..page(&visit, "") },
        "deny" => DevicePage { done: Some(false), ..page(&visit, "") },
        _ if code.is_empty() => page(&visit, ""),
        _ => asked(&app, &visit, code).await?,
    };
    let status = if page.problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(render(status, &page))
}

/// `POST /device`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let visit = &form.visit;
    let code = form.get("user_code");
    let decision = match form.get("decision") {
        "approve" => Decision::Approve { reading_only: form.get("reading") == "1" },
        "deny" => Decision::Deny,
        _ => return show(&asked(&app, visit, code).await?),
    };
    match app.decide_device(visit.caller(), code, decision).await {
        Ok(()) => Ok(go(&with_query("/device", [("done", form.get("decision"))]), [])),
        Err(e) if e.code == Code::NotFound => {
            let problem = Problem::new("user_code", visit.words().t("problem-device-code"));
            let page = DevicePage { problems: vec![problem], ..page(visit, code) };
            Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(e) => Err(e.into()),
    }
}
