"""Check the way from readings to records: exact sums, reported gaps, and a host that is not disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ecoia
from ecoia.errors import SettingError
from ecoia.instrument.background import Background
from ecoia.instrument.engine import Engine
from ecoia.keeping.adoption import adopt
from ecoia.keeping.destinations import read_targets
from ecoia.keeping.journal import Journal
from ecoia.measuring import host_share
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.meters import Meter, hardware
from ecoia.meters.hardware import BusyTime
from ecoia.methods import Method
from ecoia.periods import HALF_HOUR_NS
from ecoia.records import Record, fold
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_OUTCOME, KIND_OVERHEAD, KIND_SPAN, KIND_UNATTRIBUTED, MISSING
from ecoia.settings import Settings
from ecoia.testing import FixedMeter, MemorySubject, StepMeter
from support.namespaces import in_namespaces, needs_namespaces
from support.programs import BURN, recorded, run_python, spans_of
from support.settings import make_settings

SECOND_NS = 1_000_000_000
TICK_NS = 10_000_000
START = 1_795_000_000 * SECOND_NS
VADORE = RecordKey("vadore", "training", "run-1")
EMPLOI = RecordKey("smart-emploi", "inference", endpoint="/predict", model_version="v2")


class Host:
    """The kernel's account of the host's CPUs, advanced by hand."""

    def __init__(self) -> None:
        self.busy_ns = 0
        self.total_ns = 0
        self.stolen_ns = 0

    def read(self) -> BusyTime:
        return BusyTime(self.busy_ns, self.total_ns, self.stolen_ns)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(hardware, "host_busy_time", host.read)
    monkeypatch.setattr(host_share, "_VIEW_NS", 0)  # the account jumps, however little real time has passed
    return host


def make_recorder(
    subject: MemorySubject,
    meters: Iterable[Meter],
    *,
    complaints: list[str] | None = None,
    start: int | None = None,
    **values: Any,
) -> Recorder:
    logged: list[str] = [] if complaints is None else complaints
    return Recorder(
        make_settings(**values),
        subject,
        list(meters),
        pid=4242,
        start=(time.time_ns() if start is None else start, time.perf_counter_ns(), BusyTime(0, 0)),
        complain=logged.append,
    )


@pytest.fixture
def recorder(host: Host) -> Iterator[Callable[..., Recorder]]:
    """Make recorders, and close them when the test is over."""
    made: list[Recorder] = []

    def make(*arguments: Any, **values: Any) -> Recorder:
        made.append(make_recorder(*arguments, **values))
        return made[-1]

    yield make
    for recording in made:
        recording.close()


def total(records: Iterable[Record], component: str, kind: str | None = None) -> int | None:
    """Sum the energy that is not missing; None if all of it is."""
    energies = [record.energy_microjoules[component] for record in records if kind in (None, record.kind)]
    known = [energy for energy in energies if energy is not None]
    return sum(known) if known else None


def one_look(cpu_ns: int = SECOND_NS, *, key: RecordKey = VADORE, **fields: Any) -> Look:
    delta = Delta(cpu_ns=cpu_ns, in_flight_ns=SECOND_NS, spans=1, ended=1, **fields)
    return Look(process_cpu_ns=cpu_ns, own_cpu_ns=0, outside_cpu_ns=0, coverage=1.0, deltas={key: delta})


# --- exact sums --------------------------------------------------------------------------------------------------------

CPU_NS = st.integers(0, 4 * SECOND_NS)
READING = st.fixed_dictionaries(
    {
        "cpu": st.none() | st.integers(0, 10**9),
        "gpu": st.none() | st.integers(0, 10**9),
        "ram": st.none() | st.integers(0, 10**7),
        "busy_ns": st.integers(0, 16 * SECOND_NS),
        "spans": st.dictionaries(st.sampled_from([VADORE, EMPLOI]), st.tuples(CPU_NS, CPU_NS)),
        "more_ns": st.tuples(CPU_NS, CPU_NS, CPU_NS),  # workers, outside, ecoia's own
        "coverage": st.sampled_from([0.0, 1.0]) | st.floats(0, 1),
        "close": st.booleans(),
    }
)


@given(st.lists(READING, min_size=1, max_size=12), st.sampled_from(["process", "host"]))
def test_the_journal_holds_the_allocated_energy_to_the_microjoule(readings: list[dict[str, Any]], scope: str) -> None:
    """Over many readings with fractional shares and gaps, no joule is recorded twice or lost, and missing is never zero."""
    exact: dict[str, Fraction | None] = dict.fromkeys(COMPONENTS)
    looks = []
    for reading in readings:
        worker_ns, outside_ns, own_ns = reading["more_ns"]
        process_ns = sum(cpu for cpu, _ in reading["spans"].values()) + worker_ns + outside_ns
        deltas = {key: Delta(cpu_ns=cpu, in_flight_ns=flight, spans=1) for key, (cpu, flight) in reading["spans"].items()}
        looks.append(Look(process_ns, own_ns, outside_ns, reading["coverage"], deltas))
        used_ns = process_ns + own_ns
        share = Fraction(used_ns, max(reading["busy_ns"], used_ns, TICK_NS)) if scope == "process" else Fraction(1)
        for component in COMPONENTS:
            if reading[component] is not None:
                part = reading[component] * (Fraction(1) if component == "gpu" else share)
                exact[component] = (exact[component] or 0) + part

    host = Host()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(hardware, "host_busy_time", host.read)
        patch.setattr(host_share, "_VIEW_NS", 0)
        patch.setattr(os, "fsync", lambda _: None)  # it only takes time here; the tests of the journal check durability
        meters = [
            StepMeter("cpu", [reading["cpu"] for reading in readings]),
            StepMeter("gpu", [reading["gpu"] for reading in readings], devices=["GPU-1"]),
            StepMeter("ram", [reading["ram"] for reading in readings], status="estimated"),
        ]
        subject = MemorySubject(looks)
        recording = make_recorder(subject, meters, home=folder, scope=scope)
        for reading in readings:
            host.busy_ns += reading["busy_ns"]
            host.total_ns += max(reading["busy_ns"], 16 * SECOND_NS)
            recording.read()
            if reading["close"]:
                assert recording.close_window()
        recording.close()  # reads once more, and all meters fail
        records = recorded(Path(folder))

    for component in COMPONENTS:
        recorded_uj = total(records, component)
        if exact[component] is None:
            assert recorded_uj is None
        elif recorded_uj is None:
            assert exact[component] < 1  # a window without energy writes nothing
        else:
            # A fraction of a microjoule is carried to the next reading; floats err by much less.
            assert -Fraction(1, 1000) < exact[component] - recorded_uj < 1 + Fraction(1, 1000)
    for record in records:
        for component in COMPONENTS:
            assert (record.energy_microjoules[component] is None) == (record.method[component].status == MISSING)
    unread = sum(record.lost.get(f"{component}-unread", 0) for record in records for component in COMPONENTS)
    assert unread == sum(reading[component] is None for reading in readings for component in COMPONENTS) + 3
    assert sum(record.spans for record in records) == sum(len(reading["spans"]) for reading in readings)
    spans_cpu_ns = sum(cpu for reading in readings for cpu, _ in reading["spans"].values())
    workers_ns = sum(reading["more_ns"][0] for reading in readings)
    charged_ns = sum(record.cpu_ns for record in records if record.kind == KIND_SPAN)
    assert spans_cpu_ns <= charged_ns <= spans_cpu_ns + workers_ns, "spans are charged for their own CPU time and for workers"
    if scope == "host":
        assert (total(records, "cpu", KIND_IDLE) or 0) <= (total(records, "cpu") or 0)


def test_a_share_too_small_for_a_reading_adds_up_over_many(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    """A millionth of 1000 microjoules rounds to nothing at each reading, and adds up to one after a thousand."""
    subject = MemorySubject([one_look(cpu_ns=SECOND_NS // 1000)] * 2000)
    recording = recorder(subject, [StepMeter("cpu", [1000] * 2000)], home=str(tmp_path))
    for _ in range(2000):
        host.busy_ns += 1000 * SECOND_NS
        host.total_ns += 1000 * SECOND_NS
        recording.read()
    recording.close_window()
    assert total(recorded(tmp_path), "cpu") in (1, 2)  # 2, or 1 after float rounding


def test_idle_energy_of_a_dedicated_host_is_separated(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    look = Look(SECOND_NS, 0, 0, 0.25, {VADORE: Delta(cpu_ns=SECOND_NS, in_flight_ns=SECOND_NS)})
    recording = recorder(
        MemorySubject([look]), [StepMeter("cpu", [1_000_001])], home=str(tmp_path), scope="host", service="reserver"
    )
    host.busy_ns = 8 * SECOND_NS  # other processes were busy too; a dedicated host records their energy
    recording.close()
    records = recorded(tmp_path)
    energies = {record.kind: record.energy_microjoules["cpu"] for record in records if record.kind != KIND_OUTCOME}
    assert energies == {KIND_SPAN: 250_000, KIND_IDLE: 750_001}
    assert {record.service for record in records if record.kind == KIND_IDLE} == {"reserver"}
    assert {record.scope for record in records} == {"host"}


def test_threads_that_spin_between_spans_are_not_background(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers in a reading right after a span spin for that span. Long after it, they belong to no span."""
    now_ns = [time.perf_counter_ns()]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now_ns[0])

    def busy(coverage: float) -> Look:
        deltas = {VADORE: Delta(cpu_ns=SECOND_NS // 10, in_flight_ns=SECOND_NS // 10, spans=1)} if coverage else {}
        return Look(SECOND_NS // 10 * bool(coverage) + SECOND_NS // 5, 0, 0, coverage, deltas)

    def span_cpu_ns() -> int:
        return sum(record.cpu_ns for record in recorded(tmp_path) if record.kind == KIND_SPAN)

    looks = [busy(0.4), busy(0), busy(0.4), busy(0), busy(0), busy(0), busy(0.4)]
    recording = recorder(MemorySubject(looks), [StepMeter("cpu", [10**6] * 7)], home=str(tmp_path))

    def read(times: int) -> int:
        before = span_cpu_ns()
        for _ in range(times):
            now_ns[0] += SECOND_NS
            host.busy_ns += 2 * SECOND_NS
            host.total_ns += 2 * SECOND_NS
            recording.read()
        recording.close_window()
        return (span_cpu_ns() - before) // 1_000_000

    assert read(1) == 100 + 200
    assert read(2) == 100 + 200, "the workers' spinning after a span is mistaken for background"
    assert read(4) == 100 + 200 - 120, "background in the 0.6 s without a span is not the span's"


def test_a_process_records_its_share(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    host.busy_ns = host.total_ns = 4 * SECOND_NS
    recording = recorder(
        MemorySubject([one_look()]),
        [StepMeter("cpu", [1_000_000]), StepMeter("gpu", [500], devices=["GPU-1"])],
        home=str(tmp_path),
    )
    recording.close()
    (record,) = [record for record in recorded(tmp_path) if record.kind == KIND_SPAN]
    assert record.energy_microjoules == {"cpu": 250_000, "gpu": 500, "ram": None}
    assert record.share_claimed == 0.25
    assert record.devices == ("GPU-1",)
    assert record.pid == 4242


# --- gaps are reported -------------------------------------------------------------------------------------------------


def test_a_reading_that_failed_is_missing_and_counted(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    recording = recorder(
        MemorySubject([one_look(), one_look(), one_look()]), [StepMeter("cpu", [None, None, 70])], home=str(tmp_path)
    )
    recording.read()
    recording.read()
    recording.close_window()
    recording.close()
    first, second = [record for record in recorded(tmp_path) if record.kind == KIND_SPAN]
    assert first.energy_microjoules["cpu"] is None
    assert first.method["cpu"] == Method(MISSING, "steps:unread")
    assert second.energy_microjoules["cpu"] == 70
    assert second.method["cpu"] == Method("measured", "steps")
    assert first.method["ram"].status == second.method["gpu"].status == MISSING
    assert [dict(record.lost) for record in recorded(tmp_path) if record.lost] == [{"cpu-unread": 2}]


def test_a_broken_meter_does_not_affect_the_others(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    class BrokenMeter(FixedMeter):
        def read(self, seconds: float, load: float) -> int | None:
            raise RuntimeError("driver gone")

    complaints: list[str] = []
    meters = [BrokenMeter("gpu", 1, devices=["GPU-1"]), StepMeter("cpu", [70])]
    recording = recorder(MemorySubject([one_look()]), meters, complaints=complaints, home=str(tmp_path))
    recording.close()
    assert total(recorded(tmp_path), "cpu") == 70
    assert total(recorded(tmp_path), "gpu") is None
    assert complaints == ["gpu meter fixed: RuntimeError: driver gone"]


def test_losses_and_illegal_settings_are_in_the_next_record(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path
) -> None:
    complaints: list[str] = []
    subject = MemorySubject()
    subject.losses.update(["invalid-units", "invalid-units"])
    base = make_settings(home=str(tmp_path))
    illegal = Settings(base.values, (SettingError("pue", "0.5", "ECOIA_PUE", "write 1 or more"),))
    recording = Recorder(
        illegal, subject, [], pid=1, start=(time.time_ns(), time.perf_counter_ns(), BusyTime(0, 0)), complain=complaints.append
    )
    recording.close()
    (record,) = recorded(tmp_path)
    assert record.kind == KIND_OVERHEAD
    assert record.lost == {"invalid-setting:pue": 1, "invalid-units": 2}
    assert record.energy_microjoules == {"cpu": None, "gpu": None, "ram": None}
    assert "pue" in complaints[0]


def test_a_window_with_stolen_time_says_so(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = [time.perf_counter_ns()]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now_ns[0])
    recording = recorder(MemorySubject([one_look()]), [FixedMeter("cpu", 5)], home=str(tmp_path))
    now_ns[0] += SECOND_NS
    host.busy_ns, host.stolen_ns, host.total_ns = 8 * SECOND_NS, SECOND_NS, 16 * SECOND_NS
    recording.close()
    assert [dict(record.lost) for record in recorded(tmp_path) if record.lost] == [{"cpu-steal": 1}]


def test_nothing_done_writes_nothing(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    recording = recorder(MemorySubject(), [], home=str(tmp_path))
    recording.close()
    assert recorded(tmp_path) == []


@pytest.mark.parametrize("meters", [[], [StepMeter("cpu", [0, 0])]], ids=["all missing", "no energy yet"])
def test_cpu_time_is_recorded_even_if_its_energy_is_missing(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, meters: list[Meter]
) -> None:
    """CPU time without a record would be recorded again by a process that measures above."""
    recording = recorder(MemorySubject([Look(7, 5, 2, 0.0, {})]), meters, home=str(tmp_path))
    recording.close()
    assert {record.kind: record.cpu_ns for record in recorded(tmp_path)} == {KIND_UNATTRIBUTED: 7, KIND_OVERHEAD: 5}


def test_an_outcome_is_recorded_once_until_it_changes(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    looks = [one_look(), one_look(), one_look(last_failed=True), one_look(last_failed=True), one_look(key=EMPLOI)]
    recording = recorder(MemorySubject(looks), [], home=str(tmp_path))
    for _ in looks:
        recording.read()
        recording.close_window()
    outcomes = [record for record in recorded(tmp_path) if record.kind == KIND_OUTCOME]
    assert [(record.run_id, record.outcome) for record in outcomes] == [("run-1", "ok"), ("run-1", "failed")]
    assert all(energy is None for record in outcomes for energy in record.energy_microjoules.values())


def test_tokens_quality_and_units_arrive(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    look = one_look(
        units_micro=2_500_000,
        accepted_micro=0,
        tokens=Counter({("local", "small", "in"): 10, ("local", "small", "out"): 4}),
        quality={"accuracy": 0.5},
    )
    recording = recorder(MemorySubject([look, one_look()]), [], home=str(tmp_path))
    recording.read()
    recording.close_window()
    recording.close()
    first, second = [record for record in recorded(tmp_path) if record.kind == KIND_SPAN]
    assert (first.units_micro, first.accepted_micro, first.quality) == (2_500_000, 0, {"accuracy": 0.5})
    assert [(t.provider, t.model, t.tokens_in, t.tokens_out) for t in first.tokens] == [("local", "small", 10, 4)]
    assert (second.units_micro, second.accepted_micro) == (None, None)  # not given is not zero


# --- time --------------------------------------------------------------------------------------------------------------


def test_a_window_ends_with_its_half_hour(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boundary = START - START % HALF_HOUR_NS + HALF_HOUR_NS
    now = [boundary - 5]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    recording = recorder(MemorySubject([one_look()] * 4), [StepMeter("cpu", [10, 5, 15, 30])], home=str(tmp_path), start=now[0])
    recording.read()
    now[0] = boundary - 1
    assert recording.step() == 0.001, "a reading; the next one is due as soon as the half-hour ends"
    now[0] = boundary
    assert recording.window.crosses_half_hour()
    recording.step()
    assert not recording.window.crosses_half_hour()
    now[0] += HALF_HOUR_NS // 2
    recording.close()
    rows = [row for row in fold(recorded(tmp_path)) if row["kind"] == KIND_SPAN]
    assert {row["half_hour_utc_ns"]: row["energy_microjoules"]["cpu"] for row in rows} == {
        boundary - HALF_HOUR_NS: 30,
        boundary: 30,
    }


def test_setting_the_clock_moves_a_window_without_stretching_it(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [START]
    monkeypatch.setattr(time, "time_ns", lambda: now[0])
    recording = recorder(MemorySubject([one_look()] * 4), [StepMeter("cpu", [1, 2, 3, 4])], home=str(tmp_path))
    for moment in (START + SECOND_NS, START - 3600 * SECOND_NS, START - 3599 * SECOND_NS, START + 86400 * SECOND_NS):
        recording.read()
        now[0] = moment
        assert recording.window.seconds() >= 0
        recording.close_window()
    # The clock is set back by an hour, then forward by a day: each window ends now, and keeps its duration.
    records = [record for record in recorded(tmp_path) if record.kind == KIND_SPAN]
    assert [round((record.end_utc_ns - START) / SECOND_NS) for record in records] == [1, -3600, -3599, 86400]
    assert all(0 <= record.end_utc_ns - record.start_utc_ns <= 60 * SECOND_NS for record in records)
    assert total(recorded(tmp_path), "cpu") == 10
    steps = sum(record.lost.get("clock-step", 0) for record in recorded(tmp_path))
    assert steps == 2


def test_the_age_of_a_window_does_not_follow_the_wall_clock(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = recorder(MemorySubject(), [], home=str(tmp_path))
    monkeypatch.setattr(time, "time_ns", lambda: 0)  # decades back: records must not wait until it has caught up
    start_ns = time.perf_counter_ns()
    monkeypatch.setattr(time, "perf_counter_ns", lambda: start_ns + 11 * SECOND_NS)
    assert recording.window.seconds() >= 10


# --- a journal that fails ----------------------------------------------------------------------------------------------


def test_records_wait_for_a_journal_that_fails(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("in the way", encoding="utf-8")
    complaints: list[str] = []
    recording = recorder(MemorySubject([one_look()] * 3), [StepMeter("cpu", [1, 2, 4])], complaints=complaints, home=str(home))
    for _ in range(2):
        recording.read()
        assert not recording.close_window()
    assert all("home" in complaint and "ECOIA_HOME" in complaint for complaint in complaints)
    home.unlink()
    recording.read()
    assert recording.close_window()
    records = recorded(home)
    assert total(records, "cpu") == 7
    assert len({record.record_id for record in records}) == len(records)
    assert not any(record.lost for record in records)  # nothing was lost after all
    recording.close()
    records = recorded(home)
    assert len({record.record_id for record in records}) == len(records), "records that were written are written again"


def test_records_that_do_not_fit_in_memory_are_counted(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecoia.measuring.write_and_retry._MAX_UNWRITTEN", 2)
    home = tmp_path / "home"
    home.write_text("in the way", encoding="utf-8")
    look = Look(SECOND_NS, 0, 0, 1.0, {EMPLOI: Delta(cpu_ns=SECOND_NS)})
    recording = recorder(MemorySubject([look] * 7), [StepMeter("cpu", [1, 2, 4, 8, 16, 32, 64])], home=str(home))
    for _ in range(6):
        recording.read()
        recording.close_window()
    home.unlink()
    recording.close()
    records = recorded(home)
    assert total(records, "cpu") == 32 + 64  # the newest are kept
    # Five records of spans, and two that counted such losses; their counts are kept.
    assert sum(record.lost.get("unwritten-records", 0) for record in records) == 7


def test_the_size_cap_is_announced_and_kept(recorder: Callable[..., Recorder], host: Host, tmp_path: Path) -> None:
    complaints: list[str] = []
    cap_mb = 0.02
    recording = recorder(MemorySubject([one_look()] * 60), [], complaints=complaints, home=str(tmp_path), journal_max_mb=cap_mb)
    written = []
    for _ in range(60):
        recording.read()
        written.append(recording.close_window())
    assert written[0]
    assert not written[-1]
    assert "of its cap (journal_max_mb)" in complaints[0]  # reported from 80 %, before writes fail
    assert "is at its cap of 20000 bytes" in complaints[-1]
    assert Journal(tmp_path).size_bytes() <= cap_mb * 1e6
    assert len(recorded(tmp_path)) >= 10


# --- the sampler thread ------------------------------------------------------------------------------------------------


def test_flush_says_whether_it_is_in_the_journal(home: Path) -> None:
    program = """
import os, ecoia
with ecoia.track(service="a"): pass
assert ecoia.flush(60) is True
home = os.environ["ECOIA_HOME"]
os.rename(home, home + ".away")
open(home, "w").close()
with ecoia.track(service="a"): pass
print(ecoia.flush())
"""
    done = run_python("import ecoia; assert ecoia.flush(60) is True\n" + program)
    assert (done.stdout, done.returncode) == ("True\n", 0)  # its file is open, so renaming the folder changes nothing
    home.unlink()
    done = run_python("import ecoia\nwith ecoia.track(service='a'): pass\nprint(ecoia.flush())", ECOIA_HOME="/proc/ecoia")
    assert (done.stdout, done.returncode) == ("False\n", 0)


def test_flush_from_many_threads_returns_to_all(home: Path) -> None:
    program = """
import threading, ecoia
answers = []
def work():
    for _ in range(5):
        with ecoia.track(service="a"): pass
        answers.append(ecoia.flush(20))
threads = [threading.Thread(target=work) for _ in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]
assert answers == [True] * 30, answers
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 30


def test_a_fork_that_is_over_before_the_sampler_could_end_leaves_it_running(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sampler saw the fork begin, and wrote to a slow disk until the fork was over."""
    monkeypatch.setattr(Background, "PARKING_GRACE_SECONDS", 0.01)
    engine = Engine()
    background = Background(engine._make_sampling, complain=engine.complain, lose=engine.lost.append)
    background.start()
    background.ready.wait(60)
    assert background.sampling is not None
    real, seen, go_on, again = background.sampling.run, threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        if seen.is_set():
            again.set()
        real()
        seen.set()
        go_on.wait(60)

    monkeypatch.setattr(background.sampling, "run", slow)
    background.park()
    background._thread.join(60)
    background.unpark()  # the new thread runs slowly
    background.park()
    assert seen.wait(60)
    background.unpark()
    go_on.set()
    assert again.wait(60), "measuring has stopped"
    background.stop()


def test_flush_does_not_wait_for_a_sampler_that_died(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise RuntimeError("out of luck")

    monkeypatch.setattr("ecoia.measuring.sampler.Sampler", die)
    complaints: list[str] = []
    engine = Engine()
    monkeypatch.setattr(engine, "complain", complaints.append)
    background = Background(engine._make_sampling, complain=engine.complain, lose=engine.lost.append)
    background.start()
    assert background.flush(3600) is False  # if it waited, the test would time out
    words = ("measuring stopped", "nothing more is recorded")  # it begins again in this thread, in vain
    assert complaints == [f"{word}: RuntimeError: out of luck" for word in words]


def test_long_spans_are_soon_on_disk(home: Path) -> None:
    """A span of a second or more is written when it ends, not when the window does."""
    program = """
import os, sys, time, ecoia
with ecoia.track(service="a"):
    time.sleep(1.05)
end = time.monotonic() + 20
home = os.environ["ECOIA_HOME"]
from ecoia.keeping.journal import Journal
from ecoia.keeping.adoption import adopt
while not any(record.spans for record in Journal(home).scan().records):
    assert time.monotonic() < end
    time.sleep(0.01)
os._exit(0)
"""
    done = run_python(program, ECOIA_FLUSH_SECONDS="3600")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 1


# --- whole processes ---------------------------------------------------------------------------------------------------


@pytest.mark.timing
def test_a_short_script_leaves_its_records(home: Path) -> None:
    done = run_python(
        f"{BURN}\nimport ecoia\nwith ecoia.track(service='vadore', phase='training') as s:\n    burn(50)\n    s.units(3)\n"
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    (span,) = [record for record in records if record.kind == KIND_SPAN]
    assert (span.service, span.phase, span.spans, span.units_micro) == ("vadore", "training", 1, 3_000_000)
    assert 50_000_000 <= span.cpu_ns < 100_000_000
    (outcome,) = [record for record in records if record.kind == KIND_OUTCOME]
    assert (outcome.outcome, outcome.run_id) == ("ok", span.run_id)
    for component in COMPONENTS:
        assert (span.energy_microjoules[component] is None) == (span.method[component].status == MISSING)
    text = json.dumps([record.to_dict() for record in records])
    assert str(home) not in text
    assert sys.executable not in text


@pytest.mark.timing
def test_all_cpu_time_is_in_the_records_once(home: Path) -> None:
    """Records hold the CPU time of the process from its first span on: in spans, outside them, and in plain threads."""
    program = f"""
import sys, threading
{BURN}
import ecoia
with ecoia.track(service="first"): pass
start = time.process_time_ns()
ecoia.flush()
with ecoia.track(service="a"):
    burn(200)
    worker = threading.Thread(target=burn, args=(200,)); worker.start(); worker.join()
    with ecoia.track(service="b"):
        burn(100)
burn(200)
ecoia.flush()
print(time.process_time_ns() - start)
"""
    done = run_python(program)
    assert (done.stderr, done.returncode) == ("", 0)
    spent_ns = int(done.stdout)
    records = recorded(home)
    assert 0.95 * spent_ns <= sum(record.cpu_ns for record in records) <= 1.1 * spent_ns + 50_000_000
    cpu_ms = {service: sum(r.cpu_ns for r in records if r.service == service) / 1e6 for service in ("a", "b")}
    assert cpu_ms["a"] >= 200
    assert cpu_ms["b"] >= 100
    assert cpu_ms["a"] + cpu_ms["b"] > 380, "the worker ran for the spans in flight too"
    unattributed = sum(record.cpu_ns for record in records if record.kind == KIND_UNATTRIBUTED) / 1e6
    assert 195 <= unattributed < 380  # the 200 ms after the spans, and not the worker's 200 ms


def test_a_home_that_is_removed_while_a_program_runs_is_made_again(home: Path) -> None:
    """Records into a file without a name would be lost, and ``flush`` would say that they are written."""
    done = run_python(
        "import ecoia, os, shutil\n"
        "def work(name):\n"
        "    with ecoia.track(service=name): pass\n"
        "    print(ecoia.flush(60))\n"
        "work('a')\n"
        "home = os.environ['ECOIA_HOME']\n"
        "while os.path.exists(home): shutil.rmtree(home, ignore_errors=True)  # the sampler may be writing beside it\n"
        "work('b'); work('c')\n",
        MLFLOW_TRACKING_URI="https://mlflow.example",
        ECOIA_DELIVERY="manual",
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\n" * 3, "", 0)
    assert spans_of(home) == Counter(b=1, c=1)
    assert {record.target for record in recorded(home)} == set(read_targets(home))


ENDINGS = {
    "falls off the end": ("", 0),
    "exits": ("import sys; sys.exit(7)", 7),
    "exits with a text": ("import sys; sys.exit('sorry')", 1),
    "raises": ("raise RuntimeError('mine')", 1),
    "raises in a thread": ("import threading; t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", 0),
    "interrupts itself": (
        # A shell ignores interrupts in background jobs, and children inherit that.
        "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "os.kill(os.getpid(), signal.SIGINT); time.sleep(30)",
        -signal.SIGINT,
    ),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_host_ends_as_it_does_without_ecoia(home: Path, ending: str) -> None:
    code, status = ENDINGS[ending]
    # Flushed before the end: a busy machine may not find the meters in the time that an exit waits for them. Besides, Python
    # forgets that an interrupt ended it if anything is compiled afterwards, as by an import.
    program = f"{BURN}\nimport ecoia\nwith ecoia.track(service='a'):\n    burn(5)\nprint('answer')\necoia.flush(60)\n{code}\n"
    measured = run_python(program)
    bare = run_python(program, ECOIA_DISABLED="1")
    assert measured.returncode == bare.returncode == status
    assert measured.stdout == bare.stdout == "answer\n"
    assert measured.stderr == bare.stderr
    assert spans_of(home)["a"] == 1


def test_the_state_of_the_host_is_unchanged(home: Path) -> None:
    """Logging, warnings, signals, hooks, environment and network are as they are without ecoia."""
    program = """
import logging, os, signal, socket, sys, threading, warnings
network = []
sys.addaudithook(lambda event, _: event in ("socket.connect", "socket.getaddrinfo", "socket.bind") and network.append(event))
def facts():
    loggers = ("", "codecarbon", "ecoia", "urllib3", "py.warnings")
    return {
        "logging": [(log.name, log.handlers[:], log.level, log.propagate) for log in map(logging.getLogger, loggers)],
        "disabled": logging.root.manager.disable,
        "warnings": (warnings.filters[:], warnings.showwarning),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.gettrace(), sys.getprofile()),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "timeout": socket.getdefaulttimeout(),
        "streams": (sys.stdout, sys.stderr, sys.stdin),
        "interval": sys.getswitchinterval(),
    }
handler = logging.StreamHandler(sys.stdout)
logging.getLogger("codecarbon").addHandler(handler)
logging.getLogger("codecarbon").setLevel(logging.DEBUG)
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
before = facts()
import ecoia
for _ in range(3):
    with ecoia.track(service="a", phase="training"): pass
    assert ecoia.flush(60)
after = facts()
changed = [name for name in before if before[name] != after[name]]
assert not changed, [(before[name], after[name]) for name in changed]
assert not network, network
assert "ecoia.meters.gpu" in sys.modules, "no meter was detected, so nothing was tested"
forbidden = {"codecarbon", "mlflow", "pandas", "pydantic", "typer", "rich", "requests"} & set(sys.modules)
assert not forbidden, forbidden
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 3
    assert sorted(entry.name for entry in Path.cwd().iterdir()) == []


def test_importing_ecoia_is_lean() -> None:
    program = """
import sys
import __future__, atexit, collections.abc, contextvars, functools, threading, types
before = set(sys.modules)
import ecoia
print(sorted(set(sys.modules) - before))
"""
    done = run_python(program)
    words = ("errors", "losses", "semconv", "typing_light")
    instrument = ("engine", "handoff", "labels", "mlflow_run", "spans", "steps", "switching", "tracking", "wrapping")
    modules = [*words, "instrument", *(f"instrument.{name}" for name in instrument)]
    assert done.stdout.strip() == str(["ecoia", *sorted(f"ecoia.{name}" for name in modules)])


MEASURING_LOADS = """
errors instances instants json_text limits losses methods semconv settings typing_light units
instrument instrument.background instrument.engine instrument.groups instrument.handoff instrument.labels
instrument.mlflow_run instrument.spans instrument.start instrument.steps instrument.switching instrument.tracking
instrument.wrapping
keeping keeping.file_system keeping.held_file keeping.home_identity keeping.journal_lines keeping.journal_size
keeping.journal_writer keeping.open_windows keeping.place keeping.run_signs
measuring measuring.allocation measuring.attribution measuring.home_locks measuring.host_share measuring.idle_split
measuring.meter_readings measuring.recent_energy measuring.recorder measuring.sampler measuring.span_sharing
measuring.subject measuring.this_process measuring.window measuring.window_records measuring.write_and_retry
meters meters.gpu meters.hardware meters.load_model meters.meter meters.nvidia_driver meters.processor meters.ram_model
meters.rapl meters.server_share meters.tdp
processes processes.families processes.notices processes.proc
records records.field_rules records.fields records.record records.refusals
"""
STANDARD_LOADS = """
__future__ _weakrefset collections collections.abc contextvars functools keyword operator reprlib threading types
"""


def test_measuring_loads_little_and_keeps_little_in_memory() -> None:
    """A short script pays for imports more than for all else.

    The list holds the modules that it may load, from the second process of a home on, with an interpreter that has loaded nothing
    by itself. Modules written in C cost little, and most of them are in the interpreter.
    """
    program = """
import io, os, sys  # as ``site`` does
def resident_kib():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss:"))
before, resident = set(sys.modules), resident_kib()
import ecoia
with ecoia.track(service="a", phase="training"): pass
assert ecoia.flush(60)
grown = resident_kib() - resident
written = {name for name in set(sys.modules) - before if (getattr(sys.modules[name], "__file__", None) or "").endswith(".py")}
print(*sorted(written))
print(grown, file=sys.stderr)
"""
    environment = dict(os.environ, PYTHONPATH=str(Path(ecoia.__file__).parents[1]))
    for _ in range(2):  # the first one makes the home
        done = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.split())
    ours = {name.removeprefix("ecoia.") for name in loaded if name.startswith("ecoia.")}
    assert ours <= set(MEASURING_LOADS.split()), "each further module costs every measured process 0.1 to 0.5 ms"
    assert loaded - {f"ecoia.{name}" for name in ours} <= {"ecoia", *STANDARD_LOADS.split()}, "see docs/performance.md"
    assert int(done.stderr) < 8 * 1024


@pytest.mark.parametrize("below", ["a-file/home", "/proc/ecoia"])
def test_a_home_that_cannot_be_used_changes_nothing_for_the_host(tmp_path: Path, below: str) -> None:
    (tmp_path / "a-file").write_text("in the way", encoding="utf-8")
    home = str(tmp_path / below)
    program = (
        "import ecoia, sys\nfor i in range(3):\n    with ecoia.track(service='a'): print(i)\n    ecoia.flush()\nsys.exit(3)\n"
    )
    done = run_python(program, ECOIA_HOME=home)
    assert (done.stdout, done.returncode) == ("0\n1\n2\n", 3)
    (line,) = done.stderr.splitlines()  # logged once
    assert line.startswith(f"ecoia: journal home '{home}' cannot be used")
    assert "ECOIA_HOME" in line


def test_illegal_settings_are_counted_and_the_host_goes_on(home: Path) -> None:
    done = run_python(
        "import ecoia\nwith ecoia.track(service='a'): print('answer')\necoia.flush(60)\n",
        ECOIA_PUE="0.5",
        ECOIA_ZONE="France",
        ECOIA_FLUSH_SECONDS="often",
        ECOIA_SCOPE="universe",
        ECOIA_SERVICE="Not An Id",
    )
    assert (done.stdout, done.returncode) == ("answer\n", 0)
    logged = done.stderr.splitlines()
    assert len(logged) == 5, "each fault once"
    assert all(any(f"ECOIA_{name}" in line for line in logged) for name in ("PUE", "ZONE", "FLUSH_SECONDS", "SCOPE", "SERVICE"))
    lost: Counter[str] = Counter()
    for record in recorded(home):
        lost.update(record.lost)
    assert lost == {f"invalid-setting:{name}": 1 for name in ("pue", "zone", "flush_seconds", "scope", "service")}
    assert {record.zone for record in recorded(home)} == {None}


def test_illegal_values_of_run_time_are_counted_and_shown(home: Path) -> None:
    program = """
import ecoia, os
service = os.environ["SERVICE"]
with ecoia.track(service=service) as span:
    span.units(float("nan"))
    span.units(-3)
@ecoia.track(service=service)
def decorated(): return "answer"
print(decorated())
ecoia.flush(60)
"""
    done = run_python(program, SERVICE="Mon Service")
    assert (done.stdout, done.stderr, done.returncode) == ("answer\n", "", 0)
    lost: Counter[str] = Counter()
    for record in recorded(home):
        lost.update(record.lost)
    assert lost == {"invalid-service": 2, "invalid-units": 2}
    assert spans_of(home)["mon-service"] == 2


def test_a_dedicated_host_is_recorded_by_one_process_of_a_home(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path
) -> None:
    """Two processes would count it twice: the second records no energy, and counts that."""
    for number in (1, 2):
        look = Look(1_000, 0, 0, 1.0, {VADORE: Delta(cpu_ns=1_000, spans=1)})
        one = recorder(MemorySubject([look]), [StepMeter("cpu", [1_000_000])], home=str(tmp_path), scope="host")
        one.read()
        assert one.close_window()
        records = recorded(tmp_path)
        assert total(records, "cpu") == 1_000_000
        assert sum(record.spans for record in records) == number
    assert sum(record.lost.get("host-scope-taken", 0) for record in records) == 1
    assert all(record.energy_microjoules["cpu"] is None for record in records if record.lost)


def test_devices_recorded_by_a_process_inside_are_not_recorded_again(recorder: Callable[..., Recorder], tmp_path: Path) -> None:
    look = Look(1_000, 0, 0, 1.0, {VADORE: Delta(cpu_ns=1_000, spans=1)}, True)
    one = recorder(
        MemorySubject([look]), [StepMeter("cpu", [500]), StepMeter("gpu", [1_000_000], devices=["GPU-1"])], home=str(tmp_path)
    )
    one.read()
    assert one.close_window()
    assert total(recorded(tmp_path), "gpu") == 0


def test_a_python_without_ctypes_is_measured_too(home: Path) -> None:
    """Some are built so. Only the early reading of GPU counters uses ctypes, and nothing may depend on it."""
    program = """
import sys
sys.modules["ctypes"] = None
import ecoia.meters
from ecoia.testing import FixedMeter
ecoia.meters.detect = lambda *_, **__: ecoia.meters.Detected({"cpu": FixedMeter("cpu", 10)})
import ecoia
with ecoia.track(service="a"):
    sum(range(100_000))
assert ecoia.flush(60)
"""
    done = run_python(program)
    assert (done.returncode, done.stderr) == (0, "")
    assert spans_of(home)["a"] == 1
    assert total(recorded(home), "cpu")


# --- what can be recorded where not everything can ---------------------------------------------------------------------

NO_METERS_YET = """
import sys, threading, time, ecoia, ecoia.meters
from ecoia.instrument.background import Background
Background.EXIT_GRACE_SECONDS = 0.01
found = threading.Event()
def detect(*_, **__):
    found.wait(60)  # a machine so busy that the search does not end before the program does
    return []
ecoia.meters.detect = detect
def work():
    with ecoia.track(service="a") as span:
        span.units(2)
thread = threading.Thread(target=work)
thread.start()
thread.join()
work()
"""


def test_a_program_that_ends_before_its_meters_are_found_leaves_all_but_its_energy(home: Path) -> None:
    done = run_python(NO_METERS_YET)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    assert [(each.spans, each.units_micro) for each in records if each.kind == KIND_SPAN] == [(2, 4_000_000)]
    assert all(each.energy_microjoules[component] is None for each in records for component in COMPONENTS)
    assert sum(each.cpu_ns for each in records) > 1_000_000
    assert [each.lost for each in records if each.lost] == [{"meters-not-found": 1}]
    assert list((home / "open").iterdir()) == []


NO_THREADS = """
import sys, threading, ecoia
start = threading.Thread.start
def refused(self):
    raise RuntimeError("can't start new thread")
def work():
    with ecoia.track(service="a") as span: span.units(1)
threading.Thread.start = refused
work()
assert ecoia.flush(60)
work()
if sys.argv[1] == "threads again":
    threading.Thread.start = start
    assert ecoia.flush(60)
    work()
    assert ecoia.flush(60)
    work()
"""


@pytest.mark.parametrize("later", ["never", "threads again"])
def test_a_host_without_a_thread_left_is_recorded_without_energy(home: Path, later: str) -> None:
    done = run_python(NO_THREADS, later)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    records = recorded(home)
    spans = [each for each in records if each.kind == KIND_SPAN]
    assert (
        sum(each.spans for each in spans) == sum(each.units_micro or 0 for each in spans) / 1e6 == (2 if later == "never" else 4)
    )
    assert spans[0].energy_microjoules == dict.fromkeys(COMPONENTS)
    assert sum(each.lost.get("no-sampler", 0) for each in records) >= 1
    with_energy = [each for each in spans if any(each.energy_microjoules.values())]
    assert bool(with_energy) == (later == "threads again")
    assert list((home / "open").iterdir()) == []


def test_a_first_span_while_the_interpreter_ends_is_said_not_to_be_recorded(home: Path) -> None:
    """Python 3.12 and later start no thread for a function that ``atexit`` calls."""
    done = run_python(
        "import threading, ecoia\n"
        'def refused(self): raise RuntimeError("can\'t create new thread at interpreter shutdown")\n'
        "threading.Thread.start = refused\n"
        "for _ in range(2):\n    with ecoia.track(service='a'): pass\n"
    )
    assert (done.stdout, done.returncode) == ("", 0)
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("ecoia: nothing is recorded until")


@pytest.mark.parametrize("flushes", [True, False])
def test_a_first_span_without_a_descriptor_left_harms_nothing_and_is_recorded_later(home: Path, flushes: bool) -> None:
    program = """
import os, resource, sys, ecoia
@ecoia.track(service="a", units=1)
def work(): return "answer"
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True: held.append(os.open(os.devnull, os.O_RDONLY))
except OSError: pass
print(work(), ecoia.flush())
for number in held: os.close(number)
if sys.argv[1] == "True": print(ecoia.flush(60))
"""
    done = run_python(program, str(flushes))
    assert (done.stdout, done.returncode) == ("answer False\n" + "True\n" * flushes, 0)
    assert "Too many open files" in done.stderr
    assert sum(each.units_micro or 0 for each in recorded(home)) == 1_000_000
    assert sum(each.lost.get("no-sampler", 0) for each in recorded(home)) >= 1


@pytest.mark.parametrize(
    "unlogged",
    [
        "sys.stderr.close()",
        "reader, writer = os.pipe(); os.dup2(writer, 2); os.close(reader)",
        "import logging; logging.getLogger('ecoia').addFilter(lambda record: 1 / 0)",
    ],
)
def test_a_problem_that_cannot_be_logged_harms_nothing(home: Path, unlogged: str) -> None:
    done = run_python(
        f"import os, sys\n{unlogged}\nimport ecoia\nfrom ecoia.integrating import complain\ncomplain('a problem')\n"
        "with ecoia.track(service='a'): pass\nprint(ecoia.flush(60), flush=True)\nos._exit(0)",
        ECOIA_FLUSH_SECONDS="soon",
    )
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert spans_of(home)["a"] == 1


def test_a_signal_handler_that_raises_while_measuring_starts_is_heard_and_costs_no_later_span(home: Path) -> None:
    program = """
import signal, ecoia
from ecoia.instrument import background
real = background.Background
class Interrupted(real):
    def __init__(self, *arguments, **options):
        background.Background = real
        signal.raise_signal(signal.SIGALRM)
background.Background = Interrupted
def ring(*_): raise TimeoutError("mine")
signal.signal(signal.SIGALRM, ring)
@ecoia.track(service="a")
def work(): pass
try: work()
except TimeoutError as error: print(error)
work()
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("mine\n", "", 0)
    assert spans_of(home)["a"] == 1


def test_a_fault_before_measuring_began_costs_the_energy_and_nothing_else(home: Path) -> None:
    """The code for measuring may fail to load for a moment, for want of a descriptor or memory."""
    done = run_python(
        "import ecoia, ecoia.measuring.sampler\nreal = ecoia.measuring.sampler.Sampler\n"
        "def fail(*_):\n    ecoia.measuring.sampler.Sampler = real\n    raise OSError('no luck')\n"
        "ecoia.measuring.sampler.Sampler = fail\n"
        "with ecoia.track(service='a') as span: span.units(1)\nprint(ecoia.flush(60))\n"
        "with ecoia.track(service='a') as span: span.units(1)\n"
    )
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert done.stderr == "ecoia: measuring stopped: OSError: no luck\n"
    records = recorded(home)
    assert sum(each.units_micro or 0 for each in records) == 2_000_000
    assert sum(each.lost.get("measuring-stopped", 0) for each in records) >= 1
    assert list((home / "open").iterdir()) == []


def test_a_signal_handler_that_flushes_during_a_flush_without_a_thread_does_not_hang(home: Path) -> None:
    program = """
import signal, threading, ecoia
from ecoia.measuring.recorder import Recorder
signal.alarm(60)
def refused(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refused
close = Recorder.close_window
def interrupted(self):
    signal.raise_signal(signal.SIGUSR1)
    return close(self)
Recorder.close_window = interrupted
signal.signal(signal.SIGUSR1, lambda *_: print(ecoia.flush(30)))
with ecoia.track(service="a"): pass
print(ecoia.flush(30))
Recorder.close_window = close
"""
    done = run_python(program)
    assert (done.stdout, done.stderr, done.returncode) == ("False\nTrue\n", "", 0)
    assert spans_of(home)["a"] == 1


@pytest.mark.parametrize(
    ("broken", "cause"),
    [("ecoia.meters.detect", "meters-failed"), ("ecoia.measuring.recorder.Recorder.step", "measuring-stopped")],
)
def test_a_fault_of_measuring_costs_the_energy_and_nothing_else(home: Path, broken: str, cause: str) -> None:
    done = run_python(
        "import ecoia, ecoia.meters, ecoia.measuring.recorder\n"
        f"def fail(*_, **__): raise OSError('no luck')\n{broken} = fail\n"
        "with ecoia.track(service='a') as span: span.units(1)\nprint(ecoia.flush(60))\n"
        "with ecoia.track(service='a') as span: span.units(1)\n"
    )
    assert (done.stdout, done.returncode) == ("True\n", 0)
    assert done.stderr.count("no luck") == 1
    records = recorded(home)
    assert sum(each.spans for each in records) == 2
    assert sum(each.units_micro or 0 for each in records) == 2_000_000
    assert sum(each.lost.get(cause, 0) for each in records) >= 1


def test_records_after_a_fault_of_measuring_begin_where_the_last_window_ended(home: Path) -> None:
    """Otherwise CPU time and units would be spread over the half-hours since the process began, delivered long ago."""
    done = run_python(
        "import ecoia, ecoia.measuring.recorder\n"
        "def fail(*_, **__): raise OSError('no luck')\n"
        "with ecoia.track(service='a'): pass\n"
        "assert ecoia.flush(60)\n"
        "ecoia.measuring.recorder.Recorder.step = fail\n"
        "with ecoia.track(service='b'): pass\n"
        "assert ecoia.flush(60)\n"
    )
    assert done.returncode == 0
    (before,), (after,) = ([each for each in recorded(home) if each.service == name] for name in ("a", "b"))
    assert after.start_utc_ns >= before.end_utc_ns


@needs_namespaces
@pytest.mark.parametrize("mount", ["mount -t tmpfs none /proc", "mount --bind /dev/null /proc/meminfo"])
def test_without_proc_or_the_size_of_memory_in_it_records_are_written(home: Path, mount: str) -> None:
    program = "import ecoia\nwith ecoia.track(service='a') as span: span.units(1)\nassert ecoia.flush(60)"
    done = in_namespaces("--mount", "sh", "-c", f'{mount} && exec "$@"', "sh", sys.executable, "-c", program)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    assert spans_of(home)["a"] == 1


def test_a_process_killed_before_its_first_reading_is_counted(home: Path) -> None:
    done = run_python(NO_METERS_YET + "import os, signal\nfrom ecoia.instrument.engine import engine\n"
                      "assert engine.background.begun.wait(60)\nos.kill(os.getpid(), signal.SIGKILL)")  # fmt: skip
    assert done.returncode == -9
    assert adopt(Journal(home)) == 1
    (word,) = recorded(home)
    assert (word.kind, word.lost) == (KIND_OVERHEAD, {"ended-suddenly": 1})
