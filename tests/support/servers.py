"""Real servers of several processes, and their clients."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

GUNICORN = ("-m", "gunicorn", "app:application", "--bind", "fd://{fd}", "--workers", "2", "--no-control-socket")
UVICORN = ("-m", "uvicorn", "app:application", "--fd", "{fd}", "--workers", "2")


class Server:
    """A server of several processes on a socket that is opened before it starts: early requests wait instead of being refused."""

    def __init__(self, folder: Path, source: str, *command: str) -> None:
        self.folder = folder
        (folder / "app.py").write_text(source, encoding="utf-8")
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        # uvicorn does not set this on a socket that it inherits; without it each answer waits for the client's acknowledgement.
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._log = (folder / "server.log").open("w+b")
        file = self._listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, *(part.format(fd=file) for part in command)],
            cwd=folder, pass_fds=[file], stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def ask(self, path: str = "/", **headers: str) -> tuple[int, bytes]:
        """Send one request and return the status and the body of the answer."""
        with closing(http.client.HTTPConnection(*self._listener.getsockname(), timeout=600)) as connection:
            connection.request("GET", path, headers={"Connection": "close", **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()

    def answered(self, requests: int) -> int:
        """Send requests, eight at a time, and return how many were answered."""

        def ask(_: int) -> bool:
            try:
                return self.ask() == (200, b"499500")
            except (OSError, http.client.HTTPException):  # its process was on its way out
                return False

        with ThreadPoolExecutor(8) as pool:
            return sum(pool.map(ask, range(requests)))

    @property
    def port(self) -> int:
        """The port on which it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def stop(self) -> None:
        """Stop it as a service manager does, and check its exit status and its log."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) in (0, -signal.SIGTERM), self.log()
        assert "Traceback" not in self.log(), self.log()
        assert "ecoia" not in self.log(), self.log()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._listener.close()
        self._log.close()
