//! Git LFS: locks, and the parts of uploads that are not complete yet.

use haina_types::Timestamp;

use crate::sql::{Row, Value, statements, values};
use crate::{Error, Result, Session};

/// Names an upload in parts.
pub type UploadId = [u8; 32];

/// A lock on a path of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Its id.
    pub id: i64,
    /// The path.
    pub path: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Who holds it.
    pub owner_id: i64,
    /// Their user name.
    pub owner: String,
}

/// A part that has come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// What the uploader was told of its content.
    pub etag: String,
    /// Its bytes.
    pub bytes: u64,
    /// The key of the object that holds it.
    pub object: String,
}

statements! {
    LOCK_INSERT = point(
        "insert into lfs_lock (repo_id, path, owner_id, created_at) values ($1, $2, $3, $4)
         on conflict (repo_id, path) do nothing returning id"
    );
    LOCK_COUNT = point("select count(*) from lfs_lock where repo_id = $1");
    LOCK_BY_ID = point(
        "select l.id, l.path, l.created_at, l.owner_id, n.name from lfs_lock l join namespace n on n.id = l.owner_id
         where l.repo_id = $1 and l.id = $2"
    );
    LOCK_BY_PATH = point(
        "select l.id, l.path, l.created_at, l.owner_id, n.name from lfs_lock l join namespace n on n.id = l.owner_id
         where l.repo_id = $1 and l.path = $2"
    );
    LOCK_LIST = point(
        "select l.id, l.path, l.created_at, l.owner_id, n.name from lfs_lock l join namespace n on n.id = l.owner_id
         where l.repo_id = $1 and l.id > $2 order by l.id limit $3"
    );
    LOCK_DELETE = point("delete from lfs_lock where repo_id = $1 and id = $2");

    PART_OBJECT = pair(
        "select object from lfs_part where upload = $1 and part = $2",
        "select object from lfs_part where upload = $1 and part = $2 for update"
    );
    PART_PUT = point(
        "insert into lfs_part (upload, part, repo_id, etag, bytes, object, expires_at) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (upload, part) do update set
           etag = excluded.etag, bytes = excluded.bytes, object = excluded.object, expires_at = excluded.expires_at"
    );
    PART_LIST = point("select part, etag, bytes, object from lfs_part where upload = $1 order by part");
    PARTS_KNOWN = pair(
        "select object from lfs_part where object in (select value from json_each($1))",
        "select object from lfs_part where object = any($1)"
    );
    PARTS_DELETE = point("delete from lfs_part where upload = $1 returning object");
    PARTS_EXPIRE = pair(
        "delete from lfs_part where (upload, part) in
         (select upload, part from lfs_part where expires_at < $1 order by expires_at limit $2) returning object",
        "delete from lfs_part p using
         (select upload, part from lfs_part where expires_at < $1 order by expires_at limit $2) e
         where p.upload = e.upload and p.part = e.part returning p.object"
    );
}

fn lock(row: &Row) -> Result<Lock> {
    Ok(Lock {
        id: row.int(0)?,
        path: row.string(1)?,
        created_at: row.time(2)?,
        owner_id: row.int(3)?,
        owner: row.string(4)?,
    })
}

fn objects(rows: Vec<Row>) -> Result<Vec<String>> {
    rows.iter().map(|r| r.string(0)).collect()
}

/// Locks a path; the lock's id, or `None` if it is locked already.
pub async fn insert_lock(
    s: &mut Session,
    repo_id: i64,
    path: &str,
    owner_id: i64,
    now: Timestamp,
) -> Result<Option<i64>> {
    s.opt(&LOCK_INSERT, &values![repo_id, path, owner_id, now]).await?.map(|r| r.int(0)).transpose()
}

/// How many locks a repository has.
pub async fn count_locks(s: &mut Session, repo_id: i64) -> Result<u64> {
    s.one(&LOCK_COUNT, &values![repo_id]).await?.size(0)
}

/// A lock of a repository.
pub async fn find_lock(s: &mut Session, repo_id: i64, id: i64) -> Result<Option<Lock>> {
    s.opt(&LOCK_BY_ID, &values![repo_id, id]).await?.map(|r| lock(&r)).transpose()
}

/// The lock on a path of a repository.
pub async fn find_lock_on(s: &mut Session, repo_id: i64, path: &str) -> Result<Option<Lock>> {
    s.opt(&LOCK_BY_PATH, &values![repo_id, path]).await?.map(|r| lock(&r)).transpose()
}

/// Locks of a repository in the order of their ids, after one.
pub async fn list_locks(s: &mut Session, repo_id: i64, after: i64, limit: usize) -> Result<Vec<Lock>> {
    s.rows(&LOCK_LIST, &values![repo_id, after, limit]).await?.iter().map(lock).collect()
}

/// Removes a lock; whether it was there.
pub async fn delete_lock(s: &mut Session, repo_id: i64, id: i64) -> Result<bool> {
    Ok(s.exec(&LOCK_DELETE, &values![repo_id, id]).await? == 1)
}

/// Notes a part; the object of the part that it replaces.
pub async fn put_part(
    s: &mut Session,
    upload: &UploadId,
    repo_id: i64,
    part: &Part,
    expires_at: Timestamp,
) -> Result<Option<String>> {
    let number = i64::from(part.number);
    let before = s.opt(&PART_OBJECT, &values![upload, number]).await?.map(|r| r.string(0)).transpose()?;
    s.exec(&PART_PUT, &values![upload, number, repo_id, &part.etag, part.bytes, &part.object, expires_at]).await?;
    Ok(before)
}

/// The parts of an upload, in order.
pub async fn list_parts(s: &mut Session, upload: &UploadId) -> Result<Vec<Part>> {
    let rows = s.rows(&PART_LIST, &values![upload]).await?;
    rows.iter()
        .map(|r| {
            let number = u32::try_from(r.int(0)?).map_err(|_| Error::corrupt("a part's number"))?;
            Ok(Part { number, etag: r.string(1)?, bytes: r.size(2)?, object: r.string(3)? })
        })
        .collect()
}

/// Those of the objects that hold a part.
pub async fn list_known_objects(s: &mut Session, keys: &[&str]) -> Result<Vec<String>> {
    objects(s.rows(&PARTS_KNOWN, &[Value::Texts(keys)]).await?)
}

/// Forgets the parts of an upload; the objects that held them.
pub async fn delete_parts(s: &mut Session, upload: &UploadId) -> Result<Vec<String>> {
    objects(s.rows(&PARTS_DELETE, &values![upload]).await?)
}

/// Forgets parts whose time is over, at most `limit` of them; the objects that held them.
pub async fn expire_parts(s: &mut Session, now: Timestamp, limit: u32) -> Result<Vec<String>> {
    objects(s.rows(&PARTS_EXPIRE, &values![now, i64::from(limit)]).await?)
}
