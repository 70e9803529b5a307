"""kill -9 at random moments: what was acknowledged is whole, what was not is absent or whole, the store is clean.

The moments come from a seed, which a failure shows; HAINA_SEED=N repeats it, as far as a machine repeats itself.
HAINA_CRASH_ROUNDS=N kills the hub N times instead of 40.
"""

import hashlib
import http.client
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import clients
import hub as hubs
import pytest
import wire
import xet

SEED = int(os.environ.get("HAINA_SEED") or random.SystemRandom().randrange(1 << 32))
ROUNDS = int(os.environ.get("HAINA_CRASH_ROUNDS", "40"))
WRITERS = 6
BROKEN = (OSError, http.client.HTTPException)


@dataclass
class Written:
    repo: str
    path: str
    sha256: str
    size: int
    commit: str | None = None  # None: no answer came, so either outcome is right
    refused: bool = False  # answered, and not with success: it must not be there


@dataclass
class Books:
    """What was tried, and what was acknowledged."""

    entries: list[Written] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def open(self, entry: Written) -> Written:
        with self.lock:
            self.entries.append(entry)
        return entry


def by_text(hub, chance, repo, path):
    data = chance.randbytes(chance.randrange(1, 20_000))
    return data, [wire.file(path, data)]


def by_lfs(hub, chance, repo, path):
    data = chance.randbytes(chance.randrange(1, 300_000))
    oid = hashlib.sha256(data).hexdigest()
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(data)}]}
    answer = hub.post(f"/{repo}.git/info/lfs/objects/batch", "alice", json=body, headers={"Content-Type": "application/vnd.git-lfs+json"})
    action = answer.expect(200).json()["objects"][0]["actions"]["upload"]
    wire.request("PUT", action["href"], body=data, headers=action.get("header") or {}).expect(200, 201)
    return data, [wire.lfs_file(path, oid, len(data))]


def by_xet(hub, chance, repo, path):
    data = chance.randbytes(chance.randrange(1, 500_000))
    answer = hub.get(f"/api/models/{repo}/xet-write-token/main", "alice").expect(200).json()
    xorb = xet.Xorb(xet.split(data), chance.choice([xet.STORED, xet.LZ4, xet.BG4]))
    wire.request("POST", f"{answer['casUrl']}/v1/xorbs/default/{xorb.name}", token=answer["accessToken"], body=xorb.body()).expect(200)
    wire.request("POST", f"{answer['casUrl']}/v1/shards", token=answer["accessToken"], body=xet.shard([xet.File.whole(xorb)], [xorb])).expect(200)
    return data, [wire.lfs_file(path, hashlib.sha256(data).hexdigest(), len(data))]


def writer(hub, books: Books, name: str, seed: int, stop: threading.Event, doors: list):
    """Uploads and commits until the hub is gone."""
    chance = random.Random(seed)
    number = 0
    while not stop.is_set():
        number += 1
        repo, path = f"alice/crash{chance.randrange(2)}", f"{name}/{number}.bin"
        how = chance.choice(doors)
        try:
            data, lines = how(hub, chance, repo, path)
            entry = books.open(Written(repo, path, hashlib.sha256(data).hexdigest(), len(data)))
            answer = hub.commit(repo, "alice", *lines, summary=f"{how.__name__} {path}")
            if answer.status == 200:
                entry.commit = answer.json()["commitOid"]
            elif answer.status == 503:  # so many writers at one branch that it asks to try again
                entry.refused = True
            else:
                books.wrong.append(f"{path}: {answer}")
        except BROKEN:
            return  # killed
        except AssertionError as e:
            books.wrong.append(f"{path}: {e}")
            return


def verify(hub, books: Books):
    """Everything acknowledged is in its commit and still in the history; everything visible is whole."""
    assert not books.wrong, "\n".join(books.wrong[:5])
    histories = {}
    for repo in {e.repo for e in books.entries}:
        ids, url = set(), f"/api/models/{repo}/commits/main?limit=1000"
        while url:
            page = hub.get(url, "alice").expect(200)
            ids |= {c["id"] for c in page.json()}
            url = page.next()
        histories[repo] = ids

    def check(entry: Written) -> str | None:
        rev = entry.commit or "main"
        answer = hub.get(f"/{entry.repo}/resolve/{rev}/{entry.path}", "alice")
        if entry.commit is None and answer.status == 404:
            return None
        if entry.refused:
            return f"refused and visible: {entry}"
        if answer.status != 200 or hashlib.sha256(answer.body).hexdigest() != entry.sha256:
            return f"{'acknowledged' if entry.commit else 'visible'} and not whole: {entry} → {answer.status}, {len(answer.body)} bytes"
        if entry.commit and entry.commit not in histories[entry.repo]:
            return f"acknowledged and lost from the history: {entry}"
        return None

    with ThreadPoolExecutor(4) as pool:
        found = [f for f in pool.map(check, books.entries) if f]
    assert not found, f"{len(found)} of {len(books.entries)}:\n" + "\n".join(found[:10])


@pytest.fixture
def crashing(tmp_path):
    print(f"HAINA_SEED={SEED}")
    hub = hubs.Hub(tmp_path / "data").start()
    try:
        hub.add_user("alice")
        for i in range(2):
            hub.create(f"alice/crash{i}", "alice").expect(200)
        yield hub
    finally:
        hub.kill()


@pytest.mark.timeout(120 + 12 * ROUNDS)
def test_uploads_and_commits_survive_kill_9(crashing):
    hub, chance, books = crashing, random.Random(SEED), Books()
    doors = [by_text, by_xet] + ([by_lfs] if hub.offers_lfs() else [])
    for number in range(ROUNDS):
        stop = threading.Event()
        threads = [threading.Thread(target=writer, args=(hub, books, f"{number}-{w}", chance.randrange(1 << 32), stop, doors)) for w in range(WRITERS)]
        for t in threads:
            t.start()
        time.sleep(chance.uniform(0.02, 1.2))
        hub.kill()
        stop.set()
        for t in threads:
            t.join(30)
            assert not t.is_alive(), "a request neither ended nor failed after kill -9"
        hub.assert_clean()
        hub.start()
        hub.get("/api/models/alice/crash0", "alice").expect(200)
    acknowledged = [e for e in books.entries if e.commit]
    print(f"{len(books.entries)} commits tried, {len(acknowledged)} acknowledged")
    assert len(books.entries) >= 200, "too few to prove anything"
    verify(hub, books)
    assert not hub.troubles(), hub.troubles()[:5]
    assert hub.stop() == 0
    hub.assert_clean()


@pytest.mark.timeout(300)
def test_hf_upload_lives_through_a_crash(crashing, tmp_path):
    """The real client, with the hub killed under it and started again. If it says it is done, it is."""
    hub, chance = crashing, random.Random(SEED + 1)
    client = clients.Client("2.4.0", tmp_path / "machine", hub.url, hub.tokens["alice"])
    done = 0
    for number in range(6):
        folder = tmp_path / f"folder{number}"
        folder.mkdir()
        for i in range(4):
            (folder / f"{i}.bin").write_bytes(chance.randbytes(chance.randrange(1, 6_000_000)))
            (folder / f"{i}.txt").write_text(f"{number} {i}")
        process = client.popen(client.bin / "hf", "upload", "alice/crash0", folder, f"round{number}")
        time.sleep(chance.uniform(0.6, 2.0))
        hub.kill()
        hub.assert_clean()
        hub.start()
        out, _ = process.communicate(timeout=120)
        if process.returncode != 0:  # it may give up: then it says so, and trying again works
            client.hf("upload", "alice/crash0", folder, f"round{number}")
        else:
            done += 1
        reader = client.fresh(f"reader{number}")
        reader.hf("download", "alice/crash0", "--include", f"round{number}/*", "--local-dir", reader.home / "out")
        assert clients.sums(reader.home / "out" / f"round{number}") == clients.sums(folder), out
    print(f"{done} of 6 went through by themselves")
    assert hub.stop() == 0
    hub.assert_clean()
