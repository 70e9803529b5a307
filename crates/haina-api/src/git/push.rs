//! `POST /{ns}/{name}[.git]/git-receive-pack`

use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use haina_app::App;
use haina_app::git::Service;
use haina_types::Error;

use super::body::{Encoding, encoding};
use super::{caller, is_of_type, not_git, refuse, respond_to, target};

/// A push: references to move, and a pack.
#[utoipa::path(post, path = "/{namespace}/{repo}/git-receive-pack", tag = "git", operation_id = "git_push",
    params(("namespace" = String, Path), ("repo" = String, Path, description = "the name, perhaps with `.git`")),
    request_body(content = Vec<u8>, content_type = "application/x-git-receive-pack-request"),
    responses((status = 200, content_type = "application/x-git-receive-pack-result"), (status = 401), (status = 403), (status = 404), (status = 415)))]
pub async fn push(State(app): State<App>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let access = async {
        let caller = caller(&mut parts, &app).await?;
        let (kind, path) = target(&mut parts, &app).await?;
        app.push(&caller, kind, &path).await
    };
    let access = match access.await {
        Ok(access) => access,
        Err(e) => return refuse(&parts.headers, e),
    };
    let is_git = is_of_type(&parts.headers, "application/x-git-receive-pack-request");
    // Packs are compressed: git does not compress this request again.
    if !is_git || encoding(&parts.headers) != Some(Encoding::Plain) {
        return not_git();
    }
    let body =
        body.into_data_stream().map(|piece| piece.map_err(|e| Error::invalid("The body ended early.").because(e)));
    match app.git_push(&access, Box::pin(body)).await {
        Ok(answer) => respond_to(Service::ReceivePack, answer),
        Err(e) => refuse(&parts.headers, e),
    }
}
