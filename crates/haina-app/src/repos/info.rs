//! What is said of one repository.

use std::sync::Arc;

use haina_db::{git, repos};
use haina_types::{Oid, RefName, Result, Revision, Timestamp};
use serde_json::Value;

use crate::App;
use crate::gate::{Listing, ReadAccess};
use crate::history::{self, Entry, EntryKind, TREE_PAGE_MAX, TreeOptions};

/// Most files that a description of a repository lists.
const SIBLINGS_MAX: usize = 50_000;

/// What files of the main branch say of a repository.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The card's front matter.
    pub card: Option<Value>,
    /// What matters of `config.json`.
    pub config: Option<Value>,
    /// Parameter counts by dtype.
    pub safetensors: Option<Value>,
    /// What matters of a GGUF header.
    pub gguf: Option<Value>,
    /// The task.
    pub pipeline_tag: Option<String>,
    /// The library that loads it.
    pub library_name: Option<String>,
    /// A data set's description.
    pub description: Option<String>,
    /// Tags, explicit and derived.
    pub tags: Vec<String>,
}

impl Facts {
    pub(crate) fn from_rows(card: Option<repos::Card>, tags: Vec<String>) -> Self {
        let Some(card) = card else { return Self { tags, ..Self::default() } };
        let parse = |text: Option<String>| text.and_then(|t| serde_json::from_str(&t).ok());
        Self {
            card: parse(card.card),
            config: parse(card.config),
            safetensors: parse(card.safetensors),
            gguf: parse(card.gguf),
            pipeline_tag: card.pipeline_tag,
            library_name: card.library_name,
            description: card.description,
            tags,
        }
    }
}

/// A repository, described.
#[derive(Debug, Clone)]
pub struct RepoInfo {
    /// Its row.
    pub repo: repos::Repo,
    /// The commit described; none only if the repository lost its main branch.
    pub commit: Option<Oid>,
    /// When its content or settings last changed.
    pub last_modified: Timestamp,
    /// What its files say.
    pub facts: Arc<Facts>,
    /// Its files, if asked for.
    pub files: Option<Arc<Vec<Entry>>>,
}

impl App {
    /// Describes a repository at its main branch, from metadata alone.
    pub async fn repo_info(&self, access: &ReadAccess) -> Result<RepoInfo> {
        let repo = access.repo().clone();
        let mut s = self.db().read().await?;
        let commit = git::find_ref(&mut s, repo.id, &RefName::main()).await?.map(|r| r.oid);
        self.describe(&mut s, repo, commit).await
    }

    /// Describes a repository at a revision.
    pub async fn repo_info_at(&self, access: &impl Listing, revision: &Revision) -> Result<RepoInfo> {
        let repo = access.repo().clone();
        let mut s = self.db().read().await?;
        let commit = history::resolve(&mut s, repo.id, revision).await?;
        self.describe(&mut s, repo, Some(commit)).await
    }

    async fn describe(&self, s: &mut haina_db::Session, repo: repos::Repo, commit: Option<Oid>) -> Result<RepoInfo> {
        // The row of facts changes only with the main branch, and the repository row says when.
        let key = (repo.id, repo.updated_at, commit.unwrap_or_default());
        let facts = match self.repos().facts.get(&key) {
            Some(facts) => facts,
            None => {
                let card = repos::find_card(s, repo.id).await?;
                let current = card.as_ref().is_some_and(|c| Some(c.commit) == commit);
                let tags = repos::list_repo_tags(s, repo.id).await?;
                let facts = Arc::new(Facts::from_rows(card, tags));
                if current {
                    self.repos().facts.insert(key, facts.clone());
                }
                facts
            }
        };
        Ok(RepoInfo { last_modified: repo.updated_at, repo, commit, facts, files: None })
    }

    /// All files at a commit, sorted by path. The content state of large ones is as it was when first asked.
    pub async fn list_files(&self, access: &impl Listing, commit: Oid) -> Result<Arc<Vec<Entry>>> {
        let key = (access.repo().id, commit);
        if let Some(known) = self.repos().files.get(&key) {
            return Ok(known);
        }
        let mut files = Vec::new();
        let mut options = TreeOptions { recursive: true, limit: Some(TREE_PAGE_MAX), ..TreeOptions::default() };
        loop {
            let page = self.list_tree(access, commit, None, &options).await?;
            files.extend(page.items.into_iter().filter(|e| matches!(e.kind, EntryKind::File | EntryKind::Symlink)));
            match page.next {
                Some(next) if files.len() < SIBLINGS_MAX => options.cursor = Some(next),
                _ => break,
            }
        }
        let files = Arc::new(files);
        self.repos().files.insert(key, files.clone());
        Ok(files)
    }
}
