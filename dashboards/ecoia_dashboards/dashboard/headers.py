"""Headers of every answer: what a page may load, and what may show it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""The hash of the empty ``<style>`` that Plotly inserts; without it its mode bar breaks."""


def policy(embedders: tuple[str, ...] = ()) -> str:
    """Write the content security policy: nothing but our own files.

    Args:
        embedders: Origins that may show the answer in a frame; none: nobody.
    """
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {EMPTY_STYLE}",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": " ".join(embedders) or "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


class HeadersMiddleware:
    """Adds the headers to all answers of an application, errors included.

    Args:
        app: The application.
        embedders: Origins that may show figures (``/embed/...``) in a frame.
        prefix: What stands before every path.
    """

    def __init__(self, app: ASGIApp, embedders: tuple[str, ...] = (), prefix: str = "") -> None:
        self._app, self._embedders, self._prefix = app, embedders, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(self._prefix)
        embedders = self._embedders if path.startswith("/embed/") else ()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy(embedders)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                if not embedders:
                    headers["X-Frame-Options"] = "DENY"
                if path.startswith("/static/") and message["status"] in (200, 304):
                    headers["Cache-Control"] = "public, max-age=31536000, immutable"
            await send(message)

        await self._app(scope, receive, send_with_headers)
