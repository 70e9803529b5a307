//! Objects that lie in files of their own, as entries of a pack: what an import reads comes as one pack, whatever its
//! source keeps where.

use std::io::{self, Cursor, Read};

use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};

use super::pack::entry_head;
use crate::object::{ObjectKind, deflate};

/// Objects up to this size are compressed well, in memory; larger ones while they pass.
const WHOLE_BYTES_MAX: u64 = 1 << 20;
/// A loose object's header: a kind, a space, a size, a zero.
const HEADER_BYTES_MAX: usize = 32;

fn broken(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

fn read_header(from: &mut impl Read) -> io::Result<(ObjectKind, u64)> {
    let mut header = Vec::with_capacity(HEADER_BYTES_MAX);
    loop {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        if byte[0] == 0 {
            break;
        }
        if header.len() >= HEADER_BYTES_MAX {
            return Err(broken("not a loose object"));
        }
        header.push(byte[0]);
    }
    let parse = || {
        let (kind, size) = std::str::from_utf8(&header).ok()?.split_once(' ')?;
        // One spelling each: `parse` would take a sign and zeros too.
        let size: u64 = size.parse().ok().filter(|n: &u64| n.to_string() == size)?;
        Some((kind.parse().ok()?, size))
    };
    parse().ok_or_else(|| broken("not a loose object"))
}

/// The entry of a pack for a loose object. That the object has the size that it says is left to whoever reads the pack.
pub fn loose_as_entry<R: Read + Send + 'static>(from: R) -> io::Result<Box<dyn Read + Send>> {
    let mut inflated = ZlibDecoder::new(from);
    let (kind, size) = read_header(&mut inflated)?;
    let mut head = Vec::new();
    entry_head(kind.number(), size, &mut head);
    if size <= WHOLE_BYTES_MAX {
        let mut raw = Vec::new();
        inflated.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut raw)?;
        head.extend(deflate(&raw));
        return Ok(Box::new(Cursor::new(head)));
    }
    // One byte too many is enough to be noticed.
    let body = ZlibEncoder::new(inflated.take(size.saturating_add(1)), Compression::new(3));
    Ok(Box::new(Cursor::new(head).chain(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::object_id;
    use crate::wire::{EntryKind, PackError, PackHasher, PackLimits, scan};

    fn pack(raw: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        loose_as_entry(Cursor::new(deflate(raw)))?.read_to_end(&mut out)?;
        let mut hasher = PackHasher::default();
        hasher.update(&out);
        out.extend(hasher.finish().unwrap().0);
        Ok(out)
    }

    #[test]
    fn small_and_large_ones_become_entries() {
        for size in [0usize, 1, 15, 16, 5000, (1 << 20) + 1, 3 << 20] {
            let body: Vec<u8> = (0..size).map(|i| ((i * i) >> 7) as u8).collect();
            let raw = [format!("blob {size}\0").as_bytes(), &body].concat();
            let entries = scan(pack(&raw).unwrap().as_slice(), io::sink(), &PackLimits::default(), |_, _, _| Ok(()));
            let oid = object_id(ObjectKind::Blob, &body).unwrap();
            assert_eq!(entries.unwrap()[0].kind, EntryKind::Whole(ObjectKind::Blob, oid), "{size}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for raw in
            [&b""[..], b"blob 3", b"blob +3\0abc", b"blob 03\0abc", b"what 3\0abc", b"blob  3\0abc", &[b'x'; 100]]
        {
            assert!(pack(raw).is_err(), "{raw:?}");
        }
        assert!(loose_as_entry(Cursor::new(b"not zlib".to_vec())).is_err());
        // More or less than it says, small and large.
        let over = [format!("blob {}\0", 2 << 20).as_bytes(), &vec![7; (2 << 20) + 5]].concat();
        let under = [format!("blob {}\0", 2 << 20).as_bytes(), &[7; 5][..]].concat();
        for raw in [&b"blob 3\0ab"[..], b"blob 3\0abcd", &over, &under] {
            let got = scan(pack(raw).unwrap().as_slice(), io::sink(), &PackLimits::default(), |_, _, _| Ok(()));
            assert!(matches!(got, Err(PackError::Stream { .. })), "{got:?}");
        }
    }
}
