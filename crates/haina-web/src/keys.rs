//! `/settings/keys`: add, see and remove public keys for SSH.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_types::{Code, Error, Timestamp};
use http::StatusCode;

use crate::form::{Posted, Problem, problem_of};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// The page of public keys.
#[derive(Template)]
#[template(path = "keys.html")]
pub(crate) struct KeysPage {
    pub l: Words,
    pub page: Layout,
    pub added: bool,
    pub removed: bool,
    pub keys: Vec<Key>,
    /// What to type once a key is here; none where SSH is turned off.
    pub clone: Option<String>,
    pub problems: Vec<Problem>,
    pub name: String,
    pub key: String,
}

/// A key in the list.
pub(crate) struct Key {
    pub id: i64,
    pub name: String,
    pub kind: String,
    pub fingerprint: String,
    pub added: Timestamp,
    pub used: Option<Timestamp>,
}

impl KeysPage {
    fn key_wrong(&self) -> bool {
        problem_of(&self.problems, "key").is_some()
    }
}

async fn page(app: &App, visit: &Visit) -> Result<KeysPage, Error> {
    let keys = app.list_ssh_keys(visit.caller()).await?;
    Ok(KeysPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        added: false,
        removed: false,
        keys: keys
            .into_iter()
            .map(|k| Key {
                id: k.id,
                name: k.name,
                kind: k.kind,
                fingerprint: k.fingerprint,
                added: k.created_at,
                used: k.last_used_at,
            })
            .collect(),
        clone: app.ssh_url().map(|url| format!("git clone {url}/{}/my-model", visit.viewer().unwrap_or_default())),
        problems: Vec::new(),
        name: String::new(),
        key: String::new(),
    })
}

/// `GET /settings/keys`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    visit.caller().require_user()?;
    let (added, removed) = (!query.get("added").is_empty(), !query.get("removed").is_empty());
    show(&KeysPage { added, removed, ..page(&app, &visit).await? })
}

/// `POST /settings/keys`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let visit = &form.visit;
    visit.caller().require_user()?;
    let problem = match app.add_ssh_key(visit.caller(), form.text("name").as_deref(), form.get("key")).await {
        Ok(_) => return Ok(go("/settings/keys?added=1", [])),
        Err(e) if e.code == Code::Conflict => Problem::new("key", visit.words().t("problem-key-taken")),
        Err(e) if e.code == Code::Invalid => Problem::in_english("key", e.message),
        Err(e) => return Err(e.into()),
    };
    // Whoever pasted a private key should not find it on a page again.
    let key = if form.get("key").contains("PRIVATE KEY") { "" } else { form.get("key") };
    let page = KeysPage {
        problems: vec![problem],
        name: form.get("name").to_owned(),
        key: key.to_owned(),
        ..page(&app, visit).await?
    };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// `POST /settings/keys/remove`
pub(crate) async fn remove(State(app): State<App>, form: Posted) -> Answer {
    let id = form.get("id").parse().map_err(|_| Error::invalid("The id of a key is a number."))?;
    app.remove_ssh_key(form.visit.caller(), id).await?;
    Ok(go("/settings/keys?removed=1", []))
}
