//! Which repository holds which large file: what commits, resolutions and deletions of repositories need.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;

use haina_db::Session;
use haina_db::content as db;
use haina_types::{Error, Result, Sha256, Timestamp, XetHash};

use super::lookup::file_terms;
use super::{RELEASED_SECONDS, UPLOAD_SECONDS};

pub use haina_db::content::ShaState;

/// A large file that a repository holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub file: XetHash,
    /// Its size in bytes.
    pub size: u64,
    /// How far its SHA-256 has been checked.
    pub state: ShaState,
}

impl Stored {
    /// The file, unless its content was found to have another SHA-256 than the one asked for.
    pub fn readable(&self) -> Option<XetHash> {
        (self.state != ShaState::Refuted).then_some(self.file)
    }

    /// The file, or the error that says why it is not served.
    pub fn get_readable(&self, sha256: &Sha256) -> Result<XetHash> {
        self.readable().ok_or_else(|| {
            Error::new(
                haina_types::Code::EntryNotFound,
                format!("What was uploaded as sha256 {sha256} is something else, so it is not served. Upload the right content again."),
            )
        })
    }
}

impl From<db::Stored> for Stored {
    fn from(s: db::Stored) -> Self {
        Self { file: s.file, size: s.bytes, state: s.state }
    }
}

/// What a repository holds under a SHA-256.
pub async fn find_stored(s: &mut Session, repo_id: i64, sha256: &Sha256) -> Result<Option<Stored>> {
    Ok(db::find_stored(s, repo_id, sha256).await?.map(Into::into))
}

/// What a repository holds under some of these digests.
pub async fn list_stored(s: &mut Session, repo_id: i64, digests: &[Sha256]) -> Result<HashMap<Sha256, Stored>> {
    Ok(db::list_stored(s, repo_id, digests).await?.into_iter().map(|f| (f.sha256, f.into())).collect())
}

/// Keeps uploaded files for as long as the repository exists; on one whose content is open to everyone, everyone may
/// refer to them from now on. In the transaction of the commit that links them, after the reference was moved: that has
/// locked the repository's row, so what it says of its gate stays true until the commit.
pub async fn link_committed(tx: &mut Session, repo_id: i64, files: &[XetHash]) -> Result<()> {
    // Distinct, and always in one order, so that two commits cannot wait for each other.
    let files: Vec<XetHash> = files.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    if !db::commit_files(tx, repo_id, &files).await? {
        return Err(Error::invalid("A large file of this commit is no longer stored here. Upload it again."));
    }
    let open = haina_db::repos::find_repo_by_id(tx, repo_id).await?.is_some_and(|repo| repo.is_open());
    if open { publish(tx, &files).await } else { Ok(()) }
}

/// Lets everyone refer to all that a repository holds: its content becomes open to everyone.
pub async fn publish_repo(tx: &mut Session, repo_id: i64) -> Result<()> {
    let mut after = XetHash::ZERO;
    // The empty file is first of all and has nothing to publish.
    loop {
        let files = db::list_committed_files(tx, repo_id, &after, 1000).await?;
        let Some(last) = files.last() else { return Ok(()) };
        after = *last;
        publish(tx, &files).await?;
    }
}

async fn publish(tx: &mut Session, files: &[XetHash]) -> Result<()> {
    for part in files.chunks(256) {
        let mut runs: HashSet<(XetHash, Range<u32>)> = HashSet::new();
        for file in db::list_files(tx, part).await? {
            runs.extend(file_terms(file)?.iter().map(|t| (t.xorb, t.chunks)));
        }
        let mut runs: Vec<_> = runs.into_iter().collect();
        runs.sort_unstable_by_key(|(xorb, run)| (*xorb, run.start, run.end));
        db::publish_chunks(tx, &runs).await?;
    }
    Ok(())
}

/// Takes a large file from a repository on purpose; `false` if it does not hold it.
pub async fn drop_file(tx: &mut Session, repo_id: i64, sha256: &Sha256, now: Timestamp) -> Result<bool> {
    Ok(db::drop_file(tx, repo_id, sha256, now).await?)
}

/// Whether a large file that a repository does not hold was deleted there on purpose.
pub async fn is_gone(s: &mut Session, repo_id: i64, sha256: &Sha256) -> Result<bool> {
    Ok(db::find_gone(s, repo_id, sha256).await?.is_some())
}

/// Takes all content from a repository that is being deleted. The bytes stay until they are collected.
pub async fn forget_repo(tx: &mut Session, repo_id: i64) -> Result<()> {
    Ok(db::forget_repo(tx, repo_id).await?)
}

/// Lends a file of one repository to another for a commit there, without moving bytes. The caller must be allowed to
/// read the first and to write to the second. `None` if the first does not hold it.
pub async fn copy_stored(
    tx: &mut Session,
    from_repo_id: i64,
    to_repo_id: i64,
    sha256: &Sha256,
    now: Timestamp,
) -> Result<Option<Stored>> {
    let Some(stored) = db::find_stored(tx, from_repo_id, sha256).await? else { return Ok(None) };
    if stored.state == ShaState::Refuted {
        return Ok(None);
    }
    db::lend_file(tx, to_repo_id, &stored, now, now.plus_seconds(UPLOAD_SECONDS)).await?;
    Ok(Some(stored.into()))
}

/// The files among these that a repository may read, with their sizes; `kept` leaves out uploads that nothing keeps yet.
pub(crate) async fn list_sizes(
    s: &mut Session,
    repo_id: i64,
    kept: bool,
    files: &[XetHash],
) -> Result<HashMap<XetHash, u64>> {
    Ok(db::list_repo_files(s, repo_id, kept, files).await?.into_iter().collect())
}

/// Lends stored files to a repository, for something in the same transaction that keeps them.
pub(crate) async fn lend_files(tx: &mut Session, repo_id: i64, files: &[XetHash], now: Timestamp) -> Result<()> {
    Ok(db::lend_files(tx, repo_id, files, now.plus_seconds(UPLOAD_SECONDS)).await?)
}

/// Lets go of files that nothing in a repository refers to any more. Whoever is reading one may do so to its end.
pub(crate) async fn release_files(tx: &mut Session, repo_id: i64, files: &[XetHash], now: Timestamp) -> Result<()> {
    Ok(db::release_files(tx, repo_id, files, now.plus_seconds(RELEASED_SECONDS)).await?)
}
