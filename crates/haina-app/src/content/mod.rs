//! Large files: between the content store and the repositories.
//!
//! A client of the store presents a token ([`CasGrant`]) that the gate's values were turned into; [`CasRead`] and
//! [`CasWrite`] are what it is turned back into, and all that the use cases here ask for. What an upload leaves
//! belongs to the uploading repository alone until a commit links it ([`link_committed`]); what it says of SHA-256 is
//! a claim until [`App::verify_claim`] has read the bytes.
//!
//! Durability: the object first, then the row, then the answer. A crash in between leaves an object that nobody
//! knows, never a row without an object.

mod access;
mod dedup;
mod download;
mod fsck;
mod link;
mod lookup;
mod shard;
mod store;
mod verify;
mod xorb;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use haina_cas::objects::Objects;
use haina_cas::read::{ReadOptions, Reader};
use haina_cas::sign::Signer;
use haina_cas::{FileTerms, StoredXorb};
use haina_types::{Error, Result, Rng, Timestamp, XetHash};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::secrets::Vault;

pub use access::{CasAddress, CasGrant, CasRead, CasWrite};
pub use download::{BATCH_FILES_MAX, Batch, ByteStream, Fetch, Reconstruction, Version, Window};
pub use fsck::{Finding, Findings, FsckOptions, fsck};
pub use haina_cas::{SHARD_BYTES_MAX, XORB_BODY_BYTES_MAX};
pub use link::{
    ShaState, Stored, copy_stored, drop_file, find_stored, forget_repo, is_gone, link_committed, list_stored,
    publish_repo,
};
pub(crate) use link::{lend_files, list_sizes, release_files};
pub use shard::{ShardBody, ShardStep};
pub use store::Expect;
pub use verify::VERIFY_JOB;

/// Seconds that a token of the store is good for.
pub const TOKEN_SECONDS: i64 = 3600;
/// Seconds that the address of a range of bytes is good for.
const FETCH_SECONDS: i64 = 3600;
/// Seconds that an upload is kept for a commit.
const UPLOAD_SECONDS: i64 = 7 * 86_400;
/// Seconds that a file stays readable after nothing refers to it: as long as a token that was given out before, and more.
const RELEASED_SECONDS: i64 = 2 * TOKEN_SECONDS;
/// Seconds that clients may use an answer about eligible chunks.
const DEDUP_SECONDS: i64 = 86_400;

/// Bytes of all uploads together that may be in memory. An upload that does not fit waits.
const INGEST_BYTES: usize = 48 << 20;
/// Of these, what the ingest of one xorb may hold.
const XORB_INGEST_BYTES: usize = 2 << 20;
/// Whole files that may come in at once, each with about 4 MiB in memory.
const DOORS_MAX: usize = 16;
/// Bytes of cached chunk tables: 40 KB for each 64 MiB of content.
const XORB_CACHE_BYTES: u64 = 24 << 20;
/// Bytes of cached recipes.
const FILE_CACHE_BYTES: u64 = 8 << 20;
/// How long an upload may stay silent before it is given up.
const BODY_IDLE: std::time::Duration = std::time::Duration::from_secs(120);

/// What the content use cases keep between requests: keys, caches, limits.
pub struct State {
    /// The segment of addresses that names the store and its epoch: clients key their caches by it.
    store: String,
    signer: Signer,
    reader: Reader,
    xorbs: Cache<XetHash, StoredXorb, Weight>,
    files: Cache<XetHash, FileTerms, Weight>,
    /// KiB of [`INGEST_BYTES`].
    ingest: Arc<Semaphore>,
    doors: Semaphore,
    /// Bounds the reconstructions that need many chunk tables.
    wide: Semaphore,
    kept: Mutex<Kept>,
}

/// Xorbs of which clients were told, not yet noted in the database.
#[derive(Default)]
struct Kept {
    until: HashMap<XetHash, Timestamp>,
    flushed_at: Option<Timestamp>,
}

/// Weighs cached values by their bytes.
#[derive(Clone)]
struct Weight;

impl quick_cache::Weighter<XetHash, StoredXorb> for Weight {
    fn weight(&self, _: &XetHash, xorb: &StoredXorb) -> u64 {
        (xorb.index.as_blob().len() + xorb.crc.as_blob().len() + 256) as u64
    }
}

impl quick_cache::Weighter<XetHash, FileTerms> for Weight {
    fn weight(&self, _: &XetHash, terms: &FileTerms) -> u64 {
        (terms.as_blob().len() + 256) as u64
    }
}

/// A random (version 4) UUID.
fn uuid(rng: &dyn Rng) -> String {
    let mut b = rng.array::<16>();
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

impl State {
    /// Reads, or at the first start makes, the store's identity and keys.
    pub(crate) async fn load(
        db: &haina_db::Db,
        vault: &Vault,
        objects: &Arc<dyn Objects>,
        rng: &dyn Rng,
    ) -> Result<Self> {
        let mut tx = db.begin().await?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(Error::internal);
        let store = text(haina_db::meta::get_or_insert(&mut tx, "content.store", uuid(rng).as_bytes()).await?)?;
        let epoch = text(haina_db::meta::get_or_insert(&mut tx, "content.epoch", b"1").await?)?;
        // The newest first; a second one stays while what it signed is in use.
        let keys = vault.keep(&mut tx, "content.keys", &rng.array::<32>()).await?;
        tx.commit().await?;
        let (keys, rest) = keys.as_chunks::<32>();
        let signer = Signer::new(keys).filter(|_| rest.is_empty());
        let signer = signer.ok_or_else(|| Error::internal("the meta row content.keys is not a list of keys"))?;
        let options = ReadOptions { step_bytes: 1 << 20, memory_bytes: 48 << 20, ..ReadOptions::default() };
        Ok(Self {
            store: format!("{store}-{epoch}"),
            signer,
            reader: Reader::new(objects.clone(), options),
            xorbs: Cache::with_weighter(1024, XORB_CACHE_BYTES, Weight),
            files: Cache::with_weighter(4096, FILE_CACHE_BYTES, Weight),
            ingest: Arc::new(Semaphore::new(INGEST_BYTES / 1024)),
            doors: Semaphore::new(DOORS_MAX),
            wide: Semaphore::new(1),
            kept: Mutex::default(),
        })
    }

    /// Waits until `bytes` more may be in memory, and holds them until the permit is dropped.
    async fn admit(&self, bytes: usize) -> Result<tokio::sync::OwnedSemaphorePermit> {
        let kib = bytes.div_ceil(1024).clamp(1, INGEST_BYTES / 1024) as u32;
        self.ingest.clone().acquire_many_owned(kib).await.map_err(Error::internal)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
