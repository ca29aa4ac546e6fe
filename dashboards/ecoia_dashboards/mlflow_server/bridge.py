"""Answer WSGI requests with an ASGI application, in any server and after any fork."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Application = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
Answer = tuple[int, list[tuple[str, str]], Iterator[bytes]]

_PARTS_AHEAD = 8
"""Parts of a long answer that wait for a slow reader."""


class Bridge:
    """Runs an ASGI application on one event loop a process; a worker that was forked gets a loop of its own.

    Args:
        application: The application. It gets GET requests without a body.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = -1

    def ask(self, scope: dict[str, Any]) -> Answer:
        """Send a request.

        Args:
            scope: The request, as ASGI describes it.

        Returns:
            Status, headers, and the parts of the body as they come. Whoever stops reading closes the parts.
        """
        exchange = _Exchange()
        task = asyncio.run_coroutine_threadsafe(self._run(scope, exchange), self._running_loop())
        start = exchange.next()
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        return start["status"], headers, exchange.parts(task.cancel)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._process != os.getpid():
                self._loop, self._process = asyncio.new_event_loop(), os.getpid()
                threading.Thread(target=self._loop.run_forever, name="ecoia-dashboard", daemon=True).start()
            return self._loop

    async def _run(self, scope: dict[str, Any], exchange: _Exchange) -> None:
        try:
            await self._application(scope, exchange.receive, exchange.send)
        except Exception as error:  # noqa: BLE001 - the thread that waits raises it
            await exchange.fail(error)


class _Exchange:
    """One request and its answer, between the loop and the thread that waits."""

    def __init__(self) -> None:
        self._messages: queue.Queue[Message | Exception] = queue.Queue(_PARTS_AHEAD)
        self._asked = self._left = False

    async def receive(self) -> Message:
        """Tell the application once that the request has no body; after that nothing comes, as the client stays."""
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        """Take a message from the application; wait while the reader is slow."""
        await self._put(message)

    async def fail(self, error: Exception) -> None:
        """Hand an error of the application to the thread that waits."""
        await self._put(error)

    async def _put(self, message: Message | Exception) -> None:
        while not self._left:
            try:
                self._messages.put_nowait(message)
            except queue.Full:
                await asyncio.sleep(0.01)
            else:
                return

    def next(self) -> Message:
        """Wait for the next message.

        Raises:
            Exception: what the application raised.
        """
        message = self._messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    def parts(self, stop: Callable[[], object]) -> Iterator[bytes]:
        """Return the parts of the body; ``stop`` is called when the reader leaves before the end."""
        try:
            while True:
                message = self.next()
                yield message.get("body", b"")
                if not message.get("more_body"):
                    return
        finally:
            self._left = True
            stop()
