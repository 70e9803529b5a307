"""Limits of requests: as clients of the Hub read them, for each account and each address, on every door."""

import subprocess
import time

import pytest

import clients
import hub as hubs
import wire
from wire import file

WINDOW = 6
_different = iter(range(50_000, 60_000))


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with short windows, behind a proxy at 127.0.0.2 (whoever asks from there)."""
    folder = tmp_path_factory.mktemp("rates")
    hub = hubs.Hub(folder / "data", env={"HAINA_TRUST_PROXY": "127.0.0.2,192.0.2.0/24"}).start()
    try:
        hub.provision()
        assert all(hub.get("/api/models").header("ratelimit") is None for _ in range(3)), "this machine is not counted, unless it is asked for"
        hub.admin("rates", "--local=on")
        wait_until(lambda: hub.get("/api/models").header("ratelimit"))
        for name in ("alice/m", "bob/m"):
            hub.create(name, name.split("/")[0]).expect(200)
            hub.commit(name, name.split("/")[0], file("config.json", "{}")).expect(200)
        yield hub
        assert hub.stop() == 0, hub.tail()
        assert not hub.troubles(), hub.troubles()[:5]
        hub.assert_clean()
    finally:
        hub.kill()


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "the hub does not follow"
        time.sleep(0.3)


def by_proxy(hub, path: str, forwarded: str, token: str | None = None) -> wire.Response:
    """A request from the trusted proxy's address."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20, source_address=("127.0.0.2", 0))
    headers = {"X-Forwarded-For": forwarded} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    response = wire.Response(answer.status, answer.headers, answer.read())
    connection.close()
    return response


def rates(hub, *args: str) -> dict:
    """Sets rates on the running hub, and waits until it follows."""
    if not any(a.startswith("--api-anonymous") for a in args):
        args += (f"--api-anonymous={next(_different)}",)  # by which the change is known to have come
    printed = dict(line.split(" ") for line in hub.admin("rates", *args).splitlines())
    deadline = time.monotonic() + 20
    want = None if printed["api-anonymous"] == "off" else f'"fixed window";"api";q={printed["api-anonymous"]};w={printed["window"]}'
    # From an address that nobody else of these tests has: waiting must not use up what is tested.
    while (got := by_proxy(hub, "/api/models?limit=1", f"198.51.100.{int(time.monotonic() * 10) % 250}").header("ratelimit-policy")) != want:
        assert time.monotonic() < deadline, f"the hub still says {got!r}, not {want!r}"
        time.sleep(0.3)
    return printed


@pytest.fixture(autouse=True)
def usual(hub):
    """Each test begins with windows of its own: all that ran before have ended."""
    yield
    hub.admin("rates", *(f"--{n}=default" for n in ("api", "api-anonymous", "resolvers", "resolvers-anonymous", "pages", "pages-anonymous", "community")))
    time.sleep(WINDOW)


def test_ordinary_answers_say_what_is_left(hub):
    hub.admin("rates", "--community=default")
    usual = dict(line.split(" ") for line in hub.admin("rates").splitlines())
    assert usual == {"window": "300", "api": "20000", "api-anonymous": "10000", "resolvers": "200000", "resolvers-anonymous": "100000",
                     "pages": "6000", "pages-anonymous": "3000", "community": "300", "local": "on"}
    from huggingface_hub.utils import parse_ratelimit_headers

    for path, who, kind, limit in (("/api/whoami-v2", "alice", "api", 20000), ("/api/models", None, "api", 10000),
                                   ("/alice/m/resolve/main/config.json", None, "resolvers", 100_000),
                                   ("/alice/m.git/info/refs?service=git-upload-pack", "bob", "resolvers", 200_000),
                                   ("/alice/m", None, "pages", 3000)):
        first, second = (parse_ratelimit_headers(hub.get(path, who).expect(200).headers) for _ in range(2))
        assert (first.resource_type, first.limit, first.window_seconds) == (kind, limit, 300), path
        assert first.remaining < limit and second.remaining == first.remaining - 1 and 0 < second.reset_in_seconds <= 300, path
    # What costs nothing, and what was counted when it was asked for, is not counted.
    for path in ("/healthz", "/assets/haina.css", "/api/telemetry/x"):
        assert hub.get(path).header("ratelimit") is None, path
    # Errors count and say so as well.
    assert hub.get("/api/models/alice/none", "alice").expect(404).header("ratelimit")


def test_too_many(hub):
    rates(hub, f"--window={WINDOW}", "--api=5", "--api-anonymous=4", "--resolvers-anonymous=3", "--pages-anonymous=2")
    answers = [hub.get("/api/models", "alice") for _ in range(7)]
    assert [a.status for a in answers] == [200] * 5 + [429] * 2
    refused = answers[-1].error(429, None, "at most 5")
    assert "Please go on in" in refused.json()["error"] and 0 < int(refused.header("Retry-After")) <= WINDOW
    assert refused.header("ratelimit").startswith('"api";r=0;t=') and refused.header("X-Request-Id")
    assert refused.header("ratelimit-policy") == f'"fixed window";"api";q=5;w={WINDOW}'
    # Through whatever token and door of the API; others are not held back by it.
    another = hub.add_token("alice", "read")
    hub.get("/api/whoami-v2", another).expect(429)
    hub.commit("alice/m", "alice", file("x", "x")).expect(429)
    hub.get("/api/whoami-v2", "bob").expect(200)
    # A wrong token is nobody's: it counts for the address, and as long as that may ask it is told so.
    statuses = [hub.get("/api/models", "hf_" + "x" * 40).status for _ in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    hub.get("/api/models").error(429, None, "\"api\"")
    assert [hub.head("/alice/m/resolve/main/config.json").status for _ in range(5)] == [200] * 3 + [429] * 2
    # Pages: in the language of whoever looks.
    pages = [hub.get("/models", headers={"Accept-Language": "zh-TW"}) for _ in range(4)]
    assert [p.status for p in pages] == [200] * 2 + [429] * 2
    assert "請求過於頻繁" in pages[-1].text and "秒後可以繼續" in pages[-1].text and int(pages[-1].header("Retry-After")) > 0
    time.sleep(WINDOW)
    hub.get("/api/models", "alice").expect(200)
    rates(hub, "--api=off", "--api-anonymous=off")
    assert all(hub.get("/api/models", "alice").expect(200).header("ratelimit") is None for _ in range(10))


def test_the_client_waits_and_goes_on(hub, tmp_path):
    """More questions than a window allows: the client of today sleeps until the next one and ends well; the one before
    asks again only on later pages of a list, and else tells its user how long to wait."""
    ask = "from huggingface_hub import HfApi; api = HfApi()\nfor _ in range(7): assert [m.id for m in api.list_models(author='bob')] == ['bob/m']"
    rates(hub, f"--window={WINDOW}", "--api=4")
    today, before = (clients.Client(version, tmp_path / version, hub.url, hub.tokens["carol"]) for version in clients.VERSIONS)
    out = today.run(today.bin / "python", "-c", f"import time; t = time.monotonic()\n{ask}\nprint('took', time.monotonic() - t)")
    assert 1 <= float(out.split("took")[-1]) < 3 * WINDOW, out
    out = before.run(before.bin / "python", "-c", ask, check=False)
    assert "you have reached your 'api' rate limit" in out and "requests remaining in current 6s window" in out, out


def test_addresses_of_whom_a_proxy_speaks_for(hub):
    rates(hub, f"--window={WINDOW}", "--api-anonymous=3")
    ask = lambda forwarded: by_proxy(hub, "/api/models", forwarded).status
    assert [ask("203.0.113.7") for _ in range(4)] == [200] * 3 + [429]
    # What stands left of the client's own address may be invented.
    assert ask("203.0.113.99, 203.0.113.7") == 429
    assert ask("203.0.113.7, 192.0.2.5") == 429  # two proxies of ours
    assert ask("203.0.113.8") == 200
    assert ask("2001:db8::1") == 200 and ask("[2001:db8::2]:443") == 200 and ask("2001:db8::3") == 200 and ask("2001:db8::4") == 429
    # Words of whoever asks us directly count for nothing.
    lies = [hub.get("/api/models", headers={"X-Forwarded-For": f"203.0.113.{i}"}).status for i in range(50, 56)]
    assert lies == [200] * 3 + [429] * 3
    assert by_proxy(hub, "/api/models", "not an address").status == 200  # counted as the proxy's own


def test_what_others_see_has_a_limit_of_its_own(hub):
    rates(hub, f"--window={WINDOW}", "--community=4")
    opened = [hub.post("/api/models/bob/m/discussions", "alice", json={"title": f"spam {i}", "description": "x", "pullRequest": False})
              for i in range(3)]
    assert [a.status for a in opened] == [200] * 3
    hub.post("/api/models/bob/m/discussions/1/comment", "alice", json={"comment": "more"}).expect(200)
    for path, body in (("/api/models/bob/m/discussions/1/comment", {"comment": "more"}), ("/api/models/bob/m/like", {}),
                       ("/api/users/bob/follow", {}), ("/api/models/bob/m/discussions", {"title": "t", "description": "x", "pullRequest": True})):
        refused = hub.post(path, "alice", json=body).error(429, None, '"community"')
        assert refused.header("ratelimit").startswith('"community";r=0;t='), path
    assert hub.commit("bob/m", "alice", file("p", "p"), query="?create_pr=1").status == 429
    assert len(hub.get("/api/models/bob/m/discussions").json()["discussions"]) == 3
    # One's own work is not held back, nor what others say.
    hub.commit("alice/m", "alice", file("y", "y")).expect(200)
    hub.post("/api/models/bob/m/discussions/1/comment", "bob", json={"comment": "please stop"}).expect(200)


def test_git_is_told(hub, tmp_path):
    rates(hub, f"--window={WINDOW}", "--resolvers-anonymous=1")
    hub.get("/alice/m/resolve/main/config.json").expect(200)
    done = subprocess.run(["git", "clone", "-q", f"{hub.url}/alice/m", str(tmp_path / "c")], env=hubs.hermetic(tmp_path / "h"),
                          capture_output=True, text=True)
    assert done.returncode != 0 and ("429" in done.stderr or "Too many requests" in done.stderr), done.stderr


def test_values(hub):
    for bad in ("--window=0", "--window=100000", "--api=0", "--api=-1", "--pages=x"):
        assert hub.run("admin", "rates", bad, check=False).returncode != 0, bad
