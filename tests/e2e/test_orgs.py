"""Organizations, as their members and administrators have them through the API, the pages and the command line."""

import re

import browser
import pytest
import wire


@pytest.fixture(scope="module", autouse=True)
def people(hub):
    for name in ("ada", "ben", "cyd"):
        hub.add_user(name)


numbers = iter(range(1, 1 << 30))


@pytest.fixture
def org(hub):
    name = f"lab{next(numbers)}"
    hub.admin("org", "add", name, "--owner", "ada")
    return name


def members(hub, org) -> dict:
    return {m["user"]: m["role"] for m in hub.get(f"/api/organizations/{org}/members").expect(200).json()}


def invite(hub, org, who="ada", **body) -> wire.Response:
    return hub.post(f"/api/organizations/{org}/invitations", who, json={"role": "write"} | body)


def send(who: browser.Browser, page: wire.Response, path: str, **fields) -> wire.Response:
    """One of several forms of a page that lead to one place."""
    token = re.search(r'name="csrf" value="([^"]+)"', page.text).group(1)
    return who.send("POST", path, form={"csrf": token} | fields)


# ---------------------------------------------------------------- members


def test_invitations_by_the_api(hub, org):
    made = invite(hub, org, user="ben").expect(200).json()
    assert made["url"].startswith(f"{hub.url}/settings/invitations/") and made["user"] == "ben" and made["role"] == "write"
    [open_] = hub.get(f"/api/organizations/{org}/invitations", "ada").expect(200).json()
    assert "url" not in open_ and open_["id"] == made["id"] and open_["invitedBy"] == "ada"
    [own] = [i for i in hub.get("/api/settings/invitations", "ben").expect(200).json() if i["organization"]["name"] == org]
    hub.post("/api/settings/invitations/accept", "cyd", json={"id": own["id"]}).expect(404)
    hub.post("/api/settings/invitations/accept", "ben", json={"id": own["id"]}).expect(200)
    assert members(hub, org) == {"ada": "admin", "ben": "write"}
    hub.post("/api/settings/invitations/accept", "ben", json={"id": own["id"]}).expect(404)
    link = invite(hub, org, email="cyd@example.org", role="read").expect(200).json()
    token = link["url"].rsplit("/", 1)[1]
    assert token not in hub.output(), "a secret stands in the log"
    hub.post("/api/settings/invitations/decline", "cyd", json={"token": token}).expect(200)
    hub.post("/api/settings/invitations/accept", "cyd", json={"token": token}).expect(404)
    again = invite(hub, org, email="cyd@example.org").expect(200).json()
    hub.request("DELETE", f"/api/organizations/{org}/invitations/{again['id']}", "ada").expect(200)
    hub.post("/api/settings/invitations/accept", "cyd", json={"token": again["url"].rsplit("/", 1)[1]}).expect(404)
    for wrong in ({}, {"user": "ben", "email": "x@example.org"}, {"email": "no address"}, {"user": "cyd", "role": "owner"}, {"user": "cyd", "days": 0}):
        invite(hub, org, **wrong).expect(400)
    invite(hub, org, user="ghost").expect(404)
    invite(hub, org, user="ben").expect(409)
    for wrong in ({}, {"id": 1, "token": "x"}):
        hub.post("/api/settings/invitations/accept", "cyd", json=wrong).expect(400)


def test_roles_and_leaving(hub, org):
    hub.admin("org", "member", org, "ben", "--role", "read")
    base = f"/api/organizations/{org}/members"
    role = lambda who, user, value: hub.request("PUT", f"{base}/{user}/role", who, json={"role": value})
    role("ben", "ben", "admin").expect(403)
    role("ada", "cyd", "read").expect(404)
    answer = role("ada", "ada", "write").expect(409)
    assert "without an administrator" in answer.json()["error"], answer
    hub.request("DELETE", f"{base}/ada", "ada").expect(409)
    role("ada", "ben", "admin").expect(200)
    hub.request("DELETE", f"{base}/ada", "ada").expect(200)
    assert members(hub, org) == {"ben": "admin"}
    assert hub.admin("org", "members", org) == "ben\tadmin"
    assert "without an administrator" in hub.run("admin", "org", "remove", org, "ben", check=False).stderr
    hub.admin("org", "member", org, "cyd", "--role", "write")
    hub.request("DELETE", f"{base}/ben", "cyd").expect(403)
    hub.request("DELETE", f"{base}/cyd", "ben").expect(200)
    hub.request("DELETE", f"{base}/cyd", "ben").expect(404)
    assert members(hub, org) == {"ben": "admin"}


def test_members_by_the_pages(hub, org):
    ada, ben = browser.person(hub, "ada"), browser.person(hub, "ben")
    at = f"/settings/organizations/{org}/members"
    assert ben.get(at).status == 403
    assert at in ada.get(f"/{org}").text
    done = send(ada, ada.get(at), at, action="invite", whom="ghost", role="read")
    assert done.status == 422 and "There is no user of this name" in done.text
    done = send(ada, ada.get(at), at, action="invite", whom="cyd@example.org", role="contributor")
    assert done.status == 200 and done.header("Cache-Control") == "no-store", done
    link = done.text.split(f"{hub.url}/settings/invitations/")[1].split("<")[0]
    assert link not in ada.get(at).text, "it is shown once"
    page = ben.get(f"/settings/invitations/{link}")
    assert f"Invitation to join {org}" in page.text and "Contributor" in page.text
    send(ben, page, f"/settings/invitations/{link}", action="accept")
    assert members(hub, org) == {"ada": "admin", "ben": "contributor"}
    assert ben.get(f"/settings/invitations/{link}").status == 404
    assert org in ben.get("/settings/organizations").text
    # By name it is found in one's own settings.
    cyd = browser.person(hub, "cyd")
    send(ada, ada.get(at), at, action="invite", whom="cyd", role="read")
    page = cyd.get("/settings/organizations")
    assert "Open invitations" in page.text and "Invited by ada" in page.text
    send(cyd, page, "/settings/organizations", action="accept", id=re.search(r'name="id" value="([^"]+)"', page.text).group(1))
    assert members(hub, org)["cyd"] == "read"
    # A member looks and leaves, and manages nothing.
    page = cyd.get(at)
    assert "Leave the organization" in page.text and 'value="invite"' not in page.text
    assert send(cyd, page, at, action="invite", whom="ben", role="read").status == 403
    send(cyd, cyd.get(at), at, action="leave")
    page = send(ada, ada.get(at), at, action="role", user="ada", role="read")
    assert page.status == 422 and "without an administrator" in page.text
    send(ada, ada.get(at), at, action="remove", user="ben")
    assert members(hub, org) == {"ada": "admin"}


# ---------------------------------------------------------------- resource groups


@pytest.fixture
def lab(hub, org):
    """An organization of ada's; ben has a role in its group, cyd has none there."""
    for user in ("ben", "cyd"):
        hub.admin("org", "member", org, user, "--role", "write")
    made = hub.post(f"/api/organizations/{org}/resource-groups", "ada", json={"name": "inner", "users": [{"user": "ben", "role": "contributor"}]}).expect(200)
    return org, made.json()["id"]


def test_the_client_makes_things_in_a_group(hub, lab):
    """`resource_group_id` of the published client."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    org, group = lab
    ada, ben, cyd = (HfApi(endpoint=hub.url, token=hub.tokens[name]) for name in ("ada", "ben", "cyd"))
    ada.create_repo(f"{org}/m", private=True, resource_group_id=group)
    ada.upload_file(repo_id=f"{org}/m", path_or_fileobj=bytes(range(256)) * 5000, path_in_repo="w.bin")
    ben.create_repo(f"{org}/by-ben", private=True, resource_group_id=group)
    ben.create_bucket(f"{org}/runs", private=True, resource_group_id=group)
    for api in (cyd, ben):
        with pytest.raises(HfHubHTTPError):
            api.create_repo(f"{org}/x", private=True, resource_group_id="0" * 24)
    with pytest.raises(HfHubHTTPError):
        cyd.create_repo(f"{org}/x", private=True, resource_group_id=group)
    assert ben.model_info(f"{org}/m").id == f"{org}/m"
    assert {m.id for m in ben.list_models(author=org)} == {f"{org}/m", f"{org}/by-ben"}
    # For a writer of the organization who has no role in the group there is nothing.
    with pytest.raises(RepositoryNotFoundError):
        cyd.model_info(f"{org}/m")
    assert not list(cyd.list_models(author=org)) and hub.get(f"/api/buckets/{org}", "cyd").json() == []
    for path in (f"/{org}/m/resolve/main/w.bin", f"/{org}/m.git/info/refs?service=git-upload-pack", f"/api/models/{org}/m/xet-write-token/main", f"/{org}/m", f"/api/buckets/{org}/runs/tree"):
        hub.get(path, "cyd").expect(404)
    ada.duplicate_repo(f"{org}/m", f"{org}/copy", private=True, resource_group_id=group) if hasattr(ada, "duplicate_repo") else \
        hub.post(f"/api/models/{org}/m/duplicate", "ada", json={"repository": f"{org}/copy", "private": True, "resourceGroupId": group}).expect(200)
    told = hub.get(f"/api/organizations/{org}/resource-groups/{group}", "ben").expect(200).json()
    assert {(r["type"], r["name"]) for r in told["repos"]} == {("model", f"{org}/{n}") for n in ("m", "by-ben", "copy")} | {("bucket", f"{org}/runs")}
    assert [(u["user"], u["role"]) for u in told["users"]] == [("ben", "contributor")]


def test_putting_in_and_taking_out(hub, lab):
    org, group = lab
    at = f"/api/organizations/{org}/resource-groups/{group}"
    hub.create(f"{org}/m", "ada", visibility="private").expect(200)
    hub.post(f"/api/buckets/{org}/b", "ada", json={"private": True}).expect(200)
    hub.get(f"/api/models/{org}/m", "cyd").expect(200)
    put = lambda value, who="ada", what=f"models/{org}/m": hub.post(f"/api/{what}/resource-group", who, json={"resourceGroupId": value})
    put(group, "cyd").expect(403)
    put("0" * 24).expect(404)
    put(group).expect(200)
    put(group, what=f"buckets/{org}/b").expect(200)
    hub.get(f"/api/models/{org}/m", "cyd").expect(404)
    hub.get(f"/api/buckets/{org}/b", "cyd").expect(404)
    assert hub.get(f"/api/models/{org}/m/resource-group", "ada").json() == {"id": group, "name": "inner"}
    hub.request("PATCH", f"{at}/users/ben", "ada", json={"role": "write"}).expect(200)
    hub.commit(f"{org}/m", "ben", wire.file("a.txt", "x")).expect(200)
    hub.request("DELETE", f"{at}/users/ben", "ada").expect(200)
    hub.get(f"/api/models/{org}/m", "ben").expect(404)
    hub.request("DELETE", at, "ada").expect(409)
    put(None).expect(200)
    put(None, what=f"buckets/{org}/b").expect(200)
    assert hub.get(f"/api/models/{org}/m/resource-group", "ada").json() is None
    hub.request("DELETE", at, "ada").expect(200)
    hub.get(at, "ada").expect(404)
    for wrong in ({}, {"name": ""}, {"name": "x" * 101}, {"name": "x", "users": [{"user": "ben", "role": "boss"}]}):
        hub.post(f"/api/organizations/{org}/resource-groups", "ada", json=wrong).expect(400, 422)
    hub.post(f"/api/organizations/{org}/resource-groups", "ada", json={"name": "x", "users": [{"user": "alice", "role": "read"}]}).expect(404)
    assert hub.get(f"/api/organizations/{org}/resource-groups", "ada").json() == [], "all or nothing"


def test_groups_by_the_pages(hub, lab):
    org, group = lab
    at = f"/settings/organizations/{org}/groups"
    hub.create(f"{org}/m", "ada", visibility="private").expect(200)
    ada, cyd = browser.person(hub, "ada"), browser.person(hub, "cyd")
    assert "inner" not in cyd.get(at).text and send(cyd, cyd.get(at), at, action="delete", group=group).status == 403
    send(ada, ada.get(at), at, action="add-repo", group=group, repo=f"{org}/m")
    send(ada, ada.get(at), at, action="add-user", group=group, user="cyd", role="read")
    page = cyd.get(at).text
    assert "inner" in page and f"{org}/m" in page and 'value="add-user"' not in page
    assert cyd.get(f"/{org}/m").status == 200
    send(ada, ada.get(at), at, action="remove-user", group=group, user="cyd")
    assert cyd.get(f"/{org}/m").status == 404
    for fields, words in (({"action": "add-user", "user": "alice", "role": "read"}, "not a member"), ({"action": "add-repo", "repo": "alice/none"}, "no such repository"),
                          ({"action": "delete"}, "Take the repositories out"), ({"action": "create", "name": "INNER"}, "of this name already")):
        answer = send(ada, ada.get(at), at, group=group, **fields)
        assert answer.status == 422 and words in answer.text, answer
    send(ada, ada.get(at), at, action="remove-repo", repo=f"{org}/m")
    send(ada, ada.get(at), at, action="delete", group=group)
    assert cyd.get(f"/{org}/m").status == 200 and hub.get(f"/api/organizations/{org}/resource-groups", "ada").json() == []


# ---------------------------------------------------------------- service accounts


def test_a_service_account_works_with_the_clients(hub, org, any_client):
    at = f"/api/organizations/{org}/service-accounts"
    hub.post(at, "ada", json={"name": f"{org}-ci", "role": "contributor"}).expect(200)
    made = hub.post(f"{at}/{org}-ci/tokens", "ada", json={"name": "build", "role": "write", "days": 30}).expect(200).json()
    any_client.token = made["token"]
    (any_client.home / "up").mkdir(parents=True)
    (any_client.home / "up" / "a.txt").write_text("built")
    any_client.hf("upload", f"{org}/built", any_client.home / "up", "--private")
    assert hub.get(f"/{org}/built/resolve/main/a.txt", "ada").expect(200).text == "built"
    assert hub.create(f"{org}-ci/own", made["token"]).status == 403
    listed = {m["user"]: m["type"] for m in hub.get(f"/api/organizations/{org}/members").json()}
    assert listed == {"ada": "user", f"{org}-ci": "service"}
    [told] = hub.get(at, "ada").expect(200).json()
    assert [t["name"] for t in told["tokens"]] == ["build"] and made["token"] not in str(told)
    hub.request("DELETE", f"{at}/{org}-ci/tokens/{made['id']}", "ada").expect(200)
    hub.get("/api/whoami-v2", made["token"]).expect(401)
    again = hub.post(f"{at}/{org}-ci/tokens", "ada", json={"name": "again", "role": "read"}).expect(200).json()["token"]
    hub.request("DELETE", f"{at}/{org}-ci", "ada").expect(200)
    hub.get("/api/whoami-v2", again).expect(401)
    for wrong in ({"name": "x y", "role": "read"}, {"name": "x", "role": "admin"}, {"name": f"{org}-2", "role": "admin"}):
        hub.post(at, "ada", json=wrong).expect(400)
    assert hub.run("admin", "user", "password", f"{org}-ci", check=False).returncode != 0


def test_service_accounts_by_the_pages(hub, org):
    at = f"/settings/organizations/{org}/services"
    hub.admin("org", "member", org, "ben", "--role", "write")
    ada = browser.person(hub, "ada")
    assert browser.person(hub, "ben").get(at).status == 403
    send(ada, ada.get(at), at, action="create", name=f"{org}-bot", role="write")
    page = send(ada, ada.get(at), at, action="token", service=f"{org}-bot", token="ci", role="write")
    assert page.status == 200 and page.header("Cache-Control") == "no-store"
    secret = re.search(r"hf_[A-Za-z0-9]{34,}", page.text).group(0)
    assert hub.get("/api/whoami-v2", secret).expect(200).json()["name"] == f"{org}-bot"
    page = ada.get(at)
    assert secret not in page.text and "Service account" in ada.get(f"/settings/organizations/{org}/members").text
    send(ada, page, at, action="revoke", service=f"{org}-bot", id=re.search(r'name="id" value="([0-9]+)"', page.text).group(1))
    hub.get("/api/whoami-v2", secret).expect(401)
    answer = send(ada, ada.get(at), at, action="create", name=f"{org}-bot", role="read")
    assert answer.status == 422
    send(ada, ada.get(at), at, action="delete", service=f"{org}-bot")
    assert f"{org}-bot" not in ada.get(at).text


# ---------------------------------------------------------------- settings and activity


def test_the_default_visibility(hub, org, any_client):
    from huggingface_hub import HfApi

    at, api = f"/api/organizations/{org}/settings", HfApi(endpoint=hub.url, token=hub.tokens["ada"])
    assert hub.get(at, "ada").expect(200).json() == {"defaultVisibility": "public"}
    hub.create(f"{org}/before", "ada").expect(200)
    hub.request("PUT", at, "ada", json={"defaultVisibility": "secret"}).expect(400)
    hub.request("PUT", at, "ada", json={"defaultVisibility": "private"}).expect(200)
    # The client says nothing unless it is told to.
    any_client.token = hub.tokens["ada"]
    (any_client.home / "up").mkdir(parents=True)
    (any_client.home / "up" / "a.txt").write_text("x")
    any_client.hf("upload", f"{org}/quiet", any_client.home / "up")
    hub.post(f"/api/buckets/{org}/quiet", "ada", json={}).expect(200)
    api.create_repo(f"{org}/said", private=False)
    assert {m.id: m.private for m in api.list_models(author=org)} == {f"{org}/before": False, f"{org}/quiet": True, f"{org}/said": False}
    assert hub.get(f"/api/buckets/{org}/quiet", "ada").json()["private"]
    hub.create(f"ada/own{org}", "ada").expect(200)
    assert not hub.get(f"/api/models/ada/own{org}").expect(200).json()["private"], "people's own are as before"
    ada = browser.person(hub, "ada")
    page = f"/settings/organizations/{org}/activity"
    send(ada, ada.get(page), page, visibility="public")
    assert hub.get(at, "ada").json() == {"defaultVisibility": "public"}


def test_activity_tells_nobody_too_much(hub, lab):
    org, group = lab
    at = f"/api/organizations/{org}/activity"
    hub.create(f"{org}/open", "ada", visibility="public").expect(200)
    hub.create(f"{org}/inner", "ada", visibility="private", resourceGroupId=group).expect(200)
    hub.commit(f"{org}/inner", "ada", wire.file("a.txt", "x")).expect(200)
    hub.create(f"{org}/gone", "ada", visibility="private").expect(200)
    hub.request("DELETE", "/api/repos/delete", "ada", json={"name": "gone", "organization": org}).expect(200)
    invite(hub, org, email="hidden@example.org").expect(200)

    def told(who, **query):
        items = hub.get(at + "?limit=200", who).expect(200).json()
        return items, {i["repo"]["name"] for i in items if i["repo"]}, {i["kind"] for i in items}

    items, repos, kinds = told("ada")
    assert repos == {f"{org}/{n}" for n in ("open", "inner", "gone")} and {"group.create", "org.invite", "repo.delete", "repo.commit"} <= kinds
    assert [i["id"] for i in items] == sorted((i["id"] for i in items), reverse=True) and "hidden@" not in str(items)
    _, repos, kinds = told("ben")
    assert repos == {f"{org}/open", f"{org}/inner"} and not {"group.create", "org.invite", "repo.delete"} & kinds
    items, repos, kinds = told("cyd")
    assert repos == {f"{org}/open"} and "inner" not in str(items) and {"org.create", "org.member"} <= kinds
    assert {(i["user"], i["role"]) for i in items if i["kind"] == "org.member"} == {("ben", "write"), ("cyd", "write")}
    hub.get(at, "alice").expect(403)
    hub.get(at).expect(401)
    # Page by page it is the same.
    found, url = [], f"{at}?limit=2"
    while url:
        answer = hub.get(url, "ada").expect(200)
        found += answer.json()
        link = answer.header("Link")
        url = link.split("<")[1].split(">")[0] if link else None
    assert found == told("ada")[0]
    hub.get(f"{at}?cursor=x", "ada").expect(400)
    cyd = browser.person(hub, "cyd")
    page = cyd.get(f"/settings/organizations/{org}/activity").text
    assert f"{org}/open" in page and "inner" not in page and "New repositories" not in page
