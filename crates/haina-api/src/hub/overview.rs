//! Overviews of users and organizations, members, and repositories with what they take.

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::people::{Membership, Profile};
use haina_app::quotas::QuotaUse;
use haina_types::{Code, Error, RepoKind, Slug};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use crate::answer::next_link;
use crate::error::Result;
use crate::request::{Query, Who};

/// Members of one page.
const PAGE_MAX: usize = 1000;

fn avatar(app: &App, name: &str) -> String {
    format!("{}/api/avatars/{name}", app.base_url())
}

fn count(profile: &Profile, kind: RepoKind) -> u64 {
    profile.counts.iter().find(|(k, _)| *k == kind).map_or(0, |(_, n)| *n)
}

/// A person or organization of this name, of the wanted sort.
async fn find(app: &App, who: &Who, name: &str, is_org: bool) -> Result<Profile> {
    let missing = || {
        let what = if is_org { "organization" } else { "user" };
        Error::new(Code::NotFound, format!("There is no such {what}."))
    };
    let name: Slug = name.parse().map_err(|_| missing())?;
    let profile = app.profile(&who.0, &name).await.map_err(|e| if e.code == Code::NotFound { missing() } else { e })?;
    if profile.is_org == is_org { Ok(profile) } else { Err(missing().into()) }
}

/// A user, as everyone sees them.
#[utoipa::path(get, path = "/api/users/{user}/overview", tag = "people", operation_id = "user_overview", params(("user" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn user(State(app): State<App>, who: Who, Path(name): Path<String>) -> Result<Json<Value>> {
    let user = find(&app, &who, &name, false).await?;
    let standing = app.standing(&who.0, user.id).await?;
    let org = |m: &Membership| json!({"id": format!("{:024x}", m.id), "name": m.name, "fullname": m.full_name, "avatarUrl": avatar(&app, &m.name)});
    Ok(Json(json!({
        "_id": format!("{:024x}", user.id),
        "type": "user",
        "user": user.name,
        "fullname": user.full_name,
        "avatarUrl": avatar(&app, &user.name),
        "createdAt": user.created_at.to_string(),
        "isPro": false,
        "isFollowing": standing.is_followed,
        "numModels": count(&user, RepoKind::Model),
        "numDatasets": count(&user, RepoKind::Dataset),
        "numSpaces": count(&user, RepoKind::Space),
        "numKernels": count(&user, RepoKind::Kernel),
        "numDiscussions": 0,
        "numPapers": 0,
        "numUpvotes": standing.upvotes,
        "numLikes": standing.likes,
        "numFollowing": standing.following,
        "numFollowers": standing.followers,
        "orgs": user.links.iter().map(org).collect::<Vec<_>>(),
    })))
}

/// An organization, as everyone sees it.
#[utoipa::path(get, path = "/api/organizations/{organization}/overview", tag = "people", operation_id = "organization_overview", params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn organization(State(app): State<App>, who: Who, Path(name): Path<String>) -> Result<Json<Value>> {
    let org = find(&app, &who, &name, true).await?;
    let standing = app.standing(&who.0, org.id).await?;
    Ok(Json(json!({
        "_id": format!("{:024x}", org.id),
        "type": "org",
        "name": org.name,
        "fullname": org.full_name,
        "avatarUrl": avatar(&app, &org.name),
        "createdAt": org.created_at.to_string(),
        "isVerified": false,
        "isFollowing": standing.is_followed,
        "numUsers": org.links.len(),
        "numModels": count(&org, RepoKind::Model),
        "numDatasets": count(&org, RepoKind::Dataset),
        "numSpaces": count(&org, RepoKind::Space),
        "numKernels": count(&org, RepoKind::Kernel),
        "numFollowers": standing.followers,
    })))
}

/// The members of an organization, by name.
#[utoipa::path(get, path = "/api/organizations/{organization}/members", tag = "people", operation_id = "organization_members",
    params(("organization" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String), ("X-Total-Count" = u64))), (status = 404, body = crate::error::ErrorBody)))]
pub async fn members(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let org = find(&app, &who, &name, true).await?;
    let limit = query.number("limit")?.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let mut all = org.links;
    let total = all.len();
    all.sort_by_key(|m| m.name.to_ascii_lowercase());
    if let Some(after) = query.get("cursor") {
        all.retain(|m| m.name.to_ascii_lowercase().as_str() > after);
    }
    let more = all.len() > limit;
    all.truncate(limit);
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-total-count"), HeaderValue::from(total as u64));
    if more
        && let Some(last) = all.last()
        && let Some(link) = next_link(&app, uri.path(), &query, &last.name.to_ascii_lowercase())
    {
        headers.insert(header::LINK, link);
    }
    let member = |m: &Membership| {
        json!({
            "_id": format!("{:024x}", m.id),
            "user": m.name,
            "fullname": m.full_name,
            "avatarUrl": avatar(&app, &m.name),
            "type": if m.is_service { "service" } else { "user" },
            "isPro": false,
            "isFollowing": false,
            "role": m.role.as_str(),
        })
    };
    Ok((headers, Json(all.iter().map(member).collect::<Vec<_>>())).into_response())
}

async fn repositories(app: &App, who: &Who, org: Option<&str>, uri: &OriginalUri, query: &Query) -> Result<Response> {
    let name =
        org.map(|text| text.parse::<Slug>().map_err(|_| Error::new(Code::NotFound, "There is no such organization.")));
    let owned = app
        .list_owned(&who.0, name.transpose()?.as_ref(), query.get("cursor").map(str::to_owned), query.number("limit")?)
        .await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = owned.page.next.and_then(|next| next_link(app, uri.path(), query, &next)) {
        headers.insert(header::LINK, link);
    }
    let percent = |bytes: u64| match owned.used_bytes {
        0 => 0.0,
        // Two places are enough for people.
        total => (bytes as f64 / total as f64 * 10_000.0).round() / 100.0,
    };
    let items: Vec<Value> = owned
        .page
        .items
        .iter()
        .map(|s| {
            json!({
                "id": s.repo.path().to_string(),
                "type": s.repo.kind,
                "updatedAt": s.repo.updated_at.to_string(),
                "visibility": s.repo.visibility,
                "storage": s.repo.used_bytes,
                "storagePercent": percent(s.repo.used_bytes),
            })
        })
        .collect();
    Ok((headers, Json(items)).into_response())
}

fn quota_body(of: &QuotaUse) -> Json<Value> {
    Json(json!({
        "name": of.name,
        "type": if of.is_org { "org" } else { "user" },
        "used": {
            "bytes": of.used.bytes(),
            "gitBytes": of.used.git_bytes,
            "largeBytes": of.used.large_bytes,
            "repositories": of.used.repos,
        },
        // null where there is no limit.
        "limit": {"bytes": of.quota.bytes, "repositories": of.quota.repos},
    }))
}

/// What the caller has, and may have at most: bytes of files, and repositories with buckets.
#[utoipa::path(get, path = "/api/settings/quota", tag = "people", operation_id = "own_quota",
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody)))]
pub async fn own_quota(State(app): State<App>, who: Who) -> Result<Json<Value>> {
    Ok(quota_body(&app.quota(&who.0, None).await?))
}

/// What an organization of the caller's has, and may have at most.
#[utoipa::path(get, path = "/api/organizations/{organization}/settings/quota", tag = "people", operation_id = "organization_quota",
    params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn organization_quota(State(app): State<App>, who: Who, Path(name): Path<String>) -> Result<Json<Value>> {
    let name: Slug = name.parse().map_err(|_| Error::new(Code::NotFound, "There is no such organization."))?;
    Ok(quota_body(&app.quota(&who.0, Some(&name)).await?))
}

/// The caller's own repositories, and what each takes.
#[utoipa::path(get, path = "/api/settings/repositories", tag = "people", operation_id = "own_repositories", params(("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String))), (status = 401, body = crate::error::ErrorBody)))]
pub async fn own_repositories(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    repositories(&app, &who, None, &uri, &query).await
}

/// The repositories of an organization of the caller's, and what each takes.
#[utoipa::path(get, path = "/api/organizations/{organization}/settings/repositories", tag = "people", operation_id = "organization_repositories",
    params(("organization" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String))), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn organization_repositories(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    repositories(&app, &who, Some(&name), &uri, &query).await
}
