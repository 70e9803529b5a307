//! Buckets: files that change in place, the folders that their paths make, and the latest changes.
//!
//! A bucket is a row of `repo` and one of `bucket`, under the same id. Whoever changes its files locks the former
//! first ([`crate::git::lock_repo`]), so that counters, folders and the numbers of changes follow in one order.

use std::collections::HashSet;

use haina_types::{Timestamp, XetHash};

use crate::people::namespace_columns;
use crate::repos::{Repo, Viewer, pattern, repo_columns};
use crate::sql::{Row, Value, statements, values};
use crate::{Error, Result, Session};

/// Longest path of a file, in bytes: what PostgreSQL can keep in an index.
pub const PATH_BYTES_MAX: usize = 1024;

/// Columns of [`Counters`].
macro_rules! counter_columns {
    () => {
        "b.bytes, b.files, b.seq, b.trimmed_seq, b.trimmed_at"
    };
}
/// Columns of [`BucketFile`].
macro_rules! file_columns {
    () => {
        "path, file_hash, bytes, content_type, mtime, uploaded_at"
    };
}

statements! {
    INSERT_BUCKET = point(
        "insert into bucket (repo_id, bytes, files, seq, trimmed_seq, trimmed_at) values ($1, 0, 0, 0, 0, 0)"
    );
    FIND_COUNTERS = point(concat!("select ", counter_columns!(), " from bucket b where b.repo_id = $1"));
    LIST_BUCKETS = long_pair(
        concat!(
            "select ", repo_columns!(), ", ", counter_columns!(), " from repo r join namespace n on n.id = r.ns_id
             join bucket b on b.repo_id = r.id
             where r.ns_id = $1 and r.kind = 'bucket' and r.fold > $2 and (r.visibility = 'public' or $3 = 2 or ($3 = 1
               and (r.group_id is null or r.group_id in (select value from json_each($6)))))
             and r.fold like $4 escape '!' order by r.fold limit $5"
        ),
        concat!(
            "select ", repo_columns!(), ", ", counter_columns!(), " from repo r join namespace n on n.id = r.ns_id
             join bucket b on b.repo_id = r.id
             where r.ns_id = $1 and r.kind = 'bucket' and r.fold > $2 and (r.visibility = 'public' or $3 = 2 or ($3 = 1
               and (r.group_id is null or r.group_id = any($6))))
             and r.fold like $4 escape '!' order by r.fold limit $5"
        ),
    );
    SAVE_COUNTERS = point("update bucket set bytes = $2, files = $3, seq = $4 where repo_id = $1");

    FIND_FILE = point(concat!("select ", file_columns!(), " from bucket_file where bucket_id = $1 and path = $2"));
    LIST_FILES_AT = pair(
        concat!(
            "select ", file_columns!(), " from bucket_file
             where bucket_id = $1 and path in (select value from json_each($2)) order by path"
        ),
        concat!(
            "select ", file_columns!(), " from bucket_file where bucket_id = $1 and path = any($2) order by path"
        )
    );
    LIST_FILES_FROM = point(concat!(
        "select ", file_columns!(), " from bucket_file
         where bucket_id = $1 and path >= $2 and path < $3 order by path limit $4"
    ));
    LIST_FILES_AFTER = point(concat!(
        "select ", file_columns!(), " from bucket_file
         where bucket_id = $1 and path > $2 and path < $3 order by path limit $4"
    ));
    PUT_FILE = point(
        "insert into bucket_file (bucket_id, path, file_hash, bytes, content_type, mtime, uploaded_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (bucket_id, path) do update set file_hash = excluded.file_hash, bytes = excluded.bytes,
             content_type = excluded.content_type, mtime = excluded.mtime, uploaded_at = excluded.uploaded_at"
    );
    DELETE_FILE = point("delete from bucket_file where bucket_id = $1 and path = $2");
    LIST_HELD = pair(
        "select file_hash, max(bytes) from bucket_file
         where bucket_id = $1 and file_hash in (select unhex(value) from json_each($2)) group by file_hash",
        "select file_hash, max(bytes) from bucket_file where bucket_id = $1 and file_hash = any($2) group by file_hash"
    );

    ADD_TO_DIR = point(
        "insert into bucket_dir (bucket_id, path, files, uploaded_at) values ($1, $2, $3, $4)
         on conflict (bucket_id, path) do update set files = bucket_dir.files + excluded.files,
             uploaded_at = case when excluded.uploaded_at > bucket_dir.uploaded_at then excluded.uploaded_at
                 else bucket_dir.uploaded_at end"
    );
    DELETE_EMPTY_DIR = point("delete from bucket_dir where bucket_id = $1 and path = $2 and files <= 0");
    LIST_DIRS_AT = pair(
        "select path, files, uploaded_at from bucket_dir
         where bucket_id = $1 and path in (select value from json_each($2))",
        "select path, files, uploaded_at from bucket_dir where bucket_id = $1 and path = any($2)"
    );
    COUNT_DIRS = long("select count(*) from bucket_dir where bucket_id = $1");

    INSERT_CHANGE = point(
        "insert into bucket_change (bucket_id, seq, at, op, path, file_hash, bytes, mtime)
         values ($1, $2, $3, $4, $5, $6, $7, $8)"
    );
    LIST_CHANGES = point(
        "select seq, at, op, path, file_hash, bytes, mtime from bucket_change
         where bucket_id = $1 and seq > $2 order by seq limit $3"
    );
    FIRST_CHANGE_SINCE = long("select min(seq) from bucket_change where bucket_id = $1 and at >= $2");
    LAST_CHANGE_AT = long("select max(at) from bucket_change where bucket_id = $1 and seq <= $2");
    NOTE_TRIMMED = point(
        "update bucket set trimmed_at = case when $3 > trimmed_at then $3 else trimmed_at end, trimmed_seq = $2
         where repo_id = $1 and trimmed_seq < $2"
    );
    DELETE_CHANGES = long("delete from bucket_change where bucket_id = $1 and seq <= $2");
    LIST_OLD_CHANGES = long(
        "select bucket_id, max(seq) from bucket_change where at < $1 group by bucket_id order by bucket_id limit $2"
    );

    CHECK_FILES = long(
        "select f.path, f.file_hash, f.bytes, f.content_type, f.mtime, f.uploaded_at, r.via, x.bytes
         from bucket_file f left join repo_file r on r.repo_id = f.bucket_id and r.file_hash = f.file_hash
         left join file x on x.hash = f.file_hash
         where f.bucket_id = $1 and f.path > $2 order by f.path limit $3"
    );
}

/// What a bucket's files come to, and where its changes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Bytes of all files.
    pub bytes: u64,
    /// How many files there are.
    pub files: u64,
    /// The number of the last change.
    pub seq: i64,
    /// The number of the last change that is no longer kept.
    pub trimmed_seq: i64,
    /// When that was.
    pub trimmed_at: Timestamp,
}

impl Counters {
    fn from_row(row: &Row, at: usize) -> Result<Self> {
        Ok(Self {
            bytes: row.size(at)?,
            files: row.size(at + 1)?,
            seq: row.int(at + 2)?,
            trimmed_seq: row.int(at + 3)?,
            trimmed_at: row.time(at + 4)?,
        })
    }
}

/// A file of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFile {
    /// Its path.
    pub path: String,
    /// Its content.
    pub hash: XetHash,
    /// Its size.
    pub bytes: u64,
    /// Its media type, as the client says.
    pub content_type: Option<String>,
    /// When it was last changed, as the client says.
    pub mtime: Option<Timestamp>,
    /// When it came in.
    pub uploaded_at: Timestamp,
}

fn file(row: &Row) -> Result<BucketFile> {
    Ok(BucketFile {
        path: row.string(0)?,
        hash: row.xet_hash(1)?,
        bytes: row.size(2)?,
        content_type: row.opt_string(3)?,
        mtime: row.opt_time(4)?,
        uploaded_at: row.time(5)?,
    })
}

/// A folder of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketDir {
    /// Its path.
    pub path: String,
    /// How many files are below it.
    pub files: i64,
    /// When one last came in.
    pub uploaded_at: Timestamp,
}

/// What a folder gains or loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirChange {
    /// Files below it.
    pub files: i64,
    /// When the last of them came in; zero if none did.
    pub uploaded_at: Timestamp,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeOp {
    /// It is new.
    Add,
    /// It has another content or time.
    Update,
    /// It is gone.
    Delete,
}

impl ChangeOp {
    /// The text of the database and of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// A change of a bucket's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number; they follow each other without gaps.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub op: ChangeOp,
    /// Of which file.
    pub path: String,
    /// The file's content since then.
    pub hash: Option<XetHash>,
    /// Its size.
    pub bytes: Option<u64>,
    /// When it was last changed, as the client says.
    pub mtime: Option<Timestamp>,
}

fn change(row: &Row) -> Result<Change> {
    let op = match row.text(2)? {
        "add" => ChangeOp::Add,
        "update" => ChangeOp::Update,
        "delete" => ChangeOp::Delete,
        other => return Err(Error::corrupt(format_args!("a change is called '{other}'"))),
    };
    Ok(Change {
        seq: row.int(0)?,
        at: row.time(1)?,
        op,
        path: row.string(3)?,
        hash: row.opt_bytes(4)?.and_then(XetHash::from_slice),
        bytes: row.opt_int(5)?.and_then(|n| u64::try_from(n).ok()),
        mtime: row.opt_time(6)?,
    })
}

/// Makes a repository a bucket.
pub async fn insert_bucket(s: &mut Session, repo_id: i64) -> Result<()> {
    s.exec(&INSERT_BUCKET, &values![repo_id]).await.map(drop)
}

/// What a bucket's files come to.
pub async fn find_counters(s: &mut Session, bucket: i64) -> Result<Option<Counters>> {
    s.opt(&FIND_COUNTERS, &values![bucket]).await?.map(|r| Counters::from_row(&r, 0)).transpose()
}

/// Sets what a bucket's files come to, and the number of the last change.
pub async fn save_counters(s: &mut Session, bucket: i64, counters: &Counters) -> Result<()> {
    s.exec(&SAVE_COUNTERS, &values![bucket, counters.bytes, counters.files, counters.seq]).await.map(drop)
}

/// Buckets of a namespace by name, after one, whose name contains `search`.
pub async fn list_buckets(
    s: &mut Session,
    ns_id: i64,
    viewer: &Viewer,
    search: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<(Repo, Counters)>> {
    // Nothing private, what is in their groups or in none, or everything.
    let (sees_private, groups): (i64, &[i64]) = match viewer {
        Viewer::All => (2, &[]),
        Viewer::User { ns_ids, group_ids, .. } if ns_ids.contains(&ns_id) => (1, group_ids),
        Viewer::User { .. } | Viewer::Everyone => (0, &[]),
    };
    let pattern = pattern(search);
    let [a, b, c, d, e] = values![ns_id, after, sees_private, &pattern, limit];
    let rows = s.rows(&LIST_BUCKETS, &[a, b, c, d, e, Value::Ints(groups)]).await?;
    rows.iter().map(|r| Ok((Repo::from_row(r)?, Counters::from_row(r, crate::repos::REPO_COLUMNS)?))).collect()
}

/// The file at a path.
pub async fn find_file(s: &mut Session, bucket: i64, path: &str) -> Result<Option<BucketFile>> {
    s.opt(&FIND_FILE, &values![bucket, path]).await?.map(|r| file(&r)).transpose()
}

/// The files at these paths, by path; missing ones are left out.
pub async fn list_files_at(s: &mut Session, bucket: i64, paths: &[&str]) -> Result<Vec<BucketFile>> {
    s.rows(&LIST_FILES_AT, &[Value::Int(bucket), Value::Texts(paths)]).await?.iter().map(file).collect()
}

/// Where a walk over paths goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// At this path, or the first after it.
    At(String),
    /// After this path.
    After(String),
}

/// Files in the order of their paths' bytes, from a place up to and without another.
pub async fn list_files(
    s: &mut Session,
    bucket: i64,
    from: &Start,
    end: &str,
    limit: usize,
) -> Result<Vec<BucketFile>> {
    let rows = match from {
        Start::At(path) => s.rows(&LIST_FILES_FROM, &values![bucket, path, end, limit]).await?,
        Start::After(path) => s.rows(&LIST_FILES_AFTER, &values![bucket, path, end, limit]).await?,
    };
    rows.iter().map(file).collect()
}

/// Puts files into a bucket, in the place of those that had their paths.
pub async fn put_files(s: &mut Session, bucket: i64, files: &[&BucketFile]) -> Result<()> {
    let sets: Vec<_> = files
        .iter()
        .map(|f| values![bucket, &f.path, &f.hash, f.bytes, f.content_type.as_deref(), f.mtime, f.uploaded_at])
        .collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&PUT_FILE, &sets).await.map(drop)
}

/// Takes files from a bucket.
pub async fn delete_files(s: &mut Session, bucket: i64, paths: &[&str]) -> Result<()> {
    let sets: Vec<_> = paths.iter().map(|path| values![bucket, *path]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&DELETE_FILE, &sets).await.map(drop)
}

fn slices(hashes: &[XetHash]) -> Vec<&[u8]> {
    hashes.iter().map(|h| h.0.as_slice()).collect()
}

/// Those of the contents that files of a bucket have, with their sizes.
pub async fn list_held(s: &mut Session, bucket: i64, hashes: &[XetHash]) -> Result<Vec<(XetHash, u64)>> {
    let mut held = Vec::new();
    for part in slices(hashes).chunks(1024) {
        for row in s.rows(&LIST_HELD, &[Value::Int(bucket), Value::Blobs(part)]).await? {
            held.push((row.xet_hash(0)?, row.size(1)?));
        }
    }
    Ok(held)
}

/// Those of the contents that no file of a bucket has any more.
pub async fn list_unheld(s: &mut Session, bucket: i64, hashes: &[XetHash]) -> Result<Vec<XetHash>> {
    let held: HashSet<XetHash> = list_held(s, bucket, hashes).await?.into_iter().map(|(hash, _)| hash).collect();
    Ok(hashes.iter().filter(|hash| !held.contains(hash)).copied().collect())
}

/// Adds to folders and takes from them; those without files vanish. The paths must be distinct.
pub async fn change_dirs(s: &mut Session, bucket: i64, changes: &[(&str, DirChange)]) -> Result<()> {
    let sets: Vec<_> = changes.iter().map(|(path, c)| values![bucket, *path, c.files, c.uploaded_at]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&ADD_TO_DIR, &sets).await?;
    let lost = changes.iter().filter(|(_, c)| c.files < 0);
    let sets: Vec<_> = lost.map(|(path, _)| values![bucket, *path]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&DELETE_EMPTY_DIR, &sets).await.map(drop)
}

/// The folders at these paths.
pub async fn list_dirs_at(s: &mut Session, bucket: i64, paths: &[&str]) -> Result<Vec<BucketDir>> {
    let rows = s.rows(&LIST_DIRS_AT, &[Value::Int(bucket), Value::Texts(paths)]).await?;
    rows.iter().map(|r| Ok(BucketDir { path: r.string(0)?, files: r.int(1)?, uploaded_at: r.time(2)? })).collect()
}

/// How many folders a bucket has.
pub async fn count_dirs(s: &mut Session, bucket: i64) -> Result<u64> {
    s.one(&COUNT_DIRS, &values![bucket]).await?.size(0)
}

/// Notes changes. Their numbers must follow the last one.
pub async fn insert_changes(s: &mut Session, bucket: i64, changes: &[Change]) -> Result<()> {
    let sets: Vec<_> = changes
        .iter()
        .map(|c| values![bucket, c.seq, c.at, c.op.as_str(), &c.path, c.hash.as_ref(), c.bytes, c.mtime])
        .collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&INSERT_CHANGE, &sets).await.map(drop)
}

/// Changes after one, in order.
pub async fn list_changes(s: &mut Session, bucket: i64, after: i64, limit: usize) -> Result<Vec<Change>> {
    s.rows(&LIST_CHANGES, &values![bucket, after, limit]).await?.iter().map(change).collect()
}

/// The number of the first kept change at or after a time.
pub async fn find_first_change_since(s: &mut Session, bucket: i64, since: Timestamp) -> Result<Option<i64>> {
    s.one(&FIRST_CHANGE_SINCE, &values![bucket, since]).await?.opt_int(0)
}

/// Forgets changes up to one.
pub async fn trim_changes(s: &mut Session, bucket: i64, through: i64) -> Result<()> {
    let at = s.one(&LAST_CHANGE_AT, &values![bucket, through]).await?.opt_time(0)?;
    let Some(at) = at else { return Ok(()) };
    s.exec(&NOTE_TRIMMED, &values![bucket, through, at]).await?;
    s.exec(&DELETE_CHANGES, &values![bucket, through]).await.map(drop)
}

/// Buckets with changes before a time, and the number of the last of these.
pub async fn list_old_changes(s: &mut Session, before: Timestamp, limit: usize) -> Result<Vec<(i64, i64)>> {
    let rows = s.rows(&LIST_OLD_CHANGES, &values![before, limit]).await?;
    rows.iter().map(|r| Ok((r.int(0)?, r.int(1)?))).collect()
}

/// For fsck: a file and what is known of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedFile {
    /// The file.
    pub file: BucketFile,
    /// Whether the bucket keeps its content: that an edge leads to it which does not end by itself.
    pub kept: bool,
    /// The content's size, if it is stored.
    pub stored_bytes: Option<u64>,
}

/// Files in the order of their paths, after one, with what is known of their contents.
pub async fn page_files(s: &mut Session, bucket: i64, after: &str, limit: usize) -> Result<Vec<CheckedFile>> {
    let rows = s.rows(&CHECK_FILES, &values![bucket, after, limit]).await?;
    rows.iter()
        .map(|r| {
            let stored_bytes = r.opt_int(7)?.and_then(|n| u64::try_from(n).ok());
            Ok(CheckedFile { file: file(r)?, kept: r.opt_int(6)? == Some(1), stored_bytes })
        })
        .collect()
}
