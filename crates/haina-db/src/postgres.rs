//! The PostgreSQL driver: a pool of connections with prepared statements.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use postgres_types::ToSql;
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;

use crate::sql::{Row, Sql, Value};
use crate::{Error, Result};

/// Connections of one replica.
const CONNECTIONS_MAX: usize = 16;
/// How long a connection is waited for.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Bounds on what one statement may cost and on what a stuck client may hold.
const LIMITS: &str = "set statement_timeout = '60s'; set lock_timeout = '10s'; \
                      set idle_in_transaction_session_timeout = '60s'";

/// Migrates the database and opens the pool.
pub(crate) async fn open(address: &str) -> Result<Pool> {
    let mut config = tokio_postgres::Config::from_str(address).map_err(|e| Error::Config(e.to_string()))?;
    if config.get_ssl_mode() == SslMode::Require {
        let text = "TLS to PostgreSQL is not offered yet: use a socket, a private network or a tunnel, and no sslmode";
        return Err(Error::Config(text.to_owned()));
    }
    if config.get_application_name().is_none() {
        config.application_name("haina");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(WAIT_MAX);
    }

    let (mut client, connection) = config.connect(NoTls).await.map_err(connecting)?;
    let line = tokio::spawn(connection);
    let migrated = crate::migrate::postgres(&mut client).await;
    drop(client);
    // The connection ends when its client is gone; its last word adds nothing to `migrated`.
    let _ = line.await;
    migrated?;

    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let limits = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
        Box::pin(async move { client.batch_execute(LIMITS).await.map_err(HookError::Backend) })
    });
    Pool::builder(manager)
        .max_size(CONNECTIONS_MAX)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT_MAX))
        .create_timeout(Some(WAIT_MAX))
        .post_create(limits)
        .build()
        .map_err(|e| Error::Config(e.to_string()))
}

/// Whatever stands between us and the server is "unavailable", except an address that can never work.
fn connecting(error: tokio_postgres::Error) -> Error {
    match error.code().map(|c| c.code()) {
        // Wrong password, unknown role, unknown database.
        Some("28P01" | "28000" | "3D000") => Error::Statement { statement: "connect".into(), source: Arc::new(error) },
        _ => Error::Unavailable(Arc::new(error)),
    }
}

pub(crate) async fn client(pool: &Pool) -> Result<Object> {
    pool.get().await.map_err(|e| match e {
        PoolError::Backend(e) => connecting(e),
        e => Error::Unavailable(Arc::new(e)),
    })
}

fn dynamic<'a>(params: &'a [Value<'a>]) -> Vec<&'a (dyn ToSql + Sync)> {
    params.iter().map(|p| p as &(dyn ToSql + Sync)).collect()
}

pub(crate) async fn prepare(client: &Object, sql: &Sql) -> Result<()> {
    client.prepare(&sql.postgres).await.map(drop).map_err(|e| Error::from_postgres(e, &sql.name))
}

pub(crate) async fn query(client: &Object, sql: &Sql, params: &[Value<'_>]) -> Result<Vec<Row>> {
    let run = async {
        let statement = client.prepare_cached(&sql.postgres).await?;
        client.query(&statement, &dynamic(params)).await
    };
    match run.await {
        Ok(rows) => Ok(rows.into_iter().map(Row::Postgres).collect()),
        Err(e) => Err(Error::from_postgres(e, &sql.name)),
    }
}

/// Once for each set of parameters.
pub(crate) async fn execute(client: &Object, sql: &Sql, sets: &[&[Value<'_>]]) -> Result<u64> {
    let run = async {
        let statement = client.prepare_cached(&sql.postgres).await?;
        let mut count = 0;
        for params in sets {
            count += client.execute(&statement, &dynamic(params)).await?;
        }
        Ok(count)
    };
    run.await.map_err(|e| Error::from_postgres(e, &sql.name))
}

pub(crate) async fn simple(client: &Object, text: &str) -> Result<()> {
    client.batch_execute(text).await.map_err(|e| Error::from_postgres(e, text))
}

/// Ends an unfinished transaction without making anyone wait; the connection is closed if that fails.
pub(crate) fn abandon(client: Object) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(async move {
                if client.batch_execute("rollback").await.is_err() {
                    drop(Object::take(client));
                }
            });
        }
        Err(_) => drop(Object::take(client)),
    }
}
