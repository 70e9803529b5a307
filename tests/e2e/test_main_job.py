"""The main job: real models go up and come down, unchanged, by the clients people have."""

import json
import random
import shutil
import subprocess
import time

import clients
import hub as hubs
import pytest
from clients import assert_same, model, sha256
from proxy import CountingProxy

EDGES = [0, 1, 2, 8191, 8192, 131072, 131073, 10 * 2**20 - 1, 10 * 2**20, 10 * 2**20 + 1, 70 * 2**20]


def curl(url, *args, token=None) -> bytes:
    command = ["curl", "-sS", "--fail", "-L", *args, url] + (["-H", f"Authorization: Bearer {token}"] if token else [])
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, f"{command}: {done.stderr.decode()}"
    return done.stdout


def headers_of(url, *args) -> tuple[int, dict]:
    """Status and headers (lower case) of one answer, by curl."""
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-D", "-", *args, url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    return int(lines[0].split()[1]), {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}


# ---------------------------------------------------------------- hf upload, hf download


@pytest.mark.parametrize("name", ["minilm", "smollm2"])
def test_upload_and_download(any_client, name):
    folder = model(name)
    repo = f"alice/{name}-{any_client.version.replace('.', '-')}"
    any_client.hf("upload", repo, folder, ".")
    other = any_client.fresh("download")
    target = other.home / "out"
    other.hf("download", repo, "--local-dir", target)
    assert_same(target, folder)

    # Into the cache, by commit id: a snapshot is whole, too.
    code = "import sys, huggingface_hub as h; info = h.model_info(sys.argv[1]); " \
           "print(h.snapshot_download(sys.argv[1], revision=info.sha))"
    third = any_client.fresh("snapshot")
    snapshot = third.python(code, repo).strip().splitlines()[-1]
    assert_same(hubs.Path(snapshot), folder)


def test_anonymous_download_of_a_public_model(client):
    client.hf("upload", "alice/open", model("minilm"), ".", "--include", "*.json")
    nobody = client.fresh("nobody")
    nobody.token = None
    out = nobody.home / "out"
    nobody.hf("download", "alice/open", "config.json", "--local-dir", out)
    assert sha256(out / "config.json") == sha256(model("minilm") / "config.json")


def test_private_stays_private(client, hub):
    client.hf("upload", "alice/closed", model("minilm"), ".", "--private", "--include", "*.json")
    for token in (None, hub.tokens["bob"]):
        other = client.fresh("stranger")
        other.token = token
        said = other.hf("download", "alice/closed", "config.json", check=False)
        assert "not found" in said.lower(), said
    client.fresh("own").hf("download", "alice/closed", "config.json")


def test_upload_without_xet_goes_by_lfs(any_client, lfs):
    any_client.more["HF_HUB_DISABLE_XET"] = "1"
    repo = f"alice/lfs-{any_client.version.replace('.', '-')}"
    any_client.hf("upload", repo, model("smollm2"), ".")
    plain = any_client.fresh("plain")
    plain.hf("download", repo, "--local-dir", plain.home / "out")
    xet = any_client.fresh("xet")
    del xet.more["HF_HUB_DISABLE_XET"]
    xet.hf("download", repo, "--local-dir", xet.home / "out")
    assert_same(plain.home / "out", model("smollm2"))
    assert_same(xet.home / "out", model("smollm2"))


def test_upload_large_folder(hub, tmp_path):
    """Gone from 2.x, where upload_folder commits in parts by itself; people still run 1.x."""
    old = clients.Client("1.33.0", tmp_path / "machine", hub.url, hub.tokens["alice"])
    folder = tmp_path / "folder"
    chance = random.Random(7)
    for i in range(120):
        path = folder / f"part{i % 7}" / f"{i}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(1, 40_000)))
        path.with_suffix(".txt").write_text(f"file {i}\n")
    old.hf("upload-large-folder", "alice/large", folder, "--repo-type", "model", "--num-workers", "4")
    reader = old.fresh("reader")
    reader.hf("download", "alice/large", "--local-dir", reader.home / "out")
    assert_same(reader.home / "out", folder)


def test_upload_folder_of_many_files_comes_in_parts(client, api, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for i in range(1_200):
        (folder / f"{i:04}.txt").write_text(f"line {i}\n")
    client.hf("upload", "alice/many", folder, ".")
    listed = [f.path for f in api.list_repo_tree("alice/many", recursive=True)]
    assert len([p for p in listed if p.endswith(".txt")]) == 1_200
    reader = client.fresh("reader")
    reader.hf("download", "alice/many", "--local-dir", reader.home / "out")
    assert_same(reader.home / "out", folder)


# ---------------------------------------------------------------- libraries straight from the hub


def test_tokenizer_and_safetensors_from_the_hub(client):
    client.hf("upload", "alice/minilm", model("minilm"), ".")
    code = """
import hashlib, json, sys
from huggingface_hub import get_safetensors_metadata, hf_hub_download
from safetensors import safe_open
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_pretrained("alice/minilm")
local = Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
text = "Haina 海纳: the sea takes in all rivers."
assert tokenizer.encode(text).ids == local.encode(text).ids, "another tokenizer"
metadata = get_safetensors_metadata("alice/minilm")
path = hf_hub_download("alice/minilm", "model.safetensors")
with safe_open(path, "np") as ours, safe_open(sys.argv[1] + "/model.safetensors", "np") as theirs:
    names = sorted(theirs.keys())
    assert sorted(ours.keys()) == names
    total = 0
    for name in names:
        assert (ours.get_tensor(name) == theirs.get_tensor(name)).all(), name
        total += ours.get_tensor(name).size
assert sum(metadata.parameter_count.values()) == total, (metadata.parameter_count, total)
print(json.dumps({"tensors": len(names), "parameters": total}))
"""
    result = json.loads(client.fresh("user").python(code, model("minilm")).strip().splitlines()[-1])
    assert result["tensors"] > 50 and result["parameters"] > 20_000_000


def test_what_the_hub_says_of_the_model(client, api):
    client.hf("upload", "alice/minilm", model("minilm"), ".")
    info = api.model_info("alice/minilm", files_metadata=True)
    weights = next(s for s in info.siblings if s.rfilename == "model.safetensors")
    path = model("minilm") / "model.safetensors"
    assert weights.size == path.stat().st_size and weights.lfs.sha256 == sha256(path)
    assert info.safetensors.total > 20_000_000 and "F32" in info.safetensors.parameters
    assert info.config["model_type"] == "bert" and info.transformers_info.auto_model == "AutoModel"
    assert info.library_name == "sentence-transformers" and info.pipeline_tag == "sentence-similarity"


# ---------------------------------------------------------------- only what changed travels


@pytest.fixture
def counted(tmp_path):
    """A hub of its own behind a proxy that counts."""
    proxy = CountingProxy(port := hubs.free_port())
    hub = hubs.Hub(tmp_path / "data", url=f"http://127.0.0.1:{proxy.port}", port=port).start()
    try:
        hub.add_user("alice")
        yield proxy, hub, clients.Client("2.4.0", tmp_path / "machine", hub.url, hub.tokens["alice"])
        hub.stop()
        assert not hub.troubles(), hub.tail()
        hub.assert_clean()
    finally:
        hub.kill()
        proxy.close()


def with_bytes_inserted(source, target, count=13):
    data = source.read_bytes()
    middle = len(data) // 2
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data[:middle] + bytes(range(count)) + data[middle:])
    return target


def test_a_small_insertion_sends_almost_nothing(counted, tmp_path):
    proxy, hub, client = counted
    source = next(model("smollm2").glob("*.gguf"))
    size = source.stat().st_size
    client.hf("upload", "alice/a", source, "model.gguf")
    assert proxy.received > size * 0.5
    changed = with_bytes_inserted(source, tmp_path / "new" / "model.gguf")

    proxy.reset()
    client.hf("upload", "alice/a", changed, "model.gguf")
    assert proxy.received <= size * 0.01, f"same machine: {proxy.received} of {size} bytes"

    # From another machine, whose client knows nothing: the hub tells it which chunks are there.
    proxy.reset()
    twice = with_bytes_inserted(changed, tmp_path / "newer" / "model.gguf", 29)
    client.fresh("other").hf("upload", "alice/a", twice, "model.gguf")
    assert proxy.received <= size * 0.01, f"another machine: {proxy.received} of {size} bytes"

    reader = client.fresh("reader")
    reader.hf("download", "alice/a", "model.gguf", "--local-dir", reader.home / "out")
    assert sha256(reader.home / "out" / "model.gguf") == sha256(twice)


def test_an_upload_killed_in_the_middle_is_resumed(counted):
    proxy, hub, client = counted
    folder = model("smollm2")
    size = sum(p.stat().st_size for p in clients.files(folder).values())
    proxy.bytes_per_second = 12_000_000
    process = client.popen(client.bin / "hf", "upload", "alice/b", folder, ".")
    deadline = time.monotonic() + 120
    while proxy.received < size * 0.8 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    process.kill()
    process.communicate()
    proxy.bytes_per_second = None
    assert hub.get("/api/models/alice/b/tree/main", "alice").expect(200).text.count(".gguf") == 0
    proxy.reset()
    client.hf("upload", "alice/b", folder, ".")
    assert proxy.received < size * 1.02
    reader = client.fresh("reader")
    reader.hf("download", "alice/b", "--local-dir", reader.home / "out")
    assert_same(reader.home / "out", folder)


@pytest.mark.parametrize("xet", [True, False])
def test_a_download_killed_in_the_middle_is_resumed(counted, xet):
    proxy, hub, client = counted
    folder = model("smollm2")
    client.hf("upload", "alice/c", folder, ".")
    reader = client.fresh("reader")
    if not xet:
        reader.more["HF_HUB_DISABLE_XET"] = "1"
    size = sum(p.stat().st_size for p in clients.files(folder).values())
    proxy.reset()
    proxy.bytes_per_second = 20_000_000
    process = reader.popen(reader.bin / "hf", "download", "alice/c", "--local-dir", reader.home / "out")
    deadline = time.monotonic() + 120
    while proxy.sent < size * 0.5 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    process.kill()
    process.communicate()
    proxy.bytes_per_second = None
    reader.hf("download", "alice/c", "--local-dir", reader.home / "out")
    assert_same(reader.home / "out", folder)


def test_curl_continues_a_download(counted, tmp_path):
    proxy, hub, client = counted
    source = next(model("smollm2").glob("*.gguf"))
    client.hf("upload", "alice/d", source, "model.gguf")
    target = tmp_path / "model.gguf"
    target.write_bytes(source.read_bytes()[: source.stat().st_size // 3])
    proxy.reset()
    curl(f"{hub.url}/alice/d/resolve/main/model.gguf", "-C", "-", "-o", str(target))
    assert sha256(target) == sha256(source)
    assert proxy.sent < source.stat().st_size * 0.68


# ---------------------------------------------------------------- every size, every door


@pytest.fixture(scope="module")
def edges(hub, tmp_path_factory):
    """A repository of a file of each size, uploaded by hf."""
    tmp = tmp_path_factory.mktemp("edges")
    client = clients.Client("2.4.0", tmp / "machine", hub.url, hub.tokens["alice"])
    chance = random.Random(1)
    folder = tmp / "folder"
    folder.mkdir()
    for size in EDGES:
        (folder / f"{size}.bin").write_bytes(chance.randbytes(size))
    for size in (0, 1, 8192, 100_000):
        (folder / f"{size}.txt").write_text(("a line of text\n" * (size // 15 + 1))[:size])
    client.hf("upload", "alice/edges", folder, ".")
    return client, folder


def test_sizes_by_hf(edges):
    client, folder = edges
    reader = client.fresh("reader")
    reader.hf("download", "alice/edges", "--local-dir", reader.home / "out")
    assert_same(reader.home / "out", folder)


def test_sizes_by_curl(edges, hub):
    _, folder = edges
    for name, path in clients.files(folder).items():
        assert sha256(curl(f"{hub.url}/alice/edges/resolve/main/{name}")) == sha256(path), name


def test_head_says_what_get_gives(edges, hub):
    _, folder = edges
    sha = hub.get("/api/models/alice/edges").json()["sha"]
    for name, path in clients.files(folder).items():
        head = hub.head(f"/alice/edges/resolve/main/{name}", headers={"Accept-Encoding": "identity"}).expect(200)
        size = path.stat().st_size
        assert head.header("Content-Length") == str(size), f"{name}: {head}"
        assert head.header("X-Repo-Commit") == sha and head.header("Accept-Ranges") == "bytes", f"{name}: {head}"
        assert "filename*=UTF-8''" in head.header("Content-Disposition"), f"{name}: {head}"
        etag = head.header("ETag").strip('"')
        if name.endswith(".bin") and size:
            assert etag == sha256(path) and head.header("X-Linked-Etag") == f'"{etag}"', f"{name}: {head}"
            assert head.header("X-Linked-Size") == str(size) and len(head.header("X-Xet-Hash")) == 64, f"{name}: {head}"
        else:
            assert len(etag) == 40, f"{name}: {head}"


@pytest.mark.parametrize("name", ["131073.bin", "73400320.bin", "100000.txt", "10485759.bin"])
def test_ranges(edges, hub, name):
    _, folder = edges
    data = (folder / name).read_bytes()
    size = len(data)
    url = f"{hub.url}/alice/edges/resolve/main/{name}"
    ranges = {
        "0-0": (0, 0), "0-99": (0, 99), "1-1": (1, 1), "8191-8193": (8191, 8193), "65000-70000": (65000, 70000),
        f"{size - 1}-": (size - 1, size - 1), f"{size // 2}-": (size // 2, size - 1),
        "-1": (size - 1, size - 1), "-4096": (size - 4096, size - 1), f"-{size + 10}": (0, size - 1),
        f"{size - 10}-{size + 1000}": (size - 10, size - 1),
    }
    for asked, (first, last) in ranges.items():
        answer = hub.get(url, headers={"Range": f"bytes={asked}"}).expect(206)
        assert answer.header("Content-Range") == f"bytes {first}-{last}/{size}", f"{asked}: {answer.headers}"
        assert answer.body == data[first : last + 1], asked
    assert curl(url, "-r", "100-4095") == data[100:4096]
    for beyond in (f"{size}-", f"{size + 5}-{size + 9}"):
        answer = hub.get(url, headers={"Range": f"bytes={beyond}"}).expect(416)
        assert answer.header("Content-Range") == f"bytes */{size}"
    # What is no range of bytes is no range at all.
    for nonsense in ("lines=1-2", "bytes=5-2", "bytes=a-b"):
        answer = hub.get(url, headers={"Range": nonsense})
        assert (answer.status, answer.body) == (200, data) or answer.status in (400, 416), nonsense


def test_conditional_requests(edges, hub):
    for name in ("131073.bin", "100000.txt", "0.bin"):
        url = f"{hub.url}/alice/edges/resolve/main/{name}"
        status, headers = headers_of(url, "-I")
        assert status == 200
        for method in ([], ["-I"]):
            status, again = headers_of(url, *method, "-H", f"If-None-Match: {headers['etag']}")
            assert status == 304 and again["etag"] == headers["etag"], name
            assert headers_of(url, *method, "-H", 'If-None-Match: "something else"')[0] == 200
    status, _ = headers_of(url.replace("0.bin", "131073.bin"), "-H", "Range: bytes=0-9", "-H", 'If-Range: "other"')
    assert status == 200, "an If-Range that does not match asks for all of it"


def test_names_of_every_kind(client, hub, tmp_path):
    folder = tmp_path / "names"
    names = ["a b.txt", "模型/权重.bin", "ünï/çödé.txt", "100%.txt", "a+b&c=d.txt", "q?x.txt", "h#x.txt", "x'y\"z.txt", "deep/" * 20 + "f"]
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"{i} {name}".encode())
    client.hf("upload", "alice/names", folder, ".")
    reader = client.fresh("reader")
    reader.hf("download", "alice/names", "--local-dir", reader.home / "out")
    assert_same(reader.home / "out", folder)


def used(hub) -> int:
    return sum(p.stat().st_size for p in hub.data.rglob("*") if p.is_file())


@pytest.fixture
def twins(client, tmp_path):
    """A folder of 20 MB, uploaded to one repository."""
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.bin").write_bytes(random.Random(3).randbytes(20_000_000))
    client.hf("upload", "alice/once", folder, ".")
    shutil.copy(folder / "a.bin", folder / "b.bin")
    return folder


def test_the_same_bytes_are_stored_once(client, hub, twins):
    """Disk used grows by less than a second copy when the same bytes come by another name, repository and machine."""
    before = used(hub)
    client.hf("upload", "alice/once", twins, ".")
    client.fresh("other").hf("upload", "alice/twice", twins, ".")
    assert used(hub) - before < 4_000_000, f"{used(hub) - before} more bytes on disk"


def test_the_same_bytes_are_stored_once_by_another_door(client, hub, lfs, twins):
    before = used(hub)
    other = client.fresh("lfs")
    other.more["HF_HUB_DISABLE_XET"] = "1"
    other.hf("upload", "alice/by-lfs", twins, ".")
    assert used(hub) - before < 4_000_000, f"{used(hub) - before} more bytes on disk"


def test_what_the_hub_says_of_a_gguf(client, hub):
    """Read off the file's own header, soon after the commit, however many small pieces the header has."""
    client.hf("upload", "alice/gguf", model("smollm2"), ".")
    deadline = time.monotonic() + 30
    while not (gguf := hub.get("/api/models/alice/gguf").expect(200).json().get("gguf")) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert gguf and gguf["architecture"] == "llama" and 130_000_000 < gguf["total"] < 140_000_000, gguf
