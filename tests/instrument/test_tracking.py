"""``ecoia.track`` on real threads, tasks and generators: which span is charged, and that measured code notices nothing.

CPU time is burnt in exact amounts (by the thread's own clock) and read from the counters, so no test depends on the
machine's speed or load.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import json
import os
import pickle
import random
import sys
import threading
import time
import traceback
import types
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecoia
from ecoia.errors import UsageError
from ecoia.instrument import engine as engine_module
from ecoia.instrument import steps, switching, tracking, wrapping
from ecoia.instrument.labels import MOST_LABELS
from ecoia.instrument.spans import ThreadState
from ecoia.instrument.start import StartReadings
from ecoia.keeping.journal import Journal
from ecoia.measuring.subject import Delta, RecordKey
from ecoia.measuring.this_process import ThisProcess
from ecoia.semconv import ENDPOINT_OTHERS, PHASE_UNSPECIFIED, SERVICE_UNSPECIFIED
from ecoia.settings import load as load_settings
from support.programs import recorded, run_python, spans_of
from support.quiet_engine import MILLISECOND, SLACK_NS, QuietEngine, assert_about, burn, quiet

# --- who is charged ---------------------------------------------------------------------------------------------


def test_a_nested_span_covers_its_parent(engine: QuietEngine) -> None:
    with ecoia.track(service="outer"):
        burn(10)
        with ecoia.track(service="inner"):
            burn(30)
        burn(10)
    assert_about(engine.cpu_ns("outer"), 20)
    assert_about(engine.cpu_ns("inner"), 30)
    engine.assert_settled()


def test_what_runs_outside_spans_is_nobodys(engine: QuietEngine) -> None:
    measured = ecoia.track(service="a")(burn)
    measured(5)
    burn(30)
    measured(5)
    assert_about(engine.cpu_ns("a"), 10)


def test_recursion_counts_every_call_and_its_time_once(engine: QuietEngine) -> None:
    @ecoia.track(service="deep", phase="training")
    def descend(depth: int) -> int:
        burn(1)
        return 0 if depth == 0 else 1 + descend(depth - 1)

    assert descend(19) == 19
    assert engine.spans("deep") == 20
    assert_about(engine.cpu_ns("deep"), 20)
    assert sum(counters.ended for counters in engine.every("deep")) == 1  # one of them was outermost
    engine.assert_settled()


def test_what_is_said_of_a_call_after_its_end_is_still_its_services(engine: QuietEngine) -> None:
    """Spans of calls are reused. A span that was kept still belongs to the same service, never to another one."""
    kept: list[Any] = []

    @ecoia.track(service="kept")
    def keep() -> None:
        kept.append(ecoia.current())

    @ecoia.track(service="other")
    def other() -> None:
        kept[-1].units(2)

    for _ in range(3):
        keep()
        other()
    assert sum(counters.units_micro for counters in engine.every("kept")) == 6 * 10**6
    assert sum(counters.units_micro for counters in engine.every("other")) == 0
    assert (engine.spans("kept"), engine.spans("other")) == (3, 3)
    engine.assert_settled()


def test_running_out_of_stack_leaves_nothing_behind(engine: QuietEngine) -> None:
    @ecoia.track(service="bottomless")
    def fall() -> None:
        fall()

    with pytest.raises(RecursionError):
        fall()
    engine.assert_settled()


def test_eight_threads_of_25_spans_are_200_spans(engine: QuietEngine) -> None:
    start = threading.Barrier(8)

    @ecoia.track(service="threaded")
    def work() -> None:
        burn(0.4)

    def loop() -> None:
        start.wait()
        for _ in range(25):
            work()

    threads = [threading.Thread(target=loop) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert engine.spans("threaded") == 200
    assert engine.cpu_ns("threaded") >= 200 * 0.4 * MILLISECOND
    engine.assert_settled()


def test_one_object_is_re_entrant_across_threads(engine: QuietEngine) -> None:
    """200 starts and stops of one shared object, in flight together and in any order."""
    shared = ecoia.track(service="shared")

    def nest(seed: int) -> None:
        chance = random.Random(seed)
        with shared as outer, ecoia.track(service="between"), shared as inner:
            assert outer is not inner
            assert ecoia.current() is inner
            inner.units(1)
            time.sleep(chance.random() / 100)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(nest, range(100)))
    assert engine.spans("shared") == 200
    assert engine.spans("between") == 100
    assert sum(counters.units_micro for counters in engine.every("shared")) == 100 * 10**6
    assert not engine.lost
    assert not shared._entered
    engine.assert_settled()


@pytest.mark.parametrize("switch_seconds", [1e-6, 5e-3])
def test_threads_that_share_an_object_never_take_one_anothers_blocks(engine: QuietEngine, switch_seconds: float) -> None:
    shared = ecoia.track(service="shared")

    def loop(repeats: int) -> None:
        for _ in range(repeats):
            with shared, shared as span:
                span.units(1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(switch_seconds)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(loop, [1000] * 8))
    finally:
        sys.setswitchinterval(before)
    assert engine.spans("shared") == 16_000
    assert sum(counters.units_micro for counters in engine.every("shared")) == 8000 * 10**6
    assert not engine.lost
    engine.assert_settled()


def test_greenlets_that_interleave_on_one_thread_leave_nothing_behind(engine: QuietEngine) -> None:
    """Each greenlet has its own stack, so calls and steps end in any order, and which span is charged is left to chance."""
    greenlet = pytest.importorskip("greenlet")
    main = greenlet.getcurrent()

    @ecoia.track(service="call")
    def call(deeper: int) -> None:
        main.switch()
        if deeper:
            call(deeper - 1)
        main.switch()

    def block() -> None:
        with ecoia.track(service="block"):
            call(1)

    @ecoia.track(service="generator")
    def generate() -> Iterator[None]:
        yield
        main.switch()
        yield

    def consume() -> None:
        for _ in generate():
            main.switch()

    chance = random.Random(1)
    alive = [greenlet.greenlet(body) for body in (lambda: call(2), block, consume) for _ in range(40)]
    while alive:
        one = chance.choice(alive)
        one.switch()
        if one.dead:
            alive.remove(one)
    assert {name: engine.spans(name) for name in ("call", "block", "generator")} == {"call": 200, "block": 40, "generator": 40}
    engine.assert_settled()


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


def test_threads_that_are_first_together_start_one_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two samplers would count everything twice."""
    started = []

    class SlowEngine(QuietEngine):
        def _start_background(self) -> None:
            started.append(threading.get_ident())
            time.sleep(0.05)  # the readings at the start let other threads run
            self.background = object()  # type: ignore[assignment]

    slow = SlowEngine()
    monkeypatch.setattr("ecoia.instrument.tracking.engine", slow)
    start = threading.Barrier(8)

    def first() -> None:
        start.wait()
        with ecoia.track(service="a"):
            pass

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(started) == 1
    assert slow.spans("a") == 8


# --- coroutines -------------------------------------------------------------------------------------------------


def test_a_sleeper_pays_nothing_for_who_computes_meanwhile(engine: QuietEngine) -> None:
    @ecoia.track(service="sleeper")
    async def sleep() -> None:
        for _ in range(20):
            await asyncio.sleep(0.001)

    @ecoia.track(service="worker")
    async def work() -> None:
        for _ in range(40):
            burn(5)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(sleep(), work())

    asyncio.run(main())
    assert_about(engine.cpu_ns("worker"), 200)
    assert engine.cpu_ns("sleeper") < 20 * MILLISECOND  # its own twenty steps, and nothing of the worker's 200 ms
    engine.assert_settled()


def test_many_coroutines_at_once(engine: QuietEngine) -> None:
    @ecoia.track(service="many", units=1)
    async def one(number: int) -> int:
        await asyncio.sleep(0.001 * (number % 3))
        burn(0.1)
        await asyncio.sleep(0)
        return number * 2

    async def main() -> list[int]:
        return await asyncio.gather(*(one(number) for number in range(200)))

    assert asyncio.run(main()) == [number * 2 for number in range(200)]
    assert engine.spans("many") == 200
    assert sum(counters.units_micro for counters in engine.every("many")) == 200 * 10**6
    engine.assert_settled()


def test_a_block_inside_a_decorated_coroutine_sleeps_with_it(engine: QuietEngine) -> None:
    """While the task waits, neither its span nor the block open in it is charged; then the block is innermost again."""

    @ecoia.track(service="task")
    async def task() -> None:
        with ecoia.track(service="block") as block:
            await asyncio.sleep(0)
            assert ecoia.current() is block
            burn(10)
            await asyncio.sleep(0.005)
            assert ecoia.current() is block
        assert ecoia.current().service == "task"
        burn(5)

    @ecoia.track(service="other")
    async def other() -> None:
        for _ in range(10):
            burn(5)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(task(), other())

    asyncio.run(main())
    assert_about(engine.cpu_ns("block"), 10)
    assert_about(engine.cpu_ns("task"), 5)
    assert_about(engine.cpu_ns("other"), 50)
    assert engine.spans("task") == engine.spans("block") == 1
    engine.assert_settled()


def test_nested_coroutines_are_exclusive(engine: QuietEngine) -> None:
    @ecoia.track(service="inner", phase="training")
    async def inner() -> str:
        await asyncio.sleep(0)
        burn(10)
        return "answer"

    @ecoia.track(service="outer", phase="training")
    async def outer() -> str:
        burn(5)
        answer = await inner()
        burn(5)
        return answer

    assert asyncio.run(outer()) == "answer"
    assert_about(engine.cpu_ns("outer"), 10)
    assert_about(engine.cpu_ns("inner"), 10)
    assert sum(counters.ended for counters in engine.every("inner")) == 0  # not outermost
    assert sum(counters.ended for counters in engine.every("outer")) == 1


def test_cancelling_reaches_the_code_and_counts_as_failed(engine: QuietEngine) -> None:
    seen = []

    @ecoia.track(service="cancelled", phase="training")
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(ecoia.current().service)
            raise

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert seen == ["cancelled"]
    (counters,) = engine.every("cancelled")
    assert counters.last_failed
    engine.assert_settled()


@given(st.lists(st.integers(0, 4), max_size=24), st.sets(st.integers(0, 4)))
def test_blocks_that_interleave_on_one_loop_each_end_themselves(order: list[int], abandoned: set[int]) -> None:
    """Blocks around awaits, in tasks that resume in any order: each ends once, and nothing stays on the thread."""
    with pytest.MonkeyPatch.context() as patch:
        engine = quiet(patch)

        @types.coroutine
        def pause() -> Any:
            yield

        async def task(name: str) -> None:
            with ecoia.track(service=name) as first:
                await pause()
                async with ecoia.track(service=name) as second:
                    await pause()
                    assert ecoia.current() is second
                    await pause()
                await pause()
                assert ecoia.current() is first

        # Each task has a context of its own, as in an event loop.
        running = {index: (contextvars.copy_context(), task(f"task-{index}")) for index in range(5)}

        def step(index: int) -> None:
            if index in running:
                context, coroutine = running[index]
                try:
                    context.run(coroutine.send, None)
                except StopIteration:
                    del running[index]

        for index in order:
            step(index)
        for index in abandoned & set(running):
            running.pop(index)[1].close()  # in this context, not in the task's
        while running:
            step(next(iter(running)))
        for index in set(range(5)) - abandoned:
            assert engine.spans(f"task-{index}") == 2
        engine.assert_settled()
        assert switching.in_context.get() is None


def test_generators_with_blocks_that_interleave_in_one_context(engine: QuietEngine) -> None:
    """Blocks that do not nest: each ends its own span, and the innermost one stays the innermost."""

    def hold(name: str) -> Iterator[None]:
        with ecoia.track(service=name) as span:
            yield
            span.units(1)

    first, second = hold("first"), hold("second")
    next(first)
    next(second)
    list(first)
    assert engine.spans("first") == 1
    assert engine.spans("second") == 0
    assert ecoia.current().service == "second"
    list(second)
    assert engine.spans("second") == 1
    assert ecoia.current().service is None
    engine.assert_settled()


def test_a_task_that_outlives_its_maker_is_outermost_itself(engine: QuietEngine) -> None:
    """Otherwise its failure would never be recorded, and each task made in a task would keep its ancestors for ever."""

    async def background() -> Any:
        await asyncio.sleep(0.001)
        with ecoia.track(service="child", phase="training") as span:
            return span.parent

    async def main() -> Any:
        with ecoia.track(service="maker"):
            task = asyncio.create_task(background())
        return await task

    assert asyncio.run(main()) is None
    assert sum(counters.ended for counters in engine.every("child")) == 1


def test_a_task_that_outlives_the_block_above_it_charges_it_no_more(engine: QuietEngine) -> None:
    async def outlive(entered: asyncio.Event, left: asyncio.Event) -> None:
        with ecoia.track(service="task"):
            entered.set()
            await left.wait()
        burn(10)  # in no block

    async def main() -> None:
        entered, left = asyncio.Event(), asyncio.Event()
        with ecoia.track(service="maker"):
            task = asyncio.create_task(outlive(entered, left))
            await entered.wait()
        left.set()
        await task

    asyncio.run(main())
    assert engine.cpu_ns("maker") < 5 * MILLISECOND
    assert engine.cpu_ns("task") < 5 * MILLISECOND
    engine.assert_settled()


def test_work_handed_to_a_thread_knows_its_span(engine: QuietEngine) -> None:
    def count() -> str | None:
        ecoia.current().units(3)
        return ecoia.current().service

    async def main() -> str | None:
        with ecoia.track(service="handler"):
            return await asyncio.to_thread(count)

    assert asyncio.run(main()) == "handler"
    assert sum(counters.units_micro for counters in engine.every("handler")) == 3 * 10**6


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


# --- exceptions ---------------------------------------------------------------------------------------------------


class Custom(BaseException):
    pass


@pytest.mark.parametrize(
    "error", [ValueError("v"), KeyboardInterrupt(), SystemExit(3), StopIteration(7), Custom(), GeneratorExit()]
)
@pytest.mark.parametrize("kind", ["function", "coroutine", "generator", "async generator", "with", "async with"])
def test_exceptions_come_out_as_they_are(engine: QuietEngine, kind: str, error: BaseException) -> None:
    def raise_it() -> None:
        raise error

    def function() -> None:
        raise_it()

    async def coroutine() -> None:
        raise_it()

    def generator() -> Iterator[int]:
        yield 1
        raise_it()

    async def async_generator() -> AsyncIterator[int]:
        yield 1
        raise_it()

    def run(track: Callable[[Any], Any]) -> None:
        if kind == "function":
            track(function)()
        elif kind == "generator":
            list(track(generator)())
        elif kind == "with":
            with ecoia.track(service="a", phase="training"):
                raise_it()
        else:

            async def main() -> None:
                if kind == "coroutine":
                    await track(coroutine)()
                elif kind == "async generator":
                    async for _ in track(async_generator)():
                        pass
                else:
                    async with ecoia.track(service="a", phase="training"):
                        raise_it()

            main_coroutine = main()
            try:
                main_coroutine.send(None)
            finally:
                main_coroutine.close()

    def outcome(track: Callable[[Any], Any]) -> BaseException:
        error.__traceback__ = error.__context__ = None
        try:
            run(track)
        except BaseException as caught:  # noqa: BLE001 - compared below
            return caught
        raise AssertionError("nothing was raised")

    bare = outcome(lambda function: function)
    bare_cause = bare.__cause__
    measured = outcome(ecoia.track(service="a", phase="training"))
    assert type(measured) is type(bare)
    if bare is error:
        assert measured is error  # the same object
    else:  # Python turns a StopIteration in a generator into a RuntimeError
        assert measured.__cause__ is bare_cause is error
    innermost = traceback.extract_tb(error.__traceback__)[-1]
    assert innermost.name == "raise_it"
    engine.assert_settled()
    for counters in engine.every("a"):
        assert counters.last_failed or isinstance(error, GeneratorExit)


def test_a_handed_on_exception_is_not_kept_alive(engine: QuietEngine) -> None:
    """No cycle goes through ecoia's frames, so an exception that the host drops is freed at once."""

    class Big(Exception):  # noqa: N818 - no error
        pass

    @ecoia.track(service="a")
    def generator() -> Iterator[int]:
        yield 1

    gc.disable()
    try:
        steps = generator()
        next(steps)
        error = Big()
        gone = weakref.ref(error)
        with contextlib.suppress(Big):
            steps.throw(error)
        del error, steps
        assert gone() is None
    finally:
        gc.enable()


# --- what a decorated thing looks like --------------------------------------------------------------------------------


async def _coroutine(a: int, *, b: str = "x") -> str:
    """Doc."""
    return f"{a}{b}"


def _generator(a: int) -> Iterator[int]:
    yield a


async def _async_generator(a: int) -> AsyncIterator[int]:
    yield a


@ecoia.track(service="module-level")
def module_level(a: int, b: int = 2, *rest: int, c: float = 3.0) -> float:
    """A documented function."""
    return a + b + sum(rest) + c


@pytest.mark.parametrize("function", [_coroutine, _generator, _async_generator, burn])
def test_signature_kind_and_name_are_kept(engine: QuietEngine, function: Callable[..., Any]) -> None:
    measured = ecoia.track(service="a")(function)
    assert inspect.signature(measured) == inspect.signature(function)
    for question in (
        inspect.iscoroutinefunction,
        asyncio.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
    ):
        assert question(measured) == question(function)
    assert (measured.__name__, measured.__doc__, measured.__module__) == (
        function.__name__,
        function.__doc__,
        function.__module__,
    )


def test_defaults_are_kept(engine: QuietEngine) -> None:
    def function(a: int, b: int = 2, /, *, c: int = 3) -> tuple[int, int, int]:
        return a, b, c

    measured = ecoia.track(service="a")(function)
    assert measured.__defaults__ == function.__defaults__ == (2,)
    assert measured.__kwdefaults__ == function.__kwdefaults__ == {"c": 3}
    assert inspect.getfullargspec(measured).varargs == "args", "its own code, which takes anything"
    assert (measured(1), measured(1, 4, c=5)) == ((1, 2, 3), (1, 4, 5))
    assert ecoia.track(service="a")(len).__defaults__ is None


def test_a_decorated_function_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(module_level)) is module_level  # noqa: S301 - our own bytes


def test_methods_of_every_kind(engine: QuietEngine) -> None:
    class Model:
        name = "model"

        @ecoia.track(service="a")
        def method(self, number: int) -> tuple[str, int]:
            return self.name, number

        @ecoia.track(service="a")
        @classmethod
        def outer_class(cls, number: int) -> tuple[type, int]:
            return cls, number

        @classmethod
        @ecoia.track(service="a")
        def inner_class(cls, number: int) -> tuple[type, int]:
            return cls, number

        @ecoia.track(service="a")
        @staticmethod
        def outer_static(number: int) -> int:
            return number

        @staticmethod
        @ecoia.track(service="a")
        def inner_static(number: int) -> int:
            return number

        @property
        @ecoia.track(service="a")
        def value(self) -> int:
            return 5

    class Child(Model):
        pass

    child = Child()
    assert child.method(1) == ("model", 1)
    assert child.outer_class(2) == Child.outer_class(2) == (Child, 2)
    assert child.inner_class(3) == (Child, 3)
    assert child.outer_static(4) == Child.outer_static(4) == child.inner_static(4) == 4
    assert child.value == 5
    assert ecoia.track(service="a")(child.method)(6) == ("model", 6)
    assert engine.spans("a") == 9 + 1  # the bound method is measured twice: as the method and as itself


def test_callables_that_are_not_functions(engine: QuietEngine) -> None:
    class Base:
        async def __call__(self, number: int) -> int:
            return number

    class Callable_(Base):  # noqa: N801 - inherits its __call__
        pass

    track = ecoia.track(service="a")
    assert track(functools.partial(module_level, 1))(1) == 5
    assert track(functools.partial(functools.partial(module_level, 1), 1))() == 5
    assert asyncio.run(track(Callable_())(3)) == 3
    assert asyncio.run(track(functools.partial(_coroutine, 1))(b="y")) == "1y"
    assert track(len)([1, 2]) == 2
    assert track(functools.lru_cache(burn))(0.1) is None
    from unittest.mock import Mock

    assert track(Mock(return_value=8))() == 8  # has every attribute
    assert engine.spans("a") == 7


def test_a_callable_object_keeps_its_methods(engine: QuietEngine) -> None:
    @ecoia.track(service="a")
    @functools.lru_cache
    def square(number: int) -> int:
        return number * number

    assert [square(3), square(3)] == [9, 9]
    assert square.cache_info().hits == 1
    square.cache_clear()
    assert square.cache_info().currsize == 0


@pytest.mark.parametrize("thing", [dict, object(), 3, "text", None, property(lambda self: 1)])
def test_what_cannot_be_called_is_refused(thing: Any) -> None:
    with pytest.raises(UsageError, match=r"decorates functions and methods.*decorate its methods"):
        ecoia.track(service="a")(thing)


@pytest.mark.parametrize("thing", [burn, dict, len, functools.partial(burn), property(burn), staticmethod(burn)])
def test_a_decorator_without_parentheses_is_refused_where_it_is_written(thing: Any) -> None:
    with pytest.raises(UsageError, match=r"write @ecoia.track\(\) above"):
        ecoia.track(thing)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_results_are_the_same_object(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        quiet(patch)
        assert ecoia.track(service="a")(lambda: value)() is value


# --- illegal values ---------------------------------------------------------------------------------------------------


def test_a_slip_in_a_literal_raises_where_it_is_written() -> None:
    with pytest.raises(UsageError, match=r"'Vadore'.*lower-case"):

        @ecoia.track(service="Vadore")
        def one() -> None: ...

    with pytest.raises(UsageError, match=r"'trainning'.*data-preparation, training"):

        @ecoia.track(service="vadore", phase="trainning")
        def two() -> None: ...

    with pytest.raises(UsageError, match="units = 'three'"), ecoia.track(service="vadore", units="three"):  # type: ignore[arg-type]
        pass
    with pytest.raises(UsageError, match="endpoint = ''"), ecoia.track(service="vadore", endpoint=""):
        pass


@pytest.mark.parametrize(
    ("arguments", "cause", "service", "phase"),
    [
        ({"service": "Été Vert"}, "invalid-service", "t-vert", "inference"),
        ({"service": ""}, "invalid-service", "unnamed", "inference"),
        ({"service": 12}, "invalid-service", "12", "inference"),
        ({"service": "x" * 64}, "invalid-service", "x" * 63, "inference"),
        ({"service": "a", "phase": "Training"}, "invalid-phase", "a", PHASE_UNSPECIFIED),
        ({"service": "a", "phase": ["training"]}, "invalid-phase", "a", PHASE_UNSPECIFIED),
        ({"service": "a", "units": -1}, "invalid-units", "a", "inference"),
        ({"service": "a", "units": True}, "invalid-units", "a", "inference"),
        ({"service": "a", "endpoint": "/a\n"}, "invalid-endpoint", "a", "inference"),
        ({"service": "a", "model_version": "\ud800"}, "invalid-model_version", "a", "inference"),
        ({"service": "a", "model_version": 3}, "invalid-model_version", "a", "inference"),
    ],
)
def test_a_value_of_run_time_never_raises(
    engine: QuietEngine, arguments: dict[str, Any], cause: str, service: str, phase: str
) -> None:
    """A value from the environment or a file: the problem is counted and the work recorded, in a block and a decorator."""
    with ecoia.track(**arguments) as span:
        span.units(1)
    assert ecoia.track(**arguments)(lambda: 5)() == 5
    assert Counter(engine.lost) == {cause: 2}
    (counters,) = engine.every(service)
    assert counters.label.phase == phase
    assert counters.spans == 2
    for text in (counters.label.endpoint, counters.label.model_version):
        json.dumps(text, ensure_ascii=False).encode("utf-8")  # the journal can hold it
    assert SERVICE_UNSPECIFIED not in {c.label.service for state in engine.threads for c in state.counters.values()}


def test_a_program_that_gives_paths_fills_neither_memory_nor_disk(engine: QuietEngine) -> None:
    for n in range(10_000):
        with ecoia.track(service="flooded", endpoint=f"/cv/{n}", model_version=f"v{n % 7}"):
            pass
    for arguments in ({}, {"endpoint": "/cv/3", "model_version": "v3"}, {"endpoint": "/cv/" + chr(10)}):
        with ecoia.track(service="flooded", **arguments):  # none, one that is known, one that is illegal
            pass
    spans = Counter[tuple[str | None, str | None]]()
    for counters in engine.every("flooded"):
        spans[counters.label.endpoint, counters.label.model_version] += counters.spans
    assert len(spans) == MOST_LABELS + 2
    assert (spans.total(), spans["/cv/3", "v3"], spans[None, None]) == (10_003, 2, 1)
    assert spans[ENDPOINT_OTHERS, None] == 10_003 - MOST_LABELS - 2
    assert Counter(engine.lost) == {"too-many-endpoints": 10_001 - MOST_LABELS, "invalid-endpoint": 1}


def test_a_number_of_run_time_that_equals_a_literal_is_no_literal(engine: QuietEngine) -> None:
    values = {"units": bool(os.getpid())}  # True == 1, and a 1 stands in this code
    with ecoia.track(service="a", **values):
        assert 1 == 1.0
    assert Counter(engine.lost) == {"invalid-units": 1}


def test_a_constant_elsewhere_in_the_code_does_not_make_a_value_of_run_time_a_literal(engine: QuietEngine) -> None:
    def serve(count: int) -> None:
        if count == -1:  # the same constant, in the same code
            pass
        with ecoia.track(service="a", units=count):
            pass

    serve(int("-1"))
    assert Counter(engine.lost) == {"invalid-units": 1}


class Hostile:
    """Raises at every operation."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __int__(self) -> int:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    "wrong", [float("nan"), float("inf"), -1, -0.5, None, "3", b"3", True, [1], Hostile(), 1 + 1j, 10**400, 1e16]
)
def test_units_that_are_no_count_are_lost_and_counted(engine: QuietEngine, wrong: Any) -> None:
    with ecoia.track(service="a") as span:
        span.units(wrong)
        span.units(1, accepted=wrong)
    ecoia.track(service="a", units=lambda _: wrong)(lambda: None)()
    (counters,) = engine.every("a")
    assert counters.units_micro == 10**6
    assert counters.accepted_micro == 0
    assert counters.accepted_given == 0
    expected = 2 if wrong is None else 3  # accepted=None means that the number is not known
    assert Counter(engine.lost) == {"invalid-units": expected}


def test_units_of_every_kind_of_number_add_up(engine: QuietEngine) -> None:
    import decimal
    import fractions

    import numpy as np

    with ecoia.track(service="a") as span:
        for number in (1, 0, 2.5, np.int64(3), np.float32(0.5), decimal.Decimal("1.25"), fractions.Fraction(3, 4)):
            span.units(number)
    span.units(1, accepted=0.5)  # after its end: it still belongs to the same work
    (counters,) = engine.every("a")
    assert counters.units_micro == 10 * 10**6
    assert counters.accepted_micro == 500_000
    assert not engine.lost


def test_units_of_a_call(engine: QuietEngine) -> None:
    def broken(_: Any) -> float:
        raise KeyError("no such column")

    assert ecoia.track(service="fixed", units=2)(lambda: "x")() == "x"
    assert ecoia.track(service="counted", units=len)(lambda: [1, 2, 3])() == [1, 2, 3]
    assert ecoia.track(service="broken", units=broken)(lambda: "x")() == "x"
    with pytest.raises(ZeroDivisionError):
        ecoia.track(service="failed", units=2)(lambda: 1 / 0)()
    units = {name: sum(c.units_micro for c in engine.every(name)) for name in ("fixed", "counted", "broken", "failed")}
    assert units == {"fixed": 2 * 10**6, "counted": 3 * 10**6, "broken": 0, "failed": 0}
    assert Counter(engine.lost) == {"invalid-units": 1}


def test_tokens_and_quality_never_raise(engine: QuietEngine) -> None:
    with ecoia.track(service="a") as span:
        span.tokens("local", "small", 10, 20)
        span.tokens("local", "small", -1, 20)
        span.tokens("local", "small", 10**400, 0)
        span.tokens("local", Hostile(), 1, 1)  # type: ignore[arg-type]
        span.tokens("\ud800", "x" * 500, 1, 1)
        span.quality("accuracy", 0.5)
        span.quality("accuracy", float("nan"))
        span.quality(Hostile(), 0.5)  # type: ignore[arg-type]
    assert Counter(engine.lost) == {"invalid-tokens": 3, "invalid-quality": 2}
    look = ThisProcess(engine, StartReadings(), "s", load_settings()).look(time.perf_counter_ns())
    (delta,) = look.deltas.values()
    assert delta.tokens[("local", "small", "in")] == 10
    assert delta.tokens[("local", "small", "out")] == 20
    assert delta.tokens[("?", "x" * 120, "in")] == 1
    assert delta.quality == {"accuracy": 0.5}


def standing_in_for_mlflow(monkeypatch: pytest.MonkeyPatch, **functions: Any) -> None:
    module = types.ModuleType("mlflow")
    vars(module).update(functions)
    monkeypatch.setitem(sys.modules, "mlflow", module)


def test_the_run_active_at_the_start_goes_with_the_span(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run is read from the module that the program imported. Inference belongs to its service's day and never asks."""
    active: list[str | None] = ["run-1"]
    asked = []

    def active_run() -> Any:
        asked.append(active[0])
        return active[0] and types.SimpleNamespace(info=types.SimpleNamespace(run_id=active[0]))

    standing_in_for_mlflow(
        monkeypatch, active_run=active_run, is_tracking_uri_set=lambda: True, get_tracking_uri=lambda: "sqlite:///a.db"
    )
    train = ecoia.track(service="a", phase="training")(burn)
    train(0.1)
    with ecoia.track(service="a", phase="training"):
        active[0] = None  # ends before the span does
    train(0.1)
    ecoia.track(service="a")(burn)(0.1)
    assert asked == ["run-1", "run-1", None]
    look = ThisProcess(engine, StartReadings(), "session", load_settings()).look(time.perf_counter_ns())
    assert {(key.phase, key.run_id, key.tracking_uri): delta.spans for key, delta in look.deltas.items()} == {
        ("training", "run-1", "sqlite:///a.db"): 2,
        ("training", "session", "sqlite:///a.db"): 1,
        ("inference", None, None): 1,
    }


def test_the_outermost_span_of_a_run_tells_its_end_whatever_is_around_it(engine: QuietEngine) -> None:
    """A request may train a model, or have one trained by a pool after it is answered."""

    @ecoia.track(service="a", phase="evaluation")
    def evaluate() -> None:
        """Train, as part of the run."""

    @ecoia.track(service="a", phase="training")
    def train() -> None:
        evaluate()

    def ended() -> tuple[int, int]:
        counters = engine.every("a")
        return tuple(sum(c.ended for c in counters if c.label.phase == phase) for phase in ("training", "evaluation"))  # type: ignore[return-value]

    @ecoia.track(service="request")
    def request() -> None:
        train()

    @ecoia.track(service="request")
    async def answer() -> None:
        train()

    request()
    assert ended() == (1, 0)
    asyncio.run(answer())
    assert ended() == (2, 0)
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:

        @ecoia.track(service="request")
        def submit() -> None:
            pool.submit(lambda: go.wait(30) and train())

        submit()
        go.set()
    assert ended() == (3, 0)


def test_a_half_imported_mlflow_is_no_obstacle(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    standing_in_for_mlflow(monkeypatch)
    assert ecoia.track(service="a", phase="training")(lambda: 5)() == 5
    assert Counter(engine.lost) == {"mlflow-run-unread": 1}


def test_outside_spans_current_takes_everything_and_keeps_nothing(engine: QuietEngine) -> None:
    span = ecoia.current()
    span.units(3)
    span.tokens("local", "small", 1, 1)
    span.quality("accuracy", 1)
    assert (span.service, span.parent) == (None, None)
    assert engine.threads == []
    assert not engine.events


def test_leaving_what_was_not_entered_does_nothing(engine: QuietEngine) -> None:
    with ecoia.track(service="a"):
        ecoia.track(service="b").__exit__(None, None, None)
        assert ecoia.current().service == "a"
    engine.assert_settled()


# --- what the sampler sees ----------------------------------------------------------------------------------------------


def test_looks_add_up_to_the_counters(engine: QuietEngine) -> None:
    """Looks at any moment, while threads work and end: their sum is all the work that was done, and its CPU time."""
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    total: dict[RecordKey, Delta] = {}
    stop = threading.Event()

    def work(name: str) -> None:
        for _ in range(40):
            with ecoia.track(service=name, phase="training") as span:
                span.units(2, accepted=1)
                burn(0.2)

    def look() -> None:
        found = subject.look(time.perf_counter_ns())
        assert found.process_cpu_ns >= 0
        assert 0 <= found.coverage <= 1
        for key, delta in found.deltas.items():
            assert delta.cpu_ns >= 0
            assert delta.in_flight_ns >= 0
            sums = total.setdefault(key, Delta(units_micro=0, accepted_micro=0))
            sums.cpu_ns += delta.cpu_ns
            sums.spans += delta.spans
            sums.units_micro = (sums.units_micro or 0) + (delta.units_micro or 0)
            sums.accepted_micro = (sums.accepted_micro or 0) + (delta.accepted_micro or 0)
            sums.ended += delta.ended

    def watch() -> None:
        while not stop.is_set():
            look()
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    # Threads come and go, so that some end between two looks, and some while one is taken.
    for _ in range(6):
        threads = [threading.Thread(target=work, args=(f"service-{index % 2}",)) for index in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    stop.set()
    watcher.join()
    for _ in range(2):  # a thread that has ended is read once more
        look()
    assert engine.threads == []
    assert {key.service: (sums.spans, sums.units_micro, sums.accepted_micro, sums.ended) for key, sums in total.items()} == {
        "service-0": (480, 960 * 10**6, 480 * 10**6, 480),
        "service-1": (480, 960 * 10**6, 480 * 10**6, 480),
    }
    for sums in total.values():
        assert 480 * 0.2 * MILLISECOND <= sums.cpu_ns < 480 * 0.6 * MILLISECOND


def test_a_thread_that_works_on_during_a_look_is_read_once(engine: QuietEngine) -> None:
    """A thread may work between two reads of one look: all looks together still hold its CPU time once."""
    work_meanwhile = [False]

    class Watched(dict[Any, Any]):
        def values(self) -> Any:
            if work_meanwhile[0]:
                ecoia.track(service="other")(burn)(10)
            return super().values()

    began_ns = time.thread_time_ns()
    with ecoia.track(service="a"):
        burn(5)
    (state,) = engine.threads
    state.counters = Watched(state.counters)
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    looks = []
    for work_meanwhile[0] in (False, True, False, True, False):
        looks.append(subject.look(time.perf_counter_ns()))
    found_ns = sum(look.outside_cpu_ns + sum(delta.cpu_ns for delta in look.deltas.values()) for look in looks)
    assert found_ns <= time.thread_time_ns() - began_ns + SLACK_NS
    assert sum(delta.cpu_ns for look in looks for key, delta in look.deltas.items() if key.service == "other") >= 20 * MILLISECOND


def test_a_span_that_ends_during_a_look_is_read_once(engine: QuietEngine) -> None:
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    end_meanwhile = [False]
    block = ecoia.track(service="a")

    class Watched(dict[Any, Any]):
        def values(self) -> Any:
            if end_meanwhile[0]:
                end_meanwhile[0] = False
                block.__exit__(None, None, None)
            return super().values()

    with ecoia.track(service="a"):
        pass
    (state,) = engine.threads
    state.counters = Watched(state.counters)
    block.__enter__()
    burn(10)
    end_meanwhile[0] = True
    assert_about(sum(delta.cpu_ns for delta in subject.look(time.perf_counter_ns()).deltas.values()), 10)


def test_a_thread_that_ends_during_a_look_loses_nothing(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecoia.measuring.this_process import ThreadReader

    go, done = threading.Event(), threading.Event()

    def work() -> None:
        with ecoia.track(service="a"):
            pass
        done.set()
        go.wait(30)
        with ecoia.track(service="a"):
            burn(3)

    thread = threading.Thread(target=work)
    thread.start()
    assert done.wait(30)
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    advance = ThreadReader.advance

    def advance_then_end(self: ThreadReader, *arguments: Any) -> int:
        result = advance(self, *arguments)
        go.set()
        thread.join()  # its last span and its end fall between this look and the next one
        return result

    monkeypatch.setattr(ThreadReader, "advance", advance_then_end)
    first = subject.look(time.perf_counter_ns())
    second = subject.look(time.perf_counter_ns())
    assert [sum(delta.spans for delta in look.deltas.values()) for look in (first, second)] == [1, 1]
    assert_about(sum(delta.cpu_ns for delta in second.deltas.values()), 3)
    assert engine.threads == []


def test_a_span_in_flight_is_seen_before_it_ends(engine: QuietEngine) -> None:
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    with ecoia.track(service="long", phase="training"):
        burn(5)
        (middle,) = subject.look(time.perf_counter_ns()).deltas.items()
        burn(5)
    (end,) = subject.look(time.perf_counter_ns()).deltas.items()
    assert middle[0] == end[0]
    assert middle[0].run_id == "session"  # outside any MLflow run, the process's session stands for it
    assert (middle[1].spans, end[1].spans) == (0, 1)
    assert_about(middle[1].cpu_ns, 5)
    assert_about(end[1].cpu_ns, 5)


def test_coverage_is_the_share_of_time_with_a_span(engine: QuietEngine) -> None:
    with ecoia.track(service="a"):
        pass
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    looks = [time.perf_counter_ns()]
    subject.look(looks[0])
    before_ns = time.perf_counter_ns()
    with ecoia.track(service="a"):
        began_ns = time.perf_counter_ns()
        looks.append(time.perf_counter_ns())
        inside = subject.look(looks[1]).coverage
        ending_ns = time.perf_counter_ns()
    ended_ns = time.perf_counter_ns()
    time.sleep(0.001)
    looks.append(time.perf_counter_ns())
    outside = subject.look(looks[2]).coverage
    elapsed_ns = [later - earlier for earlier, later in pairwise(looks)]
    # The clock is read on both sides of where the block begins and ends, so any delay of the machine is in the bounds.
    assert (looks[1] - began_ns) / elapsed_ns[0] <= inside <= (looks[1] - before_ns) / elapsed_ns[0]
    assert (ending_ns - looks[1]) / elapsed_ns[1] <= outside <= (ended_ns - looks[1]) / elapsed_ns[1]
    assert subject.look(time.perf_counter_ns()).coverage == 0


def test_the_state_of_a_thread_goes_with_it(engine: QuietEngine) -> None:
    seen: list[ThreadState] = []

    def work() -> None:
        with ecoia.track(service="a"):
            burn(2)
        seen.append(engine.local.state)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen[0].dead_cpu_ns >= 2 * MILLISECOND


# --- off, forks, children: whole processes ------------------------------------------------------------------------------


def test_disabled_is_a_no_op(home: Path) -> None:
    program = """
import threading, ecoia
def f(): return 5
assert ecoia.track(service="a")(f) is f
with ecoia.track(service="a") as span:
    span.units(1); span.tokens("p", "m", 1, 1); span.quality("q", 1.0)
    assert ecoia.current().service is None
@ecoia.track(service="a", units=len)
async def g(): ...
assert threading.active_count() == 1
assert ecoia.flush(60) is True
try:
    ecoia.track(service="Not An Id")
except ecoia.UsageError:
    print("still told")
"""
    done = run_python(program, ECOIA_DISABLED="1")
    assert (done.stdout, done.stderr, done.returncode) == ("still told\n", "", 0)
    assert not home.exists()


def test_a_fork_in_the_middle_of_a_span(home: Path) -> None:
    """The child ends the parent's span without recording it, and records its own spans in a file of its own."""
    program = """
import os, sys, threading, ecoia
def items():
    for i in range(3):
        yield i
generator = ecoia.track(service="generator")(items)()
next(generator)
with ecoia.track(service="parent", phase="training"):
    pid = os.fork()
if pid == 0:
    list(generator)
    assert threading.active_count() == 1, "ending what the parent began starts nothing"
    with ecoia.track(service="child", phase="training") as span:
        assert span.parent is None
    sys.exit(0)
list(generator)
assert os.waitpid(pid, 0)[1] == 0
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home) == {"parent": 1, "child": 1, "generator": 1, None: 0}
    assert {record.service: record.outcome for record in recorded(home) if record.kind == "outcome"} == {
        "parent": "ok",
        "child": "ok",
    }
    files = {entry.file: entry.record.pid for entry in Journal(home).scan().entries}
    assert len(files) == len(set(files.values())) == 2
    assert not any(record.lost for record in recorded(home))


FORKING_THREADS = """
import os, sys, threading
beside = lambda: engine.background is not None and engine.background._thread.is_alive()
seen = threading.local()
os.register_at_fork(before=lambda: setattr(seen, "beside", "engine" in globals() and beside()))  # the earliest is called last
import ecoia
from ecoia.instrument.engine import engine
block = ecoia.track(service="a")
with block: pass
assert ecoia.flush(60)
found = []
def fork():
    for _ in range(25):
        child = os.fork()
        if child == 0:
            os._exit(0)
        found.append(seen.beside)
        os.waitpid(child, 0)
threads = [threading.Thread(target=fork) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert len(found) == 100 and not any(found), sum(found)
with block: pass
assert ecoia.flush(60), "measuring goes on"
"""


def test_forks_of_several_threads_at_once_find_no_thread_of_ours(home: Path) -> None:
    done = run_python("import warnings\nwarnings.simplefilter('ignore', DeprecationWarning)\n" + FORKING_THREADS)
    assert (done.returncode, done.stderr) == (0, "")
    assert spans_of(home)["a"] == 2


def test_a_forked_child_starts_without_what_its_parent_has_still_to_record(engine: QuietEngine) -> None:
    """Otherwise both would count it. The child may still report losses and tokens through a span of the parent."""
    with ecoia.track(service="a") as span:
        engine.lost.append("invalid-units")
        span.tokens("provider", "model", 1, 2)
        engine.reset()  # the hook of a fork, in the child
        assert (list(engine.lost), list(engine.events), engine.threads) == ([], [], [])
        span.units(-1)
        span.tokens("provider", "model", 3, 4)
    assert list(engine.lost) == ["invalid-units"]
    assert [event[2] for event in engine.events] == [("provider", "model", 3, 4)]


def test_a_fork_waits_for_another_threads_first_span(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the child would inherit the locked import lock of a module."""
    starting, go, forked = threading.Event(), threading.Event(), threading.Event()

    def start() -> None:
        starting.set()
        assert go.wait(30)

    monkeypatch.setattr(engine, "_start_background", start)
    monkeypatch.setattr("ecoia.instrument.engine.Engine.FORK_GRACE_SECONDS", 30)
    first = threading.Thread(target=_call)
    first.start()
    assert starting.wait(30)
    forking = threading.Thread(target=lambda: (engine_module._before_fork(), forked.set()))
    forking.start()
    assert not forked.wait(0.05)
    go.set()
    assert forked.wait(30)
    first.join()
    forking.join()


def test_a_child_forked_at_once_can_import(home: Path) -> None:
    """A fork while the sampler's thread imports must not leave the child waiting for an import lock."""
    program = """
import os, time, ecoia
children = []
for delay in (0.0, 0.03, 0.03):
    with ecoia.track(service="a"):
        time.sleep(delay)
        pid = os.fork()
        if pid == 0:
            import psutil, requests, zoneinfo
            os._exit(0)
        children.append(pid)
end = time.monotonic() + 20
while children and time.monotonic() < end:
    pid, status = os.waitpid(-1, os.WNOHANG)
    if pid:
        assert status == 0
        children.remove(pid)
    time.sleep(0.01)
for pid in children:
    os.kill(pid, 9)
    print("stuck")
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_fork_waits_for_a_line_that_the_sampler_logs_through_a_logging_imported_later(home: Path) -> None:
    """``logging`` takes its lock before a fork. If that came first, the line could not end, and the fork would wait in vain."""
    program = """
import os, threading, ecoia
from ecoia.instrument.background import Background
from ecoia.instrument.engine import engine
Background.PARKING_GRACE_SECONDS = 20
with ecoia.track(service="a"): pass
assert ecoia.flush(60)
import logging
forking, logging_now, ended = threading.Event(), threading.Event(), []
class Handler(logging.Handler):
    def emit(self, record):
        logging_now.set()
        forking.wait(60)
        logging.getLogger("another")  # takes the lock of logging
        ended.append(record.getMessage())
logging.getLogger("ecoia").addHandler(Handler())
recorder = engine.background.sampling._recorder
close_window = recorder.close_window
recorder.close_window = lambda: (engine.complain("hello"), close_window())[1]
engine.background.wake(close_window=True)
assert logging_now.wait(60)
os.register_at_fork(before=forking.set)  # registered last, so called first
pid = os.fork()
if pid == 0:
    os._exit(0 if ended else 1)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), ended)
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("0 ['ecoia: hello']\n", "", 0)


class TestBlocksInTasks:
    """A block around an ``await`` is charged for its own task's steps only, whichever task entered its block last."""

    @pytest.mark.parametrize("lazy_enters_last", [True, False])
    def test_a_block_that_waits_is_not_charged_for_the_one_that_works(self, home: Path, lazy_enters_last: bool) -> None:
        done = run_python(
            f"""
import asyncio, time, ecoia
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
async def busy():
    async with ecoia.track(service="busy"):
        for _ in range(5):
            await asyncio.sleep(0.01)
            burn(0.06)
async def lazy():
    with ecoia.track(service="lazy"):
        await asyncio.sleep(0.6)
async def parent():
    async with ecoia.track(service="parent"):
        await asyncio.create_task(child())
async def child():
    await asyncio.sleep(0)
    burn(0.1)
async def main():
    await asyncio.sleep(0)
    first, last = (busy(), lazy()) if {lazy_enters_last} else (lazy(), busy())
    tasks = [asyncio.create_task(first)]
    await asyncio.sleep(0.005)
    tasks.append(asyncio.create_task(last))
    await asyncio.gather(*tasks)
    await parent()
asyncio.run(main())
""",
        )
        assert done.returncode == 0, done.stderr
        cpu: dict[str | None, int] = {}
        for record in recorded(home):
            cpu[record.service] = cpu.get(record.service, 0) + record.cpu_ns
        assert cpu["busy"] > 0.25e9
        assert cpu["lazy"] < 0.02 * cpu["busy"]
        assert cpu["parent"] > 0.08e9, "a task made inside a block works for it"
