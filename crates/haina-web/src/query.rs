//! The query of an address, where a name may occur more than once.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// Most pairs that are read.
const PAIRS_MAX: usize = 100;

/// The pairs of a query, in order.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The first value of a name; empty when it is not there.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// The same, or none when it is empty.
    pub fn find(&self, name: &str) -> Option<String> {
        Some(self.get(name)).filter(|v| !v.is_empty()).map(str::to_owned)
    }

    /// Every pair that has a value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.trim())).filter(|(_, v)| !v.is_empty())
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().take(PAIRS_MAX).collect()))
    }
}
