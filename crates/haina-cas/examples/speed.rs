//! How fast the store's stages are, in MB/s for each core: wall time of single-threaded work, CPU time of the rest.
//!
//! `cargo run --release -p haina-cas --example speed [MiB] [folder for files]`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for developers")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use haina_cas::chunk::Chunker;
use haina_cas::frame::Scheme;
use haina_cas::hash::Merkle;
use haina_cas::pack::build_xorbs;
use haina_cas::read::{ReadOptions, Reader, XorbSource};
use haina_cas::xorb::XorbVerifier;
use haina_cas::{CasError, FileObjects, Objects, StoredXorb, XorbIngest};
use haina_types::XetHash;

/// CPU seconds of the whole process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // utime and stime, in ticks of 10 ms.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn report(what: &str, bytes: usize, wall: f64, cpu: f64) {
    let mb = bytes as f64 / 1e6;
    let gib = bytes as f64 / f64::from(1 << 30);
    println!("{what:<34} {:>7.0} MB/s wall {:>7.0} MB/s CPU {:>6.2} CPU-s/GiB", mb / wall, mb / cpu, cpu / gib);
}

fn measure(what: &str, bytes: usize, mut work: impl FnMut()) {
    work();
    let (start, cpu_start) = (Instant::now(), cpu());
    let mut rounds = 0;
    while start.elapsed().as_millis() < 700 {
        work();
        rounds += 1;
    }
    report(what, bytes * rounds, start.elapsed().as_secs_f64(), (cpu() - cpu_start).max(0.01));
}

fn noise(len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().finalize_xof().fill(&mut out);
    out
}

fn text(len: usize) -> Vec<u8> {
    let random = noise(len / 4 + 64);
    let words: Vec<String> =
        (0..4096).map(|i| format!("{}{} ", ["ga", "ku", "ren", "shi"][i % 4], i * i % 977)).collect();
    let pick = random.chunks_exact(2).flat_map(|b| words[usize::from(u16::from_le_bytes([b[0], b[1]]) % 4096)].bytes());
    let mut out: Vec<u8> = pick.take(len).collect();
    out.resize(len, b'.');
    out
}

/// 16-bit brain floats of a bell curve around 0.
fn bf16(len: usize) -> Vec<u8> {
    let random = noise(len * 2);
    let value = |b: &[u8]| {
        let sum: i32 = b.iter().map(|x| i32::from(*x) - 128).sum();
        ((sum as f32 * 1e-4).to_bits() >> 16) as u16
    };
    random.chunks_exact(4).flat_map(|b| value(b).to_le_bytes()).take(len).collect()
}

#[derive(Debug)]
struct Known(HashMap<XetHash, StoredXorb>);

impl XorbSource for Known {
    fn find<'a>(&'a self, xorb: &'a XetHash) -> BoxFuture<'a, Result<Option<StoredXorb>, CasError>> {
        let found = self.0.get(xorb).cloned();
        Box::pin(async move { Ok(found) })
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let len = args.next().map_or(256, |a| a.parse::<usize>().unwrap()) << 20;
    let folder =
        args.next().map_or_else(std::env::temp_dir, Into::into).join(format!("haina-speed-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let objects: Arc<dyn Objects> = Arc::new(FileObjects::open(&folder).unwrap());

    for (name, content) in [("random", noise(len)), ("text", text(len))] {
        measure(&format!("chunker, {name}"), len, || {
            black_box(Chunker::default().push(&content));
        });
    }
    let mut merkle = Merkle::default();
    let hashes: Vec<XetHash> = (0..16_664u32).map(|i| XetHash(*blake3::hash(&i.to_le_bytes()).as_bytes())).collect();
    hashes.iter().for_each(|h| merkle.push(*h, 64_000));
    let start = Instant::now();
    merkle = Merkle::default();
    hashes.iter().for_each(|h| merkle.push(*h, 64_000));
    black_box(merkle.file_hash());
    println!("file hash of 16664 chunks: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);

    for (name, content, scheme) in [
        ("stored", noise(len), Scheme::Stored),
        ("LZ4 text", text(len), Scheme::Lz4),
        ("BG4 bf16", bf16(len), Scheme::Bg4Lz4),
    ] {
        let content = Bytes::from(content);
        let (start, cpu_start) = (Instant::now(), cpu());
        let (stored, file) = runtime.block_on(build_xorbs(objects.clone(), content.clone(), Some(scheme))).unwrap();
        report(&format!("build {name} (files, fsync)"), len, start.elapsed().as_secs_f64(), cpu() - cpu_start);
        let bodies: Vec<Bytes> = stored
            .iter()
            .map(|x| runtime.block_on(objects.read(&x.key(), 0..x.index.frames_len().into(), None)).unwrap())
            .collect();
        let body_len: usize = bodies.iter().map(Bytes::len).sum();
        println!("    {:.3} of the raw size", body_len as f64 / len as f64);
        measure(&format!("verify {name}"), len, || {
            for (body, xorb) in bodies.iter().zip(&stored) {
                let mut verifier = XorbVerifier::default();
                for part in body.chunks(256 << 10) {
                    verifier.feed(part).unwrap();
                }
                black_box(verifier.finish(&xorb.hash).unwrap());
            }
        });
        measure(&format!("ingest {name} (files, no commit)"), len, || {
            runtime.block_on(async {
                for (body, xorb) in bodies.iter().zip(&stored) {
                    let mut ingest = XorbIngest::begin(&objects).await.unwrap();
                    let mut body = body.clone();
                    while !body.is_empty() {
                        ingest.feed(body.split_to(body.len().min(64 << 10))).await.unwrap();
                    }
                    ingest.finish(&xorb.hash).await.unwrap();
                }
            });
        });
        let reader = Reader::new(objects.clone(), ReadOptions::default());
        measure(&format!("range stream {name}"), body_len, || {
            runtime.block_on(async {
                for xorb in &stored {
                    let range = 0..xorb.index.frames_len().into();
                    let mut stream = reader.range_stream(xorb.key(), xorb.crc.clone(), xorb.len, range);
                    while let Some(bytes) = stream.try_next().await.unwrap() {
                        black_box(bytes);
                    }
                }
            });
        });
        let source = Arc::new(Known(stored.iter().map(|x| (x.hash, x.clone())).collect()));
        for (how, verify_chunks) in [("blake3", true), ("crc", false)] {
            let reader = Reader::new(objects.clone(), ReadOptions { verify_chunks, ..ReadOptions::default() });
            measure(&format!("assemble {name}, {how}"), len, || {
                runtime.block_on(async {
                    let mut stream = reader.assemble(file.terms.clone(), source.clone(), 0..file.size);
                    while let Some(bytes) = stream.try_next().await.unwrap() {
                        black_box(bytes);
                    }
                });
            });
        }
        measure(&format!("sha256 of {name}"), len, || {
            let sha = runtime.block_on(reader.sha256_of(file.terms.clone(), source.clone())).unwrap();
            assert_eq!(sha, file.sha256);
        });
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
