//! Collections: what people gather and put in order. Each is found by the 24 digits at the end of its slug, so that
//! its title may change; its items are found by what they are, so that they may be renamed.
//!
//! Items that a reader may not know are left out of every answer.

mod change;
mod items;
mod list;

pub use change::{CollectionChange, NewCollection};
pub use items::{ItemChange, NewItem};
pub use list::{CollectionQuery, CollectionSort, View, ViewItem, ViewTarget};

use haina_db::collections::Collection;
use haina_files::markdown::{RenderOptions, render};
use haina_types::{Code, Error, Result};

/// Most characters of a title.
pub const TITLE_CHARS_MAX: usize = 100;
/// Most characters of a description.
pub const DESCRIPTION_CHARS_MAX: usize = 150;
/// Most characters of an item's note.
pub const NOTE_CHARS_MAX: usize = 500;
/// Most items of one collection.
pub const ITEMS_MAX: u64 = 500;
/// Most collections of one owner.
pub const COLLECTIONS_MAX: u64 = 1000;
/// The names of the colours.
pub const THEMES: &[&str] = &["orange", "blue", "green", "purple", "pink", "indigo"];

/// Most characters of a title in a slug.
const SLUG_CHARS_MAX: usize = 80;

/// A title in an address: lower-case ASCII letters and digits, joined by single hyphens.
fn kebab(title: &str) -> String {
    let mut out = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() >= SLUG_CHARS_MAX {
            break;
        }
    }
    out.trim_end_matches('-').to_owned()
}

/// `owner/title-in-lower-case-0123456789abcdef01234567`, as it is now.
pub fn slug(collection: &Collection) -> String {
    let title = kebab(&collection.title);
    let hyphen = if title.is_empty() { "" } else { "-" };
    format!("{}/{title}{hyphen}{}", collection.owner.name, collection.public_id)
}

/// The digits at the end of a slug of any age, by which the collection is found.
pub fn id_of_slug(slug: &str) -> Result<&str> {
    let digits = |text: &&str| text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let id = slug.len().checked_sub(24).and_then(|at| slug.get(at..)).filter(digits);
    id.ok_or_else(crate::gate::collection_not_found)
}

/// A note as a page may show it: sanitized Markdown.
fn note_html(note: &str) -> Result<String> {
    let options = RenderOptions { link_base: "/".into(), image_base: "/".into(), id_prefix: "note-".into() };
    render(note, &options).map_err(|e| Error::invalid(format!("\"note\" cannot be shown: {e}")))
}

fn one_line(field: &str, text: &str, max: usize) -> Result<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("\"{field}\" is one line of 1 to {max} characters.")));
    }
    Ok(text.to_owned())
}

fn check_note(note: &str) -> Result<Option<(String, String)>> {
    let note = note.trim();
    if note.is_empty() {
        return Ok(None);
    }
    if note.chars().count() > NOTE_CHARS_MAX
        || note.chars().any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t')
    {
        return Err(Error::invalid(format!("\"note\" has at most {NOTE_CHARS_MAX} characters.")));
    }
    Ok(Some((note.to_owned(), note_html(note)?)))
}

/// The refusal of a title that the owner has already; its detail is the slug of the collection that has it.
fn title_taken(known: Option<&Collection>) -> Error {
    let e = Error::new(Code::Conflict, "You already have a collection with this title.");
    match known {
        Some(known) => e.with_detail(slug(known)),
        None => e,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_end_in_the_id() {
        assert_eq!(kebab("My cool stuff!  2 "), "my-cool-stuff-2");
        assert_eq!(kebab("科研模型"), "");
        assert_eq!(kebab("大 Model 集"), "model");
        assert!(kebab(&"a ".repeat(500)).len() <= SLUG_CHARS_MAX);
        let id = "0123456789abcdef01234567";
        assert_eq!(id_of_slug(&format!("old-title-{id}")).unwrap(), id);
        assert_eq!(id_of_slug(id).unwrap(), id);
        for bad in ["", "title", "0123456789abcdef0123456", "0123456789ABCDEF01234567", "é0123456789abcdef0123456"] {
            assert_eq!(id_of_slug(bad).unwrap_err().code, Code::NotFound, "{bad}");
        }
    }

    #[test]
    fn notes_are_harmless() {
        let (text, html) = check_note(" see [this](https://a.example) <script>alert(1)</script> ").unwrap().unwrap();
        assert!(text.starts_with("see ") && text.contains("<script>"));
        assert!(html.contains("href=\"https://a.example\"") && !html.contains("<script"), "{html}");
        assert_eq!(check_note("  ").unwrap(), None);
        assert!(check_note(&"x".repeat(NOTE_CHARS_MAX + 1)).is_err());
        assert!(check_note("a\u{0}").is_err());
    }
}
