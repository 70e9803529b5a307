//! Revisions as callers write them, and the names of references.

use std::fmt;
use std::str::FromStr;

use crate::Oid;

/// Why a reference name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid reference name")]
pub struct RefNameError;

/// A full reference name, such as `refs/heads/main`, `refs/tags/v1` or `refs/pr/7`; the rules are those of
/// `git check-ref-format`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefName(String);

fn well_formed(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 250
        && !name.ends_with('.')
        && name != "@"
        && !name.contains("..")
        && !name.contains("@{")
        && !name.chars().any(|c| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'))
        && name.split('/').all(|s| !s.is_empty() && !s.starts_with('.') && !s.ends_with(".lock"))
}

impl RefName {
    /// `refs/heads/main`.
    pub fn main() -> Self {
        Self("refs/heads/main".into())
    }

    /// A branch's reference.
    pub fn branch(name: &str) -> Result<Self, RefNameError> {
        if name.starts_with('-') || name == "HEAD" {
            return Err(RefNameError);
        }
        format!("refs/heads/{name}").parse()
    }

    /// A tag's reference.
    pub fn tag(name: &str) -> Result<Self, RefNameError> {
        if name.starts_with('-') {
            return Err(RefNameError);
        }
        format!("refs/tags/{name}").parse()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch's short name, if it is a branch.
    pub fn as_branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }

    /// The tag's short name, if it is a tag.
    pub fn as_tag(&self) -> Option<&str> {
        self.0.strip_prefix("refs/tags/")
    }
}

impl FromStr for RefName {
    type Err = RefNameError;
    fn from_str(text: &str) -> Result<Self, RefNameError> {
        match text.strip_prefix("refs/") {
            Some(rest) if rest.contains('/') && well_formed(text) => Ok(Self(text.to_owned())),
            _ => Err(RefNameError),
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A revision as a caller wrote it: what it can mean is tried in the order branch, tag, commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// `main`.
    pub fn main() -> Self {
        Self("main".into())
    }

    /// Takes any text; one that can name nothing resolves to nothing.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The references that this text may mean, best first.
    pub fn candidates(&self) -> Vec<RefName> {
        let text = self.0.as_str();
        if text == "HEAD" {
            return vec![RefName::main()];
        }
        if text.starts_with("refs/") {
            return text.parse().into_iter().collect();
        }
        [RefName::branch(text), RefName::tag(text)].into_iter().flatten().collect()
    }

    /// A full commit id.
    pub fn as_oid(&self) -> Option<Oid> {
        self.0.parse().ok()
    }

    /// A prefix of a commit id, at least seven digits, lower-cased.
    pub fn as_oid_prefix(&self) -> Option<String> {
        let n = self.0.len();
        ((7..40).contains(&n) && self.0.bytes().all(|c| c.is_ascii_hexdigit())).then(|| self.0.to_ascii_lowercase())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_rules() {
        for good in ["main", "feature/x", "v1.0", "a-b", "模型"] {
            assert!(RefName::branch(good).is_ok(), "{good}");
        }
        for bad in [
            "", "a..b", "a b", "a.lock", ".a", "a/", "/a", "a//b", "a~1", "a^", "a:b", "a?", "-a", "@{x", "a\\b",
            "HEAD", "a.",
        ] {
            assert!(RefName::branch(bad).is_err(), "{bad}");
        }
        assert!("refs/x".parse::<RefName>().is_err());
        assert!("refs/pr/1".parse::<RefName>().is_ok());
    }

    #[test]
    fn what_a_revision_may_mean() {
        assert_eq!(Revision::new("refs/pr/1").candidates().len(), 1);
        assert_eq!(Revision::new("v1").candidates().len(), 2);
        assert_eq!(Revision::new("ABCDEF1").as_oid_prefix().as_deref(), Some("abcdef1"));
        assert_eq!(Revision::new("abc").as_oid_prefix(), None);
    }
}
