//! What must hold of git's formats for any bytes whatever. Used by the fuzz targets and, with seeded mutations, by an
//! ordinary test of the crate.

use std::collections::HashMap;
use std::io::{self, Cursor, Read};

use haina_git::wire::{
    EntryKind, Made, PackEntry, PackError, PackHasher, PackLimits, Pkt, PktReader, PushReport, Unpack, apply_delta,
    check_gitmodules, check_tree, delta_sizes, is_gitmodules, loose_as_entry, parse_v0, parse_v2, read_bundle_head,
    read_push, report, resolve, scan,
};
use haina_git::{Commit, LfsPointer, ObjectKind, Tag, Tree, deflate, object_id};
use haina_types::Oid;

/// Gives one byte at a time, as the slowest line would.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.0.len().min(out.len()).min(1);
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

fn packets(from: impl Read) -> (Vec<Option<Vec<u8>>>, bool) {
    let mut reader = PktReader::new(from);
    let mut out = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(Pkt::Data(data))) => out.push(Some(data.to_vec())),
            Ok(Some(_)) => out.push(None),
            Ok(None) => return (out, true),
            Err(_) => return (out, false),
        }
    }
}

/// Packets and requests: the same however they come; a push that is read can be answered.
pub fn pkt(data: &[u8]) {
    let whole = packets(data);
    assert_eq!(whole, packets(Drip(data)));
    let bytes: usize = whole.0.iter().map(|p| 4 + p.as_ref().map_or(0, Vec::len)).sum();
    assert!(bytes <= data.len());
    let push = read_push(&mut PktReader::new(data));
    match (push, read_push(&mut PktReader::new(Drip(data)))) {
        (Ok(a), Ok(b)) => assert_eq!(a, b),
        (Err(a), Err(b)) => assert_eq!((a.to_string(), a.bands), (b.to_string(), b.bands)),
        (a, b) => panic!("{a:?} and {b:?}"),
    }
    if let Ok(Some(push)) = read_push(&mut PktReader::new(data)) {
        assert!(!push.commands.is_empty());
        let refs = push.commands.iter().map(|c| (c.name.clone(), Some(c.name.clone()))).collect();
        let told = report(&push.capabilities, &PushReport { unpack: Some(push.commands[0].name.clone()), refs });
        assert!(packets(told.as_slice()).1, "an answer that is no packets");
    }
    let _ = parse_v0(data);
    let _ = parse_v2(data);
}

fn limits() -> PackLimits {
    PackLimits {
        end: haina_git::wire::PackEnd::Input,
        objects: 500,
        bytes: 1 << 20,
        blob_bytes: 20_000,
        inflation: (50, 1 << 20),
        depth: 40,
        memory: 200_000,
    }
}

/// What a repository is said to have.
const BASE: &[u8] =
    b"a base that the repository has, long enough to be copied from: 0123456789abcdefghijklmnopqrstuvwxyz";

struct Here<'a> {
    pack: &'a [u8],
    made: usize,
    entries: usize,
}

impl Unpack for Here<'_> {
    fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        Ok(self.pack[at as usize..(at + len) as usize].to_vec())
    }
    fn base(&mut self, oid: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>> {
        let known = object_id(ObjectKind::Blob, BASE).map_err(io::Error::other)?;
        Ok((*oid == known).then(|| (ObjectKind::Blob, BASE.to_vec())))
    }
    fn take(&mut self, made: &Made<'_>) -> Result<(), PackError> {
        assert_eq!(object_id(made.kind, made.raw)?, made.oid);
        self.made += 1;
        assert!(self.made <= self.entries, "more was made than there are entries");
        Ok(())
    }
}

fn unpack(data: &[u8]) -> Option<Vec<PackEntry>> {
    let mut spool = Vec::new();
    let mut looked = HashMap::new();
    let entries = scan(data, &mut spool, &limits(), |kind, oid, raw| {
        assert_eq!(object_id(kind, raw).ok(), Some(oid));
        looked.insert(oid, kind);
        Ok(())
    });
    let dripped = scan(Drip(data), io::sink(), &limits(), |_, _, _| Ok(()));
    assert_eq!(entries.as_ref().ok(), dripped.as_ref().ok(), "another verdict when it comes byte by byte");
    let entries = entries.ok()?;
    assert_eq!(spool, data, "the spool is not what came");
    let mut end = 12;
    for entry in &entries {
        assert_eq!(entry.at, end);
        end = entry.z_at + entry.z_len;
        if let EntryKind::Whole(kind, oid) = entry.kind {
            assert_eq!(looked.get(&oid), Some(&kind));
        }
    }
    assert_eq!(end + 20, data.len() as u64);
    let mut here = Here { pack: data, made: 0, entries: entries.len() };
    if let Ok(left_out) = resolve(&entries, &limits(), &mut here) {
        let deltas = entries.iter().filter(|e| matches!(e.kind, EntryKind::Offset(_) | EntryKind::Base(_))).count();
        assert!(here.made + left_out <= deltas && (left_out > 0 || here.made == deltas));
    }
    Some(entries)
}

fn seal(pack: &mut Vec<u8>) {
    let mut hasher = PackHasher::default();
    hasher.update(pack);
    if let Ok(hash) = hasher.finish() {
        pack.extend(hash.0);
    }
}

/// Packs: as they are, and with the sum that they should have, so that what is inside is reached.
pub fn pack(data: &[u8]) {
    unpack(data);
    let mut sealed = data[..data.len().saturating_sub(20)].to_vec();
    seal(&mut sealed);
    unpack(&sealed);
}

/// A program for a pack: each entry is a byte that says its kind and what a delta builds upon, a length, and a content,
/// which is compressed as it should be. So the fuzzer's bytes are objects and deltas, not broken zlib streams.
pub fn entries(data: &[u8]) {
    let mut pack = b"PACK\0\0\0\x02\0\0\0\0".to_vec();
    let (mut rest, mut starts, mut oids) = (data, Vec::new(), vec![object_id(ObjectKind::Blob, BASE).ok()]);
    let mut count = 0u32;
    while let Some(([op, len], more)) = rest.split_first_chunk::<2>() {
        let number = op & 7;
        let (raw, after) = more.split_at(usize::from(*len).min(more.len()));
        rest = after;
        starts.push(pack.len());
        let mut byte = number << 4 | (raw.len() & 15) as u8;
        let mut size = raw.len() >> 4;
        while size > 0 {
            pack.push(byte | 0x80);
            byte = (size & 0x7f) as u8;
            size >>= 7;
        }
        pack.push(byte);
        let which = usize::from(op >> 3);
        match number {
            6 => {
                // Only small distances, which is one byte or two.
                let back = pack.len() - 1 - starts[which % starts.len()];
                if back >= 0x80 {
                    pack.push(0x80 | ((back >> 7) - 1) as u8 & 0x7f);
                }
                pack.push((back & 0x7f) as u8);
            }
            7 => pack.extend(oids[which % oids.len()].unwrap_or(Oid::ZERO).0),
            _ => oids.push(ObjectKind::from_number(number).and_then(|kind| object_id(kind, raw).ok())),
        }
        pack.extend(deflate(raw));
        count += 1;
    }
    pack[8..12].copy_from_slice(&count.to_be_bytes());
    seal(&mut pack);
    unpack(&pack);
}

/// A base and a delta upon it: exactly the size that it says, or an error.
pub fn delta(data: &[u8]) {
    let Some(([cut], rest)) = data.split_first_chunk::<1>() else { return };
    let (base, delta) = rest.split_at(usize::from(*cut).min(rest.len()));
    let sizes = delta_sizes(delta);
    if sizes.is_ok_and(|(_, size)| size > 1 << 20) {
        return;
    }
    if let Ok(made) = apply_delta(base, delta) {
        assert_eq!(sizes, Ok((base.len() as u64, made.len() as u64)));
    }
}

/// Objects and what stands around them: what is read can be written and read again.
pub fn objects(data: &[u8]) {
    if let Ok(commit) = Commit::parse(data) {
        let again = Commit::parse(&commit.write()).expect("because what was read can be written");
        assert_eq!((again.tree, &again.parents, again.title()), (commit.tree, &commit.parents, commit.title()));
    }
    if let Ok(tag) = Tag::parse(data) {
        let again = Tag::parse(&tag.write()).expect("because what was read can be written");
        assert_eq!((again.target, again.kind), (tag.target, tag.kind));
    }
    if let Ok(tree) = Tree::parse(data.to_vec()) {
        let _ = check_tree(&tree);
        for entry in tree.iter() {
            assert!(tree.get(entry.name).is_some());
            is_gitmodules(entry.name);
        }
    }
    if let Some(pointer) = LfsPointer::parse(data) {
        assert_eq!(LfsPointer::parse(pointer.to_text().as_bytes()), Some(pointer));
    }
    let _ = check_gitmodules(data);
    is_gitmodules(data);
    if let Ok(head) = read_bundle_head(&mut Cursor::new(data)) {
        assert!(head.bytes <= data.len() as u64);
    }
    // As it is, and as what a file of an object has.
    for z in [data.to_vec(), deflate(data)] {
        if let Ok(mut entry) = loose_as_entry(Cursor::new(z)) {
            let _ = io::copy(&mut entry.by_ref().take(1 << 20), &mut io::sink());
        }
    }
}

/// Seeds of [`pkt`].
pub fn some_packets() -> Vec<Vec<u8>> {
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let line = |text: &str| format!("{:04x}{text}", text.len() + 4).into_bytes();
    vec![
        [
            line(&format!("{a} {b} refs/heads/main\0 report-status side-band-64k push-options object-format=sha1\n")),
            line(&format!("{b} {} refs/heads/x\n", "0".repeat(40))),
            b"0000".to_vec(),
            line("option"),
            b"0000PACK".to_vec(),
        ]
        .concat(),
        [line(&format!("shallow {a}")), line(&format!("{a} {b} refs/tags/v\0report-status")), b"0000".to_vec()]
            .concat(),
        [
            line("command=fetch\n"),
            line("agent=git/2"),
            b"0001".to_vec(),
            line(&format!("want {a}\n")),
            line("deepen 3"),
            line("filter blob:limit=10k"),
            line(&format!("have {b}")),
            line("done\n"),
            b"0000".to_vec(),
        ]
        .concat(),
        [line("command=ls-refs\n"), b"0001".to_vec(), line("peel"), line("ref-prefix refs/heads/"), b"0000".to_vec()]
            .concat(),
        [
            line(&format!("want {a} multi_ack_detailed side-band-64k ofs-delta shallow\n")),
            line("deepen 1\n"),
            b"0000".to_vec(),
            line(&format!("have {b}\n")),
            line("done\n"),
        ]
        .concat(),
    ]
}

/// Of [`BASE`] makes its first five bytes, and two of its own.
const SMALL_DELTA: &[u8] = &[BASE.len() as u8, 7, 0x90, 5, 2, b'x', b'y'];

/// Seeds of [`entries`]: objects, and deltas upon the repository's, upon each other, by place and by id.
pub fn some_entries() -> Vec<Vec<u8>> {
    let entry = |op: u8, raw: &[u8]| [&[op, raw.len() as u8], raw].concat();
    let next: &[u8] = &[7, 3, 0x90, 2, 1, b'z'];
    vec![
        [entry(3, BASE), entry(6, SMALL_DELTA), entry(6 | 1 << 3, next)].concat(),
        [entry(7, SMALL_DELTA), entry(6, next), entry(7 | 1 << 3, SMALL_DELTA)].concat(),
        [entry(3, b""), entry(2, b""), entry(2, &[b"100644 a\0", &[7; 20][..]].concat()), entry(1, b"tree x")].concat(),
    ]
}

/// Seeds of [`pack`].
pub fn some_packs() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for bodies in [&[BASE, b"", b"hello"][..], &[&[0; 5000]], &[]] {
        let mut pack = b"PACK\0\0\0\x02\0\0\0\0".to_vec();
        pack[11] = bodies.len() as u8;
        for body in bodies {
            let z = deflate(&[format!("blob {}\0", body.len()).as_bytes(), body].concat());
            let mut entry = Vec::new();
            let copied = loose_as_entry(Cursor::new(z)).and_then(|mut e| e.read_to_end(&mut entry));
            copied.expect("because memory does not fail");
            pack.extend(entry);
        }
        seal(&mut pack);
        seeds.push(pack);
    }
    seeds
}

/// Seeds of [`delta`].
pub fn some_deltas() -> Vec<Vec<u8>> {
    let copies = [&[BASE.len() as u8, 40][..], &[0x91, 3, 20, 0xb1, 1, 20, 0]].concat();
    [SMALL_DELTA, &copies].map(|d| [&[BASE.len() as u8], BASE, d].concat()).to_vec()
}

/// Seeds of [`objects`].
pub fn some_objects() -> Vec<Vec<u8>> {
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let who = "A U Thor <a@example.org> 1600000000 +0200";
    let sha = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
    let texts = [
        format!(
            "tree {a}\nparent {b}\nauthor {who}\ncommitter {who}\nencoding x\ngpgsig -----\n more\n\nTitle\n\nBody\n"
        ),
        format!("object {a}\ntype commit\ntag v1\ntagger {who}\n\nmessage\n"),
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize 12345\n"),
        "[submodule \"a\"]\n\tpath = a ; c\n\turl = \"https://example.org/\\\"a\\\".git\" # x\n\tupdate = rebase\n"
            .to_owned(),
        format!("# v3 git bundle\n@object-format=sha1\n-{a} x\n{b} refs/heads/main\n\nPACK"),
        "blob 5\0hello".to_owned(),
    ];
    let mut seeds: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    let id = [9; 20];
    seeds.push([&b"100644 .gitmodules\0"[..], &id, b"40000 a\0", &id, b"120000 b\0", &id, b"160000 c\0", &id].concat());
    seeds
}
