"""Git beside git's own server: pushes, clones from packs that are ready and that are not, shallow clones; and LFS."""

import json
import os
import random
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

from .prepare import BenchError, command, say, sha256
from .sections import GIB
from .servers import USER, Haina, Nginx, Server

FILES, COMMITS = 10_000, 5_000
# The main branches that the generators below made when the numbers in README.md were taken.
MADE = {
    f"files-{FILES}": "c8ee4fbc50a6081257a4fa898942c1537a2a1879",
    f"commits-{COMMITS}": "f81dda7a4ae528f6d0757a2a2fabbaa6e7598096",
}
WORDS = [f"{a}{b}" for a in ("al", "be", "cor", "du", "el", "fa", "gre", "hu", "in", "jo", "ka", "li", "mo", "nu")
         for b in ("ra", "sten", "tic", "vo", "mer", "ly", "pod", "gan", "dis", "ner", "sk", "um")]


# --- the repositories ------------------------------------------------------------------------------------

def hermetic(home):
    """git without anything of the caller's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0", "NO_PROXY": "*"}


def _lines(dice, count):
    return [" ".join(dice.choices(WORDS, k=8)) for _ in range(count)]


def _commit(number, changes):
    out = [f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_600_000_000 + 60 * number} +0000\n"
           f"data {len(str(number))}\n{number}\n"]
    for path, text in changes:
        out.append(f"M 100644 inline {path}\ndata {len(text)}\n{text}\n")
    return "".join(out)


def _files(count):
    dice = random.Random("git files")
    yield _commit(0, [(f"d{i // 100:03}/f{i % 100:02}.txt", "\n".join(_lines(dice, dice.randint(2, 40))))
                      for i in range(count)])


def _commits(count):
    """A thousand files; each commit changes a few lines of one to three of them."""
    dice = random.Random("git commits")
    files = {f"src/m{i // 25:02}/f{i % 25:02}.py": _lines(dice, dice.randint(20, 120)) for i in range(1000)}
    yield _commit(0, [(path, "\n".join(lines)) for path, lines in files.items()])
    for number in range(1, count):
        changed = dice.sample(sorted(files), dice.randint(1, 3))
        for path in changed:
            lines = files[path]
            at = dice.randrange(len(lines))
            lines[at:at + dice.randint(0, 2)] = _lines(dice, dice.randint(1, 3))
        yield _commit(number, [(path, "\n".join(files[path])) for path in changed])


class Sources:
    """Repositories to push, made once from fixed seeds and kept in the cache."""

    def __init__(self, bench):
        self.folder = bench.cache / "inputs/git"
        self.folder.mkdir(parents=True, exist_ok=True)
        count = [FILES, COMMITS] if not bench.given.quick else [FILES // 10, COMMITS // 10]
        self.all = {f"{count[0]:,} files": self._make(f"files-{count[0]}", _files(count[0])),
                    f"{count[1]:,} commits": self._make(f"commits-{count[1]}", _commits(count[1]))}

    def _make(self, name, commits):
        path = self.folder / f"{name}.git"
        if not path.exists():
            say(f"making the repository {name}")
            unfinished = self.folder / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            environment = hermetic(self.folder)
            command(["git", "init", "-q", "--bare", "-b", "main", unfinished], timeout_s=60, env=environment)
            feed = subprocess.Popen(["git", "fast-import", "--quiet"], cwd=unfinished, stdin=subprocess.PIPE,
                                    env=environment, text=True)
            for commit in commits:
                feed.stdin.write(commit)
            feed.stdin.close()
            if feed.wait(600) != 0:
                raise BenchError("git fast-import failed")
            command(["git", "repack", "-adfq"], cwd=unfinished, timeout_s=600, env=environment)
            unfinished.rename(path)
        tip = command(["git", "rev-parse", "main"], cwd=path, timeout_s=60, env=hermetic(self.folder)).strip()
        if MADE.get(name) and tip != MADE[name]:
            raise BenchError(f"the repository {name} has the tip {tip}, not {MADE[name]}: another benchmark")
        return path


# --- git's own server ------------------------------------------------------------------------------------

class GitServer(Server):
    """`git http-backend` behind nginx, run by fcgiwrap, as git's own documentation has it."""

    name = "git"
    fcgiwrap = None
    workers = None

    def words(self):
        settings = self.folder / "nginx.conf"
        socket, backend = self.folder / "cgi.socket", self.folder / "backend"
        self.times = self.folder / "times"
        (self.folder / "repos").mkdir(exist_ok=True)
        real = command(["git", "--exec-path"], timeout_s=60).strip() + "/git-http-backend"
        # The processor time of programs that ended is known to their parent alone.
        backend.write_text(f"#!/bin/bash\n{real}\ntimes >> {self.times}\n")
        backend.chmod(0o755)
        temporary = "".join(f"{kind}_temp_path {self.folder}/temp; "
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        settings.write_text(
            f"daemon off; worker_processes 1; pid {self.folder}/pid; error_log stderr; {user}\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off; client_max_body_size 0; {temporary}\n"
            f"  server {{ listen 127.0.0.1:{self.port};\n"
            "    location / {\n"
            f"      fastcgi_pass unix:{socket}; fastcgi_buffering off; fastcgi_read_timeout 600;\n"
            f"      fastcgi_param SCRIPT_FILENAME {backend}; fastcgi_param PATH_INFO $uri;\n"
            f"      fastcgi_param GIT_PROJECT_ROOT {self.folder}/repos; fastcgi_param GIT_HTTP_EXPORT_ALL 1;\n"
            "      fastcgi_param GIT_PROTOCOL $http_git_protocol; fastcgi_param REMOTE_USER bench;\n"
            "      fastcgi_param REQUEST_METHOD $request_method; fastcgi_param QUERY_STRING $query_string;\n"
            "      fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length;\n"
            "      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;\n"
            "    }\n  }\n}\n")
        return [Nginx.binary, "-e", "stderr", "-p", self.folder, "-c", settings]

    def start(self, ready="/", timeout_s=60):
        with open(self.log, "ab") as log:
            environment = {**hermetic(self.folder), **{k: v for k, v in self.environment.items() if k == "LD_LIBRARY_PATH"}}
            self.workers = subprocess.Popen([self.fcgiwrap, "-c", "2", "-s", f"unix:{self.folder}/cgi.socket"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        return super().start(ready, timeout_s)

    def stop(self):
        super().stop()
        if self.workers and self.workers.poll() is None:
            for pid in _children(self.workers.pid):
                os.kill(pid, 15)
            self.workers.terminate()
            self.workers.wait(15)

    def pids(self):
        return [self.process.pid, *_children(self.process.pid), self.workers.pid, *_children(self.workers.pid)]

    def cpu_s(self):
        ended = re.findall(r"(\d+)m([\d.]+)s", self.times.read_text()) if self.times.exists() else []
        # Of each two lines the first is the shell's own.
        ended = [int(m) * 60 + float(s) for i, (m, s) in enumerate(ended) if i % 4 >= 2]
        return sum(ended) + self._clocks()

    def _clocks(self):
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in [self.process.pid, *_children(self.process.pid),
                                                                   self.workers.pid])

    def open_repo(self, repo):
        path = self.folder / f"repos/{repo}.git"
        environment = hermetic(self.folder)
        command(["git", "init", "-q", "--bare", "-b", "main", path], timeout_s=60, env=environment)
        command(["git", "config", "http.receivepack", "true"], cwd=path, timeout_s=60, env=environment)

    def keep_house(self, repo):
        """What a cared-for server does from time to time."""
        path = self.folder / f"repos/{repo}.git"
        command(["git", "-c", "repack.writeBitmaps=true", "gc", "-q"], cwd=path, timeout_s=600,
                env=hermetic(self.folder))

    def address(self, repo, write=False):
        return f"{self.url}/{repo}.git"


def _children(pid):
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, listed.read_text().split())
    return found


class Memory:
    """How far the resident memory of a server and all that it starts rises above what it was before."""

    def __init__(self, server):
        self.server, self.most, self.before, self.ended = server, 0, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        if isinstance(self.server, Haina):
            self.server.forget_peak()
            self.before = self.server.peak_mib()
        else:
            self.thread.start()
        return self

    def __exit__(self, *_):
        if isinstance(self.server, Haina):
            self.most = self.server.peak_mib() - self.before
        else:
            self.ended.set()
            self.thread.join()

    def _watch(self):
        while not self.ended.wait(0.05):
            total, todo = 0, self.server.pids()[:1] + [self.server.workers.pid]
            while todo:
                pid = todo.pop()
                try:
                    total += int(re.search(r"RssAnon:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1024
                    todo += _children(pid)
                except (OSError, TypeError):
                    pass
            self.most = max(self.most, total)


# --- measurements ----------------------------------------------------------------------------------------

def address(server, repo, write=False):
    if not isinstance(server, Haina):
        return server.address(repo)
    who = f"{USER}:{server.token}@" if write else ""
    return f"http://{who}127.0.0.1:{server.port}/{USER}/{repo}.git"


def _timed(server, work):
    before, begin = server.cpu_s(), time.monotonic()
    work()
    wall = time.monotonic() - begin
    # The last of the answer is on its way before the server's own work is quite at its end.
    time.sleep(0.3)
    return wall, server.cpu_s() - before


def _clone(bench, server, repo, *options):
    """Clones; seconds, server's processor seconds, bytes of the pack."""
    target = bench.fresh("clone")
    home = bench.work
    try:
        words = ["git", "clone", "-q", "--bare", *options, address(server, repo), target]
        wall, cpu = _timed(server, lambda: command(words, timeout_s=bench.timeout_s, env=hermetic(home)))
        size = sum(pack.stat().st_size for pack in target.glob("objects/pack/*.pack"))
        if not options:
            command(["git", "fsck", "--connectivity-only"], cwd=target, timeout_s=600, env=hermetic(home))
        return wall, cpu, size
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _rows(report, server, label, figures):
    for what, value in zip(("s", "server CPU s", "MiB of pack"), figures):
        report.add(f"{label}: {what}", server.name, value / (1 << 20) if what == "MiB of pack" else value)


def git(bench, report):
    GitServer.fcgiwrap = bench.tools["fcgiwrap"]
    sources = Sources(bench)
    for run in range(bench.runs):
        for name, source in sources.all.items():
            for kind in (Haina, GitServer) if run % 2 == 0 else (GitServer, Haina):
                with bench.prepared(kind) as server:
                    if kind is GitServer:
                        server.environment = bench.tool_environment()
                    server.start("/api/models?limit=1" if kind is Haina else "/")
                    _one(bench, report, server, name, source)


def _push(bench, server, repo, source):
    words = ["git", "push", "-q", "-f", address(server, repo, write=True), "main"]
    with Memory(server) as memory:
        wall, cpu = _timed(server, lambda: command(words, cwd=source, timeout_s=bench.timeout_s,
                                                   env=hermetic(bench.work)))
    server.settle()
    return wall, cpu, memory.most


def _restart(server, *more):
    server.stop()
    server.more = more
    server.start("/api/models?limit=1")
    server.settle()


def _one(bench, report, server, name, source):
    """Push and clone; then push where no packs are kept, so that nothing is ready, and clone again and again."""
    server.open_repo("m")
    server.settle()
    wall, cpu, memory = _push(bench, server, "m", source)
    _rows(report, server, f"push of {name}", (wall, cpu))
    report.add(f"push of {name}: memory above idle, MiB", server.name, memory)
    _rows(report, server, f"first clone after a push of {name}", _clone(bench, server, "m"))

    server.open_repo("n")
    if isinstance(server, GitServer):
        # Its best case: packed, and everything in the page cache.
        _push(bench, server, "n", source)
        server.keep_house("n")
        _clone(bench, server, "n")
    else:
        _restart(server, "--git-cache-mib", "0")
        _push(bench, server, "n", source)
    with Memory(server) as memory:
        figures = _clone(bench, server, "n")
    _rows(report, server, f"clone of {name}, nothing ready", figures)
    report.add(f"clone of {name}, nothing ready: memory above idle, MiB", server.name, memory.most)
    _rows(report, server, f"shallow clone of {name}, nothing ready", _clone(bench, server, "n", "--depth", "1"))
    if isinstance(server, Haina):
        _restart(server)
        _clone(bench, server, "n")
        server.settle()
    before = server.cpu_s()
    second = _clone(bench, server, "n")
    server.settle()
    if isinstance(server, Haina):
        report.add(f"making the pack of {name}: server CPU s", server.name, server.cpu_s() - before - second[1])
    for _ in range(3):
        _rows(report, server, f"clone of {name}", _clone(bench, server, "n"))
    with Memory(server) as memory:
        _clone(bench, server, "n")
    report.add(f"clone of {name}: memory above idle, MiB", server.name, memory.most)
    for _ in range(2):
        _clone(bench, server, "n", "--depth", "1")
    server.settle()
    for _ in range(3):
        _rows(report, server, f"shallow clone of {name}", _clone(bench, server, "n", "--depth", "1"))


def lfs(bench, report):
    """One large file by the addresses that LFS gives, and by the plain address."""
    path = bench.inputs.random()
    size, gib, oid = path.stat().st_size, path.stat().st_size / GIB, bench.inputs.digest(path)
    for _ in range(bench.runs):
        with bench.serving(Haina) as server:
            server.open_repo("m")
            server.settle()
            actions = _batch(server, "upload", oid, size)["upload"]
            with Memory(server) as memory:
                wall, cpu = _timed(server, lambda: _curl(bench, actions, "--upload-file", path))
            report.add("LFS push of one large file: server CPU s/GiB", server.name, cpu / gib)
            report.add("LFS push of one large file: MiB/s", server.name, gib * 1024 / wall)
            report.add("LFS push of one large file: memory above idle, MiB", server.name, memory.most)
            server.commit("m", [{"key": "lfsFile", "value": {"path": "data.bin", "algo": "sha256", "oid": oid,
                                                             "size": size}}])
            server.settle()
            plain = {"href": f"{server.url}/{USER}/m/resolve/main/data.bin", "header": {}}
            actions = _batch(server, "download", oid, size)["download"]
            for action in (plain, actions):
                if _digest(bench, action) != oid:
                    raise BenchError("WRONG BYTES from LFS")
            for label, action in (("LFS pull of one large file", actions), ("the same by plain GET", plain)):
                with Memory(server) as memory:
                    wall, cpu = _timed(server, lambda: _curl(bench, action, "--output", os.devnull, "--location"))
                report.add(f"{label}: server CPU s/GiB", server.name, cpu / gib)
                report.add(f"{label}: MiB/s", server.name, gib * 1024 / wall)
                report.add(f"{label}: memory above idle, MiB", server.name, memory.most)


def _batch(server, operation, oid, size):
    body = json.dumps({"operation": operation, "transfers": ["basic"], "objects": [{"oid": oid, "size": size}]})
    status, answer = server.request("POST", f"/{USER}/m.git/info/lfs/objects/batch", body, {
        "Authorization": f"Bearer {server.token}", "Content-Type": "application/vnd.git-lfs+json",
        "Accept": "application/vnd.git-lfs+json"})
    if status != 200:
        raise BenchError(f"LFS batch answered {status}: {answer[:300]!r}")
    return json.loads(answer)["objects"][0]["actions"]


def _curl(bench, action, *options):
    headers = [word for name, value in action.get("header", {}).items() for word in ("--header", f"{name}: {value}")]
    command([bench.tools["curl"], "--silent", "--show-error", "--fail", "--noproxy", "*", *headers, *options,
             action["href"]], timeout_s=bench.timeout_s, env=bench.tool_environment())


def _digest(bench, action):
    target = bench.fresh("lfs")
    try:
        _curl(bench, action, "--output", target, "--location")
        return sha256(target)
    finally:
        target.unlink(missing_ok=True)
