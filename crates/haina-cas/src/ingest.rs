//! A xorb coming in: verified and staged while it arrives, with bounded memory.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use haina_types::XetHash;
use tokio::task::JoinHandle;

use crate::crc::{CrcBuilder, CrcTable};
use crate::error::CasError;
use crate::footer::write_footer;
use crate::objects::{Committed, ObjectKey, Objects, Staged, StoreError};
use crate::xorb::{StoredXorb, XorbError, XorbIndex, XorbVerifier};

/// Bytes that are handed to a worker at once: few hand-overs, little memory.
const BATCH_BYTES: usize = 1 << 20;
/// Smaller slices are joined: a million slices of one byte must not cost a million allocations.
const JOIN_BYTES: usize = 16 << 10;
/// Generations that are tried for one object.
const GENERATIONS_TRIED: u64 = 1000;

/// Slices of a body on their way to a worker.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    parts: Vec<Bytes>,
    small: BytesMut,
    len: usize,
}

impl Batch {
    pub(crate) fn push(&mut self, part: Bytes) {
        self.len += part.len();
        if part.len() < JOIN_BYTES {
            self.small.extend_from_slice(&part);
        } else {
            self.join();
            self.parts.push(part);
        }
    }

    fn join(&mut self) {
        if !self.small.is_empty() {
            self.parts.push(self.small.split().freeze());
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len >= BATCH_BYTES
    }

    pub(crate) fn take(&mut self) -> Vec<Bytes> {
        self.join();
        self.len = 0;
        std::mem::take(&mut self.parts)
    }
}

/// What travels between the upload and its workers.
#[derive(Debug)]
struct Work {
    verifier: XorbVerifier,
    crc: CrcBuilder,
    staged: Box<dyn Staged>,
}

impl Work {
    /// Verifies a batch on a blocking thread, then writes what belongs to the xorb.
    async fn step(self, mut parts: Vec<Bytes>) -> Result<Self, CasError> {
        let Self { mut verifier, mut crc, mut staged } = self;
        let checked = tokio::task::spawn_blocking(move || {
            for part in &mut parts {
                let kept = verifier.feed(part)?;
                part.truncate(kept);
                crc.push(part);
            }
            Ok::<_, XorbError>((verifier, crc, parts))
        });
        let (verifier, crc, parts) = checked.await.map_err(|_| CasError::Cancelled)??;
        staged.append(parts).await?;
        Ok(Self { verifier, crc, staged })
    }
}

/// An upload in progress. Holds at most about 2 MiB; dropping it at any point abandons the upload.
///
/// While one batch is verified and written by workers the next one is received.
#[derive(Debug)]
pub struct XorbIngest {
    batch: Batch,
    state: State,
}

#[derive(Debug)]
enum State {
    Idle(Box<Work>),
    Busy(JoinHandle<Result<Work, CasError>>),
    /// After an error.
    Failed,
}

impl XorbIngest {
    /// Begins an upload.
    pub async fn begin(objects: &Arc<dyn Objects>) -> Result<Self, CasError> {
        let staged = objects.begin().await?;
        let work = Work { verifier: XorbVerifier::default(), crc: CrcBuilder::default(), staged };
        Ok(Self { batch: Batch::default(), state: State::Idle(Box::new(work)) })
    }

    /// The next bytes of the body. An error found in earlier bytes may come only here; then stop. Dropping the
    /// future loses nothing: the bytes are taken before it waits.
    pub async fn feed(&mut self, body: Bytes) -> Result<(), CasError> {
        self.batch.push(body);
        if self.batch.is_full() {
            let work = self.idle().await?;
            let parts = self.batch.take();
            self.state = State::Busy(tokio::spawn(work.step(parts)));
        }
        Ok(())
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

    /// The body has ended. Nothing is durable yet: see [`StagedXorb::commit`].
    pub async fn finish(mut self, expected: &XetHash) -> Result<StagedXorb, CasError> {
        let mut work = self.idle().await?;
        let parts = self.batch.take();
        if !parts.is_empty() {
            work = work.step(parts).await?;
        }
        let Work { verifier, mut crc, mut staged } = work;
        let index = verifier.finish(expected)?;
        let footer = Bytes::from(write_footer(expected, &index));
        crc.push(&footer);
        let len = u64::from(index.frames_len()) + footer.len() as u64;
        staged.append(vec![footer]).await?;
        Ok(StagedXorb { hash: *expected, index, len, crc: crc.finish(), staged })
    }
}

/// A verified xorb, written with its footer but not yet under its key. Dropping it abandons the bytes: do so when a
/// live row for the hash exists already.
#[derive(Debug)]
pub struct StagedXorb {
    /// Its hash, verified.
    pub hash: XetHash,
    /// Its chunks.
    pub index: XorbIndex,
    /// Bytes of the object, footer included.
    pub len: u64,
    /// Checksums of the object's blocks.
    pub crc: CrcTable,
    pub(crate) staged: Box<dyn Staged>,
}

impl StagedXorb {
    /// Makes the object durable under the first free generation from `generation` on, and says what to remember.
    /// Only then may a row be written and the upload acknowledged.
    pub async fn commit(mut self, generation: u64) -> Result<StoredXorb, CasError> {
        for generation in (generation..).take(GENERATIONS_TRIED as usize) {
            match self.staged.commit(&ObjectKey::xorb(&self.hash, generation)).await? {
                Committed::Stored => {
                    let Self { hash, index, len, crc, .. } = self;
                    let layout = StoredXorb::LAYOUT_FRAMES;
                    return Ok(StoredXorb { hash, layout, generation, len, crc, index });
                }
                Committed::Exists => tracing::debug!(xorb = %self.hash, generation, "an object has this generation"),
            }
        }
        let source = std::io::ErrorKind::AlreadyExists.into();
        Err(StoreError::Io { action: format!("find a free generation of {}", self.hash), source }.into())
    }
}
