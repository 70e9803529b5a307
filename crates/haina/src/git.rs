//! `haina export-git` and `haina import-git`: repositories as git itself keeps them.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use haina_app::git::GitImport;
use haina_types::{RepoKind, RepoPath, Slug, Visibility};

use crate::{Store, say};

/// Write a repository as a bare git repository.
#[derive(Args)]
pub struct ExportGit {
    #[command(flatten)]
    store: Store,
    /// The repository: namespace/name, or datasets/namespace/name and so on.
    repo: String,
    /// Where to: a folder that is empty or does not exist.
    folder: PathBuf,
    /// Leave out large files.
    #[arg(long)]
    no_lfs: bool,
}

/// Bring a git repository or a bundle into a repository that is new or empty.
#[derive(Args)]
pub struct ImportGit {
    #[command(flatten)]
    store: Store,
    /// A git repository, with a work tree or bare, or a bundle.
    source: PathBuf,
    /// The repository: namespace/name, or datasets/namespace/name and so on.
    repo: String,
    /// What the repository holds: model, dataset, space or kernel.
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    kind: Option<RepoKind>,
    /// Make the repository if it does not exist.
    #[arg(long)]
    create: bool,
    /// Make it so that only those who may know of it do.
    #[arg(long, requires = "create")]
    private: bool,
    /// Whose deed it is; needed where the namespace is an organization.
    #[arg(long = "as", value_name = "USER")]
    actor: Option<Slug>,
    /// Where its large files are, if not where git-lfs keeps them: a folder of objects by the beginnings of their ids.
    #[arg(long, value_name = "DIR")]
    lfs_dir: Option<PathBuf>,
    /// Only check, and say what would be done.
    #[arg(long)]
    dry_run: bool,
}

fn parse_kind(text: &str) -> Result<RepoKind, String> {
    text.parse().map_err(|()| "expected model, dataset, space or kernel".to_owned())
}

/// A repository as it is named on the command line; the kind, if its name says one.
pub fn parse_repo(text: &str) -> anyhow::Result<(Option<RepoKind>, RepoPath)> {
    let (kind, path) = match text.split_once('/') {
        Some((plural, rest)) if rest.contains('/') => {
            let kind = RepoKind::from_plural(plural);
            (Some(kind.with_context(|| format!("no kind of repository is '{plural}'"))?), rest)
        }
        _ => (None, text),
    };
    Ok((kind, path.parse().with_context(|| format!("'{path}' is not namespace/name"))?))
}

impl ExportGit {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let (kind, path) = parse_repo(&self.repo)?;
        let kind = kind.unwrap_or(RepoKind::Model);
        let app = self.store.open_existing().await?;
        let done = app.export_git(kind, &path, &self.folder, !self.no_lfs, &|line| say(line)).await?;
        for sha256 in &done.missing {
            say(&format!("The large file with sha256 {sha256} cannot be read here and was left out."));
        }
        say(&format!(
            "Wrote {} references, {} objects and {} large files to {}.",
            done.refs,
            done.objects,
            done.large_files,
            self.folder.display()
        ));
        Ok(())
    }
}

impl ImportGit {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let (named, path) = parse_repo(&self.repo)?;
        let kind = match (named, self.kind) {
            (Some(named), Some(kind)) if named != kind => {
                anyhow::bail!("'{}' names a {named}, and --kind says {kind}", self.repo)
            }
            (named, kind) => named.or(kind).unwrap_or(RepoKind::Model),
        };
        let visibility = if self.private { Visibility::Private } else { Visibility::Public };
        let app = self.store.open_existing().await?;
        let wanted = GitImport {
            source: self.source,
            large_files: self.lfs_dir,
            kind,
            path,
            create: self.create.then_some(visibility),
            actor: self.actor,
            dry_run: self.dry_run,
        };
        let done = app.import_git(&wanted, &|line| say(line)).await?;
        app.close().await;
        for note in &done.notes {
            say(note);
        }
        say(&format!(
            "{} {} references, {} commits, {} objects and {} large files ({:.1} MiB) into the {} {}.",
            if wanted.dry_run { "Would bring" } else { "Brought" },
            done.refs,
            done.commits,
            done.objects,
            done.large_files,
            done.large_bytes as f64 / f64::from(1 << 20),
            wanted.kind,
            wanted.path,
        ));
        Ok(())
    }
}
