//! The gate's values for buckets: the same roles and the same rules, but never a value that opens a history.

use haina_db::repos::Repo;
use haina_types::{Action, Code, Error, RepoKind, RepoPath, Result};

use super::{AdminAccess, Caller, ContentAccess, WriteAccess};
use crate::App;

macro_rules! access {
    ($(#[$doc:meta])* $name:ident($inner:ident)) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name($inner);

        impl $name {
            /// The bucket's row among the repositories.
            pub fn repo(&self) -> &Repo {
                self.0.repo()
            }

            /// The acting user's id.
            pub fn actor(&self) -> Option<i64> {
                self.0.actor()
            }
        }
    };
}

access!(
    /// The right to know a bucket and to read its files.
    BucketRead(ContentAccess)
);
access!(
    /// The right to change a bucket's files.
    BucketWrite(WriteAccess)
);
access!(
    /// The right to delete a bucket, to move it or to change its settings.
    BucketAdmin(AdminAccess)
);

impl BucketRead {
    /// For the content store, which knows repositories by their ids only.
    pub(crate) fn content(&self) -> &ContentAccess {
        &self.0
    }
}

impl BucketWrite {
    /// For the content store, as above.
    pub(crate) fn write(&self) -> &WriteAccess {
        &self.0
    }

    /// Who may write may read.
    pub fn read(&self) -> BucketRead {
        BucketRead(self.0.content())
    }
}

impl App {
    /// May `caller` read this bucket?
    pub async fn read_bucket(&self, caller: &Caller, path: &RepoPath) -> Result<BucketRead> {
        let repo = self.admit_any(caller, RepoKind::Bucket, path, Action::Read).await?;
        check_up(&repo)?;
        Ok(BucketRead(ContentAccess { repo, actor: caller.user().map(|u| u.id) }))
    }

    /// May `caller` change this bucket's files?
    pub async fn write_bucket(&self, caller: &Caller, path: &RepoPath) -> Result<BucketWrite> {
        let repo = self.admit_any(caller, RepoKind::Bucket, path, Action::Write).await?;
        check_up(&repo)?;
        Ok(BucketWrite(WriteAccess { repo, actor: caller.user().map(|u| u.id) }))
    }

    /// May `caller` delete or move this bucket, or change its settings?
    pub async fn administer_bucket(&self, caller: &Caller, path: &RepoPath) -> Result<BucketAdmin> {
        let repo = self.admit_any(caller, RepoKind::Bucket, path, Action::Admin).await?;
        Ok(BucketAdmin(AdminAccess { repo, actor: caller.user().map(|u| u.id) }))
    }
}

fn check_up(repo: &Repo) -> Result<()> {
    match repo.disabled_reason {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::Disabled, "Access to this resource is disabled.")),
    }
}
