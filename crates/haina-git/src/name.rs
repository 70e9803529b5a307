//! Names of tree entries: what `git fsck --strict` refuses is refused.

/// Longest name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 4096;

/// Why a name cannot stand in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty.
    #[error("empty name")]
    Empty,
    /// Longer than 4,096 bytes.
    #[error("name of more than {NAME_BYTES_MAX} bytes")]
    Long,
    /// A slash or NUL inside.
    #[error("'/' or NUL inside a name")]
    Separator,
    /// `.` or `..`.
    #[error("'.' or '..' as a name")]
    Dots,
    /// `.git` as HFS+ or NTFS would read it.
    #[error("'.git' as a name")]
    DotGit,
}

/// Checks one name of a tree.
pub fn check_name(name: &[u8]) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameError::Long);
    }
    if name.contains(&b'/') || name.contains(&0) {
        return Err(NameError::Separator);
    }
    if name == b"." || name == b".." {
        return Err(NameError::Dots);
    }
    if is_hfs_dot_git(name) || name.split(|c| *c == b'\\').any(is_ntfs_dot_git) {
        return Err(NameError::DotGit);
    }
    Ok(())
}

/// HFS+ ignores some code points and folds case.
fn is_hfs_dot_git(name: &[u8]) -> bool {
    // Nothing shorter can be it, and few names begin like it: spare the decoding.
    if name.len() < 4 || !(name[0] == b'.' || name[0] >= 0x80) {
        return false;
    }
    // A broken sequence ends the name, as in git: what stands before it is what counts.
    let valid = match std::str::from_utf8(name) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(&name[..e.valid_up_to()]).unwrap_or_default(),
    };
    let mut visible = valid
        .chars()
        .filter(|c| !matches!(u32::from(*c), 0x200c..=0x200f | 0x202a..=0x202e | 0x206a..=0x206f | 0xfeff))
        .map(|c| c.to_ascii_lowercase());
    [".", "g", "i", "t"].iter().all(|want| visible.next().is_some_and(|c| want.starts_with(c)))
        && visible.next().is_none()
}

/// NTFS ignores trailing dots and spaces and what follows a colon, and offers `git~1` as a short name.
fn is_ntfs_dot_git(part: &[u8]) -> bool {
    let rest = if part.len() >= 4 && part[..4].eq_ignore_ascii_case(b".git") {
        &part[4..]
    } else if part.len() >= 5 && part[..5].eq_ignore_ascii_case(b"git~1") {
        &part[5..]
    } else {
        return false;
    };
    rest.iter().copied().find(|c| !matches!(c, b'.' | b' ')).is_none_or(|c| c == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises() {
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "a\0",
            ".git",
            ".GIT",
            ".gIt ",
            ".git.",
            ".git. .",
            ".git::$INDEX_ALLOCATION",
            "git~1",
            "GIT~1.",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".git\\x",
            "a\\.git",
            "a\\git~1\\b",
        ] {
            assert!(check_name(bad.as_bytes()).is_err(), "{bad:?}");
        }
        for good in [
            ".gitignore",
            ".gitattributes",
            ".github",
            "git",
            "git~2",
            "..a",
            "...",
            ".gi",
            "模型",
            "a\\b",
            ".git-x",
            "x.git",
        ] {
            assert_eq!(check_name(good.as_bytes()), Ok(()), "{good:?}");
        }
    }
}
