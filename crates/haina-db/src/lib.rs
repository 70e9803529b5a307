//! All SQL of Haina: migrations for SQLite and PostgreSQL, statements, the ledger, the job queue.
//!
//! ```ignore
//! let db = Db::open(&"sqlite:/srv/haina/haina.db".parse()?).await?;
//! let mut s = db.read().await?;              // or `let mut tx = db.begin().await?;`
//! let repo = repos::find_repo(&mut s, RepoKind::Model, "qwen", "qwen3").await?;
//! ```
//!
//! Every query is a function over `&mut Session`; a [`Tx`] dereferences to one, so that each serves both.
//! Why there are two drivers and no `sqlx`: `docs/decisions/0002-database-drivers.md`.

pub mod buckets;
mod check;
pub mod collections;
pub mod content;
mod db;
pub mod discussions;
mod error;
pub mod evaluations;
pub mod facets;
pub mod gates;
pub mod git;
pub mod git_pack;
pub mod git_usage;
pub mod groups;
pub mod identity;
pub mod jobs;
pub mod ledger;
pub mod lfs;
mod lists;
pub mod meta;
mod migrate;
pub mod moves;
pub mod oauth;
pub mod orgs;
pub mod people;
mod postgres;
pub mod repos;
pub mod search;
pub mod secrets;
pub mod social;
pub mod spaces;
mod sql;
mod sqlite;
pub mod ssh_keys;
pub mod webhooks;

pub use db::{Config, Db, Session, Tx};
pub use error::{Conflict, Error, Result, Source};
