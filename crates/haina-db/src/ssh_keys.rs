//! Public keys by which people are known at the SSH door.

use haina_types::Timestamp;

use crate::people::{USER_COLUMNS, User, user_columns};
use crate::sql::{Row, statements, values};
use crate::{Error, Result, Session};

macro_rules! key_columns {
    () => {
        "k.id, k.user_id, k.name, k.kind, k.fingerprint, k.created_at, k.last_used_at"
    };
}

statements! {
    INSERT_SSH_KEY = point(
        "insert into ssh_key (user_id, name, kind, fingerprint, key, created_at)
         values ($1, $2, $3, $4, $5, $6) returning id"
    );
    FIND_SSH_KEY = point(concat!(
        "select ", user_columns!(), ", ", key_columns!(), "
         from ssh_key k join account a on a.user_id = k.user_id join namespace n on n.id = k.user_id
         where k.fingerprint = $1"
    ));
    FIND_SSH_KEY_BY_ID = point(concat!(
        "select ", user_columns!(), ", ", key_columns!(), "
         from ssh_key k join account a on a.user_id = k.user_id join namespace n on n.id = k.user_id
         where k.id = $1"
    ));
    LIST_SSH_KEYS = point(concat!("select ", key_columns!(), " from ssh_key k where k.user_id = $1 order by k.id"));
    DELETE_SSH_KEY = point("delete from ssh_key where id = $2 and user_id = $1");
    TOUCH_SSH_KEY = point("update ssh_key set last_used_at = $2 where id = $1");
}

/// A public key of somebody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshKey {
    /// Its id.
    pub id: i64,
    /// Whose.
    pub user_id: i64,
    /// The user's name for it.
    pub name: String,
    /// The algorithm, as SSH names it.
    pub kind: String,
    /// SHA-256 of the key as SSH writes it on the wire.
    pub fingerprint: [u8; 32],
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last seen in use, roughly.
    pub last_used_at: Option<Timestamp>,
}

impl SshKey {
    fn from_row(row: &Row, at: usize) -> Result<Self> {
        Ok(Self {
            id: row.int(at)?,
            user_id: row.int(at + 1)?,
            name: row.string(at + 2)?,
            kind: row.string(at + 3)?,
            fingerprint: row
                .bytes(at + 4)?
                .try_into()
                .map_err(|_| Error::corrupt(format_args!("fingerprint of an SSH key has not 32 bytes")))?,
            created_at: row.time(at + 5)?,
            last_used_at: row.opt_time(at + 6)?,
        })
    }
}

/// A key to keep.
#[derive(Debug, Clone)]
pub struct NewSshKey<'a> {
    /// Whose.
    pub user_id: i64,
    /// The user's name for it.
    pub name: &'a str,
    /// The algorithm, as SSH names it.
    pub kind: &'a str,
    /// SHA-256 of the key.
    pub fingerprint: &'a [u8; 32],
    /// The key as SSH writes it on the wire.
    pub key: &'a [u8],
    /// Now.
    pub created_at: Timestamp,
}

/// Keeps a new key; its id. [`Error::Conflict`] says that the key is somebody's already.
pub async fn insert_ssh_key(s: &mut Session, key: &NewSshKey<'_>) -> Result<i64> {
    let params = values![key.user_id, key.name, key.kind, key.fingerprint, key.key, key.created_at];
    s.one(&INSERT_SSH_KEY, &params).await?.int(0)
}

fn with_user(row: &Row) -> Result<(SshKey, User)> {
    Ok((SshKey::from_row(row, USER_COLUMNS)?, User::from_row(row)?))
}

/// A key and its user, whatever the user's state: the caller looks at `disabled_at`.
pub async fn find_ssh_key(s: &mut Session, fingerprint: &[u8; 32]) -> Result<Option<(SshKey, User)>> {
    s.opt(&FIND_SSH_KEY, &values![fingerprint]).await?.as_ref().map(with_user).transpose()
}

/// The same by id.
pub async fn find_ssh_key_by_id(s: &mut Session, id: i64) -> Result<Option<(SshKey, User)>> {
    s.opt(&FIND_SSH_KEY_BY_ID, &values![id]).await?.as_ref().map(with_user).transpose()
}

/// A user's keys, oldest first.
pub async fn list_ssh_keys(s: &mut Session, user: i64) -> Result<Vec<SshKey>> {
    s.rows(&LIST_SSH_KEYS, &values![user]).await?.iter().map(|r| SshKey::from_row(r, 0)).collect()
}

/// Forgets a key; false if the user has no such key.
pub async fn delete_ssh_key(s: &mut Session, user: i64, key: i64) -> Result<bool> {
    Ok(s.exec(&DELETE_SSH_KEY, &values![user, key]).await? > 0)
}

/// Notes that a key was used.
pub async fn touch_ssh_key(s: &mut Session, key: i64, now: Timestamp) -> Result<()> {
    s.exec(&TOUCH_SSH_KEY, &values![key, now]).await.map(drop)
}
