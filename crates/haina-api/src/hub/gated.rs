//! Access to gated content: `…/auth-check`, `…/user-access-request/…`, `/{ns}/{name}/ask-access`,
//! `/{ns}/{name}/user-access-report`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{OriginalUri, RawPathParams, Request, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::requests::{AccessRequest, Status, Which};
use haina_types::{Code, Error, Slug};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::next_link;
use crate::error::Result;
use crate::request::{BODY_BYTES_MAX, Body, Query, Target, Who, read_body};

/// Whether the caller may read the content.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/auth-check", tag = "access",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn auth_check(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    app.read_content(&caller, target.kind, &target.path).await?;
    Ok(Json(json!({})))
}

/// Whether the caller may change the content.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/auth-check/write", tag = "access",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn auth_check_write(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    app.write(&caller, target.kind, &target.path).await?;
    Ok(Json(json!({})))
}

fn render(app: &App, request: &AccessRequest) -> Value {
    let name = request.user.as_str();
    let mut user = json!({
        "user": name,
        "fullname": request.full_name,
        "type": "user",
        "isPro": false,
        "avatarUrl": format!("{}/api/avatars/{name}", app.base_url()),
    });
    // Whoever was let in unasked has shared nothing.
    if let Some(email) = request.email.as_ref().filter(|_| !request.by_hand) {
        user["email"] = json!(email);
    }
    let mut value = json!({
        "requestId": request.public_id,
        "user": user,
        "status": request.status.as_str(),
        "timestamp": request.created_at.to_string(),
    });
    if let Some(fields) = request.fields.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()) {
        value["fields"] = fields;
    }
    if let Some(reason) = &request.reason {
        value["rejectionReason"] = json!(reason);
    }
    if let Some(at) = request.decided_at {
        value["decidedAt"] = json!(at.to_string());
    }
    value
}

/// Requests for access, by what came of them.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/user-access-request/{status}", tag = "access", operation_id = "access_requests",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("status" = String, Path, description = "pending, accepted or rejected"),
        ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 400, body = crate::error::ErrorBody),
        (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn list(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    params: RawPathParams,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let status = params.iter().find(|(key, _)| *key == "status").and_then(|(_, text)| text.parse().ok());
    let status: Status = status
        .ok_or_else(|| Error::new(Code::NotFound, "Access requests are listed as pending, accepted or rejected."))?;
    let page = app.list_requests(&access, status, query.get("cursor"), query.number("limit")?).await?;
    let mut headers = HeaderMap::new();
    if let Some(link) = page.next.and_then(|next| next_link(&app, uri.path(), &query, &next)) {
        headers.insert(header::LINK, link);
    }
    let items: Vec<Value> = page.items.iter().map(|r| render(&app, r)).collect();
    Ok((headers, Json(items)).into_response())
}

/// A decision.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Handle {
    /// Whose request; or `requestId`.
    user: Option<String>,
    /// Which request; or `user`.
    request_id: Option<String>,
    /// `pending`, `accepted` or `rejected`.
    status: String,
    /// Why it is rejected.
    rejection_reason: Option<String>,
}

fn user(name: &str) -> Result<Slug> {
    // A name that cannot be is one that is not there.
    Ok(name.parse().map_err(|_| Error::new(Code::NotFound, "There is no such user."))?)
}

/// Accepts or rejects a request, or lets it wait again.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/user-access-request/handle", tag = "access", operation_id = "handle_access_request", request_body = Handle,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn handle(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<Handle>,
) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let which = match (&body.user, body.request_id) {
        (Some(name), None) => Which::Of(user(name)?),
        (None, Some(id)) => Which::Id(id),
        _ => return Err(Error::invalid("Give either \"user\" or \"requestId\".").into()),
    };
    let status = body
        .status
        .parse()
        .map_err(|()| Error::invalid("Invalid option: \"status\" must be one of [pending, accepted, rejected]"))?;
    app.decide_request(&access, &which, status, body.rejection_reason.as_deref()).await?;
    Ok(Json(json!({})))
}

/// Whom to let in.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Grant {
    user: String,
}

/// Gives access to a user, whether they asked or not.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/user-access-request/grant", tag = "access", operation_id = "grant_access", request_body = Grant,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn grant(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<Grant>,
) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let made = app.grant_access(&access, &user(&body.user)?).await?;
    Ok(Json(render(&app, &made)))
}

/// Takes back the caller's own request, as long as nobody has decided it.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/user-access-request/cancel", tag = "access", operation_id = "withdraw_access_request",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn withdraw(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    app.withdraw_request(&caller, target.kind, &target.path).await?;
    Ok(Json(json!({})))
}

/// Asks for access to a gated repository. The body is a form or JSON: the answers, by the label of each field.
#[utoipa::path(post, path = "/{namespace}/{repo}/ask-access", tag = "access", operation_id = "ask_access",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 409, body = crate::error::ErrorBody)))]
pub async fn ask(State(app): State<App>, Who(caller): Who, target: Target, request: Request) -> Result<Json<Value>> {
    let is_json =
        request.headers().get(header::CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    let body = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    let answers: BTreeMap<String, String> = if is_json {
        let fields: BTreeMap<String, Value> = serde_json::from_slice(&body)
            .map_err(|e| Error::invalid(format!("The body is not the JSON expected here: {e}")))?;
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        fields.into_iter().map(|(label, value)| (label, text(value))).collect()
    } else {
        form_urlencoded::parse(&body).into_owned().collect()
    };
    let status = app.ask_access(&caller, target.kind, &target.path, &answers).await?;
    Ok(Json(json!({"status": status.as_str()})))
}

/// All requests for access, as comma-separated values.
#[utoipa::path(get, path = "/{namespace}/{repo}/user-access-report", tag = "access", operation_id = "access_report",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, content_type = "text/csv"), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn report(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Response> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let text = app.request_report(&access).await?;
    let name = format!("attachment; filename=\"{}-access.csv\"", access.repo().name);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&name).map_err(Error::internal)?),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, text).into_response())
}
