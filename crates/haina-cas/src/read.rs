//! Bytes going out: ranges of objects as they are, and files put together.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use haina_types::{Sha256, XetHash};

use crate::crc::CrcTable;
use crate::error::CasError;
use crate::objects::{ObjectKey, Objects};
use crate::terms::FileTerms;
use crate::xorb::StoredXorb;

/// Finds xorbs while a file is read; asked as the reading goes on, so that a file of any size needs little memory.
pub trait XorbSource: Send + Sync + std::fmt::Debug {
    /// What is known of a xorb; `None` if it is not stored.
    fn find<'a>(&'a self, xorb: &'a XetHash) -> BoxFuture<'a, Result<Option<StoredXorb>, CasError>>;
}

/// How a [`Reader`] works.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Raw bytes of one step of assembly.
    pub step_bytes: u32,
    /// Steps of one file that may be ready ahead of the client.
    pub prefetch_steps: usize,
    /// Bytes that all assemblies together may hold.
    pub memory_bytes: u32,
    /// Whether every decoded chunk is hashed and compared.
    pub verify_chunks: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { step_bytes: 4 << 20, prefetch_steps: 4, memory_bytes: 128 << 20, verify_chunks: true }
    }
}

/// Reads from objects, under one limit of memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {}

impl Reader {
    /// Over a store.
    pub fn new(objects: Arc<dyn Objects>, options: ReadOptions) -> Self {
        let _ = (objects, options);
        todo!()
    }

    /// A range of an object as it is, every block checked: the fetch route. Exactly the range or an error at its
    /// end; at most 1 MiB in flight.
    pub fn range_stream(
        &self,
        key: ObjectKey,
        crc: CrcTable,
        object_len: u64,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, CasError>> {
        let _ = (key, crc, object_len, range);
        todo!()
    }

    /// A range of a file, put together: plain downloads. Exactly the range, in order, or an error at its end and
    /// never wrong bytes; dropping the stream stops the work.
    pub fn assemble(
        &self,
        terms: FileTerms,
        source: Arc<dyn XorbSource>,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, CasError>> {
        let _ = (terms, source, range);
        todo!()
    }

    /// The SHA-256 of a file's content, by reading all of it: turns a claim into a fact.
    pub async fn sha256_of(&self, terms: FileTerms, source: Arc<dyn XorbSource>) -> Result<Sha256, CasError> {
        let _ = (terms, source);
        todo!()
    }
}
