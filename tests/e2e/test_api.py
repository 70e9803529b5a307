"""The Hub API row by row (section P0), as plain HTTP: what clients assert of the real one."""

import base64
import re
import time
import uuid

import pytest
import wire
from clients import sha256
from wire import deleted_file, deleted_folder, file, lfs_file, quote

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
HEX40 = re.compile(r"[0-9a-f]{40}")
MISSING = "1234567890abcdef1234567890abcdef12345678"


def head_of(hub, repo, who="alice", kind="models") -> str:
    return hub.get(f"/api/{kind}/{repo}", who).expect(200).json()["sha"]


def tree(hub, repo, rev="main", query="?recursive=true", who="alice") -> dict[str, dict]:
    return {e["path"]: e for e in hub.get(f"/api/models/{repo}/tree/{rev}{query}", who).expect(200).json()}


def pages(hub, url, who="alice") -> list[list]:
    out = []
    while url:
        answer = hub.get(url, who).expect(200)
        out.append(answer.json())
        url = answer.next()
        assert url is None or url.startswith(hub.url + "/"), f"Link must be absolute and ours: {url}"
    return out


# ---------------------------------------------------------------- section 0: rules for every request


def test_request_ids(hub):
    for path in ("/api/whoami-v2", "/api/models", "/nothing/here", "/healthz", "/"):
        own = hub.get(path, headers={"X-Request-Id": "my-id.42"})
        assert own.header("X-Request-Id") == "my-id.42", path
        trace = str(uuid.uuid4())
        assert trace in hub.get(path, headers={"X-Amzn-Trace-Id": trace}).header("X-Request-Id"), path
        fresh = {hub.get(path).header("X-Request-Id") for _ in range(3)}
        assert len(fresh) == 3 and all(len(i) >= 8 for i in fresh), path
        evil = hub.get(path, headers={"X-Request-Id": "x" * 5000})
        assert evil.status < 500


def test_a_wrong_token_is_refused_everywhere(hub, repo):
    for path in ("/api/whoami-v2", "/api/models", f"/api/models/{repo}", f"/{repo}/resolve/main/.gitattributes",
                 f"/api/models/{repo}/tree/main", "/api/models/no/where"):
        for token in ("hf_" + "x" * 34, "hf_", "rubbish"):
            hub.get(path, token).error(401, None, "Invalid credentials in Authorization header")
        for header in ("Bearer", "Bearer ", "Token abc", "Basic !!!", "Basic " + base64.b64encode(b"nobody:hf_" + b"y" * 34).decode()):
            answer = hub.get(path, headers={"Authorization": header})
            assert answer.status == 401, f"{header}: {answer}"


def test_basic_authorization_takes_any_user_name(hub, lfs):
    for name in ("alice", "hf_user", ""):
        basic = base64.b64encode(f"{name}:{hub.tokens['alice']}".encode()).decode()
        answer = hub.get("/api/whoami-v2", headers={"Authorization": f"Basic {basic}"})
        assert answer.status in (200, 401)
    body = {"operation": "download", "transfers": ["basic"], "objects": []}
    hub.create("alice/basic", "alice", visibility="private").expect(200)
    hub.post("/alice/basic.git/info/lfs/objects/batch", json=body, headers={"Authorization": f"Basic {basic}"}).expect(200, 400, 422)


def test_missing_repositories(hub, repo):
    for kind in ("models", "datasets", "spaces"):
        pre = "" if kind == "models" else f"{kind}/"
        for path in (f"/api/{kind}/alice/none", f"/api/{kind}/none/none", f"/api/{kind}/single", f"/api/{kind}/alice/none/revision/main",
                     f"/api/{kind}/alice/none/tree/main", f"/api/{kind}/alice/none/refs", f"/api/{kind}/alice/none/commits/main",
                     f"/{pre}alice/none/resolve/main/x", f"/{pre}alice/none/raw/main/x", f"/api/{kind}/alice/none/xet-read-token/main",
                     f"/api/{kind}/single/revision/main", f"/api/{kind}/single/tree/main/x", f"/{pre}single/resolve/main/x"):
            hub.get(path, "alice").error(404, "RepoNotFound")
            hub.get(path).error(401, "RepoNotFound")
        hub.head(f"/{pre}alice/none/resolve/main/x", "alice").error(404, "RepoNotFound")
    # A model is no data set.
    hub.get(f"/api/datasets/{repo}", "alice").error(404, "RepoNotFound")


def test_missing_revisions(hub, repo):
    for rev in ("none", MISSING, "abc", "refs%2Fpr%2F9", "feature%2Fx", "0" * 40, "HEAD~1", "%2e%2e"):
        for path in (f"/api/models/{repo}/revision/{rev}", f"/api/models/{repo}/tree/{rev}", f"/{repo}/resolve/{rev}/x",
                     f"/api/models/{repo}/commits/{rev}"):
            answer = hub.get(path, "alice")
            assert answer.header("X-Error-Code") == "RevisionNotFound" and answer.status == 404, f"{path}: {answer}"
    hub.get(f"/api/models/{repo}/revision/none", "alice").error(404, "RevisionNotFound", "Invalid rev id: none")
    hub.post(f"/api/models/{repo}/paths-info/none", "alice", form={"paths": ["x"]}).error(404, "RevisionNotFound")
    hub.post(f"/api/models/{repo}/preupload/none", "alice", json={"files": []}).error(404, "RevisionNotFound")
    hub.commit(repo, "alice", file("x", "x"), rev="none").error(404, "RevisionNotFound")


def test_missing_entries_name_the_commit(hub, repo):
    sha = head_of(hub, repo)
    for method, path in (("GET", f"/{repo}/resolve/main/none"), ("HEAD", f"/{repo}/resolve/main/none"), ("GET", f"/{repo}/resolve/main/a/b/c"),
                         ("GET", f"/{repo}/raw/main/none"), ("GET", f"/api/models/{repo}/tree/main/none")):
        answer = hub.request(method, path, "alice").error(404, "EntryNotFound")
        assert answer.header("X-Repo-Commit") == sha, f"{method} {path}: {answer}"


def test_folders_are_no_files(hub, repo):
    hub.commit(repo, "alice", file("folder/x", "x")).expect(200)
    hub.get(f"/{repo}/resolve/main/folder", "alice").error(404, "EntryNotFound")


def test_unknown_api_routes_are_404(hub):
    for path in ("/api/nothing", "/api/models/a/b/nothing", "/api/models/a/b/c/d/e/f"):
        assert hub.get(path, "alice").status == 404


def test_wrong_bodies_are_400(hub, repo):
    for body in (b"", b"{", b"[]", b'"x"', b"null", b'{"name": 3}', b'{"name": "x", "type": "planet"}', b"\xff\xfe"):
        answer = hub.post("/api/repos/create", "alice", body=body, headers={"Content-Type": "application/json"})
        assert 400 <= answer.status < 500 and answer.json()["error"], answer
    for body in (b"", b"\n\n", b"{", b'{"key":"header"}', b'{"key":"file","value":{}}', wire.ndjson([{"key": "header", "value": {"summary": 3}}]),
                 wire.ndjson([{"key": "header", "value": {"summary": "x"}}, {"key": "what", "value": {}}])):
        answer = hub.post(f"/api/models/{repo}/commit/main", "alice", body=body, headers={"Content-Type": "application/x-ndjson"})
        assert 400 <= answer.status < 500, f"{body}: {answer}"
    deep = b"[" * 100_000 + b"]" * 100_000
    assert 400 <= hub.post("/api/repos/create", "alice", body=deep, headers={"Content-Type": "application/json"}).status < 500


def test_addresses_begin_with_the_hub(hub, repo):
    made = hub.create("alice/addresses", "alice").expect(200).json()
    assert made["url"] == f"{hub.url}/alice/addresses"
    done = hub.commit("alice/addresses", "alice", file("x", "x")).expect(200).json()
    assert done["commitUrl"] == f"{hub.url}/alice/addresses/commit/{done['commitOid']}"


# ---------------------------------------------------------------- P0-1 whoami


def test_whoami(hub):
    me = hub.get("/api/whoami-v2", "bob").expect(200).json()
    assert me["type"] == "user" and me["name"] == "bob" and me["fullname"] == "Bob 鲍勃" and me["email"] == "bob@example.org"
    assert isinstance(me["id"], str) and isinstance(me["emailVerified"], bool) and isinstance(me["isPro"], bool) and "avatarUrl" in me
    (acme,) = me["orgs"]
    assert acme["name"] == "acme" and acme["fullname"] == "Acme 研究院" and acme["type"] == "org" and acme["roleInOrg"] == "admin"
    token = me["auth"]["accessToken"]
    assert me["auth"]["type"] == "access_token" and token["role"] == "write" and token["displayName"] and ISO.fullmatch(token["createdAt"])
    assert hub.get("/api/whoami-v2", "carol").json()["auth"]["accessToken"]["role"] == "read"
    hub.get("/api/whoami-v2").expect(401)


# ---------------------------------------------------------------- P0-2, P0-3 create and delete


def test_create(hub):
    made = hub.create("alice/New.Model_1", "alice").expect(200).json()
    assert made["name"] == "alice/New.Model_1" and made["url"] == f"{hub.url}/alice/New.Model_1" and made["id"]
    again = hub.create("alice/New.Model_1", "alice").expect(409)
    assert again.json()["url"] == made["url"] and again.json()["error"]
    hub.create("alice/new.model_1", "alice").expect(409)  # the same but for case
    info = hub.get("/api/models/ALICE/new.model_1").expect(200).json()
    assert info["id"] == "alice/New.Model_1"
    (first,) = hub.get("/api/models/alice/New.Model_1/commits/main").expect(200).json()
    assert first["title"].lower() == "initial commit" and first["authors"][0]["user"] == "alice"
    attributes = hub.get("/alice/New.Model_1/resolve/main/.gitattributes").expect(200).text
    assert "*.safetensors filter=lfs diff=lfs merge=lfs -text" in attributes


def test_create_says_nothing_of_the_default_namespace(hub):
    made = hub.post("/api/repos/create", "alice", json={"name": "without-namespace"}).expect(200).json()
    assert made["name"] == "alice/without-namespace"
    hub.post("/api/repos/create", "alice", json={"name": "alice/slashed"}).expect(200, 400)


def test_create_each_kind(hub):
    for kind, prefix in (("model", ""), ("dataset", "datasets/"), ("space", "spaces/")):
        more = {"sdk": "static"} if kind == "space" else {}
        made = hub.create("alice/same-name", "alice", kind, **more).expect(200).json()
        assert made["url"] == f"{hub.url}/{prefix}alice/same-name"
    readme = hub.get("/spaces/alice/same-name/resolve/main/README.md").expect(200).text
    assert readme.startswith("---\n") and "sdk: static" in readme


def test_create_where_one_may_not(hub):
    for name in ("bob/x", "acme/x", "none/x"):
        hub.create(name, "alice").expect(403, 404)
    hub.create("bob/exists", "bob").expect(200)
    hub.create("bob/exists", "alice").expect(403)
    hub.create("carol/x", "carol").expect(403)  # a token that only reads
    hub.post("/api/repos/create", json={"name": "x"}).expect(401)
    hub.create("acme/model", "bob").expect(200)


@pytest.mark.parametrize("name", ["a--b", "a..b", "x.git", "-x", "x-", ".x", "x.", "", "a b", "a/b/c", "é", "x" * 97, "a\n", "a%20b", "..", "<b>"])
def test_names_that_are_refused(hub, name):
    hub.post("/api/repos/create", "alice", json={"name": name, "organization": "alice"}).expect(400, 422)


def test_create_with_files_and_licence(hub):
    content = base64.b64encode("# 你好\n".encode()).decode()
    hub.create("alice/with-files", "alice", files=[{"encoding": "base64", "path": "docs/a.md", "content": content}]).expect(200)
    assert hub.get("/alice/with-files/resolve/main/docs/a.md").expect(200).body == "# 你好\n".encode()
    assert len(hub.get("/api/models/alice/with-files/commits/main").json()) == 1
    hub.create("alice/with-licence", "alice", license="apache-2.0").expect(200)
    assert "license: apache-2.0" in hub.get("/alice/with-licence/resolve/main/README.md").expect(200).text
    assert "license:apache-2.0" in hub.get("/api/models/alice/with-licence").json()["tags"]


def test_private_by_both_words(hub):
    hub.create("alice/p1", "alice", visibility="private").expect(200)
    hub.post("/api/repos/create", "alice", json={"name": "p2", "private": True}).expect(200)
    for name in ("p1", "p2"):
        assert hub.get(f"/api/models/alice/{name}", "alice").json()["private"] is True
        hub.get(f"/api/models/alice/{name}", "bob").error(404, "RepoNotFound")
        hub.get(f"/api/models/alice/{name}").error(401, "RepoNotFound")


def test_delete(hub, repo):
    namespace, name = repo.split("/")
    body = {"name": name, "organization": namespace}
    hub.request("DELETE", "/api/repos/delete", "bob", json=body).expect(403)
    hub.request("DELETE", "/api/repos/delete", json=body).expect(401)
    hub.get(f"/api/models/{repo}").expect(200)
    hub.request("DELETE", "/api/repos/delete", "alice", json=body).expect(200)
    hub.get(f"/api/models/{repo}", "alice").error(404, "RepoNotFound")
    hub.request("DELETE", "/api/repos/delete", "alice", json=body).error(404, "RepoNotFound")
    # The name is free again, and nothing of the old one shows through.
    hub.create(repo, "alice").expect(200)
    assert len(hub.get(f"/api/models/{repo}/commits/main").json()) == 1


# ---------------------------------------------------------------- P0-4, P0-5 info


def test_info(hub, api, repo):
    card = "---\nlicense: mit\nlibrary_name: transformers\npipeline_tag: text-classification\nlanguage: [zh, en]\ntags: [demo, 海]\ndatasets: [alice/d]\nbase_model: alice/base\n---\n# A model\n"
    data = b"\0binary" * 1000
    hub.commit(repo, "alice", file("README.md", card), file("config.json", '{"model_type": "bert", "architectures": ["BertModel"]}')).expect(200)
    api.upload_file(path_or_fileobj=data, path_in_repo="w.bin", repo_id=repo)
    info = hub.get(f"/api/models/{repo}?blobs=true").expect(200).json()
    assert info["id"] == info["modelId"] == repo and info["author"] == "alice" and info["private"] is False and info["gated"] is False
    assert HEX40.fullmatch(info["sha"]) and ISO.fullmatch(info["lastModified"]) and ISO.fullmatch(info["createdAt"]) and info["_id"]
    assert info["disabled"] is False and info["downloads"] >= 0 and info["likes"] == 0
    assert info["library_name"] == "transformers" and info["pipeline_tag"] == "text-classification"
    assert {"license:mit", "demo", "海", "dataset:alice/d", "transformers", "zh", "en", "region:us"} <= set(info["tags"]), info["tags"]
    assert any(t.startswith("base_model:") and "alice/base" in t for t in info["tags"])
    assert info["cardData"]["license"] == "mit" and info["config"]["model_type"] == "bert"
    siblings = {s["rfilename"]: s for s in info["siblings"]}
    assert set(siblings) == {".gitattributes", "README.md", "config.json", "w.bin"}
    assert siblings["README.md"]["size"] == len(card.encode()) and HEX40.fullmatch(siblings["README.md"]["blobId"]) and "lfs" not in siblings["README.md"]
    assert siblings["w.bin"]["size"] == len(data) and siblings["w.bin"]["lfs"]["sha256"] == sha256(data) and siblings["w.bin"]["lfs"]["size"] == len(data)
    assert info["usedStorage"] >= len(data)
    plain = hub.get(f"/api/models/{repo}").json()
    assert [set(s) for s in plain["siblings"]] == [{"rfilename"}] * 4


def test_revision_in_every_form(hub, repo):
    first = head_of(hub, repo)
    second = hub.commit(repo, "alice", file("x", "1")).expect(200).json()["commitOid"]
    for rev, sha in (("main", second), (first, first), (first[:7], first), (second[:12], second), ("refs%2Fheads%2Fmain", second)):
        assert hub.get(f"/api/models/{repo}/revision/{rev}").expect(200).json()["sha"] == sha, rev
    hub.get(f"/api/models/{repo}/revision/{first[:6]}").error(404, "RevisionNotFound")
    assert {s["rfilename"] for s in hub.get(f"/api/models/{repo}/revision/{first}").json()["siblings"]} == {".gitattributes"}


def test_expand(hub, repo):
    info = hub.get(f"/api/models/{repo}?expand=author&expand[]=sha&expand=downloads").expect(200).json()
    assert set(info) == {"_id", "id", "author", "sha", "downloads"}
    said = hub.get(f"/api/models/{repo}?expand=nonsense").expect(400)
    assert 'expected one of "author"|' in said.json()["error"] and "at expand[0]" in said.json()["error"]
    for kind in ("datasets", "spaces"):
        hub.create("alice/expand", "alice", kind[:-1], **({"sdk": "static"} if kind == "spaces" else {})).expect(200)
        assert set(hub.get(f"/api/{kind}/alice/expand?expand=likes").json()) == {"_id", "id", "likes"}


# ---------------------------------------------------------------- P0-6, P0-7 tree and paths


@pytest.fixture
def planted(hub, repo, api):
    hub.commit(repo, "alice", file("a/b/c.txt", "c"), file("a/d.txt", "d"), file("z.txt", "z"), file("a.txt", "a"), file("模型/读我.md", "读")).expect(200)
    api.upload_file(path_or_fileobj=b"\0" * 1000, path_in_repo="a/w.bin", repo_id=repo)
    return repo


def test_tree(hub, planted):
    top = hub.get(f"/api/models/{planted}/tree/main").expect(200).json()
    assert {e["path"]: e["type"] for e in top} == {"a": "directory", "模型": "directory", ".gitattributes": "file", "a.txt": "file", "z.txt": "file"}
    every = hub.get(f"/api/models/{planted}/tree/main?recursive=true").expect(200).json()
    assert {e["path"] for e in every} == {".gitattributes", "a", "a/b", "a/b/c.txt", "a/d.txt", "a/w.bin", "a.txt", "z.txt", "模型", "模型/读我.md"}
    for entry in every:
        assert HEX40.fullmatch(entry["oid"])
        if entry["type"] == "directory":
            assert entry["size"] == 0 and "lfs" not in entry
    weights = next(e for e in every if e["path"] == "a/w.bin")
    assert weights["size"] == 1000 and weights["lfs"]["oid"] == sha256(b"\0" * 1000) and weights["lfs"]["size"] == 1000 and weights["lfs"]["pointerSize"] > 100
    assert re.fullmatch("[0-9a-f]{64}", weights["xetHash"])
    paths = [e["path"] for e in every]
    for entry in every:  # a folder comes before what is in it
        folder = entry["path"].rpartition("/")[0]
        assert not folder or paths.index(folder) < paths.index(entry["path"])


def test_tree_of_a_folder(hub, planted):
    for path in ("a%2Fb", "a/b", "a/b/"):
        assert [e["path"] for e in hub.get(f"/api/models/{planted}/tree/main/{path}").expect(200).json()] == ["a/b/c.txt"]
    assert [e["path"] for e in hub.get(f"/api/models/{planted}/tree/main/{wire.quote('模型')}").expect(200).json()] == ["模型/读我.md"]
    assert {e["path"] for e in hub.get(f"/api/models/{planted}/tree/main/a?recursive=true").json()} == {"a/b", "a/b/c.txt", "a/d.txt", "a/w.bin"}
    assert len(hub.get(f"/api/models/{planted}/tree/main/").expect(200).json()) == 5
    hub.get(f"/api/models/{planted}/tree/main/none").error(404, "EntryNotFound")


def test_tree_expanded(hub, planted):
    entries = {e["path"]: e for e in hub.get(f"/api/models/{planted}/tree/main?recursive=true&expand=true").expect(200).json()}
    titles = {path: entry["lastCommit"]["title"] for path, entry in entries.items()}
    assert titles["a.txt"] == "a change" and titles["a/w.bin"].startswith("Upload a/w.bin") and titles["a"] == titles["a/w.bin"]
    assert titles[".gitattributes"].lower() == "initial commit" and titles["a/b"] == "a change"
    for entry in entries.values():
        assert HEX40.fullmatch(entry["lastCommit"]["id"]) and ISO.fullmatch(entry["lastCommit"]["date"])
        if entry["type"] == "file":
            assert "securityFileStatus" in entry


def test_paths_info(hub, planted):
    form = {"paths": ["a", "a/d.txt", "none", "a/w.bin"], "expand": "true"}
    found = {e["path"]: e for e in hub.post(f"/api/models/{planted}/paths-info/main", form=form).expect(200).json()}
    assert set(found) == {"a", "a/d.txt", "a/w.bin"} and found["a"]["type"] == "directory" and "lastCommit" in found["a/d.txt"]
    found = hub.post(f"/api/models/{planted}/paths-info/main", json={"paths": ["模型/读我.md"], "expand": False}).expect(200).json()
    assert [e["path"] for e in found] == ["模型/读我.md"] and "lastCommit" not in found[0]
    assert hub.post(f"/api/models/{planted}/paths-info/main", json={"paths": []}).expect(200).json() == []
    many = {"paths": [f"x{i}" for i in range(2000)]}
    hub.post(f"/api/models/{planted}/paths-info/main", json=many).expect(400, 413, 422)


# ---------------------------------------------------------------- P0-8, P0-9, P0-26 resolve and raw


def test_resolve_a_regular_file(hub, planted):
    info = tree(hub, planted)["a/d.txt"]
    answer = hub.get(f"/{planted}/resolve/main/a/d.txt").expect(200)
    assert answer.body == b"d" and answer.header("ETag") == f'"{info["oid"]}"' and answer.header("X-Repo-Commit") == head_of(hub, planted)
    assert answer.header("X-Linked-Etag") is None and answer.header("X-Xet-Hash") is None
    part = hub.get(f"/{planted}/resolve/main/{wire.quote('模型')}/{wire.quote('读我.md')}", headers={"Range": "bytes=0-100000"}).expect(206)
    assert part.header("Content-Range") == "bytes 0-2/3" and part.body == "读".encode()
    hub.get(f"/{planted}/resolve/main/a%2Fd.txt").expect(200)


def test_resolve_a_large_file(hub, planted):
    oid = sha256(b"\0" * 1000)
    head = hub.head(f"/{planted}/resolve/main/a/w.bin", headers={"Accept-Encoding": "identity"}).expect(200)
    assert head.header("ETag") == head.header("X-Linked-Etag") == f'"{oid}"' and head.header("X-Linked-Size") == "1000"
    hash_ = head.header("X-Xet-Hash")
    assert hash_ == tree(hub, planted)["a/w.bin"]["xetHash"]
    link = head.header("Link") or ""
    assert f'<{hub.url}/api/models/{planted}/xet-read-token/' in link and 'rel="xet-auth"' in link, link
    # The JavaScript client: one byte, and a media type that carries only the facts.
    info = hub.get(f"/{planted}/resolve/main/a/w.bin", headers={"Range": "bytes=0-0", "Accept": "application/vnd.xet-fileinfo+json, */*"})
    if info.status == 206:
        assert info.header("Content-Range") == "bytes 0-0/1000" and info.header("ETag")
    else:
        assert info.status == 200 and info.header("Content-Type").startswith("application/vnd.xet-fileinfo+json") and info.header("X-Xet-Hash")


def test_raw(hub, planted):
    assert hub.get(f"/{planted}/raw/main/a/d.txt").expect(200).body == b"d"
    pointer = hub.get(f"/{planted}/raw/main/a/w.bin").expect(200).text
    assert pointer == f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256(bytes(1000))}\nsize 1000\n"


def test_html_is_not_run(hub, repo):
    """What people upload is never a page of the hub's own origin."""
    hub.commit(repo, "alice", file("x.html", "<script>alert(1)</script>"), file("x.svg", "<svg onload='alert(1)'/>")).expect(200)
    for path in (f"/{repo}/resolve/main/x.html", f"/{repo}/raw/main/x.html", f"/{repo}/resolve/main/x.svg"):
        answer = hub.get(path).expect(200)
        kind, policy = answer.header("Content-Type") or "", answer.header("Content-Security-Policy") or ""
        harmless = "text/html" not in kind and "svg" not in kind
        assert (harmless or "sandbox" in policy or "default-src 'none'" in policy) and answer.header("X-Content-Type-Options") == "nosniff", f"{path}: {kind} {policy}"


# ---------------------------------------------------------------- P0-10 preupload


def preupload(hub, repo, *files, who="alice", rev="main", query="", **more):
    sent = [{"path": p, "size": n, "sample": base64.b64encode(s).decode()} for p, n, s in files]
    return hub.post(f"/api/models/{repo}/preupload/{rev}{query}", who, json={"files": sent} | more)


def test_preupload(hub, planted):
    answer = preupload(hub, planted, ("new.txt", 4, b"text"), ("new.safetensors", 4, b"text"), ("new.dat", 4, b"\0\1\2\3"),
                       ("big.txt", 11 * 2**20, b"text"), ("z.txt", 1, b"z"), ("a/w.bin", 1000, bytes(512)), ("utf8.md", 10, "海纳".encode()),
                       ("empty", 0, b"")).expect(200).json()
    files = {f["path"]: f for f in answer["files"]}
    assert all(set(f) >= {"path", "uploadMode", "shouldIgnore", "oid"} for f in files.values())
    modes = {p: f["uploadMode"] for p, f in files.items()}
    assert modes == {"new.txt": "regular", "new.safetensors": "lfs", "new.dat": "lfs", "big.txt": "lfs", "z.txt": "regular",
                     "a/w.bin": "lfs", "utf8.md": "regular", "empty": "regular"}
    assert files["z.txt"]["oid"] == tree(hub, planted)["z.txt"]["oid"] and files["a/w.bin"]["oid"] == sha256(bytes(1000)) and files["new.txt"]["oid"] is None


def test_preupload_ignores(hub, repo):
    answer = preupload(hub, repo, ("a.log", 1, b"x"), ("b.txt", 1, b"x"), gitIgnore="*.log\n").expect(200).json()
    assert {f["path"]: f["shouldIgnore"] for f in answer["files"]} == {"a.log": True, "b.txt": False}
    hub.commit(repo, "alice", file(".gitignore", "*.tmp\n!keep.tmp\nbuild/\n")).expect(200)
    answer = preupload(hub, repo, ("a.tmp", 1, b"x"), ("keep.tmp", 1, b"x"), ("build/x", 1, b"x"), ("x", 1, b"x")).expect(200).json()
    assert {f["path"]: f["shouldIgnore"] for f in answer["files"]} == {"a.tmp": True, "keep.tmp": False, "build/x": True, "x": False}
    answer = preupload(hub, repo, ("x.foo", 1, b"x"), gitAttributes="*.foo filter=lfs diff=lfs merge=lfs -text\n").expect(200).json()
    assert answer["files"][0]["uploadMode"] == "lfs"


def test_preupload_of_a_commit_is_refused(hub, repo):
    preupload(hub, repo, ("x", 1, b"x"), rev=head_of(hub, repo)).error(404, "RevisionNotFound")
    preupload(hub, repo, ("x", 1, b"x"), who="bob").expect(403)
    preupload(hub, repo, ("x", 1, b"x"), who=None).expect(401)


# ---------------------------------------------------------------- P0-13, P0-14 tokens of the store


def test_xet_tokens(hub, repo):
    for kind in ("read", "write"):
        answer = hub.get(f"/api/models/{repo}/xet-{kind}-token/main", "alice").expect(200)
        said = answer.json()
        assert answer.header("X-Xet-Cas-Url") == said["casUrl"] and said["casUrl"].startswith(hub.url)
        assert answer.header("X-Xet-Access-Token") == said["accessToken"] and answer.header("X-Xet-Token-Expiration") == str(said["exp"])
        assert said["exp"] - time.time() > 600, "clients refresh by their own clock, 30 s before the end"
    hub.get(f"/api/models/{repo}/xet-read-token/main").expect(200)  # public
    hub.get(f"/api/models/{repo}/xet-write-token/main").expect(401)
    hub.get(f"/api/models/{repo}/xet-write-token/main", "bob").expect(403)
    hub.get(f"/api/models/{repo}/xet-write-token/main", "carol").expect(403)
    hub.get(f"/api/models/{repo}/xet-read-token/none", "alice").error(404, "RevisionNotFound")


# ---------------------------------------------------------------- P0-15 commit


def test_commit(hub, repo):
    before = head_of(hub, repo)
    done = hub.commit(repo, "alice", file("a.txt", "one"), file("b/c.txt", "two"), summary="First 一", description="Why\nnot").expect(200).json()
    assert done["success"] is True and HEX40.fullmatch(done["commitOid"]) and done["commitOid"] != before
    assert head_of(hub, repo) == done["commitOid"]
    (newest, _) = hub.get(f"/api/models/{repo}/commits/main").json()
    assert newest["title"] == "First 一" and newest["message"] == "Why\nnot" and newest["authors"][0]["user"] == "alice"
    assert hub.get(f"/{repo}/resolve/{before}/a.txt").status == 404 and hub.get(f"/{repo}/resolve/main/b/c.txt").body == b"two"


def test_a_stale_parent_is_412(hub, repo):
    first = head_of(hub, repo)
    second = hub.commit(repo, "alice", file("a", "1"), parentCommit=first).expect(200).json()["commitOid"]
    said = hub.commit(repo, "alice", file("a", "2"), parentCommit=first).expect(412)
    assert said.json()["error"].startswith("The branch was updated since you opened this page. Please refresh and try again.")
    hub.commit(repo, "alice", file("a", "3"), parentCommit=second[:10]).expect(200)
    assert hub.get(f"/{repo}/resolve/main/a").body == b"3"


@pytest.mark.parametrize("path", ["../x", "..\\ddd", "a/../b", "/abs", "a//b", "./x", "a/./b", "..", ".", "", "a/", ".git/config", "a/.git/x",
                                  ".GIT/config", ".git", "x\0y", "a\nb", "a" * 5000, "git~1/x"])
def test_paths_that_are_refused(hub, repo, path):
    before = head_of(hub, repo)
    hub.commit(repo, "alice", file("good.txt", "x"), file(path, "x")).expect(422, 400)
    hub.commit(repo, "alice", file(path, "x")).expect(422, 400)
    assert head_of(hub, repo) == before, "nothing of a refused commit may stay"


@pytest.mark.parametrize("path", ["folder/..\\..\\..\\file", ".gitignore", ".github/x.yml", "a b", "模型/权重.txt", "a.git", "...", "-x", "a\\b", "CON", "x" * 200])
def test_paths_that_are_taken(hub, repo, path):
    hub.commit(repo, "alice", file(path, "x")).expect(200)
    assert path in tree(hub, repo)
    assert hub.get(f"/{repo}/resolve/main/{'/'.join(map(wire.quote, path.split('/')))}").expect(200).body == b"x"


def test_the_last_writer_of_a_path_wins(hub, repo):
    hub.commit(repo, "alice", file("x", "1"), file("x", "2"), file("y", "1"), deleted_file("y"), file("z", "1")).expect(200, 400, 404, 422)
    hub.commit(repo, "alice", file("x", "1"), file("x", "2")).expect(200)
    assert hub.get(f"/{repo}/resolve/main/x").body == b"2"


def test_operations_that_contradict_each_other(hub, repo):
    """A file and a folder of one name cannot both be. The outcome is a refusal or one of the two, never a broken tree."""
    hub.commit(repo, "alice", file("n", "file"), file("n/inside", "x"))
    listed = tree(hub, repo)
    assert not ({"n/inside"} <= set(listed) and listed["n"]["type"] == "file")
    hub.commit(repo, "alice", file("f/one", "1")).expect(200)
    hub.commit(repo, "alice", file("f", "now a file"))
    listed = tree(hub, repo)
    assert (listed["f"]["type"] == "file") == ("f/one" not in listed)
    hub.commit(repo, "alice", deleted_folder("f"), file("f", "again a file"))
    hub.assert_clean()


def test_deletes(hub, repo):
    hub.commit(repo, "alice", *(file(p, p) for p in ("1/a", "1/b/c", "2/a", "3.txt", "4"))).expect(200)
    hub.commit(repo, "alice", deleted_file("3.txt"), deleted_folder("1/b")).expect(200)
    assert set(tree(hub, repo)) == {".gitattributes", "1", "1/a", "2", "2/a", "4"}
    hub.commit(repo, "alice", deleted_folder("2/")).expect(200)
    hub.commit(repo, "alice", deleted_folder("1")).expect(200)
    hub.commit(repo, "alice", {"key": "deletedEntry", "value": {"path": "4"}}).expect(200)
    assert set(tree(hub, repo)) == {".gitattributes"}
    said = hub.commit(repo, "alice", deleted_file("none")).error(404, "EntryNotFound")
    assert "A file with this name doesn't exist" in said.json()["error"]
    hub.commit(repo, "alice", deleted_folder("none/")).error(404, "EntryNotFound")


def test_delete_of_a_folder_named_like_a_file(hub, repo):
    hub.commit(repo, "alice", file("1/x", "x")).expect(200)
    hub.commit(repo, "alice", deleted_file("1")).expect(200)
    assert "1" not in tree(hub, repo)


def test_a_large_file_that_was_never_uploaded(hub, repo):
    before = head_of(hub, repo)
    answer = hub.commit(repo, "alice", file("ok", "ok"), lfs_file("w.bin", sha256(b"never sent"), 10))
    assert 400 <= answer.status < 500 and answer.json()["error"], answer
    for oid in ("", "xyz", "0" * 63, "G" * 64):
        assert 400 <= hub.commit(repo, "alice", lfs_file("w.bin", oid, 10)).status < 500
    assert head_of(hub, repo) == before


def test_a_large_file_of_another_size(hub, repo, api):
    api.upload_file(path_or_fileobj=bytes(5000), path_in_repo="w.bin", repo_id=repo)
    answer = hub.commit(repo, "alice", lfs_file("again.bin", sha256(bytes(5000)), 4999))
    assert answer.status in (200, 400, 422)
    if answer.status == 200:
        assert tree(hub, repo)["again.bin"]["size"] == 5000, "what is stored counts, not what was said"
    hub.commit(repo, "alice", lfs_file("copy.bin", sha256(bytes(5000)))).expect(200)
    assert hub.get(f"/{repo}/resolve/main/copy.bin").body == bytes(5000)


def test_a_body_cut_in_the_middle_changes_nothing(hub, repo):
    before = head_of(hub, repo)
    body = wire.ndjson([{"key": "header", "value": {"summary": "cut"}}, *(file(f"{i}.txt", "x" * 1000) for i in range(200))])
    for part in (10, len(body) // 2, body.rindex(b"\n", 0, len(body) - 1) + 1, len(body) - 1):
        headers = {"Authorization": f"Bearer {hub.tokens['alice']}", "Content-Type": "application/x-ndjson"}
        said = wire.cut(f"{hub.url}/api/models/{repo}/commit/main", "POST", headers, body[:part], len(body))
        assert not said.startswith(b"HTTP/1.1 2"), said[:200]
        assert head_of(hub, repo) == before


def test_content_must_be_base64(hub, repo):
    for value in ({"path": "x", "content": "###", "encoding": "base64"}, {"path": "x", "content": 3, "encoding": "base64"}, {"path": "x"},
                  {"path": "x", "content": "eA==", "encoding": "rot13"}):
        answer = hub.commit(repo, "alice", {"key": "file", "value": value})
        assert 400 <= answer.status < 500, f"{value}: {answer}"
    hub.commit(repo, "alice", {"key": "file", "value": {"path": "t", "content": "plain text", "encoding": "utf-8"}}).expect(200, 400, 422)


def test_a_thousand_files_in_one_commit(hub, repo):
    start = time.monotonic()
    hub.commit(repo, "alice", *(file(f"d{i % 10}/{i:04}.txt", f"{i}\n") for i in range(1000))).expect(200)
    assert time.monotonic() - start < 20
    (first, *rest) = pages(hub, f"/api/models/{repo}/tree/main?recursive=true")
    assert len(first) == 1000 and len(first) + sum(map(len, rest)) == 1011
    seen = [e["path"] for page in (first, *rest) for e in page]
    assert len(set(seen)) == len(seen)
    (first, *rest) = pages(hub, f"/api/models/{repo}/tree/main?recursive=true&expand=true")
    assert len(first) <= 100 and len(first) + sum(map(len, rest)) == 1011


def test_a_commit_of_more_than_100_megabytes(hub, repo):
    """In one body, as upload_folder of many small files makes it."""
    chunk = b"0123456789abcdef" * (600 * 1024)  # 9.4 MiB: the most that is still regular
    lines = ({"key": "header", "value": {"summary": "large"}}, *(file(f"{i}.txt", chunk[i:]) for i in range(9)))
    body = wire.ndjson(list(lines))
    assert len(body) > 100_000_000
    hub.post(f"/api/models/{repo}/commit/main", "alice", body=body, headers={"Content-Type": "application/x-ndjson"}, timeout=180).expect(200)
    assert hub.get(f"/{repo}/resolve/main/8.txt").body == chunk[8:]


def test_commits_to_other_branches(hub, repo):
    hub.commit(repo, "alice", file("x", "1"), rev="none").error(404, "RevisionNotFound")
    hub.commit(repo, "alice", file("x", "1"), rev=head_of(hub, repo)).error(404, "RevisionNotFound")
    hub.commit(repo, "bob", file("x", "1")).expect(403)
    hub.commit(repo, "carol", file("x", "1")).expect(403)
    hub.commit(repo, None, file("x", "1")).expect(401)


def test_commits_at_once_never_lose_one(hub, repo):
    """Many writers at one branch: each acknowledged commit is in the history and its file is there."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: hub.commit(repo, "alice", file(f"{i}.txt", str(i)), summary=f"c{i}"), range(40)))
    assert all(a.status in (200, 409, 412, 429, 503) for a in answers), [str(a) for a in answers if a.status >= 400][:3]
    done = {i for i, a in enumerate(answers) if a.status == 200}
    assert len(done) == 40, f"without a parentCommit a commit lands on whatever is there: {len(done)} of 40"
    listed = tree(hub, repo)
    assert {f"{i}.txt" for i in done} <= set(listed)
    titles = {c["title"] for c in hub.get(f"/api/models/{repo}/commits/main?limit=100").json()}
    assert {f"c{i}" for i in done} <= titles


def test_of_writers_with_one_parent_one_wins(hub, repo):
    from concurrent.futures import ThreadPoolExecutor

    parent = head_of(hub, repo)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: hub.commit(repo, "alice", file("x", str(i)), parentCommit=parent), range(16)))
    assert sorted(a.status for a in answers) == [200] + [412] * 15


# ---------------------------------------------------------------- P0-16, P0-17 commits and refs


def test_commits(hub, repo):
    ids = [hub.commit(repo, "alice", file("x", str(i)), summary=f"change {i}").expect(200).json()["commitOid"] for i in range(5)]
    answer = hub.get(f"/api/models/{repo}/commits/main?limit=2").expect(200)
    assert [c["id"] for c in answer.json()] == [ids[4], ids[3]] and answer.header("X-Total-Count") == "6"
    assert [c["title"] for p in pages(hub, f"/api/models/{repo}/commits/main?limit=2") for c in p] == ["change 4", "change 3", "change 2", "change 1", "change 0", "initial commit"]
    (c,) = hub.get(f"/api/models/{repo}/commits/{ids[1][:8]}?limit=1&expand[]=formatted").expect(200).json()
    assert c["id"] == ids[1] and ISO.fullmatch(c["date"]) and "title" in c["formatted"] and "message" in c["formatted"]
    assert [c["id"] for c in hub.get(f"/api/models/{repo}/commits/main?limit=2&p=1").json()] == [ids[2], ids[1]]


def test_refs(hub, repo):
    refs = hub.get(f"/api/models/{repo}/refs").expect(200).json()
    assert refs["branches"] == [{"name": "main", "ref": "refs/heads/main", "targetCommit": head_of(hub, repo)}]
    assert refs["tags"] == [] and refs["converts"] == [] and "pullRequests" not in refs
    assert hub.get(f"/api/models/{repo}/refs?include_prs=1").json()["pullRequests"] == []


# ---------------------------------------------------------------- P0-18 … 20 lists


@pytest.fixture(scope="module")
def shelf(hub):
    """Twelve models and some others of one author, in a known order."""
    hub.add_user("lister")
    for i in range(12):
        hub.create(f"lister/shelf-{i:02}", "lister").expect(200)
        card = f"---\ntags: [shelf, n{i % 3}]\nlicense: {'mit' if i % 2 else 'apache-2.0'}\nlibrary_name: lib{i % 2}\n---\n"
        hub.commit(f"lister/shelf-{i:02}", "lister", file("README.md", card)).expect(200)
    hub.create("lister/shelf-secret", "lister", visibility="private").expect(200)
    hub.create("lister/shelf-data", "lister", "dataset").expect(200)
    hub.create("lister/shelf-space", "lister", "space", sdk="static").expect(200)


def ids(answer) -> list[str]:
    return [m["id"] for m in answer.expect(200).json()]


def test_list_and_page(hub, shelf):
    assert len(ids(hub.get("/api/models?author=lister"))) == 12
    assert len(ids(hub.get("/api/models?author=lister", "lister"))) == 13, "private ones for those who may read them"
    found = [[m["id"] for m in page] for page in pages(hub, "/api/models?author=lister&limit=5&sort=createdAt", None)]
    assert [len(p) for p in found] == [5, 5, 2] and sum(found, []) == [f"lister/shelf-{i:02}" for i in reversed(range(12))]
    assert ids(hub.get("/api/models?author=LISTER&limit=1&sort=createdAt")) == ["lister/shelf-11"]
    assert ids(hub.get("/api/models?author=nobody-of-this-name")) == []
    assert ids(hub.get("/api/datasets?author=lister")) == ["lister/shelf-data"] and ids(hub.get("/api/spaces?author=lister")) == ["lister/shelf-space"]
    first = hub.get("/api/models?author=lister&limit=1").json()[0]
    assert {"_id", "id", "modelId", "likes", "downloads", "tags", "private", "createdAt"} <= set(first) and "siblings" not in first


def test_list_filters(hub, shelf):
    assert len(ids(hub.get("/api/models?filter=shelf"))) == 12 and len(ids(hub.get("/api/models?filter=shelf&filter=n0"))) == 4
    assert len(ids(hub.get("/api/models?filter=license:mit&author=lister"))) == 6 and len(ids(hub.get("/api/models?filter=lib1&filter=n1"))) == 2
    assert ids(hub.get("/api/models?filter=shelf&filter=none")) == []
    assert ids(hub.get("/api/models?search=shelf-03")) == ["lister/shelf-03"]
    assert len(ids(hub.get("/api/models?search=SHELF&author=lister"))) == 12
    assert len(ids(hub.get("/api/models?search=lister/shelf-0"))) == 10


@pytest.mark.parametrize("sort", ["createdAt", "lastModified", "downloads", "likes", "trendingScore"])
def test_list_sorts(hub, shelf, sort):
    found = hub.get(f"/api/models?author=lister&sort={sort}&full=true&limit=20").expect(200).json()
    assert len(found) == 12
    key = [m.get(sort) for m in found if m.get(sort) is not None]
    assert key == sorted(key, reverse=True)
    walked = sum((page for page in pages(hub, f"/api/models?author=lister&sort={sort}&limit=5", None)), [])
    assert sorted(m["id"] for m in walked) == sorted(m["id"] for m in found), "pages lose or repeat none"


def test_list_extras(hub, shelf):
    full = hub.get("/api/models?author=lister&full=true&limit=1").json()[0]
    assert [s["rfilename"] for s in full["siblings"]] == [".gitattributes", "README.md"] and full["sha"] and full["lastModified"]
    card = hub.get("/api/models?author=lister&cardData=true&limit=1").json()[0]
    assert card["cardData"]["library_name"].startswith("lib")
    assert set(hub.get("/api/models?author=lister&expand=likes&limit=1").json()[0]) == {"_id", "id", "likes"}


def test_list_by_words(hub):
    """Chinese words of two characters, English stems, unfinished words; what is private stays so."""
    hub.add_user("writer")
    names = {"zh": "# 通用语言模型库\n\n用于检索。", "en": "---\ntags: [folk-songs]\n---\n# A corpus of translated studies\n", "secret": "# 秘密的模型\n"}
    for name, card in names.items():
        hub.create(f"writer/words-{name}", "writer", private=name == "secret").expect(200)
        hub.commit(f"writer/words-{name}", "writer", file("README.md", card)).expect(200)

    def found(query, as_whom=None):
        return {i.removeprefix("writer/words-") for i in ids(hub.get(f"/api/models?author=writer&{query}", as_whom))}

    for query in ("模型", "语言", "检索", "语言模型", "模", "通用 检索"):
        assert found("q=" + quote(query)) == {"zh"}, query
        assert found("search=" + quote(query)) == {"zh"}, query
    assert found("q=" + quote("模型"), "writer") == {"zh", "secret"}
    assert found("q=" + quote("型模")) == set() and found("q=" + quote("模型 corpus")) == set()
    for query in ("study", "translating study", "corpora corpus", "folk", "corp", "TRANSLATION studies"):
        assert found("q=" + quote(query)) == ({"en"} if query != "corpora corpus" else set()), query
    assert found("q=" + quote("corp ")) == set(), "a finished word is the whole word"
    # Parts of names too; and `search` alone never looks into cards.
    assert found("q=ords-e") == {"en"} and found("search=corpus") == set() and found("search=words-z") == {"zh"}
    hub.commit("writer/words-en", "writer", file("README.md", "# Nothing of it\n")).expect(200)
    assert found("q=study") == set() and found("q=nothing") == {"en"}
    page = hub.get("/models?search=" + quote("模型")).expect(200).text
    assert "words-zh" in page and "words-secret" not in page


def test_list_by_size(hub, api):
    header = b'{"w":{"dtype":"F32","shape":[1000,2],"data_offsets":[0,8000]}}'
    weights = len(header).to_bytes(8, "little") + header + bytes(8000)
    for name in ("small", "none"):
        hub.create(f"alice/size-{name}", "alice").expect(200)
    api.upload_file(path_or_fileobj=weights, path_in_repo="model.safetensors", repo_id="alice/size-small")

    def found(query):
        return ids(hub.get(f"/api/models?search=alice/size-&{query}"))

    assert found("num_parameters=min:2K") == found("num_parameters=min:1.5k,max:0.002M") == found("num_parameters=max:2000") == ["alice/size-small"]
    assert found("num_parameters=min:2001") == found("num_parameters=max:1999") == []
    for wrong in ("2K", "min", "min:x", "min:-1", "most:1", "min:1e99", "min:NaN"):
        hub.get(f"/api/models?num_parameters={wrong}").expect(400)
    assert found("gated=true") == [] and len(found("gated=false")) == 2
    assert found("inference=warm") == [] and found("apps=ollama") == [] and found("apps=unheard-of") == []


@pytest.mark.parametrize("query", ["q=%00", "q=%22%20OR%20%22", "q=" + "x" * 5000, "q=" + "a%20" * 120, "q=*", "q=NEAR(a%20b)", "q=%27%3B--", "limit=x", "limit=-1", "limit=0", "sort=nonsense", "cursor=rubbish", "expand=nonsense", "limit=99999999999999999999",
                                   "search=%00", "search=" + "x" * 5000, "filter=%27%22%3B--", "search=%25", "author=%27%20or%201%3D1--"])
def test_list_takes_no_harm(hub, shelf, query):
    answer = hub.get(f"/api/models?{query}")
    assert answer.status in (200, 400, 414), answer
    if answer.status == 200 and query.startswith("author="):
        assert answer.json() == []


# ---------------------------------------------------------------- P0-21, P0-27


def test_validate_yaml(hub):
    def ask(content, accept="*/*", kind="model"):
        return hub.post("/api/validate-yaml", "alice", json={"content": content, "repoType": kind}, headers={"Accept": accept})

    said = ask("---\nlicense: mit\n---\n# x\n").expect(200).json()
    assert said["errors"] == []
    assert ask("# no front matter\n").expect(200).json()["warnings"]
    assert ask("\n\n---\nlicense: mit\n---\n").expect(200).json()["errors"] == []
    bad = ask("---\nlicense: not-a-licence\n---\n").expect(400).json()
    assert any("license" in e["message"] for e in bad["errors"])
    assert ask("---\nmodel-index: 3\n---\n").expect(400).json()["errors"]
    assert ask("---\na: [1\n---\n").expect(400).json()["errors"]
    plain = ask("---\nlicense: not-a-licence\n---\n", "text/plain").expect(400).text
    assert plain.startswith('- Error: "license" must be one of ['), plain
    assert ask("---\nx: &a [*a]\n---\n").status in (200, 400)
    bomb = "---\na: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)) + "---\n"
    start = time.monotonic()
    assert ask(bomb).status in (200, 400) and time.monotonic() - start < 3


def test_telemetry_and_harnesses(hub):
    start = time.monotonic()
    assert hub.head("/api/telemetry/some/topic").status in (200, 404)
    answer = hub.get("/api/agent-harnesses").expect(200).json()
    assert answer == {"standardEnvVars": [], "harnesses": {}} and time.monotonic() - start < 1


# ---------------------------------------------------------------- case


def test_look_up_without_regard_to_case(hub):
    hub.create("alice/CamelCase", "alice").expect(200)
    hub.commit("alice/camelcase", "alice", file("X", "x")).expect(200)
    for name in ("alice/CamelCase", "ALICE/camelcase", "Alice/CAMELCASE"):
        assert hub.get(f"/api/models/{name}").expect(200).json()["id"] == "alice/CamelCase"
        assert hub.get(f"/{name}/resolve/main/X").expect(200, 307).status in (200, 307)
        assert hub.get(f"/api/models/{name}/tree/main").expect(200, 307)
    made = hub.create("ALICE/camelcase", "alice").expect(409).json()
    assert made["url"] == f"{hub.url}/alice/CamelCase"
    done = hub.commit("ALICE/CAMELCASE", "alice", file("Y", "y")).expect(200).json()
    assert done["commitUrl"].startswith(f"{hub.url}/alice/CamelCase/commit/")
    # Files are named as they are named.
    hub.get("/alice/CamelCase/resolve/main/x").error(404, "EntryNotFound")


# ---------------------------------------------------------------- facets


def card(**front) -> dict:
    import json

    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in front.items())
    return file("README.md", f"---\n{lines}\n---\n# A card\n")


@pytest.fixture(scope="module")
def faceted(hub):
    """Six models of bob's with cards, one of them private, and a data set."""
    cards = [dict(pipeline_tag="text-generation", library_name="transformers", language=["zh", "en"], license="mit", tags=["facetest", "roleplay"]),
             dict(pipeline_tag="text-generation", library_name="transformers", language=["zh"], license="mit", tags=["facetest"]),
             dict(pipeline_tag="translation", library_name="transformers", language=["en"], license="apache-2.0", tags=["facetest"]),
             dict(pipeline_tag="translation", license="apache-2.0", tags=["facetest"]),
             dict(license="mit", tags=["facetest"], base_model="alice/base"),
             dict(pipeline_tag="text-generation", library_name="diffusers", license="mit", tags=["facetest"])]
    for i, front in enumerate(cards):
        hub.create(f"bob/facet{i}", "bob", visibility="private" if i == 5 else "public").expect(200)
        hub.commit(f"bob/facet{i}", "bob", card(**front)).expect(200)
    hub.create("bob/facets", "bob", kind="dataset").expect(200)
    hub.commit("bob/facets", "bob", card(task_categories=["translation"], language=["zh"], license="mit", size_categories=["n<1K"], tags=["facetest"]), kind="datasets").expect(200)
    deadline = time.monotonic() + 20
    while len(hub.get("/api/models?filter=facetest", "bob").json()) < 6 or not hub.get("/api/datasets?filter=facetest").json():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def counts(hub, query: str, who=None, kind="models") -> dict:
    answer = hub.get(f"/api/facets/{kind}?{query}", who).expect(200).json()
    assert answer["complete"] is True
    return {name: {t["id"]: t["count"] for t in tags} for name, tags in answer["groups"].items()} | {"counted": answer["counted"]}


def test_facets_count_what_the_list_has(hub, faceted):
    found = counts(hub, "filter=facetest")
    assert found == {"counted": 5, "pipeline_tag": {"text-generation": 2, "translation": 2}, "library": {"transformers": 3}, "language": {"en": 2, "zh": 2},
                     "license": {"license:mit": 3, "license:apache-2.0": 2}, "base_model": found["base_model"], "other": {"facetest": 5, "roleplay": 1}}
    assert set(found["base_model"]) >= {"base_model:alice/base"}
    # With more filters, whatever they are.
    for query, licences in (("filter=facetest&filter=zh", {"license:mit": 2}), ("filter=facetest&license=apache-2.0", {"license:apache-2.0": 2}),
                            ("filter=facetest&pipeline_tag=translation", {"license:apache-2.0": 2}), ("author=bob&filter=facetest&library=transformers", {"license:mit": 2, "license:apache-2.0": 1}),
                            ("search=facet1", {"license:mit": 1}), ("filter=facetest&filter=never", None), ("author=nobody-here", None), ("inference=warm", None)):
        assert counts(hub, query).get("license") == licences, query
        listed = hub.get(f"/api/models?{query}").json()
        assert counts(hub, query)["counted"] == len(listed), query
    rows = counts(hub, "filter=facetest", kind="datasets")
    assert rows["task_categories"] == {"task_categories:translation": 1} and rows["language"] == {"language:zh": 1} and rows["size_categories"] == {"size_categories:n<1K": 1}
    label = {t["id"]: t["label"] for t in hub.get("/api/facets/models?filter=facetest").json()["groups"]["pipeline_tag"]}
    assert label["text-generation"] == "text generation"


def test_facets_count_only_what_one_may_know(hub, faceted):
    """Also after others asked, and after it changed: private ones are never remembered for everybody."""
    for _ in range(2):
        assert counts(hub, "filter=facetest", "bob")["library"] == {"transformers": 3, "diffusers": 1}
        assert counts(hub, "filter=facetest", "root")["counted"] == 6
        for who in (None, "alice"):
            found = counts(hub, "filter=facetest", who)
            assert found["counted"] == 5 and "diffusers" not in found["library"]
    assert hub.get("/api/facets/cars").error(404, None)
    hub.get("/api/facets/models?num_parameters=x").error(400, None, "num_parameters")
    hub.get("/api/facets/models", "hf_" + "x" * 40).expect(401)


def test_facets_on_pages(hub, faceted):
    page = hub.get("/models?tag=facetest", headers={"Accept-Language": "zh-CN"}).expect(200).text
    assert "筛选" in page and 'href="/models?tag=facetest&#38;tag=license%3Amit"' in page and "diffusers" not in page, page
