//! What can go wrong in the store, and how it is told outside.

use haina_types::{Code, Error, XetHash};

use crate::objects::StoreError;
use crate::plan::PlanError;
use crate::shard::ShardError;
use crate::xorb::XorbError;

/// Any failure of an operation that both computes and stores.
#[derive(Debug, thiserror::Error)]
pub enum CasError {
    /// The uploaded xorb is not what it claims to be.
    #[error("xorb refused")]
    Xorb(#[from] XorbError),
    /// The uploaded shard is malformed or claims what is not so.
    #[error("shard refused")]
    Shard(#[from] ShardError),
    /// The window is outside the file, or the recipe does not fit its xorbs.
    #[error("no plan")]
    Plan(#[from] PlanError),
    /// The objects underneath failed.
    #[error("object store failed")]
    Store(#[from] StoreError),
    /// A recipe refers to a xorb that the lookup does not know.
    #[error("xorb {0} is not stored")]
    MissingXorb(XetHash),
    /// Bytes at rest are not what was written. Never served.
    #[error("object {object} is corrupt: {what}")]
    Corrupt {
        /// The object's key.
        object: String,
        /// What does not agree.
        what: String,
    },
    /// More bytes than the caller allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A worker thread ended without an answer, as at shutdown.
    #[error("the work was cancelled")]
    Cancelled,
}

impl From<XorbError> for Error {
    fn from(e: XorbError) -> Self {
        let code = if e.is_limit() { Code::TooLarge } else { Code::Invalid };
        Self::new(code, format!("The xorb was refused: {e}."))
    }
}

impl From<ShardError> for Error {
    fn from(e: ShardError) -> Self {
        Self::invalid(format!("The shard was refused: {e}."))
    }
}

impl From<PlanError> for Error {
    fn from(e: PlanError) -> Self {
        match e {
            PlanError::PastEnd { size } => {
                Self::new(Code::RangeNotSatisfiable, "The range begins at or after the end of the file.")
                    .with_detail(size.to_string())
            }
            other => Self::internal(other),
        }
    }
}

impl From<StoreError> for Error {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Full => Self::new(Code::StorageFull, "The store has no room left."),
            other => Self::internal(other),
        }
    }
}

impl From<CasError> for Error {
    fn from(e: CasError) -> Self {
        match e {
            CasError::Xorb(e) => e.into(),
            CasError::Shard(e) => e.into(),
            CasError::Plan(e) => e.into(),
            CasError::Store(e) => e.into(),
            CasError::TooLarge { limit } => Self::new(Code::TooLarge, format!("More than {limit} bytes.")),
            CasError::Cancelled => Self::new(Code::Unavailable, "The server is stopping. Please try again."),
            e @ (CasError::MissingXorb(_) | CasError::Corrupt { .. }) => Self::internal(e),
        }
    }
}
