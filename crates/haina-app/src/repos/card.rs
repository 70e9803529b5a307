//! A repository's card as a page shows it.

use std::sync::Arc;

use haina_files::card::CARD_BYTES_MAX;
use haina_files::markdown::{RenderOptions, render};
use haina_types::{Error, Oid, Result};
use quick_cache::Weighter;

use crate::App;
use crate::gate::{ContentAccess, Listing};

/// Bytes of rendered cards kept.
pub(super) const CACHE_BYTES: u64 = 8 << 20;

#[derive(Clone)]
pub(super) struct ByLength;

impl Weighter<(i64, Oid), Option<Arc<str>>> for ByLength {
    fn weight(&self, _key: &(i64, Oid), html: &Option<Arc<str>>) -> u64 {
        64 + html.as_ref().map_or(0, |html| html.len() as u64)
    }
}

impl App {
    /// The card of a commit as sanitized HTML; none when there is no card, or when it cannot be rendered within the
    /// limits, so that the page offers the file itself. A card is also how a gate explains itself, so it is shown to all
    /// who may know the repository.
    pub async fn card_html(&self, access: &impl Listing, commit: Oid) -> Result<Option<Arc<str>>> {
        let repo = access.repo();
        let key = (repo.id, commit);
        if let Some(known) = self.repos().cards.get(&key) {
            return Ok(known);
        }
        let path = "README.md".parse().map_err(Error::internal)?;
        let bytes = self
            .read_small(&ContentAccess::of_system(Arc::new(repo.clone())), commit, &path, CARD_BYTES_MAX as u64)
            .await?
            .unwrap_or_default();
        let base = |verb: &str| format!("/{}{}/{verb}/{commit}/", repo.kind.url_prefix(), repo.path());
        let options =
            RenderOptions { link_base: base("blob"), image_base: base("resolve"), id_prefix: "card-".to_owned() };
        let work = move || {
            let body = haina_files::Card::parse_lenient(&String::from_utf8_lossy(&bytes)).body;
            (!body.trim().is_empty()).then(|| render(&body, &options).ok()).flatten()
        };
        let html = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
        let html = html.map(Arc::from);
        self.repos().cards.insert(key, html.clone());
        Ok(html)
    }
}
