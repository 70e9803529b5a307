//! `GET /api/{kind}/{ns}/{name}/tree/{rev}[/{path}]` and `POST …/paths-info/{rev}`

use axum::Json;
use axum::extract::{OriginalUri, Request, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::history::{Entry, EntryKind, TreeOptions};
use haina_types::{Code, Error, FilePath};
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::next_link;
use crate::error::Result;
use crate::request::{BODY_BYTES_MAX, Query, Target, Who, read_body};

/// Most paths of one question.
const PATHS_MAX: usize = 1000;

fn render(entry: &Entry, expand: bool) -> Value {
    let mut value = match entry.kind {
        EntryKind::Directory => json!({"type": "directory", "oid": entry.oid, "size": 0, "path": entry.path.as_str()}),
        // A submodule is another repository's commit: neither file nor folder here.
        EntryKind::Submodule => json!({"type": "submodule", "oid": entry.oid, "size": 0, "path": entry.path.as_str()}),
        EntryKind::File | EntryKind::Symlink => {
            json!({"type": "file", "oid": entry.oid, "size": entry.size, "path": entry.path.as_str()})
        }
    };
    if let Some(lfs) = &entry.lfs {
        value["lfs"] = json!({"oid": lfs.sha256, "size": lfs.size, "pointerSize": lfs.pointer_size});
    }
    if let Some(xet) = &entry.xet {
        value["xetHash"] = json!(xet);
    }
    if expand {
        value["lastCommit"] = match &entry.last_commit {
            Some(c) => json!({"id": c.id, "title": c.title, "date": c.date.to_string()}),
            None => Value::Null,
        };
        if entry.kind == EntryKind::File {
            // Nothing has scanned it, and that is what is said.
            value["securityFileStatus"] = json!({"status": "unscanned", "avScan": null, "pickleImportScan": null});
        }
    }
    value
}

/// Lists a folder.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/tree/{rev}/{path}", tag = "files",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path), ("path" = String, Path, description = "folder; the root when absent"),
        ("recursive" = Option<bool>, Query), ("expand" = Option<bool>, Query, description = "also the last commit of each entry"), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 404, body = crate::error::ErrorBody)))]
pub async fn tree(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.list_content(&caller, target.kind, &target.path).await?;
    let commit = app.resolve_revision(&access, &target.rev).await?;
    let folder = match target.file.as_deref().map(|f| f.trim_matches('/')).filter(|f| !f.is_empty()) {
        None => None,
        Some(text) => {
            let missing =
                || Error::new(Code::EntryNotFound, format!("\"{text}\" does not exist at this revision")).at(commit);
            Some(text.parse::<FilePath>().map_err(|_| missing())?)
        }
    };
    let options = TreeOptions {
        recursive: query.flag("recursive"),
        expand: query.flag("expand"),
        limit: query.number("limit")?,
        cursor: query.get("cursor").map(str::to_owned),
    };
    let page = app.list_tree(&access, commit, folder.as_ref(), &options).await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    let items: Vec<Value> = page.items.iter().map(|e| render(e, options.expand)).collect();
    Ok((headers, Json(items)).into_response())
}

#[derive(Deserialize)]
struct PathsInfo {
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    expand: bool,
}

/// What stands at each of the given paths; missing ones are left out. Takes a form or JSON.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/paths-info/{rev}", tag = "files",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path)),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 404, body = crate::error::ErrorBody)))]
pub async fn paths_info(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    request: Request,
) -> Result<Json<Vec<Value>>> {
    let access = app.list_content(&caller, target.kind, &target.path).await?;
    let is_json =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    let body = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    let asked: PathsInfo = if is_json {
        serde_json::from_slice(&body)
            .map_err(|e| Error::invalid(format!("The body is not the JSON expected here: {e}")))?
    } else {
        let mut asked = PathsInfo { paths: Vec::new(), expand: false };
        for (key, value) in form_urlencoded::parse(&body) {
            match &*key {
                "paths" | "paths[]" => asked.paths.push(value.into_owned()),
                "expand" => asked.expand = matches!(&*value, "true" | "True" | "1"),
                _ => {}
            }
        }
        asked
    };
    if asked.paths.len() > PATHS_MAX {
        return Err(Error::invalid(format!("At most {PATHS_MAX} paths may be asked at once.")).into());
    }
    let commit = app.resolve_revision(&access, &target.rev).await?;
    let entries = app.list_paths(&access, commit, &asked.paths, asked.expand).await?;
    Ok(Json(entries.iter().map(|e| render(e, asked.expand)).collect()))
}
