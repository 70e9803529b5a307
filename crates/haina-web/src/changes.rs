//! `…/discussions/{number}/files`: what a pull request changes.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::discussions::{FileDiff, FileView, PullDiff};
use haina_types::{Code, Error, Visibility};

use crate::address::RepoAddress;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{RepoHead, Tab};
use crate::target::Target;
use crate::visit::{Answer, Visit, show};

/// Lines that a page shows of all files together; the rest is in the API and in git.
const LINES_MAX: usize = 4000;

/// What a pull request changes.
#[derive(Template)]
#[template(path = "changes.html")]
pub(crate) struct ChangesPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub number: i64,
    pub title: String,
    pub files: Vec<File>,
    pub truncated: bool,
}

/// A file that differs.
pub(crate) struct File {
    pub path: String,
    pub what_key: &'static str,
    pub body: Body,
    pub added: u64,
    pub removed: u64,
}

/// How it is shown.
pub(crate) enum Body {
    Lines(Vec<Line>),
    Large { old: Option<u64>, new: Option<u64> },
    Said(&'static str),
}

/// A line of a diff: its class and its text.
pub(crate) struct Line {
    pub class: &'static str,
    pub text: String,
}

fn lines(hunks: &str, room: &mut usize) -> Body {
    if hunks.is_empty() {
        return Body::Said("diff-mode");
    }
    let all: Vec<Line> = hunks
        .lines()
        .map(|text| {
            let class = match text.as_bytes().first() {
                Some(b'+') => "add",
                Some(b'-') => "del",
                Some(b'@') => "hunk",
                _ => "ctx",
            };
            Line { class, text: text.to_owned() }
        })
        .collect();
    if all.len() > *room {
        return Body::Said("diff-too-long");
    }
    *room -= all.len();
    Body::Lines(all)
}

impl File {
    fn new(file: &FileDiff, room: &mut usize) -> Self {
        let what_key = match (&file.old, &file.new) {
            (None, _) => "diff-added",
            (_, None) => "diff-removed",
            _ => "diff-changed",
        };
        let count = |mark: char| match &file.view {
            FileView::Lines(text) => text.lines().filter(|l| l.starts_with(mark)).count() as u64,
            _ => 0,
        };
        let body = match &file.view {
            FileView::Lines(text) => lines(text, room),
            FileView::Large { old, new, .. } => Body::Large { old: *old, new: *new },
            FileView::Binary => Body::Said("diff-binary"),
            FileView::TooLong => Body::Said("diff-too-long"),
        };
        Self { path: file.path.clone(), what_key, body, added: count('+'), removed: count('-') }
    }
}

/// The files of a diff, as far as a page holds them.
pub(crate) fn files(diff: &Arc<PullDiff>) -> Vec<File> {
    let mut room = LINES_MAX;
    diff.files.iter().map(|file| File::new(file, &mut room)).collect()
}

/// `GET …/discussions/{number}/files`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target) -> Answer {
    let access = app.read_content(visit.caller(), target.kind, &target.path).await?;
    let missing = || Error::new(Code::NotFound, "There is no such pull request.");
    let number = target.number.as_deref().and_then(|n| n.parse().ok()).ok_or_else(missing)?;
    let thread = app.discussion(&access, number).await?;
    if !thread.discussion.is_pull_request() {
        return Err(missing().into());
    }
    let diff = app.pull_diff(&access, &thread.discussion).await?;
    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    let mut head = RepoHead::new(address, repo.visibility == Visibility::Private, "main", Tab::Discussions);
    head.is_tab_root = false;
    show(&ChangesPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        number,
        title: thread.discussion.title,
        files: files(&diff),
        truncated: diff.truncated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_know_what_they_are() {
        let mut room = 5;
        let Body::Lines(all) = lines("@@ -1 +1,2 @@\n a\n-b\n+c\n+d\n", &mut room) else { panic!() };
        assert_eq!(all.iter().map(|l| l.class).collect::<Vec<_>>(), ["hunk", "ctx", "del", "add", "add"]);
        assert_eq!(room, 0);
        assert!(matches!(lines("@@ -1 +1 @@\n", &mut room), Body::Said("diff-too-long")));
        assert!(matches!(lines("", &mut room), Body::Said("diff-mode")));
    }
}
