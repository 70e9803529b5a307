//! The Hub's JSON doors. Each handler parses, passes the gate, calls one use case and renders.

mod commit;
mod create;
mod delete;
mod info;
mod list;
mod log;
mod refs;
mod render;
pub(crate) mod resolve;
mod telemetry;
mod tree;
mod validate;
mod whoami;
mod xet_token;

use axum::routing::get;
use haina_app::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Every Hub route.
pub fn router() -> OpenApiRouter<App> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(whoami::whoami))
        .routes(routes!(whoami::avatar))
        .routes(routes!(create::create))
        .routes(routes!(delete::delete))
        .routes(routes!(list::models))
        .routes(routes!(list::datasets))
        .routes(routes!(list::spaces))
        .routes(routes!(list::kernels))
        .routes(routes!(info::info))
        .routes(routes!(info::revision))
        .routes(routes!(tree::paths_info))
        .routes(routes!(commit::preupload))
        .routes(routes!(commit::commit))
        .routes(routes!(log::commits))
        .routes(routes!(log::refs))
        .routes(routes!(refs::create_branch, refs::delete_branch))
        .routes(routes!(refs::create_tag, refs::delete_tag))
        .routes(routes!(xet_token::read))
        .routes(routes!(xet_token::write))
        .routes(routes!(validate::validate))
        .routes(routes!(telemetry::telemetry))
        .routes(routes!(telemetry::agent_harnesses))
        .routes(routes!(telemetry::health))
        .route("/api/{kind}/{namespace}", get(info::one_segment))
        .route("/api/{kind}/{namespace}/{repo}/tree/{rev}", get(tree::tree))
        .route("/api/{kind}/{namespace}/{repo}/tree/{rev}/", get(tree::tree))
        .route("/api/{kind}/{namespace}/{repo}/tree/{rev}/{*path}", get(tree::tree));
    // Models live at the root, the other kinds below their plural.
    for prefix in ["", "/datasets", "/spaces", "/kernels"] {
        let base = format!("{prefix}/{{namespace}}/{{repo}}");
        router = router
            .route(&format!("{base}/resolve/{{rev}}/{{*path}}"), get(resolve::resolve))
            .route(&format!("{base}/raw/{{rev}}/{{*path}}"), get(resolve::raw));
    }
    router
}

/// Routes with a rest of any depth, which the router's own path syntax cannot say in OpenAPI.
#[derive(utoipa::OpenApi)]
#[openapi(paths(tree::tree, resolve::resolve, resolve::raw))]
pub struct Wildcards;
