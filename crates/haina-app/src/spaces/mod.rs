//! Spaces as far as a hub without machines of its own goes: their variables and secrets, and an honest word of whether they run.
//!
//! Static spaces are files, and files are always served. What others need (hardware, restarts, logs) is refused with words
//! that say so. Variables and secrets are kept for whoever runs the space elsewhere; a secret is never shown again.

mod settings;

use haina_types::{Code, Error, Result};
use serde_json::Value;

pub use settings::{NewSetting, Setting};

use crate::gate::WriteAccess;

/// Whether a space runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its files are served as they are.
    Running,
    /// It would need a machine.
    Stopped,
    /// Its card does not say what it is made with.
    ConfigError,
}

impl Stage {
    /// As clients know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::ConfigError => "CONFIG_ERROR",
        }
    }

    /// Of a space with this card.
    pub fn of_card(card: Option<&Value>) -> Self {
        match card.and_then(|card| card.get("sdk")).and_then(Value::as_str) {
            Some("static") => Self::Running,
            Some(_) => Self::Stopped,
            None => Self::ConfigError,
        }
    }

    /// What keeps it from running, for people.
    pub fn problem(self) -> Option<&'static str> {
        match self {
            Self::Running => None,
            Self::Stopped => Some("This hub has no machines to run spaces on; only static spaces are served here."),
            Self::ConfigError => Some("The card (README.md) does not say which \"sdk\" the space is made with."),
        }
    }
}

/// What only a hub with machines could do for a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Hardware, or when to sleep.
    Hardware,
    /// To be paused.
    Pause,
    /// To be started again.
    Restart,
    /// To be worked on while it runs.
    DevMode,
    /// Volumes.
    Volumes,
    /// What it wrote while it was built or ran.
    Logs,
}

impl Wish {
    fn words(self) -> &'static str {
        match self {
            Self::Hardware => "hardware to choose",
            Self::Pause => "way to pause it",
            Self::Restart => "way to restart it",
            Self::DevMode => "dev mode",
            Self::Volumes => "way to attach volumes",
            Self::Logs => "log",
        }
    }
}

impl crate::App {
    /// Why a wish for a space is not granted: it always has an answer, and never a machine.
    pub async fn refuse_wish(&self, access: &WriteAccess, wish: Wish) -> Result<Error> {
        let card = {
            let mut s = self.db().read().await?;
            haina_db::repos::find_card(&mut s, access.repo().id).await?.and_then(|card| card.card)
        };
        let card: Option<Value> = card.and_then(|text| serde_json::from_str(&text).ok());
        let words = wish.words();
        Ok(match Stage::of_card(card.as_ref()) {
            Stage::Running => Error::invalid(format!("A static space is always running: there is no {words}.")),
            stage => Error::new(
                Code::Unsupported,
                format!("{} So there is no {words}.", stage.problem().unwrap_or("This space does not run here.")),
            ),
        })
    }
}
