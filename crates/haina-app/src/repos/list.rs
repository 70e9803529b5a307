//! Finding repositories.

use haina_db::people;
use haina_db::repos::{self, RepoFilter};
use haina_types::{Code, Error, RepoKind, Result, Slug};

use super::info::Facts;
use crate::{App, Caller, Page, words};

/// Repositories of one page when the caller names no number, and at most.
const PAGE_MAX: usize = 1000;
/// Most search words and tags of one query.
const TERMS_MAX: usize = 32;
/// Characters of what is looked for.
const QUERY_CHARS_MAX: usize = 256;

pub use haina_db::repos::Sort as ListSort;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Which kinds; all when empty.
    pub kinds: Vec<RepoKind>,
    /// Parts of the id, all of which must occur.
    pub search: Vec<String>,
    /// Words of names, cards and tags as a person types them, all of which must occur; a part of the id will do too.
    pub query: String,
    /// The namespace.
    pub author: Option<String>,
    /// Tags, all of which must be there.
    pub tags: Vec<String>,
    /// The task.
    pub pipeline_tag: Option<String>,
    /// Whether content is gated.
    pub gated: Option<bool>,
    /// The fewest and the most parameters of the weights.
    pub parameters: (Option<u64>, Option<u64>),
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
    /// What a query means to the database, within what the caller may know.
    pub(super) async fn repo_filter(&self, caller: &Caller, query: ListQuery) -> Result<RepoFilter> {
        if query.search.len() + query.tags.len() > TERMS_MAX {
            return Err(Error::invalid(format!("A query has at most {TERMS_MAX} words and tags.")));
        }
        let asked = query.search.iter().map(|w| w.chars().count()).sum::<usize>() + query.query.chars().count();
        if asked > QUERY_CHARS_MAX {
            return Err(Error::invalid(format!("A search has at most {QUERY_CHARS_MAX} characters.")));
        }
        // No id has letters beyond ASCII: whoever looks for them means words.
        let mut search = query.search;
        let mut terms = Vec::new();
        if !query.query.is_empty() || search.iter().any(|part| !part.is_ascii()) {
            search.push(query.query);
            let text = search.join(" ");
            terms = words::query(&text);
            search = text.split_whitespace().map(str::to_owned).collect();
        }
        let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let after = match &query.cursor {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| Error::invalid("This cursor is not one of ours: start again from the first page."))?,
            ),
        };
        Ok(RepoFilter {
            kinds: query.kinds,
            search: search.iter().map(|w| w.to_lowercase()).filter(|w| !w.is_empty()).collect(),
            words: terms,
            author: query.author.map(|a| a.to_ascii_lowercase()),
            tags: query.tags,
            pipeline_tag: query.pipeline_tag,
            gated: query.gated,
            parameters: query.parameters,
            viewer: self.viewer(caller).await?,
            sort: query.sort,
            limit,
            after,
            ..RepoFilter::default()
        })
    }

    /// Repositories that the caller may know, in the order asked.
    pub async fn list_repos(&self, caller: &Caller, query: ListQuery) -> Result<Page<RepoSummary>> {
        let filter = self.repo_filter(caller, query).await?;
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

/// Repositories of a namespace, and what all of them take.
#[derive(Debug, Clone)]
pub struct Owned {
    /// A page of them, the newest change first.
    pub page: Page<RepoSummary>,
    /// Bytes of all repositories of the namespace together.
    pub used_bytes: u64,
}

impl App {
    /// The repositories of the caller, or of an organization that they are a member of.
    pub async fn list_owned(
        &self,
        caller: &Caller,
        org: Option<&Slug>,
        cursor: Option<String>,
        limit: Option<usize>,
    ) -> Result<Owned> {
        let user = caller.require_user()?;
        let (ns_id, author) = match org {
            None => (user.id, user.name.to_string()),
            Some(name) => {
                let mut s = self.db().read().await?;
                let org = people::find_namespace(&mut s, &name.fold()).await?;
                let org = org.ok_or_else(|| Error::new(Code::NotFound, "There is no such organization."))?;
                let role = people::find_org_role(&mut s, org.id, user.id).await?;
                if org.id != user.id && role.is_none() && !user.is_admin {
                    return Err(Error::new(Code::Forbidden, format!("You are not a member of '{}'.", org.name)));
                }
                (org.id, org.name.to_string())
            }
        };
        let query = ListQuery { author: Some(author), sort: ListSort::Updated, cursor, limit, ..ListQuery::default() };
        let page = self.list_repos(caller, query).await?;
        let mut s = self.db().read().await?;
        let used_bytes = repos::sum_used_bytes(&mut s, ns_id).await?;
        Ok(Owned { page, used_bytes })
    }
}
