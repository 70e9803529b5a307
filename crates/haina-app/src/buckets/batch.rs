//! Changing a bucket's files: a batch of operations, each of which succeeds or fails by itself, in one transaction.

use std::collections::{BTreeMap, HashMap};

use haina_db::buckets::{self as db, BucketFile, Change, ChangeOp, DirChange};
use haina_db::{Session, git, repos};
use haina_types::{Error, FilePath, RepoKind, RepoPath, Result, Timestamp, XetHash};
use serde_json::json;

use super::parse_path;
use crate::gate::{BucketWrite, repo_not_found};
use crate::{App, Caller, content};

/// Most operations of one batch.
pub const OPERATIONS_MAX: usize = 1000;
/// Longest media type.
const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// The last millisecond of the year 9999, which every date of the API can show.
const MTIME_MAX: i64 = 253_402_300_799_999;
/// Changes that are kept for those who come back.
const CHANGES_KEPT: i64 = 20_000;
/// How many more there may be before they are trimmed.
const CHANGES_SLACK: i64 = 2_000;

/// Where a copied file is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// `bucket`, or a kind of repository.
    pub kind: String,
    /// `namespace/name`.
    pub id: String,
}

/// What an operation does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Puts a file there, in the place of one that has the path.
    Put {
        /// Its content.
        hash: String,
        /// When it was last changed, in milliseconds, as the client says.
        mtime: Option<i64>,
        /// Its media type, as the client says.
        content_type: Option<String>,
        /// Where it is copied from; none when it was uploaded.
        from: Option<Source>,
    },
    /// Takes the file away; it is no error that there is none.
    Delete,
}

/// One operation of a batch, as the client says it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The file's path.
    pub path: String,
    /// What is done to it.
    pub action: Action,
}

/// An operation that did not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The path that was asked for.
    pub path: String,
    /// Why.
    pub error: String,
}

/// What became of a batch.
#[derive(Debug, Clone, Default)]
pub struct BatchDone {
    /// How many operations there were.
    pub processed: usize,
    /// Those that did not happen. All others did.
    pub failed: Vec<Failed>,
}

/// A file to be put, checked as far as that needs no database.
struct Put<'a> {
    hash: XetHash,
    mtime: Option<Timestamp>,
    content_type: Option<&'a str>,
    from: Option<&'a Source>,
}

fn check_put<'a>(
    hash: &str,
    mtime: Option<i64>,
    content_type: Option<&'a str>,
    from: Option<&'a Source>,
) -> Result<Put<'a>> {
    let hash = hash.parse().map_err(|_| Error::invalid("\"xetHash\" has 64 hexadecimal digits."))?;
    if mtime.is_some_and(|t| !(-MTIME_MAX..=MTIME_MAX).contains(&t)) {
        return Err(Error::invalid("\"mtime\" is given in milliseconds since 1970, and lies before the year 10000."));
    }
    if content_type.is_some_and(|t| t.len() > CONTENT_TYPE_BYTES_MAX || !t.bytes().all(|c| (b' '..=b'~').contains(&c)))
    {
        return Err(Error::invalid(format!(
            "\"contentType\" has at most {CONTENT_TYPE_BYTES_MAX} printable ASCII characters."
        )));
    }
    Ok(Put { hash, mtime: mtime.map(Timestamp), content_type, from })
}

/// What the operations of a batch may take from where.
#[derive(Default)]
struct Held<'a> {
    /// Sizes of what was uploaded to the bucket.
    own: HashMap<XetHash, u64>,
    /// Sizes of what each source holds, or why it is not read.
    sources: HashMap<&'a Source, Result<HashMap<XetHash, u64>>>,
}

impl Held<'_> {
    fn size_of(&self, put: &Put<'_>) -> Result<u64> {
        match put.from {
            None if put.hash == XetHash::ZERO => Ok(0),
            None => self.own.get(&put.hash).copied().ok_or_else(|| {
                Error::invalid(
                    "This content was not uploaded to this bucket. Upload it with the bucket's xet-write-token first.",
                )
            }),
            Some(source) => match self.sources.get(source) {
                Some(Ok(held)) => held.get(&put.hash).copied().ok_or_else(|| {
                    Error::invalid(format!("{} {} has no file with this content.", source.kind, source.id))
                }),
                Some(Err(e)) => Err(Error::new(e.code, e.message.clone())),
                None => Err(Error::internal("a source of a batch was not looked up")),
            },
        }
    }
}

/// The folders above a path, from the innermost.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(path.rfind('/').map(|at| &path[..at]), |folder| folder.rfind('/').map(|at| &folder[..at]))
}

impl App {
    /// Changes a bucket's files. What succeeds stays even if something else fails.
    pub async fn change_bucket(
        &self,
        caller: &Caller,
        access: &BucketWrite,
        operations: &[Operation],
    ) -> Result<BatchDone> {
        if operations.len() > OPERATIONS_MAX {
            return Err(Error::invalid(format!("A batch has at most {OPERATIONS_MAX} operations: send several.")));
        }
        let mut done = BatchDone { processed: operations.len(), failed: Vec::new() };
        let mut fail =
            |path: &str, e: &Error| done.failed.push(Failed { path: path.to_owned(), error: e.message.clone() });
        let mut checked: Vec<(FilePath, Option<Put<'_>>)> = Vec::with_capacity(operations.len());
        for operation in operations {
            let put = match &operation.action {
                Action::Delete => Ok(None),
                Action::Put { hash, mtime, content_type, from } => {
                    check_put(hash, *mtime, content_type.as_deref(), from.as_ref()).map(Some)
                }
            };
            match parse_path(&operation.path).and_then(|path| Ok((path, put?))) {
                Ok(one) => checked.push(one),
                Err(e) => fail(&operation.path, &e),
            }
        }
        let sources = self.open_sources(caller, checked.iter().filter_map(|(_, put)| put.as_ref()?.from)).await?;

        let id = access.repo().id;
        let now = self.now();
        let mut tx = self.db().begin().await?;
        // From here on the files, the owner and the visibility of the bucket are what they are read as.
        if !git::lock_repo(&mut tx, id).await? {
            return Err(repo_not_found());
        }
        let repo = repos::find_repo_by_id(&mut tx, id).await?.ok_or_else(repo_not_found)?;
        let held = find_held(&mut tx, id, sources, &checked).await?;
        let paths: Vec<&str> = checked.iter().map(|(path, _)| path.as_str()).collect();
        let before: HashMap<String, BucketFile> =
            db::list_files_at(&mut tx, id, &paths).await?.into_iter().map(|f| (f.path.clone(), f)).collect();

        // By path, so that the last operation on a path is the one that counts.
        let mut after: BTreeMap<&str, Option<BucketFile>> = BTreeMap::new();
        let mut copied = Vec::new();
        for (path, put) in &checked {
            let path = path.as_str();
            let Some(put) = put else {
                after.insert(path, None);
                continue;
            };
            match held.size_of(put) {
                Err(e) => fail(path, &e),
                Ok(bytes) => {
                    if put.from.is_some() {
                        copied.push(put.hash);
                    }
                    let file = BucketFile {
                        path: path.to_owned(),
                        hash: put.hash,
                        bytes,
                        content_type: put.content_type.map(str::to_owned),
                        mtime: put.mtime,
                        uploaded_at: now,
                    };
                    after.insert(path, Some(file));
                }
            }
        }
        let Some(seq) = self.write_files(&mut tx, &repo, access.actor(), &before, &after, copied, now).await? else {
            return Ok(done);
        };
        crate::quotas::check_settled(&mut tx, &repo.namespace).await?;
        tx.commit().await?;
        self.buckets().announce(id, seq);
        Ok(done)
    }

    /// Whether the caller may read each of the sources: its id, or why not.
    async fn open_sources<'a>(
        &self,
        caller: &Caller,
        sources: impl Iterator<Item = &'a Source>,
    ) -> Result<HashMap<&'a Source, Result<(RepoKind, i64)>>> {
        let mut found = HashMap::new();
        for source in sources {
            if found.contains_key(source) {
                continue;
            }
            let opened = self.open_source(caller, source).await;
            if let Err(e) = &opened
                && matches!(e.code, haina_types::Code::Internal | haina_types::Code::Unavailable)
            {
                // Not the source's fault: the whole batch may be sent again.
                return Err(Error::new(e.code, e.message.clone()).because(e.chain()));
            }
            found.insert(source, opened);
        }
        Ok(found)
    }

    async fn open_source(&self, caller: &Caller, source: &Source) -> Result<(RepoKind, i64)> {
        let invalid = || {
            Error::invalid(
                "A copy names its source by \"sourceRepoType\" (bucket, model, dataset, space or kernel) and \"sourceRepoId\".",
            )
        };
        let kind: RepoKind = source.kind.parse().map_err(|()| invalid())?;
        let path: RepoPath = source.id.parse().map_err(|_| invalid())?;
        let id = match kind {
            RepoKind::Bucket => self.read_bucket(caller, &path).await?.repo().id,
            _ => self.read_content(caller, kind, &path).await?.repo().id,
        };
        Ok((kind, id))
    }

    /// Writes the difference between two states of some paths, with everything that follows from it. The number of the
    /// last change; none if nothing changed.
    #[expect(clippy::too_many_arguments, reason = "one step of the only use case above")]
    async fn write_files(
        &self,
        tx: &mut Session,
        repo: &repos::Repo,
        actor: Option<i64>,
        before: &HashMap<String, BucketFile>,
        after: &BTreeMap<&str, Option<BucketFile>>,
        copied: Vec<XetHash>,
        now: Timestamp,
    ) -> Result<Option<i64>> {
        let id = repo.id;
        let mut counters = db::find_counters(tx, id).await?.ok_or_else(repo_not_found)?;
        let mut changes = Vec::new();
        let (mut put, mut deleted, mut released) = (Vec::new(), Vec::new(), Vec::new());
        let mut dirs: BTreeMap<&str, DirChange> = BTreeMap::new();
        let (mut added, mut bytes) = (0u64, 0i64);
        for (path, file) in after {
            let was = before.get(*path);
            let op = match (was, file) {
                (None, None) => continue,
                (None, Some(_)) => ChangeOp::Add,
                (Some(_), Some(_)) => ChangeOp::Update,
                (Some(_), None) => ChangeOp::Delete,
            };
            if let Some(was) = was {
                counters.bytes = counters.bytes.saturating_sub(was.bytes);
                bytes -= was.bytes.cast_signed();
                if file.as_ref().is_none_or(|f| f.hash != was.hash) {
                    released.push(was.hash);
                }
            }
            match file {
                Some(file) => {
                    counters.bytes = counters.bytes.saturating_add(file.bytes);
                    bytes += file.bytes.cast_signed();
                    put.push(file);
                }
                None => deleted.push(*path),
            }
            let files = match op {
                ChangeOp::Add => 1,
                ChangeOp::Update => 0,
                ChangeOp::Delete => -1,
            };
            counters.files = counters.files.saturating_add_signed(files);
            added += u64::from(op == ChangeOp::Add);
            for folder in folders(path) {
                let dir = dirs.entry(folder).or_insert(DirChange { files: 0, uploaded_at: Timestamp(0) });
                dir.files += files;
                if file.is_some() {
                    dir.uploaded_at = now;
                }
            }
            counters.seq += 1;
            changes.push(Change {
                seq: counters.seq,
                at: now,
                op,
                path: (*path).to_owned(),
                hash: file.as_ref().map(|f| f.hash),
                bytes: file.as_ref().map(|f| f.bytes),
                mtime: file.as_ref().and_then(|f| f.mtime),
            });
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let kept: Vec<XetHash> = distinct(put.iter().map(|f| f.hash));
        content::lend_files(tx, id, &distinct(copied), now).await?;
        content::link_committed(tx, id, &kept).await?;
        db::put_files(tx, id, &put).await?;
        db::delete_files(tx, id, &deleted).await?;
        let dirs: Vec<(&str, DirChange)> = dirs.into_iter().collect();
        db::change_dirs(tx, id, &dirs).await?;
        // After the files are written: what one path lost, another may have.
        let released = db::list_unheld(tx, id, &distinct(released)).await?;
        content::release_files(tx, id, &released, now).await?;
        db::insert_changes(tx, id, &changes).await?;
        db::save_counters(tx, id, &counters).await?;
        if counters.seq - counters.trimmed_seq > CHANGES_KEPT + CHANGES_SLACK {
            db::trim_changes(tx, id, counters.seq - CHANGES_KEPT).await?;
        }
        repos::touch_repo(tx, id, now).await?;
        repos::add_used_bytes(tx, id, bytes).await?;
        let data = json!({
            "added": added,
            "updated": put.len() as u64 - added,
            "deleted": deleted.len(),
            "bytes": bytes,
            "cursor": counters.seq,
        });
        self.append(tx, actor, "bucket.files", Some(id), Some(repo.namespace.id), data).await?;
        Ok(Some(counters.seq))
    }
}

/// Each hash once, in order, without the empty file, whose content needs no edge.
fn distinct(hashes: impl IntoIterator<Item = XetHash>) -> Vec<XetHash> {
    let mut all: Vec<XetHash> = hashes.into_iter().filter(|hash| *hash != XetHash::ZERO).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// What the bucket and the sources hold of what the operations ask for.
async fn find_held<'a>(
    tx: &mut Session,
    id: i64,
    sources: HashMap<&'a Source, Result<(RepoKind, i64)>>,
    checked: &[(FilePath, Option<Put<'a>>)],
) -> Result<Held<'a>> {
    let puts = || checked.iter().filter_map(|(_, put)| put.as_ref());
    let wanted = distinct(puts().filter(|put| put.from.is_none()).map(|put| put.hash));
    let mut held = Held { own: content::list_sizes(tx, id, false, &wanted).await?, ..Held::default() };
    let mut by_source: HashMap<&Source, Vec<XetHash>> = HashMap::new();
    for put in puts() {
        if let Some(source) = put.from {
            by_source.entry(source).or_default().push(put.hash);
        }
    }
    for (source, opened) in sources {
        let found = match opened {
            Err(e) => Err(e),
            Ok((kind, source_id)) => {
                let wanted = by_source.remove(source).unwrap_or_default();
                Ok(match kind {
                    // A bucket may hold the empty file, which no edge leads to.
                    RepoKind::Bucket => db::list_held(tx, source_id, &wanted).await?.into_iter().collect(),
                    _ => content::list_sizes(tx, source_id, true, &distinct(wanted)).await?,
                })
            }
        };
        held.sources.insert(source, found);
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_from_the_innermost() {
        assert_eq!(folders("a/b/c.txt").collect::<Vec<_>>(), ["a/b", "a"]);
        assert_eq!(folders("c.txt").count(), 0);
    }

    #[test]
    fn what_a_client_says_of_a_file_is_bounded() {
        let hash = "0".repeat(64);
        assert!(check_put(&hash, Some(1_700_000_000_123), Some("text/plain"), None).is_ok());
        assert!(check_put(&hash, Some(-1), None, None).is_ok(), "before 1970");
        assert!(check_put(&hash[1..], None, None, None).is_err());
        assert!(check_put(&hash, Some(i64::MAX), None, None).is_err());
        assert!(check_put(&hash, None, Some("text/plain\r\nx: y"), None).is_err());
        assert!(check_put(&hash, None, Some(&"x".repeat(256)), None).is_err());
    }
}
