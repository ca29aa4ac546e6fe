"""What servers and workers of every framework share: which label an endpoint gets, what is left out, units by request."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ecoia
from ecoia.errors import UsageError
from ecoia.integrating import (
    ENDPOINT_OTHERS,
    Label,
    RequestSpan,
    causes,
    checked_label,
    complain,
    innermost,
    is_name,
    is_units,
    lose,
)

Target = str | tuple[str, str] | None
"""What an endpoint is measured as: a service, (service, phase), or None: not at all."""

PROBES = frozenset({"/health", "/healthz", "/livez", "/readyz", "/ping", "/metrics", "/metrics/", "/favicon.ico", "/robots.txt"})
"""Paths that machines ask: no service is rendered to anyone, so they are not counted as requests of the service."""

STATIC = ("/static/",)
"""Beginnings of the paths of files that are served as they are."""

MOST_ENDPOINTS = 200
"""Endpoints told apart, beside those in ``routes``; further ones are kept together as ``semconv.ENDPOINT_OTHERS``."""

_PARAMETER = re.compile(r"\{[^{}:]*(?::([^{}]*))?\}|<(?:([^<>:]*):)?[^<>]*>")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True)
class RequestHeader:
    """Units that the client says in a header of its request. Clients can say anything: for trusted ones only."""

    name: str


@dataclass(frozen=True)
class ResponseHeader:
    """Units that the application says in a header of its response."""

    name: str


Units = float | RequestHeader | ResponseHeader | Callable[[Any, int], Any] | None
"""Units of a request that is answered without an error: a number, a header, or a callable on the request (ASGI scope, WSGI
environ) and the status."""


class Endpoints:
    """The labels of a server's endpoints. Everything that can be wrong with them is said here, when the server starts.

    Args:
        service: Id of the service of all endpoints that ``named`` does not give to another one.
        phase: Their phase.
        model_version: Version of the model that serves.
        named: Endpoint to service, to (service, phase), or to None: not measured.
        field: What the caller calls ``named``.

    Raises:
        UsageError: an illegal value; the message names it and the remedy.
    """

    def __init__(
        self, service: str, phase: str, model_version: str | None, named: Mapping[str, Target] | None, *, field: str = "routes"
    ) -> None:
        if service is None:
            raise UsageError("service = None: give the id of the service in the catalogue, e.g. service='analyse-cv'")
        self._service, self._phase, self._model_version = service, phase, model_version
        self.default = self._label(service, phase, None)
        self._labels: dict[str | None, Label] = {None: self.default}
        self.excluded: list[str] = []
        if named is not None and not isinstance(named, Mapping):
            raise UsageError(f"{field} = {named!r}: give a mapping of endpoints to services, e.g. {{'/cv/{{id}}': 'analyse-cv'}}")
        for endpoint, target in (named or {}).items():
            if target is None:
                if not isinstance(endpoint, str) or not endpoint:
                    raise UsageError(f"{field}: {endpoint!r} is no endpoint: write it as the framework does, e.g. '/cv/{{id}}'")
                self.excluded.append(endpoint)
                continue
            to = (target, phase) if isinstance(target, str) else target
            if not isinstance(to, tuple) or len(to) != 2:
                raise UsageError(f"{field}[{endpoint!r}] = {target!r}: give a service, (service, phase), or None: not measured")
            try:
                self._labels[endpoint] = self._label(*to, endpoint)
            except UsageError as error:
                raise UsageError(f"{field}[{endpoint!r}]: {error}") from None
        self.named = frozenset(filter(None, self._labels))
        self._room = MOST_ENDPOINTS
        self._others = self._label(service, phase, ENDPOINT_OTHERS)
        self.mark = f"ecoia.span.{service}"

    def of(self, endpoint: str | None) -> Label:
        """The label of an endpoint; None for one that is not known."""
        label = self._labels.get(endpoint)
        if label is None:
            if not is_name(endpoint):
                return self.default
            if self._room <= 0:
                return self._others
            self._room -= 1
            label = self._labels[endpoint] = self._label(self._service, self._phase, endpoint)
        return label

    def has_counted(self, request: Mapping[str, Any]) -> bool:
        """Whether a middleware of the same service, further out, counts this request.

        A scope says so, and an environ, which may come from a scope, by the span around it. Else an application that is
        wrapped twice, by itself and by who mounts it, would have twice its requests.
        """
        span: ecoia.Span | None = request.get(self.mark) if "asgi" in request else self._request_around()
        if span is None or span.ended:
            return False
        complain(f"two ImpactMiddlewares measure {self._service} around each other: the inner one is without effect")
        return True

    def _request_around(self) -> ecoia.Span | None:
        span = innermost()
        while span is not None and not (type(span) is RequestSpan and span.service == self._service):
            span = span.parent
        return span

    def _label(self, service: Any, phase: Any, endpoint: Any) -> Label:
        return checked_label(service, phase, endpoint, self._model_version)


class Paths:
    """Paths that are not measured: probes, static files, and the templates that ``routes`` gives to None.

    Args:
        endpoints: Those of the server. What they name is measured, whatever it is called.
        prefixes: Further beginnings of paths to leave out.
    """

    def __init__(self, endpoints: Endpoints, prefixes: Iterable[str] = ()) -> None:
        templates = [template for template in endpoints.excluded if _PARAMETER.search(template) or template.endswith("*")]
        self._exact = (PROBES - endpoints.named) | (set(endpoints.excluded) - set(templates))
        begins = [
            prefix
            for prefix in (*STATIC, *prefixes, *(template[:-1] for template in templates if template.endswith("*")))
            if not any(named.startswith(prefix) for named in endpoints.named)
        ]
        self._prefixes = tuple(begins)
        patterns = [pattern_of(template) for template in templates if not template.endswith("*")]
        self._pattern = re.compile("|".join(f"(?:{pattern})" for pattern in patterns)) if patterns else None

    def left_out(self, path: str) -> bool:
        """Whether requests of this path are not measured."""
        if path in self._exact or path.startswith(self._prefixes):
            return True
        return self._pattern is not None and self._pattern.fullmatch(path) is not None


def pattern_of(template: str) -> str:
    """The regular expression of a route's template, of Starlette's (``{id}``) or Flask's and Django's kind (``<int:id>``)."""
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        pattern += ".*" if "path" in parameter.groups() else "[^/]+"
        end = parameter.end()
    return pattern + re.escape(template[end:])


def checked_units(units: Any) -> Units:
    """``units`` as they were given.

    Raises:
        UsageError: they are none of what ``Units`` says.
    """
    if isinstance(units, RequestHeader | ResponseHeader):
        if not isinstance(units.name, str) or _TOKEN.fullmatch(units.name) is None:
            raise UsageError(f"units: header {units.name!r} is no name of a header: use letters, digits and '-', e.g. 'x-units'")
    elif not is_units(units):
        raise UsageError(f"units = {units!r}: give a number of 0 or more, a RequestHeader, a ResponseHeader or a callable")
    return units  # type: ignore[no-any-return]


def give_units(
    span: ecoia.Span, units: Units, request: Any, status: int | None, header: Callable[[str, bool], str | None]
) -> None:
    """Add the units of a request that has ended. What is missing or no number is counted as lost; nothing is raised.

    Args:
        span: The request's.
        units: As the user gave them.
        request: For a callable.
        status: Of the response; None where there was none. An error, or no answer, delivers nothing.
        header: The value of a header by its name in lower case, of the response if True.
    """
    if units is None or status is None or status >= 400:
        return
    try:
        number = _number_of(units, request, status, header)
    except Exception:  # noqa: BLE001 - neither the user's counting function nor a header that is none may break the request
        lose(causes.INVALID_UNITS)
        return
    if number is None:
        lose(causes.MISSING_UNITS)
    else:
        span.units(number)


def _number_of(units: Units, request: Any, status: int, header: Callable[[str, bool], str | None]) -> Any:
    if isinstance(units, RequestHeader | ResponseHeader):
        text = header(units.name.lower(), isinstance(units, ResponseHeader))
        return text if text is None or _NUMBER.fullmatch(text) is None else float(text)
    return units(request, status) if callable(units) else units


def estimate_of(used_ns: int, joules_per_cpu_second: float | None) -> str | None:
    """What can be said of a request when its answer begins; None while no window has told what a CPU second draws."""
    if joules_per_cpu_second is None:
        return None
    return f"energy-microjoules={round(used_ns * joules_per_cpu_second / 1000)}, cpu-microseconds={used_ns // 1000}"


ESTIMATE_HEADER = "ecoia-estimate"
