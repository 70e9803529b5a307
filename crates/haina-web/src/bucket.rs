//! `/buckets/{ns}/{name}[/tree/{path}]`: a bucket, one folder at a time.

use askama::Template;
use axum::extract::{Path, State};
use haina_app::App;
use haina_app::buckets::{BucketEntry, BucketInfo, BucketTreeOptions};
use haina_types::{Code, Error, RepoKind, RepoPath, Timestamp, Visibility};

use crate::address::{RepoAddress, path as encode_path, with_query};
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{Crumb, crumbs, last_segment};
use crate::query::Query;
use crate::visit::{Answer, Failure, Visit, show};

/// Entries on a page.
const PAGE_LEN: usize = 100;

/// A folder of a bucket.
#[derive(Template)]
#[template(path = "bucket.html")]
pub(crate) struct BucketPage {
    pub l: Words,
    pub page: Layout,
    pub at: BucketAddress,
    pub private: bool,
    pub files: u64,
    pub bytes: u64,
    pub updated: Timestamp,
    /// Empty for the root.
    pub path: String,
    pub name: String,
    pub crumbs: Vec<Crumb>,
    pub rows: Vec<Row>,
    pub is_first: bool,
    pub next: Option<String>,
    /// The command that takes the files out, or for those who may write, puts some in.
    pub command: String,
}

/// Where a bucket's pages and files are.
#[derive(Debug, Clone)]
pub(crate) struct BucketAddress(pub RepoAddress);

impl BucketAddress {
    fn new(path: &RepoPath) -> Self {
        Self(RepoAddress::new(RepoKind::Bucket, path))
    }

    /// The bucket's page.
    pub fn url(&self) -> String {
        self.0.url()
    }

    /// A folder's page; the bucket's own when `folder` is empty.
    pub fn tree(&self, folder: &str) -> String {
        if folder.is_empty() { self.url() } else { format!("{}/tree/{}", self.url(), encode_path(folder)) }
    }

    /// A file's bytes.
    pub fn resolve(&self, file: &str) -> String {
        format!("{}/resolve/{}", self.url(), encode_path(file))
    }
}

/// A file or folder in the table.
pub(crate) struct Row {
    pub name: String,
    pub path: String,
    pub is_folder: bool,
    pub size: u64,
    /// When it was last changed, as its uploader says.
    pub changed: Option<Timestamp>,
    pub uploaded: Option<Timestamp>,
}

impl From<BucketEntry> for Row {
    fn from(entry: BucketEntry) -> Self {
        let name = last_segment(entry.path()).to_owned();
        match entry {
            BucketEntry::File(file) => Self {
                name,
                path: file.path,
                is_folder: false,
                size: file.bytes,
                changed: file.mtime,
                uploaded: Some(file.uploaded_at),
            },
            BucketEntry::Folder { path, uploaded_at } => {
                Self { name, path, is_folder: true, size: 0, changed: None, uploaded: uploaded_at }
            }
        }
    }
}

impl BucketPage {
    fn first(&self) -> String {
        self.at.tree(&self.path)
    }

    fn after(&self, cursor: &str) -> String {
        with_query(&self.first(), [("cursor", cursor)])
    }
}

/// The command for a terminal.
pub(crate) fn command(base_url: &str, id: &str, may_write: bool) -> String {
    let (here, there) = ("./my-folder", format!("hf://buckets/{id}"));
    let ways = if may_write { format!("{here} {there}") } else { format!("{there} {here}") };
    format!("HF_ENDPOINT={base_url} hf buckets sync {ways}")
}

/// A bucket in a list.
pub(crate) struct BucketRow {
    pub url: String,
    pub id: String,
    pub private: bool,
    pub files: u64,
    pub bytes: u64,
    pub updated: Timestamp,
}

impl From<BucketInfo> for BucketRow {
    fn from(info: BucketInfo) -> Self {
        Self {
            url: BucketAddress::new(&info.path).url(),
            id: info.path.to_string(),
            private: info.visibility == Visibility::Private,
            files: info.files,
            bytes: info.bytes,
            updated: info.updated_at,
        }
    }
}

/// `GET /buckets/{ns}/{name}[/tree/{path}]`
pub(crate) async fn get(
    State(app): State<App>,
    visit: Visit,
    Path(pairs): Path<Vec<(String, String)>>,
    query: Query,
) -> Answer {
    let missing = || Failure::from(Error::new(Code::RepoNotFound, "Repository not found"));
    let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let id = RepoPath {
        namespace: find("namespace").parse().map_err(|_| missing())?,
        name: find("name").parse().map_err(|_| missing())?,
    };
    let access = app.read_bucket(visit.caller(), &id).await?;
    let info = app.bucket_info(&access).await?;
    let path = find("path").trim_matches('/');
    let cursor = query.find("cursor");
    let is_first = cursor.is_none();
    let options = BucketTreeOptions { recursive: false, limit: Some(PAGE_LEN), cursor };
    let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
    let mut found = app.list_bucket(&access, &prefix, &options).await?;
    if found.items.is_empty() && is_first && !path.is_empty() {
        // A folder without files is none; a file stands by itself.
        found.items.push(BucketEntry::File(app.find_bucket_file(&access, path).await?));
    }
    let may_write = app.write_bucket(visit.caller(), &id).await.is_ok();
    let mut rows: Vec<Row> = found.items.into_iter().map(Row::from).collect();
    rows.sort_by_key(|row| !row.is_folder);
    show(&BucketPage {
        l: visit.words(),
        page: visit.layout(Section::None, false),
        command: command(app.base_url(), &info.path.to_string(), may_write),
        at: BucketAddress::new(&info.path),
        private: info.visibility == Visibility::Private,
        files: info.files,
        bytes: info.bytes,
        updated: info.updated_at,
        path: path.to_owned(),
        name: last_segment(path).to_owned(),
        crumbs: crumbs(path),
        rows,
        is_first,
        next: found.next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_commands() {
        let at = BucketAddress::new(&"ns/b.1".parse().unwrap());
        assert_eq!(at.tree(""), "/buckets/ns/b.1");
        assert_eq!(at.tree("a b/模"), "/buckets/ns/b.1/tree/a%20b/%E6%A8%A1");
        assert_eq!(at.resolve("a?#/b"), "/buckets/ns/b.1/resolve/a%3F%23/b");
        assert!(command("http://h", "ns/b", true).ends_with("sync ./my-folder hf://buckets/ns/b"));
        assert!(command("http://h", "ns/b", false).ends_with("sync hf://buckets/ns/b ./my-folder"));
    }
}
