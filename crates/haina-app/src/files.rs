//! What files say of themselves, for doors and pages.

use haina_types::RepoKind;

pub use haina_files::mime::{Serving, serving};

/// What a check of a card found, in words for its author.
#[derive(Debug, Clone, Default)]
pub struct CardVerdict {
    /// What must be mended.
    pub errors: Vec<String>,
    /// What should be.
    pub warnings: Vec<String>,
}

/// Checks the front matter of a card.
pub fn validate_card(content: &str, kind: RepoKind) -> CardVerdict {
    let found = haina_files::validate_yaml(content, kind);
    let words = |remarks: Vec<haina_files::validate::Remark>| remarks.into_iter().map(|r| r.message).collect();
    CardVerdict { errors: words(found.errors), warnings: words(found.warnings) }
}
