//! Markdown to sanitized HTML.
//!
//! Three steps: comrak renders, raw HTML included; [`balance`] makes of it well-formed HTML of bounded size and
//! depth, so that no document can make the third step slow; ammonia keeps what is on the allow-list and parses
//! as browsers do. Only ammonia is trusted to make the result safe.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// Larger documents are not rendered.
pub const MARKDOWN_BYTES_MAX: usize = 1 << 20;
/// Larger results are not sanitized.
const HTML_BYTES_MAX: usize = 8 << 20;
/// Elements beyond this number are left out; their text stays.
const ELEMENTS_MAX: usize = 100_000;
/// Elements nested deeper are left out; their text stays.
const DEPTH_MAX: usize = 100;
/// Formatting elements (`b`, `a`, …) open at once. Parsers of HTML repeat them in every block.
const FORMATTING_MAX: usize = 16;
/// Deepest quotes.
const QUOTES_MAX: usize = 100;
/// How often the parser is asked to go on: each time stands for 256 lines, inlines or nodes.
const PARSER_STEPS_MAX: usize = 40_000;

/// Where a document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderOptions {
    /// The folder of the document's links, with a trailing slash: `/ns/name/blob/main/docs/`.
    pub link_base: String,
    /// The folder of its pictures, with a trailing slash: `/ns/name/resolve/main/docs/`.
    pub image_base: String,
    /// Put before every id, so that no id can be one of the page's own. Not empty.
    pub id_prefix: String,
}

impl Default for RenderOptions {
    /// Relative links stay relative; ids begin with `user-content-`.
    fn default() -> Self {
        Self { link_base: String::new(), image_base: String::new(), id_prefix: "user-content-".into() }
    }
}

/// Why a document is not rendered. Pages show its text instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MarkdownError {
    /// Above [`MARKDOWN_BYTES_MAX`].
    #[error("the document is larger than {MARKDOWN_BYTES_MAX} bytes")]
    TooLarge,
    /// It would take too long, or give too much.
    #[error("the document is too complex")]
    TooComplex,
}

/// Renders a document (without front matter).
pub fn render(markdown: &str, options: &RenderOptions) -> Result<String, MarkdownError> {
    if markdown.len() > MARKDOWN_BYTES_MAX {
        return Err(MarkdownError::TooLarge);
    }
    if markdown.lines().any(is_deep) {
        return Err(MarkdownError::TooComplex);
    }
    let mut comrak = comrak::Options::default();
    comrak.extension.strikethrough = true;
    comrak.extension.table = true;
    comrak.extension.autolink = true;
    comrak.extension.tasklist = true;
    comrak.extension.footnotes = true;
    comrak.extension.alerts = true;
    comrak.extension.cjk_friendly_emphasis = true;
    // The prefix is added to all ids at once, those of raw HTML too.
    comrak.extension.header_id_prefix = Some(String::new());
    comrak.render.r#unsafe = true;
    comrak.render.tasklist_classes = true;

    let arena = comrak::Arena::new();
    let steps = std::cell::Cell::new(0);
    let stop = || {
        steps.set(steps.get() + 1);
        steps.get() > PARSER_STEPS_MAX
    };
    let root = comrak::try_parse_document(&arena, markdown, &comrak, &stop).map_err(|_| MarkdownError::TooComplex)?;
    let mut html = Limited(String::with_capacity(markdown.len() * 2));
    comrak::format_html(root, &comrak, &mut html).map_err(|_| MarkdownError::TooComplex)?;
    Ok(sanitize(&balance(&html.0), options))
}

/// Whether a line begins more quotes than any reader could follow; each costs the parser on every line.
fn is_deep(line: &str) -> bool {
    let marks = |c: &u8| matches!(c, b'>' | b' ' | b'\t' | b'-' | b'*' | b'+' | b'.' | b')' | b'0'..=b'9');
    line.bytes().take_while(marks).filter(|c| *c == b'>').count() > QUOTES_MAX
}

/// A text that refuses to grow without bounds.
struct Limited(String);

impl std::fmt::Write for Limited {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        if self.0.len() + s.len() > HTML_BYTES_MAX {
            return Err(std::fmt::Error);
        }
        self.0.push_str(s);
        Ok(())
    }
}

/// Elements that may stay. `input` is a checkbox of a task list, whatever it says of itself.
const TAGS: &[&str] = &[
    "a",
    "abbr",
    "audio",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "picture",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
];

const VOID: &[&str] = &["br", "col", "hr", "img", "input", "wbr"];

/// Elements whose content is not HTML, or not for readers; left out with all they hold.
const OPAQUE: &[&str] = &[
    "script",
    "style",
    "textarea",
    "title",
    "iframe",
    "noscript",
    "xmp",
    "noembed",
    "noframes",
    "plaintext",
    "template",
    "svg",
    "math",
    "object",
    "select",
    "head",
];

/// The elements that parsers reopen in every block until they are closed.
const FORMATTING: &[&str] = &["a", "b", "code", "em", "i", "s", "small", "strike", "strong", "tt", "u"];

/// Elements that end a paragraph by beginning.
const BLOCKS: &[&str] = &[
    "blockquote",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
];

const ATTRIBUTES: &[&str] = &[
    "align",
    "alt",
    "aria-hidden",
    "aria-label",
    "checked",
    "class",
    "colspan",
    "controls",
    "datetime",
    "dir",
    "disabled",
    "height",
    "href",
    "id",
    "lang",
    "loop",
    "muted",
    "name",
    "open",
    "reversed",
    "rowspan",
    "scope",
    "span",
    "src",
    "start",
    "title",
    "type",
    "value",
    "width",
];

/// Finds `needle` (lower-case ASCII) without regard to case.
fn find_folded(text: &str, from: usize, needle: &str) -> Option<usize> {
    let (hay, needle) = (text.as_bytes(), needle.as_bytes());
    (from..(hay.len() + 1).saturating_sub(needle.len()))
        .find(|at| hay[*at..*at + needle.len()].eq_ignore_ascii_case(needle))
}

/// Whether `</name` that stands at `at` really ends there.
fn is_boundary(text: &str, at: usize) -> bool {
    text.as_bytes().get(at).is_none_or(|c| matches!(c, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'>'))
}

/// A start or end tag as it stands in a text.
struct Tag<'a> {
    name: String,
    end: bool,
    attributes: Vec<(String, &'a str)>,
    /// Where the text goes on.
    after: usize,
}

/// Reads the tag at `at` as browsers do; `None` if it is none, or never ends.
fn read_tag(text: &str, at: usize) -> Option<Tag<'_>> {
    let bytes = text.as_bytes();
    let end = bytes.get(at + 1) == Some(&b'/');
    let mut i = at + 1 + usize::from(end);
    if !bytes.get(i)?.is_ascii_alphabetic() {
        return None;
    }
    let name_at = i;
    while !is_boundary(text, i) {
        i += 1;
    }
    let name = text.get(name_at..i)?.to_ascii_lowercase();
    let mut attributes = Vec::new();
    loop {
        while matches!(bytes.get(i), Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/')) {
            i += 1;
        }
        if *bytes.get(i)? == b'>' {
            return Some(Tag { name, end, attributes, after: i + 1 });
        }
        let key_at = i;
        i += 1;
        while bytes.get(i).is_some_and(|c| !matches!(c, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'/' | b'>' | b'=')) {
            i += 1;
        }
        let key = text.get(key_at..i)?.to_ascii_lowercase();
        let mut next = i;
        while matches!(bytes.get(next), Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')) {
            next += 1;
        }
        let mut value = "";
        if bytes.get(next) == Some(&b'=') {
            i = next + 1;
            while matches!(bytes.get(i), Some(b' ' | b'\t' | b'\n' | b'\r' | b'\x0c')) {
                i += 1;
            }
            match *bytes.get(i)? {
                quote @ (b'"' | b'\'') => {
                    let close = i + 1 + bytes[i + 1..].iter().position(|c| *c == quote)?;
                    value = text.get(i + 1..close)?;
                    i = close + 1;
                }
                _ => {
                    let value_at = i;
                    while bytes.get(i).is_some_and(|c| !matches!(c, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b'>')) {
                        i += 1;
                    }
                    value = text.get(value_at..i)?;
                }
            }
        }
        if attributes.len() < 32 {
            attributes.push((key, value));
        }
    }
}

/// Well-formed HTML of bounded depth and number of elements: every element that is opened is closed, in order;
/// no block stands in a paragraph; comments, unknown elements and attributes are gone.
fn balance(html: &str) -> String {
    let mut out =
        Balanced { html: String::with_capacity(html.len() + 1024), open: Vec::new(), elements: 0, formatting: 0 };
    // Elements whose end was looked for in vain, so that it is not done again for each beginning.
    let mut hopeless: HashSet<String> = HashSet::new();
    let mut no_tag_after = usize::MAX;
    let mut at = 0;
    while at < html.len() {
        let Some(next) = html[at..].find('<').map(|n| at + n) else { break };
        out.html.push_str(&html[at..next]);
        at = next;
        let rest = &html[at..];
        if rest.starts_with("<!--") {
            // `<!-->` and `<!--->` are whole comments.
            let whole = ["<!-->", "<!--->"].iter().find(|c| rest.starts_with(*c)).map(|c| c.len());
            at = match whole.or_else(|| rest[4..].find("-->").map(|n| n + 7)) {
                Some(len) => at + len,
                None => html.len(),
            };
            continue;
        }
        if rest.starts_with("<!") || rest.starts_with("<?") {
            at = rest.find('>').map_or(html.len(), |n| at + n + 1);
            continue;
        }
        let tag = if at >= no_tag_after { None } else { read_tag(html, at) };
        let Some(tag) = tag else {
            // A tag that never ends swallows the rest in browsers. Here the rest is text, and is looked at once.
            if rest[1..].trim_start_matches('/').starts_with(|c: char| c.is_ascii_alphabetic()) {
                no_tag_after = no_tag_after.min(at);
            }
            out.html.push_str("&lt;");
            at += 1;
            continue;
        };
        at = tag.after;
        if !tag.end && OPAQUE.contains(&tag.name.as_str()) {
            let close = format!("</{}", tag.name);
            if !hopeless.contains(&tag.name) {
                let mut from = at;
                let found = loop {
                    match find_folded(html, from, &close) {
                        Some(n) if is_boundary(html, n + close.len()) => break html[n..].find('>').map(|m| n + m + 1),
                        Some(n) => from = n + 1,
                        None => break None,
                    }
                };
                match found {
                    Some(after) => at = after,
                    None => _ = hopeless.insert(tag.name.clone()),
                }
            }
            continue;
        }
        if !TAGS.contains(&tag.name.as_str()) {
            continue;
        }
        if tag.end { out.close(&tag.name) } else { out.start(&tag) }
    }
    if at < html.len() {
        out.html.push_str(&html[at..]);
    }
    out.close_to(0);
    out.html
}

struct Balanced {
    html: String,
    open: Vec<String>,
    elements: usize,
    formatting: usize,
}

impl Balanced {
    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth
            && let Some(name) = self.open.pop()
        {
            self.formatting -= usize::from(FORMATTING.contains(&name.as_str()));
            self.html.push_str("</");
            self.html.push_str(&name);
            self.html.push('>');
        }
    }

    /// The innermost open element of these names, not looking out of those.
    fn find(&self, names: &[&str], within: &[&str]) -> Option<usize> {
        let (at, found) = self
            .open
            .iter()
            .enumerate()
            .rev()
            .find(|(_, n)| names.contains(&n.as_str()) || within.contains(&n.as_str()))?;
        names.contains(&found.as_str()).then_some(at)
    }

    fn close(&mut self, name: &str) {
        const CELLS: &[&str] = &["td", "th", "caption"];
        // What stands in a cell does not end what is around the table.
        let within = if matches!(name, "table" | "tbody" | "thead" | "tfoot" | "tr" | "td" | "th" | "caption") {
            &[][..]
        } else {
            CELLS
        };
        if let Some(at) = self.find(&[name], within) {
            self.close_to(at);
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_str();
        const CELLS: &[&str] = &["td", "th", "caption", "table"];
        let implied = match name {
            "li" => self.find(&["li"], &["ul", "ol", "table", "td", "th"]),
            "dt" | "dd" => self.find(&["dt", "dd"], &["dl", "table", "td", "th"]),
            "tr" => self.find(&["tr"], &["table"]),
            "td" | "th" => self.find(&["td", "th"], &["tr", "table"]),
            "tbody" | "thead" | "tfoot" => self.find(&["tbody", "thead", "tfoot"], &["table"]),
            "a" => self.find(&["a"], CELLS),
            _ if BLOCKS.contains(&name) => self.find(&["p"], CELLS),
            _ => None,
        };
        if let Some(at) = implied {
            self.close_to(at);
        }
        // A new item also ends the paragraph that the last one left open.
        if BLOCKS.contains(&name)
            && let Some(at) = self.find(&["p"], CELLS)
        {
            self.close_to(at);
        }
        let formatting = FORMATTING.contains(&name);
        let is_void = VOID.contains(&name);
        self.elements += 1;
        if self.elements > ELEMENTS_MAX
            || (!is_void && self.open.len() >= DEPTH_MAX)
            || (formatting && self.formatting >= FORMATTING_MAX)
        {
            return;
        }
        self.html.push('<');
        self.html.push_str(name);
        let has_id = tag.attributes.iter().any(|(k, _)| k == "id");
        let mut written: Vec<&str> = Vec::new();
        for (key, value) in &tag.attributes {
            // The anchors of old documents.
            let key = if key == "name" && name == "a" && !has_id { "id" } else { key.as_str() };
            if key == "name" || !ATTRIBUTES.contains(&key) || written.contains(&key) || value.len() > 8192 {
                continue;
            }
            written.push(key);
            self.html.push(' ');
            self.html.push_str(key);
            self.html.push_str("=\"");
            for c in value.chars() {
                match c {
                    '"' => self.html.push_str("&quot;"),
                    '<' => self.html.push_str("&lt;"),
                    '>' => self.html.push_str("&gt;"),
                    c => self.html.push(c),
                }
            }
            self.html.push('"');
        }
        self.html.push('>');
        if !is_void {
            self.formatting += usize::from(formatting);
            self.open.push(tag.name.clone());
        }
    }
}

/// A URL as browsers read it: without tabs and line ends, or spaces and control characters around.
fn clean_url(value: &str) -> String {
    let text: String = value.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    text.trim_matches(|c: char| c <= ' ').to_owned()
}

/// The scheme, if the text begins with one.
fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'-' | b'.'));
    valid.then_some(scheme)
}

/// Where a link or picture leads; `None` if nowhere we want.
fn rewrite_url(value: &str, base: &str, schemes: &[&str]) -> Option<String> {
    let url = clean_url(value);
    if let Some(scheme) = scheme(&url) {
        return schemes.iter().any(|s| scheme.eq_ignore_ascii_case(s)).then_some(url);
    }
    let slash = |c: u8| matches!(c, b'/' | b'\\');
    match url.as_bytes() {
        // Another host.
        [a, b, ..] if slash(*a) && slash(*b) => {
            let host = url.trim_start_matches(['/', '\\']);
            (!host.is_empty()).then(|| format!("https://{host}"))
        }
        [a, ..] if slash(*a) => Some(format!("/{}", &url[1..])),
        [] => None,
        _ => {
            let mut rest = url.as_str();
            while let Some(more) = rest.strip_prefix("./") {
                rest = more.trim_start_matches('/');
            }
            Some(format!("{base}{rest}"))
        }
    }
}

fn is_class(class: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'+' | b'#' | b'.');
    matches!(
        class,
        "anchor"
            | "footnotes"
            | "footnote-ref"
            | "footnote-backref"
            | "contains-task-list"
            | "task-list-item"
            | "task-list-item-checkbox"
            | "markdown-alert"
            | "markdown-alert-title"
            | "markdown-alert-note"
            | "markdown-alert-tip"
            | "markdown-alert-important"
            | "markdown-alert-warning"
            | "markdown-alert-caution"
    ) || class.strip_prefix("language-").is_some_and(|l| !l.is_empty() && l.len() <= 40 && l.bytes().all(plain))
}

/// Whether a length is digits, possibly a percentage.
fn is_length(value: &str) -> bool {
    let digits = value.strip_suffix('%').or_else(|| value.strip_suffix("px")).unwrap_or(value);
    (1..=5).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit() || c == b'.')
}

fn filter<'v>(options: &RenderOptions, element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    let keep = |yes: bool| yes.then_some(Cow::Borrowed(value));
    match (element, attribute) {
        ("a", "href") => {
            let url = clean_url(value);
            if let Some(fragment) = url.strip_prefix('#') {
                return Some(Cow::Owned(format!("#{}{fragment}", options.id_prefix)));
            }
            rewrite_url(&url, &options.link_base, &["http", "https", "mailto"]).map(Cow::Owned)
        }
        (_, "src") => rewrite_url(value, &options.image_base, &["http", "https"]).map(Cow::Owned),
        (_, "href") => None,
        (_, "class") => {
            let classes: Vec<&str> = value.split_ascii_whitespace().filter(|c| is_class(c)).take(8).collect();
            (!classes.is_empty()).then(|| Cow::Owned(classes.join(" ")))
        }
        (_, "align") => keep(["left", "right", "center", "justify"].iter().any(|a| value.eq_ignore_ascii_case(a))),
        (_, "dir") => keep(matches!(value, "ltr" | "rtl" | "auto")),
        (_, "width" | "height") => keep(is_length(value)),
        (_, "colspan" | "rowspan" | "span" | "start" | "value") => {
            keep(value.len() <= 4 && value.bytes().all(|c| c.is_ascii_digit()))
        }
        (_, "id") => keep(value.len() <= 200 && !value.contains(['<', '>', '"', '\'', ' '])),
        (_, "title" | "alt" | "aria-label") => Some(if value.contains(['<', '>']) {
            Cow::Owned(value.replace(['<', '>'], ""))
        } else {
            Cow::Borrowed(value)
        }),
        _ => keep(value.len() <= 60 && !value.contains(['<', '>'])),
    }
}

/// Keeps what is on the allow-list.
fn sanitize(html: &str, options: &RenderOptions) -> String {
    let filter_options = options.clone();
    let set = |names: &[&'static str]| names.iter().copied().collect::<HashSet<&str>>();
    let mut attributes: HashMap<&str, HashSet<&str>> = HashMap::new();
    for (tag, names) in [
        ("a", &["href", "class", "aria-hidden", "aria-label"][..]),
        ("img", &["src", "alt", "width", "height", "align"]),
        ("video", &["src", "width", "height", "controls", "loop", "muted"]),
        ("audio", &["src", "controls", "loop", "muted"]),
        ("input", &["type", "checked", "disabled", "class"]),
        ("ol", &["start", "reversed", "class"]),
        ("ul", &["class"]),
        ("li", &["class", "value"]),
        ("code", &["class"]),
        ("pre", &["class"]),
        ("section", &["class"]),
        ("sup", &["class"]),
        ("div", &["class", "align"]),
        ("p", &["class", "align"]),
        ("h1", &["align"]),
        ("h2", &["align"]),
        ("h3", &["align"]),
        ("h4", &["align"]),
        ("h5", &["align"]),
        ("h6", &["align"]),
        ("table", &["align", "width"]),
        ("tr", &["align"]),
        ("td", &["align", "colspan", "rowspan", "width"]),
        ("th", &["align", "colspan", "rowspan", "width", "scope"]),
        ("col", &["align", "span", "width"]),
        ("colgroup", &["span"]),
        ("details", &["open"]),
        ("time", &["datetime"]),
    ] {
        attributes.insert(tag, set(names));
    }
    let mut builder = ammonia::Builder::empty();
    builder
        .tags(set(TAGS))
        .clean_content_tags(OPAQUE.iter().copied().filter(|t| *t != "plaintext").collect())
        .tag_attributes(attributes)
        .generic_attributes(set(&["id", "title", "lang", "dir"]))
        .url_schemes(set(&["http", "https", "mailto"]))
        .url_relative(ammonia::UrlRelative::PassThrough)
        .link_rel(Some("nofollow noopener"))
        .id_prefix(Some(&options.id_prefix))
        .strip_comments(true)
        .set_tag_attribute_value("input", "type", "checkbox")
        .set_tag_attribute_value("input", "disabled", "")
        .set_tag_attribute_value("video", "controls", "")
        .set_tag_attribute_value("audio", "controls", "")
        .attribute_filter(move |element, attribute, value| filter(&filter_options, element, attribute, value));
    builder.clean(html).to_string()
}
