"""Plain HTTP: what was sent and what came back, with nothing in between."""

import base64
import http.client
import json as jsonlib
import socket
import urllib.parse
from dataclasses import dataclass

TIMEOUT_SECONDS = 60


@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self):
        try:
            return jsonlib.loads(self.body)
        except ValueError:
            raise AssertionError(f"not JSON: {self}") from None

    def header(self, name: str) -> str | None:
        return self.headers.get(name)

    def expect(self, *statuses: int) -> "Response":
        assert self.status in statuses, f"expected {statuses}, got {self}"
        return self

    def error(self, status: int, code: str | None, words: str = "") -> "Response":
        """An error as section 0 of the Hub's rules wants it."""
        self.expect(status)
        assert self.header("X-Error-Code") == code, f"expected X-Error-Code {code}, got {self}"
        message = self.header("X-Error-Message") or ""
        assert message.isascii() and words in message, f"expected X-Error-Message with {words!r}, got {self}"
        if self.body:
            assert isinstance(self.json().get("error"), str), f"no error text: {self}"
        return self

    def next(self) -> str | None:
        """Where the next page is."""
        for part in (self.header("Link") or "").split(","):
            target, _, rel = part.partition(";")
            if 'rel="next"' in rel:
                return target.strip().strip("<>")
        return None

    def __str__(self):
        shown = {k: v for k, v in self.headers.items() if k.lower().startswith("x-") or k.lower() in ("location", "etag")}
        return f"{self.status} {shown} {self.text[:600]!r}"


def connect(url: str, timeout: float = TIMEOUT_SECONDS) -> tuple[http.client.HTTPConnection, str]:
    parts = urllib.parse.urlsplit(url)
    target = parts.path or "/"
    return (http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout),
            target + (f"?{parts.query}" if parts.query else ""))


def request(method: str, url: str, *, token: str | None = None, headers: dict | None = None, body=None, json=None,
            form=None, timeout: float = TIMEOUT_SECONDS) -> Response:
    """`body` may be bytes or an iterable of bytes (then it is sent in chunks)."""
    sent = {"Accept": "*/*"} | (headers or {})
    if token:
        sent.setdefault("Authorization", f"Bearer {token}")
    if json is not None:
        body = jsonlib.dumps(json).encode()
        sent.setdefault("Content-Type", "application/json")
    if form is not None:
        body = urllib.parse.urlencode(form, doseq=True).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    connection, target = connect(url, timeout)
    try:
        try:
            connection.request(method, target, body=body, headers=sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a server may refuse a body before its end: what it said is what counts
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def get(url: str, **kwargs) -> Response:
    return request("GET", url, **kwargs)


def ndjson(lines: list[dict]) -> bytes:
    return b"".join(jsonlib.dumps(line).encode() + b"\n" for line in lines)


def quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


# ---- lines of a commit


def file(path: str, content: bytes | str) -> dict:
    raw = content.encode() if isinstance(content, str) else content
    return {"key": "file", "value": {"path": path, "content": base64.b64encode(raw).decode(), "encoding": "base64"}}


def lfs_file(path: str, oid: str, size: int | None = None) -> dict:
    value = {"path": path, "algo": "sha256", "oid": oid}
    return {"key": "lfsFile", "value": value | ({"size": size} if size is not None else {})}


def deleted_file(path: str) -> dict:
    return {"key": "deletedFile", "value": {"path": path}}


def deleted_folder(path: str) -> dict:
    return {"key": "deletedFolder", "value": {"path": path}}


def cut(url: str, method: str, headers: dict, body: bytes, declared: int) -> bytes:
    """Sends fewer bytes than declared, then closes for writing. Returns whatever the server still says."""
    parts = urllib.parse.urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = f"{method} {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {declared}\r\n"
    head += "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as s:
        s.sendall(head.encode() + body)
        s.shutdown(socket.SHUT_WR)
        try:
            return s.recv(65536)
        except OSError:
            return b""
