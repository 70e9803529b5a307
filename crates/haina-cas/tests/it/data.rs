//! Content and vectors for the tests.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use haina_cas::frame::{Encoder, Scheme};
use haina_cas::hash::chunk_hash;
use haina_cas::read::XorbSource;
use haina_cas::xorb::{IndexBuilder, XorbVerifier};
use haina_cas::{CasError, StoredXorb, XorbIndex};
use haina_types::{Sha256, XetHash};
use sha2::Digest as _;

/// A small generator, the same on every run.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub fn noise(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        blake3::Hasher::new().update(&self.next().to_le_bytes()).finalize_xof().fill(&mut out);
        out
    }

    /// Words, so that LZ4 finds something.
    pub fn text(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 16);
        while out.len() < len {
            out.extend_from_slice(format!("word-number-{} ", self.below(90)).as_bytes());
        }
        out.truncate(len);
        out
    }

    /// A mixture of noise, text, zeros and repetition.
    pub fn mixture(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            let part = 1 + self.below(300_000).min(len - out.len());
            match self.below(5) {
                0 | 1 => out.extend(self.noise(part)),
                2 => out.extend(self.text(part)),
                3 => out.resize(out.len() + part, 0),
                _ => out.extend_from_within(..part.min(out.len())),
            }
        }
        out.truncate(len);
        out
    }
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// The body, name and index of a xorb of these chunks.
pub fn xorb(chunks: &[(Vec<u8>, Scheme)]) -> (Vec<u8>, XetHash, XorbIndex) {
    let (mut encoder, mut body, mut builder) = (Encoder::default(), Vec::new(), IndexBuilder::default());
    for (raw, scheme) in chunks {
        let from = body.len();
        encoder.encode(*scheme, raw, &mut body);
        builder.push(chunk_hash(raw), body.len() - from, raw.len() as u32).unwrap();
    }
    let (hash, index) = builder.finish().unwrap();
    (body, hash, index)
}

/// One vector of `tests/vectors`.
pub struct Vector {
    pub name: String,
    pub xorb: Option<(XetHash, Bytes)>,
    pub shard: Bytes,
    /// File id, size, SHA-256.
    pub files: Vec<(XetHash, u64, Sha256)>,
}

impl Vector {
    pub fn index(&self) -> Option<(XetHash, XorbIndex)> {
        let (hash, body) = self.xorb.as_ref()?;
        let mut verifier = XorbVerifier::default();
        verifier.feed(body).unwrap();
        Some((*hash, verifier.finish(hash).unwrap()))
    }
}

pub fn vectors() -> Vec<Vector> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let mut dirs: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    dirs.sort();
    let load = |dir: PathBuf| {
        let read = |name: &str| std::fs::read(dir.join(name)).ok();
        let line = |l: &str| {
            let mut words = l.split(' ');
            let mut word = || words.next().unwrap();
            (word().parse().unwrap(), word().parse().unwrap(), word().parse().unwrap())
        };
        let xorb_hash = read("xorb.txt").map(|t| String::from_utf8(t).unwrap().trim().parse().unwrap());
        Vector {
            name: dir.file_name().unwrap().to_string_lossy().into_owned(),
            xorb: xorb_hash.zip(read("xorb.bin").map(Bytes::from)),
            shard: read("shard.bin").unwrap().into(),
            files: String::from_utf8(read("facts.txt").unwrap()).unwrap().lines().map(line).collect(),
        }
    };
    dirs.into_iter().map(load).collect()
}

/// Xorbs in a map, as a source for reading.
#[derive(Debug, Default)]
pub struct Known(pub HashMap<XetHash, StoredXorb>);

impl Known {
    pub fn new(xorbs: impl IntoIterator<Item = StoredXorb>) -> Arc<Self> {
        Arc::new(Self(xorbs.into_iter().map(|x| (x.hash, x)).collect()))
    }

    pub fn index(&self, hash: &XetHash) -> Option<XorbIndex> {
        self.0.get(hash).map(|x| x.index.clone())
    }
}

impl XorbSource for Known {
    fn find<'a>(&'a self, xorb: &'a XetHash) -> BoxFuture<'a, Result<Option<StoredXorb>, CasError>> {
        let found = self.0.get(xorb).cloned();
        Box::pin(async move { Ok(found) })
    }
}
