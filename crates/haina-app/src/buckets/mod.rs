//! Buckets: files that change in place, all of them in the content store.
//!
//! A bucket is a repository without a history: its name, its owner, its rights and the edges of its content are those
//! of repositories, and so is its row. What it holds now is the table of its files; what happened lately is the list
//! of its changes, which [`Feed`] sends to those who follow it. A file that comes in must be stored and have been
//! uploaded to this bucket, or be held by a source that whoever copies it may read.

mod batch;
mod events;
mod fsck;
mod manage;
mod tree;

pub use batch::{Action, BatchDone, Failed, OPERATIONS_MAX, Operation, Source};
pub use events::{Feed, FeedEvent, Resume};
pub use haina_db::buckets::{BucketFile, Change, ChangeOp, Counters};
pub use manage::{BucketInfo, NewBucket};
pub use tree::{BucketEntry, BucketTreeOptions, PATHS_MAX};

use haina_db::buckets::PATH_BYTES_MAX;
use haina_types::{Code, Error, FilePath, Result};

pub(crate) use events::State;

/// A path of a bucket's file: as in repositories, and short enough for an index.
fn parse_path(text: &str) -> Result<FilePath> {
    if text.len() > PATH_BYTES_MAX {
        return Err(Error::new(Code::InvalidPath, format!("A path in a bucket has at most {PATH_BYTES_MAX} bytes.")));
    }
    text.parse().map_err(|e: haina_types::PathError| Error::new(Code::InvalidPath, e.to_string()))
}
