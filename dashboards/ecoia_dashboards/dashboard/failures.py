"""Answers that say what is wrong and what exists: a page with the navigation, or JSON to a program."""

from __future__ import annotations

import difflib
import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import wraps
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.exceptions import HTTPException

from ecoia.exploring import Explorer
from ecoia_dashboards.dashboard.access import Access, NotSignedInError
from ecoia_dashboards.dashboard.address import Address, BadAddressError
from ecoia_dashboards.dashboard.frame import Frame
from ecoia_dashboards.dashboard.page import ForbiddenError, NotFoundError
from ecoia_dashboards.dashboard.tables import Link
from ecoia_dashboards.dashboard.templating import render
from ecoia_dashboards.language import Language

LOGGER = logging.getLogger("ecoia.dashboard")
RETRY_SECONDS = 3
"""After how long a page that waits for the first figures asks again."""
_MOST_KNOWN, _NEAREST = 60, 3
_ALWAYS_SHOWN = ("period", "table", "figure", "page")
"""Kinds of names that readers of some services may be told."""

Handler = Callable[[Request], Response]


class NoDataError(LookupError):
    """There are no figures at all: they are being filled for the first time, or nothing was measured yet."""


@dataclass(frozen=True)
class Failed:
    """Why there is no answer: the error that the API gives.

    Attributes:
        error: What is wrong, in English.
        parameter: The parameter that cannot be used.
        value: Its value, or the name that does not exist.
        known: What exists.
        nearest: What of it is written most like ``value``.
        reference: Name of the fault in the server's log.
        progress: Steps done and steps in all, while the first figures are computed.
    """

    error: str
    parameter: str = ""
    value: str = ""
    known: tuple[str, ...] = ()
    nearest: tuple[str, ...] = ()
    reference: str = ""
    progress: tuple[int, int] | None = None


class Failures:
    """Answers requests that have no answer.

    Args:
        explorer: What figures there are.
        access: Who may see what.
        prefix: What stands before every path.
    """

    KINDS: tuple[type[Exception], ...] = (
        BadAddressError,
        NotFoundError,
        ForbiddenError,
        NotSignedInError,
        NoDataError,
        HTTPException,
    )
    """What is answered; anything else is a fault of ours."""

    def __init__(self, explorer: Explorer, access: Access, prefix: str = "") -> None:
        self._explorer, self._access, self._prefix = explorer, access, prefix
        self.faults = 0

    def guarded(self, handle: Handler) -> Handler:
        """Return a handler that answers for its own faults, too: they are counted and logged, never shown."""

        @wraps(handle)
        def guard(request: Request) -> Response:
            try:
                return handle(request)
            except self.KINDS:
                raise
            except Exception as error:
                self.faults += 1
                reference = secrets.token_hex(4)
                LOGGER.exception("fault %s (the %s. since the start) at %s", reference, self.faults, request.url.path)
                return self.answer(request, error, reference)

        return guard

    def answer(self, request: Request, error: Exception, reference: str = "") -> Response:
        """Say what is wrong."""
        path = request.scope["path"].removeprefix(self._prefix)
        api = path.startswith("/api/")
        if isinstance(error, NotSignedInError) and error.login and not api:
            return RedirectResponse(f"{self._prefix}{error.login}?next={quote(_whole(request), safe='')}", 303)
        code, allowed = self._code(error), self._allowed(request)
        failed = self._failed(error, path, allowed, reference)
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        headers |= {"Cache-Control": "no-store"} | ({"Retry-After": str(RETRY_SECONDS)} if code == 503 else {})
        if api:
            said = {name: value for name, value in asdict(failed).items() if value}
            return JSONResponse(said, status_code=code, headers=headers)
        address = Address.parse(_readable(dict(request.query_params)))
        if isinstance(error, NotFoundError) and error.what == "period":
            address = address.to(period=None)
        language = Language(address.lang)
        frame = Frame(language, address, self._explorer.state, allowed, path, self._prefix)
        links = _Links(frame, error, request)
        values = {"view": frame, "error": error, "kind": type(error).__name__, "code": code, "failed": failed, "links": links}
        return HTMLResponse(render("error.html", language, **values, retry=RETRY_SECONDS), status_code=code, headers=headers)

    @property
    def _filling(self) -> bool:
        """Whether the first figures are still to come: until they are there, nobody knows whether anything was measured."""
        state = self._explorer.state
        return state.filled_utc is None or state.progress is not None

    def _code(self, error: Exception) -> int:
        if isinstance(error, HTTPException):
            return error.status_code
        if isinstance(error, NoDataError):
            return 503 if self._filling else 404
        codes = {BadAddressError: 400, NotFoundError: 404, ForbiddenError: 403, NotSignedInError: 401}
        return next((code for kind, code in codes.items() if isinstance(error, kind)), 500)

    def _allowed(self, request: Request) -> frozenset[str] | None:
        """Return what the reader may see; nothing where it is not known who asks."""
        try:
            return self._access.allowed(request)
        except Exception:  # noqa: BLE001 - whatever was wrong is being said already
            return frozenset()

    def _failed(self, error: Exception, path: str, allowed: frozenset[str] | None, reference: str) -> Failed:
        if isinstance(error, BadAddressError):
            return Failed(str(error), error.name, error.value, error.allowed, nearest(error.value, error.allowed))
        if isinstance(error, NotFoundError):
            known = _visible(error.what, error.known, allowed)
            return Failed(str(error), error.what, error.name, known, nearest(error.name, known))
        if isinstance(error, NoDataError):
            progress = self._explorer.state.progress
            said = "the first figures are being computed" if self._filling else "nothing was measured yet"
            return Failed(said, progress=None if progress is None else progress[:2])
        if isinstance(error, HTTPException):
            return Failed(error.detail, value=path)
        if isinstance(error, ForbiddenError):
            return Failed("you may not see this: it shows services that are not open to you")
        if isinstance(error, NotSignedInError):
            return Failed(str(error))
        return Failed("the server failed; its log says why", reference=reference)


class _Links:
    """Addresses that lead on from what was not found."""

    def __init__(self, frame: Frame, error: Exception, request: Request) -> None:
        self._frame, self._error, self._path = frame, error, frame.path
        self._query = dict(request.query_params)

    def to(self, value: str) -> Link:
        """Return a link to the same address with another value in place of the one that does not exist."""
        error, frame = self._error, self._frame
        if isinstance(error, NotFoundError) and error.name and error.name in self._path.split("/"):
            steps = [value if step == error.name else step for step in self._path.split("/")]
            return Link(value, frame.link("/".join(steps)))
        name = error.name if isinstance(error, BadAddressError) else getattr(error, "what", "")
        query = Address.parse(_readable(self._query | {name: value})).query()
        return Link(value, f"{frame.prefix}{quote(self._path)}{'?' + query if query else ''}")

    @property
    def pages(self) -> list[Link]:
        """Pages whose path is written most like the one that was asked for."""
        paths = {href.partition("?")[0].removeprefix(self._frame.prefix): title for title, href, _ in self._frame.navigation}
        return [Link(paths[path], self._frame.link(path)) for path in nearest(self._path, paths)]


def nearest(value: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return what is written most like a value, of what is known."""
    found = {each.casefold(): each for each in known}
    return tuple(found[each] for each in difflib.get_close_matches(value.casefold()[:100], found, _NEAREST, 0.5))


def _visible(what: str, known: tuple[str, ...], allowed: frozenset[str] | None) -> tuple[str, ...]:
    """Return what of the names that exist a reader may be told."""
    if allowed is not None and what not in _ALWAYS_SHOWN:
        known = tuple(each for each in known if what == "service" and each in allowed)
    return known[:_MOST_KNOWN]


def _readable(query: dict[str, str]) -> dict[str, str]:
    """Return those parameters that can be used, each by itself."""
    found = {}
    for name, value in query.items():
        try:
            Address.parse({name: value})
        except BadAddressError:
            continue
        found[name] = value
    return found


def _whole(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
