"""Answers that do not arrive: what clients repeat by themselves, and what people repeat, is done once."""

import os
import threading

import pytest

import clients
import hub as hubs
import wire
from proxy import AnswerProxy
from wire import deleted_file, file


@pytest.fixture(scope="module")
def lossy(tmp_path_factory):
    """A hub that clients reach through a proxy which may lose answers."""
    folder, port = tmp_path_factory.mktemp("retries"), hubs.free_port()
    proxy = AnswerProxy(port)
    hub = hubs.Hub(folder / "data", url=proxy.url, port=port).start()
    try:
        hub.provision()
        hub.proxy = proxy
        yield hub
        assert hub.stop() == 0, hub.tail()
        assert not hub.troubles(), hub.troubles()[:5]
        hub.assert_clean()
    finally:
        hub.kill()
        proxy.close()


@pytest.fixture
def hub(lossy):
    lossy.proxy.lose, lossy.proxy.lost, lossy.proxy.cut = {}, [], False
    yield lossy
    lossy.proxy.lose = {}


@pytest.fixture
def folder(tmp_path):
    """A text, and two files for the content store."""
    (tmp_path / "up/d").mkdir(parents=True)
    (tmp_path / "up/read.txt").write_text("words\n")
    (tmp_path / "up/a.bin").write_bytes(os.urandom(300_000))
    (tmp_path / "up/d/b.bin").write_bytes(os.urandom(200_000))
    return tmp_path / "up"


def lost(hub, *words: str):
    """Each of these was lost at least once."""
    missing = [w for w in words if not any(w in line for line in hub.proxy.lost)]
    assert not missing, f"never asked: {missing}; lost: {hub.proxy.lost}"


def upload(hub, version, folder, tmp_path, repo, **more):
    client = clients.Client(version, tmp_path / "machine", hub.url, hub.tokens["alice"], {"HF_XET_CLIENT_RETRY_BASE_DELAY": "200ms"} | more)
    client.hf("upload", repo, folder, ".")
    hub.proxy.lose = {}
    back = tmp_path / "back"
    client.fresh().hf("download", repo, "--local-dir", back)
    clients.assert_same(back, folder)
    titles = [c["title"] for c in hub.get(f"/api/models/{repo}/commits/main", "alice").json()]
    assert len(titles) == 2, titles


@pytest.mark.parametrize("version", clients.VERSIONS)
def test_uploads_by_xet(hub, folder, tmp_path, version):
    repo = f"alice/xet-{version}"
    hub.create(repo, "alice").expect(200)
    hub.proxy.lose = {r"POST /api/models/.*/preupload/": 1, r"GET /api/models/.*/xet-write-token/": 1, r"POST /xet/.*/xorbs/": 1,
                      r"POST /xet/.*/shards": 1, r"GET /api/models/.*/revision/": 1}
    upload(hub, version, folder, tmp_path, repo)
    lost(hub, "preupload", "xet-write-token", "xorbs", "shards")


def test_uploads_by_lfs(hub, folder, tmp_path):
    hub.create("alice/lfs", "alice").expect(200)
    hub.proxy.lose = {r"POST .*/info/lfs/objects/batch": 1, r"PUT /api/lfs/": 2, r"POST /api/lfs/.*verify": 1, r"POST /api/models/.*/preupload/": 1}
    upload(hub, "2.4.0", folder, tmp_path, "alice/lfs", HF_HUB_DISABLE_XET="1")
    lost(hub, "objects/batch", "PUT /api/lfs/", "verify")


def test_buckets(hub, folder, tmp_path):
    hub.post("/api/buckets/alice/b", "alice", json={}).expect(200)
    client = clients.Client("2.4.0", tmp_path / "machine", hub.url, hub.tokens["alice"])
    hub.proxy.lose = {r"POST /api/buckets/.*/batch": 1, r"GET /api/buckets/.*/xet-write-token": 1, r"POST /xet/.*/shards": 1}
    client.hf("buckets", "sync", folder, "hf://buckets/alice/b/run")
    lost(hub, "batch", "xet-write-token", "shards")
    info = hub.get("/api/buckets/alice/b", "alice").expect(200).json()
    assert (info["totalFiles"], info["size"]) == (3, sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()))
    hub.proxy.lose = {}
    client.fresh().hf("buckets", "sync", "hf://buckets/alice/b/run", tmp_path / "back")
    clients.assert_same(tmp_path / "back", folder)


def test_lists_and_downloads(hub, folder, tmp_path):
    hub.create("alice/down", "alice").expect(200)
    client = clients.Client("2.4.0", tmp_path / "machine", hub.url, hub.tokens["alice"])
    client.hf("upload", "alice/down", folder, ".")
    hub.proxy.lose = {r"GET /api/models/.*/xet-read-token/": 1, r"GET /xet/.*/reconstructions/": 1, r"GET /xet/.*ranges|GET /xet/.*xorbs?/": 1}
    client.fresh().hf("download", "alice/down", "--local-dir", tmp_path / "back")
    lost(hub, "xet-read-token", "reconstructions")
    clients.assert_same(tmp_path / "back", folder)


# ---------------------------------------------------------------- commits


def head(hub, repo: str) -> str:
    return hub.get(f"/api/models/{repo}", "alice").json()["sha"]


def history(hub, repo: str) -> list[str]:
    return [c["title"] for c in hub.get(f"/api/models/{repo}/commits/main", "alice").json()]


@pytest.fixture
def repo(hub, request):
    name = f"acme/{request.node.name.replace('_', '-').removeprefix('test-')[:40]}"
    hub.admin("org", "member", "acme", "alice", "--role", "write")
    hub.create(name, "bob").expect(200)
    return name


def test_a_commit_that_comes_again_was_made_already(hub, repo):
    parent = head(hub, repo)
    operations = [file("a.txt", "a"), file("d/b.txt", "b"), deleted_file(".gitattributes")]
    send = lambda who="alice", *ops, summary="the change", parent=parent, **more: hub.commit(
        repo, who, *(ops or operations), summary=summary, parentCommit=parent, **more)
    hub.proxy.cut, hub.proxy.lose = True, {r"POST /api/models/.*/commit/": 1}
    with pytest.raises((ConnectionError, OSError, Exception)):
        send()
    lost(hub, "/commit/")
    made = head(hub, repo)
    assert made != parent
    again = send().expect(200).json()
    assert again["commitOid"] == made and again["commitUrl"].endswith(made)
    send(parent=parent[:10]).expect(200)
    assert history(hub, repo) == ["the change", "initial commit"]
    # Another change, another message, other words of a description, somebody else: none of them was made.
    send("alice", file("a.txt", "other")).error(412, None, "The branch was updated")
    send("alice", *operations, file("more.txt", "x")).error(412, None)
    send(summary="another message").error(412, None)
    send(description="more words").error(412, None)
    send("bob").error(412, None)
    send(parent="0" * 40).error(412, None)
    assert head(hub, repo) == made
    # Once somebody built upon it, it is history as any.
    hub.commit(repo, "bob", file("later.txt", "x")).expect(200)
    send().error(412, None)
    assert len(history(hub, repo)) == 3


def test_the_same_commit_many_times_at_once_is_one(hub, repo):
    parent, answers = head(hub, repo), []
    work = lambda: answers.append(hub.commit(repo, "alice", file("a.txt", "a"), summary="once", parentCommit=parent))
    threads = [threading.Thread(target=work) for _ in range(12)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert {a.expect(200).json()["commitOid"] for a in answers} == {head(hub, repo)}
    assert history(hub, repo) == ["once", "initial commit"]


def test_a_commit_to_a_pull_request_comes_again(hub, repo):
    opened = hub.commit(repo, "alice", file("a.txt", "a"), query="?create_pr=1").expect(200).json()
    number, parent = opened["pullRequestUrl"].rsplit("/", 1)[1], opened["commitOid"]
    first, second = (hub.commit(repo, "alice", file("b.txt", "b"), rev=f"refs%2Fpr%2F{number}", parentCommit=parent).expect(200).json()["commitOid"] for _ in range(2))
    assert first == second != parent


def test_the_client_leaves_out_what_is_there_already(hub, repo):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=hub.url, token=hub.tokens["alice"])
    hub.proxy.lose = {r"POST /api/models/.*/commit/": 1}
    with pytest.raises(HfHubHTTPError):
        api.upload_file(path_or_fileobj=b"words", path_in_repo="w.txt", repo_id=repo)
    made = head(hub, repo)
    assert api.upload_file(path_or_fileobj=b"words", path_in_repo="w.txt", repo_id=repo).oid == made
    assert len(history(hub, repo)) == 2


# ---------------------------------------------------------------- the rest


def test_what_people_repeat_by_hand(hub, repo):
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(endpoint=hub.url, token=hub.tokens["alice"])
    for pattern, call in ((r"POST /api/repos/create", lambda: api.create_repo("alice/again", exist_ok=True)),
                          (r"POST /api/models/.*/branch/", lambda: api.create_branch("alice/again", branch="dev", exist_ok=True)),
                          (r"POST /api/models/.*/tag/", lambda: api.create_tag("alice/again", tag="v1", exist_ok=True)),
                          (r"POST /api/buckets/alice/again", lambda: api.create_bucket("alice/again", exist_ok=True)),
                          (r"DELETE /api/repos/delete", lambda: api.delete_repo("alice/again", missing_ok=True)),
                          (r"DELETE /api/buckets/alice/again", lambda: api.delete_bucket("alice/again", missing_ok=True))):
        hub.proxy.lose = {pattern: 1}
        with pytest.raises(HfHubHTTPError):
            call()
        lost(hub, pattern.split(" ")[0])
        call()
    # Likes, follows and switches say what shall be, and not what to change.
    for method, path, body in (("POST", f"/api/models/{repo}/like", None), ("DELETE", f"/api/models/{repo}/like", None), ("POST", "/api/users/bob/follow", None),
                               ("DELETE", "/api/users/bob/follow", None), ("PUT", f"/api/models/{repo}/settings", {"gated": "auto"})):
        who = "bob" if method == "PUT" else "alice"
        for _ in range(2):
            hub.request(method, path, who, **({"json": body} if body else {})).expect(200)
    hook = hub.post("/api/settings/webhooks", "alice", json={"url": "https://hook.invalid/", "watched": [{"type": "user", "name": "alice"}], "domains": ["repo"]})
    hook = hook.expect(200).json()["webhook"]["id"]
    for verb in ("disable", "disable", "enable", "enable"):
        assert hub.post(f"/api/settings/webhooks/{hook}/{verb}", "alice").expect(200).json()["webhook"]["disabled"] == (verb == "disable")
    hub.request("DELETE", f"/api/settings/webhooks/{hook}", "alice").expect(200)
    hub.request("DELETE", f"/api/settings/webhooks/{hook}", "alice").error(404, None)
    # A merge that comes again finds it done.
    number = hub.commit(repo, "alice", file("a.txt", "a"), query="?create_pr=1").expect(200).json()["pullRequestUrl"].rsplit("/", 1)[1]
    hub.post(f"/api/models/{repo}/discussions/{number}/merge", "bob").expect(200)
    before = head(hub, repo)
    hub.post(f"/api/models/{repo}/discussions/{number}/merge", "bob").error(409, None)
    assert head(hub, repo) == before
