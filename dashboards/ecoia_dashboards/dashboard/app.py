"""The web application: for every page its HTML, the same data as JSON, its tables as CSV and its figures as files.

Every route is a GET (and its HEAD), made here from the list of pages: nothing can be written through the dashboard.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from itertools import chain
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from ecoia.exploring import Explorer
from ecoia.semconv import VERSION
from ecoia_dashboards.dashboard.access import Access
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.answers import Answer, Answers, Asked
from ecoia_dashboards.dashboard.documentation import described, documentation_page
from ecoia_dashboards.dashboard.failures import Failures, Handler, NoDataError
from ecoia_dashboards.dashboard.frame import Frame
from ecoia_dashboards.dashboard.headers import HeadersMiddleware
from ecoia_dashboards.dashboard.page import ForbiddenError, NotFoundError, Page, Reading, Shown
from ecoia_dashboards.dashboard.pages import PAGES
from ecoia_dashboards.dashboard.static_files import add_static_files
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language

API = "/api/v1"
_GZIP_FROM_BYTES = 1000


def create_app(explorer: Explorer, access: Access | None = None, prefix: str = "") -> FastAPI:
    """Make the application.

    Args:
        explorer: The figures to show.
        access: Who may see what. None: whoever reaches the server sees everything.
        prefix: What stands before every path, e.g. ``/ecoia`` in MLflow's server; empty where nothing does.

    Example:
        >>> create_app(Explorer(folder))  # doctest: +SKIP
    """
    access = access or Access()
    app = FastAPI(
        title="ecoia", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, root_path=prefix
    )
    add_static_files(app)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=6)
    access.add_to(app, prefix)
    app.add_middleware(HeadersMiddleware, embedders=access.embedders, prefix=prefix)
    failures = Failures(explorer, access, prefix)
    for kind in failures.KINDS:
        app.add_exception_handler(kind, failures.answer)
    app.state.answers = Answers(explorer, prefix)
    routes = _Routes(app, explorer, access, failures, prefix)
    for page in sorted(PAGES, key=lambda page: "{" in page.path):  # a name may hold what the path of another page is
        routes.add_page(page)
    routes.add_documentation()
    return app


def _with_whole_names(path: str) -> str:
    """Let the names in a path hold slashes: servers decode ``%2F`` before anybody can tell it from a slash of the path.

    Example:
        >>> _with_whole_names("/services/{service}")
        '/services/{service:path}'
    """
    return re.sub(r"\{(\w+)\}", r"{\1:path}", path)


class _Routes:
    """Adds the routes of pages to an application."""

    def __init__(self, app: FastAPI, explorer: Explorer, access: Access, failures: Failures, prefix: str) -> None:
        self._app, self._explorer, self._access, self._failures, self._prefix = app, explorer, access, failures, prefix

    def add_page(self, page: Page) -> None:
        """Add a page: as HTML and as data, and its files."""
        path = _with_whole_names(page.path)
        base = path.rstrip("/")
        if page.stream is not None:
            self._add(f"{base}.csv", self._streaming(page))
        self._add(f"{base}/figures/{{file}}", self._answering(page, "figure"))
        self._add(f"{base}/tables/{{file}}", self._answering(page, "table"))
        self._add(f"/embed{base}/figures/{{file}}", self._answering(page, "embed"))
        self._add(_with_whole_names(page.api_path), self._answering(page, "json"), **described(page))
        self._add(path, self._answering(page, "html"))

    def add_documentation(self) -> None:
        """Add what the API is, for people and for programs."""

        def documentation(request: Request) -> Response:
            allowed, address = self._access.allowed(request), Address.parse(parameters(request))
            frame = Frame(Language(address.lang), address, self._explorer.state, allowed, f"{API}/docs", self._prefix)
            return HTMLResponse(documentation_page(frame, self._app.openapi()))

        def openapi(request: Request) -> Response:
            self._access.allowed(request)
            return JSONResponse(self._app.openapi())

        self._add(f"{API}/docs", documentation)
        self._add(f"{API}/openapi.json", openapi)

    def _add(self, path: str, handle: Handler, **documented: Any) -> None:
        guarded = self._failures.guarded(handle)
        if documented:
            self._app.add_api_route(path, guarded, methods=["GET"], **documented)
        methods = ["HEAD"] if documented else ["GET", "HEAD"]
        self._app.add_api_route(path, guarded, methods=methods, include_in_schema=False)

    def _answering(self, page: Page, kind: str) -> Handler:
        def handle(request: Request) -> Response:
            begun = time.perf_counter()
            names = {name: str(value) for name, value in request.path_params.items()}
            file = names.pop("file", "")
            allowed, address = self._access.allowed(request), Address.parse(parameters(request)).obeyed(page.filters)
            asked = Asked(page.id, tuple(names.items()), kind, file, address, allowed, self._explorer.state)
            return _response(request, self._app.state.answers.of(asked), asked.state.digest, begun)

        return handle

    def _streaming(self, page: Page) -> Handler:
        def handle(request: Request) -> Response:
            address = Address.parse(parameters(request)).obeyed(page.filters)
            return _stream(page, Reading(self._explorer, address, self._access.allowed(request)), self._prefix)

        return handle


def parameters(request: Request) -> Mapping[str, str]:
    """Return the parameters of an address; what is given several times, as a form does, is one list."""
    found: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        found.setdefault(name, []).append(value)
    return {name: ",".join(value for value in values if value) for name, values in found.items()}


def _stream(page: Page, reading: Reading, prefix: str) -> Response:
    """Send a CSV piece by piece; its first piece is made before anything is sent, so that what is wrong is still an error."""
    if page.stream is None:
        raise NotFoundError("file", f"{page.id}.csv")
    if page.of_whole and reading.allowed is not None:
        raise ForbiddenError
    if not reading.state.quarters:
        raise NoDataError
    language = Language(reading.address.lang)
    pieces = page.stream(reading, language, View(page, {}, reading, language, Shown(""), prefix).said)
    headers = {"Cache-Control": "private, no-store", "Content-Disposition": f'attachment; filename="{page.id}.csv"'}
    return StreamingResponse(chain([next(pieces)], pieces), media_type="text/csv; charset=utf-8", headers=headers)


def _response(request: Request, answer: Answer, digest: str, begun: float) -> Response:
    """Send an answer, or that it is the one that the browser has already."""
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Data-Digest": digest}
    headers["Server-Timing"] = f"answer;dur={(time.perf_counter() - begun) * 1000:.1f}"
    known = {each.strip() for each in request.headers.get("if-none-match", "").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    if answer.filename:
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(answer.filename)}"
    return Response(answer.body, media_type=answer.media_type, headers=headers)
