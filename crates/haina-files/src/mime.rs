//! How a file of a repository may be served.
//!
//! The rule: bytes that strangers wrote never run in the hub's origin. A type is sent as it is only if browsers
//! take it as passive (pictures other than SVG, sound, video, plain text, JSON). Everything that could carry script
//! (HTML, SVG, XML, JavaScript, style sheets, PDF) is text or a download. Doors add
//! `X-Content-Type-Options: nosniff` and `Content-Security-Policy: default-src 'none'; sandbox` to all of them.

/// How to answer for a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// Whether a browser may show it; else it is sent as an attachment.
    pub inline: bool,
}

const fn show(content_type: &'static str) -> Serving {
    Serving { content_type, inline: true }
}

const fn save(content_type: &'static str) -> Serving {
    Serving { content_type, inline: false }
}

const TEXT: Serving = show("text/plain; charset=utf-8");
const BYTES: Serving = save("application/octet-stream");

/// The ending of a path's name, lower-cased; empty if there is none.
fn ending(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or_else(String::new, |(_, end)| end.to_ascii_lowercase())
}

/// By the path's ending alone; what is unknown is a download of bytes.
pub fn serving(path: &str) -> Serving {
    match ending(path).as_str() {
        "png" | "apng" => show("image/png"),
        "jpg" | "jpeg" | "jfif" => show("image/jpeg"),
        "gif" => show("image/gif"),
        "webp" => show("image/webp"),
        "avif" => show("image/avif"),
        "bmp" => show("image/bmp"),
        "ico" => show("image/x-icon"),
        "tif" | "tiff" => show("image/tiff"),
        "mp3" => show("audio/mpeg"),
        "wav" => show("audio/wav"),
        "flac" => show("audio/flac"),
        "ogg" | "oga" | "opus" => show("audio/ogg"),
        "m4a" => show("audio/mp4"),
        "aac" => show("audio/aac"),
        "mp4" | "m4v" => show("video/mp4"),
        "webm" => show("video/webm"),
        "ogv" => show("video/ogg"),
        "mov" => show("video/quicktime"),
        "mkv" => show("video/x-matroska"),
        "json" | "ipynb" | "geojson" | "webmanifest" => show("application/json; charset=utf-8"),
        // Viewers of PDF run script, and a download loses little.
        "pdf" => save("application/pdf"),
        // Active: shown as what their author typed.
        "html" | "htm" | "xhtml" | "xht" | "shtml" | "mhtml" | "svg" | "xml" | "xsl" | "xslt" | "rss" | "atom"
        | "js" | "mjs" | "cjs" | "css" => TEXT,
        "svgz" => BYTES,
        "txt" | "md" | "markdown" | "rst" | "csv" | "tsv" | "jsonl" | "ndjson" | "yaml" | "yml" | "toml" | "ini"
        | "cfg" | "conf" | "log" | "py" | "pyi" | "r" | "jl" | "sh" | "bash" | "zsh" | "bat" | "ps1" | "c" | "h"
        | "cc" | "cpp" | "cxx" | "hpp" | "cu" | "cuh" | "rs" | "go" | "java" | "kt" | "swift" | "scala" | "rb"
        | "php" | "pl" | "lua" | "ts" | "tsx" | "jsx" | "vue" | "svelte" | "sql" | "proto" | "jinja" | "j2" | "tex"
        | "bib" | "diff" | "patch" | "gitattributes" | "gitignore" | "gitmodules" | "gitkeep" | "dockerfile"
        | "cmake" | "vtt" | "srt" | "prompt" | "template" | "lock" | "ttl" | "cff" => TEXT,
        "parquet" => save("application/vnd.apache.parquet"),
        "zip" => save("application/zip"),
        "gz" | "tgz" => save("application/gzip"),
        "tar" => save("application/x-tar"),
        "wasm" => save("application/wasm"),
        "safetensors" | "gguf" | "bin" | "pt" | "pth" | "onnx" => BYTES,
        "" if is_text_name(path) => TEXT,
        _ => BYTES,
    }
}

/// As [`serving`], knowing whether the content is text (`!haina_git::looks_binary` of its beginning): unknown
/// endings of texts are shown, and what claims to be text and is not becomes a download.
pub fn serving_of(path: &str, is_text: bool) -> Serving {
    let by_name = serving(path);
    if is_text && by_name == BYTES {
        TEXT
    } else if !is_text && (by_name == TEXT || by_name.content_type.starts_with("application/json")) {
        BYTES
    } else {
        by_name
    }
}

fn is_text_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    matches!(
        name.as_str(),
        "license"
            | "licence"
            | "readme"
            | "notice"
            | "copying"
            | "authors"
            | "changelog"
            | "makefile"
            | "dockerfile"
            | "modelfile"
            | "citation"
            | "contributing"
    )
}

/// The value of `Content-Disposition` for a file: an ASCII name for old clients, and the real one.
pub fn content_disposition(path: &str, inline: bool) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ascii: String = name
        .chars()
        .map(|c| if (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(byte as char);
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    let kind = if inline { "inline" } else { "attachment" };
    format!("{kind}; filename*=UTF-8''{encoded}; filename=\"{ascii}\";")
}
