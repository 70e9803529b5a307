//! Shards: what a client says of the files and xorbs that it uploaded.

mod parse;
mod validate;
mod write;

pub use parse::{ChunkEntry, Shard, ShardError, ShardFile, ShardFooter, ShardTerm, ShardXorb};
pub use validate::{ValidatedFile, Validator};
pub use write::{DedupAnswer, ShardWriter, TermEntry};
