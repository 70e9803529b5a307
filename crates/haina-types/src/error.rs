//! The one error that leaves the application: a stable code, words for people, and a cause that stays inside.

use std::fmt;

/// What went wrong, as a stable code. Doors map it to status codes, pages to translated messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// A credential was sent and is wrong, expired or revoked.
    BadCredentials,
    /// A credential is needed.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// No such repository, or the caller may not know of it.
    RepoNotFound,
    /// No such branch, tag or commit.
    RevisionNotFound,
    /// No such file or folder at an existing revision.
    EntryNotFound,
    /// Any other thing that does not exist.
    NotFound,
    /// Content is gated and the caller has no access.
    GatedRepo,
    /// Taken down.
    Disabled,
    /// It exists already.
    Conflict,
    /// The branch moved since the caller looked.
    Stale,
    /// A value is wrong.
    Invalid,
    /// A path of a commit is wrong.
    InvalidPath,
    /// More than the limit; the message says which.
    TooLarge,
    /// A range that the file does not have.
    RangeNotSatisfiable,
    /// Too many requests.
    RateLimited,
    /// The disk or the database has no room.
    StorageFull,
    /// Not offered here.
    Unsupported,
    /// Cannot be answered just now.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Code {
    /// The key of message catalogues.
    pub fn key(self) -> &'static str {
        match self {
            Self::BadCredentials => "bad-credentials",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::RepoNotFound => "repo-not-found",
            Self::RevisionNotFound => "revision-not-found",
            Self::EntryNotFound => "entry-not-found",
            Self::NotFound => "not-found",
            Self::GatedRepo => "gated-repo",
            Self::Disabled => "disabled",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::Invalid => "invalid",
            Self::InvalidPath => "invalid-path",
            Self::TooLarge => "too-large",
            Self::RangeNotSatisfiable => "range-not-satisfiable",
            Self::RateLimited => "rate-limited",
            Self::StorageFull => "storage-full",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// How many requests of a kind somebody may still make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The kind.
    pub class: &'static str,
    /// Requests of a window.
    pub limit: u32,
    /// Its length.
    pub window_seconds: u32,
    /// Requests that are left of it.
    pub remaining: u32,
    /// Until it ends.
    pub reset_seconds: u32,
    /// Whether this one was too many.
    pub refused: bool,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error that may be shown. `message` is public and in English (the language of the API's texts); the
/// cause is for the log alone.
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// What happened and what to do next; public.
    pub message: String,
    /// The commit at which an entry was looked for, so that clients can cache its absence.
    pub commit: Option<crate::Oid>,
    /// The size of the file whose range was not satisfiable, or the address of what exists already.
    pub detail: Option<String>,
    /// Of a request too many: which limit it met.
    pub rate: Option<Box<Rate>>,
    cause: Option<Cause>,
}

/// The result of every use case.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// With a public message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), commit: None, detail: None, rate: None, cause: None }
    }

    /// A fault of ours; the cause is logged, never shown.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(Code::Internal, "Something went wrong on our side. Please try again.").because(cause)
    }

    /// A bad value.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::Invalid, message)
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds the commit at which something was looked for.
    #[must_use]
    pub fn at(mut self, commit: crate::Oid) -> Self {
        self.commit = Some(commit);
        self
    }

    /// Adds a detail for the door: a size or an address.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the limit that was met.
    #[must_use]
    pub fn rated(mut self, rate: Rate) -> Self {
        self.rate = Some(Box::new(rate));
        self
    }

    /// The cause with all its own causes on one line, for the log.
    pub fn chain(&self) -> String {
        let mut text = String::new();
        let mut next: Option<&(dyn std::error::Error + 'static)> = self.cause.as_ref().map(|c| &**c as _);
        while let Some(e) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&e.to_string());
            next = e.source();
        }
        text
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)?;
        if self.cause.is_some() {
            write!(f, " ({})", self.chain())?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|c| &**c as _)
    }
}
