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
    EntryKind, Made, PACK_TRAILER_BYTES, PackEntry, PackError, PackLimits, PktReader, PushError, PushRequest, Unpack,
    apply_delta, check_tree, read_push, resolve, scan,
};
use haina_git::{Commit, LfsPointer, ObjectKind, Tag, Tree};
use haina_types::Oid;
use tokio::sync::mpsc;

use super::refs::kind_of;
use crate::App;
use crate::history::{DELTAS_MAX, find_raw};

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

/// Packs with fewer deltas become whole objects at once: little is saved by keeping them, and every read would be slower.
const DELTAS_MIN: usize = 100;

/// Bytes that are kept in memory of what was made from deltas, before the rest goes to a file.
const MADE_MEMORY: usize = 6 << 20;
/// Packs up to this size are read from memory while their deltas are made, which is one call and not one for each entry.
const PACK_MEMORY: u64 = 4 << 20;

/// Bytes that are written once, one after the other, and then read anywhere: the first in memory, the rest in a file.
struct Scratch {
    memory: Vec<u8>,
    file: BufWriter<File>,
    len: u64,
}

impl Scratch {
    fn new(folder: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(256 << 10, tempfile::tempfile_in(folder)?);
        Ok(Self { memory: Vec::new(), file, len: 0 })
    }

    /// Where they begin. What is read at once must be written at once.
    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let at = self.len;
        if self.len == self.memory.len() as u64 && self.memory.len() + bytes.len() <= MADE_MEMORY {
            self.memory.extend_from_slice(bytes);
        } else {
            self.file.write_all(bytes)?;
        }
        self.len += bytes.len() as u64;
        Ok(at)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    fn read(&self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        match at.checked_sub(self.memory.len() as u64) {
            Some(at) => read_at(self.file.get_ref(), at, len),
            None => Ok(self.memory[at as usize..][..len as usize].to_vec()),
        }
    }
}

/// The pack as it came.
struct PackBytes {
    file: Arc<File>,
    memory: Vec<u8>,
}

impl PackBytes {
    fn new(file: File, len: u64) -> io::Result<Self> {
        let memory = if len <= PACK_MEMORY { read_at(&file, 0, len)? } else { Vec::new() };
        Ok(Self { file: Arc::new(file), memory })
    }

    fn read(&self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        match usize::try_from(at)
            .ok()
            .zip(usize::try_from(len).ok())
            .and_then(|(at, len)| self.memory.get(at..at + len))
        {
            Some(bytes) => Ok(bytes.to_vec()),
            None => read_at(&self.file, at, len),
        }
    }
}

/// Where an object's zlib stream lies.
#[derive(Clone, Copy)]
enum Place {
    Pack {
        at: u64,
        len: u64,
    },
    Made {
        at: u64,
        len: u64,
    },
    /// A delta as it came.
    Delta {
        at: u64,
        len: u32,
        size: u32,
        base: u32,
        depth: u8,
    },
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
    /// How many bytes its stream has.
    pub(super) fn stored(&self) -> u64 {
        match self.place {
            Place::Pack { len, .. } | Place::Made { len, .. } => len,
            Place::Delta { len, .. } => len.into(),
        }
    }

    /// For a delta that may be kept as it came: the object of the pack that it builds upon.
    pub(super) fn base(&self) -> Option<u32> {
        match self.place {
            Place::Delta { base, .. } => Some(base),
            _ => None,
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
    came: PackBytes,
    /// How long that is.
    pub(super) bytes: u64,
    /// Whether it builds upon objects that it does not have.
    pub(super) is_thin: bool,
    made: Scratch,
    /// Where the bytes of trees lie in `made` whose deltas are kept as they came: everybody walks through them.
    trees: HashMap<u32, u64>,
    pub(super) objects: Vec<Packed>,
    pub(super) by_oid: HashMap<Oid, u32>,
    pub(super) commits: HashMap<Oid, CommitFacts>,
    pub(super) tags: HashMap<Oid, (ObjectKind, Oid)>,
    pub(super) pointers: HashMap<Oid, LfsPointer>,
    /// Files above the limit, and their sizes.
    pub(super) large: HashMap<Oid, u64>,
    /// How many objects came as deltas.
    pub(super) deltas: usize,
    /// How many objects were left out because of large files.
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
    came: PackBytes,
    made: Scratch,
    trees: HashMap<u32, u64>,
    is_thin: bool,
    /// Whether deltas may be kept as they came.
    keeps: bool,
    looked: Looked,
    found: Vec<Packed>,
    by_oid: HashMap<Oid, u32>,
}

impl Making<'_> {
    /// Where a delta lies, if it may be kept: what it builds upon came along too, and is not far from a whole object.
    fn keep(&self, made: &Made<'_>) -> Option<Place> {
        let base = *self.by_oid.get(&made.base).filter(|_| self.keeps)?;
        let below = match self.found[base as usize].place {
            Place::Delta { depth, .. } => depth,
            _ => 0,
        };
        let (len, size) = (u32::try_from(made.entry.z_len).ok()?, u32::try_from(made.entry.size).ok()?);
        let is_near = usize::from(below) < DELTAS_MAX;
        is_near.then_some(Place::Delta { at: made.entry.z_at, len, size, base, depth: below + 1 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<u64, PackError> {
        self.made.write(bytes).map_err(PackError::Io)
    }
}

impl Unpack for Making<'_> {
    fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        self.came.read(at, len)
    }

    fn base(&mut self, oid: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>> {
        let find = async {
            let mut s = self.app.db().read().await?;
            find_raw(&mut s, self.repo, oid).await
        };
        let Some((kind, raw)) = self.runtime.block_on(find).map_err(io::Error::other)? else { return Ok(None) };
        self.is_thin = true;
        Ok(Some((kind_of(kind).map_err(io::Error::other)?, raw)))
    }

    fn take(&mut self, made: &Made<'_>) -> Result<(), PackError> {
        let Made { kind, oid, raw, .. } = *made;
        self.looked.look(kind, oid, raw).map_err(PackError::Refused)?;
        let i = self.found.len() as u32;
        let place = match self.keep(made) {
            Some(place) => {
                if kind == ObjectKind::Tree {
                    let at = self.write(raw)?;
                    self.trees.insert(i, at);
                }
                place
            }
            None => {
                let z = haina_git::deflate(raw);
                Place::Made { at: self.write(&z)?, len: z.len() as u64 }
            }
        };
        self.found.push(Packed { oid, kind, size: raw.len() as u64, at: made.entry.at, place });
        self.by_oid.entry(oid).or_insert(i);
        Ok(())
    }
}

impl Scanned {
    /// Makes the deltas. Blocks, and must run where it may wait for the database.
    pub(super) fn resolve(self, app: &App, repo: i64, folder: &Path) -> Result<Pack, PackError> {
        // The hash at its end follows the last entry.
        let bytes = self.entries.last().map_or(0, |e| e.z_at + e.z_len) + PACK_TRAILER_BYTES as u64;
        let mut objects = Vec::with_capacity(self.entries.len());
        let mut by_oid = HashMap::with_capacity(self.entries.len());
        let mut large = HashMap::new();
        let mut deltas = 0;
        for entry in &self.entries {
            match entry.kind {
                EntryKind::Whole(kind, oid) => {
                    let place = Place::Pack { at: entry.z_at, len: entry.z_len };
                    by_oid.entry(oid).or_insert(objects.len() as u32);
                    objects.push(Packed { oid, kind, size: entry.size, at: entry.at, place });
                }
                EntryKind::Large(oid) => {
                    large.insert(oid, entry.size);
                }
                _ => deltas += 1,
            }
        }
        let mut making = Making {
            app,
            repo,
            runtime: tokio::runtime::Handle::current(),
            came: PackBytes::new(self.file, bytes).map_err(PackError::Io)?,
            made: Scratch::new(folder).map_err(PackError::Io)?,
            trees: HashMap::new(),
            is_thin: false,
            keeps: deltas >= DELTAS_MIN,
            looked: self.looked,
            found: objects,
            by_oid,
        };
        let left_out = resolve(&self.entries, &self.limits, &mut making)?;
        let Making { found: objects, by_oid, looked, came, mut made, trees, is_thin, .. } = making;
        made.finish().map_err(PackError::Io)?;
        Ok(Pack {
            came,
            bytes,
            is_thin,
            made,
            trees,
            objects,
            by_oid,
            commits: looked.commits,
            tags: looked.tags,
            pointers: looked.pointers,
            large,
            deltas,
            left_out,
        })
    }
}

impl Pack {
    /// No objects.
    pub(super) fn empty(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            came: PackBytes::new(tempfile::tempfile_in(folder)?, 0)?,
            bytes: 0,
            is_thin: false,
            made: Scratch::new(folder)?,
            trees: HashMap::new(),
            objects: Vec::new(),
            by_oid: HashMap::new(),
            commits: HashMap::new(),
            tags: HashMap::new(),
            pointers: HashMap::new(),
            large: HashMap::new(),
            deltas: 0,
            left_out: 0,
        })
    }

    /// As it came over the line.
    pub(super) fn file(&self) -> &Arc<File> {
        &self.came.file
    }

    /// An object's zlib stream, or that of its delta. Blocks.
    pub(super) fn stream(&self, object: &Packed) -> io::Result<Vec<u8>> {
        match object.place {
            Place::Pack { at, len } => self.came.read(at, len),
            Place::Made { at, len } => self.made.read(at, len),
            Place::Delta { at, len, .. } => self.came.read(at, len.into()),
        }
    }

    /// What an object is made from that [`Self::stream`] gives the delta of.
    pub(super) fn delta_of(&self, object: &Packed) -> Option<git::DeltaOf> {
        match object.place {
            Place::Delta { size, base, .. } => Some(git::DeltaOf { base: self.objects[base as usize].oid, size }),
            _ => None,
        }
    }

    /// An object's bytes. Blocks.
    pub(super) fn raw(&self, i: u32) -> io::Result<Vec<u8>> {
        if let Some(at) = self.trees.get(&i) {
            return self.made.read(*at, self.objects[i as usize].size);
        }
        // Chains are short.
        let (mut at, mut above) = (i, Vec::new());
        while let Place::Delta { size, base, .. } = self.objects[at as usize].place {
            above.push((at, size));
            at = base;
        }
        let whole = &self.objects[at as usize];
        let mut raw = haina_git::inflate(&self.stream(whole)?, whole.size).map_err(io::Error::other)?;
        while let Some((i, size)) = above.pop() {
            let z = self.stream(&self.objects[i as usize])?;
            let delta = haina_git::inflate(&z, size.into()).map_err(io::Error::other)?;
            raw = apply_delta(&raw, &delta).map_err(io::Error::other)?;
        }
        Ok(raw)
    }
}
