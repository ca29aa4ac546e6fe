"""``ecoia.track`` in coroutines and tasks: a sleeper pays nothing, and blocks that interleave each end themselves.

CPU time is burnt in exact amounts (by the thread's own clock) and read from the counters, so no test depends on the
machine's speed or load.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecoia
from ecoia.instrument import switching
from support.programs import recorded, run_python
from support.quiet_engine import MILLISECOND, QuietEngine, assert_about, burn, quiet

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
