//! Proving that objects are what the database says, and rebuilding what it should say.

use bytes::Bytes;
use haina_types::XetHash;

use crate::crc::{CRC_BLOCK_BYTES, CrcBuilder};
use crate::error::CasError;
use crate::footer::{FOOTER_BYTES_MAX, read_footer};
use crate::objects::{ObjectKey, Objects, StoreError};
use crate::xorb::{StoredXorb, XorbError, XorbIndex, XorbVerifier};

/// Bytes that are read at once; a multiple of the checksummed block.
const STEP_BYTES: u64 = 4 * CRC_BLOCK_BYTES as u64;

/// How deep to look; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It exists and has its length.
    Length,
    /// Its footer is readable and agrees with the index.
    Footer,
    /// Every block has its checksum.
    Blocks,
    /// Every frame decodes, every chunk has its hash, and the root is the name.
    Content,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not exist.
    #[error("the object does not exist")]
    Missing,
    /// It has another length than the database says.
    #[error("the object has {actual} bytes, not {expected}")]
    Length {
        /// As the database says.
        expected: u64,
        /// As found.
        actual: u64,
    },
    /// Its footer cannot be read, or does not say what the database says.
    #[error("the footer is damaged or that of another xorb")]
    Footer,
    /// What the database says cannot be true of any object.
    #[error("the row contradicts itself")]
    Row,
    /// A block is not what was written.
    #[error("block {0} has another checksum")]
    Block(usize),
    /// A frame or the root is wrong.
    #[error("the content is wrong: {0}")]
    Content(XorbError),
    /// Chunk hashes are right, but lie elsewhere than the index says.
    #[error("the content is not that of the index")]
    Index,
}

/// Checks one stored xorb. `Ok(None)` if nothing is wrong, `Err` if it could not be checked.
pub async fn verify_object(objects: &dyn Objects, xorb: &StoredXorb, level: Level) -> Result<Option<Fault>, CasError> {
    let key = xorb.key();
    let Some(actual) = objects.len(&key).await? else { return Ok(Some(Fault::Missing)) };
    if actual != xorb.len {
        return Ok(Some(Fault::Length { expected: xorb.len, actual }));
    }
    if level < Level::Footer {
        return Ok(None);
    }
    if xorb.len < u64::from(xorb.index.frames_len()) || !xorb.crc.covers(xorb.len) {
        return Ok(Some(Fault::Row));
    }
    let tail = objects.read(&key, xorb.len.saturating_sub(FOOTER_BYTES_MAX as u64)..xorb.len, None).await?;
    if read_footer(&tail) != Ok((xorb.hash, xorb.index.clone())) {
        return Ok(Some(Fault::Footer));
    }
    if level < Level::Blocks {
        return Ok(None);
    }
    let mut verifier = (level >= Level::Content).then(XorbVerifier::default);
    for at in (0..xorb.len).step_by(STEP_BYTES as usize) {
        let bytes = match objects.read(&key, at..xorb.len.min(at + STEP_BYTES), Some(&xorb.crc)).await {
            Err(StoreError::Corrupt { block, .. }) => return Ok(Some(Fault::Block(block))),
            bytes => bytes?,
        };
        if let Some(v) = verifier {
            match feed(v, bytes).await? {
                Ok(v) => verifier = Some(v),
                Err(e) => return Ok(Some(Fault::Content(e))),
            }
        }
    }
    Ok(match verifier.map(|v| v.finish(&xorb.hash)) {
        Some(Err(e)) => Some(Fault::Content(e)),
        Some(Ok(index)) if index != xorb.index => Some(Fault::Index),
        Some(Ok(_)) | None => None,
    })
}

/// The footer at an object's end begins like one that a client sends, so that the verifier stops there.
async fn feed(mut verifier: XorbVerifier, bytes: Bytes) -> Result<Result<XorbVerifier, XorbError>, CasError> {
    let work = move || verifier.feed(&bytes).map(|_| verifier);
    tokio::task::spawn_blocking(work).await.map_err(|_| CasError::Cancelled)
}

/// The name and index that an object's footer gives, without looking at its frames.
pub async fn read_tables(objects: &dyn Objects, key: &ObjectKey) -> Result<(XetHash, XorbIndex), CasError> {
    let len = objects.len(key).await?.ok_or_else(|| StoreError::NotFound(key.clone()))?;
    let tail = objects.read(key, len.saturating_sub(FOOTER_BYTES_MAX as u64)..len, None).await?;
    read_footer(&tail).map_err(|e| CasError::Corrupt { object: key.to_string(), what: e.to_string() })
}

/// What the database should say of an object, from its bytes alone; the content is fully verified.
pub async fn rebuild(objects: &dyn Objects, key: &ObjectKey) -> Result<StoredXorb, CasError> {
    let corrupt = |what: String| CasError::Corrupt { object: key.to_string(), what };
    let (hash, generation) = key.as_xorb().ok_or_else(|| corrupt("its key is not that of a xorb".into()))?;
    let tables = read_tables(objects, key).await?;
    let len = objects.len(key).await?.ok_or_else(|| StoreError::NotFound(key.clone()))?;
    let mut verifier = XorbVerifier::default();
    let mut crc = CrcBuilder::default();
    for at in (0..len).step_by(STEP_BYTES as usize) {
        let bytes = objects.read(key, at..len.min(at + STEP_BYTES), None).await?;
        crc.push(&bytes);
        verifier = feed(verifier, bytes).await?.map_err(|e| corrupt(e.to_string()))?;
    }
    let index = verifier.finish(&hash).map_err(|e| corrupt(e.to_string()))?;
    if tables != (hash, index.clone()) {
        return Err(corrupt("its footer is that of another xorb".into()));
    }
    Ok(StoredXorb { hash, layout: StoredXorb::LAYOUT_FRAMES, generation, len, crc: crc.finish(), index })
}
