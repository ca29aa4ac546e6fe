"""``ecoia.track`` on generators: each pays for its own steps, and answers as it would without.

CPU time is burnt in exact amounts (by the thread's own clock) and read from the counters, so no test depends on the
machine's speed or load.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import types
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import ecoia
from ecoia.instrument.start import StartReadings
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from support.quiet_engine import MILLISECOND, SLACK_NS, QuietEngine, assert_about, burn

# --- generators -------------------------------------------------------------------------------------------------


def test_a_generator_pays_for_its_steps_only(engine: QuietEngine) -> None:
    @ecoia.track(service="generator")
    def produce() -> Iterator[int]:
        for number in range(5):
            burn(2)
            yield number

    with ecoia.track(service="consumer"):
        for _ in produce():
            burn(6)
    assert_about(engine.cpu_ns("generator"), 10)
    assert_about(engine.cpu_ns("consumer"), 30)
    engine.assert_settled()


def test_generators_answer_as_before(engine: QuietEngine) -> None:
    log: list[Any] = []

    def talk(first: str) -> Any:
        try:
            heard = yield first
            while heard != "stop":
                try:
                    heard = yield f"heard {heard}"
                except KeyError as error:
                    log.append(error)
                    heard = yield "caught"
            return "result"
        finally:
            log.append("closed")

    def conversation(make: Callable[[str], Any]) -> list[Any]:
        said: list[Any] = []
        talker = make("hello")
        said += [next(talker), talker.send("one"), talker.throw(KeyError("k")), talker.send("two")]
        try:
            talker.send("stop")
        except StopIteration as stop:
            said.append(stop.value)
        other = make("again")
        next(other)
        other.close()
        with pytest.raises(ValueError, match="out"):
            (third := make("x"), next(third), third.throw(ValueError("out")))
        never_started = make("never")
        never_started.close()
        return said

    plain = conversation(talk)
    plain_log, log = [repr(entry) for entry in log], []
    assert conversation(ecoia.track(service="talk")(talk)) == plain
    assert [repr(entry) for entry in log] == plain_log
    assert engine.spans("talk") == 3  # the one that never started did nothing
    engine.assert_settled()


def test_closing_a_generator_is_no_failure(engine: QuietEngine) -> None:
    @ecoia.track(service="endless", phase="training")
    def endless() -> Iterator[int]:
        while True:
            yield 1

    for _ in endless():
        break
    gc.collect()
    (counters,) = engine.every("endless")
    assert counters.spans == 1
    assert not counters.last_failed


def test_units_of_a_generator_are_counted_on_what_it_returns(engine: QuietEngine) -> None:
    @ecoia.track(service="counted", units=len)
    def produce() -> Any:
        yield 1
        return [1, 2, 3]

    list(produce())
    assert sum(counters.units_micro for counters in engine.every("counted")) == 3 * 10**6


@pytest.mark.parametrize("service", ["stream", "inside"])
def test_a_generator_that_changes_threads_is_charged_once(engine: QuietEngine, service: str) -> None:
    """A web framework streams each step in another worker thread. Its CPU time belongs to it, and not also to 'outside'."""

    def produce() -> Iterator[int]:
        for number in range(6):
            burn(3)
            yield number

    @ecoia.track(service="stream")
    def produce_inside() -> Iterator[int]:
        with ecoia.track(service="inside"):
            yield from produce()

    streaming = produce_inside if service == "inside" else ecoia.track(service="stream")(produce)

    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    stream = streaming()
    seen, threads = [], []

    def one_step() -> None:
        threads.append(threading.get_ident())
        seen.append(next(stream, None))

    keep_alive = threading.Event()
    runners = []
    for _ in range(7):
        done = threading.Event()

        def run(done: threading.Event = done) -> None:
            one_step()
            done.set()
            keep_alive.wait(30)  # so that each step runs in its own thread

        runners.append(threading.Thread(target=run))
        runners[-1].start()
        assert done.wait(30)
    look = subject.look(time.perf_counter_ns())
    keep_alive.set()
    for runner in runners:
        runner.join()
    assert seen == [0, 1, 2, 3, 4, 5, None]
    assert len(set(threads)) == 7
    assert_about(engine.cpu_ns(service), 18)
    assert_about(sum(delta.cpu_ns for delta in look.deltas.values()), 18)
    assert look.outside_cpu_ns < 5 * MILLISECOND
    assert engine.spans("stream") == engine.spans(service) == 1
    engine.assert_settled()


def test_a_block_left_on_another_thread_ends_there(engine: QuietEngine) -> None:
    """A plain generator with a block, run step by step by a pool whose threads are in spans of their own: those continue."""

    def stream() -> Iterator[int]:
        with ecoia.track(service="stream"):
            yield 1
            yield 2

    generator = stream()
    first = threading.Thread(target=contextvars.copy_context().run, args=(next, generator))
    first.start()
    first.join()
    with ecoia.track(service="request"):
        assert list(generator) == [2]
        assert ecoia.current().service == "request"
        assert engine.spans("stream") == 1
        assert engine.spans("request") == 0
    assert engine.spans("request") == 1
    assert list(engine.lost) == ["moved-between-threads"]
    engine.assert_settled()


def test_async_generators_answer_as_before(engine: QuietEngine) -> None:
    log: list[Any] = []

    async def talk(first: str) -> Any:
        try:
            heard = yield first
            while heard != "stop":
                await asyncio.sleep(0)
                try:
                    heard = yield f"heard {heard}"
                except KeyError as error:
                    log.append(repr(error))
                    heard = yield "caught"
        finally:
            await asyncio.sleep(0)
            log.append("closed")

    async def conversation(make: Callable[[str], Any]) -> list[Any]:
        said: list[Any] = []
        talker = make("hello")
        said += [await anext(talker), await talker.asend("one"), await talker.athrow(KeyError("k")), await talker.asend("two")]
        with pytest.raises(StopAsyncIteration):
            await talker.asend("stop")
        other = make("again")
        await anext(other)
        await other.aclose()
        third = make("x")
        await anext(third)
        with pytest.raises(ValueError, match="out"):
            await third.athrow(ValueError("out"))
        async for item in (left := make("left")):
            said.append(item)
            break
        await left.aclose()
        await make("never").aclose()
        return said

    plain = asyncio.run(conversation(talk))
    plain_log, log = log, []
    assert asyncio.run(conversation(ecoia.track(service="talk")(talk))) == plain
    assert log == plain_log
    assert engine.spans("talk") == 4
    engine.assert_settled()


def test_an_async_generator_pays_for_its_steps_only(engine: QuietEngine) -> None:
    @ecoia.track(service="generator")
    async def produce() -> AsyncIterator[int]:
        with ecoia.track(service="inside") as inside:
            for number in range(5):
                burn(2)
                await asyncio.sleep(0)
                assert ecoia.current() is inside
                yield number

    async def consume() -> None:
        with ecoia.track(service="consumer") as consumer:
            async for _ in produce():
                assert ecoia.current() is consumer
                burn(6)

    asyncio.run(consume())
    assert_about(engine.cpu_ns("inside"), 10)
    assert_about(engine.cpu_ns("consumer"), 30)
    assert engine.cpu_ns("generator") < SLACK_NS
    engine.assert_settled()


def test_an_async_generator_left_open_is_closed_by_the_loop_in_silence(engine: QuietEngine) -> None:
    """At its end, the loop closes the generators that it knows. The wrapped generator must not be closed twice at once."""
    closed = []
    complaints: list[dict[str, Any]] = []

    @ecoia.track(service="left-open")
    async def produce() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.001)
            closed.append(True)

    async def main() -> list[Any]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        kept = [produce() for _ in range(4)]
        for generator in kept:
            await anext(generator)
        return kept  # alive until the loop ends

    kept = asyncio.run(main())
    assert complaints == []
    assert len(closed) == len(kept) == 4
    assert engine.spans("left-open") == 4
    engine.assert_settled()


def test_wrong_arguments_leave_no_span_open(engine: QuietEngine) -> None:
    async def coroutine(one: int) -> int:
        return one

    async def async_generator(one: int) -> AsyncIterator[int]:
        yield one

    def generator(one: int) -> Iterator[int]:
        yield one

    track = ecoia.track(service="a")
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        asyncio.run(track(coroutine)())
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        list(track(generator)())

    async def iterate() -> None:
        async for _ in track(async_generator)():
            pass

    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        asyncio.run(iterate())
    engine.assert_settled()


def test_a_generator_based_coroutine_stays_awaitable(engine: QuietEngine) -> None:
    @ecoia.track(service="old-style")
    @types.coroutine
    def pause() -> Any:
        yield
        return "back"

    async def main() -> str:
        return await pause()

    assert asyncio.run(main()) == "back"
    assert engine.spans("old-style") == 1
