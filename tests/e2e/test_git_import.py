"""`haina import-git` and `haina export-git`: repositories come and go with their whole history and their large files.

The oracle is git: what goes in comes out with the same ids, and git and git-lfs work on what was written.
"""

import random
import shutil
import subprocess

import pytest
from clients import sha256
from test_git import commit, objects, person, refs, variety, write

HEADS = ("refs/heads/", "refs/tags/", "refs/notes/")


@pytest.fixture
def git(hub, tmp_path):
    return person(hub, tmp_path / "alice", "alice")


def take(hub, *args, check=True):
    done = hub.run("import-git", *map(str, args), check=check)
    if not check:
        assert done.returncode == 1, f"import-git {args} should have failed:\n{done.stdout}{done.stderr}"
    return done.stderr


def tips(git, source) -> dict:
    return {n: o for n, o in refs(git, source).items() if n.startswith(HEADS)}


@pytest.fixture(scope="module")
def sources(hub, tmp_path_factory):
    """One varied repository, as it lies in each of the ways that git knows."""
    git = person(hub, tmp_path_factory.mktemp("sources"), "alice")
    at = git.home / "loose"
    variety(git, at)
    git.run("config", "gc.auto", "0", cwd=at)
    git.run("notes", "add", "-m", "noted", "main", cwd=at)
    # Something large enough that a loose object is not held in memory.
    write(at, "two-mebibytes", random.Random(1).randbytes(2 << 20) * 2)
    commit(git, at, "large and loose")
    packed = git.home / "packed"
    shutil.copytree(at, packed, symlinks=True)
    git.run("repack", "-q", "-a", "-d", "--depth=50", cwd=packed)
    git.run("pack-refs", "--all", cwd=packed)
    mixed = git.home / "mixed"
    shutil.copytree(packed, mixed, symlinks=True)
    for i in range(3):
        write(mixed, f"more/{i}", str(i))
        commit(git, mixed, f"more {i}")
        git.run("repack", "-q", cwd=mixed)  # one pack more each time
    write(mixed, "loose", "loose")
    commit(git, mixed, "and loose")
    git.run("pack-refs", cwd=mixed)
    bare = git.clone(packed, "bare.git", "--mirror")
    (git.home / "whole.bundle").unlink(missing_ok=True)
    git.run("bundle", "create", "-q", git.home / "whole.bundle", "--all", cwd=packed)
    git.run("worktree", "add", "-q", git.home / "beside", "two", cwd=packed)
    return git, {"loose": at, "packed": packed, "mixed": mixed, "bare": bare, "bundle": git.home / "whole.bundle", "beside": git.home / "beside"}


@pytest.mark.parametrize("way", ["loose", "packed", "mixed", "bare", "bundle", "beside"])
def test_the_same_ids_in_and_out(hub, sources, tmp_path, way):
    git, all_of_them = sources
    source = all_of_them[way]
    name = f"alice/in-{way}"
    said = take(hub, source, name, "--create")
    assert "Brought" in said, said
    oracle = git.home / "packed" if way in ("bundle", "beside") else source
    want = tips(git, oracle)
    assert tips(git, git.of(name)) == want
    back = git.clone(git.of(name), tmp_path / "back", "--mirror")
    git.run("fsck", "--strict", "--full", cwd=back)
    reached = {line.split()[0] for line in git.run("rev-list", "--objects", *[n for n in want if "^{}" not in n], cwd=oracle).splitlines()}
    assert objects(git, back) == reached
    # The hub runs beside it all, and knows at once.
    assert hub.get(f"/api/models/{name}", "alice").expect(200).json()["sha"] == want["refs/heads/main"]
    assert hub.get(f"/{name}/resolve/main/bin/run").expect(200).text == "#!/bin/sh\n"
    # Out again.
    out = tmp_path / "out.git"
    hub.run("export-git", name, str(out))
    git.run("fsck", "--strict", "--full", cwd=out)
    assert tips(git, out) == want and objects(git, out) == reached
    # And in once more, from what was written.
    take(hub, out, f"alice/again-{way}", "--create", "--private")
    assert tips(git, git.of(f"alice/again-{way}")) == want


def test_a_dry_run_changes_nothing(hub, sources):
    _, all_of_them = sources
    said = take(hub, all_of_them["bare"], "alice/dry", "--create", "--dry-run")
    assert "Would bring" in said and "commits" in said, said
    hub.get("/api/models/alice/dry", "alice").expect(404)
    hub.create("alice/dry", "alice").expect(200)
    before = hub.get("/api/models/alice/dry", "alice").json()
    take(hub, all_of_them["bare"], "alice/dry", "--dry-run")
    assert hub.get("/api/models/alice/dry", "alice").json() == before
    take(hub, all_of_them["bare"], "alice/dry")
    assert hub.get("/api/models/alice/dry", "alice").json()["sha"] != before["sha"]


def test_who_and_where_to(hub, sources, git, api):
    _, all_of_them = sources
    source = all_of_them["packed"]
    assert "There is no model alice/nowhere. Make it with --create." in take(hub, source, "alice/nowhere", check=False)
    take(hub, source, "datasets/alice/of-kind", "--create")
    hub.get("/api/datasets/alice/of-kind").expect(200)
    take(hub, source, "alice/of-kind", "--kind", "space", "--create", "--private")
    hub.get("/api/spaces/alice/of-kind").expect(404, 401)
    assert hub.get("/api/spaces/alice/of-kind", "alice").expect(200).json()["private"]
    assert "names a dataset" in take(hub, source, "datasets/alice/x", "--kind", "model", "--create", check=False)
    assert "has a history already" in take(hub, source, "datasets/alice/of-kind", check=False)
    # An organization's needs a person, who must be one of it.
    assert "say with --as USER" in take(hub, source, "acme/in", "--create", check=False)
    assert "rights required to create" in take(hub, source, "acme/in", "--create", "--as", "alice", check=False)
    take(hub, source, "acme/in", "--create", "--as", "bob")
    assert hub.get("/api/models/acme/in").expect(200).json()["sha"]
    assert "There is no user 'nobody'" in take(hub, source, "acme/in2", "--create", "--as", "nobody", check=False)
    # One that has something is not imported into.
    hub.create("alice/full", "alice").expect(200)
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="alice/full")
    assert "has a history already" in take(hub, source, "alice/full", check=False)


def lfs_repository(git, name: str, data: dict):
    at = git.home / name
    git.run("init", "-q", at)
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.bin", cwd=at)
    for path, content in data.items():
        write(at, path, content)
        commit(git, at, f"adds {path}")
    return at


def test_large_files_come_and_go(hub, git, api, tmp_path):
    chance = random.Random(77)
    data = {"a.bin": chance.randbytes(3 << 20), "deep/b.bin": chance.randbytes(12 << 20), "deep/c.bin": b"small"}
    at = lfs_repository(git, "w", data)
    # Content that only an older version has counts as well.
    data["a.bin"] = chance.randbytes(1 << 20)
    write(at, "a.bin", data["a.bin"])
    commit(git, at, "a again")
    said = take(hub, at, "alice/large", "--create")
    assert "4 large files" in said and "Storing large file 1 of 4" in said, said
    for path, content in data.items():
        assert hub.get(f"/alice/large/resolve/main/{path}").expect(200).body == content
    info = api.get_paths_info("alice/large", ["deep/b.bin"])[0]
    assert info.lfs.sha256 == sha256(data["deep/b.bin"])
    # Plain git and git-lfs on what is exported.
    out = tmp_path / "out.git"
    said = hub.run("export-git", "alice/large", str(out)).stderr
    assert "4 large files" in said, said
    git.run("fsck", "--strict", cwd=out)
    back = git.clone(f"file://{out}", "back")
    git.run("lfs", "install", "--local", cwd=back)
    git.run("lfs", "fetch", "--all", cwd=back)
    git.run("lfs", "checkout", cwd=back)
    git.run("lfs", "fsck", cwd=back)
    assert all((back / path).read_bytes() == content for path, content in data.items())
    # What is exported is imported.
    take(hub, out, "alice/large2", "--create")
    assert hub.get("/alice/large2/resolve/main/deep/b.bin").expect(200).body == data["deep/b.bin"]
    # Without them, and from elsewhere.
    bare = tmp_path / "bare.git"
    hub.run("export-git", "--no-lfs", "alice/large", str(bare))
    assert not (bare / "lfs").exists()
    said = take(hub, bare, "alice/large3", "--create", check=False)
    for words in ("The content of 4 large files is missing", "git lfs fetch --all", "--lfs-dir", f"deep/b.bin (sha256 {sha256(data['deep/b.bin'])}, 12.0 MiB)"):
        assert words in said, said
    hub.get("/api/models/alice/large3", "alice").expect(404)
    for folder in (out / "lfs", out / "lfs/objects"):
        take(hub, bare, f"alice/large-{folder.name}", "--create", "--lfs-dir", folder)
        assert hub.get(f"/alice/large-{folder.name}/resolve/main/deep/c.bin").expect(200).body == b"small"
    # Damaged ones are noticed by their bytes.
    digest = sha256(data["deep/b.bin"])
    broken = out / "lfs/objects" / digest[:2] / digest[2:4] / digest
    broken.write_bytes(bytes(12 << 20))
    said = take(hub, out, "alice/large4", "--create", check=False)
    assert "should have the sha256" in said and "git lfs fsck" in said, said
    broken.write_bytes(b"short")
    assert "The content of 1 large file is missing" in take(hub, out, "alice/large5", "--create", check=False)


def test_files_that_belong_into_lfs(hub, git):
    at = git.home / "w"
    git.run("init", "-q", at)
    for i in range(12):
        write(at, f"deep/model-{i}.bin", bytes([i]) * ((10 << 20) + 1 + i))
    commit(git, at, "large")
    said = take(hub, at, "alice/toolarge", "--create", check=False)
    for words in ("Files of more than 10.0 MiB", "deep/model-", "git lfs migrate import --everything --above=10MB"):
        assert words in said, said
    hub.get("/api/models/alice/toolarge", "alice").expect(404)
    # The advice works.
    git.run("lfs", "migrate", "import", "--everything", "--above=10MB", "--yes", cwd=at)
    take(hub, at, "alice/toolarge", "--create")
    assert hub.get("/alice/toolarge/resolve/main/deep/model-7.bin").expect(200).body == bytes([7]) * ((10 << 20) + 8)


def test_branches_by_other_names(hub, git, tmp_path):
    at = git.home / "w"
    git.run("init", "-q", "-b", "trunk", at)
    write(at, "x", "x")
    oid = commit(git, at, "x")
    said = take(hub, at, "alice/trunk", "--create")
    assert "There is no branch `main`: it is made at refs/heads/trunk" in said, said
    assert tips(git, git.of("alice/trunk")) == {"refs/heads/main": oid, "refs/heads/trunk": oid}
    git.run("checkout", "-q", "--detach", cwd=at)
    take(hub, at, "alice/detached", "--create")
    git.run("checkout", "-q", "--orphan", "nothing", cwd=at)
    assert "git branch main BRANCH" in take(hub, at, "alice/unborn", "--create", check=False)
    git.run("checkout", "-q", "-f", "trunk", cwd=at)
    git.run("branch", "main/x", cwd=at)
    assert "branches below `main/`" in take(hub, at, "alice/below", "--create", check=False)
    # A clone has the branches of its origin under another name.
    clone = git.clone(at, "clone")
    said = take(hub, clone, "alice/clone", "--create")
    assert "Left out" in said and "refs/remotes/origin/main/x" in said and "--mirror" in said, said


def test_what_cannot_be_read_is_refused_with_advice(hub, git, tmp_path):
    at = git.home / "w"
    git.run("init", "-q", at)
    for i in range(5):
        write(at, "x", str(i))
        commit(git, at, str(i))

    def refuse(source, *words):
        said = take(hub, source, "alice/never", "--create", check=False)
        assert all(word in said for word in words), said
        hub.get("/api/models/alice/never", "alice").expect(404)

    refuse(tmp_path, "neither a git repository nor a bundle")
    refuse(tmp_path / "nowhere", "neither a git repository nor a bundle")
    (tmp_path / "text").write_text("hello\n")
    refuse(tmp_path / "text", "not a git bundle")
    shallow = git.clone(f"file://{at}", "shallow", "--depth=1")
    refuse(shallow, "its history is cut off", "git fetch --unshallow")
    shared = git.clone(at, "shared", "--shared")
    refuse(shared, "borrows objects", "git repack -a -d")
    git.run("config", "uploadpack.allowFilter", "true", cwd=at)
    partial = git.clone(f"file://{at}", "partial", "--filter=blob:none", "--no-checkout")
    refuse(partial, "The repository is not whole", "git fetch --refetch", "blob ")
    git.run("init", "-q", "--object-format=sha256", "sha256")
    refuse(git.home / "sha256", "SHA-256")
    git.run("init", "-q", "--ref-format=reftable", "reftable")
    refuse(git.home / "reftable", "git bundle create")
    git.run("bundle", "create", "-q", git.home / "part.bundle", "main~2..main", cwd=at)
    refuse(git.home / "part.bundle", "builds upon commits", "--all")
    whole = git.home / "whole.bundle"
    git.run("bundle", "create", "-q", whole, "--all", cwd=at)
    for cut in (30, 100, 200, len(whole.read_bytes()) - 1):
        (git.home / "cut.bundle").write_bytes(whole.read_bytes()[:cut])
        refuse(git.home / "cut.bundle", "haina: ")
    # An object that is damaged, one that is gone, and one that git's own check does not like.
    damaged = git.home / "damaged"
    shutil.copytree(at, damaged)
    victim = git.run("rev-parse", "main:x", cwd=at)
    place = damaged / ".git/objects" / victim[:2] / victim[2:]
    place.chmod(0o644)
    place.write_bytes(b"not zlib")
    refuse(damaged, victim[2:])
    place.unlink()
    refuse(damaged, "is not whole", f"blob {victim}")
    tree = git.run("hash-object", "-t", "tree", "-w", "--literally", "--stdin", cwd=at, data=b"100644 .git\0" + bytes(20))
    bad = git.run("commit-tree", "-m", "evil", tree, cwd=at)
    git.run("update-ref", "refs/heads/evil", bad, cwd=at)
    refuse(at, "git fsck --strict", tree)
    git.run("update-ref", "-d", "refs/heads/evil", cwd=at)
    refuse(at, "git gc --prune=now")
    subprocess.run(["git", "reflog", "expire", "--expire=now", "--all"], cwd=at, env=git.env, check=True)
    git.run("prune", "--expire=now", cwd=at)
    take(hub, at, "alice/now-it-works", "--create")
