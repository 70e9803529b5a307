//! Discussions and pull requests: talk about a repository, and changes that others propose to it.
//!
//! Everyone who may read the content may take part ([`crate::gate::TalkAccess`]). A pull request is a discussion with a
//! reference of its own, `refs/pr/N`, whose commits come by the API or by git like all others; [`App::move_ref`] asks
//! here who may move it, and notes what came. Taking it in is one commit on the branch that it is for.

mod attachments;
mod comments;
mod diff;
mod list;
mod merge;
mod open;
mod pulls;
mod thread;

use std::sync::Arc;

use haina_types::{Code, Error, Oid, RefName, Result};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

pub use attachments::{ATTACHMENT_BYTES_MAX, Attached};
pub use diff::{FileDiff, FileView, PullDiff};
pub use haina_db::discussions::{Discussion, EventKind, Status};
pub use list::{DiscussionPage, Kind, ListDiscussions, PAGE_LEN, State as OpenState};
pub use merge::Conflicts;
pub(crate) use pulls::number_of;
pub use thread::{Earlier, Said, Thread};

/// Longest title, in characters.
pub const TITLE_CHARS_MAX: usize = 200;
/// Longest comment, in bytes.
pub const COMMENT_BYTES_MAX: usize = 64 << 10;
/// Most bytes of all texts of one discussion, what was edited away included.
const THREAD_BYTES_MAX: u64 = 4 << 20;
/// Most events of one discussion.
const EVENTS_MAX: u64 = 2000;
/// How often one comment may be edited.
const EDITS_MAX: u64 = 50;

/// Bytes of rendered comments kept.
const HTML_CACHE_BYTES: u64 = 8 << 20;
/// Bytes of differences kept.
const DIFF_CACHE_BYTES: u64 = 8 << 20;

/// Attachments that may come in at once, each with up to 50 MiB in memory.
const ATTACHING_MAX: usize = 2;

#[derive(Clone)]
struct ByLength;

impl Weighter<blake3::Hash, Arc<str>> for ByLength {
    fn weight(&self, _key: &blake3::Hash, html: &Arc<str>) -> u64 {
        96 + html.len() as u64
    }
}

impl Weighter<(i64, Oid, Oid), Arc<PullDiff>> for ByLength {
    fn weight(&self, _key: &(i64, Oid, Oid), diff: &Arc<PullDiff>) -> u64 {
        128 + diff.bytes()
    }
}

/// What the use cases here keep between requests; every key changes when its value does.
pub struct State {
    /// Comments in HTML, by the hash of their text.
    html: Cache<blake3::Hash, Arc<str>, ByLength>,
    /// (repository, base, head) → what differs.
    diffs: Cache<(i64, Oid, Oid), Arc<PullDiff>, ByLength>,
    /// (repository, branch, head) → what stands in the way of a merge.
    conflicts: Cache<(i64, Oid, Oid), Arc<Conflicts>>,
    /// Attachments that come in at once; more wait.
    attaching: Semaphore,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            html: Cache::with_weighter(1024, HTML_CACHE_BYTES, ByLength),
            diffs: Cache::with_weighter(256, DIFF_CACHE_BYTES, ByLength),
            conflicts: Cache::new(1024),
            attaching: Semaphore::new(ATTACHING_MAX),
        }
    }
}

/// The reference of a pull request.
pub(crate) fn pull_ref(number: i64) -> Result<RefName> {
    format!("refs/pr/{number}").parse().map_err(Error::internal)
}

/// The pull request that a reference belongs to.
pub(crate) fn pull_number(name: &RefName) -> Option<i64> {
    let number = name.as_str().strip_prefix("refs/pr/")?.parse().ok()?;
    // `+1` and `01` are other names.
    (pull_ref(number).ok()? == *name && number > 0).then_some(number)
}

fn not_found(number: i64) -> Error {
    Error::new(Code::NotFound, format!("There is no discussion {number} in this repository."))
}

fn forbidden() -> Error {
    Error::new(Code::Forbidden, "Only its author, and who may write to the repository, can do this.")
}

/// The error for who may propose but not write, and tries to.
pub(crate) fn only_own_pulls() -> Error {
    Error::new(
        Code::Forbidden,
        "You may not write to this repository: open a pull request, and commit to its reference refs/pr/N.",
    )
}

/// A title without what does not belong into one line.
fn check_title(title: &str) -> Result<String> {
    let title = title.trim();
    if title.is_empty() || title.chars().count() > TITLE_CHARS_MAX || title.chars().any(char::is_control) {
        return Err(Error::invalid(format!("A title is one line of 1 to {TITLE_CHARS_MAX} characters.")));
    }
    Ok(title.to_owned())
}

fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::invalid("A comment needs some text."));
    }
    check_length(text)
}

fn check_length(text: &str) -> Result<()> {
    if text.len() > COMMENT_BYTES_MAX {
        return Err(Error::new(Code::TooLarge, format!("A comment has at most {COMMENT_BYTES_MAX} bytes.")));
    }
    // PostgreSQL cannot keep it, and no reader misses it.
    if text.contains('\0') {
        return Err(Error::invalid("A comment must not contain the character U+0000."));
    }
    Ok(())
}

/// Refuses what would make a discussion larger than it may be.
fn check_room(discussion: &Discussion, more: usize) -> Result<()> {
    if discussion.events >= EVENTS_MAX || discussion.bytes + more as u64 > THREAD_BYTES_MAX {
        return Err(Error::new(
            Code::TooLarge,
            "This discussion has become too long: begin a new one that refers to it.",
        ));
    }
    Ok(())
}
