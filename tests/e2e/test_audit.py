"""The audit log: what happened, for those who answer for it, on the API, on pages and at the command line; and for nobody else."""

import csv
import io
import json
import time
from datetime import datetime, timedelta, timezone

import pytest

import wire
from wire import file


@pytest.fixture(scope="module")
def place(hub):
    """An organization of bob's with a member, a repository that moved, one that is gone, and somebody else's doings beside it."""
    for user in ("rita", "connie"):
        hub.add_user(user)
    hub.admin("org", "member", "acme", "rita", "--role", "read")
    hub.admin("org", "member", "acme", "connie", "--role", "contributor")
    for name in ("acme/m", "acme/gone", "alice/hers"):
        hub.create(name, "alice" if name.startswith("alice") else "bob", visibility="private").expect(200)
    hub.create("acme/connies", "connie", visibility="private").expect(200)
    hub.create("acme/rows", "bob", kind="dataset").expect(200)
    hub.commit("acme/m", "bob", file("a.txt", "a")).expect(200)
    hub.commit("alice/hers", "alice", file("secret-name.txt", "a"), summary="secret words").expect(200)
    hub.post("/api/models/acme/m/branch/dev", "bob", json={}).expect(200)
    hub.request("DELETE", "/api/repos/delete", "bob", json={"name": "gone", "organization": "acme"}).expect(200)
    hub.request("PUT", "/api/models/acme/m/settings", "bob", json={"gated": "auto"}).expect(200)
    hub.post("/api/datasets/acme/rows/like", "alice").expect(200)
    hub.post("/api/buckets/acme/b", "bob", json={}).expect(200)
    return hub


def actions(answer: wire.Response) -> list[str]:
    return [e["action"] for e in answer.expect(200).json()]


def test_of_a_repository(hub, place):
    events = hub.get("/api/models/acme/m/audit-log", "bob").expect(200).json()
    assert [e["action"] for e in events] == ["repo.settings", "ref.create", "repo.commit", "repo.commit", "repo.create"]
    first = events[-1]
    assert first["actor"] == "bob" and first["namespace"] == "acme" and first["repo"] == {
        "id": first["repo"]["id"], "type": "model", "name": "acme/m", "gone": False}
    moment = datetime.fromisoformat(first["date"])
    assert timedelta(0) <= datetime.now(timezone.utc) - moment < timedelta(minutes=10)
    # Whoever administers what they made themselves sees that, and nothing of its siblings.
    assert actions(hub.get("/api/models/acme/connies/audit-log", "connie"))[-1] == "repo.create"
    hub.get("/api/models/acme/m/audit-log", "connie").error(403, None)
    hub.get("/api/models/acme/m/audit-log", "rita").error(403, None)
    hub.get("/api/models/acme/m/audit-log", "alice").error(404, "RepoNotFound")
    hub.get("/api/models/acme/m/audit-log").error(401, "RepoNotFound")
    # A target elsewhere is no way out of it.
    elsewhere = hub.get("/api/models/alice/hers/audit-log", "alice").json()[0]["repo"]["id"]
    for target in ("alice/hers", f"repo:{elsewhere}", "acme/never"):
        assert actions(hub.get(f"/api/models/acme/m/audit-log?target={target}", "bob")) == []
        assert actions(hub.get(f"/api/organizations/acme/audit-log?target={target}", "bob")) == []
    assert actions(hub.get("/api/buckets/acme/b/audit-log", "bob")) == ["bucket.create"]
    hub.get("/api/buckets/acme/b/audit-log", "alice").error(403, None)


def test_of_an_organization(hub, place):
    events = hub.get("/api/organizations/acme/audit-log?limit=1000", "bob").expect(200).json()
    assert {e["namespace"] for e in events} == {"acme"} and "secret" not in json.dumps(events) and "alice/hers" not in json.dumps(events)
    assert {"org.create", "org.member", "repo.create", "repo.delete", "repo.like", "bucket.create"} <= {e["action"] for e in events}
    gone = next(e for e in events if e["action"] == "repo.delete")
    assert gone["repo"]["gone"] and gone["repo"]["name"] == "acme/gone" and gone["actor"] == "bob"
    everything = hub.get(f"/api/organizations/acme/audit-log?target=repo:{gone['repo']['id']}", "bob")
    assert actions(everything) == ["repo.delete", "repo.commit", "repo.create"]
    # Made at the command line: by nobody who has an account.
    assert next(e for e in events if e["action"] == "org.create")["actor"] is None
    for who, status in (("rita", 403), ("connie", 403), ("alice", 403), (None, 401), ("root", 200)):
        hub.get("/api/organizations/acme/audit-log", who).expect(status)
    hub.get("/api/organizations/acme/audit-log", hub.add_token("bob", "read")).error(403, None)


def test_filters(hub, place):
    org = "/api/organizations/acme/audit-log"
    assert actions(hub.get(f"{org}?action=repo.create&actor=connie", "bob")) == ["repo.create"]
    assert set(actions(hub.get(f"{org}?action=repo.*", "bob"))) == {"repo.create", "repo.delete", "repo.settings", "repo.commit", "repo.like"}
    assert actions(hub.get(f"{org}?actor=nobody-here", "bob")) == []
    assert actions(hub.get(f"{org}?target=datasets/acme/rows", "bob")) == ["repo.like", "repo.commit", "repo.create"]
    assert actions(hub.get(f"{org}?target=acme&action=org.create", "bob")) == ["org.create"]
    assert actions(hub.get(f"{org}?target=alice", "bob")) == []
    tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).date().isoformat()
    assert actions(hub.get(f"{org}?since={tomorrow}", "bob")) == []
    assert "org.create" in actions(hub.get(f"{org}?until={tomorrow}&limit=1000", "bob"))
    time.sleep(0.01)
    between = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
    time.sleep(0.01)
    hub.commit("acme/m", "bob", file("later.txt", "x")).expect(200)
    assert actions(hub.get(f"{org}?since={between}", "bob")) == ["repo.commit"]
    for query, word in (("since=soon", "since"), ("until=1", "until"), ("action=Repo%20Create", "action"), ("target=a/b/c/d", "target"), ("actor=a%20b", "actor"),
                        ("cursor=x", "cursor"), ("cursor=-1", "cursor"), ("limit=many", "limit"), ("format=xml", "format")):
        hub.get(f"{org}?{query}", "bob").error(400, None, word)


def test_pages_have_everything_once(hub, place):
    org, seen, address = "/api/organizations/acme/audit-log", [], "/api/organizations/acme/audit-log?limit=3"
    while address:
        answer = hub.get(address, "bob").expect(200)
        assert len(answer.json()) <= 3
        seen += [e["id"] for e in answer.json()]
        address = answer.next()
    assert seen == sorted(seen, reverse=True) and len(seen) == len(set(seen))
    assert seen == [e["id"] for e in hub.get(f"{org}?limit=1000", "bob").json()]
    assert "no-store" in hub.get(org, "bob").header("Cache-Control")


def test_exports(hub, place):
    """All of it, however much, in the same order as the pages; more than one step of reading is needed."""
    lines = [{"type": "addFile", "path": "x", "xetHash": "0" * 64}]
    for _ in range(520):
        hub.post("/api/buckets/acme/b/batch", "bob", body=wire.ndjson(lines), headers={"Content-Type": "application/x-ndjson"}).expect(200)
    org = "/api/organizations/acme/audit-log"
    pages = hub.get(f"{org}?limit=1000", "bob").json()
    assert len(pages) > 520
    text = hub.get(f"{org}?format=jsonl", "bob").expect(200)
    assert "audit-log.jsonl" in text.header("Content-Disposition")
    assert [json.loads(line) for line in text.text.splitlines()] == pages
    assert hub.get(f"{org}/export", "bob").expect(200).json() == pages
    assert hub.get(f"{org}/export?action=nothing.at_all", "bob").expect(200).json() == []
    table = hub.get(f"{org}?format=csv", "bob").expect(200)
    assert table.header("Content-Type").startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [int(r["id"]) for r in rows] == [e["id"] for e in pages]
    assert [json.loads(r["data"].removeprefix("'")) for r in rows] == [e["data"] for e in pages]
    assert hub.get(f"{org}?format=csv&action=nothing.at_all", "bob").text.count("\n") == 1


def test_of_the_hub_and_of_oneself(hub, place):
    all = hub.get("/api/audit-log?target=alice/hers", "root").expect(200).json()
    assert [e["action"] for e in all] == ["repo.commit", "repo.commit", "repo.create"]
    assert "user.create" in actions(hub.get("/api/audit-log?action=user.*", "root"))
    hub.get("/api/audit-log", "bob").error(403, None)
    hub.get("/api/audit-log").expect(401)
    own = hub.get("/api/settings/audit-log", "alice").expect(200).json()
    assert {e["namespace"] for e in own} == {"alice"} and {"user.create", "token.create", "repo.create"} <= {e["action"] for e in own}


def test_at_the_command_line(hub, place):
    listed = [line.split("\t") for line in hub.admin("audit", "--actor", "connie", "--action", "repo.create").splitlines()]
    assert [row[2] for row in listed] == ["repo.create"] and listed[0][3] == "connie" and listed[0][4] == "model acme/connies"
    assert len(hub.admin("audit", "--limit", "3").splitlines()) == 3
    exported = [json.loads(line) for line in hub.admin("audit", "--target", "acme/m", "--export", "jsonl").splitlines()]
    assert exported == hub.get("/api/models/acme/m/audit-log?limit=1000", "bob").json()
    assert hub.admin("audit", "--action", "repo.*", "--export", "csv").startswith("id,date,action,actor,namespace,type,repository,number,data")
    for bad in (("--since", "soon"), ("--target", "a b"), ("--limit", "0")):
        assert hub.run("admin", "audit", *bad, check=False).returncode != 0, bad
