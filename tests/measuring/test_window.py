"""Check windows: sums that keep missing apart from zero, and ends that survive a jump of the wall clock."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.measuring.window import Window
from ecoia.meters.hardware import BusyTime
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_SPAN
from ecoia.testing import MemorySubject, StepMeter
from support.deliveries import configured

SECOND_NS = 1_000_000_000
START_NS = 1_795_000_000 * SECOND_NS
KEY = RecordKey("vadore", "inference")
DELTAS = st.builds(
    Delta,
    cpu_ns=st.integers(0, 100),
    spans=st.integers(0, 3),
    units_micro=st.none() | st.integers(0, 9),
    ended=st.integers(0, 1),
    last_failed=st.booleans(),
)


@given(st.lists(st.none() | st.integers(0, 10**9)))
def test_missing_energy_is_not_zero(readings: list[int | None]) -> None:
    window = Window(START_NS, 0, SECOND_NS)
    for microjoules in readings:
        window.add_energy(KIND_SPAN, KEY, dict.fromkeys(COMPONENTS, microjoules))
    known = [microjoules for microjoules in readings if microjoules is not None]
    for component in COMPONENTS if readings else ():
        assert window.energy[KIND_SPAN, KEY][component] == (sum(known) if known else None)


@given(st.lists(DELTAS, min_size=1))
def test_deltas_add_up_and_the_last_outcome_counts(deltas: list[Delta]) -> None:
    window = Window(START_NS, 0, SECOND_NS)
    for delta in deltas:
        window.add_delta(KEY, delta)
    total = window.deltas[KEY]
    assert (total.cpu_ns, total.spans) == (sum(each.cpu_ns for each in deltas), sum(each.spans for each in deltas))
    units = [each.units_micro for each in deltas if each.units_micro is not None]
    assert total.units_micro == (sum(units) if units else None)
    outcomes = [each.last_failed for each in deltas if each.ended]
    assert total.last_failed == (outcomes[-1] if outcomes else False)


@pytest.mark.parametrize(
    ("jump_ns", "counted"), [(0, 0), (SECOND_NS // 2, 0), (-SECOND_NS // 2, 0), (3600 * SECOND_NS, 1), (-3600 * SECOND_NS, 1)]
)
def test_a_window_keeps_its_duration_if_the_clock_jumps(jump_ns: int, counted: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 10 * SECOND_NS)
    window = Window(START_NS, 0, SECOND_NS)
    now_ns = START_NS + 10 * SECOND_NS + jump_ns
    assert window.end(now_ns) == now_ns
    assert window.lost.get("clock-step", 0) == counted
    assert now_ns - window.start_utc_ns == (10 * SECOND_NS if counted else 10 * SECOND_NS + jump_ns)


def test_idle_energy_is_not_in_the_energy_per_cpu_second() -> None:
    window = Window(START_NS, 0, SECOND_NS)
    window.add_energy(KIND_IDLE, None, {"cpu": 10**9, "gpu": None, "ram": None})
    window.add_energy(KIND_SPAN, KEY, {"cpu": 6_000_000, "gpu": None, "ram": None})
    window.add_delta(KEY, Delta(cpu_ns=2 * SECOND_NS))
    assert window.joules_per_cpu_second() == 3.0
    assert Window(START_NS, 0, SECOND_NS).joules_per_cpu_second() is None


@pytest.mark.parametrize(("stolen_part", "counted"), [(0.0, 0), (0.05, 0), (0.051, 1), (1.0, 1)])
def test_a_window_of_which_more_than_a_twentieth_was_stolen_says_so_once(
    stolen_part: float, counted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 10 * SECOND_NS)
    window = Window(START_NS, 0, SECOND_NS)
    for _ in range(10):
        window.stolen_ns += round(stolen_part * SECOND_NS)
    window.end(START_NS + 10 * SECOND_NS)
    assert window.lost.get("cpu-steal", 0) == counted


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([(0.5, 1)], (0.5, 1.0)),  # in one reading
        ([(0.4, 0), (1.0, 0), (0.3, 1)], (0.6, 2.3)),  # over three: 0.4 + 1 + 0.3 s
        ([(0.4, 0), (0.6, 1), (0.0, 0)], (0.6, 1.6)),  # processor time that comes after the end extends nothing
        ([(0.0, 0), (0.2, 1), (0.0, 0), (0.2, 1)], (1.8, 4.0)),  # two calls: from the first to the last
        ([(3.0, 5)], (0.0, 1.0)),  # several threads at once
        ([(0.4, 0), (1.0, 0), (0.0, 1)], (0.6, 2.3)),  # a call that is over: as long as the rest of the time was covered
    ],
)
def test_spans_are_as_long_as_they_were_open_and_not_as_the_window(
    readings: list[tuple[float, int]], expected: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: clock[0])
    monkeypatch.setattr(time, "time_ns", lambda: START_NS + clock[0])
    deltas = [{KEY: Delta(cpu_ns=1, in_flight_ns=round(open_s * SECOND_NS), spans=ended)} for open_s, ended in readings]
    looks = [Look(1, 0, 0, 0.3, delta) for delta in [{}, *deltas, {}, {}]]
    settings = configured(instance="host-1", scope="host")
    recorder = Recorder(
        settings, MemorySubject(looks), [StepMeter("cpu", [1000 * n for n in range(9)])],
        pid=42, start=(START_NS, 0, BusyTime(0, 0)), complain=print,
    )  # fmt: skip
    recorder.read()
    for _ in deltas:
        clock[0] += SECOND_NS
        recorder.read()
    window = recorder.window
    start_ns, end_ns = window.bounds_of(KEY, (START_NS, START_NS + clock[0]))
    assert ((start_ns - START_NS) / SECOND_NS, (end_ns - START_NS) / SECOND_NS) == pytest.approx(expected)
    ended = START_NS + round(expected[1] * SECOND_NS)
    clock[0] += SECOND_NS
    recorder.close_window()
    recorder.read()
    bounds = recorder.window.bounds_of(KEY, (START_NS + clock[0], START_NS + clock[0] + 9))
    assert bounds == (pytest.approx(ended, abs=2), pytest.approx(ended, abs=2)), "what comes later takes no time"
