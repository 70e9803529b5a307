//! `/settings/organizations/{name}/activity`: what happened lately, and what new repositories are when nobody says.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::people::Activity;
use haina_types::{Error, Timestamp, Visibility};

use crate::address::with_query;
use crate::form::Posted;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::usage::org_of;
use crate::visit::{Answer, Visit, go, show};

/// The page of an organization's activity.
#[derive(Template)]
#[template(path = "activity.html")]
pub(crate) struct ActivityPage {
    pub l: Words,
    pub page: Layout,
    pub org: String,
    pub may_manage: bool,
    pub private: bool,
    pub saved: bool,
    pub rows: Vec<Row>,
    /// Where the next page is.
    pub next: Option<String>,
}

/// Something that happened.
pub(crate) struct Row {
    pub at: Timestamp,
    pub actor: Option<String>,
    pub what_key: &'static str,
    /// The repository with the plural of its kind.
    pub repo: Option<String>,
    pub user: Option<String>,
}

/// The words for what happened.
pub(crate) fn what_key(kind: &str) -> &'static str {
    match kind {
        "repo.create" | "bucket.create" | "org.create" | "group.create" => "activity-created",
        "repo.delete" | "bucket.delete" | "group.delete" => "activity-deleted",
        "repo.move" | "bucket.move" => "activity-moved",
        "repo.commit" | "repo.push" | "bucket.files" => "activity-files",
        "discussion.create" => "activity-discussion",
        "discussion.merge" => "activity-merged",
        "org.member" => "activity-member",
        "org.leave" => "activity-left",
        "org.invite" | "org.invite.revoke" | "org.invite.decline" => "activity-invitation",
        "group.update" | "group.member" | "group.leave" | "repo.group" => "activity-group",
        _ => "activity-settings",
    }
}

fn row(a: Activity) -> Row {
    Row {
        at: a.at,
        actor: a.actor,
        what_key: what_key(&a.kind),
        repo: a.repo.map(|(kind, name)| format!("{}{name}", kind.url_prefix())),
        user: a.user,
    }
}

/// `GET /settings/organizations/{name}/activity`
pub(crate) async fn get(State(app): State<App>, visit: Visit, Path(name): Path<String>, query: Query) -> Answer {
    visit.caller().require_user()?;
    let access = app.org_member(visit.caller(), &org_of(&name)?).await?;
    let cursor = Some(query.get("cursor")).filter(|c| !c.is_empty());
    let page = app.org_activity(visit.caller(), &access, None, cursor).await?;
    let org = access.org().name.to_string();
    let here = format!("/settings/organizations/{org}/activity");
    show(&ActivityPage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        may_manage: access.may_manage(),
        private: app.org_visibility(&access).await? == Visibility::Private,
        saved: !query.get("saved").is_empty(),
        rows: page.items.into_iter().map(row).collect(),
        next: page.next.map(|next| with_query(&here, [("cursor", next.as_str())])),
        org,
    })
}

/// `POST /settings/organizations/{name}/activity`: the default visibility.
pub(crate) async fn post(State(app): State<App>, Path(name): Path<String>, form: Posted) -> Answer {
    let access = app.administer_org(form.visit.caller(), &org_of(&name)?).await?;
    let visibility = form.get("visibility").parse();
    let visibility = visibility.map_err(|()| Error::invalid("This form is not one of ours."))?;
    app.set_org_visibility(&access, visibility).await?;
    Ok(go(&format!("/settings/organizations/{}/activity?saved=1", access.org().name), []))
}
