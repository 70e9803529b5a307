//! Markdown: what it gives, what it never gives, and that no document is expensive.
#![allow(clippy::unwrap_used, reason = "a test")]

use haina_files::markdown::{MARKDOWN_BYTES_MAX, MarkdownError, RenderOptions, render};
use proptest::prelude::*;

fn options() -> RenderOptions {
    RenderOptions {
        link_base: "/ns/name/blob/main/docs/".into(),
        image_base: "/ns/name/resolve/main/docs/".into(),
        id_prefix: "user-content-".into(),
    }
}

fn html(markdown: &str) -> String {
    render(markdown, &options()).unwrap()
}

#[test]
fn ordinary_documents() {
    for (markdown, expected) in [
        ("# Hello *you*", "<h1 id=\"user-content-hello-you\">Hello <em>you</em><a href=\"#user-content-hello-you\""),
        ("## 模型", "id=\"user-content-模型\""),
        ("| a | b |\n|:-:|---|\n| 1 | ~~2~~ |", "<td align=\"center\">1</td>"),
        ("- [x] done\n- [ ] open", "type=\"checkbox\""),
        ("```python\nprint('<b>')\n```", "<code class=\"language-python\">print('&lt;b&gt;')"),
        ("text[^1]\n\n[^1]: note", "<section class=\"footnotes\""),
        ("text[^1]\n\n[^1]: note", "href=\"#user-content-fn-1\""),
        ("text[^1]\n\n[^1]: note", "id=\"user-content-fn-1\""),
        ("see https://example.com/x.", "<a href=\"https://example.com/x\" rel=\"nofollow noopener\">"),
        ("[up](../a.md#x)", "href=\"/ns/name/blob/main/docs/../a.md#x\""),
        ("[here](./a.md)", "href=\"/ns/name/blob/main/docs/a.md\""),
        ("[top](/other)", "href=\"/other\""),
        ("[part](#some-part)", "href=\"#user-content-some-part\""),
        ("[host](//evil.example/x)", "href=\"https://evil.example/x\""),
        ("<a href=\"/\\evil.example/x\">host</a>", "href=\"https://evil.example/x\""),
        ("![p](img/a.png \"t\")", "<img src=\"/ns/name/resolve/main/docs/img/a.png\" alt=\"p\" title=\"t\">"),
        ("<img src=a.png width=50% onerror=x>", "<img src=\"/ns/name/resolve/main/docs/a.png\" width=\"50%\">"),
        ("![b](https://img.example/b.svg)", "<img src=\"https://img.example/b.svg\""),
        ("<div align=\"center\"><b>x</b></div>", "<div align=\"center\"><b>x</b></div>"),
        (
            "<details><summary>s</summary>\n\ntext\n\n</details>",
            "<details><summary>s</summary>\n<p>text</p>\n</details>",
        ),
        ("<a name=\"old\"></a>", "<a id=\"user-content-old\""),
        ("> [!WARNING]\n> care", "markdown-alert-warning"),
        ("**这是。**强调", "<strong>"),
        ("<video src=\"v.mp4\"></video>", "<video src=\"/ns/name/resolve/main/docs/v.mp4\" controls=\"\"></video>"),
        ("a < b and c > d & e", "a &lt; b and c &gt; d &amp; e"),
    ] {
        let got = html(markdown);
        assert!(got.contains(expected), "{markdown:?} gives\n{got}\nwithout\n{expected}");
    }
    assert_eq!(html(""), "");
    assert_eq!(render(&"x".repeat(MARKDOWN_BYTES_MAX + 1), &options()), Err(MarkdownError::TooLarge));
}

/// Names, attributes and values of all start tags. Panics on anything that is not plainly one.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for piece in html.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("a tag without end: {piece:?}"));
        if tag.starts_with('/') {
            continue;
        }
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut attributes = Vec::new();
        while !rest.trim().is_empty() {
            let (key, more) = rest.split_once("=\"").unwrap_or_else(|| panic!("{tag:?}"));
            let (value, more) = more.split_once('"').unwrap_or_else(|| panic!("{tag:?}"));
            attributes.push((key.trim().to_owned(), value.to_owned()));
            rest = more;
        }
        found.push((name.to_owned(), attributes));
    }
    found
}

fn assert_safe(source: &str, html: &str) {
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
    let folded = html.to_lowercase();
    assert!(
        !folded.contains("<script")
            && !folded.contains("<style")
            && !folded.contains("<iframe")
            && !folded.contains("<!--"),
        "{source:?} gives {html}"
    );
    for (name, attributes) in tags(html) {
        assert!(TAGS.contains(&name.as_str()), "<{name}> of {source:?}: {html}");
        if name == "input" {
            assert!(attributes.iter().any(|(k, v)| k == "type" && v == "checkbox"));
        }
        for (key, value) in attributes {
            let fine = !key.starts_with("on")
                && !matches!(
                    key.as_str(),
                    "style" | "srcdoc" | "action" | "formaction" | "name" | "srcset" | "target" | "background"
                );
            assert!(fine && key.bytes().all(|c| c.is_ascii_lowercase() || c == b'-'), "{key} of {source:?}: {html}");
            if matches!(key.as_str(), "href" | "src") {
                let ok = ["http://", "https://", "mailto:", "/", "#user-content-"]
                    .iter()
                    .any(|p| value.to_lowercase().starts_with(p));
                assert!(ok && !value.starts_with("//") && !value.starts_with("/\\"), "{value:?} of {source:?}");
            }
            if key == "id" {
                assert!(value.starts_with("user-content-"), "{value:?} of {source:?}");
            }
        }
    }
}

const VECTORS: &[&str] = &[
    "<script>alert(1)</script>",
    "<SCRIPT SRC=http://x/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\n>alert(1)</script\n>",
    "<script/x>alert(1)</script>",
    "</script><script>alert(1)//",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror\n=alert(1)>",
    "<img/src=x/onerror=alert(1)>",
    "<img src='x'onerror=alert(1)>",
    "<img src=\"x\" ONERROR=\"alert(1)\">",
    "<img src=`x` onerror=alert(1)>",
    "<img src=javascript:alert(1)>",
    "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\">",
    "<img \"\"\"><script>alert(1)</script>\">",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<svg></p><style><a id=\"</style><img src=1 onerror=alert(1)>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
    "<math><mi//xlink:href=\"data:x,<script>alert(1)</script>\">",
    "<math href=\"javascript:alert(1)\">CLICK</math>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<iframe src=\"javascript:alert(1)\"></iframe>",
    "<iframe srcdoc=\"<script>alert(1)</script>\">",
    "<object data=\"javascript:alert(1)\"></object>",
    "<embed src=\"javascript:alert(1)\">",
    "<applet code=x></applet>",
    "<base href=\"javascript:alert(1)//\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:alert(1)\">",
    "<link rel=stylesheet href=\"javascript:alert(1)\">",
    "<link rel=import href=x>",
    "<style>@import 'http://x'; body{background:url(javascript:alert(1))}</style>",
    "<div style=\"background:url(javascript:alert(1))\">x</div>",
    "<div style=\"position:fixed;inset:0\">x</div>",
    "<body onload=alert(1)>",
    "<body background=\"javascript:alert(1)\">",
    "<table background=\"javascript:alert(1)\"><td background=\"javascript:alert(1)\">",
    "<form action=\"https://evil\"><input name=password type=password><button>Go</button></form>",
    "<form id=x></form><button form=x formaction=\"javascript:alert(1)\">X</button>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "<input onfocus=alert(1) autofocus>",
    "<select autofocus onfocus=alert(1)>",
    "<textarea autofocus onfocus=alert(1)></textarea>",
    "<textarea></textarea><img src=x onerror=alert(1)>",
    "<keygen autofocus onfocus=alert(1)>",
    "<video src=x onerror=alert(1)></video>",
    "<video><source onerror=\"alert(1)\"></video>",
    "<video poster=javascript:alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\" &#14; javascript:alert(1)\">x</a>",
    "<a href=\"jav&#x09;ascript:alert(1)\">x</a>",
    "<a href=\"jav&#x0A;ascript:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href=\"JaVaScRiPt&colon;alert(1)\">x</a>",
    "<a href=\"vbscript:msgbox(1)\">x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "<a href=\"blob:https://x/1\">x</a>",
    "<a href=\"//evil.example\" target=_blank>x</a>",
    "<a href=x onclick=alert(1)>x</a>",
    "<a href='x' style='x:expression(alert(1))'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JAVASCRIPT:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](javascript&colon;alert(1))",
    "[x](java%0ascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x]: javascript:alert(1)\n\n[x]",
    "![x](javascript:alert(1))",
    "![x](x\"onerror=alert(1))",
    "![\"onerror=\"alert(1)](x)",
    "[x](x \"\\\" onmouseover=\\\"alert(1)\")",
    "<javascript:alert(1)>",
    "<http://x/\" onclick=\"alert(1)>",
    "```\"><script>alert(1)</script>\nx\n```",
    "`<script>alert(1)</script>`",
    "# <script>alert(1)</script>",
    "# \"><img src=x onerror=alert(1)>",
    "<!-- <script> --><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "<!--!><img src=x onerror=alert(1)>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php <script>alert(1)</script> ?>",
    "<!DOCTYPE x [<!ENTITY y \"<script>\">]>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    "<noembed><img title=\"</noembed><img src onerror=alert(1)>\"></noembed>",
    "<xmp><p title=\"</xmp><svg/onload=alert(1)>\">",
    "<title><p title=\"</title><img src=x onerror=alert(1)>\">",
    "<template><script>alert(1)</script></template>",
    "<plaintext><script>alert(1)</script>",
    "<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
    "<a id=x><a id=x name=y href=z>",
    "<img name=getElementById>",
    "<p id=\"x\" id=\"y\" onclick=1>",
    "<div id=\"><script>alert(1)</script>\">",
    "<b title='<script>alert(1)</script>'>x</b>",
    "<a title=\"a&quot; onclick=alert(1) x=&quot;\">x</a>",
    "<0x><\0script>alert(1)</script>",
    "<img src=x:alert(alt) onerror=eval(src) alt=0>",
    "<x onclick=alert(1)>x</x>",
    "<table><tr><td><a href=javascript:alert(1)>x</a></table>",
    "<p><svg><p><style><g title=\"</style><img src onerror=alert(1)>\">",
    "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
    "- [x] <img src=x onerror=alert(1)>",
    "[^1]\n\n[^1]: <script>alert(1)</script>",
    "[^\"><script>]\n\n[^\"><script>]: x",
    "> [!NOTE] <script>alert(1)</script>\n> x",
    "<picture><source srcset=\"javascript:alert(1)\"><img srcset=\"x 1x, javascript:alert(1) 2x\"></picture>",
];

#[test]
fn vectors_are_harmless() {
    assert!(VECTORS.len() >= 60);
    let all = VECTORS.join("\n\n");
    for vector in VECTORS.iter().copied().chain([all.as_str()]) {
        for source in [
            vector.to_owned(),
            format!("<div>{vector}</div>"),
            format!("text {vector} text"),
            format!("> {vector}"),
            format!("<div>\n{vector}"),
        ] {
            assert_safe(&source, &html(&source));
        }
    }
}

#[test]
fn what_was_rendered_is_harmless_when_rendered_again() {
    for vector in VECTORS {
        let once = html(&format!("<div>{vector}</div>"));
        assert_safe(vector, &html(&once));
    }
}

#[test]
fn no_document_is_expensive() {
    let n = 150_000;
    let mut documents: Vec<(&str, String)> = Vec::new();
    for (name, piece) in [
        ("quotes", ">"),
        ("quotes with spaces", "> "),
        ("lists", "- "),
        ("numbers", "1. "),
        ("brackets", "["),
        ("closing", "]"),
        ("links", "[a]("),
        ("images", "![a]("),
        ("links in links", "[a](b"),
        ("stars", "*a "),
        ("strong", "**a *a "),
        ("underscores", "_a __a"),
        ("tildes", "~~a~"),
        ("backticks", "`a``"),
        ("divs", "<div>"),
        ("bold", "<b>"),
        ("paragraphs", "<p>"),
        ("mixed", "<b><p>"),
        ("items", "<ul><li>"),
        ("cells", "<table><tr><td>"),
        ("half tags", "<a b='"),
        ("open tags", "<a "),
        ("comments", "<!--"),
        ("comments in div", "<div><!-"),
        ("cdata", "<![CDATA["),
        ("php", "<?"),
        ("scripts", "<script>"),
        ("svg", "<svg>"),
        ("footnotes", "[^1]"),
        ("footnote definitions", "[^1]: "),
        ("tables", "|a"),
        ("entities", "&#"),
        ("autolinks", "http://a"),
        ("www", "www."),
        ("mails", "a@"),
        ("escapes", "\\"),
        ("headings", "# a\n"),
        ("angles", "<"),
        ("closing angles", "</"),
        ("dashes", "---\na\n"),
        ("alerts", "> [!NOTE]\n"),
        ("details", "<details><summary>"),
    ] {
        documents.push((name, piece.repeat(n.min(MARKDOWN_BYTES_MAX / 2 / piece.len()))));
    }
    documents.push((
        "reopened formatting",
        format!(
            "<p>{}</p>{}",
            (0..2000).map(|i| format!("<b class=x{i}>")).collect::<String>(),
            "<p>x".repeat(100_000)
        ),
    ));
    documents.push(("nested formatting", format!("<div>{}", "<b><i><u><s>".repeat(20_000))));
    documents.push(("wide table", format!("{}\n{}\n{}", "|a".repeat(2000), "|-".repeat(2000), "|\n".repeat(100_000))));
    documents.push(("references", (0..20_000).map(|i| format!("[r{i}]: x\n[r{i}]\n")).collect()));
    documents.push(("deep list", (0..700).map(|i| format!("{}- a\n", " ".repeat(i * 2))).collect()));
    let mut slow = false;
    for (name, document) in documents {
        let start = std::time::Instant::now();
        let result = std::thread::Builder::new().stack_size(2 << 20).spawn({
            let document = document.clone();
            move || render(&document, &options())
        });
        let result = result.unwrap().join().unwrap();
        let took = start.elapsed();
        // Generous: the debug build on a busy machine.
        slow |= took.as_secs() >= 60;
        if let Ok(html) = result {
            assert_safe(name, &html);
        }
    }
    assert!(!slow);
}

fn piece() -> impl Strategy<Value = String> {
    let tokens = [
        "<",
        ">",
        "</",
        "/>",
        "=",
        "\"",
        "'",
        "`",
        " ",
        "\n",
        "\n\n",
        "a",
        "b",
        "script",
        "img",
        "svg",
        "math",
        "style",
        "div",
        "p",
        "table",
        "td",
        "a href=",
        "src=",
        "onerror=",
        "onclick=alert(1)",
        "javascript:",
        "data:",
        "&#106;",
        "&colon;",
        "&lt;",
        "&quot;",
        "x",
        "[",
        "](",
        ")",
        "!",
        "*",
        "_",
        "# ",
        "- ",
        "> ",
        "|",
        "---",
        "```",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "id=",
        "name=",
        "class=",
        "title=",
        "<a href=\"",
        "<img src=",
        "<b ",
        "<template>",
        "<noscript>",
        "<textarea>",
        "</textarea>",
        "<title>",
        "\u{0}",
        "\u{200b}",
        "\t",
        "\\",
        "//x",
        "é",
        "模",
        "[^1]",
        "[^1]: ",
        "<form>",
        "<input ",
        "mglyph",
        "xlink:href=",
    ];
    proptest::sample::select(tokens.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_harmless(pieces in proptest::collection::vec(piece(), 0..40)) {
        let source = pieces.concat();
        let once = html(&source);
        assert_safe(&source, &once);
    }

    #[test]
    fn any_text_is_harmless(source in ".{0,300}") {
        assert_safe(&source, &html(&source));
    }
}
