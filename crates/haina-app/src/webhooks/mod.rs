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

use haina_net::{Client, Rules};
use tokio::sync::Notify;

/// What webhooks keep between requests.
pub(crate) struct State {
    client: Client,
    /// Something was queued.
    queued: Notify,
}

impl State {
    pub(crate) fn new(allowed: Vec<IpNet>) -> Self {
        Self { client: Client::new(Rules::new(allowed)), queued: Notify::new() }
    }
}
