//! Objects in memory, for tests and throw-away servers.

use std::ops::Range;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{ObjectKey, ObjectMeta, Objects, Staged, StoreError};
use crate::crc::CrcTable;

/// Objects in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryObjects {}

impl Objects for MemoryObjects {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Staged>, StoreError>> {
        todo!()
    }
    fn read<'a>(
        &'a self,
        _: &'a ObjectKey,
        _: Range<u64>,
        _: Option<&'a CrcTable>,
    ) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        todo!()
    }
    fn len<'a>(&'a self, _: &'a ObjectKey) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        todo!()
    }
    fn delete<'a>(&'a self, _: &'a ObjectKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        todo!()
    }
    fn list<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a ObjectKey>,
        _: usize,
    ) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        todo!()
    }
}
