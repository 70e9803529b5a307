//! Xorbs coming in.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use haina_cas::{StagedXorb, StoredXorb, XORB_BODY_BYTES_MAX, XorbIngest, dedup};
use haina_db::content as db;
use haina_types::{Code, Error, Result, XetHash};

use super::{BODY_IDLE, CasWrite, XORB_INGEST_BYTES};
use crate::App;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The next piece of a body, or an error if it breaks off or stays silent.
pub(super) async fn next_piece<S, E>(body: &mut S) -> Result<Option<Bytes>>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: Into<Cause>,
{
    match tokio::time::timeout(BODY_IDLE, body.next()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(Some(Err(e))) => Err(Error::invalid("The body broke off. Please send it again.").because(e)),
        Err(_) => {
            Err(Error::invalid(format!("No bytes came for {} seconds. Please send it again.", BODY_IDLE.as_secs())))
        }
    }
}

/// What is registered of a xorb.
pub(super) fn new_xorb(xorb: &StoredXorb) -> db::NewXorb<'_> {
    db::NewXorb {
        hash: xorb.hash,
        chunks: xorb.index.chunk_count(),
        raw_bytes: xorb.index.raw_total().into(),
        index: xorb.index.as_blob(),
        layout: xorb.layout,
        generation: xorb.generation,
        bytes: xorb.len,
        checksums: xorb.crc.as_blob(),
    }
}

/// The chunks of a xorb that are eligible wherever they stand.
fn eligible(xorb: &XetHash, index: &haina_cas::XorbIndex) -> Vec<db::EligibleChunk> {
    dedup::eligible_chunks(index).map(|(i, chunk)| (chunk, *xorb, i)).collect()
}

impl App {
    /// Whether the object of a stored xorb is there. If not, the next upload heals it.
    async fn has_object(&self, xorb: &StoredXorb) -> Result<bool> {
        Ok(self.objects().len(&xorb.key()).await? == Some(xorb.len))
    }

    /// Takes a xorb. Gives whether it was new to the uploader's namespace; nobody learns what others have.
    pub async fn store_xorb<S, E>(
        &self,
        access: &CasWrite,
        hash: &XetHash,
        declared: Option<u64>,
        mut body: S,
    ) -> Result<bool>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
        E: Into<Cause>,
    {
        let too_large = || Error::new(Code::TooLarge, format!("A xorb has at most {XORB_BODY_BYTES_MAX} bytes."));
        if declared.is_some_and(|n| n > XORB_BODY_BYTES_MAX) {
            return Err(too_large());
        }
        let known = self.find_xorb(hash).await?;
        let own = match &known {
            None => false,
            Some(_) => {
                let mut s = self.db().read().await?;
                db::has_xorb(&mut s, hash, access.domain).await?
            }
        };
        if own
            && let Some(xorb) = &known
            && self.has_object(xorb).await?
        {
            let mut left = XORB_BODY_BYTES_MAX;
            while let Some(piece) = next_piece(&mut body).await? {
                left = left.checked_sub(piece.len() as u64).ok_or_else(too_large)?;
            }
            let mut tx = self.db().begin().await?;
            if db::touch_xorb(&mut tx, hash, access.domain, self.now()).await? {
                db::insert_eligible(&mut tx, access.domain, &eligible(hash, &xorb.index)).await?;
                tx.commit().await?;
                return Ok(false);
            }
            // Collected meanwhile, and the bytes are gone: the client sends them again.
            self.content().xorbs.remove(hash);
            return Err(Error::new(Code::Unavailable, "The xorb was just removed. Please send it again."));
        }
        let _room = self.content().admit(XORB_INGEST_BYTES).await?;
        let mut ingest = XorbIngest::begin(self.objects()).await?;
        while let Some(piece) = next_piece(&mut body).await? {
            ingest.feed(piece).await?;
        }
        let staged = ingest.finish(hash).await?;
        self.keep_xorb(access.domain, staged).await?;
        Ok(true)
    }

    /// Registers a verified xorb in a domain, and makes its object durable unless there is one.
    pub(super) async fn keep_xorb(&self, domain: i64, staged: StagedXorb) -> Result<()> {
        let (hash, now) = (staged.hash, self.now());
        let chunks = eligible(&hash, &staged.index);
        let mut lost = false;
        if let Some(known) = self.find_xorb(&hash).await? {
            if self.has_object(&known).await? {
                let mut tx = self.db().begin().await?;
                if db::touch_xorb(&mut tx, &hash, domain, now).await? {
                    db::insert_eligible(&mut tx, domain, &chunks).await?;
                    return Ok(tx.commit().await?);
                }
            } else {
                lost = true;
                tracing::warn!(xorb = %hash, "the object of a xorb was lost and is replaced by a new upload");
            }
            self.content().xorbs.remove(&hash);
        }
        // Generations grow with time, so that a late deletion of an old object cannot meet a new one.
        let generation = u64::try_from(now.0).unwrap_or(0);
        let stored = staged.commit(generation).await?;
        let mut tx = self.db().begin().await?;
        let new = new_xorb(&stored);
        let fresh = db::insert_xorb(&mut tx, &new, domain, now).await?;
        if lost && !fresh {
            db::replace_object(&mut tx, &new, now).await?;
        }
        db::insert_eligible(&mut tx, domain, &chunks).await?;
        tx.commit().await?;
        if fresh || lost {
            self.content().xorbs.insert(hash, stored);
        } else {
            // Two uploads at once: the other's object is the one that is known.
            self.objects().delete(&stored.key()).await?;
        }
        Ok(())
    }
}
