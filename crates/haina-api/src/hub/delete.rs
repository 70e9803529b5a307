//! `DELETE /api/repos/delete`

use axum::Json;
use axum::extract::State;
use haina_app::App;
use haina_types::{Code, Error, RepoKind, RepoPath};
use serde::Deserialize;

use crate::error::Result;
use crate::request::{Body, Who};

/// Which repository to delete.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct DeleteRepo {
    /// The name, or `namespace/name`.
    name: String,
    /// The namespace; the caller's own when absent.
    organization: Option<String>,
    /// `model` when absent.
    r#type: Option<String>,
}

/// Deletes a repository and its history.
#[utoipa::path(delete, path = "/api/repos/delete", tag = "repositories", request_body = DeleteRepo,
    responses((status = 200), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    Who(caller): Who,
    Body(which): Body<DeleteRepo>,
) -> Result<Json<serde_json::Value>> {
    let user = caller.require_user()?;
    let not_found = || Error::new(Code::RepoNotFound, "Repository not found");
    let kind: RepoKind = which.r#type.as_deref().unwrap_or("model").parse().map_err(|()| not_found())?;
    let id = match (&which.organization, which.name.contains('/')) {
        (_, true) => which.name.clone(),
        (Some(ns), false) => format!("{ns}/{}", which.name),
        (None, false) => format!("{}/{}", user.name, which.name),
    };
    let path: RepoPath = id.parse().map_err(|_| not_found())?;
    let access = app.administer(&caller, kind, &path).await?;
    app.delete_repo(&access).await?;
    Ok(Json(serde_json::json!({})))
}
