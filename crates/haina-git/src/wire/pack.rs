//! Writing packs: a header, entries, and the hash of it all.

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

/// Makes a pack of whole objects, whose stored streams are copied as they are.
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
        assert!(self.left > 0, "because objects are counted before the pack is begun");
        self.left -= 1;
        let at = out.len();
        let mut byte = kind.number() << 4 | (size & 15) as u8;
        let mut rest = size >> 4;
        while rest > 0 {
            out.push(byte | 0x80);
            byte = (rest & 0x7f) as u8;
            rest >>= 7;
        }
        out.push(byte);
        out.extend_from_slice(z);
        self.hasher.update(&out[at..]);
    }

    /// Ends the pack; `out` gets its hash.
    ///
    /// # Panics
    /// If fewer objects were given than were announced.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), CollisionAttack> {
        assert!(self.left == 0, "because objects are counted before the pack is begun");
        out.extend_from_slice(self.hasher.finish()?.as_bytes());
        Ok(())
    }
}
