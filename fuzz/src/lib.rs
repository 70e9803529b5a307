//! Fuzz targets of the parsers: of the content store (`cargo +nightly fuzz run frames`, or `xorb`, `shard`, `tokens`,
//! `blobs`) and of git (`pkt`, `pack`, `entries`, `delta`, `objects`). Inputs that once crashed belong into
//! `corpus/<target>/`.

pub mod git;
pub mod properties;
