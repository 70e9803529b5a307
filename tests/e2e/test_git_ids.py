"""The versions are git's: the same bytes, by the same person at the same time, give the same ids in real git."""

import random
import subprocess
from datetime import datetime

import pytest
import wire
from clients import sha256
from hub import hermetic


@pytest.fixture
def git(tmp_path):
    """A bare repository of real git's."""
    folder = tmp_path / "oracle.git"
    env = hermetic(tmp_path / "git-home")

    def run(*args, data: bytes | str = b"", more=None) -> str:
        raw = data.encode() if isinstance(data, str) else data
        done = subprocess.run(["git", "-C", folder, *args], input=raw, capture_output=True, env=env | (more or {}), timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    folder.mkdir()
    run("init", "-q", "--bare", ".")
    return run


def tree(hub, repo, rev) -> list[dict]:
    entries, url = [], f"/api/models/{repo}/tree/{rev}?recursive=true"
    while url:
        page = hub.get(url, "alice").expect(200)
        entries += page.json()
        url = page.next()
    return entries


def rebuild(git, hub, repo, rev, entries, folder="") -> str:
    """Writes a folder's tree with git from the bytes the hub gives, checking every blob on the way."""
    lines = []
    prefix = f"{folder}/" if folder else ""
    for entry in entries:
        if not entry["path"].startswith(prefix) or "/" in entry["path"][len(prefix):]:
            continue
        name = entry["path"][len(prefix):]
        if entry["type"] == "directory":
            oid = rebuild(git, hub, repo, rev, entries, entry["path"])
            lines.append(f"040000 tree {oid}\t{name}")
        else:
            raw = hub.get(f"/{repo}/raw/{rev}/{'/'.join(map(wire.quote, entry['path'].split('/')))}", "alice").expect(200).body
            oid = git("hash-object", "-w", "--stdin", data=raw)
            lines.append(f"100644 blob {oid}\t{name}")
        assert oid == entry["oid"], f"{entry['path']}: git says {oid}, the hub {entry['oid']}"
    return git("mktree", "-z", data="".join(line + "\0" for line in lines))


def test_ids_are_those_of_git(hub, repo, git, api):
    chance = random.Random(11)
    texts = [wire.file(f"{d}f{i}.txt", f"{d}{i}\n" * i) for d in ("", "a/", "a-b/", "a/b/c/", "a.b/") for i in range(4)]
    hub.commit(repo, "alice", *texts, summary="texts").expect(200)
    # git sorts a folder as if its name ended in a slash: a, a-b, a.b, ab are the traps.
    hub.commit(repo, "alice", wire.file("a.txt", "x"), wire.file("a0", "y"), wire.file("ab/x", "z"), wire.file("模型.md", "海"),
               summary="海纳: names\n\nwith a body\n", description="and more").expect(200)
    api.upload_file(path_or_fileobj=chance.randbytes(200_000), path_in_repo="weights/w.bin", repo_id=repo)
    hub.commit(repo, "alice", wire.deleted_file("a.txt"), wire.deleted_folder("a/b"), wire.file("a/f1.txt", "changed"), summary="less").expect(200)

    history = hub.get(f"/api/models/{repo}/commits/main", "alice").expect(200).json()
    assert len(history) == 5 and history[-1]["title"].lower() == "initial commit"
    parent = None
    for commit in reversed(history):
        tree_oid = rebuild(git, hub, repo, commit["id"], tree(hub, repo, commit["id"]))
        assert commit["authors"][0]["user"] == "alice"
        # The API shows no address: commits carry one of the hub's own, so that nobody's enters history.
        who = {"NAME": "alice", "EMAIL": "alice@users.noreply.127.0.0.1",
               "DATE": f"{int(datetime.fromisoformat(commit['date']).timestamp())} +0000"}
        person = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        message = commit["title"] + (f"\n\n{commit['message']}" if commit["message"] else "") + "\n"
        parents = ["-p", parent] if parent else []
        made = git("commit-tree", *parents, tree_oid, data=message, more=person)
        assert made == commit["id"], f"{commit['title']}: git commit-tree gives {made}, the hub {commit['id']}"
        parent = commit["id"]
    assert parent == hub.get(f"/api/models/{repo}", "alice").json()["sha"]


def test_lfs_pointers_are_git_blobs(hub, repo, git, api):
    data = random.Random(5).randbytes(50_000)
    api.upload_file(path_or_fileobj=data, path_in_repo="x.bin", repo_id=repo)
    entry = hub.get(f"/api/models/{repo}/tree/main", "alice").json()
    entry = next(e for e in entry if e["path"] == "x.bin")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(data)}\nsize {len(data)}\n"
    assert hub.get(f"/{repo}/raw/main/x.bin", "alice").text == pointer
    assert entry["oid"] == git("hash-object", "--stdin", data=pointer)
    assert entry["lfs"] == {"oid": sha256(data), "size": len(data), "pointerSize": len(pointer)}
