//! Likes: given, taken back, listed from both sides. The count on the repository changes in the same transaction.

use haina_db::people;
use haina_db::social;
use haina_types::{Code, Error, RepoKind, Result, Slug, Timestamp};
use serde_json::json;

use super::{PAGE_MAX, PersonRow, page_limit, parse_cursor};
use crate::gate::{ReadAccess, SelfAccess, repo_not_found};
use crate::{App, Caller, Page};

/// A repository that somebody likes.
#[derive(Debug, Clone)]
pub struct LikedRepo {
    /// It.
    pub repo: haina_db::repos::Repo,
    /// Since when.
    pub at: Timestamp,
}

impl App {
    /// Gives a repository one's like; doing so twice changes nothing.
    pub async fn like(&self, access: &ReadAccess, by: &SelfAccess) -> Result<()> {
        let (repo, user, now) = (access.repo(), by.user().id, self.now());
        self.count_community(user)?;
        let mut tx = self.db().begin().await?;
        let is_new = social::like(&mut tx, repo.id, user, now).await.map_err(|e| match e {
            // It was deleted a moment ago.
            haina_db::Error::Dangling(_) => repo_not_found(),
            e => e.into(),
        })?;
        if is_new {
            let data = json!({"kind": repo.kind, "name": repo.path().to_string()});
            self.append(&mut tx, Some(user), "repo.like", Some(repo.id), Some(repo.namespace.id), data).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Takes one's like back; doing so twice changes nothing.
    pub async fn unlike(&self, access: &ReadAccess, by: &SelfAccess) -> Result<()> {
        let (repo, user, now) = (access.repo(), by.user().id, self.now());
        self.count_community(user)?;
        let mut tx = self.db().begin().await?;
        if social::unlike(&mut tx, repo.id, user, now).await? {
            let data = json!({"kind": repo.kind, "name": repo.path().to_string()});
            self.append(&mut tx, Some(user), "repo.unlike", Some(repo.id), Some(repo.namespace.id), data).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Whether the caller likes a repository.
    pub async fn likes(&self, caller: &Caller, access: &ReadAccess) -> Result<bool> {
        let Some(user) = caller.user() else { return Ok(false) };
        let mut s = self.db().read().await?;
        Ok(social::has_like(&mut s, access.repo().id, user.id).await?)
    }

    /// Who likes a repository, newest first.
    pub async fn likers(
        &self,
        access: &ReadAccess,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page<PersonRow>> {
        let after = parse_cursor(cursor)?;
        let mut s = self.db().read().await?;
        let page = social::list_likers(&mut s, access.repo().id, after, page_limit(limit, PAGE_MAX)).await?;
        Ok(PersonRow::page(page))
    }

    /// What a user likes, as far as the caller may know, newest first.
    pub async fn liked_repos(
        &self,
        caller: &Caller,
        user: &Slug,
        kind: Option<RepoKind>,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page<LikedRepo>> {
        let after = parse_cursor(cursor)?;
        let viewer = self.viewer(caller).await?;
        let mut s = self.db().read().await?;
        let user = people::find_user(&mut s, &user.fold())
            .await?
            .ok_or_else(|| Error::new(Code::NotFound, "There is no such user."))?;
        let limit = page_limit(limit, PAGE_MAX);
        let (items, next) = social::list_likes(&mut s, user.id, kind, &viewer, after, limit).await?;
        let items = items.into_iter().map(|(repo, at)| LikedRepo { repo, at }).collect();
        Ok(Page { items, next: next.map(|c| c.to_string()) })
    }
}
