//! `PUT /api/{kind}/{ns}/{name}/settings` and `POST /api/repos/move`

use axum::Json;
use axum::extract::State;
use haina_app::App;
use haina_app::repos::{Gating, Settings};
use haina_types::{Code, Error, RepoKind, RepoPath, Visibility};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::repo_url;
use crate::error::Result;
use crate::request::{Body, Target, Who};

/// Settings to change; what is absent stays. Keys that only a hosted hub can honour are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct ChangeSettings {
    /// `public` or `private`.
    visibility: Option<String>,
    /// The older form of `visibility`.
    private: Option<bool>,
    /// `auto`, `manual` or false.
    #[schema(value_type = Option<String>)]
    gated: Option<Value>,
}

/// What a body says of visibility, in either of its forms.
pub fn visibility(text: Option<&str>, private: Option<bool>) -> Result<Option<Visibility>> {
    match (text, private) {
        (Some("protected"), _) => {
            Err(Error::invalid("Protected repositories are not offered here: choose public or private.").into())
        }
        (Some(text), _) => Ok(Some(
            text.parse()
                .map_err(|()| Error::invalid("Invalid option: \"visibility\" must be one of [public, private]"))?,
        )),
        (None, Some(private)) => Ok(Some(if private { Visibility::Private } else { Visibility::Public })),
        (None, None) => Ok(None),
    }
}

fn gating(value: &Value) -> Result<Gating> {
    Ok(match value {
        Value::Bool(false) => Gating::Open,
        Value::String(text) if text == "auto" => Gating::Auto,
        Value::String(text) if text == "manual" => Gating::Manual,
        _ => return Err(Error::invalid("Invalid option: \"gated\" must be one of [auto, manual, false]").into()),
    })
}

/// Changes who may know a repository, and how its content is given.
#[utoipa::path(put, path = "/api/{kind}/{namespace}/{repo}/settings", tag = "repositories", request_body = ChangeSettings,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn settings(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(change): Body<ChangeSettings>,
) -> Result<Json<Value>> {
    let access = app.administer(&caller, target.kind, &target.path).await?;
    let change = Settings {
        visibility: visibility(change.visibility.as_deref(), change.private)?,
        gating: change.gated.as_ref().map(gating).transpose()?,
    };
    let (visibility, gating) = app.change_settings(&access, change).await?;
    let gated = gating.as_str().map_or(Value::Bool(false), Value::from);
    let private = visibility == Visibility::Private;
    Ok(Json(json!({"visibility": visibility, "private": private, "gated": gated})))
}

/// From which name to which.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveRepo {
    /// `namespace/name`
    from_repo: String,
    /// `namespace/name`
    to_repo: String,
    /// `model` when absent.
    r#type: Option<String>,
}

/// Renames or transfers a repository. The old name leads on to it until another repository takes it.
#[utoipa::path(post, path = "/api/repos/move", tag = "repositories", request_body = MoveRepo, operation_id = "move_repo",
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody),
        (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn moving(State(app): State<App>, Who(caller): Who, Body(which): Body<MoveRepo>) -> Result<Json<Value>> {
    // Asked for first, so that an anonymous caller learns nothing from a bad name.
    caller.require_user()?;
    let not_found = || Error::new(Code::RepoNotFound, "Repository not found");
    let kind: RepoKind = which.r#type.as_deref().unwrap_or("model").parse().map_err(|()| {
        Error::invalid("Invalid option: \"type\" must be one of [model, dataset, space, kernel, bucket]")
    })?;
    let from: RepoPath = which.from_repo.parse().map_err(|_| not_found())?;
    let to: RepoPath =
        which.to_repo.parse().map_err(|e| Error::invalid(format!("Invalid \"toRepo\" '{}': {e}", which.to_repo)))?;
    let now = match kind {
        RepoKind::Bucket => app.move_bucket(&caller, &from, &to).await?,
        _ => app.move_repo(&caller, kind, &from, &to).await?,
    }
    .to_string();
    Ok(Json(json!({"url": repo_url(&app, kind, &now), "name": now})))
}
