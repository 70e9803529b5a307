//! Addresses of pages. `{rev}` is one segment, its slashes encoded; every segment of a path is encoded by itself.

use haina_types::{RepoKind, RepoPath};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but what RFC 3986 allows in a segment without a second meaning.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'@');

/// One segment of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A path, its slashes kept.
pub fn path(text: &str) -> String {
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// The first seven digits of a commit id.
pub fn short(id: &str) -> &str {
    id.get(..7).unwrap_or(id)
}

/// A page with a query, leaving out empty values.
pub fn with_query<'a>(page: &str, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in pairs {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => page.to_owned(),
        query => format!("{page}?{query}"),
    }
}

/// Where a repository's pages are.
#[derive(Debug, Clone)]
pub struct RepoAddress {
    /// What it holds.
    pub kind: RepoKind,
    /// Its owner.
    pub namespace: String,
    /// Its own name.
    pub name: String,
}

impl RepoAddress {
    /// From a checked path.
    pub fn new(kind: RepoKind, path: &RepoPath) -> Self {
        Self { kind, namespace: path.namespace.to_string(), name: path.name.to_string() }
    }

    /// `namespace/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The repository's page.
    pub fn url(&self) -> String {
        format!("/{}{}/{}", self.kind.url_prefix(), segment(&self.namespace), segment(&self.name))
    }

    fn below(&self, verb: &str, rev: &str, file: &str) -> String {
        let base = format!("{}/{verb}/{}", self.url(), segment(rev));
        if file.is_empty() { base } else { format!("{base}/{}", path(file)) }
    }

    /// A folder; the root when `folder` is empty.
    pub fn tree(&self, rev: &str, folder: &str) -> String {
        self.below("tree", rev, folder)
    }

    /// A file's page.
    pub fn blob(&self, rev: &str, file: &str) -> String {
        self.below("blob", rev, file)
    }

    /// A file's bytes.
    pub fn resolve(&self, rev: &str, file: &str) -> String {
        self.below("resolve", rev, file)
    }

    /// The discussions.
    pub fn discussions(&self) -> String {
        format!("{}/discussions", self.url())
    }

    /// The form to begin one.
    pub fn new_discussion(&self) -> String {
        format!("{}/discussions/new", self.url())
    }

    /// One of them.
    pub fn discussion(&self, number: impl std::fmt::Display) -> String {
        format!("{}/discussions/{number}", self.url())
    }

    /// What a pull request changes.
    pub fn changes(&self, number: impl std::fmt::Display) -> String {
        format!("{}/discussions/{number}/files", self.url())
    }

    /// Its settings.
    pub fn settings(&self) -> String {
        format!("{}/settings", self.url())
    }

    /// What happened to it.
    pub fn audit_log(&self) -> String {
        format!("{}/settings/audit-log", self.url())
    }

    /// Its gate.
    pub fn access(&self) -> String {
        format!("{}/access", self.url())
    }

    /// The history.
    pub fn commits(&self, rev: &str) -> String {
        self.below("commits", rev, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_are_one_segment_and_paths_keep_their_slashes() {
        let at = RepoAddress { kind: RepoKind::Dataset, namespace: "ns".into(), name: "n.1".into() };
        assert_eq!(at.url(), "/datasets/ns/n.1");
        assert_eq!(at.tree("refs/pr/3", ""), "/datasets/ns/n.1/tree/refs%2Fpr%2F3");
        assert_eq!(at.blob("main", "a b/模#?.txt"), "/datasets/ns/n.1/blob/main/a%20b/%E6%A8%A1%23%3F.txt");
        assert_eq!(with_query("/models", [("search", ""), ("tag", "a&b")]), "/models?tag=a%26b");
        assert_eq!(with_query("/models", [("search", "")]), "/models");
    }
}
