//! Fuzz targets of the content store's parsers: `cargo +nightly fuzz run frames` (or `xorb`, `shard`, `tokens`,
//! `blobs`). Inputs that once crashed belong into `corpus/<target>/`.

pub mod properties;
