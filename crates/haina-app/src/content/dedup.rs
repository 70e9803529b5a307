//! Answers to "is this chunk stored already?".

use std::collections::HashMap;
use std::ops::Range;

use haina_cas::StoredXorb;
use haina_cas::shard::DedupAnswer;
use haina_db::content as db;
use haina_types::{Error, Result, Timestamp, XetHash};

use super::{CasRead, DEDUP_SECONDS, Kept};
use crate::App;

/// Xorbs of one answer at least, if the file has them: the one with the chunk, and those that follow it, 4 GiB or more.
/// Clients ask again only at one chunk in 1,024, so each end of an answer makes them send some 64 MiB anew.
const XORBS_MIN: usize = 64;
/// At most: some 12 MB of answer.
const XORBS_MAX: usize = 256;
/// How often kept xorbs are noted in the database, in seconds.
const FLUSH_SECONDS: i64 = 30;
/// How many may wait for it.
const KEPT_MAX: usize = 10_000;

impl App {
    /// The chunk lists of a stored xorb with that chunk and of its neighbours, keyed, if the reader's namespace may
    /// refer to them. Whatever goes wrong is "no": the client waits for this answer while it uploads.
    pub async fn find_dedup(&self, access: &CasRead, chunk: &XetHash) -> Option<Vec<u8>> {
        match self.try_find_dedup(access, chunk).await {
            Ok(answer) => answer,
            Err(e) => {
                tracing::warn!(code = e.code.key(), cause = %e.chain(), "looking up a chunk failed");
                None
            }
        }
    }

    async fn try_find_dedup(&self, access: &CasRead, chunk: &XetHash) -> Result<Option<Vec<u8>>> {
        let hit = {
            let mut s = self.db().read().await?;
            db::find_eligible(&mut s, access.domain, chunk).await?
        };
        let Some(hit) = hit else { return Ok(None) };
        let neighbours = self.neighbours(&hit.xorb).await?;
        // Long answers one after the other: their tables are in memory.
        let _turn = match neighbours.len() > XORBS_MIN {
            true => Some(self.content().wide.acquire().await.map_err(Error::internal)?),
            false => None,
        };
        let mut found = Vec::new();
        for hash in neighbours {
            if let Some(xorb) = self.find_xorb(&hash).await?
                && let Some(visible) = self.visible_chunks(&xorb, access.domain).await?
            {
                found.push((xorb, visible));
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let now = self.now();
        let expires = now.plus_seconds(DEDUP_SECONDS);
        let seconds = |t: Timestamp| u64::try_from(t.seconds()).unwrap_or(0);
        let mut answer = DedupAnswer::new(self.rng().array(), seconds(now), seconds(expires));
        for (xorb, visible) in &found {
            answer.xorb(xorb.hash, &xorb.index, &|i| visible.iter().any(|run| run.contains(&i)));
        }
        self.keep_until(found.iter().map(|(xorb, _)| xorb.hash), expires);
        Ok(Some(answer.finish()))
    }

    /// A xorb and those after it in a file that uses it: whoever has one chunk of a file is about to have more. The
    /// further in the file the chunk is, the longer the client has followed it already, and the more it is told.
    async fn neighbours(&self, xorb: &XetHash) -> Result<Vec<XetHash>> {
        let files = {
            let mut s = self.db().read().await?;
            db::list_files_using(&mut s, xorb, 1).await?
        };
        if let Some(file) = files.first()
            && let Some(terms) = self.find_terms(file).await?
        {
            let before = terms.xorbs().take_while(|x| x != xorb).count();
            let run: Vec<_> = terms.xorbs().skip(before).take((2 * before).clamp(XORBS_MIN, XORBS_MAX)).collect();
            if !run.is_empty() {
                return Ok(run);
            }
        }
        Ok(vec![*xorb])
    }

    /// The chunks of a xorb to which a domain may refer; `None` if there are none.
    async fn visible_chunks(&self, xorb: &StoredXorb, domain: i64) -> Result<Option<Vec<Range<u32>>>> {
        let mut s = self.db().read().await?;
        if db::has_xorb(&mut s, &xorb.hash, domain).await? {
            return Ok(Some(std::iter::once(0..xorb.index.chunk_count()).collect()));
        }
        let runs = merge(db::list_public_chunks(&mut s, &xorb.hash).await?);
        Ok((!runs.is_empty()).then_some(runs))
    }

    /// Remembers that clients may refer to these xorbs until then. A crash may lose the last half minute of this:
    /// that is why a condemned xorb is deleted only after longer than an answer may be used.
    fn keep_until(&self, xorbs: impl Iterator<Item = XetHash>, until: Timestamp) {
        let now = self.now();
        let due = {
            let mut kept = self.content().kept();
            kept.until.extend(xorbs.map(|x| (x, until)));
            let due =
                kept.until.len() >= KEPT_MAX || kept.flushed_at.is_none_or(|at| at.plus_seconds(FLUSH_SECONDS) <= now);
            if due {
                kept.flushed_at = Some(now);
            }
            due
        };
        if due {
            let app = self.clone();
            tokio::spawn(async move {
                if let Err(e) = app.flush_kept().await {
                    tracing::warn!(code = e.code.key(), cause = %e.chain(), "noting kept xorbs failed");
                }
            });
        }
    }

    /// Notes in the database until when clients may refer to xorbs that they were told of. Collection does this
    /// first.
    pub async fn flush_kept(&self) -> Result<()> {
        let taken: HashMap<XetHash, Timestamp> = std::mem::take(&mut self.content().kept().until);
        if taken.is_empty() {
            return Ok(());
        }
        let mut list: Vec<_> = taken.into_iter().collect();
        list.sort_unstable();
        let outcome = async {
            let mut tx = self.db().begin().await?;
            db::keep_xorbs(&mut tx, &list).await?;
            tx.commit().await
        };
        if let Err(e) = outcome.await {
            let Kept { until, .. } = &mut *self.content().kept();
            list.into_iter().for_each(|(xorb, time)| {
                until.entry(xorb).or_insert(time);
            });
            return Err(e.into());
        }
        Ok(())
    }
}

/// Joins runs that touch.
fn merge(mut runs: Vec<Range<u32>>) -> Vec<Range<u32>> {
    runs.sort_unstable_by_key(|r| (r.start, r.end));
    let mut merged: Vec<Range<u32>> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
            _ => merged.push(run),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::merge;

    #[test]
    fn runs_that_touch_are_one() {
        assert_eq!(merge(vec![5..7, 0..2, 2..3, 6..9, 20..21]), [0..3, 5..9, 20..21]);
        assert!(merge(Vec::new()).is_empty());
    }
}
