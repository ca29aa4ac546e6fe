"""Ask the dashboard's application without a server, or serve it to a browser."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import uvicorn

from support.asgi import scope_of


@dataclass(frozen=True)
class Answer:
    """An answer of the application; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8-sig")

    @property
    def text_or_nothing(self) -> str:
        """The content as text; empty where it is a picture."""
        return "" if self.headers.get("content-type", "").startswith("image/png") else self.text


def ask(
    app: Any, path: str, headers: Mapping[str, str] | None = None, *, method: str = "GET", client: str = "127.0.0.1"
) -> Answer:
    """Ask an ASGI application for a path with its query; of a client on this machine unless another address is given.

    Example:
        >>> ask(app, "/services?lang=en", {"x-remote-user": "ada"}).status  # doctest: +SKIP
        200
    """
    place, _, query = path.partition("?")
    given = {"host": "127.0.0.1"} | {name.lower(): value for name, value in (headers or {}).items()}
    scope = scope_of(unquote(place)) | {
        "method": method,
        "raw_path": place.encode(),
        "query_string": query.encode(),
        "client": (client, 50000),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[dict[str, Any]] = []

    async def once() -> None:
        received = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> dict[str, Any]:
            if received:
                return received.pop()
            await asyncio.Event().wait()  # the client stays connected
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(once())
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], {name.decode().lower(): value.decode() for name, value in start["headers"]}, body)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve the application on a free port of this machine while the block runs, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
