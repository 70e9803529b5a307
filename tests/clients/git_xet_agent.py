#!/usr/bin/env python3
"""What git-xet does between git-lfs and a hub, for where it cannot be installed: the uploads of hf_xet, which is the same
client inside, behind the protocol of custom transfers.

As git-xet does, it takes the store's address and the first token from the headers of the batch's answer, asks the
address of the action for the next token with git's own credential, and uploads one file after the other, each to its end.
It does not download: it says so, and git-lfs must not have asked it to.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request

import hf_xet


def say(**event):
    print(json.dumps(event), flush=True)


def credential(url: str) -> str:
    """As git knows it for this address: from the remote's address or a helper."""
    parts = urllib.parse.urlsplit(url)
    if parts.password is None:
        asked = f"protocol={parts.scheme}\nhost={parts.netloc}\n\n"
        done = subprocess.run(["git", "credential", "fill"], input=asked, capture_output=True, text=True, check=True)
        got = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
        user, password = got["username"], got["password"]
    else:
        user, password = parts.username, parts.password
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def remote_url(remote: str) -> str:
    done = subprocess.run(["git", "remote", "get-url", remote], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else remote


def upload(event: dict, auth: str):
    action = event["action"]
    header = action["header"]

    def fresh():
        request = urllib.request.Request(action["href"], headers={"Authorization": auth, "User-Agent": "git-xet"})
        with urllib.request.urlopen(request) as answer:
            said = json.load(answer)
        assert said["casUrl"] == header["X-Xet-Cas-Url"], said
        return said["accessToken"], said["exp"]

    # For the test that a token which ran out is replaced.
    expires = 0 if os.environ.get("AGENT_TOKEN_IS_OLD") else int(header["X-Xet-Token-Expiration"])
    say(event="progress", oid=event["oid"], bytesSoFar=1, bytesSinceLast=1)
    [done] = hf_xet.upload_files([event["path"]], header["X-Xet-Cas-Url"], (header["X-Xet-Access-Token"], expires), fresh, None, "model")
    assert done.file_size == event["size"], done


def main():
    auth = None
    for line in sys.stdin:
        event = json.loads(line)
        if event["event"] == "init":
            if event["operation"] != "upload":
                say(error={"code": 32, "message": "downloads go the standard way"})
                return
            auth = credential(remote_url(event["remote"]))
            say()
        elif event["event"] == "upload":
            try:
                upload(event, auth)
                say(event="complete", oid=event["oid"])
            except Exception as e:
                say(event="complete", oid=event["oid"], error={"code": 1, "message": repr(e)})
        elif event["event"] == "terminate":
            return


main()
