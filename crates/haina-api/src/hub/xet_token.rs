//! `GET /api/{kind}/{ns}/{name}/xet-read-token/{rev}` and `…/xet-write-token/{rev}`

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::content::CasGrant;
use haina_types::Error;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::Result;
use crate::request::{Query, Target, Who};

/// A token for the content store.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct XetToken {
    cas_url: String,
    /// Seconds since 1970.
    exp: i64,
    access_token: String,
}

/// Both ways at once: the Python client reads the headers for downloads, hf-xet and all others the body.
pub(crate) fn answer(grant: CasGrant) -> Result<Response> {
    let text = |value: &str| HeaderValue::from_str(value).map_err(|e| crate::error::ApiError(Error::internal(e)));
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::from_static("x-xet-cas-url"), text(&grant.cas_url)?);
    headers.insert(HeaderName::from_static("x-xet-access-token"), text(&grant.token)?);
    headers.insert(HeaderName::from_static("x-xet-token-expiration"), HeaderValue::from(grant.expires_at));
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let body = XetToken { cas_url: grant.cas_url, exp: grant.expires_at, access_token: grant.token };
    Ok((headers, Json(body)).into_response())
}

/// A token to read a repository's large files.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/xet-read-token/{rev}", tag = "content",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path)),
    responses((status = 200, body = XetToken), (status = 404, body = crate::error::ErrorBody)))]
pub async fn read(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Response> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    if target.rev.as_str() != "None" {
        app.resolve_revision(&access, &target.rev).await?;
    }
    answer(app.cas_read_grant(&access))
}

/// A token to upload large files to a repository.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/xet-write-token/{rev}", tag = "content",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path), ("create_pr" = Option<bool>, Query, description = "for a pull request that is to be opened")),
    responses((status = 200, body = XetToken), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn write(State(app): State<App>, Who(caller): Who, target: Target, query: Query) -> Result<Response> {
    let access = super::commit::proposal_or_write(&app, &caller, &target, &query).await?;
    if target.rev.as_str() != "None" {
        app.resolve_revision(&access.content(), &target.rev).await?;
    }
    answer(app.open_upload(&access.upload()).await?)
}
