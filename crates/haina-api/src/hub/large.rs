//! Large files as a whole: `…/lfs-files`, `…/lfs-files/batch`, `…/lfs-files/duplicate`; and `…/super-squash/{rev}`

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_types::{Code, Error, RepoKind, RepoPath, Sha256, XetHash};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::next_link;
use crate::error::Result;
use crate::request::{Body, Query, Target, Who};

/// Most files of one copy.
const COPIES_MAX: usize = 500;

/// Large files that were ever pushed and are still here, each once, on all references.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/lfs-files", tag = "files", operation_id = "lfs_files",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let page = app.list_large_files(&access, query.get("cursor"), query.number("limit")?).await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|f| {
            json!({
                "fileOid": f.sha256,
                "oid": f.blob,
                // What no reference leads to has no name any more.
                "filename": f.path.clone().unwrap_or_else(|| f.sha256.to_string()),
                "ref": f.reference.as_ref().map(|r| r.as_str()),
                "pushedAt": f.pushed_at.to_string(),
                "size": f.size,
            })
        })
        .collect();
    Ok((headers, Json(items)).into_response())
}

/// What to delete.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Batch {
    deletions: Deletions,
}

/// Large files to delete for good.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletions {
    /// SHA-256 of each.
    sha: Vec<String>,
    /// Take them out of every commit, too.
    #[serde(default)]
    rewrite_history: bool,
}

fn sha256(field: &str, text: &str) -> Result<Sha256> {
    Ok(text.parse().map_err(|_| Error::invalid(format!("\"{field}\": '{text}' is not a SHA-256.")))?)
}

/// Deletes large files for good, and if asked takes them out of the whole history.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/lfs-files/batch", tag = "files", operation_id = "delete_lfs_files", request_body = Batch,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn batch(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<Batch>,
) -> Result<Json<Value>> {
    let access = app.administer(&caller, target.kind, &target.path).await?;
    let files = body.deletions.sha.iter().map(|text| sha256("sha", text)).collect::<Result<Vec<_>>>()?;
    let deleted = app.delete_large_files(&access, &files, body.deletions.rewrite_history).await?;
    Ok(Json(json!({"deleted": deleted})))
}

/// Which files to make available where.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct CopyFiles {
    target: CopyTarget,
    files: Vec<CopyFile>,
}

/// The repository that will refer to them.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct CopyTarget {
    r#type: Option<String>,
    /// `namespace/name`
    name: String,
}

/// A large file of the source.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CopyFile {
    xet_hash: String,
    sha256: String,
    /// For messages only.
    #[serde(default)]
    filename: String,
}

/// Lets a commit in another repository refer to large files of this one, without uploading them again.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/lfs-files/duplicate", tag = "files", operation_id = "copy_lfs_files", request_body = CopyFiles,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn copy(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<CopyFiles>,
) -> Result<Json<Value>> {
    let from = app.read_content(&caller, target.kind, &target.path).await?;
    let not_found = || Error::new(Code::RepoNotFound, "Repository not found");
    let kind: RepoKind = body.target.r#type.as_deref().unwrap_or("model").parse().map_err(|()| not_found())?;
    let path: RepoPath = body.target.name.parse().map_err(|_| not_found())?;
    let to = app.write(&caller, kind, &path).await?;
    if body.files.len() > COPIES_MAX {
        return Err(Error::invalid(format!("\"files\": at most {COPIES_MAX} are copied at once.")).into());
    }
    let mut files = Vec::with_capacity(body.files.len());
    for file in &body.files {
        let xet: XetHash = file.xet_hash.parse().map_err(|_| {
            Error::invalid(format!("\"xetHash\" of \"{}\": '{}' is not one.", file.filename, file.xet_hash))
        })?;
        files.push((sha256("sha256", &file.sha256)?, xet));
    }
    let copied = app.copy_large_files(&from, &to, &files).await?;
    let failed: Vec<Value> = copied
        .iter()
        .filter_map(|c| c.error.as_ref().map(|error| json!({"sha256": c.sha256, "error": error})))
        .collect();
    Ok(Json(json!({"failed": failed})))
}

/// The message of the one commit that is left.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Squash {
    message: Option<String>,
}

/// Puts one commit with the same files in place of a branch's history.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/super-squash/{rev}", tag = "commits", operation_id = "super_squash", request_body = Squash,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path, description = "a branch or refs/pr/N, percent-encoded")),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn squash(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<Squash>,
) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let message = body.message.unwrap_or_else(|| format!("Super-squash branch '{}'", target.rev));
    app.squash_history(&access, &target.rev, &message).await?;
    Ok(Json(json!({})))
}
