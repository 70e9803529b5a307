//! Git's own protocol: clones, fetches and pushes of real git.
//!
//! Membership is the read barrier: whatever object of *this* repository is asked for by its id may be sent to whoever
//! may read the content, and nothing else is looked at. Every object of a repository has all that it links to in the
//! repository too; pushes write what they bring from the leaves up, so that this holds after a crash as well.

mod cache;
mod export;
mod feed;
mod fetch;
mod graph;
mod import;
mod locked;
mod push;
mod refs;
mod repack;
mod select;
mod shallow;
mod spool;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
pub use cache::{PACK_JOB, PackOf};
pub use export::Exported;
pub use fetch::FETCH_BYTES_MAX;
pub use haina_git::wire::{Service, Version};
use haina_types::Oid;
pub use import::{GitImport, GitImported};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::content::ByteStream;

/// Walks over history at once; more wait.
const WALKS_MAX: usize = 4;

/// Pushes whose bodies come in at once; more wait.
const RECEIVING_MAX: usize = 16;
/// Pushes that are looked at at once; more wait.
const TAKING_MAX: usize = 4;

/// Annotated tags that are remembered.
const CHAINS_MAX: usize = 16_384;

/// Repositories whose clones are counted, times the usual requests.
const DEMANDS_MAX: usize = 8192;

/// What git's doors keep between requests.
pub struct State {
    walks: Semaphore,
    receiving: Semaphore,
    taking: Semaphore,
    /// Annotated tags, and what they are of in the end.
    chains: Cache<(i64, Oid), Arc<refs::Chain>>,
    /// Held while a received pack is kept for clones.
    keeping: Arc<Semaphore>,
    /// How often clones were made for which no pack was ready.
    demand: Cache<(i64, cache::Class), u32>,
    /// Set when this process is to end: long work in the background gives up.
    closing: AtomicBool,
    /// Most bytes of packs that are kept.
    cache_bytes: u64,
    /// Where packs lie while they are looked at, in files without names.
    spool: PathBuf,
}

impl State {
    pub(crate) fn new(data: &Path, cache_bytes: u64) -> Self {
        Self {
            walks: Semaphore::new(WALKS_MAX),
            receiving: Semaphore::new(RECEIVING_MAX),
            taking: Semaphore::new(TAKING_MAX),
            chains: Cache::new(CHAINS_MAX),
            keeping: Arc::new(Semaphore::new(1)),
            demand: Cache::new(DEMANDS_MAX),
            closing: AtomicBool::new(false),
            cache_bytes,
            // Made, and emptied at the start, by the store of objects.
            spool: data.join("tmp"),
        }
    }
}

impl State {
    /// Whether long work in the background is to give up.
    pub(crate) fn set_closing(&self, closing: bool) {
        self.closing.store(closing, Ordering::Relaxed);
    }
}

/// What a client is answered: bytes at once, and perhaps a pack that is made while it is sent.
pub struct Answer {
    /// First.
    pub head: Bytes,
    /// Then.
    pub rest: Option<ByteStream>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("head", &self.head.len()).field("rest", &self.rest.is_some()).finish()
    }
}

impl Answer {
    fn whole(head: Vec<u8>) -> Self {
        Self { head: head.into(), rest: None }
    }

    /// The end of the conversation, with words for the person at the other end.
    pub fn refusal(text: &str) -> Self {
        let mut out = Vec::new();
        haina_git::wire::error_to(&mut out, text);
        Self::whole(out)
    }
}
