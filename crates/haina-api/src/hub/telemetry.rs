//! What clients send on the side: answered at once, kept nowhere.

use axum::Json;
use http::StatusCode;
use serde_json::{Value, json};

/// Usage reports of clients: accepted and dropped.
#[utoipa::path(head, path = "/api/telemetry/{topic}", tag = "service", params(("topic" = String, Path)), responses((status = 200)))]
pub async fn telemetry() -> StatusCode {
    StatusCode::OK
}

/// Programs that drive clients on a person's behalf: none is known here.
#[utoipa::path(get, path = "/api/agent-harnesses", tag = "service", responses((status = 200, body = serde_json::Value)))]
pub async fn agent_harnesses() -> Json<Value> {
    Json(json!({"standardEnvVars": [], "harnesses": {}}))
}

/// Whether the server answers.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = String)))]
pub async fn health() -> &'static str {
    "ok\n"
}
