//! The ledger: whatever changes the community appends an event in the same transaction.
//!
//! Events are written just before the commit, after everything else of the transaction. On PostgreSQL a lock is taken
//! for that moment, so that ids are in the order in which events become visible: a reader that remembers the last id
//! it saw misses nothing. Because it is always the last lock, it cannot take part in a deadlock.

use std::collections::HashMap;

use haina_types::{RepoKind, Timestamp};

use crate::sql::{Row, Sql, Value, statements, values};
use crate::{Error, Result, Session};

statements! {
    LOCK_LEDGER = pair("select 1", "select 1 from (select pg_advisory_xact_lock(7521962890157190503)) l");
    APPEND_EVENT = point(
        "insert into event (at, actor_id, kind, repo_id, ns_id, data) values ($1, $2, $3, $4, $5, $6)"
    );
    LAST_EVENT = point("select coalesce(max(id), 0) from event");
    NEXT_EVENT = point("select id, at from event where id >= $1 order by id limit 1");
    LIST_NAMES = pair(
        "select id, name from namespace where id in (select value from json_each($1))",
        "select id, name from namespace where id = any($1)"
    );
    LIST_REPO_NAMES = pair(
        "select r.id, r.kind, n.name, r.name from repo r join namespace n on n.id = r.ns_id
         where r.id in (select value from json_each($1))",
        "select r.id, r.kind, n.name, r.name from repo r join namespace n on n.id = r.ns_id where r.id = any($1)"
    );
}

/// An event to append.
#[derive(Debug, Clone)]
pub struct NewEvent<'a> {
    /// When.
    pub at: Timestamp,
    /// Who; nobody if the operator or the hub itself.
    pub actor_id: Option<i64>,
    /// What happened, such as `repo.create`.
    pub kind: &'a str,
    /// To which repository.
    pub repo_id: Option<i64>,
    /// To which namespace.
    pub ns_id: Option<i64>,
    /// Whatever else is to be known.
    pub data: serde_json::Value,
}

/// An event that waits for the commit.
#[derive(Debug)]
pub(crate) struct Pending {
    at: Timestamp,
    actor_id: Option<i64>,
    kind: String,
    repo_id: Option<i64>,
    ns_id: Option<i64>,
    data: String,
}

/// Appends an event when this transaction commits.
pub async fn append_event(s: &mut Session, event: &NewEvent<'_>) -> Result<()> {
    s.check_writes()?;
    s.events.push(Pending {
        at: event.at,
        actor_id: event.actor_id,
        kind: event.kind.to_owned(),
        repo_id: event.repo_id,
        ns_id: event.ns_id,
        data: event.data.to_string(),
    });
    Ok(())
}

pub(crate) async fn flush(s: &mut Session) -> Result<()> {
    let events = std::mem::take(&mut s.events);
    if events.is_empty() {
        return Ok(());
    }
    if s.is_postgres() {
        s.one(&LOCK_LEDGER, &[]).await?;
    }
    for e in &events {
        s.exec(&APPEND_EVENT, &values![e.at, e.actor_id, &e.kind, e.repo_id, e.ns_id, &e.data]).await?;
    }
    Ok(())
}

/// An event of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the ledger.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor_id: Option<i64>,
    /// What happened.
    pub kind: String,
    /// To which repository, which may be gone.
    pub repo_id: Option<i64>,
    /// To which namespace.
    pub ns_id: Option<i64>,
    /// Whatever else is to be known.
    pub data: serde_json::Value,
}

impl Event {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            at: row.time(1)?,
            actor_id: row.opt_int(2)?,
            kind: row.string(3)?,
            repo_id: row.opt_int(4)?,
            ns_id: row.opt_int(5)?,
            data: serde_json::from_str(row.text(6)?)
                .map_err(|e| Error::corrupt(format_args!("data of an event: {e}")))?,
        })
    }
}

/// Which events to list. The default is all, oldest first.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// After this id; with `newest_first` before it. 0 begins at the end that comes first.
    pub after: i64,
    /// About this repository.
    pub repo_id: Option<i64>,
    /// About this namespace.
    pub ns_id: Option<i64>,
    /// By this account.
    pub actor_id: Option<i64>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Of a kind that begins so, such as `repo.`.
    pub family: Option<String>,
    /// With this id or a later one; 0 for all.
    pub floor: i64,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Newest first.
    pub newest_first: bool,
}

fn list_statement(filter: &EventFilter, limit: usize) -> (Sql, Vec<Value<'_>>) {
    let (beyond, order) = if filter.newest_first { ("<", "desc") } else { (">", "asc") };
    let after = if filter.newest_first && filter.after == 0 { i64::MAX } else { filter.after };
    let mut params = vec![Value::Int(after), Value::from(limit)];
    let mut text = format!("select id, at, actor_id, kind, repo_id, ns_id, data from event where id {beyond} $1");
    let ids = [("repo_id", filter.repo_id), ("ns_id", filter.ns_id), ("actor_id", filter.actor_id)];
    let ids = ids.into_iter().filter_map(|(column, id)| id.map(|id| (column, "=", Value::Int(id))));
    let floor = (filter.floor > 0).then_some(("id", ">=", Value::Int(filter.floor)));
    let times = [("since", ">=", filter.since), ("until", "<", filter.until)];
    let times = times.into_iter().filter_map(|(_, is, at)| at.map(|at| ("at", is, Value::from(at))));
    let kind = filter.kind.as_ref().map(|k| ("kind", "=", Value::from(k)));
    for (column, is, value) in ids.chain(kind).chain(floor).chain(times) {
        params.push(value);
        text.push_str(&format!(" and {column} {is} ${}", params.len()));
    }
    if let Some(family) = &filter.family {
        params.push(Value::from(family));
        let n = params.len();
        text.push_str(&format!(" and substr(kind, 1, length(${n})) = ${n}"));
    }
    text.push_str(&format!(" order by id {order} limit $2"));
    (Sql::built("ledger::list_events", text, true), params)
}

/// Events of the ledger, at most `limit`.
pub async fn list_events(s: &mut Session, filter: &EventFilter, limit: usize) -> Result<Vec<Event>> {
    let (sql, params) = list_statement(filter, limit);
    s.rows(&sql, &params).await?.iter().map(Event::from_row).collect()
}

/// The id of the last event; 0 if there is none.
pub async fn last_event(s: &mut Session) -> Result<i64> {
    s.one(&LAST_EVENT, &[]).await?.int(0)
}

/// How far the time of an event may be behind that of one before it: transactions take a while, and clocks are set.
const OUT_OF_ORDER_SECONDS: i64 = 3600;

/// An id before which no event happened at this moment or later; found by halving, since times have no index.
pub async fn seek_event(s: &mut Session, at: Timestamp) -> Result<i64> {
    let at = at.plus_seconds(-OUT_OF_ORDER_SECONDS);
    let (mut low, mut high) = (1, last_event(s).await?.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match s.opt(&NEXT_EVENT, &values![middle]).await? {
            Some(row) if row.time(1)? < at => low = row.int(0)?.saturating_add(1),
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The names of users and organizations, as far as they are still there.
pub async fn list_names(s: &mut Session, ids: &[i64]) -> Result<HashMap<i64, String>> {
    s.rows(&LIST_NAMES, &[Value::Ints(ids)]).await?.iter().map(|r| Ok((r.int(0)?, r.string(1)?))).collect()
}

/// The kinds, owners and names of repositories, as far as they are still there.
pub async fn list_repo_names(s: &mut Session, ids: &[i64]) -> Result<HashMap<i64, (RepoKind, String)>> {
    let rows = s.rows(&LIST_REPO_NAMES, &[Value::Ints(ids)]).await?;
    let one = |r: &Row| Ok((r.int(0)?, (r.parse(1)?, format!("{}/{}", r.text(2)?, r.text(3)?))));
    rows.iter().map(one).collect()
}

/// Lists of every shape, for the test that prepares all statements.
pub(crate) fn list_shapes() -> Vec<Sql> {
    let shape = |bits: u32| {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let id = |bit: u32| on(bit).then_some(1);
        let kind = on(3).then(String::new);
        let at = |bit: u32| on(bit).then_some(Timestamp(1));
        let filter = EventFilter {
            after: 0,
            repo_id: id(0),
            ns_id: id(1),
            actor_id: id(2),
            kind,
            newest_first: on(4),
            family: on(5).then(String::new),
            floor: i64::from(on(6)),
            since: at(7),
            until: at(8),
        };
        list_statement(&filter, 1).0
    };
    (0..512).map(shape).collect()
}
