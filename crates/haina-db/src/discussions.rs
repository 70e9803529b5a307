//! Discussions and pull requests of repositories, what happens in them, and the pictures that comments show.
//!
//! Who writes to a discussion locks it first ([`lock_discussion`]), so that limits and states hold under any race.

use std::collections::HashMap;

use haina_types::{Oid, RefName, Timestamp};

use crate::sql::{Row, Sql, Value, statements, values};
use crate::{Error, Result, Session};

macro_rules! columns {
    () => {
        "d.id, d.number, d.title, d.author_id, n.name, d.status, d.base, d.merge_commit, d.created_at, d.updated_at,
         d.comments, d.events, d.bytes from discussion d left join namespace n on n.id = d.author_id"
    };
}

macro_rules! event_columns {
    () => {
        "e.id, e.kind, e.author_id, n.name, e.created_at, e.text, e.other, e.edited_at, e.edited_by, m.name, e.hidden_at
         from discussion_event e left join namespace n on n.id = e.author_id left join namespace m on m.id = e.edited_by"
    };
}

statements! {
    LAST_NUMBER = point("select coalesce(max(number), 0) from discussion where repo_id = $1");
    INSERT = point(
        "insert into discussion (repo_id, number, title, author_id, status, base, created_at, updated_at, comments, events, bytes)
         values ($1, $2, $3, $4, $5, $6, $7, $7, 0, 0, 0) returning id"
    );
    FIND = point(concat!("select ", columns!(), " where d.repo_id = $1 and d.number = $2"));
    LOCK = pair(
        "select id from discussion where repo_id = $1 and number = $2",
        "select id from discussion where repo_id = $1 and number = $2 for no key update"
    );
    SET_STATUS = point(
        "update discussion set status = $3, merge_commit = $4, updated_at = $5 where id = $1 and status = $2"
    );
    SET_TITLE = point("update discussion set title = $2, updated_at = $3 where id = $1");
    ADD_COUNTS = point(
        "update discussion set comments = comments + $2, events = events + $3, bytes = bytes + $4, updated_at = $5
         where id = $1"
    );
    INSERT_EVENT = point(
        "insert into discussion_event (discussion_id, kind, author_id, created_at, text, other)
         values ($1, $2, $3, $4, $5, $6) returning id"
    );
    LIST_EVENTS = point(concat!("select ", event_columns!(), " where e.discussion_id = $1 order by e.id limit $2"));
    FIND_EVENT = point(concat!("select ", event_columns!(), " where e.discussion_id = $1 and e.id = $2"));
    HAS_COMMIT = point(
        "select 1 from discussion_event where discussion_id = $1 and kind = 'commit' and other = $2 limit 1"
    );
    LAST_VERSION = point("select coalesce(max(version), 0) from discussion_edit where event_id = $1");
    INSERT_EDIT = point(
        "insert into discussion_edit (event_id, version, text, author_id, at) values ($1, $2, $3, $4, $5)"
    );
    SET_TEXT = point("update discussion_event set text = $2, edited_by = $3, edited_at = $4 where id = $1");
    HIDE = point(
        "update discussion_event set hidden_at = $2, hidden_by = $3 where id = $1 and hidden_at is null"
    );
    LIST_EDITS = point(
        "select x.event_id, x.text, n.name, x.at from discussion_event e join discussion_edit x on x.event_id = e.id
         left join namespace n on n.id = x.author_id where e.discussion_id = $1 order by x.event_id, x.version"
    );

    INSERT_ATTACHMENT = point(
        "insert into attachment (name, user_id, media_type, bytes, object, created_at) values ($1, $2, $3, $4, $5, $6)"
    );
    FIND_ATTACHMENT = point("select media_type, bytes, object from attachment where name = $1");
    SUM_ATTACHMENTS = point(
        "select count(*), coalesce(cast(sum(bytes) as bigint), 0) from attachment where user_id = $1 and created_at > $2"
    );
    KNOWN_ATTACHMENTS = pair(
        "select object from attachment where object in (select value from json_each($1))",
        "select object from attachment where object = any($1)"
    );
}

/// Where a discussion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A pull request that its author still works on.
    Draft,
    /// Open.
    Open,
    /// Closed, and may be opened again.
    Closed,
    /// A pull request that was taken in.
    Merged,
}

impl Status {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Merged => "merged",
        }
    }

    /// Whether work on it goes on.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Draft | Self::Open)
    }
}

impl std::str::FromStr for Status {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Draft, Self::Open, Self::Closed, Self::Merged].into_iter().find(|s| s.as_str() == text).ok_or(())
    }
}

/// A discussion, or a pull request if it has a base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discussion {
    /// Its id.
    pub id: i64,
    /// Its number in the repository.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Who began it; none if that account is gone.
    pub author_id: Option<i64>,
    /// Their name.
    pub author: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// The branch that a pull request is for.
    pub base: Option<RefName>,
    /// The commit that took a pull request in.
    pub merge_commit: Option<Oid>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When something last happened in it.
    pub updated_at: Timestamp,
    /// How many comments it has.
    pub comments: u64,
    /// How many events it has.
    pub events: u64,
    /// Bytes of all its texts together.
    pub bytes: u64,
}

impl Discussion {
    /// Whether it is a pull request.
    pub fn is_pull_request(&self) -> bool {
        self.base.is_some()
    }

    fn from_row(row: &Row) -> Result<Self> {
        let base = row.opt_text(6)?.map(str::parse).transpose();
        Ok(Self {
            id: row.int(0)?,
            number: row.int(1)?,
            title: row.string(2)?,
            author_id: row.opt_int(3)?,
            author: row.opt_string(4)?,
            status: row.text(5)?.parse().map_err(|()| Error::corrupt("the status of a discussion"))?,
            base: base.map_err(|_| Error::corrupt("the base of a pull request"))?,
            merge_commit: row.opt_oid(7)?,
            created_at: row.time(8)?,
            updated_at: row.time(9)?,
            comments: row.size(10)?,
            events: row.size(11)?,
            bytes: row.size(12)?,
        })
    }
}

/// A discussion to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewDiscussion<'a> {
    /// Its title.
    pub title: &'a str,
    /// Who begins it.
    pub author_id: i64,
    /// Where it stands.
    pub status: Status,
    /// The branch that a pull request is for.
    pub base: Option<&'a RefName>,
}

/// Begins a discussion under the repository's next number; its id and number. The caller has locked the repository.
pub async fn insert_discussion(
    s: &mut Session,
    repo: i64,
    new: &NewDiscussion<'_>,
    now: Timestamp,
) -> Result<(i64, i64)> {
    let number = s.one(&LAST_NUMBER, &values![repo]).await?.int(0)? + 1;
    let params = values![repo, number, new.title, new.author_id, new.status.as_str(), new.base, now];
    Ok((s.one(&INSERT, &params).await?.int(0)?, number))
}

/// A discussion of a repository.
pub async fn find_discussion(s: &mut Session, repo: i64, number: i64) -> Result<Option<Discussion>> {
    s.opt(&FIND, &values![repo, number]).await?.map(|r| Discussion::from_row(&r)).transpose()
}

/// A discussion of a repository, which nobody else changes until this transaction ends.
pub async fn lock_discussion(s: &mut Session, repo: i64, number: i64) -> Result<Option<Discussion>> {
    s.check_writes()?;
    if s.opt(&LOCK, &values![repo, number]).await?.is_none() {
        return Ok(None);
    }
    find_discussion(s, repo, number).await
}

/// Which discussions to list. The default is all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only pull requests, or only others.
    pub pull_requests: Option<bool>,
    /// Only those that are open (or drafts), or only others.
    pub open: Option<bool>,
    /// Only those begun by this account.
    pub author_id: Option<i64>,
}

impl Filter {
    fn clauses<'a>(&self, text: &mut String, params: &mut Vec<Value<'a>>) {
        text.push_str(match self.pull_requests {
            None => "",
            Some(true) => " and d.base is not null",
            Some(false) => " and d.base is null",
        });
        text.push_str(match self.open {
            None => "",
            Some(true) => " and d.status in ('open', 'draft')",
            Some(false) => " and d.status in ('closed', 'merged')",
        });
        if let Some(author) = self.author_id {
            params.push(Value::Int(author));
            text.push_str(&format!(" and d.author_id = ${}", params.len()));
        }
    }
}

fn list_statement(repo: i64, filter: &Filter, skip: usize, limit: usize) -> (Sql, Vec<Value<'static>>) {
    let mut params = vec![Value::Int(repo), Value::from(limit), Value::from(skip)];
    let mut text = concat!("select ", columns!(), " where d.repo_id = $1").to_owned();
    filter.clauses(&mut text, &mut params);
    text.push_str(" order by d.number desc limit $2 offset $3");
    (Sql::built("discussions::list", text, true), params)
}

fn count_statement(repo: i64, filter: &Filter) -> (Sql, Vec<Value<'static>>) {
    let mut params = vec![Value::Int(repo)];
    let mut text = "select count(*) from discussion d where d.repo_id = $1".to_owned();
    filter.clauses(&mut text, &mut params);
    (Sql::built("discussions::count", text, true), params)
}

/// Discussions of a repository, newest first.
pub async fn list_discussions(
    s: &mut Session,
    repo: i64,
    filter: &Filter,
    skip: usize,
    limit: usize,
) -> Result<Vec<Discussion>> {
    let (sql, params) = list_statement(repo, filter, skip, limit);
    s.rows(&sql, &params).await?.iter().map(Discussion::from_row).collect()
}

/// How many there are.
pub async fn count_discussions(s: &mut Session, repo: i64, filter: &Filter) -> Result<u64> {
    let (sql, params) = count_statement(repo, filter);
    s.one(&sql, &params).await?.size(0)
}

/// Lists of every shape, for the test that prepares all statements.
pub(crate) fn list_shapes() -> Vec<Sql> {
    let mut shapes = Vec::new();
    for pull_requests in [None, Some(true), Some(false)] {
        for open in [None, Some(true), Some(false)] {
            for author_id in [None, Some(1)] {
                let filter = Filter { pull_requests, open, author_id };
                shapes.push(list_statement(1, &filter, 0, 1).0);
                shapes.push(count_statement(1, &filter).0);
            }
        }
    }
    shapes
}

/// Moves a discussion from one state to another; false if it is in a third one by now.
pub async fn set_status(
    s: &mut Session,
    id: i64,
    from: Status,
    to: Status,
    merge_commit: Option<&Oid>,
    now: Timestamp,
) -> Result<bool> {
    Ok(s.exec(&SET_STATUS, &values![id, from.as_str(), to.as_str(), merge_commit, now]).await? == 1)
}

/// Renames a discussion.
pub async fn set_title(s: &mut Session, id: i64, title: &str, now: Timestamp) -> Result<()> {
    s.exec(&SET_TITLE, &values![id, title, now]).await.map(drop)
}

/// What an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// Somebody said something.
    Comment {
        /// In Markdown, as it is now.
        text: String,
        /// When and by whom it was last edited.
        edited: Option<Edited>,
        /// Whether nobody is to see it any more.
        hidden: bool,
    },
    /// The state changed.
    Status(Status),
    /// The title changed.
    Title {
        /// What it was.
        from: String,
        /// What it became.
        to: String,
    },
    /// A commit came to the pull request.
    Commit {
        /// The first line of its message.
        subject: String,
        /// Its id.
        oid: String,
    },
}

/// Who last edited a comment, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// When.
    pub at: Timestamp,
    /// By whom; none if that account is gone.
    pub by_id: Option<i64>,
    /// Their name.
    pub by: Option<String>,
}

/// Something that happened in a discussion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: i64,
    /// Whose doing it was; none if that account is gone.
    pub author_id: Option<i64>,
    /// Their name.
    pub author: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

impl Event {
    fn from_row(row: &Row) -> Result<Self> {
        let text = row.string(5)?;
        let other = || row.string(6);
        let kind = match row.text(1)? {
            "comment" => EventKind::Comment {
                text,
                edited: match row.opt_time(7)? {
                    Some(at) => Some(Edited { at, by_id: row.opt_int(8)?, by: row.opt_string(9)? }),
                    None => None,
                },
                hidden: row.opt_time(10)?.is_some(),
            },
            "status" => EventKind::Status(text.parse().map_err(|()| Error::corrupt("the status of an event"))?),
            "title" => EventKind::Title { from: other()?, to: text },
            "commit" => EventKind::Commit { subject: text, oid: other()? },
            kind => return Err(Error::corrupt(format_args!("an event of kind '{kind}'"))),
        };
        Ok(Self { id: row.int(0)?, author_id: row.opt_int(2)?, author: row.opt_string(3)?, at: row.time(4)?, kind })
    }
}

/// Notes an event of a discussion, and counts it; its id.
pub async fn insert_event(
    s: &mut Session,
    discussion: i64,
    author_id: Option<i64>,
    kind: &EventKind,
    now: Timestamp,
) -> Result<i64> {
    let (name, text, other) = match kind {
        EventKind::Comment { text, .. } => ("comment", text.as_str(), None),
        EventKind::Status(status) => ("status", status.as_str(), None),
        EventKind::Title { from, to } => ("title", to.as_str(), Some(from.as_str())),
        EventKind::Commit { subject, oid } => ("commit", subject.as_str(), Some(oid.as_str())),
    };
    let params = values![discussion, name, author_id, now, text, other];
    let id = s.one(&INSERT_EVENT, &params).await?.int(0)?;
    let bytes = text.len() + other.map_or(0, str::len);
    s.exec(&ADD_COUNTS, &values![discussion, name == "comment", 1_i64, bytes, now]).await?;
    Ok(id)
}

/// The events of a discussion, in order.
pub async fn list_events(s: &mut Session, discussion: i64, limit: usize) -> Result<Vec<Event>> {
    s.rows(&LIST_EVENTS, &values![discussion, limit]).await?.iter().map(Event::from_row).collect()
}

/// An event of a discussion.
pub async fn find_event(s: &mut Session, discussion: i64, id: i64) -> Result<Option<Event>> {
    s.opt(&FIND_EVENT, &values![discussion, id]).await?.map(|r| Event::from_row(&r)).transpose()
}

/// Whether a commit is among the events of a discussion.
pub async fn has_commit(s: &mut Session, discussion: i64, oid: &str) -> Result<bool> {
    Ok(s.opt(&HAS_COMMIT, &values![discussion, oid]).await?.is_some())
}

/// What a comment said before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// In Markdown.
    pub text: String,
    /// Who wrote it so.
    pub author: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// How often a comment was edited.
pub async fn count_edits(s: &mut Session, event: i64) -> Result<u64> {
    s.one(&LAST_VERSION, &values![event]).await?.size(0)
}

/// Changes a comment; what it said until now is kept. `until_now` is its text, and who wrote that when.
pub async fn edit_comment(
    s: &mut Session,
    discussion: i64,
    event: i64,
    until_now: (&str, Option<i64>, Timestamp),
    text: &str,
    editor: i64,
    now: Timestamp,
) -> Result<()> {
    let version = s.one(&LAST_VERSION, &values![event]).await?.int(0)? + 1;
    s.exec(&INSERT_EDIT, &values![event, version, until_now.0, until_now.1, until_now.2]).await?;
    s.exec(&SET_TEXT, &values![event, text, editor, now]).await?;
    s.exec(&ADD_COUNTS, &values![discussion, 0_i64, 0_i64, text.len(), now]).await?;
    Ok(())
}

/// Hides a comment; false if it is hidden already.
pub async fn hide_comment(s: &mut Session, event: i64, by: i64, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&HIDE, &values![event, now, by]).await? == 1)
}

/// What the comments of a discussion said before they were edited, by event, oldest first.
pub async fn list_edits(s: &mut Session, discussion: i64) -> Result<HashMap<i64, Vec<Edit>>> {
    let mut all: HashMap<i64, Vec<Edit>> = HashMap::new();
    for row in s.rows(&LIST_EDITS, &values![discussion]).await? {
        let edit = Edit { text: row.string(1)?, author: row.opt_string(2)?, at: row.time(3)? };
        all.entry(row.int(0)?).or_default().push(edit);
    }
    Ok(all)
}

/// A picture, sound or film that was uploaded for comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// What it is.
    pub media_type: String,
    /// Its bytes.
    pub bytes: u64,
    /// The key of the object that holds it.
    pub object: String,
}

/// Notes an attachment.
pub async fn insert_attachment(
    s: &mut Session,
    name: &str,
    user_id: i64,
    attachment: &Attachment,
    now: Timestamp,
) -> Result<()> {
    let Attachment { media_type, bytes, object } = attachment;
    s.exec(&INSERT_ATTACHMENT, &values![name, user_id, media_type, *bytes, object, now]).await.map(drop)
}

/// An attachment by its name.
pub async fn find_attachment(s: &mut Session, name: &str) -> Result<Option<Attachment>> {
    let row = s.opt(&FIND_ATTACHMENT, &values![name]).await?;
    row.map(|r| Ok(Attachment { media_type: r.string(0)?, bytes: r.size(1)?, object: r.string(2)? })).transpose()
}

/// How many attachments an account has made since, and their bytes.
pub async fn sum_attachments(s: &mut Session, user_id: i64, since: Timestamp) -> Result<(u64, u64)> {
    let row = s.one(&SUM_ATTACHMENTS, &values![user_id, since]).await?;
    Ok((row.size(0)?, row.size(1)?))
}

/// Those of the objects that hold an attachment.
pub async fn list_known_objects(s: &mut Session, keys: &[&str]) -> Result<Vec<String>> {
    s.rows(&KNOWN_ATTACHMENTS, &[Value::Texts(keys)]).await?.iter().map(|r| r.string(0)).collect()
}
