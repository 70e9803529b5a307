//! What an address of a repository's page names.

use axum::extract::{FromRequestParts, Path};
use haina_app::App;
use haina_app::repos::Repo;
use haina_types::{Code, Error, FilePath, RepoKind, RepoPath, Revision};
use http::request::Parts;

use crate::address::RepoAddress;
use crate::layout::Section;
use crate::visit::Failure;

/// A repository, a revision of it, and a path there. Whatever cannot be a name is not there.
pub(crate) struct Target {
    pub kind: RepoKind,
    pub path: RepoPath,
    pub revision: Revision,
    pub file: Option<FilePath>,
    /// The discussion, as it stands in the address.
    pub number: Option<String>,
}

impl Target {
    /// The address in the words of the visitor.
    pub fn address(&self) -> RepoAddress {
        RepoAddress::new(self.kind, &self.path)
    }

    /// The address of today, if the repository was asked for by a name that it had before.
    pub fn moved(&self, repo: &Repo) -> Option<RepoAddress> {
        let (asked, now) = (&self.path, repo.path());
        let same = asked.namespace.fold() == now.namespace.fold() && asked.name.fold() == now.name.fold();
        (!same).then(|| RepoAddress::new(self.kind, &now))
    }

    /// The path as text; empty for the root.
    pub fn file_text(&self) -> &str {
        self.file.as_ref().map_or("", FilePath::as_str)
    }

    /// The item of the navigation.
    pub fn section(&self) -> Section {
        section_of(self.kind)
    }
}

/// The item of the navigation for a kind.
pub(crate) fn section_of(kind: RepoKind) -> Section {
    match kind {
        RepoKind::Model => Section::Models,
        RepoKind::Dataset => Section::Datasets,
        RepoKind::Space => Section::Spaces,
        RepoKind::Kernel | RepoKind::Bucket => Section::None,
    }
}

impl FromRequestParts<App> for Target {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Failure> {
        let missing = || Failure::from(Error::new(Code::RepoNotFound, "Repository not found"));
        let kind = match parts.uri.path().split('/').nth(1) {
            Some("datasets") => RepoKind::Dataset,
            Some("spaces") => RepoKind::Space,
            _ => RepoKind::Model,
        };
        let Path(pairs) = Path::<Vec<(String, String)>>::from_request_parts(parts, app).await.map_err(|_| missing())?;
        let find = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (namespace, name) = find("namespace").zip(find("name")).ok_or_else(missing)?;
        let namespace = namespace.parse().map_err(|_| missing())?;
        let name = name.parse().map_err(|_| missing())?;
        let file = find("path").map(|p| p.trim_end_matches('/')).filter(|p| !p.is_empty());
        let file = file.map(str::parse).transpose();
        Ok(Self {
            kind,
            path: RepoPath { namespace, name },
            revision: Revision::new(find("rev").unwrap_or("main")),
            file: file.map_err(|_| Error::new(Code::EntryNotFound, "There is no such file."))?,
            number: find("num").map(str::to_owned),
        })
    }
}
