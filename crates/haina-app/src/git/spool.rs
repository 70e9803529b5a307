//! A pack on its way in: what came over the line, and what its deltas gave, each in a file without a name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use haina_db::git;
use haina_git::wire::{
    EntryKind, PACK_TRAILER_BYTES, PackEntry, PackError, PackLimits, PktReader, PushError, PushRequest, Unpack,
    check_tree, read_push, resolve, scan,
};
use haina_git::{Commit, LfsPointer, ObjectKind, Tag, Tree};
use haina_types::Oid;
use tokio::sync::mpsc;

use super::refs::kind_of;
use crate::App;

/// Longest title of a commit that lists show, in bytes.
const TITLE_BYTES_MAX: usize = 1000;

/// A request's body, for code that reads.
pub(super) struct BodyReader {
    pub(super) from: mpsc::Receiver<io::Result<Bytes>>,
    pub(super) piece: Bytes,
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.from.blocking_recv() {
                None => return Ok(0),
                Some(piece) => self.piece = piece?,
            }
        }
        let n = self.piece.len().min(out.len());
        out[..n].copy_from_slice(&self.piece.split_to(n));
        Ok(n)
    }
}

/// What lists show of a commit, and what it links to.
pub(super) struct CommitFacts {
    pub(super) tree: Oid,
    pub(super) parents: Box<[Oid]>,
    pub(super) seconds: i64,
    pub(super) title: String,
}

/// What was seen of objects while their bytes were at hand.
#[derive(Default)]
struct Looked {
    commits: HashMap<Oid, CommitFacts>,
    tags: HashMap<Oid, (ObjectKind, Oid)>,
    pointers: HashMap<Oid, LfsPointer>,
}

impl Looked {
    /// Checks an object as git's `fsck` does.
    fn look(&mut self, kind: ObjectKind, oid: Oid, raw: &[u8]) -> Result<(), String> {
        let bad = |why: &dyn std::fmt::Display| format!("{kind} {oid}: {why}");
        match kind {
            ObjectKind::Commit => {
                let commit = Commit::parse(raw).map_err(|e| bad(&e))?;
                let mut title = commit.title();
                title.truncate(title.floor_char_boundary(TITLE_BYTES_MAX));
                let facts = CommitFacts {
                    tree: commit.tree,
                    parents: commit.parents.into(),
                    seconds: commit.committer.seconds,
                    title,
                };
                self.commits.insert(oid, facts);
            }
            ObjectKind::Tree => {
                let tree = Tree::parse(raw).map_err(|e| bad(&e))?;
                check_tree(&tree).map_err(|e| bad(&e))?;
            }
            ObjectKind::Tag => {
                let tag = Tag::parse(raw).map_err(|e| bad(&e))?;
                self.tags.insert(oid, (tag.kind, tag.target));
            }
            ObjectKind::Blob => {
                if let Some(pointer) = LfsPointer::parse(raw) {
                    self.pointers.insert(oid, pointer);
                }
            }
        }
        Ok(())
    }
}

/// Where an object's zlib stream lies.
#[derive(Clone, Copy)]
enum Place {
    Pack { at: u64, len: u64 },
    Made { at: u64, len: u64 },
}

/// An object of a pack.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    pub(super) oid: Oid,
    pub(super) kind: ObjectKind,
    pub(super) size: u64,
    /// Where its entry begins in the pack.
    pub(super) at: u64,
    place: Place,
}

impl Packed {
    /// How many bytes it takes in the database.
    pub(super) fn stored(&self) -> u64 {
        match self.place {
            Place::Pack { len, .. } | Place::Made { len, .. } => len,
        }
    }
}

/// A push as it came over the line.
pub(super) struct Received {
    pub(super) request: PushRequest,
    /// The pack, if there is one that can be read.
    pub(super) pack: Option<Result<Scanned, PackError>>,
}

/// A pack whose deltas are still to be made.
pub(super) struct Scanned {
    file: File,
    entries: Vec<PackEntry>,
    looked: Looked,
    limits: PackLimits,
}

/// Reads a push from the line; `None` if it is empty. Blocks.
pub(super) fn receive(body: BodyReader, folder: &Path, limits: PackLimits) -> Result<Option<Received>, PushError> {
    let mut packets = PktReader::new(body);
    let Some(request) = read_push(&mut packets)? else { return Ok(None) };
    if !request.has_pack() {
        return Ok(Some(Received { request, pack: None }));
    }
    let pack = receive_pack(packets.into_inner(), folder, limits);
    Ok(Some(Received { request, pack: Some(pack) }))
}

/// Reads a pack into a spool. Blocks.
pub(super) fn receive_pack(from: impl Read, folder: &Path, limits: PackLimits) -> Result<Scanned, PackError> {
    let file = tempfile::tempfile_in(folder).map_err(PackError::Io)?;
    let mut looked = Looked::default();
    let spool = BufWriter::with_capacity(256 << 10, &file);
    let entries = scan(from, spool, &limits, |kind, oid, raw| looked.look(kind, oid, raw))?;
    Ok(Scanned { file, entries, looked, limits })
}

/// Every object of a pack.
pub(super) struct Pack {
    /// As it came over the line.
    pub(super) file: Arc<File>,
    /// How long that is.
    pub(super) bytes: u64,
    /// Whether it builds upon objects that it does not have.
    pub(super) is_thin: bool,
    made: File,
    pub(super) objects: Vec<Packed>,
    pub(super) by_oid: HashMap<Oid, u32>,
    pub(super) commits: HashMap<Oid, CommitFacts>,
    pub(super) tags: HashMap<Oid, (ObjectKind, Oid)>,
    pub(super) pointers: HashMap<Oid, LfsPointer>,
    /// Files above the limit, and their sizes.
    pub(super) large: HashMap<Oid, u64>,
    /// How many objects were left out because of them.
    pub(super) left_out: usize,
}

fn read_at(file: &File, at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut out = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut out, at)?;
    Ok(out)
}

/// Makes the deltas, with bases from the repository where the pack leaves them out.
struct Making<'a> {
    app: &'a App,
    repo: i64,
    runtime: tokio::runtime::Handle,
    file: File,
    made: BufWriter<File>,
    made_at: u64,
    is_thin: bool,
    looked: Looked,
    found: Vec<Packed>,
}

impl Unpack for Making<'_> {
    fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        read_at(&self.file, at, len)
    }

    fn base(&mut self, oid: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>> {
        let find = async {
            let mut s = self.app.db().read().await?;
            git::find_object(&mut s, self.repo, oid).await
        };
        let Some(object) = self.runtime.block_on(find).map_err(io::Error::other)? else { return Ok(None) };
        self.is_thin = true;
        let kind = kind_of(object.kind).map_err(io::Error::other)?;
        let raw = haina_git::inflate(&object.z, object.size).map_err(io::Error::other)?;
        Ok(Some((kind, raw)))
    }

    fn take(&mut self, at: u64, kind: ObjectKind, oid: Oid, raw: &[u8]) -> Result<(), PackError> {
        self.looked.look(kind, oid, raw).map_err(PackError::Refused)?;
        let z = haina_git::deflate(raw);
        self.made.write_all(&z).map_err(PackError::Io)?;
        let place = Place::Made { at: self.made_at, len: z.len() as u64 };
        self.made_at += z.len() as u64;
        self.found.push(Packed { oid, kind, size: raw.len() as u64, at, place });
        Ok(())
    }
}

impl Scanned {
    /// Makes the deltas. Blocks, and must run where it may wait for the database.
    pub(super) fn resolve(self, app: &App, repo: i64, folder: &Path) -> Result<Pack, PackError> {
        let made = tempfile::tempfile_in(folder).map_err(PackError::Io)?;
        let mut objects = Vec::with_capacity(self.entries.len());
        let mut large = HashMap::new();
        for entry in &self.entries {
            match entry.kind {
                EntryKind::Whole(kind, oid) => {
                    let place = Place::Pack { at: entry.z_at, len: entry.z_len };
                    objects.push(Packed { oid, kind, size: entry.size, at: entry.at, place });
                }
                EntryKind::Large(oid) => {
                    large.insert(oid, entry.size);
                }
                _ => {}
            }
        }
        let mut making = Making {
            app,
            repo,
            runtime: tokio::runtime::Handle::current(),
            file: self.file,
            made: BufWriter::with_capacity(256 << 10, made),
            made_at: 0,
            is_thin: false,
            looked: self.looked,
            found: objects,
        };
        let left_out = resolve(&self.entries, &self.limits, &mut making)?;
        let Making { found: objects, looked, file, made, is_thin, .. } = making;
        let made = made.into_inner().map_err(|e| PackError::Io(e.into_error()))?;
        let by_oid = objects.iter().enumerate().map(|(i, o)| (o.oid, i as u32)).collect();
        // The hash at its end follows the last entry.
        let bytes = self.entries.last().map_or(0, |e| e.z_at + e.z_len) + PACK_TRAILER_BYTES as u64;
        Ok(Pack {
            file: Arc::new(file),
            bytes,
            is_thin,
            made,
            objects,
            by_oid,
            commits: looked.commits,
            tags: looked.tags,
            pointers: looked.pointers,
            large,
            left_out,
        })
    }
}

impl Pack {
    /// No objects.
    pub(super) fn empty(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: Arc::new(tempfile::tempfile_in(folder)?),
            bytes: 0,
            is_thin: false,
            made: tempfile::tempfile_in(folder)?,
            objects: Vec::new(),
            by_oid: HashMap::new(),
            commits: HashMap::new(),
            tags: HashMap::new(),
            pointers: HashMap::new(),
            large: HashMap::new(),
            left_out: 0,
        })
    }

    /// An object's zlib stream. Blocks.
    pub(super) fn stream(&self, object: &Packed) -> io::Result<Vec<u8>> {
        match object.place {
            Place::Pack { at, len } => read_at(&self.file, at, len),
            Place::Made { at, len } => read_at(&self.made, at, len),
        }
    }

    /// How many objects came as deltas.
    pub(super) fn deltas(&self) -> usize {
        self.objects.iter().filter(|o| matches!(o.place, Place::Made { .. })).count()
    }

    /// An object's bytes. Blocks.
    pub(super) fn raw(&self, object: &Packed) -> io::Result<Vec<u8>> {
        haina_git::inflate(&self.stream(object)?, object.size).map_err(io::Error::other)
    }
}
