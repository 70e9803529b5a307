//! Beginning a discussion or a pull request.

use haina_db::{discussions as db, git};
use haina_types::{Code, Error, RefName, Result};
use serde_json::json;

use super::{EventKind, Status, TITLE_CHARS_MAX, check_length, check_title, pull_ref};
use crate::App;
use crate::gate::{Moves, TalkAccess};
use crate::history::RefChange;

/// A first comment.
fn said(text: &str) -> EventKind {
    EventKind::Comment { text: text.trim().to_owned(), edited: None, hidden: false }
}

/// A commit's summary as a title: one line, and not too long.
fn title_of(summary: &str) -> String {
    let line = summary.trim().lines().next().unwrap_or_default();
    let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if clean.chars().count() <= TITLE_CHARS_MAX {
        return clean;
    }
    clean.chars().take(TITLE_CHARS_MAX - 1).chain(['…']).collect()
}

impl App {
    /// Begins a discussion; its number.
    pub async fn create_discussion(&self, access: &TalkAccess, title: &str, text: &str) -> Result<i64> {
        let title = check_title(title)?;
        check_length(text)?;
        let mut tx = self.db().begin().await?;
        let number = self.begin_discussion(&mut tx, access, None, &title, text, Status::Open).await?;
        tx.commit().await?;
        Ok(number)
    }

    /// Begins a pull request for the main branch, as a draft without any change yet; its number.
    pub async fn create_pull_request(&self, access: &TalkAccess, title: &str, text: &str) -> Result<i64> {
        let title = check_title(title)?;
        check_length(text)?;
        let base = RefName::main();
        let mut tx = self.db().begin().await?;
        let number = self.begin_discussion(&mut tx, access, Some(&base), &title, text, Status::Draft).await?;
        let head = git::find_ref(&mut tx, access.repo().id, &base).await?;
        let head = head.ok_or_else(|| Error::new(Code::Conflict, "This repository has no main branch."))?;
        let name = pull_ref(number)?;
        let change = RefChange {
            name: &name,
            old: None,
            new: Some(head.oid),
            event: "ref.create",
            data: json!({"start": "main"}),
        };
        if !self.move_ref(&mut tx, access, change).await? {
            return Err(Error::new(Code::Conflict, format!("Reference {name} already exists")));
        }
        tx.commit().await?;
        Ok(number)
    }

    /// Begins the pull request that a commit opens, on the transaction of the commit; its number.
    pub(crate) async fn open_pull(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        base: &RefName,
        summary: &str,
        text: &str,
        status: Status,
    ) -> Result<i64> {
        self.begin_discussion(tx, access, Some(base), &title_of(summary), text, status).await
    }

    async fn begin_discussion(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        base: Option<&RefName>,
        title: &str,
        text: &str,
        status: Status,
    ) -> Result<i64> {
        let (repo, now) = (access.repo(), self.now());
        let author_id = access.actor().ok_or_else(|| Error::new(Code::Unauthenticated, "Please sign in."))?;
        self.count_community(author_id)?;
        if !git::lock_repo(tx, repo.id).await? {
            return Err(crate::gate::repo_not_found());
        }
        let new = db::NewDiscussion { title, author_id, status, base };
        let (id, number) = db::insert_discussion(tx, repo.id, &new, now).await?;
        db::insert_event(tx, id, Some(author_id), &said(text), now).await?;
        let data = json!({"number": number, "title": title, "pull": base.is_some(), "status": status.as_str()});
        self.append(tx, Some(author_id), "discussion.create", Some(repo.id), Some(repo.namespace.id), data).await?;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_become_titles() {
        assert_eq!(title_of("  Upload a.bin\nwith words"), "Upload a.bin");
        let long = title_of(&"字".repeat(500));
        assert_eq!((long.chars().count(), long.ends_with('…')), (TITLE_CHARS_MAX, true));
    }
}
