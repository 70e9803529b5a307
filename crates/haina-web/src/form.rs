//! Forms: where they may come from, and what is wrong with them, said once above and once beside the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use haina_app::App;
use haina_types::{Code, Error};
use http::{HeaderMap, header};

use crate::visit::{Failure, Visit};

/// Largest form, in bytes: a comment in a script of which each character takes nine when it is sent.
pub(crate) const FORM_BYTES_MAX: usize = 256 * 1024;

/// Something to correct in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The id of the field; empty when it is about the form as a whole.
    pub field: &'static str,
    /// What is wrong and what is right.
    pub text: String,
    /// Whether the text is the application's own, in English, for want of a translation.
    pub english: bool,
}

impl Problem {
    /// In the language of the page.
    pub fn new(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into(), english: false }
    }

    /// In the words of the application.
    pub fn in_english(field: &'static str, text: impl Into<String>) -> Self {
        Self { field, text: text.into(), english: true }
    }
}

/// What is wrong with one field.
pub(crate) fn problem_of<'a>(problems: &'a [Problem], field: &str) -> Option<&'a Problem> {
    problems.iter().find(|p| p.field == field)
}

/// The fields of a form that a page of ours sent. This is the only way to read one, so none goes unchecked.
pub(crate) struct Posted {
    /// Who sent it.
    pub visit: Visit,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// A field's first value; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Every field, in order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same without spaces around it; none when nothing remains.
    pub fn text(&self, name: &str) -> Option<String> {
        Some(self.get(name).trim()).filter(|t| !t.is_empty()).map(str::to_owned)
    }
}

/// Whether a browser says that the form came from another site. Old browsers say nothing; the token is for them.
fn is_foreign(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return false };
    let host_of = |url: &str| url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest).to_owned());
    let host = host_of(origin);
    // The address that clients use, or the one that this browser used, where a proxy has several.
    host.is_none() || (host != host_of(base_url) && host.as_deref() != text("host"))
}

impl FromRequest<App> for Posted {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &App) -> Result<Self, Failure> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, app).await?;
        if is_foreign(&parts.headers, app.base_url()) {
            return Err(Failure::form_expired("The form was sent from another site."));
        }
        let is_form = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.split(';').next().is_some_and(|t| t.trim() == "application/x-www-form-urlencoded"));
        if !is_form {
            return Err(Error::invalid("A form is sent as application/x-www-form-urlencoded.").into());
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), app)
            .await
            .map_err(|_| Error::new(Code::TooLarge, format!("A form has at most {FORM_BYTES_MAX} bytes.")))?;
        let fields: Vec<(String, String)> = form_urlencoded::parse(&bytes).into_owned().collect();
        let posted = Self { visit, fields };
        if !posted.visit.is_form_token(posted.get("csrf")) {
            return Err(Failure::form_expired("The token of the form is missing or old."));
        }
        Ok(posted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_sites_are_recognized() {
        let foreign = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            is_foreign(&headers, "https://hub.example:8443")
        };
        assert!(!foreign(&[]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]));
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site")]));
        assert!(!foreign(&[("origin", "https://hub.example:8443")]));
        assert!(!foreign(&[("origin", "http://127.0.0.1:3000"), ("host", "127.0.0.1:3000")]));
        assert!(foreign(&[("origin", "https://evil.example"), ("host", "hub.example")]));
        assert!(foreign(&[("origin", "https://hub.example:9999"), ("host", "hub.example:8443")]));
        assert!(foreign(&[("origin", "null"), ("host", "hub.example")]));
    }
}
