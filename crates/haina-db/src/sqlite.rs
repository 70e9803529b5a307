//! The SQLite driver: a pool of readers, one writer with group commit.
//!
//! Point statements run on the calling thread, because they take microseconds and a hop to another thread takes
//! tens. The writer's connection is behind a fair lock. Each transaction is a savepoint inside one
//! `begin immediate`; when it is done and others wait, the writer passes on with the outer transaction still open,
//! so that one fsync serves many. Nobody is told of success before that fsync.
//!
//! What must hold:
//! - The write lock of the file is never held while nobody works: whoever lets the writer go while nobody waits
//!   commits first ([`Sqlite::settle`]), also when futures are dropped at any await.
//! - A member that fails rolls back to its savepoint. Only when SQLite itself gives up the outer transaction (disk
//!   full, I/O error) do the others of the batch fail, and they are told so.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, InterruptHandle, OpenFlags, params_from_iter};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, oneshot};

use crate::sql::{Row, Sql, Value};
use crate::{Error, Result};

/// Reading sessions at once; one more waits.
const READERS_MAX: usize = 32;
/// Logical transactions that may share one commit.
const BATCH_MEMBERS_MAX: usize = 64;
/// Oldest batch that is still handed on.
const BATCH_AGE_MAX: Duration = Duration::from_millis(5);
/// How long the lock of another process, our own queue or the pool is waited for.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How often the lock of another process is tried.
const POLL: Duration = Duration::from_millis(1);
/// After writing this long without a gap, other processes get one, because SQLite's lock has no queue.
const STREAK_MAX: Duration = Duration::from_millis(200);
/// The gap: several polls of another process.
const GAP: Duration = Duration::from_millis(4);
/// More than the crate has statements.
const STATEMENTS_MAX: usize = 512;

pub(crate) struct Sqlite {
    // Before the writer, so that the last connection to close can fold the log into the file.
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    core: Arc<tokio::sync::Mutex<Core>>,
    /// Who stands in the queue for the writer.
    waiting: AtomicUsize,
    path: PathBuf,
}

/// The writer's connection and the batch that is open on it.
struct Core {
    conn: Connection,
    batch: Option<Batch>,
    streak_start: Instant,
    last_end: Instant,
}

struct Batch {
    opened: Instant,
    /// Transactions released into it.
    members: usize,
    /// Those that wait for the outcome.
    waiters: Vec<oneshot::Sender<Result<()>>>,
}

impl Core {
    /// The outer transaction is gone; everyone in it hears why.
    fn lose(&mut self, error: &Error) {
        if let Some(batch) = self.batch.take() {
            for waiter in batch.waiters {
                // Whoever stopped listening does not need the answer.
                let _ = waiter.send(Err(error.clone()));
            }
        }
    }

    /// Commits the outer transaction and tells its members. Blocks for the fsync.
    fn finish(&mut self) -> Result<()> {
        let Some(batch) = self.batch.as_mut() else { return Ok(()) };
        if batch.members == 0 {
            self.abandon(&Error::Aborted);
            return Ok(());
        }
        match self.conn.prepare_cached("commit").and_then(|mut s| s.raw_execute()) {
            Ok(_) => {
                let waiters = self.batch.take().map(|b| b.waiters).unwrap_or_default();
                for waiter in waiters {
                    let _ = waiter.send(Ok(()));
                }
                self.last_end = Instant::now();
                Ok(())
            }
            Err(e) => {
                let error = Error::from_sqlite(e, "commit");
                self.abandon(&error);
                Err(error)
            }
        }
    }

    /// Rolls the outer transaction back.
    fn abandon(&mut self, why: &Error) {
        if !self.conn.is_autocommit()
            && let Err(e) = self.conn.execute_batch("rollback")
        {
            tracing::error!(error = &e as &dyn std::error::Error, "rolling back failed");
        }
        self.last_end = Instant::now();
        self.lose(why);
    }

    /// After a failed statement: did SQLite roll everything back by itself?
    fn check(&mut self, error: &Error) {
        if self.batch.is_some() && self.conn.is_autocommit() {
            self.lose(error);
        }
    }
}

fn configure(conn: &Connection, reader: bool) -> rusqlite::Result<()> {
    conn.busy_timeout(WAIT_MAX)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // Else every new value of a parameter compiles the statement again, ten times the cost of running it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch("pragma foreign_keys = on; pragma temp_store = memory; pragma trusted_schema = off;")?;
    if reader {
        // Not mapped: each reader's map counts as memory of the process, 2 GiB of eight readers, and reading pages is
        // no slower; what is read often is in the system's cache.
        conn.execute_batch("pragma query_only = on; pragma cache_size = -2048; pragma mmap_size = 0;")
    } else {
        conn.execute_batch(
            // What is deleted or overwritten is zeroed where its page is written anyway, so that no secret stays behind.
            "pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -16384;
             pragma journal_size_limit = 67108864; pragma secure_delete = fast;",
        )
    }
}

/// The file holds credentials' hashes and private names: only its owner may read it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

impl Sqlite {
    /// Opens or creates the file and migrates it. Blocks.
    pub(crate) fn open(path: &Path) -> Result<Arc<Self>> {
        create_private(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::StorageFull => Error::Full(Arc::new(e)),
            _ => Error::Config(format!("{}: {e}", path.display())),
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags).map_err(|e| Error::from_sqlite(e, "open"))?;
        configure(&conn, false).map_err(|e| Error::from_sqlite(e, "open"))?;
        crate::migrate::sqlite(&mut conn)?;
        // From here on the lock is waited for without blocking a thread.
        conn.busy_timeout(Duration::ZERO).map_err(|e| Error::from_sqlite(e, "open"))?;
        let now = Instant::now();
        Ok(Arc::new(Self {
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(READERS_MAX)),
            core: Arc::new(tokio::sync::Mutex::new(Core { conn, batch: None, streak_start: now, last_end: now })),
            waiting: AtomicUsize::new(0),
            path: path.to_owned(),
        }))
    }

    /// Moves the log into the file and empties it, as far as no reader holds it.
    pub(crate) async fn fold(self: &Arc<Self>) -> Result<()> {
        let core = tokio::time::timeout(3 * WAIT_MAX, self.core.clone().lock_owned()).await;
        let mut core = core.map_err(|_| Error::unavailable("the database's writer is busy"))?;
        core.finish()?;
        let fold = |c: &Connection| c.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()));
        fold(&core.conn).map_err(|e| Error::from_sqlite(e, "checkpoint"))
    }

    /// A reader from the pool.
    pub(crate) async fn read(self: &Arc<Self>) -> Result<Reader> {
        let permit = match self.permits.clone().try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => tokio::time::timeout(WAIT_MAX, self.permits.clone().acquire_owned())
                .await
                .ok()
                .and_then(Result::ok)
                .ok_or_else(|| Error::unavailable("all database readers are busy"))?,
        };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let conn = Connection::open_with_flags(&self.path, flags).map_err(|e| Error::from_sqlite(e, "open"))?;
                configure(&conn, true).map_err(|e| Error::from_sqlite(e, "open"))?;
                conn
            }
        };
        Ok(Reader { conn: Some(conn), pool: self.clone(), _permit: permit })
    }

    /// Starts a transaction: waits for the writer and, if no batch is open, for the file's lock.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Member> {
        let core = match self.core.clone().try_lock_owned() {
            Ok(core) => core,
            Err(_) => {
                let _ticket = Ticket::take(self);
                tokio::time::timeout(3 * WAIT_MAX, self.core.clone().lock_owned())
                    .await
                    .map_err(|_| Error::unavailable("the database's writer is busy"))?
            }
        };
        // From here on dropping `member` at any await leaves the writer in order.
        let mut member = Member { core: Some(core), db: self.clone(), open: false };
        let core = member.core()?;
        if core.batch.is_none() {
            let mut now = Instant::now();
            if now - core.last_end > POLL {
                core.streak_start = now;
            } else if now - core.streak_start > STREAK_MAX {
                tokio::time::sleep(GAP).await;
                now = Instant::now();
                core.streak_start = now;
            }
            let patience = now + WAIT_MAX;
            loop {
                match core.conn.prepare_cached("begin immediate").and_then(|mut s| s.raw_execute()) {
                    Ok(_) => break,
                    Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                        if Instant::now() > patience {
                            return Err(Error::from_sqlite(e, "begin"));
                        }
                        tokio::time::sleep(POLL).await;
                    }
                    Err(e) => return Err(Error::from_sqlite(e, "begin")),
                }
            }
            core.batch = Some(Batch { opened: Instant::now(), members: 0, waiters: Vec::new() });
        }
        if let Err(e) = core.conn.prepare_cached("savepoint member").and_then(|mut s| s.raw_execute()) {
            let error = Error::from_sqlite(e, "savepoint");
            core.check(&error);
            return Err(error);
        }
        member.open = true;
        Ok(member)
    }

    /// Commits an open batch that nobody will take further. To be called after every release of the writer and
    /// after every departure from its queue.
    fn settle(self: &Arc<Self>) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            return;
        }
        // If somebody holds it, they will settle.
        let Ok(mut core) = self.core.clone().try_lock_owned() else { return };
        if core.batch.is_none() {
            return;
        }
        let this = self.clone();
        let finish = move || {
            // The members have been told; there is nobody else to tell.
            let _ = core.finish();
            drop(core);
            this.settle();
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(finish)),
            Err(_) => finish(),
        }
    }
}

/// A place in the queue for the writer. While one exists, batches are handed on.
struct Ticket<'a>(&'a Arc<Sqlite>);

impl<'a> Ticket<'a> {
    fn take(db: &'a Arc<Sqlite>) -> Self {
        db.waiting.fetch_add(1, Ordering::SeqCst);
        Self(db)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
        // Does nothing if the writer was obtained, because then it is locked.
        self.0.settle();
    }
}

/// One reading connection, returned to the pool when dropped.
pub(crate) struct Reader {
    conn: Option<Connection>,
    pool: Arc<Sqlite>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}

/// One logical transaction; rolled back when dropped.
pub(crate) struct Member {
    core: Option<OwnedMutexGuard<Core>>,
    db: Arc<Sqlite>,
    /// Its savepoint exists.
    open: bool,
}

impl Member {
    fn core(&mut self) -> Result<&mut Core> {
        self.core.as_deref_mut().ok_or(Error::Aborted)
    }

    pub(crate) fn set_pages_max(&mut self, pages: i64) -> Result<i64> {
        let set = |c: &Connection| c.pragma_update_and_check(None, "max_page_count", pages, |r| r.get(0));
        set(&self.core()?.conn).map_err(|e| Error::from_sqlite(e, "max_page_count"))
    }

    /// Returns when the transaction is on the disk.
    pub(crate) async fn commit(mut self) -> Result<()> {
        let core = self.core()?;
        if core.batch.is_none() {
            return Err(Error::Aborted);
        }
        if let Err(e) = core.conn.prepare_cached("release member").and_then(|mut s| s.raw_execute()) {
            let error = Error::from_sqlite(e, "release");
            core.check(&error);
            return Err(error);
        }
        let waiting = self.db.waiting.load(Ordering::SeqCst) > 0;
        self.open = false;
        let mut core = self.core.take().ok_or(Error::Aborted)?;
        let batch = core.batch.as_mut().ok_or(Error::Aborted)?;
        batch.members += 1;
        if waiting && batch.members < BATCH_MEMBERS_MAX && batch.opened.elapsed() < BATCH_AGE_MAX {
            let (outcome, answer) = oneshot::channel();
            batch.waiters.push(outcome);
            drop(core);
            self.db.settle();
            answer.await.unwrap_or_else(|_| Err(Error::unavailable("the database's writer was stopped")))
        } else {
            let db = self.db.clone();
            let commit = move || {
                let outcome = core.finish();
                drop(core);
                db.settle();
                outcome
            };
            match tokio::task::spawn_blocking(commit).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::unavailable("the database's writer was stopped")),
            }
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Some(mut core) = self.core.take() else { return };
        if self.open && core.batch.is_some() {
            let back = core.conn.prepare_cached("rollback to member").and_then(|mut s| s.raw_execute());
            let gone = core.conn.prepare_cached("release member").and_then(|mut s| s.raw_execute());
            if let Err(e) = back.and(gone) {
                core.abandon(&Error::from_sqlite(e, "rollback"));
            }
        }
        drop(core);
        self.db.settle();
    }
}

/// What statements run on.
pub(crate) trait Connected: Send + Sized + 'static {
    fn conn(&self) -> Result<&Connection>;
    /// Called with the error of a failed statement.
    fn failed(&mut self, error: &Error);
}

impl Connected for Reader {
    fn conn(&self) -> Result<&Connection> {
        self.conn.as_ref().ok_or(Error::Aborted)
    }
    fn failed(&mut self, _: &Error) {}
}

impl Connected for Member {
    fn conn(&self) -> Result<&Connection> {
        self.core.as_ref().map(|c| &c.conn).ok_or(Error::Aborted)
    }
    fn failed(&mut self, error: &Error) {
        if let Some(core) = self.core.as_deref_mut() {
            core.check(error);
        }
    }
}

fn collect<P: rusqlite::ToSql>(conn: &Connection, sql: &Sql, params: &[P]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = conn.prepare_cached(&sql.sqlite)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params_from_iter(params))?;
    let mut out = Vec::new();
    while let Some(row) = rows.next()? {
        out.push(Row::from_sqlite(row, columns)?);
    }
    Ok(out)
}

pub(crate) fn prepare(on: &impl Connected, sql: &Sql) -> Result<()> {
    on.conn()?.prepare(&sql.sqlite).map(drop).map_err(|e| Error::from_sqlite(e, &sql.name))
}

/// Runs a query on this thread.
pub(crate) fn query(on: &mut impl Connected, sql: &Sql, params: &[Value<'_>]) -> Result<Vec<Row>> {
    let outcome = collect(on.conn()?, sql, params).map_err(|e| Error::from_sqlite(e, &sql.name));
    if let Err(e) = &outcome {
        on.failed(e);
    }
    outcome
}

/// Runs a change on this thread, once for each set of parameters; how many rows it touched in all.
pub(crate) fn execute(on: &mut impl Connected, sql: &Sql, sets: &[&[Value<'_>]]) -> Result<u64> {
    let run = |conn: &Connection| {
        let mut statement = conn.prepare_cached(&sql.sqlite)?;
        let mut count = 0;
        for params in sets {
            count += statement.execute(params_from_iter(*params))? as u64;
        }
        Ok(count)
    };
    let outcome = run(on.conn()?).map_err(|e| Error::from_sqlite(e, &sql.name));
    if let Err(e) = &outcome {
        on.failed(e);
    }
    outcome
}

/// Stops a statement whose caller went away.
struct Interrupt {
    handle: InterruptHandle,
    /// Set under the lock before the connection is used for anything else.
    done: Arc<Mutex<bool>>,
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        if !*self.done.lock().unwrap_or_else(PoisonError::into_inner) {
            self.handle.interrupt();
        }
    }
}

/// Runs a query on a thread for blocking work. The connection goes along, so dropping this future leaves it in
/// order: the query is interrupted, and the connection returns to where it came from.
pub(crate) async fn query_long<C: Connected>(
    mut on: C,
    sql: Sql,
    params: Vec<rusqlite::types::Value>,
) -> (Option<C>, Result<Vec<Row>>) {
    let done = Arc::new(Mutex::new(false));
    let handle = match on.conn() {
        Ok(conn) => conn.get_interrupt_handle(),
        Err(e) => return (Some(on), Err(e)),
    };
    let guard = Interrupt { handle, done: done.clone() };
    let task = tokio::task::spawn_blocking(move || {
        let outcome = match on.conn() {
            Ok(conn) => collect(conn, &sql, &params).map_err(|e| Error::from_sqlite(e, &sql.name)),
            Err(e) => Err(e),
        };
        *done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if let Err(e) = &outcome {
            on.failed(e);
        }
        (on, outcome)
    });
    let answer = task.await;
    drop(guard);
    match answer {
        Ok((on, outcome)) => (Some(on), outcome),
        Err(_) => (None, Err(Error::unavailable("the database's reader was stopped"))),
    }
}
