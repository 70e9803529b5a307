//! `/{name}`: a person or an organization, and what they publish.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::collections::CollectionQuery;
use haina_app::people::Membership;
use haina_app::repos::{ListQuery, ListSort};
use haina_types::{Code, Error, OrgRole, RepoKind, Slug, Timestamp};

use crate::address::with_query;
use crate::bucket::BucketRow;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::RepoRow;
use crate::query::Query;
use crate::visit::{Answer, Visit, show};

/// Repositories of each kind that are shown at once.
const ROWS: usize = 10;
/// Collections that are shown at once.
const COLLECTIONS: usize = 6;
/// Buckets that are shown.
const BUCKETS: usize = 100;

/// A profile.
#[derive(Template)]
#[template(path = "profile.html")]
pub(crate) struct ProfilePage {
    pub l: Words,
    pub page: Layout,
    pub name: String,
    pub full_name: String,
    pub is_org: bool,
    pub since: Timestamp,
    pub may_create: bool,
    /// Whether it is an organization of the visitor's.
    pub may_manage: bool,
    /// Whether the visitor may see what happened in this organization.
    pub may_audit: bool,
    pub groups: Vec<Group>,
    /// The first buckets, by name.
    pub buckets: Vec<BucketRow>,
    /// An organization's members, or a person's organizations.
    pub links: Vec<Person>,
    pub followers: u64,
    pub following: u64,
    pub likes: u64,
    /// Whether the visitor follows them; none if they cannot.
    pub followed: Option<bool>,
    pub collections: Vec<crate::collections::Row>,
}

/// The repositories of one kind.
pub(crate) struct Group {
    pub kind: RepoKind,
    pub count: u64,
    pub rows: Vec<RepoRow>,
}

/// A member, or an organization with the person's role there.
pub(crate) struct Person {
    pub name: String,
    pub full_name: String,
    pub role_key: &'static str,
}

/// The word for a role.
pub(crate) fn role_key(role: OrgRole) -> &'static str {
    match role {
        OrgRole::Read => "member-read",
        OrgRole::Contributor => "member-contributor",
        OrgRole::Write => "member-write",
        OrgRole::Admin => "member-admin",
    }
}

impl ProfilePage {
    fn has_none(&self) -> bool {
        self.groups.iter().all(|g| g.count == 0) && self.buckets.is_empty()
    }

    fn all(&self, kind: &RepoKind) -> String {
        with_query(&format!("/{}", kind.plural()), [("author", self.name.as_str())])
    }
}

/// `GET /{name}`
pub(crate) async fn get(State(app): State<App>, visit: Visit, name: Option<Path<String>>, query: Query) -> Answer {
    let name: Option<Slug> = name.and_then(|Path(name)| name.parse().ok());
    let name = name.ok_or_else(|| Error::new(Code::NotFound, "There is no such page."))?;
    if let Some(listing) = crate::people::asked(&query) {
        return crate::people::list(&app, &visit, &name, listing, &query).await;
    }
    let profile = app.profile(visit.caller(), &name).await?;
    let mut groups = Vec::new();
    for (kind, count) in profile.counts {
        let query = ListQuery {
            kinds: vec![kind],
            author: Some(profile.name.clone()),
            sort: ListSort::Updated,
            limit: Some(ROWS),
            ..ListQuery::default()
        };
        let rows = match count {
            0 => Vec::new(),
            _ => app.list_repos(visit.caller(), query).await?.items.into_iter().map(RepoRow::from).collect(),
        };
        groups.push(Group { kind, count, rows });
    }
    let buckets = app.list_buckets(visit.caller(), &name, "", Some(BUCKETS), None).await?;
    let may_create = match visit.caller().is_anonymous() {
        true => false,
        false => app.namespaces_of(visit.caller()).await?.contains(&profile.name),
    };
    let may_manage = profile.is_org && visit.viewer().is_some_and(|me| profile.links.iter().any(|m| m.name == me));
    let may_audit = profile.is_org
        && visit.caller().user().is_some_and(|user| {
            let is_admin = |m: &Membership| m.id == user.id && m.role == OrgRole::Admin;
            user.is_admin || profile.links.iter().any(is_admin)
        });
    let standing = app.standing(visit.caller(), profile.id).await?;
    let wanted =
        CollectionQuery { owners: vec![profile.name.clone()], limit: Some(COLLECTIONS), ..CollectionQuery::default() };
    let collections = app.list_collections(visit.caller(), wanted).await?.items;
    let is_own = visit.viewer().as_ref() == Some(&profile.name);
    show(&ProfilePage {
        l: visit.words(),
        page: visit.layout(if is_own { Section::Profile } else { Section::None }, is_own),
        name: profile.name,
        full_name: profile.full_name,
        is_org: profile.is_org,
        since: profile.created_at,
        may_create,
        may_manage,
        may_audit,
        followers: standing.followers,
        following: standing.following,
        likes: standing.likes,
        followed: (!is_own && !visit.caller().is_anonymous()).then_some(standing.is_followed),
        collections: collections.into_iter().map(Into::into).collect(),
        groups,
        buckets: buckets.items.into_iter().map(BucketRow::from).collect(),
        links: profile
            .links
            .into_iter()
            .map(|m| Person { name: m.name, full_name: m.full_name, role_key: role_key(m.role) })
            .collect(),
    })
}
