//! Repositories: making, finding, describing, moving, copying, deleting.

mod card;
mod create;
mod delete;
mod duplicate;
pub mod evaluations;
mod facets;
mod facts;
pub mod images;
mod info;
mod list;
mod moving;
mod settings;
mod tags;
mod weights;

pub(crate) use facts::enqueue_facts;

pub use create::{CreatedRepo, NewRepo};
pub use duplicate::{Copied, Duplicate};
pub use facets::{Facet, FacetGroup, Facets};
pub use haina_db::repos::Repo;
pub use info::{Facts, RepoInfo};
pub use list::{ListQuery, ListSort, Owned, RepoSummary};
pub use settings::{Gating, Settings};
pub use tags::{Tag, TagGroup};
pub use weights::ShardedMetadata;

use std::sync::Arc;

use haina_types::{Oid, Sha256, Timestamp};
use quick_cache::sync::Cache;

/// What the repository use cases keep between requests; every key changes when its value does.
pub struct State {
    facts: Cache<(i64, Timestamp, Oid), Arc<Facts>>,
    files: Cache<(i64, Oid), Arc<Vec<crate::history::Entry>>>,
    cards: Cache<(i64, Oid), Option<Arc<str>>, card::ByLength>,
    tallies: facets::Tallies,
    headers: Cache<(i64, Sha256), Arc<haina_files::gguf::Gguf>>,
    made: Cache<(i64, Sha256), images::Made, images::ByLength>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            facts: Cache::new(4096),
            files: Cache::new(256),
            cards: Cache::with_weighter(1024, card::CACHE_BYTES, card::ByLength),
            tallies: facets::Tallies::default(),
            headers: Cache::new(images::HEADERS_KEPT),
            made: Cache::with_weighter(1024, images::CACHE_BYTES, images::ByLength),
        }
    }
}
