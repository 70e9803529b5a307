//! Folders: `<mode> <name>\0<id>` entries in git's order.

use std::cmp::Ordering;

use haina_types::Oid;

use crate::name::{NameError, check_name};

/// The id of the tree without entries.
pub const EMPTY_TREE: Oid = Oid([
    0x4b, 0x82, 0x5d, 0xc6, 0x42, 0xcb, 0x6e, 0xb9, 0xa0, 0x60, 0xe5, 0x4b, 0xf8, 0xd6, 0x92, 0x88, 0xfb, 0xee, 0x49,
    0x04,
]);

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `100644`.
    File,
    /// `100755`.
    Executable,
    /// `120000`; the blob is the target's path.
    Symlink,
    /// `40000`.
    Tree,
    /// `160000`: a commit of another repository (a submodule), not an object of this one.
    Gitlink,
    /// A file with another mode, such as the `100664` of old histories. Kept as it is.
    Odd(u16),
}

impl Mode {
    /// The number.
    pub fn bits(self) -> u16 {
        match self {
            Self::File => 0o100_644,
            Self::Executable => 0o100_755,
            Self::Symlink => 0o120_000,
            Self::Tree => 0o040_000,
            Self::Gitlink => 0o160_000,
            Self::Odd(bits) => bits,
        }
    }

    /// From the number; `None` for something that is no file, link, folder or commit.
    pub fn from_bits(bits: u16) -> Option<Self> {
        Some(match bits {
            0o100_644 => Self::File,
            0o100_755 => Self::Executable,
            0o120_000 => Self::Symlink,
            0o040_000 => Self::Tree,
            0o160_000 => Self::Gitlink,
            // git's fsck reports, but accepts, other permissions of regular files.
            _ if bits & 0o170_000 == 0o100_000 => Self::Odd(bits),
            _ => return None,
        })
    }

    /// Whether it is a folder.
    pub fn is_tree(self) -> bool {
        self == Self::Tree
    }

    /// Whether its object is a blob: a file or a symbolic link.
    pub fn is_blob(self) -> bool {
        !matches!(self, Self::Tree | Self::Gitlink)
    }

    /// Whether it is a regular file, executable or not.
    pub fn is_file(self) -> bool {
        matches!(self, Self::File | Self::Executable | Self::Odd(_))
    }
}

/// An entry as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it is.
    pub mode: Mode,
    /// Its name: mostly UTF-8, but git allows any bytes.
    pub name: &'a [u8],
    /// Its object.
    pub oid: Oid,
}

impl Entry<'_> {
    /// The name as text; bytes that are not UTF-8 become U+FFFD.
    pub fn name_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.name)
    }

    /// An entry of its own.
    pub fn to_owned(&self) -> TreeEntry {
        TreeEntry { mode: self.mode, name: self.name.to_vec(), oid: self.oid }
    }
}

/// An entry to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// What it is.
    pub mode: Mode,
    /// Its name.
    pub name: Vec<u8>,
    /// Its object.
    pub oid: Oid,
}

/// Why bytes are not a tree, or entries cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Cut, or not entries at all.
    #[error("broken tree entry at byte {at}")]
    Broken {
        /// Where the entry begins.
        at: usize,
    },
    /// A mode with a leading zero, or of an unknown type.
    #[error("bad mode of tree entry '{name}'")]
    Mode {
        /// The entry.
        name: String,
    },
    /// A name that cannot be.
    #[error("bad tree entry '{name}'")]
    Name {
        /// The entry.
        name: String,
        /// Why.
        #[source]
        why: NameError,
    },
    /// Not in git's order.
    #[error("tree entry '{name}' is not in order")]
    Order {
        /// The entry.
        name: String,
    },
    /// Two entries of one name.
    #[error("two tree entries '{name}'")]
    Duplicate {
        /// The entry.
        name: String,
    },
    /// An entry whose id is all zeros.
    #[error("tree entry '{name}' has the null id")]
    Null {
        /// The entry.
        name: String,
    },
    /// More than 4 GiB.
    #[error("tree too large")]
    Large,
}

/// git's order: as bytes, with a slash after the names of folders.
pub(crate) fn order(a: &[u8], a_tree: bool, b: &[u8], b_tree: bool) -> Ordering {
    let n = a.len().min(b.len());
    a[..n].cmp(&b[..n]).then_with(|| {
        let end = |name: &[u8], tree: bool| name.get(n).copied().unwrap_or(if tree { b'/' } else { 0 });
        end(a, a_tree).cmp(&end(b, b_tree))
    })
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    name: u32,
    end: u32,
    mode: Mode,
}

/// A checked folder. Holds the object's bytes and an index of them, so that a look-up is a binary search and
/// ten thousand entries are two allocations.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    raw: Box<[u8]>,
    slots: Box<[Slot]>,
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}
impl Eq for Tree {}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// An octal mode without leading zeros, and the bytes after its space.
fn read_mode(bytes: &[u8]) -> Option<(u32, usize, bool)> {
    let len = bytes.iter().take(8).position(|c| *c == b' ')?;
    if len == 0 || len > 7 {
        return None;
    }
    let mut mode = 0u32;
    for c in &bytes[..len] {
        if !(b'0'..=b'7').contains(c) {
            return None;
        }
        mode = mode << 3 | u32::from(c - b'0');
    }
    Some((mode, len + 1, bytes[0] == b'0'))
}

impl Tree {
    /// Reads an object's bytes. Strict: order, duplicates (also a file and a folder of one name), names, modes
    /// and ids are those that `git fsck --strict` accepts.
    pub fn parse(raw: impl Into<Box<[u8]>>) -> Result<Self, TreeError> {
        let raw = raw.into();
        if u32::try_from(raw.len()).is_err() {
            return Err(TreeError::Large);
        }
        let mut slots: Vec<Slot> = Vec::with_capacity(raw.len() / 32);
        let mut at = 0;
        while at < raw.len() {
            let broken = TreeError::Broken { at };
            let rest = &raw[at..];
            let Some((bits, name, padded)) = read_mode(rest) else { return Err(broken) };
            let Some(len) = rest[name..].iter().position(|c| *c == 0) else { return Err(broken) };
            let oid_at = name + len + 1;
            let (Some(entry_name), Some(oid)) = (rest.get(name..name + len), rest.get(oid_at..oid_at + Oid::LEN))
            else {
                return Err(broken);
            };
            check_name(entry_name).map_err(|why| TreeError::Name { name: text(entry_name), why })?;
            let mode = u16::try_from(bits).ok().and_then(Mode::from_bits);
            let (Some(mode), false) = (mode, padded) else { return Err(TreeError::Mode { name: text(entry_name) }) };
            if oid.iter().all(|b| *b == 0) {
                return Err(TreeError::Null { name: text(entry_name) });
            }
            if let Some(last) = slots.last() {
                match order(
                    &raw[last.name as usize..last.end as usize],
                    last.mode.is_tree(),
                    entry_name,
                    mode.is_tree(),
                ) {
                    Ordering::Less => {}
                    Ordering::Equal => return Err(TreeError::Duplicate { name: text(entry_name) }),
                    Ordering::Greater => return Err(TreeError::Order { name: text(entry_name) }),
                }
            }
            slots.push(Slot { name: (at + name) as u32, end: (at + name + len) as u32, mode });
            at += oid_at + Oid::LEN;
        }
        let tree = Self { raw, slots: slots.into_boxed_slice() };
        // `a`, `a.b`, `a/` is in order, and yet has `a` twice.
        for i in 0..tree.slots.len() {
            let entry = tree.at(i);
            if entry.mode.is_tree() && tree.search(entry.name, false).is_some() {
                return Err(TreeError::Duplicate { name: text(entry.name) });
            }
        }
        Ok(tree)
    }

    /// The bytes of the tree with these entries, in any order; names, duplicates and ids are checked.
    pub fn write(mut entries: Vec<TreeEntry>) -> Result<Vec<u8>, TreeError> {
        entries.sort_unstable_by(|a, b| order(&a.name, a.mode.is_tree(), &b.name, b.mode.is_tree()));
        let mut raw = Vec::with_capacity(entries.iter().map(|e| e.name.len() + 28).sum());
        for entry in &entries {
            push_entry(&mut raw, entry.mode, &entry.name, &entry.oid);
        }
        Self::parse(raw).map(|tree| tree.raw.into_vec())
    }

    /// The object's bytes.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The entry at a position.
    ///
    /// # Panics
    /// If `index` is not below [`Tree::len`].
    pub fn at(&self, index: usize) -> Entry<'_> {
        let slot = self.slots[index];
        let end = slot.end as usize;
        let mut oid = Oid::ZERO;
        oid.0.copy_from_slice(&self.raw[end + 1..end + 1 + Oid::LEN]);
        Entry { mode: slot.mode, name: &self.raw[slot.name as usize..end], oid }
    }

    /// The entries in git's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Entry<'_>> + ExactSizeIterator {
        (0..self.slots.len()).map(|i| self.at(i))
    }

    fn name_at(&self, slot: &Slot) -> &[u8] {
        &self.raw[slot.name as usize..slot.end as usize]
    }

    fn search(&self, name: &[u8], tree: bool) -> Option<usize> {
        self.slots.binary_search_by(|slot| order(self.name_at(slot), slot.mode.is_tree(), name, tree)).ok()
    }

    /// The entry of this name, by binary search.
    pub fn get(&self, name: &[u8]) -> Option<Entry<'_>> {
        self.search(name, false).or_else(|| self.search(name, true)).map(|i| self.at(i))
    }
}

pub(crate) fn push_entry(raw: &mut Vec<u8>, mode: Mode, name: &[u8], oid: &Oid) {
    raw.extend_from_slice(format!("{:o} ", mode.bits()).as_bytes());
    raw.extend_from_slice(name);
    raw.push(0);
    raw.extend_from_slice(oid.as_bytes());
}
