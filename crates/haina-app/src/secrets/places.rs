//! Where secrets rest: the one list by which they are sealed first, sealed anew, checked, and forgotten.

use haina_db::{Session, identity, meta, secrets, spaces};
use haina_types::{Error, Result};

use super::meta_place;
use crate::signin::Provider;

/// Facts of the hub that are secret.
pub(super) const META: [&str; 4] = ["content.keys", "lfs.keys", "oauth.key", "oauth.signing"];
/// Rows of one step.
const STEP: usize = 500;

/// What becomes of a secret.
pub(super) enum Change {
    /// It stays as it is.
    Keep,
    /// It is replaced.
    To(String),
    /// It is forgotten.
    Gone,
}

impl Change {
    /// What to write, if anything is to be written.
    fn written(self) -> Option<Option<String>> {
        match self {
            Self::Keep => None,
            Self::To(text) => Some(Some(text)),
            Self::Gone => Some(None),
        }
    }
}

/// The place of a webhook's secret.
pub(crate) fn webhook_place(public_id: &str) -> String {
    format!("webhook/{public_id}/secret")
}

/// The place of what the hub proves itself with to a provider.
pub(crate) fn provider_place(name: &str, field: &str) -> String {
    format!("signin_provider/{name}/{field}")
}

/// The place of a space's secret.
pub(crate) fn space_place(repo: i64, key: &str) -> String {
    format!("space_setting/{repo}/{key}")
}

/// Shows every secret as it rests, with its place, and does with it what is said; how many there were.
pub(super) async fn each(s: &mut Session, mut change: impl FnMut(&str, &[u8]) -> Result<Change> + Send) -> Result<u64> {
    let mut count = 0;
    for name in META {
        let Some(value) = meta::find_meta(s, name).await? else { continue };
        count += 1;
        if let Some(new) = change(&meta_place(name), &value)?.written() {
            secrets::put_meta(s, name, new.as_deref().map(str::as_bytes)).await?;
        }
    }
    for row in identity::list_providers(s).await? {
        let mut provider: Provider = serde_json::from_str(&row.config).map_err(Error::internal)?;
        let (field, secret) = provider.secret_mut();
        let Some(text) = secret.take() else { continue };
        count += 1;
        if let Some(new) = change(&provider_place(&row.name, field), text.as_bytes())?.written() {
            *secret = new;
            let config = serde_json::to_string(&provider).map_err(Error::internal)?;
            identity::change_provider(s, &row.name, &config).await?;
        }
    }
    let mut after = 0;
    loop {
        let rows = secrets::list_webhooks(s, after, STEP).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        count += rows.len() as u64;
        for row in &rows {
            if let Some(new) = change(&webhook_place(&row.name), row.text.as_bytes())?.written() {
                secrets::put_webhook(s, row.id, new.as_deref()).await?;
            }
        }
    }
    let mut after = 0;
    loop {
        let rows = spaces::list_secrets(s, after, STEP).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        count += rows.len() as u64;
        for row in &rows {
            if let Some(new) = change(&format!("space_setting/{}", row.name), row.text.as_bytes())?.written() {
                spaces::put_secret(s, row.id, new.as_deref()).await?;
            }
        }
    }
    Ok(count)
}
