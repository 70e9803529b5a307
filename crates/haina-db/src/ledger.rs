//! The ledger: whatever changes the community appends an event in the same transaction.

use crate::{Result, Session};

#[derive(Debug)]
pub(crate) struct Pending;

pub(crate) async fn flush(s: &mut Session) -> Result<()> {
    s.events.clear();
    Ok(())
}
