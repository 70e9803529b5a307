//! Making a repository: its row, its first commit and the event are one transaction.

use std::collections::BTreeMap;

use haina_db::{moves, repos};
use haina_git::{Edit, Mode, ObjectKind, object_id};
use haina_types::{Code, Error, RefName, RepoKind, RepoName, RepoPath, Result, Slug, Visibility};
use serde_json::json;

use crate::history::{NewCommit, Pending, REGULAR_BYTES_MAX};
use crate::spaces::NewSetting;
use crate::{App, Caller};

/// Most files given with a new repository.
const FILES_MAX: usize = 100;

/// A repository to make.
#[derive(Debug, Clone)]
pub struct NewRepo {
    /// What it holds.
    pub kind: RepoKind,
    /// Whose it is; the caller's own when absent.
    pub namespace: Option<Slug>,
    /// Its name.
    pub name: RepoName,
    /// Who may know of it; what the owner has set when absent, else everyone.
    pub visibility: Option<Visibility>,
    /// A licence for the card.
    pub license: Option<String>,
    /// What a space is built with.
    pub sdk: Option<String>,
    /// The resource group that it will be in, by the id that clients know.
    pub group: Option<String>,
    /// Files of the first commit; a `.gitattributes` among them replaces the usual one.
    pub files: Vec<(String, Vec<u8>)>,
}

/// A repository that was made.
#[derive(Debug, Clone)]
pub struct CreatedRepo {
    /// The public id, 24 hexadecimal digits.
    pub public_id: String,
    /// What it holds.
    pub kind: RepoKind,
    /// Its canonical id.
    pub path: RepoPath,
}

const SPACE_SDKS: &[&str] = &["gradio", "streamlit", "docker", "static"];

/// The card that a new repository starts with, if it needs one.
fn first_card(new: &NewRepo) -> Result<Option<String>> {
    let plain = |value: &str| {
        value.len() <= 100 && value.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
    };
    if new.license.as_deref().is_some_and(|l| !plain(l)) {
        return Err(Error::invalid("A licence is given by its identifier, such as 'apache-2.0'."));
    }
    let mut lines = Vec::new();
    if new.kind == RepoKind::Space {
        let sdk = new.sdk.as_deref().unwrap_or("static");
        if !SPACE_SDKS.contains(&sdk) {
            return Err(Error::invalid(format!("Invalid sdk: expected one of {}.", SPACE_SDKS.join(", "))));
        }
        lines.push(format!("title: {}", new.name));
        lines.push("colorFrom: blue".to_owned());
        lines.push("colorTo: green".to_owned());
        lines.push(format!("sdk: {sdk}"));
        lines.push("pinned: false".to_owned());
    }
    if let Some(license) = &new.license {
        lines.push(format!("license: {license}"));
    }
    Ok((!lines.is_empty()).then(|| format!("---\n{}\n---\n", lines.join("\n"))))
}

/// Only spaces have an environment.
pub(super) fn check_settings(kind: RepoKind, settings: &[NewSetting]) -> Result<()> {
    if !settings.is_empty() && kind != RepoKind::Space {
        return Err(Error::invalid("Only a space has \"secrets\" and \"variables\"."));
    }
    settings.iter().try_for_each(NewSetting::check)
}

impl App {
    /// Makes a repository with its first commit.
    pub async fn create_repo(&self, caller: &Caller, new: NewRepo) -> Result<CreatedRepo> {
        self.create_repo_with(caller, new, &[]).await
    }

    /// Makes a repository with its first commit, and, if it is a space, variables and secrets.
    pub async fn create_repo_with(
        &self,
        caller: &Caller,
        new: NewRepo,
        settings: &[NewSetting],
    ) -> Result<CreatedRepo> {
        if new.kind == RepoKind::Bucket {
            return Err(Error::invalid("A bucket is made with POST /api/buckets/{namespace}/{name}."));
        }
        let access = self.create_in(caller, new.namespace.as_ref(), new.group.as_deref()).await?;
        if new.files.len() > FILES_MAX || new.files.iter().any(|(_, b)| b.len() > REGULAR_BYTES_MAX) {
            return Err(Error::invalid(format!(
                "A repository starts with at most {FILES_MAX} files of at most 10 MiB each: commit more afterwards."
            )));
        }
        check_settings(new.kind, settings)?;
        let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        files.insert(".gitattributes".into(), haina_git::default_gitattributes(new.kind).into_bytes());
        if let Some(card) = first_card(&new)? {
            files.insert("README.md".into(), card.into_bytes());
        }
        files.extend(new.files);
        let mut edits = Vec::new();
        let mut blobs = Vec::new();
        for (path, bytes) in &files {
            let path =
                path.parse().map_err(|e: haina_types::PathError| Error::new(Code::InvalidPath, e.to_string()))?;
            let oid = object_id(ObjectKind::Blob, bytes).map_err(|e| Error::invalid(e.to_string()))?;
            edits.push(Edit::Put { path, mode: Mode::File, oid });
            blobs.push(Pending::new(oid, ObjectKind::Blob, bytes));
        }
        let load = async |_| Err(Error::internal("because a first commit has no base"));
        let edited =
            haina_git::edit(None, edits, load).await.map_err(|e| Error::new(Code::InvalidPath, e.to_string()))?;

        let now = self.now();
        let namespace = access.namespace();
        let author = self.author(Some(access.actor())).await?;
        let public_id = self.public_id();
        let mut tx = self.db().begin().await?;
        let visibility = match new.visibility {
            Some(visibility) => visibility,
            None => crate::people::default_visibility(&mut tx, namespace.id).await?,
        };
        let row = repos::NewRepo {
            public_id: &public_id,
            kind: new.kind,
            ns_id: namespace.id,
            name: &new.name,
            visibility,
            created_by: Some(access.actor()),
            created_at: now,
            group_id: access.group(),
        };
        let path = RepoPath { namespace: namespace.name.clone(), name: new.name.clone() };
        let id = match repos::insert_repo(&mut tx, &row).await {
            Ok(id) => id,
            Err(haina_db::Error::Conflict(_)) => {
                drop(tx);
                return Err(self.exists_already(new.kind, path).await?);
            }
            Err(e) => return Err(e.into()),
        };
        let repo = repos::find_repo_by_id(&mut tx, id)
            .await?
            .ok_or_else(|| Error::internal("a repository just made is gone"))?;
        let write = access.write(repo);
        let mut data = json!({"kind": new.kind, "name": path.to_string(), "visibility": row.visibility});
        // Whoever makes a repository under a former name of another ends that name's leading there.
        if moves::end_alias(&mut tx, new.kind, namespace.id, &new.name.fold()).await? {
            data["ended_redirect"] = json!(true);
        }
        self.append(&mut tx, Some(access.actor()), "repo.create", Some(id), Some(namespace.id), data).await?;
        haina_db::git::insert_objects(&mut tx, id, &Pending::rows(&blobs)).await?;
        let commit = NewCommit {
            branch: &RefName::main(),
            old: None,
            parents: Vec::new(),
            generation: 1,
            summary: "initial commit",
            description: "",
            root: edited.root,
            trees: edited.new_trees,
            operations: files.len(),
        };
        self.record(&mut tx, &write, &author, commit)
            .await?
            .ok_or_else(|| Error::internal("the first commit of a new repository lost a race"))?;
        for setting in settings {
            self.put_setting(&mut tx, id, setting).await?;
        }
        crate::quotas::check_settled(&mut tx, namespace).await?;
        tx.commit().await?;
        self.refresh_facts(id).await?;
        Ok(CreatedRepo { public_id, kind: new.kind, path })
    }

    /// 24 hexadecimal digits, as clients know object ids.
    pub(crate) fn public_id(&self) -> String {
        use std::fmt::Write;
        self.rng().array::<12>().iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").expect("because writing to a string cannot fail");
            text
        })
    }
}
