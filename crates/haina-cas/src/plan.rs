//! What to send for a window of a file: pure, and the same on every call for one file and window, whatever has
//! happened to the bytes at rest.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use haina_types::XetHash;

use crate::terms::FileTerms;
use crate::xorb::XorbIndex;

/// Long descriptors are split at multiples of this chunk index: about 16 MiB each, at most 32, so that a client fetches
/// in parallel and repeats little when a connection breaks.
pub const DESCRIPTOR_CHUNKS: u32 = 256;
/// Descriptors of at most so many raw bytes are not split.
pub const DESCRIPTOR_WHOLE_BYTES: u32 = 16 << 20;

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
    let file_size = terms.size();
    if terms.is_empty() && window.start == 0 {
        let (terms, descriptors) = (Vec::new(), Vec::new());
        return Ok(Plan { file_size, window: 0..0, offset_into_first_range: 0, terms, descriptors });
    }
    let window = window.start..window.end.min(file_size);
    if window.is_empty() {
        return Err(PlanError::PastEnd { size: file_size });
    }
    let mut xorbs = Vec::<Xorb>::new();
    let mut rows = HashMap::new();
    let mut runs = Vec::new();
    let mut offset_into_first_range = 0;
    for i in terms.touching(&window) {
        let term = terms.term(i);
        let row = match rows.entry(term.xorb) {
            Entry::Occupied(e) => *e.get(),
            Entry::Vacant(e) => {
                let index = lookup(&term.xorb).ok_or(PlanError::MissingXorb(term.xorb))?;
                xorbs.push(Xorb { hash: term.xorb, index, spans: Vec::new() });
                *e.insert(xorbs.len() - 1)
            }
        };
        let index = &xorbs[row].index;
        let damaged = PlanError::Damaged(term.xorb);
        if term.chunks.end > index.chunk_count()
            || u64::from(index.raw_len(term.chunks.clone())) != term.bytes.end - term.bytes.start
        {
            return Err(damaged);
        }
        // Whole chunks: the first that holds a byte of the window, the last that does.
        let base = u64::from(index.raw_range(term.chunks.clone()).start);
        let raw = |byte: u64| u32::try_from(base + (byte - term.bytes.start)).ok();
        let from = window.start.max(term.bytes.start);
        let last = window.end.min(term.bytes.end) - 1;
        let start = raw(from).and_then(|r| index.chunk_at(r)).ok_or(damaged.clone())?;
        let end = raw(last).and_then(|r| index.chunk_at(r)).ok_or(damaged)? + 1;
        if runs.is_empty() {
            offset_into_first_range = from - term.bytes.start + base - u64::from(index.raw_range(start..end).start);
        }
        xorbs[row].spans.push(start..end);
        runs.push((row, start..end));
    }
    xorbs.iter_mut().for_each(Xorb::settle);
    let mut plan = Plan { file_size, window, offset_into_first_range, terms: Vec::new(), descriptors: Vec::new() };
    let mut used = HashSet::new();
    for (row, run) in runs {
        let xorb = &xorbs[row];
        let mut start = run.start;
        while start < run.end {
            let at = xorb.spans.partition_point(|s| s.end <= start);
            let span = &xorb.spans[at];
            let chunks = start..run.end.min(span.end);
            start = chunks.end;
            let raw_len = xorb.index.raw_len(chunks.clone());
            plan.terms.push(PlanTerm { xorb: xorb.hash, chunks, raw_len });
            if used.insert((row, at)) {
                plan.descriptors.push(Descriptor {
                    xorb: xorb.hash,
                    chunks: span.clone(),
                    bytes: xorb.index.frame_range(span.clone()),
                    raw_len: xorb.index.raw_len(span.clone()),
                });
            }
        }
    }
    Ok(plan)
}

/// A xorb of the window and the chunks that are wanted of it.
struct Xorb {
    hash: XetHash,
    index: XorbIndex,
    spans: Vec<Range<u32>>,
}

impl Xorb {
    /// Turns the wanted chunks into disjoint, ascending descriptors: overlapping and adjacent ones become one, and a
    /// long one is split. Depends on chunk indexes and raw lengths alone, never on how bytes lie at rest.
    fn settle(&mut self) {
        self.spans.sort_by_key(|s| s.start);
        let mut merged = Vec::<Range<u32>>::new();
        for span in self.spans.drain(..) {
            match merged.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        for span in merged {
            if self.index.raw_len(span.clone()) <= DESCRIPTOR_WHOLE_BYTES {
                self.spans.push(span);
                continue;
            }
            let mut start = span.start;
            while start < span.end {
                let end = span.end.min((start / DESCRIPTOR_CHUNKS + 1) * DESCRIPTOR_CHUNKS);
                self.spans.push(start..end);
                start = end;
            }
        }
    }
}
