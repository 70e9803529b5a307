//! `/api/spaces/{ns}/{name}/…`: variables, secrets, whether it runs, and what only a hub with machines could do.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use haina_app::repos::{ListQuery, ListSort};
use haina_app::spaces::{NewSetting, Setting, Stage, Wish};
use haina_app::{App, Caller};
use haina_types::RepoKind;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::render;
use crate::error::{ApiError, Result};
use crate::request::{Body, Query, Target, Who};

/// Results of a search when nobody says how many.
const FOUND: usize = 30;

/// A variable or a secret.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct GivenSetting {
    /// A name of an environment variable.
    key: String,
    /// At most 32 KiB.
    value: String,
    /// What it is for; as it was when absent.
    description: Option<String>,
}

impl GivenSetting {
    fn into_new(self, is_secret: bool) -> NewSetting {
        NewSetting { is_secret, key: self.key, value: self.value, description: self.description }
    }
}

/// Which variable or secret.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct Which {
    key: String,
}

/// What comes with a new space.
pub fn given(secrets: Option<Vec<GivenSetting>>, variables: Option<Vec<GivenSetting>>) -> Vec<NewSetting> {
    let secrets = secrets.into_iter().flatten().map(|s| s.into_new(true));
    secrets.chain(variables.into_iter().flatten().map(|s| s.into_new(false))).collect()
}

fn map(settings: Vec<Setting>, with_values: bool) -> Json<Value> {
    let item = |s: Setting| {
        let mut value = json!({"key": s.key, "description": s.description, "updatedAt": s.updated_at.to_string()});
        if with_values {
            value["value"] = json!(s.value);
        }
        (s.key, value)
    };
    Json(Value::Object(settings.into_iter().map(item).collect::<Map<_, _>>()))
}

async fn shown_secrets(app: &App, caller: &Caller, target: &Target) -> Result<Json<Value>> {
    let access = app.write(caller, target.kind, &target.path).await?;
    Ok(map(app.list_space_secrets(&access).await?, false))
}

async fn shown_variables(app: &App, caller: &Caller, target: &Target) -> Result<Json<Value>> {
    let access = app.read_content(caller, target.kind, &target.path).await?;
    Ok(map(app.list_space_variables(&access).await?, true))
}

async fn set(app: &App, caller: &Caller, target: &Target, new: NewSetting) -> Result<()> {
    let access = app.write(caller, target.kind, &target.path).await?;
    Ok(app.set_space_setting(&access, new).await?)
}

async fn delete(app: &App, caller: &Caller, target: &Target, is_secret: bool, key: &str) -> Result<()> {
    let access = app.write(caller, target.kind, &target.path).await?;
    Ok(app.delete_space_setting(&access, is_secret, key).await?)
}

/// Which secrets a space has. Their values are never shown.
#[utoipa::path(get, path = "/api/spaces/{namespace}/{repo}/secrets", tag = "spaces", operation_id = "space_secrets",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn secrets(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    shown_secrets(&app, &caller, &target).await
}

/// Sets a secret of a space.
#[utoipa::path(post, path = "/api/spaces/{namespace}/{repo}/secrets", tag = "spaces", operation_id = "set_space_secret", request_body = GivenSetting,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn set_secret(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(new): Body<GivenSetting>,
) -> Result<Json<Value>> {
    set(&app, &caller, &target, new.into_new(true)).await?;
    shown_secrets(&app, &caller, &target).await
}

/// Takes a secret of a space away.
#[utoipa::path(delete, path = "/api/spaces/{namespace}/{repo}/secrets", tag = "spaces", operation_id = "delete_space_secret", request_body = Which,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn delete_secret(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(which): Body<Which>,
) -> Result<Json<Value>> {
    delete(&app, &caller, &target, true, &which.key).await?;
    shown_secrets(&app, &caller, &target).await
}

/// A space's variables: whoever reads the space reads them.
#[utoipa::path(get, path = "/api/spaces/{namespace}/{repo}/variables", tag = "spaces", operation_id = "space_variables",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn variables(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    shown_variables(&app, &caller, &target).await
}

/// Sets a variable of a space.
#[utoipa::path(post, path = "/api/spaces/{namespace}/{repo}/variables", tag = "spaces", operation_id = "set_space_variable", request_body = GivenSetting,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn set_variable(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(new): Body<GivenSetting>,
) -> Result<Json<Value>> {
    set(&app, &caller, &target, new.into_new(false)).await?;
    shown_variables(&app, &caller, &target).await
}

/// Takes a variable of a space away.
#[utoipa::path(delete, path = "/api/spaces/{namespace}/{repo}/variables", tag = "spaces", operation_id = "delete_space_variable", request_body = Which,
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
pub async fn delete_variable(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(which): Body<Which>,
) -> Result<Json<Value>> {
    delete(&app, &caller, &target, false, &which.key).await?;
    shown_variables(&app, &caller, &target).await
}

/// Whether a space runs: static ones always do, others need machines that this hub has not.
#[utoipa::path(get, path = "/api/spaces/{namespace}/{repo}/runtime", tag = "spaces", operation_id = "space_runtime",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 404, body = crate::error::ErrorBody)))]
pub async fn runtime(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Json<Value>> {
    let access = app.read(&caller, target.kind, &target.path).await?;
    let info = app.repo_info(&access).await?;
    Ok(Json(render::runtime(Stage::of_card(info.facts.card.as_ref()))))
}

/// The same refusal for each wish, to those alone who could have it granted elsewhere.
async fn refuse(app: &App, caller: &Caller, target: &Target, wish: Wish) -> Result<Response> {
    let access = app.write(caller, target.kind, &target.path).await?;
    Err(app.refuse_wish(&access, wish).await?.into())
}

/// What was sent, read and forgotten: a connection whose request was left unread is closed after the answer, and clients
/// that keep it would run into that.
#[derive(Debug)]
pub struct Drained;

impl<S: Send + Sync> FromRequest<S> for Drained {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Self::Rejection> {
        // Too much of it, or a line that was cut, is no matter for whoever is refused anyway.
        let _ = Bytes::from_request(request, state).await;
        Ok(Self)
    }
}

/// Declares the routes for what only a hub with machines could do.
macro_rules! wishes {
    ($($(#[$doc:meta])* $verb:ident $name:ident $path:literal $id:literal $wish:ident;)*) => {
        $($(#[$doc])*
        #[utoipa::path($verb, path = $path, tag = "spaces", operation_id = $id,
            params(("namespace" = String, Path), ("repo" = String, Path)),
            responses((status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody),
                (status = 404, body = crate::error::ErrorBody), (status = 501, body = crate::error::ErrorBody)))]
        pub async fn $name(State(app): State<App>, Who(caller): Who, target: Target, _: Drained) -> Result<Response> {
            refuse(&app, &caller, &target, Wish::$wish).await
        })*
    };
}
wishes! {
    /// Refused: this hub has no machines.
    post set_hardware "/api/spaces/{namespace}/{repo}/hardware" "set_space_hardware" Hardware;
    /// Refused: this hub has no machines.
    post sleep_time "/api/spaces/{namespace}/{repo}/sleeptime" "set_space_sleep_time" Hardware;
    /// Refused: this hub has no machines.
    post pause "/api/spaces/{namespace}/{repo}/pause" "pause_space" Pause;
    /// Refused: this hub has no machines.
    post restart "/api/spaces/{namespace}/{repo}/restart" "restart_space" Restart;
    /// Refused: this hub has no machines.
    post dev_mode "/api/spaces/{namespace}/{repo}/dev-mode" "set_space_dev_mode" DevMode;
    /// Refused: this hub has no machines.
    put set_volumes "/api/spaces/{namespace}/{repo}/volumes" "set_space_volumes" Volumes;
    /// Refused: this hub has no machines.
    delete delete_volumes "/api/spaces/{namespace}/{repo}/volumes" "delete_space_volumes" Volumes;
}

/// Refused: nothing is built or run here, so nothing is logged.
#[utoipa::path(get, path = "/api/spaces/{namespace}/{repo}/logs/{which}", tag = "spaces", operation_id = "space_logs",
    params(("namespace" = String, Path), ("repo" = String, Path), ("which" = String, Path, description = "build or run")),
    responses((status = 400, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody),
        (status = 404, body = crate::error::ErrorBody), (status = 501, body = crate::error::ErrorBody)))]
pub async fn logs(State(app): State<App>, Who(caller): Who, target: Target) -> Result<Response> {
    refuse(&app, &caller, &target, Wish::Logs).await
}

/// The hardware that spaces may have here: none.
#[utoipa::path(get, path = "/api/spaces/hardware", tag = "spaces", operation_id = "spaces_hardware", responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn hardware(_: Who) -> Json<Value> {
    Json(json!([]))
}

/// The time on shared graphics processors that one has here: none.
#[utoipa::path(get, path = "/api/spaces/zero-gpu/quota", tag = "spaces", operation_id = "zero_gpu_quota",
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody)))]
pub async fn quota(Who(caller): Who) -> Result<Json<Value>> {
    caller.require_user()?;
    Ok(Json(json!({"base": 0, "current": 0})))
}

/// Spaces by words of their names, cards and tags. There is no model here that would find by meaning, so nothing is scored.
#[utoipa::path(get, path = "/api/spaces/semantic-search", tag = "spaces", operation_id = "search_spaces",
    params(("q" = String, Query, description = "words, all of which must occur"), ("filter" = Option<Vec<String>>, Query, description = "tags"), ("sdk" = Option<Vec<String>>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>)))]
pub async fn search(State(app): State<App>, Who(caller): Who, query: Query) -> Result<Json<Value>, ApiError> {
    let sdks = query.all("sdk");
    let mut tags = query.all("filter");
    // What a space is made with is a tag of it.
    if let [sdk] = &sdks[..] {
        tags.push(sdk.clone());
    }
    let list = ListQuery {
        kinds: vec![RepoKind::Space],
        search: Vec::new(),
        query: query.get("q").unwrap_or_default().to_owned(),
        author: None,
        tags,
        pipeline_tag: None,
        gated: None,
        parameters: (None, None),
        sort: ListSort::Trending,
        limit: Some(FOUND),
        cursor: None,
    };
    let page = app.list_repos(&caller, list).await?;
    let found = page.items.iter().filter_map(|space| {
        let card = space.facts.card.as_ref();
        let of_card = |key: &str| card.and_then(|c| c.get(key)).and_then(Value::as_str);
        let sdk = of_card("sdk");
        if !sdks.is_empty() && !sdk.is_some_and(|sdk| sdks.iter().any(|s| s == sdk)) {
            return None;
        }
        Some(json!({
            "id": space.repo.path().to_string(),
            "author": space.repo.namespace.name,
            "title": of_card("title").unwrap_or(space.repo.name.as_str()),
            "emoji": of_card("emoji"),
            "sdk": sdk,
            "likes": space.repo.likes,
            "private": space.repo.visibility == haina_types::Visibility::Private,
            "tags": space.facts.tags,
            "runtime": render::runtime(Stage::of_card(card)),
            "trendingScore": space.repo.trending,
        }))
    });
    Ok(Json(Value::Array(found.collect())))
}
