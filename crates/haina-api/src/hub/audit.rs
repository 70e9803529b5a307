//! The audit log: what the ledger says of a repository, an organization, an account, or all of the hub.

use axum::Json;
use axum::body::Body;
use axum::extract::{OriginalUri, Path, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::audit::{AuditQuery, Form, parse_moment};
use haina_app::gate::AuditAccess;
use haina_types::{Code, Error, RepoKind, Slug, Timestamp};
use http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use crate::answer::next_link;
use crate::error::Result;
use crate::request::{Query, Target, Who};

fn moment(query: &Query, key: &str) -> Result<Option<Timestamp>> {
    match query.get(key).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => Ok(Some(parse_moment(text).ok_or_else(|| {
            Error::invalid(format!(
                "\"{key}\" must be a date such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z"
            ))
        })?)),
    }
}

fn audit_query(query: &Query) -> Result<AuditQuery> {
    let text = |key: &str| query.get(key).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(AuditQuery {
        actor: text("actor"),
        action: text("action"),
        target: text("target"),
        since: moment(query, "since")?,
        until: moment(query, "until")?,
        limit: query.number("limit")?,
        cursor: text("cursor"),
    })
}

async fn export(app: &App, access: &AuditAccess, query: &AuditQuery, form: Form) -> Result<Response> {
    let (content_type, name) = match form {
        Form::Lines => ("application/x-ndjson", "attachment; filename=\"audit-log.jsonl\""),
        Form::Array => ("application/json", "attachment; filename=\"audit-log.json\""),
        Form::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit-log.csv\""),
    };
    let stream = app.export_audit(access, query, form).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

async fn answer(app: &App, access: &AuditAccess, uri: &OriginalUri, query: &Query) -> Result<Response> {
    let asked = audit_query(query)?;
    match query.get("format") {
        None | Some("" | "json") => {}
        Some("jsonl") => return export(app, access, &asked, Form::Lines).await,
        Some("csv") => return export(app, access, &asked, Form::Csv).await,
        Some(_) => return Err(Error::invalid("\"format\" must be json (pages), jsonl or csv (all of it)").into()),
    }
    let page = app.audit(access, &asked).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(link) = page.next.and_then(|next| next_link(app, uri.path(), query, &next)) {
        headers.insert(header::LINK, link);
    }
    Ok((headers, Json(page.items.iter().map(|event| serde_json::json!(event)).collect::<Vec<Value>>())).into_response())
}

async fn of_organization(app: &App, who: &Who, name: &str) -> Result<AuditAccess> {
    let name: Slug = name.parse().map_err(|_| Error::new(Code::NotFound, "There is no such organization."))?;
    Ok(app.audit_namespace(&who.0, &name).await?)
}

/// Everything that happened, newest first. For administrators of the hub.
#[utoipa::path(get, path = "/api/audit-log", tag = "service", operation_id = "audit_log",
    params(("actor" = Option<String>, Query, description = "who did it"),
        ("action" = Option<String>, Query, description = "what, such as repo.create; repo.* for all that begin so"),
        ("target" = Option<String>, Query, description = "to what: namespace/name, datasets/namespace/name, buckets/namespace/name, repo:N by its number in the ledger, or namespace"),
        ("since" = Option<String>, Query, description = "from this date or moment on"), ("until" = Option<String>, Query, description = "before this date or moment"),
        ("format" = Option<String>, Query, description = "json for pages; jsonl or csv for all of it, as a stream"),
        ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody)))]
pub async fn all(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    let access = app.audit_all(&who.0).await?;
    answer(&app, &access, &uri, &query).await
}

/// What happened to the caller's own account and repositories, newest first. The parameters are those of `/api/audit-log`.
#[utoipa::path(get, path = "/api/settings/audit-log", tag = "people", operation_id = "own_audit_log",
    params(("actor" = Option<String>, Query), ("action" = Option<String>, Query), ("target" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("format" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String))), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody)))]
pub async fn own(State(app): State<App>, who: Who, uri: OriginalUri, query: Query) -> Result<Response> {
    let name = who.0.require_user()?.name.clone();
    let access = app.audit_namespace(&who.0, &name).await?;
    answer(&app, &access, &uri, &query).await
}

/// What happened in an organization, newest first. For its administrators. The parameters are those of `/api/audit-log`.
#[utoipa::path(get, path = "/api/organizations/{organization}/audit-log", tag = "people", operation_id = "organization_audit_log",
    params(("organization" = String, Path), ("actor" = Option<String>, Query), ("action" = Option<String>, Query), ("target" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("format" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String))), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn organization(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = of_organization(&app, &who, &name).await?;
    answer(&app, &access, &uri, &query).await
}

/// All that happened in an organization, as one JSON array that is sent while it is made. For its administrators.
#[utoipa::path(get, path = "/api/organizations/{organization}/audit-log/export", tag = "people", operation_id = "organization_audit_log_export",
    params(("organization" = String, Path), ("actor" = Option<String>, Query), ("action" = Option<String>, Query), ("target" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn organization_export(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    query: Query,
) -> Result<Response> {
    let access = of_organization(&app, &who, &name).await?;
    export(&app, &access, &audit_query(&query)?, Form::Array).await
}

/// What happened to a repository, newest first. For its administrators. The parameters are those of `/api/audit-log`.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/audit-log", tag = "repositories", operation_id = "repository_audit_log",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("actor" = Option<String>, Query), ("action" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("format" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String))), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn repository(
    State(app): State<App>,
    who: Who,
    target: Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.audit_repo(&who.0, target.kind, &target.path).await?;
    answer(&app, &access, &uri, &query).await
}

/// What happened to a bucket, newest first. For its administrators. The parameters are those of `/api/audit-log`.
#[utoipa::path(get, path = "/api/buckets/{namespace}/{repo}/audit-log", tag = "buckets", operation_id = "bucket_audit_log",
    params(("namespace" = String, Path), ("repo" = String, Path), ("actor" = Option<String>, Query), ("action" = Option<String>, Query), ("since" = Option<String>, Query), ("until" = Option<String>, Query), ("format" = Option<String>, Query), ("limit" = Option<u32>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String))), (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn bucket(
    State(app): State<App>,
    who: Who,
    target: crate::buckets::target::Target,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let access = app.audit_repo(&who.0, RepoKind::Bucket, &target.path(&who.0)?).await?;
    answer(&app, &access, &uri, &query).await
}
