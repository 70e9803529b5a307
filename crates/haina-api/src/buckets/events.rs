//! `GET /api/buckets/{ns}/{name}/events`: changes as server-sent events

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use haina_app::App;
use haina_app::buckets::{Change, FeedEvent, Resume};
use haina_types::{Error, Timestamp};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::target::Target;
use crate::error::{ErrorBody, Result};
use crate::request::{Query, Who};

fn render(change: &Change) -> Value {
    let mut value = json!({"op": change.op.as_str(), "path": change.path});
    if let Some(hash) = &change.hash {
        value["xetHash"] = json!(hash.to_string());
        value["size"] = json!(change.bytes);
        value["uploadedAt"] = json!(change.at.to_string());
    }
    if let Some(mtime) = change.mtime {
        value["mtime"] = json!(mtime.to_string());
    }
    value
}

/// An event as bytes. JSON has no line breaks, so each is one line of data; something that is not data keeps the line
/// alive.
fn bytes(event: &FeedEvent) -> Bytes {
    let (name, data) = match event {
        FeedEvent::Ping => return Bytes::from_static(b": ping\n\n"),
        FeedEvent::Ready { cursor } => ("ready", json!({"cursor": cursor})),
        FeedEvent::Changes { cursor, changes } => {
            ("changes", json!({"cursor": cursor, "changes": changes.iter().map(render).collect::<Vec<_>>()}))
        }
        FeedEvent::Reset => ("reset", json!({"reason": "What happened since is no longer known."})),
        FeedEvent::Reconnect { cursor } => ("reconnect", json!({"cursor": cursor})),
    };
    format!("event: {name}\ndata: {data}\n\n").into()
}

fn resume(query: &Query) -> Result<Resume> {
    match (query.get("cursor").filter(|t| !t.is_empty()), query.get("since").filter(|t| !t.is_empty())) {
        (Some(cursor), _) => Ok(Resume::Cursor(cursor.to_owned())),
        (None, Some(since)) => {
            let since: Timestamp =
                since.parse().map_err(|()| Error::invalid("\"since\" is a time such as 2026-01-31T12:00:00.000Z."))?;
            Ok(Resume::Since(since))
        }
        (None, None) => Ok(Resume::Live),
    }
}

/// Follows a bucket: `changes` that happened since, `ready`, then `changes` as they happen. `reset` says that the
/// place is too old, `reconnect` to come back; either is the last. A comment every 30 seconds keeps the line alive.
#[utoipa::path(get, path = "/api/buckets/{namespace}/{repo}/events", tag = "buckets", operation_id = "follow_bucket",
    params(("namespace" = String, Path), ("repo" = String, Path),
        ("cursor" = Option<String>, Query, description = "go on after this event"), ("since" = Option<String>, Query, description = "begin at this time")),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 503, body = ErrorBody, description = "Too many follow just now")))]
pub async fn events(State(app): State<App>, Who(caller): Who, target: Target, query: Query) -> Result<Response> {
    let access = app.read_bucket(&caller, &target.path(&caller)?).await?;
    let feed = app.follow_bucket(&caller, access, resume(&query)?).await?;
    let body = stream::unfold(feed, async |mut feed| {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(bytes(&event)), feed))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // nginx would collect events until its buffer is full.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}
