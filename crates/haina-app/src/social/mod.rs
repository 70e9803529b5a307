//! What people think of each other's work: likes, follows, and the attention that follows from them.

mod follows;
mod likes;
mod trending;

pub use follows::{PersonRow, Standing};
pub use likes::LikedRepo;
pub(crate) use trending::TRENDING_JOB;

use haina_db::repos::Cursor;
use haina_types::{Error, Result};

/// People and repositories of one page when the caller names no number, and at most.
const PAGE_MAX: usize = 1000;

/// How many of a page.
pub(crate) fn page_limit(limit: Option<usize>, max: usize) -> usize {
    limit.unwrap_or(max).clamp(1, max)
}

/// Where a page begins, as a client sends it back.
pub(crate) fn parse_cursor(text: Option<&str>) -> Result<Option<Cursor>> {
    let bad = || Error::invalid("\"cursor\" is not one of ours: start again from the first page.");
    text.map(|text| text.parse().map_err(|()| bad())).transpose()
}
