//! `/api/{kind}/{ns}/{name}/discussions`: discussions and pull requests.

use axum::Json;
use axum::extract::{Request, State};
use haina_app::App;
use haina_app::discussions::{
    Conflicts, Discussion, Earlier, EventKind, Kind, ListDiscussions, OpenState, Said, Status,
};
use haina_app::repos::Repo;
use haina_types::{Code, Error, Result as TypesResult, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::segment;
use crate::error::Result;
use crate::request::{BODY_BYTES_MAX, Body, Query, Thread, Who, read_body};

/// What is shown instead of a hidden comment.
const HIDDEN: &str = "This comment has been hidden";

fn person(app: &App, name: &str) -> Value {
    json!({"name": name, "type": "user", "avatarUrl": format!("{}/api/avatars/{}", app.base_url(), segment(name))})
}

/// Adds the author, unless that account is gone: then clients show it as deleted.
fn with_author(app: &App, mut value: Value, author: Option<&str>) -> Value {
    if let Some(name) = author {
        value["author"] = person(app, name);
    }
    value
}

fn render(app: &App, repo: &Repo, d: &Discussion) -> Value {
    let value = json!({
        "num": d.number,
        "title": d.title,
        "createdAt": d.created_at.to_string(),
        "status": d.status.as_str(),
        "isPullRequest": d.is_pull_request(),
        "numComments": d.comments,
        "pinned": false,
        "repo": {"name": repo.path().to_string(), "type": repo.kind.as_str()},
    });
    with_author(app, value, d.author.as_deref())
}

/// What a client names an event by.
fn event_id(id: i64) -> String {
    format!("{id:024x}")
}

fn text(app: &App, raw: &str, html: &str, at: Timestamp, author: Option<&str>) -> Value {
    with_author(app, json!({"raw": raw, "html": html, "updatedAt": at.to_string()}), author)
}

fn render_event(app: &App, said: &Said) -> Value {
    let event = &said.event;
    let author = event.author.as_deref();
    let (kind, data) = match &event.kind {
        EventKind::Comment { text: raw, edited, hidden } => {
            let (at, by) = match edited {
                Some(edited) => (edited.at, edited.by.as_deref()),
                None => (event.at, author),
            };
            let latest = match hidden {
                true => text(app, HIDDEN, &format!("<p>{HIDDEN}</p>"), at, by),
                false => text(app, raw, &said.html, at, by),
            };
            let earlier = |e: &Earlier| text(app, &e.text, &e.html, e.at, e.author.as_deref());
            let history: Vec<Value> = said.earlier.iter().map(earlier).collect();
            let data = json!({
                "edited": edited.is_some(),
                "hidden": hidden,
                "latest": latest,
                "numEdits": history.len(),
                "history": history,
            });
            ("comment", data)
        }
        EventKind::Status(status) => ("status-change", json!({"status": status.as_str()})),
        EventKind::Title { from, to } => ("title-change", json!({"from": from, "to": to})),
        EventKind::Commit { subject, oid } => ("commit", json!({"subject": subject, "oid": oid})),
    };
    let value = json!({"id": event_id(event.id), "type": kind, "createdAt": event.at.to_string(), "data": data});
    with_author(app, value, author)
}

/// Lists discussions and pull requests, newest first.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/discussions", tag = "discussions", operation_id = "discussions",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("p" = Option<u32>, Query, description = "page, from 0"),
        ("type" = Option<String>, Query, description = "all, discussion or pull_request"), ("status" = Option<String>, Query, description = "all, open (drafts among them) or closed (merged ones among them)"), ("author" = Option<String>, Query)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn list(State(app): State<App>, Who(caller): Who, target: Thread, query: Query) -> Result<Json<Value>> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    let kind = match query.get("type") {
        None | Some("" | "all") => Kind::All,
        Some("discussion") => Kind::Discussion,
        Some("pull_request") => Kind::PullRequest,
        Some(_) => {
            return Err(Error::invalid("\"type\" must be \"all\", \"discussion\" or \"pull_request\".").into());
        }
    };
    let state = match query.get("status") {
        None | Some("" | "all") => OpenState::All,
        Some("open") => OpenState::Open,
        Some("closed") => OpenState::Closed,
        Some(_) => return Err(Error::invalid("\"status\" must be \"all\", \"open\" or \"closed\".").into()),
    };
    let author = query.get("author").filter(|a| !a.is_empty()).map(str::to_owned);
    let asked = ListDiscussions { kind, state, author, page: query.number("p")?.unwrap_or(0) };
    let page = app.list_discussions(&access, &asked).await?;
    let items: Vec<Value> = page.items.iter().map(|d| render(&app, access.repo(), d)).collect();
    Ok(Json(json!({
        "count": page.count,
        "start": page.start,
        "discussions": items,
        "numOpenDiscussions": page.open,
        "numClosedDiscussions": page.closed,
    })))
}

/// A discussion to begin.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewDiscussion {
    title: String,
    /// The first comment, in Markdown.
    #[serde(default)]
    description: String,
    /// As a pull request: a draft on the head of the main branch, whose reference takes commits at once.
    #[serde(default)]
    pull_request: bool,
}

/// Begins a discussion, or a pull request as a draft.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions", tag = "discussions", operation_id = "discussion_create", request_body = NewDiscussion,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    target: Thread,
    Body(new): Body<NewDiscussion>,
) -> Result<Json<Value>> {
    let access = app.talk(&caller, target.kind, &target.path).await?;
    let number = match new.pull_request {
        true => app.create_pull_request(&access, &new.title, &new.description).await?,
        false => app.create_discussion(&access, &new.title, &new.description).await?,
    };
    let thread = app.discussion(&access.content(), number).await?;
    let mut answer = render(&app, access.repo(), &thread.discussion);
    answer["url"] = json!(page_url(&app, access.repo(), number));
    answer["pullRequest"] = json!(new.pull_request);
    Ok(Json(answer))
}

fn page_url(app: &App, repo: &Repo, number: i64) -> String {
    let repo = crate::answer::repo_url(app, repo.kind, &repo.path().to_string());
    format!("{repo}/discussions/{number}")
}

/// Shows a discussion with all that was said, and of a pull request its conflicts and, with `diff`, what it changes.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}", tag = "discussions", operation_id = "discussion",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path), ("diff" = Option<bool>, Query)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn show(State(app): State<App>, Who(caller): Who, target: Thread, query: Query) -> Result<Json<Value>> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    let thread = app.discussion(&access, target.number).await?;
    let d = &thread.discussion;
    let mut answer = render(&app, access.repo(), d);
    answer["url"] = json!(page_url(&app, access.repo(), d.number));
    answer["events"] = thread.events.iter().map(|said| render_event(&app, said)).collect();
    if let Some(base) = &d.base {
        answer["changes"] = json!({"base": base.as_str()});
        if let Some(commit) = &d.merge_commit {
            answer["changes"]["mergeCommitId"] = json!(commit);
        }
        answer["filesWithConflicts"] = match &*app.pull_conflicts(&access, d).await? {
            Conflicts::Files(files) => json!(files),
            Conflicts::Unknown => json!(true),
        };
        if query.flag("diff") {
            answer["diff"] = json!(app.pull_diff(&access, d).await?.to_text());
        }
    }
    Ok(Json(answer))
}

/// A comment to add.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewComment {
    /// In Markdown.
    comment: String,
}

/// Adds a comment.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}/comment", tag = "discussions", operation_id = "discussion_comment", request_body = NewComment,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 413, body = crate::error::ErrorBody)))]
pub async fn comment(
    State(app): State<App>,
    Who(caller): Who,
    target: Thread,
    Body(new): Body<NewComment>,
) -> Result<Json<Value>> {
    let access = app.talk(&caller, target.kind, &target.path).await?;
    let said = app.comment(&access, target.number, &new.comment).await?;
    Ok(Json(json!({"newMessage": render_event(&app, &said)})))
}

/// A new title.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewTitle {
    title: String,
}

/// Renames a discussion.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}/title", tag = "discussions", operation_id = "discussion_rename", request_body = NewTitle,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn rename(
    State(app): State<App>,
    Who(caller): Who,
    target: Thread,
    Body(new): Body<NewTitle>,
) -> Result<Json<Value>> {
    let access = app.talk(&caller, target.kind, &target.path).await?;
    let said = app.rename_discussion(&access, target.number, &new.title).await?;
    Ok(Json(json!({"newTitle": render_event(&app, &said)})))
}

/// A new state.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewStatus {
    /// `open` or `closed`.
    status: String,
    /// Said with it.
    comment: Option<String>,
}

/// Opens or closes a discussion. A draft that is opened asks for review.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}/status", tag = "discussions", operation_id = "discussion_status", request_body = NewStatus,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn status(
    State(app): State<App>,
    Who(caller): Who,
    target: Thread,
    Body(new): Body<NewStatus>,
) -> Result<Json<Value>> {
    let access = app.talk(&caller, target.kind, &target.path).await?;
    let to: Status = new.status.parse().map_err(|()| Error::invalid("\"status\" must be \"open\" or \"closed\"."))?;
    let said = app.set_discussion_status(&access, target.number, to, new.comment.as_deref()).await?;
    Ok(Json(json!({"newStatus": render_event(&app, &said)})))
}

/// How to merge.
#[derive(Default, Deserialize, utoipa::ToSchema)]
pub struct Merge {
    /// Said with it.
    comment: Option<String>,
}

/// A body that clients may leave out, or send as `null`.
async fn optional<T: Default + serde::de::DeserializeOwned>(request: Request) -> TypesResult<T> {
    let body = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    let value: Option<T> = serde_json::from_slice(&body)
        .map_err(|e| Error::invalid(format!("The body is not the JSON expected here: {e}")))?;
    Ok(value.unwrap_or_default())
}

/// Merges a pull request: one commit on the branch that it is for.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}/merge", tag = "discussions", operation_id = "pull_request_merge", request_body = Merge,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody, description = "Conflicts, which the message lists, or not open")))]
pub async fn merge(State(app): State<App>, Who(caller): Who, target: Thread, request: Request) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let asked: Merge = optional(request).await?;
    let commit = app.merge_pull_request(&access, target.number, asked.comment.as_deref()).await?;
    Ok(Json(json!({"status": "merged", "mergeCommitId": commit})))
}

/// A comment's new text.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewContent {
    /// In Markdown.
    content: String,
}

/// Changes a comment. What it said before stays visible.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}/comment/{event}/edit", tag = "discussions", operation_id = "discussion_comment_edit", request_body = NewContent,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path), ("event" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn edit(
    State(app): State<App>,
    Who(caller): Who,
    target: Thread,
    Body(new): Body<NewContent>,
) -> Result<Json<Value>> {
    let access = app.talk(&caller, target.kind, &target.path).await?;
    let said = app.edit_comment(&access, target.number, event_of(&target)?, &new.content).await?;
    Ok(Json(json!({"updatedComment": render_event(&app, &said)})))
}

/// Hides a comment, for good.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/discussions/{num}/comment/{event}/hide", tag = "discussions", operation_id = "discussion_comment_hide",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("num" = u32, Path), ("event" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn hide(State(app): State<App>, Who(caller): Who, target: Thread) -> Result<Json<Value>> {
    let access = app.talk(&caller, target.kind, &target.path).await?;
    let said = app.hide_comment(&access, target.number, event_of(&target)?).await?;
    Ok(Json(json!({"updatedComment": render_event(&app, &said)})))
}

/// The event that a path names.
fn event_of(target: &Thread) -> TypesResult<i64> {
    let text = target.event.as_str();
    let missing = || Error::new(Code::NotFound, "There is no such comment in this discussion.");
    let good = text.len() == 24 && text.bytes().all(|c| c.is_ascii_hexdigit());
    let id = good.then(|| i64::from_str_radix(text, 16).ok()).flatten();
    id.ok_or_else(missing)
}
