//! Making, finding, describing, changing and deleting buckets.

use haina_db::{buckets as db, git, moves, people, repos};
use haina_types::{Code, Error, RepoKind, RepoName, RepoPath, Result, Slug, Timestamp, Visibility};
use serde_json::json;

use crate::gate::{BucketAdmin, BucketRead, repo_not_found};
use crate::{App, Caller, Page, content};

/// Buckets of one page when the caller names no number, and at most.
const PAGE_MAX: usize = 1000;

/// A bucket to make.
#[derive(Debug, Clone)]
pub struct NewBucket {
    /// Whose it is; the caller's own when absent.
    pub namespace: Option<Slug>,
    /// Its name.
    pub name: RepoName,
    /// Who may know of it; what the owner has set when absent, else everyone.
    pub visibility: Option<Visibility>,
    /// The resource group that it will be in, by the id that clients know.
    pub group: Option<String>,
}

/// A bucket, described.
#[derive(Debug, Clone)]
pub struct BucketInfo {
    /// The public id, 24 hexadecimal digits.
    pub public_id: String,
    /// Its canonical id.
    pub path: RepoPath,
    /// Who may know of it.
    pub visibility: Visibility,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its files or settings last changed.
    pub updated_at: Timestamp,
    /// Bytes of all files.
    pub bytes: u64,
    /// How many files there are.
    pub files: u64,
}

fn describe(repo: &repos::Repo, counters: &db::Counters) -> BucketInfo {
    BucketInfo {
        public_id: repo.public_id.clone(),
        path: repo.path(),
        visibility: repo.visibility,
        created_at: repo.created_at,
        updated_at: repo.updated_at,
        bytes: counters.bytes,
        files: counters.files,
    }
}

impl App {
    /// Makes an empty bucket.
    pub async fn create_bucket(&self, caller: &Caller, new: NewBucket) -> Result<BucketInfo> {
        let access = self.create_in(caller, new.namespace.as_ref(), new.group.as_deref()).await?;
        let (now, namespace, public_id) = (self.now(), access.namespace(), self.public_id());
        let path = RepoPath { namespace: namespace.name.clone(), name: new.name.clone() };
        let mut tx = self.db().begin().await?;
        let visibility = match new.visibility {
            Some(visibility) => visibility,
            None => crate::people::default_visibility(&mut tx, namespace.id).await?,
        };
        let row = repos::NewRepo {
            public_id: &public_id,
            kind: RepoKind::Bucket,
            ns_id: namespace.id,
            name: &new.name,
            visibility,
            created_by: Some(access.actor()),
            created_at: now,
            group_id: access.group(),
        };
        let id = match repos::insert_repo(&mut tx, &row).await {
            Ok(id) => id,
            Err(haina_db::Error::Conflict(_)) => {
                drop(tx);
                // Named as it is, not as it was asked for now.
                let mut s = self.db().read().await?;
                let known =
                    repos::find_repo(&mut s, RepoKind::Bucket, &path.namespace.fold(), &path.name.fold()).await?;
                let known = known.map_or(path, |repo| repo.path());
                return Err(
                    Error::new(Code::Conflict, "You already created this bucket").with_detail(self.bucket_url(&known))
                );
            }
            Err(e) => return Err(e.into()),
        };
        // A name that led to another bucket leads there no more.
        moves::end_alias(&mut tx, RepoKind::Bucket, namespace.id, &new.name.fold()).await?;
        db::insert_bucket(&mut tx, id).await?;
        let data = json!({"name": path.to_string(), "visibility": row.visibility});
        self.append(&mut tx, Some(access.actor()), "bucket.create", Some(id), Some(namespace.id), data).await?;
        crate::quotas::check_settled(&mut tx, namespace).await?;
        tx.commit().await?;
        Ok(BucketInfo {
            visibility: row.visibility,
            public_id,
            path,
            created_at: now,
            updated_at: now,
            bytes: 0,
            files: 0,
        })
    }

    /// The address of a bucket's page.
    pub fn bucket_url(&self, path: &RepoPath) -> String {
        format!("{}/{}{path}", self.base_url(), RepoKind::Bucket.url_prefix())
    }

    /// Describes a bucket.
    pub async fn bucket_info(&self, access: &BucketRead) -> Result<BucketInfo> {
        let mut s = self.db().read().await?;
        let counters = db::find_counters(&mut s, access.repo().id).await?.ok_or_else(repo_not_found)?;
        Ok(describe(access.repo(), &counters))
    }

    /// The buckets of a user or an organization that the caller may know, by name.
    pub async fn list_buckets(
        &self,
        caller: &Caller,
        namespace: &Slug,
        search: &str,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page<BucketInfo>> {
        let limit = limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let after = match cursor {
            None => String::new(),
            Some(text) => text
                .parse::<RepoName>()
                .map_err(|_| Error::invalid("This cursor is not one of ours: start again from the first page."))?
                .fold(),
        };
        let viewer = self.viewer(caller).await?;
        let mut s = self.db().read().await?;
        let ns = people::find_namespace(&mut s, &namespace.fold())
            .await?
            .ok_or_else(|| Error::new(Code::NotFound, "There is no such user or organization."))?;
        // A name is searched for without its owner, who is given.
        let search = search.rsplit('/').next().unwrap_or_default();
        let rows = db::list_buckets(&mut s, ns.id, &viewer, search, &after, limit + 1).await?;
        let more = rows.len() > limit;
        let items: Vec<_> = rows.iter().take(limit).map(|(repo, counters)| describe(repo, counters)).collect();
        let next = if more { items.last().map(|last| last.path.name.fold()) } else { None };
        Ok(Page { items, next })
    }

    /// Changes who may know of a bucket.
    pub async fn set_bucket_visibility(&self, access: &BucketAdmin, visibility: Visibility) -> Result<()> {
        let id = access.repo().id;
        let mut tx = self.db().begin().await?;
        if !git::lock_repo(&mut tx, id).await? {
            return Err(repo_not_found());
        }
        let was = repos::find_repo_by_id(&mut tx, id).await?.ok_or_else(repo_not_found)?;
        if was.visibility == visibility {
            return Ok(());
        }
        repos::set_visibility(&mut tx, id, visibility, self.now()).await?;
        if visibility == Visibility::Public {
            content::publish_repo(&mut tx, id).await?;
        }
        let data = json!({"visibility": {"old": was.visibility, "new": visibility}});
        self.append(&mut tx, access.actor(), "bucket.settings", Some(id), Some(was.namespace.id), data).await?;
        Ok(tx.commit().await?)
    }

    /// Deletes a bucket with all its files. Its events stay; content that nothing else uses is left to collection.
    pub async fn delete_bucket(&self, access: &BucketAdmin) -> Result<()> {
        let repo = access.repo();
        let mut tx = self.db().begin().await?;
        haina_db::git_usage::lock_whole(&mut tx, repo.id).await?;
        content::forget_repo(&mut tx, repo.id).await?;
        repos::delete_repo(&mut tx, repo.id).await?;
        // All that is told of it afterwards, and to whom, must follow from this.
        let data = json!({"kind": repo.kind, "name": repo.path().to_string(), "id": repo.public_id,
            "visibility": repo.visibility, "group": repo.group_id});
        self.append(&mut tx, access.actor(), "bucket.delete", Some(repo.id), Some(repo.namespace.id), data).await?;
        tx.commit().await?;
        self.buckets().end(repo.id);
        Ok(())
    }
}
