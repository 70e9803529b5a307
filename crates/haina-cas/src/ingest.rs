//! A xorb coming in: verified and staged while it arrives, with bounded memory.

use std::sync::Arc;

use bytes::Bytes;
use haina_types::XetHash;

use crate::crc::CrcTable;
use crate::error::CasError;
use crate::objects::{Objects, Staged};
use crate::xorb::{StoredXorb, XorbIndex};

/// An upload in progress. Holds at most about 2 MiB; dropping it at any point abandons the upload.
#[derive(Debug)]
pub struct XorbIngest {}

impl XorbIngest {
    /// Begins an upload.
    pub async fn begin(objects: &Arc<dyn Objects>) -> Result<Self, CasError> {
        let _ = objects;
        todo!()
    }

    /// The next bytes of the body. An error found in earlier bytes may come only here; then stop.
    pub async fn feed(&mut self, body: Bytes) -> Result<(), CasError> {
        let _ = body;
        todo!()
    }

    /// The body has ended. Nothing is durable yet: see [`StagedXorb::commit`].
    pub async fn finish(self, expected: &XetHash) -> Result<StagedXorb, CasError> {
        let _ = expected;
        todo!()
    }
}

/// A verified xorb, written with its footer but not yet under its key. Dropping it abandons the bytes: do so when a
/// live row for the hash exists already.
#[derive(Debug)]
pub struct StagedXorb {
    /// Its hash, verified.
    pub hash: XetHash,
    /// Its chunks.
    pub index: XorbIndex,
    /// Bytes of the object, footer included.
    pub len: u64,
    /// Checksums of the object's blocks.
    pub crc: CrcTable,
    staged: Box<dyn Staged>,
}

impl StagedXorb {
    /// Makes the object durable under the first free generation from `generation` on, and says what to remember.
    /// Only then may a row be written and the upload acknowledged.
    pub async fn commit(self, generation: u64) -> Result<StoredXorb, CasError> {
        let _ = (generation, self.staged);
        todo!()
    }
}
