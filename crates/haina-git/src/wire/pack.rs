//! Writing packs: a header, entries, and the hash of it all; and the index that git keeps beside a pack.

use haina_types::Oid;

use crate::object::{CollisionAttack, ObjectKind};

/// The hash at the end of packs.
pub struct PackHasher(gix_hash::Hasher);

impl std::fmt::Debug for PackHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PackHasher")
    }
}

impl Default for PackHasher {
    fn default() -> Self {
        Self(gix_hash::hasher(gix_hash::Kind::Sha1))
    }
}

impl PackHasher {
    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash.
    pub fn finish(self) -> Result<Oid, CollisionAttack> {
        let id = self.0.try_finalize().map_err(|_| CollisionAttack)?;
        Oid::from_slice(id.as_slice()).ok_or(CollisionAttack)
    }
}

/// What stands before the zlib stream of a whole object: the number of its kind and its inflated size.
pub(super) fn entry_head(number: u8, size: u64, out: &mut Vec<u8>) {
    let mut byte = number << 4 | (size & 15) as u8;
    let mut rest = size >> 4;
    while rest > 0 {
        out.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.push(byte);
}

/// The kind of an entry that is a delta upon one before it.
const OFFSET_DELTA: u8 = 6;
/// That of a delta upon an object that is named by its id.
const BASE_DELTA: u8 = 7;
/// Where a pack's first entry begins.
pub const PACK_HEADER_BYTES: usize = 12;
/// Bytes of the hash that a pack ends with.
pub const PACK_TRAILER_BYTES: usize = Oid::LEN;

/// Makes a pack of whole objects and of deltas, whose stored streams are copied as they are.
#[derive(Debug)]
pub struct PackWriter {
    hasher: PackHasher,
    left: u32,
}

impl PackWriter {
    /// Begins a pack of exactly `count` objects; `out` gets its first bytes.
    pub fn new(count: u32, out: &mut Vec<u8>) -> Self {
        let mut writer = Self { hasher: PackHasher::default(), left: count };
        let at = out.len();
        out.extend_from_slice(b"PACK");
        out.extend_from_slice(&2u32.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        writer.hasher.update(&out[at..]);
        writer
    }

    /// The next object: its kind, inflated size, and zlib stream.
    ///
    /// # Panics
    /// If more objects are given than were announced.
    pub fn push(&mut self, kind: ObjectKind, size: u64, z: &[u8], out: &mut Vec<u8>) {
        let at = self.begin(kind.number(), size, out);
        out.extend_from_slice(z);
        self.hasher.update(&out[at..]);
    }

    /// The next object as a delta upon the one whose entry begins `back` bytes before its own: size and zlib stream
    /// of the delta.
    ///
    /// # Panics
    /// If more objects are given than were announced.
    pub fn push_delta(&mut self, back: u64, size: u64, z: &[u8], out: &mut Vec<u8>) {
        let at = self.begin(OFFSET_DELTA, size, out);
        let mut digits = [0; 10];
        let mut first = digits.len() - 1;
        let mut rest = back;
        digits[first] = (rest & 0x7f) as u8;
        while rest >= 0x80 {
            // Every longer form begins where the shorter ones end.
            rest = (rest >> 7) - 1;
            first -= 1;
            digits[first] = (rest & 0x7f) as u8 | 0x80;
        }
        out.extend_from_slice(&digits[first..]);
        out.extend_from_slice(z);
        self.hasher.update(&out[at..]);
    }

    /// The next object as a delta upon another of the pack, wherever that is: size and zlib stream of the delta.
    ///
    /// # Panics
    /// If more objects are given than were announced.
    pub fn push_delta_of(&mut self, base: &Oid, size: u64, z: &[u8], out: &mut Vec<u8>) {
        let at = self.begin(BASE_DELTA, size, out);
        out.extend_from_slice(base.as_bytes());
        out.extend_from_slice(z);
        self.hasher.update(&out[at..]);
    }

    /// Notes that the pack goes on by these bytes of another, in which as many objects end.
    ///
    /// # Panics
    /// If more objects are given than were announced.
    pub fn copy(&mut self, objects: u32, bytes: &[u8]) {
        self.left = self.left.checked_sub(objects).expect("because objects are counted before the pack is begun");
        self.hasher.update(bytes);
    }

    /// The head of an entry; where it begins.
    fn begin(&mut self, number: u8, size: u64, out: &mut Vec<u8>) -> usize {
        assert!(self.left > 0, "because objects are counted before the pack is begun");
        self.left -= 1;
        let at = out.len();
        entry_head(number, size, out);
        at
    }

    /// Ends the pack; `out` gets its hash, which is also returned.
    ///
    /// # Panics
    /// If fewer objects were given than were announced.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<Oid, CollisionAttack> {
        assert!(self.left == 0, "because objects are counted before the pack is begun");
        let hash = self.hasher.finish()?;
        out.extend_from_slice(hash.as_bytes());
        Ok(hash)
    }
}

/// Where the ids of an index begin: after its header and the counts by first byte.
pub const INDEX_OIDS_AT: u64 = 8 + 4 * 256;

/// Gathers what the index of a pack holds.
#[derive(Debug, Default)]
pub struct PackIndex {
    entries: Vec<(Oid, u64, u32)>,
}

/// Offsets from here on are written in a table of their own.
const OFFSET_LARGE: u64 = 1 << 31;

impl PackIndex {
    /// Notes an object whose entry begins at a byte of the pack and has these bytes.
    pub fn push(&mut self, oid: Oid, at: u64, entry: &[u8]) {
        let mut crc = flate2::Crc::new();
        crc.update(entry);
        self.entries.push((oid, at, crc.sum()));
    }

    /// The index (version 2) of the pack with this hash.
    pub fn finish(mut self, pack: &Oid) -> Result<Vec<u8>, CollisionAttack> {
        self.entries.sort_unstable_by_key(|(oid, _, _)| *oid);
        let mut out = Vec::with_capacity(1100 + self.entries.len() * 28);
        out.extend_from_slice(b"\xfftOc\0\0\0\x02");
        let mut count = 0usize;
        for first in 0..=255u8 {
            count += self.entries[count..].iter().take_while(|(oid, _, _)| oid.0[0] == first).count();
            // A pack counts its objects in 32 bits.
            out.extend_from_slice(&(count as u32).to_be_bytes());
        }
        for (oid, _, _) in &self.entries {
            out.extend_from_slice(oid.as_bytes());
        }
        for (_, _, crc) in &self.entries {
            out.extend_from_slice(&crc.to_be_bytes());
        }
        let mut large: Vec<u64> = Vec::new();
        for (_, at, _) in &self.entries {
            let word = if *at < OFFSET_LARGE {
                *at as u32
            } else {
                large.push(*at);
                OFFSET_LARGE as u32 | (large.len() - 1) as u32
            };
            out.extend_from_slice(&word.to_be_bytes());
        }
        for at in large {
            out.extend_from_slice(&at.to_be_bytes());
        }
        out.extend_from_slice(pack.as_bytes());
        let mut hasher = PackHasher::default();
        hasher.update(&out);
        let hash = hasher.finish()?;
        out.extend_from_slice(hash.as_bytes());
        Ok(out)
    }
}
