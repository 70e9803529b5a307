//! `POST /api/repos/create`

use axum::Json;
use axum::extract::State;
use base64::Engine;
use haina_app::App;
use haina_app::repos::NewRepo;
use haina_types::{Error, NameError, RepoKind};
use serde::{Deserialize, Serialize};

use super::spaces::{GivenSetting, given};
use crate::answer::repo_url;
use crate::error::Result;
use crate::request::{Body, Who};

/// A repository to make. Keys that only a hub with machines can honour (hardware, region, volumes, …) are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct CreateRepo {
    /// The name, or `namespace/name`.
    name: String,
    /// The namespace; the caller's own when absent.
    organization: Option<String>,
    /// `model` when absent.
    r#type: Option<String>,
    /// `public` or `private`.
    visibility: Option<String>,
    /// The older form of `visibility`.
    private: Option<bool>,
    /// What a space is built with.
    sdk: Option<String>,
    /// A licence for the card.
    license: Option<String>,
    /// A resource group of the organization.
    #[serde(rename = "resourceGroupId")]
    resource_group_id: Option<String>,
    /// Files of the first commit.
    #[serde(default)]
    files: Vec<GivenFile>,
    /// Of a space: secrets, which nobody sees again.
    #[serde(default)]
    secrets: Option<Vec<GivenSetting>>,
    /// Of a space: variables, which its readers see.
    #[serde(default)]
    variables: Option<Vec<GivenSetting>>,
}

/// A file given with a new repository.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct GivenFile {
    /// `base64` or `utf-8`.
    #[serde(default)]
    encoding: String,
    path: String,
    content: String,
}

/// The repository that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Created {
    url: String,
    name: String,
    id: String,
}

/// Makes a repository with its first commit.
#[utoipa::path(post, path = "/api/repos/create", tag = "repositories", request_body = CreateRepo,
    responses((status = 200, body = Created), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody),
        (status = 403, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn create(State(app): State<App>, Who(caller): Who, Body(new): Body<CreateRepo>) -> Result<Json<Created>> {
    // Asked for first, so that an anonymous caller learns nothing from a bad name.
    caller.require_user()?;
    let invalid = |e: NameError| Error::invalid(format!("Invalid repository name '{}': {e}", new.name));
    let (namespace, name) = match new.name.split_once('/') {
        Some((ns, name)) => (Some(ns.to_owned()), name),
        None => (new.organization.clone(), new.name.as_str()),
    };
    let kind: RepoKind = match new.r#type.as_deref() {
        None => RepoKind::Model,
        Some(text) => text
            .parse()
            .map_err(|()| Error::invalid("Invalid option: \"type\" must be one of [model, dataset, space, kernel]"))?,
    };
    let visibility = super::settings::visibility(new.visibility.as_deref(), new.private)?;
    let mut files = Vec::new();
    for file in &new.files {
        let bytes = match file.encoding.as_str() {
            "base64" => base64::engine::general_purpose::STANDARD
                .decode(&file.content)
                .map_err(|_| Error::invalid(format!("The content of \"{}\" is not base64.", file.path)))?,
            "" | "utf-8" => file.content.clone().into_bytes(),
            other => return Err(Error::invalid(format!("Unknown encoding '{other}' for \"{}\".", file.path)).into()),
        };
        files.push((file.path.clone(), bytes));
    }
    let made = app
        .create_repo_with(
            &caller,
            NewRepo {
                kind,
                namespace: namespace.map(|ns| ns.parse().map_err(invalid)).transpose()?,
                name: name.parse().map_err(invalid)?,
                visibility,
                license: new.license.clone(),
                group: new.resource_group_id.clone(),
                sdk: new.sdk.clone(),
                files,
            },
            &given(new.secrets, new.variables),
        )
        .await?;
    let name = made.path.to_string();
    Ok(Json(Created { url: repo_url(&app, kind, &name), name, id: made.public_id }))
}
