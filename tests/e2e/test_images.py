"""Pulling GGUF files as Ollama and llama.cpp do, by the protocol of container registries, and by a client of those."""

import hashlib
import json
import struct

import clients
import hub as hubs
import pytest

DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OLLAMA = {"User-Agent": "ollama/0.9.0 (amd64 linux) Go/go1.24.0", "Accept": DOCKER}
LLAMA = {"User-Agent": "llama-cpp", "Accept": "application/json"}
LLAMA3 = "{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>{% endfor %}"


def gguf(template: str | None = None, architecture: str = "llama", file_type: int = 15, filler: int = 100, **texts) -> bytes:
    """A small file of the format, with one tensor of `filler` parameters."""
    def text(t):
        return struct.pack("<Q", len(t.encode())) + t.encode()

    pairs = [text("general.architecture") + struct.pack("<I", 8) + text(architecture),
             text("general.file_type") + struct.pack("<II", 4, file_type)]
    if template:
        pairs.append(text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template))
    pairs += [text(key.replace("__", ".")) + struct.pack("<I", 8) + text(value) for key, value in texts.items()]
    tensor = text("w") + struct.pack("<IQIQ", 1, filler, 0, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 1, len(pairs)) + b"".join(pairs) + tensor + bytes(64) + bytes(4 * filler)


def put(api, repo, files: dict):
    for path, content in files.items():
        api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo)


def sha(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pull(hub, repo, tag, who=None) -> dict[str, bytes]:
    """What Ollama does: the manifest, then of each layer its size and its bytes in parts; all are checked. By sort of layer."""
    answer = hub.get(f"/v2/{repo}/manifests/{tag}", who, headers=OLLAMA).expect(200)
    manifest = answer.json()
    assert answer.header("Content-Type") == DOCKER and manifest["mediaType"] == DOCKER and manifest["schemaVersion"] == 2
    assert answer.header("Docker-Content-Digest") == sha(answer.body)
    assert "ggufFile" not in manifest
    got = {}
    for layer in [*manifest["layers"], manifest["config"]]:
        path = f"/v2/{repo}/blobs/{layer['digest']}"
        head = hub.head(path, who, headers=OLLAMA).expect(200)
        assert int(head.header("Content-Length")) == layer["size"] and head.header("Docker-Content-Digest") == layer["digest"]
        assert head.body == b""
        step, body = max(1, layer["size"] // 3), b""
        for start in range(0, layer["size"], step):
            end = min(start + step, layer["size"]) - 1
            part = hub.get(path, who, headers=OLLAMA | {"Range": f"bytes={start}-{end}"}).expect(206)
            assert part.header("Content-Range") == f"bytes {start}-{end}/{layer['size']}"
            body += part.body
        assert sha(body) == layer["digest"], layer
        got[layer["mediaType"].removeprefix("application/vnd.ollama.image.")] = body
    config = json.loads(got["application/vnd.docker.container.image.v1+json"])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    return got | {"config": config}


def test_a_real_model(hub, api, repo):
    path = next(clients.model("smollm2").glob("*.gguf"))
    api.upload_file(path_or_fileobj=path, path_in_repo=path.name, repo_id=repo)
    for tag in ("Q4_1", "latest", path.name):
        got = pull(hub, repo, tag)
        assert hashlib.sha256(got["model"]).hexdigest() == clients.sha256(path)
        assert got["config"] | {"rootfs": None} == {
            "model_format": "gguf", "model_family": "llama", "model_families": ["llama"], "model_type": "134.52M", "file_type": "Q4_1",
            "architecture": "amd64", "os": "linux", "rootfs": None}
        # Its template is ChatML, in Jinja; Ollama gets the same in its own language.
        assert got["template"].decode().count("<|im_start|>") == 3 and "{{ .Prompt }}" in got["template"].decode()
        assert json.loads(got["params"]) == {"stop": ["<|im_start|>", "<|im_end|>"]}
    whole = hub.get(f"/v2/{repo}/blobs/sha256:{clients.sha256(path)}").expect(200)
    assert hashlib.sha256(whole.body).hexdigest() == clients.sha256(path)


def test_by_a_client_of_registries(hub, api, repo, tmp_path):
    """oras knows nothing of GGUF: it takes the manifest and every layer that it names."""
    model = gguf(LLAMA3)
    put(api, repo, {"m-Q4_K_M.gguf": model, "system": b"Be kind.", "LICENSE": b"Do as you like."})
    code = """
import sys, oras.client
host, repo, out = sys.argv[1:4]
client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend="basic")
if len(sys.argv) > 4:
    client.auth.set_basic_auth("anybody", sys.argv[4])
types = ["application/vnd.docker.distribution.manifest.v2+json"]
for name in client.pull(f"{host}/{repo}:Q4_K_M", outdir=out, allowed_media_type=types):
    print(name)
print(client.get_tags(f"{host}/{repo}:x"))
"""
    python = hubs.cache() / "venv" / "oras" / "bin" / "python"
    machine = clients.Client("2.4.0", tmp_path / "machine", hub.url)
    host = hub.url.removeprefix("http://")
    for private, more in ((False, ()), (True, (hub.tokens["alice"],))):
        api.update_repo_settings(repo, private=private)
        out = tmp_path / f"out{private}"
        said = machine.run(python, "-c", code, host, repo, out, *more)
        found = {sha(p.read_bytes()): p.read_bytes() for p in out.iterdir()}
        assert {model, b"Be kind.", b"Do as you like."} < set(found.values()) and len(found) == 5, said
        assert all(p.name == sha(p.read_bytes()) for p in out.iterdir())
        assert "['Q4_K_M', 'latest']" in said
    machine.run(python, "-c", code, host, repo, tmp_path / "no", check=False)
    machine.run(python, "-c", code, host, repo, tmp_path / "no", hub.tokens["bob"], check=False)


def test_layers_that_a_repository_brings_itself(hub, api, repo):
    put(api, repo, {
        "m-Q8_0.gguf": gguf("a template of no known dialect", "qwen2", 7, general__license="apache-2.0"),
        "mmproj-f32.gguf": gguf(None, "clip"), "mmproj-f16.gguf": gguf(None, "clip", filler=7),
    })
    got = pull(hub, repo, "Q8_0")
    assert set(got) == {"model", "projector", "license", "config", "application/vnd.docker.container.image.v1+json"}
    assert got["projector"] == gguf(None, "clip", filler=7) and got["license"] == b"apache-2.0"
    assert (got["config"]["model_family"], got["config"]["file_type"], got["config"]["model_type"]) == ("qwen2", "Q8_0", "100")
    put(api, repo, {"template": b"{{ .Prompt }}!", "system": "说中文。".encode(), "params": b'{"temperature": 0.5,\n "stop": ["!"]}', "LICENSE": b"words"})
    got = pull(hub, repo, "latest")
    assert (got["template"], got["system"], got["license"]) == (b"{{ .Prompt }}!", "说中文。".encode(), b"words")
    assert json.loads(got["params"]) == {"temperature": 0.5, "stop": ["!"]}
    put(api, repo, {"params": b"temperature 0.5"})
    answer = hub.get(f"/v2/{repo}/manifests/latest", headers=OLLAMA).expect(400)
    assert '"params" at the root must be a JSON object' in answer.json()["error"]


def test_which_file_a_tag_names(hub, api, repo):
    names = ["m-Q2_K.gguf", "m-Q4_K_M.gguf", "sub/m-IQ4_XS.gguf", "m-f16.gguf"]
    content = {name: gguf(LLAMA3, filler=n + 1) for n, name in enumerate(names)}
    put(api, repo, content)
    for tag, name in (("latest", "m-Q4_K_M.gguf"), ("q2_k", "m-Q2_K.gguf"), ("IQ4_XS", "sub/m-IQ4_XS.gguf"), ("F16", "m-f16.gguf"),
                      ("m-Q2_K.gguf", "m-Q2_K.gguf"), ("m-Q2_K", "m-Q2_K.gguf")):
        assert pull(hub, repo, tag)["model"] == content[name], tag
    answer = hub.get(f"/v2/{repo}/manifests/Q5_K_M", headers=OLLAMA).expect(404)
    assert "There are: F16, IQ4_XS, Q2_K, Q4_K_M." in answer.json()["error"]
    assert hub.get(f"/v2/{repo}/tags/list").expect(200).json() == {"name": repo, "tags": ["F16", "IQ4_XS", "Q2_K", "Q4_K_M", "latest"]}


def test_llama_cpp_is_told_names_of_files(hub, api, repo):
    model, eyes = gguf(LLAMA3), gguf(None, "clip")
    put(api, repo, {"m-Q4_K_M.gguf": model, "mmproj-m-f16.gguf": eyes})
    for tag in ("latest", "Q4_K_M"):
        answer = hub.get(f"/v2/{repo}/manifests/{tag}", headers=LLAMA).expect(200).json()
        assert answer["ggufFile"]["rfilename"] == "m-Q4_K_M.gguf" and answer["ggufFile"]["size"] == len(model)
        assert answer["ggufFile"]["lfs"]["sha256"] == hashlib.sha256(model).hexdigest()
        assert answer["mmprojFile"]["rfilename"] == "mmproj-m-f16.gguf"
        for file, content in ((answer["ggufFile"], model), (answer["mmprojFile"], eyes)):
            assert hub.get(f"/{repo}/resolve/main/{file['rfilename']}", headers=LLAMA).expect(200).body == content


def test_models_in_parts(hub, api, repo):
    put(api, repo, {f"Q6_K/m-Q6_K-0000{n}-of-00002.gguf": gguf(LLAMA3, filler=n) for n in (1, 2)})
    answer = hub.get(f"/v2/{repo}/manifests/Q6_K", headers=LLAMA).expect(200).json()
    assert answer["ggufFile"]["rfilename"] == "Q6_K/m-Q6_K-00001-of-00002.gguf"
    answer = hub.get(f"/v2/{repo}/manifests/Q6_K", headers=OLLAMA).expect(400)
    assert "one of several parts" in answer.json()["error"]


def test_small_layers_are_made_again(hub, api, repo):
    """After a restart nobody remembers what was named, and it is the same."""
    put(api, repo, {"m-Q4_K_M.gguf": gguf(LLAMA3), "n-Q8_0.gguf": gguf(LLAMA3, file_type=7), "not-Q2_K.gguf": b"no GGUF\0at all" + bytes(99)})
    answer = hub.get(f"/v2/{repo}/manifests/Q8_0", headers=OLLAMA).expect(200)
    hub.stop()
    hub.start()
    for layer in [*answer.json()["layers"], answer.json()["config"]]:
        body = hub.get(f"/v2/{repo}/blobs/{layer['digest']}").expect(200).body
        assert sha(body) == layer["digest"]
    hub.stop()
    hub.start()
    again = hub.get(f"/v2/{repo}/manifests/{sha(answer.body)}", headers=OLLAMA).expect(200)
    assert again.body == answer.body and again.header("Content-Type") == DOCKER
    hub.get(f"/v2/{repo}/manifests/{answer.json()['config']['digest']}", headers=OLLAMA).expect(404)
    answer = hub.get(f"/v2/{repo}/manifests/Q2_K", headers=OLLAMA).expect(400)
    assert "not a GGUF file" in answer.json()["error"]


def test_bad_requests(hub, api, repo):
    ping = hub.get("/v2/").expect(200)
    assert ping.json() == {} and ping.header("Docker-Distribution-Api-Version") == "registry/2.0"
    hub.get("/v2").expect(200)
    hub.get("/v2/", "hf_" + "Z" * 37).expect(401)
    answer = hub.get(f"/v2/{repo}/manifests/latest").expect(404)
    assert "holds no GGUF files" in answer.json()["error"]
    put(api, repo, {"m-Q4_K_M.gguf": gguf()})
    hub.get(f"/v2/{repo}/blobs/sha256:{'0' * 64}").expect(404)
    for bad in ("sha256:1", "sha256:" + "A" * 64, "sha512:" + "0" * 64, "latest", "sha256:" + "0" * 65):
        hub.get(f"/v2/{repo}/blobs/{bad}").expect(400)
    digest = sha(gguf())
    hub.get(f"/v2/{repo}/blobs/{digest}", headers={"Range": "bytes=99999999-"}).expect(416)
    # The pointer's own blob, or anything else of the repository's history, is no layer.
    hub.get(f"/v2/{repo}/blobs/{sha(b'')}").expect(404)
    for other in ("alice/never", "alice"):
        hub.get(f"/v2/{other}/manifests/latest", "alice").expect(404)
    hub.post(f"/v2/{repo}/blobs/uploads/", "alice").expect(404, 405)
    # Another repository's file is not served here.
    hub.create(f"{repo}-x", "alice").expect(200)
    hub.get(f"/v2/{repo}-x/blobs/{digest}").expect(404)


@pytest.mark.parametrize("how", ["bearer", "basic"])
def test_private_models(hub, api, repo, how):
    import base64

    put(api, repo, {"m-Q4_K_M.gguf": gguf(LLAMA3)})
    api.update_repo_settings(repo, private=True)

    def ask(path, who):
        token = hub.tokens[who]
        pair = base64.b64encode(f"anybody:{token}".encode()).decode()
        return hub.get(path, headers=OLLAMA | {"Authorization": f"Bearer {token}" if how == "bearer" else f"Basic {pair}"})

    digest = sha(gguf(LLAMA3))
    for path in (f"/v2/{repo}/manifests/latest", f"/v2/{repo}/blobs/{digest}", f"/v2/{repo}/tags/list"):
        ask(path, "alice").expect(200)
        answer = ask(path, "bob").expect(404)
        assert answer.header("X-Error-Code") == "RepoNotFound" and answer.header("WWW-Authenticate") is None
        answer = hub.get(path, headers=OLLAMA).expect(401)
        assert answer.header("WWW-Authenticate") == 'Basic realm="Haina"'
