//! What is said in a discussion, and what becomes of it: comments, titles, states.

use haina_db::discussions as db;
use haina_types::{Code, Error, Result};
use serde_json::{Value, json};

use super::thread::Said;
use super::{Discussion, EDITS_MAX, EventKind, Status, check_room, check_text, check_title, forbidden, not_found};
use crate::App;
use crate::gate::TalkAccess;

fn no_comment() -> Error {
    Error::new(Code::NotFound, "There is no such comment in this discussion.")
}

/// A discussion to which something is added, and the transaction that does it.
struct Turn {
    tx: haina_db::Tx,
    discussion: Discussion,
}

impl App {
    /// Takes the turn in a discussion.
    async fn turn(&self, access: &TalkAccess, number: i64) -> Result<Turn> {
        self.count_community(access.actor())?;
        let mut tx = self.db().begin().await?;
        let found = db::lock_discussion(&mut tx, access.repo().id, number).await?;
        Ok(Turn { discussion: found.ok_or_else(|| not_found(number))?, tx })
    }

    /// Ends it with an event of the ledger, and shows the event of the discussion.
    async fn end_turn(&self, access: &TalkAccess, turn: Turn, kind: &str, event: i64, data: Value) -> Result<Said> {
        let Turn { mut tx, discussion } = turn;
        let mut all = json!({"number": discussion.number, "event": event});
        if let (Some(all), Value::Object(data)) = (all.as_object_mut(), data) {
            all.extend(data);
        }
        let repo = access.repo();
        self.append(&mut tx, Some(access.actor()), kind, Some(repo.id), Some(repo.namespace.id), all).await?;
        let shown = self.show_event(&mut tx, discussion.id, event).await?;
        tx.commit().await?;
        self.render_said(shown).await
    }

    /// Adds a comment.
    pub async fn comment(&self, access: &TalkAccess, number: i64, text: &str) -> Result<Said> {
        check_text(text)?;
        let mut turn = self.turn(access, number).await?;
        check_room(&turn.discussion, text.len())?;
        let said = EventKind::Comment { text: text.to_owned(), edited: None, hidden: false };
        let id = db::insert_event(&mut turn.tx, turn.discussion.id, Some(access.actor()), &said, self.now()).await?;
        self.end_turn(access, turn, "discussion.comment", id, json!({})).await
    }

    /// A comment that whoever asks may change.
    async fn own_comment(&self, access: &TalkAccess, turn: &mut Turn, event: i64) -> Result<(db::Event, String)> {
        let found = db::find_event(&mut turn.tx, turn.discussion.id, event).await?.ok_or_else(no_comment)?;
        let EventKind::Comment { text, hidden, .. } = &found.kind else { return Err(no_comment()) };
        if !access.is_writer() && found.author_id != Some(access.actor()) {
            return Err(forbidden());
        }
        if *hidden {
            return Err(Error::new(Code::Conflict, "This comment is hidden, and stays as it is."));
        }
        let text = text.clone();
        Ok((found, text))
    }

    /// Changes a comment. What it said before is kept and shown.
    pub async fn edit_comment(&self, access: &TalkAccess, number: i64, event: i64, text: &str) -> Result<Said> {
        check_text(text)?;
        let mut turn = self.turn(access, number).await?;
        let (found, before) = self.own_comment(access, &mut turn, event).await?;
        if turn.discussion.bytes + text.len() as u64 > super::THREAD_BYTES_MAX
            || db::count_edits(&mut turn.tx, event).await? >= EDITS_MAX
        {
            return Err(Error::new(Code::TooLarge, "This comment was edited too often: write a new one."));
        }
        let (by, at) = match &found.kind {
            EventKind::Comment { edited: Some(edited), .. } => (edited.by_id, edited.at),
            _ => (found.author_id, found.at),
        };
        let until_now = (before.as_str(), by, at);
        let now = self.now();
        db::edit_comment(&mut turn.tx, turn.discussion.id, event, until_now, text, access.actor(), now).await?;
        self.end_turn(access, turn, "discussion.edit", event, json!({})).await
    }

    /// Hides a comment from everyone, for good.
    pub async fn hide_comment(&self, access: &TalkAccess, number: i64, event: i64) -> Result<Said> {
        let mut turn = self.turn(access, number).await?;
        self.own_comment(access, &mut turn, event).await?;
        db::hide_comment(&mut turn.tx, event, access.actor(), self.now()).await?;
        self.end_turn(access, turn, "discussion.hide", event, json!({})).await
    }

    fn check_own(&self, access: &TalkAccess, discussion: &Discussion) -> Result<()> {
        let own = access.is_writer() || discussion.author_id == Some(access.actor());
        own.then_some(()).ok_or_else(forbidden)
    }

    /// Renames a discussion.
    pub async fn rename_discussion(&self, access: &TalkAccess, number: i64, title: &str) -> Result<Said> {
        let title = check_title(title)?;
        let mut turn = self.turn(access, number).await?;
        self.check_own(access, &turn.discussion)?;
        let from = turn.discussion.title.clone();
        if from == title {
            return Err(Error::invalid("This is its title already."));
        }
        check_room(&turn.discussion, from.len() + title.len())?;
        let now = self.now();
        db::set_title(&mut turn.tx, turn.discussion.id, &title, now).await?;
        let event = EventKind::Title { from: from.clone(), to: title.clone() };
        let id = db::insert_event(&mut turn.tx, turn.discussion.id, Some(access.actor()), &event, now).await?;
        self.end_turn(access, turn, "discussion.title", id, json!({"from": from, "to": title})).await
    }

    /// Opens or closes a discussion; a draft is opened for others to look at.
    pub async fn set_discussion_status(
        &self,
        access: &TalkAccess,
        number: i64,
        to: Status,
        comment: Option<&str>,
    ) -> Result<Said> {
        if !matches!(to, Status::Open | Status::Closed) {
            return Err(Error::invalid("\"status\" must be \"open\" or \"closed\"."));
        }
        let comment = comment.filter(|text| !text.trim().is_empty());
        if let Some(text) = comment {
            check_text(text)?;
        }
        let mut turn = self.turn(access, number).await?;
        self.check_own(access, &turn.discussion)?;
        let (from, now, actor) = (turn.discussion.status, self.now(), Some(access.actor()));
        if from == Status::Merged {
            return Err(Error::new(Code::Conflict, "This pull request was merged, and stays so."));
        }
        if from == to {
            return Err(Error::new(Code::Conflict, format!("This discussion is {} already.", to.as_str())));
        }
        check_room(&turn.discussion, comment.map_or(0, str::len))?;
        if let Some(text) = comment {
            let said = EventKind::Comment { text: text.to_owned(), edited: None, hidden: false };
            db::insert_event(&mut turn.tx, turn.discussion.id, actor, &said, now).await?;
        }
        if !db::set_status(&mut turn.tx, turn.discussion.id, from, to, None, now).await? {
            return Err(Error::new(Code::Stale, "The discussion changed meanwhile. Please try again."));
        }
        let id = db::insert_event(&mut turn.tx, turn.discussion.id, actor, &EventKind::Status(to), now).await?;
        let data = json!({"from": from.as_str(), "status": to.as_str()});
        self.end_turn(access, turn, "discussion.status", id, data).await
    }
}
