"""Histories of every size and shape: pushed, cloned back, checked by `git fsck --strict`, the ids compared."""

import time

import pytest
from test_git import assert_whole, commit, objects, person, refs, variety, write


@pytest.fixture
def git(hub, tmp_path):
    return person(hub, tmp_path / "alice", "alice")


def fast_import(git, at, stream: str):
    git.run("init", "-q", at)
    git.run("fast-import", "--quiet", cwd=at, data=stream.encode())


def timed(what: str, work):
    started = time.monotonic()
    done = work()
    print(f"{what}: {time.monotonic() - started:.2f} s")
    return done


@pytest.mark.timeout(300)
def test_ten_thousand_files(hub, repo, git):
    at = git.home / "w"
    lines = ["commit refs/heads/main\ncommitter Ada <ada@example.org> 1600000000 +0000\ndata 2\nx\n"]
    for i in range(10_000):
        body = f"{i}\n" * (1 + i % 200)
        lines.append(f"M 100644 inline d{i % 40}/e{i % 7}/f{i}.txt\ndata {len(body)}\n{body}\n")
    fast_import(git, at, "".join(lines))
    timed("push of 10,000 files", lambda: git.run("push", "-q", "-f", git.of(repo), "main", cwd=at))
    back = timed("clone", lambda: assert_whole(hub, git, repo, at))
    assert objects(git, back) >= objects(git, at)
    assert len(git.run("ls-tree", "-r", "--name-only", "main", cwd=back).splitlines()) == 10_000
    # One file more is a small push.
    git.run("checkout", "-q", "main", cwd=at)
    write(at, "d1/one-more", "x")
    commit(git, at, "one more")
    timed("push of one more", lambda: git.run("push", "-q", git.of(repo), "main", cwd=at))
    assert hub.get(f"/{repo}/resolve/main/d1/one-more").expect(200).text == "x"


@pytest.mark.timeout(300)
def test_five_thousand_commits(hub, repo, git):
    at = git.home / "w"
    lines = []
    for i in range(5000):
        body = f"{i}\n" * 20
        lines.append(f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + i} +0000\ndata 2\nx\n"
                     f"M 100644 inline d{i % 11}/f{i % 97}\ndata {len(body)}\n{body}\n")
    fast_import(git, at, "".join(lines))
    timed("push of 5,000 commits", lambda: git.run("push", "-q", "-f", git.of(repo), "main", cwd=at))
    timed("clone", lambda: assert_whole(hub, git, repo, at))
    tip = git.run("rev-parse", "main", cwd=at)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == tip
    page = timed("first page of commits", lambda: hub.get(f"/api/models/{repo}/commits/main?limit=50", "alice").expect(200))
    assert page.header("X-Total-Count") in ("5000", None) and page.json()[0]["id"] == tip


def test_a_mirror_of_everything(hub, repo, git):
    """`push --mirror` brings what is there and takes away what is not; only the hub's own references stay."""
    at = git.home / "w"
    variety(git, at)
    # Namespaces that are the hub's own are refused, each by itself, and the rest is taken.
    git.run("push", "-q", "--mirror", git.of(repo), cwd=at)
    assert_whole(hub, git, repo, at)
    want = {n: o for n, o in refs(git, at).items() if n.startswith(("refs/heads/", "refs/tags/"))}
    assert {n: o for n, o in refs(git, git.of(repo)).items() if n != "HEAD"} == want
    git.run("branch", "-D", "left", cwd=at)
    git.run("tag", "-d", "light", cwd=at)
    git.run("push", "-q", "--mirror", git.of(repo), cwd=at)
    have = refs(git, git.of(repo))
    assert "refs/heads/left" not in have and "refs/tags/light" not in have and "refs/tags/v1" in have
    # And one branch of it, alone.
    single = git.clone(git.of(repo), "single", "--single-branch", "-b", "two")
    assert git.run("branch", "-r", cwd=single).split() == ["origin/two"]
    assert git.run("rev-parse", "HEAD", cwd=single) == want["refs/heads/two"]
    git.run("fsck", "--strict", cwd=single)
    write(single, "more", "more")
    oid = commit(git, single, "more")
    git.run("push", "-q", "origin", "two", cwd=single)
    assert refs(git, git.of(repo))["refs/heads/two"] == oid


SIGNATURE = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg\n-----END SSH SIGNATURE-----\n"


def test_signed_commits_and_tags_keep_every_byte(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    tree, parent = git.run("rev-parse", "HEAD^{tree}", cwd=at), git.run("rev-parse", "HEAD", cwd=at)
    who = "A U Thor <a@example.org> 1600000000 +0530"
    indented = SIGNATURE.rstrip("\n").replace("\n", "\n ")
    raws = {
        "signed": ("commit", f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\ngpgsig {indented}\n\nsigned\n"),
        "merge-of-signed-tag": ("commit", f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\nmergetag object {parent}\n type commit\n tag v0\n tagger {who}\n \n text\n {indented}\n\nmerge\n"),
        "no-newline": ("commit", f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\nno newline at the end"),
        "no-message": ("commit", f"tree {tree}\nauthor {who}\ncommitter {who}\n\n"),
        "unknown-header": ("commit", f"tree {tree}\nauthor {who}\ncommitter {who}\nHG:extra x\n\nx\n"),
    }
    for name, (kind, raw) in raws.items():
        oid = git.run("hash-object", "-t", kind, "-w", "--stdin", cwd=at, data=raw.encode())
        git.run("update-ref", f"refs/heads/{name}", oid, cwd=at)
        tag = f"object {oid}\ntype commit\ntag {name}\ntagger {who}\n\na tag\n{SIGNATURE}"
        tag = git.run("hash-object", "-t", "tag", "-w", "--stdin", cwd=at, data=tag.encode())
        git.run("update-ref", f"refs/tags/{name}", tag, cwd=at)
    git.run("push", "-q", "--all", "origin", cwd=at)
    git.run("push", "-q", "--tags", "origin", cwd=at)
    back = assert_whole(hub, git, repo, at)
    for name, (kind, raw) in raws.items():
        assert git.run("cat-file", kind, f"refs/heads/{name}", cwd=back) == raw.strip()
        assert SIGNATURE.strip() in git.run("cat-file", "tag", f"refs/tags/{name}", cwd=back)
    titles = {hub.get(f"/api/models/{repo}/commits/{name}", "alice").expect(200).json()[0]["title"] for name in raws}
    assert titles == {"signed", "merge", "no newline at the end", "", "x"}, titles


def test_submodules_stay_links(hub, repo, git):
    """A tree with commits of other repositories: kept, served to git, no entry of the hub's lists."""
    at = git.clone(git.of(repo), "w")
    git.run("update-index", "--add", "--cacheinfo", f"160000,{'cd' * 20},deep/vendored", cwd=at)
    write(at, ".gitmodules", '[submodule "deep/vendored"]\n\tpath = deep/vendored\n\turl = ../other.git\n')
    git.run("add", ".gitmodules", cwd=at)
    git.run("commit", "-q", "-m", "submodule", cwd=at)
    write(at, "deep/beside", "beside")
    git.run("add", "deep/beside", cwd=at)
    git.run("commit", "-q", "-m", "beside", cwd=at)
    git.run("push", "-q", "origin", "main", cwd=at)
    back = assert_whole(hub, git, repo, at)
    assert f"160000 commit {'cd' * 20}\tdeep/vendored" in git.run("ls-tree", "-r", "main", cwd=back)
    listed = hub.get(f"/api/models/{repo}/tree/main/deep", "alice").expect(200).json()
    assert "deep/beside" in {e["path"] for e in listed}
    assert hub.get(f"/{repo}/resolve/main/deep/beside").expect(200).text == "beside"
    hub.get(f"/{repo}/resolve/main/deep/vendored").expect(404)
