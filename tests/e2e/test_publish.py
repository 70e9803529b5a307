"""Jobs publish without a secret: huggingface_hub exchanges a statement that the job's provider signs."""

import base64
import http.server
import json
import threading
import time
from types import SimpleNamespace

import browser
import clients
import pytest
import wire
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

ALLOWED_IN_LOG = r"a provider of sign-in"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
MAIN = "repo:lab/code:ref:refs/heads/main"


def text(data) -> str:
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture(scope="module")
def actions():
    """A provider like that of GitHub Actions: a description, a key, statements."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_numbers()
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append(self.path)
            base = f"http://127.0.0.1:{self.server.server_address[1]}"
            number = lambda n: text(n.to_bytes((n.bit_length() + 7) // 8, "big"))
            answer = {"issuer": base, "jwks_uri": f"{base}/keys"} if "openid" in self.path else {
                "keys": [{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": number(public.n), "e": number(public.e)}]}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"

    def sign(audience, subject=MAIN, by=key, **more):
        now = int(time.time())
        claims = {"iss": url, "aud": audience, "sub": subject, "iat": now, "exp": now + 300} | more
        message = f"{text({'alg': 'RS256', 'typ': 'JWT', 'kid': '1'})}.{text(claims)}"
        return f"{message}.{text(by.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    yield SimpleNamespace(url=url, sign=sign, asked=asked)
    server.shutdown()
    server.server_close()


def exchange(hub, statement, resource="acme/published", **more):
    return hub.post("/oauth/token", json={"grant_type": EXCHANGE, "subject_token_type": ID_TOKEN, "subject_token": statement, "resource": resource} | more)


def test_a_job_publishes(hub, actions, tmp_path):
    for name in ("published", "other"):
        hub.create(f"acme/{name}", "bob", visibility="private").expect(200)
    hub.admin("publisher", "acme/published", "--user", "bob", "--issuer", actions.url, "--subject", MAIN)
    job = clients.Client("2.4.0", tmp_path / "job", hub.url)
    job.more["HF_OIDC_RESOURCE"] = "acme/published"
    job.more["HF_OIDC_ID_TOKEN"] = actions.sign(hub.url)
    (tmp_path / "a.txt").write_text("by a job")
    job.hf("upload", "acme/published", tmp_path / "a.txt", "a.txt")
    assert hub.get("/acme/published/resolve/main/a.txt", "bob").text == "by a job"

    got = exchange(hub, actions.sign(hub.url)).expect(200).json()
    assert got["expires_in"] == 3600 and got["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    hub.commit("acme/published", got["access_token"], wire.file("x", "x")).expect(200)
    hub.get("/api/models/acme/other", got["access_token"]).expect(404)
    hub.request("DELETE", "/api/repos/delete", got["access_token"], json={"name": "published", "organization": "acme"}).expect(403)

    bob = browser.person(hub, "bob")
    page = bob.get("/settings/tokens").expect(200)
    assert MAIN in page.text
    bob.submit(page, "/settings/tokens/applications/revoke").expect(200)
    hub.get("/api/whoami-v2", got["access_token"]).expect(401)
    assert exchange(hub, actions.sign(hub.url)).expect(400).json()["error"] == "invalid_grant"


def test_others_do_not(hub, actions):
    from cryptography.hazmat.primitives.asymmetric import rsa

    hub.create("acme/guarded", "bob", visibility="private").expect(200)
    hub.admin("publisher", "acme/guarded", "--user", "bob", "--issuer", actions.url, "--subject", "repo:lab/code:*")
    now = int(time.time())
    to = "acme/guarded"
    exchange(hub, actions.sign(hub.url), to).expect(200)
    wrong = {
        "for another hub": actions.sign("https://huggingface.co"),
        "of another repository": actions.sign(hub.url, "repo:lab/code-evil:ref:refs/heads/main"),
        "by another key": actions.sign(hub.url, by=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        "too old": actions.sign(hub.url, exp=now - 600),
        "not yet": actions.sign(hub.url, nbf=now + 600),
        "about nobody": actions.sign(hub.url, ""),
        "unsigned": ".".join([text({"alg": "none"}), actions.sign(hub.url).split(".")[1], ""]),
        "nonsense": "x",
    }
    for what, statement in wrong.items():
        answer = exchange(hub, statement, to)
        assert answer.status == 400 and answer.json()["error"] == "invalid_grant", f"{what}: {answer}"
    # Nobody makes the hub ask whom it does not know.
    before = len(actions.asked)
    stranger = actions.sign(hub.url, iss="http://127.0.0.1:1")
    for resource in (to, "acme/neverwas", "bob/none"):
        answer = exchange(hub, stranger, resource)
        assert answer.status == 400 and answer.json()["error"] == "invalid_grant", answer
    assert len(actions.asked) == before
    for resource in ("bob", "x/a/b/c", "datasets//", "../.."):
        assert exchange(hub, actions.sign(hub.url), resource).expect(400).json()["error"] in ("invalid_target", "invalid_grant")
    assert exchange(hub, actions.sign(hub.url), to, subject_token_type="urn:ietf:params:oauth:token-type:saml2").expect(400).json()["error"] == "invalid_request"
    # Only who may write lets jobs write.
    assert hub.run("admin", "publisher", "acme/guarded", "--user", "carol", "--issuer", actions.url, "--subject", MAIN, check=False).returncode == 1
    assert hub.run("admin", "publisher", "acme/guarded", "--user", "bob", "--issuer", actions.url, "--subject", "*", check=False).returncode == 1
