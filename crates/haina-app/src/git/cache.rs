//! Packs that were made ahead, as small as git's own: which requests they answer, and how they are sent.
//!
//! A pack belongs to one repository and to one request, which is told by what determines the objects: the commits at
//! whose tips it begins, where it ends, what is left out. References that move make other requests of it, so nothing is
//! ever invalidated by time. Rights are judged before anyone comes here. A pack that has everything its tips reach
//! also serves requests whose tips reach those: its entries are sent as they are, and what is new follows.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use haina_cas::crc::{CRC_BLOCK_BYTES, CrcTable};
use haina_cas::objects::ObjectKey;
use haina_db::{git_pack as db, jobs};
use haina_git::wire::{
    Advertisement, Deepen, FetchRequest, Filter, INDEX_OIDS_AT, PACK_HEADER_BYTES, PACK_TRAILER_BYTES, PackWriter,
};
use haina_types::{Error, Oid, Result};
use serde::{Deserialize, Serialize};

use super::feed::Feed;
use super::fetch::Fetch;
use super::graph::Graph;
use super::refs::{Chain, advertisement};
use super::select::{Chosen, Sent};
use crate::App;

/// The job that makes a pack.
pub const PACK_JOB: &str = "git.pack";

/// Clones without a pack before one is made.
const DEMAND_MIN: u32 = 2;
/// Fewer objects are sent as quickly without.
pub(super) const OBJECTS_MIN: usize = 256;
/// Unless they have this many bytes.
pub(super) const BYTES_MIN: u64 = 1 << 20;
/// Packs of larger repositories are not made: looking for deltas would take too long.
pub(super) const OBJECTS_MAX: usize = 500_000;
/// When what follows a pack is more than one part in this many, a new pack is worth making.
const GROWTH: u64 = 5;
/// Packs that are looked at as a beginning.
const CANDIDATES_MAX: usize = 4;
/// Bytes of a pack that are in memory for one client.
const PIECE_BYTES: u64 = 4 * CRC_BLOCK_BYTES as u64;
/// How old the time of the last use may become, in seconds: a clone writes no row otherwise.
const USED_SECONDS: i64 = 3600;

/// The usual requests, for which packs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// `git clone`: all branches and tags.
    All,
    /// `git clone --single-branch`
    Main,
    /// `git clone --depth 1`
    Tip,
    /// `git clone --filter=blob:none`
    Blobless,
}

impl Class {
    const EACH: [Self; 4] = [Self::All, Self::Main, Self::Tip, Self::Blobless];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Main => "main",
            Self::Tip => "tip",
            Self::Blobless => "blobless",
        }
    }

    /// What git asks for, with these references.
    pub(super) fn request(self, refs: &Advertisement) -> Option<FetchRequest> {
        let head = refs.refs.iter().find(|r| r.name == refs.head).map(|r| r.oid);
        let wants: Vec<Oid> = match self {
            Self::All | Self::Blobless => {
                let cloned =
                    refs.refs.iter().filter(|r| r.name.starts_with("refs/heads/") || r.name.starts_with("refs/tags/"));
                let oids: BTreeSet<Oid> = cloned.map(|r| r.oid).collect();
                oids.into_iter().collect()
            }
            Self::Main | Self::Tip => head.into_iter().collect(),
        };
        if wants.is_empty() {
            return None;
        }
        let depth = (self == Self::Tip).then_some(1);
        let blob_limit = (self == Self::Blobless).then_some(0);
        Some(FetchRequest {
            wants,
            include_tag: true,
            no_progress: true,
            ofs_delta: true,
            deepen: Deepen { depth, ..Deepen::default() },
            filter: Filter { blob_limit, ..Filter::default() },
            ..FetchRequest::default()
        })
    }

    /// The class of a request, if it is a usual one.
    fn of(request: &FetchRequest, refs: &Advertisement) -> Option<Self> {
        let wants: HashSet<Oid> = request.wants.iter().copied().collect();
        Self::EACH.into_iter().find(|class| {
            class.request(refs).is_some_and(|usual| {
                usual.deepen == request.deepen
                    && usual.filter == request.filter
                    && usual.wants.len() == wants.len()
                    && usual.wants.iter().all(|want| wants.contains(want))
            })
        })
    }
}

/// What a job makes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PackOf {
    pub(super) repo: i64,
    pub(super) class: Class,
}

/// What determines the objects of a pack for a client that has nothing.
pub(super) struct Shape {
    pub(super) key: [u8; 32],
    pub(super) whole: bool,
    pub(super) tips: Vec<Oid>,
    /// What else was asked for, and tags that may follow.
    pub(super) others: Vec<Oid>,
}

/// Raises with every change of what a key stands for, or of how packs are made.
const VERSION: u8 = 1;

fn sorted<'a>(oids: impl IntoIterator<Item = &'a Oid>) -> Vec<Oid> {
    let set: BTreeSet<Oid> = oids.into_iter().copied().collect();
    set.into_iter().collect()
}

impl Shape {
    /// Of a fetch whose ends are known; `None` if the client has something already, or takes no deltas as we make them.
    pub(super) fn of(fetch: &Fetch, common: &HashSet<Oid>, tags: &[Arc<Chain>]) -> Option<Self> {
        let (request, shallow, wants) = (&fetch.request, &fetch.shallow, &fetch.wants);
        let has_nothing = common.is_empty()
            && request.shallows.is_empty()
            && shallow.client.is_empty()
            && shallow.more.is_empty()
            && shallow.unshallow.is_empty();
        if !request.ofs_delta || !has_nothing {
            return None;
        }
        let tips = sorted(&wants.tips);
        let stops = sorted(&shallow.stops);
        let asked = sorted(wants.tags.iter().chain(&wants.trees).chain(&wants.blobs));
        let may_follow = sorted(tags.iter().flat_map(|chain| &chain.tags));
        // Asked for by its id, an object is sent whatever the filter says.
        let by_id = if request.filter == Filter::default() { Vec::new() } else { sorted(&wants.asked) };
        // A tag that was asked for needs not to follow.
        let following: Vec<Oid> = may_follow.iter().filter(|tag| asked.binary_search(tag).is_err()).copied().collect();
        let key = key(&[&tips, &stops, &asked, &following, &by_id], &request.filter);
        let whole = stops.is_empty() && request.filter == Filter::default();
        let others = sorted(asked.iter().chain(&may_follow));
        Some(Self { key, whole, tips, others })
    }

    /// Of a clone of these commits with all that they reach, and of these other objects.
    pub(super) fn plain(tips: &HashSet<Oid>, others: &HashSet<Oid>) -> Self {
        let (tips, others) = (sorted(tips), sorted(others));
        let key = key(&[&tips, &[], &others, &[], &[]], &Filter::default());
        Self { key, whole: true, tips, others }
    }
}

fn key(parts: &[&[Oid]; 5], filter: &Filter) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[VERSION]);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        for oid in *part {
            hasher.update(&oid.0);
        }
    }
    hasher.update(format!("{filter:?}").as_bytes());
    *hasher.finalize().as_bytes()
}

/// A pack with which another begins.
pub(super) struct Base {
    pub(super) pack: db::Pack,
    /// What is in it.
    pub(super) sent: Sent,
}

/// What is to be done when a pack was sent.
pub(super) enum After {
    Nothing,
    /// It was ready.
    Used(db::Pack),
    Missed(Missed),
}

/// A fetch for which no pack was ready that has everything.
pub(super) struct Missed {
    repo: i64,
    request: FetchRequest,
    objects: usize,
    bytes: u64,
    base: Option<db::Pack>,
}

impl Missed {
    pub(super) fn new(fetch: Fetch, sent: &[Chosen], base: Option<db::Pack>) -> Self {
        let bytes = sent.iter().map(|o| o.stored).sum();
        Self { repo: fetch.repo, request: fetch.request, objects: sent.len(), bytes, base }
    }
}

impl App {
    /// What determines a fetch's objects.
    pub(super) async fn shape_of(
        &self,
        s: &mut haina_db::Session,
        fetch: &Fetch,
        common: &HashSet<Oid>,
    ) -> Result<Option<Shape>> {
        if !common.is_empty() || !fetch.request.ofs_delta || self.git().cache_bytes == 0 {
            return Ok(None);
        }
        let tags =
            if fetch.request.include_tag { super::fetch::tag_chains(self, s, fetch.repo).await? } else { Vec::new() };
        Ok(Shape::of(fetch, common, &tags))
    }

    /// Reads a part of a pack's object, and looks whether it is what was written.
    pub(super) async fn read_part(&self, pack: &db::Pack, range: Range<u64>) -> Result<Bytes> {
        let key: ObjectKey = pack.object.parse().map_err(Error::internal)?;
        let block = CRC_BLOCK_BYTES as u64;
        let from = range.start / block * block;
        let to = (range.end.div_ceil(block) * block).min(pack.bytes);
        let crc = CrcTable::from_blob(Bytes::copy_from_slice(&pack.checksums)).filter(|crc| crc.covers(pack.bytes));
        let crc = crc.ok_or_else(|| Error::internal(format!("the checksums of pack {} are damaged", pack.id)))?;
        if range.end > pack.bytes || range.start > range.end {
            return Err(Error::internal(format!("pack {} is shorter than its row says", pack.id)));
        }
        let bytes = self.objects().read(&key, from..to, Some(&crc)).await.map_err(Error::internal)?;
        Ok(bytes.slice((range.start - from) as usize..(range.end - from) as usize))
    }

    /// A pack that cannot be read is not looked for again.
    async fn give_up(&self, pack: &db::Pack, why: &Error) -> Result<()> {
        tracing::error!(pack = pack.id, repository = pack.repo, cause = %why.chain(), "a pack that was made ahead cannot be read");
        let mut tx = self.db().begin().await?;
        db::condemn_pack(&mut tx, pack.id, self.now()).await?;
        Ok(tx.commit().await?)
    }

    /// A pack with which the answer can begin: all of it is asked for.
    pub(super) async fn find_base(
        &self,
        s: &mut haina_db::Session,
        graph: &mut Graph,
        repo: i64,
        shape: &Shape,
    ) -> Result<Option<Base>> {
        let mut best: Option<db::Pack> = None;
        for pack in db::list_whole_packs(s, repo, CANDIDATES_MAX).await? {
            if best.as_ref().is_some_and(|best| best.objects >= pack.objects)
                || !pack.others.iter().all(|oid| shape.others.binary_search(oid).is_ok())
            {
                continue;
            }
            graph.load(s, &pack.tips).await?;
            let lowest: Option<i64> = pack.tips.iter().map(|tip| graph.get(tip).map(|n| n.generation)).min().flatten();
            let Some(lowest) = lowest else { continue };
            let reached = graph.load_below(s, &shape.tips, lowest).await?;
            if pack.tips.iter().all(|tip| reached.contains(tip)) {
                best = Some(pack);
            }
        }
        let Some(pack) = best else { return Ok(None) };
        let from = pack.pack_bytes + INDEX_OIDS_AT;
        match self.read_part(&pack, from..from + u64::from(pack.objects) * Oid::LEN as u64).await {
            Ok(oids) => Ok(Some(Base { pack, sent: Sent(oids.to_vec()) })),
            Err(why) => {
                self.give_up(&pack, &why).await?;
                Ok(None)
            }
        }
    }

    /// Sends a pack, and more objects after its own. `false` if nothing was sent, because the pack cannot be read.
    pub(super) async fn send_ready(&self, pack: &db::Pack, more: &[Chosen], feed: &mut Feed) -> Result<bool> {
        let mut piece = match self.read_part(pack, 0..pack.pack_bytes.min(PIECE_BYTES)).await {
            Ok(piece) => piece,
            Err(why) => {
                self.give_up(pack, &why).await?;
                return Ok(false);
            }
        };
        let (reused, mut deltas) = (u64::from(pack.objects), u64::from(pack.deltas));
        let count = reused + more.len() as u64;
        feed.say(&format!("Enumerating objects: {count}, done.\n")).await?;
        if more.is_empty() {
            // To the byte what was hashed when it was made.
            let mut at = 0;
            loop {
                feed.data(&piece).await?;
                at += piece.len() as u64;
                if at >= pack.pack_bytes {
                    break;
                }
                piece = self.next_piece(pack, at, pack.pack_bytes).await?;
            }
        } else {
            let count = u32::try_from(count).map_err(Error::internal)?;
            let mut out = Vec::new();
            let mut writer = PackWriter::new(count, &mut out);
            feed.data(&out).await?;
            let end = pack.pack_bytes - PACK_TRAILER_BYTES as u64;
            piece.truncate(end as usize);
            let mut at = PACK_HEADER_BYTES as u64;
            let mut now = piece.slice(PACK_HEADER_BYTES..);
            loop {
                writer.copy(0, &now);
                feed.data(&now).await?;
                at += now.len() as u64;
                if at >= end {
                    break;
                }
                now = self.next_piece(pack, at, end).await?;
            }
            writer.copy(pack.objects, &[]);
            deltas += feed.send_entries(self, pack.repo, writer, more).await?;
        }
        feed.end_pack(count, deltas, reused).await?;
        Ok(true)
    }

    /// The next bytes, in pieces that begin at blocks after the first.
    async fn next_piece(&self, pack: &db::Pack, at: u64, end: u64) -> Result<Bytes> {
        let to = (at / PIECE_BYTES + 1) * PIECE_BYTES;
        match self.read_part(pack, at..to.min(end)).await {
            Ok(piece) => Ok(piece),
            Err(why) => {
                self.give_up(pack, &why).await?;
                Err(why)
            }
        }
    }

    /// Notes what a fetch was answered with. After some that no pack was ready for, one is made.
    pub(super) async fn after_pack(&self, after: After) -> Result<()> {
        match after {
            After::Nothing => Ok(()),
            After::Used(pack) => self.note_use(&pack).await,
            After::Missed(missed) => {
                if let Some(base) = &missed.base {
                    self.note_use(base).await?;
                }
                self.note_demand(missed).await
            }
        }
    }

    async fn note_use(&self, pack: &db::Pack) -> Result<()> {
        if pack.used_at.plus_seconds(USED_SECONDS) >= self.now() {
            return Ok(());
        }
        let mut tx = self.db().begin().await?;
        db::touch_pack(&mut tx, pack.id, self.now()).await?;
        Ok(tx.commit().await?)
    }

    async fn note_demand(&self, missed: Missed) -> Result<()> {
        let Missed { repo, objects, bytes, base, .. } = missed;
        let total = objects + base.as_ref().map_or(0, |b| b.objects as usize);
        let is_worth_it = match base {
            None => objects >= OBJECTS_MIN || bytes >= BYTES_MIN,
            Some(base) => bytes > base.pack_bytes / GROWTH,
        };
        // One pack may take a quarter of the room at most.
        if !is_worth_it || total > OBJECTS_MAX || bytes > self.git().cache_bytes / 4 {
            return Ok(());
        }
        let refs = {
            let mut s = self.db().read().await?;
            advertisement(self, &mut s, repo).await?
        };
        let Some(class) = Class::of(&missed.request, &refs) else { return Ok(()) };
        let demand = &self.git().demand;
        let count = demand.get(&(repo, class)).unwrap_or(0) + 1;
        if count < DEMAND_MIN {
            demand.insert((repo, class), count);
            return Ok(());
        }
        demand.remove(&(repo, class));
        let now = self.now();
        let payload = serde_json::to_value(PackOf { repo, class }).map_err(Error::internal)?;
        let key = format!("{repo}:{}", class.as_str());
        let job = jobs::NewJob {
            kind: PACK_JOB,
            payload: &payload,
            dedup_key: Some(&key),
            run_at: now,
            attempts_max: 2,
            created_at: now,
        };
        let mut tx = self.db().begin().await?;
        jobs::enqueue(&mut tx, &job).await?;
        Ok(tx.commit().await?)
    }
}
