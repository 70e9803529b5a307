//! What every room of Haina speaks: ids, names, revisions, paths, roles, hashes, the public error,
//! and the two outside influences that tests must hold still, time and randomness.
//!
//! This crate does no I/O and knows neither SQL nor HTTP.

mod digest;
mod error;
mod name;
mod path;
mod revision;
mod role;
mod world;

pub use digest::{Oid, Sha256, XetHash};
pub use error::{Code, Error, Rate, Result};
pub use name::{NameError, RepoKind, RepoName, RepoPath, Slug, Visibility};
pub use path::{FilePath, PathError};
pub use revision::{RefName, RefNameError, Revision};
pub use role::{Action, OrgRole, TokenRole, TokenScope};
pub use world::{Clock, Rng, SystemClock, SystemRng, Timestamp};
