//! What rests sealed, wherever it is: which key counts, and the walks by which all of it is sealed anew.

use crate::sql::{statements, values};
use crate::{Result, Session};

statements! {
    // Whoever seals holds this row until the end of their transaction, so that a change of the key, which writes it first,
    // leaves nobody behind who still seals with the old one. SQLite has one writer at a time anyway.
    CURRENT = pair(
        "select value from meta where key = 'secrets.check'",
        "select value from meta where key = 'secrets.check' for share"
    );
    PUT_META = point("update meta set value = $2 where key = $1");
    DELETE_META = point("delete from meta where key = $1");
    LIST_WEBHOOKS = long(
        "select id, public_id, secret from webhook where id > $1 and secret is not null order by id limit $2"
    );
    PUT_WEBHOOK = point("update webhook set secret = $2 where id = $1");
}

/// The name of the fact that says which key seals.
pub const CHECK: &str = "secrets.check";

/// What says which key seals, held until the transaction ends.
pub async fn current(s: &mut Session) -> Result<Option<Vec<u8>>> {
    s.opt(&CURRENT, &[]).await?.map(|mut r| r.take_bytes(0)).transpose()
}

/// Changes a fact of this hub, or forgets it; whether it was there.
pub async fn put_meta(s: &mut Session, key: &str, value: Option<&[u8]>) -> Result<bool> {
    Ok(match value {
        Some(value) => s.exec(&PUT_META, &values![key, value]).await?,
        None => s.exec(&DELETE_META, &values![key]).await?,
    } > 0)
}

/// A sealed text of a row.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The row.
    pub id: i64,
    /// What the row is called in the place that the text is sealed for.
    pub name: String,
    /// The text.
    pub text: String,
}

/// Secrets of webhooks above `after`, in order.
pub async fn list_webhooks(s: &mut Session, after: i64, limit: usize) -> Result<Vec<Sealed>> {
    let rows = s.rows(&LIST_WEBHOOKS, &values![after, limit]).await?;
    rows.iter().map(|r| Ok(Sealed { id: r.int(0)?, name: r.string(1)?, text: r.string(2)? })).collect()
}

/// Changes the secret of a webhook, or forgets it.
pub async fn put_webhook(s: &mut Session, id: i64, text: Option<&str>) -> Result<()> {
    s.exec(&PUT_WEBHOOK, &values![id, text]).await.map(drop)
}
