//! `/v2/…`: the protocol of container registries, as far as it takes to pull a GGUF file with Ollama or llama.cpp.

use axum::Json;
use axum::body::Body;
use axum::extract::{RawPathParams, State};
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::repos::images::{Blob, MANIFEST_TYPE, Made};
use haina_types::{Code, Error, Sha256};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{ApiError, Result};
use crate::hub::render::sibling;
use crate::hub::resolve::{choose_range, respond, value};
use crate::request::{Target, Who};

const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Every route of it.
pub fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(ping))
        .routes(routes!(manifest))
        .routes(routes!(blob))
        .routes(routes!(tags))
        .route("/v2", axum::routing::get(ping))
}

/// An answer that asks nobody in particular who they are, as clients of registries expect it.
fn refuse(e: ApiError, asked: &HeaderMap) -> Response {
    let asks = matches!(e.0.code, Code::Unauthenticated | Code::BadCredentials)
        || (matches!(e.0.code, Code::RepoNotFound | Code::GatedRepo) && !asked.contains_key(header::AUTHORIZATION));
    let mut response = e.into_response();
    if asks {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"Haina\""));
    }
    response
}

/// Whether the protocol is spoken here.
#[utoipa::path(get, path = "/v2/", tag = "images", operation_id = "registry", responses((status = 200, body = serde_json::Value)))]
async fn ping(who: Result<Who, ApiError>, asked: HeaderMap) -> Response {
    match who {
        Ok(_) => ([(API_VERSION, "registry/2.0")], Json(json!({}))).into_response(),
        Err(e) => refuse(e, &asked),
    }
}

/// What is asked for: the last of the names in the address.
fn last(names: &RawPathParams) -> &str {
    names.iter().last().map_or("", |(_, value)| value)
}

/// The digest of a reference, if it is one.
fn parse_digest(text: &str) -> Option<Result<Sha256>> {
    let hex = text.strip_prefix("sha256:")?;
    let lower = !hex.bytes().any(|c| c.is_ascii_uppercase());
    let parsed = hex.parse().ok().filter(|_| lower);
    Some(parsed.ok_or_else(|| Error::invalid("A digest is sha256: and 64 lower-case hexadecimal digits.").into()))
}

fn made(made: &Made, digest: &Sha256, method: &Method, asked: &HeaderMap) -> Result<Response> {
    let mut headers = HeaderMap::new();
    let media_type = if made.is_manifest { MANIFEST_TYPE } else { "application/octet-stream" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&format!("\"{digest}\""))?);
    headers.insert(DOCKER_CONTENT_DIGEST, value(&format!("sha256:{digest}"))?);
    let (status, range) = choose_range(asked, &mut headers, &digest.to_string(), made.bytes.len() as u64)?;
    if method == Method::HEAD {
        return respond(status, headers, Body::empty());
    }
    let bytes = match range {
        // At most some hundred kilobytes, so its offsets fit.
        Some(range) => made.bytes[range.start as usize..range.end as usize].to_vec(),
        None => made.bytes.to_vec(),
    };
    respond(status, headers, Body::from(bytes))
}

async fn find_manifest(
    app: &App,
    who: Result<Who, ApiError>,
    target: Result<Target, ApiError>,
    reference: &str,
    method: &Method,
    asked: &HeaderMap,
) -> Result<Response> {
    let (Who(caller), target) = (who?, target?);
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    if let Some(digest) = parse_digest(reference) {
        let digest = digest?;
        return match app.image_blob(&access, &digest).await? {
            Blob::Made(found) if found.is_manifest => made(&found, &digest, method, asked),
            _ => Err(Error::new(Code::EntryNotFound, format!("There is no manifest {reference} here.")).into()),
        };
    }
    let (image, in_parts) = app.image(&access, reference).await?;
    let is_llama = asked.get(header::USER_AGENT).is_some_and(|agent| agent.as_bytes().starts_with(b"llama-cpp"));
    if !is_llama {
        if in_parts {
            return Err(Error::invalid(format!(
                "\"{}\" is one of several parts, which Ollama cannot put together. Choose a tag of one file, or use llama.cpp.",
                image.file.path
            ))
            .into());
        }
        return made(&Made { bytes: image.manifest, is_manifest: true }, &image.digest, method, asked);
    }
    // llama.cpp looks for names of files, and takes them by `resolve`.
    let mut body: Value = serde_json::from_slice(&image.manifest).map_err(Error::internal)?;
    body["ggufFile"] = sibling(&image.file, true);
    if let Some(projector) = &image.projector {
        body["mmprojFile"] = sibling(projector, true);
    }
    Ok(([(header::CONTENT_TYPE, MANIFEST_TYPE)], body.to_string()).into_response())
}

/// What a tag of a model names: a quantization of its GGUF files, the name of one, or `latest`; or a manifest by its digest. For
/// llama.cpp the names of the files are added.
#[utoipa::path(get, path = "/v2/{namespace}/{repo}/manifests/{reference}", tag = "images", operation_id = "image_manifest",
    params(("namespace" = String, Path), ("repo" = String, Path), ("reference" = String, Path, description = "Q4_K_M, latest, sha256:…")),
    responses((status = 200, content_type = "application/vnd.docker.distribution.manifest.v2+json", headers(("Docker-Content-Digest" = String))),
        (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
async fn manifest(
    State(app): State<App>,
    who: Result<Who, ApiError>,
    target: Result<Target, ApiError>,
    names: RawPathParams,
    method: Method,
    asked: HeaderMap,
) -> Response {
    find_manifest(&app, who, target, last(&names), &method, &asked).await.unwrap_or_else(|e| refuse(e, &asked))
}

async fn find_blob(
    app: &App,
    who: Result<Who, ApiError>,
    target: Result<Target, ApiError>,
    reference: &str,
    method: &Method,
    asked: &HeaderMap,
) -> Result<Response> {
    let (Who(caller), target) = (who?, target?);
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    let digest = parse_digest(reference)
        .unwrap_or_else(|| Err(Error::invalid("A layer is asked for by its digest: sha256:….").into()))?;
    let entry = match app.image_blob(&access, &digest).await? {
        Blob::Made(found) => return made(&found, &digest, method, asked),
        Blob::File(entry) => entry,
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&format!("\"{digest}\""))?);
    headers.insert(DOCKER_CONTENT_DIGEST, value(&format!("sha256:{digest}"))?);
    let (status, range) = choose_range(asked, &mut headers, &digest.to_string(), entry.size)?;
    if *method == Method::HEAD {
        return respond(status, headers, Body::empty());
    }
    let xet = entry.xet.ok_or_else(|| Error::internal("a file without content"))?;
    if range.as_ref().is_none_or(|r| r.start == 0) {
        app.count_download(access.repo().id);
    }
    respond(status, headers, Body::from_stream(app.open_content(&access, &xet, range).await?))
}

/// A layer by its digest, whole or a range.
#[utoipa::path(get, path = "/v2/{namespace}/{repo}/blobs/{digest}", tag = "images", operation_id = "image_blob",
    params(("namespace" = String, Path), ("repo" = String, Path), ("digest" = String, Path, description = "sha256:…"), ("Range" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", headers(("Docker-Content-Digest" = String))), (status = 206),
        (status = 400, body = crate::error::ErrorBody), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody), (status = 416, body = crate::error::ErrorBody)))]
async fn blob(
    State(app): State<App>,
    who: Result<Who, ApiError>,
    target: Result<Target, ApiError>,
    names: RawPathParams,
    method: Method,
    asked: HeaderMap,
) -> Response {
    find_blob(&app, who, target, last(&names), &method, &asked).await.unwrap_or_else(|e| refuse(e, &asked))
}

/// The tags of a model that can be pulled.
#[utoipa::path(get, path = "/v2/{namespace}/{repo}/tags/list", tag = "images", operation_id = "image_tags",
    params(("namespace" = String, Path), ("repo" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 401, body = crate::error::ErrorBody), (status = 403, body = crate::error::ErrorBody), (status = 404, body = crate::error::ErrorBody)))]
async fn tags(
    State(app): State<App>,
    who: Result<Who, ApiError>,
    target: Result<Target, ApiError>,
    asked: HeaderMap,
) -> Response {
    let list = async {
        let (Who(caller), target) = (who?, target?);
        let access = app.read_content(&caller, target.kind, &target.path).await?;
        let tags = app.image_tags(&access).await?;
        let name = access.repo().path().to_string();
        Ok::<_, ApiError>((StatusCode::OK, Json(json!({"name": name, "tags": tags}))).into_response())
    };
    list.await.unwrap_or_else(|e| refuse(e, &asked))
}
