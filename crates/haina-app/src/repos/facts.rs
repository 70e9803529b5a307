//! What the files of the main branch say of a repository, kept beside it so that lists and filters need not read files.

use std::collections::BTreeSet;
use std::sync::Arc;

use haina_db::{git, jobs, repos, search};
use haina_files::{Card, Parsed, card::CARD_BYTES_MAX, config::CONFIG_BYTES_MAX};
use haina_types::{FilePath, Oid, RefName, RepoKind, Result, Timestamp, XetHash};
use serde_json::{Value, json};

use super::evaluations;
use crate::gate::ContentAccess;
use crate::history::Entry;
use crate::{App, words};

/// Most weight files whose headers are read for one repository.
const HEADERS_MAX: usize = 64;
/// First bytes read of a weight file.
const HEADER_FIRST_BYTES: u64 = 256 << 10;
/// Most bytes of a header that are read for its facts.
const HEADER_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a card whose words are looked for.
const TEXT_BYTES_MAX: usize = 128 << 10;
/// How often facts are read again because the branch moved meanwhile.
const TRIES_MAX: usize = 8;

/// Queues the reading of a repository's facts on the transaction that makes it necessary.
pub(crate) async fn enqueue_facts(tx: &mut haina_db::Session, repo: i64, at: Timestamp) -> Result<()> {
    let payload = json!({"repo": repo});
    let key = format!("repo:{repo}");
    let job = jobs::NewJob {
        kind: "repo.facts",
        payload: &payload,
        dedup_key: Some(&key),
        run_at: at,
        attempts_max: 10,
        created_at: at,
    };
    jobs::enqueue(tx, &job).await?;
    Ok(())
}

impl App {
    /// Queues the reading of those repositories whose words were made by other rules than ours, or never.
    pub(crate) async fn index_the_rest(&self) -> Result<()> {
        let mut after = 0;
        loop {
            let found = {
                let mut s = self.db().read().await?;
                search::list_without_text(&mut s, after, words::VERSION, 500).await?
            };
            let Some(last) = found.last() else { return Ok(()) };
            after = *last;
            let mut tx = self.db().begin().await?;
            for repo in found {
                enqueue_facts(&mut tx, repo, self.now()).await?;
            }
            tx.commit().await?;
        }
    }

    /// Reads the facts again, if they are not those of the main branch's head.
    pub(crate) async fn refresh_facts(&self, repo_id: i64) -> Result<()> {
        for _ in 0..TRIES_MAX {
            let (repo, head) = {
                let mut s = self.db().read().await?;
                let Some(repo) = repos::find_repo_by_id(&mut s, repo_id).await? else { return Ok(()) };
                let Some(head) = git::find_ref(&mut s, repo_id, &RefName::main()).await? else { return Ok(()) };
                if repos::find_card(&mut s, repo_id).await?.is_some_and(|card| card.commit == head.oid)
                    && search::text_version(&mut s, repo_id).await? == Some(words::VERSION)
                {
                    return Ok(());
                }
                (repo, head.oid)
            };
            let access = ContentAccess::of_system(Arc::new(repo));
            let (card, tags, words, evaluations) = self.read_facts(&access, head).await?;
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let used = self.used_bytes(&access, head).await?;
            let mut tx = self.db().begin().await?;
            // Written only for the head that was read: a later commit's facts are never overwritten by an earlier one's.
            git::lock_repo(&mut tx, repo_id).await?;
            let now = git::find_ref(&mut tx, repo_id, &RefName::main()).await?;
            match now {
                Some(now) if now.oid == head => {
                    repos::put_card(&mut tx, repo_id, &card).await?;
                    repos::put_tags(&mut tx, repo_id, &tags).await?;
                    evaluations.put(&mut tx, repo_id).await?;
                    search::put_text(&mut tx, repo_id, &words, words::VERSION).await?;
                    if let Some(repo) = repos::find_repo_by_id(&mut tx, repo_id).await? {
                        let more = used.cast_signed() - repo.used_bytes.cast_signed();
                        repos::add_used_bytes(&mut tx, repo_id, more).await?;
                    }
                    return Ok(tx.commit().await?);
                }
                Some(_) => {}
                None => return Ok(()),
            }
        }
        // Whoever moved the branch meanwhile reads the facts themselves, and the queued job is there too.
        Ok(())
    }

    /// Bytes of the files at a commit, each content counted once.
    async fn used_bytes(&self, access: &ContentAccess, commit: Oid) -> Result<u64> {
        let files = self.list_files(access, commit).await?;
        let contents: std::collections::HashMap<String, u64> = files.iter().map(|f| (f.etag(), f.size)).collect();
        Ok(contents.values().sum())
    }

    async fn read_json(&self, access: &ContentAccess, commit: Oid, path: &str) -> Result<Option<Value>> {
        let Ok(path) = path.parse::<FilePath>() else { return Ok(None) };
        let bytes = self.read_small(access, commit, &path, CONFIG_BYTES_MAX as u64).await?;
        // A file that is not JSON says nothing.
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()))
    }

    async fn read_facts(
        &self,
        access: &ContentAccess,
        commit: Oid,
    ) -> Result<(repos::Card, Vec<String>, BTreeSet<String>, evaluations::Read)> {
        let kind = access.repo().kind;
        let files = self.list_files(access, commit).await?;
        let paths: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
        let has = |name: &str| paths.binary_search(&name).is_ok() || paths.contains(&name);
        let readme: FilePath = "README.md".parse().map_err(haina_types::Error::internal)?;
        let text = self.read_small(access, commit, &readme, CARD_BYTES_MAX as u64).await?.unwrap_or_default();
        let card = Card::parse_lenient(&String::from_utf8_lossy(&text));
        let facts = card.facts();

        let mut config = None;
        let mut shown = None;
        if kind == RepoKind::Model {
            config = match self.read_json(access, commit, "config.json").await? {
                None if has("adapter_config.json") => self.read_json(access, commit, "adapter_config.json").await?,
                found => found,
            };
            let tokenizer = self.read_json(access, commit, "tokenizer_config.json").await?;
            shown = haina_files::model_config(config.as_ref(), tokenizer.as_ref(), None);
            if let (Some(shown), Some(info)) = (&mut shown, config.as_ref().and_then(haina_files::transformers_info)) {
                shown["transformersInfo"] = json!(info);
            }
        }
        let mut tags = haina_files::tags_of(kind, &card, &paths, config.as_ref());
        let (safetensors, gguf) = self.read_headers(access, &files).await?;
        tags.dedup();
        let parameters = safetensors.as_ref().or(gguf.as_ref()).and_then(|v| v["total"].as_u64());
        let words = words::of(texts(access.repo(), &card, &tags));
        let text = |value: Option<Value>| value.map(|v| v.to_string());
        let row = repos::Card {
            commit,
            card: card.data.clone().map(|data| Value::Object(data).to_string()),
            config: text(shown),
            safetensors: text(safetensors),
            gguf: text(gguf),
            pipeline_tag: haina_files::pipeline_tag_of(&facts, &paths, config.as_ref()),
            library_name: haina_files::library_of(&facts, &paths, config.as_ref()),
            description: (kind == RepoKind::Dataset).then(|| first_paragraph(&card.body)).flatten(),
            parameters,
        };
        let evaluations = self.read_evaluations(access, commit, &files).await?;
        Ok((row, tags, words, evaluations))
    }

    /// Parameter counts from the headers of weight files.
    async fn read_headers(&self, access: &ContentAccess, files: &[Entry]) -> Result<(Option<Value>, Option<Value>)> {
        let mut sum: Option<haina_files::safetensors::Summary> = None;
        let mut gguf = None;
        let weights = files.iter().filter_map(|f| {
            let name = f.path.as_str();
            let ending = name.rsplit_once('.').map_or("", |(_, e)| e);
            f.xet.filter(|_| matches!(ending, "safetensors" | "gguf")).map(|xet| (ending, xet, f.size))
        });
        for (ending, xet, size) in weights.take(HEADERS_MAX) {
            if ending == "safetensors" {
                let read = |prefix: &[u8]| haina_files::safetensors::header(prefix, Some(size));
                if let Some(found) = self.read_header(access, &xet, size, read).await? {
                    sum.get_or_insert_default().add(&found);
                }
            } else if gguf.is_none() {
                let read = |prefix: &[u8]| haina_files::gguf::header(prefix, Some(size));
                gguf = self.read_header(access, &xet, size, read).await?;
            }
        }
        let sum = sum.map(|s| json!({"parameters": s.parameters, "total": s.total}));
        Ok((sum, gguf.map(|g| json!(g))))
    }

    /// The header at the beginning of a stored file; `None` when it is not one, or unreasonably long.
    pub(super) async fn read_header<T, E>(
        &self,
        access: &ContentAccess,
        file: &XetHash,
        size: u64,
        read: impl Fn(&[u8]) -> std::result::Result<Parsed<T>, E>,
    ) -> Result<Option<T>> {
        use futures_util::TryStreamExt;
        let mut want = HEADER_FIRST_BYTES.min(size);
        loop {
            let mut prefix = Vec::new();
            if want > 0 {
                let mut stream = self.open_content(access, file, Some(0..want)).await?;
                while let Some(part) = stream.try_next().await? {
                    prefix.extend_from_slice(&part);
                }
            }
            match read(&prefix) {
                Ok(Parsed::Ready(found)) => return Ok(Some(found)),
                // A header whose length is not known beforehand asks for a little more each time: twice as much is
                // read, so that the whole is read at most twice.
                Ok(Parsed::NeedsBytes(more)) if more > want && more <= HEADER_BYTES_MAX.min(size) => {
                    want = more.max(2 * want).min(HEADER_BYTES_MAX).min(size);
                }
                // A file that only has the name says nothing.
                _ => return Ok(None),
            }
        }
    }
}

/// The texts by whose words a repository is found.
fn texts<'a>(repo: &'a repos::Repo, card: &'a Card, tags: &'a [String]) -> impl Iterator<Item = &'a str> {
    let titles = ["title", "pretty_name", "model_name", "short_description"];
    let titles = titles.into_iter().filter_map(|key| card.data.as_ref()?.get(key)?.as_str());
    let body = &card.body[..card.body.floor_char_boundary(TEXT_BYTES_MAX)];
    [repo.namespace.name.as_str(), &repo.namespace.full_name, repo.name.as_str()]
        .into_iter()
        .chain(titles)
        .chain(tags.iter().map(String::as_str))
        .chain([body])
}

/// The first lines of prose of a card, without headings.
fn first_paragraph(body: &str) -> Option<String> {
    let mut text = String::new();
    for line in body.lines().map(str::trim) {
        if line.is_empty() && !text.is_empty() {
            break;
        }
        if line.is_empty() || line.starts_with('#') || line.starts_with('<') {
            continue;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(line);
    }
    (!text.is_empty()).then(|| text.chars().take(600).collect())
}
