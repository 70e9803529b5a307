//! The store against HF's client, hostile uploads, failing disks and its own specification.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests are tests")]

mod data;
mod objects;
mod plans;
mod shards;
mod smoke;
mod streams;
mod vectors;
mod xorbs;
