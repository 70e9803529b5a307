//! What every answer carries: a request id, how many requests are left, and for anonymous callers 401 where a signed-in
//! one gets 404.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_types::{Code, Error, Rng, SystemRng};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::error::{ApiError, ErrorBody, X_ERROR_CODE};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_AMZN_TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// The id of a request, for those who put it into a body.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub String);

/// The caller's own id verbatim, or one that contains their trace id, or a fresh one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    for name in [X_REQUEST_ID, X_AMZN_TRACE_ID] {
        if let Some(value) = headers.get(&name).filter(|v| !v.is_empty() && v.len() <= 200) {
            return value.clone();
        }
    }
    let rng: &dyn Rng = &SystemRng;
    HeaderValue::from_str(&rng.alphanumeric(20)).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Programs that ask for an address that is not there, or in a way that it does not take, get JSON and no page.
fn speak_json(response: Response) -> Response {
    let is_json =
        response.headers().get(header::CONTENT_TYPE).and_then(|t| t.to_str().ok()).is_some_and(|t| t.contains("json"));
    match response.status() {
        StatusCode::NOT_FOUND if !is_json && !response.headers().contains_key(X_ERROR_CODE) => {
            ApiError(Error::new(Code::NotFound, "Sorry, we can't find the page you are looking for.")).into_response()
        }
        StatusCode::METHOD_NOT_ALLOWED if !is_json => {
            let error = "This address does not take this method.".to_owned();
            let mut json = (StatusCode::METHOD_NOT_ALLOWED, axum::Json(ErrorBody { error, url: None })).into_response();
            if let Some(allow) = response.headers().get(header::ALLOW) {
                json.headers_mut().insert(header::ALLOW, allow.clone());
            }
            json
        }
        _ => response,
    }
}

/// Whether an address names a repository by one segment, as the oldest ids of the hosted hub are: here none has such
/// an id, and clients know that only by the error's code.
fn names_old_id(path: &str) -> bool {
    const KINDS: [&str; 4] = ["models", "datasets", "spaces", "kernels"];
    let mut segments = path.trim_start_matches('/').split('/');
    let first = segments.next();
    if first == Some("api") {
        let is_kind = segments.next().is_some_and(|kind| KINDS.contains(&kind));
        let verb = segments.nth(1);
        return is_kind && verb.is_some_and(|v| ["revision", "tree", "paths-info", "refs", "commits"].contains(&v));
    }
    if first.is_some_and(|kind| KINDS.contains(&kind)) {
        segments.next();
    }
    segments.next().is_some_and(|verb| ["resolve", "raw"].contains(&verb))
}

/// Runs the handler; a panic of it is a fault of ours like all others, and no end of the connection.
async fn run(request: Request, next: Next) -> Response {
    use futures_util::FutureExt;
    let panicked = match std::panic::AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => return response,
        Err(panicked) => panicked,
    };
    let words = panicked.downcast_ref::<String>().map(String::as_str).or(panicked.downcast_ref::<&str>().copied());
    let words = words.unwrap_or("no words");
    ApiError(Error::internal(format!("a handler panicked: {words}"))).into_response()
}

/// The middleware around every route.
pub async fn finish(State(app): State<App>, mut request: Request, next: Next) -> Response {
    use tracing::Instrument;
    let id = request_id(request.headers());
    let text = id.to_str().unwrap_or("").to_owned();
    request.extensions_mut().insert(RequestId(text));
    let anonymous =
        !request.headers().contains_key(header::AUTHORIZATION) && !request.headers().contains_key(header::COOKIE);
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or("?"), method = %request.method(), path = request.uri().path());
    let of_api = ["/api/", "/xet/"].iter().any(|p| request.uri().path().starts_with(p));
    let old_id = names_old_id(request.uri().path());
    let meter = crate::rates::meter(&app, &request);
    let mut refused = None;
    if let Some(meter) = &meter {
        if crate::rates::by_address(request.uri().path(), anonymous) {
            refused = meter.count_address().err();
        }
        request.extensions_mut().insert(meter.clone());
    }
    let mut response = match refused {
        Some(e) => ApiError(e).into_response(),
        None => run(request, next).instrument(span).await,
    };
    if let Some(rate) = meter.and_then(|m| m.rate()) {
        crate::rates::tell(response.headers_mut(), &rate);
    }
    if old_id && response.status() == StatusCode::NOT_FOUND && !response.headers().contains_key(X_ERROR_CODE) {
        response = ApiError(Error::new(Code::RepoNotFound, "Repository not found")).into_response();
    }
    if of_api {
        response = speak_json(response);
    }
    // An anonymous caller is asked for a credential before being told that something is not there or not theirs.
    let code = response.headers().get(X_ERROR_CODE).map(HeaderValue::as_bytes);
    let asks = match (response.status(), code) {
        (StatusCode::NOT_FOUND, Some(b"RepoNotFound")) | (StatusCode::FORBIDDEN, Some(b"GatedRepo")) => anonymous,
        _ => false,
    };
    if asks {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}
