//! The rules of the house that a compiler does not hold: layers, licences, limits, languages, documents.
//!
//! Each test reads the tree, collects every finding, and shows them all. A rule that gets in the way is changed here,
//! with its reason, in the same commit as what needed it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Longest source file. Past this a file is more than one room.
const LINES_MAX: usize = 1000;

/// What each crate may see of the others. `haina-test` is not listed: it may be a dev-dependency of any of them.
const MAY_SEE: &[(&str, &[&str])] = &[
    ("haina-types", &[]),
    ("haina-db", &["haina-types"]),
    ("haina-cas", &["haina-types"]),
    ("haina-git", &["haina-types"]),
    ("haina-files", &["haina-types"]),
    ("haina-net", &[]),
    ("haina-app", &["haina-types", "haina-db", "haina-cas", "haina-git", "haina-files", "haina-net"]),
    ("haina-api", &["haina-types", "haina-app"]),
    ("haina-web", &["haina-types", "haina-app"]),
    ("haina-ssh", &["haina-types", "haina-app"]),
    (
        "haina",
        &[
            "haina-types",
            "haina-db",
            "haina-cas",
            "haina-git",
            "haina-files",
            "haina-app",
            "haina-api",
            "haina-web",
            "haina-ssh",
        ],
    ),
    ("haina-test", &["haina-types"]),
];

const HTTP: &[&str] = &["http", "http-body", "hyper", "hyper-util", "axum", "tower-http", "utoipa", "utoipa-axum"];
const SQL: &[&str] = &["rusqlite", "tokio-postgres", "deadpool-postgres", "postgres-types", "sqlx"];
const TEMPLATES: &[&str] = &["askama", "fluent-bundle"];
const RUNTIME: &[&str] = &["tokio", "futures-util", "tracing-subscriber"];

/// What each crate knows nothing of.
const KNOWS_NOTHING_OF: &[(&str, &[&[&str]])] = &[
    ("haina-types", &[HTTP, SQL, TEMPLATES, RUNTIME]),
    ("haina-db", &[HTTP, TEMPLATES, &["object_store"]]),
    ("haina-cas", &[HTTP, SQL, TEMPLATES]),
    ("haina-git", &[HTTP, SQL, TEMPLATES, RUNTIME]),
    ("haina-files", &[HTTP, SQL, TEMPLATES, RUNTIME]),
    ("haina-net", &[SQL, TEMPLATES]),
    ("haina-app", &[HTTP, SQL, TEMPLATES]),
    ("haina-api", &[SQL, TEMPLATES]),
    ("haina-web", &[SQL]),
    ("haina-ssh", &[HTTP, SQL, TEMPLATES]),
];

/// Licences whose terms an Apache-2.0 binary can meet.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("because the crate lies in the tree")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn output(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).current_dir(root()).output().expect("because the program is installed");
    assert!(out.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("because the output is text")
}

fn metadata(extra: &[&str]) -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let args = [&["metadata", "--format-version", "1", "--locked"], extra].concat();
    serde_json::from_str(&output(&cargo, &args)).expect("because cargo writes JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

/// Files that git tracks, as paths relative to the root, which still exist.
fn tracked() -> Vec<String> {
    output("git", &["ls-files"]).lines().map(str::to_owned).filter(|f| root().join(f).is_file()).collect()
}

/// Rust files below `crates/NAME/src` of the tracked ones.
fn sources() -> Vec<(String, String)> {
    let rust = |f: &String| f.starts_with("crates/") && f.contains("/src/") && f.ends_with(".rs");
    tracked().into_iter().filter(rust).map(|f| (f.clone(), read(&root().join(&f)))).collect()
}

fn none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

#[test]
fn crates_see_only_what_lies_below_them() {
    let metadata = metadata(&["--no-deps"]);
    let mut findings = Vec::new();
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        let Some((_, allowed)) = MAY_SEE.iter().find(|(n, _)| *n == name) else {
            findings.push(format!("{name} has no place in the house yet: give it one in tidy.rs and ARCHITECTURE.md"));
            continue;
        };
        let refused = KNOWS_NOTHING_OF.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, groups)| *groups);
        for dependency in list(package, "dependencies") {
            let (to, kind) = (text(dependency, "name"), text(dependency, "kind"));
            if to == "haina-test" {
                if kind != "dev" {
                    findings.push(format!("{name} may use haina-test in its tests only"));
                }
            } else if to == "haina" || to.starts_with("haina-") {
                if !allowed.contains(&to) {
                    findings.push(format!("{name} must not see {to}"));
                }
            } else if kind != "dev" && refused.iter().any(|group| group.contains(&to)) {
                findings.push(format!("{name} must know nothing of {to}"));
            }
        }
    }
    none("layers", &findings);
}

#[test]
fn every_crate_says_what_it_is() {
    let metadata = metadata(&["--no-deps"]);
    let mut findings = Vec::new();
    for package in list(&metadata, "packages") {
        let name = text(package, "name");
        if text(package, "license") != "Apache-2.0" {
            findings.push(format!("{name}: licence is not Apache-2.0"));
        }
        if text(package, "description").len() < 10 {
            findings.push(format!("{name}: no description"));
        }
        let manifest = read(Path::new(text(package, "manifest_path")));
        let lints = manifest.split_once("[lints]").map_or("", |(_, rest)| rest.trim_start());
        if !lints.starts_with("workspace = true") {
            findings.push(format!("{name}: no `[lints] workspace = true`"));
        }
    }
    none("manifests", &findings);
}

/// Whether an SPDX expression can be met from the allowed licences alone. `A/B` is the old spelling of `A OR B`.
fn acceptable(expression: &str) -> bool {
    fn any(tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> bool {
        let mut ok = all(tokens);
        while tokens.peek().is_some_and(|t| t == "OR") {
            tokens.next();
            ok |= all(tokens);
        }
        ok
    }
    fn all(tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> bool {
        let mut ok = one(tokens);
        while tokens.peek().is_some_and(|t| t == "AND") {
            tokens.next();
            ok &= one(tokens);
        }
        ok
    }
    fn one(tokens: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> bool {
        match tokens.next() {
            Some(t) if t == "(" => {
                let ok = any(tokens);
                tokens.next();
                ok
            }
            Some(mut t) => {
                if tokens.peek().is_some_and(|w| w == "WITH") {
                    tokens.next();
                    t = format!("{t} WITH {}", tokens.next().unwrap_or_default());
                }
                LICENCES.contains(&t.as_str())
            }
            None => false,
        }
    }
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let tokens: Vec<String> = spaced.split_whitespace().map(str::to_owned).collect();
    any(&mut tokens.into_iter().peekable())
}

#[test]
fn licences_of_dependencies_are_compatible() {
    assert!(acceptable("MIT OR GPL-3.0") && acceptable("(MIT OR GPL-2.0) AND ISC") && acceptable("GPL-2.0/MIT"));
    assert!(!acceptable("GPL-3.0") && !acceptable("MIT AND AGPL-3.0") && !acceptable(""));
    let metadata = metadata(&[]);
    let findings: Vec<String> = list(&metadata, "packages")
        .iter()
        .filter(|p| !acceptable(text(p, "license")))
        .map(|p| format!("{} {}: {:?}", text(p, "name"), text(p, "version"), p["license"]))
        .collect();
    none("licences", &findings);
}

#[test]
fn every_module_says_what_it_is() {
    let mut findings = Vec::new();
    for (file, content) in sources() {
        if !content.trim_start().starts_with("//!") {
            findings.push(format!("{file} does not begin with module documentation (//!)"));
        }
    }
    none("module documentation", &findings);
}

#[test]
fn files_are_of_one_idea() {
    let mut findings = Vec::new();
    for file in tracked().iter().filter(|f| f.ends_with(".rs") || f.ends_with(".py")) {
        let lines = read(&root().join(file)).lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{file}: {lines} lines, at most {LINES_MAX}"));
        }
    }
    none("length", &findings);
}

#[test]
fn nothing_is_left_to_do_in_code() {
    let marks = [concat!("to", "do!("), concat!("db", "g!("), concat!("unimple", "mented!(")];
    let mut findings = Vec::new();
    for file in tracked().iter().filter(|f| f.ends_with(".rs")) {
        for (n, line) in read(&root().join(file)).lines().enumerate() {
            if marks.iter().any(|m| line.contains(m)) {
                findings.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none("left to do", &findings);
}

/// String literals that begin like a statement, in lower or upper case: a sentence begins with one capital.
fn has_sql(line: &str) -> bool {
    line.split('"').skip(1).any(|literal| {
        let literal = literal.trim_start();
        let folded = literal.to_ascii_lowercase();
        let then = |verb: &str, word: &str| {
            (literal.starts_with(verb) || literal.starts_with(&verb.to_uppercase())) && folded.contains(word)
        };
        then("select ", " from ")
            || then("insert into ", "")
            || then("insert or ", " into ")
            || then("delete from ", "")
            || then("update ", " set ")
            || then("create table ", "")
            || then("create index ", "")
    })
}

#[test]
fn sql_stays_in_its_room() {
    assert!(has_sql(r#"run("select id from repo where x = $1")"#) && has_sql(r#"" INSERT INTO a values (1)""#));
    assert!(!has_sql(r#"label("Select a file from the list")"#));
    let mut findings = Vec::new();
    for (file, content) in sources() {
        if file.starts_with("crates/haina-db/") || file.starts_with("crates/haina-test/") {
            continue;
        }
        for (n, line) in content.lines().enumerate() {
            if !line.trim_start().starts_with("//") && has_sql(line) {
                findings.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none("SQL outside haina-db", &findings);
}

#[test]
fn the_application_knows_no_status_codes() {
    let mut findings = Vec::new();
    for (file, content) in sources() {
        if file.starts_with("crates/haina-app/") {
            for (n, line) in content.lines().enumerate().filter(|(_, l)| l.contains("StatusCode")) {
                findings.push(format!("{file}:{}: {}", n + 1, line.trim()));
            }
        }
    }
    none("status codes in haina-app", &findings);
}

/// Messages of a Fluent file: key (attributes as `key.attribute`) and the variables that it uses.
fn messages(file: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut message, mut key) = (String::new(), String::new());
    for line in read(file).lines() {
        if line.starts_with('#') {
            continue;
        }
        let head = line.split_once('=').map_or("", |(head, _)| head.trim_end());
        let is_name = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if is_name(head) || head.strip_prefix('-').is_some_and(is_name) {
            message = head.to_owned();
            key = message.clone();
            assert!(out.insert(key.clone(), BTreeSet::new()).is_none(), "{}: {key} is there twice", file.display());
        } else if let Some(attribute) = head.trim_start().strip_prefix('.').filter(|a| is_name(a)) {
            key = format!("{message}.{attribute}");
            out.insert(key.clone(), BTreeSet::new());
        }
        for part in line.split('$').skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect();
            out.entry(key.clone()).or_default().insert(name);
        }
    }
    out
}

#[test]
fn every_message_exists_in_every_language() {
    let folder = root().join("crates/haina-web/messages");
    let languages = ["zh-Hans", "zh-Hant", "en"];
    let catalogues = languages.map(|l| messages(&folder.join(format!("{l}.ftl"))));
    let keys: BTreeSet<&String> = catalogues.iter().flat_map(BTreeMap::keys).collect();
    assert!(!keys.is_empty(), "no messages at all");
    let mut findings = Vec::new();
    for key in keys {
        let have: Vec<_> = catalogues.iter().map(|c| c.get(key)).collect();
        for (language, variables) in languages.iter().zip(&have) {
            match variables {
                None => findings.push(format!("{key} is missing in {language}")),
                Some(v) if have.iter().flatten().any(|other| other != v) => {
                    findings.push(format!("{key} in {language} uses the variables {v:?}, another language others"));
                }
                Some(_) => {}
            }
        }
    }
    none("messages", &findings);
}

#[test]
fn decisions_are_numbered() {
    let mut numbers = Vec::new();
    let mut findings = Vec::new();
    for entry in std::fs::read_dir(root().join("docs/decisions")).expect("because decisions are written down") {
        let name = entry.expect("because the folder can be read").file_name().to_string_lossy().into_owned();
        match name.split_once('-').map(|(number, rest)| (number.len(), number.parse::<u32>(), rest)) {
            Some((4, Ok(number), rest)) if rest.ends_with(".md") => numbers.push(number),
            _ if name == "README.md" => {}
            _ => findings.push(format!("docs/decisions/{name} is not named NNNN-title.md")),
        }
    }
    numbers.sort_unstable();
    for (expected, number) in (1..).zip(&numbers) {
        if expected != *number {
            findings.push(format!("decision {expected:04} is missing or there twice"));
            break;
        }
    }
    none("decisions", &findings);
}

#[test]
fn the_documents_are_there() {
    let mut findings = Vec::new();
    for file in ["README.md", "ARCHITECTURE.md", "COMPATIBILITY.md", "CHANGELOG.md", "LICENSE"] {
        if !root().join(file).is_file() {
            findings.push(format!("{file} is missing"));
        }
    }
    if root().join("README.md").is_file() && !read(&root().join("README.md")).contains("./test") {
        findings.push("README.md does not name the test command, ./test".into());
    }
    none("documents", &findings);
}

#[test]
fn the_tree_names_no_place_but_its_own() {
    // Split, so that this file does not find itself.
    let words = [
        concat!("/wo", "rk/"),
        concat!("arti", "factory"),
        concat!("index.crates", ".io"),
        concat!("static.crates", ".io"),
        concat!("py", "pi.org"),
        concat!("files.python", "hosted.org"),
        concat!("registry.npm", "js.org"),
        concat!("deb.debian", ".org"),
        concat!("issue ", "#"),
    ];
    let mut findings = Vec::new();
    for file in tracked() {
        let Ok(content) = std::fs::read_to_string(root().join(&file)) else { continue };
        for (n, line) in content.lines().enumerate() {
            if let Some(word) = words.iter().find(|w| line.to_lowercase().contains(*w)) {
                findings.push(format!("{file}:{}: {word}", n + 1));
            }
        }
    }
    none("words that mean nothing elsewhere", &findings);
}
