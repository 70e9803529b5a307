//! `/api/settings/webhooks` and below

use axum::Json;
use axum::extract::{OriginalUri, Path, State};
use axum::response::Response;
use haina_app::App;
use haina_app::webhooks::{DeliveryView, Domain, Watched, WebhookChange, WebhookView};
use haina_types::{Code, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::likes::page;
use crate::error::{ErrorBody, Result};
use crate::request::{Body, Query, Who};

/// What to set of a webhook.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetWebhook {
    /// Where to: http or https, on the public Internet unless the operator allows more.
    url: Option<String>,
    /// What it watches: `type` is user, org, model, dataset, space or bucket; `name` need not exist.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    watched: Vec<Watched>,
    /// `repo`, `discussion`; both when absent.
    #[schema(value_type = Option<Vec<String>>)]
    domains: Option<Vec<Domain>>,
    /// Sent in the header `X-Webhook-Secret`, and what deliveries are signed by.
    secret: Option<String>,
    /// Not offered here.
    job_source_id: Option<String>,
    /// Not offered here.
    #[schema(value_type = Option<Object>)]
    secrets: Option<Value>,
}

impl SetWebhook {
    fn change(self) -> Result<WebhookChange> {
        if self.job_source_id.is_some() || self.secrets.is_some() {
            return Err(Error::new(Code::Unsupported, "Jobs are not offered here: give a \"url\" to send to.").into());
        }
        Ok(WebhookChange { url: self.url, watched: self.watched, domains: self.domains, secret: self.secret })
    }
}

fn webhook(view: &WebhookView) -> Value {
    let mut value = json!({
        "id": view.id,
        "url": view.url,
        "watched": view.watched,
        "domains": view.domains,
        "disabled": view.disabled.is_some(),
        "createdAt": view.created_at.to_string(),
    });
    if let Some(secret) = &view.secret {
        value["secret"] = json!(secret);
    }
    if let Some(reason) = &view.disabled {
        value["disabledReason"] = json!(reason);
    }
    if let Some(since) = view.failing_since {
        value["failingSince"] = json!(since.to_string());
    }
    value
}

fn delivery(d: &DeliveryView) -> Value {
    json!({
        "id": d.public_id,
        "event": {"action": d.action, "scope": d.scope},
        "subject": d.subject,
        "state": d.state,
        "attempts": d.attempts,
        "createdAt": d.created_at.to_string(),
        "sentAt": d.sent_at.map(|at| at.to_string()),
        "nextAttemptAt": (d.state == "queued").then(|| d.run_at.to_string()),
        "status": d.status,
        "durationMs": d.duration_ms,
        "answer": d.answer,
        "error": d.error,
        "isReplay": d.replay_of.is_some(),
    })
}

/// One's webhooks, oldest first.
#[utoipa::path(get, path = "/api/settings/webhooks", tag = "community",
    responses((status = 200, body = Vec<serde_json::Value>), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn list(State(app): State<App>, Who(caller): Who) -> Result<Json<Vec<Value>>> {
    let by = app.act(&caller).await?;
    Ok(Json(app.list_webhooks(&by).await?.iter().map(webhook).collect()))
}

/// Makes a webhook, which is told of what happens from now on.
#[utoipa::path(post, path = "/api/settings/webhooks", tag = "community", request_body = SetWebhook,
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody)))]
pub async fn create(State(app): State<App>, Who(caller): Who, Body(new): Body<SetWebhook>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    let made = app.create_webhook(&by, new.change()?).await?;
    Ok(Json(json!({"webhook": webhook(&made)})))
}

/// One of one's webhooks.
#[utoipa::path(get, path = "/api/settings/webhooks/{webhook}", tag = "community", params(("webhook" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn get(State(app): State<App>, Who(caller): Who, Path(id): Path<String>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    Ok(Json(json!({"webhook": webhook(&app.get_webhook(&by, &id).await?)})))
}

/// Changes a webhook; what is absent stays, and so does what it watches if the list is empty.
#[utoipa::path(post, path = "/api/settings/webhooks/{webhook}", tag = "community", request_body = SetWebhook, params(("webhook" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    Who(caller): Who,
    Path(id): Path<String>,
    Body(change): Body<SetWebhook>,
) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    let changed = app.update_webhook(&by, &id, change.change()?).await?;
    Ok(Json(json!({"webhook": webhook(&changed)})))
}

/// Deletes a webhook with its log.
#[utoipa::path(delete, path = "/api/settings/webhooks/{webhook}", tag = "community", params(("webhook" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(State(app): State<App>, Who(caller): Who, Path(id): Path<String>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    app.delete_webhook(&by, &id).await?;
    Ok(Json(json!({"success": true})))
}

/// Switches a webhook on, with a clean slate.
#[utoipa::path(post, path = "/api/settings/webhooks/{webhook}/enable", tag = "community", params(("webhook" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn enable(State(app): State<App>, Who(caller): Who, Path(id): Path<String>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    Ok(Json(json!({"webhook": webhook(&app.switch_webhook(&by, &id, true).await?)})))
}

/// Switches a webhook off; what waits for it is not sent.
#[utoipa::path(post, path = "/api/settings/webhooks/{webhook}/disable", tag = "community", params(("webhook" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn disable(State(app): State<App>, Who(caller): Who, Path(id): Path<String>) -> Result<Json<Value>> {
    let by = app.act(&caller).await?;
    Ok(Json(json!({"webhook": webhook(&app.switch_webhook(&by, &id, false).await?)})))
}

/// What was sent to a webhook in the last 14 days and what waits, newest first.
#[utoipa::path(get, path = "/api/settings/webhooks/{webhook}/deliveries", tag = "community",
    params(("webhook" = String, Path), ("limit" = Option<u32>, Query, description = "at most 100"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page"))), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn deliveries(
    State(app): State<App>,
    Who(caller): Who,
    Path(id): Path<String>,
    uri: OriginalUri,
    query: Query,
) -> Result<Response> {
    let by = app.act(&caller).await?;
    let found = app.list_deliveries(&by, &id, query.number("limit")?, query.get("cursor")).await?;
    Ok(page(&app, &uri, &query, found.items.iter().map(delivery).collect(), found.next.as_deref()))
}

/// A delivery with the body that was sent.
#[utoipa::path(get, path = "/api/settings/webhooks/{webhook}/deliveries/{delivery}", tag = "community",
    params(("webhook" = String, Path), ("delivery" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn one_delivery(
    State(app): State<App>,
    Who(caller): Who,
    Path(place): Path<(String, String)>,
) -> Result<Json<Value>> {
    let (id, which) = place;
    let by = app.act(&caller).await?;
    let found = app.get_delivery(&by, &id, &which).await?;
    let mut value = delivery(&found.delivery);
    value["payload"] = serde_json::from_str(&found.body).map_err(Error::internal)?;
    Ok(Json(value))
}

/// Sends a delivery once more, with an id of its own.
#[utoipa::path(post, path = "/api/settings/webhooks/{webhook}/deliveries/{delivery}/replay", tag = "community",
    params(("webhook" = String, Path), ("delivery" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn replay(
    State(app): State<App>,
    Who(caller): Who,
    Path(place): Path<(String, String)>,
) -> Result<Json<Value>> {
    let (id, which) = place;
    let by = app.act(&caller).await?;
    let again = app.replay_delivery(&by, &id, &which).await?;
    Ok(Json(json!({"id": again})))
}
