//! `/{ns}/{name}.git/info/lfs/locks`: who works on what.

use axum::extract::State;
use haina_app::App;
use haina_app::lfs::{LOCKS_PAGE_MAX, Lock};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use axum::response::{IntoResponse, Response};

use super::answer::{Lfs, LfsError};
use super::{Target, Who};
use crate::error::Result;
use crate::request::{Body, Query};

/// Locks of a page if the client does not say.
const LIMIT: usize = 100;

/// A lock.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct LockBody {
    id: String,
    path: String,
    locked_at: String,
    owner: Owner,
}

/// Who holds it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Owner {
    name: String,
}

impl From<Lock> for LockBody {
    fn from(lock: Lock) -> Self {
        Self {
            id: lock.id.to_string(),
            path: lock.path,
            locked_at: lock.created_at.to_string(),
            owner: Owner { name: lock.owner },
        }
    }
}

/// A path to lock. A branch may be named with it and does not matter: locks are of all branches.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct NewLock {
    path: String,
}

/// The lock that was made or released.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OneLock {
    lock: LockBody,
}

/// The lock that is in the way.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Taken {
    lock: LockBody,
    message: String,
}

/// Some locks.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Locks {
    locks: Vec<LockBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Locks a path.
#[utoipa::path(post, path = "/{namespace}/{repo}/info/lfs/locks", tag = "lfs", operation_id = "lfs_lock_create", request_body = NewLock,
    params(("namespace" = String, Path), ("repo" = String, Path, description = "With or without `.git`")),
    responses((status = 201, description = "Locked", body = OneLock), (status = 400, description = "A value is wrong", body = LfsError), (status = 401, description = "Sign in first", body = LfsError), (status = 403, description = "Not allowed", body = LfsError), (status = 404, description = "Not there, or not to be known", body = LfsError), (status = 409, description = "Locked already", body = Taken)))]
pub async fn create(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(new): Body<NewLock>,
) -> Result<Response> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    Ok(match app.lfs_lock(&access, &new.path).await? {
        Ok(lock) => Lfs(StatusCode::CREATED, OneLock { lock: lock.into() }).into_response(),
        Err(lock) => {
            let message = format!("\"{}\" is locked by {} already.", lock.path, lock.owner);
            Lfs(StatusCode::CONFLICT, Taken { lock: lock.into(), message }).into_response()
        }
    })
}

/// Lists locks: all, that on a path, or that with an id.
#[utoipa::path(get, path = "/{namespace}/{repo}/info/lfs/locks", tag = "lfs", operation_id = "lfs_lock_list",
    params(("namespace" = String, Path), ("repo" = String, Path, description = "With or without `.git`"),
        ("path" = Option<String>, Query), ("id" = Option<String>, Query), ("cursor" = Option<String>, Query), ("limit" = Option<u32>, Query)),
    responses((status = 200, description = "Done", body = Locks), (status = 401, description = "Sign in first", body = LfsError), (status = 404, description = "Not there, or not to be known", body = LfsError)))]
pub async fn list(State(app): State<App>, Who(caller): Who, target: Target, query: Query) -> Result<Lfs<Locks>> {
    let access = app.read_content(&caller, target.kind, &target.path).await?;
    let (path, id) = (query.get("path").filter(|p| !p.is_empty()), query.get("id").filter(|i| !i.is_empty()));
    let (locks, next_cursor) = if path.is_some() || id.is_some() {
        (app.find_lfs_lock(&access, path, id).await?.into_iter().collect(), None)
    } else {
        let limit = query.number("limit")?.filter(|n| *n > 0).unwrap_or(LIMIT);
        let page = app.lfs_locks(&access, query.get("cursor"), limit).await?;
        (page.items, page.next)
    };
    Ok(Lfs(StatusCode::OK, Locks { locks: locks.into_iter().map(LockBody::from).collect(), next_cursor }))
}

/// Which page of locks to compare with what is about to be pushed.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct VerifyLocks {
    #[serde(default)]
    cursor: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
}

/// The caller's locks, and those of others.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct VerifiedLocks {
    ours: Vec<LockBody>,
    theirs: Vec<LockBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Lists locks by whose they are, before a push.
#[utoipa::path(post, path = "/{namespace}/{repo}/info/lfs/locks/verify", tag = "lfs", operation_id = "lfs_lock_verify", request_body = VerifyLocks,
    params(("namespace" = String, Path), ("repo" = String, Path, description = "With or without `.git`")),
    responses((status = 200, description = "Done", body = VerifiedLocks), (status = 401, description = "Sign in first", body = LfsError), (status = 403, description = "Not allowed", body = LfsError), (status = 404, description = "Not there, or not to be known", body = LfsError)))]
pub async fn verify(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(asked): Body<VerifyLocks>,
) -> Result<Lfs<VerifiedLocks>> {
    let access = app.push(&caller, target.kind, &target.path).await?;
    let limit = asked.limit.filter(|n| *n > 0).unwrap_or(LIMIT).min(LOCKS_PAGE_MAX);
    let page = app.lfs_locks(&access.content(), asked.cursor.as_deref(), limit).await?;
    let (ours, theirs): (Vec<Lock>, Vec<Lock>) =
        page.items.into_iter().partition(|l| access.actor() == Some(l.owner_id));
    Ok(Lfs(
        StatusCode::OK,
        VerifiedLocks {
            ours: ours.into_iter().map(LockBody::from).collect(),
            theirs: theirs.into_iter().map(LockBody::from).collect(),
            next_cursor: page.next,
        },
    ))
}

/// How to release a lock.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
pub struct Unlock {
    /// Release it even if it is another's; administrators only.
    #[serde(default)]
    force: bool,
}

/// Releases a lock.
#[utoipa::path(post, path = "/{namespace}/{repo}/info/lfs/locks/{id}/unlock", tag = "lfs", operation_id = "lfs_lock_unlock", request_body = Unlock,
    params(("namespace" = String, Path), ("repo" = String, Path, description = "With or without `.git`"), ("id" = String, Path)),
    responses((status = 200, description = "Done", body = OneLock), (status = 401, description = "Sign in first", body = LfsError), (status = 403, description = "Not allowed", body = LfsError), (status = 404, description = "Not there, or not to be known", body = LfsError)))]
pub async fn unlock(
    State(app): State<App>,
    Who(caller): Who,
    target: Target,
    Body(how): Body<Unlock>,
) -> Result<Lfs<OneLock>> {
    let access = app.write(&caller, target.kind, &target.path).await?;
    let lock = match how.force {
        false => app.lfs_unlock(&access, &target.id).await?,
        true => {
            let admin = app.administer(&caller, target.kind, &target.path).await?;
            app.lfs_force_unlock(&admin, &target.id).await?
        }
    };
    Ok(Lfs(StatusCode::OK, OneLock { lock: lock.into() }))
}
