//! `…/tree/{rev}[/{path}]`: files and folders.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::history::{EntryKind, TreeOptions};
use haina_types::{Timestamp, Visibility};

use crate::address::{RepoAddress, with_query};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{Crumb, FileRow, RepoHead, Tab, crumbs, file_rows, is_bare, last_segment, publish_commands};
use crate::query::Query;
use crate::target::Target;
use crate::visit::{Answer, Visit, go, show};

/// Entries on a page.
const PAGE_LEN: usize = 100;

/// A folder at a revision.
#[derive(Template)]
#[template(path = "tree.html")]
pub(crate) struct TreePage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    /// Empty for the root.
    pub path: String,
    pub name: String,
    pub crumbs: Vec<Crumb>,
    /// The full id of the commit.
    pub commit: String,
    pub is_empty: bool,
    pub last: Option<LastCommit>,
    pub files: Vec<FileRow>,
    pub is_first: bool,
    pub next: Option<String>,
    /// The commands that put something in, for those who may.
    pub publish: Option<String>,
}

/// The newest commit of the revision.
pub(crate) struct LastCommit {
    pub author: String,
    pub title: String,
    pub at: Timestamp,
    /// How many commits lead to it, itself included.
    pub total: u64,
}

impl TreePage {
    fn after(&self, cursor: &str) -> String {
        with_query(&self.head.address.tree(&self.head.rev, &self.path), [("cursor", cursor)])
    }
}

/// `GET …/tree/{rev}[/{path}]`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target, query: Query) -> Answer {
    let access = app.list_content(visit.caller(), target.kind, &target.path).await?;
    if let Some(now) = target.moved(access.repo()) {
        return Ok(go(&now.tree(target.revision.as_str(), target.file_text()), []));
    }
    let commit = app.resolve_revision(&access, &target.revision).await?;
    if let Some(file) = &target.file
        && app.find_entry(&access, commit, file).await?.kind != EntryKind::Directory
    {
        return Ok(go(&target.address().blob(target.revision.as_str(), file.as_str()), []));
    }
    let cursor = query.find("cursor");
    let is_first = cursor.is_none();
    let options = TreeOptions { expand: true, limit: Some(PAGE_LEN), cursor, ..TreeOptions::default() };
    let found = app.list_tree(&access, commit, target.file.as_ref(), &options).await?;
    let (commits, total) = app.list_commits(&access, commit, 0, 1).await?;

    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    let path = target.file_text();
    let is_empty = path.is_empty() && is_first && is_bare(found.items.iter().map(|f| &f.path));
    let may_write = is_empty && app.write(visit.caller(), target.kind, &target.path).await.is_ok();
    let publish = may_write.then(|| publish_commands(app.base_url(), None, Some(&address)));
    let private = repo.visibility == Visibility::Private;
    let mut head = RepoHead::new(address, private, target.revision.as_str(), Tab::Files);
    head.is_tab_root = path.is_empty();
    show(&TreePage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        path: path.to_owned(),
        name: last_segment(path).to_owned(),
        crumbs: crumbs(path),
        commit: commit.to_string(),
        is_empty,
        last: commits.into_iter().next().map(|c| LastCommit {
            author: c.author,
            title: c.title,
            at: c.date,
            total: total as u64,
        }),
        files: file_rows(found.items),
        is_first,
        next: found.next,
        publish,
    })
}
