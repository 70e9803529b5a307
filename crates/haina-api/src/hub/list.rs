//! `GET /api/models`, `GET /api/datasets`, `GET /api/spaces`

use std::collections::HashMap;

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::repos::{ListQuery, ListSort};
use haina_types::{Code, Error, RepoKind};
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

/// `min:6B,max:128B`: at least and at most so many parameters.
fn parameters(query: &Query) -> Result<(Option<u64>, Option<u64>)> {
    let wrong = || {
        Error::invalid(
            "Invalid num_parameters: expected \"min:6B\", \"max:128B\" or both with a comma between, in K, M, B or T.",
        )
    };
    let mut bounds = (None, None);
    for part in query.get("num_parameters").unwrap_or("").split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (which, text) = part.split_once(':').ok_or_else(wrong)?;
        let (digits, unit) = match text.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&text[..at], 1e3),
            Some((at, 'm' | 'M')) => (&text[..at], 1e6),
            Some((at, 'b' | 'B' | 'g' | 'G')) => (&text[..at], 1e9),
            Some((at, 't' | 'T')) => (&text[..at], 1e12),
            _ => (text, 1.0),
        };
        let number: f64 = digits.parse().map_err(|_| wrong())?;
        let count = number * unit;
        if !(0.0..=1e18).contains(&count) {
            return Err(wrong().into());
        }
        match which {
            "min" => bounds.0 = Some(count.ceil() as u64),
            "max" => bounds.1 = Some(count.floor() as u64),
            _ => return Err(wrong().into()),
        }
    }
    Ok(bounds)
}

/// What a repository must be tagged with for an application to run it.
fn app_tag(app: &str) -> Option<&'static str> {
    Some(match app {
        "llama.cpp" | "ollama" | "lmstudio" | "jan" | "jellybox" | "koboldcpp" | "ramalama" | "docker-model-runner" => {
            "gguf"
        }
        "vllm" | "sglang" | "tgi" | "text-generation-inference" => "transformers",
        "mlx-lm" => "mlx",
        "diffusionbee" | "drawthings" | "invoke" => "diffusers",
        _ => return None,
    })
}

/// What a query asks for; none if nothing here can be that.
pub(super) fn list_query(query: &Query, kind: RepoKind) -> Result<Option<ListQuery>> {
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
    let mut tags: Vec<String> =
        tags.iter().flat_map(|t| t.split(',')).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
    for name in query.all("apps") {
        match app_tag(&name) {
            Some(tag) => tags.push(tag.to_owned()),
            None => return Ok(None),
        }
    }
    // Nothing here is served by anybody for inference.
    if query.get("inference").is_some() || query.get("inference_provider").is_some() {
        return Ok(None);
    }
    let gated = match query.get("gated") {
        None | Some("") => None,
        Some(_) => Some(query.flag("gated")),
    };
    Ok(Some(ListQuery {
        kinds: vec![kind],
        search: query.all("search"),
        query: query.get("q").unwrap_or_default().to_owned(),
        author: query.get("author").map(str::to_owned),
        tags,
        pipeline_tag: query.get("pipeline_tag").map(str::to_owned),
        gated,
        parameters: parameters(query)?,
        sort: sort(query)?,
        limit: query.number("limit")?,
        cursor: query.get("cursor").map(str::to_owned),
    }))
}

async fn list(app: App, who: Who, uri: OriginalUri, query: Query, kind: RepoKind) -> Result<Response> {
    let shape = Shape::for_list(kind, &query)?;
    let Some(asked) = list_query(&query, kind)? else { return Ok(Json(Vec::<Value>::new()).into_response()) };
    let page = app.list_repos(&who.0, asked).await?;
    let evaluations = match shape.wants("evalResults") {
        true => app.evaluations_of_list(&page.items).await?,
        false => HashMap::new(),
    };
    let mut items: Vec<Value> = Vec::with_capacity(page.items.len());
    for summary in &page.items {
        let files = match (shape.wants("siblings"), summary.commit) {
            (true, Some(commit)) => {
                let path = summary.repo.path();
                match app.list_content(&who.0, kind, &path).await {
                    Ok(access) => Some(app.list_files(&access, commit).await?),
                    // Taken down, moved or deleted since the list was made: no reason to keep back the rest.
                    Err(e) if matches!(e.code, Code::Disabled | Code::RepoNotFound) => None,
                    Err(e) => return Err(e.into()),
                }
            }
            _ => None,
        };
        let mut item = render::summary(summary, &shape, files.as_deref().map(Vec::as_slice));
        if shape.wants("evalResults") {
            let found = evaluations.get(&summary.repo.id).map(Vec::as_slice).unwrap_or_default();
            item["evalResults"] = render::evaluations(found);
        }
        items.push(item);
    }
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    Ok((headers, Json(items)).into_response())
}

/// Models that the caller may know.
#[utoipa::path(get, path = "/api/models", tag = "repositories",
    params(("search" = Option<Vec<String>>, Query, description = "parts of the id, all of which must occur; Chinese, Japanese and Korean words are looked for in cards"),
        ("q" = Option<String>, Query, description = "words of names, cards and tags, all of which must occur; the last may be unfinished"),
        ("gated" = Option<bool>, Query), ("num_parameters" = Option<String>, Query, description = "min:6B,max:128B"), ("apps" = Option<Vec<String>>, Query), ("author" = Option<String>, Query),
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
