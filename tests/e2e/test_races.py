"""Two that want the same at the same moment, names that go round in circles, and cards that mean harm: one wins, others are told
clearly, and the hub goes on."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import wire
from wire import file

_names = iter(range(1, 1 << 30))


def fresh(owner: str = "alice") -> str:
    return f"{owner}/race{next(_names)}"


def made(hub, owner: str = "alice", **body) -> str:
    name = fresh(owner)
    hub.create(name, owner, **body).expect(200)
    return name


def at_once(*calls):
    """Their answers, in order; all begin together."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [f.result() for f in [pool.submit(run, call) for call in calls]]


def words(answer: wire.Response) -> wire.Response:
    """A refusal that says something."""
    assert answer.header("X-Error-Message") and answer.json()["error"], answer
    return answer


# ---------------------------------------------------------------- races


def test_one_repository_moves_to_one_of_two_places(hub):
    for _ in range(5):
        repo, goals = made(hub), [fresh(), fresh()]
        answers = at_once(*(lambda to=to: hub.post("/api/repos/move", "alice", json={"fromRepo": repo, "toRepo": to, "type": "model"}) for to in goals))
        # The second may find it under its old name and move it on; then it went to both, one after the other. It is never in two places.
        assert all(a.status in (200, 404, 409, 412) for a in answers) and any(a.status == 200 for a in answers), answers
        ids = {hub.get(f"/api/models/{name}").expect(200).json()["id"] for name in [repo, *(g for g, a in zip(goals, answers) if a.status == 200)]}
        assert len(ids) == 1 and ids <= set(goals), ids


def test_two_swap_names_through_a_third(hub):
    a, b, spare = made(hub), made(hub), fresh()
    ids = {name: hub.get(f"/api/models/{name}").json()["_id"] for name in (a, b)}
    for source, target in ((a, spare), (b, a), (spare, b)):
        hub.post("/api/repos/move", "alice", json={"fromRepo": source, "toRepo": target, "type": "model"}).expect(200)
    assert hub.get(f"/api/models/{a}").json()["_id"] == ids[b] and hub.get(f"/api/models/{b}").json()["_id"] == ids[a]
    assert hub.get(f"/api/models/{spare}").json()["id"] == b


def test_no_circle_of_redirects(hub):
    """However often it moves, to and fro, each old name leads to the new one by one step, for files, git and pages."""
    names = [made(hub), fresh(), fresh("bob")]
    hub.admin("org", "add", f"circle{next(_names)}", "--owner", "alice")
    hub.commit(names[0], "alice", file("a.txt", "a")).expect(200)
    places = [names[0], names[1], fresh(), names[0], names[1]]
    for source, target in zip(places, places[1:]):
        hub.post("/api/repos/move", "alice", json={"fromRepo": source, "toRepo": target, "type": "model"}).expect(200)
    now = places[-1]
    for name in set(places):
        for path in ("/{}/resolve/main/a.txt", "/{}.git/info/refs?service=git-upload-pack", "/{}/tree/main"):
            answer, steps, address = None, 0, path.format(name)
            while steps < 5:
                answer = hub.get(address)
                if not (answer.header("Location") and answer.status in (301, 302, 303, 307, 308)):
                    break
                address, steps = answer.header("Location"), steps + 1
            assert answer.status == 200 and steps == (0 if name == now else 1), f"{path.format(name)}: {steps} steps, {answer}"
            assert now in address
    # Moving to one's own old name, or to oneself, makes none either.
    hub.post("/api/repos/move", "alice", json={"fromRepo": now, "toRepo": now, "type": "model"}).error(409, None)


def test_a_repository_that_is_deleted_while_files_come(hub):
    for attempt in range(6):
        repo = made(hub)
        commits = [lambda i=i: hub.commit(repo, "alice", *(file(f"{i}/{j}.txt", f"{i} {j}\n" * 50) for j in range(40))) for i in range(4)]
        delete = lambda: (time.sleep(0.01 * attempt), hub.request("DELETE", "/api/repos/delete", "alice", json={"name": repo.split("/")[1], "organization": "alice"}))[1]
        *answers, gone = at_once(*commits, delete)
        gone.expect(200)
        for answer in answers:
            if answer.status != 200:
                assert answer.status in (404, 409, 412), answer
                words(answer)
        hub.get(f"/api/models/{repo}", "alice").error(404, "RepoNotFound")
        # Its name is free again, and nothing of it comes back.
        hub.create(repo, "alice").expect(200)
        assert [e["path"] for e in hub.get(f"/api/models/{repo}/tree/main?recursive=true").json()] == [".gitattributes"]


def test_a_bucket_that_is_deleted_while_files_come(hub):
    lines = wire.ndjson([{"type": "addFile", "path": f"f{i}", "xetHash": "0" * 64} for i in range(500)])
    for _ in range(4):
        bucket = fresh()
        hub.post(f"/api/buckets/{bucket}", "alice", json={}).expect(200)
        write = lambda: hub.post(f"/api/buckets/{bucket}/batch", "alice", body=lines, headers={"Content-Type": "application/x-ndjson"})
        *answers, gone = at_once(write, write, lambda: hub.request("DELETE", f"/api/buckets/{bucket}", "alice"))
        gone.expect(200)
        assert all(a.status in (200, 404, 409, 412, 422) for a in answers), answers
        hub.get(f"/api/buckets/{bucket}", "alice").expect(404)


def test_what_a_client_uploads_to_what_was_deleted(hub, tmp_path):
    """The content is there, and then the repository is not: the commit says so, and the client shows it."""
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    repo, api = made(hub), HfApi(endpoint=hub.url, token=hub.tokens["alice"])
    operation = CommitOperationAdd("w.bin", bytes(range(256)) * 2000)
    api.preupload_lfs_files(repo, additions=[operation])
    api.delete_repo(repo)
    with pytest.raises(RepositoryNotFoundError):
        api.create_commit(repo, operations=[operation], commit_message="late")
    # One of the same name that came meanwhile has nothing of it.
    hub.create(repo, "alice").expect(200)
    refused = hub.commit(repo, "alice", wire.lfs_file("w.bin", operation.upload_info.sha256.hex(), operation.upload_info.size))
    assert refused.status in (400, 404, 422) and "Upload its content" in words(refused).json()["error"], refused


def test_a_merge_and_a_close_and_a_push(hub):
    for _ in range(5):
        repo = made(hub)
        pull = hub.commit(repo, "bob", file("a.txt", "a"), query="?create_pr=1").expect(200).json()["pullRequestUrl"].rsplit("/", 1)[1]
        base = f"/api/models/{repo}/discussions/{pull}"
        merge = lambda: hub.post(f"{base}/merge", "alice")
        close = lambda: hub.post(f"{base}/status", "alice", json={"status": "closed"})
        push = lambda: hub.commit(repo, "bob", file("b.txt", "b"), rev=f"refs%2Fpr%2F{pull}")
        merged, again, closed, pushed = at_once(merge, merge, close, push)
        assert sorted([merged.status, again.status]) in ([200, 409], [409, 409]), (merged, again)
        assert pushed.status in (200, 403, 404, 409, 412), pushed
        state = hub.get(base).json()["status"]
        if 200 in (merged.status, again.status):
            assert state == "merged" and closed.status in (200, 400, 403, 409, 412), (state, closed)
            hub.get(f"/{repo}/resolve/main/a.txt").expect(200)
        else:
            assert state == "closed" and closed.status == 200, (state, closed)
            hub.get(f"/{repo}/resolve/main/a.txt").expect(404)
        for refused in (merged, again, closed, pushed):
            if refused.status != 200:
                words(refused)


def test_a_branch_that_is_made_and_deleted_at_once(hub):
    repo = made(hub)
    for _ in range(5):
        make = lambda: hub.post(f"/api/models/{repo}/branch/dev", "alice", json={})
        drop = lambda: hub.request("DELETE", f"/api/models/{repo}/branch/dev", "alice")
        answers = at_once(make, make, make, drop, drop)
        assert [a.status for a in answers[:3]].count(200) >= 1 and all(a.status in (200, 409) for a in answers[:3]), answers
        assert all(a.status in (200, 404, 409, 412) for a in answers[3:]), answers
        drop()


# ---------------------------------------------------------------- cards that mean harm


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"{c}: &{c} [{', '.join([f'*{p}'] * 10)}]\n" for p, c in zip("abcdefgh", "bcdefghi"))
HOSTILE = {
    "a billion laughs": f"---\n{LAUGHS}---\n# x\n",
    "an anchor to itself": "---\na: &a\n  b: *a\n---\n# x\n",
    "merges of merges": "---\n" + "".join(f"m{i}: &m{i} {{{', '.join([f'<<: *m{i - 1}'] * 2) if i else 'x: 1'}}}\n" for i in range(40)) + "---\n# x\n",
    "deep": f"---\na: {'[' * 20_000}{']' * 20_000}\n---\n# x\n",
    "many keys": "---\n" + "".join(f"k{i}: 1\n" for i in range(60_000)) + "---\n# x\n",
    "many tags": f"---\ntags: [{', '.join(f't{i}' for i in range(50_000))}]\n---\n# x\n",
    "a huge tag": f"---\ntags: [{'t' * 500_000}]\nlicense: {'l' * 100_000}\n---\n# x\n",
    "odd types": "---\ntags: {a: b}\nlanguage: 7\nlicense: [[mit]]\nbase_model: null\npipeline_tag: [1]\ndatasets: !!binary aGVsbG8=\nlibrary_name: !!python/object/apply:os.system [id]\n---\n# x\n",
    "control characters": "---\ntags: [\"a\\u0000b\", \"\\u202eevil\", \"<script>alert(1)</script>\", \"'; drop table repo; --\"]\nlicense: \"mit\\r\\nX-Evil: 1\"\n---\n# x\n",
    "quotes in quotes": "> " * 30_000 + "x",
    "lists in lists": "".join(f"{'  ' * i}- x\n" for i in range(3000)),
    "brackets": "[" * 100_000 + "x" + "](y)" * 50_000,
    "stars": "*a **b " * 60_000,
    "a wide table": "|" + "a|" * 20_000 + "\n|" + "-|" * 20_000 + "\n" + ("|" + "b|" * 20_000 + "\n") * 20,
    "links to links": "".join(f"[{i}]: <{i}>\n" for i in range(50_000)) + "[1]" * 50_000,
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)><a href='javascript:alert(1)'>x</a><svg onload=alert(1)><iframe srcdoc='<script>1</script>'></iframe>\n\n[x](javascript:alert(1)) ![x](data:text/html;base64,PHNjcmlwdD4=)\n",
    "eight megabytes": "word " * 1_600_000,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_card(hub, what):
    """It is history as any file. The pages and lists of its repository come soon, without anything that runs; others go on meanwhile."""
    repo = made(hub)
    begin = time.monotonic()
    other = made(hub)
    hub.commit(repo, "alice", file("README.md", HOSTILE[what])).expect(200)
    page = hub.get(f"/{repo}").expect(200)
    info = hub.get(f"/api/models/{repo}").expect(200).json()
    hub.get(f"/api/models?search={repo}&full=true&cardData=true").expect(200).json()
    hub.get("/api/facets/models?author=alice").expect(200).json()
    hub.get("/models?search=race").expect(200)
    hub.get(f"/{other}").expect(200)
    took = time.monotonic() - begin
    assert took < 30, f"{what} took {took:.1f} s"
    html = page.text
    assert len(html) < 12 << 20, len(html)
    assert not re.search(r"<script(?! type=\"module\" src=\"/assets/)|<[^>]+\son\w+\s*=|<iframe|<svg onload|href=\"?\s*javascript:", html, re.I), what
    assert all(len(tag) <= 1000 for tag in info["tags"]) and len(info["tags"]) <= 2000, (len(info["tags"]), max(map(len, info["tags"])))
    assert "\x00" not in "".join(info["tags"])
    # Whoever writes it by hand is told before.
    checked = hub.post("/api/validate-yaml", "alice", json={"content": HOSTILE[what][:3_000_000], "repoType": "model"})
    assert checked.status in (200, 400), checked
    # A good card makes all of it good.
    hub.commit(repo, "alice", file("README.md", "---\nlicense: mit\n---\n# Better\n")).expect(200)
    assert "license:mit" in hub.get(f"/api/models/{repo}").json()["tags"]
