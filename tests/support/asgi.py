"""Requests to an ASGI application, without a server."""

from __future__ import annotations

import asyncio
from typing import Any

Message = dict[str, Any]


def scope_of(path: str, kind: str = "http", **headers: str) -> dict[str, Any]:
    return {
        "type": kind, "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "GET", "path": path,
        "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"", "client": None, "server": None,
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()], "subprotocols": [],
        "extensions": {},
    }  # fmt: skip


async def ask(app: Any, path: str, kind: str = "http", **headers: str) -> list[Message]:
    """Return the messages that an application sends for one request, of a client that stays connected."""
    sent: list[Message] = []
    first = {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": b"", "more_body": False}
    received = [first]

    async def receive() -> Message:
        if received:
            return received.pop()
        if kind == "websocket":
            return {"type": "websocket.disconnect", "code": 1000}
        await asyncio.Event().wait()  # the client stays connected
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope_of(path, kind, **headers), receive, send)
    return sent
