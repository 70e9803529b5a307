//! `.gitignore`: which paths git would not add.

use crate::pattern::{COST_MAX, Pattern, RULES_MAX, relative};

/// The rules of one or more `.gitignore` files of a tree.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    /// Folder and rules of each file.
    files: Vec<(Vec<u8>, Vec<Pattern>)>,
    cost: usize,
}

/// Without the spaces at the end, unless they are escaped.
fn trim_spaces(line: &[u8]) -> &[u8] {
    let mut end = line.len();
    let mut spaces: Option<usize> = None;
    let mut i = 0;
    while i < line.len() {
        match line[i] {
            b' ' => _ = spaces.get_or_insert(i),
            b'\\' => {
                i += 1;
                if i == line.len() {
                    return line;
                }
                spaces = None;
            }
            _ => spaces = None,
        }
        i += 1;
    }
    if let Some(at) = spaces {
        end = at;
    }
    &line[..end]
}

impl Ignore {
    /// The rules of the root's file.
    pub fn parse(text: &str) -> Self {
        let mut ignore = Self::default();
        ignore.push("", text);
        ignore
    }

    /// Adds the file of a folder (empty: the root). Rules of deeper folders win over those of their parents.
    pub fn push(&mut self, folder: &str, text: &str) {
        let mut rules = Vec::new();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line).as_bytes();
            // git reads lines as C strings.
            let line = line.split(|c| *c == 0).next().unwrap_or_default();
            let line = trim_spaces(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let rule = Pattern::parse(line);
            self.cost += rule.cost();
            if self.cost > COST_MAX || rules.len() == RULES_MAX {
                break;
            }
            rules.push(rule);
        }
        let folder = folder.as_bytes().to_vec();
        let at = self.files.partition_point(|(f, _)| f.len() <= folder.len());
        self.files.insert(at, (folder, rules));
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(|(_, rules)| rules.is_empty())
    }

    /// What the last matching rule says of this path itself.
    fn verdict(&self, path: &[u8], is_folder: bool) -> Option<bool> {
        self.files.iter().rev().find_map(|(folder, rules)| {
            let path = relative(path, folder)?;
            rules.iter().rev().find(|rule| rule.matches(path, is_folder)).map(|rule| !rule.negative)
        })
    }

    /// Whether a file is ignored, by itself or because it is in a folder that is.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.is_ignored_bytes(path.as_bytes())
    }

    /// As [`Ignore::is_ignored`], for any path.
    pub fn is_ignored_bytes(&self, path: &[u8]) -> bool {
        // What is below an ignored folder cannot be re-included.
        let folders = path.iter().enumerate().filter(|(_, c)| **c == b'/').map(|(i, _)| &path[..i]);
        for folder in folders {
            if self.verdict(folder, true) == Some(true) {
                return true;
            }
        }
        self.verdict(path, false) == Some(true)
    }
}
