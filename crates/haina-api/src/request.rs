//! What handlers take out of a request: who asks, about which repository, and bodies within their limits.

use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use base64::Engine;
use bytes::Bytes;
use haina_app::rates::Meter;
use haina_app::repos::Repo;
use haina_app::{App, Caller};
use haina_types::{Code, Error, RepoKind, RepoPath, Result as TypesResult, Revision};
use http::{HeaderMap, Method, header};

use crate::error::ApiError;

/// Most bytes of an ordinary JSON or form body.
pub const BODY_BYTES_MAX: usize = 4 << 20;

/// Who is asking.
pub struct Who(pub Caller);

/// The secret of the `Authorization` header: a bearer token, or the password of a basic pair.
fn credential(headers: &HeaderMap) -> TypesResult<Option<String>> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let bad = || Error::new(Code::BadCredentials, "Invalid credentials in Authorization header");
    let text = value.to_str().map_err(|_| bad())?.trim();
    let (scheme, rest) = text.split_once(' ').ok_or_else(bad)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.trim().to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = base64::engine::general_purpose::STANDARD.decode(rest.trim()).map_err(|_| bad())?;
        let pair = String::from_utf8(pair).map_err(|_| bad())?;
        let (_, password) = pair.split_once(':').ok_or_else(bad)?;
        return Ok(Some(password.to_owned()));
    }
    Err(bad())
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

async fn caller(parts: &Parts, app: &App) -> TypesResult<Caller> {
    if let Some(token) = credential(&parts.headers)? {
        return app.caller_by_token(&token).await;
    }
    if matches!(parts.method, Method::GET | Method::HEAD)
        && let Some(secret) = cookie(&parts.headers, "haina_session")
    {
        return app.caller_by_session(secret).await;
    }
    Ok(Caller::anonymous())
}

impl FromRequestParts<App> for Who {
    type Rejection = ApiError;

    /// A token that is present and wrong is an error on every route. A browser's session counts for reading only:
    /// whatever changes something needs a token here, or the pages' own forms.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = caller(parts, app).await;
        if let Some(meter) = parts.extensions.get::<Meter>() {
            match &caller {
                Ok(caller) => meter.count(caller)?,
                // Whoever tries tokens is refused before the answer says whether one fits.
                Err(e) if e.code == Code::BadCredentials => meter.count_address()?,
                Err(_) => {}
            }
        }
        Ok(Self(caller?))
    }
}

/// The repository that a path names, with revision and file if the route has them.
#[derive(Debug)]
pub struct Target {
    /// What it holds.
    pub kind: RepoKind,
    /// Its id, as written.
    pub path: RepoPath,
    /// The revision; `main` if the route has none.
    pub rev: Revision,
    /// The file or folder.
    pub file: Option<String>,
}

/// The kind of a repository from the first segments of a path: `/api/{plural}/…`, `/{plural}/…`, or a model.
pub(crate) fn kind_of(path: &str) -> Option<RepoKind> {
    let mut segments = path.trim_start_matches('/').split('/');
    match segments.next()? {
        "api" => RepoKind::from_plural(segments.next()?),
        first => Some(RepoKind::from_plural(first).filter(|k| *k != RepoKind::Model).unwrap_or(RepoKind::Model)),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::read(parts, state, false).await
    }
}

impl Target {
    /// The repository of an address of git's, whose name may end in `.git`.
    pub async fn of_git<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Self::read(parts, state, true).await
    }

    /// The path of the repository's pages today, if it was asked for by a name that it had before.
    pub fn moved(&self, repo: &Repo) -> Option<String> {
        let now = repo.path();
        let same = self.path.namespace.fold() == now.namespace.fold() && self.path.name.fold() == now.name.fold();
        (!same).then(|| format!("/{}{}", repo.kind.url_prefix(), crate::answer::path(&now.to_string())))
    }

    async fn read<S: Send + Sync>(parts: &mut Parts, state: &S, of_git: bool) -> Result<Self, ApiError> {
        let not_found = || Error::new(Code::RepoNotFound, "Repository not found");
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::invalid("The path is not valid UTF-8."))?;
        let kind = kind_of(parts.uri.path())
            .ok_or_else(|| Error::new(Code::NotFound, "Sorry, we can't find the page you are looking for."))?;
        let (mut namespace, mut repo, mut rev, mut file) = (None, None, None, None);
        for (key, value) in &params {
            match key {
                "namespace" => namespace = Some(value.to_owned()),
                "repo" if of_git => repo = Some(value.strip_suffix(".git").unwrap_or(value).to_owned()),
                "repo" => repo = Some(value.to_owned()),
                "rev" => rev = Some(value.to_owned()),
                "path" => file = Some(value.to_owned()),
                _ => {}
            }
        }
        let (Some(namespace), Some(repo)) = (namespace, repo) else { return Err(not_found().into()) };
        let path = RepoPath {
            namespace: namespace.parse().map_err(|_| not_found())?,
            name: repo.parse().map_err(|_| not_found())?,
        };
        Ok(Self { kind, path, rev: rev.map_or_else(Revision::main, Revision::new), file })
    }
}

/// The repository of a discussion's path, and what the path names in it.
#[derive(Debug)]
pub struct Thread {
    /// What the repository holds.
    pub kind: RepoKind,
    /// Its id, as written.
    pub path: RepoPath,
    /// The discussion; 0 if the route has none, or not a number.
    pub number: i64,
    /// The event; empty if the route has none.
    pub event: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Thread {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Target { kind, path, .. } = Target::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::invalid("The path is not valid UTF-8."))?;
        let param = |name: &str| params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
        // No discussion has the number 0: what is no number names nothing, after the gate has been passed.
        Ok(Self { kind, path, number: param("num").parse().unwrap_or(0), event: param("event").to_owned() })
    }
}

/// The query string as pairs, in order.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The first value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Every value of a key, also under `key[]` as JavaScript clients write it.
    pub fn all(&self, key: &str) -> Vec<String> {
        let list = self.0.iter().filter(|(k, _)| k == key || k.strip_suffix("[]") == Some(key));
        list.map(|(_, v)| v.clone()).collect()
    }

    /// Whether a flag is set.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| matches!(v, "1" | "true" | "True" | ""))
    }

    /// A number, or an error that names the key.
    pub fn number(&self, key: &str) -> Result<Option<usize>, ApiError> {
        match self.get(key) {
            None | Some("") => Ok(None),
            Some(text) => match text.parse() {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(Error::invalid(format!("\"{key}\" must be a number")).into()),
            },
        }
    }

    /// The pairs, to build the next page's address.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or("");
        Ok(Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect()))
    }
}

/// A JSON body of at most [`BODY_BYTES_MAX`].
pub struct Body<T>(pub T);

/// Reads a body within a limit.
pub async fn read_body(body: axum::body::Body, bytes_max: usize) -> TypesResult<Bytes> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(e) if e.is::<LengthLimitError>() => {
            Err(Error::new(Code::TooLarge, format!("The request body may have at most {bytes_max} bytes.")))
        }
        Err(e) => Err(Error::invalid("The request body ended early.").because(e)),
    }
}

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|e| Error::invalid(format!("The body is not the JSON expected here: {e}")))?;
        Ok(Self(value))
    }
}
