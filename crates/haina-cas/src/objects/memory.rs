//! Objects in memory, for tests and throw-away servers.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use haina_types::{Clock, SystemClock};

use super::{Committed, ObjectKey, ObjectMeta, Objects, Staged, StoreError, check_blocks};
use crate::crc::CrcTable;

type Map = BTreeMap<ObjectKey, (Bytes, i64)>;

/// Objects in memory. Cheap to clone; clones share their objects.
#[derive(Debug, Clone, Default)]
pub struct MemoryObjects {
    map: Arc<Mutex<Map>>,
}

impl MemoryObjects {
    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces an object's bytes without any rule, as a failing disk does; whether there was one. For tests.
    pub fn tamper(&self, key: &ObjectKey, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut map = self.map();
        let Some((bytes, _)) = map.get_mut(key) else { return false };
        let mut changed = bytes.to_vec();
        change(&mut changed);
        *bytes = changed.into();
        true
    }
}

#[derive(Debug)]
struct MemoryStaged {
    objects: MemoryObjects,
    bytes: BytesMut,
}

impl Staged for MemoryStaged {
    fn append(&mut self, bytes: Vec<Bytes>) -> BoxFuture<'_, Result<(), StoreError>> {
        bytes.iter().for_each(|b| self.bytes.extend_from_slice(b));
        ready(Ok(())).boxed()
    }

    fn commit<'a>(&'a mut self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Committed, StoreError>> {
        let mut map = self.objects.map();
        if map.contains_key(key) {
            return ready(Ok(Committed::Exists)).boxed();
        }
        let bytes = std::mem::take(&mut self.bytes).freeze();
        map.insert(key.clone(), (bytes, SystemClock.now().seconds()));
        ready(Ok(Committed::Stored)).boxed()
    }
}

impl Objects for MemoryObjects {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Staged>, StoreError>> {
        let staged = MemoryStaged { objects: self.clone(), bytes: BytesMut::new() };
        ready(Ok(Box::new(staged) as Box<dyn Staged>)).boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        range: Range<u64>,
        crc: Option<&'a CrcTable>,
    ) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        let found = self.map().get(key).map(|(bytes, _)| bytes.clone());
        let result = found.ok_or_else(|| StoreError::NotFound(key.clone())).and_then(|bytes| {
            if range.start > range.end || range.end > bytes.len() as u64 {
                return Err(StoreError::OutOfBounds { key: key.clone(), start: range.start, end: range.end });
            }
            let bytes = bytes.slice(range.start as usize..range.end as usize);
            check_blocks(key, range.start, &bytes, crc)?;
            Ok(bytes)
        });
        ready(result).boxed()
    }

    fn len<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        ready(Ok(self.map().get(key).map(|(bytes, _)| bytes.len() as u64))).boxed()
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        ready(Ok(self.map().remove(key).is_some())).boxed()
    }

    fn list<'a>(
        &'a self,
        folder: &'a str,
        after: Option<&'a ObjectKey>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        let inside = |key: &ObjectKey| {
            folder.is_empty() || key.as_str().strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
        };
        let found = self
            .map()
            .iter()
            .filter(|(key, _)| inside(key) && after.is_none_or(|a| *key > a))
            .take(limit)
            .map(|(key, (bytes, at))| ObjectMeta { key: key.clone(), len: bytes.len() as u64, modified: *at })
            .collect();
        ready(Ok(found)).boxed()
    }
}
