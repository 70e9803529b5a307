//! How models were evaluated, as their own files say, and the leaderboards of benchmarks.
//!
//! Everything here is declared, nothing verified: this hub runs no evaluation, so no result is called verified.

use std::collections::{HashMap, HashSet};

use haina_db::evaluations::{self as db, Benchmark, NewEvaluation, Outcome};
use haina_files::evals;
use haina_types::{Code, Error, FilePath, Oid, RepoKind, Result};
use serde_json::json;

use crate::gate::{ContentAccess, ReadAccess};
use crate::history::Entry;
use crate::{App, Caller};

pub use haina_db::evaluations::{Evaluation, Leader};

/// Where models keep them.
const FOLDER: &str = ".eval_results/";
/// Most files of one model.
const FILES_MAX: usize = 50;
/// Most results of one model.
const RESULTS_MAX: usize = 1_000;
/// Most rows that a leaderboard is made from.
const LEADERS_MAX: usize = 2_000;

/// What the files of a main branch say of evaluations.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) results: Vec<NewEvaluation>,
    pub(super) benchmark: Option<Benchmark>,
}

impl Read {
    /// Replaces what was known, on the transaction that writes a repository's other facts.
    pub(super) async fn put(&self, tx: &mut haina_db::Session, repo: i64) -> Result<()> {
        db::put(tx, repo, &self.results).await?;
        db::put_benchmark(tx, repo, self.benchmark.as_ref()).await?;
        Ok(())
    }
}

fn read_results(text: &str, filename: &str) -> Vec<NewEvaluation> {
    let made = |outcome| NewEvaluation { filename: filename.to_owned(), outcome };
    match evals::results(text, filename) {
        Err(error) => vec![made(Err(error))],
        Ok(found) => found
            .into_iter()
            .map(|r| {
                let dataset = format!("{}/{}", r.dataset.namespace.fold(), r.dataset.name.fold());
                made(Ok(Outcome { dataset, task: r.task, value: r.value, data: r.data.to_string() }))
            })
            .collect(),
    }
}

impl App {
    async fn eval_file(&self, access: &ContentAccess, commit: Oid, path: &FilePath) -> Result<Option<String>> {
        // One more than is read of it, so that a larger one is told so and not passed over.
        let bytes = self.read_small(access, commit, path, 4 * evals::FILE_BYTES_MAX as u64).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    pub(super) async fn read_evaluations(&self, access: &ContentAccess, commit: Oid, files: &[Entry]) -> Result<Read> {
        let mut read = Read::default();
        match access.repo().kind {
            RepoKind::Model => {
                let named = files.iter().filter(|f| {
                    let rest = f.path.as_str().strip_prefix(FOLDER);
                    rest.is_some_and(|r| !r.contains('/') && (r.ends_with(".yaml") || r.ends_with(".yml")))
                });
                for file in named.take(FILES_MAX) {
                    let name = file.path.as_str();
                    let mut found = match self.eval_file(access, commit, &file.path).await? {
                        // Parsing what was made to be slow takes a while, even within its limits.
                        Some(text) => {
                            let name = name.to_owned();
                            let read = move || read_results(&text, &name);
                            tokio::task::spawn_blocking(read).await.map_err(Error::internal)?
                        }
                        None => {
                            let error = format!("{name} is larger than {} bytes", evals::FILE_BYTES_MAX);
                            vec![NewEvaluation { filename: name.to_owned(), outcome: Err(error) }]
                        }
                    };
                    found.truncate(RESULTS_MAX - read.results.len());
                    read.results.append(&mut found);
                }
            }
            RepoKind::Dataset => {
                let path: FilePath = "eval.yaml".parse().map_err(Error::internal)?;
                if let Some(text) = self.eval_file(access, commit, &path).await? {
                    read.benchmark = Some(match evals::benchmark(&text) {
                        Ok(tasks) => Benchmark { tasks: json!(tasks).to_string(), error: None },
                        Err(error) => Benchmark { tasks: "[]".to_owned(), error: Some(error) },
                    });
                }
            }
            RepoKind::Space | RepoKind::Kernel | RepoKind::Bucket => {}
        }
        Ok(read)
    }

    /// What a model's files say of its evaluations.
    pub async fn list_evaluations(&self, access: &ReadAccess) -> Result<Vec<Evaluation>> {
        let mut s = self.db().read().await?;
        Ok(db::list(&mut s, &[access.repo().id]).await?.into_iter().map(|(_, e)| e).collect())
    }

    /// The same of the repositories of a list that the gate has let through, by their rows.
    pub async fn evaluations_of_list(&self, list: &[super::RepoSummary]) -> Result<HashMap<i64, Vec<Evaluation>>> {
        let ids: Vec<i64> = list.iter().map(|summary| summary.repo.id).collect();
        let mut s = self.db().read().await?;
        let mut found: HashMap<i64, Vec<Evaluation>> = HashMap::new();
        for (repo, evaluation) in db::list(&mut s, &ids).await? {
            found.entry(repo).or_default().push(evaluation);
        }
        Ok(found)
    }

    /// The leaderboard of a benchmark for one of its tasks, the first if none is named: each model with its highest value,
    /// of those that the caller may know.
    pub async fn leaderboard(
        &self,
        caller: &Caller,
        access: &ReadAccess,
        task: Option<&str>,
        with_derived: bool,
    ) -> Result<Vec<Leader>> {
        let viewer = self.viewer(caller).await?;
        let path = access.repo().path();
        let mut s = self.db().read().await?;
        let none = |words: String| Error::new(Code::NotFound, format!("This dataset has no leaderboard: {words}"));
        let benchmark = db::find_benchmark(&mut s, access.repo().id)
            .await?
            .ok_or_else(|| none("it has no eval.yaml, which would make it a benchmark.".to_owned()))?;
        if let Some(error) = benchmark.error {
            return Err(none(format!("{error}.")));
        }
        let tasks: Vec<String> = serde_json::from_str(&benchmark.tasks).map_err(Error::internal)?;
        let task = match task {
            None => tasks.first(),
            Some(task) => tasks.iter().find(|known| *known == task),
        };
        let task = task.ok_or_else(|| {
            Error::new(Code::NotFound, format!("This benchmark has no such task. It has: {}.", tasks.join(", ")))
        })?;
        let dataset = format!("{}/{}", path.namespace.fold(), path.name.fold());
        let mut leaders = db::leaders(&mut s, &dataset, task, &viewer, with_derived, LEADERS_MAX).await?;
        let mut seen = HashSet::new();
        leaders.retain(|leader| seen.insert(leader.repo.id));
        Ok(leaders)
    }
}
