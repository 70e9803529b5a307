//! Plain bytes coming in by other doors (LFS, web, mirror): cut, hashed, encoded and collected into xorbs.

use std::sync::Arc;

use bytes::Bytes;
use haina_types::{Sha256, XetHash};

use crate::error::CasError;
use crate::ingest::StagedXorb;
use crate::objects::Objects;
use crate::terms::FileTerms;
use crate::xorb::XorbIndex;

/// Finds chunks that are stored already. Called on blocking threads, for eligible chunks only.
pub trait ChunkLookup: Send + Sync + std::fmt::Debug {
    /// A xorb that has the chunk and that the new file may refer to, and its index.
    fn find(&self, chunk: &XetHash) -> Option<(XetHash, XorbIndex)>;
}

/// Knows nothing: every chunk is new.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLookup;

impl ChunkLookup for NoLookup {
    fn find(&self, _: &XetHash) -> Option<(XetHash, XorbIndex)> {
        None
    }
}

/// A file that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// Its Xet id.
    pub hash: XetHash,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, computed here: verified by construction.
    pub sha256: Sha256,
    /// Its recipe.
    pub terms: FileTerms,
    /// Its first chunk, eligible for deduplication: `(chunk, xorb, chunk index)`.
    pub first_chunk: Option<(XetHash, XetHash, u32)>,
}

/// A file in progress. Holds at most about 4 MiB; dropping it at any point abandons what is not yet committed.
#[derive(Debug)]
pub struct FileIngest {}

impl FileIngest {
    /// Begins a file.
    pub fn begin(objects: Arc<dyn Objects>, lookup: Arc<dyn ChunkLookup>) -> Self {
        let _ = (objects, lookup);
        todo!()
    }

    /// The next bytes. Gives the xorbs that they completed: commit each (and write its row), or drop it if its hash
    /// is stored already.
    pub async fn feed(&mut self, bytes: Bytes) -> Result<Vec<StagedXorb>, CasError> {
        let _ = bytes;
        todo!()
    }

    /// The file has ended. Gives the last xorbs and the file; its row may be written after theirs.
    pub async fn finish(self) -> Result<(Vec<StagedXorb>, BuiltFile), CasError> {
        todo!()
    }
}
