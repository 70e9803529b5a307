"""Agents that people install beside git-lfs, each in a real `git push`: git-xet's way, and that of `hf lfs-enable-largefiles`."""

import random
import shutil
from pathlib import Path

import pytest
from clients import sha256
from test_git import commit, person, write

PART = 64 << 20
AGENT = Path(__file__).parent.parent / "clients/git_xet_agent.py"


@pytest.fixture
def git(hub, tmp_path):
    return person(hub, tmp_path / "alice", "alice")


def large_files(hub, git, repo, data: dict):
    at = git.clone(git.of(repo), "w")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.dat", cwd=at)
    for path, content in data.items():
        write(at, path, content)
    return at


def with_git_xet(git, at, client, concurrent: str):
    """As `git xet install --local` does it. git-xet itself where it is installed."""
    real = shutil.which("git-xet")
    settings = {"path": real, "args": "transfer"} if real else {"path": client.bin / "python", "args": AGENT}
    for key, value in (settings | {"concurrent": concurrent}).items():
        git.run("config", f"lfs.customtransfer.xet.{key}", value, cwd=at)


def sent_by(hub) -> set:
    return {p.name for p in (hub.data / "cas").rglob("*") if p.is_file()}


@pytest.mark.parametrize("concurrent", ["true", "false"])
def test_push_by_xet_and_clone(hub, repo, git, client, concurrent):
    chance = random.Random(51)
    data = {"a.dat": chance.randbytes(2_000_000), "deep/b.dat": chance.randbytes(5_000_000), "c.dat": b"small"}
    at = large_files(hub, git, repo, data)
    with_git_xet(git, at, client, concurrent)
    oid = commit(git, at, "large")
    out = git.run("push", "origin", "main", cwd=at, more={"GIT_TRACE": "1"})
    assert "xet" in out and "main -> main" in out, out[-3000:]
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == oid
    for path, content in data.items():
        assert hub.get(f"/{repo}/resolve/main/{path}").expect(200).body == content
        entry = hub.post(f"/api/models/{repo}/paths-info/main", "alice", json={"paths": [path]}).json()[0]
        assert entry["lfs"]["oid"] == sha256(content) and entry["xetHash"], entry
    # A little changed: what is there already is not sent again. The token that the batch gave has run out meanwhile.
    before = sum(p.stat().st_size for p in (hub.data / "cas").rglob("*") if p.is_file())
    data["deep/b.dat"] = data["deep/b.dat"][:2_500_000] + b"inserted" + data["deep/b.dat"][2_500_000:]
    write(at, "deep/b.dat", data["deep/b.dat"])
    commit(git, at, "changed")
    git.run("push", "-q", "origin", "main", cwd=at, more={"AGENT_TOKEN_IS_OLD": "1"})
    assert hub.get(f"/{repo}/resolve/main/deep/b.dat").expect(200).body == data["deep/b.dat"]
    after = sum(p.stat().st_size for p in (hub.data / "cas").rglob("*") if p.is_file())
    assert after - before < 1_000_000, after - before
    # Downloads go the standard way, also where the agent is installed.
    back = git.clone(git.of(repo), "back")
    git.run("lfs", "install", "--local", cwd=back)
    with_git_xet(git, back, client, concurrent)
    git.run("lfs", "pull", cwd=back)
    assert all((back / path).read_bytes() == content for path, content in data.items())


def test_what_the_agent_is_told_when_it_may_not(hub, repo, git, client, tmp_path):
    at = large_files(hub, git, repo, {"a.dat": b"a" * 1000})
    with_git_xet(git, at, client, "true")
    commit(git, at, "large")
    carol = person(hub, tmp_path / "carol", "carol")
    out = carol.run("push", carol.of(repo), "main", cwd=at, check=False)
    assert "rights required to write" in out or "403" in out, out


def test_push_in_parts(hub, repo, git, client):
    """The agent for parts: small files of the same push come in one part, and the push itself needs nothing more."""
    chance = random.Random(52)
    data = {"small.dat": chance.randbytes(100_000), "deep/large.dat": chance.randbytes(2 * PART + 12345)}
    at = large_files(hub, git, repo, data)
    client.hf("lfs-enable-largefiles", at)
    path = {"PATH": f"{client.bin}:{git.env['PATH']}"}
    oid = commit(git, at, "large")
    git.run("push", "-q", "origin", "main", cwd=at, more=path)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == oid
    assert not [p for p in (hub.data / "lfs").rglob("*") if p.is_file()]
    back = git.clone(git.of(repo), "back")
    git.run("lfs", "install", "--local", cwd=back)
    git.run("lfs", "pull", cwd=back)
    for path, content in data.items():
        assert sha256(back / path) == sha256(content)
