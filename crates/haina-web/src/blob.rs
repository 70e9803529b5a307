//! `…/blob/{rev}/{path}`: read one file.

use askama::Template;
use axum::extract::State;
use haina_app::App;
use haina_app::gate::ContentAccess;
use haina_app::history::{Entry, EntryKind};
use haina_types::{Code, Error, Oid, Result, Visibility};

use crate::address::RepoAddress;
use crate::layout::{Layout, Section};
use crate::locale::Locale;
use crate::messages::Words;
use crate::parts::{CommitLine, Crumb, RepoHead, Tab, crumbs, last_segment, mark_of};
use crate::target::Target;
use crate::visit::{Answer, Visit, go, show};

/// Largest text that is shown, in bytes.
pub(crate) const TEXT_BYTES_MAX: u64 = 500_000;
/// Most lines that get an anchor each; a page of more elements is slow on a phone.
const ANCHORED_LINES_MAX: usize = 2000;

/// A file at a revision.
#[derive(Template)]
#[template(path = "blob.html")]
pub(crate) struct BlobPage {
    pub l: Words,
    pub page: Layout,
    pub head: RepoHead,
    pub path: String,
    pub name: String,
    pub crumbs: Vec<Crumb>,
    pub commit: String,
    pub size: u64,
    pub mark: Option<&'static str>,
    pub view: View,
    pub checksum: Checksum,
    pub last: Option<CommitLine>,
    pub command: String,
}

/// How a file is shown.
pub(crate) enum View {
    Text { text_lines: Vec<String>, lines: u64, anchors: bool },
    Image,
    Link(String),
    TooLarge(u64),
    Binary,
}

/// What the file can be checked with.
pub(crate) struct Checksum {
    pub label: &'static str,
    pub value: String,
}

/// Images that browsers show. SVG is one: inside `<img>` it runs no script and loads nothing.
pub(crate) fn is_image(name: &str) -> bool {
    let suffix = name.rsplit_once('.').map_or("", |(_, s)| s).to_ascii_lowercase();
    matches!(suffix.as_str(), "png" | "jpg" | "jpeg" | "gif" | "webp" | "avif" | "svg" | "bmp" | "ico")
}

/// Text as lines, or `None` when the bytes are none.
pub(crate) fn text_view(bytes: &[u8]) -> Option<View> {
    if bytes.contains(&0) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let text_lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let lines = text_lines.len() as u64;
    let anchors = text_lines.len() <= ANCHORED_LINES_MAX;
    Some(View::Text { text_lines, lines, anchors })
}

/// How to show what stands at a path.
async fn view_of(app: &App, access: &ContentAccess, commit: Oid, entry: &Entry) -> Result<View> {
    if entry.kind == EntryKind::Symlink {
        let target = app.read_blob(access, entry).await?;
        return Ok(View::Link(String::from_utf8_lossy(&target).into_owned()));
    }
    if is_image(entry.path.as_str()) {
        return Ok(View::Image);
    }
    if entry.size > TEXT_BYTES_MAX {
        return Ok(View::TooLarge(TEXT_BYTES_MAX));
    }
    let bytes = app.read_small(access, commit, &entry.path, TEXT_BYTES_MAX).await?;
    Ok(bytes.and_then(|b| text_view(&b)).unwrap_or(View::Binary))
}

/// `GET …/blob/{rev}/{path}`
pub(crate) async fn get(State(app): State<App>, visit: Visit, target: Target) -> Answer {
    let access = match app.read_content(visit.caller(), target.kind, &target.path).await {
        // What stands behind the gate is asked for before it.
        Err(e) if e.code == Code::GatedRepo => return Ok(go(&target.address().access(), [])),
        other => other?,
    };
    if let Some(now) = target.moved(access.repo()) {
        return Ok(go(&now.blob(target.revision.as_str(), target.file_text()), []));
    }
    let commit = app.resolve_revision(&access, &target.revision).await?;
    let Some(file) = &target.file else {
        return Err(Error::new(Code::EntryNotFound, "There is no such file.").into());
    };
    let entry = app.find_entry(&access, commit, file).await?;
    if matches!(entry.kind, EntryKind::Directory | EntryKind::Submodule) {
        return Ok(go(&target.address().tree(target.revision.as_str(), file.as_str()), []));
    }
    let view = view_of(&app, &access, commit, &entry).await?;
    let last = app.list_paths(&access, commit, &[file.to_string()], true).await?.into_iter().next();

    let repo = access.repo();
    let address = RepoAddress::new(target.kind, &repo.path());
    let private = repo.visibility == Visibility::Private;
    let bearer = if private { "-H \"Authorization: Bearer $HF_TOKEN\" " } else { "" };
    let url = address.resolve(target.revision.as_str(), file.as_str());
    let mut head = RepoHead::new(address, private, target.revision.as_str(), Tab::Files);
    head.is_tab_root = false;
    show(&BlobPage {
        l: visit.words(),
        page: visit.layout(target.section(), false),
        head,
        path: file.to_string(),
        name: last_segment(file.as_str()).to_owned(),
        crumbs: crumbs(file.as_str()),
        commit: commit.to_string(),
        size: entry.size,
        mark: mark_of(&entry),
        view,
        checksum: match &entry.lfs {
            Some(lfs) => Checksum { label: "SHA-256", value: lfs.sha256.to_string() },
            None => Checksum { label: "Git blob", value: entry.oid.to_string() },
        },
        last: last.and_then(|e| e.last_commit).map(|c| CommitLine { title: c.title, at: c.date }),
        command: format!("curl -L -O {bearer}{}{url}", app.base_url()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_bytes() {
        assert!(matches!(text_view("中文\nb\n".as_bytes()), Some(View::Text { lines: 2, anchors: true, .. })));
        assert!(matches!(text_view(&b"x\n".repeat(5000)), Some(View::Text { lines: 5000, anchors: false, .. })));
        assert!(text_view(b"a\0b").is_none());
        assert!(text_view(&[0xff, 0xfe]).is_none());
        assert!(is_image("a/B.PNG") && !is_image("png"));
    }
}
