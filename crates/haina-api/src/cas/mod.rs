//! The content store's doors: the Xet protocol under `/xet/{store}/{domain}`, and signed ranges of bytes under
//! `/xet/{store}/fetch`.
//!
//! Clients tell missing features by 404 and take most other refusals as the end of the whole transfer, so nothing
//! here answers 405, and load is met by waiting, never by 429 or 503.

mod access;
pub(crate) mod body;
mod chunks;
mod fetch;
mod files;
mod grants;
mod range;
mod reconstructions;
mod shards;
mod telemetry;
mod xorbs;

use axum::response::{IntoResponse, Response};
use axum::routing::any;
use haina_app::App;
use haina_types::{Code, Error};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;

/// Every route of the store.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(chunks::find))
        .routes(routes!(grants::request))
        .routes(routes!(xorbs::upload, xorbs::size))
        .routes(routes!(shards::register_v1))
        .routes(routes!(shards::register_v2))
        .routes(routes!(reconstructions::v1))
        .routes(routes!(reconstructions::v2))
        .routes(routes!(reconstructions::batch_by_query, reconstructions::batch_by_body))
        .routes(routes!(files::size))
        .routes(routes!(telemetry::at_store))
        .routes(routes!(telemetry::at_root))
        .routes(routes!(fetch::fetch))
        .route("/xet/{store}/{domain}/{*rest}", any(unknown))
        .layer(axum::middleware::map_response(no_405))
}

fn not_found() -> ApiError {
    ApiError(Error::new(Code::NotFound, "The content store has no such route."))
}

async fn unknown() -> ApiError {
    not_found()
}

async fn no_405(response: Response) -> Response {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED { not_found().into_response() } else { response }
}
