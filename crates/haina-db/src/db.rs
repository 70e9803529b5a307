//! The database as the rest sees it: open, read, begin, commit.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use deadpool_postgres::{Object, Pool};

use crate::sql::{Row, Sql, Value};
use crate::sqlite::{Member, Reader, Sqlite};
use crate::{Error, Result, git_usage, ledger, postgres, sqlite};

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Config {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL address, as libpq takes it. It may hold a password.
    Postgres(String),
}

impl FromStr for Config {
    type Err = Error;

    /// `sqlite:/path`, `postgres://…` or `postgresql://…`.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err(Error::Config("'sqlite:' must be followed by the path of a file".to_owned()));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        // The text itself may hold a password.
        Err(Error::Config("it must begin with 'sqlite:' or 'postgres://'".to_owned()))
    }
}

impl Config {
    /// The same as [`FromStr`].
    pub fn parse(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres://…"),
        }
    }
}

/// An open database; clones share it.
#[derive(Clone)]
pub struct Db(Kind);

#[derive(Clone)]
enum Kind {
    Sqlite(Arc<Sqlite>),
    Postgres(Pool),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Kind::Sqlite(_) => "Db(SQLite)",
            Kind::Postgres(_) => "Db(PostgreSQL)",
        })
    }
}

impl Db {
    /// Opens the database, creates it if it is a SQLite file that does not exist, and brings its schema up to date.
    pub async fn open(config: &Config) -> Result<Self> {
        match config {
            Config::Sqlite(path) => {
                let path = path.clone();
                match tokio::task::spawn_blocking(move || Sqlite::open(&path)).await {
                    Ok(db) => Ok(Self(Kind::Sqlite(db?))),
                    Err(_) => Err(Error::unavailable("opening the database was stopped")),
                }
            }
            Config::Postgres(address) => Ok(Self(Kind::Postgres(postgres::open(address).await?))),
        }
    }

    /// Bounds the SQLite file to this many pages of 4 KiB, or to what it has already, until it is closed; the bound
    /// that holds. For disks that are shared, and for tests that fill one. PostgreSQL has its own means.
    pub async fn set_pages_max(&self, pages: i64) -> Result<i64> {
        match &self.0 {
            Kind::Sqlite(db) => db.begin().await?.set_pages_max(pages),
            Kind::Postgres(_) => Ok(i64::MAX),
        }
    }

    /// Moves what SQLite's log holds into the file and empties the log, so that what was overwritten is in neither.
    pub async fn fold_log(&self) -> Result<()> {
        match &self.0 {
            Kind::Sqlite(db) => db.fold().await,
            Kind::Postgres(_) => Ok(()),
        }
    }

    /// A session for reading. Every statement sees all that was acknowledged before it began. Hold one at a time, and
    /// not while waiting for something else than the database.
    pub async fn read(&self) -> Result<Session> {
        Ok(Session::new(match &self.0 {
            Kind::Sqlite(db) => Backend::Reader(db.read().await?),
            Kind::Postgres(pool) => Backend::Postgres(postgres::client(pool).await?),
        }))
    }

    /// A transaction for writing. On SQLite there is one at a time, so keep it short: nothing but the database is
    /// waited for inside it, and no second session or transaction is opened.
    pub async fn begin(&self) -> Result<Tx> {
        let mut session = Session::new(match &self.0 {
            Kind::Sqlite(db) => Backend::Writer(db.begin().await?),
            Kind::Postgres(pool) => Backend::Postgres(postgres::client(pool).await?),
        });
        session.writes = true;
        let tx = Tx(session);
        if let Backend::Postgres(client) = &tx.0.backend {
            postgres::simple(client, "begin").await?;
        }
        Ok(tx)
    }
}

/// What queries run on: a reader, or the transaction that it is dereferenced from.
pub struct Session {
    backend: Backend,
    /// It is a transaction.
    writes: bool,
    /// A statement of this transaction failed. PostgreSQL would refuse all further ones, so both do.
    failed: bool,
    /// Appended to the ledger just before the commit.
    pub(crate) events: Vec<ledger::Pending>,
    /// Written just before those.
    pub(crate) added: git_usage::Added,
}

enum Backend {
    Reader(Reader),
    Writer(Member),
    Postgres(Object),
    Gone,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.writes { "Session(writing)" } else { "Session(reading)" })
    }
}

/// Changes at least this many are made off the asynchronous threads.
const BULK: usize = 16;

impl Session {
    fn new(backend: Backend) -> Self {
        Self { backend, writes: false, failed: false, events: Vec::new(), added: git_usage::Added::default() }
    }

    /// Whether this is PostgreSQL, for the few queries whose best plan differs.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.backend, Backend::Postgres(_))
    }

    /// Whether it may change anything.
    pub(crate) fn check_writes(&self) -> Result<()> {
        match (self.writes, self.failed) {
            (false, _) => Err(Error::ReadOnly),
            (true, true) => Err(Error::Aborted),
            (true, false) => Ok(()),
        }
    }

    fn note<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.failed |= self.writes && outcome.is_err();
        if matches!((&outcome, &self.backend), (Err(Error::Unavailable(_)), Backend::Postgres(_)))
            && let Backend::Postgres(client) = std::mem::replace(&mut self.backend, Backend::Gone)
        {
            // Whatever is wrong with this connection, the next session must not get it.
            drop(Object::take(client));
        }
        outcome
    }

    /// Only prepares a statement.
    pub(crate) async fn prepare(&mut self, sql: &Sql) -> Result<()> {
        match &mut self.backend {
            Backend::Reader(on) => sqlite::prepare(on, sql),
            Backend::Writer(on) => sqlite::prepare(on, sql),
            Backend::Postgres(client) => postgres::prepare(client, sql).await,
            Backend::Gone => Err(Error::Aborted),
        }
    }

    /// All rows of a query, or what a change returns.
    pub(crate) async fn rows(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<Vec<Row>> {
        if self.failed {
            return Err(Error::Aborted);
        }
        if sql.writes {
            self.check_writes()?;
        }
        let outcome = match &mut self.backend {
            Backend::Reader(_) | Backend::Writer(_) if sql.long => self.rows_long(sql, params).await,
            Backend::Reader(on) => sqlite::query(on, sql, params),
            Backend::Writer(on) => sqlite::query(on, sql, params),
            Backend::Postgres(client) => postgres::query(client, sql, params).await,
            Backend::Gone => Err(Error::Aborted),
        };
        self.note(outcome)
    }

    async fn rows_long(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<Vec<Row>> {
        let params = params.iter().map(|p| p.to_owned_sqlite()).collect();
        let sql = sql.clone();
        // While it is away it belongs to the other thread, which puts it in order if this future is dropped.
        match std::mem::replace(&mut self.backend, Backend::Gone) {
            Backend::Reader(on) => {
                let (on, outcome) = sqlite::query_long(on, sql, params).await;
                self.backend = on.map_or(Backend::Gone, Backend::Reader);
                outcome
            }
            Backend::Writer(on) => {
                let (on, outcome) = sqlite::query_long(on, sql, params).await;
                self.backend = on.map_or(Backend::Gone, Backend::Writer);
                outcome
            }
            other => {
                self.backend = other;
                Err(Error::Aborted)
            }
        }
    }

    /// The only row of a query, if there is one.
    pub(crate) async fn opt(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<Option<Row>> {
        let mut rows = self.rows(sql, params).await?;
        debug_assert!(rows.len() <= 1, "{} gave {} rows", sql.name, rows.len());
        Ok(rows.pop())
    }

    /// The only row of a query that always has one.
    pub(crate) async fn one(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<Row> {
        self.opt(sql, params).await?.ok_or_else(|| Error::corrupt(format_args!("{} gave no row", sql.name)))
    }

    /// Makes a change; how many rows it touched.
    pub(crate) async fn exec(&mut self, sql: &Sql, params: &[Value<'_>]) -> Result<u64> {
        self.exec_each(sql, &[params]).await
    }

    /// Makes the same change for each set of parameters; how many rows were touched in all.
    pub(crate) async fn exec_each(&mut self, sql: &Sql, sets: &[&[Value<'_>]]) -> Result<u64> {
        self.check_writes()?;
        let outcome = match &mut self.backend {
            Backend::Reader(_) => Err(Error::ReadOnly),
            Backend::Writer(on) => blocking(sql.long || sets.len() >= BULK, || sqlite::execute(on, sql, sets)),
            Backend::Postgres(client) => postgres::execute(client, sql, sets).await,
            Backend::Gone => Err(Error::Aborted),
        };
        self.note(outcome)
    }
}

/// Runs work that takes milliseconds where it does not hold up other tasks, if this runtime can do that.
fn blocking<T>(long: bool, work: impl FnOnce() -> T) -> T {
    let threads = || tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread;
    if long && threads() { tokio::task::block_in_place(work) } else { work() }
}

/// A write transaction. Dropping it without [`Tx::commit`] undoes it.
#[derive(Debug)]
pub struct Tx(Session);

impl Tx {
    /// Returns when everything is durable and visible to every session that starts afterwards. If it fails, or is
    /// dropped before it returns, an answer may have been lost on the way: the change may have happened.
    pub async fn commit(mut self) -> Result<()> {
        self.0.check_writes()?;
        git_usage::settle(&mut self.0).await?;
        ledger::flush(&mut self.0).await?;
        match std::mem::replace(&mut self.0.backend, Backend::Gone) {
            Backend::Writer(member) => member.commit().await,
            Backend::Postgres(client) => match postgres::simple(&client, "commit").await {
                Ok(()) => Ok(()),
                Err(e) => {
                    postgres::abandon(client);
                    Err(e)
                }
            },
            Backend::Reader(_) | Backend::Gone => Err(Error::Aborted),
        }
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Backend::Postgres(client) = std::mem::replace(&mut self.0.backend, Backend::Gone) {
            postgres::abandon(client);
        }
    }
}

impl Deref for Tx {
    type Target = Session;
    fn deref(&self) -> &Session {
        &self.0
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.0
    }
}
