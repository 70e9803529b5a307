//! Namespaces, accounts, memberships, and the keys that people hold: tokens, sessions, invitations.

use haina_types::{OrgRole, Slug, Timestamp, TokenRole, TokenScope};

use crate::sql::{Row, statements, values};
use crate::{Error, Result, Session, groups};

/// Columns of [`Namespace`] from table `n`.
macro_rules! namespace_columns {
    () => {
        "n.id, n.kind, n.name, n.full_name, n.created_at"
    };
}
pub(crate) use namespace_columns;

/// Columns of [`User`] from tables `n` and `a`.
macro_rules! user_columns {
    () => {
        "n.id, n.name, n.full_name, n.created_at, a.email, a.password_hash, a.is_admin, a.disabled_at, a.org_id"
    };
}
pub(crate) use user_columns;
pub(crate) const USER_COLUMNS: usize = 9;

statements! {
    INSERT_NAMESPACE = point(
        "insert into namespace (kind, name, fold, full_name, created_at) values ($1, $2, $3, $4, $5) returning id"
    );
    INSERT_ACCOUNT = point(
        "insert into account (user_id, email, email_fold, password_hash, is_admin, org_id) values ($1, $2, $3, $4, $5, $6)"
    );
    FIND_NAMESPACE = point(concat!("select ", namespace_columns!(), " from namespace n where n.fold = $1"));
    FIND_NAMESPACE_BY_ID = point(concat!("select ", namespace_columns!(), " from namespace n where n.id = $1"));
    FIND_USER = point(concat!(
        "select ", user_columns!(), " from namespace n join account a on a.user_id = n.id where n.fold = $1"
    ));
    FIND_USER_BY_ID = point(concat!(
        "select ", user_columns!(), " from account a join namespace n on n.id = a.user_id where a.user_id = $1"
    ));
    FIND_USER_BY_EMAIL = point(concat!(
        "select ", user_columns!(), " from account a join namespace n on n.id = a.user_id where a.email_fold = $1"
    ));
    LIST_SERVICES = point(concat!(
        "select ", user_columns!(), " from account a join namespace n on n.id = a.user_id
         where a.org_id = $1 and a.disabled_at is null order by n.fold"
    ));
    REVOKE_TOKENS_OF_USER = point("update token set revoked_at = $2 where user_id = $1 and revoked_at is null");
    COUNT_USERS = point("select count(*) from account");
    HAS_ADMIN = point("select count(*) from account where is_admin = 1 and disabled_at is null");
    LIST_USERS = long(concat!(
        "select ", user_columns!(), " from account a join namespace n on n.id = a.user_id
         where a.user_id > $1 order by a.user_id limit $2"
    ));
    SET_PASSWORD = point("update account set password_hash = $2 where user_id = $1");
    SET_PROFILE = point("update namespace set full_name = $2 where id = $1");
    SET_EMAIL = point("update account set email = $2, email_fold = $3 where user_id = $1");
    SET_ADMIN = point("update account set is_admin = $2 where user_id = $1");
    SET_DISABLED = point("update account set disabled_at = $2 where user_id = $1");
    FIND_ORG_ROLE = point("select role from org_member where org_id = $1 and user_id = $2");
    PUT_ORG_MEMBER = point(
        "insert into org_member (org_id, user_id, role, created_at) values ($1, $2, $3, $4)
         on conflict (org_id, user_id) do update set role = excluded.role"
    );
    REMOVE_ORG_MEMBER = point("delete from org_member where org_id = $1 and user_id = $2");
    LIST_ORGS_OF_USER = point(concat!(
        "select ", namespace_columns!(), ", m.role from org_member m join namespace n on n.id = m.org_id
         where m.user_id = $1 order by n.fold"
    ));
    LIST_MEMBERS = point(concat!(
        "select ", namespace_columns!(), ", m.role from org_member m join namespace n on n.id = m.user_id
         where m.org_id = $1 order by n.fold"
    ));
    INSERT_TOKEN = point(
        "insert into token (user_id, name, hash, hint, role, scopes, created_at, expires_at, grant_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning id"
    );
    FIND_TOKEN_BY_HASH = point(concat!(
        "select ", user_columns!(), ",
             t.id, t.name, t.hint, t.role, t.scopes, t.created_at, t.expires_at, t.last_used_at, t.revoked_at, t.grant_id
         from token t join account a on a.user_id = t.user_id join namespace n on n.id = t.user_id where t.hash = $1"
    ));
    LIST_TOKENS = point(
        "select t.id, t.name, t.hint, t.role, t.scopes, t.created_at, t.expires_at, t.last_used_at, t.revoked_at, t.grant_id
         from token t where t.user_id = $1 and t.revoked_at is null and t.grant_id is null order by t.id"
    );
    REVOKE_TOKEN = point("update token set revoked_at = $3 where id = $2 and user_id = $1 and revoked_at is null");
    REVOKE_TOKEN_BY_HASH = point("update token set revoked_at = $2 where hash = $1 and revoked_at is null");
    TOUCH_TOKEN = point("update token set last_used_at = $2 where id = $1");
    INSERT_SESSION = point(
        "insert into session (hash, user_id, created_at, expires_at, last_seen_at) values ($1, $2, $3, $4, $3) returning id"
    );
    FIND_SESSION_BY_HASH = point(concat!(
        "select ", user_columns!(), ", s.id, s.created_at, s.expires_at, s.last_seen_at
         from session s join account a on a.user_id = s.user_id join namespace n on n.id = s.user_id where s.hash = $1"
    ));
    TOUCH_SESSION = point("update session set last_seen_at = $2, expires_at = $3 where id = $1");
    DELETE_SESSION = point("delete from session where hash = $1");
    DELETE_SESSIONS_OF_USER = point("delete from session where user_id = $1");
    DELETE_EXPIRED_SESSIONS = long("delete from session where expires_at <= $1");
    INSERT_INVITE = point(
        "insert into invite (hash, purpose, email, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6) returning id"
    );
    FIND_INVITE_BY_HASH = point(
        "select id, purpose, email, created_by, created_at, expires_at, used_by, used_at from invite where hash = $1"
    );
    USE_INVITE = point(
        "update invite set used_by = $3, used_at = $4
         where hash = $1 and purpose = $2 and used_at is null and expires_at > $4"
    );
    HAS_OPEN_SETUP_INVITE = point(
        "select count(*) from invite where purpose = 'setup' and used_at is null and expires_at > $1"
    );
    EXPIRE_SETUP_INVITES = point(
        "update invite set expires_at = $1 where purpose = 'setup' and used_at is null and expires_at > $1"
    );
}

/// What a namespace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceKind {
    /// A person.
    User,
    /// An organization.
    Org,
}

/// A user or an organization, as owner of repositories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// Its id; a user's id is their namespace's.
    pub id: i64,
    /// User or organization.
    pub kind: NamespaceKind,
    /// Its unique name.
    pub name: Slug,
    /// Its name for people.
    pub full_name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Namespace {
    /// Whether it is an organization.
    pub fn is_org(&self) -> bool {
        self.kind == NamespaceKind::Org
    }

    pub(crate) fn from_row(row: &Row, at: usize) -> Result<Self> {
        Ok(Self {
            id: row.int(at)?,
            kind: match row.text(at + 1)? {
                "user" => NamespaceKind::User,
                "org" => NamespaceKind::Org,
                other => return Err(Error::corrupt(format_args!("namespace of kind '{other}'"))),
            },
            name: Slug::from_stored(row.text(at + 2)?),
            full_name: row.string(at + 3)?,
            created_at: row.time(at + 4)?,
        })
    }
}

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id of the account and of its namespace.
    pub id: i64,
    /// Unique name.
    pub name: Slug,
    /// Name for people.
    pub full_name: String,
    /// When the account was made.
    pub created_at: Timestamp,
    /// E-mail address as written.
    pub email: Option<String>,
    /// Argon2 hash in PHC form; without one the account has no password.
    pub password_hash: Option<String>,
    /// Whether it administers the site.
    pub is_admin: bool,
    /// Since when it may not be used.
    pub disabled_at: Option<Timestamp>,
    /// The organization whose service account it is: one for machines, which nobody signs in to.
    pub service_of: Option<i64>,
}

impl User {
    pub(crate) fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            name: Slug::from_stored(row.text(1)?),
            full_name: row.string(2)?,
            created_at: row.time(3)?,
            email: row.opt_string(4)?,
            password_hash: row.opt_string(5)?,
            is_admin: row.flag(6)?,
            disabled_at: row.opt_time(7)?,
            service_of: row.opt_int(8)?,
        })
    }
}

/// An account to make.
#[derive(Debug, Clone)]
pub struct NewUser<'a> {
    /// Unique name.
    pub name: &'a Slug,
    /// Name for people.
    pub full_name: &'a str,
    /// E-mail address, unique without regard to case.
    pub email: Option<&'a str>,
    /// Argon2 hash in PHC form.
    pub password_hash: Option<&'a str>,
    /// Whether it administers the site.
    pub is_admin: bool,
    /// Now.
    pub created_at: Timestamp,
    /// The organization whose service account it is.
    pub service_of: Option<i64>,
}

/// Makes an account with its namespace. [`Error::Conflict`] on `namespace` or `account` says that the name or the
/// e-mail address is taken.
pub async fn insert_user(s: &mut Session, user: &NewUser<'_>) -> Result<i64> {
    let fold = user.name.fold();
    let params = values!["user", user.name.as_str(), &fold, user.full_name, user.created_at];
    let id = s.one(&INSERT_NAMESPACE, &params).await?.int(0)?;
    let email_fold = user.email.map(str::to_lowercase);
    s.exec(
        &INSERT_ACCOUNT,
        &values![id, user.email, email_fold.as_deref(), user.password_hash, user.is_admin, user.service_of],
    )
    .await?;
    Ok(id)
}

/// Makes an organization, still without members. [`Error::Conflict`] says that the name is taken.
pub async fn insert_org(s: &mut Session, name: &Slug, full_name: &str, created_at: Timestamp) -> Result<i64> {
    let fold = name.fold();
    s.one(&INSERT_NAMESPACE, &values!["org", name.as_str(), &fold, full_name, created_at]).await?.int(0)
}

/// By folded name.
pub async fn find_namespace(s: &mut Session, fold: &str) -> Result<Option<Namespace>> {
    s.opt(&FIND_NAMESPACE, &values![fold]).await?.map(|r| Namespace::from_row(&r, 0)).transpose()
}

/// By id.
pub async fn find_namespace_by_id(s: &mut Session, id: i64) -> Result<Option<Namespace>> {
    s.opt(&FIND_NAMESPACE_BY_ID, &values![id]).await?.map(|r| Namespace::from_row(&r, 0)).transpose()
}

/// By folded name; organizations are no users.
pub async fn find_user(s: &mut Session, fold: &str) -> Result<Option<User>> {
    s.opt(&FIND_USER, &values![fold]).await?.map(|r| User::from_row(&r)).transpose()
}

/// By id.
pub async fn find_user_by_id(s: &mut Session, id: i64) -> Result<Option<User>> {
    s.opt(&FIND_USER_BY_ID, &values![id]).await?.map(|r| User::from_row(&r)).transpose()
}

/// By e-mail address, without regard to case.
pub async fn find_user_by_email(s: &mut Session, email: &str) -> Result<Option<User>> {
    let fold = email.to_lowercase();
    s.opt(&FIND_USER_BY_EMAIL, &values![&fold]).await?.map(|r| User::from_row(&r)).transpose()
}

/// How many accounts there are.
pub async fn count_users(s: &mut Session) -> Result<u64> {
    s.one(&COUNT_USERS, &[]).await?.size(0)
}

/// Whether anyone administers the site.
pub async fn has_admin(s: &mut Session) -> Result<bool> {
    Ok(s.one(&HAS_ADMIN, &[]).await?.size(0)? > 0)
}

/// Accounts in the order of their ids, after the id `after` (0 for the first page).
pub async fn list_users(s: &mut Session, after: i64, limit: usize) -> Result<Vec<User>> {
    s.rows(&LIST_USERS, &values![after, limit]).await?.iter().map(User::from_row).collect()
}

/// Sets the hash of a password.
pub async fn set_password(s: &mut Session, user: i64, hash: &str) -> Result<bool> {
    Ok(s.exec(&SET_PASSWORD, &values![user, hash]).await? > 0)
}

/// Changes a namespace's name for people.
pub async fn set_full_name(s: &mut Session, namespace: i64, full_name: &str) -> Result<bool> {
    Ok(s.exec(&SET_PROFILE, &values![namespace, full_name]).await? > 0)
}

/// Changes or removes an e-mail address. [`Error::Conflict`] says that it is taken.
pub async fn set_email(s: &mut Session, user: i64, email: Option<&str>) -> Result<bool> {
    let fold = email.map(str::to_lowercase);
    Ok(s.exec(&SET_EMAIL, &values![user, email, fold.as_deref()]).await? > 0)
}

/// Makes an account an administrator of the site, or no longer.
pub async fn set_admin(s: &mut Session, user: i64, is_admin: bool) -> Result<bool> {
    Ok(s.exec(&SET_ADMIN, &values![user, is_admin]).await? > 0)
}

/// Disables an account, or enables it again with `None`.
pub async fn set_disabled(s: &mut Session, user: i64, at: Option<Timestamp>) -> Result<bool> {
    Ok(s.exec(&SET_DISABLED, &values![user, at]).await? > 0)
}

/// The service accounts of an organization, by name.
pub async fn list_services(s: &mut Session, org: i64) -> Result<Vec<User>> {
    s.rows(&LIST_SERVICES, &values![org]).await?.iter().map(User::from_row).collect()
}

/// Revokes all tokens of a user; how many.
pub async fn revoke_tokens_of_user(s: &mut Session, user: i64, now: Timestamp) -> Result<u64> {
    s.exec(&REVOKE_TOKENS_OF_USER, &values![user, now]).await
}

/// A user's role in an organization.
pub async fn find_org_role(s: &mut Session, org: i64, user: i64) -> Result<Option<OrgRole>> {
    s.opt(&FIND_ORG_ROLE, &values![org, user]).await?.map(|r| r.parse(0)).transpose()
}

/// Makes a user a member, or changes their role.
pub async fn put_org_member(s: &mut Session, org: i64, user: i64, role: OrgRole, now: Timestamp) -> Result<()> {
    s.exec(&PUT_ORG_MEMBER, &values![org, user, role, now]).await.map(drop)
}

/// Ends a membership, in all groups of the organization, too; whether there was one.
pub async fn remove_org_member(s: &mut Session, org: i64, user: i64) -> Result<bool> {
    groups::remove_from_all(s, org, user).await?;
    Ok(s.exec(&REMOVE_ORG_MEMBER, &values![org, user]).await? > 0)
}

fn with_role(row: &Row) -> Result<(Namespace, OrgRole)> {
    Ok((Namespace::from_row(row, 0)?, row.parse(5)?))
}

/// The organizations that a user is a member of, with their role there, by name.
pub async fn list_orgs_of_user(s: &mut Session, user: i64) -> Result<Vec<(Namespace, OrgRole)>> {
    s.rows(&LIST_ORGS_OF_USER, &values![user]).await?.iter().map(with_role).collect()
}

/// The members of an organization, by name.
pub async fn list_members(s: &mut Session, org: i64) -> Result<Vec<(Namespace, OrgRole)>> {
    s.rows(&LIST_MEMBERS, &values![org]).await?.iter().map(with_role).collect()
}

/// An access token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Id.
    pub id: i64,
    /// The user's name for it.
    pub name: String,
    /// The secret's last four characters.
    pub hint: String,
    /// What it allows.
    pub role: TokenRole,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last seen in use, roughly.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// What a person allowed an application, if the token is the application's.
    pub grant_id: Option<i64>,
}

impl Token {
    fn from_row(row: &Row, at: usize) -> Result<Self> {
        let role = match (row.text(at + 3)?, row.opt_text(at + 4)?) {
            ("read", None) => TokenRole::Read,
            ("write", None) => TokenRole::Write,
            ("fineGrained", Some(scopes)) => TokenRole::FineGrained(
                serde_json::from_str(scopes).map_err(|e| Error::corrupt(format_args!("scopes of a token: {e}")))?,
            ),
            (other, _) => return Err(Error::corrupt(format_args!("token of role '{other}'"))),
        };
        Ok(Self {
            id: row.int(at)?,
            name: row.string(at + 1)?,
            hint: row.string(at + 2)?,
            role,
            created_at: row.time(at + 5)?,
            expires_at: row.opt_time(at + 6)?,
            last_used_at: row.opt_time(at + 7)?,
            revoked_at: row.opt_time(at + 8)?,
            grant_id: row.opt_int(at + 9)?,
        })
    }
}

/// A token to make.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// Whose.
    pub user_id: i64,
    /// The user's name for it.
    pub name: &'a str,
    /// SHA-256 of the secret.
    pub hash: &'a [u8; 32],
    /// The secret's last four characters.
    pub hint: &'a str,
    /// What it allows.
    pub role: &'a TokenRole,
    /// Now.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The grant that it is issued on, if it is an application's.
    pub grant_id: Option<i64>,
}

/// Keeps a new token; its id.
pub async fn insert_token(s: &mut Session, token: &NewToken<'_>) -> Result<i64> {
    let json = |scopes: &Vec<TokenScope>| {
        serde_json::to_string(scopes).map_err(|e| Error::corrupt(format_args!("scopes of a token: {e}")))
    };
    let scopes = match token.role {
        TokenRole::FineGrained(scopes) => Some(json(scopes)?),
        TokenRole::Read | TokenRole::Write => None,
    };
    let params = values![
        token.user_id,
        token.name,
        token.hash,
        token.hint,
        token.role.as_str(),
        scopes.as_deref(),
        token.created_at,
        token.expires_at,
        token.grant_id
    ];
    s.one(&INSERT_TOKEN, &params).await?.int(0)
}

/// A token and its user, whatever their state: the caller looks at `revoked_at`, `expires_at` and `disabled_at`.
pub async fn find_token_by_hash(s: &mut Session, hash: &[u8; 32]) -> Result<Option<(Token, User)>> {
    let row = s.opt(&FIND_TOKEN_BY_HASH, &values![hash]).await?;
    row.map(|r| Ok((Token::from_row(&r, USER_COLUMNS)?, User::from_row(&r)?))).transpose()
}

/// A user's own tokens that are not revoked, oldest first; those of applications are on their grants.
pub async fn list_tokens(s: &mut Session, user: i64) -> Result<Vec<Token>> {
    s.rows(&LIST_TOKENS, &values![user]).await?.iter().map(|r| Token::from_row(r, 0)).collect()
}

/// Makes the token of this secret end, whoever holds it; false if none does.
pub async fn revoke_token_by_hash(s: &mut Session, hash: &[u8; 32], now: Timestamp) -> Result<bool> {
    Ok(s.exec(&REVOKE_TOKEN_BY_HASH, &values![hash, now]).await? > 0)
}

/// Revokes a token; false if the user has no such token that works.
pub async fn revoke_token(s: &mut Session, user: i64, token: i64, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&REVOKE_TOKEN, &values![user, token, now]).await? > 0)
}

/// Notes that a token was used.
pub async fn touch_token(s: &mut Session, token: i64, now: Timestamp) -> Result<()> {
    s.exec(&TOUCH_TOKEN, &values![token, now]).await.map(drop)
}

/// A browser session, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserSession {
    /// Id.
    pub id: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last seen, roughly.
    pub last_seen_at: Timestamp,
}

/// Keeps a new browser session; its id.
pub async fn insert_session(
    s: &mut Session,
    hash: &[u8; 32],
    user: i64,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<i64> {
    s.one(&INSERT_SESSION, &values![hash, user, now, expires_at]).await?.int(0)
}

/// A browser session and its user, whatever their state.
pub async fn find_session_by_hash(s: &mut Session, hash: &[u8; 32]) -> Result<Option<(BrowserSession, User)>> {
    let row = s.opt(&FIND_SESSION_BY_HASH, &values![hash]).await?;
    row.map(|r| {
        let session = BrowserSession {
            id: r.int(USER_COLUMNS)?,
            created_at: r.time(USER_COLUMNS + 1)?,
            expires_at: r.time(USER_COLUMNS + 2)?,
            last_seen_at: r.time(USER_COLUMNS + 3)?,
        };
        Ok((session, User::from_row(&r)?))
    })
    .transpose()
}

/// Notes that a session was seen and moves its end.
pub async fn touch_session(s: &mut Session, session: i64, now: Timestamp, expires_at: Timestamp) -> Result<()> {
    s.exec(&TOUCH_SESSION, &values![session, now, expires_at]).await.map(drop)
}

/// Ends a session; whether there was one.
pub async fn delete_session(s: &mut Session, hash: &[u8; 32]) -> Result<bool> {
    Ok(s.exec(&DELETE_SESSION, &values![hash]).await? > 0)
}

/// Ends all sessions of a user, as after a change of password.
pub async fn delete_sessions_of_user(s: &mut Session, user: i64) -> Result<u64> {
    s.exec(&DELETE_SESSIONS_OF_USER, &values![user]).await
}

/// Removes sessions that have ended.
pub async fn delete_expired_sessions(s: &mut Session, now: Timestamp) -> Result<u64> {
    s.exec(&DELETE_EXPIRED_SESSIONS, &values![now]).await
}

/// What an invitation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitePurpose {
    /// Making the first administrator.
    Setup,
    /// Signing up.
    Signup,
}

impl InvitePurpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Signup => "signup",
        }
    }
}

/// An invitation, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Id.
    pub id: i64,
    /// What it is for.
    pub purpose: InvitePurpose,
    /// Whom it was sent to.
    pub email: Option<String>,
    /// Who invited; nobody if the operator did.
    pub created_by: Option<i64>,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who used it.
    pub used_by: Option<i64>,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl Invite {
    /// Whether it can still be used.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.expires_at > now
    }
}

/// Keeps a new invitation; its id.
pub async fn insert_invite(
    s: &mut Session,
    hash: &[u8; 32],
    purpose: InvitePurpose,
    email: Option<&str>,
    created_by: Option<i64>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<i64> {
    s.one(&INSERT_INVITE, &values![hash, purpose.as_str(), email, created_by, now, expires_at]).await?.int(0)
}

/// An invitation, whatever its state.
pub async fn find_invite_by_hash(s: &mut Session, hash: &[u8; 32]) -> Result<Option<Invite>> {
    let row = s.opt(&FIND_INVITE_BY_HASH, &values![hash]).await?;
    row.map(|r| {
        Ok(Invite {
            id: r.int(0)?,
            purpose: match r.text(1)? {
                "setup" => InvitePurpose::Setup,
                "signup" => InvitePurpose::Signup,
                other => return Err(Error::corrupt(format_args!("invitation for '{other}'"))),
            },
            email: r.opt_string(2)?,
            created_by: r.opt_int(3)?,
            created_at: r.time(4)?,
            expires_at: r.time(5)?,
            used_by: r.opt_int(6)?,
            used_at: r.opt_time(7)?,
        })
    })
    .transpose()
}

/// Uses an invitation up; true for one caller only, and only while it is open.
pub async fn use_invite(
    s: &mut Session,
    hash: &[u8; 32],
    purpose: InvitePurpose,
    user: i64,
    now: Timestamp,
) -> Result<bool> {
    Ok(s.exec(&USE_INVITE, &values![hash, purpose.as_str(), user, now]).await? == 1)
}

/// Whether somebody holds a set-up link that works.
pub async fn has_open_setup_invite(s: &mut Session, now: Timestamp) -> Result<bool> {
    s.one(&HAS_OPEN_SETUP_INVITE, &values![now]).await?.flag(0)
}

/// Ends all set-up links.
pub async fn expire_setup_invites(s: &mut Session, now: Timestamp) -> Result<u64> {
    s.exec(&EXPIRE_SETUP_INVITES, &values![now]).await
}
