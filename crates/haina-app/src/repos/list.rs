//! Finding repositories.

use haina_db::repos::{self, RepoFilter};
use haina_types::{Error, RepoKind, Result};

use super::info::Facts;
use crate::{App, Caller, Page};

/// Repositories of one page when the caller names no number, and at most.
const PAGE_MAX: usize = 1000;
/// Most search words and tags of one query.
const TERMS_MAX: usize = 32;

pub use haina_db::repos::Sort as ListSort;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Which kinds; all when empty.
    pub kinds: Vec<RepoKind>,
    /// Parts of the id, all of which must occur.
    pub search: Vec<String>,
    /// The namespace.
    pub author: Option<String>,
    /// Tags, all of which must be there.
    pub tags: Vec<String>,
    /// The task.
    pub pipeline_tag: Option<String>,
    /// The order, always descending.
    pub sort: ListSort,
    /// Most repositories on the page.
    pub limit: Option<usize>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
}

/// A repository in a list.
#[derive(Debug, Clone)]
pub struct RepoSummary {
    /// Its row.
    pub repo: repos::Repo,
    /// The head of its main branch.
    pub commit: Option<haina_types::Oid>,
    /// What its files say.
    pub facts: Facts,
}

impl App {
    /// Repositories that the caller may know, in the order asked.
    pub async fn list_repos(&self, caller: &Caller, query: ListQuery) -> Result<Page<RepoSummary>> {
        if query.search.len() + query.tags.len() > TERMS_MAX {
            return Err(Error::invalid(format!("A query has at most {TERMS_MAX} words and tags.")));
        }
        let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let after = match &query.cursor {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| Error::invalid("This cursor is not one of ours: start again from the first page."))?,
            ),
        };
        let filter = RepoFilter {
            kinds: query.kinds,
            search: query.search.iter().map(|w| w.to_lowercase()).filter(|w| !w.is_empty()).collect(),
            author: query.author.map(|a| a.to_ascii_lowercase()),
            tags: query.tags,
            pipeline_tag: query.pipeline_tag,
            viewer: self.viewer(caller).await?,
            sort: query.sort,
            limit,
            after,
            ..RepoFilter::default()
        };
        let mut s = self.db().read().await?;
        let page = repos::list_repos(&mut s, &filter).await?;
        let items = page
            .items
            .into_iter()
            .map(|row| RepoSummary { commit: row.head, repo: row.repo, facts: Facts::from_rows(row.card, row.tags) })
            .collect();
        Ok(Page { items, next: page.next.map(|cursor| cursor.to_string()) })
    }
}
