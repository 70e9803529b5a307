//! `POST /api/{kind}/{ns}/{name}/duplicate`

use axum::Json;
use axum::extract::State;
use haina_app::App;
use haina_app::repos::Duplicate;
use haina_types::{Error, RepoPath};
use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::visibility;
use super::spaces::{GivenSetting, given};
use crate::answer::repo_url;
use crate::error::Result;
use crate::request::{Body, Target, Who};

/// Where to copy it. Keys that only a hub with machines can honour (hardware, volumes, …) are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct DuplicateRepo {
    /// `namespace/name`
    repository: String,
    /// `public` or `private`; as the original when absent.
    visibility: Option<String>,
    /// The older form of `visibility`.
    private: Option<bool>,
    /// A resource group of the organization that it goes to.
    #[serde(rename = "resourceGroupId")]
    resource_group_id: Option<String>,
    /// Of a space: secrets, which nobody sees again; those of the original are not copied.
    #[serde(default)]
    secrets: Option<Vec<GivenSetting>>,
    /// Of a space: variables, besides those of the original.
    #[serde(default)]
    variables: Option<Vec<GivenSetting>>,
}

/// Copies the files of a repository's main branch into a new one.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/duplicate", tag = "repositories", operation_id = "duplicate_repo", request_body = DuplicateRepo,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody),
        (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn duplicate(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<DuplicateRepo>,
) -> Result<Json<Value>> {
    let from = app.read_content(&caller, target.kind, &target.path).await?;
    caller.require_user()?;
    let to: RepoPath = body
        .repository
        .parse()
        .map_err(|e| Error::invalid(format!("Invalid \"repository\" '{}': {e}", body.repository)))?;
    let new = Duplicate {
        to,
        visibility: visibility(body.visibility.as_deref(), body.private)?,
        group: body.resource_group_id,
    };
    let made = app.duplicate_repo_with(&caller, &from, new, &given(body.secrets, body.variables)).await?;
    let name = made.path.to_string();
    let url = repo_url(&app, made.kind, &name);
    Ok(Json(json!({"url": url, "name": name, "id": made.public_id, "filesCopyPending": false})))
}
