//! Objects as files: `root/tmp` for what is being written, every other path is an object's key.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Write as _};
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Committed, ObjectKey, ObjectMeta, Objects, Staged, StoreError, check_blocks};
use crate::crc::CrcTable;
use crate::pool::Pool;

/// Bytes that are written in one step, unless the object ends before.
const WRITE_BYTES_MIN: usize = 1 << 20;
/// Buffers of one `writev` call.
const SLICES_MAX: usize = 256;

/// Objects as files under one root folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FileObjects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Held, shared, as long as the store is open: whoever can lock it alone may wipe `tmp`.
    _lock: File,
    next_tmp: AtomicU64,
    /// Folders (relative) whose entry in their parent is known to be durable.
    durable: Mutex<HashSet<String>>,
    pool: Pool,
}

fn failed(action: impl Into<String>, source: io::Error) -> StoreError {
    match source.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => StoreError::Full,
        _ => StoreError::Io { action: action.into(), source },
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Cancelled))
}

fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|d| d.sync_all()).map_err(|e| failed(format!("sync folder {}", path.display()), e))
}

impl FileObjects {
    /// Opens or makes a store under `root`, on one file system. The first process there wipes what interrupted
    /// uploads left; others may open the same root beside it. Blocks briefly: call it at start.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let tmp = root.join("tmp");
        std::fs::create_dir_all(&tmp).map_err(|e| failed(format!("make folder {}", tmp.display()), e))?;
        sync_dir(root)?;
        let path = tmp.join(".lock");
        let locking = |e| failed(format!("lock {}", path.display()), e);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(locking)?;
        match lock.try_lock() {
            Ok(()) => wipe(&tmp)?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(locking(e)),
        }
        lock.lock_shared().map_err(locking)?;
        Ok(Self {
            inner: Arc::new(Inner {
                root: root.to_owned(),
                _lock: lock,
                next_tmp: AtomicU64::new(0),
                durable: Mutex::default(),
                pool: Pool::default(),
            }),
        })
    }
}

/// Removes what interrupted uploads left. Only plain files are ever made there.
fn wipe(tmp: &Path) -> Result<(), StoreError> {
    let reading = |e| failed(format!("wipe {}", tmp.display()), e);
    for entry in std::fs::read_dir(tmp).map_err(reading)? {
        let entry = entry.map_err(reading)?;
        if entry.file_name() != ".lock" {
            std::fs::remove_file(entry.path()).map_err(reading)?;
        }
    }
    Ok(())
}

impl Inner {
    fn path(&self, key: &ObjectKey) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn create(self: &Arc<Self>) -> Result<TmpFile, StoreError> {
        loop {
            let n = self.next_tmp.fetch_add(1, Ordering::Relaxed);
            let path = self.root.join("tmp").join(format!("{}-{n}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(TmpFile { path, file, moved: AtomicBool::new(false) }),
                // Another machine or container on the same root can have our process number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(failed(format!("create {}", path.display()), e)),
            }
        }
    }

    /// Makes the folders of a key. Gives those, deepest first, whose entry in their parent may not be durable yet.
    fn make_dirs(&self, key: &ObjectKey) -> Result<Vec<String>, StoreError> {
        let mut fresh = Vec::new();
        let ends = key.as_str().match_indices('/').map(|(i, _)| i);
        for dir in ends.map(|i| &key.as_str()[..i]) {
            if self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(dir) {
                continue;
            }
            match std::fs::create_dir(self.root.join(dir)) {
                Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(format!("make folder {dir}"), e));
                }
                _ => fresh.insert(0, dir.to_owned()),
            }
        }
        Ok(fresh)
    }

    /// Moves a synced file to its key and makes the move durable.
    fn publish(&self, tmp: &TmpFile, key: &ObjectKey) -> Result<Committed, StoreError> {
        let target = self.path(key);
        let mut fresh = self.make_dirs(key)?;
        let mut moved = rename_new(&tmp.path, &target);
        if moved.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
            // Someone removed an empty folder behind our back.
            self.durable.lock().unwrap_or_else(PoisonError::into_inner).clear();
            fresh = self.make_dirs(key)?;
            moved = rename_new(&tmp.path, &target);
        }
        match moved {
            Ok(()) => tmp.moved.store(true, Ordering::Release),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(Committed::Exists),
            Err(e) => return Err(failed(format!("move to {key}"), e)),
        }
        if let Some(dir) = target.parent() {
            sync_dir(dir)?;
        }
        for dir in &fresh {
            let parent = dir.rsplit_once('/').map_or(self.root.clone(), |(parent, _)| self.root.join(parent));
            sync_dir(&parent)?;
        }
        if !fresh.is_empty() {
            self.durable.lock().unwrap_or_else(PoisonError::into_inner).extend(fresh);
        }
        Ok(Committed::Stored)
    }

    fn read(&self, key: &ObjectKey, range: Range<u64>, crc: Option<&CrcTable>) -> Result<Bytes, StoreError> {
        let Range { start, end } = range;
        let out_of_bounds = || StoreError::OutOfBounds { key: key.clone(), start, end };
        let len = end.checked_sub(start).and_then(|n| usize::try_from(n).ok()).ok_or_else(out_of_bounds)?;
        let file = File::open(self.path(key)).map_err(|e| not_found(key, "open", e))?;
        // Before memory is taken: a wrong length in a row must not become an allocation.
        if file.metadata().map_err(|e| failed(format!("read {key}"), e))?.len() < end {
            return Err(out_of_bounds());
        }
        let mut buffer = self.pool.take(len);
        file.read_exact_at(buffer.as_mut(), start).map_err(|e| failed(format!("read {key}"), e))?;
        check_blocks(key, start, buffer.as_ref(), crc)?;
        Ok(Bytes::from_owner(buffer))
    }
}

fn not_found(key: &ObjectKey, action: &str, e: io::Error) -> StoreError {
    match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StoreError::NotFound(key.clone()),
        _ => failed(format!("{action} {key}"), e),
    }
}

/// Renames where nothing may be overwritten, atomically.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot (some network ones) can link, which never overwrites either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        result => result.map_err(io::Error::from),
    }
}

/// A file under `tmp` that is removed when dropped, unless it was moved to its place.
#[derive(Debug)]
struct TmpFile {
    path: PathBuf,
    file: File,
    moved: AtomicBool,
}

impl Drop for TmpFile {
    fn drop(&mut self) {
        if !self.moved.load(Ordering::Acquire)
            && let Err(e) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), error = %e, "cannot remove an abandoned upload");
        }
    }
}

impl TmpFile {
    fn write(&self, parts: &[Bytes]) -> Result<(), StoreError> {
        for group in parts.chunks(SLICES_MAX) {
            let mut slices: Vec<_> = group.iter().map(|b| IoSlice::new(b)).collect();
            let mut rest = &mut slices[..];
            IoSlice::advance_slices(&mut rest, 0);
            while !rest.is_empty() {
                match (&self.file).write_vectored(rest) {
                    Ok(0) => return Err(failed("write", io::ErrorKind::WriteZero.into())),
                    Ok(n) => IoSlice::advance_slices(&mut rest, n),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(failed(format!("write {}", self.path.display()), e)),
                }
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FileStaged {
    inner: Arc<Inner>,
    tmp: Option<Arc<TmpFile>>,
    pending: Vec<Bytes>,
    pending_len: usize,
}

impl FileStaged {
    /// The file, for as long as an operation lasts: one that fails or is dropped half-way does not give it back, so
    /// that bytes of unknown state are never committed.
    fn lend(&mut self) -> Result<Arc<TmpFile>, StoreError> {
        self.tmp.take().ok_or(StoreError::Cancelled)
    }
}

impl Staged for FileStaged {
    fn append(&mut self, bytes: Vec<Bytes>) -> BoxFuture<'_, Result<(), StoreError>> {
        async move {
            self.pending_len += bytes.iter().map(Bytes::len).sum::<usize>();
            self.pending.extend(bytes);
            if self.pending_len < WRITE_BYTES_MIN {
                return Ok(());
            }
            let (tmp, parts) = (self.lend()?, std::mem::take(&mut self.pending));
            self.pending_len = 0;
            self.tmp = Some(blocking(move || tmp.write(&parts).map(|()| tmp)).await?);
            Ok(())
        }
        .boxed()
    }

    fn commit<'a>(&'a mut self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Committed, StoreError>> {
        async move {
            let (tmp, parts) = (self.lend()?, std::mem::take(&mut self.pending));
            self.pending_len = 0;
            let (inner, key) = (self.inner.clone(), key.clone());
            let work = move || {
                tmp.write(&parts)?;
                tmp.file.sync_data().map_err(|e| failed(format!("sync {}", tmp.path.display()), e))?;
                Ok((inner.publish(&tmp, &key)?, tmp))
            };
            let (committed, tmp) = blocking(work).await?;
            self.tmp = Some(tmp);
            Ok(committed)
        }
        .boxed()
    }
}

impl Drop for FileStaged {
    fn drop(&mut self) {
        // Removing a large file takes milliseconds: not on a thread that serves others.
        if let (Some(tmp), Ok(runtime)) = (self.tmp.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(tmp)));
        }
    }
}

/// One folder of a listing in progress.
fn walk(
    root: &Path,
    folder: &str,
    after: Option<&ObjectKey>,
    limit: usize,
    found: &mut Vec<ObjectMeta>,
) -> io::Result<()> {
    let entries = match std::fs::read_dir(root.join(folder)) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let dir = entry.file_type()?.is_dir();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        // The order of keys is that of whole paths, in which a folder's name is followed by a slash.
        let sort = if dir { format!("{path}/") } else { path.clone() };
        if !(folder.is_empty() && path == "tmp")
            && after.is_none_or(|a| sort.as_str() > a.as_str() || dir && a.as_str().starts_with(&sort))
        {
            names.push((sort, path, dir));
        }
    }
    names.sort();
    for (_, path, dir) in names {
        if found.len() == limit {
            break;
        }
        if dir {
            walk(root, &path, after, limit, found)?;
        } else if let Ok(key) = path.parse::<ObjectKey>() {
            match std::fs::metadata(root.join(&path)) {
                Ok(meta) => found.push(ObjectMeta { key, len: meta.len(), modified: meta.mtime() }),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
    }
    Ok(())
}

impl Objects for FileObjects {
    fn begin(&self) -> BoxFuture<'_, Result<Box<dyn Staged>, StoreError>> {
        let inner = self.inner.clone();
        async move {
            let (tmp, inner) = blocking(move || Ok((inner.create()?, inner))).await?;
            let staged = FileStaged { inner, tmp: Some(Arc::new(tmp)), pending: Vec::new(), pending_len: 0 };
            Ok(Box::new(staged) as Box<dyn Staged>)
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        key: &'a ObjectKey,
        range: Range<u64>,
        crc: Option<&'a CrcTable>,
    ) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        let (inner, key, crc) = (self.inner.clone(), key.clone(), crc.cloned());
        blocking(move || inner.read(&key, range, crc.as_ref())).boxed()
    }

    fn len<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<u64>, StoreError>> {
        let (inner, key) = (self.inner.clone(), key.clone());
        let work = move || match std::fs::metadata(inner.path(&key)).map_err(|e| not_found(&key, "look at", e)) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(e) => Err(e),
        };
        blocking(work).boxed()
    }

    fn delete<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<bool, StoreError>> {
        let (inner, key) = (self.inner.clone(), key.clone());
        let work = move || match std::fs::remove_file(inner.path(&key)).map_err(|e| not_found(&key, "delete", e)) {
            Ok(()) => Ok(true),
            Err(StoreError::NotFound(_)) => Ok(false),
            Err(e) => Err(e),
        };
        blocking(work).boxed()
    }

    fn list<'a>(
        &'a self,
        folder: &'a str,
        after: Option<&'a ObjectKey>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        let (inner, folder, after) = (self.inner.clone(), folder.to_owned(), after.cloned());
        let work = move || {
            let mut found = Vec::new();
            let walked = walk(&inner.root, &folder, after.as_ref(), limit, &mut found);
            walked.map_err(|e| failed(format!("list {folder}"), e))?;
            Ok(found)
        };
        blocking(work).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_full_disk_is_said_so_and_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let objects = FileObjects::open(root.path()).unwrap();
        let path = root.path().join("tmp/full");
        std::fs::write(&path, b"").unwrap();
        // The device on which every write fails for want of space stands in for the file system.
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let tmp = Arc::new(TmpFile { path, file, moved: AtomicBool::new(false) });
        let mut staged =
            FileStaged { inner: objects.inner.clone(), tmp: Some(tmp), pending: Vec::new(), pending_len: 0 };
        let error = staged.append(vec![Bytes::from(vec![0; WRITE_BYTES_MIN])]).await.unwrap_err();
        assert!(matches!(error, StoreError::Full), "{error:?}");
        let key = "cas/x".parse().unwrap();
        assert!(staged.commit(&key).await.is_err(), "nothing to commit after an error");
        drop(staged);
        assert_eq!(names(&root.path().join("tmp")), [".lock"]);
        assert_eq!(objects.len(&key).await.unwrap(), None);
    }

    #[test]
    fn only_the_first_process_wipes() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("tmp")).unwrap();
        std::fs::write(root.path().join("tmp/left"), b"x").unwrap();
        let first = FileObjects::open(root.path()).unwrap();
        assert_eq!(names(&root.path().join("tmp")), [".lock"]);
        std::fs::write(root.path().join("tmp/running"), b"x").unwrap();
        let second = FileObjects::open(root.path()).unwrap();
        assert_eq!(names(&root.path().join("tmp")), [".lock", "running"]);
        drop((first, second));
        FileObjects::open(root.path()).unwrap();
        assert_eq!(names(&root.path().join("tmp")), [".lock"]);
    }
}
