//! `GET /api/users/{user}/followers` and its kin; `POST` and `DELETE …/follow`

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use haina_app::App;
use haina_app::social::PersonRow;
use serde::Serialize;
use serde_json::{Value, json};

use super::likes::{page, slug};
use crate::error::{ErrorBody, Result};
use crate::request::{Query, Who};

/// Somebody in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    #[serde(rename = "_id")]
    id: String,
    r#type: &'static str,
    user: String,
    fullname: String,
    avatar_url: String,
    is_pro: bool,
}

/// A person as clients know people.
pub(super) fn person(app: &App, row: &PersonRow) -> Person {
    Person {
        id: format!("{:024x}", row.id),
        r#type: if row.is_org { "org" } else { "user" },
        user: row.name.clone(),
        fullname: row.full_name.clone(),
        avatar_url: format!("{}/api/avatars/{}", app.base_url(), row.name),
        is_pro: false,
    }
}

async fn followers(app: App, name: &str, is_org: bool, uri: OriginalUri, query: Query) -> Result<Response> {
    let name = slug(name, if is_org { "organization" } else { "user" })?;
    let found = app.followers(&name, Some(is_org), query.number("limit")?, query.get("cursor")).await?;
    let items = found.items.iter().map(|p| json!(person(&app, p))).collect();
    Ok(page(&app, &uri, &query, items, found.next.as_deref()))
}

/// Who follows a user, newest first.
#[utoipa::path(get, path = "/api/users/{user}/followers", tag = "community",
    params(("user" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<Person>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn user_followers(
    State(app): State<App>,
    _: Who,
    Path(user): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    followers(app, &user, false, uri, query).await
}

/// Who follows an organization, newest first.
#[utoipa::path(get, path = "/api/organizations/{organization}/followers", tag = "community",
    params(("organization" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<Person>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn organization_followers(
    State(app): State<App>,
    _: Who,
    Path(organization): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    followers(app, &organization, true, uri, query).await
}

/// Whom a user follows, newest first: people and organizations.
#[utoipa::path(get, path = "/api/users/{user}/following", tag = "community",
    params(("user" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<Person>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn following(
    State(app): State<App>,
    _: Who,
    Path(user): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let found = app.following(&slug(&user, "user")?, query.number("limit")?, query.get("cursor")).await?;
    let items = found.items.iter().map(|p| json!(person(&app, p))).collect();
    Ok(page(&app, &uri, &query, items, found.next.as_deref()))
}

/// Follows a user.
#[utoipa::path(post, path = "/api/users/{user}/follow", tag = "community", params(("user" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn follow_user(State(app): State<App>, Who(caller): Who, Path(user): Path<String>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    app.follow(&by, &slug(&user, "user")?, Some(false)).await?;
    Ok(Json(json!({})))
}

/// Follows a user no longer.
#[utoipa::path(delete, path = "/api/users/{user}/follow", tag = "community", params(("user" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn unfollow_user(State(app): State<App>, Who(caller): Who, Path(user): Path<String>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    app.unfollow(&by, &slug(&user, "user")?, Some(false)).await?;
    Ok(Json(json!({})))
}

/// Follows an organization.
#[utoipa::path(post, path = "/api/organizations/{organization}/follow", tag = "community", params(("organization" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn follow_organization(
    State(app): State<App>,
    Who(caller): Who,
    Path(organization): Path<String>,
) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    app.follow(&by, &slug(&organization, "organization")?, Some(true)).await?;
    Ok(Json(json!({})))
}

/// Follows an organization no longer.
#[utoipa::path(delete, path = "/api/organizations/{organization}/follow", tag = "community", params(("organization" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn unfollow_organization(
    State(app): State<App>,
    Who(caller): Who,
    Path(organization): Path<String>,
) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    app.unfollow(&by, &slug(&organization, "organization")?, Some(true)).await?;
    Ok(Json(json!({})))
}
