//! What stands at a path.

use haina_types::{FilePath, Oid, Sha256, Timestamp, XetHash};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A file, executable or not.
    File,
    /// A symbolic link; its content is the target.
    Symlink,
    /// A folder.
    Directory,
    /// A submodule.
    Submodule,
}

/// A large file behind a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lfs {
    /// SHA-256 of the content, as declared by the pointer.
    pub sha256: Sha256,
    /// Size of the content in bytes.
    pub size: u64,
    /// Size of the pointer in bytes.
    pub pointer_size: u64,
}

/// The last commit that changed a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCommit {
    /// Its id.
    pub id: Oid,
    /// Its title.
    pub title: String,
    /// When it was made.
    pub date: Timestamp,
}

/// What stands at a path of a commit.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The path.
    pub path: FilePath,
    /// What it is.
    pub kind: EntryKind,
    /// Id of the blob, tree or commit.
    pub oid: Oid,
    /// Size in bytes of the content that a reader gets; 0 for folders.
    pub size: u64,
    /// Set when the blob is a pointer.
    pub lfs: Option<Lfs>,
    /// The stored content behind the pointer, when it is here and its digest was not refuted.
    pub xet: Option<XetHash>,
    /// Filled on request.
    pub last_commit: Option<LastCommit>,
}

impl Entry {
    /// The tag of the content: SHA-256 for large files, the blob id for others.
    pub fn etag(&self) -> String {
        match &self.lfs {
            Some(lfs) => lfs.sha256.to_string(),
            None => self.oid.to_string(),
        }
    }
}
