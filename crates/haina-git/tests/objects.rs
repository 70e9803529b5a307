//! Objects against real git: ids, loose objects, commits, tags, trees and what fsck says of them.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Rand, Repo};
use haina_git::{
    Commit, HashError, Mode, ObjectHasher, ObjectKind, Signature, Tag, Tree, TreeEntry, Zone, deflate, deflate_best,
    inflate, object_id,
};
use haina_types::Oid;

#[test]
fn ids_are_those_of_hash_object() {
    let repo = Repo::bare();
    for content in [&b""[..], b"hello\n", &[0, 255, 10], &vec![7u8; 100_000]] {
        let theirs = repo.git_text(&["hash-object", "--stdin"], content);
        assert_eq!(object_id(ObjectKind::Blob, content).unwrap().to_string(), theirs);
        let mut hasher = ObjectHasher::new(ObjectKind::Blob, content.len() as u64);
        content.chunks(977).for_each(|c| hasher.update(c));
        assert_eq!(hasher.finish().unwrap().to_string(), theirs);
    }
    assert_eq!(object_id(ObjectKind::Tree, b"").unwrap(), haina_git::EMPTY_TREE);
    let mut hasher = ObjectHasher::new(ObjectKind::Blob, 3);
    hasher.update(b"four");
    assert!(matches!(hasher.finish(), Err(HashError::Size { announced: 3, got: 4 })));
    assert!(ObjectHasher::new(ObjectKind::Blob, 3).finish().is_err());
}

#[test]
fn zlib_streams_are_bounded() {
    let mut rand = Rand(1);
    let noise: Vec<u8> = (0..200_000).map(|_| rand.next() as u8).collect();
    let text = b"all work and no play ".repeat(5000);
    for raw in [&b""[..], b"x", &text, &noise] {
        for z in [deflate(raw), deflate_best(raw)] {
            assert_eq!(inflate(&z, raw.len() as u64).unwrap(), raw);
            assert!(inflate(&z, raw.len() as u64 + 1).is_err());
            assert!(raw.is_empty() || inflate(&z, raw.len() as u64 - 1).is_err());
            assert!(inflate(&z[..z.len() - 1], raw.len() as u64).is_err());
            let mut more = z.clone();
            more.push(0);
            assert!(inflate(&more, raw.len() as u64).is_err());
            assert!(inflate(&z, u64::MAX).is_err());
        }
    }
    assert!(deflate(&noise).len() < noise.len() + 200);
    assert!(deflate(&text).len() * 50 < text.len());
    let bomb = deflate_best(&vec![0; 50 << 20]);
    assert!(inflate(&bomb, 1000).is_err());
}

#[test]
fn commits_are_those_of_commit_tree() {
    let mut repo = Repo::bare();
    let tree = repo.store(ObjectKind::Tree, b"");
    let first = repo.git_text(&["commit-tree", &tree.to_string(), "-m", "Title\n\nMore\ntext"], b"");
    let second = repo.git_text(&["commit-tree", &tree.to_string(), "-p", &first, "-m", "标题"], b"");
    let author = Signature { zone: Zone::UTC, ..Signature::new("A", "a@x", 1_700_000_000) };
    let committer = Signature { zone: Zone::from_minutes(480), ..Signature::new("C", "c@x", 1_700_000_001) };
    let mut ours = Commit {
        tree,
        parents: vec![],
        author,
        committer,
        extra: vec![],
        message: Commit::compose_message("Title", "More\r\ntext\n\n"),
    };
    assert_eq!(object_id(ObjectKind::Commit, &ours.write()).unwrap().to_string(), first);
    assert_eq!((ours.title(), ours.description()), ("Title".into(), "More\ntext".into()));
    ours.parents.push(first.parse().unwrap());
    ours.message = Commit::compose_message("标题", "");
    assert_eq!(repo.store(ObjectKind::Commit, &ours.write()).to_string(), second);
    for id in [&first, &second] {
        let raw = repo.git(&["cat-file", "commit", id], b"");
        assert_eq!(Commit::parse(&raw).unwrap().write(), raw);
    }
    // Names that cannot stand in a commit as they are.
    ours.author = Signature::new(" <Eve>\n. ", "e<v>e@x\0", -5);
    assert_eq!(
        (ours.author.name_text(), ours.author.email_text(), ours.author.seconds),
        ("Eve".into(), "eve@x".into(), 0)
    );
    repo.store(ObjectKind::Commit, &ours.write());
    ours.author = Signature::new("", "", 0);
    repo.store(ObjectKind::Commit, &ours.write());
    ours.message.clear();
    let last = repo.store(ObjectKind::Commit, &ours.write());

    let tag = Tag {
        target: last,
        kind: ObjectKind::Commit,
        name: b"v1".to_vec(),
        tagger: Some(ours.committer.clone()),
        extra: vec![],
        message: b"hello\n".to_vec(),
    };
    let raw = tag.write();
    assert_eq!(repo.git_text(&["mktag"], &raw), repo.store(ObjectKind::Tag, &raw).to_string());
    assert_eq!(Tag::parse(&raw).unwrap(), tag);
    repo.fsck();
}

#[test]
fn signed_and_encoded_commits_come_back() {
    let raw = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 0123456789012345678901234567890123456789\nparent 9876543210987654321098765432109876543210\n\
        author A U Thor <> 0 -0000\ncommitter  <c@x> 1 +1245\nencoding ISO-8859-1\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ\n -----END PGP SIGNATURE-----\n\
        mergetag object 0123456789012345678901234567890123456789\n type commit\n\n\n\n  caf\xe9 \n\nbody\n\n";
    let commit = Commit::parse(raw).unwrap();
    assert_eq!(commit.write(), raw);
    assert_eq!(commit.extra.len(), 3);
    assert_eq!(commit.extra[1].1, b"-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----");
    assert_eq!((commit.title(), commit.description()), ("caf\u{fffd}".into(), "body".into()));
    assert_eq!((commit.author.zone.minutes(), commit.committer.zone.minutes()), (0, 765));
}

/// Each of these is refused by `git fsck --strict`, and by us.
#[test]
fn what_fsck_refuses_in_commits() {
    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const AUTHOR: &str = "author A <a@x> 1 +0000\n";
    const COMMITTER: &str = "committer C <c@x> 1 +0000\n";
    for (bad, text) in [
        (false, format!("{TREE}{AUTHOR}{COMMITTER}\nok\n")),
        (false, format!("{TREE}{AUTHOR}{COMMITTER}")),
        (false, format!("{TREE}{AUTHOR}{COMMITTER}x-header y\n\nok")),
        (false, format!("{TREE}author  <a@x> 1 +0000\n{COMMITTER}\nok\n")),
        (true, String::new()),
        (true, format!("{AUTHOR}{COMMITTER}\nno tree\n")),
        (true, format!("{TREE}{COMMITTER}\nno author\n")),
        (true, format!("{TREE}{AUTHOR}\nno committer\n")),
        (true, format!("{TREE}{AUTHOR}{AUTHOR}{COMMITTER}\ntwo authors\n")),
        (true, format!("{TREE}parent 123\n{AUTHOR}{COMMITTER}\nshort parent\n")),
        (true, format!("{TREE}author A 1 +0000\n{COMMITTER}\nno address\n")),
        (true, format!("{TREE}author A<a@x> 1 +0000\n{COMMITTER}\nno space\n")),
        (true, format!("{TREE}author A <a@x> 01 +0000\n{COMMITTER}\npadded date\n")),
        (true, format!("{TREE}author A <a@x> x +0000\n{COMMITTER}\nbad date\n")),
        (true, format!("{TREE}author A <a@x> 99999999999999999999 +0000\n{COMMITTER}\noverflow\n")),
        (true, format!("{TREE}author A <a@x> 1 0000\n{COMMITTER}\nbad zone\n")),
        (true, format!("{TREE}author A <a@x> 1 +00000\n{COMMITTER}\nbad zone\n")),
        (true, format!("{TREE}author A <a@x>1 +0000\n{COMMITTER}\nno space\n")),
        (true, format!("{TREE}author A> <a@x> 1 +0000\n{COMMITTER}\nbad name\n")),
        (true, format!("{TREE}author A <a<x> 1 +0000\n{COMMITTER}\nbad address\n")),
        (true, format!("{TREE}{AUTHOR}{COMMITTER}\nnul\0byte\n")),
    ] {
        let mut repo = Repo::bare();
        repo.store(ObjectKind::Tree, b"");
        repo.store(ObjectKind::Commit, text.as_bytes());
        let (ok, _, err) = repo.try_git(&["fsck", "--strict", "--no-dangling"], b"");
        assert_eq!(!ok || err.contains("error"), bad, "git on {text:?}: {err}");
        assert_eq!(Commit::parse(text.as_bytes()).is_err(), bad, "we on {text:?}");
    }
}

fn entry(mode: &str, name: &[u8], oid: u8) -> Vec<u8> {
    [mode.as_bytes(), b" ", name, b"\0", &[oid; 20]].concat()
}

#[test]
fn what_fsck_refuses_in_trees() {
    for (bad, raw) in [
        (false, vec![]),
        (
            false,
            [
                entry("100644", b"a", 1),
                entry("100755", b"b", 1),
                entry("120000", b"c", 1),
                entry("40000", b"d", 2),
                entry("160000", b"e", 3),
            ]
            .concat(),
        ),
        (false, [entry("100644", b"a-b", 1), entry("40000", b"a", 2), entry("100644", b"a0", 1)].concat()),
        (false, entry("100664", b"a", 1)),
        (false, [entry("100644", b"\xff\xfe", 1)].concat()),
        (true, [entry("40000", b"a", 1), entry("100644", b"a-b", 1)].concat()),
        (true, [entry("100644", b"b", 1), entry("100644", b"a", 1)].concat()),
        (true, [entry("100644", b"a", 1), entry("100644", b"a", 2)].concat()),
        (true, [entry("100644", b"a", 1), entry("40000", b"a", 2)].concat()),
        (true, [entry("100644", b"a", 1), entry("100644", b"a.b", 2), entry("40000", b"a", 2)].concat()),
        (true, entry("040000", b"a", 1)),
        (true, entry("0100644", b"a", 1)),
        (true, entry("100644", b"", 1)),
        (true, entry("100644", b"a/b", 1)),
        (true, entry("100644", b".", 1)),
        (true, entry("40000", b"..", 1)),
        (true, entry("40000", b".git", 1)),
        (true, entry("40000", b".GIT", 1)),
        (true, entry("40000", b"git~1", 1)),
        (true, entry("40000", b".git. .", 1)),
        (true, entry("40000", "\u{200c}.gi\u{200d}t".as_bytes(), 1)),
        (true, entry("100644", b"a\\.git", 1)),
        (true, entry("100644", b"a", 0)),
        (true, entry("100644", &[b'x'; 4097], 1)),
        (true, entry("100644", b"a", 1)[..20].to_vec()),
        (true, b"x".to_vec()),
    ] {
        let mut repo = Repo::bare();
        repo.store(ObjectKind::Tree, &raw);
        let (_, _, err) = repo.try_git(&["fsck", "--strict", "--no-dangling"], b"");
        let complains = err.lines().any(|l| l.starts_with("error") && !l.contains("missing"));
        assert_eq!(complains, bad, "git on {:?}: {err}", String::from_utf8_lossy(&raw));
        let ours = Tree::parse(raw.clone());
        assert_eq!(ours.is_err(), bad, "we on {:?}: {ours:?}", String::from_utf8_lossy(&raw));
        if let Ok(tree) = ours {
            assert_eq!(Tree::write(tree.iter().map(|e| e.to_owned()).collect()).unwrap(), raw);
        }
    }
}

#[test]
fn trees_are_those_of_mktree() {
    let mut rand = Rand(7);
    let repo = Repo::bare();
    for _ in 0..20 {
        let mut entries: Vec<TreeEntry> = Vec::new();
        let mut lines = String::new();
        for i in 0..rand.below(300) {
            let name = format!("{}{}", rand.pick(&["a", "a-", "a0", "a.", "a\u{e9}", "b", "B"]), rand.below(100));
            let mode = *rand.pick(&[Mode::File, Mode::Executable, Mode::Symlink, Mode::Tree, Mode::Gitlink]);
            if entries.iter().any(|e| e.name == name.as_bytes()) {
                continue;
            }
            let oid = Oid([(i % 250) as u8 + 1; 20]);
            let kind = if mode.is_tree() {
                "tree"
            } else if mode == Mode::Gitlink {
                "commit"
            } else {
                "blob"
            };
            lines += &format!("{:06o} {kind} {oid}\t{name}\0", mode.bits());
            entries.push(TreeEntry { mode, name: name.into_bytes(), oid });
        }
        let theirs = repo.git_text(&["mktree", "--missing", "-z"], lines.as_bytes());
        let raw = Tree::write(entries.clone()).unwrap();
        assert_eq!(object_id(ObjectKind::Tree, &raw).unwrap().to_string(), theirs);
        let tree = Tree::parse(raw).unwrap();
        for e in &entries {
            assert_eq!(tree.get(&e.name).unwrap().to_owned(), *e);
        }
        assert_eq!(tree.get(b"a"), None);
        assert_eq!(tree.len(), entries.len());
    }
    let twice = vec![TreeEntry { mode: Mode::File, name: b"a".to_vec(), oid: Oid([1; 20]) }; 2];
    assert!(Tree::write(twice).is_err());
}

#[test]
fn mutated_objects_never_panic() {
    let mut rand = Rand(99);
    let tree = [entry("100644", b"a", 1), entry("40000", b"dir", 1), entry("160000", b"e", 1)].concat();
    let commit = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@x> 1 +0000\ncommitter C <c@x> 1 +0000\ngpgsig a\n b\n\nmessage\n".to_vec();
    let tag =
        b"object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype tree\ntag x\ntagger A <a@x> 1 +0000\n\nm\n".to_vec();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 1\n", "0".repeat(64)).into_bytes();
    let z = deflate(&commit);
    for seed in [tree, commit, tag, pointer, z] {
        for _ in 0..4000 {
            let mut bytes = seed.clone();
            for _ in 0..=rand.below(4) {
                let at = rand.below(bytes.len());
                match rand.below(5) {
                    0 => bytes[at] = rand.next() as u8,
                    1 => bytes.truncate(at.max(1)),
                    2 => bytes.insert(at, *rand.pick(b" \n\0<>0/")),
                    3 => _ = bytes.remove(at).min(1),
                    _ => bytes.extend_from_within(at..),
                }
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            if let Ok(tree) = Tree::parse(bytes.clone()) {
                assert_eq!(Tree::write(tree.iter().map(|e| e.to_owned()).collect()).unwrap(), bytes);
            }
            if let Ok(commit) = Commit::parse(&bytes) {
                assert_eq!(Commit::parse(&commit.write()).unwrap(), commit);
                commit.title();
            }
            if let Ok(tag) = Tag::parse(&bytes) {
                assert_eq!(Tag::parse(&tag.write()).unwrap(), tag);
            }
            if let Some(pointer) = haina_git::LfsPointer::parse(&bytes) {
                assert_eq!(haina_git::LfsPointer::parse(pointer.to_text().as_bytes()), Some(pointer));
            }
            let _ = inflate(&bytes, 117);
            haina_git::looks_binary(&bytes);
        }
    }
}
