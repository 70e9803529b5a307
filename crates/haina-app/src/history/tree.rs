//! Folders and files at a commit.

use std::sync::Arc;

use haina_db::git;
use haina_git::Mode;
use haina_types::{Code, Error, FilePath, Oid, Result, Sha256};

use super::entry::{Entry, EntryKind, Lfs};
use super::objects::load_raw;
use crate::content;
use crate::gate::{ContentAccess, Listing};
use crate::{App, Page};

/// Most entries of one page.
pub const TREE_PAGE_MAX: usize = 1000;
/// Most entries of one page with the last commit of each.
const EXPANDED_PAGE_MAX: usize = 100;
/// Most entries that a recursive listing walks through; a repository may have more, in pages of folders.
const WALK_ENTRIES_MAX: usize = 1_000_000;

/// How a folder is listed.
#[derive(Debug, Clone, Default)]
pub struct TreeOptions {
    /// Also what is in folders below.
    pub recursive: bool,
    /// Also the last commit of each entry.
    pub expand: bool,
    /// Most entries on the page.
    pub limit: Option<usize>,
    /// Continue after this path, as the previous page said.
    pub cursor: Option<String>,
}

/// The error for a path that does not exist at a commit.
pub(super) fn entry_not_found(path: &str, commit: Oid) -> Error {
    Error::new(Code::EntryNotFound, format!("\"{path}\" does not exist at this revision")).at(commit)
}

fn kind_of(mode: Mode) -> EntryKind {
    match mode {
        Mode::Tree => EntryKind::Directory,
        Mode::Symlink => EntryKind::Symlink,
        Mode::Gitlink => EntryKind::Submodule,
        _ => EntryKind::File,
    }
}

/// A path below `folder`. Names that git allows and we do not (pushed by git) are shown lossily, never followed.
fn join(folder: &str, name: &[u8]) -> Option<FilePath> {
    let name = std::str::from_utf8(name).ok()?;
    let text = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    text.parse().ok()
}

/// Depth-first by path: `a`, `a/b`, `a.txt` compare segment by segment.
struct Walk {
    /// Folders still to be read, next one last.
    stack: Vec<(String, Arc<haina_git::Tree>, usize)>,
}

impl App {
    /// What stands at `path`; an error with the commit when nothing does.
    pub async fn find_entry(&self, access: &impl Listing, commit: Oid, path: &FilePath) -> Result<Entry> {
        let repo = access.repo().id;
        let mut s = self.db().read().await?;
        let key = (repo, commit, path.as_str().into());
        let known = self.history().entries.get(&key);
        let mut entry = match known {
            Some(entry) => (*entry).clone(),
            None => {
                let (entry, _) = self.look_up(&mut s, repo, commit, path).await?;
                let mut entries = [entry];
                self.fill_sizes(&mut s, repo, &mut entries).await?;
                let [entry] = entries;
                self.history().entries.insert(key, Arc::new(entry.clone()));
                entry
            }
        };
        if let Some(lfs) = &entry.lfs {
            entry.xet = content::find_stored(&mut s, repo, &lfs.sha256).await?.and_then(|stored| stored.readable());
        }
        Ok(entry)
    }

    async fn look_up(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        commit: Oid,
        path: &FilePath,
    ) -> Result<(Entry, Mode)> {
        let mut tree = self.tree_of(s, repo, &commit).await?;
        let mut segments = path.segments().peekable();
        while let Some(name) = segments.next() {
            let folder = self.load_tree(s, repo, &tree).await?;
            let found = folder.get(name.as_bytes()).ok_or_else(|| entry_not_found(path.as_str(), commit))?;
            if segments.peek().is_none() {
                let entry = Entry {
                    path: path.clone(),
                    kind: kind_of(found.mode),
                    oid: found.oid,
                    size: 0,
                    lfs: None,
                    xet: None,
                    last_commit: None,
                };
                return Ok((entry, found.mode));
            }
            if found.mode != Mode::Tree {
                return Err(entry_not_found(path.as_str(), commit));
            }
            tree = found.oid;
        }
        Err(entry_not_found(path.as_str(), commit))
    }

    /// Fills size and pointer of files and links.
    async fn fill_sizes(&self, s: &mut haina_db::Session, repo: i64, entries: &mut [Entry]) -> Result<()> {
        let is_blob = |e: &Entry| matches!(e.kind, EntryKind::File | EntryKind::Symlink);
        let oids: Vec<Oid> = entries.iter().filter(|e| is_blob(e)).map(|e| e.oid).collect();
        let infos = git::list_blob_info(s, repo, &oids).await?;
        for entry in entries.iter_mut().filter(|e| is_blob(e)) {
            let info = infos
                .get(&entry.oid)
                .ok_or_else(|| Error::internal(format!("blob {} is missing or damaged", entry.oid)))?;
            entry.size = info.size;
            if let Some((sha256, size)) = info.pointer {
                entry.lfs = Some(Lfs { sha256, size, pointer_size: info.size });
                entry.size = size;
            }
        }
        Ok(())
    }

    async fn fill_content(&self, s: &mut haina_db::Session, repo: i64, entries: &mut [Entry]) -> Result<()> {
        let shas: Vec<Sha256> = entries.iter().filter_map(|e| e.lfs.map(|l| l.sha256)).collect();
        if shas.is_empty() {
            return Ok(());
        }
        let stored = content::list_stored(s, repo, &shas).await?;
        for entry in entries {
            entry.xet = entry.lfs.and_then(|l| stored.get(&l.sha256)).and_then(|stored| stored.readable());
        }
        Ok(())
    }

    /// The entries of a folder (the root when `folder` is `None`), sorted by path, folders before what is in them.
    pub async fn list_tree(
        &self,
        access: &impl Listing,
        commit: Oid,
        folder: Option<&FilePath>,
        options: &TreeOptions,
    ) -> Result<Page<Entry>> {
        let repo = access.repo().id;
        let limit_max = if options.expand { EXPANDED_PAGE_MAX } else { TREE_PAGE_MAX };
        let limit = options.limit.unwrap_or(limit_max).clamp(1, limit_max);
        let mut s = self.db().read().await?;
        let root = match folder {
            None => self.tree_of(&mut s, repo, &commit).await?,
            Some(path) => match self.look_up(&mut s, repo, commit, path).await? {
                (entry, Mode::Tree) => entry.oid,
                _ => return Err(entry_not_found(path.as_str(), commit)),
            },
        };
        let tree = self.load_tree(&mut s, repo, &root).await?;
        let mut walk = Walk { stack: vec![(folder.map(|f| f.to_string()).unwrap_or_default(), tree, 0)] };
        if let Some(cursor) = &options.cursor {
            self.seek(&mut s, repo, &mut walk, cursor, options.recursive).await?;
        }
        let mut items = Vec::new();
        let mut more = false;
        let mut walked = 0;
        while let Some((path, tree, at)) = walk.stack.last_mut() {
            if *at >= tree.len() {
                walk.stack.pop();
                continue;
            }
            if items.len() == limit {
                more = true;
                break;
            }
            walked += 1;
            if walked > WALK_ENTRIES_MAX {
                return Err(Error::new(
                    Code::TooLarge,
                    format!("A listing walks through at most {WALK_ENTRIES_MAX} entries: list folders instead."),
                ));
            }
            let found = tree.at(*at).to_owned();
            *at += 1;
            let Some(full) = join(path, &found.name) else { continue };
            if options.recursive && found.mode == Mode::Tree {
                let below = self.load_tree(&mut s, repo, &found.oid).await?;
                walk.stack.push((full.to_string(), below, 0));
            }
            items.push(Entry {
                path: full,
                kind: kind_of(found.mode),
                oid: found.oid,
                size: 0,
                lfs: None,
                xet: None,
                last_commit: None,
            });
        }
        let next = more.then(|| items.last().map(|e| e.path.to_string())).flatten();
        self.fill_sizes(&mut s, repo, &mut items).await?;
        self.fill_content(&mut s, repo, &mut items).await?;
        if options.expand {
            self.fill_last_commits(&mut s, repo, commit, &mut items).await?;
        }
        Ok(Page { items, next })
    }

    /// Moves a walk to just after `cursor`.
    async fn seek(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        walk: &mut Walk,
        cursor: &str,
        recursive: bool,
    ) -> Result<()> {
        let bad = || Error::invalid("This page's cursor does not fit the folder: start again from the first page.");
        let Some((base, _, _)) = walk.stack.last() else { return Ok(()) };
        let rest = if base.is_empty() {
            Some(cursor)
        } else {
            cursor.strip_prefix(base.as_str()).and_then(|r| r.strip_prefix('/'))
        };
        let mut rest = rest.ok_or_else(bad)?;
        loop {
            let (path, tree, at) = walk.stack.last_mut().ok_or_else(bad)?;
            let (name, below) = rest.split_once('/').map_or((rest, None), |(n, b)| (n, Some(b)));
            let index = tree.iter().position(|e| e.name == name.as_bytes()).ok_or_else(bad)?;
            let found = tree.at(index).to_owned();
            *at = index + 1;
            let full = join(path, &found.name).ok_or_else(bad)?;
            if found.mode == Mode::Tree && recursive {
                let tree = self.load_tree(s, repo, &found.oid).await?;
                walk.stack.push((full.to_string(), tree, 0));
            }
            match below {
                None => return Ok(()),
                Some(below) if found.mode == Mode::Tree && recursive => rest = below,
                Some(_) => return Err(bad()),
            }
        }
    }

    /// What stands at each of `paths`; missing ones are left out.
    pub async fn list_paths(
        &self,
        access: &impl Listing,
        commit: Oid,
        paths: &[String],
        expand: bool,
    ) -> Result<Vec<Entry>> {
        let repo = access.repo().id;
        let mut s = self.db().read().await?;
        let mut entries = Vec::new();
        for path in paths {
            let Ok(path) = path.trim_end_matches('/').parse::<FilePath>() else { continue };
            match self.look_up(&mut s, repo, commit, &path).await {
                Ok((entry, _)) => entries.push(entry),
                Err(e) if e.code == Code::EntryNotFound => {}
                Err(e) => return Err(e),
            }
        }
        self.fill_sizes(&mut s, repo, &mut entries).await?;
        self.fill_content(&mut s, repo, &mut entries).await?;
        if expand {
            self.fill_last_commits(&mut s, repo, commit, &mut entries).await?;
        }
        Ok(entries)
    }

    /// The bytes of a blob in history: a small file, a pointer's text, a link's target.
    pub async fn read_blob(&self, access: &ContentAccess, entry: &Entry) -> Result<Vec<u8>> {
        let mut s = self.db().read().await?;
        load_raw(&mut s, access.repo().id, haina_git::ObjectKind::Blob, &entry.oid).await
    }

    /// A whole file of at most `bytes_max`, pointer or not; `None` when there is no such file or it is larger.
    pub async fn read_small(
        &self,
        access: &ContentAccess,
        commit: Oid,
        path: &FilePath,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>> {
        let entry = match self.find_entry(access, commit, path).await {
            Ok(entry) if entry.kind == EntryKind::File && entry.size <= bytes_max => entry,
            Ok(_) => return Ok(None),
            Err(e) if e.code == Code::EntryNotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        match (&entry.lfs, &entry.xet) {
            (None, _) => self.read_blob(access, &entry).await.map(Some),
            (Some(_), None) => Ok(None),
            (Some(_), Some(file)) => {
                use futures_util::TryStreamExt;
                let stream = self.open_content(access, file, None).await?;
                let bytes = stream.try_fold(Vec::new(), |mut all, part| async move {
                    all.extend_from_slice(&part);
                    Ok(all)
                });
                bytes.await.map(Some)
            }
        }
    }
}
