//! The hub's own facts and its operator's settings.

use crate::sql::{statements, values};
use crate::{Result, Session};

statements! {
    FIND_META = point("select value from meta where key = $1");
    GET_OR_INSERT = point(
        "insert into meta (key, value) values ($1, $2) on conflict (key) do update set key = excluded.key returning value"
    );
    FIND_SETTING = point("select value from setting where key = $1");
    PUT_SETTING = point(
        "insert into setting (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value"
    );
    DELETE_SETTING = point("delete from setting where key = $1");
    LIST_SETTINGS = point("select key, value from setting order by key");
}

/// A fact of this hub, such as its store's id.
pub async fn find_meta(s: &mut Session, key: &str) -> Result<Option<Vec<u8>>> {
    s.opt(&FIND_META, &values![key]).await?.map(|mut r| r.take_bytes(0)).transpose()
}

/// A fact of this hub that is decided once: what is kept, or `value`, which is kept from now on. Replicas that start
/// at the same time agree.
pub async fn get_or_insert(s: &mut Session, key: &str, value: &[u8]) -> Result<Vec<u8>> {
    s.one(&GET_OR_INSERT, &values![key, value]).await?.take_bytes(0)
}

/// A setting's JSON text.
pub async fn find_setting(s: &mut Session, key: &str) -> Result<Option<String>> {
    s.opt(&FIND_SETTING, &values![key]).await?.map(|r| r.string(0)).transpose()
}

/// Changes a setting; `value` is JSON.
pub async fn put_setting(s: &mut Session, key: &str, value: &str) -> Result<()> {
    s.exec(&PUT_SETTING, &values![key, value]).await.map(drop)
}

/// Returns a setting to its default.
pub async fn delete_setting(s: &mut Session, key: &str) -> Result<bool> {
    Ok(s.exec(&DELETE_SETTING, &values![key]).await? > 0)
}

/// All settings that differ from their defaults: key and JSON text.
pub async fn list_settings(s: &mut Session) -> Result<Vec<(String, String)>> {
    s.rows(&LIST_SETTINGS, &[]).await?.iter().map(|r| Ok((r.string(0)?, r.string(1)?))).collect()
}
