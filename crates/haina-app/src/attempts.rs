//! Guessing is slow: so many wrong tries, then a pause.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use haina_types::{Code, Error, Result, Timestamp};

/// Most guessers that are remembered. Beyond this those go that were wrong once only: whoever floods the table with
/// names gives each of them one try.
const KEPT_MAX: usize = 10_000;
/// How long a wrong try counts, in seconds.
const WINDOW_SECONDS: i64 = 15 * 60;

/// Wrong tries of late, by what is guessed and who guesses. In memory: each process counts for itself.
#[derive(Debug, Default)]
pub(crate) struct Attempts(Mutex<HashMap<Key, (u32, Timestamp)>>);

/// What is counted, and of whom.
type Key = (&'static str, String);

impl Attempts {
    /// Refuses whoever was wrong `max` times of late.
    pub fn check(&self, what: &'static str, who: &str, max: u32, now: Timestamp) -> Result<()> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get(&(what, who.to_owned())) {
            Some((count, until)) if *count >= max && *until > now => {
                let minutes = (until.seconds() - now.seconds()) / 60 + 1;
                Err(Error::new(Code::RateLimited, format!("Too many wrong tries. Please wait {minutes} minutes.")))
            }
            _ => Ok(()),
        }
    }

    /// Notes a wrong try.
    pub fn miss(&self, what: &'static str, who: &str, now: Timestamp) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= KEPT_MAX {
            seen.retain(|_, (count, until)| *until > now && *count > 1);
            if seen.len() >= KEPT_MAX {
                seen.clear();
            }
        }
        let entry = seen.entry((what, who.to_owned())).or_insert((0, now.plus_seconds(WINDOW_SECONDS)));
        if entry.1 <= now {
            *entry = (0, now.plus_seconds(WINDOW_SECONDS));
        }
        entry.0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_wrong_try_is_the_last_for_a_while() {
        let attempts = Attempts::default();
        let now = Timestamp(1_000_000);
        for _ in 0..3 {
            attempts.check("x", "eve", 3, now).unwrap();
            attempts.miss("x", "eve", now);
        }
        assert_eq!(attempts.check("x", "eve", 3, now).unwrap_err().code, Code::RateLimited);
        attempts.check("x", "ada", 3, now).unwrap();
        attempts.check("y", "eve", 3, now).unwrap();
        attempts.check("x", "eve", 3, now.plus_seconds(WINDOW_SECONDS)).unwrap();
    }
}
