"""Measure every call of a gRPC server (grpcio), synchronous or asyncio::

    grpc.server(pool, interceptors=[ImpactInterceptor(service="analyse-cv")])
    grpc.aio.server(interceptors=[AsyncImpactInterceptor(service="analyse-cv")])

A method adds what only the method knows: ``ecoia.current().units(len(batch))``.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import grpc

import ecoia
from ecoia.errors import UsageError
from ecoia.integrating import Label, follow_tasks, is_disabled, is_units
from ecoia_integrations.endpoints import Endpoints, Paths, Target, give_units_of_result

__all__ = ["PROBES", "AsyncImpactInterceptor", "ImpactInterceptor"]

PROBES = ("/grpc.health.", "/grpc.reflection.", "/grpc.channelz.")
"""Prefixes of the methods that machines ask for: they deliver no service to anybody, so they do not count as requests."""

_MOST_METHODS = 10_000
"""Most methods whose measured handler is remembered. A handler that answers to any name must not fill the memory."""
_MAKERS = {
    (False, False): (grpc.unary_unary_rpc_method_handler, "unary_unary"),
    (False, True): (grpc.unary_stream_rpc_method_handler, "unary_stream"),
    (True, False): (grpc.stream_unary_rpc_method_handler, "stream_unary"),
    (True, True): (grpc.stream_stream_rpc_method_handler, "stream_stream"),
}
"""By whether a request and a response are streams: what makes a handler of the method, and the handler's name of it."""

ResponseUnits = float | Callable[[Any], Any] | None
"""Units of a call that ends without an error: a number, or a callable on its response, of a stream on each message."""


class _Interceptor:
    """The measured handler of each method, made when the method is first called. ``ImpactInterceptor`` states the arguments."""

    def __init__(
        self,
        *,
        service: str,
        phase: str = "inference",
        methods: Mapping[str, Target] | None = None,
        units: ResponseUnits = None,
        model_version: str | None = None,
    ) -> None:
        if not is_units(units):
            raise UsageError(f"units = {units!r}: give a number of 0 or more, or a callable on the response")
        self._is_disabled = is_disabled()
        self._endpoints = Endpoints(service, phase, model_version, methods, field="methods")
        self._paths = Paths(self._endpoints, PROBES)
        self._units = units
        self._handlers: dict[str, tuple[Any, Any]] = {}

    def _measured(self, handler: Any, method: str) -> Any:
        """Return the handler of a method, with its behaviour measured; as it is where it is not to be."""
        if handler is None or self._is_disabled:  # None: no such method
            return handler
        known = self._handlers.get(method)
        if known is None or known[0] is not handler:
            known = handler, self._make(handler, method)
            if len(self._handlers) < _MOST_METHODS:
                self._handlers[method] = known
        return known[1]

    def _make(self, handler: Any, method: str) -> Any:
        if self._paths.left_out(method):
            return handler
        make, name = _MAKERS[bool(handler.request_streaming), bool(handler.response_streaming)]
        behaviour = _whole(getattr(handler, name), streams=handler.response_streaming)
        if self._units is not None:
            behaviour = _counted(behaviour, self._units)
        label: Label = self._endpoints.of(method)
        track = ecoia.track(label.service, label.phase, endpoint=label.endpoint, model_version=label.model_version)
        return make(track(behaviour), handler.request_deserializer, handler.response_serializer)


class ImpactInterceptor(_Interceptor, grpc.ServerInterceptor):  # type: ignore[misc]
    """Measure each call of a ``grpc.server`` as one span around its method, until its last message.

    The endpoint is the method's name (``/cv.Analysis/Score``). A call whose client goes away is measured until then, and
    exceptions pass through as they are, those of ``context.abort`` too.

    Args:
        service: Id of the service in the catalogue.
        phase: Phase of the methods, one of ``semconv.PHASES``.
        methods: Maps methods (``/cv.Analysis/Score``) to a service, to (service, phase), or to None for methods that are not
            measured. A name that ends in ``*`` and maps to None stands for every method that begins so. ``PROBES`` are not
            measured unless ``methods`` names them.
        units: Functional units of a call that ends without an error: a number, or a callable on its response; where the
            response is a stream, on each of its messages.
        model_version: Version of the model that serves.

    Raises:
        UsageError: An argument is illegal. The message names it, its value and the remedy.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> interceptor = ImpactInterceptor(service="analyse-cv", units=lambda response: 1)
        >>> server = grpc.server(ThreadPoolExecutor(4), interceptors=[interceptor])
    """

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """Return the measured handler of a call."""
        return self._measured(continuation(handler_call_details), handler_call_details.method)


class AsyncImpactInterceptor(_Interceptor, grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """The same for a ``grpc.aio.server``, with ``async`` methods and others.

    Arguments and errors are those of ``ImpactInterceptor``. A callable of ``units`` sees the messages that a method yields; a
    method that sends them with ``context.write`` adds its units itself, with ``ecoia.current().units(n)``.

    Example:
        >>> interceptor = AsyncImpactInterceptor(service="analyse-cv", methods={"/cv.Admin/*": None})
    """

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """Return the measured handler of a call."""
        follow_tasks()
        return self._measured(await continuation(handler_call_details), handler_call_details.method)


def _whole(behaviour: Callable[..., Any], *, streams: bool) -> Callable[..., Any]:
    """Return a method whose call lasts as long as its response: one that returns an iterator becomes a generator."""
    if not streams or _is_async(behaviour) or inspect.isgeneratorfunction(behaviour) or _sends_by_callback(behaviour):
        return behaviour

    def stream(request: Any, context: Any) -> Iterator[Any]:
        yield from behaviour(request, context)

    return stream


def _is_async(behaviour: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour)


def _sends_by_callback(behaviour: Callable[..., Any]) -> bool:
    """Return whether a method is of grpcio's experimental kind that is given a function to send its messages with."""
    return bool(getattr(behaviour, "experimental_non_blocking", False))


def _counted(behaviour: Callable[..., Any], units: ResponseUnits) -> Callable[..., Any]:
    """Return a method of the same kind, which adds the units of its response to the span around it."""

    def function(*arguments: Any) -> Any:
        response = behaviour(*arguments)
        _count_call(units, response, arguments)
        return response

    async def coroutine(*arguments: Any) -> Any:
        response = await behaviour(*arguments)
        _count_call(units, response, arguments)
        return response

    def generator(*arguments: Any) -> Iterator[Any]:
        for message in behaviour(*arguments):
            _count_message(units, message)
            yield message
        _count_stream(units, arguments)

    async def async_generator(*arguments: Any) -> AsyncIterator[Any]:
        messages = behaviour(*arguments)
        try:
            async for message in messages:
                _count_message(units, message)
                yield message
        finally:
            await messages.aclose()  # here, in its own span, and not when it is collected
        _count_stream(units, arguments)

    if inspect.isasyncgenfunction(behaviour):
        return async_generator
    if inspect.isgeneratorfunction(behaviour):
        return generator
    return coroutine if inspect.iscoroutinefunction(behaviour) else function


def _count_call(units: ResponseUnits, response: Any, arguments: tuple[Any, ...]) -> None:
    if _succeeded(arguments):
        give_units_of_result(ecoia.current(), units, response)


def _count_message(units: ResponseUnits, message: Any) -> None:
    if callable(units):
        give_units_of_result(ecoia.current(), units, message)


def _count_stream(units: ResponseUnits, arguments: tuple[Any, ...]) -> None:
    if not callable(units):
        _count_call(units, None, arguments)


def _succeeded(arguments: tuple[Any, ...]) -> bool:
    """Return whether the method has set no status but OK; an aborted call does not come here."""
    context = arguments[1]
    try:
        return context.code() in (None, 0, grpc.StatusCode.OK)
    except (AttributeError, NotImplementedError):  # a context that tells no status
        return True
