//! Who asked for access to the content of gated repositories, and what came of it.

use std::str::FromStr;

use haina_types::{Slug, Timestamp};

use crate::sql::{Row, statements, values};
use crate::{Result, Session};

macro_rules! request_columns {
    () => {
        "q.id, q.public_id, q.repo_id, q.user_id, n.name, n.full_name, a.email, q.status, q.by_hand, q.fields, q.reason,
         q.created_at, q.decided_at"
    };
}
macro_rules! request_tables {
    () => {
        " from access_request q join namespace n on n.id = q.user_id join account a on a.user_id = q.user_id"
    };
}

statements! {
    FIND_REQUEST = point(concat!(
        "select ", request_columns!(), request_tables!(), " where q.repo_id = $1 and q.user_id = $2"
    ));
    FIND_REQUEST_BY_PUBLIC_ID = point(concat!(
        "select ", request_columns!(), request_tables!(), " where q.repo_id = $1 and q.public_id = $2"
    ));
    LIST_REQUESTS = point(concat!(
        "select ", request_columns!(), request_tables!(),
        " where q.repo_id = $1 and q.status = $2 and q.id > $3 order by q.id limit $4"
    ));
    COUNT_REQUESTS = point("select count(*) from access_request where repo_id = $1 and status = $2");
    INSERT_REQUEST = point(
        "insert into access_request (public_id, repo_id, user_id, status, by_hand, fields, created_at, decided_at,
             decided_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (repo_id, user_id) do nothing"
    );
    DECIDE_REQUEST = point(
        "update access_request set status = $3, reason = $4, decided_at = $5, decided_by = $6
         where id = $1 and status = $2"
    );
    DELETE_REQUEST = point("delete from access_request where id = $1 and status = 'pending'");
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessStatus {
    /// Nobody has decided yet.
    Pending,
    /// The content is open to them.
    Accepted,
    /// It is not.
    Rejected,
}

impl AccessStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Accepted, Self::Rejected];

    /// The text of the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

impl FromStr for AccessStatus {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|s| s.as_str() == text).ok_or(())
    }
}

/// A person's request for access, or what was given to them unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRequest {
    /// Its place in lists.
    pub id: i64,
    /// 24 hexadecimal digits.
    pub public_id: String,
    /// To which repository.
    pub repo_id: i64,
    /// Whose.
    pub user_id: i64,
    /// Their name.
    pub user: Slug,
    /// Their name for people.
    pub full_name: String,
    /// Their e-mail address, to be shown only if they asked themselves.
    pub email: Option<String>,
    /// What came of it.
    pub status: AccessStatus,
    /// Given without having been asked for.
    pub by_hand: bool,
    /// What they wrote into the form, as JSON.
    pub fields: Option<String>,
    /// Why it was rejected.
    pub reason: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was decided.
    pub decided_at: Option<Timestamp>,
}

impl AccessRequest {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            public_id: row.string(1)?,
            repo_id: row.int(2)?,
            user_id: row.int(3)?,
            user: Slug::from_stored(row.text(4)?),
            full_name: row.string(5)?,
            email: row.opt_string(6)?,
            status: row.parse(7)?,
            by_hand: row.int(8)? != 0,
            fields: row.opt_string(9)?,
            reason: row.opt_string(10)?,
            created_at: row.time(11)?,
            decided_at: row.opt_time(12)?,
        })
    }
}

/// A user's request.
pub async fn find_request(s: &mut Session, repo: i64, user: i64) -> Result<Option<AccessRequest>> {
    s.opt(&FIND_REQUEST, &values![repo, user]).await?.map(|r| AccessRequest::from_row(&r)).transpose()
}

/// The request of an id that clients know.
pub async fn find_request_by_public_id(s: &mut Session, repo: i64, public_id: &str) -> Result<Option<AccessRequest>> {
    let row = s.opt(&FIND_REQUEST_BY_PUBLIC_ID, &values![repo, public_id]).await?;
    row.map(|r| AccessRequest::from_row(&r)).transpose()
}

/// Requests of one status, the oldest first, after one.
pub async fn list_requests(
    s: &mut Session,
    repo: i64,
    status: AccessStatus,
    after: i64,
    limit: usize,
) -> Result<Vec<AccessRequest>> {
    let rows = s.rows(&LIST_REQUESTS, &values![repo, status.as_str(), after, limit]).await?;
    rows.iter().map(AccessRequest::from_row).collect()
}

/// How many requests have a status.
pub async fn count_requests(s: &mut Session, repo: i64, status: AccessStatus) -> Result<u64> {
    s.one(&COUNT_REQUESTS, &values![repo, status.as_str()]).await?.size(0)
}

/// A request to keep.
#[derive(Debug, Clone)]
pub struct NewRequest<'a> {
    /// 24 hexadecimal digits.
    pub public_id: &'a str,
    /// To which repository.
    pub repo: i64,
    /// Whose.
    pub user: i64,
    /// What came of it at once.
    pub status: AccessStatus,
    /// Given by this person without having been asked for.
    pub by_hand: Option<i64>,
    /// What was written into the form, as JSON.
    pub fields: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// Keeps a request; `false` if the user has one already.
pub async fn insert_request(s: &mut Session, new: &NewRequest<'_>) -> Result<bool> {
    let decided = (new.status != AccessStatus::Pending).then_some(new.now.0);
    let params = values![
        new.public_id,
        new.repo,
        new.user,
        new.status.as_str(),
        new.by_hand.is_some(),
        new.fields,
        new.now,
        decided,
        new.by_hand
    ];
    Ok(s.exec(&INSERT_REQUEST, &params).await? > 0)
}

/// A decision about a request.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// What it was.
    pub old: AccessStatus,
    /// What it is to be.
    pub new: AccessStatus,
    /// Why it is rejected.
    pub reason: Option<&'a str>,
    /// Who decides.
    pub by: Option<i64>,
    /// Now.
    pub now: Timestamp,
}

/// Decides; `false` if somebody else decided meanwhile.
pub async fn decide_request(s: &mut Session, id: i64, d: &Decision<'_>) -> Result<bool> {
    Ok(s.exec(&DECIDE_REQUEST, &values![id, d.old.as_str(), d.new.as_str(), d.reason, d.now, d.by]).await? > 0)
}

/// Takes back a request that nobody has decided; `false` if somebody has.
pub async fn delete_request(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.exec(&DELETE_REQUEST, &values![id]).await? > 0)
}
