"""Measure every request and web socket of an ASGI application (FastAPI, Starlette, and others)::

    app.add_middleware(ImpactMiddleware, service="analyse-cv")

A handler adds what only the handler knows: ``ecoia.current().units(len(batch))``.
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
    drive_request,
    finish_request,
    follow_tasks,
    is_disabled,
    joules_per_cpu_second,
    lose,
    losses,
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
"""Most route objects whose label is remembered. An application that makes routes while it runs must not fill the memory."""


class ImpactMiddleware:
    """Measure each request as one span around the application, with the CPU time of each of its steps.

    The endpoint of a request is the template of its route (``/cv/{id}``) as the framework's router found it, never the path,
    which may hold personal data. A request without a known route (404, other frameworks) counts without an endpoint.

    Args:
        app: The application to measure.
        service: Id of the service in the catalogue.
        phase: Phase of the endpoints, one of ``semconv.PHASES``.
        routes: Maps templates of routes to a service, to (service, phase), or to None for routes that are not measured. A
            template that ends in ``*`` and maps to None stands for every path that begins so. ``PROBES``, ``/static/`` and
            mounted ``StaticFiles`` are not measured unless ``routes`` names them.
        units: Functional units of a request that is answered without an error: a number, ``ResponseHeader(name)``,
            ``RequestHeader(name)``, or a callable on (scope, status).
        model_version: Version of the model that serves.
        response_header: Whether to add the header ``ecoia-estimate`` to responses (docs/inference.md explains its accuracy).

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> from starlette.applications import Starlette
        >>> app = ImpactMiddleware(Starlette(), service="analyse-cv", routes={"/admin/*": None})
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
            await self._app(scope, receive, _flushing(send))
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
        try:  # cover the call of drive_request too: a signal handler may raise before it has begun
            scope[self._mark] = span
            await drive_request(span, inner)
        except BaseException:
            if not span.ended:
                finish_request(span, True)
            raise
        if answer is not None:
            give_units(span, self._units, scope, answer.status, partial(_header, scope, answer))

    def _first(self, scope: Scope) -> Paths:
        """Find the mounted static files, at the first request: the routes exist by then."""
        follow_tasks()
        mounts: list[str] = []
        try:
            mounts = _static_mounts(self._routes(scope))
        except Exception:  # noqa: BLE001 - other frameworks may call anything "routes"
            lose(losses.ROUTE_UNREAD)
        self._paths = Paths(self._endpoints, mounts)
        return self._paths

    def _routes(self, scope: Scope) -> Iterable[Any]:
        for candidate in (scope.get("router"), scope.get("app"), self._app):
            routes = getattr(candidate, "routes", None)
            if routes:
                return routes  # type: ignore[no-any-return]
        return ()

    def _label_of(self, scope: Scope, last: bool) -> Label | None:
        """Return the label of a request's route; None until the router has found one."""
        route = scope.get("route") or scope.get("endpoint")
        if route is None:
            return None
        known = self._labels.get(id(route))
        if known is None or known[0] is not route:
            known = self._learn(route, scope)
        _, label, is_mount = known
        if is_mount and not last:  # the router below the mount has not run yet
            return None
        return label or self._endpoints.of(self._template(route, scope))

    def _learn(self, route: Any, scope: Scope) -> tuple[Any, Label | None, bool]:
        templates = {template for found, template in _templates(self._routes(scope)) if found is route}
        # A route that is included twice has two templates: the path decides, at each request.
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
    """Return the path below the root path of the application."""
    path: str = scope["path"]
    root: str = scope.get("app_root_path", scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(root) else path


# --- routes ------------------------------------------------------------------------------------------------------------


def _templates(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[Any, str]]:
    """Yield (object that the router puts into the scope, whole template) for each route, including those below mounts."""
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
    """Passes on the messages of one response, and keeps its status and headers."""

    __slots__ = ("_send", "account", "headers", "mark_ns", "status")

    def __init__(self, send: Send, counts: bool) -> None:
        self._send = send
        self.status: int | None = None
        self.headers: Iterable[tuple[bytes, bytes]] = ()
        self.account = CpuAccount() if counts else None
        self.mark_ns = 0

    async def send(self, message: Message) -> None:
        """Pass a message on, with the estimate in the headers if that is wanted."""
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
        if self.mark_ns:  # sent from a step that is still running, which the account does not include yet
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
    """Run a coroutine as ``yield from`` would, and add the CPU time of its steps to its account."""
    account = answer.account
    assert account is not None  # noqa: S101 - the caller checked it
    method: Callable[[Any], Any] = inner.send
    argument: Any = None
    while True:
        answer.mark_ns = thread_time_ns()
        try:
            item = method(argument)
        except StopIteration:
            return
        finally:
            argument = None  # else the traceback's frame holds the exception: a cycle that lives until a collection
            account.used_ns += thread_time_ns() - answer.mark_ns
            answer.mark_ns = 0
        try:
            argument = yield item
            method = inner.send
        except GeneratorExit:
            inner.close()
            raise
        except BaseException as error:  # noqa: BLE001 - passed on to the code that was suspended
            method, argument = inner.throw, error


async def _awaited(inner: Awaitable[None]) -> None:
    await inner


def _flushing(send: Send) -> Send:
    """Write the measurements before the application reports that it has shut down.

    uvicorn then ends with the signal that stopped it, which runs none of Python's exit handlers.
    """

    async def flush_and_send(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            ecoia.flush()  # no request is running any more, so none has to wait
        await send(message)

    return flush_and_send
