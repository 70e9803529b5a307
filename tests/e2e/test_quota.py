"""Quotas: what an administrator allows, enforced before an upload starts at every door, and shown to those it concerns."""

import random

import browser
import pytest
import wire
from test_git import person
from test_lfs import batch

MB = 1_000_000


def noise(size: int, seed: int = 1) -> bytes:
    """Content that nothing else has and no compression makes smaller."""
    return random.Random(seed).randbytes(size)


@pytest.fixture(autouse=True)
def no_quota(hub):
    yield
    for who in ("--users", "--orgs", "alice", "acme"):
        hub.admin("quota", "unset", who)


def used(hub, who="alice", org=None) -> dict:
    path = f"/api/organizations/{org}/settings/quota" if org else "/api/settings/quota"
    return hub.get(path, who).expect(200).json()


def allow(hub, more: int, who: str = "alice"):
    """So many bytes more than there are."""
    have = used(hub)["used"]["bytes"] if who == "alice" else used(hub, "bob", who)["used"]["bytes"]
    hub.admin("quota", "set", who, "--bytes", str(have + more))


def test_the_command_line_sets_and_shows(hub):
    assert hub.admin("quota", "show", "--users").splitlines() == ["bytes not set", "repos not set"]
    hub.admin("quota", "set", "--users", "--bytes", "500GB", "--repos", "1000")
    assert hub.admin("quota", "show", "--users").splitlines() == ["bytes 500000000000", "repos 1000"]
    told = hub.admin("quota", "set", "alice", "--bytes", "2KiB").splitlines()
    assert told[0].startswith("bytes ") and " of 2048 (" in told[0] and told[1].endswith(" of 1000"), told
    hub.admin("quota", "set", "alice", "--bytes", "none")
    assert used(hub)["limit"] == {"bytes": None, "repositories": 1000}
    hub.admin("quota", "unset", "alice")
    assert used(hub)["limit"] == {"bytes": 500_000_000_000, "repositories": 1000}
    hub.admin("quota", "unset", "--users", "--repos")
    assert used(hub)["limit"] == {"bytes": 500_000_000_000, "repositories": None}
    # An organization has what is set for organizations, and its members see it.
    hub.admin("quota", "set", "--orgs", "--repos", "7")
    assert used(hub, "bob", "acme")["limit"] == {"bytes": None, "repositories": 7}
    hub.get("/api/organizations/acme/settings/quota", "alice").expect(403)
    hub.get("/api/organizations/nowhere/settings/quota", "alice").expect(404)
    hub.get("/api/settings/quota").expect(401)
    for wrong in (("set", "alice"), ("set", "alice", "--bytes", "1EB"), ("show",), ("show", "nobody"), ("show", "--users", "--orgs")):
        assert hub.run("admin", "quota", *wrong, check=False).returncode != 0, wrong


@pytest.mark.parametrize("xet", (True, False))
def test_the_client_is_told_before_it_uploads(hub, repo, any_client, xet):
    any_client.more = {} if xet else {"HF_HUB_DISABLE_XET": "1"}
    (any_client.home / "up").mkdir(parents=True)
    small, large = any_client.home / "up" / "small.bin", any_client.home / "up" / "large.bin"
    seed = hash((any_client.version, xet))
    small.write_bytes(noise(MB, seed))
    large.write_bytes(noise(4 * MB, seed + 1))
    allow(hub, 2 * MB)
    before = used(hub)["used"]
    said = any_client.hf("upload", repo, large, "large.bin", check=False)
    assert "Storage quota" in said and "user 'alice' uses" in said and "ask the administrator" in said, said
    assert used(hub)["used"] == before, "nothing was sent"
    any_client.hf("upload", repo, small, "small.bin")
    now = used(hub)["used"]
    assert now["largeBytes"] == before["largeBytes"] + MB and now["bytes"] == now["largeBytes"] + now["gitBytes"]
    # The same again needs no room, though there is none for as much.
    allow(hub, MB // 2)
    any_client.hf("upload", repo, small, "small.bin")


def test_every_door_is_shut_when_it_is_full(hub, api, repo, tmp_path):
    api.upload_file(repo_id=repo, path_or_fileobj=noise(MB), path_in_repo="w.bin")
    hub.create("acme/source", "bob").expect(200)
    hub.post("/api/buckets/alice/full", "alice", json={}).expect(200)
    bucket = hub.get("/api/buckets/alice/full/xet-write-token", "alice").expect(200)
    git = person(hub, tmp_path, "alice")
    work = git.clone(git.of(repo), "work")
    allow(hub, 0)

    def refuses(answer: wire.Response):
        answer.expect(413)
        assert "quota" in answer.json()["error"] and "user 'alice'" in answer.json()["error"], answer
        return answer

    refuses(hub.get(f"/api/models/{repo}/xet-write-token/main", "alice"))
    refuses(hub.get("/api/buckets/alice/full/xet-write-token", "alice"))
    refuses(hub.post(f"/api/models/{repo}/preupload/main", "alice", json={"files": [{"path": "x.bin", "size": 5 * MB, "sample": "AA=="}]}))
    refuses(hub.commit(repo, "alice", wire.file("a.txt", "text")))
    refuses(hub.create("alice/another", "alice"))
    refuses(hub.post("/api/models/acme/source/duplicate", "alice", json={"repository": "alice/copied"}))
    told = batch(hub, repo, "alice", "upload", ("a" * 64, 5 * MB))["objects"][0]
    assert told["error"]["code"] == 413 and "Storage quota" in told["error"]["message"], told
    # What was lent before does not get in behind the quota's back: the bucket may not take a copy.
    xet = next(f["xetHash"] for f in hub.get(f"/api/models/{repo}/tree/main", "alice").json() if f["path"] == "w.bin")
    line = {"type": "copyFile", "path": "w.bin", "xetHash": xet, "sourceRepoType": "model", "sourceRepoId": repo}
    assert bucket.json()["accessToken"]
    answer = hub.post("/api/buckets/alice/full/batch", "alice", body=wire.ndjson([line]))
    refuses(answer)
    # git shows the words on the screen.
    (work / "b.txt").write_bytes(noise(2000))
    git.run("add", ".", cwd=work)
    git.run("commit", "-m", "x", cwd=work)
    said = git.run("push", cwd=work, check=False)
    assert "Storage quota" in said and "ask the administrator" in said, said
    # Reading and making room go on.
    hub.get(f"/{repo}/resolve/main/w.bin", "alice").expect(200)
    hub.commit(repo, "alice", {"key": "deletedFile", "value": {"path": "w.bin"}}).expect(200)
    hub.request("DELETE", "/api/repos/delete", "alice", json={"name": repo.split("/")[1], "organization": "alice"}).expect(200)
    hub.commit("acme/source", "bob", wire.file("a.txt", "text")).expect(200)


def test_what_moves_in_must_fit(hub, api):
    hub.admin("org", "member", "acme", "alice", "--role", "contributor")
    name = "alice/heavy"
    hub.create(name, "alice").expect(200)
    api.upload_file(repo_id=name, path_or_fileobj=noise(2 * MB, 7), path_in_repo="w.bin")
    allow(hub, MB, "acme")
    move = lambda: hub.post("/api/repos/move", "alice", json={"fromRepo": name, "toRepo": "acme/heavy", "type": "model"})
    answer = move().expect(413)
    assert "organization 'acme' uses" in answer.json()["error"], answer
    allow(hub, 3 * MB, "acme")
    before, there = used(hub)["used"], used(hub, "bob", "acme")["used"]
    move().expect(200)
    after, now = used(hub)["used"], used(hub, "bob", "acme")["used"]
    assert before["repositories"] - after["repositories"] == now["repositories"] - there["repositories"] == 1
    assert before["largeBytes"] - after["largeBytes"] == now["largeBytes"] - there["largeBytes"] == 2 * MB


def test_the_number_of_repositories(hub, client):
    have = used(hub)["used"]["repositories"]
    hub.admin("quota", "set", "alice", "--repos", str(have + 1))
    client.hf("repos", "create", "alice/last")
    said = client.hf("repos", "create", "alice/toomany", check=False)
    assert f"has {have + 1} of {have + 1} repositories and buckets" in said, said
    # What is there already is no new one.
    client.hf("repos", "create", "alice/last", "--exist-ok")


def test_the_pages_show_it(hub):
    bob = browser.person(hub, "bob")
    hub.admin("quota", "set", "acme", "--bytes", "1TB", "--repos", "12")
    page = bob.get("/settings/organizations/acme/usage").text
    assert 'max="1000000000000"' in page and 'max="12"' in page and "<meter" in page, page
    assert "/settings/usage" in bob.get("/settings/tokens").text and "<meter" not in bob.get("/settings/usage").text
