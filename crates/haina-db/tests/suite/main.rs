//! One contract, two databases: every test of these modules runs on SQLite and on a real PostgreSQL.

/// Runs each named `async fn(Hub)` on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::rig::Hub::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::rig::Hub::postgres().await).await;
            })*
        }
    };
}

mod driver;
mod git;
mod group_commit;
mod jobs;
mod ledger;
mod people;
mod repos;
mod rig;
mod schema;
