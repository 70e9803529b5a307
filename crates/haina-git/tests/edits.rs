//! Edits and differences of trees against real git.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Rand, Repo};
use haina_git::{
    Change, ChangeKind, Commit, EMPTY_TREE, Edit, EditError, EditResult, Mode, ObjectKind, Signature, Tree, diff_trees,
    edit, find_entry,
};
use haina_types::{FilePath, Oid};

fn path(text: &str) -> FilePath {
    text.parse().unwrap()
}

fn put(at: &str, oid: Oid) -> Edit {
    Edit::Put { path: path(at), mode: Mode::File, oid }
}

fn del(at: &str) -> Edit {
    Edit::DeleteFile { path: path(at) }
}

fn del_folder(at: &str) -> Edit {
    Edit::DeleteFolder { path: path(at) }
}

async fn apply(repo: &mut Repo, root: Option<Oid>, ops: Vec<Edit>) -> Result<EditResult, EditError<String>> {
    let result = edit(root, ops, async |oid| repo.load(oid).await).await?;
    for (oid, raw) in &result.new_trees {
        assert_eq!(repo.store(ObjectKind::Tree, raw), *oid);
    }
    Ok(result)
}

/// What git makes of a list of files.
fn write_tree(repo: &Repo, files: &BTreeMap<String, (Mode, Oid)>) -> Oid {
    let _ = std::fs::remove_file(repo.dir.path().join("index"));
    let lines: String = files.iter().map(|(p, (m, o))| format!("{:o} {o}\t{p}\0", m.bits())).collect();
    repo.git(&["update-index", "-z", "--index-info"], lines.as_bytes());
    repo.git_text(&["write-tree"], b"").parse().unwrap()
}

#[tokio::test]
async fn random_commits_are_those_of_write_tree() {
    for seed in 0..6 {
        let mut rand = Rand(seed);
        let mut repo = Repo::bare();
        let blobs: Vec<Oid> = (0..5).map(|i| repo.store(ObjectKind::Blob, format!("blob {i}\n").as_bytes())).collect();
        let names = ["a", "a.b", "a-b", "a0", "B", "模型", "x y", "z"];
        let mut files: BTreeMap<String, (Mode, Oid)> = BTreeMap::new();
        let mut root: Option<Oid> = None;
        let mut last: Option<String> = None;
        for round in 0..14 {
            let before = files.clone();
            let mut ops = Vec::new();
            for _ in 0..rand.below(40) {
                let depth = 1 + rand.below(4);
                let at = (0..depth).map(|_| *rand.pick(&names)).collect::<Vec<_>>().join("/");
                let below = format!("{at}/");
                let is_folder = files.keys().any(|k| k.starts_with(&below));
                let under_file = at.match_indices('/').any(|(i, _)| files.contains_key(&at[..i]));
                if rand.below(4) > 0 {
                    if under_file || is_folder {
                        continue;
                    }
                    let (mode, oid) = (*rand.pick(&[Mode::File, Mode::Executable, Mode::Symlink]), *rand.pick(&blobs));
                    ops.push(Edit::Put { path: path(&at), mode, oid });
                    files.insert(at, (mode, oid));
                } else if is_folder {
                    ops.push(match rand.below(3) {
                        0 => del(&at),
                        1 => del_folder(&at),
                        _ => Edit::DeleteEntry { path: path(&at) },
                    });
                    files.retain(|k, _| !k.starts_with(&below));
                } else if files.remove(&at).is_some() {
                    ops.push(if rand.below(2) == 0 { del(&at) } else { Edit::DeleteEntry { path: path(&at) } });
                }
            }
            let old = root;
            let result = apply(&mut repo, root, ops).await.unwrap();
            assert_eq!(result.root, write_tree(&repo, &files), "seed {seed}, round {round}");
            assert_eq!(result.changed, old.is_none_or(|o| o != result.root));
            root = Some(result.root);
            for (p, file) in &files {
                assert_eq!(find_entry(result.root, &path(p), async |o| repo.load(o).await).await.unwrap(), Some(*file));
            }

            // The difference, from the lists of files and from git.
            let diff = diff_trees(old, root, usize::MAX, async |o| repo.load(o).await).await.unwrap();
            let mut expected: Vec<Change> = Vec::new();
            for (p, new) in &files {
                let kind = match before.get(p) {
                    None => ChangeKind::Added { new: *new },
                    Some(old) if old != new => ChangeKind::Modified { old: *old, new: *new },
                    Some(_) => continue,
                };
                expected.push(Change { path: p.clone().into_bytes(), kind });
            }
            for (p, old) in before.iter().filter(|(p, _)| !files.contains_key(*p)) {
                expected.push(Change { path: p.clone().into_bytes(), kind: ChangeKind::Removed { old: *old } });
            }
            expected.sort_by(|a, b| a.path.cmp(&b.path));
            assert_eq!(diff.changes, expected);
            assert!(!diff.truncated);
            if let Some(old) = old {
                let theirs = repo.git(
                    &[
                        "diff-tree",
                        "-r",
                        "--no-renames",
                        "--name-only",
                        "-z",
                        &old.to_string(),
                        &result.root.to_string(),
                    ],
                    b"",
                );
                let mut theirs: Vec<Vec<u8>> =
                    theirs.split(|c| *c == 0).filter(|p| !p.is_empty()).map(<[u8]>::to_vec).collect();
                theirs.sort();
                let mut ours: Vec<Vec<u8>> = diff.changes.iter().map(|c| c.path.clone()).collect();
                ours.dedup();
                theirs.dedup();
                assert_eq!(ours, theirs);
            }

            let who = Signature::new("A", "a@x", 1_700_000_000 + round);
            let parents = last.iter().map(|p| p.parse().unwrap()).collect();
            let commit = Commit {
                tree: result.root,
                parents,
                author: who.clone(),
                committer: who,
                extra: vec![],
                message: b"m\n".to_vec(),
            };
            let id = repo.store(ObjectKind::Commit, &commit.write()).to_string();
            repo.git(&["update-ref", "refs/heads/main", &id], b"");
            last = Some(id);
        }
        repo.fsck();
    }
}

#[tokio::test]
async fn rules_of_one_commit() {
    let mut repo = Repo::bare();
    let [x, y] = [b"x", b"y"].map(|b| repo.store(ObjectKind::Blob, b));
    let base = apply(&mut repo, None, vec![put("file", x), put("dir/a", x), put("dir/sub/b", x), put("other/c", x)])
        .await
        .unwrap();
    assert_eq!(base.new_trees.len(), 4, "root, dir, sub, other: dir/sub and other differ in names");
    let base = Some(base.root);
    let files = async |repo: &Repo, root: Oid| -> Vec<String> {
        let diff = diff_trees(None, Some(root), usize::MAX, async |o| repo.load(o).await).await.unwrap();
        diff.changes.iter().map(|c| c.path_text().into_owned()).collect()
    };
    let ok: Vec<(Vec<Edit>, Vec<&str>)> = vec![
        (vec![], vec!["dir/a", "dir/sub/b", "file", "other/c"]),
        // The last writer wins.
        (vec![put("file", y), put("file", x)], vec!["dir/a", "dir/sub/b", "file", "other/c"]),
        (vec![put("new", y), del("new")], vec!["dir/a", "dir/sub/b", "file", "other/c"]),
        (vec![del("file"), put("file", y)], vec!["dir/a", "dir/sub/b", "file", "other/c"]),
        // Empty folders vanish, up to the root.
        (vec![del("dir/sub/b")], vec!["dir/a", "file", "other/c"]),
        (vec![del("dir/sub/b"), del("dir/a")], vec!["file", "other/c"]),
        (vec![del_folder("dir")], vec!["file", "other/c"]),
        (vec![del("dir"), del("file"), del_folder("other")], vec![]),
        // A folder deleted and filled again.
        (vec![del_folder("dir"), put("dir/n", y)], vec!["dir/n", "file", "other/c"]),
        (vec![put("dir/n", y), del_folder("dir")], vec!["file", "other/c"]),
        // A file in the place of a folder, and the other way round; in any order.
        (vec![del_folder("dir"), put("dir", y)], vec!["dir", "file", "other/c"]),
        (vec![put("dir", y), del_folder("dir")], vec!["dir", "file", "other/c"]),
        (vec![put("dir", y), del("dir/a"), del("dir/sub/b")], vec!["dir", "file", "other/c"]),
        (vec![del("file"), put("file/in", y)], vec!["dir/a", "dir/sub/b", "file/in", "other/c"]),
        (vec![put("file/in", y), del("file")], vec!["dir/a", "dir/sub/b", "file/in", "other/c"]),
        (vec![put("file/in", y), del("file/in")], vec!["dir/a", "dir/sub/b", "file", "other/c"]),
        (vec![Edit::DeleteEntry { path: path("dir") }], vec!["file", "other/c"]),
    ];
    for (ops, expected) in ok {
        let result = apply(&mut repo, base, ops.clone()).await.unwrap_or_else(|e| panic!("{ops:?}: {e}"));
        assert_eq!(files(&repo, result.root).await, expected, "{ops:?}");
    }
    type Check = fn(&EditError<String>) -> bool;
    let missing: Check = |e| matches!(e, EditError::NoSuchEntry(_));
    let conflict: Check = |e| matches!(e, EditError::Conflict(_));
    let bad: Check = |e| matches!(e, EditError::BadPath(_));
    let refused: Vec<(Vec<Edit>, Check)> = vec![
        (vec![del("nope")], missing),
        (vec![del("dir/nope")], missing),
        (vec![del("nope/nope")], missing),
        (vec![del("file/nope")], missing),
        (vec![del_folder("file")], missing),
        (vec![del("file"), del("file")], missing),
        (vec![del_folder("dir"), del("dir/a")], missing),
        (vec![del("dir/sub/b"), del_folder("dir/sub")], missing),
        (vec![put("dir", y)], conflict),
        (vec![put("dir", y), del("dir/a")], conflict),
        (vec![put("file/in", y)], conflict),
        (vec![put("n", y), put("n/m", y)], conflict),
        (vec![put("n/m", y), put("n", y)], conflict),
        (vec![put("a\\.git", y)], bad),
        (vec![put("n", Oid::ZERO)], bad),
        (vec![Edit::Put { path: path("n"), mode: Mode::Tree, oid: EMPTY_TREE }], bad),
    ];
    for (ops, check) in refused {
        let error = apply(&mut repo, base, ops.clone()).await.expect_err(&format!("{ops:?}"));
        assert!(check(&error), "{ops:?}: {error}");
    }
    let gone = apply(&mut repo, base, vec![del("dir"), del("file"), del("other")]).await.unwrap();
    assert_eq!((gone.root, gone.new_trees.as_slice(), gone.changed), (EMPTY_TREE, &[(EMPTY_TREE, vec![])][..], true));
    // From the empty tree, which need not be stored.
    assert_eq!(
        edit(Some(EMPTY_TREE), vec![put("a", x)], async |_| Err::<Arc<Tree>, _>("none")).await.unwrap().new_trees.len(),
        1
    );
    let same = apply(&mut repo, base, vec![put("file", x)]).await.unwrap();
    assert!(!same.changed && same.new_trees.is_empty());
}

#[tokio::test]
async fn only_touched_folders_are_loaded_once() {
    let mut repo = Repo::bare();
    let x = repo.store(ObjectKind::Blob, b"x");
    let ops = (0..50).flat_map(|d| (0..20).map(move |f| put(&format!("d{d}/f{f}"), x))).collect();
    let base = apply(&mut repo, None, ops).await.unwrap();
    let loads = AtomicUsize::new(0);
    let ops: Vec<Edit> = (0..20)
        .flat_map(|f| [del(&format!("d1/f{f}")), put(&format!("d2/g{f}"), x), put(&format!("new/g{f}"), x)])
        .collect();
    edit(Some(base.root), ops, async |oid| {
        loads.fetch_add(1, Ordering::Relaxed);
        repo.load(oid).await
    })
    .await
    .unwrap();
    assert_eq!(loads.into_inner(), 3, "root, d1, d2");
    let loads = AtomicUsize::new(0);
    let next = edit(Some(base.root), vec![put("d7/new", x)], async |oid| repo.load(oid).await).await.unwrap();
    for (_, raw) in &next.new_trees {
        repo.store(ObjectKind::Tree, raw);
    }
    diff_trees(Some(base.root), Some(next.root), 10, async |oid| {
        loads.fetch_add(1, Ordering::Relaxed);
        repo.load(oid).await
    })
    .await
    .unwrap();
    assert_eq!(loads.into_inner(), 4, "two roots, two d7");
    let few = diff_trees(None, Some(base.root), 10, async |o| repo.load(o).await).await.unwrap();
    assert!(few.truncated && few.changes.len() == 10);
}

#[tokio::test]
async fn large_commits_and_folders_are_quick() {
    let mut repo = Repo::bare();
    let [x, y] = [b"x", b"y"].map(|b| repo.store(ObjectKind::Blob, b));
    let ops: Vec<Edit> = (0..10_000).map(|i| put(&format!("data/shard-{i:05}.parquet"), x)).collect();
    let start = std::time::Instant::now();
    let base = apply(&mut repo, None, ops).await.unwrap();
    let ops: Vec<Edit> = (0..1000).map(|i| put(&format!("data/shard-{:05}.parquet", i * 7), y)).collect();
    let next = edit(Some(base.root), ops, async |oid| repo.load(oid).await).await.unwrap();
    assert_eq!(next.new_trees.len(), 2);
    for i in 0..40 {
        edit(Some(base.root), vec![put(&format!("data/n{i}"), y)], async |oid| repo.load(oid).await).await.unwrap();
    }
    // Generous: the debug build on a busy machine.
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

/// Handlers run on a pool of threads: what they await must be `Send`, whichever way the loader is written.
#[tokio::test]
async fn futures_can_be_sent() {
    #[derive(Clone)]
    struct Store(Arc<Tree>);
    impl Store {
        async fn tree(&self, _: Oid) -> Result<Arc<Tree>, String> {
            tokio::task::yield_now().await;
            Ok(self.0.clone())
        }
    }
    async fn handler(store: &Store) -> (bool, usize) {
        let result = edit(None, vec![put("a", Oid([1; 20]))], async |oid| store.tree(oid).await).await.unwrap();
        let diff = diff_trees(Some(Oid([1; 20])), None, 10, |oid| store.tree(oid)).await.unwrap();
        find_entry(Oid([1; 20]), &path("a"), async |oid| store.tree(oid).await).await.unwrap();
        (result.changed, diff.changes.len())
    }
    let store = Store(Arc::default());
    let task = tokio::spawn(async move { handler(&store).await });
    assert_eq!(task.await.unwrap(), (true, 0));
}
