//! Lists of identifiers that cards use: licences, tasks (pipeline tags), libraries.

use std::collections::HashMap;
use std::sync::LazyLock;

/// An identifier and what people call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// As in cards and tags.
    pub id: &'static str,
    /// For people; for pipeline tags the group they belong to (`nlp`, `cv`, `audio`, `multimodal`, …).
    pub label: &'static str,
}

/// A list in its order, with a look-up.
#[derive(Debug)]
pub struct KnownList {
    items: Vec<Known>,
    by_id: HashMap<&'static str, usize>,
}

impl KnownList {
    fn read(table: &'static str) -> Self {
        let items: Vec<Known> =
            table.lines().filter_map(|line| line.split_once('\t')).map(|(id, label)| Known { id, label }).collect();
        let by_id = items.iter().enumerate().map(|(i, k)| (k.id, i)).collect();
        Self { items, by_id }
    }

    /// All, in order.
    pub fn all(&self) -> &[Known] {
        &self.items
    }

    /// The one of this id.
    pub fn get(&self, id: &str) -> Option<Known> {
        self.by_id.get(id).map(|i| self.items[*i])
    }

    /// Whether it is listed.
    pub fn has(&self, id: &str) -> bool {
        self.by_id.contains_key(id)
    }

    /// `[a, b, c]`, as messages list choices.
    pub fn choices(&self) -> String {
        format!("[{}]", self.items.iter().map(|k| k.id).collect::<Vec<_>>().join(", "))
    }
}

/// Licence ids that a card may name.
pub static LICENSES: LazyLock<KnownList> = LazyLock::new(|| KnownList::read(include_str!("../data/licenses.tsv")));
/// Tasks.
pub static PIPELINES: LazyLock<KnownList> = LazyLock::new(|| KnownList::read(include_str!("../data/pipelines.tsv")));
/// Libraries.
pub static LIBRARIES: LazyLock<KnownList> = LazyLock::new(|| KnownList::read(include_str!("../data/libraries.tsv")));

/// How large datasets call themselves.
pub const SIZE_CATEGORIES: [&str; 11] = [
    "n<1K",
    "1K<n<10K",
    "10K<n<100K",
    "100K<n<1M",
    "1M<n<10M",
    "10M<n<100M",
    "100M<n<1B",
    "1B<n<10B",
    "10B<n<100B",
    "100B<n<1T",
    "n>1T",
];

/// Whether a text has the form of a language in cards: two or three lower-case letters (ISO 639), or a special
/// value.
pub fn is_language(text: &str) -> bool {
    matches!(text, "code" | "multilingual" | "other")
        || ((2..=3).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase()))
}
