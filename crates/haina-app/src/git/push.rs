//! `git-receive-pack`: pushes.
//!
//! A push is received whole into a spool, its deltas are made, and everything in it is checked before the first byte
//! goes to the database. Bodies are written from the leaves up; then one short transaction makes the commits known and
//! moves the references. Whatever happens before that leaves nothing visible.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use haina_db::git;
use haina_git::ObjectKind;
use haina_git::wire::{
    Band, PackEnd, PackError, PackLimits, PktError, PushCommand, PushError, PushReport, PushRequest, WireError,
    bands_to, flush_to, report,
};
use haina_types::{Code, Error, Oid, RefName, Result, Sha256, Timestamp, XetHash};
use serde_json::json;
use tokio::sync::mpsc;

use super::Answer;
use super::cache::Shape;
use super::feed::{Bands, Feed, feed};
use super::refs::{STEP, kinds};
use super::spool::{BodyReader, Pack, Packed, Received, receive};
use super::walk::{Walk, WalkError, Walker, paths};
use crate::App;
use crate::content::{self, ByteStream};
use crate::discussions::{only_own_pulls, pull_number};
use crate::gate::{Moves, PushAccess};
use crate::history::RefChange;
use crate::limits::{check_refs, limits_of};

/// Bytes of objects that are written by one transaction.
const BATCH_BYTES: u64 = 8 << 20;
/// Objects that are written by one transaction.
const BATCH_OBJECTS: usize = 4000;
/// How long what is left of a refused body is still read, so that its sender gets to read the refusal.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
/// When nothing came for so long on a line that stays open, that was all.
const QUIET: std::time::Duration = std::time::Duration::from_secs(3);

/// Why a push is not taken.
pub(super) enum Refusal {
    /// The pack is broken.
    Pack(String),
    /// The pack is whole, and must not be part of this repository: one word for each reference, and what to do.
    Policy { reason: String, advice: Vec<String> },
    /// A fault of ours.
    Fault(Error),
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        match e.code {
            Code::Invalid | Code::Conflict | Code::TooLarge => Self::Policy { reason: e.message, advice: Vec::new() },
            _ => Self::Fault(e),
        }
    }
}

impl From<haina_db::Error> for Refusal {
    fn from(e: haina_db::Error) -> Self {
        Error::from(e).into()
    }
}

fn io_refusal(e: std::io::Error) -> Refusal {
    Refusal::Fault(match e.kind() {
        std::io::ErrorKind::StorageFull => Error::new(
            Code::StorageFull,
            "The server has no room left, so nothing was stored. Ask its administrator to free space, then try again.",
        )
        .because(e),
        _ => Error::internal(e),
    })
}

impl From<PackError> for Refusal {
    fn from(e: PackError) -> Self {
        match e {
            PackError::Io(e) => io_refusal(e),
            // What is wrong inside is of use to whoever made the pack.
            PackError::Stream { why, .. } => Self::Pack(format!("broken object in the pack: {why}")),
            PackError::Delta { why, .. } => Self::Pack(why.to_string()),
            e => Self::Pack(e.to_string()),
        }
    }
}

impl From<WalkError> for Refusal {
    fn from(e: WalkError) -> Self {
        match e {
            WalkError::Refused(why) => Self::Pack(why),
            WalkError::Io(e) => io_refusal(e),
        }
    }
}

/// A command whose reference may be moved by a push.
pub(super) struct Move {
    /// Its place among the commands.
    pub(super) at: usize,
    pub(super) name: RefName,
    pub(super) old: Option<Oid>,
    pub(super) new: Option<Oid>,
}

/// Whether, and how, a push may move this reference.
pub(super) fn rule(command: &PushCommand) -> Result<RefName, String> {
    let name = command.name.as_str();
    let parsed = if let Some(branch) = name.strip_prefix("refs/heads/") {
        RefName::branch(branch).ok()
    } else if let Some(tag) = name.strip_prefix("refs/tags/") {
        RefName::tag(tag).ok()
    } else if name.starts_with("refs/notes/") {
        name.parse().ok()
    } else if name.starts_with("refs/pr/") {
        name.parse().ok().filter(|name| pull_number(name).is_some())
    } else {
        return Err("only refs/heads, refs/tags, refs/notes and refs/pr can be pushed here".to_owned());
    };
    let name = parsed.ok_or("invalid reference name")?;
    if command.is_delete() && pull_number(&name).is_some() {
        return Err("the reference of a pull request is not deleted: close it instead".to_owned());
    }
    if command.is_delete() && name == RefName::main() {
        return Err("the main branch cannot be deleted".to_owned());
    }
    if command.is_delete() && command.old == Oid::ZERO {
        return Err("there is nothing to delete".to_owned());
    }
    Ok(name)
}

impl App {
    fn spool_folder(&self) -> PathBuf {
        self.git().spool.clone()
    }

    async fn push_limits(&self, repo: i64) -> Result<PackLimits> {
        let mut s = self.db().read().await?;
        let limits = limits_of(&mut s, repo).await?;
        // Counts of packs are 32 bits wide.
        let objects = u32::try_from(limits.objects).unwrap_or(u32::MAX);
        Ok(PackLimits { bytes: limits.push_bytes, objects, ..PackLimits::default() })
    }

    /// Takes a push. What is wrong with it is said in the protocol itself, where the person who pushes sees it.
    pub async fn git_push(&self, access: &PushAccess, body: ByteStream) -> Result<Answer> {
        self.take_body(access, body, PackEnd::Input).await
    }

    /// Takes a push whose body ends as `end` says.
    pub(super) async fn take_body(&self, access: &PushAccess, mut body: ByteStream, end: PackEnd) -> Result<Answer> {
        // Each holds a thread while its body comes in.
        let _permit = self.git().receiving.acquire().await.map_err(Error::internal)?;
        let (to, from) = mpsc::channel::<std::io::Result<Bytes>>(4);
        let folder = self.spool_folder();
        let limits = PackLimits { end, ..self.push_limits(access.repo().id).await? };
        let mut reading =
            tokio::task::spawn_blocking(move || receive(BodyReader { from, piece: Bytes::new() }, &folder, limits));
        // What was read, if that is known before the body ends: it was refused, or its end shows in itself.
        let early = loop {
            let piece = tokio::select! {
                biased;
                received = &mut reading => break Some(received),
                piece = body.next() => piece,
            };
            let Some(piece) = piece else { break None };
            // Whatever the reason, the rest will not come.
            let piece = piece.map_err(|e| std::io::Error::new(std::io::ErrorKind::UnexpectedEof, e.message));
            // Whoever reads no more is done.
            let _ = to.send(piece).await;
        };
        drop(to);
        let is_whole = early.is_none();
        let received = match early {
            Some(received) => received,
            None => reading.await,
        };
        let received = received.map_err(Error::internal)?;
        let is_refused = !matches!(&received, Ok(None | Some(Received { pack: None | Some(Ok(_)), .. })));
        if !is_whole && (is_refused || end == PackEnd::Input) {
            // On a line that stays open nobody says when the rest is over.
            let quiet = if end == PackEnd::Line { QUIET } else { PATIENCE };
            let rest = async { while let Ok(Some(Ok(_))) = tokio::time::timeout(quiet, body.next()).await {} };
            // Whatever is left unread closes the connection.
            let _ = tokio::time::timeout(PATIENCE, rest).await;
        }
        let received = match received {
            Ok(Some(received)) => received,
            // A client tries whether it may push.
            Ok(None) => return Ok(Answer::whole(Vec::new())),
            Err(PushError { why: WireError::Pkt(PktError::Io(e)), .. }) => {
                return Err(Error::invalid("The request could not be read.").because(e));
            }
            Err(PushError { why, bands }) => return Ok(refusal(&why.to_string(), bands)),
        };
        use tracing::Instrument;
        let bands = if received.request.has("side-band-64k") { Bands::Large } else { Bands::None };
        let (mut feed, stream) = feed(bands, received.request.has("quiet"));
        let (app, access) = (self.clone(), access.clone());
        let work = async move {
            let capabilities = received.request.capabilities.clone();
            let told = app.take_push(&access, received, &mut feed).await;
            // A client that went away hears nothing; what was done is done.
            let _ = feed.finish(report(&capabilities, &told)).await;
        };
        tokio::spawn(work.in_current_span());
        Ok(Answer { head: Bytes::new(), rest: Some(stream) })
    }

    async fn take_push(&self, access: &PushAccess, received: Received, feed: &mut Feed) -> PushReport {
        let Received { request, pack } = received;
        let mut refused: Vec<Option<String>> = vec![None; request.commands.len()];
        let mut unpack = None;
        match self.judge_push(access, &request, pack, &mut refused, feed).await {
            Ok(()) => {}
            Err(Refusal::Pack(why)) => {
                unpack = Some(why);
                refused.fill(Some("unpacker error".to_owned()));
            }
            Err(Refusal::Policy { reason, advice }) => {
                for line in advice {
                    let _ = feed.tell(&line).await;
                }
                refused.fill(Some(reason));
            }
            Err(Refusal::Fault(e)) => {
                tracing::error!(cause = %e.chain(), "a push failed");
                unpack = Some(e.message.clone());
                refused.fill(Some("nothing was changed".to_owned()));
            }
        }
        let names = request.commands.into_iter().map(|c| c.name);
        PushReport { unpack, refs: names.zip(refused).collect() }
    }

    /// Takes what may be taken; `refused` says of each command why not.
    async fn judge_push(
        &self,
        access: &PushAccess,
        request: &PushRequest,
        pack: Option<Result<super::spool::Scanned, PackError>>,
        refused: &mut [Option<String>],
        feed: &mut Feed,
    ) -> Result<(), Refusal> {
        let _permit = self.git().taking.acquire().await.map_err(Error::internal)?;
        let scanned = pack.transpose()?;
        let most = {
            let mut s = self.db().read().await?;
            limits_of(&mut s, access.repo().id).await?.push_refs
        };
        if request.commands.len() as u64 > most {
            let reason = format!("a push has at most {most} references: push them in parts");
            return Err(Refusal::Policy { reason, advice: Vec::new() });
        }
        let mut moves = Vec::new();
        let mut names = HashSet::new();
        for (at, command) in request.commands.iter().enumerate() {
            let some = |oid: Oid| (oid != Oid::ZERO).then_some(oid);
            match rule(command) {
                Err(why) => refused[at] = Some(why),
                Ok(name) if !names.insert(command.name.as_str()) => {
                    refused[at] = Some(format!("{name} is there twice"));
                }
                Ok(name) => moves.push(Move { at, name, old: some(command.old), new: some(command.new) }),
            }
        }
        // Before anything of a push that may not be is kept; looked at again when the reference moves.
        for wanted in &moves {
            let judged = match pull_number(&wanted.name) {
                Some(number) => self.check_pull_push(access, number).await,
                None if access.is_writer() => Ok(()),
                None => Err(only_own_pulls()),
            };
            refused[wanted.at] = match judged {
                Ok(()) => None,
                Err(e) if matches!(e.code, Code::Forbidden | Code::RevisionNotFound) => Some(e.message),
                Err(e) => return Err(e.into()),
            };
        }
        moves.retain(|m| refused[m.at].is_none());
        if stop_atomic(request, refused) || moves.is_empty() {
            return Ok(());
        }
        let tips: Vec<Oid> = moves.iter().filter_map(|m| m.new).collect();
        let (app, repo, folder) = (self.clone(), access.repo().id, self.spool_folder());
        let made = feed
            .meanwhile(tokio::task::spawn_blocking(move || -> Result<_, Refusal> {
                let pack = match scanned {
                    Some(scanned) => scanned.resolve(&app, repo, &folder)?,
                    None => Pack::empty(&folder).map_err(io_refusal)?,
                };
                let walk = Walker::new(&pack).run(&tips)?;
                Ok((pack, walk))
            }))
            .await;
        let (pack, walk) = made.map_err(Error::internal)??;
        let push = Push { app: self, access, request, pack: Arc::new(pack), walk: Arc::new(walk), door: "git" };
        push.check_sizes().await?;
        let bases = push.check_links().await?;
        push.check_tips(&moves, refused).await?;
        push.check_locks().await?;
        if stop_atomic(request, refused) {
            return Ok(());
        }
        push.take(moves, refused, bases, feed).await
    }
}

/// The end of the conversation. Where a client expects bands, words outside of them are an error of their own to it.
fn refusal(why: &str, bands: bool) -> Answer {
    if !bands {
        return Answer::refusal(why);
    }
    let mut out = Vec::new();
    bands_to(&mut out, Band::Error, format!("{why}\n").as_bytes(), true);
    flush_to(&mut out);
    Answer::whole(out)
}

/// If all or none is asked for and something was refused, nothing is done.
fn stop_atomic(request: &PushRequest, refused: &mut [Option<String>]) -> bool {
    let stop = request.has("atomic") && refused.iter().any(Option::is_some);
    if stop {
        for other in refused.iter_mut().filter(|r| r.is_none()) {
            *other = Some("atomic push failure".to_owned());
        }
    }
    stop
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// An object that is to be written.
#[derive(Clone, Copy)]
struct Write {
    object: u32,
    /// Or else made whole.
    as_came: bool,
}

/// Large files of a push: digest, what is stored, pointer blobs.
struct Files {
    shas: Vec<Sha256>,
    pointers: Vec<(Oid, Sha256, u64)>,
}

/// A push that was read.
pub(super) struct Push<'a> {
    pub(super) app: &'a App,
    pub(super) access: &'a PushAccess,
    pub(super) request: &'a PushRequest,
    pub(super) pack: Arc<Pack>,
    pub(super) walk: Arc<Walk>,
    /// Which way it came, for the ledger.
    pub(super) door: &'static str,
}

impl Push<'_> {
    fn repo(&self) -> i64 {
        self.access.repo().id
    }

    /// Takes what is left of it after all that is checked without its large files.
    pub(super) async fn take(
        &self,
        mut moves: Vec<Move>,
        refused: &mut [Option<String>],
        bases: HashMap<Oid, i64>,
        feed: &mut Feed,
    ) -> Result<(), Refusal> {
        let files = self.check_pointers().await?;
        moves.retain(|m| refused[m.at].is_none());
        if moves.is_empty() {
            return Ok(());
        }
        let bytes = self.walk.order.iter().map(|i| self.pack.objects[*i as usize].stored()).sum();
        self.app.check_room(self.repo(), self.walk.order.len(), bytes).await?;
        self.app.check_upload_of(&self.access.content(), bytes).await?;
        let written = self.write(feed).await?;
        self.record(&moves, &bases, &files, written, refused, feed).await?;
        if refused.iter().all(Option::is_none) {
            self.keep_pack(&moves);
        }
        Ok(())
    }

    async fn paths_of(&self, blobs: HashSet<Oid>) -> Result<Vec<(String, Oid)>, Refusal> {
        let (pack, walk) = (self.pack.clone(), self.walk.clone());
        let found = tokio::task::spawn_blocking(move || paths(&pack, &walk, &blobs)).await;
        found.map_err(Error::internal)?.map_err(io_refusal)
    }

    /// Large files belong into LFS.
    async fn check_sizes(&self) -> Result<(), Refusal> {
        if self.walk.large.is_empty() && self.pack.left_out == 0 {
            return Ok(());
        }
        let limit = mebibytes(PackLimits::default().blob_bytes);
        let mut advice = vec![format!("Files of more than {limit} are not kept in history itself:")];
        for (path, blob) in self.paths_of(self.walk.large.iter().copied().collect()).await? {
            advice.push(format!("  {path} ({})", mebibytes(self.pack.large.get(&blob).copied().unwrap_or(0))));
        }
        advice.push("Let Git LFS keep them, also in the commits that have them already, and push again:".to_owned());
        advice.push("  git lfs migrate import --everything --above=10MB".to_owned());
        Err(Refusal::Policy { reason: format!("a file of more than {limit} is not in Git LFS"), advice })
    }

    /// Every link must lead to an object that came along or is here. The commits of this repository among them.
    async fn check_links(&self) -> Result<HashMap<Oid, i64>, Refusal> {
        let mut s = self.app.db().read().await?;
        let mut bases = HashMap::new();
        let commits = |kind| kind == ObjectKind::Commit;
        let (of_commits, others): (Vec<_>, Vec<_>) = self.walk.outside.iter().partition(|(_, kind)| commits(**kind));
        let of_commits: Vec<Oid> = of_commits.into_iter().map(|(oid, _)| *oid).collect();
        let missing = |kind: ObjectKind, oid: &Oid| {
            if !self.request.shallows.is_empty() {
                return Refusal::Policy {
                    reason: "shallow update not allowed".to_owned(),
                    advice: vec![
                        "The history here would not be whole. Run `git fetch --unshallow`, then push again.".to_owned(),
                    ],
                };
            }
            Refusal::Pack(format!("missing {kind} {oid}"))
        };
        for part in of_commits.chunks(STEP) {
            for row in git::list_commits_by_oid(&mut s, self.repo(), part).await? {
                bases.insert(row.oid, row.gen_number);
            }
        }
        if let Some(oid) = of_commits.iter().find(|oid| !bases.contains_key(oid)) {
            return Err(missing(ObjectKind::Commit, oid));
        }
        let oids: Vec<Oid> = others.iter().map(|(oid, _)| **oid).collect();
        let found = kinds(&mut s, self.repo(), &oids).await?;
        match others.into_iter().find(|(oid, kind)| found.get(oid) != Some(kind)) {
            Some((oid, kind)) => Err(missing(*kind, oid)),
            None => Ok(bases),
        }
    }

    /// What references point to must be here, and for branches be a commit.
    async fn check_tips(&self, moves: &[Move], refused: &mut [Option<String>]) -> Result<(), Refusal> {
        let mut s = self.app.db().read().await?;
        for (wanted, new) in moves.iter().filter_map(|m| Some((m, m.new?))) {
            let kind = match self.pack.by_oid.get(&new) {
                Some(i) => Some(self.pack.objects[*i as usize].kind),
                // A commit counts when it is known as one.
                None if git::find_commit(&mut s, self.repo(), &new).await?.is_some() => Some(ObjectKind::Commit),
                None => kinds(&mut s, self.repo(), &[new]).await?.remove(&new).filter(|k| *k != ObjectKind::Commit),
            };
            refused[wanted.at] = match kind {
                None => Some(format!("missing object {new}")),
                Some(kind) if kind != ObjectKind::Commit && wanted.name.as_tag().is_none() => {
                    Some(format!("{new} is a {kind}, not a commit"))
                }
                Some(_) => None,
            };
        }
        Ok(())
    }

    /// The content of large files must have been uploaded to this repository.
    async fn check_pointers(&self) -> Result<Files, Refusal> {
        let mut files = Files { shas: Vec::new(), pointers: Vec::new() };
        let objects = self.walk.order.iter().map(|i| &self.pack.objects[*i as usize]);
        let found = objects.filter_map(|o| Some((o.oid, *self.pack.pointers.get(&o.oid)?)));
        let pointers: Vec<_> = found.collect();
        if pointers.is_empty() {
            return Ok(files);
        }
        let mut s = self.app.db().read().await?;
        self.app.check_large_room(&mut s, self.repo(), 0).await?;
        let shas: HashSet<Sha256> = pointers.iter().map(|(_, p)| p.sha256).collect();
        let shas: Vec<Sha256> = shas.into_iter().collect();
        let mut stored = HashMap::new();
        for part in shas.chunks(STEP) {
            stored.extend(content::list_stored(&mut s, self.repo(), part).await?);
        }
        // A pointer that is here already was judged when it came.
        let oids: Vec<Oid> = pointers.iter().map(|(oid, _)| *oid).collect();
        let known = kinds(&mut s, self.repo(), &oids).await?;
        drop(s);
        let mut missing = HashSet::new();
        for (blob, pointer) in &pointers {
            match stored.get(&pointer.sha256).filter(|f| f.readable().is_some() && f.size == pointer.size) {
                Some(_) => files.pointers.push((*blob, pointer.sha256, pointer.size)),
                None if known.contains_key(blob) => {}
                None => {
                    missing.insert(*blob);
                }
            }
        }
        if missing.is_empty() {
            let here: HashSet<Sha256> = files.pointers.iter().map(|(_, sha256, _)| *sha256).collect();
            files.shas = here.into_iter().collect();
            return Ok(files);
        }
        let mut advice = vec!["The content of these large files was not uploaded to this repository:".to_owned()];
        for (path, blob) in self.paths_of(missing).await? {
            let Some(pointer) = self.pack.pointers.get(&blob) else { continue };
            advice.push(format!("  {path} (sha256 {}, {})", pointer.sha256, mebibytes(pointer.size)));
        }
        advice.push("Upload it, then push again:".to_owned());
        advice.push("  git lfs push --all <remote>".to_owned());
        Err(Refusal::Policy { reason: "the content of a Git LFS file is missing".to_owned(), advice })
    }

    /// Which objects that others build upon are here already. How they are kept is not known, so that what builds upon
    /// them is kept whole: chains would grow from push to push.
    async fn known_bases(&self) -> Result<HashSet<u32>, Refusal> {
        let bases: HashSet<u32> = self.pack.objects.iter().filter_map(Packed::base).collect();
        let bases: Vec<u32> = bases.into_iter().collect();
        let mut known = HashSet::new();
        let mut s = self.app.db().read().await?;
        for part in bases.chunks(STEP) {
            let oids: Vec<Oid> = part.iter().map(|i| self.pack.objects[*i as usize].oid).collect();
            let here = git::list_objects_present(&mut s, self.repo(), &oids).await?;
            known.extend(here.iter().filter_map(|oid| self.pack.by_oid.get(oid)));
        }
        Ok(known)
    }

    /// What is written by one transaction each, in order. A delta is kept as it came if what it builds upon is written
    /// by this push before it.
    async fn batches(&self) -> Result<Vec<Vec<Write>>, Refusal> {
        let known = self.known_bases().await?;
        let mut written = vec![false; self.pack.objects.len()];
        let mut out: Vec<Vec<Write>> = Vec::new();
        let mut bytes = u64::MAX;
        for i in self.walk.order.iter().copied() {
            let object = &self.pack.objects[i as usize];
            let as_delta = object.base().is_some_and(|base| written[base as usize] && !known.contains(&base));
            let as_came = as_delta || object.base().is_none();
            written[i as usize] = true;
            let more = if as_came { object.stored() } else { object.size };
            bytes = bytes.saturating_add(more);
            let write = Write { object: i, as_came };
            match out.last_mut() {
                Some(batch) if bytes <= BATCH_BYTES && batch.len() < BATCH_OBJECTS => batch.push(write),
                _ => {
                    out.push(vec![write]);
                    bytes = more;
                }
            }
        }
        Ok(out)
    }

    async fn read_batch(&self, batch: Vec<Write>) -> Result<Vec<(Write, Vec<u8>)>, Refusal> {
        let pack = self.pack.clone();
        let read = move || -> std::io::Result<Vec<(Write, Vec<u8>)>> {
            let stream = |w: &Write| match w.as_came {
                true => pack.stream(&pack.objects[w.object as usize]),
                false => Ok(haina_git::deflate(&pack.raw(w.object)?)),
            };
            batch.into_iter().map(|w| Ok((w, stream(&w)?))).collect()
        };
        tokio::task::spawn_blocking(read).await.map_err(Error::internal)?.map_err(io_refusal)
    }

    async fn insert(&self, tx: &mut haina_db::Session, batch: &[(Write, Vec<u8>)]) -> Result<(), Refusal> {
        let rows: Vec<git::NewObject<'_>> = batch
            .iter()
            .map(|(w, z)| {
                let object = &self.pack.objects[w.object as usize];
                let delta = self.pack.delta_of(object).filter(|_| w.as_came);
                git::NewObject { oid: object.oid, kind: i64::from(object.kind.number()), size: object.size, delta, z }
            })
            .collect();
        git::insert_objects(tx, self.repo(), &rows).await?;
        Ok(())
    }

    /// Writes bodies, what is linked to before what links to it. A small push is left for the transaction at the end.
    async fn write(&self, feed: &mut Feed) -> Result<Vec<(Write, Vec<u8>)>, Refusal> {
        let mut batches = self.batches().await?;
        if batches.len() <= 1 {
            return self.read_batch(batches.pop().unwrap_or_default()).await;
        }
        let mut count = 0;
        let mut batches = batches.into_iter();
        let mut rows = self.read_batch(batches.next().unwrap_or_default()).await?;
        while !rows.is_empty() {
            let insert = async {
                let mut tx = self.app.db().begin().await?;
                self.insert(&mut tx, &rows).await?;
                Ok::<_, Refusal>(tx.commit().await?)
            };
            let next = self.read_batch(batches.next().unwrap_or_default());
            let ((), next) = futures_util::future::try_join(insert, next).await?;
            count += rows.len();
            feed.work("Storing objects", count).await;
            rows = next;
        }
        Ok(Vec::new())
    }

    /// Rows of the new commits, parents first.
    fn commit_rows(&self, bases: &HashMap<Oid, i64>) -> Vec<git::CommitRow> {
        let mut generations: HashMap<Oid, i64> = HashMap::with_capacity(self.walk.commits.len());
        let mut rows = Vec::with_capacity(self.walk.commits.len());
        for oid in &self.walk.commits {
            let facts = &self.pack.commits[oid];
            let of = |p: &Oid| generations.get(p).or_else(|| bases.get(p)).copied().unwrap_or(0);
            let gen_number = 1 + facts.parents.iter().map(of).max().unwrap_or(0);
            generations.insert(*oid, gen_number);
            rows.push(git::CommitRow {
                oid: *oid,
                tree: facts.tree,
                parents: facts.parents.to_vec(),
                gen_number,
                author_user_id: self.access.actor(),
                committed_at: Timestamp(facts.seconds.saturating_mul(1000)),
                title: facts.title.clone(),
            });
        }
        rows
    }

    /// Makes everything known and moves the references: all of it, or what may be, or nothing.
    async fn record(
        &self,
        moves: &[Move],
        bases: &HashMap<Oid, i64>,
        files: &Files,
        written: Vec<(Write, Vec<u8>)>,
        refused: &mut [Option<String>],
        feed: &mut Feed,
    ) -> Result<(), Refusal> {
        let rows = self.commit_rows(bases);
        let mut moved_main = false;
        let mut warnings = Vec::new();
        let repo = self.access.repo();
        let mut tx = self.app.db().begin().await?;
        if !git::lock_repo(&mut tx, repo.id).await? {
            return Err(Refusal::Policy { reason: "the repository was deleted".to_owned(), advice: Vec::new() });
        }
        // Checked again where it counts: the content could have been forgotten since.
        let mut held: Vec<XetHash> = Vec::new();
        for part in files.shas.chunks(STEP) {
            held.extend(content::list_stored(&mut tx, repo.id, part).await?.values().filter_map(|f| f.readable()));
        }
        check_refs(&mut tx, repo.id, moves.iter().filter(|m| m.old.is_none()).count()).await?;
        self.insert(&mut tx, &written).await?;
        git::insert_commits(&mut tx, repo.id, &rows, self.access.actor()).await?;
        for (blob, sha256, size) in &files.pointers {
            git::insert_pointer(&mut tx, repo.id, blob, sha256, *size).await?;
        }
        // What is deleted makes room for what is created.
        let deletions = moves.iter().filter(|m| m.new.is_none());
        for wanted in deletions.chain(moves.iter().filter(|m| m.new.is_some())) {
            match self.move_one(&mut tx, wanted, rows.len()).await? {
                Ok(Moved::Yes) => moved_main |= wanted.name == RefName::main(),
                Ok(Moved::Nothing) => {}
                Ok(Moved::WasNotThere) => warnings.push(format!("warning: {} did not exist", wanted.name)),
                Err(why) => refused[wanted.at] = Some(why),
            }
        }
        if stop_atomic(self.request, refused) {
            return Ok(());
        }
        if moves.iter().all(|m| refused[m.at].is_some()) {
            return Ok(());
        }
        content::link_committed(&mut tx, repo.id, &held).await?;
        tx.commit().await?;
        for warning in warnings {
            let _ = feed.tell(&warning).await;
        }
        if moved_main && let Err(e) = feed.meanwhile(self.app.refresh_facts(repo.id)).await {
            // The job that was queued with the move will read them.
            tracing::warn!(cause = %e.chain(), "the facts of a pushed repository could not be read at once");
        }
        Ok(())
    }

    /// Moves one reference, or says why not.
    async fn move_one(
        &self,
        tx: &mut haina_db::Session,
        wanted: &Move,
        commits: usize,
    ) -> Result<Result<Moved, String>, Refusal> {
        let current = git::find_ref(tx, self.repo(), &wanted.name).await?.map(|r| r.oid);
        match (current, wanted.old, wanted.new) {
            (None, _, None) => return Ok(Ok(Moved::WasNotThere)),
            (current, old, new) if current == new && (old == new || old == current) => return Ok(Ok(Moved::Nothing)),
            (current, old, _) if current != old => {
                return Ok(Err(match current {
                    Some(_) if old.is_none() => "it exists already: fetch first".to_owned(),
                    Some(_) => "it was moved meanwhile: fetch first".to_owned(),
                    None => "it was deleted meanwhile: fetch first".to_owned(),
                }));
            }
            _ => {}
        }
        let is_branch = wanted.name.as_branch().is_some();
        let event = match (wanted.old, wanted.new) {
            (_, None) => "ref.delete",
            (None, Some(_)) if !is_branch => "ref.create",
            _ => "repo.push",
        };
        let data = json!({"door": self.door, "commits": commits});
        let change = RefChange { name: &wanted.name, old: wanted.old, new: wanted.new, event, data };
        match self.app.move_ref(tx, self.access, change).await {
            Ok(true) => Ok(Ok(Moved::Yes)),
            Ok(false) => Ok(Err("it was moved meanwhile: fetch first".to_owned())),
            Err(e) if e.code == Code::Conflict => {
                Ok(Err("another reference is in the way: of `a` and `a/b` only one can exist".to_owned()))
            }
            // A pull request that was merged meanwhile.
            Err(e) if matches!(e.code, Code::Forbidden | Code::RevisionNotFound) => Ok(Err(e.message)),
            Err(e) => Err(e.into()),
        }
    }
}

impl Push<'_> {
    /// A pack that has all that the new tips reach, and nothing else, answers those who clone them: it is kept, if its
    /// sender found deltas. Nobody waits for that.
    fn keep_pack(&self, moves: &[Move]) {
        let (pack, walk) = (&self.pack, &self.walk);
        let has_all = !pack.is_thin
            && pack.left_out == 0
            && walk.outside.is_empty()
            && walk.order.len() == pack.objects.len()
            && pack.by_oid.len() == pack.objects.len();
        let (mut tips, mut others) = (HashSet::new(), HashSet::new());
        for new in moves.iter().filter_map(|m| m.new) {
            let mut oid = new;
            while let Some((_, target)) = pack.tags.get(&oid) {
                others.insert(oid);
                oid = *target;
            }
            let is_commit = pack.commits.contains_key(&oid);
            if is_commit {
                tips.insert(oid)
            } else {
                others.insert(oid)
            };
        }
        if has_all && !tips.is_empty() {
            let shape = Shape::plain(&tips, &others);
            self.app.keep_received(self.repo(), pack.clone(), shape);
        }
    }
}

/// What became of a reference.
enum Moved {
    Yes,
    /// It was there already.
    Nothing,
    /// It was to be deleted and did not exist.
    WasNotThere,
}
