//! The tags of a repository, in the form that clients filter by.

use std::collections::HashSet;

use haina_types::RepoKind;
use serde_json::Value;

use crate::card::{Card, CardFacts};
use crate::config::pipeline_of_config;
use crate::known::{LIBRARIES, PIPELINES};

/// Most tags of a repository.
pub const TAGS_MAX: usize = 500;
/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 200;
/// Most papers that a card's text is searched for.
const PAPERS_MAX: usize = 20;

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn ends(path: &str, end: &str) -> bool {
    path.len() >= end.len() && path.as_bytes()[path.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

/// What the files of a model show. The listed names are at the root unless a pattern says otherwise.
#[derive(Debug, Default, Clone, Copy)]
struct Shows {
    safetensors: bool,
    gguf: bool,
    onnx: bool,
    pytorch: bool,
    tf: bool,
    jax: bool,
    tflite: bool,
    coreml: bool,
    openvino: bool,
    tensorboard: bool,
    joblib: bool,
    diffusers: bool,
    sentence_transformers: bool,
    adapter: bool,
    config: bool,
    keras: bool,
    spacy: bool,
}

impl Shows {
    fn of<S: AsRef<str>>(files: &[S]) -> Self {
        let mut s = Self::default();
        for path in files.iter().map(AsRef::as_ref) {
            let name = name_of(path);
            let root = name.len() == path.len();
            s.safetensors |= ends(name, ".safetensors");
            s.gguf |= ends(name, ".gguf");
            s.onnx |= ends(name, ".onnx");
            s.tflite |= ends(name, ".tflite");
            s.tensorboard |= name.contains("tfevents");
            s.joblib |= ends(name, ".joblib");
            s.coreml |= ends(name, ".mlmodel") || path.contains(".mlpackage/");
            s.openvino |= name.starts_with("openvino_model") && ends(name, ".xml");
            s.keras |= ends(name, ".keras");
            s.pytorch |=
                (name.starts_with("pytorch_model") && ends(name, ".bin")) || ends(name, ".pt") || ends(name, ".pth");
            s.tf |= name == "tf_model.h5";
            s.jax |= name == "flax_model.msgpack";
            if root {
                s.diffusers |= name == "model_index.json";
                s.sentence_transformers |= matches!(name, "modules.json" | "config_sentence_transformers.json");
                s.adapter |= name == "adapter_config.json";
                s.config |= name == "config.json";
                s.spacy |= name == "meta.json" && files.iter().any(|f| f.as_ref() == "config.cfg");
            }
        }
        s
    }
}

/// The library of a model: what its card says, else a tag that names one, else what its files show.
///
/// | files | library |
/// |---|---|
/// | `model_index.json` | `diffusers` |
/// | `modules.json` or `config_sentence_transformers.json` | `sentence-transformers` |
/// | `adapter_config.json` | `peft` |
/// | `config.json` with `model_type` and known `architectures` (or `auto_map`) | `transformers` |
/// | `*.keras` | `keras` |
/// | `config.cfg` and `meta.json` | `spacy` |
pub fn library_of<S: AsRef<str>>(facts: &CardFacts, files: &[S], config: Option<&Value>) -> Option<String> {
    if let Some(name) = &facts.library_name {
        return Some(name.clone());
    }
    // `safetensors`, `onnx` and the like name a format rather than what loads it.
    let is_format = |tag: &str| {
        matches!(
            tag,
            "safetensors"
                | "onnx"
                | "pytorch"
                | "tf"
                | "jax"
                | "gguf"
                | "tensorboard"
                | "joblib"
                | "rust"
                | "coreml"
                | "openvino"
                | "tflite"
                | "flax"
                | "trl"
        )
    };
    if let Some(tag) = facts.tags.iter().find(|t| LIBRARIES.has(t) && !is_format(t)) {
        return Some(tag.clone());
    }
    let shows = Shows::of(files);
    let transformers = config.is_some_and(|c| {
        c.get("model_type").is_some_and(Value::is_string)
            && (c.get("architectures").is_some() || c.get("auto_map").is_some())
    });
    let name = match () {
        () if shows.diffusers => "diffusers",
        () if shows.sentence_transformers => "sentence-transformers",
        () if shows.adapter => "peft",
        () if transformers && shows.config => "transformers",
        () if shows.keras => "keras",
        () if shows.spacy => "spacy",
        () => return None,
    };
    Some(name.to_owned())
}

/// The task of a model: what its card says, else the first tag that is a task, else what its library
/// (`sentence-transformers`: `sentence-similarity`, `diffusers`: `text-to-image`) or its `config.json` show.
pub fn pipeline_tag_of<S: AsRef<str>>(facts: &CardFacts, files: &[S], config: Option<&Value>) -> Option<String> {
    if let Some(tag) = &facts.pipeline_tag {
        return Some(tag.clone());
    }
    if let Some(tag) = facts.tags.iter().find(|t| PIPELINES.has(t) && *t != "other") {
        return Some(tag.clone());
    }
    let inferred = match library_of(facts, files, config).as_deref() {
        Some("sentence-transformers") => Some("sentence-similarity"),
        Some("diffusers") if Shows::of(files).diffusers => Some("text-to-image"),
        _ => config.and_then(pipeline_of_config),
    };
    inferred.map(str::to_owned)
}

/// Ids of papers that a text names: `arxiv.org/abs/ID`, `arxiv.org/pdf/ID`, `arxiv:ID`, `/papers/ID`, in order,
/// each once.
pub fn papers_in(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let mut found: Vec<String> = Vec::new();
    let starts = |at: usize, word: &[u8]| bytes.get(at..at + word.len()).is_some_and(|b| b.eq_ignore_ascii_case(word));
    let mut at = 0;
    while at < bytes.len() && found.len() < PAPERS_MAX {
        let skip = match bytes[at] {
            b'a' | b'A' if starts(at, b"arxiv.org/abs/") || starts(at, b"arxiv.org/pdf/") => 14,
            b'a' | b'A' if starts(at, b"arxiv:") => {
                6 + bytes[at + 6..].iter().take(2).take_while(|c| **c == b' ').count()
            }
            b'/' if starts(at, b"/papers/") => 8,
            _ => {
                at += 1;
                continue;
            }
        };
        at += skip;
        let digits =
            |from: usize| bytes[from.min(bytes.len())..].iter().take(6).take_while(|c| c.is_ascii_digit()).count();
        let month = digits(at);
        if month != 4 || bytes.get(at + 4) != Some(&b'.') {
            continue;
        }
        let number = digits(at + 5);
        if !(4..=5).contains(&number) {
            continue;
        }
        let id = &text[at..at + 5 + number];
        at += 5 + number;
        if !found.iter().any(|f| f == id) {
            found.push(id.to_owned());
        }
    }
    found
}

/// Collects tags, each once.
#[derive(Default)]
struct Tags {
    list: Vec<String>,
    seen: HashSet<String>,
}

impl Tags {
    fn add(&mut self, tag: impl Into<String>) {
        let tag = tag.into();
        let fits = !tag.is_empty() && tag.len() <= TAG_BYTES_MAX && !tag.chars().any(char::is_control);
        if fits && self.list.len() < TAGS_MAX && self.seen.insert(tag.clone()) {
            self.list.push(tag);
        }
    }

    fn add_all<'a>(&mut self, prefix: &str, values: impl IntoIterator<Item = &'a String>) {
        for value in values {
            self.add(format!("{prefix}{value}"));
        }
    }
}

/// The tags of a repository, from its card, the paths of its files and its parsed `config.json`.
pub fn tags_of<S: AsRef<str>>(kind: RepoKind, card: &Card, files: &[S], config: Option<&Value>) -> Vec<String> {
    let facts = card.facts();
    let mut tags = Tags::default();
    match kind {
        RepoKind::Model | RepoKind::Kernel => model_tags(&mut tags, card, &facts, files, config),
        RepoKind::Dataset => dataset_tags(&mut tags, card, &facts, files),
        RepoKind::Space => {
            tags.add_all("", &facts.sdk);
            tags.add_all("", &facts.tags);
            tags.add_all("license:", &facts.license);
            tags.add_all("arxiv:", &papers_in(&card.body));
        }
        // It has no card.
        RepoKind::Bucket => {}
    }
    // The clients of the hosted hub expect a region; here it says nothing.
    tags.list.truncate(TAGS_MAX - 1);
    tags.seen.remove("region:us");
    tags.list.retain(|t| t != "region:us");
    tags.add("region:us");
    tags.list
}

fn model_tags<S: AsRef<str>>(tags: &mut Tags, card: &Card, facts: &CardFacts, files: &[S], config: Option<&Value>) {
    let shows = Shows::of(files);
    tags.add_all("", &library_of(facts, files, config));
    for (shown, tag) in [
        (shows.pytorch, "pytorch"),
        (shows.tf, "tf"),
        (shows.jax, "jax"),
        (shows.tflite, "tflite"),
        (shows.coreml, "coreml"),
        (shows.onnx, "onnx"),
        (shows.openvino, "openvino"),
        (shows.tensorboard, "tensorboard"),
        (shows.safetensors, "safetensors"),
        (shows.gguf, "gguf"),
        (shows.joblib, "joblib"),
        (shows.keras, "keras"),
    ] {
        if shown {
            tags.add(tag);
        }
    }
    if let Some(model_type) = config.and_then(|c| c.get("model_type")).and_then(Value::as_str) {
        tags.add(model_type);
    }
    tags.add_all("", &pipeline_tag_of(facts, files, config));
    tags.add_all("", &facts.tags);
    if config.is_some_and(|c| c.get("auto_map").is_some()) {
        tags.add("custom_code");
    }
    tags.add_all("", &facts.language);
    tags.add_all("dataset:", &facts.datasets);
    tags.add_all("arxiv:", &papers_in(&card.body));
    tags.add_all("base_model:", &facts.base_model);
    if !facts.base_model.is_empty() {
        let relation = match facts.base_model_relation.as_deref() {
            Some(relation @ ("finetune" | "adapter" | "merge" | "quantized")) => relation,
            _ if shows.adapter => "adapter",
            _ if shows.gguf || config.is_some_and(|c| c.get("quantization_config").is_some()) => "quantized",
            _ if facts.base_model.len() > 1 => "merge",
            _ => "finetune",
        };
        tags.add_all(&format!("base_model:{relation}:"), &facts.base_model);
    }
    tags.add_all("license:", &facts.license);
    if facts.model_index.as_ref().and_then(Value::as_array).is_some_and(|m| !m.is_empty()) {
        tags.add("model-index");
    }
}

/// Endings of data files: format and modality.
const DATA_FILES: &[(&str, &str, &str)] = &[
    ("parquet", "parquet", ""),
    ("csv", "csv", "tabular"),
    ("tsv", "csv", "tabular"),
    ("jsonl", "json", ""),
    ("ndjson", "json", ""),
    ("json", "json", ""),
    ("arrow", "arrow", ""),
    ("tar", "webdataset", ""),
    ("txt", "text", "text"),
    ("jpg", "imagefolder", "image"),
    ("jpeg", "imagefolder", "image"),
    ("png", "imagefolder", "image"),
    ("gif", "imagefolder", "image"),
    ("webp", "imagefolder", "image"),
    ("tif", "imagefolder", "image"),
    ("tiff", "imagefolder", "image"),
    ("bmp", "imagefolder", "image"),
    ("wav", "audiofolder", "audio"),
    ("mp3", "audiofolder", "audio"),
    ("flac", "audiofolder", "audio"),
    ("ogg", "audiofolder", "audio"),
    ("opus", "audiofolder", "audio"),
    ("mp4", "videofolder", "video"),
    ("webm", "videofolder", "video"),
    ("mkv", "videofolder", "video"),
    ("mov", "videofolder", "video"),
    ("pdf", "pdffolder", "document"),
    ("glb", "", "3d"),
    ("ply", "", "3d"),
    ("stl", "", "3d"),
    ("geojson", "", "geospatial"),
];

/// Modalities that tasks speak of.
const TASK_MODALITIES: &[(&str, &str)] = &[
    ("image", "image"),
    ("object-detection", "image"),
    ("depth", "image"),
    ("mask-generation", "image"),
    ("visual", "image"),
    ("audio", "audio"),
    ("speech", "audio"),
    ("voice", "audio"),
    ("video", "video"),
    ("tabular", "tabular"),
    ("time-series", "timeseries"),
    ("3d", "3d"),
    ("document", "document"),
    ("text", "text"),
    ("token", "text"),
    ("question-answering", "text"),
    ("translation", "text"),
    ("summarization", "text"),
    ("fill-mask", "text"),
    ("sentence", "text"),
    ("conversational", "text"),
    ("multiple-choice", "text"),
    ("zero-shot-classification", "text"),
    ("feature-extraction", "text"),
];

/// How often each format and modality occurs among the data files.
fn data_files<S: AsRef<str>>(files: &[S]) -> (Option<&'static str>, Vec<&'static str>) {
    let mut formats: Vec<(&'static str, usize)> = Vec::new();
    let mut modalities: Vec<&'static str> = Vec::new();
    for path in files.iter().map(AsRef::as_ref) {
        let name = name_of(path).to_ascii_lowercase();
        if name.starts_with('.')
            || matches!(
                name.as_str(),
                "readme.md"
                    | "dataset_infos.json"
                    | "dataset_dict.json"
                    | "dataset_info.json"
                    | "state.json"
                    | "license.txt"
                    | "requirements.txt"
            )
        {
            continue;
        }
        let name = [".gz", ".zst", ".bz2", ".xz", ".lz4"].iter().find_map(|z| name.strip_suffix(z)).unwrap_or(&name);
        let Some((_, end)) = name.rsplit_once('.') else { continue };
        let Some((_, format, modality)) = DATA_FILES.iter().find(|(e, ..)| *e == end) else { continue };
        if !format.is_empty() {
            match formats.iter_mut().find(|(f, _)| f == format) {
                Some((_, n)) => *n += 1,
                None => formats.push((format, 1)),
            }
        }
        if !modality.is_empty() && !modalities.contains(modality) {
            modalities.push(modality);
        }
    }
    // The most frequent; of equals the one met first.
    let mut best: Option<(&'static str, usize)> = None;
    for (format, n) in formats {
        if best.is_none_or(|(_, most)| n > most) {
            best = Some((format, n));
        }
    }
    (best.map(|(format, _)| format), modalities)
}

fn dataset_tags<S: AsRef<str>>(tags: &mut Tags, card: &Card, facts: &CardFacts, files: &[S]) {
    tags.add_all("task_categories:", &facts.task_categories);
    tags.add_all("task_ids:", &facts.task_ids);
    tags.add_all("annotations_creators:", &facts.annotations_creators);
    tags.add_all("language_creators:", &facts.language_creators);
    tags.add_all("multilinguality:", &facts.multilinguality);
    tags.add_all("source_datasets:", &facts.source_datasets);
    tags.add_all("language:", &facts.language);
    tags.add_all("license:", &facts.license);
    tags.add_all("size_categories:", &facts.size_categories);
    let (format, mut modalities) = data_files(files);
    if let Some(format) = format {
        tags.add(format!("format:{format}"));
    }
    for task in &facts.task_categories {
        for (_, modality) in TASK_MODALITIES.iter().filter(|(word, _)| task.contains(word)) {
            if !modalities.contains(modality) {
                modalities.push(modality);
            }
        }
    }
    modalities.sort_unstable();
    for modality in modalities {
        tags.add(format!("modality:{modality}"));
    }
    tags.add_all("arxiv:", &papers_in(&card.body));
    tags.add_all("", &facts.tags);
}
