//! `HEAD` and `GET /{ns}/{name}/resolve/{rev}/{path}`, and `GET …/raw/{rev}/{path}`

use std::ops::Range;

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use haina_app::App;
use haina_app::gate::ContentAccess;
use haina_app::history::{Entry, EntryKind};
use haina_types::{Code, Error, FilePath, Oid, XetHash};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::answer::{path as encode_path, segment};
use crate::error::{Result, X_REPO_COMMIT};
use crate::request::{Target, Who};

pub(crate) const X_LINKED_ETAG: HeaderName = HeaderName::from_static("x-linked-etag");
pub(crate) const X_LINKED_SIZE: HeaderName = HeaderName::from_static("x-linked-size");
const X_XET_HASH: HeaderName = HeaderName::from_static("x-xet-hash");
const X_XET_REFRESH_ROUTE: HeaderName = HeaderName::from_static("x-xet-refresh-route");
const X_COUNTER: &str = "x-hf-download-counter";
const XET_FILE_INFO: &str = "application/vnd.xet-fileinfo+json";

/// What a `Range` header asks of a body of `size` bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: no range, or one that may be ignored.
    All,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that is there.
    Nothing,
}

/// Reads a `Range` header. Several ranges, other units and nonsense are ignored, as RFC 9110 (section 14.2) allows.
pub fn parse_range(header: Option<&HeaderValue>, size: u64) -> Asked {
    let Some(text) = header.and_then(|h| h.to_str().ok()) else { return Asked::All };
    let Some(spec) = text.trim().strip_prefix("bytes=") else { return Asked::All };
    let Some((from, to)) = spec.trim().split_once('-') else { return Asked::All };
    let digits = |t: &str| -> Option<u64> {
        (!t.is_empty() && t.len() <= 20 && t.bytes().all(|c| c.is_ascii_digit())).then(|| t.parse().unwrap_or(u64::MAX))
    };
    match (digits(from), digits(to)) {
        (Some(from), Some(to)) if from > to => Asked::All,
        (Some(from), _) if from >= size && (to.is_empty() || digits(to).is_some()) => Asked::Nothing,
        (Some(from), Some(to)) => Asked::Part(from..to.saturating_add(1).min(size)),
        (Some(from), None) if to.is_empty() => Asked::Part(from..size),
        (None, Some(0)) if from.is_empty() => Asked::Nothing,
        (None, Some(_)) if from.is_empty() && size == 0 => Asked::Nothing,
        (None, Some(last)) if from.is_empty() => Asked::Part(size.saturating_sub(last)..size),
        _ => Asked::All,
    }
}

/// Whether `If-None-Match` names the tag.
pub(crate) fn matches(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).any(|t| {
        let t = t.trim();
        t == "*" || t.strip_prefix("W/").unwrap_or(t).trim_matches('"') == etag
    })
}

pub(crate) fn value(text: &str) -> Result<HeaderValue> {
    Ok(HeaderValue::from_str(text).map_err(Error::internal)?)
}

/// The path of a file, or that it does not exist.
fn file_path(target: &Target, commit: Oid) -> Result<FilePath> {
    let text = target.file.as_deref().unwrap_or_default();
    Ok(text.parse().map_err(|_| {
        Error::new(Code::EntryNotFound, format!("\"{text}\" does not exist at this revision")).at(commit)
    })?)
}

/// The headers of every answer about a file, wherever it is.
pub(crate) fn file_headers(etag: &str, public: bool, path: &FilePath) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(20);
    headers.insert(header::ETAG, value(&format!("\"{etag}\""))?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Files come from anyone: whatever they are, they must not act as a page of this site.
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; media-src 'self'; img-src 'self' data:; sandbox",
        ),
    );
    let cache = if public { "public, no-cache" } else { "private, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization, Cookie"));
    let (_, name) = FilePath::split(path);
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_. ()".contains(c) { c } else { '_' }).collect();
    let serving = haina_app::files::serving(path.as_str());
    let way = if serving.inline { "inline" } else { "attachment" };
    headers.insert(
        header::CONTENT_DISPOSITION,
        value(&format!("{way}; filename*=UTF-8''{}; filename=\"{plain}\";", segment(name)))?,
    );
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(serving.content_type));
    Ok(headers)
}

/// Where a client of the content store gets a token for a file, and how it is put together.
pub(crate) fn xet_headers(headers: &mut HeaderMap, hash: &XetHash, route: &str, cas_url: &str) -> Result<()> {
    headers.insert(X_XET_HASH, value(&hash.to_string())?);
    headers.insert(X_XET_REFRESH_ROUTE, value(route)?);
    headers.insert(
        header::LINK,
        value(&format!(
            "<{route}>; rel=\"xet-auth\", <{cas_url}/v1/reconstructions/{hash}>; rel=\"xet-reconstruction-info\""
        ))?,
    );
    Ok(())
}

/// Whether what is asked for is the file's description for clients of the content store.
pub(crate) fn asks_file_info(asked: &HeaderMap) -> bool {
    asked.get(header::ACCEPT).is_some_and(|a| a.to_str().is_ok_and(|a| a.contains(XET_FILE_INFO)))
}

/// That description.
pub(crate) fn file_info(mut headers: HeaderMap, hash: &XetHash, size: u64, etag: &str) -> Result<Response> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(XET_FILE_INFO));
    headers.remove(header::ACCEPT_RANGES);
    let body = serde_json::json!({"hash": hash, "size": size, "etag": etag}).to_string();
    respond(StatusCode::OK, headers, Body::from(body))
}

/// The part of a file that is asked for; none for all of it. The headers say so.
pub(crate) fn choose_range(
    asked: &HeaderMap,
    headers: &mut HeaderMap,
    etag: &str,
    size: u64,
) -> Result<(StatusCode, Option<Range<u64>>)> {
    // With If-Range, a range counts only for the very content that the caller has a part of.
    let range = asked.get(header::RANGE).filter(|_| {
        asked.get(header::IF_RANGE).is_none_or(|tag| tag.to_str().is_ok_and(|tag| tag.trim_matches('"') == etag))
    });
    let range = match parse_range(range, size) {
        Asked::All => None,
        Asked::Part(range) => Some(range),
        Asked::Nothing => {
            return Err(Error::new(
                Code::RangeNotSatisfiable,
                format!("The file has {size} bytes: the range lies past its end."),
            )
            .with_detail(size.to_string())
            .into());
        }
    };
    let (status, length) = match &range {
        None => (StatusCode::OK, size),
        Some(range) => {
            headers.insert(header::CONTENT_RANGE, value(&format!("bytes {}-{}/{size}", range.start, range.end - 1))?);
            (StatusCode::PARTIAL_CONTENT, range.end - range.start)
        }
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok((status, range))
}

/// The headers of every answer about a file of a repository.
fn describe(app: &App, target: &Target, access: &ContentAccess, commit: Oid, entry: &Entry) -> Result<HeaderMap> {
    let etag = entry.etag();
    let public = access.repo().is_open();
    let mut headers = file_headers(&etag, public, &entry.path)?;
    headers.insert(X_REPO_COMMIT, value(&commit.to_string())?);
    if let Some(lfs) = &entry.lfs {
        headers.insert(X_LINKED_ETAG, value(&format!("\"{etag}\""))?);
        headers.insert(X_LINKED_SIZE, HeaderValue::from(lfs.size));
    }
    if let (Some(xet), Some(_)) = (&entry.xet, &entry.lfs) {
        let repo = access.repo();
        let route = format!(
            "{}/api/{}/{}/xet-read-token/{commit}",
            app.base_url(),
            target.kind.plural(),
            encode_path(&repo.path().to_string())
        );
        xet_headers(&mut headers, xet, &route, &app.cas_url(access))?;
    }
    Ok(headers)
}

/// On to the same file of a repository that was asked for by a name that it had before. Without scheme and host, so that
/// clients see that it is not another site, and send their token along.
fn moved(target: &Target, access: &ContentAccess, verb: &str, query: Option<&str>) -> Option<Result<Response>> {
    let now = target.moved(access.repo())?;
    let file = encode_path(target.file.as_deref().unwrap_or_default());
    let query = query.map_or_else(String::new, |q| format!("?{q}"));
    let to = format!("{now}/{verb}/{}/{file}{query}", segment(target.rev.as_str()));
    Some(value(&to).and_then(|to| {
        let headers = HeaderMap::from_iter([
            (header::LOCATION, to),
            (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        ]);
        respond(StatusCode::TEMPORARY_REDIRECT, headers, Body::empty())
    }))
}

/// A file: its headers, and with GET its bytes, whole or a range.
#[utoipa::path(get, path = "/{namespace}/{repo}/resolve/{rev}/{path}", tag = "files",
    params(("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path), ("path" = String, Path),
        ("Range" = Option<String>, Header), ("If-None-Match" = Option<String>, Header)),
    responses((status = 200, content_type = "application/octet-stream", headers(("ETag" = String), ("X-Repo-Commit" = String), ("X-Linked-Size" = u64), ("X-Xet-Hash" = String))),
        (status = 206), (status = 304), (status = 307, description = "the repository has another name now"), (status = 404, body = crate::error::ErrorBody), (status = 416, body = crate::error::ErrorBody)))]
pub async fn resolve(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    method: Method,
    uri: OriginalUri,
    asked: HeaderMap,
) -> Result<Response> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    if let Some(response) = moved(&target, &access, "resolve", uri.query()) {
        return response;
    }
    let commit = app.resolve_revision(&access, &target.rev).await?;
    let path = file_path(&target, commit)?;
    let entry = app.find_entry(&access, commit, &path).await?;
    let is_file = matches!(entry.kind, EntryKind::File | EntryKind::Symlink);
    if !is_file {
        return Err(Error::new(Code::EntryNotFound, format!("\"{path}\" is a folder at this revision"))
            .at(commit)
            .into());
    }
    if entry.lfs.is_some() && entry.xet.is_none() {
        // Without the commit: its absence is not a property of the commit, and may be mended by another upload.
        return Err(Error::new(
            Code::EntryNotFound,
            "The content of this file is not stored here, or is not what its sha256 declares, so it is not served. Upload the right content again.",
        )
        .into());
    }
    let mut headers = describe(&app, &target, &access, commit, &entry)?;
    if asks_file_info(&asked)
        && let Some(xet) = &entry.xet
    {
        return file_info(headers, xet, entry.size, &entry.etag());
    }
    let etag = entry.etag();
    if matches(&asked, &etag) {
        headers.remove(header::CONTENT_TYPE);
        return respond(StatusCode::NOT_MODIFIED, headers, Body::empty());
    }
    let (status, range) = choose_range(&asked, &mut headers, &etag, entry.size)?;
    if method == Method::HEAD {
        return respond(status, headers, Body::empty());
    }
    // A download is what its client says is one, or the beginning of a large file; pictures on a card are none.
    if range.as_ref().is_none_or(|r| r.start == 0) && (asked.contains_key(X_COUNTER) || entry.lfs.is_some()) {
        app.count_download(access.repo().id);
    }
    let body = match &entry.xet {
        Some(xet) => Body::from_stream(app.open_content(&access, xet, range).await?),
        None => {
            let bytes = bytes::Bytes::from(app.read_blob(&access, &entry).await?);
            let bytes = match range {
                // A blob is at most a few megabytes, so its offsets fit.
                Some(range) => bytes.slice(range.start as usize..range.end as usize),
                None => bytes,
            };
            Body::from(bytes)
        }
    };
    respond(status, headers, body)
}

/// The blob as history has it: for a large file, its pointer.
#[utoipa::path(get, path = "/{namespace}/{repo}/raw/{rev}/{path}", tag = "files",
    params(("namespace" = String, Path), ("repo" = String, Path), ("rev" = String, Path), ("path" = String, Path)),
    responses((status = 200, content_type = "text/plain"), (status = 307, description = "the repository has another name now"), (status = 404, body = crate::error::ErrorBody)))]
pub async fn raw(State(app): State<App>, Who(caller): Who, target: Target, uri: OriginalUri) -> Result<Response> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    if let Some(response) = moved(&target, &access, "raw", uri.query()) {
        return response;
    }
    let commit = app.resolve_revision(&access, &target.rev).await?;
    let path = file_path(&target, commit)?;
    let mut entry = app.find_entry(&access, commit, &path).await?;
    if !matches!(entry.kind, EntryKind::File | EntryKind::Symlink) {
        return Err(Error::new(Code::EntryNotFound, format!("\"{path}\" is a folder at this revision"))
            .at(commit)
            .into());
    }
    let bytes = app.read_blob(&access, &entry).await?;
    entry.lfs = None;
    entry.xet = None;
    let mut headers = describe(&app, &target, &access, commit, &entry)?;
    headers.remove(header::ACCEPT_RANGES);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    respond(StatusCode::OK, headers, Body::from(bytes))
}

pub(crate) fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Result<Response> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str, size: u64) -> Asked {
        parse_range(Some(&HeaderValue::from_str(text).unwrap()), size)
    }

    #[test]
    fn ranges_as_rfc_9110_reads_them() {
        assert_eq!(ask("bytes=0-0", 10), Asked::Part(0..1));
        assert_eq!(ask("bytes=2-", 10), Asked::Part(2..10));
        assert_eq!(ask("bytes=-3", 10), Asked::Part(7..10));
        assert_eq!(ask("bytes=-30", 10), Asked::Part(0..10));
        assert_eq!(ask("bytes=5-100", 10), Asked::Part(5..10));
        assert_eq!(ask("bytes=0-99999999999999999999999", 10), Asked::All);
        for none in ["bytes=10-", "bytes=10-11", "bytes=-0"] {
            assert_eq!(ask(none, 10), Asked::Nothing, "{none}");
        }
        for all in ["bytes=5-2", "bytes=a-b", "bytes=", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "bytes=+1-2"] {
            assert_eq!(ask(all, 10), Asked::All, "{all}");
        }
        assert_eq!(ask("bytes=0-", 0), Asked::Nothing);
        assert_eq!(parse_range(None, 10), Asked::All);
    }
}
