//! What words texts are found by: English by its stems, Chinese, Japanese and Korean by pairs of characters.
//!
//! Pairs find every word of two characters wherever it stands (`模型` in `语言模型库`), without a dictionary that would
//! have to know it; words of more are found by all their pairs.

use std::collections::BTreeSet;

use haina_db::search::{Term, WORDS_MAX};
use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

/// The version of these rules: when it grows, all repositories are read again.
pub(crate) const VERSION: i64 = 3;
/// Longer runs of letters are no words.
const WORD_CHARS_MAX: usize = 64;

/// A run of characters of one sort.
#[derive(Debug, PartialEq, Eq)]
enum Run {
    /// Letters and digits, in lower case.
    Word(String),
    /// Of scripts that are written without spaces.
    Dense(Vec<char>),
}

fn is_dense(c: char) -> bool {
    matches!(u32::from(c),
        0x2E80..=0x2FDF | 0x3005..=0x3007 | 0x3040..=0x30FF | 0x3400..=0x4DBF | 0x4E00..=0x9FFF
        | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF)
}

fn runs(text: &str) -> Vec<Run> {
    let mut out = Vec::new();
    let (mut word, mut dense) = (String::new(), Vec::new());
    let mut end = |word: &mut String, dense: &mut Vec<char>| {
        if !word.is_empty() {
            let word = std::mem::take(word);
            if word.chars().count() <= WORD_CHARS_MAX {
                out.push(Run::Word(word));
            }
        }
        if !dense.is_empty() {
            out.push(Run::Dense(std::mem::take(dense)));
        }
    };
    for c in text.nfkc().flat_map(char::to_lowercase) {
        if is_dense(c) {
            if !word.is_empty() {
                end(&mut word, &mut dense);
            }
            dense.push(c);
        } else if c.is_alphanumeric() {
            if !dense.is_empty() {
                end(&mut word, &mut dense);
            }
            word.push(c);
        } else {
            end(&mut word, &mut dense);
        }
    }
    end(&mut word, &mut dense);
    out
}

fn stem(word: &str) -> String {
    if word.bytes().all(|b| b.is_ascii_lowercase()) {
        Stemmer::create(Algorithm::English).stem(word).into_owned()
    } else {
        word.to_owned()
    }
}

/// The letters and the digits of a word that has both, each by itself: `qwen3` is also `qwen` and `3`.
fn pieces(word: &str) -> impl Iterator<Item = &str> {
    let mixed = word.bytes().any(|b| b.is_ascii_digit()) && !word.bytes().all(|b| b.is_ascii_digit());
    let mut rest = if mixed { word } else { "" };
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = rest.find(|c: char| c.is_ascii_digit() != first.is_ascii_digit()).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// The words of texts, each once, the first of them if there are too many.
pub(crate) fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for run in texts.into_iter().flat_map(runs) {
        if words.len() >= WORDS_MAX {
            break;
        }
        match run {
            Run::Word(word) => {
                words.extend(pieces(&word).map(stem));
                words.insert(stem(&word));
            }
            Run::Dense(chars) => {
                words.extend(chars.windows(2).map(|pair| pair.iter().collect::<String>()));
                words.extend(chars.last().map(char::to_string));
            }
        }
    }
    words
}

/// What a text must have that a person looks for with these words. The last one may be unfinished.
pub(crate) fn query(text: &str) -> Vec<Term> {
    let runs = runs(text);
    let last = runs.len().saturating_sub(1);
    let finished = text.ends_with(char::is_whitespace);
    let mut terms = Vec::new();
    for (i, run) in runs.into_iter().enumerate() {
        match run {
            Run::Word(word) if i == last && !finished => terms.push(Term::Prefix(stem(&word))),
            Run::Word(word) => terms.push(Term::Whole(stem(&word))),
            Run::Dense(chars) if chars.len() == 1 => terms.push(Term::Prefix(chars[0].to_string())),
            Run::Dense(chars) => terms.extend(chars.windows(2).map(|pair| Term::Whole(pair.iter().collect()))),
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        of([text]).into_iter().collect()
    }

    /// Whether somebody who looks for `query` finds `text`.
    fn finds(q: &str, text: &str) -> bool {
        let words = of([text]);
        query(q).iter().all(|term| match term {
            Term::Whole(t) => words.contains(t),
            Term::Prefix(t) => words.iter().any(|w| w.starts_with(t)),
        })
    }

    #[test]
    fn english_by_stems() {
        assert!(finds("models ", "A language model"));
        assert!(finds("training", "We trained it"));
        assert!(finds("TRANSLATE texts", "translating a Text"));
        assert!(!finds("model ", "modular"));
        // As one types.
        assert!(finds("languag", "languages") && finds("lang", "languages") && !finds("lang ", "languages"));
    }

    #[test]
    fn chinese_by_pairs() {
        for q in ["模型", "语言", "言模", "语言模型", "库", "模"] {
            assert!(finds(q, "中文语言模型库。"), "{q}");
        }
        assert!(!finds("型模", "中文语言模型库"));
        assert!(!finds("语模", "语言 模型"));
        assert!(finds("qwen 模型", "Qwen3模型"));
        assert!(finds("ＧＰＴ", "gpt"), "full width");
        assert!(finds("한국", "한국어") && finds("カード", "モデルカード"));
    }

    #[test]
    fn names_in_pieces() {
        assert_eq!(words("Qwen3-8B"), ["3", "8", "8b", "b", "qwen", "qwen3"]);
        assert!(finds("qwen3 ", "Qwen3-8B") && finds("qwen 8b", "Qwen3-8B"));
    }

    #[test]
    fn no_words() {
        assert_eq!(words("… --- ' \" * \u{0} "), [""; 0]);
        assert_eq!(words(&"x".repeat(65)), [""; 0]);
        assert_eq!(query("'\"*"), []);
    }
}
