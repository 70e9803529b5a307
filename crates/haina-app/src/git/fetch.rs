//! `git-upload-pack`: clones and fetches.

use std::collections::HashSet;
use std::sync::Arc;

use haina_db::git_pack;
use haina_git::ObjectKind;
use haina_git::wire::{
    FetchRequest, RequestV0, RequestV2, Version, delim_to, flush_to, line_to, list_refs, negotiate_v0, negotiate_v2,
    parse_v0, parse_v2,
};
use haina_types::{Code, Error, Oid, Result};

use super::Answer;
use super::cache::{After, Base, Missed, Shape};
use super::feed::{Bands, Feed, feed};
use super::graph::{Ends, Graph, Shared};
use super::refs::{Chain, advertisement, kinds};
use super::select::{Chosen, Selection, Wants};
use super::shallow::{Shallow, find};
use crate::App;
use crate::gate::ContentAccess;

/// Most bytes of a request, inflated: some three hundred thousand lines.
pub const FETCH_BYTES_MAX: usize = 16 << 20;

/// A fetch that has been understood.
pub(super) struct Fetch {
    pub(super) repo: i64,
    pub(super) request: FetchRequest,
    pub(super) wants: Wants,
    pub(super) graph: Graph,
    pub(super) shallow: Shallow,
}

impl App {
    /// Answers one request of a client that fetches. What is wrong with the request is said in the protocol itself.
    pub async fn git_fetch(&self, access: &ContentAccess, version: Version, body: &[u8]) -> Result<Answer> {
        let answer = match version {
            Version::V2 => self.fetch_v2(access.repo().id, body).await,
            _ => self.fetch_v0(access.repo().id, body).await,
        };
        match answer {
            Err(e) if matches!(e.code, Code::Invalid | Code::TooLarge) => Ok(Answer::refusal(&e.message)),
            answer => answer,
        }
    }

    async fn fetch_v2(&self, repo: i64, body: &[u8]) -> Result<Answer> {
        let request = parse_v2(body).map_err(|e| Error::invalid(e.to_string()))?;
        let mut out = Vec::new();
        match request {
            None => Ok(Answer::whole(out)),
            Some(RequestV2::LsRefs(asked)) => {
                let mut s = self.db().read().await?;
                Ok(Answer::whole(list_refs(&asked, &advertisement(self, &mut s, repo).await?)))
            }
            Some(RequestV2::Fetch { fetch, haves, done, wait_for_done }) => {
                if fetch.wants.is_empty() && !wait_for_done {
                    return Ok(Answer::whole(out));
                }
                let mut s = self.db().read().await?;
                let mut fetch = Fetch::open(self, &mut s, repo, fetch).await?;
                fetch.look_at(&mut s, &haves, done).await?;
                let negotiated = negotiate_v2(&fetch.shared(), &haves, done, wait_for_done, &mut out);
                if !negotiated.send || fetch.request.wants.is_empty() {
                    return Ok(Answer::whole(out));
                }
                fetch.find_ends(self, &mut s).await?;
                drop(s);
                if fetch.shallow.is_asked || !fetch.request.shallows.is_empty() {
                    line_to(&mut out, "shallow-info");
                    fetch.shallow.write(&mut out);
                    delim_to(&mut out);
                }
                line_to(&mut out, "packfile");
                Ok(self.send(fetch, negotiated.common, Bands::Large, out))
            }
        }
    }

    async fn fetch_v0(&self, repo: i64, body: &[u8]) -> Result<Answer> {
        let request = parse_v0(body).map_err(|e| Error::invalid(e.to_string()))?;
        let mut out = Vec::new();
        let Some(request) = request else { return Ok(Answer::whole(out)) };
        let mut s = self.db().read().await?;
        let mut fetch = Fetch::open(self, &mut s, repo, request.fetch.clone()).await?;
        fetch.find_ends(self, &mut s).await?;
        if fetch.shallow.is_asked {
            fetch.shallow.write(&mut out);
            flush_to(&mut out);
        }
        if request.steps.is_empty() {
            // It only asked where its history will end.
            return Ok(Answer::whole(out));
        }
        let haves: Vec<Oid> = request
            .steps
            .iter()
            .filter_map(|step| match step {
                haina_git::wire::Step::Have(oid) => Some(*oid),
                _ => None,
            })
            .collect();
        fetch.look_at(&mut s, &haves, false).await?;
        let negotiated = negotiate_v0(&fetch.shared(), &request, &mut out);
        drop(s);
        if !negotiated.send {
            return Ok(Answer::whole(out));
        }
        Ok(self.send(fetch, negotiated.common, bands_of(&request), out))
    }

    /// The answer that a pack follows.
    fn send(&self, fetch: Fetch, common: HashSet<Oid>, bands: Bands, head: Vec<u8>) -> Answer {
        use tracing::Instrument;
        let (mut feed, stream) = feed(bands, fetch.request.no_progress);
        let app = self.clone();
        let work = async move {
            let after = match app.pack(fetch, common, &mut feed).await {
                Ok(after) => after,
                Err(e) => {
                    // A client that went away is no trouble of ours.
                    if e.code == Code::Internal {
                        tracing::error!(cause = %e.chain(), "a pack could not be sent");
                    }
                    return feed.fail(e).await;
                }
            };
            // The client has everything and need not wait for the rest.
            drop(feed);
            if let Err(e) = app.after_pack(after).await {
                tracing::error!(cause = %e.chain(), "the use of packs could not be noted");
            }
        };
        tokio::spawn(work.in_current_span());
        Answer { head: head.into(), rest: Some(stream) }
    }

    async fn pack(&self, mut fetch: Fetch, common: HashSet<Oid>, feed: &mut Feed) -> Result<After> {
        let (shape, ready) = {
            let mut s = self.db().read().await?;
            let shape = self.shape_of(&mut s, &fetch, &common).await?;
            let ready = match &shape {
                Some(shape) => git_pack::find_pack(&mut s, fetch.repo, &shape.key).await?,
                None => None,
            };
            (shape, ready)
        };
        if let Some(ready) = ready
            && self.send_ready(&ready, &[], feed).await?
        {
            return Ok(After::Used(ready));
        }
        let mut chosen = self.choose(&mut fetch, &common, shape.as_ref().filter(|s| s.whole), feed).await?;
        if let Some(base) = chosen.1 {
            if self.send_ready(&base, &chosen.0, feed).await? {
                return Ok(After::Missed(Missed::new(fetch, &chosen.0, Some(base))));
            }
            chosen = self.choose(&mut fetch, &common, None, feed).await?;
        }
        let objects = chosen.0;
        feed.send_pack(self, fetch.repo, &objects).await?;
        Ok(if shape.is_some() { After::Missed(Missed::new(fetch, &objects, None)) } else { After::Nothing })
    }

    /// Finds what to send. With a shape, a pack that is ready may be chosen to begin with; it is not among the objects.
    pub(super) async fn choose(
        &self,
        fetch: &mut Fetch,
        common: &HashSet<Oid>,
        shape: Option<&Shape>,
        feed: &mut Feed,
    ) -> Result<(Vec<Chosen>, Option<git_pack::Pack>)> {
        let repo = fetch.repo;
        let _permit = self.git().walks.acquire().await.map_err(Error::internal)?;
        let mut s = self.db().read().await?;
        let base = match shape {
            Some(shape) => self.find_base(&mut s, &mut fetch.graph, repo, shape).await?,
            None => None,
        };
        let shallow = &fetch.shallow;
        let mut tips = fetch.wants.tips.clone();
        tips.extend(&shallow.more);
        let mut haves: Vec<Oid> = common.iter().copied().collect();
        haves.extend(&shallow.unshallow);
        let mut selection = Selection::new(self, repo, fetch.request.filter);
        let base = match base {
            Some(Base { pack, sent }) => {
                haves.extend(&pack.tips);
                selection = selection.without(sent);
                Some(pack)
            }
            None => None,
        };
        let ends = Ends { tips, haves, client: &shallow.client, stops: &shallow.stops };
        let new = fetch.graph.list_new(&mut s, &ends).await?;
        selection.add_wants(&mut s, &fetch.wants, feed).await?;
        selection.add_commits(&mut s, &fetch.graph, &new, &shallow.stops, feed).await?;
        if fetch.request.include_tag {
            selection.add_tags(&tag_chains(self, &mut s, repo).await?);
        }
        Ok((selection.finish(&mut s, feed).await?, base))
    }
}

fn bands_of(request: &RequestV0) -> Bands {
    if request.has("side-band-64k") {
        Bands::Large
    } else if request.has("side-band") {
        Bands::Small
    } else {
        Bands::None
    }
}

/// Every annotated tag that a reference points to.
pub(super) async fn tag_chains(app: &App, s: &mut haina_db::Session, repo: i64) -> Result<Vec<Arc<Chain>>> {
    let mut chains = Vec::new();
    for found in advertisement(app, s, repo).await?.refs {
        if found.peeled.is_some() {
            chains.push(app.peel_tag(s, repo, found.oid).await?);
        }
    }
    Ok(chains)
}

impl Fetch {
    /// Finds what is wanted: only what this repository has.
    pub(super) async fn open(app: &App, s: &mut haina_db::Session, repo: i64, request: FetchRequest) -> Result<Self> {
        let mut graph = Graph::new(repo);
        graph.load(s, &request.wants).await?;
        let others: Vec<Oid> = request.wants.iter().copied().filter(|w| graph.get(w).is_none()).collect();
        let kinds = kinds(s, repo, &others).await?;
        let mut wants = Wants { asked: request.wants.iter().copied().collect(), ..Wants::default() };
        let not_ours = |oid: &Oid| Error::invalid(format!("upload-pack: not our ref {oid}"));
        for want in &request.wants {
            if graph.get(want).is_some() {
                wants.tips.push(*want);
                continue;
            }
            match kinds.get(want) {
                Some(ObjectKind::Tree) => wants.trees.push(*want),
                Some(ObjectKind::Blob) => wants.blobs.push(*want),
                Some(ObjectKind::Tag) => {
                    let chain = app.peel_tag(s, repo, *want).await?;
                    wants.tags.extend(&chain.tags);
                    // What a tag is of was asked for with it.
                    wants.asked.insert(chain.target);
                    match chain.kind {
                        ObjectKind::Tree => wants.trees.push(chain.target),
                        ObjectKind::Blob => wants.blobs.push(chain.target),
                        _ => wants.tips.push(chain.target),
                    }
                }
                // A commit without a row is one that never became part of the repository.
                Some(ObjectKind::Commit) | None if *want != haina_git::EMPTY_TREE => return Err(not_ours(want)),
                _ => wants.trees.push(*want),
            }
        }
        graph.load(s, &wants.tips).await?;
        Ok(Self { repo, request, wants, graph, shallow: Shallow::default() })
    }

    fn shared(&self) -> Shared<'_> {
        Shared { graph: &self.graph, tips: &self.wants.tips }
    }

    /// Reads what a negotiation will look at.
    async fn look_at(&mut self, s: &mut haina_db::Session, haves: &[Oid], done: bool) -> Result<()> {
        self.graph.load(s, haves).await?;
        if done {
            return Ok(());
        }
        let lowest = haves.iter().filter_map(|h| self.graph.get(h)).map(|n| n.generation).min();
        if let Some(lowest) = lowest {
            self.graph.load_below(s, &self.wants.tips, lowest).await?;
        }
        Ok(())
    }

    pub(super) async fn find_ends(&mut self, app: &App, s: &mut haina_db::Session) -> Result<()> {
        self.shallow = find(app, s, self.repo, &mut self.graph, &self.request, &self.wants.tips).await?;
        Ok(())
    }
}
