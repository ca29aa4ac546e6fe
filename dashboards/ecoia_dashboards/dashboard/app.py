"""The web application: for every page its HTML, the same data as JSON, its tables as CSV and its figures as files.

Every route is a GET (and its HEAD), made here from the list of pages: nothing can be written through the dashboard.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from threading import Condition
from typing import Any
from urllib.parse import quote

from cachetools import LRUCache, cached
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from starlette.middleware.gzip import GZipMiddleware

from ecoia.exploring import Explorer, State
from ecoia.semconv import VERSION
from ecoia_dashboards.dashboard.access import Access
from ecoia_dashboards.dashboard.address import Address
from ecoia_dashboards.dashboard.documentation import described, documentation_page
from ecoia_dashboards.dashboard.failures import Failures, Handler, NoDataError
from ecoia_dashboards.dashboard.files import ENDINGS, figure_file, to_json
from ecoia_dashboards.dashboard.frame import Frame
from ecoia_dashboards.dashboard.headers import HeadersMiddleware
from ecoia_dashboards.dashboard.page import ForbiddenError, NotFoundError, Page, Reading, Shown
from ecoia_dashboards.dashboard.pages import PAGES
from ecoia_dashboards.dashboard.static_files import add_static_files
from ecoia_dashboards.dashboard.tables import sorted_lines, table_csv
from ecoia_dashboards.dashboard.templating import render
from ecoia_dashboards.dashboard.view import View
from ecoia_dashboards.language import Language

LOGGER = logging.getLogger("ecoia.dashboard")
API = "/api/v1"
_KEPT_BYTES = 48 * 2**20
_GZIP_FROM_BYTES = 1000


@dataclass(frozen=True)
class Asked:
    """What a request asks for: all that an answer depends on."""

    page: str
    names: tuple[tuple[str, str], ...]
    kind: str  # html | json | figure | table | embed
    file: str
    address: Address
    allowed: frozenset[str] | None
    state: State


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
        title="ecoia", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, root_path=prefix
    )
    add_static_files(app)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=6)
    access.add_to(app, prefix)
    app.add_middleware(HeadersMiddleware, embedders=access.embedders, prefix=prefix)
    failures = Failures(explorer, access, prefix)
    for kind in failures.KINDS:
        app.add_exception_handler(kind, failures.answer)
    answers = Answers(explorer, prefix)

    def route(path: str, handle: Handler, **documented: Any) -> None:
        guarded = failures.guarded(handle)
        if documented:
            app.add_api_route(path, guarded, methods=["GET"], **documented)
        app.add_api_route(path, guarded, methods=["HEAD"] if documented else ["GET", "HEAD"], include_in_schema=False)

    def answering(page: Page, kind: str) -> Handler:
        def handle(request: Request) -> Response:
            begun = time.perf_counter()
            names = {name: str(value) for name, value in request.path_params.items()}
            file = names.pop("file", "")
            allowed, address = access.allowed(request), Address.parse(parameters(request)).obeyed(page.filters)
            asked = Asked(page.id, tuple(names.items()), kind, file, address, allowed, explorer.state)
            return _response(request, answers.of(asked), asked.state.digest, begun)

        return handle

    def streaming(page: Page) -> Handler:
        def handle(request: Request) -> Response:
            address = Address.parse(parameters(request)).obeyed(page.filters)
            return _stream(page, Reading(explorer, address, access.allowed(request)), prefix)

        return handle

    for page in sorted(PAGES, key=lambda page: "{" in page.path):  # a name may hold what the path of another page is
        path = _with_whole_names(page.path)
        base = path.rstrip("/")
        if page.stream is not None:
            route(f"{base}.csv", streaming(page))
        route(f"{base}/figures/{{file}}", answering(page, "figure"))
        route(f"{base}/tables/{{file}}", answering(page, "table"))
        route(f"/embed{base}/figures/{{file}}", answering(page, "embed"))
        route(_with_whole_names(page.api_path), answering(page, "json"), **described(page))
        route(path, answering(page, "html"))

    def documentation(request: Request) -> Response:
        allowed, address = access.allowed(request), Address.parse(parameters(request))
        frame = Frame(Language(address.lang), address, explorer.state, allowed, f"{API}/docs", prefix)
        return HTMLResponse(documentation_page(frame, app.openapi()))

    def openapi(request: Request) -> Response:
        access.allowed(request)
        return JSONResponse(app.openapi())

    route(f"{API}/docs", documentation)
    route(f"{API}/openapi.json", openapi)
    app.state.answers = answers
    return app


def _with_whole_names(path: str) -> str:
    """Let the names in a path hold slashes: servers decode ``%2F`` before anybody can tell it from a slash of the path.

    Example:
        >>> _with_whole_names("/services/{service}")
        '/services/{service:path}'
    """
    return re.sub(r"\{(\w+)\}", r"{\1:path}", path)


class Answers:
    """Makes answers, and keeps those that were asked for last: equal questions about the same data have one answer.

    Args:
        explorer: The figures to show.
        prefix: What stands before every path.
    """

    def __init__(self, explorer: Explorer, prefix: str = "") -> None:
        self._explorer, self._prefix = explorer, prefix
        self._pages = {page.id: page for page in PAGES}
        kept: LRUCache[Asked, Answer] = LRUCache(_KEPT_BYTES, getsizeof=lambda answer: len(answer.body))
        self.of = cached(kept, key=lambda asked: asked, condition=Condition())(self._make)

    def warm(self) -> None:
        """Make the first answers of every page, so that no reader waits for them."""
        for page in PAGES:
            if "{" not in page.path:
                try:
                    self.of(Asked(page.id, (), "html", "", Address(), None, self._explorer.state))
                except NoDataError:
                    return
                except Exception:
                    LOGGER.exception("page '%s' failed", page.id)

    def _make(self, asked: Asked) -> Answer:
        page, names = self._pages[asked.page], dict(asked.names)
        reading = Reading(self._explorer, asked.address, asked.allowed)
        if (page.of_whole and asked.allowed is not None) or ("service" in names and not reading.may_see(names["service"])):
            raise ForbiddenError
        if not asked.state.quarters:
            raise NoDataError
        _ = reading.quarter  # a period without data is said at once, with those that have some
        content = page.read(reading, **names)
        if asked.kind == "json":
            return Answer(to_json(content), "application/json")
        language = Language(asked.address.lang)
        shown = page.show(content, reading, language)
        shown = replace(shown, tables={id_: sorted_lines(each, asked.address) for id_, each in shown.tables.items()})
        view = View(page, names, reading, language, shown, self._prefix)
        if asked.kind == "html":
            return Answer(render(f"{page.id}.html", language, view=view, shown=shown, **shown.values).encode(), "text/html")
        return _file(asked, shown, view)


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


def _file(asked: Asked, shown: Shown, view: View) -> Answer:
    """Make a file of a table or a figure, or the page that other sites show a figure by."""
    name, language = asked.file, view.language
    id_, _, ending = name.rpartition(".")
    if asked.kind == "table":
        table = shown.tables.get(id_)
        if table is None or ending != "csv":
            raise NotFoundError("table", name, tuple(f"{each}.csv" for each in shown.tables))
        return Answer(table_csv(table, language, view.said).encode(), "text/csv; charset=utf-8", name)
    if asked.kind == "embed":
        if name not in shown.figures:
            raise NotFoundError("figure", name, tuple(shown.figures))
        return Answer(render("embed.html", language, view=view, id=name, it=shown.figures[name]).encode(), "text/html")
    figure = shown.figures.get(id_)
    if figure is None:
        raise NotFoundError(
            "figure", name, tuple(f"{each}.{ending if ending in ENDINGS else ENDINGS[0]}" for each in shown.figures)
        )
    if ending not in ENDINGS:
        raise NotFoundError("figure", name, tuple(f"{id_}.{each}" for each in ENDINGS))
    body, media_type = figure_file(figure, ending, language, view.said)
    return Answer(body, media_type, name)


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
