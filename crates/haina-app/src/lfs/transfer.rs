//! Objects coming in whole and going out, by signed addresses.

use std::ops::Range;

use haina_types::{Code, Error, Result, XetHash};

use super::address::{Action, Grant};
use crate::App;
use crate::content::{ByteStream, Expect, find_stored};
use crate::gate::{ContentAccess, UploadAccess};

/// An object, or a part of one, that may come in.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub(super) access: UploadAccess,
    pub(super) grant: Grant,
}

impl Incoming {
    /// Its bytes.
    pub fn size(&self) -> u64 {
        match self.grant.action {
            Action::Part => self.grant.part_len(),
            _ => self.grant.size,
        }
    }

    /// Refuses a body whose declared length is wrong before it is read.
    pub(super) fn check_declared(&self, declared: Option<u64>) -> Result<()> {
        match declared {
            Some(n) if n != self.size() => {
                Err(Error::invalid(format!("The body should have {} bytes, not {n}.", self.size())))
            }
            _ => Ok(()),
        }
    }
}

/// An object that may be read.
#[derive(Debug, Clone)]
pub struct Download {
    app: App,
    access: ContentAccess,
    file: XetHash,
    /// Its bytes.
    pub size: u64,
}

impl Download {
    /// Its bytes, or a range of them.
    pub async fn open(&self, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.app.open_content(&self.access, &self.file, range).await
    }

    /// Counts it as a download of the repository.
    pub fn count(&self) {
        self.app.count_download(self.access.repo().id);
    }
}

impl App {
    pub(super) async fn lfs_incoming(&self, oid: &str, grant: &str, action: Action) -> Result<Incoming> {
        let grant = self.lfs_grant(oid, grant, action)?;
        Ok(Incoming { access: self.upload_again(grant.repo_id, grant.user_id, grant.proposed).await?, grant })
    }

    /// What an address that takes a whole object stands for.
    pub async fn lfs_put_address(&self, oid: &str, grant: &str) -> Result<Incoming> {
        self.lfs_incoming(oid, grant, Action::Put).await
    }

    /// Takes a whole object. Nothing is kept unless it is what its id and size say.
    pub async fn lfs_put(&self, to: &Incoming, declared: Option<u64>, body: ByteStream) -> Result<()> {
        to.check_declared(declared)?;
        let expect = Expect { sha256: Some(to.grant.oid), size: Some(to.grant.size) };
        self.store_content(&to.access, body, expect).await?;
        Ok(())
    }

    /// Whether the object of an address is stored in its repository with that size.
    pub(super) async fn lfs_has(&self, to: &Incoming) -> Result<bool> {
        let mut s = self.db().read().await?;
        let stored = find_stored(&mut s, to.grant.repo_id, &to.grant.oid).await?;
        Ok(stored.is_some_and(|s| s.readable().is_some() && s.size == to.grant.size))
    }

    /// Confirms that the object of an address came. `said` is what the client thinks it sent.
    pub async fn lfs_verify(&self, oid: &str, grant: &str, said: (&str, u64)) -> Result<()> {
        let to = self.lfs_incoming(oid, grant, Action::Verify).await?;
        if said != (oid, to.grant.size) {
            return Err(Error::invalid(format!("This address is for object {oid} of {} bytes.", to.grant.size)));
        }
        if self.lfs_has(&to).await? {
            return Ok(());
        }
        Err(Error::new(Code::NotFound, "This object has not come. Please send it again."))
    }

    /// What an address to read from stands for.
    pub async fn lfs_get_address(&self, oid: &str, grant: &str) -> Result<Download> {
        let grant = self.lfs_grant(oid, grant, Action::Get)?;
        let access = self.content_again(grant.repo_id, grant.user_id).await?;
        let stored = {
            let mut s = self.db().read().await?;
            find_stored(&mut s, grant.repo_id, &grant.oid).await?
        };
        let stored = stored.ok_or_else(|| Error::new(Code::NotFound, "This object is not stored here any more."))?;
        let file = stored.get_readable(&grant.oid)?;
        Ok(Download { app: self.clone(), access, file, size: stored.size })
    }
}
