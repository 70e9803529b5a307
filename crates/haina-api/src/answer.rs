//! Small pieces of answers that several doors share.

use haina_app::App;
use haina_types::RepoKind;
use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::request::Query;

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// One percent-encoded path segment.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A percent-encoded path, slashes kept.
pub fn path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// The address of a repository's page.
pub fn repo_url(app: &App, kind: RepoKind, id: &str) -> String {
    format!("{}/{}{id}", app.base_url(), kind.url_prefix())
}

/// The `Link` header to the next page: the same address with another cursor.
pub fn next_link(app: &App, path: &str, query: &Query, cursor: &str) -> Option<HeaderValue> {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (key, value) in query.pairs().iter().filter(|(key, _)| key != "cursor") {
        pairs.append_pair(key, value);
    }
    pairs.append_pair("cursor", cursor);
    HeaderValue::from_str(&format!("<{}{path}?{}>; rel=\"next\"", app.base_url(), pairs.finish())).ok()
}
