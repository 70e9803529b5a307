"""Managing repositories as the published clients do it: moving, gates, large files, copies, who and what there is."""

import csv
import io
import json
import random
import sqlite3
import threading
from contextlib import closing

import clients
import pytest
import wire
from test_git import person

BIG = bytes(range(256)) * 5000


@pytest.fixture
def other(hub):
    """HfApi as bob, who has no part in what is alice's."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.url, token=hub.tokens["bob"])


numbers = iter(range(1, 1 << 30))


def fresh_name() -> str:
    return f"alice/moved{next(numbers)}"


# ---------------------------------------------------------------- moving


def test_old_names_work_at_every_door(hub, api, any_client, repo, tmp_path):
    api.upload_file(repo_id=repo, path_in_repo="a b.txt", path_or_fileobj=b"text")
    api.upload_file(repo_id=repo, path_in_repo="w.bin", path_or_fileobj=BIG)
    new = fresh_name()
    api.move_repo(from_id=repo, to_id=new)
    # The JSON answers with the name of today.
    assert hub.get(f"/api/models/{repo}").expect(200).json()["id"] == new
    assert api.model_info(repo, revision="main").id == new
    assert {f.path for f in api.list_repo_tree(repo)} == {".gitattributes", "a b.txt", "w.bin"}
    # Files lead on, to an address without a host, and the query stays.
    for method in ("GET", "HEAD"):
        answer = hub.request(method, f"/{repo}/resolve/main/a%20b.txt?download=true")
        assert (answer.status, answer.header("Location")) == (307, f"/{new}/resolve/main/a%20b.txt?download=true")
    assert hub.get(f"/{repo}/raw/main/w.bin").header("Location") == f"/{new}/raw/main/w.bin"
    # The clients download and upload by the old name, by Xet and by LFS.
    for number, settings in enumerate(({}, {"HF_HUB_DISABLE_XET": "1"})):
        machine = any_client.fresh(f"m{number}")
        machine.more = settings
        out = machine.home / "out"
        machine.hf("download", repo, "--local-dir", out)
        assert (out / "w.bin").read_bytes() == BIG and (out / "a b.txt").read_bytes() == b"text"
        (machine.home / "up.bin").write_bytes(BIG[::-1] + str(number).encode())
        # Not by `hf upload`, which first creates what it thinks is not there: that would take the name.
        machine.python("import sys, huggingface_hub as h; h.upload_file(repo_id=sys.argv[1], path_or_fileobj=sys.argv[2], path_in_repo=sys.argv[3])",
                       repo, machine.home / "up.bin", f"up{number}.bin")
        assert hub.get(f"/{new}/resolve/main/up{number}.bin").expect(200).body == BIG[::-1] + str(number).encode()
    assert hub.get(f"/api/models/{repo}/xet-read-token/main").expect(200).json()["accessToken"]
    # The page leads to the page of today.
    page = hub.get(f"/{repo}/tree/main")
    assert (page.status, page.header("Location")) == (303, f"/{new}/tree/main")


@pytest.mark.parametrize("version", (0, 2))
def test_git_follows_a_move(hub, api, repo, tmp_path, version):
    git = person(hub, tmp_path, "alice")
    git.env |= {"GIT_PROTOCOL": f"version={version}"}
    before = git.clone(git.of(repo), "before")
    api.upload_file(repo_id=repo, path_in_repo="a.txt", path_or_fileobj=b"text")
    new = fresh_name()
    api.move_repo(from_id=repo, to_id=new)
    answer = hub.get(f"/{repo}.git/info/refs?service=git-upload-pack")
    assert (answer.status, answer.header("Location")) == (301, f"/{new}.git/info/refs?service=git-upload-pack")
    answer = hub.get(f"/{repo}/info/refs?service=git-receive-pack", "alice")
    assert (answer.status, answer.header("Location")) == (301, f"/{new}/info/refs?service=git-receive-pack")
    git.run("pull", "-q", cwd=before)
    assert (before / "a.txt").read_text() == "text"
    (before / "b.txt").write_text("pushed")
    git.run("add", ".", cwd=before)
    git.run("commit", "-q", "-m", "b", cwd=before)
    git.run("push", "-q", cwd=before)
    assert hub.get(f"/{new}/resolve/main/b.txt").expect(200).text == "pushed"
    assert (git.clone(git.of(repo), "after") / "b.txt").exists()


def test_what_one_may_not_know_leads_nowhere(hub, api, repo):
    new = fresh_name()
    api.update_repo_settings(repo, private=True)
    api.move_repo(from_id=repo, to_id=new)
    for who, status in ((None, 401), ("bob", 404)):
        for name in (repo, new):
            for path in (f"/api/models/{name}", f"/{name}/resolve/main/.gitattributes", f"/{name}.git/info/refs?service=git-upload-pack"):
                answer = hub.get(path, who)
                assert answer.status == status and not answer.header("Location"), f"{who}: {path}: {answer}"


def test_a_new_repository_takes_an_old_name(hub, api, repo):
    new = fresh_name()
    api.move_repo(from_id=repo, to_id=new)
    hub.create(repo, "alice").expect(200)
    assert hub.get(f"/api/models/{repo}").json()["id"] == repo
    hub.get(f"/{repo}/resolve/main/.gitattributes").expect(200)
    hub.post("/api/repos/move", "alice", json={"fromRepo": new, "toRepo": repo, "type": "model"}).error(
        409, None, f"A model repository called {repo} already exists")


def test_a_race_for_a_name_has_one_winner(hub, repo):
    names = [fresh_name() for _ in range(8)]
    goal = fresh_name()
    for name in names:
        hub.create(name, "alice").expect(200)
    answers = []

    def run(name):
        answers.append(hub.post("/api/repos/move", "alice", json={"fromRepo": name, "toRepo": goal, "type": "model"}).status)

    threads = [threading.Thread(target=run, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7


def test_bad_moves(hub, repo):
    for body, status in (
        ({"fromRepo": repo, "toRepo": "no-namespace"}, 400),
        ({"fromRepo": repo, "toRepo": "alice/bad--name"}, 400),
        ({"fromRepo": repo, "toRepo": "alice/x", "type": "planet"}, 400),
        ({"fromRepo": repo, "toRepo": repo}, 409),
        ({"fromRepo": repo, "toRepo": "bob/x"}, 403),
        ({"fromRepo": repo, "toRepo": "no-such-namespace/x"}, 403),
        ({"fromRepo": "alice/no-such", "toRepo": "alice/x"}, 404),
        ({"toRepo": "alice/x"}, 400),
    ):
        assert hub.post("/api/repos/move", "alice", json=body).status == status, body


# ---------------------------------------------------------------- settings and gates


def test_settings(hub, repo):
    put = lambda body, who="alice": hub.request("PUT", f"/api/models/{repo}/settings", who, json=body)  # noqa: E731
    assert put({"visibility": "private", "gated": "auto"}).expect(200).json() == {"visibility": "private", "private": True, "gated": "auto"}
    assert put({}).expect(200).json()["gated"] == "auto"
    assert put({"private": False, "gated": False}).expect(200).json() == {"visibility": "public", "private": False, "gated": False}
    for bad in ({"visibility": "secret"}, {"visibility": "protected"}, {"gated": "maybe"}, {"gated": True}, {"private": "yes"}):
        put(bad).expect(400)
    put({"private": True}, "bob").expect(403)


CARD = b"""---
license: mit
extra_gated_heading: Read this first
extra_gated_fields:
  Company: text
  Purpose:
    type: select
    options: [Research, {label: Something else, value: other}]
  I agree: checkbox
---
# A card for all to read
"""


def test_a_gate_from_both_sides(hub, api, other, repo, tmp_path):
    from huggingface_hub.errors import GatedRepoError

    api.upload_file(repo_id=repo, path_in_repo="w.bin", path_or_fileobj=BIG)
    api.upload_file(repo_id=repo, path_in_repo="README.md", path_or_fileobj=CARD)
    api.update_repo_settings(repo, gated="manual")
    info = other.model_info(repo, files_metadata=True)
    assert (info.gated, info.card_data.license) == ("manual", "mit")
    assert "w.bin" in other.list_repo_files(repo)
    with pytest.raises(GatedRepoError, match="Access to model .* is restricted and you are not in the authorized list"):
        other.hf_hub_download(repo, "w.bin", cache_dir=tmp_path)
    with pytest.raises(GatedRepoError):
        other.auth_check(repo)
    hub.get(f"/{repo}/resolve/main/w.bin").error(401, "GatedRepo", "log in")
    out = person(hub, tmp_path, "bob").run("clone", f"{person(hub, tmp_path, 'bob').url}/{repo}", "x", check=False)
    assert "restricted" in out
    batch = {"operation": "download", "transfers": ["basic"], "objects": [{"oid": clients.sha256(BIG), "size": len(BIG)}]}
    headers = {"Content-Type": "application/vnd.git-lfs+json"}
    hub.post(f"/{repo}.git/info/lfs/objects/batch", "bob", json=batch, headers=headers).expect(403)
    nobody = hub.post(f"/{repo}.git/info/lfs/objects/batch", json=batch, headers=headers).expect(401)
    assert nobody.header("LFS-Authenticate")

    ask = lambda **kwargs: hub.post(f"/{repo}/ask-access", "bob", **kwargs)  # noqa: E731
    ask(json={}).error(400, None, "Company")
    ask(json={"Company": "x", "Purpose": "war", "I agree": True}).error(400, None, "Purpose")
    form = b"Company=%E6%B5%B7%E7%BA%B3&Purpose=other&I+agree=on&unasked=1"
    assert ask(body=form, headers={"Content-Type": "application/x-www-form-urlencoded"}).expect(200).json() == {"status": "pending"}
    [request] = api.list_pending_access_requests(repo)
    assert (request.username, request.email, request.fields) == \
        ("bob", "bob@example.org", {"Company": "海纳", "Purpose": "other", "I agree": True})
    with pytest.raises(GatedRepoError, match="awaiting a review"):
        other.auth_check(repo)
    api.reject_access_request(repo, "bob", rejection_reason="no reason")
    with pytest.raises(GatedRepoError, match="rejected"):
        other.auth_check(repo)
    api.accept_access_request(repo, request_id=request.request_id)
    other.auth_check(repo)
    assert open(other.hf_hub_download(repo, "w.bin", cache_dir=tmp_path), "rb").read() == BIG
    person(hub, tmp_path, "bob").run("clone", "-q", f"{person(hub, tmp_path, 'bob').url}/{repo}", "in")
    # A signed address ends with the access.
    answer = hub.post(f"/{repo}.git/info/lfs/objects/batch", "bob", json=batch, headers=headers).expect(200).json()
    href = answer["objects"][0]["actions"]["download"]["href"]
    assert wire.get(href).status == 200
    api.cancel_access_request(repo, "bob")
    assert wire.get(href).status == 403
    # A report that tables read, formulas and all.
    hub.request("PUT", f"/api/models/{repo}/settings", "alice", json={"gated": "auto"}).expect(200)
    api.grant_access(repo, "carol")
    report = hub.get(f"/{repo}/user-access-report", "alice").expect(200)
    assert report.header("Content-Type").startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(report.text)))
    assert [(r["username"], r["email"], r["status"], r["Company"]) for r in rows] == [("bob", "bob@example.org", "pending", "海纳"), ("carol", "", "accepted", "")]
    # Open again, for everyone.
    api.update_repo_settings(repo, gated=False)
    other.auth_check(repo)
    hub.get(f"/api/models/{repo}/user-access-request/pending", "alice").error(400, None, "not gated")


def test_an_automatic_gate(hub, api, other, repo):
    api.update_repo_settings(repo, gated="auto")
    assert hub.post(f"/{repo}/ask-access", "bob", json={}).expect(200).json() == {"status": "accepted"}
    other.auth_check(repo)


def test_chunks_of_gated_files_are_not_for_everyone(hub, api, other):
    """Content of a gated repository is not published to the deduplication of others; once it is open, it is."""
    name = fresh_name()
    hub.create(name, "alice").expect(200)
    api.update_repo_settings(name, gated="manual")
    api.upload_file(repo_id=name, path_in_repo="w.bin", path_or_fileobj=random.Random(7).randbytes(300_000))

    def published() -> int:
        with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as db:
            return db.execute("select count(*) from xorb_public p join file_xorb f on f.xorb_hash = p.hash join repo_file r on r.file_hash = f.file_hash "
                              "join repo on repo.id = r.repo_id where repo.fold = ?", (name.split("/")[1],)).fetchone()[0]

    assert published() == 0
    api.update_repo_settings(name, gated=False)
    assert published() > 0


# ---------------------------------------------------------------- large files and copies


def test_large_files_are_deleted_for_good(hub, api, repo, tmp_path):
    git = person(hub, tmp_path, "alice")
    api.upload_file(repo_id=repo, path_in_repo="d/w.bin", path_or_fileobj=BIG)
    api.upload_file(repo_id=repo, path_in_repo="keep.bin", path_or_fileobj=BIG * 2)
    api.create_tag(repo, tag="v1", tag_message="one")
    api.create_branch(repo, branch="side")
    api.upload_file(repo_id=repo, path_in_repo="t.txt", path_or_fileobj=b"text", revision="side")
    files = {f.filename: f for f in api.list_lfs_files(repo)}
    assert set(files) == {"d/w.bin", "keep.bin"}
    old = api.model_info(repo).sha
    api.permanently_delete_lfs_files(repo, [files["d/w.bin"]])
    for rev in ("main", "v1", "side"):
        assert "d/w.bin" not in api.list_repo_files(repo, revision=rev)
        hub.get(f"/{repo}/resolve/{rev}/d/w.bin").error(404, "EntryNotFound")
        assert hub.get(f"/{repo}/resolve/{rev}/keep.bin").expect(200).body == BIG * 2
    hub.get(f"/{repo}/resolve/{old}/d/w.bin").error(404, "EntryNotFound")
    clone = git.clone(git.of(repo), "c")
    git.run("fsck", "--strict", "--full", cwd=clone)
    assert "d/w.bin" not in git.run("log", "--all", "--name-only", "--format=", cwd=clone)
    assert git.run("rev-list", "--count", "origin/side", cwd=clone) == "4"
    for bad in ({"deletions": {"sha": ["zz"]}}, {"deletions": {}}, {"deletions": {"sha": ["0" * 64] * 1001}}):
        hub.post(f"/api/models/{repo}/lfs-files/batch", "alice", json=bad).expect(400)


def test_copies_between_repositories(hub, api, other, repo):
    from huggingface_hub import CommitOperationCopy

    api.upload_file(repo_id=repo, path_in_repo="w.bin", path_or_fileobj=BIG)
    api.upload_file(repo_id=repo, path_in_repo="a.txt", path_or_fileobj=b"text")
    to = other.create_repo(f"bob/copies{next(numbers)}").repo_id
    copies = [CommitOperationCopy(src_path_in_repo=name, path_in_repo=f"from/{name}", src_repo_id=repo, src_repo_type="model") for name in ("w.bin", "a.txt")]
    other.create_commit(to, operations=copies, commit_message="copy")
    assert hub.get(f"/{to}/resolve/main/from/w.bin").expect(200).body == BIG
    assert hub.get(f"/{to}/resolve/main/from/a.txt").expect(200).text == "text"
    # Not what one may not read.
    api.update_repo_settings(repo, gated="manual")
    [file] = [f for f in api.list_repo_tree(repo) if f.path == "w.bin"]
    body = {"target": {"type": "model", "name": to}, "files": [{"xetHash": file.xet_hash, "sha256": file.lfs.sha256, "filename": "w.bin"}]}
    hub.post(f"/api/models/{repo}/lfs-files/duplicate", "bob", json=body).error(403, "GatedRepo")
    answer = hub.post(f"/api/models/{to}/lfs-files/duplicate", "bob", json=body | {"files": body["files"] * 501})
    answer.error(400, None, "500")


def test_duplicate(hub, api, other, repo):
    api.upload_file(repo_id=repo, path_in_repo="w.bin", path_or_fileobj=BIG)
    name = f"bob/duplicate{next(numbers)}"
    url = other.duplicate_repo(repo, to_id=name)
    assert (url.repo_id, url.files_copy_pending) == (name, False)
    assert other.duplicate_repo(repo, to_id=name, exist_ok=True).repo_id == name
    api.delete_repo(repo)
    assert hub.get(f"/{name}/resolve/main/w.bin").expect(200).body == BIG
    assert [c.title for c in other.list_repo_commits(name)] == [f"Duplicate from {repo}"]
    with pytest.raises(Exception, match="409"):
        other.duplicate_repo(name, to_id=name)


# ---------------------------------------------------------------- who and what there is


def test_people(hub, api):
    user = api.get_user_overview("bob")
    assert (user.username, user.fullname, [o.name for o in user.orgs]) == ("bob", "Bob 鲍勃", ["acme"])
    org = api.get_organization_overview("acme")
    assert (org.name, org.fullname, org.num_users) == ("acme", "Acme 研究院", 1)
    assert [m.username for m in api.list_organization_members("acme")] == ["bob"]
    for path in ("/api/users/acme/overview", "/api/users/no-such/overview", "/api/organizations/bob/overview", "/api/organizations/no-such/members"):
        hub.get(path, "alice").expect(404)


def test_own_repositories(hub, api, client, repo):
    api.upload_file(repo_id=repo, path_in_repo="w.bin", path_or_fileobj=BIG)
    mine = {(r.id, r.type): r for r in api.list_user_repos()}
    assert mine[(repo, "model")].storage >= len(BIG) and mine[(repo, "model")].storage_percent > 0
    first = hub.get("/api/settings/repositories?limit=1", "alice").expect(200)
    assert len(first.json()) == 1 and first.next()
    assert repo in client.hf("repos", "ls", "--type", "model", "--limit", "0")
    hub.get("/api/organizations/no-such/settings/repositories", "alice").expect(404)


def test_tags_by_type(hub, api):
    tags = api.get_model_tags()
    assert {"id": "license:mit", "label": "MIT", "type": "license"} in [t | {"label": t["label"].split()[0]} for t in tags["license"]]
    assert "text-generation" in {t["id"] for t in tags["pipeline_tag"]} and "transformers" in {t["id"] for t in tags["library"]}
    assert "size_categories:n<1K" in {t["id"] for t in api.get_dataset_tags()["size_categories"]}
    assert api.list_space_templates() == []


def safetensors(**tensors) -> bytes:
    header = json.dumps({name: {"dtype": "F32", "shape": [n], "data_offsets": [0, 4 * n]} for name, n in tensors.items()}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * sum(tensors.values()))


def test_metadata_of_shards(hub, api, repo):
    index = {"metadata": {"total_size": 12}, "weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors"}}
    for name, content in (("m/x-1.safetensors", safetensors(a=1)), ("m/x-2.safetensors", safetensors(b=2)), ("m/i.json", json.dumps(index).encode())):
        api.upload_file(repo_id=repo, path_in_repo=name, path_or_fileobj=content)
    found = api.get_sharded_safetensors_metadata(repo, filename="m/i.json") if hasattr(api, "get_sharded_safetensors_metadata") else None
    if found is not None:
        assert found.weight_map == index["weight_map"] and found.metadata == {"total_size": 12}
    url = f"/api/models/{repo}/safetensors-metadata/"
    assert set(hub.get(url + "m/i.json").expect(200).json()["headers"]) == {"x-1.safetensors", "x-2.safetensors"}
    hub.get(url + "no.json").error(404, "EntryNotFound")
    hub.get(url + ".gitattributes").expect(400)
    bad = [(b'{"weight_map": {"a": "../x"}}', 400), (b'{"weight_map": {"a": "none"}}', 404), (b'{"weight_map": {"a": "bad.json"}}', 400)]
    for content, status in bad:
        api.upload_file(repo_id=repo, path_in_repo="bad.json", path_or_fileobj=content)
        hub.get(url + "bad.json").expect(status)
