"""Buckets with the real clients: `hf buckets`, HfApi, HfFileSystem, @huggingface/hub, curl."""

import hashlib
import json
import os
import random
import re
import subprocess
import threading
import time
from datetime import datetime, timezone

import clients
import hub as hubs
import pytest
import wire
from clients import assert_same

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ZERO = "0" * 64
numbers = iter(range(1, 1 << 30))


@pytest.fixture
def bucket(hub):
    """A new, empty bucket of alice's."""
    name = f"alice/b{next(numbers)}"
    hub.post(f"/api/buckets/{name}", "alice", json={}).expect(200)
    return name


def batch(hub, bucket, *lines, who="alice") -> wire.Response:
    return hub.post(f"/api/buckets/{bucket}/batch", who, body=wire.ndjson(lines), headers={"Content-Type": "application/x-ndjson"})


def tree(hub, bucket, prefix="", query="", who="alice") -> list[dict]:
    url, found = f"/api/buckets/{bucket}/tree{prefix}{query}", []
    while url:
        answer = hub.get(url, who).expect(200)
        found += answer.json()
        url = answer.next()
    return found


def info(hub, bucket, who="alice") -> dict:
    return hub.get(f"/api/buckets/{bucket}", who).expect(200).json()


def write(folder, files: dict[str, bytes]):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


# ---------------------------------------------------------------- routes


def test_making_and_describing(hub):
    made = hub.post("/api/buckets/me/First", "alice", json={"visibility": "private", "region": "eu"}).expect(200).json()
    assert (made["url"], made["name"]) == (f"{hub.url}/buckets/alice/First", "alice/First")
    again = hub.post("/api/buckets/alice/first", "alice", json={}).expect(409).json()
    assert again["url"] == made["url"], "named as it is"
    about = info(hub, "alice/FIRST")
    assert (about["id"], about["private"], about["size"], about["totalFiles"]) == ("alice/First", True, 0, 0)
    assert ISO.fullmatch(about["createdAt"]) and ISO.fullmatch(about["updatedAt"])
    hub.get("/api/buckets/alice/first").error(401, "RepoNotFound")
    hub.get("/api/buckets/alice/first", "bob").error(404, "RepoNotFound")
    for path in ("single", "alice/none", "no/where", "alice/a--b", "models/x"):
        assert hub.get(f"/api/buckets/{path}", "alice").status == 404, path
        hub.request("DELETE", f"/api/buckets/{path}", "alice").error(404, "RepoNotFound")
    for name in ("a--b", "-a", "a.git", "a b", "x" * 97):
        hub.post(f"/api/buckets/me/{wire.quote(name)}", "alice", json={}).error(400, None, "Invalid bucket name")
    hub.post("/api/buckets/me/x", "alice", json={"visibility": "secret"}).error(400, None, "visibility")
    hub.get("/api/buckets/me").expect(401)
    assert "alice/First" in {b["id"] for b in hub.get("/api/buckets/me", "alice").expect(200).json()}
    assert "alice/First" not in {b["id"] for b in hub.get("/api/buckets/alice").expect(200).json()}
    for private in (False, True):
        hub.request("PUT", "/api/buckets/alice/first/settings", "alice", json={"private": private}).expect(200)
        assert info(hub, "alice/First")["private"] is private
    # Where there is a bucket, there is no repository.
    for path in ("/api/models/alice/First", "/api/models/alice/First/tree/main", "/alice/First/resolve/main/x", "/alice/First.git/info/refs?service=git-upload-pack"):
        assert hub.get(path, "alice").status in (404, 401), path
    hub.post("/api/repos/create", "alice", json={"name": "x", "type": "bucket"}).error(400, None, "/api/buckets")
    hub.request("DELETE", "/api/buckets/alice/first", "alice").expect(200)
    hub.get("/api/buckets/alice/first", "alice").error(404, "RepoNotFound")


def test_lists_in_pages(hub):
    for i in range(7):
        hub.post(f"/api/buckets/bob/page-{i}", "bob", json={"private": i == 3}).expect(200)
    url, seen = "/api/buckets/bob?search=PAGE-&limit=2", []
    while url:
        answer = hub.get(url, "bob").expect(200)
        seen.append([b["id"] for b in answer.json()])
        url = answer.next()
        assert url is None or url.startswith(hub.url)
    assert [len(page) for page in seen] == [2, 2, 2, 1] and sum(seen, []) == [f"bob/page-{i}" for i in range(7)]
    assert len(hub.get("/api/buckets/bob?search=page-").json()) == 6


def test_batches_over_the_wire(hub, bucket):
    hour = 1_700_000_000_123
    answer = batch(hub, bucket, {"type": "addFile", "path": "a/empty.txt", "xetHash": ZERO, "mtime": hour, "contentType": "text/plain"},
                   {"type": "addFile", "path": "no-mtime", "xetHash": ZERO}, {"type": "addFile", "path": "x", "xetHash": "1" * 64},
                   {"type": "deleteFile", "path": "../x"}, {"type": "deleteFile", "path": "never-was"}).expect(200).json()
    assert (answer["success"], answer["processed"], answer["succeeded"]) == (False, 5, 3)
    assert [f["path"] for f in answer["failed"]] == ["../x", "x"] or [f["path"] for f in answer["failed"]] == ["x", "../x"]
    files = {f["path"]: f for f in tree(hub, bucket)}
    assert files["a/empty.txt"]["mtime"] == datetime.fromtimestamp(hour / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.123Z")
    assert files["a/empty.txt"] | {"type": "file", "size": 0, "xetHash": ZERO, "contentType": "text/plain"} == files["a/empty.txt"]
    assert "mtime" not in files["no-mtime"] and ISO.fullmatch(files["no-mtime"]["uploadedAt"])
    answer = batch(hub, bucket, {"type": "addFile", "path": "x", "xetHash": "1" * 64}).expect(422).json()
    assert (answer["success"], answer["succeeded"]) == (False, 0)
    assert batch(hub, bucket).expect(200).json()["processed"] == 0
    for bad in ({"type": "moveFile", "path": "x"}, {"path": "x"}, {"type": "addFile", "xetHash": ZERO}):
        batch(hub, bucket, {"type": "deleteFile", "path": "no-mtime"}, bad).error(400, None, "Line 2")
    batch(hub, bucket, *[{"type": "deleteFile", "path": f"f{i}"} for i in range(1001)]).error(400, None, "at most 1000")
    assert info(hub, bucket)["totalFiles"] == 2, "a batch that cannot be read changes nothing"
    folders = tree(hub, bucket, query="?recursive=false")
    assert [(e["type"], e["path"]) for e in folders] == [("directory", "a"), ("file", "no-mtime")]
    assert ISO.fullmatch(folders[0]["uploadedAt"])
    assert tree(hub, bucket, "/none") == [] and [f["path"] for f in tree(hub, bucket, "/no-mtime")] == ["no-mtime"]
    found = hub.post(f"/api/buckets/{bucket}/paths-info", "alice", json={"paths": ["a", "a/empty.txt", "none"]}).expect(200).json()
    assert [f["path"] for f in found] == ["a/empty.txt"]
    hub.post(f"/api/buckets/{bucket}/paths-info", "alice", json={"paths": ["x"] * 1001}).error(400, None, "1000")


def test_files_over_plain_http(hub, api, bucket, tmp_path):
    content = random.Random(5).randbytes(300_000)
    api.batch_bucket_files(bucket, add=[(content, "模型/a b#?.bin"), (b"", "empty")])
    url = f"/buckets/{bucket}/resolve/{wire.quote('模型/a b#?.bin')}"
    head = hub.head(url, "alice", headers={"Accept-Encoding": "identity"}).expect(200)
    whole = hub.get(url).expect(200)
    assert whole.body == content
    for answer in (head, whole):
        assert answer.header("Content-Length") == str(len(content)) == answer.header("X-Linked-Size")
        assert re.fullmatch("[0-9a-f]{64}", answer.header("X-Xet-Hash")) and answer.header("Accept-Ranges") == "bytes"
        assert f'<{hub.url}/api/buckets/{bucket}/xet-read-token>; rel="xet-auth"' in answer.header("Link")
        assert not re.fullmatch('"[0-9a-f]{64}"', answer.header("ETag")), "that would be taken for a SHA-256"
        assert answer.header("X-Repo-Commit") is None and "sandbox" in answer.header("Content-Security-Policy")
    tag = head.header("ETag")
    assert hub.get(url, headers={"If-None-Match": tag}).expect(304).body == b""
    for span, expected in (("0-0", content[:1]), ("100-199", content[100:200]), ("299990-", content[299990:]), ("-7", content[-7:])):
        part = hub.get(url, headers={"Range": f"bytes={span}"}).expect(206)
        assert part.body == expected and part.header("Content-Range").endswith(f"/{len(content)}")
    assert hub.get(url, headers={"Range": "bytes=300000-"}).expect(416).header("Content-Range") == "bytes */300000"
    facts = hub.get(url, headers={"Accept": "application/vnd.xet-fileinfo+json, */*", "Range": "bytes=0-0"}).expect(200)
    assert facts.json()["size"] == len(content) and facts.header("Content-Type") == "application/vnd.xet-fileinfo+json"
    empty = hub.get(f"/buckets/{bucket}/resolve/empty").expect(200)
    assert empty.body == b"" and empty.header("X-Xet-Hash") == ZERO
    for missing in ("none", "模型", "../x", "a//b"):
        hub.get(f"/buckets/{bucket}/resolve/{wire.quote(missing)}", "alice").error(404, "EntryNotFound")
    # What replaces it has another tag, and a range of the old one is not mixed with it.
    api.batch_bucket_files(bucket, add=[(b"short", "模型/a b#?.bin")])
    assert hub.get(url, headers={"Range": "bytes=1-2", "If-Range": tag}).expect(200).body == b"short"


# ---------------------------------------------------------------- hf


def test_sync_both_ways(hub, client, bucket, tmp_path):
    source = write(tmp_path / "source", {
        "config.json": b"{}", "weights/model.bin": random.Random(1).randbytes(3_000_000), "weights/empty": b"",
        "模型/说明 (1).txt": "海纳".encode(), "a+b&c=d%20.txt": b"odd",
    })
    client.hf("buckets", "sync", source, f"hf://buckets/{bucket}/run")
    assert info(hub, bucket)["totalFiles"] == 5
    back = tmp_path / "back"
    client.fresh().hf("buckets", "sync", f"hf://buckets/{bucket}/run", back)
    assert_same(back, source)
    # What has not changed is not sent again, on either side.
    for ways in ((source, f"hf://buckets/{bucket}/run"), (f"hf://buckets/{bucket}/run", back)):
        plan = client.hf("buckets", "sync", *ways, "--dry-run")
        actions = [json.loads(line).get("action") for line in plan.splitlines() if line.startswith("{")]
        assert set(actions) <= {None, "skip"}, plan
    (source / "config.json").write_bytes(b'{"a": 1}')
    (source / "weights/empty").unlink()
    (source / "new.txt").write_bytes(b"new")
    client.hf("buckets", "sync", source, f"hf://buckets/{bucket}/run", "--delete")
    client.hf("buckets", "sync", f"hf://buckets/{bucket}/run", back, "--delete")
    assert_same(back, source)
    client.hf("buckets", "rm", f"hf://buckets/{bucket}/run/weights", "--recursive", "--yes")
    assert info(hub, bucket)["totalFiles"] == 4
    client.hf("buckets", "rm", f"{bucket}/run/new.txt", "--yes")
    listed = client.hf("buckets", "list", f"{bucket}/run", "--recursive", "-q").split()
    assert "run/config.json" in " ".join(listed) and info(hub, bucket)["totalFiles"] == 3


def test_copies_without_sending_bytes(hub, client, api, bucket, tmp_path):
    weights = random.Random(2).randbytes(2_000_000)
    write(tmp_path / "m", {"model.safetensors": weights, "README.md": b"# model"})
    hub.create("alice/copied-model", "alice").expect(200)
    client.hf("upload", "alice/copied-model", tmp_path / "m", ".")
    client.hf("buckets", "cp", "hf://alice/copied-model/", f"hf://buckets/{bucket}/from-model/")
    client.hf("buckets", "create", "alice/copied-to", "--private")
    client.hf("buckets", "cp", f"hf://buckets/{bucket}/from-model/", "hf://buckets/alice/copied-to/")
    assert hub.get("/buckets/alice/copied-to/resolve/model.safetensors", "alice").expect(200).body == weights
    hashes = {f["xetHash"] for b in (bucket, "alice/copied-to") for f in tree(hub, b) if f["path"].endswith("model.safetensors")}
    assert len(hashes) == 1
    # The copies stay when what they were copied from goes.
    hub.request("DELETE", "/api/repos/delete", "alice", json={"name": "copied-model"}).expect(200)
    hub.request("DELETE", f"/api/buckets/{bucket}", "alice").expect(200)
    assert hub.get("/buckets/alice/copied-to/resolve/model.safetensors", "alice").expect(200).body == weights
    # Nobody copies what they may not read, nor learns whether it is there.
    line = {"type": "copyFile", "path": "x", "xetHash": hashes.pop(), "sourceRepoType": "bucket", "sourceRepoId": "alice/copied-to"}
    hub.post("/api/buckets/bob/thief", "bob", json={}).expect(200)
    there = batch(hub, "bob/thief", line, who="bob").expect(422).json()["failed"][0]["error"]
    never = batch(hub, "bob/thief", line | {"sourceRepoId": "alice/never"}, who="bob").expect(422).json()["failed"][0]["error"]
    assert there == never


def test_a_large_file_sends_only_what_is_new(hub, client, bucket, tmp_path):
    content = random.Random(3).randbytes(80_000_000)
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    client.hf("buckets", "cp", path, f"hf://buckets/{bucket}/large.bin")
    before = sum(f.stat().st_size for f in (hub.data / "cas").rglob("*") if f.is_file())
    path.write_bytes(content[:40_000_000] + b"inserted" + content[40_000_000:])
    client.hf("buckets", "cp", path, f"hf://buckets/{bucket}/large.bin")
    after = sum(f.stat().st_size for f in (hub.data / "cas").rglob("*") if f.is_file())
    assert after - before < 4_000_000, "an insertion sends almost nothing"
    out = tmp_path / "out.bin"
    client.fresh().hf("buckets", "cp", f"hf://buckets/{bucket}/large.bin", out)
    assert clients.sha256(out) == clients.sha256(path)
    assert info(hub, bucket)["size"] == 80_000_008


def test_private_stays_private(hub, client, tmp_path):
    client.hf("buckets", "create", "alice/hidden", "--private")
    write(tmp_path, {"x.txt": b"secret"})
    client.hf("buckets", "cp", tmp_path / "x.txt", "hf://buckets/alice/hidden/x.txt")
    other = clients.Client("2.4.0", tmp_path / "bob", hub.url, hub.tokens["bob"])
    other.hf("buckets", "list", "alice/hidden", check=False)
    assert hub.get("/buckets/alice/hidden/resolve/x.txt").status == 401
    assert hub.get("/buckets/alice/hidden/resolve/x.txt", "bob").status == 404
    client.hf("buckets", "settings", "alice/hidden", "--public")
    assert "x.txt" in other.hf("buckets", "list", "alice/hidden")
    client.hf("buckets", "delete", "alice/hidden", "--yes")
    client.hf("buckets", "info", "alice/hidden", check=False)


def test_a_moved_bucket(hub, client, api, bucket):
    api.batch_bucket_files(bucket, add=[(b"content", "a.txt")])
    client.hf("buckets", "move", bucket, f"{bucket}-now")
    assert info(hub, bucket)["id"] == f"{bucket}-now"
    for name in (bucket, f"{bucket}-now"):
        assert hub.get(f"/buckets/{name}/resolve/a.txt").expect(200).body == b"content"
        assert [f["path"] for f in tree(hub, name)] == ["a.txt"]
    api.batch_bucket_files(bucket, add=[(b"more", "b.txt")])
    assert info(hub, f"{bucket}-now")["totalFiles"] == 2
    hub.post("/api/repos/move", "bob", json={"fromRepo": bucket, "toRepo": "bob/mine", "type": "bucket"}).expect(403)


def test_ten_thousand_files(hub, client, bucket, tmp_path):
    """The whole way of `hf buckets sync`, up and down. Writes how long it took."""
    source = tmp_path / "many"
    for i in range(10_000):
        folder = source / f"part-{i % 100:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{i:05}.json").write_text(json.dumps({"number": i, "text": hashlib.sha256(str(i).encode()).hexdigest()}))
    begun = time.monotonic()
    client.hf("buckets", "sync", source, f"hf://buckets/{bucket}", timeout=550)
    up = time.monotonic() - begun
    assert info(hub, bucket)["totalFiles"] == 10_000
    begun = time.monotonic()
    client.hf("buckets", "sync", source, f"hf://buckets/{bucket}", timeout=550)
    again = time.monotonic() - begun
    begun = time.monotonic()
    client.fresh().hf("buckets", "sync", f"hf://buckets/{bucket}", tmp_path / "back", timeout=550)
    down = time.monotonic() - begun
    assert_same(tmp_path / "back", source)
    begun = time.monotonic()
    client.hf("buckets", "rm", bucket, "--recursive", "--yes", timeout=550)
    gone = time.monotonic() - begun
    assert info(hub, bucket) | {"totalFiles": 0, "size": 0} == info(hub, bucket)
    print(f"10,000 files: {up:.1f} s up, {again:.1f} s when nothing changed, {down:.1f} s down, {gone:.1f} s to remove")
    assert up < 240 and down < 240


# ---------------------------------------------------------------- following


class Follower(threading.Thread):
    """Reads a stream of events as they come."""

    def __init__(self, hub, bucket, query="", who="alice"):
        super().__init__(daemon=True)
        self.connection, target = wire.connect(f"{hub.url}/api/buckets/{bucket}/events{query}", timeout=45)
        token = {"Authorization": f"Bearer {hub.tokens[who]}"} if who else {}
        self.connection.request("GET", target, headers={"Accept": "text/event-stream"} | token)
        self.answer = self.connection.getresponse()
        self.events, self.raw = [], b""
        self.start()

    def run(self):
        while part := self.answer.read1(65536):
            self.raw += part
            *whole, self.raw = self.raw.split(b"\n\n")
            for text in whole:
                fields = dict(line.split(": ", 1) for line in text.decode().split("\n") if not line.startswith(":"))
                if fields:
                    self.events.append((fields["event"], json.loads(fields["data"])))

    def until(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < deadline, f"heard only {self.events}"
            time.sleep(0.02)
        return self

    def changes(self):
        return [(c["op"], c["path"]) for name, data in self.events if name == "changes" for c in data["changes"]]

    def cursor(self):
        return next(data["cursor"] for name, data in reversed(self.events) if "cursor" in data)


def test_following(hub, api, bucket):
    live = Follower(hub, bucket).until(lambda f: f.events)
    assert live.answer.getheader("Content-Type") == "text/event-stream" and live.events[0][0] == "ready"
    start = live.cursor()
    many = [Follower(hub, bucket, who=None).until(lambda f: f.events) for _ in range(50)]
    api.batch_bucket_files(bucket, add=[(b"1", "a.txt"), (b"2", "b/c.txt")])
    begun = time.monotonic()
    live.until(lambda f: len(f.changes()) == 2)
    assert time.monotonic() - begun < 5, "it is told at once"
    (change,) = [c for name, data in live.events if name == "changes" for c in data["changes"] if c["path"] == "a.txt"]
    assert change["op"] == "add" and change["size"] == 1 and re.fullmatch("[0-9a-f]{64}", change["xetHash"])
    assert ISO.fullmatch(change["uploadedAt"]) and ISO.fullmatch(change["mtime"])
    between = info(hub, bucket)["updatedAt"]
    time.sleep(0.01)
    api.batch_bucket_files(bucket, add=[(b"3", "a.txt")], delete=["b/c.txt"])
    expected = [("add", "a.txt"), ("add", "b/c.txt"), ("update", "a.txt"), ("delete", "b/c.txt")]
    for follower in [live, *many]:
        follower.until(lambda f: len(f.changes()) == 4)
        assert follower.changes() == expected
    back = Follower(hub, bucket, f"?cursor={start}").until(lambda f: any(name == "ready" for name, _ in f.events))
    assert back.changes() == expected and back.cursor() == live.cursor()
    back = Follower(hub, bucket, f"?since={between}").until(lambda f: any(name == "ready" for name, _ in f.events))
    assert back.changes()[-2:] == expected[-2:]
    hub.get(f"/api/buckets/{bucket}/events?cursor=rubbish", "alice").error(400, None, "cursor")
    hub.get(f"/api/buckets/{bucket}/events?since=yesterday", "alice").error(400, None, "since")
    # A bucket of the same name that came later is another one.
    hub.request("DELETE", f"/api/buckets/{bucket}", "alice").expect(200)
    live.until(lambda f: f.events[-1][0] == "reconnect")
    live.join(10)
    assert not live.is_alive(), "the stream ends with its bucket"
    hub.post(f"/api/buckets/{bucket}", "alice", json={}).expect(200)
    assert Follower(hub, bucket, f"?cursor={start}").until(lambda f: f.events).events[0][0] == "reset"


def test_a_followed_listing_is_fresh(hub, api, bucket):
    from huggingface_hub import HfFileSystem

    fs = HfFileSystem(endpoint=hub.url, token=hub.tokens["alice"], skip_instance_cache=True, live_follow=True)
    api.batch_bucket_files(bucket, add=[(b"1", "data/a.txt")])
    folder = f"buckets/{bucket}/data"
    assert fs.ls(folder, detail=False) == [f"{folder}/a.txt"]
    time.sleep(2)
    api.batch_bucket_files(bucket, add=[(b"2", "data/b.txt")])
    deadline = time.monotonic() + 20
    while len(fs.ls(folder, detail=False)) < 2:
        assert time.monotonic() < deadline, "the change was not heard"
        time.sleep(0.1)
    with fs.open(f"{folder}/b.txt") as f:
        assert f.read() == b"2"


def test_a_hub_that_stops_lets_followers_go(tmp_path):
    hub = hubs.Hub(tmp_path / "data").start()
    try:
        hub.add_user("alice")
        hub.post("/api/buckets/alice/b", "alice", json={}).expect(200)
        follower = Follower(hub, "alice/b").until(lambda f: f.events)
        begun = time.monotonic()
        assert hub.stop() == 0
        assert time.monotonic() - begun < 10, "it does not wait for those who only listen"
        assert follower.until(lambda f: f.events[-1][0] == "reconnect")
    finally:
        hub.kill()


# ---------------------------------------------------------------- JavaScript

JS = """
import { createRepo, uploadFiles, listFiles, downloadFile, deleteFile, fileExists, fileDownloadInfo, pathsInfo, copyFile, deleteRepo } from "@huggingface/hub";
const common = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };
const repo = { type: "bucket", name: process.argv[2] }, other = { type: "bucket", name: process.argv[2] + "-copy" };
const made = await createRepo({ ...common, repo, visibility: "private" });
if (!made.repoUrl.endsWith("/buckets/" + repo.name) || !made.id) throw new Error(JSON.stringify(made));
const big = new Uint8Array(300000).map((_, i) => (i * 7919) % 251);
await uploadFiles({ ...common, repo, useWebWorkers: false, files: [
	{ path: "a.txt", content: new Blob(["hello"]) }, { path: "d/big.bin", content: new Blob([big]) }] });
const names = [];
for await (const f of listFiles({ ...common, repo, recursive: true })) names.push(f.path);
for await (const f of listFiles({ ...common, repo })) names.push(f.type + ":" + f.path);
const info = await fileDownloadInfo({ ...common, repo, path: "d/big.bin" });
const bytes = new Uint8Array(await (await downloadFile({ ...common, repo, path: "d/big.bin" })).arrayBuffer());
if (bytes.length !== big.length || bytes.some((b, i) => b !== big[i])) throw new Error("other bytes came back");
const known = await pathsInfo({ ...common, repo, paths: ["a.txt", "none"] });
await createRepo({ ...common, repo: other });
await copyFile({ ...common, source: { repo, path: "d/big.bin" }, destination: { repo: other, path: "copied.bin" } });
const copied = await fileExists({ ...common, repo: other, path: "copied.bin" });
await deleteFile({ ...common, repo, path: "a.txt" });
const exists = [await fileExists({ ...common, repo, path: "a.txt" }), await fileExists({ ...common, repo, path: "d/big.bin" })];
await deleteRepo({ ...common, repo: other });
console.log(JSON.stringify({ names, size: info.size, xet: !!info.xet, known: known.map((k) => k.path), copied, exists }));
"""


def test_javascript(hub, bucket):
    script = hubs.javascript() / f"buckets-{os.getpid()}.mjs"  # beside the modules that it imports
    script.write_text(JS)
    try:
        env = hubs.hermetic(hub.home) | {"HF_ENDPOINT": hub.url, "HF_TOKEN": hub.tokens["alice"]}
        done = subprocess.run(["node", str(script), f"{bucket}-js"], env=env, capture_output=True, text=True, timeout=120)
    finally:
        script.unlink()
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"names": ["a.txt", "d/big.bin", "file:a.txt", "directory:d"], "size": 300_000, "xet": True,
                    "known": ["a.txt"], "copied": True, "exists": [False, True]}, told
