//! The history of repositories: revisions, trees, files, commits. Objects are git's own, kept in the database.

mod base;
mod body;
mod commit;
mod entry;
mod large;
mod log;
mod objects;
mod preupload;
mod refs;
mod revision;
mod rewrite;
mod squash;
mod tree;

pub(crate) use base::merge_base;
pub(crate) use body::{Bodies, DELTAS_MAX, find_raw};
pub use commit::{CommitDone, CommitHeader, CommitWriter};
pub(crate) use commit::{NewCommit, Pending, REGULAR_BYTES_MAX, REWRITE, RefChange};
pub use entry::{Entry, EntryKind, LastCommit, Lfs};
pub use large::LargeFile;
pub use log::LoggedCommit;
pub use objects::State;
pub(crate) use objects::load_raw;
pub use preupload::{PreuploadAnswer, PreuploadFile, UploadMode};
pub use refs::{BranchStart, RefTarget, Refs};
pub(crate) use revision::{resolve, revision_not_found};
pub use tree::{TREE_PAGE_MAX, TreeOptions};
