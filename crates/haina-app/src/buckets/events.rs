//! Following a bucket: its changes as they happen, from a place where somebody left off.
//!
//! The list of changes in the database is the feed; whoever changes a bucket only says how far it goes now. Each
//! follower reads on from where it is, a page at a time, so that a slow one holds one page and no more; followers at
//! the same place share the page. Now and then a follower looks by itself, for changes by another process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use haina_db::buckets::{self as db, Change};
use haina_types::{Code, Error, Result, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::gate::{BucketRead, repo_not_found};
use crate::{App, Caller};

/// Changes of one event.
const PAGE: usize = 500;
/// Pages that followers share.
const PAGES_CACHED: usize = 64;
/// How often a follower hears something, and its right is looked at again.
const PING: Duration = Duration::from_secs(30);
/// How long one follows before being told to come back: a token may have been revoked meanwhile.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// Followers at once.
const FOLLOWERS_MAX: usize = 1024;
/// Of these, ones that nobody knows.
const ANONYMOUS_MAX: usize = 256;

/// Bucket, where the reader is, how far the list goes.
type PageKey = (i64, i64, i64);

/// What followers share.
pub struct State {
    /// The number of the last change of each bucket that is followed.
    heads: Mutex<HashMap<i64, watch::Sender<i64>>>,
    pages: Cache<PageKey, Arc<Vec<Change>>>,
    seats: Arc<Semaphore>,
    anonymous: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            heads: Mutex::default(),
            pages: Cache::new(PAGES_CACHED),
            seats: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            anonymous: Arc::new(Semaphore::new(ANONYMOUS_MAX)),
            stopping: watch::Sender::new(false),
        }
    }

    fn heads(&self) -> std::sync::MutexGuard<'_, HashMap<i64, watch::Sender<i64>>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how far the changes of a bucket go now.
    pub(super) fn announce(&self, bucket: i64, seq: i64) {
        if let Some(head) = self.heads().get(&bucket) {
            // Two batches may be told in the other order.
            head.send_if_modified(|known| {
                let later = seq > *known;
                *known = seq.max(*known);
                later
            });
        }
    }

    /// Lets everyone go who follows a bucket that is gone.
    pub(super) fn end(&self, bucket: i64) {
        self.heads().remove(&bucket);
    }

    fn seat(&self, anonymous: bool) -> Result<Vec<OwnedSemaphorePermit>> {
        let full = |_| Error::new(Code::Unavailable, "Too many follow buckets here just now. Please try again later.");
        let mut seats = vec![self.seats.clone().try_acquire_owned().map_err(full)?];
        if anonymous {
            seats.push(self.anonymous.clone().try_acquire_owned().map_err(full)?);
        }
        Ok(seats)
    }
}

/// From where somebody follows a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// After what an event's cursor says.
    Cursor(String),
    /// From this time on.
    Since(Timestamp),
    /// From now on.
    Live,
}

/// What a follower hears.
#[derive(Debug, Clone)]
pub enum FeedEvent {
    /// All that happened before is told; what follows happens now.
    Ready {
        /// Where to go on.
        cursor: String,
    },
    /// Files changed.
    Changes {
        /// Where to go on.
        cursor: String,
        /// What happened to them.
        changes: Arc<Vec<Change>>,
    },
    /// What happened since is no longer known: list the bucket again, then follow from then on. The last event.
    Reset,
    /// Come back and go on from here. The last event.
    Reconnect {
        /// Where to go on.
        cursor: String,
    },
    /// Nothing happened.
    Ping,
}

/// A place in the list of those who wait for a bucket; gives it back when it is dropped.
struct Waiting {
    app: App,
    bucket: i64,
    head: Option<watch::Receiver<i64>>,
}

impl Waiting {
    fn new(app: &App, bucket: i64, seq: i64) -> Self {
        let head = app.buckets().heads().entry(bucket).or_insert_with(|| watch::Sender::new(seq)).subscribe();
        Self { app: app.clone(), bucket, head: Some(head) }
    }

    /// How far the changes are known to go.
    fn known(&mut self) -> i64 {
        self.head.as_mut().map_or(0, |head| *head.borrow_and_update())
    }

    /// Waits until they go further; `false` when the bucket is gone.
    async fn changed(&mut self) -> bool {
        match &mut self.head {
            Some(head) => head.changed().await.is_ok(),
            None => false,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut heads = self.app.buckets().heads();
        self.head = None;
        if heads.get(&self.bucket).is_some_and(|head| head.receiver_count() == 0) {
            heads.remove(&self.bucket);
        }
    }
}

/// Somebody who follows a bucket.
pub struct Feed {
    app: App,
    caller: Caller,
    access: BucketRead,
    /// The last change that was told.
    at: i64,
    /// How far the changes go.
    head: i64,
    /// Whether what happened before is told.
    ready: bool,
    ended: bool,
    waiting: Waiting,
    stopping: watch::Receiver<bool>,
    until: Instant,
    _seats: Vec<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Feed({} at {})", self.access.repo().path(), self.at)
    }
}

impl App {
    /// Begins to follow a bucket.
    pub async fn follow_bucket(&self, caller: &Caller, access: BucketRead, resume: Resume) -> Result<Feed> {
        let seats = self.buckets().seat(caller.is_anonymous())?;
        let id = access.repo().id;
        // The place first, then the look: so nothing that happens in between is missed.
        let waiting = Waiting::new(self, id, 0);
        let mut s = self.db().read().await?;
        let counters = db::find_counters(&mut s, id).await?.ok_or_else(repo_not_found)?;
        let at = match resume {
            Resume::Live => Some(counters.seq),
            Resume::Cursor(text) => {
                let (bucket, seq) = text
                    .split_once('-')
                    .and_then(|(bucket, seq)| Some((bucket, seq.parse::<i64>().ok()?)))
                    .ok_or_else(|| {
                        Error::invalid("This cursor is not one of ours: follow without one, or \"since\" a time.")
                    })?;
                // A cursor of another bucket, which had this name before, says nothing about this one.
                let known = bucket == access.repo().public_id && (counters.trimmed_seq..=counters.seq).contains(&seq);
                known.then_some(seq)
            }
            Resume::Since(since) => {
                let known = counters.trimmed_seq == 0 || since >= counters.trimmed_at;
                match known {
                    true => {
                        Some(db::find_first_change_since(&mut s, id, since).await?.map_or(counters.seq, |seq| seq - 1))
                    }
                    false => None,
                }
            }
        };
        drop(s);
        Ok(Feed {
            app: self.clone(),
            caller: caller.clone(),
            at: at.unwrap_or(-1),
            head: counters.seq,
            ready: false,
            ended: false,
            waiting,
            stopping: self.buckets().stopping.subscribe(),
            until: Instant::now() + LIFE,
            access,
            _seats: seats,
        })
    }

    /// Lets all followers go, so that the process can end.
    pub fn end_feeds(&self) {
        self.buckets().stopping.send_replace(true);
    }

    /// Forgets changes of long ago.
    pub(crate) async fn trim_bucket_changes(&self) -> Result<()> {
        let before = self.now().plus_seconds(-CHANGES_SECONDS);
        loop {
            let mut tx = self.db().begin().await?;
            let old = db::list_old_changes(&mut tx, before, 100).await?;
            for (bucket, through) in &old {
                // Whoever changes the bucket at the same time locks its row too.
                if haina_db::git::lock_repo(&mut tx, *bucket).await? {
                    db::trim_changes(&mut tx, *bucket, *through).await?;
                }
            }
            tx.commit().await?;
            if old.is_empty() {
                return Ok(());
            }
        }
    }
}

/// How long changes are kept for those who come back, in seconds.
const CHANGES_SECONDS: i64 = 7 * 86_400;

impl Feed {
    fn cursor(&self) -> String {
        format!("{}-{}", self.access.repo().public_id, self.at)
    }

    fn end(&mut self, event: FeedEvent) -> Option<FeedEvent> {
        self.ended = true;
        Some(event)
    }

    fn go(&mut self) -> Option<FeedEvent> {
        let cursor = self.cursor();
        self.end(FeedEvent::Reconnect { cursor })
    }

    /// The next event; none after the last.
    pub async fn next(&mut self) -> Option<FeedEvent> {
        if self.ended {
            return None;
        }
        if self.at < 0 {
            return self.end(FeedEvent::Reset);
        }
        loop {
            if self.at < self.head {
                return match self.page().await {
                    Ok(Some(changes)) => Some(FeedEvent::Changes { cursor: self.cursor(), changes }),
                    Ok(None) => self.end(FeedEvent::Reset),
                    Err(e) => {
                        tracing::error!(error = ?e, "the changes of a bucket could not be read");
                        self.go()
                    }
                };
            }
            if !self.ready {
                self.ready = true;
                return Some(FeedEvent::Ready { cursor: self.cursor() });
            }
            if *self.stopping.borrow() || Instant::now() >= self.until {
                return self.go();
            }
            tokio::select! {
                changed = self.waiting.changed() => {
                    if !changed {
                        return self.go();
                    }
                    self.head = self.head.max(self.waiting.known());
                }
                _ = self.stopping.changed() => return self.go(),
                () = tokio::time::sleep(PING) => {
                    return match self.look().await {
                        Ok(()) => Some(FeedEvent::Ping),
                        // Whatever is wrong will be told to them when they come back.
                        Err(_) => self.go(),
                    };
                }
            }
        }
    }

    /// Whether the bucket may still be followed, and how far its changes go.
    async fn look(&mut self) -> Result<()> {
        let access = self.app.read_bucket(&self.caller, &self.access.repo().path()).await?;
        if access.repo().id != self.access.repo().id {
            return Err(repo_not_found());
        }
        let mut s = self.app.db().read().await?;
        let counters = db::find_counters(&mut s, access.repo().id).await?.ok_or_else(repo_not_found)?;
        self.head = self.head.max(counters.seq);
        self.access = access;
        Ok(())
    }

    /// The next changes; none if they are no longer kept.
    async fn page(&mut self) -> Result<Option<Arc<Vec<Change>>>> {
        let (bucket, at) = (self.access.repo().id, self.at);
        let app = self.app.clone();
        let read = async {
            let mut s = app.db().read().await?;
            Ok::<_, Error>(Arc::new(db::list_changes(&mut s, bucket, at, PAGE).await?))
        };
        let changes = self.app.buckets().pages.get_or_insert_async(&(bucket, at, self.head), read).await?;
        match (changes.first(), changes.last()) {
            (Some(first), Some(last)) if first.seq == at + 1 => {
                self.at = last.seq;
                self.head = self.head.max(self.at);
                Ok(Some(changes))
            }
            _ => Ok(None),
        }
    }
}
