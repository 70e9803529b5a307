//! Immutable things by their hash: from memory if they were used lately, else from the database.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haina_cas::read::XorbSource;
use haina_cas::{CasError, CrcTable, FileTerms, StoredXorb, XorbIndex};
use haina_db::content as db;
use haina_types::{Code, Error, Result, XetHash};

use crate::App;

/// The database's form of a xorb, checked.
pub(super) fn stored_xorb(row: db::Xorb) -> Result<StoredXorb> {
    let hash = row.hash;
    let damaged = || Error::internal(format!("the rows of xorb {hash} are damaged"));
    let index = XorbIndex::from_blob(row.index.into()).map_err(|_| damaged())?;
    let crc = CrcTable::from_blob(Bytes::from(row.checksums)).ok_or_else(damaged)?;
    if row.layout != StoredXorb::LAYOUT_FRAMES || !crc.covers(row.bytes) || row.bytes < u64::from(index.frames_len()) {
        return Err(damaged());
    }
    Ok(StoredXorb { hash, layout: row.layout, generation: row.generation, len: row.bytes, crc, index })
}

/// The database's form of a recipe, checked.
pub(super) fn file_terms(row: db::File) -> Result<FileTerms> {
    match FileTerms::from_blob(row.terms.into()) {
        Ok(terms) if terms.size() == row.bytes => Ok(terms),
        _ => Err(Error::internal(format!("the recipe of file {} is damaged", row.hash))),
    }
}

pub(super) fn file_not_found() -> Error {
    Error::new(Code::NotFound, "No such file in this repository.")
}

impl App {
    /// A xorb, whoever may refer to it.
    pub(super) async fn find_xorb(&self, hash: &XetHash) -> Result<Option<StoredXorb>> {
        let cache = &self.content().xorbs;
        if let Some(xorb) = cache.get(hash) {
            return Ok(Some(xorb));
        }
        let row = {
            let mut s = self.db().read().await?;
            db::find_xorb(&mut s, hash).await?
        };
        let Some(row) = row else { return Ok(None) };
        let xorb = stored_xorb(row)?;
        cache.insert(*hash, xorb.clone());
        Ok(Some(xorb))
    }

    /// The recipe of a file, whoever may read it.
    pub(super) async fn find_terms(&self, file: &XetHash) -> Result<Option<FileTerms>> {
        let cache = &self.content().files;
        if let Some(terms) = cache.get(file) {
            return Ok(Some(terms));
        }
        let row = {
            let mut s = self.db().read().await?;
            db::find_file(&mut s, file).await?
        };
        let Some(row) = row else { return Ok(None) };
        let terms = file_terms(row)?;
        cache.insert(*file, terms.clone());
        Ok(Some(terms))
    }

    /// The recipe of a file that a repository may read.
    pub(super) async fn get_repo_terms(&self, repo_id: i64, file: &XetHash) -> Result<FileTerms> {
        let cache = &self.content().files;
        let mut s = self.db().read().await?;
        if let Some(terms) = cache.get(file) {
            return match db::has_repo_file(&mut s, repo_id, file).await? {
                true => Ok(terms),
                false => Err(file_not_found()),
            };
        }
        let row = db::find_repo_file(&mut s, repo_id, file).await?.ok_or_else(file_not_found)?;
        drop(s);
        let terms = file_terms(row)?;
        cache.insert(*file, terms.clone());
        Ok(terms)
    }

    /// The store's reader's way to its xorbs.
    pub(super) fn xorb_source(&self) -> Arc<dyn XorbSource> {
        Arc::new(Source(self.clone()))
    }
}

struct Source(App);

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl XorbSource for Source {
    fn find<'a>(&'a self, xorb: &'a XetHash) -> BoxFuture<'a, Result<Option<StoredXorb>, CasError>> {
        Box::pin(async move {
            self.0.find_xorb(xorb).await.map_err(|e| {
                tracing::error!(cause = %e.chain(), %xorb, "looking up a xorb failed");
                CasError::Cancelled
            })
        })
    }
}

/// Bytes of a file that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// All of it.
    All,
    /// From a byte, up to and without another, which may be after the end.
    Range(u64, u64),
    /// From a byte to the end.
    From(u64),
    /// So many bytes at the end.
    Last(u64),
}

impl Window {
    /// As `start..end` of a file of that size.
    pub(super) fn of(self, size: u64) -> Range<u64> {
        match self {
            Self::All => 0..size,
            Self::Range(start, end) => start..end,
            Self::From(start) => start..u64::MAX,
            Self::Last(n) => size.saturating_sub(n)..size,
        }
    }
}
