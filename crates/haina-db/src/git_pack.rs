//! Packs that were made ahead. A row says what its object holds; whoever removes objects from a repository's history
//! calls [`condemn_packs`], because a pack that has them must not be sent any more.

use haina_types::{Oid, Timestamp};

use crate::sql::{Row, statements, values};
use crate::{Error, Result, Session};

macro_rules! columns {
    () => {
        "id, repo_id, class, key, whole, tips, others, object, pack_bytes, bytes, objects, deltas, checksums, used_at"
    };
}

statements! {
    INSERT_PACK = point(
        "insert into git_pack (repo_id, class, key, whole, tips, others, object, pack_bytes, bytes, objects, deltas,
             checksums, made_at, used_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)
         on conflict (repo_id, key) where gone_at is null do nothing returning id"
    );
    FIND_PACK = point(concat!(
        "select ", columns!(), " from git_pack where repo_id = $1 and key = $2 and gone_at is null"
    ));
    LIST_WHOLE = point(concat!(
        "select ", columns!(), " from git_pack where repo_id = $1 and whole = 1 and gone_at is null
         order by id desc limit $2"
    ));
    TOUCH = point("update git_pack set used_at = $2 where id = $1 and used_at < $2");
    CONDEMN = point("update git_pack set gone_at = $2 where id = $1 and gone_at is null");
    CONDEMN_OLDER = point(
        "update git_pack set gone_at = $4 where repo_id = $1 and class = $2 and id < $3 and gone_at is null"
    );
    CONDEMN_OF_REPO = point("update git_pack set gone_at = $2 where repo_id = $1 and gone_at is null");
    CONDEMN_ORPHANS = long(
        "update git_pack set gone_at = $1 where gone_at is null
         and not exists (select 1 from repo where repo.id = git_pack.repo_id)"
    );
    LIST_BY_USE = long("select id, bytes from git_pack where gone_at is null order by used_at desc, id desc");
    LIST_GONE = point("select id, object from git_pack where gone_at <= $1 order by gone_at, id limit $2");
    DELETE_PACK = point("delete from git_pack where id = $1 and gone_at is not null");
    PAGE_PACKS = point(concat!(
        "select ", columns!(), " from git_pack where id > $1 and gone_at is null order by id limit $2"
    ));
    FIND_BY_OBJECT = point("select 1 from git_pack where object = $1");
    IS_LIVE = point("select 1 from git_pack where id = $1 and gone_at is null");
}

/// A pack to keep.
#[derive(Debug, Clone)]
pub struct NewPack<'a> {
    /// Whose objects it has.
    pub repo: i64,
    /// Which of the usual requests it answers.
    pub class: &'a str,
    /// A hash of the request.
    pub key: &'a [u8; 32],
    /// Whether it has all that its tips reach.
    pub whole: bool,
    /// The commits that it was made for.
    pub tips: &'a [Oid],
    /// Other objects that it was made for.
    pub others: &'a [Oid],
    /// The key of its object.
    pub object: &'a str,
    /// Bytes of the pack itself.
    pub pack_bytes: u64,
    /// Bytes of the object: the pack and its index.
    pub bytes: u64,
    /// How many objects of git it has.
    pub objects: u32,
    /// How many of them are deltas.
    pub deltas: u32,
    /// Checksums of its object's blocks.
    pub checksums: &'a [u8],
}

/// A pack that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pack {
    /// Its id.
    pub id: i64,
    /// Whose objects it has.
    pub repo: i64,
    /// Which of the usual requests it answers.
    pub class: String,
    /// Whether it has all that its tips reach.
    pub whole: bool,
    /// The commits that it was made for.
    pub tips: Vec<Oid>,
    /// Other objects that it was made for.
    pub others: Vec<Oid>,
    /// The key of its object.
    pub object: String,
    /// Bytes of the pack itself.
    pub pack_bytes: u64,
    /// Bytes of the object: the pack and its index.
    pub bytes: u64,
    /// How many objects of git it has.
    pub objects: u32,
    /// How many of them are deltas.
    pub deltas: u32,
    /// Checksums of its object's blocks.
    pub checksums: Vec<u8>,
    /// When it was last sent, about.
    pub used_at: Timestamp,
}

fn join(oids: &[Oid]) -> Vec<u8> {
    oids.iter().flat_map(|oid| oid.0).collect()
}

fn oids(row: &Row, column: usize) -> Result<Vec<Oid>> {
    let bytes = row.bytes(column)?;
    if !bytes.len().is_multiple_of(Oid::LEN) {
        return Err(Error::corrupt("the ids of a pack are not whole ids"));
    }
    Ok(bytes.chunks_exact(Oid::LEN).filter_map(Oid::from_slice).collect())
}

fn count(row: &Row, column: usize) -> Result<u32> {
    u32::try_from(row.int(column)?).map_err(|_| Error::corrupt("a count of objects"))
}

fn pack(row: &Row) -> Result<Pack> {
    Ok(Pack {
        id: row.int(0)?,
        repo: row.int(1)?,
        class: row.string(2)?,
        whole: row.flag(4)?,
        tips: oids(row, 5)?,
        others: oids(row, 6)?,
        object: row.string(7)?,
        pack_bytes: row.size(8)?,
        bytes: row.size(9)?,
        objects: count(row, 10)?,
        deltas: count(row, 11)?,
        checksums: row.bytes(12)?.to_vec(),
        used_at: row.time(13)?,
    })
}

/// Keeps a pack; its id, or `None` if there is one for the same request.
pub async fn insert_pack(s: &mut Session, new: &NewPack<'_>, now: Timestamp) -> Result<Option<i64>> {
    let (tips, others) = (join(new.tips), join(new.others));
    let params = values![
        new.repo,
        new.class,
        new.key,
        new.whole,
        &tips,
        &others,
        new.object,
        new.pack_bytes,
        new.bytes,
        i64::from(new.objects),
        i64::from(new.deltas),
        new.checksums,
        now
    ];
    s.opt(&INSERT_PACK, &params).await?.map(|r| r.int(0)).transpose()
}

/// The pack that answers a request.
pub async fn find_pack(s: &mut Session, repo: i64, key: &[u8; 32]) -> Result<Option<Pack>> {
    s.opt(&FIND_PACK, &values![repo, key]).await?.map(|r| pack(&r)).transpose()
}

/// The newest packs of a repository that have all that their tips reach.
pub async fn list_whole_packs(s: &mut Session, repo: i64, limit: usize) -> Result<Vec<Pack>> {
    s.rows(&LIST_WHOLE, &values![repo, limit]).await?.iter().map(pack).collect()
}

/// Notes that a pack was sent.
pub async fn touch_pack(s: &mut Session, id: i64, now: Timestamp) -> Result<()> {
    s.exec(&TOUCH, &values![id, now]).await.map(drop)
}

/// A pack is not sent any more.
pub async fn condemn_pack(s: &mut Session, id: i64, now: Timestamp) -> Result<()> {
    s.exec(&CONDEMN, &values![id, now]).await.map(drop)
}

/// What came before a pack of the same repository and class is not sent any more.
pub async fn condemn_older_packs(s: &mut Session, repo: i64, class: &str, id: i64, now: Timestamp) -> Result<()> {
    s.exec(&CONDEMN_OLDER, &values![repo, class, id, now]).await.map(drop)
}

/// No pack of a repository is sent any more: it is deleted, or objects are removed from its history.
pub async fn condemn_packs(s: &mut Session, repo: i64, now: Timestamp) -> Result<()> {
    s.exec(&CONDEMN_OF_REPO, &values![repo, now]).await.map(drop)
}

/// Packs of repositories that are gone are not sent any more.
pub async fn condemn_orphaned_packs(s: &mut Session, now: Timestamp) -> Result<u64> {
    s.exec(&CONDEMN_ORPHANS, &values![now]).await
}

/// All packs (id, bytes) that can be sent, the last used first.
pub async fn list_packs_by_use(s: &mut Session) -> Result<Vec<(i64, u64)>> {
    s.rows(&LIST_BY_USE, &[]).await?.iter().map(|r| Ok((r.int(0)?, r.size(1)?))).collect()
}

/// Packs (id, object) that have not been sent since then.
pub async fn list_gone_packs(s: &mut Session, since: Timestamp, limit: usize) -> Result<Vec<(i64, String)>> {
    s.rows(&LIST_GONE, &values![since, limit]).await?.iter().map(|r| Ok((r.int(0)?, r.string(1)?))).collect()
}

/// Forgets a pack that is not sent any more and whose object is deleted.
pub async fn delete_pack(s: &mut Session, id: i64) -> Result<()> {
    s.exec(&DELETE_PACK, &values![id]).await.map(drop)
}

/// The next packs after an id.
pub async fn page_packs(s: &mut Session, after: i64, limit: usize) -> Result<Vec<Pack>> {
    s.rows(&PAGE_PACKS, &values![after, limit]).await?.iter().map(pack).collect()
}

/// Whether a row, of whatever state, knows an object.
pub async fn is_pack_object_known(s: &mut Session, object: &str) -> Result<bool> {
    Ok(s.opt(&FIND_BY_OBJECT, &values![object]).await?.is_some())
}

/// Whether a pack can still be sent.
pub async fn is_pack_live(s: &mut Session, id: i64) -> Result<bool> {
    Ok(s.opt(&IS_LIVE, &values![id]).await?.is_some())
}
