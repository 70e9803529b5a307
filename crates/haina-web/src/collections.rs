//! `/collections`: find, see, make and change collections.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::collections::{
    CollectionChange, CollectionQuery, CollectionSort, ItemChange, NewCollection, NewItem, View, ViewTarget,
    id_of_slug, slug,
};
use haina_types::{Code, Error, Timestamp, Visibility};
use http::StatusCode;

use crate::address::{RepoAddress, with_query};
use crate::form::{Posted, Problem};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::query::Query;
use crate::visit::{Answer, Visit, go, render, show};

/// Collections of one page.
const ROWS: usize = 30;
/// What the form offers to add.
pub(crate) const KINDS: [&str; 6] = ["model", "dataset", "space", "bucket", "paper", "collection"];

/// A collection in a list.
pub(crate) struct Row {
    pub url: String,
    pub title: String,
    pub owner: String,
    pub description: Option<String>,
    pub private: bool,
    pub items: u64,
    pub upvotes: u64,
    pub updated: Timestamp,
}

impl From<View> for Row {
    fn from(view: View) -> Self {
        let c = view.collection;
        Self {
            url: format!("/collections/{}", slug(&c)),
            owner: c.owner.name.to_string(),
            title: c.title,
            description: c.description,
            private: c.private,
            items: c.items,
            upvotes: c.upvotes,
            updated: c.updated_at,
        }
    }
}

/// The page of collections.
#[derive(Template)]
#[template(path = "collections.html")]
pub(crate) struct CollectionsPage {
    pub l: Words,
    pub page: Layout,
    pub search: String,
    pub owner: String,
    pub by_votes: bool,
    pub rows: Vec<Row>,
    pub next: Option<String>,
    pub is_first: bool,
    pub deleted: bool,
}

impl CollectionsPage {
    fn at(&self, cursor: &str) -> String {
        let sort = if self.by_votes { "upvotes" } else { "" };
        with_query(
            "/collections",
            [("search", &*self.search), ("owner", &*self.owner), ("sort", sort), ("cursor", cursor)],
        )
    }
}

/// `GET /collections`
pub(crate) async fn list(State(app): State<App>, visit: Visit, query: Query) -> Answer {
    let by_votes = query.get("sort") == "upvotes";
    let wanted = CollectionQuery {
        owners: query.find("owner").into_iter().collect(),
        items: Vec::new(),
        text: query.find("search"),
        sort: if by_votes { CollectionSort::Upvotes } else { CollectionSort::Updated },
        limit: Some(ROWS),
        cursor: query.find("cursor"),
    };
    let found = app.list_collections(visit.caller(), wanted).await?;
    show(&CollectionsPage {
        l: visit.words(),
        page: visit.layout(Section::Collections, true),
        search: query.get("search").to_owned(),
        owner: query.get("owner").to_owned(),
        by_votes,
        rows: found.items.into_iter().map(Row::from).collect(),
        next: found.next,
        is_first: query.find("cursor").is_none(),
        deleted: !query.get("deleted").is_empty(),
    })
}

/// The form of a new collection.
#[derive(Template)]
#[template(path = "collection_new.html")]
pub(crate) struct NewPage {
    pub l: Words,
    pub page: Layout,
    pub problems: Vec<Problem>,
    pub owners: Vec<String>,
    pub owner: String,
    pub title: String,
    pub description: String,
    pub private: bool,
}

async fn new_page(app: &App, visit: &Visit) -> Result<NewPage, Error> {
    let owners = app.namespaces_of(visit.caller()).await?;
    Ok(NewPage {
        l: visit.words(),
        page: visit.layout(Section::Collections, false),
        problems: Vec::new(),
        owner: owners.first().cloned().unwrap_or_default(),
        owners,
        title: String::new(),
        description: String::new(),
        private: false,
    })
}

/// `GET /collections/new`
pub(crate) async fn new(State(app): State<App>, visit: Visit) -> Answer {
    show(&new_page(&app, &visit).await?)
}

/// What is wrong, as a problem of the form; other errors are pages of their own.
fn problem(l: &Words, e: Error) -> Result<Problem, Error> {
    match e.code {
        Code::Conflict => Ok(Problem::new("title", l.t("problem-collection-taken"))),
        Code::Invalid => Ok(Problem::in_english("", e.message)),
        Code::NotFound => Ok(Problem::new("id", l.t("problem-item-missing"))),
        _ => Err(e),
    }
}

/// `POST /collections/new`
pub(crate) async fn create(State(app): State<App>, form: Posted) -> Answer {
    let visit = &form.visit;
    let caller = visit.caller();
    caller.require_user()?;
    let owner = form.get("owner").parse().map_err(|_| Error::invalid("\"owner\" is not a name."))?;
    let access = app.collect_in(caller, Some(&owner)).await?;
    let new = NewCollection {
        title: form.get("title").to_owned(),
        description: form.text("description"),
        private: form.get("visibility") == "private",
    };
    match app.create_collection(&access, new).await {
        Ok(id) => {
            let access = app.read_collection(caller, &id).await?;
            Ok(go(&format!("/collections/{}?edit=1", slug(access.collection())), []))
        }
        Err(e) => {
            let page = NewPage {
                problems: vec![problem(&visit.words(), e)?],
                owner: owner.to_string(),
                title: form.get("title").to_owned(),
                description: form.get("description").to_owned(),
                private: form.get("visibility") == "private",
                ..new_page(&app, visit).await?
            };
            Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}

/// Something in a collection.
pub(crate) struct Item {
    pub id: String,
    pub kind_key: &'static str,
    pub url: Option<String>,
    pub name: String,
    pub private: bool,
    pub note: String,
    /// Sanitized by the application.
    pub note_html: Option<String>,
    pub position: usize,
}

/// A collection.
#[derive(Template)]
#[template(path = "collection.html")]
pub(crate) struct CollectionPage {
    pub l: Words,
    pub page: Layout,
    pub url: String,
    pub title: String,
    pub owner: String,
    pub description: String,
    pub private: bool,
    pub upvotes: u64,
    pub is_upvoted: bool,
    pub updated: Timestamp,
    pub items: Vec<Item>,
    pub may_edit: bool,
    pub editing: bool,
    pub problems: Vec<Problem>,
}

fn item(position: usize, item: haina_app::collections::ViewItem) -> Item {
    let (note, note_html) = item.note.unzip();
    let (kind_key, url, name, private) = match item.target {
        ViewTarget::Repo(summary, _) => {
            let repo = &summary.repo;
            let address = RepoAddress::new(repo.kind, &repo.path());
            (repo.kind.as_str(), Some(address.url()), address.id(), repo.visibility == Visibility::Private)
        }
        ViewTarget::Collection(c) => {
            ("collection", Some(format!("/collections/{}", slug(&c))), c.title.clone(), c.private)
        }
        ViewTarget::Paper(id) => ("paper", None, format!("arXiv:{id}"), false),
    };
    Item { id: item.id, kind_key, url, name, private, note: note.unwrap_or_default(), note_html, position }
}

async fn page(app: &App, visit: &Visit, id: &str, editing: bool) -> Result<CollectionPage, Error> {
    let access = app.read_collection(visit.caller(), id).await?;
    let may_edit = app.write_collection(visit.caller(), id).await.is_ok();
    let view = app.view_collection(visit.caller(), &access).await?;
    let c = view.collection;
    Ok(CollectionPage {
        l: visit.words(),
        page: visit.layout(Section::Collections, false),
        url: format!("/collections/{}", slug(&c)),
        title: c.title,
        owner: c.owner.name.to_string(),
        description: c.description.unwrap_or_default(),
        private: c.private,
        upvotes: c.upvotes,
        is_upvoted: view.is_upvoted,
        updated: c.updated_at,
        items: view.items.into_iter().enumerate().map(|(i, one)| item(i, one)).collect(),
        may_edit,
        editing: editing && may_edit,
        problems: Vec::new(),
    })
}

/// `GET /collections/{owner}/{slug}`
pub(crate) async fn get(
    State(app): State<App>,
    visit: Visit,
    Path((_, slug)): Path<(String, String)>,
    query: Query,
) -> Answer {
    show(&page(&app, &visit, id_of_slug(&slug)?, !query.get("edit").is_empty()).await?)
}

/// What a form of a collection's page asks for.
async fn change(app: &App, form: &Posted, id: &str) -> Result<(), Error> {
    let caller = form.visit.caller();
    if form.get("do") == "vote" {
        let access = app.read_collection(caller, id).await?;
        return app.vote_for_collection(&access, &app.act(caller).await?, form.get("on") == "1").await;
    }
    let access = app.write_collection(caller, id).await?;
    let position = || form.get("position").parse().map_err(|_| Error::invalid("\"position\" is a number."));
    match form.get("do") {
        "change" => {
            let change = CollectionChange {
                title: Some(form.get("title").to_owned()),
                description: Some(form.get("description").to_owned()),
                private: Some(form.get("visibility") == "private"),
                theme: None,
                position: None,
            };
            app.update_collection(&access, change).await
        }
        "add" => {
            let new = NewItem {
                kind: form.get("type").to_owned(),
                id: form.get("id").trim().to_owned(),
                note: form.text("note"),
            };
            app.add_collection_item(caller, &access, new).await.map_err(|e| match e.code {
                Code::Conflict => Error::invalid(e.message),
                _ => e,
            })
        }
        "note" => {
            let change = ItemChange { note: Some(form.get("note").to_owned()), position: None };
            app.update_collection_item(&access, form.get("item"), change).await
        }
        "move" => {
            let change = ItemChange { note: None, position: Some(position()?) };
            app.update_collection_item(&access, form.get("item"), change).await
        }
        "remove" => app.remove_collection_item(&access, form.get("item")).await,
        "delete" => app.delete_collection(&access).await,
        _ => Err(Error::invalid("The form says nothing that can be done.")),
    }
}

/// `POST /collections/{owner}/{slug}`: `do` says what.
pub(crate) async fn post(State(app): State<App>, Path((_, slug)): Path<(String, String)>, form: Posted) -> Answer {
    let id = id_of_slug(&slug)?;
    let visit = &form.visit;
    match change(&app, &form, id).await {
        Ok(()) if form.get("do") == "delete" => Ok(go("/collections?deleted=1", [])),
        Ok(()) => {
            let access = app.read_collection(visit.caller(), id).await?;
            let edit = if form.get("do") == "vote" { "" } else { "?edit=1" };
            Ok(go(&format!("/collections/{}{edit}", haina_app::collections::slug(access.collection())), []))
        }
        Err(e) => {
            let problem = problem(&visit.words(), e)?;
            let mut page = page(&app, visit, id, true).await?;
            if !page.editing {
                return Err(Error::invalid(problem.text).into());
            }
            page.problems = vec![problem];
            Ok(render(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    }
}
