"""The description of the API: valid, and complete for what clients call."""

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
