//! Repositories as JSON, in the shape that clients know.

use haina_app::history::Entry;
use haina_app::repos::evaluations::Evaluation;
use haina_app::repos::{Facts, Repo, RepoInfo, RepoSummary};
use haina_app::spaces::Stage;
use haina_types::{Error, Oid, RepoKind, Visibility};
use serde_json::{Map, Value, json};

use crate::error::Result;
use crate::request::Query;

const MODEL: &[&str] = &[
    "author",
    "baseModels",
    "cardData",
    "childrenModelCount",
    "config",
    "createdAt",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "evalResults",
    "gated",
    "gguf",
    "gitalyUid",
    "inference",
    "inferenceProviderMapping",
    "lastModified",
    "library_name",
    "likes",
    "mask_token",
    "model-index",
    "pipeline_tag",
    "private",
    "resourceGroup",
    "safetensors",
    "sha",
    "siblings",
    "spaces",
    "tags",
    "transformersInfo",
    "trendingScore",
    "usedStorage",
    "widgetData",
    "xetEnabled",
];
const DATASET: &[&str] = &[
    "author",
    "cardData",
    "citation",
    "createdAt",
    "description",
    "disabled",
    "downloads",
    "downloadsAllTime",
    "gated",
    "gitalyUid",
    "lastModified",
    "likes",
    "mainSize",
    "paperswithcode_id",
    "private",
    "resourceGroup",
    "sha",
    "siblings",
    "tags",
    "trendingScore",
    "usedStorage",
    "xetEnabled",
];
const SPACE: &[&str] = &[
    "author",
    "cardData",
    "createdAt",
    "datasets",
    "disabled",
    "gitalyUid",
    "lastModified",
    "likes",
    "models",
    "private",
    "region",
    "resourceGroup",
    "runtime",
    "sdk",
    "sha",
    "siblings",
    "subdomain",
    "tags",
    "trendingScore",
    "usedStorage",
    "xetEnabled",
];
const KERNEL: &[&str] =
    &["author", "createdAt", "downloads", "gated", "lastModified", "likes", "private", "sha", "siblings", "tags"];

fn allowed(kind: RepoKind) -> &'static [&'static str] {
    match kind {
        RepoKind::Model => MODEL,
        RepoKind::Dataset => DATASET,
        RepoKind::Space => SPACE,
        RepoKind::Kernel => KERNEL,
        // Described by its own route.
        RepoKind::Bucket => &[],
    }
}

/// Properties that are only given when asked for by name.
const ON_REQUEST: &[&str] = &[
    "baseModels",
    "childrenModelCount",
    "downloadsAllTime",
    "evalResults",
    "gitalyUid",
    "inference",
    "inferenceProviderMapping",
    "resourceGroup",
    "trendingScore",
    "xetEnabled",
    "mainSize",
];

/// Properties that lists leave out unless asked.
const FULL_ONLY: &[&str] = &[
    "author",
    "cardData",
    "config",
    "siblings",
    "sha",
    "gated",
    "disabled",
    "transformersInfo",
    "usedStorage",
    "safetensors",
    "gguf",
    "model-index",
    "widgetData",
    "spaces",
    "mask_token",
];

/// Which properties an answer has.
pub struct Shape {
    kind: RepoKind,
    /// Exactly these; the usual ones when `None`.
    expand: Option<Vec<String>>,
    /// Of the usual ones, these are left out.
    hidden: Vec<&'static str>,
}

impl Shape {
    /// All the usual properties, or those named by `expand`.
    pub fn from_query(kind: RepoKind, query: &Query) -> Result<Self> {
        let expand = query.all("expand");
        for (index, name) in expand.iter().enumerate() {
            if !allowed(kind).contains(&name.as_str()) {
                let options: Vec<String> = allowed(kind).iter().map(|a| format!("\"{a}\"")).collect();
                return Err(Error::invalid(format!(
                    "✖ Invalid option: expected one of {}\n  → at expand[{index}]",
                    options.join("|")
                ))
                .into());
            }
        }
        Ok(Self { kind, expand: (!expand.is_empty()).then_some(expand), hidden: Vec::new() })
    }

    /// The properties of lists: `full`, `cardData` and `config` add to the few usual ones.
    pub fn for_list(kind: RepoKind, query: &Query) -> Result<Self> {
        let mut shape = Self::from_query(kind, query)?;
        if !query.flag("full") {
            shape.hidden = FULL_ONLY.to_vec();
            // Data sets and spaces have always shown whose they are.
            if kind != RepoKind::Model {
                shape.hidden.retain(|p| !matches!(*p, "author" | "sha" | "gated" | "disabled"));
            }
            for name in ["cardData", "config"] {
                if query.flag(name) {
                    shape.hidden.retain(|p| *p != name);
                }
            }
        }
        Ok(shape)
    }

    /// Whether a property is in the answer.
    pub fn wants(&self, name: &str) -> bool {
        match &self.expand {
            Some(expand) => expand.iter().any(|e| e == name),
            None => allowed(self.kind).contains(&name) && !ON_REQUEST.contains(&name) && !self.hidden.contains(&name),
        }
    }
}

/// A file as `siblings` list it.
pub(crate) fn sibling(entry: &Entry, blobs: bool) -> Value {
    if !blobs {
        return json!({"rfilename": entry.path.as_str()});
    }
    let mut value = json!({"rfilename": entry.path.as_str(), "size": entry.size, "blobId": entry.oid});
    if let Some(lfs) = &entry.lfs {
        value["lfs"] = json!({"sha256": lfs.sha256, "size": lfs.size, "pointerSize": lfs.pointer_size});
    }
    value
}

/// A described repository.
pub fn info(info: &RepoInfo, shape: &Shape, blobs: bool) -> Value {
    let mut map = properties(&info.repo, info.commit, &info.facts, shape);
    if shape.wants("siblings") {
        let files = info.files.as_deref().map(Vec::as_slice).unwrap_or_default();
        map.insert("siblings".into(), files.iter().map(|f| sibling(f, blobs)).collect());
    }
    Value::Object(map)
}

/// A repository in a list; its files are given by the caller when wanted.
pub fn summary(summary: &RepoSummary, shape: &Shape, files: Option<&[Entry]>) -> Value {
    let mut map = properties(&summary.repo, summary.commit, &summary.facts, shape);
    if let Some(files) = files {
        map.insert("siblings".into(), files.iter().map(|f| sibling(f, false)).collect());
    }
    Value::Object(map)
}

/// What a model's files say of its evaluations. Nobody here verifies them, so none is called verified.
pub fn evaluations(all: &[Evaluation]) -> Value {
    let one = |e: &Evaluation| match &e.outcome {
        Ok(data) => {
            let data: Value = serde_json::from_str(data).unwrap_or_default();
            json!({"filename": e.filename, "verified": false, "data": data})
        }
        Err(error) => json!({"filename": e.filename, "error": error}),
    };
    all.iter().map(one).collect()
}

/// Whether a space runs, as clients read it. There is no machine under any of them.
pub fn runtime(stage: Stage) -> Value {
    let mut value = json!({
        "stage": stage.as_str(),
        "hardware": {"current": null, "requested": null},
        "storage": null,
        "gcTimeout": null,
        "devMode": false,
        "replicas": {"current": 0, "requested": 0},
    });
    if let Some(problem) = stage.problem() {
        value["errorMessage"] = json!(problem);
    }
    value
}

fn properties(repo: &Repo, commit: Option<Oid>, facts: &Facts, shape: &Shape) -> Map<String, Value> {
    let id = repo.path().to_string();
    let mut map = Map::new();
    map.insert("_id".into(), json!(repo.public_id));
    map.insert("id".into(), json!(id));
    if repo.kind == RepoKind::Model && shape.expand.is_none() {
        map.insert("modelId".into(), json!(id));
    }
    let card = facts.card.as_ref();
    let of_card = |key: &str| card.and_then(|c| c.get(key)).cloned();
    for name in allowed(repo.kind) {
        if !shape.wants(name) {
            continue;
        }
        let value = match *name {
            "author" => json!(repo.namespace.name),
            "sha" => match commit {
                Some(commit) => json!(commit),
                None => continue,
            },
            "lastModified" => json!(repo.updated_at.to_string()),
            "createdAt" => json!(repo.created_at.to_string()),
            "private" => json!(repo.visibility == Visibility::Private),
            "gated" => match &repo.gated {
                Some(mode) => json!(mode),
                None => json!(false),
            },
            "disabled" => json!(repo.disabled_reason.is_some()),
            "downloads" => json!(repo.downloads),
            "downloadsAllTime" => json!(repo.downloads_all),
            "likes" => json!(repo.likes),
            "trendingScore" => json!(repo.trending),
            "usedStorage" => json!(repo.used_bytes),
            "tags" => json!(facts.tags),
            "cardData" => match card {
                Some(card) => card.clone(),
                None => continue,
            },
            "library_name" => match &facts.library_name {
                Some(name) => json!(name),
                None => continue,
            },
            "pipeline_tag" => match &facts.pipeline_tag {
                Some(tag) => json!(tag),
                None => continue,
            },
            "config" => match &facts.config {
                Some(config) => config.clone(),
                None => continue,
            },
            "transformersInfo" => match facts.config.as_ref().and_then(|c| c.get("transformersInfo")) {
                Some(info) => info.clone(),
                None => continue,
            },
            "safetensors" => match &facts.safetensors {
                Some(counts) => counts.clone(),
                None => continue,
            },
            "gguf" => match &facts.gguf {
                Some(gguf) => gguf.clone(),
                None => continue,
            },
            "description" => match &facts.description {
                Some(text) => json!(text),
                None => continue,
            },
            "model-index" => of_card("model-index").unwrap_or(Value::Null),
            "widgetData" => of_card("widget").unwrap_or(Value::Null),
            "baseModels" => match of_card("base_model") {
                Some(base) => json!({"relation": of_card("base_model_relation"), "models": base}),
                None => continue,
            },
            "sdk" => match of_card("sdk") {
                Some(sdk) => sdk,
                None => continue,
            },
            "runtime" => runtime(Stage::of_card(card)),
            "datasets" | "models" => of_card(name).unwrap_or(json!([])),
            "spaces" => json!([]),
            "xetEnabled" => json!(true),
            // Known names without a value here: left out, as the hosted hub leaves out what it does not know.
            _ => continue,
        };
        map.insert((*name).to_owned(), value);
    }
    map
}
