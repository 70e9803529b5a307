//! Another key for everything that rests sealed, beside running servers; and the end of what a lost key sealed.

use std::sync::Arc;

use haina_db::secrets as db;
use haina_types::{Code, Error, Result};
use serde_json::json;

use super::places::{self, Change};
use super::{CHECK_TEXT, KeySource, Vault, keys, meta_place};
use crate::{App, Options};

/// What a change of the key did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The name of the key that seals from now on.
    pub key: String,
    /// How many secrets were sealed anew.
    pub count: u64,
}

impl Vault {
    /// The key to seal with from now on. A file gets a new one, or goes on with one that a change that was cut left; given
    /// keys must have a new one before the present one already.
    async fn next_key(&self, app: &App) -> Result<Arc<keys::Key>> {
        self.reload()?;
        let current = {
            let mut s = app.db().read().await?;
            haina_db::meta::find_meta(&mut s, db::CHECK).await?.unwrap_or_default()
        };
        let present = keys::parts(&current).map(|(id, _)| id).unwrap_or_default();
        let first = keys::load(&self.source)?.into_iter().next();
        let first = first.ok_or_else(|| Error::internal("the key is gone"))?;
        if first.id != present {
            return Ok(first);
        }
        match &self.source {
            KeySource::File(path) => {
                let new = keys::fresh(app.rng())?;
                let mut all = vec![new.clone()];
                all.extend(keys::load(&self.source)?);
                // Servers that run find it here as soon as they meet something that it sealed.
                keys::replace(path, &all)?;
                self.reload()?;
                Ok(new)
            }
            KeySource::Given(_) => Err(Error::new(
                Code::Invalid,
                "HAINA_SECRET_KEY begins with the key that is in use. Put a new one before it (NEW,OLD), for every server of \
                 this hub, start them again, and come back.",
            )),
        }
    }
}

impl App {
    /// Seals every secret with another key (`haina admin secrets rotate`).
    pub async fn rotate_secrets(&self) -> Result<Rotated> {
        let vault = self.vault();
        let _alone = match &vault.source {
            KeySource::File(path) => {
                let path = path.clone();
                Some(tokio::task::spawn_blocking(move || keys::lock(&path)).await.map_err(Error::internal)??)
            }
            KeySource::Given(_) => None,
        };
        let key = vault.next_key(self).await?;
        let mut tx = self.db().begin().await?;
        // First of all, for it makes those wait who would seal with the old key, and waits for those who are at it.
        let check = key.seal(&meta_place(db::CHECK), CHECK_TEXT)?;
        db::put_meta(&mut tx, db::CHECK, Some(check.as_bytes())).await?;
        let again = |place: &str, sealed: &[u8]| Ok(Change::To(key.seal(place, &vault.open_bytes(place, sealed)?)?));
        let count = places::each(&mut tx, again).await?;
        let data = json!({"key": key.id, "count": count});
        self.append(&mut tx, None, "secrets.rotate", None, None, data).await?;
        tx.commit().await?;
        self.db().fold_log().await?;
        if let KeySource::File(path) = &vault.source {
            keys::replace(path, std::slice::from_ref(&key))?;
        }
        Ok(Rotated { key: key.id.clone(), count })
    }

    /// Forgets everything that a lost key sealed (`haina admin secrets reset`); how many secrets these were.
    pub async fn reset_secrets(options: Options) -> Result<u64> {
        let database = haina_db::Db::open(&options.database).await?;
        let count = {
            let mut tx = database.begin().await?;
            let count = places::each(&mut tx, |_, _| Ok(Change::Gone)).await?;
            db::put_meta(&mut tx, db::CHECK, None).await?;
            tx.commit().await?;
            count
        };
        drop(database);
        let app = Self::open(options).await?;
        let mut tx = app.db().begin().await?;
        app.append(&mut tx, None, "secrets.reset", None, None, json!({"count": count})).await?;
        tx.commit().await?;
        Ok(count)
    }

    /// Every secret opens; how many there are.
    pub(crate) async fn check_secrets(&self, findings: &mut Vec<String>) -> Result<u64> {
        let mut s = self.db().read().await?;
        places::each(&mut s, |place, sealed| {
            if let Err(e) = self.vault().try_open(place, sealed) {
                findings.push(format!("the secret {place} {e}"));
            }
            Ok(Change::Keep)
        })
        .await
    }
}
