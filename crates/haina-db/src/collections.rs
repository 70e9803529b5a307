//! Collections: ordered lists of repositories, papers and other collections, with notes.

use haina_types::Timestamp;

use crate::people::{Namespace, namespace_columns};
use crate::repos::{Conditions, Cursor, Viewer, pattern};
use crate::sql::{Row, Sql, Value, statements, values};
use crate::{Result, Session};

/// Columns of [`Collection`] from tables `c` and `n`.
macro_rules! collection_columns {
    () => {
        concat!(
            "c.id, c.public_id, c.title, c.description, c.private, c.theme, c.position, c.upvotes, c.created_at, ",
            "c.updated_at, (select count(*) from collection_item x where x.collection_id = c.id), ",
            namespace_columns!()
        )
    };
}
/// Columns of [`Item`] from table `i`.
macro_rules! item_columns {
    () => {
        "i.id, i.public_id, i.collection_id, i.item, i.repo_id, i.target_id, i.position, i.note, i.note_html"
    };
}
/// Most collections of one page.
pub const PAGE_MAX: usize = 100;

statements! {
    INSERT = point(
        "insert into collection (public_id, ns_id, title, description, private, theme, position, upvotes, created_by,
             created_at, updated_at)
         select $1, $2, $3, $4, $5, $6,
             (select coalesce(max(c.position) + 1, 0) from collection c where c.ns_id = $2), 0, $7, $8, $8
         from namespace n where n.id = $2 returning id"
    );
    FIND_BY_PUBLIC_ID = point(concat!(
        "select ", collection_columns!(), " from collection c join namespace n on n.id = c.ns_id where c.public_id = $1"
    ));
    FIND_BY_TITLE = point(concat!(
        "select ", collection_columns!(), " from collection c join namespace n on n.id = c.ns_id
         where c.ns_id = $1 and c.title = $2"
    ));
    LOCK = pair("select id from collection where id = $1", "select id from collection where id = $1 for update");
    LOCK_OWNER = pair("select id from namespace where id = $1", "select id from namespace where id = $1 for update");
    COUNT_OF_OWNER = point("select count(*) from collection where ns_id = $1");
    UPDATE = point(
        "update collection set title = $2, description = $3, private = $4, theme = $5, updated_at = $6 where id = $1"
    );
    TOUCH = point("update collection set updated_at = $2 where id = $1");
    DELETE = long("delete from collection where id = $1");
    LIST_OF_OWNER = point("select id, position from collection where ns_id = $1 order by position, id");
    SET_POSITION = point("update collection set position = $2 where id = $1");
    INSERT_ITEM = point(
        "insert into collection_item (public_id, collection_id, item, repo_id, target_id, position, note, note_html,
             added_by, created_at)
         select $1, $2, $3, $4, $5,
             (select coalesce(max(i.position) + 1, 0) from collection_item i where i.collection_id = $2), $6, $7, $8, $9
         from collection c where c.id = $2
         on conflict (collection_id, item) do nothing returning id"
    );
    COUNT_ITEMS = point("select count(*) from collection_item where collection_id = $1");
    FIND_ITEM = point(concat!(
        "select ", item_columns!(), " from collection_item i where i.collection_id = $1 and i.public_id = $2"
    ));
    SET_NOTE = point("update collection_item set note = $2, note_html = $3 where id = $1");
    DELETE_ITEM = point("delete from collection_item where id = $1");
    LIST_ITEM_POSITIONS = point(
        "select id, position from collection_item where collection_id = $1 order by position, id"
    );
    SET_ITEM_POSITION = point("update collection_item set position = $2 where id = $1");
    UPVOTE = point(
        "insert into collection_upvote (collection_id, user_id, created_at) values ($1, $2, $3)
         on conflict (collection_id, user_id) do nothing"
    );
    WITHDRAW_UPVOTE = point("delete from collection_upvote where collection_id = $1 and user_id = $2");
    ADD_UPVOTES = point("update collection set upvotes = upvotes + $2 where id = $1");
    UPVOTED_AMONG = pair(
        "select collection_id from collection_upvote
         where user_id = $1 and collection_id in (select value from json_each($2))",
        "select collection_id from collection_upvote where user_id = $1 and collection_id = any($2)"
    );
}

/// A collection with its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Id inside this hub.
    pub id: i64,
    /// The 24 hexadecimal digits at the end of its slug.
    pub public_id: String,
    /// Its title.
    pub title: String,
    /// A line about it.
    pub description: Option<String>,
    /// Whether only its owner may know of it.
    pub private: bool,
    /// The name of its colour.
    pub theme: String,
    /// Its place among its owner's.
    pub position: i64,
    /// Votes for it.
    pub upvotes: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it or its items last changed.
    pub updated_at: Timestamp,
    /// How many items it has, seen by all or not.
    pub items: u64,
    /// Its owner.
    pub owner: Namespace,
}

impl Collection {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            title: row.string(2)?,
            description: row.opt_string(3)?,
            private: row.flag(4)?,
            theme: row.string(5)?,
            position: row.int(6)?,
            upvotes: row.size(7)?,
            created_at: row.time(8)?,
            updated_at: row.time(9)?,
            items: row.size(10)?,
            owner: Namespace::from_row(row, 11)?,
        })
    }
}

/// A collection to make.
#[derive(Debug, Clone)]
pub struct NewCollection<'a> {
    /// 24 hexadecimal digits.
    pub public_id: &'a str,
    /// Its owner.
    pub ns_id: i64,
    /// Its title, unique among its owner's.
    pub title: &'a str,
    /// A line about it.
    pub description: Option<&'a str>,
    /// Whether only its owner may know of it.
    pub private: bool,
    /// The name of its colour.
    pub theme: &'a str,
    /// Who makes it.
    pub created_by: i64,
    /// Now.
    pub created_at: Timestamp,
}

/// Makes a collection, last among its owner's. [`crate::Error::Conflict`] says that the owner has one of this title.
pub async fn insert(s: &mut Session, new: &NewCollection<'_>) -> Result<i64> {
    let params = values![
        new.public_id,
        new.ns_id,
        new.title,
        new.description,
        new.private,
        new.theme,
        new.created_by,
        new.created_at
    ];
    s.one(&INSERT, &params).await?.int(0)
}

/// By the digits at the end of its slug.
pub async fn find(s: &mut Session, public_id: &str) -> Result<Option<Collection>> {
    s.opt(&FIND_BY_PUBLIC_ID, &values![public_id]).await?.map(|r| Collection::from_row(&r)).transpose()
}

/// By owner and title.
pub async fn find_by_title(s: &mut Session, ns: i64, title: &str) -> Result<Option<Collection>> {
    s.opt(&FIND_BY_TITLE, &values![ns, title]).await?.map(|r| Collection::from_row(&r)).transpose()
}

/// Keeps other changes of a collection waiting until this transaction ends; whether it is there.
pub async fn lock(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.opt(&LOCK, &values![id]).await?.is_some())
}

/// Keeps other changes of an owner's collections waiting until this transaction ends.
pub async fn lock_owner(s: &mut Session, ns: i64) -> Result<bool> {
    Ok(s.opt(&LOCK_OWNER, &values![ns]).await?.is_some())
}

/// How many collections an owner has.
pub async fn count_of(s: &mut Session, ns: i64) -> Result<u64> {
    s.one(&COUNT_OF_OWNER, &values![ns]).await?.size(0)
}

/// Writes what may be changed of a collection. [`crate::Error::Conflict`] says that the title is taken.
pub async fn update(s: &mut Session, collection: &Collection, now: Timestamp) -> Result<()> {
    let c = collection;
    s.exec(&UPDATE, &values![c.id, &c.title, c.description.as_deref(), c.private, &c.theme, now]).await.map(drop)
}

/// Notes that a collection changed.
pub async fn touch(s: &mut Session, id: i64, now: Timestamp) -> Result<()> {
    s.exec(&TOUCH, &values![id, now]).await.map(drop)
}

/// Deletes a collection; whether it was there.
pub async fn delete(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.exec(&DELETE, &values![id]).await? > 0)
}

/// Moves one of a list to a place, and numbers those anew whose number changed.
async fn place(s: &mut Session, list: &Sql, set: &Sql, of: i64, id: i64, position: usize) -> Result<()> {
    let rows = s.rows(list, &values![of]).await?;
    let mut order: Vec<(i64, i64)> = rows.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect::<Result<_>>()?;
    let Some(at) = order.iter().position(|(one, _)| *one == id) else { return Ok(()) };
    let moved = order.remove(at);
    order.insert(position.min(order.len()), moved);
    let sets: Vec<[Value<'_>; 2]> = order
        .iter()
        .zip(0_i64..)
        .filter(|((_, old), new)| old != new)
        .map(|((id, _), new)| values![*id, new])
        .collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
    if sets.is_empty() {
        return Ok(());
    }
    s.exec_each(set, &sets).await.map(drop)
}

/// Gives a collection another place among its owner's.
pub async fn set_position(s: &mut Session, ns: i64, id: i64, position: usize) -> Result<()> {
    place(s, &LIST_OF_OWNER, &SET_POSITION, ns, id, position).await
}

/// Something in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Id inside this hub.
    pub id: i64,
    /// 24 hexadecimal digits.
    pub public_id: String,
    /// The collection.
    pub collection_id: i64,
    /// `repo:ID`, `collection:ID` or `paper:ID`.
    pub item: String,
    /// The repository, if it is one.
    pub repo_id: Option<i64>,
    /// The collection that it is, if it is one.
    pub target_id: Option<i64>,
    /// Its place.
    pub position: i64,
    /// What is said of it, as written.
    pub note: Option<String>,
    /// The same as HTML, sanitized.
    pub note_html: Option<String>,
}

impl Item {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            collection_id: row.int(2)?,
            item: row.string(3)?,
            repo_id: row.opt_int(4)?,
            target_id: row.opt_int(5)?,
            position: row.int(6)?,
            note: row.opt_string(7)?,
            note_html: row.opt_string(8)?,
        })
    }
}

/// Something to put into a collection.
#[derive(Debug, Clone)]
pub struct NewItem<'a> {
    /// 24 hexadecimal digits.
    pub public_id: &'a str,
    /// The collection.
    pub collection_id: i64,
    /// `repo:ID`, `collection:ID` or `paper:ID`.
    pub item: &'a str,
    /// The repository, if it is one.
    pub repo_id: Option<i64>,
    /// The collection that it is, if it is one.
    pub target_id: Option<i64>,
    /// What is said of it: as written, and as sanitized HTML.
    pub note: Option<(&'a str, &'a str)>,
    /// Who puts it there.
    pub added_by: i64,
    /// Now.
    pub created_at: Timestamp,
}

/// Puts something at the end of a collection; false if it is there already.
pub async fn insert_item(s: &mut Session, new: &NewItem<'_>) -> Result<bool> {
    let params = values![
        new.public_id,
        new.collection_id,
        new.item,
        new.repo_id,
        new.target_id,
        new.note.map(|n| n.0),
        new.note.map(|n| n.1),
        new.added_by,
        new.created_at
    ];
    Ok(s.opt(&INSERT_ITEM, &params).await?.is_some())
}

/// How many items a collection has.
pub async fn count_items(s: &mut Session, id: i64) -> Result<u64> {
    s.one(&COUNT_ITEMS, &values![id]).await?.size(0)
}

/// An item of a collection by its digits.
pub async fn find_item(s: &mut Session, collection: i64, public_id: &str) -> Result<Option<Item>> {
    s.opt(&FIND_ITEM, &values![collection, public_id]).await?.map(|r| Item::from_row(&r)).transpose()
}

/// Changes or removes the note of an item: as written, and as sanitized HTML.
pub async fn set_note(s: &mut Session, item: i64, note: Option<(&str, &str)>) -> Result<()> {
    s.exec(&SET_NOTE, &values![item, note.map(|n| n.0), note.map(|n| n.1)]).await.map(drop)
}

/// Takes an item out; whether it was there.
pub async fn delete_item(s: &mut Session, item: i64) -> Result<bool> {
    Ok(s.exec(&DELETE_ITEM, &values![item]).await? > 0)
}

/// Gives an item another place in its collection.
pub async fn set_item_position(s: &mut Session, collection: i64, item: i64, position: usize) -> Result<()> {
    place(s, &LIST_ITEM_POSITIONS, &SET_ITEM_POSITION, collection, item, position).await
}

/// A user votes for a collection of `owner`'s, or takes it back; whether that changed anything.
pub async fn vote(s: &mut Session, id: i64, owner: i64, user: i64, up: bool, now: Timestamp) -> Result<bool> {
    let changed = match up {
        true => s.exec(&UPVOTE, &values![id, user, now]).await?,
        false => s.exec(&WITHDRAW_UPVOTE, &values![id, user]).await?,
    };
    if changed == 0 {
        return Ok(false);
    }
    let by = if up { 1_i64 } else { -1 };
    s.exec(&ADD_UPVOTES, &values![id, by]).await?;
    crate::social::add_counts(s, owner, crate::social::Counts { upvotes: by, ..Default::default() }).await?;
    Ok(true)
}

/// Those of `collections` that a user voted for.
pub async fn upvoted_among(s: &mut Session, user: i64, collections: &[i64]) -> Result<Vec<i64>> {
    s.rows(&UPVOTED_AMONG, &[Value::Int(user), Value::Ints(collections)]).await?.iter().map(|r| r.int(0)).collect()
}

/// The order of a list of collections, always descending but for an owner's own order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// When they last changed.
    #[default]
    Updated,
    /// Votes.
    Upvotes,
}

impl Sort {
    fn column(self) -> &'static str {
        match self {
            Self::Updated => "c.updated_at",
            Self::Upvotes => "c.upvotes",
        }
    }

    fn value(self, c: &Collection) -> i64 {
        match self {
            Self::Updated => c.updated_at.0,
            Self::Upvotes => i64::try_from(c.upvotes).unwrap_or(i64::MAX),
        }
    }
}

/// Which collections to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of one of these owners; of any when empty.
    pub owners: Vec<i64>,
    /// With all of these in them (`repo:ID`, …).
    pub items: Vec<String>,
    /// Only of these ids.
    pub ids: Option<Vec<i64>>,
    /// Whose title or description contains this, without regard to case.
    pub text: Option<String>,
    /// Whose eyes it is for.
    pub viewer: Viewer,
    /// The order.
    pub sort: Sort,
    /// At most this many, and at most [`PAGE_MAX`].
    pub limit: usize,
    /// After the page that ended here.
    pub after: Option<Cursor>,
}

/// Only collections that the viewer may know of.
fn see<'a>(c: &mut Conditions<'a>, viewer: &'a Viewer, table: &str) -> Option<String> {
    match viewer {
        Viewer::Everyone => Some(format!("{table}.private = 0")),
        Viewer::All => None,
        Viewer::User { ns_ids, .. } => {
            let own = c.any_of(&format!("{table}.ns_id"), ns_ids);
            Some(format!("({table}.private = 0 or {own})"))
        }
    }
}

fn list_statement<'a>(filter: &'a Filter, pattern: Option<&'a str>, postgres: bool) -> (Sql, Vec<Value<'a>>) {
    let mut c = Conditions::new(postgres);
    if let Some(seen) = see(&mut c, &filter.viewer, "c") {
        c.and(&seen);
    }
    if !filter.owners.is_empty() {
        let of = c.any_of("c.ns_id", &filter.owners);
        c.and(&of);
    }
    if let Some(ids) = &filter.ids {
        let among = c.any_of("c.id", ids);
        c.and(&among);
    }
    for item in &filter.items {
        let p = c.bind(item);
        c.and(&format!("c.id in (select w.collection_id from collection_item w where w.item = {p})"));
    }
    if let Some(pattern) = pattern {
        let p = c.bind(pattern);
        c.and(&format!("(lower(c.title) like {p} escape '!' or lower(c.description) like {p} escape '!')"));
    }
    let column = filter.sort.column();
    if let Some(after) = filter.after {
        let (value, id) = (c.bind(after.value), c.bind(after.id));
        c.and(&format!("({column}, c.id) < ({value}, {id})"));
    }
    let limit = c.bind(filter.limit.min(PAGE_MAX) + 1);
    let text = format!(
        "select {} from collection c join namespace n on n.id = c.ns_id{} order by {column} desc, c.id desc limit {limit}",
        collection_columns!(),
        c.text
    );
    (Sql::built("collections::list", text, true), c.params)
}

/// A page of collections; where the next begins.
pub async fn list(s: &mut Session, filter: &Filter) -> Result<(Vec<Collection>, Option<Cursor>)> {
    let pattern = filter.text.as_deref().map(pattern);
    let (sql, params) = list_statement(filter, pattern.as_deref(), s.is_postgres());
    let mut found: Vec<Collection> =
        s.rows(&sql, &params).await?.iter().map(Collection::from_row).collect::<Result<_>>()?;
    let limit = filter.limit.min(PAGE_MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|c| Cursor { value: filter.sort.value(c), id: c.id });
    Ok((found, next))
}

fn items_statement<'a>(ids: &'a [i64], viewer: &'a Viewer, each: usize, postgres: bool) -> (Sql, Vec<Value<'a>>) {
    let mut c = Conditions::new(postgres);
    let of = c.any_of("i.collection_id", ids);
    c.and(&of);
    match viewer {
        Viewer::All => {}
        Viewer::Everyone => c.and("(i.repo_id is null or r.visibility = 'public')"),
        Viewer::User { .. } => {
            let own = c.own(viewer);
            c.and(&format!("(i.repo_id is null or r.visibility = 'public' or {own})"));
        }
    }
    if let Some(seen) = see(&mut c, viewer, "t") {
        c.and(&format!("(i.target_id is null or {seen})"));
    }
    let each = c.bind(each);
    let text = format!(
        "select * from (
             select {}, row_number() over (partition by i.collection_id order by i.position, i.id) as place
             from collection_item i left join repo r on r.id = i.repo_id left join collection t on t.id = i.target_id{}
         ) i where i.place <= {each} order by i.collection_id, i.place",
        item_columns!(),
        c.text
    );
    (Sql::built("collections::list_items", text, true), c.params)
}

/// The first `each` items of each of these collections, as far as the viewer may know, in their order.
pub async fn list_items(s: &mut Session, ids: &[i64], viewer: &Viewer, each: usize) -> Result<Vec<Item>> {
    let (sql, params) = items_statement(ids, viewer, each, s.is_postgres());
    s.rows(&sql, &params).await?.iter().map(Item::from_row).collect()
}

/// Lists of every shape, for the test that prepares all statements.
pub(crate) fn list_shapes(postgres: bool) -> Vec<Sql> {
    let mut out = Vec::new();
    for viewer in [Viewer::Everyone, Viewer::All, Viewer::User { user_id: 1, ns_ids: vec![1], group_ids: vec![1] }] {
        out.push(items_statement(&[1], &viewer, 4, postgres).0);
        for sort in [Sort::Updated, Sort::Upvotes] {
            for full in [false, true] {
                let filter = Filter {
                    owners: if full { vec![1] } else { Vec::new() },
                    items: if full { vec![String::new(); 2] } else { Vec::new() },
                    ids: full.then(Vec::new),
                    viewer: viewer.clone(),
                    sort,
                    after: full.then_some(Cursor { value: 1, id: 1 }),
                    ..Filter::default()
                };
                out.push(list_statement(&filter, full.then_some("%"), postgres).0);
            }
        }
    }
    out
}
