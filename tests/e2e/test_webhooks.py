"""Webhooks: made by the real client, delivered to a real server, and to nobody else."""

import base64
import hashlib
import hmac
import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import hub as hubs
import pytest
import wire
from huggingface_hub import HfApi, WebhookWatchedItem
from huggingface_hub.errors import HfHubHTTPError

# The operator opens one address of this machine and no other: what the hub may not ask is on 127.0.0.1.
OPEN = "127.0.0.2"
SECRET = "a-very-secret-word"


class Receiver:
    """A server that keeps what it is told. `answers` are statuses for the next requests, then 200."""

    def __init__(self, address=OPEN, tls=None):
        self.told, self.answers, self.delay = [], [], 0
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.told.append(({k.lower(): v for k, v in self.headers.items()}, body))
                time.sleep(receiver.delay)
                status = receiver.answers.pop(0) if receiver.answers else 200
                answer = b"thanks" if status == 200 else b"<b>no</b>\x00"
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.send_header("Location", "http://127.0.0.1:9/")
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a client that does not trust us hangs up
                pass

        self.server = Server((address, 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://{address}:{self.server.server_port}/hook?key=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count, seconds=15):
        deadline = time.monotonic() + seconds
        while len(self.told) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(self.told) >= count, f"was told of {len(self.told)} things, not {count}"
        return [json.loads(body) for _, body in self.told]

    def silent(self, seconds=1.2):
        time.sleep(seconds)
        assert self.told == []

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def authority(folder, name):
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    openssl("req", "-x509", *NEW_KEY, "-days", "2", "-keyout", key, "-out", cert, "-subj", f"/CN={name} authority")
    return cert, key


def certificate(folder, name, address, by):
    """A server's certificate for an address."""
    key, request, cert, more = (folder / f"{name}.{end}" for end in ("key", "csr", "pem", "ext"))
    more.write_text(f"subjectAltName=IP:{address}\nbasicConstraints=CA:FALSE\n")
    openssl("req", "-new", *NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", request, "-CA", by[0], "-CAkey", by[1], "-CAcreateserial", "-days", "2", "-extfile", more, "-out", cert)
    return cert, key


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    known, unknown = authority(folder, "known"), authority(folder, "stranger")
    return {"trusted": certificate(folder, "trusted", OPEN, known), "unknown": certificate(folder, "unknown", OPEN, unknown),
            "other name": certificate(folder, "other", "127.0.0.9", known), "authority": known}


@pytest.fixture(scope="module")
def hub(tmp_path_factory, certificates):
    folder = tmp_path_factory.mktemp("webhooks")
    hub = hubs.Hub(folder / "data", env={"HAINA_WEBHOOKS_ALLOW": f"{OPEN}/32", "SSL_CERT_FILE": str(certificates["authority"][0])}).start()
    try:
        hub.provision()
        yield hub
        assert hub.stop() == 0, hub.tail()
        assert not hub.troubles(), "\n".join(hub.troubles())
        hub.assert_clean()
    finally:
        hub.kill()


numbers = iter(range(1, 1 << 30))


@pytest.fixture
def name(hub):
    return f"alice/hooked{next(numbers)}"


def watch(hub, url, *names, who="alice", kind="model", **more):
    body = {"url": url, "watched": [{"type": kind, "name": n} for n in names], "secret": SECRET} | more
    return hub.post("/api/settings/webhooks", who, json=body).expect(200).json()["webhook"]["id"]


def log(hub, hook, who="alice"):
    return hub.get(f"/api/settings/webhooks/{hook}/deliveries", who).expect(200).json()


def ended(hub, hook, count=1, seconds=15, states=("delivered", "failed", "dropped")):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = [d for d in log(hub, hook) if d["state"] in states]
        if len(found) >= count:
            return found
        time.sleep(0.1)
    raise AssertionError(f"not ended: {log(hub, hook)}")


# ---------------------------------------------------------------- by the client


def test_the_client_makes_changes_and_deletes_them(hub, api):
    watched = [WebhookWatchedItem(type="user", name="julien-c"), {"type": "org", "name": "HuggingFaceH4"}]
    made = api.create_webhook(url="https://webhook.site/test", watched=watched, domains=["repo", "discussion"], secret="my-secret")
    assert (made.url, made.secret, made.disabled, made.domains) == ("https://webhook.site/test", "my-secret", False, ["repo", "discussion"])
    assert made.watched == [WebhookWatchedItem("user", "julien-c"), WebhookWatchedItem("org", "HuggingFaceH4")]
    assert api.get_webhook(made.id) == made and made in api.list_webhooks()
    changed = api.update_webhook(made.id, url="https://webhook.site/new", domains=["repo"])
    assert (changed.url, changed.domains, changed.watched, changed.secret) == ("https://webhook.site/new", ["repo"], made.watched, "my-secret")
    assert api.disable_webhook(made.id).disabled and not api.enable_webhook(made.id).disabled
    api.delete_webhook(made.id)
    with pytest.raises(HfHubHTTPError, match="404"):
        api.get_webhook(made.id)
    with pytest.raises(HfHubHTTPError, match="501"):
        api.create_webhook(job_id="x", watched=watched)


def test_bad_settings_name_the_field(hub):
    good = {"url": "https://a.example/", "watched": [{"type": "user", "name": "alice"}]}
    for change, word in (({"url": "nonsense"}, "url"), ({"watched": []}, "watched"), ({"watched": [{"type": "cat", "name": "a"}]}, "cat"),
                         ({"watched": [{"type": "model", "name": "a"}]}, "watched[0].name"), ({"domains": []}, "domains"),
                         ({"domains": ["x"]}, "x"), ({"secret": "a\r\nb: c"}, "secret"), ({"url": "https://a.example/" + "x" * 3000}, "url")):
        answer = hub.post("/api/settings/webhooks", "alice", json=good | change).expect(400)
        assert word in answer.json()["error"], answer


# ---------------------------------------------------------------- what is told


def test_the_life_of_a_repository(hub, receiver, name):
    hook = watch(hub, receiver.url, name)
    hub.create(name, "alice").expect(200)
    receiver.wait(2)
    done = hub.commit(name, "alice", wire.file("README.md", "---\ntags: [sea]\n---\n")).expect(200).json()
    hub.post(f"/api/models/{name}/branch/dev", "alice", json={"startingPoint": "main"}).expect(200)
    hub.post(f"/api/models/{name}/tag/main", "alice", json={"tag": "v1"}).expect(200)
    hub.request("DELETE", f"/api/models/{name}/branch/dev", "alice").expect(200)
    receiver.wait(6)
    hub.request("DELETE", "/api/repos/delete", "alice", json={"name": name}).expect(200)
    told = receiver.wait(7)
    by = {(t["event"]["action"], t["event"]["scope"], *[(r["ref"], r["newSha"]) for r in t.get("updatedRefs", [])]): t for t in told}
    commit = by[("update", "repo.content", ("refs/heads/main", done["commitOid"]))]
    assert commit["repo"] | {"id": ""} == {
        "id": "", "type": "model", "name": name, "private": False, "headSha": done["commitOid"], "owner": commit["repo"]["owner"],
        "url": {"web": f"{hub.url}/{name}", "api": f"{hub.url}/api/models/{name}"}, "tags": commit["repo"]["tags"]}
    assert commit["webhook"] == {"id": hook, "version": 3}
    assert ("create", "repo") in by and ("delete", "repo") in by
    assert ("update", "repo.content", ("refs/heads/dev", None)) in by
    assert ("update", "repo.content", ("refs/tags/v1", done["commitOid"])) in by
    assert len(by) == 7
    headers, body = receiver.told[0]
    assert headers["x-webhook-secret"] == SECRET and headers["content-type"] == "application/json"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    want = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{want}" and abs(time.time() - int(headers["webhook-timestamp"])) < 30
    assert len({h["webhook-id"] for h, _ in receiver.told}) == 7
    # What the receiver answered is written down a moment after it got the last one.
    deadline, deliveries = time.monotonic() + 10, log(hub, hook)
    while any(d["answer"] is None for d in deliveries) and time.monotonic() < deadline:
        time.sleep(0.1)
        deliveries = log(hub, hook)
    assert len(deliveries) == 7 and all(d["state"] == "delivered" and d["status"] == 200 and d["answer"] == "thanks" for d in deliveries)
    one = hub.get(f"/api/settings/webhooks/{hook}/deliveries/{deliveries[0]['id']}", "alice").json()
    assert one["payload"]["event"] == {"action": "delete", "scope": "repo"} and one["durationMs"] >= 0


def test_the_clients_own_parser_reads_it(hub, receiver, name):
    from huggingface_hub import WebhookPayload

    watch(hub, receiver.url, name)
    hub.create(name, "alice").expect(200)
    for told in receiver.wait(2):
        payload = WebhookPayload.model_validate(told)
        assert payload.repo.name == name and payload.webhook.version == 3


def test_pushes_by_git_are_told(hub, receiver, name, tmp_path):
    hub.create(name, "alice").expect(200)
    watch(hub, receiver.url, name)
    env = hubs.hermetic(tmp_path / "home") | {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    url = hub.url.replace("http://", f"http://x:{hub.tokens['alice']}@") + f"/{name}"

    def git(*args):
        return subprocess.run(["git", *args], cwd=tmp_path, env=env, check=True, capture_output=True, text=True).stdout.strip()

    git("clone", "-q", url, "work")
    (tmp_path / "work/a.txt").write_text("a")
    git("-C", "work", "add", "a.txt")
    git("-C", "work", "commit", "-qm", "x")
    git("-C", "work", "push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/other")
    head = git("-C", "work", "rev-parse", "HEAD")
    told = receiver.wait(2)
    assert {(t["updatedRefs"][0]["ref"], t["updatedRefs"][0]["newSha"]) for t in told} == {("refs/heads/main", head), ("refs/heads/other", head)}


def test_only_owners_and_members_hear_of_private_repositories(hub):
    mine, foreign = Receiver(), Receiver()
    hub.add_user("eve")
    for who, receiver in (("bob", mine), ("eve", foreign)):
        watch(hub, receiver.url, "acme", who=who, kind="org")
        watch(hub, receiver.url, "acme/hidden", who=who)
    hub.create("acme/hidden", "bob", visibility="private").expect(200)
    mine.wait(4)  # what is deleted before it can be told is told as deleted only
    hub.request("DELETE", "/api/repos/delete", "bob", json={"name": "hidden", "organization": "acme"}).expect(200)
    assert all(t["repo"]["private"] for t in mine.wait(6))
    foreign.silent()
    mine.close()
    foreign.close()


# ---------------------------------------------------------------- failures


def test_a_failure_is_tried_again(hub, receiver, name):
    hub.create(name, "alice").expect(200)
    receiver.answers = [500, 503]
    hook = watch(hub, receiver.url, name)
    hub.post(f"/api/models/{name}/tag/main", "alice", json={"tag": "v1"}).expect(200)
    receiver.wait(1)
    first = ended(hub, hook, states=("queued",))[0]
    for _ in range(50):
        if first["status"]:
            break
        time.sleep(0.1)
        first = log(hub, hook)[0]
    assert (first["state"], first["status"], first["attempts"], first["answer"]) == ("queued", 500, 1, "<b>no</b>\ufffd") and first["nextAttemptAt"]
    receiver.wait(2)
    assert receiver.told[0][1] == receiver.told[1][1] and receiver.told[0][0]["webhook-id"] == receiver.told[1][0]["webhook-id"]
    hub.post(f"/api/settings/webhooks/{hook}/disable", "alice").expect(200)
    assert ended(hub, hook, states=("dropped",))


def test_a_delivery_can_be_sent_again(hub, receiver, name):
    hook = watch(hub, receiver.url, name)
    hub.create(name, "alice").expect(200)
    receiver.wait(2)
    old = ended(hub, hook, 2)[0]
    again = hub.post(f"/api/settings/webhooks/{hook}/deliveries/{old['id']}/replay", "alice").expect(200).json()["id"]
    receiver.wait(3)
    assert receiver.told[2][0]["webhook-id"] == again
    newest = ended(hub, hook, 3)[0]
    assert newest["id"] == again and newest["isReplay"]
    first = hub.get(f"/api/settings/webhooks/{hook}/deliveries?limit=2", "alice").expect(200)
    assert len(first.json()) == 2 and len(hub.get(first.next(), "alice").json()) == 1


def test_a_slow_server_holds_up_only_itself(hub, receiver, name):
    slow = Receiver()
    slow.delay = 3
    watch(hub, slow.url, name)
    watch(hub, receiver.url, name)
    first = time.monotonic()
    hub.create(name, "alice").expect(200)
    for i in range(8):
        hub.post(f"/api/models/{name}/tag/main", "alice", json={"tag": f"v{i}"}).expect(200)
    begun = time.monotonic()
    receiver.wait(10)
    # Four at once, and more only as the first are answered: on a busy machine that is while tags are still being made.
    told, now = len(slow.told), time.monotonic()
    assert now - begun < 2.5 and told <= 4 * (1 + int((now - first) / slow.delay))
    slow.close()


def test_commits_are_told_after_a_restart(hub, receiver, name):
    """What was committed is told, though the hub was killed before it could be."""
    hub.create(name, "alice").expect(200)
    watch(hub, receiver.url, name)
    for i in range(5):
        hub.post(f"/api/models/{name}/tag/main", "alice", json={"tag": f"k{i}"}).expect(200)
    hub.kill()
    hub.start()
    told = receiver.wait(5)
    assert {t["updatedRefs"][0]["ref"] for t in told} == {f"refs/tags/k{i}" for i in range(5)}


# ---------------------------------------------------------------- hostile targets


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]", "[::ffff:127.0.0.1]", "[::]",
                                     "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "224.0.0.1", "[fe80::1]",
                                     "[fd00:ec2::254]", "[64:ff9b::a00:1]", "[2002:7f00:1::]"])
def test_closed_addresses_are_refused_at_once(hub, address):
    body = {"url": f"http://{address}:1/", "watched": [{"type": "user", "name": "alice"}]}
    answer = hub.post("/api/settings/webhooks", "alice", json=body).error(400, None, "url")
    assert "public Internet" in answer.json()["error"]


def test_names_of_closed_addresses_are_refused_when_they_are_resolved(hub, name):
    """`localhost` is a name: only its resolution tells where it leads."""
    inside = Receiver("127.0.0.1")
    hook = watch(hub, inside.url.replace("127.0.0.1", "localhost"), name)
    hub.create(name, "alice").expect(200)
    found = ended(hub, hook, states=("queued",))
    for _ in range(50):
        found = log(hub, hook)
        if all(d["error"] for d in found) and found:
            break
        time.sleep(0.1)
    assert all("public Internet" in d["error"] and d["status"] is None for d in found), found
    assert inside.told == []
    inside.close()
    hub.request("DELETE", f"/api/settings/webhooks/{hook}", "alice").expect(200)


def test_redirects_are_not_followed(hub, receiver, name):
    inside = Receiver("127.0.0.1")
    receiver.answers = [302, 307]
    hook = watch(hub, receiver.url, name)
    hub.create(name, "alice").expect(200)
    receiver.wait(2)
    for _ in range(50):
        found = log(hub, hook)
        if all(d["status"] for d in found):
            break
        time.sleep(0.1)
    assert all("Redirects" in d["error"] for d in found), found
    assert inside.told == []
    inside.close()
    hub.request("DELETE", f"/api/settings/webhooks/{hook}", "alice").expect(200)


def test_tls_is_verified(hub, certificates, name):
    receivers = {kind: Receiver(tls=certificates[kind]) for kind in ("trusted", "unknown", "other name")}
    hooks = {kind: watch(hub, receiver.url, name) for kind, receiver in receivers.items()}
    hub.create(name, "alice").expect(200)
    receivers["trusted"].wait(2)
    for kind in ("unknown", "other name"):
        for _ in range(100):
            found = log(hub, hooks[kind])
            if found and all(d["error"] for d in found):
                break
            time.sleep(0.1)
        assert all("TLS" in d["error"] for d in found), found
        assert receivers[kind].told == []
        hub.request("DELETE", f"/api/settings/webhooks/{hooks[kind]}", "alice").expect(200)
    for receiver in receivers.values():
        receiver.close()


def test_a_flag_that_is_no_network_is_refused(hub):
    done = subprocess.run([hubs.binary(), "serve", "--webhooks-allow", "everything"], capture_output=True, text=True, timeout=20, env=hub.environment())
    assert done.returncode == 2 and "--webhooks-allow" in done.stderr
