//! The one way to move a branch: check, write, swap the reference and append the event in one transaction.

use std::collections::HashMap;

use haina_db::{discussions, git, repos};
use haina_git::{Commit, Edit, EditError, LfsPointer, Mode, ObjectKind, Signature, deflate, object_id};
use haina_types::{Code, Error, FilePath, Oid, PathError, RefName, Result, Revision, Sha256};
use serde_json::json;

use super::objects::missing;
use super::revision::revision_not_found;
use crate::App;
use crate::content;
use crate::gate::{Moves, TalkAccess, WriteAccess};

/// Largest file outside the content store, in bytes.
pub(crate) const REGULAR_BYTES_MAX: usize = 10 << 20;
/// Most operations of one commit.
const OPERATIONS_MAX: usize = 50_000;
/// Deflated bytes gathered before they are written ahead of the commit.
const BATCH_BYTES: usize = 8 << 20;
/// Longest title and description, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The event of a reference whose history was written anew: what is in it is not new.
pub(crate) const REWRITE: &str = "ref.rewrite";
/// How often a commit without a stated parent is rebuilt on a branch that keeps moving.
const TRIES_MAX: usize = 16;

/// What is said of a commit.
#[derive(Debug, Clone, Default)]
pub struct CommitHeader {
    /// First line of the message.
    pub summary: String,
    /// The rest of the message.
    pub description: String,
    /// The commit that the branch must still be at: full id or a prefix of at least seven digits.
    pub parent: Option<String>,
}

/// A commit that was made.
#[derive(Debug, Clone)]
pub struct CommitDone {
    /// Its id.
    pub id: Oid,
    /// The reference it is on.
    pub branch: RefName,
    /// The number of the pull request that was opened with it.
    pub opened: Option<i64>,
}

/// Where a commit goes.
enum Onto {
    /// To a reference that exists.
    Ref(RefName),
    /// To a pull request for this branch, which is opened with it.
    NewPull(RefName),
}

/// A pointer blob and the content that it stands for.
struct Pointer {
    blob: Oid,
    sha256: Sha256,
    size: u64,
}

/// An object on its way to the database.
pub(crate) struct Pending {
    oid: Oid,
    kind: ObjectKind,
    size: u64,
    z: Vec<u8>,
}

impl Pending {
    pub(crate) fn new(oid: Oid, kind: ObjectKind, raw: &[u8]) -> Self {
        Self { oid, kind, size: raw.len() as u64, z: deflate(raw) }
    }

    pub(crate) fn rows(pending: &[Self]) -> Vec<git::NewObject<'_>> {
        pending
            .iter()
            .map(|p| git::NewObject {
                oid: p.oid,
                kind: i64::from(p.kind.number()),
                size: p.size,
                delta: None,
                z: &p.z,
            })
            .collect()
    }
}

/// Gathers the operations of a commit. File bodies are written ahead in batches, unreachable until
/// [`CommitWriter::finish`] moves the branch; dropping it leaves the branch as it was.
pub struct CommitWriter {
    app: App,
    access: Box<dyn Moves>,
    onto: Onto,
    header: CommitHeader,
    edits: Vec<Edit>,
    pending: Vec<Pending>,
    pending_bytes: usize,
    /// Large files: digest → declared size. Each must be stored here when the commit is made.
    large: HashMap<Sha256, Option<u64>>,
    /// Pointer blobs to be written once sizes are known: path, mode, digest.
    pointers: Vec<(usize, Sha256)>,
}

fn stale() -> Error {
    Error::new(Code::Stale, "The branch was updated since you opened this page. Please refresh and try again.")
}

fn path_of(text: &str) -> Result<FilePath> {
    text.parse()
        .map_err(|e: PathError| Error::new(Code::InvalidPath, format!("Invalid path in repository: {text:?}: {e}")))
}

impl App {
    /// Begins a commit on a branch.
    pub async fn begin_commit(
        &self,
        access: &WriteAccess,
        revision: &Revision,
        header: CommitHeader,
    ) -> Result<CommitWriter> {
        check_message(&header)?;
        let (branch, head) = self.find_branch(access.repo().id, revision).await?;
        self.check_parent(access, &header, &head).await?;
        Ok(self.commit_writer(access, branch, header))
    }

    /// Begins a commit to a pull request of one's own, or to anyone's for those who may write.
    pub async fn begin_pull_commit(
        &self,
        access: &TalkAccess,
        revision: &Revision,
        header: CommitHeader,
    ) -> Result<CommitWriter> {
        check_message(&header)?;
        let number = crate::discussions::number_of(revision)?;
        let head = self.check_pull(access, number).await?;
        self.check_parent(access, &header, &head).await?;
        let name = crate::discussions::pull_ref(number)?;
        Ok(self.writer_onto(Box::new(access.clone()), Onto::Ref(name), header))
    }

    /// Begins a commit that opens a pull request for a branch. If the header names a parent, it begins there.
    pub async fn begin_new_pull(
        &self,
        access: &TalkAccess,
        revision: &Revision,
        header: CommitHeader,
    ) -> Result<CommitWriter> {
        check_message(&header)?;
        let (branch, _) = self.find_branch(access.repo().id, revision).await?;
        Ok(self.writer_onto(Box::new(access.clone()), Onto::NewPull(branch), header))
    }

    /// A branch as a caller wrote it, and its head.
    async fn find_branch(&self, repo: i64, revision: &Revision) -> Result<(RefName, Oid)> {
        let branch = match revision.as_str() {
            text if text.starts_with("refs/") => text.parse().ok(),
            text => RefName::branch(text).ok(),
        };
        let branch =
            branch.filter(|b: &RefName| b.as_branch().is_some()).ok_or_else(|| revision_not_found(revision))?;
        let mut s = self.db().read().await?;
        let head = git::find_ref(&mut s, repo, &branch).await?.ok_or_else(|| revision_not_found(revision))?;
        Ok((branch, head.oid))
    }

    /// Whether the parent that a commit names is the head of its branch, or this commit may have been made already.
    async fn check_parent(&self, access: &dyn Moves, header: &CommitHeader, head: &Oid) -> Result<()> {
        if is_parent(header, head) {
            return Ok(());
        }
        let mut s = self.db().read().await?;
        self.find_made(&mut s, access, header, head).await?.map(drop).ok_or_else(stale)
    }

    /// The head of a branch, if it looks as this commit would: on the parent that is named, by the same person, with the same
    /// message. It was made by a request whose answer did not arrive, most likely, and this is the same request again;
    /// whether it is shows when its files turn out to be the same.
    async fn find_made(
        &self,
        s: &mut haina_db::Session,
        access: &dyn Moves,
        header: &CommitHeader,
        head: &Oid,
    ) -> Result<Option<git::CommitRow>> {
        let repo = access.repo().id;
        let Some(made) = git::find_commit(s, repo, head).await? else { return Ok(None) };
        let [parent] = made.parents[..] else { return Ok(None) };
        if !is_parent(header, &parent) || made.author_user_id.is_none() || made.author_user_id != access.actor() {
            return Ok(None);
        }
        let message = Commit::compose_message(header.summary.trim(), header.description.trim());
        let found = super::objects::load_commit(s, repo, head).await?;
        Ok((found.message == message).then_some(made))
    }

    pub(crate) fn commit_writer(&self, access: &WriteAccess, branch: RefName, header: CommitHeader) -> CommitWriter {
        self.writer_onto(Box::new(access.clone()), Onto::Ref(branch), header)
    }

    fn writer_onto(&self, access: Box<dyn Moves>, onto: Onto, header: CommitHeader) -> CommitWriter {
        CommitWriter {
            app: self.clone(),
            access,
            onto,
            header,
            edits: Vec::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            large: HashMap::new(),
            pointers: Vec::new(),
        }
    }
}

fn check_message(header: &CommitHeader) -> Result<()> {
    if header.summary.trim().is_empty() {
        return Err(Error::invalid("A commit needs a summary."));
    }
    if header.summary.len() + header.description.len() > MESSAGE_BYTES_MAX {
        return Err(Error::invalid(format!("A commit message has at most {MESSAGE_BYTES_MAX} bytes.")));
    }
    Ok(())
}

/// Whether a commit is the parent that the header names, if it names any.
fn is_parent(header: &CommitHeader, commit: &Oid) -> bool {
    let Some(parent) = &header.parent else { return true };
    parent.len() >= 7 && commit.to_string().starts_with(&parent.to_ascii_lowercase())
}

impl CommitWriter {
    fn push(&mut self, edit: Edit) -> Result<()> {
        if self.edits.len() >= OPERATIONS_MAX {
            return Err(Error::new(
                Code::TooLarge,
                format!("A commit has at most {OPERATIONS_MAX} operations: split it."),
            ));
        }
        self.edits.push(edit);
        Ok(())
    }

    /// Adds or replaces a file kept in history itself.
    pub async fn put_file(&mut self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let path = path_of(path)?;
        if bytes.len() > REGULAR_BYTES_MAX {
            return Err(Error::new(
                Code::TooLarge,
                format!(
                    "\"{path}\" has {} bytes; files over 10 MiB are stored as large files (LFS or Xet). Upload it with a current client, or add a rule to .gitattributes.",
                    bytes.len()
                ),
            ));
        }
        if let Some(pointer) = LfsPointer::parse(&bytes) {
            return self.put_large(path.as_str(), pointer.sha256, Some(pointer.size)).await;
        }
        let size = bytes.len() as u64;
        let (oid, z) =
            tokio::task::spawn_blocking(move || object_id(ObjectKind::Blob, &bytes).map(|oid| (oid, deflate(&bytes))))
                .await
                .map_err(Error::internal)?
                .map_err(|e| Error::invalid(format!("\"{path}\" was refused: {e}")))?;
        self.push(Edit::Put { path, mode: Mode::File, oid })?;
        self.pending_bytes += z.len();
        self.pending.push(Pending { oid, kind: ObjectKind::Blob, size, z });
        if self.pending_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Adds or replaces a large file whose content was uploaded before.
    pub async fn put_large(&mut self, path: &str, sha256: Sha256, size: Option<u64>) -> Result<()> {
        let path = path_of(path)?;
        match self.large.entry(sha256).or_insert(size) {
            Some(known) if size.is_some_and(|size| size != *known) => {
                return Err(Error::invalid(format!("\"{path}\": the same content is declared with two sizes.")));
            }
            known => *known = known.or(size),
        }
        self.pointers.push((self.edits.len(), sha256));
        self.push(Edit::Put { path, mode: Mode::File, oid: Oid::ZERO })
    }

    /// Deletes a file (or the folder of that name, as clients that leave out the slash mean it).
    pub fn delete_file(&mut self, path: &str) -> Result<()> {
        let path = path_of(path)?;
        self.push(Edit::DeleteFile { path })
    }

    /// Deletes a folder and all that is in it.
    pub fn delete_folder(&mut self, path: &str) -> Result<()> {
        let path = path_of(path.trim_end_matches('/'))?;
        self.push(Edit::DeleteFolder { path })
    }

    /// Deletes a file or a folder, whichever is there.
    pub fn delete_entry(&mut self, path: &str) -> Result<()> {
        let path = path_of(path.trim_end_matches('/'))?;
        self.push(Edit::DeleteEntry { path })
    }

    /// How many operations were given.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Whether no operation was given.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Whether there is room for what is to be written, as far as limits go.
    async fn check_room(&self, pending: &[Pending]) -> Result<()> {
        let bytes = pending.iter().map(|p| p.z.len() as u64).sum();
        let repo = self.access.repo();
        self.app.check_room(repo.id, pending.len(), bytes).await?;
        let mut s = self.app.db().read().await?;
        crate::quotas::check_bytes(&mut s, &repo.namespace, bytes).await
    }

    /// Writes gathered bodies ahead of the commit.
    async fn flush(&mut self) -> Result<()> {
        self.check_room(&self.pending).await?;
        let mut tx = self.app.db().begin().await?;
        git::insert_objects(&mut tx, self.access.repo().id, &Pending::rows(&self.pending)).await?;
        tx.commit().await?;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// Looks up each large file's content, and fills in its pointer blob.
    async fn fill_pointers(&mut self, s: &mut haina_db::Session) -> Result<Vec<Pointer>> {
        let repo = self.access.repo().id;
        let shas: Vec<Sha256> = self.large.keys().copied().collect();
        let stored = content::list_stored(s, repo, &shas).await?;
        let mut blobs: HashMap<Sha256, Pointer> = HashMap::new();
        for (sha256, declared) in &self.large {
            let missing = || {
                Error::invalid(format!(
                    "The large file with sha256 {sha256} was not uploaded to this repository. Upload its content first."
                ))
            };
            let found = stored.get(sha256).filter(|f| f.readable().is_some()).ok_or_else(missing)?;
            if declared.is_some_and(|size| size != found.size) {
                return Err(Error::invalid(format!(
                    "The large file with sha256 {sha256} has {} bytes, not {}.",
                    found.size,
                    declared.unwrap_or(0)
                )));
            }
            let text = LfsPointer { sha256: *sha256, size: found.size }.to_text();
            let oid = object_id(ObjectKind::Blob, text.as_bytes()).map_err(Error::internal)?;
            self.pending.push(Pending::new(oid, ObjectKind::Blob, text.as_bytes()));
            blobs.insert(*sha256, Pointer { blob: oid, sha256: *sha256, size: found.size });
        }
        for (index, sha256) in &self.pointers {
            if let (Edit::Put { oid, .. }, Some(pointer)) = (&mut self.edits[*index], blobs.get(sha256)) {
                *oid = pointer.blob;
            }
        }
        Ok(blobs.into_values().collect())
    }

    /// Refuses to change what others have locked.
    async fn check_locks(&self) -> Result<()> {
        let locks = self.app.locks_of_others(self.access.repo().id, self.access.actor()).await?;
        if locks.is_empty() {
            return Ok(());
        }
        let touches = |edit: &Edit, locked: &str| match edit {
            Edit::Put { path, .. } => path.as_str() == locked,
            // Whole folders among them.
            Edit::DeleteFile { path } | Edit::DeleteFolder { path } | Edit::DeleteEntry { path } => {
                locked.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        };
        match locks.iter().find(|lock| self.edits.iter().any(|edit| touches(edit, &lock.path))) {
            None => Ok(()),
            Some(lock) => Err(Error::new(
                Code::Forbidden,
                format!("\"{}\" is locked by {}. Ask them to unlock it (git lfs unlock).", lock.path, lock.owner),
            )),
        }
    }

    /// Makes the commit and moves the branch, or leaves everything as it was.
    pub async fn finish(mut self) -> Result<CommitDone> {
        let app = self.app.clone();
        let repo = self.access.repo().clone();
        let pointers = {
            let mut s = app.db().read().await?;
            app.check_large_room(&mut s, repo.id, 0).await?;
            self.fill_pointers(&mut s).await?
        };
        self.check_room(&self.pending).await?;
        self.check_locks().await?;
        // Few bodies go with the commit itself and save a transaction; many are written ahead.
        if self.pending_bytes >= BATCH_BYTES {
            self.flush().await?;
        }
        let _turn = app.history().turn(repo.id).await;
        for _ in 0..TRIES_MAX {
            if let Some(done) = self.attempt(&repo, &pointers).await? {
                if done.branch == RefName::main() {
                    app.refresh_facts(repo.id).await?;
                }
                return Ok(done);
            }
        }
        Err(Error::new(Code::Unavailable, "The branch keeps moving. Please try again."))
    }

    /// The commit to build upon; none on a branch that is to be.
    async fn find_parent(&self, s: &mut haina_db::Session, repo: i64) -> Result<Option<Oid>> {
        match (&self.onto, &self.header.parent) {
            // The commit that the proposal was made from, not a promise that the branch is still there.
            (Onto::NewPull(_), Some(parent)) => {
                super::revision::resolve(s, repo, &Revision::new(parent.as_str())).await.map(Some)
            }
            (Onto::NewPull(branch), None) => Ok(git::find_ref(s, repo, branch).await?.map(|r| r.oid)),
            (Onto::Ref(name), _) => Ok(git::find_ref(s, repo, name).await?.map(|r| r.oid)),
        }
    }

    /// One try on the branch as it is now; `None` when it moved meanwhile.
    async fn attempt(&mut self, repo: &repos::Repo, pointers: &[Pointer]) -> Result<Option<CommitDone>> {
        let app = self.app.clone();
        let mut s = app.db().read().await?;
        let mut head = self.find_parent(&mut s, repo.id).await?;
        // The head is not what this commit is to be made on: only if it is this commit itself, there is nothing to do.
        let mut made = None;
        if let (Onto::Ref(_), Some(found)) = (&self.onto, &head)
            && !is_parent(&self.header, found)
        {
            let commit = app.find_made(&mut s, &*self.access, &self.header, found).await?.ok_or_else(stale)?;
            head = commit.parents.first().copied();
            made = Some(commit);
        }
        let mut parents = Vec::new();
        let mut root = None;
        let mut generation = 1;
        if let Some(head) = head {
            let Some(commit) = git::find_commit(&mut s, repo.id, &head).await? else {
                return Err(missing(&mut s, repo.id, ObjectKind::Commit, &head).await);
            };
            parents.push(head);
            root = Some(commit.tree);
            generation = commit.gen_number + 1;
        }
        let loader = tokio::sync::Mutex::new(&mut s);
        let load = async |oid: Oid| {
            let mut s = loader.lock().await;
            app.load_tree(&mut s, repo.id, &oid).await
        };
        let edited = haina_git::edit(root, self.edits.clone(), load).await.map_err(|e| edit_error(e, head))?;
        drop(s);
        if let (Some(made), Onto::Ref(branch)) = (made, &self.onto) {
            let done = CommitDone { id: made.oid, branch: branch.clone(), opened: None };
            return if made.tree == edited.root { Ok(Some(done)) } else { Err(stale()) };
        }

        let author = app.author(self.access.actor()).await?;
        let mut tx = app.db().begin().await?;
        let (opened, name) = match &self.onto {
            Onto::Ref(name) => (None, name.clone()),
            Onto::NewPull(base) => {
                let (title, text) = (&self.header.summary, &self.header.description);
                let status = discussions::Status::Open;
                let number = app.open_pull(&mut tx, &*self.access, base, title, text, status).await?;
                (Some(number), crate::discussions::pull_ref(number)?)
            }
        };
        let commit = NewCommit {
            branch: &name,
            old: head.filter(|_| opened.is_none()),
            parents,
            generation,
            summary: &self.header.summary,
            description: &self.header.description,
            root: edited.root,
            trees: edited.new_trees,
            operations: self.edits.len(),
        };
        // Checked again where it counts: the content could have been forgotten since.
        let shas: Vec<Sha256> = self.large.keys().copied().collect();
        let stored = content::list_stored(&mut tx, repo.id, &shas).await?;
        let files: Vec<_> = stored.values().filter_map(|f| f.readable()).collect();
        if files.len() != shas.len() {
            return Err(Error::invalid("A large file of this commit is no longer stored here. Upload it again."));
        }
        git::insert_objects(&mut tx, repo.id, &Pending::rows(&self.pending)).await?;
        for pointer in pointers {
            git::insert_pointer(&mut tx, repo.id, &pointer.blob, &pointer.sha256, pointer.size).await?;
        }
        let Some(id) = app.record(&mut tx, &*self.access, &author, commit).await? else { return Ok(None) };
        content::link_committed(&mut tx, repo.id, &files).await?;
        tx.commit().await?;
        Ok(Some(CommitDone { id, branch: name, opened }))
    }
}

/// A commit whose trees are built and whose blobs are, or will be in the same transaction, written.
pub(crate) struct NewCommit<'a> {
    pub(crate) branch: &'a RefName,
    /// Where the branch must still be.
    pub(crate) old: Option<Oid>,
    pub(crate) parents: Vec<Oid>,
    pub(crate) generation: i64,
    pub(crate) summary: &'a str,
    pub(crate) description: &'a str,
    pub(crate) root: Oid,
    pub(crate) trees: Vec<(Oid, Vec<u8>)>,
    pub(crate) operations: usize,
}

/// A reference that is to be created (`old` is none), moved, or deleted (`new` is none).
pub(crate) struct RefChange<'a> {
    pub(crate) name: &'a RefName,
    pub(crate) old: Option<Oid>,
    pub(crate) new: Option<Oid>,
    /// The kind of the ledger's event.
    pub(crate) event: &'a str,
    /// What the event says beside the reference itself.
    pub(crate) data: serde_json::Value,
}

impl App {
    /// Writes trees and a commit on the caller's transaction, and moves the branch to it. `None`, and nothing may be kept, when the branch is not at `old` any more.
    pub(crate) async fn record(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        author: &(String, String),
        new: NewCommit<'_>,
    ) -> Result<Option<Oid>> {
        let id = self.write_commit(tx, access, author, &new).await?;
        let data = json!({"title": new.summary.trim(), "operations": new.operations, "door": "api"});
        let moved = RefChange { name: new.branch, old: new.old, new: Some(id), event: "repo.commit", data };
        Ok(self.move_ref(tx, access, moved).await?.then_some(id))
    }

    /// Writes trees and a commit on the caller's transaction. No reference leads to it yet.
    pub(super) async fn write_commit(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        author: &(String, String),
        new: &NewCommit<'_>,
    ) -> Result<Oid> {
        let repo = access.repo();
        let now = self.now();
        let (summary, description) = (new.summary.trim(), new.description.trim());
        let signature = Signature::new(&author.0, &author.1, now.seconds());
        let commit = Commit {
            tree: new.root,
            parents: new.parents.clone(),
            author: signature.clone(),
            committer: signature,
            extra: Vec::new(),
            message: Commit::compose_message(summary, description),
        };
        let raw = commit.write();
        let id = object_id(ObjectKind::Commit, &raw).map_err(Error::internal)?;
        let mut objects: Vec<Pending> =
            new.trees.iter().map(|(oid, raw)| Pending::new(*oid, ObjectKind::Tree, raw)).collect();
        objects.push(Pending::new(id, ObjectKind::Commit, &raw));
        git::insert_objects(tx, repo.id, &Pending::rows(&objects)).await?;
        let row = git::CommitRow {
            oid: id,
            tree: new.root,
            parents: new.parents.clone(),
            gen_number: new.generation,
            author_user_id: access.actor(),
            committed_at: now,
            title: summary.to_owned(),
        };
        git::insert_commit(tx, repo.id, &row).await?;
        Ok(id)
    }

    /// Creates, moves or deletes a reference if it still is what the caller saw, and with it its log, the event and the
    /// follow-up job, on the caller's transaction: the one place where a reference moves. `false`, and nothing may be
    /// kept, when it is something else by now.
    pub(crate) async fn move_ref(
        &self,
        tx: &mut haina_db::Session,
        access: &dyn Moves,
        change: RefChange<'_>,
    ) -> Result<bool> {
        let (repo, actor, now) = (access.repo(), access.actor(), self.now());
        let RefChange { name, old, new, event, mut data } = change;
        let pull = match crate::discussions::pull_number(name) {
            Some(number) => Some(self.admit_pull(tx, access, number, new.is_some(), event).await?),
            None if access.is_writer() => None,
            None => return Err(crate::discussions::only_own_pulls()),
        };
        if !git::put_ref(tx, repo.id, name, old.as_ref(), new.as_ref(), now).await? {
            return Ok(false);
        }
        let moved = git::RefMove { old, new, actor_id: actor, at: now };
        git::append_reflog(tx, repo.id, name, &moved).await?;
        match (&pull, &new) {
            (Some(_), _) if event == REWRITE => {}
            (Some(pull), Some(new)) => self.note_commits(tx, access, pull, old, *new).await?,
            _ => repos::touch_repo(tx, repo.id, now).await?,
        }
        data["ref"] = json!(name.as_str());
        data["old"] = json!(old);
        data["new"] = json!(new);
        self.append(tx, actor, event, Some(repo.id), Some(repo.namespace.id), data).await?;
        if *name == RefName::main() {
            // Done at once by whoever moved the branch; the job is for a crash in between.
            crate::repos::enqueue_facts(tx, repo.id, now.plus_seconds(30)).await?;
        }
        Ok(true)
    }
}

fn edit_error(e: EditError<Error>, commit: Option<Oid>) -> Error {
    match e {
        EditError::Load(e) => e,
        EditError::NoSuchEntry(path) => {
            let e = Error::new(Code::EntryNotFound, format!("A file with this name doesn't exist: \"{path}\""));
            match commit {
                Some(commit) => e.at(commit),
                None => e,
            }
        }
        e => Error::new(Code::InvalidPath, e.to_string()),
    }
}

impl App {
    /// The name and address that commits carry: the hub's own, so that no private e-mail address enters history.
    pub(crate) async fn author(&self, user: Option<i64>) -> Result<(String, String)> {
        let host = self.base_url().split("://").nth(1).unwrap_or("localhost");
        let host = host.split(['/', ':']).next().unwrap_or("localhost");
        let name = match user {
            None => "haina".to_owned(),
            Some(id) => {
                let mut s = self.db().read().await?;
                let user = haina_db::people::find_user_by_id(&mut s, id).await?;
                user.ok_or_else(|| Error::new(Code::Forbidden, "This account no longer exists."))?.name.to_string()
            }
        };
        let email = format!("{name}@users.noreply.{host}");
        Ok((name, email))
    }
}
