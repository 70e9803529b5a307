//! Resource groups: `/api/organizations/{name}/resource-groups…` and `…/resource-group` of a repository.

use axum::Json;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::people::{GroupView, NewGroup};
use haina_types::{Code, Error, OrgRole, RepoKind, RepoPath, Slug};
use serde::Deserialize;
use serde_json::{Value, json};

use super::orgs::{org_of, role_of, user_of};
use crate::error::{ErrorBody, Result};
use crate::request::{Body, Target, Who};

fn group_body(org: &Slug, group: &GroupView) -> Value {
    let user = |(name, full_name, role): &(Slug, String, OrgRole)| json!({"user": name, "fullname": full_name, "role": role.as_str(), "type": "user"});
    json!({
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "users": group.users.iter().map(user).collect::<Vec<_>>(),
        "repos": group.repos.iter().map(|(kind, name, private)| json!({"type": kind, "name": format!("{org}/{name}"), "private": private})).collect::<Vec<_>>(),
    })
}

/// Somebody with a role.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct GroupUser {
    /// A member of the organization.
    user: String,
    /// `read`, `contributor`, `write` or `admin`
    role: String,
}

/// A repository or a bucket.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct GroupRepo {
    /// `model`, `dataset`, `space`, `kernel` or `bucket`
    r#type: String,
    /// `namespace/name`
    name: String,
}

/// A group to make.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct CreateGroup {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    users: Vec<GroupUser>,
    #[serde(default)]
    repos: Vec<GroupRepo>,
}

fn users_of(users: &[GroupUser]) -> Result<Vec<(Slug, OrgRole)>> {
    users.iter().map(|u| Ok((user_of(&u.user)?, role_of(&u.role)?))).collect()
}

fn repo_of(repo: &GroupRepo) -> Result<(RepoKind, RepoPath)> {
    let missing = || Error::new(Code::RepoNotFound, format!("There is no {} '{}'.", repo.r#type, repo.name));
    let kind = repo.r#type.parse().map_err(|()| Error::invalid("\"type\" of a repository is not one."))?;
    Ok((kind, repo.name.parse().map_err(|_| missing())?))
}

/// The resource groups of an organization in which the caller has a role; all of them for its administrators.
#[utoipa::path(get, path = "/api/organizations/{organization}/resource-groups", tag = "people", operation_id = "resource_groups",
    params(("organization" = String, Path)),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn list(State(app): State<App>, Who(caller): Who, Path(org): Path<String>) -> Result<Json<Value>> {
    let access = app.org_member(&caller, &org_of(&org)?).await?;
    let all = app.list_groups(&access).await?;
    Ok(Json(all.iter().map(|g| group_body(&access.org().name, g)).collect()))
}

/// Makes a resource group. What members may do with its repositories follows from their role in it alone.
#[utoipa::path(post, path = "/api/organizations/{organization}/resource-groups", tag = "people", operation_id = "create_resource_group", request_body = CreateGroup,
    params(("organization" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    Path(org): Path<String>,
    Body(body): Body<CreateGroup>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let new = NewGroup {
        users: users_of(&body.users)?,
        repos: body.repos.iter().map(repo_of).collect::<Result<_>>()?,
        name: body.name,
        description: body.description,
    };
    Ok(Json(group_body(&access.org().name, &app.create_group(&access, &new).await?)))
}

/// A resource group.
#[utoipa::path(get, path = "/api/organizations/{organization}/resource-groups/{group}", tag = "people", operation_id = "resource_group_info",
    params(("organization" = String, Path), ("group" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn info(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let access = app.org_member(&caller, &org_of(&org)?).await?;
    Ok(Json(group_body(&access.org().name, &app.get_group(&access, &id).await?)))
}

/// What is to change of a group.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct UpdateGroup {
    name: Option<String>,
    description: Option<String>,
}

/// Changes a resource group's name or description.
#[utoipa::path(patch, path = "/api/organizations/{organization}/resource-groups/{group}", tag = "people", operation_id = "update_resource_group", request_body = UpdateGroup,
    params(("organization" = String, Path), ("group" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id)): Path<(String, String)>,
    Body(body): Body<UpdateGroup>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let now = app.update_group(&access, &id, body.name.as_deref(), body.description.as_deref()).await?;
    Ok(Json(group_body(&access.org().name, &now)))
}

/// Deletes a resource group without repositories.
#[utoipa::path(delete, path = "/api/organizations/{organization}/resource-groups/{group}", tag = "people", operation_id = "delete_resource_group",
    params(("organization" = String, Path), ("group" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn delete(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id)): Path<(String, String)>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    app.delete_group(&access, &id).await?;
    Ok(Json(json!({})))
}

/// Members of the organization with their roles in a group.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct GroupUsers {
    users: Vec<GroupUser>,
}

/// Gives members of the organization roles in a resource group.
#[utoipa::path(post, path = "/api/organizations/{organization}/resource-groups/{group}/users", tag = "people", operation_id = "add_resource_group_users", request_body = GroupUsers,
    params(("organization" = String, Path), ("group" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn add_users(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id)): Path<(String, String)>,
    Body(body): Body<GroupUsers>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let now = app.put_group_members(&access, &id, &users_of(&body.users)?).await?;
    Ok(Json(group_body(&access.org().name, &now)))
}

/// Changes somebody's role in a resource group.
#[utoipa::path(patch, path = "/api/organizations/{organization}/resource-groups/{group}/users/{username}", tag = "people", operation_id = "set_resource_group_role", request_body = super::orgs::NewRole,
    params(("organization" = String, Path), ("group" = String, Path), ("username" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn set_role(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id, user)): Path<(String, String, String)>,
    Body(body): Body<super::orgs::NewRole>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let role = role_of(&body.role)?;
    let now = app.change_group_member(&access, &id, &user_of(&user)?, Some(role)).await?;
    Ok(Json(group_body(&access.org().name, &now)))
}

/// Takes somebody's role in a resource group: its private repositories do not exist for them any more.
#[utoipa::path(delete, path = "/api/organizations/{organization}/resource-groups/{group}/users/{username}", tag = "people", operation_id = "remove_resource_group_user",
    params(("organization" = String, Path), ("group" = String, Path), ("username" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn remove_user(
    State(app): State<App>,
    Who(caller): Who,
    Path((org, id, user)): Path<(String, String, String)>,
) -> Result<Json<Value>> {
    let access = app.administer_org(&caller, &org_of(&org)?).await?;
    let now = app.change_group_member(&access, &id, &user_of(&user)?, None).await?;
    Ok(Json(group_body(&access.org().name, &now)))
}

/// The group that a repository is to be in.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct InGroup {
    /// Its id, or null for none.
    #[serde(rename = "resourceGroupId")]
    id: Option<String>,
}

/// The resource group that a repository is in; null if it is in none.
#[utoipa::path(get, path = "/api/{kind}/{namespace}/{repo}/resource-group", tag = "repositories", operation_id = "repo_resource_group",
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn of_repo(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let group = app.repo_group(access.repo()).await?;
    Ok(Json(group.map_or(Value::Null, |(id, name)| json!({"id": id, "name": name}))))
}

/// Puts a repository into a resource group of its organization, or takes it out. For administrators of the organization.
#[utoipa::path(post, path = "/api/{kind}/{namespace}/{repo}/resource-group", tag = "repositories", operation_id = "set_repo_resource_group", request_body = InGroup,
    params(("kind" = String, Path), ("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn set_of_repo(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(body): Body<InGroup>,
) -> Result<Json<Value>> {
    let repo = app.administer(&caller, target.kind, &target.path).await?.repo().path();
    let access = app.administer_org(&caller, &repo.namespace).await?;
    app.set_repo_group(&access, target.kind, &repo, body.id.as_deref()).await?;
    Ok(Json(json!({"success": true})))
}

/// The same for a bucket.
#[utoipa::path(post, path = "/api/buckets/{namespace}/{repo}/resource-group", tag = "buckets", operation_id = "set_bucket_resource_group", request_body = InGroup,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn set_of_bucket(
    State(app): State<App>,
    Who(caller): Who,
    Path((namespace, name)): Path<(String, String)>,
    Body(body): Body<InGroup>,
) -> Result<Json<Value>> {
    let path = format!("{namespace}/{name}").parse();
    let path: RepoPath = path.map_err(|_| Error::new(Code::RepoNotFound, "Repository not found"))?;
    let repo = app.administer_bucket(&caller, &path).await?.repo().path();
    let access = app.administer_org(&caller, &repo.namespace).await?;
    app.set_repo_group(&access, RepoKind::Bucket, &repo, body.id.as_deref()).await?;
    Ok(Json(json!({"success": true})))
}
