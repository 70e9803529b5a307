//! The form before a gate, as the card describes it: `extra_gated_heading`, `extra_gated_prompt`,
//! `extra_gated_description`, `extra_gated_button_content` and `extra_gated_fields`.

use std::collections::BTreeMap;

use haina_db::{git, repos};
use haina_files::card::CARD_BYTES_MAX;
use haina_types::{Error, FilePath, RefName, Result};
use serde_json::Value;
use std::sync::Arc;

use crate::App;
use crate::gate::{ContentAccess, ReadAccess};

/// Most fields of a form; what a card has beyond is not asked.
const FIELDS_MAX: usize = 50;
/// Most choices of one field.
const CHOICES_MAX: usize = 300;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 2000;
/// Longest text of the card in a form, in characters.
const TEXT_CHARS_MAX: usize = 10_000;

/// What a field takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// A line.
    Text,
    /// A tick, which must be set.
    Checkbox,
    /// A day.
    Date,
    /// A country, in words.
    Country,
    /// One of these: value, label.
    Select(Vec<(String, String)>),
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// Its label, which is also its name.
    pub label: String,
    /// What it takes.
    pub kind: FieldKind,
}

/// A form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateForm {
    /// Above it.
    pub heading: Option<String>,
    /// What one agrees to.
    pub prompt: Option<String>,
    /// Below the heading.
    pub description: Option<String>,
    /// On its button.
    pub button: Option<String>,
    /// What is asked.
    pub fields: Vec<FormField>,
}

fn text(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    (!text.is_empty()).then(|| text.chars().take(TEXT_CHARS_MAX).collect())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

fn field_kind(value: &Value) -> FieldKind {
    let name = value.as_str().or_else(|| value.get("type").and_then(Value::as_str)).unwrap_or("text");
    match name {
        "checkbox" => FieldKind::Checkbox,
        "date_picker" => FieldKind::Date,
        "country" => FieldKind::Country,
        "select" => {
            let options = value.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let choice = |option: &Value| match option {
                Value::Object(map) => {
                    let label = map.get("label").and_then(scalar)?;
                    let value = map.get("value").and_then(scalar).unwrap_or_else(|| label.clone());
                    Some((value, label))
                }
                other => scalar(other).map(|text| (text.clone(), text)),
            };
            FieldKind::Select(options.iter().filter_map(choice).take(CHOICES_MAX).collect())
        }
        _ => FieldKind::Text,
    }
}

impl GateForm {
    /// As a card describes it. `yaml` is its front matter as written, for the order of the fields.
    fn of_card(card: &Value, yaml: &str) -> Self {
        let mut fields: Vec<FormField> = match card.get("extra_gated_fields") {
            Some(Value::Object(map)) => {
                map.iter().map(|(label, value)| FormField { label: label.clone(), kind: field_kind(value) }).collect()
            }
            _ => Vec::new(),
        };
        // A parsed map is sorted; the author's order is where each label stands first.
        let asked = yaml.find("extra_gated_fields").and_then(|at| yaml.get(at..)).unwrap_or(yaml);
        fields.sort_by_key(|f| asked.find(&f.label).unwrap_or(usize::MAX));
        fields.truncate(FIELDS_MAX);
        Self {
            heading: text(card.get("extra_gated_heading")),
            prompt: text(card.get("extra_gated_prompt")),
            description: text(card.get("extra_gated_description")),
            button: text(card.get("extra_gated_button_content")),
            fields,
        }
    }

    /// The answers to keep, or what is missing. What was not asked is left out.
    pub(super) fn check(&self, answers: &BTreeMap<String, String>) -> Result<BTreeMap<String, Value>> {
        let mut kept = BTreeMap::new();
        for FormField { label, kind } in &self.fields {
            let answer = answers.get(label).map(|a| a.trim()).filter(|a| !a.is_empty());
            let Some(answer) = answer else {
                return Err(Error::invalid(format!("\"{label}\" is required.")));
            };
            if answer.len() > ANSWER_BYTES_MAX {
                return Err(Error::invalid(format!("\"{label}\" has at most {ANSWER_BYTES_MAX} bytes.")));
            }
            let value = match kind {
                FieldKind::Checkbox if matches!(answer, "on" | "true" | "1") => Value::Bool(true),
                FieldKind::Checkbox => return Err(Error::invalid(format!("\"{label}\" must be agreed to."))),
                FieldKind::Select(choices) if !choices.iter().any(|(value, _)| value == answer) => {
                    return Err(Error::invalid(format!("\"{label}\" must be one of its choices.")));
                }
                FieldKind::Date if !is_day(answer) => {
                    return Err(Error::invalid(format!("\"{label}\" must be a day, such as 2026-01-31.")));
                }
                _ => Value::String(answer.to_owned()),
            };
            kept.insert(label.clone(), value);
        }
        Ok(kept)
    }
}

/// Whether a text has the form of a day of ISO 8601.
fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() })
        && (1..=12).contains(&text[5..7].parse().unwrap_or(0))
        && (1..=31).contains(&text[8..10].parse().unwrap_or(0))
}

impl App {
    /// The form before the gate of a repository. The card is open to all who may know it.
    pub async fn gate_form(&self, access: &ReadAccess) -> Result<GateForm> {
        let repo = access.repo();
        let head = {
            let mut s = self.db().read().await?;
            let card = repos::find_card(&mut s, repo.id).await?;
            if card.is_some_and(|c| c.card.is_none_or(|text| !text.contains("extra_gated"))) {
                return Ok(GateForm::default());
            }
            git::find_ref(&mut s, repo.id, &RefName::main()).await?
        };
        let Some(head) = head else { return Ok(GateForm::default()) };
        let readme: FilePath = "README.md".parse().map_err(Error::internal)?;
        let content = ContentAccess::of_system(Arc::new(repo.clone()));
        let bytes = self.read_small(&content, head.oid, &readme, CARD_BYTES_MAX as u64).await?.unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let yaml = haina_files::card::split(&text).yaml.unwrap_or_default();
        let card = haina_files::Card::parse_lenient(&text);
        Ok(GateForm::of_card(&card.data.map_or(Value::Null, Value::Object), yaml))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "extra_gated_heading: Read first\nextra_gated_fields:\n  Zweck:\n    type: select\n    options:\n    - Research\n    - label: Something else\n      value: other\n  Birthday: date_picker\n  Affiliation: text\n  I agree: checkbox\n";

    fn form() -> GateForm {
        let yaml = haina_files::card::parse_yaml(CARD, 1, false).unwrap();
        GateForm::of_card(&yaml, CARD)
    }

    fn check(pairs: &[(&str, &str)]) -> Result<BTreeMap<String, Value>> {
        form().check(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn fields_stand_in_the_authors_order() {
        let form = form();
        assert_eq!(form.heading.as_deref(), Some("Read first"));
        let labels: Vec<_> = form.fields.iter().map(|f| f.label.as_str()).collect();
        assert_eq!(labels, ["Zweck", "Birthday", "Affiliation", "I agree"]);
        let pair = |v: &str, l: &str| (v.to_owned(), l.to_owned());
        let choices = vec![pair("Research", "Research"), pair("other", "Something else")];
        assert_eq!(form.fields[0].kind, FieldKind::Select(choices));
    }

    #[test]
    fn answers_are_checked_one_by_one() {
        let good = [("Zweck", "other"), ("Birthday", "2000-02-29"), ("Affiliation", " Lab "), ("I agree", "on")];
        let kept = check(&[&good[..], &[("unasked", "x")]].concat()).unwrap();
        assert_eq!(kept.len(), 4);
        assert_eq!(kept["Affiliation"], "Lab");
        assert_eq!(kept["I agree"], true);
        let long = "x".repeat(ANSWER_BYTES_MAX + 1);
        for (field, bad) in [
            ("Zweck", "War"),
            ("Birthday", "2000-13-01"),
            ("Affiliation", " "),
            ("Affiliation", &long),
            ("I agree", "no"),
        ] {
            let mut answers = good.to_vec();
            answers.retain(|(k, _)| *k != field);
            let e = check(&answers).unwrap_err();
            assert!(e.message.contains(field), "{e:?}");
            answers.push((field, bad));
            let e = check(&answers).unwrap_err();
            assert!(e.message.contains(field), "{e:?}");
        }
    }
}
