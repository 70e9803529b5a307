"""Git LFS: clients that negotiate it, git-lfs itself, and people who mean no good."""

import base64
import hashlib
import random
import shutil
import subprocess
import time
from pathlib import Path

import clients
import hub as hubs
import pytest
import wire
from clients import model, sha256

MEDIA = "application/vnd.git-lfs+json"
PART = 64 << 20


def blob(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def batch(hub, repo: str, who, operation: str, *objects, status: int = 200, prefix: str = "", **more):
    body = {"operation": operation, "objects": [{"oid": oid, "size": size} for oid, size in objects]} | more
    answer = hub.post(f"{prefix}/{repo}.git/info/lfs/objects/batch", who, json=body, headers={"Content-Type": MEDIA, "Accept": MEDIA})
    assert answer.header("Content-Type") == MEDIA, answer
    return answer.expect(status).json()


def refused(answer: wire.Response, status: int, words: str = "") -> wire.Response:
    """An error in the shape that git-lfs shows."""
    answer.expect(status)
    said = answer.json()
    assert words in said["message"] and said["request_id"] == answer.header("X-Request-Id"), answer
    assert answer.header("Content-Type") == MEDIA, answer
    return answer


def upload_steps(hub, repo, data, who="alice", **more):
    [told] = batch(hub, repo, who, "upload", (sha256(data), len(data)), **more)["objects"]
    return told["actions"]


def download(hub, repo, data, who="alice", **kwargs):
    [told] = batch(hub, repo, who, "download", (sha256(data), len(data)))["objects"]
    return wire.get(told["actions"]["download"]["href"], **kwargs)


def commit(hub, repo, path, data, who="alice", **kwargs):
    return hub.commit(repo, who, wire.lfs_file(path, sha256(data), len(data)), **kwargs).expect(200)


def send(hub, repo, data):
    wire.request("PUT", upload_steps(hub, repo, data)["upload"]["href"], body=data).expect(200)


def parts_left(hub) -> list[Path]:
    return [p for p in (hub.data / "lfs").rglob("*") if p.is_file()]


# ---------------------------------------------------------------- clients


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    """A file of two parts and a bit."""
    path = tmp_path_factory.mktemp("big") / "big.bin"
    path.write_bytes(blob(2 * PART + 1234567, 7))
    return path


def without_xet(client):
    client.more["HF_HUB_DISABLE_XET"] = "1"
    return client


def check_by_all_doors(hub, client, api, repo, path, source):
    """Whatever came in by LFS is a file like all others: by Xet, over plain HTTP, and by LFS again."""
    digest, size = sha256(source), source.stat().st_size
    entry = api.get_paths_info(repo, [path])[0]
    assert entry.lfs.sha256 == digest and entry.size == size and entry.xet_hash
    reader = client.fresh("xet")
    reader.more.pop("HF_HUB_DISABLE_XET", None)
    reader.hf("download", repo, path, "--local-dir", reader.home / "out")
    assert sha256(reader.home / "out" / path) == digest
    plain = without_xet(client.fresh("plain"))
    plain.hf("download", repo, path, "--local-dir", plain.home / "out")
    assert sha256(plain.home / "out" / path) == digest
    [told] = batch(hub, repo, "alice", "download", (digest, size))["objects"]
    assert hashlib.sha256(wire.get(told["actions"]["download"]["href"]).expect(200).body).hexdigest() == digest


def test_todays_client_without_xet(hub, client, api):
    source = next(model("smollm2").glob("*.gguf"))
    without_xet(client).hf("upload", "alice/smol", source, "model.gguf")
    check_by_all_doors(hub, client, api, "alice/smol", "model.gguf", source)
    # Once more under another name: nothing is sent.
    client.hf("upload", "alice/smol", source, "again.gguf")


def test_todays_client_without_xet_in_parts(hub, client, api, big):
    without_xet(client).hf("upload", "alice/big", big, "big.bin")
    check_by_all_doors(hub, client, api, "alice/big", "big.bin", big)
    assert not parts_left(hub)


def test_todays_client_from_an_open_file(hub, client, api, tmp_path):
    """Open files never go by Xet."""
    source = tmp_path / "f.bin"
    source.write_bytes(blob(3 << 20, 3))
    client.python(
        "import sys; from huggingface_hub import HfApi; api = HfApi(); api.create_repo('alice/open', exist_ok=True)\n"
        "api.upload_file(path_or_fileobj=open(sys.argv[1], 'rb'), path_in_repo='f.bin', repo_id='alice/open')", source)
    check_by_all_doors(hub, client, api, "alice/open", "f.bin", source)


@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_the_client_that_asks_lfs_first(hub, api, tmp_path, big, xet):
    old = clients.Client("0.36.2", tmp_path / "old", hub.url, hub.tokens["alice"])
    if not xet:
        without_xet(old)
    repo = f"alice/old-{xet}".lower()
    folder = tmp_path / "folder"
    shutil.copytree(model("minilm"), folder, ignore=shutil.ignore_patterns(".complete"))
    shutil.copy(big, folder / "big.bin")
    old.hf("upload", repo, folder, ".")
    check_by_all_doors(hub, old, api, repo, "big.bin", big)
    check_by_all_doors(hub, old, api, repo, "model.safetensors", folder / "model.safetensors")


def test_a_data_set(hub, client, api, tmp_path):
    source = tmp_path / "f.bin"
    source.write_bytes(blob(100_000, 5))
    without_xet(client).hf("upload", "--repo-type", "dataset", "alice/data", source, "f.bin")
    assert api.get_paths_info("alice/data", ["f.bin"], repo_type="dataset")[0].lfs.sha256 == sha256(source)
    assert hub.get("/datasets/alice/data/resolve/main/f.bin").body == source.read_bytes()
    told = batch(hub, "alice/data", None, "download", (sha256(source), 100_000), prefix="/datasets")
    assert wire.get(told["objects"][0]["actions"]["download"]["href"]).body == source.read_bytes()


@pytest.fixture(scope="module")
def js():
    return hubs.javascript() / "hub.mjs"


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_javascript(hub, client, api, repo, js, big, tmp_path, way):
    small = tmp_path / "small.safetensors"
    small.write_bytes(blob(5_000_000, 11))
    for source in (small, big):
        client.run("node", js, "upload", repo, source, source.name, way)
        check_by_all_doors(hub, client, api, repo, source.name, source)
        out = tmp_path / "out"
        client.run("node", js, "download", repo, source.name, out, way)
        assert sha256(out) == sha256(source)
    assert not parts_left(hub)


class Git:
    """A work tree whose LFS goes to the hub, whatever its history does."""

    def __init__(self, hub, folder: Path, repo: str, who: str):
        self.folder, self.env = folder, hubs.hermetic(folder.parent / f"{folder.name}-home")
        folder.mkdir()
        self("init", "-q", "-b", "main")
        self("lfs", "install", "--local")
        address = hub.url.replace("http://", f"http://{who}:{hub.tokens[who]}@")
        for key, value in {"user.name": who, "user.email": f"{who}@example.org", "lfs.url": f"{address}/{repo}.git/info/lfs",
                           "remote.origin.url": f"{address}/{repo}.git", "lfs.locksverify": "true", "lfs.transfer.maxretries": "1"}.items():
            self("config", key, value)

    def __call__(self, *args, fails: bool = False) -> str:
        done = subprocess.run(["git", *map(str, args)], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=120)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, f"git {args}: {done.returncode}\n{said}"
        return said


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not here")
def test_git_lfs(hub, api, repo, tmp_path):
    alice = Git(hub, tmp_path / "alice", repo, "alice")
    alice("lfs", "track", "*.bin")
    small, large = blob(3_000_000, 21), blob(PART + 5_000_000, 22)
    (alice.folder / "small.bin").write_bytes(small)
    (alice.folder / "large.bin").write_bytes(large)
    alice("add", ".")
    alice("commit", "-qm", "files")
    alice("lfs", "push", "--object-id", "origin", sha256(small), sha256(large))
    alice("lfs", "push", "--object-id", "origin", sha256(small))  # again: nothing is sent
    commit(hub, repo, "small.bin", small)
    commit(hub, repo, "large.bin", large)
    shutil.rmtree(alice.folder / ".git/lfs/objects")
    (alice.folder / "small.bin").unlink()
    (alice.folder / "large.bin").unlink()
    alice("-c", "filter.lfs.smudge=git-lfs smudge --skip -- %f", "-c", "filter.lfs.process=git-lfs filter-process --skip", "checkout", "--", ".")
    alice("lfs", "pull")
    assert (alice.folder / "small.bin").read_bytes() == small and sha256(alice.folder / "large.bin") == sha256(large)

    # Locks.
    alice("lfs", "lock", "small.bin")
    assert "small.bin" in alice("lfs", "locks") and "alice" in alice("lfs", "locks")
    root = Git(hub, tmp_path / "root", repo, "root")
    (root.folder / "small.bin").write_bytes(b"x")
    assert "already" in root("lfs", "lock", "small.bin", fails=True)
    assert "small.bin" in root("lfs", "locks", "--verify")
    number = hub.get(f"/{repo}/info/lfs/locks").json()["locks"][0]["id"]
    assert "alice" in root("lfs", "unlock", "--id", number, fails=True)
    root("lfs", "unlock", "--force", "--id", number)
    assert "small.bin" not in alice("lfs", "locks")


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not here")
def test_git_lfs_with_the_agent_for_parts(hub, client, repo, tmp_path):
    """`hf lfs-enable-largefiles` installs an agent that takes nothing but parts, also for the small of a batch."""
    alice = Git(hub, tmp_path / "alice", repo, "alice")
    client.hf("lfs-enable-largefiles", alice.folder)
    alice.env["PATH"] = f"{client.bin}:{alice.env['PATH']}"
    alice("lfs", "track", "*.bin")
    files = [blob(100_000, 26), blob(PART + 1, 27)]
    for n, data in enumerate(files):
        (alice.folder / f"{n}.bin").write_bytes(data)
    alice("add", ".")
    alice("commit", "-qm", "files")
    alice("lfs", "push", "--object-id", "origin", *map(sha256, files))
    for data in files:
        assert hashlib.sha256(download(hub, repo, data).expect(200).body).hexdigest() == sha256(data)
    assert not parts_left(hub)


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not here")
def test_a_clone_brings_large_files(hub, api, tmp_path):
    hub.create("alice/cloned", "alice", visibility="private").expect(200)
    by_xet, by_lfs = blob(2_000_000, 24), blob(1_000_000, 25)
    api.upload_file(path_or_fileobj=by_xet, path_in_repo="xet.bin", repo_id="alice/cloned")
    send(hub, "alice/cloned", by_lfs)
    commit(hub, "alice/cloned", "lfs.bin", by_lfs)
    address = f"{hub.url.replace('http://', 'http://alice:' + hub.tokens['alice'] + '@')}/alice/cloned"
    filters = ("filter.lfs.smudge=git-lfs smudge -- %f", "filter.lfs.process=git-lfs filter-process", "filter.lfs.required=true")
    done = subprocess.run(["git", *(part for f in filters for part in ("-c", f)), "clone", "-q", address, tmp_path / "clone"],
                          env=hubs.hermetic(tmp_path / "home"), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone/xet.bin").read_bytes() == by_xet and (tmp_path / "clone/lfs.bin").read_bytes() == by_lfs


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not here")
def test_what_git_lfs_says_when_it_is_refused(hub, repo, tmp_path):
    carol = Git(hub, tmp_path / "carol", repo, "carol")
    carol("lfs", "track", "*.bin")
    data = blob(1000, 23)
    (carol.folder / "f.bin").write_bytes(data)
    carol("add", ".")
    carol("commit", "-qm", "file")
    said = carol("lfs", "push", "--object-id", "origin", sha256(data), fails=True)
    assert "rights required to write" in said, said


# ---------------------------------------------------------------- the protocol


def test_a_batch(hub, repo):
    data, other = blob(1000), blob(1000, 2)
    told = batch(hub, repo, "alice", "upload", (sha256(data), 1000), (sha256(data), 1000), transfers=["basic"], hash_algo="sha256", ref={"name": "refs/heads/main"})
    assert told["transfer"] == "basic" and told["hash_algo"] == "sha256" and len(told["objects"]) == 1
    [one] = told["objects"]
    assert one["oid"] == sha256(data) and one["size"] == 1000 and one["authenticated"] is True
    assert one["actions"]["upload"]["href"].startswith(hub.url) and one["actions"]["upload"]["expires_in"] >= 3600
    verify = one["actions"]["verify"]["href"]
    refused(wire.request("POST", verify, json={"oid": sha256(data), "size": 1000}), 404, "not come")
    wire.request("PUT", one["actions"]["upload"]["href"], body=data).expect(200)
    wire.request("POST", verify, json={"oid": sha256(data), "size": 1000}, token=hub.tokens["alice"]).expect(200)
    refused(wire.request("POST", verify, json={"oid": sha256(data), "size": 999}), 400)
    # Now it is here: no need to send it.
    [one] = batch(hub, repo, "alice", "upload", (sha256(data), 1000))["objects"]
    assert "actions" not in one and "error" not in one
    # In its repository only.
    hub.create(f"{repo}-else", "alice").expect(200)
    assert "upload" in upload_steps(hub, f"{repo}-else", data)
    [found, missing] = batch(hub, repo, "alice", "download", (sha256(data), 1000), (sha256(other), 1000))["objects"]
    assert found["actions"]["download"]["href"].startswith(hub.url)
    assert missing["error"]["code"] == 404 and "actions" not in missing and missing["error"]["message"]
    assert batch(hub, repo, "alice", "download", transfers=["basic"])["objects"] == []
    assert batch(hub, repo, "alice", "upload", (sha256(other), 1), transfers=["lfs-standalone-file", "xyz"])["transfer"] == "basic"


def test_with_and_without_the_suffix_for_every_kind(hub):
    data = blob(500, 31)
    for kind, prefix in (("model", ""), ("dataset", "/datasets"), ("space", "/spaces"), ("kernel", "/kernels")):
        more = {"sdk": "static"} if kind == "space" else {}
        hub.create("alice/every", "alice", kind, **more).expect(200)
        for suffix in ("", ".git"):
            body = {"operation": "upload", "objects": [{"oid": sha256(data), "size": 500}]}
            told = hub.post(f"{prefix}/alice/every{suffix}/info/lfs/objects/batch", "alice", json=body).expect(200).json()
        wire.request("PUT", told["objects"][0]["actions"]["upload"]["href"], body=data).expect(200)
        hub.commit("alice/every", "alice", wire.lfs_file("f.bin", sha256(data), 500), kind=f"{kind}s").expect(200)
        assert hub.get(f"{prefix}/alice/every/resolve/main/f.bin").body == data


def test_ways_of_transfer(hub, repo):
    small, large = (sha256(b"small"), 5), (sha256(b"large"), 3 * PART + 1)
    assert batch(hub, repo, "alice", "upload", small, transfers=["basic", "multipart"])["transfer"] == "basic"
    told = batch(hub, repo, "alice", "upload", small, large, transfers=["basic", "multipart"])
    assert told["transfer"] == "multipart"
    for (_, size), one in zip((small, large), told["objects"]):
        header = one["actions"]["upload"]["header"]
        numbers = [k for k in header if k.isdigit()]
        assert len(numbers) == -(-size // int(header["chunk_size"])) and [int(n) for n in numbers] == list(range(1, len(numbers) + 1))
    assert batch(hub, repo, "alice", "upload", large, transfers=["basic"])["transfer"] == "basic"
    # However much is announced, the answer stays small.
    huge = batch(hub, repo, "alice", "upload", *((sha256(bytes([n])), 1 << 50) for n in range(100)), transfers=["multipart"])
    assert sum(len(one["actions"]["upload"]["header"]) for one in huge["objects"]) <= 10_100

    told = hub.post(f"/{repo}.git/info/lfs/objects/batch", "alice", headers={"X-Xet-Session-Id": "a session"},
                    json={"operation": "upload", "transfers": ["basic", "multipart", "xet"], "hash_algo": "sha_256",
                          "objects": [{"oid": small[0], "size": 5}]}).expect(200).json()
    assert told["transfer"] == "xet"
    step = told["objects"][0]["actions"]["upload"]
    assert step["href"] == f"{hub.url}/api/models/{repo}/xet-write-token/main" and step["header"]["X-Xet-Session-Id"] == "a session"
    assert step["header"]["X-Xet-Cas-Url"].startswith(hub.url) and int(step["header"]["X-Xet-Token-Expiration"]) > time.time()
    token = hub.get(step["href"], "alice").expect(200).json()
    assert token["casUrl"] == step["header"]["X-Xet-Cas-Url"]
    assert batch(hub, repo, "alice", "download", small, transfers=["basic", "xet"])["transfer"] == "basic"


def test_downloads_in_ranges(hub, repo):
    data = blob(300_000, 41)
    send(hub, repo, data)
    whole = download(hub, repo, data).expect(200)
    assert whole.body == data and whole.header("Content-Length") == "300000" and whole.header("Accept-Ranges") == "bytes"
    part = download(hub, repo, data, headers={"Range": "bytes=100-199"}).expect(206)
    assert part.body == data[100:200] and part.header("Content-Range") == "bytes 100-199/300000"
    assert download(hub, repo, data, headers={"Range": "bytes=299990-"}).expect(206).body == data[-10:]
    past = refused(download(hub, repo, data, headers={"Range": "bytes=300000-"}), 416)
    assert past.header("Content-Range") == "bytes */300000"
    [told] = batch(hub, repo, "alice", "download", (sha256(data), 300_000))["objects"]
    head = wire.request("HEAD", told["actions"]["download"]["href"]).expect(200)
    assert head.header("Content-Length") == "300000" and not head.body


def test_what_came_by_xet_leaves_by_lfs(hub, api, repo):
    data = blob(2_000_000, 51)
    api.upload_file(path_or_fileobj=data, path_in_repo="f.bin", repo_id=repo)
    assert download(hub, repo, data, who=None).expect(200).body == data
    assert "actions" not in batch(hub, repo, "alice", "upload", (sha256(data), len(data)))["objects"][0]


def test_an_empty_object(hub, repo):
    for more in ({}, {"transfers": ["multipart"]}):
        wire.request("PUT", upload_steps(hub, f"{repo}", b"", **more)["upload"]["href"], body=b"").expect(200)
        assert download(hub, repo, b"").expect(200).body == b""
        hub.create(f"{repo}-two", "alice").expect(200, 409)
        repo = f"{repo}-two"


# ---------------------------------------------------------------- parts


def in_parts(hub, repo, data, **more):
    step = upload_steps(hub, repo, data, transfers=["basic", "multipart"], **more)["upload"]
    size = int(step["header"]["chunk_size"])
    hrefs = [step["header"][k] for k in sorted(k for k in step["header"] if k.isdigit())]
    return step["href"], hrefs, [data[i:i + size] for i in range(0, len(data), size)]


def complete(href, data, etags):
    parts = [{"partNumber": n, "etag": e} for n, e in etags]
    return wire.request("POST", href, json={"oid": sha256(data), "parts": parts}, headers={"Content-Type": MEDIA})


def test_parts_in_any_order_and_again(hub, repo):
    data = blob(2 * PART + 100, 61)
    href, hrefs, pieces = in_parts(hub, repo, data)
    etags = {}
    for n in (3, 1, 2, 1):
        etags[n] = wire.request("PUT", hrefs[n - 1], body=pieces[n - 1]).expect(200).header("ETag")
    assert len(parts_left(hub)) == 3
    # A part that never was, one too few, one twice, a name that nobody gave.
    for wrong in ([(1, etags[1]), (2, etags[2])], [*etags.items(), (4, "x")], [(1, etags[1]), (2, etags[2]), (2, etags[2])],
                  [(1, etags[2]), (2, etags[1]), (3, etags[3])], [(0, etags[1]), (1, etags[2]), (2, etags[3])]):
        refused(complete(href, data, wrong), 400)
    # All of it still counts after the hub was away, and completions at once do no harm.
    assert hub.stop() == 0
    hub.start()
    complete(href, data, etags.items()).expect(200)
    complete(href, data, etags.items()).expect(200)
    assert not parts_left(hub)
    commit(hub, repo, "f.bin", data)
    assert hub.get(f"/{repo}/resolve/main/f.bin").body == data


def test_parts_that_are_not_what_they_should_be(hub, repo):
    data = blob(PART + 1000, 62)
    href, hrefs, pieces = in_parts(hub, repo, data)
    refused(wire.request("PUT", hrefs[0], body=pieces[0][:-1]), 400, "bytes")
    refused(wire.request("PUT", hrefs[1], body=pieces[1] + b"x"), 400, "bytes")
    assert not parts_left(hub)
    first = wire.request("PUT", hrefs[0], body=pieces[0]).expect(200).header("ETag")
    second = wire.request("PUT", hrefs[1], body=bytes(1000)).expect(200).header("ETag")
    refused(complete(href, data, [(1, first), (2, second)]), 400, "sha256")
    assert "actions" in batch(hub, repo, "alice", "upload", (sha256(data), len(data)))["objects"][0]
    assert not parts_left(hub), "wrong parts are kept"
    # The address of one part is for no other, and for nothing else.
    refused(wire.request("PUT", hrefs[0].replace("/parts/1?", "/parts/2?"), body=pieces[1]), 403)
    refused(wire.request("PUT", hrefs[0].replace("/parts/1?", "?"), body=pieces[0]), 403)
    refused(complete(hrefs[0].replace("/parts/1?", "/complete?"), data, [(1, first), (2, second)]), 403)


# ---------------------------------------------------------------- no good


def test_wrong_content_is_not_kept(hub, repo):
    data = blob(100_000, 71)
    href = upload_steps(hub, repo, data)["upload"]["href"]
    for wrong in (blob(100_000, 72), data[:-1], data + b"x", b"", bytes([data[0] ^ 1]) + data[1:]):
        refused(wire.request("PUT", href, body=wrong), 400)
        refused(wire.request("PUT", href, body=iter([wrong])), 400)  # its length not declared
    assert "actions" in batch(hub, repo, "alice", "upload", (sha256(data), len(data)))["objects"][0]
    assert hub.commit(repo, "alice", wire.lfs_file("f.bin", sha256(data), len(data))).status == 400
    # It ends early.
    said = wire.cut(href, "PUT", {}, data[:50_000], 100_000)
    assert said == b"" or b" 400 " in said, said
    assert "actions" in batch(hub, repo, "alice", "upload", (sha256(data), len(data)))["objects"][0]
    wire.request("PUT", href, body=iter([data[:7], data[7:]])).expect(200)
    assert download(hub, repo, data).body == data


def test_a_large_wrong_upload_hears_why(hub, repo):
    data = blob(30 << 20, 73)
    href = upload_steps(hub, repo, data)["upload"]["href"]
    refused(wire.request("PUT", href, body=data + b"more"), 400, "should have")


def test_forged_addresses(hub, repo):
    data, other = blob(1000, 81), blob(1000, 82)
    steps, others = upload_steps(hub, repo, data), upload_steps(hub, repo, other)
    put, verify = steps["upload"]["href"], steps["verify"]["href"]
    address, grant = put.split("?grant=")
    flipped = base64.urlsafe_b64decode(grant + "=" * (-len(grant) % 4))
    flipped = [base64.urlsafe_b64encode(flipped[:at] + bytes([flipped[at] ^ 1]) + flipped[at + 1:]).decode().rstrip("=") for at in range(len(flipped))]
    for bad in ["", "x", "a" * 100_00, grant[:-1], grant + "A", others["upload"]["href"].split("=")[1], verify.split("=")[1], *flipped]:
        refused(wire.request("PUT", f"{address}?grant={bad}", body=data), 403)
    refused(wire.request("PUT", address, body=data), 403)
    refused(wire.get(put), 403)
    refused(wire.request("POST", put.replace("?", "/verify?"), json={"oid": sha256(data), "size": 1000}), 403)
    refused(wire.request("PUT", put.replace(sha256(data), sha256(data).upper()), body=data), 403)
    for trick in ("..", "%2e%2e%2f%2e%2e", sha256(data) + "%00", "%ff", "a%2fb"):
        answer = wire.request("PUT", put.replace(sha256(data), trick), body=data)
        assert 400 <= answer.status < 500 and answer.json()["message"], f"{trick}: {answer}"
    # A person's own token opens nothing here.
    refused(wire.request("PUT", address, body=data, token=hub.tokens["alice"]), 403)
    wire.request("PUT", put, body=data).expect(200)


def test_addresses_of_people_who_may_no_more(hub):
    """Rights are looked at again when an address is used."""
    data = blob(1000, 91)
    hub.add_user("erin")
    hub.admin("org", "member", "acme", "erin", "--role", "write")
    hub.create("acme/secret", "bob", visibility="private").expect(200)
    wire.request("PUT", upload_steps(hub, "acme/secret", data, "bob")["upload"]["href"], body=data).expect(200)
    more = blob(1000, 92)
    put = upload_steps(hub, "acme/secret", more, "erin")["upload"]["href"]
    [told] = batch(hub, "acme/secret", "erin", "download", (sha256(data), 1000))["objects"]
    get = told["actions"]["download"]["href"]
    assert wire.get(get).expect(200).body == data
    hub.admin("org", "member", "acme", "erin", "--role", "read")
    refused(wire.request("PUT", put, body=more), 403)
    assert wire.get(get).expect(200).body == data
    hub.request("DELETE", "/api/repos/delete", "bob", json={"name": "secret", "organization": "acme"}).expect(200)
    for method, href in (("PUT", put), ("GET", get)):
        assert wire.request(method, href, body=more if method == "PUT" else None).status in (401, 404)


def test_batches_that_are_refused(hub, repo):
    good = {"oid": sha256(b"x"), "size": 1}
    door = f"/{repo}.git/info/lfs/objects/batch"

    def post(who="alice", where=door, **kwargs):
        return hub.post(where, who, **kwargs)

    for body in (b"", b"nonsense", b"[]", b'{"operation":"upload","objects":[{"oid":1,"size":1}]}', b'{"operation":"upload","objects":[{"oid":"x"}]}',
                 b'{"operation":"upload","objects":[{"oid":"x","size":1.5}]}', b'{"operation":"steal","objects":[]}', b'{"objects":[]}'):
        refused(post(body=body), 400)
    refused(post(json={"operation": "upload", "objects": [good] * 1001}), 413, "1000")
    refused(post(body=b" " * (5 << 20)), 413)
    refused(post(json={"operation": "upload", "objects": [good], "hash_algo": "md5"}), 409)
    odd = [("0" * 63, 1), ("0" * 65, 1), ("Z" * 64, 1), (sha256(b"x").upper(), 1), ("../../etc/passwd", 1), ("", 1), (sha256(b"x"), -1)]
    for operation in ("upload", "download"):
        for one in batch(hub, repo, "alice", operation, *odd)["objects"]:
            assert one["error"]["code"] == 422 and "actions" not in one, one
    data = blob(100, 95)
    send(hub, repo, data)
    for operation in ("upload", "download"):
        [one] = batch(hub, repo, "alice", operation, (sha256(data), 99))["objects"]
        assert one["error"]["code"] == 422 and "100 bytes" in one["error"]["message"], one
    # Who asks.
    nobody = refused(post(None, json={"operation": "upload", "objects": [good]}), 401)
    assert nobody.header("WWW-Authenticate") == nobody.header("LFS-Authenticate") == 'Basic realm="Haina"'
    refused(post(None, "/alice/neverwas.git/info/lfs/objects/batch", json={"operation": "download", "objects": [good]}), 401).header("WWW-Authenticate")
    refused(post("hf_" + "x" * 40, json={"operation": "download", "objects": [good]}), 401, "Invalid credentials")
    refused(post("carol", json={"operation": "upload", "objects": [good]}), 403)
    refused(post("alice", "/alice/neverwas.git/info/lfs/objects/batch", json={"operation": "download", "objects": [good]}), 404)
    refused(post("alice", "/alice/%2e%2e.git/info/lfs/objects/batch", json={"operation": "download", "objects": [good]}), 404)
    refused(hub.get(door, "alice"), 405)
    refused(hub.get(f"/{repo}.git/info/lfs/other", "alice"), 404)
    basic = base64.b64encode(f"anyone:{hub.tokens['alice']}".encode()).decode()
    post(None, json={"operation": "upload", "objects": [good]}, headers={"Authorization": f"Basic {basic}"}).expect(200)


# ---------------------------------------------------------------- locks


def test_locks(hub):
    repo = "acme/locked"
    hub.create(repo, "bob").expect(200)
    hub.add_user("frank")
    hub.admin("org", "member", "acme", "frank", "--role", "write")
    door = f"/{repo}.git/info/lfs/locks"
    mine = hub.post(door, "bob", json={"path": "a/b.bin", "ref": {"name": "refs/heads/main"}}).expect(201).json()["lock"]
    assert mine["path"] == "a/b.bin" and mine["owner"] == {"name": "bob"} and mine["locked_at"].endswith("Z") and isinstance(mine["id"], str)
    taken = hub.post(door, "frank", json={"path": "a/b.bin"}).expect(409).json()
    assert taken["lock"] == mine and "bob" in taken["message"]
    his = hub.post(door, "frank", json={"path": "c.bin"}).expect(201).json()["lock"]
    assert hub.get(door).expect(200).json() == {"locks": [mine, his]}
    assert hub.get(f"{door}?path=c.bin", "carol").expect(200).json() == {"locks": [his]}
    assert hub.get(f"{door}?id={mine['id']}").expect(200).json() == {"locks": [mine]}
    assert hub.get(f"{door}?id={mine['id']}&path=c.bin").json() == hub.get(f"{door}?id=nonsense").json() == {"locks": []}
    page = hub.get(f"{door}?limit=1").expect(200).json()
    assert page["locks"] == [mine]
    assert hub.get(f"{door}?limit=1&cursor={page['next_cursor']}").expect(200).json() == {"locks": [his]}
    seen = hub.post(f"{door}/verify", "frank", json={"ref": {"name": "refs/heads/main"}}).expect(200).json()
    assert seen == {"ours": [his], "theirs": [mine]}
    seen = hub.post(f"{door}/verify", "frank", json={"limit": 1}).expect(200).json()
    assert seen["theirs"] == [mine] and seen["next_cursor"]
    # Refusals.
    for path in ("", "/a", "../a", "a/../b", ".git/config", "a\0b", "x" * 1025):
        refused(hub.post(door, "bob", json={"path": path}), 400)
    refused(hub.get(f"{door}?cursor=x"), 400)
    refused(hub.post(door, None, json={"path": "d"}), 401)
    refused(hub.post(door, "alice", json={"path": "d"}), 403)
    refused(hub.post(f"{door}/verify", None, json={}), 401)
    # Who may only read may propose, and git-lfs asks before it pushes that.
    assert hub.post(f"{door}/verify", "alice", json={}).expect(200).json() == {"ours": [], "theirs": [mine, his]}
    refused(hub.post(f"{door}/{mine['id']}/unlock", "frank", json={}), 403, "bob")
    refused(hub.post(f"{door}/{mine['id']}/unlock", "frank", json={"force": True}), 403)
    refused(hub.post(f"{door}/999999/unlock", "bob", json={}), 404)
    refused(hub.post(f"{door}/x/unlock", "bob", json={}), 404)
    hub.create("acme/unlocked", "bob").expect(200)
    refused(hub.post(f"/acme/unlocked.git/info/lfs/locks/{mine['id']}/unlock", "bob", json={}), 404)
    assert hub.post(f"{door}/{his['id']}/unlock", "bob", json={"force": True}).expect(200).json() == {"lock": his}
    assert hub.post(f"{door}/{mine['id']}/unlock", "bob", json={}).expect(200).json() == {"lock": mine}
    assert hub.get(door).json() == {"locks": []}
