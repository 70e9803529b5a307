//! Git's own doors: smart HTTP below the address of each repository, with and without `.git`.
//!
//! A person sees refusals of `info/refs` as text, and those of the other requests only when they are said in the
//! protocol itself; so rights are judged at both, and what else is wrong is answered with 200 and git's own words.

mod body;
mod fetch;
mod push;
mod refs;

use axum::body::Body;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use haina_app::App;
use haina_app::git::{Answer, Service, Version};
use haina_types::{Code, Error, RepoKind, RepoPath};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::request::{Target, Who};

const GIT_PROTOCOL: HeaderName = HeaderName::from_static("git-protocol");

/// Every route of git's.
pub fn router() -> OpenApiRouter<App> {
    let mut router =
        OpenApiRouter::new().routes(routes!(refs::refs)).routes(routes!(fetch::fetch)).routes(routes!(push::push));
    for prefix in ["/datasets", "/spaces", "/kernels"] {
        let base = format!("{prefix}/{{namespace}}/{{repo}}");
        router = router
            .route(&format!("{base}/info/refs"), get(refs::refs))
            .route(&format!("{base}/git-upload-pack"), post(fetch::fetch))
            .route(&format!("{base}/git-receive-pack"), post(push::push));
    }
    router
}

/// The repository that an address names, perhaps ending in `.git`.
async fn target(parts: &mut Parts, app: &App) -> Result<(RepoKind, RepoPath), Error> {
    let named = named(parts, app).await?;
    Ok((named.kind, named.path))
}

async fn named(parts: &mut Parts, app: &App) -> Result<Target, Error> {
    Target::of_git(parts, app).await.map_err(|ApiError(e)| e)
}

async fn caller(parts: &mut Parts, app: &App) -> Result<haina_app::Caller, Error> {
    use axum::extract::FromRequestParts;
    Who::from_request_parts(parts, app).await.map(|who| who.0).map_err(|ApiError(e)| e)
}

fn version(headers: &HeaderMap) -> Version {
    headers.get(GIT_PROTOCOL).and_then(|v| v.to_str().ok()).map_or(Version::V0, Version::of_header)
}

/// An error as git shows it: the status and the words alone.
fn refuse(headers: &HeaderMap, e: Error) -> Response {
    let words = format!("{}\n", e.message);
    let anonymous = !headers.contains_key(header::AUTHORIZATION) && !headers.contains_key(header::COOKIE);
    let asks = match e.code {
        Code::Unauthenticated | Code::BadCredentials => true,
        // Whoever is nobody is asked who they are before they are told that nothing is there.
        Code::RepoNotFound | Code::GatedRepo => anonymous,
        _ => false,
    };
    let mut response = ApiError(e).into_response();
    if asks {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Haina\""));
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.headers_mut().remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(words);
    response
}

/// An answer of the protocol; nothing on the way may keep it.
fn respond(content_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("Fri, 01 Jan 1980 00:00:00 GMT"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The answer to a request of a service.
fn respond_to(service: Service, answer: Answer) -> Response {
    let body = match answer.rest {
        None => Body::from(answer.head),
        Some(rest) => {
            let head = futures_util::stream::once(async { Ok(answer.head) });
            Body::from_stream(head.chain(rest).map(|piece: Result<_, Error>| piece.map_err(axum::Error::new)))
        }
    };
    let content_type = match service {
        Service::UploadPack => "application/x-git-upload-pack-result",
        Service::ReceivePack => "application/x-git-receive-pack-result",
    };
    respond(content_type, body)
}

/// Whether a request says that it is one.
fn is_of_type(headers: &HeaderMap, content_type: &str) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|t| t.as_bytes() == content_type.as_bytes())
}

/// A request that does not speak git, or not in a way that is understood here.
fn not_git() -> Response {
    let words = "expected a request of git's, with gzip or without compression\n";
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, words).into_response()
}
