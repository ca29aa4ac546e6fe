"""A timestamping authority (RFC 3161) on this machine: ``openssl ts`` behind a small web server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

_CONFIGURATION = """\
[tsa]
default_tsa = it
[it]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
[extensions]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
basicConstraints = critical,CA:false
"""


@dataclass
class TimestampAuthority:
    """An authority that answers until its block ends.

    Attributes:
        url: Where it answers.
        root: Its root certificate, a PEM file.
        queries: The queries that it got.
        answer: What it answers in place of a timestamp; ``None``: a timestamp of what it is asked.
    """

    folder: Path
    url: str = ""
    queries: list[bytes] = field(default_factory=list)
    answer: bytes | None = None

    @property
    def root(self) -> Path:
        return self.folder / "root.pem"

    def stamp(self, query: bytes) -> bytes:
        """Answer a query as openssl does."""
        (self.folder / "query.tsq").write_bytes(query)
        _openssl(self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-out", "reply.tsr")
        return (self.folder / "reply.tsr").read_bytes()


@contextmanager
def timestamp_authority(folder: Path) -> Iterator[TimestampAuthority]:
    """Run an authority with keys of its own, made in a folder."""
    folder.mkdir()
    _make_keys(folder)
    authority = TimestampAuthority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            authority.queries.append(query)
            answer = authority.stamp(query) if authority.answer is None else authority.answer
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield authority
        finally:
            server.shutdown()


def _make_keys(folder: Path) -> None:
    (folder / "tsa.cnf").write_text(_CONFIGURATION.format(folder=folder), encoding="utf-8")
    (folder / "serial").write_text("01\n", encoding="utf-8")
    new = ("-newkey", "rsa:2048", "-nodes")
    _openssl(folder, "req", "-x509", *new, "-days", "30", "-subj", "/CN=Root", "-keyout", "root.key", "-out", "root.pem")
    _openssl(folder, "req", *new, "-subj", "/CN=Authority", "-keyout", "tsa.key", "-out", "tsa.csr")
    issued = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "30", "-extfile", "tsa.cnf")
    _openssl(folder, "x509", "-req", "-in", "tsa.csr", *issued, "-extensions", "extensions", "-out", "tsa.pem")


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(("openssl", *words), cwd=folder, check=True, capture_output=True, timeout=60)
