"""A span is charged for the work that it hands to thread pools (executors, asyncio, anyio), and a sleeping one for nothing.

CPU time is burnt in exact amounts by the clock of the thread that does the work.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.to_thread
import pytest

import ecoia
from ecoia.instrument.spans import Span
from ecoia.instrument.start import StartReadings
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from support.quiet_engine import MILLISECOND, SLACK_NS, QuietEngine, assert_about, burn


async def by_run_in_executor(function: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


async def by_own_executor(function: Callable[..., Any], *args: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, function, *args)


WAYS: dict[str, Callable[..., Awaitable[Any]]] = {
    "run_in_executor": by_run_in_executor,
    "an executor of one's own": by_own_executor,
    "to_thread": asyncio.to_thread,
    "anyio": anyio.to_thread.run_sync,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ["decorator", "block"])
def test_work_handed_to_a_thread_by_a_task_is_charged_to_its_span(engine: QuietEngine, way: str, form: str) -> None:
    hand_over = WAYS[way]

    async def body() -> str | None:
        return await hand_over(work, 20)

    def work(milliseconds: float) -> str | None:
        burn(milliseconds)
        ecoia.current().units(1)
        return ecoia.current().service

    async def in_block() -> str | None:
        with ecoia.track(service="handler"):
            return await body()

    handler = ecoia.track(service="handler")(body) if form == "decorator" else in_block

    @ecoia.track(service="sleeper")
    async def sleep(until: asyncio.Event) -> None:
        await until.wait()

    async def main() -> list[str | None]:
        ended = asyncio.Event()
        sleeper = asyncio.create_task(sleep(ended))
        answers = [await handler() for _ in range(5)]
        ended.set()
        await sleeper
        return answers

    assert asyncio.run(main()) == ["handler"] * 5
    assert_about(engine.cpu_ns("handler"), 100)
    assert engine.cpu_ns("sleeper") < SLACK_NS  # its own two steps, and nothing of the handler's 100 ms
    assert (engine.spans("handler"), engine.spans("sleeper")) == (5, 1)
    assert sum(counters.units_micro for counters in engine.every("handler")) == 5 * 10**6
    engine.assert_settled()


def test_work_submitted_by_a_call_is_its_own_even_after_it_has_ended(engine: QuietEngine) -> None:
    go = threading.Event()

    def work() -> None:
        assert go.wait(30)
        burn(10)

    with ThreadPoolExecutor(2) as pool:

        @ecoia.track(service="submitter")
        def submit() -> list[Any]:
            return [pool.submit(work), pool.submit(work)]

        futures = submit()
        go.set()
        for future in futures:
            future.result()
    assert_about(engine.cpu_ns("submitter"), 20)
    assert engine.spans("submitter") == 1
    engine.assert_settled()


def test_work_that_hands_itself_on_for_ever_keeps_nothing(engine: QuietEngine) -> None:
    done = threading.Event()
    alive: list[int] = []

    def again(left: int) -> None:
        if left % 500 == 0:
            alive.append(sum(isinstance(thing, Span) for thing in gc.get_objects()))
        if left:
            pool.submit(again, left - 1)
        else:
            done.set()

    gc.collect()  # the garbage of earlier tests
    with ThreadPoolExecutor(1) as pool:
        with ecoia.track(service="a"):
            pool.submit(again, 500)
        assert done.wait(30)
    assert alive[-1] - alive[0] < 50
    engine.assert_settled()


def test_spans_inside_handed_over_work_are_exclusive_and_inside(engine: QuietEngine) -> None:
    @ecoia.track(service="inner", phase="training")
    def inner() -> None:
        burn(10)

    def work() -> None:
        burn(5)
        inner()
        burn(5)

    with ThreadPoolExecutor(1) as pool, ecoia.track(service="outer", phase="training"):
        pool.submit(work).result()
    assert_about(engine.cpu_ns("outer"), 10)
    assert_about(engine.cpu_ns("inner"), 10)
    assert sum(counters.ended for counters in engine.every("inner")) == 0  # not outermost
    assert sum(counters.ended for counters in engine.every("outer")) == 1


def test_what_is_handed_over_runs_as_it_would(engine: QuietEngine) -> None:
    """Result, exception, arguments (of any names) and the context that the host chose stay as they are."""
    variable: ContextVar[str] = ContextVar("variable", default="the pool's")

    def work(span: int, *, function: int, self: int) -> tuple[int, int, int, str]:
        return span, function, self, variable.get()

    def fail() -> None:
        raise KeyError("mine")

    with ThreadPoolExecutor(1) as pool, ecoia.track(service="a"):
        variable.set("the host's")
        assert pool.submit(work, 1, function=2, self=3).result() == (1, 2, 3, "the pool's")
        with pytest.raises(KeyError, match="mine"):
            pool.submit(fail).result()
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: ecoia.current().service).result() is None  # no span, so nothing is handed on
    engine.assert_settled()


def test_threads_of_a_pool_are_in_the_readings_while_they_work(engine: QuietEngine) -> None:
    """Otherwise their CPU time would be part of the residual, which is split among all spans."""
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    middle, go = threading.Event(), threading.Event()

    def work() -> None:
        burn(10)
        middle.set()
        assert go.wait(30)
        burn(10)

    with ThreadPoolExecutor(1) as pool, ecoia.track(service="a"):
        future = pool.submit(work)
        assert middle.wait(30)
        first = subject.look(time.perf_counter_ns())
        go.set()
        future.result()
    second = subject.look(time.perf_counter_ns())
    cpu = [sum(delta.cpu_ns for delta in look.deltas.values()) for look in (first, second)]
    assert all(abs(amount - 10 * MILLISECOND) < 4 * MILLISECOND for amount in cpu)
    assert first.coverage > 0.9
