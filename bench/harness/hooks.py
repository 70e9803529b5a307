"""What webhooks cost those who commit: commits at a steady rate, with nobody watching and with webhooks watching, by turns."""

import base64
import http.client
import json
import socket
import sqlite3
import statistics
import time

from .lists import quantile, run_all
from .prepare import BenchError
from .servers import USER, Haina

WORKERS = 8
RATE = 50  # commits a second
HOOKS = 21  # so that more than 1,000 deliveries a second are queued


class Silent:
    """A receiver that takes connections and says nothing: it is queueing that is measured, not sending."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"

    def close(self):
        self.listener.close()


class Watched(Haina):
    def words(self):
        return [*super().words(), "--webhooks-allow", "127.0.0.0/8"]


def commits(server, name, seconds):
    """Commits at the rate, whether answers come or not; milliseconds from when each was due, and how many a second."""
    took, failures, begin = [], [], time.monotonic() + 0.1
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/x-ndjson"}

    def work(worker):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            # Each has a repository of its own, as people have: nobody waits for another's branch.
            for number in range(worker, int(RATE * seconds), WORKERS):
                if failures:
                    return
                content = base64.b64encode(f"{name} {number}\n".encode()).decode()
                lines = [{"key": "header", "value": {"summary": f"{name} {number}", "description": ""}},
                         {"key": "file", "value": {"path": f"{number % 100}.txt", "encoding": "base64", "content": content}}]
                body = "".join(json.dumps(line) + "\n" for line in lines)
                at = begin + number / RATE
                time.sleep(max(0.0, at - time.monotonic()))
                connection.request("POST", f"/api/models/{USER}/r{worker}/commit/main", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                took.append((time.monotonic() - at) * 1000)
                if answer.status != 200:
                    raise BenchError(f"commit {number} answered {answer.status}: {text[:200]!r}")
        except (BenchError, OSError, http.client.HTTPException) as error:
            failures.append(error)
        finally:
            connection.close()

    run_all([lambda worker=worker: work(worker) for worker in range(WORKERS)])
    if failures:
        raise BenchError(str(failures[0]))
    return took, len(took) / (time.monotonic() - begin)


def queued(server):
    with sqlite3.connect(f"file:{server.folder}/hub.db?mode=ro", uri=True, timeout=30) as database:
        return database.execute("select count(*) from webhook_delivery").fetchone()[0]


def webhooks(bench, report):
    """Only Haina: no peer has webhooks."""
    seconds, silent = 4 if bench.given.quick else 20, Silent()
    means = {"no webhook": [], f"{HOOKS} webhooks": []}
    try:
        with bench.prepared(Watched) as server:
            server.start()
            for number in range(WORKERS):
                server.open_repo(f"r{number}")
            commits(server, "warm", 2)
            for turn in range(max(2, bench.runs)):
                server.settle(timeout_s=600)
                row = f"commits at {RATE}/s"
                took, rate = commits(server, f"a{turn}", seconds)
                means["no webhook"].append(statistics.fmean(took))
                report.add(f"{row}, no webhook: mean ms", server.name, statistics.fmean(took))
                report.add(f"{row}, no webhook: p99 ms", server.name, quantile(took, 0.99))
                hooks = [server.api("POST", "/api/settings/webhooks", json.dumps({
                    "url": silent.url, "watched": [{"type": "user", "name": USER}], "domains": ["repo"]}))["webhook"]["id"]
                    for _ in range(HOOKS)]
                before, begin = queued(server), time.monotonic()
                took, rate = commits(server, f"b{turn}", seconds)
                during = (queued(server) - before) / (time.monotonic() - begin)
                means[f"{HOOKS} webhooks"].append(statistics.fmean(took))
                report.add(f"{row}, {HOOKS} webhooks: mean ms", server.name, statistics.fmean(took))
                report.add(f"{row}, {HOOKS} webhooks: p99 ms", server.name, quantile(took, 0.99))
                report.add(f"{row}, {HOOKS} webhooks: commits/s", server.name, rate)
                report.add("webhook deliveries queued while commits go on: per s", server.name, during)
                wait_for_all(server, before + len(took) * HOOKS)
                for hook in hooks:
                    server.api("DELETE", f"/api/settings/webhooks/{hook}")
            without, watched = (statistics.median(values) for values in means.values())
            report.add("webhooks: commits are slower by %", server.name, (watched / without - 1) * 100)
    finally:
        silent.close()


def wait_for_all(server, expected, timeout_s=120):
    """Every commit is told to every webhook, soon."""
    deadline = time.monotonic() + timeout_s
    while queued(server) < expected:
        if time.monotonic() > deadline:
            raise BenchError(f"{queued(server)} deliveries were queued, not {expected}")
        time.sleep(0.1)
