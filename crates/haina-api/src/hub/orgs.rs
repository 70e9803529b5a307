//! Organizations: members and their roles, invitations and their answers, settings, activity.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::people::{Invitee, OrgInvite, Which};
use haina_types::{Code, Error, OrgRole, Slug};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::next_link;
use crate::error::Result;
use crate::request::{Body, Query, Who};

/// The organization of an address.
pub(super) fn org_of(name: &str) -> Result<Slug> {
    Ok(name.parse().map_err(|_| Error::new(Code::NotFound, "There is no such organization."))?)
}

/// A user of an address or a body.
pub(super) fn user_of(name: &str) -> Result<Slug> {
    Ok(name.parse().map_err(|_| Error::new(Code::NotFound, format!("There is no user '{name}'.")))?)
}

pub(super) fn role_of(text: &str) -> Result<OrgRole> {
    Ok(text.parse().map_err(|()| Error::invalid("\"role\" is one of read, contributor, write and admin."))?)
}

fn invite_body(invite: &OrgInvite) -> Value {
    json!({
        "id": invite.id,
        "organization": {"name": invite.org, "fullname": invite.org_full_name},
        "user": invite.user,
        "email": invite.email,
        "role": invite.role.as_str(),
        "invitedBy": invite.by,
        "createdAt": invite.created_at.to_string(),
        "expiresAt": invite.expires_at.to_string(),
    })
}

/// A member's new role.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewRole {
    /// `read`, `contributor`, `write` or `admin`
    pub(super) role: String,
}

/// Gives a member another role. An organization is never without an administrator.
#[utoipa::path(put, path = "/api/organizations/{organization}/members/{username}/role", tag = "people", operation_id = "set_member_role", request_body = NewRole,
    params(("organization" = String, Path), ("username" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn set_role(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, user)): Path<(String, String)>,
    Body(body): Body<NewRole>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let role = role_of(&body.role)?;
    app.change_role(&access, &user_of(&user)?, role).await?;
    Ok(Json(json!({"user": user, "role": role.as_str()})))
}

/// Ends a membership: one's own, or as an administrator of the organization anybody's.
#[utoipa::path(delete, path = "/api/organizations/{organization}/members/{username}", tag = "people", operation_id = "remove_member",
    params(("organization" = String, Path), ("username" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn remove(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, user)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let (org, user) = (org_of(&org)?, user_of(&user)?);
    if caller.require_user()?.name.fold() == user.fold() {
        app.leave_org(&caller, &org).await?;
    } else {
        let access = app.administer_org(&caller, &org).await?;
        app.expel(&access, &user).await?;
    }
    Ok(Json(json!({})))
}

/// Who is invited, by one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Invite {
    /// The name of a user.
    user: Option<String>,
    /// Where the link will be sent. This server sends no e-mail itself.
    email: Option<String>,
    /// `read`, `contributor`, `write` or `admin`
    role: String,
    /// How many days it is open, 1 to 90; 14 when absent.
    days: Option<i64>,
}

/// Invites somebody to an organization. The answer has the link, which is not shown again.
#[utoipa::path(post, path = "/api/organizations/{organization}/invitations", tag = "people", operation_id = "invite_member", request_body = Invite,
    params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn invite(
    State(app): State<App>,
    Who(caller): Who,
    Path(org): Path<String>,
    Body(body): Body<Invite>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let whom = match (body.user, body.email) {
        (Some(name), None) => Invitee::User(user_of(&name)?),
        (None, Some(email)) => Invitee::Email(email),
        _ => return Err(Error::invalid("An invitation names either \"user\" or \"email\".").into()),
    };
    let made = app.invite_member(&access, &whom, role_of(&body.role)?, body.days).await?;
    let mut answer = invite_body(&made.invite);
    answer["url"] = json!(made.url);
    Ok(Json(answer))
}

/// The open invitations of an organization.
#[utoipa::path(get, path = "/api/organizations/{organization}/invitations", tag = "people", operation_id = "organization_invitations",
    params(("organization" = String, Path)),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn invitations(State(app): State<App>, Who(caller): Who, Path(org): Path<String>) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let all = app.list_invites(&access).await?;
    Ok(Json(all.iter().map(invite_body).collect()))
}

/// Takes an invitation back: its link works no longer.
#[utoipa::path(delete, path = "/api/organizations/{organization}/invitations/{invitation}", tag = "people", operation_id = "revoke_invitation",
    params(("organization" = String, Path), ("invitation" = i64, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn revoke(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let id = id.parse().map_err(|_| Error::new(Code::NotFound, "There is no such invitation."))?;
    app.revoke_invite(&access, id).await?;
    Ok(Json(json!({})))
}

/// The caller's own open invitations. Those by e-mail are not among them: their link is all that shows them.
#[utoipa::path(get, path = "/api/settings/invitations", tag = "people", operation_id = "own_invitations",
    responses((status = 200, body = Vec<serde_json::Value>), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody)))]
pub async fn own(State(app): State<App>, Who(caller): Who) -> Result<Json<Value>> {
    Ok(Json(app.own_invites(&caller).await?.iter().map(invite_body).collect()))
}

/// Which invitation is answered, by one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Answered {
    /// The id of one of the caller's own.
    id: Option<i64>,
    /// The end of the link.
    token: Option<String>,
}

async fn answer(app: &App, caller: &haina_app::Caller, body: Answered, accept: bool) -> Result<Json<Value>> {
    caller.require_user()?;
    let which = match (body.id, body.token) {
        (Some(id), None) => Which::Id(id),
        (None, Some(token)) => Which::Secret(token),
        _ => return Err(Error::invalid("An answer names either \"id\" or \"token\".").into()),
    };
    Ok(Json(invite_body(&app.answer_invite(caller, &which, accept).await?)))
}

/// Accepts an invitation: the caller becomes a member.
#[utoipa::path(post, path = "/api/settings/invitations/accept", tag = "people", operation_id = "accept_invitation", request_body = Answered,
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn accept(State(app): State<App>, Who(caller): Who, Body(body): Body<Answered>) -> Result<Json<Value>> {
    answer(&app, &caller, body, true).await
}

/// Declines an invitation.
#[utoipa::path(post, path = "/api/settings/invitations/decline", tag = "people", operation_id = "decline_invitation", request_body = Answered,
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn decline(State(app): State<App>, Who(caller): Who, Body(body): Body<Answered>) -> Result<Json<Value>> {
    answer(&app, &caller, body, false).await
}

/// What new repositories and buckets of an organization are when nobody says.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrgSettings {
    /// `public` or `private`
    default_visibility: String,
}

/// The settings of an organization.
#[utoipa::path(get, path = "/api/organizations/{organization}/settings", tag = "people", operation_id = "organization_settings",
    params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn settings(State(app): State<App>, Who(caller): Who, Path(org): Path<String>) -> Result<Json<Value>> {
    let access = app.org_member(&caller, &org_of(&org)?).await?;
    Ok(Json(json!({"defaultVisibility": app.org_visibility(&access).await?})))
}

/// Changes the settings of an organization.
#[utoipa::path(put, path = "/api/organizations/{organization}/settings", tag = "people", operation_id = "set_organization_settings", request_body = OrgSettings,
    params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn set_settings(
    State(app): State<App>,
    Who(caller): Who,
    Path(org): Path<String>,
    Body(body): Body<OrgSettings>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let visibility = body.default_visibility.parse();
    let visibility = visibility.map_err(|()| Error::invalid("\"defaultVisibility\" is public or private."))?;
    app.set_org_visibility(&access, visibility).await?;
    Ok(Json(json!({"defaultVisibility": visibility})))
}

/// What happened in an organization, the newest first, as far as the caller may know.
#[utoipa::path(get, path = "/api/organizations/{organization}/activity", tag = "people", operation_id = "organization_activity",
    params(("organization" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn activity(
    State(app): State<App>,
    Who(caller): Who,
    Path(org): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.org_member(&caller, &org_of(&org)?).await?;
    let page = app.org_activity(&caller, &access, query.number("limit")?, query.get("cursor")).await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|a| {
            json!({
                "id": a.id,
                "at": a.at.to_string(),
                "kind": a.kind,
                "actor": a.actor,
                "repo": a.repo.as_ref().map(|(kind, name)| json!({"type": kind, "name": name})),
                "user": a.user,
                "role": a.role,
            })
        })
        .collect();
    Ok((headers, Json(items)).into_response())
}
