"""Signal handlers that raise, or use spans, at any step of a span: no span is left behind, none is disturbed.

CPU time is burnt in exact amounts (by the thread's own clock) and read from the counters, so no test depends on the
machine's speed or load.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

import ecoia
from ecoia.instrument import steps, switching, tracking, wrapping
from support.quiet_engine import MILLISECOND, QuietEngine, burn


class Interrupt(BaseException):
    """Raised by a signal handler, like KeyboardInterrupt."""


@ecoia.track(service="call")
def _call() -> None:
    """Nothing."""


@ecoia.track(service="run", phase="training")
def _call_of_run() -> None:
    """Nothing."""


@ecoia.track(service="around")
def _nested_call() -> None:
    _call()


@ecoia.track(service="generator")
def _generate() -> Iterator[int]:
    yield 1
    yield 2


@ecoia.track(service="coroutine")
async def _await() -> None:
    await asyncio.sleep(0)


def _block() -> None:
    with ecoia.track(service="block"):
        pass


def _nested_block() -> None:
    with ecoia.track(service="block"):
        _block()


def _open_block() -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(ecoia.track(service="open"))


def _steps_of_a_coroutine() -> None:
    task = _await()
    with contextlib.suppress(StopIteration):
        while True:
            task.send(None)


FORMS: dict[str, Callable[[], object]] = {
    "call": _call,
    "call of a run": _call_of_run,
    "nested call": _nested_call,
    "block": _block,
    "nested block": _nested_block,
    "open block": _open_block,
    "generator": lambda: list(_generate()),
    "coroutine": _steps_of_a_coroutine,
}


def at_each_clock_read(
    monkeypatch: pytest.MonkeyPatch, form: Callable[[], object], handle: Callable[[], object]
) -> Iterator[None]:
    """Run a form repeatedly, and call a signal handler after its first clock read, then after its second one, and so on."""
    left = [-1]

    def handled(clock: Callable[[], int]) -> Callable[[], int]:
        def read() -> int:
            now_ns = clock()
            left[0] -= 1
            if left[0] == 0:
                handle()
            return now_ns

        return read

    for module in (tracking, wrapping, steps, switching):
        for clock in (time.perf_counter_ns, time.thread_time_ns):
            if hasattr(module, clock.__name__):
                monkeypatch.setattr(module, clock.__name__, handled(clock))
    form()  # so that the thread's first span is over
    reads = 0
    while left[0] <= 0:
        reads += 1
        left[0] = reads
        with contextlib.suppress(Interrupt):
            form()
        if left[0] <= 0:
            yield
    assert reads > 4


@pytest.mark.filterwarnings("ignore:coroutine '_await' was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("form", FORMS)
def test_an_exception_of_a_signal_handler_leaves_no_span_behind(
    engine: QuietEngine, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    def interrupt() -> None:
        raise Interrupt

    began_ns = time.perf_counter_ns()
    for _ in at_each_clock_read(monkeypatch, FORMS[form], interrupt):
        engine.assert_settled()
        assert switching.in_context.get() is None
        assert switching.innermost() is None
    assert sum(state.cover_ns for state in engine.threads) <= time.perf_counter_ns() - began_ns


@pytest.mark.parametrize("form", FORMS)
def test_a_signal_handler_that_uses_spans_disturbs_none(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    handled = 0

    @ecoia.track(service="handler")
    def handle() -> None:
        nonlocal handled
        handled += 1

    for _ in at_each_clock_read(monkeypatch, FORMS[form], handle):
        engine.assert_settled()
    assert engine.spans("handler") == handled >= 4


def test_what_a_step_used_survives_a_signal_handler_at_its_end(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    @ecoia.track(service="handler")
    def handle() -> None:
        burn(1)

    clock = time.thread_time_ns

    def read() -> int:
        now_ns = clock()
        if armed:
            armed.clear()
            handle()
        return now_ns

    armed: list[bool] = []
    monkeypatch.setattr(wrapping, "thread_time_ns", read)
    monkeypatch.setattr(steps, "thread_time_ns", read)

    @ecoia.track(service="coroutine")
    async def work() -> None:
        burn(20)
        armed.append(True)

    @ecoia.track(service="generator")
    def generate() -> Iterator[None]:
        burn(20)
        armed.append(True)
        yield

    asyncio.run(work())
    list(generate())
    for service in ("coroutine", "generator"):
        assert engine.cpu_ns(service) >= 15 * MILLISECOND
