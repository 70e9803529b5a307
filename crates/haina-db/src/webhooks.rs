//! Webhooks, how far the ledger was read for them, and the log of what was sent. The log is the queue: a row waits
//! with `state = 'queued'` until its `run_at`, which whoever sends it moves ahead by a lease.

use haina_types::Timestamp;

use crate::sql::{Row, Value, statements, values};
use crate::{Result, Session};

/// Columns of [`Webhook`] from table `w`.
macro_rules! webhook_columns {
    () => {
        "w.id, w.public_id, w.user_id, w.url, w.secret, w.watched, w.domains, w.after_event, w.disabled_at,
         w.disabled_reason, w.failing_since, w.failures, w.created_at"
    };
}
const WEBHOOK_COLUMNS: usize = 13;
/// Columns of [`Delivery`] from table `d`.
macro_rules! delivery_columns {
    () => {
        "d.id, d.public_id, d.webhook_id, d.event_id, d.scope, d.action, d.subject, d.repo_id, d.state, d.attempts,
         d.run_at, d.sent_at, d.status, d.duration_ms, d.answer, d.error, d.created_at, d.replay_of"
    };
}
const DELIVERY_COLUMNS: usize = 18;
/// Columns of [`Claimed`].
macro_rules! claimed_columns {
    () => {
        "id, public_id, webhook_id, attempts, repo_id, payload, scope, action"
    };
}

statements! {
    INSERT = point(
        "insert into webhook (public_id, user_id, url, secret, watched, domains, after_event, failures, created_at,
             updated_at)
         select $1, $2, $3, $4, $5, $6, (select coalesce(max(e.id), 0) from event e), 0, $7, $7
         from namespace n where n.id = $2 returning id"
    );
    UPDATE = point(
        "update webhook set url = $2, secret = $3, watched = $4, domains = $5, updated_at = $6 where id = $1"
    );
    DELETE = long("delete from webhook where id = $1");
    FIND = point(concat!("select ", webhook_columns!(), " from webhook w where w.user_id = $1 and w.public_id = $2"));
    FIND_BY_ID = point(concat!("select ", webhook_columns!(), " from webhook w where w.id = $1"));
    LIST = point(concat!("select ", webhook_columns!(), " from webhook w where w.user_id = $1 order by w.id"));
    HAS_ANY = point("select count(*) from (select 1 from webhook where disabled_at is null limit 1) x");
    FORGET_WATCHED = point("delete from webhook_watch where webhook_id = $1");
    WATCH = point(
        "insert into webhook_watch (webhook_id, target) values ($1, $2) on conflict (webhook_id, target) do nothing"
    );
    WATCHERS = long_pair(
        concat!(
            "select ", webhook_columns!(), ", k.target from webhook_watch k join webhook w on w.id = k.webhook_id
             where k.target in (select value from json_each($1)) and w.disabled_at is null order by w.id"
        ),
        concat!(
            "select ", webhook_columns!(), ", k.target from webhook_watch k join webhook w on w.id = k.webhook_id
             where k.target = any($1) and w.disabled_at is null order by w.id"
        )
    );
    ENABLE = point(
        "update webhook set disabled_at = null, disabled_reason = null, failing_since = null, failures = 0,
             updated_at = $2 where id = $1"
    );
    DISABLE = point(
        "update webhook set disabled_at = $2, disabled_reason = $3, updated_at = $2
         where id = $1 and disabled_at is null"
    );
    WELL = point("update webhook set failing_since = null, failures = 0 where id = $1 and failures > 0");
    ILL = point(
        "update webhook set failures = failures + 1, failing_since = coalesce(failing_since, $2) where id = $1
         returning failing_since, failures"
    );
    OUTBOX = point("select event_id from outbox where name = $1");
    ADVANCE = point("update outbox set event_id = $3 where name = $1 and event_id = $2");
    INSERT_DELIVERY = point(
        "insert into webhook_delivery (public_id, webhook_id, event_id, replay_of, scope, action, subject, repo_id,
             payload, state, attempts, run_at, created_at)
         select $1, $2, $3, $4, $5, $6, $7, $8, $9, 'queued', 0, $10, $10 from webhook w where w.id = $2
         on conflict (webhook_id, event_id) where replay_of is null do nothing"
    );
    COUNT_WAITING = point(
        "select count(*) from (select 1 from webhook_delivery where webhook_id = $1 and state = 'queued' limit $2) x"
    );
    CLAIM = pair(
        concat!(
            "update webhook_delivery set attempts = attempts + 1, run_at = $2 where id in (
                 select id from (
                     select id, due, row_number() over (partition by webhook_id order by due, id) as n from (
                         select id, webhook_id, run_at as due from webhook_delivery
                         where state = 'queued' and run_at <= $1
                             and webhook_id not in (select value from json_each($3))
                         order by run_at, id limit $5
                     ) first
                 ) ranked where n <= $6 order by due, id limit $4
             ) returning ", claimed_columns!()
        ),
        concat!(
            "update webhook_delivery set attempts = attempts + 1, run_at = $2 where id in (
                 select c.id from webhook_delivery c where c.state = 'queued' and c.run_at <= $1 and c.id in (
                     select id from (
                         select id, row_number() over (partition by webhook_id order by due, id) as n from (
                             select id, webhook_id, run_at as due from webhook_delivery
                             where state = 'queued' and run_at <= $1 and webhook_id <> all($3)
                             order by run_at, id limit $5
                         ) first
                     ) ranked where n <= $6
                 ) order by c.run_at, c.id limit $4 for update skip locked
             ) returning ", claimed_columns!()
        )
    );
    FINISH = point(
        "update webhook_delivery set state = $3, run_at = $4, sent_at = $5, status = $6, duration_ms = $7, answer = $8,
             error = $9, finished_at = $10
         where id = $1 and attempts = $2 and state = 'queued'"
    );
    DROP_WAITING = long(
        "update webhook_delivery set state = 'dropped', error = $2, finished_at = $3
         where webhook_id = $1 and state = 'queued'"
    );
    NEXT_DUE = point("select min(run_at) from webhook_delivery where state = 'queued'");
    LIST_DELIVERIES = point(concat!(
        "select ", delivery_columns!(), " from webhook_delivery d where d.webhook_id = $1 and d.id < $2
         order by d.id desc limit $3"
    ));
    FIND_DELIVERY = point(concat!(
        "select ", delivery_columns!(), ", d.payload from webhook_delivery d
         where d.webhook_id = $1 and d.public_id = $2"
    ));
    DELETE_FINISHED = long(
        "delete from webhook_delivery where id in
         (select id from webhook_delivery where finished_at is not null and finished_at < $1 order by finished_at limit $2)"
    );
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Id inside this hub.
    pub id: i64,
    /// 24 hexadecimal digits.
    pub public_id: String,
    /// Whose it is.
    pub user_id: i64,
    /// Where to.
    pub url: String,
    /// What it is sent with and signed by.
    pub secret: Option<String>,
    /// What it watches, as JSON, as it was given.
    pub watched: String,
    /// `repo` and `discussion`, with a space between.
    pub domains: String,
    /// It is told of events after this one.
    pub after_event: i64,
    /// Since when it is switched off.
    pub disabled_at: Option<Timestamp>,
    /// Why: `owner` or `failing`.
    pub disabled_reason: Option<String>,
    /// Since when nothing has come through.
    pub failing_since: Option<Timestamp>,
    /// How many attempts have failed since then.
    pub failures: u64,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Webhook {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            user_id: row.int(2)?,
            url: row.string(3)?,
            secret: row.opt_string(4)?,
            watched: row.string(5)?,
            domains: row.string(6)?,
            after_event: row.int(7)?,
            disabled_at: row.opt_time(8)?,
            disabled_reason: row.opt_string(9)?,
            failing_since: row.opt_time(10)?,
            failures: row.size(11)?,
            created_at: row.time(12)?,
        })
    }
}

/// What may be set of a webhook.
#[derive(Debug, Clone)]
pub struct Settings<'a> {
    /// Where to.
    pub url: &'a str,
    /// What it is sent with and signed by.
    pub secret: Option<&'a str>,
    /// What it watches, as JSON, as it was given.
    pub watched: &'a str,
    /// The same as targets: `user:alice`, `model:alice/bert`, folded.
    pub targets: &'a [String],
    /// `repo` and `discussion`, with a space between.
    pub domains: &'a str,
}

async fn watch(s: &mut Session, id: i64, targets: &[String]) -> Result<()> {
    s.exec(&FORGET_WATCHED, &values![id]).await?;
    let sets: Vec<[Value<'_>; 2]> = targets.iter().map(|target| values![id, target]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
    s.exec_each(&WATCH, &sets).await.map(drop)
}

/// Makes a webhook, which is told of what happens from now on.
pub async fn insert(s: &mut Session, public_id: &str, user: i64, set: &Settings<'_>, now: Timestamp) -> Result<i64> {
    let params = values![public_id, user, set.url, set.secret, set.watched, set.domains, now];
    let id = s.one(&INSERT, &params).await?.int(0)?;
    watch(s, id, set.targets).await?;
    Ok(id)
}

/// Changes a webhook.
pub async fn update(s: &mut Session, id: i64, set: &Settings<'_>, now: Timestamp) -> Result<()> {
    s.exec(&UPDATE, &values![id, set.url, set.secret, set.watched, set.domains, now]).await?;
    watch(s, id, set.targets).await
}

/// Deletes a webhook with its log; whether it was there.
pub async fn delete(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.exec(&DELETE, &values![id]).await? > 0)
}

/// A user's webhook.
pub async fn find(s: &mut Session, user: i64, public_id: &str) -> Result<Option<Webhook>> {
    s.opt(&FIND, &values![user, public_id]).await?.map(|r| Webhook::from_row(&r)).transpose()
}

/// By id.
pub async fn find_by_id(s: &mut Session, id: i64) -> Result<Option<Webhook>> {
    s.opt(&FIND_BY_ID, &values![id]).await?.map(|r| Webhook::from_row(&r)).transpose()
}

/// A user's webhooks, oldest first.
pub async fn list(s: &mut Session, user: i64) -> Result<Vec<Webhook>> {
    s.rows(&LIST, &values![user]).await?.iter().map(Webhook::from_row).collect()
}

/// Whether anyone has a webhook that is on.
pub async fn has_any(s: &mut Session) -> Result<bool> {
    s.one(&HAS_ANY, &[]).await?.flag(0)
}

/// The webhooks that are on and watch any of these targets, once for each target that they watch.
pub async fn watchers(s: &mut Session, targets: &[&str]) -> Result<Vec<(Webhook, String)>> {
    let rows = s.rows(&WATCHERS, &[Value::Texts(targets)]).await?;
    rows.iter().map(|r| Ok((Webhook::from_row(r)?, r.string(WEBHOOK_COLUMNS)?))).collect()
}

/// Switches a webhook on, with a clean slate.
pub async fn enable(s: &mut Session, id: i64, now: Timestamp) -> Result<()> {
    s.exec(&ENABLE, &values![id, now]).await.map(drop)
}

/// Switches a webhook off; false if it is off already.
pub async fn disable(s: &mut Session, id: i64, reason: &str, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&DISABLE, &values![id, now, reason]).await? > 0)
}

/// Notes that something came through.
pub async fn note_success(s: &mut Session, id: i64) -> Result<()> {
    s.exec(&WELL, &values![id]).await.map(drop)
}

/// Notes that an attempt failed; since when all have, and how many. `None` if the webhook is gone.
pub async fn note_failure(s: &mut Session, id: i64, now: Timestamp) -> Result<Option<(Timestamp, u64)>> {
    s.opt(&ILL, &values![id, now]).await?.map(|r| Ok((r.time(0)?, r.size(1)?))).transpose()
}

/// How far a reader of the ledger has come.
pub async fn outbox(s: &mut Session, name: &str) -> Result<i64> {
    s.opt(&OUTBOX, &values![name]).await?.map_or(Ok(0), |r| r.int(0))
}

/// Moves a reader of the ledger on; false if another moved it meanwhile.
pub async fn advance(s: &mut Session, name: &str, from: i64, to: i64) -> Result<bool> {
    Ok(s.exec(&ADVANCE, &values![name, from, to]).await? == 1)
}

/// Something to send.
#[derive(Debug, Clone)]
pub struct NewDelivery<'a> {
    /// 24 hexadecimal digits.
    pub public_id: &'a str,
    /// To whom.
    pub webhook_id: i64,
    /// Of which event.
    pub event_id: i64,
    /// Which delivery it repeats, by request.
    pub replay_of: Option<i64>,
    /// `repo.content` and the like.
    pub scope: &'a str,
    /// `update` and the like.
    pub action: &'a str,
    /// About what, for people.
    pub subject: &'a str,
    /// The repository that its receiver must still be allowed to know; none if it is gone.
    pub repo_id: Option<i64>,
    /// The body.
    pub payload: &'a str,
    /// Now.
    pub created_at: Timestamp,
}

/// Queues things to send, but for those that are queued for their webhook already; how many were queued.
pub async fn insert_deliveries(s: &mut Session, new: &[NewDelivery<'_>]) -> Result<u64> {
    let sets: Vec<[Value<'_>; 10]> = new
        .iter()
        .map(|d| {
            values![
                d.public_id,
                d.webhook_id,
                d.event_id,
                d.replay_of,
                d.scope,
                d.action,
                d.subject,
                d.repo_id,
                d.payload,
                d.created_at
            ]
        })
        .collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
    if sets.is_empty() {
        return Ok(0);
    }
    s.exec_each(&INSERT_DELIVERY, &sets).await
}

/// How many deliveries of a webhook wait, counted up to `limit`.
pub async fn count_waiting(s: &mut Session, webhook: i64, limit: usize) -> Result<usize> {
    let count = s.one(&COUNT_WAITING, &values![webhook, limit]).await?.size(0)?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// A delivery that this worker holds until its lease ends.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// Id inside this hub.
    pub id: i64,
    /// 24 hexadecimal digits.
    pub public_id: String,
    /// To whom.
    pub webhook_id: i64,
    /// Which attempt this is, from 1. It also tells this holder from later ones.
    pub attempt: i64,
    /// The repository that its receiver must still be allowed to know.
    pub repo_id: Option<i64>,
    /// The body.
    pub payload: String,
    /// `repo.content` and the like.
    pub scope: String,
    /// `update` and the like.
    pub action: String,
}

/// How deliveries are claimed.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// Now.
    pub now: Timestamp,
    /// Another may try again from then on.
    pub until: Timestamp,
    /// Webhooks that have enough on their hands.
    pub busy: &'a [i64],
    /// At most this many.
    pub limit: usize,
    /// At most this many of one webhook.
    pub each: usize,
}

/// Rows that are looked at to find enough of different webhooks.
const LOOKED_AT: usize = 512;

/// Takes deliveries that are due.
pub async fn claim(s: &mut Session, by: &Claim<'_>) -> Result<Vec<Claimed>> {
    let params = [
        Value::from(by.now),
        Value::from(by.until),
        Value::Ints(by.busy),
        Value::from(by.limit),
        Value::from(LOOKED_AT),
        Value::from(by.each),
    ];
    let claimed: Result<Vec<Claimed>> = s
        .rows(&CLAIM, &params)
        .await?
        .iter()
        .map(|r| {
            Ok(Claimed {
                id: r.int(0)?,
                public_id: r.string(1)?,
                webhook_id: r.int(2)?,
                attempt: r.int(3)?,
                repo_id: r.opt_int(4)?,
                payload: r.string(5)?,
                scope: r.string(6)?,
                action: r.string(7)?,
            })
        })
        .collect();
    let mut claimed = claimed?;
    claimed.sort_by_key(|c| c.id);
    Ok(claimed)
}

/// What became of an attempt.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// `queued` (to be tried again), `delivered`, `failed` or `dropped`.
    pub state: &'static str,
    /// When to try again, if so.
    pub run_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// The answer's status.
    pub status: Option<i64>,
    /// How long it took.
    pub duration_ms: Option<i64>,
    /// The first bytes of the answer.
    pub answer: Option<String>,
    /// Why there was no good answer.
    pub error: Option<String>,
    /// Now.
    pub at: Timestamp,
}

/// Writes down what became of an attempt; false if the delivery was lost to another worker.
pub async fn finish(s: &mut Session, id: i64, attempt: i64, outcome: &Outcome) -> Result<bool> {
    let ended = (outcome.state != "queued").then_some(outcome.at);
    let params = values![
        id,
        attempt,
        outcome.state,
        outcome.run_at,
        outcome.sent_at,
        outcome.status,
        outcome.duration_ms,
        outcome.answer.as_deref(),
        outcome.error.as_deref(),
        ended
    ];
    Ok(s.exec(&FINISH, &params).await? == 1)
}

/// Gives up what waits for a webhook that was switched off.
pub async fn drop_waiting(s: &mut Session, webhook: i64, reason: &str, now: Timestamp) -> Result<u64> {
    s.exec(&DROP_WAITING, &values![webhook, reason, now]).await
}

/// When the next delivery is due.
pub async fn next_due(s: &mut Session) -> Result<Option<Timestamp>> {
    s.one(&NEXT_DUE, &[]).await?.opt_time(0)
}

/// A delivery in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Id inside this hub.
    pub id: i64,
    /// 24 hexadecimal digits.
    pub public_id: String,
    /// To whom.
    pub webhook_id: i64,
    /// Of which event.
    pub event_id: i64,
    /// `repo.content` and the like.
    pub scope: String,
    /// `update` and the like.
    pub action: String,
    /// About what, for people.
    pub subject: String,
    /// The repository.
    pub repo_id: Option<i64>,
    /// `queued`, `delivered`, `failed` or `dropped`.
    pub state: String,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried next, while queued.
    pub run_at: Timestamp,
    /// When it was last sent.
    pub sent_at: Option<Timestamp>,
    /// The last answer's status.
    pub status: Option<i64>,
    /// How long that took.
    pub duration_ms: Option<i64>,
    /// The first bytes of the last answer.
    pub answer: Option<String>,
    /// Why there was no good answer.
    pub error: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// Which delivery it repeats.
    pub replay_of: Option<i64>,
}

impl Delivery {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            webhook_id: row.int(2)?,
            event_id: row.int(3)?,
            scope: row.string(4)?,
            action: row.string(5)?,
            subject: row.string(6)?,
            repo_id: row.opt_int(7)?,
            state: row.string(8)?,
            attempts: row.size(9)?,
            run_at: row.time(10)?,
            sent_at: row.opt_time(11)?,
            status: row.opt_int(12)?,
            duration_ms: row.opt_int(13)?,
            answer: row.opt_string(14)?,
            error: row.opt_string(15)?,
            created_at: row.time(16)?,
            replay_of: row.opt_int(17)?,
        })
    }
}

/// The log of a webhook, newest first, before the id `before`.
pub async fn list_deliveries(
    s: &mut Session,
    webhook: i64,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<Delivery>> {
    let rows = s.rows(&LIST_DELIVERIES, &values![webhook, before.unwrap_or(i64::MAX), limit]).await?;
    rows.iter().map(Delivery::from_row).collect()
}

/// A delivery with its body.
pub async fn find_delivery(s: &mut Session, webhook: i64, public_id: &str) -> Result<Option<(Delivery, String)>> {
    let row = s.opt(&FIND_DELIVERY, &values![webhook, public_id]).await?;
    row.map(|r| Ok((Delivery::from_row(&r)?, r.string(DELIVERY_COLUMNS)?))).transpose()
}

/// Forgets deliveries that ended before `before`, at most `limit`.
pub async fn delete_finished(s: &mut Session, before: Timestamp, limit: usize) -> Result<u64> {
    s.exec(&DELETE_FINISHED, &values![before, limit]).await
}
