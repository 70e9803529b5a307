//! What an application may be allowed, and the power of a token that this comes to.

use std::collections::BTreeSet;
use std::fmt;

use haina_types::{Action, TokenRole, TokenScope};

/// One thing that an application may be allowed, by the names that the Hub's applications know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// An id token: who the person is.
    OpenId,
    /// Their name, picture and organizations.
    Profile,
    /// Their e-mail address.
    Email,
    /// To read what they may read.
    ReadRepos,
    /// To create repositories and write to those that they may write to.
    WriteRepos,
    /// Also to delete repositories and change their settings.
    ManageRepos,
    /// To go on when they are away: a refresh token.
    OfflineAccess,
}

impl Scope {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::OpenId,
        Self::Profile,
        Self::Email,
        Self::ReadRepos,
        Self::WriteRepos,
        Self::ManageRepos,
        Self::OfflineAccess,
    ];

    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenId => "openid",
            Self::Profile => "profile",
            Self::Email => "email",
            Self::ReadRepos => "read-repos",
            Self::WriteRepos => "write-repos",
            Self::ManageRepos => "manage-repos",
            Self::OfflineAccess => "offline_access",
        }
    }
}

/// Several of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes(BTreeSet<Scope>);

impl Scopes {
    /// From a list with spaces. What this hub does not know it ignores, as RFC 6749 (3.3) allows; the answer says
    /// what was granted.
    pub fn parse(text: &str) -> Self {
        let known = |word: &str| Scope::ALL.into_iter().find(|s| s.as_str() == word);
        Self(text.split_ascii_whitespace().filter_map(known).collect())
    }

    /// Whether it has this one.
    pub fn has(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each, in a fixed order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    /// Whether all of them are in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.0.is_subset(&other.0)
    }

    /// Whether something may be changed.
    pub fn may_change(&self) -> bool {
        self.has(Scope::WriteRepos) || self.has(Scope::ManageRepos)
    }

    /// The same without the right to change anything.
    pub fn reading_only(mut self) -> Self {
        if self.may_change() {
            self.0.insert(Scope::ReadRepos);
            self.0.remove(&Scope::WriteRepos);
            self.0.remove(&Scope::ManageRepos);
        }
        self
    }

    /// The power of an access token: never the account itself, which only a person's own tokens manage.
    pub(crate) fn role(&self) -> TokenRole {
        let action = if self.has(Scope::ManageRepos) {
            Some(Action::Admin)
        } else if self.has(Scope::WriteRepos) {
            Some(Action::Write)
        } else if self.has(Scope::ReadRepos) {
            Some(Action::Read)
        } else {
            None
        };
        let everything = |action| TokenScope { entity: TokenScope::EVERYTHING.to_owned(), action };
        TokenRole::FineGrained(action.map(everything).into_iter().collect())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Scope::as_str).collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_lessen_and_unknown_ones_are_ignored() {
        let asked = Scopes::parse("openid  manage-repos write-repos jobs openid");
        assert_eq!(asked.to_string(), "openid write-repos manage-repos");
        assert_eq!(asked.clone().reading_only().to_string(), "openid read-repos");
        assert!(matches!(asked.role(), TokenRole::FineGrained(s) if s.len() == 1 && s[0].action == Action::Admin));
        assert!(matches!(Scopes::parse("openid").role(), TokenRole::FineGrained(s) if s.is_empty()));
        assert!(Scopes::parse("jobs webhooks").is_empty());
    }
}
