//! What was sent: looked at, and sent again.

use haina_db::webhooks::{self, Delivery, NewDelivery};
use haina_types::{Code, Error, Result};

use super::manage::not_found;
use crate::gate::SelfAccess;
use crate::{App, Page};

pub use haina_db::webhooks::Delivery as DeliveryView;

/// Deliveries of one page when the caller names no number, and at most.
const PAGE_MAX: usize = 100;
/// How long a delivery that has ended stays in the log, in seconds.
const KEPT_SECONDS: i64 = 14 * 86_400;
/// How many are forgotten in one transaction.
const FORGET_BATCH: usize = 1000;

/// A delivery and what was sent.
#[derive(Debug, Clone)]
pub struct DeliveryWithBody {
    /// The delivery.
    pub delivery: Delivery,
    /// The body that was sent, or will be.
    pub body: String,
}

fn no_delivery() -> Error {
    Error::new(Code::NotFound, "There is no such delivery. They are kept for 14 days.")
}

impl App {
    /// The log of one of one's webhooks, newest first.
    pub async fn list_deliveries(
        &self,
        by: &SelfAccess,
        webhook: &str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page<DeliveryView>> {
        let bad = |_| Error::invalid("\"cursor\" is not one of ours: start again from the first page.");
        let before = cursor.map(|text| text.parse::<i64>().map_err(bad)).transpose()?;
        let limit = crate::social::page_limit(limit, PAGE_MAX);
        let mut s = self.db().read().await?;
        let webhook = webhooks::find(&mut s, by.user().id, webhook).await?.ok_or_else(not_found)?;
        let mut items = webhooks::list_deliveries(&mut s, webhook.id, before, limit + 1).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|d| d.id.to_string());
        Ok(Page { items, next })
    }

    /// A delivery of one of one's webhooks.
    pub async fn get_delivery(&self, by: &SelfAccess, webhook: &str, id: &str) -> Result<DeliveryWithBody> {
        let mut s = self.db().read().await?;
        let webhook = webhooks::find(&mut s, by.user().id, webhook).await?.ok_or_else(not_found)?;
        let found = webhooks::find_delivery(&mut s, webhook.id, id).await?;
        let (delivery, body) = found.ok_or_else(no_delivery)?;
        Ok(DeliveryWithBody { delivery, body })
    }

    /// Sends a delivery once more, with an id of its own; the new one's id. Whether its owner may know what it tells is
    /// asked again when it is sent.
    pub async fn replay_delivery(&self, by: &SelfAccess, webhook: &str, id: &str) -> Result<String> {
        let public_id = self.public_id();
        let mut tx = self.db().begin().await?;
        let webhook = webhooks::find(&mut tx, by.user().id, webhook).await?.ok_or_else(not_found)?;
        if webhook.disabled_at.is_some() {
            return Err(Error::new(Code::Conflict, "This webhook is switched off: switch it on first."));
        }
        let (old, body) = webhooks::find_delivery(&mut tx, webhook.id, id).await?.ok_or_else(no_delivery)?;
        let new = NewDelivery {
            public_id: &public_id,
            webhook_id: webhook.id,
            event_id: old.event_id,
            replay_of: Some(old.id),
            scope: &old.scope,
            action: &old.action,
            subject: &old.subject,
            repo_id: old.repo_id,
            payload: &body,
            created_at: self.now(),
        };
        webhooks::insert_deliveries(&mut tx, &[new]).await?;
        tx.commit().await?;
        self.webhooks().queued.notify_one();
        Ok(public_id)
    }

    /// Forgets deliveries that ended long ago.
    pub(crate) async fn forget_deliveries(&self) -> Result<()> {
        let before = self.now().plus_seconds(-KEPT_SECONDS);
        loop {
            let mut tx = self.db().begin().await?;
            let gone = webhooks::delete_finished(&mut tx, before, FORGET_BATCH).await?;
            tx.commit().await?;
            if gone < FORGET_BATCH as u64 {
                return Ok(());
            }
        }
    }
}
