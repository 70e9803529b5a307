"""Real git against the hub: clones, fetches and pushes, in every version of the protocol.

The oracle is git itself: what a client gets from the hub is compared with what it gets from git's own server, on the
same repository. Everything received is checked by the client (`fsckObjects`), and once more by `git fsck --strict`.
"""

import gzip
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import wire
from hub import hermetic

VERSIONS = (0, 1, 2)


@dataclass
class Git:
    """git in a home of its own, as one person or as nobody."""

    home: Path
    url: str
    env: dict

    def run(self, *args, cwd=None, check: bool = True, data: bytes | None = None, more: dict | None = None) -> str:
        done = subprocess.run(["git", *map(str, args)], cwd=cwd or self.home, input=data, capture_output=True,
                              env=self.env | (more or {}), timeout=240)
        out = (done.stdout + done.stderr).decode(errors="replace")
        if check:
            assert done.returncode == 0, f"git {' '.join(map(str, args))} ended with {done.returncode}:\n{out[-4000:]}"
        else:
            assert done.returncode != 0, f"git {' '.join(map(str, args))} should have failed:\n{out[-4000:]}"
        return out.strip()

    def of(self, repo: str, kind: str = "") -> str:
        return f"{self.url}/{kind}{repo}.git"

    def clone(self, source: str, name: str, *args) -> Path:
        self.run("clone", "-q", *args, source, name)
        return self.home / name


def person(hub, folder: Path, name: str | None) -> Git:
    url = hub.url if name is None else hub.url.replace("http://", f"http://{name}:{hub.tokens[name]}@")
    env = hermetic(folder) | {
        "GIT_CONFIG_COUNT": "5",
        "GIT_CONFIG_KEY_0": "transfer.fsckObjects", "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "user.name", "GIT_CONFIG_VALUE_1": "Ada",
        "GIT_CONFIG_KEY_2": "user.email", "GIT_CONFIG_VALUE_2": "ada@example.org",
        "GIT_CONFIG_KEY_3": "init.defaultBranch", "GIT_CONFIG_VALUE_3": "main",
        # Nothing may tidy in the background what a test looks at.
        "GIT_CONFIG_KEY_4": "maintenance.auto", "GIT_CONFIG_VALUE_4": "false",
    }
    return Git(folder, url, env)


@pytest.fixture
def git(hub, tmp_path):
    return person(hub, tmp_path / "alice", "alice")


@pytest.fixture
def nobody(hub, tmp_path):
    return person(hub, tmp_path / "nobody", None)


def grow(hub, repo, commits: int):
    for i in range(commits):
        hub.commit(repo, "alice", wire.file(f"d{i % 3}/f{i}.txt", f"{i}\n" * 50), summary=f"change {i}").expect(200)


# ---------------------------------------------------------------- fetching


@pytest.mark.parametrize("version", VERSIONS)
def test_clone_and_pull_what_the_api_made(hub, repo, git, version):
    grow(hub, repo, 5)
    hub.post(f"/api/models/{repo}/tag/main", "alice", json={"tag": "v1", "message": "the first"}).expect(200)
    protocol = ("-c", f"protocol.version={version}")
    git.run(*protocol, "clone", "-q", git.of(repo), "c")
    at = git.home / "c"
    head = hub.get(f"/api/models/{repo}", "alice").json()["sha"]
    assert git.run("rev-parse", "HEAD", cwd=at) == head
    assert git.run("rev-parse", "v1^{commit}", cwd=at) == head
    assert (at / "d1/f1.txt").read_text() == "1\n" * 50
    hub.commit(repo, "alice", wire.file("new.txt", "new"), summary="one more").expect(200)
    git.run(*protocol, "pull", "-q", cwd=at)
    assert (at / "new.txt").read_text() == "new"
    assert "up to date" in git.run(*protocol, "pull", cwd=at)
    git.run("fsck", "--strict", cwd=at)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_sent_twice(hub, repo, git, version):
    grow(hub, repo, 20)
    protocol = ("-c", f"protocol.version={version}", "-c", "fetch.unpackLimit=1")
    git.run(*protocol, "clone", "-q", git.of(repo), "c")
    hub.commit(repo, "alice", wire.file("d1/new.txt", "new"), summary="one more").expect(200)
    git.run(*protocol, "fetch", "-q", cwd=git.home / "c")
    packs = sorted((git.home / "c/.git/objects/pack").glob("*.idx"), key=lambda p: p.stat().st_mtime_ns)
    listed = git.run("verify-pack", "-v", packs[-1], cwd=git.home / "c").splitlines()
    kinds = sorted(line.split()[1] for line in listed if line[:1] in "0123456789abcdef" and len(line.split()) >= 4 and len(line.split()[0]) == 40)
    assert kinds == ["blob", "commit", "tree", "tree"], listed


def test_rights(hub, repo, git, nobody, tmp_path):
    nobody.clone(nobody.of(repo), "public")
    bob = person(hub, tmp_path / "bob", "bob")
    private = f"{repo}-private"
    hub.create(private, "alice", visibility="private").expect(200)
    git.clone(git.of(private), "mine")
    for answer in (hub.get(f"/{private}.git/info/refs?service=git-upload-pack"), hub.get(f"/{private}/info/refs?service=git-upload-pack")):
        answer.expect(401)
        assert answer.header("WWW-Authenticate", ) == 'Basic realm="Haina"', answer
    assert "not found" in bob.run("clone", bob.of(private), "theirs", check=False)
    assert "Authentication failed" in nobody.run("clone", nobody.of(private), "theirs", check=False)
    # A dataset of the same name is another repository.
    hub.create(repo, "alice", kind="dataset").expect(200)
    at = nobody.clone(nobody.of(repo, "datasets/"), "data")
    assert nobody.run("rev-parse", "HEAD", cwd=at) == hub.get(f"/api/datasets/{repo}").json()["sha"]


def test_objects_of_other_repositories_are_not_ours(hub, repo, git):
    other = f"{repo}-other"
    hub.create(other, "alice", visibility="private").expect(200)
    hub.commit(other, "alice", wire.file("secret.txt", "secret"), summary="secret").expect(200)
    entry = next(e for e in hub.get(f"/api/models/{other}/tree/main", "alice").json() if e["path"] == "secret.txt")
    sha = hub.get(f"/api/models/{other}", "alice").json()["sha"]
    git.run("init", "-q", "w")
    for oid in (entry["oid"], sha, "1" * 40):
        out = git.run("fetch", git.of(repo), oid, cwd=git.home / "w", check=False)
        assert "not our ref" in out, out
    git.run("fetch", "-q", git.of(other), entry["oid"], cwd=git.home / "w")


def packets(*lines) -> bytes:
    """Lines; `--` is a delim packet, `==` a flush packet."""
    marks = {"--": b"0001", "==": b"0000"}
    return b"".join(marks.get(line) or b"%04x%s" % (len(line) + 5, line.encode() + b"\n") for line in lines)


def ask(hub, repo, body: bytes, **headers) -> wire.Response:
    headers = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"} | headers
    return hub.post(f"/{repo}.git/git-upload-pack", "alice", body=body, headers=headers)


def test_requests_as_other_clients_write_them(hub, repo):
    body = packets("command=ls-refs", "--", "peel", "symrefs", "ref-prefix HEAD", "==")
    plain = ask(hub, repo, body).expect(200).body
    assert b" HEAD symref-target:refs/heads/main\n" in plain
    assert ask(hub, repo, gzip.compress(body), **{"Content-Encoding": "gzip"}).expect(200).body == plain
    assert ask(hub, repo, iter([body[:3], body[3:30], body[30:]])).expect(200).body == plain
    assert ask(hub, repo, b"0000").expect(200).body == b""
    ask(hub, repo, body, **{"Content-Type": "text/plain"}).expect(415)
    ask(hub, repo, body, **{"Content-Encoding": "br"}).expect(415)
    hub.get(f"/{repo}.git/info/refs", "alice").expect(403)
    hub.get(f"/{repo}.git/HEAD", "alice").expect(404)


@pytest.mark.parametrize("body, words", [
    (packets("command=fetch", "--", "want " + "0" * 40, "done", "=="), b"not our ref"),
    (packets("command=fetch", "--", "want xyz", "done", "=="), b"invalid object id"),
    (packets("command=fetch", "--", "filter sparse:oid=x", "done", "=="), b"filter 'sparse:oid' not supported"),
    (packets("command=push", "=="), b"invalid command"),
    (packets("command=fetch", "--", "deepen 1", "deepen-since 5", "=="), b"cannot be used together"),
    (b"0003", b"bad packet length"),
    (b"fff9", b"bad packet length"),
    (b"0032want", b"ends inside a packet"),
], ids=range(8))
def test_wrong_requests_are_told_so(hub, repo, body, words):
    answer = ask(hub, repo, body).expect(200)
    assert answer.body[4:8] == b"ERR " and words in answer.body, answer


def test_a_gzip_bomb_is_refused(hub, repo):
    answer = ask(hub, repo, gzip.compress(b"0" * (64 << 20)), **{"Content-Encoding": "gzip"}).expect(200)
    assert b"ERR The request body may have at most" in answer.body, answer


# ---------------------------------------------------------------- pushing


def write(at: Path, path: str, text: str | bytes):
    (at / path).parent.mkdir(parents=True, exist_ok=True)
    (at / path).write_bytes(text if isinstance(text, bytes) else text.encode())


def commit(git: Git, at: Path, message: str, *more, date: int | None = None) -> str:
    """Commits everything in the folder."""
    git.run("add", "-A", cwd=at)
    env = {f"GIT_{who}_DATE": f"{date} +0000" for who in ("AUTHOR", "COMMITTER")} if date else {}
    git.run("commit", "-q", "--allow-empty", "-m", message, *more, cwd=at, more=env)
    return git.run("rev-parse", "HEAD", cwd=at)


def refs(git: Git, source) -> dict[str, str]:
    """Names and ids, as `ls-remote` lists them."""
    return {name: oid for oid, name in (line.split("\t") for line in git.run("ls-remote", source).splitlines() if "\t" in line)}


def objects(git: Git, at: Path, *args) -> set[str]:
    """Every object that a clone has and reaches."""
    listed = git.run("rev-list", "--objects", "--all", "--missing=allow-promisor", *args, cwd=at).splitlines()
    return {line.split()[0] for line in listed}


def there(git: Git, at: Path) -> set[str]:
    """Every object that a clone has, reachable or not."""
    return set(git.run("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", cwd=at).split())


def assert_whole(hub, git: Git, repo: str, local: Path, name: str = "back"):
    """A mirror of the hub has what the local repository has, and git finds nothing wrong with it."""
    back = git.clone(git.of(repo), name, "--mirror")
    git.run("fsck", "--strict", "--full", cwd=back)
    mine = {n: o for n, o in refs(git, local).items() if n.startswith(("refs/heads/", "refs/tags/"))}
    theirs = {n: o for n, o in refs(git, back).items() if n.startswith(("refs/heads/", "refs/tags/"))}
    assert mine.items() <= theirs.items(), (mine, theirs)
    tips = [n for n in mine if "^{}" not in n]
    reached = {line.split()[0] for line in git.run("rev-list", "--objects", *tips, cwd=local).splitlines()}
    assert reached <= objects(git, back)
    return back


def variety(git: Git, at: Path):
    """A history with everything that git has: merges, an octopus, two roots, links, modes, names, submodules, tags."""
    git.run("init", "-q", at)
    day = 1_600_000_000
    write(at, "README.md", "# Variety\n")
    write(at, "bin/run", "#!/bin/sh\n")
    (at / "bin/run").chmod(0o755)
    (at / "link").symlink_to("bin/run")
    (at / "dangling").symlink_to("../no where")
    for name in ("a", "a.b", "a-b", "a b", "ab", "模型/海 纳.txt", "é.txt", "quote\"'.txt", "tab\tname", "line\nname", "back\\slash", "-dash", "COM1", "x" * 200):
        write(at, f"names/{name}", name)
    (at / "names/\udcff\udcfe").write_bytes(b"not UTF-8")
    write(at, "empty", "")
    write(at, "binary", bytes(range(256)) * 300)
    write(at, "large.txt", "".join(f"line {i}\n" for i in range(60_000)))
    commit(git, at, "first\n\nwith a body\n\nand another", date=day)
    for branch in ("one", "two", "three"):
        git.run("checkout", "-q", "-b", branch, "main", cwd=at)
        for i in range(3):
            write(at, f"{branch}/{i % 2}/f{i}", f"{branch} {i}")
            write(at, "large.txt", "".join(f"line {j} {branch if j == i else ''}\n" for j in range(60_000)))
            commit(git, at, f"{branch} {i}", date=day + 100 * i)
        git.run("checkout", "-q", "HEAD~0", "--", "large.txt", cwd=at)
    git.run("checkout", "-q", "main", cwd=at)
    git.run("merge", "-q", "--no-ff", "-m", "merge one", "one", cwd=at)
    git.run("merge", "-q", "-s", "ours", "-m", "octopus", "two", "three", cwd=at)
    # Another root, joined later.
    git.run("checkout", "-q", "--orphan", "other", cwd=at)
    git.run("rm", "-rfq", ".", cwd=at)
    write(at, "other", "other root")
    commit(git, at, "other root", date=day - 1000)
    git.run("checkout", "-q", "main", cwd=at)
    git.run("merge", "-q", "--allow-unrelated-histories", "-m", "join", "other", cwd=at)
    # Criss-cross.
    git.run("branch", "left", cwd=at)
    git.run("checkout", "-q", "-b", "right", cwd=at)
    write(at, "right", "r")
    commit(git, at, "right", date=day + 5000)
    git.run("checkout", "-q", "left", cwd=at)
    write(at, "left", "l")
    commit(git, at, "left", date=day + 4000)
    left, right = git.run("rev-parse", "left", cwd=at), git.run("rev-parse", "right", cwd=at)
    git.run("merge", "-q", "-m", "cross", right, cwd=at)
    git.run("checkout", "-q", "right", cwd=at)
    git.run("merge", "-q", "-m", "criss", left, cwd=at)
    git.run("checkout", "-q", "main", cwd=at)
    # A submodule, removals and a file that became a folder.
    git.run("update-index", "--add", "--cacheinfo", f"160000,{'ab' * 20},vendor/sub", cwd=at)
    write(at, ".gitmodules", '[submodule "vendor/sub"]\n\tpath = vendor/sub\n\turl = https://example.org/sub.git\n')
    git.run("add", ".gitmodules", cwd=at)
    git.run("commit", "-q", "-m", "submodule", cwd=at)
    git.run("rm", "-q", "empty", cwd=at)
    write(at, "empty/now", "a folder")
    git.run("add", "empty", ".gitmodules", cwd=at)
    git.run("commit", "-q", "-m", "file to folder", cwd=at)
    # Looks signed, says its encoding, has odd times.
    tree = git.run("rev-parse", "HEAD^{tree}", cwd=at)
    parent = git.run("rev-parse", "HEAD", cwd=at)
    signed = (f"tree {tree}\nparent {parent}\nauthor A <a@b> 86400 -1130\ncommitter C <> 4102444800 +1400\nencoding ISO-8859-1\n"
              "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEzBAABCAAdFiEE\n -----END PGP SIGNATURE-----\n\nsigned?\n")
    oid = git.run("hash-object", "-t", "commit", "-w", "--stdin", cwd=at, data=signed.encode())
    git.run("reset", "-q", "--soft", oid, cwd=at)
    git.run("tag", "light", "main~3", cwd=at)
    git.run("tag", "-a", "-m", "annotated", "v1", "main~1", cwd=at)
    git.run("tag", "-a", "-m", "of a tag", "v1-tag", "v1", cwd=at)
    git.run("tag", "-a", "-m", "of a tree", "v1-tree", "main:names", cwd=at)
    git.run("tag", "-a", "-m", "of a blob", "v1-blob", "main:README.md", cwd=at)
    git.run("tag", "blob-light", "main:binary", cwd=at)


@pytest.fixture(scope="module")
def varied(hub, tmp_path_factory):
    """A repository with variety, pushed, and a bare copy for git's own server."""
    git = person(hub, tmp_path_factory.mktemp("varied"), "alice")
    hub.create("alice/varied", "alice").expect(200)
    at = git.home / "w"
    variety(git, at)
    out = git.run("push", "-q", "-f", "--all", git.of("alice/varied"), cwd=at)
    out += git.run("push", "-q", "--tags", git.of("alice/varied"), cwd=at)
    assert "error" not in out, out
    git.clone(at, "oracle.git", "--bare", "--mirror")
    git.run("config", "uploadpack.allowFilter", "true", cwd=git.home / "oracle.git")
    git.run("config", "uploadpack.allowAnySHA1InWant", "true", cwd=git.home / "oracle.git")
    git.run("symbolic-ref", "HEAD", "refs/heads/main", cwd=git.home / "oracle.git")
    return git, at, git.home / "oracle.git"


def test_everything_comes_back(hub, varied):
    git, at, oracle = varied
    back = assert_whole(hub, git, "alice/varied", at)
    assert objects(git, back) == objects(git, oracle)
    assert {n: o for n, o in refs(git, git.of("alice/varied")).items()} == refs(git, oracle)
    sha = git.run("rev-parse", "main", cwd=at)
    assert hub.get("/api/models/alice/varied", "alice").json()["sha"] == sha
    listed = {e["path"] for e in hub.get("/api/models/alice/varied/tree/main/names", "alice").expect(200).json()}
    assert "names/模型" in listed and "names/a b" in listed
    assert hub.get("/alice/varied/resolve/main/bin/run").expect(200).text == "#!/bin/sh\n"
    titles = [c["title"] for c in hub.get("/api/models/alice/varied/commits/main", "alice").expect(200).json()]
    assert titles[0] == "signed?" and "octopus" in titles, titles
    assert {t["name"] for t in hub.get("/api/models/alice/varied/refs", "alice").json()["tags"]} >= {"v1", "light", "v1-tag"}


WAYS = {
    "clone": (), "bare": ("--bare",), "single": ("--single-branch",), "branch": ("--single-branch", "-b", "left"), "tag": ("-b", "v1"),
    "no-tags": ("--no-tags",), "depth-1": ("--depth=1",), "depth-2": ("--depth=2",), "depth-5-all": ("--depth=5", "--no-single-branch"),
    "depth-100": ("--depth=100",), "since": ("--shallow-since=1600000050",), "since-all": ("--shallow-since=1600000150", "--no-single-branch"),
    "exclude": ("--shallow-exclude=one",), "exclude-tag": ("--shallow-exclude=light", "--no-single-branch"),
    "blob-none": ("--bare", "--filter=blob:none"), "limit": ("--bare", "--filter=blob:limit=100"), "limit-k": ("--bare", "--filter=blob:limit=1k"),
    "tree-0": ("--bare", "--filter=tree:0"), "tree-1": ("--bare", "--filter=tree:1"), "combined": ("--bare", "--filter=combine:blob:limit=10+tree:1"),
    "type": ("--bare", "--filter=object:type=commit"), "depth-filter": ("--bare", "--depth=2", "--filter=blob:none"),
}


def look(git: Git, at: Path, objects_of=there):
    inner = at / ".git" if (at / ".git").is_dir() else at
    shallow = (inner / "shallow").read_text().split() if (inner / "shallow").exists() else []
    # git's own server names ends that it does not send, if another end hides them.
    return objects_of(git, at), sorted(set(shallow) & there(git, at))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", WAYS)
def test_the_same_as_from_git(hub, varied, tmp_path, way, version):
    """Not one object more or less than git itself sends, and histories that end in the same places."""
    _, _, oracle = varied
    git = person(hub, tmp_path, "alice")
    protocol = ("-c", f"protocol.version={version}")
    git.run(*protocol, "clone", "-q", *WAYS[way], git.of("alice/varied"), "ours")
    git.run(*protocol, "clone", "-q", *WAYS[way], f"file://{oracle}", "gits")
    ours, gits = look(git, git.home / "ours"), look(git, git.home / "gits")
    assert ours[1] == gits[1]
    assert ours[0] == gits[0], (len(ours[0] - gits[0]), len(gits[0] - ours[0]))
    git.run("fsck", "--strict", cwd=git.home / "ours")
    assert refs(git, git.home / "ours") == refs(git, git.home / "gits")


STEPS = {
    "deepen": (("--depth=1",), ("--deepen=1",), ("--deepen=2",), ("--unshallow",)),
    "depth": (("--depth=2",), ("--depth=4",), ("--depth=1",), ("--unshallow",)),
    "since": (("--depth=1", "-b", "one"), ("--shallow-since=1600000050",), ("--unshallow",)),
    "exclude": (("--depth=1",), ("--shallow-exclude=other",), ("--depth=2147483647",)),
    "branches": (("--single-branch", "-b", "one"), ("origin", "main:main"), ("origin", "refs/heads/*:refs/heads/x/*"), ()),
    "shallow-branches": (("--depth=1", "-b", "one"), ("--depth=1", "origin", "left:left"), ("origin", "right:right"), ("--unshallow",)),
    "filtered": (("--bare", "--filter=blob:none", "--single-branch", "-b", "one"), ("origin", "main:main"), ("origin", "left:left")),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("steps", STEPS)
def test_step_by_step_as_from_git(hub, varied, tmp_path, steps, version):
    """After every fetch: the same history, ended in the same places, and nothing missing. What lies unused may differ."""
    _, _, oracle = varied
    git = person(hub, tmp_path, "alice")
    protocol = ("-c", f"protocol.version={version}")
    first, *rest = STEPS[steps]
    git.run(*protocol, "clone", "-q", *first, git.of("alice/varied"), "ours")
    git.run(*protocol, "clone", "-q", *first, f"file://{oracle}", "gits")
    for step in [(), *rest]:
        for name in ("ours", "gits"):
            git.run(*protocol, "fetch", "-q", *step, cwd=git.home / name)
            git.run("fsck", "--strict", cwd=git.home / name)
        ours, gits = look(git, git.home / "ours", objects), look(git, git.home / "gits", objects)
        assert ours == gits, step


@pytest.mark.parametrize("version", VERSIONS)
def test_ends_that_other_ends_hide(hub, varied, tmp_path, version):
    """A merge that loses one parent ends all of them. git's own server names the hidden ends, and its client breaks on them."""
    git = person(hub, tmp_path, "alice")
    protocol = ("-c", f"protocol.version={version}")
    at = git.clone(git.of("alice/varied"), "c", "--depth=1")
    git.run(*protocol, "fetch", "-q", "--shallow-since=1600000050", cwd=at)
    git.run("fsck", "--strict", cwd=at)
    git.run(*protocol, "fetch", "-q", "--unshallow", cwd=at)
    git.run("fsck", "--strict", cwd=at)
    assert not (at / ".git/shallow").exists()


@pytest.mark.parametrize("filter", ["blob:none", "tree:0"])
def test_a_partial_clone_fetches_the_rest_when_it_needs_it(hub, varied, tmp_path, filter):
    _, at, _ = varied
    git = person(hub, tmp_path, "alice")
    git.run("clone", "-q", f"--filter={filter}", git.of("alice/varied"), "lazy")
    lazy = git.home / "lazy"
    assert (lazy / "large.txt").read_bytes() == subprocess.run(["git", "-C", at, "show", "main:large.txt"], capture_output=True).stdout
    git.run("checkout", "-q", "left", cwd=lazy)
    git.run("log", "-p", "--all", "-m", cwd=lazy)
    git.run("-c", "fetch.negotiationAlgorithm=noop", "fetch", "-q", "--refetch", "--no-filter", cwd=lazy)
    git.run("fsck", "--strict", cwd=lazy)


def test_push_step_by_step(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    write(at, "a.txt", "a\n")
    first = commit(git, at, "first pushed")
    git.run("push", "-q", "origin", "main", cwd=at)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == first
    assert hub.get(f"/{repo}/resolve/main/a.txt").expect(200).text == "a\n"
    # A branch at what is there already, then one with more, with slashes.
    git.run("push", "-q", "origin", "main:dev", cwd=at)
    git.run("checkout", "-q", "-b", "feature/x", cwd=at)
    write(at, "x.txt", "x\n")
    commit(git, at, "on a branch")
    git.run("push", "-q", "origin", "feature/x", cwd=at)
    git.run("tag", "-a", "-m", "one", "v1", cwd=at)
    git.run("tag", "v1-light", cwd=at)
    git.run("push", "-q", "origin", "v1", "v1-light", cwd=at)
    assert {b["name"] for b in hub.get(f"/api/models/{repo}/refs", "alice").json()["branches"]} == {"main", "dev", "feature/x"}
    assert_whole(hub, git, repo, at)
    # The API commits, the clone pulls and pushes on.
    hub.commit(repo, "alice", wire.file("api.txt", "api"), summary="by the API").expect(200)
    git.run("checkout", "-q", "main", cwd=at)
    write(at, "b.txt", "b\n")
    commit(git, at, "behind")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "rejected" in out, out
    git.run("pull", "-q", "--no-rebase", "--no-edit", cwd=at)
    assert (at / "api.txt").read_text() == "api"
    git.run("push", "-q", "origin", "main", cwd=at)
    assert_whole(hub, git, repo, at, "back2")
    # Force, delete.
    git.run("reset", "-q", "--hard", first, cwd=at)
    commit(git, at, "another way")
    git.run("push", "-q", "origin", "main", cwd=at, check=False)
    git.run("push", "-q", "-f", "origin", "main", cwd=at)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == git.run("rev-parse", "main", cwd=at)
    git.run("tag", "-d", "v1-light", cwd=at)
    git.run("push", "-q", "origin", "--delete", "dev", "v1-light", cwd=at)
    git.run("push", "origin", ":refs/heads/neverwas", cwd=at, check=False)
    out = git.run("push", "origin", "--delete", "main", cwd=at, check=False)
    assert "the main branch cannot be deleted" in out, out
    assert_whole(hub, git, repo, at, "back3")


def test_a_thousand_commits(hub, repo, git):
    at = git.home / "w"
    git.run("init", "-q", at)
    lines = []
    for i in range(1000):
        message = f"commit {i}\n"
        body = f"{i}\n" * 20
        lines.append(f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + i} +0000\ndata {len(message)}\n{message}"
                     f"M 100644 inline d{i % 7}/f{i % 50}\ndata {len(body)}\n{body}\n")
    git.run("fast-import", "--quiet", cwd=at, data="".join(lines).encode())
    git.run("push", "-q", "-f", git.of(repo), "main", cwd=at)
    assert_whole(hub, git, repo, at)
    for version in VERSIONS:
        git.run("-c", f"protocol.version={version}", "clone", "-q", git.of(repo), f"c{version}")
        assert git.run("rev-list", "--count", "HEAD", cwd=git.home / f"c{version}") == "1000"
    # A clone that has half of it negotiates.
    git.run("clone", "-q", git.of(repo), "half")
    half = git.home / "half"
    git.run("checkout", "-q", "-b", "side", "main~500", cwd=half)
    write(half, "side", "side")
    commit(git, half, "side")
    git.run("push", "-q", "origin", "side", cwd=half)
    for version in VERSIONS:
        git.run("-c", f"protocol.version={version}", "fetch", "-q", git.of(repo), "side", cwd=git.home / f"c{version}")
        git.run("fsck", cwd=git.home / f"c{version}")


def test_the_big_ones_go_in_pieces(hub, repo, git):
    """Over the size at which git sends in chunks, and over that of one transaction."""
    import random

    chance = random.Random(3)
    at = git.clone(git.of(repo), "w")
    for i in range(5):
        write(at, f"b{i}", chance.randbytes(4 << 20))
    write(at, "just", chance.randbytes(10 << 20))
    commit(git, at, "big")
    git.run("push", "-q", "origin", "main", cwd=at)
    assert_whole(hub, git, repo, at)


def test_large_files_are_refused_with_advice(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    before = hub.get(f"/api/models/{repo}", "alice").json()["sha"]
    write(at, "deep/model.bin", b"\0" * ((10 << 20) + 1))
    commit(git, at, "large")
    write(at, "deep/model.bin", b"\0" * ((10 << 20) + 2))
    commit(git, at, "large again")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    for words in ("remote: Files of more than 10.0 MiB are not kept in history itself", "deep/model.bin (10.0 MiB)", "git lfs migrate import",
                  "! [remote rejected] main -> main (a file of more than 10.0 MiB is not in Git LFS)"):
        assert words in out, out
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == before


def test_pointers_without_content_are_refused(hub, repo, git, api):
    import random

    at = git.clone(git.of(repo), "w")
    sha = "12" * 32
    write(at, "w/model.bin", f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha}\nsize 12345678\n")
    commit(git, at, "pointer")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    for words in ("remote: The content of these large files was not uploaded", f"w/model.bin (sha256 {sha}", "git lfs push --all", "(the content of a Git LFS file is missing)"):
        assert words in out, out
    # With the content of another repository it is refused as well; with its own it is taken, and served.
    data = random.Random(9).randbytes(70_000)
    other = f"{repo}-other"
    hub.create(other, "alice").expect(200)
    api.upload_file(path_or_fileobj=data, path_in_repo="x.bin", repo_id=other)
    pointer = hub.get(f"/{other}/raw/main/x.bin", "alice").text
    git.run("reset", "-q", "--hard", "origin/main", cwd=at)
    write(at, "w/model.bin", pointer)
    commit(git, at, "pointer of another")
    assert "content of a Git LFS file is missing" in git.run("push", "origin", "main", cwd=at, check=False)
    api.upload_file(path_or_fileobj=data, path_in_repo="x.bin", repo_id=repo)
    git.run("fetch", "-q", cwd=at)
    git.run("rebase", "-q", "origin/main", cwd=at)
    git.run("push", "-q", "origin", "main", cwd=at)
    assert hub.get(f"/{repo}/resolve/main/w/model.bin").expect(200).body == data


def test_reference_rules(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    tree = git.run("rev-parse", "HEAD^{tree}", cwd=at)
    for target, source, words in [
        ("refs/pr/1", "HEAD", "There is no such pull request"), ("refs/pr/x", "HEAD", "invalid reference name"), ("refs/convert/parquet", "HEAD", "only refs/heads"), ("refs/heads/HEAD", "HEAD", "invalid reference name"),
        ("refs/heads/-x", "HEAD", "invalid reference name"), ("refs/heads/main/x", "HEAD", "another reference is in the way"),
        ("refs/heads/" + "y" * 300, "HEAD", "invalid reference name"),
    ]:
        out = git.run("push", "origin", f"{source}:{target}", cwd=at, check=False)
        assert words in out, out
    body = packets_of_push(("0" * 40, tree, "refs/heads/tree"))
    out = raw_push(hub, repo, body)
    assert "is a tree, not a commit" in out, out
    git.run("push", "-q", "origin", "HEAD:refs/heads/a/b", cwd=at)
    out = git.run("push", "origin", "HEAD:refs/heads/a", cwd=at, check=False)
    assert "another reference is in the way" in out, out
    # What is deleted makes room.
    git.run("push", "-q", "origin", ":refs/heads/a/b", "HEAD:refs/heads/a", cwd=at)
    # One good, one bad: without --atomic the good one is taken.
    out = git.run("push", "origin", "HEAD:refs/heads/good", "HEAD:refs/heads/main/bad", cwd=at, check=False)
    assert "[new branch]" in out and "[remote rejected]" in out, out
    out = git.run("push", "--atomic", "origin", "HEAD:refs/heads/good2", "HEAD:refs/heads/main/bad", cwd=at, check=False)
    assert "atomic push failure" in out, out
    have = refs(git, git.of(repo))
    assert "refs/heads/good" in have and "refs/heads/good2" not in have
    git.run("push", "-q", "-o", "anything", "origin", "HEAD:refs/notes/commits", cwd=at)
    stale = packets_of_push(("1" * 40, git.run("rev-parse", "HEAD", cwd=at), "refs/heads/good"))
    assert "moved meanwhile: fetch first" in raw_push(hub, repo, stale)
    twice = git.run("rev-parse", "HEAD", cwd=at)
    assert "is there twice" in raw_push(hub, repo, packets_of_push(("0" * 40, twice, "refs/heads/t"), ("0" * 40, twice, "refs/heads/t")))


def empty_pack() -> bytes:
    import hashlib

    head = b"PACK\0\0\0\2\0\0\0\0"
    return head + hashlib.sha1(head).digest()


def packets_of_push(*commands, capabilities="report-status object-format=sha1", pack: bytes | None = None) -> bytes:
    out = b""
    for i, (old, new, name) in enumerate(commands):
        line = f"{old} {new} {name}".encode() + (b"\0 " + capabilities.encode() if i == 0 else b"")
        out += b"%04x%s" % (len(line) + 4, line)
    return out + b"0000" + (empty_pack() if pack is None else pack)


def raw_push(hub, repo, body: bytes, who="alice", status=200) -> str:
    answer = hub.post(f"/{repo}.git/git-receive-pack", who, body=body, headers={"Content-Type": "application/x-git-receive-pack-request"})
    answer.expect(status)
    return answer.text


def test_shallow_clones_push_when_their_history_is_here(hub, repo, git):
    grow(hub, repo, 5)
    at = git.clone(git.of(repo), "w", "--depth=1")
    write(at, "x", "x")
    commit(git, at, "from a shallow clone")
    git.run("push", "-q", "origin", "main", cwd=at)
    assert_whole(hub, git, repo, git.clone(git.of(repo), "full"))
    other = f"{repo}-other"
    hub.create(other, "alice").expect(200)
    out = git.run("push", "-f", git.of(other), "main", cwd=at, check=False)
    assert "shallow update not allowed" in out and "git fetch --unshallow" in out, out


def test_who_may_push(hub, repo, git, nobody, tmp_path):
    at = git.clone(git.of(repo), "w")
    write(at, "x", "x")
    commit(git, at, "x")
    bob = person(hub, tmp_path / "bob", "bob")
    # Who may propose is let in, and told what is theirs; a token that only reads is not.
    assert "You may not write to this repository" in bob.run("push", bob.of(repo), "main", cwd=at, check=False)
    carol = person(hub, tmp_path / "carol", "carol")
    assert "403" in carol.run("push", carol.of(repo), "main", cwd=at, check=False)
    assert "Authentication failed" in nobody.run("push", nobody.of(repo), "main", cwd=at, check=False)
    raw_push(hub, repo, b"0000", who=None, status=401)
    assert raw_push(hub, repo, b"0000") == ""
    git.run("push", "-q", "origin", "main", cwd=at)


def test_races(hub, repo, git):
    """Of many who push at once to one branch, one wins; to branches of their own, all do."""
    from concurrent.futures import ThreadPoolExecutor

    clones = []
    for i in range(6):
        at = git.clone(git.of(repo), f"w{i}")
        write(at, f"f{i}", str(i))
        commit(git, at, f"of {i}")
        clones.append(at)

    def push(i):
        done = subprocess.run(["git", "push", "origin", "main", f"main:own-{i}"], cwd=clones[i], capture_output=True, env=git.env)
        return done.stderr.decode()

    with ThreadPoolExecutor(6) as pool:
        outs = list(pool.map(push, range(6)))
    have = refs(git, git.of(repo))
    assert {f"refs/heads/own-{i}" for i in range(6)} <= have.keys(), outs
    won = [i for i in range(6) if any(line.endswith("main -> main") and "rejected" not in line for line in outs[i].splitlines())]
    assert len(won) == 1 and have["refs/heads/main"] == have[f"refs/heads/own-{won[0]}"], outs
    assert_whole(hub, git, repo, clones[won[0]])


# ---------------------------------------------------------------- hostile


def pack_of(*entries) -> bytes:
    """A pack: `(number, size, before, stream)` each; a stream of None is `before` alone."""
    import hashlib

    out = b"PACK\0\0\0\2" + len(entries).to_bytes(4, "big")
    for number, size, before, stream in entries:
        byte, size = number << 4 | size & 15, size >> 4
        while size:
            out += bytes([byte | 0x80])
            byte, size = size & 0x7F, size >> 7
        out += bytes([byte]) + before + stream
    return out + hashlib.sha1(out).digest()


def whole(kind: str, raw: bytes):
    import zlib

    return {"commit": 1, "tree": 2, "blob": 3, "tag": 4}[kind], len(raw), b"", zlib.compress(raw)


def oid_of(kind: str, raw: bytes) -> str:
    import hashlib

    return hashlib.sha1(f"{kind} {len(raw)}\0".encode() + raw).hexdigest()


def tree_of(*entries) -> bytes:
    return b"".join(mode.encode() + b" " + (name if isinstance(name, bytes) else name.encode()) + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)


def commit_of(tree: str, *parents, who="A <a@b> 1 +0000") -> bytes:
    return (f"tree {tree}\n" + "".join(f"parent {p}\n" for p in parents) + f"author {who}\ncommitter {who}\n\nx\n").encode()


BLOB = oid_of("blob", b"x")


def evil(name="x", tree=None, blob=b"x", commit=None, more=()):
    """A push of one commit with one tree with one blob, one of them not as it should be."""
    tree = tree if tree is not None else tree_of(("100644", name, oid_of("blob", blob)))
    commit = commit if commit is not None else commit_of(oid_of("tree", tree))
    pack = pack_of(whole("commit", commit), whole("tree", tree), whole("blob", blob), *more)
    return packets_of_push(("0" * 40, oid_of("commit", commit), "refs/heads/evil"), pack=pack)


GITMODULES = b'[submodule "%s"]\n\tpath = %s\n\turl = %s\n'
LOOP = commit_of("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
HOSTILE = {
    "dot git": evil(".git"), "dot git in capitals": evil(".GIT"), "ntfs": evil("git~1"), "hfs": evil(".g\u200cit"), "slash": evil("a/b"), "dots": evil(".."),
    "empty name": evil(""), "null id": evil(tree=tree_of(("100644", "x", "0" * 40))), "padded mode": evil(tree=tree_of(("0100644", "x", BLOB))),
    "order": evil(tree=tree_of(("100644", "b", BLOB), ("100644", "a", BLOB))), "twice": evil(tree=tree_of(("100644", "a", BLOB), ("100644", "a", BLOB))),
    "file and folder": evil(tree=tree_of(("100644", "a", BLOB), ("100644", "a.b", BLOB), ("40000", "a", BLOB))),
    "gitmodules url": evil(".gitmodules", blob=GITMODULES % (b"a", b"a", b"-u./x")), "gitmodules name": evil(".gitmodules", blob=GITMODULES % (b"../a", b"a", b"https://x")),
    "gitmodules in disguise": evil("GITMOD~1", blob=GITMODULES % (b"a", b"-x", b"https://x")), "gitmodules link": evil(tree=tree_of(("120000", ".gitmodules", BLOB))),
    "link by case": evil(tree=tree_of(("120000", "A", BLOB), ("100644", "a", BLOB))),
    "no tree": evil(commit=commit_of("1" * 40)), "no parent": evil(commit=commit_of(oid_of("tree", tree_of(("100644", "x", BLOB))), "2" * 40)),
    "no blob": evil(tree=tree_of(("100644", "x", "3" * 40))), "tree as blob": evil(tree=tree_of(("100644", "x", oid_of("commit", LOOP))), more=[whole("commit", LOOP)]),
    "blob as tree": evil(tree=tree_of(("40000", "x", BLOB))), "bad author": evil(commit=commit_of(oid_of("tree", tree_of(("100644", "x", BLOB))), who="nobody")),
    "nul in message": evil(commit=commit_of(oid_of("tree", tree_of(("100644", "x", BLOB)))) + b"\0"), "not a commit": evil(commit=b"hello"), "not a tree": evil(tree=b"hello"),
    "bad pack": packets_of_push(("0" * 40, "1" * 40, "refs/heads/evil"), pack=b"PACK" + b"\0" * 40),
    "no pack": packets_of_push(("0" * 40, "1" * 40, "refs/heads/evil"), pack=b""),
    "many": packets_of_push(("0" * 40, "1" * 40, "refs/heads/evil"), pack=b"PACK\0\0\0\2\xff\xff\xff\xff" + b"\0" * 20),
    "garbage": evil() + b"x", "wrong sum": evil()[:-1] + bytes([evil()[-1] ^ 1]), "cut": evil()[:-30],
    "thin upon another's": packets_of_push(("0" * 40, "1" * 40, "refs/heads/evil"), pack=pack_of((7, 4, bytes.fromhex(BLOB), __import__("zlib").compress(b"\1\1\1y")))),
    "missing tip": packets_of_push(("0" * 40, "1" * 40, "refs/heads/evil")),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_packs_are_refused(hub, repo, what):
    out = raw_push(hub, repo, HOSTILE[what])
    assert "ng refs/heads/evil " in out, out
    have = hub.get(f"/api/models/{repo}/refs", "alice").json()
    assert [b["name"] for b in have["branches"]] == ["main"], have
    hub.get(f"/api/models/{repo}/revision/evil", "alice").expect(404)


def test_the_same_without_malice_is_taken(hub, repo):
    assert "unpack ok" in raw_push(hub, repo, evil())
    assert hub.get(f"/{repo}/resolve/evil/x").expect(200).text == "x"
    # An object that is here is no base for other repositories, and its pieces are not fetched from there.
    other = f"{repo}-other"
    hub.create(other, "alice").expect(200)
    tree = tree_of(("100644", "x", BLOB))
    commit = commit_of(oid_of("tree", tree))
    body = packets_of_push(("0" * 40, oid_of("commit", commit), "refs/heads/more"), pack=pack_of(whole("commit", commit), whole("tree", tree)))
    assert f"missing blob {BLOB}" in raw_push(hub, other, body)
    assert "ok refs/heads/more" in raw_push(hub, repo, body)


def test_a_bomb_of_trees(hub, repo):
    """Ten folders, each with ten names for the next: ten thousand million files, eleven objects."""
    raw, kind, entries = b"x", "blob", []
    for _ in range(10):
        entries.append(whole(kind, raw))
        mode = "100644" if kind == "blob" else "40000"
        raw, kind = tree_of(*((mode, f"d{i}", oid_of(kind, raw)) for i in range(10))), "tree"
    entries.append(whole("tree", raw))
    commit = commit_of(oid_of("tree", raw))
    body = packets_of_push(("0" * 40, oid_of("commit", commit), "refs/heads/bomb"), pack=pack_of(whole("commit", commit), *entries))
    assert "ok refs/heads/bomb" in raw_push(hub, repo, body)
    answer = ask(hub, repo, packets("command=fetch", "--", f"want {oid_of('commit', commit)}", "done", "=="))
    assert b"Enumerating objects: 12, done." in answer.expect(200).body


def test_git_lfs_pushes_and_clones(hub, repo, git, nobody):
    """What the real client of LFS does around a real push."""
    import random

    at = git.clone(git.of(repo), "w")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.dat", cwd=at)
    data = random.Random(21).randbytes(12 << 20)
    write(at, "weights/model.dat", data)
    commit(git, at, "large")
    out = git.run("push", "origin", "main", cwd=at)
    assert "main -> main" in out, out
    assert hub.get(f"/{repo}/resolve/main/weights/model.dat").expect(200).body == data
    entry = hub.get(f"/api/models/{repo}/tree/main/weights", "alice").json()[0]
    assert entry["lfs"]["size"] == len(data)
    back = git.clone(git.of(repo), "back")
    assert (back / "weights/model.dat").stat().st_size < 1024
    git.run("lfs", "install", "--local", cwd=back)
    git.run("lfs", "pull", cwd=back)
    assert (back / "weights/model.dat").read_bytes() == data


def test_clients_that_go_away(hub, repo, git):
    """Nothing of it is an error of the hub's, nothing is changed, and nothing is left behind."""
    import os
    import time

    at = git.home / "w"
    git.run("init", "-q", at)
    lines = []
    for i in range(2000):
        body = f"{i} {i * i}\n" * 300
        lines.append(f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + i} +0000\ndata 2\nx\nM 100644 inline f{i % 300}\ndata {len(body)}\n{body}\n")
    git.run("fast-import", "--quiet", cwd=at, data="".join(lines).encode())
    before = refs(git, git.of(repo))
    for seconds in (0.1, 0.3, 0.6):
        process = subprocess.Popen(["git", "push", "-q", git.of(repo), "main:refs/heads/gone"], cwd=at, env=git.env, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()
        after = refs(git, git.of(repo))
        assert after == before or after == before | {"refs/heads/gone": git.run("rev-parse", "main", cwd=at)}
    git.run("push", "-q", git.of(repo), "main:refs/heads/gone", cwd=at)
    for seconds in (0.1, 0.3):
        process = subprocess.Popen(["git", "clone", "-q", git.of(repo), f"c{seconds}"], cwd=git.home, env=git.env, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait()
    assert_whole(hub, git, repo, git.clone(git.of(repo), "last"))
    assert not [p for p in (hub.data / "tmp").iterdir() if p.name != ".lock"]


def test_export(hub, varied, tmp_path):
    git, at, oracle = varied
    out = tmp_path / "export.git"
    hub.run("export-git", "alice/varied", str(out))
    git.run("fsck", "--strict", "--full", cwd=out)
    assert refs(git, out) == refs(git, oracle)
    assert objects(git, out) == objects(git, oracle)
    git.run("verify-pack", *sorted((out / "objects/pack").glob("*.idx")), cwd=out)
    assert "is not empty" in hub.run("export-git", "alice/varied", str(out), check=False).stderr
    assert "not found" in hub.run("export-git", "datasets/alice/varied", str(tmp_path / "x"), check=False).stderr


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.4, 0.7, 1.0])
def test_killed_in_the_middle_of_a_push(tmp_path, seconds):
    """Before or after, never between: references are old or new, and what they reach is whole."""
    import threading

    import hub as hubs

    hub = hubs.Hub(tmp_path / "data").start()
    try:
        hub.provision()
        hub.create("alice/m", "alice").expect(200)
        git = person(hub, tmp_path / "alice", "alice")
        at = git.home / "w"
        git.run("init", "-q", at)
        lines = []
        for i in range(3000):
            body = f"{i} {i * i}\n" * 300
            lines.append(f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + i} +0000\ndata 2\nx\nM 100644 inline f{i % 300}\ndata {len(body)}\n{body}\n")
        git.run("fast-import", "--quiet", cwd=at, data="".join(lines).encode())
        before = refs(git, git.of("alice/m"))["refs/heads/main"]
        process = subprocess.Popen(["git", "push", "-q", "-f", git.of("alice/m"), "main"], cwd=at, env=git.env, stderr=subprocess.DEVNULL)
        threading.Event().wait(seconds)
        hub.kill()
        process.wait()
        hub.start()
        after = refs(git, git.of("alice/m"))["refs/heads/main"]
        assert after in (before, git.run("rev-parse", "main", cwd=at))
        git.run("push", "-q", "-f", git.of("alice/m"), "main", cwd=at)
        assert_whole(hub, git, "alice/m", at)
        assert hub.stop() == 0
        hub.assert_clean()
        assert not [p for p in (hub.data / "tmp").iterdir() if p.name != ".lock"]
    finally:
        hub.kill()
