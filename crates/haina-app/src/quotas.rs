//! What a user or an organization may have at most: bytes, and repositories. The operator sets it for all users, for
//! all organizations, or for one name.
//!
//! It is looked at twice: before an upload starts, so that nobody sends what will be refused, and at the end of each
//! transaction in which something came, where the counters are held and two cannot both take the last place.

use haina_db::git_usage::{self, Held};
use haina_db::people::{self, Namespace};
use haina_db::{Session, meta, repos};
use haina_types::{Code, Error, OrgRole, Result, Slug};
use serde_json::json;

use crate::gate::{ContentAccess, UploadAccess};
use crate::{App, Caller};

const KEY: &str = "quota";

/// Whose quota is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaOf {
    /// Every user without one of their own.
    Users,
    /// Every organization without one of its own.
    Orgs,
    /// This user or organization.
    Name(Slug),
}

/// How much is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// As much as there is room for.
    Unlimited,
    /// At most so much.
    Most(u64),
}

/// What was set; where nothing was, what is set for all holds, and else there is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuotaSettings {
    /// Bytes of files: histories and large files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Bound>,
    /// Repositories, buckets among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repos: Option<Bound>,
}

/// What holds; none is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// See [`QuotaSettings::bytes`].
    pub bytes: Option<u64>,
    /// See [`QuotaSettings::repos`].
    pub repos: Option<u64>,
}

/// A quota and what is used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaUse {
    /// Whose.
    pub name: Slug,
    /// Whether it is an organization.
    pub is_org: bool,
    /// What there is.
    pub used: Held,
    /// What may be.
    pub quota: Quota,
}

/// Bytes for people.
pub fn amount(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| bytes >= 1 << shift) {
        Some((shift, name)) => format!("{:.1} {name}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} bytes"),
    }
}

async fn settings(s: &mut Session, key: &str) -> Result<QuotaSettings> {
    match meta::find_setting(s, key).await? {
        Some(text) => serde_json::from_str(&text).map_err(Error::internal),
        None => Ok(QuotaSettings::default()),
    }
}

fn key_of_all(is_org: bool) -> &'static str {
    if is_org { "quota/orgs" } else { "quota/users" }
}

fn key_of(ns: i64) -> String {
    format!("{KEY}/{ns}")
}

async fn quota_of(s: &mut Session, ns: &Namespace) -> Result<Quota> {
    let (all, own) = (settings(s, key_of_all(ns.is_org())).await?, settings(s, &key_of(ns.id)).await?);
    let bound = |own: Option<Bound>, all: Option<Bound>| match own.or(all) {
        Some(Bound::Most(most)) => Some(most),
        Some(Bound::Unlimited) | None => None,
    };
    Ok(Quota { bytes: bound(own.bytes, all.bytes), repos: bound(own.repos, all.repos) })
}

fn owner(ns: &Namespace) -> String {
    format!("{} '{}'", if ns.is_org() { "organization" } else { "user" }, ns.name)
}

fn no_bytes(ns: &Namespace, used: u64, limit: u64, more: u64) -> Error {
    let come = if more > 1 { format!(", and {} would come", amount(more)) } else { String::new() };
    Error::new(
        Code::TooLarge,
        format!(
            "Storage quota: the {} uses {} of {}{come}. Delete repositories or large files that are no longer needed, or ask the administrator of this hub for more.",
            owner(ns),
            amount(used),
            amount(limit)
        ),
    )
}

fn no_place(ns: &Namespace, has: u64, limit: u64) -> Error {
    Error::new(
        Code::TooLarge,
        format!(
            "Repository quota: the {} has {has} of {limit} repositories and buckets. Delete one that is no longer needed, or ask the administrator of this hub for more.",
            owner(ns)
        ),
    )
}

/// Whether `more` bytes may come to a namespace, before they are sent.
pub(crate) async fn check_bytes(s: &mut Session, ns: &Namespace, more: u64) -> Result<()> {
    let Some(limit) = quota_of(s, ns).await?.bytes else { return Ok(()) };
    let used = git_usage::find_held(s, ns.id).await?.bytes();
    if more == 0 || used.saturating_add(more) <= limit { Ok(()) } else { Err(no_bytes(ns, used, limit, more)) }
}

/// Whether what came in this transaction may stay. Nothing follows it but the commit.
pub(crate) async fn check_settled(tx: &mut Session, ns: &Namespace) -> Result<()> {
    let changes = git_usage::settle(tx).await?;
    let Some(change) = changes.get(&ns.id).filter(|c| c.repos > 0 || c.bytes() > 0) else { return Ok(()) };
    let quota = quota_of(tx, ns).await?;
    let now = git_usage::find_held(tx, ns.id).await?;
    if let Some(limit) = quota.repos.filter(|limit| change.repos > 0 && now.repos > *limit) {
        return Err(no_place(ns, now.repos.saturating_sub(change.repos.unsigned_abs()), limit));
    }
    if let Some(limit) = quota.bytes.filter(|limit| change.bytes() > 0 && now.bytes() > *limit) {
        let more = change.bytes().unsigned_abs();
        return Err(no_bytes(ns, now.bytes().saturating_sub(more), limit, more));
    }
    Ok(())
}

/// The same, when only the repository's id is at hand.
pub(crate) async fn check_settled_of(tx: &mut Session, repo: i64) -> Result<()> {
    match repos::find_repo_by_id(tx, repo).await? {
        Some(repo) => check_settled(tx, &repo.namespace).await,
        None => Err(crate::gate::repo_not_found()),
    }
}

impl App {
    /// Whether anything may be uploaded, when it is not known how much.
    pub(crate) async fn check_upload(&self, access: &UploadAccess) -> Result<()> {
        let mut s = self.db().read().await?;
        check_bytes(&mut s, &access.repo().namespace, 1).await
    }

    /// Whether these bytes may be uploaded to the repository's owner.
    pub(crate) async fn check_upload_of(&self, access: &ContentAccess, bytes: u64) -> Result<()> {
        let mut s = self.db().read().await?;
        check_bytes(&mut s, &access.repo().namespace, bytes).await
    }

    async fn find_quota_owner(&self, s: &mut Session, name: &Slug) -> Result<Namespace> {
        people::find_namespace(s, &name.fold())
            .await?
            .ok_or_else(|| Error::new(Code::NotFound, format!("There is no user or organization '{name}'.")))
    }

    /// The quota of the caller, or of an organization that they are a member of, with what is used of it.
    pub async fn quota(&self, caller: &Caller, org: Option<&Slug>) -> Result<QuotaUse> {
        let user = caller.require_user()?;
        let mut s = self.db().read().await?;
        let ns = match org {
            None => self.find_quota_owner(&mut s, &user.name).await?,
            Some(name) => {
                let ns = people::find_namespace(&mut s, &name.fold()).await?.filter(Namespace::is_org);
                let ns = ns.ok_or_else(|| Error::new(Code::NotFound, "There is no such organization."))?;
                let role: Option<OrgRole> = people::find_org_role(&mut s, ns.id, user.id).await?;
                if role.is_none() && !user.is_admin {
                    return Err(Error::new(Code::Forbidden, format!("You are not a member of '{}'.", ns.name)));
                }
                ns
            }
        };
        quota_use(&mut s, &ns).await
    }

    /// What was set for all users or organizations, or for one. For the operator.
    pub async fn quota_settings(&self, of: &QuotaOf) -> Result<QuotaSettings> {
        let mut s = self.db().read().await?;
        let key = self.quota_key(&mut s, of).await?.0;
        settings(&mut s, &key).await
    }

    /// The quota of a user or an organization, with what is used of it. For the operator.
    pub async fn quota_of_name(&self, name: &Slug) -> Result<QuotaUse> {
        let mut s = self.db().read().await?;
        let ns = self.find_quota_owner(&mut s, name).await?;
        quota_use(&mut s, &ns).await
    }

    /// Changes what was set; what `change` does not touch stays. For the operator.
    pub async fn set_quota(&self, of: &QuotaOf, change: impl FnOnce(&mut QuotaSettings) + Send) -> Result<()> {
        let mut tx = self.db().begin().await?;
        let (key, ns) = self.quota_key(&mut tx, of).await?;
        let mut new = settings(&mut tx, &key).await?;
        change(&mut new);
        if new == QuotaSettings::default() {
            meta::delete_setting(&mut tx, &key).await?;
        } else {
            let text = serde_json::to_string(&new).map_err(Error::internal)?;
            meta::put_setting(&mut tx, &key, &text).await?;
        }
        let data = json!({"key": if ns.is_some() { KEY } else { &key }, "value": new});
        self.append(&mut tx, None, "setting.change", None, ns, data).await?;
        Ok(tx.commit().await?)
    }

    async fn quota_key(&self, s: &mut Session, of: &QuotaOf) -> Result<(String, Option<i64>)> {
        Ok(match of {
            QuotaOf::Users => (key_of_all(false).to_owned(), None),
            QuotaOf::Orgs => (key_of_all(true).to_owned(), None),
            QuotaOf::Name(name) => {
                let ns = self.find_quota_owner(s, name).await?.id;
                (key_of(ns), Some(ns))
            }
        })
    }
}

async fn quota_use(s: &mut Session, ns: &Namespace) -> Result<QuotaUse> {
    let (quota, used) = (quota_of(s, ns).await?, git_usage::find_held(s, ns.id).await?);
    Ok(QuotaUse { name: ns.name.clone(), is_org: ns.is_org(), used, quota })
}
