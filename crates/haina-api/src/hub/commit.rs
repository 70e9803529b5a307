//! `POST /api/{kind}/{ns}/{name}/preupload/{rev}` and `…/commit/{rev}`

use axum::Json;
use axum::extract::{Request, State};
use base64::Engine;
use haina_app::gate::PushAccess;
use haina_app::history::{CommitHeader, CommitWriter, PreuploadFile, UploadMode};
use haina_app::{App, Caller};
use haina_types::{Error, Result as TypesResult, Revision, Sha256};
use serde::{Deserialize, Serialize};

use crate::answer::repo_url;
use crate::error::Result;
use crate::lines::{Limits, Lines};
use crate::request::{Body, Query, Target, Who};

/// Most files of one preupload question.
const PREUPLOAD_FILES_MAX: usize = 1000;
/// A line may hold a file of 10 MiB as base64, and its path.
const LIMITS: Limits = Limits {
    what: "commit",
    line_bytes: 15 << 20,
    body_bytes: 4 << 30,
    advice: ": files over 10 MiB go through the content store",
};

/// Files about to be uploaded.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preupload {
    files: Vec<PreuploadItem>,
    /// Ignore rules that replace the repository's own.
    git_ignore: Option<String>,
    /// Attributes that replace the repository's own.
    git_attributes: Option<String>,
}

/// One of them.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct PreuploadItem {
    path: String,
    #[serde(default)]
    size: u64,
    /// Base64 of the first bytes, at most 512.
    #[serde(default)]
    sample: String,
}

/// How each file should travel.
#[derive(Serialize, utoipa::ToSchema)]
pub struct PreuploadDone {
    files: Vec<Advice>,
}

/// How one file should travel.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Advice {
    path: String,
    /// `regular` (inside the commit) or `lfs` (through the content store).
    upload_mode: &'static str,
    should_ignore: bool,
    /// What is at that path now.
    oid: Option<String>,
}

/// What a request that leads to a commit may do: propose, when it says so or names a pull request; else write.
pub(super) async fn proposal_or_write(
    app: &App,
    caller: &Caller,
    target: &Target,
    query: &Query,
) -> TypesResult<PushAccess> {
    if query.flag("create_pr") {
        return app.talk(caller, target.kind, &target.path).await.map(PushAccess::Talk);
    }
    if app.is_pull(&target.rev) {
        return app.pull_access(caller, target.kind, &target.path, &target.rev).await.map(PushAccess::Talk);
    }
    app.write(caller, target.kind, &target.path).await.map(PushAccess::Write)
}

/// Advises how files should travel, before they are uploaded.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/preupload/{rev}", tag = "commits", request_body = Preupload,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path), ("create_pr" = Option<bool>, Query)),
    responses((status = 200, body = PreuploadDone), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn preupload(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    query: Query,
    Body(asked): Body<Preupload>,
) -> Result<Json<PreuploadDone>> {
    let access = proposal_or_write(&app, &caller, &target, &query).await?;
    if asked.files.len() > PREUPLOAD_FILES_MAX {
        return Err(Error::invalid(format!("At most {PREUPLOAD_FILES_MAX} files may be asked at once.")).into());
    }
    let files = asked.files.into_iter().map(|f| PreuploadFile {
        // The sample only helps to tell text from bytes: a bad one tells nothing.
        sample: base64::engine::general_purpose::STANDARD.decode(&f.sample).unwrap_or_default(),
        path: f.path,
        size: f.size,
    });
    let answers = app
        .preupload(
            &access.content(),
            &target.rev,
            files.collect(),
            asked.git_attributes.as_deref(),
            asked.git_ignore.as_deref(),
        )
        .await?;
    let files = answers.into_iter().map(|a| Advice {
        path: a.path,
        upload_mode: match a.mode {
            UploadMode::Regular => "regular",
            UploadMode::Lfs => "lfs",
        },
        should_ignore: a.ignored,
        oid: a.oid,
    });
    Ok(Json(PreuploadDone { files: files.collect() }))
}

/// One line of a commit.
#[derive(Deserialize)]
struct Line {
    key: String,
    value: serde_json::Value,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    summary: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(rename = "parentCommit")]
    parent_commit: Option<String>,
}

#[derive(Deserialize)]
struct File {
    path: String,
    content: String,
    #[serde(default)]
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct LfsFile {
    path: String,
    #[serde(default)]
    algo: Option<String>,
    oid: String,
    size: Option<u64>,
}

#[derive(Deserialize)]
struct Deleted {
    path: String,
}

/// The commit that was made.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Committed {
    success: bool,
    commit_oid: String,
    commit_url: String,
    /// The pull request that was opened with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request_url: Option<String>,
    hook_output: String,
}

fn value<T: serde::de::DeserializeOwned>(key: &str, value: serde_json::Value) -> TypesResult<T> {
    serde_json::from_value(value).map_err(|e| Error::invalid(format!("Invalid \"{key}\" in the commit: {e}")))
}

/// A line as JSON. Large contents are parsed off the async threads.
async fn parse(line: Vec<u8>) -> TypesResult<Line> {
    let parse = move || {
        serde_json::from_slice::<Line>(&line)
            .map_err(|e| Error::invalid(format!("A line of the commit is not the JSON expected here: {e}")))
    };
    tokio::task::spawn_blocking(parse).await.map_err(Error::internal)?
}

/// Makes a commit. The body is NDJSON: a `header` line, then `file`, `lfsFile`, `deletedFile`, `deletedFolder` and
/// `deletedEntry` lines; all or nothing. With `create_pr` it opens a pull request for the branch; everyone who may read
/// the content may do that.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/commit/{rev}", tag = "commits",
    request_body(content = String, content_type = "application/x-ndjson"),
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path, description = "a branch, or refs/pr/N"), ("create_pr" = Option<bool>, Query)),
    responses((status = 200, body = Committed), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody),
        (status = 412, body = crate::error::ErrorBody), (status = 422, body = crate::error::ErrorBody)))]
pub async fn commit(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    query: Query,
    request: Request,
) -> Result<Json<Committed>> {
    let access = proposal_or_write(&app, &caller, &target, &query).await?;
    let mut lines = Lines::new(request.into_body(), LIMITS);
    let writer = begin(&app, &access, &target.rev, query.flag("create_pr"), &mut lines).await?;
    let writer = fill(writer, &mut lines).await?;
    let done = writer.finish().await?;
    let repo = access.repo();
    let url = repo_url(&app, repo.kind, &repo.path().to_string());
    Ok(Json(Committed {
        success: true,
        commit_oid: done.id.to_string(),
        commit_url: format!("{url}/commit/{}", done.id),
        pull_request_url: done.opened.map(|number| format!("{url}/discussions/{number}")),
        hook_output: String::new(),
    }))
}

async fn begin(
    app: &App,
    access: &PushAccess,
    rev: &Revision,
    opens: bool,
    lines: &mut Lines,
) -> TypesResult<CommitWriter> {
    let no_header = || Error::invalid("The first line of a commit must be its \"header\".");
    let first = parse(lines.next().await?.ok_or_else(no_header)?).await?;
    if first.key != "header" {
        return Err(no_header());
    }
    let header: Header = value("header", first.value)?;
    let header = CommitHeader {
        summary: header.summary,
        description: header.description.unwrap_or_default(),
        parent: header.parent_commit,
    };
    match access {
        PushAccess::Write(access) => app.begin_commit(access, rev, header).await,
        PushAccess::Talk(access) if opens => app.begin_new_pull(access, rev, header).await,
        PushAccess::Talk(access) => app.begin_pull_commit(access, rev, header).await,
    }
}

async fn fill(mut writer: CommitWriter, lines: &mut Lines) -> TypesResult<CommitWriter> {
    while let Some(line) = lines.next().await? {
        let line = parse(line).await?;
        match line.key.as_str() {
            "file" => {
                let file: File = value("file", line.value)?;
                let bytes = match file.encoding.as_deref() {
                    Some("base64") => base64::engine::general_purpose::STANDARD
                        .decode(&file.content)
                        .map_err(|_| Error::invalid(format!("The content of \"{}\" is not base64.", file.path)))?,
                    None | Some("utf-8") => file.content.into_bytes(),
                    Some(other) => {
                        return Err(Error::invalid(format!("Unknown encoding '{other}' for \"{}\".", file.path)));
                    }
                };
                writer.put_file(&file.path, bytes).await?;
            }
            "lfsFile" => {
                let file: LfsFile = value("lfsFile", line.value)?;
                if file.algo.as_deref().is_some_and(|a| a != "sha256") {
                    return Err(Error::invalid(format!("\"{}\": the only algorithm is sha256.", file.path)));
                }
                let sha256: Sha256 =
                    file.oid.parse().map_err(|e| Error::invalid(format!("\"{}\": oid: {e}", file.path)))?;
                writer.put_large(&file.path, sha256, file.size).await?;
            }
            "deletedFile" => writer.delete_file(&value::<Deleted>("deletedFile", line.value)?.path)?,
            "deletedFolder" => writer.delete_folder(&value::<Deleted>("deletedFolder", line.value)?.path)?,
            "deletedEntry" => writer.delete_entry(&value::<Deleted>("deletedEntry", line.value)?.path)?,
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(Error::invalid(format!("Unknown operation \"{other}\" in the commit.")));
            }
        }
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeded nonsense: every line is an error or a known operation, and nothing panics.
    #[tokio::test]
    async fn nonsense_lines_are_refused() {
        let good = br#"{"key":"file","value":{"path":"a","content":"aGk=","encoding":"base64"}}"#;
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..5000 {
            let mut line = good.to_vec();
            for _ in 0..4 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let at = (seed >> 33) as usize % line.len();
                match seed % 3 {
                    0 => line[at] = (seed >> 20) as u8,
                    1 => {
                        line.remove(at);
                    }
                    _ => line.insert(at, (seed >> 20) as u8),
                }
            }
            if let Ok(parsed) = serde_json::from_slice::<Line>(&line)
                && parsed.key == "file"
            {
                // Whatever still parses is a file with a path; the path's own rules come after.
                if let Ok(file) = value::<File>("file", parsed.value) {
                    assert!(file.path.len() <= line.len());
                }
            }
        }
    }
}
