"""Send requests to a server at a fixed rate, whether it keeps up or not, and print the result as JSON.

A request's latency counts from the moment at which it was due, so a server that falls behind cannot hide it.

Usage: python benchmarks/paced_load.py --port PORT --rate REQUESTS_A_SECOND --seconds SECONDS [--connections 32]
       [--path /read] [--body JSON]
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import threading
import time


class Client(threading.Thread):
    """One open connection, on which a request is due at a fixed interval."""

    def __init__(self, port: int, request: bytes, dues: list[float]) -> None:
        super().__init__(daemon=True)
        self._port, self._request, self._dues = port, request, dues
        self.latencies: list[float] = []
        self.failed = 0

    def run(self) -> None:
        connection: socket.socket | None = None
        for due in self._dues:
            time.sleep(max(due - time.perf_counter(), 0))
            try:
                if connection is None:
                    connection = socket.create_connection(("127.0.0.1", self._port), timeout=60)
                connection.sendall(self._request)
                if answered(connection):
                    self.latencies.append(time.perf_counter() - due)
                    continue
            except OSError:
                pass
            self.failed += 1
            if connection is not None:
                connection.close()
            connection = None
        if connection is not None:
            connection.close()


def answered(connection: socket.socket) -> bool:
    """Return whether a whole answer came, without an error."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        if not part:
            return False
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        part = connection.recv(65536)
        if not part:
            return False
        body += part
    return head.startswith(b"HTTP/1.1 200 ")


def main() -> None:
    """Send the requests and print the figures."""
    parser = argparse.ArgumentParser(prog="paced_load", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--path", default="/read")
    parser.add_argument("--body", default=json.dumps([[0.5] * 64]), help="JSON; the default is one image")
    chosen = parser.parse_args()
    body = chosen.body.encode()
    request = (
        f"POST {chosen.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    number = max(round(chosen.rate * chosen.seconds), 1)
    start = time.perf_counter() + 0.05
    dues = [start + index / chosen.rate for index in range(number)]
    clients = [Client(chosen.port, request, dues[first :: chosen.connections]) for first in range(chosen.connections)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    latencies = sorted(latency for client in clients for latency in client.latencies)
    print(
        json.dumps(
            {
                "answered": len(latencies),
                "failed": sum(client.failed for client in clients),
                "seconds": time.perf_counter() - start,
                "median_ms": statistics.median(latencies) * 1e3 if latencies else None,
                "p99_ms": latencies[min(int(len(latencies) * 0.99), len(latencies) - 1)] * 1e3 if latencies else None,
            }
        )
    )


if __name__ == "__main__":
    main()
