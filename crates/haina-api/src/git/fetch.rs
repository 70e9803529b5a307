//! `POST /{ns}/{name}[.git]/git-upload-pack`

use axum::extract::{Request, State};
use axum::response::Response;
use haina_app::App;
use haina_app::git::{Answer, FETCH_BYTES_MAX, Service};
use haina_types::Code;

use super::body::{encoding, read};
use super::{caller, is_of_type, not_git, refuse, respond_to, target, version};

/// One request of a client that clones or fetches.
#[utoipa::path(post, path = "/{namespace}/{repo}/git-upload-pack", tag = "git", operation_id = "git_fetch",
    params(("namespace" = String, Path), ("repo" = String, Path, description = "the name, perhaps with `.git`"), ("Git-Protocol" = Option<String>, Header)),
    request_body(content = Vec<u8>, content_type = "application/x-git-upload-pack-request"),
    responses((status = 200, content_type = "application/x-git-upload-pack-result"), (status = 401), (status = 403), (status = 404), (status = 415)))]
pub async fn fetch(State(app): State<App>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let access = async {
        let caller = caller(&mut parts, &app).await?;
        let (kind, path) = target(&mut parts, &app).await?;
        app.read_content(&caller, kind, &path).await
    };
    let access = match access.await {
        Ok(access) => access,
        Err(e) => return refuse(&parts.headers, e),
    };
    let is_git = is_of_type(&parts.headers, "application/x-git-upload-pack-request");
    let Some(encoding) = encoding(&parts.headers).filter(|_| is_git) else { return not_git() };
    let answer = async {
        let body = read(encoding, body, FETCH_BYTES_MAX).await?;
        app.git_fetch(&access, version(&parts.headers), &body).await
    };
    match answer.await {
        Ok(answer) => respond_to(Service::UploadPack, answer),
        Err(e) => {
            // A body of an error is not shown; git's own words are.
            if e.code == Code::Internal {
                tracing::error!(cause = %e.chain(), "a fetch failed");
            }
            respond_to(Service::UploadPack, Answer::refusal(&e.message))
        }
    }
}
