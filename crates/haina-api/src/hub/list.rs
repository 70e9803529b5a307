//! `GET /api/models`, `GET /api/datasets`, `GET /api/spaces`

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::repos::{ListQuery, ListSort};
use haina_types::{Error, RepoKind};
use http::{HeaderMap, header};
use serde_json::Value;

use super::render::{self, Shape};
use crate::answer::next_link;
use crate::error::Result;
use crate::request::{Query, Who};

fn sort(query: &Query) -> Result<ListSort> {
    Ok(match query.get("sort").unwrap_or("trendingScore") {
        "createdAt" | "created_at" => ListSort::Created,
        "lastModified" | "last_modified" => ListSort::Updated,
        "downloads" => ListSort::Downloads,
        "likes" => ListSort::Likes,
        "trendingScore" | "trending_score" | "" => ListSort::Trending,
        other => {
            return Err(Error::invalid(format!(
                "Invalid sort \"{other}\": must be one of createdAt, lastModified, downloads, likes, trendingScore"
            ))
            .into());
        }
    })
}

async fn list(app: App, who: Who, uri: OriginalUri, query: Query, kind: RepoKind) -> Result<Response> {
    let shape = Shape::for_list(kind, &query)?;
    let mut tags = query.all("filter");
    tags.extend(query.all("tags"));
    for (key, prefix) in [
        ("language", ""),
        ("license", "license:"),
        ("library", ""),
        ("trained_dataset", "dataset:"),
        ("datasets", "dataset:"),
        ("models", "model:"),
    ] {
        tags.extend(query.all(key).into_iter().map(|v| if v.starts_with(prefix) { v } else { format!("{prefix}{v}") }));
    }
    let tags =
        tags.iter().flat_map(|t| t.split(',')).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
    let page = app
        .list_repos(
            &who.0,
            ListQuery {
                kinds: vec![kind],
                search: query.all("search"),
                author: query.get("author").map(str::to_owned),
                tags,
                pipeline_tag: query.get("pipeline_tag").map(str::to_owned),
                sort: sort(&query)?,
                limit: query.number("limit")?,
                cursor: query.get("cursor").map(str::to_owned),
            },
        )
        .await?;
    let mut items: Vec<Value> = Vec::with_capacity(page.items.len());
    for summary in &page.items {
        let files = match (shape.wants("siblings"), summary.commit) {
            (true, Some(commit)) => {
                let path = summary.repo.path();
                let access = app.read_content(&who.0, kind, &path).await?;
                Some(app.list_files(&access, commit).await?)
            }
            _ => None,
        };
        items.push(render::summary(summary, &shape, files.as_deref().map(Vec::as_slice)));
    }
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    Ok((headers, Json(items)).into_response())
}

/// Models that the caller may know.
#[utoipa::path(get, path = "/api/models", tag = "repositories",
    params(("search" = Option<Vec<String>>, Query, description = "parts of the id, all of which must occur"), ("author" = Option<String>, Query),
        ("filter" = Option<Vec<String>>, Query, description = "tags, all of which must be there"), ("pipeline_tag" = Option<String>, Query),
        ("sort" = Option<String>, Query, description = "createdAt, lastModified, downloads, likes or trendingScore; always descending"),
        ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query), ("full" = Option<bool>, Query), ("expand" = Option<Vec<String>>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page")))))]
pub async fn models(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    list(app, who, uri, query, RepoKind::Model).await
}

/// Data sets that the caller may know.
#[utoipa::path(get, path = "/api/datasets", tag = "repositories", responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn datasets(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    list(app, who, uri, query, RepoKind::Dataset).await
}

/// Spaces that the caller may know.
#[utoipa::path(get, path = "/api/spaces", tag = "repositories", responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn spaces(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    list(app, who, uri, query, RepoKind::Space).await
}

/// Kernels that the caller may know.
#[utoipa::path(get, path = "/api/kernels", tag = "repositories", responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn kernels(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    list(app, who, uri, query, RepoKind::Kernel).await
}
