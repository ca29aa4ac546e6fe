"""The way from readings to records: exact sums, reported gaps, windows in time, and a journal that fails."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia.errors import SettingError
from ecoia.keeping.journal import Journal
from ecoia.measuring import host_share
from ecoia.measuring.recorder import Recorder
from ecoia.measuring.subject import Delta, Look, RecordKey
from ecoia.meters import Meter, hardware
from ecoia.meters.hardware import BusyTime
from ecoia.methods import Method
from ecoia.periods import HALF_HOUR_NS
from ecoia.records import Tokens, fold
from ecoia.records.id_sets import ids_of
from ecoia.semconv import COMPONENTS, KIND_IDLE, KIND_OUTCOME, KIND_OVERHEAD, KIND_SPAN, KIND_UNATTRIBUTED, MISSING
from ecoia.settings import Settings
from ecoia.testing import FixedMeter, MemorySubject, StepMeter
from support.programs import recorded
from support.records import total
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


@pytest.mark.parametrize(("given", "kept"), [({"instance_type": "m5.large"}, "m5.large"), ({}, None)])
def test_records_keep_the_type_of_the_machine_where_it_is_named(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path, given: dict[str, str], kept: str | None
) -> None:
    subject = MemorySubject()
    subject.losses.update(["invalid-units"])
    recorder(subject, [], home=str(tmp_path), **given).close()
    (record,) = recorded(tmp_path)
    assert record.context.get("instance_type") == kept


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
        tokens=Counter(
            {("local", "small", (), name): count for name, count in (("requests", 2), ("tokens_in", 10), ("tokens_out", 4))}
        ),
        quality={"accuracy": 0.5},
    )
    recording = recorder(MemorySubject([look, one_look()]), [], home=str(tmp_path))
    recording.read()
    recording.close_window()
    recording.close()
    first, second = [record for record in recorded(tmp_path) if record.kind == KIND_SPAN]
    assert (first.units_micro, first.accepted_micro, first.quality) == (2_500_000, 0, {"accuracy": 0.5})
    assert first.tokens == (Tokens("local", "small", 10, 4, requests=2),)
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
    assert len({record.record_id.partition(":")[0] for record in records}) == 3, "a copied machine would look the same"


def test_the_rows_of_a_process_name_their_records_by_one_range_each(
    recorder: Callable[..., Recorder], host: Host, tmp_path: Path
) -> None:
    recording = recorder(MemorySubject([one_look()] * 5), [StepMeter("cpu", range(1, 6))], home=str(tmp_path))
    for _ in range(5):
        recording.read()
        recording.keep_window()  # which builds the records, too
        recording.close_window()
    records = recorded(tmp_path)
    assert {record.schema for record in records} == {3}
    rows = [row for row in fold(records) if row["kind"] != KIND_OUTCOME]
    assert KIND_SPAN in {row["kind"] for row in rows}
    assert all(not row["record_ids"] and len(row["sources"]) == 1 for row in rows)
    assert sum(ids_of(row).count for row in rows) >= len([record for record in records if record.kind != KIND_OUTCOME])


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
    recording = recorder(MemorySubject([one_look()] * 400), [], complaints=complaints, home=str(tmp_path), journal_max_mb=cap_mb)
    written = []
    for _ in range(400):
        recording.read()
        written.append(recording.close_window())
    assert written[0]
    assert not written[-1]
    assert "of its cap (journal_max_mb)" in complaints[0]  # reported from 80 %, before writes fail
    assert "is at its cap of 20000 bytes" in complaints[-1]
    assert Journal(tmp_path).size_bytes() <= cap_mb * 1e6
    assert len(recorded(tmp_path)) >= 10


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
