//! One discussion with all that was said in it.

use std::collections::HashMap;
use std::sync::Arc;

use haina_db::discussions as db;
use haina_files::markdown::{RenderOptions, render};
use haina_types::{Error, Result, Timestamp};

use super::{Discussion, EventKind, not_found};
use crate::App;
use crate::gate::ContentAccess;

/// Most events that are read: more than [`super::EVENTS_MAX`], since some are noted past it.
const READ_MAX: usize = 4000;

/// What a comment said before it was edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// In Markdown.
    pub text: String,
    /// As sanitized HTML.
    pub html: Arc<str>,
    /// Who wrote it so; none if that account is gone.
    pub author: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Something that happened in a discussion, as it is shown. Of a hidden comment nothing is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// What happened.
    pub event: db::Event,
    /// A comment as sanitized HTML; empty for all else.
    pub html: Arc<str>,
    /// What it said before, oldest first.
    pub earlier: Vec<Earlier>,
}

/// A discussion and what happened in it, in order.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The discussion.
    pub discussion: Discussion,
    /// Its events.
    pub events: Vec<Said>,
}

/// An event and the earlier texts of a comment, before they are rendered.
pub(super) struct Raw {
    event: db::Event,
    edits: Vec<db::Edit>,
}

impl Raw {
    fn new(mut event: db::Event, edits: &mut HashMap<i64, Vec<db::Edit>>) -> Self {
        let mut edits = edits.remove(&event.id).unwrap_or_default();
        if let EventKind::Comment { text, hidden: true, .. } = &mut event.kind {
            text.clear();
            edits.clear();
        }
        Self { event, edits }
    }
}

/// Text as HTML, for comments that are too much to be rendered.
fn plain(text: &str) -> String {
    format!("<p>{}</p>", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

impl App {
    /// A discussion with all that was said in it.
    pub async fn discussion(&self, access: &ContentAccess, number: i64) -> Result<Thread> {
        let (discussion, raws) = {
            let mut s = self.db().read().await?;
            let found = db::find_discussion(&mut s, access.repo().id, number).await?;
            let discussion = found.ok_or_else(|| not_found(number))?;
            let mut edits = db::list_edits(&mut s, discussion.id).await?;
            let events = db::list_events(&mut s, discussion.id, READ_MAX).await?;
            let raws: Vec<Raw> = events.into_iter().map(|event| Raw::new(event, &mut edits)).collect();
            (discussion, raws)
        };
        Ok(Thread { discussion, events: self.render_all(raws).await? })
    }

    /// One event, on the transaction that made it.
    pub(super) async fn show_event(&self, s: &mut haina_db::Session, discussion: i64, event: i64) -> Result<Raw> {
        let found = db::find_event(s, discussion, event).await?;
        let found = found.ok_or_else(|| Error::internal(format!("event {event} is missing")))?;
        Ok(Raw::new(found, &mut db::list_edits(s, discussion).await?))
    }

    pub(super) async fn render_said(&self, raw: Raw) -> Result<Said> {
        let mut said = self.render_all(vec![raw]).await?;
        said.pop().ok_or_else(|| Error::internal("an event was lost"))
    }

    /// Renders what is not in the cache, off the asynchronous threads.
    async fn render_all(&self, raws: Vec<Raw>) -> Result<Vec<Said>> {
        let app = self.clone();
        let work = move || {
            let render = |text: &str| app.comment_html(text);
            raws.into_iter()
                .map(|Raw { event, edits }| {
                    let html = match &event.kind {
                        EventKind::Comment { text, .. } => render(text),
                        _ => Arc::from(""),
                    };
                    let earlier = edits.into_iter().map(|e| Earlier {
                        html: render(&e.text),
                        text: e.text,
                        author: e.author,
                        at: e.at,
                    });
                    Said { html, earlier: earlier.collect(), event }
                })
                .collect()
        };
        tokio::task::spawn_blocking(work).await.map_err(Error::internal)
    }

    /// A comment as sanitized HTML.
    fn comment_html(&self, text: &str) -> Arc<str> {
        let key = blake3::hash(text.as_bytes());
        let cache = &self.discussions().html;
        if let Some(html) = cache.get(&key) {
            return html;
        }
        let options = RenderOptions { id_prefix: "comment-".to_owned(), ..RenderOptions::default() };
        let html: Arc<str> = Arc::from(render(text, &options).unwrap_or_else(|_| plain(text)));
        cache.insert(key, html.clone());
        html
    }
}
