//! Variables and secrets of spaces. The values of secrets come and go sealed.

use haina_types::Timestamp;

use crate::secrets::Sealed;
use crate::sql::{Row, statements, values};
use crate::{Result, Session};

statements! {
    PUT = point(
        "insert into space_setting (repo_id, key, secret, value, description, updated_at) values ($1, $2, $3, $4, $5, $6)
         on conflict (repo_id, key) do update set value = excluded.value, updated_at = excluded.updated_at,
             description = coalesce(excluded.description, space_setting.description)"
    );
    FIND_SORT = point("select secret from space_setting where repo_id = $1 and key = $2");
    COUNT = point("select count(*) from space_setting where repo_id = $1");
    LIST = point(
        "select key, value, description, updated_at from space_setting where repo_id = $1 and secret = $2 order by key"
    );
    DELETE = point("delete from space_setting where repo_id = $1 and key = $2 and secret = $3");
    LIST_SECRETS = long(
        "select id, cast(repo_id as text) || '/' || key, value from space_setting where id > $1 and secret = 1
         order by id limit $2"
    );
    PUT_SECRET = point("update space_setting set value = $2 where id = $1");
    DELETE_SECRET = point("delete from space_setting where id = $1");
}

/// A variable, or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub key: String,
    /// Its value; sealed if it is a secret.
    pub value: String,
    /// What it is for.
    pub description: Option<String>,
    /// When it was last set.
    pub updated_at: Timestamp,
}

fn setting(row: &Row) -> Result<Setting> {
    Ok(Setting {
        key: row.string(0)?,
        value: row.string(1)?,
        description: row.opt_string(2)?,
        updated_at: row.time(3)?,
    })
}

/// Sets a variable or a secret. A description that is not given stays as it was.
pub async fn put(
    s: &mut Session,
    repo: i64,
    is_secret: bool,
    key: &str,
    value: &str,
    description: Option<&str>,
    now: Timestamp,
) -> Result<()> {
    s.exec(&PUT, &values![repo, key, is_secret, value, description, now]).await.map(drop)
}

/// Whether this key is one of a secret; none if the space has no such key.
pub async fn is_secret(s: &mut Session, repo: i64, key: &str) -> Result<Option<bool>> {
    s.opt(&FIND_SORT, &values![repo, key]).await?.map(|r| r.flag(0)).transpose()
}

/// How many variables and secrets a space has.
pub async fn count(s: &mut Session, repo: i64) -> Result<u64> {
    s.one(&COUNT, &values![repo]).await?.size(0)
}

/// A space's variables or its secrets, by key.
pub async fn list(s: &mut Session, repo: i64, secrets: bool) -> Result<Vec<Setting>> {
    s.rows(&LIST, &values![repo, secrets]).await?.iter().map(setting).collect()
}

/// Takes a variable or a secret away; whether there was one.
pub async fn delete(s: &mut Session, repo: i64, is_secret: bool, key: &str) -> Result<bool> {
    Ok(s.exec(&DELETE, &values![repo, key, is_secret]).await? > 0)
}

/// Secrets of spaces above `after`, in order.
pub async fn list_secrets(s: &mut Session, after: i64, limit: usize) -> Result<Vec<Sealed>> {
    let rows = s.rows(&LIST_SECRETS, &values![after, limit]).await?;
    rows.iter().map(|r| Ok(Sealed { id: r.int(0)?, name: r.string(1)?, text: r.string(2)? })).collect()
}

/// Changes the sealed text of a secret, or forgets the secret.
pub async fn put_secret(s: &mut Session, id: i64, text: Option<&str>) -> Result<()> {
    match text {
        Some(text) => s.exec(&PUT_SECRET, &values![id, text]).await.map(drop),
        None => s.exec(&DELETE_SECRET, &values![id]).await.map(drop),
    }
}
