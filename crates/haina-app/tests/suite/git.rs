//! Pushes and fetches of git, without a socket and without git.

use bytes::Bytes;
use futures_util::StreamExt;
use haina_app::gate::{ContentAccess, WriteAccess};
use haina_app::git::{Answer, Version};
use haina_git::wire::{EntryKind, PackLimits, PackWriter, Pkt, PktReader, delim_to, flush_to, line_to, raw_to, scan};
use haina_git::{Commit, Mode, ObjectKind, Signature, Tree, TreeEntry, deflate, object_id};
use haina_types::{Oid, RepoKind, Revision, Visibility};

use crate::hub::{Hub, both};

/// Objects on their way.
#[derive(Default)]
pub struct Objects(pub Vec<(ObjectKind, Vec<u8>)>);

impl Objects {
    pub fn add(&mut self, kind: ObjectKind, raw: Vec<u8>) -> Oid {
        let oid = object_id(kind, &raw).unwrap();
        self.0.push((kind, raw));
        oid
    }

    /// A commit with these files.
    pub fn commit(&mut self, parents: &[Oid], files: &[(&str, &[u8])]) -> Oid {
        let mut entries = Vec::new();
        for (name, bytes) in files {
            let oid = self.add(ObjectKind::Blob, bytes.to_vec());
            entries.push(TreeEntry { mode: Mode::File, name: name.as_bytes().to_vec(), oid });
        }
        let tree = self.add(ObjectKind::Tree, Tree::write(entries).unwrap());
        let who = Signature::new("Ada", "ada@example.org", 1_700_000_000 + self.0.len() as i64);
        let commit = Commit {
            tree,
            parents: parents.to_vec(),
            author: who.clone(),
            committer: who,
            extra: Vec::new(),
            message: b"pushed\n".to_vec(),
        };
        self.add(ObjectKind::Commit, commit.write())
    }

    pub fn pack(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer = PackWriter::new(self.0.len() as u32, &mut out);
        for (kind, raw) in &self.0 {
            writer.push(*kind, raw.len() as u64, &deflate(raw), &mut out);
        }
        writer.finish(&mut out).unwrap();
        out
    }
}

pub async fn all(answer: Answer) -> Vec<u8> {
    let mut out = answer.head.to_vec();
    if let Some(mut rest) = answer.rest {
        while let Some(piece) = rest.next().await {
            out.extend_from_slice(&piece.unwrap());
        }
    }
    out
}

/// Pushes; what the client is told.
pub async fn push(
    hub: &Hub,
    access: &WriteAccess,
    moves: &[(Oid, Oid, &str)],
    capabilities: &str,
    pack: Vec<u8>,
) -> String {
    let mut body = Vec::new();
    for (i, (old, new, name)) in moves.iter().enumerate() {
        let more = if i == 0 { format!("\0report-status {capabilities}") } else { String::new() };
        raw_to(&mut body, format!("{old} {new} {name}{more}").as_bytes());
    }
    flush_to(&mut body);
    body.extend(pack);
    let pieces: Vec<_> = body.chunks(10_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let answer = hub.app.git_push(access, Box::pin(futures_util::stream::iter(pieces))).await.unwrap();
    String::from_utf8(all(answer).await).unwrap()
}

/// Fetches these objects; what is in the pack.
async fn fetch(hub: &Hub, access: &ContentAccess, wants: &[Oid], haves: &[Oid]) -> Result<Vec<Oid>, String> {
    let mut body = Vec::new();
    line_to(&mut body, "command=fetch");
    delim_to(&mut body);
    wants.iter().for_each(|want| line_to(&mut body, &format!("want {want}")));
    haves.iter().for_each(|have| line_to(&mut body, &format!("have {have}")));
    line_to(&mut body, "done");
    flush_to(&mut body);
    let answer = all(hub.app.git_fetch(access, Version::V2, &body).await.unwrap()).await;
    let mut reader = PktReader::new(answer.as_slice());
    let mut pack = Vec::new();
    while let Some(pkt) = reader.read().unwrap() {
        match pkt {
            Pkt::Data([1, data @ ..]) => pack.extend_from_slice(data),
            Pkt::Data([3, words @ ..]) => return Err(String::from_utf8_lossy(words).into_owned()),
            Pkt::Data(line) if line.starts_with(b"ERR ") => return Err(String::from_utf8_lossy(line).into_owned()),
            _ => {}
        }
    }
    let entries = scan(pack.as_slice(), Vec::new(), &PackLimits::default(), |_, _, _| Ok(())).unwrap();
    let oids = entries.iter().map(|entry| match entry.kind {
        EntryKind::Whole(_, oid) => oid,
        other => panic!("{other:?}"),
    });
    Ok(oids.collect())
}

fn sorted(mut oids: Vec<Oid>) -> Vec<Oid> {
    oids.sort_unstable();
    oids
}

both! {
    async fn what_is_pushed_is_fetched(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let read = access.content();
        let main = hub.app.resolve_revision(&read, &Revision::main()).await.unwrap();
        let mut first = Objects::default();
        let one = first.commit(&[main], &[("a", b"a"), ("b", b"b")]);
        let told = push(&hub, &access, &[(main, one, "refs/heads/main")], "", first.pack()).await;
        assert_eq!(told, "000eunpack ok\n0017ok refs/heads/main\n0000");
        assert_eq!(hub.paths(&alice, &repo, "main").await, ["a", "b"]);
        let mut second = Objects::default();
        let two = second.commit(&[one], &[("a", b"a"), ("c", b"c")]);
        let left = second.commit(&[one], &[("left", b"left")]);
        let merge = second.commit(&[two, left], &[("merged", b"merged")]);
        let moves = [(one, merge, "refs/heads/main"), (Oid::ZERO, left, "refs/heads/left")];
        let told = push(&hub, &access, &moves, "atomic", second.pack()).await;
        assert!(told.contains("unpack ok") && told.contains("ok refs/heads/left"), "{told}");
        // Only what is new, and of that each object once; "a" stands where it stood.
        let got = fetch(&hub, &read, &[merge], &[one]).await.unwrap();
        let a = object_id(ObjectKind::Blob, b"a").unwrap();
        let new = second.0.iter().map(|(kind, raw)| object_id(*kind, raw).unwrap()).filter(|oid| *oid != a);
        assert_eq!(sorted(got), sorted(new.collect()));
        assert_eq!(fetch(&hub, &read, &[merge], &[merge]).await.unwrap(), []);
        let whole = fetch(&hub, &read, &[merge], &[]).await.unwrap();
        // The first commit of the repository: itself, its tree and one file.
        assert_eq!(whole.len(), first.0.len() + second.0.len() - 1 + 3);
        let (commits, count) = hub.app.list_commits(&read, merge, 0, 10).await.unwrap();
        assert_eq!((commits.len(), count), (5, 5));
        hub.assert_sound().await;
    }

    async fn pushes_of_several_transactions(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let mut objects = Objects::default();
        let mut tip = objects.commit(&[], &[("0", b"0")]);
        // Nine megabytes that do not compress, and two thousand commits.
        let mut state = 1u64;
        let noise: Vec<u8> = (0..3 << 20)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        for i in 0..3 {
            let mut bytes = noise.clone();
            bytes[0] = i;
            tip = objects.commit(&[tip], &[("noise", &bytes)]);
        }
        for i in 0..2000 {
            tip = objects.commit(&[tip], &[("n", format!("{i}").as_bytes())]);
        }
        let told = push(&hub, &access, &[(Oid::ZERO, tip, "refs/heads/big")], "", objects.pack()).await;
        assert!(told.contains("ok refs/heads/big"), "{told}");
        let got = fetch(&hub, &access.content(), &[tip], &[]).await.unwrap();
        let mut all = sorted(objects.0.iter().map(|(kind, raw)| object_id(*kind, raw).unwrap()).collect());
        all.dedup();
        assert!(sorted(got) == all, "not what was pushed");
        hub.assert_sound().await;
    }

    async fn what_is_not_taken_leaves_nothing(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let read = access.content();
        let main = hub.app.resolve_revision(&read, &Revision::main()).await.unwrap();
        let mut objects = Objects::default();
        let tip = objects.commit(&[main], &[("a", b"a")]);
        let pack = objects.pack();
        let stale = push(&hub, &access, &[(tip, tip, "refs/heads/x"), (Oid::ZERO, tip, "refs/heads/y")], "atomic", pack.clone()).await;
        assert!(stale.contains("ng refs/heads/x it was deleted meanwhile") && stale.contains("ng refs/heads/y atomic push failure"), "{stale}");
        assert!(fetch(&hub, &read, &[tip], &[]).await.unwrap_err().contains("not our ref"));
        let clash = push(&hub, &access, &[(Oid::ZERO, tip, "refs/heads/main/x"), (Oid::ZERO, tip, "refs/heads/y")], "", pack.clone()).await;
        assert!(clash.contains("ng refs/heads/main/x another reference is in the way") && clash.contains("ok refs/heads/y"), "{clash}");
        let mut broken = pack;
        broken.truncate(broken.len() - 1);
        let cut = push(&hub, &access, &[(Oid::ZERO, tip, "refs/heads/z")], "", broken).await;
        assert_eq!(cut, "0023unpack the pack ends too early\n0023ng refs/heads/z unpacker error\n0000");
        hub.assert_sound().await;
    }

    async fn of_many_pushes_to_one_branch_one_wins(hub: Hub) {
        let alice = hub.writer("alice").await;
        let repo = hub.repo(&alice, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&alice, RepoKind::Model, &repo).await.unwrap();
        let main = hub.app.resolve_revision(&access.content(), &Revision::main()).await.unwrap();
        let pushes = (0..12u8).map(|i| {
            let (hub, access) = (&hub, &access);
            async move {
                let mut objects = Objects::default();
                let tip = objects.commit(&[main], &[("who", &[i]), ("shared", b"shared")]);
                let own = format!("refs/heads/own-{i}");
                let told = push(hub, access, &[(main, tip, "refs/heads/main"), (Oid::ZERO, tip, &own)], "", objects.pack()).await;
                assert!(told.contains(&format!("ok {own}\n")), "{told}");
                told.contains("ok refs/heads/main\n")
            }
        });
        let won = futures_util::future::join_all(pushes).await;
        assert_eq!(won.iter().filter(|won| **won).count(), 1);
        hub.assert_sound().await;
    }
}
