//! The doors of Haina: the Hub's JSON routes and the content store's, with the OpenAPI description made from the same
//! annotations.
//!
//! Handlers parse, authorize, call one use case, and render. They know HTTP and no SQL.

mod answer;
mod buckets;
pub mod cas;
mod error;
mod git;
mod hub;
mod lfs;
mod lines;
mod oauth;
mod oci;
mod rates;
mod request;
mod trace;

use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use haina_app::App;
use http::HeaderName;
use tower_http::cors::{self, CorsLayer};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use error::{ApiError, ErrorBody};
pub use rates::Peer;
pub use trace::finish;

/// What the description says of the whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Haina",
        description = "A hub for models, data sets and tools. Clients of the Hugging Face Hub work unmodified; what is listed here is what this server offers.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    modifiers(&Security),
    tags(
        (name = "people", description = "Who asks"),
        (name = "sign-in", description = "OAuth 2 and OpenID Connect: signing in machines and applications"),
        (name = "repositories", description = "Making, finding, describing, deleting"),
        (name = "access", description = "Gated content: asking, giving, taking away"),
        (name = "files", description = "Folders and files at a revision"),
        (name = "commits", description = "History"),
        (name = "community", description = "Likes, follows, collections, webhooks"),
        (name = "discussions", description = "Discussions and pull requests"),
        (name = "spaces", description = "Variables and secrets of spaces, and whether they run"),
        (name = "buckets", description = "Files that change in place"),
        (name = "images", description = "GGUF files for Ollama and llama.cpp, by the protocol of container registries"),
        (name = "git", description = "Git's own protocol"),
        (name = "content", description = "Large files: the Xet protocol"),
        (name = "lfs", description = "Large files: Git LFS"),
        (name = "service", description = "The service itself"),
    )
)]
struct Description;

struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("hf_…").build();
        openapi
            .components
            .get_or_insert_with(Default::default)
            .add_security_scheme("token", SecurityScheme::Http(scheme));
        openapi.security = Some(vec![SecurityRequirement::default(), SecurityRequirement::new("token", [""; 0])]);
    }
}

/// The OpenAPI description.
pub fn description() -> utoipa::openapi::OpenApi {
    assemble().1
}

fn assemble() -> (Router<App>, utoipa::openapi::OpenApi) {
    let (router, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .merge(hub::router())
        .merge(git::router())
        .merge(cas::router())
        .merge(lfs::router())
        .merge(buckets::router())
        .merge(oauth::router())
        .merge(oci::router())
        .split_for_parts();
    description.merge(hub::Wildcards::openapi());
    description.merge(buckets::Wildcards::openapi());
    complete(&mut description);
    (router, description)
}

/// Fills in what the annotations need not repeat: the routes of the other kinds and of a tree's root, the refusal of too
/// many requests, a word for each response, and one name for each operation.
fn complete(description: &mut utoipa::openapi::OpenApi) {
    let paths = &mut description.paths.paths;
    for verb in ["resolve", "raw"] {
        let model = format!("/{{namespace}}/{{repo}}/{verb}/{{rev}}/{{path}}");
        if let Some(item) = paths.get(&model).cloned() {
            for kind in ["datasets", "spaces", "kernels"] {
                paths.insert(format!("/{kind}{model}"), item.clone());
            }
        }
    }
    for tree in ["/api/{kind}/{namespace}/{repo}/tree/{rev}", "/api/buckets/{namespace}/{repo}/tree"] {
        if let Some(mut item) = paths.get(&format!("{tree}/{{path}}")).cloned() {
            for operation in operations(&mut item) {
                if let Some(parameters) = &mut operation.parameters {
                    parameters.retain(|p| !matches!(p, utoipa::openapi::RefOr::T(p) if p.name == "path"));
                }
            }
            paths.insert(tree.to_owned(), item);
        }
    }
    let mut names = std::collections::HashSet::new();
    for (path, item) in paths.iter_mut() {
        for operation in operations(item) {
            if rates::class_of(path).is_some() {
                let words = "Too many requests: `ratelimit` and `Retry-After` say when to go on";
                let refusal = utoipa::openapi::ResponseBuilder::new().description(words).build();
                operation.responses.responses.entry("429".to_owned()).or_insert_with(|| refusal.into());
            }
            for (status, response) in &mut operation.responses.responses {
                if let utoipa::openapi::RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    let known = http::StatusCode::from_bytes(status.as_bytes()).ok();
                    response.description = known.and_then(|s| s.canonical_reason()).unwrap_or("Answer").to_owned();
                }
            }
            let name = operation.operation_id.clone().unwrap_or_default();
            if !names.insert(name.clone()) {
                let place: String = path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                let name = format!("{name}{place}");
                names.insert(name.clone());
                operation.operation_id = Some(name);
            }
        }
    }
}

fn operations(item: &mut utoipa::openapi::PathItem) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [&mut item.get, &mut item.head, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// Every route of the API.
pub fn router() -> Router<App> {
    let (router, description) = assemble();
    let description = Arc::new(description);
    router.route("/api/openapi.json", get(move || async move { Json((*description).clone()) })).layer(cors())
}

/// Other sites' scripts may call the API with a token of their user, and read the headers that clients need. Cookies
/// are never sent along, so nobody's session is lent to another site.
fn cors() -> CorsLayer {
    let exposed = [
        "etag",
        "link",
        "content-range",
        "content-length",
        "x-repo-commit",
        "x-linked-size",
        "x-linked-etag",
        "x-error-code",
        "x-error-message",
        "x-request-id",
        "x-xet-hash",
        "x-xet-refresh-route",
        "x-xet-cas-url",
        "x-xet-access-token",
        "x-xet-token-expiration",
        "x-total-count",
        "ratelimit",
        "ratelimit-policy",
        "retry-after",
    ];
    CorsLayer::new()
        .allow_origin(cors::Any)
        .allow_methods(cors::Any)
        .allow_headers(cors::AllowHeaders::mirror_request())
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(Duration::from_secs(3600))
}
