//! Git objects, commits, references and LFS pointers of repositories. Every row belongs to one repository, and every
//! query names it: membership is the read barrier.

use std::borrow::Cow;
use std::collections::HashMap;

use haina_types::{Oid, RefName, Sha256, Timestamp};

use crate::error::Conflict;
use crate::sql::{Row, Value, statements, values};
use crate::{Error, Result, Session};

macro_rules! commit_columns {
    () => {
        "oid, tree, parents, gen, author_user_id, committed_at, title"
    };
}

/// Up to this many rows are looked up one by one on SQLite; more go to another thread together.
const POINTS_MAX: usize = 32;
/// Most bytes of objects in one statement to PostgreSQL.
const INSERT_BYTES: usize = 8 << 20;
/// Most objects in one statement to PostgreSQL.
const INSERT_ROWS: usize = 2000;

statements! {
    FIND_OBJECT = point("select kind, size, storage, z from git_object where repo_id = $1 and oid = $2");
    INSERT_OBJECT = point(
        "insert into git_object (repo_id, oid, kind, size, storage, z) values ($1, $2, $3, $4, $5, $6)
         on conflict (repo_id, oid) do nothing"
    );
    INSERT_OBJECTS = pair(
        "insert into git_object (repo_id, oid, kind, size, storage, z) values ($1, $2, $3, $4, $5, $6)
         on conflict (repo_id, oid) do nothing",
        "insert into git_object (repo_id, oid, kind, size, storage, z)
         select $1, o.oid, o.kind, o.size, o.storage, o.z
         from unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[]) as o (oid, kind, size, storage, z)
         on conflict (repo_id, oid) do nothing"
    );
    // A delta begins with the id of its base.
    LIST_BASELESS = long(
        "select o.oid from git_object o where o.repo_id = $1 and o.storage = 1
         and not exists (select 1 from git_object b where b.repo_id = $1 and b.oid = substr(o.z, 1, 20))
         order by o.oid limit $2"
    );
    MAKE_WHOLE = point("update git_object set storage = 0, z = $3 where repo_id = $1 and oid = $2");
    FIND_BLOB_INFO = point(
        "select o.oid, o.size, p.sha256, p.size from git_object o
         left join lfs_pointer p on p.repo_id = o.repo_id and p.blob_oid = o.oid where o.repo_id = $1 and o.oid = $2"
    );
    LIST_BLOB_INFO = long_pair(
        "select o.oid, o.size, p.sha256, p.size from json_each($2) j
         cross join git_object o on o.repo_id = $1 and o.oid = unhex(j.value)
         left join lfs_pointer p on p.repo_id = o.repo_id and p.blob_oid = o.oid",
        "select o.oid, o.size, p.sha256, p.size from git_object o
         left join lfs_pointer p on p.repo_id = o.repo_id and p.blob_oid = o.oid
         where o.repo_id = $1 and o.oid = any($2)"
    );
    LIST_OBJECTS_PRESENT = long_pair(
        "select o.oid from json_each($2) j cross join git_object o on o.repo_id = $1 and o.oid = unhex(j.value)",
        "select o.oid from git_object o where o.repo_id = $1 and o.oid = any($2)"
    );
    FIND_OBJECT_INFO = point("select oid, kind, size, storage, length(z) from git_object where repo_id = $1 and oid = $2");
    LIST_OBJECT_INFO = long_pair(
        "select o.oid, o.kind, o.size, o.storage, length(o.z) from json_each($2) j
         cross join git_object o on o.repo_id = $1 and o.oid = unhex(j.value)",
        "select o.oid, o.kind, o.size, o.storage, length(o.z)::bigint from git_object o
         where o.repo_id = $1 and o.oid = any($2)"
    );
    LIST_OBJECTS = long_pair(
        "select o.oid, o.kind, o.size, o.storage, o.z from json_each($2) j
         cross join git_object o on o.repo_id = $1 and o.oid = unhex(j.value)",
        "select o.oid, o.kind, o.size, o.storage, o.z from git_object o where o.repo_id = $1 and o.oid = any($2)"
    );
    LIST_ALL_COMMITS = long("select oid, tree, parents, gen, committed_at from git_commit where repo_id = $1");
    INSERT_POINTER = point(
        "insert into lfs_pointer (repo_id, blob_oid, sha256, size) values ($1, $2, $3, $4)
         on conflict (repo_id, blob_oid) do nothing"
    );
    // `created_at` is when the content came to the repository.
    LIST_POINTERS = long(
        "select p.blob_oid, p.sha256, p.size, c.created_at from lfs_pointer p
         join repo_sha c on c.repo_id = p.repo_id and c.sha256 = p.sha256
         join repo_file f on f.repo_id = c.repo_id and f.file_hash = c.file_hash
         where p.repo_id = $1 order by p.sha256, p.blob_oid limit $2"
    );
    COPY_OBJECTS = long_pair(
        "insert into git_object (repo_id, oid, kind, size, storage, z)
         select $2, o.oid, o.kind, o.size, o.storage, o.z from git_object o
         where o.repo_id = $1 and o.oid in (select unhex(value) from json_each($3))
         on conflict (repo_id, oid) do nothing",
        "insert into git_object (repo_id, oid, kind, size, storage, z)
         select $2, o.oid, o.kind, o.size, o.storage, o.z from git_object o
         where o.repo_id = $1 and o.oid = any($3)
         on conflict (repo_id, oid) do nothing"
    );
    COPY_POINTERS = long_pair(
        "insert into lfs_pointer (repo_id, blob_oid, sha256, size)
         select $2, p.blob_oid, p.sha256, p.size from lfs_pointer p
         where p.repo_id = $1 and p.blob_oid in (select unhex(value) from json_each($3))
         on conflict (repo_id, blob_oid) do nothing",
        "insert into lfs_pointer (repo_id, blob_oid, sha256, size)
         select $2, p.blob_oid, p.sha256, p.size from lfs_pointer p
         where p.repo_id = $1 and p.blob_oid = any($3)
         on conflict (repo_id, blob_oid) do nothing"
    );
    HAS_POINTER = point("select 1 from lfs_pointer where sha256 = $2 and repo_id = $1 limit 1");
    FIND_COMMIT = point(concat!("select ", commit_columns!(), " from git_commit where repo_id = $1 and oid = $2"));
    LIST_COMMITS_BY_OID = long_pair(
        "select c.oid, c.tree, c.parents, c.gen, c.author_user_id, c.committed_at, c.title
         from json_each($2) j cross join git_commit c on c.repo_id = $1 and c.oid = unhex(j.value)",
        "select c.oid, c.tree, c.parents, c.gen, c.author_user_id, c.committed_at, c.title
         from git_commit c where c.repo_id = $1 and c.oid = any($2)"
    );
    FIND_COMMITS_BY_PREFIX = point(
        "select oid from git_commit where repo_id = $1 and oid >= $2 and oid <= $3 order by oid limit $4"
    );
    INSERT_COMMIT = point(
        "insert into git_commit (repo_id, oid, tree, parents, gen, author_user_id, committed_at, title)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (repo_id, oid) do nothing"
    );
    INSERT_COMMITS = pair(
        "insert into git_commit (repo_id, oid, tree, parents, gen, author_user_id, committed_at, title)
         values ($1, $2, $3, $4, $5, $8, $6, $7) on conflict (repo_id, oid) do nothing",
        "insert into git_commit (repo_id, oid, tree, parents, gen, author_user_id, committed_at, title)
         select $1, c.oid, c.tree, c.parents, c.gen, $8, c.at, c.title
         from unnest($2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bigint[], $7::text[])
             as c (oid, tree, parents, gen, at, title)
         on conflict (repo_id, oid) do nothing"
    );
    COUNT_COMMITS = long("select count(*) from git_commit where repo_id = $1");
    FIND_REF = point("select name, oid, version, updated_at from git_ref where repo_id = $1 and name = $2");
    LIST_REFS = long("select name, oid, version, updated_at from git_ref where repo_id = $1 order by name");
    LOCK_REPO = pair(
        "select id from repo where id = $1",
        "select id from repo where id = $1 for no key update"
    );
    FIND_REF_BELOW = point("select name from git_ref where repo_id = $1 and name >= $2 and name < $3 limit 1");
    INSERT_REF = point(
        "insert into git_ref (repo_id, name, oid, version, updated_at) values ($1, $2, $3, 1, $4)
         on conflict (repo_id, name) do nothing"
    );
    UPDATE_REF = point(
        "update git_ref set oid = $4, version = version + 1, updated_at = $5
         where repo_id = $1 and name = $2 and oid = $3"
    );
    DELETE_REF = point("delete from git_ref where repo_id = $1 and name = $2 and oid = $3");
    APPEND_REFLOG = point(
        "insert into reflog (repo_id, name, old_oid, new_oid, actor_id, at) values ($1, $2, $3, $4, $5, $6)"
    );
    LIST_REFLOG = point(
        "select old_oid, new_oid, actor_id, at from reflog where repo_id = $1 and name = $2 order by id desc limit $3"
    );
    SUM_OBJECT_BYTES = long(
        "select coalesce(cast(sum(length(z)) as bigint), 0) from git_object where repo_id = $1"
    );
}

/// What an object is made from that is kept as a delta.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaOf {
    /// An object of the same repository, which was there before this one.
    pub base: Oid,
    /// Length of the delta when inflated.
    pub size: u32,
}

impl DeltaOf {
    /// Bytes that stand before the stream of a delta.
    pub const BYTES: usize = Oid::LEN + 4;
}

/// An object as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Git's number: 1 commit, 2 tree, 3 blob, 4 tag.
    pub kind: i64,
    /// Length of the content when inflated.
    pub size: u64,
    /// For a delta in git's format: upon what.
    pub delta: Option<DeltaOf>,
    /// A zlib stream of the content without git's header, or of the delta.
    pub z: Vec<u8>,
}

/// How an object is kept, as the column `storage` has it.
const WHOLE: i64 = 0;
const DELTA: i64 = 1;

impl Object {
    /// From the columns kind, size, storage, z.
    fn from_row(row: &mut Row, first: usize) -> Result<Self> {
        let (kind, size) = (row.int(first)?, row.size(first + 1)?);
        let storage = row.int(first + 2)?;
        let mut z = row.take_bytes(first + 3)?;
        let delta = match (storage, z.split_first_chunk::<{ Oid::LEN }>()) {
            (WHOLE, _) => None,
            (DELTA, Some((base, rest))) if rest.len() >= 4 => {
                let size = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
                Some(DeltaOf { base: Oid(*base), size })
            }
            _ => return Err(Error::Corrupt(format!("an object of git has storage {storage} and {} bytes", z.len()))),
        };
        if delta.is_some() {
            z.drain(..DeltaOf::BYTES);
        }
        Ok(Self { kind, size, delta, z })
    }
}

/// An object to keep.
#[derive(Debug, Clone, Copy)]
pub struct NewObject<'a> {
    /// Its id.
    pub oid: Oid,
    /// Git's number: 1 commit, 2 tree, 3 blob, 4 tag.
    pub kind: i64,
    /// Length of the content when inflated.
    pub size: u64,
    /// If it is kept as a delta: upon what. The base is there already, or among the objects of the same call.
    pub delta: Option<DeltaOf>,
    /// A zlib stream of the content without git's header, or of the delta.
    pub z: &'a [u8],
}

impl NewObject<'_> {
    fn storage(&self) -> i64 {
        if self.delta.is_some() { DELTA } else { WHOLE }
    }

    /// The column `z`.
    fn stored(&self) -> Cow<'_, [u8]> {
        match &self.delta {
            None => Cow::Borrowed(self.z),
            Some(of) => Cow::Owned([&of.base.as_bytes()[..], &of.size.to_be_bytes(), self.z].concat()),
        }
    }
}

/// An object of a repository.
pub async fn find_object(s: &mut Session, repo: i64, oid: &Oid) -> Result<Option<Object>> {
    let row = s.opt(&FIND_OBJECT, &values![repo, oid]).await?;
    row.map(|mut r| Object::from_row(&mut r, 0)).transpose()
}

/// Keeps objects; those that the repository has already are left alone. How many were new.
pub async fn insert_objects(s: &mut Session, repo: i64, objects: &[NewObject<'_>]) -> Result<u64> {
    // In one order, so that two pushes of the same objects cannot each wait for the other.
    let mut sorted: Vec<&NewObject<'_>> = objects.iter().collect();
    sorted.sort_unstable_by_key(|o| o.oid);
    let stored: Vec<Cow<'_, [u8]>> = sorted.iter().map(|o| o.stored()).collect();
    let bytes: u64 = stored.iter().map(|z| z.len() as u64).sum();
    if !s.is_postgres() {
        let rows = sorted.iter().zip(&stored);
        let sets: Vec<[Value<'_>; 6]> =
            rows.map(|(o, z)| values![repo, &o.oid, o.kind, o.size, o.storage(), &z[..]]).collect();
        let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
        let count = s.exec_each(&INSERT_OBJECT, &sets).await?;
        s.note_objects(repo, count, objects.len(), bytes);
        return Ok(count);
    }
    let mut count = 0;
    let (mut rest, mut rest_z) = (sorted.as_slice(), stored.as_slice());
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |z: &&Cow<'_, [u8]>| {
            bytes += z.len();
            bytes <= INSERT_BYTES
        };
        let n = rest_z.iter().take(INSERT_ROWS).take_while(fits).count().max(1);
        let (now, later) = rest.split_at(n);
        let (now_z, later_z) = rest_z.split_at(n);
        (rest, rest_z) = (later, later_z);
        let oids: Vec<&[u8]> = now.iter().map(|o| &o.oid.0[..]).collect();
        let kinds: Vec<i64> = now.iter().map(|o| o.kind).collect();
        let sizes: Vec<i64> = now.iter().map(|o| i64::try_from(o.size).unwrap_or(i64::MAX)).collect();
        let storages: Vec<i64> = now.iter().map(|o| o.storage()).collect();
        let streams: Vec<&[u8]> = now_z.iter().map(|z| &z[..]).collect();
        let params = [
            Value::Int(repo),
            Value::Blobs(&oids),
            Value::Ints(&kinds),
            Value::Ints(&sizes),
            Value::Ints(&storages),
            Value::Blobs(&streams),
        ];
        count += s.exec(&INSERT_OBJECTS, &params).await?;
    }
    s.note_objects(repo, count, objects.len(), bytes);
    Ok(count)
}

/// Deltas whose base the repository does not have, after some objects were copied into it.
pub async fn list_baseless(s: &mut Session, repo: i64, limit: usize) -> Result<Vec<Oid>> {
    s.rows(&LIST_BASELESS, &values![repo, limit]).await?.iter().map(|r| r.oid(0)).collect()
}

/// Keeps an object as this zlib stream, instead of as a delta.
pub async fn make_whole(s: &mut Session, repo: i64, oid: &Oid, z: &[u8]) -> Result<()> {
    s.exec(&MAKE_WHOLE, &values![repo, oid, z]).await.map(drop)
}

/// Which of these objects the repository has.
pub async fn list_objects_present(s: &mut Session, repo: i64, oids: &[Oid]) -> Result<Vec<Oid>> {
    if oids.is_empty() {
        return Ok(Vec::new());
    }
    let blobs: Vec<&[u8]> = oids.iter().map(|o| &o.0[..]).collect();
    s.rows(&LIST_OBJECTS_PRESENT, &[Value::Int(repo), Value::Blobs(&blobs)]).await?.iter().map(|r| r.oid(0)).collect()
}

/// What is known of an object without its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its id.
    pub oid: Oid,
    /// Git's number: 1 commit, 2 tree, 3 blob, 4 tag.
    pub kind: i64,
    /// Length of the content when inflated.
    pub size: u64,
    /// Length of the zlib stream; of what is kept as a delta, that of the content.
    pub stored: u64,
}

/// Kinds and sizes of those of these objects that the repository has, in no order.
pub async fn list_object_info(s: &mut Session, repo: i64, oids: &[Oid]) -> Result<Vec<ObjectInfo>> {
    let rows = if oids.len() <= POINTS_MAX && !s.is_postgres() {
        let mut rows = Vec::with_capacity(oids.len());
        for oid in oids {
            rows.extend(s.opt(&FIND_OBJECT_INFO, &values![repo, oid]).await?);
        }
        rows
    } else {
        let blobs: Vec<&[u8]> = oids.iter().map(|o| &o.0[..]).collect();
        s.rows(&LIST_OBJECT_INFO, &[Value::Int(repo), Value::Blobs(&blobs)]).await?
    };
    rows.iter()
        .map(|r| {
            let size = r.size(2)?;
            let stored = if r.int(3)? == DELTA { size } else { r.size(4)? };
            Ok(ObjectInfo { oid: r.oid(0)?, kind: r.int(1)?, size, stored })
        })
        .collect()
}

/// Those of these objects that the repository has, in no order. The caller sees to it that they fit into memory.
pub async fn list_objects(s: &mut Session, repo: i64, oids: &[Oid]) -> Result<Vec<(Oid, Object)>> {
    let blobs: Vec<&[u8]> = oids.iter().map(|o| &o.0[..]).collect();
    let rows = s.rows(&LIST_OBJECTS, &[Value::Int(repo), Value::Blobs(&blobs)]).await?;
    rows.into_iter().map(|mut r| Ok((r.oid(0)?, Object::from_row(&mut r, 1)?))).collect()
}

/// What a listing shows of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// Length of the blob itself.
    pub size: u64,
    /// If it is an LFS pointer: the file's SHA-256 and length.
    pub pointer: Option<(Sha256, u64)>,
}

/// Sizes and pointers of blobs; ids that the repository does not have are absent.
pub async fn list_blob_info(s: &mut Session, repo: i64, oids: &[Oid]) -> Result<HashMap<Oid, BlobInfo>> {
    let rows = if oids.len() <= POINTS_MAX && !s.is_postgres() {
        let mut rows = Vec::with_capacity(oids.len());
        for oid in oids {
            rows.extend(s.opt(&FIND_BLOB_INFO, &values![repo, oid]).await?);
        }
        rows
    } else {
        let blobs: Vec<&[u8]> = oids.iter().map(|o| &o.0[..]).collect();
        s.rows(&LIST_BLOB_INFO, &[Value::Int(repo), Value::Blobs(&blobs)]).await?
    };
    rows.iter()
        .map(|r| {
            let pointer = match r.opt_sha256(2)? {
                Some(sha256) => Some((sha256, r.size(3)?)),
                None => None,
            };
            Ok((r.oid(0)?, BlobInfo { size: r.size(1)?, pointer }))
        })
        .collect()
}

/// Notes that a blob is an LFS pointer.
pub async fn insert_pointer(s: &mut Session, repo: i64, blob: &Oid, sha256: &Sha256, size: u64) -> Result<()> {
    s.exec(&INSERT_POINTER, &values![repo, blob, sha256, size]).await.map(drop)
}

/// A pointer blob whose content is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerRow {
    /// The blob.
    pub blob: Oid,
    /// What it points to.
    pub sha256: Sha256,
    /// Size of the content.
    pub size: u64,
    /// When the content came.
    pub pushed_at: Timestamp,
}

/// The pointers of a repository whose content is here, by digest; at most `limit`.
pub async fn list_pointers(s: &mut Session, repo: i64, limit: usize) -> Result<Vec<PointerRow>> {
    let rows = s.rows(&LIST_POINTERS, &values![repo, limit]).await?;
    rows.iter()
        .map(|r| Ok(PointerRow { blob: r.oid(0)?, sha256: r.sha256(1)?, size: r.size(2)?, pushed_at: r.time(3)? }))
        .collect()
}

/// Copies objects, and what is known of pointers among them, from one repository to another; how many objects came.
pub async fn copy_objects(s: &mut Session, from: i64, to: i64, oids: &[Oid]) -> Result<u64> {
    let blobs: Vec<&[u8]> = oids.iter().map(|o| o.0.as_slice()).collect();
    let count = s.exec(&COPY_OBJECTS, &[Value::Int(from), Value::Int(to), Value::Blobs(&blobs)]).await?;
    s.exec(&COPY_POINTERS, &[Value::Int(from), Value::Int(to), Value::Blobs(&blobs)]).await?;
    Ok(count)
}

/// Whether any blob of the repository points to this file.
pub async fn has_pointer(s: &mut Session, repo: i64, sha256: &Sha256) -> Result<bool> {
    Ok(s.opt(&HAS_POINTER, &values![repo, sha256]).await?.is_some())
}

/// What walks and lists need of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRow {
    /// Its id.
    pub oid: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// One more than the largest of its parents'; 1 without parents.
    pub gen_number: i64,
    /// The account that made it here.
    pub author_user_id: Option<i64>,
    /// The committer's time.
    pub committed_at: Timestamp,
    /// The first line of its message.
    pub title: String,
}

fn parents_of(row: &Row, column: usize) -> Result<Vec<Oid>> {
    let parents = row.bytes(column)?;
    if !parents.len().is_multiple_of(Oid::LEN) {
        return Err(Error::corrupt("the parents of a commit are not whole ids"));
    }
    Ok(parents.chunks_exact(Oid::LEN).filter_map(Oid::from_slice).collect())
}

impl CommitRow {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            oid: row.oid(0)?,
            tree: row.oid(1)?,
            parents: parents_of(row, 2)?,
            gen_number: row.int(3)?,
            author_user_id: row.opt_int(4)?,
            committed_at: row.time(5)?,
            title: row.string(6)?,
        })
    }
}

/// A commit of a repository.
pub async fn find_commit(s: &mut Session, repo: i64, oid: &Oid) -> Result<Option<CommitRow>> {
    s.opt(&FIND_COMMIT, &values![repo, oid]).await?.map(|r| CommitRow::from_row(&r)).transpose()
}

/// Those of these commits that the repository has, in no order.
pub async fn list_commits_by_oid(s: &mut Session, repo: i64, oids: &[Oid]) -> Result<Vec<CommitRow>> {
    if oids.len() <= POINTS_MAX && !s.is_postgres() {
        let mut out = Vec::with_capacity(oids.len());
        for oid in oids {
            out.extend(find_commit(s, repo, oid).await?);
        }
        return Ok(out);
    }
    let blobs: Vec<&[u8]> = oids.iter().map(|o| &o.0[..]).collect();
    let rows = s.rows(&LIST_COMMITS_BY_OID, &[Value::Int(repo), Value::Blobs(&blobs)]).await?;
    rows.iter().map(CommitRow::from_row).collect()
}

/// What walks over a whole history need of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitNode {
    /// Its id.
    pub oid: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// One more than the largest of its parents'; 1 without parents.
    pub gen_number: i64,
    /// The committer's time.
    pub committed_at: Timestamp,
}

/// Every commit of a repository, in no order.
pub async fn list_all_commits(s: &mut Session, repo: i64) -> Result<Vec<CommitNode>> {
    let rows = s.rows(&LIST_ALL_COMMITS, &values![repo]).await?;
    rows.iter()
        .map(|r| {
            Ok(CommitNode {
                oid: r.oid(0)?,
                tree: r.oid(1)?,
                parents: parents_of(r, 2)?,
                gen_number: r.int(3)?,
                committed_at: r.time(4)?,
            })
        })
        .collect()
}

/// The smallest and the largest id that begin with these hexadecimal digits.
fn prefix_range(prefix: &str) -> Option<(Oid, Oid)> {
    let digits = 2 * Oid::LEN;
    let end = |fill: char| -> Option<Oid> {
        let rest = digits.checked_sub(prefix.len())?;
        prefix.chars().chain(std::iter::repeat_n(fill, rest)).collect::<String>().parse().ok()
    };
    Some((end('0')?, end('f')?))
}

/// Commits whose id begins with these hexadecimal digits, at most `limit`.
pub async fn find_commits_by_prefix(s: &mut Session, repo: i64, prefix: &str, limit: usize) -> Result<Vec<Oid>> {
    let Some((first, last)) = prefix_range(prefix) else { return Ok(Vec::new()) };
    let rows = s.rows(&FIND_COMMITS_BY_PREFIX, &values![repo, &first, &last, limit]).await?;
    rows.iter().map(|r| r.oid(0)).collect()
}

/// Keeps a commit; one that the repository has already is left alone.
pub async fn insert_commit(s: &mut Session, repo: i64, commit: &CommitRow) -> Result<()> {
    let parents: Vec<u8> = commit.parents.iter().flat_map(|p| p.0).collect();
    let params = values![
        repo,
        &commit.oid,
        &commit.tree,
        &parents,
        commit.gen_number,
        commit.author_user_id,
        commit.committed_at,
        &commit.title
    ];
    s.exec(&INSERT_COMMIT, &params).await.map(drop)
}

/// Keeps commits that one account made known here; those that the repository has already are left alone.
pub async fn insert_commits(s: &mut Session, repo: i64, commits: &[CommitRow], author: Option<i64>) -> Result<()> {
    let parents: Vec<Vec<u8>> = commits.iter().map(|c| c.parents.iter().flat_map(|p| p.0).collect()).collect();
    if !s.is_postgres() {
        let sets: Vec<[Value<'_>; 8]> = commits
            .iter()
            .zip(&parents)
            .map(|(c, parents)| values![repo, &c.oid, &c.tree, parents, c.gen_number, c.committed_at, &c.title, author])
            .collect();
        let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
        return s.exec_each(&INSERT_COMMITS, &sets).await.map(drop);
    }
    for (commits, parents) in commits.chunks(INSERT_ROWS).zip(parents.chunks(INSERT_ROWS)) {
        let oids: Vec<&[u8]> = commits.iter().map(|c| &c.oid.0[..]).collect();
        let trees: Vec<&[u8]> = commits.iter().map(|c| &c.tree.0[..]).collect();
        let parents: Vec<&[u8]> = parents.iter().map(Vec::as_slice).collect();
        let generations: Vec<i64> = commits.iter().map(|c| c.gen_number).collect();
        let times: Vec<i64> = commits.iter().map(|c| c.committed_at.0).collect();
        let titles: Vec<&str> = commits.iter().map(|c| c.title.as_str()).collect();
        let params = [
            Value::Int(repo),
            Value::Blobs(&oids),
            Value::Blobs(&trees),
            Value::Blobs(&parents),
            Value::Ints(&generations),
            Value::Ints(&times),
            Value::Texts(&titles),
            Value::from(author),
        ];
        s.exec(&INSERT_COMMITS, &params).await?;
    }
    Ok(())
}

/// How many commits a repository has, on any branch.
pub async fn count_commits(s: &mut Session, repo: i64) -> Result<u64> {
    s.one(&COUNT_COMMITS, &values![repo]).await?.size(0)
}

/// A reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefRow {
    /// Its full name.
    pub name: RefName,
    /// What it points to.
    pub oid: Oid,
    /// How often it was moved.
    pub version: i64,
    /// When it was last moved.
    pub updated_at: Timestamp,
}

impl RefRow {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self { name: row.parse(0)?, oid: row.oid(1)?, version: row.int(2)?, updated_at: row.time(3)? })
    }
}

/// A reference of a repository.
pub async fn find_ref(s: &mut Session, repo: i64, name: &RefName) -> Result<Option<RefRow>> {
    s.opt(&FIND_REF, &values![repo, name]).await?.map(|r| RefRow::from_row(&r)).transpose()
}

/// All references of a repository, in the order of their bytes.
pub async fn list_refs(s: &mut Session, repo: i64) -> Result<Vec<RefRow>> {
    s.rows(&LIST_REFS, &values![repo]).await?.iter().map(RefRow::from_row).collect()
}

/// Makes this transaction the only one that creates references in this repository until it ends; false if the
/// repository is gone.
pub async fn lock_repo(s: &mut Session, repo: i64) -> Result<bool> {
    s.check_writes()?;
    Ok(s.opt(&LOCK_REPO, &values![repo]).await?.is_some())
}

/// Creates (`None` to `Some`), moves or deletes (`Some` to `None`) a reference, if it still is what the caller saw;
/// false if not. [`Error::Conflict`] says that another reference is in the way: `a` and `a/b` cannot both exist.
pub async fn put_ref(
    s: &mut Session,
    repo: i64,
    name: &RefName,
    old: Option<&Oid>,
    new: Option<&Oid>,
    now: Timestamp,
) -> Result<bool> {
    match (old, new) {
        (Some(old), Some(new)) => Ok(s.exec(&UPDATE_REF, &values![repo, name, old, new, now]).await? == 1),
        (Some(old), None) => Ok(s.exec(&DELETE_REF, &values![repo, name, old]).await? == 1),
        (None, None) => Ok(find_ref(s, repo, name).await?.is_none()),
        (None, Some(new)) => {
            if !lock_repo(s, repo).await? {
                return Ok(false);
            }
            if let Some(other) = find_clash(s, repo, name).await? {
                return Err(Error::Conflict(Conflict { table: "git_ref".to_owned(), detail: other }));
            }
            Ok(s.exec(&INSERT_REF, &values![repo, name, new, now]).await? == 1)
        }
    }
}

/// A reference that `name` would have to be a folder of, or the other way round.
async fn find_clash(s: &mut Session, repo: i64, name: &RefName) -> Result<Option<String>> {
    // '0' is the character after '/'.
    let (from, to) = (format!("{name}/"), format!("{name}0"));
    if let Some(row) = s.opt(&FIND_REF_BELOW, &values![repo, &from, &to]).await? {
        return row.string(0).map(Some);
    }
    let text = name.as_str();
    for (at, _) in text.match_indices('/') {
        if s.opt(&FIND_REF, &values![repo, &text[..at]]).await?.is_some() {
            return Ok(Some(text[..at].to_owned()));
        }
    }
    Ok(None)
}

/// One move of a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefMove {
    /// From where; `None` if it was created.
    pub old: Option<Oid>,
    /// To where; `None` if it was deleted.
    pub new: Option<Oid>,
    /// By whom.
    pub actor_id: Option<i64>,
    /// When.
    pub at: Timestamp,
}

/// Notes a move of a reference.
pub async fn append_reflog(s: &mut Session, repo: i64, name: &RefName, moved: &RefMove) -> Result<()> {
    let params = values![repo, name, moved.old.as_ref(), moved.new.as_ref(), moved.actor_id, moved.at];
    s.exec(&APPEND_REFLOG, &params).await.map(drop)
}

/// The moves of a reference, newest first.
pub async fn list_reflog(s: &mut Session, repo: i64, name: &RefName, limit: usize) -> Result<Vec<RefMove>> {
    let rows = s.rows(&LIST_REFLOG, &values![repo, name, limit]).await?;
    rows.iter()
        .map(|r| Ok(RefMove { old: r.opt_oid(0)?, new: r.opt_oid(1)?, actor_id: r.opt_int(2)?, at: r.time(3)? }))
        .collect()
}

/// Bytes that a repository's objects take in the database. Reads every row: for recounts, not for requests.
pub async fn used_bytes(s: &mut Session, repo: i64) -> Result<u64> {
    s.one(&SUM_OBJECT_BYTES, &values![repo]).await?.size(0)
}
