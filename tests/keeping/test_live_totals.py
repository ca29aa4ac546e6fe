"""Live totals: equal to the journal for every process at any time, never decreasing, at a cost that depends on what is new."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ecoia.keeping.live_totals as live
from ecoia.errors import JournalError
from ecoia.keeping import live_sums
from ecoia.keeping.journal import Journal
from ecoia.keeping.journal_lines import encode_line
from ecoia.keeping.line_reader import LineReader
from ecoia.keeping.live_sums import Series
from ecoia.keeping.live_totals import LiveTotals, Totals
from ecoia.methods import NOT_MEASURED, Method
from ecoia.periods import DAY_NS, utc_day
from ecoia.records import Record
from support.live_sums import add_up, sums_of
from support.programs import wait_until
from support.records import NOTHING, ending, training, write


def kept(totals: Totals) -> dict[Series, int]:
    """Return all counters except the one for lines left out."""
    return {series: value for series, value in totals.values.items() if series[0] != "ecoia_journal_lines_left_out"}


def left_out(totals: Totals) -> dict[str, int]:
    return {labels[0]: n for (counter, labels), n in totals.values.items() if counter == "ecoia_journal_lines_left_out"}


def value(totals: Totals, counter: str) -> int:
    return sum(n for (name, _), n in totals.values.items() if name == counter)


@pytest.fixture
def journal(home: Path) -> Journal:
    return Journal(home)


@pytest.fixture(autouse=True)
def every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the files of all days each time, as these tests write days long past."""
    monkeypatch.setattr(live, "_FULL_LOOK_SECONDS", 0.0)


RECORDS = st.builds(
    training,
    at=st.integers(-43_200, 43_000),  # all of one day, as the test writes one file
    cpu=st.none() | st.integers(0, 10**12),
    service=st.sampled_from(["vadore", "analyse-cv", None]),
    kind=st.sampled_from(["span", "idle", "unattributed", "overhead"]),
    endpoint=st.sampled_from([None, "/cv/{id}", "/b"]),
    model_version=st.sampled_from([None, "3"]),
    method=st.sampled_from(["measured", "estimated", "declared"]).map(
        lambda status: {"cpu": Method(status, "rapl"), "gpu": NOT_MEASURED, "ram": Method("estimated", "ram-model")}
    ),
    units_micro=st.none() | st.integers(0, 10**9),
    lost=st.dictionaries(st.sampled_from(["cpu-unread", "clock-step"]), st.integers(0, 5)),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(RECORDS, min_size=1, max_size=4)),
        st.tuples(st.just("again"), st.just([])),
        st.tuples(st.just("cut"), st.just([])),
        st.tuples(st.just("look"), st.integers(0, 2)),
        st.tuples(st.just("restart"), st.integers(0, 2)),
    ),
    max_size=25,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, max_bytes=st.sampled_from([1500, 6000, 1 << 20]))
def test_totals_only_grow_and_end_equal_to_the_journal_for_every_looker(steps: list[tuple[str, Any]], max_bytes: int) -> None:
    """Writers are cut, retry and go on, while three lookers restart at any time and read a little at a time."""
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        journal = Journal(home)
        lookers = [LiveTotals(home) for _ in range(3)]
        before: Mapping[Series, int] = {}
        last: list[Record] = []
        path = home / "journal" / "2026-09-24" / "1-abcdef.jsonl"
        path.parent.mkdir(parents=True)
        for step, value in steps:
            if step == "write":
                last = value
                with path.open("ab") as file:
                    file.writelines(encode_line(record.to_json()) for record in last)
            elif step == "again" and last:  # a failed fsync: the same batch once more
                with path.open("ab") as file:
                    file.writelines(encode_line(record.to_json()) for record in last)
            elif step == "cut":  # a full disk took half a line; the next writer ends it
                with path.open("ab") as file:
                    file.write(encode_line(training().to_json())[:-9])
                for looker in lookers:
                    looker.look(max_bytes)
                with path.open("ab") as file:
                    file.write(b"\n")
            elif step == "restart":
                lookers[value] = LiveTotals(home)
            elif step == "look":
                totals = lookers[value].look(max_bytes)
                assert all(totals.values.get(series, -1) >= n for series, n in before.items()), "a total went back"
                before = totals.values
        ends = []
        for looker in lookers:
            totals = looker.look(max_bytes)
            while not totals.complete or totals.unread_bytes:
                totals = looker.look(max_bytes)
            ends.append(totals)
        assert kept(ends[0]) == sums_of(home)
        assert ends[0].values == ends[1].values == ends[2].values
        assert ends[0].home_id == journal.home_id
        assert left_out(ends[0]).get("corrupt", 0) == sum(step == "cut" for step, _ in steps)


def test_looking_creates_nothing_where_nothing_was_recorded(home: Path) -> None:
    with pytest.raises(JournalError, match="nothing was recorded there yet"):
        LiveTotals(home).look()
    assert not home.exists()


def test_a_home_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"file' cannot be read \(Not a directory\): make it readable or set ECOIA_HOME"):
        LiveTotals(tmp_path / "file").look()


def test_there_are_no_totals_until_all_was_read_once(journal: Journal, home: Path) -> None:
    """A counter that is catching up would show past energy as power used now."""
    write(journal, [training(at=i) for i in range(20)])
    size = journal.size_bytes()
    looker, other = LiveTotals(home), LiveTotals(home)
    seen = []
    while not (totals := looker.look(size // 5)).complete:
        assert totals.values == {}
        seen.append(totals.unread_bytes)
    assert len(seen) >= 3
    assert seen == sorted(seen, reverse=True)
    assert kept(totals) == sums_of(home)
    # After that, totals may lag behind but are never absent.
    write(journal, [training(at=i) for i in range(100, 120)])
    totals = other.look(size // 5)
    assert totals.unread_bytes > 0
    assert 20 < value(totals, "ecoia_spans") < 40


def test_a_look_reads_no_more_than_it_may_and_only_what_is_new(journal: Journal, home: Path, monkeypatch: Any) -> None:
    read: list[bytes] = []
    original = LineReader.read
    monkeypatch.setattr(LineReader, "read", lambda self, line, refuse: read.append(line) or original(self, line, refuse))
    for _ in range(5):
        write(journal, [training(at=i) for i in range(100)])
    looker = LiveTotals(home)
    while not looker.look(50_000).complete:
        assert sum(map(len, read)) < 52_000
        read.clear()
    read.clear()
    for process in (looker, LiveTotals(home)):  # a worker that has just started reads nothing again
        process.look()
    assert read == []
    write(journal, [training(at=1000)])
    looker.look()
    assert len(read) == 1


def test_days_that_were_archived_stay_counted(journal: Journal, home: Path) -> None:
    write(journal, [training(at=0), training(at=86_400)])
    before = LiveTotals(home).look().values
    shutil.move(home / "journal" / "2026-09-24", home / "archive")
    looker = LiveTotals(home)
    assert looker.look().values == before
    shutil.move(home / "archive", home / "journal" / "2026-09-24")  # and counted once when they come back
    assert LiveTotals(home).look().values == before


def test_a_day_copied_inside_the_journal_counts_once_as_in_reports(journal: Journal, home: Path) -> None:
    write(journal, [training(at=i) for i in range(5)])
    LiveTotals(home).look()
    shutil.copytree(home / "journal" / "2026-09-24", home / "journal" / "2026-09-24.bak")
    totals = LiveTotals(home).look()
    assert kept(totals) == sums_of(home)
    assert left_out(totals) == {"duplicate": 5}


def test_files_of_days_long_past_are_looked_at_now_and_then(journal: Journal, home: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(live, "_FULL_LOOK_SECONDS", 600.0)
    looker = LiveTotals(home)
    write(journal, [training()])
    assert value(looker.look(), "ecoia_spans") == 1
    write(journal, [training(at=20)])  # a day of 2026-09, as a declaration writes it
    today = training(start_utc_ns=live.time.time_ns(), end_utc_ns=live.time.time_ns())
    yesterday = training(start_utc_ns=today.start_utc_ns - DAY_NS, end_utc_ns=today.start_utc_ns - DAY_NS)
    write(journal, [today, yesterday])
    assert value(looker.look(), "ecoia_spans") == 3
    clock = live.time.monotonic
    monkeypatch.setattr(live.time, "monotonic", lambda: clock() + 601)
    assert value(looker.look(), "ecoia_spans") == 4


def test_lines_that_are_in_no_counter_are_counted_by_reason(journal: Journal, home: Path) -> None:
    first = training()
    write(journal, [first, first, training(replaces=first.record_id, cpu=3), training(simulated=True), ending()])
    newer = json.loads(first.to_json()) | {"schema": 6, "record_id": "newer"}
    file = home / "journal" / "2026-09-24" / "7-aaaaaa.jsonl"
    file.write_bytes(encode_line(json.dumps(newer)) + b"rubbish\n" + encode_line(training().to_json())[:40])
    totals = LiveTotals(home).look()
    assert left_out(totals) == {"duplicate": 1, "correction": 1, "simulated": 1, "newer": 1, "corrupt": 1}
    assert kept(totals) == add_up([first])
    assert LiveTotals(home).look().values == totals.values, "the line that is cut is not read again and again"


def test_missing_energy_has_no_series_and_zero_energy_has_one(journal: Journal, home: Path) -> None:
    write(journal, [training(energy_microjoules={"cpu": 0, "gpu": None, "ram": None})])
    totals = LiveTotals(home).look()
    energy = {labels[5:]: n for (counter, labels), n in totals.values.items() if counter == "ecoia_energy_joules"}
    assert energy == {("cpu", "estimated"): 0}
    assert totals.values["ecoia_records", ("gpu", "missing", "none")] == 1


@pytest.mark.no_cover
def test_of_ten_thousand_endpoints_a_hundred_have_labels_and_the_others_share_one(journal: Journal, home: Path) -> None:
    write(journal, [training(endpoint=f"/cv/{i}", energy_microjoules=NOTHING) for i in range(5000)])
    LiveTotals(home).look(100_000)
    write(journal, [training(endpoint=f"/cv/{i}", energy_microjoules=NOTHING) for i in range(10_000)])
    totals = _to_the_end(home)
    endpoints = {labels[2]: n for (counter, labels), n in totals.values.items() if counter == "ecoia_spans"}
    assert len(endpoints) == 101
    assert sum(endpoints.values()) == 15_000
    assert endpoints["/cv/0"] == 2
    assert endpoints["_other"] == 14_800


def test_services_and_all_series_together_are_bounded(journal: Journal, home: Path) -> None:
    write(
        journal,
        [
            training(service=f"s{i % 150}", endpoint=f"/e{i}", lost={f"cause-{i}": 1}, cpu=1,
                     method={"cpu": Method("estimated", f"model-{i}"), "gpu": NOT_MEASURED, "ram": NOT_MEASURED})
            for i in range(6000)
        ],
    )  # fmt: skip
    totals = _to_the_end(home)
    spans = {labels: n for (counter, labels), n in totals.values.items() if counter == "ecoia_spans"}
    assert len(spans) <= live_sums.MOST_GROUPS + live_sums.MOST_SERVICES + 1
    assert len({labels[0] for labels in spans}) == live_sums.MOST_SERVICES + 1
    assert value(totals, "ecoia_spans") == 6000
    assert value(totals, "ecoia_energy_joules") == 6000 * (1 + 7)
    for counter in ("ecoia_lost", "ecoia_records"):
        assert sum(name == counter for name, _ in totals.values) <= live_sums.MOST_WORDS + 12
    assert value(totals, "ecoia_lost") == 6000


def _to_the_end(home: Path) -> Totals:
    looker = LiveTotals(home)
    while not (totals := looker.look()).complete:
        pass
    return totals


def test_labels_are_printable_and_short_whatever_a_record_says(journal: Journal, home: Path) -> None:
    record = training(endpoint='a\n"} 1' + "x" * 1000, model_version="é\u202e", service="12\r")
    file = home / "journal" / "2026-09-24" / "7-aaaaaa.jsonl"
    file.parent.mkdir()
    file.write_bytes(encode_line(json.dumps(record.to_dict())))
    (labels,) = (labels for (counter, labels), _ in LiveTotals(home).look().values.items() if counter == "ecoia_spans")
    assert labels[0] == "12?"
    assert labels[2].startswith('a?"} 1xxx')
    assert len(labels[2]) == 128
    assert labels[3] == "é?"


def test_a_record_whose_losses_are_no_counts_is_corrupt_and_stops_no_reading(journal: Journal, home: Path) -> None:
    wrong = json.loads(training().to_json())
    file = home / "journal" / "2026-09-24" / "7-aaaaaa.jsonl"
    file.parent.mkdir()
    lost: list[Any] = [{"x": "many"}, {"x": -1}, ["x"], 7]
    file.write_bytes(b"".join(encode_line(json.dumps(wrong | {"record_id": str(n), "lost": n})) for n in lost))
    write(journal, [training()])
    totals = LiveTotals(home).look()
    assert left_out(totals) == {"corrupt": 4}
    assert value(totals, "ecoia_spans") == 1


@pytest.mark.parametrize("damage", [b"not a database at all, only text" * 100, b""])
def test_a_damaged_database_is_rebuilt(journal: Journal, home: Path, damage: bytes) -> None:
    write(journal, [training()])
    before = LiveTotals(home).look()
    (home / "live-5.sqlite").write_bytes(damage)
    assert LiveTotals(home).look() == before


def test_while_another_process_reads_on_its_starting_totals_are_returned(journal: Journal, home: Path) -> None:
    write(journal, [training()])
    looker = LiveTotals(home)
    before = looker.look()
    write(journal, [training(at=10)])
    with sqlite3.connect(home / "live-5.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert looker.look().values == before.values
        other.execute("ROLLBACK")
    other.close()
    assert value(looker.look(), "ecoia_spans") == 2


LOOK_WITHOUT_END = """
import sys
from ecoia.keeping.live_totals import LiveTotals
looker = LiveTotals(sys.argv[1])
while True:
    looker.look(3000)
"""


def _offsets(home: Path) -> int:
    """Return how many bytes of the journal were read."""
    if not (home / "live-5.sqlite").exists():
        return 0
    with contextlib.closing(sqlite3.connect(home / "live-5.sqlite")) as database, contextlib.suppress(sqlite3.OperationalError):
        return int(database.execute("SELECT sum(offset) FROM files").fetchone()[0] or 0)
    return 0


def test_a_process_killed_while_it_reads_loses_nothing_and_counts_nothing_twice(journal: Journal, home: Path) -> None:
    for _ in range(8):
        write(journal, [training(at=i) for i in range(40)])
        read_before = _offsets(home)
        process = subprocess.Popen([sys.executable, "-c", LOOK_WITHOUT_END, str(home)])
        try:
            wait_until(lambda before=read_before: _offsets(home) > before, 60)
        finally:
            process.kill()
            process.wait()
    assert kept(_to_the_end(home)) == sums_of(home)


def test_a_home_that_cannot_be_written_is_counted_in_memory(journal: Journal, home: Path, monkeypatch: Any) -> None:
    write(journal, [training()])
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    looker = LiveTotals(home)
    assert kept(looker.look()) == sums_of(home)
    write(journal, [training(at=10)])
    assert kept(looker.look()) == sums_of(home)
    assert not list(home.glob("live*"))


def test_totals_of_one_process_are_counted_again_in_a_forked_child(journal: Journal, home: Path) -> None:
    write(journal, [training(), training(at=86_400)])
    mine = journal.writer()
    mine.append([training(at=1), training(at=86_401)])
    looker = LiveTotals(home, file=mine.name)
    assert value(looker.look(), "ecoia_spans") == 2
    with _forked() as child:
        if child == 0:
            os._exit(0 if value(looker.look(), "ecoia_spans") == 2 else 1)
    mine.append([training(at=2)])
    assert value(looker.look(), "ecoia_spans") == 3
    mine.close()
    assert not list(home.glob("live*"))


class _forked:  # noqa: N801 - reads as the statement that it is
    """A forked child, whose exit code is 0."""

    def __enter__(self) -> int:
        self._child = os.fork()
        return self._child

    def __exit__(self, *_: object) -> None:
        assert os.waitpid(self._child, 0)[1] == 0


def test_only_days_that_are_gone_are_forgotten(journal: Journal, home: Path) -> None:
    """Ids are kept while their day is in the journal, or a line written twice would count twice."""
    write(journal, [training(), training(at=86_400)])
    LiveTotals(home).look()
    shutil.rmtree(home / "journal" / "2026-09-24")
    LiveTotals(home).look()
    with sqlite3.connect(home / "live-5.sqlite") as database:
        days: Counter[str] = Counter(day for (day,) in database.execute("SELECT day FROM seen"))
    database.close()
    assert days == {utc_day(training(at=86_400).start_utc_ns): 1}
