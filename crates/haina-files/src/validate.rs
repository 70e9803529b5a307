//! What `POST /api/validate-yaml` says of a README.

use haina_types::RepoKind;
use serde_json::{Map, Value};

use crate::card::{CARD_BYTES_MAX, parse_yaml, split, strings};
use crate::known::{LICENSES, PIPELINES, SIZE_CATEGORIES, is_language};

/// Errors make the commit impossible, warnings do not.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Validation {
    /// What must be mended.
    pub errors: Vec<Remark>,
    /// What should be.
    pub warnings: Vec<Remark>,
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Remark {
    /// For people.
    pub message: String,
}

impl Validation {
    /// Whether the README may be committed.
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }

    /// The plain text form, one remark a line.
    pub fn to_text(&self) -> String {
        let lines = |kind: &'static str, remarks: &[Remark]| -> String {
            remarks.iter().map(|r| format!("- {kind}: {}\n", r.message)).collect()
        };
        lines("Error", &self.errors) + &lines("Warning", &self.warnings)
    }

    fn error(&mut self, message: impl Into<String>) {
        self.errors.push(Remark { message: message.into() });
    }

    fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(Remark { message: message.into() });
    }
}

/// Checks a README for a kind of repository.
pub fn validate_yaml(content: &str, kind: RepoKind) -> Validation {
    let mut out = Validation::default();
    if content.len() > CARD_BYTES_MAX {
        out.error(format!("README.md is larger than {CARD_BYTES_MAX} bytes"));
        return out;
    }
    let parts = split(content);
    let data = match parts.yaml.map(|yaml| parse_yaml(yaml, parts.yaml_line, true)) {
        None | Some(Ok(Value::Null)) => {
            out.warn("empty or missing yaml metadata in repo card");
            return out;
        }
        Some(Err(error)) => {
            out.error(error.message);
            return out;
        }
        Some(Ok(Value::Object(map))) => map,
        Some(Ok(_)) => {
            out.error("the metadata block must be a mapping of keys to values");
            return out;
        }
    };
    common(&mut out, &data);
    match kind {
        RepoKind::Model | RepoKind::Kernel => model(&mut out, &data),
        RepoKind::Dataset => dataset(&mut out, &data),
        RepoKind::Space => space(&mut out, &data),
        // Its files are what they are: no card describes it.
        RepoKind::Bucket => {}
    }
    // A README with thousands of mistakes needs no answer of that length.
    out.errors.truncate(50);
    out.warnings.truncate(50);
    out
}

fn quoted(key: &str, index: Option<usize>) -> String {
    index.map_or_else(|| format!("\"{key}\""), |i| format!("\"{key}[{i}]\""))
}

/// A text or a list of texts; says so if it is something else.
fn texts(out: &mut Validation, data: &Map<String, Value>, key: &str) -> Vec<(Option<usize>, String)> {
    match data.get(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => {
            let mut found = Vec::new();
            for (i, item) in items.iter().enumerate() {
                match item {
                    Value::String(text) => found.push((Some(i), text.clone())),
                    _ => out.error(format!("{} must be a string", quoted(key, Some(i)))),
                }
            }
            found
        }
        Some(Value::String(text)) => vec![(None, text.clone())],
        Some(_) => {
            out.error(format!("\"{key}\" must be a string or an array of strings"));
            Vec::new()
        }
    }
}

fn need_array(out: &mut Validation, data: &Map<String, Value>, key: &str) {
    if data.get(key).is_some_and(|v| !v.is_array() && !v.is_null()) {
        out.error(format!("\"{key}\" must be an array"));
    }
}

fn one_of(out: &mut Validation, data: &Map<String, Value>, key: &str, choices: &[&str]) {
    let Some(value) = data.get(key).filter(|v| !v.is_null()) else { return };
    if !value.as_str().is_some_and(|v| choices.contains(&v)) {
        out.error(format!("\"{key}\" must be one of [{}]", choices.join(", ")));
    }
}

fn common(out: &mut Validation, data: &Map<String, Value>) {
    for (index, license) in texts(out, data, "license") {
        if !LICENSES.has(&license) {
            out.error(format!("{} must be one of {}", quoted("license", index), LICENSES.choices()));
        }
    }
    let other = data.get("license").map(strings).is_some_and(|l| l.iter().any(|l| l == "other"));
    if other && !data.contains_key("license_name") && !data.contains_key("license_link") {
        out.warn("\"license_name\" and \"license_link\" should say which licence it is when \"license\" is \"other\"");
    }
    for (index, language) in texts(out, data, "language") {
        let name = quoted("language", index);
        if language.bytes().any(|c| c.is_ascii_uppercase()) && is_language(&language.to_ascii_lowercase()) {
            out.warn(format!("{name} must only contain lowercase characters"));
        } else if !is_language(&language) {
            out.warn(format!(
                "{name} with value {} is not valid. It must be an ISO 639-1, 639-2 or 639-3 code (two or three letters), or \
                 a special value like \"code\" or \"multilingual\". BCP-47 identifiers can be given in \"language_bcp47\".",
                serde_json::Value::from(clip(&language)),
            ));
        }
    }
    for (index, tag) in texts(out, data, "tags") {
        if tag.len() > 100 {
            out.warn(format!("{} is longer than 100 characters", quoted("tags", index)));
        }
    }
    if data.get("thumbnail").is_some_and(|v| !v.is_string() && !v.is_null()) {
        out.error("\"thumbnail\" must be a string");
    }
}

/// The beginning of a value that is repeated in a message.
fn clip(text: &str) -> String {
    text.chars().take(60).collect()
}

fn is_repo_id(text: &str) -> bool {
    let name = |s: &str| {
        !s.is_empty()
            && s.len() <= 96
            && s.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
    };
    match text.split_once('/') {
        Some((ns, rest)) => name(ns) && name(rest),
        None => name(text),
    }
}

fn repo_ids(out: &mut Validation, data: &Map<String, Value>, key: &str, kind: &str) {
    for (index, id) in texts(out, data, key) {
        if !is_repo_id(&id) {
            out.warn(format!(
                "{} with value {} is not valid. Use a {kind} id of the form \"namespace/name\".",
                quoted(key, index),
                serde_json::Value::from(clip(&id)),
            ));
        }
    }
}

fn model(out: &mut Validation, data: &Map<String, Value>) {
    need_array(out, data, "model-index");
    if let Some(Value::Array(entries)) = data.get("model-index") {
        for (i, entry) in entries.iter().enumerate() {
            let Value::Object(entry) = entry else {
                out.error(format!("\"model-index[{i}]\" must be of type object"));
                continue;
            };
            if !entry.get("name").is_some_and(Value::is_string) {
                out.error(format!("\"model-index[{i}].name\" is required"));
            }
            match entry.get("results") {
                Some(Value::Array(results)) => {
                    for (j, result) in results.iter().enumerate() {
                        let metrics = result.get("metrics");
                        if !metrics.is_some_and(Value::is_array) {
                            out.error(format!("\"model-index[{i}].results[{j}].metrics\" must be an array"));
                        }
                    }
                }
                _ => out.error(format!("\"model-index[{i}].results\" must be an array")),
            }
        }
    }
    match data.get("pipeline_tag") {
        None | Some(Value::Null) => {}
        Some(Value::String(tag)) if PIPELINES.has(tag) => {}
        Some(Value::String(tag)) => out.warn(format!(
            "The pipeline tag {} is not in the official list: {}",
            serde_json::Value::from(clip(tag)),
            PIPELINES.choices().trim_matches(['[', ']'])
        )),
        Some(_) => out.error("\"pipeline_tag\" must be a string"),
    }
    if data.get("library_name").is_some_and(|v| !v.is_string() && !v.is_null()) {
        out.error("\"library_name\" must be a string");
    }
    need_array(out, data, "widget");
    repo_ids(out, data, "datasets", "dataset");
    repo_ids(out, data, "base_model", "model");
    one_of(out, data, "base_model_relation", &["finetune", "adapter", "merge", "quantized"]);
}

fn dataset(out: &mut Validation, data: &Map<String, Value>) {
    for (index, task) in texts(out, data, "task_categories") {
        if !PIPELINES.has(&task) {
            out.warn(format!(
                "The task_categories {} is not in the official list: {}",
                serde_json::Value::from(clip(&task)),
                PIPELINES.choices().trim_matches(['[', ']'])
            ));
            let _ = index;
        }
    }
    for (index, size) in texts(out, data, "size_categories") {
        if !SIZE_CATEGORIES.contains(&size.as_str()) {
            out.warn(format!("{} should be one of [{}]", quoted("size_categories", index), SIZE_CATEGORIES.join(", ")));
        }
    }
    need_array(out, data, "configs");
    if let Some(Value::Array(configs)) = data.get("configs") {
        for (i, config) in configs.iter().enumerate() {
            if !config.get("config_name").is_some_and(|v| v.is_string() || v.is_number() || v.is_boolean()) {
                out.error(format!("\"configs[{i}].config_name\" is required"));
            }
        }
    }
    if data.get("dataset_info").is_some_and(|v| !v.is_object() && !v.is_array() && !v.is_null()) {
        out.error("\"dataset_info\" must be an object or an array of objects");
    }
}

fn space(out: &mut Validation, data: &Map<String, Value>) {
    const COLORS: [&str; 8] = ["red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"];
    if data.get("sdk").is_none_or(Value::is_null) {
        out.error("\"sdk\" is required");
    }
    one_of(out, data, "sdk", &["gradio", "docker", "static", "streamlit"]);
    one_of(out, data, "colorFrom", &COLORS);
    one_of(out, data, "colorTo", &COLORS);
    for key in ["title", "emoji", "short_description", "app_file"] {
        if data.get(key).is_some_and(|v| !v.is_string() && !v.is_null()) {
            out.error(format!("\"{key}\" must be a string"));
        }
    }
    if data.get("short_description").and_then(Value::as_str).is_some_and(|t| t.chars().count() > 60) {
        out.error("\"short_description\" length must be less than or equal to 60 characters long");
    }
    repo_ids(out, data, "models", "model");
    repo_ids(out, data, "datasets", "dataset");
}
