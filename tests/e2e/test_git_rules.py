"""What a push and a repository may not be: limits, locks of others, broken requests, races. Said so that people see it."""

import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import wire
from test_git import commit, packets_of_push, person, raw_push, refs, write
from test_lfs import batch, send, sha256


@pytest.fixture
def git(hub, tmp_path):
    return person(hub, tmp_path / "alice", "alice")


def limits(hub, *args) -> dict:
    return dict(line.split() for line in hub.admin("limits", *map(str, args)).splitlines())


def test_limits_are_set_and_shown(hub, repo):
    usual = {"objects": "1000000", "bytes": str(5 << 30), "large-bytes": "none", "refs": "100000", "push-refs": "5000", "push-bytes": str(2 << 30)}
    assert limits(hub) == usual
    assert limits(hub, "--refs", 200, "--bytes", "7G") == usual | {"refs": "200", "bytes": str(7 << 30)}
    # One repository's own stand over those of all.
    assert limits(hub, "--repo", repo) == limits(hub)
    assert limits(hub, "--repo", repo, "--refs", 3, "--large-bytes", "1M")["refs"] == "3"
    assert limits(hub)["refs"] == "200" and limits(hub)["large-bytes"] == "none"
    assert limits(hub, "--refs", "default", "--bytes", "default") == usual
    assert limits(hub, "--repo", repo, "--refs", "default", "--large-bytes", "default") == usual
    assert hub.run("admin", "limits", "--refs", "many", check=False).returncode == 2
    assert "not found" in hub.run("admin", "limits", "--repo", "alice/neverwas", "--refs", "3", check=False).stderr


def test_as_many_objects_and_bytes_as_the_limit(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    base = int(git.run("rev-list", "--objects", "--all", "--count", cwd=at))
    limits(hub, "--repo", repo, "--objects", base + 6)
    for i in range(2):  # a commit, a tree and a blob each
        write(at, f"f{i}", str(i))
        commit(git, at, str(i))
    git.run("push", "-q", "origin", "main", cwd=at)
    write(at, "one more", "x")
    commit(git, at, "one more")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert f"may have at most {base + 6} objects; this one has {base + 6}, and 3 would come" in out, out
    answer = hub.commit(repo, "alice", wire.file("api.txt", "api"))
    answer.error(413, None, f"may have at most {base + 6} objects")
    # The same objects again are no more than before.
    git.run("push", "-q", "origin", "main~1:refs/heads/again", cwd=at)
    limits(hub, "--repo", repo, "--objects", "default", "--bytes", "1M")
    git.run("push", "-q", "origin", "main", cwd=at)
    write(at, "noise", random.Random(5).randbytes(1 << 20))
    commit(git, at, "noise")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "may have at most 1.0 MiB outside of large files" in out and "Git LFS" in out, out
    hub.commit(repo, "alice", wire.file("noise.txt", random.Random(6).randbytes(1 << 20))).error(413, None, "at most 1.0 MiB")
    hub.commit(repo, "alice", wire.file("small.txt", "small")).expect(200)
    # The bytes of one push.
    limits(hub, "--repo", repo, "--bytes", "default", "--push-bytes", "1M")
    git.run("pull", "-q", "--no-rebase", "--no-edit", cwd=at)
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "a push has at most 1 MiB" in out, out
    limits(hub, "--repo", repo, "--push-bytes", "default")
    git.run("push", "-q", "origin", "main", cwd=at)


def test_as_many_references_as_the_limit(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    limits(hub, "--repo", repo, "--refs", 5, "--push-refs", 3)
    out = git.run("push", "origin", *[f"main:refs/heads/b{i}" for i in range(4)], cwd=at, check=False)
    assert "a push has at most 3 references" in out, out
    git.run("push", "-q", "origin", *[f"main:refs/heads/b{i}" for i in range(3)], cwd=at)
    hub.post(f"/api/models/{repo}/tag/main", "alice", json={"tag": "t"}).expect(200)
    for answer in (hub.post(f"/api/models/{repo}/tag/main", "alice", json={"tag": "t2"}), hub.post(f"/api/models/{repo}/branch/b9", "alice", json={})):
        answer.error(413, None, "at most 5 branches, tags")
    out = git.run("push", "origin", "main:refs/tags/t3", cwd=at, check=False)
    assert "at most 5 branches, tags" in out, out
    # What is there moves all the same, and what goes makes room.
    write(at, "x", "x")
    commit(git, at, "x")
    git.run("push", "-q", "origin", "main:b0", cwd=at)
    git.run("push", "-q", "origin", ":b1", cwd=at)
    git.run("push", "-q", "origin", "main:refs/tags/t3", cwd=at)


def test_as_many_bytes_of_large_files_as_the_limit(hub, repo, git, api):
    chance = random.Random(8)
    limits(hub, "--repo", repo, "--large-bytes", "3M")
    first = chance.randbytes(2 << 20)
    send(hub, repo, first)
    hub.commit(repo, "alice", wire.lfs_file("first.bin", sha256(first), len(first))).expect(200)
    more = chance.randbytes(1_500_000)
    [told] = batch(hub, repo, "alice", "upload", (sha256(more), len(more)))["objects"]
    assert told["error"]["code"] == 413 and "at most 3.0 MiB together; this one has 2.0 MiB, and 1.4 MiB would come" in told["error"]["message"], told
    # As the person who pushes reads it.
    at = git.clone(git.of(repo), "w")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.bin", cwd=at)
    write(at, "more.bin", more)
    commit(git, at, "more")
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "at most 3.0 MiB together" in out, out
    # By Xet the bytes come, and no commit takes them.
    with pytest.raises(Exception, match="at most 3.0 MiB together"):
        api.upload_file(path_or_fileobj=more, path_in_repo="more.bin", repo_id=repo)
    limits(hub, "--repo", repo, "--large-bytes", "default")
    git.run("push", "-q", "origin", "main", cwd=at)
    assert hub.get(f"/{repo}/resolve/main/more.bin").expect(200).body == more


# ---------------------------------------------------------------- locks


def test_what_others_have_locked_is_not_changed(hub, tmp_path):
    repo = "acme/shared"
    hub.create(repo, "bob").expect(200)
    hub.add_user("frank")
    hub.admin("org", "member", "acme", "frank", "--role", "write")
    bob, frank = person(hub, tmp_path / "bob", "bob"), person(hub, tmp_path / "frank", "frank")
    b = bob.clone(bob.of(repo), "w")
    write(b, "deep/art.bin", "one")
    write(b, "other.txt", "other")
    commit(bob, b, "art")
    bob.run("push", "-q", "origin", "main", cwd=b)
    f = frank.clone(frank.of(repo), "w")
    lock = hub.post(f"/{repo}.git/info/lfs/locks", "bob", json={"path": "deep/art.bin"}).expect(201).json()["lock"]

    def stays(said: str):
        for words in ("deep/art.bin (locked by bob)", "git lfs unlock", "! [remote rejected]", "('deep/art.bin' is locked by bob)"):
            assert words in said, said

    # Change, removal, a file in the place of its folder; on any branch, in the middle of a push, under a tag.
    for change in (lambda: write(f, "deep/art.bin", "frank's"), lambda: (f / "deep/art.bin").unlink(), lambda: (f / "deep/art.bin").rename(f / "moved")):
        change()
        commit(frank, f, "change")
        stays(frank.run("push", "origin", "main", cwd=f, check=False))
        stays(frank.run("push", "origin", "main:refs/heads/new", cwd=f, check=False))
        stays(frank.run("push", "origin", "main:refs/tags/new", cwd=f, check=False))
        frank.run("revert", "--no-edit", "HEAD", cwd=f)
        stays(frank.run("push", "origin", "main", cwd=f, check=False))
        frank.run("reset", "-q", "--hard", "origin/main", cwd=f)
    # Everything else is free, and so is a branch from an old version.
    write(f, "other.txt", "frank's")
    commit(frank, f, "other")
    frank.run("push", "-q", "origin", "main", "main~2:refs/heads/old", cwd=f)
    # The owner changes it, and frank merges that.
    bob.run("pull", "-q", cwd=b)
    write(b, "deep/art.bin", "two")
    commit(bob, b, "two")
    bob.run("push", "-q", "origin", "main", cwd=b)
    write(f, "frank.txt", "frank's")
    commit(frank, f, "more")
    frank.run("pull", "-q", "--no-rebase", "--no-edit", cwd=f)
    frank.run("push", "-q", "origin", "main", cwd=f)
    # Commits by the API are held to it as well.
    for line in (wire.file("deep/art.bin", "x"), wire.deleted_file("deep/art.bin"), wire.deleted_folder("deep/")):
        hub.commit(repo, "frank", line).error(403, None, "locked by bob")
    hub.commit(repo, "frank", wire.file("deep/art.bin.txt", "x")).expect(200)
    hub.commit(repo, "bob", wire.file("deep/art.bin", "three")).expect(200)
    hub.post(f"/{repo}.git/info/lfs/locks/{lock['id']}/unlock", "bob", json={}).expect(200)
    frank.run("pull", "-q", "--no-rebase", "--no-edit", cwd=f)
    write(f, "deep/art.bin", "frank's at last")
    commit(frank, f, "mine")
    frank.run("push", "-q", "origin", "main", cwd=f)


# ---------------------------------------------------------------- broken requests


ZERO, ONE = "0" * 40, "1" * 40


def lines(*commands, end=b"0000") -> bytes:
    return b"".join(b"%04x%s" % (len(c) + 4, c) for c in commands) + end


@pytest.mark.parametrize("body, words", [
    (lines(b"hello"), "expected old/new/ref"),
    (lines(f"{ZERO} {ONE}".encode()), "expected old/new/ref"),
    (lines(f"{ZERO[:39]} {ONE} refs/heads/x".encode()), "expected old/new/ref"),
    (lines(b"\xff\xfe"), "not UTF-8"),
    (lines(f"{ZERO} {ONE} refs/heads/x\0object-format=sha256".encode()), "object format"),
    (lines(f"{ZERO} {ONE} refs/heads/x\0report-status".encode(), f"{ZERO} {ONE} refs/heads/y\0atomic".encode()), "capabilities after the first"),
    (lines(b"push-cert\0"), "signed pushes"),
    (lines(f"shallow {ONE[:10]}".encode()), "invalid object id"),
    (b"0003", "bad packet length"),
    (b"fff9", "bad packet length"),
    (b"zzzz", "bad packet length"),
    (b"00ff" + b"x" * 10, "ends inside a packet"),
    (lines(f"{ZERO} {ONE} refs/heads/x\0report-status".encode(), end=b"0001"), "unexpected delim"),
    (lines(f"{ZERO} {ONE} refs/heads/x\0report-status".encode(), end=b""), "ends before its flush"),
    (lines(f"{ZERO} {ONE} refs/heads/x\0report-status push-options".encode()), "push options do not end"),
], ids=range(15))
def test_broken_commands_are_answered_in_the_protocol(hub, repo, body, words):
    said = raw_push(hub, repo, body)
    assert said[4:8] == "ERR " and words in said, said
    # Where bands were agreed upon, words outside of them would be one more error.
    if b"\0report-status" in body:
        said = raw_push(hub, repo, body.replace(b"\0report-status", b"\0side-band-64k"))
        assert said[4] == "\x03" and words in said and said.endswith("0000"), said


@pytest.mark.parametrize("name", ["", "x", "refs", "refs/", "refs/heads/", "refs/heads", "HEAD", "refs/heads/a..b", "refs/heads/.a", "refs/heads/a.lock", "refs/heads/a//b",
                                  "refs/heads/a b", "refs/heads/a~1", "refs/heads/a^", "refs/heads/a:b", "refs/heads/a?", "refs/heads/a*", "refs/heads/a[", "refs/heads/a\\b",
                                  "refs/heads/a.", "refs/heads/@{", "refs/heads/a\tb", "refs/heads/a\x7f", "refs/heads/-a", "refs/heads/HEAD", "refs/tags/-a", "refs/hub/x",
                                  "refs/convert/parquet", "../x", "refs/heads/../../x"])
def test_names_that_no_reference_may_have(hub, repo, name):
    tip = hub.get(f"/api/models/{repo}", "alice").json()["sha"]
    said = raw_push(hub, repo, packets_of_push((ZERO, tip, name)))
    assert f"ng {name.replace(chr(9), ' ').replace(chr(127), ' ')} " in said, said
    assert [b["name"] for b in hub.get(f"/api/models/{repo}/refs", "alice").json()["branches"]] == ["main"]


def test_the_default_branch_stays_and_may_be_forced(hub, repo, git):
    at = git.clone(git.of(repo), "w")
    for i in range(3):
        write(at, "x", str(i))
        commit(git, at, str(i))
    git.run("push", "-q", "origin", "main", cwd=at)
    out = git.run("push", "origin", ":main", cwd=at, check=False)
    assert "the main branch cannot be deleted" in out, out
    git.run("reset", "-q", "--hard", "HEAD~2", cwd=at)
    out = git.run("push", "origin", "main", cwd=at, check=False)
    assert "non-fast-forward" in out, out
    # A lease upon what is not there any more is refused; by the client's word or by ours.
    git.run("push", "--force-with-lease=main:" + ONE, "origin", "main", cwd=at, check=False)
    tip = git.run("rev-parse", "HEAD", cwd=at)
    assert "moved meanwhile: fetch first" in raw_push(hub, repo, packets_of_push((ONE, tip, "refs/heads/main")))
    git.run("push", "-q", "--force-with-lease", "origin", "main", cwd=at)
    assert hub.get(f"/api/models/{repo}", "alice").json()["sha"] == tip


# ---------------------------------------------------------------- races


@pytest.mark.timeout(300)
def test_of_twenty_who_push_at_once_one_wins(hub, repo, git):
    clones = []
    first = git.clone(git.of(repo), "w0")
    for i in range(20):
        at = first if i == 0 else git.clone(first, f"w{i}")
        git.run("remote", "set-url", "origin", git.of(repo), cwd=at)
        clones.append(at)
    for i, at in enumerate(clones):
        write(at, f"f{i}", str(i))
        write(at, "same", "the same for all")
        commit(git, at, f"of {i}")

    def push(i):
        done = subprocess.run(["git", "push", "origin", "main"], cwd=clones[i], capture_output=True, env=git.env)
        return done.returncode, done.stderr.decode()

    for _ in range(3):
        with ThreadPoolExecutor(20) as pool:
            outs = list(pool.map(push, range(20)))
        won = [i for i, (status, _) in enumerate(outs) if status == 0]
        assert len(won) == 1, outs
        tip = refs(git, git.of(repo))["refs/heads/main"]
        assert tip == git.run("rev-parse", "HEAD", cwd=clones[won[0]])
        assert all("rejected" in said for i, (_, said) in enumerate(outs) if i != won[0]), outs
        # The next round, all upon what won.
        for i, at in enumerate(clones):
            git.run("fetch", "-q", cwd=at)
            git.run("reset", "-q", "--hard", "origin/main", cwd=at)
            write(at, f"f{i}", f"{i} again {tip}")
            commit(git, at, f"of {i} again")
    back = git.clone(git.of(repo), "back")
    git.run("fsck", "--strict", cwd=back)
    assert len(git.run("log", "--format=%s", cwd=back).splitlines()) == 1 + 3
