//! What a repository and a push may have at most. The operator sets it for all repositories, or for one.

use haina_db::{content, git_usage, meta, repos};
use haina_types::{Code, Error, RepoKind, RepoPath, Result};
use serde_json::json;

use crate::App;

/// The setting of all repositories; one of a repository's own has its id behind it.
const KEY: &str = "limits";

/// Where a limit is not the usual one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LimitSettings {
    /// Objects of a repository's history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Bytes of a repository's history, as they are kept; large files do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bytes of a repository's large files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_bytes: Option<u64>,
    /// References of a repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refs: Option<u64>,
    /// References of one push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_refs: Option<u64>,
    /// Bytes of one push, as they come over the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push_bytes: Option<u64>,
}

/// What holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// See [`LimitSettings::objects`].
    pub objects: u64,
    /// See [`LimitSettings::bytes`].
    pub bytes: u64,
    /// See [`LimitSettings::large_bytes`]; none unless it is set.
    pub large_bytes: Option<u64>,
    /// See [`LimitSettings::refs`].
    pub refs: u64,
    /// See [`LimitSettings::push_refs`].
    pub push_refs: u64,
    /// See [`LimitSettings::push_bytes`].
    pub push_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            objects: 1_000_000,
            bytes: 5 << 30,
            large_bytes: None,
            refs: 100_000,
            push_refs: 5000,
            push_bytes: 2 << 30,
        }
    }
}

impl LimitSettings {
    fn over(self, below: Limits) -> Limits {
        Limits {
            objects: self.objects.unwrap_or(below.objects),
            bytes: self.bytes.unwrap_or(below.bytes),
            large_bytes: self.large_bytes.or(below.large_bytes),
            refs: self.refs.unwrap_or(below.refs),
            push_refs: self.push_refs.unwrap_or(below.push_refs),
            push_bytes: self.push_bytes.unwrap_or(below.push_bytes),
        }
    }
}

/// Bytes for people.
fn amount(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1 << 30 { (1u64 << 30, "GiB") } else { (1 << 20, "MiB") };
    format!("{:.1} {name}", bytes as f64 / unit as f64)
}

fn too_large(what: &str) -> Error {
    Error::new(Code::TooLarge, format!("{what} Ask the administrator of this hub for more."))
}

async fn settings(s: &mut haina_db::Session, key: &str) -> Result<LimitSettings> {
    match meta::find_setting(s, key).await? {
        Some(text) => serde_json::from_str(&text).map_err(Error::internal),
        None => Ok(LimitSettings::default()),
    }
}

fn key_of(repo: i64) -> String {
    format!("{KEY}/{repo}")
}

/// What holds for a repository.
pub(crate) async fn limits_of(s: &mut haina_db::Session, repo: i64) -> Result<Limits> {
    let all = settings(s, KEY).await?.over(Limits::default());
    Ok(settings(s, &key_of(repo)).await?.over(all))
}

impl App {
    /// The repository whose limits are meant; `None` for those of all.
    async fn limited(&self, repo: Option<(RepoKind, &RepoPath)>) -> Result<Option<i64>> {
        let Some((kind, path)) = repo else { return Ok(None) };
        let mut s = self.db().read().await?;
        let found = repos::find_repo(&mut s, kind, &path.namespace.fold(), &path.name.fold()).await?;
        Ok(Some(found.ok_or_else(crate::gate::repo_not_found)?.id))
    }

    /// What holds for all repositories, or for one. For the operator.
    pub async fn limits(&self, repo: Option<(RepoKind, &RepoPath)>) -> Result<Limits> {
        let repo = self.limited(repo).await?;
        let mut s = self.db().read().await?;
        match repo {
            Some(repo) => limits_of(&mut s, repo).await,
            None => Ok(settings(&mut s, KEY).await?.over(Limits::default())),
        }
    }

    /// Changes what holds for all repositories, or for one; what `change` does not touch stays. For the operator.
    pub async fn set_limits(
        &self,
        repo: Option<(RepoKind, &RepoPath)>,
        change: impl FnOnce(&mut LimitSettings) + Send,
    ) -> Result<()> {
        let repo = self.limited(repo).await?;
        let key = repo.map_or_else(|| KEY.to_owned(), key_of);
        let mut tx = self.db().begin().await?;
        let mut new = settings(&mut tx, &key).await?;
        change(&mut new);
        if new == LimitSettings::default() {
            meta::delete_setting(&mut tx, &key).await?;
        } else {
            let text = serde_json::to_string(&new).map_err(Error::internal)?;
            meta::put_setting(&mut tx, &key, &text).await?;
        }
        self.append(&mut tx, None, "setting.change", repo, None, json!({"key": KEY, "value": new})).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether so many more objects, with so many bytes as they are kept, may come to a repository's history. What was
    /// counted on the way is not exact, so it is counted anew before anything is refused.
    pub(crate) async fn check_room(&self, repo: i64, objects: usize, bytes: u64) -> Result<()> {
        let (limits, mut usage) = {
            let mut s = self.db().read().await?;
            (limits_of(&mut s, repo).await?, git_usage::find_usage(&mut s, repo).await?)
        };
        let objects = objects as u64;
        let fits = |usage: git_usage::Usage| {
            usage.objects.saturating_add(objects) <= limits.objects && usage.bytes.saturating_add(bytes) <= limits.bytes
        };
        if fits(usage) {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        usage = git_usage::recount_usage(&mut tx, repo).await?;
        tx.commit().await?;
        if fits(usage) {
            return Ok(());
        }
        if usage.objects.saturating_add(objects) > limits.objects {
            return Err(too_large(&format!(
                "The history of a repository may have at most {} objects; this one has {}, and {objects} would come.",
                limits.objects, usage.objects
            )));
        }
        Err(too_large(&format!(
            "The history of a repository may have at most {} outside of large files; this one has {}, and {} would come. Keep large files in Git LFS.",
            amount(limits.bytes),
            amount(usage.bytes),
            amount(bytes)
        )))
    }

    /// Whether so many more bytes of large files may come to a repository.
    pub(crate) async fn check_large_room(&self, s: &mut haina_db::Session, repo: i64, more: u64) -> Result<()> {
        let Some(limit) = limits_of(s, repo).await?.large_bytes else { return Ok(()) };
        let used = content::sum_repo_bytes(s, repo).await?;
        if used.saturating_add(more) <= limit {
            return Ok(());
        }
        Err(too_large(&format!(
            "The large files of a repository may have at most {} together; this one has {}{}.",
            amount(limit),
            amount(used),
            if more > 0 { format!(", and {} would come", amount(more)) } else { String::new() }
        )))
    }
}

/// Whether so many more references may be made in a repository, on a transaction that makes them.
pub(crate) async fn check_refs(s: &mut haina_db::Session, repo: i64, more: usize) -> Result<()> {
    let limit = limits_of(s, repo).await?.refs;
    if more == 0 || git_usage::count_refs(s, repo).await?.saturating_add(more as u64) <= limit {
        return Ok(());
    }
    Err(too_large(&format!("A repository may have at most {limit} branches, tags and other references.")))
}
