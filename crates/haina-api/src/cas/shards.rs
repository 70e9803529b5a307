//! `POST /v1/shards` and `/v2/shards`: files are registered.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use haina_app::App;
use haina_app::content::{SHARD_BYTES_MAX, ShardStep};
use haina_types::{Code, Error};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::access::Writes;
use super::body;
use crate::error::{ApiError, ErrorBody, Result};

/// How long a registration may take before its answer begins. One that fails sooner can still be told by its status.
const BEGIN: Duration = Duration::from_secs(1);
/// How often the last event is sent again, so that nobody takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// What became of a shard.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ShardUploaded {
    /// 1: its files are registered.
    result: u8,
}

/// A line of the answer.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ShardEvent {
    /// Files are compared with what is stored.
    Validating {
        /// Files compared.
        verified: u64,
        /// All files.
        total: u64,
    },
    /// The shard is written.
    Committing {
        /// `uploading` or `syncing`.
        stage: String,
    },
    /// The end: its files are registered.
    Result {
        /// 1.
        result: u8,
    },
    /// The end: nothing was registered.
    Error {
        /// What is wrong.
        message: String,
        /// Whether the same shard may be accepted later.
        retryable: bool,
    },
}

impl From<ShardStep> for ShardEvent {
    fn from(step: ShardStep) -> Self {
        match step {
            ShardStep::Validating { verified, total } => Self::Validating { verified, total },
            ShardStep::Uploading => Self::Committing { stage: "uploading".into() },
            ShardStep::Syncing => Self::Committing { stage: "syncing".into() },
        }
    }
}

impl ShardEvent {
    fn last(outcome: Result<(), Error>) -> Self {
        match outcome {
            Ok(()) => Self::Result { result: 1 },
            Err(e) => {
                if e.code == Code::Internal {
                    tracing::error!(cause = %e.chain(), "registering a shard failed");
                }
                let retryable = matches!(e.code, Code::Internal | Code::Unavailable | Code::StorageFull);
                Self::Error { message: e.message, retryable }
            }
        }
    }

    fn line(&self) -> Bytes {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

/// A registration on its way. It goes on to its end even if the client leaves.
struct Running {
    steps: watch::Receiver<ShardStep>,
    end: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn begin(app: App, access: Result<Writes>, headers: HeaderMap, body: Body) -> Result<Self> {
        let limit = SHARD_BYTES_MAX as u64;
        body::upload(&headers, body, limit, async move |declared, body| {
            let Writes(access) = access.map_err(|e| e.0)?;
            let shard = app.read_shard(declared, body).await?;
            let (tell, steps) = watch::channel(ShardStep::Validating { verified: 0, total: 0 });
            let end = tokio::spawn(async move {
                let progress = move |step| {
                    tell.send_replace(step);
                };
                app.register_shard(&access, shard, progress).await
            });
            Ok(Self { steps, end })
        })
        .await
    }

    async fn end(&mut self) -> Result<(), Error> {
        (&mut self.end).await.unwrap_or_else(|e| Err(Error::internal(e)))
    }

    /// The next event; the flag says whether it is the last.
    async fn next(&mut self) -> (ShardEvent, bool) {
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                changed = self.steps.changed(), if open => match changed {
                    Ok(()) => return ((*self.steps.borrow_and_update()).into(), false),
                    Err(_) => open = false,
                },
                end = &mut self.end => {
                    return (ShardEvent::last(end.unwrap_or_else(|e| Err(Error::internal(e)))), true);
                }
                () = tokio::time::sleep(HEARTBEAT) => return ((*self.steps.borrow()).into(), false),
            }
        }
    }
}

/// Registers the files of a shard: all or none.
#[utoipa::path(post, path = "/xet/{store}/{domain}/v1/shards", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = ShardUploaded),
        (status = 400, body = ErrorBody, description = "Something in it is not so; nothing was registered"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 413, body = ErrorBody)))]
pub async fn register_v1(
    State(app): State<App>,
    access: Result<Writes>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ShardUploaded>> {
    let mut running = Running::begin(app, access, headers, body).await?;
    running.end().await?;
    Ok(Json(ShardUploaded { result: 1 }))
}

/// Registers the files of a shard: all or none. The answer is a line of JSON for each step; the last one is `result`
/// or `error`.
#[utoipa::path(post, path = "/xet/{store}/{domain}/v2/shards", tag = "content",
    params(("store" = String, Path), ("domain" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, content_type = "application/x-ndjson", body = ShardEvent),
        (status = 400, body = ErrorBody, description = "Something in it is not so; nothing was registered"),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
        (status = 413, body = ErrorBody)))]
pub async fn register_v2(
    State(app): State<App>,
    access: Result<Writes>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response> {
    let mut running = Running::begin(app, access, headers, body).await?;
    let ndjson = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    if let Ok(end) = tokio::time::timeout(BEGIN, running.end()).await {
        end.map_err(ApiError)?;
        let last_step: ShardEvent = (*running.steps.borrow()).into();
        let lines = [last_step.line(), ShardEvent::last(Ok(())).line()].concat();
        return Ok((ndjson, lines).into_response());
    }
    let lines = stream::unfold(Some(running), async |running| {
        let mut running = running?;
        let (event, last) = running.next().await;
        Some((Ok::<_, Infallible>(event.line()), (!last).then_some(running)))
    });
    Ok((ndjson, Body::from_stream(lines)).into_response())
}
