//! All SQL of Haina: migrations for SQLite and PostgreSQL, statements, the ledger, the job queue.
