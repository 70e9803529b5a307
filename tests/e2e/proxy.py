"""A TCP proxy that counts the bytes each way, can be slowed down, and can break off after so many bytes."""

import http.client
import http.server
import re
import socket
import threading
import time


class CountingProxy:
    def __init__(self, upstream_port: int):
        self.upstream_port = upstream_port
        self.received = 0  # client → server
        self.sent = 0  # server → client
        self.cut_after = None  # bytes of a client; then its connection breaks, both ways
        self.bytes_per_second = None  # of each connection and direction; None is as fast as it goes
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        with self._lock:
            self.received = self.sent = 0

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream_port))
            except OSError:
                client.close()
                continue
            for pair in ((client, server, "received"), (server, client, "sent")):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, counter: str):
        try:
            while data := source.recv(1 << 18):
                with self._lock:
                    cut = counter == "received" and self.cut_after is not None and self.received + len(data) > self.cut_after
                    if cut:
                        data = data[:max(0, self.cut_after - self.received)]
                    setattr(self, counter, getattr(self, counter) + len(data))
                target.sendall(data)
                if cut:
                    raise ConnectionResetError
                if self.bytes_per_second:
                    time.sleep(len(data) / self.bytes_per_second)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for s in (source, target):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self._listener.close()


class AnswerProxy:
    """An HTTP proxy that lets every request through, and may keep an answer to itself: the client gets 503, or nothing.

    `lose` maps the beginning of "METHOD path" (a regular expression) to how many answers to lose; `lost` says what was."""

    def __init__(self, upstream_port: int):
        self.upstream_port, self.lose, self.lost, self.cut = upstream_port, {}, [], False
        self._lock = threading.Lock()
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                proxy._pass(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _is_lost(self, line: str) -> bool:
        with self._lock:
            for pattern, left in self.lose.items():
                if left > 0 and re.match(pattern, line):
                    self.lose[pattern] = left - 1
                    self.lost.append(line)
                    return True
        return False

    @staticmethod
    def _body(request) -> bytes:
        if "chunked" in (request.headers.get("Transfer-Encoding") or ""):
            parts = []
            while size := int(request.rfile.readline().split(b";")[0], 16):
                parts.append(request.rfile.read(size))
                request.rfile.readline()
            while request.rfile.readline().strip():
                pass
            return b"".join(parts)
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))

    def _pass(self, request):
        body = self._body(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=60)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in ("transfer-encoding", "content-length", "connection")}
        connection.request(request.command, request.path, body or None, headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if self._is_lost(f"{request.command} {request.path}"):
            if self.cut:
                request.close_connection = True
                request.connection.shutdown(socket.SHUT_RDWR)
                return
            request.send_response(503)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        request.send_response(answer.status)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(text))
        for key, value in answer.getheaders():
            if key.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                request.send_header(key, value)
        if answer.status not in (204, 304) and length is not None:
            request.send_header("Content-Length", length)
        request.end_headers()
        request.wfile.write(text)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
