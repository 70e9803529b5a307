//! What can go wrong below the application.

use std::error::Error as StdError;
use std::sync::Arc;

use haina_types::Code;

/// A driver's own error; shared, because all members of a failed group commit get the same one.
pub type Source = Arc<dyn StdError + Send + Sync>;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Which unique key was violated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The table whose key it is.
    pub table: String,
    /// The constraint or the columns, as the database names them.
    pub detail: String,
}

/// Why the database did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not reachable, too busy, or restarted in the middle. Trying again may help.
    #[error("the database cannot be reached just now")]
    Unavailable(#[source] Source),
    /// No room on the disk, or the disk refuses to be written or read.
    #[error("the database's disk is full or failing")]
    Full(#[source] Source),
    /// A unique key exists already.
    #[error("{} has such a row already ({})", .0.table, .0.detail)]
    Conflict(Conflict),
    /// A row points to one that does not exist (any more).
    #[error("a row refers to one that is gone")]
    Dangling(#[source] Source),
    /// The transaction cannot go on: an earlier statement of it failed.
    #[error("an earlier statement of this transaction failed, so nothing of it is kept")]
    Aborted,
    /// A change was asked of a session that only reads.
    #[error("this session only reads")]
    ReadOnly,
    /// A newer program has migrated this database.
    #[error("the database has schema version {found}, this program knows only up to {known}: run the newer program")]
    NewerSchema {
        /// The database's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A migration's text differs from what was applied.
    #[error("migration {version} ({name}) is not the one that was applied to this database")]
    ChangedMigration {
        /// Its number.
        version: i64,
        /// Its name.
        name: String,
    },
    /// A value does not have the shape that this program wrote.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// The address of the database cannot be understood.
    #[error("not a database address: {0}")]
    Config(String),
    /// Any other refusal: a fault of this program.
    #[error("the database refused {statement}")]
    Statement {
        /// The statement's name.
        statement: String,
        /// The driver's words.
        #[source]
        source: Source,
    },
}

impl Error {
    /// Whether a unique key of this table was violated.
    pub fn is_conflict_on(&self, table: &str) -> bool {
        matches!(self, Self::Conflict(c) if c.table == table)
    }

    pub(crate) fn unavailable(text: &'static str) -> Self {
        Self::Unavailable(Arc::from(Box::<dyn StdError + Send + Sync>::from(text)))
    }

    pub(crate) fn corrupt(what: impl std::fmt::Display) -> Self {
        Self::Corrupt(what.to_string())
    }

    pub(crate) fn from_sqlite(error: rusqlite::Error, statement: &str) -> Self {
        use rusqlite::ErrorCode as C;
        use rusqlite::ffi;
        let (code, extended, text) = match &error {
            rusqlite::Error::SqliteFailure(e, text) => (e.code, e.extended_code, text.clone().unwrap_or_default()),
            _ => return Self::Statement { statement: statement.to_owned(), source: Arc::new(error) },
        };
        match (code, extended) {
            (C::DatabaseBusy | C::DatabaseLocked | C::CannotOpen | C::FileLockingProtocolFailed, _) => {
                Self::Unavailable(Arc::new(error))
            }
            // A full disk shows as either, depending on which file could not grow.
            (C::DiskFull | C::SystemIoFailure, _) => Self::Full(Arc::new(error)),
            (C::DatabaseCorrupt | C::NotADatabase, _) => Self::Corrupt(error.to_string()),
            (_, ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID) => {
                let detail = text.rsplit(": ").next().unwrap_or("");
                let table = detail.split('.').next().unwrap_or("");
                Self::Conflict(Conflict { table: table.to_owned(), detail: detail.to_owned() })
            }
            (_, ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Dangling(Arc::new(error)),
            (C::ReadOnly, _) => Self::ReadOnly,
            _ => Self::Statement { statement: statement.to_owned(), source: Arc::new(error) },
        }
    }

    pub(crate) fn from_postgres(error: tokio_postgres::Error, statement: &str) -> Self {
        let Some(db) = error.as_db_error() else {
            // Bad parameters are ours; everything else that is not the server's word is the line to it.
            return if error.is_closed() || StdError::source(&error).is_some_and(|s| s.is::<std::io::Error>()) {
                Self::Unavailable(Arc::new(error))
            } else {
                Self::Statement { statement: statement.to_owned(), source: Arc::new(error) }
            };
        };
        let code = db.code().code();
        match code {
            "23505" => Self::Conflict(Conflict {
                table: db.table().unwrap_or_default().to_owned(),
                detail: db.constraint().unwrap_or_default().to_owned(),
            }),
            "23503" => Self::Dangling(Arc::new(error)),
            "25006" => Self::ReadOnly,
            // disk_full, out_of_memory is not it; io_error.
            "53100" | "58030" => Self::Full(Arc::new(error)),
            // query_canceled (statement_timeout), lock_not_available, deadlock, serialization.
            "57014" | "55P03" | "40P01" | "40001" => Self::Unavailable(Arc::new(error)),
            // Connection exceptions, too many connections and memory, shutdown and start-up.
            _ if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
                Self::Unavailable(Arc::new(error))
            }
            _ => Self::Statement { statement: statement.to_owned(), source: Arc::new(error) },
        }
    }
}

impl From<Error> for haina_types::Error {
    fn from(error: Error) -> Self {
        let (code, message) = match &error {
            Error::Full(_) => (
                Code::StorageFull,
                "The server has no room left, so nothing was stored. Ask its administrator to free space, then try again.",
            ),
            Error::Unavailable(_) => {
                (Code::Unavailable, "The database cannot be reached just now. Please try again shortly.")
            }
            Error::Conflict(_) => (Code::Conflict, "This exists already."),
            Error::Dangling(_) => (Code::Conflict, "Something that this refers to was deleted meanwhile."),
            _ => return Self::internal(error),
        };
        Self::new(code, message).because(error)
    }
}
