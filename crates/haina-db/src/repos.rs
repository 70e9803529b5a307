//! Repositories, their cards and tags, and lists of them.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use haina_types::{Oid, RefName, RepoKind, RepoName, RepoPath, Timestamp, Visibility};

use crate::people::{Namespace, namespace_columns};
use crate::search::{self, Term};
use crate::sql::{Row, Sql, Value, statements, values};
use crate::{Result, Session};

/// Columns of [`Repo`] from tables `r` and `n`.
macro_rules! repo_columns {
    () => {
        concat!(
            "r.id, r.public_id, r.kind, r.name, r.visibility, r.gated, r.disabled_reason, r.created_by, r.created_at, ",
            "r.updated_at, r.likes, r.downloads, r.downloads_all, r.trending, r.used_bytes, ",
            namespace_columns!()
        )
    };
}
pub(crate) use repo_columns;
/// How many they are.
pub(crate) const REPO_COLUMNS: usize = 20;
/// Most rows of one page.
pub const PAGE_MAX: usize = 1000;

statements! {
    INSERT_REPO = point(
        "insert into repo (public_id, kind, ns_id, name, fold, search, visibility, created_by, created_at, updated_at,
             likes, downloads, downloads_all, trending, used_bytes)
         select $1, $2, n.id, $4, $5, n.fold || '/' || $5, $6, $7, $8, $8, 0, 0, 0, 0, 0 from namespace n where n.id = $3
         returning id"
    );
    FIND_REPO = point(concat!(
        "select ", repo_columns!(), " from namespace n join repo r on r.ns_id = n.id
         where r.kind = $1 and n.fold = $2 and r.fold = $3"
    ));
    FIND_REPO_WITH_REF = point(concat!(
        "select ", repo_columns!(), ", g.oid from namespace n join repo r on r.ns_id = n.id
         left join git_ref g on g.repo_id = r.id and g.name = $4 where r.kind = $1 and n.fold = $2 and r.fold = $3"
    ));
    FIND_REPO_BY_ID = point(concat!(
        "select ", repo_columns!(), " from repo r join namespace n on n.id = r.ns_id where r.id = $1"
    ));
    LIST_REPO_IDS = long("select id from repo where id > $1 order by id limit $2");
    FIND_REPO_BY_PUBLIC_ID = point(concat!(
        "select ", repo_columns!(), " from repo r join namespace n on n.id = r.ns_id where r.public_id = $1"
    ));
    DELETE_REPO = long("delete from repo where id = $1");
    RENAME_REPO = point(
        "update repo set ns_id = $2, name = $3, fold = $4, updated_at = $5,
             search = (select n.fold from namespace n where n.id = $2) || '/' || $4
         where id = $1"
    );
    SET_VISIBILITY = point("update repo set visibility = $2, updated_at = $3 where id = $1");
    SET_GATED = point("update repo set gated = $2, updated_at = $3 where id = $1");
    SET_DISABLED = point("update repo set disabled_reason = $2 where id = $1");
    TOUCH_REPO = point("update repo set updated_at = $2 where id = $1");
    SET_TRENDING = point("update repo set trending = $2 where id = $1");
    ADD_USED_BYTES = point("update repo set used_bytes = used_bytes + $2 where id = $1");
    SUM_USED_BYTES = point("select coalesce(cast(sum(used_bytes) as bigint), 0) from repo where ns_id = $1");
    PUT_CARD = point(
        "insert into repo_card (repo_id, commit_oid, card, config, safetensors, gguf, pipeline_tag, library_name, description,
             parameters)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (repo_id) do update set commit_oid = excluded.commit_oid, card = excluded.card,
             config = excluded.config, safetensors = excluded.safetensors, gguf = excluded.gguf,
             pipeline_tag = excluded.pipeline_tag, library_name = excluded.library_name, description = excluded.description,
             parameters = excluded.parameters"
    );
    FIND_CARD = point(
        "select repo_id, commit_oid, card, config, safetensors, gguf, pipeline_tag, library_name, description, parameters
         from repo_card where repo_id = $1"
    );
    LIST_CARDS = long_pair(
        "select repo_id, commit_oid, card, config, safetensors, gguf, pipeline_tag, library_name, description, parameters
         from repo_card where repo_id in (select value from json_each($1))",
        "select repo_id, commit_oid, card, config, safetensors, gguf, pipeline_tag, library_name, description, parameters
         from repo_card where repo_id = any($1)"
    );
    DELETE_TAGS = point("delete from repo_tag where repo_id = $1");
    INSERT_TAG = point(
        "insert into repo_tag (repo_id, tag, position) values ($1, $2, $3) on conflict (repo_id, tag) do nothing"
    );
    LIST_REPO_TAGS = point("select tag from repo_tag where repo_id = $1 order by position");
    LIST_TAGS = long_pair(
        "select repo_id, tag from repo_tag where repo_id in (select value from json_each($1)) order by repo_id, position",
        "select repo_id, tag from repo_tag where repo_id = any($1) order by repo_id, position"
    );
    LIST_HEADS = long_pair(
        "select repo_id, oid from git_ref where repo_id in (select value from json_each($1)) and name = $2",
        "select repo_id, oid from git_ref where repo_id = any($1) and name = $2"
    );
    PROBE_AUTHOR = point(
        "select count(*) from (select 1 from namespace n join repo r on r.ns_id = n.id where n.fold = $1 limit $2) x"
    );
    PROBE_TAG = point("select count(*) from (select 1 from repo_tag t where t.tag = $1 limit $2) x");
    PROBE_TASK = point("select count(*) from (select 1 from repo_card c where c.pipeline_tag = $1 limit $2) x");
    PROBE_LIBRARY = point("select count(*) from (select 1 from repo_card c where c.library_name = $1 limit $2) x");
    COUNT_TAGGED = long(
        "select t.tag, count(*) from repo_tag t join repo r on r.id = t.repo_id
         where r.kind = $1 and r.visibility = 'public' and t.tag >= $2 and t.tag < $3
         group by t.tag order by count(*) desc, t.tag limit $4"
    );
    ADD_DOWNLOADS_DAY = point(
        "insert into repo_download (repo_id, day, count) values ($1, $2, $3)
         on conflict (repo_id, day) do update set count = repo_download.count + excluded.count"
    );
    ADD_DOWNLOADS = point(
        "update repo set downloads = downloads + $2, downloads_all = downloads_all + $2 where id = $1"
    );
    RECOUNT_DOWNLOADS = long(
        "update repo set downloads = coalesce(
             (select cast(sum(d.count) as bigint) from repo_download d where d.repo_id = repo.id and d.day >= $1), 0)
         where downloads > 0 and id in (select o.repo_id from repo_download o where o.day < $1 and o.day >= $2)"
    );
    LIST_DOWNLOADS = point("select day, count from repo_download where repo_id = $1 and day >= $2 order by day");
}

/// A repository with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// Id inside this hub; never used again.
    pub id: i64,
    /// The 24 hexadecimal digits that clients know as `_id`.
    pub public_id: String,
    /// What it holds.
    pub kind: RepoKind,
    /// Its owner.
    pub namespace: Namespace,
    /// Its name.
    pub name: RepoName,
    /// Who may know of it.
    pub visibility: Visibility,
    /// How access to content is granted, if it is gated: `auto` or `manual`.
    pub gated: Option<String>,
    /// Why it was taken down.
    pub disabled_reason: Option<String>,
    /// Who made it.
    pub created_by: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// How many like it.
    pub likes: u64,
    /// Downloads of the last 30 days.
    pub downloads: u64,
    /// Downloads ever.
    pub downloads_all: u64,
    /// Its rank among those that draw attention now.
    pub trending: i64,
    /// Bytes of its content.
    pub used_bytes: u64,
}

impl Repo {
    /// `namespace/name`.
    pub fn path(&self) -> RepoPath {
        RepoPath { namespace: self.namespace.name.clone(), name: self.name.clone() }
    }

    /// Whether everyone may read its content.
    pub fn is_open(&self) -> bool {
        self.visibility == Visibility::Public && self.gated.is_none()
    }

    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            kind: row.parse(2)?,
            name: RepoName::from_stored(row.text(3)?),
            visibility: row.parse(4)?,
            gated: row.opt_string(5)?,
            disabled_reason: row.opt_string(6)?,
            created_by: row.opt_int(7)?,
            created_at: row.time(8)?,
            updated_at: row.time(9)?,
            likes: row.size(10)?,
            downloads: row.size(11)?,
            downloads_all: row.size(12)?,
            trending: row.int(13)?,
            used_bytes: row.size(14)?,
            namespace: Namespace::from_row(row, 15)?,
        })
    }
}

/// A repository to make.
#[derive(Debug, Clone)]
pub struct NewRepo<'a> {
    /// 24 hexadecimal digits.
    pub public_id: &'a str,
    /// What it holds.
    pub kind: RepoKind,
    /// Its owner.
    pub ns_id: i64,
    /// Its name.
    pub name: &'a RepoName,
    /// Who may know of it.
    pub visibility: Visibility,
    /// Who makes it.
    pub created_by: Option<i64>,
    /// Now.
    pub created_at: Timestamp,
}

/// Makes a repository; its id. [`crate::Error::Conflict`] says that the owner has one of this kind and name.
pub async fn insert_repo(s: &mut Session, repo: &NewRepo<'_>) -> Result<i64> {
    let fold = repo.name.fold();
    let params = values![
        repo.public_id,
        repo.kind,
        repo.ns_id,
        repo.name.as_str(),
        &fold,
        repo.visibility,
        repo.created_by,
        repo.created_at
    ];
    let id = s.one(&INSERT_REPO, &params).await?.int(0)?;
    search::put_name(s, id).await?;
    Ok(id)
}

/// By kind and folded names.
pub async fn find_repo(s: &mut Session, kind: RepoKind, ns_fold: &str, name_fold: &str) -> Result<Option<Repo>> {
    s.opt(&FIND_REPO, &values![kind, ns_fold, name_fold]).await?.map(|r| Repo::from_row(&r)).transpose()
}

/// By kind and folded names, with what one of its references points to.
pub async fn find_repo_with_ref(
    s: &mut Session,
    kind: RepoKind,
    ns_fold: &str,
    name_fold: &str,
    name: &RefName,
) -> Result<Option<(Repo, Option<Oid>)>> {
    let row = s.opt(&FIND_REPO_WITH_REF, &values![kind, ns_fold, name_fold, name]).await?;
    row.map(|r| Ok((Repo::from_row(&r)?, r.opt_oid(REPO_COLUMNS)?))).transpose()
}

/// By id.
pub async fn find_repo_by_id(s: &mut Session, id: i64) -> Result<Option<Repo>> {
    s.opt(&FIND_REPO_BY_ID, &values![id]).await?.map(|r| Repo::from_row(&r)).transpose()
}

/// Ids above `after`, in order: for walks over all repositories.
pub async fn list_repo_ids(s: &mut Session, after: i64, limit: usize) -> Result<Vec<i64>> {
    s.rows(&LIST_REPO_IDS, &values![after, limit]).await?.iter().map(|r| r.int(0)).collect()
}

/// By the id that clients know.
pub async fn find_repo_by_public_id(s: &mut Session, public_id: &str) -> Result<Option<Repo>> {
    s.opt(&FIND_REPO_BY_PUBLIC_ID, &values![public_id]).await?.map(|r| Repo::from_row(&r)).transpose()
}

/// Deletes a repository with all that is its own; events about it stay.
pub async fn delete_repo(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.exec(&DELETE_REPO, &values![id]).await? > 0)
}

/// Gives a repository another owner or name. [`crate::Error::Conflict`] says that the place is taken.
pub async fn rename_repo(s: &mut Session, id: i64, ns_id: i64, name: &RepoName, now: Timestamp) -> Result<bool> {
    let fold = name.fold();
    let found = s.exec(&RENAME_REPO, &values![id, ns_id, name.as_str(), &fold, now]).await? > 0;
    search::put_name(s, id).await?;
    Ok(found)
}

/// Changes who may know of a repository.
pub async fn set_visibility(s: &mut Session, id: i64, visibility: Visibility, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&SET_VISIBILITY, &values![id, visibility, now]).await? > 0)
}

/// Gates a repository's content (`auto`, `manual`), or opens it.
pub async fn set_gated(s: &mut Session, id: i64, gated: Option<&str>, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&SET_GATED, &values![id, gated, now]).await? > 0)
}

/// Takes a repository down with a reason, or puts it up again.
pub async fn set_disabled(s: &mut Session, id: i64, reason: Option<&str>) -> Result<bool> {
    Ok(s.exec(&SET_DISABLED, &values![id, reason]).await? > 0)
}

/// Notes that a repository changed.
pub async fn touch_repo(s: &mut Session, id: i64, now: Timestamp) -> Result<()> {
    s.exec(&TOUCH_REPO, &values![id, now]).await.map(drop)
}

/// Sets a repository's rank among those that draw attention.
pub async fn set_trending(s: &mut Session, id: i64, trending: i64) -> Result<()> {
    s.exec(&SET_TRENDING, &values![id, trending]).await.map(drop)
}

/// Adds to (or takes from) the bytes of a repository's content.
pub async fn add_used_bytes(s: &mut Session, id: i64, bytes: i64) -> Result<()> {
    s.exec(&ADD_USED_BYTES, &values![id, bytes]).await.map(drop)
}

/// Bytes of all repositories of a namespace together.
pub async fn sum_used_bytes(s: &mut Session, ns_id: i64) -> Result<u64> {
    s.one(&SUM_USED_BYTES, &values![ns_id]).await?.size(0)
}

/// What a repository's files say of it. The JSON texts are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Card {
    /// The commit that this was read from.
    pub commit: Oid,
    /// The front matter of README.md.
    pub card: Option<String>,
    /// What config.json tells.
    pub config: Option<String>,
    /// Parameters by type.
    pub safetensors: Option<String>,
    /// Facts of a GGUF file.
    pub gguf: Option<String>,
    /// The task.
    pub pipeline_tag: Option<String>,
    /// The library.
    pub library_name: Option<String>,
    /// A line or two for lists.
    pub description: Option<String>,
    /// Parameters of the weights.
    pub parameters: Option<u64>,
}

impl Card {
    fn from_row(row: &Row) -> Result<(i64, Self)> {
        let card = Self {
            commit: row.oid(1)?,
            card: row.opt_string(2)?,
            config: row.opt_string(3)?,
            safetensors: row.opt_string(4)?,
            gguf: row.opt_string(5)?,
            pipeline_tag: row.opt_string(6)?,
            library_name: row.opt_string(7)?,
            description: row.opt_string(8)?,
            parameters: row.opt_int(9)?.and_then(|n| u64::try_from(n).ok()),
        };
        Ok((row.int(0)?, card))
    }
}

/// Replaces a repository's card.
pub async fn put_card(s: &mut Session, repo: i64, card: &Card) -> Result<()> {
    let params = values![
        repo,
        &card.commit,
        card.card.as_deref(),
        card.config.as_deref(),
        card.safetensors.as_deref(),
        card.gguf.as_deref(),
        card.pipeline_tag.as_deref(),
        card.library_name.as_deref(),
        card.description.as_deref(),
        card.parameters
    ];
    s.exec(&PUT_CARD, &params).await.map(drop)
}

/// Replaces a repository's tags; their order is kept, repetitions are not.
pub async fn put_tags<T: AsRef<str>>(s: &mut Session, repo: i64, tags: &[T]) -> Result<()> {
    s.exec(&DELETE_TAGS, &values![repo]).await?;
    let sets: Vec<[Value<'_>; 3]> =
        tags.iter().enumerate().map(|(position, tag)| values![repo, tag.as_ref(), position]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
    s.exec_each(&INSERT_TAG, &sets).await.map(drop)
}

/// A repository's card, once one was made.
pub async fn find_card(s: &mut Session, repo: i64) -> Result<Option<Card>> {
    s.opt(&FIND_CARD, &values![repo]).await?.map(|r| Card::from_row(&r).map(|c| c.1)).transpose()
}

/// A repository's tags, in their order.
pub async fn list_repo_tags(s: &mut Session, repo: i64) -> Result<Vec<String>> {
    s.rows(&LIST_REPO_TAGS, &values![repo]).await?.iter().map(|r| r.string(0)).collect()
}

/// The most used tags that begin with `prefix` on public repositories of a kind, with how many have them.
pub async fn count_tagged(s: &mut Session, kind: RepoKind, prefix: &str, limit: usize) -> Result<Vec<(String, u64)>> {
    let end = format!("{prefix}\u{10ffff}");
    let rows = s.rows(&COUNT_TAGGED, &values![kind, prefix, &end, limit]).await?;
    rows.iter().map(|r| Ok((r.string(0)?, r.size(1)?))).collect()
}

/// Counts downloads; `day` is days since 1970.
pub async fn add_downloads(s: &mut Session, repo: i64, day: i64, count: u64) -> Result<()> {
    s.exec(&ADD_DOWNLOADS_DAY, &values![repo, day, count]).await?;
    s.exec(&ADD_DOWNLOADS, &values![repo, count]).await.map(drop)
}

/// Lets downloads before `first_day` drop out of the recent count, for repositories that had any in the `back` days
/// before it.
pub async fn recount_downloads(s: &mut Session, first_day: i64, back: i64) -> Result<u64> {
    s.exec(&RECOUNT_DOWNLOADS, &values![first_day, first_day.saturating_sub(back)]).await
}

/// Downloads by day since `first_day`; days without any are absent.
pub async fn list_downloads(s: &mut Session, repo: i64, first_day: i64) -> Result<Vec<(i64, u64)>> {
    let rows = s.rows(&LIST_DOWNLOADS, &values![repo, first_day]).await?;
    rows.iter().map(|r| Ok((r.int(0)?, r.size(1)?))).collect()
}

/// Whose eyes a list is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Viewer {
    /// Public repositories.
    #[default]
    Everyone,
    /// Also private ones in these namespaces.
    User {
        /// Who.
        user_id: i64,
        /// The namespaces whose private repositories they may read.
        ns_ids: Vec<i64>,
    },
    /// All repositories.
    All,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// When it was made.
    Created,
    /// When it last changed.
    Updated,
    /// Downloads of the last 30 days.
    Downloads,
    /// Likes.
    Likes,
    /// Attention now.
    #[default]
    Trending,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 5] = [Self::Created, Self::Updated, Self::Downloads, Self::Likes, Self::Trending];

    fn column(self) -> &'static str {
        match self {
            Self::Created => "r.created_at",
            Self::Updated => "r.updated_at",
            Self::Downloads => "r.downloads",
            Self::Likes => "r.likes",
            Self::Trending => "r.trending",
        }
    }

    fn value(self, repo: &Repo) -> i64 {
        let count = |v: u64| i64::try_from(v).unwrap_or(i64::MAX);
        match self {
            Self::Created => repo.created_at.0,
            Self::Updated => repo.updated_at.0,
            Self::Downloads => count(repo.downloads),
            Self::Likes => count(repo.likes),
            Self::Trending => repo.trending,
        }
    }
}

/// Where a page ends. Its text is `VALUE.ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// What the list is sorted by, of the last row.
    pub value: i64,
    /// The id of the last row.
    pub id: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.value, self.id)
    }
}

impl FromStr for Cursor {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (value, id) = text.split_once('.').ok_or(())?;
        Ok(Self { value: value.parse().map_err(drop)?, id: id.parse().map_err(drop)? })
    }
}

/// Which repositories to list. The default is all public ones, most attention first.
#[derive(Debug, Clone)]
pub struct RepoFilter {
    /// Of these kinds; of any if empty.
    pub kinds: Vec<RepoKind>,
    /// Whose `namespace/name` contains each of these, without regard to case.
    pub search: Vec<String>,
    /// Whose name contains each of `search`, or whose words include all of these. With words, either will do.
    pub words: Vec<Term>,
    /// Of this namespace, by folded name.
    pub author: Option<String>,
    /// With all of these tags.
    pub tags: Vec<String>,
    /// For this task.
    pub pipeline_tag: Option<String>,
    /// For this library.
    pub library: Option<String>,
    /// Gated or not.
    pub gated: Option<bool>,
    /// With at least and at most so many parameters.
    pub parameters: (Option<u64>, Option<u64>),
    /// Only of these ids.
    pub ids: Option<Vec<i64>>,
    /// Whose eyes it is for.
    pub viewer: Viewer,
    /// The order; equal ones by id.
    pub sort: Sort,
    /// Smallest first instead of largest.
    pub ascending: bool,
    /// At most this many, and at most [`PAGE_MAX`].
    pub limit: usize,
    /// After the page that ended here.
    pub after: Option<Cursor>,
}

impl Default for RepoFilter {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            search: Vec::new(),
            words: Vec::new(),
            author: None,
            tags: Vec::new(),
            pipeline_tag: None,
            library: None,
            gated: None,
            parameters: (None, None),
            ids: None,
            viewer: Viewer::Everyone,
            sort: Sort::default(),
            ascending: false,
            limit: PAGE_MAX,
            after: None,
        }
    }
}

/// One repository of a list.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The repository.
    pub repo: Repo,
    /// Its main branch.
    pub head: Option<Oid>,
    /// Its card.
    pub card: Option<Card>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// A page of repositories.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// In the order asked.
    pub items: Vec<Listed>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// Conditions and their parameters, in step.
pub(crate) struct Conditions<'a> {
    pub(crate) text: String,
    pub(crate) params: Vec<Value<'a>>,
    pub(crate) postgres: bool,
}

impl<'a> Conditions<'a> {
    pub(crate) fn new(postgres: bool) -> Self {
        Self { text: String::new(), params: Vec::new(), postgres }
    }

    pub(crate) fn bind(&mut self, value: impl Into<Value<'a>>) -> String {
        self.params.push(value.into());
        format!("${}", self.params.len())
    }

    pub(crate) fn and(&mut self, condition: &str) {
        self.text.push_str(if self.text.is_empty() { " where " } else { " and " });
        self.text.push_str(condition);
    }

    pub(crate) fn any_of(&mut self, column: &str, ids: &'a [i64]) -> String {
        let p = self.bind(Value::Ints(ids));
        if self.postgres {
            format!("{column} = any({p})")
        } else {
            format!("{column} in (select value from json_each({p}))")
        }
    }

    pub(crate) fn viewer(&mut self, viewer: &'a Viewer) {
        match viewer {
            Viewer::Everyone => self.and("r.visibility = 'public'"),
            Viewer::All => {}
            Viewer::User { ns_ids, .. } => {
                let own = self.any_of("r.ns_id", ns_ids);
                self.and(&format!("(r.visibility = 'public' or {own})"));
            }
        }
    }
}

/// The substring pattern of a word: `!` takes the meaning from `%`, `_` and itself.
pub(crate) fn pattern(word: &str) -> String {
    let mut out = String::from("%");
    for c in word.chars() {
        if matches!(c, '%' | '_' | '!') {
            out.push('!');
        }
        out.extend(c.to_lowercase());
    }
    out.push('%');
    out
}

/// What a list on SQLite starts from. Its planner knows nothing of how rare a value is; we look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The index of the order, until the page is full: quick if many rows fit.
    Order,
    /// All that have this tag, then sorted: quick if few have it.
    Tag(usize),
    /// All of this task.
    Task,
    /// All for this library.
    Library,
    /// All of this owner.
    Author,
    /// All that the index of names or words finds.
    Found,
}

/// What the search words of a list are to the database.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// For `like`; empty when words will do as well.
    patterns: Vec<String>,
    /// For the index of names.
    name: Option<String>,
    /// For the index of words.
    words: Option<String>,
    /// So many have them that each row is looked up as the list comes to it.
    pub(crate) each: bool,
}

impl Search {
    pub(crate) fn new(filter: &RepoFilter, postgres: bool) -> Self {
        let words = search::expression(&filter.words, postgres);
        let parts: Vec<String> = filter.search.iter().map(|w| w.to_lowercase()).filter(|w| !w.is_empty()).collect();
        let indexed = parts.iter().all(|p| search::occurs_in_names(p));
        let terms: Vec<Term> = parts.iter().flat_map(|p| search::name_terms(p)).collect();
        let name = if indexed { search::expression(&terms, postgres) } else { None };
        // Either will do: what only the index can say is enough. If not, it only narrows down.
        let patterns = if words.is_some() { Vec::new() } else { parts.iter().map(|w| pattern(w)).collect() };
        Self { patterns, name, words, each: false }
    }

    /// Looks how many repositories the indices on SQLite find, up to `few`; whether it is fewer.
    async fn probe(&mut self, s: &mut Session, few: usize) -> Result<bool> {
        let mut count = 0;
        if let Some(name) = &self.name {
            let found = s.one(&search::PROBE_NAME, &values![name, few]).await?.size(0)?;
            if found == 0 && self.words.is_some() {
                self.name = None;
            }
            count += found;
        }
        if let Some(words) = &self.words {
            // One in eight: then a page is full before many rows were looked up, and finding them all would take long.
            let many = s.one(&search::LAST_REPO, &[]).await?.size(0)? / 8;
            let most = (few as u64).max(many);
            let found = s.one(&search::PROBE_TEXT, &values![words, most]).await?.size(0)?;
            self.each = found >= most;
            count += found;
        }
        Ok((self.name.is_some() || self.words.is_some()) && count < few as u64)
    }

    /// The ids that the indices find, as a query; `None` if they are not asked.
    fn found<'a>(&'a self, c: &mut Conditions<'a>) -> Option<String> {
        let mut all = Vec::new();
        for (table, column, query) in [("repo_name", "grams", &self.name), ("repo_text", "words", &self.words)] {
            if let Some(query) = query {
                let p = c.bind(query);
                all.push(if self.each {
                    format!("exists (select 1 from {table} where {table} match {p} and rowid = r.id)")
                } else if c.postgres {
                    format!("select repo_id as id from {table} where {column} @@ {p}::text::tsquery")
                } else {
                    format!("select rowid as id from {table} where {table} match {p}")
                });
            }
        }
        let joint = if self.each { " or " } else { " union " };
        (!all.is_empty()).then(|| all.join(joint))
    }
}

/// Rows that are sorted sooner than they are searched for in the order of the list.
const FEW: usize = 4000;

/// Where a list on SQLite should start.
pub(crate) async fn choose_start(s: &mut Session, filter: &RepoFilter, search: &mut Search) -> Result<Start> {
    let mut candidates: Vec<(Start, &Sql, &str)> = Vec::new();
    candidates.extend(filter.author.as_deref().map(|a| (Start::Author, &PROBE_AUTHOR, a)));
    candidates.extend(filter.tags.iter().enumerate().map(|(i, t)| (Start::Tag(i), &PROBE_TAG, t.as_str())));
    candidates.extend(filter.pipeline_tag.as_deref().map(|t| (Start::Task, &PROBE_TASK, t)));
    candidates.extend(filter.library.as_deref().map(|l| (Start::Library, &PROBE_LIBRARY, l)));
    let mut best = (FEW, Start::Order);
    for (start, probe, value) in candidates {
        // Counting stops where it can no longer be the best.
        let count = s.one(probe, &values![value, best.0]).await?.int(0)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count < best.0 {
            best = (count, start);
        }
    }
    if search.probe(s, best.0).await? {
        best.1 = Start::Found;
    }
    Ok(best.1)
}

/// Where the rows of a list of one kind come from, and what they must be.
pub(crate) fn list_source<'a>(
    filter: &'a RepoFilter,
    kind: RepoKind,
    search: &'a Search,
    start: Start,
    postgres: bool,
) -> (String, Conditions<'a>) {
    let mut c = Conditions::new(postgres);
    let found = search.found(&mut c);
    // On SQLite `cross join` is a join whose order is kept.
    let from = match start {
        Start::Order => "repo r".to_owned(),
        Start::Tag(_) => "repo_tag w cross join repo r on r.id = w.repo_id".to_owned(),
        Start::Task | Start::Library => "repo_card w cross join repo r on r.id = w.repo_id".to_owned(),
        Start::Author => "namespace w cross join repo r on r.ns_id = w.id".to_owned(),
        Start::Found => {
            format!("({}) w cross join repo r on r.id = w.id", found.as_deref().unwrap_or("select 0 as id"))
        }
    };
    let p = c.bind(kind);
    c.and(&format!("r.kind = {p}"));
    c.viewer(&filter.viewer);
    if let Some(author) = &filter.author {
        let p = c.bind(author);
        c.and(&match start {
            Start::Author => format!("w.fold = {p}"),
            _ => format!("r.ns_id = (select a.id from namespace a where a.fold = {p})"),
        });
    }
    // Many rows fit, so walking the order finds them soon; with words only the index knows which.
    if let Some(found) = found
        && start != Start::Found
        && (postgres || search.words.is_some())
    {
        c.and(&if search.each { format!("({found})") } else { format!("r.id in ({found})") });
    }
    for pattern in &search.patterns {
        let p = c.bind(pattern);
        c.and(&format!("r.search like {p} escape '!'"));
    }
    for (i, tag) in filter.tags.iter().enumerate() {
        let p = c.bind(tag);
        c.and(&if start == Start::Tag(i) {
            format!("w.tag = {p}")
        } else {
            format!("exists (select 1 from repo_tag t where t.repo_id = r.id and t.tag = {p})")
        });
    }
    let of_card =
        [(Start::Task, "pipeline_tag", &filter.pipeline_tag), (Start::Library, "library_name", &filter.library)];
    for (here, column, wanted) in of_card {
        if let Some(wanted) = wanted {
            let p = c.bind(wanted);
            c.and(&if start == here {
                format!("w.{column} = {p}")
            } else {
                format!("exists (select 1 from repo_card d where d.repo_id = r.id and d.{column} = {p})")
            });
        }
    }
    match filter.gated {
        None => {}
        Some(true) => c.and("r.gated is not null"),
        Some(false) => c.and("r.gated is null"),
    }
    for (bound, sign) in [(filter.parameters.0, ">="), (filter.parameters.1, "<=")] {
        if let Some(bound) = bound {
            let p = c.bind(bound);
            c.and(&format!("exists (select 1 from repo_card d where d.repo_id = r.id and d.parameters {sign} {p})"));
        }
    }
    if let Some(ids) = &filter.ids {
        let any = c.any_of("r.id", ids);
        c.and(&any);
    }
    (from, c)
}

/// The statement of a list of one kind and its parameters.
fn list_statement<'a>(
    filter: &'a RepoFilter,
    kind: RepoKind,
    search: &'a Search,
    start: Start,
    postgres: bool,
) -> (Sql, Vec<Value<'a>>) {
    let (from, mut c) = list_source(filter, kind, search, start, postgres);
    let join = if postgres { "join" } else { "cross join" };
    // A plus keeps SQLite from walking the order's index all the same, in the hope of not having to sort.
    let column = format!("{}{}", if start == Start::Order { "" } else { "+" }, filter.sort.column());
    let (order, beyond) = if filter.ascending { ("asc", ">") } else { ("desc", "<") };
    if let Some(after) = filter.after {
        let (value, id) = (c.bind(after.value), c.bind(after.id));
        c.and(&format!("({column}, r.id) {beyond} ({value}, {id})"));
    }
    let limit = c.bind(filter.limit.min(PAGE_MAX) + 1);
    let text = format!(
        "select {} from {from} {join} namespace n on n.id = r.ns_id{} order by {column} {order}, r.id {order} limit {limit}",
        repo_columns!(),
        c.text
    );
    (Sql::built("repos::list_repos", text, true), c.params)
}

/// A page of repositories, each with its main branch, card and tags.
pub async fn list_repos(s: &mut Session, filter: &RepoFilter) -> Result<Page> {
    let mut search = Search::new(filter, s.is_postgres());
    let start = if s.is_postgres() { Start::Order } else { choose_start(s, filter, &mut search).await? };
    // Kind by kind, because the indices of the orders begin with the kind; then merged.
    let kinds = if filter.kinds.is_empty() { &RepoKind::ALL[..] } else { &filter.kinds };
    let mut repos = Vec::new();
    for kind in kinds {
        let (sql, params) = list_statement(filter, *kind, &search, start, s.is_postgres());
        for row in s.rows(&sql, &params).await? {
            repos.push(Repo::from_row(&row)?);
        }
    }
    let key = |r: &Repo| (filter.sort.value(r), r.id);
    if filter.ascending {
        repos.sort_unstable_by_key(key);
    } else {
        repos.sort_unstable_by_key(|r| std::cmp::Reverse(key(r)));
    }
    let limit = filter.limit.min(PAGE_MAX);
    let next = if repos.len() > limit {
        repos.truncate(limit);
        repos.last().map(|r| Cursor { value: filter.sort.value(r), id: r.id })
    } else {
        None
    };
    let items = dress(s, repos).await?;
    Ok(Page { items, next })
}

/// Adds main branches, cards and tags: one query each, however many repositories.
async fn dress(s: &mut Session, repos: Vec<Repo>) -> Result<Vec<Listed>> {
    if repos.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = repos.iter().map(|r| r.id).collect();
    let mut cards = HashMap::new();
    for row in s.rows(&LIST_CARDS, &[Value::Ints(&ids)]).await? {
        let (repo, card) = Card::from_row(&row)?;
        cards.insert(repo, card);
    }
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    for row in s.rows(&LIST_TAGS, &[Value::Ints(&ids)]).await? {
        tags.entry(row.int(0)?).or_default().push(row.string(1)?);
    }
    let mut heads = HashMap::new();
    let main = RefName::main();
    for row in s.rows(&LIST_HEADS, &[Value::Ints(&ids), Value::from(&main)]).await? {
        heads.insert(row.int(0)?, row.oid(1)?);
    }
    let one = |repo: Repo| Listed {
        head: heads.remove(&repo.id),
        card: cards.remove(&repo.id),
        tags: tags.remove(&repo.id).unwrap_or_default(),
        repo,
    };
    Ok(repos.into_iter().map(one).collect())
}

/// How many repositories of a kind a namespace has, as far as the viewer may know.
pub async fn count_repos(s: &mut Session, ns_id: i64, kind: RepoKind, viewer: &Viewer) -> Result<u64> {
    let mut c = Conditions { text: String::new(), params: Vec::new(), postgres: s.is_postgres() };
    let (ns, kind) = (c.bind(ns_id), c.bind(kind));
    c.and(&format!("r.ns_id = {ns} and r.kind = {kind}"));
    c.viewer(viewer);
    let sql = Sql::built("repos::count_repos", format!("select count(*) from repo r{}", c.text), true);
    s.one(&sql, &c.params).await?.size(0)
}

/// Lists of every shape, for the test that prepares all statements.
pub(crate) fn list_shapes(postgres: bool) -> Vec<Sql> {
    let starts: &[Start] = if postgres {
        &[Start::Order]
    } else {
        &[Start::Order, Start::Tag(1), Start::Task, Start::Library, Start::Author, Start::Found]
    };
    let mut out = Vec::new();
    for (sort, start) in Sort::ALL.into_iter().flat_map(|sort| starts.iter().map(move |start| (sort, *start))) {
        for bits in 0..64_u32 {
            let on = |bit: u32| bits & (1 << bit) != 0;
            let filter = RepoFilter {
                author: (on(0) || start == Start::Author).then(String::new),
                tags: if on(1) || start == Start::Tag(1) { vec![String::new(); 2] } else { Vec::new() },
                pipeline_tag: (on(2) || start == Start::Task).then(String::new),
                library: (on(0) || start == Start::Library).then(String::new),
                gated: on(3).then_some(on(4)),
                parameters: (on(2).then_some(1), on(3).then_some(2)),
                ids: on(4).then(Vec::new),
                viewer: if on(5) { Viewer::User { user_id: 1, ns_ids: vec![1] } } else { Viewer::Everyone },
                sort,
                ascending: on(3),
                after: on(5).then_some(Cursor { value: 1, id: 1 }),
                ..RepoFilter::default()
            };
            let found = start == Start::Found;
            let filter = RepoFilter {
                search: if on(4) || found { vec!["abcd".to_owned(), "b".to_owned()] } else { Vec::new() },
                words: if on(1) && (found || start == Start::Order) {
                    vec![Term::Prefix("c".to_owned())]
                } else {
                    Vec::new()
                },
                ..filter
            };
            let mut search = Search::new(&filter, postgres);
            search.each = on(0) && start == Start::Order && !postgres;
            out.push(list_statement(&filter, RepoKind::Model, &search, start, postgres).0);
        }
    }
    out
}
