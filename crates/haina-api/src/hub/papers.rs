//! `/api/papers/{id}`: which repositories refer to a paper. Papers themselves are not kept here.

use axum::Json;
use axum::extract::{Path, State};
use haina_app::repos::{ListQuery, ListSort};
use haina_app::{App, Caller};
use haina_types::{Code, Error, RepoKind};
use serde_json::{Value, json};

use super::render::{self, Shape};
use crate::error::Result;
use crate::request::{Query, Who};

/// Most repositories of one kind that are named.
const LINKED_MAX: usize = 100;

/// The id of a paper at arXiv, without its version.
fn arxiv_id(text: &str) -> Option<&str> {
    let id = match text.split_once('v') {
        Some((id, version)) if !version.is_empty() && version.bytes().all(|c| c.is_ascii_digit()) => id,
        _ => text,
    };
    let (month, number) = id.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    (month.len() == 4 && (4..=5).contains(&number.len()) && digits(month) && digits(number)).then_some(id)
}

/// Repositories of a kind whose cards name the paper, and whether these are all.
async fn linked(app: &App, caller: &Caller, kind: RepoKind, id: &str, query: &Query) -> Result<(Vec<Value>, bool)> {
    let list = ListQuery {
        kinds: vec![kind],
        search: Vec::new(),
        query: String::new(),
        author: None,
        tags: vec![format!("arxiv:{id}")],
        pipeline_tag: None,
        gated: None,
        parameters: (None, None),
        sort: ListSort::Trending,
        limit: Some(LINKED_MAX),
        cursor: None,
    };
    let page = app.list_repos(caller, list).await?;
    let shape = Shape::for_list(kind, query)?;
    let items = page.items.iter().map(|summary| render::summary(summary, &shape, None)).collect();
    Ok((items, page.next.is_none()))
}

/// Which repositories refer to a paper by its id at arXiv, of those that the caller may know. Nothing else is known of it here.
#[utoipa::path(get, path = "/api/papers/{id}", tag = "repositories", operation_id = "paper", params(("id" = String, Path, description = "2401.12345")),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn paper(
    State(app): State<App>,
    Who(caller): Who,
    Path(text): Path<String>,
    query: Query,
) -> Result<Json<Value>> {
    let unknown = || Error::new(Code::NotFound, "No repository here refers to this paper.");
    let id = arxiv_id(&text).ok_or_else(unknown)?;
    let mut answer = json!({"id": id});
    let mut found = false;
    for (kind, key) in [(RepoKind::Model, "Models"), (RepoKind::Dataset, "Datasets"), (RepoKind::Space, "Spaces")] {
        let (items, is_all) = linked(&app, &caller, kind, id, &query).await?;
        found |= !items.is_empty();
        if is_all {
            answer[format!("numTotal{key}")] = json!(items.len());
        }
        answer[format!("linked{key}")] = json!(items);
    }
    if !found {
        return Err(unknown().into());
    }
    Ok(Json(answer))
}

/// Papers by words: none, since papers are not kept here.
#[utoipa::path(get, path = "/api/papers/search", tag = "repositories", operation_id = "search_papers", responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn search(_: Who) -> Json<Value> {
    Json(json!([]))
}

/// Papers of a day: none, since nobody chooses any here.
#[utoipa::path(get, path = "/api/daily_papers", tag = "repositories", operation_id = "daily_papers", responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn daily(_: Who) -> Json<Value> {
    Json(json!([]))
}

/// The text of a paper: none is kept here.
#[utoipa::path(get, path = "/papers/{id}", tag = "repositories", operation_id = "paper_text", params(("id" = String, Path, description = "2401.12345.md")),
    responses((status = 404, body = crate::error::ErrorBody)))]
pub async fn text(_: Who) -> Result<Json<Value>> {
    Err(Error::new(Code::NotFound, "This hub keeps no texts of papers: read it at arxiv.org.").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_papers() {
        for (text, id) in [
            ("2401.12345", Some("2401.12345")),
            ("0704.0001v2", Some("0704.0001")),
            ("2401.12345v", None),
            ("2401.123", None),
            ("240112345", None),
            ("search", None),
            ("2401.1234x", None),
            ("2401.12345v1v2", None),
            ("", None),
        ] {
            assert_eq!(arxiv_id(text), id, "{text}");
        }
    }
}
