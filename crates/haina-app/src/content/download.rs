//! Large files going out: as recipes with signed addresses of ranges, as those ranges, or put together.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use haina_cas::plan::{Descriptor, plan};
use haina_cas::sign::{FetchGrant, SignError};
use haina_cas::wire::{FetchV1, ReconstructionV1, ReconstructionV2, WireTerm};
use haina_cas::{CasError, FileTerms, StoreError, StoredXorb};
use haina_types::{Code, Error, Result, XetHash};

pub use super::lookup::Window;
use super::{CasRead, FETCH_SECONDS};
use crate::App;
use crate::gate::ContentAccess;

/// Bytes in order, exactly as many as were asked for, or an error at the end.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// Most xorbs of one reconstruction: about 128 GiB of a file, or less of one that is scattered.
const XORBS_MAX: usize = 2048;
/// More than this many chunk tables are held by one request at a time only.
const XORBS_NARROW: usize = 64;
/// Most files of one batch.
pub const BATCH_FILES_MAX: usize = 256;

/// A version of the reconstruction routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// With `fetch_info`.
    V1,
    /// With `xorbs`.
    V2,
}

/// How to put a window of a file together, as clients read it.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub enum Reconstruction {
    /// Version 1.
    V1(ReconstructionV1),
    /// Version 2.
    V2(ReconstructionV2),
}

/// How to put some whole files together.
#[derive(Debug, Default, serde::Serialize)]
pub struct Batch {
    /// The terms of each file.
    pub files: BTreeMap<String, Vec<WireTerm>>,
    /// Where each xorb's bytes are.
    pub fetch_info: BTreeMap<String, Vec<FetchV1>>,
}

/// Ranges of a xorb that may be sent.
pub struct Fetch {
    app: App,
    xorb: StoredXorb,
    ranges: Vec<Range<u64>>,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetch({}, {:?})", self.xorb.hash, self.ranges)
    }
}

impl Fetch {
    /// Bytes of the whole xorb as it is served.
    pub fn total(&self) -> u64 {
        self.xorb.index.frames_len().into()
    }

    /// The ranges, in the order of the request, end-exclusive.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// One of the ranges.
    pub fn stream(&self, range: Range<u64>) -> ByteStream {
        let (xorb, reader) = (&self.xorb, &self.app.content().reader);
        self.app.told(reader.range_stream(xorb.key(), xorb.crc.clone(), xorb.len, range))
    }
}

impl App {
    /// The xorbs that a window needs.
    async fn load_xorbs(&self, terms: &FileTerms, window: &Range<u64>) -> Result<HashMap<XetHash, StoredXorb>> {
        let xorbs = terms.xorbs_touching(window);
        if xorbs.len() > XORBS_MAX {
            return Err(Error::new(
                Code::TooLarge,
                format!(
                    "This needs {} xorbs; one answer covers at most {XORBS_MAX}. Ask for a smaller range.",
                    xorbs.len()
                ),
            ));
        }
        let mut found = HashMap::with_capacity(xorbs.len());
        for hash in xorbs {
            if let Some(xorb) = self.find_xorb(&hash).await? {
                found.insert(hash, xorb);
            }
        }
        Ok(found)
    }

    /// How to put a window of a file of the reader's repository together.
    pub async fn reconstruct(
        &self,
        access: &CasRead,
        file: &XetHash,
        window: Window,
        version: Version,
    ) -> Result<Reconstruction> {
        let terms = self.get_repo_terms(access.repo_id, file).await?;
        let window = window.of(terms.size());
        let _turn = match terms.touching(&window).len() > XORBS_NARROW {
            true => Some(self.content().wide.acquire().await.map_err(Error::internal)?),
            false => None,
        };
        let xorbs = self.load_xorbs(&terms, &window).await?;
        let plan = plan(&terms, window, &|hash| xorbs.get(hash).map(|x| x.index.clone()))?;
        let expires = self.now().seconds() + FETCH_SECONDS;
        // The plan knows only xorbs that were found.
        let url = |d: &Descriptor| self.fetch_url(d, xorbs.get(&d.xorb).map_or(0, |x| x.generation), expires);
        Ok(match version {
            Version::V1 => Reconstruction::V1(ReconstructionV1::new(&plan, url)),
            Version::V2 => Reconstruction::V2(ReconstructionV2::new(&plan, url)),
        })
    }

    /// The absolute, signed address of a run of frames. Where frames lie depends on the object, so it is named too.
    fn fetch_url(&self, at: &Descriptor, generation: u64, expires: i64) -> String {
        let state = self.content();
        let grant = FetchGrant {
            xorb: at.xorb,
            layout: StoredXorb::LAYOUT_FRAMES,
            generation,
            bytes: at.bytes.clone(),
            expires,
        };
        format!("{}/xet/{}/fetch/{}?grant={}", self.base_url(), state.store, at.xorb, state.signer.grant(&grant))
    }

    /// How to put some whole files of the reader's repository together.
    pub async fn reconstruct_batch(&self, access: &CasRead, files: &[XetHash]) -> Result<Batch> {
        if files.len() > BATCH_FILES_MAX {
            return Err(Error::new(Code::TooLarge, format!("At most {BATCH_FILES_MAX} files at a time.")));
        }
        let mut batch = Batch::default();
        let mut xorbs = 0;
        for file in files {
            let Reconstruction::V1(one) = self.reconstruct(access, file, Window::All, Version::V1).await? else {
                continue;
            };
            xorbs += one.fetch_info.len();
            if xorbs > XORBS_MAX {
                return Err(Error::new(
                    Code::TooLarge,
                    format!("These files need more than {XORBS_MAX} xorbs. Ask for fewer."),
                ));
            }
            batch.files.insert(file.to_string(), one.terms);
            for (xorb, fetches) in one.fetch_info {
                let all = batch.fetch_info.entry(xorb).or_default();
                for fetch in fetches {
                    // Clients key runs of one xorb by their first chunk: the longest of them serves all.
                    match all.iter_mut().find(|f| f.range.start == fetch.range.start) {
                        Some(known) if known.range.end < fetch.range.end => *known = fetch,
                        Some(_) => {}
                        None => all.push(fetch),
                    }
                }
            }
        }
        Ok(batch)
    }

    /// The size of a file of the reader's repository.
    pub async fn cas_file_size(&self, access: &CasRead, file: &XetHash) -> Result<u64> {
        Ok(self.get_repo_terms(access.repo_id, file).await?.size())
    }

    /// The serialized length of a xorb to which the reader's namespace may refer.
    pub async fn cas_xorb_size(&self, access: &CasRead, hash: &XetHash) -> Result<u64> {
        let visible = {
            let mut s = self.db().read().await?;
            haina_db::content::list_visible_xorbs(&mut s, &[*hash], access.domain).await?.contains(hash)
        };
        let xorb = if visible { self.find_xorb(hash).await? } else { None };
        xorb.map(|x| x.index.frames_len().into()).ok_or_else(|| Error::new(Code::NotFound, "No such xorb here."))
    }

    /// Ranges of a xorb as a signed address allows them; `None` asks for all of the xorb. Clients take
    /// [`Code::Forbidden`] as the sign to ask for new addresses.
    pub async fn open_fetch(
        &self,
        store: &str,
        hash: &XetHash,
        grant: &str,
        asked: Option<&[Window]>,
    ) -> Result<Fetch> {
        self.check_store(store)?;
        let refuse = |e: SignError| {
            Error::new(Code::Forbidden, format!("This address does not allow that: {e}. Ask for a new reconstruction."))
                .because(e)
        };
        let grant = self.content().signer.verify_grant(grant, self.now()).map_err(refuse)?;
        if grant.xorb != *hash {
            return Err(refuse(SignError::Signature));
        }
        let xorb = self.find_xorb(hash).await?.ok_or_else(|| Error::new(Code::NotFound, "No such xorb here."))?;
        if (grant.layout, grant.generation) != (xorb.layout, xorb.generation) {
            return Err(refuse(SignError::Expired));
        }
        let total = xorb.index.frames_len().into();
        let asked = asked.unwrap_or(&[Window::All]);
        let ranges = asked
            .iter()
            .map(|w| {
                let w = w.of(total);
                grant.narrow(Some(w.start..w.end)).map_err(refuse)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Fetch { app: self.clone(), xorb, ranges })
    }

    /// The bytes of a large file, or of a range of it.
    pub async fn open_content(
        &self,
        access: &ContentAccess,
        file: &XetHash,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let terms = self.get_repo_terms(access.repo().id, file).await?;
        let size = terms.size();
        let range = range.unwrap_or(0..size);
        if range.start > range.end || range.end > size {
            return Err(Error::new(Code::RangeNotSatisfiable, format!("The file has {size} bytes."))
                .with_detail(size.to_string()));
        }
        Ok(self.told(self.content().reader.assemble(terms, self.xorb_source(), range)))
    }

    /// A stream of the store, whose failure is logged here: once it is on its way, the door can only cut it off.
    fn told(&self, stream: impl Stream<Item = Result<Bytes, CasError>> + Send + 'static) -> ByteStream {
        let app = self.clone();
        Box::pin(stream.map(move |piece| {
            piece.map_err(|e| {
                if let CasError::Store(StoreError::NotFound(key)) = &e
                    && let Some((xorb, _)) = key.as_xorb()
                {
                    // Another process may have put a new object in its place.
                    app.content().xorbs.remove(&xorb);
                }
                let e = Error::from(e);
                tracing::error!(code = e.code.key(), cause = %e.chain(), "reading content failed");
                e
            })
        }))
    }
}
