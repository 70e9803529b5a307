//! Schema migrations: embedded, applied in order under a lock, never edited after they were applied.

use rusqlite::Connection;

use crate::{Error, Result};

struct Migration {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal;)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../migrations/postgres/", $name, ".sql")),
        }),*]
    };
}

/// In order. A new one is one line here and one file for each database.
const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_base";
    2 "0002_content";
    3 "0003_lfs";
    4 "0004_social";
    5 "0005_search";
    6 "0006_git_usage";
    7 "0007_discussion";
    8 "0008_manage";
    9 "0009_git_pack";
    10 "0010_ssh";
    11 "0011_buckets";
    12 "0012_webhooks";
    13 "0013_oauth";
    14 "0014_identity";
    15 "0015_publisher";
    16 "0016_quota";
    17 "0017_orgs";
    18 "0018_space";
    19 "0019_evaluation";
    20 "0020_not_public";
    21 "0021_words";
};

/// PostgreSQL's advisory lock for migrating ("hainamig").
const LOCK: i64 = 0x6861_696e_616d_6967;

/// FNV-1a, in hexadecimal: against editing by accident, not by malice.
fn checksum(text: &str) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes().filter(|b| *b != b'\r') {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// Compares what was applied with what is known; the migrations still to be applied.
fn pending(applied: &[(i64, String)], text: fn(&Migration) -> &'static str) -> Result<&'static [Migration]> {
    for (i, (version, sum)) in applied.iter().enumerate() {
        match MIGRATIONS.get(i) {
            None => {
                let found = applied.last().map_or(0, |a| a.0);
                return Err(Error::NewerSchema { found, known: MIGRATIONS.last().map_or(0, |m| m.version) });
            }
            Some(m) if m.version != *version || checksum(text(m)) != *sum => {
                return Err(Error::ChangedMigration { version: *version, name: m.name.to_owned() });
            }
            Some(_) => {}
        }
    }
    Ok(&MIGRATIONS[applied.len()..])
}

#[expect(clippy::disallowed_methods, reason = "a note for people in schema_migration, read by nothing")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn sqlite(conn: &mut Connection) -> Result<()> {
    let wrong = |e| Error::from_sqlite(e, "migrate");
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(wrong)?;
    tx.execute_batch(
        "create table if not exists schema_migration (
             version integer not null primary key, name text not null, checksum text not null, applied_at integer not null
         ) strict",
    )
    .map_err(wrong)?;
    let applied: Vec<(i64, String)> = tx
        .prepare("select version, checksum from schema_migration order by version")
        .and_then(|mut s| s.query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(wrong)?;
    let new = pending(&applied, |m| m.sqlite)?;
    for m in new {
        tx.execute_batch(m.sqlite).map_err(|e| Error::from_sqlite(e, m.name))?;
        tx.execute(
            "insert into schema_migration (version, name, checksum, applied_at) values (?1, ?2, ?3, ?4)",
            (m.version, m.name, checksum(m.sqlite), now()),
        )
        .map_err(wrong)?;
        tracing::info!(version = m.version, name = m.name, "migrated the database");
    }
    tx.commit().map_err(wrong)?;
    if !new.is_empty() {
        // Into the file at once: it is as large then as it has to be, and a disk that fills up later does not keep the
        // schema in the log, from where it could not be moved without more room.
        conn.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).map_err(wrong)?;
    }
    Ok(())
}

pub(crate) async fn postgres(client: &mut tokio_postgres::Client) -> Result<()> {
    let wrong = |e| Error::from_postgres(e, "migrate");
    let tx = client.transaction().await.map_err(wrong)?;
    tx.execute("select pg_advisory_xact_lock($1)", &[&LOCK]).await.map_err(wrong)?;
    tx.batch_execute(
        "create table if not exists schema_migration (
             version bigint not null primary key, name text collate \"C\" not null, checksum text collate \"C\" not null,
             applied_at bigint not null
         )",
    )
    .await
    .map_err(wrong)?;
    let applied: Vec<(i64, String)> = tx
        .query("select version, checksum from schema_migration order by version", &[])
        .await
        .map_err(wrong)?
        .iter()
        .map(|r| Ok((r.try_get(0)?, r.try_get(1)?)))
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    for m in pending(&applied, |m| m.postgres)? {
        tx.batch_execute(m.postgres).await.map_err(|e| Error::from_postgres(e, m.name))?;
        tx.execute(
            "insert into schema_migration (version, name, checksum, applied_at) values ($1, $2, $3, $4)",
            &[&m.version, &m.name, &checksum(m.postgres), &now()],
        )
        .await
        .map_err(wrong)?;
        tracing::info!(version = m.version, name = m.name, "migrated the database");
    }
    tx.commit().await.map_err(wrong)
}
