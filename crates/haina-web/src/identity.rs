//! `/login/identity`, where somebody says which account is theirs, and `/settings/sign-in`, by which ways they come.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::people::Signup;
use haina_app::signin::Pending;
use haina_types::{Code, Error, NameError, Slug, Timestamp};
use http::{HeaderMap, StatusCode};

use crate::address::{segment, with_query};
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::login::Choice;
use crate::messages::Words;
use crate::query::Query;
use crate::signin::{ARRIVAL, settled};
use crate::visit::{Answer, Visit, cookie, go, local, render, show};

/// Which account is whose.
#[derive(Template)]
#[template(path = "identity.html")]
pub(crate) struct IdentityPage {
    pub l: Words,
    pub page: Layout,
    pub provider: String,
    pub label: String,
    pub signup: Signup,
    pub next: String,
    pub sign_in_url: String,
    pub name: String,
    pub full_name: String,
    pub email: String,
    pub invite: String,
    pub problems: Vec<Problem>,
}

/// The ways in of an account.
#[derive(Template)]
#[template(path = "ways.html")]
pub(crate) struct WaysPage {
    pub l: Words,
    pub page: Layout,
    pub linked: bool,
    pub removed: bool,
    pub ways: Vec<Way>,
    pub choices: Vec<Choice>,
}

/// One of them.
pub(crate) struct Way {
    pub id: i64,
    pub provider: String,
    pub label: String,
    pub created: Timestamp,
    pub used: Timestamp,
}

fn page(visit: &Visit, pending: Pending, next: &str) -> IdentityPage {
    let here = with_query("/login/identity", [("next", if next == "/" { "" } else { next })]);
    IdentityPage {
        l: visit.words(),
        page: visit.layout(Section::SignIn, false),
        provider: pending.provider,
        label: pending.label,
        signup: pending.signup,
        next: next.to_owned(),
        sign_in_url: with_query("/login", [("next", here.as_str())]),
        name: pending.name,
        full_name: pending.full_name,
        email: pending.email,
        invite: String::new(),
        problems: Vec::new(),
    }
}

/// `GET /login/identity`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query, headers: HeaderMap) -> Answer {
    let pending = app.pending_identity(cookie(&headers, ARRIVAL).unwrap_or("")).await?;
    show(&page(&visit, pending, local(query.get("next"))))
}

/// What came with the form and the browser.
pub(crate) struct Answered {
    form: Posted,
    secret: String,
}

impl axum::extract::FromRequest<App> for Answered {
    type Rejection = crate::visit::Failure;

    async fn from_request(request: axum::extract::Request, app: &App) -> Result<Self, Self::Rejection> {
        let secret = cookie(request.headers(), ARRIVAL).unwrap_or("").to_owned();
        Ok(Self { form: Posted::from_request(request, app).await?, secret })
    }
}

/// `POST /login/identity`: the account that they are signed in with is theirs.
pub(crate) async fn link(State(app): State<App>, Answered { form, secret }: Answered) -> Answer {
    app.link_identity(form.visit.caller(), &secret).await?;
    let next = match local(form.get("next")) {
        "/" => "/settings/sign-in?linked=1",
        next => next,
    };
    Ok(settled(&form.visit, next, None))
}

/// `POST /login/identity/join`: they make an account.
pub(crate) async fn join(State(app): State<App>, Answered { form, secret }: Answered) -> Answer {
    let (visit, l) = (&form.visit, form.visit.words());
    let name = form.get("name").trim();
    let (full_name, email, invite) = (form.text("full_name"), form.text("email"), form.text("invite"));
    let problem = match name.parse::<Slug>() {
        Err(NameError::Reserved) => Problem::new("name", l.t("problem-name-reserved")),
        Err(_) => Problem::new("name", l.t("problem-name-rule")),
        Ok(_) => {
            let made =
                app.join_by_identity(&secret, name, full_name.as_deref(), email.as_deref(), invite.as_deref()).await;
            match made {
                Ok(session) => {
                    let cookie = visit.session_cookie(&session.secret, session.expires_at);
                    return Ok(settled(visit, local(form.get("next")), Some(cookie)));
                }
                Err(e) if e.code == Code::Conflict => Problem::new("name", l.t("problem-name-taken")),
                Err(e) if e.code == Code::Forbidden && invite.is_some() => {
                    Problem::new("invite", l.t("problem-invite"))
                }
                Err(e) if e.code == Code::Invalid => Problem::in_english("", e.message),
                Err(e) => return Err(e.into()),
            }
        }
    };
    let page = IdentityPage {
        name: name.to_owned(),
        full_name: full_name.unwrap_or_default(),
        email: email.unwrap_or_default(),
        invite: invite.unwrap_or_default(),
        problems: vec![problem],
        ..page(visit, app.pending_identity(&secret).await?, local(form.get("next")))
    };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// `GET /settings/sign-in`
pub(crate) async fn ways(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    visit.caller().require_user()?;
    let ways = app.list_ways_in(visit.caller()).await?;
    show(&WaysPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        linked: !query.get("linked").is_empty(),
        removed: !query.get("removed").is_empty(),
        ways: ways
            .into_iter()
            .map(|w| Way {
                id: w.id,
                provider: w.provider,
                label: w.label,
                created: w.created_at,
                used: w.last_used_at,
            })
            .collect(),
        choices: choices(&app, "/settings/sign-in").await?,
    })
}

/// `POST /settings/sign-in/remove`
pub(crate) async fn remove(State(app): State<App>, form: Posted) -> Answer {
    let id = form.get("id").parse().map_err(|_| Error::invalid("The id of a way in is a number."))?;
    app.remove_way_in(form.visit.caller(), id).await?;
    Ok(go("/settings/sign-in?removed=1", []))
}

/// The ways in that the operator set up.
pub(crate) async fn choices(app: &App, next: &str) -> Result<Vec<Choice>, Error> {
    let all = app.list_providers().await?.into_iter();
    let url = |name: &str| {
        let page = format!("/login/with/{}", segment(name));
        with_query(&page, [("next", if next == "/" { "" } else { next })])
    };
    Ok(all.map(|p| Choice { url: url(&p.name), title: p.title }).collect())
}
