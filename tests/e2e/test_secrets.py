"""Secrets at rest, from outside: what a stolen database gives away, another key beside a running hub, a lost key."""

import os
import re

import hub as hubs
import pytest

WEBHOOK = "whsec_VGhpc0lzTm90VG9CZUZvdW5k"
CLIENT = "client-secret-that-nobody-may-find"


@pytest.fixture
def own(tmp_path):
    """A hub of one's own with a webhook and a provider."""
    hub = hubs.Hub(tmp_path / "data").start()
    try:
        hub.add_user("alice")
        (tmp_path / "client").write_text(CLIENT)
        hub.admin("provider", "oidc", "campus", "--title", "Campus", "--issuer", "https://id.example", "--client-id", "haina",
                  "--secret-file", str(tmp_path / "client"))
        hub.hook = hub.post("/api/settings/webhooks", "alice", json={
            "url": "https://example.org/hook", "watched": [{"type": "user", "name": "alice"}], "domains": ["repo"],
            "secret": WEBHOOK}).expect(200).json()["webhook"]["id"]
        yield hub
        assert not hub.troubles(), hub.tail()
    finally:
        hub.kill()


def secret(hub):
    return hub.get(f"/api/settings/webhooks/{hub.hook}", "alice").expect(200).json()["webhook"]["secret"]


def resting(hub):
    return b"".join(path.read_bytes() for path in hub.data.glob("hub.db*"))


def test_a_stolen_database_gives_nothing_away(own):
    key = own.data / "secret.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"[0-9a-f]{64}\n", key.read_text())
    for _ in range(2):
        found = resting(own)
        assert own.hook.encode() in found, "these are the files that hold it"
        for text in (WEBHOOK, CLIENT, key.read_text().strip()):
            assert text.encode() not in found, text
        own.stop()  # The second time all is in the file itself.
    own.start()
    assert secret(own) == WEBHOOK
    own.stop()
    own.assert_clean()


def test_another_key_beside_a_running_hub(own):
    before = (own.data / "secret.key").read_text()
    said = own.run("admin", "secrets", "rotate").stderr
    name = re.fullmatch(r"Sealed (\d+) secrets with key ([0-9a-f]{16})\.\n", said)
    assert name and int(name[1]) >= 5, said
    after = (own.data / "secret.key").read_text()
    assert after != before and (own.data / "secret.key").stat().st_mode & 0o777 == 0o600
    assert secret(own) == WEBHOOK, "the running hub finds the new key"
    own.post(f"/api/settings/webhooks/{own.hook}", "alice", json={"secret": "another"}).expect(200)
    own.stop()
    own.run("admin", "secrets", "rotate")
    own.start()
    assert secret(own) == "another"
    own.stop()
    own.assert_clean()


def test_without_its_key_a_hub_says_what_to_restore(own, tmp_path):
    own.stop()
    key = own.data / "secret.key"
    kept = key.read_text()
    key.unlink()
    for command in (("admin", "user", "add", "bob"), ("fsck",), ("admin", "secrets", "rotate")):
        done = own.run(*command, check=False)
        assert done.returncode != 0 and "secret.key is missing. Restore the file secret.key" in done.stderr, done.stderr
    with pytest.raises(RuntimeError, match="Restore the file secret.key"):
        own.start()
    assert not key.exists()
    # In another place, or in the environment.
    (tmp_path / "elsewhere.key").write_text(kept)
    os.chmod(tmp_path / "elsewhere.key", 0o600)
    own.env = {"HAINA_SECRET_KEY_FILE": str(tmp_path / "elsewhere.key")}
    own.start()
    assert secret(own) == WEBHOOK
    own.stop()
    own.env |= {"HAINA_SECRET_KEY": kept}
    assert "not by both" in own.run("fsck", check=False).stderr
    own.env = {"HAINA_SECRET_KEY": "ab" * 32}
    assert re.search(r"HAINA_SECRET_KEY holds key [0-9a-f]{16}", own.run("fsck", check=False).stderr)
    own.env = {"HAINA_SECRET_KEY": f"{'ab' * 32},{kept}"}
    own.start()
    assert secret(own) == WEBHOOK
    own.run("admin", "secrets", "rotate")
    assert secret(own) == WEBHOOK
    own.stop()
    own.env = {"HAINA_SECRET_KEY": "ab" * 32}
    own.start()
    assert secret(own) == WEBHOOK
    own.stop()
    assert not key.exists()


def test_a_key_that_is_lost_for_good(own):
    own.stop()
    (own.data / "secret.key").unlink()
    assert own.run("admin", "secrets", "reset", check=False).returncode != 0, "only with --yes"
    assert "Forgot" in own.run("admin", "secrets", "reset", "--yes").stderr
    own.start()
    hook = own.get(f"/api/settings/webhooks/{own.hook}", "alice").expect(200).json()["webhook"]
    assert hook.get("secret") is None and hook["url"] == "https://example.org/hook"
    own.stop()
    own.assert_clean()
