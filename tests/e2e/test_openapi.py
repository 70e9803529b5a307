"""The description of the API: valid, and complete for what clients call."""

import re

import pytest
from openapi_spec_validator import validate

# Section P0 of the Hub API as unmodified clients use it, by the shape of the path.
P0 = """
GET /api/whoami-v2
POST /api/repos/create
DELETE /api/repos/delete
GET /api/{}/{}/{}
GET /api/{}/{}/{}/revision/{}
GET /api/{}/{}/{}/tree/{}
GET /api/{}/{}/{}/tree/{}/{}
POST /api/{}/{}/{}/paths-info/{}
HEAD /{}/{}/resolve/{}/{}
GET /{}/{}/resolve/{}/{}
GET /datasets/{}/{}/resolve/{}/{}
POST /api/{}/{}/{}/preupload/{}
POST /{}/{}/info/lfs/objects/batch
GET /api/{}/{}/{}/xet-write-token/{}
GET /api/{}/{}/{}/xet-read-token/{}
POST /api/{}/{}/{}/commit/{}
GET /api/{}/{}/{}/commits/{}
GET /api/{}/{}/{}/refs
GET /api/models
GET /api/datasets
GET /api/spaces
POST /api/validate-yaml
GET /{}/{}/raw/{}/{}
GET /api/agent-harnesses
HEAD /api/telemetry/{}
"""


def shapes(description: dict) -> set[str]:
    """METHOD and path of every operation; each parameter as {}; a fixed kind (models, datasets, …) counts as one."""
    found = set()
    for path, item in description["paths"].items():
        parts = ["{}" if "{" in part else part for part in path.strip("/").split("/")]
        for method in item:
            if method in ("get", "head", "post", "put", "patch", "delete"):
                found.add(f"{method.upper()} /{'/'.join(parts)}")
                if len(parts) > 2 and parts[0] == "api" and parts[1] in ("models", "datasets", "spaces", "kernels"):
                    found.add(f"{method.upper()} /{'/'.join(['api', '{}', *parts[2:]])}")
    return found


@pytest.fixture(scope="module")
def description(hub):
    return hub.get("/api/openapi.json").expect(200).json()


def test_valid(description):
    validate(description)


@pytest.mark.parametrize("operation", P0.split("\n")[1:-1])
def test_lists_what_clients_call(request, description, operation):
    if "/lfs/" in operation:
        request.getfixturevalue("lfs")
    have = shapes(description)
    method, path = operation.split(" ", 1)
    # A description may leave HEAD to its GET (RFC 9110: the same without a body).
    assert operation in have or (method == "HEAD" and f"GET {path}" in have), sorted(have)


def test_operations_are_described(description):
    missing = []
    ids = []
    for path, item in description["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and method != "parameters":
                ids.append(operation.get("operationId"))
                if not (operation.get("summary") or operation.get("description")):
                    missing.append(f"{method.upper()} {path}")
                if not operation.get("responses"):
                    missing.append(f"{method.upper()} {path}: no responses")
    assert not missing, missing
    assert len(set(ids)) == len(ids), "operationId is used twice"


def addresses(description: dict, values: dict) -> list[tuple[str, str]]:
    """Method and address of every operation, with these values for its parameters (and a word for the rest)."""
    found = []
    for path, item in description["paths"].items():
        address = re.sub(r"\{(\w+)\}", lambda m: values.get(m[1], "nothing"), path)
        found += [(method.upper(), address) for method in item if method in ("get", "head", "post", "put", "patch", "delete")]
    return found


@pytest.mark.parametrize("who", [None, "alice", "hf_" + "x" * 40])
def test_every_answer_has_its_request_id(hub, description, repo, who):
    """Of every operation, on things that are there and that are not; of what no route takes; and of pages."""
    there = {"kind": "models", "namespace": repo.split("/")[0], "repo": repo.split("/")[1], "rev": "main", "path": ".gitattributes", "organization": "acme",
             "user": "alice", "name": "alice"}
    asked = addresses(description, {"kind": "models"})
    # Nothing that is there is deleted or changed: those get a body that nobody takes.
    asked += [(method, address) for method, address in addresses(description, there) if method not in ("DELETE",)]
    asked += [("GET", path) for path in ("/", "/models", "/alice", f"/{repo}", "/nobody-here/nothing", "/settings/tokens", "/login", "/assets/none", "/favicon.ico")]
    asked += [(method, path) for path in ("/api/models", "/nowhere/at/all/of/it", "/healthz", "/login", f"/{repo}", "/api", "/xet", "//", "/%ff") for method in ("PUT", "PATCH", "DELETE", "TRACE")]
    wrong = []
    for method, address in asked:
        answer = hub.request(method, address, who, headers={"X-Request-Id": "from-here"}, **({} if method in ("GET", "HEAD") else {"body": b"{"}))
        fresh = hub.request(method, address, who, **({} if method in ("GET", "HEAD") else {"body": b"{"})).header("X-Request-Id")
        if answer.header("X-Request-Id") != "from-here" or not fresh or len(fresh) < 8:
            wrong.append(f"{method} {address}: {answer.status} {answer.header('X-Request-Id')!r}, {fresh!r}")
        if answer.status >= 500 and answer.status != 501:
            wrong.append(f"{method} {address}: {answer}")
        if answer.status >= 400 and method != "HEAD" and address.startswith("/api/") and not answer.body:
            wrong.append(f"{method} {address}: an error without words: {answer}")
    assert not wrong, "\n".join(wrong)
    # What is too large, and what ends early.
    big = hub.post("/api/validate-yaml", who, body=(bytes(1 << 20) for _ in range(6)))
    assert big.status in (413, 401) and big.header("X-Request-Id"), big
    form = hub.post("/login", None, body=bytes(3 << 20), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert form.status >= 400 and form.header("X-Request-Id"), form
