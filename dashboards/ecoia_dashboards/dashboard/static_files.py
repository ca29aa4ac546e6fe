"""Style sheets and scripts of the dashboard."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Response
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
    """Serve our files, and Plotly's script from the installed package."""

    @app.get(f"/static/{BUNDLE_NAME}", include_in_schema=False)
    def bundle() -> Response:
        return Response(plotly_bundle(), media_type="text/javascript", headers={"Content-Encoding": "gzip"})

    app.mount("/static", StaticFiles(directory=FOLDER), name="static")
