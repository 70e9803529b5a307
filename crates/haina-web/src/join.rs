//! `/join` and `/setup`: make an account; the first one administers the site.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::people::{NewSession, SignUp, Signup};
use haina_types::{Code, Error, NameError, Slug};
use http::StatusCode;

use crate::address::with_query;
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Failure, Visit, go, render, show};

/// Shortest password, in characters; the application refuses shorter ones too.
const PASSWORD_CHARS_MIN: usize = 8;

/// Whether the form is offered.
pub(crate) enum Gate {
    Form { action: &'static str, secret_name: &'static str },
    Closed,
    NeedsInvite,
    SetupEnded,
}

/// The form to make an account, or why there is none.
#[derive(Template)]
#[template(path = "join.html")]
pub(crate) struct JoinPage {
    pub l: Words,
    pub page: Layout,
    pub gate: Gate,
    /// The secret of the invitation or of the set-up link.
    pub secret: String,
    pub name: String,
    pub full_name: String,
    pub email: String,
    pub problems: Vec<Problem>,
}

impl JoinPage {
    fn is_setup(&self) -> bool {
        matches!(self.gate, Gate::SetupEnded | Gate::Form { action: "/setup", .. })
    }

    fn title_key(&self) -> &'static str {
        if self.is_setup() { "setup-title" } else { "sign-up" }
    }
}

const JOIN: Gate = Gate::Form { action: "/join", secret_name: "invite" };
const SETUP: Gate = Gate::Form { action: "/setup", secret_name: "token" };

fn page(visit: &Visit, gate: Gate, secret: &str) -> JoinPage {
    let mut page = JoinPage {
        l: visit.words(),
        page: visit.layout(Section::SignIn, false),
        gate,
        secret: secret.to_owned(),
        name: String::new(),
        full_name: String::new(),
        email: String::new(),
        problems: Vec::new(),
    };
    // After an error the address no longer has the secret; whoever switches the language must come back with it.
    if let Gate::Form { action, secret_name } = page.gate {
        page.page.here = with_query(action, [(secret_name, secret)]);
    }
    page
}

/// `GET /join`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let secret = query.get("invite");
    let gate = match app.signup_mode().await? {
        Signup::Open => JOIN,
        Signup::Invite if !secret.is_empty() => JOIN,
        Signup::Invite => Gate::NeedsInvite,
        Signup::Closed => Gate::Closed,
    };
    show(&page(&visit, gate, secret))
}

/// `POST /join`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let secret = form.text("invite");
    let made = match check(&form) {
        problems if problems.is_empty() => app.sign_up(read(&form, secret.clone())).await,
        problems => return Ok(refused(&form, JOIN, &secret.unwrap_or_default(), problems)),
    };
    finish(&form, made, JOIN, &secret.unwrap_or_default())
}

/// `GET /setup`
pub(crate) async fn setup(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let secret = query.get("token");
    let is_open = !secret.is_empty() && app.setup_open(secret).await?;
    show(&page(&visit, if is_open { SETUP } else { Gate::SetupEnded }, secret))
}

/// `POST /setup`
pub(crate) async fn complete_setup(State(app): State<App>, form: Posted) -> Answer {
    let secret = form.get("token");
    if !app.setup_open(secret).await? {
        return Ok(render(StatusCode::FORBIDDEN, &page(&form.visit, Gate::SetupEnded, "")));
    }
    let made = match check(&form) {
        problems if problems.is_empty() => app.complete_setup(secret, read(&form, None)).await,
        problems => return Ok(refused(&form, SETUP, secret, problems)),
    };
    finish(&form, made, SETUP, secret)
}

fn read(form: &Posted, invite: Option<String>) -> SignUp {
    SignUp {
        name: form.get("name").trim().to_owned(),
        full_name: form.text("full_name"),
        email: form.text("email"),
        password: form.get("password").to_owned(),
        invite,
    }
}

/// The mistakes that we have words for in every language. The application checks everything again.
fn check(form: &Posted) -> Vec<Problem> {
    let l = form.visit.words();
    let mut problems = Vec::new();
    match form.get("name").trim().parse::<Slug>() {
        Ok(_) => {}
        Err(NameError::Reserved) => problems.push(Problem::new("name", l.t("problem-name-reserved"))),
        Err(_) => problems.push(Problem::new("name", l.t("problem-name-rule"))),
    }
    if form.get("password").chars().count() < PASSWORD_CHARS_MIN {
        problems.push(Problem::new("password", l.t("problem-password-short")));
    }
    problems
}

fn refused(form: &Posted, gate: Gate, secret: &str, problems: Vec<Problem>) -> axum::response::Response {
    let page = JoinPage {
        name: form.get("name").to_owned(),
        full_name: form.get("full_name").to_owned(),
        email: form.get("email").to_owned(),
        problems,
        ..page(&form.visit, gate, secret)
    };
    render(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn finish(form: &Posted, made: Result<NewSession, Error>, gate: Gate, secret: &str) -> Answer {
    let l = form.visit.words();
    let problem = match made {
        Ok(session) => return Ok(go("/", [form.visit.session_cookie(&session.secret, session.expires_at)])),
        Err(e) => match e.code {
            Code::Conflict => Problem::new("name", l.t("problem-name-taken")),
            Code::Forbidden if !secret.is_empty() => Problem::new("", l.t("problem-invite")),
            Code::Invalid => Problem::in_english("", e.message),
            _ => return Err(Failure::from(e)),
        },
    };
    Ok(refused(form, gate, secret, vec![problem]))
}
