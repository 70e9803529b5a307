//! A handler that panics ends its request, and nothing else.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use haina_api::Peer;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::rig::Hub;

#[expect(clippy::panic, reason = "that is what is tested")]
async fn boom() -> &'static str {
    panic!("secret words")
}

async fn a_handler_that_panics_is_a_fault_of_ours(hub: Hub) {
    let router: Router = Router::new()
        .route("/api/boom", get(boom))
        .route("/api/fine", get(|| async { "fine" }))
        .with_state(())
        .layer(axum::middleware::from_fn_with_state(hub.app.clone(), haina_api::finish));
    let ask = async |path: &str| {
        let mut request = Request::get(path).header("x-request-id", "mine").body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer("192.0.2.1".parse().unwrap()));
        let (head, body) = router.clone().oneshot(request).await.unwrap().into_parts();
        (head, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    };
    let (head, body) = ask("/api/boom").await;
    assert_eq!(head.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(head.headers["x-request-id"], "mine");
    assert!(head.headers.contains_key("ratelimit"), "it counts");
    assert!(body.contains("error") && !body.contains("secret words"), "{body}");
    assert_eq!(ask("/api/fine").await.1, "fine");
}

on_both!(a_handler_that_panics_is_a_fault_of_ours);
