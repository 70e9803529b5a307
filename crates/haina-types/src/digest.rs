//! Fixed-size content identifiers and their text forms.

use std::fmt;
use std::str::FromStr;

/// A digest's text was not the right number of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct DigestError {
    /// How many digits the text should have had.
    pub expected: usize,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn nibble(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        b'A'..=b'F' => Some(c - b'A' + 10),
        _ => None,
    }
}

fn encode<const N: usize>(bytes: &[u8; N], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0u8; 64];
    for (i, b) in bytes.iter().enumerate() {
        text[2 * i] = HEX[(b >> 4) as usize];
        text[2 * i + 1] = HEX[(b & 15) as usize];
    }
    f.write_str(std::str::from_utf8(&text[..2 * N]).map_err(|_| fmt::Error)?)
}

fn decode<const N: usize>(text: &str) -> Result<[u8; N], DigestError> {
    let wrong = DigestError { expected: 2 * N };
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return Err(wrong);
    }
    let mut out = [0u8; N];
    for (o, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        match (nibble(pair[0]), nibble(pair[1])) {
            (Some(h), Some(l)) => *o = h << 4 | l,
            _ => return Err(wrong),
        }
    }
    Ok(out)
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;
            /// All bytes zero: git's null id, Xet's empty file.
            pub const ZERO: Self = Self([0; $len]);

            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// From a slice of exactly the right length.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest!(
    /// A git object id (SHA-1), 20 bytes; text is plain hexadecimal.
    Oid,
    20
);
digest!(
    /// A SHA-256 digest, 32 bytes; text is plain hexadecimal.
    Sha256,
    32
);
digest!(
    /// A Xet hash (chunk, xorb, file or range), 32 bytes. Its text is four little-endian 64-bit words
    /// in hexadecimal, so text order is not byte order.
    XetHash,
    32
);

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}
impl FromStr for Oid {
    type Err = DigestError;
    fn from_str(s: &str) -> Result<Self, DigestError> {
        decode(s).map(Self)
    }
}
impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&self.0, f)
    }
}
impl FromStr for Sha256 {
    type Err = DigestError;
    fn from_str(s: &str) -> Result<Self, DigestError> {
        decode(s).map(Self)
    }
}

/// Reverses every group of eight bytes: between the bytes of a Xet hash and the bytes its text spells.
fn swap_groups(bytes: &[u8; 32]) -> [u8; 32] {
    let mut out = *bytes;
    for group in out.chunks_exact_mut(8) {
        group.reverse();
    }
    out
}

impl fmt::Display for XetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        encode(&swap_groups(&self.0), f)
    }
}
impl FromStr for XetHash {
    type Err = DigestError;
    fn from_str(s: &str) -> Result<Self, DigestError> {
        decode(s).map(|b| Self(swap_groups(&b)))
    }
}

impl XetHash {
    /// The "hash mod n" of every rule of the protocol: the last little-endian word.
    pub fn last_word(&self) -> u64 {
        u64::from_le_bytes([
            self.0[24], self.0[25], self.0[26], self.0[27], self.0[28], self.0[29], self.0[30], self.0[31],
        ])
    }

    /// A SHA-256 as shards carry it: the 32 bytes whose Xet text is the usual hexadecimal.
    pub fn from_sha256(sha: &Sha256) -> Self {
        Self(swap_groups(&sha.0))
    }

    /// The inverse of [`XetHash::from_sha256`].
    pub fn to_sha256(&self) -> Sha256 {
        Sha256(swap_groups(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xet_text_reverses_each_word() {
        let hash = XetHash(std::array::from_fn(|i| i as u8));
        assert_eq!(hash.to_string(), "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918");
        assert_eq!(hash.to_string().parse::<XetHash>().unwrap(), hash);
        assert_eq!(hash.last_word(), 0x1f1e_1d1c_1b1a_1918);
    }

    #[test]
    fn sha256_in_a_shard_spells_the_usual_text() {
        let sha: Sha256 = "e7f27e951d3fc77ee7f27e951d3fc77ee7f27e951d3fc77ee7f27e951d3fc77e".parse().unwrap();
        let hash = XetHash::from_sha256(&sha);
        assert_eq!(hash.to_string(), sha.to_string());
        assert_eq!(hash.0[..8], [0x7e, 0xc7, 0x3f, 0x1d, 0x95, 0x7e, 0xf2, 0xe7]);
        assert_eq!(hash.to_sha256(), sha);
    }

    #[test]
    fn wrong_text_is_refused() {
        for bad in ["", "00", "zz", &"0".repeat(39), &"g".repeat(40), &"é".repeat(20)] {
            assert!(bad.parse::<Oid>().is_err(), "{bad}");
        }
    }
}
