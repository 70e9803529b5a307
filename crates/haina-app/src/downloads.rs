//! Counts of downloads: gathered in memory, written every few seconds, added up by day. A crash loses at most the last
//! few seconds of counts, and nothing else depends on them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use haina_types::Result;

use crate::App;

/// Counts since the last write, by repository.
#[derive(Default)]
pub struct Counts(Mutex<HashMap<i64, u64>>);

impl Counts {
    fn take(&self) -> HashMap<i64, u64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// Counts one download.
    pub fn count_download(&self, repo: i64) {
        *self.downloads().0.lock().unwrap_or_else(PoisonError::into_inner).entry(repo).or_default() += 1;
    }

    /// Writes what was counted.
    pub(crate) async fn flush_downloads(&self) -> Result<()> {
        let counts = self.downloads().take();
        if counts.is_empty() {
            return Ok(());
        }
        let day = self.now().seconds().div_euclid(86_400);
        let mut tx = self.db().begin().await?;
        for (repo, count) in counts {
            // The repository may be gone by now; then there is nothing to count.
            if haina_db::git::lock_repo(&mut tx, repo).await? {
                haina_db::repos::add_downloads(&mut tx, repo, day, count).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}
