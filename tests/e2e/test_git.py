"""Real git against the hub: clones and fetches in every version of the protocol.

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
        "GIT_CONFIG_COUNT": "4",
        "GIT_CONFIG_KEY_0": "transfer.fsckObjects", "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "user.name", "GIT_CONFIG_VALUE_1": "Ada",
        "GIT_CONFIG_KEY_2": "user.email", "GIT_CONFIG_VALUE_2": "ada@example.org",
        "GIT_CONFIG_KEY_3": "init.defaultBranch", "GIT_CONFIG_VALUE_3": "main",
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
