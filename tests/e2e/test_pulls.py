"""Discussions and pull requests, as the real clients make them."""

import concurrent.futures
import json
import random
import shutil
from pathlib import Path

import hub as hubs
import pytest
import wire
import xet
from clients import sha256
from test_git import person

DISABLED = "default-src 'none'; sandbox"


def blob(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def bob(hub):
    """HfApi of today, signed in as bob, who may not write to alice's repositories."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.url, token=hub.tokens["bob"])


def details(hub, repo, num, who="alice", kind="models"):
    return hub.get(f"/api/{kind}/{repo}/discussions/{num}?diff=1", who).expect(200).json()


def propose(hub, repo, who, *operations, **header) -> int:
    answer = hub.commit(repo, who, *operations, query="?create_pr=1", **header).expect(200).json()
    url, _, num = answer["pullRequestUrl"].rpartition("/discussions/")
    assert url == f"{hub.url}/{repo}" and answer["commitUrl"].startswith(f"{url}/commit/")
    return int(num)


def merge(hub, repo, num, who="alice", **body):
    return hub.post(f"/api/models/{repo}/discussions/{num}/merge", who, **({"json": body} if body else {}))


# ---------------------------------------------------------------- Python


def test_a_stranger_proposes_and_the_owner_merges(hub, any_client, repo, tmp_path):
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    weights = blob(3_000_000, 3)
    (folder / "w.safetensors").write_bytes(weights)
    (folder / "sub" / "notes.md").write_text("# Notes\n")
    script = """
import json, os, sys
from huggingface_hub import CommitOperationAdd, HfApi
repo, folder, bob = sys.argv[1:]
theirs, mine = HfApi(token=bob), HfApi()
made = theirs.upload_folder(repo_id=repo, folder_path=folder, create_pr=True, commit_message="Weights and notes", commit_description="Both.")
pull = theirs.get_discussion_details(repo, made.pr_num)
# The client opens a draft first and commits to it, so that a lost answer cannot open two.
assert (made.pr_revision, pull.status, pull.title, pull.author) == ("refs/pr/1", "draft", "Weights and notes", "bob"), pull
theirs.change_discussion_status(repo, 1, "open")
assert pull.events[0].content == "Both." and pull.target_branch == "refs/heads/main" and pull.conflicting_files == [], pull
assert [e.summary for e in pull.events if e.type == "commit"] == ["Weights and notes"]
more = theirs.create_commit(repo, [CommitOperationAdd("x.bin", os.urandom(200_000))], commit_message="One more", revision="refs/pr/1")
assert [r.ref for r in mine.list_repo_refs(repo, include_pull_requests=True).pull_requests] == ["refs/pr/1"]
assert mine.list_repo_refs(repo).pull_requests is None
files = set(mine.list_repo_files(repo, revision="refs/pr/1"))
assert files == {".gitattributes", "sub/notes.md", "w.safetensors", "x.bin"}, files
assert set(mine.list_repo_files(repo)) == {".gitattributes"}
for refused in (lambda: theirs.merge_pull_request(repo, 1), lambda: theirs.upload_file(repo_id=repo, path_or_fileobj=b"x", path_in_repo="x")):
    try:
        refused()
        raise SystemExit("should have been refused")
    except Exception as e:
        assert e.response.status_code == 403, e
mine.comment_discussion(repo, 1, "Looks **good**.")
mine.merge_pull_request(repo, 1, comment="Thank you.")
done = mine.get_discussion_details(repo, 1)
assert done.status == "merged" and done.merge_commit_oid == mine.model_info(repo).sha, done
assert [e.new_status for e in done.events if e.type == "status-change"] == ["open", "merged"]
[last, *_] = mine.list_repo_commits(repo)
assert last.title == "Weights and notes (#1)" and last.authors == ["bob"], last
print(mine.hf_hub_download(repo, "w.safetensors"))
"""
    out = any_client.python(script, repo, folder, hub.tokens["bob"])
    assert sha256(Path(out.strip().splitlines()[-1])) == sha256(weights)


def test_without_xet(hub, client, repo, tmp_path):
    """By LFS, whole; the batch names no branch."""
    source = tmp_path / "w.bin"
    source.write_bytes(blob(500_000, 4))
    client.token = hub.tokens["bob"]
    client.more["HF_HUB_DISABLE_XET"] = "1"
    client.hf("upload", repo, source, "w.bin", "--create-pr")
    assert hub.get(f"/{repo}/resolve/refs%2Fpr%2F1/w.bin").expect(200).body == source.read_bytes()
    hub.get(f"/{repo}/resolve/main/w.bin").error(404, "EntryNotFound")
    # To a branch that is named, the same people may send nothing.
    body = {"operation": "upload", "transfers": ["basic"], "ref": {"name": "main"}, "objects": [{"oid": "ab" * 32, "size": 3}]}
    hub.post(f"/{repo}.git/info/lfs/objects/batch", "bob", json=body).expect(403)


def test_talk(hub, api, bob, repo):
    from huggingface_hub.errors import HfHubHTTPError

    made = bob.create_discussion(repo, "How large is it?", description="See [this](https://example.org) and <script>alert(1)</script>")
    assert (made.num, made.status, made.is_pull_request) == (1, "open", False)
    assert made.url == f"{hub.url}/{repo}/discussions/1"
    html = made.events[0].rendered
    assert "https://example.org" in html and "<script" not in html
    answer = api.comment_discussion(repo, 1, "About *this* large")
    with pytest.raises(HfHubHTTPError) as refused:
        bob.edit_discussion_comment(repo, 1, answer.id, "small")
    assert refused.value.response.status_code == 403
    changed = api.edit_discussion_comment(repo, 1, answer.id, "About **that** large")
    assert changed.edited and changed.number_of_edits == 1 and changed.last_edited_by == "alice"
    assert changed.edit_history[0]["raw"] == "About *this* large"
    secret = bob.comment_discussion(repo, 1, "my password is hunter2")
    hidden = bob.hide_discussion_comment(repo, 1, secret.id.upper())
    assert hidden.hidden and "hunter2" not in json.dumps(hidden._event)
    assert "hunter2" not in hub.get(f"/api/models/{repo}/discussions/1").text
    with pytest.raises(HfHubHTTPError):
        bob.edit_discussion_comment(repo, 1, secret.id, "back again")
    bob.rename_discussion(repo, 1, "How large?")
    closed = bob.change_discussion_status(repo, 1, "closed", comment="Thanks")
    assert closed.new_status == "closed"
    assert [d.num for d in api.get_repo_discussions(repo, discussion_status="open")] == []
    assert [d.title for d in api.get_repo_discussions(repo, discussion_status="closed", author="bob")] == ["How large?"]
    for bad in ({"title": "", "description": "x"}, {"title": "x" * 300}, {"description": "x"}, {"title": 5}):
        hub.post(f"/api/models/{repo}/discussions", "bob", json=bad).error(400, None)
    for path in ("2", "0", "-1", "x", "99999999999999999999"):
        hub.get(f"/api/models/{repo}/discussions/{path}", "bob").error(404, None)
    hub.post(f"/api/models/{repo}/discussions/1/comment/xyz/edit", "bob", json={"content": "x"}).error(404, None)


def test_many_are_paged(hub, api, repo):
    for i in range(53):
        hub.post(f"/api/models/{repo}/discussions", "alice", json={"title": f"n{i}", "description": "x"}).expect(200)
    assert [d.num for d in api.get_repo_discussions(repo)] == list(range(53, 0, -1))
    page = hub.get(f"/api/models/{repo}/discussions?p=1&status=open&type=discussion").expect(200).json()
    assert (page["count"], page["start"], len(page["discussions"])) == (53, 50, 3)


@pytest.mark.parametrize("kind", ["dataset", "space", "kernel"])
def test_other_kinds(hub, kind):
    repo = f"alice/pulls-{kind}"
    hub.create(repo, "alice", kind=kind).expect(200)
    made = hub.commit(repo, "bob", wire.file("a.txt", "a"), kind=f"{kind}s", query="?create_pr=1").expect(200).json()
    assert made["pullRequestUrl"] == f"{hub.url}/{kind}s/{repo}/discussions/1"
    hub.post(f"/api/{kind}s/{repo}/discussions/1/merge", "alice").expect(200)
    assert hub.get(f"/{kind}s/{repo}/resolve/main/a.txt").expect(200).text == "a"


# ---------------------------------------------------------------- merging


def test_conflicts(hub, api, repo):
    base = hub.commit(repo, "alice", wire.file("a.txt", "1\n2\n3\n4\n5\n6\n7\n8\n"), wire.file("b.txt", "1\n")).expect(200).json()["commitOid"]
    num = propose(hub, repo, "bob", wire.file("a.txt", "one\n2\n3\n4\n5\n6\n7\n8\n"), wire.file("b.txt", "x\n"), parentCommit=base)
    hub.commit(repo, "alice", wire.file("a.txt", "1\n2\n3\n4\n5\n6\n7\neight\n"), wire.file("b.txt", "y\n")).expect(200)
    assert details(hub, repo, num)["filesWithConflicts"] == ["b.txt"]
    refused = merge(hub, repo, num).error(409, None)
    assert "b.txt" in refused.json()["error"]
    assert api.get_discussion_details(repo, num).status == "open"
    # Once the proposal agrees on that file, the other is merged by lines.
    hub.commit(repo, "bob", wire.file("b.txt", "y\n"), rev=f"refs%2Fpr%2F{num}").expect(200)
    assert details(hub, repo, num)["filesWithConflicts"] == []
    merge(hub, repo, num, comment="Now it fits.").expect(200)
    assert hub.get(f"/{repo}/resolve/main/a.txt").text == "one\n2\n3\n4\n5\n6\n7\neight\n"
    merge(hub, repo, num).error(409, None, "merged already")
    hub.commit(repo, "bob", wire.file("c.txt", "y\n"), rev=f"refs%2Fpr%2F{num}").error(403, None, "was merged")


def test_of_many_merges_one_wins(hub, repo):
    numbers = [propose(hub, repo, "bob", wire.file(f"f{i}.txt", "x")) for i in range(3)]
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda num: (num, merge(hub, repo, num).status), numbers * 4))
    assert sorted(num for num, status in answers if status == 200) == numbers, answers
    assert {status for _, status in answers} == {200, 409}
    log = hub.get(f"/api/models/{repo}/commits/main").json()
    assert len(log) == 4 and {c["title"] for c in log[:3]} == {f"a change (#{n})" for n in numbers}


def test_the_diff_is_one_that_git_takes(hub, repo, tmp_path):
    hub.commit(repo, "alice", wire.file("a.txt", "1\n2\n3\n"), wire.file("gone.txt", "x\n"), wire.file("empty", "")).expect(200)
    picture = b"\x89PNG\r\n\x1a\n\0\0"
    num = propose(hub, repo, "bob", wire.file("a.txt", "1\ntwo\n3"), wire.deleted_file("gone.txt"), wire.file("新 文件.md", "hi\n"),
                  wire.deleted_file("empty"), wire.file("none", ""))
    git = person(hub, tmp_path / "git", "alice")
    at = git.clone(git.of(repo), "w")
    git.run("apply", "--index", "-", cwd=at, data=details(hub, repo, num)["diff"].encode())
    git.run("fetch", "-q", "origin", f"refs/pr/{num}", cwd=at)
    assert git.run("write-tree", cwd=at) == git.run("rev-parse", "FETCH_HEAD^{tree}", cwd=at)
    # What is no text is said to differ.
    num = propose(hub, repo, "bob", wire.file("p.png", picture))
    assert "Binary files /dev/null and b/p.png differ" in details(hub, repo, num)["diff"]
    num = propose(hub, repo, "bob", wire.file("long.txt", "".join(f"{i}\n" for i in range(30_000))))
    assert "Binary files /dev/null and b/long.txt differ" in details(hub, repo, num)["diff"]


# ---------------------------------------------------------------- git


def test_git(hub, api, repo, tmp_path):
    num = propose(hub, repo, "bob", wire.file("a.txt", "a\n"))
    ref = f"refs/pr/{num}"
    bob, alice, nobody = (person(hub, tmp_path / name, who) for name, who in (("b", "bob"), ("a", "alice"), ("n", None)))
    at = nobody.clone(nobody.of(repo), "w")
    nobody.run("fetch", "-q", "origin", f"{ref}:pull", cwd=at)
    assert (nobody.run("show", "pull:a.txt", cwd=at)) == "a"
    at = bob.clone(bob.of(repo), "w")
    bob.run("fetch", "-q", "origin", ref, cwd=at)
    bob.run("checkout", "-q", "-b", "work", "FETCH_HEAD", cwd=at)
    for i in range(3):
        (at / f"b{i}.txt").write_text("b\n")
        bob.run("add", ".", cwd=at)
        bob.run("commit", "-qm", f"pushed {i}", cwd=at)
    bob.run("push", "-q", "origin", f"HEAD:{ref}", cwd=at)
    said = [e["data"].get("subject") for e in details(hub, repo, num)["events"] if e["type"] == "commit"]
    assert said == ["a change", "pushed 0", "pushed 1", "pushed 2"]
    # Nothing else of this repository is bob's, and of a push with both not the one that may not.
    for target in ("main", "new", "refs/tags/v1"):
        assert "You may not write to this repository" in bob.run("push", "origin", f"HEAD:{target}" if "/" in target else f"HEAD:refs/heads/{target}", cwd=at, check=False)
    theirs = propose(hub, repo, "alice", wire.file("t.txt", "t\n"))
    assert "Only its author" in bob.run("push", "-f", "origin", f"HEAD:refs/pr/{theirs}", cwd=at, check=False)
    assert "not deleted" in bob.run("push", "origin", f":{ref}", cwd=at, check=False)
    out = bob.run("push", "origin", f"HEAD:{ref}", "HEAD:refs/heads/main", cwd=at, check=False)
    assert "You may not write" in out

    # Who may write adds to it, also by force, and merges.
    at = alice.clone(alice.of(repo), "w")
    alice.run("fetch", "-q", "origin", ref, cwd=at)
    alice.run("checkout", "-q", "FETCH_HEAD~1", cwd=at)
    alice.run("push", "-qf", "origin", f"HEAD:{ref}", cwd=at)
    merge(hub, repo, num).expect(200)
    assert hub.get(f"/{repo}/resolve/main/b1.txt").expect(200).text == "b\n"
    hub.get(f"/{repo}/resolve/main/b2.txt").expect(404)
    assert "was merged" in alice.run("push", "-f", "origin", f"FETCH_HEAD:{ref}", cwd=at, check=False)


@pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not here")
def test_git_lfs(hub, repo, tmp_path):
    from test_lfs import Git

    num = propose(hub, repo, "bob", wire.file("a.txt", "a\n"))
    bob = Git(hub, tmp_path / "bob", repo, "bob")
    bob("fetch", "-q", "origin", f"refs/pr/{num}")
    bob("checkout", "-q", "-b", "work", "FETCH_HEAD")
    bob("lfs", "track", "*.dat")
    data = blob(300_000, 9)
    (bob.folder / "x.dat").write_bytes(data)
    bob("add", ".")
    bob("commit", "-qm", "data")
    bob("push", "origin", f"HEAD:refs/pr/{num}")
    assert hub.get(f"/{repo}/resolve/refs%2Fpr%2F{num}/x.dat").expect(200).body == data
    merge(hub, repo, num).expect(200)
    assert hub.get(f"/{repo}/resolve/main/x.dat").expect(200).body == data


# ---------------------------------------------------------------- JavaScript

PROPOSE = """
import { openAsBlob } from "node:fs";
import { uploadFile } from "@huggingface/hub";
const [repo, source, path, way] = process.argv.slice(2);
const common = { hubUrl: process.env.HF_ENDPOINT, accessToken: process.env.HF_TOKEN };
const file = { path, content: await openAsBlob(source) };
const done = await uploadFile({ ...common, repo, file, useXet: way !== "lfs", useWebWorkers: false, isPullRequest: true });
console.log(done.pullRequestUrl);
"""


@pytest.mark.parametrize("way", ["xet", "lfs"])
def test_javascript(hub, client, repo, tmp_path, way):
    (tmp_path / "node_modules").symlink_to(hubs.javascript() / "node_modules")
    (tmp_path / "propose.mjs").write_text(PROPOSE)
    (tmp_path / "w.bin").write_bytes(blob(2_000_000, 12))
    client.token = hub.tokens["bob"]
    out = client.run("node", tmp_path / "propose.mjs", repo, tmp_path / "w.bin", "w.bin", way)
    assert out.strip().endswith(f"{hub.url}/{repo}/discussions/1"), out
    assert hub.get(f"/{repo}/resolve/refs%2Fpr%2F1/w.bin").expect(200).body == blob(2_000_000, 12)


# ---------------------------------------------------------------- what a proposal may not reach


def test_a_proposal_sees_nothing_of_its_hosts_store(hub, repo):
    """Who proposes to one repository of a namespace can build upon nothing that is stored for another."""
    hub.create("alice/vault", "alice", visibility="private").expect(200)
    owner = hub.get("/api/models/alice/vault/xet-write-token/main", "alice").expect(200).json()
    secret = xet.Xorb(xet.split(b"secret" * 40_000))
    wire.request("POST", f"{owner['casUrl']}/v1/xorbs/default/{secret.name}", token=owner["accessToken"], body=secret.body()).expect(200)
    guest = hub.get(f"/api/models/{repo}/xet-write-token/None?create_pr=1", "bob").expect(200).json()
    assert guest["casUrl"] != owner["casUrl"]
    stolen = xet.shard([xet.File.whole(secret)], [])
    for url in (guest["casUrl"], owner["casUrl"]):
        answer = wire.request("POST", f"{url}/v1/shards", token=guest["accessToken"], body=stolen)
        assert answer.status in (400, 403), answer
    known = wire.get(f"{guest['casUrl']}/v1/chunks/default/{xet.text(secret.nodes[0][0])}", token=guest["accessToken"])
    assert known.status == 404, known


def test_a_proposal_says_what_is_true_of_its_content(hub, repo):
    """A sha256 that is claimed with a proposal is looked at before it counts, so that it cannot stand in the way of the owner's."""
    guest = hub.get(f"/api/models/{repo}/xet-write-token/None?create_pr=1", "bob").expect(200).json()
    xorb = xet.Xorb(xet.split(blob(300_000, 77)))
    wire.request("POST", f"{guest['casUrl']}/v1/xorbs/default/{xorb.name}", token=guest["accessToken"], body=xorb.body()).expect(200)
    true = xet.File.whole(xorb)
    false = xet.File(true.hash, true.terms, bytes.fromhex("ab" * 32))
    answer = wire.request("POST", f"{guest['casUrl']}/v1/shards", token=guest["accessToken"], body=xet.shard([false], [xorb]))
    assert answer.status == 400 and "sha256" in answer.text, answer
    hub.commit(repo, "bob", wire.lfs_file("w.bin", "ab" * 32, 300_000), query="?create_pr=1").expect(400)
    wire.request("POST", f"{guest['casUrl']}/v1/shards", token=guest["accessToken"], body=xet.shard([true], [xorb])).expect(200)
    num = propose(hub, repo, "bob", wire.lfs_file("w.bin", true.sha256.hex(), 300_000))
    assert hub.get(f"/{repo}/resolve/refs%2Fpr%2F{num}/w.bin").expect(200).body == blob(300_000, 77)
    assert details(hub, repo, num)["diff"].count("+oid sha256:") == 1


# ---------------------------------------------------------------- uploads


def test_uploads(hub, bob, tmp_path):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10
    (tmp_path / "a.png").write_bytes(picture)
    url = bob.upload_attachment(tmp_path / "a.png")
    assert url.startswith(f"{hub.url}/uploads/")
    answer = wire.get(url).expect(200)
    assert answer.body == picture
    for name, value in (("Content-Type", "image/png"), ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", DISABLED)):
        assert answer.header(name) == value
    part = wire.get(url, headers={"Range": "bytes=1-3"}).expect(206)
    assert part.body == b"PNG" and part.header("Content-Range") == f"bytes 1-3/{len(picture)}"
    wire.get(url, headers={"Range": "bytes=999999-"}).expect(416)
    for kind, body in (("image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), ("image/png", b"<html>"), ("text/html", picture), ("video/mp4", picture)):
        hub.post("/uploads", "bob", body=body, headers={"Content-Type": kind}).error(400, None)
    hub.post("/uploads", "bob", body=picture + bytes(11 << 20), headers={"Content-Type": "image/png"}).expect(413)
    wire.get(f"{hub.url}/uploads/nothing.png").error(404, None)
