//! Reading packs that come from anywhere: every count, size and depth has a limit before memory is spent on it.
//!
//! A pack is read twice. [`scan`] takes it from the line, keeps it in a spool, finds where each entry lies and hashes
//! what is whole; [`resolve`] then makes what is sent as deltas, from their bases down.

use std::collections::HashMap;
use std::io::{self, Read, Write};

use flate2::{Decompress, FlushDecompress, Status};
use haina_types::Oid;

use super::delta::{DeltaError, apply_delta, delta_sizes};
use super::pack::PackHasher;
use crate::object::{CollisionAttack, InflateError, ObjectHasher, ObjectKind, inflate, object_id};
use crate::{COMMIT_BYTES_MAX, TREE_BYTES_MAX};

/// What may come after a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackEnd {
    /// The end of the input, which is waited for.
    Input,
    /// Nothing for now: the line stays open, and whoever sent the pack waits for an answer.
    Line,
}

/// What a pack may have at most.
#[derive(Debug, Clone, Copy)]
pub struct PackLimits {
    /// Objects.
    pub objects: u32,
    /// Bytes of the pack.
    pub bytes: u64,
    /// Bytes of a file; larger ones are noticed and left out.
    pub blob_bytes: u64,
    /// How much larger than the pack its objects may be together, and what is always allowed.
    pub inflation: (u64, u64),
    /// Deltas upon deltas.
    pub depth: u32,
    /// Bytes of bases in memory while deltas are resolved.
    pub memory: u64,
    /// What may come after it.
    pub end: PackEnd,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self {
            objects: 1_000_000,
            bytes: 2 << 30,
            blob_bytes: 10 << 20,
            inflation: (100, 256 << 20),
            depth: 4095,
            memory: 256 << 20,
            end: PackEnd::Input,
        }
    }
}

/// Why a pack is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It ends too early.
    #[error("the pack ends too early")]
    Cut,
    /// It cannot be read from the line, or not be kept.
    #[error("the pack could not be read")]
    Io(#[source] io::Error),
    /// Not a pack, or of another version.
    #[error("not a pack of version 2")]
    Header,
    /// An entry that cannot be.
    #[error("broken entry at byte {0} of the pack")]
    Entry(u64),
    /// A stream that does not give what its entry says.
    #[error("broken object at byte {at} of the pack")]
    Stream {
        /// Where the entry begins.
        at: u64,
        /// What is wrong.
        #[source]
        why: InflateError,
    },
    /// The hash at its end is another.
    #[error("the pack's checksum is wrong")]
    Checksum,
    /// Bytes after its end.
    #[error("bytes follow the pack")]
    Trailing,
    /// Above a limit.
    #[error("{0}")]
    Limit(String),
    /// A delta that cannot be applied.
    #[error("broken delta at byte {at} of the pack")]
    Delta {
        /// Where the entry begins.
        at: u64,
        /// What is wrong.
        #[source]
        why: DeltaError,
    },
    /// Deltas whose bases are nowhere, or only each other.
    #[error("the pack has {0} unresolved deltas")]
    Unresolved(usize),
    /// See [`CollisionAttack`].
    #[error(transparent)]
    Collision(#[from] CollisionAttack),
    /// An object that whoever looks at it does not accept.
    #[error("{0}")]
    Refused(String),
}

impl From<io::Error> for PackError {
    fn from(e: io::Error) -> Self {
        if e.kind() == io::ErrorKind::UnexpectedEof { Self::Cut } else { Self::Io(e) }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A whole object.
    Whole(ObjectKind, Oid),
    /// A file above the limit, of which only its id is known.
    Large(Oid),
    /// A delta upon the entry that begins there.
    Offset(u64),
    /// A delta upon an object.
    Base(Oid),
}

/// Where an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackEntry {
    /// Where it begins.
    pub at: u64,
    /// Where its zlib stream begins.
    pub z_at: u64,
    /// How long that is.
    pub z_len: u64,
    /// Of the inflated stream.
    pub size: u64,
    /// What it is.
    pub kind: EntryKind,
}

const BUFFER_BYTES: usize = 64 << 10;

/// Bytes from the line: what is consumed goes to the spool and into the hash.
struct Input<R, W> {
    from: R,
    spool: W,
    hasher: PackHasher,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes consumed.
    at: u64,
    bytes_max: u64,
}

impl<R: Read, W: Write> Input<R, W> {
    fn fill(&mut self) -> Result<bool, PackError> {
        if self.start < self.end {
            return Ok(true);
        }
        loop {
            match self.from.read(&mut self.buffer) {
                Ok(n) => {
                    (self.start, self.end) = (0, n);
                    return Ok(n > 0);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn need(&mut self) -> Result<&[u8], PackError> {
        if self.fill()? { Ok(&self.buffer[self.start..self.end]) } else { Err(PackError::Cut) }
    }

    fn consume(&mut self, n: usize) -> Result<(), PackError> {
        let bytes = &self.buffer[self.start..self.start + n];
        self.hasher.update(bytes);
        self.spool.write_all(bytes)?;
        self.start += n;
        self.at += n as u64;
        if self.at > self.bytes_max {
            let max = self.bytes_max >> 20;
            return Err(PackError::Limit(format!("a push has at most {max} MiB: push fewer commits at a time")));
        }
        Ok(())
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PackError> {
        let mut out = [0; N];
        let mut got = 0;
        while got < N {
            let bytes = self.need()?;
            let n = bytes.len().min(N - got);
            out[got..got + n].copy_from_slice(&bytes[..n]);
            self.consume(n)?;
            got += n;
        }
        Ok(out)
    }

    fn byte(&mut self) -> Result<u8, PackError> {
        self.take::<1>().map(|b| b[0])
    }
}

fn stream(at: u64, why: InflateError) -> PackError {
    PackError::Stream { at, why }
}

/// Inflates the stream that comes next, which must give exactly `size` bytes; `sink` gets them in pieces.
fn inflate_next<R: Read, W: Write>(
    input: &mut Input<R, W>,
    z: &mut Decompress,
    size: u64,
    mut sink: impl FnMut(&[u8]),
) -> Result<(), PackError> {
    let at = input.at;
    let wrong_size = || stream(at, InflateError::Size { expected: size });
    z.reset(true);
    let mut piece = vec![0; BUFFER_BYTES.min(usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1))];
    loop {
        let (before_in, before_out) = (z.total_in(), z.total_out());
        let bytes = input.need()?;
        let status = z.decompress(bytes, &mut piece, FlushDecompress::None);
        let status = status.map_err(|e| stream(at, InflateError::Broken(e.into())))?;
        let (read, made) = ((z.total_in() - before_in) as usize, (z.total_out() - before_out) as usize);
        input.consume(read)?;
        if z.total_out() > size {
            return Err(wrong_size());
        }
        sink(&piece[..made]);
        match status {
            Status::StreamEnd if z.total_out() == size => return Ok(()),
            Status::StreamEnd => return Err(wrong_size()),
            _ if read == 0 && made == 0 => {
                let stuck = io::Error::new(io::ErrorKind::InvalidData, "no progress");
                return Err(stream(at, InflateError::Broken(stuck)));
            }
            _ => {}
        }
    }
}

/// Reads a pack from the line into a spool. `look` gets every whole object but files above the limit, and may refuse
/// it. Nothing is read beyond the pack but what shows that there is nothing.
pub fn scan<R: Read, W: Write>(
    from: R,
    spool: W,
    limits: &PackLimits,
    mut look: impl FnMut(ObjectKind, Oid, &[u8]) -> Result<(), String>,
) -> Result<Vec<PackEntry>, PackError> {
    let mut input = Input {
        from,
        spool,
        hasher: PackHasher::default(),
        buffer: vec![0; BUFFER_BYTES].into(),
        start: 0,
        end: 0,
        at: 0,
        bytes_max: limits.bytes,
    };
    if input.take::<4>()? != *b"PACK" || input.take::<4>()? != 2u32.to_be_bytes() {
        return Err(PackError::Header);
    }
    let count = u32::from_be_bytes(input.take()?);
    if count > limits.objects {
        return Err(PackError::Limit(format!("a push has at most {} objects, this one has {count}", limits.objects)));
    }
    // The count is a claim: room for more than this is only made when the entries are there.
    let mut entries = Vec::with_capacity(count.min(4096) as usize);
    let mut z = Decompress::new(true);
    let mut inflated = 0u64;
    for _ in 0..count {
        let entry = scan_entry(&mut input, &mut z, limits, &entries, &mut look)?;
        inflated = inflated.saturating_add(entry.size);
        if inflated > limits.inflation.1.saturating_add(input.at.saturating_mul(limits.inflation.0)) {
            return Err(PackError::Limit("the pack inflates to far more than its size".to_owned()));
        }
        entries.push(entry);
    }
    let hash = std::mem::take(&mut input.hasher).finish()?;
    if input.take::<20>()? != hash.0 {
        return Err(PackError::Checksum);
    }
    let follows = match limits.end {
        PackEnd::Input => input.fill()?,
        PackEnd::Line => input.start < input.end,
    };
    if follows {
        return Err(PackError::Trailing);
    }
    input.spool.flush()?;
    Ok(entries)
}

fn scan_entry<R: Read, W: Write>(
    input: &mut Input<R, W>,
    z: &mut Decompress,
    limits: &PackLimits,
    before: &[PackEntry],
    look: &mut impl FnMut(ObjectKind, Oid, &[u8]) -> Result<(), String>,
) -> Result<PackEntry, PackError> {
    let at = input.at;
    let broken = PackError::Entry(at);
    let mut byte = input.byte()?;
    let number = byte >> 4 & 7;
    let mut size = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = input.byte()?;
        if shift > 56 {
            return Err(broken);
        }
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    let whole = ObjectKind::from_number(number);
    let kind = match (whole, number) {
        (Some(kind), _) => EntryKind::Whole(kind, Oid::ZERO),
        (None, 6) => {
            let mut byte = input.byte()?;
            let mut back = u64::from(byte & 0x7f);
            while byte & 0x80 != 0 {
                byte = input.byte()?;
                back = back.checked_add(1).filter(|b| *b < 1 << 56).ok_or(PackError::Entry(at))?;
                back = back << 7 | u64::from(byte & 0x7f);
            }
            let base = at.checked_sub(back).filter(|_| back > 0).ok_or(PackError::Entry(at))?;
            // Only where an entry begins.
            before.binary_search_by_key(&base, |e| e.at).map_err(|_| PackError::Entry(at))?;
            EntryKind::Offset(base)
        }
        (None, 7) => EntryKind::Base(Oid(input.take()?)),
        _ => return Err(broken),
    };
    let most = match whole {
        Some(ObjectKind::Blob) => u64::MAX,
        Some(ObjectKind::Tree) => TREE_BYTES_MAX as u64,
        Some(_) => COMMIT_BYTES_MAX as u64,
        // A delta may have much that is new, but not more than what it makes may have.
        None => 2 * TREE_BYTES_MAX as u64,
    };
    if size > most {
        return Err(PackError::Limit(format!("an object of {size} bytes at byte {at} of the pack: at most {most}")));
    }
    let z_at = input.at;
    let kind = match kind {
        EntryKind::Whole(ObjectKind::Blob, _) if size > limits.blob_bytes => {
            let mut hasher = ObjectHasher::new(ObjectKind::Blob, size);
            inflate_next(input, z, size, |piece| hasher.update(piece))?;
            EntryKind::Large(hasher.finish().map_err(|_| CollisionAttack)?)
        }
        EntryKind::Whole(kind, _) => {
            // The room for what is claimed is not touched before the bytes are there.
            let mut raw = Vec::with_capacity(size as usize);
            inflate_next(input, z, size, |piece| raw.extend_from_slice(piece))?;
            let oid = object_id(kind, &raw)?;
            look(kind, oid, &raw).map_err(PackError::Refused)?;
            EntryKind::Whole(kind, oid)
        }
        delta => {
            inflate_next(input, z, size, |_| {})?;
            delta
        }
    };
    Ok(PackEntry { at, z_at, z_len: input.at - z_at, size, kind })
}

/// What [`resolve`] needs of its surroundings.
pub trait Unpack {
    /// Reads a part of the spool.
    fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>>;
    /// An object that the pack builds upon without having it.
    fn base(&mut self, oid: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>>;
    /// Takes an object that was a delta, or says why not.
    fn take(&mut self, made: &Made<'_>) -> Result<(), PackError>;
}

/// An object that came as a delta.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// Where the delta lies.
    pub entry: &'a PackEntry,
    /// What it builds upon.
    pub base: Oid,
    /// The kind of both.
    pub kind: ObjectKind,
    /// Its id.
    pub oid: Oid,
    /// Its bytes.
    pub raw: &'a [u8],
}

/// An object, and the deltas upon it that are still to be made.
struct Frame {
    kind: ObjectKind,
    oid: Oid,
    raw: Vec<u8>,
    deltas: Vec<u32>,
}

/// Deltas by what they build upon.
struct Deltas {
    by_offset: HashMap<u64, Vec<u32>>,
    by_oid: HashMap<Oid, Vec<u32>>,
}

impl Deltas {
    fn upon(&mut self, at: Option<u64>, oid: &Oid) -> Vec<u32> {
        let mut found = at.and_then(|at| self.by_offset.remove(&at)).unwrap_or_default();
        found.extend(self.by_oid.remove(oid).unwrap_or_default());
        found
    }
}

/// Makes every object that a pack has as a delta. How many were left out because
/// they are files above the limit, or build upon such.
pub fn resolve(entries: &[PackEntry], limits: &PackLimits, with: &mut impl Unpack) -> Result<usize, PackError> {
    let mut deltas = Deltas { by_offset: HashMap::new(), by_oid: HashMap::new() };
    let mut left = 0usize;
    for (i, entry) in entries.iter().enumerate() {
        // Counts are below a million.
        let i = i as u32;
        match entry.kind {
            EntryKind::Offset(base) => deltas.by_offset.entry(base).or_default().push(i),
            EntryKind::Base(oid) => deltas.by_oid.entry(oid).or_default().push(i),
            _ => continue,
        }
        left += 1;
    }
    let mut large = 0;
    let packed: u64 = entries.last().map_or(0, |e| e.z_at + e.z_len);
    let mut budget = limits.inflation.1.saturating_add(packed.saturating_mul(limits.inflation.0));
    for entry in entries {
        let (kind, oid) = match entry.kind {
            EntryKind::Whole(kind, oid) => (kind, oid),
            EntryKind::Large(oid) => {
                let below = deltas.upon(Some(entry.at), &oid);
                left -= drop_below(entries, &mut deltas, below, &mut large);
                continue;
            }
            _ => continue,
        };
        let upon = deltas.upon(Some(entry.at), &oid);
        if upon.is_empty() {
            continue;
        }
        let z = with.read(entry.z_at, entry.z_len)?;
        let raw = inflate(&z, entry.size).map_err(|why| stream(entry.at, why))?;
        let first = Frame { kind, oid, raw, deltas: upon };
        left -= descend(entries, limits, with, &mut deltas, first, &mut budget, &mut large)?;
    }
    // What is left builds upon objects that the repository has, or upon nothing.
    let outside: Vec<Oid> = deltas.by_oid.keys().copied().collect();
    for oid in outside {
        let Some(upon) = deltas.by_oid.remove(&oid) else { continue };
        let Some((kind, raw)) = with.base(&oid)? else {
            deltas.by_oid.insert(oid, upon);
            continue;
        };
        let first = Frame { kind, oid, raw, deltas: upon };
        left -= descend(entries, limits, with, &mut deltas, first, &mut budget, &mut large)?;
    }
    // With files left out, what builds upon them cannot be made; the push is refused for their sake.
    if left > 0 && large == 0 { Err(PackError::Unresolved(left)) } else { Ok(large) }
}

/// Leaves out deltas and all that builds upon them; how many.
fn drop_below(entries: &[PackEntry], deltas: &mut Deltas, mut open: Vec<u32>, large: &mut usize) -> usize {
    let mut count = 0;
    while let Some(i) = open.pop() {
        count += 1;
        open.extend(deltas.by_offset.remove(&entries[i as usize].at).unwrap_or_default());
    }
    *large += count;
    count
}

/// Makes all deltas upon an object, and those upon them; how many were made or left out.
fn descend(
    entries: &[PackEntry],
    limits: &PackLimits,
    with: &mut impl Unpack,
    deltas: &mut Deltas,
    first: Frame,
    budget: &mut u64,
    large: &mut usize,
) -> Result<usize, PackError> {
    let mut memory = first.raw.len() as u64;
    let mut count = 0;
    // The chain of bases; a base is let go with the last delta upon it, so a straight chain holds two objects.
    let mut stack = vec![(first, 0u32)];
    while let Some((frame, at_depth)) = stack.last_mut() {
        let Some(i) = frame.deltas.pop() else {
            memory -= frame.raw.len() as u64;
            stack.pop();
            continue;
        };
        let entry = &entries[i as usize];
        let delta = inflate(&with.read(entry.z_at, entry.z_len)?, entry.size).map_err(|why| stream(entry.at, why))?;
        let broken = |why| PackError::Delta { at: entry.at, why };
        let (_, size) = delta_sizes(&delta).map_err(broken)?;
        let (kind, next_depth) = (frame.kind, *at_depth + 1);
        if next_depth > limits.depth {
            return Err(PackError::Limit(format!("deltas upon deltas, more than {} deep", limits.depth)));
        }
        let most = match kind {
            ObjectKind::Blob => limits.blob_bytes,
            ObjectKind::Tree => TREE_BYTES_MAX as u64,
            _ => COMMIT_BYTES_MAX as u64,
        };
        if size > most && kind == ObjectKind::Blob {
            count += drop_below(entries, deltas, vec![i], large);
            continue;
        }
        if size > most {
            return Err(PackError::Limit(format!("a {kind} of {size} bytes: at most {most}")));
        }
        *budget = budget
            .checked_sub(size)
            .ok_or_else(|| PackError::Limit("the pack inflates to far more than its size".to_owned()))?;
        let raw = apply_delta(&frame.raw, &delta).map_err(broken)?;
        if frame.deltas.is_empty() {
            memory -= std::mem::take(&mut frame.raw).len() as u64;
        }
        let oid = object_id(kind, &raw)?;
        with.take(&Made { entry, base: frame.oid, kind, oid, raw: &raw })?;
        count += 1;
        let upon = deltas.upon(Some(entry.at), &oid);
        if !upon.is_empty() {
            memory += raw.len() as u64;
            if memory > limits.memory {
                return Err(PackError::Limit("too many large deltas upon deltas".to_owned()));
            }
            stack.push((Frame { kind, oid, raw, deltas: upon }, next_depth));
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::deflate;
    use crate::wire::PackWriter;

    struct Here {
        pack: Vec<u8>,
        outside: HashMap<Oid, (ObjectKind, Vec<u8>)>,
        made: Vec<(ObjectKind, Oid, Vec<u8>)>,
    }

    impl Unpack for Here {
        fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
            Ok(self.pack[at as usize..(at + len) as usize].to_vec())
        }
        fn base(&mut self, oid: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>> {
            Ok(self.outside.get(oid).cloned())
        }
        fn take(&mut self, made: &Made<'_>) -> Result<(), PackError> {
            self.made.push((made.kind, made.oid, made.raw.to_vec()));
            Ok(())
        }
    }

    /// An entry: its number, what stands before its stream, and what the stream gives.
    struct E(u8, Vec<u8>, Vec<u8>);

    fn pack(entries: &[E]) -> (Vec<u8>, Vec<u64>) {
        let mut out = b"PACK\0\0\0\x02".to_vec();
        out.extend((entries.len() as u32).to_be_bytes());
        let mut at = Vec::new();
        for E(number, before, raw) in entries {
            at.push(out.len() as u64);
            let mut byte = number << 4 | (raw.len() & 15) as u8;
            let mut rest = raw.len() >> 4;
            while rest > 0 {
                out.push(byte | 0x80);
                byte = (rest & 0x7f) as u8;
                rest >>= 7;
            }
            out.push(byte);
            out.extend(before);
            out.extend(deflate(raw));
        }
        seal(&mut out);
        (out, at)
    }

    fn seal(out: &mut Vec<u8>) {
        let mut hasher = PackHasher::default();
        hasher.update(out);
        let hash = hasher.finish().unwrap();
        out.extend(hash.0);
    }

    fn run(bytes: &[u8], limits: &PackLimits, outside: &[(ObjectKind, &[u8])]) -> Result<(Vec<Oid>, usize), PackError> {
        let mut spool = Vec::new();
        let mut whole = Vec::new();
        let look = |_: ObjectKind, oid, _: &[u8]| {
            whole.push(oid);
            Ok(())
        };
        let entries = scan(bytes, &mut spool, limits, look)?;
        assert_eq!(spool, bytes);
        let outside = outside.iter().map(|(k, raw)| (object_id(*k, raw).unwrap(), (*k, raw.to_vec()))).collect();
        let mut here = Here { pack: spool, outside, made: Vec::new() };
        let large = resolve(&entries, limits, &mut here)?;
        for (kind, oid, raw) in &here.made {
            assert_eq!(object_id(*kind, raw).unwrap(), *oid);
        }
        whole.extend(here.made.iter().map(|m| m.1));
        Ok((whole, large))
    }

    fn blob(text: &[u8]) -> Oid {
        object_id(ObjectKind::Blob, text).unwrap()
    }

    const HELLO: &[u8] = b"hello world";
    /// Of "hello world" makes "world, hello".
    const TURN: &[u8] = &[11, 12, 0x91, 6, 5, 2, b',', b' ', 0x90, 5];
    /// Of "world, hello" makes "hello".
    const LAST: &[u8] = &[12, 5, 0x91, 7, 5];

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        let mut writer = PackWriter::new(3, &mut out);
        let big = vec![b'x'; 100_000];
        for raw in [&b""[..], HELLO, &big] {
            writer.push(ObjectKind::Blob, raw.len() as u64, &deflate(raw), &mut out);
        }
        writer.finish(&mut out).unwrap();
        let (oids, large) = run(&out, &PackLimits::default(), &[]).unwrap();
        assert_eq!((oids, large), (vec![blob(b""), blob(HELLO), blob(&big)], 0));
    }

    #[test]
    fn deltas_in_every_direction() {
        let (_, at) = pack(&[E(3, vec![], HELLO.into()), E(6, vec![1], TURN.into())]);
        let back = |n: u64| vec![n as u8];
        // By offset, and by id upon what is itself a delta.
        let (bytes, at2) = pack(&[
            E(7, blob(b"world, hello").0.into(), LAST.into()),
            E(3, vec![], HELLO.into()),
            E(6, back(at[1] - at[0]), TURN.into()),
        ]);
        assert_eq!(at2[2] - at2[1], at[1] - at[0]);
        let (mut oids, _) = run(&bytes, &PackLimits::default(), &[]).unwrap();
        oids.sort_unstable();
        let mut want = [blob(HELLO), blob(b"world, hello"), blob(b"hello")];
        want.sort_unstable();
        assert_eq!(oids, want);
        // Upon what the repository has.
        let (bytes, _) = pack(&[E(7, blob(HELLO).0.into(), TURN.into())]);
        assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Unresolved(1))));
        let (oids, _) = run(&bytes, &PackLimits::default(), &[(ObjectKind::Blob, HELLO)]).unwrap();
        assert_eq!(oids, [blob(b"world, hello")]);
    }

    #[test]
    fn cycles_do_not_resolve() {
        let (bytes, _) =
            pack(&[E(7, blob(b"hello").0.into(), TURN.into()), E(7, blob(b"world, hello").0.into(), LAST.into())]);
        assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Unresolved(2))));
    }

    #[test]
    fn offsets_that_hit_nothing() {
        for back in
            [vec![0], vec![1], vec![2], vec![0x7f], vec![0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]]
        {
            let (bytes, _) = pack(&[E(3, vec![], HELLO.into()), E(6, back.clone(), TURN.into())]);
            assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Entry(_))), "{back:?}");
        }
    }

    #[test]
    fn limits_hold() {
        let (bytes, _) = pack(&[E(3, vec![], HELLO.into()), E(7, blob(HELLO).0.into(), TURN.into())]);
        let with = |change: fn(&mut PackLimits)| {
            let mut limits = PackLimits::default();
            change(&mut limits);
            run(&bytes, &limits, &[])
        };
        assert!(matches!(with(|l| l.objects = 1), Err(PackError::Limit(_))));
        assert!(matches!(with(|l| l.bytes = 50), Err(PackError::Limit(_))));
        assert!(matches!(with(|l| l.depth = 0), Err(PackError::Limit(_))));
        assert!(matches!(with(|l| l.inflation = (0, 15)), Err(PackError::Limit(_))));
        // A file above the limit is noticed, and what builds upon it is left out.
        assert_eq!(with(|l| l.blob_bytes = 10).unwrap(), (vec![], 1));
        assert_eq!(with(|l| l.blob_bytes = 11).unwrap(), (vec![blob(HELLO)], 1));
    }

    #[test]
    fn a_delta_that_promises_much_costs_nothing() {
        // Three bytes that say "one tebibyte".
        let huge = [11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0x90, 5];
        let (bytes, _) =
            pack(&[E(2, vec![], vec![]), E(7, object_id(ObjectKind::Tree, b"").unwrap().0.into(), huge.into())]);
        assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Limit(_))));
    }

    #[test]
    fn broken_at_every_byte() {
        let (bytes, _) = pack(&[E(3, vec![], HELLO.into()), E(7, blob(HELLO).0.into(), TURN.into())]);
        for cut in 0..bytes.len() {
            assert!(matches!(run(&bytes[..cut], &PackLimits::default(), &[]), Err(PackError::Cut)), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[at] ^= 0x55;
            assert!(run(&broken, &PackLimits::default(), &[]).is_err(), "{at}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(run(&longer, &PackLimits::default(), &[]), Err(PackError::Trailing)));
    }

    #[test]
    fn what_no_entry_may_be() {
        for number in [0, 5] {
            let (bytes, _) = pack(&[E(number, vec![], HELLO.into())]);
            assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Entry(12))), "{number}");
        }
        // A size of 2⁶⁷.
        let mut bytes = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        bytes.extend([0xb0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
        bytes.extend(deflate(b""));
        seal(&mut bytes);
        assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Entry(12))));
        // A stream that gives more, or less, than the entry says.
        for size in [10, 12] {
            let mut bytes = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
            bytes.push(0x30 | size);
            bytes.extend(deflate(HELLO));
            seal(&mut bytes);
            assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Stream { .. })), "{size}");
        }
        // A bomb: a claim of little, a stream of much.
        let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        z.write_all(&vec![0; 1 << 20]).unwrap();
        let mut bytes = b"PACK\0\0\0\x02\0\0\0\x01\x35".to_vec();
        bytes.extend(z.finish().unwrap());
        seal(&mut bytes);
        assert!(matches!(run(&bytes, &PackLimits::default(), &[]), Err(PackError::Stream { .. })));
        let empty = pack(&[]).0;
        assert_eq!((empty.len(), run(&empty, &PackLimits::default(), &[]).unwrap()), (32, (vec![], 0)));
        let mut many = b"PACK\0\0\0\x02\xff\xff\xff\xff".to_vec();
        seal(&mut many);
        assert!(matches!(run(&many, &PackLimits::default(), &[]), Err(PackError::Limit(_))));
    }
}
