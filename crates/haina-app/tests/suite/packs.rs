//! Packs that are made ahead: the same objects as without them, for those who may have them, and for nobody else.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use haina_app::Caller;
use haina_app::gate::ContentAccess;
use haina_app::git::Version;
use haina_git::ObjectKind;
use haina_git::wire::{
    EntryKind, Made, PackError, PackLimits, Pkt, PktReader, Unpack, delim_to, flush_to, line_to, resolve, scan,
};
use haina_types::{Oid, RepoKind, RepoPath, Revision, Visibility};

use crate::git::{Objects, all, push};
use crate::hub::{Hub, both};

/// What came of a fetch.
pub struct Got {
    pub pack: Vec<u8>,
    pub oids: Vec<Oid>,
    pub deltas: usize,
}

struct Reader<'a> {
    pack: &'a [u8],
    oids: Vec<Oid>,
}

impl Unpack for Reader<'_> {
    fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        Ok(self.pack[at as usize..(at + len) as usize].to_vec())
    }

    fn base(&mut self, _: &Oid) -> io::Result<Option<(ObjectKind, Vec<u8>)>> {
        Ok(None)
    }

    fn take(&mut self, made: &Made<'_>) -> Result<(), PackError> {
        self.oids.push(made.oid);
        Ok(())
    }
}

/// Fetches with these lines; the pack has no object twice and builds upon nothing outside.
pub async fn fetch(hub: &Hub, access: &ContentAccess, lines: &[String]) -> Result<Got, String> {
    let mut body = Vec::new();
    line_to(&mut body, "command=fetch");
    delim_to(&mut body);
    lines.iter().for_each(|line| line_to(&mut body, line));
    line_to(&mut body, "done");
    flush_to(&mut body);
    let answer = all(hub.app.git_fetch(access, Version::V2, &body).await.unwrap()).await;
    let mut reader = PktReader::new(answer.as_slice());
    let mut pack = Vec::new();
    while let Some(pkt) = reader.read().unwrap() {
        match pkt {
            Pkt::Data([1, data @ ..]) => pack.extend_from_slice(data),
            Pkt::Data([3, words @ ..]) => return Err(String::from_utf8_lossy(words).into_owned()),
            Pkt::Data(line) if line.starts_with(b"ERR ") => return Err(String::from_utf8_lossy(line).into_owned()),
            _ => {}
        }
    }
    let limits = PackLimits::default();
    let entries = scan(pack.as_slice(), io::sink(), &limits, |_, _, _| Ok(())).unwrap();
    let whole = entries.iter().filter_map(|e| if let EntryKind::Whole(_, oid) = e.kind { Some(oid) } else { None });
    let mut made = Reader { pack: &pack, oids: whole.collect() };
    let deltas = entries.len() - made.oids.len();
    resolve(&entries, &limits, &mut made).unwrap();
    let mut oids = made.oids;
    oids.sort_unstable();
    let count = oids.len();
    oids.dedup();
    assert_eq!(oids.len(), count, "an object came twice");
    Ok(Got { pack, oids, deltas })
}

pub fn clone_of(wants: &[Oid]) -> Vec<String> {
    let mut lines: Vec<String> = ["thin-pack", "include-tag", "ofs-delta"].map(str::to_owned).into();
    lines.extend(wants.iter().map(|want| format!("want {want}")));
    lines
}

pub fn with(mut lines: Vec<String>, more: &str) -> Vec<String> {
    lines.push(more.to_owned());
    lines
}

/// What the same request gets where nothing is made ahead: a client that takes no deltas as we make them.
async fn fresh(hub: &Hub, access: &ContentAccess, lines: &[String]) -> Got {
    let lines: Vec<String> = lines.iter().filter(|line| *line != "ofs-delta").cloned().collect();
    let got = fetch(hub, access, &lines).await.unwrap();
    assert_eq!(got.deltas, 0);
    got
}

/// Fetches until a pack is ready.
async fn fetch_ready(hub: &Hub, access: &ContentAccess, lines: &[String]) -> Got {
    let jobs = hub.app.start_jobs();
    for _ in 0..400 {
        let got = fetch(hub, access, lines).await.unwrap();
        if got.deltas > 0 {
            jobs.stop().await;
            return got;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no pack was made");
}

fn text(version: u32) -> String {
    (0..200).map(|line| format!("line {line} of {}\n", if line == version % 200 { version } else { 0 })).collect()
}

/// A history of many commits upon `parent`; its tip.
pub fn history(objects: &mut Objects, mut parent: Oid, from: u32, count: u32) -> Oid {
    for i in from..from + count {
        let (one, two) = (text(i), text(i / 7));
        parent = objects.commit(&[parent], &[("README.md", one.as_bytes()), ("notes.txt", two.as_bytes())]);
    }
    parent
}

pub struct Repo {
    pub alice: Caller,
    pub path: RepoPath,
    pub read: ContentAccess,
    pub main: Oid,
}

impl Repo {
    pub async fn new(hub: &Hub, name: &str, visibility: Visibility) -> Self {
        let alice = hub.writer("alice").await;
        let path = hub.repo(&alice, name, visibility).await;
        let access = hub.app.write(&alice, RepoKind::Model, &path).await.unwrap();
        let main = hub.app.resolve_revision(&access.content(), &Revision::main()).await.unwrap();
        Self { read: access.content(), alice, path, main }
    }

    async fn push(&mut self, hub: &Hub, moves: &[(Oid, Oid, &str)], objects: &Objects) {
        let access = hub.app.write(&self.alice, RepoKind::Model, &self.path).await.unwrap();
        let told = push(hub, &access, moves, "", objects.pack()).await;
        assert_eq!(told.matches("ok refs/").count(), moves.len(), "{told}");
        self.main = hub.app.resolve_revision(&self.read, &Revision::main()).await.unwrap();
    }

    /// With a history.
    async fn grown(hub: &Hub, name: &str, count: u32) -> Self {
        let mut repo = Self::new(hub, name, Visibility::Private).await;
        let mut objects = Objects::default();
        let tip = history(&mut objects, repo.main, 1, count);
        repo.push(hub, &[(repo.main, tip, "refs/heads/main")], &objects).await;
        repo
    }
}

fn pack_files(hub: &Hub) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(hub.data().join("git")).into_iter().flatten() {
        found.extend(std::fs::read_dir(folder.unwrap().path()).unwrap().map(|file| file.unwrap().path()));
    }
    found
}

async fn packs(hub: &Hub) -> String {
    let report = hub.app.fsck(true, &|_| {}).await.unwrap();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let (before, _) = report.summary.split_once(" packs").unwrap();
    before.rsplit(' ').next().unwrap().to_owned()
}

both! {
    async fn a_pack_has_what_a_clone_needs(hub: Hub) {
        let repo = Repo::grown(&hub, "alice/m", 150).await;
        let lines = clone_of(&[repo.main]);
        let plain = fresh(&hub, &repo.read, &lines).await;
        let ready = fetch_ready(&hub, &repo.read, &lines).await;
        assert_eq!(ready.oids, plain.oids);
        assert!(ready.pack.len() < plain.pack.len() / 2, "{} of {}", ready.pack.len(), plain.pack.len());
        assert_eq!(fetch(&hub, &repo.read, &lines).await.unwrap().pack, ready.pack);
        // Who has something, or wants something else, gets that and no more.
        let has = with(lines.clone(), &format!("have {}", repo.main));
        assert_eq!(fetch(&hub, &repo.read, &has).await.unwrap().oids, []);
        for more in ["deepen 1", "deepen 20", "filter blob:none", "filter tree:0", "filter blob:limit=100"] {
            let lines = with(lines.clone(), more);
            assert_eq!(fetch(&hub, &repo.read, &lines).await.unwrap().oids, fresh(&hub, &repo.read, &lines).await.oids, "{more}");
        }
        assert_eq!(packs(&hub).await, "1");
    }

    async fn what_is_new_follows_a_pack(hub: Hub) {
        let mut repo = Repo::grown(&hub, "alice/m", 150).await;
        let first = repo.main;
        fetch_ready(&hub, &repo.read, &clone_of(&[first])).await;
        // Two branches, of which one brings back what there was before, and tags of both what is old and new.
        let mut objects = Objects::default();
        let tip = history(&mut objects, first, 500, 3);
        let back = objects.commit(&[tip], &[("README.md", text(3).as_bytes()), ("notes.txt", text(0).as_bytes())]);
        let tag = |of: Oid, name: &str| format!("object {of}\ntype commit\ntag {name}\ntagger A <a@b> 1 +0000\n\nt\n").into_bytes();
        let old_tag = objects.add(ObjectKind::Tag, tag(first, "old"));
        let new_tag = objects.add(ObjectKind::Tag, tag(back, "new"));
        repo.push(
            &hub,
            &[(first, back, "refs/heads/main"), (Oid::ZERO, tip, "refs/heads/side"), (Oid::ZERO, old_tag, "refs/tags/old"), (Oid::ZERO, new_tag, "refs/tags/new")],
            &objects,
        )
        .await;
        for lines in [clone_of(&[back]), clone_of(&[back, tip, old_tag, new_tag]), clone_of(&[tip]), clone_of(&[old_tag])] {
            let got = fetch(&hub, &repo.read, &lines).await.unwrap();
            assert!(got.deltas > 0, "the pack was not used");
            assert_eq!(got.oids, fresh(&hub, &repo.read, &lines).await.oids);
        }
        // History that does not have the pack's tip does not get it.
        let mut rewritten = Objects::default();
        let root = rewritten.commit(&[], &[("README.md", text(1).as_bytes())]);
        let rewritten_tip = history(&mut rewritten, root, 1, 20);
        repo.push(&hub, &[(Oid::ZERO, rewritten_tip, "refs/heads/rewritten")], &rewritten).await;
        let lines = clone_of(&[rewritten_tip]);
        let got = fetch(&hub, &repo.read, &lines).await.unwrap();
        assert_eq!(got.deltas, 0);
        assert_eq!(got.oids, fresh(&hub, &repo.read, &lines).await.oids);
        hub.assert_sound().await;
    }

    async fn packs_of_parts(hub: Hub) {
        let mut repo = Repo::grown(&hub, "alice/m", 80).await;
        let mut objects = Objects::default();
        let files: Vec<(String, String)> = (0..300).map(|i| (format!("f{i}.txt"), text(i))).collect();
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
        let mut sorted = files.clone();
        sorted.sort_unstable();
        let tip = objects.commit(&[repo.main], &sorted);
        repo.push(&hub, &[(repo.main, tip, "refs/heads/main")], &objects).await;
        for more in ["deepen 1", "filter blob:none"] {
            let lines = with(clone_of(&[repo.main]), more);
            let plain = fresh(&hub, &repo.read, &lines).await;
            let ready = if more == "deepen 1" {
                fetch_ready(&hub, &repo.read, &lines).await
            } else {
                fetch(&hub, &repo.read, &lines).await.unwrap()
            };
            assert_eq!(ready.oids, plain.oids, "{more}");
        }
        hub.assert_sound().await;
    }

    async fn packs_belong_to_their_repository(hub: Hub) {
        let repo = Repo::grown(&hub, "alice/secret", 150).await;
        fetch_ready(&hub, &repo.read, &clone_of(&[repo.main])).await;
        let other = Repo::new(&hub, "alice/open", Visibility::Public).await;
        assert!(fetch(&hub, &other.read, &clone_of(&[repo.main])).await.err().unwrap().contains("not our ref"));
        let bob = hub.writer("bob").await;
        assert!(hub.app.read_content(&bob, RepoKind::Model, &repo.path).await.is_err());
        let admin = hub.app.administer(&repo.alice, RepoKind::Model, &repo.path).await.unwrap();
        hub.app.delete_repo(&admin).await.unwrap();
        assert_eq!(packs(&hub).await, "0");
        // Its object goes when those to whom it was being sent must have it; the test's clock leaves them no time.
        assert_eq!(pack_files(&hub).len(), 1);
        hub.assert_sound().await;
    }

    async fn a_damaged_pack_is_not_needed(hub: Hub) {
        let repo = Repo::grown(&hub, "alice/m", 150).await;
        let lines = clone_of(&[repo.main]);
        let ready = fetch_ready(&hub, &repo.read, &lines).await;
        let [file] = &pack_files(&hub)[..] else { panic!("one pack") };
        let mut bytes = std::fs::read(file).unwrap();
        assert!(bytes.starts_with(&ready.pack));
        bytes[5000] ^= 1;
        std::fs::write(file, &bytes).unwrap();
        let report = hub.app.fsck(true, &|_| {}).await.unwrap();
        assert!(report.findings.len() == 1 && report.findings[0].contains("corrupt"), "{:?}", report.findings);
        let again = fetch(&hub, &repo.read, &lines).await.unwrap();
        assert_eq!((again.oids, again.deltas), (ready.oids, 0));
        assert_eq!(packs(&hub).await, "0");
        let ready = fetch_ready(&hub, &repo.read, &lines).await;
        assert_eq!(ready.oids, fresh(&hub, &repo.read, &lines).await.oids);
    }

    async fn an_object_that_never_became_a_pack(hub: Hub) {
        // As if the process had been killed between the object and its row.
        let folder = hub.data().join("git/ab");
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("abcd.pack");
        std::fs::write(&file, b"PACK").unwrap();
        #[expect(clippy::disallowed_methods, reason = "the time of a file is the machine's")]
        let long_ago = SystemTime::now() - Duration::from_secs(10 * 86_400);
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(long_ago).unwrap();
        let report = hub.app.fsck(false, &|_| {}).await.unwrap();
        assert_eq!(report.findings, ["object git/ab/abcd.pack: nothing refers to its 4 bytes"]);
        let jobs = hub.app.start_jobs();
        for _ in 0..100 {
            if !file.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        jobs.stop().await;
        assert!(!file.exists());
        hub.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_least_used_make_room() {
    let hub = Hub::open_with(None, |options| options.git_cache_bytes = 420 << 10).await;
    let mut packed = Vec::new();
    for i in 0..12 {
        let repo = Repo::grown(&hub, &format!("alice/m{i}"), 150).await;
        packed.push(fetch_ready(&hub, &repo.read, &clone_of(&[repo.main])).await.pack.len());
    }
    let all: usize = packed.iter().sum();
    assert!(all > 420 << 10, "packs of together {all} bytes are no test");
    let kept: usize = packs(&hub).await.parse().unwrap();
    assert!(kept > 0 && kept < 12 && kept * packed[0] <= 420 << 10, "{kept} of {packed:?}");
}
