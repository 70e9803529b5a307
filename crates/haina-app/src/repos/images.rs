//! GGUF files as images: what runners that speak the protocol of container registries (Ollama, llama.cpp) pull.
//!
//! Nothing is kept for it. The model layer is the file itself, by the SHA-256 that its pointer declares; the small layers
//! (configuration, template, parameters, licence, system prompt) are made from the file's header and from files at the root,
//! always with the same bytes, so that any server of this hub can make again what another one named by its digest.

use std::sync::Arc;

use haina_files::chat::dialect;
use haina_files::gguf::Gguf;
use haina_types::{Code, Error, FilePath, Oid, Result, Revision, Sha256};
use quick_cache::Weighter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256 as Hasher};

use crate::App;
use crate::gate::ContentAccess;
use crate::history::{Entry, EntryKind};

/// Most GGUF files of a repository that can be pulled.
const FILES_MAX: usize = 64;
/// Largest file at the root that becomes a layer.
const LAYER_BYTES_MAX: u64 = 256 << 10;
/// Bytes of small layers kept between requests.
pub(super) const CACHE_BYTES: u64 = 8 << 20;
/// Headers kept between requests.
pub(super) const HEADERS_KEPT: usize = 256;
/// What is taken when no quantization is asked for: small and good first.
const PREFERRED: [&str; 10] =
    ["Q4_K_M", "Q4_K_S", "Q4_0", "Q4_1", "Q5_K_M", "Q5_K_S", "Q6_K", "Q8_0", "IQ4_XS", "BF16"];
/// How licences are called at the root of a repository.
const LICENSES: [&str; 4] = ["LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE"];

/// The type of manifests.
pub const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";

/// A small layer, or a manifest.
#[derive(Debug, Clone)]
pub struct Made {
    /// Its bytes.
    pub bytes: Arc<[u8]>,
    /// Whether it is a manifest.
    pub is_manifest: bool,
}

/// Weighs small layers by their bytes.
#[derive(Clone)]
pub(super) struct ByLength;

impl Weighter<(i64, Sha256), Made> for ByLength {
    fn weight(&self, _key: &(i64, Sha256), made: &Made) -> u64 {
        64 + made.bytes.len() as u64
    }
}

/// What a tag names.
#[derive(Debug, Clone)]
pub struct Image {
    /// The manifest's bytes.
    pub manifest: Arc<[u8]>,
    /// Their digest.
    pub digest: Sha256,
    /// The GGUF file; the first one of a model in parts.
    pub file: Entry,
    /// The file that turns pictures into tokens, if the repository has one.
    pub projector: Option<Entry>,
}

/// What a digest names.
#[derive(Debug, Clone)]
pub enum Blob {
    /// A small layer, or a manifest.
    Made(Made),
    /// A file of the repository.
    File(Entry),
}

/// A GGUF file that can be pulled.
struct Candidate<'a> {
    entry: &'a Entry,
    /// The name without folder, ending, and number of a part; in capitals.
    stem: String,
    /// The quantization, if the name says one.
    label: Option<String>,
    in_parts: bool,
}

fn digest(bytes: &[u8]) -> Sha256 {
    Sha256(Hasher::digest(bytes).into())
}

/// Whether a word is the name of a quantization: `Q4_K_M`, `IQ2_XXS`, `BF16`, …
fn is_quantization(word: &str) -> bool {
    if ["F16", "F32", "FP16", "FP32", "BF16", "MXFP4", "NVFP4"].contains(&word) {
        return true;
    }
    let rest = word.strip_prefix("IQ").or_else(|| word.strip_prefix("TQ")).or_else(|| word.strip_prefix('Q'));
    rest.is_some_and(|rest| {
        let mut parts = rest.split('_');
        parts.next().is_some_and(|n| n.len() == 1 && n.bytes().all(|c| c.is_ascii_digit()))
            && parts.all(|p| !p.is_empty() && p.len() <= 4 && p.bytes().all(|c| c.is_ascii_alphanumeric()))
    })
}

/// The quantization that a name in capitals says, the last one if there are several.
fn quantization(stem: &str) -> Option<&str> {
    stem.rsplit(['-', '.', '/', ' ']).find_map(|token| {
        let starts = std::iter::once(0).chain(token.match_indices('_').map(|(at, _)| at + 1));
        starts.map(|at| &token[at..]).find(|word| is_quantization(word))
    })
}

/// Number and count of a part, and the name without them.
fn part(stem: &str) -> (&str, Option<u32>) {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|c| c.is_ascii_digit());
    let found = stem.rsplit_once("-OF-").filter(|(_, count)| digits(count)).and_then(|(rest, _)| {
        let (name, number) = rest.rsplit_once('-').filter(|(_, number)| digits(number))?;
        Some((name, number.parse().ok()?))
    });
    found.map_or((stem, None), |(name, number)| (name, Some(number)))
}

fn candidates(files: &[Entry]) -> Vec<Candidate<'_>> {
    let mut found = Vec::new();
    for entry in files.iter().filter(|e| e.kind == EntryKind::File && e.lfs.is_some() && e.xet.is_some()) {
        let path = entry.path.as_str().to_ascii_uppercase();
        let Some(path) = path.strip_suffix(".GGUF") else { continue };
        let (path, number) = part(path);
        let stem = path.rsplit('/').next().unwrap_or(path);
        let label = quantization(stem).or_else(|| quantization(path)).map(str::to_owned);
        let is_other = stem.contains("MMPROJ") || (label.is_none() && stem.contains("IMATRIX"));
        if is_other || number.is_some_and(|n| n != 1) {
            continue;
        }
        found.push(Candidate { entry, stem: stem.to_owned(), label, in_parts: number.is_some() });
        if found.len() == FILES_MAX {
            break;
        }
    }
    found
}

/// The file that goes with a model that sees.
fn projector(files: &[Entry]) -> Option<&Entry> {
    let all = files.iter().filter(|e| e.kind == EntryKind::File && e.lfs.is_some() && e.xet.is_some());
    let named = all.filter(|e| {
        let name = e.path.as_str().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        name.contains("mmproj") && name.ends_with(".gguf")
    });
    // Half precision if there is a choice: as good, and half as large.
    named.min_by_key(|e| {
        let label = quantization(&e.path.as_str().to_ascii_uppercase().replace(".GGUF", "")).map(str::to_owned);
        (!matches!(label.as_deref(), Some("F16" | "BF16" | "FP16")), e.path.clone())
    })
}

/// The file that a tag names.
fn choose<'a, 'b>(all: &'b [Candidate<'a>], tag: &str) -> Option<&'b Candidate<'a>> {
    let tag = tag.to_ascii_uppercase();
    if tag == "LATEST" {
        let preferred = PREFERRED.iter().find_map(|p| all.iter().find(|c| c.label.as_deref() == Some(p)));
        return preferred.or_else(|| all.first());
    }
    let name = tag.strip_suffix(".GGUF").unwrap_or(&tag);
    let (name, _) = part(name);
    let bounded = |stem: &str| {
        stem.match_indices(name).any(|(at, _)| {
            let edge = |c: Option<char>| c.is_none_or(|c| !c.is_ascii_alphanumeric());
            // The rest of a quantization's name would make it another one.
            let after = stem[at + name.len()..].chars().next();
            edge(stem[..at].chars().next_back()) && edge(after) && after != Some('_')
        })
    };
    all.iter()
        .find(|c| c.stem == name)
        .or_else(|| all.iter().find(|c| c.label.as_deref() == Some(name)))
        .or_else(|| all.iter().find(|c| bounded(&c.stem)))
}

/// A number of parameters as Ollama writes it: `134.52M`, `7B`.
fn human(count: u64) -> String {
    let short = |by: f64, digits: usize, unit: char| {
        let value = count as f64 / by;
        if value.fract() == 0.0 { format!("{value:.0}{unit}") } else { format!("{value:.digits$}{unit}") }
    };
    match count {
        1_000_000_000.. => short(1e9, 1, 'B'),
        1_000_000.. => short(1e6, 2, 'M'),
        1_000.. => short(1e3, 0, 'K'),
        _ => count.to_string(),
    }
}

fn layer(media_type: &str, digest: &Sha256, size: u64) -> Value {
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
}

impl App {
    async fn gguf_of(&self, access: &ContentAccess, entry: &Entry) -> Result<Arc<Gguf>> {
        let (Some(lfs), Some(xet)) = (&entry.lfs, &entry.xet) else {
            return Err(Error::internal("a candidate without content"));
        };
        let key = (access.repo().id, lfs.sha256);
        if let Some(known) = self.repos().headers.get(&key) {
            return Ok(known);
        }
        let read = |prefix: &[u8]| haina_files::gguf::header(prefix, Some(entry.size));
        let found = self.read_header(access, xet, entry.size, read).await?;
        let found = found.ok_or_else(|| Error::invalid(format!("\"{}\" is not a GGUF file.", entry.path)))?;
        let found = Arc::new(found);
        self.repos().headers.insert(key, found.clone());
        Ok(found)
    }

    async fn root_text(&self, access: &ContentAccess, commit: Oid, name: &str) -> Result<Option<String>> {
        let path: FilePath = name.parse().map_err(Error::internal)?;
        let bytes = self.read_small(access, commit, &path, LAYER_BYTES_MAX).await?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.trim().is_empty()))
    }

    fn keep_made(&self, repo: i64, bytes: Vec<u8>, is_manifest: bool) -> (Sha256, Arc<[u8]>) {
        let (digest, bytes) = (digest(&bytes), Arc::<[u8]>::from(bytes));
        self.repos().made.insert((repo, digest), Made { bytes: bytes.clone(), is_manifest });
        (digest, bytes)
    }

    /// The image that a tag names: a quantization, the name of a file, or `latest`.
    pub async fn image(&self, access: &ContentAccess, tag: &str) -> Result<(Image, bool)> {
        let commit = self.resolve_revision(access, &Revision::main()).await?;
        let files = self.list_files(access, commit).await?;
        let all = candidates(&files);
        let chosen = choose(&all, tag).ok_or_else(|| {
            let labels: std::collections::BTreeSet<&str> = all.iter().filter_map(|c| c.label.as_deref()).collect();
            let words = match (all.is_empty(), labels.is_empty()) {
                (true, _) => "This repository holds no GGUF files, which is what can be pulled.".to_owned(),
                (false, true) => {
                    format!("There is no GGUF file for the tag '{tag}': ask for latest, or for a file by name.")
                }
                (false, false) => {
                    let labels = labels.into_iter().collect::<Vec<_>>().join(", ");
                    format!("There is no GGUF file for the tag '{tag}'. There are: {labels}.")
                }
            };
            Error::new(Code::EntryNotFound, words)
        })?;
        let image = self.make_image(access, commit, chosen.entry, projector(&files)).await?;
        Ok((image, chosen.in_parts))
    }

    async fn make_image(
        &self,
        access: &ContentAccess,
        commit: Oid,
        file: &Entry,
        projector: Option<&Entry>,
    ) -> Result<Image> {
        let repo = access.repo().id;
        let gguf = self.gguf_of(access, file).await?;
        let mut layers = Vec::new();
        for (entry, kind) in [(Some(file), "model"), (projector, "projector")] {
            if let Some((lfs, entry)) = entry.and_then(|e| e.lfs.map(|lfs| (lfs, e))) {
                layers.push(layer(&format!("application/vnd.ollama.image.{kind}"), &lfs.sha256, entry.size));
            }
        }
        let mut add = |kind: &str, text: String| {
            let size = text.len() as u64;
            let (digest, _) = self.keep_made(repo, text.into_bytes(), false);
            layers.push(layer(&format!("application/vnd.ollama.image.{kind}"), &digest, size));
        };
        // What the repository says itself comes first; a template that nobody here can translate is left to the runner.
        let known = gguf.chat_template.as_deref().and_then(|jinja| dialect(jinja, gguf.eos_token.as_deref()));
        let template = self.root_text(access, commit, "template").await?;
        let has_own = template.is_some();
        if let Some(text) = template.or_else(|| known.map(|d| d.template.to_owned())) {
            add("template", text);
        }
        if let Some(text) = self.root_text(access, commit, "system").await? {
            add("system", text);
        }
        match self.root_text(access, commit, "params").await? {
            Some(text) => {
                let params: serde_json::Map<String, Value> = serde_json::from_str(&text).map_err(|e| {
                    Error::invalid(format!("The file \"params\" at the root must be a JSON object of parameters: {e}"))
                })?;
                add("params", Value::Object(params).to_string());
            }
            None if !has_own => {
                if let Some(dialect) = known {
                    add("params", json!({"stop": dialect.stop}).to_string());
                }
            }
            None => {}
        }
        let mut license = None;
        for name in LICENSES {
            license = self.root_text(access, commit, name).await?;
            if license.is_some() {
                break;
            }
        }
        if let Some(text) = license.or_else(|| gguf.license.clone()) {
            add("license", text);
        }
        let diffs: Vec<Value> = layers.iter().map(|l| l["digest"].clone()).collect();
        let family = gguf.architecture.clone().unwrap_or_default();
        let config = json!({
            "model_format": "gguf",
            "model_family": family,
            "model_families": [family],
            "model_type": human(gguf.total),
            "file_type": gguf.quantization.clone().unwrap_or_default(),
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diffs},
        });
        let config = config.to_string().into_bytes();
        let size = config.len() as u64;
        let (config, _) = self.keep_made(repo, config, false);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": layer(CONFIG_TYPE, &config, size),
            "layers": layers,
        });
        let (digest, manifest) = self.keep_made(repo, manifest.to_string().into_bytes(), true);
        Ok(Image { manifest, digest, file: file.clone(), projector: projector.cloned() })
    }

    /// What a digest names: a file of the main branch, or a small layer of one of its images.
    pub async fn image_blob(&self, access: &ContentAccess, digest: &Sha256) -> Result<Blob> {
        let commit = self.resolve_revision(access, &Revision::main()).await?;
        let files = self.list_files(access, commit).await?;
        let named = |e: &&Entry| e.xet.is_some() && e.lfs.is_some_and(|lfs| lfs.sha256 == *digest);
        if let Some(entry) = files.iter().find(named) {
            return Ok(Blob::File(entry.clone()));
        }
        let key = (access.repo().id, *digest);
        if let Some(made) = self.repos().made.get(&key) {
            return Ok(Blob::Made(made));
        }
        // Named by another server, or before a restart: it is made again.
        let projector = projector(&files);
        for candidate in candidates(&files) {
            match self.make_image(access, commit, candidate.entry, projector).await {
                Ok(_) => {}
                // A file that only has the name of one.
                Err(e) if e.code == Code::Invalid => continue,
                Err(e) => return Err(e),
            }
            if let Some(made) = self.repos().made.get(&key) {
                return Ok(Blob::Made(made));
            }
        }
        Err(Error::new(Code::EntryNotFound, format!("There is no layer sha256:{digest} here.")))
    }

    /// The tags that can be pulled.
    pub async fn image_tags(&self, access: &ContentAccess) -> Result<Vec<String>> {
        let commit = self.resolve_revision(access, &Revision::main()).await?;
        let files = self.list_files(access, commit).await?;
        let all = candidates(&files);
        let mut tags: std::collections::BTreeSet<String> = all.iter().filter_map(|c| c.label.clone()).collect();
        if !all.is_empty() {
            tags.insert("latest".to_owned());
        }
        Ok(tags.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use haina_types::XetHash;

    use super::*;
    use crate::history::Lfs;

    fn files(paths: &[&str]) -> Vec<Entry> {
        let entry = |path: &&str| Entry {
            path: path.parse().unwrap(),
            kind: EntryKind::File,
            oid: Oid::default(),
            size: 1,
            lfs: Some(Lfs { sha256: digest(path.as_bytes()), size: 1, pointer_size: 1 }),
            xet: Some(XetHash([1; 32])),
            last_commit: None,
        };
        paths.iter().map(entry).collect()
    }

    fn chosen(paths: &[&str], tag: &str) -> Option<String> {
        let files = files(paths);
        choose(&candidates(&files), tag).map(|c| c.entry.path.to_string())
    }

    #[test]
    fn tags_name_files() {
        let all = [
            "README.md",
            "m-IQ4_XS.gguf",
            "m-Q4_K_M.gguf",
            "m-Q4_K_S.gguf",
            "m.Q8_0.gguf",
            "m_f16.gguf",
            "mmproj-m-f16.gguf",
        ];
        for (tag, file) in [
            ("latest", Some("m-Q4_K_M.gguf")),
            ("Q4_K_M", Some("m-Q4_K_M.gguf")),
            ("q4_k_s", Some("m-Q4_K_S.gguf")),
            ("Q8_0", Some("m.Q8_0.gguf")),
            ("F16", Some("m_f16.gguf")),
            ("iq4_xs", Some("m-IQ4_XS.gguf")),
            ("m-Q4_K_M.gguf", Some("m-Q4_K_M.gguf")),
            ("M_F16", Some("m_f16.gguf")),
            ("Q4_K", None),
            ("Q4", None),
            ("4_K_M", None),
            ("mmproj-m-f16.gguf", None),
            ("", None),
            ("README", None),
        ] {
            assert_eq!(chosen(&all, tag).as_deref(), file, "{tag}");
        }
        assert_eq!(chosen(&["x.gguf"], "latest").as_deref(), Some("x.gguf"));
        assert_eq!(chosen(&["a-Q2_K.gguf", "a-Q8_0.gguf"], "latest").as_deref(), Some("a-Q8_0.gguf"));
        assert_eq!(
            chosen(
                &["UD-Q4_K_XL/m-UD-Q4_K_XL-00001-of-00002.gguf", "UD-Q4_K_XL/m-UD-Q4_K_XL-00002-of-00002.gguf"],
                "UD-Q4_K_XL"
            )
            .as_deref(),
            Some("UD-Q4_K_XL/m-UD-Q4_K_XL-00001-of-00002.gguf")
        );
        assert_eq!(chosen(&["Q6_K/m.gguf", "Q8_0/m.gguf"], "Q8_0").as_deref(), Some("Q8_0/m.gguf"));
        assert_eq!(chosen(&["imatrix.gguf", "m-imatrix-Q5_1.gguf"], "latest").as_deref(), Some("m-imatrix-Q5_1.gguf"));
        assert_eq!(chosen(&[], "latest"), None);
    }

    #[test]
    fn the_smaller_projector_is_taken() {
        let all = files(&["mmproj-F32.gguf", "mmproj-BF16.gguf", "m-Q4_0.gguf"]);
        assert_eq!(projector(&all).unwrap().path.as_str(), "mmproj-BF16.gguf");
        assert!(projector(&all[2..]).is_none());
    }

    #[test]
    fn numbers_as_ollama_writes_them() {
        for (n, text) in
            [(134_515_008, "134.52M"), (7_000_000_000, "7B"), (1_235_814_432, "1.2B"), (999, "999"), (25_000, "25K")]
        {
            assert_eq!(human(n), text);
        }
    }
}
