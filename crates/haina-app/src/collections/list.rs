//! Collections as their readers see them, one by one and in lists.

use std::collections::{HashMap, HashSet};

use haina_db::collections::{self, Collection, Filter};
use haina_db::repos::{self, RepoFilter, Viewer};
use haina_db::{people, social};
use haina_types::{Code, Error, RepoKind, Result};

use super::ITEMS_MAX;
use crate::gate::CollectionRead;
use crate::repos::{Facts, RepoSummary};
use crate::social::{page_limit, parse_cursor};
use crate::{App, Caller, Page};

pub use haina_db::collections::Sort as CollectionSort;

/// Items of each collection in a list.
const LISTED_ITEMS: usize = 4;
/// Most owners and items that one list is narrowed by.
const TERMS_MAX: usize = 20;

/// Which collections are looked for.
#[derive(Debug, Clone, Default)]
pub struct CollectionQuery {
    /// Of one of these users and organizations.
    pub owners: Vec<String>,
    /// With all of these in them, such as `models/ns/name` or `papers/2311.12983`.
    pub items: Vec<String>,
    /// Whose title or description contains this.
    pub text: Option<String>,
    /// The order.
    pub sort: CollectionSort,
    /// Most collections on the page.
    pub limit: Option<usize>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
}

/// A collection as somebody sees it.
#[derive(Debug, Clone)]
pub struct View {
    /// It.
    pub collection: Collection,
    /// What is in it, as far as they may know; the first few in a list.
    pub items: Vec<ViewItem>,
    /// Whether they voted for it.
    pub is_upvoted: bool,
}

/// Something in a collection.
#[derive(Debug, Clone)]
pub struct ViewItem {
    /// 24 hexadecimal digits.
    pub id: String,
    /// Its place.
    pub position: i64,
    /// What is said of it: as written, and as sanitized HTML.
    pub note: Option<(String, String)>,
    /// What it is.
    pub target: ViewTarget,
}

/// What an item is.
#[derive(Debug, Clone)]
pub enum ViewTarget {
    /// A repository, and whether the reader likes it.
    Repo(Box<RepoSummary>, bool),
    /// Another collection.
    Collection(Box<Collection>),
    /// A paper, by its arXiv id.
    Paper(String),
}

impl App {
    /// A collection with all its items.
    pub async fn view_collection(&self, caller: &Caller, access: &CollectionRead) -> Result<View> {
        let viewer = self.viewer(caller).await?;
        let each = usize::try_from(ITEMS_MAX).unwrap_or(usize::MAX);
        let mut views = self.dress(caller, &viewer, vec![access.collection().clone()], each).await?;
        views.pop().ok_or_else(|| Error::internal("a collection got lost on the way"))
    }

    /// Collections that the caller may know, in the order asked.
    pub async fn list_collections(&self, caller: &Caller, query: CollectionQuery) -> Result<Page<View>> {
        if query.owners.len() + query.items.len() > TERMS_MAX {
            return Err(Error::invalid(format!("A query has at most {TERMS_MAX} owners and items.")));
        }
        let after = parse_cursor(query.cursor.as_deref())?;
        let viewer = self.viewer(caller).await?;
        let mut filter = Filter {
            viewer: viewer.clone(),
            sort: query.sort,
            text: query.text.map(|t| t.trim().to_lowercase()).filter(|t| !t.is_empty()),
            limit: page_limit(query.limit, collections::PAGE_MAX),
            after,
            ..Filter::default()
        };
        let nothing = Page { items: Vec::new(), next: None };
        {
            let mut s = self.db().read().await?;
            for owner in &query.owners {
                let found = people::find_namespace(&mut s, &owner.to_ascii_lowercase()).await?;
                filter.owners.extend(found.map(|ns| ns.id));
            }
        }
        if filter.owners.is_empty() && !query.owners.is_empty() {
            return Ok(nothing);
        }
        for item in &query.items {
            let (plural, id) = item.split_once('/').unwrap_or(("", item));
            let kind = match plural {
                "papers" => "paper",
                "collections" => "collection",
                "buckets" => "bucket",
                plural => match RepoKind::from_plural(plural) {
                    Some(kind) => kind.as_str(),
                    None => {
                        let text = "\"item\" has the form 'models/namespace/name', 'papers/2311.12983' or the like.";
                        return Err(Error::invalid(text));
                    }
                },
            };
            match self.find_item(caller, kind, id).await {
                Ok(found) => filter.items.push(found.item),
                // Nothing that may be known contains what may not be known.
                Err(e) if matches!(e.code, Code::NotFound | Code::Invalid | Code::Disabled) => return Ok(nothing),
                Err(e) => return Err(e),
            }
        }
        let (found, next) = {
            let mut s = self.db().read().await?;
            collections::list(&mut s, &filter).await?
        };
        let items = self.dress(caller, &viewer, found, LISTED_ITEMS).await?;
        Ok(Page { items, next: next.map(|c| c.to_string()) })
    }

    /// Adds to collections what is in them: a few queries, however many there are.
    async fn dress(&self, caller: &Caller, viewer: &Viewer, found: Vec<Collection>, each: usize) -> Result<Vec<View>> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = found.iter().map(|c| c.id).collect();
        let mut s = self.db().read().await?;
        let items = collections::list_items(&mut s, &ids, viewer, each).await?;
        let repo_ids: Vec<i64> = items.iter().filter_map(|i| i.repo_id).collect();
        let target_ids: Vec<i64> = items.iter().filter_map(|i| i.target_id).collect();
        let (mut liked, mut voted) = (HashSet::new(), HashSet::new());
        if let Some(user) = caller.user() {
            liked.extend(social::liked_among(&mut s, user.id, &repo_ids).await?);
            voted.extend(collections::upvoted_among(&mut s, user.id, &ids).await?);
        }
        let mut shown: HashMap<i64, RepoSummary> = HashMap::new();
        for some in repo_ids.chunks(repos::PAGE_MAX) {
            let filter = RepoFilter {
                kinds: RepoKind::ALL.into_iter().chain([RepoKind::Bucket]).collect(),
                ids: Some(some.to_vec()),
                viewer: viewer.clone(),
                ..RepoFilter::default()
            };
            for row in repos::list_repos(&mut s, &filter).await?.items {
                let facts = Facts::from_rows(row.card, row.tags);
                shown.insert(row.repo.id, RepoSummary { commit: row.head, repo: row.repo, facts });
            }
        }
        let mut targets: HashMap<i64, Collection> = HashMap::new();
        for some in target_ids.chunks(collections::PAGE_MAX) {
            let filter = Filter {
                ids: Some(some.to_vec()),
                viewer: viewer.clone(),
                limit: collections::PAGE_MAX,
                ..Filter::default()
            };
            targets.extend(collections::list(&mut s, &filter).await?.0.into_iter().map(|c| (c.id, c)));
        }
        drop(s);
        let mut by_collection: HashMap<i64, Vec<ViewItem>> = HashMap::new();
        for item in items {
            let target = match (item.repo_id, item.target_id) {
                (Some(id), _) => shown.get(&id).map(|r| ViewTarget::Repo(Box::new(r.clone()), liked.contains(&id))),
                (_, Some(id)) => targets.get(&id).map(|c| ViewTarget::Collection(Box::new(c.clone()))),
                _ => item.item.strip_prefix("paper:").map(|id| ViewTarget::Paper(id.to_owned())),
            };
            // What was deleted or closed since the first query is not shown.
            let Some(target) = target else { continue };
            by_collection.entry(item.collection_id).or_default().push(ViewItem {
                id: item.public_id,
                position: item.position,
                note: item.note.zip(item.note_html),
                target,
            });
        }
        let view = |collection: Collection| View {
            items: by_collection.remove(&collection.id).unwrap_or_default(),
            is_upvoted: voted.contains(&collection.id),
            collection,
        };
        Ok(found.into_iter().map(view).collect())
    }
}
