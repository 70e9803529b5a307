//! Tags by type, as clients offer them for choice.

use haina_db::repos;
use haina_files::known::{KnownList, LIBRARIES, LICENSES, PIPELINES, SIZE_CATEGORIES};
use haina_types::{RepoKind, Result};

use crate::App;

/// Most tags of a type that are read off repositories.
const USED_MAX: usize = 1000;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// As filters take it.
    pub id: String,
    /// For people.
    pub label: String,
}

/// Tags of one type.
#[derive(Debug, Clone)]
pub struct TagGroup {
    /// `pipeline_tag`, `library`, `license`, …
    pub name: &'static str,
    /// The best known first.
    pub tags: Vec<Tag>,
}

fn known(list: &KnownList, prefix: &str, label_is_group: bool) -> Vec<Tag> {
    let label = |k: &haina_files::known::Known| {
        // Tasks have no label of their own: their name in words.
        if label_is_group { k.id.replace('-', " ") } else { k.label.to_owned() }
    };
    list.all().iter().map(|k| Tag { id: format!("{prefix}{}", k.id), label: label(k) }).collect()
}

impl App {
    /// Tags by type: those of the known lists, and those that public repositories of the kind use.
    pub async fn tags_by_type(&self, kind: RepoKind) -> Result<Vec<TagGroup>> {
        let mut s = self.db().read().await?;
        let mut used = Vec::new();
        let prefixes: &[(&'static str, &str)] = match kind {
            RepoKind::Dataset => &[("language", "language:"), ("modality", "modality:"), ("format", "format:")],
            _ => &[("dataset", "dataset:"), ("base_model", "base_model:")],
        };
        for (name, prefix) in prefixes {
            let found = repos::count_tagged(&mut s, kind, prefix, USED_MAX).await?;
            let tag = |(id, _): (String, u64)| Tag { label: id[prefix.len()..].to_owned(), id };
            used.push(TagGroup { name, tags: found.into_iter().map(tag).collect() });
        }
        let mut groups = match kind {
            RepoKind::Dataset => vec![
                TagGroup { name: "task_categories", tags: known(&PIPELINES, "task_categories:", true) },
                TagGroup {
                    name: "size_categories",
                    tags: SIZE_CATEGORIES
                        .iter()
                        .map(|c| Tag { id: format!("size_categories:{c}"), label: (*c).to_owned() })
                        .collect(),
                },
            ],
            _ => vec![
                TagGroup { name: "pipeline_tag", tags: known(&PIPELINES, "", true) },
                TagGroup { name: "library", tags: known(&LIBRARIES, "", false) },
            ],
        };
        groups.push(TagGroup { name: "license", tags: known(&LICENSES, "license:", false) });
        groups.extend(used);
        Ok(groups)
    }
}
