//! Kinds of objects, their ids, and the zlib streams in which they rest.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use haina_types::Oid;

/// The four kinds of git objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A version: a tree, its parents, who and why.
    Commit,
    /// A folder.
    Tree,
    /// A file's bytes.
    Blob,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// Every kind, in the order of their numbers in packs.
    pub const ALL: [Self; 4] = [Self::Commit, Self::Tree, Self::Blob, Self::Tag];

    /// The word of object headers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    /// The number of packs, 1 to 4; also a good column value.
    pub fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
        }
    }

    /// The inverse of [`ObjectKind::number`].
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.number() == number)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ObjectKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|k| k.as_str() == text).ok_or(())
    }
}

/// The bytes were made to collide under SHA-1 (git refuses such objects too).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the content carries a SHA-1 collision attack")]
pub struct CollisionAttack;

/// Why a streamed object has no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// See [`CollisionAttack`].
    #[error(transparent)]
    Collision(#[from] CollisionAttack),
    /// Not as many bytes were given as were announced.
    #[error("{announced} bytes were announced and {got} were given")]
    Size {
        /// The size given to [`ObjectHasher::new`].
        announced: u64,
        /// The bytes given to [`ObjectHasher::update`], at least.
        got: u64,
    },
}

/// Computes the id of an object whose bytes come in pieces. Its size must be known first, since it is hashed first.
pub struct ObjectHasher {
    inner: gix_hash::Hasher,
    announced: u64,
    got: u64,
}

impl fmt::Debug for ObjectHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectHasher")
            .field("announced", &self.announced)
            .field("got", &self.got)
            .finish_non_exhaustive()
    }
}

impl ObjectHasher {
    /// For an object of exactly `size` bytes.
    pub fn new(kind: ObjectKind, size: u64) -> Self {
        let mut inner = gix_hash::hasher(gix_hash::Kind::Sha1);
        inner.update(format!("{kind} {size}\0").as_bytes());
        Self { inner, announced: size, got: 0 }
    }

    /// The next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.got = self.got.saturating_add(bytes.len() as u64);
        // Past the announced size the answer is an error whatever the hash is.
        if self.got <= self.announced {
            self.inner.update(bytes);
        }
    }

    /// The id, if all announced bytes and no more were given.
    pub fn finish(self) -> Result<Oid, HashError> {
        if self.got != self.announced {
            return Err(HashError::Size { announced: self.announced, got: self.got });
        }
        let id = self.inner.try_finalize().map_err(|_| CollisionAttack)?;
        Oid::from_slice(id.as_slice()).ok_or(HashError::Collision(CollisionAttack))
    }
}

/// The id of an object.
pub fn object_id(kind: ObjectKind, bytes: &[u8]) -> Result<Oid, CollisionAttack> {
    let mut hasher = ObjectHasher::new(kind, bytes.len() as u64);
    hasher.update(bytes);
    // The size cannot be wrong here.
    hasher.finish().map_err(|_| CollisionAttack)
}

/// How much of an object decides whether compressing it is worth the time.
const SAMPLE_BYTES: usize = 8 << 10;

thread_local! {
    /// Their memory is some 300 KiB, which takes longer to get than a small object to compress.
    static DEFLATE: RefCell<Option<(u32, Compress)>> = const { RefCell::new(None) };
    static INFLATE: RefCell<Option<Decompress>> = const { RefCell::new(None) };
}

fn deflate_at(raw: &[u8], level: u32) -> Vec<u8> {
    let room = if level == 0 { raw.len() + raw.len() / 16_000 * 5 + 64 } else { raw.len() / 2 + 64 };
    let mut out = Vec::with_capacity(room);
    DEFLATE.with_borrow_mut(|kept| {
        let compress = match kept.take() {
            Some((own, mut compress)) if own == level => {
                compress.reset();
                compress
            }
            _ => Compress::new(Compression::new(level), true),
        };
        let (_, compress) = kept.insert((level, compress));
        loop {
            let rest = &raw[compress.total_in() as usize..];
            let status = compress.compress_vec(rest, &mut out, FlushCompress::Finish);
            match status.expect("because compressing in memory does not fail") {
                Status::StreamEnd => break,
                _ => out.reserve(raw.len() / 4 + 64),
            }
        }
    });
    out
}

/// The zlib stream in which an object rests and travels in packs: well compressed where that gains something,
/// stored where it does not.
pub fn deflate(raw: &[u8]) -> Vec<u8> {
    if raw.len() > 2 * SAMPLE_BYTES {
        // The middle: the beginning of archives and images is often a compressible header.
        let at = raw.len() / 2 - SAMPLE_BYTES / 2;
        let sample = &raw[at..at + SAMPLE_BYTES];
        if deflate_at(sample, 3).len() > SAMPLE_BYTES * 31 / 32 {
            return deflate_at(raw, 0);
        }
    }
    deflate_at(raw, 5)
}

/// As small as zlib can make it; for objects that rest for long and were just read anyway.
pub fn deflate_best(raw: &[u8]) -> Vec<u8> {
    deflate_at(raw, 9)
}

/// Why a zlib stream does not give the object it should.
#[derive(Debug, thiserror::Error)]
pub enum InflateError {
    /// Not a zlib stream, or cut, or its checksum is wrong.
    #[error("broken zlib stream")]
    Broken(#[source] std::io::Error),
    /// It gives fewer or more bytes than it should.
    #[error("the stream does not give exactly {expected} bytes")]
    Size {
        /// How many it should give.
        expected: u64,
    },
    /// Something follows the stream.
    #[error("bytes follow the zlib stream")]
    Trailing,
}

/// Inflates a stream that must give exactly `size` bytes and end where `z` ends. Never holds more than `size`
/// bytes and a small buffer, whatever the stream says.
pub fn inflate(z: &[u8], size: u64) -> Result<Vec<u8>, InflateError> {
    let wrong_size = InflateError::Size { expected: size };
    // Deflate gains at most a factor of 1032, so a claim beyond that is false, and memory is not spent on it.
    if size > (z.len() as u64).saturating_mul(1032) {
        return Err(wrong_size);
    }
    let Ok(want) = usize::try_from(size) else { return Err(wrong_size) };
    // One more byte shows that there is more.
    let mut out = Vec::with_capacity(want.saturating_add(1));
    let end = INFLATE.with_borrow_mut(|kept| {
        let decompress = kept.get_or_insert_with(|| Decompress::new(true));
        decompress.reset(true);
        loop {
            let before = (decompress.total_in(), decompress.total_out());
            let rest = &z[before.0 as usize..];
            match decompress.decompress_vec(rest, &mut out, FlushDecompress::None) {
                Ok(Status::StreamEnd) => return Ok(decompress.total_in()),
                Ok(_) if out.len() > want => return Err(None),
                Ok(_) if before == (decompress.total_in(), decompress.total_out()) => {
                    return Err(Some(std::io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(_) => {}
                Err(e) => return Err(Some(std::io::Error::from(e))),
            }
        }
    });
    let end = match end {
        Ok(end) => end,
        Err(None) => return Err(wrong_size),
        Err(Some(e)) => return Err(InflateError::Broken(e)),
    };
    if out.len() != want {
        return Err(wrong_size);
    }
    if end != z.len() as u64 {
        return Err(InflateError::Trailing);
    }
    Ok(out)
}
