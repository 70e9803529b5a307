//! How a commit's operations change a tree.
//!
//! Operations are applied in order to an overlay of the touched folders; each folder is loaded once, however
//! many operations touch it, and untouched folders are never loaded. At the end the changed folders are written
//! from the leaves to the root.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use haina_types::{FilePath, Oid};

use crate::name::check_name;
use crate::object::{CollisionAttack, ObjectKind, object_id};
use crate::tree::{EMPTY_TREE, Mode, Tree, order, push_entry};

/// Largest folder that a commit may make, in bytes of its object: half a million files of ordinary names.
pub const TREE_BYTES_MAX: usize = 32 << 20;

/// One operation of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Adds or replaces a file. Folders on the way come into being.
    Put {
        /// Where.
        path: FilePath,
        /// What; not [`Mode::Tree`].
        mode: Mode,
        /// Its blob.
        oid: Oid,
    },
    /// Deletes a file, or a folder if that is what stands there (clients do not always know).
    DeleteFile {
        /// Which.
        path: FilePath,
    },
    /// Deletes a folder and all in it.
    DeleteFolder {
        /// Which.
        path: FilePath,
    },
    /// Deletes whatever stands there.
    DeleteEntry {
        /// Which.
        path: FilePath,
    },
}

/// What came of a list of operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditResult {
    /// The new root; [`EMPTY_TREE`] if nothing is left.
    pub root: Oid,
    /// The trees that the base did not have, id and bytes, from the leaves to the root, each once. Trees that
    /// exist already for another reason may be among them.
    pub new_trees: Vec<(Oid, Vec<u8>)>,
    /// Whether the root is another than before.
    pub changed: bool,
}

/// Why operations cannot be applied. Nothing is applied then.
#[derive(Debug, thiserror::Error)]
pub enum EditError<E> {
    /// What should be deleted is not there.
    #[error("no such entry: '{0}'")]
    NoSuchEntry(String),
    /// A file and a folder would share this path.
    #[error("'{0}' would be both a file and a folder")]
    Conflict(String),
    /// A name that git does not allow, or a mode that no file has.
    #[error("not a path for a file: '{0}'")]
    BadPath(String),
    /// A folder with more than [`TREE_BYTES_MAX`] of entries.
    #[error("too many files in folder '{0}'")]
    FolderTooLarge(String),
    /// A folder's bytes carry a collision attack.
    #[error(transparent)]
    Collision(#[from] CollisionAttack),
    /// A tree could not be loaded.
    #[error("a folder could not be read")]
    Load(#[source] E),
}

/// What stands at a name. Both at once only while a commit is being applied: the commit is refused unless one of
/// them is deleted by its end.
#[derive(Debug, Default)]
struct Slot {
    file: Option<(Mode, Oid)>,
    folder: Option<usize>,
    /// Which of the two came later.
    file_is_newer: bool,
}

impl Slot {
    fn is_vacant(&self) -> bool {
        self.file.is_none() && self.folder.is_none()
    }
}

#[derive(Debug)]
struct Folder {
    /// The tree it was; `None` if it is new.
    base: Option<Oid>,
    /// That tree, once loaded; the empty one if it is new.
    tree: Option<Arc<Tree>>,
    /// Every name that was looked at.
    slots: HashMap<Vec<u8>, Slot>,
    /// How many names are not vacant; right once the tree is loaded.
    live: usize,
    /// For messages.
    path: String,
}

impl Folder {
    fn new(base: Option<Oid>, path: String) -> Self {
        let tree = base.is_none().then(Arc::default);
        Self { base, tree, slots: HashMap::new(), live: 0, path }
    }
}

struct Overlay<F> {
    /// The root first; a folder after its parent.
    folders: Vec<Folder>,
    load: F,
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

impl<E, F, Fut> Overlay<F>
where
    F: Fn(Oid) -> Fut,
    Fut: Future<Output = Result<Arc<Tree>, E>>,
{
    /// Makes sure that a folder's tree and the slot of one name are there.
    async fn visit(&mut self, at: usize, name: &str) -> Result<(), EditError<E>> {
        if let (None, Some(base)) = (&self.folders[at].tree, self.folders[at].base) {
            let tree = (self.load)(base).await.map_err(EditError::Load)?;
            self.folders[at].live = tree.len();
            self.folders[at].tree = Some(tree);
        }
        if self.folders[at].slots.contains_key(name.as_bytes()) {
            return Ok(());
        }
        let mut slot = Slot::default();
        let entry = self.folders[at].tree.as_ref().and_then(|t| t.get(name.as_bytes()).map(|e| (e.mode, e.oid)));
        match entry {
            Some((Mode::Tree, oid)) => {
                slot.folder = Some(self.folders.len());
                let path = join(&self.folders[at].path, name);
                self.folders.push(Folder::new(Some(oid), path));
            }
            Some(file) => slot.file = Some(file),
            None => {}
        }
        self.folders[at].slots.insert(name.as_bytes().to_vec(), slot);
        Ok(())
    }

    async fn put(&mut self, path: &FilePath, mode: Mode, oid: Oid) -> Result<(), EditError<E>> {
        let bad = || EditError::BadPath(path.to_string());
        if mode.is_tree() || oid == Oid::ZERO || path.segments().any(|s| check_name(s.as_bytes()).is_err()) {
            return Err(bad());
        }
        let (parents, name) = path.split();
        let mut at = 0;
        for segment in parents.split('/').filter(|s| !s.is_empty()) {
            self.visit(at, segment).await?;
            let next = self.folders.len();
            let folder = &mut self.folders[at];
            let slot = folder.slots.entry(segment.as_bytes().to_vec()).or_default();
            if let Some(existing) = slot.folder {
                at = existing;
                continue;
            }
            if slot.is_vacant() {
                folder.live += 1;
            }
            slot.folder = Some(next);
            slot.file_is_newer = false;
            let path = join(&folder.path, segment);
            self.folders.push(Folder::new(None, path));
            at = next;
        }
        self.visit(at, name).await?;
        let folder = &mut self.folders[at];
        let slot = folder.slots.entry(name.as_bytes().to_vec()).or_default();
        if slot.is_vacant() {
            folder.live += 1;
        }
        slot.file = Some((mode, oid));
        slot.file_is_newer = true;
        Ok(())
    }

    async fn delete(&mut self, path: &FilePath, folder_only: bool) -> Result<(), EditError<E>> {
        let missing = || EditError::NoSuchEntry(path.to_string());
        // The folders walked through, and the name taken in each.
        let mut walk: Vec<(usize, &str)> = Vec::new();
        let mut at = 0;
        let (parents, name) = path.split();
        for segment in parents.split('/').filter(|s| !s.is_empty()) {
            self.visit(at, segment).await?;
            walk.push((at, segment));
            at = self.folders[at].slots.get(segment.as_bytes()).and_then(|s| s.folder).ok_or_else(missing)?;
        }
        self.visit(at, name).await?;
        let folder = &mut self.folders[at];
        let slot = folder.slots.get_mut(name.as_bytes()).ok_or_else(missing)?;
        match (slot.file.is_some(), slot.folder.is_some()) {
            (_, true) if folder_only => slot.folder = None,
            // Of two, the one meant is the one that the other is to replace.
            (true, true) if slot.file_is_newer => slot.folder = None,
            (true, _) if !folder_only => slot.file = None,
            (false, true) => slot.folder = None,
            _ => return Err(missing()),
        }
        if !slot.is_vacant() {
            return Ok(());
        }
        folder.live -= 1;
        // Folders that became empty vanish.
        while self.folders[at].live == 0
            && let Some((parent, name)) = walk.pop()
        {
            at = parent;
            let folder = &mut self.folders[at];
            let Some(slot) = folder.slots.get_mut(name.as_bytes()) else { break };
            slot.folder = None;
            if !slot.is_vacant() {
                break;
            }
            folder.live -= 1;
        }
        Ok(())
    }
}

/// Writes one folder. `None` if nothing is left of it; the bytes only if they differ from the base's.
fn write(folder: &Folder, built: &[Option<Oid>]) -> Option<(Option<Oid>, Vec<u8>)> {
    let Some(tree) = &folder.tree else { return Some((folder.base, Vec::new())) };
    let mut touched: Vec<(&[u8], Mode, Oid)> = folder
        .slots
        .iter()
        .filter_map(|(name, slot)| match (slot.folder.and_then(|at| built[at]), slot.file) {
            (Some(oid), _) => Some((name.as_slice(), Mode::Tree, oid)),
            (None, Some((mode, oid))) => Some((name.as_slice(), mode, oid)),
            (None, None) => None,
        })
        .collect();
    touched.sort_unstable_by(|a, b| order(a.0, a.1.is_tree(), b.0, b.1.is_tree()));
    let mut raw = Vec::with_capacity(tree.raw().len() + touched.iter().map(|e| e.0.len() + 28).sum::<usize>());
    let mut next = touched.into_iter().peekable();
    for entry in tree.iter().filter(|e| !folder.slots.contains_key(e.name)) {
        while let Some((name, mode, oid)) =
            next.next_if(|e| order(e.0, e.1.is_tree(), entry.name, entry.mode.is_tree()).is_lt())
        {
            push_entry(&mut raw, mode, name, &oid);
        }
        push_entry(&mut raw, entry.mode, entry.name, &entry.oid);
    }
    for (name, mode, oid) in next {
        push_entry(&mut raw, mode, name, &oid);
    }
    if raw.is_empty() {
        None
    } else if folder.base.is_some() && raw == tree.raw() {
        Some((folder.base, Vec::new()))
    } else {
        Some((None, raw))
    }
}

/// Applies a commit's operations, in order, to the tree `root` (`None`: nothing yet).
///
/// The last writer of a path wins; a later operation sees what earlier ones did. A file may take the place of a
/// folder, and a folder that of a file, if the commit also deletes what was there, before or after. Folders that
/// become empty vanish. `load` is called once for every existing folder on a touched path.
///
/// (`AsyncFn` would read better, but a future over one is not `Send` when the loader borrows, and handlers need that.)
pub async fn edit<E, Fut>(
    root: Option<Oid>,
    ops: impl IntoIterator<Item = Edit>,
    load: impl Fn(Oid) -> Fut,
) -> Result<EditResult, EditError<E>>
where
    Fut: Future<Output = Result<Arc<Tree>, E>>,
{
    // The empty tree need not be stored anywhere.
    let base = root.filter(|oid| *oid != EMPTY_TREE);
    let mut overlay = Overlay { folders: vec![Folder::new(base, String::new())], load };
    for op in ops {
        match op {
            Edit::Put { path, mode, oid } => overlay.put(&path, mode, oid).await?,
            Edit::DeleteFile { path } | Edit::DeleteEntry { path } => overlay.delete(&path, false).await?,
            Edit::DeleteFolder { path } => overlay.delete(&path, true).await?,
        }
    }
    finish(root, overlay.folders)
}

fn finish<E>(root: Option<Oid>, folders: Vec<Folder>) -> Result<EditResult, EditError<E>> {
    // A folder stands after its parent, so one pass finds those that are still part of the tree.
    let mut reachable = vec![false; folders.len()];
    reachable[0] = true;
    let mut conflict: Option<String> = None;
    for (at, folder) in folders.iter().enumerate() {
        if !reachable[at] {
            continue;
        }
        for (name, slot) in &folder.slots {
            let Some(child) = slot.folder else { continue };
            reachable[child] = true;
            if slot.file.is_some() {
                let path = join(&folder.path, &String::from_utf8_lossy(name));
                if conflict.as_ref().is_none_or(|known| path < *known) {
                    conflict = Some(path);
                }
            }
        }
    }
    if let Some(path) = conflict {
        return Err(EditError::Conflict(path));
    }
    let mut built: Vec<Option<Oid>> = vec![None; folders.len()];
    let mut new_trees = Vec::new();
    let mut seen = HashSet::new();
    for (at, folder) in folders.iter().enumerate().rev().filter(|(at, _)| reachable[*at]) {
        built[at] = match write(folder, &built) {
            None => None,
            Some((Some(same), _)) => Some(same),
            Some((None, raw)) => {
                if raw.len() > TREE_BYTES_MAX {
                    return Err(EditError::FolderTooLarge(folder.path.clone()));
                }
                let oid = object_id(ObjectKind::Tree, &raw)?;
                if seen.insert(oid) {
                    new_trees.push((oid, raw));
                }
                Some(oid)
            }
        };
    }
    let new_root = built[0].unwrap_or(EMPTY_TREE);
    let changed = new_root != root.unwrap_or(EMPTY_TREE);
    if changed && new_root == EMPTY_TREE {
        new_trees.push((EMPTY_TREE, Vec::new()));
    }
    Ok(EditResult { root: new_root, new_trees, changed: changed || root.is_none() })
}
