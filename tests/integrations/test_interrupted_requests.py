"""Requests that a signal handler interrupts at any call. The handler may raise, or use spans itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

import ecoia
from ecoia.instrument import request_spans, spans, steps, switching
from ecoia_integrations import asgi, wsgi
from support.asgi import ask
from support.quiet_engine import QuietEngine

OURS = {module.__file__ for module in (spans, switching, steps, request_spans, asgi, wsgi)}


async def read(request: Request) -> Response:
    ecoia.current().units(1)
    return PlainTextResponse("done")


async def bare(scope: Any, receive: Any, send: Any) -> None:
    ecoia.current().units(1)
    await asyncio.sleep(0)


def served_by_asgi(app: Any) -> Callable[[], object]:
    measured = asgi.ImpactMiddleware(app, service="cv")
    return lambda: asyncio.run(ask(measured, "/cv"))


def served_by_wsgi(answer: Callable[[], Iterable[bytes]]) -> Callable[[], object]:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return answer()

    measured = wsgi.ImpactMiddleware(app, service="cv", units=1)

    def ask_once() -> None:
        response = measured({"PATH_INFO": "/cv"}, lambda *_: None)
        try:
            list(response)
        finally:
            getattr(response, "close", list)()

    return ask_once


FORMS: dict[str, Callable[[], Callable[[], object]]] = {
    "asgi, routed": lambda: served_by_asgi(Router(routes=[Route("/cv", read)])),
    "asgi, no route": lambda: served_by_asgi(bare),
    "wsgi, a list": lambda: served_by_wsgi(lambda: [b"done"]),
    "wsgi, a stream": lambda: served_by_wsgi(lambda: iter([b"do", b"ne"])),
}


class Interrupt(BaseException):
    """Raised by a signal handler, like KeyboardInterrupt."""


def at_each_call(form: Callable[[], object], handle: Callable[[], object]) -> Iterator[str]:
    """Run a form repeatedly, and call a signal handler at ecoia's first call, then at its second one, and so on."""
    left, place = 0, ""

    def come_in(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left, place
        if event in ("call", "c_return") and frame.f_code.co_filename in OURS:
            left -= 1
            if left == 0:
                place = f"{frame.f_code.co_qualname} {frame.f_lineno}"
                sys.setprofile(None)
                handle()

    form()  # so that the work of a first request is done
    calls = 0
    while left <= 0:
        calls += 1
        left = calls
        before = sys.getprofile()
        sys.setprofile(come_in)
        try:
            with contextlib.suppress(Interrupt):
                form()
        finally:
            sys.setprofile(before)
        if left <= 0:
            yield place
    assert calls > 20


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMS)
def test_an_exception_of_a_signal_handler_leaves_no_request_behind(engine: QuietEngine, form: str) -> None:
    def interrupt() -> None:
        raise Interrupt

    for place in at_each_call(FORMS[form](), interrupt):
        assert [state.live for state in engine.threads] == [0], place
        engine.assert_settled()
    gc.collect()  # a coroutine that was never awaited is reported here, and not in a later test


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_handler_that_uses_spans_leaves_a_request_in_flight_once(engine: QuietEngine, form: str) -> None:
    def handle() -> None:
        ecoia.current().units(1)
        with ecoia.track(service="handler"):
            pass

    for place in at_each_call(FORMS[form](), handle):
        assert {counters.open_count for counters in engine.every("cv")} == {0}, place
        engine.assert_settled()
