//! Variables and secrets of a space.

use haina_db::{Session, git, spaces};
use haina_types::{Code, Error, Result};
use serde_json::json;

pub use haina_db::spaces::Setting;

use crate::App;
use crate::gate::{ContentAccess, WriteAccess, repo_not_found};
use crate::secrets::space_place;

/// Longest key.
const KEY_BYTES_MAX: usize = 200;
/// Longest value.
const VALUE_BYTES_MAX: usize = 32 << 10;
/// Longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 500;
/// Most variables and secrets of one space.
const SETTINGS_MAX: u64 = 200;

/// A variable or a secret to set.
#[derive(Clone)]
pub struct NewSetting {
    /// Whether it is a secret.
    pub is_secret: bool,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it is for; as it was when absent.
    pub description: Option<String>,
}

impl std::fmt::Debug for NewSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewSetting").field("is_secret", &self.is_secret).field("key", &self.key).finish_non_exhaustive()
    }
}

/// For the person who reads the error.
fn word(is_secret: bool) -> &'static str {
    if is_secret { "secret" } else { "variable" }
}

fn check_key(key: &str) -> Result<()> {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    if key.is_empty() || key.len() > KEY_BYTES_MAX || key.as_bytes()[0].is_ascii_digit() || !key.bytes().all(plain) {
        return Err(Error::invalid(format!(
            "\"key\" must be a name of an environment variable: letters, digits and _, not beginning with a digit, at most \
             {KEY_BYTES_MAX} of them."
        )));
    }
    Ok(())
}

impl NewSetting {
    pub(crate) fn check(&self) -> Result<()> {
        check_key(&self.key)?;
        let (key, what) = (&self.key, word(self.is_secret));
        if self.value.len() > VALUE_BYTES_MAX || self.value.contains('\0') {
            return Err(Error::invalid(format!(
                "\"value\" of the {what} {key} must have at most {VALUE_BYTES_MAX} bytes, and none that is zero."
            )));
        }
        if self.description.as_ref().is_some_and(|d| d.chars().count() > DESCRIPTION_CHARS_MAX || d.contains('\0')) {
            return Err(Error::invalid(format!(
                "\"description\" of the {what} {key} must have at most {DESCRIPTION_CHARS_MAX} characters."
            )));
        }
        Ok(())
    }
}

impl App {
    /// Sets a variable or a secret on the caller's transaction, which holds the space's row or has just made it.
    pub(crate) async fn put_setting(&self, tx: &mut Session, repo: i64, new: &NewSetting) -> Result<()> {
        new.check()?;
        match spaces::is_secret(tx, repo, &new.key).await? {
            Some(is_secret) if is_secret != new.is_secret => {
                return Err(Error::invalid(format!(
                    "{} is a {} of this space. Delete that first, or choose another key.",
                    new.key,
                    word(is_secret)
                )));
            }
            Some(_) => {}
            None if spaces::count(tx, repo).await? >= SETTINGS_MAX => {
                return Err(Error::invalid(format!(
                    "A space has at most {SETTINGS_MAX} variables and secrets: delete one first."
                )));
            }
            None => {}
        }
        let sealed = match new.is_secret {
            true => Some(self.vault().seal(tx, &space_place(repo, &new.key), new.value.as_bytes()).await?),
            false => None,
        };
        let value = sealed.as_deref().unwrap_or(&new.value);
        spaces::put(tx, repo, new.is_secret, &new.key, value, new.description.as_deref(), self.now()).await?;
        Ok(())
    }

    /// Sets a variable or a secret of a space.
    pub async fn set_space_setting(&self, access: &WriteAccess, new: NewSetting) -> Result<()> {
        new.check()?;
        let repo = access.repo();
        let mut tx = self.db().begin().await?;
        if !git::lock_repo(&mut tx, repo.id).await? {
            return Err(repo_not_found());
        }
        self.put_setting(&mut tx, repo.id, &new).await?;
        let kind = format!("space.{}.set", word(new.is_secret));
        let data = json!({"key": new.key});
        self.append(&mut tx, access.actor(), &kind, Some(repo.id), Some(repo.namespace.id), data).await?;
        Ok(tx.commit().await?)
    }

    /// Takes a variable or a secret of a space away.
    pub async fn delete_space_setting(&self, access: &WriteAccess, is_secret: bool, key: &str) -> Result<()> {
        check_key(key)?;
        let repo = access.repo();
        let mut tx = self.db().begin().await?;
        if !spaces::delete(&mut tx, repo.id, is_secret, key).await? {
            return Err(Error::new(Code::NotFound, format!("This space has no {} {key}.", word(is_secret))));
        }
        let kind = format!("space.{}.delete", word(is_secret));
        let data = json!({"key": key});
        self.append(&mut tx, access.actor(), &kind, Some(repo.id), Some(repo.namespace.id), data).await?;
        Ok(tx.commit().await?)
    }

    /// A space's variables: what its readers may see.
    pub async fn list_space_variables(&self, access: &ContentAccess) -> Result<Vec<Setting>> {
        let mut s = self.db().read().await?;
        Ok(spaces::list(&mut s, access.repo().id, false).await?)
    }

    /// Which secrets a space has, without their values.
    pub async fn list_space_secrets(&self, access: &WriteAccess) -> Result<Vec<Setting>> {
        let mut s = self.db().read().await?;
        let mut all = spaces::list(&mut s, access.repo().id, true).await?;
        all.iter_mut().for_each(|secret| secret.value.clear());
        Ok(all)
    }
}
