//! A git repository on this machine, as far as an import reads it: references, packs, loose objects; or a bundle.
//!
//! Nothing of git's is run. What cannot be read as it lies is refused with the command that makes it readable.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use haina_git::wire::{PackHasher, loose_as_entry, read_bundle_head};
use haina_types::{Error, Oid, Result};

/// Most bytes of a file of references or settings.
const TEXT_BYTES_MAX: u64 = 64 << 20;
/// Most references that are read.
const REFS_MAX: usize = 300_000;
/// Deepest folder of references, and how often one may be another's name.
const DEPTH_MAX: usize = 64;
/// Bytes of a pack before its entries, and behind them.
const PACK_HEAD_BYTES: u64 = 12;
const PACK_END_BYTES: u64 = 20;

/// Where objects lie.
#[derive(Debug)]
enum Part {
    /// Entries of a pack: from a byte of a file, so many bytes.
    Entries {
        path: PathBuf,
        at: u64,
        len: u64,
    },
    Loose(PathBuf),
}

/// What is checked out, or would be by a clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// A branch, perhaps without commits.
    Branch(String),
    Commit(Oid),
}

/// A repository that can be read.
#[derive(Debug)]
pub(super) struct Source {
    /// Full names and ids.
    pub(super) refs: BTreeMap<String, Oid>,
    pub(super) head: Option<Head>,
    /// How many entries its packs and loose objects are together.
    pub(super) entries: u64,
    /// Where git-lfs keeps large files, in folders by the beginnings of their ids.
    pub(super) lfs: Option<PathBuf>,
    parts: Vec<Part>,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |e| Error::invalid(format!("{path}: {e}"))
}

/// The text of a small file; `None` if there is none.
fn text(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(failed(path)(e)),
    };
    let mut bytes = Vec::new();
    file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        return Err(Error::invalid(format!("{} is too large to be what its name says", path.display())));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn is_git_folder(path: &Path) -> bool {
    path.join("HEAD").is_file() && (path.join("objects").is_dir() || path.join("commondir").is_file())
}

/// The folder of a work tree or of a bare repository that git keeps everything in.
fn git_folder(folder: &Path) -> Result<PathBuf> {
    let inner = folder.join(".git");
    if is_git_folder(&inner) {
        return Ok(inner);
    }
    // A work tree beside another, or a submodule, says where its folder is.
    if inner.is_file()
        && let Some(text) = text(&inner)?
        && let Some(elsewhere) = text.strip_prefix("gitdir:")
    {
        let elsewhere = folder.join(elsewhere.trim());
        if is_git_folder(&elsewhere) {
            return Ok(elsewhere);
        }
    }
    if is_git_folder(folder) {
        return Ok(folder.to_owned());
    }
    Err(Error::invalid(format!("{} is neither a git repository nor a bundle", folder.display())))
}

/// A setting of git's configuration, as far as the few that matter here need it read.
fn setting(config: &str, section: &str, key: &str) -> Option<String> {
    let mut inside = false;
    let mut found = None;
    for line in config.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            inside = name.trim_end_matches(']').trim().eq_ignore_ascii_case(section);
        } else if inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim().eq_ignore_ascii_case(key)
        {
            found = Some(value.trim().trim_matches('"').to_ascii_lowercase());
        }
    }
    found
}

/// Refuses what lies in ways that are not read here.
fn check_layout(common: &Path) -> Result<()> {
    let config = text(&common.join("config"))?.unwrap_or_default();
    let refuse = |why: &str, advice: &str| Err(Error::invalid(format!("{}: {why} {advice}", common.display())));
    if setting(&config, "extensions", "objectformat").is_some_and(|f| f != "sha1") {
        return refuse("it has SHA-256 ids.", "Repositories here have SHA-1 ids, so it cannot be imported.");
    }
    if setting(&config, "extensions", "refstorage").is_some_and(|f| f != "files") {
        return refuse(
            "its references are not in files.",
            "Write a bundle and import that: git bundle create all.bundle --all",
        );
    }
    let not_empty = |name: &str| Ok::<_, Error>(text(&common.join(name))?.is_some_and(|t| !t.trim().is_empty()));
    if not_empty("shallow")? {
        return refuse("its history is cut off.", "Fetch all of it first: git fetch --unshallow");
    }
    if not_empty("objects/info/alternates")? {
        return refuse(
            "it borrows objects of another repository.",
            "Make it whole first: git repack -a -d && rm objects/info/alternates",
        );
    }
    Ok(())
}

/// A reference's file: an id, or another's name.
fn parse_ref(text: &str) -> Option<Head> {
    let text = text.trim_end();
    match text.strip_prefix("ref:") {
        Some(name) => Some(Head::Branch(name.trim().to_owned())),
        None => text.parse().ok().map(Head::Commit),
    }
}

/// Reads what `refs` holds as files, over what was packed.
fn read_loose_refs(common: &Path, refs: &mut BTreeMap<String, Oid>) -> Result<()> {
    let mut open = vec![("refs".to_owned(), 0)];
    let mut names = Vec::new();
    while let Some((folder, depth)) = open.pop() {
        let path = common.join(&folder);
        for entry in fs::read_dir(&path).map_err(failed(&path))? {
            let entry = entry.map_err(failed(&path))?;
            // No reference's name is anything else.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let full = format!("{folder}/{name}");
            if entry.path().is_dir() {
                if depth >= DEPTH_MAX {
                    return Err(Error::invalid(format!("{full}: folders in folders, more than {DEPTH_MAX} deep")));
                }
                open.push((full, depth + 1));
            } else if !name.ends_with(".lock") {
                names.push(full);
            }
            if names.len() > REFS_MAX {
                return Err(Error::invalid(format!("more than {REFS_MAX} references")));
            }
        }
    }
    let mut aliases = Vec::new();
    for name in names {
        let found = text(&common.join(&name))?.as_deref().and_then(parse_ref);
        match found {
            Some(Head::Commit(oid)) => {
                refs.insert(name, oid);
            }
            Some(Head::Branch(other)) => aliases.push((name, other)),
            None => return Err(Error::invalid(format!("{name} is broken: it is neither an id nor a name"))),
        }
    }
    // One that is another's name is where that one is; a name of nothing is nothing.
    for _ in 0..DEPTH_MAX {
        let before = aliases.len();
        aliases.retain(|(name, other)| match refs.get(other).copied() {
            Some(oid) => {
                refs.insert(name.clone(), oid);
                false
            }
            None => true,
        });
        if aliases.len() == before {
            break;
        }
    }
    Ok(())
}

fn read_packed_refs(common: &Path, refs: &mut BTreeMap<String, Oid>) -> Result<()> {
    let path = common.join("packed-refs");
    for (number, line) in text(&path)?.unwrap_or_default().lines().enumerate() {
        if line.is_empty() || line.starts_with(['#', '^']) {
            continue;
        }
        let parse = || {
            let (oid, name) = line.split_once(' ')?;
            Some((name.to_owned(), oid.parse().ok()?))
        };
        let (name, oid) =
            parse().ok_or_else(|| Error::invalid(format!("{}: line {} is broken", path.display(), number + 1)))?;
        refs.insert(name, oid);
    }
    Ok(())
}

fn is_hex(name: &str, len: usize) -> bool {
    name.len() == len && name.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

/// The names in a folder, in order; none if there is no folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(folder)(e)),
    };
    let mut names = Vec::new();
    for entry in listed {
        names.extend(entry.map_err(failed(folder))?.file_name().into_string().ok());
    }
    names.sort_unstable();
    Ok(names)
}

/// The entries of a pack that begins at a byte of a file and ends with it, and how many they are.
fn entries_of(path: PathBuf, at: u64) -> Result<(Part, u64)> {
    let mut file = File::open(&path).map_err(failed(&path))?;
    let end = file.metadata().map_err(failed(&path))?.len();
    let mut head = [0; PACK_HEAD_BYTES as usize];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut head)).map_err(failed(&path))?;
    let len = end.checked_sub(at + PACK_HEAD_BYTES + PACK_END_BYTES);
    match (head, len) {
        ([b'P', b'A', b'C', b'K', 0, 0, 0, 2, a, b, c, d], Some(len)) => {
            let count = u32::from_be_bytes([a, b, c, d]);
            Ok((Part::Entries { path, at: at + PACK_HEAD_BYTES, len }, u64::from(count)))
        }
        _ => Err(Error::invalid(format!("{}: not a pack of version 2", path.display()))),
    }
}

impl Source {
    /// Opens a folder or a bundle. Blocks.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_file() { Self::open_bundle(path) } else { Self::open_folder(path) }
    }

    fn open_bundle(path: &Path) -> Result<Self> {
        let mut file = BufReader::new(File::open(path).map_err(failed(path))?);
        let head =
            read_bundle_head(&mut file).map_err(|e| Error::invalid(format!("{}: {e}", path.display())).because(e))?;
        if head.prerequisites > 0 {
            return Err(Error::invalid(format!(
                "{}: the bundle builds upon commits that it does not bring. Make one that is whole: git bundle create all.bundle --all",
                path.display()
            )));
        }
        let mut refs: BTreeMap<String, Oid> = head.refs.into_iter().collect();
        let at = refs.remove("HEAD");
        let (part, entries) = entries_of(path.to_owned(), head.bytes)?;
        Ok(Self { refs, head: at.map(Head::Commit), entries, lfs: None, parts: vec![part] })
    }

    fn open_folder(folder: &Path) -> Result<Self> {
        let own = git_folder(folder)?;
        let common = match text(&own.join("commondir"))? {
            Some(elsewhere) => own.join(elsewhere.trim()),
            None => own.clone(),
        };
        check_layout(&common)?;
        let mut refs = BTreeMap::new();
        read_packed_refs(&common, &mut refs)?;
        read_loose_refs(&common, &mut refs)?;
        let head = text(&own.join("HEAD"))?.as_deref().and_then(parse_ref);

        let objects = common.join("objects");
        let (mut parts, mut entries) = (Vec::new(), 0);
        let packs = objects.join("pack");
        for name in names(&packs)? {
            // One without an index is not finished.
            let is_pack = name.starts_with("pack-") && name.ends_with(".pack");
            if is_pack && packs.join(&name).with_extension("idx").is_file() {
                let (part, count) = entries_of(packs.join(name), 0)?;
                parts.push(part);
                entries += count;
            }
        }
        for first in names(&objects)?.into_iter().filter(|n| is_hex(n, 2)) {
            let folder = objects.join(first);
            for name in names(&folder)?.into_iter().filter(|n| is_hex(n, 38)) {
                parts.push(Part::Loose(folder.join(name)));
                entries += 1;
            }
        }
        Ok(Self { refs, head, entries, lfs: Some(common.join("lfs/objects")), parts })
    }

    /// Everything that is here as one pack: the entries of packs one after another (what they say of each other is
    /// said in distances, so it stays true), then the loose ones.
    pub(super) fn into_pack(self) -> Result<Stream> {
        let count = u32::try_from(self.entries)
            .map_err(|_| Error::invalid(format!("{} objects are more than a pack can have", self.entries)))?;
        let mut head = b"PACK\0\0\0\x02".to_vec();
        head.extend(count.to_be_bytes());
        Ok(Stream {
            parts: self.parts.into_iter(),
            current: Box::new(Cursor::new(head)),
            of: PathBuf::new(),
            hasher: Some(PackHasher::default()),
        })
    }
}

/// A pack that is read from many files.
pub(super) struct Stream {
    parts: std::vec::IntoIter<Part>,
    current: Box<dyn Read + Send>,
    /// What is read, for messages.
    of: PathBuf,
    /// Until the hash itself is read.
    hasher: Option<PackHasher>,
}

impl Stream {
    fn open(part: Part) -> (PathBuf, io::Result<Box<dyn Read + Send>>) {
        match part {
            Part::Entries { path, at, len } => {
                let open = || -> io::Result<Box<dyn Read + Send>> {
                    let mut file = File::open(&path)?;
                    file.seek(SeekFrom::Start(at))?;
                    Ok(Box::new(file.take(len)))
                };
                let opened = open();
                (path, opened)
            }
            Part::Loose(path) => {
                let opened = File::open(&path).and_then(|file| loose_as_entry(BufReader::new(file)));
                (path, opened)
            }
        }
    }

    fn named(&self, e: &io::Error) -> io::Error {
        io::Error::other(format!("{}: {e}", self.of.display()))
    }
}

impl Read for Stream {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.current.read(out).map_err(|e| self.named(&e))?;
            if n > 0 || out.is_empty() {
                if let Some(hasher) = &mut self.hasher {
                    hasher.update(&out[..n]);
                }
                return Ok(n);
            }
            if let Some(part) = self.parts.next() {
                let (path, opened) = Self::open(part);
                self.of = path;
                self.current = opened.map_err(|e| self.named(&e))?;
            } else if let Some(hasher) = self.hasher.take() {
                let hash = hasher.finish().map_err(io::Error::other)?;
                self.current = Box::new(Cursor::new(hash.0));
            } else {
                return Ok(0);
            }
        }
    }
}
