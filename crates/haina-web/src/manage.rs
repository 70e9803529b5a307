//! `…/settings`: who may know a repository, how its content is given, what it is called, and whether it is there at all.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::gate::AdminAccess;
use haina_app::repos::{Gating, Settings};
use haina_types::{Code, Error, RepoName, RepoPath, Slug, Visibility};
use http::StatusCode;

use crate::address::{RepoAddress, with_query};
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, render, show};

/// A repository's settings.
#[derive(Template)]
#[template(path = "manage.html")]
pub(crate) struct ManagePage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub saved: bool,
    pub gating: Gating,
    /// Where it could go.
    pub owners: Vec<String>,
    pub owner: String,
    pub name: String,
    pub problems: Vec<Problem>,
}

impl ManagePage {
    fn action(&self) -> String {
        self.head.address.settings()
    }
}

async fn page(app: &App, visit: &Visit, target: &Target, access: &AdminAccess) -> Result<ManagePage, Error> {
    let repo = access.repo();
    let address = RepoAddress::new(repo.kind, &repo.path());
    let (owner, name) = (address.namespace.clone(), address.name.clone());
    let mut owners = app.namespaces_of(visit.caller()).await?;
    if !owners.contains(&owner) {
        // An administrator of the site looks at somebody else's.
        owners.insert(0, owner.clone());
    }
    let mut head = RepoHead::new(address, repo.visibility == Visibility::Private, "main", Tab::Settings);
    head.manage = true;
    Ok(ManagePage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        saved: false,
        gating: Gating::of(repo),
        owners,
        owner,
        name,
        problems: Vec::new(),
    })
}

/// `GET …/settings`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    visit.caller().require_user()?;
    let access = app.administer(visit.caller(), target.kind, &target.path).await?;
    if let Some(now) = target.moved(access.repo()) {
        return Ok(go(&now.settings(), []));
    }
    show(&ManagePage { saved: !query.get("saved").is_empty(), ..page(&app, &visit, &target, &access).await? })
}

fn saved(address: &RepoAddress) -> String {
    with_query(&address.settings(), [("saved", "1")])
}

/// `POST …/settings`
pub(crate) async fn post(State(app): State<App>, target: Target, form: Posted) -> Answer {
    let visit = &form.visit;
    let l = visit.words();
    let access = app.administer(visit.caller(), target.kind, &target.path).await?;
    let at = RepoAddress::new(target.kind, &access.repo().path());
    let invalid = || Error::invalid("This form is not one of ours.");
    let problem = match form.get("action") {
        "visibility" => {
            let visibility = form.get("visibility").parse().map_err(|()| invalid())?;
            app.change_settings(&access, Settings { visibility: Some(visibility), gating: None }).await?;
            return Ok(go(&saved(&at), []));
        }
        "gating" => {
            let gating = form.get("gating").parse().map_err(|()| invalid())?;
            app.change_settings(&access, Settings { visibility: None, gating: Some(gating) }).await?;
            return Ok(go(&saved(&at), []));
        }
        "move" => match (form.get("owner").parse::<Slug>(), form.get("name").trim().parse::<RepoName>()) {
            (Err(_), _) => return Err(invalid().into()),
            (_, Err(_)) => Problem::new("name", l.t("problem-name-rule")),
            (Ok(namespace), Ok(name)) => {
                let to = RepoPath { namespace, name };
                match app.move_repo(visit.caller(), target.kind, &target.path, &to).await {
                    Ok(now) => return Ok(go(&saved(&RepoAddress::new(target.kind, &now)), [])),
                    Err(e) if e.code == Code::Conflict => {
                        let (owner, name) = (to.namespace.as_str(), to.name.as_str());
                        Problem::new("name", l.with2("problem-repo-taken", "owner", owner, "name", name))
                    }
                    Err(e) => return Err(e.into()),
                }
            }
        },
        "delete" if form.get("confirm").trim() == at.id() => {
            app.delete_repo(&access).await?;
            return Ok(go(&format!("/{}", crate::address::segment(&at.namespace)), []));
        }
        "delete" => Problem::new("confirm", l.with("problem-confirm", "name", at.id())),
        _ => return Err(invalid().into()),
    };
    let mut page = page(&app, visit, &target, &access).await?;
    if form.get("action") == "move" {
        form.get("owner").clone_into(&mut page.owner);
        form.get("name").clone_into(&mut page.name);
    }
    page.problems = vec![problem];
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
