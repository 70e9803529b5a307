//! What differs between two trees.

use std::sync::Arc;

use haina_types::{FilePath, Oid};

use crate::tree::{EMPTY_TREE, Entry, Mode, Tree, order};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added {
        /// What it is now.
        new: (Mode, Oid),
    },
    /// It is gone.
    Removed {
        /// What it was.
        old: (Mode, Oid),
    },
    /// Its bytes or its mode are others.
    Modified {
        /// What it was.
        old: (Mode, Oid),
        /// What it is now.
        new: (Mode, Oid),
    },
}

/// A file that differs. Folders are not listed; a file that became a folder is removed, and the folder's files are added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, slash-separated; mostly UTF-8, but git allows any bytes.
    pub path: Vec<u8>,
    /// What became of it.
    pub kind: ChangeKind,
}

impl Change {
    /// The path as text; bytes that are not UTF-8 become U+FFFD.
    pub fn path_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.path)
    }
}

/// The changes between two trees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// Sorted by path.
    pub changes: Vec<Change>,
    /// Whether there are more than were asked for. Which ones are listed is then arbitrary.
    pub truncated: bool,
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(folder.len() + name.len() + 1);
    if !folder.is_empty() {
        path.extend_from_slice(folder);
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The files that differ between two trees (`None`: no tree), at most `limit` of them. Folders of one id are not
/// looked into; a submodule counts as a file.
pub async fn diff_trees<E, Fut>(
    old: Option<Oid>,
    new: Option<Oid>,
    limit: usize,
    load: impl Fn(Oid) -> Fut,
) -> Result<Diff, E>
where
    Fut: Future<Output = Result<Arc<Tree>, E>>,
{
    let mut out = Diff::default();
    let real = |oid: Option<Oid>| oid.filter(|oid| *oid != EMPTY_TREE);
    let mut work = vec![(Vec::new(), real(old), real(new))];
    let none = Arc::new(Tree::default());
    while let Some((folder, old, new)) = work.pop() {
        if old == new {
            continue;
        }
        let old = match old {
            Some(oid) => load(oid).await?,
            None => none.clone(),
        };
        let new = match new {
            Some(oid) => load(oid).await?,
            None => none.clone(),
        };
        let mut step = |o: Option<Entry<'_>>, n: Option<Entry<'_>>| {
            let Some(name) = o.or(n).map(|e| e.name) else { return };
            let tree = |e: Option<Entry<'_>>| e.filter(|e| e.mode.is_tree()).map(|e| e.oid);
            let file = |e: Option<Entry<'_>>| e.filter(|e| !e.mode.is_tree()).map(|e| (e.mode, e.oid));
            if tree(o) != tree(n) {
                work.push((join(&folder, name), tree(o), tree(n)));
            }
            let kind = match (file(o), file(n)) {
                (Some(old), Some(new)) if old != new => ChangeKind::Modified { old, new },
                (Some(old), None) => ChangeKind::Removed { old },
                (None, Some(new)) => ChangeKind::Added { new },
                _ => return,
            };
            if out.changes.len() < limit {
                out.changes.push(Change { path: join(&folder, name), kind });
            } else {
                out.truncated = true;
            }
        };
        let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let side = match (olds.peek(), news.peek()) {
                (None, None) => break,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some(o), Some(n)) => order(o.name, o.mode.is_tree(), n.name, n.mode.is_tree()),
            };
            step(if side.is_le() { olds.next() } else { None }, if side.is_ge() { news.next() } else { None });
        }
        if out.truncated {
            break;
        }
    }
    out.changes.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

/// What stands at a path of a tree.
pub async fn find_entry<E, Fut>(root: Oid, path: &FilePath, load: impl Fn(Oid) -> Fut) -> Result<Option<(Mode, Oid)>, E>
where
    Fut: Future<Output = Result<Arc<Tree>, E>>,
{
    let mut at = (Mode::Tree, root);
    for segment in path.segments() {
        if !at.0.is_tree() || at.1 == EMPTY_TREE {
            return Ok(None);
        }
        match load(at.1).await?.get(segment.as_bytes()) {
            Some(entry) => at = (entry.mode, entry.oid),
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}
