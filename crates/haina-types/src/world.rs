//! Time and randomness, as parameters.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the epoch.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This much later.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    fn civil(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// The form of the `Last-Modified` header, `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http(self) -> String {
        self.civil().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

/// ISO 8601 with milliseconds and `Z`, as every date of the API.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.civil().strftime("%Y-%m-%dT%H:%M:%S.%3fZ"))
    }
}

/// ISO 8601, with any offset; finer than milliseconds is cut off.
impl std::str::FromStr for Timestamp {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse::<jiff::Timestamp>().map(|t| Self(t.as_millisecond())).map_err(drop)
    }
}

/// The time. Rooms take it as a parameter so that tests can hold and turn it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Unpredictable bytes: secrets, tokens, identifiers.
pub trait Rng: Send + Sync + fmt::Debug {
    /// Fills the whole slice.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl Rng for SystemRng {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("because a system without randomness cannot issue secrets");
    }
}

impl dyn Rng + '_ {
    /// A random array.
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// `len` characters of `[A-Za-z0-9]`, uniformly.
    pub fn alphanumeric(&self, len: usize) -> String {
        const SET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut out = String::with_capacity(len);
        while out.len() < len {
            // 248 = 4 × 62: reject the rest so that every character is equally likely.
            out.extend(
                self.array::<32>()
                    .iter()
                    .filter(|b| **b < 248)
                    .take(len - out.len())
                    .map(|b| SET[*b as usize % 62] as char),
            );
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_milliseconds_and_z() {
        assert_eq!(Timestamp(1_769_860_800_000).to_string(), "2026-01-31T12:00:00.000Z");
        assert_eq!("2026-01-31T12:00:00.000Z".parse(), Ok(Timestamp(1_769_860_800_000)));
        assert_eq!("2026-01-31T13:00:00.0009+01:00".parse(), Ok(Timestamp(1_769_860_800_000)));
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert_eq!(Timestamp(784_111_777_000).http(), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn alphanumeric_has_the_length_asked() {
        let rng: &dyn Rng = &SystemRng;
        let text = rng.alphanumeric(37);
        assert!(text.len() == 37 && text.bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
