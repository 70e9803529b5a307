//! Making packs ahead, in the background: which object is a delta upon which, the pack, and the proof that it is right.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use haina_cas::crc::CrcBuilder;
use haina_cas::objects::{Committed, ObjectKey};
use haina_db::{git, git_pack as db, repos};
use haina_git::wire::{
    DeltaWindow, EntryKind, Made, PACK_TRAILER_BYTES, PackError, PackIndex, PackLimits, PackWriter, Unpack, resolve,
    scan,
};
use haina_git::{EMPTY_TREE, ObjectKind, inflate};
use haina_types::{Error, Oid, Result};
use tokio::runtime::Handle;

use super::cache::{BYTES_MIN, OBJECTS_MAX, OBJECTS_MIN, PackOf, Shape};
use super::feed::{Bands, empty_tree, feed};
use super::fetch::Fetch;
use super::refs::{STEP, advertisement};
use super::select::Chosen;
use super::spool::Pack;
use crate::App;
use crate::history::Bodies;

/// The class of packs that were pushed.
const RECEIVED: &str = "received";
/// The folder of packs among the objects.
const FOLDER: &str = "git";
/// Stored bytes of objects that are read at once.
const BATCH_BYTES: u64 = 1 << 20;
/// After this long, what is left goes as it is: the job must end.
const SEARCH_MAX: Duration = Duration::from_secs(300);
/// Larger objects go as they are; their deltas would take more memory than a job may have.
const SIZE_MAX: u64 = 10 << 20;
/// Histories of more than this, inflated, are left alone.
const RAW_BYTES_MAX: u64 = 16 << 30;
/// What a pack may have that was made here.
const LIMITS: PackLimits = PackLimits {
    end: haina_git::wire::PackEnd::Input,
    objects: OBJECTS_MAX as u32,
    bytes: 1 << 40,
    blob_bytes: u64::MAX,
    inflation: (1 << 20, 1 << 40),
    depth: 64,
    memory: 64 << 20,
};
/// An object that was not sent to anyone new for so long has reached those it was being sent to, in seconds.
const GONE_SECONDS: i64 = 2 * 3600;
/// An object without a row may be about to get one until it is this old, in seconds.
const ORPHAN_SECONDS: i64 = 24 * 3600;
/// Rows that are tidied at once.
const TIDY_MAX: usize = 500;

/// A delta on its way into a pack.
#[derive(Clone, Copy)]
struct Delta {
    base: u32,
    size: u64,
    /// Where its stream lies in the spool.
    at: u64,
    len: u64,
}

/// A pack in a file without a name.
struct Built {
    file: Arc<File>,
    pack_bytes: u64,
    objects: u32,
    deltas: u32,
    index: Vec<u8>,
}

/// Why a pack was not made.
enum Stop {
    /// The process ends.
    Closing,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(e: E) -> Self {
        Self::Failed(e.into())
    }
}

/// Objects, and where they come from. Blocks.
struct Source {
    app: App,
    repo: i64,
    runtime: Handle,
    bodies: Bodies,
}

impl Source {
    fn check(&self) -> Result<(), Stop> {
        if self.app.git().closing.load(Ordering::Relaxed) { Err(Stop::Closing) } else { Ok(()) }
    }

    /// Gives each of these objects in turn, as it is kept.
    fn each(
        &mut self,
        objects: &[&Chosen],
        mut take: impl FnMut(usize, Loaded<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        self.check()?;
        let oids: Vec<Oid> = objects.iter().map(|o| o.oid).collect();
        let found = self.runtime.block_on(async {
            let mut s = self.app.db().read().await?;
            git::list_objects(&mut s, self.repo, &oids).await
        });
        let mut found: HashMap<Oid, git::Object> = found.map_err(Error::from)?.into_iter().collect();
        for (i, oid) in oids.iter().enumerate() {
            let object = match found.remove(oid) {
                Some(object) => object,
                None if *oid == EMPTY_TREE => empty_tree(),
                None => {
                    return Err(Error::internal(format!("object {oid} of repository {} is missing", self.repo)).into());
                }
            };
            take(i, Loaded { source: self, oid, object })?;
        }
        Ok(())
    }
}

/// An object as it is kept.
struct Loaded<'a> {
    source: &'a mut Source,
    oid: &'a Oid,
    object: git::Object,
}

impl Loaded<'_> {
    fn raw(self) -> Result<Arc<Vec<u8>>, Stop> {
        let Self { source, oid, object } = self;
        if object.delta.is_none() {
            return Ok(Arc::new(inflate(&object.z, object.size).map_err(Error::internal)?));
        }
        let (app, repo, bodies) = (&source.app, source.repo, &mut source.bodies);
        let made = source.runtime.block_on(async {
            let mut s = app.db().read().await?;
            bodies.make(&mut s, repo, oid, object).await
        });
        Ok(made?.map_err(Error::from)?)
    }

    /// The zlib stream of the whole object.
    fn whole(self) -> Result<Vec<u8>, Stop> {
        if self.object.delta.is_none() {
            return Ok(self.object.z);
        }
        Ok(haina_git::deflate(&self.raw()?))
    }
}

fn failed(e: io::Error) -> Stop {
    Stop::Failed(Error::internal(e))
}

/// Parts of a list that may be in memory together.
fn parts<'a>(
    order: &'a [u32],
    objects: &'a [Chosen],
    wanted: impl Fn(u32) -> bool + 'a,
) -> impl Iterator<Item = &'a [u32]> {
    let mut rest = order;
    std::iter::from_fn(move || {
        let (mut bytes, mut count) = (0, 0);
        let fits = |i: &&u32| {
            if wanted(**i) {
                bytes += objects[**i as usize].stored;
                count += 1;
            }
            bytes <= BATCH_BYTES && count <= STEP
        };
        let n = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (now, later) = rest.split_at(n);
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

/// Finds deltas; their streams go into the spool.
fn find_deltas(source: &mut Source, objects: &[Chosen], spool: &File) -> Result<Vec<Option<Delta>>, Stop> {
    let begin = Instant::now();
    let mut order: Vec<u32> = (0..objects.len() as u32).filter(|i| objects[*i as usize].size <= SIZE_MAX).collect();
    // As git does: the largest version of a file first, which is the newest as a rule, and of equals what came later.
    order.sort_by_key(|i| {
        let o = &objects[*i as usize];
        (o.kind.number(), o.name, std::cmp::Reverse(o.size), std::cmp::Reverse(*i))
    });
    let mut deltas = vec![None; objects.len()];
    let mut spool = BufWriter::with_capacity(256 << 10, spool);
    let mut at = 0u64;
    let mut window = DeltaWindow::default();
    for part in parts(&order, objects, |_| true) {
        if begin.elapsed() > SEARCH_MAX {
            tracing::info!(repository = source.repo, "a pack has whole objects where no delta was found in time");
            break;
        }
        let chosen: Vec<&Chosen> = part.iter().map(|i| &objects[*i as usize]).collect();
        source.each(&chosen, |n, loaded| {
            let (i, object) = (part[n], chosen[n]);
            // What a whole stream of it takes; a delta is no measure of that.
            let whole = if loaded.object.delta.is_some() { object.size / 2 } else { object.stored };
            let raw = Arc::unwrap_or_clone(loaded.raw()?);
            if let Some(delta) = window.next(i, object.kind, raw, whole) {
                spool.write_all(&delta.z).map_err(failed)?;
                let len = delta.z.len() as u64;
                deltas[i as usize] = Some(Delta { base: delta.base, size: delta.size, at, len });
                at += len;
            }
            Ok(())
        })?;
    }
    spool.flush().map_err(failed)?;
    Ok(deltas)
}

/// The order of a pack: commits, then the newest trees and blobs first, and every base before what builds upon it.
fn order_of(objects: &[Chosen], deltas: &[Option<Delta>]) -> Vec<u32> {
    let group = |o: &Chosen| match o.kind {
        ObjectKind::Commit | ObjectKind::Tag => 0,
        ObjectKind::Tree => 1,
        ObjectKind::Blob => 2,
    };
    let mut first: Vec<u32> = (0..objects.len() as u32).collect();
    first.sort_by_key(|i| {
        let group = group(&objects[*i as usize]);
        (group, if group == 0 { *i } else { u32::MAX - *i })
    });
    let mut placed = vec![false; objects.len()];
    let mut order = Vec::with_capacity(objects.len());
    let mut chain = Vec::new();
    for i in first {
        let mut next = Some(i);
        while let Some(i) = next.filter(|i| !placed[*i as usize]) {
            chain.push(i);
            placed[i as usize] = true;
            next = deltas[i as usize].map(|d| d.base);
        }
        order.extend(chain.drain(..).rev());
    }
    order
}

fn write_pack(
    source: &mut Source,
    objects: &[Chosen],
    deltas: &[Option<Delta>],
    spool: &File,
    file: File,
) -> Result<Built, Stop> {
    let order = order_of(objects, deltas);
    let mut out = Vec::new();
    let count = u32::try_from(objects.len()).map_err(Error::internal)?;
    let mut writer = PackWriter::new(count, &mut out);
    let mut index = PackIndex::default();
    let mut to = BufWriter::with_capacity(256 << 10, &file);
    let mut at = out.len() as u64;
    to.write_all(&out).map_err(failed)?;
    let mut begins = vec![0u64; objects.len()];
    let is_whole = |i: u32| deltas[i as usize].is_none();
    for part in parts(&order, objects, is_whole) {
        let whole: Vec<&Chosen> = part.iter().filter(|i| is_whole(**i)).map(|i| &objects[*i as usize]).collect();
        let mut found = HashMap::with_capacity(whole.len());
        source.each(&whole, |n, loaded| {
            found.insert(whole[n].oid, loaded.whole()?);
            Ok(())
        })?;
        for i in part {
            let object = &objects[*i as usize];
            out.clear();
            match &deltas[*i as usize] {
                None => writer.push(object.kind, object.size, &found[&object.oid], &mut out),
                Some(delta) => {
                    let mut z = vec![0; delta.len as usize];
                    spool.read_exact_at(&mut z, delta.at).map_err(failed)?;
                    writer.push_delta(at - begins[delta.base as usize], delta.size, &z, &mut out);
                }
            }
            begins[*i as usize] = at;
            index.push(object.oid, at, &out);
            to.write_all(&out).map_err(failed)?;
            at += out.len() as u64;
        }
    }
    out.clear();
    let hash = writer.finish(&mut out).map_err(Error::internal)?;
    to.write_all(&out).map_err(failed)?;
    to.flush().map_err(failed)?;
    drop(to);
    let deltas = deltas.iter().flatten().count() as u32;
    let index = index.finish(&hash).map_err(Error::internal)?;
    Ok(Built { file: Arc::new(file), pack_bytes: at + out.len() as u64, objects: count, deltas, index })
}

/// Reads a pack as a client will.
struct Proof<'a> {
    file: &'a File,
    found: Vec<Oid>,
}

impl Unpack for Proof<'_> {
    fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        let mut out = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut out, at)?;
        Ok(out)
    }

    fn base(&mut self, _: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>> {
        // All that it builds upon is in it.
        Ok(None)
    }

    fn take(&mut self, made: &Made<'_>) -> Result<(), PackError> {
        self.found.push(made.oid);
        Ok(())
    }
}

/// Whether a pack has its hash at its end, and these objects and no others.
fn prove(built: &Built, objects: &[Chosen]) -> Result<(), Stop> {
    let wrong = |e: PackError| Error::internal(e);
    (&*built.file).seek(SeekFrom::Start(0)).map_err(failed)?;
    let entries = scan(&*built.file, io::sink(), &LIMITS, |_, _, _| Ok(())).map_err(wrong)?;
    let whole = entries.iter().filter_map(|entry| match entry.kind {
        EntryKind::Whole(_, oid) => Some(oid),
        _ => None,
    });
    let mut proof = Proof { file: &built.file, found: whole.collect() };
    resolve(&entries, &LIMITS, &mut proof).map_err(wrong)?;
    let mut expected: Vec<Oid> = objects.iter().map(|o| o.oid).collect();
    expected.sort_unstable();
    proof.found.sort_unstable();
    if proof.found == expected {
        Ok(())
    } else {
        Err(Error::internal("a pack has other objects than it should").into())
    }
}

fn build(source: &mut Source, objects: &[Chosen]) -> Result<Built, Stop> {
    let folder = &source.app.git().spool;
    let spool = tempfile::tempfile_in(folder).map_err(failed)?;
    let file = tempfile::tempfile_in(folder).map_err(failed)?;
    let deltas = find_deltas(source, objects, &spool)?;
    let built = write_pack(source, objects, &deltas, &spool, file)?;
    source.check()?;
    prove(&built, objects)?;
    Ok(built)
}

/// The index of a pack as it came. Blocks.
fn index_of(pack: &Pack) -> Result<Vec<u8>> {
    let mut places: Vec<(u64, Oid)> = pack.objects.iter().map(|o| (o.at, o.oid)).collect();
    places.sort_unstable();
    let end = pack.bytes - PACK_TRAILER_BYTES as u64;
    let mut index = PackIndex::default();
    let mut entry = Vec::new();
    for (i, (at, oid)) in places.iter().enumerate() {
        let to = places.get(i + 1).map_or(end, |(next, _)| *next);
        entry.resize((to - at) as usize, 0);
        pack.file().read_exact_at(&mut entry, *at).map_err(Error::internal)?;
        index.push(*oid, *at, &entry);
    }
    let mut hash = [0; PACK_TRAILER_BYTES];
    pack.file().read_exact_at(&mut hash, end).map_err(Error::internal)?;
    index.finish(&Oid(hash)).map_err(Error::internal)
}

impl App {
    /// Keeps a pack as it was received, in the background, if that is worth it. It was looked through already.
    pub(super) fn keep_received(&self, repo: i64, pack: Arc<Pack>, shape: Shape) {
        let (objects, deltas) = (pack.objects.len(), pack.deltas);
        let is_worth_it = deltas >= objects / 4
            && objects <= OBJECTS_MAX
            && (objects >= OBJECTS_MIN || pack.bytes >= BYTES_MIN)
            && pack.bytes <= self.git().cache_bytes / 4;
        // One at a time: what was pushed stays in memory for so long.
        let Some(permit) = is_worth_it.then(|| self.git().keeping.clone().try_acquire_owned().ok()).flatten() else {
            return;
        };
        let app = self.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let keep = async {
                let of = pack.clone();
                let index = tokio::task::spawn_blocking(move || index_of(&of)).await.map_err(Error::internal)??;
                let built = Built {
                    file: pack.file().clone(),
                    pack_bytes: pack.bytes,
                    objects: u32::try_from(objects).map_err(Error::internal)?,
                    deltas: u32::try_from(deltas).map_err(Error::internal)?,
                    index,
                };
                drop(pack);
                app.keep_pack(repo, RECEIVED, &shape, built).await
            };
            if let Err(e) = keep.await {
                tracing::error!(repository = repo, cause = %e.chain(), "a received pack could not be kept for clones");
            }
        });
    }

    /// Waits until what was received is kept.
    pub(crate) async fn finish_packs(&self) {
        // It is never closed.
        let _ = self.git().keeping.acquire().await;
    }

    /// Makes a pack for a usual request, unless there is one.
    pub(crate) async fn make_pack(&self, of: PackOf) -> Result<()> {
        let Some((objects, shape)) = self.plan_pack(of).await? else { return Ok(()) };
        let mut source =
            Source { app: self.clone(), repo: of.repo, runtime: Handle::current(), bodies: Bodies::default() };
        let objects = Arc::new(objects);
        let built = {
            let objects = objects.clone();
            tokio::task::spawn_blocking(move || build(&mut source, &objects)).await.map_err(Error::internal)?
        };
        match built {
            Ok(built) => self.keep_pack(of.repo, of.class.as_str(), &shape, built).await,
            // It was only useful, never necessary: the next clones ask for it again.
            Err(Stop::Closing) => Ok(()),
            Err(Stop::Failed(e)) => Err(e),
        }
    }

    async fn plan_pack(&self, of: PackOf) -> Result<Option<(Vec<Chosen>, Shape)>> {
        let (mut fetch, shape) = {
            let mut s = self.db().read().await?;
            let refs = advertisement(self, &mut s, of.repo).await?;
            let Some(request) = of.class.request(&refs) else { return Ok(None) };
            let mut fetch = Fetch::open(self, &mut s, of.repo, request).await?;
            fetch.find_ends(self, &mut s).await?;
            let Some(shape) = self.shape_of(&mut s, &fetch, &Default::default()).await? else { return Ok(None) };
            if db::find_pack(&mut s, of.repo, &shape.key).await?.is_some() {
                return Ok(None);
            }
            (fetch, shape)
        };
        // Nobody listens: this one only lets others work.
        let (mut feed, _) = feed(Bands::None, true);
        let (objects, _) = self.choose(&mut fetch, &Default::default(), None, &mut feed).await?;
        let raw: u64 = objects.iter().map(|o| o.size).sum();
        let stored: u64 = objects.iter().map(|o| o.stored).sum();
        let is_too_much = objects.len() > OBJECTS_MAX
            || raw > RAW_BYTES_MAX
            || stored > self.git().cache_bytes / 4
            || objects.is_empty();
        Ok((!is_too_much).then_some((objects, shape)))
    }

    /// Keeps a pack as an object, then makes it known. A crash in between leaves an object that nobody knows.
    async fn keep_pack(&self, repo: i64, class: &str, shape: &Shape, built: Built) -> Result<()> {
        let mut staged = self.objects().begin().await.map_err(Error::internal)?;
        let mut crc = CrcBuilder::default();
        let Built { file, pack_bytes, objects, deltas, index } = built;
        let mut at = 0;
        while at < pack_bytes {
            let len = (pack_bytes - at).min(1 << 20);
            let file = file.clone();
            let read = move || {
                let mut piece = vec![0; len as usize];
                file.read_exact_at(&mut piece, at).map(|()| piece)
            };
            let piece = tokio::task::spawn_blocking(read).await.map_err(Error::internal)?.map_err(Error::internal)?;
            crc.push(&piece);
            staged.append(vec![Bytes::from(piece)]).await.map_err(Error::internal)?;
            at += len;
        }
        crc.push(&index);
        let bytes = pack_bytes + index.len() as u64;
        staged.append(vec![Bytes::from(index)]).await.map_err(Error::internal)?;
        let name: String = self.rng().array::<16>().iter().map(|b| format!("{b:02x}")).collect();
        let key: ObjectKey = format!("{FOLDER}/{}/{name}.pack", &name[..2]).parse().map_err(Error::internal)?;
        if staged.commit(&key).await.map_err(Error::internal)? == Committed::Exists {
            return Err(Error::internal(format!("the random key {key} is taken")));
        }
        let crc = crc.finish();
        let now = self.now();
        let mut tx = self.db().begin().await?;
        let new = db::NewPack {
            repo,
            class,
            key: &shape.key,
            whole: shape.whole,
            tips: &shape.tips,
            others: &shape.others,
            object: key.as_str(),
            pack_bytes,
            bytes,
            objects,
            deltas,
            checksums: crc.as_blob(),
        };
        let exists = repos::find_repo_by_id(&mut tx, repo).await?.is_some();
        let id = if exists { db::insert_pack(&mut tx, &new, now).await? } else { None };
        let Some(id) = id else {
            drop(tx);
            self.objects().delete(&key).await.map_err(Error::internal)?;
            return Ok(());
        };
        db::condemn_older_packs(&mut tx, repo, class, id, now).await?;
        let mut room = self.git().cache_bytes;
        for (other, bytes) in db::list_packs_by_use(&mut tx).await? {
            match room.checked_sub(bytes) {
                Some(rest) => room = rest,
                None => {
                    room = 0;
                    db::condemn_pack(&mut tx, other, now).await?;
                }
            }
        }
        tx.commit().await?;
        tracing::info!(repository = repo, class, objects, deltas, bytes, "a pack is ready for clones");
        Ok(())
    }

    /// Deletes packs that are not sent any more, and objects that never became one.
    pub(crate) async fn tidy_packs(&self) -> Result<()> {
        let now = self.now();
        let mut tx = self.db().begin().await?;
        db::condemn_orphaned_packs(&mut tx, now).await?;
        tx.commit().await?;
        let since = now.plus_seconds(-GONE_SECONDS);
        loop {
            let gone = {
                let mut s = self.db().read().await?;
                db::list_gone_packs(&mut s, since, TIDY_MAX).await?
            };
            for (id, object) in &gone {
                let key: ObjectKey = object.parse().map_err(Error::internal)?;
                self.objects().delete(&key).await.map_err(Error::internal)?;
                let mut tx = self.db().begin().await?;
                db::delete_pack(&mut tx, *id).await?;
                tx.commit().await?;
            }
            if gone.len() < TIDY_MAX {
                break;
            }
        }
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.objects().list(FOLDER, after.as_ref(), TIDY_MAX).await.map_err(Error::internal)?;
            for object in &page {
                let is_old = object.modified < now.seconds() - ORPHAN_SECONDS;
                let mut s = self.db().read().await?;
                if is_old && !db::is_pack_object_known(&mut s, object.key.as_str()).await? {
                    drop(s);
                    self.objects().delete(&object.key).await.map_err(Error::internal)?;
                }
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => return Ok(()),
            }
        }
    }

    /// What is wrong with packs: rows whose object is not what they say, and objects that no row knows. With `deep`,
    /// every byte is read.
    pub(crate) async fn check_packs(&self, deep: bool, findings: &mut Vec<String>) -> Result<u64> {
        let (mut count, mut after) = (0, 0);
        loop {
            let page = {
                let mut s = self.db().read().await?;
                db::page_packs(&mut s, after, 200).await?
            };
            let Some(last) = page.last() else { break };
            after = last.id;
            for pack in page {
                count += 1;
                let Some(fault) = self.pack_fault(&pack, deep).await? else { continue };
                // Condemned and deleted since the page was read, perhaps.
                let mut s = self.db().read().await?;
                if db::is_pack_live(&mut s, pack.id).await? {
                    findings.push(format!("pack {} of repository {}: {fault}", pack.object, pack.repo));
                }
            }
        }
        let old = self.now().seconds() - 2 * ORPHAN_SECONDS;
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.objects().list(FOLDER, after.as_ref(), 1000).await.map_err(Error::internal)?;
            for object in &page {
                let mut s = self.db().read().await?;
                if object.modified < old && !db::is_pack_object_known(&mut s, object.key.as_str()).await? {
                    findings.push(format!("object {}: nothing refers to its {} bytes", object.key, object.len));
                }
            }
            match page.into_iter().last() {
                Some(last) => after = Some(last.key),
                None => return Ok(count),
            }
        }
    }

    async fn pack_fault(&self, pack: &db::Pack, deep: bool) -> Result<Option<String>> {
        let key: ObjectKey = pack.object.parse().map_err(Error::internal)?;
        match self.objects().len(&key).await.map_err(Error::internal)? {
            None => return Ok(Some("its object does not exist".to_owned())),
            Some(len) if len != pack.bytes => {
                return Ok(Some(format!("its object has {len} bytes, not {}", pack.bytes)));
            }
            Some(_) => {}
        }
        if !deep {
            return Ok(None);
        }
        let mut at = 0;
        while at < pack.bytes {
            let to = (at + (1 << 20)).min(pack.bytes);
            if let Err(e) = self.read_part(pack, at..to).await {
                return Ok(Some(e.chain()));
            }
            at = to;
        }
        Ok(None)
    }
}
