//! Shards coming in: what a client says of the files and xorbs that it uploaded.

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use futures_util::Stream;
use haina_cas::objects::{self, ObjectKey};
use haina_cas::shard::{Shard, ShardError, ValidatedFile, Validator};
use haina_cas::{CasError, SHARD_BYTES_MAX, XorbIndex};
use haina_db::content as db;
use haina_types::{Code, Error, Result, Sha256, XetHash};

use super::verify::enqueue_verify;
use super::xorb::next_piece;
use super::{CasWrite, UPLOAD_SECONDS};
use crate::App;

/// SHA-256 of no bytes: clients do not compute it.
pub(super) const EMPTY_SHA256: Sha256 = Sha256([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41,
    0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// How far the registration of a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardStep {
    /// Files are compared with what is stored.
    Validating {
        /// Files compared.
        verified: u64,
        /// All files.
        total: u64,
    },
    /// The shard is written.
    Uploading,
    /// Its files are registered.
    Syncing,
}

/// A shard in memory, within the common limit.
pub struct ShardBody {
    bytes: Bytes,
    _room: tokio::sync::OwnedSemaphorePermit,
}

impl std::fmt::Debug for ShardBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ShardBody({} bytes)", self.bytes.len())
    }
}

impl App {
    /// Reads a shard; waits until there is room for it.
    pub async fn read_shard<S, E>(&self, declared: Option<u64>, mut body: S) -> Result<ShardBody>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let too_large = || Error::new(Code::TooLarge, format!("A shard has at most {SHARD_BYTES_MAX} bytes."));
        let declared = declared.map_or(Ok(SHARD_BYTES_MAX), usize::try_from).unwrap_or(usize::MAX);
        if declared > SHARD_BYTES_MAX {
            return Err(too_large());
        }
        let room = self.content().admit(declared).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = next_piece(&mut body).await? {
            if bytes.len() + piece.len() > declared {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(ShardBody { bytes: bytes.into(), _room: room })
    }

    /// Registers the files of a shard in the uploader's repository: all of them, or none if anything in it is not
    /// so. `progress` hears of every step.
    pub async fn register_shard(
        &self,
        access: &CasWrite,
        body: ShardBody,
        progress: impl Fn(ShardStep) + Send + 'static,
    ) -> Result<()> {
        let bytes = body.bytes.clone();
        let shard = Shard::parse(bytes.clone())?;
        let referenced = shard.referenced_xorbs();
        let visible = self.list_visible(access, &referenced).await?;
        if let Some(xorb) = referenced.iter().find(|x| !visible.contains(x)) {
            return Err(ShardError::MissingXorb { xorb: *xorb }.into());
        }
        let (files, progress) = self.validate(shard, visible, progress).await?;
        let verified = if access.proposed { self.verify_proposed(&files, &progress).await? } else { HashMap::new() };

        progress(ShardStep::Uploading);
        let key = ObjectKey::shard(&bytes);
        objects::put(self.objects().as_ref(), &key, bytes.clone()).await?;
        progress(ShardStep::Syncing);
        self.register_files(access, &referenced, &files, &verified, &key, bytes.len() as u64).await
    }

    /// Reads the files of a proposal. A false claim of somebody who may not write must not stand where the claim of
    /// somebody who may would stand, not even until it is refuted.
    async fn verify_proposed(
        &self,
        files: &[ValidatedFile],
        progress: &(impl Fn(ShardStep) + Send),
    ) -> Result<HashMap<XetHash, Sha256>> {
        let mut verified = HashMap::new();
        let total = files.len() as u64;
        for (i, file) in (0..).zip(files) {
            progress(ShardStep::Validating { verified: i, total });
            let Some(claimed) = file.sha256_claim.filter(|_| file.size > 0) else { continue };
            let known = {
                let mut s = self.db().read().await?;
                db::find_file(&mut s, &file.hash).await?.and_then(|f| f.sha256)
            };
            let sha256 = match known {
                Some(sha256) => sha256,
                None => self.content().reader.sha256_of(file.terms.clone(), self.xorb_source()).await?,
            };
            if sha256 != claimed {
                return Err(Error::invalid(format!(
                    "The shard was refused: the sha256 of file {} is not {claimed}.",
                    file.hash
                )));
            }
            verified.insert(file.hash, sha256);
        }
        Ok(verified)
    }

    async fn list_visible(&self, access: &CasWrite, hashes: &[XetHash]) -> Result<HashSet<XetHash>> {
        let mut visible = HashSet::with_capacity(hashes.len());
        for part in hashes.chunks(1024) {
            let mut s = self.db().read().await?;
            let found = db::list_visible_xorbs(&mut s, part, access.domain).await?;
            let complete = found.len() == part.len();
            visible.extend(found);
            if !complete {
                break;
            }
        }
        Ok(visible)
    }

    /// Compares a shard with the stored chunk tables, off the asynchronous threads. Tables are loaded as they are
    /// needed, so that a shard about a tebibyte needs little memory.
    async fn validate<P: Fn(ShardStep) + Send + 'static>(
        &self,
        shard: Shard,
        visible: HashSet<XetHash>,
        progress: P,
    ) -> Result<(Vec<ValidatedFile>, P)> {
        let app = self.clone();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || {
            let failed = std::cell::RefCell::new(None);
            let lookup = |hash: &XetHash| -> Option<XorbIndex> {
                if !visible.contains(hash) {
                    return None;
                }
                match runtime.block_on(app.find_xorb(hash)) {
                    Ok(found) => found.map(|x| x.index),
                    Err(e) => {
                        failed.replace(Some(e));
                        None
                    }
                }
            };
            let mut validator = Validator::default();
            let mut compare = || -> Result<Vec<ValidatedFile>, CasError> {
                let total = shard.files.len() as u64;
                let mut files = Vec::with_capacity(shard.files.len());
                for (verified, file) in (0..).zip(&shard.files) {
                    progress(ShardStep::Validating { verified, total });
                    files.push(validator.file(file, &lookup)?);
                }
                for xorb in &shard.xorbs {
                    let index = lookup(&xorb.hash).ok_or(ShardError::MissingXorb { xorb: xorb.hash })?;
                    validator.xorb(xorb, &index)?;
                }
                progress(ShardStep::Validating { verified: total, total });
                Ok(files)
            };
            match compare() {
                Ok(files) => Ok((files, progress)),
                // A xorb that could not be looked up is not a missing one.
                Err(e) => Err(failed.take().unwrap_or_else(|| e.into())),
            }
        })
        .await
        .map_err(Error::internal)?
    }

    /// The rows of a validated shard whose object is durable: all in one transaction.
    pub(super) async fn register_files(
        &self,
        access: &CasWrite,
        xorbs: &[XetHash],
        files: &[ValidatedFile],
        verified: &HashMap<XetHash, Sha256>,
        recipe: &ObjectKey,
        recipe_bytes: u64,
    ) -> Result<()> {
        let now = self.now();
        let expires = now.plus_seconds(UPLOAD_SECONDS);
        // Always in one order, so that two registrations cannot wait for each other.
        let files: BTreeMap<&XetHash, &ValidatedFile> = files.iter().map(|f| (&f.hash, f)).collect();
        let mut tx = self.db().begin().await?;
        if let Some(xorb) = db::touch_xorbs(&mut tx, xorbs, now).await?.first() {
            return Err(ShardError::MissingXorb { xorb: *xorb }.into());
        }
        let mut eligible = Vec::new();
        for (hash, file) in files {
            let empty = file.size == 0;
            let edges: Vec<XetHash> = file.terms.xorbs().collect();
            let new = db::NewFile {
                hash: *hash,
                bytes: file.size,
                verified: empty.then_some(EMPTY_SHA256).or_else(|| verified.get(hash).copied()),
                claimed: file.sha256_claim,
                terms: file.terms.as_blob(),
                xorbs: &edges,
            };
            let state = db::register_file(&mut tx, access.repo_id, &new, now, expires).await?;
            match (state, file.sha256_claim) {
                (Some(db::ShaState::Claimed), _) => enqueue_verify(&mut tx, hash, now).await?,
                (Some(db::ShaState::Refuted), Some(claimed)) => {
                    return Err(Error::invalid(format!(
                        "The shard was refused: the sha256 of file {hash} is not {claimed}."
                    )));
                }
                _ => {}
            }
            eligible.extend(file.first_chunk);
        }
        db::insert_eligible(&mut tx, access.domain, &eligible).await?;
        db::insert_recipe(&mut tx, recipe.as_str(), access.repo_id, access.domain, recipe_bytes, now).await?;
        crate::quotas::check_settled_of(&mut tx, access.repo_id).await?;
        Ok(tx.commit().await?)
    }
}
