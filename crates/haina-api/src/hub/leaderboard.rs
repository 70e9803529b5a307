//! `GET /api/datasets/{ns}/{name}/leaderboard`

use axum::Json;
use axum::extract::State;
use haina_app::App;
use haina_app::repos::evaluations::Leader;
use serde_json::{Value, json};

use crate::error::Result;
use crate::request::{Query, Target, Who};

fn leader(app: &App, leader: &Leader, rank: usize) -> Value {
    let owner = &leader.repo.namespace;
    let data: Value = serde_json::from_str(&leader.data).unwrap_or_default();
    let mut value = json!({
        "rank": rank,
        "modelId": leader.repo.path().to_string(),
        "value": leader.value,
        "filename": leader.filename,
        "verified": false,
        "author": {
            "_id": format!("{:024x}", owner.id),
            "name": owner.name,
            "fullname": owner.full_name,
            "avatarUrl": format!("{}/api/avatars/{}", app.base_url(), owner.name),
            "type": if owner.is_org() { "org" } else { "user" },
        },
    });
    if let Some(source) = data.get("source") {
        value["source"] = source.clone();
        let url = source["url"].as_str().unwrap_or_default();
        let ours = url.strip_prefix(app.base_url()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        value["source"]["isExternal"] = json!(!ours);
    }
    if let Some(notes) = data.get("notes") {
        value["notes"] = notes.clone();
    }
    value
}

/// The models that say how they did at a benchmark, the highest value first; what they say is not verified here. Models that are
/// made from others are left out unless `base_model=false`.
#[utoipa::path(get, path = "/api/datasets/{namespace}/{repo}/leaderboard", tag = "repositories", operation_id = "leaderboard",
    params(("namespace" = String, Path), ("repo" = String, Path), ("base_model" = Option<bool>, Query),
        ("task_id" = Option<String>, Query, description = "one of the tasks of eval.yaml; the first when absent")),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 404, body = crate::error::ErrorBody)))]
pub async fn leaderboard(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    query: Query,
) -> Result<Json<Value>> {
    let access = app.read(&caller, target.kind, &target.path).await?;
    let with_derived = query.get("base_model").is_some() && !query.flag("base_model");
    let leaders = app.leaderboard(&caller, &access, query.get("task_id"), with_derived).await?;
    Ok(Json(leaders.iter().enumerate().map(|(i, l)| leader(&app, l, i + 1)).collect()))
}
