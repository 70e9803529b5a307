"""A hub in a process of its own: started, provisioned, killed, checked."""

import os
import re
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import wire

ANSI = re.compile(r"\x1b\[[0-9;]*m")
TROUBLE = re.compile(r"\bERROR\b|panicked at|\bpanic\b")
START_SECONDS_MAX = 30


def cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(os.environ.get("HAINA_CACHE") or os.path.join(home, "haina"))


def javascript() -> Path:
    """The folder of the JavaScript packages that `./test setup` installs."""
    folder = cache() / "js"
    assert (folder / "stamp").is_file(), f"{folder} has no packages: run ./test setup, which needs Node.js 20 or newer"
    return folder


def binary() -> str:
    path = os.environ.get("HAINA_BIN")
    if path is None:
        raise RuntimeError("HAINA_BIN is not set; run these tests by ./test e2e")
    return path


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def hermetic(home: Path) -> dict:
    """An environment in which nothing of the caller's configuration reaches git or a Hub client."""
    kept = {k: os.environ[k] for k in ("PATH", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if k in os.environ}
    home.mkdir(parents=True, exist_ok=True)
    return kept | {
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "true",
    }


@dataclass
class Hub:
    """`haina serve` on a data directory. `url` differs from the address when a proxy stands before it."""

    data: Path
    url: str = ""
    port: int = 0
    env: dict = field(default_factory=dict)
    preexec: object = None
    tokens: dict = field(default_factory=dict)
    process: subprocess.Popen | None = None
    ssh_port: int = 0
    """Where it serves SSH; nowhere if this is 0."""

    def __post_init__(self):
        self.port = self.port or free_port()
        self.url = self.url or f"http://127.0.0.1:{self.port}"
        self.home = self.data.parent / "home"
        self.log = self.data.parent / f"{self.data.name}.log"

    # ---- the process

    def environment(self) -> dict:
        return hermetic(self.home) | {"RUST_BACKTRACE": "1"} | self.env

    def start(self) -> "Hub":
        command = [binary(), "serve", "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}", "--url", self.url]
        if self.ssh_port:
            command += ["--ssh-listen", f"127.0.0.1:{self.ssh_port}"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment(),
                preexec_fn=self.preexec, start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the hub ended with {self.process.returncode}:\n{self.tail()}")
            try:
                if wire.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2).status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"the hub did not answer /healthz in {START_SECONDS_MAX} s:\n{self.tail()}")

    def stop(self, seconds: float = 30) -> int:
        """Asks it to end, and returns its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"the hub did not end within {seconds} s of SIGTERM:\n{self.tail()}") from None
        self.process = None
        return status

    def kill(self):
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def output(self) -> str:
        return ANSI.sub("", self.log.read_text(errors="replace")) if self.log.exists() else ""

    def tail(self, lines: int = 30) -> str:
        return "\n".join(self.output().splitlines()[-lines:])

    def troubles(self, allowed: str | None = None) -> list[str]:
        found = [line for line in self.output().splitlines() if TROUBLE.search(line)]
        return [line for line in found if not (allowed and re.search(allowed, line))]

    # ---- its commands

    def run(self, *args: str, check: bool = True, data: str = "") -> subprocess.CompletedProcess:
        command = [binary(), *args, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment(), timeout=120, input=data)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(args)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def admin(self, *args: str, data: str = "") -> str:
        return self.run("admin", *args, data=data).stdout.strip()

    def fsck(self, *args: str) -> subprocess.CompletedProcess:
        return self.run("fsck", *args, check=False)

    def offers_lfs(self) -> bool:
        """Whether it has LFS doors; one that has none answers as for any unknown page."""
        answer = self.post("/no/where.git/info/lfs/objects/batch", json={"operation": "download", "objects": []},
                           headers={"Content-Type": "application/vnd.git-lfs+json"})
        return not (answer.status in (404, 405) and "json" not in (answer.header("Content-Type") or ""))

    def assert_clean(self):
        """`fsck --deep` finds nothing."""
        done = self.fsck("--deep")
        assert done.returncode == 0, f"fsck --deep ended with {done.returncode}:\n{done.stdout}{done.stderr}"

    # ---- people

    def add_user(self, name: str, *more: str, role: str | None = "write") -> str | None:
        self.admin("user", "add", name, *more)
        if role is None:
            return None
        self.tokens[name] = self.add_token(name, role)
        return self.tokens[name]

    def add_token(self, user: str, role: str, *more: str) -> str:
        token = self.admin("token", "add", user, "--role", role, *more)
        assert re.fullmatch(r"hf_[A-Za-z0-9]{34,}", token), f"not the shape that llama.cpp takes: {token!r}"
        return token

    def provision(self) -> "Hub":
        """The people of these tests: alice, bob and an admin who write, carol who only reads, acme that bob owns."""
        self.add_user("alice", "--full-name", "Alice Ada", "--email", "alice@example.org")
        self.add_user("bob", "--full-name", "Bob 鲍勃", "--email", "bob@example.org")
        self.add_user("carol", role="read")
        self.add_user("root", "--admin")
        self.admin("org", "add", "acme", "--owner", "bob", "--full-name", "Acme 研究院")
        self.admin("rates", "--community", "100000")  # tests say more within five minutes than people do
        return self

    # ---- requests

    def request(self, method: str, path: str, who: str | None = None, **kwargs) -> wire.Response:
        """`who` is a user's name or a token; None is nobody."""
        token = self.tokens.get(who, who) if who else None
        return wire.request(method, path if path.startswith("http") else self.url + path, token=token, **kwargs)

    def get(self, path: str, who: str | None = None, **kwargs) -> wire.Response:
        return self.request("GET", path, who, **kwargs)

    def post(self, path: str, who: str | None = None, **kwargs) -> wire.Response:
        return self.request("POST", path, who, **kwargs)

    def head(self, path: str, who: str | None = None, **kwargs) -> wire.Response:
        return self.request("HEAD", path, who, **kwargs)

    def create(self, repo: str, who: str, kind: str = "model", **body) -> wire.Response:
        namespace, _, name = repo.partition("/")
        return self.post("/api/repos/create", who, json={"name": name, "organization": namespace, "type": kind} | body)

    def commit(self, repo: str, who: str | None, *operations: dict, rev: str = "main", kind: str = "models",
               summary: str = "a change", query: str = "", **header) -> wire.Response:
        lines = [{"key": "header", "value": {"summary": summary, "description": ""} | header}, *operations]
        return self.post(f"/api/{kind}/{repo}/commit/{rev}{query}", who, body=wire.ndjson(lines),
                         headers={"Content-Type": "application/x-ndjson"})
