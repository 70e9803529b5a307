//! Chat templates for runners that do not read Jinja. Ollama has a language of its own (Go's templates over `.System`,
//! `.Prompt` and `.Response`), so what a GGUF file brings is recognised by the markers of the few dialects that nearly all
//! models speak. A template of no known dialect is left alone: a wrong one makes a model babble.

/// A dialect, as Ollama writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dialect {
    /// Its name.
    pub name: &'static str,
    /// The template.
    pub template: &'static str,
    /// What ends an answer.
    pub stop: &'static [&'static str],
}

/// What must be in a Jinja template of a dialect, and what must not.
struct Rule {
    all: &'static [&'static str],
    none: &'static [&'static str],
    dialect: Dialect,
}

const RULES: &[Rule] = &[
    Rule {
        all: &["<|im_start|>", "<|im_end|>"],
        none: &["<|im_sep|>"],
        dialect: Dialect {
            name: "chatml",
            template: "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{ if .Prompt }}<|im_start|>user\n{{ .Prompt }}<|im_end|>\n{{ end }}<|im_start|>assistant\n{{ .Response }}<|im_end|>\n",
            stop: &["<|im_start|>", "<|im_end|>"],
        },
    },
    Rule {
        all: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        none: &[],
        dialect: Dialect {
            name: "llama3",
            template: "{{ if .System }}<|start_header_id|>system<|end_header_id|>\n\n{{ .System }}<|eot_id|>{{ end }}{{ if .Prompt }}<|start_header_id|>user<|end_header_id|>\n\n{{ .Prompt }}<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>\n\n{{ .Response }}<|eot_id|>",
            stop: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        },
    },
    Rule {
        all: &["<start_of_turn>", "<end_of_turn>"],
        none: &[],
        dialect: Dialect {
            name: "gemma",
            template: "<start_of_turn>user\n{{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}<end_of_turn>\n<start_of_turn>model\n{{ .Response }}<end_of_turn>\n",
            stop: &["<start_of_turn>", "<end_of_turn>"],
        },
    },
    Rule {
        all: &["[INST]", "[/INST]", "<<SYS>>"],
        none: &[],
        dialect: Dialect {
            name: "llama2",
            template: "[INST] {{ if .System }}<<SYS>>\n{{ .System }}\n<</SYS>>\n\n{{ end }}{{ .Prompt }} [/INST] {{ .Response }}</s>",
            stop: &["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"],
        },
    },
    Rule {
        all: &["[INST]", "[/INST]"],
        none: &["[SYSTEM_PROMPT]"],
        dialect: Dialect {
            name: "mistral",
            template: "[INST] {{ if .System }}{{ .System }}\n\n{{ end }}{{ .Prompt }}[/INST] {{ .Response }}</s>",
            stop: &["[INST]", "[/INST]"],
        },
    },
    Rule {
        all: &["<|user|>", "<|assistant|>", "<|end|>"],
        none: &["<|channel|>"],
        dialect: Dialect {
            name: "phi3",
            template: "{{ if .System }}<|system|>\n{{ .System }}<|end|>\n{{ end }}{{ if .Prompt }}<|user|>\n{{ .Prompt }}<|end|>\n{{ end }}<|assistant|>\n{{ .Response }}<|end|>\n",
            stop: &["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"],
        },
    },
    Rule {
        all: &["<|user|>", "<|assistant|>", "eos_token"],
        none: &["<|end|>", "[gMASK]"],
        dialect: Dialect {
            name: "zephyr",
            template: "{{ if .System }}<|system|>\n{{ .System }}</s>\n{{ end }}{{ if .Prompt }}<|user|>\n{{ .Prompt }}</s>\n{{ end }}<|assistant|>\n{{ .Response }}</s>\n",
            stop: &["<|system|>", "<|user|>", "<|assistant|>", "</s>"],
        },
    },
];

/// The dialect of a Jinja template, if it is one of those known. `eos_token` is the text that ends a sequence: a template
/// that ends its turns with another one is another dialect.
pub fn dialect(jinja: &str, eos_token: Option<&str>) -> Option<Dialect> {
    let fits = |rule: &&Rule| {
        rule.all.iter().all(|mark| jinja.contains(mark)) && !rule.none.iter().any(|mark| jinja.contains(mark))
    };
    let found = RULES.iter().find(fits)?.dialect;
    let ends_otherwise = found.template.contains("</s>") && eos_token.is_some_and(|eos| eos != "</s>");
    (!ends_otherwise).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_told_apart() {
        let name = |jinja: &str, eos: &str| dialect(jinja, Some(eos)).map(|d| d.name);
        assert_eq!(name("{{'<|im_start|>' + role + '\\n' + content + '<|im_end|>'}}", "<|im_end|>"), Some("chatml"));
        assert_eq!(name("<|start_header_id|>user<|end_header_id|>x<|eot_id|>", "<|eot_id|>"), Some("llama3"));
        assert_eq!(name("<start_of_turn>model\n<end_of_turn>", "<eos>"), Some("gemma"));
        assert_eq!(name("[INST] <<SYS>>\n[/INST]", "</s>"), Some("llama2"));
        assert_eq!(name("[INST] x [/INST]", "</s>"), Some("mistral"));
        assert_eq!(name("<|user|>\nx<|end|>\n<|assistant|>", "<|end|>"), Some("phi3"));
        assert_eq!(name("'<|user|>\n' + content + eos_token + '<|assistant|>'", "</s>"), Some("zephyr"));
        for (other, eos) in [
            ("", "</s>"),
            ("{{ messages }}", "</s>"),
            ("<|im_start|>user<|im_sep|>x<|im_end|>", "<|im_end|>"),
            ("[INST] x [/INST] [SYSTEM_PROMPT]", "</s>"),
            ("[INST] x [/INST]", "<|end|>"),
            ("[gMASK]<sop><|user|>x<|assistant|> eos_token", "</s>"),
            ("<|start|><|user|><|assistant|><|channel|><|end|>", "<|return|>"),
        ] {
            assert_eq!(name(other, eos), None, "{other}");
        }
    }

    #[test]
    fn templates_are_whole() {
        for rule in RULES {
            let text = rule.dialect.template;
            assert!(
                text.contains("{{ .Response }}") && text.contains("{{ .Prompt }}") && text.contains("{{ .System }}")
            );
            assert_eq!(text.matches("{{ if").count(), text.matches("{{ end }}").count(), "{}", rule.dialect.name);
            assert!(!rule.dialect.stop.is_empty());
        }
    }
}
