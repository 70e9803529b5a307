//! The attention that repositories draw now, as a number to sort by.
//!
//! Each person's first like of a repository counts [`LIKE_POINTS`] points, each day's downloads log₂(1 + downloads) of
//! them, and all of it fades by half every [`HALF_LIFE_DAYS`] days and is forgotten after [`WINDOW_DAYS`]. A like that
//! is taken back counts nothing, and one that is given again is as old as it was at first; many downloads in one day
//! count little more than a few. So nobody makes a repository trend by repeating themselves.

use std::collections::HashMap;

use haina_db::{jobs, repos, social};
use haina_types::{Result, Timestamp};
use serde_json::json;

use crate::App;

/// The job that counts again.
pub(crate) const TRENDING_JOB: &str = "repos.trending";

/// What a like counts, in points.
const LIKE_POINTS: f64 = 4.0;
/// After how many days attention counts half.
const HALF_LIFE_DAYS: f64 = 7.0;
/// After how many days it is forgotten.
const WINDOW_DAYS: i64 = 30;
/// The score in the database for one point.
const PER_POINT: f64 = 10.0;
/// Repositories counted at once.
const BATCH: usize = 500;

const DAY_SECONDS: i64 = 86_400;

/// What attention counts that was drawn this long ago.
fn faded(seconds: i64) -> f64 {
    let days = seconds.max(0) as f64 / DAY_SECONDS as f64;
    (-days / HALF_LIFE_DAYS).exp2()
}

/// The score of a repository: likes by their first moment, downloads by day since 1970.
fn score(now: Timestamp, likes: &[Timestamp], downloads: &[(i64, u64)]) -> i64 {
    let liked: f64 = likes.iter().map(|at| LIKE_POINTS * faded(now.seconds() - at.seconds())).sum();
    let used: f64 = downloads
        .iter()
        .map(|(day, count)| (1.0 + *count as f64).log2() * faded(now.seconds() - day * DAY_SECONDS - DAY_SECONDS / 2))
        .sum();
    ((liked + used) * PER_POINT).round() as i64
}

impl App {
    /// Queues the next count, unless it is queued.
    pub(crate) async fn queue_trending(&self) -> Result<()> {
        let now = self.now();
        let job = jobs::NewJob {
            kind: TRENDING_JOB,
            payload: &json!({}),
            dedup_key: Some("all"),
            run_at: now,
            attempts_max: 3,
            created_at: now,
        };
        let mut tx = self.db().begin().await?;
        jobs::enqueue(&mut tx, &job).await?;
        Ok(tx.commit().await?)
    }

    /// Counts the attention of every repository that draws any or did, and lets old downloads drop out of the recent
    /// ones. Returns how many scores changed.
    pub async fn refresh_trending(&self) -> Result<u64> {
        let now = self.now();
        let first_day = now.seconds().div_euclid(DAY_SECONDS) - WINDOW_DAYS;
        let since = now.plus_seconds(-WINDOW_DAYS * DAY_SECONDS);
        let mut tx = self.db().begin().await?;
        repos::recount_downloads(&mut tx, first_day, WINDOW_DAYS).await?;
        tx.commit().await?;

        let (mut after, mut changed) = (0, 0);
        loop {
            let scores = {
                let mut s = self.db().read().await?;
                let active = social::list_active(&mut s, after, BATCH).await?;
                let Some((last, _)) = active.last() else { return Ok(changed) };
                after = *last;
                let ids: Vec<i64> = active.iter().map(|(id, _)| *id).collect();
                let mut likes: HashMap<i64, Vec<Timestamp>> = HashMap::new();
                for (repo, at) in social::list_recent_likes(&mut s, &ids, since).await? {
                    likes.entry(repo).or_default().push(at);
                }
                let mut downloads: HashMap<i64, Vec<(i64, u64)>> = HashMap::new();
                for (repo, day, count) in social::list_recent_downloads(&mut s, &ids, first_day).await? {
                    downloads.entry(repo).or_default().push((day, count));
                }
                let of = |id: i64| {
                    let (likes, downloads) = (likes.get(&id), downloads.get(&id));
                    score(now, likes.map_or(&[], Vec::as_slice), downloads.map_or(&[], Vec::as_slice))
                };
                active
                    .iter()
                    .map(|(id, old)| (*id, *old, of(*id)))
                    .filter(|(_, old, new)| old != new)
                    .collect::<Vec<_>>()
            };
            if scores.is_empty() {
                continue;
            }
            let mut tx = self.db().begin().await?;
            for (id, _, new) in &scores {
                repos::set_trending(&mut tx, *id, *new).await?;
            }
            tx.commit().await?;
            changed += scores.len() as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn ago(days: i64) -> Timestamp {
        NOW.plus_seconds(-days * DAY_SECONDS)
    }

    #[test]
    fn attention_fades() {
        let today = score(NOW, &[NOW], &[]);
        assert_eq!(today, 40);
        assert_eq!(score(NOW, &[ago(7)], &[]), 20);
        assert!(score(NOW, &[ago(29)], &[]) < 3);
        // A clock that went back makes nothing count more than now.
        assert_eq!(score(NOW, &[NOW.plus_seconds(9_999_999)], &[]), today);
    }

    #[test]
    fn repeated_downloads_count_little() {
        let day = NOW.seconds().div_euclid(DAY_SECONDS);
        let few = score(NOW, &[], &[(day, 15)]);
        let many = score(NOW, &[], &[(day, 15_000_000)]);
        assert!(many < few * 7, "{few} {many}");
        let spread: Vec<(i64, u64)> = (0..10).map(|d| (day - d, 15)).collect();
        assert!(score(NOW, &[], &spread) > many / 2, "steady use counts as much as a flood in one day");
        assert!(score(NOW, &[NOW; 100], &[]) > 10 * many);
    }
}
