//! A repository's settings: who may know it, and how its content is given.

use std::str::FromStr;

use haina_db::{git, repos};
use haina_types::{Result, Visibility};
use serde_json::json;

use crate::gate::{AdminAccess, repo_not_found};
use crate::{App, content};

/// How the content of a repository is given to those who may know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gating {
    /// To all of them.
    Open,
    /// To whoever asks.
    Auto,
    /// To whom its owners accept.
    Manual,
}

impl Gating {
    /// As a repository has it.
    pub fn of(repo: &repos::Repo) -> Self {
        match repo.gated.as_deref() {
            None => Self::Open,
            Some("auto") => Self::Auto,
            // Whatever is not known lets nobody in by itself.
            Some(_) => Self::Manual,
        }
    }

    /// The text of the database and of the API; none when it is open.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Auto => Some("auto"),
            Self::Manual => Some("manual"),
        }
    }
}

impl FromStr for Gating {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "auto" => Ok(Self::Auto),
            "manual" => Ok(Self::Manual),
            "open" | "false" => Ok(Self::Open),
            _ => Err(()),
        }
    }
}

/// What is to be changed; the rest stays.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Who may know of it.
    pub visibility: Option<Visibility>,
    /// How its content is given.
    pub gating: Option<Gating>,
}

impl App {
    /// Changes settings; what they are then.
    pub async fn change_settings(&self, access: &AdminAccess, change: Settings) -> Result<(Visibility, Gating)> {
        let id = access.repo().id;
        let now = self.now();
        let mut tx = self.db().begin().await?;
        if !git::lock_repo(&mut tx, id).await? {
            return Err(repo_not_found());
        }
        let was = repos::find_repo_by_id(&mut tx, id).await?.ok_or_else(repo_not_found)?;
        let (visibility, gating) =
            (change.visibility.unwrap_or(was.visibility), change.gating.unwrap_or(Gating::of(&was)));
        let mut data = json!({});
        if visibility != was.visibility {
            repos::set_visibility(&mut tx, id, visibility, now).await?;
            data["visibility"] = json!({"old": was.visibility, "new": visibility});
        }
        if gating.as_str() != was.gated.as_deref() {
            repos::set_gated(&mut tx, id, gating.as_str(), now).await?;
            data["gated"] = json!({"old": was.gated, "new": gating.as_str()});
        }
        if data.as_object().is_some_and(|changes| !changes.is_empty()) {
            let open = visibility == Visibility::Public && gating == Gating::Open;
            if open && !was.is_open() {
                content::publish_repo(&mut tx, id).await?;
            }
            self.append(&mut tx, access.actor(), "repo.settings", Some(id), Some(was.namespace.id), data).await?;
            tx.commit().await?;
        }
        Ok((visibility, gating))
    }
}
