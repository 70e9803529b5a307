//! Pages for what cannot be shown, and why.

use askama::Template;
use haina_types::Code;
use http::StatusCode;

use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;

/// Something the visitor can act on.
#[derive(Template)]
#[template(path = "error.html")]
pub(crate) struct ErrorPage {
    pub l: Words,
    pub page: Layout,
    pub status: u16,
    pub code: Code,
    /// The key of its words; that of the code, except for a form that expired.
    pub key: &'static str,
    /// The application's own words, in English, where they say more than the code.
    pub detail: Option<String>,
    /// What the visitor may have been looking for.
    pub guess: String,
    /// After how many seconds it is worth trying again, if that is known.
    pub wait_seconds: Option<u64>,
}

impl ErrorPage {
    fn title_key(&self) -> String {
        format!("error-{}", self.key)
    }

    fn help_key(&self) -> String {
        format!("error-{}-help", self.key)
    }

    fn is_not_found(&self) -> bool {
        matches!(self.code, Code::NotFound | Code::RepoNotFound | Code::RevisionNotFound | Code::EntryNotFound)
    }

    fn offers_search(&self) -> bool {
        self.is_not_found() && !self.guess.is_empty()
    }

    fn offers_sign_in(&self) -> bool {
        self.is_not_found()
            || matches!(self.code, Code::Forbidden | Code::Unauthenticated | Code::BadCredentials | Code::GatedRepo)
    }
}

/// A fault of ours, in three languages at once: it must not depend on anything that may be what failed.
#[derive(Template)]
#[template(path = "fault.html")]
pub(crate) struct FaultPage {
    pub first: Words,
    pub all: [Words; 3],
    pub status: u16,
    pub key: &'static str,
    /// What to quote when reporting.
    pub id: String,
}

impl FaultPage {
    fn help_key(&self) -> String {
        format!("{}-help", self.key)
    }
}

/// The words of a fault of ours; none for what a visitor can act on.
pub(crate) fn fault_key(code: Code) -> Option<&'static str> {
    match code {
        Code::Internal => Some("error-internal"),
        Code::Unavailable => Some("error-unavailable"),
        Code::StorageFull => Some("error-storage-full"),
        _ => None,
    }
}

/// The status of an error on a page.
pub(crate) fn status_of(code: Code) -> StatusCode {
    match code {
        Code::BadCredentials | Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden | Code::GatedRepo => StatusCode::FORBIDDEN,
        Code::RepoNotFound | Code::RevisionNotFound | Code::EntryNotFound | Code::NotFound => StatusCode::NOT_FOUND,
        Code::Disabled => StatusCode::GONE,
        Code::Conflict => StatusCode::CONFLICT,
        Code::Stale => StatusCode::PRECONDITION_FAILED,
        Code::Invalid | Code::InvalidPath => StatusCode::BAD_REQUEST,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::Unsupported => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
