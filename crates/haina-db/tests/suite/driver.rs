//! Sessions and transactions: what is seen when, and what an error, a drop or a cancellation leaves behind.

use std::time::Duration;

use haina_db::{Config, Db, Error, git, meta, people};
use haina_types::{Code, OrgRole};

use crate::rig::{Hub, NOW, oid};

on_both!(
    a_commit_is_seen_and_a_drop_is_not,
    an_error_ends_the_transaction,
    readers_do_not_write,
    a_dangling_row_is_refused,
    cancelled_transactions_leave_nothing,
    many_readers_and_writers,
    long_reads_survive_cancellation,
    migrating_twice_at_once_is_fine,
    statements_fit_the_schema,
);

async fn a_commit_is_seen_and_a_drop_is_not(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    meta::put_setting(&mut tx, "a", "1").await.unwrap();
    assert_eq!(meta::find_setting(&mut tx, "a").await.unwrap().as_deref(), Some("1"), "a transaction sees itself");
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap(), None, "others do not see it yet");
    drop(tx);
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap(), None, "a dropped one is undone");

    let mut tx = hub.db.begin().await.unwrap();
    meta::put_setting(&mut tx, "a", "2").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap().as_deref(), Some("2"));
    let other = hub.reopen().await;
    let mut s = other.read().await.unwrap();
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap().as_deref(), Some("2"));
}

async fn an_error_ends_the_transaction(hub: Hub) {
    let user = hub.user("ada").await;
    hub.repo(user, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    meta::put_setting(&mut tx, "a", "1").await.unwrap();
    let again =
        crate::rig::insert_repo(&mut tx, user, haina_types::RepoKind::Model, "ONE", haina_types::Visibility::Public);
    let e = again.await.unwrap_err();
    assert!(e.is_conflict_on("repo"), "{e:?}");
    assert_eq!(haina_types::Error::from(e).code, Code::Conflict);
    let after = meta::find_setting(&mut tx, "a").await;
    assert!(matches!(after, Err(Error::Aborted)), "{after:?}");
    assert!(matches!(tx.commit().await, Err(Error::Aborted)));
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap(), None);
}

async fn readers_do_not_write(hub: Hub) {
    let mut s = hub.db.read().await.unwrap();
    assert!(matches!(meta::put_setting(&mut s, "a", "1").await, Err(Error::ReadOnly)));
    assert!(matches!(meta::get_or_insert(&mut s, "a", b"1").await, Err(Error::ReadOnly)));
    assert_eq!(meta::find_setting(&mut s, "a").await.unwrap(), None, "and can be used on");
}

async fn a_dangling_row_is_refused(hub: Hub) {
    let mut tx = hub.db.begin().await.unwrap();
    let e = people::put_org_member(&mut tx, 77, 78, OrgRole::Read, NOW).await.unwrap_err();
    assert!(matches!(e, Error::Dangling(_)), "{e:?}");
}

async fn cancelled_transactions_leave_nothing(hub: Hub) {
    // Each is dropped at another await; the next transaction must work, and none of the values may appear.
    for steps in 0..40_u32 {
        let db = hub.db.clone();
        let work = async move {
            let mut tx = db.begin().await.unwrap();
            for n in 0..steps / 4 {
                meta::put_setting(&mut tx, &format!("cancelled{n}"), "1").await.unwrap();
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
            tx.commit().await.unwrap();
        };
        let _ = tokio::time::timeout(Duration::from_micros(u64::from(steps) * 100), work).await;
        let mut tx = hub.db.begin().await.unwrap();
        meta::put_setting(&mut tx, "kept", &steps.to_string()).await.unwrap();
        tx.commit().await.unwrap();
    }
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(meta::list_settings(&mut s).await.unwrap(), [("kept".to_owned(), "39".to_owned())]);
}

async fn many_readers_and_writers(hub: Hub) {
    let mut tasks = Vec::new();
    for n in 0..64 {
        let db = hub.db.clone();
        tasks.push(tokio::spawn(async move {
            for round in 0..5 {
                let (key, value) = (format!("k{n}"), round.to_string());
                let mut tx = db.begin().await.unwrap();
                meta::put_setting(&mut tx, &key, &value).await.unwrap();
                tx.commit().await.unwrap();
                let mut s = db.read().await.unwrap();
                assert_eq!(meta::find_setting(&mut s, &key).await.unwrap(), Some(value));
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let mut s = hub.reopen().await.read().await.unwrap();
    assert_eq!(meta::list_settings(&mut s).await.unwrap().len(), 64);
}

async fn long_reads_survive_cancellation(hub: Hub) {
    let user = hub.user("ada").await;
    let repo = hub.repo(user, "one").await;
    let mut tx = hub.db.begin().await.unwrap();
    for n in 0..500 {
        let name = format!("refs/heads/b{n}").parse().unwrap();
        assert!(git::put_ref(&mut tx, repo, &name, None, Some(&oid(n)), NOW).await.unwrap());
    }
    // A long read inside a transaction sees its changes and leaves it usable.
    assert_eq!(git::list_refs(&mut tx, repo).await.unwrap().len(), 500);
    tx.commit().await.unwrap();
    for micros in 0..200 {
        let work = async {
            let mut s = hub.db.read().await.unwrap();
            git::list_refs(&mut s, repo).await.unwrap().len()
        };
        let _ = tokio::time::timeout(Duration::from_micros(micros * 5), work).await;
        let work = async {
            let mut tx = hub.db.begin().await.unwrap();
            meta::put_setting(&mut tx, "cancelled", "1").await.unwrap();
            git::list_refs(&mut tx, repo).await.unwrap();
            std::future::pending::<()>().await;
        };
        let _ = tokio::time::timeout(Duration::from_micros(micros * 5), work).await;
    }
    let mut s = hub.db.read().await.unwrap();
    assert_eq!(git::list_refs(&mut s, repo).await.unwrap().len(), 500);
    assert_eq!(meta::find_setting(&mut s, "cancelled").await.unwrap(), None);
    let tx = hub.db.begin().await.unwrap();
    tx.commit().await.unwrap();
}

async fn migrating_twice_at_once_is_fine(hub: Hub) {
    // On an empty database of its own, because this one is migrated.
    let (config, _server) = if hub.is_postgres() {
        let server = haina_test::postgres::Database::create().unwrap();
        (Config::parse(server.url()).unwrap(), Some(server))
    } else {
        (Config::Sqlite(hub.folder.path().join("other.db")), None)
    };
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let config = config.clone();
            tokio::spawn(async move { Db::open(&config).await })
        })
        .collect();
    for one in opening {
        one.await.unwrap().unwrap();
    }
}

async fn statements_fit_the_schema(hub: Hub) {
    let count = hub.db.check_statements().await.unwrap();
    assert!(count > 400, "{count} statements");
}

#[tokio::test]
async fn everything_works_on_a_single_thread() {
    let hub = Hub::sqlite().await;
    let user = hub.user("ada").await;
    let repo = hub.repo(user, "one").await;
    let names: Vec<String> = (0..100).map(|n| format!("t{n}")).collect();
    let mut tx = hub.db.begin().await.unwrap();
    haina_db::repos::put_tags(&mut tx, repo, &names).await.unwrap();
    tx.commit().await.unwrap();
    let mut s = hub.db.read().await.unwrap();
    let page = haina_db::repos::list_repos(&mut s, &Default::default()).await.unwrap();
    assert_eq!(page.items[0].tags, names);
}

#[tokio::test]
async fn addresses() {
    assert_eq!(Config::parse("sqlite:/a/b").unwrap(), Config::Sqlite("/a/b".into()));
    assert!(matches!(Config::parse("postgres://a:secret@b/c").unwrap(), Config::Postgres(_)));
    assert!(!format!("{:?}", Config::parse("postgres://a:secret@b/c").unwrap()).contains("secret"));
    for bad in ["", "sqlite:", "mysql://x:secret@y", "/a/b"] {
        let e = Config::parse(bad).unwrap_err();
        assert!(!e.to_string().contains("secret"), "{e}");
    }
    let nowhere = Config::parse("postgres://postgres@127.0.0.1:1/x").unwrap();
    assert!(matches!(Db::open(&nowhere).await, Err(Error::Unavailable(_))));
    let tls = Config::parse("postgres://postgres@127.0.0.1:1/x?sslmode=require").unwrap();
    assert!(matches!(Db::open(&tls).await, Err(Error::Config(text)) if text.contains("TLS")));
    assert!(matches!(Db::open(&Config::Sqlite("/nowhere/at/all.db".into())).await, Err(Error::Config(_))));
}

#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let hub = Hub::sqlite().await;
    let Config::Sqlite(path) = &hub.config else { panic!() };
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_goes_away_comes_back() {
    let hub = Hub::postgres().await;
    let (client, line) =
        tokio_postgres::connect(hub.server.as_ref().unwrap().url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(line);
    let mut s = hub.db.read().await.unwrap();
    meta::list_settings(&mut s).await.unwrap();
    let kill = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    client.execute(kill, &[]).await.unwrap();
    let e = meta::list_settings(&mut s).await.unwrap_err();
    assert!(matches!(e, Error::Unavailable(_)), "{e:?}");
    drop(s);
    let mut s = hub.db.read().await.unwrap();
    meta::list_settings(&mut s).await.unwrap();
}
