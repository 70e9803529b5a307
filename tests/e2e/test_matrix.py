"""Whichever way files came in, whichever way they go out: the same bytes, at the same commit."""

import random
import shutil
import subprocess

import clients
import pytest
import wire
from test_git import commit, person, write

FILES = {
    "README.md": b"# \xe6\xb5\xb7\xe7\xba\xb3\n",
    "config.json": b'{"a": 1}\n',
    "empty.txt": b"",
    "deep/folder/weights.bin": random.Random(41).randbytes(3_000_000),
    "deep/zeros.bin": bytes(2_000_000),
    "模型/海 纳 #1?.txt": "中文\n".encode(),
}


def folder_of(home):
    for path, content in FILES.items():
        write(home, path, content)
    return home


def by_commit(hub, repo, home) -> str:
    """The API: small files in the commit, large ones by LFS."""
    client = clients.Client("2.4.0", home / "machine", hub.url, hub.tokens["alice"], {"HF_HUB_DISABLE_XET": "1"})
    client.hf("upload", repo, folder_of(home / "files"), ".")
    return hub.get(f"/api/models/{repo}", "alice").json()["sha"]


def by_xet(hub, repo, home) -> str:
    client = clients.Client("2.4.0", home / "machine", hub.url, hub.tokens["alice"])
    client.hf("upload", repo, folder_of(home / "files"), ".")
    return hub.get(f"/api/models/{repo}", "alice").json()["sha"]


def by_git(hub, repo, home) -> str:
    """Everything in history itself."""
    git = person(hub, home / "git", "alice")
    at = git.clone(git.of(repo), "w")
    folder_of(at)
    oid = commit(git, at, "plain files")
    git.run("push", "-q", "origin", "main", cwd=at)
    return oid


def by_git_lfs(hub, repo, home) -> str:
    git = person(hub, home / "git", "alice")
    at = git.clone(git.of(repo), "w")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.bin", cwd=at)
    folder_of(at)
    oid = commit(git, at, "large files in LFS")
    git.run("push", "-q", "origin", "main", cwd=at)
    return oid


WRITERS = {"commit": by_commit, "git": by_git, "git-lfs": by_git_lfs, "xet": by_xet}


@pytest.fixture(scope="module", params=WRITERS)
def written(request, hub, tmp_path_factory):
    """A repository that was written in one of the ways, and the commit that came of it."""
    repo = f"alice/by-{request.param}"
    hub.create(repo, "alice").expect(200)
    return repo, WRITERS[request.param](hub, repo, tmp_path_factory.mktemp(request.param))


def assert_files(folder):
    got = {name: path.read_bytes() for name, path in clients.files(folder).items() if not name.startswith(".git")}
    assert got.keys() == FILES.keys()
    assert all(got[name] == FILES[name] for name in FILES), [name for name in FILES if got[name] != FILES[name]]


def test_git_clone(hub, written, tmp_path):
    """With git-lfs's filters, as people have them: one clone is all it takes."""
    repo, oid = written
    git = person(hub, tmp_path / "reader", "bob")
    filters = ("filter.lfs.smudge=git-lfs smudge -- %f", "filter.lfs.process=git-lfs filter-process", "filter.lfs.required=true")
    git.run(*(part for f in filters for part in ("-c", f)), "clone", "-q", git.of(repo), "c")
    assert git.run("rev-parse", "HEAD", cwd=git.home / "c") == oid
    git.run("fsck", "--strict", cwd=git.home / "c")
    assert_files(git.home / "c")


def test_git_clone_and_lfs_pull(hub, written, tmp_path):
    repo, oid = written
    git = person(hub, tmp_path / "reader", None)
    at = git.clone(git.of(repo), "c")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "pull", cwd=at)
    assert git.run("rev-parse", "HEAD", cwd=at) == oid
    git.run("lfs", "fsck", "--objects", cwd=at)
    assert_files(at)


@pytest.mark.parametrize("version", ["2.4.0", "0.36.2"])
@pytest.mark.parametrize("xet", [True, False], ids=["xet", "http"])
def test_hf_download(hub, written, tmp_path, version, xet):
    repo, oid = written
    client = clients.Client(version, tmp_path / "machine", hub.url, hub.tokens["bob"], {} if xet else {"HF_HUB_DISABLE_XET": "1"})
    code = "import sys; from huggingface_hub import snapshot_download; print(snapshot_download(sys.argv[1]))"
    folder = client.python(code, repo).strip().splitlines()[-1]
    assert folder.endswith(f"/snapshots/{oid}"), folder
    shutil.copytree(folder, tmp_path / "out")  # what links lead to
    assert_files(tmp_path / "out")


def test_curl(hub, written, tmp_path):
    repo, oid = written
    for path, content in FILES.items():
        url = f"{hub.url}/{repo}/resolve/main/{'/'.join(wire.quote(p) for p in path.split('/'))}"
        done = subprocess.run(["curl", "-sSfL", "-D", "-", "-o", tmp_path / "out", url], capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert f"x-repo-commit: {oid}" in done.stdout.decode().lower(), done.stdout
        assert (tmp_path / "out").read_bytes() == content, path
