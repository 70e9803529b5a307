//! The large files of an import: the pointers that its history has, and where their content lies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use haina_git::LfsPointer;
use haina_types::{Error, Oid, Result, Sha256};
use tokio::io::AsyncReadExt;

use super::super::push::mebibytes;
use super::super::refs::STEP;
use super::super::spool::Pack;
use super::super::walk::{Walk, paths};
use super::lines;
use crate::App;
use crate::content::{self, ByteStream, Expect};
use crate::gate::WriteAccess;

/// Bytes of a file that are read at a time.
const PIECE_BYTES: usize = 256 << 10;

/// One large file.
struct File {
    size: u64,
    /// A blob that points to it.
    blob: Oid,
}

/// All of them.
pub(super) struct Large {
    files: BTreeMap<Sha256, File>,
    folders: Vec<PathBuf>,
}

impl Large {
    /// The pointers among what the references reach.
    pub(super) fn find(pack: &Pack, walk: &Walk, folder: Option<PathBuf>) -> Self {
        let reached = walk.order.iter().map(|i| &pack.objects[*i as usize]);
        let pointers = reached.filter_map(|o| Some((o.oid, *pack.pointers.get(&o.oid)?)));
        let files = pointers.map(|(blob, LfsPointer { sha256, size })| (sha256, File { size, blob })).collect();
        // As git-lfs has it, or the folder above.
        let folders = folder.into_iter().flat_map(|f| [f.join("objects"), f]).collect();
        Self { files, folders }
    }

    pub(super) fn total(&self) -> (usize, u64) {
        (self.files.len(), self.files.values().map(|f| f.size).sum())
    }

    fn place(&self, sha256: &Sha256, size: u64) -> Option<PathBuf> {
        let name = sha256.to_string();
        let places = self.folders.iter().map(|f| f.join(&name[..2]).join(&name[2..4]).join(&name));
        let mut whole = places.filter(|p| std::fs::metadata(p).is_ok_and(|m| m.is_file() && m.len() == size));
        whole.next()
    }

    /// Which of them the repository has already.
    async fn stored(&self, app: &App, access: Option<&WriteAccess>) -> Result<Vec<Sha256>> {
        let Some(access) = access else { return Ok(Vec::new()) };
        let mut s = app.db().read().await?;
        let mut found = Vec::new();
        let all: Vec<Sha256> = self.files.keys().copied().collect();
        for part in all.chunks(STEP) {
            let stored = content::list_stored(&mut s, access.repo().id, part).await?;
            let is_whole = |sha256: &Sha256, f: &content::Stored| {
                f.readable().is_some() && self.files.get(sha256).is_some_and(|file| file.size == f.size)
            };
            found.extend(stored.iter().filter(|(sha256, f)| is_whole(sha256, f)).map(|(sha256, _)| *sha256));
        }
        Ok(found)
    }

    /// Every one must be at hand, in its whole length.
    pub(super) async fn check(&self, app: &App, access: Option<&WriteAccess>, pack: &Pack, walk: &Walk) -> Result<()> {
        let stored = self.stored(app, access).await?;
        let is_missing = |sha256: &Sha256, file: &File| {
            file.size > 0 && !stored.contains(sha256) && self.place(sha256, file.size).is_none()
        };
        let missing: Vec<(&Sha256, &File)> =
            self.files.iter().filter(|(sha256, file)| is_missing(sha256, file)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let named = paths(pack, walk, &missing.iter().map(|(_, f)| f.blob).collect()).map_err(Error::internal)?;
        let listed = missing.iter().map(|(sha256, file)| {
            let path = named.iter().find(|(_, blob)| *blob == file.blob).map_or("", |(path, _)| path.as_str());
            format!("{path} (sha256 {sha256}, {})", mebibytes(file.size))
        });
        Err(Error::invalid(format!(
            "The content of {} large file{} is missing. Fetch it first (git lfs fetch --all), or say with --lfs-dir where it is:{}",
            missing.len(),
            if missing.len() == 1 { "" } else { "s" },
            lines(listed)
        )))
    }

    /// Puts them into the store, where they wait for the references.
    pub(super) async fn store(&self, app: &App, access: &WriteAccess, progress: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let stored = self.stored(app, Some(access)).await?;
        let open = self.files.iter().filter(|(sha256, _)| !stored.contains(sha256));
        for (n, (sha256, file)) in open.enumerate() {
            progress(&format!(
                "Storing large file {} of {} ({})",
                n + 1,
                self.files.len() - stored.len(),
                mebibytes(file.size)
            ));
            let expect = Expect { sha256: Some(*sha256), size: Some(file.size) };
            let body: ByteStream = match self.place(sha256, file.size) {
                Some(place) => read(place),
                None => Box::pin(futures_util::stream::empty()),
            };
            app.store_content(&access.upload(), body, expect).await.map_err(|e| match e.code {
                haina_types::Code::Invalid => {
                    Error::invalid(format!("{} `git lfs fsck` finds what is damaged; nothing was imported.", e.message))
                }
                _ => e,
            })?;
        }
        Ok(())
    }
}

/// The bytes of a file.
fn read(path: PathBuf) -> ByteStream {
    let failed = |path: &PathBuf, e: std::io::Error| Error::invalid(format!("{}: {e}.", path.display()));
    Box::pin(futures_util::stream::try_unfold((path, None), move |(path, open)| async move {
        let mut file: tokio::fs::File = match open {
            Some(file) => file,
            None => tokio::fs::File::open(&path).await.map_err(|e| failed(&path, e))?,
        };
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        let n = (&mut file).take(PIECE_BYTES as u64).read_to_end(&mut piece).await.map_err(|e| failed(&path, e))?;
        Ok((n > 0).then(|| (Bytes::from(piece), (path, Some(file)))))
    }))
}
