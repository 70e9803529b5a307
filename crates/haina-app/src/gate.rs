//! The one gate. Every read and write passes it; it alone makes the access values that use cases ask for.
//!
//! What a caller may not know exists does not exist: [`Code::RepoNotFound`], never [`Code::Forbidden`].

use std::sync::Arc;

use haina_db::gates::{self, AccessStatus};
use haina_db::people::{self, Namespace, User};
use haina_db::repos::{self, Repo, Viewer};
use haina_db::{Session, groups, moves};
use haina_types::{
    Action, Code, Error, OrgRole, RepoKind, RepoPath, Result, Slug, Timestamp, TokenRole, TokenScope, Visibility,
};

use crate::App;

mod audit;
mod buckets;
mod community;
mod orgs;
mod pass;

pub use audit::AuditAccess;
pub(crate) use audit::Scope;
pub use buckets::{BucketAdmin, BucketRead, BucketWrite};
pub(crate) use community::collection_not_found;
pub use community::{CollectAccess, CollectionRead, CollectionWrite, SelfAccess};
pub(crate) use orgs::org_not_found;
pub use orgs::{OrgAdmin, OrgMember};
pub(crate) use pass::Pass;

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
    pass: Option<Pass>,
}

impl Caller {
    /// Nobody in particular.
    pub fn anonymous() -> Self {
        Self::default()
    }

    /// A person who signed in with a browser, or the operator at the command line.
    pub(crate) fn person(user: User) -> Self {
        Self { user: Some(Arc::new(user)), ..Self::default() }
    }

    /// A person through a token, which can only lessen what they may do.
    pub(crate) fn token(user: User, token: TokenInfo) -> Self {
        Self { user: Some(Arc::new(user)), token: Some(Arc::new(token)), pass: None }
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

    /// The strongest action that what they came with allows on a repository.
    fn limit(&self, repo: &Repo) -> Option<Action> {
        match &self.pass {
            Some(pass) => pass.limit(repo),
            None => self.token_limit(repo.kind, &repo.path()),
        }
    }

    /// Whether the token allows creating in `namespace`.
    fn token_may_create(&self, namespace_fold: &str) -> bool {
        match self.token_role() {
            _ if self.pass.is_some() => false,
            None | Some(TokenRole::Write) => true,
            Some(TokenRole::Read) => false,
            Some(TokenRole::FineGrained(scopes)) => {
                let covers = |s: &TokenScope| s.is_everything() || s.entity.eq_ignore_ascii_case(namespace_fold);
                scopes.iter().any(|s| s.action >= Action::Write && covers(s))
            }
        }
    }

    /// The person, if their token may write anywhere at all.
    pub(crate) fn require_author(&self) -> Result<&User> {
        let user = self.require_user()?;
        let may = match self.token_role() {
            _ if self.pass.is_some() => false,
            None | Some(TokenRole::Write) => true,
            Some(TokenRole::Read) => false,
            Some(TokenRole::FineGrained(scopes)) => scopes.iter().any(|s| s.action >= Action::Write),
        };
        may.then_some(user).ok_or_else(|| {
            Error::new(Code::Forbidden, "This access token only reads. Use one with write access to upload something.")
        })
    }

    /// Whether the token may manage the account itself (tokens, profile): only full ones.
    pub(crate) fn token_may_manage_account(&self) -> bool {
        // A service account is its organization's, and does nothing in its own name.
        let is_service = self.user().is_some_and(|u| u.service_of.is_some());
        !is_service && self.pass.is_none() && matches!(self.token_role(), None | Some(TokenRole::Write))
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
    /// The right to see a repository's folders, references and history, but not into its files: what everyone who
    /// knows a gated repository sees of it.
    ListAccess
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

/// The right to take part: to say something in a repository's discussions, and to propose changes to its content.
#[derive(Debug, Clone)]
pub struct TalkAccess {
    repo: Arc<Repo>,
    actor: i64,
    /// Whether whoever takes part may also write.
    writer: bool,
}

impl TalkAccess {
    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The acting user's id.
    pub fn actor(&self) -> i64 {
        self.actor
    }

    /// Whether they may also change the content and tidy up after others.
    pub fn is_writer(&self) -> bool {
        self.writer
    }

    /// Who takes part may read the content.
    pub fn content(&self) -> ContentAccess {
        ContentAccess { repo: self.repo.clone(), actor: Some(self.actor) }
    }

    /// Who takes part may send content for what they propose.
    pub fn upload(&self) -> UploadAccess {
        UploadAccess { repo: self.repo.clone(), actor: Some(self.actor), proposed: !self.writer }
    }
}

/// The right to send content that waits in a repository for a commit. Nothing shows it until then.
#[derive(Debug, Clone)]
pub struct UploadAccess {
    repo: Arc<Repo>,
    actor: Option<i64>,
    proposed: bool,
}

impl UploadAccess {
    /// The repository.
    pub fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The acting user's id.
    pub fn actor(&self) -> Option<i64> {
        self.actor
    }

    /// Whether it is for a proposal of somebody who may not write. Their word about content counts for nothing.
    pub fn is_proposed(&self) -> bool {
        self.proposed
    }

    /// The namespace whose stored content the upload may build upon: a proposal sees that of its author alone.
    pub(crate) fn domain(&self) -> i64 {
        match self.actor {
            Some(actor) if self.proposed => actor,
            _ => self.repo.domain(),
        }
    }
}

/// The right to push: to everything, or to pull requests of one's own.
#[derive(Debug, Clone)]
pub enum PushAccess {
    /// To everything.
    Write(WriteAccess),
    /// To pull requests of one's own.
    Talk(TalkAccess),
}

impl PushAccess {
    /// The repository.
    pub fn repo(&self) -> &Repo {
        match self {
            Self::Write(access) => access.repo(),
            Self::Talk(access) => access.repo(),
        }
    }

    /// The acting user's id.
    pub fn actor(&self) -> Option<i64> {
        match self {
            Self::Write(access) => access.actor(),
            Self::Talk(access) => Some(access.actor()),
        }
    }

    /// Who pushes may read the content.
    pub fn content(&self) -> ContentAccess {
        match self {
            Self::Write(access) => access.content(),
            Self::Talk(access) => access.content(),
        }
    }

    /// Who pushes may send content for it.
    pub fn upload(&self) -> UploadAccess {
        match self {
            Self::Write(access) => access.upload(),
            Self::Talk(access) => access.upload(),
        }
    }
}

impl From<WriteAccess> for PushAccess {
    fn from(access: WriteAccess) -> Self {
        Self::Write(access)
    }
}

impl Moves for PushAccess {
    fn repo(&self) -> &Repo {
        self.repo()
    }
    fn actor(&self) -> Option<i64> {
        self.actor()
    }
    fn is_writer(&self) -> bool {
        match self {
            Self::Write(_) => true,
            Self::Talk(access) => access.is_writer(),
        }
    }
}

/// Whoever may move references: writers all of them, others those of their own pull requests, which
/// [`App::move_ref`] sees to.
pub(crate) trait Moves: Send + Sync {
    /// The repository.
    fn repo(&self) -> &Repo;
    /// The acting user's id.
    fn actor(&self) -> Option<i64>;
    /// Whether they may write.
    fn is_writer(&self) -> bool;
}

impl Moves for WriteAccess {
    fn repo(&self) -> &Repo {
        &self.repo
    }
    fn actor(&self) -> Option<i64> {
        self.actor
    }
    fn is_writer(&self) -> bool {
        true
    }
}

impl Moves for TalkAccess {
    fn repo(&self) -> &Repo {
        &self.repo
    }
    fn actor(&self) -> Option<i64> {
        Some(self.actor)
    }
    fn is_writer(&self) -> bool {
        self.writer
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What allows to see a repository's folders and history: [`ListAccess`], and [`ContentAccess`] all the more.
pub trait Listing: sealed::Sealed + Sync {
    /// The repository.
    fn repo(&self) -> &Repo;

    /// The acting user's id.
    fn actor(&self) -> Option<i64>;
}

macro_rules! listing {
    ($($name:ident)*) => {
        $(impl sealed::Sealed for $name {}
        impl Listing for $name {
            fn repo(&self) -> &Repo {
                &self.repo
            }

            fn actor(&self) -> Option<i64> {
                self.actor
            }
        })*
    };
}
listing! { ListAccess ContentAccess }

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

    /// Who may write may send content for it.
    pub fn upload(&self) -> UploadAccess {
        UploadAccess { repo: self.repo.clone(), actor: self.actor, proposed: false }
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

/// Taken down by an administrator.
fn disabled() -> Error {
    Error::new(Code::Disabled, "Access to this resource is disabled.")
}

/// The repository of this name, or the one that had it before it moved and that no other has replaced.
pub(crate) async fn find_by_name(s: &mut Session, kind: RepoKind, path: &RepoPath) -> Result<Option<Repo>> {
    let (namespace, name) = (path.namespace.fold(), path.name.fold());
    match repos::find_repo(s, kind, &namespace, &name).await? {
        Some(repo) => Ok(Some(repo)),
        None => Ok(moves::find_moved(s, kind, &namespace, &name).await?),
    }
}

impl App {
    /// The strongest action that `caller` may take on `repo`; `None` when they may not know of it.
    async fn right(&self, caller: &Caller, repo: &Repo) -> Result<Option<Action>> {
        let public = (repo.visibility == Visibility::Public).then_some(Action::Read);
        Ok(self.own_right(caller, repo).await?.max(public))
    }

    /// The strongest action that `caller` may take on `repo` for having a part in it, and not because everyone may.
    async fn own_right(&self, caller: &Caller, repo: &Repo) -> Result<Option<Action>> {
        let Some(user) = caller.user() else { return Ok(None) };
        let own = if user.is_admin || repo.namespace.id == user.id {
            Some(Action::Admin)
        } else {
            let mut s = self.db().read().await?;
            let role = match (people::find_org_role(&mut s, repo.namespace.id, user.id).await?, repo.group_id) {
                // What is in a group is for those who have a role there, and for administrators of the organization.
                (Some(OrgRole::Read | OrgRole::Contributor | OrgRole::Write), Some(group)) => {
                    groups::find_role(&mut s, group, user.id).await?
                }
                (role, _) => role,
            };
            match role {
                None => None,
                Some(OrgRole::Read) => Some(Action::Read),
                Some(OrgRole::Contributor) if repo.created_by == Some(user.id) => Some(Action::Admin),
                Some(OrgRole::Contributor) => Some(Action::Read),
                Some(OrgRole::Write) if repo.created_by == Some(user.id) => Some(Action::Admin),
                Some(OrgRole::Write) => Some(Action::Write),
                Some(OrgRole::Admin) => Some(Action::Admin),
            }
        };
        let limit = caller.limit(repo);
        Ok(own.and_then(|own| limit.map(|limit| own.min(limit))))
    }

    /// Whether `repo` exists for `caller`: for lists of what happened.
    pub(crate) async fn may_know(&self, caller: &Caller, repo: &Repo) -> Result<bool> {
        Ok(self.right(caller, repo).await?.is_some())
    }

    /// Whether `caller` has a part in `repo`, so that no gate is in their way.
    pub(crate) async fn has_part(&self, caller: &Caller, repo: &Repo) -> Result<bool> {
        Ok(self.own_right(caller, repo).await?.is_some())
    }

    /// Whether the content of `repo` is open to `caller`, who may know it: it may be taken down, or gated.
    async fn check_gate(&self, caller: &Caller, repo: &Repo) -> Result<()> {
        if repo.disabled_reason.is_some() {
            return Err(disabled());
        }
        if repo.gated.is_none() || self.own_right(caller, repo).await?.is_some() {
            return Ok(());
        }
        let (kind, path) = (repo.kind, repo.path());
        let page = format!("{}/{}{path}", self.base_url(), kind.url_prefix());
        let restricted = format!("Access to {kind} {path} is restricted");
        let text = match caller.user() {
            None => format!(
                "{restricted}. You must have access to it and be authenticated to access it. Please log in, and ask for access at {page}"
            ),
            // Its owner chose what it may be used for.
            Some(_) if caller.limit(repo).is_none() => format!(
                "{restricted} and your token does not reach it: use one whose scopes name {}{path}.",
                kind.url_prefix()
            ),
            Some(user) => {
                let mut s = self.db().read().await?;
                match gates::find_request(&mut s, repo.id, user.id).await?.map(|r| r.status) {
                    Some(AccessStatus::Accepted) => return Ok(()),
                    Some(AccessStatus::Pending) => format!(
                        "{restricted} and you are not in the authorized list. Your request to access it is awaiting a review by its owners."
                    ),
                    Some(AccessStatus::Rejected) => format!(
                        "{restricted} and you are not in the authorized list. Your request to access it was rejected by its owners. See {page}"
                    ),
                    None => {
                        format!("{restricted} and you are not in the authorized list. Visit {page} to ask for access.")
                    }
                }
            }
        };
        Err(Error::new(Code::GatedRepo, text))
    }

    /// A repository with a history. Buckets have values of their own, so that nobody takes one for the other.
    async fn admit(&self, caller: &Caller, kind: RepoKind, path: &RepoPath, want: Action) -> Result<Arc<Repo>> {
        if kind == RepoKind::Bucket {
            return Err(repo_not_found());
        }
        self.admit_any(caller, kind, path, want).await
    }

    async fn admit_any(&self, caller: &Caller, kind: RepoKind, path: &RepoPath, want: Action) -> Result<Arc<Repo>> {
        let repo = {
            let mut s = self.db().read().await?;
            find_by_name(&mut s, kind, path).await?.ok_or_else(repo_not_found)?
        };
        let right = self.right(caller, &repo).await?.ok_or_else(repo_not_found)?;
        if right < want {
            let noun = if kind == RepoKind::Bucket { "bucket" } else { "repository" };
            return Err(if caller.is_anonymous() {
                Error::new(Code::Unauthenticated, "Please sign in or send an access token with the right to write.")
            } else {
                Error::new(
                    Code::Forbidden,
                    format!(
                        "You don't have the rights required to {} this {noun}. Use a token with write access, or ask an administrator of '{}'.",
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

    /// May `caller` see this repository's folders and history?
    pub async fn list_content(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<ListAccess> {
        let repo = self.admit(caller, kind, path, Action::Read).await?;
        if repo.disabled_reason.is_some() {
            return Err(disabled());
        }
        Ok(ListAccess { repo, actor: caller.user().map(|u| u.id) })
    }

    /// May `caller` read this repository's content?
    pub async fn read_content(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<ContentAccess> {
        let repo = self.admit(caller, kind, path, Action::Read).await?;
        self.check_gate(caller, &repo).await?;
        Ok(ContentAccess { repo, actor: caller.user().map(|u| u.id) })
    }

    /// May `caller` change this repository's content?
    pub async fn write(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<WriteAccess> {
        let repo = self.admit(caller, kind, path, Action::Write).await?;
        if repo.disabled_reason.is_some() {
            return Err(disabled());
        }
        Ok(WriteAccess { repo, actor: caller.user().map(|u| u.id) })
    }

    /// May `caller` take part in this repository's discussions and propose changes to it? Everyone with an account who
    /// may read the content, through a token that may write.
    pub async fn talk(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<TalkAccess> {
        let content = self.read_content(caller, kind, path).await?;
        let user = caller.require_user()?;
        if caller.limit(&content.repo) < Some(Action::Write) {
            return Err(Error::new(
                Code::Forbidden,
                "This access token only reads. Use one with write access to take part in discussions.",
            ));
        }
        let writer = self.right(caller, &content.repo).await?.is_some_and(|right| right >= Action::Write);
        Ok(TalkAccess { actor: user.id, writer, repo: content.repo })
    }

    /// May `caller` push, to whatever it may be?
    pub async fn push(&self, caller: &Caller, kind: RepoKind, path: &RepoPath) -> Result<PushAccess> {
        match self.write(caller, kind, path).await {
            Ok(access) => Ok(PushAccess::Write(access)),
            // What they may not do at all is said as it is of writing.
            Err(e) if e.code == Code::Forbidden => match self.talk(caller, kind, path).await {
                Ok(access) => Ok(PushAccess::Talk(access)),
                Err(no) if matches!(no.code, Code::Forbidden | Code::GatedRepo | Code::Disabled) => Err(e),
                Err(other) => Err(other),
            },
            Err(e) => Err(e),
        }
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
        self.check_gate(&caller, &repo).await.map_err(|e| match e.code {
            // They need not say who they are: the address does.
            Code::GatedRepo if user_id.is_some() => Error::new(Code::Forbidden, e.message),
            _ => e,
        })?;
        Ok(Arc::new(repo))
    }

    /// The right to send content that a signed address carries, if it is still so: for a commit, or for a proposal.
    pub(crate) async fn upload_again(
        &self,
        repo_id: i64,
        user_id: Option<i64>,
        proposed: bool,
    ) -> Result<UploadAccess> {
        if proposed {
            let content = self.content_again(repo_id, user_id).await?;
            return Ok(UploadAccess { repo: content.repo, actor: user_id, proposed });
        }
        let repo = self.admit_again(repo_id, user_id, Action::Write).await?;
        Ok(UploadAccess { repo, actor: user_id, proposed })
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
    group: Option<i64>,
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

    /// The resource group that it will be in.
    pub fn group(&self) -> Option<i64> {
        self.group
    }

    /// Who makes a repository may write to it.
    pub(crate) fn write(&self, repo: Repo) -> WriteAccess {
        WriteAccess { repo: Arc::new(repo), actor: Some(self.actor) }
    }
}

impl App {
    /// May `caller` make repositories in this namespace (their own when `None`), in this resource group of it if one
    /// is given by the id that clients know?
    pub async fn create_in(
        &self,
        caller: &Caller,
        namespace: Option<&Slug>,
        group: Option<&str>,
    ) -> Result<CreateAccess> {
        let user = caller.require_user()?;
        let found = match group {
            None => None,
            Some(id) => {
                let missing = || {
                    let name = namespace.unwrap_or(&user.name);
                    Error::new(Code::NotFound, format!("\"resourceGroupId\": '{name}' has no such resource group."))
                };
                let mut s = self.db().read().await?;
                let ns = people::find_namespace(&mut s, &namespace.unwrap_or(&user.name).fold()).await?;
                let ns = ns.ok_or_else(missing)?;
                let group = groups::find_group(&mut s, ns.id, id).await?.ok_or_else(missing)?;
                // Of a group in which they have no role, nobody is told.
                if !user.is_admin && !groups::list_groups_of_user(&mut s, user.id).await?.contains(&group.id) {
                    return Err(missing());
                }
                Some(group.id)
            }
        };
        self.create_within(caller, namespace, found).await
    }

    /// The same when the group is known. Their role in the group counts, and not that in the organization.
    pub(crate) async fn create_within(
        &self,
        caller: &Caller,
        namespace: Option<&Slug>,
        group: Option<i64>,
    ) -> Result<CreateAccess> {
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
        let role = match (people::find_org_role(&mut s, ns.id, user.id).await?, group) {
            (Some(OrgRole::Read | OrgRole::Contributor | OrgRole::Write), Some(group)) => {
                groups::find_role(&mut s, group, user.id).await?
            }
            (role, _) => role,
        };
        let is_own = ns.id == user.id && user.service_of.is_none();
        let allowed = user.is_admin || is_own || role.is_some_and(|role| role >= OrgRole::Contributor);
        if !allowed || !caller.token_may_create(&fold) {
            return Err(refused());
        }
        Ok(CreateAccess { namespace: ns, actor: user.id, group })
    }

    /// Whose eyes a list is made for.
    pub(crate) async fn viewer(&self, caller: &Caller) -> Result<Viewer> {
        let Some(user) = caller.user() else { return Ok(Viewer::Everyone) };
        // A fine-grained token sees in lists what everyone sees: its scopes name single things, and a list that
        // tried each of them would be slow and leak by its paging.
        if caller.pass.is_some()
            || matches!(caller.token_role(), Some(TokenRole::FineGrained(s)) if !s.iter().any(TokenScope::is_everything))
        {
            return Ok(Viewer::Everyone);
        }
        if user.is_admin {
            return Ok(Viewer::All);
        }
        let mut s = self.db().read().await?;
        let orgs = people::list_orgs_of_user(&mut s, user.id).await?;
        let ns_ids = std::iter::once(user.id).chain(orgs.iter().map(|(ns, _)| ns.id)).collect();
        let group_ids = groups::list_groups_of_user(&mut s, user.id).await?;
        Ok(Viewer::User { user_id: user.id, ns_ids, group_ids })
    }
}
