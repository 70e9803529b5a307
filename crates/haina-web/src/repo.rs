//! `/{ns}/{name}`, `/datasets/…`, `/spaces/…`: decide whether to use it, then how.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::history::TreeOptions;
use haina_app::requests::Standing;
use haina_types::{RepoKind, Timestamp, Visibility};

use crate::address::RepoAddress;
use crate::layout::{Layout, Section};
use crate::likes::Likes;
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{FileRow, RepoHead, Tab, file_rows, is_bare, publish_commands, shorten, strings};
use crate::target::Target;
use crate::visit::{Answer, Visit, go, show};

/// Files listed below the card.
const FILES_SHOWN: usize = 12;

/// A repository's first page.
#[derive(Template)]
#[template(path = "repo.html")]
pub(crate) struct RepoPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub facts: Facts,
    pub uses: Vec<Way>,
    /// The rendered card; the application has sanitized it, and it is the only text that a template does not escape.
    pub card: Option<Arc<str>>,
    /// Whether there is a card, shown or not.
    pub has_readme: bool,
    pub files: Vec<FileRow>,
    pub files_total: u64,
    pub is_empty: bool,
    /// What is to be said of its gate, if it has one.
    pub gate: Option<&'static str>,
    /// The commands that put something in, for those who may.
    pub publish: Option<String>,
}

/// What is known, and by whom.
pub(crate) struct Facts {
    pub licence: Option<String>,
    pub size: Option<u64>,
    pub task: Option<String>,
    pub library: Option<String>,
    pub base_models: Vec<Link>,
    pub datasets: Vec<Link>,
    pub languages: Vec<String>,
    pub downloads: Option<u64>,
    pub updated: Timestamp,
    pub commit: Option<String>,
}

impl Facts {
    /// The language that the card is most likely written in: the first that it declares.
    fn lang(&self) -> Option<&str> {
        let is_code = |code: &&str| (2..=3).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_lowercase());
        self.languages.first().map(String::as_str).filter(is_code)
    }

    fn licence_tag(&self) -> String {
        format!("license:{}", self.licence.as_deref().unwrap_or_default())
    }
}

/// A repository that metadata names. It may not be here, so the link may lead to a page that says so.
pub(crate) struct Link {
    pub url: String,
    pub text: String,
}

impl Link {
    /// To a repository of `kind`.
    pub fn to(kind: RepoKind, id: &str) -> Self {
        let url = match id.split_once('/') {
            Some((namespace, name)) => RepoAddress { kind, namespace: namespace.into(), name: name.into() }.url(),
            None => format!("/{}?search={}", kind.plural(), crate::address::segment(id)),
        };
        Self { url, text: id.to_owned() }
    }
}

/// One way to use it: the tool, and what to type.
pub(crate) struct Way {
    pub title: &'static str,
    pub text: String,
}

/// The ways to use a repository. `file` is one that is worth fetching alone.
pub(crate) fn ways(
    base_url: &str,
    ssh_url: Option<&str>,
    at: &RepoAddress,
    private: bool,
    library: Option<&str>,
    file: Option<&str>,
) -> Vec<Way> {
    let id = at.id();
    let flag = match at.kind {
        RepoKind::Model => String::new(),
        kind => format!(" --repo-type {kind}"),
    };
    let mut ways = vec![Way { title: "hf", text: format!("HF_ENDPOINT={base_url} hf download {id}{flag}") }];
    let endpoint = format!("import os\nos.environ[\"HF_ENDPOINT\"] = \"{base_url}\"\n");
    match (at.kind, library) {
        (RepoKind::Model, Some("transformers")) => ways.push(Way {
            title: "transformers",
            text: format!("{endpoint}from transformers import AutoModel, AutoTokenizer\ntokenizer = AutoTokenizer.from_pretrained(\"{id}\")\nmodel = AutoModel.from_pretrained(\"{id}\")"),
        }),
        (RepoKind::Model, Some("diffusers")) => ways.push(Way {
            title: "diffusers",
            text: format!("{endpoint}from diffusers import DiffusionPipeline\npipeline = DiffusionPipeline.from_pretrained(\"{id}\")"),
        }),
        (RepoKind::Model, Some("sentence-transformers")) => ways.push(Way {
            title: "sentence-transformers",
            text: format!("{endpoint}from sentence_transformers import SentenceTransformer\nmodel = SentenceTransformer(\"{id}\")"),
        }),
        (RepoKind::Dataset, _) => ways.push(Way {
            title: "datasets",
            text: format!("{endpoint}from datasets import load_dataset\ndata = load_dataset(\"{id}\")"),
        }),
        _ => {}
    }
    if let Some(file) = file {
        let bearer = if private { "-H \"Authorization: Bearer $HF_TOKEN\" " } else { "" };
        ways.push(Way { title: "curl", text: format!("curl -L -O {bearer}{base_url}{}", at.resolve("main", file)) });
    }
    ways.push(Way { title: "git", text: format!("git clone {base_url}{}", at.url()) });
    if let Some(ssh_url) = ssh_url {
        ways.push(Way { title: "ssh", text: format!("git clone {ssh_url}{}", at.url()) });
    }
    ways
}

/// The words for where somebody stands before the gate; none for whom there is none.
pub(crate) fn gate_key(standing: &Standing, gated: bool) -> Option<&'static str> {
    match standing {
        Standing::Free => gated.then_some("gate-own"),
        Standing::Unknown | Standing::Outside => Some("gate-outside"),
        Standing::Pending => Some("gate-pending"),
        Standing::Accepted => Some("gate-accepted"),
        Standing::Rejected(_) => Some("gate-rejected"),
    }
}

/// `GET /{namespace}/{name}` and its siblings for other kinds.
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target) -> Answer {
    let read = app.read(visit.caller(), target.kind, &target.path).await?;
    if let Some(now) = target.moved(read.repo()) {
        return Ok(go(&now.url(), []));
    }
    let info = app.repo_info(&read).await?;
    let access = app.list_content(visit.caller(), target.kind, &target.path).await?;
    let private = info.repo.visibility == Visibility::Private;
    let address = RepoAddress::new(target.kind, &info.repo.path());

    let (mut files, mut card, mut all) = (Vec::new(), None, Arc::default());
    if let Some(commit) = info.commit {
        let options = TreeOptions { expand: true, limit: Some(FILES_SHOWN), ..TreeOptions::default() };
        files = app.list_tree(&access, commit, None, &options).await?.items;
        all = app.list_files(&access, commit).await?;
        card = app.card_html(&access, commit).await?;
    }
    let is_empty = is_bare(all.iter().map(|f| &f.path));
    let may_write = is_empty && app.write(visit.caller(), target.kind, &target.path).await.is_ok();
    // A small file that says much is the best example of fetching one.
    let example = ["config.json", "README.md"].into_iter().find(|name| files.iter().any(|f| f.path.as_str() == *name));
    let example = example.or_else(|| files.first().map(|f| f.path.as_str()));
    let data = info.facts.card.as_ref();
    let uses = match is_empty {
        true => Vec::new(),
        false => {
            // Weights with a configuration and no word of their library are for transformers, nearly always.
            let guess = (example == Some("config.json")).then_some("transformers");
            ways(
                app.base_url(),
                app.ssh_url(),
                &address,
                private,
                info.facts.library_name.as_deref().or(guess),
                example,
            )
        }
    };
    let links = |kind, field| strings(data, field).iter().map(|id| Link::to(kind, id)).collect();

    let mut head = RepoHead::new(address.clone(), private, "main", Tab::Card);
    head.summary = info.facts.description.as_deref().filter(|t| !t.is_empty()).map(shorten);
    head.set_tags(info.facts.tags.clone());
    head.has_use = !uses.is_empty();
    head.likes = Some(Likes::of(&app, &visit, &read).await?);
    let known = !visit.caller().is_anonymous();
    head.manage = known && app.administer(visit.caller(), target.kind, &target.path).await.is_ok();
    let gate = gate_key(&app.gate_standing(visit.caller(), &read).await?, info.repo.gated.is_some());
    show(&RepoPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        facts: Facts {
            licence: strings(data, "license").into_iter().next(),
            size: Some(all.iter().map(|f| f.size).sum()).filter(|_| !is_empty),
            task: info.facts.pipeline_tag.clone(),
            library: info.facts.library_name.clone(),
            base_models: links(RepoKind::Model, "base_model"),
            datasets: links(RepoKind::Dataset, "datasets"),
            languages: strings(data, "language"),
            downloads: Some(info.repo.downloads).filter(|n| *n > 0),
            updated: info.last_modified,
            commit: info.commit.map(|c| c.to_string()),
        },
        uses,
        card,
        has_readme: all.iter().any(|f| f.path.as_str() == "README.md"),
        files: if is_empty { Vec::new() } else { file_rows(files.clone()) },
        files_total: all.len() as u64,
        is_empty,
        gate,
        publish: may_write.then(|| publish_commands(app.base_url(), None, Some(&address))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_point_here() {
        let at = RepoAddress { kind: RepoKind::Model, namespace: "ns".into(), name: "m".into() };
        let ways = ways(
            "https://hub.example",
            Some("ssh://git@hub.example:2222"),
            &at,
            true,
            Some("transformers"),
            Some("config.json"),
        );
        let text = |title| ways.iter().find(|w| w.title == title).map(|w| w.text.as_str()).unwrap();
        assert_eq!(text("hf"), "HF_ENDPOINT=https://hub.example hf download ns/m");
        assert_eq!(text("git"), "git clone https://hub.example/ns/m");
        assert_eq!(text("ssh"), "git clone ssh://git@hub.example:2222/ns/m");
        assert!(text("transformers").contains("\"https://hub.example\""));
        let unknown = super::ways("https://hub.example", None, &at, false, None, Some("a.txt"));
        assert!(unknown.iter().all(|w| w.title != "transformers" && w.title != "ssh"));
        assert!(text("curl").ends_with("$HF_TOKEN\" https://hub.example/ns/m/resolve/main/config.json"));
    }
}
