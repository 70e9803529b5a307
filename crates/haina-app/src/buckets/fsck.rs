//! Proof that a bucket is whole: counters and folders say what the files say, and every file is stored and kept.

use std::collections::HashMap;

use haina_db::buckets as db;
use haina_types::{Result, Timestamp, XetHash};

use crate::App;

/// Files of one step.
const STEP: usize = 1000;

/// How often a bucket that changes meanwhile is walked through.
const WALKS_MAX: usize = 3;

/// What a walk found.
#[derive(Default)]
struct Walk {
    files: u64,
    bytes: u64,
    dirs: u64,
    said: Vec<String>,
}

/// A folder that the walk is in.
struct Open {
    path: String,
    files: i64,
    last: Timestamp,
}

impl Open {
    fn holds(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl App {
    /// Checks a bucket, also while it is in use; how many files it has.
    pub(crate) async fn check_bucket(&self, bucket: i64, findings: &mut Vec<String>) -> Result<u64> {
        let mut files = 0;
        for _ in 0..WALKS_MAX {
            let mut s = self.db().read().await?;
            let before = db::find_counters(&mut s, bucket).await?;
            let walk = self.walk_bucket(&mut s, bucket).await?;
            let after = db::find_counters(&mut s, bucket).await?;
            files = walk.files;
            let said = match (before, after) {
                // Deleted meanwhile, or not to be found from the beginning.
                (_, None) if haina_db::repos::find_repo_by_id(&mut s, bucket).await?.is_none() => return Ok(files),
                (None, _) | (_, None) => vec!["it has no counters".to_owned()],
                // It changed under the walk, which therefore proves nothing.
                (Some(before), Some(after)) if before != after => continue,
                (Some(counters), _) => {
                    let mut said = walk.said;
                    let known = db::count_dirs(&mut s, bucket).await?;
                    if known != walk.dirs {
                        said.push(format!("it has {known} rows of folders, but files in {}", walk.dirs));
                    }
                    if (counters.files, counters.bytes) != (files, walk.bytes) {
                        said.push(format!(
                            "its counters say {} files and {} bytes; it has {files} and {}",
                            counters.files, counters.bytes, walk.bytes
                        ));
                    }
                    said
                }
            };
            findings.extend(said.into_iter().map(|what| format!("bucket {bucket}: {what}")));
            return Ok(files);
        }
        Ok(files)
    }

    async fn walk_bucket(&self, s: &mut haina_db::Session, bucket: i64) -> Result<Walk> {
        let mut walk = Walk::default();
        // Files come in the order of their paths, so that all files of a folder follow each other.
        let mut open: Vec<Open> = Vec::new();
        let mut after = String::new();
        loop {
            let page = db::page_files(s, bucket, &after, STEP).await?;
            let mut closed = Vec::new();
            for checked in &page {
                let file = &checked.file;
                walk.files += 1;
                walk.bytes += file.bytes;
                if file.hash == XetHash::ZERO {
                    if file.bytes != 0 {
                        walk.said.push(format!("{}: the empty file has {} bytes", file.path, file.bytes));
                    }
                } else if checked.stored_bytes != Some(file.bytes) {
                    let what = format!("{}: its content {} is not stored, or has another size", file.path, file.hash);
                    walk.said.push(what);
                } else if !checked.kept {
                    walk.said.push(format!("{}: its content {} is not kept", file.path, file.hash));
                }
                while open.last().is_some_and(|d| !d.holds(&file.path)) {
                    closed.extend(open.pop());
                }
                let known = open.last().map_or(0, |d| d.path.len() + 1);
                for (at, _) in file.path[known..].match_indices('/') {
                    open.push(Open { path: file.path[..known + at].to_owned(), files: 0, last: Timestamp(0) });
                }
                for dir in &mut open {
                    dir.files += 1;
                    dir.last = dir.last.max(file.uploaded_at);
                }
            }
            let end = page.len() < STEP;
            if end {
                closed.append(&mut open);
            }
            walk.dirs += closed.len() as u64;
            for part in closed.chunks(STEP) {
                let paths: Vec<&str> = part.iter().map(|d| d.path.as_str()).collect();
                let rows = db::list_dirs_at(s, bucket, &paths).await?;
                let rows: HashMap<&str, &db::BucketDir> = rows.iter().map(|r| (r.path.as_str(), r)).collect();
                for dir in part {
                    let row = rows.get(dir.path.as_str());
                    if !row.is_some_and(|r| r.files == dir.files && r.uploaded_at >= dir.last) {
                        let what =
                            format!("folder {}: {} files are below it, its row says otherwise", dir.path, dir.files);
                        walk.said.push(what);
                    }
                }
            }
            match page.last() {
                Some(last) if !end => after.clone_from(&last.file.path),
                _ => return Ok(walk),
            }
        }
    }
}
