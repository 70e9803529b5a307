//! What surrounds every page: who is looking, where they are, and the token of its forms.

use crate::address::with_query;

/// The item of the main navigation that a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Section {
    #[default]
    None,
    Models,
    Datasets,
    Spaces,
    Collections,
    New,
    Settings,
    Webhooks,
    Profile,
    SignIn,
}

/// The frame of one page.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// Who is signed in.
    pub viewer: Option<String>,
    /// The token that every form of the page carries.
    pub csrf: String,
    /// Path and query of the page, to come back to.
    pub here: String,
    /// The current item of the navigation.
    pub section: Section,
    /// Whether the page is that item itself, not something below it.
    pub is_section: bool,
}

impl Layout {
    /// The value of `aria-current` for the current item.
    pub fn current(&self) -> &'static str {
        if self.is_section { "page" } else { "true" }
    }

    /// Where signing in begins, so that it ends here again.
    pub fn sign_in_url(&self) -> String {
        match self.here.as_str() {
            "" | "/" => "/login".to_owned(),
            here => with_query("/login", [("next", here)]),
        }
    }
}
