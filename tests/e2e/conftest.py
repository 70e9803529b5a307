"""A fresh hub for each module, the people in it, hermetic clients, and what must be true after every module."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

# Before huggingface_hub is imported anywhere: nothing of the caller's configuration may reach it.
for name in [n for n in os.environ if n.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))]:
    del os.environ[name]
os.environ |= {
    "HF_HOME": tempfile.mkdtemp(prefix="haina-e2e-hf-"),
    "HF_ENDPOINT": "http://127.0.0.1:9",  # nothing listens there: a call that forgets its endpoint fails
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
}

import clients  # noqa: E402
import hub as hubs  # noqa: E402


@pytest.fixture(scope="module")
def hub(request, tmp_path_factory):
    """A provisioned hub. Afterwards it ends when asked to, its log has no error, and fsck finds nothing."""
    folder = tmp_path_factory.mktemp(request.module.__name__)
    # A module that is about SSH says so.
    ssh_port = hubs.free_port() if getattr(request.module, "SSH", False) else 0
    hub = hubs.Hub(folder / "data", ssh_port=ssh_port).start()
    try:
        hub.provision()
        yield hub
        assert hub.alive(), f"the hub ended by itself:\n{hub.tail()}"
        assert hub.stop() == 0, hub.tail()
        troubles = hub.troubles(getattr(request.module, "ALLOWED_IN_LOG", None))
        assert not troubles, "errors in the hub's log:\n" + "\n".join(troubles[:20])
        hub.assert_clean()
    finally:
        hub.kill()


@pytest.fixture
def client(hub, tmp_path):
    """`hf` of today, signed in as alice, on an empty machine."""
    return clients.Client("2.4.0", tmp_path / "machine", hub.url, hub.tokens["alice"])


@pytest.fixture(params=clients.VERSIONS)
def any_client(request, hub, tmp_path):
    """The same, once for each generation of the client."""
    return clients.Client(request.param, tmp_path / "machine", hub.url, hub.tokens["alice"])


@pytest.fixture
def api(hub):
    """HfApi of today, signed in as alice."""
    from huggingface_hub import HfApi

    return HfApi(endpoint=hub.url, token=hub.tokens["alice"])


@pytest.fixture
def lfs(hub):
    """For tests that go by LFS. They begin to count by themselves when the hub has those doors."""
    if not hub.offers_lfs():
        pytest.xfail("the hub has no LFS doors yet")


_numbers = iter(range(1, 1 << 30))


@pytest.fixture
def repo(hub):
    """A new, empty model of alice's."""
    name = f"alice/m{next(_numbers)}"
    hub.create(name, "alice").expect(200)
    return name
