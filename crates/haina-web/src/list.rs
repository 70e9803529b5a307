//! `/models`, `/datasets`, `/spaces`: find by words and tags, in a chosen order, page by page.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::repos::{Facets, ListQuery, ListSort};
use haina_types::RepoKind;

use crate::address::with_query;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::RepoRow;
use crate::query::Query;
use crate::target::section_of;
use crate::visit::{Answer, Visit, show};

/// Repositories on a page.
const PAGE_LEN: usize = 30;
/// Tags of a group that are offered.
const FACETS_MAX: usize = 10;
/// Most tags that narrow a list.
const TAGS_MAX: usize = 10;

/// An order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sort {
    #[default]
    Updated,
    Created,
    Downloads,
    Likes,
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Updated, Self::Created, Self::Downloads, Self::Likes];

    pub fn name(self) -> &'static str {
        match self {
            Self::Updated => "updated",
            Self::Created => "created",
            Self::Downloads => "downloads",
            Self::Likes => "likes",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    fn key(self) -> &'static str {
        match self {
            Self::Updated => "sort-updated",
            Self::Created => "sort-created",
            Self::Downloads => "sort-downloads",
            Self::Likes => "sort-likes",
        }
    }
}

impl From<Sort> for ListSort {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Updated => Self::Updated,
            Sort::Created => Self::Created,
            Sort::Downloads => Self::Downloads,
            Sort::Likes => Self::Likes,
        }
    }
}

/// A tag that narrows the list.
pub(crate) struct Chip {
    pub tag: String,
}

/// A group of tags that narrow the list further.
pub(crate) struct FacetGroup {
    pub name: &'static str,
    pub tags: Vec<FacetLink>,
}

/// One of them: its words, its count, and the list with it.
pub(crate) struct FacetLink {
    pub id: String,
    pub label: String,
    pub count: u64,
    pub url: String,
}

/// A list of repositories.
#[derive(Template)]
#[template(path = "list.html")]
pub(crate) struct List {
    pub l: Words,
    pub page: Layout,
    pub kind: RepoKind,
    pub search: String,
    pub chips: Vec<Chip>,
    pub sort: Sort,
    pub author: String,
    pub rows: Vec<RepoRow>,
    pub facets: Vec<FacetGroup>,
    /// Of how many repositories the counts are, if these are not all.
    pub counted_only: Option<u64>,
    pub is_first: bool,
    pub next: Option<String>,
}

impl List {
    fn is_filtered(&self) -> bool {
        !self.search.is_empty() || !self.chips.is_empty() || !self.author.is_empty()
    }

    fn address(&self, search: &str, author: &str, without: Option<&str>, cursor: &str) -> String {
        let sort = if self.sort == Sort::default() { "" } else { self.sort.name() };
        let mut pairs = vec![("search", search), ("author", author), ("sort", sort)];
        pairs.extend(self.chips.iter().filter(|c| Some(c.tag.as_str()) != without).map(|c| ("tag", c.tag.as_str())));
        pairs.push(("cursor", cursor));
        with_query(&format!("/{}", self.kind.plural()), pairs)
    }

    fn with(&self, tag: &str) -> String {
        let page = self.address(&self.search, &self.author, None, "");
        let sign = if page.contains('?') { '&' } else { '?' };
        let pair = with_query("", [("tag", tag)]);
        format!("{page}{sign}{}", pair.trim_start_matches('?'))
    }

    /// Fills in the groups, without the tags that narrow the list already.
    fn offer(&mut self, l: Words, facets: Facets) {
        self.counted_only = (!facets.complete).then_some(facets.counted);
        for group in facets.groups {
            let is_new = |facet: &haina_app::repos::Facet| self.chips.iter().all(|chip| chip.tag != facet.id);
            let links: Vec<FacetLink> = group
                .tags
                .into_iter()
                .filter(is_new)
                .take(FACETS_MAX)
                .map(|facet| FacetLink {
                    url: self.with(&facet.id),
                    label: facet_label(l, group.name, facet.label),
                    id: facet.id,
                    count: facet.count,
                })
                .collect();
            if !links.is_empty() {
                self.facets.push(FacetGroup { name: group.name, tags: links });
            }
        }
    }

    fn without_search(&self) -> String {
        self.address("", &self.author, None, "")
    }

    fn without_author(&self) -> String {
        self.address(&self.search, "", None, "")
    }

    fn without(&self, tag: &str) -> String {
        self.address(&self.search, &self.author, Some(tag), "")
    }

    fn first(&self) -> String {
        self.address(&self.search, &self.author, None, "")
    }

    fn after(&self, cursor: &str) -> String {
        self.address(&self.search, &self.author, None, cursor)
    }

    fn search_key(&self) -> &'static str {
        match self.kind {
            RepoKind::Dataset => "search-datasets",
            RepoKind::Space => "search-spaces",
            RepoKind::Model | RepoKind::Kernel | RepoKind::Bucket => "search-models",
        }
    }

    fn empty_key(&self) -> &'static str {
        match self.kind {
            RepoKind::Dataset => "none-datasets",
            RepoKind::Space => "none-spaces",
            RepoKind::Model | RepoKind::Kernel | RepoKind::Bucket => "none-models",
        }
    }
}

/// A tag in the language of the visitor, as far as it has words there.
fn facet_label(l: Words, group: &str, label: String) -> String {
    match group {
        "pipeline_tag" | "task_categories" => l.maybe(&format!("task-{}", label.replace(' ', "-"))).unwrap_or(label),
        "language" => l.language(&label),
        _ => label,
    }
}

/// `GET /models`, `GET /datasets`, `GET /spaces`
async fn get(kind: RepoKind, app: App, visit: Visit, query: Query) -> Answer {
    // The names of the hub that people come from work as well.
    let mut tags: Vec<String> = query
        .pairs()
        .filter_map(|(key, value)| match key {
            "tag" | "pipeline_tag" | "library" | "language" | "other" => Some(value.to_owned()),
            "license" => Some(format!("license:{}", value.trim_start_matches("license:"))),
            _ => None,
        })
        .collect();
    tags.truncate(TAGS_MAX);
    let (search, author) = (query.get("search").to_owned(), query.get("author").to_owned());
    let (sort, cursor) = (Sort::from_name(query.get("sort")).unwrap_or_default(), query.find("cursor"));
    let is_first = cursor.is_none();
    let asked = ListQuery {
        kinds: vec![kind],
        query: search.clone(),
        author: Some(author.clone()).filter(|a| !a.is_empty()),
        tags: tags.clone(),
        sort: sort.into(),
        limit: Some(PAGE_LEN),
        cursor,
        ..ListQuery::default()
    };
    let found = app.list_repos(visit.caller(), asked.clone()).await?;
    let facets = app.facets(visit.caller(), kind, asked).await?;
    let mut list = List {
        l: visit.words(),
        page: visit.layout(section_of(kind), true),
        kind,
        search,
        chips: tags.into_iter().map(|tag| Chip { tag }).collect(),
        sort,
        author,
        rows: found.items.into_iter().map(RepoRow::from).collect(),
        facets: Vec::new(),
        counted_only: None,
        is_first,
        next: found.next,
    };
    list.offer(visit.words(), facets);
    show(&list)
}

/// `GET /models`
pub(crate) async fn models(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    get(RepoKind::Model, app, visit, query).await
}

/// `GET /datasets`
pub(crate) async fn datasets(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    get(RepoKind::Dataset, app, visit, query).await
}

/// `GET /spaces`
pub(crate) async fn spaces(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    get(RepoKind::Space, app, visit, query).await
}
