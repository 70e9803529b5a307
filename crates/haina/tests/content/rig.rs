//! A hub in a folder, people in it, and content as a client makes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use haina_app::content::CasGrant;
use haina_app::gate::{ContentAccess, WriteAccess};
use haina_app::history::CommitHeader;
use haina_app::people::NewUser;
use haina_app::repos::NewRepo;
use haina_app::{App, Caller, Options};
use haina_cas::XorbIndex;
use haina_cas::frame::{Decoder, Encoder, HEADER_BYTES, Header, Scheme};
use haina_cas::hash::{chunk_hash, file_hash};
use haina_cas::shard::{ShardWriter, TermEntry};
use haina_cas::xorb::IndexBuilder;
use haina_types::{Clock, RepoKind, RepoPath, Revision, Sha256, Timestamp, TokenRole, Visibility, XetHash};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use sha2::Digest;
use tower::ServiceExt;

/// A clock that tests turn.
#[derive(Debug)]
pub struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// A hub.
pub struct Hub {
    pub app: App,
    pub router: Router,
    pub options: Options,
    pub folder: tempfile::TempDir,
    clock: Arc<Hands>,
    // Dropped last: it drops the database.
    _server: Option<haina_test::postgres::Database>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {:?}", self.body))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The status must be this.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
}

pub const URL: &str = "https://hub.example";

impl Hub {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = haina_db::Config::Sqlite(folder.path().join("hub.db"));
        Self::open(folder, database, None).await
    }

    pub async fn postgres() -> Self {
        let server = haina_test::postgres::Database::create().unwrap();
        let database = haina_db::Config::parse(server.url()).unwrap();
        Self::open(tempfile::tempdir().unwrap(), database, Some(server)).await
    }

    async fn open(
        folder: tempfile::TempDir,
        database: haina_db::Config,
        server: Option<haina_test::postgres::Database>,
    ) -> Self {
        let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000_000)));
        let options = Options { clock: clock.clone(), database, ..Options::new(folder.path(), URL) };
        let app = App::open(options.clone()).await.unwrap();
        let router = haina_api::router().with_state(app.clone());
        Self { app, router, options, folder, clock, _server: server }
    }

    pub fn wait(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub async fn user(&self, name: &str) -> Caller {
        let new = NewUser { name: name.parse().unwrap(), full_name: None, email: None, admin: false };
        self.app.add_user(new).await.unwrap();
        let token = self.app.add_token(&name.parse().unwrap(), "test", TokenRole::Write).await.unwrap();
        self.app.caller_by_token(&token.secret).await.unwrap()
    }

    pub async fn repo(&self, caller: &Caller, name: &str, visibility: Visibility) -> RepoPath {
        let new = NewRepo {
            kind: RepoKind::Model,
            namespace: None,
            name: name.parse().unwrap(),
            visibility: Some(visibility),
            license: None,
            group: None,
            sdk: None,
            files: Vec::new(),
        };
        self.app.create_repo(caller, new).await.unwrap().path
    }

    pub async fn write(&self, caller: &Caller, path: &RepoPath) -> WriteAccess {
        self.app.write(caller, RepoKind::Model, path).await.unwrap()
    }

    pub async fn read(&self, caller: &Caller, path: &RepoPath) -> ContentAccess {
        self.app.read_content(caller, RepoKind::Model, path).await.unwrap()
    }

    pub async fn writer(&self, caller: &Caller, path: &RepoPath) -> Client<'_> {
        let grant = self.app.cas_write_grant(&self.write(caller, path).await.upload());
        Client { hub: self, grant }
    }

    pub async fn reader(&self, caller: &Caller, path: &RepoPath) -> Client<'_> {
        let grant = self.app.cas_read_grant(&self.read(caller, path).await);
        Client { hub: self, grant }
    }

    pub async fn commit(
        &self,
        caller: &Caller,
        path: &RepoPath,
        file: &str,
        sha256: Sha256,
    ) -> haina_types::Result<()> {
        let header = CommitHeader { summary: "a file".into(), ..CommitHeader::default() };
        let access = self.write(caller, path).await;
        let mut commit = self.app.begin_commit(&access, &Revision::main(), header).await.unwrap();
        commit.put_large(file, sha256, None).await?;
        commit.finish().await.map(drop)
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// No upload has left anything unfinished. What was abandoned is removed off the request's path.
    #[track_caller]
    pub fn no_rest(&self) {
        let left = || self.objects("tmp").into_iter().filter(|p| !p.ends_with(".lock")).collect::<Vec<_>>();
        for _ in 0..100 {
            if left().is_empty() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("{:?} is left", left());
    }

    /// Objects of the store, by their paths.
    pub fn objects(&self, below: &str) -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.folder.path().join(below)];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }
}

/// A client of the store with a token.
pub struct Client<'a> {
    pub hub: &'a Hub,
    pub grant: CasGrant,
}

impl Client<'_> {
    pub fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.grant.cas_url.strip_prefix(URL).unwrap())
    }

    pub async fn call(&self, method: Method, rest: &str, range: Option<&str>, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(self.path(rest));
        request = request.header("authorization", format!("Bearer {}", self.grant.token));
        if let Some(range) = range {
            request = request.header("range", range);
        }
        self.hub.send(request.body(body.into()).unwrap()).await
    }

    pub async fn get(&self, rest: &str) -> Answer {
        self.call(Method::GET, rest, None, Body::empty()).await
    }

    pub async fn upload_xorb(&self, hash: &XetHash, body: &[u8]) -> Answer {
        self.call(Method::POST, &format!("/v1/xorbs/default/{hash}"), None, body.to_vec()).await
    }

    pub async fn upload_shard(&self, shard: &[u8]) -> Answer {
        self.call(Method::POST, "/v2/shards", None, shard.to_vec()).await
    }

    pub async fn upload(&self, made: &Made) {
        for (hash, body, _) in &made.xorbs {
            self.upload_xorb(hash, body).await.expect(200);
        }
        self.upload_shard(&made.shard()).await.expect(200);
    }

    pub async fn reconstruct(&self, file: &XetHash, range: Option<&str>) -> Answer {
        self.call(Method::GET, &format!("/v2/reconstructions/{file}"), range, Body::empty()).await
    }

    pub async fn dedup(&self, chunk: &XetHash) -> Answer {
        self.get(&format!("/v1/chunks/default/{chunk}")).await
    }

    /// Downloads as hf-xet does: a reconstruction, one request for each descriptor, frames decoded.
    pub async fn download(&self, file: &XetHash, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
        let header = range.as_ref().map(|r| format!("bytes={}-{}", r.start, r.end - 1));
        let plan = self.reconstruct(file, header.as_deref()).await.expect(200).json();
        let mut blocks = std::collections::HashMap::new();
        for (xorb, fetches) in plan["xorbs"].as_object().unwrap() {
            for fetch in fetches.as_array().unwrap() {
                for range in fetch["ranges"].as_array().unwrap() {
                    let bytes = (range["bytes"]["start"].as_u64().unwrap(), range["bytes"]["end"].as_u64().unwrap());
                    let answer = self
                        .hub
                        .fetch(fetch["url"].as_str().unwrap(), Some(&format!("bytes={}-{}", bytes.0, bytes.1)))
                        .await;
                    let answer = answer.expect(206);
                    assert!(answer.header("content-range").starts_with(&format!("bytes {}-{}/", bytes.0, bytes.1)));
                    let chunks = (range["chunks"]["start"].as_u64().unwrap(), range["chunks"]["end"].as_u64().unwrap());
                    let decoded = decode(&answer.body);
                    assert_eq!(decoded.len() as u64, chunks.1 - chunks.0);
                    let known = blocks.insert((xorb.clone(), chunks.0), (chunks.1, decoded));
                    assert!(known.is_none(), "two runs of one xorb begin at one chunk");
                }
            }
        }
        let mut out = Vec::new();
        for term in plan["terms"].as_array().unwrap() {
            let (start, end) = (term["range"]["start"].as_u64().unwrap(), term["range"]["end"].as_u64().unwrap());
            let xorb = term["hash"].as_str().unwrap();
            let ((_, first), (_, chunks)) =
                blocks.iter().find(|((x, first), (last, _))| x == xorb && *first <= start && end <= *last).unwrap();
            let raw = chunks[(start - first) as usize..(end - first) as usize].concat();
            assert_eq!(raw.len() as u64, term["unpacked_length"].as_u64().unwrap());
            out.extend_from_slice(&raw);
        }
        out.drain(..plan["offset_into_first_range"].as_u64().unwrap() as usize);
        if let Some(range) = range {
            out.truncate((range.end - range.start) as usize);
        }
        out
    }
}

impl Hub {
    /// A signed address, without any credential.
    pub async fn fetch(&self, url: &str, range: Option<&str>) -> Answer {
        let mut request = Request::builder().uri(url.strip_prefix(URL).unwrap());
        if let Some(range) = range {
            request = request.header("range", range);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }
}

/// The chunks of some frames.
pub fn decode(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::default();
    let mut chunks = Vec::new();
    while !frames.is_empty() {
        let (header, rest) = frames.split_at(HEADER_BYTES);
        let header = Header::parse(header.try_into().unwrap()).unwrap();
        let (payload, rest) = rest.split_at(header.payload_len as usize);
        chunks.push(decoder.decode(&header, payload).unwrap().to_vec());
        frames = rest;
    }
    chunks
}

/// Bytes that do not compress, the same for each seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

pub fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256(sha2::Sha256::digest(bytes).into())
}

/// The frames, name and index of a xorb of these chunks.
pub fn xorb(chunks: &[&[u8]]) -> (XetHash, Vec<u8>, XorbIndex) {
    let (mut encoder, mut body, mut builder) = (Encoder::default(), Vec::new(), IndexBuilder::default());
    for raw in chunks {
        let from = body.len();
        encoder.encode(Scheme::Lz4, raw, &mut body);
        builder.push(chunk_hash(raw), body.len() - from, raw.len() as u32).unwrap();
    }
    let (hash, index) = builder.finish().unwrap();
    (hash, body, index)
}

/// A file and the xorbs that a client would upload for it.
pub struct Made {
    pub bytes: Vec<u8>,
    pub hash: XetHash,
    pub sha256: Sha256,
    pub xorbs: Vec<(XetHash, Vec<u8>, XorbIndex)>,
    pub terms: Vec<TermEntry>,
}

impl Made {
    /// Of chunks of 10 to 40 KB, a few in each xorb.
    pub fn new(bytes: Vec<u8>, chunks_per_xorb: usize) -> Self {
        let mut chunks: Vec<&[u8]> = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let len = (10_000 + (at * 7919) % 30_000).min(bytes.len() - at);
            chunks.push(&bytes[at..at + len]);
            at += len;
        }
        let hash = file_hash(chunks.iter().map(|c| (chunk_hash(c), c.len() as u64)));
        let xorbs: Vec<_> = chunks.chunks(chunks_per_xorb).map(xorb).collect();
        let terms = xorbs.iter().map(|(hash, _, index)| TermEntry::new(*hash, index, 0..index.chunk_count())).collect();
        let sha256 = sha256(&bytes);
        Self { bytes, hash, sha256, xorbs, terms }
    }

    pub fn noise(seed: u64, len: usize) -> Self {
        Self::new(noise(seed, len), 8)
    }

    /// As a client says it.
    pub fn shard(&self) -> Vec<u8> {
        self.shard_claiming(Some(self.sha256))
    }

    pub fn shard_claiming(&self, sha256: Option<Sha256>) -> Vec<u8> {
        let mut writer = ShardWriter::default();
        writer.file(self.hash, &self.terms, sha256);
        for (hash, _, index) in &self.xorbs {
            writer.xorb(*hash, index);
        }
        writer.finish()
    }

    pub fn chunk(&self, i: u32) -> XetHash {
        self.xorbs[0].2.hash(i)
    }
}
