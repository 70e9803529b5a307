"""The one client that every server is measured with: `hf_xet`, as `huggingface_hub` itself drives it.

Runs inside the benchmark's own virtual environment. Reads one JSON job on standard input and prints one
JSON answer. A job is {"do": "up", "to": connection, "paths": [...]} or {"do": "down", "to": connection,
"files": [{"hash", "size", "path"}]}; a connection is {"endpoint", "token"?, "exp"?}.
"""

import json
import resource
import sys
import time

import hf_xet


def connection(to):
    options = {"endpoint": to["endpoint"]}
    if to.get("token"):
        options.update(token=to["token"], token_expiry_unix_secs=to["exp"])
    return options


def upload(job):
    commit = hf_xet.XetSession().new_upload_commit(**connection(job["to"]))
    started = [commit.start_upload_file(path, sha256=hf_xet.COMPUTE_SHA256) for path in job["paths"]]
    report = commit.wait_to_finish()
    infos = [upload.result().xet_info for upload in started]
    dedup = report.dedup_metrics
    return {
        "files": [{"hash": info.hash, "size": info.file_size, "sha256": info.sha256} for info in infos],
        "new_bytes": dedup.new_bytes,
        "xorb_bytes": dedup.xorb_bytes_uploaded,
        "shard_bytes": dedup.shard_bytes_uploaded,
    }


def download(job):
    with hf_xet.XetSession().new_file_download_group(**connection(job["to"])) as group:
        for file in job["files"]:
            group.start_download_file(hf_xet.XetFileInfo(file["hash"], file["size"]), file["path"])
    return {}


def main():
    job = json.load(sys.stdin)
    start = time.monotonic()
    answer = {"up": upload, "down": download}[job["do"]](job)
    answer["wall_s"] = time.monotonic() - start
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer["client_cpu_s"] = usage.ru_utime + usage.ru_stime
    json.dump(answer, sys.stdout)


main()
