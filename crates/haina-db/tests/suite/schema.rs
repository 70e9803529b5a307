//! Both schemas are one schema, and migrations are kept.

use std::collections::BTreeMap;

use haina_db::{Config, Db, Error};

use crate::rig::Hub;

/// Table, column → type as SQLite names it, whether it may be null.
type Columns = BTreeMap<(String, String), (String, bool)>;

/// Indices for searching, which each database keeps in its own way: FTS5 with its own tables, or `tsvector`.
fn is_own(table: &str) -> bool {
    ["repo_name", "repo_text"].contains(&table)
        || (table.starts_with("repo_name_") || table.starts_with("repo_text_")) && table != "repo_text_state"
}

fn path(hub: &Hub) -> &std::path::Path {
    match &hub.config {
        Config::Sqlite(path) => path,
        Config::Postgres(_) => panic!(),
    }
}

async fn client(hub: &Hub) -> tokio_postgres::Client {
    let (client, line) =
        tokio_postgres::connect(hub.server.as_ref().unwrap().url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(line);
    client
}

fn sqlite_columns(hub: &Hub) -> Columns {
    let conn = rusqlite::Connection::open(path(hub)).unwrap();
    let mut statement = conn
        .prepare(
            "select m.name, c.name, lower(c.type), c.\"notnull\" from sqlite_schema m join pragma_table_info(m.name) c
             where m.type = 'table' and m.name not like 'sqlite_%'",
        )
        .unwrap();
    let rows =
        statement.query_map([], |r| Ok(((r.get(0)?, r.get(1)?), (r.get(2)?, r.get::<_, i64>(3)? == 0)))).unwrap();
    rows.map(Result::unwrap).filter(|((table, _), _): &((String, String), _)| !is_own(table)).collect()
}

async fn postgres_columns(hub: &Hub) -> Columns {
    let rows = client(hub)
        .await
        .query(
            "select table_name::text, column_name::text, data_type::text, is_nullable::text, collation_name::text
             from information_schema.columns where table_schema = 'public'",
            &[],
        )
        .await
        .unwrap();
    rows.iter()
        .filter(|r| !is_own(r.get(0)))
        .map(|r| {
            let (table, column): (String, String) = (r.get(0), r.get(1));
            let kind = match r.get::<_, &str>(2) {
                "bigint" => "integer",
                "bytea" => "blob",
                "text" => {
                    assert_eq!(r.get::<_, Option<&str>>(4), Some("C"), "{table}.{column} has the server's collation");
                    "text"
                }
                "double precision" => "real",
                other => panic!("{table}.{column} is {other}"),
            };
            ((table, column), (kind.to_owned(), r.get::<_, &str>(3) == "YES"))
        })
        .collect()
}

#[tokio::test]
async fn both_schemas_have_the_same_columns() {
    let (sqlite, postgres) = (Hub::sqlite().await, Hub::postgres().await);
    let (sqlite, postgres) = (sqlite_columns(&sqlite), postgres_columns(&postgres).await);
    assert!(sqlite.len() > 100);
    for (name, column) in &sqlite {
        assert_eq!(Some(column), postgres.get(name), "{name:?}");
    }
    for name in postgres.keys() {
        assert!(sqlite.contains_key(name), "{name:?} is only in PostgreSQL");
    }
}

#[tokio::test]
async fn every_foreign_key_has_an_index() {
    // Else deleting the row that it points to reads the whole table.
    let hub = Hub::postgres().await;
    let missing = client(&hub)
        .await
        .query(
            "select c.conrelid::regclass::text || ' ' || c.conname from pg_constraint c
             where c.contype = 'f' and not exists (
                 select 1 from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])",
            &[],
        )
        .await
        .unwrap();
    let missing: Vec<String> = missing.iter().map(|r| r.get(0)).collect();
    assert_eq!(missing, [""; 0]);
}

#[tokio::test]
async fn every_sqlite_table_is_strict() {
    let hub = Hub::sqlite().await;
    let conn = rusqlite::Connection::open(path(&hub)).unwrap();
    let mut statement = conn
        .prepare("select name from pragma_table_list where schema = 'main' and type = 'table' and strict = 0")
        .unwrap();
    let names = statement.query_map([], |r| r.get::<_, String>(0)).unwrap().map(Result::unwrap);
    assert_eq!(names.filter(|n| !n.starts_with("sqlite_")).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn a_newer_or_changed_sqlite_schema_is_refused() {
    let hub = Hub::sqlite().await;
    let conn = rusqlite::Connection::open(path(&hub)).unwrap();
    conn.execute("insert into schema_migration values (99, 'future', 'x', 0)", []).unwrap();
    let e = Db::open(&hub.config).await.unwrap_err();
    assert!(matches!(e, Error::NewerSchema { found: 99, .. }), "{e:?}");
    assert!(e.to_string().contains("newer program"));
    conn.execute("delete from schema_migration where version = 99", []).unwrap();
    conn.execute("update schema_migration set checksum = 'x' where version = 1", []).unwrap();
    let e = Db::open(&hub.config).await.unwrap_err();
    assert!(matches!(e, Error::ChangedMigration { version: 1, .. }), "{e:?}");
}

#[tokio::test]
async fn a_newer_or_changed_postgres_schema_is_refused() {
    let hub = Hub::postgres().await;
    let client = client(&hub).await;
    client.execute("insert into schema_migration values (99, 'future', 'x', 0)", &[]).await.unwrap();
    let e = Db::open(&hub.config).await.unwrap_err();
    assert!(matches!(e, Error::NewerSchema { found: 99, .. }), "{e:?}");
    client.execute("delete from schema_migration where version = 99", &[]).await.unwrap();
    client.execute("update schema_migration set checksum = 'x' where version = 1", &[]).await.unwrap();
    let e = Db::open(&hub.config).await.unwrap_err();
    assert!(matches!(e, Error::ChangedMigration { version: 1, .. }), "{e:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    std::fs::write(&path, "a note, not a database".repeat(100)).unwrap();
    let e = Db::open(&Config::Sqlite(path)).await.unwrap_err();
    assert!(matches!(e, Error::Corrupt(_)), "{e:?}");
}
