//! Bytes going out: ranges of objects as they are, and files put together.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use haina_types::{Sha256, XetHash};
use sha2::Digest as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::crc::{CRC_BLOCK_BYTES, CrcTable};
use crate::error::CasError;
use crate::frame::{Decoder, HEADER_BYTES, Header, Scheme};
use crate::hash::chunk_hash;
use crate::objects::{ObjectKey, Objects, StoreError};
use crate::plan::PlanError;
use crate::pool::Pool;
use crate::terms::FileTerms;
use crate::xorb::StoredXorb;

/// Bytes of one step of [`Reader::range_stream`]; a multiple of the checksummed block.
const RANGE_STEP_BYTES: u64 = 4 * CRC_BLOCK_BYTES as u64;
/// Raw bytes of one step of assembly when memory is short.
const SMALL_STEP_BYTES: u64 = 256 << 10;

/// Raw bytes of a step that is taken even when no memory is left: what every download may always hold, so that clients
/// on slow lines, however many, never keep others from theirs.
const FLOOR_STEP_BYTES: u64 = 128 << 10;

/// Finds xorbs while a file is read; asked as the reading goes on, so that a file of any size needs little memory.
pub trait XorbSource: Send + Sync + std::fmt::Debug {
    /// What is known of a xorb; `None` if it is not stored.
    fn find<'a>(&'a self, xorb: &'a XetHash) -> BoxFuture<'a, Result<Option<StoredXorb>, CasError>>;
}

/// How a [`Reader`] works.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// Raw bytes of one step of assembly.
    pub step_bytes: u32,
    /// Steps of one file that may be ready ahead of the client, memory allowing.
    pub prefetch_steps: usize,
    /// Bytes that all assemblies together may hold. When half of them are taken, a file gets small steps and nothing
    /// ahead; when all are, two chunks at a time, beyond the limit: nobody waits for the client of another.
    pub memory_bytes: u32,
    /// Whether every decoded chunk is hashed and compared. If not, the checksums of blocks are.
    pub verify_chunks: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { step_bytes: 2 << 20, prefetch_steps: 4, memory_bytes: 128 << 20, verify_chunks: true }
    }
}

/// Reads from objects, under one limit of memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    objects: Arc<dyn Objects>,
    options: ReadOptions,
    memory: Arc<Semaphore>,
    pool: Pool,
}

impl Reader {
    /// Over a store.
    pub fn new(objects: Arc<dyn Objects>, options: ReadOptions) -> Self {
        let memory = Arc::new(Semaphore::new(options.memory_bytes.max(1) as usize));
        Self { inner: Arc::new(Inner { objects, options, memory, pool: Pool::default() }) }
    }

    /// A range of an object as it is, every block checked: the fetch route. Exactly the range or an error at its
    /// end; at most 1 MiB (and at its ends one block more) in flight.
    pub fn range_stream(
        &self,
        key: ObjectKey,
        crc: CrcTable,
        object_len: u64,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, CasError>> {
        let at = range.start;
        let read = RangeRead { objects: self.inner.objects.clone(), key, crc, object_len, range, at };
        stream::try_unfold(read, |mut read| async move { Ok(read.next().await?.map(|bytes| (bytes, read))) }).boxed()
    }

    /// A range of a file, put together: plain downloads. Exactly the range, in order, or an error at its end and
    /// never wrong bytes; dropping the stream stops the work. An empty range gives nothing; one that ends after the
    /// file is an error.
    ///
    /// Pass the bytes on and drop them: they count against [`ReadOptions::memory_bytes`] while they live.
    pub fn assemble(
        &self,
        terms: FileTerms,
        source: Arc<dyn XorbSource>,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes, CasError>> {
        let assembly = Assembly::new(self.inner.clone(), terms, source, range);
        stream::try_unfold(assembly, |mut assembly| async move {
            let parts = assembly.next().await?;
            Ok::<_, CasError>(parts.map(|parts| (stream::iter(parts.into_iter().map(Ok)), assembly)))
        })
        .try_flatten()
        .boxed()
    }

    /// The SHA-256 of a file's content, by reading all of it: turns a claim into a fact.
    pub async fn sha256_of(&self, terms: FileTerms, source: Arc<dyn XorbSource>) -> Result<Sha256, CasError> {
        let size = terms.size();
        let mut assembly = Assembly::new(self.inner.clone(), terms, source, 0..size);
        let mut hasher = sha2::Sha256::new();
        // Step by step: whoever keeps parts while waiting for more can wait for itself.
        while let Some(parts) = assembly.next().await? {
            let work = move || {
                parts.iter().for_each(|p| hasher.update(p));
                hasher
            };
            hasher = tokio::task::spawn_blocking(work).await.map_err(|_| CasError::Cancelled)?;
        }
        Ok(Sha256(hasher.finalize().into()))
    }
}

/// A range of an object in progress.
struct RangeRead {
    objects: Arc<dyn Objects>,
    key: ObjectKey,
    crc: CrcTable,
    object_len: u64,
    range: Range<u64>,
    at: u64,
}

impl RangeRead {
    async fn next(&mut self) -> Result<Option<Bytes>, CasError> {
        let Range { start, end } = self.range;
        if end > self.object_len || !self.crc.covers(self.object_len) {
            return Err(StoreError::OutOfBounds { key: self.key.clone(), start, end }.into());
        }
        if self.at >= end {
            return Ok(None);
        }
        let block = CRC_BLOCK_BYTES as u64;
        let to = end.min((self.at / RANGE_STEP_BYTES + 1) * RANGE_STEP_BYTES);
        let blocks = self.at / block * block..to.next_multiple_of(block).min(self.object_len);
        let from = (self.at - blocks.start) as usize;
        let bytes = self.objects.read(&self.key, blocks, Some(&self.crc)).await?;
        let bytes = bytes.slice(from..from + (to - self.at) as usize);
        self.at = to;
        Ok(Some(bytes))
    }
}

/// A task that ends with its owner.
struct Running(JoinHandle<Result<Vec<Bytes>, CasError>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Chunks of one xorb that one step reads, and which of their bytes are wanted.
struct Piece {
    xorb: StoredXorb,
    chunks: Range<u32>,
    skip: usize,
    take: usize,
}

/// A file in progress.
struct Assembly {
    inner: Arc<Inner>,
    terms: FileTerms,
    source: Arc<dyn XorbSource>,
    /// The term that holds `at`.
    term: usize,
    /// The next byte that no step covers.
    at: u64,
    end: u64,
    /// The xorb of the last term.
    xorb: Option<StoredXorb>,
    /// A step ahead that was cut and found no memory.
    waiting: Option<(Vec<Piece>, u64)>,
    running: VecDeque<Running>,
}

impl Assembly {
    fn new(inner: Arc<Inner>, terms: FileTerms, source: Arc<dyn XorbSource>, range: Range<u64>) -> Self {
        let term = terms.touching(&range).start;
        let Range { start: at, end } = range;
        Self { inner, terms, source, term, at, end, xorb: None, waiting: None, running: VecDeque::new() }
    }

    /// The bytes of the next step, with the steps after it set going.
    async fn next(&mut self) -> Result<Option<Vec<Bytes>>, CasError> {
        if self.end > self.terms.size() {
            return Err(PlanError::PastEnd { size: self.terms.size() }.into());
        }
        let total = self.inner.options.memory_bytes.max(1);
        while (self.at < self.end || self.waiting.is_some())
            && self.running.len() < self.inner.options.prefetch_steps.max(1)
        {
            let roomy = self.inner.memory.available_permits() > total as usize / 2;
            if !self.running.is_empty() && !roomy {
                break;
            }
            let spent = self.inner.memory.available_permits() < 2 * SMALL_STEP_BYTES as usize;
            let (pieces, cost) = match self.waiting.take() {
                Some(step) => step,
                None if roomy => self.cut(u64::from(self.inner.options.step_bytes).max(1)).await?,
                None if spent => self.cut(FLOOR_STEP_BYTES).await?,
                None => self.cut(SMALL_STEP_BYTES).await?,
            };
            let permits = u32::try_from(cost).unwrap_or(u32::MAX).min(total);
            let permit = self.inner.memory.clone().try_acquire_many_owned(permits).ok();
            if permit.is_none() && !self.running.is_empty() {
                // Never wait here: the step before this one can be sent already.
                self.waiting = Some((pieces, cost));
                break;
            };
            // Without a permit it is the one step that every file may have.
            self.running.push_back(Running(tokio::spawn(run(self.inner.clone(), pieces, permit))));
        }
        let Some(first) = self.running.front_mut() else { return Ok(None) };
        let result = (&mut first.0).await.unwrap_or(Err(CasError::Cancelled));
        self.running.pop_front();
        result.map(Some)
    }

    /// Cuts the next step: pieces of about `step` raw bytes together, and the memory that they need.
    async fn cut(&mut self, step: u64) -> Result<(Vec<Piece>, u64), CasError> {
        let (mut pieces, mut raw_sum, mut cost) = (Vec::new(), 0, 0);
        while self.at < self.end && raw_sum < step {
            let term = self.terms.term(self.term);
            if self.xorb.as_ref().is_none_or(|x| x.hash != term.xorb) {
                let found = self.source.find(&term.xorb).await?;
                self.xorb = Some(found.ok_or(CasError::MissingXorb(term.xorb))?);
            }
            let Some(xorb) = self.xorb.clone() else { return Err(CasError::MissingXorb(term.xorb)) };
            let index = &xorb.index;
            let damaged = || PlanError::Damaged(term.xorb);
            if term.chunks.end > index.chunk_count()
                || u64::from(index.raw_len(term.chunks.clone())) != term.bytes.end - term.bytes.start
            {
                return Err(damaged().into());
            }
            let base = index.raw_range(term.chunks.clone()).start;
            let raw_at = base + (self.at - term.bytes.start) as u32;
            let first = index.chunk_at(raw_at).ok_or_else(damaged)?;
            let wanted_end = self.end.min(term.bytes.end);
            let most = (wanted_end - self.at).min(step - raw_sum);
            let last = index.chunk_at(raw_at + most as u32 - 1).ok_or_else(damaged)?;
            let chunks = first..last + 1;
            let raw = index.raw_range(chunks.clone());
            let frames = index.frame_range(chunks.clone());
            let take = u64::from(raw.end - raw_at).min(wanted_end - self.at);
            raw_sum += u64::from(raw.end - raw.start);
            cost += u64::from(raw.end - raw.start) + u64::from(frames.end - frames.start);
            self.at += take;
            if self.at == term.bytes.end {
                self.term += 1;
            }
            pieces.push(Piece { skip: (raw_at - raw.start) as usize, take: take as usize, chunks, xorb });
        }
        Ok((pieces, cost))
    }
}

/// A share of the reader's memory, or none for a step at the floor.
type Permit = Arc<Option<OwnedSemaphorePermit>>;

/// Bytes that hold a share of the reader's memory until the last slice of them is gone.
struct Held<T> {
    bytes: T,
    _permit: Permit,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Held<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Reads the frames of a step, then decodes them on a blocking thread.
async fn run(
    inner: Arc<Inner>,
    pieces: Vec<Piece>,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<Vec<Bytes>, CasError> {
    let permit = Arc::new(permit);
    let mut work = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let frames = piece.xorb.index.frame_range(piece.chunks.clone());
        let frames = u64::from(frames.start)..u64::from(frames.end);
        let key = piece.xorb.key();
        let bytes = if inner.options.verify_chunks {
            // Every byte is proven by its chunk's hash.
            inner.objects.read(&key, frames, None).await?
        } else {
            let block = CRC_BLOCK_BYTES as u64;
            let from = frames.start / block * block;
            let blocks = from..frames.end.next_multiple_of(block).min(piece.xorb.len);
            let bytes = inner.objects.read(&key, blocks, Some(&piece.xorb.crc)).await?;
            bytes.slice((frames.start - from) as usize..(frames.end - from) as usize)
        };
        work.push((piece, Bytes::from_owner(Held { bytes, _permit: permit.clone() })));
    }
    let decode = move || {
        let mut out = Vec::new();
        for (piece, frames) in work {
            decode_piece(&inner, &piece, frames, &permit, &mut out)?;
        }
        Ok(out)
    };
    tokio::task::spawn_blocking(decode).await.unwrap_or(Err(CasError::Cancelled))
}

thread_local! {
    /// One for each blocking thread, so that no step allocates one.
    static DECODER: std::cell::RefCell<Decoder> = std::cell::RefCell::default();
}

/// Decodes chunks. Stored ones become slices of what was read, without a copy; runs of compressed ones are decoded
/// next to each other into one buffer.
fn decode_piece(
    inner: &Inner,
    piece: &Piece,
    frames: Bytes,
    permit: &Permit,
    out: &mut Vec<Bytes>,
) -> Result<(), CasError> {
    let index = &piece.xorb.index;
    let base = index.frame_range(piece.chunks.clone()).start;
    let corrupt = |chunk: u32, what: &dyn std::fmt::Display| CasError::Corrupt {
        object: piece.xorb.key().to_string(),
        what: format!("chunk {chunk}: {what}"),
    };
    let parse = |chunk: u32| {
        let frame = index.frame_range(chunk..chunk + 1);
        let frame = frames.slice((frame.start - base) as usize..(frame.end - base) as usize);
        let head = frame.first_chunk::<HEADER_BYTES>().ok_or_else(|| corrupt(chunk, &"no header"))?;
        let header = Header::parse(head).map_err(|e| corrupt(chunk, &e))?;
        let payload = frame.slice(HEADER_BYTES..);
        if header.raw_len != index.raw_len(chunk..chunk + 1) || header.payload_len as usize != payload.len() {
            return Err(corrupt(chunk, &"its header does not agree with the index"));
        }
        Ok((header, payload))
    };
    let verify = |chunk: u32, raw: &[u8]| {
        if inner.options.verify_chunks && chunk_hash(raw) != index.hash(chunk) {
            return Err(corrupt(chunk, &"its hash is wrong"));
        }
        Ok(())
    };
    // What is wanted, as offsets in the raw bytes of all the piece's chunks.
    let wanted = piece.skip..piece.skip + piece.take;
    let mut emit = |at: usize, bytes: Bytes| {
        let (from, to) = (wanted.start.max(at), wanted.end.min(at + bytes.len()));
        if from < to {
            out.push(bytes.slice(from - at..to - at));
        }
    };
    let mut at = 0;
    let mut chunk = piece.chunks.start;
    while chunk < piece.chunks.end {
        let (header, payload) = parse(chunk)?;
        if header.scheme == Scheme::Stored {
            verify(chunk, &payload)?;
            at += payload.len();
            emit(at - payload.len(), payload);
            chunk += 1;
            continue;
        }
        let mut run = vec![(header, payload)];
        let first = chunk;
        chunk += 1;
        while chunk < piece.chunks.end {
            match parse(chunk)? {
                (header, _) if header.scheme == Scheme::Stored => break,
                frame => run.push(frame),
            }
            chunk += 1;
        }
        let mut buffer = inner.pool.take(index.raw_len(first..chunk) as usize);
        let mut rest = buffer.as_mut();
        for (i, (header, payload)) in (first..).zip(&run) {
            let (now, after) = rest.split_at_mut(header.raw_len as usize);
            DECODER.with_borrow_mut(|d| d.decode_into(header, payload, now)).map_err(|e| corrupt(i, &e))?;
            verify(i, now)?;
            rest = after;
        }
        let len = buffer.as_ref().len();
        at += len;
        emit(at - len, Bytes::from_owner(Held { bytes: buffer, _permit: permit.clone() }));
    }
    Ok(())
}
