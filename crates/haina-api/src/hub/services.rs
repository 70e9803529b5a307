//! Service accounts of organizations: `/api/organizations/{name}/service-accounts…`. Haina's own.

use axum::Json;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::people::{Service, TokenSummary};
use haina_types::{Code, Error, TokenRole};
use serde::Deserialize;
use serde_json::{Value, json};

use super::orgs::{org_of, role_of, user_of};
use crate::error::{ErrorBody, Result};
use crate::request::{Body, Who};

fn token_body(token: &TokenSummary) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "hint": token.hint,
        "role": token.role.as_str(),
        "createdAt": token.created_at.to_string(),
        "lastUsedAt": token.last_used_at.map(|at| at.to_string()),
        "expiresAt": token.expires_at.map(|at| at.to_string()),
    })
}

fn service_body(service: &Service) -> Value {
    json!({
        "user": service.name,
        "fullname": service.full_name,
        "role": service.role.map(|r| r.as_str()),
        "tokens": service.tokens.iter().map(token_body).collect::<Vec<_>>(),
    })
}

/// The service accounts of an organization with their tokens, without secrets.
#[utoipa::path(get, path = "/api/organizations/{organization}/service-accounts", tag = "people", operation_id = "service_accounts",
    params(("organization" = String, Path)),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(State(app): State<App>, Who(caller): Who, Path(org): Path<String>) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    Ok(Json(app.list_services(&access).await?.iter().map(service_body).collect()))
}

/// An account to make.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct NewService {
    /// Its name, unique among users and organizations.
    name: String,
    fullname: Option<String>,
    /// `read`, `contributor` or `write`
    role: String,
}

/// Makes a service account: for machines, without a password. Its tokens are made separately.
#[utoipa::path(post, path = "/api/organizations/{organization}/service-accounts", tag = "people", operation_id = "create_service_account", request_body = NewService,
    params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Path(org): Path<String>,
    Body(body): Body<NewService>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let name = body.name.parse().map_err(|e: haina_types::NameError| Error::invalid(format!("\"name\": {e}")))?;
    app.create_service(&access, &name, body.fullname.as_deref(), role_of(&body.role)?).await?;
    Ok(Json(json!({"user": name, "role": body.role})))
}

/// Ends a service account with all its tokens. Its name stays taken.
#[utoipa::path(delete, path = "/api/organizations/{organization}/service-accounts/{username}", tag = "people", operation_id = "delete_service_account",
    params(("organization" = String, Path), ("username" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, name)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    app.delete_service(&access, &user_of(&name)?).await?;
    Ok(Json(json!({})))
}

/// A token to make.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct ServiceToken {
    name: String,
    /// `read` or `write`
    role: String,
    /// After how many days it ends by itself; never when absent.
    days: Option<i64>,
}

/// Makes a token of a service account. The answer has its secret, which is not shown again.
#[utoipa::path(post, path = "/api/organizations/{organization}/service-accounts/{username}/tokens", tag = "people", operation_id = "create_service_token", request_body = ServiceToken,
    params(("organization" = String, Path), ("username" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn create_token(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, name)): Path<(String, String)>,
    Body(body): Body<ServiceToken>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let role = match body.role.as_str() {
        "read" => TokenRole::Read,
        "write" => TokenRole::Write,
        _ => return Err(Error::invalid("\"role\" of a token is read or write.").into()),
    };
    let made = app.create_service_token(&access, &user_of(&name)?, &body.name, role, body.days).await?;
    Ok(Json(json!({"id": made.id, "token": made.secret})))
}

/// Revokes a token of a service account.
#[utoipa::path(delete, path = "/api/organizations/{organization}/service-accounts/{username}/tokens/{token}", tag = "people", operation_id = "revoke_service_token",
    params(("organization" = String, Path), ("username" = String, Path), ("token" = i64, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn revoke_token(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, name, id)): Path<(String, String, String)>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let id = id.parse().map_err(|_| Error::new(Code::NotFound, "There is no such token."))?;
    app.revoke_service_token(&access, &user_of(&name)?, id).await?;
    Ok(Json(json!({})))
}
