//! Lists of discussions.

use haina_db::{discussions as db, people};
use haina_types::Result;

use super::Discussion;
use crate::App;
use crate::gate::ContentAccess;

/// Discussions of one page.
pub const PAGE_LEN: usize = 50;

/// Of which kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// Both.
    #[default]
    All,
    /// Without a change.
    Discussion,
    /// With one.
    PullRequest,
}

/// Whether work on them goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// All of them.
    #[default]
    All,
    /// Open ones, drafts among them.
    Open,
    /// Closed ones, merged ones among them.
    Closed,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListDiscussions {
    /// Of which kind.
    pub kind: Kind,
    /// In which state.
    pub state: State,
    /// Begun by whom.
    pub author: Option<String>,
    /// The page, from 0.
    pub page: usize,
}

/// A page of discussions, newest first.
#[derive(Debug, Clone, Default)]
pub struct DiscussionPage {
    /// What is on it.
    pub items: Vec<Discussion>,
    /// The place of its first among all that were asked for.
    pub start: usize,
    /// How many were asked for.
    pub count: u64,
    /// How many of that kind and author are open.
    pub open: u64,
    /// How many are closed.
    pub closed: u64,
}

impl App {
    /// A page of a repository's discussions.
    pub async fn list_discussions(&self, access: &ContentAccess, query: &ListDiscussions) -> Result<DiscussionPage> {
        let mut s = self.db().read().await?;
        let repo = access.repo().id;
        let author_id = match &query.author {
            None => None,
            Some(name) => match people::find_namespace(&mut s, &name.to_ascii_lowercase()).await? {
                Some(found) => Some(found.id),
                None => return Ok(DiscussionPage::default()),
            },
        };
        let pull_requests = match query.kind {
            Kind::All => None,
            Kind::Discussion => Some(false),
            Kind::PullRequest => Some(true),
        };
        let all = db::Filter { pull_requests, open: None, author_id };
        let open = db::count_discussions(&mut s, repo, &db::Filter { open: Some(true), ..all }).await?;
        let closed = db::count_discussions(&mut s, repo, &db::Filter { open: Some(false), ..all }).await?;
        let (filter, count) = match query.state {
            State::All => (all, open + closed),
            State::Open => (db::Filter { open: Some(true), ..all }, open),
            State::Closed => (db::Filter { open: Some(false), ..all }, closed),
        };
        let start = query.page.saturating_mul(PAGE_LEN);
        // Past the end there is nothing to look for.
        let items = match (start as u64) < count {
            true => db::list_discussions(&mut s, repo, &filter, start, PAGE_LEN).await?,
            false => Vec::new(),
        };
        Ok(DiscussionPage { items, start, count, open, closed })
    }
}
