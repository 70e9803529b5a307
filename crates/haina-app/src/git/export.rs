//! A repository as a folder that git itself reads: for backups, for leaving, and for tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use haina_db::{git, repos};
use haina_git::LFS_POINTER_BYTES_MAX;
use haina_git::wire::{FetchRequest, Filter, PackIndex, PackWriter};
use haina_types::{Error, Oid, RefName, RepoKind, RepoPath, Result, Sha256};
use sha2::Digest as _;
use tokio::io::AsyncWriteExt;

use super::feed::{BATCH_BYTES, Bands, Batches, feed};
use super::fetch::Fetch;
use super::graph::Ends;
use super::push::mebibytes;
use super::refs::{STEP, advertisement};
use super::select::Selection;
use crate::App;
use crate::content;
use crate::gate::ContentAccess;

/// What was exported.
#[derive(Debug, Clone)]
pub struct Exported {
    /// References.
    pub refs: usize,
    /// Objects.
    pub objects: usize,
    /// Large files.
    pub large_files: usize,
    /// Large files that history points to and that cannot be read here.
    pub missing: Vec<Sha256>,
}

const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n";

impl App {
    /// Writes a repository as a bare git repository into a folder that is empty or does not exist; with `large`, its
    /// large files too, where git-lfs keeps them. For the operator: nobody's rights are asked.
    pub async fn export_git(
        &self,
        kind: RepoKind,
        path: &RepoPath,
        folder: &Path,
        large: bool,
        progress: &(dyn Fn(&str) + Sync),
    ) -> Result<Exported> {
        let (row, refs) = {
            let mut s = self.db().read().await?;
            let repo = repos::find_repo(&mut s, kind, &path.namespace.fold(), &path.name.fold()).await?;
            let repo = repo.ok_or_else(crate::gate::repo_not_found)?;
            let refs = advertisement(self, &mut s, repo.id).await?;
            (repo, refs)
        };
        let repo = row.id;
        let failed = |e: std::io::Error| Error::invalid(format!("{}: {e}", folder.display()));
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
        let mut inside = tokio::fs::read_dir(folder).await.map_err(failed)?;
        if inside.next_entry().await.map_err(failed)?.is_some() {
            return Err(Error::invalid(format!("{} is not empty", folder.display())));
        }
        for name in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
            tokio::fs::create_dir_all(folder.join(name)).await.map_err(failed)?;
        }

        let objects = {
            let mut s = self.db().read().await?;
            let wants = refs.refs.iter().map(|r| r.oid).collect();
            let mut fetch = Fetch::open(self, &mut s, repo, FetchRequest { wants, ..FetchRequest::default() }).await?;
            // Nobody listens: this one only lets others work.
            let (mut feed, _) = feed(Bands::None, true);
            let ends = Ends {
                tips: fetch.wants.tips.clone(),
                haves: Vec::new(),
                client: &fetch.shallow.client,
                stops: &fetch.shallow.stops,
            };
            let new = fetch.graph.list_new(&mut s, &ends).await?;
            let mut selection = Selection::new(self, repo, Filter::default());
            selection.add_wants(&mut s, &fetch.wants, &mut feed).await?;
            selection.add_commits(&mut s, &fetch.graph, &new, &fetch.shallow.stops, &mut feed).await?;
            selection.finish(&mut s, &mut feed).await?
        };
        let mut done = Exported { refs: refs.refs.len(), objects: objects.len(), large_files: 0, missing: Vec::new() };
        if large {
            let pointing = objects.iter().filter(|o| o.stored <= LFS_POINTER_BYTES_MAX as u64).map(|o| o.oid);
            let access = ContentAccess::of_system(Arc::new(row));
            self.export_large(&access, &pointing.collect::<Vec<_>>(), folder, progress, &mut done).await?;
        }
        if !objects.is_empty() {
            progress(&format!("Writing {} objects", objects.len()));
            let pack_folder = folder.join("objects/pack");
            let unnamed = pack_folder.join("tmp_pack");
            let mut file = tokio::fs::File::create(&unnamed).await.map_err(failed)?;
            let mut out = Vec::new();
            let count = u32::try_from(objects.len()).map_err(Error::internal)?;
            let mut writer = PackWriter::new(count, &mut out);
            let mut index = PackIndex::default();
            let mut at = 0u64;
            let mut batches = Batches::new(self, repo, &objects);
            while batches.load().await? {
                while let Some(object) = batches.next().await? {
                    let start = out.len();
                    object.push(&mut writer, &mut out);
                    index.push(object.oid, at + start as u64, &out[start..]);
                    if out.len() as u64 >= BATCH_BYTES {
                        file.write_all(&out).await.map_err(failed)?;
                        at += out.len() as u64;
                        out.clear();
                    }
                }
            }
            let hash = writer.finish(&mut out).map_err(Error::internal)?;
            file.write_all(&out).await.map_err(failed)?;
            file.sync_all().await.map_err(failed)?;
            let index = index.finish(&hash).map_err(Error::internal)?;
            tokio::fs::write(pack_folder.join(format!("pack-{hash}.idx")), index).await.map_err(failed)?;
            tokio::fs::rename(&unnamed, pack_folder.join(format!("pack-{hash}.pack"))).await.map_err(failed)?;
        }

        let mut packed = String::from("# pack-refs with: peeled fully-peeled sorted \n");
        for found in &refs.refs {
            writeln!(packed, "{} {}", found.oid, found.name).map_err(Error::internal)?;
            if let Some(peeled) = found.peeled {
                writeln!(packed, "^{peeled}").map_err(Error::internal)?;
            }
        }
        for (name, text) in [
            ("packed-refs", packed.as_str()),
            ("config", CONFIG),
            ("HEAD", format!("ref: {}\n", RefName::main()).as_str()),
        ] {
            tokio::fs::write(folder.join(name), text).await.map_err(failed)?;
        }
        Ok(done)
    }

    /// Writes the large files that some of these blobs point to.
    async fn export_large(
        &self,
        access: &ContentAccess,
        blobs: &[Oid],
        folder: &Path,
        progress: &(dyn Fn(&str) + Sync),
        done: &mut Exported,
    ) -> Result<()> {
        let mut files = BTreeMap::new();
        for part in blobs.chunks(STEP) {
            let mut s = self.db().read().await?;
            files.extend(git::list_blob_info(&mut s, access.repo().id, part).await?.values().filter_map(|b| b.pointer));
        }
        for (n, (sha256, size)) in files.iter().enumerate() {
            let stored = {
                let mut s = self.db().read().await?;
                content::find_stored(&mut s, access.repo().id, sha256).await?
            };
            let Some(file) = stored.and_then(|s| s.readable().filter(|_| s.size == *size)) else {
                done.missing.push(*sha256);
                continue;
            };
            progress(&format!("Writing large file {} of {} ({})", n + 1, files.len(), mebibytes(*size)));
            let name = sha256.to_string();
            let at = folder.join("lfs/objects").join(&name[..2]).join(&name[2..4]);
            let failed = |e: std::io::Error| Error::invalid(format!("{}: {e}", at.display()));
            tokio::fs::create_dir_all(&at).await.map_err(failed)?;
            let unnamed = at.join("tmp");
            let mut out = tokio::fs::File::create(&unnamed).await.map_err(failed)?;
            let mut hasher = sha2::Sha256::new();
            let mut bytes = self.open_content(access, &file, None).await?;
            while let Some(piece) = bytes.next().await {
                let piece = piece?;
                hasher.update(&piece);
                out.write_all(&piece).await.map_err(failed)?;
            }
            out.sync_all().await.map_err(failed)?;
            // A digest that somebody claimed may not have been checked yet.
            if <[u8; 32]>::from(hasher.finalize()) != sha256.0 {
                tokio::fs::remove_file(&unnamed).await.map_err(failed)?;
                done.missing.push(*sha256);
                continue;
            }
            tokio::fs::rename(&unnamed, at.join(&name)).await.map_err(failed)?;
            done.large_files += 1;
        }
        Ok(())
    }
}
