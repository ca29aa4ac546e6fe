"""Whose work it is while MLflow's runs begin and end: spans are moved, runs are covered, and nothing is made or lost by it."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import ecoia
import ecoia.showing.end_of_run  # loaded at the end of a process's first root run, which takes milliseconds
from ecoia.instrument import engine as engine_module
from ecoia.instrument import following, mlflow_hooks, mlflow_run
from ecoia.instrument.start import StartReadings
from ecoia.instrument.tracking import follow_runs
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from support.quiet_engine import MILLISECOND, SLACK_NS, QuietEngine, burn
from support.stand_in_mlflow import StandInMlflow, forget_runs, past_ms

SESSION = "session"


@pytest.fixture
def mlflow(engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInMlflow]:
    """A stand-in for MLflow, whose runs nobody follows yet."""
    forget_runs(monkeypatch)
    stand_in = StandInMlflow(monkeypatch)
    yield stand_in
    ecoia.autolog(disable=True)
    mlflow_run.client_runs.clear()


def cpu_ns_by_run(engine: QuietEngine) -> dict[str | None, int]:
    sums: dict[str | None, int] = defaultdict(int)
    for state in engine.threads:
        for counters in state.counters.values():
            sums[None if counters.run is None else counters.run.run_id or SESSION] += counters.cpu_ns
    return sums


def outcomes(engine: QuietEngine) -> dict[str | None, set[bool]]:
    """Whether each run failed, by the last of its ends under each label."""
    found: dict[str | None, set[bool]] = defaultdict(set)
    for state in engine.threads:
        for counters in state.counters.values():
            if counters.ended and counters.run is not None:
                found[counters.run.run_id].add(counters.last_failed)
    return found


def assert_burned(engine: QuietEngine, **milliseconds: float) -> None:
    """Assert what each run burned, by its id with ``_`` for ``-``; no other run may have anything."""
    found = cpu_ns_by_run(engine)
    expected = {name.replace("_", "-"): value for name, value in milliseconds.items()}
    for run_id, cpu_ns in found.items():
        burned_ns = expected.get(run_id or "", 0) * MILLISECOND
        assert burned_ns <= cpu_ns <= burned_ns + SLACK_NS, (run_id, found)
    assert expected.keys() <= found.keys()


# --- spans are moved -------------------------------------------------------------------------------------------------------


def test_a_run_that_begins_in_a_span_has_the_work_from_its_begin_to_its_end(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    @ecoia.track(service="a", phase="training")
    def train() -> None:
        burn(5)
        with mlflow.run():
            burn(10)
            with mlflow.run():
                burn(15)
            burn(5)
        burn(5)

    follow_runs()
    train()
    assert_burned(engine, session=10, run_1=15, run_2=15)
    assert outcomes(engine) == {"run-1": {False}, "run-2": {False}, None: {False}}
    engine.assert_settled()


def test_a_request_keeps_its_day_and_a_span_keeps_the_run_that_it_names(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    follow_runs()
    with ecoia.track(service="served"), mlflow.run():
        burn(5)
    with ecoia.track(service="a", phase="training", run_id="named"), mlflow.run():
        burn(5)
    found = cpu_ns_by_run(engine)
    assert found[None] >= 5 * MILLISECOND
    assert found["named"] >= 5 * MILLISECOND
    assert found.keys() == {None, "named"}


def test_what_a_pool_does_for_a_run_is_the_runs(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    """MLflow knows no active run on the pool's thread, so a decorated function there has that of the work it is part of."""
    train = ecoia.track(service="a", phase="training")(burn)
    follow_runs()
    with ecoia.track(service="a", phase="training"), mlflow.run(), ThreadPoolExecutor(1) as pool:
        pool.submit(burn, 5).result()
        pool.submit(train, 10).result()
    assert_burned(engine, session=0, run_1=15)


def test_a_failed_run_has_failed_with_every_label(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    follow_runs()
    with ecoia.track(service="a", phase="training"):
        mlflow.start_run()
        ecoia.track(service="b", phase="evaluation")(burn)(1)
        mlflow.end_run("FAILED")
    assert outcomes(engine) == {"run-1": {True}, None: {False}}


def test_open_spans_are_in_flight_the_whole_time_and_once(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    follow_runs()
    start_ns = time.perf_counter_ns()
    with ExitStack() as stack:
        stack.enter_context(ecoia.track(service="a", phase="training"))
        with mlflow.run():
            burn(5)
        assert sum(counters.open_count for counters in engine.every("a")) == 1
    elapsed_ns = time.perf_counter_ns() - start_ns
    assert 5 * MILLISECOND <= sum(counters.flight_ns for counters in engine.every("a")) <= elapsed_ns
    engine.assert_settled()


def assert_cpu(engine: QuietEngine, service: str, phase: str, run_id: str | None, milliseconds: float) -> None:
    """Assert what a service and phase burned in a run, or in none."""
    cpu_ns = sum(
        c.cpu_ns for c in engine.every(service) if c.label.phase == phase and (None if c.run is None else c.run.run_id) == run_id
    )
    assert milliseconds * MILLISECOND <= cpu_ns <= milliseconds * MILLISECOND + SLACK_NS, (service, phase, run_id)


STEPS = st.lists(
    st.sampled_from(["span", "inference", "open", "end span", "run", "client", "end run", "end client", "burn", "pool", "look"]),
    min_size=1, max_size=30,
)  # fmt: skip


STEPS_OF_ALL = ["span", "inference", "open", "end span", "run", "client", "end run", "end any", "burn", "pool"]


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=3), st.booleans())
def test_nothing_is_made_or_lost_however_spans_and_runs_interleave(
    engine: QuietEngine, mlflow: StandInMlflow, programs: list[list[str]], covers: bool
) -> None:
    """Spans, runs and clients' runs on several threads: runs and rest are what the threads used, to the nanosecond."""
    engine.threads.clear()
    engine.__dict__["local"] = threading.local()
    following._begun.clear()
    mlflow_run.client_runs.clear()
    ecoia.autolog(service="covered") if covers else ecoia.autolog(disable=True)
    mlflow_hooks.switch(on=True)
    subject = ThisProcess(engine, StartReadings(), SESSION, load_settings())
    totals: Counter[str | None] = Counter()
    used: list[int] = []
    uncovered: list[int] = []

    def burn_in_pool() -> None:
        began_ns = time.thread_time_ns()
        burn(0.05)
        used.append(time.thread_time_ns() - began_ns)

    def perform(program: list[str]) -> None:
        began_ns = time.thread_time_ns()
        client = mlflow.MlflowClient()
        spans: list[Any] = []
        made: list[str] = []
        with ThreadPoolExecutor(1) as pool:
            for step in program:
                if step in ("span", "inference"):
                    spans.append(ecoia.track(service="a", phase="training" if step == "span" else "inference"))
                    spans[-1].__enter__()
                elif step == "open":
                    spans.append(ExitStack())
                    spans[-1].enter_context(ecoia.track(service="b", phase="evaluation"))
                elif step == "end span" and spans:
                    spans.pop().__exit__(None, None, None)
                elif step == "run":
                    mlflow.start_run()
                elif step == "end run":
                    mlflow.end_run()
                elif step == "client":
                    made.append(client.create_run("0").info.run_id)
                elif step == "end client" and made:
                    client.set_terminated(made.pop(0), "FINISHED")
                elif step == "pool":
                    pool.submit(burn_in_pool).result()
                else:
                    burn(0.05)
            while spans:
                spans.pop().__exit__(None, None, None)
            while mlflow.active_run() is not None:
                mlflow.end_run()
            for run_id in made:
                client.set_terminated(run_id, "FINISHED")
        used.append(time.thread_time_ns() - began_ns)

    def look() -> None:
        found = subject.look(time.perf_counter_ns())
        uncovered.append(found.outside_cpu_ns)
        for key, delta in found.deltas.items():
            assert delta.cpu_ns >= 0
            totals[key.run_id] += delta.cpu_ns

    threads = [threading.Thread(target=perform, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    look()
    for thread in threads:
        thread.join()
    states = list(engine.threads)
    for _ in range(2):
        look()
    counted: Counter[str | None] = Counter()
    for state in states:
        assert state.top is None
        assert state.live == 0
        for counters in state.counters.values():
            assert counters.open_count == 0
            assert counters.cpu_ns >= 0
            counted[None if counters.run is None else counters.run.run_id or SESSION] += counters.cpu_ns
    assert sum(counted.values()) <= sum(used) + SLACK_NS
    assert abs(sum(totals.values()) - sum(counted.values())) <= SLACK_NS  # a look beside a step is made up for by the next
    assert {cause.partition(":")[0] for cause in engine.lost} <= {"several-runs-open", "moved-between-threads"}


class VirtualClocks:
    """CPU clocks of threads that only ``burn`` moves, so that every nanosecond can be accounted for."""

    def __init__(self, engine: QuietEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._engine = engine
        self._now: Counter[int] = Counter()
        self.expected: Counter[str | None] = Counter()
        for name, module in list(sys.modules.items()):
            if name.startswith("ecoia.") and hasattr(module, "thread_time_ns"):
                monkeypatch.setattr(module, "thread_time_ns", lambda: self._now[threading.get_native_id()])
            if name.startswith("ecoia.") and hasattr(module, "thread_clock_ns"):
                monkeypatch.setattr(module, "thread_clock_ns", lambda thread: self._now[thread])
        monkeypatch.setattr(engine_module, "_Goodbye", lambda state: None)

    def burn(self, amount_ns: int) -> None:
        """Use CPU time, for the run of the span on top of this thread; without one, for nobody."""
        state = getattr(self._engine.local, "state", None)
        if state is not None and state.top is not None:
            run = state.top._counters.run
            self.expected[None if run is None else run.run_id or SESSION] += amount_ns
        self._now[threading.get_native_id()] += amount_ns


@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(STEPS_OF_ALL)), min_size=1, max_size=50), st.booleans())
def test_each_nanosecond_is_counted_once_for_the_run_of_its_span(
    engine: QuietEngine, mlflow: StandInMlflow, steps: list[tuple[int, str]], covers: bool
) -> None:
    """Three threads take turns, and end each other's runs. Counters are what the clocks moved while a span was on top."""
    with pytest.MonkeyPatch.context() as patch:
        clocks = VirtualClocks(engine, patch)
        engine.threads.clear()
        engine.__dict__["local"] = threading.local()
        following._begun.clear()
        following._open_covers.clear()
        mlflow_run.client_runs.clear()
        ecoia.autolog(service="covered") if covers else ecoia.autolog(disable=True)
        mlflow_hooks.switch(on=True)
        made: list[str] = []
        client = mlflow.MlflowClient()
        spans: list[list[Any]] = [[], [], []]
        pools = [ThreadPoolExecutor(1) for _ in range(4)]

        def perform(thread: int, step: str) -> None:
            if step in ("span", "inference"):
                spans[thread].append(ecoia.track(service="a", phase="training" if step == "span" else "inference"))
                spans[thread][-1].__enter__()
            elif step == "open":
                spans[thread].append(ExitStack())
                spans[thread][-1].enter_context(ecoia.track(phase="evaluation"))
            elif step == "end span" and spans[thread]:
                spans[thread].pop().__exit__(None, None, None)
            elif step == "run":
                made.append(mlflow.start_run())
            elif step == "end run":
                mlflow.end_run()
            elif step == "client":
                made.append(client.create_run("0").info.run_id)
            elif step == "end any" and made:
                client.set_terminated(made.pop(0), "FINISHED")
            elif step == "pool":
                pools[3].submit(clocks.burn, 1_000).result()
            clocks.burn(7 + 13 * thread)

        try:
            for number, (thread, step) in enumerate(steps):
                pools[thread].submit(perform, thread, step).result()
                pools[thread].submit(clocks.burn, number).result()
            for thread in range(3):
                while spans[thread]:
                    pools[thread].submit(perform, thread, "end span").result()
                while pools[thread].submit(mlflow.active_run).result() is not None:
                    pools[thread].submit(perform, thread, "end run").result()
            while made:
                pools[0].submit(perform, 0, "end any").result()
            for thread in range(3):  # what is covered still is charged
                pools[thread].submit(ecoia.autolog, disable=True).result()
        finally:
            for pool in pools:
                pool.shutdown()
        counted = +Counter(cpu_ns_by_run(engine))
        assert counted == +clocks.expected


# --- clients' runs ---------------------------------------------------------------------------------------------------------


def test_runs_that_are_told_afterwards_take_nothing(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog(service="a")
    client = mlflow.MlflowClient()
    with mlflow.run():
        client.create_run("0", tags={"mlflow.autologging": "sklearn", "mlflow.parentRunId": "run-1"})
        client.create_run("0", start_time=past_ms(1))
        client.create_run("0", tags={"ecoia.kind": "view"})
        burn(5)
    burn(2)
    assert_burned(engine, run_1=5)
    assert not mlflow_run.client_runs


def test_runs_made_up_front_have_nothing_until_one_is_left(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog(service="a")
    client = mlflow.MlflowClient()
    ids = [client.create_run("0").info.run_id for _ in range(3)]
    burn(5)
    for run_id in ids[:2]:
        client.set_terminated(run_id)
    burn(5)
    client.update_run(ids[2], name="another name")  # no end
    burn(5)
    client.update_run(ids[2], status="FINISHED")
    assert_burned(engine, session=5, run_1=0, run_3=10)
    assert set(engine.lost) == {f"several-runs-open:{run_id}" for run_id in ids}
    engine.assert_settled()


def test_a_clients_run_has_what_its_own_thread_does(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    """One open run a thread: each is its thread's. A thread that made none works for the only one of the process."""
    train = ecoia.track(service="a", phase="training")(burn)
    follow_runs()
    client = mlflow.MlflowClient()
    client.create_run("0")
    train(5)
    thread = threading.Thread(target=lambda: (train(5), client.create_run("0"), train(10)))
    thread.start()
    thread.join()
    train(5)
    assert_burned(engine, run_1=15, run_2=10)


def test_another_thread_ends_the_run(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    """The CPU time of the thread that made it is read from elsewhere and charged, up to the end and no further."""
    ecoia.autolog(service="a")
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    burn(10)
    thread = threading.Thread(target=client.set_terminated, args=(run_id, "FAILED"))
    thread.start()
    thread.join()
    burn(10)
    assert_burned(engine, run_1=10)
    assert outcomes(engine) == {"run-1": {True}}
    engine.assert_settled()


def test_another_thread_ends_the_run_of_a_span(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    follow_runs()
    client = mlflow.MlflowClient()
    run_id = client.create_run("0").info.run_id
    with ecoia.track(service="a", phase="training"):
        burn(10)
        thread = threading.Thread(target=client.set_terminated, args=(run_id,))
        thread.start()
        thread.join()
        burn(5)
    assert_burned(engine, run_1=10, session=5)


# --- autolog ---------------------------------------------------------------------------------------------------------------


def test_each_run_of_an_untouched_program_is_covered(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog(service="a", phase="evaluation")
    for _ in range(2):
        with mlflow.run():
            burn(5)
            with mlflow.run():
                burn(5)
    burn(5)
    assert_burned(engine, run_1=5, run_2=5, run_3=5, run_4=5)
    assert {(c.label.service, c.label.phase) for c in engine.every("a")} == {("a", "evaluation")}
    assert {c.run.run_id: c.spans for c in engine.every("a") if c.run} == {f"run-{n}": 1 for n in range(1, 5)}
    engine.assert_settled()


def test_a_run_goes_on_after_the_span_in_which_it_began(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog(service="a")
    ecoia.track(service="a", phase="training")(mlflow.start_run)()
    burn(5)
    mlflow.end_run()
    assert_burned(engine, session=0, run_1=5)


def test_a_run_that_is_active_already_is_covered_from_the_call_on(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    with mlflow.run():
        burn(5)
        ecoia.autolog(service="a")
        burn(10)
    assert_burned(engine, run_1=10)
    engine.assert_settled()


def test_a_run_in_a_request_is_for_its_service(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog()
    with ecoia.track(service="served"), mlflow.run():
        burn(5)
    assert sum(c.cpu_ns for c in engine.every("served") if c.run is not None) >= 5 * MILLISECOND
    engine.assert_settled()


async def answer(mlflow: StandInMlflow, *, ends: bool = True) -> None:
    """A request that trains in a run, before and after it waits. Another task works in between."""
    burn(5)
    mlflow.start_run()
    burn(5)
    await asyncio.sleep(0)
    burn(10)
    await asyncio.sleep(0)
    if ends:
        mlflow.end_run()
        await asyncio.sleep(0)
        burn(5)


async def beside() -> None:
    for _ in range(3):
        burn(5)
        await asyncio.sleep(0)


@pytest.mark.parametrize("way", ["decorated", "in a block"])
def test_a_run_in_an_asynchronous_request_keeps_its_work_after_an_await(
    engine: QuietEngine, mlflow: StandInMlflow, way: str
) -> None:
    """Its cover is suspended with the request, so what other tasks do meanwhile is not the run's."""
    ecoia.autolog()

    async def in_a_block() -> None:
        with ecoia.track(service="served"):
            await answer(mlflow)

    async def serve() -> None:
        request = ecoia.track(service="served")(answer)(mlflow) if way == "decorated" else in_a_block()
        await asyncio.gather(request, ecoia.track(service="other")(beside)())

    asyncio.run(serve())
    assert_cpu(engine, "served", "training", "run-1", 15)
    assert_cpu(engine, "served", "inference", None, 10)
    assert_cpu(engine, "other", "inference", None, 15)
    engine.assert_settled()


def test_a_run_that_outlives_its_asynchronous_request_takes_nothing_of_others(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    """What no request does meanwhile is in no span. The next request of the thread ends the run."""
    ecoia.autolog()
    asyncio.run(ecoia.track(service="served")(answer)(mlflow, ends=False))
    burn(20)
    ecoia.track(service="served")(mlflow.end_run)()
    assert_cpu(engine, "served", "training", "run-1", 15)
    engine.assert_settled()


def test_another_thread_ends_the_run_of_an_asynchronous_request(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog()

    @ecoia.track(service="served")
    async def serve() -> None:
        client = mlflow.MlflowClient()
        run_id = mlflow.start_run()
        burn(5)
        await asyncio.to_thread(client.set_terminated, run_id)
        burn(5)

    asyncio.run(serve())
    assert_cpu(engine, "served", "training", "run-1", 5)
    engine.assert_settled()


def test_of_interleaved_tasks_each_keeps_the_run_that_it_began(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    """MLflow's stack is the thread's: the end in one task ends the run of the other. Both have what was done until then."""

    @ecoia.track(service="a", phase="training")
    async def train(milliseconds: float) -> None:
        mlflow.start_run()
        await asyncio.sleep(0)
        burn(milliseconds)
        await asyncio.sleep(0)
        mlflow.end_run()

    async def main() -> None:
        await asyncio.gather(train(5), train(10))

    follow_runs()
    asyncio.run(main())
    assert_burned(engine, session=0, run_1=5, run_2=10)
    engine.assert_settled()


def test_listeners_are_told_of_roots_and_children_after_the_end(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    told: list[tuple[Any, ...]] = []
    following.run_began.append(lambda run, root, start: told.append(("began", run.run_id, root, start > 0)))
    following.run_ended.append(lambda run, root, start, end: told.append(("ended", run.run_id, root, start <= end)))
    ecoia.autolog(service="a")
    with mlflow.run(), mlflow.run():
        pass
    roots = {"run-1": True, "run-2": False}
    assert told == [
        (what, run_id, roots[run_id], True)
        for what, run_id in (("began", "run-1"), ("began", "run-2"), ("ended", "run-2"), ("ended", "run-1"))
    ]
    assert list(following.root_runs) == ["run-1"]


def test_the_end_of_the_process_ends_what_is_open(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    """MLflow ends the run after ecoia has written its last window, and always as finished."""
    ended = []
    following.run_ended.append(lambda run, *_: ended.append(run.run_id))
    ecoia.autolog(service="a")
    mlflow.start_run()
    burn(5)
    engine.stop()
    assert_burned(engine, run_1=5)
    assert outcomes(engine) == {"run-1": {False}}
    mlflow.end_run()
    assert ended == ["run-1"]
    engine.assert_settled()


def test_a_fault_of_ours_reaches_no_run(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    following.run_began.append(fail)
    following.run_ended.append(fail)
    ecoia.autolog(service="a")
    with mlflow.run() as run_id:
        assert run_id == "run-1"
    assert Counter(engine.lost) == {"run-not-followed": 2}


def test_a_store_that_goes_away_ends_the_run_here(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog(service="a")
    mlflow.start_run()
    burn(5)
    mlflow.fails = True
    with pytest.raises(OSError, match="the store went away"):
        mlflow.end_run()
    with pytest.raises(OSError, match="the store went away"):
        mlflow.start_run()
    burn(5)
    assert_burned(engine, run_1=5)
    engine.assert_settled()


def test_disabled_puts_mlflow_back_also_under_other_wrappers(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    client, active = mlflow.MlflowClient, mlflow.ActiveRun
    methods = [(active, "__init__"), *((client, name) for name in ("create_run", "set_terminated", "update_run"))]
    before = [vars(kind)[name] for kind, name in methods]
    signatures = [inspect.signature(method) for method in before]
    ecoia.autolog(service="a")
    ecoia.autolog(service="a")
    ours = [vars(kind)[name] for kind, name in methods]
    assert [method.__wrapped__ for method in ours] == before
    assert [inspect.signature(method) for method in ours] == signatures
    assert [(m.__name__, m.__module__, m.__doc__) for m in ours] == [(m.__name__, m.__module__, m.__doc__) for m in before]
    calls = []

    def of_another_library(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return ours[1](self, *args, **kwargs)

    client.create_run = of_another_library  # type: ignore[method-assign]
    ecoia.autolog(disable=True)
    assert [vars(kind)[name] for kind, name in methods] == [before[0], of_another_library, *before[2:]]
    with ecoia.track(service="a", phase="training"), mlflow.run():
        burn(5)
    assert len(calls) == 1
    assert_burned(engine, session=5)
    ecoia.autolog(service="a")
    with mlflow.run():
        burn(5)
    assert_burned(engine, session=5, run_2=5)


def test_a_forked_child_has_none_of_its_parents_runs(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog(service="a")
    client = mlflow.MlflowClient()
    client.create_run("0")
    engine.reset()  # as in the child
    client.set_terminated("run-1")
    assert not mlflow_run.client_runs
    assert not following._begun
    assert not following.root_runs
    assert engine.threads == [] or all(state.top is None for state in engine.threads)


@pytest.mark.timing
def test_a_run_costs_less_than_a_millisecond(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    def cpu_ms_of_a_run() -> float:
        begin_ns = time.thread_time_ns()
        for _ in range(200):
            with mlflow.run():
                pass
        return (time.thread_time_ns() - begin_ns) / 200 / MILLISECOND

    bare_ms = cpu_ms_of_a_run()
    ecoia.autolog(service="a")
    with mlflow.run():
        pass
    assert cpu_ms_of_a_run() - bare_ms < 1


# --- services --------------------------------------------------------------------------------------------------------------


def service_of_a_run(engine: QuietEngine, mlflow: StandInMlflow, **arguments: Any) -> str | None:
    with mlflow.run(**arguments) as run_id:
        found = [c.label.service for state in engine.threads for c in state.counters.values() if c.run and c.run.run_id == run_id]
    return found[0]


@pytest.fixture
def toml(mlflow: StandInMlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Write ``ecoia.toml`` where the program runs."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> None:
        (tmp_path / "ecoia.toml").write_text(text, encoding="utf-8")

    return write


def test_the_first_rule_that_gives_a_service_decides(
    engine: QuietEngine, mlflow: StandInMlflow, toml: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rule is taken away in turn, from the first to the last."""
    toml('autolog = true\nservice = "of-the-setting"\n[mlflow.experiments]\n"ecoia/n*" = "of-the-pattern"\n')
    monkeypatch.setenv("ECOIA_SERVICE", "of-the-variable")
    mlflow.experiments["1"] = ("ecoia/name", {"ecoia.service": "of-the-experiment"})
    mlflow.experiments["2"] = ("ecoia/name", {})
    mlflow.experiments["3"] = ("ecoia/other", {})
    tags = {"ecoia.service": "of-the-tag"}
    ecoia.autolog(service="of-the-call")
    assert service_of_a_run(engine, mlflow, experiment_id="1", tags=tags) == "of-the-call"
    ecoia.autolog()
    assert service_of_a_run(engine, mlflow, experiment_id="1", tags=tags) == "of-the-variable"
    monkeypatch.delenv("ECOIA_SERVICE")
    following.settings_of_runs.__globals__["_settings"].clear()
    assert service_of_a_run(engine, mlflow, experiment_id="1", tags=tags) == "of-the-tag"
    assert mlflow.asked == []
    assert service_of_a_run(engine, mlflow, experiment_id="1") == "of-the-experiment"
    assert service_of_a_run(engine, mlflow, experiment_id="2") == "of-the-pattern"
    assert service_of_a_run(engine, mlflow, experiment_id="3") == "other"
    assert service_of_a_run(engine, mlflow, experiment_id="0") == "of-the-setting"
    assert service_of_a_run(engine, mlflow, experiment_id="0") == "of-the-setting"
    assert mlflow.asked == ["1", "2", "3", "0"]


def test_without_any_rule_a_run_is_unassigned(engine: QuietEngine, mlflow: StandInMlflow, toml: Callable[[str], None]) -> None:
    toml("autolog = true\n")
    follow_runs()
    assert service_of_a_run(engine, mlflow) == "unassigned"
    assert not engine.lost


def test_an_experiment_without_permission_is_asked_once_and_counted(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    ecoia.autolog()
    assert service_of_a_run(engine, mlflow, experiment_id="secret") == "unassigned"
    assert service_of_a_run(engine, mlflow, experiment_id="secret") == "unassigned"
    assert mlflow.asked == ["secret"]
    assert Counter(engine.lost) == {"experiment-unread": 1}


def test_an_illegal_tag_is_recorded_under_a_legal_id(
    engine: QuietEngine, mlflow: StandInMlflow, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ecoia.autolog()
    assert service_of_a_run(engine, mlflow, tags={"ecoia.service": "Contrôle légal"}) == "contr-le-l-gal"
    assert Counter(engine.lost) == {"invalid-service": 1}
    assert "ecoia.service = 'Contrôle légal' of a run" in caplog.text


def test_a_span_without_a_service_has_that_of_its_run(
    engine: QuietEngine, mlflow: StandInMlflow, toml: Callable[[str], None]
) -> None:
    """By the rules of runs, while it is in the run, with autolog or without; outside, that of the setting."""
    toml("")
    train = ecoia.track(phase="training", endpoint="fold")(burn)

    @ecoia.track(phase="training")
    def search() -> None:
        burn(5)
        with mlflow.run(tags={"ecoia.service": "of-the-tag"}):
            burn(5)
            train(5)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(train, 5).result()
                pool.submit(burn, 5).result()
        burn(5)

    follow_runs()
    search()
    with mlflow.run():
        train(5)
    ecoia.autolog(service="of-the-call")
    with mlflow.run():
        train(5)
    with mlflow.run(), ecoia.track(service="its-own", phase="training"):
        train(5)
    assert [engine.cpu_ns(name) // (5 * MILLISECOND) for name in ("of-the-tag", "unassigned", "of-the-call", "its-own")] == [
        4,
        1,
        2,
        0,
    ]
    assert (
        sum(c.cpu_ns for state in engine.threads for c in state.counters.values() if c.label.service is None) >= 10 * MILLISECOND
    )
    engine.assert_settled()


# --- arguments -------------------------------------------------------------------------------------------------------------


def test_arguments_that_are_wrong_in_the_code_raise_and_others_are_corrected(
    engine: QuietEngine, mlflow: StandInMlflow, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ecoia.UsageError, match="service = 'No Id'"):
        ecoia.autolog(service="No Id")
    with pytest.raises(ecoia.UsageError, match="a run is no inference"):
        ecoia.autolog(phase="inference")
    with pytest.raises(ecoia.UsageError, match="inference belongs to the day of its service"):
        ecoia.track(service="a", phase="inference", run_id="r")
    with pytest.raises(ecoia.UsageError, match="give the id of an MLflow run"):
        ecoia.track(service="a", phase="training", run_id=3)  # type: ignore[arg-type]
    assert not engine.lost
    ecoia.autolog(service="No Id".lower())
    with mlflow.run():
        burn(1)
    assert engine.cpu_ns("no-id") >= MILLISECOND
    assert "ecoia.autolog: service = 'no id'" in caplog.text
    run_ids: list[Any] = [3, ""]
    for run_id in run_ids:
        with ecoia.track(service="b", phase="training", run_id=run_id):
            burn(1)
    assert Counter(engine.lost) == {"invalid-service": 1, "invalid-run_id": 2}
    assert engine.cpu_ns("b") >= 2 * MILLISECOND


def test_the_variable_of_mlflow_names_the_run_of_a_process(engine: QuietEngine, mlflow: StandInMlflow) -> None:
    train = ecoia.track(service="a", phase="training")(burn)
    os.environ["MLFLOW_RUN_ID"] = "given"
    try:
        train(5)
    finally:
        del os.environ["MLFLOW_RUN_ID"]
    train(5)
    assert_burned(engine, given=5, session=5)
