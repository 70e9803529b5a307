//! Branches, tags and other references.

use haina_db::git;
use haina_git::{ObjectKind, Signature, Tag, object_id};
use haina_types::{Code, Error, Oid, RefName, RefNameError, Result, Revision};
use serde_json::json;

use super::commit::{NewCommit, Pending, RefChange};
use super::objects::{load_raw, missing};
use super::revision::{resolve, revision_not_found};
use crate::App;
use crate::gate::{Listing, WriteAccess};

/// How many tags may point to tags, one after the other.
const TAG_DEPTH_MAX: usize = 16;
/// Longest message of a tag, in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// The commit behind an object that a reference points to; `None` when a tag is of something else.
pub(super) async fn peel(s: &mut haina_db::Session, repo: i64, oid: Oid) -> Result<Option<Oid>> {
    let mut at = oid;
    for _ in 0..TAG_DEPTH_MAX {
        let Some(object) = git::find_object(s, repo, &at).await? else {
            return Err(missing(s, repo, ObjectKind::Commit, &at).await);
        };
        match u8::try_from(object.kind).ok().and_then(ObjectKind::from_number) {
            Some(ObjectKind::Commit) => return Ok(Some(at)),
            Some(ObjectKind::Tag) => {
                let raw = load_raw(s, repo, ObjectKind::Tag, &at).await?;
                at = Tag::parse(&raw).map_err(Error::internal)?.target;
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// A reference and where it points.
#[derive(Debug, Clone)]
pub struct RefTarget {
    /// The full name.
    pub name: RefName,
    /// The commit, behind any annotated tag.
    pub commit: Oid,
}

/// All references of a repository, sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Refs {
    /// `refs/heads/…`; `main` first.
    pub branches: Vec<RefTarget>,
    /// `refs/tags/…`.
    pub tags: Vec<RefTarget>,
    /// `refs/convert/…`.
    pub converts: Vec<RefTarget>,
    /// `refs/pr/…`.
    pub pull_requests: Vec<RefTarget>,
}

impl App {
    /// All references of a repository.
    pub async fn list_refs(&self, access: &impl Listing) -> Result<Refs> {
        let mut s = self.db().read().await?;
        let mut refs = Refs::default();
        let repo = access.repo().id;
        for found in git::list_refs(&mut s, repo).await? {
            let commit = match found.name.as_tag() {
                None => Some(found.oid),
                Some(_) => peel(&mut s, repo, found.oid).await?,
            };
            // A tag of a file or folder is git's to serve; here it names no revision.
            let Some(commit) = commit else { continue };
            let target = RefTarget { commit, name: found.name };
            let name = target.name.as_str();
            if name == "refs/heads/main" {
                refs.branches.insert(0, target);
            } else if name.starts_with("refs/heads/") {
                refs.branches.push(target);
            } else if name.starts_with("refs/tags/") {
                refs.tags.push(target);
            } else if name.starts_with("refs/convert/") {
                refs.converts.push(target);
            } else if name.starts_with("refs/pr/") {
                refs.pull_requests.push(target);
            }
        }
        Ok(refs)
    }
}

/// What a new branch begins with.
#[derive(Debug, Clone)]
pub enum BranchStart {
    /// The commit that a revision names.
    At(Revision),
    /// A history of its own, without the files of any other.
    Empty,
}

fn exists(name: &RefName) -> Error {
    Error::new(Code::Conflict, format!("Reference {name} already exists"))
}

impl App {
    /// Makes a branch; with `overwrite` one that exists is replaced.
    pub async fn create_branch(
        &self,
        access: &WriteAccess,
        branch: &str,
        start: BranchStart,
        overwrite: bool,
    ) -> Result<()> {
        let name = RefName::branch(branch).map_err(|RefNameError| Error::invalid("Invalid reference for a branch"))?;
        let repo = access.repo().id;
        let _turn = self.history().turn(repo).await;
        let author = self.author(access.actor()).await?;
        let mut tx = self.db().begin().await?;
        let old = git::find_ref(&mut tx, repo, &name).await?.map(|r| r.oid);
        if old.is_some() && !overwrite {
            return Err(exists(&name));
        }
        crate::limits::check_refs(&mut tx, repo, usize::from(old.is_none())).await?;
        let made = match start {
            BranchStart::At(revision) => {
                let commit = resolve(&mut tx, repo, &revision).await?;
                let data = json!({"start": revision.as_str()});
                let event = if old.is_some() { "ref.move" } else { "ref.create" };
                let change = RefChange { name: &name, old, new: Some(commit), event, data };
                self.move_ref(&mut tx, access, change).await?
            }
            BranchStart::Empty => {
                let commit = NewCommit {
                    branch: &name,
                    old,
                    parents: Vec::new(),
                    generation: 1,
                    summary: "initial commit",
                    description: "",
                    root: haina_git::EMPTY_TREE,
                    trees: vec![(haina_git::EMPTY_TREE, Vec::new())],
                    operations: 0,
                };
                self.record(&mut tx, access, &author, commit).await?.is_some()
            }
        };
        if !made {
            return Err(exists(&name));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Makes a tag at a revision; with a message it is an annotated one.
    pub async fn create_tag(
        &self,
        access: &WriteAccess,
        tag: &str,
        revision: &Revision,
        message: Option<&str>,
    ) -> Result<()> {
        let name = RefName::tag(tag);
        let message = message.map(str::trim).filter(|m| !m.is_empty());
        if message.is_some_and(|m| m.len() > MESSAGE_BYTES_MAX) {
            return Err(Error::invalid(format!("A tag's message has at most {MESSAGE_BYTES_MAX} bytes.")));
        }
        let repo = access.repo().id;
        let author = self.author(access.actor()).await?;
        let mut tx = self.db().begin().await?;
        let commit = resolve(&mut tx, repo, revision).await?;
        // Said after what is wrong with the revision: clients tell that by its code, and this not at all.
        let name = name.map_err(|RefNameError| Error::invalid("Invalid reference for a tag"))?;
        if git::find_ref(&mut tx, repo, &name).await?.is_some() {
            return Err(exists(&name));
        }
        crate::limits::check_refs(&mut tx, repo, 1).await?;
        let mut target = commit;
        if let Some(message) = message {
            let object = Tag {
                target: commit,
                kind: ObjectKind::Commit,
                name: tag.as_bytes().to_vec(),
                tagger: Some(Signature::new(&author.0, &author.1, self.now().seconds())),
                extra: Vec::new(),
                message: format!("{message}\n").into_bytes(),
            };
            let raw = object.write();
            target = object_id(ObjectKind::Tag, &raw).map_err(Error::internal)?;
            git::insert_objects(&mut tx, repo, &Pending::rows(&[Pending::new(target, ObjectKind::Tag, &raw)])).await?;
        }
        let data = json!({"commit": commit});
        let change = RefChange { name: &name, old: None, new: Some(target), event: "ref.create", data };
        if !self.move_ref(&mut tx, access, change).await? {
            return Err(exists(&name));
        }
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a branch. Its commits stay as long as another reference reaches them.
    pub async fn delete_branch(&self, access: &WriteAccess, branch: &str) -> Result<()> {
        let missing = || revision_not_found(&Revision::new(branch));
        let name = RefName::branch(branch).map_err(|RefNameError| missing())?;
        if name == RefName::main() {
            return Err(Error::new(Code::Forbidden, "Cannot delete refs/heads/main"));
        }
        self.delete_ref(access, &name).await?.then_some(()).ok_or_else(missing)
    }

    /// Deletes a tag.
    pub async fn delete_tag(&self, access: &WriteAccess, tag: &str) -> Result<()> {
        let missing = || revision_not_found(&Revision::new(tag));
        let name = RefName::tag(tag).map_err(|RefNameError| missing())?;
        self.delete_ref(access, &name).await?.then_some(()).ok_or_else(missing)
    }

    async fn delete_ref(&self, access: &WriteAccess, name: &RefName) -> Result<bool> {
        let mut tx = self.db().begin().await?;
        let Some(found) = git::find_ref(&mut tx, access.repo().id, name).await? else { return Ok(false) };
        let change = RefChange { name, old: Some(found.oid), new: None, event: "ref.delete", data: json!({}) };
        if !self.move_ref(&mut tx, access, change).await? {
            return Err(Error::new(Code::Stale, "The reference moved meanwhile. Please try again."));
        }
        tx.commit().await?;
        Ok(true)
    }
}
