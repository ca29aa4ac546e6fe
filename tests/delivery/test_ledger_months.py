"""Months of the ledger: whatever the order of deliveries, archives, kills and compactions, each record counts once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ecoia.delivery import ledger_reader
from ecoia.delivery.ledger_months import Compacted, compact_months
from ecoia.delivery.mlflow_ledger import MlflowLedger
from ecoia.delivery.mlflow_store import MlflowStore
from ecoia.delivery.verified_days import VerifiedDays
from ecoia.impact.ledger_gaps import LedgerGap
from ecoia.periods import utc_day
from ecoia.records import Record, Row, fold
from ecoia.records.id_sets import ids_of
from support.records import instant, record
from support.store_in_memory import StoreInMemory

HOME = "0" * 32
STARTS = ["2026-08-31T23:45", "2026-09-01T00:00", "2026-09-01T10:00", "2026-09-01T10:30", "2026-09-30T23:59", "2026-10-01T00:00"]
LATER_NS = instant("2026-10-09T00:00")
"""September is closed, October is not."""


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_reader, "time", SimpleNamespace(sleep=lambda _: None))  # of this module alone: others wait


@pytest.fixture
def store() -> StoreInMemory:
    return StoreInMemory()


def deliver(store: StoreInMemory, records: Iterable[Record], verified: VerifiedDays | None = None) -> list[str]:
    """Deliver what a journal holds, as a sender does. Returns what somebody should read."""
    known = list(records)
    days: dict[str, list[Row]] = {}
    for row in fold(known):
        days.setdefault(utc_day(row["half_hour_utc_ns"]), []).append(row)
    ledger = MlflowLedger(cast(MlflowStore, store), verified=verified)
    if days:
        assert ledger.upsert_days("host-1", HOME, days, lambda: known) == {}
    return ledger.problems


def compact(store: StoreInMemory, home: Path, now_ns: int = LATER_NS) -> Compacted:
    return compact_months(cast(MlflowStore, store), home, HOME, now_ns=now_ns)


def read(store: StoreInMemory) -> tuple[list[Row], tuple[LedgerGap, ...]]:
    ledger = MlflowLedger(cast(MlflowStore, store))
    return ledger.read_rows(0, 1 << 62), ledger.gaps


def standing(store: StoreInMemory) -> list[Any]:
    return [
        run for run in store.runs.values() if run.info.lifecycle_stage == "active" and run.data.tags["ecoia.kind"] == "ledger"
    ]


def september(count: int = 20) -> list[Record]:
    return [record(f"2026-09-{day + 1:02d}T10:00", cpu=1000 + day) for day in range(count)]


def the_month(store: StoreInMemory) -> Any:
    (run,) = [run for run in standing(store) if "ecoia.month" in run.data.tags]
    return run


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.sampled_from(STARTS), st.integers(0, 1000)),
        st.tuples(st.just("correct"), st.integers(0, 1000), st.integers(0, 1000)),
        st.tuples(st.just("deliver"), st.none() | st.integers(0, 12), st.none()),
        st.tuples(st.just("compact"), st.none() | st.integers(0, 12), st.none()),
        st.tuples(st.just("archive"), st.none(), st.none()),
    ),
    max_size=24,
)


@given(steps=STEPS)
@hypothesis_settings(deadline=None, suppress_health_check=list(HealthCheck))
def test_any_order_of_deliveries_archives_kills_and_compactions_gives_the_rows_of_the_records(
    steps: list[tuple[str, Any, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    store, journal, every = StoreInMemory(), [], []
    delivered = set[str]()
    for step, first, second in steps:
        if step == "record":
            made = record(first, 10, cpu=second, service=f"service-{second % 3}")
            journal.append(made)
            every.append(made)
        elif step == "correct" and journal:
            made = journal[first % len(journal)]
            right = record(made.start_utc_ns, 10, cpu=second, service=made.service, replaces=made.record_id)
            journal.append(right)
            every.append(right)
        elif step == "deliver":
            with store.kill_after(first):
                deliver(store, journal)
                delivered.update(each.record_id for each in journal)
        elif step == "compact":
            with store.kill_after(first):
                compact(store, home)  # leaves as it is what a killed delivery left unfinished
        elif step == "archive" and {each.record_id for each in journal} <= delivered:
            journal = []
        counted = [(row["half_hour_utc_ns"], record_id) for row in read(store)[0] for record_id in ids_of(row)]
        assert len(counted) == len(set(counted)), "no record counts twice, whatever was cut short"
    deliver(store, journal)
    compact(store, home)
    rows, gaps = read(store)
    assert gaps == ()
    assert rows == fold(every)
    before = {run_id: dict(run.data.tags) for run_id, run in store.runs.items()}
    deliver(store, journal)
    compact(store, home)
    assert {run_id: dict(run.data.tags) for run_id, run in store.runs.items()} == before, "nothing new, nothing written"


def test_a_closed_month_becomes_one_run_and_no_row_changes(store: StoreInMemory, tmp_path: Path) -> None:
    records = [*september(), record("2026-10-01T10:00", cpu=5)]
    deliver(store, records)
    before = read(store)
    assert compact(store, tmp_path) == Compacted(1, 20)
    assert read(store) == before == (fold(records), ())
    assert len(standing(store)) == 2
    run = the_month(store)
    assert run.data.tags["ecoia.month"] == "2026-09"
    assert run.data.tags["ecoia.schema"] == "4", "an ecoia that knows no months calls it newer"
    assert run.data.metrics["ecoia/ledger/energy_kwh"] == pytest.approx(sum(range(1000, 1020)) / 3.6e12)
    assert compact(store, tmp_path) == Compacted()


def test_a_month_stays_open_until_seven_days_after_its_end(store: StoreInMemory, tmp_path: Path) -> None:
    deliver(store, september())
    assert compact(store, tmp_path, instant("2026-10-07T23:00")) == Compacted()
    assert compact(store, tmp_path, instant("2026-10-08T00:00")).months == 1


def test_a_late_record_stands_in_place_of_its_day_and_then_goes_into_the_month(store: StoreInMemory, tmp_path: Path) -> None:
    records = september()
    deliver(store, records)
    compact(store, tmp_path)
    late = record("2026-09-03T10:05", cpu=7)
    wrong = records[3]
    right = record(wrong.start_utc_ns, cpu=1, replaces=wrong.record_id)
    records += [late, right]
    deliver(store, records)
    assert len(standing(store)) == 3
    assert read(store) == (fold(records), ())
    compact(store, tmp_path)
    assert len(standing(store)) == 1
    assert read(store) == (fold(records), ())


def test_a_late_record_of_an_archived_month_adds_to_what_the_month_holds(store: StoreInMemory, tmp_path: Path) -> None:
    records = september()
    deliver(store, records)
    compact(store, tmp_path)
    late = record("2026-09-03T10:05", cpu=7)
    deliver(store, [late])
    assert read(store) == (fold([*records, late]), ())


DAMAGES = {
    "missing": lambda store, key: store.artifacts.pop(key),
    "altered": lambda store, key: store.artifacts.update({key: store.artifacts[("other", "rows.jsonl.gz")]}),
    "unreadable": lambda store, key: store.artifacts.update({key: store.artifacts[key][:-9]}),
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_month_is_named_day_by_day_with_its_worth_and_repaired(
    reason: str, store: StoreInMemory, tmp_path: Path
) -> None:
    records = september()
    deliver(store, records)
    compact(store, tmp_path)
    other = StoreInMemory()
    deliver(other, september(3))
    compact(other, tmp_path)
    store.artifacts["other", "rows.jsonl.gz"] = next(
        data for (_, name), data in other.artifacts.items() if name == "rows.jsonl.gz"
    )
    run_id = the_month(store).info.run_id
    DAMAGES[reason](store, (run_id, "rows.jsonl.gz"))
    rows, gaps = read(store)
    assert rows == []
    assert [(gap.day, gap.reason, gap.run_id, gap.microjoules) for gap in gaps] == [
        (f"2026-09-{day + 1:02d}", reason, run_id, 1000 + day) for day in range(20)
    ]
    assert any("written again" in problem for problem in deliver(store, records, VerifiedDays(tmp_path, again=True)))
    assert read(store) == (fold(records), ())
    compact(store, tmp_path)
    assert read(store) == (fold(records), ())
    assert len(standing(store)) == 1


def test_what_the_journal_no_longer_holds_of_a_damaged_month_stays_named(store: StoreInMemory, tmp_path: Path) -> None:
    records = september()
    two_more = [record("2026-09-03T10:10", cpu=100), record("2026-09-03T10:20", cpu=200)]
    deliver(store, [*records, *two_more])
    compact(store, tmp_path)
    store.artifacts.pop((the_month(store).info.run_id, "rows.jsonl.gz"))
    deliver(store, records, VerifiedDays(tmp_path, again=True))
    rows, gaps = read(store)
    assert rows == fold(records)
    assert [(gap.day, gap.reason, gap.microjoules) for gap in gaps] == [("2026-09-03", "partly-restored", 300)]
    assert "partly-restored" in compact(store, tmp_path).problems[0], "what is not whole is left as it is"


def test_a_deleted_month_is_named_day_by_day_until_the_journal_writes_it_again(store: StoreInMemory, tmp_path: Path) -> None:
    records = september()
    deliver(store, records)
    compact(store, tmp_path)
    the_month(store).info.lifecycle_stage = "deleted"
    rows, gaps = read(store)
    assert rows == []
    assert [(gap.day, gap.reason) for gap in gaps] == [(f"2026-09-{day + 1:02d}", "deleted") for day in range(20)]
    deliver(store, records)
    assert read(store) == (fold(records), ())


def test_a_month_of_a_newer_ecoia_is_named_and_not_read(store: StoreInMemory, tmp_path: Path) -> None:
    deliver(store, september())
    compact(store, tmp_path)
    the_month(store).data.tags["ecoia.schema"] = "99"
    rows, gaps = read(store)
    assert rows == []
    assert {gap.reason for gap in gaps} == {"newer"}


def test_places_and_homes_keep_months_of_their_own(store: StoreInMemory, tmp_path: Path) -> None:
    ledger = MlflowLedger(cast(MlflowStore, store))
    day, other = record("2026-09-01T10:00", cpu=1), record("2026-09-01T10:05", cpu=2)
    ledger.upsert_days("host-1", HOME, {"2026-09-01": fold([day])}, list)
    ledger.upsert_days("host-1", HOME, {"2026-09-01": fold([other])}, list, place="0badcafe")
    foreign = record("2026-09-01T10:00", cpu=4, instance="host-2")
    ledger.upsert_days("host-2", "1" * 32, {"2026-09-01": fold([foreign])}, list)
    assert compact(store, tmp_path) == Compacted(2, 2)
    assert read(store) == (fold([day, other, foreign]), ())
    assert sorted(run.data.tags.get("ecoia.month", "") for run in standing(store)) == ["", "2026-09", "2026-09"]
    conflicts = MlflowLedger(cast(MlflowStore, store)).upsert_days("host-1", "1" * 32, {"2026-09-01": fold([foreign])}, list)
    assert list(conflicts) == ["2026-09-01"]


def test_reading_a_part_of_a_month(store: StoreInMemory, tmp_path: Path) -> None:
    records = september()
    deliver(store, records)
    compact(store, tmp_path)
    start, end = instant("2026-09-05T00:00"), instant("2026-09-06T00:00")
    assert MlflowLedger(cast(MlflowStore, store)).read_rows(start, end) == fold([records[4]])
