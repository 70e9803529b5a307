//! Where bytes rest: written once, durable when committed, never overwritten.

mod files;
mod memory;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haina_types::XetHash;

use crate::crc::{CRC_BLOCK_BYTES, CrcTable};

pub use files::FileObjects;
pub use memory::MemoryObjects;

/// The name of an object: relative, slash-separated, of `[a-z0-9._-]`, at most 200 bytes, not under `tmp`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey(String);

/// A text that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an object key")]
pub struct KeyError;

impl ObjectKey {
    /// `cas/x/ab/cd/<64 hex>.<generation>`.
    pub fn xorb(hash: &XetHash, generation: u64) -> Self {
        let hex = hash.to_string();
        Self(format!("cas/x/{}/{}/{hex}.{generation}", &hex[..2], &hex[2..4]))
    }

    /// `cas/r/ab/<64 hex>.mdb`: an accepted shard, named by the BLAKE3 hash of its bytes.
    pub fn shard(bytes: &[u8]) -> Self {
        let hex = blake3::hash(bytes).to_hex();
        Self(format!("cas/r/{}/{hex}.mdb", &hex[..2]))
    }

    /// The xorb and generation that a key of [`ObjectKey::xorb`] names.
    pub fn as_xorb(&self) -> Option<(XetHash, u64)> {
        let (hex, generation) = self.0.strip_prefix("cas/x/")?.rsplit('/').next()?.split_once('.')?;
        let (hash, generation) = (hex.parse().ok()?, generation.parse().ok()?);
        (Self::xorb(&hash, generation) == *self).then_some((hash, generation))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ObjectKey {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let good = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let segment = |s: &str| !s.is_empty() && !s.starts_with('.') && s.bytes().all(good);
        if text.len() > 200 || !text.split('/').all(segment) || text == "tmp" || text.starts_with("tmp/") {
            return Err(KeyError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What can go wrong with objects.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room left. Nothing half-written remains.
    #[error("no space left")]
    Full,
    /// No such object.
    #[error("object {0} does not exist")]
    NotFound(ObjectKey),
    /// The range is not inside the object.
    #[error("object {key} has no bytes {start} to {end}")]
    OutOfBounds {
        /// The object.
        key: ObjectKey,
        /// First byte.
        start: u64,
        /// After the last byte.
        end: u64,
    },
    /// A block is not what was written.
    #[error("object {key} is corrupt in block {block}")]
    Corrupt {
        /// The object.
        key: ObjectKey,
        /// The block of [`crate::crc::CRC_BLOCK_BYTES`], from 0.
        block: usize,
    },
    /// The storage underneath failed.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A worker thread ended without an answer, as at shutdown.
    #[error("the operation was cancelled")]
    Cancelled,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Its key.
    pub key: ObjectKey,
    /// Its bytes.
    pub len: u64,
    /// When it was committed, in seconds since the epoch.
    pub modified: i64,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The object is durable under its key.
    Stored,
    /// Another object has that key; it is untouched, and the staged bytes can be committed under another.
    Exists,
}

/// Bytes on their way to an object. Dropping it abandons them and leaves nothing behind.
pub trait Staged: Send + fmt::Debug {
    /// Appends bytes. After an error only dropping is useful.
    fn append(&mut self, bytes: Vec<Bytes>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Makes everything appended durable under `key`, unless that key is taken.
    fn commit<'a>(&'a mut self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Committed, StoreError>>;
}

/// What the store needs of a file system or of S3.
pub trait Objects: Send + Sync + fmt::Debug {
    /// Begins an object whose key is not known yet.
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Staged>, StoreError>>;

    /// Reads exactly `range`. With a checksum table, `range` must begin at a block's start and end at one or at the
    /// object's end, and every block is checked.
    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        range: Range<u64>,
        crc: Option<&'a CrcTable>,
    ) -> BoxFuture<'a, Result<Bytes, StoreError>>;

    /// The length of an object, if it exists.
    fn len<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<u64>, StoreError>>;

    /// Deletes an object; whether there was one.
    fn delete<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The next objects under a folder (`cas/x`; the empty text for all) in the order of their keys, after a key;
    /// at most `limit`, fewer only at the end.
    fn list<'a>(
        &'a self,
        folder: &'a str,
        after: Option<&'a ObjectKey>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>>;
}

/// Checks blocks that were just read from `start` on.
fn check_blocks(key: &ObjectKey, start: u64, bytes: &[u8], crc: Option<&CrcTable>) -> Result<(), StoreError> {
    let Some(crc) = crc else { return Ok(()) };
    debug_assert!(start.is_multiple_of(CRC_BLOCK_BYTES as u64), "reads with checksums begin at a block");
    let first = (start / CRC_BLOCK_BYTES as u64) as usize;
    crc.check(first, bytes).map_err(|block| StoreError::Corrupt { key: key.clone(), block })
}

/// Writes a small object at once.
pub async fn put(objects: &dyn Objects, key: &ObjectKey, bytes: Bytes) -> Result<Committed, StoreError> {
    let mut staged = objects.begin().await?;
    staged.append(vec![bytes]).await?;
    staged.commit(key).await
}

/// Reads a small object at once; `None` if it does not exist.
pub async fn get(objects: &dyn Objects, key: &ObjectKey) -> Result<Option<Bytes>, StoreError> {
    match objects.len(key).await? {
        Some(len) => objects.read(key, 0..len, None).await.map(Some),
        None => Ok(None),
    }
}
