//! What `config.json` and its neighbours say of a model.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A `config.json` above this size is not read.
pub const CONFIG_BYTES_MAX: usize = 2 << 20;
/// Longest chat template that is kept, in bytes.
const TEMPLATE_BYTES_MAX: usize = 64 << 10;

/// How to load a model with `transformers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformersInfo {
    /// The class, such as `AutoModelForCausalLM`.
    pub auto_model: String,
    /// A class of the repository's own code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_class: Option<String>,
    /// The task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline_tag: Option<String>,
    /// `AutoTokenizer`, `AutoProcessor`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
}

/// Endings of architectures, the task and the auto class and processor that go with each. The first that fits
/// counts. Architectures that serve several tasks are decided by `model_type` in [`pipeline_of_config`].
const ARCHITECTURES: &[(&str, &str, &str, &str)] = &[
    ("ForCausalLM", "text-generation", "AutoModelForCausalLM", "AutoTokenizer"),
    ("LMHeadModel", "text-generation", "AutoModelForCausalLM", "AutoTokenizer"),
    ("ForMaskedLM", "fill-mask", "AutoModelForMaskedLM", "AutoTokenizer"),
    ("ForSequenceClassification", "text-classification", "AutoModelForSequenceClassification", "AutoTokenizer"),
    ("ForTokenClassification", "token-classification", "AutoModelForTokenClassification", "AutoTokenizer"),
    (
        "ForDocumentQuestionAnswering",
        "document-question-answering",
        "AutoModelForDocumentQuestionAnswering",
        "AutoProcessor",
    ),
    ("ForVisualQuestionAnswering", "visual-question-answering", "AutoModelForVisualQuestionAnswering", "AutoProcessor"),
    ("ForTableQuestionAnswering", "table-question-answering", "AutoModelForTableQuestionAnswering", "AutoTokenizer"),
    ("ForQuestionAnswering", "question-answering", "AutoModelForQuestionAnswering", "AutoTokenizer"),
    ("ForMultipleChoice", "multiple-choice", "AutoModelForMultipleChoice", "AutoTokenizer"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition", "AutoModelForSpeechSeq2Seq", "AutoProcessor"),
    ("ForCTC", "automatic-speech-recognition", "AutoModelForCTC", "AutoProcessor"),
    ("ForAudioClassification", "audio-classification", "AutoModelForAudioClassification", "AutoFeatureExtractor"),
    ("ForTextToWaveform", "text-to-audio", "AutoModelForTextToWaveform", "AutoProcessor"),
    ("ForTextToSpeech", "text-to-speech", "AutoModelForTextToSpectrogram", "AutoProcessor"),
    (
        "ForZeroShotImageClassification",
        "zero-shot-image-classification",
        "AutoModelForZeroShotImageClassification",
        "AutoProcessor",
    ),
    (
        "ForZeroShotObjectDetection",
        "zero-shot-object-detection",
        "AutoModelForZeroShotObjectDetection",
        "AutoProcessor",
    ),
    ("ForVideoClassification", "video-classification", "AutoModelForVideoClassification", "AutoImageProcessor"),
    ("ForImageClassification", "image-classification", "AutoModelForImageClassification", "AutoImageProcessor"),
    ("ForObjectDetection", "object-detection", "AutoModelForObjectDetection", "AutoImageProcessor"),
    ("ForSemanticSegmentation", "image-segmentation", "AutoModelForSemanticSegmentation", "AutoImageProcessor"),
    ("ForInstanceSegmentation", "image-segmentation", "AutoModelForInstanceSegmentation", "AutoImageProcessor"),
    ("ForUniversalSegmentation", "image-segmentation", "AutoModelForUniversalSegmentation", "AutoImageProcessor"),
    ("ForImageSegmentation", "image-segmentation", "AutoModelForImageSegmentation", "AutoImageProcessor"),
    ("ForDepthEstimation", "depth-estimation", "AutoModelForDepthEstimation", "AutoImageProcessor"),
    ("ForMaskGeneration", "mask-generation", "AutoModelForMaskGeneration", "AutoProcessor"),
    ("ForKeypointDetection", "keypoint-detection", "AutoModelForKeypointDetection", "AutoImageProcessor"),
    ("ForImageToImage", "image-to-image", "AutoModelForImageToImage", "AutoImageProcessor"),
    ("ForTextRetrieval", "text-retrieval", "AutoModel", "AutoTokenizer"),
    ("ForRetrieval", "visual-document-retrieval", "AutoModel", "AutoProcessor"),
    ("ForPrediction", "time-series-forecasting", "AutoModelForTimeSeriesPrediction", ""),
];

/// `…ForConditionalGeneration` says little; these types say more. Others generate text from text.
const SPEECH_TYPES: &[&str] =
    &["whisper", "speech_to_text", "moonshine", "granite_speech", "voxtral", "kyutai_speech_to_text"];
const AUDIO_CHAT_TYPES: &[&str] = &["qwen2_audio", "ultravox", "qwen2_5_omni", "qwen3_omni_moe"];
const TEXT_TO_TEXT_TYPES: &[&str] = &[
    "t5",
    "mt5",
    "umt5",
    "longt5",
    "bart",
    "mbart",
    "pegasus",
    "pegasus_x",
    "m2m_100",
    "blenderbot",
    "blenderbot-small",
    "led",
    "fsmt",
    "switch_transformers",
    "prophetnet",
    "bigbird_pegasus",
    "nllb-moe",
    "plbart",
    "mvp",
    "seamless_m4t",
    "marian",
    "t5gemma",
];
const IMAGE_TO_TEXT_TYPES: &[&str] =
    &["blip", "pix2struct", "git", "vision-encoder-decoder", "trocr", "udop", "donut-swin"];
/// `…Model` without a head: these compare images and texts.
const CLIP_TYPES: &[&str] = &["clip", "siglip", "siglip2", "align", "altclip", "chinese_clip", "metaclip_2"];
/// `…Model` of images alone.
const VISION_TYPES: &[&str] = &["vit", "dinov2", "dinov3_vit", "swin", "convnext", "beit", "hiera", "ijepa", "vit_mae"];

fn architecture(config: &Value) -> Option<&str> {
    config.get("architectures")?.as_array()?.iter().find_map(Value::as_str)
}

fn model_type(config: &Value) -> Option<&str> {
    config.get("model_type")?.as_str().filter(|t| !t.is_empty() && t.len() <= 100)
}

/// Task, auto class and processor of a configuration.
fn infer(config: &Value) -> Option<(&'static str, &'static str, &'static str)> {
    let architecture = architecture(config)?;
    let kind = model_type(config).unwrap_or_default();
    if let Some((_, task, class, processor)) = ARCHITECTURES.iter().find(|(end, ..)| architecture.ends_with(end)) {
        return Some((task, class, processor));
    }
    let has_vision = config.get("vision_config").is_some();
    Some(match () {
        () if SPEECH_TYPES.contains(&kind) => {
            ("automatic-speech-recognition", "AutoModelForSpeechSeq2Seq", "AutoProcessor")
        }
        () if AUDIO_CHAT_TYPES.contains(&kind) => ("audio-text-to-text", "AutoModel", "AutoProcessor"),
        () if IMAGE_TO_TEXT_TYPES.contains(&kind) => ("image-to-text", "AutoModelForImageTextToText", "AutoProcessor"),
        () if architecture.ends_with("ForConditionalGeneration") || architecture.ends_with("ForImageTextToText") => {
            if has_vision || kind.contains("vl") || kind.contains("llava") || kind == "paligemma" {
                ("image-text-to-text", "AutoModelForImageTextToText", "AutoProcessor")
            } else if TEXT_TO_TEXT_TYPES.contains(&kind) || config.get("is_encoder_decoder") == Some(&Value::Bool(true))
            {
                ("text2text-generation", "AutoModelForSeq2SeqLM", "AutoTokenizer")
            } else {
                ("text-generation", "AutoModelForCausalLM", "AutoTokenizer")
            }
        }
        () if architecture.ends_with("MTModel") => ("translation", "AutoModelForSeq2SeqLM", "AutoTokenizer"),
        () if CLIP_TYPES.contains(&kind) => {
            ("zero-shot-image-classification", "AutoModelForZeroShotImageClassification", "AutoProcessor")
        }
        () if VISION_TYPES.contains(&kind) => ("image-feature-extraction", "AutoModel", "AutoImageProcessor"),
        () if architecture.ends_with("Model") => ("feature-extraction", "AutoModel", "AutoTokenizer"),
        () => return None,
    })
}

/// The task that a `config.json` points to, from its `architectures` and `model_type`.
pub fn pipeline_of_config(config: &Value) -> Option<&'static str> {
    infer(config).map(|(task, ..)| task)
}

/// `transformersInfo` of a model whose `config.json` is one of `transformers`.
pub fn transformers_info(config: &Value) -> Option<TransformersInfo> {
    let custom = config.get("auto_map").and_then(Value::as_object).and_then(|map| {
        let (auto, class) = map.iter().find(|(auto, _)| auto.starts_with("AutoModel"))?;
        Some((auto.clone(), class.as_str()?.to_owned()))
    });
    let inferred = infer(config);
    if let Some((auto_model, class)) = custom {
        return Some(TransformersInfo {
            auto_model,
            custom_class: Some(class),
            pipeline_tag: inferred.map(|(task, ..)| task.to_owned()),
            processor: None,
        });
    }
    model_type(config)?;
    let (task, class, processor) = inferred?;
    Some(TransformersInfo {
        auto_model: class.to_owned(),
        custom_class: None,
        pipeline_tag: Some(task.to_owned()),
        processor: (!processor.is_empty()).then(|| processor.to_owned()),
    })
}

fn copy(to: &mut Map<String, Value>, from: &Value, keys: &[&str]) {
    for key in keys {
        let fits = |v: &&Value| match v {
            Value::String(text) => text.len() <= TEMPLATE_BYTES_MAX,
            Value::Null => false,
            Value::Array(items) => items.len() <= 64 && v.to_string().len() <= TEMPLATE_BYTES_MAX,
            Value::Object(_) => v.to_string().len() <= TEMPLATE_BYTES_MAX,
            _ => true,
        };
        if let Some(value) = from.get(key).filter(fits) {
            to.insert((*key).to_owned(), value.clone());
        }
    }
}

/// A special token is a text or an object with the text in `content`.
fn token(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str()).filter(|t| t.len() <= 256)
}

/// The `config` of model info: the parts of `config.json`, `tokenizer_config.json` and the chat template that
/// clients show.
pub fn model_config(config: Option<&Value>, tokenizer: Option<&Value>, chat_template: Option<&str>) -> Option<Value> {
    let mut out = Map::new();
    if let Some(config) = config {
        copy(&mut out, config, &["architectures", "model_type", "auto_map", "peft"]);
        if let Some(method) = config.get("quantization_config").and_then(|q| q.get("quant_method")) {
            out.insert("quantization_config".into(), json!({ "quant_method": method }));
        }
        // An adapter's own configuration.
        if config.get("peft_type").is_some() {
            let mut peft = Map::new();
            copy(&mut peft, config, &["base_model_name_or_path", "task_type", "peft_type"]);
            out.insert("peft".into(), Value::Object(peft));
        }
    }
    let mut words = Map::new();
    if let Some(tokenizer) = tokenizer {
        for key in ["bos_token", "cls_token", "eos_token", "mask_token", "pad_token", "sep_token", "unk_token"] {
            if let Some(text) = tokenizer.get(key).and_then(token) {
                words.insert(key.into(), text.into());
            }
        }
        copy(&mut words, tokenizer, &["chat_template", "use_default_system_prompt"]);
    }
    if !words.is_empty() {
        out.insert("tokenizer_config".into(), Value::Object(words));
    }
    if let Some(template) = chat_template.filter(|t| t.len() <= TEMPLATE_BYTES_MAX) {
        out.insert("chat_template_jinja".into(), template.into());
    }
    (!out.is_empty()).then_some(Value::Object(out))
}
