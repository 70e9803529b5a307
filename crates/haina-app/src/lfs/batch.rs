//! What a batch is told of each object.

use std::collections::HashMap;

use haina_db::repos::Repo;
use haina_types::{Code, Error, Result, Sha256};

use super::address::{Action, Grant};
use super::{ADDRESS_SECONDS, BATCH_OBJECTS_MAX, BATCH_PARTS_MAX, PART_BYTES};
use crate::App;
use crate::content::{self, Stored};
use crate::gate::{ContentAccess, UploadAccess};

/// An object as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its SHA-256.
    pub oid: Sha256,
    /// Its size in bytes.
    pub size: u64,
}

/// How objects of an upload may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Whole.
    Whole,
    /// In parts, if one of them is large.
    Parts,
}

/// Where one object is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upload {
    /// With one PUT.
    Whole {
        /// Where to.
        href: String,
        /// Where to ask whether it came.
        verify: String,
    },
    /// With one PUT for each part, and then their list.
    Parts {
        /// Bytes of each part but the last.
        part_bytes: u64,
        /// Where to send them, in order.
        parts: Vec<String>,
        /// Where to send the list.
        complete: String,
        /// Where to ask whether it came.
        verify: String,
    },
}

/// What a batch is told of one object.
pub type Advice<T> = std::result::Result<T, Error>;

fn wrong_size(stored: &Stored, asked: u64) -> Error {
    Error::invalid(format!("This object has {} bytes, not {asked}.", stored.size))
}

fn check_count(objects: &[Object]) -> Result<()> {
    if objects.len() > BATCH_OBJECTS_MAX {
        return Err(Error::new(Code::TooLarge, format!("A batch has at most {BATCH_OBJECTS_MAX} objects: split it.")));
    }
    Ok(())
}

impl App {
    async fn stored_objects(&self, repo: &Repo, objects: &[Object]) -> Result<HashMap<Sha256, Stored>> {
        let digests: Vec<Sha256> = objects.iter().map(|o| o.oid).collect();
        let mut s = self.db().read().await?;
        content::list_stored(&mut s, repo.id, &digests).await
    }

    /// Which of the objects a repository lacks, so that they must be sent. What is elsewhere does not count: whether
    /// it is there is nobody's business.
    pub async fn lfs_missing(&self, access: &UploadAccess, objects: &[Object]) -> Result<Vec<Advice<bool>>> {
        check_count(objects)?;
        let stored = self.stored_objects(access.repo(), objects).await?;
        let is_missing = |o: &&Object| stored.get(&o.oid).is_none_or(|s| s.readable().is_none());
        let more = objects.iter().filter(is_missing).fold(0u64, |sum, o| sum.saturating_add(o.size));
        let mut s = self.db().read().await?;
        let mut room = self.check_large_room(&mut s, access.repo().id, more).await;
        if room.is_ok() {
            room = crate::quotas::check_bytes(&mut s, &access.repo().namespace, more).await;
        }
        drop(s);
        let no_room = match &room {
            // Each of them is told: the words of a whole batch's refusal would name none.
            Err(e) if e.code == Code::TooLarge => Some(e.message.clone()),
            _ => {
                room?;
                None
            }
        };
        let missing = objects.iter().map(|o| match stored.get(&o.oid).filter(|s| s.readable().is_some()) {
            Some(stored) if stored.size != o.size => Err(wrong_size(stored, o.size)),
            Some(_) => Ok(false),
            None => match &no_room {
                Some(words) => Err(Error::new(Code::TooLarge, words.clone())),
                None => Ok(true),
            },
        });
        Ok(missing.collect())
    }

    /// Where to send objects that are missing; whether they go in parts.
    pub fn lfs_uploads(&self, access: &UploadAccess, objects: &[Object], offer: Offer) -> (bool, Vec<Upload>) {
        let grant = |o: &Object| Grant {
            action: Action::Put,
            repo_id: access.repo().id,
            user_id: access.actor(),
            proposed: access.is_proposed(),
            oid: o.oid,
            size: o.size,
            part_bytes: 0,
            part: 0,
            expires: self.now().seconds() + ADDRESS_SECONDS,
        };
        let at = |grant: Grant, action| self.lfs_address(&Grant { action, ..grant });
        // All or none: git's agent for parts takes nothing else.
        let in_parts = offer == Offer::Parts && objects.iter().any(|o| o.size > PART_BYTES);
        let parts_max = (BATCH_PARTS_MAX / objects.len().max(1) as u64).max(1);
        let uploads = objects.iter().map(|o| {
            // An empty object has no parts; it comes whole even so.
            if !in_parts || o.size == 0 {
                let grant = grant(o);
                return Upload::Whole { href: at(grant, Action::Put), verify: at(grant, Action::Verify) };
            }
            let grant = Grant { part_bytes: PART_BYTES.max(o.size.div_ceil(parts_max)), ..grant(o) };
            // At most `parts_max` of them.
            let parts = (1..=grant.parts() as u32).map(|part| at(Grant { part, ..grant }, Action::Part));
            Upload::Parts {
                part_bytes: grant.part_bytes,
                parts: parts.collect(),
                complete: at(grant, Action::Complete),
                verify: at(grant, Action::Verify),
            }
        });
        (in_parts, uploads.collect())
    }

    /// Where to fetch objects of a repository.
    pub async fn lfs_downloads(&self, access: &ContentAccess, objects: &[Object]) -> Result<Vec<Advice<String>>> {
        check_count(objects)?;
        let stored = self.stored_objects(access.repo(), objects).await?;
        let expires = self.now().seconds() + ADDRESS_SECONDS;
        let downloads = objects.iter().map(|o| {
            let stored = stored.get(&o.oid).ok_or_else(|| {
                Error::new(Code::NotFound, "This object is not stored in this repository. Push it with `git lfs push`.")
            })?;
            stored.get_readable(&o.oid)?;
            if stored.size != o.size {
                return Err(wrong_size(stored, o.size));
            }
            Ok(self.lfs_address(&Grant {
                action: Action::Get,
                repo_id: access.repo().id,
                user_id: access.actor(),
                proposed: false,
                oid: o.oid,
                size: o.size,
                part_bytes: 0,
                part: 0,
                expires,
            }))
        });
        Ok(downloads.collect())
    }
}
