//! `GET /api/facets/{kind}`: how many repositories of a list have each tag. A route of ours.

use axum::Json;
use axum::extract::{Path, State};
use haina_app::App;
use haina_types::{Code, Error, RepoKind};
use serde_json::{Map, Value, json};

use super::list::list_query;
use crate::error::Result;
use crate::request::{Query, Who};

/// How many repositories of a list have each task, library, language, licence and so on: with the same filters as the list of
/// that kind, and among those alone that the caller may know. `complete` says whether all of the list were counted; if not,
/// the `counted` first ones were, and asking again soon gets all. `asOf` is when they were counted.
#[utoipa::path(get, path = "/api/facets/{kind}", tag = "repositories", operation_id = "facets",
    params(("kind" = String, Path, description = "models, datasets, spaces or kernels"), ("search" = Option<Vec<String>>, Query), ("q" = Option<String>, Query), ("author" = Option<String>, Query),
        ("filter" = Option<Vec<String>>, Query), ("pipeline_tag" = Option<String>, Query), ("gated" = Option<bool>, Query), ("num_parameters" = Option<String>, Query), ("apps" = Option<Vec<String>>, Query)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn facets(
    State(app): State<App>,
    Who(caller): Who,
    Path(kind): Path<String>,
    query: Query,
) -> Result<Json<Value>> {
    let kind = RepoKind::from_plural(&kind)
        .ok_or_else(|| Error::new(Code::NotFound, "Facets are of models, datasets, spaces or kernels."))?;
    let Some(asked) = list_query(&query, kind)? else {
        return Ok(Json(json!({"counted": 0, "complete": true, "groups": {}})));
    };
    let found = app.facets(&caller, kind, asked).await?;
    let groups: Map<String, Value> =
        found.groups.into_iter().map(|group| (group.name.to_owned(), json!(group.tags))).collect();
    Ok(Json(json!({
        "counted": found.counted,
        "complete": found.complete,
        "asOf": found.as_of.to_string(),
        "groups": groups,
    })))
}
