//! Objects as files.

use std::ops::Range;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{ObjectKey, ObjectMeta, Objects, Staged, StoreError};
use crate::crc::CrcTable;

/// Objects as files under one root folder.
#[derive(Debug, Clone)]
pub struct FileObjects {}

impl Objects for FileObjects {
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

impl FileObjects {
    /// Opens or makes a store under `root`, on one file system. The first process there wipes what interrupted
    /// uploads left; others may open the same root beside it. Blocks briefly: call it at start.
    pub fn open(root: &std::path::Path) -> Result<Self, StoreError> {
        let _ = root;
        todo!()
    }
}
