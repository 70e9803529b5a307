//! The one gate. Every read and write passes it; it alone makes the access values that use cases ask for.
//!
//! What a caller may not know exists does not exist: [`Code::RepoNotFound`], never [`Code::Forbidden`].

use std::sync::Arc;

use haina_db::people::{self, Namespace, User};
use haina_db::repos::{self, Repo, Viewer};
use haina_types::{
    Action, Code, Error, OrgRole, RepoKind, RepoPath, Result, Slug, Timestamp, TokenRole, TokenScope, Visibility,
};

use crate::App;

/// The token through which somebody asks.
#[derive(Debug, Clone)]
pub struct TokenInfo {
    /// Its owner's name for it.
    pub name: String,
    /// Its power.
    pub role: TokenRole,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// What its person allowed an application, if it is an application's.
    pub grant: Option<i64>,
}

/// Who is asking.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    user: Option<Arc<User>>,
    token: Option<Arc<TokenInfo>>,
}

impl Caller {
    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A person who signed in with a browser, or the operator at the command line.
    pub(crate) fn person(user: User) -> Self {
        Self { user: Some(Arc::new(user)), token: None }
    }

    /// A person through a token, which can only lessen what they may do.
    pub(crate) fn token(user: User, token: TokenInfo) -> Self {
        Self { user: Some(Arc::new(user)), token: Some(Arc::new(token)) }
    }

    /// The person, if known.
    pub fn user(&self) -> Option<&User> {
        self.user.as_deref()
    }

    /// Whether nobody is known.
    pub fn is_anonymous(&self) -> bool {
        self.user.is_none()
    }

    /// The person, or the error that asks for a credential.
    pub fn require_user(&self) -> Result<&User> {
        self.user().ok_or_else(|| Error::new(Code::Unauthenticated, "Please sign in or send an access token."))
    }

    /// The strongest action that the token allows on `kind` `namespace/name`; a session allows everything.
    fn token_limit(&self, kind: RepoKind, path: &RepoPath) -> Option<Action> {
        match self.token_role() {
            None | Some(TokenRole::Write) => Some(Action::Admin),
            Some(TokenRole::Read) => Some(Action::Read),
            Some(TokenRole::FineGrained(scopes)) => {
                let (namespace, full) = (path.namespace.fold(), path.to_string().to_ascii_lowercase());
                let prefixed = format!("{}{full}", kind.url_prefix());
                scopes
                    .iter()
                    .filter(|s| {
                        let entity = s.entity.to_ascii_lowercase();
                        s.is_everything() || entity == namespace || entity == full || entity == prefixed
                    })
                    .map(|s| s.action)
                    .max()
            }
        }
    }

    /// Whether the token allows creating in `namespace`.
    fn token_may_create(&self, namespace_fold: &str) -> bool {
        match self.token_role() {
            None | Some(TokenRole::Write) => true,
            Some(TokenRole::Read) => false,
            Some(TokenRole::FineGrained(scopes)) => {
                let covers = |s: &TokenScope| s.is_everything() || s.entity.eq_ignore_ascii_case(namespace_fold);
                scopes.iter().any(|s| s.action >= Action::Write && covers(s))
            }
        }
    }

    /// Whether the token may manage the account itself (tokens, profile): only full ones.
    pub(crate) fn token_may_manage_account(&self) -> bool {
        matches!(self.token_role(), None | Some(TokenRole::Write))
    }

    /// The token; `None` for a browser session.
    pub fn token_info(&self) -> Option<&TokenInfo> {
        self.token.as_deref()
    }

    fn token_role(&self) -> Option<&TokenRole> {
        self.token_info().map(|t| &t.role)
    }
}

macro_rules! access {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            repo: Arc<Repo>,
            actor: Option<i64>,
        }

        impl $name {
            /// The repository.
            pub fn repo(&self) -> &Repo {
                &self.repo
            }

            /// The acting user's id.
            pub fn actor(&self) -> Option<i64> {
                self.actor
            }
        }
    };
}

access!(
    /// The right to know a repository and its metadata.
    ReadAccess
);
access!(
    /// The right to read a repository's content.
    ContentAccess
);
access!(
    /// The right to change a repository's content.
    WriteAccess
);
access!(
    /// The right to delete a repository or change its settings.
    AdminAccess
);

impl ContentAccess {
    /// For the hub's own work: reading facts, verifying claims.
    pub(crate) fn of_system(repo: Arc<Repo>) -> Self {
        Self { repo, actor: None }
    }
}

impl WriteAccess {
    /// Who may write may read the content.
    pub fn content(&self) -> ContentAccess {
        ContentAccess { repo: self.repo.clone(), actor: self.actor }
    }
}

impl AdminAccess {
    /// Who administers may write.
    pub(crate) fn write(&self) -> WriteAccess {
        WriteAccess { repo: self.repo.clone(), actor: self.actor }
    }
}

/// The error for a repository that does not exist or may not be known.
pub(crate) fn repo_not_found() -> Error {
    Error::new(Code::RepoNotFound, "Repository not found")
}

impl App {
    /// The strongest action that `caller` may take on `repo`; `None` when they may not know of it.
    async fn right(&self, caller: &Caller, repo: &Repo) -> Result<Option<Action>> {
        let public = (repo.visibility == Visibility::Public).then_some(Action::Read);
        let Some(user) = caller.user() else { return Ok(public) };
        let own = if user.is_admin || repo.namespace.id == user.id {
            Some(Action::Admin)
        } else {
            let mut s = self.db().read().await?;
            match people::find_org_role(&mut s, repo.namespace.id, user.id).await? {
                None => None,
                Some(OrgRole::Read) => Some(Action::Read),
                Some(OrgRole::Contributor) if repo.created_by == Some(user.id) => Some(Action::Admin),
                Some(OrgRole::Contributor) => Some(Action::Read),
                Some(OrgRole::Write) if repo.created_by == Some(user.id) => Some(Action::Admin),
                Some(OrgRole::Write) => Some(Action::Write),
                Some(OrgRole::Admin) => Some(Action::Admin),
            }
        };
        let limit = caller.token_limit(repo.kind, &repo.path());
        Ok(own.and_then(|own| limit.map(|limit| own.min(limit))).max(public))
    }

    async fn admit(&self, caller: &Caller, kind: RepoKind, path: &RepoPath, want: Action) -> Result<Arc<Repo>> {
        let repo = {
            let mut s = self.db().read().await?;
            repos::find_repo(&mut s, kind, &path.namespace.fold(), &path.name.fold()).await?
        };
        let repo = repo.ok_or_else(repo_not_found)?;
        let right = self.right(caller, &repo).await?.ok_or_else(repo_not_found)?;
        if right < want {
            return Err(if caller.is_anonymous() {
                Error::new(Code::Unauthenticated, "Please sign in or send an access token with the right to write.")
            } else {
                Error::new(
                    Code::Forbidden,
                    format!(
                        "You don't have the rights required to {} this repository. Use a token with write access, or ask an administrator of '{}'.",
                        if want == Action::Admin { "administer" } else { "write to" },
                        repo.namespace.name
                    ),
                )
            });
        }
        Ok(Arc::new(repo))
    }

    /// May `caller` know this repository?
    pub async fn read(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<ReadAccess> {
        let repo = self.admit(caller, kind, path, Action::Read).await?;
        Ok(ReadAccess { repo, actor: caller.user().map(|u| u.id) })
    }

    /// May `caller` read this repository's content?
    pub async fn read_content(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<ContentAccess> {
        let repo = self.admit(caller, kind, path, Action::Read).await?;
        if repo.disabled_reason.is_some() {
            return Err(Error::new(Code::Disabled, "Access to this resource is disabled."));
        }
        Ok(ContentAccess { repo, actor: caller.user().map(|u| u.id) })
    }

    /// May `caller` change this repository's content?
    pub async fn write(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<WriteAccess> {
        let repo = self.admit(caller, kind, path, Action::Write).await?;
        if repo.disabled_reason.is_some() {
            return Err(Error::new(Code::Disabled, "Access to this resource is disabled."));
        }
        Ok(WriteAccess { repo, actor: caller.user().map(|u| u.id) })
    }

    /// May `caller` delete this repository or change its settings?
    pub async fn administer(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<AdminAccess> {
        let repo = self.admit(caller, kind, path, Action::Admin).await?;
        Ok(AdminAccess { repo, actor: caller.user().map(|u| u.id) })
    }
}

impl App {
    /// Whoever a signed address was made for passes the gate again when it is used: the repository may be gone or
    /// closed since, and they may have lost their part in it. Of the token, the signature says what it allowed.
    async fn admit_again(&self, repo_id: i64, user_id: Option<i64>, want: Action) -> Result<Arc<Repo>> {
        let (repo, user) = {
            let mut s = self.db().read().await?;
            let user = match user_id {
                Some(id) => people::find_user_by_id(&mut s, id).await?.filter(|u| u.disabled_at.is_none()),
                None => None,
            };
            (repos::find_repo_by_id(&mut s, repo_id).await?.ok_or_else(repo_not_found)?, user)
        };
        let caller = user.map_or_else(Caller::anonymous, Caller::person);
        let right = self.right(&caller, &repo).await?.ok_or_else(repo_not_found)?;
        if right < want {
            return Err(Error::new(Code::Forbidden, "You don't have the rights required to do this any more."));
        }
        if repo.disabled_reason.is_some() {
            return Err(Error::new(Code::Disabled, "Access to this resource is disabled."));
        }
        Ok(Arc::new(repo))
    }

    /// The right to write that a signed address carries, if it is still so.
    pub(crate) async fn write_again(&self, repo_id: i64, user_id: Option<i64>) -> Result<WriteAccess> {
        Ok(WriteAccess { repo: self.admit_again(repo_id, user_id, Action::Write).await?, actor: user_id })
    }

    /// The right to read content that a signed address carries, if it is still so.
    pub(crate) async fn content_again(&self, repo_id: i64, user_id: Option<i64>) -> Result<ContentAccess> {
        Ok(ContentAccess { repo: self.admit_again(repo_id, user_id, Action::Read).await?, actor: user_id })
    }
}

/// The right to make repositories in a namespace.
#[derive(Debug, Clone)]
pub struct CreateAccess {
    namespace: Namespace,
    actor: i64,
}

impl CreateAccess {
    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The acting user's id.
    pub fn actor(&self) -> i64 {
        self.actor
    }

    /// Who makes a repository may write to it.
    pub(crate) fn write(&self, repo: Repo) -> WriteAccess {
        WriteAccess { repo: Arc::new(repo), actor: Some(self.actor) }
    }
}

impl App {
    /// May `caller` make repositories in this namespace (their own when `None`)?
    pub async fn create_in(&self, caller: &Caller, namespace: Option<&Slug>) -> Result<CreateAccess> {
        let user = caller.require_user()?;
        let fold = namespace.unwrap_or(&user.name).fold();
        let refused = || {
            let name = namespace.unwrap_or(&user.name);
            Error::new(
                Code::Forbidden,
                format!("You don't have the rights required to create a repository under the namespace '{name}'."),
            )
        };
        let mut s = self.db().read().await?;
        let ns = people::find_namespace(&mut s, &fold).await?.ok_or_else(refused)?;
        let allowed = user.is_admin
            || ns.id == user.id
            || people::find_org_role(&mut s, ns.id, user.id).await?.is_some_and(|role| role >= OrgRole::Contributor);
        if !allowed || !caller.token_may_create(&fold) {
            return Err(refused());
        }
        Ok(CreateAccess { namespace: ns, actor: user.id })
    }

    /// Whose eyes a list is made for.
    pub(crate) async fn viewer(&self, caller: &Caller) -> Result<Viewer> {
        let Some(user) = caller.user() else { return Ok(Viewer::Everyone) };
        // A fine-grained token sees in lists what everyone sees: its scopes name single things, and a list that
        // tried each of them would be slow and leak by its paging.
        if matches!(caller.token_role(), Some(TokenRole::FineGrained(s)) if !s.iter().any(TokenScope::is_everything)) {
            return Ok(Viewer::Everyone);
        }
        if user.is_admin {
            return Ok(Viewer::All);
        }
        let mut s = self.db().read().await?;
        let orgs = people::list_orgs_of_user(&mut s, user.id).await?;
        let ns_ids = std::iter::once(user.id).chain(orgs.iter().map(|(ns, _)| ns.id)).collect();
        Ok(Viewer::User { user_id: user.id, ns_ids })
    }
}
