"""Requests to a WSGI application, without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from wsgiref.util import setup_testing_defaults


def environ_of(path: str, **more: Any) -> dict[str, Any]:
    environ: dict[str, Any] = {"PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", **more}
    setup_testing_defaults(environ)
    return environ


def ask(app: Any, path: str, **more: Any) -> tuple[str, dict[str, str], bytes]:
    """Ask as a server does, which closes the response in any case, and return (status, headers, body)."""
    began: list[Any] = []

    def start_response(status: str, headers: Any, error: Any = None) -> Callable[[bytes], object]:
        began[:] = [status, dict(headers)]
        return lambda data: None

    response = app(environ_of(path, **more), start_response)
    try:
        body = b"".join(response)
    finally:
        if hasattr(response, "close"):
            response.close()
    return began[0], began[1], body
