//! Follows the ledger and queues what webhooks are told.
//!
//! A batch of events costs a few point reads, one look-up of who watches any of it, and one transaction, whatever the
//! number of webhooks: it joins the group that the database synchronises anyway, so commits do not wait for it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use haina_db::ledger::{self, Event, EventFilter};
use haina_db::repos::{self, Repo};
use haina_db::webhooks::{self, NewDelivery, Webhook};
use haina_db::{discussions, git, people};
use haina_types::{RefName, RepoPath, Result, Visibility};
use serde_json::Value;
use tokio::sync::watch;

use super::manage::{Domain, is_told_of, owner_target, repo_target};
use super::payload::{self, Subject, Talk, Told};
use crate::App;

/// The name of this reader.
const READER: &str = "webhooks";
/// Events read at once.
const BATCH: usize = 256;
/// How often the ledger is looked at when nothing new was in it.
const IDLE: Duration = Duration::from_millis(200);
/// The wait after a failure.
const TROUBLE: Duration = Duration::from_secs(2);
/// Most deliveries that wait for one webhook; one that falls so far behind is switched off.
const WAITING_MAX: usize = 10_000;

/// Follows the ledger until told to stop.
pub(crate) async fn read_ledger(app: App, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        let wait = match app.read_outbox().await {
            Ok(BATCH..) => continue,
            Ok(_) => IDLE,
            Err(e) => {
                tracing::error!(error = ?e, "the ledger could not be read for webhooks");
                TROUBLE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            changed = stopped.changed() => if changed.is_err() { return },
        }
    }
}

/// An event that is told, what it is about, and who is watching.
struct Matter {
    event: Event,
    told: Told,
    subject: Subject,
    talk: Option<Talk>,
    targets: Vec<String>,
}

/// The repository of an event that says all that is needed of one that is gone.
fn gone(event: &Event, namespace: people::Namespace) -> Option<Repo> {
    let text = |key: &str| event.data.get(key).and_then(Value::as_str);
    let path: RepoPath = text("name")?.parse().ok()?;
    Some(Repo {
        id: event.repo_id?,
        public_id: text("id")?.to_owned(),
        kind: text("kind")?.parse().ok()?,
        namespace,
        name: path.name,
        visibility: text("visibility")?.parse().unwrap_or(Visibility::Private),
        gated: None,
        disabled_reason: None,
        created_by: None,
        created_at: event.at,
        updated_at: event.at,
        likes: 0,
        downloads: 0,
        downloads_all: 0,
        trending: 0,
        used_bytes: 0,
        group_id: event.data.get("group").and_then(Value::as_i64),
    })
}

impl App {
    /// Queues what webhooks are told of the next events; how many events were read. For workers, and for tests that
    /// do without them.
    pub async fn read_outbox(&self) -> Result<usize> {
        let (at, events, is_needed, last) = {
            let mut s = self.db().read().await?;
            let at = webhooks::outbox(&mut s, READER).await?;
            let events =
                ledger::list_events(&mut s, &EventFilter { after: at, ..EventFilter::default() }, BATCH).await?;
            if events.is_empty() {
                return Ok(0);
            }
            let is_needed = webhooks::has_any(&mut s).await?;
            let last = if is_needed { events.last().map_or(at, |e| e.id) } else { ledger::last_event(&mut s).await? };
            (at, events, is_needed, last)
        };
        let read = events.len();
        if !is_needed {
            // Nobody listens. The place is kept roughly, so that an idle hub writes nothing; a webhook made later is
            // not told of what was before it.
            if read == BATCH {
                let mut tx = self.db().begin().await?;
                webhooks::advance(&mut tx, READER, at, last).await?;
                tx.commit().await?;
            }
            return Ok(0);
        }
        let mut matters = Vec::new();
        // Several events of one repository are told with what it was when they were read.
        let mut known: HashMap<i64, (Subject, Vec<String>)> = HashMap::new();
        for event in events {
            let Some(told) = payload::told(&event.kind) else { continue };
            let id = event.repo_id.unwrap_or_default();
            let found = match known.get(&id).filter(|(subject, _)| !subject.is_gone && subject.was.is_none()) {
                Some(found) if event.kind != "repo.move" => Some(found.clone()),
                _ => self.subject(&event).await?,
            };
            if let Some((subject, targets)) = found {
                known.insert(id, (subject.clone(), targets.clone()));
                let talk = match told.domain {
                    Domain::Repo => None,
                    Domain::Discussion => match self.talk_of(&event, told).await? {
                        Some(talk) => Some(talk),
                        None => continue,
                    },
                };
                matters.push(Matter { event, told, subject, talk, targets });
            }
        }
        let queued = self.audience(&matters).await?;
        let now = self.now();
        // Whatever takes time is done before the transaction begins: on SQLite it is the only one.
        let names: Vec<(String, String)> = queued
            .iter()
            .map(|(matter, ..)| {
                let repo = &matter.subject.repo;
                (self.public_id(), format!("{}{}", repo.kind.url_prefix(), repo.path()))
            })
            .collect();
        let new: Vec<NewDelivery<'_>> = queued
            .iter()
            .zip(&names)
            .map(|((matter, webhook, body), (public_id, subject))| NewDelivery {
                public_id,
                webhook_id: webhook.id,
                event_id: matter.event.id,
                replay_of: None,
                scope: matter.told.scope,
                action: matter.told.action,
                subject,
                repo_id: (!matter.subject.is_gone).then_some(matter.subject.repo.id),
                payload: body,
                created_at: now,
            })
            .collect();
        let mut tx = self.db().begin().await?;
        if !webhooks::advance(&mut tx, READER, at, last).await? {
            // Another process of this hub was quicker.
            return Ok(read);
        }
        webhooks::insert_deliveries(&mut tx, &new).await?;
        for webhook in self.webhooks().to_be_counted(queued.iter().map(|(_, webhook, _)| webhook)) {
            if webhooks::count_waiting(&mut tx, webhook.id, WAITING_MAX + 1).await? > WAITING_MAX {
                self.give_up_webhook(&mut tx, webhook, "overflow").await?;
            }
        }
        tx.commit().await?;
        if !queued.is_empty() {
            self.webhooks().queued.notify_one();
        }
        Ok(read)
    }

    /// What an event is about, and the targets by which it is watched. `None` if nothing is known of it any more: its
    /// deletion is told by an event of its own.
    async fn subject(&self, event: &Event) -> Result<Option<(Subject, Vec<String>)>> {
        let Some(id) = event.repo_id else { return Ok(None) };
        let mut s = self.db().read().await?;
        let mut subject = match repos::find_repo_by_id(&mut s, id).await? {
            Some(repo) => Subject {
                head: git::find_ref(&mut s, id, &RefName::main()).await?.map(|r| r.oid),
                tags: repos::list_repo_tags(&mut s, id).await?,
                repo,
                is_gone: false,
                was: None,
            },
            None => {
                let owner = match event.ns_id {
                    Some(ns) => people::find_namespace_by_id(&mut s, ns).await?,
                    None => None,
                };
                let Some(repo) = owner.and_then(|ns| gone(event, ns)) else { return Ok(None) };
                Subject { repo, is_gone: true, head: None, tags: Vec::new(), was: None }
            }
        };
        let path = subject.repo.path();
        let mut targets = vec![
            repo_target(subject.repo.kind, &path),
            owner_target(subject.repo.namespace.is_org(), &subject.repo.namespace.name.fold()),
        ];
        // Who watched the old name of something that was moved is told where it went.
        if event.kind == "repo.move"
            && let Some(from) = event.data.get("from").and_then(Value::as_str)
            && let Ok(was) = from.parse::<RepoPath>()
        {
            targets.push(repo_target(subject.repo.kind, &was));
            let owner = people::find_namespace(&mut s, &was.namespace.fold()).await?;
            targets.extend(owner.map(|ns| owner_target(ns.is_org(), &ns.name.fold())));
            subject.was = Some(was.to_string());
        }
        Ok(Some((subject, targets)))
    }

    /// The discussion that an event is about, as it is now, and the comment: the first one of a new discussion.
    async fn talk_of(&self, event: &Event, told: Told) -> Result<Option<Talk>> {
        let number = |key: &str| event.data.get(key).and_then(Value::as_i64);
        let (Some(repo), Some(n)) = (event.repo_id, number("number")) else { return Ok(None) };
        let mut s = self.db().read().await?;
        let Some(discussion) = discussions::find_discussion(&mut s, repo, n).await? else { return Ok(None) };
        let comment = match (told.scope, told.action, number("event")) {
            (payload::COMMENT, _, Some(id)) => discussions::find_event(&mut s, discussion.id, id).await?,
            (_, "create", _) => discussions::list_events(&mut s, discussion.id, 1).await?.pop(),
            _ => None,
        };
        Ok(Some(Talk { discussion, comment }))
    }

    /// Who is told of what, and what exactly: webhooks that watch it, are told of its domain, were there before, and
    /// whose owners may know of it.
    async fn audience<'a>(&self, matters: &'a [Matter]) -> Result<Vec<(&'a Matter, Webhook, String)>> {
        let mut targets: Vec<&str> = matters.iter().flat_map(|m| m.targets.iter().map(String::as_str)).collect();
        targets.sort_unstable();
        targets.dedup();
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        let mut watching: HashMap<String, Vec<Webhook>> = HashMap::new();
        {
            let mut s = self.db().read().await?;
            for (webhook, target) in webhooks::watchers(&mut s, &targets).await? {
                watching.entry(target).or_default().push(webhook);
            }
        }
        let mut may_know: HashMap<(i64, i64, bool, bool), bool> = HashMap::new();
        let mut audience = Vec::new();
        for matter in matters {
            let found = matter.targets.iter().filter_map(|t| watching.get(t)).flatten();
            let mut once = HashSet::new();
            let told: Vec<&Webhook> = found
                .filter(|w| is_told_of(w, matter.told.domain) && matter.event.id > w.after_event && once.insert(w.id))
                .collect();
            if told.is_empty() {
                continue;
            }
            let body =
                payload::build(self.base_url(), matter.told, &matter.event, &matter.subject, matter.talk.as_ref());
            for webhook in told {
                let repo = &matter.subject.repo;
                let content = payload::is_content(matter.told.scope);
                let key = (webhook.user_id, repo.id, matter.subject.is_gone, content);
                let knows = match may_know.get(&key) {
                    Some(knows) => *knows,
                    None => {
                        let knows = self.may_be_told(repo, webhook.user_id, content).await?;
                        may_know.insert(key, knows);
                        knows
                    }
                };
                if knows {
                    audience.push((matter, webhook.clone(), payload::for_webhook(&body, &webhook.public_id)));
                }
            }
        }
        Ok(audience)
    }
}
