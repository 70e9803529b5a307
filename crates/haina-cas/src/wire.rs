//! The JSON of reconstructions, both versions.

use std::collections::BTreeMap;

use haina_types::XetHash;
use serde::{Deserialize, Serialize};

use crate::plan::{Descriptor, Plan};

/// A run of chunks, end-exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkSpan {
    /// First chunk.
    pub start: u32,
    /// After the last chunk.
    pub end: u32,
}

/// A run of bytes, end-INCLUSIVE as in HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByteSpan {
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub end: u64,
}

/// A term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireTerm {
    /// The xorb.
    pub hash: XetHash,
    /// Raw bytes of the whole chunks.
    pub unpacked_length: u32,
    /// Its chunks.
    pub range: ChunkSpan,
}

/// A descriptor of version 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeV2 {
    /// Chunks.
    pub chunks: ChunkSpan,
    /// Their bytes.
    pub bytes: ByteSpan,
}

/// A URL of version 2 and what it gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchV2 {
    /// Absolute address.
    pub url: String,
    /// What it gives.
    pub ranges: Vec<RangeV2>,
}

/// `GET /v2/reconstructions/{file}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconstructionV2 {
    /// Bytes of the first term to skip.
    pub offset_into_first_range: u64,
    /// In order.
    pub terms: Vec<WireTerm>,
    /// Where each xorb's bytes are.
    pub xorbs: BTreeMap<String, Vec<FetchV2>>,
}

/// A descriptor of version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchV1 {
    /// Chunks.
    pub range: ChunkSpan,
    /// Absolute address.
    pub url: String,
    /// Their bytes.
    pub url_range: ByteSpan,
}

/// `GET /v1/reconstructions/{file}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconstructionV1 {
    /// Bytes of the first term to skip.
    pub offset_into_first_range: u64,
    /// In order.
    pub terms: Vec<WireTerm>,
    /// Where each xorb's bytes are.
    pub fetch_info: BTreeMap<String, Vec<FetchV1>>,
}

fn terms(plan: &Plan) -> Vec<WireTerm> {
    plan.terms
        .iter()
        .map(|t| WireTerm {
            hash: t.xorb,
            unpacked_length: t.raw_len,
            range: ChunkSpan { start: t.chunks.start, end: t.chunks.end },
        })
        .collect()
}

fn spans(d: &Descriptor) -> (ChunkSpan, ByteSpan) {
    (
        ChunkSpan { start: d.chunks.start, end: d.chunks.end },
        // A descriptor has at least one frame, so its end is not 0.
        ByteSpan { start: d.bytes.start.into(), end: u64::from(d.bytes.end) - 1 },
    )
}

impl ReconstructionV2 {
    /// Of a plan; `url` signs one descriptor. One URL for each, since a signature covers one byte range.
    pub fn new(plan: &Plan, mut url: impl FnMut(&Descriptor) -> String) -> Self {
        let mut xorbs = BTreeMap::<_, Vec<_>>::new();
        for d in &plan.descriptors {
            let (chunks, bytes) = spans(d);
            let fetch = FetchV2 { url: url(d), ranges: vec![RangeV2 { chunks, bytes }] };
            xorbs.entry(d.xorb.to_string()).or_default().push(fetch);
        }
        Self { offset_into_first_range: plan.offset_into_first_range, terms: terms(plan), xorbs }
    }
}

impl ReconstructionV1 {
    /// Of a plan; `url` signs one descriptor.
    pub fn new(plan: &Plan, mut url: impl FnMut(&Descriptor) -> String) -> Self {
        let mut fetch_info = BTreeMap::<_, Vec<_>>::new();
        for d in &plan.descriptors {
            let (range, url_range) = spans(d);
            fetch_info.entry(d.xorb.to_string()).or_default().push(FetchV1 { range, url: url(d), url_range });
        }
        Self { offset_into_first_range: plan.offset_into_first_range, terms: terms(plan), fetch_info }
    }
}
