//! Deltas that rest as they came: whoever reads an object gets the whole of it, and nobody gets what it builds upon.

use std::collections::{HashMap, HashSet};

use haina_app::repos::Duplicate;
use haina_git::wire::PackWriter;
use haina_git::{ObjectKind, deflate, object_id};
use haina_types::{Oid, RepoKind, Visibility};

use crate::git::{Objects, push};
use crate::hub::both;
use crate::packs::{Repo, clone_of, fetch, history, with};

fn size(mut n: usize, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// What begins and ends as the base does, and what is new between.
fn delta(base: &[u8], new: &[u8]) -> Vec<u8> {
    let most = base.len().min(new.len());
    let head = base.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = base.iter().rev().zip(new.iter().rev()).take(most - head).take_while(|(a, b)| a == b).count();
    let mut out = Vec::new();
    size(base.len(), &mut out);
    size(new.len(), &mut out);
    let copy = |from: usize, len: usize, out: &mut Vec<u8>| {
        if len > 0 {
            out.push(0xff);
            out.extend_from_slice(&(from as u32).to_le_bytes());
            out.extend_from_slice(&(len as u32).to_le_bytes()[..3]);
        }
    };
    copy(0, head, &mut out);
    for piece in new[head..new.len() - tail].chunks(127) {
        out.push(piece.len() as u8);
        out.extend_from_slice(piece);
    }
    copy(base.len() - tail, tail, &mut out);
    out
}

/// A pack as git makes it: each object once; older files and folders as deltas upon the next newer ones.
fn pack(objects: &Objects) -> Vec<u8> {
    let mut seen = HashSet::new();
    let unique: Vec<(ObjectKind, &[u8], Oid)> = objects
        .0
        .iter()
        .map(|(kind, raw)| (*kind, &raw[..], object_id(*kind, raw).unwrap()))
        .filter(|(.., oid)| seen.insert(*oid))
        .collect();
    let mut newer = HashMap::<_, (Oid, &[u8])>::new();
    let mut out = Vec::new();
    let mut writer = PackWriter::new(unique.len() as u32, &mut out);
    for (kind, raw, oid) in unique.into_iter().rev() {
        // What begins alike is taken for the same file.
        let alike = (kind, raw[..raw.len().min(6)].to_vec());
        match newer.insert(alike, (oid, raw)) {
            Some((base, of)) if matches!(kind, ObjectKind::Blob | ObjectKind::Tree) => {
                let delta = delta(of, raw);
                writer.push_delta_of(&base, delta.len() as u64, &deflate(&delta), &mut out);
            }
            _ => writer.push(kind, raw.len() as u64, &deflate(raw), &mut out),
        }
    }
    writer.finish(&mut out).unwrap();
    out
}

fn ids(objects: &Objects) -> Vec<Oid> {
    let mut ids: Vec<Oid> = objects.0.iter().map(|(kind, raw)| object_id(*kind, raw).unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Packs made ahead go to those who say this; without it a clone comes from single objects.
fn from_objects(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().filter(|line| line != "ofs-delta").collect()
}

both! {
    async fn deltas_rest_as_they_came(hub: Hub) {
        let mut repo = Repo::new(&hub, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&repo.alice, RepoKind::Model, &repo.path).await.unwrap();
        let mut objects = Objects::default();
        let old = history(&mut objects, repo.main, 1, 20);
        let tip = history(&mut objects, old, 21, 180);
        let sent = pack(&objects);
        let told = push(&hub, &access, &[(repo.main, tip, "refs/heads/main")], "", sent.clone()).await;
        assert!(told.contains("ok refs/heads/main"), "{told}");
        let first = repo.main;
        repo.main = tip;

        // All of it goes out as it came in, but for chains that were too long.
        let whole = fetch(&hub, &repo.read, &from_objects(clone_of(&[tip]))).await.unwrap();
        assert!(whole.deltas > 300, "{} deltas of {} objects", whole.deltas, whole.oids.len());
        assert!(whole.pack.len() < 2 * sent.len(), "{} of {}", whole.pack.len(), sent.len());
        let own = ids(&objects);
        assert!(own.iter().all(|oid| whole.oids.binary_search(oid).is_ok()));

        // What goes without its base is made whole.
        let one = fetch(&hub, &repo.read, &with(from_objects(clone_of(&[old])), "deepen 1")).await.unwrap();
        assert_eq!((one.oids.len(), one.deltas), (4, 0));
        let some = fetch(&hub, &repo.read, &with(from_objects(clone_of(&[tip])), "filter blob:none")).await.unwrap();
        assert!(some.deltas > 100 && some.oids.len() < whole.oids.len());
        let rest = fetch(&hub, &repo.read, &with(from_objects(clone_of(&[tip])), &format!("have {old}"))).await.unwrap();
        assert!(rest.oids.binary_search(&tip).is_ok() && rest.oids.binary_search(&old).is_err());
        assert_eq!(hub.paths(&repo.alice, &repo.path, &old.to_string()).await, ["README.md", "notes.txt"]);
        hub.assert_sound().await;

        // The same deltas again, with something new upon what is here.
        let mut more = Objects(objects.0.clone());
        let next = history(&mut more, tip, 201, 2);
        let told = push(&hub, &access, &[(tip, next, "refs/heads/main")], "", pack(&more)).await;
        assert!(told.contains("ok refs/heads/main"), "{told}");
        hub.assert_sound().await;

        // A copy of an old state has neither the newer files nor deltas upon them.
        let told = push(&hub, &access, &[(next, old, "refs/heads/main")], "", Objects::default().pack()).await;
        assert!(told.contains("ok refs/heads/main"), "{told}");
        let copy = Duplicate { to: "alice/copy".parse().unwrap(), visibility: None, group: None };
        hub.app.duplicate_repo(&repo.alice, &repo.read, copy).await.unwrap();
        let copy = "alice/copy".parse().unwrap();
        assert_eq!(hub.paths(&repo.alice, &copy, "main").await, ["README.md", "notes.txt"]);
        let access = hub.app.write(&repo.alice, RepoKind::Model, &copy).await.unwrap();
        let lines = clone_of(&[hub.app.resolve_revision(&access.content(), &haina_types::Revision::main()).await.unwrap()]);
        let got = fetch(&hub, &access.content(), &from_objects(lines)).await.unwrap();
        assert_eq!((got.oids.len(), got.deltas), (4, 0));
        assert_ne!(first, old);
        hub.assert_sound().await;
    }

    async fn a_few_deltas_become_whole(hub: Hub) {
        let repo = Repo::new(&hub, "alice/m", Visibility::Public).await;
        let access = hub.app.write(&repo.alice, RepoKind::Model, &repo.path).await.unwrap();
        let mut objects = Objects::default();
        let tip = history(&mut objects, repo.main, 1, 20);
        let told = push(&hub, &access, &[(repo.main, tip, "refs/heads/main")], "", pack(&objects)).await;
        assert!(told.contains("ok refs/heads/main"), "{told}");
        let got = fetch(&hub, &repo.read, &from_objects(clone_of(&[tip]))).await.unwrap();
        assert_eq!(got.deltas, 0);
        hub.assert_sound().await;
    }
}
