//! What is in a bucket: lists, single files, and their bytes.

use std::collections::HashMap;
use std::ops::Range;

use haina_db::buckets::{self as db, BucketFile, Start};
use haina_types::{Code, Error, Result, Timestamp, XetHash};

use super::{PATH_BYTES_MAX, parse_path};
use crate::content::ByteStream;
use crate::gate::BucketRead;
use crate::{App, Page};

/// Entries of one page when the caller names no number, and at most.
const PAGE_MAX: usize = 1000;
/// Most paths of one question.
pub const PATHS_MAX: usize = 1000;
/// Rows that are read at first where files and folders mix.
const STEP_MIN: usize = 16;

/// How a bucket is listed.
#[derive(Debug, Clone)]
pub struct BucketTreeOptions {
    /// All files, however deep; else files and folders of one level.
    pub recursive: bool,
    /// Most entries on the page.
    pub limit: Option<usize>,
    /// Where the previous page ended.
    pub cursor: Option<String>,
}

/// A line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketEntry {
    /// A file.
    File(BucketFile),
    /// What paths make of their segments.
    Folder {
        /// Its path.
        path: String,
        /// When a file below it last came in.
        uploaded_at: Option<Timestamp>,
    },
}

impl BucketEntry {
    /// The path.
    pub fn path(&self) -> &str {
        match self {
            Self::File(file) => &file.path,
            Self::Folder { path, .. } => path,
        }
    }
}

/// The first text after all that begin with `prefix`, in the order of bytes.
fn after_all(prefix: &str) -> String {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        // Of the scalar values, the next after U+D7FF is U+E000.
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32);
        if let Some(next) = next {
            text.push(next);
            return text;
        }
    }
    // Longer than any path, of the greatest character.
    char::MAX.to_string().repeat(PATH_BYTES_MAX)
}

/// The folder that stands for a path in a list of one level below `prefix`; none if the path itself does.
fn folder_of<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    // `logs` lists what is in the folder `logs`, beside all else that begins so.
    let from = match path[prefix.len()..].starts_with('/') && !prefix.is_empty() {
        true => prefix.len() + 1,
        false => prefix.len(),
    };
    path[from..].find('/').map(|at| &path[..from + at])
}

/// Where the walk goes on after an entry: `f` and a file's path, or `d` and a folder's.
fn cursor_of(entry: &BucketEntry) -> String {
    match entry {
        BucketEntry::File(file) => format!("f{}", file.path),
        BucketEntry::Folder { path, .. } => format!("d{path}"),
    }
}

/// After everything in a folder: the character after the slash is the zero.
fn behind(folder: &str) -> Start {
    Start::At(format!("{folder}0"))
}

fn parse_cursor(text: &str) -> Result<Start> {
    let invalid = || Error::invalid("This cursor is not one of ours: start again from the first page.");
    let (kind, path) = text.split_at_checked(1).ok_or_else(invalid)?;
    if path.len() > PATH_BYTES_MAX || path.chars().any(char::is_control) {
        return Err(invalid());
    }
    match kind {
        "f" => Ok(Start::After(path.to_owned())),
        "d" => Ok(behind(path)),
        _ => Err(invalid()),
    }
}

impl App {
    /// Files whose path begins with `prefix`, in the order of their paths; or what makes one level of them.
    pub async fn list_bucket(
        &self,
        access: &BucketRead,
        prefix: &str,
        options: &BucketTreeOptions,
    ) -> Result<Page<BucketEntry>> {
        let prefix = prefix.trim_start_matches('/');
        let start = options.cursor.as_deref().map(parse_cursor).transpose()?;
        // What no path can begin with, none does.
        if prefix.len() > PATH_BYTES_MAX || prefix.chars().any(char::is_control) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let limit = options.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
        let (id, end) = (access.repo().id, after_all(prefix));
        let mut from = match start {
            // A cursor of another list cannot lead out of this one.
            Some(Start::At(at)) if at.as_str() >= prefix => Start::At(at),
            Some(Start::After(at)) if at.as_str() >= prefix => Start::After(at),
            _ => Start::At(prefix.to_owned()),
        };
        let mut s = self.db().read().await?;
        let mut items: Vec<BucketEntry> = Vec::new();
        let mut step = if options.recursive { limit + 1 } else { STEP_MIN };
        while items.len() <= limit {
            let rows = db::list_files(&mut s, id, &from, &end, step).await?;
            let last_page = rows.len() < step;
            let (read, known) = (rows.len(), items.len());
            let mut folder: Option<String> = None;
            for file in rows {
                if folder.as_deref().is_some_and(|f| file.path.strip_prefix(f).is_some_and(|r| r.starts_with('/'))) {
                    continue;
                }
                folder = None;
                match folder_of(&file.path, prefix).filter(|_| !options.recursive) {
                    Some(path) => {
                        folder = Some(path.to_owned());
                        items.push(BucketEntry::Folder { path: path.to_owned(), uploaded_at: None });
                    }
                    None => items.push(BucketEntry::File(file)),
                }
            }
            match items.last() {
                Some(BucketEntry::File(file)) => from = Start::After(file.path.clone()),
                Some(BucketEntry::Folder { path, .. }) => from = behind(path),
                None => {}
            }
            if last_page {
                break;
            }
            // Where rows become lines, more are read at once; where folders swallow them, it goes on behind these.
            step = if items.len() - known > read / 2 { (step * 2).min(limit + 1) } else { STEP_MIN };
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let folders: Vec<&str> =
            items.iter().filter(|e| matches!(e, BucketEntry::Folder { .. })).map(BucketEntry::path).collect();
        let known: HashMap<String, Timestamp> =
            db::list_dirs_at(&mut s, id, &folders).await?.into_iter().map(|d| (d.path, d.uploaded_at)).collect();
        for entry in &mut items {
            if let BucketEntry::Folder { path, uploaded_at } = entry {
                *uploaded_at = known.get(path).copied();
            }
        }
        let next = if more { items.last().map(cursor_of) } else { None };
        Ok(Page { items, next })
    }

    /// The files at these paths; missing ones are left out.
    pub async fn list_bucket_paths(&self, access: &BucketRead, paths: &[String]) -> Result<Vec<BucketFile>> {
        if paths.len() > PATHS_MAX {
            return Err(Error::invalid(format!("At most {PATHS_MAX} paths may be asked at once.")));
        }
        let paths: Vec<&str> = paths.iter().map(String::as_str).filter(|p| parse_path(p).is_ok()).collect();
        let mut s = self.db().read().await?;
        Ok(db::list_files_at(&mut s, access.repo().id, &paths).await?)
    }

    /// The file at a path.
    pub async fn find_bucket_file(&self, access: &BucketRead, path: &str) -> Result<BucketFile> {
        let missing = || Error::new(Code::EntryNotFound, format!("\"{path}\" is not in this bucket"));
        parse_path(path).map_err(|_| missing())?;
        let mut s = self.db().read().await?;
        db::find_file(&mut s, access.repo().id, path).await?.ok_or_else(missing)
    }

    /// A file's bytes, or a range of them.
    pub async fn open_bucket_file(
        &self,
        access: &BucketRead,
        file: &BucketFile,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        if file.hash == XetHash::ZERO {
            return Ok(Box::pin(futures_util::stream::empty()));
        }
        self.open_content(access.content(), &file.hash, range).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_that_begin_with_it() {
        for prefix in ["", "a", "logs/", "模型", "x\u{d7ff}", "y\u{10ffff}", "\u{10ffff}\u{10ffff}"] {
            let end = after_all(prefix);
            for rest in ["", "a", "/", "\u{10ffff}", "模/b"] {
                assert!(format!("{prefix}{rest}") < end, "{prefix:?} {rest:?}");
            }
        }
        assert!(after_all("logs").as_str() <= "logt");
        assert_eq!(after_all("x\u{d7ff}"), "x\u{e000}");
    }

    #[test]
    fn one_level_below_a_prefix() {
        assert_eq!(folder_of("a.txt", ""), None);
        assert_eq!(folder_of("a/b/c", ""), Some("a"));
        assert_eq!(folder_of("logs/x", "logs"), None);
        assert_eq!(folder_of("logs/x/y", "logs"), Some("logs/x"));
        assert_eq!(folder_of("logs/x/y", "logs/"), Some("logs/x"));
        assert_eq!(folder_of("logs_old/x", "logs"), Some("logs_old"));
        assert_eq!(folder_of("logs.json", "logs"), None);
        assert_eq!(folder_of("logs", "logs"), None);
    }

    #[test]
    fn cursors_of_others_are_refused() {
        assert_eq!(parse_cursor("fa/b").unwrap(), Start::After("a/b".into()));
        assert_eq!(parse_cursor("da").unwrap(), Start::At("a0".into()));
        for bad in ["", "x", "xa", "fa\0", "模", &format!("f{}", "x".repeat(2000))] {
            assert!(parse_cursor(bad).is_err(), "{bad:?}");
        }
    }
}
