//! One contract, two databases: every test of these modules runs on SQLite and on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is a failed test")]

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

mod content;
mod driver;
mod git;
mod group_commit;
mod jobs;
mod ledger;
mod people;
mod repos;
mod rig;
mod schema;
