//! `POST` and `DELETE /api/{kind}/{ns}/{name}/branch/{branch}` and `…/tag/{rev}`

use axum::Json;
use axum::extract::{Request, State};
use haina_app::App;
use haina_app::history::BranchStart;
use haina_types::{Error, Revision};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::request::{BODY_BYTES_MAX, Body, Target, Who, read_body};

/// How to begin a branch.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewBranch {
    /// A revision; the main branch when absent.
    starting_point: Option<String>,
    /// Without the files of any other branch.
    #[serde(default)]
    empty_branch: bool,
    /// Replace one that exists.
    #[serde(default)]
    overwrite: bool,
}

/// A tag to make.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewTag {
    /// Its name.
    tag: String,
    /// A message makes it an annotated tag.
    message: Option<String>,
}

/// Makes a branch.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/branch/{rev}", tag = "commits", request_body = NewBranch,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path, description = "the branch, percent-encoded")),
    responses((status = 200), (status = 400, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn create_branch(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    request: Request,
) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let body = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    // Clients send no body at all when there is nothing to say.
    let new: NewBranch = if body.iter().all(u8::is_ascii_whitespace) {
        NewBranch::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|e| Error::invalid(format!("The body is not the JSON expected here: {e}")))?
    };
    if new.overwrite && new.starting_point.is_none() && !new.empty_branch {
        let refs = app.list_refs(&access.content()).await?;
        if refs.branches.iter().any(|b| b.name.as_branch() == Some(target.rev.as_str())) {
            return Ok(Json(json!({})));
        }
    }
    let start = match (new.empty_branch, new.starting_point) {
        (true, _) => BranchStart::Empty,
        (false, Some(rev)) => BranchStart::At(Revision::new(rev)),
        (false, None) => BranchStart::At(Revision::main()),
    };
    app.create_branch(&access, target.rev.as_str(), start, new.overwrite).await?;
    Ok(Json(json!({})))
}

/// Deletes a branch.
#[utoipa::path(delete, path = "/api/{kind}/{namespace}/{repo}/branch/{rev}", tag = "commits",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path)),
    responses((status = 200), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn delete_branch(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    app.delete_branch(&access, target.rev.as_str()).await?;
    Ok(Json(json!({})))
}

/// Makes a tag at a revision.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/tag/{rev}", tag = "commits", request_body = NewTag,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path, description = "what to tag, percent-encoded")),
    responses((status = 200), (status = 400, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn create_tag(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(new): Body<NewTag>,
) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    app.create_tag(&access, &new.tag, &target.rev, new.message.as_deref()).await?;
    Ok(Json(json!({})))
}

/// Deletes a tag.
#[utoipa::path(delete, path = "/api/{kind}/{namespace}/{repo}/tag/{rev}", tag = "commits",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path, description = "the tag, percent-encoded")),
    responses((status = 200), (status = 404, body = crate::error::ErrorBody)))]
pub async fn delete_tag(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    app.delete_tag(&access, target.rev.as_str()).await?;
    Ok(Json(json!({})))
}
