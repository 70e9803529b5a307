"""Two generations of the Rust client (tests/clients/hf-hub)."""

import os
from pathlib import Path

import pytest
from clients import model, sha256, sums


@pytest.fixture(scope="module")
def binaries() -> Path:
    path = os.environ.get("HAINA_RUST_CLIENTS")
    assert path, "HAINA_RUST_CLIENTS is not set; run these tests by ./test e2e"
    return Path(path)


@pytest.fixture
def uploaded(client):
    client.hf("upload", "alice/minilm", model("minilm"), ".")
    return client


def test_1x_downloads_a_snapshot(uploaded, binaries):
    user = uploaded.fresh("rust")
    user.run(binaries / "hub1", "download", "alice/minilm", user.home / "out")
    assert sums(user.home / "out") == sums(model("minilm"))


def test_1x_uploads(uploaded, lfs, binaries, api):
    # By Xet, to which only the answer of LFS leads it.
    source = next(model("smollm2").glob("*.gguf"))
    uploaded.run(binaries / "hub1", "upload", "alice/minilm", source, "gguf/model.gguf")
    entry = api.get_paths_info("alice/minilm", ["gguf/model.gguf"])[0]
    assert entry.lfs.sha256 == sha256(source) and entry.size == source.stat().st_size
    reader = uploaded.fresh("reader")
    reader.hf("download", "alice/minilm", "gguf/model.gguf", "--local-dir", reader.home / "out")
    assert sha256(reader.home / "out/gguf/model.gguf") == sha256(source)


def test_1x_uploads_a_small_text(uploaded, binaries, tmp_path, hub):
    note = tmp_path / "note.txt"
    note.write_text("by Rust\n")
    uploaded.run(binaries / "hub1", "upload", "alice/minilm", note, "note.txt")
    assert hub.get("/alice/minilm/resolve/main/note.txt").body == b"by Rust\n"


def test_1x_sees_no_private_repository_of_others(hub, uploaded, binaries):
    hub.create("bob/secret", "bob", visibility="private").expect(200)
    said = uploaded.run(binaries / "hub1", "download", "bob/secret", uploaded.home / "out", check=False)
    assert "NotFound" in said, said


def test_0x_downloads(uploaded, binaries, hub):
    user = uploaded.fresh("rust")
    names = sums(model("minilm"))
    out = user.run(binaries / "hub0", "alice/minilm", *names)
    lines = [line.split(" ", 2) for line in out.splitlines()]
    assert ["sha", hub.get("/api/models/alice/minilm").json()["sha"]] in lines
    got = {line[1]: sha256(Path(line[2])) for line in lines if line[0] == "file"}
    assert got == names
