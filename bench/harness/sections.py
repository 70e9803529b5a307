"""The measurements. Each takes the bench (see bench/run) and adds rows to its report."""

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from .prepare import MIB, BenchError, command, sha256
from .servers import USER, Counter, Haina, Nginx

GIB = 1 << 30
HERE = Path(__file__).resolve().parent


# --- the client ------------------------------------------------------------------------------------------

def client_environment(cache_folder, **extra):
    """Nothing of the caller's own hub settings, and a cache that no earlier upload has filled."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("HF_", "HUGGING_FACE_")) and not name.lower().endswith("_proxy")}
    return {**kept, "HF_HOME": str(cache_folder), "HF_XET_CACHE": str(cache_folder / "xet"),
            "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", **extra}


class Client:
    """One machine of one user: keeps its cache until closed."""

    def __init__(self, bench):
        self.bench, self.cache = bench, bench.fresh("client")
        self.cache.mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.cache, ignore_errors=True)

    def begin(self, job):
        process = subprocess.Popen([self.bench.python, HERE / "client.py"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=client_environment(self.cache))
        self.bench.clients.append(process)
        process.stdin.write(json.dumps(job))
        process.stdin.close()
        process.stdin = None
        return process

    def end(self, process):
        try:
            out, err = process.communicate(timeout=self.bench.timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            raise BenchError(f"the client needed more than {self.bench.timeout_s} s") from None
        finally:
            self.bench.clients.remove(process)
        if process.returncode != 0:
            last = err.strip().splitlines()[-1:] or [str(process.returncode)]
            raise BenchError(f"the client failed: {last[0][-600:]}")
        return json.loads(out)

    def up(self, connection, path):
        answer = self.end(self.begin({"do": "up", "to": connection, "paths": [str(path)]}))
        self.check_upload(answer, path)
        return answer

    def check_upload(self, answer, path):
        if answer["files"][0]["sha256"] != self.bench.inputs.digest(path):
            raise BenchError(f"the client read other bytes than {path.name} holds")

    def down(self, connection, file, expected):
        path = self.bench.fresh("down")
        try:
            answer = self.end(self.begin({"do": "down", "to": connection, "files": [
                {"hash": file["hash"], "size": file["size"], "path": str(path)}]}))
            got = sha256(path)
            if got != expected:
                raise BenchError(f"WRONG BYTES: a download has sha256 {got}, not {expected}")
            return answer
        finally:
            path.unlink(missing_ok=True)


# --- through Xet -----------------------------------------------------------------------------------------

def transfers(bench, report, up, down):
    """Up and down of every input: a fresh server, a fresh client; Haina and the peer take turns."""
    for run in range(bench.runs):
        for kind, path in bench.inputs.all().items():
            for server_kind in bench.servers_in_turn(run):
                with bench.serving(server_kind) as server, Client(bench) as client:
                    one_transfer(bench, report, server, client, kind, path, up, down)


def one_transfer(bench, report, server, client, kind, path, up, down):
    gib = path.stat().st_size / GIB
    server.open_repo("m")
    server.settle()
    server.forget_peak()
    before = server.cpu_s()
    answer = client.up(server.connection("m", "write"), path)
    done = server.cpu_s()
    file = answer["files"][0]
    server.publish("m", path.name, file)
    server.settle()
    settled = server.cpu_s()
    if up:
        report.add(f"up {kind}: server CPU s/GiB", server.name, (done - before) / gib)
        report.add(f"up {kind}, with background work: server CPU s/GiB", server.name, (settled - before) / gib)
        report.add(f"up {kind}: MiB/s at the client", server.name, gib * 1024 / answer["wall_s"])
        report.add(f"up {kind}: peak RSS MiB", server.name, server.peak_mib())
        report.add(f"up {kind}: bytes on disk ÷ bytes", server.name, server.stored_bytes() / (gib * GIB))
    if down:
        # A new process: its peak is the download's own, and it has nothing but the disk to serve from.
        server.stop()
        server.start()
        server.settle()
        server.forget_peak()
        before = server.cpu_s()
        with Client(bench) as other:
            answer = other.down(server.connection("m", "read"), file, bench.inputs.digest(path))
        report.add(f"down {kind}: server CPU s/GiB", server.name, (server.cpu_s() - before) / gib)
        report.add(f"down {kind}: MiB/s at the client", server.name, gib * 1024 / answer["wall_s"])
        report.add(f"down {kind}: peak RSS MiB", server.name, server.peak_mib())


def eight_at_once(bench, report):
    parts = bench.inputs.eighths()
    gib = sum(part.stat().st_size for part in parts) / GIB
    for run in range(bench.runs):
        for server_kind in bench.servers_in_turn(run):
            clients = [Client(bench) for _ in parts]
            try:
                with bench.serving(server_kind) as server:
                    repos = [f"m{number}" for number in range(len(parts))]
                    for repo in repos:
                        server.open_repo(repo)
                    server.settle()
                    server.forget_peak()
                    before, begin = server.cpu_s(), time.monotonic()
                    started = [client.begin({"do": "up", "to": server.connection(repo, "write"),
                                             "paths": [str(part)]})
                               for client, repo, part in zip(clients, repos, parts)]
                    answers = [client.end(process) for client, process in zip(clients, started)]
                    wall, done = time.monotonic() - begin, server.cpu_s()
                    for client, answer, repo, part in zip(clients, answers, repos, parts):
                        client.check_upload(answer, part)
                        server.publish(repo, part.name, answer["files"][0])
                    server.settle()
                    report.add("eight uploads at once: peak RSS MiB", server.name, server.peak_mib())
                    report.add("eight uploads at once: server CPU s/GiB", server.name, (done - before) / gib)
                    report.add("eight uploads at once: MiB/s together", server.name, gib * 1024 / wall)
                    last = answers[-1]["files"][0]
                    clients[0].down(server.connection(repos[-1], "read"), last, bench.inputs.digest(parts[-1]))
            finally:
                for client in clients:
                    client.__exit__()


def insert_13_bytes(bench, report):
    """The random file again, with 13 bytes put into its middle: what has to be sent?"""
    original = bench.inputs.random()
    for run in range(bench.runs):
        for server_kind in bench.servers_in_turn(run):
            with bench.serving(server_kind) as server, Client(bench) as client:
                server.open_repo("m")
                file = client.up(server.connection("m", "write"), original)["files"][0]
                server.publish("m", "data.bin", file)
                server.settle()
                edited = bench.fresh("edited")
                try:
                    for label, again, words in (("by the same machine", client, b"thirteen here"),
                                                ("by a machine new to it", None, b"thirteen more")):
                        _insert(original, edited, words)
                        bench.inputs.digests.pop(edited, None)
                        report.add(f"13 bytes inserted, sent again {label}: bytes sent", server.name,
                                   _sent(bench, server, again, edited))
                finally:
                    edited.unlink(missing_ok=True)


def _insert(original, edited, words):
    middle = original.stat().st_size // 2
    with open(original, "rb") as source, open(edited, "wb") as file:
        left = middle
        while left and (block := source.read(min(4 * MIB, left))):
            file.write(block)
            left -= len(block)
        file.write(words)
        shutil.copyfileobj(source, file, 4 * MIB)


def _sent(bench, server, client, path):
    owned = None if client else Client(bench)
    counter = Counter(server.port)
    try:
        answer = (client or owned).up(counter.before(server.connection("m", "write")), path)
        if counter.sent < answer["xorb_bytes"] + answer["shard_bytes"]:
            raise BenchError("an upload went round the byte counter: its count would be too low")
        server.publish("m", "data.bin", answer["files"][0])
        # The edited file must be whole in the store, not only cheap to send.
        with Client(bench) as other:
            other.down(server.connection("m", "read"), answer["files"][0], bench.inputs.digest(path))
        return counter.sent
    finally:
        counter.close()
        if owned:
            owned.__exit__()


def whole_hf_upload(bench, report):
    """`hf upload` as people run it: preupload, Xet, commit."""
    path = bench.inputs.random()
    gib = path.stat().st_size / GIB
    for _ in range(bench.runs):
        with bench.serving(Haina) as server, Client(bench) as client:
            server.open_repo("m")
            server.settle()
            server.forget_peak()
            before, begin = server.cpu_s(), time.monotonic()
            command([bench.python.parent / "hf", "upload", f"{USER}/m", path, "data.bin"], timeout_s=bench.timeout_s,
                    env=client_environment(client.cache, HF_ENDPOINT=server.url, HF_TOKEN=server.token))
            wall, done = time.monotonic() - begin, server.cpu_s()
            server.settle()
            report.add("hf upload random: s", server.name, wall)
            report.add("hf upload random: server CPU s/GiB", server.name, (done - before) / gib)
            report.add("hf upload random, with background work: server CPU s/GiB", server.name,
                       (server.cpu_s() - before) / gib)
            report.add("hf upload random: peak RSS MiB", server.name, server.peak_mib())
            _check_get(bench, server, f"/{USER}/m/resolve/main/data.bin", bench.inputs.digest(path))


# --- plain HTTP ------------------------------------------------------------------------------------------

def plain_get(bench, report):
    with bench.serving(Nginx) as nginx, bench.serving(Haina) as haina, Client(bench) as client:
        inputs = bench.inputs.all()
        haina.open_repo("m")
        for path in inputs.values():
            file = client.up(haina.connection("m", "write"), path)["files"][0]
            haina.publish("m", path.name, file)
            shutil.copyfile(path, nginx.folder / "files" / path.name)
        haina.settle()
        where = {haina: f"/{USER}/m/resolve/main/", nginx: "/"}
        for kind, path in inputs.items():
            gib = path.stat().st_size / GIB
            times = max(1, round(0.5 / gib))  # a small file several times, or the figure is all rounding
            for server in where:  # also brings the file into the page cache
                _check_get(bench, server, where[server] + path.name, bench.inputs.digest(path))
            haina.forget_peak()
            for run in range(bench.runs):
                for server in (haina, nginx) if run % 2 == 0 else (nginx, haina):
                    before = server.cpu_s()
                    seconds = sum(_curl(bench, server, where[server] + path.name, path.stat().st_size)
                                  for _ in range(times))
                    report.add(f"plain GET {kind}: MiB/s", server.name, times * gib * 1024 / seconds)
                    report.add(f"plain GET {kind}: server CPU s/GiB", server.name,
                               (server.cpu_s() - before) / (times * gib))
            report.add(f"plain GET {kind}: peak RSS MiB", haina.name, haina.peak_mib())


def _curl(bench, server, path, size):
    printed = command([bench.tools["curl"], "--silent", "--show-error", "--fail", "--location", "--noproxy", "*",
                       "--output", "/dev/null", "--write-out", "%{http_code} %{size_download} %{time_total}",
                       server.url + path], timeout_s=bench.timeout_s, env=bench.tool_environment())
    status, got, seconds = printed.split()
    if status != "200" or int(got) != size:
        raise BenchError(f"{server.name} answered {status} with {got} bytes, not 200 with {size}")
    return float(seconds)


def _check_get(bench, server, path, expected):
    target = bench.fresh("get")
    try:
        command([bench.tools["curl"], "--silent", "--show-error", "--fail", "--location", "--noproxy", "*",
                 "--output", target, server.url + path], timeout_s=bench.timeout_s, env=bench.tool_environment())
        got = sha256(target)
    finally:
        target.unlink(missing_ok=True)
    if got != expected:
        raise BenchError(f"WRONG BYTES: {server.name} served {path} with sha256 {got}, not {expected}")


# --- metadata --------------------------------------------------------------------------------------------

README = """---
license: apache-2.0
language: [en, zh]
pipeline_tag: sentence-similarity
library_name: sentence-transformers
tags: [bench]
---
# A model to ask about
"""
CONFIG = json.dumps({"model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6, "vocab_size": 30522}, indent=2)


def metadata(bench, report):
    with bench.serving(Haina) as haina, bench.serving(Nginx) as nginx, Client(bench) as client:
        (nginx.folder / "files/config.json").write_text(CONFIG)
        haina.open_repo("m")
        weights = bench.inputs.model("safetensors")
        file = client.up(haina.connection("m", "write"), weights)["files"][0]
        haina.commit("m", [haina.small_file("README.md", README), haina.small_file("config.json", CONFIG)])
        haina.publish("m", weights.name, file)
        haina.settle()
        resolve, info = f"/{USER}/m/resolve/main/config.json", f"/api/models/{USER}/m"
        _preflight(haina, resolve, info)
        _preflight_status(nginx, "HEAD", "/config.json")
        for run in range(bench.runs):
            for label, token in (("", ""), (", token", haina.token)):
                asks = [("HEAD resolve", haina, "HEAD", resolve), ("GET model info", haina, "GET", info)]
                if not token:
                    asks.insert(run % 2, ("HEAD resolve", nginx, "HEAD", "/config.json"))
                for row, server, method, path in asks:
                    result, cpu = _ask(bench, server, method, path, token)
                    report.add(f"{row}{label}: requests per server CPU s", server.name, result["requests"] / cpu)
                    report.add(f"{row}{label}: requests/s", server.name, result["requests"] / result["seconds"])
                    report.add(f"{row}{label}: p99 ms", server.name, result["p99_ms"])


def _preflight(haina, resolve, info):
    _preflight_status(haina, "HEAD", resolve)
    status, body = haina.request("GET", resolve)
    if status != 200 or body.decode() != CONFIG:
        raise BenchError(f"WRONG BYTES: config.json came back as {status} {body[:200]!r}")
    status, body = haina.request("GET", info)
    if status != 200 or json.loads(body).get("id") != f"{USER}/m":
        raise BenchError(f"GET {info} answered {status} {body[:200]!r}")


def _preflight_status(server, method, path):
    status, _ = server.request(method, path)
    if status != 200:
        raise BenchError(f"{server.name}: {method} {path} answered {status}, not 200")


def _ask(bench, server, method, path, token):
    """32 connections for some seconds, from one thread; returns the result and the server's processor seconds."""
    if method == "HEAD":
        words = [sys.executable, HERE / "head.py", server.port, path, 32, bench.ask_s]
    else:
        words = [bench.tools["wrk"], "--threads", 1, "--connections", 32, "--duration", f"{bench.ask_s}s",
                 "--script", HERE / "wrk.lua", "--latency", server.url + path]
    before = server.cpu_s()
    printed = command(words, timeout_s=bench.ask_s + 60, env=bench.tool_environment(TOKEN=token))
    cpu = server.cpu_s() - before
    result = json.loads(re.search(r"^RESULT (.*)$", printed, re.MULTILINE)[1])
    if result["failed"] or not result["requests"] or cpu <= 0:
        raise BenchError(f"{server.name}: {method} {path}: {result['failed']} of {result['requests']} requests failed")
    return result, cpu


# --- start -----------------------------------------------------------------------------------------------

def start(bench, report):
    report.add("binary: MB", "haina", Haina.binary.stat().st_size / 1e6)
    if bench.peer:
        report.add("binary: MB", "peer", bench.peer.stat().st_size / 1e6)
    with bench.prepared(Haina) as server:
        server.start()
        begin = time.monotonic()
        _create_repositories(server, bench.repositories, deadline=begin + 1200)
        took = time.monotonic() - begin
        report.add("create repositories, 8 at once: per s", server.name, bench.repositories / took)
        server.settle()
        for _ in range(bench.runs):
            server.stop()
            row = f"start on {bench.repositories} repositories"
            report.add(f"{row}: s", server.name, server.start("/api/models?limit=1"))
            server.settle()
            report.add(f"{row}: peak RSS MiB", server.name, server.peak_mib())
        _, body = server.request("GET", "/api/models?limit=1")
        if len(json.loads(body)) != 1:
            raise BenchError(f"GET /api/models?limit=1 did not answer one model: {body[:200]!r}")


def _create_repositories(server, count, deadline):
    numbers, failures, lock = iter(range(count)), [], threading.Lock()
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while not failures:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                if time.monotonic() > deadline:
                    raise BenchError(f"creating {count} repositories takes too long: {number} so far")
                body = json.dumps({"name": f"model-{number:05}", "type": "model", "visibility": "public"})
                connection.request("POST", "/api/repos/create", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status not in (200, 201):
                    raise BenchError(f"creating repository {number} answered {answer.status}: {text[:200]!r}")
        except (BenchError, OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise BenchError(str(failures[0]))
