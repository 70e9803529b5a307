//! Webhooks: other servers are told of what happens here.
//!
//! Nothing calls this from where things happen. A reader follows the ledger ([`outbox`]), finds the webhooks that watch
//! what an event is about and whose owners may know of it, and queues what each is told ([`payload`]), in one
//! transaction with its own place in the ledger: an event is told once, or not yet. A sender takes what is due
//! ([`deliver`]), asks the gate again, sends, and writes down what came back; that log is also the queue, and what is
//! in it can be sent again.

mod deliver;
mod log;
mod manage;
mod outbox;
mod payload;

pub(crate) use deliver::send;
pub use haina_net::IpNet;
pub use log::{DeliveryView, DeliveryWithBody};
pub use manage::{Domain, Watched, WatchedKind, WebhookChange, WebhookView};
pub(crate) use outbox::read_ledger;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use haina_db::webhooks::Webhook;
use haina_net::{Client, Rules};
use tokio::sync::Notify;

/// What webhooks keep between requests.
pub(crate) struct State {
    client: Client,
    /// Something was queued.
    queued: Notify,
    /// How much was queued for each webhook since what waits for it was last counted.
    uncounted: Mutex<HashMap<i64, usize>>,
}

/// What waits for a webhook is counted each time that this much more was queued for it.
const COUNT_EACH: usize = 1000;

impl State {
    pub(crate) fn new(allowed: Vec<IpNet>) -> Self {
        Self { client: Client::new(Rules::new(allowed)), queued: Notify::new(), uncounted: Mutex::default() }
    }

    /// Of the webhooks for which something is queued (each once for each thing), those whose queue should be looked at.
    fn to_be_counted<'a>(&self, queued: impl Iterator<Item = &'a Webhook>) -> Vec<&'a Webhook> {
        let mut uncounted = self.uncounted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        for webhook in queued {
            let count = uncounted.entry(webhook.id).or_default();
            *count += 1;
            if *count >= COUNT_EACH {
                uncounted.remove(&webhook.id);
                out.push(webhook);
            }
        }
        out
    }
}
