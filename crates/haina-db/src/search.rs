//! Finding repositories by parts of their names, and by words.
//!
//! Both databases keep an index of terms: FTS5 on SQLite, `tsvector` with GIN on PostgreSQL. What a term is, is decided
//! in Rust, so that both find the same.

use crate::repos::Conditions;
use crate::sql::{Value, statements, values};
use crate::{Result, Session};

/// Most words that are kept of one repository.
pub const WORDS_MAX: usize = 20_000;
/// Characters of a term of a name.
const GRAM: usize = 3;

statements! {
    PUT_NAME = pair(
        "insert or replace into repo_name (rowid, grams)
         select r.id, (select group_concat(value, ' ') from json_each($2)) from repo r where r.id = $1",
        "insert into repo_name (repo_id, grams) values ($1, array_to_tsvector($2))
         on conflict (repo_id) do update set grams = excluded.grams"
    );
    FIND_SEARCH = point("select search from repo where id = $1");
    PUT_TEXT = pair(
        "insert or replace into repo_text (rowid, words)
         select r.id, (select group_concat(value, ' ') from json_each($2)) from repo r where r.id = $1",
        "insert into repo_text (repo_id, words) values ($1, array_to_tsvector($2))
         on conflict (repo_id) do update set words = excluded.words"
    );
    PUT_TEXT_STATE = point(
        "insert into repo_text_state (repo_id, version, words) values ($1, $2, $3)
         on conflict (repo_id) do update set version = excluded.version, words = excluded.words"
    );
    TEXT_VERSION = point("select version from repo_text_state where repo_id = $1");
    LIST_WITHOUT_TEXT = long(
        "select r.id from repo r left join repo_text_state t on t.repo_id = r.id
         where r.id > $1 and r.kind <> 'bucket' and (t.version is null or t.version <> $2) order by r.id limit $3"
    );
    LAST_REPO = point("select coalesce(max(id), 0) from repo");
    /// How many repositories a query finds, as far as counting is worth it.
    PROBE_NAME = pair(
        "select count(*) from (select 1 from repo_name where repo_name match $1 limit $2) x",
        "select count(*) from (select 1 from repo_name w where w.grams @@ $1::text::tsquery limit $2) x"
    );
    PROBE_TEXT = pair(
        "select count(*) from (select 1 from repo_text where repo_text match $1 limit $2) x",
        "select count(*) from (select 1 from repo_text w where w.words @@ $1::text::tsquery limit $2) x"
    );
}

/// One thing that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// This term.
    Whole(String),
    /// Any term that begins so.
    Prefix(String),
}

impl Term {
    /// Its letters, and whether it may go on; `None` if it has none.
    fn parts(&self) -> Option<(String, bool)> {
        let (text, prefix) = match self {
            Self::Whole(text) => (text, false),
            Self::Prefix(text) => (text, true),
        };
        // Terms have nothing else in them, and quotes would end them.
        let text: String = text.chars().filter(|c| c.is_alphanumeric() || "-_./".contains(*c)).collect();
        (!text.is_empty()).then_some((text, prefix))
    }
}

/// The words of a row as it keeps them: between spaces.
fn kept(words: &[&str]) -> String {
    let mut out = String::from(" ");
    for word in words {
        out.push_str(word);
        out.push(' ');
    }
    out
}

/// What the kept words of a row must contain to have all of these terms.
pub(crate) fn contained(terms: &[Term]) -> Vec<String> {
    let one = |(text, prefix): (String, bool)| if prefix { format!(" {text}") } else { format!(" {text} ") };
    terms.iter().filter_map(Term::parts).map(one).collect()
}

/// That a row `t` of `repo_text_state` on SQLite contains these.
pub(crate) fn contains<'a>(c: &mut Conditions<'a>, parts: &'a [String]) -> String {
    let all: Vec<String> = parts.iter().map(|part| format!("instr(t.words, {}) > 0", c.bind(part))).collect();
    if all.is_empty() { "true".to_owned() } else { all.join(" and ") }
}

/// A query in the language of the database: all of the terms; `None` if there are none.
pub(crate) fn expression(terms: &[Term], postgres: bool) -> Option<String> {
    let one = |term: &Term| {
        let (text, prefix) = term.parts()?;
        Some(match (postgres, prefix) {
            (true, false) => format!("'{text}'"),
            (true, true) => format!("'{text}':*"),
            (false, false) => format!("\"{text}\""),
            (false, true) => format!("\"{text}\"*"),
        })
    };
    let terms: Vec<String> = terms.iter().filter_map(one).collect();
    (!terms.is_empty()).then(|| terms.join(if postgres { " & " } else { " AND " }))
}

/// Whether names can contain it at all: they are ASCII letters, digits and a few signs.
pub(crate) fn occurs_in_names(part: &str) -> bool {
    part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
}

/// What a name must have that contains `part`, which is not empty and in lower case.
pub(crate) fn name_terms(part: &str) -> Vec<Term> {
    let chars: Vec<char> = part.chars().collect();
    if chars.len() < GRAM {
        return vec![Term::Prefix(part.to_owned())];
    }
    chars.windows(GRAM).map(|w| Term::Whole(w.iter().collect())).collect()
}

/// Every run of up to three characters, one beginning at each.
fn grams(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    (0..chars.len()).map(|i| chars[i..chars.len().min(i + GRAM)].iter().collect()).collect()
}

/// Makes a repository findable by its name, after it was made or renamed.
pub(crate) async fn put_name(s: &mut Session, repo: i64) -> Result<()> {
    let Some(row) = s.opt(&FIND_SEARCH, &values![repo]).await? else { return Ok(()) };
    let grams = grams(row.text(0)?);
    let grams: Vec<&str> = grams.iter().map(String::as_str).collect();
    s.exec(&PUT_NAME, &[repo.into(), Value::Texts(&grams)]).await.map(drop)
}

/// Makes a repository findable by words: letters and digits only, at most [`WORDS_MAX`]. `version` is that of the
/// rules by which they were made.
pub async fn put_text(s: &mut Session, repo: i64, words: &[&str], version: i64) -> Result<()> {
    let words = &words[..words.len().min(WORDS_MAX)];
    s.exec(&PUT_TEXT, &[repo.into(), Value::Texts(words)]).await?;
    s.exec(&PUT_TEXT_STATE, &values![repo, version, &kept(words)]).await.map(drop)
}

/// By which rules the words of a repository were made, if they were.
pub async fn text_version(s: &mut Session, repo: i64) -> Result<Option<i64>> {
    s.opt(&TEXT_VERSION, &values![repo]).await?.map(|r| r.int(0)).transpose()
}

/// Repositories above `after` whose words were not made by the rules of this version.
pub async fn list_without_text(s: &mut Session, after: i64, version: i64, limit: usize) -> Result<Vec<i64>> {
    s.rows(&LIST_WITHOUT_TEXT, &values![after, version, limit]).await?.iter().map(|r| r.int(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let terms = [Term::Whole("it's".into()), Term::Prefix("a\"\\模".into()), Term::Whole("'".into())];
        assert_eq!(expression(&terms, true).unwrap(), "'its' & 'a模':*");
        assert_eq!(expression(&terms, false).unwrap(), "\"its\" AND \"a模\"*");
        assert_eq!(expression(&[], true), None);
    }

    #[test]
    fn parts_of_names() {
        assert_eq!(grams("a/bc"), ["a/b", "/bc", "bc", "c"]);
        assert_eq!(name_terms("bc"), [Term::Prefix("bc".into())]);
        assert_eq!(name_terms("a/bc"), [Term::Whole("a/b".into()), Term::Whole("/bc".into())]);
        assert!(occurs_in_names("qwen-3.5/x_y") && !occurs_in_names("模型") && !occurs_in_names("a b"));
    }
}
