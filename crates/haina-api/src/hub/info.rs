//! `GET /api/{kind}/{ns}/{name}` and `…/revision/{rev}`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_types::{Code, Error};

use super::render::{self, Shape};
use crate::error::{ApiError, Result};
use crate::request::{Query, Target, Who};

/// Describes a repository at its main branch.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}", tag = "repositories",
    params(("kind" = String, Path, description = "models, datasets, spaces or kernels"), ("namespace" = String, Path), ("repo" = String, Path),
        ("blobs" = Option<bool>, Query, description = "sizes and digests of the files"), ("expand" = Option<Vec<String>>, Query, description = "only these properties")),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn info(State(app): State<App>, Who(caller): Who, target: Target, query: Query) -> Result<Response> {
    let shape = Shape::from_query(target.kind, &query)?;
    let access = app.read(&caller, target.kind, &target.path).await?;
    let info = app.repo_info(&access).await?;
    answer(&app, &caller, &target, info, &shape, query.flag("blobs")).await
}

/// Describes a repository at a revision.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/revision/{rev}", tag = "repositories",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path, description = "branch, tag, commit id or refs/pr/N, percent-encoded")),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn revision(State(app): State<App>, Who(caller): Who, target: Target, query: Query) -> Result<Response> {
    let shape = Shape::from_query(target.kind, &query)?;
    let access = app.list_content(&caller, target.kind, &target.path).await?;
    let info = app.repo_info_at(&access, &target.rev).await?;
    answer(&app, &caller, &target, info, &shape, query.flag("blobs")).await
}

async fn answer(
    app: &App,
    caller: &haina_app::Caller,
    target: &Target,
    mut info: haina_app::repos::RepoInfo,
    shape: &Shape,
    blobs: bool,
) -> Result<Response> {
    if shape.wants("siblings")
        && let Some(commit) = info.commit
        && let Ok(access) = app.list_content(caller, target.kind, &target.path).await
    {
        info.files = Some(app.list_files(&access, commit).await?);
    }
    let mut described = render::info(&info, shape, blobs);
    if shape.wants("evalResults") {
        let access = app.read(caller, target.kind, &target.path).await?;
        described["evalResults"] = render::evaluations(&app.list_evaluations(&access).await?);
    }
    Ok(Json(described).into_response())
}

/// Ids have two segments: one alone is no repository, whatever it names.
pub async fn one_segment() -> ApiError {
    Error::new(Code::RepoNotFound, "Repository not found").into()
}
