//! `GET /api/{kind}/{ns}/{name}/commits/{rev}` and `…/refs`

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::history::RefTarget;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use crate::error::Result;
use crate::request::{Query, Target, Who};

/// Commits of one page when no number is asked, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 1000;

/// Text as HTML, for clients that ask for formatted messages.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Commits reachable from a revision, newest first.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/commits/{rev}", tag = "commits",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path), ("p" = Option<u32>, Query, description = "page, from 0"), ("limit" = Option<u32>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("X-Total-Count" = u64), ("Link" = String))), (status = 404, body = crate::error::ErrorBody)))]
pub async fn commits(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.list_content(&caller, target.kind, &target.path).await?;
    let head = app.resolve_revision(&access, &target.rev).await?;
    let page = query.number("p")?.unwrap_or(0);
    let limit = query.number("limit")?.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let formatted = query.all("expand").iter().any(|e| e == "formatted");
    let (commits, total) = app.list_commits(&access, head, page, limit).await?;
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-total-count"), HeaderValue::from(total as u64));
    if page.saturating_add(1).saturating_mul(limit) < total {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        pairs.append_pair("p", &(page + 1).to_string());
        for (key, value) in query.pairs().iter().filter(|(key, _)| key != "p") {
            pairs.append_pair(key, value);
        }
        let link = format!("<{}{}?{}>; rel=\"next\"", app.base_url(), uri.path(), pairs.finish());
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    let items: Vec<Value> = commits
        .iter()
        .map(|c| {
            let mut item = json!({
                "id": c.id,
                "title": c.title,
                "message": c.message,
                "authors": [{"user": c.author, "avatar": format!("{}/api/avatars/{}", app.base_url(), crate::answer::segment(&c.author))}],
                "date": c.date.to_string(),
            });
            if formatted {
                item["formatted"] = json!({"title": escape(&c.title), "message": escape(&c.message)});
            }
            item
        })
        .collect();
    Ok((headers, Json(items)).into_response())
}

fn branch(target: &RefTarget) -> Value {
    let full = target.name.as_str();
    let name = ["refs/heads/", "refs/tags/", "refs/convert/", "refs/pr/"]
        .iter()
        .find_map(|prefix| full.strip_prefix(prefix))
        .unwrap_or(full);
    json!({"name": name, "ref": full, "targetCommit": target.commit})
}

/// Branches, tags, conversions and, with `include_prs`, pull requests.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/refs", tag = "commits",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("include_prs" = Option<bool>, Query)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn refs(State(app): State<App>, Who(caller): Who, target: Target, query: Query) -> Result<Json<Value>> {
    let access = app.list_content(&caller, target.kind, &target.path).await?;
    let refs = app.list_refs(&access).await?;
    let list = |targets: &[RefTarget]| -> Vec<Value> { targets.iter().map(branch).collect() };
    let mut answer =
        json!({"branches": list(&refs.branches), "tags": list(&refs.tags), "converts": list(&refs.converts)});
    if query.flag("include_prs") {
        answer["pullRequests"] = json!(list(&refs.pull_requests));
    }
    Ok(Json(answer))
}
