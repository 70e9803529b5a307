//! Large files that come in whole, by doors that do not know the store's protocol: LFS, the web, mirrors.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use haina_cas::objects::{self, ObjectKey};
use haina_cas::pack::{ChunkLookup, FileIngest};
use haina_cas::shard::{ShardWriter, TermEntry};
use haina_cas::{BuiltFile, StagedXorb, XorbIndex};
use haina_db::content as db;
use haina_types::{Code, Error, Result, Sha256, XetHash};

use super::{BODY_IDLE, ByteStream, CasWrite, ShaState, Stored, UPLOAD_SECONDS};
use crate::App;
use crate::gate::UploadAccess;

/// What must be true of content that comes in; if it is not, nothing is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expect {
    /// Its SHA-256.
    pub sha256: Option<Sha256>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// Finds chunks that the uploader's namespace may refer to.
struct Lookup {
    app: App,
    domain: i64,
    runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for Lookup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lookup(domain {})", self.domain)
    }
}

impl ChunkLookup for Lookup {
    fn find(&self, chunk: &XetHash) -> Option<(XetHash, XorbIndex)> {
        let find = async {
            let hit = {
                let mut s = self.app.db().read().await?;
                db::find_eligible(&mut s, self.domain, chunk).await?
            };
            match hit {
                Some(hit) => self.app.find_xorb(&hit.xorb).await,
                None => Ok(None),
            }
        };
        // Not finding costs only room.
        self.runtime.block_on(find).ok().flatten().map(|x| (x.hash, x.index))
    }
}

impl App {
    /// Takes a whole file into a repository, where it waits for a commit. Its SHA-256 is computed on the way, so it is
    /// no claim. Nothing is registered unless everything expected is so.
    pub async fn store_content(&self, access: &UploadAccess, mut body: ByteStream, expect: Expect) -> Result<Stored> {
        let to = CasWrite { repo_id: access.repo().id, domain: access.domain(), proposed: access.is_proposed() };
        let _room = self.content().doors.acquire().await.map_err(Error::internal)?;
        let lookup = Lookup { app: self.clone(), domain: to.domain, runtime: tokio::runtime::Handle::current() };
        let mut ingest = FileIngest::begin(self.objects().clone(), Arc::new(lookup));
        let wrong_size = |size: u64| {
            Error::invalid(format!("The content should have {} bytes; {size} came.", expect.size.unwrap_or(0)))
        };
        let mut size = 0u64;
        let mut xorbs = Vec::new();
        loop {
            let piece: Bytes = match tokio::time::timeout(BODY_IDLE, body.next()).await {
                Ok(None) => break,
                Ok(Some(piece)) => piece?,
                Err(_) => return Err(Error::invalid("The body stays silent. Please send it again.")),
            };
            size += piece.len() as u64;
            if expect.size.is_some_and(|expected| size > expected) {
                return Err(wrong_size(size));
            }
            for staged in ingest.feed(piece).await? {
                xorbs.push(self.keep_built(&to, staged).await?);
            }
        }
        if expect.size.is_some_and(|expected| size != expected) {
            return Err(wrong_size(size));
        }
        let (rest, file) = ingest.finish().await?;
        if let Some(expected) = expect.sha256.filter(|s| *s != file.sha256) {
            return Err(Error::invalid(format!(
                "The content should have the sha256 {expected}; it has {}.",
                file.sha256
            )));
        }
        for staged in rest {
            xorbs.push(self.keep_built(&to, staged).await?);
        }
        self.register_built(&to, &file, &xorbs).await?;
        Ok(Stored { file: file.hash, size: file.size, state: ShaState::Verified })
    }

    async fn keep_built(&self, to: &CasWrite, staged: StagedXorb) -> Result<XetHash> {
        let hash = staged.hash;
        self.keep_xorb(to.domain, staged).await?;
        Ok(hash)
    }

    /// Registers a file whose xorbs are kept, with a recipe as a client would have sent it.
    async fn register_built(&self, to: &CasWrite, file: &BuiltFile, built: &[XetHash]) -> Result<()> {
        let mut writer = ShardWriter::default();
        let mut entries = Vec::with_capacity(file.terms.len());
        let missing = |xorb: &XetHash| {
            Error::new(Code::Unavailable, "Stored content was removed meanwhile. Please send it again.")
                .because(format!("xorb {xorb}"))
        };
        for term in file.terms.iter() {
            let xorb = self.find_xorb(&term.xorb).await?.ok_or_else(|| missing(&term.xorb))?;
            entries.push(TermEntry::new(term.xorb, &xorb.index, term.chunks));
        }
        writer.file(file.hash, &entries, Some(file.sha256));
        for hash in built {
            let xorb = self.find_xorb(hash).await?.ok_or_else(|| missing(hash))?;
            writer.xorb(*hash, &xorb.index);
        }
        let recipe = Bytes::from(writer.finish());
        let key = ObjectKey::shard(&recipe);
        let recipe_bytes = recipe.len() as u64;
        objects::put(self.objects().as_ref(), &key, recipe).await?;

        let now = self.now();
        let edges: Vec<XetHash> = file.terms.xorbs().collect();
        let new = db::NewFile {
            hash: file.hash,
            bytes: file.size,
            verified: Some(file.sha256),
            claimed: None,
            terms: file.terms.as_blob(),
            xorbs: &edges,
        };
        let mut tx = self.db().begin().await?;
        if let Some(xorb) = db::touch_xorbs(&mut tx, &edges, now).await?.first() {
            return Err(missing(xorb));
        }
        db::register_file(&mut tx, to.repo_id, &new, now, now.plus_seconds(UPLOAD_SECONDS)).await?;
        let first: Vec<_> = file.first_chunk.into_iter().collect();
        db::insert_eligible(&mut tx, to.domain, &first).await?;
        db::insert_recipe(&mut tx, key.as_str(), to.repo_id, to.domain, recipe_bytes, now).await?;
        Ok(tx.commit().await?)
    }
}
