//! Requests to providers: encrypted unless on this machine, bounded in time and size, following nothing.

use std::time::Duration;

use haina_types::{Code, Error, Result};
use reqwest::{RequestBuilder, Url};
use serde_json::Value;

/// How long a provider may take for one answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Most bytes of an answer.
const BYTES_MAX: usize = 1 << 20;

pub(super) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .connect_timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("haina/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// A provider that does not do as it should; the person can only try again or come another way.
pub(super) fn faulty(why: impl std::fmt::Display) -> Error {
    Error::new(Code::Unavailable, "The sign-in provider gave no usable answer. Please try again, or come another way.")
        .because(format!("a provider of sign-in: {why}"))
}

/// An address of a provider: https, or http on this machine.
pub(crate) fn checked(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|e| Error::invalid(format!("The address '{text}' is not valid: {e}.")))?;
    let near = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() == "https" || (url.scheme() == "http" && near) {
        return Ok(url);
    }
    Err(Error::invalid(format!("The address '{text}' must begin with https:// (http:// only on this machine).")))
}

/// Sends a request and reads the JSON of the answer, and whether its status was a success.
pub(super) async fn json(request: RequestBuilder) -> Result<(bool, Value)> {
    let mut response = request.header("accept", "application/json").send().await.map_err(faulty)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(faulty)? {
        if body.len() + piece.len() > BYTES_MAX {
            return Err(faulty(format!("its answer has more than {BYTES_MAX} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    match serde_json::from_slice(&body) {
        Ok(value) => Ok((status.is_success(), value)),
        Err(_) => Err(faulty(format!("it answered {status} without JSON"))),
    }
}

/// The same where only a success will do.
pub(super) async fn json_ok(request: RequestBuilder, what: &str) -> Result<Value> {
    match json(request).await? {
        (true, value) => Ok(value),
        (false, value) => {
            let error = value["error"].as_str().unwrap_or("an error");
            let more = value["error_description"].as_str().unwrap_or("");
            Err(faulty(format!("{what}: {error} {more}")))
        }
    }
}

/// The body of a form.
pub(super) fn form(request: RequestBuilder, pairs: &[(&str, &str)]) -> RequestBuilder {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    request.header("content-type", "application/x-www-form-urlencoded").body(body)
}
