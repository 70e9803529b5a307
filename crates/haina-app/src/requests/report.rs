//! All requests of a repository as a table, for its owners.

use std::collections::BTreeSet;

use haina_db::gates::{self, AccessRequest, AccessStatus};
use haina_types::{Code, Error, Result};
use serde_json::{Map, Value};

use crate::App;
use crate::gate::WriteAccess;

/// Most rows of a report.
const ROWS_MAX: usize = 100_000;
/// Rows of one query.
const STEP: usize = 1000;
/// Most columns for answers to forms: a form has at most fifty fields, but it may have changed.
const FIELDS_MAX: usize = 200;

/// One cell, quoted. What a table program would take for a formula begins with an apostrophe.
pub(crate) fn cell(out: &mut String, text: &str) {
    out.push('"');
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        out.push('\'');
    }
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}

fn answers(request: &AccessRequest) -> Map<String, Value> {
    request.fields.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn table(requests: &[AccessRequest]) -> String {
    let labels: BTreeSet<String> =
        requests.iter().flat_map(|r| answers(r).into_iter().map(|(label, _)| label)).collect();
    let labels: Vec<String> = labels.into_iter().take(FIELDS_MAX).collect();
    let mut out = String::new();
    let fixed = ["username", "fullname", "email", "status", "rejection_reason", "timestamp"];
    for (i, label) in fixed.into_iter().chain(labels.iter().map(String::as_str)).enumerate() {
        if i > 0 {
            out.push(',');
        }
        cell(&mut out, label);
    }
    out.push_str("\r\n");
    for r in requests {
        let email = r.email.as_deref().filter(|_| !r.by_hand).unwrap_or_default();
        let at = r.created_at.to_string();
        let fixed = [r.user.as_str(), &r.full_name, email, r.status.as_str(), r.reason.as_deref().unwrap_or(""), &at];
        for (i, text) in fixed.into_iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            cell(&mut out, text);
        }
        let answers = answers(r);
        for label in &labels {
            out.push(',');
            match answers.get(label) {
                Some(Value::String(text)) => cell(&mut out, text),
                Some(other) => cell(&mut out, &other.to_string()),
                None => cell(&mut out, ""),
            }
        }
        out.push_str("\r\n");
    }
    out
}

impl App {
    /// All requests, as comma-separated values.
    pub async fn request_report(&self, access: &WriteAccess) -> Result<String> {
        let repo = access.repo();
        if repo.gated.is_none() {
            return Err(super::not_gated());
        }
        let mut all: Vec<AccessRequest> = Vec::new();
        let mut s = self.db().read().await?;
        for status in AccessStatus::ALL {
            let mut after = 0;
            loop {
                let part = gates::list_requests(&mut s, repo.id, status, after, STEP).await?;
                let Some(last) = part.last() else { break };
                after = last.id;
                all.extend(part);
                if all.len() > ROWS_MAX {
                    return Err(Error::new(
                        Code::TooLarge,
                        format!("There are more than {ROWS_MAX} requests: list them page by page instead."),
                    ));
                }
            }
        }
        all.sort_unstable_by_key(|r| r.id);
        Ok(table(&all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haina_types::{Slug, Timestamp};

    #[test]
    fn cells_are_no_formulas() {
        let request = AccessRequest {
            id: 1,
            public_id: "0".repeat(24),
            repo_id: 1,
            user_id: 2,
            user: Slug::from_stored("eve"),
            full_name: "=1+1\"x".into(),
            email: Some("eve@example.org".into()),
            status: AccessStatus::Pending,
            by_hand: true,
            fields: Some(r#"{"Why, really":"a\nb"}"#.into()),
            reason: None,
            created_at: Timestamp(0),
            decided_at: None,
        };
        let text = table(&[request]);
        let mut lines = text.split("\r\n");
        assert!(lines.next().unwrap().ends_with(",\"Why, really\""));
        let row = lines.next().unwrap();
        assert!(row.starts_with("\"eve\",\"'=1+1\"\"x\",\"\",\"pending\",\"\","), "{row}");
        assert!(row.ends_with(",\"a\nb\""), "{row}");
    }
}
