//! Histories that end early: `--depth`, `--shallow-since`, `--shallow-exclude`.

use std::collections::{HashMap, HashSet};

use haina_db::git;
use haina_git::wire::FetchRequest;
use haina_types::{Error, Oid, RefName, Result};

use super::graph::Graph;
use super::refs::kinds;
use crate::App;

/// Where a client's history ends, and will end.
#[derive(Default)]
pub(super) struct Shallow {
    /// Whether the client must be told, even of nothing.
    pub(super) is_asked: bool,
    /// New ends.
    pub(super) shallow: Vec<Oid>,
    /// Ends that are none any more.
    pub(super) unshallow: Vec<Oid>,
    /// Where the client's history ends now.
    pub(super) client: HashSet<Oid>,
    /// Below these nothing is sent.
    pub(super) stops: HashSet<Oid>,
    /// What lies below the ends that are none any more.
    pub(super) more: Vec<Oid>,
}

/// The lines for the client, the same in every version.
impl Shallow {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        for oid in &self.shallow {
            haina_git::wire::line_to(out, &format!("shallow {oid}"));
        }
        for oid in &self.unshallow {
            haina_git::wire::line_to(out, &format!("unshallow {oid}"));
        }
    }
}

/// The commit that a `deepen-not` line names, in the order in which git tries names.
async fn named(app: &App, s: &mut haina_db::Session, repo: i64, name: &str) -> Result<Option<Oid>> {
    for full in [name.to_owned(), format!("refs/{name}"), format!("refs/tags/{name}"), format!("refs/heads/{name}")] {
        let full = if full == "HEAD" { RefName::main().to_string() } else { full };
        let Ok(full) = full.parse::<RefName>() else { continue };
        let Some(found) = git::find_ref(s, repo, &full).await? else { continue };
        return Ok(match kinds(s, repo, &[found.oid]).await?.get(&found.oid) {
            Some(haina_git::ObjectKind::Tag) => Some(app.peel_tag(s, repo, found.oid).await?.target),
            _ => Some(found.oid),
        });
    }
    Ok(None)
}

/// Finds the ends for a request whose wanted commits are `tips`.
pub(super) async fn find(
    app: &App,
    s: &mut haina_db::Session,
    repo: i64,
    graph: &mut Graph,
    asked: &FetchRequest,
    tips: &[Oid],
) -> Result<Shallow> {
    graph.load(s, &asked.shallows).await?;
    // One that is not known here says nothing of the history here.
    let client: HashSet<Oid> = asked.shallows.iter().copied().filter(|c| graph.get(c).is_some()).collect();
    let mut out = Shallow { stops: client.clone(), client, ..Shallow::default() };
    let deepen = &asked.deepen;
    if !deepen.is_asked() {
        return Ok(out);
    }
    out.is_asked = true;
    // Commits that the client will have with all their parents, and those at which its history will end.
    let mut inside: HashSet<Oid> = HashSet::new();
    let mut ends: Vec<Oid> = Vec::new();
    match deepen.depth {
        Some(u32::MAX) => inside.extend(&out.client),
        Some(depth) if deepen.relative && !out.client.is_empty() => {
            let lowest = out.client.iter().filter_map(|c| graph.get(c)).map(|n| n.generation).min().unwrap_or(1);
            let reach = graph.load_below(s, tips, lowest).await?;
            let from: Vec<Oid> = out.client.iter().copied().filter(|c| reach.contains(c)).collect();
            by_depth(s, graph, &from, depth.saturating_add(1), &mut inside, &mut ends).await?;
        }
        Some(depth) => by_depth(s, graph, tips, depth, &mut inside, &mut ends).await?,
        None => {
            let mut not = Vec::new();
            for name in &deepen.not {
                let found = named(app, s, repo, name).await?;
                not.push(found.ok_or_else(|| Error::invalid(format!("deepen-not is not a ref: {name}")))?);
            }
            let excluded = graph.load_below(s, &not, 0).await?;
            let taken = by_time(s, graph, tips, deepen.since, &excluded).await?;
            if taken.is_empty() {
                return Err(Error::invalid("no commits selected for shallow requests"));
            }
            // A commit that loses a parent loses them all, so what only it leads to is not part of the new history.
            let mut open: Vec<Oid> = tips.to_vec();
            let mut seen = HashSet::new();
            while let Some(oid) = open.pop() {
                let Some(node) = graph.get(&oid).filter(|_| taken.contains(&oid) && seen.insert(oid)) else { continue };
                if node.parents.iter().all(|p| taken.contains(p)) {
                    inside.insert(oid);
                    open.extend(node.parents.iter());
                } else {
                    ends.push(oid);
                }
            }
        }
    }
    ends.sort_unstable();
    out.shallow = ends.iter().copied().filter(|c| !out.client.contains(c)).collect();
    out.unshallow = out.client.iter().copied().filter(|c| inside.contains(c)).collect();
    out.unshallow.sort_unstable();
    for oid in &out.unshallow {
        out.stops.remove(oid);
        out.more.extend(graph.get(oid).into_iter().flat_map(|n| n.parents.iter().copied()));
    }
    out.stops.extend(ends);
    Ok(out)
}

async fn by_depth(
    s: &mut haina_db::Session,
    graph: &mut Graph,
    from: &[Oid],
    depth: u32,
    inside: &mut HashSet<Oid>,
    ends: &mut Vec<Oid>,
) -> Result<()> {
    let mut seen: HashMap<Oid, u32> = HashMap::new();
    let mut level: Vec<Oid> = from.to_vec();
    let mut at = 0;
    while !level.is_empty() {
        at += 1;
        graph.load(s, &level).await?;
        let mut next = Vec::new();
        for oid in level {
            let Some(node) = graph.get(&oid) else { continue };
            if seen.insert(oid, at).is_some() {
                continue;
            }
            if at >= depth {
                ends.push(oid);
            } else {
                inside.insert(oid);
                next.extend(node.parents.iter().copied().filter(|p| !seen.contains_key(p)));
            }
        }
        next.sort_unstable();
        next.dedup();
        level = next;
    }
    Ok(())
}

async fn by_time(
    s: &mut haina_db::Session,
    graph: &mut Graph,
    tips: &[Oid],
    since: Option<i64>,
    excluded: &HashSet<Oid>,
) -> Result<HashSet<Oid>> {
    let mut taken = HashSet::new();
    let mut level: Vec<Oid> = tips.to_vec();
    while !level.is_empty() {
        graph.load(s, &level).await?;
        let mut next = Vec::new();
        for oid in level {
            let Some(node) = graph.get(&oid) else { continue };
            if since.is_some_and(|since| node.seconds < since) || excluded.contains(&oid) || !taken.insert(oid) {
                continue;
            }
            next.extend(node.parents.iter().copied().filter(|p| !taken.contains(p)));
        }
        next.sort_unstable();
        next.dedup();
        level = next;
    }
    Ok(taken)
}
