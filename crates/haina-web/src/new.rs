//! `/new`: create a repository.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::repos::NewRepo;
use haina_types::{Code, Error, RepoKind, RepoName, Slug, Visibility};
use http::StatusCode;

use crate::address::RepoAddress;
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// The kinds that the form offers.
pub(crate) const KINDS: [RepoKind; 3] = [RepoKind::Model, RepoKind::Dataset, RepoKind::Space];

/// The form to create a repository.
#[derive(Template)]
#[template(path = "new.html")]
pub(crate) struct NewPage {
    pub l: Words,
    pub page: Layout,
    pub kind: RepoKind,
    pub owners: Vec<String>,
    pub owner: String,
    pub name: String,
    pub private: bool,
    /// Empty when it is not decided.
    pub licence: String,
    pub problems: Vec<Problem>,
}

/// Identifiers of the licences that the form offers; any other is written in the card.
pub(crate) const LICENCES: [&str; 10] = [
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "mpl-2.0",
    "gpl-3.0",
    "mulanpsl-2.0",
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
];

async fn page(app: &App, visit: &Visit) -> Result<NewPage, Error> {
    Ok(NewPage {
        l: visit.words(),
        page: visit.layout(Section::New, true),
        kind: RepoKind::Model,
        owners: app.namespaces_of(visit.caller()).await?,
        owner: visit.viewer().unwrap_or_default(),
        name: String::new(),
        private: false,
        licence: String::new(),
        problems: Vec::new(),
    })
}

/// `GET /new?type=&owner=&name=`
pub(crate) async fn get(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let page = page(&app, &visit).await?;
    show(&NewPage {
        kind: query.get("type").parse().unwrap_or(page.kind),
        owner: query.find("owner").unwrap_or_else(|| page.owner.clone()),
        name: query.get("name").to_owned(),
        ..page
    })
}

/// `GET /new-dataset`
pub(crate) async fn dataset() -> Answer {
    Ok(go("/new?type=dataset", []))
}

/// `GET /new-space`
pub(crate) async fn space() -> Answer {
    Ok(go("/new?type=space", []))
}

/// `POST /new`
pub(crate) async fn post(State(app): State<App>, form: Posted) -> Answer {
    let visit = &form.visit;
    let l = visit.words();
    visit.caller().require_user()?;
    let kind: RepoKind = form.get("type").parse().unwrap_or(RepoKind::Model);
    let private = form.get("visibility") == "private";
    let owner = form.get("owner");
    let name = form.get("name").trim();
    let problem = match (name.parse::<RepoName>(), owner.parse::<Slug>()) {
        (Err(_), _) => Problem::new("name", l.t("problem-name-rule")),
        (_, Err(e)) => return Err(Error::invalid(e.to_string()).into()),
        (Ok(name), Ok(namespace)) => {
            let new = NewRepo {
                kind,
                namespace: Some(namespace),
                name,
                visibility: Some(if private { Visibility::Private } else { Visibility::Public }),
                group: None,
                license: form.text("licence"),
                sdk: None,
                files: Vec::new(),
            };
            match app.create_repo(visit.caller(), new).await {
                Ok(made) => return Ok(go(&RepoAddress::new(kind, &made.path).url(), [])),
                Err(e) if e.code == Code::Conflict => {
                    Problem::new("name", l.with2("problem-repo-taken", "owner", owner, "name", form.get("name").trim()))
                }
                Err(e) if matches!(e.code, Code::Invalid | Code::TooLarge) => Problem::in_english("", e.message),
                Err(e) => return Err(e.into()),
            }
        }
    };
    let page = NewPage {
        kind,
        owner: owner.to_owned(),
        name: name.to_owned(),
        private,
        licence: form.get("licence").to_owned(),
        problems: vec![problem],
        ..page(&app, visit).await?
    };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
