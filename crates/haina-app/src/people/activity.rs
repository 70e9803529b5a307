//! What an organization's own settings say, and what happened in it lately, to whom it may be told.

use std::collections::HashMap;

use haina_db::ledger::{self, Event, EventFilter};
use haina_db::{Session, meta, people, repos};
use haina_types::{Error, OrgRole, RepoKind, Result, Timestamp, Visibility};
use serde_json::{Value, json};

use crate::gate::{OrgAdmin, OrgMember};
use crate::{App, Caller, Page};

/// Entries of one page when the caller names no number, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;
/// Events that are read for one page. A page may be short, and another follow it.
const READ_MAX: usize = 1000;

/// Events that members are told of, if they may know what they are about.
const OF_REPOS: [&str; 13] = [
    "repo.create",
    "repo.delete",
    "repo.move",
    "repo.settings",
    "repo.commit",
    "repo.push",
    "bucket.create",
    "bucket.delete",
    "bucket.move",
    "bucket.settings",
    "bucket.files",
    "discussion.create",
    "discussion.merge",
];
/// Who is a member, everyone may see.
const OF_MEMBERS: [&str; 3] = ["org.create", "org.member", "org.leave"];
/// Only for administrators of the organization.
const OF_ADMINS: [&str; 9] = [
    "repo.group",
    "org.invite",
    "org.invite.revoke",
    "org.invite.decline",
    "group.create",
    "group.update",
    "group.delete",
    "group.member",
    "group.leave",
];

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Its place in the ledger.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// What, such as `repo.create`.
    pub kind: String,
    /// Who; nobody if the operator or the hub itself, or if they are gone.
    pub actor: Option<String>,
    /// To which repository or bucket: kind and name of today, or the last one.
    pub repo: Option<(RepoKind, String)>,
    /// To whom.
    pub user: Option<String>,
    /// The role that they got.
    pub role: Option<String>,
}

fn key(ns: i64) -> String {
    format!("visibility/{ns}")
}

/// What a new repository or bucket of this owner is when nobody says.
pub(crate) async fn default_visibility(s: &mut Session, ns: i64) -> Result<Visibility> {
    match meta::find_setting(s, &key(ns)).await? {
        Some(text) => text.parse().map_err(|()| Error::internal("a default visibility that is none")),
        None => Ok(Visibility::Public),
    }
}

impl App {
    /// What new repositories and buckets of an organization are when nobody says.
    pub async fn org_visibility(&self, access: &OrgMember) -> Result<Visibility> {
        let mut s = self.db().read().await?;
        default_visibility(&mut s, access.org().id).await
    }

    /// Sets it.
    pub async fn set_org_visibility(&self, access: &OrgAdmin, visibility: Visibility) -> Result<()> {
        let mut tx = self.db().begin().await?;
        meta::put_setting(&mut tx, &key(access.org().id), visibility.as_str()).await?;
        let data = json!({"key": "visibility", "value": visibility});
        self.append(&mut tx, access.actor(), "setting.change", None, Some(access.org().id), data).await?;
        Ok(tx.commit().await?)
    }

    /// What happened in an organization, the newest first, as far as the caller may know.
    pub async fn org_activity(
        &self,
        caller: &Caller,
        access: &OrgMember,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page<Activity>> {
        let limit = limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let wrong = |_| Error::invalid("This cursor is not one of ours: start again from the first page.");
        let mut after: i64 = cursor.map(str::parse).transpose().map_err(wrong)?.unwrap_or(0);
        let manages = access.may_manage() || access.role() == Some(OrgRole::Admin);
        let mut names: HashMap<i64, Option<String>> = HashMap::new();
        let (mut items, mut read, mut more) = (Vec::new(), 0, true);
        while more && items.len() < limit && read < READ_MAX {
            let filter =
                EventFilter { after, ns_id: Some(access.org().id), newest_first: true, ..EventFilter::default() };
            let events = {
                let mut s = self.db().read().await?;
                ledger::list_events(&mut s, &filter, PAGE_MAX).await?
            };
            more = events.len() == PAGE_MAX;
            for event in events {
                if items.len() == limit {
                    more = true;
                    break;
                }
                (after, read) = (event.id, read + 1);
                items.extend(self.tell(caller, manages, event, &mut names).await?);
            }
        }
        Ok(Page { items, next: more.then(|| after.to_string()) })
    }

    /// What is told of an event; nothing if they may not know.
    async fn tell(
        &self,
        caller: &Caller,
        manages: bool,
        event: Event,
        names: &mut HashMap<i64, Option<String>>,
    ) -> Result<Option<Activity>> {
        let kind = event.kind.as_str();
        let of_repo = OF_REPOS.contains(&kind);
        let for_them = of_repo || OF_MEMBERS.contains(&kind) || (manages && OF_ADMINS.contains(&kind));
        if !for_them {
            return Ok(None);
        }
        let found = match event.repo_id {
            Some(id) => {
                let mut s = self.db().read().await?;
                repos::find_repo_by_id(&mut s, id).await?
            }
            None => None,
        };
        let text = |name: &str| event.data.get(name).and_then(Value::as_str).map(str::to_owned);
        let repo = match found {
            // The gate says whether it exists for them now, whatever it was when this happened.
            Some(repo) if self.may_know(caller, &repo).await? => Some((repo.kind, repo.path().to_string())),
            Some(_) => return Ok(None),
            // Who could see what is gone, only administrators need not be asked.
            None if event.repo_id.is_some() && !manages => return Ok(None),
            None if event.repo_id.is_some() => {
                let of_bucket = if kind.starts_with("bucket.") { RepoKind::Bucket } else { RepoKind::Model };
                text("name").map(|name| (text("kind").and_then(|k| k.parse().ok()).unwrap_or(of_bucket), name))
            }
            None => None,
        };
        let actor = match event.actor_id {
            Some(id) => match names.get(&id) {
                Some(name) => name.clone(),
                None => {
                    let mut s = self.db().read().await?;
                    let name = people::find_namespace_by_id(&mut s, id).await?.map(|n| n.name.to_string());
                    names.insert(id, name.clone());
                    name
                }
            },
            None => None,
        };
        let (user, role) = if of_repo { (None, None) } else { (text("user"), text("role")) };
        Ok(Some(Activity { id: event.id, at: event.at, kind: event.kind.clone(), actor, repo, user, role }))
    }
}
