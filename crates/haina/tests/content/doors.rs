//! What clients take for the end of a transfer does not happen.

use axum::body::Body;
use haina_types::Visibility;
use http::{Method, Request};

use crate::rig::{Hub, Made};

on_both!(
    missing_features_are_404_and_nothing_is_405,
    malformed_names,
    refused_bodies_are_read_so_that_the_reason_arrives
);

async fn missing_features_are_404_and_nothing_is_405(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    let hash = haina_types::XetHash([3; 32]);
    let grant = r#"{"length":5,"checksum":{"algo":"crc64nvme","value":"17"}}"#;
    let answer = up.call(Method::POST, &format!("/v1/xorb-grants/default/{hash}"), None, grant).await.expect(404);
    assert!(answer.json()["error"].is_string());
    up.call(Method::POST, &format!("/v1/xorb-commits/default/{hash}/grant/abc"), None, Body::empty()).await.expect(404);
    up.get(&format!("/v2/file-chunk-hashes/{hash}")).await.expect(404);
    up.get("/v3/anything").await.expect(404);
    up.get(&format!("/v1/chunks/other/{hash}")).await.expect(404);
    let routes = [
        format!("/v1/chunks/default/{hash}"),
        format!("/v1/xorb-grants/default/{hash}"),
        format!("/v1/xorbs/default/{hash}"),
        "/v1/shards".into(),
        "/v2/shards".into(),
        format!("/v1/reconstructions/{hash}"),
        format!("/v2/reconstructions/{hash}"),
        "/v1/reconstructions".into(),
        format!("/v1/files/{hash}"),
        "/v1/telemetry".into(),
        "/nothing".into(),
    ];
    for route in &routes {
        for method in
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS]
        {
            let answer = up.call(method.clone(), route, None, Body::empty()).await;
            assert!(!matches!(answer.status.as_u16(), 405 | 429 | 500..), "{method} {route}: {}", answer.status);
        }
    }
    for route in [up.path("/v1/telemetry"), "/v1/telemetry".to_owned()] {
        let report = Request::builder().method(Method::POST).uri(route).body(Body::from(r#"{"any":1}"#)).unwrap();
        hub.send(report).await.expect(200);
    }
}

async fn malformed_names(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let up = hub.writer(&ada, &path).await;
    for bad in ["x", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65), "%00", "..%2f.."] {
        up.get(&format!("/v1/chunks/default/{bad}")).await.expect(400);
        up.get(&format!("/v2/reconstructions/{bad}")).await.expect(400);
        up.call(Method::POST, &format!("/v1/xorbs/default/{bad}"), None, Body::empty()).await.expect(400);
    }
    up.get("/v1/chunks/default/%ff").await.expect(400);
}

async fn refused_bodies_are_read_so_that_the_reason_arrives(hub: Hub) {
    let ada = hub.user("ada").await;
    let path = hub.repo(&ada, "m", Visibility::Private).await;
    let reader = hub.reader(&ada, &path).await;
    let made = Made::noise(1, 2_000_000);
    let read = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = read.clone();
    let pieces: Vec<_> = made.bytes.chunks(10_000).map(bytes::Bytes::copy_from_slice).collect();
    let body = Body::from_stream(futures_util::stream::iter(pieces.into_iter().map(move |p| {
        counter.fetch_add(p.len(), std::sync::atomic::Ordering::Relaxed);
        Ok::<_, std::io::Error>(p)
    })));
    reader.call(Method::POST, &format!("/v1/xorbs/default/{}", made.hash), None, body).await.expect(403);
    assert_eq!(read.load(std::sync::atomic::Ordering::Relaxed), 2_000_000);
}
