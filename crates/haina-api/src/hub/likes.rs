//! `POST` and `DELETE /api/{kind}/{ns}/{name}/like`, `GET …/likers`, `GET /api/users/{user}/likes`

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_types::{Code, Error, Slug};
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::people::person;
use crate::answer::next_link;
use crate::error::{ApiError, ErrorBody, Result};
use crate::request::{Query, Target, Who};

/// A page of a list, with the address of the next.
pub(super) fn page(app: &App, uri: &OriginalUri, query: &Query, items: Vec<Value>, next: Option<&str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(link) = next.and_then(|cursor| next_link(app, uri.path(), query, cursor)) {
        headers.insert(header::LINK, link);
    }
    (headers, Json(items)).into_response()
}

/// A user's name of an address.
pub(super) fn slug(name: &str, what: &str) -> Result<Slug> {
    name.parse().map_err(|_| Error::new(Code::NotFound, format!("There is no such {what}.")).into())
}

/// Likes a repository.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/like", tag = "community",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn like(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.read(&caller, target.kind, &target.path).await?;
    app.like(&access, &app.act(&caller).await?).await?;
    Ok(Json(json!({})))
}

/// Takes the like back.
#[utoipa::path(delete, path = "/api/{kind}/{namespace}/{repo}/like", tag = "community",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn unlike(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.read(&caller, target.kind, &target.path).await?;
    app.unlike(&access, &app.act(&caller).await?).await?;
    Ok(Json(json!({})))
}

/// The same of an id with one segment, which is no repository: clients want to be told so.
pub async fn of_one_segment(Who(_): Who, Path(parts): Path<(String, String, String)>) -> ApiError {
    match parts.2.as_str() {
        "like" => Error::new(Code::RepoNotFound, "Repository not found").into(),
        _ => Error::new(Code::NotFound, "Sorry, we can't find the page you are looking for.").into(),
    }
}

/// Who likes a repository, newest first.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/likers", tag = "community",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<super::people::Person>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn likers(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.read(&caller, target.kind, &target.path).await?;
    let found = app.likers(&access, query.number("limit")?, query.get("cursor")).await?;
    let items = found.items.iter().map(|p| json!(person(&app, p))).collect();
    Ok(page(&app, &uri, &query, items, found.next.as_deref()))
}

/// What a user likes, as far as the caller may know, newest first.
#[utoipa::path(get, path = "/api/users/{user}/likes", tag = "community",
    params(("user" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn liked(
    State(app): State<App>,
    Who(caller): Who,
    Path(user): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let user = slug(&user, "user")?;
    let found = app.liked_repos(&caller, &user, None, query.number("limit")?, query.get("cursor")).await?;
    let one = |liked: &haina_app::social::LikedRepo| {
        let repo = &liked.repo;
        json!({"createdAt": liked.at.to_string(), "repo": {"name": repo.path().to_string(), "type": repo.kind}})
    };
    Ok(page(&app, &uri, &query, found.items.iter().map(one).collect(), found.next.as_deref()))
}
