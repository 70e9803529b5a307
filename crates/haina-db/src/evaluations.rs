//! Results of evaluations that models bring with them, and the benchmarks among data sets.

use crate::people::namespace_columns;
use crate::repos::{REPO_COLUMNS, Repo, Viewer, repo_columns};
use crate::sql::{Row, Value, statements, values};
use crate::{Result, Session};

statements! {
    FORGET = point("delete from evaluation where repo_id = $1");
    INSERT = point(
        "insert into evaluation (repo_id, filename, error, dataset, task, value, data) values ($1, $2, $3, $4, $5, $6, $7)"
    );
    LIST = long_pair(
        "select repo_id, filename, error, data from evaluation where repo_id in (select value from json_each($1)) order by id",
        "select repo_id, filename, error, data from evaluation where repo_id = any($1) order by id"
    );
    // Derived models name what they come from, which is a tag; ';' follows ':'.
    LEADERS = long_pair(
        concat!(
            "select ", repo_columns!(), ", e.filename, e.value, e.data
             from evaluation e join repo r on r.id = e.repo_id join namespace n on n.id = r.ns_id
             where e.dataset = $1 and e.task = $2 and r.kind = 'model' and r.disabled_reason is null
                 and (r.visibility = 'public' or $3 = 1 or r.ns_id in (select value from json_each($4)))
                 and ($5 = 1 or not exists (
                     select 1 from repo_tag t where t.repo_id = r.id and t.tag >= 'base_model:' and t.tag < 'base_model;'))
             order by e.value desc, e.id limit $6"
        ),
        concat!(
            "select ", repo_columns!(), ", e.filename, e.value, e.data
             from evaluation e join repo r on r.id = e.repo_id join namespace n on n.id = r.ns_id
             where e.dataset = $1 and e.task = $2 and r.kind = 'model' and r.disabled_reason is null
                 and (r.visibility = 'public' or $3 = 1 or r.ns_id = any($4))
                 and ($5 = 1 or not exists (
                     select 1 from repo_tag t where t.repo_id = r.id and t.tag >= 'base_model:' and t.tag < 'base_model;'))
             order by e.value desc, e.id limit $6"
        )
    );
    PUT_BENCHMARK = point(
        "insert into benchmark (repo_id, tasks, error) values ($1, $2, $3)
         on conflict (repo_id) do update set tasks = excluded.tasks, error = excluded.error"
    );
    DELETE_BENCHMARK = point("delete from benchmark where repo_id = $1");
    FIND_BENCHMARK = point("select tasks, error from benchmark where repo_id = $1");
}

/// A result as it was read, or why a file cannot be.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvaluation {
    /// The path of its file.
    pub filename: String,
    /// What was read, or why nothing was.
    pub outcome: std::result::Result<Outcome, String>,
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The folded name of the data set.
    pub dataset: String,
    /// The task.
    pub task: String,
    /// The value of the metric.
    pub value: f64,
    /// The result as clients get it, as JSON.
    pub data: String,
}

/// A result as it is shown with its model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The path of its file.
    pub filename: String,
    /// The result as JSON, or why the file cannot be read.
    pub outcome: std::result::Result<String, String>,
}

/// A result in a leaderboard.
#[derive(Debug, Clone, PartialEq)]
pub struct Leader {
    /// The model.
    pub repo: Repo,
    /// The path of its file.
    pub filename: String,
    /// The value of the metric.
    pub value: f64,
    /// The result as JSON.
    pub data: String,
}

/// A data set's `eval.yaml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Benchmark {
    /// Its tasks, as a JSON list.
    pub tasks: String,
    /// Why it cannot be read.
    pub error: Option<String>,
}

/// Replaces what a model's files say of its evaluations.
pub async fn put(s: &mut Session, repo: i64, all: &[NewEvaluation]) -> Result<()> {
    s.exec(&FORGET, &values![repo]).await?;
    let sets: Vec<[Value<'_>; 7]> = all
        .iter()
        .map(|e| {
            let (outcome, error) = (e.outcome.as_ref().ok(), e.outcome.as_ref().err());
            values![
                repo,
                &e.filename,
                error.map(String::as_str),
                outcome.map(|o| o.dataset.as_str()),
                outcome.map(|o| o.task.as_str()),
                outcome.map(|o| o.value),
                outcome.map(|o| o.data.as_str())
            ]
        })
        .collect();
    let sets: Vec<&[Value<'_>]> = sets.iter().map(|set| &set[..]).collect();
    if sets.is_empty() {
        return Ok(());
    }
    s.exec_each(&INSERT, &sets).await.map(drop)
}

fn evaluation(row: &Row) -> Result<(i64, Evaluation)> {
    let outcome = match (row.opt_string(3)?, row.opt_string(2)?) {
        (Some(data), None) => Ok(data),
        (_, error) => Err(error.unwrap_or_default()),
    };
    Ok((row.int(0)?, Evaluation { filename: row.string(1)?, outcome }))
}

/// What models' files say of their evaluations, with the model of each, in the order of their files.
pub async fn list(s: &mut Session, repos: &[i64]) -> Result<Vec<(i64, Evaluation)>> {
    s.rows(&LIST, &[Value::Ints(repos)]).await?.iter().map(evaluation).collect()
}

/// The results for a task of a data set, the highest first, of models that this viewer may know.
pub async fn leaders(
    s: &mut Session,
    dataset: &str,
    task: &str,
    viewer: &Viewer,
    with_derived: bool,
    limit: usize,
) -> Result<Vec<Leader>> {
    let (all, own): (bool, &[i64]) = match viewer {
        Viewer::Everyone => (false, &[]),
        Viewer::User { ns_ids, .. } => (false, ns_ids),
        Viewer::All => (true, &[]),
    };
    let rows = s.rows(&LEADERS, &values![dataset, task, all, Value::Ints(own), with_derived, limit]).await?;
    let leader = |r: &Row| {
        Ok(Leader {
            repo: Repo::from_row(r)?,
            filename: r.string(REPO_COLUMNS)?,
            value: r.real(REPO_COLUMNS + 1)?,
            data: r.string(REPO_COLUMNS + 2)?,
        })
    };
    rows.iter().map(leader).collect()
}

/// Says what a data set's `eval.yaml` is, or that it has none.
pub async fn put_benchmark(s: &mut Session, repo: i64, benchmark: Option<&Benchmark>) -> Result<()> {
    match benchmark {
        Some(b) => s.exec(&PUT_BENCHMARK, &values![repo, &b.tasks, b.error.as_deref()]).await.map(drop),
        None => s.exec(&DELETE_BENCHMARK, &values![repo]).await.map(drop),
    }
}

/// A data set's `eval.yaml`, if it has one.
pub async fn find_benchmark(s: &mut Session, repo: i64) -> Result<Option<Benchmark>> {
    let row = s.opt(&FIND_BENCHMARK, &values![repo]).await?;
    row.map(|r| Ok(Benchmark { tasks: r.string(0)?, error: r.opt_string(1)? })).transpose()
}
