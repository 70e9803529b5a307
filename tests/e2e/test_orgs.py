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
