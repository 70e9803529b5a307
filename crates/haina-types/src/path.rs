//! Paths of files inside a repository.

use std::fmt;
use std::str::FromStr;

/// Longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;
/// Most segments of a path.
pub const PATH_DEPTH_MAX: usize = 128;

/// Why a path was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty, too long or too deep.
    #[error("a path has 1 to {PATH_BYTES_MAX} bytes and at most {PATH_DEPTH_MAX} folders")]
    Length,
    /// `..`, `.`, an empty segment, a leading slash or a leading `..\`.
    #[error("a path must not be absolute, have empty segments, or leave the repository")]
    Escapes,
    /// `.git` in any of its disguises.
    #[error("a path must not contain '.git'")]
    DotGit,
    /// NUL, another control character.
    #[error("a path must not contain control characters")]
    Control,
}

/// A checked path of a file or folder: slash-separated, relative, without `.`, `..`, `.git` or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(String);

/// Whether a file system could take this segment for `.git` (git's own list: HFS+ ignorable code points, NTFS
/// short names, trailing dots and spaces, streams).
fn is_dot_git(segment: &str) -> bool {
    let visible: String = segment
        .chars()
        .filter(|c| !matches!(u32::from(*c), 0x200c..=0x200f | 0x202a..=0x202e | 0x206a..=0x206f | 0xfeff))
        .collect();
    let folded = visible.to_lowercase();
    let stem = folded.split([':', '\\']).next().unwrap_or("");
    let stem = stem.trim_end_matches(['.', ' ']);
    stem == ".git" || stem == "git~1"
}

impl FilePath {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folder and the last segment.
    pub fn split(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// Its segments.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl FromStr for FilePath {
    type Err = PathError;

    /// Backslashes are ordinary characters (the clients upload such names), except where the path begins by
    /// climbing out with them.
    fn from_str(text: &str) -> Result<Self, PathError> {
        if text.is_empty() || text.len() > PATH_BYTES_MAX {
            return Err(PathError::Length);
        }
        if text.chars().any(|c| c.is_control()) {
            return Err(PathError::Control);
        }
        if text.starts_with("..\\") || text.starts_with('\\') {
            return Err(PathError::Escapes);
        }
        let mut depth = 0;
        for segment in text.split('/') {
            depth += 1;
            if segment.is_empty() || segment == "." || segment == ".." {
                return Err(PathError::Escapes);
            }
            if is_dot_git(segment) {
                return Err(PathError::DotGit);
            }
        }
        if depth > PATH_DEPTH_MAX {
            return Err(PathError::Length);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_pass() {
        for good in ["a", "a/b.txt", ".gitattributes", ".github/x", "模型/权重.bin", "folder/..\\..\\..\\file", "a b"]
        {
            assert!(good.parse::<FilePath>().is_ok(), "{good}");
        }
    }

    #[test]
    fn escapes_and_disguises_are_refused() {
        for bad in [
            "",
            "/a",
            "a//b",
            "a/",
            "./a",
            "a/../b",
            "..",
            "..\\ddd",
            "\\a",
            "a\0b",
            "a\nb",
            ".git",
            ".git/config",
            "a/.GIT/x",
            ".git /x",
            ".git./x",
            "git~1/x",
            ".g\u{200c}it/x",
            ".git::$INDEX_ALLOCATION/x",
            ".git\\x",
        ] {
            assert!(bad.parse::<FilePath>().is_err(), "{bad:?}");
        }
        assert!("a/".repeat(200).parse::<FilePath>().is_err());
    }
}
