//! Tokens of the store: made of the gate's values, and turned back into the only values that its use cases take.

use haina_cas::sign::{AccessToken, SignError};
use haina_types::{Code, Error, Result};

use super::TOKEN_SECONDS;
use crate::App;
use crate::gate::{BucketRead, BucketWrite, ContentAccess, UploadAccess};

/// What a client needs to reach the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CasGrant {
    /// Absolute address of the store for the repository's namespace.
    pub cas_url: String,
    /// The bearer token.
    pub token: String,
    /// When the token ends, in seconds since the epoch.
    pub expires_at: i64,
}

/// The part of a request's path that names a store and a dedup domain.
#[derive(Debug, Clone, Copy)]
pub struct CasAddress<'a> {
    /// The store's id and epoch.
    pub store: &'a str,
    /// The domain: a namespace's id, or less than nothing for a resource group.
    pub domain: &'a str,
}

/// The right to read the content of one repository through the store.
#[derive(Debug, Clone, Copy)]
pub struct CasRead {
    pub(super) repo_id: i64,
    pub(super) domain: i64,
}

/// The right to add content to one repository through the store.
#[derive(Debug, Clone, Copy)]
pub struct CasWrite {
    pub(super) repo_id: i64,
    pub(super) domain: i64,
    /// For a proposal of somebody who may not write: what they say of SHA-256 is verified before it is kept.
    pub(super) proposed: bool,
}

impl CasRead {
    /// The repository's id.
    pub fn repo_id(&self) -> i64 {
        self.repo_id
    }
}

impl CasWrite {
    /// The repository's id.
    pub fn repo_id(&self) -> i64 {
        self.repo_id
    }
}

impl App {
    fn cas_grant(&self, token: AccessToken) -> CasGrant {
        let cas_url = self.domain_url(token.domain);
        CasGrant { cas_url, token: self.content().signer.token(&token), expires_at: token.expires }
    }

    fn domain_url(&self, domain: i64) -> String {
        format!("{}/xet/{}/{domain}", self.base_url(), self.content().store)
    }

    /// The address of the store for a repository's content.
    pub fn cas_url(&self, access: &ContentAccess) -> String {
        self.domain_url(access.repo().domain())
    }

    /// For downloads.
    pub fn cas_read_grant(&self, access: &ContentAccess) -> CasGrant {
        let repo = access.repo();
        self.cas_grant(AccessToken {
            repo_id: repo.id,
            user_id: access.actor(),
            domain: repo.domain(),
            write: false,
            proposed: false,
            expires: self.now().seconds() + TOKEN_SECONDS,
        })
    }

    /// For uploads, and downloads too.
    pub fn cas_write_grant(&self, access: &UploadAccess) -> CasGrant {
        self.cas_grant(AccessToken {
            repo_id: access.repo().id,
            user_id: access.actor(),
            domain: access.domain(),
            write: true,
            proposed: access.is_proposed(),
            expires: self.now().seconds() + TOKEN_SECONDS,
        })
    }

    /// The same for somebody who has not said what they will upload: only if there is room for anything.
    pub async fn open_upload(&self, access: &UploadAccess) -> Result<CasGrant> {
        self.check_upload(access).await?;
        Ok(self.cas_write_grant(access))
    }

    /// The address of the store for a bucket's files.
    pub fn bucket_cas_url(&self, access: &BucketRead) -> String {
        self.cas_url(access.content())
    }

    /// For downloads from a bucket.
    pub fn bucket_read_grant(&self, access: &BucketRead) -> CasGrant {
        self.cas_read_grant(access.content())
    }

    /// For uploads to a bucket, and downloads too.
    pub async fn bucket_write_grant(&self, access: &BucketWrite) -> Result<CasGrant> {
        self.open_upload(&access.write().upload()).await
    }

    fn cas_token(&self, at: CasAddress<'_>, bearer: Option<&str>) -> Result<AccessToken> {
        self.check_store(at.store)?;
        let bearer = bearer.ok_or_else(|| {
            Error::new(
                Code::Unauthenticated,
                "Send the access token of the repository's xet-read-token or xet-write-token route.",
            )
        })?;
        let token = self.content().signer.verify_token(bearer, self.now()).map_err(|e| {
            let text = match e {
                SignError::Expired => "The access token has expired. Ask the repository's token route for a new one.",
                _ => "This is not an access token of this store.",
            };
            Error::new(Code::BadCredentials, text).because(e)
        })?;
        if at.domain.parse() != Ok(token.domain) {
            return Err(Error::new(Code::Forbidden, "The access token is for another address of this store."));
        }
        Ok(token)
    }

    /// Refuses addresses of another store, or of this one before its contents were reset.
    pub(super) fn check_store(&self, store: &str) -> Result<()> {
        if store == self.content().store {
            return Ok(());
        }
        Err(Error::new(Code::NotFound, "No such store here. Ask the repository's token route for the current address."))
    }

    /// What a bearer may read.
    pub fn cas_read(&self, at: CasAddress<'_>, bearer: Option<&str>) -> Result<CasRead> {
        let token = self.cas_token(at, bearer)?;
        Ok(CasRead { repo_id: token.repo_id, domain: token.domain })
    }

    /// What a bearer may add to.
    pub fn cas_write(&self, at: CasAddress<'_>, bearer: Option<&str>) -> Result<CasWrite> {
        let token = self.cas_token(at, bearer)?;
        if !token.write {
            return Err(Error::new(
                Code::Forbidden,
                "This access token only reads. Ask the repository's xet-write-token route for one that writes.",
            ));
        }
        Ok(CasWrite { repo_id: token.repo_id, domain: token.domain, proposed: token.proposed })
    }
}
