//! What files say of themselves: model and dataset cards, `config.json`, safetensors and GGUF headers,
//! Markdown, and how a file may be served.
//!
//! Everything here takes bytes that strangers wrote. Each reader has limits, none panics, and what is handed
//! back is a claim of the file, not a verified fact.

pub mod card;
pub mod chat;
pub mod config;
pub mod evals;
pub mod gguf;
pub mod known;
pub mod markdown;
pub mod media;
pub mod mime;
pub mod safetensors;
pub mod tags;
pub mod validate;

pub use card::{Card, CardError, CardFacts};
pub use config::{TransformersInfo, model_config, transformers_info};
pub use tags::{library_of, pipeline_tag_of, tags_of};
pub use validate::{Validation, validate_yaml};

/// What came of reading the beginning of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The file must be given at least up to this byte; ask again with that much. Progress is certain: it is more
    /// than was given.
    NeedsBytes(u64),
    /// Read.
    Ready(T),
}

impl<T> Parsed<T> {
    /// The result, if there is one already.
    pub fn ready(self) -> Option<T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::NeedsBytes(_) => None,
        }
    }
}
