//! `/settings/organizations/{name}/groups`: resource groups, who has which role in them, and what is in them.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::people::{GroupView, NewGroup};
use haina_types::{Code, Error, OrgRole, RepoKind, RepoName, RepoPath, Slug};
use http::StatusCode;

use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::orgs::ROLES;
use crate::profile::role_key;
use crate::query::Query;
use crate::usage::org_of;
use crate::visit::{Answer, Visit, go, render, show};

/// The resource groups of an organization that the visitor may know.
#[derive(Template)]
#[template(path = "groups.html")]
pub(crate) struct GroupsPage {
    pub l: Words,
    pub page: Layout,
    pub org: String,
    pub may_manage: bool,
    pub saved: bool,
    pub groups: Vec<Group>,
    pub problems: Vec<Problem>,
    pub name: String,
    pub description: String,
}

/// One of them.
pub(crate) struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub users: Vec<(String, &'static str)>,
    /// As they are written in the form: `lab/model`, `datasets/lab/rows`.
    pub repos: Vec<String>,
}

impl GroupsPage {
    fn roles(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        ROLES.into_iter().map(|role| (role.as_str(), role_key(role)))
    }

    fn action(&self) -> String {
        format!("/settings/organizations/{}/groups", self.org)
    }
}

fn group_of(org: &Slug, view: GroupView) -> Group {
    let repo = |(kind, name, _): (RepoKind, RepoName, bool)| format!("{}{org}/{name}", kind.url_prefix());
    Group {
        users: view.users.into_iter().map(|(name, _, role)| (name.to_string(), role_key(role))).collect(),
        repos: view.repos.into_iter().map(repo).collect(),
        id: view.id,
        name: view.name,
        description: view.description,
    }
}

async fn page(app: &App, visit: &Visit, org: &Slug) -> Result<GroupsPage, Error> {
    let access = app.org_member(visit.caller(), org).await?;
    let name = access.org().name.clone();
    let groups = app.list_groups(&access).await?;
    Ok(GroupsPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        may_manage: access.may_manage(),
        saved: false,
        groups: groups.into_iter().map(|g| group_of(&name, g)).collect(),
        org: name.to_string(),
        problems: Vec::new(),
        name: String::new(),
        description: String::new(),
    })
}

/// `GET /settings/organizations/{name}/groups`
pub(crate) async fn get(State(app): State<App>, visit: Visit, Path(name): Path<String>, query: Query) -> Answer {
    visit.caller().require_user()?;
    let saved = !query.get("saved").is_empty();
    show(&GroupsPage { saved, ..page(&app, &visit, &org_of(&name)?).await? })
}

/// A repository or a bucket as the form has it.
fn repo_of(text: &str) -> Option<(RepoKind, RepoPath)> {
    let text = text.trim().trim_start_matches('/');
    let (kind, rest) = match text.split_once('/') {
        Some(("buckets", rest)) if rest.contains('/') => (RepoKind::Bucket, rest),
        Some((plural, rest)) if rest.contains('/') => (RepoKind::from_plural(plural)?, rest),
        _ => (RepoKind::Model, text),
    };
    Some((kind, rest.parse().ok()?))
}

/// `POST /settings/organizations/{name}/groups`
pub(crate) async fn post(State(app): State<App>, Path(name): Path<String>, form: Posted) -> Answer {
    let visit = &form.visit;
    let l = visit.words();
    let org = org_of(&name)?;
    let access = app.administer_org(visit.caller(), &org).await?;
    let invalid = || Error::invalid("This form is not one of ours.");
    let role = || form.get("role").parse::<OrgRole>().map_err(|()| invalid());
    let group = form.get("group");
    let (done, field, missing) = match form.get("action") {
        "create" => {
            let (name, description) = (form.get("name").to_owned(), form.get("description").trim().to_owned());
            let new = NewGroup { name, description, ..NewGroup::default() };
            (app.create_group(&access, &new).await.map(drop), "name", "")
        }
        "add-user" => match form.get("user").trim().parse::<Slug>() {
            Ok(user) => {
                (app.put_group_members(&access, group, &[(user, role()?)]).await.map(drop), "", "problem-no-member")
            }
            Err(_) => (Err(Error::new(Code::NotFound, "")), "", "problem-no-member"),
        },
        "remove-user" => {
            let user = form.get("user").parse().map_err(|_| invalid())?;
            (app.change_group_member(&access, group, &user, None).await.map(drop), "", "problem-no-member")
        }
        "add-repo" | "remove-repo" => {
            let into = (form.get("action") == "add-repo").then_some(group);
            let done = match repo_of(form.get("repo")) {
                Some((kind, path)) => app.set_repo_group(&access, kind, &path, into).await,
                None => Err(Error::new(Code::RepoNotFound, "")),
            };
            (done, "", "problem-no-repo")
        }
        "delete" => (app.delete_group(&access, group).await, "", ""),
        _ => return Err(invalid().into()),
    };
    let problem = match done {
        Ok(()) => return Ok(go(&format!("/settings/organizations/{org}/groups?saved=1"), [])),
        Err(e) if !missing.is_empty() && matches!(e.code, Code::NotFound | Code::RepoNotFound) => {
            Problem::new("", l.t(missing))
        }
        Err(e) if e.code == Code::Conflict && field.is_empty() => Problem::new("", l.t("problem-group-full")),
        Err(e) if e.code == Code::Conflict => Problem::new(field, l.t("problem-group-taken")),
        Err(e) if e.code == Code::Invalid => Problem::in_english(field, e.message),
        Err(e) => return Err(e.into()),
    };
    let page = GroupsPage {
        problems: vec![problem],
        name: form.get("name").to_owned(),
        description: form.get("description").to_owned(),
        ..page(&app, visit, &org).await?
    };
    Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_written_with_their_kind() {
        let path: RepoPath = "lab/x".parse().unwrap();
        for (text, kind) in [
            ("lab/x", RepoKind::Model),
            (" datasets/lab/x ", RepoKind::Dataset),
            ("/spaces/lab/x", RepoKind::Space),
            ("buckets/lab/x", RepoKind::Bucket),
        ] {
            assert_eq!(repo_of(text), Some((kind, path.clone())), "{text}");
        }
        for bad in ["", "x", "what/lab/x", "a/b/c/d"] {
            assert!(repo_of(bad).is_none(), "{bad}");
        }
    }
}
