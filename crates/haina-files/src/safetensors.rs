//! Headers of safetensors files, and indexes of sharded models.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::Parsed;

/// Largest header, as of the format's own implementation.
pub const HEADER_BYTES_MAX: u64 = 100_000_000;
/// Most dimensions of a tensor.
const DIMENSIONS_MAX: usize = 64;
/// Most entries of `__metadata__` that are kept, and their size in bytes.
const METADATA_MAX: usize = 256;
const METADATA_BYTES_MAX: usize = 64 << 10;
/// Most shards of an index.
const SHARDS_MAX: usize = 10_000;

/// Why bytes are not a safetensors header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SafetensorsError {
    /// The length of the header is impossible.
    #[error("a header of {0} bytes, more than {HEADER_BYTES_MAX}")]
    TooLarge(u64),
    /// The file is shorter than its header says.
    #[error("the file ends within its header")]
    Cut,
    /// The header is not the JSON it should be.
    #[error("malformed header: {0}")]
    Malformed(String),
}

/// What a header says in sum. The tensors themselves are not kept: there may be hundreds of thousands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Summary {
    /// Numbers of parameters by dtype (`F32`, `BF16`, …).
    pub parameters: BTreeMap<String, u64>,
    /// All parameters.
    pub total: u64,
    /// How many tensors.
    #[serde(skip)]
    pub tensors: u64,
    /// Where the last tensor ends, counted from the end of the header.
    #[serde(skip)]
    pub data_bytes: u64,
    /// The length of the header with its length prefix: where the data begin.
    #[serde(skip)]
    pub header_bytes: u64,
    /// `__metadata__`.
    #[serde(skip)]
    pub metadata: BTreeMap<String, String>,
}

impl Summary {
    /// Adds another shard's numbers.
    pub fn add(&mut self, other: &Self) {
        for (dtype, count) in &other.parameters {
            let sum = self.parameters.entry(dtype.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.total = self.total.saturating_add(other.total);
        self.tensors = self.tensors.saturating_add(other.tensors);
        self.data_bytes = self.data_bytes.saturating_add(other.data_bytes);
    }
}

/// Reads the header from the beginning of a file. `prefix` needs only the header; the answer says how many bytes
/// that is as soon as the first eight are there. `file_bytes`, if known, is the whole file's length.
pub fn header(prefix: &[u8], file_bytes: Option<u64>) -> Result<Parsed<Summary>, SafetensorsError> {
    if file_bytes.is_some_and(|n| n < 8) {
        return Err(SafetensorsError::Cut);
    }
    let Some(length) = prefix.first_chunk::<8>() else { return Ok(Parsed::NeedsBytes(8)) };
    let length = u64::from_le_bytes(*length);
    if length > HEADER_BYTES_MAX {
        return Err(SafetensorsError::TooLarge(length));
    }
    let end = 8 + length;
    if file_bytes.is_some_and(|n| n < end) {
        return Err(SafetensorsError::Cut);
    }
    let Some(json) = usize::try_from(end).ok().and_then(|end| prefix.get(8..end)) else {
        return Ok(Parsed::NeedsBytes(end));
    };
    let mut summary = summarize(json)?;
    summary.header_bytes = end;
    if file_bytes.is_some_and(|n| n - end < summary.data_bytes) {
        return Err(SafetensorsError::Malformed("tensors end after the file".into()));
    }
    Ok(Parsed::Ready(summary))
}

fn summarize(json: &[u8]) -> Result<Summary, SafetensorsError> {
    let mut summary = Summary::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    let malformed = |e: serde_json::Error| SafetensorsError::Malformed(e.to_string());
    Header(&mut summary).deserialize(&mut reader).map_err(malformed)?;
    reader.end().map_err(malformed)?;
    Ok(summary)
}

struct Header<'a>(&'a mut Summary);

impl<'de> DeserializeSeed<'de> for Header<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Header<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        use serde::de::Error as _;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "__metadata__" {
                let mut bytes = 0;
                for (k, v) in map.next_value::<Option<BTreeMap<String, Text>>>()?.unwrap_or_default() {
                    bytes += k.len() + v.0.len();
                    if self.0.metadata.len() < METADATA_MAX && bytes <= METADATA_BYTES_MAX {
                        self.0.metadata.insert(k, v.0);
                    }
                }
                continue;
            }
            let tensor: Tensor = map.next_value()?;
            if tensor.data_offsets.0 > tensor.data_offsets.1 {
                return Err(A::Error::custom("a tensor ends before it begins"));
            }
            if tensor.dtype.is_empty() || tensor.dtype.len() > 32 || self.0.parameters.len() > 64 {
                return Err(A::Error::custom("not a dtype"));
            }
            let s = &mut *self.0;
            let count = tensor.shape.0;
            s.total = s.total.checked_add(count).ok_or_else(|| A::Error::custom("too many parameters"))?;
            // No overflow: it is part of the total.
            *s.parameters.entry(tensor.dtype).or_default() += count;
            s.tensors += 1;
            s.data_bytes = s.data_bytes.max(tensor.data_offsets.1);
        }
        Ok(())
    }
}

/// A text; writers also put numbers here.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(text) => Self(text),
            other => Self(other.to_string()),
        })
    }
}

#[derive(serde::Deserialize)]
struct Tensor {
    dtype: String,
    shape: Elements,
    data_offsets: (u64, u64),
}

/// The product of a shape.
struct Elements(u64);

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Product;
        impl<'de> Visitor<'de> for Product {
            type Value = u64;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a shape")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
                use serde::de::Error as _;
                let mut product = 1u64;
                let mut dimensions = 0;
                while let Some(n) = seq.next_element::<u64>()? {
                    dimensions += 1;
                    product = product.checked_mul(n).ok_or_else(|| A::Error::custom("too many parameters"))?;
                    if dimensions > DIMENSIONS_MAX {
                        return Err(A::Error::custom("too many dimensions"));
                    }
                }
                Ok(product)
            }
        }
        d.deserialize_seq(Product).map(Self)
    }
}

/// `model.safetensors.index.json`: which shards a model has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// The shards' names, sorted, each once.
    pub shards: Vec<String>,
    /// How many tensors.
    pub tensors: u64,
    /// `metadata.total_size`, in bytes, if it is there.
    pub total_bytes: Option<u64>,
    /// `metadata.total_parameters`, if it is there.
    pub total_parameters: Option<u64>,
}

/// Reads an index. Names of shards that leave the index's folder are refused.
pub fn index(json: &[u8]) -> Result<Index, SafetensorsError> {
    #[derive(serde::Deserialize)]
    struct Raw {
        #[serde(default)]
        metadata: Option<serde_json::Map<String, serde_json::Value>>,
        weight_map: Weights,
    }
    struct Weights(std::collections::BTreeSet<String>, u64);
    impl<'de> Deserialize<'de> for Weights {
        fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
            struct Names;
            impl<'de> Visitor<'de> for Names {
                type Value = Weights;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object from tensors to files")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weights, A::Error> {
                    use serde::de::Error as _;
                    let mut out = Weights(std::collections::BTreeSet::new(), 0);
                    while map.next_key::<IgnoredAny>()?.is_some() {
                        let shard: std::borrow::Cow<'de, str> = map.next_value()?;
                        out.1 += 1;
                        if !out.0.contains(shard.as_ref()) {
                            if shard.is_empty()
                                || shard.len() > 255
                                || shard.starts_with('.')
                                || shard.contains(['/', '\\', '\0'])
                            {
                                return Err(A::Error::custom("a shard with an impossible name"));
                            }
                            out.0.insert(shard.into_owned());
                        }
                        if out.0.len() > SHARDS_MAX {
                            return Err(A::Error::custom("too many shards"));
                        }
                    }
                    Ok(out)
                }
            }
            d.deserialize_map(Names)
        }
    }
    if json.len() as u64 > HEADER_BYTES_MAX {
        return Err(SafetensorsError::TooLarge(json.len() as u64));
    }
    let raw: Raw = serde_json::from_slice(json).map_err(|e| SafetensorsError::Malformed(e.to_string()))?;
    // Some writers give floating-point sizes.
    let number = |key: &str| {
        let value = raw.metadata.as_ref()?.get(key)?;
        value.as_u64().or_else(|| value.as_f64().filter(|f| *f >= 0.0 && *f < 1e18).map(|f| f as u64))
    };
    Ok(Index {
        total_bytes: number("total_size"),
        total_parameters: number("total_parameters"),
        tensors: raw.weight_map.1,
        shards: raw.weight_map.0.into_iter().collect(),
    })
}
