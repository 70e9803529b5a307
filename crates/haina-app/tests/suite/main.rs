//! The application's use cases on both databases, without a socket: the gate, commits that race, trees, facts, people.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod collections;
mod commits;
mod gate;
mod git;
mod hub;
mod limits;
mod packs;
mod people;
mod refs;
mod social;
mod trees;
