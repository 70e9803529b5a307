//! What there is to choose from: tags by type, templates; and the tensors of sharded models.

use axum::Json;
use axum::extract::State;
use haina_app::App;
use haina_types::{Code, Error, FilePath, RepoKind};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::request::{Target, Who};

async fn tags(app: &App, kind: RepoKind) -> Result<Json<Value>> {
    let mut groups = Map::new();
    for group in app.tags_by_type(kind).await? {
        let items: Vec<Value> =
            group.tags.iter().map(|t| json!({"id": t.id, "label": t.label, "type": group.name})).collect();
        groups.insert(group.name.to_owned(), Value::Array(items));
    }
    Ok(Json(Value::Object(groups)))
}

/// Tags of models by type: what is known, and what public models use.
#[utoipa::path(get, path = "/api/models-tags-by-type", tag = "repositories", operation_id = "model_tags", responses((status = 200, body = serde_json::Value)))]
pub async fn model_tags(State(app): State<App>, _: Who) -> Result<Json<Value>> {
    tags(&app, RepoKind::Model).await
}

/// Tags of data sets by type: what is known, and what public data sets use.
#[utoipa::path(get, path = "/api/datasets-tags-by-type", tag = "repositories", operation_id = "dataset_tags", responses((status = 200, body = serde_json::Value)))]
pub async fn dataset_tags(State(app): State<App>, _: Who) -> Result<Json<Value>> {
    tags(&app, RepoKind::Dataset).await
}

/// Templates for spaces. None come with this server.
#[utoipa::path(get, path = "/api/spaces/templates", tag = "repositories", operation_id = "space_templates", responses((status = 200, body = serde_json::Value)))]
pub async fn templates(_: Who) -> Json<Value> {
    Json(json!({"templates": []}))
}

/// The headers of all shards that an index of safetensors on the main branch names.
#[utoipa::path(get, path = "/api/models/{namespace}/{repo}/safetensors-metadata/{path}", tag = "files", operation_id = "safetensors_metadata",
    params(("namespace" = String, Path), ("repo" = String, Path), ("path" = String, Path, description = "the index, such as model.safetensors.index.json")),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn safetensors(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    let text = target.file.as_deref().unwrap_or_default();
    let path: FilePath = text
        .parse()
        .map_err(|_| Error::new(Code::EntryNotFound, format!("\"{text}\" does not exist at this revision")))?;
    let found = app.sharded_metadata(&access, &path).await?;
    // Without the map of weights, which says again what the headers say.
    Ok(Json(json!({"index": {"metadata": found.metadata}, "headers": found.headers})))
}
