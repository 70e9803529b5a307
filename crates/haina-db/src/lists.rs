//! Lists of repositories: filtered, sorted, searched, page by page.
//!
//! PostgreSQL plans by what it knows of the values. SQLite's planner does not know how rare one is, so that we look,
//! and say where to start.

use std::collections::HashMap;

use haina_types::{RefName, RepoKind};

use crate::people::namespace_columns;
use crate::repos::{
    Card, Conditions, Cursor, LIST_CARDS, LIST_HEADS, LIST_TAGS, Listed, PAGE_MAX, PROBE_AUTHOR, PROBE_LIBRARY,
    PROBE_TAG, PROBE_TASK, Page, Repo, RepoFilter, pattern, repo_columns,
};
use crate::repos::{Sort, Viewer};
use crate::search::{self, Term};
use crate::sql::{Sql, Value, values};
use crate::{Result, Session};

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
    /// So many rows of the order, after that many.
    Window {
        /// How many are left out.
        after: usize,
        /// How many are looked at.
        rows: usize,
    },
}

/// So many repositories with the words of a search are looked for in their order; fewer are found first and then sorted.
const MANY: usize = 1000;
/// Rows of the order that are looked at before the index of words is asked all the same.
const SCAN_MAX: usize = 12_000;
/// The first rows that are looked at, and the most at once.
const WINDOW: (usize, usize) = (100, 4096);

/// What the search words of a list are to the database.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// For `like`; empty when words will do as well.
    patterns: Vec<String>,
    /// For the index of names.
    name: Option<String>,
    /// What a row's own name has to be like, where it may be found by its words too.
    parts: Vec<String>,
    /// For the index of words.
    words: Option<String>,
    /// The same without beginnings of words: for those the index of SQLite puts all lists together that there are.
    whole: Option<String>,
    /// What a row's own words must contain, for [`search::contains`]: beginnings, and all.
    begun: Vec<String>,
    all: Vec<String>,
    /// So many have them that each row is looked at as the list comes to it.
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
        let patterns: Vec<String> = parts.iter().map(|w| pattern(w)).collect();
        let (patterns, parts) = if words.is_some() { (Vec::new(), patterns) } else { (patterns, Vec::new()) };
        let (begun, whole): (Vec<Term>, Vec<Term>) =
            filter.words.iter().cloned().partition(|term| matches!(term, Term::Prefix(_)));
        Self {
            patterns,
            name,
            parts,
            words,
            whole: search::expression(&whole, postgres),
            begun: search::contained(&begun),
            all: search::contained(&filter.words),
            each: false,
        }
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
        if self.words.is_some() {
            let found = match &self.whole {
                Some(whole) => s.one(&search::PROBE_TEXT, &values![whole, MANY]).await?.size(0)?,
                // What has just been begun is as a rule the beginning of much.
                None => MANY as u64,
            };
            self.each = found >= MANY as u64;
            count += found;
        }
        Ok((self.name.is_some() || self.words.is_some()) && !self.each && count < few as u64)
    }

    /// The ids that the indices find, as a query; `None` if they are not asked.
    fn found<'a>(&'a self, c: &mut Conditions<'a>) -> Option<String> {
        let mut all = Vec::new();
        if let Some(name) = &self.name {
            let p = c.bind(name);
            all.push(match c.postgres {
                true => format!("select repo_id as id from repo_name where grams @@ {p}::text::tsquery"),
                false => format!("select rowid as id from repo_name where repo_name match {p}"),
            });
        }
        if let Some(words) = &self.words {
            all.push(match &self.whole {
                _ if c.postgres => {
                    let p = c.bind(words);
                    format!("select repo_id as id from repo_text where words @@ {p}::text::tsquery")
                }
                Some(whole) if !self.begun.is_empty() => {
                    let p = c.bind(whole);
                    let contains = search::contains(c, &self.begun);
                    format!(
                        "select w.rowid as id from repo_text w cross join repo_text_state t on t.repo_id = w.rowid
                         where w.repo_text match {p} and {contains}"
                    )
                }
                _ => {
                    let p = c.bind(words);
                    format!("select rowid as id from repo_text where repo_text match {p}")
                }
            });
        }
        (!all.is_empty()).then(|| all.join(" union "))
    }

    /// What a row `r` on SQLite must be that the indices would find.
    fn holds<'a>(&'a self, c: &mut Conditions<'a>) -> String {
        let contains = search::contains(c, &self.all);
        let words = format!("exists (select 1 from repo_text_state t where t.repo_id = r.id and {contains})");
        if self.name.is_none() || self.parts.is_empty() {
            return words;
        }
        let like: Vec<String> =
            self.parts.iter().map(|part| format!("r.search like {} escape '!'", c.bind(part))).collect();
        format!("({} or {words})", like.join(" and "))
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
    let found = if search.each { None } else { search.found(&mut c) };
    // On SQLite `cross join` is a join whose order is kept.
    let from = match start {
        Start::Window { after, rows } => {
            let (column, (order, beyond)) = (filter.sort.column(), direction(filter));
            let p = c.bind(kind);
            let mut inner = format!("r.kind = {p}");
            if let Some(cursor) = filter.after {
                let (value, id) = (c.bind(cursor.value), c.bind(cursor.id));
                inner.push_str(&format!(" and ({column}, r.id) {beyond} ({value}, {id})"));
            }
            let (rows, after) = (c.bind(rows), c.bind(after));
            format!(
                "(select r.id as id from repo r where {inner} order by {column} {order}, r.id {order}
                 limit {rows} offset {after}) w cross join repo r on r.id = w.id"
            )
        }
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
    if search.each {
        let holds = search.holds(&mut c);
        c.and(&holds);
    } else if let Some(found) = found
        && start != Start::Found
        && (postgres || search.words.is_some())
    {
        c.and(&format!("r.id in ({found})"));
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
    let (order, beyond) = direction(filter);
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

/// The direction of a list, and where its next row lies.
fn direction(filter: &RepoFilter) -> (&'static str, &'static str) {
    if filter.ascending { ("asc", ">") } else { ("desc", "<") }
}

/// Looks at the rows of the order themselves, in growing parts, until the page is full. `None` if that would take long.
async fn scan(s: &mut Session, filter: &RepoFilter, kind: RepoKind, search: &Search) -> Result<Option<Vec<Repo>>> {
    let wanted = filter.limit.min(PAGE_MAX) + 1;
    let total = usize::try_from(s.one(&search::LAST_REPO, &[]).await?.int(0)?).unwrap_or(usize::MAX);
    let (mut after, mut rows) = (0, WINDOW.0);
    let mut found = Vec::new();
    loop {
        let (sql, params) = list_statement(filter, kind, search, Start::Window { after, rows }, false);
        for row in s.rows(&sql, &params).await? {
            found.push(Repo::from_row(&row)?);
        }
        after += rows;
        if found.len() >= wanted || after >= total {
            found.truncate(wanted);
            return Ok(Some(found));
        }
        // So many rows, if it goes on like this.
        let reach = match found.len() {
            0 if after < 6 * WINDOW.0 => after * 4,
            0 => usize::MAX,
            n => after.saturating_mul(wanted) / n,
        };
        let reach = reach.min(total);
        if reach > SCAN_MAX {
            return Ok(None);
        }
        rows = (reach + reach / 4).saturating_sub(after).clamp(WINDOW.0, WINDOW.1);
    }
}

/// A page of repositories, each with its main branch, card and tags.
pub async fn list_repos(s: &mut Session, filter: &RepoFilter) -> Result<Page> {
    let mut search = Search::new(filter, s.is_postgres());
    let mut start = if s.is_postgres() { Start::Order } else { choose_start(s, filter, &mut search).await? };
    // Kind by kind, because the indices of the orders begin with the kind; then merged.
    let kinds = if filter.kinds.is_empty() { &RepoKind::ALL[..] } else { &filter.kinds };
    let mut repos = Vec::new();
    for kind in kinds {
        if search.each && start == Start::Order {
            if let Some(found) = scan(s, filter, *kind, &search).await? {
                repos.extend(found);
                continue;
            }
            // Also for the other kinds, so that pages of all of them are alike.
            (search.each, start) = (false, Start::Found);
        }
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

/// Lists of every shape, for the test that prepares all statements.
pub(crate) fn list_shapes(postgres: bool) -> Vec<Sql> {
    let starts: &[Start] = if postgres {
        &[Start::Order]
    } else {
        &[
            Start::Order,
            Start::Tag(1),
            Start::Task,
            Start::Library,
            Start::Author,
            Start::Found,
            Start::Window { after: 1, rows: 2 },
        ]
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
                viewer: if on(5) {
                    Viewer::User { user_id: 1, ns_ids: vec![1], group_ids: if on(3) { vec![1] } else { Vec::new() } }
                } else {
                    Viewer::Everyone
                },
                sort,
                ascending: on(3),
                after: on(5).then_some(Cursor { value: 1, id: 1 }),
                ..RepoFilter::default()
            };
            let found = start == Start::Found;
            let filter = RepoFilter {
                search: if on(4) || found { vec!["abcd".to_owned(), "b".to_owned()] } else { Vec::new() },
                words: if on(1) && (found || matches!(start, Start::Order | Start::Window { .. })) {
                    vec![Term::Prefix("c".to_owned())]
                } else {
                    Vec::new()
                },
                ..filter
            };
            let mut search = Search::new(&filter, postgres);
            search.each = on(0) && !found && !filter.words.is_empty() && !postgres;
            out.push(list_statement(&filter, RepoKind::Model, &search, start, postgres).0);
        }
    }
    out
}
