//! The gate's part for what people do beside repositories: likes, follows, collections, webhooks.

use std::sync::Arc;

use haina_db::collections::{self, Collection};
use haina_db::people::{self, Namespace, User};
use haina_db::repos::Repo;
use haina_types::{Action, Code, Error, OrgRole, Result, Slug, TokenRole, TokenScope};

use super::Caller;
use crate::App;

/// The right to act for oneself: to like, to follow, to vote, to keep webhooks.
#[derive(Debug, Clone)]
pub struct SelfAccess {
    user: Arc<User>,
}

impl SelfAccess {
    /// Who acts.
    pub fn user(&self) -> &User {
        &self.user
    }
}

/// The right to know a collection.
#[derive(Debug, Clone)]
pub struct CollectionRead {
    collection: Collection,
}

impl CollectionRead {
    /// The collection.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }
}

/// The right to change a collection.
#[derive(Debug, Clone)]
pub struct CollectionWrite {
    collection: Collection,
    actor: i64,
}

impl CollectionWrite {
    /// The collection, as it was when the gate was passed.
    pub fn collection(&self) -> &Collection {
        &self.collection
    }

    /// The acting user's id.
    pub fn actor(&self) -> i64 {
        self.actor
    }

    /// Who may change it may know it.
    pub fn read(&self) -> CollectionRead {
        CollectionRead { collection: self.collection.clone() }
    }
}

/// The right to make collections for a user or an organization.
#[derive(Debug, Clone)]
pub struct CollectAccess {
    namespace: Namespace,
    actor: i64,
}

impl CollectAccess {
    /// Whose collections they will be.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The acting user's id.
    pub fn actor(&self) -> i64 {
        self.actor
    }
}

/// The error for a collection that does not exist or may not be known.
pub(crate) fn collection_not_found() -> Error {
    Error::new(Code::NotFound, "Collection not found")
}

impl Caller {
    /// The strongest action that the token allows on what belongs to a namespace as a whole.
    fn namespace_limit(&self, namespace: &Namespace) -> Option<Action> {
        match self.token_role() {
            // It is for one repository.
            _ if self.pass.is_some() => None,
            None | Some(TokenRole::Write) => Some(Action::Admin),
            Some(TokenRole::Read) => Some(Action::Read),
            Some(TokenRole::FineGrained(scopes)) => {
                let fold = namespace.name.fold();
                let covers = |s: &&TokenScope| s.is_everything() || s.entity.eq_ignore_ascii_case(&fold);
                scopes.iter().filter(covers).map(|s| s.action).max()
            }
        }
    }
}

impl App {
    /// May `caller` act for themselves? A session or a write token can; others only look.
    pub async fn act(&self, caller: &Caller) -> Result<SelfAccess> {
        caller.require_user()?;
        if !caller.token_may_manage_account() {
            return Err(Error::new(
                Code::Forbidden,
                "This needs a token with the role 'write', since it is done in your own name.",
            ));
        }
        let user = caller.user.clone().ok_or_else(|| Error::internal("a user who was there is gone"))?;
        Ok(SelfAccess { user })
    }

    /// The strongest action that `caller` may take on what a namespace owns as a whole; `None` if none of their own.
    pub(super) async fn namespace_right(&self, caller: &Caller, namespace: &Namespace) -> Result<Option<Action>> {
        let Some(user) = caller.user() else { return Ok(None) };
        let own = if user.is_admin || namespace.id == user.id {
            Some(Action::Admin)
        } else {
            let mut s = self.db().read().await?;
            people::find_org_role(&mut s, namespace.id, user.id).await?.map(|role| match role {
                OrgRole::Read | OrgRole::Contributor => Action::Read,
                OrgRole::Write => Action::Write,
                OrgRole::Admin => Action::Admin,
            })
        };
        Ok(own.and_then(|own| caller.namespace_limit(namespace).map(|limit| own.min(limit))))
    }

    async fn admit_to_collection(&self, caller: &Caller, public_id: &str) -> Result<(Collection, Option<Action>)> {
        let found = {
            let mut s = self.db().read().await?;
            collections::find(&mut s, public_id).await?
        };
        let collection = found.ok_or_else(collection_not_found)?;
        let right = self.namespace_right(caller, &collection.owner).await?;
        if collection.private && right.is_none() {
            return Err(collection_not_found());
        }
        Ok((collection, right))
    }

    /// May `caller` know this collection? `public_id` are the digits at the end of its slug.
    pub async fn read_collection(&self, caller: &Caller, public_id: &str) -> Result<CollectionRead> {
        let (collection, _) = self.admit_to_collection(caller, public_id).await?;
        Ok(CollectionRead { collection })
    }

    /// May `caller` change this collection?
    pub async fn write_collection(&self, caller: &Caller, public_id: &str) -> Result<CollectionWrite> {
        let (collection, right) = self.admit_to_collection(caller, public_id).await?;
        let user = caller.require_user()?;
        if right < Some(Action::Write) {
            return Err(Error::new(
                Code::Forbidden,
                format!(
                    "You don't have the rights required to change this collection. Use a token with write access, or ask an administrator of '{}'.",
                    collection.owner.name
                ),
            ));
        }
        Ok(CollectionWrite { collection, actor: user.id })
    }

    /// May `caller` make collections for this namespace (for themselves when `None`)?
    pub async fn collect_in(&self, caller: &Caller, namespace: Option<&Slug>) -> Result<CollectAccess> {
        let user = caller.require_user()?;
        let name = namespace.unwrap_or(&user.name);
        let refused = || {
            let text = format!("You don't have the rights required to create a collection for '{name}'.");
            Error::new(Code::Forbidden, text)
        };
        let found = {
            let mut s = self.db().read().await?;
            people::find_namespace(&mut s, &name.fold()).await?
        };
        let namespace = found.ok_or_else(refused)?;
        if self.namespace_right(caller, &namespace).await? < Some(Action::Write) {
            return Err(refused());
        }
        Ok(CollectAccess { namespace, actor: user.id })
    }
}

impl App {
    /// Whether this user may be told of a repository, or could have been before it was deleted, and with `content` of
    /// what is in it: for what is sent to people later than they asked for it, by no more than their own rights now.
    pub(crate) async fn may_be_told(&self, repo: &Repo, user_id: i64, content: bool) -> Result<bool> {
        let user = {
            let mut s = self.db().read().await?;
            people::find_user_by_id(&mut s, user_id).await?.filter(|u| u.disabled_at.is_none())
        };
        let Some(user) = user else { return Ok(false) };
        let caller = Caller::person(user);
        if self.right(&caller, repo).await?.is_none() {
            return Ok(false);
        }
        if !content {
            return Ok(true);
        }
        match self.check_gate(&caller, repo).await {
            Ok(()) => Ok(true),
            Err(e) if matches!(e.code, Code::GatedRepo | Code::Disabled) => Ok(false),
            Err(e) => Err(e),
        }
    }
}
