//! The content store from its doors down to its files: the router in process, SQLite and a folder.
#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

mod access;
mod claims;
mod dedup;
mod doors;
mod hostile;
mod repair;
mod rig;
mod transfer;
