//! A person's own webhooks: made, changed, switched off and on, deleted.

use haina_db::webhooks::{self, Settings, Webhook};
use haina_net::Target;
use haina_types::{Code, Error, RepoKind, RepoPath, Result, Slug, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::App;
use crate::gate::SelfAccess;
use crate::secrets::webhook_place;

/// Most webhooks of one user.
const WEBHOOKS_MAX: usize = 100;
/// Most things that one webhook watches.
const WATCHED_MAX: usize = 100;
/// Longest secret.
const SECRET_BYTES_MAX: usize = 256;

/// What sort of thing is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WatchedKind {
    /// All that a user owns.
    User,
    /// All that an organization owns.
    Org,
    /// A model.
    Model,
    /// A data set.
    Dataset,
    /// A space.
    Space,
    /// A bucket.
    Bucket,
}

impl WatchedKind {
    /// Every sort.
    pub const ALL: [Self; 6] = [Self::User, Self::Org, Self::Model, Self::Dataset, Self::Space, Self::Bucket];

    /// As clients write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Org => "org",
            Self::Model => "model",
            Self::Dataset => "dataset",
            Self::Space => "space",
            Self::Bucket => "bucket",
        }
    }
}

/// Something that a webhook watches. It need not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// What sort of thing.
    #[serde(rename = "type")]
    pub kind: WatchedKind,
    /// Its name, or `namespace/name`.
    pub name: String,
}

/// The target that watches all of a user or an organization.
pub(super) fn owner_target(is_org: bool, fold: &str) -> String {
    format!("{}:{fold}", if is_org { "org" } else { "user" })
}

/// The target that watches one repository.
pub(super) fn repo_target(kind: RepoKind, path: &RepoPath) -> String {
    format!("{kind}:{}/{}", path.namespace.fold(), path.name.fold())
}

impl Watched {
    /// The key by which events find it.
    fn target(&self, index: usize) -> Result<String> {
        let bad = |why: &str| Error::invalid(format!("\"watched[{index}].name\" is not a name: {why}"));
        match self.kind {
            WatchedKind::User | WatchedKind::Org => {
                let name: Slug = self.name.parse().map_err(|e: haina_types::NameError| bad(&e.to_string()))?;
                Ok(owner_target(self.kind == WatchedKind::Org, &name.fold()))
            }
            kind => {
                let path: RepoPath = self.name.parse().map_err(|e: haina_types::NameError| bad(&e.to_string()))?;
                Ok(format!("{}:{}/{}", kind.as_str(), path.namespace.fold(), path.name.fold()))
            }
        }
    }
}

/// What a webhook is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Domain {
    /// Repositories and their content.
    Repo,
    /// Discussions, pull requests and comments.
    Discussion,
}

impl Domain {
    /// As clients write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Discussion => "discussion",
        }
    }
}

/// What is to be set of a webhook; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    /// Where to.
    pub url: Option<String>,
    /// What it watches; an empty list changes nothing.
    pub watched: Vec<Watched>,
    /// What it is told of; both when a webhook is made without saying.
    pub domains: Option<Vec<Domain>>,
    /// What it is sent with and signed by; empty for none.
    pub secret: Option<String>,
}

/// A webhook as its owner sees it.
#[derive(Debug, Clone)]
pub struct WebhookView {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Where to.
    pub url: String,
    /// What it watches.
    pub watched: Vec<Watched>,
    /// What it is told of.
    pub domains: Vec<Domain>,
    /// What it is sent with and signed by.
    pub secret: Option<String>,
    /// Why it is switched off, if it is: `owner`, `failing` or `overflow`.
    pub disabled: Option<String>,
    /// Since when nothing has come through.
    pub failing_since: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

fn domains_of(text: &str) -> Vec<Domain> {
    let known = [Domain::Repo, Domain::Discussion];
    known.into_iter().filter(|d| text.split(' ').any(|word| word == d.as_str())).collect()
}

/// Whether a webhook is told of events of this domain.
pub(super) fn is_told_of(webhook: &Webhook, domain: Domain) -> bool {
    webhook.domains.split(' ').any(|word| word == domain.as_str())
}

pub(super) fn not_found() -> Error {
    Error::new(Code::NotFound, "There is no such webhook.")
}

/// Settings in the form of the database, checked.
struct Checked {
    url: String,
    secret: Option<String>,
    watched: String,
    targets: Vec<String>,
    domains: String,
}

impl Checked {
    fn settings(&self) -> Settings<'_> {
        Settings {
            url: &self.url,
            secret: self.secret.as_deref(),
            watched: &self.watched,
            targets: &self.targets,
            domains: &self.domains,
        }
    }
}

impl App {
    fn webhook_view(&self, webhook: Webhook) -> Result<WebhookView> {
        Ok(WebhookView {
            watched: serde_json::from_str(&webhook.watched).map_err(Error::internal)?,
            domains: domains_of(&webhook.domains),
            secret: self.webhook_secret(&webhook)?,
            id: webhook.public_id,
            url: webhook.url,
            disabled: webhook.disabled_at.map(|_| webhook.disabled_reason.unwrap_or_default()),
            failing_since: webhook.failing_since,
            created_at: webhook.created_at,
        })
    }

    /// What a webhook is sent with and signed by.
    pub(super) fn webhook_secret(&self, webhook: &Webhook) -> Result<Option<String>> {
        let place = webhook_place(&webhook.public_id);
        webhook.secret.as_ref().map(|text| self.vault().open_text(&place, text)).transpose()
    }

    /// Seals the secret of what is to be written.
    async fn seal_webhook(&self, tx: &mut haina_db::Session, public_id: &str, set: &mut Checked) -> Result<()> {
        if let Some(text) = &mut set.secret {
            *text = self.vault().seal(tx, &webhook_place(public_id), text.as_bytes()).await?;
        }
        Ok(())
    }

    fn check_webhook(
        &self,
        url: &str,
        watched: &[Watched],
        domains: &[Domain],
        secret: Option<&str>,
    ) -> Result<Checked> {
        let url = url.trim();
        if let Err(e) = Target::parse(url, self.webhooks().client.rules()) {
            return Err(Error::invalid(format!("\"url\" is refused: {e}.")));
        }
        if watched.is_empty() || watched.len() > WATCHED_MAX {
            return Err(Error::invalid(format!(
                "\"watched\" must name 1 to {WATCHED_MAX} users, organizations or repositories."
            )));
        }
        if domains.is_empty() {
            return Err(Error::invalid("\"domains\" must contain \"repo\", \"discussion\" or both."));
        }
        let secret = secret.filter(|s| !s.is_empty());
        if secret.is_some_and(|s| s.len() > SECRET_BYTES_MAX || !s.bytes().all(|b| b.is_ascii_graphic())) {
            let text = format!(
                "\"secret\" is at most {SECRET_BYTES_MAX} visible ASCII characters, since it is sent in a header."
            );
            return Err(Error::invalid(text));
        }
        let targets = watched.iter().enumerate().map(|(i, w)| w.target(i)).collect::<Result<_>>()?;
        let words: Vec<&str> = domains.iter().map(|d| d.as_str()).collect();
        Ok(Checked {
            url: url.to_owned(),
            secret: secret.map(str::to_owned),
            watched: serde_json::to_string(watched).map_err(Error::internal)?,
            targets,
            domains: words.join(" "),
        })
    }

    /// Makes a webhook, which is told of what happens from now on.
    pub async fn create_webhook(&self, by: &SelfAccess, new: WebhookChange) -> Result<WebhookView> {
        let user = by.user().id;
        let url = new.url.ok_or_else(|| Error::invalid("\"url\" is missing."))?;
        let domains = new.domains.unwrap_or_else(|| vec![Domain::Repo, Domain::Discussion]);
        let mut set = self.check_webhook(&url, &new.watched, &domains, new.secret.as_deref())?;
        let public_id = self.public_id();
        let mut tx = self.db().begin().await?;
        if webhooks::list(&mut tx, user).await?.len() >= WEBHOOKS_MAX {
            return Err(Error::invalid(format!("A user has at most {WEBHOOKS_MAX} webhooks: delete one first.")));
        }
        self.seal_webhook(&mut tx, &public_id, &mut set).await?;
        webhooks::insert(&mut tx, &public_id, user, &set.settings(), self.now()).await?;
        self.append(&mut tx, Some(user), "webhook.create", None, Some(user), json!({"webhook": public_id})).await?;
        let made = webhooks::find(&mut tx, user, &public_id).await?.ok_or_else(not_found)?;
        tx.commit().await?;
        self.webhook_view(made)
    }

    /// One's webhooks, oldest first.
    pub async fn list_webhooks(&self, by: &SelfAccess) -> Result<Vec<WebhookView>> {
        let mut s = self.db().read().await?;
        webhooks::list(&mut s, by.user().id).await?.into_iter().map(|w| self.webhook_view(w)).collect()
    }

    /// One of one's webhooks.
    pub async fn get_webhook(&self, by: &SelfAccess, id: &str) -> Result<WebhookView> {
        let mut s = self.db().read().await?;
        self.webhook_view(webhooks::find(&mut s, by.user().id, id).await?.ok_or_else(not_found)?)
    }

    /// Changes a webhook.
    pub async fn update_webhook(&self, by: &SelfAccess, id: &str, change: WebhookChange) -> Result<WebhookView> {
        let user = by.user().id;
        let mut tx = self.db().begin().await?;
        let found = webhooks::find(&mut tx, user, id).await?.ok_or_else(not_found)?;
        let row = found.id;
        let now = self.webhook_view(found)?;
        let watched = if change.watched.is_empty() { now.watched } else { change.watched };
        let secret = change.secret.or(now.secret);
        let (url, domains) = (change.url.unwrap_or(now.url), change.domains.unwrap_or(now.domains));
        let mut set = self.check_webhook(&url, &watched, &domains, secret.as_deref())?;
        self.seal_webhook(&mut tx, id, &mut set).await?;
        webhooks::update(&mut tx, row, &set.settings(), self.now()).await?;
        self.append(&mut tx, Some(user), "webhook.update", None, Some(user), json!({"webhook": id})).await?;
        let changed = webhooks::find(&mut tx, user, id).await?.ok_or_else(not_found)?;
        tx.commit().await?;
        self.webhook_view(changed)
    }

    /// Deletes a webhook with its log.
    pub async fn delete_webhook(&self, by: &SelfAccess, id: &str) -> Result<()> {
        let user = by.user().id;
        let mut tx = self.db().begin().await?;
        let found = webhooks::find(&mut tx, user, id).await?.ok_or_else(not_found)?;
        webhooks::delete(&mut tx, found.id).await?;
        self.append(&mut tx, Some(user), "webhook.delete", None, Some(user), json!({"webhook": id})).await?;
        Ok(tx.commit().await?)
    }

    /// Switches a webhook on, with a clean slate, or off; what waits for one that is off is not sent.
    pub async fn switch_webhook(&self, by: &SelfAccess, id: &str, on: bool) -> Result<WebhookView> {
        let (user, now) = (by.user().id, self.now());
        let mut tx = self.db().begin().await?;
        let found = webhooks::find(&mut tx, user, id).await?.ok_or_else(not_found)?;
        if found.disabled_at.is_some() == on {
            let event = if on {
                webhooks::enable(&mut tx, found.id, now).await?;
                "webhook.enable"
            } else {
                webhooks::disable(&mut tx, found.id, "owner", now).await?;
                webhooks::drop_waiting(&mut tx, found.id, "The webhook was switched off.", now).await?;
                "webhook.disable"
            };
            self.append(&mut tx, Some(user), event, None, Some(user), json!({"webhook": id})).await?;
        }
        let switched = webhooks::find(&mut tx, user, id).await?.ok_or_else(not_found)?;
        tx.commit().await?;
        self.webhook_view(switched)
    }

    /// Switches a webhook off because nothing comes through, on the caller's transaction.
    pub(super) async fn give_up_webhook(
        &self,
        tx: &mut haina_db::Session,
        webhook: &Webhook,
        reason: &str,
    ) -> Result<()> {
        let now = self.now();
        if webhooks::disable(tx, webhook.id, reason, now).await? {
            let text = "The webhook was switched off, since nothing came through.";
            webhooks::drop_waiting(tx, webhook.id, text, now).await?;
            let data = json!({"webhook": webhook.public_id, "reason": reason});
            self.append(tx, None, "webhook.disable", None, Some(webhook.user_id), data).await?;
        }
        Ok(())
    }
}
