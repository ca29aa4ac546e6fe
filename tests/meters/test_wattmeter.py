"""A wattmeter's file as a meter: the integral of its samples at any spacing, and never a silent change of method."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecoia import meters
from ecoia.errors import WattmeterError
from ecoia.meters.wattmeter import WattmeterMeter
from ecoia.methods import WATTMETER
from support.programs import BURN, recorded, run_python
from support.settings import make_settings

T0 = 1_795_000_000  # epoch seconds
SECOND_NS = 1_000_000_000


class Clock:
    """A wall clock that the test moves, in seconds after T0."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> int:
        return T0 * SECOND_NS + round(self.seconds * SECOND_NS)


def csv(samples: Iterable[tuple[float, float]]) -> str:
    return "time,watts\n" + "".join(f"{T0 + at},{watts}\n" for at, watts in samples)


def prometheus(samples: Iterable[tuple[float, Any]], *more: dict[str, Any]) -> str:
    """Return Prometheus's answer to a range query."""
    series = {"metric": {"instance": "pdu-1"}, "values": [[T0 + at, str(watts)] for at, watts in samples]}
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series, *more]}})


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def metered(path: Path, times: Sequence[float], start: float = 0.0) -> list[int | None]:
    """Return the readings at these times of a process that began at ``start``."""
    clock = Clock()
    meter = WattmeterMeter(path, clock)
    readings = []
    for at in times:
        clock.seconds = at
        readings.append(meter.read(at - start, 0.5))
        start = at
    return readings


# --- the rule ---------------------------------------------------------------------------------------------------------


def test_a_samples_power_holds_until_the_next(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(0, 100), (10, 50), (20, 200)]))
    assert metered(file, [5, 10, 15, 25]) == [500_000_000, 500_000_000, 250_000_000, 1_250_000_000]


def test_time_before_the_meter_was_found_counts_from_the_process_start(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(-10, 40)]))
    assert metered(file, [3], start=1) == [80_000_000]


SAMPLES = st.lists(st.tuples(st.integers(1, 40_000), st.integers(0, 10**9)), min_size=1, max_size=12)
"""(Milliseconds since the one before, microwatts)."""


def at_times(samples: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """(Milliseconds after T0, microwatts); the first at 0."""
    found, now = [], 0
    for index, (interval, power) in enumerate(samples):
        now += interval if index else 0
        found.append((now, power))
    return found


def integral(samples: list[tuple[int, int]], start_ms: int, end_ms: int) -> int:
    """Return microwatts x milliseconds, sample by sample, as the rule says."""
    total = 0
    for index, (at, power) in enumerate(samples):
        until = samples[index + 1][0] if index + 1 < len(samples) else end_ms
        total += power * max(min(until, end_ms) - max(at, start_ms), 0)
    return total


def text_of(samples: list[tuple[int, int]]) -> str:
    return "time,watts\n" + "".join(
        f"{T0 + at // 1000}.{at % 1000:03d},{power // 10**6}.{power % 10**6:06d}\n" for at, power in samples
    )


@given(samples=SAMPLES, steps=st.lists(st.integers(1, 30_000), min_size=1, max_size=20), start=st.integers(0, 50_000))
def test_however_readings_are_spaced_they_add_up_to_the_integral_of_the_samples(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[int, int]], steps: list[int], start: int
) -> None:
    placed = at_times(samples)
    file = write(tmp_path_factory.getbasetemp() / "law.csv", text_of(placed))
    clock, now, last = Clock(), start, placed[-1][0]
    meter = WattmeterMeter(file, clock)
    told = 0
    for step in steps:
        if now + step > last + 60_000:
            break
        now += step
        clock.seconds = now / 1000
        reading = meter.read(step / 1000, 0.0)
        assert reading is not None
        told += reading
        assert told == integral(placed, start, now) // 1000, "microwatts x milliseconds are nanojoules"


@given(
    samples=SAMPLES,
    delays=st.lists(st.integers(0, 200_000), min_size=12, max_size=12),
    steps=st.lists(st.integers(1, 30_000), min_size=1, max_size=20),
    rewritten=st.booleans(),
)
def test_late_samples_are_settled_and_no_reading_is_negative(
    tmp_path_factory: pytest.TempPathFactory,
    samples: list[tuple[int, int]],
    delays: list[int],
    steps: list[int],
    rewritten: bool,
) -> None:
    """Samples appear seconds or minutes after they were taken; in the end the sum still equals theirs."""
    placed = at_times(samples)
    shown_at = [0]
    for (at, _), delay in zip(placed[1:], delays[1:], strict=False):
        shown_at.append(max(shown_at[-1], at + delay))
    file = tmp_path_factory.getbasetemp() / "late.csv"
    file.unlink(missing_ok=True)

    def show(now: int) -> None:
        visible = [sample for sample, shown in zip(placed, shown_at, strict=True) if shown <= now]
        if rewritten:
            fresh = write(file.with_suffix(".new"), prometheus([(at / 1000, power / 10**6) for at, power in visible]))
            fresh.replace(file)
        else:
            write(file, text_of(visible))

    show(0)
    clock, now, told = Clock(), 0, 0
    meter = WattmeterMeter(file, clock)
    for step in steps:
        now += step
        show(now)
        clock.seconds = now / 1000
        reading = meter.read(step / 1000, 0.0)
        assert reading is None or reading >= 0
        told += reading or 0
    # A last sample, large enough to settle the excess.
    end = max(now, shown_at[-1]) + 1000
    placed.append((end, 10**11))
    shown_at.append(end)
    show(end)
    clock.seconds = end / 1000 + 50
    told += meter.read(clock.seconds - now / 1000, 0.0) or 0
    assert told == integral(placed, 0, end + 50_000) // 1000


def test_the_last_power_holds_for_three_median_intervals_then_nothing_is_read(tmp_path: Path) -> None:
    every_half_minute = write(tmp_path / "a.csv", csv([(0, 10), (30, 10), (60, 10)]))
    assert metered(every_half_minute, [60, 150, 151]) == [600_000_000, 900_000_000, None]
    every_second = write(tmp_path / "b.csv", csv([(0, 10), (1, 10), (2, 10)]))
    assert metered(every_second, [2, 62, 63]) == [20_000_000, 600_000_000, None]


def test_a_gap_is_filled_by_the_sample_that_ends_it_and_counted(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(0, 100), (1, 100)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    for clock.seconds, expected in ((1, 100_000_000), (61, 6_000_000_000), (200, None)):
        assert meter.read(clock.seconds - {1: 0, 61: 1, 200: 61}[clock.seconds], 0) == expected
    assert not meter.lost()
    with file.open("a") as out:
        out.write(f"{T0 + 200},7\n")
    clock.seconds = 201
    assert meter.read(1, 0) == 139 * 100_000_000 + 7_000_000
    assert meter.lost() == {"wattmeter-gap": 1}
    assert not meter.lost()


def test_before_the_first_sample_nothing_is_read(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(10, 100)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    clock.seconds = 5
    assert meter.read(5, 0) is None
    clock.seconds = 12
    assert meter.read(7, 0) == 200_000_000
    assert meter.lost() == {"wattmeter-gap": 1}


@pytest.mark.parametrize("step", [-1800.0, 1800.0])
def test_a_clock_that_is_set_costs_what_lies_between_and_no_more(tmp_path: Path, step: float) -> None:
    file = write(tmp_path / "w.csv", csv([(at, 100) for at in range(-2000, 2001, 10)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    told = 0
    for second in range(1, 21):
        clock.seconds = second + (step if second > 10 else 0)
        reading = meter.read(1, 0)
        if step < 0 and second > 10:
            assert reading is None, "samples of that time were settled and forgotten"
        else:
            told += reading or 0
    assert told == (10 if step < 0 else 20) * 100_000_000
    assert meter.lost()["wattmeter-clock-step"] == 1


def test_memory_holds_only_unsettled_samples(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(at, 100) for at in range(5000)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    clock.seconds = 4999.5
    meter.read(1, 0)
    assert len(meter._samples) == 1


def test_a_file_that_repeats_itself_changes_nothing(tmp_path: Path) -> None:
    samples = [(0, 10), (30, 10), (60, 10)]
    file = write(tmp_path / "w.json", prometheus(samples))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    for second in range(1, 121):
        fresh = write(tmp_path / "w.new", prometheus(samples) + " " * second)
        fresh.replace(file)
        clock.seconds = second
        assert meter.read(1, 0) == 10_000_000
    clock.seconds = 150
    assert meter.read(30, 0) == 300_000_000, "the hold is still that of the samples' own interval"


# --- the file ---------------------------------------------------------------------------------------------------------


def test_both_separators_decimal_commas_and_both_kinds_of_time_say_the_same(tmp_path: Path) -> None:
    iso = datetime.fromtimestamp(T0, UTC)
    texts = (
        f"time,watts\n{T0},12.5\n",
        f"\ufefftime;watts\r\n{T0},0;12,5\r\n\r\n",
        f"Time, Watts\n{iso.isoformat()},12.5\n",
        f"time,watts\n{iso.isoformat().replace('+00:00', 'Z')},1.25e1\n",
        f"time;watts\n{iso.replace(tzinfo=None).isoformat()}+00:00;12.5\n",
        prometheus([(0, 12.5)]),
        json.dumps({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [T0, "12.5"]}]}}),
    )
    for text in texts:
        assert metered(write(tmp_path / "w", text), [4]) == [50_000_000], text


def test_a_line_counts_once_its_newline_is_written(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(0, 100)]) + f"{T0 + 1},1")
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    clock.seconds = 2
    assert meter.read(2, 0) == 200_000_000
    with file.open("a") as out:
        out.write("50\n")
    clock.seconds = 3
    assert meter.read(1, 0) == 100_000_000 + 2 * 50_000_000


def test_only_the_new_lines_of_a_grown_file_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "w.csv", csv([(at, 100) for at in range(1000)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    read: list[int] = []
    original = meter._file._csv

    def counted(data: bytes) -> Any:
        read.append(len(data))
        return original(data)

    monkeypatch.setattr(meter._file, "_csv", counted)
    meter.read(1, 0)
    with file.open("a") as out:
        out.write(f"{T0 + 1000},5\n")
    meter.read(1, 0)
    assert read == [len(f"{T0 + 1000},5\n")]


def test_a_file_that_was_rotated_or_rewritten_continues(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(at, 100) for at in range(0, 50, 10)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    told = 0
    for clock.seconds, text in (
        (45, None),
        (60, csv([(50, 20)])),  # rotated: shorter
        (70, csv([(at, 20) for at in range(50, 71)])),  # rewritten in place, longer
        (80, prometheus([(71, 10)])),  # written by another program
    ):
        if text:
            write(file, text)
        told += meter.read(clock.seconds - {45: 0, 60: 45, 70: 60, 80: 70}[clock.seconds], 0) or 0
    assert told == (50 * 100 + 21 * 20 + 9 * 10) * 1_000_000


ONE = csv([(0, 1)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["holds no sample yet"]),
        ("time,watts\n", ["holds no sample yet", "newline"]),
        (f"time,watts\n{T0},5", ["holds no sample yet", "newline"]),
        ("watts,time\n1,2\n", ["w:1", "'watts,time'", "time,watts"]),
        (ONE + f"{T0 + 1},twelve\n", ["w:3", "'twelve'", "182.5"]),
        (ONE + f"{T0 + 1},-3\n", ["w:3", "'-3'", "0 to 100000"]),
        (ONE + f"{T0 + 1},100001\n", ["w:3", "'100001'", "one machine"]),
        (ONE + f"{T0 + 1},NaN\n", ["w:3", "'NaN'", "leave the line out"]),
        (ONE + f"{T0},2\n", ["w:3", str(T0), "twice"]),
        (ONE + f"{T0 - 1},2\n", ["w:3", str(T0 - 1), "sort by time"]),
        (ONE + f"{T0 + 1},2,3\n", ["w:3", "write a time"]),
        (ONE + "2026-10-01T08:00:00,2\n", ["w:3", "2026-10-01T08:00:00", "+02:00"]),
        (ONE + "yesterday,2\n", ["w:3", "'yesterday'", "epoch seconds"]),
        (ONE + f"{T0 + 1}000,2\n", ["w:3", "milliseconds"]),
        (ONE + "1e999999999,2\n", ["w:3", "1970"]),
        (ONE + "NaN,2\n", ["w:3", "'NaN'", "1970"]),
        ("{", ["not the JSON of a Prometheus range query", "rename"]),
        ("{}", ["Prometheus answered None"]),
        ('{"status": "error", "error": "bad query"}', ["'bad query'", "repair the query"]),
        ('{"status": "success", "data": {"resultType": "scalar", "result": []}}', ["'scalar'", "matrix"]),
        ('{"status": "success", "data": {"resultType": "matrix", "result": []}}', ["no series", "narrow"]),
        (
            prometheus([(0, 1)], {"metric": {"instance": "pdu-2"}, "values": []}),
            ["2 series", "instance='pdu-1'", "instance='pdu-2'", "narrow"],
        ),
        (prometheus([(0, 1), (15, "NaN")]), ["value 2 of the series", "'NaN'"]),
        (prometheus([(0, 1), (15, "+Inf")]), ["value 2 of the series", "'+Inf'"]),
        (prometheus([]), ["holds no sample yet"]),
    ],
)
def test_mistakes_are_named_by_line_value_and_remedy(tmp_path: Path, text: str, words: list[str]) -> None:
    file = write(tmp_path / "w", text)
    with pytest.raises(WattmeterError) as caught:
        WattmeterMeter(file)
    for word in words:
        assert word in str(caught.value)


@given(
    st.binary(max_size=60)
    | st.binary(max_size=40).map(lambda tail: ONE.encode() + tail + b"\n")
    | st.text(max_size=20).map(lambda text: (ONE + f"{T0 + 1},{text}\n").encode("utf-8", "replace"))
    | st.text(max_size=20).map(lambda text: (ONE + f"{text},1\n").encode("utf-8", "replace"))
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(["status", "data", "result"]), part),
        max_leaves=5,
    ).map(lambda data: json.dumps({"status": "success", "data": {"resultType": "matrix", "result": data}}).encode())
)
def test_whatever_is_in_the_file_is_a_meter_or_one_clear_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any"
    file.write_bytes(data)
    try:
        meter = WattmeterMeter(file)
    except WattmeterError as error:
        told = str(error)
    else:
        told = "any"
        meter.read(1, 0)
    assert "any" in told


def test_a_broken_file_is_reported_until_its_repair_which_gives_the_rest(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", csv([(0, 100)]))
    clock = Clock()
    meter = WattmeterMeter(file, clock)
    good = file.read_text()
    write(file, good + "oops\n")
    for clock.seconds in (1, 2):
        with pytest.raises(WattmeterError, match=r"w\.csv:3: 'oops'"):
            meter.read(1, 0)
    file.unlink()
    clock.seconds = 3
    with pytest.raises(WattmeterError, match="cannot be read"):
        meter.read(1, 0)
    write(file, good + f"{T0 + 3},50\n")
    clock.seconds = 4
    assert meter.read(1, 0) == 350_000_000


# --- as the machine's meter -------------------------------------------------------------------------------------------


def test_it_replaces_every_other_meter(tmp_path: Path) -> None:
    file = write(tmp_path / "w.csv", ONE)
    found = meters.detect(make_settings(wattmeter=str(file)))
    assert [(meter.component, meter.method) for meter in found] == [("cpu", WATTMETER)]
    methods = meters.methods(found)
    assert {c: (m.status, m.name) for c, m in methods.items()} == {
        "cpu": ("measured", "wattmeter:undivided"),
        "gpu": ("missing", "undivided"),
        "ram": ("missing", "undivided"),
    }
    cpu, gpu, _ = meters.diagnose(make_settings(wattmeter=str(file)))
    assert str(file) in cpu.why
    assert "too old" in cpu.why
    assert cpu.remedy == "start the program that writes it"
    assert "whole machine" in gpu.why
    write(file, f"time,watts\n{datetime.now(UTC).isoformat()},90\n")
    assert meters.diagnose(make_settings(wattmeter=str(file)))[0].remedy is None


def test_an_unusable_file_is_never_replaced_by_another_method(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ecoia"):
        found = meters.detect(make_settings(wattmeter=str(tmp_path / "none.csv")))
    assert list(found) == []
    assert {absence.name for absence in found.absent.values()} == {"wattmeter-unreadable"}
    assert [record.getMessage() for record in caplog.records] == [
        f"ecoia: {tmp_path / 'none.csv'}: cannot be read (No such file or directory): check the setting 'wattmeter'"
    ]
    for diagnosis in meters.diagnose(make_settings(wattmeter=str(tmp_path / "none.csv"))):
        assert (diagnosis.status, diagnosis.name) == ("missing", "wattmeter-unreadable")
        assert "none.csv" in diagnosis.why
        assert diagnosis.remedy


def test_a_measured_program_claims_its_share_of_the_plug(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "w.csv", f"time,watts\n{datetime.now(UTC).isoformat()},1000\n")
    monkeypatch.setenv("ECOIA_WATTMETER", str(file))
    monkeypatch.setenv("ECOIA_SCOPE", "host")
    done = run_python(BURN + "import ecoia\nwith ecoia.track(service='vadore', phase='training'): burn(50)\n")
    assert (done.returncode, done.stderr) == (0, "")
    records = recorded(home)
    assert {record.method["cpu"] for record in records if record.energy_microjoules["cpu"] is not None} == {WATTMETER}
    assert {(record.method["gpu"].name, record.energy_microjoules["ram"]) for record in records} == {("undivided", None)}
    energy = sum(record.energy_microjoules["cpu"] or 0 for record in records)
    elapsed_ns = max(record.end_utc_ns for record in records) - min(record.start_utc_ns for record in records)
    assert 0 < energy <= 1.05 * elapsed_ns, "a kilowatt is a microjoule a nanosecond"
