//! `GET /{ns}/{name}[.git]/info/refs?service=…`

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::git::Service;
use haina_types::Error;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};

use super::{caller, named, refuse, respond, version};

/// The references of a repository and what the server can do, as git asks for them before anything else.
#[utoipa::path(get, path = "/{namespace}/{repo}/info/refs", tag = "git", operation_id = "git_refs",
    params(("namespace" = String, Path), ("repo" = String, Path, description = "the name, perhaps with `.git`"),
        ("service" = String, Query, description = "git-upload-pack or git-receive-pack"), ("Git-Protocol" = Option<String>, Header)),
    responses((status = 200, content_type = "application/x-git-upload-pack-advertisement"), (status = 301, description = "the repository has another name now"), (status = 401), (status = 403), (status = 404)))]
pub async fn refs(State(app): State<App>, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let service = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "service").map(|(_, v)| v);
    let Some(service) = service.and_then(|s| Service::parse(&s)) else {
        // The dumb protocol, or a service that there is not.
        return (StatusCode::FORBIDDEN, "Please use a git client that speaks the smart HTTP protocol.\n")
            .into_response();
    };
    match answer(&app, &mut parts, service).await {
        Ok(response) => response,
        Err(e) => refuse(&parts.headers, e),
    }
}

/// On to the repository's name of today: git follows this one request, and sends all others there.
fn moved(now: &str, uri: &http::Uri) -> Result<Response, Error> {
    let suffix = if uri.path().ends_with(".git/info/refs") { ".git" } else { "" };
    let to = format!("{now}{suffix}/info/refs?{}", uri.query().unwrap_or_default());
    let mut response = StatusCode::MOVED_PERMANENTLY.into_response();
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(&to).map_err(Error::internal)?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

async fn answer(app: &App, parts: &mut Parts, service: Service) -> Result<Response, Error> {
    let caller = caller(parts, app).await?;
    let target = named(parts, app).await?;
    let (kind, path) = (target.kind, &target.path);
    let version = version(&parts.headers);
    Ok(match service {
        Service::UploadPack => {
            let access = app.read_content(&caller, kind, path).await?;
            if let Some(now) = target.moved(access.repo()) {
                return moved(&now, &parts.uri);
            }
            let body = app.git_advertise_fetch(&access, version).await?;
            respond("application/x-git-upload-pack-advertisement", Body::from(body))
        }
        Service::ReceivePack => {
            let access = app.push(&caller, kind, path).await?;
            if let Some(now) = target.moved(access.repo()) {
                return moved(&now, &parts.uri);
            }
            let body = app.git_advertise_push(&access, version).await?;
            respond("application/x-git-receive-pack-advertisement", Body::from(body))
        }
    })
}
