//! Sends what is due, many at once but few to each, and writes down what came back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use haina_db::repos;
use haina_db::webhooks::{self, Claim, Claimed, Outcome};
use haina_net::{Limits, Target};
use haina_types::{Result, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::payload;
use crate::App;

/// Deliveries under way at once.
const AT_ONCE: usize = 64;
/// Of them, to one webhook: a slow one holds up only itself.
const AT_ONCE_EACH: usize = 4;
/// How often the queue is looked at when nothing is known to be in it.
const IDLE: Duration = Duration::from_millis(500);
/// A delivery whose worker vanished is tried again after this many seconds; more than it may take.
const LEASE_SECONDS: i64 = 60;
/// What one exchange may take.
const LIMITS: Limits = Limits { connect: Duration::from_secs(5), total: Duration::from_secs(10), answer_bytes: 2048 };
/// How often a delivery is tried.
const ATTEMPTS_MAX: i64 = 8;
/// The wait before the second try; each later one is four times as long, up to the longest.
const RETRY_SECONDS: i64 = 5;
const RETRY_SECONDS_MAX: i64 = 6 * 3600;
/// A webhook to which nothing came through for this long, in at least so many attempts, is switched off.
const FAILING_SECONDS_MAX: i64 = 3 * 86_400;
const FAILURES_MIN: u64 = 10;

/// What became of an attempt.
struct Done {
    delivery: i64,
    attempt: i64,
    webhook_id: i64,
    outcome: Outcome,
    /// Whether it came through; `None` if it was not sent.
    came_through: Option<bool>,
}

/// The wait before the next try, in seconds; `jitter` (0 to 255) spreads tries that failed together.
fn back_off(attempt: i64, jitter: u8) -> i64 {
    let power = u32::try_from(attempt.clamp(1, 12) - 1).unwrap_or(0);
    let seconds = RETRY_SECONDS.saturating_mul(4_i64.pow(power)).min(RETRY_SECONDS_MAX);
    // Four fifths to six fifths of it.
    (seconds * (8 * 255 + 4 * i64::from(jitter)) / (10 * 255)).max(1)
}

/// The signature as the Standard Webhooks specification has it: of `id.timestamp.body`, by HMAC-SHA256. A secret that
/// begins with `whsec_` is base64, any other is its own bytes.
fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> String {
    let decoded = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let key = decoded.as_deref().unwrap_or(secret.as_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("because HMAC takes keys of any length");
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// What a delivery is sent with.
fn headers(secret: Option<&str>, claimed: &Claimed, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", concat!("Haina-Webhook/", env!("CARGO_PKG_VERSION")).to_owned()),
        ("x-webhook-event", format!("{}.{}", claimed.scope, claimed.action)),
        ("webhook-id", claimed.public_id.clone()),
        ("webhook-timestamp", now.seconds().to_string()),
    ];
    if let Some(secret) = secret {
        headers.push(("x-webhook-secret", secret.to_owned()));
        headers.push(("webhook-signature", signature(secret, &claimed.public_id, now.seconds(), &claimed.payload)));
    }
    headers
}

/// The beginning of an answer as text for the log.
fn readable(bytes: &[u8]) -> Option<String> {
    let text: String = String::from_utf8_lossy(bytes)
        .chars()
        .map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c })
        .collect();
    (!text.is_empty()).then_some(text)
}

impl App {
    /// Sends one delivery.
    async fn deliver(&self, claimed: &Claimed) -> Result<Done> {
        let webhook = {
            let mut s = self.db().read().await?;
            webhooks::find_by_id(&mut s, claimed.webhook_id).await?
        };
        let ended = |state: &'static str, error: String| {
            let at = self.now();
            let outcome = Outcome {
                state,
                run_at: at,
                sent_at: None,
                status: None,
                duration_ms: None,
                answer: None,
                error: Some(error),
                at,
            };
            Done {
                delivery: claimed.id,
                attempt: claimed.attempt,
                webhook_id: claimed.webhook_id,
                outcome,
                came_through: None,
            }
        };
        let Some(webhook) = webhook.filter(|w| w.disabled_at.is_none()) else {
            return Ok(ended("dropped", "The webhook was switched off.".to_owned()));
        };
        if let Some(repo) = claimed.repo_id {
            let repo = {
                let mut s = self.db().read().await?;
                repos::find_repo_by_id(&mut s, repo).await?
            };
            let may = match &repo {
                Some(repo) => self.may_be_told(repo, webhook.user_id, payload::is_content(&claimed.scope)).await?,
                None => false,
            };
            if !may {
                let text = "The repository is gone, or the owner of the webhook may not read it any more.";
                return Ok(ended("dropped", text.to_owned()));
            }
        }
        let client = &self.webhooks().client;
        let target = match Target::parse(&webhook.url, client.rules()) {
            Ok(target) => target,
            Err(e) => return Ok(ended("failed", format!("The address is refused: {e}."))),
        };
        let secret = self.webhook_secret(&webhook)?;
        let (sent_at, begun) = (self.now(), Instant::now());
        let body = Bytes::from(claimed.payload.clone());
        let answer = client.post(&target, &headers(secret.as_deref(), claimed, sent_at), body, LIMITS).await;
        let took = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (status, text, error) = match answer {
            Ok(answer) => {
                let error = match answer.status {
                    200..300 => None,
                    300..400 => Some("Redirects are not followed: give the address that it leads to.".to_owned()),
                    _ => Some("The answer says that it was not accepted.".to_owned()),
                };
                (Some(i64::from(answer.status)), readable(&answer.body), error)
            }
            Err(failure) => {
                let chain = std::error::Error::source(&failure).map(|cause| format!(": {cause}")).unwrap_or_default();
                (None, None, Some(format!("{failure}{chain}")))
            }
        };
        let at = self.now();
        let (state, run_at) = match (&error, claimed.attempt >= ATTEMPTS_MAX) {
            (None, _) => ("delivered", at),
            (Some(_), true) => ("failed", at),
            (Some(_), false) => ("queued", at.plus_seconds(back_off(claimed.attempt, self.rng().array::<1>()[0]))),
        };
        let came_through = Some(error.is_none());
        let outcome =
            Outcome { state, run_at, sent_at: Some(sent_at), status, duration_ms: Some(took), answer: text, error, at };
        Ok(Done {
            delivery: claimed.id,
            attempt: claimed.attempt,
            webhook_id: claimed.webhook_id,
            outcome,
            came_through,
        })
    }

    /// Takes what is due, if anything is.
    async fn claim_deliveries(&self, now: Timestamp, busy: &[i64], limit: usize) -> Result<Vec<Claimed>> {
        // Looked at with a plain read first: an idle hub writes nothing.
        let due = {
            let mut s = self.db().read().await?;
            webhooks::next_due(&mut s).await?
        };
        if due.is_none_or(|at| at > now) {
            return Ok(Vec::new());
        }
        let claim = Claim { now, until: now.plus_seconds(LEASE_SECONDS), busy, limit, each: AT_ONCE_EACH };
        let mut tx = self.db().begin().await?;
        let claimed = webhooks::claim(&mut tx, &claim).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Writes down what became of some deliveries, and switches off webhooks that have failed for too long.
    async fn write_outcomes(&self, done: &[Done]) -> Result<()> {
        if done.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let mut tx = self.db().begin().await?;
        for one in done {
            if !webhooks::finish(&mut tx, one.delivery, one.attempt, &one.outcome).await? {
                continue;
            }
            match one.came_through {
                None => {}
                Some(true) => webhooks::note_success(&mut tx, one.webhook_id).await?,
                Some(false) => {
                    let failing = webhooks::note_failure(&mut tx, one.webhook_id, now).await?;
                    if let Some((since, failures)) = failing
                        && failures >= FAILURES_MIN
                        && now.seconds() - since.seconds() >= FAILING_SECONDS_MAX
                        && let Some(webhook) = webhooks::find_by_id(&mut tx, one.webhook_id).await?
                    {
                        self.give_up_webhook(&mut tx, &webhook, "failing").await?;
                    }
                }
            }
        }
        Ok(tx.commit().await?)
    }

    /// Sends everything that is due now and waits for it; how many attempts were made. For tests that do without
    /// workers.
    pub async fn send_due(&self) -> Result<usize> {
        let (now, mut sent) = (self.now(), 0);
        loop {
            let claimed = self.claim_deliveries(now, &[], AT_ONCE).await?;
            if claimed.is_empty() {
                return Ok(sent);
            }
            let attempts = claimed.iter().map(|one| self.deliver(one));
            let done = futures_util::future::join_all(attempts).await.into_iter().collect::<Result<Vec<_>>>()?;
            self.write_outcomes(&done).await?;
            sent += done.len();
        }
    }
}

/// Sends what is due until told to stop.
pub(crate) async fn send(app: App, mut stopped: watch::Receiver<bool>) {
    let mut under_way: JoinSet<(i64, Result<Done>)> = JoinSet::new();
    let mut each: HashMap<i64, usize> = HashMap::new();
    // After a claim that found nothing for webhooks with room, there is nothing until something changes.
    let mut look = true;
    loop {
        let stopping = *stopped.borrow();
        if stopping && under_way.is_empty() {
            return;
        }
        if look && !stopping && under_way.len() < AT_ONCE {
            let busy: Vec<i64> = each.iter().filter(|(_, n)| **n >= AT_ONCE_EACH).map(|(id, _)| *id).collect();
            match app.claim_deliveries(app.now(), &busy, AT_ONCE - under_way.len()).await {
                Ok(claimed) => {
                    look = !claimed.is_empty();
                    for one in claimed {
                        *each.entry(one.webhook_id).or_default() += 1;
                        let app = app.clone();
                        under_way.spawn(async move { (one.webhook_id, app.deliver(&one).await) });
                    }
                }
                Err(e) => {
                    tracing::error!(error = ?e, "the queue of webhooks could not be read");
                    look = false;
                }
            }
            if look {
                continue;
            }
        }
        let ended = tokio::select! {
            Some(ended) = under_way.join_next() => Some(ended),
            () = app.webhooks().queued.notified(), if !stopping => None,
            () = tokio::time::sleep(IDLE) => None,
            changed = stopped.changed(), if !stopping => match changed {
                Ok(()) => None,
                Err(_) => return,
            },
        };
        look = true;
        // What has ended meanwhile is written down together.
        let mut all: Vec<_> = ended.into_iter().collect();
        while let Some(more) = under_way.try_join_next() {
            all.push(more);
        }
        let mut done = Vec::new();
        for ended in all {
            match ended {
                Ok((webhook, outcome)) => {
                    if let Some(n) = each.get_mut(&webhook) {
                        *n = n.saturating_sub(1);
                    }
                    match outcome {
                        Ok(one) => done.push(one),
                        // It is claimed again when its lease ends.
                        Err(e) => tracing::error!(error = ?e, "a delivery could not be prepared"),
                    }
                }
                Err(e) => tracing::error!(error = %e, "a delivery ended badly"),
            }
        }
        each.retain(|_, n| *n > 0);
        if under_way.is_empty() {
            each.clear();
        }
        if let Err(e) = app.write_outcomes(&done).await {
            tracing::error!(error = ?e, "what became of deliveries could not be written down; they will be sent again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ() {
        assert_eq!((back_off(1, 0), back_off(1, 255)), (4, 6));
        assert_eq!((back_off(3, 0), back_off(3, 255)), (64, 96));
        assert!(back_off(60, 255) <= RETRY_SECONDS_MAX * 6 / 5);
        let total: i64 = (1..ATTEMPTS_MAX).map(|n| back_off(n, 128)).sum();
        assert!((6 * 3600..12 * 3600).contains(&total), "{total}");
    }

    #[test]
    fn signatures_are_those_of_the_standard() {
        // The example of the specification's own libraries.
        let body = r#"{"test": 2432232314}"#;
        let signed =
            signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_ne!(signature("a", "x", 1, body), signature("b", "x", 1, body));
    }

    #[test]
    fn answers_are_shown_as_text() {
        assert_eq!(readable(b"a\0b\nc\xff"), Some("a\u{fffd}b\nc\u{fffd}".to_owned()));
        assert_eq!(readable(b""), None);
    }
}
