//! Background work: jobs are rows, enqueued on the transaction that makes them necessary, and done at least once.

use std::time::Duration;

use haina_db::jobs;
use haina_types::{Error, Result, XetHash};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::{App, content, git, social, webhooks};

/// How often the queue is looked at when nothing is known to be in it.
const IDLE: Duration = Duration::from_millis(500);
/// How long a worker may take for one job before another may try it.
const LEASE: Duration = Duration::from_secs(15 * 60);
/// How often counts of downloads are written.
const FLUSH: Duration = Duration::from_secs(10);

/// How often settings that are kept in memory are read again: the command line changes them beside a running hub.
const FOLLOW: Duration = Duration::from_secs(2);
/// How often what has ended is tidied away.
const TIDY: Duration = Duration::from_secs(3600);
/// How long a finished job's row is kept, in seconds.
const FINISHED_SECONDS: i64 = 7 * 86_400;

/// How long after their end codes and tokens of applications are kept, in seconds: one that comes again is known.
const ENDED_SECONDS: i64 = 86_400;

/// How long one job may take; less than its lease, so that no two workers have it at once.
const JOB_TIMEOUT: Duration = Duration::from_secs(14 * 60);

/// One worker for each: reading a file of a terabyte must not keep a card from being read.
const KINDS: &[&str] = &["repo.facts", content::VERIFY_JOB, social::TRENDING_JOB, git::PACK_JOB];

/// The workers of this process.
pub struct Jobs {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    app: App,
}

impl Jobs {
    /// Lets running jobs end, and takes no new ones.
    pub async fn stop(self) {
        // Nobody listening means that the workers ended already.
        self.stop.send_replace(true);
        self.app.git().set_closing(true);
        for task in self.tasks {
            if let Err(e) = task.await {
                tracing::error!(error = %e, "a worker ended badly");
            }
        }
    }
}

#[derive(Deserialize)]
struct OfRepo {
    repo: i64,
}

#[derive(Deserialize)]
struct OfFile {
    file: XetHash,
}

impl App {
    /// Starts this process's workers.
    pub fn start_jobs(&self) -> Jobs {
        let (stop, stopped) = watch::channel(false);
        self.git().set_closing(false);
        let workers = KINDS.iter().map(|kind| tokio::spawn(work(self.clone(), kind, stopped.clone())));
        let mut tasks: Vec<_> = workers.collect();
        let flusher = tokio::spawn(flush(self.clone(), stopped.clone()));
        let tidier = tokio::spawn(tidy(self.clone(), stopped.clone()));
        let follower = tokio::spawn(follow_settings(self.clone(), stopped.clone()));
        let reader = tokio::spawn(webhooks::read_ledger(self.clone(), stopped.clone()));
        let sender = tokio::spawn(webhooks::send(self.clone(), stopped));
        tasks.extend([flusher, tidier, follower, reader, sender]);
        Jobs { stop, tasks, app: self.clone() }
    }

    async fn run_job(&self, job: &jobs::Job) -> Result<()> {
        match job.kind.as_str() {
            "repo.facts" => {
                let of = OfRepo::deserialize(&job.payload).map_err(Error::internal)?;
                self.refresh_facts(of.repo).await
            }
            content::VERIFY_JOB => {
                let of = OfFile::deserialize(&job.payload).map_err(Error::internal)?;
                self.verify_claim(&of.file).await
            }
            social::TRENDING_JOB => self.refresh_trending().await.map(drop),
            git::PACK_JOB => {
                let of = git::PackOf::deserialize(&job.payload).map_err(Error::internal)?;
                self.make_pack(of).await
            }
            other => Err(Error::internal(format!("no worker knows jobs of kind '{other}'"))),
        }
    }

    async fn has_due_job(&self, kind: &str) -> Result<bool> {
        let mut s = self.db().read().await?;
        Ok(jobs::next_run(&mut s, &[kind]).await?.is_some_and(|at| at <= self.now()))
    }

    /// Runs the next job that is due; `false` when there is none.
    pub(crate) async fn next_job(&self, kind: &str) -> Result<bool> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let Some(job) = jobs::claim(&mut tx, &[kind], now, LEASE, 1).await?.pop() else { return Ok(false) };
        tx.commit().await?;
        let outcome = match tokio::time::timeout(JOB_TIMEOUT, self.run_job(&job)).await {
            Ok(outcome) => outcome,
            Err(late) => Err(Error::internal(late)),
        };
        let mut tx = self.db().begin().await?;
        match outcome {
            Ok(()) => {
                jobs::finish(&mut tx, &job, self.now()).await?;
            }
            Err(e) => {
                tracing::warn!(job = job.id, kind = job.kind, error = ?e, "a job failed and will be tried again");
                jobs::fail(&mut tx, &job, self.now(), &format!("{e:?}")).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }
}

async fn work(app: App, kind: &'static str, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        // Looked at with a plain read first: an idle hub writes nothing.
        let due = match app.has_due_job(kind).await {
            Ok(true) => app.next_job(kind).await,
            other => other,
        };
        match due {
            Ok(true) => continue,
            Ok(false) => {}
            Err(e) => tracing::error!(error = ?e, "the job queue could not be read"),
        }
        tokio::select! {
            () = tokio::time::sleep(IDLE) => {}
            changed = stopped.changed() => if changed.is_err() { return },
        }
    }
}

async fn flush(app: App, mut stopped: watch::Receiver<bool>) {
    loop {
        let last = tokio::select! {
            () = tokio::time::sleep(FLUSH) => false,
            _ = stopped.changed() => true,
        };
        if let Err(e) = app.flush_downloads().await {
            tracing::error!(error = ?e, "counts of downloads could not be written");
        }
        if let Err(e) = app.flush_kept().await {
            tracing::error!(error = ?e, "what clients were told of could not be noted");
        }
        if last {
            return;
        }
    }
}

async fn follow_settings(app: App, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FOLLOW) => {}
            _ = stopped.changed() => return,
        }
        if let Err(e) = app.reload_rates().await {
            tracing::error!(error = ?e, "limits of requests could not be read");
        }
    }
}

async fn tidy(app: App, mut stopped: watch::Receiver<bool>) {
    loop {
        if let Err(e) = app.tidy_once().await {
            tracing::error!(error = ?e, "what has ended could not be tidied away");
        }
        tokio::select! {
            () = tokio::time::sleep(TIDY) => {}
            _ = stopped.changed() => return,
        }
    }
}

impl App {
    async fn tidy_once(&self) -> Result<()> {
        self.expire_uploads().await?;
        self.expire_lfs_parts().await?;
        self.queue_trending().await?;
        self.index_the_rest().await?;
        self.tidy_attachments().await?;
        self.tidy_packs().await?;
        self.trim_bucket_changes().await?;
        self.forget_deliveries().await?;
        let now = self.now();
        let mut tx = self.db().begin().await?;
        jobs::delete_finished(&mut tx, now.plus_seconds(-FINISHED_SECONDS)).await?;
        haina_db::people::delete_expired_sessions(&mut tx, now).await?;
        haina_db::identity::delete_expired_pending(&mut tx, now).await?;
        haina_db::oauth::delete_expired(&mut tx, now.plus_seconds(-ENDED_SECONDS)).await?;
        Ok(tx.commit().await?)
    }
}
