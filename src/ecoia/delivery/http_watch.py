"""Watch the servers that MLflow asks: tell what they do, and end an answer that does not end.

For a process that delivers and does nothing else, as it changes ``http.client`` and urllib3 for the whole process.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Generator
from typing import Any

from ecoia.delivery.result import HTTP, Tell
from ecoia.keeping.destinations import public_text

ANSWER_MAX_BYTES = 100_000_000
"""Longest answer that is read. A page of 1,000 ledger runs takes some 5 MB, a day file less."""


def watch_http(tell: Tell) -> Callable[[], None]:
    """Tell of each request and of the head of each answer from now on, and refuse answers above ``ANSWER_MAX_BYTES``.

    Args:
        tell: Receives ``HTTP`` and a sentence about the server, without credentials.

    Returns:
        A function that ends it.

    Example::

        watch_http(lambda about, text: print(text))  # it has not answered GET /api/2.0/mlflow/experiments/get-by-name
    """
    ask, begin = http.client.HTTPConnection.putrequest, http.client.HTTPResponse.begin

    def told_ask(self: http.client.HTTPConnection, method: str, url: str, *args: Any, **options: Any) -> None:
        tell(HTTP, f"it has not answered {method} {_path(url)}")
        ask(self, method, url, *args, **options)

    def told_begin(self: http.client.HTTPResponse) -> None:
        begin(self)
        said = [f"{name}: {value[:100]}" for name in ("Retry-After", "Location") if (value := self.headers.get(name))]
        tell(HTTP, _printable(", ".join([f"its last answer began with {self.status} {self.reason[:100]}", *said])))

    http.client.HTTPConnection.putrequest = told_ask  # type: ignore[method-assign]
    http.client.HTTPResponse.begin = told_begin  # type: ignore[method-assign]
    unbound = _bound_answers()

    def unwatch() -> None:
        http.client.HTTPConnection.putrequest = ask  # type: ignore[method-assign]
        http.client.HTTPResponse.begin = begin  # type: ignore[method-assign]
        unbound()

    return unwatch


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in public_text(text))


def _path(url: str) -> str:
    """Return what is asked for, without the parameters, which can be long and revealing."""
    return _printable(url.partition("?")[0])[:200]


def _bound_answers() -> Callable[[], None]:
    try:
        from urllib3.response import HTTPResponse
    except ImportError:  # there is no MLflow here either, which is reported where it is needed
        return lambda: None
    stream = HTTPResponse.stream

    def bounded(self: HTTPResponse, *args: Any, **options: Any) -> Generator[bytes, None, None]:
        size_bytes = 0
        for piece in stream(self, *args, **options):
            size_bytes += len(piece)
            if size_bytes > ANSWER_MAX_BYTES:
                raise OSError(f"the server's answer is longer than {ANSWER_MAX_BYTES // 1_000_000} MB")
            yield piece

    HTTPResponse.stream = bounded  # type: ignore[method-assign]

    def unbound() -> None:
        HTTPResponse.stream = stream  # type: ignore[method-assign]

    return unbound
