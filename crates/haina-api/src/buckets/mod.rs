//! Buckets: the doors of files that change in place.

mod batch;
mod events;
mod manage;
mod resolve;
pub(crate) mod target;
mod token;
mod tree;

use axum::routing::get;
use haina_app::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every route of buckets.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(manage::list, manage::delete_nothing))
        .routes(routes!(manage::create, manage::info, manage::delete))
        .routes(routes!(manage::settings))
        .routes(routes!(tree::paths_info))
        .routes(routes!(batch::batch))
        .routes(routes!(token::read))
        .routes(routes!(token::write))
        .routes(routes!(events::events))
        .route("/api/buckets/{namespace}/{repo}/tree", get(tree::tree))
        .route("/api/buckets/{namespace}/{repo}/tree/", get(tree::tree))
        .route("/api/buckets/{namespace}/{repo}/tree/{*path}", get(tree::tree))
        .route("/buckets/{namespace}/{repo}/resolve/{*path}", get(resolve::resolve))
}

/// Routes with a rest of any depth, which the router's own path syntax cannot say in OpenAPI.
#[derive(utoipa::OpenApi)]
#[openapi(paths(tree::tree, resolve::resolve))]
pub struct Wildcards;
