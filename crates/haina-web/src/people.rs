//! `/{name}?list=followers` and its kin: who follows whom, and what somebody likes. `/settings/follow` changes it.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::social::PersonRow;
use haina_types::{Code, Error, Slug, Timestamp, Visibility};

use crate::address::{RepoAddress, with_query};
use crate::form::Posted;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::RepoRow;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, show};

/// People and repositories on one page.
pub(crate) const PEOPLE: usize = 60;

/// Somebody in a list.
#[derive(Debug, Clone)]
pub struct PersonLine {
    /// Name.
    pub name: String,
    /// Name for people.
    pub full_name: String,
    /// Whether it is an organization.
    pub is_org: bool,
    /// Since when they are on the list.
    pub at: Timestamp,
}

impl From<PersonRow> for PersonLine {
    fn from(row: PersonRow) -> Self {
        Self { name: row.name, full_name: row.full_name, is_org: row.is_org, at: row.at }
    }
}

/// Which list of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Followers,
    Following,
    Likes,
}

impl Listing {
    pub(crate) const ALL: [Self; 3] = [Self::Followers, Self::Following, Self::Likes];

    /// As it stands in the address.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Followers => "followers",
            Self::Following => "following",
            Self::Likes => "likes",
        }
    }

    fn title_key(self) -> &'static str {
        match self {
            Self::Followers => "followers-title",
            Self::Following => "following-title",
            Self::Likes => "liked-title",
        }
    }

    fn none_key(self) -> &'static str {
        match self {
            Self::Followers => "followers-none",
            Self::Following => "following-none",
            Self::Likes => "liked-none",
        }
    }
}

/// A list of somebody's.
#[derive(Template)]
#[template(path = "people.html")]
pub(crate) struct PeoplePage {
    pub l: Words,
    pub page: Layout,
    pub name: String,
    pub full_name: String,
    pub listing: Listing,
    pub people: Vec<PersonLine>,
    pub repos: Vec<RepoRow>,
    pub next: Option<String>,
    pub is_first: bool,
}

impl PeoplePage {
    fn more(&self, cursor: &str) -> String {
        with_query(&format!("/{}", self.name), [("list", self.listing.name()), ("cursor", cursor)])
    }
}

/// The list that a profile's query asks for.
pub(crate) fn asked(query: &Query) -> Option<Listing> {
    let name = query.get("list");
    Listing::ALL.into_iter().find(|l| l.name() == name)
}

/// A list of a user's or an organization's.
pub(crate) async fn list(app: &App, visit: &Visit, name: &Slug, listing: Listing, query: &Query) -> Answer {
    let profile = app.profile(visit.caller(), name).await?;
    let cursor = query.find("cursor");
    let mut page = PeoplePage {
        l: visit.words(),
        page: visit.layout(Section::None, false),
        name: profile.name,
        full_name: profile.full_name,
        listing,
        people: Vec::new(),
        repos: Vec::new(),
        next: None,
        is_first: cursor.is_none(),
    };
    if listing == Listing::Likes {
        let found = app.liked_repos(visit.caller(), name, None, Some(PEOPLE), cursor.as_deref()).await?;
        let row = |liked: haina_app::social::LikedRepo| RepoRow {
            address: RepoAddress::new(liked.repo.kind, &liked.repo.path()),
            private: liked.repo.visibility == Visibility::Private,
            summary: None,
            task: None,
            library: None,
            licence: None,
            downloads: liked.repo.downloads,
            likes: liked.repo.likes,
            updated: liked.repo.updated_at,
        };
        page.repos = found.items.into_iter().map(row).collect();
        page.next = found.next;
    } else {
        let found = match listing {
            Listing::Following => app.following(name, Some(PEOPLE), cursor.as_deref()).await?,
            _ => app.followers(name, None, Some(PEOPLE), cursor.as_deref()).await?,
        };
        page.people = found.items.into_iter().map(PersonLine::from).collect();
        page.next = found.next;
    }
    show(&page)
}

/// `POST /settings/follow`: `name` is whom, `on` is 1 to follow, anything else to follow no longer.
pub(crate) async fn follow(State(app): State<App>, form: Posted) -> Answer {
    let by = app.act(form.visit.caller()).await?;
    let missing = |_| Error::new(Code::NotFound, "There is no such user or organization.");
    let name: Slug = form.get("name").parse().map_err(missing)?;
    match form.get("on") {
        "1" => app.follow(&by, &name, None).await?,
        _ => app.unfollow(&by, &name, None).await?,
    }
    Ok(go(&format!("/{name}"), []))
}
