//! Taking a pull request in: three ways, as one commit.
//!
//! What the pull request changed since the histories parted is done to the branch as it is now. A file that both changed
//! is merged by lines; where that cannot be done, or a file is large or not text, it is a conflict that people solve.

use std::collections::BTreeSet;
use std::sync::Arc;

use haina_db::{discussions as db, git};
use haina_git::lines::{EXTENT_LINES_MAX, extent, merge};
use haina_git::{
    ChangeKind, Edit, EditError, LfsPointer, Mode, ObjectKind, diff_trees, find_entry, looks_binary, object_id,
};
use haina_types::{Code, Error, FilePath, Oid, RefName, Result};
use serde_json::json;

use super::{Discussion, EventKind, Status, check_text, not_found, pull_ref};
use crate::App;
use crate::gate::{ContentAccess, WriteAccess};
use crate::history::{NewCommit, Pending, load_raw, merge_base};

/// Most files that a pull request may change to be merged here.
const CHANGES_MAX: usize = 20_000;
/// Largest file that is merged by lines, in bytes.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Lines that are compared for one merge.
const LINES_MAX: usize = 5 * EXTENT_LINES_MAX;
/// Most conflicts that are listed.
const CONFLICTS_MAX: usize = 100;
/// How often a merge is tried on branches that keep moving.
const TRIES_MAX: usize = 16;
/// Commits named in the message of a merge.
const NAMED_MAX: usize = 50;

/// What stands in the way of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflicts {
    /// These files; if none, nothing does.
    Files(Vec<String>),
    /// Something that is not a list of files: too many changes, or histories too far apart.
    Unknown,
}

/// What a merge does to the branch.
#[derive(Default)]
struct Plan {
    edits: Vec<Edit>,
    blobs: Vec<Pending>,
    conflicts: BTreeSet<String>,
    /// Lines compared so far.
    lines: usize,
}

/// A branch's tree with a pull request taken in.
struct Merged {
    root: Oid,
    trees: Vec<(Oid, Vec<u8>)>,
    blobs: Vec<Pending>,
    files: usize,
}

/// The heads that a merge is about.
struct Heads {
    base: Oid,
    pull: Oid,
}

fn in_the_way(files: &[String]) -> Error {
    let shown: Vec<&str> = files.iter().take(20).map(String::as_str).collect();
    let more = if files.len() > shown.len() { ", …" } else { "" };
    Error::new(
        Code::Conflict,
        format!(
            "This pull request conflicts with the branch that it is for in: {}{more}. Bring its reference up to date, then merge it.",
            shown.join(", ")
        ),
    )
}

/// Whether it may be merged as it stands.
fn check_open(pull: Option<Discussion>, number: i64) -> Result<(Discussion, RefName)> {
    let pull = pull.ok_or_else(|| not_found(number))?;
    let Some(base) = pull.base.clone() else {
        return Err(Error::invalid("This is a discussion: there is nothing to merge."));
    };
    let why = match pull.status {
        Status::Open => return Ok((pull, base)),
        Status::Draft => "is a draft: open it for review first",
        Status::Closed => "is closed: open it again first",
        Status::Merged => "was merged already",
    };
    Err(Error::new(Code::Conflict, format!("Pull request {number} {why}.")))
}

impl App {
    async fn heads(&self, s: &mut haina_db::Session, repo: i64, number: i64, base: &RefName) -> Result<Heads> {
        let gone = || Error::new(Code::Conflict, format!("{base}, which this pull request is for, is gone."));
        let base = git::find_ref(s, repo, base).await?.ok_or_else(gone)?.oid;
        let pull = git::find_ref(s, repo, &pull_ref(number)?).await?;
        let pull = pull.ok_or_else(|| Error::internal(format!("refs/pr/{number} is missing")))?.oid;
        Ok(Heads { base, pull })
    }

    async fn root_of(&self, s: &mut haina_db::Session, repo: i64, commit: &Oid) -> Result<Oid> {
        let found = git::find_commit(s, repo, commit).await?;
        Ok(found.ok_or_else(|| Error::internal(format!("commit {commit} is missing")))?.tree)
    }

    /// What standing in the way of a pull request's merge is known; nothing for one that is not open.
    pub async fn pull_conflicts(&self, access: &ContentAccess, pull: &Discussion) -> Result<Arc<Conflicts>> {
        let none = Arc::new(Conflicts::Files(Vec::new()));
        let Some(base) = pull.base.as_ref().filter(|_| pull.status.is_open()) else { return Ok(none) };
        let repo = access.repo().id;
        let mut s = self.db().read().await?;
        let heads = match self.heads(&mut s, repo, pull.number, base).await {
            Ok(heads) => heads,
            Err(e) if e.code == Code::Conflict => return Ok(Arc::new(Conflicts::Unknown)),
            Err(e) => return Err(e),
        };
        let key = (repo, heads.base, heads.pull);
        if let Some(known) = self.discussions().conflicts.get(&key) {
            return Ok(known);
        }
        let found = match self.merge_trees(&mut s, repo, &heads).await {
            Ok(Ok(_)) => Conflicts::Files(Vec::new()),
            Ok(Err(files)) => Conflicts::Files(files),
            Err(e) if e.code == Code::TooLarge => Conflicts::Unknown,
            Err(e) => return Err(e),
        };
        let found = Arc::new(found);
        self.discussions().conflicts.insert(key, found.clone());
        Ok(found)
    }

    /// The branch's tree with what the pull request changed, or the files that are in the way.
    async fn merge_trees(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        heads: &Heads,
    ) -> Result<std::result::Result<Merged, Vec<String>>> {
        let fork = match merge_base(s, repo, heads.base, heads.pull).await? {
            Some(fork) => Some(self.root_of(s, repo, &fork).await?),
            None => None,
        };
        let (ours, theirs) = (self.root_of(s, repo, &heads.base).await?, self.root_of(s, repo, &heads.pull).await?);
        let loader = tokio::sync::Mutex::new(&mut *s);
        let load = async |oid: Oid| {
            let mut s = loader.lock().await;
            self.load_tree(&mut s, repo, &oid).await
        };
        let diff = diff_trees(fork, Some(theirs), CHANGES_MAX, load).await?;
        if diff.truncated {
            return Err(Error::new(
                Code::TooLarge,
                format!("A pull request that changes more than {CHANGES_MAX} files is merged with git."),
            ));
        }
        let mut plan = Plan::default();
        for change in &diff.changes {
            let name = change.path_text();
            // Names that git allows and we do not cannot be edited here.
            let path = std::str::from_utf8(&change.path).ok().and_then(|p| p.parse::<FilePath>().ok());
            let Some(path) = path else {
                plan.conflicts.insert(name.into_owned());
                continue;
            };
            let (old, new) = match change.kind {
                ChangeKind::Added { new } => (None, Some(new)),
                ChangeKind::Removed { old } => (Some(old), None),
                ChangeKind::Modified { old, new } => (Some(old), Some(new)),
            };
            let now = find_entry(ours, &path, load).await?;
            if now == new {
                continue;
            }
            if now == old {
                plan.edits.push(match new {
                    Some((mode, oid)) => Edit::Put { path, mode, oid },
                    None => Edit::DeleteFile { path },
                });
                continue;
            }
            let both = match (old, now, new) {
                (old, Some(now), Some(new)) => {
                    let mut s = loader.lock().await;
                    self.merge_file(&mut s, repo, old, now, new, &mut plan).await?
                }
                _ => None,
            };
            match both {
                Some((mode, oid)) => plan.edits.push(Edit::Put { path, mode, oid }),
                None => {
                    plan.conflicts.insert(name.into_owned());
                }
            }
        }
        let Plan { edits, blobs, mut conflicts, .. } = plan;
        let files = edits.len();
        let edited = match haina_git::edit(Some(ours), edits, load).await {
            Ok(edited) => Some(edited),
            Err(EditError::Load(e)) => return Err(e),
            Err(EditError::Conflict(path) | EditError::NoSuchEntry(path) | EditError::BadPath(path)) => {
                conflicts.insert(path);
                None
            }
            Err(e) => return Err(Error::new(Code::TooLarge, e.to_string())),
        };
        match edited.filter(|_| conflicts.is_empty()) {
            Some(edited) => Ok(Ok(Merged { root: edited.root, trees: edited.new_trees, blobs, files })),
            None => Ok(Err(conflicts.into_iter().take(CONFLICTS_MAX).collect())),
        }
    }

    /// A file that both sides changed, merged by lines; `None` if that cannot be done.
    async fn merge_file(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        old: Option<(Mode, Oid)>,
        ours: (Mode, Oid),
        theirs: (Mode, Oid),
        plan: &mut Plan,
    ) -> Result<Option<(Mode, Oid)>> {
        if !ours.0.is_file() || !theirs.0.is_file() || old.is_some_and(|(mode, _)| !mode.is_file()) {
            return Ok(None);
        }
        let mode = match old {
            Some((mode, _)) if ours.0 == mode => theirs.0,
            Some((mode, _)) if theirs.0 == mode => ours.0,
            _ if ours.0 == theirs.0 => ours.0,
            _ => return Ok(None),
        };
        if ours.1 == theirs.1 {
            return Ok(Some((mode, ours.1)));
        }
        // Both added it, and differently.
        let Some((_, old)) = old else { return Ok(None) };
        let mut texts = Vec::with_capacity(3);
        let oids = [old, ours.1, theirs.1];
        let infos = git::list_blob_info(s, repo, &oids).await?;
        for oid in oids {
            if infos.get(&oid).is_none_or(|i| i.size > TEXT_BYTES_MAX || i.pointer.is_some()) {
                return Ok(None);
            }
            let text = load_raw(s, repo, ObjectKind::Blob, &oid).await?;
            if looks_binary(&text) || LfsPointer::parse(&text).is_some() {
                return Ok(None);
            }
            texts.push(text);
        }
        let budget = LINES_MAX.saturating_sub(plan.lines);
        let work = move || {
            let cost = extent(&texts[0], &texts[1]).max(extent(&texts[0], &texts[2]));
            let merged = (cost <= budget).then(|| merge(&texts[0], &texts[1], &texts[2])).flatten();
            (cost, merged)
        };
        let (cost, merged) = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
        plan.lines += cost;
        let Some(merged) = merged else { return Ok(None) };
        // A merge that would make a pointer of text is nobody's wish.
        if LfsPointer::parse(&merged).is_some() {
            return Ok(None);
        }
        let oid = object_id(ObjectKind::Blob, &merged).map_err(Error::internal)?;
        plan.blobs.push(Pending::new(oid, ObjectKind::Blob, &merged));
        Ok(Some((mode, oid)))
    }

    /// Takes a pull request in as one commit on the branch that it is for; its id. Of two that try at once, one does.
    pub async fn merge_pull_request(&self, access: &WriteAccess, number: i64, comment: Option<&str>) -> Result<Oid> {
        let comment = comment.filter(|text| !text.trim().is_empty());
        if let Some(text) = comment {
            check_text(text)?;
        }
        let _turn = self.history().turn(access.repo().id).await;
        for _ in 0..TRIES_MAX {
            if let Some((id, base)) = self.try_merge(access, number, comment).await? {
                if base == RefName::main() {
                    self.refresh_facts(access.repo().id).await?;
                }
                return Ok(id);
            }
        }
        Err(Error::new(Code::Unavailable, "The branch keeps moving. Please try again."))
    }

    /// One try on the branches as they are now; `None` when one of them moved meanwhile.
    async fn try_merge(
        &self,
        access: &WriteAccess,
        number: i64,
        comment: Option<&str>,
    ) -> Result<Option<(Oid, RefName)>> {
        let repo = access.repo();
        let mut s = self.db().read().await?;
        let (pull, base) = check_open(db::find_discussion(&mut s, repo.id, number).await?, number)?;
        let heads = self.heads(&mut s, repo.id, number, &base).await?;
        let merged = match self.merge_trees(&mut s, repo.id, &heads).await? {
            Ok(merged) => merged,
            Err(files) => return Err(in_the_way(&files)),
        };
        let parent = git::find_commit(&mut s, repo.id, &heads.base).await?;
        let parent = parent.ok_or_else(|| Error::internal(format!("commit {} is missing", heads.base)))?;
        let events = db::list_events(&mut s, pull.id, 4000).await?;
        drop(s);
        let commits = events.iter().filter_map(|e| match &e.kind {
            EventKind::Commit { subject, oid } => Some(format!("- {subject} ({oid})")),
            _ => None,
        });
        let description = commits.take(NAMED_MAX).collect::<Vec<_>>().join("\n");
        let summary = format!("{} (#{number})", pull.title);
        // It is the proposer's work; who took it in stands in the discussion and in the ledger.
        let author = match pull.author_id {
            Some(_) => self.author(pull.author_id).await?,
            None => self.author(access.actor()).await?,
        };

        let mut tx = self.db().begin().await?;
        if !git::lock_repo(&mut tx, repo.id).await? {
            return Err(crate::gate::repo_not_found());
        }
        let (pull, base) = check_open(db::lock_discussion(&mut tx, repo.id, number).await?, number)?;
        let now = self.heads(&mut tx, repo.id, number, &base).await?;
        if (now.base, now.pull) != (heads.base, heads.pull) {
            return Ok(None);
        }
        git::insert_objects(&mut tx, repo.id, &Pending::rows(&merged.blobs)).await?;
        let commit = NewCommit {
            branch: &base,
            old: Some(heads.base),
            parents: vec![heads.base],
            generation: parent.gen_number + 1,
            summary: &summary,
            description: &description,
            root: merged.root,
            trees: merged.trees,
            operations: merged.files,
        };
        let Some(id) = self.record(&mut tx, access, &author, commit).await? else { return Ok(None) };
        let (at, actor) = (self.now(), access.actor());
        if let Some(text) = comment {
            let said = EventKind::Comment { text: text.to_owned(), edited: None, hidden: false };
            db::insert_event(&mut tx, pull.id, actor, &said, at).await?;
        }
        if !db::set_status(&mut tx, pull.id, Status::Open, Status::Merged, Some(&id), at).await? {
            return Err(Error::new(Code::Stale, "The pull request changed meanwhile. Please try again."));
        }
        db::insert_event(&mut tx, pull.id, actor, &EventKind::Status(Status::Merged), at).await?;
        let data = json!({"number": number, "commit": id, "base": base.as_str(), "head": heads.pull});
        self.append(&mut tx, actor, "discussion.merge", Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        Ok(Some((id, base)))
    }
}
