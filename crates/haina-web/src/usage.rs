//! `/settings/usage` and `/settings/organizations/{name}/usage`: what a user or an organization has, and may have.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::quotas::QuotaUse;
use haina_types::{Code, Error, Slug};

use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::visit::{Answer, Visit, show};

/// The page of a quota.
#[derive(Template)]
#[template(path = "usage.html")]
pub(crate) struct UsagePage {
    pub l: Words,
    pub page: Layout,
    /// The organization; none for the visitor's own.
    pub org: Option<String>,
    pub git_bytes: u64,
    pub large_bytes: u64,
    pub bytes: u64,
    pub bytes_most: Option<u64>,
    pub repos: u64,
    pub repos_most: Option<u64>,
}

impl UsagePage {
    fn is_full(&self) -> bool {
        let full = |used: u64, most: Option<u64>| most.is_some_and(|most| used >= most);
        full(self.bytes, self.bytes_most) || full(self.repos, self.repos_most)
    }
}

fn page(visit: &Visit, of: QuotaUse) -> UsagePage {
    UsagePage {
        l: visit.words(),
        page: visit.layout(Section::Settings, false),
        org: of.is_org.then(|| of.name.to_string()),
        git_bytes: of.used.git_bytes,
        large_bytes: of.used.large_bytes,
        bytes: of.used.bytes(),
        bytes_most: of.quota.bytes,
        repos: of.used.repos,
        repos_most: of.quota.repos,
    }
}

/// The organization of an address.
pub(crate) fn org_of(name: &str) -> Result<Slug, Error> {
    name.parse().map_err(|_| Error::new(Code::NotFound, "There is no such organization."))
}

/// `GET /settings/usage`
pub(crate) async fn own(State(app): State<App>, visit: Visit) -> Answer {
    let of = app.quota(visit.caller(), None).await?;
    show(&page(&visit, of))
}

/// `GET /settings/organizations/{name}/usage`
pub(crate) async fn org(State(app): State<App>, visit: Visit, Path(name): Path<String>) -> Answer {
    visit.caller().require_user()?;
    let of = app.quota(visit.caller(), Some(&org_of(&name)?)).await?;
    show(&page(&visit, of))
}
