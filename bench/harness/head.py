"""HEAD the same URL over and over, on kept-alive connections, from one thread.

wrk cannot: it waits for the body that Content-Length announces and that HEAD never sends.
Arguments: port, path, connections, seconds; a token, if any, in $TOKEN. Prints what wrk.lua prints.
"""

import json
import os
import selectors
import socket
import sys
import time


def main():
    port, path, connections, seconds = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    token = os.environ.get("TOKEN")
    request = (f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
               + (f"Authorization: Bearer {token}\r\n" if token else "") + "\r\n").encode()
    selector, waits, failed = selectors.DefaultSelector(), [], 0
    begin = time.perf_counter()
    for _ in range(connections):
        client = socket.create_connection(("127.0.0.1", port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(request)
        # What came of the answer so far, and when it was asked for.
        selector.register(client, selectors.EVENT_READ, [b"", time.perf_counter()])
    while selector.get_map() and (now := time.perf_counter()) - begin < seconds:
        for key, _ in selector.select(1):
            state = key.data
            data = key.fileobj.recv(65536)
            state[0] += data
            if not data:  # closed by the server: not what a kept-alive connection is for
                failed += 1
                selector.unregister(key.fileobj)
            elif state[0].endswith(b"\r\n\r\n"):
                now = time.perf_counter()
                failed += not state[0].startswith(b"HTTP/1.1 200")
                waits.append(now - state[1])
                state[0], state[1] = b"", now
                key.fileobj.send(request)
    elapsed = time.perf_counter() - begin
    waits.sort()
    at = lambda share: 1e3 * waits[int(share * (len(waits) - 1))] if waits else 0  # noqa: E731
    print("RESULT " + json.dumps({"requests": len(waits), "seconds": elapsed, "failed": failed,
                                  "p50_ms": at(0.5), "p99_ms": at(0.99)}))


main()
