//! The store against HF's client, hostile uploads, failing disks and its own specification.

mod data;
mod objects;
mod plans;
mod shards;
mod smoke;
mod streams;
mod vectors;
mod xorbs;
