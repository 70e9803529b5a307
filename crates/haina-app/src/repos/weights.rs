//! The tensors of a sharded model, without its weights.

use std::collections::{BTreeMap, BTreeSet};

use haina_types::{Code, Error, FilePath, RefName, Result, Revision};
use serde::Deserialize;
use serde_json::Value;

use crate::App;
use crate::gate::ContentAccess;
use crate::history::Entry;

/// Largest index that is read.
const INDEX_BYTES_MAX: u64 = 32 << 20;
/// Most shards whose headers are read.
const SHARDS_MAX: usize = 1000;
/// Most bytes of all headers together.
const HEADERS_BYTES_MAX: u64 = 16 << 20;
/// First bytes read of a shard: most headers fit.
const FIRST_BYTES: u64 = 64 << 10;

/// What an index and the headers of its shards say.
#[derive(Debug, Clone)]
pub struct ShardedMetadata {
    /// The index's own `metadata`.
    pub metadata: Option<Value>,
    /// Shard → its header.
    pub headers: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Index {
    metadata: Option<Value>,
    weight_map: BTreeMap<String, String>,
}

impl App {
    /// Reads the headers of all shards that an index on the main branch names.
    pub async fn sharded_metadata(&self, access: &ContentAccess, path: &FilePath) -> Result<ShardedMetadata> {
        let commit = self.resolve_revision(access, &Revision::new(RefName::main().as_str())).await?;
        // Says it in the words of a file that is not there, if so.
        self.find_entry(access, commit, path).await?;
        let bytes = self.read_small(access, commit, path, INDEX_BYTES_MAX).await?;
        let not_index =
            |why: String| Error::invalid(format!("\"{path}\" is not an index of safetensors shards: {why}"));
        let bytes = bytes.ok_or_else(|| not_index(format!("it is no file of at most {INDEX_BYTES_MAX} bytes")))?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|e| not_index(e.to_string()))?;
        let shards: BTreeSet<String> = index.weight_map.into_values().collect();
        if shards.len() > SHARDS_MAX {
            return Err(Error::new(Code::TooLarge, format!("An index may name at most {SHARDS_MAX} shards.")));
        }
        let (folder, _) = FilePath::split(path);
        let mut left = HEADERS_BYTES_MAX;
        let mut headers = BTreeMap::new();
        for shard in shards {
            let full = if folder.is_empty() { shard.clone() } else { format!("{folder}/{shard}") };
            let at: FilePath = full.parse().map_err(|_| not_index(format!("it names the shard {shard:?}")))?;
            let entry = self.find_entry(access, commit, &at).await?;
            let header = self.read_safetensors_header(access, &entry, &mut left).await?;
            headers.insert(shard, header);
        }
        Ok(ShardedMetadata { metadata: index.metadata, headers })
    }

    async fn read_safetensors_header(&self, access: &ContentAccess, entry: &Entry, left: &mut u64) -> Result<Value> {
        let wrong = |why: &str| Error::invalid(format!("\"{}\" is not a safetensors file: {why}", entry.path));
        let prefix = self.read_prefix(access, entry, FIRST_BYTES.min(entry.size)).await?;
        let length = prefix.first_chunk::<8>().ok_or_else(|| wrong("it has less than 8 bytes"))?;
        let length = u64::from_le_bytes(*length);
        let end = length.saturating_add(8);
        if end > entry.size {
            return Err(wrong("it ends within its header"));
        }
        if length > *left {
            return Err(Error::new(
                Code::TooLarge,
                format!("The headers of these shards have more than {HEADERS_BYTES_MAX} bytes together."),
            ));
        }
        *left -= length;
        let prefix = match prefix.len() as u64 >= end {
            true => prefix,
            false => self.read_prefix(access, entry, end).await?,
        };
        let json = usize::try_from(end).ok().and_then(|end| prefix.get(8..end)).ok_or_else(|| wrong("it is cut"))?;
        // Checked as strictly as for the facts of the repository, then given as it is.
        haina_files::safetensors::header(&prefix, Some(entry.size)).map_err(|e| wrong(&e.to_string()))?;
        serde_json::from_slice(json).map_err(|e| wrong(&e.to_string()))
    }

    /// The first bytes of a file, large or not.
    async fn read_prefix(&self, access: &ContentAccess, entry: &Entry, bytes: u64) -> Result<Vec<u8>> {
        use futures_util::TryStreamExt;
        match (&entry.lfs, &entry.xet) {
            (Some(_), None) => Err(Error::new(
                Code::EntryNotFound,
                format!("The content of \"{}\" is not stored here. Upload it again.", entry.path),
            )),
            (Some(_), Some(file)) if bytes > 0 => {
                let mut prefix = Vec::new();
                let mut stream = self.open_content(access, file, Some(0..bytes)).await?;
                while let Some(part) = stream.try_next().await? {
                    prefix.extend_from_slice(&part);
                }
                Ok(prefix)
            }
            (Some(_), Some(_)) => Ok(Vec::new()),
            (None, _) => self.read_blob(access, entry).await,
        }
    }
}
