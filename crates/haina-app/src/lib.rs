//! What one can do in Haina: authorization, use cases, transactions, jobs. No status codes, no templates, no SQL.
//!
//! Everything starts at [`App`]. Doors turn a request into a [`Caller`], ask [`gate`] for an access value, and hand
//! that to one use case. Only the gate can make access values, so nothing reads or writes a repository without one.

mod attempts;
pub mod audit;
pub mod buckets;
pub mod collections;
pub mod content;
pub mod discussions;
mod downloads;
pub mod files;
mod fsck;
pub mod gate;
pub mod git;
pub mod history;
mod jobs;
pub mod lfs;
pub mod limits;
pub mod oauth;
pub mod people;
pub mod quotas;
pub mod rates;
pub mod repos;
pub mod requests;
pub mod secrets;
pub mod signin;
pub mod social;
pub mod spaces;
pub mod webhooks;
mod words;

use std::path::PathBuf;
use std::sync::Arc;

pub use fsck::Report;
pub use gate::Caller;
use haina_cas::objects::Objects;
use haina_types::{Clock, Error, Result, Rng, SystemClock, SystemRng};
pub use jobs::Jobs;

/// How a hub is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder: `hub.db`, `cas/`, `tmp/`.
    pub data: PathBuf,
    /// The database; SQLite in the data folder unless it says otherwise.
    pub database: haina_db::Config,
    /// The address that clients use, without a trailing slash.
    pub base_url: String,
    /// Most bytes of packs that are kept ready for clones; 0 for none.
    pub git_cache_bytes: u64,
    /// The address of the SSH door as clients write it, without a trailing slash; none where it is shut.
    pub ssh_url: Option<String>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where the key is that secrets are sealed with.
    pub secret_key: secrets::KeySource,
    /// Networks beside the public Internet that webhooks may go to.
    pub webhooks_allow: Vec<webhooks::IpNet>,
    /// Proxies before this hub, whose word about addresses of clients is taken.
    pub trusted_proxies: Vec<webhooks::IpNet>,
}

impl Options {
    /// The defaults for a data folder.
    pub fn new(data: impl Into<PathBuf>, base_url: impl Into<String>) -> Self {
        let data = data.into();
        Self {
            database: haina_db::Config::Sqlite(data.join("hub.db")),
            secret_key: secrets::KeySource::File(data.join("secret.key")),
            data,
            base_url: base_url.into().trim_end_matches('/').to_owned(),
            git_cache_bytes: 4 << 30,
            ssh_url: None,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
            webhooks_allow: Vec::new(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// A hub: its database, its objects, its keys. Cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    db: haina_db::Db,
    objects: Arc<dyn Objects>,
    base_url: String,
    ssh_url: Option<String>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    vault: secrets::Vault,
    content: content::State,
    lfs: lfs::State,
    oauth: oauth::State,
    signin: signin::State,
    git: git::State,
    history: history::State,
    discussions: discussions::State,
    repos: repos::State,
    downloads: downloads::Counts,
    attempts: attempts::Attempts,
    buckets: buckets::State,
    webhooks: webhooks::State,
    rates: rates::State,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last.
    pub next: Option<String>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("base_url", &self.inner.base_url).finish_non_exhaustive()
    }
}

impl App {
    /// Opens (and on an empty folder makes) the hub.
    pub async fn open(options: Options) -> Result<Self> {
        let db = haina_db::Db::open(&options.database).await?;
        let objects: Arc<dyn Objects> =
            Arc::new(haina_cas::objects::FileObjects::open(&options.data).map_err(Error::internal)?);
        let vault = secrets::Vault::open(&db, options.secret_key, options.rng.as_ref()).await?;
        let content = content::State::load(&db, &vault, &objects, options.rng.as_ref()).await?;
        let lfs = lfs::State::load(&db, &vault, options.rng.as_ref()).await?;
        let oauth = oauth::State::load(&db, &vault, options.rng.as_ref()).await?;
        let app = Self {
            inner: Arc::new(Inner {
                db,
                objects,
                base_url: options.base_url,
                ssh_url: options.ssh_url,
                clock: options.clock,
                rng: options.rng,
                vault,
                content,
                lfs,
                git: git::State::new(&options.data, options.git_cache_bytes),
                oauth,
                signin: signin::State::new()?,
                history: history::State::new(),
                discussions: discussions::State::new(),
                repos: repos::State::new(),
                downloads: downloads::Counts::default(),
                attempts: attempts::Attempts::default(),
                buckets: buckets::State::new(),
                webhooks: webhooks::State::new(options.webhooks_allow),
                rates: rates::State::new(options.trusted_proxies),
            }),
        };
        app.reload_rates().await?;
        Ok(app)
    }

    /// The address that clients use, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.inner.base_url
    }

    /// The address of the SSH door as clients write it, without a trailing slash; none where it is shut.
    pub fn ssh_url(&self) -> Option<&str> {
        self.inner.ssh_url.as_deref()
    }

    pub(crate) fn db(&self) -> &haina_db::Db {
        &self.inner.db
    }

    pub(crate) fn objects(&self) -> &Arc<dyn Objects> {
        &self.inner.objects
    }

    pub(crate) fn now(&self) -> haina_types::Timestamp {
        self.inner.clock.now()
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        self.inner.rng.as_ref()
    }

    pub(crate) fn vault(&self) -> &secrets::Vault {
        &self.inner.vault
    }

    pub(crate) fn git(&self) -> &git::State {
        &self.inner.git
    }

    pub(crate) fn history(&self) -> &history::State {
        &self.inner.history
    }

    pub(crate) fn discussions(&self) -> &discussions::State {
        &self.inner.discussions
    }

    pub(crate) fn repos(&self) -> &repos::State {
        &self.inner.repos
    }

    pub(crate) fn attempts(&self) -> &attempts::Attempts {
        &self.inner.attempts
    }

    pub(crate) fn downloads(&self) -> &downloads::Counts {
        &self.inner.downloads
    }

    pub(crate) fn buckets(&self) -> &buckets::State {
        &self.inner.buckets
    }

    pub(crate) fn webhooks(&self) -> &webhooks::State {
        &self.inner.webhooks
    }

    /// Writes what is still only in memory.
    pub async fn close(&self) {
        self.finish_packs().await;
        if let Err(e) = self.flush_downloads().await {
            tracing::error!(error = ?e, "counts of downloads could not be written");
        }
    }

    pub(crate) fn content(&self) -> &content::State {
        &self.inner.content
    }

    pub(crate) fn signin(&self) -> &signin::State {
        &self.inner.signin
    }

    pub(crate) fn oauth(&self) -> &oauth::State {
        &self.inner.oauth
    }

    pub(crate) fn lfs(&self) -> &lfs::State {
        &self.inner.lfs
    }
}
