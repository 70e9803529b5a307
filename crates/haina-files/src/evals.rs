//! Results of evaluations (`.eval_results/*.yaml` of a model), and what makes a data set a benchmark (`eval.yaml`).
//!
//! Whoever made a mistake is told the field. What is not known is passed over, so that newer files can still be read.

use haina_types::{RepoPath, Timestamp};
use serde_json::{Map, Value, json};

use crate::card::parse_yaml;

/// Largest file that is read.
pub const FILE_BYTES_MAX: usize = 64 << 10;
/// Most results of one file.
pub const RESULTS_MAX: usize = 200;
/// Most tasks of a benchmark.
const TASKS_MAX: usize = 200;
/// Longest name, in characters.
const NAME_CHARS_MAX: usize = 200;
/// Longest address or note, in characters.
const TEXT_CHARS_MAX: usize = 2_000;
/// Longest proof.
const TOKEN_BYTES_MAX: usize = 8 << 10;

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalResult {
    /// The data set.
    pub dataset: RepoPath,
    /// The task, as the data set's `eval.yaml` names it.
    pub task: String,
    /// The value of the metric.
    pub value: f64,
    /// The fields that are known, as they were written.
    pub data: Value,
}

fn text<'a>(map: &'a Map<String, Value>, key: &str, at: &str, chars_max: usize) -> Result<Option<&'a str>, String> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= chars_max => Ok(Some(text)),
        Some(Value::String(_)) => Err(format!("{at}.{key} must have 1 to {chars_max} characters")),
        Some(_) => Err(format!("{at}.{key} must be a string")),
    }
}

fn needed<'a>(map: &'a Map<String, Value>, key: &str, at: &str, chars_max: usize) -> Result<&'a str, String> {
    text(map, key, at, chars_max)?.ok_or_else(|| format!("{at}.{key} is required"))
}

/// An ISO 8601 date, with a time or without.
fn is_date(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok() || (text.len() == 10 && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok())
}

fn yaml(content: &str, name: &str) -> Result<Value, String> {
    if content.len() > FILE_BYTES_MAX {
        return Err(format!("{name} is larger than {FILE_BYTES_MAX} bytes"));
    }
    // The reader of cards knows one file only.
    parse_yaml(content, 1, true).map_err(|e| e.message.replace("README.md", name))
}

fn result(item: &Value, at: &str) -> Result<EvalResult, String> {
    let map = item.as_object().ok_or_else(|| format!("{at} must be a mapping with \"dataset\" and \"value\""))?;
    let mut data = Map::new();
    let named = match map.get("dataset") {
        Some(Value::Object(named)) => named,
        Some(_) => return Err(format!("{at}.dataset must be a mapping with \"id\" and \"task_id\"")),
        None => return Err(format!("{at}.dataset is required")),
    };
    let id = needed(named, "id", &format!("{at}.dataset"), NAME_CHARS_MAX)?;
    let dataset: RepoPath = id.parse().map_err(|e| format!("{at}.dataset.id is not namespace/name: {e}"))?;
    let task = needed(named, "task_id", &format!("{at}.dataset"), NAME_CHARS_MAX)?;
    let mut shown = json!({"id": id, "task_id": task});
    if let Some(revision) = text(named, "revision", &format!("{at}.dataset"), NAME_CHARS_MAX)? {
        shown["revision"] = json!(revision);
    }
    data.insert("dataset".into(), shown);
    let value = match map.get("value") {
        Some(Value::Number(number)) => number.as_f64().filter(|n| n.is_finite()),
        Some(_) => None,
        None => return Err(format!("{at}.value is required")),
    };
    let value = value.ok_or_else(|| format!("{at}.value must be a number"))?;
    data.insert("value".into(), map["value"].clone());
    if let Some(token) = text(map, "verifyToken", at, TOKEN_BYTES_MAX)? {
        data.insert("verifyToken".into(), json!(token));
    }
    if let Some(date) = text(map, "date", at, NAME_CHARS_MAX)? {
        if !is_date(date) {
            return Err(format!("{at}.date must be an ISO 8601 date such as 2026-01-31 or 2026-01-31T12:00:00Z"));
        }
        data.insert("date".into(), json!(date));
    }
    match map.get("source") {
        None | Some(Value::Null) => {}
        Some(Value::Object(source)) => {
            let at = format!("{at}.source");
            let url = needed(source, "url", &at, TEXT_CHARS_MAX)?;
            if !(url.starts_with("https://") || url.starts_with("http://")) {
                return Err(format!("{at}.url must begin with https:// or http://"));
            }
            let mut shown = json!({"url": url});
            for key in ["name", "user", "org"] {
                if let Some(text) = text(source, key, &at, NAME_CHARS_MAX)? {
                    shown[key] = json!(text);
                }
            }
            data.insert("source".into(), shown);
        }
        Some(_) => return Err(format!("{at}.source must be a mapping with \"url\"")),
    }
    for (key, chars_max) in [("evaluation_framework", NAME_CHARS_MAX), ("notes", TEXT_CHARS_MAX)] {
        if let Some(text) = text(map, key, at, chars_max)? {
            data.insert(key.into(), json!(text));
        }
    }
    Ok(EvalResult { dataset, task: task.to_owned(), value, data: Value::Object(data) })
}

/// Reads a file of results. `name` is what it is called in what is said of it.
pub fn results(content: &str, name: &str) -> Result<Vec<EvalResult>, String> {
    let value = yaml(content, name)?;
    let items = value.as_array().ok_or_else(|| format!("{name} must be a list of results"))?;
    if items.len() > RESULTS_MAX {
        return Err(format!("{name} has more than {RESULTS_MAX} results"));
    }
    items.iter().enumerate().map(|(i, item)| result(item, &format!("{name}: [{i}]"))).collect()
}

/// Reads a data set's `eval.yaml`: the ids of its tasks, in their order.
pub fn benchmark(content: &str) -> Result<Vec<String>, String> {
    const NAME: &str = "eval.yaml";
    let value = yaml(content, NAME)?;
    let map = value.as_object().ok_or_else(|| format!("{NAME} must be a mapping with \"tasks\""))?;
    text(map, "name", NAME, NAME_CHARS_MAX)?;
    text(map, "description", NAME, 10 * TEXT_CHARS_MAX)?;
    text(map, "evaluation_framework", NAME, NAME_CHARS_MAX)?;
    let tasks = match map.get("tasks") {
        Some(Value::Array(tasks)) if !tasks.is_empty() && tasks.len() <= TASKS_MAX => tasks,
        _ => return Err(format!("{NAME}.tasks must be a list of 1 to {TASKS_MAX} tasks")),
    };
    let mut ids: Vec<String> = Vec::new();
    for (i, task) in tasks.iter().enumerate() {
        let at = format!("{NAME}.tasks[{i}]");
        let task = task.as_object().ok_or_else(|| format!("{at} must be a mapping with \"id\""))?;
        let id = needed(task, "id", &at, NAME_CHARS_MAX)?;
        for key in ["config", "split"] {
            text(task, key, &at, NAME_CHARS_MAX)?;
        }
        if ids.iter().any(|known| known == id) {
            return Err(format!("{at}.id is there twice: {id}"));
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
    use super::*;

    const NAME: &str = ".eval_results/x.yaml";

    #[test]
    fn results_are_read_as_they_were_written() {
        let text = "
- dataset: {id: cais/hle, task_id: default, revision: abc}
  value: 20.90
  verifyToken: t
  date: 2025-01-15
  source: {url: 'https://x.example/y', name: Logs, user: ann, more: ignored}
  evaluation_framework: hle
  notes: no-tools
  future: ignored
- dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}
  value: 1
";
        let found = results(text, NAME).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].dataset.to_string(), &*found[0].task, found[0].value),
            ("cais/hle".into(), "default", 20.9)
        );
        let want = json!({"dataset": {"id": "cais/hle", "task_id": "default", "revision": "abc"}, "value": 20.9, "verifyToken": "t",
            "date": "2025-01-15", "source": {"url": "https://x.example/y", "name": "Logs", "user": "ann"},
            "evaluation_framework": "hle", "notes": "no-tools"});
        assert_eq!(found[0].data, want);
        assert_eq!(found[1].data, json!({"dataset": {"id": "Idavidrein/gpqa", "task_id": "gpqa_diamond"}, "value": 1}));
        assert!(results("[]", NAME).unwrap().is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        let one = |rest: &str| format!("- dataset: {{id: a/b, task_id: t}}\n  {rest}\n");
        for (text, words) in [
            ("".to_owned(), "must be a list"),
            ("a: b".to_owned(), "must be a list"),
            ("- 1".to_owned(), ".eval_results/x.yaml: [0] must be a mapping"),
            ("- {value: 1}".to_owned(), "[0].dataset is required"),
            ("- {dataset: x, value: 1}".to_owned(), "[0].dataset must be a mapping"),
            ("- {dataset: {task_id: t}, value: 1}".to_owned(), "[0].dataset.id is required"),
            ("- {dataset: {id: nothing, task_id: t}, value: 1}".to_owned(), "[0].dataset.id is not namespace/name"),
            ("- {dataset: {id: a/b}, value: 1}".to_owned(), "[0].dataset.task_id is required"),
            (one(""), "[0].value is required"),
            (one("value: high"), "[0].value must be a number"),
            (one("value: .inf"), "non-finite"),
            (one("value: .nan"), "non-finite"),
            (one("value: [1]"), "[0].value must be a number"),
            (one("value: 1\n  date: yesterday"), "[0].date must be an ISO 8601 date"),
            (one("value: 1\n  date: 2025-13-45"), "[0].date must be an ISO 8601 date"),
            (one("value: 1\n  source: {name: x}"), "[0].source.url is required"),
            (one("value: 1\n  source: {url: 'javascript:x'}"), "[0].source.url must begin with"),
            (one("value: 1\n  source: x"), "[0].source must be a mapping"),
            (one("value: 1\n  notes: [x]"), "[0].notes must be a string"),
            (one(&format!("value: 1\n  notes: {}", "x".repeat(2001))), "[0].notes must have 1 to 2000 characters"),
            (one("value: 1\n  value: 2"), "line"),
            ("- [".to_owned(), "line"),
            ("- {dataset: {id: a/b, task_id: t}, value: 1}\n".repeat(201), "more than 200 results"),
            ("x".repeat(FILE_BYTES_MAX + 1), "is larger than"),
        ] {
            let e = results(&text, NAME).unwrap_err();
            assert!(
                e.contains(words) && e.contains("x.yaml") && !e.contains("README"),
                "{}: {e}",
                &text[..text.len().min(80)]
            );
        }
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let last = format!("*a{}", i - 1);
            bomb += &format!("a{i}: &a{i} [{}]\n", [last.as_str(); 10].join(","));
        }
        assert!(results(&bomb, NAME).is_err() && benchmark(&bomb).is_err());
        assert!(results(&"[".repeat(10_000), NAME).is_err());
        assert!(results("- &a [*a]", NAME).is_err());
    }

    #[test]
    fn a_benchmark_has_tasks() {
        let good = "name: X\ndescription: >\n  words\nevaluation_framework: inspect-ai\ntasks:\n- {id: a, config: default, split: test}\n- {id: b, more: 1}\n";
        assert_eq!(benchmark(good).unwrap(), ["a", "b"]);
        for (bad, words) in [
            ("", "must be a mapping"),
            ("tasks: []", "eval.yaml.tasks must be a list"),
            ("name: 1\ntasks: [{id: a}]", "eval.yaml.name must be a string"),
            ("tasks: [a]", "eval.yaml.tasks[0] must be a mapping"),
            ("tasks: [{split: a}]", "eval.yaml.tasks[0].id is required"),
            ("tasks: [{id: a}, {id: a}]", "eval.yaml.tasks[1].id is there twice"),
            ("tasks: [{id: a, split: 1}]", "eval.yaml.tasks[0].split must be a string"),
        ] {
            let e = benchmark(bad).unwrap_err();
            assert!(e.contains(words), "{bad}: {e}");
        }
    }
}
