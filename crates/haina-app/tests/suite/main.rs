//! The application's use cases on both databases, without a socket: the gate, commits that race, trees, facts, people.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod buckets;
mod collections;
mod commits;
mod deltas;
mod discussions;
mod evaluations;
mod gate;
mod git;
mod groups;
mod hub;
mod keys;
mod limits;
mod lists;
mod manage;
mod oauth;
mod orgs;
mod packs;
mod people;
mod quotas;
mod refs;
mod secrets;
mod signin;
mod social;
mod spaces;
mod trees;
mod webhooks;
