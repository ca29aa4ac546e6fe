"""What the sampler sees of the threads that it looks at while they work, begin and end.

CPU time is burnt in exact amounts (by the thread's own clock) and read from the counters, so no test depends on the
machine's speed or load.
"""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from typing import Any

import pytest

import ecoia
from ecoia.instrument.spans import ThreadState
from ecoia.instrument.start import StartReadings
from ecoia.measuring.subject import Delta, RecordKey
from ecoia.measuring.this_process import ThisProcess
from ecoia.settings import load as load_settings
from support.quiet_engine import MILLISECOND, SLACK_NS, QuietEngine, assert_about, burn

# --- what the sampler sees ----------------------------------------------------------------------------------------------


def test_threads_are_covered_side_by_side(engine: QuietEngine) -> None:
    """Two calls at a time are two in flight, also once they are over."""
    subject = ThisProcess(engine, StartReadings(), "session", load_settings())
    both, inside, around = threading.Barrier(2), [], []

    def work() -> None:
        began_ns = time.perf_counter_ns()
        with ecoia.track(service="chat"):
            open_ns = time.perf_counter_ns()
            both.wait()
            burn(5)
            inside.append(time.perf_counter_ns() - open_ns)
        around.append(time.perf_counter_ns() - began_ns)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    look = subject.look(time.perf_counter_ns())
    assert sum(inside) <= look.threads_ns <= sum(around)


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
