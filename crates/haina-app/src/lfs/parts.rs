//! Objects that come in parts. Each part rests as an object of its own, however often it is sent, until the whole is
//! put together or its time is over.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use haina_cas::objects::{Committed, ObjectKey};
use haina_db::lfs::{self as db, Part, UploadId};
use haina_types::{Code, Error, Result};

use super::ADDRESS_SECONDS;
use super::address::Action;
use super::transfer::Incoming;
use crate::App;
use crate::content::{ByteStream, Expect};

/// How long a body may stay silent.
const BODY_IDLE: Duration = Duration::from_secs(120);
/// Bytes of a part that are read at a time.
const READ_BYTES: u64 = 1 << 20;
/// The folder of parts among the objects.
const FOLDER: &str = "lfs";
/// An object that no row knows may belong to a part that just comes in until it is this old, in seconds.
const LOST_SECONDS: i64 = 2 * ADDRESS_SECONDS;

/// A part as a client lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DonePart {
    /// Its number, from 1.
    pub number: u32,
    /// What its PUT was answered with.
    pub etag: String,
}

impl App {
    /// What an address that takes a part stands for.
    pub async fn lfs_part_address(&self, oid: &str, number: &str, grant: &str) -> Result<Incoming> {
        let to = self.lfs_incoming(oid, grant, Action::Part).await?;
        if to.grant.part.to_string() != number {
            return Err(Error::new(Code::Forbidden, "This address is for another part. Ask the LFS batch again."));
        }
        Ok(to)
    }

    /// Takes a part; its entity tag. Sent again, it replaces what came before.
    pub async fn lfs_put_part(&self, to: &Incoming, declared: Option<u64>, mut body: ByteStream) -> Result<String> {
        to.check_declared(declared)?;
        let _room = self.lfs().parts.acquire().await.map_err(Error::internal)?;
        let wrong_size =
            |n: u64| Error::invalid(format!("Part {} should have {} bytes; {n} came.", to.grant.part, to.size()));
        let mut staged = self.objects().begin().await?;
        let mut hasher = blake3::Hasher::new();
        let mut bytes = 0;
        loop {
            let piece = match tokio::time::timeout(BODY_IDLE, body.next()).await {
                Ok(None) => break,
                Ok(Some(piece)) => piece?,
                Err(_) => return Err(Error::invalid("The body stays silent. Please send it again.")),
            };
            bytes += piece.len() as u64;
            if bytes > to.size() {
                return Err(wrong_size(bytes));
            }
            hasher.update(&piece);
            staged.append(vec![piece]).await?;
        }
        if bytes != to.size() {
            return Err(wrong_size(bytes));
        }
        let name: String = self.rng().array::<16>().iter().map(|b| format!("{b:02x}")).collect();
        let key = format!("{FOLDER}/{}/{name}", &name[..2]);
        let key: ObjectKey = key.parse().map_err(Error::internal)?;
        if staged.commit(&key).await? == Committed::Exists {
            return Err(Error::internal(format!("the random key {key} is taken")));
        }
        let etag = hasher.finalize().to_hex()[..32].to_owned();
        let part = Part { number: to.grant.part, etag: etag.clone(), bytes, object: key.as_str().to_owned() };
        let expires = self.now().plus_seconds(ADDRESS_SECONDS);
        // If this fails the object is left to those that tidy up: the answer alone may have been lost.
        let mut tx = self.db().begin().await?;
        let before = db::put_part(&mut tx, &to.grant.upload(), to.grant.repo_id, &part, expires).await?;
        tx.commit().await?;
        self.drop_parts(before.into_iter().collect()).await;
        Ok(etag)
    }

    /// What an address that puts parts together stands for.
    pub async fn lfs_complete_address(&self, oid: &str, grant: &str) -> Result<Incoming> {
        self.lfs_incoming(oid, grant, Action::Complete).await
    }

    /// Puts an object together from its parts. It goes on when nobody waits for the answer any more, so that whoever
    /// asks again finds it done.
    pub async fn lfs_complete(&self, to: &Incoming, oid: &str, parts: Vec<DonePart>) -> Result<()> {
        if to.grant.oid.to_string() != oid {
            return Err(Error::invalid(format!("This address is for object {}.", to.grant.oid)));
        }
        if parts.len() as u64 != to.grant.parts() {
            return Err(Error::invalid(format!(
                "This object has {} parts; {} were named.",
                to.grant.parts(),
                parts.len()
            )));
        }
        let (app, to) = (self.clone(), to.clone());
        tokio::spawn(async move { app.complete(&to, parts).await }).await.map_err(Error::internal)?
    }

    async fn complete(&self, to: &Incoming, mut said: Vec<DonePart>) -> Result<()> {
        let upload = to.grant.upload();
        let turn = self.lfs().turn(upload);
        let _turn = turn.lock().await;
        if self.lfs_has(to).await? {
            return self.forget_parts(&upload).await;
        }
        let have = {
            let mut s = self.db().read().await?;
            db::list_parts(&mut s, &upload).await?
        };
        said.sort_by_key(|p| p.number);
        let mut parts = Vec::with_capacity(said.len());
        for (number, said) in (1u32..).zip(&said) {
            let have = have.iter().find(|p| p.number == number);
            match have {
                Some(have) if said.number == number && have.etag == said.etag => parts.push(have.clone()),
                _ => {
                    return Err(Error::invalid(format!(
                        "Part {number} has not come, or is not the one that was named. Please send it again."
                    )));
                }
            }
        }
        let expect = Expect { sha256: Some(to.grant.oid), size: Some(to.grant.size) };
        match self.store_content(&to.access, self.read_parts(parts), expect).await {
            Ok(_) => self.forget_parts(&upload).await,
            Err(e) => {
                // Nobody can tell which part is wrong, so they all come again.
                if e.code == Code::Invalid {
                    self.forget_parts(&upload).await?;
                }
                Err(e)
            }
        }
    }

    /// The bytes of parts one after another.
    fn read_parts(&self, parts: Vec<Part>) -> ByteStream {
        let objects = self.objects().clone();
        let steps = parts.into_iter().flat_map(|part| {
            let Part { bytes, object, .. } = part;
            (0..bytes.div_ceil(READ_BYTES)).map(move |i| {
                let start = i * READ_BYTES;
                (object.clone(), start..(start + READ_BYTES).min(bytes))
            })
        });
        Box::pin(stream::iter(steps).then(move |(object, range)| {
            let objects = objects.clone();
            async move {
                let key: ObjectKey = object.parse().map_err(Error::internal)?;
                let bytes: Bytes = objects.read(&key, range, None).await?;
                Ok(bytes)
            }
        }))
    }

    async fn forget_parts(&self, upload: &UploadId) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let objects = db::delete_parts(&mut tx, upload).await?;
        tx.commit().await?;
        self.drop_parts(objects).await;
        Ok(())
    }

    /// Deletes objects that no row names any more. What fails here is found again later.
    async fn drop_parts(&self, objects: Vec<String>) {
        for object in objects {
            let gone = match object.parse::<ObjectKey>() {
                Ok(key) => self.objects().delete(&key).await.map_err(Error::from),
                Err(e) => Err(Error::internal(e)),
            };
            if let Err(e) = gone {
                tracing::warn!(error = ?e, object, "a part of an upload could not be deleted");
            }
        }
    }

    /// Deletes parts whose time is over, and objects of parts that no row knows.
    pub async fn expire_lfs_parts(&self) -> Result<()> {
        loop {
            let mut tx = self.db().begin().await?;
            let objects = db::expire_parts(&mut tx, self.now(), 500).await?;
            tx.commit().await?;
            if objects.is_empty() {
                break;
            }
            self.drop_parts(objects).await;
        }
        let old = self.now().seconds() - LOST_SECONDS;
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.objects().list(FOLDER, after.as_ref(), 1000).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            let aged: Vec<&str> = page.iter().filter(|o| o.modified < old).map(|o| o.key.as_str()).collect();
            let known = {
                let mut s = self.db().read().await?;
                db::list_known_objects(&mut s, &aged).await?
            };
            let lost = aged.into_iter().map(str::to_owned).filter(|o| !known.contains(o));
            self.drop_parts(lost.collect()).await;
        }
    }
}
