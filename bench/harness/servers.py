"""The servers under measurement: started on loopback with a fresh folder, watched through /proc, ended by id."""

import base64
import http.client
import json
import os
import re
import socket
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from .prepare import MIB, BenchError, command

CPUCLOCK_SCHED = 2  # linux/posix-timers.h: how clock_getcpuclockid(3) makes the clock of another process
USER = "bench"
RUNNING = []  # every server started here, so that none outlives the run


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop_all():
    for server in list(RUNNING):
        server.stop()


class Server:
    name = "?"

    def __init__(self, work, label):
        self.folder = work / label
        self.folder.mkdir(parents=True)
        self.log = work / f"{label}.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process, self.environment = None, _quiet_environment()

    def words(self):
        raise NotImplementedError

    def start(self, ready="/", timeout_s=60):
        """Start and wait until any HTTP answer comes; returns the seconds until the first one."""
        begin = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(word) for word in self.words()], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment)
        RUNNING.append(self)
        while time.monotonic() - begin < timeout_s:
            if self.process.poll() is not None:
                raise BenchError(f"{self.name} ended at once ({self.process.returncode}): {self._last_words()}")
            try:
                status, _ = self.request("GET", ready, timeout_s=timeout_s)
                if ready == "/" or status == 200:
                    return time.monotonic() - begin
            except OSError:
                pass
            time.sleep(0.001)
        raise BenchError(f"{self.name} did not answer {ready} within {timeout_s} s: {self._last_words()}")

    def stop(self):
        if self in RUNNING:
            RUNNING.remove(self)
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(15)

    def _last_words(self):
        return self.log.read_text(errors="replace").strip()[-800:] or "no output"

    # --- what it costs ---

    def pids(self):
        return [self.process.pid]

    def cpu_s(self):
        """Processor seconds, user and system, of all threads since the start, those that ended included.

        The process's own clock, as utime + stime of /proc/PID/stat but in nanoseconds, not in hundredths."""
        try:
            return sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in self.pids())
        except OSError:
            raise BenchError(f"{self.name} died: {self._last_words()}") from None

    def peak_mib(self):
        """The most resident memory since the start or since the last `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def settle(self, flat_s=2.0, timeout_s=180):
        """Wait until the processor time has not grown for two seconds (a hundredth of a processor is allowed)."""
        begin = time.monotonic()
        seen = [(begin, self.cpu_s())]
        while time.monotonic() - begin < timeout_s:
            time.sleep(0.1)
            seen.append((time.monotonic(), self.cpu_s()))
            while seen[-1][0] - seen[1][0] >= flat_s:
                seen.pop(0)
            if seen[-1][0] - seen[0][0] >= flat_s and seen[-1][1] - seen[0][1] <= flat_s / 100:
                return
        raise BenchError(f"{self.name} is still busy {timeout_s} s after the client was done")

    def stored_bytes(self):
        return sum(path.stat().st_blocks * 512 for path in self.folder.rglob("*") if path.is_file())

    # --- talking to it ---

    def request(self, method, path, body=None, headers=None, timeout_s=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(64 * MIB)
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()


def _quiet_environment():
    return {**os.environ, "RUST_LOG": os.environ.get("RUST_LOG", "warn")}


class Peer(Server):
    """Hugging Face's local server: speaks the content protocol only, and asks for no token."""

    name = "peer"
    binary = None

    def words(self):
        return [self.binary, self.folder, f"127.0.0.1:{self.port}"]

    def open_repo(self, repo):
        pass

    def connection(self, _repo, _kind):
        return {"endpoint": self.url}

    def publish(self, repo, path, file):
        """There is nothing above the content protocol to tell."""


class Haina(Server):
    name = "haina"
    binary = None
    # More settings of the command.
    more = ()

    def __init__(self, work, label):
        super().__init__(work, label)
        command([self.binary, "admin", "user", "add", USER, "--data", self.folder], timeout_s=60)
        printed = command([self.binary, "admin", "token", "add", USER, "--role", "write", "--data", self.folder],
                          timeout_s=60)
        tokens = re.findall(r"[A-Za-z0-9_\-.]{20,}", printed)
        if not tokens:
            raise BenchError(f"`haina admin token add` printed no token: {printed[:200]!r}")
        self.token = tokens[-1]
        # Requests are counted as always, with limits that no run meets.
        kinds = [f"--{kind}{whose}={10**9}" for kind in ("api", "resolvers", "pages") for whose in ("", "-anonymous")]
        command([self.binary, "admin", "rates", *kinds, f"--community={10**9}", "--data", self.folder], timeout_s=60)

    def words(self):
        return [self.binary, "serve", "--data", self.folder, "--listen", f"127.0.0.1:{self.port}", "--url", self.url,
                *self.more]

    def api(self, method, path, body=None, kind="application/json", expect=(200, 201)):
        headers = {"Authorization": f"Bearer {self.token}"}
        if body is not None:
            headers["Content-Type"] = kind
        status, answer = self.request(method, path, body, headers)
        if status not in expect:
            raise BenchError(f"{method} {path} answered {status}: {answer[:400].decode(errors='replace')}")
        return json.loads(answer) if answer[:1] in (b"{", b"[") else None

    def open_repo(self, repo):
        self.api("POST", "/api/repos/create", json.dumps({"name": repo, "type": "model", "visibility": "public"}))

    def connection(self, repo, kind):
        answer = self.api("GET", f"/api/models/{USER}/{repo}/xet-{kind}-token/main")
        return {"endpoint": answer["casUrl"], "token": answer["accessToken"], "exp": answer["exp"]}

    def publish(self, repo, path, file):
        """Commit a large file that the client has just uploaded."""
        self.commit(repo, [{"key": "lfsFile", "value": {
            "path": path, "algo": "sha256", "oid": file["sha256"], "size": file["size"]}}])

    def commit(self, repo, operations):
        lines = [{"key": "header", "value": {"summary": "bench", "description": ""}}, *operations]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        self.api("POST", f"/api/models/{USER}/{repo}/commit/main", body, "application/x-ndjson")

    @staticmethod
    def small_file(path, content):
        return {"key": "file", "value": {
            "path": path, "encoding": "base64", "content": base64.b64encode(content.encode()).decode()}}


class Nginx(Server):
    """The ceiling for plain downloads: the same bytes as one file on the same disk, by sendfile."""

    name = "nginx"
    binary = None

    def words(self):
        temporary = "".join(f"{kind}_temp_path {self.folder}/temp; "
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        settings = self.folder / "nginx.conf"
        settings.write_text(
            f"daemon off; worker_processes 1; pid {self.folder}/pid; error_log stderr; {user}\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; {temporary}\n"
            f"  server {{ listen 127.0.0.1:{self.port}; root {self.folder}/files; }} }}\n")
        (self.folder / "files").mkdir(exist_ok=True)
        return [self.binary, "-e", "stderr", "-p", self.folder, "-c", settings]

    def pids(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            return [self.process.pid, *map(int, children.read_text().split())]
        except FileNotFoundError:
            return [self.process.pid]


class Counter:
    """A relay in front of a server that counts the bytes a client sends."""

    def __init__(self, port):
        self.target, self.sent, self.sockets, self.lock = port, 0, [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self._thread(self._accept)

    def before(self, connection):
        address = urllib.parse.urlsplit(connection["endpoint"])
        if address.port != self.target:
            raise BenchError(f"the content URL {connection['endpoint']} is not on the server's own port")
        return {**connection, "endpoint": address._replace(netloc=f"127.0.0.1:{self.port}").geturl()}

    def close(self):
        for one in [self.listener, *self.sockets]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target), timeout=10)
            except OSError:
                return
            server.settimeout(None)
            self.sockets += [client, server]
            self._thread(self._pump, client, server, True)
            self._thread(self._pump, server, client, False)

    def _pump(self, source, sink, count):
        try:
            while data := source.recv(256 * 1024):
                if count:
                    with self.lock:
                        self.sent += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    @staticmethod
    def _thread(work, *arguments):
        threading.Thread(target=work, args=arguments, daemon=True).start()
