//! `.gitattributes`: which paths belong in LFS.

use std::collections::HashMap;

use haina_types::RepoKind;

use crate::pattern::{COST_MAX, Pattern, RULES_MAX, relative};

/// The `.gitattributes` of a fresh repository, whatever its kind.
pub const DEFAULT_GITATTRIBUTES: &str = include_str!("../data/gitattributes");

/// What a fresh dataset has in addition.
const DATASET_GITATTRIBUTES: &str = include_str!("../data/gitattributes-dataset");

/// The `.gitattributes` of a fresh repository of a kind.
pub fn default_gitattributes(kind: RepoKind) -> String {
    let more = if kind == RepoKind::Dataset { DATASET_GITATTRIBUTES } else { "" };
    format!("{DEFAULT_GITATTRIBUTES}{more}")
}

/// git ignores longer lines.
const LINE_BYTES_MAX: usize = 2048;

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Set,
    Unset,
    /// `!name`: as if no rule had matched.
    Unspecified,
    Value(Vec<u8>),
}

type States = Vec<(Vec<u8>, State)>;
/// Of one file, in its order.
type Rules = Vec<(Pattern, States)>;

/// The rules of one or more `.gitattributes` files of a tree.
#[derive(Debug, Clone)]
pub struct Attributes {
    /// Folder and rules of each file.
    files: Vec<(Vec<u8>, Rules)>,
    macros: HashMap<Vec<u8>, States>,
    cost: usize,
}

impl Default for Attributes {
    fn default() -> Self {
        let unset = |name: &str| (name.as_bytes().to_vec(), State::Unset);
        let binary = vec![unset("diff"), unset("merge"), unset("text")];
        Self { files: Vec::new(), macros: HashMap::from([(b"binary".to_vec(), binary)]), cost: 0 }
    }
}

fn is_blank(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name[0] != b'-'
        && name.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|c| is_blank(*c)).unwrap_or(text.len()))
}

fn skip_blank(text: &[u8]) -> &[u8] {
    &text[text.iter().position(|c| !is_blank(*c)).unwrap_or(text.len())..]
}

/// A C-style quoted text, and what follows it; `None` if it is not well quoted.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut i = 1;
    loop {
        match *text.get(i)? {
            b'"' => return Some((out, &text[i + 1..])),
            b'\\' => {
                i += 1;
                let c = *text.get(i)?;
                out.push(match c {
                    b'a' => 7,
                    b'b' => 8,
                    b'f' => 12,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 11,
                    b'\\' | b'"' => c,
                    b'0'..=b'3' => {
                        let digits = text.get(i..i + 3)?;
                        if !digits.iter().all(|d| (b'0'..=b'7').contains(d)) {
                            return None;
                        }
                        i += 2;
                        digits.iter().fold(0u8, |n, d| n << 3 | (d - b'0'))
                    }
                    _ => return None,
                });
            }
            c => out.push(c),
        }
        i += 1;
    }
}

/// The states of a line; `None` if one has an impossible name, which voids the line.
fn parse_states(mut text: &[u8]) -> Option<States> {
    let mut states = Vec::new();
    loop {
        text = skip_blank(text);
        if text.is_empty() {
            return Some(states);
        }
        let (item, rest) = word(text);
        text = rest;
        let equals = item.iter().position(|c| *c == b'=');
        let name = &item[..equals.unwrap_or(item.len())];
        let (name, state) = match name.first() {
            Some(b'-') => (&name[1..], State::Unset),
            Some(b'!') => (&name[1..], State::Unspecified),
            _ => (name, equals.map_or(State::Set, |e| State::Value(item[e + 1..].to_vec()))),
        };
        if !is_name(name) || name.starts_with(b"builtin_") {
            return None;
        }
        states.push((name.to_vec(), state));
    }
}

impl Attributes {
    /// The rules of the root's file.
    pub fn parse(text: &str) -> Self {
        let mut attributes = Self::default();
        attributes.push("", text);
        attributes
    }

    /// Adds the file of a folder (empty: the root). Rules of deeper folders win over those of their parents; only
    /// the root's may define macros.
    pub fn push(&mut self, folder: &str, text: &str) {
        let mut rules = Vec::new();
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).split('\n') {
            let line = line.as_bytes().split(|c| *c == 0).next().unwrap_or_default();
            if line.len() >= LINE_BYTES_MAX {
                continue;
            }
            let line = skip_blank(line);
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let quoted = if line[0] == b'"' { unquote(line) } else { None };
            let (name, rest) = quoted.unwrap_or_else(|| {
                let (name, rest) = word(line);
                (name.to_vec(), rest)
            });
            if let Some(start) = name.strip_prefix(b"[attr]")
                && !start.is_empty()
            {
                if let (true, true, Some(states)) = (folder.is_empty(), is_name(start), parse_states(rest)) {
                    self.macros.insert(start.to_vec(), states);
                }
                continue;
            }
            let pattern = Pattern::parse(&name);
            // git forbids negative patterns here.
            let (false, Some(states)) = (pattern.negative, parse_states(rest)) else { continue };
            self.cost += pattern.cost();
            if self.cost > COST_MAX || rules.len() == RULES_MAX {
                break;
            }
            rules.push((pattern, states));
        }
        let folder = folder.as_bytes().to_vec();
        let at = self.files.partition_point(|(f, _)| f.len() <= folder.len());
        self.files.insert(at, (folder, rules));
    }

    /// Whether a file belongs in LFS: its `filter` attribute is `lfs`.
    pub fn is_lfs(&self, path: &str) -> bool {
        self.is_lfs_bytes(path.as_bytes())
    }

    /// As [`Attributes::is_lfs`], for any path.
    pub fn is_lfs_bytes(&self, path: &[u8]) -> bool {
        matches!(self.state(path, b"filter"), Some(State::Value(value)) if value == b"lfs")
    }

    /// The last word on an attribute of a file.
    fn state(&self, path: &[u8], attribute: &[u8]) -> Option<&State> {
        // As git: from the last rule to the first, whatever is said first of an attribute stays, and a macro
        // that becomes set says at once what it stands for.
        let mut known: HashMap<&[u8], &State> = HashMap::new();
        for (folder, rules) in self.files.iter().rev() {
            let Some(path) = relative(path, folder) else { continue };
            for (pattern, states) in rules.iter().rev() {
                if states.is_empty() || !pattern.matches(path, false) {
                    continue;
                }
                let mut work: Vec<&(Vec<u8>, State)> = states.iter().collect();
                while let Some((name, state)) = work.pop() {
                    if known.contains_key(name.as_slice()) {
                        continue;
                    }
                    known.insert(name, state);
                    if *state == State::Set
                        && let Some(more) = self.macros.get(name)
                    {
                        work.extend(more);
                    }
                }
                if let Some(state) = known.get(attribute) {
                    return Some(state);
                }
            }
        }
        None
    }
}
