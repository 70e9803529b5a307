//! Passwords: Argon2id in PHC string form, computed off the async threads and few at a time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use haina_types::{Error, Result};
use tokio::sync::Semaphore;

/// Shortest password that is accepted, in characters.
const CHARS_MIN: usize = 8;
/// Longest password that is accepted, in bytes: a bound on work, not on strength.
const BYTES_MAX: usize = 1024;

/// Each hash takes 19 MiB and a core for some 20 ms: two at a time bound both.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// Hashes a new password.
pub(super) async fn hash(password: String) -> Result<String> {
    if password.chars().count() < CHARS_MIN || password.len() > BYTES_MAX {
        return Err(Error::invalid(format!("A password has at least {CHARS_MIN} characters.")));
    }
    let _turn = AT_ONCE.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|h| h.to_string()).map_err(|e| Error::internal(e.to_string()))
    })
    .await
    .map_err(Error::internal)?
}

/// Whether `password` fits `stored`. Without a stored hash the same work is done for nothing, so that the time
/// does not tell whether an account exists.
pub(super) async fn verify(password: String, stored: Option<String>) -> Result<bool> {
    if password.len() > BYTES_MAX {
        return Ok(false);
    }
    let _turn = AT_ONCE.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(move || match stored {
        Some(stored) => match PasswordHash::new(&stored) {
            Ok(parsed) => Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()),
            Err(e) => Err(Error::internal(e.to_string())),
        },
        None => {
            let wasted = Argon2::default().hash_password(password.as_bytes());
            std::hint::black_box(wasted.is_ok());
            Ok(false)
        }
    })
    .await
    .map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let stored = hash("海纳百川有容乃大".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("海纳百川有容乃大".into(), Some(stored.clone())).await.unwrap());
        assert!(!verify("wrong password".into(), Some(stored)).await.unwrap());
        assert!(!verify("anything at all".into(), None).await.unwrap());
        assert!(hash("short".into()).await.is_err());
    }
}
