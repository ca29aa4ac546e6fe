"""Measure every request of a WSGI application (Flask, Django, and others)::

    app.wsgi_app = ImpactMiddleware(app.wsgi_app, service="analyse-cv")          # Flask
    application = ImpactMiddleware(get_wsgi_application(), service="analyse-cv")  # Django

A view adds what only the view knows: ``ecoia.current().units(len(batch))``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from time import thread_time_ns
from typing import Any

from ecoia.integrating import (
    CpuAccount,
    Label,
    RequestSpan,
    begin_request,
    finish_request,
    is_disabled,
    joules_per_cpu_second,
    step,
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
)

__all__ = ["PROBES", "ImpactMiddleware", "RequestHeader", "ResponseHeader"]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class ImpactMiddleware:
    """Measure each request as one span around the application, until its response is closed.

    The endpoint of a request is the rule of its route (Flask's ``/cv/<int:id>``, Django's with a ``/`` in front), never the
    path, which may hold personal data. A request without a known route (404, other frameworks) counts without an endpoint.

    Args:
        app: The application to measure.
        service: Id of the service in the catalogue.
        phase: Phase of the endpoints, one of ``semconv.PHASES``.
        routes: Maps rules of routes to a service, to (service, phase), or to None for routes that are not measured. A rule that
            ends in ``*`` and maps to None stands for every path that begins so. ``PROBES`` and ``/static/`` are not measured
            unless ``routes`` names them.
        units: Functional units of a request that is answered without an error: a number, ``ResponseHeader(name)``,
            ``RequestHeader(name)``, or a callable on (environ, status).
        model_version: Version of the model that serves.
        response_header: Whether to add the header ``ecoia-estimate`` to responses (docs/inference.md explains its accuracy).

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> from wsgiref.simple_server import demo_app
        >>> app = ImpactMiddleware(demo_app, service="analyse-cv", routes={"/admin/*": None})
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
        self._paths = Paths(self._endpoints)
        self._units = checked_units(units)
        self._response_header = response_header

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request."""
        path = environ.get("PATH_INFO") or "/"
        if self._is_disabled or self._paths.left_out(path) or self._endpoints.has_counted(environ):
            return self._app(environ, start_response)
        request = _Request(environ, start_response, CpuAccount() if self._response_header else None)
        span = request.span = begin_request(self._endpoints.default, self._label_of, request, request.account)
        try:
            response = step(span, request.answer, self._app)
            # A list is complete: no step is left to measure. The wrapper of a file must reach the server as it is, because the
            # server checks its type.
            if type(response) not in (list, tuple) and not _is_file(response, environ):
                return _Response(response, request, self._end)
            self._end(request, False)
        except BaseException:  # raised by the application, or by a signal handler in the middle of the lines above
            if not span.ended:
                finish_request(span, True)
            raise
        return response  # type: ignore[no-any-return]

    def _end(self, request: _Request, failed: bool) -> None:
        finish_request(request.span, failed)
        give_units(request.span, self._units, request.environ, None if failed else request.status, request.header)

    def _label_of(self, request: _Request, last: bool) -> Label | None:
        """Return the label of a request's route; None until the framework has found one."""
        flask = request.environ.get("werkzeug.request")
        rule = _django_route(request.response) if flask is None else getattr(getattr(flask, "url_rule", None), "rule", None)
        return None if rule is None else self._endpoints.of(rule)


def _is_file(response: Any, environ: Environ) -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(response, wrapper)


def _django_route(response: Any) -> str | None:
    """Return the route of the request that Django answered, or None.

    A Django response closes its request when it is closed, so the request is among its closers. Where a file is sent in place of
    the response, the object that sends it closes the response.
    """
    closed = getattr(getattr(response, "close", None), "__self__", None)
    for close in (*getattr(response, "_resource_closers", ()), *getattr(closed, "_resource_closers", ())):
        route = getattr(getattr(getattr(close, "__self__", None), "resolver_match", None), "route", None)
        if isinstance(route, str):
            return f"/{route}"
    return None


class _Request:
    """One request while it is answered."""

    __slots__ = ("_start_response", "account", "begin_ns", "environ", "headers", "response", "span", "status")

    span: RequestSpan

    def __init__(self, environ: Environ, start_response: StartResponse, account: CpuAccount | None) -> None:
        self.environ = environ
        self._start_response = start_response
        self.account = account
        self.begin_ns = 0 if account is None else thread_time_ns()
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.response: Any = None

    def answer(self, app: Application) -> Any:
        """Call the application and keep its response before the step is charged, because Django's response knows the route."""
        self.response = app(self.environ, self.start_response)
        return self.response

    def start_response(self, status: str, headers: list[tuple[str, str]], *error: Any, **named: Any) -> Any:
        """Decide the label and pass the call on. Flask knows the route here, and forgets it before it returns."""
        if self.span.is_late:
            self.span.settle()
        code = str(status)[:3]  # the server refuses anything that is no status
        self.status = int(code) if code.isdecimal() else None
        self.headers = headers
        if self.account is not None:
            used_ns = self.account.used_ns + thread_time_ns() - self.begin_ns
            estimate = estimate_of(used_ns, joules_per_cpu_second())
            if estimate is not None:
                headers = [*headers, (ESTIMATE_HEADER, estimate)]
        return self._start_response(status, headers, *error, **named)

    def header(self, name: str, of_response: bool) -> str | None:
        """Return the value of a header, by its name in lower case."""
        if of_response:
            return next((value for key, value in self.headers if key.lower() == name), None)
        value: str | None = self.environ.get("HTTP_" + name.upper().replace("-", "_"))
        return value


class _Response:
    """An application's response. Each of its steps is measured until it is closed; other attributes are the response's own."""

    def __init__(self, response: Iterable[bytes], request: _Request, end: Callable[[_Request, bool], None]) -> None:
        self._response = response
        self._request = request
        self._end = end
        self._iterator: Iterator[bytes] | None = None
        self._failed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._iterator is None:
                return self._step(self._first, self._response)  # type: ignore[no-any-return]
            return self._step(next, self._iterator)  # type: ignore[no-any-return]
        except StopIteration:
            raise
        except BaseException:
            self._failed = True
            raise

    def _first(self, response: Iterable[bytes]) -> bytes:
        self._iterator = iter(response)
        return next(self._iterator)

    def close(self) -> None:
        """Close the response and end the request. The server calls it, also when the client has gone."""
        close = getattr(self._response, "close", None)
        try:
            if close is not None:
                self._step(_call, close)
        except BaseException:
            self._failed = True
            raise
        finally:
            self._finish()

    def _step(self, method: Callable[[Any], Any], argument: Any) -> Any:
        span = self._request.span
        return method(argument) if span.ended else step(span, method, argument)

    def _finish(self) -> None:
        if not self._request.span.ended:
            self._end(self._request, self._failed)

    def __del__(self) -> None:
        self._finish()  # some servers close nothing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)


def _call(function: Callable[[], Any]) -> Any:
    return function()
