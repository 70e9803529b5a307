//! Limits of requests on the wire: which class an address belongs to, and the headers that clients read.

use std::net::IpAddr;

use axum::extract::Request;
use haina_app::App;
use haina_app::rates::{Class, Meter};
use haina_types::Rate;
use http::{HeaderMap, HeaderName, HeaderValue, header};

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// The class of an address. What carries a right of its own, made by a request that was counted, is not counted again:
/// the content store, transfers of LFS. Nor is what costs next to nothing.
pub(crate) fn class_of(path: &str) -> Option<Class> {
    let mut segments = path.trim_start_matches('/').split('/');
    let first = segments.next().unwrap_or("");
    match first {
        "api" => match segments.next() {
            Some("lfs" | "telemetry" | "openapi.json" | "agent-harnesses") => None,
            _ => Some(Class::Api),
        },
        "xet" | "healthz" | "assets" | "favicon.ico" | "v1" => None,
        ".well-known" | "uploads" => Some(Class::Api),
        "oauth" if segments.next() != Some("authorize") => Some(Class::Api),
        _ => {
            if matches!(first, "datasets" | "spaces" | "kernels" | "buckets") {
                segments.next();
            }
            segments.next();
            Some(match segments.next() {
                Some("resolve" | "raw" | "info" | "git-upload-pack" | "git-receive-pack") => Class::Resolvers,
                _ => Class::Pages,
            })
        }
    }
}

/// The meter of a request; none where nothing is counted.
pub(crate) fn meter(app: &App, request: &Request) -> Option<Meter> {
    let Peer(peer) = *request.extensions().get::<Peer>()?;
    let class = class_of(request.uri().path())?;
    // A proxy adds to the header that is there, or another one of the same name: together they are one list.
    let forwarded: Vec<&str> =
        request.headers().get_all(X_FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()).collect();
    let forwarded = (!forwarded.is_empty()).then(|| forwarded.join(","));
    Some(app.meter(class, peer, forwarded.as_deref()))
}

/// Whether a request is counted by its address whatever it shows: it may show an application's secret, or nothing. Pages
/// count for themselves, so that who is refused sees a page.
pub(crate) fn by_address(path: &str, anonymous: bool) -> bool {
    class_of(path) != Some(Class::Pages) && (anonymous || path.starts_with("/oauth/"))
}

/// Says how many requests are left, unless something nearer did.
pub(crate) fn tell(headers: &mut HeaderMap, rate: &Rate) {
    if headers.contains_key(RATELIMIT) {
        return;
    }
    let Rate { class, limit, window_seconds, remaining, reset_seconds, refused } = rate;
    let now = HeaderValue::from_str(&format!("\"{class}\";r={remaining};t={reset_seconds}"));
    let policy = HeaderValue::from_str(&format!("\"fixed window\";\"{class}\";q={limit};w={window_seconds}"));
    if let (Ok(now), Ok(policy)) = (now, policy) {
        headers.insert(RATELIMIT, now);
        headers.insert(RATELIMIT_POLICY, policy);
    }
    if *refused {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(*reset_seconds));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        use Class::{Api, Pages, Resolvers};
        for (path, class) in [
            ("/api/models", Some(Api)),
            ("/api/models/a/b/xet-read-token/main", Some(Api)),
            ("/api/resolve/x", Some(Api)),
            ("/oauth/token", Some(Api)),
            ("/oauth/authorize", Some(Pages)),
            ("/a/b/resolve/main/config.json", Some(Resolvers)),
            ("/datasets/a/b/resolve/main/x/y", Some(Resolvers)),
            ("/buckets/a/b/resolve/x", Some(Resolvers)),
            ("/a/b/raw/main/x", Some(Resolvers)),
            ("/a/b.git/info/refs", Some(Resolvers)),
            ("/spaces/a/b/git-upload-pack", Some(Resolvers)),
            ("/a/b.git/info/lfs/objects/batch", Some(Resolvers)),
            ("/", Some(Pages)),
            ("/a/b/tree/resolve/x", Some(Pages)),
            ("/datasets", Some(Pages)),
            ("/xet/s/1/v1/xorbs/default/x", None),
            ("/api/lfs/objects/x", None),
            ("/assets/haina.css", None),
            ("/healthz", None),
        ] {
            assert_eq!(class_of(path), class, "{path}");
        }
    }

    #[test]
    fn headers_have_the_form_that_clients_read() {
        let rate =
            Rate { class: "api", limit: 500, window_seconds: 300, remaining: 0, reset_seconds: 55, refused: true };
        let mut headers = HeaderMap::new();
        tell(&mut headers, &rate);
        tell(&mut headers, &Rate { class: "pages", ..rate });
        assert_eq!(headers["ratelimit"], "\"api\";r=0;t=55");
        assert_eq!(headers["ratelimit-policy"], "\"fixed window\";\"api\";q=500;w=300");
        assert_eq!(headers["retry-after"], "55");
        headers.clear();
        tell(&mut headers, &Rate { refused: false, ..rate });
        assert!(!headers.contains_key("retry-after"));
    }
}
