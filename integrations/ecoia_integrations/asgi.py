"""Measure every HTTP request of an ASGI application (FastAPI, Starlette, Quart, Litestar, Django)::

    app.add_middleware(ImpactMiddleware, service="analyse-cv")

A handler adds what only it knows: ``ecoia.current().units(len(batch))``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import ecoia

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBES = frozenset({"/health", "/healthz", "/livez", "/readyz", "/ping", "/metrics"})
"""Paths that machines ask: no service is rendered to anyone, so they are not counted as requests of the service."""


class ImpactMiddleware:
    """One span a request, around the application, exact to the CPU time of each of its steps.

    Args:
        app: The application to measure.
        service: Id of the service in the catalogue.
        phase: ``inference`` unless the endpoint does something else.
        model_version: Version of the model that serves, where it is one.
    """

    def __init__(self, app: Application, *, service: str, phase: str = "inference", model_version: str | None = None) -> None:
        self._app = app
        self._service, self._phase, self._model_version = service, phase, model_version
        self._by_endpoint: dict[str | None, Application] = {None: self._measured(None)}

    def _measured(self, endpoint: str | None) -> Application:
        # As a decorator, not as a block: what runs while the request waits is not its own.
        @ecoia.track(service=self._service, phase=self._phase, endpoint=endpoint, model_version=self._model_version)
        async def request(scope: Scope, receive: Receive, send: Send) -> None:
            await self._app(scope, receive, send)

        return request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection. Web sockets and lifespan messages pass through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, _written_first(send))
            return
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        endpoint = _route_template(scope)
        measured = self._by_endpoint.get(endpoint)
        if measured is None:
            measured = self._by_endpoint[endpoint] = self._measured(endpoint)
        await measured(scope, receive, send)


def _written_first(send: Send) -> Send:
    """Before the application says that it has shut down, what was measured is written.

    uvicorn then ends itself by the signal that it was told to end with, which runs no exit handler of Python's.
    """

    async def written(message: MutableMapping[str, Any]) -> None:
        if message["type"].startswith("lifespan.shutdown."):
            ecoia.flush()  # no request is left that would wait for it
        await send(message)

    return written


def _route_template(scope: Scope) -> str | None:
    """The template of the route (``/cv/{id}``), where the framework tells it. Never the path: it may hold personal data."""
    route = scope.get("route")
    if route is None:  # Starlette names the route after its middleware: ask the routes, as its router will
        candidates = getattr(scope.get("app"), "routes", ())
        route = next((candidate for candidate in candidates if _matches(candidate, scope)), None)
    template = getattr(route, "path", None)
    return template if isinstance(template, str) and 0 < len(template) <= 120 and template.isprintable() else None


def _matches(route: Any, scope: Scope) -> bool:
    try:
        return bool(route.matches(scope)[0].name == "FULL")
    except Exception:  # noqa: BLE001 - a route of another framework; without a template the request still counts
        return False
