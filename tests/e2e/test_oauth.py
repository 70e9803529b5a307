"""The hub as a provider of OAuth 2 and OpenID Connect: the published clients sign in, and thieves get nothing."""

import base64
import configparser
import hashlib
import json
import re
import secrets
import subprocess
import time
import urllib.parse

import browser
import clients
import hub as hubs
import pytest
import wire

HF = "26be6b09-91c5-47da-9861-d2d2bb7a7e36"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CALLBACK = "https://app.example.org/callback"


@pytest.fixture(scope="module")
def alice(hub):
    return browser.person(hub, "alice")


def application(hub, *more, confidential=False, redirect=CALLBACK):
    """A registered application: its id, and its secret if it has one."""
    kind = ("--confidential",) if confidential else ()
    made = hub.admin("app", "add", "Test application", "--redirect", redirect, *kind, *more).splitlines()
    return made if confidential else made[0]


def pkce():
    verifier = secrets.token_urlsafe(48)
    return verifier, base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def address(**parameters):
    return "/oauth/authorize?" + urllib.parse.urlencode(parameters)


def ask(application, challenge=None, **more):
    parameters = {"client_id": application, "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid profile", "state": "s"}
    if challenge:
        parameters |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    return address(**parameters | more)


def agree(who, where, **fields):
    """The query of the address that the person is sent back to."""
    page = who.get(where).expect(200)
    answer = who.submit(page, "/oauth/authorize", decision="approve", **fields).expect(303)
    return browser.query(answer.header("Location"))


def token(hub, **form):
    return hub.post("/oauth/token", form=form)


def refused(answer, code, status=400):
    answer.expect(status)
    assert answer.json()["error"] == code, answer
    assert answer.header("Cache-Control") == "no-store", answer
    return answer


def claims(jwt):
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


# ---------------------------------------------------------------- machines


def waiting(hub, **form):
    return hub.post("/oauth/device", form={"client_id": HF} | form).expect(200).json()


def approve(who, code, **fields):
    page = who.get(f"/device?user_code={code}").expect(200)
    return who.submit(page, "/device", decision="approve", **fields).expect(200)


def test_hf_auth_login(hub, alice, tmp_path):
    """`hf auth login` in a terminal, without a token, until the token is revoked on the page."""
    machine = clients.Client("2.4.0", tmp_path / "machine", hub.url)
    process = machine.popen(machine.bin / "hf", "auth", "login")
    try:
        seen = ""
        while not (found := re.search(r"(http\S+/device\?user_code=\S+)[\s\S]*?code[: ]+([A-Z]{4}-[A-Z]{4})", seen)):
            piece = process.stdout.read(1)
            assert piece, f"ended before it showed a code:\n{seen}"
            seen += piece
        assert found[1] == f"{hub.url}/device?user_code={found[2]}"
        page = alice.get(found[1]).expect(200)
        assert found[2] in page.text and "hf wants to sign in as you" in page.text
        alice.submit(page, "/device", decision="approve").expect(200)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, seen + rest
    finally:
        process.kill()
    assert "alice" in machine.hf("auth", "whoami")
    (tmp_path / "a.txt").write_text("by a machine")
    machine.hf("upload", "alice/from-login", tmp_path / "a.txt", "a.txt")
    assert hub.get("/alice/from-login/resolve/main/a.txt", "alice").text == "by a machine"

    # Close to its end the client renews it by itself, and the old one keeps working for requests under way.
    stored = configparser.ConfigParser()
    file = machine.home / "hf" / "stored_tokens"
    stored.read(file)
    before = dict(stored["oauth-alice"])
    stored["oauth-alice"]["expires_at"] = str(int(time.time()) + 3600)
    with open(file, "w") as out:
        stored.write(out)
    machine.hf("auth", "whoami")
    stored.read(file)
    after = dict(stored["oauth-alice"])
    assert after["hf_token"] != before["hf_token"] and after["refresh_token"] != before["refresh_token"]
    assert int(after["expires_at"]) > time.time() + 20 * 86400
    for secret in (before["hf_token"], after["hf_token"]):
        hub.get("/api/whoami-v2", secret).expect(200)

    page = alice.get("/settings/tokens").expect(200)
    alice.submit(page, "/settings/tokens/applications/revoke").expect(200)
    for secret in (before["hf_token"], after["hf_token"]):
        hub.get("/api/whoami-v2", secret).expect(401)
    machine.hf("auth", "whoami", check=False)


def test_a_machine_may_be_let_in_for_reading_only(hub, alice):
    started = waiting(hub)
    approve(alice, started["user_code"].replace("-", "%20").lower(), reading="1")
    got = token(hub, grant_type=DEVICE, client_id=HF, device_code=started["device_code"]).expect(200).json()
    assert got["scope"] == "openid profile email read-repos" and got["token_type"] == "bearer"
    hub.create("alice/hidden", "alice", visibility="private").expect(200)
    hub.get("/api/models/alice/hidden", got["access_token"]).expect(200)
    hub.commit("alice/hidden", got["access_token"], wire.file("x", "x")).expect(403)
    assert "alice/hidden" in {m["id"] for m in hub.get("/api/models?author=alice", got["access_token"]).json()}
    me = hub.get("/api/whoami-v2", got["access_token"]).json()
    assert me["auth"]["type"] == "app_token_as_user" and "accessToken" not in me["auth"] and me["auth"]["expiresAt"]


def test_machines_ask_patiently_and_once(hub, alice):
    started = waiting(hub)
    poll = {"grant_type": DEVICE, "client_id": HF, "device_code": started["device_code"]}
    refused(token(hub, **poll), "authorization_pending")
    refused(token(hub, **poll), "slow_down")
    approve(alice, started["user_code"])
    # Another application cannot take it, and the short code is no device code.
    other = application(hub, "--device")
    refused(token(hub, **poll | {"client_id": other}), "invalid_grant")
    refused(token(hub, **poll | {"device_code": started["user_code"]}), "invalid_grant")
    token(hub, **poll).expect(200)
    refused(token(hub, **poll), "invalid_grant")


def test_a_denied_machine_is_told(hub, alice):
    started = waiting(hub)
    page = alice.get(f"/device?user_code={started['user_code']}").expect(200)
    alice.submit(page, "/device", decision="deny").expect(200)
    # Decided is decided.
    alice.get(f"/device?user_code={started['user_code']}").expect(422)
    poll = {"grant_type": DEVICE, "client_id": HF, "device_code": started["device_code"]}
    refused(token(hub, **poll), "access_denied")
    refused(token(hub, **poll), "invalid_grant")


def test_only_registered_machines_wait(hub):
    refused(hub.post("/oauth/device", form={"client_id": "nobody-knows-me"}), "invalid_client", 401)
    refused(hub.post("/oauth/device", form={}), "invalid_request")
    refused(hub.post("/oauth/device", form={"client_id": application(hub)}), "invalid_client", 401)
    refused(hub.post("/oauth/device", form={"client_id": HF, "scope": "jobs webhooks"}), "invalid_scope")


def test_codes_cannot_be_guessed(hub):
    """Ten wrong codes, then a pause, even for the right one; nobody else is held up, and nobody unknown may try."""
    started = waiting(hub)
    assert browser.Browser(hub).get(f"/device?user_code={started['user_code']}", follow=False).status == 303
    bob = browser.person(hub, "bob")
    for _ in range(10):
        bob.get("/device?user_code=BBBB-BBBB").expect(422)
    bob.get("/device?user_code=BBBB-BBBB").expect(429)
    bob.get(f"/device?user_code={started['user_code']}").expect(429)
    browser.person(hub, "carol").get(f"/device?user_code={started['user_code']}").expect(200)


# ---------------------------------------------------------------- applications


def test_a_public_application_signs_in(hub, alice):
    client_id = application(hub)
    verifier, challenge = pkce()
    where = ask(client_id, challenge, state='{"a": "b c"}', nonce="n-1", scope="openid profile email read-repos jobs")
    page = alice.get(where).expect(200)
    assert page.header("Content-Security-Policy").endswith("form-action 'self' https://app.example.org")
    back = agree(alice, where)
    assert back["state"] == '{"a": "b c"}' and back["iss"] == hub.url
    got = token(hub, grant_type="authorization_code", client_id=client_id, code=back["code"], redirect_uri=CALLBACK,
                code_verifier=verifier).expect(200).json()
    assert got["scope"] == "openid profile email read-repos" and got["expires_in"] == 8 * 3600
    assert "refresh_token" not in got, "only with offline_access"
    told = claims(got["id_token"])
    me = hub.get("/api/whoami-v2", "alice").json()
    assert told["iss"] == hub.url and told["aud"] == client_id and told["nonce"] == "n-1" and told["sub"] == me["id"]
    assert told["preferred_username"] == "alice" and told["email"] == "alice@example.org" and told["email_verified"] is False
    half = hashlib.sha256(got["access_token"].encode()).digest()[:16]
    assert told["at_hash"] == base64.urlsafe_b64encode(half).decode().rstrip("=")
    info = hub.get("/oauth/userinfo", got["access_token"]).expect(200).json()
    assert {k: told[k] for k in info} == info
    assert hub.post("/oauth/userinfo", got["access_token"]).expect(200).json() == info
    hub.post("/oauth/revoke", form={"client_id": client_id, "token": got["access_token"]}).expect(200)
    hub.get("/api/whoami-v2", got["access_token"]).expect(401)
    hub.post("/oauth/revoke", form={"client_id": client_id, "token": "hf_unknown"}).expect(200)


def test_scopes_are_a_ceiling(hub, alice):
    """An application that only knows who the person is can do nothing, and nobody's application makes tokens."""
    client_id = application(hub)
    hub.create("alice/ceiling", "alice", visibility="private").expect(200)

    def with_scope(scope):
        verifier, challenge = pkce()
        code = agree(alice, ask(client_id, challenge, scope=scope))["code"]
        return token(hub, grant_type="authorization_code", client_id=client_id, code=code, redirect_uri=CALLBACK,
                     code_verifier=verifier).expect(200).json()

    who = with_scope("openid")
    hub.get("/api/models/alice/ceiling", who["access_token"]).expect(404)
    hub.create("alice/none", who["access_token"]).expect(403)
    info = hub.get("/oauth/userinfo", who["access_token"]).expect(200).json()
    assert set(info) == {"sub"}
    assert hub.get("/api/whoami-v2", who["access_token"]).json()["email"] is None
    reader = with_scope("read-repos")
    assert "id_token" not in reader
    hub.get("/oauth/userinfo", reader["access_token"]).expect(403)
    hub.get("/api/models/alice/ceiling", reader["access_token"]).expect(200)
    hub.commit("alice/ceiling", reader["access_token"], wire.file("x", "x")).expect(403)
    writer = with_scope("write-repos")
    hub.commit("alice/ceiling", writer["access_token"], wire.file("x", "x")).expect(200)
    collection = {"title": "of an application", "namespace": "alice"}
    hub.post("/api/collections", reader["access_token"], json=collection).expect(403)
    hub.post("/api/collections", writer["access_token"], json=collection).expect(200)
    gone = {"name": "ceiling", "organization": "alice"}
    hub.request("DELETE", "/api/repos/delete", writer["access_token"], json=gone).expect(403)
    manager = with_scope("manage-repos")
    hub.request("DELETE", "/api/repos/delete", manager["access_token"], json=gone).expect(200)


def test_codes_are_used_once_by_their_own(hub, alice):
    client_id, other = application(hub), application(hub)
    verifier, challenge = pkce()
    code = agree(alice, ask(client_id, challenge, scope="openid read-repos"))["code"]
    form = {"grant_type": "authorization_code", "client_id": client_id, "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    refused(token(hub, **form | {"client_id": other}), "invalid_grant")
    refused(token(hub, **form | {"client_id": "nobody-knows-me"}), "invalid_grant")
    refused(token(hub, **form | {"redirect_uri": CALLBACK + "/"}), "invalid_grant")
    refused(token(hub, **form | {"code_verifier": pkce()[0]}), "invalid_grant")
    refused(token(hub, **form | {"code_verifier": challenge}), "invalid_grant")
    refused(token(hub, **{k: v for k, v in form.items() if k != "code_verifier"}), "invalid_grant")
    refused(token(hub, **{k: v for k, v in form.items() if k != "redirect_uri"}), "invalid_request")
    refused(token(hub, **form | {"code": code[:-1]}), "invalid_grant")
    got = token(hub, **{k: v for k, v in form.items() if k != "client_id"}).expect(200).json()
    hub.get("/api/whoami-v2", got["access_token"]).expect(200)
    refused(token(hub, **form), "invalid_grant")
    hub.get("/api/whoami-v2", got["access_token"]).expect(401)  # what a stolen code became has ended


def test_refresh_tokens_rotate_and_thieves_end_them(hub, alice):
    client_id = application(hub)
    verifier, challenge = pkce()
    code = agree(alice, ask(client_id, challenge, scope="openid read-repos offline_access"))["code"]
    first = token(hub, grant_type="authorization_code", client_id=client_id, code=code, redirect_uri=CALLBACK,
                  code_verifier=verifier).expect(200).json()

    def refresh(secret, **more):
        return token(hub, **{"grant_type": "refresh_token", "client_id": client_id, "refresh_token": secret} | more)

    refused(refresh(first["refresh_token"], client_id=application(hub)), "invalid_grant")
    refused(refresh(first["refresh_token"], scope="openid write-repos"), "invalid_scope")
    refused(refresh(first["access_token"]), "invalid_grant")
    second = refresh(first["refresh_token"], scope="read-repos").expect(200).json()
    assert second["scope"] == "read-repos"
    third = refresh(second["refresh_token"]).expect(200).json()
    assert third["scope"] == "openid read-repos offline_access"
    hub.get("/api/whoami-v2", third["access_token"]).expect(200)
    refused(refresh(first["refresh_token"]), "invalid_grant")
    refused(refresh(third["refresh_token"]), "invalid_grant")
    for got in (first, second, third):
        hub.get("/api/whoami-v2", got["access_token"]).expect(401)


def test_confidential_applications_need_their_secret(hub, alice):
    client_id, secret = application(hub, confidential=True)
    code = agree(alice, ask(client_id))["code"]
    form = {"grant_type": "authorization_code", "client_id": client_id, "code": code, "redirect_uri": CALLBACK}
    answer = refused(token(hub, **form), "invalid_client", 401)
    assert answer.header("WWW-Authenticate").startswith("Basic")
    refused(token(hub, **form, client_secret=secret[:-1]), "invalid_client", 401)
    refused(token(hub, **{k: v for k, v in form.items() if k != "client_id"}), "invalid_client", 401)
    # PKCE cannot be added afterwards, nor left out once begun.
    refused(token(hub, **form, client_secret=secret, code_verifier=pkce()[0]), "invalid_grant")
    pair = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    basic = {"Authorization": f"Basic {pair}"}
    refused(hub.post("/oauth/token", form=form | {"client_id": "another"}, headers=basic), "invalid_request")
    hub.post("/oauth/token", form={k: v for k, v in form.items() if k != "client_id"}, headers=basic).expect(200)
    code = agree(alice, ask(client_id, pkce()[1]))["code"]
    refused(token(hub, **form | {"code": code, "client_secret": secret}), "invalid_grant")


def test_requests_that_lead_nowhere(hub, alice):
    """Wrong addresses are shown to the person and never followed; other mistakes go back to the application."""
    client_id = application(hub)
    challenge = pkce()[1]
    for bad in (
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": CALLBACK + "/.."},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": "https://app.example.org@evil.example/callback"},
        {"redirect_uri": ""},
        {"client_id": "nobody-knows-me"},
        {"client_id": ""},
        {"state": "x" * 5000},
    ):
        answer = alice.get(ask(client_id, challenge, **bad), follow=False)
        assert answer.status == 400 and not answer.header("Location"), f"{bad}: {answer}"
    twice = alice.get(ask(client_id, challenge) + "&redirect_uri=https://evil.example/", follow=False)
    assert twice.status == 400 and not twice.header("Location")
    for code, bad in (
        ("unsupported_response_type", {"response_type": "token"}),
        ("unsupported_response_type", {"response_type": "code id_token"}),
        ("invalid_request", {"response_type": ""}),
        ("invalid_request", {"response_mode": "fragment"}),
        ("invalid_request", {"code_challenge_method": "plain"}),
        ("invalid_request", {"code_challenge_method": ""}),
        ("invalid_request", {"code_challenge": "short"}),
        ("invalid_request", {"code_challenge": "", "code_challenge_method": ""}),
        ("invalid_scope", {"scope": "jobs"}),
        ("request_not_supported", {"request": "x.y.z"}),
        ("request_uri_not_supported", {"request_uri": "https://evil.example/"}),
        ("consent_required", {"prompt": "none"}),
    ):
        answer = alice.get(ask(client_id, challenge, **bad), follow=False)
        assert answer.status == 303 and answer.header("Location").startswith(CALLBACK + "?"), f"{bad}: {answer}"
        told = browser.query(answer.header("Location"))
        assert (told["error"], told["state"], told["iss"]) == (code, "s", hub.url), f"{bad}: {told}"
    nobody = browser.Browser(hub)
    told = browser.query(nobody.get(ask(client_id, challenge, prompt="none"), follow=False).header("Location"))
    assert told["error"] == "login_required"
    there = nobody.get(ask(client_id, challenge), follow=False)
    assert there.status == 303 and there.header("Location").startswith("/login?next=%2Foauth%2Fauthorize")


def test_consent_is_the_persons_own(hub, alice):
    client_id = application(hub)
    where = ask(client_id, pkce()[1])
    page = alice.get(where).expect(200)
    fields = alice.forms(page)["/oauth/authorize"]
    for stolen in ({"csrf": ""}, {"csrf": "0" * 64}):
        assert alice.send("POST", "/oauth/authorize", False, form=fields | {"decision": "approve"} | stolen).status == 403
    foreign = {"Origin": "https://app.example.org"}
    assert alice.send("POST", "/oauth/authorize", False, form=fields | {"decision": "approve"}, headers=foreign).status == 403
    # What the form carries is checked again.
    swapped = fields | {"decision": "approve", "redirect_uri": "https://evil.example/"}
    answer = alice.send("POST", "/oauth/authorize", False, form=swapped)
    assert answer.status == 400 and not answer.header("Location")
    no = alice.submit(page, "/oauth/authorize", decision="deny").expect(303)
    assert browser.query(no.header("Location"))["error"] == "access_denied"
    assert "frame-ancestors 'none'" in page.header("Content-Security-Policy")
    # A token is nobody at a page, so it cannot agree for its person.
    assert hub.post("/oauth/authorize", "alice", form=fields | {"decision": "approve"}).status == 403


def test_tokens_cannot_be_asked_for_oddly(hub):
    refused(token(hub), "invalid_request")
    refused(token(hub, grant_type="password", username="alice", password="x"), "unsupported_grant_type")
    refused(token(hub, grant_type="client_credentials", client_id=HF), "unsupported_grant_type")
    refused(token(hub, grant_type=DEVICE, device_code="x"), "invalid_request")
    refused(hub.post("/oauth/token", body=b"grant_type=a&grant_type=b", headers={"Content-Type": "application/x-www-form-urlencoded"}), "invalid_request")
    refused(hub.post("/oauth/token", json=["x"]), "invalid_request")
    refused(hub.post("/oauth/token", body=b"x" * 100_000, headers={"Content-Type": "application/x-www-form-urlencoded"}), "invalid_request")


def test_registering_on_the_page(hub, alice):
    page = alice.get("/settings/applications").expect(200)
    made = alice.submit(page, "/settings/applications", name="Board", redirect_uris=f"{CALLBACK}\nhttp://127.0.0.1/cb", kind="confidential").expect(200)
    secret = re.search(r"hfo_[A-Za-z0-9]{43}", made.text)[0]
    client_id = alice.forms(made)["/settings/applications/remove"]["client_id"]
    assert client_id in made.text and secret not in alice.get("/settings/applications").text
    page = alice.get(ask(client_id)).expect(200)
    assert "Board" in page.text and 'href="/alice"' in page.text
    agree(alice, ask(client_id, redirect_uri="http://127.0.0.1:51234/cb"))
    renewed = alice.submit(alice.get("/settings/applications"), "/settings/applications/secret").expect(200)
    assert re.search(r"hfo_[A-Za-z0-9]{43}", renewed.text)[0] != secret
    code = agree(alice, ask(client_id))["code"]
    refused(token(hub, grant_type="authorization_code", client_id=client_id, client_secret=secret, code=code, redirect_uri=CALLBACK), "invalid_client", 401)
    for bad in ("http://app.example.org/cb", "javascript:alert(1)", "https://app.example.org/#x"):
        alice.submit(alice.get("/settings/applications"), "/settings/applications", name="Bad", redirect_uris=bad).expect(422)
    carol = browser.person(hub, "carol")
    carol.send("POST", "/settings/applications/remove", form=carol.forms(carol.get("/settings/applications"))["/settings/applications"] | {"client_id": client_id}).expect(404)
    alice.submit(alice.get("/settings/applications"), "/settings/applications/remove").expect(200)
    assert alice.get(ask(client_id), follow=False).status == 400


def test_removing_an_application_ends_its_tokens(hub, alice):
    client_id = application(hub)
    verifier, challenge = pkce()
    code = agree(alice, ask(client_id, challenge))["code"]
    got = token(hub, grant_type="authorization_code", client_id=client_id, code=code, redirect_uri=CALLBACK, code_verifier=verifier).expect(200).json()
    assert client_id in hub.admin("app", "list")
    hub.admin("app", "remove", client_id)
    hub.get("/api/whoami-v2", got["access_token"]).expect(401)


def test_nothing_secret_is_kept(hub, alice):
    started = waiting(hub)
    approve(alice, started["user_code"])
    got = token(hub, grant_type=DEVICE, client_id=HF, device_code=started["device_code"]).expect(200).json()
    kept = b"".join((hub.data / name).read_bytes() for name in ("hub.db", "hub.db-wal") if (hub.data / name).exists())
    for secret in (got["access_token"], got["refresh_token"], started["device_code"], started["user_code"], started["user_code"].replace("-", "")):
        assert secret.encode() not in kept
        assert secret not in hub.output()


# ---------------------------------------------------------------- published clients


def test_javascript_client(hub, alice):
    """oauthLoginUrl and oauthHandleRedirect of @huggingface/hub."""
    folder = hubs.javascript()
    client_id = application(hub)

    def run(*args):
        env = hubs.hermetic(hub.home) | {"HF_ENDPOINT": hub.url}
        done = subprocess.run(["node", folder / "hub.mjs", *args], capture_output=True, text=True, timeout=60, env=env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    begun = run("login", client_id, CALLBACK)
    page = alice.get(begun["url"].removeprefix(hub.url)).expect(200)
    back = alice.submit(page, "/oauth/authorize", decision="approve").expect(303).header("Location")
    done = run("finish", back, begun["nonce"], begun["codeVerifier"])
    assert done["userInfo"]["preferred_username"] == "alice" and done["state"] == "mine" and done["scope"] == "openid profile"
    hub.get("/api/whoami-v2", done["accessToken"]).expect(200)


APP = """
import os, fastapi, uvicorn
from huggingface_hub import attach_huggingface_oauth, parse_huggingface_oauth
app = fastapi.FastAPI()
attach_huggingface_oauth(app)
@app.get("/")
def me(request: fastapi.Request):
    info = parse_huggingface_oauth(request)
    user = info and info.user_info
    return info and {"name": user.preferred_username, "sub": user.sub, "orgs": [(o.preferred_username, o.role_in_org) for o in user.orgs or []], "token": info.access_token, "scope": info.scope}
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
"""


def test_python_web_application(hub, tmp_path):
    """attach_huggingface_oauth of huggingface_hub: a confidential application that checks id tokens by Authlib."""
    port = hubs.free_port()
    base = f"http://localhost:{port}"
    client_id, secret = application(hub, confidential=True, redirect=f"{base}/oauth/huggingface/callback?_target_url=%2F%3F")
    more = {"SPACE_ID": "bob/space", "SPACE_HOST": f"localhost:{port}", "OAUTH_CLIENT_ID": client_id, "OAUTH_CLIENT_SECRET": secret,
            "OAUTH_SCOPES": "openid profile read-repos", "OPENID_PROVIDER_URL": hub.url, "PORT": str(port)}
    machine = clients.Client("2.4.0", tmp_path / "app", hub.url, more=more)
    process = machine.popen(machine.bin / "python", "-W", "ignore", "-c", APP)
    try:
        for _ in range(200):
            try:
                assert wire.get(base + "/").json() is None
                break
            except OSError:
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.1)
        bob = browser.person(hub, "bob")
        went = wire.get(base + "/oauth/huggingface/login")
        session = went.headers["Set-Cookie"].split(";")[0]
        where = went.headers["Location"]
        assert where.startswith(hub.url + "/oauth/authorize?"), went
        page = bob.get(where.removeprefix(hub.url)).expect(200)
        back = bob.submit(page, "/oauth/authorize", decision="approve").expect(303).header("Location")
        answer = wire.get(back, headers={"Cookie": session})
        assert answer.status in (302, 307), answer
        session = answer.headers["Set-Cookie"].split(";")[0]
        me = wire.get(base + "/", headers={"Cookie": session}).json()
        assert me["name"] == "bob" and me["orgs"] == [["acme", "admin"]] and me["scope"] == "openid profile read-repos"
        hub.get("/api/whoami-v2", me["token"]).expect(200)
    finally:
        process.kill()
        process.communicate()


def test_discovery(hub):
    found = hub.get("/.well-known/openid-configuration").expect(200).json()
    assert found == hub.get("/.well-known/oauth-authorization-server").json()
    assert found["issuer"] == hub.url and found["code_challenge_methods_supported"] == ["S256"]
    for name, where in found.items():
        if name.endswith(("_endpoint", "jwks_uri")):
            assert where.startswith(hub.url + "/") and hub.get(where).status != 404, name
    keys = hub.get("/oauth/jwks").expect(200).json()["keys"]
    assert [k["kty"] for k in keys] == ["RSA"] and "d" not in keys[0]
