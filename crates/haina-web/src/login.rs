//! `/login`

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use haina_app::App;
use haina_app::people::Signup;
use haina_types::Code;
use http::StatusCode;

use crate::form::{Posted, Problem};
use crate::identity::choices;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Failure, Visit, go, local, render, show};

/// The form to sign in.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage {
    pub l: Words,
    pub page: Layout,
    pub next: String,
    pub name: String,
    pub problems: Vec<Problem>,
    pub signup: Signup,
    /// Other ways in.
    pub choices: Vec<Choice>,
}

/// A way in by an institution's own account.
pub(crate) struct Choice {
    pub url: String,
    pub title: String,
}

/// `GET /login`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let next = local(query.get("next"));
    if !visit.caller().is_anonymous() {
        return Ok(go(next, []));
    }
    show(&LoginPage {
        l: visit.words(),
        page: visit.layout(Section::SignIn, true),
        next: next.to_owned(),
        name: String::new(),
        problems: match query.get("problem") {
            "provider" => vec![Problem::new("", visit.words().t("problem-provider"))],
            _ => Vec::new(),
        },
        signup: app.signup_mode().await?,
        choices: choices(&app, next).await?,
    })
}

/// `POST /login`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Result<Response, Failure> {
    let visit = &form.visit;
    let next = local(form.get("next"));
    let (name, password) = (form.get("name").trim(), form.get("password"));
    match app.sign_in(name, password).await {
        Ok(session) => {
            // The session that this browser had, if any, is of no more use.
            if let Some(old) = visit.session() {
                app.sign_out(old).await?;
            }
            Ok(go(next, [visit.session_cookie(&session.secret, session.expires_at)]))
        }
        Err(e) if e.code == Code::BadCredentials => {
            let page = LoginPage {
                l: visit.words(),
                page: visit.layout(Section::SignIn, true),
                next: next.to_owned(),
                name: name.to_owned(),
                problems: vec![Problem::new("name", visit.words().t("problem-sign-in"))],
                signup: app.signup_mode().await?,
                choices: choices(&app, next).await?,
            };
            Ok(render(StatusCode::UNAUTHORIZED, &page))
        }
        Err(e) => Err(e.into()),
    }
}
