"""A full disk: a clear refusal, a hub that lives and reads, work again once there is space, nothing broken."""

import hashlib
import os
import random
import subprocess

import clients
import hub as hubs
import pytest
import wire
import xet

DISK = 96 << 20
FILLER = 48 << 20
ALLOWED = r"(?i)space|room|disk|full"  # the log may say what happened


@pytest.fixture
def small_disk(tmp_path):
    """A hub whose data directory is a small file system of its own, half taken by a file that can be removed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)], capture_output=True, text=True)
    if mount.returncode != 0:
        pytest.fail(f"this test mounts a small tmpfs, which needs root (or CAP_SYS_ADMIN): {mount.stderr.strip()}")
    hub = hubs.Hub(disk / "data")
    hub.home, hub.log = tmp_path / "home", tmp_path / "hub.log"
    try:
        hub.start()
        hub.add_user("alice")
        hub.create("alice/full", "alice").expect(200)
        filler = disk / "filler"
        filler.write_bytes(os.urandom(FILLER))
        yield hub, filler
    finally:
        hub.kill()
        subprocess.run(["umount", "-l", str(disk)], check=True)


def lfs_put(hub, data: bytes) -> tuple[str, wire.Response]:
    oid = hashlib.sha256(data).hexdigest()
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(data)}]}
    answer = hub.post("/alice/full.git/info/lfs/objects/batch", "alice", json=body, headers={"Content-Type": "application/vnd.git-lfs+json"})
    if answer.status != 200:
        return oid, answer
    actions = answer.json()["objects"][0].get("actions")
    if not actions:
        return oid, answer
    return oid, wire.request("PUT", actions["upload"]["href"], body=data, headers=actions["upload"].get("header") or {})


def xorb_put(hub, data: bytes) -> wire.Response:
    token = hub.get("/api/models/alice/full/xet-write-token/main", "alice")
    if token.status != 200:
        return token
    xorb = xet.Xorb(xet.split(data))
    said = token.json()
    return wire.request("POST", f"{said['casUrl']}/v1/xorbs/default/{xorb.name}", token=said["accessToken"], body=xorb.body())


def clear(answer: wire.Response):
    """A refusal that a person understands, and a client does not take for its own fault."""
    assert answer.status == 507, f"full is 507 Insufficient Storage, got {answer}"
    words = ((answer.header("X-Error-Message") or "") + answer.text).lower()
    assert any(word in words for word in ("space", "room", "disk", "full")), answer


@pytest.mark.timeout(240)
def test_a_full_disk(small_disk, tmp_path):
    hub, filler = small_disk
    chance = random.Random(9)
    kept, oid = {}, None
    # Every door, one after the other, until each of them has been refused.
    refused = set()
    doors = ["xorb", "text"] + (["lfs"] if hub.offers_lfs() else [])
    for number in range(400):
        data = chance.randbytes(2_000_000 if number < 40 else 300_000)
        door = doors[number % len(doors)]
        if door == "lfs":
            oid, answer = lfs_put(hub, data)
            if answer.status in (200, 201):
                answer = hub.commit("alice/full", "alice", wire.lfs_file(f"{number}.bin", oid, len(data)))
                if answer.status == 200:
                    kept[f"{number}.bin"] = oid
        elif door == "xorb":
            answer = xorb_put(hub, data)
        else:
            answer = hub.commit("alice/full", "alice", wire.file(f"{number}.txt", data[:200_000]))
            if answer.status == 200:
                kept[f"{number}.txt"] = hashlib.sha256(data[:200_000]).hexdigest()
        if answer.status not in (200, 201):
            clear(answer)
            refused.add(door)
        if refused == set(doors):
            break
    assert refused == set(doors), f"the disk was never full for {set(doors) - refused}"
    assert len(kept) >= 3

    # It lives, and what was acknowledged can be read.
    assert hub.alive()
    hub.get("/api/whoami-v2", "alice").expect(200)
    for name, digest in kept.items():
        assert hashlib.sha256(hub.get(f"/alice/full/resolve/main/{name}").expect(200).body).hexdigest() == digest

    # With space again it works, without a restart.
    filler.unlink()
    client = clients.Client("2.4.0", tmp_path / "machine", hub.url, hub.tokens["alice"])
    folder = tmp_path / "after"
    folder.mkdir()
    (folder / "after.bin").write_bytes(chance.randbytes(5_000_000))
    (folder / "after.txt").write_text("after\n")
    client.hf("upload", "alice/full", folder, ".")
    reader = client.fresh("reader")
    reader.hf("download", "alice/full", "after.bin", "--local-dir", reader.home / "out")
    assert clients.sha256(reader.home / "out" / "after.bin") == clients.sha256(folder / "after.bin")
    assert not hub.troubles(ALLOWED), hub.troubles(ALLOWED)[:5]
    assert hub.stop() == 0
    hub.assert_clean()


@pytest.mark.timeout(120)
def test_killed_while_full(small_disk):
    """kill -9 on a full disk, started again on a full disk: it starts, reads, and is clean."""
    hub, _ = small_disk
    chance = random.Random(10)
    hub.commit("alice/full", "alice", wire.file("kept.txt", "kept")).expect(200)
    for _ in range(60):
        answer = xorb_put(hub, chance.randbytes(2_000_000))
        if answer.status not in (200, 201):
            break
    clear(answer)
    hub.kill()
    hub.start()
    assert hub.get("/alice/full/resolve/main/kept.txt").expect(200).body == b"kept"
    hub.stop()
    hub.assert_clean()
