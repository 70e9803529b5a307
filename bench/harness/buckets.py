"""A bucket and many small files, by `hf buckets sync` as people run it: up, once more with nothing to do, and down again."""

import random
import shutil
import time

from .prepare import BenchError, command, sha256
from .sections import Client, client_environment
from .servers import USER, Haina


def fill(folder, count):
    """Small files of 100 bytes to 8 KiB in a hundred folders, from a fixed seed."""
    source = random.Random(20_260_103)
    for number in range(count):
        path = folder / f"d{number % 100:02}" / f"{number:05}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.randbytes(source.randrange(100, 8192)))


def sums(folder):
    return {path.relative_to(folder).as_posix(): sha256(path) for path in folder.rglob("*") if path.is_file()}


def buckets(bench, report):
    """Only Haina: no peer has buckets."""
    count = bench.bucket_files
    files = bench.fresh("files")
    fill(files, count)
    expected = sums(files)
    try:
        for _ in range(bench.runs):
            with bench.serving(Haina) as server, Client(bench) as client, Client(bench) as other:
                server.api("POST", f"/api/buckets/{USER}/b", "{}")
                server.settle()
                server.forget_peak()
                back = bench.fresh("back")
                address = f"hf://buckets/{USER}/b/run"
                for label, machine, words in (("up", client, (files, address)), ("again, nothing to do", client, (files, address)),
                                              ("down", other, (address, back))):
                    before, begin = server.cpu_s(), time.monotonic()
                    environment = client_environment(machine.cache, HF_ENDPOINT=server.url, HF_TOKEN=server.token)
                    command([bench.python.parent / "hf", "buckets", "sync", *words], timeout_s=900, env=environment)
                    row = f"bucket sync of {count} files, {label}"
                    report.add(f"{row}: s", server.name, time.monotonic() - begin)
                    report.add(f"{row}: server CPU s", server.name, server.cpu_s() - before)
                report.add(f"bucket sync of {count} files: peak RSS MiB", server.name, server.peak_mib())
                if (got := sums(back)) != expected:
                    wrong = [name for name in got.keys() | expected.keys() if got.get(name) != expected.get(name)]
                    raise BenchError(f"{len(wrong)} files came back otherwise than they went, such as {wrong[0]}")
                shutil.rmtree(back)
    finally:
        shutil.rmtree(files, ignore_errors=True)
