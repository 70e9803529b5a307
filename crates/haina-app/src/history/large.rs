//! The large files of a repository, wherever in its history they are.

use std::collections::{HashMap, HashSet};

use haina_db::git;
use haina_git::Mode;
use haina_types::{Code, Error, Oid, RefName, Result, Sha256, Timestamp};

use super::log::walk;
use super::refs::peel;
use crate::gate::WriteAccess;
use crate::{App, Page};

/// Most files of one page.
const PAGE_MAX: usize = 1000;
/// Most pointers that a repository may have for its large files to be listed.
pub(super) const POINTERS_MAX: usize = 500_000;
/// Most folders that are looked into for names.
const FOLDERS_MAX: usize = 500_000;

/// A large file, found in history.
#[derive(Debug, Clone)]
pub struct LargeFile {
    /// SHA-256 of its content.
    pub sha256: Sha256,
    /// The blob that points to it.
    pub blob: Oid,
    /// Where it stands, or stood; none when no reference leads to it any more.
    pub path: Option<String>,
    /// The reference that leads to it.
    pub reference: Option<RefName>,
    /// Size in bytes.
    pub size: u64,
    /// When its content came.
    pub pushed_at: Timestamp,
}

/// References in the order in which a file is looked for: the main branch, branches, the rest.
fn rank(name: &RefName) -> u8 {
    match name.as_str() {
        "refs/heads/main" => 0,
        text if text.starts_with("refs/heads/") => 1,
        text if text.starts_with("refs/tags/") => 3,
        _ => 2,
    }
}

impl App {
    /// Large files whose content is here, each once, by digest.
    pub async fn list_large_files(
        &self,
        access: &WriteAccess,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<LargeFile>> {
        let after: Option<Sha256> = cursor
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::invalid("This cursor is not one of ours: start again from the first page."))?;
        let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let repo = access.repo().id;
        let mut s = self.db().read().await?;
        let pointers = git::list_pointers(&mut s, repo, POINTERS_MAX).await?;
        let mut items: Vec<LargeFile> = Vec::new();
        for p in pointers.into_iter().filter(|p| after.is_none_or(|after| p.sha256.0 > after.0)) {
            if items.last().is_some_and(|last| last.sha256 == p.sha256) {
                continue;
            }
            if items.len() > limit {
                break;
            }
            let (path, reference) = (None, None);
            items.push(LargeFile {
                sha256: p.sha256,
                blob: p.blob,
                path,
                reference,
                size: p.size,
                pushed_at: p.pushed_at,
            });
        }
        let more = items.len() > limit;
        items.truncate(limit);
        self.name_large_files(&mut s, repo, &mut items).await?;
        let next = more.then(|| items.last().map(|f| f.sha256.to_string())).flatten();
        Ok(Page { items, next })
    }

    /// Fills in names: from what references point to now, then from what they pointed to before.
    async fn name_large_files(&self, s: &mut haina_db::Session, repo: i64, items: &mut [LargeFile]) -> Result<()> {
        let mut open: HashMap<Oid, usize> = items.iter().enumerate().map(|(i, f)| (f.blob, i)).collect();
        let mut heads = Vec::new();
        for found in git::list_refs(s, repo).await? {
            if let Some(commit) = peel(s, repo, found.oid).await? {
                heads.push((rank(&found.name), found.name, commit));
            }
        }
        heads.sort_unstable();
        let mut seen = HashSet::new();
        for (_, name, head) in &heads {
            let root = self.tree_of(s, repo, head).await?;
            self.find_names(s, repo, root, name, items, &mut open, &mut seen).await?;
        }
        for (_, name, head) in &heads {
            if open.is_empty() {
                break;
            }
            for commit in walk(s, repo, *head).await? {
                let root = self.tree_of(s, repo, &commit).await?;
                self.find_names(s, repo, root, name, items, &mut open, &mut seen).await?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one walk, which has no other user")]
    async fn find_names(
        &self,
        s: &mut haina_db::Session,
        repo: i64,
        root: Oid,
        name: &RefName,
        items: &mut [LargeFile],
        open: &mut HashMap<Oid, usize>,
        seen: &mut HashSet<Oid>,
    ) -> Result<()> {
        let mut folders = vec![(root, String::new())];
        while let Some((oid, base)) = folders.pop() {
            if open.is_empty() || !seen.insert(oid) {
                continue;
            }
            if seen.len() > FOLDERS_MAX {
                return Err(Error::new(
                    Code::TooLarge,
                    format!(
                        "The history has more than {FOLDERS_MAX} different folders: its large files are not listed."
                    ),
                ));
            }
            let tree = self.load_tree(s, repo, &oid).await?;
            for entry in tree.iter() {
                let path = format!("{base}{}", entry.name_text());
                if entry.mode == Mode::Tree {
                    folders.push((entry.oid, format!("{path}/")));
                } else if let Some(at) = open.remove(&entry.oid) {
                    items[at].path = Some(path);
                    items[at].reference = Some(name.clone());
                }
            }
        }
        Ok(())
    }
}
