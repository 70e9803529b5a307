//! What the ledger says, for those who answer for it: filtered, in pages, or all of it as a stream.

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::stream;
use haina_db::ledger::{self, Event, EventFilter};
use haina_db::people;
use haina_types::{Error, RepoKind, RepoPath, Result, Slug, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::content::ByteStream;
use crate::gate::{AuditAccess, Scope, find_by_name};
use crate::requests::cell;
use crate::{App, Page};

/// Most events of a page.
pub const PAGE_MAX: usize = 1000;
/// Events of a page if nobody says how many.
const PAGE_LEN: usize = 100;
/// Events that an export reads at once.
const STEP: usize = 500;
/// What no event has.
const NOTHING: i64 = -1;

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// By this user.
    pub actor: Option<String>,
    /// Of this kind, such as `repo.create`, or of all kinds that begin so: `repo.*`.
    pub action: Option<String>,
    /// About a repository (`namespace/name`, `datasets/namespace/name`, or `repo:N` by the number it has in the ledger, for
    /// one that is gone), or about all that a user or an organization has (`namespace`).
    pub target: Option<String>,
    /// From this moment on.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// How many.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// A repository that an event is about.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Subject {
    /// Its number in the ledger.
    pub id: i64,
    /// What it holds; none if it is gone and the event does not say.
    #[serde(rename = "type")]
    pub kind: Option<RepoKind>,
    /// Its name today, or the last one that the event knew.
    pub name: Option<String>,
    /// Whether it is gone.
    pub gone: bool,
}

/// An event as those see it who answer for it.
#[derive(Debug, Clone, Serialize)]
pub struct AuditEvent {
    /// Its number in the ledger.
    pub id: i64,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub date: Timestamp,
    /// What happened.
    pub action: String,
    /// Who; none if it was the operator or the hub itself.
    pub actor: Option<String>,
    /// To which repository.
    pub repo: Option<Subject>,
    /// To whom, or whose repository it was.
    pub namespace: Option<String>,
    /// Whatever else the ledger knows.
    pub data: Value,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(at)
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line.
    Lines,
    /// One JSON array.
    Array,
    /// Comma-separated values.
    Csv,
}

/// A date, or a moment.
pub fn parse_moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok())
}

/// Whether it can be the kind of an event, or of a family of them.
fn action_filter(text: &str, filter: &mut EventFilter) -> Result<()> {
    let (name, is_family) = match text.strip_suffix('*') {
        Some(family) => (family, true),
        None => (text, false),
    };
    if name.len() > 64 || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'.' || b == b'_') {
        return Err(Error::invalid("\"action\" must be like repo.create, or like repo.* for all that begin so."));
    }
    match is_family {
        true => filter.family = Some(name.to_owned()).filter(|name| !name.is_empty()),
        false => filter.kind = Some(name.to_owned()),
    }
    Ok(())
}

/// What a target names: a repository by its number or its name, or a namespace.
enum Target {
    Number(i64),
    Repo(RepoKind, RepoPath),
    Namespace(Slug),
}

fn parse_target(text: &str) -> Result<Target> {
    let wrong =
        || Error::invalid("\"target\" must be like namespace/name, datasets/namespace/name, repo:17, or namespace.");
    if let Some(number) = text.strip_prefix("repo:") {
        return number.parse().map(Target::Number).map_err(|_| wrong());
    }
    if let Some((first, rest)) = text.split_once('/')
        && rest.contains('/')
    {
        let kind = [RepoKind::Bucket].into_iter().chain(RepoKind::ALL).find(|kind| kind.plural() == first);
        let path = rest.parse().map_err(|_| wrong())?;
        return Ok(Target::Repo(kind.ok_or_else(wrong)?, path));
    }
    if text.contains('/') {
        return text.parse().map(|path| Target::Repo(RepoKind::Model, path)).map_err(|_| wrong());
    }
    text.parse().map(Target::Namespace).map_err(|_| wrong())
}

fn export_line(out: &mut String, event: &AuditEvent, form: Form, is_first: bool) -> Result<()> {
    if form == Form::Csv {
        let (kind, name, number) = match &event.repo {
            Some(repo) => (repo.kind.map(RepoKind::as_str), repo.name.as_deref(), repo.id.to_string()),
            None => (None, None, String::new()),
        };
        let cells = [
            &event.id.to_string(),
            &event.date.to_string(),
            &event.action,
            event.actor.as_deref().unwrap_or(""),
            event.namespace.as_deref().unwrap_or(""),
            kind.unwrap_or(""),
            name.unwrap_or(""),
            &number,
            &event.data.to_string(),
        ];
        for (i, text) in cells.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            cell(out, text);
        }
        out.push_str("\r\n");
        return Ok(());
    }
    if form == Form::Array {
        out.push_str(if is_first { "[\n" } else { ",\n" });
    }
    out.push_str(&serde_json::to_string(event).map_err(Error::internal)?);
    if form == Form::Lines {
        out.push('\n');
    }
    Ok(())
}

/// An export on its way.
struct Export {
    app: App,
    filter: EventFilter,
    form: Form,
    is_first: bool,
}

impl Export {
    /// The next part of the text; none at the end.
    async fn next(mut self) -> Result<Option<(Bytes, Option<Self>)>> {
        let events = {
            let mut s = self.app.db().read().await?;
            let events = ledger::list_events(&mut s, &self.filter, STEP).await?;
            tell(&mut s, events).await?
        };
        let mut out = String::new();
        if self.is_first && self.form == Form::Csv {
            out.push_str("id,date,action,actor,namespace,type,repository,number,data\r\n");
        }
        for event in &events {
            export_line(&mut out, event, self.form, self.is_first)?;
            self.is_first = false;
        }
        if let (Some(last), STEP) = (events.last(), events.len()) {
            self.filter.after = last.id;
            return Ok(Some((out.into(), Some(self))));
        }
        if self.form == Form::Array {
            out.push_str(if self.is_first { "[]\n" } else { "\n]\n" });
        }
        Ok(Some((out.into(), None)))
    }
}

/// Events with the names of today.
async fn tell(s: &mut haina_db::Session, events: Vec<Event>) -> Result<Vec<AuditEvent>> {
    let unique = |ids: &mut Vec<i64>| {
        ids.sort_unstable();
        ids.dedup();
    };
    let mut people: Vec<i64> = events.iter().flat_map(|e| [e.actor_id, e.ns_id]).flatten().collect();
    let mut repos: Vec<i64> = events.iter().filter_map(|e| e.repo_id).collect();
    unique(&mut people);
    unique(&mut repos);
    let names = ledger::list_names(s, &people).await?;
    let repos = ledger::list_repo_names(s, &repos).await?;
    Ok(events.into_iter().map(|event| told(event, &names, &repos)).collect())
}

fn told(event: Event, names: &HashMap<i64, String>, repos: &HashMap<i64, (RepoKind, String)>) -> AuditEvent {
    // Somebody who is gone is a number still: what one did can be told from what another did.
    let name = |id: i64| names.get(&id).cloned().unwrap_or_else(|| format!("#{id}"));
    let repo = event.repo_id.map(|id| match repos.get(&id) {
        Some((kind, name)) => Subject { id, kind: Some(*kind), name: Some(name.clone()), gone: false },
        None => Subject {
            id,
            kind: event.data["kind"].as_str().and_then(|k| k.parse().ok()),
            name: event.data["name"].as_str().map(str::to_owned),
            gone: true,
        },
    });
    AuditEvent {
        id: event.id,
        date: event.at,
        action: event.kind,
        actor: event.actor_id.map(name),
        repo,
        namespace: event.ns_id.map(name),
        data: event.data,
    }
}

impl App {
    /// What the query means, within what the access lets one see.
    async fn audit_filter(&self, access: &AuditAccess, query: &AuditQuery) -> Result<EventFilter> {
        let mut filter = EventFilter { newest_first: true, ..EventFilter::default() };
        let mut s = self.db().read().await?;
        if let Some(cursor) = &query.cursor {
            let id: Option<i64> = cursor.parse().ok().filter(|id| *id > 0);
            filter.after = id.ok_or_else(|| Error::invalid("\"cursor\" is not one of ours."))?;
        }
        if let Some(actor) = &query.actor {
            let slug: Slug = actor.parse().map_err(|_| Error::invalid("\"actor\" must be a user name."))?;
            let found = people::find_user(&mut s, &slug.fold()).await?;
            filter.actor_id = Some(found.map_or(NOTHING, |user| user.id));
        }
        if let Some(action) = &query.action {
            action_filter(action, &mut filter)?;
        }
        // What is not there and what one may not know are answered alike: with no events.
        match query.target.as_deref().map(parse_target).transpose()? {
            None => {}
            Some(Target::Number(id)) => filter.repo_id = Some(id),
            Some(Target::Repo(kind, path)) => {
                let found = find_by_name(&mut s, kind, &path).await?;
                filter.repo_id = Some(found.map_or(NOTHING, |repo| repo.id));
            }
            Some(Target::Namespace(name)) => {
                let found = people::find_namespace(&mut s, &name.fold()).await?;
                filter.ns_id = Some(found.map_or(NOTHING, |ns| ns.id));
            }
        }
        match access.scope() {
            Scope::All => {}
            Scope::Repo(id) => {
                filter.repo_id = Some(if filter.repo_id.is_none_or(|asked| asked == id) { id } else { NOTHING });
            }
            Scope::Namespace(id) => {
                filter.ns_id = Some(if filter.ns_id.is_none_or(|asked| asked == id) { id } else { NOTHING });
            }
        }
        if let Some(since) = query.since {
            filter.floor = ledger::seek_event(&mut s, since).await?;
            filter.since = Some(since);
        }
        if let Some(until) = query.until {
            filter.until = Some(until);
        }
        Ok(filter)
    }

    /// A page of events, newest first.
    pub async fn audit(&self, access: &AuditAccess, query: &AuditQuery) -> Result<Page<AuditEvent>> {
        let filter = self.audit_filter(access, query).await?;
        let limit = query.limit.unwrap_or(PAGE_LEN).clamp(1, PAGE_MAX);
        let mut s = self.db().read().await?;
        let mut events = ledger::list_events(&mut s, &filter, limit + 1).await?;
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(Page { items: tell(&mut s, events).await?, next })
    }

    /// All events that the query finds, newest first, as a text that is made while it is read.
    pub async fn export_audit(&self, access: &AuditAccess, query: &AuditQuery, form: Form) -> Result<ByteStream> {
        let filter = self.audit_filter(access, query).await?;
        let first = Export { app: self.clone(), filter, form, is_first: true };
        Ok(Box::pin(stream::try_unfold(Some(first), |export| async move {
            match export {
                Some(export) => export.next().await,
                None => Ok(None),
            }
        })))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use super::*;

    #[test]
    fn moments_and_targets() {
        let day: Timestamp = "2026-02-03T00:00:00Z".parse().unwrap();
        assert_eq!(parse_moment("2026-02-03"), Some(day));
        assert_eq!(parse_moment("2026-02-03T01:00:00+01:00"), Some(day));
        assert_eq!(parse_moment("yesterday"), None);
        assert!(matches!(parse_target("buckets/a/b"), Ok(Target::Repo(RepoKind::Bucket, _))));
        assert!(matches!(parse_target("a/b"), Ok(Target::Repo(RepoKind::Model, _))));
        assert!(matches!(parse_target("repo:17"), Ok(Target::Number(17))));
        assert!(matches!(parse_target("a"), Ok(Target::Namespace(_))));
        for bad in ["", "repo:", "repo:x", "cars/a/b", "a/b/c/d", "a b"] {
            assert!(parse_target(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_of_tables_are_no_formulas() {
        let event = AuditEvent {
            id: 1,
            date: Timestamp(0),
            action: "repo.create".into(),
            actor: Some("ada".into()),
            repo: Some(Subject { id: 7, kind: Some(RepoKind::Model), name: Some("=a/b".into()), gone: false }),
            namespace: None,
            data: serde_json::json!({"name": "\"x\""}),
        };
        let mut out = String::new();
        export_line(&mut out, &event, Form::Csv, true).unwrap();
        let expected = "\"1\",\"1970-01-01T00:00:00.000Z\",\"repo.create\",\"ada\",\"\",\"model\",\"'=a/b\",\"7\",\"{\"\"name\"\":\"\"\\\"\"x\\\"\"\"\"}\"\r\n";
        assert_eq!(out, expected);
    }
}
