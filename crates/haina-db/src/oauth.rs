//! The hub as a provider of OAuth 2: applications, what people allowed them, and codes on their way.

use haina_types::Timestamp;

use crate::sql::{Row, statements, values};
use crate::{Error, Result, Session};

/// How a secret is kept.
pub type Hash = [u8; 32];

macro_rules! client_columns {
    () => {
        "c.id, c.client_id, c.name, c.redirect_uris, c.scope, c.secret_hash, c.device, c.owner_id, c.created_at"
    };
}
const CLIENT_COLUMNS: usize = 9;

statements! {
    CLIENT_INSERT = point(
        "insert into oauth_client (client_id, name, redirect_uris, scope, secret_hash, device, owner_id, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) returning id"
    );
    CLIENT_FIND = point(concat!("select ", client_columns!(), " from oauth_client c where c.client_id = $1"));
    CLIENT_FIND_BY_ID = point(concat!("select ", client_columns!(), " from oauth_client c where c.id = $1"));
    CLIENT_LIST = point(concat!("select ", client_columns!(), " from oauth_client c where c.owner_id = $1 order by c.id"));
    CLIENT_LIST_ALL = long(concat!("select ", client_columns!(), " from oauth_client c where c.id > $1 order by c.id limit $2"));
    CLIENT_DELETE = point("delete from oauth_client where client_id = $1");
    CLIENT_SECRET = point("update oauth_client set secret_hash = $2 where client_id = $1 and secret_hash is not null");

    GRANT_INSERT = point(
        "insert into oauth_grant (client_id, user_id, scope, created_at, expires_at) values ($1, $2, $3, $4, $5) returning id"
    );
    GRANT_EXTEND = point(
        "update oauth_grant set expires_at = $2 where id = $1 and expires_at < $2"
    );
    GRANT_FIND = point(concat!(
        "select g.id, g.user_id, g.scope, g.created_at, g.expires_at, g.revoked_at, ", client_columns!(),
        " from oauth_grant g join oauth_client c on c.id = g.client_id where g.id = $1"
    ));
    GRANT_LIST = point(concat!(
        "select g.id, g.user_id, g.scope, g.created_at, g.expires_at, g.revoked_at, ", client_columns!(), ",
             (select max(t.last_used_at) from token t where t.grant_id = g.id)
         from oauth_grant g join oauth_client c on c.id = g.client_id
         where g.user_id = $1 and g.revoked_at is null and g.expires_at > $2 order by g.id desc limit $3"
    ));
    GRANT_END = point("update oauth_grant set revoked_at = $2 where id = $1 and revoked_at is null");
    GRANT_END_TOKENS = point("update token set revoked_at = $2 where grant_id = $1 and revoked_at is null");
    GRANT_SHORTEN_TOKENS = point("update token set expires_at = $2 where grant_id = $1 and expires_at > $2");
    GRANTS_END_OLDEST = point(
        "select id from oauth_grant where user_id = $1 and revoked_at is null and expires_at > $2 order by id desc limit 1 offset $3"
    );
    CLIENT_END_TOKENS = point(
        "update token set revoked_at = $2 where revoked_at is null and grant_id in (select id from oauth_grant where client_id = $1)"
    );

    REFRESH_INSERT = point("insert into oauth_refresh (hash, grant_id, created_at, expires_at) values ($1, $2, $3, $4)");
    REFRESH_FIND = point("select grant_id, expires_at, used_at from oauth_refresh where hash = $1");
    REFRESH_USE = point("update oauth_refresh set used_at = $2 where hash = $1 and used_at is null");

    CODE_INSERT = point(
        "insert into oauth_code (hash, client_id, user_id, redirect_uri, scope, challenge, nonce, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    CODE_FIND = point(concat!(
        "select o.user_id, o.redirect_uri, o.scope, o.challenge, o.nonce, o.created_at, o.expires_at, o.grant_id, ",
        client_columns!(), " from oauth_code o join oauth_client c on c.id = o.client_id where o.hash = $1"
    ));
    CODE_USE = point("update oauth_code set grant_id = $2 where hash = $1 and grant_id is null");

    DEVICE_INSERT = point(
        "insert into oauth_device (hash, user_code_hash, client_id, scope, agent, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7)"
    );
    DEVICE_COUNT = point("select count(*) from oauth_device where expires_at > $1");
    DEVICE_FIND = point(concat!(
        "select d.id, d.scope, d.agent, d.created_at, d.expires_at, d.user_id, d.approved, ", client_columns!(),
        " from oauth_device d join oauth_client c on c.id = d.client_id where d.hash = $1"
    ));
    DEVICE_FIND_BY_CODE = point(concat!(
        "select d.id, d.scope, d.agent, d.created_at, d.expires_at, d.user_id, d.approved, ", client_columns!(),
        " from oauth_device d join oauth_client c on c.id = d.client_id where d.user_code_hash = $1"
    ));
    DEVICE_DECIDE = point(
        "update oauth_device set user_id = $2, approved = $3, scope = $4 where id = $1 and approved is null and expires_at > $5"
    );
    DEVICE_POLL = point(
        "update oauth_device set polled_at = $2 where id = $1 and (polled_at is null or polled_at <= $3)"
    );
    DEVICE_TAKE = point("delete from oauth_device where id = $1 and approved is not null");

    PUBLISHER_INSERT = point(
        "insert into publisher (grant_id, repo_id, issuer, subject, created_at) values ($1, $2, $3, $4, $5)"
    );
    PUBLISHER_LIST = point(
        "select p.grant_id, p.issuer, p.subject from publisher p join oauth_grant g on g.id = p.grant_id
         where p.repo_id = $1 and g.revoked_at is null order by p.id"
    );

    EXPIRE_DEVICES = long("delete from oauth_device where expires_at < $1");
    EXPIRE_CODES = long("delete from oauth_code where expires_at < $1");
    EXPIRE_GRANTS = long("delete from oauth_grant where expires_at < $1");
    EXPIRE_TOKENS = long("delete from token where grant_id is not null and expires_at < $1");
}

/// An application that may ask people for access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its row.
    pub id: i64,
    /// What it calls itself by.
    pub client_id: String,
    /// Its name for people.
    pub name: String,
    /// Where it may be answered, each to the letter.
    pub redirect_uris: Vec<String>,
    /// What it gets when it asks for nothing in particular.
    pub scope: String,
    /// Of its secret; a public application has none.
    pub secret_hash: Option<Vec<u8>>,
    /// Whether it may ask through the device flow.
    pub device: bool,
    /// Who made it; nobody if the operator did.
    pub owner_id: Option<i64>,
    /// When.
    pub created_at: Timestamp,
}

impl Client {
    fn from_row(row: &Row, at: usize) -> Result<Self> {
        Ok(Self {
            id: row.int(at)?,
            client_id: row.string(at + 1)?,
            name: row.string(at + 2)?,
            redirect_uris: serde_json::from_str(row.text(at + 3)?)
                .map_err(|e| Error::corrupt(format_args!("addresses of an application: {e}")))?,
            scope: row.string(at + 4)?,
            secret_hash: row.opt_bytes(at + 5)?.map(<[u8]>::to_vec),
            device: row.flag(at + 6)?,
            owner_id: row.opt_int(at + 7)?,
            created_at: row.time(at + 8)?,
        })
    }
}

/// An application to register.
#[derive(Debug, Clone)]
pub struct NewClient<'a> {
    /// What it calls itself by.
    pub client_id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// Where it may be answered.
    pub redirect_uris: &'a [String],
    /// What it gets when it asks for nothing in particular.
    pub scope: &'a str,
    /// Of its secret, if it can keep one.
    pub secret_hash: Option<&'a Hash>,
    /// Whether it may ask through the device flow.
    pub device: bool,
    /// Who makes it.
    pub owner_id: Option<i64>,
    /// Now.
    pub created_at: Timestamp,
}

/// Registers an application; its row.
pub async fn insert_client(s: &mut Session, new: &NewClient<'_>) -> Result<i64> {
    let uris = serde_json::to_string(new.redirect_uris)
        .map_err(|e| Error::corrupt(format_args!("addresses of an application: {e}")))?;
    let params =
        values![new.client_id, new.name, &uris, new.scope, new.secret_hash, new.device, new.owner_id, new.created_at];
    s.one(&CLIENT_INSERT, &params).await?.int(0)
}

/// By what it calls itself.
pub async fn find_client(s: &mut Session, client_id: &str) -> Result<Option<Client>> {
    s.opt(&CLIENT_FIND, &values![client_id]).await?.map(|r| Client::from_row(&r, 0)).transpose()
}

/// By row.
pub async fn find_client_by_id(s: &mut Session, id: i64) -> Result<Option<Client>> {
    s.opt(&CLIENT_FIND_BY_ID, &values![id]).await?.map(|r| Client::from_row(&r, 0)).transpose()
}

/// The applications that a user made, oldest first.
pub async fn list_clients_of(s: &mut Session, owner: i64) -> Result<Vec<Client>> {
    s.rows(&CLIENT_LIST, &values![owner]).await?.iter().map(|r| Client::from_row(r, 0)).collect()
}

/// Every application after a row, in order.
pub async fn list_clients(s: &mut Session, after: i64, limit: usize) -> Result<Vec<Client>> {
    s.rows(&CLIENT_LIST_ALL, &values![after, limit]).await?.iter().map(|r| Client::from_row(r, 0)).collect()
}

/// Removes an application with all that was issued to it; its access tokens stay as rows that say when they ended only
/// for the length of this transaction.
pub async fn delete_client(s: &mut Session, client: &Client, now: Timestamp) -> Result<bool> {
    s.exec(&CLIENT_END_TOKENS, &values![client.id, now]).await?;
    Ok(s.exec(&CLIENT_DELETE, &values![&client.client_id]).await? > 0)
}

/// Replaces the secret of an application that has one.
pub async fn set_client_secret(s: &mut Session, client_id: &str, hash: &Hash) -> Result<bool> {
    Ok(s.exec(&CLIENT_SECRET, &values![client_id, hash]).await? > 0)
}

/// What a person allowed an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Its row.
    pub id: i64,
    /// Who allowed it.
    pub user_id: i64,
    /// What.
    pub scope: String,
    /// When.
    pub created_at: Timestamp,
    /// When the last of what was issued on it ends.
    pub expires_at: Timestamp,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// To whom.
    pub client: Client,
}

const GRANT_COLUMNS: usize = 6;

impl Grant {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            user_id: row.int(1)?,
            scope: row.string(2)?,
            created_at: row.time(3)?,
            expires_at: row.time(4)?,
            revoked_at: row.opt_time(5)?,
            client: Client::from_row(row, GRANT_COLUMNS)?,
        })
    }
}

/// Notes what a person allows an application; its row.
pub async fn insert_grant(
    s: &mut Session,
    client: i64,
    user: i64,
    scope: &str,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<i64> {
    s.one(&GRANT_INSERT, &values![client, user, scope, now, expires_at]).await?.int(0)
}

/// Something that ends later was issued on a grant.
pub async fn extend_grant(s: &mut Session, grant: i64, expires_at: Timestamp) -> Result<()> {
    s.exec(&GRANT_EXTEND, &values![grant, expires_at]).await.map(drop)
}

/// A grant, whatever its state.
pub async fn find_grant(s: &mut Session, id: i64) -> Result<Option<Grant>> {
    s.opt(&GRANT_FIND, &values![id]).await?.map(|r| Grant::from_row(&r)).transpose()
}

/// What a person allows at present, newest first, with when it was last used.
pub async fn list_grants(
    s: &mut Session,
    user: i64,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(Grant, Option<Timestamp>)>> {
    let rows = s.rows(&GRANT_LIST, &values![user, now, limit]).await?;
    rows.iter().map(|r| Ok((Grant::from_row(r)?, r.opt_time(GRANT_COLUMNS + CLIENT_COLUMNS)?))).collect()
}

/// The grant of a user that is older than `newest` others, if there are so many.
pub async fn find_surplus_grant(s: &mut Session, user: i64, now: Timestamp, newest: usize) -> Result<Option<i64>> {
    s.opt(&GRANTS_END_OLDEST, &values![user, now, newest]).await?.map(|r| r.int(0)).transpose()
}

/// Ends a grant and all its tokens; whether it was not ended yet.
pub async fn end_grant(s: &mut Session, grant: i64, now: Timestamp) -> Result<bool> {
    s.exec(&GRANT_END_TOKENS, &values![grant, now]).await?;
    Ok(s.exec(&GRANT_END, &values![grant, now]).await? > 0)
}

/// Lets the access tokens of a grant end no later than this.
pub async fn shorten_tokens(s: &mut Session, grant: i64, until: Timestamp) -> Result<()> {
    s.exec(&GRANT_SHORTEN_TOKENS, &values![grant, until]).await.map(drop)
}

/// A refresh token, without its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refresh {
    /// Of which grant.
    pub grant_id: i64,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

/// Keeps a refresh token.
pub async fn insert_refresh(
    s: &mut Session,
    hash: &Hash,
    grant: i64,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<()> {
    s.exec(&REFRESH_INSERT, &values![hash, grant, now, expires_at]).await.map(drop)
}

/// A refresh token, whatever its state.
pub async fn find_refresh(s: &mut Session, hash: &Hash) -> Result<Option<Refresh>> {
    let row = s.opt(&REFRESH_FIND, &values![hash]).await?;
    row.map(|r| Ok(Refresh { grant_id: r.int(0)?, expires_at: r.time(1)?, used_at: r.opt_time(2)? })).transpose()
}

/// Uses a refresh token up; true for one caller only.
pub async fn use_refresh(s: &mut Session, hash: &Hash, now: Timestamp) -> Result<bool> {
    Ok(s.exec(&REFRESH_USE, &values![hash, now]).await? == 1)
}

/// An authorization code, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Who agreed.
    pub user_id: i64,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// To what they agreed.
    pub scope: String,
    /// The PKCE challenge, SHA-256 in base64url.
    pub challenge: Option<String>,
    /// What the application wants to see again in its id token.
    pub nonce: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The grant that it became.
    pub grant_id: Option<i64>,
    /// Whose it is.
    pub client: Client,
}

/// An authorization code to keep.
#[derive(Debug, Clone)]
pub struct NewCode<'a> {
    /// Of its secret.
    pub hash: &'a Hash,
    /// Whose it is.
    pub client_id: i64,
    /// Who agreed.
    pub user_id: i64,
    /// Where it is sent.
    pub redirect_uri: &'a str,
    /// To what they agreed.
    pub scope: &'a str,
    /// The PKCE challenge.
    pub challenge: Option<&'a str>,
    /// For the id token.
    pub nonce: Option<&'a str>,
    /// Now.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Keeps an authorization code.
pub async fn insert_code(s: &mut Session, new: &NewCode<'_>) -> Result<()> {
    let params = values![
        new.hash,
        new.client_id,
        new.user_id,
        new.redirect_uri,
        new.scope,
        new.challenge,
        new.nonce,
        new.created_at,
        new.expires_at
    ];
    s.exec(&CODE_INSERT, &params).await.map(drop)
}

/// An authorization code, whatever its state.
pub async fn find_code(s: &mut Session, hash: &Hash) -> Result<Option<Code>> {
    let row = s.opt(&CODE_FIND, &values![hash]).await?;
    row.map(|r| {
        Ok(Code {
            user_id: r.int(0)?,
            redirect_uri: r.string(1)?,
            scope: r.string(2)?,
            challenge: r.opt_string(3)?,
            nonce: r.opt_string(4)?,
            created_at: r.time(5)?,
            expires_at: r.time(6)?,
            grant_id: r.opt_int(7)?,
            client: Client::from_row(&r, 8)?,
        })
    })
    .transpose()
}

/// Uses a code up by the grant that it becomes; true for one caller only.
pub async fn use_code(s: &mut Session, hash: &Hash, grant: i64) -> Result<bool> {
    Ok(s.exec(&CODE_USE, &values![hash, grant]).await? == 1)
}

/// A machine that waits for somebody to approve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its row.
    pub id: i64,
    /// What it asks for; once approved, what it was given.
    pub scope: String,
    /// What it says of itself.
    pub agent: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
    /// Who decided.
    pub user_id: Option<i64>,
    /// How; undecided when absent.
    pub approved: Option<bool>,
    /// The application.
    pub client: Client,
}

impl Device {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.int(0)?,
            scope: row.string(1)?,
            agent: row.string(2)?,
            created_at: row.time(3)?,
            expires_at: row.time(4)?,
            user_id: row.opt_int(5)?,
            approved: row.opt_int(6)?.map(|v| v != 0),
            client: Client::from_row(row, 7)?,
        })
    }
}

/// A machine that begins to wait.
#[derive(Debug, Clone)]
pub struct NewDevice<'a> {
    /// Of what the machine holds.
    pub hash: &'a Hash,
    /// Of what the person types.
    pub user_code_hash: &'a Hash,
    /// The application.
    pub client_id: i64,
    /// What it asks for.
    pub scope: &'a str,
    /// What it says of itself.
    pub agent: &'a str,
    /// Now.
    pub created_at: Timestamp,
    /// When it gives up.
    pub expires_at: Timestamp,
}

/// Notes a machine that waits. [`Error::Conflict`] says that the short code is in use.
pub async fn insert_device(s: &mut Session, new: &NewDevice<'_>) -> Result<()> {
    let params =
        values![new.hash, new.user_code_hash, new.client_id, new.scope, new.agent, new.created_at, new.expires_at];
    s.exec(&DEVICE_INSERT, &params).await.map(drop)
}

/// How many machines wait.
pub async fn count_devices(s: &mut Session, now: Timestamp) -> Result<u64> {
    s.one(&DEVICE_COUNT, &values![now]).await?.size(0)
}

/// By what the machine holds.
pub async fn find_device(s: &mut Session, hash: &Hash) -> Result<Option<Device>> {
    s.opt(&DEVICE_FIND, &values![hash]).await?.map(|r| Device::from_row(&r)).transpose()
}

/// By what the person typed.
pub async fn find_device_by_code(s: &mut Session, user_code_hash: &Hash) -> Result<Option<Device>> {
    s.opt(&DEVICE_FIND_BY_CODE, &values![user_code_hash]).await?.map(|r| Device::from_row(&r)).transpose()
}

/// Decides; true for one caller only, and only while it waits.
pub async fn decide_device(
    s: &mut Session,
    device: i64,
    user: i64,
    approved: bool,
    scope: &str,
    now: Timestamp,
) -> Result<bool> {
    Ok(s.exec(&DEVICE_DECIDE, &values![device, user, approved, scope, now]).await? == 1)
}

/// Notes that a machine asked; false if it did so after `before` already.
pub async fn poll_device(s: &mut Session, device: i64, now: Timestamp, before: Timestamp) -> Result<bool> {
    Ok(s.exec(&DEVICE_POLL, &values![device, now, before]).await? == 1)
}

/// Takes a machine that was decided about off the list; true for one caller only.
pub async fn take_device(s: &mut Session, device: i64) -> Result<bool> {
    Ok(s.exec(&DEVICE_TAKE, &values![device]).await? == 1)
}

/// Which jobs may publish to a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// The grant that their tokens stand on.
    pub grant_id: i64,
    /// Who signs the statements.
    pub issuer: String,
    /// About whom.
    pub subject: String,
}

/// Lets jobs publish to a repository.
pub async fn insert_publisher(
    s: &mut Session,
    grant: i64,
    repo: i64,
    issuer: &str,
    subject: &str,
    now: Timestamp,
) -> Result<()> {
    s.exec(&PUBLISHER_INSERT, &values![grant, repo, issuer, subject, now]).await.map(drop)
}

/// Which jobs may publish to a repository, oldest rule first.
pub async fn list_publishers(s: &mut Session, repo: i64) -> Result<Vec<Publisher>> {
    let rows = s.rows(&PUBLISHER_LIST, &values![repo]).await?;
    rows.iter().map(|r| Ok(Publisher { grant_id: r.int(0)?, issuer: r.string(1)?, subject: r.string(2)? })).collect()
}

/// Removes what ended before.
pub async fn delete_expired(s: &mut Session, before: Timestamp) -> Result<()> {
    for sql in [&EXPIRE_DEVICES, &EXPIRE_CODES, &EXPIRE_TOKENS, &EXPIRE_GRANTS] {
        s.exec(sql, &values![before]).await?;
    }
    Ok(())
}
