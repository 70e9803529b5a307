//! `POST /api/validate-yaml`

use axum::Json;
use axum::response::{IntoResponse, Response};
use haina_types::RepoKind;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::request::Body;

/// A card to check.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    content: String,
    repo_type: Option<String>,
}

/// What was found.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Verdict {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// One finding.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Finding {
    message: String,
}

/// Checks the front matter of a card.
#[utoipa::path(post, path = "/api/validate-yaml", tag = "files", request_body = Card,
    responses((status = 200, body = Verdict), (status = 400, body = Verdict)))]
pub async fn validate(headers: HeaderMap, Body(card): Body<Card>) -> Response {
    let kind = card.repo_type.as_deref().and_then(|t| t.parse().ok()).unwrap_or(RepoKind::Model);
    let verdict = haina_app::files::validate_card(&card.content, kind);
    let status = if verdict.errors.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    if headers.get(header::ACCEPT).is_some_and(|a| a.as_bytes() == b"text/plain") {
        let errors = verdict.errors.iter().map(|m| format!("- Error: {m}\n"));
        let warnings = verdict.warnings.iter().map(|m| format!("- Warning: {m}\n"));
        return (status, errors.chain(warnings).collect::<String>()).into_response();
    }
    let list = |found: Vec<String>| found.into_iter().map(|message| Finding { message }).collect();
    (status, Json(Verdict { errors: list(verdict.errors), warnings: list(verdict.warnings) })).into_response()
}
