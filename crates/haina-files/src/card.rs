//! The card of a repository: `README.md`, with YAML front matter.

use serde_json::{Map, Value};

/// A README above this size is not read for its front matter, nor rendered.
pub const CARD_BYTES_MAX: usize = 4 << 20;
/// Front matter above this size is refused.
pub const FRONT_MATTER_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of front matter.
pub const DEPTH_MAX: usize = 64;

/// Front matter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CardError {
    /// What is wrong, for people.
    pub message: String,
    /// Where in the README, from 1; 0 if unknown.
    pub line: u64,
}

/// A README taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split<'a> {
    /// The YAML between the fences; `None` without a front matter.
    pub yaml: Option<&'a str>,
    /// The line on which the YAML begins, from 1.
    pub yaml_line: u64,
    /// What follows.
    pub body: &'a str,
}

/// Takes a README apart. The front matter may follow a byte order mark and blank lines; its fences are lines of
/// `---`. An opening fence that is never closed is no front matter.
pub fn split(text: &str) -> Split<'_> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let none = Split { yaml: None, yaml_line: 1, body: text };
    let mut at = 0;
    let mut number = 0;
    let mut start: Option<(usize, u64)> = None;
    for line in text.split_inclusive('\n') {
        number += 1;
        let begin = at;
        at += line.len();
        match start {
            None if line.trim().is_empty() => {}
            None if line.trim() == "---" => start = Some((at, number + 1)),
            None => return none,
            Some((from, yaml_line)) if line.trim_end() == "---" => {
                return Split { yaml: Some(&text[from..begin]), yaml_line, body: &text[at..] };
            }
            Some(_) => {}
        }
    }
    none
}

/// Reads YAML from strangers: bounded in size, depth, nodes and alias expansion; YAML 1.2 booleans, so that the
/// language `no` stays a text. With `strict`, a key that is there twice is an error; else the last one counts.
pub fn parse_yaml(yaml: &str, first_line: u64, strict: bool) -> Result<Value, CardError> {
    if yaml.len() > FRONT_MATTER_BYTES_MAX {
        return Err(CardError {
            message: format!("the metadata block is larger than {FRONT_MATTER_BYTES_MAX} bytes"),
            line: first_line,
        });
    }
    if yaml.trim().is_empty() {
        return Ok(Value::Null);
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(FRONT_MATTER_BYTES_MAX),
            flow_nesting_limit: DEPTH_MAX,
            max_depth: DEPTH_MAX,
            max_events: 400_000,
            max_nodes: 200_000,
            max_aliases: 2_000,
            max_anchors: 1_000,
            max_documents: 1,
            max_merge_keys: 1_000,
            max_total_scalar_bytes: 4 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 1_000,
        },
        duplicate_keys: if strict {
            serde_saphyr::DuplicateKeyPolicy::Error
        } else {
            serde_saphyr::DuplicateKeyPolicy::LastWins
        },
        strict_booleans: true,
        emit_comments: false,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let line = error.location().map_or(0, |l| l.line().saturating_add(first_line).saturating_sub(1));
        let text = error.without_snippet().to_string();
        let text = text.lines().next().unwrap_or_default();
        let message = if line == 0 {
            format!("invalid YAML: {text}")
        } else {
            format!("invalid YAML at line {line} of README.md: {text}")
        };
        CardError { message, line }
    })
}

/// A card as read.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Card {
    /// The front matter, `cardData` in the API; `None` if there is none or it is empty.
    pub data: Option<Map<String, Value>>,
    /// The README after its front matter.
    pub body: String,
}

impl Card {
    /// Reads a README. Front matter that is not a mapping counts as none.
    pub fn parse(text: &str) -> Result<Self, CardError> {
        if text.len() > CARD_BYTES_MAX {
            return Err(CardError { message: format!("README.md is larger than {CARD_BYTES_MAX} bytes"), line: 0 });
        }
        let parts = split(text);
        let data = match parts.yaml {
            Some(yaml) => parse_yaml(yaml, parts.yaml_line, false)?,
            None => Value::Null,
        };
        let data = match data {
            Value::Object(map) if !map.is_empty() => Some(map),
            _ => None,
        };
        Ok(Self { data, body: parts.body.to_owned() })
    }

    /// As [`Card::parse`], for pages that show what they can: an unreadable front matter counts as none.
    pub fn parse_lenient(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|_| Self {
            data: None,
            body: if text.len() > CARD_BYTES_MAX { String::new() } else { split(text).body.to_owned() },
        })
    }

    /// A field.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.data.as_ref()?.get(key)
    }

    /// What the card says, in one place.
    pub fn facts(&self) -> CardFacts {
        let list = |key: &str| self.get(key).map(strings).unwrap_or_default();
        let one = |key: &str| list(key).into_iter().next();
        let raw = |key: &str| self.get(key).filter(|v| !v.is_null()).cloned();
        CardFacts {
            language: [list("language"), list("languages")].concat(),
            license: list("license"),
            license_name: one("license_name"),
            license_link: one("license_link"),
            tags: list("tags"),
            datasets: list("datasets"),
            metrics: list("metrics"),
            base_model: list("base_model"),
            base_model_relation: one("base_model_relation"),
            new_version: one("new_version"),
            library_name: one("library_name"),
            pipeline_tag: one("pipeline_tag"),
            mask_token: one("mask_token"),
            thumbnail: one("thumbnail"),
            pretty_name: one("pretty_name"),
            model_index: raw("model-index"),
            widget: raw("widget"),
            inference: raw("inference"),
            task_categories: list("task_categories"),
            task_ids: list("task_ids"),
            size_categories: list("size_categories"),
            annotations_creators: list("annotations_creators"),
            language_creators: list("language_creators"),
            multilinguality: list("multilinguality"),
            source_datasets: list("source_datasets"),
            configs: raw("configs"),
            dataset_info: raw("dataset_info"),
            sdk: one("sdk"),
            sdk_version: one("sdk_version"),
            app_file: one("app_file"),
            app_port: raw("app_port").and_then(|v| v.as_u64()).and_then(|p| u16::try_from(p).ok()),
            title: one("title"),
            emoji: one("emoji"),
            color_from: one("colorFrom"),
            color_to: one("colorTo"),
            short_description: one("short_description"),
            models: list("models"),
            gated_prompt: one("extra_gated_prompt"),
            gated_heading: one("extra_gated_heading"),
            gated_fields: raw("extra_gated_fields"),
        }
    }
}

/// Longest text of a list, in bytes; longer ones are left out.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Most texts of a list.
const TEXTS_MAX: usize = 2_000;

fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(bool) => bool.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= TEXT_BYTES_MAX && !text.contains('\0')).then_some(text)
}

/// A text or a list of texts, as a list; other things in it are left out.
pub fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(scalar).take(TEXTS_MAX).collect(),
        other => scalar(other).into_iter().collect(),
    }
}

/// What a card says. A field that has another shape than expected is read as far as it makes sense.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(missing_docs, reason = "the names are those of the card's fields, documented by the hub")]
pub struct CardFacts {
    pub language: Vec<String>,
    /// Mostly one.
    pub license: Vec<String>,
    pub license_name: Option<String>,
    pub license_link: Option<String>,
    pub tags: Vec<String>,
    pub datasets: Vec<String>,
    pub metrics: Vec<String>,
    pub base_model: Vec<String>,
    /// `finetune`, `adapter`, `merge` or `quantized`.
    pub base_model_relation: Option<String>,
    pub new_version: Option<String>,
    pub library_name: Option<String>,
    pub pipeline_tag: Option<String>,
    pub mask_token: Option<String>,
    pub thumbnail: Option<String>,
    pub pretty_name: Option<String>,
    /// `model-index`.
    pub model_index: Option<Value>,
    pub widget: Option<Value>,
    pub inference: Option<Value>,
    pub task_categories: Vec<String>,
    pub task_ids: Vec<String>,
    pub size_categories: Vec<String>,
    pub annotations_creators: Vec<String>,
    pub language_creators: Vec<String>,
    pub multilinguality: Vec<String>,
    pub source_datasets: Vec<String>,
    pub configs: Option<Value>,
    pub dataset_info: Option<Value>,
    pub sdk: Option<String>,
    pub sdk_version: Option<String>,
    pub app_file: Option<String>,
    pub app_port: Option<u16>,
    pub title: Option<String>,
    pub emoji: Option<String>,
    pub color_from: Option<String>,
    pub color_to: Option<String>,
    pub short_description: Option<String>,
    /// Models that a Space uses.
    pub models: Vec<String>,
    pub gated_prompt: Option<String>,
    pub gated_heading: Option<String>,
    pub gated_fields: Option<Value>,
}
