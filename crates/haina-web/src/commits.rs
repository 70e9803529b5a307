//! `…/commits/{rev}`: history.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_types::{Timestamp, Visibility};

use crate::address::{RepoAddress, with_query};
use crate::layout::{Layout, Section};
use crate::locale::{Locale, Plain};
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, show};

/// Commits on a page.
pub(crate) const PAGE_LEN: u64 = 50;

/// The history of a revision, newest first.
#[derive(Template)]
#[template(path = "commits.html")]
pub(crate) struct CommitsPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub commits: Vec<Commit>,
    pub total: u64,
    /// Counted from 0.
    pub at: u64,
}

/// A commit in the history.
pub(crate) struct Commit {
    pub id: String,
    pub title: String,
    pub body: String,
    pub author: String,
    pub at: Timestamp,
}

impl CommitsPage {
    fn newer(&self) -> Option<u64> {
        self.at.checked_sub(1)
    }

    fn older(&self) -> Option<u64> {
        (self.at.saturating_add(1).saturating_mul(PAGE_LEN) < self.total).then(|| self.at + 1)
    }

    fn at_page(&self, page: impl Plain<u64>) -> String {
        let page = page.plain();
        let text = if page == 0 { String::new() } else { page.to_string() };
        with_query(&self.head.address.commits(&self.head.rev), [("p", text.as_str())])
    }

    fn position(&self) -> String {
        let pages = self.total.div_ceil(PAGE_LEN).max(1);
        self.l.with2("page-position", "page", self.l.locale.number(self.at + 1), "pages", self.l.locale.number(pages))
    }
}

/// `GET …/commits/{rev}`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    let access = app.list_content(visit.caller(), target.kind, &target.path).await?;
    if let Some(now) = target.moved(access.repo()) {
        return Ok(go(&now.commits(target.revision.as_str()), []));
    }
    let commit = app.resolve_revision(&access, &target.revision).await?;
    let at: u32 = query.get("p").parse().unwrap_or(0);
    let (commits, total) = app.list_commits(&access, commit, at as usize, PAGE_LEN as usize).await?;
    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    show(&CommitsPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head: RepoHead::new(address, repo.visibility == Visibility::Private, target.revision.as_str(), Tab::History),
        commits: commits
            .into_iter()
            .map(|c| Commit {
                id: c.id.to_string(),
                title: c.title,
                body: c.message.trim().to_owned(),
                author: c.author,
                at: c.date,
            })
            .collect(),
        total: total as u64,
        at: at.into(),
    })
}
