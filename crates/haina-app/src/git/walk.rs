//! What a pack brings to a repository: everything that the new tips reach, in an order in which nothing comes before
//! what it links to, and the links that lead out of the pack.

use std::collections::{HashMap, HashSet};
use std::io;

use haina_git::wire::{check_gitmodules, is_gitmodules};
use haina_git::{EMPTY_TREE, Mode, ObjectKind, Tree};
use haina_types::Oid;

use super::spool::{Pack, Packed};

/// Deepest folder; git checks out no deeper ones.
const TREE_DEPTH_MAX: u16 = 2048;
/// How many tags may be of tags, one after the other.
const TAG_DEPTH_MAX: usize = 64;
/// Paths named in a refusal.
const PATHS_MAX: usize = 10;

/// Why a walk does not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    #[error("{0}")]
    Refused(String),
    #[error("the spool cannot be read")]
    Io(#[from] io::Error),
}

fn refused(text: impl Into<String>) -> WalkError {
    WalkError::Refused(text.into())
}

/// What was found.
#[derive(Default)]
pub(super) struct Walk {
    /// Objects of the pack, each after those that it links to.
    pub(super) order: Vec<u32>,
    /// Its commits, parents first.
    pub(super) commits: Vec<Oid>,
    /// Links to objects that the pack does not have.
    pub(super) outside: HashMap<Oid, ObjectKind>,
    /// Files above the limit that would be part of the repository.
    pub(super) large: Vec<Oid>,
}

/// Visits what tips reach. Blocks.
pub(super) struct Walker<'a> {
    pack: &'a Pack,
    walk: Walk,
    /// By position in the pack: 0 until an object is done, then how deep its folders are.
    done: Vec<u16>,
    commits: HashSet<Oid>,
    roots: Vec<Oid>,
    blobs: Vec<u32>,
    gitmodules: HashSet<Oid>,
    large: HashSet<Oid>,
}

struct Frame {
    object: u32,
    links: Vec<(Oid, ObjectKind)>,
    depth: u16,
}

/// The kind that an entry of this mode links to; none for a submodule.
fn linked(mode: Mode) -> Option<ObjectKind> {
    match mode {
        Mode::Tree => Some(ObjectKind::Tree),
        Mode::Gitlink => None,
        _ => Some(ObjectKind::Blob),
    }
}

impl<'a> Walker<'a> {
    pub(super) fn new(pack: &'a Pack) -> Self {
        Self {
            pack,
            walk: Walk::default(),
            done: vec![0; pack.objects.len()],
            commits: HashSet::new(),
            roots: Vec::new(),
            blobs: Vec::new(),
            gitmodules: HashSet::new(),
            large: HashSet::new(),
        }
    }

    fn find(&self, oid: &Oid) -> Option<(u32, &'a Packed)> {
        let i = *self.pack.by_oid.get(oid)?;
        Some((i, &self.pack.objects[i as usize]))
    }

    /// Notes a link out of the pack.
    fn leave(&mut self, oid: Oid, kind: ObjectKind) -> Result<(), WalkError> {
        if kind == ObjectKind::Tree && oid == EMPTY_TREE {
            return Ok(());
        }
        if self.pack.large.contains_key(&oid) {
            if self.large.insert(oid) {
                self.walk.large.push(oid);
            }
            return Ok(());
        }
        match self.walk.outside.insert(oid, kind) {
            Some(other) if other != kind => Err(refused(format!("object {oid} is linked to as {kind} and as {other}"))),
            _ => Ok(()),
        }
    }

    fn expect(object: &Packed, kind: ObjectKind) -> Result<(), WalkError> {
        if object.kind == kind {
            return Ok(());
        }
        Err(refused(format!("object {} is a {}, and is linked to as a {kind}", object.oid, object.kind)))
    }

    /// Visits all that these objects reach, whatever they are.
    pub(super) fn run(mut self, tips: &[Oid]) -> Result<Walk, WalkError> {
        let mut tags = Vec::new();
        for tip in tips {
            let mut at = *tip;
            let mut chain = 0;
            // The kind of a tip outside of the pack is looked up by whoever asks for this walk.
            let Some((_, mut object)) = self.find(&at) else { continue };
            while object.kind == ObjectKind::Tag {
                chain += 1;
                if chain > TAG_DEPTH_MAX {
                    return Err(refused(format!("tag {tip} is of tags of tags, more than {TAG_DEPTH_MAX} deep")));
                }
                tags.push(at);
                let (kind, target) = self.pack.tags.get(&at).copied().ok_or_else(|| refused("a tag was not read"))?;
                at = target;
                match self.find(&target) {
                    Some((_, next)) => {
                        Self::expect(next, kind)?;
                        object = next;
                    }
                    None => {
                        self.leave(target, kind)?;
                        break;
                    }
                }
            }
            match object.kind {
                ObjectKind::Commit => self.commit(at)?,
                ObjectKind::Tree => self.tree(at)?,
                ObjectKind::Blob => self.blob(at)?,
                ObjectKind::Tag => {}
            }
        }
        // The newest first: senders make older ones from newer ones, and what is built upon has to be there before.
        for root in std::mem::take(&mut self.roots).into_iter().rev() {
            self.tree(root)?;
        }
        self.order_blobs();
        // From here on nothing is linked to that was not put in order before.
        for commit in &self.walk.commits {
            self.walk.order.push(self.pack.by_oid[commit]);
        }
        for tag in tags.iter().rev() {
            let i = self.pack.by_oid[tag];
            if std::mem::replace(&mut self.done[i as usize], 1) == 0 {
                self.walk.order.push(i);
            }
        }
        for oid in &self.gitmodules {
            if let Some((i, _)) = self.find(oid) {
                check_gitmodules(&self.pack.raw(i)?).map_err(|e| refused(format!("blob {oid}: {e}")))?;
            }
        }
        Ok(self.walk)
    }

    fn commit(&mut self, tip: Oid) -> Result<(), WalkError> {
        if !self.commits.insert(tip) {
            return Ok(());
        }
        let mut stack = vec![(tip, 0usize)];
        while let Some((oid, next)) = stack.last_mut() {
            let facts = self.pack.commits.get(oid).ok_or_else(|| refused("a commit was not read"))?;
            if let Some(parent) = facts.parents.get(*next).copied() {
                *next += 1;
                match self.find(&parent) {
                    Some((_, object)) => {
                        Self::expect(object, ObjectKind::Commit)?;
                        if self.commits.insert(parent) {
                            stack.push((parent, 0));
                        }
                    }
                    None => self.leave(parent, ObjectKind::Commit)?,
                }
            } else {
                self.roots.push(facts.tree);
                self.walk.commits.push(*oid);
                stack.pop();
            }
        }
        Ok(())
    }

    fn blob(&mut self, oid: Oid) -> Result<(), WalkError> {
        let Some((i, object)) = self.find(&oid) else { return self.leave(oid, ObjectKind::Blob) };
        Self::expect(object, ObjectKind::Blob)?;
        if std::mem::replace(&mut self.done[i as usize], 1) == 0 {
            self.blobs.push(i);
        }
        Ok(())
    }

    /// Puts files before everything else, each after what it builds upon; they link to nothing.
    fn order_blobs(&mut self) {
        let trees = std::mem::take(&mut self.walk.order);
        let mut open: HashSet<u32> = self.blobs.iter().copied().collect();
        let mut chain = Vec::new();
        for blob in std::mem::take(&mut self.blobs) {
            let mut next = Some(blob);
            while let Some(i) = next.filter(|i| open.remove(i)) {
                chain.push(i);
                next = self.pack.objects[i as usize].base();
            }
            self.walk.order.extend(chain.drain(..).rev());
        }
        self.walk.order.extend(trees);
    }

    /// Opens a tree of the pack that is not done.
    fn open(&mut self, i: u32) -> Result<Frame, WalkError> {
        let object = &self.pack.objects[i as usize];
        let tree = Tree::parse(self.pack.raw(i)?).map_err(|e| refused(format!("tree {}: {e}", object.oid)))?;
        let mut links = Vec::with_capacity(tree.len());
        for entry in tree.iter() {
            let Some(kind) = linked(entry.mode) else { continue };
            links.push((entry.oid, kind));
            if is_gitmodules(entry.name) {
                self.gitmodules.insert(entry.oid);
            }
        }
        Ok(Frame { object: i, links, depth: 1 })
    }

    fn tree(&mut self, root: Oid) -> Result<(), WalkError> {
        let Some((i, object)) = self.find(&root) else { return self.leave(root, ObjectKind::Tree) };
        Self::expect(object, ObjectKind::Tree)?;
        if self.done[i as usize] != 0 {
            return Ok(());
        }
        let mut stack = vec![self.open(i)?];
        while let Some(frame) = stack.last_mut() {
            let Some((oid, kind)) = frame.links.pop() else {
                let (i, depth) = (frame.object, frame.depth);
                stack.pop();
                self.done[i as usize] = depth;
                self.walk.order.push(i);
                if let Some(above) = stack.last_mut() {
                    above.depth = above.depth.max(depth + 1);
                }
                continue;
            };
            if kind == ObjectKind::Blob {
                self.blob(oid)?;
                continue;
            }
            let Some((i, object)) = self.find(&oid) else {
                self.leave(oid, kind)?;
                continue;
            };
            Self::expect(object, kind)?;
            match self.done[i as usize] {
                0 if stack.len() >= usize::from(TREE_DEPTH_MAX) => {
                    return Err(refused(format!("folders in folders, more than {TREE_DEPTH_MAX} deep")));
                }
                0 => {
                    let below = self.open(i)?;
                    stack.push(below);
                }
                depth => {
                    if usize::from(depth) + stack.len() > usize::from(TREE_DEPTH_MAX) {
                        return Err(refused(format!("folders in folders, more than {TREE_DEPTH_MAX} deep")));
                    }
                    if let Some(frame) = stack.last_mut() {
                        frame.depth = frame.depth.max(depth + 1);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Where files stand in the newest commits of a pack that have them; for messages. Blocks.
pub(super) fn paths(pack: &Pack, walk: &Walk, blobs: &HashSet<Oid>) -> io::Result<Vec<(String, Oid)>> {
    let mut out: Vec<(String, Oid)> = Vec::new();
    let mut named: HashSet<Oid> = HashSet::new();
    let mut seen: HashSet<Oid> = HashSet::new();
    for commit in walk.commits.iter().rev() {
        let Some(facts) = pack.commits.get(commit) else { continue };
        let mut open = vec![(String::new(), facts.tree)];
        while let Some((folder, oid)) = open.pop() {
            let Some(i) = pack.by_oid.get(&oid) else { continue };
            if !seen.insert(oid) {
                continue;
            }
            let Ok(tree) = Tree::parse(pack.raw(*i)?) else { continue };
            for entry in tree.iter() {
                let path = format!("{folder}{}", entry.name_text());
                if entry.mode.is_tree() {
                    open.push((format!("{path}/"), entry.oid));
                } else if blobs.contains(&entry.oid) && named.insert(entry.oid) {
                    out.push((path, entry.oid));
                }
            }
            if out.len() >= PATHS_MAX {
                return Ok(out);
            }
        }
    }
    Ok(out)
}
