//! `/login/with/…` and `/login/callback/…`: coming by an institution's own account.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use haina_app::App;
use haina_app::signin::Arrival;
use haina_types::{Code, Timestamp};
use http::{HeaderMap, StatusCode};

use crate::address::{segment, with_query};
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, cookie, go, local, render, show};

/// The cookie of somebody who was sent to a provider: state, provider, and where they wanted to go.
const WAY: &str = "haina_signin";
/// The cookie of somebody who has not said yet which account is theirs.
pub(crate) const ARRIVAL: &str = "haina_identity";
/// How long a provider may keep somebody, in seconds.
const WAY_SECONDS: i64 = 1800;

/// The form for a directory.
#[derive(Template)]
#[template(path = "directory.html")]
pub(crate) struct DirectoryPage {
    pub l: Words,
    pub page: Layout,
    pub title: String,
    pub action: String,
    pub next: String,
    pub name: String,
    pub problems: Vec<Problem>,
}

/// `GET /login/with/{provider}`
pub(crate) async fn begin(State(app): State<App>, Path(provider): Path<String>, visit: Visit, query: Query) -> Answer {
    let next = local(query.get("next"));
    let summary = app.provider_summary(&provider).await?;
    if summary.kind == "ldap" {
        return show(&DirectoryPage {
            l: visit.words(),
            page: visit.layout(Section::SignIn, false),
            action: format!("/login/with/{}", segment(&summary.name)),
            title: summary.title,
            next: next.to_owned(),
            name: String::new(),
            problems: Vec::new(),
        });
    }
    let begun = app.begin_provider(&provider).await?;
    let kept = format!("{}~{}~{}", begun.state, summary.name, BASE64_URL_SAFE_NO_PAD.encode(next));
    Ok(go(&begun.address, [visit.cookie(WAY, &kept, WAY_SECONDS)]))
}

/// `POST /login/with/{provider}`
pub(crate) async fn directory(State(app): State<App>, Path(provider): Path<String>, form: Posted) -> Answer {
    let visit = &form.visit;
    let next = local(form.get("next"));
    match app.sign_in_by_directory(&provider, form.get("name"), form.get("password")).await {
        Ok(arrival) => arrived(&app, visit, arrival, next).await,
        Err(e) if e.code == Code::BadCredentials => {
            let summary = app.provider_summary(&provider).await?;
            let page = DirectoryPage {
                l: visit.words(),
                page: visit.layout(Section::SignIn, false),
                action: format!("/login/with/{}", segment(&summary.name)),
                title: summary.title,
                next: next.to_owned(),
                name: form.get("name").trim().to_owned(),
                problems: vec![Problem::new("name", visit.words().t("problem-sign-in"))],
            };
            Ok(render(StatusCode::UNAUTHORIZED, &page))
        }
        Err(e) => Err(e.into()),
    }
}

/// `GET /login/callback/{provider}`
pub(crate) async fn callback(
    State(app): State<App>,
    Path(provider): Path<String>,
    visit: Visit,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let kept = cookie(&headers, WAY).unwrap_or("");
    let mut parts = kept.split('~');
    let (state, of, next) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let next = BASE64_URL_SAFE_NO_PAD.decode(next).ok().and_then(|t| String::from_utf8(t).ok()).unwrap_or_default();
    let next = local(&next);
    let done = visit.cookie(WAY, "", 0);
    // Only the browser that was sent there may come back, to the provider that it was sent to, and with an answer.
    let is_ours = !state.is_empty() && query.get("state") == state && of.eq_ignore_ascii_case(&provider);
    if !is_ours || query.get("code").is_empty() {
        return Ok(go(&with_query("/login", [("problem", "provider"), ("next", next)]), [done]));
    }
    let issuer = query.find("iss");
    let arrival = app.finish_provider(&provider, state, query.get("code"), issuer.as_deref()).await?;
    let mut response = arrived(&app, &visit, arrival, next).await?;
    response.headers_mut().append(http::header::SET_COOKIE, done);
    Ok(response)
}

/// Somebody is known, or must say who they are here.
async fn arrived(app: &App, visit: &Visit, arrival: Arrival, next: &str) -> Answer {
    match arrival {
        Arrival::Known(session) => {
            // The session that this browser had, if any, is of no more use.
            if let Some(old) = visit.session() {
                app.sign_out(old).await?;
            }
            Ok(go(next, [visit.session_cookie(&session.secret, session.expires_at)]))
        }
        Arrival::New { secret, expires_at } => {
            let next = if next == "/" { "" } else { next };
            Ok(go(&with_query("/login/identity", [("next", next)]), [until(visit, &secret, expires_at)]))
        }
    }
}

fn until(visit: &Visit, secret: &str, expires_at: Timestamp) -> http::HeaderValue {
    visit.cookie(ARRIVAL, secret, (expires_at.seconds() - visit.words().now.seconds()).max(0))
}

/// Forgets who has arrived.
pub(crate) fn settled(visit: &Visit, to: &str, session: Option<http::HeaderValue>) -> Response {
    go(to, session.into_iter().chain([visit.cookie(ARRIVAL, "", 0)]))
}
