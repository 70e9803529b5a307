//! Large content: xorbs, files, who may read and refer to them, where eligible chunks are.
//!
//! What the store encodes (chunk tables, recipes, checksums) is bytes here. Every function that registers something
//! may be repeated without harm, because clients repeat.

use std::collections::HashSet;

use haina_types::{Sha256, Timestamp, XetHash};

use crate::sql::{Row, Value, statements, values};
use crate::{Error, Result, Session};

/// The dedup domain of everyone. Others are ids of namespaces.
pub const PUBLIC: i64 = 0;

/// A xorb as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xorb {
    /// Its name.
    pub hash: XetHash,
    /// The chunk table.
    pub index: Vec<u8>,
    /// How the object is laid out.
    pub layout: u8,
    /// Which object of this xorb.
    pub generation: u64,
    /// Bytes of the object.
    pub bytes: u64,
    /// Checksums of the object's blocks.
    pub checksums: Vec<u8>,
}

/// A xorb to be registered.
#[derive(Debug, Clone, Copy)]
pub struct NewXorb<'a> {
    /// Its name.
    pub hash: XetHash,
    /// How many chunks it has.
    pub chunks: u32,
    /// Bytes of all chunks.
    pub raw_bytes: u64,
    /// The chunk table.
    pub index: &'a [u8],
    /// How the object is laid out.
    pub layout: u8,
    /// Which object of this xorb.
    pub generation: u64,
    /// Bytes of the object.
    pub bytes: u64,
    /// Checksums of the object's blocks.
    pub checksums: &'a [u8],
}

/// A file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its id.
    pub hash: XetHash,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, once the server has streamed the bytes.
    pub sha256: Option<Sha256>,
    /// The recipe.
    pub terms: Vec<u8>,
}

/// A file to be registered in a repository.
#[derive(Debug, Clone, Copy)]
pub struct NewFile<'a> {
    /// Its id.
    pub hash: XetHash,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256 if the server has computed it.
    pub verified: Option<Sha256>,
    /// Its SHA-256 as the client says.
    pub claimed: Option<Sha256>,
    /// The recipe.
    pub terms: &'a [u8],
    /// The xorbs of the recipe.
    pub xorbs: &'a [XetHash],
}

/// How far the SHA-256 of a file has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShaState {
    /// A client says so.
    Claimed,
    /// The server has streamed the bytes.
    Verified,
    /// The server has streamed the bytes, and it is another.
    Refuted,
}

impl ShaState {
    fn number(self) -> i64 {
        match self {
            Self::Claimed => 0,
            Self::Verified => 1,
            Self::Refuted => 2,
        }
    }

    fn from_number(n: i64) -> Result<Self> {
        match n {
            0 => Ok(Self::Claimed),
            1 => Ok(Self::Verified),
            2 => Ok(Self::Refuted),
            _ => Err(Error::corrupt(format_args!("a claim has the state {n}"))),
        }
    }
}

/// What a repository holds under a SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The digest.
    pub sha256: Sha256,
    /// The file's id.
    pub file: XetHash,
    /// The file's size.
    pub bytes: u64,
    /// How far the digest has been checked.
    pub state: ShaState,
}

/// Where an eligible chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupHit {
    /// The xorb.
    pub xorb: XetHash,
    /// Whether the asker's own namespace may refer to all of it, or only to its public chunks.
    pub own: bool,
}

/// An eligible chunk: its hash, the xorb, its position there.
pub type EligibleChunk = (XetHash, XetHash, u32);

statements! {
    XORB_INSERT = point(
        "insert into xorb (hash, chunks, raw_bytes, state, uploaded_at, keep_until) values ($1, $2, $3, 0, $4, 0)
         on conflict (hash) do nothing"
    );
    XORB_CHUNKS_INSERT = point("insert into xorb_chunks (hash, bytes) values ($1, $2)");
    XORB_OBJECT_INSERT = point(
        "insert into xorb_object (hash, layout, generation, bytes, checksums, created_at)
         values ($1, $2, $3, $4, $5, $6)"
    );
    XORB_DOMAIN_INSERT = point("insert into xorb_domain (hash, domain) values ($1, $2) on conflict do nothing");
    XORB_TOUCH = point(
        "update xorb set state = 0, condemned_at = null, uploaded_at = $2 where hash = $1"
    );
    XORBS_TOUCH = pair(
        "update xorb set state = 0, condemned_at = null, uploaded_at = $2
         where hash in (select unhex(value) from json_each($1)) returning hash",
        "with locked as (select hash from xorb where hash = any($1) order by hash for update)
         update xorb x set state = 0, condemned_at = null, uploaded_at = $2 from locked
         where x.hash = locked.hash returning x.hash",
    );
    XORB_CHUNKS_REPLACE = point("update xorb_chunks set bytes = $2 where hash = $1");
    XORB_FIND = point(
        "select x.hash, c.bytes, o.layout, o.generation, o.bytes, o.checksums
         from xorb x join xorb_chunks c on c.hash = x.hash join xorb_object o on o.hash = x.hash
         where x.hash = $1 order by o.layout limit 1"
    );
    XORB_OWN = point("select 1 from xorb_domain where hash = $1 and domain = $2");
    XORB_OBJECT_REPLACE = point(
        "update xorb_object set generation = $3, bytes = $4, checksums = $5, created_at = $6
         where hash = $1 and layout = $2"
    );
    XORBS_VISIBLE = pair(
        "select x.hash from xorb x where x.hash in (select unhex(value) from json_each($1)) and
         (exists (select 1 from xorb_domain d where d.hash = x.hash and d.domain = $2)
          or exists (select 1 from xorb_public p where p.hash = x.hash))",
        "select x.hash from xorb x where x.hash = any($1) and
         (exists (select 1 from xorb_domain d where d.hash = x.hash and d.domain = $2)
          or exists (select 1 from xorb_public p where p.hash = x.hash))",
    );
    XORB_PUBLIC_RANGES = point("select first_chunk, end_chunk from xorb_public where hash = $1");
    XORB_PUBLIC_INSERT = point(
        "insert into xorb_public (hash, first_chunk, end_chunk) values ($1, $2, $3) on conflict do nothing"
    );
    XORB_KEEP = point("update xorb set keep_until = $2 where hash = $1 and keep_until < $2");
    XORB_PAGE = long(
        "select x.hash, c.bytes, o.layout, o.generation, o.bytes, o.checksums
         from xorb x left join xorb_chunks c on c.hash = x.hash left join xorb_object o on o.hash = x.hash
         where x.hash >= $1 order by x.hash limit $2"
    );
    OBJECT_KNOWN = point("select 1 from xorb_object where hash = $1 and generation = $2");

    FILE_INSERT = point(
        "insert into file (hash, bytes, sha256, terms, created_at) values ($1, $2, $3, $4, $5)
         on conflict (hash) do nothing"
    );
    FILE_XORB_INSERT = point("insert into file_xorb (file_hash, xorb_hash) values ($1, $2) on conflict do nothing");
    FILE_XORBS_TOUCH = point(
        "update xorb set state = 0, condemned_at = null
         where state <> 0 and hash in (select xorb_hash from file_xorb where file_hash = $1)"
    );
    FILE_FIND = point("select hash, bytes, sha256, terms from file where hash = $1");
    FILE_SHA_FIND = point("select sha256 from file where hash = $1");
    FILE_FIND_IN_REPO = point(
        "select f.hash, f.bytes, f.sha256, f.terms from repo_file r join file f on f.hash = r.file_hash
         where r.repo_id = $1 and r.file_hash = $2"
    );
    FILES_FIND = pair(
        "select hash, bytes, sha256, terms from file where hash in (select unhex(value) from json_each($1))",
        "select hash, bytes, sha256, terms from file where hash = any($1)",
    );
    FILE_PAGE = long("select hash, bytes, sha256, terms from file where hash >= $1 order by hash limit $2");
    XORBS_OF_FILE = point("select xorb_hash from file_xorb where file_hash = $1");
    FILES_USING = point(
        "select file_hash from file_xorb where xorb_hash = $1 order by file_hash limit $2"
    );
    FILE_VERIFY = point("update file set sha256 = $2 where hash = $1");

    REPO_FILE_EXISTS = point("select 1 from repo_file where repo_id = $1 and file_hash = $2");
    REPO_FILE_INSERT = point(
        "insert into repo_file (repo_id, file_hash, via, expires_at) values ($1, $2, 0, $3)
         on conflict (repo_id, file_hash) do nothing"
    );
    REPO_FILE_EXTEND = point(
        "update repo_file set expires_at = case via when 0 then $3 else expires_at end
         where repo_id = $1 and file_hash = $2"
    );
    FILE_BYTES = point("select bytes from file where hash = $1");
    REPO_FILE_BYTES = long(
        "select coalesce(cast(sum(f.bytes) as bigint), 0) from repo_file r join file f on f.hash = r.file_hash where r.repo_id = $1"
    );
    REPO_FILE_COMMIT = point("update repo_file set via = 1, expires_at = null where repo_id = $1 and file_hash = $2");
    REPO_FILE_COMMITTED = point(
        "select file_hash from repo_file where repo_id = $1 and via = 1 and file_hash > $2 order by file_hash limit $3"
    );
    REPO_FILES_EXPIRED = pair(
        "delete from repo_file where (repo_id, file_hash) in
         (select repo_id, file_hash from repo_file where expires_at < $1 and via = 0 order by expires_at limit $2)
         returning repo_id, file_hash",
        "delete from repo_file r using
         (select repo_id, file_hash from repo_file where expires_at < $1 and via = 0 order by expires_at limit $2
          for update skip locked) e
         where r.repo_id = e.repo_id and r.file_hash = e.file_hash returning r.repo_id, r.file_hash",
    );
    REPO_SHA_OF_FILE_DELETE = point("delete from repo_sha where repo_id = $1 and file_hash = $2");
    REPO_SHA_DELETE = point("delete from repo_sha where repo_id = $1 and sha256 = $2 returning file_hash");
    // A file that another digest of the repository stands for stays.
    REPO_FILE_DELETE = point(
        "delete from repo_file where repo_id = $1 and file_hash = $2 and not exists
         (select 1 from repo_sha s where s.repo_id = $1 and s.file_hash = $2)"
    );
    GONE_INSERT = point(
        "insert into lfs_gone (repo_id, sha256, at) values ($1, $2, $3)
         on conflict (repo_id, sha256) do update set at = excluded.at"
    );
    GONE_FIND = point("select at from lfs_gone where repo_id = $1 and sha256 = $2");
    REPO_FILES_AT = pair(
        "select r.file_hash, f.bytes from repo_file r join file f on f.hash = r.file_hash
         where r.repo_id = $1 and r.via >= $2 and r.file_hash in (select unhex(value) from json_each($3))",
        "select r.file_hash, f.bytes from repo_file r join file f on f.hash = r.file_hash
         where r.repo_id = $1 and r.via >= $2 and r.file_hash = any($3)",
    );
    REPO_FILE_RELEASE = point(
        "update repo_file set via = 0, expires_at = $3 where repo_id = $1 and file_hash = $2 and via = 1"
    );
    REPO_FILES_DELETE = point("delete from repo_file where repo_id = $1");
    REPO_SHAS_DELETE = point("delete from repo_sha where repo_id = $1");
    FILE_REPOS = point("select repo_id from repo_file where file_hash = $1 order by repo_id limit $2");

    // A digest's file does not change under a commit that names it, except for a better founded one.
    REPO_SHA_CLAIM = point(
        "insert into repo_sha (repo_id, sha256, file_hash, state, created_at) values ($1, $2, $3, $4, $5)
         on conflict (repo_id, sha256) do update set
           file_hash = excluded.file_hash, state = excluded.state, created_at = excluded.created_at
         where repo_sha.state = 2 or (repo_sha.state = 0 and (excluded.state = 1 or not exists
           (select 1 from repo_file f where f.repo_id = repo_sha.repo_id and f.file_hash = repo_sha.file_hash
            and f.via = 1)))"
    );
    REPO_SHA_FIND = point(
        "select s.sha256, s.file_hash, f.bytes, s.state from repo_sha s
         join repo_file r on r.repo_id = s.repo_id and r.file_hash = s.file_hash
         join file f on f.hash = s.file_hash where s.repo_id = $1 and s.sha256 = $2"
    );
    REPO_SHA_LIST = pair(
        "select s.sha256, s.file_hash, f.bytes, s.state from repo_sha s
         join repo_file r on r.repo_id = s.repo_id and r.file_hash = s.file_hash
         join file f on f.hash = s.file_hash
         where s.repo_id = $1 and s.sha256 in (select unhex(value) from json_each($2))",
        "select s.sha256, s.file_hash, f.bytes, s.state from repo_sha s
         join repo_file r on r.repo_id = s.repo_id and r.file_hash = s.file_hash
         join file f on f.hash = s.file_hash where s.repo_id = $1 and s.sha256 = any($2)",
    );
    REPO_SHA_SETTLE = point(
        "update repo_sha set state = case when sha256 = $2 then 1 else 2 end where file_hash = $1 and state = 0
         returning repo_id, sha256, state"
    );
    FILE_CLAIMED = point("select 1 from repo_sha where file_hash = $1 and state = 0 limit 1");

    DEDUP_INSERT = point(
        "insert into dedup (domain, chunk_hash, xorb_hash, position) values ($1, $2, $3, $4)
         on conflict (domain, chunk_hash) do nothing"
    );
    DEDUP_FIND = point(
        "select d.xorb_hash, d.domain from dedup d join xorb x on x.hash = d.xorb_hash
         where d.chunk_hash = $1 and d.domain in ($2, 0) and x.state = 0 order by d.domain desc limit 1"
    );
    DEDUP_PUBLISH = pair(
        "insert into dedup (domain, chunk_hash, xorb_hash, position)
         select 0, d.chunk_hash, d.xorb_hash, d.position from dedup d
         join xorb_public p on p.hash = d.xorb_hash and d.position >= p.first_chunk and d.position < p.end_chunk
         where d.domain <> 0 and d.xorb_hash in (select unhex(value) from json_each($1))
         on conflict (domain, chunk_hash) do nothing",
        "insert into dedup (domain, chunk_hash, xorb_hash, position)
         select 0, d.chunk_hash, d.xorb_hash, d.position from dedup d
         join xorb_public p on p.hash = d.xorb_hash and d.position >= p.first_chunk and d.position < p.end_chunk
         where d.domain <> 0 and d.xorb_hash = any($1)
         on conflict (domain, chunk_hash) do nothing",
    );
    DEDUP_PAGE = long(
        "select domain, chunk_hash, xorb_hash, position from dedup
         where (domain, chunk_hash) > ($1, $2) order by domain, chunk_hash limit $3"
    );

    RECIPE_INSERT = point(
        "insert into recipe (key, repo_id, domain, bytes, created_at) values ($1, $2, $3, $4, $5)
         on conflict (key) do nothing"
    );
    RECIPE_KNOWN = point("select 1 from recipe where key = $1");
    RECIPE_PAGE = long("select key, bytes from recipe where key > $1 order by key limit $2");
}

fn unsigned(row: &Row, column: usize) -> Result<u64> {
    u64::try_from(row.int(column)?).map_err(|_| Error::corrupt(format_args!("column {column} is negative")))
}

fn signed(n: u64) -> i64 {
    // Sizes and generations are far below; a wrong one would be refused when it is read.
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn xorb(mut row: Row) -> Result<Xorb> {
    Ok(Xorb {
        hash: row.xet_hash(0)?,
        index: row.take_bytes(1)?,
        layout: u8::try_from(row.int(2)?).map_err(|_| Error::corrupt("an unknown layout"))?,
        generation: unsigned(&row, 3)?,
        bytes: unsigned(&row, 4)?,
        checksums: row.take_bytes(5)?,
    })
}

fn file(mut row: Row) -> Result<File> {
    Ok(File {
        hash: row.xet_hash(0)?,
        bytes: unsigned(&row, 1)?,
        sha256: row.opt_sha256(2)?,
        terms: row.take_bytes(3)?,
    })
}

fn stored(row: &Row) -> Result<Stored> {
    Ok(Stored {
        sha256: row.sha256(0)?,
        file: row.xet_hash(1)?,
        bytes: unsigned(row, 2)?,
        state: ShaState::from_number(row.int(3)?)?,
    })
}

fn slices(hashes: &[XetHash]) -> Vec<&[u8]> {
    hashes.iter().map(|h| h.0.as_slice()).collect()
}

/// Registers a xorb whose object is durable. `false` if there is one of that hash already: then it is used from now
/// on, and the new object may be deleted.
pub async fn insert_xorb(s: &mut Session, new: &NewXorb<'_>, domain: i64, now: Timestamp) -> Result<bool> {
    let fresh =
        s.exec(&XORB_INSERT, &values![&new.hash, i64::from(new.chunks), signed(new.raw_bytes), now]).await? == 1;
    if fresh {
        s.exec(&XORB_CHUNKS_INSERT, &values![&new.hash, new.index]).await?;
        s.exec(
            &XORB_OBJECT_INSERT,
            &values![&new.hash, i64::from(new.layout), signed(new.generation), signed(new.bytes), new.checksums, now],
        )
        .await?;
    } else {
        s.exec(&XORB_TOUCH, &values![&new.hash, now]).await?;
    }
    s.exec(&XORB_DOMAIN_INSERT, &values![&new.hash, domain]).await?;
    Ok(fresh)
}

/// Notes that a stored xorb was uploaded again, by that domain. `false` if it is not stored.
pub async fn touch_xorb(s: &mut Session, hash: &XetHash, domain: i64, now: Timestamp) -> Result<bool> {
    let known = s.exec(&XORB_TOUCH, &values![hash, now]).await? == 1;
    if known {
        s.exec(&XORB_DOMAIN_INSERT, &values![hash, domain]).await?;
    }
    Ok(known)
}

/// Notes that a file being registered refers to these xorbs; which of them are not stored.
pub async fn touch_xorbs(s: &mut Session, hashes: &[XetHash], now: Timestamp) -> Result<Vec<XetHash>> {
    let mut missing: HashSet<XetHash> = hashes.iter().copied().collect();
    for part in slices(hashes).chunks(1024) {
        for row in s.rows(&XORBS_TOUCH, &[Value::Blobs(part), now.into()]).await? {
            missing.remove(&row.xet_hash(0)?);
        }
    }
    Ok(missing.into_iter().collect())
}

/// A xorb, whoever may refer to it.
pub async fn find_xorb(s: &mut Session, hash: &XetHash) -> Result<Option<Xorb>> {
    s.opt(&XORB_FIND, &values![hash]).await?.map(xorb).transpose()
}

/// Whether a domain has uploaded a xorb, or been given it.
pub async fn has_xorb(s: &mut Session, hash: &XetHash, domain: i64) -> Result<bool> {
    Ok(s.opt(&XORB_OWN, &values![hash, domain]).await?.is_some())
}

/// Puts a new object in the place of a lost one. Its frames may lie otherwise: so the chunk table changes with it.
pub async fn replace_object(s: &mut Session, new: &NewXorb<'_>, now: Timestamp) -> Result<()> {
    let (layout, generation, bytes) = (i64::from(new.layout), signed(new.generation), signed(new.bytes));
    s.exec(&XORB_OBJECT_REPLACE, &values![&new.hash, layout, generation, bytes, new.checksums, now]).await?;
    s.exec(&XORB_CHUNKS_REPLACE, &values![&new.hash, new.index]).await?;
    Ok(())
}

/// Those xorbs to which a domain may refer, to all of them or to their public chunks.
pub async fn list_visible_xorbs(s: &mut Session, hashes: &[XetHash], domain: i64) -> Result<HashSet<XetHash>> {
    let rows = s.rows(&XORBS_VISIBLE, &[Value::Blobs(&slices(hashes)), Value::Int(domain)]).await?;
    rows.iter().map(|r| r.xet_hash(0)).collect()
}

/// The runs of chunks of a xorb that everyone may refer to, end-exclusive, maybe overlapping.
pub async fn list_public_chunks(s: &mut Session, hash: &XetHash) -> Result<Vec<std::ops::Range<u32>>> {
    let number = |r: &Row, i| u32::try_from(r.int(i)?).map_err(|_| Error::corrupt("a chunk's position"));
    let rows = s.rows(&XORB_PUBLIC_RANGES, &values![hash]).await?;
    rows.iter().map(|r| Ok(number(r, 0)?..number(r, 1)?)).collect()
}

/// Lets everyone refer to runs of chunks, and find the eligible ones among them.
pub async fn publish_chunks(s: &mut Session, runs: &[(XetHash, std::ops::Range<u32>)]) -> Result<()> {
    let sets: Vec<_> = runs.iter().map(|(hash, run)| values![hash, i64::from(run.start), i64::from(run.end)]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&XORB_PUBLIC_INSERT, &sets).await?;
    let hashes: HashSet<&XetHash> = runs.iter().map(|(hash, _)| hash).collect();
    let hashes: Vec<&[u8]> = hashes.iter().map(|h| h.0.as_slice()).collect();
    for part in hashes.chunks(512) {
        s.exec(&DEDUP_PUBLISH, &[Value::Blobs(part)]).await?;
    }
    Ok(())
}

/// Keeps xorbs from collection until then, because clients were told of them.
pub async fn keep_xorbs(s: &mut Session, kept: &[(XetHash, Timestamp)]) -> Result<()> {
    let sets: Vec<_> = kept.iter().map(|(hash, until)| values![hash, *until]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&XORB_KEEP, &sets).await?;
    Ok(())
}

/// Lets a repository read a file until then, unless it does so for longer already.
async fn lend(s: &mut Session, repo_id: i64, hash: &XetHash, bytes: u64, expires: Timestamp) -> Result<()> {
    // Whether the row is new must be known, because then it counts. One that goes in between is made again.
    for _ in 0..3 {
        if s.exec(&REPO_FILE_INSERT, &values![repo_id, hash, expires]).await? > 0 {
            s.note_large(repo_id, signed(bytes));
            return Ok(());
        }
        if s.exec(&REPO_FILE_EXTEND, &values![repo_id, hash, expires]).await? > 0 {
            return Ok(());
        }
    }
    Err(Error::unavailable("a file's place in a repository came and went"))
}

/// Registers a file in a repository, readable there until `expires` unless a commit keeps it. Its xorbs must be
/// stored. The SHA-256, if any, is noted for this repository only; how well founded it is.
pub async fn register_file(
    s: &mut Session,
    repo_id: i64,
    new: &NewFile<'_>,
    now: Timestamp,
    expires: Timestamp,
) -> Result<Option<ShaState>> {
    let mut known = None;
    if s.exec(&FILE_INSERT, &values![&new.hash, signed(new.bytes), new.verified.as_ref(), new.terms, now]).await? == 1 {
        let sets: Vec<_> = new.xorbs.iter().map(|xorb| values![&new.hash, xorb]).collect();
        let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
        s.exec_each(&FILE_XORB_INSERT, &sets).await?;
    } else {
        s.exec(&FILE_XORBS_TOUCH, &values![&new.hash]).await?;
        known = s.one(&FILE_SHA_FIND, &values![&new.hash]).await?.opt_sha256(0)?;
        if let (None, Some(sha256)) = (known, &new.verified) {
            s.exec(&FILE_VERIFY, &values![&new.hash, sha256]).await?;
        }
    }
    lend(s, repo_id, &new.hash, new.bytes, expires).await?;
    let (sha256, state) = match (new.verified, new.claimed, known) {
        (Some(sha256), ..) => (sha256, ShaState::Verified),
        (None, Some(sha256), None) => (sha256, ShaState::Claimed),
        // Streamed before: then this is no longer a claim.
        (None, Some(sha256), Some(known)) if known == sha256 => (sha256, ShaState::Verified),
        (None, Some(_), Some(_)) => return Ok(Some(ShaState::Refuted)),
        (None, None, _) => return Ok(None),
    };
    s.exec(&REPO_SHA_CLAIM, &values![repo_id, &sha256, &new.hash, state.number(), now]).await?;
    Ok(Some(state))
}

/// A file, whoever may read it.
pub async fn find_file(s: &mut Session, hash: &XetHash) -> Result<Option<File>> {
    s.opt(&FILE_FIND, &values![hash]).await?.map(file).transpose()
}

/// A file that a repository may read.
pub async fn find_repo_file(s: &mut Session, repo_id: i64, hash: &XetHash) -> Result<Option<File>> {
    s.opt(&FILE_FIND_IN_REPO, &values![repo_id, hash]).await?.map(file).transpose()
}

/// Whether a repository may read a file.
pub async fn has_repo_file(s: &mut Session, repo_id: i64, hash: &XetHash) -> Result<bool> {
    Ok(s.opt(&REPO_FILE_EXISTS, &values![repo_id, hash]).await?.is_some())
}

/// Those of the files that are stored.
pub async fn list_files(s: &mut Session, hashes: &[XetHash]) -> Result<Vec<File>> {
    let rows = s.rows(&FILES_FIND, &[Value::Blobs(&slices(hashes))]).await?;
    rows.into_iter().map(file).collect()
}

/// The xorbs of a file's recipe, by its edges.
pub async fn list_xorbs_of_file(s: &mut Session, hash: &XetHash) -> Result<Vec<XetHash>> {
    s.rows(&XORBS_OF_FILE, &values![hash]).await?.iter().map(|r| r.xet_hash(0)).collect()
}

/// Some files that use a xorb.
pub async fn list_files_using(s: &mut Session, xorb: &XetHash, limit: u32) -> Result<Vec<XetHash>> {
    let rows = s.rows(&FILES_USING, &values![xorb, i64::from(limit)]).await?;
    rows.iter().map(|r| r.xet_hash(0)).collect()
}

/// Some repositories that may read a file.
pub async fn list_repos_of_file(s: &mut Session, hash: &XetHash, limit: u32) -> Result<Vec<i64>> {
    let rows = s.rows(&FILE_REPOS, &values![hash, i64::from(limit)]).await?;
    rows.iter().map(|r| r.int(0)).collect()
}

/// Keeps uploaded files of a repository for as long as it exists. `false`, and nothing may be kept, if one of them
/// is no longer there. The files must be distinct.
pub async fn commit_files(s: &mut Session, repo_id: i64, files: &[XetHash]) -> Result<bool> {
    let sets: Vec<_> = files.iter().map(|hash| values![repo_id, hash]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    Ok(s.exec_each(&REPO_FILE_COMMIT, &sets).await? == files.len() as u64)
}

/// Bytes of the large files of a repository, uploads that no commit has kept among them.
pub async fn sum_repo_bytes(s: &mut Session, repo_id: i64) -> Result<u64> {
    s.one(&REPO_FILE_BYTES, &values![repo_id]).await?.size(0)
}

/// Those of the files that a repository may read, with their sizes; `kept` leaves out uploads that nothing keeps yet.
pub async fn list_repo_files(
    s: &mut Session,
    repo_id: i64,
    kept: bool,
    hashes: &[XetHash],
) -> Result<Vec<(XetHash, u64)>> {
    let mut all = Vec::new();
    for part in slices(hashes).chunks(1024) {
        let rows = s.rows(&REPO_FILES_AT, &[Value::Int(repo_id), Value::from(kept), Value::Blobs(part)]).await?;
        for row in &rows {
            all.push((row.xet_hash(0)?, unsigned(row, 1)?));
        }
    }
    Ok(all)
}

/// Gives a repository files that it may not have had, as uploads do. The files must be stored.
pub async fn lend_files(s: &mut Session, repo_id: i64, files: &[XetHash], expires: Timestamp) -> Result<()> {
    for file in files {
        s.exec(&FILE_XORBS_TOUCH, &values![file]).await?;
        let bytes = unsigned(&s.one(&FILE_BYTES, &values![file]).await?, 0)?;
        lend(s, repo_id, file, bytes, expires).await?;
    }
    Ok(())
}

/// Keeps files of a repository only until then, unless they are uploaded or kept again.
pub async fn release_files(s: &mut Session, repo_id: i64, files: &[XetHash], expires: Timestamp) -> Result<()> {
    let sets: Vec<_> = files.iter().map(|file| values![repo_id, file, expires]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&REPO_FILE_RELEASE, &sets).await.map(drop)
}

/// Files that commits of a repository keep, in order, after one.
pub async fn list_committed_files(s: &mut Session, repo_id: i64, after: &XetHash, limit: u32) -> Result<Vec<XetHash>> {
    let rows = s.rows(&REPO_FILE_COMMITTED, &values![repo_id, after, i64::from(limit)]).await?;
    rows.iter().map(|r| r.xet_hash(0)).collect()
}

/// Takes uploads that no commit has kept from their repositories, at most `limit` of them; how many.
pub async fn expire_uploads(s: &mut Session, now: Timestamp, limit: u32) -> Result<u64> {
    let rows = s.rows(&REPO_FILES_EXPIRED, &values![now, i64::from(limit)]).await?;
    for row in &rows {
        s.exec(&REPO_SHA_OF_FILE_DELETE, &values![row.int(0)?, row.bytes(1)?]).await?;
        let bytes = s.one(&FILE_BYTES, &values![row.bytes(1)?]).await?.int(0)?;
        s.note_large(row.int(0)?, -bytes);
    }
    Ok(rows.len() as u64)
}

/// Takes all content from a repository that is being deleted. The bytes stay until they are collected.
pub async fn forget_repo(s: &mut Session, repo_id: i64) -> Result<()> {
    s.exec(&REPO_SHAS_DELETE, &values![repo_id]).await?;
    s.exec(&REPO_FILES_DELETE, &values![repo_id]).await?;
    Ok(())
}

/// Takes a large file from a repository on purpose; `false` if it does not hold it. The bytes stay until they are
/// collected.
pub async fn drop_file(s: &mut Session, repo_id: i64, sha256: &Sha256, now: Timestamp) -> Result<bool> {
    let Some(row) = s.opt(&REPO_SHA_DELETE, &values![repo_id, sha256]).await? else { return Ok(false) };
    if s.exec(&REPO_FILE_DELETE, &values![repo_id, row.bytes(0)?]).await? > 0 {
        let bytes = s.one(&FILE_BYTES, &values![row.bytes(0)?]).await?.int(0)?;
        s.note_large(repo_id, -bytes);
    }
    s.exec(&GONE_INSERT, &values![repo_id, sha256, now]).await?;
    Ok(true)
}

/// When a large file of a repository was deleted on purpose, the last time.
pub async fn find_gone(s: &mut Session, repo_id: i64, sha256: &Sha256) -> Result<Option<Timestamp>> {
    s.opt(&GONE_FIND, &values![repo_id, sha256]).await?.map(|r| r.time(0)).transpose()
}

/// What a repository holds under a SHA-256.
pub async fn find_stored(s: &mut Session, repo_id: i64, sha256: &Sha256) -> Result<Option<Stored>> {
    s.opt(&REPO_SHA_FIND, &values![repo_id, sha256]).await?.map(|r| stored(&r)).transpose()
}

/// What a repository holds under some of these digests.
pub async fn list_stored(s: &mut Session, repo_id: i64, digests: &[Sha256]) -> Result<Vec<Stored>> {
    let mut all = Vec::with_capacity(digests.len());
    let digests: Vec<&[u8]> = digests.iter().map(|d| d.0.as_slice()).collect();
    for part in digests.chunks(1024) {
        let rows = s.rows(&REPO_SHA_LIST, &[Value::Int(repo_id), Value::Blobs(part)]).await?;
        for row in &rows {
            all.push(stored(row)?);
        }
    }
    Ok(all)
}

/// Gives a repository a file that it may not have had, as an upload does, under a digest as well founded as it was
/// where it came from.
pub async fn lend_file(s: &mut Session, repo_id: i64, from: &Stored, now: Timestamp, expires: Timestamp) -> Result<()> {
    s.exec(&FILE_XORBS_TOUCH, &values![&from.file]).await?;
    lend(s, repo_id, &from.file, from.bytes, expires).await?;
    s.exec(&REPO_SHA_CLAIM, &values![repo_id, &from.sha256, &from.file, from.state.number(), now]).await?;
    Ok(())
}

/// Whether a file has claims that are neither verified nor refuted.
pub async fn has_claims(s: &mut Session, hash: &XetHash) -> Result<bool> {
    Ok(s.opt(&FILE_CLAIMED, &values![hash]).await?.is_some())
}

/// Notes a file's true SHA-256, and settles all claims about it. Gives the refuted ones: repository, digest.
pub async fn settle_claims(s: &mut Session, hash: &XetHash, sha256: &Sha256) -> Result<Vec<(i64, Sha256)>> {
    s.exec(&FILE_VERIFY, &values![hash, sha256]).await?;
    let rows = s.rows(&REPO_SHA_SETTLE, &values![hash, sha256]).await?;
    let mut refuted = Vec::new();
    for row in &rows {
        if ShaState::from_number(row.int(2)?)? == ShaState::Refuted {
            refuted.push((row.int(0)?, row.sha256(1)?));
        }
    }
    Ok(refuted)
}

/// Notes where eligible chunks are. The xorbs must be stored and in the domain.
pub async fn insert_eligible(s: &mut Session, domain: i64, chunks: &[EligibleChunk]) -> Result<()> {
    let sets: Vec<_> = chunks.iter().map(|(chunk, xorb, i)| values![domain, chunk, xorb, i64::from(*i)]).collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| set.as_slice()).collect();
    s.exec_each(&DEDUP_INSERT, &sets).await?;
    Ok(())
}

/// Where a domain may find an eligible chunk.
pub async fn find_eligible(s: &mut Session, domain: i64, chunk: &XetHash) -> Result<Option<DedupHit>> {
    let row = s.opt(&DEDUP_FIND, &values![chunk, domain]).await?;
    row.map(|r| Ok(DedupHit { xorb: r.xet_hash(0)?, own: r.int(1)? != PUBLIC })).transpose()
}

/// Notes an accepted shard that is kept as an object.
pub async fn insert_recipe(
    s: &mut Session,
    key: &str,
    repo_id: i64,
    domain: i64,
    bytes: u64,
    now: Timestamp,
) -> Result<()> {
    s.exec(&RECIPE_INSERT, &values![key, repo_id, domain, signed(bytes), now]).await?;
    Ok(())
}

/// For fsck: a xorb as its rows say, which may lack some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XorbRows {
    /// Its name.
    pub hash: XetHash,
    /// All of it, unless a row is missing.
    pub xorb: Option<Xorb>,
}

/// The smallest value after a hash.
fn next(after: Option<&XetHash>) -> Vec<u8> {
    after.map(|h| [h.0.as_slice(), &[0]].concat()).unwrap_or_default()
}

/// Xorbs in the order of their hashes, after one.
pub async fn page_xorbs(s: &mut Session, after: Option<&XetHash>, limit: u32) -> Result<Vec<XorbRows>> {
    let rows = s.rows(&XORB_PAGE, &values![&next(after), i64::from(limit)]).await?;
    rows.into_iter()
        .map(|r| {
            let hash = r.xet_hash(0)?;
            let whole = r.opt_bytes(1)?.is_some() && r.opt_int(2)?.is_some();
            Ok(XorbRows { hash, xorb: if whole { Some(xorb(r)?) } else { None } })
        })
        .collect()
}

/// Files in the order of their hashes, after one.
pub async fn page_files(s: &mut Session, after: Option<&XetHash>, limit: u32) -> Result<Vec<File>> {
    s.rows(&FILE_PAGE, &values![&next(after), i64::from(limit)]).await?.into_iter().map(file).collect()
}

/// Places of eligible chunks in order, after `(domain, chunk)`.
pub async fn page_eligible(s: &mut Session, after: (i64, XetHash), limit: u32) -> Result<Vec<(i64, EligibleChunk)>> {
    let rows = s.rows(&DEDUP_PAGE, &values![after.0, &after.1, i64::from(limit)]).await?;
    rows.iter()
        .map(|r| {
            let position = u32::try_from(r.int(3)?).map_err(|_| Error::corrupt("a chunk's position"))?;
            Ok((r.int(0)?, (r.xet_hash(1)?, r.xet_hash(2)?, position)))
        })
        .collect()
}

/// Kept shards in the order of their keys, after one: key and bytes.
pub async fn page_recipes(s: &mut Session, after: &str, limit: u32) -> Result<Vec<(String, u64)>> {
    let rows = s.rows(&RECIPE_PAGE, &values![after, i64::from(limit)]).await?;
    rows.iter().map(|r| Ok((r.string(0)?, unsigned(r, 1)?))).collect()
}

/// Whether a xorb's object of that generation is known.
pub async fn is_object_known(s: &mut Session, hash: &XetHash, generation: u64) -> Result<bool> {
    Ok(s.opt(&OBJECT_KNOWN, &values![hash, signed(generation)]).await?.is_some())
}

/// Whether a kept shard is known.
pub async fn is_recipe_known(s: &mut Session, key: &str) -> Result<bool> {
    Ok(s.opt(&RECIPE_KNOWN, &values![key]).await?.is_some())
}
