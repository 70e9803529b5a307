//! `/`: a search box and what is new.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::repos::{ListQuery, ListSort};
use haina_types::RepoKind;

use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoRow, publish_commands};
use crate::visit::{Answer, Visit, show};

/// Repositories in each column.
const ROWS: usize = 6;

/// The home page.
#[derive(Template)]
#[template(path = "home.html")]
pub(crate) struct Home {
    pub l: Words,
    pub page: Layout,
    pub columns: Vec<Column>,
    pub publish: String,
}

/// A short list of one kind.
pub(crate) struct Column {
    pub title_key: &'static str,
    pub empty_key: &'static str,
    pub more_key: &'static str,
    pub more: &'static str,
    pub rows: Vec<RepoRow>,
}

impl Home {
    fn is_empty(&self) -> bool {
        self.columns.iter().all(|c| c.rows.is_empty())
    }
}

/// The three columns, in the order of the navigation.
pub(crate) fn columns(rows: [Vec<RepoRow>; 3]) -> Vec<Column> {
    let words = [
        ("newest-models", "none-models", "all-models", "/models"),
        ("newest-datasets", "none-datasets", "all-datasets", "/datasets"),
        ("newest-spaces", "none-spaces", "all-spaces", "/spaces"),
    ];
    std::iter::zip(words, rows)
        .map(|((title_key, empty_key, more_key, more), rows)| Column { title_key, empty_key, more_key, more, rows })
        .collect()
}

/// `GET /`
pub(crate) async fn get(State(app): State<App>, visit: Visit) -> Answer {
    let mut rows = [Vec::new(), Vec::new(), Vec::new()];
    for (kind, rows) in std::iter::zip([RepoKind::Model, RepoKind::Dataset, RepoKind::Space], &mut rows) {
        let query = ListQuery { kinds: vec![kind], sort: ListSort::Updated, limit: Some(ROWS), ..ListQuery::default() };
        let found = app.list_repos(visit.caller(), query).await?;
        *rows = found.items.into_iter().map(RepoRow::from).collect();
    }
    show(&Home {
        l: visit.words(),
        page: visit.layout(Section::None, false),
        columns: columns(rows),
        publish: publish_commands(app.base_url(), visit.viewer().as_deref(), None),
    })
}
