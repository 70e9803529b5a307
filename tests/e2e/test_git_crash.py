"""Pushes that end badly: the hub killed under them, the line cut at any byte. References are old or new, never between.

The moments come from a seed, which a failure shows (HAINA_SEED=N repeats it); HAINA_PUSHES=N kills as many pushes.
"""

import os
import random
import subprocess
import time

import hub as hubs
import pytest
import wire
from proxy import CountingProxy
from test_git import assert_whole, commit, commit_of, objects, oid_of, pack_of, packets_of_push, person, refs, tree_of, whole, write

SEED = int(os.environ.get("HAINA_SEED") or random.SystemRandom().randrange(1 << 32))
START_S = 0.15
PUSHES = int(os.environ.get("HAINA_PUSHES") or 12)


@pytest.fixture
def crashing(tmp_path):
    print(f"HAINA_SEED={SEED}")
    hub = hubs.Hub(tmp_path / "data").start()
    try:
        hub.provision()
        yield hub
    finally:
        hub.kill()


def leftovers(hub) -> list:
    return [p.name for p in (hub.data / "tmp").iterdir() if p.name != ".lock"]


def grow(git, at, chance, lfs: bool):
    """A few commits; every few of them more than one transaction takes."""
    for _ in range(chance.randrange(1, 4)):
        size = chance.choice([10, 1000, 200_000, 3 << 20, 6 << 20])
        write(at, f"d{chance.randrange(5)}/f{chance.randrange(20)}", chance.randbytes(size))
        write(at, f"text/{chance.randrange(40)}", "".join(f"{chance.randrange(1 << 30)}\n" for _ in range(500)))
        if lfs:
            write(at, f"large/{chance.randrange(3)}.dat", chance.randbytes(chance.choice([100, 1 << 20])))
        commit(git, at, "more")


def weight(git, at, before) -> float:
    """About how many MiB a push has: what is reachable here, and not from what the hub has."""
    words = git.run("rev-list", "--objects", "--disk-usage", "HEAD", *(f"^{oid}" for oid in set(before.values())), cwd=at)
    return 0.1 + int(words) / (1 << 20)


@pytest.mark.timeout(3600 if PUSHES > 50 else 300)
def test_killed_during_pushes(crashing):
    hub, chance = crashing, random.Random(SEED)
    hub.create("alice/m", "alice").expect(200)
    git = person(hub, hub.data.parent / "alice", "alice")
    at = git.clone(git.of("alice/m"), "w")
    git.run("lfs", "install", "--local", cwd=at)
    git.run("lfs", "track", "*.dat", cwd=at)
    git.run("config", "lfs.locksverify", "false", cwd=at)
    commit(git, at, "track")
    git.run("push", "-q", "origin", "main", cwd=at)
    # What a push takes: a share for git's own start, and one for its bytes. Learnt on the way, so that kills fall on all of it.
    rate, outcomes = 0.05, {"old": 0, "new": 0, "acknowledged": 0}
    for number in range(PUSHES):
        grow(git, at, chance, lfs=number % 3 == 0)
        branches = ["main"] + ([f"b{number}"] if number % 2 else [])
        targets = {"refs/heads/main", *(f"refs/heads/{b}" for b in branches[1:])}
        before = refs(git, git.of("alice/m"))
        new = git.run("rev-parse", "HEAD", cwd=at)
        args = (["--atomic"] if number % 4 == 1 else []) + ["origin", *(f"main:{b}" for b in branches)]
        mib = weight(git, at, before)
        share = chance.uniform(0, 1.4)
        started = time.monotonic()
        process = subprocess.Popen(["git", "push", "-q", *args], cwd=at, env=git.env, stderr=subprocess.DEVNULL)
        try:
            process.wait(0.02 + share * (START_S + rate * mib))
            rate += 0.3 * ((time.monotonic() - started - START_S) / mib - rate)
        except subprocess.TimeoutExpired:
            # More than its time: it takes longer than was thought.
            rate *= 1.2 if share > 1 else 1
        rate = min(1, max(0.01, rate))
        acknowledged = process.poll() == 0
        outcomes["acknowledged"] += acknowledged
        hub.kill()
        process.wait()
        hub.start()
        after = refs(git, git.of("alice/m"))
        # One reference or both, whole; nothing else moved; and one transaction moves them, so never one of two.
        moved = {n for n in targets if after.get(n) == new}
        assert moved in (set(), targets), (before, after)
        assert {n: o for n, o in after.items() if n not in targets and n != "HEAD"} == {n: o for n, o in before.items() if n not in targets and n != "HEAD"}
        if not moved:
            assert not acknowledged, "a push was acknowledged and is not there"
            assert after.get("refs/heads/main") == before["refs/heads/main"]
        outcomes["new" if moved else "old"] += 1
        assert hub.fsck().returncode == 0, hub.fsck().stdout
        if not moved and chance.random() < 0.5:
            git.run("push", "-q", *args, cwd=at)
        if number % 20 == 19:
            hub.assert_clean()
    print(f"{PUSHES} pushes: {outcomes}")
    # A run in which all kills come too early, or too late, proves nothing.
    assert PUSHES < 50 or min(outcomes["old"], outcomes["new"]) >= PUSHES // 10, outcomes
    git.run("push", "-q", "origin", "main", cwd=at)
    assert_whole(hub, git, "alice/m", at)
    assert not hub.troubles(), hub.troubles()[:5]
    assert hub.stop() == 0
    hub.assert_clean()
    assert not leftovers(hub)


def chain(count: int):
    """The body of a push of so many commits, and its tip."""
    chance, entries, parent = random.Random(7), [], []
    for i in range(count):
        blob = chance.randbytes(2000) + bytes(1000)
        tree = tree_of(("100644", f"f{i}", oid_of("blob", blob)))
        raw = commit_of(oid_of("tree", tree), *parent)
        parent = [oid_of("commit", raw)]
        entries += [whole("blob", blob), whole("tree", tree), whole("commit", raw)]
    return packets_of_push(("0" * 40, parent[0], "refs/heads/cut"), pack=pack_of(*entries)), parent[0]


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_cut_at_any_byte(hub, repo, chunked):
    """The body of one push, ended early at every byte of its head and at many of its pack."""
    body, tip = chain(12)
    url = f"{hub.url}/{repo}.git/git-receive-pack"
    headers = {"Content-Type": "application/x-git-receive-pack-request", "Authorization": f"Bearer {hub.tokens['alice']}"}
    chance = random.Random(SEED)
    cuts = list(range(0, 200)) + sorted(chance.sample(range(200, len(body) - 40), 80)) + list(range(len(body) - 40, len(body)))
    print(f"HAINA_SEED={SEED}, {len(cuts)} cuts of {len(body)} bytes")
    for cut in cuts:
        if chunked:  # ends properly, and is too short: what is wrong is said in the protocol
            answer = hub.post(f"/{repo}.git/git-receive-pack", "alice", body=iter([body[:cut]] if cut else []), headers=headers).expect(200)
            assert cut == 0 or b"ERR " in answer.body or b"ng refs/heads/cut" in answer.body, (cut, answer)
        else:
            said = wire.cut(url, "POST", headers, body[:cut], len(body))
            assert b"ok refs/heads/cut" not in said, cut
        assert "refs/heads/cut" not in str(hub.get(f"/api/models/{repo}/refs", "alice").expect(200).json()), cut
    deadline = time.monotonic() + 10
    while leftovers(hub) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not leftovers(hub)
    answer = hub.post(f"/{repo}.git/git-receive-pack", "alice", body=body, headers=headers).expect(200)
    assert b"ok refs/heads/cut" in answer.body
    assert hub.get(f"/api/models/{repo}/revision/cut", "alice").expect(200).json()["sha"] == tip


@pytest.mark.timeout(300)
def test_cut_lines_under_real_git(hub, repo, tmp_path):
    proxy = CountingProxy(hub.port)
    try:
        chance = random.Random(SEED)
        print(f"HAINA_SEED={SEED}")
        git = person(hub, tmp_path / "alice", "alice")
        through = git.of(repo).replace(f":{hub.port}/", f":{proxy.port}/")
        at = git.home / "w"
        git.run("init", "-q", at)
        for i in range(60):
            write(at, f"d{i % 5}/f{i}", chance.randbytes(chance.randrange(1, 60_000)))
            commit(git, at, str(i))
        proxy.reset()
        git.run("push", "-q", through, "main:whole", cwd=at)
        total = proxy.received
        tip = git.run("rev-parse", "HEAD", cwd=at)
        git.run("push", "-q", through, ":whole", cwd=at)
        before = refs(git, git.of(repo))
        for number in range(25):
            # Nothing of the first push may be there to make the next one smaller.
            other = f"{repo}-{number}"
            hub.create(other, "alice").expect(200)
            base = refs(git, git.of(other))
            proxy.reset()
            proxy.cut_after = chance.randrange(total)
            done = subprocess.run(["git", "push", "-q", through.replace(repo, other), "main:x"], cwd=at, env=git.env, capture_output=True, timeout=60)
            proxy.cut_after = None
            after = refs(git, git.of(other))
            assert after in (base, base | {"refs/heads/x": tip}), (number, done.stderr)
            assert done.returncode != 0 or "refs/heads/x" in after
            proxy.reset()
            git.run("push", "-q", through.replace(repo, other), "main:x", cwd=at)
            assert refs(git, git.of(other))["refs/heads/x"] == tip
        assert refs(git, git.of(repo)) == before
        # Clones that are cut are of no harm, and say that they failed.
        for number in range(5):
            proxy.reset()
            proxy.cut_after = chance.randrange(1, 600)
            done = subprocess.run(["git", "clone", "-q", through, f"c{number}"], cwd=git.home, env=git.env, capture_output=True, timeout=60)
            proxy.cut_after = None
            assert done.returncode != 0 or objects(git, git.home / f"c{number}")
    finally:
        proxy.close()
