//! Turning claims about SHA-256 into facts.

use haina_db::content as db;
use haina_db::jobs::{self, NewJob};
use haina_db::ledger::{self, NewEvent};
use haina_types::{Error, Result, Timestamp, XetHash};
use serde_json::json;

use crate::App;

/// The kind of the job that calls [`App::verify_claim`]; its payload is `{"file": "<hash>"}`.
pub const VERIFY_JOB: &str = "content.verify";

/// Queues the check of a file's claims on the transaction that registers them.
pub(super) async fn enqueue_verify(tx: &mut haina_db::Session, file: &XetHash, now: Timestamp) -> Result<()> {
    let text = file.to_string();
    let payload = json!({ "file": text });
    let job = NewJob {
        kind: VERIFY_JOB,
        payload: &payload,
        dedup_key: Some(&text),
        run_at: now,
        attempts_max: 10,
        created_at: now,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(())
}

impl App {
    /// Reads all of a file, and settles what its uploaders said of its SHA-256. Claims that are false stay as refuted
    /// ones: the file is not served under them any more.
    pub async fn verify_claim(&self, file: &XetHash) -> Result<()> {
        let known = {
            let mut s = self.db().read().await?;
            if !db::has_claims(&mut s, file).await? {
                return Ok(());
            }
            db::find_file(&mut s, file).await?.and_then(|f| f.sha256)
        };
        let sha256 = match known {
            Some(sha256) => sha256,
            None => {
                let terms = self.find_terms(file).await?;
                let terms = terms.ok_or_else(|| Error::internal(format!("file {file} is not stored")))?;
                self.content().reader.sha256_of(terms, self.xorb_source()).await?
            }
        };
        let now = self.now();
        let mut tx = self.db().begin().await?;
        for (repo_id, claimed) in db::settle_claims(&mut tx, file, &sha256).await? {
            let data = json!({ "file": file, "claimed": claimed, "sha256": sha256 });
            let event = NewEvent {
                at: now,
                actor_id: None,
                kind: "content.refuted",
                repo_id: Some(repo_id),
                ns_id: None,
                data,
            };
            ledger::append_event(&mut tx, &event).await?;
            tracing::warn!(repo_id, %file, %claimed, %sha256, "an upload is not what its SHA-256 said");
        }
        Ok(tx.commit().await?)
    }

    /// Takes uploads that no commit has kept in time from their repositories; how many.
    pub async fn expire_uploads(&self) -> Result<u64> {
        let mut all = 0;
        loop {
            let mut tx = self.db().begin().await?;
            let expired = db::expire_uploads(&mut tx, self.now(), 500).await?;
            tx.commit().await?;
            all += expired;
            if expired == 0 {
                return Ok(all);
            }
        }
    }
}
