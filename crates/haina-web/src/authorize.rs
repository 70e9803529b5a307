//! `/oauth/authorize`: an application sends its person here to be asked.

use askama::Template;
use axum::extract::{RawQuery, State};
use haina_app::App;
use haina_app::oauth::{Authorize, AuthorizeRequest};
use haina_types::Error;

use crate::device::scope_keys;
use crate::form::Posted;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::visit::{Answer, FormsLeadTo, Visit, go, show};

/// What the person is asked.
#[derive(Template)]
#[template(path = "authorize.html")]
pub(crate) struct AuthorizePage {
    pub l: Words,
    pub page: Layout,
    pub application: String,
    pub owner: Option<String>,
    pub destination: String,
    pub may: Vec<&'static str>,
    pub may_change: bool,
    /// What the application sent, to be sent again with the answer.
    pub fields: Vec<(&'static str, String)>,
}

/// The parameters by which an application asks.
const NAMES: [&str; 12] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "request",
    "request_uri",
];

fn request(get: impl Fn(&str) -> String) -> AuthorizeRequest {
    AuthorizeRequest {
        client_id: get("client_id"),
        redirect_uri: get("redirect_uri"),
        response_type: get("response_type"),
        response_mode: get("response_mode"),
        scope: get("scope"),
        state: get("state"),
        nonce: get("nonce"),
        code_challenge: get("code_challenge"),
        code_challenge_method: get("code_challenge_method"),
        prompt: get("prompt"),
        request: get("request"),
        request_uri: get("request_uri"),
    }
}

/// `GET /oauth/authorize`
pub(crate) async fn get(State(app): State<App>, visit: Visit, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().take(100).collect();
    let mut fields = Vec::new();
    for name in NAMES {
        let mut values = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        if let Some(value) = values.next() {
            fields.push((name, value.clone()));
        }
        if values.next().is_some() {
            return Err(Error::invalid(format!("The parameter {name} is there twice.")).into());
        }
    }
    let of = |name: &str| fields.iter().find(|(key, _)| *key == name).map(|(_, v)| v.clone()).unwrap_or_default();
    let consent = match app.authorize(visit.caller(), &request(of)).await? {
        Authorize::Back(address) => return Ok(go(&address, [])),
        Authorize::Ask(consent) => consent,
    };
    visit.caller().require_user()?;
    let mut response = show(&AuthorizePage {
        l: visit.words(),
        page: visit.layout(Section::None, false),
        application: consent.application,
        owner: consent.owner,
        destination: consent.destination,
        may: scope_keys(&consent.scopes),
        may_change: consent.scopes.may_change(),
        fields,
    })?;
    // Browsers hold the answer to a form to the policy too, and this one leads back to the application.
    response.extensions_mut().insert(FormsLeadTo(consent.origin));
    Ok(response)
}

/// `POST /oauth/authorize`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let request = request(|name| form.get(name).to_owned());
    let approve = form.get("decision") == "approve";
    let address = app.consent(form.visit.caller(), &request, approve, form.get("reading") == "1").await?;
    Ok(go(&address, []))
}
