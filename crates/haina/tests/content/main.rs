//! The content store from its doors down to its files: the router in process, a folder, and both databases.
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

mod access;
mod claims;
mod dedup;
mod doors;
mod hostile;
mod lfs;
mod panics;
mod repair;
mod rig;
mod transfer;
