//! Facets: how many repositories of a list have each task, library, language, licence and so on.
//!
//! To count all of a long list takes long, so it is not done while somebody waits: what is asked for the first time is
//! counted among the first repositories of the list, and said to be a part if it is one; meanwhile all are counted in the
//! background and remembered, and later askers get that, with the moment it is of. Only what everybody may know is
//! remembered. What an asker may know besides (a few repositories of their own, as a rule) is counted each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use haina_db::facets::{self, Part, Tally};
use haina_db::repos::{RepoFilter, Viewer};
use haina_files::known::{self, LIBRARIES, LICENSES, PIPELINES};
use haina_types::{Error, RepoKind, Result, Timestamp};

use super::ListQuery;
use crate::{App, Caller};

/// Repositories that are counted while somebody waits.
const AT_ONCE: usize = 1000;
/// Lists whose counts are remembered.
const KEPT_MAX: usize = 256;
/// How old remembered counts may be before they are made anew, in milliseconds.
const FRESH_MS: i64 = 60_000;
/// How old they may be to be told at all, in milliseconds: what was public once is not told of for long.
const OLD_MS: i64 = 600_000;
/// Counting anew takes at most this part of the time.
const DUTY: i64 = 10;
/// Tags of a group that are told.
const GROUP_MAX: usize = 100;

/// A tag, and how many repositories have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Facet {
    /// As filters take it.
    pub id: String,
    /// For people, in English.
    pub label: String,
    /// How many have it.
    pub count: u64,
}

/// Tags of one type, the most frequent first.
#[derive(Debug, Clone)]
pub struct FacetGroup {
    /// `pipeline_tag`, `library`, `license`, …
    pub name: &'static str,
    /// They.
    pub tags: Vec<Facet>,
}

/// The tags of a list.
#[derive(Debug, Clone)]
pub struct Facets {
    /// By type; groups without any are left out.
    pub groups: Vec<FacetGroup>,
    /// Repositories that were counted.
    pub counted: u64,
    /// Whether they are all of the list.
    pub complete: bool,
    /// When they were counted.
    pub as_of: Timestamp,
}

#[derive(Debug, Clone)]
struct Kept {
    tally: Arc<Tally>,
    as_of: Timestamp,
    /// How long it took, in milliseconds.
    took: i64,
    /// When it was last asked for.
    used: Timestamp,
}

/// Counts that everybody may know.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    kept: HashMap<String, Kept>,
    /// Whether somebody counts just now.
    busy: bool,
    /// When the next may.
    not_before: i64,
}

impl Tallies {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered, and whether it should be counted anew now by whoever asks.
    fn get(&self, key: &str, now: Timestamp) -> (Option<Kept>, bool) {
        let mut state = self.state();
        let kept = state.kept.get_mut(key).map(|kept| {
            kept.used = now;
            kept.clone()
        });
        let age = kept.as_ref().map_or(i64::MAX, |kept| now.0.saturating_sub(kept.as_of.0));
        let due = age > FRESH_MS.max(kept.as_ref().map_or(0, |kept| kept.took.saturating_mul(DUTY)));
        let mine = due && !state.busy && state.not_before <= now.0;
        state.busy |= mine;
        (kept.filter(|_| age <= OLD_MS), mine)
    }

    fn put(&self, key: String, tally: Option<Tally>, begun: Timestamp, now: Timestamp) {
        let mut state = self.state();
        let took = now.0.saturating_sub(begun.0).max(0);
        state.busy = false;
        state.not_before = now.0.saturating_add(took.saturating_mul(DUTY));
        let Some(tally) = tally else { return };
        if state.kept.len() >= KEPT_MAX && !state.kept.contains_key(&key) {
            let oldest = state.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            oldest.and_then(|key| state.kept.remove(&key));
        }
        state.kept.insert(key, Kept { tally: Arc::new(tally), as_of: begun, took, used: now });
    }
}

/// The type of a tag, and its words.
fn group_of(kind: RepoKind, tag: &str) -> Option<(&'static str, &str)> {
    const PREFIXES: [(&str, &str); 8] = [
        ("license:", "license"),
        ("task_categories:", "task_categories"),
        ("size_categories:", "size_categories"),
        ("language:", "language"),
        ("modality:", "modality"),
        ("format:", "format"),
        ("dataset:", "dataset"),
        ("base_model:", "base_model"),
    ];
    if let Some((prefix, group)) = PREFIXES.into_iter().find(|(prefix, _)| tag.starts_with(prefix)) {
        return Some((group, &tag[prefix.len()..]));
    }
    if kind != RepoKind::Dataset {
        if PIPELINES.has(tag) {
            return Some(("pipeline_tag", tag));
        }
        if LIBRARIES.has(tag) {
            return Some(("library", tag));
        }
        if known::is_language(tag) {
            return Some(("language", tag));
        }
    }
    // Papers and regions are for programs; nobody looks for a repository by them.
    let for_programs = ["arxiv:", "region:", "doi:"].iter().any(|prefix| tag.starts_with(prefix));
    (!for_programs).then_some(("other", tag))
}

fn label(group: &str, id: &str, words: &str) -> String {
    match group {
        "pipeline_tag" | "task_categories" => words.replace('-', " "),
        "library" => LIBRARIES.get(id).map_or(words, |known| known.label).to_owned(),
        "license" => LICENSES.get(words).map_or(words, |known| known.label).to_owned(),
        _ => words.to_owned(),
    }
}

/// The order in which groups are shown.
fn order(kind: RepoKind) -> &'static [&'static str] {
    match kind {
        RepoKind::Dataset => {
            &["task_categories", "modality", "size_categories", "format", "language", "license", "other"]
        }
        _ => &["pipeline_tag", "library", "language", "license", "dataset", "base_model", "other"],
    }
}

fn grouped(kind: RepoKind, counts: HashMap<&str, u64>) -> Vec<FacetGroup> {
    let mut groups: HashMap<&str, Vec<Facet>> = HashMap::new();
    for (tag, count) in counts {
        if let Some((group, words)) = group_of(kind, tag) {
            let facet = Facet { id: tag.to_owned(), label: label(group, tag, words), count };
            groups.entry(group).or_default().push(facet);
        }
    }
    let group = |name: &&'static str| {
        let mut tags = groups.remove(name)?;
        tags.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.id.cmp(&b.id)));
        tags.truncate(GROUP_MAX);
        Some(FacetGroup { name, tags })
    };
    order(kind).iter().filter_map(group).collect()
}

/// What tells one list from another, whoever asks.
fn key_of(kind: RepoKind, filter: &RepoFilter) -> String {
    let RepoFilter { search, words, author, tags, pipeline_tag, library, gated, parameters, .. } = filter;
    format!("{kind:?} {search:?} {words:?} {author:?} {tags:?} {pipeline_tag:?} {library:?} {gated:?} {parameters:?}")
}

impl App {
    /// The tags of the repositories of one kind that a query finds, as far as the caller may know them. Order, cursor and
    /// limit of the query do not matter.
    pub async fn facets(&self, caller: &Caller, kind: RepoKind, query: ListQuery) -> Result<Facets> {
        let query = ListQuery { cursor: None, limit: None, ..query };
        let filter = self.repo_filter(caller, query).await?;
        let key = key_of(kind, &filter);
        let now = self.now();
        let everyone = RepoFilter { viewer: Viewer::Everyone, ..filter.clone() };
        let (kept, mine) = self.repos().tallies.get(&key, now);
        if mine {
            self.count_all(key, kind, everyone.clone());
        }
        let (public, as_of) = match kept {
            Some(kept) => (kept.tally, kept.as_of),
            None => {
                let mut s = self.db().read().await?;
                (Arc::new(facets::tally(&mut s, &everyone, kind, Part::Public, Some(AT_ONCE)).await?), now)
            }
        };
        let own = {
            let mut s = self.db().read().await?;
            facets::tally(&mut s, &filter, kind, Part::Own, Some(AT_ONCE)).await?
        };
        let mut counts: HashMap<&str, u64> = HashMap::with_capacity(public.tags.len());
        for (tag, count) in public.tags.iter().chain(&own.tags) {
            *counts.entry(tag).or_default() += count;
        }
        Ok(Facets {
            groups: grouped(kind, counts),
            counted: public.repos + own.repos,
            complete: public.complete && own.complete,
            as_of,
        })
    }

    /// Counts all of a list in the background.
    fn count_all(&self, key: String, kind: RepoKind, filter: RepoFilter) {
        let app = self.clone();
        tokio::spawn(async move {
            let begun = app.now();
            let counted = async {
                let mut s = app.db().read().await?;
                Ok::<_, Error>(facets::tally(&mut s, &filter, kind, Part::Public, None).await?)
            };
            let tally = counted.await.inspect_err(|e| tracing::warn!(error = ?e, "tags could not be counted")).ok();
            app.repos().tallies.put(key, tally, begun, app.now());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_tags() {
        for (kind, tag, group) in [
            (RepoKind::Model, "text-generation", Some("pipeline_tag")),
            (RepoKind::Model, "transformers", Some("library")),
            (RepoKind::Model, "zh", Some("language")),
            (RepoKind::Model, "license:mit", Some("license")),
            (RepoKind::Model, "region:us", None),
            (RepoKind::Model, "roleplay", Some("other")),
            (RepoKind::Dataset, "language:zh", Some("language")),
            (RepoKind::Dataset, "zh", Some("other")),
            (RepoKind::Dataset, "task_categories:translation", Some("task_categories")),
        ] {
            assert_eq!(group_of(kind, tag).map(|(group, _)| group), group, "{tag}");
        }
    }

    #[test]
    fn one_counts_at_a_time_and_rests_afterwards() {
        let (tallies, at) = (Tallies::default(), Timestamp);
        let (none, mine) = tallies.get("a", at(0));
        assert!(none.is_none() && mine);
        assert!(!tallies.get("b", at(1)).1, "somebody counts already");
        tallies.put("a".into(), Some(Tally::default()), at(0), at(1000));
        assert!(!tallies.get("b", at(2000)).1 && tallies.get("b", at(11_000)).1);
        tallies.put("b".into(), None, at(11_000), at(11_000));
        assert!(tallies.get("a", at(12_000)).0.is_some() && !tallies.get("a", at(59_000)).1);
        assert!(tallies.get("a", at(60_001)).1);
        tallies.put("a".into(), Some(Tally::default()), at(60_001), at(60_002));
        assert!(tallies.get("a", at(660_001)).0.is_some() && tallies.get("a", at(660_002)).0.is_none());
        for i in 0..2 * KEPT_MAX as i64 {
            tallies.put(i.to_string(), Some(Tally::default()), at(70_000), at(70_000 + i));
        }
        assert_eq!(tallies.state().kept.len(), KEPT_MAX);
    }
}
