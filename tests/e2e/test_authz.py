"""Who may do what: every route, on a public, a private, a gated and a disabled repository of an organization, for every kind of
caller.

The rule that all of it follows: a wrong credential is 401; what one may not know exists is 404 (401 for nobody); what
one may know but not do is 403. Of a gated repository everyone sees what there is, and only those who have a part in it or were
accepted read it. Of one that was taken down everyone sees that it was.
"""

import base64
import hashlib
import itertools
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
import wire
import xet

OK = "ok"
OWNER, READER, CONTRIBUTOR, WRITER, OUTSIDER = "bob", "rita", "connie", "will", "oscar"
GUEST, WAITING, REFUSED = "greta", "wanda", "rupert"
CALLERS = ["nobody", "bad", "revoked", "expired", "disabled", "outsider", "guest", "guest-scoped", "waiting", "refused", "reader", "contributor", "writer", "owner", "owner-reads",
           "scoped", "scoped-read", "scoped-elsewhere", "admin"]
WRONG = {"bad", "revoked", "expired", "disabled"}
# The strongest thing each may do to acme/public and acme/private that the owner made.
KNOWN = {"reader": "push", "contributor": "push", "writer": "write", "owner": "admin", "owner-reads": "content", "scoped": "write",
         "scoped-read": "content", "admin": "admin"}
# Who may read and has a token that writes takes part: in discussions, and with pull requests.
LEVELS = ["read", "list", "content", "push", "write", "admin"]
OTHERS = {"outsider", "guest", "waiting", "refused"}
REPOS = ["acme/public", "acme/private", "acme/gated", "acme/down"]
GIT_FETCH = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
GIT_PUSH = {"Content-Type": "application/x-git-receive-pack-request"}


def expected(caller: str, need: str, sort: str):
    """The answer that the rule gives: OK or (status, X-Error-Code). `sort` is public, private, gated or down."""
    if caller in WRONG:
        return 401, None
    if need in ("talk", "own"):
        # Whoever takes part must be let in to the content first; what is another's, only writers change.
        first = expected(caller, "content", sort)
        if first is not OK:
            return first
        need = {"talk": "push", "own": "write"}[need]
    have = KNOWN.get(caller)
    if have is None and sort == "private":
        return (401 if caller == "nobody" else 404), "RepoNotFound"
    have = have or ("list" if sort == "gated" and caller != "guest" else "push" if caller in OTHERS else "content")
    if sort == "down":
        if need == "read" or (need == "admin" and have == "admin"):
            return OK
        if LEVELS.index(need) <= LEVELS.index(have):
            return 403, None
    if LEVELS.index(have) >= LEVELS.index(need):
        return OK
    if need == "content":
        return (401 if caller == "nobody" else 403), "GatedRepo"
    return (401 if caller == "nobody" else 403), None


@pytest.fixture(scope="module")
def people(hub):
    """Tokens by caller. What the command line cannot arrange (ends and scopes of tokens) is written into the database."""
    for user in (READER, CONTRIBUTOR, WRITER, OUTSIDER, GUEST, WAITING, REFUSED, "gone"):
        hub.add_user(user)
    tokens = {"nobody": None, "bad": "hf_" + "Z" * 37, "outsider": hub.tokens[OUTSIDER], "reader": hub.tokens[READER],
              "contributor": hub.tokens[CONTRIBUTOR], "writer": hub.tokens[WRITER], "owner": hub.tokens[OWNER], "disabled": hub.tokens["gone"],
              "owner-reads": hub.add_token(OWNER, "read"), "admin": hub.tokens["root"], "guest": hub.tokens[GUEST], "waiting": hub.tokens[WAITING], "refused": hub.tokens[REFUSED],
              "guest-scoped": hub.add_token(GUEST, "write")}
    for name in ("revoked", "expired", "scoped", "scoped-read", "scoped-elsewhere"):
        tokens[name] = hub.add_token(OWNER, "write")
    for user, role in ((READER, "read"), (CONTRIBUTOR, "contributor"), (WRITER, "write")):
        hub.admin("org", "member", "acme", user, "--role", role)
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as db, db:
        ids = dict(db.execute("select name, id from namespace"))
        now = int(time.time() * 1000)

        def change(caller, **columns):
            by = hashlib.sha256(tokens[caller].encode()).digest()
            sets = ", ".join(f"{c} = ?" for c in columns)
            done = db.execute(f"update token set {sets} where hash = ?", (*columns.values(), by))
            assert done.rowcount == 1, f"no token of {caller} by its hash"

        def scope(action, *entities):
            inner = ",".join(f'{{"entity":"{e}","action":"{action}"}}' for e in entities)
            return {"role": "fineGrained", "scopes": f"[{inner}]"}

        change("revoked", revoked_at=now - 1000)
        change("expired", expires_at=now - 1000)
        change("scoped", **scope("write", *REPOS))
        change("scoped-read", **scope("read", "acme"))
        # Let in as a person, by a token that does not reach there.
        change("guest-scoped", **scope("write", GUEST, "acme/other"))
        change("scoped-elsewhere", **scope("write", "bob", "acme/other"))
        db.execute("update account set disabled_at = ? where user_id = ?", (now, ids["gone"]))
    return tokens


@pytest.fixture(scope="module")
def place(hub, people):
    """A repository of each sort, with a text, weights in the store, and what the routes need to name them."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url, token=hub.tokens[OWNER])
    weights = bytes(range(256)) * 300
    shards = b'{"metadata": {}, "weight_map": {}}'
    for name in ("public", "private", "gated", "down", "other"):
        hub.create(f"acme/{name}", OWNER, visibility="private" if name in ("private", "other") else "public").expect(200)
        hub.commit(f"acme/{name}", OWNER, wire.file("model.safetensors.index.json", shards)).expect(200)
        hub.commit(f"acme/{name}", OWNER, wire.file("a.txt", "a"), wire.file("d/b.txt", "b")).expect(200)
        api.upload_file(path_or_fileobj=weights, path_in_repo="w.bin", repo_id=f"acme/{name}")
        api.upload_file(path_or_fileobj=b"GGUF\x03\0\0\0" + bytes(16), path_in_repo="w.gguf", repo_id=f"acme/{name}")
    hub.request("PUT", "/api/models/acme/gated/settings", OWNER, json={"gated": "manual"}).expect(200)
    for user in (GUEST, WAITING, REFUSED):
        hub.post("/acme/gated/ask-access", user, json={}).expect(200)
    for user, status in ((GUEST, "accepted"), (REFUSED, "rejected")):
        hub.post("/api/models/acme/gated/user-access-request/handle", OWNER, json={"user": user, "status": status}).expect(200)
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as db, db:
        db.execute("update repo set disabled_reason = 'a test' where fold = 'down'")
    return {"oid": hashlib.sha256(weights).hexdigest(), "size": len(weights), "shards": shards}


numbers = itertools.count()


def operations(hub, place, repo):
    """(what is needed, method and path, request) of each route that names a repository."""
    made = f"made{next(numbers)}"

    def doomed(kind):
        """A branch or tag that may be deleted, made by the owner if the repository is there at all."""
        path = f"/api/models/{repo}/branch/{made}b" if kind == "branch" else f"/api/models/{repo}/tag/main"
        hub.post(path, OWNER, json={"startingPoint": "main", "tag": f"{made}t"})
        return {}

    lfs = {"Content-Type": "application/vnd.git-lfs+json"}
    sample = base64.b64encode(b"x").decode()

    def batch(operation, **more):
        body = {"operation": operation, "transfers": ["basic"], "objects": [{"oid": place["oid"], "size": place["size"]}]}
        return {"json": body | more, "headers": lfs}

    def commit():
        lines = [{"key": "header", "value": {"summary": "x"}}, wire.file(f"n{next(numbers)}.txt", "x")]
        return {"body": wire.ndjson(lines), "headers": {"Content-Type": "application/x-ndjson"}}

    def thread(pull=False):
        """The number of a discussion or draft of the owner's, and the id of its first comment."""
        base = f"/api/models/{repo}/discussions"
        made = hub.post(base, OWNER, json={"title": "Words", "description": "first", "pullRequest": pull})
        if made.status != 200:
            return 1, "0" * 24
        num = made.json()["num"]
        if pull:
            hub.post(f"{base}/{num}/status", OWNER, json={"status": "open"}).expect(200)
        return num, hub.get(f"{base}/{num}", OWNER).json()["events"][0]["id"]

    (num, event), (pull, _), (other, _) = thread(), thread(True), thread(True)
    d, files = "/api/models/{}/discussions", {"json": {"files": [{"path": "x", "size": 1, "sample": sample}]}}
    talk = [
        ("content", "GET", d, dict),
        ("content", "GET", f"{d}/{num}", dict),
        ("content", "GET", f"{d}/{pull}?diff=1", dict),
        ("talk", "POST", d, lambda: {"json": {"title": "Mine", "description": "x"}}),
        ("talk", "POST", d, lambda: {"json": {"title": "Mine", "description": "x", "pullRequest": True}}),
        ("talk", "POST", f"{d}/{num}/comment", lambda: {"json": {"comment": "x"}}),
        # What is somebody else's, only who may write changes.
        ("own", "POST", f"{d}/{num}/title", lambda: {"json": {"title": f"Other {made}"}}),
        ("own", "POST", f"{d}/{num}/status", lambda: {"json": {"status": "closed"}}),
        ("own", "POST", f"{d}/{num}/comment/{event}/edit", lambda: {"json": {"content": "y"}}),
        ("own", "POST", f"{d}/{num}/comment/{event}/hide", dict),
        ("write", "POST", f"{d}/{pull}/merge", dict),
        ("talk", "POST", "/api/models/{}/commit/main?create_pr=1", commit),
        ("talk", "POST", "/api/models/{}/preupload/main?create_pr=1", lambda: files),
        ("talk", "GET", "/api/models/{}/xet-write-token/None?create_pr=1", dict),
        ("own", "POST", f"/api/models/{{}}/commit/refs%2Fpr%2F{other}", commit),
        ("own", "POST", f"/api/models/{{}}/preupload/refs%2Fpr%2F{other}", lambda: files),
        ("own", "GET", f"/api/models/{{}}/xet-write-token/refs%2Fpr%2F{other}", dict),
    ]

    lfs_doors = [
        ("content", "POST", "/{}.git/info/lfs/objects/batch", lambda: batch("download")),
        ("push", "POST", "/{}.git/info/lfs/objects/batch", lambda: batch("upload")),
        ("write", "POST", "/{}.git/info/lfs/objects/batch", lambda: batch("upload", ref={"name": "refs/heads/main"})),
        ("own", "POST", "/{}.git/info/lfs/objects/batch", lambda: batch("upload", ref={"name": f"refs/pr/{other}"})),
        ("content", "GET", "/{}.git/info/lfs/locks", dict),
        ("push", "POST", "/{}.git/info/lfs/locks/verify", lambda: {"json": {}}),
    ]
    return talk + (lfs_doors if hub.offers_lfs() else []) + [
        ("read", "GET", "/api/models/{}", dict),
        ("read", "GET", "/api/models/{}?expand=sha", dict),
        ("list", "GET", "/api/models/{}/revision/main", dict),
        ("list", "GET", "/api/models/{}/tree/main", dict),
        ("list", "GET", "/api/models/{}/tree/main/d", dict),
        ("list", "GET", "/api/models/{}/tree/main?recursive=true&expand=true", dict),
        ("list", "POST", "/api/models/{}/paths-info/main", lambda: {"json": {"paths": ["a.txt"]}}),
        ("list", "GET", "/api/models/{}/commits/main", dict),
        ("list", "GET", "/api/models/{}/refs", dict),
        ("read", "GET", "/api/models/{}/likers", dict),
        ("content", "GET", "/api/models/{}/auth-check", dict),
        ("write", "GET", "/api/models/{}/auth-check/write", dict),
        ("content", "GET", "/api/models/{}/safetensors-metadata/model.safetensors.index.json", dict),
        ("write", "GET", "/api/models/{}/lfs-files", dict),
        ("admin", "POST", "/api/models/{}/lfs-files/batch", lambda: {"json": {"deletions": {"sha": ["0" * 64], "rewriteHistory": True}}}),
        ("admin", "PUT", "/api/models/{}/settings", lambda: {"json": {}}),
        ("admin", "GET", "/api/models/{}/audit-log", dict),
        ("content", "GET", "/v2/{}/manifests/latest", dict),
        ("content", "HEAD", "/v2/{}/manifests/latest", dict),
        ("content", "GET", f"/v2/{{}}/blobs/sha256:{place['oid']}", dict),
        ("content", "HEAD", f"/v2/{{}}/blobs/sha256:{place['oid']}", dict),
        ("content", "GET", "/v2/{}/tags/list", dict),
        ("content", "GET", "/{}/resolve/main/a.txt", dict),
        ("content", "HEAD", "/{}/resolve/main/a.txt", dict),
        ("content", "GET", "/{}/resolve/main/w.bin", dict),
        ("content", "HEAD", "/{}/resolve/main/w.bin", dict),
        ("content", "GET", "/{}/raw/main/w.bin", dict),
        ("content", "GET", "/api/models/{}/xet-read-token/main", dict),
        ("write", "GET", "/api/models/{}/xet-write-token/main", dict),
        ("write", "POST", "/api/models/{}/preupload/main", lambda: {"json": {"files": [{"path": "x", "size": 1, "sample": sample}]}}),
        ("write", "POST", "/api/models/{}/commit/main", commit),
        ("content", "GET", "/{}.git/info/refs?service=git-upload-pack", dict),
        ("content", "POST", "/{}.git/git-upload-pack", lambda: {"body": b"0014command=ls-refs\n0000", "headers": GIT_FETCH}),
        ("push", "GET", "/{}.git/info/refs?service=git-receive-pack", dict),
        ("push", "POST", "/{}.git/git-receive-pack", lambda: {"body": b"0000", "headers": GIT_PUSH}),
        ("write", "POST", f"/api/models/{{}}/branch/{made}", lambda: {"json": {"startingPoint": "main"}}),
        ("write", "POST", "/api/models/{}/tag/main", lambda: {"json": {"tag": made}}),
        ("write", "POST", "/api/models/{}/super-squash/main", lambda: {"json": {"message": "one"}}),
        ("write", "DELETE", f"/api/models/{{}}/branch/{made}b", lambda: doomed("branch")),
        ("write", "DELETE", f"/api/models/{{}}/tag/{made}t", lambda: doomed("tag")),
    ]


def judge(answer: wire.Response, want, what: str, lfs: bool = False) -> list[str]:
    """What is wrong with an answer."""
    if want is OK:
        return [] if answer.status in (200, 206) else [f"{what}: should be let in, got {answer}"]
    status, code = want
    if answer.status != status:
        return [f"{what}: expected {status}, got {answer}"]
    if not lfs and answer.header("X-Error-Code") != code:  # git-lfs knows statuses only
        return [f"{what}: expected X-Error-Code {code}, got {answer}"]
    return []


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("repo", REPOS)
def test_repositories(hub, people, place, caller, repo):
    found = []
    for need, method, path, request in operations(hub, place, repo):
        answer = hub.request(method, path.format(repo), people[caller], **request())
        want = expected(caller, need, repo.removeprefix("acme/"))
        found += judge(answer, want, f"{method} {path.format(repo)}", "info/lfs" in path)
        if caller in WRONG and answer.header("X-Error-Message") != "Invalid credentials in Authorization header":
            found.append(f"{method} {path.format(repo)}: not the text that clients look for: {answer}")
    assert not found, f"{caller}:\n" + "\n".join(found)


@pytest.mark.parametrize("caller", CALLERS)
def test_what_one_may_not_know_looks_like_nothing(hub, people, place, caller):
    """A private repository and one that never was answer alike, in all but the name."""
    if expected(caller, "content", "private") is OK:
        return
    found = []
    for _, method, path, request in operations(hub, place, "acme/private"):
        there = hub.request(method, path.format("acme/private"), people[caller], **request())
        never = hub.request(method, path.format("acme/neverwas"), people[caller], **request())
        told = [(a.status, a.header("X-Error-Code"), a.text.replace("neverwas", "private")) for a in (there, never)]
        ids = [a.header("X-Request-Id") or "?" for a in (there, never)]
        told = [(s, c, t.replace(i, "ID")) for (s, c, t), i in zip(told, ids)]
        if told[0] != told[1]:
            found.append(f"{method} {path} tells them apart: {told}")
    assert not found, f"{caller}:\n" + "\n".join(found)


@pytest.mark.parametrize("caller", CALLERS)
def test_lists_show_only_what_one_may_know(hub, people, place, caller):
    answer = hub.get("/api/models?author=acme", people[caller])
    if caller in WRONG:
        answer.expect(401)
        return
    found = {m["id"] for m in answer.expect(200).json()}
    assert "acme/public" in found
    # A fine-grained token sees in lists what everyone sees.
    sees = caller in KNOWN and not caller.startswith("scoped")
    assert ("acme/private" in found) == sees, f"{caller}: {found}"
    found = {m["id"] for m in hub.get("/api/models?search=acme/priv", people[caller]).expect(200).json()}
    assert ("acme/private" in found) == sees, f"{caller}: {found}"


@pytest.mark.parametrize("caller", CALLERS)
def test_creating(hub, people, place, caller):
    allowed = {"contributor", "writer", "owner", "admin"}
    body = {"name": f"made-by-{caller}", "organization": "acme"}
    answer = hub.post("/api/repos/create", people[caller], json=body)
    if caller in WRONG or caller == "nobody":
        answer.expect(401)
    elif caller in allowed:
        answer.expect(200)
    else:
        answer.expect(403)
        # Whether the name is taken is not told either.
        hub.post("/api/repos/create", people[caller], json={"name": "private", "organization": "acme"}).expect(403)


def test_contributors_write_to_their_own(hub, people, place):
    mine = "acme/by-connie"
    hub.create(mine, people["contributor"]).expect(200)
    hub.commit(mine, people["contributor"], wire.file("x", "x")).expect(200)
    hub.commit(mine, people["writer"], wire.file("y", "x")).expect(200)
    hub.commit(mine, people["reader"], wire.file("z", "x")).expect(403)
    hub.request("DELETE", "/api/repos/delete", people["writer"], json={"name": "by-connie", "organization": "acme"}).expect(403, 200)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("visibility", ["public", "private"])
def test_deleting(hub, people, place, caller, visibility):
    name = f"doomed-{visibility}-{caller}"
    hub.create(f"acme/{name}", OWNER, visibility=visibility).expect(200)
    answer = hub.request("DELETE", "/api/repos/delete", people[caller], json={"name": name, "organization": "acme"})
    want = expected(caller, "admin", visibility)
    if caller == "scoped":  # its scopes name other repositories
        want = expected("scoped-elsewhere", "admin", visibility)
    if caller == "nobody":  # is asked to sign in before anything is looked up
        want = (401, None)
    assert not (found := judge(answer, want, f"{caller}: delete {name}")), found
    hub.get(f"/api/models/acme/{name}", OWNER).expect(404 if want is OK else 200)


@pytest.mark.parametrize("caller", CALLERS)
def test_uploads(hub, people, caller):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    answer = hub.post("/uploads", people[caller], body=picture, headers={"Content-Type": "image/png"})
    if caller in WRONG or caller == "nobody":
        answer.expect(401)
    elif caller in ("owner-reads", "scoped-read"):
        answer.expect(403)
    else:
        # Whoever knows the address may see it.
        assert wire.get(answer.expect(200).text).expect(200).body == picture


@pytest.mark.parametrize("caller", CALLERS)
def test_whoami(hub, people, caller):
    for method, path in (("GET", "/api/whoami-v2"), ("GET", "/oauth/userinfo"), ("POST", "/oauth/userinfo")):
        hub.request(method, path, people[caller]).expect(401 if caller in WRONG or caller == "nobody" else 200)


@pytest.mark.parametrize("caller", CALLERS)
def test_own_repositories(hub, people, place, caller):
    answer = hub.get("/api/settings/repositories", people[caller])
    answer.expect(401 if caller in WRONG or caller == "nobody" else 200)
    hub.get("/api/settings/quota", people[caller]).expect(401 if caller in WRONG or caller == "nobody" else 200)
    answer = hub.get("/api/organizations/acme/settings/repositories", people[caller])
    member = caller in KNOWN or caller == "scoped-elsewhere"
    hub.get("/api/organizations/acme/settings/quota", people[caller]).expect(401 if caller in WRONG or caller == "nobody" else 200 if member else 403)
    answer.expect(401 if caller in WRONG or caller == "nobody" else 200 if member else 403)
    if member:  # a fine-grained token sees in lists what everyone sees
        sees = {r["id"] for r in answer.json()}
        assert ("acme/private" in sees) == (not caller.startswith("scoped")), f"{caller}: {sees}"


@pytest.mark.parametrize("caller", CALLERS)
def test_access_requests(hub, people, place, caller):
    """Who sees and decides requests, and who may ask."""
    base = "/api/models/acme/gated/user-access-request"
    want = expected(caller, "write", "gated")
    # Nobody of that name: whoever may decide is told so.
    for method, path, request, done in (("GET", f"{base}/pending", {}, 200), ("GET", "/acme/gated/user-access-report", {}, 200),
                                        ("POST", f"{base}/handle", {"json": {"user": "no-such", "status": "accepted"}}, 404),
                                        ("POST", f"{base}/grant", {"json": {"user": "no-such"}}, 404)):
        answer = hub.request(method, path, people[caller], **request)
        assert answer.status == (done if want is OK else want[0]), f"{caller}: {method} {path}: {answer}"
    # Whoever has a part in it need not ask; whoever asked may not again; a token for other things asks for nothing.
    answer = hub.post("/acme/gated/ask-access", people[caller], json={})
    asks = {"nobody": 401, "outsider": 200, "guest": 409, "waiting": 409, "refused": 409, "owner-reads": 403}
    if caller in WRONG:
        answer.expect(401)
    elif "scoped" in caller:
        answer.expect(403)
    else:
        answer.expect(asks.get(caller, 400))
    if caller == "outsider":
        hub.get("/acme/gated/resolve/main/a.txt", people[caller]).expect(403)
        hub.post(f"{base}/cancel", people[caller], json={}).expect(200)
        hub.post(f"{base}/cancel", people[caller], json={}).expect(404)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("sort", ["public", "private", "gated", "down"])
def test_copying_out(hub, people, place, caller, sort):
    """What may be read may be copied to where one may write, and nothing else."""
    files = [{"xetHash": "0" * 64, "sha256": place["oid"], "filename": "w.bin"}]
    target = {"type": "model", "name": "acme/other"}
    answer = hub.post(f"/api/models/acme/{sort}/lfs-files/duplicate", people[caller], json={"target": target, "files": files})
    want = expected(caller, "content", sort)
    if want is OK:
        to = expected(caller if caller != "scoped" else "scoped-read", "write", "private")
        if caller in ("scoped-elsewhere",):
            to = OK
        if caller in ("scoped",):  # its scopes do not name the target
            to = (404, "RepoNotFound")
        if to is OK:
            assert answer.expect(200).json()["failed"][0]["sha256"] == place["oid"]  # another Xet hash than it has
            return
        want = to
    assert not (found := judge(answer, want, f"{caller}: copy from {sort}")), found


def test_copying_a_repository(hub, people, place):
    for caller, sort, status in (("nobody", "public", 401), ("outsider", "private", 404), ("outsider", "gated", 403), ("guest", "gated", 403),
                                 ("guest-scoped", "gated", 403), ("reader", "gated", 403), ("owner-reads", "gated", 403), ("admin", "down", 403)):
        answer = hub.post(f"/api/models/acme/{sort}/duplicate", people[caller], json={"repository": f"acme/copy-by-{caller}"})
        assert answer.status == status, f"{caller}: {sort}: {answer}"
    made = hub.post("/api/models/acme/gated/duplicate", people["guest"], json={"repository": f"{GUEST}/copy"}).expect(200).json()
    assert hub.get(f"/api/models/{GUEST}/copy", GUEST).json()["private"] is True, made
    hub.get(f"/api/models/{GUEST}/copy").expect(401)


def test_moving(hub, people, place):
    hub.create("acme/wanders", OWNER).expect(200)
    body = {"fromRepo": "acme/wanders", "toRepo": "acme/wandered", "type": "model"}
    for caller in CALLERS:
        if caller in ("owner", "admin"):
            continue
        answer = hub.post("/api/repos/move", people[caller], json=body)
        assert answer.status == (401 if caller in WRONG or caller == "nobody" else 403), f"{caller}: {answer}"
    # Where one may not create, nothing can be moved to; what is there is not told.
    for to in ("oscar/taken-from-acme", "acme/private"):
        answer = hub.post("/api/repos/move", people["outsider"], json={"fromRepo": "acme/private", "toRepo": to, "type": "model"})
        answer.expect(404)
    hub.post("/api/repos/move", OWNER, json=body | {"toRepo": "oscar/taken-from-acme"}).expect(403)
    hub.post("/api/repos/move", OWNER, json=body).expect(200)


@pytest.mark.parametrize("caller", CALLERS)
def test_open_routes(hub, people, caller):
    for method, path in (("GET", "/api/models"), ("GET", "/api/datasets"), ("GET", "/api/spaces"), ("GET", "/api/kernels"),
                         ("GET", "/api/users/bob/overview"), ("GET", "/api/organizations/acme/overview"),
                         ("GET", "/api/organizations/acme/members"), ("GET", "/api/models-tags-by-type"),
                         ("GET", "/api/datasets-tags-by-type"), ("GET", "/api/spaces/templates")):
        hub.request(method, path, people[caller]).expect(401 if caller in WRONG else 200)
    for path in ("/api/agent-harnesses", "/api/openapi.json", "/healthz", "/.well-known/openid-configuration", "/oauth/jwks"):  # the same for everybody, and quick
        hub.get(path, people[caller]).expect(200)
    hub.head("/api/telemetry/x", people[caller]).expect(200)


# ---------------------------------------------------------------- in one's own name

# Through these one may act in one's own name; a token for single things or for reading may only look.
ONESELF = {"outsider", "guest", "waiting", "refused", "reader", "contributor", "writer", "owner", "admin"}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("repo", REPOS)
def test_likes(hub, people, place, caller, repo):
    found = []
    for method in ("POST", "DELETE"):
        answer = hub.request(method, f"/api/models/{repo}/like", people[caller])
        want = expected(caller, "read", repo.removeprefix("acme/"))
        if want is OK and caller not in ONESELF:
            want = (401 if caller == "nobody" else 403), None
        found += judge(answer, want, f"{method} like of {repo}")
    assert not found, f"{caller}:\n" + "\n".join(found)


@pytest.mark.parametrize("caller", CALLERS)
def test_follows(hub, people, place, caller):
    for path in ("/api/users/alice/follow", "/api/organizations/acme/follow"):
        for method in ("POST", "DELETE"):
            answer = hub.request(method, path, people[caller])
            answer.expect(200 if caller in ONESELF else 401 if caller in WRONG or caller == "nobody" else 403)
    for path in ("/api/users/alice/followers", "/api/users/alice/following", "/api/users/alice/likes", "/api/organizations/acme/followers"):
        hub.get(path, people[caller]).expect(401 if caller in WRONG else 200)


@pytest.mark.parametrize("caller", CALLERS)
def test_organizations(hub, people, caller):
    """Who manages an organization, and who answers invitations to one."""
    who, base = people[caller], "/api/organizations/acme"
    refused = 401 if caller in WRONG or caller == "nobody" else 403
    manages = caller in ("owner", "admin")
    invite = {"email": "x@example.org", "role": "read"}
    made = hub.post(f"{base}/invitations", OWNER, json=invite).expect(200).json()["id"]
    hub.post(f"{base}/invitations", who, json=invite).expect(200 if manages else refused)
    hub.get(f"{base}/invitations", who).expect(200 if manages else refused)
    hub.request("PUT", f"{base}/members/{READER}/role", who, json={"role": "read"}).expect(200 if manages else refused)
    hub.request("DELETE", f"{base}/members/nobody-here", who).expect(404 if manages else refused)
    hub.request("DELETE", f"{base}/invitations/{made}", who).expect(200 if manages else refused)
    knows = manages or caller in ("reader", "contributor", "writer", "owner-reads", "scoped-read")
    group = hub.post(f"{base}/resource-groups", OWNER, json={"name": f"g{next(numbers)}"}).expect(200).json()["id"]
    at = f"{base}/resource-groups/{group}"
    seen = hub.get(f"{base}/resource-groups", who).expect(200 if knows else refused)
    sees = manages or caller in ("owner-reads", "scoped-read")
    assert not knows or (group in {g["id"] for g in seen.json()}) == sees, seen
    hub.get(at, who).expect(200 if sees else 404 if knows else refused)
    role, users = {"role": "read"}, {"users": [{"user": READER, "role": "read"}]}
    for method, path, body in (("POST", f"{base}/resource-groups", {"name": f"g{next(numbers)}"}), ("PATCH", at, {"description": "x"}), ("POST", f"{at}/users", users),
                               ("PATCH", f"{at}/users/{READER}", role), ("DELETE", f"{at}/users/{READER}", None), ("DELETE", at, None)):
        hub.request(method, path, who, json=body).expect(200 if manages else refused)
    hub.get(f"{base}/settings", who).expect(200 if knows else refused)
    hub.request("PUT", f"{base}/settings", who, json={"defaultVisibility": "public"}).expect(200 if manages else refused)
    hub.get(f"{base}/activity", who).expect(200 if knows else refused)
    at, name = f"{base}/service-accounts", f"robot{next(numbers)}"
    hub.post(at, OWNER, json={"name": name, "role": "read"}).expect(200)
    token = hub.post(f"{at}/{name}/tokens", OWNER, json={"name": "x", "role": "read"}).expect(200).json()["id"]
    for method, path, body in (("GET", at, None), ("POST", at, {"name": f"robot{next(numbers)}", "role": "read"}), ("POST", f"{at}/{name}/tokens", {"name": "x", "role": "read"}),
                               ("DELETE", f"{at}/{name}/tokens/{token}", None), ("DELETE", f"{at}/{name}", None)):
        hub.request(method, path, who, json=body).expect(200 if manages else refused)
    # Of what one may not administer, the gate of the repository says so first.
    for path in ("/api/models/acme/public/resource-group", "/api/models/acme/private/resource-group"):
        want = expected(caller, "write", path.split("/")[4])
        assert not (wrong := judge(hub.get(path, who), want, f"GET {path}")), wrong
        want = expected(caller, "admin", path.split("/")[4])
        assert not (wrong := judge(hub.post(path, who, json={"resourceGroupId": None}), want, f"POST {path}")), wrong
    acts = caller in ONESELF
    hub.get("/api/settings/invitations", who).expect(200 if acts else refused)
    for verb in ("accept", "decline"):
        hub.post(f"/api/settings/invitations/{verb}", who, json={"token": "x"}).expect(404 if acts else refused)


@pytest.mark.parametrize("caller", CALLERS)
def test_webhooks(hub, people, caller):
    who, path = people[caller], "/api/settings/webhooks"
    body = {"url": "https://hook.example/", "watched": [{"type": "user", "name": "bob"}], "secret": "hidden"}
    hook = hub.post(path, OWNER, json=body).expect(200).json()["webhook"]["id"]
    found = []
    for method, below, sent in [("GET", "", None), ("POST", "", body), ("GET", "/{}", None), ("POST", "/{}", {}), ("POST", "/{}/disable", None),
                                ("POST", "/{}/enable", None), ("GET", "/{}/deliveries", None), ("GET", "/{}/deliveries/x", None),
                                ("POST", "/{}/deliveries/x/replay", None), ("DELETE", "/{}", None)]:
        answer = hub.request(method, path + below.format(hook), who, json=sent)
        if caller in WRONG or caller == "nobody":
            want = 401
        elif caller not in ONESELF:
            want = 403
        elif below == "":
            want = 200
        elif "/x" in below or caller != "owner":  # somebody else's is not there, not even for the site's administrator
            want = 404
        else:
            want = 200
        if answer.status != want or want != 200 and "hidden" in answer.text:
            found.append(f"{method} {below}: expected {want}, got {answer}")
    hub.request("DELETE", f"{path}/{hook}", OWNER).expect(200, 404)
    assert not found, f"{caller}:\n" + "\n".join(found)


# What each may do with the collections of acme: a token for a single repository, or for somebody else's, is a stranger's.
COLLECTS = {"reader": "read", "contributor": "read", "writer": "write", "owner": "write", "owner-reads": "read", "scoped-read": "read",
            "admin": "write"}


@pytest.fixture(scope="module")
def collected(hub, people, place):
    """Two collections of acme's."""
    slugs = {}
    for title in ("open", "closed"):
        body = {"title": title, "namespace": "acme", "private": title == "closed"}
        slugs[title] = hub.post("/api/collections", OWNER, json=body).expect(200).json()["slug"]
    return slugs


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("title", ["open", "closed"])
def test_collections(hub, people, collected, caller, title):
    path = f"/api/collections/{collected[title]}"
    may = COLLECTS.get(caller)
    paper = {"item": {"id": "2311.12983", "type": "paper"}}

    def item():
        """The paper's id in the collection, put there by the owner."""
        hub.post(f"{path}/items", OWNER, json=paper).expect(200, 409)
        return hub.get(path, OWNER).json()["items"][0]["_id"]

    def check(answer, need):
        if caller in WRONG:
            return answer.expect(401)
        if may is None and title == "closed":
            return answer.expect(404)
        if need == "read" or may == "write":
            return answer.expect(200)
        return answer.expect(401 if caller == "nobody" else 403)

    who = people[caller]
    check(hub.get(path, who), "read")
    check(hub.request("PATCH", path, who, json={"description": "x"}), "write")
    check(hub.post(f"{path}/resource-group", who, json={"resourceGroupId": None}), "write")
    check(hub.request("PATCH", f"{path}/items/{item()}", who, json={"note": "x"}), "write")
    check(hub.request("DELETE", f"{path}/items/{item()}", who), "write")
    for one in hub.get(path, OWNER).json()["items"]:
        hub.request("DELETE", f"{path}/items/{one['_id']}", OWNER).expect(200)
    check(hub.post(f"{path}/items", who, json=paper), "write")
    for method in ("POST", "DELETE"):
        answer = hub.request(method, f"{path}/upvote", who)
        if check(answer, "read" if caller in ONESELF else "never").status == 200:
            assert caller in ONESELF or may == "write"
    found = {c["slug"] for c in hub.get("/api/collections?owner=acme", who).json()} if caller not in WRONG else set()
    sees = may is not None and not caller.startswith("scoped")
    assert caller in WRONG or (collected["closed"] in found) == sees
    doomed = hub.post("/api/collections", OWNER, json={"title": f"doomed {title} {caller}", "namespace": "acme", "private": title == "closed"})
    check(hub.request("DELETE", f"/api/collections/{doomed.json()['slug']}", who), "write")


@pytest.mark.parametrize("caller", CALLERS)
def test_making_collections(hub, people, caller):
    answer = hub.post("/api/collections", people[caller], json={"title": f"by {caller}", "namespace": "acme"})
    if caller in WRONG or caller == "nobody":
        answer.expect(401)
    else:
        answer.expect(200 if COLLECTS.get(caller) == "write" else 403)
    hub.get("/api/collections", people[caller]).expect(401 if caller in WRONG else 200)


# ---------------------------------------------------------------- the store


class Store:
    def __init__(self, hub, people, place):
        self.tokens = {"nobody": None, "hub token": people["owner"], "forged": "x.y.z", "empty": "."}
        self.xorb = xet.Xorb(xet.split(bytes(range(256)) * 500 + b"store"))
        self.file = xet.File.whole(self.xorb)
        for kind, repo in itertools.product(("read", "write"), ("private", "other", "public")):
            answer = hub.get(f"/api/models/acme/{repo}/xet-{kind}-token/main", people["owner"]).expect(200).json()
            self.tokens[f"{kind} {repo}"], self.url = answer["accessToken"], answer["casUrl"]
            if (kind, repo) == ("write", "private"):
                self.private_url = self.url
                wire.request("POST", f"{self.url}/v1/xorbs/default/{self.xorb.name}", token=answer["accessToken"], body=self.xorb.body()).expect(200)
                wire.request("POST", f"{self.url}/v1/shards", token=answer["accessToken"], body=xet.shard([self.file], [self.xorb])).expect(200)

    def request(self, token, method, path, **kwargs):
        return wire.request(method, self.private_url + path, token=self.tokens[token], **kwargs)


@pytest.fixture(scope="module")
def store(hub, people, place):
    return Store(hub, people, place)


def test_the_store_takes_its_own_tokens_only(store):
    name, file = store.xorb.name, xet.text(store.file.hash)
    reads = [("GET", f"/v1/reconstructions/{file}", {}), ("GET", f"/v2/reconstructions/{file}", {"headers": {"Range": "bytes=0-10"}}),
             ("GET", f"/v1/chunks/default/{xet.text(store.xorb.nodes[0][0])}", {})]
    writes = [("POST", f"/v1/xorbs/default/{name}", {"body": store.xorb.body()}), ("POST", "/v1/shards", {"body": xet.shard([store.file], [store.xorb])}),
              ("POST", "/v2/shards", {"body": xet.shard([store.file], [store.xorb])})]
    for method, path, request in reads + writes:
        for token in ("nobody", "hub token", "forged", "empty"):
            answer = store.request(token, method, path, **request)
            assert answer.status == 401, f"{token}: {method} {path}: {answer}"
    for method, path, request in reads:
        for token in ("read private", "write private"):
            answer = store.request(token, method, path, **request)
            assert answer.status == 200 or "chunks" in path and answer.status == 404, f"{token}: {method} {path}: {answer}"
        if "reconstructions" in path:
            for token in ("read other", "write other", "read public", "write public"):
                assert store.request(token, method, path, **request).status == 404, f"{token}: {method} {path}"
    for method, path, request in writes:
        for token in ("read private", "read other", "read public"):
            assert store.request(token, method, path, **request).status == 403, f"{token}: {method} {path}"
        assert store.request("write private", method, path, **request).status == 200, f"{method} {path}"


@pytest.mark.parametrize("kind", ["dataset", "space", "kernel"])
def test_other_kinds_are_under_the_same_rule(hub, people, place, kind):
    name = f"acme/hidden-{kind}"
    hub.create(name, OWNER, kind=kind, visibility="private").expect(200)
    for path in (f"/{kind}s/{name}/resolve/main/.gitattributes", f"/{kind}s/{name}/raw/main/.gitattributes",
                 f"/api/{kind}s/{name}/tree/main", f"/api/{kind}s/{name}"):
        assert hub.get(path, OWNER).status == 200, path
        nobody = hub.get(path)
        assert (nobody.status, nobody.header("X-Error-Code")) == (401, "RepoNotFound"), path
        outsider = hub.get(path, people["outsider"])
        assert (outsider.status, outsider.header("X-Error-Code")) == (404, "RepoNotFound"), path
        # The same name of another kind is another repository.
        assert hub.get(f"/{name}/resolve/main/.gitattributes", OWNER).status == 404


# ---------------------------------------------------------------- buckets


@pytest.fixture(scope="module")
def buckets(hub, people, place):
    """acme/public and acme/private again, as buckets, each with a file."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url, token=hub.tokens[OWNER])
    for name in ("public", "private"):
        api.create_bucket(f"acme/{name}", private=name == "private")
        api.batch_bucket_files(f"acme/{name}", add=[(b"content", "d/a.txt")])


def bucket_operations():
    """(what is needed, method and path, request) of each route that names a bucket."""
    made = f"f{next(numbers)}"

    def batch():
        lines = [{"type": "addFile", "path": made, "xetHash": "0" * 64}, {"type": "deleteFile", "path": made}]
        return {"body": wire.ndjson(lines), "headers": {"Content-Type": "application/x-ndjson"}}

    return [
        ("content", "GET", "/api/buckets/{}", dict),
        ("content", "GET", "/api/buckets/{}/tree", dict),
        ("content", "GET", "/api/buckets/{}/tree/d?recursive=false", dict),
        ("content", "POST", "/api/buckets/{}/paths-info", lambda: {"json": {"paths": ["d/a.txt"]}}),
        ("content", "GET", "/buckets/{}/resolve/d/a.txt", dict),
        ("content", "HEAD", "/buckets/{}/resolve/d%2Fa.txt", dict),
        ("content", "GET", "/api/buckets/{}/xet-read-token", dict),
        ("write", "GET", "/api/buckets/{}/xet-write-token", dict),
        ("write", "POST", "/api/buckets/{}/batch", batch),
        ("admin", "PUT", "/api/buckets/{}/settings", lambda: {"json": {}}),
        ("admin", "GET", "/api/buckets/{}/audit-log", dict),
    ]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("bucket", ["acme/public", "acme/private"])
def test_buckets(hub, people, buckets, caller, bucket):
    found = []
    sort = bucket.removeprefix("acme/")
    for need, method, path, request in bucket_operations():
        answer = hub.request(method, path.format(bucket), people[caller], **request())
        found += judge(answer, expected(caller, need, sort), f"{method} {path.format(bucket)}")
        if sort == "private" and expected(caller, "content", sort) is not OK:
            never = hub.request(method, path.format("acme/neverwas"), people[caller], **request())
            told = [(a.status, a.header("X-Error-Code"), a.header("X-Error-Message")) for a in (answer, never)]
            if told[0] != told[1]:
                found.append(f"{method} {path} tells them apart: {told}")
    assert not found, f"{caller}:\n" + "\n".join(found)


@pytest.mark.parametrize("caller", CALLERS)
def test_following_a_bucket(hub, people, buckets, caller):
    for name in ("public", "private"):
        want = expected(caller, "content", name)
        # A place that nobody knows ends what would otherwise go on.
        answer = hub.get(f"/api/buckets/acme/{name}/events?cursor={'0' * 24}-1", people[caller])
        assert not (found := judge(answer, want, name)), found
        if want is OK:
            assert answer.header("Content-Type") == "text/event-stream" and answer.text.startswith("event: reset\n")


@pytest.mark.parametrize("caller", CALLERS)
def test_lists_of_buckets(hub, people, buckets, caller):
    answer = hub.get("/api/buckets/acme", people[caller])
    if caller in WRONG:
        answer.expect(401)
        return
    found = {b["id"] for b in answer.expect(200).json()}
    assert "acme/public" in found
    assert ("acme/private" in found) == (caller in KNOWN and not caller.startswith("scoped")), f"{caller}: {found}"


@pytest.mark.parametrize("caller", CALLERS)
def test_making_and_deleting_buckets(hub, people, buckets, caller):
    answer = hub.post(f"/api/buckets/acme/by-{caller}", people[caller], json={})
    if caller in WRONG or caller == "nobody":
        answer.expect(401)
    elif caller in {"contributor", "writer", "owner", "admin"}:
        answer.expect(200)
    else:
        answer.expect(403)
        # Whether the name is taken is not told either.
        hub.post("/api/buckets/acme/private", people[caller], json={}).expect(403)
    for visibility in ("public", "private"):
        name = f"acme/doomed-{visibility}-{caller}"
        hub.post(f"/api/buckets/{name}", OWNER, json={"visibility": visibility}).expect(200)
        answer = hub.request("DELETE", f"/api/buckets/{name}", people[caller])
        as_who = "scoped-elsewhere" if caller == "scoped" else caller  # its scopes name other buckets
        want = expected(as_who, "admin", visibility)
        assert not (found := judge(answer, want, f"{caller}: delete {name}")), found
        hub.get(f"/api/buckets/{name}", OWNER).expect(404 if want is OK else 200)


def test_a_token_of_a_bucket_reaches_that_bucket_alone(hub, people, buckets):
    """The store's tokens of a bucket and of the repository of the same name are for two things."""
    files = hub.get("/api/buckets/acme/private/tree", OWNER).json()
    hash = next(f["xetHash"] for f in files if f["path"] == "d/a.txt")

    def look(path):
        answer = hub.get(path, OWNER).expect(200).json()
        return wire.get(f"{answer['casUrl']}/v1/reconstructions/{hash}", token=answer["accessToken"]).status

    assert look("/api/buckets/acme/private/xet-read-token") == 200
    assert look("/api/models/acme/private/xet-read-token/main") == 404
    hub.post("/api/buckets/acme/elsewhere", OWNER, json={}).expect(200)
    assert look("/api/buckets/acme/elsewhere/xet-write-token") == 404
    # And what was uploaded to the one cannot be put into the other.
    line = {"type": "addFile", "path": "stolen", "xetHash": hash}
    answer = hub.post("/api/buckets/acme/elsewhere/batch", OWNER, body=wire.ndjson([line])).expect(422).json()
    assert [f["path"] for f in answer["failed"]] == ["stolen"], answer


# ---------------------------------------------------------------- the audit log


@pytest.mark.parametrize("caller", CALLERS)
def test_audit_logs(hub, people, place, caller):
    """Of an organization for those who administer it, of the hub for its administrators, of an account for its person; and always
    through a token that could do what it tells of."""
    weak = {"owner-reads", "scoped", "scoped-read", "scoped-elsewhere", "guest-scoped"}
    for path, who in (("/api/organizations/acme/audit-log", {"owner", "admin"}), ("/api/organizations/acme/audit-log/export", {"owner", "admin"}),
                      ("/api/audit-log", {"admin"}), ("/api/settings/audit-log", set(CALLERS) - weak)):
        for query in ("", "?format=csv", "?format=jsonl"):
            answer = hub.get(path + query, people[caller])
            if caller in WRONG or caller == "nobody":
                answer.expect(401)
            else:
                answer.expect(200 if caller in who else 403)
    if caller not in WRONG and caller != "nobody":
        hub.get("/api/organizations/neverwas/audit-log", people[caller]).expect(404)


# ---------------------------------------------------------------- spaces


@pytest.fixture(scope="module")
def spaces(hub, people, place):
    """acme/public and its like again, as spaces with a secret and a variable."""
    for name in ("public", "private", "gated", "down"):
        hub.create(f"acme/{name}", OWNER, "space", visibility="private" if name == "private" else "public", sdk="static",
                   secrets=[{"key": "TOKEN", "value": "nobody-sees-this"}], variables=[{"key": "PLACE", "value": "here"}]).expect(200)
    hub.request("PUT", "/api/spaces/acme/gated/settings", OWNER, json={"gated": "manual"}).expect(200)
    hub.post("/spaces/acme/gated/ask-access", GUEST, json={}).expect(200)
    hub.post("/api/spaces/acme/gated/user-access-request/handle", OWNER, json={"user": GUEST, "status": "accepted"}).expect(200)
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as db, db:
        db.execute("update repo set disabled_reason = 'a test' where fold = 'down' and kind = 'space'")


def space_operations():
    """(what is needed, method and path, request, the status of success) of each route of a space's own."""
    made, base = f"K{next(numbers)}", "/api/spaces/{}"
    both = []
    for sort, reads in (("secrets", "write"), ("variables", "content")):
        both += [
            (reads, "GET", f"{base}/{sort}", {}, 200),
            ("write", "POST", f"{base}/{sort}", {"json": {"key": f"{made}{sort}", "value": "v"}}, 200),
            ("write", "DELETE", f"{base}/{sort}", {"json": {"key": f"{made}{sort}"}}, 200),
        ]
    refused = [("POST", "hardware"), ("POST", "sleeptime"), ("POST", "pause"), ("POST", "restart"), ("POST", "dev-mode"), ("PUT", "volumes"),
               ("DELETE", "volumes"), ("GET", "logs/run"), ("GET", "logs/build")]
    return both + [("read", "GET", f"{base}/runtime", {}, 200)] + [("write", m, f"{base}/{what}", {}, 400) for m, what in refused]


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("space", REPOS)
def test_spaces(hub, people, spaces, caller, space):
    found = []
    sort = space.removeprefix("acme/")
    for need, method, path, request, done in space_operations():
        answer = hub.request(method, path.format(space), people[caller], **request)
        want = expected(caller, need, sort)
        if want is OK and answer.status != done:
            found.append(f"{method} {path.format(space)}: expected {done}, got {answer}")
        if want is not OK:
            found += judge(answer, want, f"{method} {path.format(space)}")
        if "nobody-sees-this" in answer.text:
            found.append(f"{method} {path.format(space)} shows a secret")
        if sort == "private" and expected(caller, "content", sort) is not OK:
            never = hub.request(method, path.format("acme/neverwas"), people[caller], **request)
            told = [(a.status, a.header("X-Error-Code"), a.header("X-Error-Message")) for a in (answer, never)]
            if told[0] != told[1]:
                found.append(f"{method} {path} tells them apart: {told}")
    hub.get("/api/spaces/zero-gpu/quota", people[caller]).expect(401 if caller in WRONG or caller == "nobody" else 200)
    answer = hub.get("/api/spaces/semantic-search?q=private", people[caller])
    if caller in WRONG:
        answer.expect(401)
    else:
        sees = caller in KNOWN and not caller.startswith("scoped")
        assert ("acme/private" in {s["id"] for s in answer.expect(200).json()}) == sees, caller
    assert not found, f"{caller}:\n" + "\n".join(found)


# ---------------------------------------------------------------- nothing left out


def test_every_operation_is_judged(hub):
    rows = [line.split("\t") for line in Path(__file__).with_name("authz.txt").read_text().splitlines() if line and line[0] != "#"]
    known = {row[0] for row in rows}
    assert len(known) == len(rows), "an operation is there twice"
    classes = {"admin", "ask", "audit", "cas-read", "cas-write", "collect", "collection", "collection-write", "content", "create", "list", "member", "org-admin", "org-member", "org-self", "oauth", "open", "read", "self", "signed", "signed-in", "static", "talk", "write"}
    assert {row[1] for row in rows} <= classes, {row[1] for row in rows} - classes
    have = {f"{method.upper()} {path}" for path, item in hub.get("/api/openapi.json").json()["paths"].items() for method in item
            if method in ("get", "head", "post", "put", "patch", "delete")}
    assert not have - known, "give these a row in authz.txt and a test:\n" + "\n".join(sorted(have - known))
    assert not known - have, "these are gone:\n" + "\n".join(sorted(known - have))
