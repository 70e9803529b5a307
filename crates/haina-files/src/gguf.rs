//! Headers of GGUF files: key-value metadata, then the tensors' names and shapes.
//!
//! The header has no length of its own and holds the whole tokenizer, megabytes of it, so it is read in steps:
//! [`header`] says how much more it needs at least; doubling what one has is a good next step.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Parsed;

/// Largest header that is read.
pub const HEADER_BYTES_MAX: u64 = 256 << 20;
const KEYS_MAX: u64 = 65_536;
const TENSORS_MAX: u64 = 1_000_000;
const KEY_BYTES_MAX: u64 = 65_535;
const ARRAY_DEPTH_MAX: u32 = 4;
/// Longest text that is kept.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Why bytes are not a GGUF header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    /// Not GGUF.
    #[error("not a GGUF file")]
    NotGguf,
    /// Neither version 2 nor 3, or big-endian.
    #[error("GGUF version {0} is not supported")]
    Version(u32),
    /// The file ends within its header.
    #[error("the file ends within its header")]
    Cut,
    /// Numbers or texts that cannot be.
    #[error("malformed GGUF header: {0}")]
    Malformed(&'static str),
    /// Above a limit.
    #[error("GGUF header with too many or too large {0}")]
    TooLarge(&'static str),
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Gguf {
    /// All parameters.
    pub total: u64,
    /// `general.architecture`, such as `llama`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// `<architecture>.context_length`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// The quantization, such as `Q4_K_M`: `general.file_type`, else the type of most parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantization: Option<String>,
    /// `tokenizer.chat_template`, unless it is very long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<String>,
    /// The text of the token that begins a sequence, if it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bos_token: Option<String>,
    /// The text of the token that ends a sequence, if it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eos_token: Option<String>,
    /// `quantize.imatrix.file`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantize_imatrix_file: Option<String>,
    /// Whether there is a chat template, however long.
    #[serde(skip)]
    pub has_chat_template: bool,
    /// `general.name`.
    #[serde(skip)]
    pub name: Option<String>,
    /// `general.license`.
    #[serde(skip)]
    pub license: Option<String>,
    /// How many tensors.
    #[serde(skip)]
    pub tensors: u64,
    /// Parameters by type of tensor (`Q4_K`, `F32`, …).
    #[serde(skip)]
    pub parameters: BTreeMap<String, u64>,
    /// Shard number and count of a split model.
    #[serde(skip)]
    pub split: Option<(u64, u64)>,
}

const TENSOR_TYPES: &[(u32, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (6, "Q5_0"),
    (7, "Q5_1"),
    (8, "Q8_0"),
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (12, "Q4_K"),
    (13, "Q5_K"),
    (14, "Q6_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (30, "BF16"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
];

const FILE_TYPES: &[(u64, &str)] = &[
    (0, "F32"),
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4"),
];

/// Why reading stopped.
enum Stop {
    /// The bytes end before this position.
    Needs(u64),
    Error(GgufError),
}

impl From<GgufError> for Stop {
    fn from(error: GgufError) -> Self {
        Self::Error(error)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: u64) -> Result<&'a [u8], Stop> {
        let end = self.at as u64 + n.min(HEADER_BYTES_MAX + 1);
        if end > HEADER_BYTES_MAX {
            return Err(GgufError::TooLarge("bytes").into());
        }
        let slice = self.bytes.get(self.at..end as usize).ok_or(Stop::Needs(end))?;
        self.at = end as usize;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N as u64)?);
        Ok(out)
    }

    fn u32(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Stop> {
        self.array().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a [u8], Stop> {
        let n = self.u64()?;
        self.take(n)
    }

    fn key(&mut self) -> Result<&'a str, Stop> {
        let n = self.u64()?;
        if n > KEY_BYTES_MAX {
            return Err(GgufError::TooLarge("keys").into());
        }
        std::str::from_utf8(self.take(n)?).map_err(|_| GgufError::Malformed("a key that is not UTF-8").into())
    }

    /// A value: its number or text if it is one; arrays are passed over, except that texts at `wanted` positions
    /// are handed to `found`.
    fn value(&mut self, kind: u32, depth: u32, found: &mut dyn FnMut(u64, &'a [u8])) -> Result<Value<'a>, Stop> {
        Ok(match kind {
            0 => Value::Number(u64::from(self.array::<1>()?[0])),
            1 => Value::signed(i64::from(i8::from_le_bytes(self.array()?))),
            2 => Value::Number(u64::from(u16::from_le_bytes(self.array()?))),
            3 => Value::signed(i64::from(i16::from_le_bytes(self.array()?))),
            4 => Value::Number(u64::from(self.u32()?)),
            5 => Value::signed(i64::from(i32::from_le_bytes(self.array()?))),
            7 => Value::Number(u64::from(self.array::<1>()?[0])),
            8 => Value::Text(self.text()?),
            10 => Value::Number(self.u64()?),
            11 => Value::signed(i64::from_le_bytes(self.array()?)),
            6 => {
                self.take(4)?;
                Value::Other
            }
            12 => {
                self.take(8)?;
                Value::Other
            }
            9 => {
                if depth >= ARRAY_DEPTH_MAX {
                    return Err(GgufError::TooLarge("arrays in arrays").into());
                }
                let (kind, n) = (self.u32()?, self.u64()?);
                match width(kind) {
                    Some(width) => {
                        let bytes = n.checked_mul(width).ok_or(GgufError::TooLarge("arrays"))?;
                        self.take(bytes)?;
                    }
                    None => {
                        // Every text or array has at least eight bytes, so the bytes bound the loop.
                        for i in 0..n {
                            if let Value::Text(text) = self.value(kind, depth + 1, &mut |_, _| {})? {
                                found(i, text);
                            }
                        }
                    }
                }
                Value::Other
            }
            _ => return Err(GgufError::Malformed("a value of unknown type").into()),
        })
    }
}

/// The size of a value of fixed size; `None` for texts, arrays and unknown types.
fn width(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

enum Value<'a> {
    Number(u64),
    Text(&'a [u8]),
    Other,
}

impl Value<'_> {
    fn signed(n: i64) -> Self {
        u64::try_from(n).map_or(Self::Other, Self::Number)
    }

    fn number(&self) -> Option<u64> {
        if let Self::Number(n) = self { Some(*n) } else { None }
    }

    fn text(&self, bytes_max: usize) -> Option<String> {
        match self {
            Self::Text(bytes) if bytes.len() <= bytes_max => std::str::from_utf8(bytes).ok().map(str::to_owned),
            _ => None,
        }
    }
}

/// Reads the header from the beginning of a file. `file_bytes`, if known, is the whole file's length.
pub fn header(prefix: &[u8], file_bytes: Option<u64>) -> Result<Parsed<Gguf>, GgufError> {
    let known = prefix.len().min(4);
    if prefix[..known] != b"GGUF"[..known] {
        return Err(GgufError::NotGguf);
    }
    match read(prefix) {
        Ok(gguf) => Ok(Parsed::Ready(gguf)),
        Err(Stop::Error(error)) => Err(error),
        Err(Stop::Needs(end)) if file_bytes.is_some_and(|n| n < end) => Err(GgufError::Cut),
        Err(Stop::Needs(end)) => Ok(Parsed::NeedsBytes(end)),
    }
}

fn read(bytes: &[u8]) -> Result<Gguf, Stop> {
    let mut reader = Reader { bytes, at: 4.min(bytes.len()) };
    if reader.at < 4 {
        return Err(Stop::Needs(24));
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(GgufError::Version(version).into());
    }
    let (tensors, keys) = (reader.u64()?, reader.u64()?);
    if tensors > TENSORS_MAX {
        return Err(GgufError::TooLarge("tensors").into());
    }
    if keys > KEYS_MAX {
        return Err(GgufError::TooLarge("keys").into());
    }
    let mut out = Gguf { tensors, ..Gguf::default() };
    let mut contexts: Vec<(&str, u64)> = Vec::new();
    let (mut file_type, mut bos, mut eos) = (None, None, None);
    let (mut split_no, mut split_count) = (None, None);
    let mut tokens_at: Option<usize> = None;
    for _ in 0..keys {
        let key = reader.key()?;
        let kind = reader.u32()?;
        let at = reader.at;
        let value = reader.value(kind, 0, &mut |_, _| {})?;
        match key {
            "general.architecture" => out.architecture = value.text(100),
            "general.name" => out.name = value.text(500),
            "general.license" => out.license = value.text(100),
            "general.file_type" => file_type = value.number(),
            "quantize.imatrix.file" => out.quantize_imatrix_file = value.text(500),
            "tokenizer.chat_template" => {
                out.has_chat_template = matches!(value, Value::Text(t) if !t.is_empty());
                out.chat_template = value.text(TEXT_BYTES_MAX).filter(|t| !t.is_empty());
            }
            "tokenizer.ggml.bos_token_id" => bos = value.number(),
            "tokenizer.ggml.eos_token_id" => eos = value.number(),
            "tokenizer.ggml.tokens" if kind == 9 => tokens_at = Some(at),
            "split.no" => split_no = value.number(),
            "split.count" => split_count = value.number(),
            _ => {
                if let (Some(architecture), Some(n)) = (key.strip_suffix(".context_length"), value.number())
                    && contexts.len() < 16
                {
                    contexts.push((architecture, n));
                }
            }
        }
    }
    // The tokens come before the ids that point to them, so they are read a second time.
    if let Some(at) = tokens_at
        && (bos.is_some() || eos.is_some())
    {
        let mut tokens = Reader { bytes, at };
        tokens.value(9, 0, &mut |i, text| {
            let text = || String::from_utf8(text.to_vec()).ok().filter(|t| t.len() <= 256);
            if Some(i) == bos {
                out.bos_token = text();
            }
            if Some(i) == eos {
                out.eos_token = text();
            }
        })?;
    }
    for _ in 0..tensors {
        reader.key()?;
        let dimensions = reader.u32()?;
        if dimensions > 8 {
            return Err(GgufError::Malformed("a tensor of more than 8 dimensions").into());
        }
        let mut count = 1u64;
        for _ in 0..dimensions {
            count = count.checked_mul(reader.u64()?).ok_or(GgufError::TooLarge("tensors"))?;
        }
        let kind = reader.u32()?;
        reader.u64()?;
        out.total = out.total.checked_add(count).ok_or(GgufError::TooLarge("tensors"))?;
        let kind = TENSOR_TYPES.iter().find(|(n, _)| *n == kind).map_or("other", |(_, name)| name);
        // No overflow: it is part of the total.
        *out.parameters.entry(kind.to_owned()).or_default() += count;
    }
    out.context_length =
        contexts.iter().find(|(architecture, _)| Some(*architecture) == out.architecture.as_deref()).map(|(_, n)| *n);
    out.quantization = file_type
        // The highest bits say that the type was guessed.
        .and_then(|n| FILE_TYPES.iter().find(|(t, _)| *t == n & 0x3ff))
        .map(|(_, name)| (*name).to_owned())
        .or_else(|| out.parameters.iter().max_by_key(|(_, n)| **n).map(|(kind, _)| kind.clone()));
    out.split = split_no.zip(split_count).filter(|(_, count)| *count > 1);
    Ok(out)
}
