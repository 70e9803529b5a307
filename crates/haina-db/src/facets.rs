//! How many repositories of a list have each tag.

use haina_types::RepoKind;

use crate::lists::{Search, Start, choose_start, list_source};
use crate::repos::{RepoFilter, Viewer};
use crate::sql::{Row, Sql, Value, statements};
use crate::{Result, Session};

/// Most tags of one answer.
const TAGS_MAX: usize = 20_000;
/// Most repositories that are counted at once where each must be looked up in the index of words.
const LOOKED_UP_MAX: usize = 100;

statements! {
    COUNT_TAGS_OF = long_pair(
        "select t.tag, count(*) from json_each($1) j cross join repo_tag t on t.repo_id = j.value
         group by t.tag order by count(*) desc, t.tag limit $2",
        "select t.tag, count(*) from repo_tag t where t.repo_id = any($1)
         group by t.tag order by count(*) desc, t.tag limit $2"
    );
}

/// Which of the repositories that a filter finds are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The public ones, whoever asks.
    Public,
    /// Those that are not public, as far as the viewer of the filter may know them.
    Own,
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Repositories that were looked at.
    pub repos: u64,
    /// Whether they are all there are.
    pub complete: bool,
    /// Tags and how many have them, the most frequent first.
    pub tags: Vec<(String, u64)>,
}

/// The repositories of a part, at most `limit` in the order of the list, as a query of their ids.
fn chosen<'a>(
    filter: &'a RepoFilter,
    kind: RepoKind,
    part: Part,
    search: &'a Search,
    start: Start,
    limit: Option<usize>,
    postgres: bool,
) -> (String, Vec<Value<'a>>) {
    let (from, mut c) = list_source(filter, kind, search, start, postgres);
    c.and(match part {
        Part::Public => "r.visibility = 'public'",
        Part::Own => "r.visibility <> 'public'",
    });
    // Said once more by itself: then SQLite looks in the index of what is not public.
    if let (Part::Own, Viewer::User { ns_ids, .. }) = (part, &filter.viewer) {
        let own = c.any_of("r.ns_id", ns_ids);
        c.and(&own);
    }
    let order = match limit {
        Some(limit) => {
            let limit = c.bind(limit);
            let plus = if start == Start::Order && part == Part::Public { "" } else { "+" };
            format!(" order by {plus}r.trending desc, r.id desc limit {limit}")
        }
        None => String::new(),
    };
    (format!("select r.id as id from {from}{}{order}", c.text), c.params)
}

/// How many there are in all, and how many have each tag.
fn all<'a>(
    filter: &'a RepoFilter,
    kind: RepoKind,
    part: Part,
    search: &'a Search,
    start: Start,
    postgres: bool,
) -> (Sql, Sql, Vec<Value<'a>>) {
    let (chosen, params) = chosen(filter, kind, part, search, start, None, postgres);
    let count = format!("select count(*) from ({chosen}) x");
    let join = if postgres { "join" } else { "cross join" };
    let tags = format!(
        "select t.tag, count(*) from ({chosen}) x {join} repo_tag t on t.repo_id = x.id
         group by t.tag order by count(*) desc, t.tag limit {TAGS_MAX}"
    );
    (Sql::built("facets::count", count, true), Sql::built("facets::tags", tags, true), params)
}

/// Counts the tags of a part of what a filter finds of one kind: of all of it, or of the first `limit` repositories in the
/// order of attention.
pub async fn tally(
    s: &mut Session,
    filter: &RepoFilter,
    kind: RepoKind,
    part: Part,
    limit: Option<usize>,
) -> Result<Tally> {
    if part == Part::Own && filter.viewer == Viewer::Everyone {
        return Ok(Tally { repos: 0, complete: true, tags: Vec::new() });
    }
    let postgres = s.is_postgres();
    let mut search = Search::new(filter, postgres);
    let start = match part {
        Part::Public if !postgres => choose_start(s, filter, &mut search).await?,
        _ => Start::Order,
    };
    let read = |row: &Row| Ok((row.string(0)?, row.size(1)?));
    let Some(limit) = limit else {
        let (count, tags, params) = all(filter, kind, part, &search, start, postgres);
        let repos = s.one(&count, &params).await?.size(0)?;
        let tags = s.rows(&tags, &params).await?.iter().map(read).collect::<Result<_>>()?;
        return Ok(Tally { repos, complete: true, tags });
    };
    let limit = if search.each { limit.min(LOOKED_UP_MAX) } else { limit };
    let (chosen, params) = chosen(filter, kind, part, &search, start, Some(limit), postgres);
    let ids = s.rows(&Sql::built("facets::first", chosen, true), &params).await?;
    let ids = ids.iter().map(|row| row.int(0)).collect::<Result<Vec<i64>>>()?;
    let rows = match ids.is_empty() {
        true => Vec::new(),
        false => s.rows(&COUNT_TAGS_OF, &[Value::Ints(&ids), TAGS_MAX.into()]).await?,
    };
    let tags = rows.iter().map(read).collect::<Result<_>>()?;
    Ok(Tally { repos: ids.len() as u64, complete: ids.len() < limit, tags })
}

/// Statements of every shape, for the test that prepares all.
pub(crate) fn shapes(postgres: bool) -> Vec<Sql> {
    let filter = RepoFilter {
        author: Some(String::new()),
        tags: vec![String::new()],
        viewer: Viewer::User { user_id: 1, ns_ids: vec![1], group_ids: vec![1] },
        ..RepoFilter::default()
    };
    let search = Search::new(&filter, postgres);
    let mut out = Vec::new();
    for part in [Part::Public, Part::Own] {
        let start = if postgres || part == Part::Own { Start::Order } else { Start::Tag(0) };
        let (count, tags, _) = all(&filter, RepoKind::Model, part, &search, start, postgres);
        let (first, _) = chosen(&filter, RepoKind::Model, part, &search, start, Some(1), postgres);
        out.extend([count, tags, Sql::built("facets::first", first, true)]);
    }
    out
}
