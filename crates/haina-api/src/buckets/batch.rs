//! `POST /api/buckets/{ns}/{name}/batch`

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::buckets::{Action, OPERATIONS_MAX, Operation, Source};
use haina_types::{Error, Result as TypesResult};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::target::Target;
use crate::error::{ErrorBody, Result};
use crate::lines::{Limits, Lines};
use crate::request::Who;

const LIMITS: Limits = Limits { what: "batch", line_bytes: 16 << 10, body_bytes: 16 << 20, advice: "" };

/// One line.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Line {
    #[serde(rename = "addFile")]
    Add { path: String, xet_hash: String, mtime: Option<i64>, content_type: Option<String> },
    #[serde(rename = "copyFile")]
    Copy {
        path: String,
        xet_hash: String,
        mtime: Option<i64>,
        content_type: Option<String>,
        source_repo_type: String,
        source_repo_id: String,
    },
    #[serde(rename = "deleteFile")]
    Delete { path: String },
}

impl From<Line> for Operation {
    fn from(line: Line) -> Self {
        match line {
            Line::Add { path, xet_hash, mtime, content_type } => {
                Self { path, action: Action::Put { hash: xet_hash, mtime, content_type, from: None } }
            }
            Line::Copy { path, xet_hash, mtime, content_type, source_repo_type, source_repo_id } => {
                let from = Some(Source { kind: source_repo_type, id: source_repo_id });
                Self { path, action: Action::Put { hash: xet_hash, mtime, content_type, from } }
            }
            Line::Delete { path } => Self { path, action: Action::Delete },
        }
    }
}

/// What became of a batch.
#[derive(Serialize, utoipa::ToSchema)]
pub struct BatchAnswer {
    /// Whether every operation succeeded.
    success: bool,
    /// How many operations there were.
    processed: usize,
    /// How many succeeded, and stay.
    succeeded: usize,
    /// The others.
    failed: Vec<FailedOperation>,
}

/// An operation that did not happen.
#[derive(Serialize, utoipa::ToSchema)]
pub struct FailedOperation {
    path: String,
    /// Why.
    error: String,
}

async fn read(lines: &mut Lines) -> TypesResult<Vec<Operation>> {
    let mut operations = Vec::new();
    while let Some(line) = lines.next().await? {
        if operations.len() == OPERATIONS_MAX {
            return Err(Error::invalid(format!("A batch has at most {OPERATIONS_MAX} operations: send several.")));
        }
        let line: Line = serde_json::from_slice(&line).map_err(|e| {
            Error::invalid(format!("Line {} of the batch is not an operation: {e}", operations.len() + 1))
        })?;
        operations.push(line.into());
    }
    Ok(operations)
}

/// Changes a bucket's files. The body is NDJSON: `addFile`, `copyFile` and `deleteFile` lines, each of which succeeds
/// or fails by itself.
#[utoipa::path(post, path = "/api/buckets/{namespace}/{repo}/batch", tag = "buckets", operation_id = "change_bucket_files",
    request_body(content = String, content_type = "application/x-ndjson"),
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = BatchAnswer, description = "At least one operation succeeded"), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 422, body = BatchAnswer, description = "None did")))]
pub async fn batch(State(app): State<App>, Who(caller): Who, target: Target, request: Request) -> Result<Response> {
    let access = app.write_bucket(&caller, &target.path(&caller)?).await?;
    let operations = read(&mut Lines::new(request.into_body(), LIMITS)).await?;
    let done = app.change_bucket(&caller, &access, &operations).await?;
    let succeeded = done.processed - done.failed.len();
    let status = match succeeded {
        0 if done.processed > 0 => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::OK,
    };
    let failed: Vec<_> = done.failed.into_iter().map(|f| FailedOperation { path: f.path, error: f.error }).collect();
    let answer = BatchAnswer { success: failed.is_empty(), processed: done.processed, succeeded, failed };
    Ok((status, Json(answer)).into_response())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use haina_types::Code;

    use super::*;

    async fn parse(body: String) -> TypesResult<Vec<Operation>> {
        read(&mut Lines::new(Body::from(body), LIMITS)).await
    }

    #[tokio::test]
    async fn lines_as_the_clients_write_them() {
        let body = concat!(
            r#"{"type":"addFile","path":"a","xetHash":"00","mtime":1700000000123,"contentType":"text/plain"}"#,
            "\n",
            r#"{"type":"addFile","path":"b","xetHash":"00"}"#,
            "\n",
            r#"{"type":"copyFile","path":"c","xetHash":"00","mtime":1,"sourceRepoType":"model","sourceRepoId":"a/b"}"#,
            "\n",
            r#"{"type":"deleteFile","path":"d"}"#,
        );
        let read = parse(body.to_owned()).await.unwrap();
        assert_eq!(read.iter().map(|o| o.path.as_str()).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert!(matches!(&read[0].action, Action::Put { mtime: Some(1_700_000_000_123), from: None, .. }));
        assert!(matches!(&read[2].action, Action::Put { from: Some(Source { kind, .. }), .. } if kind == "model"));
        assert!(matches!(&read[3].action, Action::Delete));
    }

    #[tokio::test]
    async fn what_is_no_operation_is_refused_by_its_line() {
        let good = r#"{"type":"deleteFile","path":"d"}"#;
        for bad in ["{}", "[]", "x", r#"{"type":"addFile","path":"a"}"#, r#"{"type":"rename","path":"a"}"#] {
            let e = parse(format!("{good}\n{bad}\n")).await.unwrap_err();
            assert_eq!(e.code, Code::Invalid);
            assert!(e.message.starts_with("Line 2 "), "{}", e.message);
        }
        let many = format!("{good}\n").repeat(OPERATIONS_MAX);
        assert_eq!(parse(many.clone()).await.unwrap().len(), OPERATIONS_MAX);
        assert_eq!(parse(many + good).await.unwrap_err().code, Code::Invalid);
        let long = format!(r#"{{"type":"deleteFile","path":"{}"}}"#, "x".repeat(40_000));
        assert_eq!(parse(long.repeat(2)).await.unwrap_err().code, Code::TooLarge);
    }
}
