//! What a repository says of itself to git.

use std::collections::HashMap;
use std::sync::Arc;

use haina_db::git;
use haina_git::wire::{AdvertisedRef, Advertisement, Service, Version, advertise, advertise_v2, greet};
use haina_git::{ObjectKind, Tag};
use haina_types::{Error, Oid, RefName, Result};

use crate::App;
use crate::gate::{ContentAccess, PushAccess};

/// How many tags may point to tags, one after the other.
const TAG_DEPTH_MAX: usize = 64;
/// Objects looked up by one statement.
pub(super) const STEP: usize = 500;

/// A tag and what it is of.
pub(super) struct Chain {
    /// The tag objects, the outermost first.
    pub(super) tags: Vec<Oid>,
    /// What the last of them is of.
    pub(super) target: Oid,
    pub(super) kind: ObjectKind,
}

pub(super) fn kind_of(number: i64) -> Result<ObjectKind> {
    u8::try_from(number)
        .ok()
        .and_then(ObjectKind::from_number)
        .ok_or_else(|| Error::internal(format!("no git object has kind {number}")))
}

/// Follows a tag object to what it is of.
async fn follow(s: &mut haina_db::Session, repo: i64, tag: Oid) -> Result<Chain> {
    let mut chain = Chain { tags: Vec::new(), target: tag, kind: ObjectKind::Tag };
    while chain.kind == ObjectKind::Tag {
        if chain.tags.len() >= TAG_DEPTH_MAX {
            return Err(Error::invalid(format!("tag {tag} is of tags of tags, more than {TAG_DEPTH_MAX} deep")));
        }
        let raw = crate::history::load_raw(s, repo, ObjectKind::Tag, &chain.target).await?;
        let read = Tag::parse(&raw).map_err(Error::internal)?;
        chain.tags.push(chain.target);
        (chain.target, chain.kind) = (read.target, read.kind);
    }
    Ok(chain)
}

impl App {
    /// What a tag object is of. Objects never change, so what was found once is kept.
    pub(super) async fn peel_tag(&self, s: &mut haina_db::Session, repo: i64, tag: Oid) -> Result<Arc<Chain>> {
        let key = (repo, tag);
        if let Some(chain) = self.git().chains.get(&key) {
            return Ok(chain);
        }
        let chain = Arc::new(follow(s, repo, tag).await?);
        self.git().chains.insert(key, chain.clone());
        Ok(chain)
    }
}

/// The kinds of those of these objects that a repository has.
pub(super) async fn kinds(s: &mut haina_db::Session, repo: i64, oids: &[Oid]) -> Result<HashMap<Oid, ObjectKind>> {
    let mut found = HashMap::with_capacity(oids.len());
    for part in oids.chunks(STEP) {
        for info in git::list_object_info(s, repo, part).await? {
            found.insert(info.oid, kind_of(info.kind)?);
        }
    }
    Ok(found)
}

/// All references, and what the annotated tags among them are of.
pub(super) async fn advertisement(app: &App, s: &mut haina_db::Session, repo: i64) -> Result<Advertisement> {
    let rows = git::list_refs(s, repo).await?;
    let of_tags: Vec<Oid> = rows.iter().filter(|r| r.name.as_branch().is_none()).map(|r| r.oid).collect();
    let kinds = kinds(s, repo, &of_tags).await?;
    let mut refs = Vec::with_capacity(rows.len());
    for row in rows {
        let peeled = match kinds.get(&row.oid) {
            Some(ObjectKind::Tag) => Some(app.peel_tag(s, repo, row.oid).await?.target),
            _ => None,
        };
        refs.push(AdvertisedRef { name: row.name.to_string(), oid: row.oid, peeled });
    }
    // The database sorts by bytes, as git does; a change of its collation must not become wrong look-ups.
    refs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Advertisement { head: RefName::main().to_string(), refs })
}

impl App {
    /// The first answer to a client that fetches.
    pub async fn git_advertise_fetch(&self, access: &ContentAccess, version: Version) -> Result<Vec<u8>> {
        if version == Version::V2 {
            return Ok(advertise_v2());
        }
        let mut s = self.db().read().await?;
        Ok(advertise(Service::UploadPack, version, &advertisement(self, &mut s, access.repo().id).await?))
    }

    /// The first answer to a client that pushes. There is no version 2 of pushing.
    pub async fn git_advertise_push(&self, access: &PushAccess, version: Version) -> Result<Vec<u8>> {
        let mut s = self.db().read().await?;
        let version = if version == Version::V2 { Version::V0 } else { version };
        Ok(advertise(Service::ReceivePack, version, &advertisement(self, &mut s, access.repo().id).await?))
    }

    /// The same on a connection that stays open.
    pub(super) async fn git_greet(&self, repo: i64, service: Service, version: Version) -> Result<Vec<u8>> {
        let version = match (service, version) {
            (Service::UploadPack, Version::V2) => return Ok(advertise_v2()),
            (_, Version::V2) => Version::V0,
            (_, version) => version,
        };
        let mut s = self.db().read().await?;
        Ok(greet(service, version, &advertisement(self, &mut s, repo).await?))
    }
}
