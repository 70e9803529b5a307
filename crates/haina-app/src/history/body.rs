//! The bytes of git objects: kept whole, or as a delta upon another object of the same repository.

use std::collections::HashMap;
use std::sync::Arc;

use haina_db::git;
use haina_git::wire::{apply_delta, delta_sizes};
use haina_git::{COMMIT_BYTES_MAX, TREE_BYTES_MAX};
use haina_types::{Error, Oid, Result};

/// Most deltas that stand between an object and a whole one, among those that are kept.
pub(crate) const DELTAS_MAX: usize = 50;
/// More than this is damage: the pushes of one history may each have added to a chain.
const CHAIN_MAX: usize = 1000;
/// Bytes of objects that were just made, kept for others that build upon them.
const KEPT_BYTES: usize = 16 << 20;

/// Why an object that is there cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    /// Its stream, or one below it, is broken.
    #[error("it does not inflate")]
    Stream(#[source] haina_git::InflateError),
    /// A delta does not fit.
    #[error("it cannot be made from what it builds upon")]
    Delta(#[source] haina_git::wire::DeltaError),
    /// What a delta builds upon is not there.
    #[error("{0}, which it builds upon, is missing")]
    Base(Oid),
    /// A ring, or something like it.
    #[error("it builds upon too many others")]
    Chain,
    /// No object is so large.
    #[error("it is too large")]
    Size,
}

impl From<Damage> for Error {
    fn from(e: Damage) -> Self {
        Self::internal(e)
    }
}

/// Makes objects from what is kept, and remembers some of them for their neighbours.
#[derive(Default)]
pub(crate) struct Bodies {
    made: HashMap<Oid, (i64, Arc<Vec<u8>>)>,
    bytes: usize,
}

impl Bodies {
    fn keep(&mut self, oid: Oid, kind: i64, raw: &Arc<Vec<u8>>) {
        if self.bytes + raw.len() > KEPT_BYTES {
            self.made.clear();
            self.bytes = 0;
        }
        self.bytes += raw.len();
        if let Some((_, old)) = self.made.insert(oid, (kind, raw.clone())) {
            self.bytes -= old.len();
        }
    }

    /// The kind and the bytes of an object, if the repository has it.
    pub(crate) async fn find(
        &mut self,
        s: &mut haina_db::Session,
        repo: i64,
        oid: &Oid,
    ) -> Result<Option<(i64, Arc<Vec<u8>>)>> {
        if let Some((kind, raw)) = self.made.get(oid) {
            return Ok(Some((*kind, raw.clone())));
        }
        let Some(object) = git::find_object(s, repo, oid).await? else { return Ok(None) };
        let kind = object.kind;
        Ok(Some((kind, self.make(s, repo, oid, object).await??)))
    }

    /// The bytes of an object that was read from the database.
    pub(crate) async fn make(
        &mut self,
        s: &mut haina_db::Session,
        repo: i64,
        oid: &Oid,
        object: git::Object,
    ) -> Result<Result<Arc<Vec<u8>>, Damage>> {
        // From the object down to one that is whole, or known.
        let mut above = Vec::new();
        let kind = object.kind;
        let (mut at, mut object) = (*oid, object);
        let mut raw = loop {
            let Some(of) = object.delta else {
                match haina_git::inflate(&object.z, object.size) {
                    Ok(raw) => break Arc::new(raw),
                    Err(e) => return Ok(Err(Damage::Stream(e))),
                }
            };
            if above.len() >= CHAIN_MAX {
                return Ok(Err(Damage::Chain));
            }
            above.push((at, of.size, object));
            if let Some((_, raw)) = self.made.get(&of.base) {
                break raw.clone();
            }
            match git::find_object(s, repo, &of.base).await? {
                Some(base) => (at, object) = (of.base, base),
                None => return Ok(Err(Damage::Base(of.base))),
            }
        };
        if !above.is_empty() {
            self.keep(at, kind, &raw);
        }
        while let Some((oid, size, object)) = above.pop() {
            raw = match patch(&raw, &object, size) {
                Ok(raw) => Arc::new(raw),
                Err(e) => return Ok(Err(e)),
            };
            self.keep(oid, kind, &raw);
        }
        Ok(Ok(raw))
    }

    /// The zlib stream of a whole object, made if it is not kept so.
    pub(crate) async fn whole(
        &mut self,
        s: &mut haina_db::Session,
        repo: i64,
        oid: &Oid,
        object: git::Object,
    ) -> Result<git::Object> {
        if object.delta.is_none() {
            return Ok(object);
        }
        let (kind, size) = (object.kind, object.size);
        let raw = self.make(s, repo, oid, object).await??;
        Ok(git::Object { kind, size, delta: None, z: haina_git::deflate(&raw) })
    }
}

/// Applies the delta of an object.
fn patch(base: &[u8], object: &git::Object, delta_bytes: u32) -> Result<Vec<u8>, Damage> {
    if object.size > COMMIT_BYTES_MAX.max(TREE_BYTES_MAX) as u64 {
        return Err(Damage::Size);
    }
    let delta = haina_git::inflate(&object.z, delta_bytes.into()).map_err(Damage::Stream)?;
    let (_, size) = delta_sizes(&delta).map_err(Damage::Delta)?;
    if size != object.size {
        return Err(Damage::Delta(haina_git::wire::DeltaError::Size));
    }
    apply_delta(base, &delta).map_err(Damage::Delta)
}

/// The kind and the bytes of an object, if the repository has it.
pub(crate) async fn find_raw(s: &mut haina_db::Session, repo: i64, oid: &Oid) -> Result<Option<(i64, Vec<u8>)>> {
    let found = Bodies::default().find(s, repo, oid).await?;
    Ok(found.map(|(kind, raw)| (kind, Arc::unwrap_or_clone(raw))))
}
