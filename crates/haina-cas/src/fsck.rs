//! Proving that objects are what the database says, and rebuilding what it should say.

use crate::error::CasError;
use crate::objects::{ObjectKey, Objects};
use crate::xorb::StoredXorb;

/// How deep to look.
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

/// Checks one stored xorb. `Ok(None)` if nothing is wrong, `Ok(Some(fault))` in words if something is, `Err` if it
/// could not be checked.
pub async fn verify_object(objects: &dyn Objects, xorb: &StoredXorb, level: Level) -> Result<Option<String>, CasError> {
    let _ = (objects, xorb, level);
    todo!()
}

/// What the database should say of an object, from its bytes alone; the content is fully verified.
pub async fn rebuild(objects: &dyn Objects, key: &ObjectKey) -> Result<StoredXorb, CasError> {
    let _ = (objects, key);
    todo!()
}
