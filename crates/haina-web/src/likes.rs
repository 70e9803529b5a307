//! `/{ns}/{name}/like` and `/{ns}/{name}/likers`: say that one likes a repository, see who does.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::gate::ReadAccess;

use crate::address::RepoAddress;
use crate::form::Posted;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::people::PersonLine;
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, show};

/// How a repository is liked, for the head of its page.
#[derive(Debug, Clone)]
pub struct Likes {
    /// How many like it.
    pub count: u64,
    /// Whether the visitor does.
    pub is_liked: bool,
    /// The token of the form; none for visitors who must sign in first.
    pub csrf: Option<String>,
    /// Where they sign in.
    pub sign_in_url: String,
}

impl Likes {
    /// As the visitor sees it.
    pub(crate) async fn of(app: &App, visit: &Visit, access: &ReadAccess) -> Result<Self, haina_types::Error> {
        let layout = visit.layout(Section::None, false);
        Ok(Self {
            count: access.repo().likes,
            is_liked: app.likes(visit.caller(), access).await?,
            sign_in_url: layout.sign_in_url(),
            csrf: layout.viewer.map(|_| layout.csrf),
        })
    }
}

/// The page of those who like a repository.
#[derive(Template)]
#[template(path = "likers.html")]
pub(crate) struct LikersPage {
    pub l: Words,
    pub page: Layout,
    pub address: RepoAddress,
    pub total: u64,
    pub people: Vec<PersonLine>,
    pub next: Option<String>,
    pub is_first: bool,
}

impl LikersPage {
    fn more(&self, cursor: &str) -> String {
        crate::address::with_query(&format!("{}/likers", self.address.url()), [("cursor", cursor)])
    }
}

/// `GET /{namespace}/{name}/likers` and its siblings for other kinds.
pub(crate) async fn likers(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    let access = app.read(visit.caller(), target.kind, &target.path).await?;
    let cursor = query.find("cursor");
    let found = app.likers(&access, Some(crate::people::PEOPLE), cursor.as_deref()).await?;
    show(&LikersPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        address: RepoAddress::new(target.kind, &access.repo().path()),
        total: access.repo().likes,
        people: found.items.into_iter().map(PersonLine::from).collect(),
        next: found.next,
        is_first: cursor.is_none(),
    })
}

/// `POST /{namespace}/{name}/like`: `on` is 1 to like, anything else to take it back.
pub(crate) async fn post(State(app): State<App>, target: Target, form: Posted) -> Answer {
    let caller = form.visit.caller();
    let access = app.read(caller, target.kind, &target.path).await?;
    let by = app.act(caller).await?;
    match form.get("on") {
        "1" => app.like(&access, &by).await?,
        _ => app.unlike(&access, &by).await?,
    }
    Ok(go(&RepoAddress::new(target.kind, &access.repo().path()).url(), []))
}
