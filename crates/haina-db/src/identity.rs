//! Signing in with an institution's own accounts: providers, and who is who.

use haina_types::Timestamp;

use crate::sql::{Row, statements, values};
use crate::{Result, Session};

statements! {
    PROVIDER_INSERT = point("insert into signin_provider (name, config, created_at) values ($1, $2, $3) returning id");
    PROVIDER_CHANGE = point("update signin_provider set config = $2 where name = $1");
    PROVIDER_FIND = point("select id, name, config, created_at from signin_provider where name = $1");
    PROVIDER_FIND_BY_ID = point("select id, name, config, created_at from signin_provider where id = $1");
    PROVIDER_LIST = point("select id, name, config, created_at from signin_provider order by id");
    PROVIDER_DELETE = point("delete from signin_provider where name = $1");

    IDENTITY_INSERT = point(
        "insert into identity (provider_id, subject, user_id, label, created_at, last_used_at) values ($1, $2, $3, $4, $5, $5)"
    );
    IDENTITY_FIND = point(
        "select i.id, i.provider_id, p.name, i.subject, i.user_id, i.label, i.created_at, i.last_used_at
         from identity i join signin_provider p on p.id = i.provider_id where i.provider_id = $1 and i.subject = $2"
    );
    IDENTITY_LIST = point(
        "select i.id, i.provider_id, p.name, i.subject, i.user_id, i.label, i.created_at, i.last_used_at
         from identity i join signin_provider p on p.id = i.provider_id where i.user_id = $1 order by i.id"
    );
    IDENTITY_TOUCH = point("update identity set last_used_at = $2, label = $3 where id = $1");
    IDENTITY_DELETE = point("delete from identity where id = $2 and user_id = $1");

    PENDING_INSERT = point(
        "insert into identity_pending (hash, provider_id, claims, created_at, expires_at) values ($1, $2, $3, $4, $5)"
    );
    PENDING_FIND = point("select provider_id, claims, expires_at from identity_pending where hash = $1");
    PENDING_TAKE = point("delete from identity_pending where hash = $1");
    PENDING_EXPIRE = long("delete from identity_pending where expires_at < $1");
}

/// Who vouches for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its row.
    pub id: i64,
    /// Its name in addresses.
    pub name: String,
    /// How it is asked, as JSON.
    pub config: String,
    /// Since when.
    pub created_at: Timestamp,
}

fn provider(row: &Row) -> Result<Provider> {
    Ok(Provider { id: row.int(0)?, name: row.string(1)?, config: row.string(2)?, created_at: row.time(3)? })
}

/// Keeps a provider. [`crate::Error::Conflict`] says that the name is taken.
pub async fn insert_provider(s: &mut Session, name: &str, config: &str, now: Timestamp) -> Result<i64> {
    s.one(&PROVIDER_INSERT, &values![name, config, now]).await?.int(0)
}

/// Changes how a provider is asked; whether there is one.
pub async fn change_provider(s: &mut Session, name: &str, config: &str) -> Result<bool> {
    Ok(s.exec(&PROVIDER_CHANGE, &values![name, config]).await? > 0)
}

/// By name.
pub async fn find_provider(s: &mut Session, name: &str) -> Result<Option<Provider>> {
    s.opt(&PROVIDER_FIND, &values![name]).await?.map(|r| provider(&r)).transpose()
}

/// By row.
pub async fn find_provider_by_id(s: &mut Session, id: i64) -> Result<Option<Provider>> {
    s.opt(&PROVIDER_FIND_BY_ID, &values![id]).await?.map(|r| provider(&r)).transpose()
}

/// All of them, oldest first: an operator keeps a handful.
pub async fn list_providers(s: &mut Session) -> Result<Vec<Provider>> {
    s.rows(&PROVIDER_LIST, &[]).await?.iter().map(provider).collect()
}

/// Forgets a provider and whom it vouched for; whether there was one.
pub async fn delete_provider(s: &mut Session, name: &str) -> Result<bool> {
    Ok(s.exec(&PROVIDER_DELETE, &values![name]).await? > 0)
}

/// Somebody at a provider, and their account here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its row.
    pub id: i64,
    /// Who vouches.
    pub provider_id: i64,
    /// Its name.
    pub provider: String,
    /// Who they are there; never changes.
    pub subject: String,
    /// Their account here.
    pub user_id: i64,
    /// What they are called there.
    pub label: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When they last came this way.
    pub last_used_at: Timestamp,
}

fn identity(row: &Row) -> Result<Identity> {
    Ok(Identity {
        id: row.int(0)?,
        provider_id: row.int(1)?,
        provider: row.string(2)?,
        subject: row.string(3)?,
        user_id: row.int(4)?,
        label: row.string(5)?,
        created_at: row.time(6)?,
        last_used_at: row.time(7)?,
    })
}

/// Says whose account somebody's is. [`crate::Error::Conflict`] says that it was said before.
pub async fn insert_identity(
    s: &mut Session,
    provider: i64,
    subject: &str,
    user: i64,
    label: &str,
    now: Timestamp,
) -> Result<()> {
    s.exec(&IDENTITY_INSERT, &values![provider, subject, user, label, now]).await.map(drop)
}

/// By who they are there.
pub async fn find_identity(s: &mut Session, provider: i64, subject: &str) -> Result<Option<Identity>> {
    s.opt(&IDENTITY_FIND, &values![provider, subject]).await?.map(|r| identity(&r)).transpose()
}

/// By which ways a user comes in, oldest first.
pub async fn list_identities(s: &mut Session, user: i64) -> Result<Vec<Identity>> {
    s.rows(&IDENTITY_LIST, &values![user]).await?.iter().map(identity).collect()
}

/// Notes that somebody came this way, and what they are called there now.
pub async fn touch_identity(s: &mut Session, id: i64, now: Timestamp, label: &str) -> Result<()> {
    s.exec(&IDENTITY_TOUCH, &values![id, now, label]).await.map(drop)
}

/// Ends one of a user's ways in; whether it was theirs.
pub async fn delete_identity(s: &mut Session, user: i64, id: i64) -> Result<bool> {
    Ok(s.exec(&IDENTITY_DELETE, &values![user, id]).await? > 0)
}

/// Somebody whom a provider vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Who vouched.
    pub provider_id: i64,
    /// For whom, as JSON.
    pub claims: String,
    /// How long that counts.
    pub expires_at: Timestamp,
}

/// Keeps somebody until they say which account is theirs.
pub async fn insert_pending(
    s: &mut Session,
    hash: &[u8; 32],
    provider: i64,
    claims: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    s.exec(&PENDING_INSERT, &values![hash, provider, claims, now, expires_at]).await.map(drop)
}

/// Whom a browser brought, whatever their state.
pub async fn find_pending(s: &mut Session, hash: &[u8; 32]) -> Result<Option<Pending>> {
    let row = s.opt(&PENDING_FIND, &values![hash]).await?;
    row.map(|r| Ok(Pending { provider_id: r.int(0)?, claims: r.string(1)?, expires_at: r.time(2)? })).transpose()
}

/// They said it; true for one caller only.
pub async fn take_pending(s: &mut Session, hash: &[u8; 32]) -> Result<bool> {
    Ok(s.exec(&PENDING_TAKE, &values![hash]).await? == 1)
}

/// Forgets those who never said.
pub async fn delete_expired_pending(s: &mut Session, now: Timestamp) -> Result<u64> {
    s.exec(&PENDING_EXPIRE, &values![now]).await
}
