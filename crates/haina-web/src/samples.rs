//! Every page with sample data in every language, and what must hold for all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use crate::locale::Locale;
use crate::messages::catalogue;
use crate::*;

mod pages;
mod things;

use pages::pages;
use things::*;

/// A tag with its attributes, as our own templates write them: lower case, values in double quotes or none.
struct Tag {
    name: String,
    attributes: BTreeMap<String, String>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

const VOID: [&str; 6] = ["meta", "link", "input", "br", "img", "wbr"];
/// Elements of SVG that close themselves.
const SELF_CLOSING: [&str; 2] = ["path", "rect"];

/// Opening tags in order; panics where elements do not nest or an attribute is not quoted.
fn parse(name: &str, html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut open: Vec<String> = Vec::new();
    let mut rest = html.strip_prefix("<!doctype html>").unwrap_or_else(|| panic!("{name}: no doctype"));
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "{name}: stray '>' before {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').unwrap_or_else(|| panic!("{name}: tag does not end"));
        let inner = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(closing) = inner.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closing), "{name}: </{closing}> closes something else");
            continue;
        }
        let (inner, closed) = inner.strip_suffix('/').map_or((inner, false), |i| (i, true));
        let (tag, mut attributes) = inner.split_once([' ', '\n']).unwrap_or((inner, ""));
        let mut found = BTreeMap::new();
        loop {
            attributes = attributes.trim_start();
            if attributes.is_empty() {
                break;
            }
            let stop = attributes.find(['=', ' ']).unwrap_or(attributes.len());
            let key = attributes[..stop].to_owned();
            let value = match attributes[stop..].strip_prefix("=\"") {
                Some(quoted) => {
                    let close = quoted.find('"').unwrap_or_else(|| panic!("{name}: quote of {key} is open"));
                    attributes = &quoted[close + 1..];
                    quoted[..close].to_owned()
                }
                None => {
                    assert!(!attributes[stop..].starts_with('='), "{name}: {key} has no quotes");
                    attributes = &attributes[stop..];
                    String::new()
                }
            };
            assert!(found.insert(key.clone(), value).is_none(), "{name}: {key} twice in <{tag}>");
        }
        let is_open = !VOID.contains(&tag) && (!closed || !SELF_CLOSING.contains(&tag));
        if is_open {
            open.push(tag.to_owned());
        }
        tags.push(Tag { name: tag.to_owned(), attributes: found });
    }
    assert!(open.is_empty(), "{name}: never closed: {open:?}");
    tags
}

fn each_page(check: impl Fn(Locale, &str, &str, &[Tag])) {
    for locale in Locale::ALL {
        for (name, html) in pages(locale) {
            let name = format!("{name} ({})", locale.tag());
            check(locale, &name, &html, &parse(&name, &html));
        }
    }
}

#[test]
fn every_word_is_there() {
    each_page(|locale, name, html, tags| {
        assert!(
            !html.contains('⟦'),
            "{name}: missing message {:?}",
            html.split('⟦').nth(1).map(|s| &s[..s.len().min(60)])
        );
        assert!(!html.contains("{$") && !html.contains("{ $"), "{name}: argument not given");
        assert!(!html.contains("/assets/missing"), "{name}: missing asset");
        assert_eq!(tags.iter().find(|t| t.name == "html").and_then(|t| t.get("lang")), Some(locale.tag()), "{name}");
        let title = html.split("<title>").nth(1).and_then(|t| t.split("</title>").next()).unwrap();
        let site = words(locale).t("site-name");
        assert!(title.contains(&site) && title.len() > site.len(), "{name}: title {title:?}");
    });
}

#[test]
fn nothing_needs_an_inline_style_or_script() {
    each_page(|_, name, html, tags| {
        for tag in tags {
            for key in tag.attributes.keys() {
                assert!(key != "style" && !key.starts_with("on"), "{name}: <{} {key}>", tag.name);
            }
            assert!(tag.name != "style", "{name}: <style>");
            if tag.name == "script" {
                assert_eq!(tag.get("type"), Some("module"), "{name}");
                assert!(tag.get("src").is_some_and(|s| s.starts_with("/assets/copy.")), "{name}");
            }
            for key in ["src", "href", "action", "formaction"] {
                if let Some(value) = tag.get(key) {
                    assert!(value.starts_with('/') || value.starts_with('#'), "{name}: {key} leads away: {value}");
                    assert!(!value.starts_with("//"), "{name}: {value}");
                }
            }
        }
        assert!(!html.contains("<script>alert"), "{name}: text was not escaped");
        let bodies: Vec<_> = html.split("<script").skip(1).map(|s| s.split_once('>').unwrap().1).collect();
        assert!(bodies.iter().all(|b| b.starts_with("</script>")), "{name}: script with a body");
    });
}

#[test]
fn only_what_the_application_sanitized_is_not_escaped() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut found = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        found.extend(
            text.split("{{")
                .skip(1)
                .map(|e| e.split("}}").next().unwrap())
                .filter(|e| e.contains('|'))
                .map(str::to_owned),
        );
        assert!(!text.contains("{% filter") && !text.contains("escape=\"none\""));
    }
    found.sort();
    assert_eq!(found, [" card|safe ", " comment.html|safe ", " note|safe "]);
}

#[test]
fn pages_are_built_for_every_reader() {
    each_page(|_, name, html, tags| {
        let count = |what: &str| tags.iter().filter(|t| t.name == what).count();
        assert_eq!(count("h1"), 1, "{name}: headings");
        assert_eq!(count("main"), 1, "{name}: main");
        let filled = tags.iter().filter(|t| t.get("class").is_some_and(|c| c.split(' ').eq(["btn", "main"]))).count();
        assert!(filled <= 1, "{name}: {filled} primary buttons");

        let mut ids = BTreeSet::new();
        for tag in tags {
            if let Some(id) = tag.get("id") {
                assert!(ids.insert(id), "{name}: id {id} twice");
            }
        }
        for tag in tags {
            if let Some(id) = tag.get("href").and_then(|h| h.strip_prefix('#')) {
                assert!(ids.contains(id) || !name.starts_with("login"), "{name}: #{id} leads nowhere");
            }
            for key in ["for", "aria-labelledby"] {
                if let Some(id) = tag.get(key) {
                    assert!(ids.contains(id), "{name}: {key}={id} names nothing");
                }
            }
            for id in tag.get("aria-describedby").unwrap_or("").split_whitespace() {
                assert!(ids.contains(id), "{name}: aria-describedby={id} names nothing");
            }
            if tag.name == "img" {
                assert!(tag.get("alt").is_some(), "{name}: image without alt");
            }
            if tag.name == "nav" {
                assert!(tag.get("aria-label").is_some(), "{name}: nav without a name");
            }
            if tag.get("tabindex") == Some("0") && tag.name != "pre" {
                assert!(tag.get("role").is_some() && tag.get("aria-label").is_some(), "{name}: nameless stop");
            }
        }
        let labelled: BTreeSet<_> = tags.iter().filter_map(|t| t.get("for")).collect();
        for tag in tags.iter().filter(|t| matches!(t.name.as_str(), "input" | "select" | "textarea")) {
            let kind = tag.get("type").unwrap_or("");
            if !matches!(kind, "hidden" | "radio") {
                assert!(tag.get("id").is_some_and(|id| labelled.contains(id)), "{name}: field without label");
            }
        }
        if !name.starts_with("fault") {
            assert!(tags.iter().any(|t| t.get("class") == Some("skip")), "{name}: skip link");
            assert!(count("header") >= 1 && count("footer") == 1, "{name}: landmarks");
        }
        // Every form that changes something carries the token.
        for form in html.split("<form").skip(1) {
            let form = form.split("</form>").next().unwrap();
            if form.contains("method=\"post\"") {
                assert!(form.contains("name=\"csrf\" value=\"0123456789abcdef"), "{name}: form without token");
            }
        }
    });
}

#[test]
fn pages_are_light() {
    let gzip = |bytes: &[u8]| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap().len()
    };
    each_page(|_, name, html, tags| {
        assert!(gzip(html.as_bytes()) <= 12 * 1024, "{name}: {} bytes of gzip", gzip(html.as_bytes()));
        if !name.starts_with("blob-") {
            assert!(tags.len() <= 1500, "{name}: {} elements", tags.len());
        }
    });
    assert!(gzip(include_bytes!("../assets/haina.css")) <= 12 * 1024);
    assert!(gzip(include_bytes!("../assets/copy.js")) <= 1024);
}

/// Keys of a catalogue with the arguments that each uses.
fn keys(locale: Locale) -> BTreeMap<String, BTreeSet<String>> {
    let resource = fluent_bundle::FluentResource::try_new(catalogue(locale).to_owned())
        .unwrap_or_else(|(_, e)| panic!("{}: {e:?}", locale.tag()));
    drop(resource);
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in catalogue(locale).lines().filter(|l| !l.starts_with('#')) {
        if let Some((key, _)) = line.split_once(" =").filter(|_| !line.starts_with([' ', '}'])) {
            current = key.to_owned();
            assert!(found.insert(current.clone(), BTreeSet::new()).is_none(), "{}: {current} twice", locale.tag());
        }
        let args = line.split('$').skip(1).map(|a| a.chars().take_while(char::is_ascii_lowercase).collect());
        found.entry(current.clone()).or_default().extend(args);
    }
    found.remove("");
    found
}

#[test]
fn catalogues_say_the_same_things() {
    let english = keys(Locale::En);
    for locale in [Locale::ZhHans, Locale::ZhHant] {
        let other = keys(locale);
        assert!(english.keys().eq(other.keys()), "{}", locale.tag());
        for (key, args) in &english {
            assert_eq!(args, &other[key], "{} {key}", locale.tag());
        }
    }
}

#[test]
fn catalogues_hold_no_dead_words() {
    let mut sources = String::new();
    for folder in ["src", "templates"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        for file in files.filter(|file| file.is_file()) {
            sources += &std::fs::read_to_string(file).unwrap();
        }
    }
    for key in keys(Locale::En).keys() {
        let dynamic = ["task-", "language-", "error-", "did-", "facet-"].iter().any(|p| key.starts_with(p));
        let by_kind =
            ["models", "datasets", "spaces", "kernels", "model", "dataset", "space", "kernel"].contains(&key.as_str());
        assert!(dynamic || by_kind || sources.contains(&format!("\"{key}\"")), "{key} is never used");
    }
}

#[test]
fn words_are_those_of_the_glossary() {
    // Words that belong to the other script's region, or that the glossary rules out.
    for (locale, banned) in [
        (
            Locale::ZhHant,
            &[
                "数",
                "仓",
                "数据",
                "數據",
                "軟件",
                "默認",
                "文件夾",
                "用戶",
                "令牌",
                "登錄",
                "鏈接",
                "搜索",
                "服務器",
                "倉庫",
                "賬",
            ][..],
        ),
        (Locale::ZhHans, &["請", "檔案", "資料", "儲存", "權杖", "拉取", "您", "糟糕", "！"][..]),
    ] {
        for line in catalogue(locale).lines().filter(|l| !l.starts_with('#')) {
            for word in banned {
                assert!(!line.contains(word), "{}: {word} in {line}", locale.tag());
            }
        }
    }
    for line in catalogue(Locale::En).lines().filter(|l| !l.starts_with('#')) {
        for word in ["!", "Oops", "log in", "Log in", "lease", "can't", "don't"] {
            assert!(!line.contains(word), "en: {word} in {line}");
        }
    }
}

#[test]
fn numbers_of_colours_are_readable() {
    let css = include_str!("../assets/haina.css");
    let blocks: Vec<&str> = css.split("{color-scheme:").skip(1).map(|b| b.split('}').next().unwrap()).collect();
    assert_eq!(blocks.len(), 3, "light, dark by system, dark by choice");
    assert_eq!(
        blocks[1].split(';').map(str::trim).collect::<Vec<_>>(),
        blocks[2].split(';').map(str::trim).collect::<Vec<_>>(),
        "both darks are one",
    );
    for block in &blocks[..2] {
        let tokens: BTreeMap<&str, f64> = block
            .split(';')
            .filter_map(|d| d.trim().split_once(':'))
            .filter_map(|(name, hex)| Some((name.strip_prefix("--")?, luminance(hex.trim()))))
            .collect();
        let contrast = |a: &str, b: &str| {
            let (a, b) = (tokens[a].max(tokens[b]), tokens[a].min(tokens[b]));
            (a + 0.05) / (b + 0.05)
        };
        let mut pairs = vec![("on-fill", "fill", 4.5)];
        for ground in ["bg", "surface", "sunken"] {
            pairs.extend(["ink", "ink-2", "ink-3", "link"].map(|t| (t, ground, 4.5)));
            pairs.extend(["edge", "focus"].map(|t| (t, ground, 3.0)));
        }
        for state in ["ok", "warn", "bad", "info"] {
            let tint =
                ["ok-tint", "warn-tint", "bad-tint", "info-tint"].into_iter().find(|t| t.starts_with(state)).unwrap();
            pairs.extend([(state, tint, 4.5), ("ink", tint, 4.5), ("link", tint, 4.5), (state, "surface", 4.5)]);
        }
        for (text, ground, least) in pairs {
            let found = contrast(text, ground);
            assert!(found >= least, "{text} on {ground}: {found:.2}");
        }
    }
}

/// Relative luminance of `#rrggbb` (WCAG 2.2).
fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let v = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

/// Writes every page to `$HAINA_PAGES`, to be looked at.
#[test]
fn write_pages_when_asked() {
    let Some(folder) = std::env::var_os("HAINA_PAGES").map(std::path::PathBuf::from) else { return };
    for locale in Locale::ALL {
        let folder = folder.join(locale.tag());
        std::fs::create_dir_all(&folder).unwrap();
        for (name, html) in pages(locale) {
            let html = html.replace(assets::url("haina.css"), "../haina.css");
            std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
        }
    }
    std::fs::write(folder.join("haina.css"), include_str!("../assets/haina.css")).unwrap();
}
