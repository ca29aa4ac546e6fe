"""The web application: for every page its HTML, the same data as JSON, its tables as CSV and its figures as files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException

from ecoia.exploring import Explorer
from ecoia.semconv import VERSION
from ecoia_dashboards.dashboard.access import Access, NotSignedInError
from ecoia_dashboards.dashboard.address import Address, BadAddressError
from ecoia_dashboards.dashboard.documentation import parameters_of
from ecoia_dashboards.dashboard.files import figure_file, to_json
from ecoia_dashboards.dashboard.headers import add_headers
from ecoia_dashboards.dashboard.page import ForbiddenError, NotFoundError, Page, Reading, Shown
from ecoia_dashboards.dashboard.pages import PAGES
from ecoia_dashboards.dashboard.static_files import add_static_files
from ecoia_dashboards.dashboard.tables import table_csv
from ecoia_dashboards.dashboard.templating import render
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import LANGUAGES, Language

_MOST_KEPT = 400  # answers kept in memory, some 20 kB each


@dataclass(frozen=True)
class Asked:
    """What a request asks for: all that an answer depends on, with the data's digest."""

    page: str
    names: tuple[tuple[str, str], ...]
    kind: str  # html | json | figure:<id>.<kind> | table:<id>
    address: Address
    allowed: frozenset[str] | None
    digest: str


@dataclass(frozen=True)
class Answer:
    """An answer, as it is kept."""

    body: bytes
    media_type: str
    filename: str | None = None


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
        title="ecoia", version=VERSION, docs_url=None, redoc_url=None, openapi_url="/api/v1/openapi.json", root_path=prefix
    )
    add_static_files(app)
    add_headers(app, access)
    pages = {page.id: page for page in PAGES}

    @lru_cache(maxsize=_MOST_KEPT)
    def answer(asked: Asked) -> Answer:
        page = pages[asked.page]
        reading = Reading(explorer, asked.address, asked.allowed)
        if page.of_whole and asked.allowed is not None:
            raise ForbiddenError
        content = page.read(reading, **dict(asked.names))
        if asked.kind == "json":
            return Answer(to_json(content), "application/json")
        language = Language(asked.address.lang)
        shown = page.show(content, reading, language)
        view = View(page, dict(asked.names), reading, language, shown, prefix)
        if asked.kind == "html":
            return Answer(render(f"{page.id}.html", language, view=view, shown=shown, **shown.values).encode(), "text/html")
        return _file(asked.kind, shown, view)

    def handler(page: Page, kind: str) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            names = {name: str(value) for name, value in request.path_params.items()}
            file = names.pop("file", "")
            address = Address.parse(_parameters(request))
            found = kind + (f":{file}" if file else "")
            asked = Asked(page.id, tuple(names.items()), found, address, access.allowed(request), explorer.state.digest)
            return _response(request, answer(asked), asked)

        handle.__name__ = f"{page.id}_{kind}"
        return handle

    def streamer(page: Page) -> Callable[[Request], Response]:
        def handle(request: Request) -> Response:
            reading = Reading(explorer, Address.parse(_parameters(request)), access.allowed(request))
            return _stream(page, reading, prefix)

        return handle

    for page in PAGES:
        base = page.path.rstrip("/")
        if page.stream is not None:
            app.get(f"{base}.csv", include_in_schema=False)(streamer(page))
        described = {"parameters": parameters_of(page)}
        app.get(page.api_path, summary=page.id, tags=["pages"], openapi_extra=described)(handler(page, "json"))
        app.get(page.path, response_class=HTMLResponse, include_in_schema=False)(handler(page, "html"))
        app.get(f"{base}/figures/{{file}}", include_in_schema=False)(handler(page, "figure"))
        app.get(f"{base}/tables/{{file}}", include_in_schema=False)(handler(page, "table"))

    def failed(request: Request, error: Exception) -> Response:
        return _failure(request, error, explorer, prefix)

    for kind in (BadAddressError, NotFoundError, ForbiddenError, NotSignedInError, HTTPException):
        app.add_exception_handler(kind, failed)
    return app


def _parameters(request: Request) -> Mapping[str, str]:
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
    language = Language(reading.address.lang)
    pieces = page.stream(reading, language, View(page, {}, reading, language, Shown(""), prefix).said)
    sent = chain([next(pieces)], pieces)
    headers = {"Cache-Control": "private, no-store", "Content-Disposition": f'attachment; filename="{page.id}.csv"'}
    return StreamingResponse(sent, media_type="text/csv; charset=utf-8", headers=headers)


def _file(kind: str, shown: Shown, view: View) -> Answer:
    """Make a file of a table or a figure."""
    what, name = kind.split(":", 1)
    id_, _, ending = name.rpartition(".")
    language = view.language
    if what == "table":
        table = shown.tables.get(id_)
        if table is None or ending != "csv":
            raise NotFoundError("table", name, tuple(f"{each}.csv" for each in shown.tables))
        return Answer(table_csv(table, language, view.said).encode(), "text/csv; charset=utf-8", name)
    figure = shown.figures.get(id_)
    if figure is None:
        raise NotFoundError("figure", name, tuple(f"{each}.svg" for each in shown.figures))
    body, media_type = figure_file(figure, ending, language, view.said)
    return Answer(body, media_type, name)


def _response(request: Request, answer: Answer, asked: Asked) -> Response:
    """Send an answer, or that it is the one that the browser has already."""
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "X-Data-Digest": asked.digest}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if answer.filename:
        headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(answer.filename)}"
    return Response(answer.body, media_type=answer.media_type, headers=headers)


_CODES: dict[type[Exception], int] = {BadAddressError: 400, NotFoundError: 404, ForbiddenError: 403, NotSignedInError: 401}


def _failure(request: Request, error: Exception, explorer: Explorer, prefix: str) -> Response:
    """Say what is wrong, and what exists: as a page, or as JSON to a program."""
    code = error.status_code if isinstance(error, HTTPException) else _CODES[type(error)]
    if request.url.path.startswith(f"{prefix}/api/"):
        said: dict[str, Any] = {"error": str(error) or type(error).__name__}
        if isinstance(error, BadAddressError):
            said |= {"parameter": error.name, "value": error.value, "allowed": error.allowed}
        if isinstance(error, NotFoundError):
            said |= {"what": error.what, "name": error.name, "known": error.known}
        return JSONResponse(said, status_code=code)
    lang = request.query_params.get("lang", "fr")
    language = Language(lang if lang in LANGUAGES else "fr")
    page = render("error.html", language, error=error, code=code, state=explorer.state, prefix=prefix, kind=type(error).__name__)
    return HTMLResponse(page, status_code=code)
