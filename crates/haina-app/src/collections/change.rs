//! Making, changing, deleting and voting for collections.

use haina_db::collections;
use haina_types::{Code, Error, Result};
use serde_json::json;

use super::{COLLECTIONS_MAX, DESCRIPTION_CHARS_MAX, THEMES, TITLE_CHARS_MAX, one_line, slug, title_taken};
use crate::App;
use crate::gate::{CollectAccess, CollectionRead, CollectionWrite, SelfAccess, collection_not_found};

/// A collection to make.
#[derive(Debug, Clone, Default)]
pub struct NewCollection {
    /// Its title, unique among its owner's.
    pub title: String,
    /// A line about it.
    pub description: Option<String>,
    /// Whether only its owner may know of it.
    pub private: bool,
}

/// What is to be changed of a collection.
#[derive(Debug, Clone, Default)]
pub struct CollectionChange {
    /// Its title.
    pub title: Option<String>,
    /// A line about it; empty takes it away.
    pub description: Option<String>,
    /// Whether only its owner may know of it.
    pub private: Option<bool>,
    /// The name of its colour.
    pub theme: Option<String>,
    /// Its place among its owner's, from 0.
    pub position: Option<usize>,
}

fn check_description(text: Option<&str>) -> Result<Option<String>> {
    match text.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) => one_line("description", text, DESCRIPTION_CHARS_MAX).map(Some),
    }
}

impl App {
    /// Makes an empty collection; its id. A title that is taken is a conflict whose detail is the other's slug.
    pub async fn create_collection(&self, access: &CollectAccess, new: NewCollection) -> Result<String> {
        let title = one_line("title", &new.title, TITLE_CHARS_MAX)?;
        let description = check_description(new.description.as_deref())?;
        self.count_community(access.actor())?;
        let (owner, now, public_id) = (access.namespace(), self.now(), self.public_id());
        let mut tx = self.db().begin().await?;
        collections::lock_owner(&mut tx, owner.id).await?;
        if collections::count_of(&mut tx, owner.id).await? >= COLLECTIONS_MAX {
            let text = format!("One owner has at most {COLLECTIONS_MAX} collections: delete one first.");
            return Err(Error::invalid(text));
        }
        if let Some(known) = collections::find_by_title(&mut tx, owner.id, &title).await? {
            return Err(title_taken(Some(&known)));
        }
        let theme = public_id.bytes().last().map_or(0, usize::from) % THEMES.len();
        let row = collections::NewCollection {
            public_id: &public_id,
            ns_id: owner.id,
            title: &title,
            description: description.as_deref(),
            private: new.private,
            theme: THEMES[theme],
            created_by: access.actor(),
            created_at: now,
        };
        collections::insert(&mut tx, &row).await?;
        let data = json!({"collection": public_id, "title": title, "private": new.private});
        self.append(&mut tx, Some(access.actor()), "collection.create", None, Some(owner.id), data).await?;
        tx.commit().await?;
        Ok(public_id)
    }

    /// Changes what is said of a collection, or its place.
    pub async fn update_collection(&self, access: &CollectionWrite, change: CollectionChange) -> Result<()> {
        let owner = access.collection().owner.id;
        let mut tx = self.db().begin().await?;
        collections::lock_owner(&mut tx, owner).await?;
        let found = collections::find(&mut tx, &access.collection().public_id).await?;
        let mut collection = found.ok_or_else(collection_not_found)?;
        if let Some(title) = &change.title {
            let title = one_line("title", title, TITLE_CHARS_MAX)?;
            let known = collections::find_by_title(&mut tx, owner, &title).await?;
            if known.as_ref().is_some_and(|known| known.id != collection.id) {
                return Err(title_taken(known.as_ref()));
            }
            collection.title = title;
        }
        if let Some(description) = &change.description {
            collection.description = check_description(Some(description))?;
        }
        if let Some(theme) = change.theme {
            if !THEMES.contains(&theme.as_str()) {
                return Err(Error::invalid(format!("\"theme\" must be one of {}.", THEMES.join(", "))));
            }
            collection.theme = theme;
        }
        collection.private = change.private.unwrap_or(collection.private);
        collections::update(&mut tx, &collection, self.now()).await?;
        if let Some(position) = change.position {
            collections::set_position(&mut tx, owner, collection.id, position).await?;
        }
        let data =
            json!({"collection": collection.public_id, "title": collection.title, "private": collection.private});
        self.append(&mut tx, Some(access.actor()), "collection.update", None, Some(owner), data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a collection; what it gathered stays.
    pub async fn delete_collection(&self, access: &CollectionWrite) -> Result<()> {
        let collection = access.collection();
        let mut tx = self.db().begin().await?;
        // Votes for it count for its owner no longer. Read again, under the lock: others may be voting.
        collections::lock(&mut tx, collection.id).await?;
        let found = collections::find(&mut tx, &collection.public_id).await?;
        let upvotes = found.ok_or_else(collection_not_found)?.upvotes.cast_signed();
        let gone = haina_db::social::Counts { upvotes: -upvotes, ..Default::default() };
        haina_db::social::add_counts(&mut tx, collection.owner.id, gone).await?;
        collections::delete(&mut tx, collection.id).await?;
        let data = json!({"collection": collection.public_id, "slug": slug(collection)});
        let owner = Some(collection.owner.id);
        self.append(&mut tx, Some(access.actor()), "collection.delete", None, owner, data).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Votes for a collection, or takes the vote back; doing so twice changes nothing.
    pub async fn vote_for_collection(&self, access: &CollectionRead, by: &SelfAccess, up: bool) -> Result<()> {
        let (collection, user) = (access.collection(), by.user().id);
        self.count_community(user)?;
        let mut tx = self.db().begin().await?;
        if !collections::lock(&mut tx, collection.id).await? {
            return Err(collection_not_found());
        }
        if collections::vote(&mut tx, collection.id, collection.owner.id, user, up, self.now()).await? {
            let kind = if up { "collection.upvote" } else { "collection.unvote" };
            let data = json!({"collection": collection.public_id});
            self.append(&mut tx, Some(user), kind, None, Some(collection.owner.id), data).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Puts a collection into a resource group: there are none here, so only taking it out of one succeeds.
    pub fn set_collection_group(&self, _access: &CollectionWrite, group: Option<&str>) -> Result<()> {
        match group {
            None => Ok(()),
            Some(_) => Err(Error::new(
                Code::Unsupported,
                "Collections are in no resource group here: what is in them is shown to those who may see it.",
            )),
        }
    }
}
