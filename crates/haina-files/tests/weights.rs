//! Headers of weights: made here, cut everywhere, mutated.
#![allow(clippy::unwrap_used, reason = "a test")]

use haina_files::{Parsed, gguf, mime, safetensors};

fn tensors(json: &str) -> Vec<u8> {
    [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat()
}

const HEADER: &str = r#"{"__metadata__":{"format":"pt","n":1},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},"c":{"shape":[4,0],"dtype":"F32","data_offsets":[26,26],"more":[1,{}]}}  "#;

#[test]
fn safetensors_in_sum() {
    let bytes = tensors(HEADER);
    let end = bytes.len() as u64;
    let summary = safetensors::header(&bytes, Some(end + 26)).unwrap().ready().unwrap();
    assert_eq!((summary.total, summary.tensors, summary.data_bytes, summary.header_bytes), (7, 3, 26, end));
    assert_eq!(
        serde_json::to_value(&summary).unwrap(),
        serde_json::json!({"parameters": {"BF16": 1, "F32": 6}, "total": 7})
    );
    assert_eq!(summary.metadata["format"], "pt");
    for cut in 0..bytes.len() {
        let expected = Parsed::NeedsBytes(if cut < 8 { 8 } else { end });
        assert_eq!(safetensors::header(&bytes[..cut], None).unwrap(), expected);
        assert!(safetensors::header(&bytes[..cut], Some(cut as u64)).is_err());
    }
    assert!(safetensors::header(&bytes, Some(end + 25)).is_err());
    assert!(safetensors::header(&u64::MAX.to_le_bytes(), None).is_err());
    assert!(safetensors::header(&100_000_001u64.to_le_bytes(), None).is_err());
    for bad in [
        "",
        "[]",
        "{",
        "{}x",
        r#"{"a":1}"#,
        r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,1]}}"#,
        r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,1]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[2,1]}}"#,
        r#"{"a":{"dtype":"","shape":[1],"data_offsets":[0,1]}}"#,
        r#"{"a":{"dtype":"F32","shape":[1]}}"#,
    ] {
        assert!(safetensors::header(&tensors(bad), None).is_err(), "{bad}");
    }
    let mut sum = summary.clone();
    sum.add(&summary);
    assert_eq!((sum.total, sum.parameters["F32"]), (14, 12));
}

#[test]
fn indexes() {
    let index = safetensors::index(br#"{"metadata":{"total_size":28.0},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors","c":"m-1.safetensors"}}"#).unwrap();
    assert_eq!(
        (index.shards, index.tensors, index.total_bytes),
        (vec!["m-1.safetensors".into(), "m-2.safetensors".into()], 3, Some(28))
    );
    assert!(safetensors::index(br#"{"weight_map":{"a":"../x"}}"#).is_err());
    assert!(safetensors::index(br#"{"weight_map":{"a":"x/y"}}"#).is_err());
    assert!(safetensors::index(b"{}").is_err());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn sample() -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    out.extend(9u64.to_le_bytes());
    let mut key = |name: &str, kind: u32, value: &[u8]| {
        text(&mut out, name);
        out.extend(kind.to_le_bytes());
        out.extend(value);
    };
    let string = |s: &str| {
        let mut value = Vec::new();
        text(&mut value, s);
        value
    };
    key("general.architecture", 8, &string("llama"));
    key("general.file_type", 4, &15u32.to_le_bytes());
    key("llama.context_length", 4, &8192u32.to_le_bytes());
    key("llama.rope.freq_base", 6, &1e4f32.to_le_bytes());
    let mut tokens = [8u32.to_le_bytes().to_vec(), 3u64.to_le_bytes().to_vec()].concat();
    ["<unk>", "<s>", "</s>"].iter().for_each(|t| text(&mut tokens, t));
    key("tokenizer.ggml.tokens", 9, &tokens);
    key("tokenizer.ggml.scores", 9, &[6u32.to_le_bytes().to_vec(), 3u64.to_le_bytes().to_vec(), vec![0; 12]].concat());
    key("tokenizer.ggml.bos_token_id", 4, &1u32.to_le_bytes());
    key("tokenizer.ggml.eos_token_id", 4, &2u32.to_le_bytes());
    key("tokenizer.chat_template", 8, &string("{{ x }}"));
    for (name, shape, kind) in [("a", &[256u64, 2][..], 12u32), ("b", &[10][..], 0)] {
        text(&mut out, name);
        out.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(kind.to_le_bytes());
        out.extend(0u64.to_le_bytes());
    }
    out
}

#[test]
fn gguf_headers() {
    let bytes = sample();
    let gguf = gguf::header(&bytes, None).unwrap().ready().unwrap();
    assert_eq!(
        serde_json::to_value(&gguf).unwrap(),
        serde_json::json!({"total": 522, "architecture": "llama", "context_length": 8192, "quantization": "Q4_K_M", "chat_template": "{{ x }}", "bos_token": "<s>", "eos_token": "</s>"})
    );
    assert!(gguf.has_chat_template && gguf.tensors == 2 && gguf.parameters["Q4_K"] == 512);
    for cut in 0..bytes.len() {
        match gguf::header(&bytes[..cut], None).unwrap() {
            Parsed::NeedsBytes(n) => assert!(n > cut as u64 && n <= bytes.len() as u64, "{cut}: {n}"),
            Parsed::Ready(_) => panic!("ready after {cut} bytes"),
        }
        assert_eq!(gguf::header(&bytes[..cut], Some(cut as u64)), Err(gguf::GgufError::Cut));
    }
    assert_eq!(gguf::header(b"GGML....", None), Err(gguf::GgufError::NotGguf));
    assert_eq!(gguf::header(b"GGUF\0\0\0\x03\0\0\0\0", None), Err(gguf::GgufError::Version(0x0300_0000)));
}

#[test]
fn mutated_headers_never_panic() {
    let mut state = 1u64;
    let mut next = move |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % n as u64) as usize
    };
    for seed in [sample(), tensors(HEADER)] {
        for _ in 0..20_000 {
            let mut bytes = seed.clone();
            for _ in 0..=next(3) {
                let at = next(bytes.len());
                match next(4) {
                    0 => bytes[at] = next(256) as u8,
                    1 => bytes[at] = 0xff,
                    2 => bytes.truncate(at.max(8)),
                    _ => {
                        let end = (at + 8).min(bytes.len());
                        bytes[at..end].fill([0, 0xff, 0x7f][next(3)]);
                    }
                }
            }
            let len = bytes.len() as u64;
            if let Ok(Parsed::NeedsBytes(n)) = gguf::header(&bytes, None) {
                assert!(n > len);
            }
            if let Ok(Parsed::NeedsBytes(n)) = safetensors::header(&bytes, None) {
                assert!(n > len);
            }
            let _ = gguf::header(&bytes, Some(len));
            let _ = safetensors::header(&bytes, Some(len));
            let _ = safetensors::index(&bytes);
        }
    }
}

#[test]
fn nothing_active_is_served() {
    for path in [
        "a.html",
        "A.HTM",
        "x.svg",
        "x.SVG",
        "x.xhtml",
        "x.xml",
        "x.js",
        "x.mjs",
        "x.css",
        "x.html.svg",
        ".svg",
        "a/b.shtml",
        "x.mhtml",
        "x.xsl",
    ] {
        let serving = mime::serving(path);
        assert!(serving.content_type.starts_with("text/plain") || !serving.inline, "{path}: {serving:?}");
        let serving = mime::serving_of(path, true);
        assert!(serving.content_type.starts_with("text/plain") || !serving.inline, "{path}: {serving:?}");
    }
    for (path, expected) in [
        ("a.png", "image/png"),
        ("README.md", "text/plain; charset=utf-8"),
        ("config.json", "application/json; charset=utf-8"),
        ("LICENSE", "text/plain; charset=utf-8"),
    ] {
        assert_eq!((mime::serving(path).content_type, mime::serving(path).inline), (expected, true));
    }
    for path in ["m.safetensors", "x", "x.unknown", "a.pdf", "a.svgz", ""] {
        assert!(!mime::serving(path).inline, "{path}");
    }
    assert!(mime::serving_of("x.unknown", true).inline && !mime::serving_of("x.txt", false).inline);
    assert_eq!(
        mime::content_disposition("a/模 \"x\".bin", false),
        "attachment; filename*=UTF-8''%E6%A8%A1%20%22x%22.bin; filename=\"_ _x_.bin\";"
    );
    assert!(!mime::content_disposition("a\r\nb", true).contains(['\r', '\n']));
}
