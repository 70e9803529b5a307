//! Cards: front matter, validation as the clients' own tests assert it, tags.
#![allow(clippy::unwrap_used, reason = "a test")]

use haina_files::card::{self, Card};
use haina_files::{tags_of, validate_yaml};
use haina_types::RepoKind;
use serde_json::{Value, json};

#[test]
fn front_matter_and_body() {
    for (text, yaml, body) in [
        ("---\na: 1\n---\nbody", Some("a: 1\n"), "body"),
        ("\u{feff}\n \n---\r\na: 1\r\n---\r\nbody\r\n", Some("a: 1\r\n"), "body\r\n"),
        ("---\n---\nbody", Some(""), "body"),
        ("---\na: 1\n---", Some("a: 1\n"), ""),
        ("---\na: 1\nno end", None, "---\na: 1\nno end"),
        ("text\n---\na: 1\n---\n", None, "text\n---\na: 1\n---\n"),
        ("", None, ""),
        ("----\na: 1\n----\n", None, "----\na: 1\n----\n"),
    ] {
        let parts = card::split(text);
        assert_eq!((parts.yaml, parts.body), (yaml, body), "{text:?}");
    }
    assert_eq!(card::split("\n\n---\na: 1\n---\n").yaml_line, 4);
}

#[test]
fn yaml_is_read_as_the_hosted_hub_reads_it() {
    let card = Card::parse(
        "---\nlanguage: no\nlist: [yes, on, 1, 1.5, true, null]\n1: x\ndate: 2024-01-01\nversion: 0.10\n---\n",
    )
    .unwrap();
    assert_eq!(
        Value::Object(card.data.unwrap()),
        json!({"language": "no", "list": ["yes", "on", 1, 1.5, true, null], "1": "x", "date": "2024-01-01", "version": 0.1})
    );
    assert_eq!(Card::parse("---\n---\n").unwrap().data, None);
    assert_eq!(Card::parse("---\n- a\n---\n").unwrap().data, None);
    assert_eq!(Card::parse("---\na: 1\na: 2\n---\n").unwrap().data.unwrap()["a"], 2);
    let error = Card::parse("\n---\na: 1\nb: [\n---\n").unwrap_err();
    assert!(error.line >= 3 && error.message.contains(&format!("line {}", error.line)), "{error:?}");
    assert_eq!(Card::parse_lenient("---\na: [\n---\nbody").body, "body");
}

#[test]
fn bombs_are_refused() {
    let mut laughs = "---\na: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (from, to) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        laughs += &format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(","));
    }
    laughs += "---\n";
    let deep = format!("---\na: {}{}\n---\n", "[".repeat(5000), "]".repeat(5000));
    let deep_block = format!("---\n{}\n---\n", (0..3000).map(|i| format!("{}a:\n", " ".repeat(i))).collect::<String>());
    let large = format!("---\na: {}\n---\n", "x".repeat(2 << 20));
    let merges =
        format!("---\nb: &b {{x: 1}}\n{}---\n", (0..5000).map(|i| format!("k{i}:\n  <<: *b\n")).collect::<String>());
    for bomb in [laughs, deep, deep_block, large, merges] {
        let start = std::time::Instant::now();
        assert!(Card::parse(&bomb).is_err(), "{}", &bomb[..60]);
        assert!(!validate_yaml(&bomb, RepoKind::Model).is_ok());
        assert!(start.elapsed().as_secs() < 5);
    }
    let anchors = Card::parse("---\na: &a {x: 1}\nb: *a\nc:\n  <<: *a\n  y: 2\n---\n").unwrap();
    assert_eq!(Value::Object(anchors.data.unwrap()), json!({"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 1, "y": 2}}));
}

fn errors(text: &str, kind: RepoKind) -> Vec<String> {
    validate_yaml(text, kind).errors.into_iter().map(|r| r.message).collect()
}

#[test]
fn what_the_clients_tests_assert() {
    let missing = validate_yaml("This is a modelcard without metadata", RepoKind::Model);
    assert!(missing.is_ok() && missing.warnings.len() == 1);
    let bad = validate_yaml("\n---\nlicense: asdf\n---\n", RepoKind::Model);
    assert!(bad.to_text().starts_with("- Error: \"license\" must be one of [apache-2.0, mit, "), "{}", bad.to_text());
    assert!(errors("\n---\nmodel-index: foo\n---\n\nBody\n", RepoKind::Model)[0].contains("\"model-index\" must be"));
    let good = "---\nlanguage:\n- en\nlicense: mit\nlibrary_name: pytorch\ntags:\n- text-classification\ndatasets:\n- glue\nmetrics:\n- acc\n---\n";
    assert_eq!(validate_yaml(good, RepoKind::Model), haina_files::Validation::default());
    assert!(errors("---\nlicense: [bsd-3-clause]\n---\n", RepoKind::Dataset).is_empty());
    assert!(errors("---\na: [\n---\n", RepoKind::Model)[0].contains("YAML"));
    assert!(errors("---\na: 1\na: 2\n---\n", RepoKind::Model)[0].contains("line 3"));
    assert!(errors("---\n- a\n---\n", RepoKind::Model)[0].contains("mapping"));
    assert!(validate_yaml("---\nlanguage: English\n---\n", RepoKind::Model).warnings[0].message.contains("ISO 639"));
    assert!(
        validate_yaml("---\npipeline_tag: magic\n---\n", RepoKind::Model).warnings[0].message.contains("official list")
    );
    assert!(errors("---\ntitle: T\nsdk: gradio\ncolorFrom: blue\n---\n", RepoKind::Space).is_empty());
    assert!(errors("---\nsdk: vb\ncolorFrom: blau\n---\n", RepoKind::Space).len() == 2);
    let json = serde_json::to_value(&bad).unwrap();
    assert!(json["errors"][0]["message"].is_string() && json["warnings"] == json!([]));
}

#[test]
fn tags_of_a_model() {
    let card = Card::parse(
        "---\nlicense: apache-2.0\nlanguage: [zh, en]\ntags: [chat, chat]\ndatasets: ns/data\nbase_model: ns/base\npipeline_tag: text-generation\n---\n\
         See https://arxiv.org/abs/2407.10671 and arXiv:1706.03762, https://arxiv.org/pdf/2407.10671v2.\n",
    )
    .unwrap();
    let config = json!({"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"});
    let files = ["config.json", "model.safetensors", "README.md"];
    assert_eq!(
        tags_of(RepoKind::Model, &card, &files, Some(&config)),
        [
            "transformers",
            "safetensors",
            "qwen2",
            "text-generation",
            "chat",
            "zh",
            "en",
            "dataset:ns/data",
            "arxiv:2407.10671",
            "arxiv:1706.03762",
            "base_model:ns/base",
            "base_model:finetune:ns/base",
            "license:apache-2.0",
            "region:us"
        ]
    );
    let info = haina_files::transformers_info(&config).unwrap();
    assert_eq!(
        serde_json::to_value(info).unwrap(),
        json!({"auto_model": "AutoModelForCausalLM", "pipeline_tag": "text-generation", "processor": "AutoTokenizer"})
    );
    assert_eq!(
        haina_files::pipeline_tag_of(&Card::default().facts(), &files, Some(&config)).as_deref(),
        Some("text-generation")
    );
    let none: [&str; 0] = [];
    assert_eq!(tags_of(RepoKind::Model, &Card::default(), &none, None), ["region:us"]);
}

#[test]
fn tags_of_a_dataset() {
    let card = Card::parse("---\ntask_categories: [question-answering]\nlanguage: en\nsize_categories: 1K<n<10K\nlicense: mit\ntags: [x]\n---\n").unwrap();
    let files = ["data/train.csv", "data/test.csv.gz", "a.png", "README.md", ".gitattributes"];
    assert_eq!(
        tags_of(RepoKind::Dataset, &card, &files, None),
        [
            "task_categories:question-answering",
            "language:en",
            "license:mit",
            "size_categories:1K<n<10K",
            "format:csv",
            "modality:image",
            "modality:tabular",
            "modality:text",
            "x",
            "region:us"
        ]
    );
}

#[test]
fn odd_shapes_do_not_hurt() {
    let card = Card::parse("---\ntags: {a: b}\nlicense: [1, {x: y}, mit]\nlanguage: true\ndatasets: [[a], b]\nmodel-index: 3\nwidget: x\n---\n").unwrap();
    let facts = card.facts();
    assert_eq!(
        (facts.license, facts.tags, facts.datasets),
        (vec!["1".into(), "mit".into()], vec![], vec!["b".to_owned()])
    );
    let none: [&str; 0] = [];
    tags_of(RepoKind::Model, &card, &none, Some(&json!({"architectures": 3, "model_type": {}})));
}

#[test]
fn mutated_cards_never_panic() {
    let mut state = 7u64;
    let mut next = move |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n as u64) as usize
    };
    let pieces = [
        "---\n",
        "---",
        "\n",
        ": ",
        "- ",
        "a",
        "license: ",
        "mit",
        "tags:\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&a ",
        "*a",
        "<<: *a",
        "!!binary ",
        "!t ",
        "|\n",
        ">\n",
        "'",
        "\"",
        "\\",
        "#",
        "? ",
        "%YAML 1.2\n",
        "...\n",
        "\t",
        "\r\n",
        "\u{feff}",
        "模",
        "\u{0}",
        "0x1F",
        "1e999",
        ".nan",
        "-.inf",
        "~",
        "null",
        "2024-01-01",
        "@",
        "`",
        "\u{85}",
        "\u{2028}",
        "language: ",
        "model-index:\n- name: x\n  results:\n",
        "'\\u12",
        "!!float x",
        "!!int ",
        "9999999999999999999999",
    ];
    let whole = "---\nlicense: mit\nlanguage:\n- en\ntags: [a, b]\nmodel-index:\n- name: x\n  results:\n  - task: {type: t}\n    metrics: []\nbase: &b {x: 1}\nother: *b\ntext: |\n  a\n  b\n---\nbody arxiv:1234.56789\n";
    let start = std::time::Instant::now();
    for round in 0..6000 {
        let text = if round % 2 == 0 {
            format!("---\n{}\n---\nbody", (0..next(30)).map(|_| pieces[next(pieces.len())]).collect::<String>())
        } else {
            let mut text = whole.to_owned();
            for _ in 0..=next(4) {
                let mut at = next(text.len());
                while !text.is_char_boundary(at) {
                    at -= 1;
                }
                match next(3) {
                    0 => text.insert_str(at, pieces[next(pieces.len())]),
                    1 => text.truncate(at.max(4)),
                    _ => _ = text.remove(at),
                }
            }
            text
        };
        let kind = RepoKind::ALL[next(4)];
        let card = Card::parse_lenient(&text);
        let none: [&str; 0] = [];
        let tags = tags_of(kind, &card, &none, None);
        assert!(tags.len() <= haina_files::tags::TAGS_MAX && tags.iter().all(|t| !t.chars().any(char::is_control)));
        validate_yaml(&text, kind).to_text();
    }
    assert!(start.elapsed().as_secs() < 60);
}
