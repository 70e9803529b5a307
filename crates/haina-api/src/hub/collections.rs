//! `/api/collections` and below

use axum::Json;
use axum::extract::{FromRequestParts, OriginalUri, Path, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use haina_app::App;
use haina_app::collections::{
    CollectionChange, CollectionQuery, CollectionSort, ItemChange, NewCollection, NewItem, View, ViewItem, ViewTarget,
    id_of_slug, slug,
};
use haina_types::{Code, Error, RepoKind, Visibility};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::likes::page;
use crate::error::{ApiError, ErrorBody, Result};
use crate::request::{Body, Query, Who};

/// The collection of an address, by the digits at the end of its slug, and the item in it if there is one.
pub struct Place {
    id: String,
    item: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let Path(named) = Path::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::invalid("The path is not valid UTF-8."))?;
        let find = |key: &str| named.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value.as_str());
        Ok(Self { id: id_of_slug(find("slug"))?.to_owned(), item: find("item").to_owned() })
    }
}

/// A collection to make.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateCollection {
    /// Its title, unique among its owner's.
    title: String,
    /// Whose it will be; the caller's own when absent.
    namespace: Option<String>,
    /// A line about it.
    description: Option<String>,
    /// Whether only its owner may know of it.
    #[serde(default)]
    private: bool,
    /// Not offered here.
    resource_group_id: Option<String>,
}

/// What to change of a collection.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct ChangeCollection {
    /// Its title, unique among its owner's.
    title: Option<String>,
    /// A line about it.
    description: Option<String>,
    /// Whether only its owner may know of it.
    private: Option<bool>,
    /// `orange`, `blue`, `green`, `purple`, `pink` or `indigo`.
    theme: Option<String>,
    /// Its place among its owner's, from 0.
    position: Option<usize>,
}

/// A resource group.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceGroup {
    /// Only `null` is taken here.
    resource_group_id: Option<String>,
}

/// Something to put into a collection.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct AddItem {
    item: GivenItem,
    /// What is said of it, in Markdown.
    note: Option<String>,
}

/// What is put into a collection.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct GivenItem {
    /// `namespace/name`, an arXiv id or a collection's slug.
    id: String,
    /// `model`, `dataset`, `space`, `paper` or `collection`.
    r#type: String,
}

/// What to change of an item.
#[derive(Deserialize, utoipa::ToSchema)]
pub struct ChangeItem {
    /// What is said of it, in Markdown.
    note: Option<String>,
    /// Its place in the collection, from 0.
    position: Option<usize>,
}

fn owner(app: &App, owner: &haina_app::people::Namespace) -> Value {
    json!({
        "_id": format!("{:024x}", owner.id),
        "type": if owner.is_org() { "org" } else { "user" },
        "name": owner.name,
        "fullname": owner.full_name,
        "avatarUrl": format!("{}/api/avatars/{}", app.base_url(), owner.name),
        "isPro": false,
    })
}

fn item(app: &App, item: &ViewItem) -> Value {
    let mut value = match &item.target {
        ViewTarget::Repo(summary, is_liked) => {
            let (repo, facts) = (&summary.repo, &summary.facts);
            let mut value = json!({
                "type": repo.kind,
                "repoType": repo.kind,
                "id": repo.path().to_string(),
                "author": repo.namespace.name,
                "likes": repo.likes,
                "downloads": repo.downloads,
                "lastModified": repo.updated_at.to_string(),
                "private": repo.visibility == Visibility::Private,
                "gated": repo.gated.as_ref().map_or(json!(false), |mode| json!(mode)),
                "isLikedByUser": is_liked,
            });
            if let Some(task) = &facts.pipeline_tag {
                value["pipeline_tag"] = json!(task);
            }
            if repo.kind == RepoKind::Space {
                let of_card = |key: &str| facts.card.as_ref().and_then(|card| card.get(key)).cloned();
                value["title"] = of_card("title").unwrap_or_else(|| json!(repo.name));
                for key in ["sdk", "emoji", "colorFrom", "colorTo"] {
                    if let Some(found) = of_card(key) {
                        value[key] = found;
                    }
                }
                value["tags"] = json!(facts.tags);
            }
            value
        }
        ViewTarget::Collection(found) => json!({
            "type": "collection",
            "id": found.public_id,
            "slug": slug(found),
            "title": found.title,
            "description": found.description,
            "lastUpdated": found.updated_at.to_string(),
            "owner": owner(app, &found.owner),
            "theme": found.theme,
            "upvotes": found.upvotes,
            "numberItems": found.items,
            "shareUrl": format!("{}/collections/{}", app.base_url(), slug(found)),
        }),
        ViewTarget::Paper(id) => json!({"type": "paper", "id": id, "title": format!("arXiv:{id}"), "upvotes": 0}),
    };
    value["_id"] = json!(item.id);
    value["position"] = json!(item.position);
    if let Some((text, html)) = &item.note {
        value["note"] = json!({"text": text, "html": html});
    }
    value
}

/// A collection as clients know it. In lists they number it themselves, and stumble over a number of ours.
fn collection(app: &App, view: &View, in_list: bool) -> Value {
    let c = &view.collection;
    let mut value = json!({
        "_id": c.public_id,
        "slug": slug(c),
        "title": c.title,
        "owner": owner(app, &c.owner),
        "items": view.items.iter().map(|i| item(app, i)).collect::<Vec<_>>(),
        "numberItems": c.items,
        "lastUpdated": c.updated_at.to_string(),
        "private": c.private,
        "theme": c.theme,
        "upvotes": c.upvotes,
        "isUpvotedByUser": view.is_upvoted,
        "gating": false,
    });
    if let Some(description) = &c.description {
        value["description"] = json!(description);
    }
    if !in_list {
        value["position"] = json!(c.position);
    }
    value
}

/// The collection as it is now.
async fn shown(app: &App, caller: &haina_app::Caller, public_id: &str) -> Result<Value> {
    let access = app.read_collection(caller, public_id).await?;
    Ok(collection(app, &app.view_collection(caller, &access).await?, false))
}

/// A conflict tells the slug of the collection that is in the way, by which `exists_ok` finds it.
fn or_conflict(e: Error) -> Result<Response> {
    match (e.code, &e.detail) {
        (Code::Conflict, Some(slug)) => {
            let body = json!({"error": e.message, "slug": slug});
            Ok((StatusCode::CONFLICT, Json(body)).into_response())
        }
        _ => Err(e.into()),
    }
}

/// Collections that the caller may know, each with its first four items.
#[utoipa::path(get, path = "/api/collections", tag = "community",
    params(("owner" = Option<Vec<String>>, Query, description = "users or organizations, any of which"),
        ("item" = Option<Vec<String>>, Query, description = "what must be in it, such as models/namespace/name"),
        ("q" = Option<String>, Query, description = "part of the title or description"),
        ("sort" = Option<String>, Query, description = "lastModified, upvotes or trending (here the same as upvotes)"),
        ("limit" = Option<u32>, Query, description = "at most 100"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Vec<serde_json::Value>, headers(("Link" = String, description = "the next page")))))]
pub async fn list(State(app): State<App>, Who(caller): Who, uri: OriginalUri, query: Query) -> Result<Response> {
    let sort = match query.get("sort") {
        None | Some("" | "lastModified") => CollectionSort::Updated,
        Some("upvotes" | "trending") => CollectionSort::Upvotes,
        Some(other) => {
            let text = format!("Invalid sort \"{other}\": must be one of lastModified, trending, upvotes");
            return Err(Error::invalid(text).into());
        }
    };
    let wanted = CollectionQuery {
        owners: query.all("owner"),
        items: query.all("item"),
        text: query.get("q").map(str::to_owned),
        sort,
        limit: query.number("limit")?,
        cursor: query.get("cursor").map(str::to_owned),
    };
    let found = app.list_collections(&caller, wanted).await?;
    let items = found.items.iter().map(|view| collection(&app, view, true)).collect();
    Ok(page(&app, &uri, &query, items, found.next.as_deref()))
}

/// Makes an empty collection.
#[utoipa::path(post, path = "/api/collections", tag = "community", request_body = CreateCollection,
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn create(State(app): State<App>, Who(caller): Who, Body(new): Body<CreateCollection>) -> Result<Response> {
    caller.require_user()?;
    let invalid = |e| Error::invalid(format!("\"namespace\" is not a name: {e}"));
    let namespace = new.namespace.as_deref().map(|ns| ns.parse().map_err(invalid)).transpose()?;
    if new.resource_group_id.is_some() {
        return Err(Error::invalid("\"resourceGroupId\": collections are in no resource group here.").into());
    }
    let access = app.collect_in(&caller, namespace.as_ref()).await?;
    let new = NewCollection { title: new.title, description: new.description, private: new.private };
    match app.create_collection(&access, new).await {
        Ok(id) => Ok(Json(shown(&app, &caller, &id).await?).into_response()),
        Err(e) => or_conflict(e),
    }
}

/// A collection with all its items. Slugs that it had before lead to it too.
#[utoipa::path(get, path = "/api/collections/{namespace}/{slug}", tag = "community",
    params(("namespace" = String, Path), ("slug" = String, Path, description = "ends in the id of 24 digits")),
    responses((status = 200, body = serde_json::Value), (status = 404, body = ErrorBody)))]
pub async fn get(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Value>> {
    Ok(Json(shown(&app, &caller, &place.id).await?))
}

/// Changes what is said of a collection, or its place among its owner's.
#[utoipa::path(patch, path = "/api/collections/{namespace}/{slug}", tag = "community", request_body = ChangeCollection,
    params(("namespace" = String, Path), ("slug" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn update(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Body(change): Body<ChangeCollection>,
) -> Result<Response> {
    let id = place.id.as_str();
    let access = app.write_collection(&caller, id).await?;
    let change = CollectionChange {
        title: change.title,
        description: change.description,
        private: change.private,
        theme: change.theme,
        position: change.position,
    };
    match app.update_collection(&access, change).await {
        Ok(()) => Ok(Json(json!({"success": true, "data": shown(&app, &caller, id).await?})).into_response()),
        Err(e) => or_conflict(e),
    }
}

/// Deletes a collection; what it gathered stays.
#[utoipa::path(delete, path = "/api/collections/{namespace}/{slug}", tag = "community",
    params(("namespace" = String, Path), ("slug" = String, Path)),
    responses((status = 200), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Value>> {
    let access = app.write_collection(&caller, &place.id).await?;
    app.delete_collection(&access).await?;
    Ok(Json(json!({"success": true})))
}

/// Takes a collection out of its resource group: collections are in none here.
#[utoipa::path(post, path = "/api/collections/{namespace}/{slug}/resource-group", tag = "community", request_body = ResourceGroup,
    params(("namespace" = String, Path), ("slug" = String, Path)),
    responses((status = 200), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 501, body = ErrorBody)))]
pub async fn resource_group(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Body(group): Body<ResourceGroup>,
) -> Result<Json<Value>> {
    let access = app.write_collection(&caller, &place.id).await?;
    app.set_collection_group(&access, group.resource_group_id.as_deref())?;
    Ok(Json(json!({"success": true})))
}

/// Votes for a collection.
#[utoipa::path(post, path = "/api/collections/{namespace}/{slug}/upvote", tag = "community",
    params(("namespace" = String, Path), ("slug" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn upvote(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Value>> {
    let access = app.read_collection(&caller, &place.id).await?;
    app.vote_for_collection(&access, &app.act(&caller).await?, true).await?;
    Ok(Json(json!({"success": true})))
}

/// Takes the vote back.
#[utoipa::path(delete, path = "/api/collections/{namespace}/{slug}/upvote", tag = "community",
    params(("namespace" = String, Path), ("slug" = String, Path)),
    responses((status = 200), (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn withdraw_upvote(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Value>> {
    let access = app.read_collection(&caller, &place.id).await?;
    app.vote_for_collection(&access, &app.act(&caller).await?, false).await?;
    Ok(Json(json!({"success": true})))
}

/// Puts something at the end of a collection.
#[utoipa::path(post, path = "/api/collections/{namespace}/{slug}/items", tag = "community", request_body = AddItem,
    params(("namespace" = String, Path), ("slug" = String, Path)),
    responses((status = 200, body = serde_json::Value), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
pub async fn add_item(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Body(new): Body<AddItem>,
) -> Result<Json<Value>> {
    let id = place.id.as_str();
    let access = app.write_collection(&caller, id).await?;
    let new = NewItem { kind: new.item.r#type, id: new.item.id, note: new.note };
    app.add_collection_item(&caller, &access, new).await?;
    Ok(Json(shown(&app, &caller, id).await?))
}

/// Changes the note or the place of an item.
#[utoipa::path(patch, path = "/api/collections/{namespace}/{slug}/items/{item}", tag = "community", request_body = ChangeItem,
    params(("namespace" = String, Path), ("slug" = String, Path), ("item" = String, Path, description = "its _id")),
    responses((status = 200), (status = 400, body = ErrorBody), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn update_item(
    State(app): State<App>,
    Who(caller): Who,
    place: Place,
    Body(change): Body<ChangeItem>,
) -> Result<Json<Value>> {
    let access = app.write_collection(&caller, &place.id).await?;
    let change = ItemChange { note: change.note, position: change.position };
    app.update_collection_item(&access, &place.item, change).await?;
    Ok(Json(json!({"success": true})))
}

/// Takes an item out of a collection.
#[utoipa::path(delete, path = "/api/collections/{namespace}/{slug}/items/{item}", tag = "community",
    params(("namespace" = String, Path), ("slug" = String, Path), ("item" = String, Path, description = "its _id")),
    responses((status = 200), (status = 403, body = ErrorBody), (status = 404, body = ErrorBody)))]
pub async fn delete_item(State(app): State<App>, Who(caller): Who, place: Place) -> Result<Json<Value>> {
    let access = app.write_collection(&caller, &place.id).await?;
    app.remove_collection_item(&access, &place.item).await?;
    Ok(Json(json!({"success": true})))
}
