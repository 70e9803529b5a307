//! What goes to a client while the rest is still being made.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use haina_db::git;
use haina_git::wire::{Band, PackWriter, band_to, bands_to, flush_to};
use haina_git::{EMPTY_TREE, ObjectKind};
use haina_types::{Error, Oid, Result};
use tokio::sync::mpsc;

use super::refs::{STEP, kind_of};
use super::select::Chosen;
use crate::App;
use crate::content::ByteStream;
use crate::history::Bodies;

/// How long a client hears nothing before it is told that the hub is at work.
const SILENCE: Duration = Duration::from_secs(3);
/// Bytes of objects that are in memory for one client.
pub(super) const BATCH_BYTES: u64 = 512 << 10;
/// How many trees are looked into before other tasks get their turn.
const TURN: u32 = 64;

/// How a client takes what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bands {
    /// The pack and nothing else.
    None,
    /// `side-band`
    Small,
    /// `side-band-64k`
    Large,
}

/// The way to a client. When the client is gone, using it is an error.
pub(super) struct Feed {
    to: mpsc::Sender<Result<Bytes>>,
    bands: Bands,
    /// Without words about the progress.
    quiet: bool,
    last: Instant,
    turns: u32,
}

fn gone() -> Error {
    Error::new(haina_types::Code::Unavailable, "The client is gone.")
}

/// A way to a client, and what comes out at its end.
pub(super) fn feed(bands: Bands, quiet: bool) -> (Feed, ByteStream) {
    let (to, mut from) = mpsc::channel(1);
    let stream = futures_util::stream::poll_fn(move |context| from.poll_recv(context));
    (Feed { to, bands, quiet, last: Instant::now(), turns: 0 }, Box::pin(stream))
}

impl Feed {
    async fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        self.last = Instant::now();
        self.to.send(Ok(bytes.into())).await.map_err(|_| gone())
    }

    pub(super) async fn data(&mut self, bytes: &[u8]) -> Result<()> {
        let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8192 + 64);
        match self.bands {
            Bands::None => out.extend_from_slice(bytes),
            bands => bands_to(&mut out, Band::Data, bytes, bands == Bands::Large),
        }
        self.send(out).await
    }

    /// A line on the person's screen.
    pub(super) async fn say(&mut self, text: &str) -> Result<()> {
        if self.bands == Bands::None || self.quiet {
            return Ok(());
        }
        let mut out = Vec::new();
        bands_to(&mut out, Band::Progress, text.as_bytes(), self.bands == Bands::Large);
        self.send(out).await
    }

    /// A line on the person's screen, also on that of one who wants no progress.
    pub(super) async fn tell(&mut self, text: &str) -> Result<()> {
        if self.bands == Bands::None {
            return Ok(());
        }
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut out = Vec::new();
        bands_to(&mut out, Band::Progress, format!("{clean}\n").as_bytes(), self.bands == Bands::Large);
        self.send(out).await
    }

    /// Keeps the line alive.
    async fn beat(&mut self) {
        if self.bands != Bands::None {
            let mut out = Vec::new();
            band_to(&mut out, Band::Data, b"");
            // Whoever is gone will be noticed where it matters.
            let _ = self.send(out).await;
        }
    }

    /// Waits for work, and keeps the line alive meanwhile.
    pub(super) async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            match tokio::time::timeout(SILENCE, &mut work).await {
                Ok(done) => return done,
                Err(_) => self.beat().await,
            }
        }
    }

    /// Says from time to time how far work has come.
    pub(super) async fn work(&mut self, what: &str, count: usize) {
        if self.last.elapsed() >= SILENCE {
            if self.quiet {
                self.beat().await;
            } else {
                let _ = self.say(&format!("{what}: {count}\r")).await;
            }
        }
    }

    /// The last bytes.
    pub(super) async fn finish(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.send(bytes).await }
    }

    /// From time to time, in long work: lets others work too, and keeps the line alive.
    pub(super) async fn tick(&mut self, count: usize) -> Result<()> {
        self.turns += 1;
        if self.turns.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
        if self.last.elapsed() < SILENCE || self.bands == Bands::None {
            return Ok(());
        }
        if self.quiet {
            let mut out = Vec::new();
            band_to(&mut out, Band::Data, b"");
            return self.send(out).await;
        }
        self.say(&format!("Enumerating objects: {count}\r")).await
    }

    /// Ends with an error that the person sees, or as a broken connection where no words can be sent.
    pub(super) async fn fail(mut self, e: Error) {
        if self.bands == Bands::None {
            // Whoever is not there any more needs no error.
            let _ = self.to.send(Err(e)).await;
            return;
        }
        let mut out = Vec::new();
        bands_to(&mut out, Band::Error, format!("{}\n", e.message).as_bytes(), self.bands == Bands::Large);
        let _ = self.send(out).await;
    }

    /// Sends a pack of these objects, and the end.
    pub(super) async fn send_pack(&mut self, app: &App, repo: i64, objects: &[Chosen]) -> Result<()> {
        let count = u32::try_from(objects.len()).map_err(Error::internal)?;
        self.say(&format!("Enumerating objects: {count}, done.\n")).await?;
        let mut out = Vec::new();
        let writer = PackWriter::new(count, &mut out);
        self.data(&out).await?;
        let deltas = self.send_entries(app, repo, writer, objects).await?;
        self.end_pack(count.into(), deltas, 0).await
    }

    /// Sends the last objects of a pack, and its hash. How many of them are deltas.
    pub(super) async fn send_entries(
        &mut self,
        app: &App,
        repo: i64,
        mut writer: PackWriter,
        objects: &[Chosen],
    ) -> Result<u64> {
        let mut batches = Batches::new(app, repo, objects);
        let mut deltas = 0;
        let mut out = Vec::new();
        while batches.load().await? {
            while let Some(object) = batches.next().await? {
                deltas += u64::from(object.push(&mut writer, &mut out));
                if out.len() as u64 >= BATCH_BYTES {
                    self.data(&out).await?;
                    out.clear();
                }
            }
            self.data(&out).await?;
            out.clear();
        }
        writer.finish(&mut out).map_err(Error::internal)?;
        self.data(&out).await?;
        Ok(deltas)
    }

    /// Sends what follows a pack.
    pub(super) async fn end_pack(&mut self, count: u64, deltas: u64, ready: u64) -> Result<()> {
        if self.bands != Bands::None {
            let text =
                format!("Total {count} (delta {deltas}), reused {count} (delta {deltas}), pack-reused {ready}\n");
            self.say(&text).await?;
            let mut out = Vec::new();
            flush_to(&mut out);
            self.send(out).await?;
        }
        Ok(())
    }
}

/// An object on its way into a pack.
pub(super) struct Next {
    pub(super) oid: Oid,
    kind: ObjectKind,
    object: git::Object,
}

impl Next {
    /// Adds its entry; whether that is a delta.
    pub(super) fn push(&self, writer: &mut PackWriter, out: &mut Vec<u8>) -> bool {
        let Self { kind, object, .. } = self;
        match object.delta {
            Some(of) => writer.push_delta_of(&of.base, of.size.into(), &object.z, out),
            None => writer.push(*kind, object.size, &object.z, out),
        }
        object.delta.is_some()
    }
}

/// The objects of a pack in their order, read in parts that may be in memory. One that is kept as a delta goes out as
/// it is if what it builds upon goes too, and is made whole if not.
pub(super) struct Batches<'a> {
    app: &'a App,
    repo: i64,
    all: &'a [Chosen],
    rest: &'a [Chosen],
    now: std::slice::Iter<'a, Chosen>,
    found: HashMap<Oid, git::Object>,
    /// All ids, once that matters.
    members: Option<HashSet<Oid>>,
    bodies: Bodies,
}

impl<'a> Batches<'a> {
    pub(super) fn new(app: &'a App, repo: i64, objects: &'a [Chosen]) -> Self {
        Self {
            app,
            repo,
            all: objects,
            rest: objects,
            now: [].iter(),
            found: HashMap::new(),
            members: None,
            bodies: Bodies::default(),
        }
    }

    /// Reads the next part; whether there is one.
    pub(super) async fn load(&mut self) -> Result<bool> {
        let mut bytes = 0;
        let fits = |o: &&Chosen| {
            bytes += o.stored + 16;
            bytes <= BATCH_BYTES
        };
        let n = self.rest.iter().take(STEP).take_while(fits).count().clamp(1, self.rest.len().max(1));
        let (now, later) = self.rest.split_at(n.min(self.rest.len()));
        (self.now, self.rest) = (now.iter(), later);
        if now.is_empty() {
            return Ok(false);
        }
        let oids: Vec<Oid> = now.iter().map(|o| o.oid).collect();
        let mut s = self.app.db().read().await?;
        self.found = git::list_objects(&mut s, self.repo, &oids).await?.into_iter().collect();
        Ok(true)
    }

    /// The next object of the part.
    pub(super) async fn next(&mut self) -> Result<Option<Next>> {
        let Some(Chosen { oid, .. }) = self.now.next() else { return Ok(None) };
        let object = match self.found.remove(oid) {
            Some(object) => object,
            None if *oid == EMPTY_TREE => empty_tree(),
            None => return Err(Error::internal(format!("object {oid} of repository {} is missing", self.repo))),
        };
        let kind = kind_of(object.kind)?;
        let object = match object.delta {
            Some(of) if !self.has(&of.base) => {
                let mut s = self.app.db().read().await?;
                self.bodies.whole(&mut s, self.repo, oid, object).await?
            }
            _ => object,
        };
        Ok(Some(Next { oid: *oid, kind, object }))
    }

    fn has(&mut self, oid: &Oid) -> bool {
        self.members.get_or_insert_with(|| self.all.iter().map(|o| o.oid).collect()).contains(oid)
    }
}

/// The tree without entries, which no repository needs to keep.
pub(super) fn empty_tree() -> git::Object {
    git::Object { kind: i64::from(ObjectKind::Tree.number()), size: 0, delta: None, z: haina_git::deflate(b"") }
}
