//! What to send for a window of a file: pure, and the same on every call for one file and window, whatever has
//! happened to the bytes at rest.

use std::ops::Range;

use haina_types::XetHash;

use crate::terms::FileTerms;
use crate::xorb::XorbIndex;

/// A run of chunks that the client puts into the file next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanTerm {
    /// The xorb.
    pub xorb: XetHash,
    /// Its chunks, end-exclusive.
    pub chunks: Range<u32>,
    /// Their raw bytes.
    pub raw_len: u32,
}

/// A run of frames to fetch in one request. No two of one xorb share a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The xorb.
    pub xorb: XetHash,
    /// Its chunks, end-exclusive.
    pub chunks: Range<u32>,
    /// Where their frames lie in the uploaded layout, in bytes, end-exclusive.
    pub bytes: Range<u32>,
    /// Their raw bytes.
    pub raw_len: u32,
}

/// How to rebuild a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The whole file's size.
    pub file_size: u64,
    /// The window, cut at the end of the file.
    pub window: Range<u64>,
    /// Bytes of the first term that are before the window.
    pub offset_into_first_range: u64,
    /// In the file's order; every one lies inside one descriptor.
    pub terms: Vec<PlanTerm>,
    /// In the order of first use.
    pub descriptors: Vec<Descriptor>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The window begins at or after the end: 416.
    #[error("the window begins after the file's {size} bytes")]
    PastEnd {
        /// The file's size.
        size: u64,
    },
    /// The lookup does not know a xorb of the file.
    #[error("xorb {0} of the file is not known")]
    MissingXorb(XetHash),
    /// The recipe does not fit its xorb.
    #[error("the recipe does not fit xorb {0}")]
    Damaged(XetHash),
}

/// Plans the window `start..end` of a file; `end` may be after the file's end. The empty file has an empty plan for
/// a window that begins at 0. `lookup` is asked once for each of [`FileTerms::xorbs_touching`].
pub fn plan(
    terms: &FileTerms,
    window: Range<u64>,
    lookup: &dyn Fn(&XetHash) -> Option<XorbIndex>,
) -> Result<Plan, PlanError> {
    let _ = (terms, window, lookup);
    todo!()
}
