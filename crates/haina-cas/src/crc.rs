//! CRC-32C of every block of an object, to notice a disk that lies before a client does (clients do not check).

use bytes::Bytes;

/// Bytes of one block; the last block of an object may be shorter.
pub const CRC_BLOCK_BYTES: usize = 262_144;

/// One CRC-32C for each [`CRC_BLOCK_BYTES`] of an object: 4 bytes each, little-endian. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CrcTable {
    blob: Bytes,
}

impl CrcTable {
    /// From what [`CrcTable::as_blob`] gave; `None` if it cannot be a table.
    pub fn from_blob(blob: Bytes) -> Option<Self> {
        blob.len().is_multiple_of(4).then_some(Self { blob })
    }

    /// The table as it is stored.
    pub fn as_blob(&self) -> &Bytes {
        &self.blob
    }

    /// How many blocks it covers.
    pub fn block_count(&self) -> usize {
        self.blob.len() / 4
    }

    /// The CRC-32C of a block.
    pub fn block(&self, i: usize) -> Option<u32> {
        let entry = self.blob.get(4 * i..4 * i + 4)?;
        Some(u32::from_le_bytes(entry.try_into().ok()?))
    }

    /// Whether this can be the table of an object of that many bytes.
    pub fn covers(&self, object_len: u64) -> bool {
        self.block_count() as u64 == object_len.div_ceil(CRC_BLOCK_BYTES as u64)
    }

    /// Checks bytes that begin at a block's start, `first_block` blocks into the object. Gives the first bad block.
    /// The last block in `bytes` may be short only where the object ends.
    pub fn check(&self, first_block: usize, bytes: &[u8]) -> Result<(), usize> {
        for (i, block) in bytes.chunks(CRC_BLOCK_BYTES).enumerate() {
            if self.block(first_block + i) != Some(crc32c::crc32c(block)) {
                return Err(first_block + i);
            }
        }
        Ok(())
    }
}

/// Builds a [`CrcTable`] while the object is written.
#[derive(Debug, Default)]
pub struct CrcBuilder {
    table: Vec<u8>,
    crc: u32,
    in_block: usize,
}

impl CrcBuilder {
    /// The next bytes of the object.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(CRC_BLOCK_BYTES - self.in_block));
            self.crc = crc32c::crc32c_append(self.crc, now);
            self.in_block += now.len();
            if self.in_block == CRC_BLOCK_BYTES {
                self.close();
            }
            bytes = rest;
        }
    }

    fn close(&mut self) {
        self.table.extend_from_slice(&self.crc.to_le_bytes());
        self.crc = 0;
        self.in_block = 0;
    }

    /// The table of all bytes.
    pub fn finish(mut self) -> CrcTable {
        if self.in_block > 0 {
            self.close();
        }
        CrcTable { blob: self.table.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slicing_does_not_matter_and_flips_are_found() {
        let mut data: Vec<u8> = (0..600_000u32).map(|i| ((i * 7) >> 3) as u8).collect();
        let mut whole = CrcBuilder::default();
        whole.push(&data);
        let table = whole.finish();
        let mut parts = CrcBuilder::default();
        data.chunks(77_777).for_each(|c| parts.push(c));
        assert_eq!(parts.finish(), table);
        assert!(table.covers(600_000) && !table.covers(500_000) && table.block_count() == 3);
        assert_eq!(table.check(0, &data), Ok(()));
        assert_eq!(table.check(2, &data[2 * CRC_BLOCK_BYTES..]), Ok(()));
        data[300_000] ^= 1;
        assert_eq!(table.check(0, &data), Err(1));
        assert_eq!(table.check(3, b"x"), Err(3));
        assert!(CrcBuilder::default().finish().covers(0));
    }
}
