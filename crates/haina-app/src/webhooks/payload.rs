//! What a webhook is told of an event: version 3 of the Hub's payload.

use haina_db::discussions::{self, Discussion, EventKind};
use haina_db::ledger::Event;
use haina_db::people::Namespace;
use haina_db::repos::Repo;
use haina_types::{Oid, Visibility};
use serde_json::{Value, json};

use super::manage::Domain;

/// How an event of the ledger is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) domain: Domain,
    pub(super) action: &'static str,
    pub(super) scope: &'static str,
}

const fn repo(action: &'static str, scope: &'static str) -> Told {
    Told { domain: Domain::Repo, action, scope }
}

const fn talk(action: &'static str, scope: &'static str) -> Told {
    Told { domain: Domain::Discussion, action, scope }
}

/// The scope of comments.
pub(super) const COMMENT: &str = "discussion.comment";

/// Every kind of event that is told, and how. A new kind is told by a row here; what else the payload has follows from
/// the event's data: `ref`, `old`, `new` for a reference, `from`, `to` for a move, `number` for a discussion and `event`
/// for a comment in it.
const TOLD: &[(&str, Told)] = &[
    ("repo.create", repo("create", "repo")),
    ("repo.delete", repo("delete", "repo")),
    ("repo.move", repo("move", "repo")),
    ("repo.settings", repo("update", "repo.config")),
    ("space.secret.set", repo("update", "repo.config")),
    ("space.secret.delete", repo("update", "repo.config")),
    ("space.variable.set", repo("update", "repo.config")),
    ("space.variable.delete", repo("update", "repo.config")),
    ("repo.commit", repo("update", "repo.content")),
    ("repo.push", repo("update", "repo.content")),
    ("ref.create", repo("update", "repo.content")),
    ("ref.move", repo("update", "repo.content")),
    ("ref.delete", repo("update", "repo.content")),
    ("ref.squash", repo("update", "repo.content")),
    ("ref.rewrite", repo("update", "repo.content")),
    ("bucket.create", repo("create", "repo")),
    ("bucket.delete", repo("delete", "repo")),
    ("bucket.settings", repo("update", "repo.config")),
    ("bucket.files", repo("update", "repo.content")),
    ("discussion.create", talk("create", "discussion")),
    ("discussion.title", talk("update", "discussion")),
    ("discussion.status", talk("update", "discussion")),
    ("discussion.merge", talk("update", "discussion")),
    ("discussion.comment", talk("create", COMMENT)),
    ("discussion.edit", talk("update", COMMENT)),
    ("discussion.hide", talk("update", COMMENT)),
];

/// Whether a scope tells of what is in a repository, and not only of the repository: closed gates keep that back.
pub(super) fn is_content(scope: &str) -> bool {
    !matches!(scope, "repo" | "repo.config")
}

/// How an event of this kind is told, if it is.
pub(super) fn told(kind: &str) -> Option<Told> {
    TOLD.iter().find(|(known, _)| *known == kind).map(|(_, told)| *told)
}

/// What an event is about, as it is now, or as it was if it is gone.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) repo: Repo,
    /// It was deleted: nothing is known but what the event says.
    pub(super) is_gone: bool,
    pub(super) head: Option<Oid>,
    pub(super) tags: Vec<String>,
    /// Of a move: the name before.
    pub(super) was: Option<String>,
}

/// The discussion of an event, and the comment if it is about one.
#[derive(Debug, Clone)]
pub(super) struct Talk {
    pub(super) discussion: Discussion,
    pub(super) comment: Option<discussions::Event>,
}

/// A person's or a comment's id as clients know it; zeros for somebody who is gone.
fn object_id(id: Option<i64>) -> String {
    format!("{:024x}", id.unwrap_or_default())
}

fn talk_values(base_url: &str, repo: &Repo, talk: &Talk) -> (Value, Option<Value>) {
    let d = &talk.discussion;
    let (prefix, path) = (repo.kind.url_prefix(), repo.path());
    let web = format!("{base_url}/{prefix}{path}/discussions/{}", d.number);
    let mut value = json!({
        "id": object_id(Some(d.id)),
        "num": d.number,
        "title": d.title,
        "status": d.status.as_str(),
        "isPullRequest": d.is_pull_request(),
        "author": {"id": object_id(d.author_id)},
        "url": {"web": web, "api": format!("{base_url}/api/{}/{path}/discussions/{}", repo.kind.plural(), d.number)},
    });
    if let Some(base) = &d.base {
        value["changes"] = json!({"base": base.as_str()});
        if let Some(commit) = &d.merge_commit {
            value["changes"]["mergeCommitId"] = json!(commit);
        }
    }
    let comment = talk.comment.as_ref().and_then(|event| match &event.kind {
        EventKind::Comment { text, hidden, .. } => {
            let id = object_id(Some(event.id));
            let mut comment = json!({
                "author": {"id": object_id(event.author_id)},
                "hidden": hidden,
                "url": {"web": format!("{web}#{id}")},
                "id": id,
            });
            if !hidden {
                comment["content"] = json!(text);
            }
            Some(comment)
        }
        _ => None,
    });
    (value, comment)
}

/// A namespace's id as clients know it.
fn owner_id(namespace: &Namespace) -> String {
    format!("{:024x}", namespace.id)
}

fn repo_value(base_url: &str, subject: &Subject) -> Value {
    let repo = &subject.repo;
    let name = subject.was.clone().unwrap_or_else(|| repo.path().to_string());
    let mut value = json!({
        "id": repo.public_id,
        "type": repo.kind,
        "name": name,
        "private": repo.visibility != Visibility::Public,
        "owner": {"id": owner_id(&repo.namespace)},
        "url": {
            "web": format!("{base_url}/{}{name}", repo.kind.url_prefix()),
            "api": format!("{base_url}/api/{}/{name}", repo.kind.plural()),
        },
    });
    if let Some(head) = &subject.head {
        value["headSha"] = json!(head);
    }
    if !subject.is_gone {
        value["tags"] = json!(subject.tags);
    }
    value
}

/// The payload, but for the webhook's own part.
pub(super) fn build(base_url: &str, told: Told, event: &Event, subject: &Subject, talk: Option<&Talk>) -> Value {
    let mut payload = json!({
        "event": {"action": told.action, "scope": told.scope},
        "repo": repo_value(base_url, subject),
    });
    if let Some(name) = event.data.get("ref").and_then(Value::as_str) {
        let side = |key: &str| event.data.get(key).cloned().unwrap_or(Value::Null);
        payload["updatedRefs"] = json!([{"ref": name, "oldSha": side("old"), "newSha": side("new")}]);
    }
    if subject.was.is_some() {
        let repo = &subject.repo;
        payload["movedTo"] = json!({"name": repo.path().to_string(), "owner": {"id": owner_id(&repo.namespace)}});
    }
    if let Some(talk) = talk {
        let (discussion, comment) = talk_values(base_url, &subject.repo, talk);
        payload["discussion"] = discussion;
        if let Some(comment) = comment {
            payload["comment"] = comment;
        }
    }
    payload
}

/// The payload as one webhook gets it.
pub(super) fn for_webhook(payload: &Value, webhook: &str) -> String {
    let mut payload = payload.clone();
    payload["webhook"] = json!({"id": webhook, "version": 3});
    payload.to_string()
}

#[cfg(test)]
mod tests {
    use haina_db::people::NamespaceKind;
    use haina_types::{RepoKind, RepoName, Slug, Timestamp};

    use super::*;

    fn subject(was: Option<&str>) -> Subject {
        let namespace = Namespace {
            id: 7,
            kind: NamespaceKind::Org,
            name: Slug::from_stored("acme"),
            full_name: "Acme".into(),
            created_at: Timestamp(0),
        };
        let repo = Repo {
            id: 1,
            public_id: "0123456789abcdef01234567".into(),
            kind: RepoKind::Dataset,
            namespace,
            name: RepoName::from_stored("rows"),
            visibility: Visibility::Private,
            gated: None,
            disabled_reason: None,
            created_by: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            likes: 0,
            downloads: 0,
            downloads_all: 0,
            trending: 0,
            used_bytes: 0,
            group_id: None,
        };
        Subject { repo, is_gone: false, head: Some(Oid([1; 20])), tags: vec!["zh".into()], was: was.map(str::to_owned) }
    }

    fn event(kind: &str, data: Value) -> Event {
        Event { id: 1, at: Timestamp(0), actor_id: None, kind: kind.into(), repo_id: Some(1), ns_id: Some(7), data }
    }

    #[test]
    fn content() {
        let event = event("repo.commit", json!({"title": "x", "ref": "refs/heads/main", "old": null, "new": "ab"}));
        let payload = build("https://hub.example", told(&event.kind).unwrap(), &event, &subject(None), None);
        assert_eq!(
            serde_json::from_str::<Value>(&for_webhook(&payload, "w")).unwrap(),
            json!({
                "event": {"action": "update", "scope": "repo.content"},
                "repo": {"id": "0123456789abcdef01234567", "type": "dataset", "name": "acme/rows", "private": true,
                    "owner": {"id": "000000000000000000000007"}, "headSha": Oid([1; 20]), "tags": ["zh"],
                    "url": {"web": "https://hub.example/datasets/acme/rows", "api": "https://hub.example/api/datasets/acme/rows"}},
                "updatedRefs": [{"ref": "refs/heads/main", "oldSha": null, "newSha": "ab"}],
                "webhook": {"id": "w", "version": 3},
            })
        );
    }

    #[test]
    fn a_move_tells_both_names() {
        let event = event("repo.move", json!({"kind": "dataset", "from": "bob/old", "to": "acme/rows"}));
        let payload = build("https://hub.example", told(&event.kind).unwrap(), &event, &subject(Some("bob/old")), None);
        assert_eq!(payload["event"], json!({"action": "move", "scope": "repo"}));
        assert_eq!(payload["repo"]["name"], "bob/old");
        assert_eq!(payload["movedTo"], json!({"name": "acme/rows", "owner": {"id": "000000000000000000000007"}}));
    }

    #[test]
    fn most_events_are_nobodys_business() {
        for kind in
            ["token.create", "user.password", "repo.like", "webhook.create", "collection.create", "lfs.lock", ""]
        {
            assert_eq!(told(kind), None, "{kind}");
        }
        let kinds: std::collections::HashSet<&str> = TOLD.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds.len(), TOLD.len());
    }
}
