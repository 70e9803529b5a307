//! `haina admin audit`

use std::io::Write;

use anyhow::Context;
use clap::{Args, ValueEnum};
use futures_util::StreamExt;
use haina_app::audit::{AuditEvent, AuditQuery, Form, parse_moment};
use haina_app::gate::AuditAccess;
use haina_types::Timestamp;

use crate::{Store, print};

/// What happened, newest first: who did what to what.
#[derive(Args)]
pub struct Audit {
    #[command(flatten)]
    store: Store,
    /// Only by this user.
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only of this kind, such as repo.create; repo.* for all that begin so.
    #[arg(long)]
    action: Option<String>,
    /// Only about this: namespace/name, datasets/namespace/name, buckets/namespace/name, repo:N by the number in the ledger,
    /// or all that a namespace has.
    #[arg(long)]
    target: Option<String>,
    /// Only from this date (2026-01-31) or moment (2026-01-31T12:00:00Z) on.
    #[arg(long, value_parser = moment)]
    since: Option<Timestamp>,
    /// Only before this date or moment.
    #[arg(long, value_parser = moment)]
    until: Option<Timestamp>,
    /// How many lines; an export has all.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Write all of it, in this form.
    #[arg(long, value_name = "FORM")]
    export: Option<Export>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Export {
    /// One JSON object a line.
    Jsonl,
    /// Comma-separated values.
    Csv,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    parse_moment(text)
        .ok_or_else(|| "expected a date such as 2026-01-31, or a moment such as 2026-01-31T12:00:00Z".to_owned())
}

/// One event on one line, with tabs between.
fn line(event: &AuditEvent) -> String {
    let about = match &event.repo {
        Some(repo) => {
            let kind = repo.kind.map_or("repo", haina_types::RepoKind::as_str);
            let name = repo.name.clone().unwrap_or_else(|| format!("repo:{}", repo.id));
            format!("{kind} {name}{}", if repo.gone { " (gone)" } else { "" })
        }
        None => event.namespace.clone().unwrap_or_else(|| "-".to_owned()),
    };
    let actor = event.actor.as_deref().unwrap_or("-");
    format!("{}\t{}\t{}\t{actor}\t{about}\t{}", event.id, event.date, event.action, event.data)
}

impl Audit {
    /// Does it.
    pub async fn run(self) -> anyhow::Result<()> {
        let app = self.store.open_existing().await?;
        let query = AuditQuery {
            actor: self.actor,
            action: self.action,
            target: self.target,
            since: self.since,
            until: self.until,
            limit: Some(self.limit.into()),
            cursor: None,
        };
        let access = AuditAccess::of_operator();
        let form = match self.export {
            None => {
                for event in app.audit(&access, &query).await?.items {
                    print(&line(&event));
                }
                return Ok(());
            }
            Some(Export::Jsonl) => Form::Lines,
            Some(Export::Csv) => Form::Csv,
        };
        let mut parts = app.export_audit(&access, &query, form).await?;
        let mut out = std::io::stdout().lock();
        while let Some(part) = parts.next().await {
            out.write_all(&part?).context("cannot write to standard output")?;
        }
        out.flush().context("cannot write to standard output")
    }
}
