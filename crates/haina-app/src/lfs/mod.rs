//! Git LFS: what a batch is told, signed addresses for transfers, uploads in parts, locks.
//!
//! A batch passes the gate and is answered with addresses that carry their own right: clients send no credential to
//! them. Whoever an address was made for is looked at again when it is used. What comes in is streamed into the content
//! store with its SHA-256 checked on the way, so that it is a file like every other; what goes out is read from there.

mod address;
mod batch;
mod locks;
mod parts;
mod pass;
mod seal;
mod transfer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use haina_db::lfs::UploadId;
use haina_types::{Error, Result, Rng, Sha256};
use tokio::sync::Semaphore;

use crate::secrets::Vault;
use address::Signer;
pub use batch::{Advice, Object, Offer, Upload};
pub use locks::{LOCKS_PAGE_MAX, LockPage};
pub use parts::DonePart;
use pass::Passes;
pub use pass::{LfsPass, Operation};
pub use transfer::{Download, Incoming};

pub use haina_db::lfs::Lock;

/// Most objects of one batch.
pub const BATCH_OBJECTS_MAX: usize = 1000;
/// Seconds that a signed address is good for, and that a part is kept for its completion.
pub const ADDRESS_SECONDS: i64 = 86_400;
/// Bytes of a part, unless that would make too many. Larger objects come in parts where the client can.
pub const PART_BYTES: u64 = 64 << 20;
/// Most parts of all objects of a batch together: each has an address of 300 bytes in the answer.
const BATCH_PARTS_MAX: u64 = 10_000;
/// Parts that may come in at once, each with about 2 MiB in memory.
const PARTS_AT_ONCE: usize = 32;

/// What the use cases here keep between requests.
pub struct State {
    signer: Signer,
    passes: Passes,
    parts: Semaphore,
    completing: Mutex<HashMap<UploadId, Weak<tokio::sync::Mutex<()>>>>,
}

impl State {
    /// Reads, or at the first start makes, the keys of addresses.
    pub(crate) async fn load(db: &haina_db::Db, vault: &Vault, rng: &dyn Rng) -> Result<Self> {
        let mut tx = db.begin().await?;
        // The newest first; a second one stays while what it signed is in use.
        let keys = vault.keep(&mut tx, "lfs.keys", &rng.array::<32>()).await?;
        tx.commit().await?;
        let (keys, rest) = keys.as_chunks::<32>();
        let made = Signer::new(keys).zip(Passes::new(keys)).filter(|_| rest.is_empty());
        let (signer, passes) = made.ok_or_else(|| Error::internal("the meta row lfs.keys is not a list of keys"))?;
        Ok(Self { signer, passes, parts: Semaphore::new(PARTS_AT_ONCE), completing: Mutex::default() })
    }

    /// What completions of one upload take turns by.
    fn turn(&self, upload: UploadId) -> Arc<tokio::sync::Mutex<()>> {
        let mut all = self.completing.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(&upload).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        all.insert(upload, Arc::downgrade(&turn));
        turn
    }
}

/// The id of an object, as LFS writes it: lower case only, so that each has one address.
pub fn parse_oid(text: &str) -> Result<Sha256> {
    match text.parse() {
        Ok(oid) if !text.bytes().any(|c| c.is_ascii_uppercase()) => Ok(oid),
        _ => Err(Error::invalid("An object's id is the 64 lower-case hexadecimal digits of its SHA-256.")),
    }
}
