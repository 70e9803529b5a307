//! The job queue: rows that workers claim for a while. A job is enqueued on the transaction that needs it.

use std::time::Duration;

use haina_types::Timestamp;

use crate::sql::{Value, statements, values};
use crate::{Error, Result, Session};

statements! {
    ENQUEUE = point(
        "insert into job (kind, payload, dedup_key, state, run_at, attempts, attempts_max, created_at)
         values ($1, $2, $3, 'queued', $4, 0, $5, $6)
         on conflict (kind, dedup_key) where state = 'queued' and dedup_key is not null do nothing returning id"
    );
    CLAIM = pair(
        "update job set state = 'running', attempts = attempts + 1, locked_until = $2 where id in (
             select id from job where state = 'queued' and run_at <= $1 and kind in (select value from json_each($3))
             order by run_at, id limit $4
         ) returning id, kind, payload, attempts, attempts_max, created_at",
        "update job set state = 'running', attempts = attempts + 1, locked_until = $2 where id in (
             select id from job where state = 'queued' and run_at <= $1 and kind = any($3)
             order by run_at, id limit $4 for update skip locked
         ) returning id, kind, payload, attempts, attempts_max, created_at"
    );
    CLAIM_LOST = pair(
        "update job set attempts = attempts + 1, locked_until = $2 where id in (
             select id from job where state = 'running' and locked_until <= $1 and attempts < attempts_max
                 and kind in (select value from json_each($3))
             order by locked_until, id limit $4
         ) returning id, kind, payload, attempts, attempts_max, created_at",
        "update job set attempts = attempts + 1, locked_until = $2 where id in (
             select id from job where state = 'running' and locked_until <= $1 and attempts < attempts_max
                 and kind = any($3)
             order by locked_until, id limit $4 for update skip locked
         ) returning id, kind, payload, attempts, attempts_max, created_at"
    );
    BURY_LOST = point(
        "update job set state = 'dead', finished_at = $1, locked_until = null, last_error = 'its workers vanished'
         where state = 'running' and locked_until <= $1 and attempts >= attempts_max"
    );
    EXTEND = point(
        "update job set locked_until = $3 where id = $1 and attempts = $2 and state = 'running'"
    );
    FINISH = point(
        "update job set state = 'done', finished_at = $3, locked_until = null, last_error = null
         where id = $1 and attempts = $2 and state = 'running'"
    );
    FAIL = point(
        "update job set
             state = case
                 when attempts >= attempts_max then 'dead'
                 when exists (select 1 from job q where q.kind = job.kind and q.dedup_key = job.dedup_key
                              and q.state = 'queued') then 'superseded'
                 else 'queued'
             end,
             finished_at = case
                 when attempts >= attempts_max then cast($3 as bigint)
                 when exists (select 1 from job q where q.kind = job.kind and q.dedup_key = job.dedup_key
                              and q.state = 'queued') then cast($3 as bigint)
             end,
             run_at = $4, locked_until = null, last_error = $5
         where id = $1 and attempts = $2 and state = 'running'
         returning state"
    );
    COUNT_JOBS = long("select kind, state, count(*) from job group by kind, state order by kind, state");
    NEXT_RUN = pair(
        "select min(run_at) from job where state = 'queued' and kind in (select value from json_each($1))",
        "select min(run_at) from job where state = 'queued' and kind = any($1)"
    );
    DELETE_FINISHED = long("delete from job where finished_at is not null and finished_at < $1 and state <> 'dead'");
}

/// A job to queue.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Which worker it is for.
    pub kind: &'a str,
    /// What the worker needs to know.
    pub payload: &'a serde_json::Value,
    /// While one with this key and kind is queued, another is not.
    pub dedup_key: Option<&'a str>,
    /// Not before.
    pub run_at: Timestamp,
    /// How often it is tried.
    pub attempts_max: i64,
    /// Now.
    pub created_at: Timestamp,
}

/// Queues a job on the caller's transaction; its id, or `None` if one like it is queued already.
pub async fn enqueue(s: &mut Session, job: &NewJob<'_>) -> Result<Option<i64>> {
    let payload = job.payload.to_string();
    let params = values![job.kind, &payload, job.dedup_key, job.run_at, job.attempts_max, job.created_at];
    s.opt(&ENQUEUE, &params).await?.map(|r| r.int(0)).transpose()
}

/// A job that this worker holds until its lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: i64,
    /// Which worker it is for.
    pub kind: String,
    /// What the worker needs to know.
    pub payload: serde_json::Value,
    /// Which try this is, from 1. It also tells this holder from later ones.
    pub attempt: i64,
    /// How often it is tried.
    pub attempts_max: i64,
    /// When it was queued.
    pub created_at: Timestamp,
}

fn after(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
}

/// Takes up to `limit` jobs of these kinds that are due, or whose worker vanished, for the time of `lease`.
pub async fn claim(s: &mut Session, kinds: &[&str], now: Timestamp, lease: Duration, limit: usize) -> Result<Vec<Job>> {
    s.exec(&BURY_LOST, &values![now]).await?;
    let until = after(now, lease);
    let mut rows = s.rows(&CLAIM_LOST, &[now.into(), until.into(), Value::Texts(kinds), limit.into()]).await?;
    let rest = limit.saturating_sub(rows.len());
    if rest > 0 {
        rows.extend(s.rows(&CLAIM, &[now.into(), until.into(), Value::Texts(kinds), rest.into()]).await?);
    }
    let jobs: Result<Vec<Job>> = rows
        .iter()
        .map(|r| {
            Ok(Job {
                id: r.int(0)?,
                kind: r.string(1)?,
                payload: serde_json::from_str(r.text(2)?)
                    .map_err(|e| Error::corrupt(format_args!("payload of a job: {e}")))?,
                attempt: r.int(3)?,
                attempts_max: r.int(4)?,
                created_at: r.time(5)?,
            })
        })
        .collect();
    let mut jobs = jobs?;
    jobs.sort_by_key(|j| j.id);
    Ok(jobs)
}

/// Holds a job longer; false if it was lost to another worker.
pub async fn extend(s: &mut Session, job: &Job, now: Timestamp, lease: Duration) -> Result<bool> {
    Ok(s.exec(&EXTEND, &values![job.id, job.attempt, after(now, lease)]).await? == 1)
}

/// Ends a job well; false if it was lost to another worker.
pub async fn finish(s: &mut Session, job: &Job, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&FINISH, &values![job.id, job.attempt, now]).await? == 1)
}

/// What became of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It will be tried again, no earlier than this.
    Again(Timestamp),
    /// Another like it is queued, which will do.
    Superseded,
    /// It was tried as often as it may be.
    Dead,
    /// It was lost to another worker, who decides.
    Lost,
}

/// The wait before the next try: 5 s, 20 s, 80 s, … at most an hour.
fn back_off(attempt: i64) -> Duration {
    let power = u32::try_from(attempt.clamp(1, 8) - 1).unwrap_or(0);
    Duration::from_secs(5 * 4_u64.pow(power)).min(Duration::from_secs(3600))
}

/// Ends a try badly; `error` is for the operator.
pub async fn fail(s: &mut Session, job: &Job, now: Timestamp, error: &str) -> Result<Failed> {
    let again = after(now, back_off(job.attempt));
    let row = s.opt(&FAIL, &values![job.id, job.attempt, now, again, error]).await?;
    match row.as_ref().map(|r| r.text(0)).transpose()? {
        Some("queued") => Ok(Failed::Again(again)),
        Some("superseded") => Ok(Failed::Superseded),
        Some("dead") => Ok(Failed::Dead),
        Some(other) => Err(Error::corrupt(format_args!("job of state '{other}'"))),
        None => Ok(Failed::Lost),
    }
}

/// How many jobs there are: kind, state, count.
pub async fn count_jobs(s: &mut Session) -> Result<Vec<(String, String, u64)>> {
    s.rows(&COUNT_JOBS, &[]).await?.iter().map(|r| Ok((r.string(0)?, r.string(1)?, r.size(2)?))).collect()
}

/// When the next queued job of these kinds is due.
pub async fn next_run(s: &mut Session, kinds: &[&str]) -> Result<Option<Timestamp>> {
    s.one(&NEXT_RUN, &[Value::Texts(kinds)]).await?.opt_time(0)
}

/// Forgets jobs that ended before `before`; dead ones stay for the operator.
pub async fn delete_finished(s: &mut Session, before: Timestamp) -> Result<u64> {
    s.exec(&DELETE_FINISHED, &values![before]).await
}
