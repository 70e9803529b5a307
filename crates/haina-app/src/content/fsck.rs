//! Proof that what the database says is so.

use std::collections::HashSet;

use haina_cas::CasError;
use haina_cas::fsck::{Level, verify_object};
use haina_cas::hash::Merkle;
use haina_cas::objects::ObjectKey;
use haina_db::content as db;
use haina_types::{Error, Result, XetHash};

use super::lookup::{file_terms, stored_xorb};
use crate::App;

/// Rows looked at in one query.
const PAGE: u32 = 200;
/// Findings that are listed; further ones are only counted.
const LISTED_MAX: usize = 1000;
/// An object that nobody knows may belong to an upload in progress until it is this old, in seconds.
const ORPHAN_SECONDS: i64 = 48 * 3600;

/// How deep to look.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsckOptions {
    /// Read all content too: decode and hash every chunk, and compute every verified SHA-256 again.
    pub deep: bool,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: `xorb <hash>`, `file <hash>`, `object <key>`, …
    pub subject: String,
    /// What is wrong.
    pub fault: String,
    /// Whether content is lost or wrong, and not only room wasted.
    pub damage: bool,
    /// Some repositories that have files with it.
    pub repos: Vec<i64>,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Xorbs looked at.
    pub xorbs: u64,
    /// Files looked at.
    pub files: u64,
    /// Places of eligible chunks looked at.
    pub eligible: u64,
    /// Objects looked at.
    pub objects: u64,
    /// Kept shards looked at.
    pub recipes: u64,
    /// Findings that are damage.
    pub damaged: u64,
    /// Findings that are only waste.
    pub wasted: u64,
    /// The first thousand findings.
    pub list: Vec<Finding>,
}

impl Findings {
    fn add(&mut self, finding: Finding) {
        if finding.damage {
            self.damaged += 1;
        } else {
            self.wasted += 1;
        }
        if self.list.len() < LISTED_MAX {
            self.list.push(finding);
        }
    }
}

/// Checks the content store: rows and objects, and with `deep` all bytes. It may run beside everything else.
/// `progress` hears of what was looked at so far, after each page of rows.
pub async fn fsck(app: &App, options: FsckOptions, mut progress: impl FnMut(&Findings) + Send) -> Result<Findings> {
    let mut found = Findings::default();
    app.fsck_xorbs(options, &mut found, &mut progress).await?;
    app.fsck_files(options, &mut found, &mut progress).await?;
    app.fsck_eligible(&mut found, &mut progress).await?;
    app.fsck_recipes(&mut found, &mut progress).await?;
    app.fsck_orphans(&mut found, &mut progress).await?;
    Ok(found)
}

type Progress<'a> = &'a mut (dyn FnMut(&Findings) + Send);

impl App {
    async fn damaged_xorb(&self, found: &mut Findings, hash: &XetHash, fault: String) -> Result<()> {
        let mut s = self.db().read().await?;
        let mut repos = Vec::new();
        for file in db::list_files_using(&mut s, hash, 20).await? {
            repos.extend(db::list_repos_of_file(&mut s, &file, 20).await?);
        }
        repos.sort_unstable();
        repos.dedup();
        found.add(Finding { subject: format!("xorb {hash}"), fault, damage: true, repos });
        Ok(())
    }

    async fn damaged_file(&self, found: &mut Findings, hash: &XetHash, fault: String) -> Result<()> {
        let mut s = self.db().read().await?;
        let repos = db::list_repos_of_file(&mut s, hash, 20).await?;
        found.add(Finding { subject: format!("file {hash}"), fault, damage: true, repos });
        Ok(())
    }

    async fn fsck_xorbs(&self, options: FsckOptions, found: &mut Findings, progress: Progress<'_>) -> Result<()> {
        let level = if options.deep { Level::Content } else { Level::Footer };
        let mut after = None;
        loop {
            let page = {
                let mut s = self.db().read().await?;
                db::page_xorbs(&mut s, after.as_ref(), PAGE).await?
            };
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.hash);
            for row in page {
                found.xorbs += 1;
                let hash = row.hash;
                let Some(xorb) = row.xorb else {
                    self.damaged_xorb(found, &hash, "its chunk table or object is not known".into()).await?;
                    continue;
                };
                let fault = match stored_xorb(xorb) {
                    Err(_) => Some("its rows are damaged".to_owned()),
                    Ok(xorb) if xorb.index.root() != hash => Some("its chunk table is of another xorb".to_owned()),
                    Ok(xorb) => match self.object_fault(&xorb, level).await? {
                        // Collected or healed since the page was read.
                        Some(_) if self.is_gone(&xorb).await? => None,
                        fault => fault,
                    },
                };
                if let Some(fault) = fault {
                    self.damaged_xorb(found, &hash, fault).await?;
                }
            }
            progress(found);
        }
    }

    /// What is wrong with an object; that it cannot be read is a fault too.
    async fn object_fault(&self, xorb: &haina_cas::StoredXorb, level: Level) -> Result<Option<String>> {
        match verify_object(self.objects().as_ref(), xorb, level).await {
            Ok(fault) => Ok(fault.map(|f| f.to_string())),
            Err(e @ CasError::Cancelled) => Err(e.into()),
            Err(e) => Ok(Some(Error::from(e).chain())),
        }
    }

    async fn is_gone(&self, xorb: &haina_cas::StoredXorb) -> Result<bool> {
        let mut s = self.db().read().await?;
        Ok(!db::is_object_known(&mut s, &xorb.hash, xorb.generation).await?)
    }

    async fn fsck_files(&self, options: FsckOptions, found: &mut Findings, progress: Progress<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let page = {
                let mut s = self.db().read().await?;
                db::page_files(&mut s, after.as_ref(), PAGE).await?
            };
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.hash);
            for row in page {
                found.files += 1;
                let (hash, sha256) = (row.hash, row.sha256);
                if let Some(fault) = self.file_fault(row).await? {
                    self.damaged_file(found, &hash, fault).await?;
                } else if options.deep
                    && let Some(sha256) = sha256
                    && let Some(terms) = self.find_terms(&hash).await?
                {
                    let fault = match self.content().reader.sha256_of(terms, self.xorb_source()).await {
                        Ok(actual) if actual == sha256 => continue,
                        Ok(actual) => format!("its sha256 is {actual}, not {sha256}"),
                        Err(e) => format!("it cannot be read: {}", Error::from(e).chain()),
                    };
                    self.damaged_file(found, &hash, fault).await?;
                }
            }
            progress(found);
        }
    }

    /// What is wrong with the rows of a file.
    async fn file_fault(&self, row: db::File) -> Result<Option<String>> {
        let hash = row.hash;
        let Ok(terms) = file_terms(row) else { return Ok(Some("its recipe is damaged".into())) };
        let edges: HashSet<XetHash> = {
            let mut s = self.db().read().await?;
            db::list_xorbs_of_file(&mut s, &hash).await?.into_iter().collect()
        };
        if edges != terms.xorbs().collect() {
            return Ok(Some("its recipe and its edges name other xorbs".into()));
        }
        let mut merkle = Merkle::default();
        for term in terms.iter() {
            let Some(xorb) = self.find_xorb(&term.xorb).await? else {
                return Ok(Some(format!("xorb {} is not known", term.xorb)));
            };
            if term.chunks.end > xorb.index.chunk_count()
                || u64::from(xorb.index.raw_len(term.chunks.clone())) != term.bytes.end - term.bytes.start
            {
                return Ok(Some(format!("its recipe does not fit xorb {}", term.xorb)));
            }
            for i in term.chunks {
                merkle.push(xorb.index.hash(i), xorb.index.raw_len(i..i + 1).into());
            }
        }
        let actual = merkle.file_hash();
        Ok((actual != hash).then(|| format!("its chunks have the id {actual}")))
    }

    async fn fsck_eligible(&self, found: &mut Findings, progress: Progress<'_>) -> Result<()> {
        let mut after = (i64::MIN, XetHash::ZERO);
        loop {
            let page = {
                let mut s = self.db().read().await?;
                db::page_eligible(&mut s, after, PAGE * 5).await?
            };
            let Some((domain, (chunk, ..))) = page.last() else { return Ok(()) };
            after = (*domain, *chunk);
            for (domain, (chunk, xorb, position)) in page {
                found.eligible += 1;
                let known = self.find_xorb(&xorb).await?;
                if !known.is_some_and(|x| position < x.index.chunk_count() && x.index.hash(position) == chunk) {
                    found.add(Finding {
                        subject: format!("eligible chunk {chunk} of domain {domain}"),
                        fault: format!("it is not chunk {position} of xorb {xorb}"),
                        damage: true,
                        repos: Vec::new(),
                    });
                }
            }
            progress(found);
        }
    }

    async fn fsck_recipes(&self, found: &mut Findings, progress: Progress<'_>) -> Result<()> {
        let mut after = String::new();
        loop {
            let page = {
                let mut s = self.db().read().await?;
                db::page_recipes(&mut s, &after, PAGE * 5).await?
            };
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = last.clone();
            for (key, bytes) in page {
                found.recipes += 1;
                let len = match key.parse::<ObjectKey>() {
                    Ok(key) => self.objects().len(&key).await?,
                    Err(_) => None,
                };
                if len != Some(bytes) {
                    let fault = match len {
                        None => "the kept shard does not exist".to_owned(),
                        Some(len) => format!("the kept shard has {len} bytes, not {bytes}"),
                    };
                    found.add(Finding { subject: format!("object {key}"), fault, damage: true, repos: Vec::new() });
                }
            }
            progress(found);
        }
    }

    /// Objects that no row knows: left by a crash between object and row.
    async fn fsck_orphans(&self, found: &mut Findings, progress: Progress<'_>) -> Result<()> {
        let old = self.now().seconds() - ORPHAN_SECONDS;
        let mut after: Option<ObjectKey> = None;
        loop {
            let page = self.objects().list("cas", after.as_ref(), 1000).await?;
            if page.is_empty() {
                return Ok(());
            }
            for object in page {
                found.objects += 1;
                let known = {
                    let mut s = self.db().read().await?;
                    match object.key.as_xorb() {
                        Some((hash, generation)) => db::is_object_known(&mut s, &hash, generation).await?,
                        None => db::is_recipe_known(&mut s, object.key.as_str()).await?,
                    }
                };
                if !known && object.modified < old {
                    found.add(Finding {
                        subject: format!("object {}", object.key),
                        fault: format!("nothing refers to its {} bytes", object.len),
                        damage: false,
                        repos: Vec::new(),
                    });
                }
                after = Some(object.key);
            }
            progress(found);
        }
    }
}
