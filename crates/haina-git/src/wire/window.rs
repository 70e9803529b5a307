//! Which object to make a delta of: objects that are alike come one after the other, and each is tried against the
//! few before it, as git's `pack-objects` does.

use super::differ::DeltaIndex;
use crate::object::{ObjectKind, deflate};

/// Objects before one that are tried as its base.
const WIDTH: usize = 10;
/// Deltas upon deltas; git's own default, and what its clients are quick with.
const DEPTH_MAX: u32 = 50;
/// Smaller objects are not worth a delta.
const BYTES_MIN: usize = 50;
/// Most bytes of memory for objects and what is known of them; a single object may take more.
const MEMORY_MAX: usize = 32 << 20;

/// How much memory to begin a delta with.
pub(super) fn room(most: usize, target: usize) -> usize {
    most.min(target / 8 + 64)
}

/// The first key by which objects are put into order: alike for paths with alike ends, as in git's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct NameKey(u32);

impl NameKey {
    /// The key of a path that goes on by these bytes.
    #[must_use]
    pub fn then(self, more: &[u8]) -> Self {
        let step = |key: u32, byte: &u8| (key >> 2).wrapping_add(u32::from(*byte) << 24);
        Self(more.iter().filter(|b| !b.is_ascii_whitespace()).fold(self.0, step))
    }
}

struct Slot {
    id: u32,
    depth: u32,
    raw: Vec<u8>,
    index: Option<DeltaIndex>,
}

impl Slot {
    fn bytes(&self) -> usize {
        self.raw.len() + self.index.as_ref().map_or(0, DeltaIndex::bytes)
    }
}

/// A delta that was found to be worth it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundDelta {
    /// The object that it is upon.
    pub base: u32,
    /// Bytes of the delta.
    pub size: u64,
    /// A zlib stream of it.
    pub z: Vec<u8>,
}

/// The last few objects.
#[derive(Default)]
pub struct DeltaWindow {
    kind: Option<ObjectKind>,
    /// The one to try first is last.
    slots: Vec<Slot>,
}

impl std::fmt::Debug for DeltaWindow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeltaWindow").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl DeltaWindow {
    /// Takes the next object: by kind, then [`NameKey`], then size, the largest first. `stored` is how many bytes it
    /// has as a whole. Gives a delta upon an object that came before, if that is smaller.
    pub fn next(&mut self, id: u32, kind: ObjectKind, raw: Vec<u8>, stored: u64) -> Option<FoundDelta> {
        if self.kind != Some(kind) {
            self.kind = Some(kind);
            self.slots.clear();
        }
        let best = self.find(&raw);
        let made = best.and_then(|(at, delta)| {
            let z = deflate(&delta);
            // Three bytes are what naming the base costs.
            (z.len() as u64 + 3 < stored).then_some((at, delta.len() as u64, z))
        });
        let depth = made.as_ref().map_or(0, |(at, ..)| self.slots[*at].depth + 1);
        let found = made.map(|(at, size, z)| {
            // A base that served once will serve again: it stays longer.
            let slot = self.slots.remove(at);
            let base = slot.id;
            self.slots.push(slot);
            FoundDelta { base, size, z }
        });
        if depth < DEPTH_MAX && raw.len() >= BYTES_MIN {
            self.slots.push(Slot { id, depth, raw, index: None });
        }
        let mut bytes: usize = self.slots.iter().map(Slot::bytes).sum();
        while self.slots.len() > WIDTH || (bytes > MEMORY_MAX && self.slots.len() > 1) {
            bytes -= self.slots.remove(0).bytes();
        }
        found
    }

    /// The best base, and the delta upon it.
    fn find(&mut self, raw: &[u8]) -> Option<(usize, Vec<u8>)> {
        if raw.len() < BYTES_MIN {
            return None;
        }
        let mut best: Option<(usize, Vec<u8>)> = None;
        for at in (0..self.slots.len()).rev() {
            let (so_far, depth) = match &best {
                Some((at, delta)) => (delta.len() - 1, self.slots[*at].depth + 1),
                None => (raw.len() / 2 - 20, 1),
            };
            let slot = &mut self.slots[at];
            if slot.depth >= DEPTH_MAX {
                continue;
            }
            // What is deep must be small: long chains cost those who read them.
            let most = so_far * (DEPTH_MAX - slot.depth) as usize / (DEPTH_MAX - depth + 1).max(1) as usize;
            if raw.len().saturating_sub(slot.raw.len()) >= most || raw.len() < slot.raw.len() / 32 {
                continue;
            }
            let index = slot.index.get_or_insert_with(|| DeltaIndex::new(&slot.raw));
            if let Some(delta) = index.delta(&slot.raw, raw, most) {
                best = Some((at, delta));
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inflate;
    use crate::wire::apply_delta;

    fn version(i: u32) -> Vec<u8> {
        (0..300u32).flat_map(|line| format!("{line} {}\n", if line == i { i * 7919 } else { 0 }).into_bytes()).collect()
    }

    #[test]
    fn versions_of_a_file() {
        let mut window = DeltaWindow::default();
        let mut depth = vec![0u32; 200];
        let mut whole = 0;
        for id in 0..200u32 {
            let raw = version(id);
            let Some(found) = window.next(id, ObjectKind::Blob, raw.clone(), 1000) else {
                whole += 1;
                continue;
            };
            assert!(found.z.len() < 100 && found.base < id);
            let delta = inflate(&found.z, found.size).unwrap();
            assert_eq!(apply_delta(&version(found.base), &delta).unwrap(), raw);
            depth[id as usize] = depth[found.base as usize] + 1;
        }
        assert!(whole <= 5, "{whole} of 200 without a base");
        assert!(depth.iter().all(|d| *d <= DEPTH_MAX));
    }

    #[test]
    fn kinds_do_not_mix_and_memory_has_a_bound() {
        let mut window = DeltaWindow::default();
        assert_eq!(window.next(0, ObjectKind::Tree, version(1), 1000), None);
        assert_eq!(window.next(1, ObjectKind::Blob, version(1), 1000), None);
        assert!(window.next(2, ObjectKind::Blob, version(2), 1000).is_some());
        assert_eq!(window.next(3, ObjectKind::Blob, version(3), 10), None, "a whole object that is smaller");
        for id in 4..12 {
            window.next(id, ObjectKind::Blob, vec![id as u8; 10 << 20], 1 << 20);
            assert!(window.slots.iter().map(Slot::bytes).sum::<usize>() <= MEMORY_MAX);
        }
    }

    #[test]
    fn names_with_alike_ends_are_neighbours() {
        let key = |path: &str| NameKey::default().then(path.as_bytes());
        assert_eq!(key("a/").then(b"b c.txt"), key("a/bc.txt"));
        let (one, two, other) = (key("src/deep/a/main.rs"), key("src/deep/b/main.rs"), key("src/deep/a/main.md"));
        assert!(one.0.abs_diff(two.0) < one.0.abs_diff(other.0));
    }
}
