//! `/api/buckets/{ns}` and `/api/buckets/{ns}/{name}`: making, describing, listing, changing, deleting

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::buckets::{BucketInfo, NewBucket};
use haina_types::{Code, Error, Result as TypesResult, Visibility};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use super::target::{Target, namespace};
use crate::answer::next_link;
use crate::error::{ApiError, ErrorBody, Result};
use crate::request::{Body, Query, Who};

/// A bucket to make. Keys that only a hosted hub can honour (region) are ignored.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct CreateBucket {
    /// `public` or `private`.
    visibility: Option<String>,
    /// The other form of `visibility`.
    private: Option<bool>,
    /// A resource group of the organization.
    #[serde(rename = "resourceGroupId")]
    resource_group_id: Option<String>,
}

/// The bucket that was made.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CreatedBucket {
    /// Its page.
    url: String,
    /// `namespace/name`.
    name: String,
    id: String,
}

/// A bucket.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    _id: String,
    /// `namespace/name`.
    id: String,
    author: String,
    private: bool,
    #[schema(value_type = String)]
    visibility: Visibility,
    created_at: String,
    /// When its files or settings last changed.
    updated_at: String,
    /// Bytes of all files.
    size: u64,
    total_files: u64,
}

impl From<BucketInfo> for Described {
    fn from(info: BucketInfo) -> Self {
        Self {
            _id: info.public_id,
            id: info.path.to_string(),
            author: info.path.namespace.to_string(),
            private: info.visibility == Visibility::Private,
            visibility: info.visibility,
            created_at: info.created_at.to_string(),
            updated_at: info.updated_at.to_string(),
            size: info.bytes,
            total_files: info.files,
        }
    }
}

fn visibility(text: Option<&str>, private: Option<bool>) -> TypesResult<Option<Visibility>> {
    match (text, private) {
        (Some(text), _) => text
            .parse()
            .map(Some)
            .map_err(|()| Error::invalid("Invalid option: \"visibility\" must be one of [public, private]")),
        (None, Some(true)) => Ok(Some(Visibility::Private)),
        (None, Some(false)) => Ok(Some(Visibility::Public)),
        (None, None) => Ok(None),
    }
}

/// Makes an empty bucket; `me` stands for the caller's own namespace.
#[utoipa::path(post, path = "/api/buckets/{namespace}/{repo}", tag = "buckets", operation_id = "create_bucket", request_body = CreateBucket,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = CreatedBucket), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(new): Body<CreateBucket>,
) -> Result<Json<CreatedBucket>> {
    // Asked for first, so that an anonymous caller learns nothing from a bad name.
    caller.require_user()?;
    let path = target.new_path(&caller)?;
    let visibility = visibility(new.visibility.as_deref(), new.private)?;
    let new = NewBucket { namespace: Some(path.namespace), name: path.name, visibility, group: new.resource_group_id };
    let made = app.create_bucket(&caller, new).await?;
    let name = made.path.to_string();
    Ok(Json(CreatedBucket { url: app.bucket_url(&made.path), name, id: made.public_id }))
}

/// Describes a bucket.
#[utoipa::path(get, path = "/api/buckets/{namespace}/{repo}", tag = "buckets", operation_id = "bucket_info",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = Described), (status = 404, body = ErrorBody)))]
pub async fn info(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Described>> {
    let access = app.read_bucket(&caller, &target.path(&caller)?).await?;
    Ok(Json(app.bucket_info(&access).await?.into()))
}

/// Deletes a bucket and all its files.
#[utoipa::path(delete, path = "/api/buckets/{namespace}/{repo}", tag = "buckets", operation_id = "delete_bucket",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<serde_json::Value>> {
    let access = app.administer_bucket(&caller, &target.path(&caller)?).await?;
    app.delete_bucket(&access).await?;
    Ok(Json(serde_json::json!({})))
}

/// Buckets of a user or an organization that the caller may know, by name; `me` stands for the caller.
#[utoipa::path(get, path = "/api/buckets/{namespace}", tag = "buckets", operation_id = "list_buckets",
    params(("namespace" = String, Path), ("search" = Option<String>, Query, description = "part of the name"),
        ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<Described>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    Who(caller): Who,
    Path(text): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let missing = || Error::new(Code::NotFound, "There is no such user or organization.");
    let namespace = namespace(&text, &caller)?.ok_or_else(missing)?;
    let search = query.get("search").unwrap_or_default();
    let page = app.list_buckets(&caller, &namespace, search, query.number("limit")?, query.get("cursor")).await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    let items: Vec<Described> = page.items.into_iter().map(Into::into).collect();
    Ok((headers, Json(items)).into_response())
}

/// A bucket's id has two segments: one alone names nothing that could be deleted.
#[utoipa::path(delete, path = "/api/buckets/{namespace}", tag = "buckets", operation_id = "delete_bucket_without_namespace",
    params(("namespace" = String, Path)), responses((status = 404, body = ErrorBody)))]
pub async fn delete_nothing(_: Who) -> ApiError {
    Error::new(Code::RepoNotFound, "Repository not found").into()
}

/// What is to be changed.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct BucketSettings {
    private: Option<bool>,
    /// The other form of `private`: `public` or `private`.
    visibility: Option<String>,
}

/// What is so now.
#[derive(Serialize, utoipa::ToSchema)]
pub struct BucketSettingsNow {
    private: bool,
}

/// Changes who may know of a bucket.
#[utoipa::path(put, path = "/api/buckets/{namespace}/{repo}/settings", tag = "buckets", operation_id = "change_bucket_settings", request_body = BucketSettings,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = BucketSettingsNow), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn settings(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(change): Body<BucketSettings>,
) -> Result<Json<BucketSettingsNow>> {
    let access = app.administer_bucket(&caller, &target.path(&caller)?).await?;
    let visibility = visibility(change.visibility.as_deref(), change.private)?;
    if let Some(visibility) = visibility {
        app.set_bucket_visibility(&access, visibility).await?;
    }
    let now = visibility.unwrap_or(access.repo().visibility);
    Ok(Json(BucketSettingsNow { private: now == Visibility::Private }))
}
