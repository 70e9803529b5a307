//! Who follows whom: people follow people and organizations.

use haina_db::people::{self, Namespace};
use haina_db::social;
use haina_types::{Code, Error, Result, Slug, Timestamp};
use serde_json::json;

use super::{PAGE_MAX, page_limit, parse_cursor};
use crate::gate::SelfAccess;
use crate::{App, Caller, Page};

/// Most users and organizations that one person follows.
const FOLLOWING_MAX: i64 = 10_000;

/// Somebody in a list.
#[derive(Debug, Clone)]
pub struct PersonRow {
    /// Namespace id.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Name for people.
    pub full_name: String,
    /// Whether it is an organization.
    pub is_org: bool,
    /// Since when they are on this list.
    pub at: Timestamp,
}

impl PersonRow {
    pub(super) fn page(page: social::People) -> Page<Self> {
        let one = |p: social::Since| Self {
            id: p.namespace.id,
            is_org: p.namespace.is_org(),
            name: p.namespace.name.to_string(),
            full_name: p.namespace.full_name,
            at: p.at,
        };
        Page { items: page.items.into_iter().map(one).collect(), next: page.next.map(|c| c.to_string()) }
    }
}

/// How a user or an organization stands in the community, for profiles and overviews.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Who follows them.
    pub followers: u64,
    /// Whom they follow; 0 for an organization.
    pub following: u64,
    /// Repositories that they like.
    pub likes: u64,
    /// Votes for their collections.
    pub upvotes: u64,
    /// Whether the caller follows them.
    pub is_followed: bool,
}

impl App {
    /// Whether `name` is there, and a user or an organization if that was asked for.
    async fn somebody(&self, name: &Slug, is_org: Option<bool>) -> Result<Namespace> {
        let mut s = self.db().read().await?;
        let found = people::find_namespace(&mut s, &name.fold()).await?;
        found.filter(|ns| is_org.is_none_or(|want| ns.is_org() == want)).ok_or_else(|| {
            let what = match is_org {
                Some(true) => "organization",
                Some(false) => "user",
                None => "user or organization",
            };
            Error::new(Code::NotFound, format!("There is no such {what}."))
        })
    }

    /// Follows a user (`is_org` false), an organization (true) or either; doing so twice changes nothing.
    pub async fn follow(&self, by: &SelfAccess, name: &Slug, is_org: Option<bool>) -> Result<()> {
        let (user, whom) = (by.user(), self.somebody(name, is_org).await?);
        self.count_community(user.id)?;
        if whom.id == user.id {
            return Err(Error::invalid("You cannot follow yourself."));
        }
        let mut tx = self.db().begin().await?;
        if social::find_counts(&mut tx, user.id).await?.following >= FOLLOWING_MAX {
            let text = format!("One can follow at most {FOLLOWING_MAX} users and organizations.");
            return Err(Error::invalid(text));
        }
        if social::follow(&mut tx, user.id, whom.id, self.now()).await? {
            let data = json!({"name": whom.name});
            self.append(&mut tx, Some(user.id), "user.follow", None, Some(whom.id), data).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Follows somebody no longer; doing so twice changes nothing.
    pub async fn unfollow(&self, by: &SelfAccess, name: &Slug, is_org: Option<bool>) -> Result<()> {
        let (user, whom) = (by.user(), self.somebody(name, is_org).await?);
        self.count_community(user.id)?;
        let mut tx = self.db().begin().await?;
        if social::unfollow(&mut tx, user.id, whom.id).await? {
            let data = json!({"name": whom.name});
            self.append(&mut tx, Some(user.id), "user.unfollow", None, Some(whom.id), data).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Who follows a user or an organization, newest first.
    pub async fn followers(
        &self,
        name: &Slug,
        is_org: Option<bool>,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Page<PersonRow>> {
        let after = parse_cursor(cursor)?;
        let of = self.somebody(name, is_org).await?;
        let mut s = self.db().read().await?;
        let page = social::list_followers(&mut s, of.id, after, page_limit(limit, PAGE_MAX)).await?;
        Ok(PersonRow::page(page))
    }

    /// Whom a user follows, newest first.
    pub async fn following(&self, name: &Slug, limit: Option<usize>, cursor: Option<&str>) -> Result<Page<PersonRow>> {
        let after = parse_cursor(cursor)?;
        let of = self.somebody(name, Some(false)).await?;
        let mut s = self.db().read().await?;
        let page = social::list_following(&mut s, of.id, after, page_limit(limit, PAGE_MAX)).await?;
        Ok(PersonRow::page(page))
    }

    /// How a user or an organization (by namespace id) stands in the community.
    pub async fn standing(&self, caller: &Caller, namespace: i64) -> Result<Standing> {
        let mut s = self.db().read().await?;
        let counts = social::find_counts(&mut s, namespace).await?;
        let is_followed = match caller.user() {
            Some(user) => social::has_follow(&mut s, user.id, namespace).await?,
            None => false,
        };
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(Standing {
            followers: count(counts.followers),
            following: count(counts.following),
            likes: count(counts.likes),
            upvotes: count(counts.upvotes),
            is_followed,
        })
    }
}
