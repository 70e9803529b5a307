//! Copying a repository under another name: its files as they are now, without its history.

use std::collections::HashSet;

use haina_db::{git, git_usage, moves, repos, spaces};
use haina_git::Mode;
use haina_types::{Code, Error, Oid, RefName, RepoKind, RepoPath, Result, Sha256, Visibility};
use serde_json::json;

use super::CreatedRepo;
use super::create::check_settings;
use crate::gate::{ContentAccess, WriteAccess};
use crate::history::{Bodies, NewCommit};
use crate::limits::limits_of;
use crate::spaces::NewSetting;
use crate::{App, Caller, content};

/// Most files and folders of a repository that is copied.
const OBJECTS_MAX: usize = 200_000;
/// Most bytes of files in history itself: large files are copied without moving bytes, these are not.
const BYTES_MAX: u64 = 1 << 30;
/// Objects of one statement.
const STEP: usize = 500;

/// A copy to be made.
#[derive(Debug, Clone)]
pub struct Duplicate {
    /// Where.
    pub to: RepoPath,
    /// Who may know of it; as of the original when absent, and private when the original is gated.
    pub visibility: Option<Visibility>,
    /// The resource group that it will be in, by the id that clients know.
    pub group: Option<String>,
}

/// A large file that was lent to another repository, or why not.
#[derive(Debug, Clone)]
pub struct Copied {
    /// SHA-256 of its content.
    pub sha256: Sha256,
    /// Why not; none if it was.
    pub error: Option<String>,
}

/// What stands at a commit, to be copied.
struct Content {
    root: Oid,
    objects: Vec<Oid>,
    files: usize,
    large: Vec<Sha256>,
}

impl App {
    /// Lets a commit in another repository refer to large files of this one, without moving bytes.
    pub async fn copy_large_files(
        &self,
        from: &ContentAccess,
        to: &WriteAccess,
        files: &[(Sha256, haina_types::XetHash)],
    ) -> Result<Vec<Copied>> {
        let mut tx = self.db().begin().await?;
        let mut out = Vec::with_capacity(files.len());
        for (sha256, hash) in files {
            let stored = content::find_stored(&mut tx, from.repo().id, sha256).await?;
            let error = match stored.and_then(|s| s.readable()) {
                Some(file) if file == *hash => {
                    content::copy_stored(&mut tx, from.repo().id, to.repo().id, sha256, self.now()).await?;
                    None
                }
                Some(_) => Some("The source repository has other content under this sha256.".to_owned()),
                None => Some("The source repository does not hold this file.".to_owned()),
            };
            out.push(Copied { sha256: *sha256, error });
        }
        crate::quotas::check_settled(&mut tx, &to.repo().namespace).await?;
        tx.commit().await?;
        Ok(out)
    }

    /// Copies what stands on the main branch into a new repository.
    pub async fn duplicate_repo(&self, caller: &Caller, from: &ContentAccess, new: Duplicate) -> Result<CreatedRepo> {
        self.duplicate_repo_with(caller, from, new, &[]).await
    }

    /// The same; a space brings its variables along, not its secrets, and gets what is given here.
    pub async fn duplicate_repo_with(
        &self,
        caller: &Caller,
        from: &ContentAccess,
        new: Duplicate,
        settings: &[NewSetting],
    ) -> Result<CreatedRepo> {
        let target = self.create_in(caller, Some(&new.to.namespace), new.group.as_deref()).await?;
        let source = from.repo();
        check_settings(source.kind, settings)?;
        let path = RepoPath { namespace: target.namespace().name.clone(), name: new.to.name.clone() };
        let visibility = new.visibility.unwrap_or(match source.is_open() {
            true => Visibility::Public,
            false => Visibility::Private,
        });
        let found = self.list_content_of(source.id).await?;
        let author = self.author(Some(target.actor())).await?;
        let public_id = self.public_id();
        let row = repos::NewRepo {
            public_id: &public_id,
            kind: source.kind,
            ns_id: target.namespace().id,
            name: &new.to.name,
            visibility,
            created_by: Some(target.actor()),
            created_at: self.now(),
            group_id: target.group(),
        };
        let mut tx = self.db().begin().await?;
        let id = match repos::insert_repo(&mut tx, &row).await {
            Ok(id) => id,
            Err(haina_db::Error::Conflict(_)) => {
                drop(tx);
                return Err(self.exists_already(source.kind, path).await?);
            }
            Err(e) => return Err(e.into()),
        };
        moves::end_alias(&mut tx, source.kind, target.namespace().id, &new.to.name.fold()).await?;
        let repo = repos::find_repo_by_id(&mut tx, id).await?;
        let write = target.write(repo.ok_or_else(|| Error::internal("a repository just made is gone"))?);
        let data =
            json!({"kind": source.kind, "name": path.to_string(), "visibility": visibility, "copy_of": source.id});
        self.append(&mut tx, Some(target.actor()), "repo.create", Some(id), Some(target.namespace().id), data).await?;
        for part in found.objects.chunks(STEP) {
            git::copy_objects(&mut tx, source.id, id, part).await?;
        }
        complete(&mut tx, source.id, id).await?;
        let usage = git_usage::recount_usage(&mut tx, id).await?;
        let limits = limits_of(&mut tx, id).await?;
        if usage.objects > limits.objects || usage.bytes > limits.bytes {
            return Err(Error::new(
                Code::TooLarge,
                "The copy would have more objects or bytes than a repository may have here. Ask the administrator of this hub for more.",
            ));
        }
        let mut files = Vec::with_capacity(found.large.len());
        for sha256 in &found.large {
            let stored = content::copy_stored(&mut tx, source.id, id, sha256, self.now()).await?;
            let file = stored.and_then(|s| s.readable()).ok_or_else(|| {
                Error::invalid(format!("The content of the large file with sha256 {sha256} is not stored here, so the repository cannot be copied whole."))
            })?;
            files.push(file);
        }
        self.check_large_room(&mut tx, id, 0).await?;
        let title = format!("Duplicate from {}", source.path());
        let commit = NewCommit {
            branch: &RefName::main(),
            old: None,
            parents: Vec::new(),
            generation: 1,
            summary: &title,
            description: "",
            root: found.root,
            trees: if found.objects.is_empty() { vec![(found.root, Vec::new())] } else { Vec::new() },
            operations: found.files,
        };
        self.record(&mut tx, &write, &author, commit)
            .await?
            .ok_or_else(|| Error::internal("the first commit of a new repository lost a race"))?;
        content::link_committed(&mut tx, id, &files).await?;
        for variable in spaces::list(&mut tx, source.id, false).await? {
            if settings.iter().all(|setting| setting.key != variable.key) {
                let (key, value, description) = (variable.key, variable.value, variable.description);
                self.put_setting(&mut tx, id, &NewSetting { is_secret: false, key, value, description }).await?;
            }
        }
        for setting in settings {
            self.put_setting(&mut tx, id, setting).await?;
        }
        crate::quotas::check_settled(&mut tx, target.namespace()).await?;
        tx.commit().await?;
        self.refresh_facts(id).await?;
        Ok(CreatedRepo { public_id, kind: source.kind, path })
    }

    /// Everything below the head of the main branch.
    async fn list_content_of(&self, repo: i64) -> Result<Content> {
        let too_large = |what: String| {
            Error::new(Code::TooLarge, format!("{what}. Copy it with git or hf instead, which also keeps its history."))
        };
        let mut s = self.db().read().await?;
        let head = git::find_ref(&mut s, repo, &RefName::main()).await?;
        let head = head.ok_or_else(|| Error::invalid("The repository has no main branch to copy."))?;
        let commit = git::find_commit(&mut s, repo, &head.oid).await?;
        let root = commit.ok_or_else(|| Error::internal(format!("commit {} is missing", head.oid)))?.tree;
        let (mut seen, mut objects, mut blobs, mut files) = (HashSet::new(), Vec::new(), Vec::new(), 0);
        let mut folders = vec![root];
        while let Some(oid) = folders.pop() {
            if oid == haina_git::EMPTY_TREE || !seen.insert(oid) {
                continue;
            }
            objects.push(oid);
            for entry in self.load_tree(&mut s, repo, &oid).await?.iter() {
                match entry.mode {
                    Mode::Tree => folders.push(entry.oid),
                    Mode::Gitlink => {}
                    _ => {
                        files += 1;
                        if seen.insert(entry.oid) {
                            blobs.push(entry.oid);
                        }
                    }
                }
            }
            if seen.len() > OBJECTS_MAX {
                return Err(too_large(format!("The repository has more than {OBJECTS_MAX} files and folders")));
            }
        }
        let (mut large, mut bytes) = (HashSet::new(), 0);
        for part in blobs.chunks(STEP) {
            for info in git::list_blob_info(&mut s, repo, part).await?.into_values() {
                bytes += info.size;
                large.extend(info.pointer.map(|(sha256, _)| sha256));
            }
        }
        if bytes > BYTES_MAX {
            return Err(too_large("The repository has more than 1 GiB of files outside large file storage".to_owned()));
        }
        objects.extend(blobs);
        Ok(Content { root, objects, files, large: large.into_iter().collect() })
    }

    /// The error for a name that is taken, with the address of what has it.
    pub(super) async fn exists_already(&self, kind: RepoKind, path: RepoPath) -> Result<Error> {
        // Named as it is, not as it was asked for now.
        let mut s = self.db().read().await?;
        let known = repos::find_repo(&mut s, kind, &path.namespace.fold(), &path.name.fold()).await?;
        let known = known.map_or(path, |repo| repo.path());
        Ok(Error::new(Code::Conflict, format!("You already created this {kind} repo")).with_detail(format!(
            "{}/{}{known}",
            self.base_url(),
            kind.url_prefix()
        )))
    }
}

/// Objects that are kept as deltas upon such as were not copied are made whole.
async fn complete(tx: &mut haina_db::Session, from: i64, to: i64) -> Result<()> {
    let mut bodies = Bodies::default();
    loop {
        let some = git::list_baseless(tx, to, STEP).await?;
        if some.is_empty() {
            return Ok(());
        }
        for oid in some {
            let object = git::find_object(tx, from, &oid).await?;
            let object = object.ok_or_else(|| Error::internal(format!("object {oid} is missing")))?;
            let whole = bodies.whole(tx, from, &oid, object).await?;
            git::make_whole(tx, to, &oid, &whole.z).await?;
        }
    }
}
