//! `haina admin secrets …`: the key that secrets in the database are sealed with.

use clap::Subcommand;
use haina_app::App;

use crate::{Store, say};

/// The key of secrets.
#[derive(Subcommand)]
pub enum Secrets {
    /// Seal every secret with a new key; works beside a running hub. With the key in a file the new one is made and the old one
    /// removed: keep a copy of the old file with the backups that were made before. With HAINA_SECRET_KEY, first put a new key
    /// before the old one (NEW,OLD) for every server; the old one can go afterwards.
    Rotate {
        #[command(flatten)]
        store: Store,
    },
    /// Forget every secret, when the key is lost for good: webhooks lose their secrets, providers of sign-in what this hub proves
    /// itself with there, spaces their secrets; addresses that were signed, and forms that were begun, do not count any more.
    /// Stop the hub first.
    Reset {
        /// Yes, forget them.
        #[arg(long, required = true)]
        yes: bool,
        #[command(flatten)]
        store: Store,
    },
}

impl Secrets {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Rotate { store } => {
                let done = store.open_existing().await?.rotate_secrets().await?;
                say(&format!("Sealed {} secrets with key {}.", done.count, done.key));
            }
            Self::Reset { yes: _, store } => {
                store.check_exists()?;
                let count = App::reset_secrets(store.options("http://localhost")?).await?;
                say(&format!(
                    "Forgot {count} secrets. Set up again those of providers (haina admin provider) and webhooks."
                ));
            }
        }
        Ok(())
    }
}
