//! Repositories, their cards and tags; what lists of them are asked by.

use std::fmt;
use std::str::FromStr;

use haina_types::{Oid, RefName, RepoKind, RepoName, RepoPath, Timestamp, Visibility};

use crate::git_usage;
pub use crate::lists::list_repos;
use crate::people::{Namespace, namespace_columns};
use crate::search::{self, Term};
use crate::sql::{Row, Sql, Value, statements, values};
use crate::{Result, Session};

/// Columns of [`Repo`] from tables `r` and `n`.
macro_rules! repo_columns {
    () => {
        concat!(
            "r.id, r.public_id, r.kind, r.name, r.visibility, r.gated, r.disabled_reason, r.created_by, r.created_at, ",
            "r.updated_at, r.likes, r.downloads, r.downloads_all, r.trending, r.used_bytes, r.group_id, ",
            namespace_columns!()
        )
    };
}
pub(crate) use repo_columns;
/// How many they are.
pub(crate) const REPO_COLUMNS: usize = 21;
/// Most rows of one page.
pub const PAGE_MAX: usize = 1000;

statements! {
    INSERT_REPO = point(
        "insert into repo (public_id, kind, ns_id, name, fold, search, visibility, created_by, created_at, updated_at,
             group_id, likes, downloads, downloads_all, trending, used_bytes)
         select $1, $2, n.id, $4, $5, n.fold || '/' || $5, $6, $7, $8, $8, $9, 0, 0, 0, 0, 0 from namespace n where n.id = $3
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
             group_id = case ns_id when $2 then group_id end,
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
    /// The resource group of its organization that it is in.
    pub group_id: Option<i64>,
}

impl Repo {
    /// Whose stored content an upload may build upon: its owner's, or its group's alone. What is in a group must not
    /// be found chunk by chunk from outside of it.
    pub fn domain(&self) -> i64 {
        self.group_id.map_or(self.namespace.id, |group| -group)
    }

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
            group_id: row.opt_int(15)?,
            namespace: Namespace::from_row(row, 16)?,
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
    /// The resource group that it is in.
    pub group_id: Option<i64>,
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
        repo.created_at,
        repo.group_id
    ];
    let id = s.one(&INSERT_REPO, &params).await?.int(0)?;
    search::put_name(s, id).await?;
    s.note_repo(repo.ns_id);
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
    git_usage::note_deletion(s, id).await?;
    Ok(s.exec(&DELETE_REPO, &values![id]).await? > 0)
}

/// Gives a repository another owner or name. [`crate::Error::Conflict`] says that the place is taken.
pub async fn rename_repo(s: &mut Session, id: i64, ns_id: i64, name: &RepoName, now: Timestamp) -> Result<bool> {
    let fold = name.fold();
    git_usage::note_move(s, id).await?;
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
    pub(crate) fn from_row(row: &Row) -> Result<(i64, Self)> {
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
        /// The resource groups whose private repositories they may read; of others there, they know nothing.
        group_ids: Vec<i64>,
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

    pub(crate) fn column(self) -> &'static str {
        match self {
            Self::Created => "r.created_at",
            Self::Updated => "r.updated_at",
            Self::Downloads => "r.downloads",
            Self::Likes => "r.likes",
            Self::Trending => "r.trending",
        }
    }

    pub(crate) fn value(self, repo: &Repo) -> i64 {
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
            Viewer::User { .. } => {
                let own = self.own(viewer);
                self.and(&format!("(r.visibility = 'public' or {own})"));
            }
        }
    }

    /// Repositories in which the viewer has a part: of their namespaces, and if in a group, of their groups.
    pub(crate) fn own(&mut self, viewer: &'a Viewer) -> String {
        let Viewer::User { ns_ids, group_ids, .. } = viewer else { return "1 = 0".to_owned() };
        let own = self.any_of("r.ns_id", ns_ids);
        if group_ids.is_empty() {
            return format!("({own} and r.group_id is null)");
        }
        let among = self.any_of("r.group_id", group_ids);
        format!("({own} and (r.group_id is null or {among}))")
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

/// How many repositories of a kind a namespace has, as far as the viewer may know.
pub async fn count_repos(s: &mut Session, ns_id: i64, kind: RepoKind, viewer: &Viewer) -> Result<u64> {
    let mut c = Conditions { text: String::new(), params: Vec::new(), postgres: s.is_postgres() };
    let (ns, kind) = (c.bind(ns_id), c.bind(kind));
    c.and(&format!("r.ns_id = {ns} and r.kind = {kind}"));
    c.viewer(viewer);
    let sql = Sql::built("repos::count_repos", format!("select count(*) from repo r{}", c.text), true);
    s.one(&sql, &c.params).await?.size(0)
}
