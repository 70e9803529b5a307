//! Object filters of partial clones.

use std::str::FromStr;

use crate::object::ObjectKind;

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Known to git, not offered here.
    #[error("filter '{0}' not supported")]
    Unsupported(String),
    /// Not a filter.
    #[error("invalid filter-spec '{0}'")]
    Invalid(String),
}

/// What not to send, unless it is asked for by its id. All conditions hold together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filter {
    /// Blobs of this size and larger are left out; 0 leaves out all.
    pub blob_limit: Option<u64>,
    /// Trees and blobs this deep and deeper are left out; a commit's own tree is at depth 0. At most 1.
    pub tree_depth: Option<u32>,
    /// Only objects of this kind.
    pub only: Option<ObjectKind>,
}

fn size(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (digits, shift) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(digits) => (digits, [("k", 10), ("m", 20), ("g", 30)].into_iter().find(|(u, _)| lower.ends_with(u))?.1),
        None => (lower.as_str(), 0),
    };
    let number: u64 = if digits.bytes().all(|c| c.is_ascii_digit()) { digits.parse().ok()? } else { return None };
    number.checked_mul(1 << shift)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let hex = text.get(at + 1..at + 3)?;
            out.push(u8::from_str_radix(hex, 16).ok()?);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).ok()
}

/// Most filters in one combination.
const PARTS_MAX: usize = 16;

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::read(text, 0)
    }
}

impl Filter {
    fn read(text: &str, depth: usize) -> Result<Self, FilterError> {
        let invalid = || FilterError::Invalid(text.chars().take(100).collect());
        let unsupported = |what: &str| FilterError::Unsupported(what.to_owned());
        if text == "blob:none" {
            return Ok(Self { blob_limit: Some(0), ..Self::default() });
        }
        if let Some(limit) = text.strip_prefix("blob:limit=") {
            return Ok(Self { blob_limit: Some(size(limit).ok_or_else(invalid)?), ..Self::default() });
        }
        if let Some(depth) = text.strip_prefix("tree:") {
            let depth: u32 = depth.parse().map_err(|_| invalid())?;
            // Deeper ones need a walk that remembers how deep it saw each tree; nobody's client asks for them.
            if depth > 1 {
                return Err(unsupported("tree:<depth> above 1"));
            }
            return Ok(Self { tree_depth: Some(depth), ..Self::default() });
        }
        if let Some(kind) = text.strip_prefix("object:type=") {
            return Ok(Self { only: Some(kind.parse().map_err(|()| invalid())?), ..Self::default() });
        }
        if let Some(parts) = text.strip_prefix("combine:") {
            if depth > 0 || parts.split('+').count() > PARTS_MAX {
                return Err(invalid());
            }
            let mut all = Self::default();
            for part in parts.split('+') {
                all = all.and(Self::read(&unescape(part).ok_or_else(invalid)?, depth + 1)?)?;
            }
            return Ok(all);
        }
        if text.starts_with("sparse:oid=") {
            return Err(unsupported("sparse:oid"));
        }
        if text.starts_with("sparse:path=") {
            return Err(unsupported("sparse:path"));
        }
        Err(invalid())
    }

    fn and(self, other: Self) -> Result<Self, FilterError> {
        fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
            match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }
        }
        if self.only.is_some() && other.only.is_some() && self.only != other.only {
            return Err(FilterError::Unsupported("two object types at once".to_owned()));
        }
        Ok(Self {
            blob_limit: least(self.blob_limit, other.blob_limit),
            tree_depth: least(self.tree_depth, other.tree_depth),
            only: self.only.or(other.only),
        })
    }

    /// Whether a tree at this depth is sent.
    pub fn takes_tree(&self, depth: u32) -> bool {
        self.tree_depth.is_none_or(|max| depth < max) && self.only.is_none_or(|k| k == ObjectKind::Tree)
    }

    /// Whether trees at this depth must be read, sent or not.
    pub fn looks_into(&self, depth: u32) -> bool {
        self.tree_depth.is_none_or(|max| depth < max)
            && !matches!(self.only, Some(ObjectKind::Commit | ObjectKind::Tag))
    }

    /// Whether any blob at this depth may be sent.
    pub fn takes_blobs(&self, depth: u32) -> bool {
        self.tree_depth.is_none_or(|max| depth < max)
            && self.only.is_none_or(|k| k == ObjectKind::Blob)
            && self.blob_limit != Some(0)
    }

    /// Whether a blob of this size is sent.
    pub fn takes_size(&self, size: u64) -> bool {
        self.blob_limit.is_none_or(|limit| size < limit)
    }

    /// Whether commits that were not asked for by id are sent.
    pub fn takes(&self, kind: ObjectKind) -> bool {
        self.only.is_none_or(|k| k == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_git_spells_them() {
        let read = |t: &str| t.parse::<Filter>();
        assert_eq!(read("blob:none").unwrap().blob_limit, Some(0));
        assert_eq!(read("blob:limit=1k").unwrap().blob_limit, Some(1024));
        assert_eq!(read("blob:limit=7").unwrap().blob_limit, Some(7));
        assert_eq!(read("tree:0").unwrap().tree_depth, Some(0));
        assert_eq!(read("object:type=tree").unwrap().only, Some(ObjectKind::Tree));
        let both = read("combine:blob:limit=10+tree%3A1+blob%3anone").unwrap();
        assert_eq!((both.blob_limit, both.tree_depth), (Some(0), Some(1)));
        assert_eq!(read("sparse:oid=main:x").unwrap_err().to_string(), "filter 'sparse:oid' not supported");
        for bad in [
            "",
            "blob",
            "blob:limit=",
            "blob:limit=-1",
            "blob:limit=99999999999999999999g",
            "tree:x",
            "combine:",
            "combine:%zz",
            "combine:combine:tree:0",
            "object:type=x",
        ] {
            assert!(matches!(read(bad), Err(FilterError::Invalid(_))), "{bad}");
        }
    }
}
