"""Power over time on users' runs: energy is kept, points are few, and no delivery writes one twice."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import pytest

from ecoia import semconv
from ecoia.delivery import power_series
from ecoia.delivery.deliver import deliver
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.power_series import MOST_POINTS, PowerPoint, PowerSeries, Series, Window, width_ns
from ecoia.delivery.sender import delivery_lock
from ecoia.keeping.destinations import register_target
from ecoia.keeping.journal import Journal
from ecoia.records import Record
from support.deliveries import api, configured, worker
from support.mlflow_stores import MLFLOW_WARNINGS, free_port, mlflow_server
from support.records import NOON_NS, NOTHING, SECOND_NS, training, write

pytestmark = [pytest.mark.mlflow, *(pytest.mark.filterwarnings(line) for line in MLFLOW_WARNINGS)]


def windows(start: float, end: float, *, watts: float = 5.0, length: float = 10.0, process: str = "a") -> list[Window]:
    """Return windows of constant power, of a process that measures without a gap."""
    found = []
    while start < end:
        until = min(start + length, end)
        found.append(
            Window(round(start * 1e9), round(until * 1e9), round((until - start) * watts * 1e6), None, process),
        )
        start = until
    return found


def batches(every: list[Window], size: int) -> list[tuple[list[Window], bool]]:
    """Return windows as so many come with each delivery, while the run goes on."""
    return [(every[first : first + size], False) for first in range(0, len(every), size)]


def told(series: Series, parts: Iterable[tuple[list[Window], bool]], **bounds: int) -> list[PowerPoint]:
    """Return the points of a series that deliveries make of windows as they come."""
    points = []
    for part, whole in parts:
        for window in part:
            series.add(window)
        made = series.points(whole=whole, **bounds)
        series.take(made)
        points += made
    return points


def joules(points: Iterable[PowerPoint], start_ns: int = 0) -> float:
    points = list(points)
    ends = [start_ns, *(point.end_ns for point in points)]
    return sum(point.watts * (end - begin) / 1e9 for point, (begin, end) in zip(points, itertools.pairwise(ends), strict=True))


@pytest.mark.parametrize("length", [1.0, 9.7, 10.0, 10.2, 45.0])
@pytest.mark.parametrize("seconds", [3.0, 60.0, 4000.0])
def test_points_keep_the_energy_of_a_run_whatever_windows_and_deliveries(length: float, seconds: float) -> None:
    every = windows(0, seconds, length=length)
    every = [each._replace(microjoules=each.microjoules * (1 + number % 3)) for number, each in enumerate(every)]
    for at_once in (1, 3, len(every)):
        parts = batches(every, at_once)
        points = told(Series(0), [*parts, ([], True)])
        assert joules(points) == pytest.approx(sum(each.microjoules for each in every) / 1e6, rel=1e-9)
        assert points[-1].end_ns == round(seconds * 1e9)
        assert all(earlier.end_ns < later.end_ns for earlier, later in itertools.pairwise(points))


def test_a_minute_has_a_point_every_ten_seconds_with_the_end_of_a_window_as_its_time() -> None:
    every = windows(0, 60, length=10.04)
    points = told(Series(0), [(every, True)])
    assert [point.end_ns for point in points] == [each.end_ns for each in every]


def test_the_order_in_which_the_windows_of_the_runs_below_come_changes_no_point() -> None:
    every = windows(0, 60)
    for first in range(len(every)):
        turned = every[first:] + every[:first]
        points = told(Series(turned[0].start_ns), [(turned, True)])
        assert [point.end_ns for point in points] == [each.end_ns for each in every]


def test_a_run_of_days_has_less_than_a_thousand_points_and_each_is_written_once_for_all() -> None:
    series = Series(0)
    days = 5
    parts = batches(windows(0, days * 86_400), 5)
    points = told(series, [*parts, ([], True)])
    assert 300 < len(points) < 128 + 64 * 9
    assert joules(points) == pytest.approx(days * 86_400 * 5)
    assert all(point.watts == pytest.approx(5) for point in points)
    half_a_year = sum(1 for _ in _cuts_alone(180 * 86_400))
    assert half_a_year < MOST_POINTS


def _cuts_alone(seconds: int) -> Iterable[int]:
    at = 0
    while at < seconds * SECOND_NS:
        yield at
        at += width_ns(at)


def test_no_more_than_the_greatest_number_of_points_is_ever_written() -> None:
    series = Series(0, count=MOST_POINTS - 2)
    assert len(told(series, [(windows(0, 100), False), (windows(100, 200), True)])) == 2


def test_what_waits_for_a_store_that_is_down_is_kept_short() -> None:
    series = Series(0)
    every = windows(0, 2 * 86_400)
    for window in every:
        series.add(window)
    assert len(series.windows) < len(every) / 4
    assert sum(each.microjoules for each in series.windows) == sum(each.microjoules for each in every)


def test_two_ranks_whose_windows_are_not_aligned_add_up() -> None:
    one, other = windows(0, 120, process="a"), windows(3, 120, process="b", length=9)
    every = sorted(one + other, key=lambda each: each.end_ns)
    points = told(Series(0), [*batches(every, 4), ([], True)])
    assert [round(point.watts, 6) for point in points[1:]] == [10] * (len(points) - 1)
    assert joules(points) == pytest.approx(5 * (120 + 117))


def test_a_rank_that_is_silent_does_not_hold_the_others_back_for_long() -> None:
    series = Series(0)
    points = told(series, [(windows(0, 10, process="b"), False), (windows(0, 200, process="a"), False)])
    assert points[-1].end_ns == 200 * SECOND_NS


def test_the_power_of_a_run_is_that_of_its_own_time_in_a_window() -> None:
    """A record spans its window, and the run began 7 s into it and ended 4 s into the last one."""
    series = Series(0)
    every = [Window(0, 10 * SECOND_NS, 3_000_000, None, "a"), Window(10 * SECOND_NS, 20 * SECOND_NS, 4_000_000, None, "a")]
    points = told(series, [(every, True)], start_ns=7 * SECOND_NS, end_ns=14 * SECOND_NS)
    assert joules(points, 7 * SECOND_NS) == pytest.approx(7)
    assert points[-1] == PowerPoint(14 * SECOND_NS, 1.0, None)


def test_a_run_that_is_resumed_has_a_gap_and_no_zero() -> None:
    points = told(Series(0), [(windows(0, 20), True), (windows(5000, 5020), True)])
    assert [point.watts for point in points] == [5.0] * len(points)
    assert points[-1].end_ns == 5020 * SECOND_NS


# --- in a store


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The day of the records is today."""
    monkeypatch.setattr(power_series.time, "time_ns", lambda: NOON_NS + 3600 * SECOND_NS)


def window_records(target: str, run_id: str, start: int, end: int, **changes: Any) -> list[Record]:
    """Build the records of windows of ten seconds, in seconds after noon."""
    energy = {"cpu": 40_000_000, "gpu": None, "ram": 10_000_000}
    return [
        training(
            **{
                "target": target,
                "run_id": run_id,
                "at": at,
                "end_utc_ns": NOON_NS + (at + 10) * SECOND_NS,
                "energy_microjoules": energy,
                **changes,
            }
        )
        for at in range(start, end, 10)
    ]


def begun(uri: str, parent: str = "") -> str:
    """Begin a run at noon. Returns its id."""
    tags = {"mlflow.parentRunId": parent} if parent else {}
    run_id: str = api(uri).create_run("0", start_time=NOON_NS // 1_000_000, tags=tags).info.run_id
    return run_id


def history(uri: str, run_id: str, metric: str = semconv.POWER.name) -> list[tuple[int, float, float]]:
    """Return the step, the second after noon and the value of each point."""
    points = api(uri).get_metric_history(run_id, metric)
    return [(point.step, (point.timestamp - NOON_NS // 1_000_000) / 1000, round(point.value, 6)) for point in points]


def test_a_run_shows_its_power_and_no_delivery_writes_a_point_twice(
    journal: Journal, tracking_uri: str, target: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = begun(tracking_uri)
    process = worker(journal, tmp_path / "records.jsonl", window_records(target, run_id, 0, 30))
    settings = configured()
    try:
        deliver(journal, settings, by_hand=False)
        assert history(tracking_uri, run_id) == [(at, at, 5.0) for at in (10, 20, 30)]
        deliver(journal, settings)
        (journal.home / "delivery" / "power.json").unlink()
        deliver(journal, settings)
        assert len(history(tracking_uri, run_id)) == 3

        writer = journal.writer()
        writer.append(window_records(target, run_id, 30, 50))
        with monkeypatch.context() as patch:  # killed after the store has the points, before that is noted
            patch.setattr(Series, "take", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                deliver(journal, settings, by_hand=False)
        write(journal, window_records(target, run_id, 30, 50))  # of another rank, too late for these points
        deliver(journal, settings, by_hand=False)
        writer.append(window_records(target, run_id, 50, 60))
        writer.append([training(target=target, run_id=run_id, at=60, end_utc_ns=NOON_NS + 70 * SECOND_NS)])
        api(tracking_uri).set_terminated(run_id, end_time=NOON_NS // 1_000_000 + 64_000)
        deliver(journal, settings, by_hand=False)
        deliver(journal, settings)
    finally:
        process.kill()
        process.communicate()
    points = history(tracking_uri, run_id)
    assert [second for _, second, _ in points] == [10, 20, 30, 40, 50, 64]  # the last takes what is left of the run
    assert semconv.GPU_POWER.name not in api(tracking_uri).get_run(run_id).data.metrics
    assert json.loads((journal.home / "delivery" / "power.json").read_text())["series"] == {}


def test_a_run_includes_the_runs_below_it_and_gpus_are_apart_where_there_are_any(
    journal: Journal, tracking_uri: str, target: str
) -> None:
    root = begun(tracking_uri)
    child, trial = begun(tracking_uri, root), begun(tracking_uri, root)
    gpu = {"cpu": 10_000_000, "gpu": 90_000_000, "ram": None}
    writer = journal.writer()
    writer.append(window_records(target, root, 0, 20) + window_records(target, child, 0, 20, energy_microjoules=gpu))
    writer.append(window_records(target, trial, 20, 30) + window_records(target, root, 30, 40, energy_microjoules=NOTHING))
    writer.close()
    deliver(journal, configured())
    assert [value for _, _, value in history(tracking_uri, root)] == [15, 15, 5]  # not measured is no point, and no zero
    assert [value for _, _, value in history(tracking_uri, root, semconv.GPU_POWER.name)] == [9, 9]
    assert [value for _, _, value in history(tracking_uri, child)] == [10, 10]
    assert history(tracking_uri, trial) == []  # one window shows no course, and a search has thousands of trials


def test_a_run_that_was_deleted_stops_nothing(journal: Journal, tracking_uri: str, target: str) -> None:
    gone, run_id = begun(tracking_uri), begun(tracking_uri)
    api(tracking_uri).delete_run(gone)
    writer = journal.writer()
    writer.append(window_records(target, gone, 0, 20) + window_records(target, run_id, 0, 20))
    writer.append(window_records(target, "f" * 32, 0, 20))
    writer.close()
    assert deliver(journal, configured()).pending == 0
    assert len(history(tracking_uri, run_id)) == 2


def test_a_rank_that_began_no_run_is_shown_with_the_root_of_the_one_that_did(
    journal: Journal, tracking_uri: str, target: str
) -> None:
    root = begun(tracking_uri)
    child = begun(tracking_uri, root)
    write(journal, window_records(target, child, 0, 20))
    write(journal, [each for at in (0, 10) for each in window_records("", f"ecoia-group-{'1' * 16}-1", at, at + 10)])
    power = PowerSeries(journal)
    for entry in journal.scan().entries:
        power.notice(entry)
    store = MlflowStore(tracking_uri)
    with delivery_lock(journal.home):
        assert power.write(store, {target}, lambda _: [child], final=True, begin_until=1e12) == ""
    assert [value for _, _, value in history(tracking_uri, root)] == [10, 10]
    assert [value for _, _, value in history(tracking_uri, child)] == [5, 5]


def test_a_server_shows_it_too_and_one_that_is_down_gets_it_later(journal: Journal, tracking_uri: str, tmp_path: Any) -> None:
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    run_id = begun(tracking_uri)
    writer = journal.writer()
    writer.append(window_records(register_target(journal.home, uri), run_id, 0, 20))
    assert deliver(journal, configured(), by_hand=False).failed
    writer.append(window_records(register_target(journal.home, uri), run_id, 20, 30))
    writer.close()
    with mlflow_server(tracking_uri, port, tmp_path / "artifacts"):
        deliver(journal, configured(), by_hand=False)
    assert history(tracking_uri, run_id) == [(at, at, 5.0) for at in (10, 20, 30)]
