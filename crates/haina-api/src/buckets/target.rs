//! The bucket that a path names.

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use haina_app::Caller;
use haina_types::{Code, Error, RepoPath, Result as TypesResult, Slug};

use crate::error::ApiError;

/// A bucket's address as it was asked for: not checked until it is known who asks, because `me` is the caller.
pub struct Target {
    namespace: String,
    name: String,
    /// What follows: a path or a prefix; empty if the route has none.
    pub rest: String,
}

impl Target {
    /// The bucket's id. Whatever cannot be one is not there.
    pub fn path(&self, caller: &Caller) -> TypesResult<RepoPath> {
        let missing = || Error::new(Code::RepoNotFound, "Repository not found");
        Ok(RepoPath {
            namespace: namespace(&self.namespace, caller)?.ok_or_else(missing)?,
            name: self.name.parse().map_err(|_| missing())?,
        })
    }

    /// The id of a bucket to be made, or what is wrong with it.
    pub fn new_path(&self, caller: &Caller) -> TypesResult<RepoPath> {
        let invalid = |e: haina_types::NameError| Error::invalid(format!("Invalid bucket name '{}': {e}", self.name));
        Ok(RepoPath {
            namespace: match namespace(&self.namespace, caller)? {
                Some(namespace) => namespace,
                None => self.namespace.parse().map_err(invalid)?,
            },
            name: self.name.parse().map_err(invalid)?,
        })
    }
}

/// A namespace as it was asked for; `me` is the caller's own. `None` if there can be no such one.
pub fn namespace(text: &str, caller: &Caller) -> TypesResult<Option<Slug>> {
    match text {
        "me" => Ok(Some(caller.require_user()?.name.clone())),
        _ => Ok(text.parse().ok()),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Target {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::invalid("The path is not valid UTF-8."))?;
        let find = |name: &str| params.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| value).to_owned();
        Ok(Self { namespace: find("namespace"), name: find("repo"), rest: find("path") })
    }
}
