//! Names of people, organizations and repositories.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name of a namespace or repository, in bytes (the clients allow 96).
pub const NAME_BYTES_MAX: usize = 96;

/// First path segments that belong to the site and can never be namespaces.
const RESERVED: &[&str] = &[
    "models",
    "datasets",
    "spaces",
    "kernels",
    "buckets",
    "collections",
    "organizations",
    "settings",
    "new",
    "new-dataset",
    "new-space",
    "join",
    "login",
    "logout",
    "setup",
    "search",
    "papers",
    "tasks",
    "docs",
    "api",
    "admin",
    "notifications",
    "about",
    "terms",
    "privacy",
    "status",
    "assets",
    "activity",
    "licenses",
    "findings",
    "resolve",
    "oauth",
    "device",
    ".well-known",
    "me",
    "xet",
    "uploads",
    "raw",
    "v1",
    "v2",
    "healthz",
    "metrics",
    "language",
    "webhooks",
    "jobs",
    "hf",
    "csg",
    "ms",
    "favicon.ico",
    "robots.txt",
];

/// Why a name was refused. The text is shown to people and says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty or too long.
    #[error("a name has 1 to {NAME_BYTES_MAX} characters")]
    Length,
    /// A character outside the allowed set.
    #[error("a name is made of ASCII letters, digits, '-', '_' and '.'")]
    Character,
    /// `--`, `..`, leading or trailing `-`/`.`, trailing `.git`.
    #[error("a name must not start or end with '-' or '.', contain '--' or '..', or end with '.git' or '.ipynb'")]
    Shape,
    /// The name is a path of the site itself.
    #[error("this name is reserved")]
    Reserved,
    /// Not of the form `namespace/name`.
    #[error("a repository id has the form 'namespace/name'")]
    NoNamespace,
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(NameError::Length);
    }
    if !text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')) {
        return Err(NameError::Character);
    }
    let edge = |c: char| matches!(c, '-' | '.');
    let folded = text.to_ascii_lowercase();
    if text.starts_with(edge)
        || text.ends_with(edge)
        || text.contains("--")
        || text.contains("..")
        || folded.ends_with(".git")
        || folded.ends_with(".ipynb")
    {
        return Err(NameError::Shape);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, |$text:ident| $extra:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// A name that was checked when it was stored. Rules may have become stricter since, and what exists
            /// must stay readable.
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The key of case-insensitive look-ups.
            pub fn fold(&self) -> String {
                self.0.to_ascii_lowercase()
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str($text: &str) -> Result<Self, NameError> {
                check($text)?;
                $extra
                Ok(Self($text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a namespace: a user or an organization.
    Slug,
    |text| if RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
        return Err(NameError::Reserved);
    }
);
name!(
    /// The second half of a repository id.
    RepoName,
    |_text| {}
);

/// A repository id, `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RepoPath {
    /// The owning user or organization.
    pub namespace: Slug,
    /// The repository's own name.
    pub name: RepoName,
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for RepoPath {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (namespace, name) = text.split_once('/').ok_or(NameError::NoNamespace)?;
        Ok(Self { namespace: namespace.parse()?, name: name.parse()? })
    }
}

/// What a repository holds. The set is the one that clients know; it grows here and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RepoKind {
    /// Model weights and configuration.
    Model,
    /// A data set.
    Dataset,
    /// An application.
    Space,
    /// A compute kernel.
    Kernel,
    /// Files that change in place, without a history.
    Bucket,
}

impl RepoKind {
    /// Every kind that has a history.
    pub const ALL: [Self; 4] = [Self::Model, Self::Dataset, Self::Space, Self::Kernel];

    /// Singular, as in request bodies and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
            Self::Kernel => "kernel",
            Self::Bucket => "bucket",
        }
    }

    /// Plural, as in `/api/{plural}/…`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Model => "models",
            Self::Dataset => "datasets",
            Self::Space => "spaces",
            Self::Kernel => "kernels",
            Self::Bucket => "buckets",
        }
    }

    /// What stands before `namespace/name` in web addresses: empty for models, else `datasets/` and so on.
    pub fn url_prefix(self) -> &'static str {
        match self {
            Self::Model => "",
            Self::Dataset => "datasets/",
            Self::Space => "spaces/",
            Self::Kernel => "kernels/",
            Self::Bucket => "buckets/",
        }
    }

    /// From the plural, if it has a history: routes and pages of buckets are others.
    pub fn from_plural(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.plural() == text)
    }
}

impl FromStr for RepoKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().chain([Self::Bucket]).find(|k| k.as_str() == text).ok_or(())
    }
}

impl fmt::Display for RepoKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who may know that a repository exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everyone.
    Public,
    /// Those with a right in its namespace.
    Private,
}

impl Visibility {
    /// The text of the database and of request bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl FromStr for Visibility {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_the_clients_check_them() {
        for good in ["a", "bert-base_uncased.v2", "0", "A_", "_a", &"x".repeat(96)] {
            assert!(good.parse::<RepoName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            ".a",
            "a.",
            "a--b",
            "a..b",
            "a.git",
            "a.GIT",
            "a/b",
            "a b",
            "模型",
            "a\0b",
            &"x".repeat(97),
        ] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?}");
        }
        assert_eq!("API".parse::<Slug>(), Err(NameError::Reserved));
        assert!("api".parse::<RepoName>().is_ok());
    }

    #[test]
    fn repository_ids_have_two_parts() {
        let path: RepoPath = "Ns/Name".parse().unwrap();
        assert_eq!((path.namespace.fold(), path.name.fold()), ("ns".into(), "name".into()));
        for bad in ["name", "a/b/c", "/b", "a/"] {
            assert!(bad.parse::<RepoPath>().is_err(), "{bad}");
        }
    }
}
