"""``ecoia.track`` on real threads: which span is charged, and what the run and the rest of the program see of it.

CPU time is burnt in exact amounts (by the thread's own clock) and read from the counters, so no test depends on the
machine's speed or load.
"""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
import types
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import ecoia
from ecoia.instrument.start import StartReadings
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from support.quiet_engine import MILLISECOND, QuietEngine, assert_about, burn

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
