//! The files that pages load, inside the binary. Their addresses carry a hash of their content, so a browser never
//! asks twice and never keeps an old one.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};

#[derive(rust_embed::RustEmbed)]
#[folder = "assets/"]
struct Files;

struct Asset {
    bytes: Bytes,
    mime: &'static str,
}

struct Catalogue {
    /// From the name in the source to the public address.
    urls: HashMap<String, String>,
    /// From the public file name to the file.
    files: HashMap<String, Asset>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let mut catalogue = Catalogue { urls: HashMap::new(), files: HashMap::new() };
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let hash: String = file.metadata.sha256_hash().iter().take(6).map(|b| format!("{b:02x}")).collect();
        let (stem, suffix) = name.rsplit_once('.').unwrap_or((&name, "bin"));
        let public = format!("{stem}.{hash}.{suffix}");
        let mime = match suffix {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "application/octet-stream",
        };
        catalogue.urls.insert(name.to_string(), format!("/assets/{public}"));
        catalogue.files.insert(public, Asset { bytes: Bytes::from(file.data.into_owned()), mime });
    }
    catalogue
});

/// The address of an asset. A test asks for every asset that a template names.
pub fn url(name: &str) -> &'static str {
    CATALOGUE.urls.get(name).map_or("/assets/missing", String::as_str)
}

/// `GET /assets/{file}`
pub(crate) async fn serve(Path(file): Path<String>) -> Response {
    match CATALOGUE.files.get(&file) {
        Some(asset) => (
            [(header::CONTENT_TYPE, asset.mime), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")],
            asset.bytes.clone(),
        )
            .into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /favicon.ico`: browsers ask for it where no page names an icon.
pub(crate) async fn favicon() -> Response {
    (StatusCode::FOUND, [(header::LOCATION, url("logo.svg"))]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_carry_a_hash_and_never_change_content() {
        for name in ["haina.css", "copy.js", "logo.svg"] {
            let url = url(name);
            let file = url.strip_prefix("/assets/").unwrap();
            assert_eq!(file.split('.').count(), 3, "{url}");
            let response = serve(Path(file.to_owned())).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        }
        assert_eq!(serve(Path("haina.css".into())).await.status(), StatusCode::NOT_FOUND);
    }
}
