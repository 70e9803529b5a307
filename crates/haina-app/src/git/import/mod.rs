//! A git repository from this machine into this hub: its objects pass exactly the checks of a push, its large files
//! come from where git-lfs keeps them, and its references move in one transaction.

mod large;
mod source;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haina_db::people::NamespaceKind;
use haina_db::{git, people};
use haina_git::ObjectKind;
use haina_git::wire::{PackLimits, PushCommand, PushRequest};
use haina_types::{Code, Error, Oid, RefName, RepoKind, RepoPath, Result, Slug, Visibility};

use super::feed::{Bands, feed};
use super::push::{Move, Push, Refusal, mebibytes, rule};
use super::spool::{Pack, receive_pack};
use super::walk::{Walk, Walker, paths};
use crate::gate::{PushAccess, WriteAccess};
use crate::repos::NewRepo;
use crate::{App, Caller};
use large::Large;
use source::{Head, Source};

/// No repository has this id: the objects of an import build upon nothing.
const NOWHERE: i64 = 0;
/// What is named in a message at most.
const NAMED_MAX: usize = 10;

/// What to import, and where to.
#[derive(Debug, Clone)]
pub struct GitImport {
    /// A git repository with or without a work tree, or a bundle.
    pub source: PathBuf,
    /// Where its large files lie, if not where git-lfs keeps them.
    pub large_files: Option<PathBuf>,
    /// What the repository holds.
    pub kind: RepoKind,
    /// Its name.
    pub path: RepoPath,
    /// Make it, with this visibility, if it does not exist.
    pub create: Option<Visibility>,
    /// Whose deed it is; the namespace's own when absent.
    pub actor: Option<Slug>,
    /// Only check.
    pub dry_run: bool,
}

/// What was imported, or would be.
#[derive(Debug, Clone, Default)]
pub struct GitImported {
    /// References.
    pub refs: usize,
    /// Commits.
    pub commits: usize,
    /// Objects, commits among them.
    pub objects: usize,
    /// Large files.
    pub large_files: usize,
    /// Their bytes.
    pub large_bytes: u64,
    /// What was left out, and why; for the person who imports.
    pub notes: Vec<String>,
}

/// A reference and where it is to be.
struct Wanted {
    name: RefName,
    oid: Oid,
}

/// What an import brings, read and checked.
struct Checked {
    wanted: Vec<Wanted>,
    pack: Arc<Pack>,
    walk: Arc<Walk>,
    large: Large,
    /// Of its objects, as they are kept.
    bytes: u64,
    done: GitImported,
}

/// Some names on lines of their own, and how many more there are.
fn lines(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    let mut out: String = names.take(NAMED_MAX).map(|name| format!("\n  {name}")).collect();
    if more > 0 {
        out.push_str(&format!("\n  and {more} more"));
    }
    out
}

/// As the person at the command line reads it.
fn refused(e: Refusal) -> Error {
    match e {
        Refusal::Pack(why) => Error::invalid(format!(
            "{why}\nThe objects pass the checks of `git fsck --strict`. If no branch or tag needs the broken one, remove it first: git gc --prune=now"
        )),
        Refusal::Policy { reason, advice } => {
            Error::invalid(advice.iter().fold(reason, |text, line| format!("{text}\n{line}")))
        }
        Refusal::Fault(e) => e,
    }
}

/// Which references are taken, by the rules of a push; `main` is made if it is missing.
fn choose(source: &Source, notes: &mut Vec<String>) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::new();
    let (mut left_out, mut bad) = (Vec::new(), Vec::new());
    for (name, oid) in &source.refs {
        if !["refs/heads/", "refs/tags/", "refs/notes/"].iter().any(|p| name.starts_with(p)) {
            left_out.push(name.clone());
            continue;
        }
        match rule(&PushCommand { old: Oid::ZERO, new: *oid, name: name.clone() }) {
            Ok(name) => wanted.push(Wanted { name, oid: *oid }),
            Err(why) => bad.push(format!("{}: {why}", name.escape_debug())),
        }
    }
    if !bad.is_empty() {
        return Err(Error::invalid(format!(
            "These references cannot be taken. Rename or delete them first (git branch -m, git tag -d):{}",
            lines(bad.into_iter())
        )));
    }
    if !left_out.is_empty() {
        notes.push(format!(
            "Left out what is neither branch, tag nor note (a clone with --mirror has the branches of its origin):{}",
            lines(left_out.into_iter())
        ));
    }
    let main = RefName::main();
    if !wanted.iter().any(|w| w.name == main) {
        let (at, from) = match &source.head {
            Some(Head::Branch(name)) => (source.refs.get(name).copied(), name.clone()),
            Some(Head::Commit(oid)) => (Some(*oid), oid.to_string()),
            None => (None, String::new()),
        };
        let oid = at.ok_or_else(|| {
            Error::invalid("There is no branch `main`, and nothing says which branch it should be. Make it first: git branch main BRANCH")
        })?;
        if wanted.iter().any(|w| w.name.as_str().starts_with("refs/heads/main/")) {
            return Err(Error::invalid(
                "There is no branch `main`, and there are branches below `main/`, beside which it cannot be. Rename them first: git branch -m",
            ));
        }
        notes.push(format!("There is no branch `main`: it is made at {from}."));
        wanted.push(Wanted { name: main, oid });
    }
    Ok(wanted)
}

/// Reads everything into a spool and visits all that the references reach. Blocks.
fn read(app: &App, source: Source, tips: &[Oid], folder: &Path, limits: PackLimits) -> Result<(Pack, Walk), Refusal> {
    let scanned = receive_pack(source.into_pack()?, folder, limits).map_err(|e| match e {
        // Of a file of the source, whose name it says.
        haina_git::wire::PackError::Io(e) => Refusal::Policy { reason: e.to_string(), advice: Vec::new() },
        e => e.into(),
    })?;
    let pack = scanned.resolve(app, NOWHERE, folder)?;
    let walk = Walker::new(&pack).run(tips)?;
    Ok((pack, walk))
}

/// Files that belong into LFS, and objects that are nowhere.
fn check_whole(pack: &Pack, walk: &Walk) -> Result<()> {
    if !walk.large.is_empty() || (pack.left_out > 0 && !walk.outside.is_empty()) {
        let limit = mebibytes(PackLimits::default().blob_bytes);
        let found = paths(pack, walk, &walk.large.iter().copied().collect()).map_err(Error::internal)?;
        let size = |blob: &Oid| mebibytes(pack.large.get(blob).copied().unwrap_or(0));
        return Err(Error::invalid(format!(
            "Files of more than {limit} are not kept in history itself:{}\nLet Git LFS keep them, also in the commits that have them already, and import again:\n  git lfs migrate import --everything --above=10MB",
            lines(found.iter().map(|(path, blob)| format!("{path} ({})", size(blob))))
        )));
    }
    if walk.outside.is_empty() {
        return Ok(());
    }
    let mut missing: Vec<String> = walk.outside.iter().map(|(oid, kind)| format!("{kind} {oid}")).collect();
    missing.sort_unstable();
    Err(Error::invalid(format!(
        "The repository is not whole. Fetch what is missing first (git fetch --refetch --no-filter, or git fsck to see more):{}",
        lines(missing.into_iter())
    )))
}

fn check_tips(pack: &Pack, wanted: &[Wanted]) -> Result<()> {
    let mut bad = Vec::new();
    for Wanted { name, oid } in wanted {
        match pack.by_oid.get(oid).map(|i| pack.objects[*i as usize].kind) {
            Some(ObjectKind::Commit) => {}
            Some(_) if name.as_tag().is_some() => {}
            Some(kind) => bad.push(format!("{name}: {oid} is a {kind}, not a commit")),
            None => bad.push(format!("{name}: {oid} is missing")),
        }
    }
    if bad.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(format!("These references cannot be taken:{}", lines(bad.into_iter()))))
}

impl App {
    /// Imports a repository. For the operator, who says whose deed it is; the gate asks whether that person may.
    pub async fn import_git(&self, wanted: &GitImport, progress: &(dyn Fn(&str) + Sync)) -> Result<GitImported> {
        let caller = self.importer(wanted).await?;
        let target = self.import_target(&caller, wanted).await?;
        let checked = self.check_import(wanted, progress).await?;
        let (access, at) = match target {
            Some((access, at)) => (Some(access), Some(at)),
            None => (None, None),
        };
        checked.large.check(self, access.as_ref(), &checked.pack, &checked.walk).await?;
        if wanted.dry_run {
            return Ok(checked.done);
        }
        {
            // Before the repository is made, so that none is left behind.
            let mut s = self.db().read().await?;
            if let Some(owner) = people::find_namespace(&mut s, &wanted.path.namespace.fold()).await? {
                let bytes = checked.bytes.saturating_add(checked.large.total().1);
                crate::quotas::check_bytes(&mut s, &owner, bytes).await?;
            }
        }
        let (access, at) = match (access, at) {
            (Some(access), Some(at)) => (access, at),
            _ => self.make_target(&caller, wanted).await?,
        };
        self.check_room(access.repo().id, checked.done.objects, checked.bytes).await?;
        checked.large.store(self, &access, progress).await?;
        progress(&format!("Storing {} objects", checked.done.objects));
        let Checked { wanted, pack, walk, done, .. } = checked;
        self.take_import(&access, at, &wanted, pack, walk).await?;
        Ok(done)
    }

    async fn importer(&self, wanted: &GitImport) -> Result<Caller> {
        let mut s = self.db().read().await?;
        let name = match &wanted.actor {
            Some(name) => name.clone(),
            None => {
                let fold = wanted.path.namespace.fold();
                let owner = people::find_namespace(&mut s, &fold).await?.ok_or_else(|| {
                    Error::new(Code::NotFound, format!("There is no user or organization '{}'.", wanted.path.namespace))
                })?;
                if owner.kind == NamespaceKind::Org {
                    return Err(Error::invalid(format!(
                        "'{}' is an organization: say with --as USER whose import it is.",
                        owner.name
                    )));
                }
                owner.name
            }
        };
        Ok(Caller::person(self.get_user(&mut s, &name).await?))
    }

    /// The repository, which must be empty, and where its main branch is; `None` if it is to be made.
    async fn import_target(&self, caller: &Caller, wanted: &GitImport) -> Result<Option<(WriteAccess, Oid)>> {
        let access = match self.write(caller, wanted.kind, &wanted.path).await {
            Err(e) if e.code == Code::RepoNotFound && wanted.create.is_some() => {
                // Whoever may not make it hears so before anything is read.
                self.create_in(caller, Some(&wanted.path.namespace), None).await?;
                return Ok(None);
            }
            Err(e) if e.code == Code::RepoNotFound => {
                return Err(Error::new(
                    Code::RepoNotFound,
                    format!("There is no {} {}. Make it with --create.", wanted.kind, wanted.path),
                ));
            }
            access => access?,
        };
        let at = self.only_commit(&access).await?;
        Ok(Some((access, at)))
    }

    /// Where the main branch of an empty repository is.
    async fn only_commit(&self, access: &WriteAccess) -> Result<Oid> {
        let repo = access.repo();
        let mut s = self.db().read().await?;
        let refs = git::list_refs(&mut s, repo.id).await?;
        match refs.as_slice() {
            [only] if only.name == RefName::main() && git::count_commits(&mut s, repo.id).await? == 1 => Ok(only.oid),
            _ => Err(Error::new(
                Code::Conflict,
                format!("{} has a history already: import into a new one (--create), or push.", repo.path()),
            )),
        }
    }

    async fn make_target(&self, caller: &Caller, wanted: &GitImport) -> Result<(WriteAccess, Oid)> {
        let new = NewRepo {
            kind: wanted.kind,
            namespace: Some(wanted.path.namespace.clone()),
            name: wanted.path.name.clone(),
            visibility: wanted.create,
            license: None,
            group: None,
            sdk: None,
            files: Vec::new(),
        };
        self.create_repo(caller, new).await?;
        let access = self.write(caller, wanted.kind, &wanted.path).await?;
        let at = self.only_commit(&access).await?;
        Ok((access, at))
    }

    /// Reads and checks everything; nothing is written but the spool.
    async fn check_import(&self, wanted: &GitImport, progress: &(dyn Fn(&str) + Sync)) -> Result<Checked> {
        let path = wanted.source.clone();
        let source = tokio::task::spawn_blocking(move || Source::open(&path)).await.map_err(Error::internal)??;
        let mut done = GitImported::default();
        let refs = choose(&source, &mut done.notes)?;
        progress(&format!("Reading {} objects", source.entries));
        let folder = wanted.large_files.clone().or_else(|| source.lfs.clone());
        let tips: Vec<Oid> = refs.iter().map(|w| w.oid).collect();
        // The operator's own machine needs no bound on one push; what a repository may have at most still counts.
        let limits = PackLimits { bytes: u64::MAX, objects: u32::MAX, ..PackLimits::default() };
        let (app, spool) = (self.clone(), self.git().spool.clone());
        let work = move || -> Result<Checked, Refusal> {
            let (pack, walk) = read(&app, source, &tips, &spool, limits)?;
            check_whole(&pack, &walk)?;
            check_tips(&pack, &refs)?;
            let large = Large::find(&pack, &walk, folder);
            done.refs = refs.len();
            done.commits = walk.commits.len();
            done.objects = walk.order.len();
            (done.large_files, done.large_bytes) = large.total();
            let bytes = walk.order.iter().map(|i| pack.objects[*i as usize].stored()).sum();
            Ok(Checked { bytes, wanted: refs, pack: Arc::new(pack), walk: Arc::new(walk), large, done })
        };
        let checked = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
        checked.map_err(refused)
    }

    /// Takes it as a push of all references at once.
    async fn take_import(
        &self,
        access: &WriteAccess,
        at: Oid,
        wanted: &[Wanted],
        pack: Arc<Pack>,
        walk: Arc<Walk>,
    ) -> Result<()> {
        let main = RefName::main();
        let commands = wanted.iter().map(|w| PushCommand { old: Oid::ZERO, new: w.oid, name: w.name.to_string() });
        // All references or none.
        let request = PushRequest {
            commands: commands.collect(),
            capabilities: vec!["atomic".to_owned()],
            ..PushRequest::default()
        };
        let old = |name: &RefName| (*name == main).then_some(at);
        let moves = wanted.iter().enumerate();
        let moves = moves.map(|(i, w)| Move { at: i, name: w.name.clone(), old: old(&w.name), new: Some(w.oid) });
        // Nobody listens.
        let (mut feed, _) = feed(Bands::None, true);
        let mut told = vec![None; request.commands.len()];
        let access = PushAccess::from(access.clone());
        let push = Push { app: self, access: &access, request: &request, pack, walk, door: "import" };
        push.take(moves.collect(), &mut told, HashMap::new(), &mut feed).await.map_err(refused)?;
        let failed: Vec<String> =
            wanted.iter().zip(&told).filter_map(|(w, why)| Some(format!("{}: {}", w.name, why.as_ref()?))).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::Conflict, format!("Nothing was imported:{}", lines(failed.into_iter()))))
    }
}
