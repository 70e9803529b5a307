//! Advice before an upload: how each file should travel, and what is there already.

use haina_git::{Attributes, Ignore, looks_binary};
use haina_types::{Error, FilePath, RefName, Result, Revision};

use super::commit::REGULAR_BYTES_MAX;
use super::revision::revision_not_found;
use crate::App;
use crate::gate::ContentAccess;

/// Largest `.gitattributes` or `.gitignore` that is read, in bytes.
const RULES_BYTES_MAX: u64 = 1 << 20;

/// A file that a client is about to upload.
#[derive(Debug, Clone)]
pub struct PreuploadFile {
    /// Where it will go.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its first bytes, at most 512.
    pub sample: Vec<u8>,
}

/// How a file should travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadMode {
    /// Inside the commit.
    Regular,
    /// Through the content store.
    Lfs,
}

/// The advice for one file.
#[derive(Debug, Clone)]
pub struct PreuploadAnswer {
    /// The path, as asked.
    pub path: String,
    /// How to send it.
    pub mode: UploadMode,
    /// Whether the repository's ignore rules leave it out.
    pub ignored: bool,
    /// What is at that path now: SHA-256 of a large file, blob id of another.
    pub oid: Option<String>,
}

impl App {
    /// Advises on files to be uploaded to a branch.
    pub async fn preupload(
        &self,
        access: &ContentAccess,
        revision: &Revision,
        files: Vec<PreuploadFile>,
        attributes: Option<&str>,
        ignore: Option<&str>,
    ) -> Result<Vec<PreuploadAnswer>> {
        let branch = match revision.as_str() {
            text if text.starts_with("refs/") => text.parse().ok(),
            text => RefName::branch(text).ok(),
        };
        let branch: RefName = branch.ok_or_else(|| revision_not_found(revision))?;
        let head = {
            let mut s = self.db().read().await?;
            haina_db::git::find_ref(&mut s, access.repo().id, &branch).await?
        };
        let head = head.ok_or_else(|| revision_not_found(revision))?.oid;
        let at_head = async |name: &str| -> Result<String> {
            let path: FilePath = name.parse().map_err(Error::internal)?;
            let bytes = self.read_small(access, head, &path, RULES_BYTES_MAX).await?;
            Ok(bytes.map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default())
        };
        let attributes = match attributes {
            Some(text) => Attributes::parse(text),
            None => Attributes::parse(&at_head(".gitattributes").await?),
        };
        let ignore = match ignore {
            Some(text) => Ignore::parse(text),
            None => Ignore::parse(&at_head(".gitignore").await?),
        };
        let paths: Vec<String> = files.iter().map(|f| f.path.clone()).collect();
        let present = self.list_paths(access, head, &paths, false).await?;
        let present: std::collections::HashMap<&str, &super::Entry> =
            present.iter().filter(|e| e.kind == super::EntryKind::File).map(|e| (e.path.as_str(), e)).collect();
        let mut more = 0u64;
        let mut answers = Vec::with_capacity(files.len());
        for file in files {
            let large = file.size > 0
                && (file.size > REGULAR_BYTES_MAX as u64
                    || attributes.is_lfs(&file.path)
                    || looks_binary(&file.sample));
            let (ignored, known) = (ignore.is_ignored(&file.path), present.get(file.path.as_str()));
            // What has the size of what is there is taken for the same: an upload that comes again must not fail.
            if large && !ignored && known.is_none_or(|e| e.size != file.size) {
                more = more.saturating_add(file.size);
            }
            answers.push(PreuploadAnswer {
                mode: if large { UploadMode::Lfs } else { UploadMode::Regular },
                ignored,
                oid: known.map(|e| e.etag()),
                path: file.path,
            });
        }
        self.check_upload_of(access, more).await?;
        Ok(answers)
    }
}
