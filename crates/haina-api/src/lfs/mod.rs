//! The doors of Git LFS: batch and locks below each repository's `info/lfs`, transfers by signed addresses below
//! `/api/lfs`.

mod answer;
mod batch;
mod locks;
mod objects;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use axum::routing::{any, get, post};
use haina_app::{App, Caller};
use haina_types::{Code, Error, RepoKind, RepoPath};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;

/// Every route of LFS.
pub fn router() -> OpenApiRouter<App> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(batch::batch))
        .routes(routes!(locks::list, locks::create))
        .routes(routes!(locks::verify))
        .routes(routes!(locks::unlock))
        .routes(routes!(objects::download, objects::upload))
        .routes(routes!(objects::upload_part))
        .routes(routes!(objects::complete))
        .routes(routes!(objects::verify))
        .route("/{namespace}/{repo}/info/lfs/{*rest}", any(unknown))
        .route("/api/lfs/{*rest}", any(unknown));
    // Models live at the root, the other kinds below their plural.
    for prefix in ["/datasets", "/spaces", "/kernels"] {
        let base = format!("{prefix}/{{namespace}}/{{repo}}/info/lfs");
        router = router
            .route(&format!("{base}/objects/batch"), post(batch::batch))
            .route(&format!("{base}/locks"), get(locks::list).post(locks::create))
            .route(&format!("{base}/locks/verify"), post(locks::verify))
            .route(&format!("{base}/locks/{{id}}/unlock"), post(locks::unlock))
            .route(&format!("{base}/{{*rest}}"), any(unknown));
    }
    router.layer(axum::middleware::from_fn(answer::speak_lfs))
}

/// Who asks at these doors: whoever may ask elsewhere, and a client that was lent a pass over SSH.
pub struct Who(pub Caller);

impl FromRequestParts<App> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let sent = parts.headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        if let Some(sent) = sent
            && let Some(caller) = app.caller_by_lfs_pass(sent).await?
        {
            return Ok(Self(caller));
        }
        Ok(Self(crate::request::Who::from_request_parts(parts, app).await?.0))
    }
}

async fn unknown() -> ApiError {
    ApiError(Error::new(Code::NotFound, "LFS has no such route here."))
}

/// The repository of a path, with or without `.git`, and what else the path names.
#[derive(Debug)]
struct Target {
    kind: RepoKind,
    path: RepoPath,
    /// The lock.
    id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let not_found = || Error::new(Code::RepoNotFound, "Repository not found");
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|e| Error::invalid("The path is not valid UTF-8.").because(e))?;
        let param = |name: &str| params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
        let repo = param("repo");
        let path = RepoPath {
            namespace: param("namespace").parse().map_err(|_| not_found())?,
            // No name ends like that by itself.
            name: repo.strip_suffix(".git").unwrap_or(repo).parse().map_err(|_| not_found())?,
        };
        let kind = crate::request::kind_of(parts.uri.path()).ok_or_else(not_found)?;
        Ok(Self { kind, path, id: param("id").to_owned() })
    }
}
