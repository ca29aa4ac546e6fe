"""Style sheets and scripts of the dashboard, and Plotly, which comes from its own package."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

from ecoia_dashboards.dashboard.explore import BUNDLE_NAME, plotly_bundle

FOLDER = Path(__file__).parent / "static"


@cache
def digest(name: str) -> str:
    """Return what changes with a file, for its address.

    Example:
        >>> len(digest("dashboard.css"))
        12
    """
    if name == BUNDLE_NAME:
        return version("plotly")
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]


def add_static_files(app: FastAPI) -> None:
    """Serve the files below ``/static``. They say nothing of anybody's figures, so everybody gets them."""
    app.add_api_route(f"/static/{BUNDLE_NAME}", _plotly, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/static", StaticFiles(directory=FOLDER), name="static")


def _plotly(request: Request) -> Response:
    compressed = plotly_bundle()
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(gzip.decompress(compressed), media_type="text/javascript")
    headers = {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(compressed, media_type="text/javascript", headers=headers)
