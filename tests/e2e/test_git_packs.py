"""Packs that the hub makes ahead, as real git takes them: the same objects, checked by git, in fewer bytes."""

import itertools
import subprocess
import time

import hub as hubs
import pytest
from test_git import VERSIONS, assert_whole, objects, person, refs, there


NUMBERS = itertools.count()


def history(git, at, commits: int, files: int):
    """Text that changes a little with every commit, and tags of both sorts."""
    git.run("init", "-q", at)
    lines = []
    for i in range(commits):
        path = f"d{i % 7}/f{i % files}.md"
        body = "".join(f"line {n} {i if n % 40 == i % 40 else 0}\n" for n in range(120))
        lines.append(f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + i} +0000\n"
                     f"data 2\nx\nM 100644 inline {path}\ndata {len(body)}\n{body}\n")
    git.run("fast-import", "--quiet", cwd=at, data="".join(lines).encode())
    git.run("tag", "-a", "-m", "middle", "v1", f"main~{commits // 2}", cwd=at)
    git.run("tag", "plain", "main~3", cwd=at)
    git.run("branch", "side", "main~10", cwd=at)
    # Without deltas, so that what is pushed is not kept as it is.
    git.run("repack", "-adfq", "--window=0", cwd=at)
    return at


def send(git, at, source):
    git.run("-c", "pack.window=0", "push", "-q", "-f", source, "--all", cwd=at)
    git.run("-c", "pack.window=0", "push", "-q", source, "--tags", cwd=at)


def packed(git, at) -> int:
    return sum(pack.stat().st_size for pack in at.rglob("*.pack"))


def progress(git, source, name, *args) -> str:
    done = subprocess.run(["git", "clone", "--bare", "--progress", *args, source, name], cwd=git.home, env=git.env,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stderr


def until_ready(git, source, *args) -> str:
    """Clones until a pack is ready; the name of the clone that got it."""
    for _ in range(120):
        name = f"ready-{next(NUMBERS)}"
        if "pack-reused 0" not in progress(git, source, name, *args):
            return name
        time.sleep(0.25)
    raise AssertionError("no pack was made")


@pytest.fixture(scope="module")
def grown(hub, tmp_path_factory):
    hub.create("alice/grown", "alice").expect(200)
    folder = tmp_path_factory.mktemp("grown")
    git = person(hub, folder, "alice")
    at = history(git, folder / "w", 500, 60)
    send(git, at, git.of("alice/grown"))
    cold = git.clone(git.of("alice/grown"), "cold", "--bare")
    return git, at, cold


@pytest.mark.parametrize("ways", [(), ("--single-branch",), ("--depth", "1"), ("--filter=blob:none",)],
                         ids=["all", "single", "shallow", "blobless"])
def test_a_ready_pack_is_the_same_clone(hub, grown, ways):
    git, _, cold = grown
    source = git.of("alice/grown")
    fresh = git.clone(source, f"fresh{len(ways)}{ways[:1]}", "--bare", *ways) if ways else cold
    ready = git.home / until_ready(git, source, *ways)
    git.run("fsck", "--strict", "--full", cwd=ready)
    assert there(git, ready) == there(git, fresh)
    assert refs(git, ready) == refs(git, fresh)
    shallow = [at / "shallow" for at in (ready, fresh)]
    assert shallow[0].exists() == shallow[1].exists() and (not shallow[0].exists() or shallow[0].read_text() == shallow[1].read_text())
    for pack in (ready / "objects/pack").glob("*.pack"):
        (git.home / "tmp.pack").write_bytes(pack.read_bytes())
        strict = ["--strict"] if ways != ("--filter=blob:none",) and ways[:1] != ("--depth",) else []
        git.run("index-pack", *strict, "tmp.pack", cwd=git.home, more={"GIT_DIR": str(ready)})
    if not ways:
        assert packed(git, ready) * 3 < packed(git, cold)
        best = git.clone(str(cold), "best", "--bare", "--no-local")
        git.run("repack", "-adfq", cwd=best)
        assert packed(git, ready) < 1.3 * packed(git, best), "more than 1.3 x the bytes of git's own packs"


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gets_it(hub, grown, version):
    git, _, cold = grown
    until_ready(git, git.of("alice/grown"))
    told = progress(git, git.of("alice/grown"), f"v{version}", "-c", f"protocol.version={version}")
    assert "pack-reused 0" not in told, told
    assert objects(git, git.home / f"v{version}") == objects(git, cold)


def test_what_is_pushed_later_follows(hub, tmp_path):
    hub.create("alice/later", "alice").expect(200)
    git = person(hub, tmp_path / "alice", "alice")
    at = history(git, git.home / "w", 300, 40)
    source = git.of("alice/later")
    send(git, at, source)
    until_ready(git, source)
    for i in range(3):
        (at / "d0").mkdir(exist_ok=True)
        git.run("checkout", "-q", "-f", "main", cwd=at)
        (at / "d0" / "new.md").write_text(f"{i}\n")
        git.run("add", ".", cwd=at)
        git.run("commit", "-q", "-m", f"more {i}", cwd=at)
        # What was there before comes back: it must not be sent twice.
        git.run("tag", "-a", "-m", "t", f"t{i}", f"main~{i * 20}", cwd=at)
        git.run("push", "-q", source, "main", f"t{i}", cwd=at)
        assert "pack-reused 0" not in progress(git, source, f"after{i}")
        # --strict refuses what comes twice.
        assert_whole(hub, git, "alice/later", at, f"whole{i}")
    # A clone from before gets only what is new.
    old = git.clone(source, "old", "--bare")
    git.run("revert", "--no-edit", "HEAD", cwd=at)
    git.run("push", "-q", source, "main", cwd=at)
    git.run("fetch", "-q", source, "+refs/heads/*:refs/heads/*", cwd=old)
    git.run("fsck", "--strict", "--full", cwd=old)
    hub.assert_clean()


def test_what_was_pushed_is_cloned(hub, tmp_path):
    """A first push with deltas is what the next clones get, before anything was made."""
    hub.create("alice/pushed", "alice").expect(200)
    git = person(hub, tmp_path / "alice", "alice")
    at = history(git, git.home / "w", 300, 40)
    source = git.of("alice/pushed")
    git.run("repack", "-adfq", cwd=at)
    git.run("push", "-q", "-f", source, "main", "side", "v1", "plain", cwd=at)
    for i in range(40):
        if "pack-reused 0" not in progress(git, source, f"c{i}", "-c", "repack.usedeltabaseoffset=true"):
            break
        time.sleep(0.1)
    assert i < 2, "the received pack was not kept"
    assert packed(git, git.home / f"c{i}") < 1.01 * packed(git, at)
    assert there(git, git.home / f"c{i}") == there(git, at)
    # A client that takes no deltas by offset gets them by the ids of what they build upon, as they rest in the database.
    plain = git.clone(source, "plain", "--bare", "-c", "repack.usedeltabaseoffset=false")
    assert there(git, plain) == there(git, at) and packed(git, plain) < 1.5 * packed(git, at)
    # Only a part of it is asked for: nothing else is sent.
    side = git.clone(source, "side", "--bare", "--single-branch", "--branch", "side", "--no-tags")
    reached = {line.split()[0] for line in git.run("rev-list", "--objects", "side", cwd=at).splitlines()}
    # git asks for the tags of what it gets, also when it then keeps none.
    assert there(git, side) == reached | {git.run("rev-parse", "v1", cwd=at)}
    assert_whole(hub, git, "alice/pushed", at)
    hub.assert_clean()


def test_rights_come_first(hub, tmp_path):
    hub.create("alice/hidden", "alice", private=True).expect(200)
    git = person(hub, tmp_path / "alice", "alice")
    at = history(git, git.home / "w", 300, 40)
    git.run("push", "-q", "-f", git.of("alice/hidden"), "main", cwd=at)
    until_ready(git, git.of("alice/hidden"))
    for name in (None, "bob"):
        other = person(hub, tmp_path / str(name), name)
        other.run("clone", "-q", other.of("alice/hidden"), "x", check=False, more={"GIT_TERMINAL_PROMPT": "0"})
    # The same commit is not had through a repository that one may read.
    hub.create("bob/own", "bob").expect(200)
    bob = person(hub, tmp_path / "bob", "bob")
    tip = git.run("rev-parse", "main", cwd=at)
    bob.run("init", "-q", "y")
    told = bob.run("fetch", "-q", bob.of("bob/own"), tip, cwd=bob.home / "y", check=False)
    assert "not our ref" in told, told


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0])
def test_killed_while_a_pack_is_made(tmp_path, seconds):
    hub = hubs.Hub(tmp_path / "data").start()
    try:
        hub.provision()
        hub.create("alice/m", "alice").expect(200)
        git = person(hub, tmp_path / "alice", "alice")
        at = history(git, git.home / "w", 800, 60)
        send(git, at, git.of("alice/m"))
        for i in range(2):
            git.clone(git.of("alice/m"), f"c{i}", "--bare")
        time.sleep(seconds)
        hub.kill()
        hub.start()
        assert_whole(hub, git, "alice/m", at)
        assert hub.stop() == 0
        hub.assert_clean()
        assert not [p for p in (hub.data / "tmp").iterdir() if p.name != ".lock"]
    finally:
        hub.kill()
