//! What is in a collection: put in, noted, moved, taken out.

use haina_db::collections;
use haina_types::{Code, Error, RepoKind, RepoPath, Result};
use serde_json::json;

use super::{ITEMS_MAX, check_note, id_of_slug};
use crate::gate::{CollectionWrite, collection_not_found};
use crate::{App, Caller};

/// Something to put into a collection, as a client names it.
#[derive(Debug, Clone, Default)]
pub struct NewItem {
    /// `model`, `dataset`, `space`, `paper`, `collection` or another kind of repository.
    pub kind: String,
    /// A repository's `namespace/name`, a paper's arXiv id, a collection's slug.
    pub id: String,
    /// What is said of it, in Markdown.
    pub note: Option<String>,
}

/// What is to be changed of an item.
#[derive(Debug, Clone, Default)]
pub struct ItemChange {
    /// What is said of it; empty takes it away.
    pub note: Option<String>,
    /// Its place in the collection, from 0.
    pub position: Option<usize>,
}

/// What an item is, found and allowed to be known.
pub(super) struct Found {
    pub(super) item: String,
    pub(super) repo_id: Option<i64>,
    pub(super) target_id: Option<i64>,
}

/// An arXiv id, of today's form or the one until 2007, without its version.
fn paper_id(text: &str) -> Option<&str> {
    let digits =
        |t: &str, from: usize, to: usize| (from..=to).contains(&t.len()) && t.bytes().all(|c| c.is_ascii_digit());
    let today = |t: &str| t.split_once('.').is_some_and(|(month, n)| digits(month, 4, 4) && digits(n, 4, 5));
    let before = |t: &str| {
        let field = |f: &str| {
            f.len() <= 20 && !f.is_empty() && f.bytes().all(|c| c.is_ascii_alphabetic() || c == b'-' || c == b'.')
        };
        t.split_once('/').is_some_and(|(f, n)| field(f) && digits(n, 7, 7))
    };
    let bare = match text.rsplit_once('v') {
        Some((bare, version)) if digits(version, 1, 3) => bare,
        _ => text,
    };
    (today(bare) || before(bare)).then_some(bare)
}

impl App {
    /// What a client calls a thing of `kind` named `id`, if the caller may know it.
    pub(super) async fn find_item(&self, caller: &Caller, kind: &str, id: &str) -> Result<Found> {
        let missing = || Error::new(Code::NotFound, format!("There is no {kind} '{id}' here."));
        match kind {
            "paper" => {
                let paper = paper_id(id).ok_or_else(missing)?;
                Ok(Found { item: format!("paper:{paper}"), repo_id: None, target_id: None })
            }
            "collection" => {
                let access = self.read_collection(caller, id_of_slug(id).map_err(|_| missing())?).await;
                let target = access
                    .map_err(|e| match e.code {
                        Code::NotFound => missing(),
                        _ => e,
                    })?
                    .collection()
                    .id;
                Ok(Found { item: format!("collection:{target}"), repo_id: None, target_id: Some(target) })
            }
            kind => {
                let of: RepoKind = kind.parse().map_err(|()| {
                    Error::invalid(
                        "\"item.type\" must be one of model, dataset, space, kernel, bucket, paper, collection.",
                    )
                })?;
                let id = id.strip_prefix(of.url_prefix()).unwrap_or(id);
                let path: RepoPath = id.parse().map_err(|_| missing())?;
                let found = match of {
                    RepoKind::Bucket => self.read_bucket(caller, &path).await.map(|access| access.repo().id),
                    _ => self.read(caller, of, &path).await.map(|access| access.repo().id),
                };
                let repo = found.map_err(|e| match e.code {
                    Code::RepoNotFound => missing(),
                    _ => e,
                })?;
                Ok(Found { item: format!("repo:{repo}"), repo_id: Some(repo), target_id: None })
            }
        }
    }

    /// Puts something at the end of a collection. What the caller may not know is not found.
    pub async fn add_collection_item(&self, caller: &Caller, access: &CollectionWrite, new: NewItem) -> Result<()> {
        let collection = access.collection();
        let note = check_note(new.note.as_deref().unwrap_or(""))?;
        let found = self.find_item(caller, &new.kind, &new.id).await?;
        if found.target_id == Some(collection.id) {
            return Err(Error::invalid("A collection cannot contain itself."));
        }
        let (now, public_id) = (self.now(), self.public_id());
        let mut tx = self.db().begin().await?;
        if !collections::lock(&mut tx, collection.id).await? {
            return Err(collection_not_found());
        }
        if collections::count_items(&mut tx, collection.id).await? >= ITEMS_MAX {
            return Err(Error::invalid(format!("A collection has at most {ITEMS_MAX} items.")));
        }
        let row = collections::NewItem {
            public_id: &public_id,
            collection_id: collection.id,
            item: &found.item,
            repo_id: found.repo_id,
            target_id: found.target_id,
            note: note.as_ref().map(|(text, html)| (text.as_str(), html.as_str())),
            added_by: access.actor(),
            created_at: now,
        };
        let added = collections::insert_item(&mut tx, &row).await.map_err(|e| match e {
            // What was found a moment ago is deleted by now.
            haina_db::Error::Dangling(_) => Error::new(Code::NotFound, "What you add does not exist any more."),
            e => e.into(),
        })?;
        if !added {
            let text = format!("The {} '{}' is in this collection already.", new.kind, new.id);
            return Err(Error::new(Code::Conflict, text));
        }
        collections::touch(&mut tx, collection.id, now).await?;
        let data = json!({"collection": collection.public_id, "item": found.item});
        let owner = Some(collection.owner.id);
        self.append(&mut tx, Some(access.actor()), "collection.item.add", found.repo_id, owner, data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Changes an item's note or place.
    pub async fn update_collection_item(&self, access: &CollectionWrite, id: &str, change: ItemChange) -> Result<()> {
        let collection = access.collection();
        let mut tx = self.db().begin().await?;
        collections::lock(&mut tx, collection.id).await?;
        let item = collections::find_item(&mut tx, collection.id, id).await?.ok_or_else(item_not_found)?;
        if let Some(note) = &change.note {
            let note = check_note(note)?;
            let note = note.as_ref().map(|(text, html)| (text.as_str(), html.as_str()));
            collections::set_note(&mut tx, item.id, note).await?;
        }
        if let Some(position) = change.position {
            collections::set_item_position(&mut tx, collection.id, item.id, position).await?;
        }
        collections::touch(&mut tx, collection.id, self.now()).await?;
        let data = json!({"collection": collection.public_id, "item": item.item});
        let owner = Some(collection.owner.id);
        self.append(&mut tx, Some(access.actor()), "collection.item.update", item.repo_id, owner, data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Takes an item out of a collection.
    pub async fn remove_collection_item(&self, access: &CollectionWrite, id: &str) -> Result<()> {
        let collection = access.collection();
        let mut tx = self.db().begin().await?;
        collections::lock(&mut tx, collection.id).await?;
        let item = collections::find_item(&mut tx, collection.id, id).await?.ok_or_else(item_not_found)?;
        collections::delete_item(&mut tx, item.id).await?;
        collections::touch(&mut tx, collection.id, self.now()).await?;
        let data = json!({"collection": collection.public_id, "item": item.item});
        let owner = Some(collection.owner.id);
        self.append(&mut tx, Some(access.actor()), "collection.item.remove", item.repo_id, owner, data).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn item_not_found() -> Error {
    Error::new(Code::NotFound, "There is no such item in this collection.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn papers_are_named_by_arxiv() {
        assert_eq!(paper_id("2311.12983"), Some("2311.12983"));
        assert_eq!(paper_id("0704.0001v2"), Some("0704.0001"));
        assert_eq!(paper_id("cond-mat.str-el/0409292"), Some("cond-mat.str-el/0409292"));
        for bad in
            ["", "2311", "2311.1", "23110.12983", "a/b", "/0409292", "2311.12983/..", "2311.129834", "２３11.12983"]
        {
            assert_eq!(paper_id(bad), None, "{bad}");
        }
    }
}
