//! What a pull request changes, for people and for `git apply`.

use std::fmt::Write;
use std::sync::Arc;

use haina_db::git;
use haina_git::lines::{EXTENT_LINES_MAX, extent, unified};
use haina_git::{Change, ChangeKind, Mode, ObjectKind, diff_trees, looks_binary};
use haina_types::{Error, Oid, Result};

use super::{Discussion, pull_ref};
use crate::App;
use crate::gate::ContentAccess;
use crate::history::{load_raw, merge_base};

/// Most files that are shown.
const FILES_MAX: usize = 300;
/// Largest file whose lines are shown, in bytes.
const TEXT_BYTES_MAX: u64 = 512 << 10;
/// Most bytes of lines that are shown of all files together.
const SHOWN_BYTES_MAX: usize = 2 << 20;
/// Lines that are compared for all files together.
const LINES_MAX: usize = 4 * EXTENT_LINES_MAX;

/// How what changed in a file is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileView {
    /// By the hunks of a unified diff; none if only the mode differs.
    Lines(String),
    /// It is a large file: its bytes before and after.
    Large {
        /// Before, if it was one.
        old: Option<u64>,
        /// After, if it is one.
        new: Option<u64>,
        /// The hunks of its pointer, as git has it.
        pointer: String,
    },
    /// It is not text.
    Binary,
    /// It is too much to be shown.
    TooLong,
}

/// What changed in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileDiff {
    /// Where.
    pub path: String,
    /// What it was: git's mode and blob.
    pub old: Option<(u16, Oid)>,
    /// What it is.
    pub new: Option<(u16, Oid)>,
    /// How that is shown.
    pub view: FileView,
}

/// What a pull request changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullDiff {
    /// By file, in the order of their paths.
    pub files: Vec<FileDiff>,
    /// Whether there are more files than are shown.
    pub truncated: bool,
}

/// A path as git writes it in a diff.
fn quoted(prefix: &str, path: &str) -> String {
    let text = format!("{prefix}{path}");
    if !text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
        return text;
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _ = write!(out, "\\{:03o}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn short(oid: Option<Oid>) -> String {
    oid.unwrap_or(Oid::ZERO).to_string()[..10].to_owned()
}

impl FileDiff {
    fn write(&self, out: &mut String) {
        let (a, b) = (quoted("a/", &self.path), quoted("b/", &self.path));
        let _ = writeln!(out, "diff --git {a} {b}");
        match (self.old, self.new) {
            (None, Some((mode, _))) => drop(writeln!(out, "new file mode {mode:o}")),
            (Some((mode, _)), None) => drop(writeln!(out, "deleted file mode {mode:o}")),
            (Some((old, _)), Some((new, _))) if old != new => drop(writeln!(out, "old mode {old:o}\nnew mode {new:o}")),
            _ => {}
        }
        let same_mode = match (self.old, self.new) {
            (Some((old, _)), Some((new, _))) if old == new => format!(" {old:o}"),
            _ => String::new(),
        };
        let (old, new) = (self.old.map(|o| o.1), self.new.map(|n| n.1));
        if old == new {
            return;
        }
        let _ = writeln!(out, "index {}..{}{same_mode}", short(old), short(new));
        let nothing = "/dev/null".to_owned();
        let a = if self.old.is_some() { a } else { nothing.clone() };
        let b = if self.new.is_some() { b } else { nothing };
        match &self.view {
            FileView::Lines(hunks) | FileView::Large { pointer: hunks, .. } => {
                // An empty file that comes or goes has no lines.
                if !hunks.is_empty() {
                    let _ = write!(out, "--- {a}\n+++ {b}\n{hunks}");
                }
            }
            FileView::Binary | FileView::TooLong => drop(writeln!(out, "Binary files {a} and {b} differ")),
        }
    }
}

impl PullDiff {
    /// As git writes it. Files that are too long are said to differ, as binary ones are.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for file in &self.files {
            file.write(&mut out);
        }
        out
    }

    pub(super) fn bytes(&self) -> u64 {
        let of = |f: &FileDiff| match &f.view {
            FileView::Lines(text) | FileView::Large { pointer: text, .. } => text.len(),
            _ => 0,
        };
        self.files.iter().map(|f| (f.path.len() + of(f) + 160) as u64).sum()
    }
}

/// A side of a change, read as far as it is shown.
enum Side {
    Nothing,
    Text(Vec<u8>),
    Pointer(Vec<u8>, u64),
    Binary,
    TooLong,
}

impl Side {
    fn text(&self) -> &[u8] {
        match self {
            Self::Text(text) | Self::Pointer(text, _) => text,
            _ => &[],
        }
    }

    fn large(&self) -> Option<u64> {
        match self {
            Self::Pointer(_, size) => Some(*size),
            _ => None,
        }
    }
}

/// How much of a diff may still be made.
struct Budget {
    bytes: usize,
    lines: usize,
}

fn view(old: Side, new: Side, budget: &mut Budget) -> FileView {
    match (&old, &new) {
        (Side::TooLong, _) | (_, Side::TooLong) => return FileView::TooLong,
        (Side::Binary, _) | (_, Side::Binary) => return FileView::Binary,
        _ => {}
    }
    let cost = extent(old.text(), new.text());
    if cost > budget.lines {
        return FileView::TooLong;
    }
    let Some(hunks) = unified(old.text(), new.text()).filter(|h| h.len() <= budget.bytes) else {
        return FileView::TooLong;
    };
    budget.lines -= cost;
    budget.bytes -= hunks.len();
    let hunks = String::from_utf8_lossy(&hunks).into_owned();
    match (old.large(), new.large()) {
        (None, None) => FileView::Lines(hunks),
        (old, new) => FileView::Large { old, new, pointer: hunks },
    }
}

impl App {
    /// What a pull request changes, against where it parted from the branch that it is for.
    pub async fn pull_diff(&self, access: &ContentAccess, pull: &Discussion) -> Result<Arc<PullDiff>> {
        let Some(base) = &pull.base else { return Ok(Arc::default()) };
        let repo = access.repo().id;
        let mut s = self.db().read().await?;
        let Some(head) = git::find_ref(&mut s, repo, &pull_ref(pull.number)?).await? else { return Ok(Arc::default()) };
        let base = match git::find_ref(&mut s, repo, base).await? {
            Some(base) => merge_base(&mut s, repo, base.oid, head.oid).await?,
            None => None,
        };
        let key = (repo, base.unwrap_or(Oid::ZERO), head.oid);
        if let Some(known) = self.discussions().diffs.get(&key) {
            return Ok(known);
        }
        let old = match &base {
            Some(base) => Some(self.tree_at(&mut s, repo, base).await?),
            None => None,
        };
        let new = self.tree_at(&mut s, repo, &head.oid).await?;
        let found = {
            let loader = tokio::sync::Mutex::new(&mut s);
            let load = async |oid: Oid| {
                let mut s = loader.lock().await;
                self.load_tree(&mut s, repo, &oid).await
            };
            diff_trees(old, Some(new), FILES_MAX, load).await?
        };
        let mut diff = PullDiff { files: Vec::with_capacity(found.changes.len()), truncated: found.truncated };
        let mut budget = Budget { bytes: SHOWN_BYTES_MAX, lines: LINES_MAX };
        for change in &found.changes {
            let (file, rest) = self.file_diff(&mut s, repo, change, budget).await?;
            diff.files.push(file);
            budget = rest;
        }
        let diff = Arc::new(diff);
        self.discussions().diffs.insert(key, diff.clone());
        Ok(diff)
    }

    async fn tree_at(&self, s: &mut haina_db::Session, repo: i64, commit: &Oid) -> Result<Oid> {
        let found = git::find_commit(s, repo, commit).await?;
        Ok(found.ok_or_else(|| Error::internal(format!("commit {commit} is missing")))?.tree)
    }

    async fn file_diff(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        change: &Change,
        mut budget: Budget,
    ) -> Result<(FileDiff, Budget)> {
        let (old, new) = match change.kind {
            ChangeKind::Added { new } => (None, Some(new)),
            ChangeKind::Removed { old } => (Some(old), None),
            ChangeKind::Modified { old, new } => (Some(old), Some(new)),
        };
        let (before, after) = (self.side(s, repo, old, &budget).await?, self.side(s, repo, new, &budget).await?);
        let work = move || (view(before, after, &mut budget), budget);
        let (view, budget) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
        let plain = |side: Option<(Mode, Oid)>| side.map(|(mode, oid)| (mode.bits(), oid));
        Ok((FileDiff { path: change.path_text().into_owned(), old: plain(old), new: plain(new), view }, budget))
    }

    async fn side(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        side: Option<(Mode, Oid)>,
        budget: &Budget,
    ) -> Result<Side> {
        let Some((mode, oid)) = side else { return Ok(Side::Nothing) };
        if mode == Mode::Gitlink {
            return Ok(Side::Text(format!("Subproject commit {oid}\n").into_bytes()));
        }
        let infos = git::list_blob_info(s, repo, &[oid]).await?;
        let info = infos.get(&oid).ok_or_else(|| Error::internal(format!("blob {oid} is missing or damaged")))?;
        if info.size > TEXT_BYTES_MAX || budget.bytes == 0 || budget.lines == 0 {
            return Ok(Side::TooLong);
        }
        let raw = load_raw(s, repo, ObjectKind::Blob, &oid).await?;
        Ok(match info.pointer {
            Some((_, size)) => Side::Pointer(raw, size),
            None if looks_binary(&raw) => Side::Binary,
            None => Side::Text(raw),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_as_git_quotes_them() {
        assert_eq!(quoted("a/", "模型 x.txt"), "a/模型 x.txt");
        assert_eq!(quoted("b/", "a\"b\\c\n\u{7}"), "\"b/a\\\"b\\\\c\\n\\007\"");
    }
}
