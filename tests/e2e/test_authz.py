"""Who may do what: every route, on a public and a private repository of an organization, for every kind of caller.

The rule that all of it follows: a wrong credential is 401; what one may not know exists is 404 (401 for nobody); what
one may know but not do is 403.
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
CALLERS = ["nobody", "bad", "revoked", "expired", "disabled", "outsider", "reader", "contributor", "writer", "owner", "owner-reads",
           "scoped", "scoped-read", "scoped-elsewhere", "admin"]
WRONG = {"bad", "revoked", "expired", "disabled"}
# The strongest thing each may do to acme/public and acme/private that the owner made.
KNOWN = {"reader": "content", "contributor": "content", "writer": "write", "owner": "admin", "owner-reads": "content", "scoped": "write",
         "scoped-read": "content", "admin": "admin"}
LEVELS = ["content", "write", "admin"]
GIT_FETCH = {"Content-Type": "application/x-git-upload-pack-request", "Git-Protocol": "version=2"}
GIT_PUSH = {"Content-Type": "application/x-git-receive-pack-request"}


def expected(caller: str, need: str, private: bool):
    """The answer that the rule gives: OK or (status, X-Error-Code)."""
    if caller in WRONG:
        return 401, None
    have = KNOWN.get(caller)
    if have is None and private:
        return (401 if caller == "nobody" else 404), "RepoNotFound"
    have = have or "content"
    if LEVELS.index(have) >= LEVELS.index(need):
        return OK
    return (401 if caller == "nobody" else 403), None


@pytest.fixture(scope="module")
def people(hub):
    """Tokens by caller. What the command line cannot arrange (ends and scopes of tokens) is written into the database."""
    for user in (READER, CONTRIBUTOR, WRITER, OUTSIDER, "gone"):
        hub.add_user(user)
    tokens = {"nobody": None, "bad": "hf_" + "Z" * 37, "outsider": hub.tokens[OUTSIDER], "reader": hub.tokens[READER],
              "contributor": hub.tokens[CONTRIBUTOR], "writer": hub.tokens[WRITER], "owner": hub.tokens[OWNER], "disabled": hub.tokens["gone"],
              "owner-reads": hub.add_token(OWNER, "read"), "admin": hub.tokens["root"]}
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
        change("scoped", **scope("write", "acme/public", "acme/private"))
        change("scoped-read", **scope("read", "acme"))
        change("scoped-elsewhere", **scope("write", "bob", "acme/other"))
        db.execute("update account set disabled_at = ? where user_id = ?", (now, ids["gone"]))
    return tokens


@pytest.fixture(scope="module")
def place(hub, people):
    """acme/public and acme/private, each with a text, weights in the store, and what the routes need to name them."""
    from huggingface_hub import HfApi

    api = HfApi(endpoint=hub.url, token=hub.tokens[OWNER])
    weights = bytes(range(256)) * 300
    for name in ("public", "private", "other"):
        hub.create(f"acme/{name}", OWNER, visibility="public" if name == "public" else "private").expect(200)
        hub.commit(f"acme/{name}", OWNER, wire.file("a.txt", "a"), wire.file("d/b.txt", "b")).expect(200)
        api.upload_file(path_or_fileobj=weights, path_in_repo="w.bin", repo_id=f"acme/{name}")
    return {"oid": hashlib.sha256(weights).hexdigest(), "size": len(weights)}


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

    def batch(operation):
        return {"json": {"operation": operation, "transfers": ["basic"], "objects": [{"oid": place["oid"], "size": place["size"]}]}, "headers": lfs}

    def commit():
        lines = [{"key": "header", "value": {"summary": "x"}}, wire.file(f"n{next(numbers)}.txt", "x")]
        return {"body": wire.ndjson(lines), "headers": {"Content-Type": "application/x-ndjson"}}

    lfs_doors = [
        ("content", "POST", "/{}.git/info/lfs/objects/batch", lambda: batch("download")),
        ("write", "POST", "/{}.git/info/lfs/objects/batch", lambda: batch("upload")),
        ("content", "GET", "/{}.git/info/lfs/locks", dict),
        ("write", "POST", "/{}.git/info/lfs/locks/verify", lambda: {"json": {}}),
    ]
    return (lfs_doors if hub.offers_lfs() else []) + [
        ("content", "GET", "/api/models/{}", dict),
        ("content", "GET", "/api/models/{}?expand=sha", dict),
        ("content", "GET", "/api/models/{}/revision/main", dict),
        ("content", "GET", "/api/models/{}/tree/main", dict),
        ("content", "GET", "/api/models/{}/tree/main/d", dict),
        ("content", "GET", "/api/models/{}/tree/main?recursive=true&expand=true", dict),
        ("content", "POST", "/api/models/{}/paths-info/main", lambda: {"json": {"paths": ["a.txt"]}}),
        ("content", "GET", "/api/models/{}/commits/main", dict),
        ("content", "GET", "/api/models/{}/refs", dict),
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
        ("write", "GET", "/{}.git/info/refs?service=git-receive-pack", dict),
        ("write", "POST", "/{}.git/git-receive-pack", lambda: {"body": b"0000", "headers": GIT_PUSH}),
        ("write", "POST", f"/api/models/{{}}/branch/{made}", lambda: {"json": {"startingPoint": "main"}}),
        ("write", "POST", "/api/models/{}/tag/main", lambda: {"json": {"tag": made}}),
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
@pytest.mark.parametrize("repo", ["acme/public", "acme/private"])
def test_repositories(hub, people, place, caller, repo):
    found = []
    for need, method, path, request in operations(hub, place, repo):
        answer = hub.request(method, path.format(repo), people[caller], **request())
        want = expected(caller, need, repo.endswith("private"))
        found += judge(answer, want, f"{method} {path.format(repo)}", "info/lfs" in path)
        if caller in WRONG and answer.header("X-Error-Message") != "Invalid credentials in Authorization header":
            found.append(f"{method} {path.format(repo)}: not the text that clients look for: {answer}")
    assert not found, f"{caller}:\n" + "\n".join(found)


@pytest.mark.parametrize("caller", CALLERS)
def test_what_one_may_not_know_looks_like_nothing(hub, people, place, caller):
    """A private repository and one that never was answer alike, in all but the name."""
    if expected(caller, "content", True) is OK:
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
    want = expected(caller, "admin", visibility == "private")
    if caller == "scoped":  # its scopes name other repositories
        want = expected("scoped-elsewhere", "admin", visibility == "private")
    if caller == "nobody":  # is asked to sign in before anything is looked up
        want = (401, None)
    assert not (found := judge(answer, want, f"{caller}: delete {name}")), found
    hub.get(f"/api/models/acme/{name}", OWNER).expect(404 if want is OK else 200)


@pytest.mark.parametrize("caller", CALLERS)
def test_whoami(hub, people, caller):
    for method, path in (("GET", "/api/whoami-v2"), ("GET", "/oauth/userinfo"), ("POST", "/oauth/userinfo")):
        hub.request(method, path, people[caller]).expect(401 if caller in WRONG or caller == "nobody" else 200)


@pytest.mark.parametrize("caller", CALLERS)
def test_open_routes(hub, people, caller):
    for method, path in (("GET", "/api/models"), ("GET", "/api/datasets"), ("GET", "/api/spaces"), ("GET", "/api/kernels")):
        hub.request(method, path, people[caller]).expect(401 if caller in WRONG else 200)
    for path in ("/api/agent-harnesses", "/api/openapi.json", "/healthz", "/.well-known/openid-configuration", "/oauth/jwks"):  # the same for everybody, and quick
        hub.get(path, people[caller]).expect(200)
    hub.head("/api/telemetry/x", people[caller]).expect(200)


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


# ---------------------------------------------------------------- nothing left out


def test_every_operation_is_judged(hub):
    rows = [line.split("\t") for line in Path(__file__).with_name("authz.txt").read_text().splitlines() if line and line[0] != "#"]
    known = {row[0] for row in rows}
    assert len(known) == len(rows), "an operation is there twice"
    classes = {"static", "open", "signed-in", "create", "read", "content", "write", "admin", "cas-read", "cas-write", "signed", "oauth"}
    assert {row[1] for row in rows} <= classes, {row[1] for row in rows} - classes
    have = {f"{method.upper()} {path}" for path, item in hub.get("/api/openapi.json").json()["paths"].items() for method in item
            if method in ("get", "head", "post", "put", "patch", "delete")}
    assert not have - known, "give these a row in authz.txt and a test:\n" + "\n".join(sorted(have - known))
    assert not known - have, "these are gone:\n" + "\n".join(sorted(known - have))
