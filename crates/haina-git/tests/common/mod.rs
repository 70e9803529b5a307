//! A real git repository, kept apart from the machine's configuration.
#![allow(dead_code, reason = "each test uses its part")]

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use haina_git::{ObjectKind, Tree, object_id};
use haina_types::Oid;

pub struct Repo {
    pub dir: tempfile::TempDir,
    pub trees: HashMap<Oid, Arc<Tree>>,
}

impl Repo {
    pub fn bare() -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap(), trees: HashMap::new() };
        repo.git(&["init", "-q", "--bare", "-b", "main", "."], b"");
        repo
    }

    pub fn with_worktree() -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap(), trees: HashMap::new() };
        repo.git(&["init", "-q", "-b", "main", "."], b"");
        repo
    }

    pub fn try_git(&self, args: &[&str], input: &[u8]) -> (bool, Vec<u8>, String) {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path())
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@x"), ("GIT_AUTHOR_DATE", "1700000000 +0000")])
            .envs([
                ("GIT_COMMITTER_NAME", "C"),
                ("GIT_COMMITTER_EMAIL", "c@x"),
                ("GIT_COMMITTER_DATE", "1700000001 +0800"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        (output.status.success(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn git(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let (ok, out, err) = self.try_git(args, input);
        assert!(ok, "git {args:?}: {err}{}", String::from_utf8_lossy(&out));
        out
    }

    pub fn git_text(&self, args: &[&str], input: &[u8]) -> String {
        String::from_utf8(self.git(args, input)).unwrap().trim_end().to_owned()
    }

    fn objects(&self) -> PathBuf {
        let bare = self.dir.path().join("objects");
        if bare.exists() { bare } else { self.dir.path().join(".git/objects") }
    }

    /// Writes a loose object without asking git whether it likes it.
    pub fn store(&mut self, kind: ObjectKind, raw: &[u8]) -> Oid {
        let oid = object_id(kind, raw).unwrap();
        let hex = oid.to_string();
        let folder = self.objects().join(&hex[..2]);
        std::fs::create_dir_all(&folder).unwrap();
        let mut whole = format!("{kind} {}\0", raw.len()).into_bytes();
        whole.extend_from_slice(raw);
        std::fs::write(folder.join(&hex[2..]), haina_git::deflate(&whole)).unwrap();
        if kind == ObjectKind::Tree
            && let Ok(tree) = Tree::parse(raw)
        {
            self.trees.insert(oid, Arc::new(tree));
        }
        oid
    }

    pub async fn load(&self, oid: Oid) -> Result<Arc<Tree>, String> {
        self.trees.get(&oid).cloned().ok_or_else(|| format!("no tree {oid}"))
    }

    pub fn fsck(&self) {
        let (ok, out, err) = self.try_git(&["fsck", "--strict", "--full", "--no-dangling"], b"");
        let quiet = err.lines().all(|l| l.starts_with("notice:"));
        assert!(ok && quiet && out.is_empty(), "{err}{}", String::from_utf8_lossy(&out));
    }
}

/// A small generator with a seed, so that a failure can be repeated.
pub struct Rand(pub u64);

impl Rand {
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

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
