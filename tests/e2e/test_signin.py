"""Signing in with an institution's accounts: a real provider of OpenID Connect, one like GitHub, and a real directory."""

import base64
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
from types import SimpleNamespace

import browser
import hub as hubs
import pytest
import wire

# A provider that gives no usable answer is worth an entry in the log.
ALLOWED_IN_LOG = r"a provider of sign-in|a directory:|an id token"
SECRET = "a secret : with+odd %characters"


def wait_for(url):
    for _ in range(300):
        try:
            return wire.get(url, timeout=2)
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


@pytest.fixture(scope="module")
def idp(hub, tmp_path_factory):
    """oidc-provider, which the hub knows as `institute`; its groups are organizations here."""
    folder = hubs.javascript()
    port = hubs.free_port()
    url = f"http://127.0.0.1:{port}"
    log = open(tmp_path_factory.mktemp("idp") / "log", "wb")
    groups = tmp_path_factory.mktemp("groups") / "groups.json"
    groups.write_text("{}")
    process = subprocess.Popen(["node", folder / "idp.mjs", str(port), f"{hub.url}/login/callback/institute", groups], stdout=log, stderr=log,
                               env=hubs.hermetic(hub.home))
    secret = tmp_path_factory.mktemp("secret") / "secret"
    secret.write_text(SECRET + "\n")
    try:
        wait_for(url + "/.well-known/openid-configuration")
        hub.admin("org", "add", "lab", "--owner", "bob")
        set_up(hub, url, secret)
        yield SimpleNamespace(url=url, secret=secret, groups=groups)
    finally:
        process.kill()
        process.wait()
        log.close()


def set_up(hub, issuer, secret, *more, client_id="haina"):
    hub.admin("provider", "oidc", "institute", "--title", "The Institute", "--issuer", issuer, "--client-id", client_id, "--secret-file",
              str(secret), "--scopes", "openid profile email groups", "--groups-claim", "groups", "--group", "staff=lab:read",
              "--group", "board=lab:write", *more)


def at_the_institute(idp, address, login):
    """What a person does there: sign in, agree. Where they are sent back to."""
    there = browser.Browser(idp)
    page = there.get(address.removeprefix(idp.url))
    for fields in ({"login": login, "password": "x"}, {}):
        if page.status == 303:
            break
        action = next(iter(there.forms(page)))
        hidden = there.forms(page)[action]
        page = there.send("POST", action.removeprefix(idp.url), form=hidden | fields)
    assert page.status == 303, page
    return page.header("Location")


def come(hub, idp, login, who=None, next="/models"):
    """Comes by the provider; the browser and the page that it ends at."""
    who = who or browser.Browser(hub)
    away = who.get(f"/login/with/institute?next={urllib.parse.quote(next, safe='')}").expect(303)
    return who, who.get(at_the_institute(idp, away.header("Location"), login))


def roles(hub, user, org="lab"):
    token = hub.add_token(user, "read")
    return {o["name"]: o["roleInOrg"] for o in hub.get("/api/whoami-v2", token).expect(200).json()["orgs"]}.get(org)


def test_the_first_time_makes_an_account_and_then_it_is_known(hub, idp):
    assert "Sign in with The Institute" in browser.Browser(hub).get("/login").text
    idp.groups.write_text('{"ada": ["staff", "choir"]}')
    who, page = come(hub, idp, "ada", next="/settings/tokens")
    assert "The Institute knows you as ada" in page.expect(200).text
    assert 'value="ada"' in page.text and 'value="ada of the institute"' in page.text and 'value="ada@example.org"' in page.text
    page = who.submit(page, "/login/identity/join", name="ada", full_name="Ada", email="ada@example.org").expect(200)
    assert "<h1>Access tokens</h1>" in page.text, "where they wanted to go"
    assert roles(hub, "ada") == "read"
    # Known from now on, and membership follows the groups.
    idp.groups.write_text('{"ada": ["staff", "board"]}')
    who, page = come(hub, idp, "ada", next="/settings/tokens")
    assert "<h1>Access tokens</h1>" in page.expect(200).text and roles(hub, "ada") == "write"
    idp.groups.write_text("{}")
    come(hub, idp, "ada")
    assert roles(hub, "ada") is None
    # There is no password, so the only way in stays.
    page = who.get("/settings/sign-in").expect(200)
    assert "The Institute" in page.text
    who.submit(page, "/settings/sign-in/remove").expect(403)


def test_the_same_name_and_address_prove_nothing(hub, idp):
    """Somebody who is called alice there, with alice's address verified, does not come into alice's account."""
    who, page = come(hub, idp, "alice")
    assert "The Institute knows you as alice" in page.expect(200).text
    page = who.submit(page, "/login/identity/join", name="alice", email="alice@example.org").expect(422)
    assert "taken" in page.text
    page = who.submit(page, "/login/identity/join", name="alice2", full_name="", email="alice@example.org").expect(422)
    assert who.get("/settings/tokens", follow=False).status == 303, "still nobody"


def test_linking_is_the_persons_own_wish(hub, idp):
    carol = browser.person(hub, "carol")
    _, page = come(hub, idp, "carol-there", carol)
    assert "Is carol your account here?" in page.expect(200).text
    fields = carol.forms(page)["/login/identity"]
    carol.send("POST", "/login/identity", form=fields | {"csrf": "0" * 64}).expect(403)
    stranger = browser.Browser(hub)
    stranger.send("POST", "/login/identity", form=fields).expect(403)
    page = carol.submit(page, "/login/identity").expect(200)
    who, page = come(hub, idp, "carol-there", next="/settings/sign-in")
    assert "carol-there" in page.expect(200).text and 'href="/carol"' in page.text
    page = who.submit(page, "/settings/sign-in/remove").expect(200)
    assert "carol-there" not in page.text
    _, page = come(hub, idp, "carol-there")
    assert "The Institute knows you as carol-there" in page.text


def test_signing_up_by_the_provider_follows_the_rules(hub, idp):
    hub.admin("signup", "closed")
    try:
        who, page = come(hub, idp, "dora")
        assert "Signing up is closed" in page.expect(200).text
        csrf = who.forms(page)["/language"]["csrf"]
        who.send("POST", "/login/identity/join", form={"csrf": csrf, "name": "dora"}).expect(403)
        hub.admin("signup", "invite")
        _, page = come(hub, idp, "dora", who)
        page = who.submit(page, "/login/identity/join", name="dora", email="", invite="guess").expect(422)
        page = who.submit(page, "/login/identity/join", name="dora", email="", invite=hub.admin("invite")).expect(200)
        hub.admin("signup", "closed")
        set_up(hub, idp.url, idp.secret, "--accounts")
        who, page = come(hub, idp, "emil")
        who.submit(page, "/login/identity/join", name="emil", email="").expect(200)
        assert roles(hub, "emil") is None
    finally:
        hub.admin("signup", "open")
        set_up(hub, idp.url, idp.secret)


def test_answers_that_are_not_ours(hub, idp):
    """Without the browser's own state nothing comes in: neither another's answer, nor an old one, nor another provider's."""
    def refused(who, address):
        answer = who.get(address, follow=False)
        assert answer.status == 303 and answer.header("Location").startswith("/login?problem=provider"), answer
        assert "did not succeed" in who.get(answer.header("Location")).text

    victim, attacker = browser.Browser(hub), browser.Browser(hub)
    away = attacker.get("/login/with/institute").header("Location")
    back = at_the_institute(idp, away, "mallory")
    refused(victim, back)  # has no state at all
    victim.get("/login/with/institute")
    refused(victim, back)  # has another
    attacker.get("/login/with/institute")
    refused(attacker, back)  # has a newer one by now
    refused(attacker, "/login/callback/institute?error=access_denied&state=x")
    who = browser.Browser(hub)
    away = who.get("/login/with/institute").header("Location")
    back = at_the_institute(idp, away, "mallory")
    mixed = back.replace("iss=" + urllib.parse.quote(idp.url, safe=""), "iss=https%3A%2F%2Fevil.example")
    assert mixed != back
    who.get(mixed).expect(403)
    who.get(back).expect(200, 503, 303)
    # A code counts once.
    who = browser.Browser(hub)
    back = at_the_institute(idp, who.get("/login/with/institute").header("Location"), "mallory")
    kept = dict(who.cookies)
    who.get(back).expect(200)
    again = browser.Browser(hub)
    again.cookies = kept
    again.get(back).expect(503)
    for place in ("//evil.example/", "https://evil.example/", "/\\evil.example"):
        who, page = come(hub, idp, "ada", next=place)
        assert page.status == 200 and 'href="/ada"' in page.text


def test_a_provider_that_cannot_be_believed(hub, idp, tmp_path):
    """A description of somebody else, statements for another application, wrong keys, shared secrets, no answer at all."""
    statement = {}

    class Idp(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, value):
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            if "openid-configuration" in self.path:
                base = f"http://127.0.0.1:{port}"
                self.answer({"issuer": statement.get("issuer", base), "authorization_endpoint": base + "/a", "token_endpoint": base + "/t", "jwks_uri": base + "/k"})
            else:
                self.answer({"keys": [{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}]})

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer({"access_token": "x", "token_type": "bearer", "id_token": statement["token"]})

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Idp)
    port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def jwt(head, **claims):
        part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
        body = {"iss": f"http://127.0.0.1:{port}", "aud": "haina", "sub": "ada", "exp": int(time.time()) + 60, "iat": int(time.time())}
        text = f"{part(head)}.{part(body | claims)}"
        import hmac
        return text + "." + base64.urlsafe_b64encode(hmac.new(b"secret", text.encode(), hashlib.sha256).digest()).decode().rstrip("=")

    try:
        hub.admin("provider", "oidc", "liar", "--title", "Liar", "--issuer", f"http://127.0.0.1:{port}", "--client-id", "haina")
        for head in ({"alg": "none"}, {"alg": "HS256", "kid": "k"}, {"alg": "RS256", "kid": "k"}, {"alg": "RS256"}, {"alg": "ES256", "kid": "z"}, {"typ": "x"}):
            who = browser.Browser(hub)
            away = browser.query(who.get("/login/with/liar", follow=False).header("Location"))
            assert away["code_challenge_method"] == "S256" and len(away["nonce"]) == 43
            statement["token"] = jwt(head, nonce=away["nonce"])
            answer = who.get(f"/login/callback/liar?code=c&state={away['state']}")
            assert answer.status == 403, f"{head}: {answer}"
            assert "haina_session" not in who.cookies
        statement["token"] = "no token"
        who.get(f"/login/callback/liar?code=c&state={browser.query(who.get('/login/with/liar', follow=False).header('Location'))['state']}").expect(403)
        hub.admin("provider", "oidc", "mimic", "--title", "Mimic", "--issuer", f"http://localhost:{port}", "--client-id", "haina")
        browser.Browser(hub).get("/login/with/mimic").expect(503)
    finally:
        server.shutdown()
        server.server_close()
    hub.admin("provider", "oidc", "silent", "--title", "Silent", "--issuer", f"http://127.0.0.1:{hubs.free_port()}", "--client-id", "haina")
    browser.Browser(hub).get("/login/with/silent").expect(503)
    for name in ("liar", "mimic", "silent"):
        hub.admin("provider", "remove", name)
        browser.Browser(hub).get(f"/login/with/{name}").expect(404)


def test_what_operators_may_set_up(hub):
    for words in (
        ("oidc", "x", "--title", "X", "--issuer", "http://idp.example", "--client-id", "c"),
        ("oidc", "x", "--title", "X", "--issuer", "https://idp.example", "--client-id", "c", "--scopes", "profile"),
        ("oidc", "x", "--title", "X", "--issuer", "https://idp.example", "--client-id", "c", "--group", "staff=nowhere:read"),
        ("ldap", "x", "--title", "X", "--url", "ldap://directory.example", "--base", "dc=x"),
        ("ldap", "x", "--title", "X", "--url", "ldaps://directory.example", "--base", "dc=x", "--filter", "(uid=*)"),
    ):
        assert hub.run("admin", "provider", *words, check=False).returncode == 1, words


# ---------------------------------------------------------------- like GitHub


def test_a_provider_like_github(hub, tmp_path):
    """Plain OAuth 2: a numeric id, a login, errors with status 200."""
    codes, asked = {}, []

    class GitHub(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, value):
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
            asked.append(form)
            challenge = codes.pop(form["code"], None)
            given = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
            if challenge != given or form.get("client_secret") != "s3cret":
                return self.answer({"error": "bad_verification_code"})
            self.answer({"access_token": "gho_x", "token_type": "bearer"})

        def do_GET(self):
            assert self.headers["Authorization"] == "Bearer gho_x"
            self.answer({"id": 583231, "login": "octocat", "name": "The Octocat", "email": None})

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), GitHub)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    try:
        hub.admin("provider", "oauth2", "github", "--title", "GitHub", "--authorize-url", base + "/login/oauth/authorize", "--token-url", base + "/t",
                  "--userinfo-url", base + "/user", "--client-id", "Iv1.x", "--secret-file", str(secret))
        who = browser.Browser(hub)
        away = who.get("/login/with/github").expect(303).header("Location")
        assert away.startswith(base + "/login/oauth/authorize?")
        sent = browser.query(away)
        assert sent["redirect_uri"] == f"{hub.url}/login/callback/github"
        who.get(f"/login/callback/github?code=wrong&state={sent['state']}").expect(503)
        sent = browser.query(who.get("/login/with/github").header("Location"))
        codes["good"] = sent["code_challenge"]
        page = who.get(f"/login/callback/github?code=good&state={sent['state']}").expect(200)
        assert "GitHub knows you as octocat" in page.text and 'value="The Octocat"' in page.text
        assert asked[-1]["client_id"] == "Iv1.x"
        who.submit(page, "/login/identity/join", name="octocat", email="").expect(200)
        assert "github\toauth2\tGitHub" in hub.admin("provider", "list")
    finally:
        server.shutdown()
        server.server_close()
        hub.admin("provider", "remove", "github")


# ---------------------------------------------------------------- a directory

SLAPD_CONF = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
suffix "dc=example,dc=org"
rootdn "cn=admin,dc=example,dc=org"
rootpw secret
directory {folder}/db
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=org" read by * none
"""

LDIF = """
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: reads

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=lena,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: lena
cn: Lena Müller
sn: Müller
mail: lena@example.org
userPassword: 海纳百川

dn: uid=max,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: max
cn: Max
sn: Max
userPassword: max

dn: cn=staff,dc=example,dc=org
objectClass: groupOfNames
cn: staff
member: uid=lena,ou=people,dc=example,dc=org
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A certificate authority that the hub trusts, and a certificate for localhost."""
    folder = tmp_path_factory.mktemp("ca")

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA",
            "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "server.pem", "-extfile", "names")
    return folder


@pytest.fixture(scope="module")
def hub(request, tmp_path_factory, certificates):
    """As everywhere, but it trusts the directory's certificate."""
    hub = hubs.Hub(tmp_path_factory.mktemp("signin") / "data", env={"SSL_CERT_FILE": str(certificates / "ca.pem")}).start()
    try:
        hub.provision()
        yield hub
        assert hub.alive(), hub.tail()
        assert hub.stop() == 0, hub.tail()
        troubles = hub.troubles(ALLOWED_IN_LOG)
        assert not troubles, "\n".join(troubles[:20])
        hub.assert_clean()
    finally:
        hub.kill()


@pytest.fixture(scope="module")
def directory(hub, certificates):
    """Debian's slapd, with three people and a group."""
    slapd = shutil.which("slapd", path=os.environ["PATH"] + ":/usr/sbin")
    if slapd is None:
        raise RuntimeError("slapd is missing; ./test setup installs it (apt-get install slapd)")
    folder = certificates
    (folder / "db").mkdir()
    (folder / "slapd.conf").write_text(SLAPD_CONF.format(folder=folder))
    # One entry at a time through the running server, so that memberof sees the group made.
    plain, encrypted = hubs.free_port(), hubs.free_port()
    process = subprocess.Popen([slapd, "-d", "0", "-f", folder / "slapd.conf", "-h", f"ldap://localhost:{plain} ldaps://localhost:{encrypted}"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        add = ["ldapadd", "-x", "-H", f"ldap://localhost:{plain}", "-D", "cn=admin,dc=example,dc=org", "-w", "secret"]
        for _ in range(100):
            done = subprocess.run(add, input=LDIF, text=True, capture_output=True)
            if done.returncode == 0:
                break
            assert process.poll() is None, "slapd ended"
            time.sleep(0.1)
        assert done.returncode == 0, done.stderr
        secret = folder / "reader"
        secret.write_text("reads\n")
        yield SimpleNamespace(plain=f"ldap://localhost:{plain}", encrypted=f"ldaps://localhost:{encrypted}", secret=secret)
    finally:
        process.kill()
        process.wait()


def set_up_directory(hub, directory, *more, name="campus", url=None):
    hub.admin("provider", "ldap", name, "--title", "Campus", "--url", url or directory.plain, "--bind-dn", "cn=reader,dc=example,dc=org",
              "--bind-password-file", str(directory.secret), "--base", "ou=people,dc=example,dc=org", *more)


def type_in(hub, name, password, where="campus", who=None):
    who = who or browser.Browser(hub)
    return who, who.submit(who.get(f"/login/with/{where}").expect(200), f"/login/with/{where}", name=name, password=password)


def test_a_directory_lets_people_in(hub, directory):
    hub.admin("org", "add", "campus-lab", "--owner", "bob")
    set_up_directory(hub, directory, "--subject-attribute", "entryUUID", "--groups-attribute", "memberOf", "--group", "cn=staff,dc=example,dc=org=campus-lab:contributor")
    assert "Sign in with Campus" in browser.Browser(hub).get("/login").text
    who, page = type_in(hub, "lena", "海纳百川")
    assert "Campus knows you as lena" in page.expect(200).text
    assert 'value="Lena Müller"' in page.text and 'value="lena@example.org"' in page.text
    who.submit(page, "/login/identity/join", name="lena", email="lena@example.org").expect(200)
    assert roles(hub, "lena", "campus-lab") == "contributor"
    who, page = type_in(hub, "LENA", "海纳百川")
    assert page.status == 200 and 'href="/lena"' in page.text


def test_a_directory_keeps_others_out(hub, directory):
    set_up_directory(hub, directory, name="campus")
    for name, password in (("lena", "wrong"), ("lena", ""), ("nobody", "x"), ("", ""), ("*", "max"), ("l*", "海纳百川"), ("max)(uid=*", "max"),
                           ("lena)(|(uid=max", "max"), ("\\2a", "max"), ("max\x00", "max"), ("uid=max,ou=people,dc=example,dc=org", "max")):
        who, page = type_in(hub, name, password)
        assert page.status == 401 and "The name or the password is wrong" in page.text, f"{name!r}: {page}"
        assert "haina_session" not in who.cookies and "haina_identity" not in who.cookies
    for _ in range(12):
        _, page = type_in(hub, "max", "guess")
    assert page.status == 429
    type_in(hub, "max", "max")[1].expect(429)


def test_encrypted_directories(hub, directory):
    for name, url, more in (("tls", directory.encrypted, ()), ("starttls", directory.plain, ("--starttls",))):
        set_up_directory(hub, directory, *more, name=name, url=url)
        _, page = type_in(hub, "lena", "海纳百川", name)
        assert "Campus knows you as lena" in page.expect(200).text, name
    # Not by a name that the certificate is not for.
    set_up_directory(hub, directory, name="tls", url=directory.encrypted.replace("localhost", "127.0.0.1"))
    type_in(hub, "lena", "海纳百川", "tls")[1].expect(503)
    wrong = directory.secret.with_name("wrong")
    wrong.write_text("wrong")
    hub.admin("provider", "ldap", "tls", "--title", "Campus", "--url", directory.encrypted, "--bind-dn", "cn=reader,dc=example,dc=org",
              "--bind-password-file", str(wrong), "--base", "dc=example,dc=org")
    type_in(hub, "lena", "海纳百川", "tls")[1].expect(503)
