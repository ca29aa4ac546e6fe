"""Shared by the servers and workers of all frameworks: labels of endpoints, paths that are not measured, units of a request."""

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
    checked_label,
    complain,
    innermost,
    is_name,
    is_units,
    lose,
    losses,
)

Target = str | tuple[str, str] | None
"""An endpoint is measured as a service, as (service, phase), or not at all (None)."""

PROBES = frozenset({"/health", "/healthz", "/livez", "/readyz", "/ping", "/metrics", "/metrics/", "/favicon.ico", "/robots.txt"})
"""Paths that machines ask for: they deliver no service to anybody, so they do not count as requests."""

STATIC = ("/static/",)
"""Prefixes of the paths of static files."""

MOST_ENDPOINTS = 200
"""Most endpoints that are kept apart, besides those in ``routes``. Further ones share the label ``ENDPOINT_OTHERS``."""

_PARAMETER = re.compile(r"\{[^{}:]*(?::([^{}]*))?\}|<(?:([^<>:]*):)?[^<>]*>")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True)
class RequestHeader:
    """Take the units from a header of the request. A client can write any number, so use it for trusted clients only.

    Attributes:
        name: Name of the header.

    Example:
        >>> RequestHeader("x-batch-size").name
        'x-batch-size'
    """

    name: str


@dataclass(frozen=True)
class ResponseHeader:
    """Take the units from a header of the application's response.

    Attributes:
        name: Name of the header.

    Example:
        >>> ResponseHeader("x-batch-size").name
        'x-batch-size'
    """

    name: str


Units = float | RequestHeader | ResponseHeader | Callable[[Any, int], Any] | None
"""Units of a request that is answered without an error: a number, a header, or a callable on the request (ASGI scope, WSGI
environ) and the status."""


class Endpoints:
    """The labels of a server's endpoints. All arguments are checked here, when the server starts.

    Args:
        service: Id of the service of all endpoints that ``named`` does not map to another one.
        phase: Their phase.
        model_version: Version of the model that serves.
        named: Maps endpoints to a service, to (service, phase), or to None for endpoints that are not measured.
        field: The caller's name for ``named``, for messages.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> endpoints = Endpoints("analyse-cv", "inference", None, {"/train": ("vadore", "training")})
        >>> endpoints.of("/train").service, endpoints.of("/cv/{id}").service
        ('vadore', 'analyse-cv')
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
        """Return the label of an endpoint. None stands for an endpoint that is not known.

        Example:
            >>> Endpoints("analyse-cv", "inference", None, None).of("/cv/{id}").endpoint
            '/cv/{id}'
        """
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
        """Return whether an outer middleware of the same service counts this request already.

        Otherwise an application that is wrapped twice, by itself and where it is mounted, would count each request twice. An
        ASGI scope holds the span. A WSGI environ may have been made from a scope without it, so there the enclosing span decides.
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
    """Paths that are not measured: probes, static files, and the templates that ``routes`` maps to None.

    Args:
        endpoints: Endpoints of the server. Those that the user named are measured, whatever their paths.
        prefixes: Prefixes of further paths to leave out.

    Example:
        >>> paths = Paths(Endpoints("analyse-cv", "inference", None, {"/admin/*": None}))
        >>> paths.left_out("/admin/users"), paths.left_out("/cv/3")
        (True, False)
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
        """Return whether requests of this path are not measured.

        Example:
            >>> Paths(Endpoints("analyse-cv", "inference", None, None)).left_out("/healthz")
            True
        """
        if path in self._exact or path.startswith(self._prefixes):
            return True
        return self._pattern is not None and self._pattern.fullmatch(path) is not None


def pattern_of(template: str) -> str:
    """Return the regular expression of a template of Starlette's kind (``{id}``) or of Flask's and Django's (``<int:id>``).

    Example:
        >>> pattern_of("/cv/{id}"), pattern_of("/cv/<int:id>")
        ('/cv/[^/]+', '/cv/[^/]+')
    """
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        pattern += ".*" if "path" in parameter.groups() else "[^/]+"
        end = parameter.end()
    return pattern + re.escape(template[end:])


def checked_units(units: Any) -> Units:
    """Return ``units`` as they were given, if they are of a kind that ``Units`` allows.

    Raises:
        UsageError: They are not. The message names the value and the remedy.

    Example:
        >>> checked_units(3)
        3
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
    """Add the units of a request that has ended. Never raises: units that are missing or no number are counted as lost.

    Args:
        span: The request's span.
        units: The argument that the user gave.
        request: First argument of a callable: the ASGI scope or the WSGI environ.
        status: Status of the response; None where there was none. A status of 400 or more, or none, delivers no units.
        header: Returns the value of a header, by its name in lower case; of the response if its second argument is True.

    Example:
        >>> import ecoia
        >>> with ecoia.track(service="analyse-cv") as span:
        ...     give_units(span, 3, {}, 200, lambda name, of_response: None)
    """
    if units is None or status is None or status >= 400:
        return
    try:
        number = _number_of(units, request, status, header)
    except Exception:  # noqa: BLE001 - neither the user's counting function nor a malformed header may break the request
        lose(losses.INVALID_UNITS)
        return
    if number is None:
        lose(losses.MISSING_UNITS)
    else:
        span.units(number)


def give_units_of_result(span: ecoia.Span, units: Any, result: Any) -> None:
    """Add the units of a call or task that succeeded. Never raises: units that are missing or no number are counted as lost.

    Args:
        span: Its span.
        units: A number, or a callable on the result.
        result: What it returned.

    Example:
        >>> import ecoia
        >>> with ecoia.track(service="analyse-cv") as span:
        ...     give_units_of_result(span, len, ["a", "b"])
    """
    number = units
    if callable(units):
        try:
            number = units(result)
        except Exception:  # noqa: BLE001 - an error in the user's counting function must break nothing
            lose(losses.INVALID_UNITS)
            return
        if number is None:
            lose(losses.MISSING_UNITS)
    if number is not None:
        span.units(number)


def _number_of(units: Units, request: Any, status: int, header: Callable[[str, bool], str | None]) -> Any:
    if isinstance(units, RequestHeader | ResponseHeader):
        text = header(units.name.lower(), isinstance(units, ResponseHeader))
        return text if text is None or _NUMBER.fullmatch(text) is None else float(text)
    return units(request, status) if callable(units) else units


def estimate_of(used_ns: int, joules_per_cpu_second: float | None) -> str | None:
    """Return the value of the header ``ecoia-estimate``, or None while the energy of a CPU second is unknown.

    Args:
        used_ns: CPU time of the request until its response begins, in nanoseconds.
        joules_per_cpu_second: Energy of one second of CPU time in the last window.

    Example:
        >>> estimate_of(2_000_000, 10.0)
        'energy-microjoules=20000, cpu-microseconds=2000'
    """
    if joules_per_cpu_second is None:
        return None
    return f"energy-microjoules={round(used_ns * joules_per_cpu_second / 1000)}, cpu-microseconds={used_ns // 1000}"


ESTIMATE_HEADER = "ecoia-estimate"
"""Response header with the estimate of the request so far."""
