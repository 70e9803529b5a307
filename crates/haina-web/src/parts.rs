//! View models that several pages share; their markup is in `templates/parts.html`.

use haina_app::history::{Entry, EntryKind};
use haina_app::repos::RepoSummary;
use haina_types::{FilePath, RepoKind, Timestamp, Visibility};
use serde_json::Value;

use crate::address::{RepoAddress, with_query};
use crate::likes::Likes;

/// A repository in a list.
#[derive(Debug, Clone)]
pub struct RepoRow {
    /// Where it is.
    pub address: RepoAddress,
    /// Whether only some may see it.
    pub private: bool,
    /// One sentence about it.
    pub summary: Option<String>,
    /// Its task, as metadata names it.
    pub task: Option<String>,
    /// Its library.
    pub library: Option<String>,
    /// Its licence, as declared.
    pub licence: Option<String>,
    /// Downloads of the last 30 days.
    pub downloads: u64,
    /// How many like it.
    pub likes: u64,
    /// When it last changed.
    pub updated: Timestamp,
}

impl From<RepoSummary> for RepoRow {
    fn from(summary: RepoSummary) -> Self {
        let (repo, facts) = (summary.repo, summary.facts);
        Self {
            address: RepoAddress::new(repo.kind, &repo.path()),
            private: repo.visibility == Visibility::Private,
            summary: facts.description.filter(|text| !text.is_empty()).map(|text| shorten(&text)),
            task: facts.pipeline_tag,
            library: facts.library_name.filter(|_| repo.kind == RepoKind::Model),
            licence: strings(facts.card.as_ref(), "license").into_iter().next(),
            downloads: repo.downloads,
            likes: repo.likes,
            updated: repo.updated_at,
        }
    }
}

/// Most characters of a summary.
const SUMMARY_CHARS_MAX: usize = 200;

/// One sentence's worth of a text.
pub(crate) fn shorten(text: &str) -> String {
    if text.chars().count() <= SUMMARY_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(SUMMARY_CHARS_MAX).chain(['…']).collect()
}

/// A field of a card that may be one text or a list of them.
pub(crate) fn strings(card: Option<&Value>, field: &str) -> Vec<String> {
    match card.and_then(|c| c.get(field)) {
        Some(Value::String(text)) if !text.is_empty() => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().filter_map(|i| i.as_str()).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl RepoRow {
    /// The list of this kind with a tag.
    pub fn tag_url(&self, tag: impl AsRef<str>) -> String {
        tag_url(self.address.kind, tag.as_ref())
    }
}

fn tag_url(kind: RepoKind, tag: &str) -> String {
    with_query(&format!("/{}", kind.plural()), [("tag", tag)])
}

/// Which tab of a repository is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// The card.
    Card,
    /// Files.
    Files,
    /// History.
    History,
    /// Discussions and pull requests.
    Discussions,
    /// What only those see who may change it.
    Settings,
}

/// Most tags in the head; the rest is a number.
const TAGS_SHOWN_MAX: usize = 12;

/// The head of every page of a repository.
#[derive(Debug, Clone)]
pub struct RepoHead {
    /// Where it is.
    pub address: RepoAddress,
    /// Whether only some may see it.
    pub private: bool,
    /// One sentence about it.
    pub summary: Option<String>,
    /// The tags that are shown.
    pub tags: Vec<String>,
    /// How many more it has.
    pub tags_more: u64,
    /// The revision that the page and its links show, as it stands in the address.
    pub rev: String,
    /// The current tab.
    pub tab: Tab,
    /// Whether the page is the tab's first page or lies below it.
    pub is_tab_root: bool,
    /// Whether there are commands to use it.
    pub has_use: bool,
    /// How it is liked, on its first page.
    pub likes: Option<Likes>,
    /// Whether the visitor may change its settings.
    pub manage: bool,
}

impl RepoHead {
    /// With what every page knows.
    pub fn new(address: RepoAddress, private: bool, rev: impl Into<String>, tab: Tab) -> Self {
        Self {
            address,
            private,
            summary: None,
            tags: Vec::new(),
            tags_more: 0,
            rev: rev.into(),
            tab,
            is_tab_root: true,
            has_use: false,
            likes: None,
            manage: false,
        }
    }

    /// Takes the first tags to show and counts the rest.
    pub fn set_tags(&mut self, mut tags: Vec<String>) {
        // These stand among the facts, in words.
        tags.retain(|t| !["license:", "region:", "base_model:", "dataset:"].iter().any(|prefix| t.starts_with(prefix)));
        self.tags_more = tags.len().saturating_sub(TAGS_SHOWN_MAX) as u64;
        self.tags = tags;
        self.tags.truncate(TAGS_SHOWN_MAX);
    }

    /// The word for what it holds.
    pub fn kind_key(&self) -> &'static str {
        self.address.kind.as_str()
    }

    /// The word for its card.
    pub fn card_key(&self) -> &'static str {
        match self.address.kind {
            RepoKind::Dataset => "card-dataset",
            RepoKind::Space => "card-space",
            RepoKind::Model | RepoKind::Kernel | RepoKind::Bucket => "card-model",
        }
    }

    /// What is said where there is no card.
    pub fn no_card_key(&self) -> &'static str {
        match self.address.kind {
            RepoKind::Dataset => "no-card-dataset",
            RepoKind::Space => "no-card-space",
            RepoKind::Model | RepoKind::Kernel | RepoKind::Bucket => "no-card-model",
        }
    }

    /// The words of the button that leads to the commands.
    pub fn use_key(&self) -> &'static str {
        match self.address.kind {
            RepoKind::Dataset => "use-dataset",
            RepoKind::Space => "use-space",
            RepoKind::Model | RepoKind::Kernel | RepoKind::Bucket => "use-model",
        }
    }

    /// `aria-current` of a tab that has pages below it.
    pub fn files_current(&self) -> &'static str {
        if self.is_tab_root { "page" } else { "true" }
    }

    /// The list of this kind with a tag.
    pub fn tag_url(&self, tag: impl AsRef<str>) -> String {
        tag_url(self.address.kind, tag.as_ref())
    }
}

/// A folder on the way to a file.
#[derive(Debug, Clone)]
pub struct Crumb {
    /// Its name.
    pub name: String,
    /// Its whole path.
    pub path: String,
}

/// The folders above the last segment of `path`.
pub fn crumbs(path: &str) -> Vec<Crumb> {
    path.match_indices('/')
        .map(|(at, _)| &path[..at])
        .map(|folder| Crumb { name: last_segment(folder).to_owned(), path: folder.to_owned() })
        .collect()
}

/// What follows the last slash.
pub fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A file or folder in a table.
#[derive(Debug, Clone)]
pub struct FileRow {
    /// Its name in the folder.
    pub name: String,
    /// Its whole path.
    pub path: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its size in bytes.
    pub size: u64,
    /// How it is stored, when not in git.
    pub mark: Option<&'static str>,
    /// The last commit that changed it.
    pub commit: Option<CommitLine>,
}

impl From<Entry> for FileRow {
    fn from(entry: Entry) -> Self {
        Self {
            name: last_segment(entry.path.as_str()).to_owned(),
            path: entry.path.to_string(),
            is_folder: entry.kind == EntryKind::Directory,
            size: entry.size,
            mark: mark_of(&entry),
            commit: entry.last_commit.map(|c| CommitLine { title: c.title, at: c.date }),
        }
    }
}

/// How a file is stored, when not in git.
pub(crate) fn mark_of(entry: &Entry) -> Option<&'static str> {
    match (&entry.xet, &entry.lfs) {
        (Some(_), _) => Some("Xet"),
        (None, Some(_)) => Some("LFS"),
        (None, None) => None,
    }
}

/// Folders first, as people look for files.
pub(crate) fn file_rows(entries: Vec<Entry>) -> Vec<FileRow> {
    let mut rows: Vec<FileRow> = entries.into_iter().map(FileRow::from).collect();
    rows.sort_by_key(|row| !row.is_folder);
    rows
}

/// Whether a repository has nothing but what it was made with.
pub(crate) fn is_bare<'a>(paths: impl IntoIterator<Item = &'a FilePath>) -> bool {
    paths.into_iter().all(|path| path.as_str() == ".gitattributes")
}

/// A commit on one line.
#[derive(Debug, Clone)]
pub struct CommitLine {
    /// The first line of its message.
    pub title: String,
    /// When.
    pub at: Timestamp,
}

/// The two commands that publish a first repository here.
pub fn publish_commands(base_url: &str, owner: Option<&str>, target: Option<&RepoAddress>) -> String {
    let (id, kind) = match target {
        Some(at) => (at.id(), at.kind),
        None => (format!("{}/first-model", owner.unwrap_or("YOUR_NAME")), RepoKind::Model),
    };
    let kind = if kind == RepoKind::Model { String::new() } else { format!(" --repo-type {kind}") };
    format!("HF_ENDPOINT={base_url} hf auth login\nHF_ENDPOINT={base_url} hf upload {id} ./my-folder .{kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crumbs_are_the_folders_above() {
        let found: Vec<_> = crumbs("a/b/c.txt").into_iter().map(|c| (c.name, c.path)).collect();
        assert_eq!(found, [("a".to_owned(), "a".to_owned()), ("b".to_owned(), "a/b".to_owned())]);
        assert!(crumbs("README.md").is_empty());
        assert!(crumbs("").is_empty());
    }

    #[test]
    fn commands_name_the_kind_where_it_is_not_a_model() {
        let at = RepoAddress { kind: RepoKind::Dataset, namespace: "ns".into(), name: "rows".into() };
        let text = publish_commands("https://hub.example", None, Some(&at));
        assert!(text.ends_with("hf upload ns/rows ./my-folder . --repo-type dataset"), "{text}");
        assert!(publish_commands("https://hub.example", Some("lin"), None).contains("hf upload lin/first-model"));
    }
}
