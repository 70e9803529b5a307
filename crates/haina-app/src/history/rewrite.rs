//! Deleting large files for good: from the store's account of the repository and, if asked, from its whole history.
//!
//! History is written anew from the oldest commit on, beside the old one, and then all references move to it in one
//! transaction. Commits, folders and tags that never led to a deleted file keep their ids.

use std::collections::{BTreeSet, HashMap, HashSet};

use haina_db::git::{self, CommitRow, RefRow};
use haina_git::{Commit, Mode, ObjectKind, Tag, Tree, object_id};
use haina_types::{Code, Error, Oid, RefName, Result, Sha256};
use serde_json::json;

use super::commit::{Pending, RefChange};
use super::large::POINTERS_MAX;
use super::objects::{load_commit, load_raw};
use crate::gate::AdminAccess;
use crate::{App, content};

/// Most files of one request.
const FILES_MAX: usize = 1000;
/// Most commits that are written anew at once.
const COMMITS_MAX: usize = 100_000;
/// Most folders that are looked into.
const FOLDERS_MAX: usize = 1_000_000;
/// Objects gathered before they are written.
const BATCH: usize = 500;
/// How often history is rewritten because somebody pushed meanwhile.
const TRIES_MAX: usize = 4;
/// How many tags may be of tags, one after the other.
const TAG_DEPTH_MAX: usize = 16;

/// What a rewrite knows and has made so far.
struct Rewrite<'a> {
    app: &'a App,
    repo: i64,
    /// Pointers that are to vanish.
    gone: HashSet<Oid>,
    /// Folder → what it becomes.
    trees: HashMap<Oid, Oid>,
    /// Commit → what it becomes.
    commits: HashMap<Oid, Oid>,
    /// Generations of commits, old and new.
    generations: HashMap<Oid, i64>,
    /// Made and not yet written, in an order in which what is linked to comes first.
    objects: Vec<Pending>,
    rows: Vec<CommitRow>,
}

impl Rewrite<'_> {
    fn make(&mut self, kind: ObjectKind, raw: &[u8]) -> Result<Oid> {
        let oid = object_id(kind, raw).map_err(Error::internal)?;
        self.objects.push(Pending::new(oid, kind, raw));
        Ok(oid)
    }

    /// Writes what was made. Nothing leads to it yet.
    async fn flush(&mut self) -> Result<()> {
        if self.objects.is_empty() {
            return Ok(());
        }
        let rows = Pending::rows(&self.objects);
        let bytes = rows.iter().map(|row| row.z.len() as u64).sum();
        self.app.check_room(self.repo, rows.len(), bytes).await?;
        let mut tx = self.app.db().begin().await?;
        git::insert_objects(&mut tx, self.repo, &rows).await?;
        for row in &self.rows {
            git::insert_commit(&mut tx, self.repo, row).await?;
        }
        tx.commit().await?;
        self.objects.clear();
        self.rows.clear();
        Ok(())
    }

    /// What a folder becomes: itself without the deleted files, and without the folders that they leave empty.
    async fn tree(&mut self, root: Oid) -> Result<Oid> {
        let mut stack = vec![root];
        while let Some(oid) = stack.last().copied() {
            if self.trees.contains_key(&oid) {
                stack.pop();
                continue;
            }
            if self.trees.len() + stack.len() > FOLDERS_MAX {
                return Err(too_long());
            }
            let tree = {
                let mut s = self.app.db().read().await?;
                self.app.load_tree(&mut s, self.repo, &oid).await?
            };
            let below = tree.iter().filter(|e| e.mode == Mode::Tree && !self.trees.contains_key(&e.oid));
            let below: Vec<Oid> = below.map(|e| e.oid).collect();
            if !below.is_empty() {
                stack.extend(below);
                continue;
            }
            stack.pop();
            let mut kept = Vec::with_capacity(tree.len());
            let mut changed = false;
            for entry in tree.iter() {
                let mut entry = entry.to_owned();
                if entry.mode == Mode::Tree {
                    let new = self.trees.get(&entry.oid).copied().unwrap_or(entry.oid);
                    changed |= new != entry.oid;
                    if new == haina_git::EMPTY_TREE && new != entry.oid {
                        continue;
                    }
                    entry.oid = new;
                } else if self.gone.contains(&entry.oid) {
                    changed = true;
                    continue;
                }
                kept.push(entry);
            }
            let new = if changed {
                let raw = Tree::write(kept).map_err(Error::internal)?;
                self.make(ObjectKind::Tree, &raw)?
            } else {
                oid
            };
            self.trees.insert(oid, new);
            if self.objects.len() >= BATCH {
                self.flush().await?;
            }
        }
        Ok(self.trees.get(&root).copied().unwrap_or(root))
    }

    /// What a commit becomes, whose parents were looked at before. Who made it, when, and what they wrote stays; a
    /// signature of what is no longer so does not.
    async fn commit(&mut self, row: CommitRow) -> Result<()> {
        let tree = self.tree(row.tree).await?;
        let parents: Vec<Oid> = row.parents.iter().map(|p| self.commits.get(p).copied().unwrap_or(*p)).collect();
        let generation = 1 + parents.iter().filter_map(|p| self.generations.get(p)).max().copied().unwrap_or(0);
        let mut new = row.oid;
        if tree != row.tree || parents != row.parents {
            let mut commit = {
                let mut s = self.app.db().read().await?;
                load_commit(&mut s, self.repo, &row.oid).await?
            };
            commit.tree = tree;
            commit.parents = parents.clone();
            commit.extra.retain(|header| !is_signature(&header.0));
            new = self.make(ObjectKind::Commit, &Commit::write(&commit))?;
            let old = row.oid;
            self.rows.push(CommitRow { oid: new, tree, parents, gen_number: generation, ..row });
            self.commits.insert(old, new);
        } else {
            self.commits.insert(row.oid, new);
        }
        self.generations.insert(new, generation);
        Ok(())
    }

    /// What a reference is to point to; itself when nothing below it changed.
    async fn target(&mut self, oid: Oid) -> Result<Oid> {
        let mut tags = Vec::new();
        let mut at = oid;
        let mut new = loop {
            if let Some(commit) = self.commits.get(&at) {
                break *commit;
            }
            let mut s = self.app.db().read().await?;
            let object = git::find_object(&mut s, self.repo, &at).await?;
            let object = object.ok_or_else(|| Error::internal(format!("object {at} is missing")))?;
            drop(s);
            match u8::try_from(object.kind).ok().and_then(ObjectKind::from_number) {
                Some(ObjectKind::Tag) if tags.len() < TAG_DEPTH_MAX => {
                    let mut s = self.app.db().read().await?;
                    let raw = load_raw(&mut s, self.repo, ObjectKind::Tag, &at).await?;
                    let tag = Tag::parse(&raw).map_err(Error::internal)?;
                    at = tag.target;
                    tags.push(tag);
                }
                Some(ObjectKind::Tree) => break self.tree(at).await?,
                _ => break at,
            }
        };
        if new == at {
            return Ok(oid);
        }
        while let Some(mut tag) = tags.pop() {
            tag.target = new;
            // What was signed is no longer so.
            if let Some(end) = find(&tag.message, b"-----BEGIN ") {
                tag.message.truncate(end);
            }
            new = self.make(ObjectKind::Tag, &tag.write())?;
        }
        Ok(new)
    }
}

fn is_signature(key: &[u8]) -> bool {
    [&b"gpgsig"[..], b"gpgsig-sha256", b"mergetag"].contains(&key)
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part == word)
}

fn too_long() -> Error {
    Error::new(
        Code::TooLarge,
        format!(
            "The history has more than {COMMITS_MAX} commits or {FOLDERS_MAX} folders, too many to write anew. Delete the files without rewriting history."
        ),
    )
}

/// Commits that references lead to, each after its parents.
async fn list_from_the_oldest(s: &mut haina_db::Session, repo: i64, heads: &[Oid]) -> Result<Vec<CommitRow>> {
    let mut found: HashMap<Oid, CommitRow> = HashMap::new();
    let mut open: Vec<Oid> = heads.to_vec();
    while !open.is_empty() {
        let part: Vec<Oid> = open.split_off(open.len().saturating_sub(BATCH));
        for row in git::list_commits_by_oid(s, repo, &part).await? {
            open.extend(row.parents.iter().filter(|p| !found.contains_key(p)));
            found.insert(row.oid, row);
        }
        if found.len() > COMMITS_MAX {
            return Err(too_long());
        }
        open.sort_unstable();
        open.dedup();
        open.retain(|oid| !found.contains_key(oid));
    }
    let mut rows: Vec<CommitRow> = found.into_values().collect();
    rows.sort_unstable_by_key(|row| (row.gen_number, row.oid));
    Ok(rows)
}

impl App {
    /// Deletes large files for good; how many were there. With `rewrite` they vanish from every commit that a reference
    /// leads to; without, history goes on pointing to what is no longer there.
    pub async fn delete_large_files(&self, access: &AdminAccess, files: &[Sha256], rewrite: bool) -> Result<usize> {
        if files.len() > FILES_MAX {
            return Err(Error::invalid(format!("At most {FILES_MAX} files are deleted at once.")));
        }
        let files: BTreeSet<[u8; 32]> = files.iter().map(|f| f.0).collect();
        let repo = access.repo().id;
        for _ in 0..TRIES_MAX {
            let (refs, gone) = {
                let mut s = self.db().read().await?;
                let pointers = git::list_pointers(&mut s, repo, POINTERS_MAX).await?;
                let gone = pointers.into_iter().filter(|p| files.contains(&p.sha256.0)).map(|p| p.blob);
                (git::list_refs(&mut s, repo).await?, gone.collect::<HashSet<Oid>>())
            };
            let moves = if rewrite && !gone.is_empty() { self.rewrite(repo, &refs, gone).await? } else { Vec::new() };
            if let Some(count) = self.finish_deletion(access, &files, rewrite, &refs, &moves).await? {
                if moves.iter().any(|(name, ..)| *name == RefName::main()) {
                    self.refresh_facts(repo).await?;
                }
                return Ok(count);
            }
        }
        Err(Error::new(Code::Unavailable, "The repository keeps changing. Please try again."))
    }

    /// Writes history without some pointers; which references are to move, from where to where.
    async fn rewrite(&self, repo: i64, refs: &[RefRow], gone: HashSet<Oid>) -> Result<Vec<(RefName, Oid, Oid)>> {
        let rows = {
            let mut s = self.db().read().await?;
            let mut heads = Vec::new();
            for found in refs {
                heads.extend(super::refs::peel(&mut s, repo, found.oid).await?);
            }
            list_from_the_oldest(&mut s, repo, &heads).await?
        };
        let mut work = Rewrite {
            app: self,
            repo,
            gone,
            trees: HashMap::new(),
            commits: HashMap::new(),
            generations: HashMap::new(),
            objects: Vec::new(),
            rows: Vec::new(),
        };
        for row in rows {
            work.commit(row).await?;
        }
        let mut moves = Vec::new();
        for found in refs {
            let new = work.target(found.oid).await?;
            if new != found.oid {
                moves.push((found.name.clone(), found.oid, new));
            }
        }
        work.flush().await?;
        Ok(moves)
    }

    /// Moves all references and takes the files, or nothing: `None` when a reference is no longer what it was.
    async fn finish_deletion(
        &self,
        access: &AdminAccess,
        files: &BTreeSet<[u8; 32]>,
        rewrite: bool,
        refs: &[RefRow],
        moves: &[(RefName, Oid, Oid)],
    ) -> Result<Option<usize>> {
        let (repo, now) = (access.repo(), self.now());
        let write = access.write();
        let mut tx = self.db().begin().await?;
        if !git::lock_repo(&mut tx, repo.id).await? {
            return Err(crate::gate::repo_not_found());
        }
        let same = |a: &RefRow, b: &RefRow| (&a.name, a.oid) == (&b.name, b.oid);
        let current = git::list_refs(&mut tx, repo.id).await?;
        if rewrite && (current.len() != refs.len() || !current.iter().zip(refs).all(|(a, b)| same(a, b))) {
            return Ok(None);
        }
        for (name, old, new) in moves {
            let change = RefChange { name, old: Some(*old), new: Some(*new), event: "ref.rewrite", data: json!({}) };
            if !self.move_ref(&mut tx, &write, change).await? {
                return Ok(None);
            }
        }
        let mut dropped = Vec::new();
        for file in files {
            let file = Sha256(*file);
            if content::drop_file(&mut tx, repo.id, &file, now).await? {
                dropped.push(file);
            }
        }
        if !dropped.is_empty() {
            let data = json!({"files": dropped, "rewrite": rewrite});
            self.append(&mut tx, access.actor(), "lfs.delete", Some(repo.id), Some(repo.namespace.id), data).await?;
        }
        tx.commit().await?;
        Ok(Some(dropped.len()))
    }
}
