//! `GET /api/buckets/{ns}/{name}/tree[/{prefix}]` and `POST …/paths-info`

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::buckets::{BucketEntry, BucketFile, BucketTreeOptions};
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::target::Target;
use crate::answer::next_link;
use crate::error::{ErrorBody, Result};
use crate::request::{Body, Query, Who};

/// A file or a folder of a bucket.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Entry {
    /// A file.
    File {
        path: String,
        size: u64,
        /// The content's id in the content store; zeros for the empty file.
        xet_hash: String,
        /// When it was last changed, as its uploader says.
        #[serde(skip_serializing_if = "Option::is_none")]
        mtime: Option<String>,
        uploaded_at: String,
        /// As its uploader says.
        #[serde(skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    /// What paths make of their segments.
    Directory {
        path: String,
        /// When a file below it last came in.
        #[serde(skip_serializing_if = "Option::is_none")]
        uploaded_at: Option<String>,
    },
}

fn of_file(file: BucketFile) -> Entry {
    Entry::File {
        path: file.path,
        size: file.bytes,
        xet_hash: file.hash.to_string(),
        mtime: file.mtime.map(|t| t.to_string()),
        uploaded_at: file.uploaded_at.to_string(),
        content_type: file.content_type,
    }
}

fn of_entry(entry: BucketEntry) -> Entry {
    match entry {
        BucketEntry::File(file) => of_file(file),
        BucketEntry::Folder { path, uploaded_at } => {
            Entry::Directory { path, uploaded_at: uploaded_at.map(|t| t.to_string()) }
        }
    }
}

/// Files whose path begins with a prefix, in the order of their paths. With `recursive=false`, files and folders of
/// one level.
#[utoipa::path(get, path = "/api/buckets/{namespace}/{repo}/tree/{path}", tag = "buckets", operation_id = "list_bucket_tree",
    params(("namespace" = String, Path), ("repo" = String, Path), ("path" = String, Path, description = "prefix of paths; everything when absent"),
        ("recursive" = Option<bool>, Query, description = "true when absent"), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<Entry>, headers(("Link" = String, description = "the next page"))), (status = 404, body = ErrorBody)))]
pub async fn tree(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.read_bucket(&caller, &target.path(&caller)?).await?;
    let options = BucketTreeOptions {
        recursive: !matches!(query.get("recursive"), Some("false" | "False" | "0")),
        limit: query.number("limit")?,
        cursor: query.get("cursor").map(str::to_owned),
    };
    let page = app.list_bucket(&access, &target.rest, &options).await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    let items: Vec<Entry> = page.items.into_iter().map(of_entry).collect();
    Ok((headers, Json(items)).into_response())
}

/// Paths that are asked about.
#[derive(Deserialize, ToSchema)]
pub struct BucketPaths {
    /// At most 1000.
    paths: Vec<String>,
}

/// The files at the given paths; missing ones are left out.
#[utoipa::path(post, path = "/api/buckets/{namespace}/{repo}/paths-info", tag = "buckets", operation_id = "bucket_paths_info", request_body = BucketPaths,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = Vec<Entry>), (status = 404, body = ErrorBody)))]
pub async fn paths_info(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(asked): Body<BucketPaths>,
) -> Result<Json<Vec<Entry>>> {
    let access = app.read_bucket(&caller, &target.path(&caller)?).await?;
    let files = app.list_bucket_paths(&access, &asked.paths).await?;
    Ok(Json(files.into_iter().map(of_file).collect()))
}
