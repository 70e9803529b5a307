//! LFS pointers: the small text that stands in git for a large file.

use std::fmt;

use haina_types::Sha256;

/// A blob above this size is no pointer.
pub const LFS_POINTER_BYTES_MAX: usize = 1024;

const VERSION: &str = "https://git-lfs.github.com/spec/v1";
/// Names that the first versions of git-lfs wrote; it still reads them.
const VERSION_ALIASES: [&str; 2] = ["http://git-media.io/v/2", "https://hawser.github.com/spec/v1"];

/// The content that a pointer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LfsPointer {
    /// Of the content.
    pub sha256: Sha256,
    /// Of the content, in bytes.
    pub size: u64,
}

fn sha256_of(value: &str) -> Option<Sha256> {
    let hex = value.strip_prefix("sha256:")?;
    // git-lfs takes lower-case digits only.
    if hex.bytes().any(|c| c.is_ascii_uppercase()) {
        return None;
    }
    hex.parse().ok()
}

impl LfsPointer {
    /// Reads a blob as git-lfs does: `version`, `oid`, `size` in this order, `ext-N-name` lines anywhere between.
    /// Anything else is ordinary content.
    pub fn parse(blob: &[u8]) -> Option<Self> {
        if blob.len() > LFS_POINTER_BYTES_MAX || !blob.starts_with(b"version ") {
            return None;
        }
        let text = std::str::from_utf8(blob).ok()?;
        let mut found: Vec<&str> = Vec::with_capacity(3);
        let mut priorities = [false; 10];
        for line in text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)) {
            if line.is_empty() {
                continue;
            }
            let (key, value) = line.split_once(' ')?;
            if let Some(rest) = key.strip_prefix("ext-") {
                let (digit, name) = rest.split_once('-')?;
                let digit: usize = digit.parse().ok().filter(|_| digit.len() == 1)?;
                let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
                if name.is_empty() || !name.bytes().next().is_some_and(word) {
                    return None;
                }
                sha256_of(value)?;
                if std::mem::replace(&mut priorities[digit], true) {
                    return None;
                }
                continue;
            }
            if ["version", "oid", "size"].get(found.len()) != Some(&key) {
                return None;
            }
            found.push(value);
        }
        let [version, oid, size] = found[..] else { return None };
        if version != VERSION && !VERSION_ALIASES.contains(&version) {
            return None;
        }
        // A size is a signed 64-bit number to every client; a sign or spaces are not digits.
        if size.is_empty() || !size.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let size: i64 = size.parse().ok()?;
        Some(Self { sha256: sha256_of(oid)?, size: u64::try_from(size).ok()? })
    }

    /// The canonical text.
    pub fn to_text(&self) -> String {
        self.to_string()
    }

    /// The length of the canonical text, `pointerSize` in the API.
    pub fn pointer_size(&self) -> u64 {
        let digits = self.size.checked_ilog10().map_or(1, |n| u64::from(n) + 1);
        // "version " + URL + "\noid sha256:" + 64 + "\nsize " + digits + "\n"
        8 + VERSION.len() as u64 + 12 + 64 + 6 + digits + 1
    }
}

impl fmt::Display for LfsPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "version {VERSION}\noid sha256:{}\nsize {}\n", self.sha256, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    #[test]
    fn canonical_text_comes_back() {
        for size in [0, 9, 10, 12345, 99_999, 100_000, i64::MAX as u64] {
            let pointer = LfsPointer { sha256: HEX.parse().unwrap(), size };
            assert_eq!(LfsPointer::parse(pointer.to_text().as_bytes()), Some(pointer));
            assert_eq!(pointer.pointer_size(), pointer.to_text().len() as u64);
        }
    }

    #[test]
    fn what_git_lfs_reads() {
        let ok = |text: &str| LfsPointer::parse(text.as_bytes()).is_some();
        let v = format!("version {VERSION}\n");
        let oid = format!("oid sha256:{HEX}\n");
        assert!(ok(&format!("{v}{oid}size 1")));
        assert!(ok(&format!("{v}{oid}size 1\n\n")));
        assert!(ok(&format!("{v}{oid}size 1\r\n")));
        assert!(ok(&format!("{v}ext-0-foo sha256:{HEX}\n{oid}size 1\n")));
        assert!(ok(&format!("{v}{oid}ext-1-bar sha256:{HEX}\next-0-foo sha256:{HEX}\nsize 1\n")));
        assert!(ok(&format!("version https://hawser.github.com/spec/v1\n{oid}size 1\n")));
        for bad in [
            String::new(),
            format!("{v}size 1\n{oid}"),
            format!("{oid}size 1\n"),
            format!("{v}{oid}"),
            format!("{v}{oid}size -1\n"),
            format!("{v}{oid}size +1\n"),
            format!("{v}{oid}size 1 \n"),
            format!("{v}{oid}size 99999999999999999999\n"),
            format!("{v}{oid}size 1\nsize 1\n"),
            format!("{v}{oid}size 1\nmore\n"),
            format!("version https://example.com/spec/v1\n{oid}size 1\n"),
            format!("{v}oid sha256:{}\nsize 1\n", HEX.to_uppercase()),
            format!("{v}oid sha1:{HEX}\nsize 1\n"),
            format!("{v}oid sha256:{}\nsize 1\n", &HEX[1..]),
            format!("{v}ext-0-foo sha256:{HEX}\next-0-bar sha256:{HEX}\n{oid}size 1\n"),
            format!("{v}ext-00-foo sha256:{HEX}\n{oid}size 1\n"),
            format!("{v}{oid}size 1\n{}", "\n".repeat(1000)),
        ] {
            assert!(!ok(&bad), "{bad:?}");
        }
    }
}
