//! Proof that what is stored is whole: history here, content in [`crate::content`].

use std::collections::HashSet;
use std::sync::Arc;

use haina_db::git;
use haina_git::{Commit, Mode, ObjectKind, Tree, object_id};
use haina_types::{Error, Oid, RepoKind, Result};

use crate::App;
use crate::content;
use crate::history::Bodies;

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One line each; empty when all is whole.
    pub findings: Vec<String>,
    /// What was looked at.
    pub summary: String,
}

/// Repositories of one step.
const STEP: usize = 500;

#[derive(Default)]
struct Tally {
    repos: u64,
    refs: u64,
    objects: u64,
    bucket_files: u64,
}

impl App {
    /// Checks all history and content; `deep` also reads and hashes every byte. `progress` gets a line now and then.
    pub async fn fsck(&self, deep: bool, progress: &(dyn Fn(&str) + Sync)) -> Result<Report> {
        let mut report = Report::default();
        let mut tally = Tally::default();
        let mut after = 0;
        loop {
            let ids = {
                let mut s = self.db().read().await?;
                haina_db::repos::list_repo_ids(&mut s, after, STEP).await?
            };
            let Some(last) = ids.last() else { break };
            after = *last;
            for repo in &ids {
                self.check_history(*repo, deep, &mut tally, &mut report.findings).await?;
            }
            tally.repos += ids.len() as u64;
            progress(&format!("history: {} repositories, {} objects", tally.repos, tally.objects));
        }
        let wrong = {
            let mut s = self.db().read().await?;
            haina_db::social::wrong_likes(&mut s, STEP).await?
        };
        report.findings.extend(
            wrong.iter().map(|(repo, likes)| format!("repository {repo}: {likes} is not how many people like it")),
        );
        let (repos, owners) = {
            let mut s = self.db().read().await?;
            haina_db::git_usage::list_wrong(&mut s, STEP).await?
        };
        report
            .findings
            .extend(repos.iter().map(|id| format!("repository {id}: its large files are not as large as is counted")));
        report.findings.extend(
            owners.iter().map(|id| format!("user or organization {id}: what it has is not what is counted for quotas")),
        );
        let secrets = self.check_secrets(&mut report.findings).await?;
        let packs = self.check_packs(deep, &mut report.findings).await?;
        let content = self.check_content(deep, progress).await?;
        report.findings.extend(content.list.iter().map(|f| {
            let repos: Vec<String> = f.repos.iter().map(i64::to_string).collect();
            let of = if repos.is_empty() { String::new() } else { format!(" (repositories {})", repos.join(", ")) };
            format!("{}: {}{of}", f.subject, f.fault)
        }));
        let unlisted = (content.damaged + content.wasted).saturating_sub(content.list.len() as u64);
        if unlisted > 0 {
            report.findings.push(format!("and {unlisted} more in the content store"));
        }
        report.summary = format!(
            "Checked {} repositories, {} references, {} git objects, {} packs, {} files of buckets, {} xorbs, {} files, {} shards, {} stored objects, {} secrets: {} finding{}.",
            tally.repos,
            tally.refs,
            tally.objects,
            packs,
            tally.bucket_files,
            content.xorbs,
            content.files,
            content.recipes,
            content.objects,
            secrets,
            report.findings.len(),
            if report.findings.len() == 1 { "" } else { "s" },
        );
        Ok(report)
    }

    async fn check_content(&self, deep: bool, progress: &(dyn Fn(&str) + Sync)) -> Result<content::Findings> {
        let mut steps = 0u32;
        let tell = |found: &content::Findings| {
            steps += 1;
            // A step is a page of rows: a line for each would drown the findings.
            if steps.is_multiple_of(50) {
                progress(&format!("content: {} xorbs, {} files, {} objects", found.xorbs, found.files, found.objects));
            }
        };
        content::fsck(self, content::FsckOptions { deep }, tell).await
    }

    /// Everything reachable from every reference of a repository is there, linked rightly, and (deep) is what its id says.
    async fn check_history(&self, repo: i64, deep: bool, tally: &mut Tally, findings: &mut Vec<String>) -> Result<()> {
        let mut s = self.db().read().await?;
        if let Some(row) = haina_db::repos::find_repo_by_id(&mut s, repo).await?
            && row.kind == RepoKind::Bucket
        {
            drop(s);
            tally.bucket_files += self.check_bucket(repo, findings).await?;
            return Ok(());
        }
        let mut bodies = Bodies::default();
        let mut seen: HashSet<Oid> = HashSet::new();
        let mut open: Vec<(Oid, ObjectKind, String)> = Vec::new();
        for found in git::list_refs(&mut s, repo).await? {
            tally.refs += 1;
            // A tag may point to any object; every other reference points to a commit.
            let mut kind = ObjectKind::Commit;
            if found.name.as_tag().is_some()
                && let Some(object) = git::find_object(&mut s, repo, &found.oid).await?
            {
                kind = u8::try_from(object.kind).ok().and_then(ObjectKind::from_number).unwrap_or(kind);
            }
            open.push((found.oid, kind, found.name.to_string()));
        }
        if let Some(row) = haina_db::repos::find_repo_by_id(&mut s, repo).await?
            && !open.iter().any(|(_, _, name)| name == "refs/heads/main")
        {
            findings.push(format!("repository {}: no main branch", row.path()));
        }
        while let Some((oid, kind, from)) = open.pop() {
            if oid == haina_git::EMPTY_TREE || !seen.insert(oid) {
                continue;
            }
            tally.objects += 1;
            let mut bad =
                |what: &str| findings.push(format!("repository {repo}: {} {oid} (from {from}): {what}", kind.as_str()));
            let Some(object) = git::find_object(&mut s, repo, &oid).await? else {
                bad("missing");
                continue;
            };
            if object.kind != i64::from(kind.number()) {
                bad("of another kind than its link says");
                continue;
            }
            if kind == ObjectKind::Blob && !deep {
                continue;
            }
            let raw = match bodies.make(&mut s, repo, &oid, object).await? {
                Ok(raw) => Arc::unwrap_or_clone(raw),
                Err(e) => {
                    bad(&format!("cannot be read: {}", Error::from(e).chain()));
                    continue;
                }
            };
            if deep && object_id(kind, &raw).ok() != Some(oid) {
                bad("its bytes have another id");
                continue;
            }
            match kind {
                ObjectKind::Commit => match Commit::parse(&raw) {
                    Ok(commit) => {
                        let row = git::find_commit(&mut s, repo, &oid).await?;
                        if !row.is_some_and(|r| r.tree == commit.tree && r.parents == commit.parents) {
                            bad("its row says something else than its bytes");
                        }
                        open.push((commit.tree, ObjectKind::Tree, format!("commit {oid}")));
                        open.extend(commit.parents.iter().map(|p| (*p, ObjectKind::Commit, format!("commit {oid}"))));
                    }
                    Err(e) => bad(&format!("cannot be read: {e}")),
                },
                ObjectKind::Tree => match Tree::parse(raw) {
                    Ok(tree) => {
                        for entry in tree.iter() {
                            let below = match entry.mode {
                                Mode::Tree => ObjectKind::Tree,
                                Mode::Gitlink => continue,
                                _ => ObjectKind::Blob,
                            };
                            open.push((entry.oid, below, format!("tree {oid}")));
                        }
                    }
                    Err(e) => bad(&format!("cannot be read: {e}")),
                },
                ObjectKind::Blob => {
                    if let Some(pointer) = haina_git::LfsPointer::parse(&raw) {
                        let stored = content::find_stored(&mut s, repo, &pointer.sha256).await?;
                        match stored {
                            None if content::is_gone(&mut s, repo, &pointer.sha256).await? => {}
                            None => bad("points to content that is not stored"),
                            Some(stored) if stored.size != pointer.size => bad("points to content of another size"),
                            Some(_) => {}
                        }
                    }
                }
                ObjectKind::Tag => match haina_git::Tag::parse(&raw) {
                    Ok(tag) => open.push((tag.target, tag.kind, format!("tag {oid}"))),
                    Err(e) => bad(&format!("cannot be read: {e}")),
                },
            }
        }
        Ok(())
    }
}
