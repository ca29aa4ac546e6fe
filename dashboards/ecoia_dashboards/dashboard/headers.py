"""Headers of every answer: what a page may load, and what may show it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response

from ecoia_dashboards.dashboard.access import Access

EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""The hash of the empty ``<style>`` that Plotly inserts; without it its mode bar breaks."""


def policy(embedders: tuple[str, ...] = ()) -> str:
    """Write the content security policy: nothing but our own files."""
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


def add_headers(app: FastAPI, access: Access) -> None:
    """Add the headers to all answers of an application, errors included."""

    @app.middleware("http")
    async def add(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call_next(request)
        embedders = access.embedders if request.url.path.split("/")[1:2] == ["embed"] else ()
        response.headers["Content-Security-Policy"] = policy(embedders)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        if not embedders:
            response.headers["X-Frame-Options"] = "DENY"
        if request.url.path.startswith("/static/"):
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
