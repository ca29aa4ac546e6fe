"""Servers that misbehave: each takes requests and answers in one bad way."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

ENDLESS_BYTES = 1 << 20


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kind = ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer badly."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            getattr(self, f"_{self.kind}")()
        except OSError:
            self.close_connection = True  # the client is gone

    do_POST = do_GET  # noqa: N815 - http.server's name

    def _head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _wait_a_day(self) -> None:
        self._head(503, Retry_After="86400", Content_Length="0")

    def _redirect(self) -> None:
        self._head(302, Location=self.path, Content_Length="0")

    def _drip(self) -> None:
        self._head(200, Content_Type="application/json", Content_Length="100000")
        while True:
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(0.1)

    def _silent(self) -> None:
        time.sleep(3600)

    def _endless(self) -> None:
        self._head(200, Content_Type="application/json", Transfer_Encoding="chunked")
        chunk = b"%x\r\n" % ENDLESS_BYTES + b" " * ENDLESS_BYTES + b"\r\n"
        while True:
            self.wfile.write(chunk)

    def _headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            self.wfile.write(b"x: y\r\n" * 1000)

    def _rude(self) -> None:
        body = b'{"error_code":"PERMISSION_DENIED","message":"no \x1b[31mred\x07"}'
        self._head(403, Content_Length=str(len(body)))
        self.wfile.write(body)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@contextmanager
def bad_servers(*kinds: str) -> Iterator[dict[str, str]]:
    """Run a server of each kind, and yield their URIs by kind. ``mute`` takes connections, and no TLS or HTTP happens on them."""
    uris: dict[str, str] = {}
    with ExitStack() as stack:
        for kind in kinds:
            if kind == "mute":
                listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                uris[kind] = f"https://127.0.0.1:{listener.getsockname()[1]}"
                continue
            server = stack.enter_context(_Server(("127.0.0.1", 0), type(kind, (_Handler,), {"kind": kind})))
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
            uris[kind] = f"http://127.0.0.1:{server.server_address[1]}"
        yield uris
