"""Measure every request and web socket of an ASGI application (FastAPI, Starlette, and others)::

    app.add_middleware(ImpactMiddleware, service="analyse-cv")

A handler adds what only it knows: ``ecoia.current().units(len(batch))``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from time import thread_time_ns
from types import CoroutineType, coroutine
from typing import Any

import ecoia
from ecoia.integrating import (
    CpuAccount,
    Label,
    begin_request,
    causes,
    drive_request,
    finish_request,
    follow_tasks,
    is_disabled,
    joules_per_cpu_second,
    lose,
)
from ecoia_integrations.endpoints import (
    ESTIMATE_HEADER,
    PROBES,
    Endpoints,
    Paths,
    RequestHeader,
    ResponseHeader,
    Target,
    Units,
    checked_units,
    estimate_of,
    give_units,
    pattern_of,
)

__all__ = ["PROBES", "ImpactMiddleware", "RequestHeader", "ResponseHeader"]

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_MOST_ROUTES = 10_000
"""Route objects whose label is remembered: applications that make routes on the way must not fill the memory."""


class ImpactMiddleware:
    """One span a request, around the application, exact to the CPU time of each of its steps.

    Its endpoint is the route's template (``/cv/{id}``) as the framework's router found it, never the path, which may hold
    personal data. Where no route is known (404, other frameworks) the request counts without one.

    Args:
        app: The application to measure.
        service: Id of the service in the catalogue.
        phase: ``inference`` unless the endpoints do something else.
        routes: Templates of routes to the service, or (service, phase), that they serve; None: not measured. A template that
            ends in ``*`` and goes to None stands for all that begins so. Without them ``PROBES``, ``/static/`` and mounted
            ``StaticFiles`` are not measured.
        units: Functional units of a request that is answered without an error: a number, ``ResponseHeader(name)``,
            ``RequestHeader(name)``, or a callable on (scope, status).
        model_version: Version of the model that serves.
        response_header: Whether to add ``ecoia-estimate`` to responses (docs/inference.md says what it is worth).

    Raises:
        UsageError: an illegal value; the message names it and the remedy.
    """

    def __init__(
        self,
        app: Application,
        *,
        service: str,
        phase: str = "inference",
        routes: Mapping[str, Target] | None = None,
        units: Units = None,
        model_version: str | None = None,
        response_header: bool = False,
    ) -> None:
        self._app = app
        self._is_disabled = is_disabled()
        self._endpoints = Endpoints(service, phase, model_version, routes)
        self._mark = self._endpoints.mark
        self._units = checked_units(units)
        self._response_header = response_header
        self._watches_answers = units is not None or response_header
        self._paths: Paths | None = None
        self._labels: dict[int, tuple[Any, Label | None, bool]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, _written_first(send))
            return
        if (
            self._is_disabled
            or (kind != "http" and kind != "websocket")
            or (self._paths or self._first(scope)).left_out(_path(scope))
            or (scope.get(self._mark) is not None and self._endpoints.has_counted(scope))
        ):
            await self._app(scope, receive, send)
            return
        answer = None
        if self._watches_answers:
            answer = _Answer(send, self._response_header)
            send = answer.send
        inner = self._app(scope, receive, send)
        if not isinstance(inner, CoroutineType):
            inner = _awaited(inner)
        account = None
        if answer is not None and answer.account is not None:
            account = answer.account
            inner = _accounted(inner, answer)
        span = begin_request(self._endpoints.default, self._label_of, scope, account)
        try:  # here, since a signal handler may raise on the way into what drives it
            scope[self._mark] = span
            await drive_request(span, inner)
        except BaseException:
            if not span.ended:
                finish_request(span, True)
            raise
        if answer is not None:
            give_units(span, self._units, scope, answer.status, partial(_header, scope, answer))

    def _first(self, scope: Scope) -> Paths:
        """At the first request the routes are there: which of them are files."""
        follow_tasks()
        mounts: list[str] = []
        try:
            mounts = _static_mounts(self._routes(scope))
        except Exception:  # noqa: BLE001 - what other frameworks call routes may be anything
            lose(causes.ROUTE_UNREAD)
        self._paths = Paths(self._endpoints, mounts)
        return self._paths

    def _routes(self, scope: Scope) -> Iterable[Any]:
        for candidate in (scope.get("router"), scope.get("app"), self._app):
            routes = getattr(candidate, "routes", None)
            if routes:
                return routes  # type: ignore[no-any-return]
        return ()

    def _label_of(self, scope: Scope, last: bool) -> Label | None:
        """The label of a request's route; None until the router has found one."""
        route = scope.get("route") or scope.get("endpoint")
        if route is None:
            return None
        known = self._labels.get(id(route))
        if known is None or known[0] is not route:
            known = self._learn(route, scope)
        _, label, is_mount = known
        if is_mount and not last:  # the router below it has not been asked yet
            return None
        return label or self._endpoints.of(self._template(route, scope))

    def _learn(self, route: Any, scope: Scope) -> tuple[Any, Label | None, bool]:
        templates = {template for found, template in _templates(self._routes(scope)) if found is route}
        # Included twice: the path tells, each time.
        label = None if len(templates) > 1 else self._endpoints.of(templates.pop() if templates else None)
        known = (route, label, hasattr(route, "routes"))
        if len(self._labels) < _MOST_ROUTES:
            self._labels[id(route)] = known
        return known

    def _template(self, route: Any, scope: Scope) -> str | None:
        path = _path(scope)
        candidates = (template for found, template in _templates(self._routes(scope)) if found is route)
        return next((template for template in candidates if re.fullmatch(pattern_of(template), path)), None)


def _path(scope: Scope) -> str:
    """The path below the root that the server gives the application."""
    path: str = scope["path"]
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


# --- routes ------------------------------------------------------------------------------------------------------------


def _templates(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[Any, str]]:
    """(what a router leaves in the scope, whole template) of each route, mounts included."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)  # FastAPI's routers within routers
        if included is None:
            yield from _templates_of(route, route, prefix)
        else:
            for context in included():
                yield from _templates_of(context.starlette_route or context, context.original_route, prefix)


def _templates_of(route: Any, original: Any, prefix: str) -> Iterator[tuple[Any, str]]:
    path = getattr(route, "path", "")
    template = prefix + (path if isinstance(path, str) else "")
    for found in (route, original, getattr(route, "endpoint", None) or getattr(route, "app", None)):
        yield found, template
    yield from _templates(getattr(route, "routes", None) or (), template)


def _static_mounts(routes: Iterable[Any]) -> list[str]:
    return [
        f"{template}/"
        for found, template in _templates(routes)
        if template and any(kind.__name__ == "StaticFiles" for kind in type(found).__mro__)
    ]


# --- one request -------------------------------------------------------------------------------------------------------


class _Answer:
    """What a request's response says when it begins."""

    __slots__ = ("_send", "account", "headers", "mark_ns", "status")

    def __init__(self, send: Send, counts: bool) -> None:
        self._send = send
        self.status: int | None = None
        self.headers: Iterable[tuple[bytes, bytes]] = ()
        self.account = CpuAccount() if counts else None
        self.mark_ns = 0

    async def send(self, message: Message) -> None:
        """Hand a message on."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self.headers = message.get("headers", ())
            if self.account is not None:
                message = self._with_estimate(message, self.account)
        elif kind == "websocket.accept":
            self.status = 101
            self.headers = message.get("headers", ())
        await self._send(message)

    def _with_estimate(self, message: Message, account: CpuAccount) -> Message:
        used_ns = account.used_ns
        if self.mark_ns:  # sent from the step that runs, which is not in the account yet
            used_ns += thread_time_ns() - self.mark_ns
        estimate = estimate_of(used_ns, joules_per_cpu_second())
        if estimate is None:
            return message
        header = (ESTIMATE_HEADER.encode(), estimate.encode())
        return {**message, "headers": [*message.get("headers", ()), header]}


def _header(scope: Scope, answer: _Answer, name: str, of_response: bool) -> str | None:
    wanted = name.encode()
    for key, value in answer.headers if of_response else scope.get("headers", ()):
        if key.lower() == wanted:
            return bytes(value).decode("latin-1")
    return None


@coroutine
def _accounted(inner: Coroutine[Any, Any, Any], answer: _Answer) -> Iterator[Any]:
    """Drive a coroutine as ``yield from`` would, and add what its steps use to its account."""
    account = answer.account
    assert account is not None  # noqa: S101 - by who calls
    method: Callable[[Any], Any] = inner.send
    argument: Any = None
    while True:
        answer.mark_ns = thread_time_ns()
        try:
            item = method(argument)
        except StopIteration:
            return
        finally:
            argument = None  # no frame of an exception's traceback may hold it
            account.used_ns += thread_time_ns() - answer.mark_ns
            answer.mark_ns = 0
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - handed on to the code that was suspended
            method, argument = inner.throw, error


async def _awaited(inner: Awaitable[None]) -> None:
    await inner


def _written_first(send: Send) -> Send:
    """Before the application says that it has shut down, what was measured is written.

    uvicorn then ends itself by the signal that it was told to end with, which runs no exit handler of Python's.
    """

    async def written(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            ecoia.flush()  # no request is left that would wait for it
        await send(message)

    return written
