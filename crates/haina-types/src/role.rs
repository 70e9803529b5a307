//! Roles in organizations and powers of tokens.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A member's role in an organization, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrgRole {
    /// Sees private repositories.
    Read,
    /// Creates repositories and writes to those that they created.
    Contributor,
    /// Writes to every repository of the organization.
    Write,
    /// Also manages members and settings.
    Admin,
}

impl OrgRole {
    /// The text of the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Contributor => "contributor",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for OrgRole {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Read, Self::Contributor, Self::Write, Self::Admin].into_iter().find(|r| r.as_str() == text).ok_or(())
    }
}

/// What a caller wants to do to a repository or namespace, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read metadata and content.
    Read,
    /// Change content, create repositories.
    Write,
    /// Delete, rename, change visibility, manage members.
    Admin,
}

/// Where a fine-grained token may do what. The token never exceeds its user's own rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenScope {
    /// `*` for everything, or `namespace` or `namespace/name` with an optional kind prefix (`datasets/ns/name`); matched without regard to case.
    pub entity: String,
    /// The strongest action it allows there.
    pub action: Action,
}

impl TokenScope {
    /// The entity that stands for all that the token's user may reach.
    pub const EVERYTHING: &str = "*";

    /// Whether it names everything, a namespace, or a repository with or without the plural of its kind.
    pub fn is_well_formed(&self) -> bool {
        let rest = match self.entity.split_once('/') {
            Some(("buckets", rest)) if rest.contains('/') => rest,
            Some((plural, rest)) if rest.contains('/') && crate::RepoKind::from_plural(plural).is_some() => rest,
            _ => self.entity.as_str(),
        };
        self.is_everything()
            || match rest.contains('/') {
                true => rest.parse::<crate::RepoPath>().is_ok(),
                false => rest.parse::<crate::Slug>().is_ok(),
            }
    }

    /// Whether it covers everything.
    pub fn is_everything(&self) -> bool {
        self.entity == Self::EVERYTHING
    }
}

/// The power of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenRole {
    /// Everything its user may read.
    Read,
    /// Everything its user may do.
    Write,
    /// Only what its scopes say.
    FineGrained(Vec<TokenScope>),
}

impl TokenRole {
    /// The word that clients expect in `whoami`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::FineGrained(_) => "fineGrained",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_name_what_can_exist() {
        let is = |entity: &str| TokenScope { entity: entity.into(), action: Action::Read }.is_well_formed();
        for good in ["*", "lab", "lab/model", "datasets/lab/rows", "spaces/Lab/x.y", "buckets/lab/runs"] {
            assert!(is(good), "{good}");
        }
        for bad in ["", "**", "lab/", "/lab", "a/b/c", "datasets/lab/a/b", "a b", "名"] {
            assert!(!is(bad), "{bad}");
        }
    }
}
