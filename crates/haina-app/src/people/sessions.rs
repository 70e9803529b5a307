//! Browser sessions.

use haina_db::people;
use haina_types::{Code, Error, Result, Timestamp};

use super::{password, secret_hash};
use crate::{App, Caller};

/// How long a session lives, in days.
const DAYS: i64 = 30;
/// Wrong passwords for one name, of an account or not, until it takes a pause.
const TRIES_MAX: u32 = 20;
/// No name and no e-mail address is longer, in bytes.
const NAME_BYTES_MAX: usize = 320;

/// A session just made; the secret is not kept.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What the cookie carries.
    pub secret: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl App {
    /// Signs a person in with a user name or e-mail address and a password.
    pub async fn sign_in(&self, name_or_email: &str, password: &str) -> Result<NewSession> {
        let (fold, now) = (name_or_email.trim().to_lowercase(), self.now());
        let wrong = || Error::new(Code::BadCredentials, "The name or the password is wrong.");
        if fold.len() > NAME_BYTES_MAX {
            return Err(wrong());
        }
        // Also for names that nobody has: whether one does must not show.
        self.attempts().check("password", &fold, TRIES_MAX, now)?;
        let user = {
            let mut s = self.db().read().await?;
            if fold.contains('@') {
                people::find_user_by_email(&mut s, &fold).await?
            } else {
                people::find_user(&mut s, &fold).await?
            }
        };
        let stored = user.as_ref().and_then(|u| u.password_hash.clone());
        let fits = password::verify(password.to_owned(), stored).await?;
        let Some(user) = user.filter(|u| fits && u.disabled_at.is_none()) else {
            self.attempts().miss("password", &fold, now);
            return Err(wrong());
        };
        let mut tx = self.db().begin().await?;
        let session = self.new_session(&mut tx, user.id).await?;
        tx.commit().await?;
        Ok(session)
    }

    pub(crate) async fn new_session(&self, s: &mut haina_db::Session, user: i64) -> Result<NewSession> {
        let secret = self.rng().alphanumeric(40);
        let now = self.now();
        let expires_at = now.plus_seconds(DAYS * 86_400);
        people::insert_session(s, &secret_hash(&secret), user, now, expires_at).await?;
        Ok(NewSession { secret, expires_at })
    }

    /// Who a session cookie stands for; anonymous when it ended or never was.
    pub async fn caller_by_session(&self, secret: &str) -> Result<Caller> {
        let mut s = self.db().read().await?;
        let found = people::find_session_by_hash(&mut s, &secret_hash(secret)).await?;
        Ok(match found {
            Some((session, user)) if session.expires_at > self.now() && user.disabled_at.is_none() => {
                Caller::person(user)
            }
            _ => Caller::anonymous(),
        })
    }

    /// Ends a session.
    pub async fn sign_out(&self, secret: &str) -> Result<()> {
        let mut tx = self.db().begin().await?;
        people::delete_session(&mut tx, &secret_hash(secret)).await?;
        tx.commit().await?;
        Ok(())
    }
}
