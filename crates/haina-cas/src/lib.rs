//! Haina's content store: chunks, xorbs, shards, reconstruction, objects on files or in memory.
