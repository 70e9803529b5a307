"""A TCP proxy that counts the bytes each way, can be slowed down, and can break off after so many bytes."""

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
