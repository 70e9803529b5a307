//! Plain bytes coming in by other doors (LFS, web, mirror): cut, hashed, encoded and collected into xorbs.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use haina_types::{Sha256, XetHash};
use sha2::Digest as _;
use tokio::task::JoinHandle;

use crate::chunk::Chunker;
use crate::crc::CrcBuilder;
use crate::dedup;
use crate::error::CasError;
use crate::footer::write_footer;
use crate::frame::{Encoder, Scheme};
use crate::hash::{Merkle, chunk_hash};
use crate::ingest::{Batch, StagedXorb};
use crate::objects::{Objects, Staged};
use crate::terms::{FileTerms, FileTermsBuilder};
use crate::xorb::{IndexBuilder, XorbIndex};

/// Chunks that a file in progress remembers, to find again what it or a xorb it refers to has: about 6 MiB.
const REMEMBERED_CHUNKS_MAX: usize = 128 << 10;

/// Finds chunks that are stored already. Called on blocking threads, for eligible chunks only.
pub trait ChunkLookup: Send + Sync + std::fmt::Debug {
    /// A xorb that has the chunk and that the new file may refer to, and its index.
    fn find(&self, chunk: &XetHash) -> Option<(XetHash, XorbIndex)>;
}

/// Knows nothing: every chunk is new.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLookup;

impl ChunkLookup for NoLookup {
    fn find(&self, _: &XetHash) -> Option<(XetHash, XorbIndex)> {
        None
    }
}

/// A file that came in whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltFile {
    /// Its Xet id.
    pub hash: XetHash,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, computed here: verified by construction.
    pub sha256: Sha256,
    /// Its recipe.
    pub terms: FileTerms,
    /// Its first chunk, eligible for deduplication: `(chunk, xorb, chunk index)`.
    pub first_chunk: Option<(XetHash, XetHash, u32)>,
}

/// Which xorb a run of chunks is in: one that this file makes has no hash until it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    Ours(u32),
    Stored(XetHash),
}

/// What the packer wants written.
#[derive(Debug)]
enum Output {
    /// More frames of the current xorb.
    Frames(Vec<u8>),
    /// The current xorb is complete.
    Seal(XetHash, XorbIndex),
}

/// The computing half: bytes in, frames and recipes out.
#[derive(Debug)]
struct Packer {
    lookup: Arc<dyn ChunkLookup>,
    /// A fixed scheme for all chunks, or the best guess for each.
    scheme: Option<Scheme>,
    chunker: Chunker,
    encoder: Encoder,
    /// The start of the chunk that is open.
    open: Vec<u8>,
    index: IndexBuilder,
    frames: Vec<u8>,
    sealed: Vec<XetHash>,
    runs: Vec<(Home, u32, u32, u64)>,
    known: HashMap<XetHash, (Home, u32)>,
    merkle: Merkle,
    first: Option<XetHash>,
    size: u64,
}

impl Packer {
    fn push(&mut self, mut data: &[u8], out: &mut Vec<Output>) -> Result<(), CasError> {
        while !data.is_empty() {
            let (taken, boundary) = self.chunker.next_boundary(data);
            let (now, rest) = data.split_at(taken);
            data = rest;
            if !boundary {
                self.open.extend_from_slice(now);
            } else if self.open.is_empty() {
                self.chunk(now, out)?;
            } else {
                self.open.extend_from_slice(now);
                self.close(out)?;
            }
        }
        if !self.frames.is_empty() {
            out.push(Output::Frames(std::mem::take(&mut self.frames)));
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<Output>) -> Result<(), CasError> {
        let open = std::mem::take(&mut self.open);
        self.chunk(&open, out)?;
        self.open = open;
        self.open.clear();
        Ok(())
    }

    fn chunk(&mut self, raw: &[u8], out: &mut Vec<Output>) -> Result<(), CasError> {
        let hash = chunk_hash(raw);
        let len = raw.len() as u64;
        self.merkle.push(hash, len);
        self.size += len;
        let is_first = self.first.is_none();
        self.first.get_or_insert(hash);
        if (is_first || dedup::is_eligible(&hash))
            && !self.known.contains_key(&hash)
            && let Some((xorb, index)) = self.lookup.find(&hash)
        {
            self.make_room(index.chunk_count() as usize);
            self.known.extend((0..).zip(index.hashes()).map(|(i, h)| (h, (Home::Stored(xorb), i))));
        }
        let (home, i) = match self.known.get(&hash) {
            Some(place) => *place,
            None => self.append(hash, raw, out)?,
        };
        match self.runs.last_mut() {
            Some(run) if run.0 == home && run.2 == i => {
                run.2 = i + 1;
                run.3 += len;
            }
            _ => self.runs.push((home, i, i + 1, len)),
        }
        Ok(())
    }

    /// Adds a new chunk to the current xorb.
    fn append(&mut self, hash: XetHash, raw: &[u8], out: &mut Vec<Output>) -> Result<(Home, u32), CasError> {
        let raw_len = raw.len() as u32;
        // Stored is the longest that a frame can get here.
        if self.index.check(raw.len() + crate::frame::HEADER_BYTES, raw_len).is_err() {
            self.seal(out)?;
        }
        let from = self.frames.len();
        let scheme = self.scheme.unwrap_or_else(|| self.encoder.choose(raw));
        self.encoder.encode(scheme, raw, &mut self.frames);
        let i = self.index.chunk_count() as u32;
        self.index.push(hash, self.frames.len() - from, raw_len)?;
        let home = Home::Ours(self.sealed.len() as u32);
        self.make_room(1);
        self.known.insert(hash, (home, i));
        Ok((home, i))
    }

    fn make_room(&mut self, chunks: usize) {
        if self.known.len() + chunks > REMEMBERED_CHUNKS_MAX {
            self.known.clear();
        }
    }

    fn seal(&mut self, out: &mut Vec<Output>) -> Result<(), CasError> {
        if !self.frames.is_empty() {
            out.push(Output::Frames(std::mem::take(&mut self.frames)));
        }
        let (hash, index) = std::mem::take(&mut self.index).finish()?;
        self.sealed.push(hash);
        out.push(Output::Seal(hash, index));
        Ok(())
    }

    fn finish(mut self, out: &mut Vec<Output>) -> Result<BuiltFile, CasError> {
        if !self.open.is_empty() {
            self.close(out)?;
        }
        if self.index.chunk_count() > 0 {
            self.seal(out)?;
        }
        let mut terms = FileTermsBuilder::default();
        for (home, start, end, len) in &self.runs {
            let xorb = match home {
                Home::Ours(i) => self.sealed[*i as usize],
                Home::Stored(xorb) => *xorb,
            };
            terms.push(xorb, *start..*end, *len);
        }
        let terms = terms.finish();
        let first_chunk = self.first.zip(dedup::first_chunk(&terms)).map(|(h, (xorb, i))| (h, xorb, i));
        // The hash is filled in by the other half.
        let sha256 = Sha256::default();
        Ok(BuiltFile { hash: self.merkle.file_hash(), size: self.size, sha256, terms, first_chunk })
    }
}

/// A xorb that is being written.
#[derive(Debug)]
struct OpenXorb {
    staged: Box<dyn Staged>,
    crc: CrcBuilder,
    len: u64,
}

/// What travels between a file and its workers.
#[derive(Debug)]
struct Work {
    objects: Arc<dyn Objects>,
    packer: Packer,
    sha: sha2::Sha256,
    open: Option<OpenXorb>,
    done: Vec<StagedXorb>,
}

impl Work {
    /// Packs a batch, and hashes it on another thread meanwhile; then writes what came out.
    async fn step(mut self, parts: Vec<Bytes>) -> Result<Self, CasError> {
        let (mut packer, mut sha) = (self.packer, self.sha);
        let again = parts.clone();
        let hashed = tokio::task::spawn_blocking(move || {
            again.iter().for_each(|p| sha.update(p));
            sha
        });
        let packed = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            parts.iter().try_for_each(|p| packer.push(p, &mut out))?;
            Ok::<_, CasError>((packer, out))
        });
        let (packed, hashed) = tokio::join!(packed, hashed);
        let out;
        (self.packer, out) = packed.map_err(|_| CasError::Cancelled)??;
        self.sha = hashed.map_err(|_| CasError::Cancelled)?;
        write(&self.objects, &mut self.open, &mut self.done, out).await?;
        Ok(self)
    }
}

async fn write(
    objects: &Arc<dyn Objects>,
    open: &mut Option<OpenXorb>,
    done: &mut Vec<StagedXorb>,
    outputs: Vec<Output>,
) -> Result<(), CasError> {
    for output in outputs {
        let mut xorb = match open.take() {
            Some(xorb) => xorb,
            None => OpenXorb { staged: objects.begin().await?, crc: CrcBuilder::default(), len: 0 },
        };
        match output {
            Output::Frames(frames) => {
                xorb.append(frames).await?;
                *open = Some(xorb);
            }
            Output::Seal(hash, index) => {
                xorb.append(write_footer(&hash, &index)).await?;
                let OpenXorb { staged, crc, len } = xorb;
                done.push(StagedXorb { hash, index, len, crc: crc.finish(), staged });
            }
        }
    }
    Ok(())
}

impl OpenXorb {
    async fn append(&mut self, bytes: Vec<u8>) -> Result<(), CasError> {
        self.crc.push(&bytes);
        self.len += bytes.len() as u64;
        Ok(self.staged.append(vec![Bytes::from(bytes)]).await?)
    }
}

#[derive(Debug)]
enum State {
    Idle(Box<Work>),
    Busy(JoinHandle<Result<Work, CasError>>),
    /// After an error.
    Failed,
}

/// A file in progress. Holds at most about 4 MiB and what it remembers for deduplication; dropping it at any point
/// abandons what is not yet committed.
#[derive(Debug)]
pub struct FileIngest {
    batch: Batch,
    state: State,
}

impl FileIngest {
    /// Begins a file. Chunks are stored as they are or with LZ4, by a guess for each.
    pub fn begin(objects: Arc<dyn Objects>, lookup: Arc<dyn ChunkLookup>) -> Self {
        Self::with_scheme(objects, lookup, None)
    }

    /// Begins a file whose chunks are all encoded in one way, where that makes them smaller.
    pub fn with_scheme(objects: Arc<dyn Objects>, lookup: Arc<dyn ChunkLookup>, scheme: Option<Scheme>) -> Self {
        let packer = Packer {
            lookup,
            scheme,
            chunker: Chunker::default(),
            encoder: Encoder::default(),
            open: Vec::new(),
            index: IndexBuilder::default(),
            frames: Vec::new(),
            sealed: Vec::new(),
            runs: Vec::new(),
            known: HashMap::new(),
            merkle: Merkle::default(),
            first: None,
            size: 0,
        };
        let work = Work { objects, packer, sha: sha2::Sha256::new(), open: None, done: Vec::new() };
        Self { batch: Batch::default(), state: State::Idle(Box::new(work)) }
    }

    /// The next bytes. Gives the xorbs that earlier bytes completed: commit each (and write its row), or drop it if
    /// its hash is stored already.
    pub async fn feed(&mut self, bytes: Bytes) -> Result<Vec<StagedXorb>, CasError> {
        self.batch.push(bytes);
        if !self.batch.is_full() {
            return Ok(Vec::new());
        }
        let mut work = self.idle().await?;
        let done = std::mem::take(&mut work.done);
        let parts = self.batch.take();
        self.state = State::Busy(tokio::spawn(work.step(parts)));
        Ok(done)
    }

    /// Waits for the worker.
    async fn idle(&mut self) -> Result<Work, CasError> {
        if let State::Busy(task) = &mut self.state {
            let result = task.await.unwrap_or(Err(CasError::Cancelled));
            self.state = State::Failed;
            return result;
        }
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Idle(work) => Ok(*work),
            State::Busy(_) | State::Failed => Err(CasError::Cancelled),
        }
    }

    /// The file has ended. Gives the last xorbs and the file; its row may be written after theirs.
    pub async fn finish(mut self) -> Result<(Vec<StagedXorb>, BuiltFile), CasError> {
        let mut work = self.idle().await?;
        let parts = self.batch.take();
        if !parts.is_empty() {
            work = work.step(parts).await?;
        }
        let Work { objects, packer, sha, mut open, mut done } = work;
        let packed = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            packer.finish(&mut out).map(|file| (file, out))
        });
        let (file, out) = packed.await.map_err(|_| CasError::Cancelled)??;
        write(&objects, &mut open, &mut done, out).await?;
        Ok((done, BuiltFile { sha256: Sha256(sha.finalize().into()), ..file }))
    }
}

/// Takes a whole file from memory and commits its xorbs: small files, tests. Gives the xorbs in the order
/// in which they were completed.
pub async fn build_xorbs(
    objects: Arc<dyn Objects>,
    content: Bytes,
    scheme: Option<Scheme>,
) -> Result<(Vec<crate::StoredXorb>, BuiltFile), CasError> {
    let mut ingest = FileIngest::with_scheme(objects, Arc::new(NoLookup), scheme);
    let mut done = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let part = rest.split_to(rest.len().min(1 << 20));
        done.extend(ingest.feed(part).await?);
    }
    let (rest, file) = ingest.finish().await?;
    done.extend(rest);
    let mut stored = Vec::with_capacity(done.len());
    for xorb in done {
        stored.push(xorb.commit(0).await?);
    }
    Ok((stored, file))
}
